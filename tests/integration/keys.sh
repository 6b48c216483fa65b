#!/bin/bash
# Do keys keep strangers out and friends in? A campaign over TCP with keys gives the candidates of one without; an
# unlisted key, no key and the wrong broker's key are refused with a sentence that says what to do; a key that is added
# or taken away counts without a restart; what must be refused at start is. With invented tasks: it takes seconds.
. "$(dirname "$0")/../support/campaign.sh"
cd "$folder" || exit 1
unset WYCKMILL_KEYS

run "$folder/plain" "$folder/out-plain"

for who in broker host-a host-b stranger; do
    "$wyckmill" keygen "$who" >"$folder/said" 2>"$folder/log" || fail "keygen $who"
    [ "$(cat "$folder/said")" = "$who/public.key" ] || fail "keygen does not print the public key's path"
    [ "$(stat -c %a "$who/secret.key")" = 600 ] || fail "a secret key is readable: $(stat -c %a "$who/secret.key")"
    [ $who = broker ] || cp broker/public.key "$who/broker.key"
done
"$wyckmill" keygen host-a >/dev/null 2>"$folder/log" && fail "a pair was overwritten"
mkdir broker/allowed
cp host-a/public.key broker/allowed/host-a.key

port=$((20000 + $$ % 20000))
address=tcp://127.0.0.1:$port

# refused EXIT TEXT COMMAND...: it ends with this status and says so. On a busy machine the three handshakes that tell a
# refusal may take longer than a client waits (exit 4, nobody answers): it is asked again then.
refused() {
    local want=$1 text=$2 rc=4
    shift 2
    for ((try = 0; try < 4 && rc == 4; try++)); do
        timeout 20 "$@" >"$folder/stdout" 2>"$folder/log"
        rc=$?
    done
    [ $rc = "$want" ] || fail "$*: exit status $rc, want $want"
    grep -q -- "$text" "$folder/log" || fail "$*: '$text' is not said"
}

# wait_for SECONDS FILE TEXT
wait_for() {
    for ((i = 0; i < $1 * 10; i++)); do
        grep -q -- "$3" "$2" 2>/dev/null && return
        sleep 0.1
    done
    cp "$2" "$folder/log"
    fail "'$3' is not in $2 after $1 s"
}

refused 2 "no keys are given" "$wyckmill" broker --store "$folder/s" --listen "tcp://0.0.0.0:$port"
refused 2 "contradict" "$wyckmill" broker --store "$folder/s" --listen "$address" --keys broker --insecure
refused 1 "secret.key" "$wyckmill" broker --store "$folder/s" --listen "$address" --keys "$folder/out-plain"
chmod 644 stranger/secret.key
refused 2 "others than its owner can read it" "$wyckmill" status --connect "$address" --keys stranger
chmod 600 stranger/secret.key
refused 1 "broker.key" "$wyckmill" status --connect "$address" --keys "$(mkdir lone && "$wyckmill" keygen lone/k >/dev/null && echo lone/k)"

# With keys it may listen anywhere.
"$wyckmill" broker --store "$folder/store" --listen "tcp://0.0.0.0:$port" --keys broker 2>"$folder/broker.log" &
broker=$!
wait_for 10 broker.log "listens on"

refused 2 "does not know this key" "$wyckmill" status --connect "$address" --keys stranger
refused 2 "add stranger/public.key to allowed/" "$wyckmill" status --connect "$address" --keys stranger
refused 2 "talks to listed keys only" "$wyckmill" status --connect "$address"
mkdir other && cp host-a/*.key other && cp stranger/public.key other/broker.key
refused 2 "other/broker.key is not its key" "$wyckmill" status --connect "$address" --keys other
wait_for 5 broker.log "$(sed -n 's/^public \(...................\).*/\1/p' stranger/public.key | sed 's/[][\.*^$]/\\&/g')"

# One worker is in the list, one gets into it later; the environment serves as well as the option.
"$wyckmill" worker --connect "$address" --keys host-a --cache "$folder/cache-a" --slots 1 2>a.log &
WYCKMILL_KEYS=host-b "$wyckmill" worker --connect "$address" --cache "$folder/cache-b" --slots 1 2>b.log &
wait_for 10 b.log "add host-b/public.key to allowed/"
WYCKMILL_KEYS=host-a "$wyckmill" submit --connect "$address" "$root/configs/demo.yaml" "${small[@]}" 2>"$folder/log" || fail "submit"
cp host-b/public.key broker/allowed/host-b.key
wait_for 10 b.log "connected to"
for ((tenth = 0; tenth < 600; tenth++)); do
    "$wyckmill" status --connect "$address" --keys host-a --json >status.json || fail "status"
    grep -q '"state": *"\(done\|partly\)"' status.json && break
    sleep 0.1
done
grep -q '"key": *"host-a"' status.json || fail "the status does not name the key of host-a"
"$wyckmill" status --store "$folder/store" --keys broker | grep -q 'worker *host-b/' || fail "the broker's own folder does not serve on its machine"

# Taken from the list, and put there again, while connected.
mv broker/allowed/host-b.key aside.key
kill -HUP $broker
wait_for 5 broker.log "worker host-b/.* is shut out"
wait_for 10 b.log "your key is not allowed any more"
mv aside.key broker/allowed/host-b.key
for ((i = 0; i < 100; i++)); do
    [ "$(grep -c "worker host-b/.* is here" broker.log)" -ge 2 ] && break
    sleep 0.1
done
[ "$(grep -c "worker host-b/.* is here" broker.log)" -ge 2 ] || fail "host-b did not come back"

# No secret is said anywhere.
for who in broker host-a host-b; do
    secret=$(sed -n 's/^secret //p' $who/secret.key)
    ! grep -rqF -- "$secret" ./*.log status.json store cache-a || fail "the secret of $who was written somewhere"
done
kill -TERM $broker
wait $broker || fail "the broker ended with $?"
pkill -TERM -f -- "worker .*$folder/cache-"

"$wyckmill" export small --store "$folder/store" --out "$folder/out-keys" >/dev/null
cmp <(ids "$folder/out-plain") <(ids "$folder/out-keys") || fail "other candidates with keys"

# In one command.
run "$folder/one" "$folder/out-one" --listen "$address" --keys broker
cmp <(ids "$folder/out-plain") <(ids "$folder/out-one") || fail "other candidates with run --keys"

# Without keys it says so, every time.
for time in 1 2; do
    "$wyckmill" broker --store "$folder/open" --listen "tcp://0.0.0.0:$port" --insecure --quiet 2>"$folder/open.log" &
    broker=$!
    wait_for 10 open.log INSECURE
    refused 2 "uses no keys" "$wyckmill" status --connect "$address" --keys host-a
    kill -TERM $broker
    wait $broker
    rm open.log
done
echo "same $(ids "$folder/out-keys" | wc -l) candidates; strangers refused by name"
