/* What of a store the plans of its campaigns need: the marking half of gc, for the broker,
 * which marks its live planners step by step, and for `wyckmill gc` without a broker.
 *
 * Kept of a plan: its sources; every action and result; of actions without a result their
 * inputs; of results all outputs, but of a training run only the last checkpoints. An older
 * checkpoint may go, because its result stays and says which action makes it again. */
#ifndef WYCKMILL_BROKER_REACH_H
#define WYCKMILL_BROKER_REACH_H

#include "broker/planner.h"
#include "store/store.h"

struct reach;

enum { REACH_CHECKPOINTS = 2 }; /* kept of a run when nobody says otherwise */

/* Borrows store and gc. */
struct reach *reach_new(struct store *store, struct store_gc *gc, uint32_t keep_checkpoints);
void reach_free(struct reach *reach);

/* A campaign object and its sources. Errors: those of store_get, ERR_CORRUPT. */
int reach_campaign(struct reach *reach, const struct hash *id, struct err *err);
/* Mark at most `budget` actions of the planner, from *cursor (0 at first). True: there may be
 * more. The planner may go on meanwhile: what it adds is young. */
bool reach_plan(struct reach *reach, const struct planner *planner, uint32_t *cursor,
                uint32_t budget);
/* After a plan: which of its checkpoints stay. */
void reach_plan_end(struct reach *reach);
/* Feed the planner with at most `budget` results of the store. Once nothing else is left, what
 * has no result counts as failed: a task that says an error leaves no record, and what the
 * campaign did without it is needed all the same. False: the plan is over or stands still. */
bool reach_replay(struct store *store, struct planner *planner, uint32_t budget);
/* The whole plan of a campaign, replayed. Caller frees *ret_planner. Errors: those of
 * store_get, ERR_CORRUPT, ERR_CONFIG. */
int reach_planner(struct store *store, const struct hash *campaign,
                  struct planner **ret_planner, struct err *err);
/* gc of a store that no broker has open: all at once. Errors: those of the above and of
 * writing. */
int reach_gc(struct store *store, uint32_t keep_checkpoints, bool dry,
             struct store_gc_counts *ret, struct err *err);
/* The action object and its inputs, whatever has become of it: it is to be run (again). */
void reach_task(struct reach *reach, const struct hash *action);

/* What a ref is to gc. */
struct reach_ref {
    bool campaign, quarantine;
    struct hash id, task; /* task: of the quarantine record */
    char name[CAMPAIGN_NAME_SIZE];
};
struct reach_refs {
    struct reach_ref *items;
    size_t n, capacity;
};
/* Mark all that the ref needs. Errors: as reach_gc. */
int reach_ref(struct reach *reach, const struct reach_ref *ref, struct err *err);
/* All refs of the store, appended. Caller frees ret->items. */
int reach_refs(struct store *store, struct reach_refs *ret, struct err *err);

#endif
