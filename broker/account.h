/* What the broker keeps of a campaign beside its results, under the ref "accounts/NAME":
 * - with a budget of slot-hours what was spent, the one thing that no result tells. A change of
 *   it is written in the commit of the results that it counts, so neither can be lost without
 *   the other;
 * - without a limit of rounds the planner's mark, so that a restart need not replay all of
 * them. It is what a replay would give; without it one takes place. It belongs to a campaign of
 * any budget (campaign_base): who submits more budget goes on. */
#ifndef WYCKMILL_BROKER_ACCOUNT_H
#define WYCKMILL_BROKER_ACCOUNT_H

#include "broker/planner.h"
#include "store/store.h"

struct account {
    struct hash base;
    uint64_t slot_us;         /* wall time in slots of the attempts that gave its results */
    uint32_t rounds;          /* begun */
    struct planner_mark mark; /* round 0: none */
};

/* Zeros when there is none, or one of another campaign of that name; no mark when its table is
 * not in the store. Errors: ERR_CORRUPT. */
int account_load(struct store *store, const struct campaign *campaign, struct account *ret,
                 struct err *err);
/* A planner of the campaign that knows what was spent and goes on from the mark. Errors: those
 * of planner_new. */
int account_planner(const struct campaign *campaign, const struct account *account,
                    struct planner **ret_planner, struct err *err);
/* Collected with the open group. Errors: those of writing. */
int account_save(struct store *store, const char *name, const struct account *account,
                 struct err *err);
void account_encode(const struct account *account, struct buf *out);
/* Errors: ERR_CORRUPT, ERR_UNSUPPORTED, ERR_LIMIT. */
int account_decode(struct span bytes, struct account *ret, struct err *err);

#endif
