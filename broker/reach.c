/* Marking what plans need: see reach.h. */
#include "broker/reach.h"

#include "broker/account.h"
#include "common/mem.h"
#include "common/mutant.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX

/* A checkpoint of the plan being marked. */
struct checkpoint {
    struct hash object, action;
    uint32_t before; /* the checkpoint it was trained on from, or NONE */
    bool replaced;   /* by enough later ones */
};

/* An output of a round that may go when a later one is ranked. */
struct made {
    struct hash object, action;
    uint32_t round;
};

struct reach {
    struct store *store;
    struct store_gc *gc;
    uint32_t keep_checkpoints;
    struct checkpoint *checkpoints;
    size_t n, capacity;
    struct made *made; /* in order of rounds */
    size_t n_made, made_capacity;
    uint32_t *index; /* by object, open addressing */
    size_t index_size;
};

struct reach *reach_new(struct store *store, struct store_gc *gc, uint32_t keep_checkpoints)
{
    struct reach *reach = mem_new(1, sizeof *reach);
    reach->store = store;
    reach->gc = gc;
    reach->keep_checkpoints = keep_checkpoints ? keep_checkpoints : 1;
    return reach;
}

void reach_free(struct reach *reach)
{
    if (!reach)
        return;
    free(reach->checkpoints);
    free(reach->made);
    free(reach->index);
    free(reach);
}

/* ---- checkpoints ---- */

static uint32_t *index_place(const struct reach *reach, const struct hash *object)
{
    size_t place = hash_u64(object) & (reach->index_size - 1);
    while (reach->index[place] != NONE &&
           !hash_equal(&reach->checkpoints[reach->index[place]].object, object))
        place = (place + 1) & (reach->index_size - 1);
    return &reach->index[place];
}

static void index_grow(struct reach *reach)
{
    free(reach->index);
    reach->index_size = reach->index_size ? 2 * reach->index_size : 64;
    reach->index = mem_new(reach->index_size, sizeof *reach->index);
    memset(reach->index, 0xff, reach->index_size * sizeof *reach->index);
    for (size_t i = 0; i < reach->n; i++)
        *index_place(reach, &reach->checkpoints[i].object) = (uint32_t)i;
}

static uint32_t find_before(const struct reach *reach, const struct action *action)
{
    for (uint32_t i = 0; reach->n > 0 && i < action->n_inputs; i++) {
        uint32_t found = *index_place(reach, &action->inputs[i]);
        if (found != NONE)
            return found;
    }
    return NONE;
}

/* The checkpoint that is `keep_checkpoints` steps back in its run is not needed any more. */
static void replace_earlier(struct reach *reach, uint32_t last)
{
    for (uint32_t steps = 0; last != NONE && steps < reach->keep_checkpoints; steps++)
        last = reach->checkpoints[last].before;
    if (last != NONE)
        reach->checkpoints[last].replaced = true;
}

static void add_checkpoint(struct reach *reach, const struct hash *object,
                           const struct hash *id, const struct action *action)
{
    if (2 * (reach->n + 1) > reach->index_size)
        index_grow(reach);
    uint32_t *place = index_place(reach, object);
    if (*place != NONE)
        return; /* two runs that were the same so far */
    uint32_t before = find_before(reach, action);
    mem_reserve(reach->checkpoints, reach->capacity, reach->n + 1);
    reach->checkpoints[reach->n] =
        (struct checkpoint){.object = *object, .action = *id, .before = before};
    *place = (uint32_t)reach->n++;
    replace_earlier(reach, *place);
}

/* ---- rounds ---- */

static void add_made(struct reach *reach, const struct hash *object, const struct hash *action,
                     uint32_t round)
{
    mem_reserve(reach->made, reach->made_capacity, reach->n_made + 1);
    reach->made[reach->n_made++] =
        (struct made){.object = *object, .action = *action, .round = round};
}

/* What was made in rounds before that one is in its table, as far as it is wanted. */
static void forget_before(struct reach *reach, uint32_t round)
{
    size_t n = 0;
    while (n < reach->n_made && reach->made[n].round < round) {
        store_gc_prune(reach->gc, &reach->made[n].object, &reach->made[n].action);
        n++;
    }
    if (n == 0)
        return;
    memmove(reach->made, reach->made + n, (reach->n_made - n) * sizeof *reach->made);
    reach->n_made -= n;
}

void reach_plan_end(struct reach *reach)
{
    for (size_t i = 0; i < reach->n_made; i++)
        store_gc_keep(reach->gc, &reach->made[i].object);
    reach->n_made = 0;
    for (size_t i = 0; i < reach->n; i++) {
        const struct checkpoint *checkpoint = &reach->checkpoints[i];
        store_gc_prune(reach->gc, &checkpoint->object, &checkpoint->action);
        if (!checkpoint->replaced)
            store_gc_keep(reach->gc, &checkpoint->object);
    }
    reach->n = 0;
    if (reach->index_size)
        memset(reach->index, 0xff, reach->index_size * sizeof *reach->index);
}

