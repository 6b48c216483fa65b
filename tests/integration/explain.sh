#!/bin/bash
# Does `explain` tell the true reason, at every turn of a task's life, with a broker and without one?
. "$(dirname "$0")/../support/campaign.sh"
export WYCKMILL_STORE=$folder/store

start_broker() {
    rm -f "$folder/store/broker.json"
    "$wyckmill" broker --store "$folder/store" --listen "ipc://$folder/b" 2>>"$folder/log" &
    broker=$!
    for ((try = 0; try < 100; try++)); do
        [ -s "$folder/store/broker.json" ] && return
        sleep 0.1
    done
    fail "the broker does not start"
}

submit() {
    "$wyckmill" submit --connect "ipc://$folder/b" "$root/configs/demo.yaml" "${small[@]}" "$@" >"$folder/id" 2>>"$folder/log" || fail "submit"
}

# worker [ENVIRONMENT...] [-- ARGUMENT...]
worker() {
    local environment=()
    while [ $# -gt 0 ] && [ "$1" != -- ]; do environment+=("$1"); shift; done
    [ $# = 0 ] || shift
    env "${environment[@]}" "$wyckmill" worker --connect "ipc://$folder/b" --cache "$folder/cache" "$@" 2>>"$folder/log" &
    worker=$!
    for ((try = 0; try < 100; try++)); do
        "$wyckmill" status --json | grep -q "\"name\": \"[^\"]*:$worker\"" && return
        sleep 0.1
    done
    fail "the worker does not come"
}

leave() {
    kill -TERM $worker
    wait $worker
}

# tasks KIND: their ids.
tasks() {
    for id in $("$wyckmill" ls action | cut -c 1-64); do
        "$wyckmill" show "$id" | grep -q "\"kind\":\"$1\"" && echo "$id"
    done
}

# says TASK SENTENCE: now or within a while.
says() {
    for ((try = 0; try < 50; try++)); do
        "$wyckmill" explain "$1" >"$folder/said" 2>>"$folder/log" || fail "explain $1"
        grep -q -- "$2" "$folder/said" && return
        sleep 0.1
    done
    fail "explain $1 does not say '$2': $(cat "$folder/said")"
}

state() {
    "$wyckmill" status --json | grep -o '"state": *"[a-z]*"' | head -1 | sed 's/.*"\([a-z]*\)"$/\1/'
}

wait_end() {
    for ((try = 0; try < 300; try++)); do
        case $(state) in done | partly) return ;; esac
        sleep 0.1
    done
    fail "the campaign is $(state)"
}

# ---- nobody runs it ----
start_broker
submit
encode=
for ((try = 0; try < 100; try++)); do
    encode=$(tasks encode 2>/dev/null | head -n 1)
    [ -z "$encode" ] || break
    sleep 0.1
done
says "${encode:0:10}" 'no worker is connected'
says small 'Later tasks have no id yet'
says small 'encode.*no worker is connected'
"$wyckmill" pause small >/dev/null || fail pause
says "$encode" 'It is held: every campaign that wants it is paused'
says "$encode" 'wyckmill resume small'
kill -KILL $broker
wait $broker 2>/dev/null
says "$encode" 'No broker runs on this store'
says "$encode" "Campaign 'small' is paused"
start_broker
"$wyckmill" resume small >/dev/null || fail resume
worker -- --kinds assemble
says "$encode" "none of the 1 workers runs 'encode'@[0-9]"
says "$encode" 'come first; 2 tasks are ready in all'
leave

# ---- it crashes, and is let out again ----
worker FAKE_CRASHES=1
for ((try = 0; try < 300; try++)); do
    [ -n "$("$wyckmill" ls quarantine 2>/dev/null)" ] && break
    sleep 0.1
done
score=$("$wyckmill" show "$("$wyckmill" ls quarantine | head -n 1 | cut -c 1-64)" | grep -o '"task":"[0-9a-f]*"' | cut -d '"' -f 4)
says "$score" 'It is in quarantine (crash): .*wyckmill retry'
says "$score" '^  1\. .* on .*: crash'
says "$score" '^  3\. .*because the attempt before crashed'
says "$("$wyckmill" ls quarantine | head -n 1 | cut -c 1-12)" "kind\|made by score"
says small "score ${score:0:16}: It is in quarantine"
leave
"$wyckmill" retry --quarantined >/dev/null || fail retry
worker
wait_end
says "$score" 'It is done: its result is in the store'
says "$score" '^  4\. .*: ok; because an operator let it out of quarantine'
says "$encode" '^  1\. .*: ok$'

# ---- the same with another learning rate: what differs is named, however far before ----
kill -STOP $worker
submit -S denoiser.learning_rate=0.002
for ((try = 0; try < 100; try++)); do
    "$wyckmill" status | grep -q ', [1-9] leased' && break
    sleep 0.1
done
sleep 0.5 # until it is in the log
kill -KILL $broker
wait $broker 2>/dev/null
says small 'train-step [0-9a-f]*: No broker runs'
start_broker
kill -CONT $worker
wait_end
says "$encode" "Campaign 'small' was submitted later and took the result from the cache"
for id in $(tasks train-step); do
    "$wyckmill" explain "$id" | grep -q 'learning_rate: 0.002 here, 0.001 there' && train=$id
done
[ -n "${train:-}" ] || fail "no train-step tells of its learning rate"
for id in $(tasks train-step); do
    "$wyckmill" explain "$id" | grep -q 'because the broker was started anew while it ran' && again=$id
done
[ -n "${again:-}" ] || fail "no train-step tells of the broker's end"
says "$again" '^  1\. .*: no end is known: the broker ended before'
says "$train" '(result since 2.*Z), [12] field'
"$wyckmill" export small --out "$folder/out" >/dev/null 2>&1
rank=$("$wyckmill" explain "$(ids "$folder/out" | sed -n 2p)" --json | grep -o '"task": "[0-9a-f]*"' | head -n 1 | cut -d '"' -f 4)
says "$rank" 'steps before, train-step [0-9a-f]* here differs from train-step'
says "$rank" 'params.learning_rate: 0.002 here, 0.001 there'
"$wyckmill" explain "$rank" --json | python3 -c 'import json, sys; assert json.load(sys.stdin)["cache"]["cause"][0] == {"field": "params.learning_rate", "here": "0.002", "there": "0.001"}' || fail "cause as JSON"

# ---- what gc frees and keeps ----
for id in $("$wyckmill" ls checkpoint | cut -c 1-64); do
    "$wyckmill" explain "$id" | grep -q 'gc frees it: a checkpoint of campaign' && checkpoint=$id
done
[ -n "${checkpoint:-}" ] || fail "no checkpoint would be freed"
"$wyckmill" gc --grace 0 >/dev/null 2>&1 || fail gc
says "$checkpoint" 'gc freed it. train-step [0-9a-f]*, of campaign small makes it again'
says "$("$wyckmill" ls source | head -n 1 | cut -c 1-20)" 'ref campaigns/small -> campaign [0-9a-f]* -> source'
says "$rank" '-> action of its plan'
says "$("$wyckmill" ls dataset | head -n 1 | cut -c 1-20)" '-> assemble [0-9a-f]* -> output'
says small 'ref campaigns/small names it'
kill -STOP $worker
"$wyckmill" verify small --recompute 100% >/dev/null 2>>"$folder/log" &
verify=$!
for ((try = 0; try < 20; try++)); do
    for id in $(tasks train-step); do
        "$wyckmill" explain "$id" >"$folder/said" 2>>"$folder/log"
        grep -q 'It waits for an input that gc freed: train-step [0-9a-f]* makes it again and is' "$folder/said" && break 2
    done
done
[ $try -lt 20 ] || fail "no train-step waits for its checkpoint: $(cat "$folder/said")"
grep -q 'being computed again to compare' "$folder/said" || fail "no word of the audit: $(cat "$folder/said")"
kill -CONT $worker
wait $verify || fail "recompute"
says "$rank" 'because to compare (verify --recompute)'
says "$rank" 'audited: equal'
leave
kill -TERM $broker
wait $broker

"$wyckmill" explain abcdef012345 2>/dev/null && fail "explain of nothing"
"$wyckmill" explain 2>/dev/null
[ $? = 2 ] || fail "explain without an id"
echo "told: no worker, held, other kinds, crashes, quarantine, retry, cache, key, gc, audit"
