/* A task kind is a function of (params, inputs) -> (outputs, summary), and nothing else: no
 * clock, no environment, no file outside its arguments. One row of the table in workers/kinds.c
 * each.
 *
 * Library `runtime` has the functions below and expects the table from whoever links it: the
 * program links `task_table` (workers/kinds.c, all kinds); a test may define `task_kinds` and
 * `task_kinds_count` itself with just the rows it needs, and link `runtime` and its own task. */
#ifndef WYCKMILL_WORKERS_TASK_H
#define WYCKMILL_WORKERS_TASK_H

#include "common/err.h"
#include "common/hash.h"
#include "proto/action.h"
#include "proto/value.h"

struct task_sink; /* where outputs go: the runtime's, or an in-memory one in tests */

struct task {
    struct hash id;      /* action id; hash_u64(&id) is the key of its random numbers */
    struct value params; /* the action's params map */
    uint32_t n_inputs;
    const struct span *inputs; /* bytes of the input objects, read only, verified */
    struct task_sink *sink;
};

/* Append one output. Order is part of the result. */
void task_emit(const struct task *task, const char *type, struct span bytes);
/* The result's summary: one canonical msgpack map, at most once; an empty map when not called.
 */
void task_summary(const struct task *task, struct span map);

typedef int task_run(const struct task *task, struct err *err);

struct task_kind {
    const char *name;
    uint32_t revision; /* raise when outputs change for equal inputs */
    bool floats;       /* output depends on the numerics profile */
    task_run *run;
    const char *help; /* one line */
};

extern const struct task_kind task_kinds[];
extern const uint32_t task_kinds_count;
const struct task_kind *task_kind_find(const char *name); /* NULL: none */

/* Run in this process with outputs collected in memory: tests, and `wyckmill` helpers.
 * inputs: spans; ret_outputs: array of buf (caller frees with task_outputs_done). */
struct task_outputs {
    uint32_t n;
    struct buf *bytes;
    char (*types)[OBJECT_TYPE_SIZE];
    struct buf summary;
};
int task_run_local(const char *kind, struct span params, const struct span *inputs,
                   uint32_t n_inputs, struct task_outputs *ret, struct err *err);
void task_outputs_done(struct task_outputs *outputs);

task_run encode_run, assemble_run, train_step_run, sample_run, realize_run, score_run, rank_run;

#endif
