#!/bin/bash
# What survives a disk that is full, or that fails once? Every call that writes into the store, the worker's cache or
# the exported files is counted over all processes of a run (full_disk.c); then the same command runs again and again,
# and its n-th write fails: with EIO or ENOSPC, alone, or with ENOSPC as all later ones do, too. Each time: the command ends, with
# its ordinary result or with a sentence and a hint; the store is clean; and the same command on a sound disk goes on to
# the same candidates, and executes nothing again whose result was durable. POINTS (argument 4) moments of each kind,
# evenly spread from a seeded begin; 0: every one. A quarter of them of the last kind, which takes the longest.
. "$(dirname "$0")/../support/campaign.sh"
events=$(realpath "$2")
shim=$(realpath "$3")
points=$4
seed=${WYCKMILL_TEST_SEED:-$$}
echo "seed $seed"
small+=(-S denoiser.steps=8 -S guide.steps=8 -S sample.rounds_max=1)
store=$folder/store out=$folder/out
export FAIL_FOLDERS=$store:$out:$folder/cache FAIL_COUNTER=$folder/count FAIL_TOLD=$folder/told

executions() {
    "$events" "$store" | awk -f "$root/tests/support/count_executions.awk"
}

# A run on a disk whose N-th write fails with ERRNO, and with ON all later ones. Sets rc.
run_failing() {
    rm -rf "$store" "$out" "$folder/cache" "$folder/count" "$folder/told"
    FAIL_AT=$1 FAIL_ERRNO=$2 FAIL_ON=$3 LD_PRELOAD=$shim timeout -s KILL 90 "$wyckmill" run "$root/configs/demo.yaml" \
        --store "$store" --out "$out" "${small[@]}" >"$folder/stdout" 2>"$folder/log"
    rc=$?
}

writes() {
    od -An -tu8 -N8 "$folder/count" | tr -d ' '
}

# check N ERRNO: what must hold after run_failing, and when the same command goes on.
check() {
    local where
    where="write $1, errno $2, on $on: $(cat "$folder/told")"
    case $rc in
    0 | 3) # it says that all is done: then all is durable
        ids "$out" | cmp - "$folder/want" || fail "other candidates ($where)"
        counted=$(executions) || fail "$counted ($where)"
        [ "$counted" = "$calm" ] || fail "done, but $counted are in the store, undisturbed $calm ($where)"
        ;;
    1 | 75)
        grep -q '^wyckmill.*: .*: \(No space left on device\|Input/output error\)' "$folder/log" || fail "no sentence ($where)"
        grep -q '^ *hint: ' "$folder/log" || fail "no hint ($where)"
        ;;
    *) fail "ended with $rc ($where)" ;;
    esac
    # A broker ends for what the disk said, and never because something that it took for durable is not there.
    if grep -s '^wyckmill broker: ' "$store/log/broker.log" | grep -v 'No space left on device\|Input/output error'; then
        fail "a broker ended for another reason ($where)"
    fi
    if [ -s "$store/data.mdb" ]; then
        "$wyckmill" fsck --store "$store" >"$folder/fsck" 2>&1 || grep -q 'no store at' "$folder/fsck" ||
            fail "fsck: $(cat "$folder/fsck") ($where)"
    fi
    run "$store" "$out"
    ids "$out" | cmp - "$folder/want" || fail "other candidates afterwards ($where)"
    counted=$(executions) || fail "$counted ($where)"
    [ "$counted" = "$calm" ] || fail "executed $counted, undisturbed $calm ($where)"
    "$wyckmill" fsck --store "$store" >"$folder/fsck" || fail "fsck afterwards: $(cat "$folder/fsck") ($where)"
}

run_failing 0 0 0
[ $rc = 3 ] || [ $rc = 0 ] || fail "undisturbed: $rc"
ids "$out" >"$folder/want"
[ "$(wc -l <"$folder/want")" -gt 5 ] || fail "too few candidates to compare"
calm=$(executions) || fail "$calm"
total=$(writes)
echo "undisturbed: $calm, $total writes"

stride=$((points ? total / points : 1))
[ "$stride" -gt 0 ] || fail "only $total writes"
tried=0
for kind in "5 0" "28 0" "28 1"; do
    read -r errno on <<<"$kind"
    n=$((points ? seed % stride + 1 : 1)) step=$((stride * (1 + 3 * on)))
    while :; do
        run_failing $n "$errno" "$on"
        [ -s "$folder/told" ] || break # a run that was over before its n-th write
        check $n "$errno"
        echo "write $n, errno $errno, on $on: ended with $rc after $SECONDS s: $(sed "s|$folder/||" "$folder/told")"
        tried=$((tried + 1)) n=$((n + step))
    done
done
[ $tried -gt 0 ] || fail "nothing failed"
echo "$tried failing writes: clean stores, same candidates, nothing finished was executed again"
