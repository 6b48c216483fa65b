#!/bin/bash
# Do cancel, pause, resume, drain and retry do what they say, over a kill -9 of the broker and a real worker's end?
. "$(dirname "$0")/../support/campaign.sh"

start_broker() {
    rm -f "$folder/store/broker.json"
    "$wyckmill" broker --store "$folder/store" --listen "ipc://$folder/b" 2>>"$folder/log" &
    broker=$!
    for ((try = 0; try < 100; try++)); do
        [ -s "$folder/store/broker.json" ] && return
        sleep 0.1
    done
    fail "the broker does not start"
}

# mill COMMAND [ARGUMENT...]: on the store of the test.
mill() {
    local command=$1
    shift
    "$wyckmill" "$command" --store "$folder/store" "$@"
}

state() {
    mill status --json | grep -o '"state": *"[a-z]*"' | head -1 | sed 's/.*"\([a-z]*\)"$/\1/'
}


start_broker
"$wyckmill" submit --connect "ipc://$folder/b" "$root/configs/demo.yaml" "${small[@]}" >"$folder/id" 2>>"$folder/log" || fail "submit"
mill pause small >"$folder/said" || fail "pause"
grep -q '^pause small: [1-9][0-9]* tasks$' "$folder/said" || fail "pause said: $(cat "$folder/said")"
kill -KILL $broker
wait $broker 2>/dev/null
mill ls | grep -q '^small *paused' || fail "ls without a broker: $(mill ls)"
[ "$(state)" = paused ] || fail "without a broker: $(state)"
mill resume small 2>"$folder/said" && fail "resume without a broker"
[ $? = 4 ] || fail "resume without a broker: exit status $?"

start_broker
"$wyckmill" worker --connect "ipc://$folder/b" --cache "$folder/cache-1" 2>>"$folder/log" &
worker=$!
sleep 1
[ "$(mill status --json | grep -c '"executed": 0')" = 2 ] || fail "something ran while it was paused"
task=$(mill ls action | head -n 1 | cut -c 1-12)
mill status | grep -q ', 2 held,' || fail "after the restart: $(mill status)"
mill cancel "$task" >"$folder/said" || fail "cancel $task"
mill retry --quarantined --json | grep -q '"tasks": 1' || fail "retry"
mill retry "$task" 2>/dev/null && fail "retry of what is not in quarantine"
mill pause nothing 2>/dev/null && fail "pause of nothing"
mill retry 2>/dev/null
[ $? = 2 ] || fail "retry of what? exit status"
[ "$(state)" = paused ] || fail "after retry: $(state)"
mill resume small >/dev/null || fail "resume"

name=$(mill status --json | grep -o '"name": *"[^"]*:[0-9]*"' | head -1 | sed 's/.*: *"\(.*\)"$/\1/')
mill drain "$name" >/dev/null || fail "drain $name"
wait $worker || fail "the drained worker ended with $?"
"$wyckmill" worker --connect "ipc://$folder/b" --cache "$folder/cache-2" 2>>"$folder/log" &
for ((try = 0; try < 300; try++)); do
    case $(state) in done | partly) break ;; running) sleep 0.2 ;; *) fail "the campaign is $(state)" ;; esac
done
mill pause small 2>/dev/null && fail "pause of what is over"

"$wyckmill" submit --connect "ipc://$folder/b" "$root/configs/demo.yaml" "${small[@]}" -S seed=2 >"$folder/id" 2>>"$folder/log" || fail "submit again"
mill cancel small >/dev/null || fail "cancel"
[ "$(state)" = cancelled ] || fail "after cancel: $(state)"
kill -TERM $broker
wait $broker
for event in paused resumed cancelled retried drained; do
    mill events --json | grep -q "\"event\":\"$event\"" || fail "no event '$event'"
done
mill fsck >"$folder/fsck" || fail "fsck: $(cat "$folder/fsck")"
echo "paused, resumed, retried, drained, cancelled"
