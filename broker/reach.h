/* What of a store the plans of its campaigns need: the marking half of gc, for the broker,
 * which marks its live planners step by step, and for `wyckmill gc` without a broker.
 *
 * Kept of a plan: its sources; every action and result; of actions without a result their
 * inputs; of results all outputs, but of a training run only the last checkpoints, and of a
 * campaign without a limit of rounds nothing of the rounds before the last that was ranked.
 * What goes can come back: its result stays and says which action makes it again. */
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
/* Mark at most `budget` actions that the planner remembers, from *cursor (0 at first). True:
 * there may be more. The planner may go on meanwhile: what it adds is young. */
bool reach_plan(struct reach *reach, const struct planner *planner, uint32_t *cursor,
                uint32_t budget);
/* After a plan: which of its checkpoints and rounds stay. */
void reach_plan_end(struct reach *reach);
/* A plan from its beginning, to be replayed: planners forget what is over. */
struct replay {
    struct planner *planner;
    bool forgets; /* its rounds have no limit */
};
/* Errors: those of store_get, ERR_CORRUPT, ERR_CONFIG. */
int replay_open(struct store *store, const struct hash *campaign, struct replay *ret,
                struct err *err);
void replay_close(struct replay *replay);
/* Feed the planner with at most `budget` results of the store, and call `see` (may be NULL) for
 * each action. Once nothing else is left, what has no result counts as failed: a task that says
 * an error leaves no record, and what the campaign did without it is needed all the same.
 * False: the plan is over or stands still. */
bool replay_step(struct store *store, struct replay *replay, uint32_t budget,
                 void (*see)(void *context, const struct hash *action), void *context);
/* The same, and mark the actions. */
bool reach_replay(struct reach *reach, struct replay *replay, uint32_t budget);
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
