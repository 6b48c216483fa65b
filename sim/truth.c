/* What every task gives: invented, but a pure function of the action, as real results are. */
#include "sim/sim.h"

#include "common/mem.h"
#include "proto/kinds.h"

#include <stdio.h>

enum { DISTINCT_PER_BATCH = 2, POISON_ONE_IN = 97 };

static uint32_t n_outputs(const char *kind)
{
    int k = kind_find(kind);
    return k == KIND_rank ? 3 : k == KIND_assemble || k == KIND_train_step ? 2 : 1;
}

static void summary(const struct action *action, const struct hash *id, struct buf *out)
{
    struct pack pack;
    bool assemble = !strcmp(action->kind, "assemble"), rank = !strcmp(action->kind, "rank");
    pack_init(&pack, out);
    pack_map(&pack, rank ? 4 : assemble ? 2 : 1);
    if (rank) {
        pack_key(&pack, "added");
        pack_u64(&pack, hash_u64(id) % 4);
        pack_key(&pack, "distinct");
        pack_u64(&pack, (uint64_t)DISTINCT_PER_BATCH * action->n_inputs);
        pack_key(&pack, "meeting");
        pack_u64(&pack, hash_u64(id) / 4 % 8);
    } else if (assemble) {
        pack_key(&pack, "rejected");
        pack_u64(&pack, 0);
    }
    /* Rows that rot shall often rot here, where only the truth tells. */
    pack_key(&pack, "zz");
    pack_text(&pack, "a long remark that says nothing, so that there is more to be damaged by "
                     "chance than names of objects, which everybody checks");
}

void sim_truth_output(const struct hash *action, uint32_t index, const char *kind,
                      struct buf *ret)
{
    char hex[HASH_HEX_SIZE];
    uint32_t lines = !strcmp(kind, "train-step") ? 6 : 2;
    for (uint32_t i = 0; i < lines; i++)
        buf_print(ret, "%s %u %u\n", hash_hex(action, hex), index, i);
}

void sim_truth(const struct action *action, const struct hash *id, struct result *ret)
{
    *ret = (struct result){.action = *id, .n_outputs = n_outputs(action->kind)};
    ret->outputs = mem_new(ret->n_outputs, sizeof *ret->outputs);
    for (uint32_t i = 0; i < ret->n_outputs; i++) {
        struct buf bytes = {0};
        sim_truth_output(id, i, action->kind, &bytes);
        ret->outputs[i].id = hash_bytes(buf_span(&bytes));
        ret->outputs[i].size = bytes.size;
        bool checkpoint = i == 0 && !strcmp(action->kind, "train-step");
        (void)snprintf(ret->outputs[i].type, sizeof ret->outputs[i].type, "%s",
                       checkpoint ? "checkpoint" : "invented");
        buf_done(&bytes);
    }
    summary(action, id, &ret->summary);
}

/* Some tasks are bad, whoever runs them. */
bool sim_truth_is_poison(const struct sim *sim, const struct hash *action)
{
    return sim->faults.slot_crash > 0 && (hash_u64(action) ^ sim->seed) % POISON_ONE_IN == 0;
}