/* ---- actions ---- */

/* False: it cannot be read, which is fsck's affair. */
static bool read_action(struct reach *reach, const struct hash *id, struct action *ret)
{
    struct buf bytes = {0};
    bool found = store_get(reach->store, id, &bytes, NULL) == 0 &&
                 action_decode(buf_span(&bytes), ret, NULL) == 0;
    buf_done(&bytes);
    return found;
}

void reach_task(struct reach *reach, const struct hash *id)
{
    struct action action = {0};
    store_gc_keep(reach->gc, id);
    if (read_action(reach, id, &action))
        for (uint32_t i = 0; i < action.n_inputs; i++)
            store_gc_keep(reach->gc, &action.inputs[i]);
    action_done(&action);
}

/* `round`: 0, or the round whose outputs may go one day. */
static void keep_outputs(struct reach *reach, const struct result *result, uint32_t round)
{
    struct action action = {0};
    for (uint32_t i = 0; i < result->n_outputs; i++) {
        const struct output *output = &result->outputs[i];
        struct hash made_by;
        if (strcmp(output->type, "checkpoint") == 0 &&
            (action.n_inputs || read_action(reach, &result->action, &action))) {
            add_checkpoint(reach, &output->id, &result->action, &action);
            continue;
        }
        if (round > 0)
            add_made(reach, &output->id, &result->action, round);
        else
            store_gc_keep(reach->gc, &output->id);
        if (store_pruned(reach->store, &output->id, &made_by, NULL) == 0)
            store_gc_prune(reach->gc, &output->id, &made_by);
    }
    action_done(&action);
}

static void mark_action(struct reach *reach, const struct hash *id, uint32_t round)
{
    struct result result = {0};
    if (store_get_result(reach->store, id, &result, NULL) != 0) {
        if (!MUTANT(GC_IGNORES_LEASES))
            reach_task(reach, id);
        return;
    }
    store_gc_keep(reach->gc, id);
    store_gc_keep_result(reach->gc, id);
    keep_outputs(reach, &result, round);
    result_done(&result);
}

static void keep_ranking(struct reach *reach, const struct hash ranking[RANK_OUTPUTS])
{
    for (int i = 0; i < RANK_OUTPUTS; i++)
        store_gc_keep(reach->gc, &ranking[i]);
}

bool reach_plan(struct reach *reach, const struct planner *planner, uint32_t *cursor,
                uint32_t budget)
{
    struct hash id;
    /* whatever a replay says: some results may be lost to damage */
    if (*cursor == 0 && planner_ranking(planner))
        keep_ranking(reach, planner_ranking(planner));
    while (budget-- > 0) {
        if (!planner_next_known(planner, cursor, &id))
            return false;
        mark_action(reach, &id, 0);
    }
    return true;
}

int reach_campaign(struct reach *reach, const struct hash *id, struct err *err)
{
    struct campaign campaign = {0};
    struct buf bytes = {0};
    int rc = store_get(reach->store, id, &bytes, err);
    if (rc == 0)
        rc = campaign_decode(buf_span(&bytes), &campaign, err);
    struct account account = {.rounds = 0};
    if (rc == 0)
        rc = account_load(reach->store, &campaign, &account, err);
    if (rc == 0 && account.mark.round > 0)
        keep_ranking(reach, account.mark.ranking);
    for (uint32_t i = 0; rc == 0 && i < campaign.n_sources; i++)
        store_gc_keep(reach->gc, &campaign.sources[i]);
    store_gc_keep(reach->gc, id);
    campaign_done(&campaign);
    buf_done(&bytes);
    return rc;
}

/* ---- replays ---- */

int replay_open(struct store *store, const struct hash *id, struct replay *ret, struct err *err)
{
    struct campaign campaign = {0};
    struct account account;
    struct buf bytes = {0};
    struct replay replay = {0};
    int rc = store_get(store, id, &bytes, err);
    if (rc == 0)
        rc = campaign_decode(buf_span(&bytes), &campaign, err);
    if (rc == 0)
        rc = account_load(store, &campaign, &account, err);
    if (rc == 0)
        rc = planner_new(&campaign, &replay.planner, err);
    if (rc == 0) {
        planner_account(replay.planner, account.slot_us, account.rounds);
        replay.forgets = campaign.rounds_max == 0;
        *ret = replay;
    }
    campaign_done(&campaign);
    buf_done(&bytes);
    return rc;
}

