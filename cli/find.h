/* Finding things in a store by what a person types: a full id, the first digits of one, a ref
 * or a campaign's name. */
#ifndef WYCKMILL_CLI_FIND_H
#define WYCKMILL_CLI_FIND_H

#include "broker/campaign.h"
#include "broker/planner.h"
#include "store/store.h"

/* `given` (may be NULL), else $WYCKMILL_STORE, else ".wyckmill/store". */
const char *find_store_path(const char *given);

/* Open for reading with a hint when it is not there. */
int find_store_open(const char *given, struct store **ret_store, struct err *err);

/* An object id (actions and campaigns are objects) by full id, unique prefix of at least 4
 * digits, ref name or campaign name. Errors: ERR_NOT_FOUND, ERR_INVALID (ambiguous: lists a
 * few). */
int find_object(struct store *store, const char *text, struct store_info *ret, struct err *err);

/* A candidate by the id of its structure (unique prefix allowed) in any "candidates" object; of
 * several, the one that is furthest on its way (ranked before scored before realized). Caller
 * owns *ret (candidate_done); ret_object is the object it was found in, ret_list the columns.
 * Errors: ERR_NOT_FOUND. */
int find_candidate(struct store *store, const char *text, struct hash *ret_object,
                   struct candidates *ret_list, uint32_t *ret_index, struct err *err);

/* Load the campaign behind ref campaigns/NAME. Caller owns *ret. */
int find_campaign(struct store *store, const char *name, struct campaign *ret,
                  struct hash *ret_id, struct err *err);

/* The campaign's planner fed with every result of the store: where the campaign stands, without
 * a broker. */
int find_campaign_status(struct store *store, const struct campaign *campaign,
                         struct planner_status *ret, struct err *err);

/* What an operator said of the campaign, while it is not over: "paused", "cancelled" or NULL.
 */
const char *find_campaign_will(struct store *store, const char *name, const struct hash *id);

#endif
