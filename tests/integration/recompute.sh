#!/bin/bash
# Does `verify --recompute` find a machine that computes wrongly, and nothing else, over a kill -9 of the broker?
. "$(dirname "$0")/../support/campaign.sh"
store=$folder/store

start_broker() {
    rm -f "$store/broker.json"
    "$wyckmill" broker --store "$store" --listen "ipc://$folder/b" 2>>"$folder/log" &
    broker=$!
    for ((try = 0; try < 100; try++)); do
        [ -s "$store/broker.json" ] && return
        sleep 0.1
    done
    fail "the broker does not start"
}

# worker NAME [ENVIRONMENT...]
worker() {
    local name=$1
    shift
    env "$@" "$wyckmill" worker --connect "ipc://$folder/b" --cache "$folder/cache-$name" 2>>"$folder/log" &
}

# recompute PERCENT [ARGUMENT...]: what it says is in $text.
recompute() {
    local percent=$1
    shift
    text=$("$wyckmill" verify small --store "$store" --recompute "$percent" --json "$@" 2>>"$folder/log")
}

# field NAME: of what recompute said.
field() {
    sed -n "s/.*\"$1\": \"*\([a-z0-9]*\)\"*,*/\1/p" <<<"$text" | tail -n 1
}

audited() {
    "$wyckmill" events --store "$store" --json | grep -c '"event":"audited"'
}

expect() { # WHAT GOT WANT
    [ "$2" = "$3" ] || fail "$1: $2, want $3: ${text:0:800}"
}

run "$store" "$folder/out"

# ---- no broker runs: one is started; the same part is chosen again, another one with another seed ----
recompute 20% || fail "recompute by itself: $text"
expect equal "$(field equal)" "$(field chosen)"
expect "by their makers" "$(field by_their_maker)" 0
tasks=$(grep '"task"' <<<"$text")
[ "$(wc -l <<<"$tasks")" = 13 ] || fail "20 % of 65 are $tasks"
recompute 20% || fail "again: $text"
expect "the same part" "$(grep '"task"' <<<"$text")" "$tasks"
recompute 20% --seed 1 || fail "another part: $text"
[ "$(grep '"task"' <<<"$text")" != "$tasks" ] || fail "--seed chooses the same"
"$wyckmill" broker --help >/dev/null
[ ! -e "$store/broker.json" ] || fail "its broker is still there"

# ---- what gc freed is made again first; a broker is killed in the middle ----
"$wyckmill" gc --store "$store" --keep-checkpoints 1 >/dev/null || fail gc
start_broker
worker 1
worker 2
before=$(audited)
"$wyckmill" verify small --store "$store" --recompute 100% --json >"$folder/all" 2>>"$folder/log" &
verify=$!
for ((try = 0; try < 100; try++)); do
    [ "$(audited)" -gt "$before" ] && break
    sleep 0.1
done
kill -KILL $broker
wait $broker 2>/dev/null
start_broker
wait $verify || fail "verify over a broker's death: $(head -c 800 "$folder/all")"
text=$(cat "$folder/all")
expect "equal over a broker's death" "$(field equal)" 65

# ---- a liar: it is found, and what is stored stays ----
"$wyckmill" drain "$("$wyckmill" status --store "$store" --json | grep -o '"name": "[^"]*:[0-9]*"' | head -n 1 | cut -d '"' -f 4)" --store "$store" >/dev/null || fail drain
"$wyckmill" drain "$("$wyckmill" status --store "$store" --json | grep '"name": "[^"]*:[0-9]*"\|drained' | paste - - | grep false | cut -d '"' -f 4)" --store "$store" >/dev/null || fail "second drain"
worker 3 FAKE_LIES=1
recompute 100%
expect "exit status with a liar" $? 1
expect failed "$(field failed)" 0
[ "$(field differs)" -gt 4 ] || fail "the liar: $text"
[ $(($(field differs) + $(field equal))) = 65 ] || fail "all: $text"
grep -A 1 '"kind"' <<<"$text" | grep -B 1 differs | grep '"kind"' | grep -qv score && fail "who lies about others? $text"
grep -B 1 '"end": "equal"' <<<"$text" | grep -q '"kind": "score"' && fail "a score is equal: $text"
grep -q 'output 0: invented [0-9a-f]* is stored, [0-9a-f]* came out' <<<"$text" || fail "no difference told: $text"
grep -q '"lineage"' <<<"$text" || fail "no lineage"
"$wyckmill" events --store "$store" --json | grep -q '"event":"unreproducible"' || fail "no event"
"$wyckmill" verify small --store "$store" >/dev/null || fail "the store is not as it was"
"$wyckmill" ls quarantine --store "$store" 2>/dev/null | grep -q . && fail "something is in quarantine"
kill -TERM $broker
wait $broker
[ "$(ids "$folder/out")" = "$("$wyckmill" export small --store "$store" --out "$folder/again" >/dev/null; ids "$folder/again")" ] || fail "other candidates"
"$wyckmill" fsck --store "$store" >/dev/null || fail fsck

# ---- usage ----
for wrong in 0 101% x 5%%; do
    recompute "$wrong" 2>/dev/null
    expect "exit status of --recompute $wrong" $? 2
done
echo "equal, over gc and a broker's death; a liar is found"
