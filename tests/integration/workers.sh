#!/bin/bash
# Does the answer depend on who computed it? One worker in one store, three workers over TCP in another: same
# candidate ids, byte for byte the same export.
. "$(dirname "$0")/../support/campaign.sh"

run "$folder/one" "$folder/out-one" --workers 1

port=$((20000 + $$ % 20000))
address=tcp://127.0.0.1:$port
"$wyckmill" broker --store "$folder/three" --listen "$address" 2>"$folder/log" &
broker=$!
for worker in 1 2 3; do
    "$wyckmill" worker --connect "$address" --cache "$folder/cache-$worker" 2>>"$folder/log" &
done
"$wyckmill" submit --connect "$address" "$root/configs/demo.yaml" "${small[@]}" 2>>"$folder/log" || fail "submit"
for ((second = 0; second < 300; second++)); do
    state=$("$wyckmill" status --connect "$address" --json | grep -o '"state": *"[a-z]*"' | head -1)
    case $state in *done* | *partly*) break ;; *failed*) fail "campaign failed" ;; esac
    sleep 1
done
"$wyckmill" export small --store "$folder/three" --out "$folder/out-three" >/dev/null
rc=$?
[ $rc = 0 ] || [ $rc = 3 ] || fail "export ended with $rc"
[ "$(ids "$folder/out-one" | wc -l)" -gt 5 ] || fail "too few candidates to compare"
cmp <(ids "$folder/out-one") <(ids "$folder/out-three") || fail "candidate ids differ"
diff -r -x rejected.json -x report.json "$folder/out-one" "$folder/out-three" || fail "exports differ"
# A store at rest: fsck beside a writer can compare two states of it.
kill -TERM $broker
wait $broker
"$wyckmill" fsck --store "$folder/three" >"$folder/fsck" || fail "fsck: $(cat "$folder/fsck")"
echo "same $(ids "$folder/out-one" | wc -l) candidates from 1 and 3 workers"
