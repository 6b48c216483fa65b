# Shared by the process tests: a small campaign that finishes in seconds, and helpers. Sourced by bash; the
# first argument of the test is the wyckmill program.
set -u
wyckmill=$(realpath "$1")
root=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../..")
folder=$(mktemp -d "${TMPDIR:-/tmp}/wyckmill-test-XXXXXX")
export XDG_CACHE_HOME=$folder/cache XDG_RUNTIME_DIR=$folder/run
mkdir -m 700 "$XDG_RUNTIME_DIR"

# Every process of the test is in its folder's name, so that none is left behind.
finish() {
    { pkill -KILL -f -- "$folder"; wait; } 2>/dev/null
    rm -rf "$folder"
}
trap finish EXIT

fail() {
    echo "FAIL: $*" >&2
    [ ! -s "$folder/log" ] || { echo "--- log:" >&2; tail -n 40 "$folder/log" >&2; }
    exit 1
}

# Every STEP-th frame of the demo set: all structure types, few structures.
thin_demo_set() {
    "$wyckmill" dataset demo | awk -v step="$1" '
        left == 0 { frame++; left = $1 + 2 }
        { if (frame % step == 0) print; left-- }'
}
thin_demo_set 12 >"$folder/data.extxyz" || fail "no demo set"

small=(-S name=small -S data="$folder/data.extxyz"
    -S denoiser.width=32 -S denoiser.layers=1 -S denoiser.heads=2 -S denoiser.steps=48 -S denoiser.task_steps=8 -S denoiser.batch=32
    -S guide.width=32 -S guide.layers=1 -S guide.heads=2 -S guide.steps=48 -S guide.task_steps=8 -S guide.batch=32
    -S candidates=20 -S sample.batch=16 -S sample.tasks=4 -S sample.rounds_max=2 -S sample.steps=12
    -S realize.random_starts=1 -S realize.relax_steps_max=20)

# run STORE OUT [ARGUMENT...]: the small campaign in one command; exit 0 and 3 both mean it went to its end.
run() {
    local store=$1 out=$2
    shift 2
    "$wyckmill" run "$root/configs/demo.yaml" --store "$store" --out "$out" "${small[@]}" "$@" >"$folder/stdout" 2>"$folder/log"
    local rc=$?
    [ $rc = 0 ] || [ $rc = 3 ] || fail "run ended with $rc"
}

# Candidate ids of an export, in rank order.
ids() {
    cut -d, -f2 "$1/candidates.csv"
}
