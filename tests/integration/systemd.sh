#!/bin/bash
# Are the units in configs/systemd good? systemd accepts them, and their own command lines, with other paths and
# another port, make a broker and a worker that find each other.
command -v systemd-analyze >/dev/null || { echo "skipped: no systemd-analyze"; exit 77; }
. "$(dirname "$0")/../support/campaign.sh"

port=$((20000 + $$ % 20000))
mkdir "$folder/units"
for unit in broker worker; do
    sed -e "s|/usr/bin/wyckmill|$wyckmill|; s|/etc/wyckmill|$folder/etc|g; s|/var/lib/wyckmill|$folder/state|g" \
        -e "s|/var/cache/wyckmill|$folder/cache-unit|; s|:7700|:$port|" \
        "$root/configs/systemd/wyckmill-$unit.service" >"$folder/units/wyckmill-$unit.service"
done
# Warnings about this machine (its other units, man pages that are not installed) are none of ours.
systemd-analyze verify --man=no "$folder"/units/*.service >"$folder/log" 2>&1 || fail "systemd-analyze verify"
! grep -q "wyckmill-[a-z]*.service:" "$folder/log" || fail "systemd-analyze has something to say"

mkdir -p "$folder/etc" "$folder/state"
"$wyckmill" keygen "$folder/etc/keys" >/dev/null || fail keygen
mkdir "$folder/etc/keys/allowed"
WYCKMILL_BROKER=tcp://127.0.0.1:$port
for unit in broker worker; do
    command=$(sed -n 's/^ExecStart=//p' "$folder/units/wyckmill-$unit.service")
    ${command/'${WYCKMILL_BROKER}'/$WYCKMILL_BROKER} 2>>"$folder/$unit.log" &
done
for ((i = 0; i < 100; i++)); do
    grep -q "worker self/.* is here" "$folder/broker.log" && break
    sleep 0.1
done
cat "$folder/broker.log" "$folder/worker.log" >"$folder/log"
grep -q "worker self/.* is here" "$folder/broker.log" || fail "the units' commands do not find each other"
echo "both units are accepted, and work"
