#!/bin/bash
# Does the mill stop, refuse and answer as its manual says? Ctrl-C once and twice, a broker that is not there, a store
# in use, wrong arguments: exit status and sentence of each. With invented tasks, so that it takes seconds.
. "$(dirname "$0")/../support/campaign.sh"
events=$(realpath "$2")

start() {
    setsid "$wyckmill" run "$root/configs/demo.yaml" --store "$folder/store" --out "$folder/out" --workers 2 "${small[@]}" \
        >"$folder/stdout" 2>"$folder/log" &
    pid=$!
}

# Until the first results are there.
wait_for_work() {
    for ((i = 0; i < 100; i++)); do
        sleep 0.1
        "$events" "$folder/store" 2>/dev/null | grep -q '"end":"ok"' && return
    done
    fail "nothing was executed in 10 s"
}

ended_with() {
    wait $pid
    rc=$?
    [ $rc = "$1" ] || fail "$2: exit status $rc, want $1"
}

nothing_left() {
    for ((i = 0; i < 30; i++)); do
        pgrep -f -- "wyckmill (broker|worker|slot) .*$folder" >/dev/null || return
        sleep 0.1
    done
    fail "$1: processes are left: $(pgrep -af -- "wyckmill .*$folder")"
}

start
wait_for_work
kill -INT $pid
ended_with 130 "Ctrl-C"
grep -q "finishing what runs" "$folder/log" || fail "Ctrl-C is not answered"
grep -q "the same command goes on" "$folder/log" || fail "how to resume is not said"
nothing_left "Ctrl-C"
[ ! -e "$folder/store/broker.json" ] || fail "the broker did not end in order"

start
wait_for_work
kill -INT $pid
kill -INT $pid
ended_with 130 "Ctrl-C twice"
nothing_left "Ctrl-C twice"

start
wait_for_work
kill -KILL $pid
ended_with 137 "kill -9"
nothing_left "kill -9"

start
wait_for_work
second=$("$wyckmill" run "$root/configs/demo.yaml" --store "$folder/store" --out "$folder/out2" "${small[@]}" 2>&1)
rc=$?
[ $rc = 75 ] || fail "a second run on the same store: exit status $rc, want 75"
echo "$second" | grep -q "is at work on the store" || fail "a store in use is not named: $second"
ended_with 3 "a run beside which another tried to start" # 3: fewer candidates than asked
run "$folder/store" "$folder/out3"
ids "$folder/out" | cmp - <(ids "$folder/out3") || fail "the same command gives other candidates"
"$events" "$folder/store" | awk -f "$root/tests/support/count_executions.awk" || fail "something was executed again"

begin=$SECONDS
for command in "submit $root/configs/demo.yaml" status; do
    said=$("$wyckmill" $command --connect "ipc://$folder/nobody" 2>&1)
    rc=$?
    [ $rc = 4 ] || fail "$command without a broker: exit status $rc, want 4"
    echo "$said" | grep -q "$folder/nobody" || fail "$command does not name the address"
    echo "$said" | grep -q "wyckmill broker --store" || fail "$command does not say what helps"
done
[ $((SECONDS - begin)) -le 8 ] || fail "saying that nobody answers took $((SECONDS - begin)) s"

for arguments in "worker" "worker --connect nowhere" "worker --connect a:1 --slots 0" "worker --connect a:1 --kinds knit" \
    "slot" "submit x.yaml" "run" "run --workers 0 x.yaml" "status now"; do
    "$wyckmill" $arguments >"$folder/stdout" 2>"$folder/log" && fail "'$arguments' is taken"
    rc=$?
    [ $rc = 2 ] || fail "'$arguments': exit status $rc, want 2"
    [ -s "$folder/log" ] || fail "'$arguments' is refused without a word"
done
echo "stops, refuses and answers as it should"
