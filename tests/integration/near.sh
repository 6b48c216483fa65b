#!/bin/bash
# Do tasks go where their inputs are? Three workers with caches of their own: a checkpoint that the next step of the same
# training needs must not travel each time. All of them travelling would be 37 MB, none 11 MB.
. "$(dirname "$0")/../support/campaign.sh"

address=ipc://$folder/b
"$wyckmill" broker --store "$folder/store" --listen "$address" 2>"$folder/log" &
for worker in 1 2 3; do
    "$wyckmill" worker --connect "$address" --cache "$folder/cache-$worker" --slots 1 2>>"$folder/log" &
done
for ((try = 0; try < 100; try++)); do
    [ "$("$wyckmill" status --connect "$address" 2>/dev/null | grep -c '^worker')" = 3 ] && break
    sleep 0.1
done
"$wyckmill" submit --connect "$address" "$root/configs/demo.yaml" "${small[@]}" >"$folder/id" 2>>"$folder/log" || fail "submit"
for ((second = 0; second < 60; second++)); do
    state=$("$wyckmill" status --connect "$address" --json | grep -o '"state": *"[a-z]*"' | head -1)
    case $state in *done* | *partly*) break ;; *failed*) fail "campaign failed" ;; esac
    sleep 1
done
sent=$("$wyckmill" status --connect "$address" --json | grep -o '"sent_bytes": *[0-9]*' | grep -o '[0-9]*$')
[ "$sent" -gt 5000000 ] || fail "only $sent bytes sent: every worker needs both checkpoints"
[ "$sent" -lt 25000000 ] || fail "$sent bytes sent"
echo "sent $sent bytes"
