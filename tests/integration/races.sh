#!/bin/bash
# Is a task that hangs on a worker that lives computed by another? The slot of a worker is stopped; the campaign must
# end, the log must tell of the race, and the slot must be free again.
. "$(dirname "$0")/../support/campaign.sh"

address=ipc://$folder/b
"$wyckmill" broker --store "$folder/store" --listen "$address" 2>"$folder/log" &
broker=$!
"$wyckmill" worker --connect "$address" --cache "$folder/cache-1" --slots 1 --kinds realize 2>>"$folder/log" &
stopped=$!
"$wyckmill" worker --connect "$address" --cache "$folder/cache-2" --slots 1 2>>"$folder/log" &
for ((try = 0; try < 100; try++)); do
    [ "$("$wyckmill" status --connect "$address" 2>/dev/null | grep -c '^worker')" = 2 ] && break
    sleep 0.1
done
slot=$(pgrep -P $stopped) || fail "no slot"
kill -STOP "$slot"
"$wyckmill" submit --connect "$address" "$root/configs/demo.yaml" "${small[@]}" -S sample.tasks=12 >"$folder/id" 2>>"$folder/log" || fail "submit"
for ((second = 0; second < 60; second++)); do
    state=$("$wyckmill" status --connect "$address" --json | grep -o '"state": *"[a-z]*"' | head -1)
    case $state in *done* | *partly*) break ;; *failed*) fail "campaign failed" ;; esac
    sleep 1
done
[[ $state = *done* || $state = *partly* ]] || fail "the campaign waits: $("$wyckmill" status --connect "$address")"
"$wyckmill" status --connect "$address" --json >"$folder/status" || fail "status"
grep -q '"races": *[1-9]' "$folder/status" || fail "no race is counted: $(cat "$folder/status")"
grep -q '"races_won": *[1-9]' "$folder/status" || fail "no race is won: $(cat "$folder/status")"
kill -TERM $broker
wait $broker

"$wyckmill" events --store "$folder/store" >"$folder/events" || fail "events"
task=$(awk '$2 == "lease" && / race on / { print $3; exit }' "$folder/events")
[ -n "$task" ] || fail "the log tells of no race"
grep -q "  revoked     $task #1  on .*:$stopped\$" "$folder/events" || fail "the hung attempt was not revoked: $(grep "$task" "$folder/events")"
[ "$(grep -c "  attempt     $task .* ok" "$folder/events")" = 1 ] || fail "not one result of the task"
sed "1,/  revoked     $task/d" "$folder/events" | grep -q "  attempt .* ok .*:$stopped" || fail "the slot that hung does nothing more"
"$wyckmill" fsck --store "$folder/store" >"$folder/fsck" || fail "fsck: $(cat "$folder/fsck")"
echo "raced: $(grep "$task" "$folder/events" | wc -l) events of task $task"
