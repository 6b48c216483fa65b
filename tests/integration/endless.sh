#!/bin/bash
# Campaigns without a limit of rounds, with real processes: endless.sh PROGRAM EVENTS. A budget of tasks ends one, killed
# or not, with the same candidates; more budget goes on from there; gc frees the rounds that are over; Ctrl-C and
# `export` give the table so far; stop rules and a budget of slot-hours end it, too.
. "$(dirname "$0")/../support/campaign.sh"
events=$(realpath "$2")
endless=(-S sample.rounds_max=0 -S stop.found=false -S sample.tasks=2 -S sample.batch=16 -S candidates=10)
first=15 round=13 # 2 x encode, assemble, 2 x 6 steps; 2 arms x 2 batches x 3, and the ranking

executed() {
    "$events" "$1" | awk -f "$root/tests/support/count_executions.awk"
}

expect() { # WHAT GOT WANT
    [ "$2" = "$3" ] || fail "$1: $2, want $3"
}

# ---- a budget of tasks, undisturbed and killed ----
tasks=$((first + 3 * round))
budget=(-S budget.tasks=$((tasks + round - 1)))
run "$folder/calm" "$folder/out-calm" "${endless[@]}" "${budget[@]}"
expect "executed" "$(executed "$folder/calm")" "$tasks tasks, 0 executed again"
grep -q "^budget of $((tasks + round - 1)) tasks is used up: raise budget.tasks and submit again" "$folder/stdout" ||
    fail "why it ended is not said: $(cat "$folder/stdout")"
[ "$(ids "$folder/out-calm" | wc -l)" = 11 ] || fail "too few candidates to compare"

kills=0
for life in $(seq 30); do
    setsid "$wyckmill" run "$root/configs/demo.yaml" --store "$folder/killed" --out "$folder/out-killed" --workers 2 \
        "${small[@]}" "${endless[@]}" "${budget[@]}" >"$folder/stdout" 2>"$folder/log" &
    group=$!
    before=$("$events" "$folder/killed" 2>/dev/null | grep -c '"end":"ok"')
    while [ $kills -lt 6 ] && kill -0 $group 2>/dev/null; do # some results later, kill everything
        sleep 0.1
        now=$("$events" "$folder/killed" 2>/dev/null | grep -c '"end":"ok"')
        [ "$now" -lt $((before + 9)) ] || { kill -KILL -- "-$group" && kills=$((kills + 1)); break; }
    done
    wait $group 2>/dev/null
    rc=$?
    [ $rc = 137 ] || break
done
[ $rc = 3 ] || fail "the killed run ended with $rc"
[ $kills -gt 2 ] || fail "only $kills kills"
diff -r "$folder/out-calm" "$folder/out-killed" || fail "other candidates after $kills kills"
expect "executed with kills" "$(executed "$folder/killed")" "$tasks tasks, 0 executed again"

# ---- gc: what was made before the last round goes; nothing of it is needed ----
freed=$("$wyckmill" gc --store "$folder/calm" --json | sed -n 's/.*"remade_on_demand": \([0-9]*\).*/\1/p')
[ "$freed" -ge $((2 * (round + 1))) ] || fail "gc freed $freed objects"
"$wyckmill" fsck --store "$folder/calm" >/dev/null || fail "fsck after gc"
"$wyckmill" verify small --store "$folder/calm" >/dev/null || fail "verify after gc"

# ---- more budget goes on from there, also after gc ----
for store in calm killed; do
    run "$folder/$store" "$folder/more-$store" "${endless[@]}" -S budget.tasks=$((tasks + round))
    expect "executed with more budget" "$(executed "$folder/$store")" "$((tasks + round)) tasks, 0 executed again"
done
diff -r "$folder/more-calm" "$folder/more-killed" || fail "gc changes the candidates"

# ---- without a budget: Ctrl-C gives the table so far, and so does export ----
setsid "$wyckmill" run "$root/configs/demo.yaml" --store "$folder/calm" --out "$folder/out-stopped" --workers 2 "${small[@]}" "${endless[@]}" \
    >"$folder/stdout" 2>"$folder/log" &
pid=$!
for _ in $(seq 600); do
    sleep 0.1
    [ "$("$events" "$folder/calm" | grep -c '"end":"ok"')" -lt $((tasks + 2 * round + 2)) ] || break
done
kill -INT $pid
wait $pid
expect "Ctrl-C" $? 130
grep -q "the campaign is not over" "$folder/stdout" || fail "Ctrl-C does not show the table: $(cat "$folder/stdout")"
[ "$(ids "$folder/out-stopped" | wc -l)" = 11 ] || fail "Ctrl-C does not write the table"
"$wyckmill" export small --store "$folder/calm" --out "$folder/out-export" >"$folder/stdout"
expect "export of a campaign that is not over" $? 3
diff -r "$folder/out-stopped" "$folder/out-export" || fail "export gives another table than run"

# ---- a stop rule, then time ----
run "$folder/killed" "$folder/out-rule" "${endless[@]}" -S stop.rounds_without=1 -S candidates=1
rounds=$("$wyckmill" status --store "$folder/killed" --json | sed -n 's/.*"rounds": \([0-9]*\).*/\1/p')
[ "$rounds" -ge 2 ] || fail "the stop rule ended it after $rounds rounds"
before=$(executed "$folder/calm")
timed=(-S budget.slot_hours=0.0003) # about a second; what is there already costs nothing
run "$folder/calm" "$folder/out-timed" "${endless[@]}" "${timed[@]}"
grep -q "^budget of 0.0003 slot-hours is used up: raise budget.slot_hours and submit again" "$folder/stdout" ||
    fail "time: $(cat "$folder/stdout" "$folder/log")"
after=$(executed "$folder/calm")
[ "$after" != "$before" ] || fail "nothing was executed for the time"
run "$folder/calm" "$folder/again-timed" "${endless[@]}" "${timed[@]}"
expect "executed when the time is used up" "$(executed "$folder/calm")" "$after"
diff -r "$folder/out-timed" "$folder/again-timed" || fail "another table when the time is used up"
echo "$kills kills: same candidates; gc freed $freed objects; $rounds rounds until nothing was new; time: $before, then $after"
