#!/bin/bash
# Do tasks get what they need? A campaign waits for a tag and says so, until a worker with it comes; one that asks for too
# much memory runs when it asks for less; one that takes more than its limit is in quarantine, with the limit and the peak,
# and ends well after the limit was raised and a retry.
. "$(dirname "$0")/../support/campaign.sh"
export ASAN_OPTIONS=${ASAN_OPTIONS:-}:allocator_may_return_null=1 # as malloc does; for builds with sanitizers

"$wyckmill" broker --store "$folder/store" --listen "ipc://$folder/b" 2>>"$folder/log" &
for ((try = 0; try < 100; try++)); do
    [ -s "$folder/store/broker.json" ] && break
    sleep 0.1
done

# worker NAME [ARGUMENT...]
worker() {
    local name=$1
    shift
    "$wyckmill" worker --connect "ipc://$folder/b" --cache "$folder/cache-$name" "$@" 2>>"$folder/log" &
}

# submit NAME [ARGUMENT...]
submit() {
    local name=$1
    shift
    "$wyckmill" submit --connect "ipc://$folder/b" "$root/configs/demo.yaml" "${small[@]}" -S name="$name" "$@" >"$folder/id" 2>>"$folder/log" ||
        fail "submit $name"
}

mill() {
    local command=$1
    shift
    "$wyckmill" "$command" --store "$folder/store" "$@"
}

# says NAME TEXT: within 30 s the status of the campaign is such (state, and what stands behind it).
says() {
    for ((try = 0; try < 150; try++)); do
        mill status | grep -q "^campaign $1 *$2" && return
        sleep 0.2
    done
    fail "campaign $1 does not say '$2': $(mill status)"
}

submit tagged -S candidates=10 -S resources.train-step="tags=big"
says tagged 'running .*waits: no worker runs encode'
worker plain --slots 2 --memory "1 GiB" --tags small
says tagged 'running .*waits: train-step: no worker has tag big'
mill status --json | grep -q '"memory": *1073741824' || fail "the worker's memory: $(mill status --json)"
worker big --slots 1 --memory "2 GiB" --tags big,small --kinds train-step
says tagged 'done '

# The same name with other needs: what waits takes the new ones.
submit large -S candidates=10 -S seed=2 -S symprec=0.09 -S resources.encode="memory=64 TiB"
says large 'running .*waits: encode: no worker has 64 TiB'
submit large -S candidates=10 -S seed=2 -S symprec=0.09 -S resources.encode="memory=1 GiB"
says large 'done '

# A worker whose tasks of kind encode take 400 MiB.
kill %3
FAKE_ENCODE_MIB=400 worker hungry --slots 1 --memory "2 GiB" --tags big
hungry=(-S candidates=10 -S seed=3 -S symprec=0.08)
kill %2
submit hungry "${hungry[@]}" -S resources.encode="memory=100 MiB"
says hungry 'failed '
task=$(mill ls quarantine | head -n 1 | cut -c 1-12)
mill show "$task" >"$folder/shown" || fail "show $task"
grep -q 'out of memory, with a limit of 100 MiB, .* resident at most' "$folder/shown" || fail "show says: $(cat "$folder/shown")"
mill events --json | grep '"end":"memory"' | grep -q '"peak_bytes":[0-9]' || fail "no attempt ended for memory"
submit hungry "${hungry[@]}" -S resources.encode="memory=1 GiB, time=10 min"
says hungry 'failed .*in quarantine (memory)'
mill retry --quarantined >/dev/null || fail "retry"
says hungry 'done '
peak=$(mill events --json | grep '"end":"ok"' | grep -o '"peak_bytes":[0-9]*' | cut -d: -f2 | sort -n | tail -n 1)
[ "$peak" -gt $((400 << 20)) ] || fail "the peak of 400 MiB is $peak"
echo "tags, memory, limits; the peak of 400 MiB was $((peak >> 20)) MiB"
