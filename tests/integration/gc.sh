#!/bin/bash
# gc, backup, compact and verify on a finished campaign with real processes: gc.sh PROGRAM EVENTS.
. "$(dirname "$0")/../support/campaign.sh"
events=$(realpath "$2")
store=$folder/store

executions() {
    "$events" "$1" | grep -c '"event":"lease"'
}

# field JSON NAME
field() {
    sed -n "s/.*\"$2\": \\([a-z0-9]*\\),*/\\1/p" <<<"$1"
}

expect() { # WHAT GOT WANT
    [ "$2" = "$3" ] || fail "$1: $2, want $3"
}

run "$store" "$folder/out"
leases=$(executions "$store")
[ "$leases" -gt 20 ] || fail "the campaign ran $leases tasks"

# ---- everything is needed but checkpoints: 6 steps for each of two networks, 2 stay ----
text=$("$wyckmill" gc --store "$store" --dry-run --json) || fail "dry run"
expect "dry run" "$(field "$text" freed_objects)" 8
text=$("$wyckmill" gc --store "$store" --json) || fail "gc"
expect "freed objects" "$(field "$text" freed_objects)" 8
expect "freed results" "$(field "$text" freed_results)" 0
expect "to be made again" "$(field "$text" remade_on_demand)" 8
"$wyckmill" fsck --store "$store" >/dev/null || fail "fsck after gc"
text=$("$wyckmill" verify small --store "$store" --json) || fail "verify: $text"
expect "objects that verify misses" "$(field "$text" freed_by_gc)" 8
best=$(ids "$folder/out" | sed -n 2p)
"$wyckmill" lineage "$best" --store "$store" | grep -q '(freed)' || fail "lineage does not tell what was freed"

# ---- the same campaign again: nothing runs, the same files ----
run "$store" "$folder/again"
expect "leases after gc" "$(executions "$store")" "$leases"
diff -r "$folder/out" "$folder/again" || fail "another export after gc"

# ---- through a broker, which goes on working ----
"$wyckmill" broker --store "$store" --listen "ipc://$folder/b" 2>"$folder/log" &
broker=$!
for _ in $(seq 100); do
    "$wyckmill" status --store "$store" >/dev/null 2>&1 && [ -e "$store/broker.json" ] && break
    sleep 0.1
done
text=$("$wyckmill" gc --store "$store" --grace 0 --keep-checkpoints 1 --json) || fail "gc through a broker: $text"
expect "freed through the broker" "$(field "$text" freed_objects)" 2
"$wyckmill" backup "$folder/copy" --store "$store" >/dev/null || fail "backup beside a broker"
"$wyckmill" backup "$folder/copy" --store "$store" >/dev/null 2>&1 && fail "a backup over a backup"
"$wyckmill" fsck --store "$folder/copy" >/dev/null || fail "fsck of the copy"
text=$("$wyckmill" compact --store "$store" 2>&1) && fail "compact beside a broker"
grep -q 'a broker runs on this store' <<<"$text" || fail "compact says: $text"
kill "$broker" && wait "$broker"

"$wyckmill" compact --store "$store" >/dev/null || fail "compact"
"$wyckmill" fsck --store "$store" >/dev/null || fail "fsck after compact"
for where in "$store" "$folder/copy"; do
    rm -rf "$folder/again"
    run "$where" "$folder/again"
    expect "leases in $where" "$(executions "$where")" "$leases"
    diff -r "$folder/out" "$folder/again" || fail "another export from $where"
done

# ---- the result of a training step is lost: what it was trained on, and gc freed, is made again ----
recovered=0
for k in 0 3 6 9 11; do
    rm -rf "$folder/lost" "$folder/again"
    cp -r "$store" "$folder/lost"
    perl -0777 -pi -e 'my $n = -1; s/\xaacheckpoint/++$n == '$k' ? "\xaacheckpoinX" : $&/ge' "$folder/lost/data.mdb"
    "$wyckmill" fsck --repair --store "$folder/lost" >"$folder/fsck" || fail "repair $k: $(cat "$folder/fsck")"
    grep -q '1 damaged, 0 dangling' "$folder/fsck" || fail "damage $k: $(cat "$folder/fsck")"
    run "$folder/lost" "$folder/again"
    diff -r "$folder/out" "$folder/again" || fail "another export after loss $k"
    [ $(($(executions "$folder/lost") - leases)) -gt 1 ] && recovered=$((recovered + 1)) # not the lost one alone
    "$wyckmill" fsck --store "$folder/lost" >/dev/null || fail "fsck after loss $k"
done
[ "$recovered" -gt 0 ] || fail "no freed checkpoint was ever made again"

# ---- another campaign in its place makes garbage; gc is killed at any moment ----
run "$store" "$folder/other" -S seed=5
freed=$("$wyckmill" gc --store "$store" --dry-run --json)
[ "$(field "$freed" freed_results)" -gt 10 ] || fail "a replaced campaign leaves no garbage: $freed"
kills=0
for i in $(seq 12); do
    rm -rf "$folder/victim"
    "$wyckmill" backup "$folder/victim" --store "$store" >/dev/null || fail "backup $i"
    "$wyckmill" gc --store "$folder/victim" >/dev/null 2>&1 &
    victim=$!
    sleep "0.$(printf %03d $((i * 2)))"
    kill -KILL "$victim" 2>/dev/null && kills=$((kills + 1))
    wait "$victim" 2>/dev/null
    "$wyckmill" fsck --store "$folder/victim" >"$folder/fsck" || fail "killed after $((i * 2)) ms: $(cat "$folder/fsck")"
    "$wyckmill" verify small --store "$folder/victim" >"$folder/fsck" || fail "killed: $(cat "$folder/fsck")"
done
[ "$kills" -gt 0 ] || fail "gc was never killed in time"
leases=$(executions "$folder/victim")
"$wyckmill" gc --store "$folder/victim" >/dev/null || fail "gc after kills"
rm -rf "$folder/again"
run "$folder/victim" "$folder/again" -S seed=5
expect "leases after kills" "$(executions "$folder/victim")" "$leases"
diff -r "$folder/other" "$folder/again" || fail "another export after kills"

# ---- verify finds one changed letter ----
perl -0pi -e 's/wyckmill candidates/wyckmill candidatez/g' "$store/data.mdb"
text=$("$wyckmill" verify small --store "$store")
expect "exit of verify with damage" $? 1
grep -q '^object [0-9a-f]*: ' <<<"$text" || fail "verify says: $text"
echo "gc, backup, compact, verify: fine ($kills of 12 kills hit, $recovered of 5 losses needed freed checkpoints)"
