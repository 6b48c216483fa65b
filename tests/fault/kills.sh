#!/bin/bash
# What survives kill -9? Broker, worker or everything killed at random moments of a run, KILLS times (argument 3), at
# most PACE milliseconds apart (argument 4). The same command goes on; no finished task is executed again (counted in
# the event log over all lives); the final candidate ids are those of an undisturbed run. The moments come from a seed
# that a failure prints.
. "$(dirname "$0")/../support/campaign.sh"
events=$(realpath "$2")
kills_wanted=$3
pace=$4
seed=${WYCKMILL_TEST_SEED:-$$}
RANDOM=$seed
echo "seed $seed"

run "$folder/calm" "$folder/out-calm"
ids "$folder/out-calm" >"$folder/want"
[ "$(wc -l <"$folder/want")" -gt 5 ] || fail "too few candidates to compare"
calm=$("$events" "$folder/calm" | awk -f "$root/tests/support/count_executions.awk") || fail "$calm"
echo "undisturbed: $calm"

kills=0
store=0

# A process id of the test's brokers or workers, at random; its store or socket names the test's folder.
victim() {
    pgrep -f -- "wyckmill $1 .*$folder" | sort -R --random-source=<(yes $RANDOM) | head -n 1
}

# Kill one of {broker, worker, everything}; says what.
kill_something() {
    case $((RANDOM % 3)) in
    0) pid=$(victim broker) what=broker ;;
    1) pid=$(victim worker) what=worker ;;
    2) pid=all what=everything ;;
    esac
    if [ "$pid" = all ]; then
        kill -KILL -- "-$group" 2>/dev/null
    elif [ -n "$pid" ]; then
        kill -KILL "$pid" 2>/dev/null
    else
        return
    fi
    kills=$((kills + 1))
}

while [ $kills -lt "$kills_wanted" ]; do
    store=$((store + 1)) lives=0
    while :; do
        lives=$((lives + 1))
        [ $lives -lt 60 ] || fail "no end after $lives lives (seed $seed)"
        setsid "$wyckmill" run "$root/configs/demo.yaml" --store "$folder/store-$store" --out "$folder/out-$store" --workers 2 \
            "${small[@]}" >"$folder/stdout" 2>"$folder/log" &
        group=$!
        what=nothing
        while [ $kills -lt "$kills_wanted" ] && [ "$what" != everything ]; do
            sleep "$(awk -v ms=$((RANDOM % pace)) 'BEGIN { print ms / 1000 }')"
            kill -0 $group 2>/dev/null || break
            kill_something
        done
        wait $group
        rc=$?
        [ $rc = 0 ] || [ $rc = 3 ] || [ $rc = 137 ] || fail "run ended with $rc (seed $seed)"
        [ $rc = 137 ] || break
    done
    ids "$folder/out-$store" | cmp - "$folder/want" || fail "other candidates after kills (seed $seed)"
    counted=$("$events" "$folder/store-$store" | awk -f "$root/tests/support/count_executions.awk") || fail "$counted (seed $seed)"
    [ "$counted" = "$calm" ] || fail "executed $counted, undisturbed $calm (seed $seed)"
    "$wyckmill" fsck --store "$folder/store-$store" >"$folder/fsck" || fail "fsck: $(cat "$folder/fsck") (seed $seed)"
    echo "store $store: $lives lives, $counted"
done
echo "$kills kills: same candidates, nothing finished was executed again"
