#!/bin/bash
# Do workers in a Slurm job array make a campaign? munged, slurmctld and slurmd of one node, all in the test's folder;
# configs/slurm/workers.sbatch as it is, with keys; one of its workers is cancelled in the middle. Same candidates as
# without Slurm. Skipped without root or without the packages slurmctld, slurmd, slurm-client and munge.
export PATH=$PATH:/usr/sbin
if [ "$(id -u)" != 0 ]; then
    echo "skipped: slurmd wants root"
    exit 77
fi
for program in munged mungekey slurmctld slurmd sbatch scancel squeue sinfo; do
    command -v $program >/dev/null || { echo "skipped: no $program (packages slurmctld slurmd slurm-client munge)"; exit 77; }
done
. "$(dirname "$0")/../support/campaign.sh"

# Jobs first: what slurmstepd starts is ended by nobody else.
clean() {
    scancel --user=root 2>/dev/null
    for ((i = 0; i < 50; i++)); do
        [ -n "$(squeue --noheader 2>/dev/null)" ] || break
        sleep 0.2
    done
    finish
}
port=$((20000 + $$ % 10000 * 4))
[ $port -lt 60000 ] || port=$((port - 30000))
address=tcp://127.0.0.1:$port
node=$(hostname -s)
export SLURM_CONF=$folder/slurm.conf
mkdir -m 700 "$folder/munge" "$folder/state" "$folder/spool"
cat >"$SLURM_CONF" <<X
ClusterName=test
SlurmctldHost=$node(127.0.0.1)
SlurmctldPort=$((port + 2))
SlurmdPort=$((port + 3))
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge/socket
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SlurmdParameters=config_overrides
ReturnToService=2
SchedulerParameters=batch_sched_delay=0,sched_interval=1
NodeName=$node NodeAddr=127.0.0.1 CPUs=6 State=UNKNOWN
PartitionName=main Nodes=$node Default=YES MaxTime=INFINITE State=UP
X

trap clean EXIT # now that SLURM_CONF names our own cluster
trap 'exit 1' INT TERM

mungekey --create --keyfile "$folder/munge/key" >"$folder/log" 2>&1 || fail "no munge key"
munged --foreground --force --socket="$folder/munge/socket" --key-file="$folder/munge/key" --pid-file="$folder/munge/pid" \
    --log-file="$folder/munge/log" --seed-file="$folder/munge/seed" 2>"$folder/munged.log" &
for ((i = 0; i < 100; i++)); do
    [ ! -S "$folder/munge/socket" ] || break
    sleep 0.1
done
slurmctld -D -f "$SLURM_CONF" >"$folder/log" 2>&1 &
slurmd -D -f "$SLURM_CONF" >"$folder/slurmd.log" 2>&1 &
for ((i = 0; i < 300; i++)); do
    sinfo --noheader --format=%t 2>/dev/null | grep -q '^idle' && break
    sleep 0.1
done
sinfo --noheader --format=%t 2>/dev/null | grep -q '^idle' || fail "the node does not become idle: $(sinfo 2>&1)"

for who in broker slurm; do
    "$wyckmill" keygen "$folder/$who" >/dev/null || fail keygen
    cp "$folder/broker/public.key" "$folder/$who/broker.key"
done
mkdir "$folder/broker/allowed"
cp "$folder/slurm/public.key" "$folder/broker/allowed/slurm.key"
small+=(-S denoiser.steps=160 -S guide.steps=160)
run "$folder/calm" "$folder/out-calm" --workers 2

"$wyckmill" broker --store "$folder/store" --listen "$address" --keys "$folder/broker" 2>"$folder/broker.log" &
broker=$!
export WYCKMILL=$wyckmill WYCKMILL_BROKER=$address WYCKMILL_KEYS=$folder/slurm TMPDIR=$folder
for ((i = 0; i < 100; i++)); do
    grep -q "listens on" "$folder/broker.log" && break
    sleep 0.1
done
"$wyckmill" submit --connect "$address" "$root/configs/demo.yaml" "${small[@]}" >/dev/null 2>"$folder/log" || fail "submit"
# Its own settings, but for the size of this "cluster".
job=$(sbatch --parsable --array=1-3 --output="$folder/worker-%a.log" "$root/configs/slurm/workers.sbatch") || fail "sbatch"

status() {
    "$wyckmill" status --connect "$address" --json 2>/dev/null
}
# wait_for SECONDS WHAT COMMAND...
wait_for() {
    local seconds=$1 what=$2
    shift 2
    for ((i = 0; i < seconds * 5; i++)); do
        "$@" && return
        sleep 0.2
    done
    cat "$folder"/worker-*.log "$folder/broker.log" "$folder/slurmd.log" >"$folder/log"
    fail "$what: not after $seconds s; jobs: $(squeue 2>&1)"
}
three_workers() {
    [ "$(grep -c "worker slurm/.* is here: 2 slots" "$folder/broker.log")" -ge 3 ]
}
some_done() {
    [ "$(status | sed -n 's/.*"finished": *\([0-9]*\).*/\1/p' | head -n 1)" -ge 6 ] 2>/dev/null
}
one_left() {
    grep -q "worker slurm/.* leaves" "$folder/broker.log"
}
over() {
    status | grep -q '"state": *"\(done\|partly\)"'
}
none_left() {
    [ -z "$(squeue --noheader)" ]
}
wait_for 60 "three workers from the array" three_workers
wait_for 60 "first results" some_done
! over || fail "over before a worker could be cancelled"
scancel "${job}_2"
wait_for 30 "the cancelled worker says goodbye" one_left
wait_for 120 "the campaign" over
scancel "$job"
wait_for 30 "no job is left" none_left
grep -q "leaving when what runs is done" "$folder/worker-1.log" || fail "a cancelled worker does not finish in order: $(cat "$folder/worker-1.log")"
! ls -d "$folder"/wyckmill-?????? 2>/dev/null || fail "a cache is left on the node"

kill -TERM $broker
wait $broker || fail "the broker ended with $?"
"$wyckmill" export small --store "$folder/store" --out "$folder/out" >/dev/null
[ "$(ids "$folder/out" | wc -l)" -gt 5 ] || fail "too few candidates to compare"
cmp <(ids "$folder/out-calm") <(ids "$folder/out") || fail "other candidates with Slurm"
echo "same $(ids "$folder/out" | wc -l) candidates from a job array"
