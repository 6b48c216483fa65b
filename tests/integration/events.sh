#!/bin/bash
# Do status, top, events and show tell what happened? One small campaign; the event log read from the store, told by
# the broker and followed while it grows must be the same.
. "$(dirname "$0")/../support/campaign.sh"

"$wyckmill" broker --store "$folder/store" --listen "ipc://$folder/b" 2>"$folder/log" &
broker=$!
"$wyckmill" worker --connect "ipc://$folder/b" --cache "$folder/cache-1" 2>>"$folder/log" &
for ((try = 0; try < 100; try++)); do
    [ -s "$folder/store/broker.json" ] && break
    sleep 0.1
done
"$wyckmill" events --connect "ipc://$folder/b" --follow >"$folder/followed" 2>>"$folder/log" &
follower=$!
"$wyckmill" submit --connect "ipc://$folder/b" "$root/configs/demo.yaml" "${small[@]}" >"$folder/id" 2>>"$folder/log" || fail "submit"
for ((second = 0; second < 100; second++)); do
    state=$("$wyckmill" status --connect "ipc://$folder/b" --json | grep -o '"state": *"[a-z]*"' | head -1)
    case $state in *done* | *partly*) break ;; *failed*) fail "campaign failed" ;; esac
    sleep 1
done

"$wyckmill" status --store "$folder/store" --prometheus >"$folder/metrics" || fail "status --prometheus"
awk '/^#/ { next } !/^wyckmill_[a-z_]+({([a-z]+="[^"]*",?)+})? [-+0-9.e]+$/ { print "no metric: " $0; bad = 1 } END { exit bad }' \
    "$folder/metrics" || fail "metrics: $(cat "$folder/metrics")"
grep -q '^wyckmill_up 1$' "$folder/metrics" || fail "not up"
executed=$(awk '/^wyckmill_results_total{from="executed"}/ { print $2 }' "$folder/metrics")
[ "$executed" -gt 10 ] || fail "executed: $executed"
grep -q '^wyckmill_campaign_tasks{campaign="small",count="planned"}' "$folder/metrics" || fail "no campaign in the metrics"

[ "$("$wyckmill" top --store "$folder/store" | grep -c '^campaign small')" = 1 ] || fail "top: one view"
views=$("$wyckmill" top --connect "ipc://$folder/b" --count 2 --interval 0.1)
[ "$(grep -c '^broker ' <<<"$views")" = 2 ] || fail "top: $views"
! grep -q $'\033' <<<"$views" || fail "top writes escape codes to what is no terminal"

"$wyckmill" events --connect "ipc://$folder/b" >"$folder/told" || fail "events --connect"
sleep 1.5
kill $follower
wait $follower 2>/dev/null
kill -TERM $broker
wait $broker
"$wyckmill" events --store "$folder/store" --json >"$folder/stored" || fail "events --store"
cmp <(head -c "$(wc -c <"$folder/told")" "$folder/stored") "$folder/told" || fail "told is not what is stored"
cmp <(head -c "$(wc -c <"$folder/followed")" "$folder/stored") "$folder/followed" || fail "followed is not what is stored"
[ "$(wc -l <"$folder/followed")" -ge "$(wc -l <"$folder/told")" ] || fail "the follower fell behind"
[ "$(grep -c '"end":"ok"' "$folder/told")" = "$executed" ] || fail "$executed executed, other in the event log"

last=$(tail -n 1 "$folder/stored" | sed 's/.*"sequence":\([0-9]*\).*/\1/')
[ "$("$wyckmill" events --store "$folder/store" --json --from "$last")" = "$(tail -n 1 "$folder/stored")" ] || fail "--from"
[ "$("$wyckmill" events --store "$folder/store" | wc -l)" = "$(wc -l <"$folder/stored")" ] || fail "lines for people"
task=$(grep -m 1 '"end":"ok"' "$folder/stored" | sed 's/.*"task":"\([0-9a-f]*\)".*/\1/')
"$wyckmill" show "$task" --store "$folder/store" >"$folder/shown" || fail "show"
grep -q "attempt .*${task:0:16} #1 ok after" "$folder/shown" || fail "show has no attempt: $(cat "$folder/shown")"
"$wyckmill" events --from x --store "$folder/store" 2>/dev/null && fail "--from x"
echo "$(wc -l <"$folder/stored") events, the same from store, broker and follower"