void replay_close(struct replay *replay)
{
    planner_free(replay->planner);
    *replay = (struct replay){0};
}

bool replay_step(struct store *store, struct replay *replay, uint32_t budget,
                 void (*see)(void *context, const struct hash *action), void *context)
{
    struct planner *planner = replay->planner;
    const struct action *action;
    struct hash id;
    uint32_t done = 0, cursor = 0;
    while (done < budget && planner_next(planner, &action, &id, NULL) == 0) {
        struct result result = {0};
        done++;
        if (see)
            see(context, &id);
        if (store_get_result(store, &id, &result, NULL) != 0)
            continue;
        if (planner_result(planner, &id, &result, NULL) != 0)
            planner_failed(planner, &id, "its result does not fit");
        result_done(&result);
    }
    if (done > 0)
        return true;
    while (done < budget && planner_next_wanted(planner, &cursor, &id)) {
        planner_failed(planner, &id, "there is no result");
        done++;
    }
    return done > 0;
}

struct marking {
    struct reach *reach;
    const struct replay *replay;
};

static void forget_rounds(struct reach *reach, const struct replay *replay)
{
    uint32_t ranked = planner_rounds_ranked(replay->planner);
    if (replay->forgets)
        forget_before(reach, ranked + (MUTANT(GC_FORGETS_TABLE) ? 1u : 0u));
}

static void see_action(void *context, const struct hash *action)
{
    const struct marking *marking = context;
    const struct replay *replay = marking->replay;
    forget_rounds(marking->reach, replay);
    mark_action(marking->reach, action, replay->forgets ? planner_rounds(replay->planner) : 0);
}

bool reach_replay(struct reach *reach, struct replay *replay, uint32_t budget)
{
    struct marking marking = {reach, replay};
    bool more = replay_step(reach->store, replay, budget, see_action, &marking);
    forget_rounds(reach, replay);
    return more;
}

static int collect_ref(void *context, const char *name, const struct hash *id)
{
    struct reach_refs *refs = context;
    const char *slash = strchr(name, '/');
    mem_reserve(refs->items, refs->capacity, refs->n + 1);
    struct reach_ref *ref = &refs->items[refs->n++];
    *ref = (struct reach_ref){.id = *id};
    ref->campaign = strncmp(name, "campaigns/", 10) == 0;
    ref->quarantine =
        strncmp(name, "quarantine/", 11) == 0 && hash_parse(slash + 1, &ref->task, NULL) == 0;
    if (ref->campaign)
        (void)snprintf(ref->name, sizeof ref->name, "%s", slash + 1);
    return 0;
}

int reach_refs(struct store *store, struct reach_refs *ret, struct err *err)
{
    return store_each_ref(store, "", collect_ref, ret, err);
}

/* ---- gc without a broker ---- */

static int mark_campaign(struct reach *reach, const struct reach_ref *ref, struct err *err)
{
    struct replay replay = {0};
    int rc = reach_campaign(reach, &ref->id, err);
    if (rc == 0)
        rc = replay_open(reach->store, &ref->id, &replay, err);
    if (rc != 0)
        return err_context(err, rc, "campaign '%s'", ref->name);
    while (reach_replay(reach, &replay, UINT32_MAX))
        continue;
    reach_plan_end(reach);
    replay_close(&replay);
    return 0;
}

int reach_ref(struct reach *reach, const struct reach_ref *ref, struct err *err)
{
    store_gc_keep(reach->gc, &ref->id);
    if (ref->quarantine)
        reach_task(reach, &ref->task);
    return ref->campaign ? mark_campaign(reach, ref, err) : 0;
}

static int mark_all(struct reach *reach, struct err *err)
{
    struct reach_refs refs = {0};
    int rc = reach_refs(reach->store, &refs, err);
    for (size_t i = 0; rc == 0 && i < refs.n; i++)
        rc = reach_ref(reach, &refs.items[i], err);
    free(refs.items);
    return rc;
}

int reach_gc(struct store *store, uint32_t keep_checkpoints, bool dry,
             struct store_gc_counts *ret, struct err *err)
{
    enum { WORK_PER_COMMIT = 4096 };
    struct store_gc *gc = NULL;
    bool over = false;
    int rc = store_gc_begin(store, store_sequence(store), dry, &gc, err);
    if (rc != 0)
        return rc;
    struct reach *reach = reach_new(store, gc, keep_checkpoints);
    rc = mark_all(reach, err);
    while (rc == 0 && !over) {
        rc = store_gc_sweep(gc, WORK_PER_COMMIT, &over, err);
        if (rc == 0 && !dry)
            rc = store_commit(store, err);
    }
    if (rc == 0)
        store_gc_counts(gc, ret);
    reach_free(reach);
    store_gc_end(gc);
    return rc;
}
