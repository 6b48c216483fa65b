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
    uint64_t distinct_per_batch; /* found by rank, per scored input */
    uint64_t rejected;           /* said by assemble */
    const char *properties;      /* said by assemble: one name; NULL: says none */
};

static inline uint32_t executor_outputs(const char *kind)
{
    switch (kind_find(kind)) {
    case KIND_assemble:
    case KIND_train_step:
    case KIND_rank:
        return 2;
    default:
        return 1;
    }
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
        pack_map(&pack, 1);
        pack_key(&pack, "distinct");
        pack_u64(&pack, executor->distinct_per_batch * action->n_inputs);
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
    executor_summary(executor, action, &result.summary);
    return result;
}

#endif
