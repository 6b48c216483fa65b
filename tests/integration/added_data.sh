#!/bin/bash
# Does a data set that grew re-encode only what is new? The same campaign twice, the second time with ten more structures
# in the middle of the file: at most two encode tasks are executed, all others are taken from the store.
. "$(dirname "$0")/../support/campaign.sh"
events=$(realpath "$2")

# frames FIRST LAST: of the demo set, without ids, so that names come from lines.
frames() {
    "$wyckmill" dataset demo | awk -v first="$1" -v last="$2" '
        left == 0 { frame++; left = $1 + 2 }
        frame >= first && frame <= last { sub(/ id=[^ ]*/, ""); print }
        { left-- }'
}
frames 1 600 >"$folder/before.extxyz"
{ frames 1 300; frames 2001 2010; frames 301 600; } >"$folder/after.extxyz"

# count KIND: how many tasks of this kind were executed.
count() {
    "$events" "$folder/store" | sed -n 's/.*"end":"ok".*"task":"\([0-9a-f]*\)".*/\1/p' | sort -u | while read -r task; do
        "$wyckmill" show --store "$folder/store" "$task"
    done | grep -c "\"kind\":\"$1\""
}

cd "$folder" || exit 1
mv before.extxyz data.extxyz
run "$folder/store" "$folder/out"
before=$(count encode)
[ "$before" -ge 3 ] || fail "only $before encode tasks: nothing to see"
mv after.extxyz data.extxyz
run "$folder/store" "$folder/out"
again=$(($(count encode) - before))
[ "$again" -ge 1 ] || fail "ten structures were added, and nothing was encoded"
[ "$again" -le 2 ] || fail "ten structures were added, and $again of $before shards were encoded again"
[ "$(count assemble)" = 2 ] || fail "$(count assemble) data sets, want 2"
"$events" "$folder/store" | awk -f "$root/tests/support/count_executions.awk" || fail "something was executed again"
echo "$before encode tasks, then $again with ten more structures"
