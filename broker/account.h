/* What a campaign with a budget of slot-hours has spent: the one thing that no result tells.
 * The ref "accounts/NAME" points at it; a change of it is written in the commit of the results
 * that it counts, so neither can be lost without the other. It belongs to a campaign of any
 * budget (campaign_base): who submits more budget goes on counting. */
#ifndef WYCKMILL_BROKER_ACCOUNT_H
#define WYCKMILL_BROKER_ACCOUNT_H

#include "broker/campaign.h"
#include "store/store.h"

struct account {
    struct hash base;
    uint64_t slot_us; /* wall time in slots of the attempts that gave its results */
    uint32_t rounds;  /* begun */
};

/* Zeros when there is none, or one of another campaign of that name. Errors: ERR_CORRUPT. */
int account_load(struct store *store, const struct campaign *campaign, struct account *ret,
                 struct err *err);
/* Collected with the open group. Errors: those of writing. */
int account_save(struct store *store, const char *name, const struct account *account,
                 struct err *err);
void account_encode(const struct account *account, struct buf *out);
/* Errors: ERR_CORRUPT, ERR_UNSUPPORTED, ERR_LIMIT. */
int account_decode(struct span bytes, struct account *ret, struct err *err);

#endif
