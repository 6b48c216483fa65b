/* A stand-in for workers: gives any action of a campaign's plan a result that is a pure
 * function of the action. Outputs are invented ids; summaries say what the plan looks at. */
#ifndef WYCKMILL_TESTS_SUPPORT_EXECUTOR_H
#define WYCKMILL_TESTS_SUPPORT_EXECUTOR_H

#include "common/mem.h"
#include "proto/action.h"
#include "proto/kinds.h"

#include <stdio.h>
#include <string.h>

struct executor {
    uint64_t distinct_per_batch; /* found by rank, per scored input of all rounds */
    uint64_t meeting_per_batch;  /* of them meet the targets */
    uint64_t batches_max;        /* not 0: those after so many batches bring nothing new */
    uint64_t rejected;           /* said by assemble */
    const char *properties;      /* said by assemble: one name; NULL: says none */
};

static inline uint32_t executor_outputs(const char *kind)
{
    switch (kind_find(kind)) {
    case KIND_assemble:
    case KIND_train_step:
        return 2;
    case KIND_rank:
        return 3;
    default:
        return 1;
    }
}

/* How many scored batches of all rounds are in the last tallies: what the bytes of a real one
 * would say. */
static struct {
    struct hash id;
    uint64_t batches;
} executor_tallies[64];
static uint32_t executor_tallies_n;

static inline uint64_t executor_earlier(const struct action *action)
{
    for (uint32_t i = 0; action->n_inputs > 1 && i < 64; i++)
        if (hash_equal(&executor_tallies[i].id, &action->inputs[1]))
            return executor_tallies[i].batches;
    return 0;
}

static inline uint64_t executor_batches(const struct action *action)
{
    uint64_t earlier = executor_earlier(action);
    return earlier + action->n_inputs - (earlier ? 2 : 0);
}

static inline uint64_t executor_counted(const struct executor *executor, uint64_t batches)
{
    return executor->batches_max && batches > executor->batches_max ? executor->batches_max
                                                                    : batches;
}

static inline void executor_rank(const struct executor *executor, const struct action *action,
                                 struct pack *pack)
{
    uint64_t before = executor_counted(executor, executor_earlier(action));
    uint64_t now = executor_counted(executor, executor_batches(action));
    pack_map(pack, 3);
    pack_key(pack, "added");
    pack_u64(pack, executor->distinct_per_batch * (now - before));
    pack_key(pack, "distinct");
    pack_u64(pack, executor->distinct_per_batch * now);
    pack_key(pack, "meeting");
    pack_u64(pack, executor->meeting_per_batch * now);
}

static inline void executor_summary(const struct executor *executor,
                                    const struct action *action, struct buf *out)
{
    struct pack pack;
    pack_init(&pack, out);
    if (!strcmp(action->kind, "assemble")) {
        pack_map(&pack, executor->properties ? 2 : 1);
        if (executor->properties) {
            pack_key(&pack, "properties");
            pack_array(&pack, 1);
            pack_text(&pack, executor->properties);
        }
        pack_key(&pack, "rejected");
        pack_u64(&pack, executor->rejected);
    } else if (!strcmp(action->kind, "rank")) {
        executor_rank(executor, action, &pack);
    } else {
        pack_map(&pack, 0);
    }
}

/* Caller frees with result_done. */
static inline struct result executor_run(const struct executor *executor,
                                         const struct action *action, const struct hash *id)
{
    struct result result = {.action = *id, .n_outputs = executor_outputs(action->kind)};
    result.outputs = mem_new(result.n_outputs, sizeof *result.outputs);
    for (uint32_t i = 0; i < result.n_outputs; i++) {
        char text[80];
        char hex[HASH_HEX_SIZE];
        (void)snprintf(text, sizeof text, "%s %u", hash_hex(id, hex), i);
        result.outputs[i].id = hash_bytes(span_text(text));
        result.outputs[i].size = strlen(text);
        (void)snprintf(result.outputs[i].type, sizeof result.outputs[i].type, "thing");
    }
    if (!strcmp(action->kind, "rank")) {
        uint32_t place = executor_tallies_n++ % 64;
        executor_tallies[place].batches = executor_batches(action);
        executor_tallies[place].id = result.outputs[2].id;
    }
    executor_summary(executor, action, &result.summary);
    return result;
}

#endif
