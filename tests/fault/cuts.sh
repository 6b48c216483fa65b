#!/bin/bash
# Does the network matter? Three hosts (network namespaces: a broker and two workers, on a bridge in a fourth one) with
# keys between them. Packets from the broker to the workers vanish for 10 s, then those from the workers to the broker;
# one host has a slow link; one host vanishes. Each campaign ends with the root hash (the id of its list of candidates)
# of an undisturbed one in one place. With invented tasks. All traffic stays inside the namespaces.
if [ "$(id -u)" != 0 ] || ! command -v ip >/dev/null; then
    echo "skipped: needs root and iproute2, for network namespaces"
    exit 77
fi
. "$(dirname "$0")/../support/campaign.sh"

space=wyckmill-test-$$
hosts=(net broker one two)

clean() {
    finish
    for host in "${hosts[@]}"; do
        ip netns del "$space-$host" 2>/dev/null
    done
}
trap clean EXIT
trap 'exit 1' INT TERM

ip netns add "$space-net" 2>/dev/null || { echo "skipped: no network namespaces may be made here"; exit 77; }
ip -n "$space-net" link add bridge type bridge 2>/dev/null || { echo "skipped: this kernel has no bridge"; exit 77; }
ip -n "$space-net" link set bridge up

# host NAME NUMBER: a namespace with the address 10.77.0.NUMBER, its cable plugged into the bridge.
host() {
    [ "$1" = net ] || ip netns add "$space-$1" || fail "no namespace $1"
    ip -n "$space-$1" link set lo up
    ip -n "$space-$1" link add eth0 type veth peer name "to-$1" netns "$space-net" || fail "no cable to $1"
    ip -n "$space-net" link set "to-$1" master bridge up
    ip -n "$space-$1" address add "10.77.0.$2/24" dev eth0
    ip -n "$space-$1" link set eth0 up
}
host broker 1
host one 11
host two 12
address=tcp://10.77.0.1:7700

# on HOST COMMAND...
on() {
    ip netns exec "$space-$1" "${@:2}"
}

# cut FROM NUMBER, heal FROM NUMBER: packets from this host to 10.77.0.NUMBER go to a station that is not there; the
# other direction is as it was.
cut() {
    ip -n "$space-$1" neigh replace "10.77.0.$2" lladdr 02:00:00:00:00:99 dev eth0 nud permanent || fail "no cut"
}
heal() {
    ip -n "$space-$1" neigh del "10.77.0.$2" dev eth0 || fail "not healed"
}

for who in broker one two; do
    "$wyckmill" keygen "$folder/keys-$who" >/dev/null || fail keygen
    cp "$folder/keys-broker/public.key" "$folder/keys-$who/broker.key"
done
mkdir "$folder/keys-broker/allowed"
for who in one two; do
    cp "$folder/keys-$who/public.key" "$folder/keys-broker/allowed/$who.key"
done

# A longer chain than the small campaign has, so that there is time to disturb it.
small+=(-S denoiser.steps=160 -S guide.steps=160)
root_of() {
    "$wyckmill" status --store "$1" --json | sed -n 's/.*"candidates": *"\([0-9a-f]*\)".*/\1/p'
}
run "$folder/calm" "$folder/out-calm" --workers 2
want=$(root_of "$folder/calm")
[ ${#want} = 64 ] || fail "no root hash to compare with"

status() {
    on broker "$wyckmill" status --connect "$address" --keys "$folder/keys-broker" --json 2>/dev/null
}
finished() {
    status | sed -n 's/.*"finished": *\([0-9]*\).*/\1/p' | head -n 1
}

# begin NAME: broker and workers on their hosts, campaign submitted, first results there.
begin() {
    store=$folder/store-$1
    ip netns exec "$space-broker" "$wyckmill" broker --store "$store" --listen "$address" --keys "$folder/keys-broker" 2>>"$folder/log" &
    broker=$!
    workers=()
    for who in one two; do
        ip netns exec "$space-$who" "$wyckmill" worker --connect "$address" --keys "$folder/keys-$who" --slots 1 \
            --cache "$folder/cache-$1-$who" 2>>"$folder/log" &
        workers+=($!)
    done
    # From a worker's host: the objects and the campaign go over the network as well.
    on two "$wyckmill" submit --connect "$address" --keys "$folder/keys-two" "$root/configs/demo.yaml" "${small[@]}" \
        >/dev/null 2>>"$folder/log" || fail "$1: submit"
    for ((i = 0; i < 300; i++)); do
        [ "$(finished)" -ge 4 ] 2>/dev/null && return
        sleep 0.1
    done
    fail "$1: nothing is done after 30 s"
}

# end NAME SECONDS: it is over within this time, with the same root hash.
end() {
    local from=$SECONDS state=
    while [ $((SECONDS - from)) -lt "$2" ]; do
        state=$(status | sed -n 's/.*"state": *"\([a-z]*\)".*/\1/p' | head -n 1)
        case $state in done | partly) break ;; failed) fail "$1: the campaign failed" ;; esac
        sleep 0.2
    done
    case $state in done | partly) ;; *) fail "$1: not over after $2 s, $(finished) tasks done" ;; esac
    kill -KILL "${workers[@]}" 2>/dev/null
    wait "${workers[@]}" 2>/dev/null
    kill -TERM $broker
    wait $broker || fail "$1: the broker ended with $?"
    [ "$(root_of "$store")" = "$want" ] || fail "$1: another root hash: $(root_of "$store"), want $want"
    "$wyckmill" fsck --store "$store" >"$folder/fsck" || fail "$1: fsck: $(cat "$folder/fsck")"
    echo "$1: over after $SECONDS s of the test, same root hash"
    rm -rf "$store" "$folder"/cache-*
}

# stalled NAME: the cut is one: nothing gets through any more. What was on its way may still count.
stalled() {
    sleep 2
    before=$(finished)
    sleep 8
    [ "$(finished)" -le $((before + 1)) ] || fail "$1: tasks are done across the cut: $before, then $(finished)"
}

begin broker-to-workers
cut broker 11
cut broker 12
stalled broker-to-workers
heal broker 11
heal broker 12
end broker-to-workers 120

begin workers-to-broker
cut one 1
cut two 1
stalled workers-to-broker
heal one 1
heal two 1
end workers-to-broker 120

if on one tc qdisc add dev eth0 root tbf rate 16mbit burst 64kbit latency 50ms 2>/dev/null; then
    begin slow-link
    end slow-link 240
    on one tc qdisc del dev eth0 root
else
    echo "slow-link: left out, this kernel or iproute2 has no tc tbf"
fi

begin vanished-host
ip -n "$space-net" link set to-one down
end vanished-host 120
echo "root hash $want"
