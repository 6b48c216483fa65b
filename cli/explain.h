/* What `wyckmill explain` is made of: what is known of a task, and four questions about it, one
 * file each. An answer is a JSON object with facts, and "sentences" for people. */
#ifndef WYCKMILL_CLI_EXPLAIN_H
#define WYCKMILL_CLI_EXPLAIN_H

#include "broker/planner.h"
#include "cli/origins.h"
#include "store/store.h"

#include <jansson.h>

struct client;

/* The plan of a campaign as far as the store's results bring it. */
struct plan {
    char name[CAMPAIGN_NAME_SIZE];
    struct hash id;
    bool current;     /* a ref names it; else another campaign took its name since */
    const char *will; /* "paused", "cancelled" or NULL */
    struct planner *planner;
    struct hash *actions; /* known ones, sorted */
    size_t n;
};

struct explain {
    struct store *store;
    struct client *client; /* NULL: no broker answers */
    struct origins origins;
    struct plan *plans;
    size_t n_plans, capacity;
};

/* A task with what the store has of it. */
struct explained {
    struct hash id;
    struct action action;
    struct result result; /* if has_result */
    bool has_result;
};

/* Loads origins, and the plans of all campaigns. Errors: those of reading. Then explain_done.
 */
int explain_begin(struct explain *explain, struct store *store, struct client *client,
                  struct err *err);
void explain_done(struct explain *explain);
/* The first plan that has the action, current ones before others; NULL: none. */
const struct plan *explain_plan_of(const struct explain *explain, const struct hash *action);
bool plan_has(const struct plan *plan, const struct hash *action);
/* Errors: ERR_NOT_FOUND, ERR_CORRUPT. Then action_done. */
int explain_action(struct explain *explain, const struct hash *task, struct action *ret,
                   struct err *err);
/* The same with its result. Then explained_done. */
int explain_load(struct explain *explain, const struct hash *task, struct explained *ret,
                 struct err *err);
void explained_done(struct explained *task);

/* Append a sentence to the answer. */
void explain_tell(json_t *answer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* "train-step 0123456789abcdef"; the kind alone is told when there is one. */
enum { EXPLAIN_NAME_SIZE = TASK_KIND_SIZE + 20 };
const char *explain_name(struct explain *explain, const struct hash *action,
                         char ret[EXPLAIN_NAME_SIZE]);

/* ---- explain_running.c: why does it not run? ---- */
json_t *explain_running(struct explain *explain, const struct explained *task);
/* Where the campaign stands, and its open tasks. */
json_t *explain_campaign(struct explain *explain, const struct plan *plan);

/* ---- explain_runs.c: why did it run (again)? ---- */
json_t *explain_runs(struct explain *explain, const struct explained *task);
/* When its result was made: Unix ms and the event's sequence. False: no event tells. */
bool explain_made(struct explain *explain, const struct hash *task, uint64_t *ret_unix_ms,
                  uint64_t *ret_sequence);

/* ---- explain_key.c: why was it not a cache hit? Which field of the key differs? ---- */
json_t *explain_key(struct explain *explain, const struct explained *task);

/* ---- explain_kept.c: why does gc keep it, or free it? ---- */
json_t *explain_kept(struct explain *explain, const struct hash *object);

#endif
