#!/bin/sh
# Print the table of messages in docs/protocol.md from proto/messages/*.def.
#   tools/protocol_table.sh proto/messages             the table, to stdout
#   tools/protocol_table.sh proto/messages --check FILE  exit 1 when FILE does not end with it
#   tools/protocol_table.sh proto/messages --write FILE  replace what FILE has below the marker
set -eu
folder=$1
marker='<!-- Below: made by tools/protocol_table.sh from proto/messages. -->'

table()
{
    sed -n 's|^#include "proto/messages/\(.*\)"$|\1|p' "$folder/all.def" | {
        number=0
        while read -r file; do
            number=$((number + 1))
            awk -v number="$number" '
                function comment(line) {
                    gsub(/^ *\/?\*+ ?|[ ]*\*\/ *$/, "", line)
                    return line
                }
                /^\/\*/ { about = "" ; in_about = 1 }
                in_about { text = comment($0); about = about (about == "" ? "" : " ") text }
                in_about && /\*\// { in_about = 0; next }
                /^MESSAGE\(/ {
                    split($0, part, /[(,) ]+/)
                    name = part[2]
                    printf "\n### %d %s (version %d)\n\n%s\n\n| field | type | |\n|---|---|---|\n", \
                        number, name, part[3], about
                }
                /^FIELD\(/ {
                    note = ""
                    if (match($0, /\/\*.*\*\//)) {
                        note = substr($0, RSTART + 2, RLENGTH - 4)
                        gsub(/^ +| +$/, "", note)
                        gsub(/\|/, "\\|", note)
                    }
                    split($0, part, /[(,) ]+/)
                    printf "| `%s` | %s | %s |\n", part[3], part[2], note
                }
            ' "$folder/$file"
        done
    }
}

above()
{
    sed "/^$(printf '%s' "$marker" | sed 's/[.*/]/\\&/g')\$/q" "$1"
}

case ${2:-} in
--check)
    { above "$3"; table; } | cmp -s - "$3" && exit 0
    echo "$3 is not up to date: run tools/protocol_table.sh proto/messages --write docs/protocol.md" >&2
    exit 1
    ;;
--write)
    text=$(above "$3"; table)
    printf '%s\n' "$text" >"$3"
    ;;
*) table ;;
esac
