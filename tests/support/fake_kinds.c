/* All task kinds without their science: outputs are invented from the action id, so they are
 * pure functions of the action, and sized so that checkpoints travel in several parts. Linked
 * into a `wyckmill` in place of the real table, they let the process tests kill the mill some
 * hundred times in the time of one real campaign. A worker with FAKE_LIES in its environment
 * gives other scores than the rest: a machine that computes wrongly. With FAKE_CRASHES it
 * crashes on them. */
#include "common/mem.h"
#include "common/rng.h"
#include "proto/kinds.h"
#include "proto/objects.h"
#include "workers/task.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CHECKPOINT_BYTES = (5 << 20) / 2, SMALL_BYTES = 3000, CANDIDATES = 12, WORK_MS = 30 };

static void emit_bytes(const struct task *task, const char *type, size_t size, bool wrong)
{
    struct rng rng = rng_stream(hash_u64(&task->id), 0, wrong, 0);
    struct buf bytes = {0};
    while (bytes.size < size) {
        uint32_t number = rng_u32(&rng);
        buf_append(&bytes, &number, sizeof number);
    }
    task_emit(task, type, buf_span(&bytes));
    buf_done(&bytes);
}

static void emit_report(const struct task *task)
{
    task_emit(task, "report", span_text("{\"rejected\": []}\n"));
}

/* Rock salt with invented lattice parameters. */
static void emit_candidates(const struct task *task)
{
    struct rng rng = rng_stream(hash_u64(&task->id), 0, 0, 1);
    struct site sites[] = {{0, 11}, {1, 17}};
    double free[2][3] = {{0}};
    struct candidate items[CANDIDATES] = {0};
    for (uint32_t i = 0; i < CANDIDATES; i++) {
        double a = 4 + rng_uniform(&rng);
        items[i] = (struct candidate){
            .sample = i,
            .guided = true,
            .geometry = GEOMETRY_RANDOM,
            .valid = true,
            .distance_min = a / 2,
            .record = {.proto = {.spacegroup = 225, .n_sites = 2, .sites = sites},
                       .cell = {a, a, a, 90, 90, 90},
                       .free = free}};
        (void)snprintf(items[i].record.id, ID_SIZE, "invented-%u", i);
        items[i].id = record_structure_id(&items[i].record);
    }
    struct candidates list = {.n = CANDIDATES, .items = items};
    struct buf bytes = {0};
    candidates_encode(&list, &bytes);
    task_emit(task, "candidates", buf_span(&bytes));
    buf_done(&bytes);
}

static void say(const struct task *task, const char *key, uint64_t number)
{
    struct buf summary = {0};
    struct pack pack;
    pack_init(&pack, &summary);
    pack_map(&pack, 1);
    pack_key(&pack, key);
    pack_u64(&pack, number);
    task_summary(task, buf_span(&summary));
    buf_done(&summary);
}

static void take_time(void)
{
    const struct timespec time = {.tv_nsec = WORK_MS * 1000000L};
    (void)nanosleep(&time, NULL);
}

static int small_run(const struct task *task, struct err *err)
{
    (void)err;
    take_time();
    emit_bytes(task, "invented", SMALL_BYTES, false);
    return 0;
}

static int fake_score_run(const struct task *task, struct err *err)
{
    (void)err;
    take_time();
    if (getenv("FAKE_CRASHES"))
        abort();
    emit_bytes(task, "invented", SMALL_BYTES, getenv("FAKE_LIES") != NULL);
    return 0;
}

/* Takes FAKE_ENCODE_MIB of memory, when the environment says so. */
static int fake_encode_run(const struct task *task, struct err *err)
{
    const char *mib = getenv("FAKE_ENCODE_MIB");
    size_t size = mib ? strtoul(mib, NULL, 10) << 20 : 1;
    volatile char *memory = mem_new(size, 1);
    for (size_t i = 0; i < size; i += 4096)
        memory[i] = 1;
    free((void *)memory);
    return small_run(task, err);
}

static int fake_assemble_run(const struct task *task, struct err *err)
{
    (void)err;
    take_time();
    emit_bytes(task, "dataset", SMALL_BYTES, false);
    emit_report(task);
    say(task, "rejected", 0);
    return 0;
}

static int fake_train_step_run(const struct task *task, struct err *err)
{
    (void)err;
    take_time();
    emit_bytes(task, "checkpoint", CHECKPOINT_BYTES, false);
    emit_report(task);
    return 0;
}

static int fake_rank_run(const struct task *task, struct err *err)
{
    (void)err;
    take_time();
    emit_candidates(task);
    emit_report(task);
    emit_bytes(task, "tally", SMALL_BYTES, false);
    say(task, "distinct", CANDIDATES);
    return 0;
}

#define encode_fake fake_encode_run
#define assemble_fake fake_assemble_run
#define train_step_fake fake_train_step_run
#define sample_fake small_run
#define realize_fake small_run
#define score_fake fake_score_run
#define rank_fake fake_rank_run

const struct task_kind task_kinds[] = {
#define X(identifier, name, revision, floats)                                                  \
    {name, revision, floats, identifier##_fake, "invented outputs"},
    KIND_LIST(X)
#undef X
};

const uint32_t task_kinds_count = sizeof task_kinds / sizeof task_kinds[0];
