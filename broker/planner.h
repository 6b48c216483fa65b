/* A campaign as a deterministic planner: (campaign, results so far) -> next actions. Pure: no
 * I/O, no clock. Which actions it asks for does not depend on the order of the results. After a
 * crash the shell makes a new planner and feeds it results from the store; it asks for the same
 * actions again, finds them done, and stands where it was.
 *
 * Inside is a small dataflow graph: a node is a task whose inputs are object ids or outputs of
 * other nodes; it becomes an action when all are known. The campaign appends nodes as results
 * arrive: rounds until a stop rule or a budget ends it, or for ever. Nodes of rounds that are
 * over are forgotten. */
#ifndef WYCKMILL_BROKER_PLANNER_H
#define WYCKMILL_BROKER_PLANNER_H

#include "broker/campaign.h"
#include "common/err.h"
#include "common/hash.h"
#include "proto/action.h"

struct planner;

/* Copies the campaign. Errors: ERR_CONFIG (campaign_check). */
int planner_new(const struct campaign *campaign, struct planner **ret_planner, struct err *err);
void planner_free(struct planner *planner);

/* Next action not yet handed out whose inputs are all known; 0 and *ret_action borrowed until
 * the next call with this planner; ERR_NOT_FOUND: none right now. Each action is handed out
 * once; none any more once the campaign is over. */
int planner_next(struct planner *planner, const struct action **ret_action, struct hash *ret_id,
                 struct err *err);

/* Feed a result (from a worker or the store). An id the planner did not ask for is ignored.
 * Errors: ERR_CORRUPT when the result does not fit its node (number of outputs). */
int planner_result(struct planner *planner, const struct hash *action,
                   const struct result *result, struct err *err);
/* The action will have no result (error or quarantine; `why`, a sentence, goes into the note):
 * what depends on it is given up; the campaign goes on without a lost sample batch or shard,
 * and ends as failed when nothing can go on. An id the planner did not ask for is ignored. */
void planner_failed(struct planner *planner, const struct hash *action, const char *why);
/* What its results cost in slots so far, in this broker run and before, and how many of its
 * rounds were begun (planner_status) on that account: the shell remembers both, because a
 * replay cannot know what was left when. With a budget of slot-hours: call it before the first
 * planner_next, and whenever a result was paid, before it is fed. */
void planner_account(struct planner *planner, uint64_t slot_us, uint32_t rounds);

/* Outputs of a ranking. */
enum ranked { RANKED_CANDIDATES, RANKED_REPORT, RANKED_TALLY, RANK_OUTPUTS };

/* Where a campaign stands between two rounds: all that goes from one to the next. */
struct planner_mark {
    struct hash models; /* over kinds' revisions, data set and networks: it holds for these */
    uint32_t round;     /* begun so far */
    uint32_t ranked;    /* the last of them that was; 0: none */
    uint32_t rounds_without, rounds_lost; /* the last ones, without anything new; lost whole */
    uint64_t batches, batches_lost;       /* of all rounds */
    uint64_t tasks, failed;               /* with a result; without */
    uint64_t bytes;                       /* of all outputs */
    uint64_t distinct, meeting; /* rows of the table; of them such that meet the targets */
    struct hash ranking[RANK_OUTPUTS]; /* outputs of the last one */
    char why[160];                     /* the first failure's sentence */
};
/* As of the end of the last round behind which another one began. False: there is none. */
bool planner_mark_get(const struct planner *planner, struct planner_mark *ret);
/* Go on from `mark` when the same campaign (but for its budget) comes to its rounds with the
 * same models; else from the first round. The rounds before are not asked for again, and what
 * was lost in them stays lost. Call before the first planner_next. */
void planner_resume(struct planner *planner, const struct planner_mark *mark);

/* Does it still wait for this action? */
bool planner_wants(const struct planner *planner, const struct hash *action);
/* How many actions it waits for, or could hand out now. */
uint64_t planner_n_open(const struct planner *planner);
/* Walk the actions it waits for: *cursor 0 at first; false at the end. */
bool planner_next_wanted(const struct planner *planner, uint32_t *cursor,
                         struct hash *ret_action);

/* Walk every action that it remembers, done or not: see graph_next_known. Those of rounds that
 * are over are seen by a replay alone. */
bool planner_next_known(const struct planner *planner, uint32_t *cursor,
                        struct hash *ret_action);

enum planner_state { PLANNER_RUNNING, PLANNER_DONE, PLANNER_PARTLY, PLANNER_FAILED };

struct planner_status {
    enum planner_state state;
    uint64_t planned, finished, failed; /* actions known so far */
    char stage[32];                     /* "encode", "train", "round 2", ... for progress */
    uint32_t rounds;                    /* begun */
    uint64_t bytes;                     /* of all results' outputs */
    uint64_t slot_us;                   /* planner_account */
    struct hash candidates;             /* the table after the last round that was ranked */
    struct hash report;                 /* of that ranking */
    struct hash dataset;                /* "dataset" object once assembled */
    struct hash rejects;                /* report of what was left out */
    char note[240];                     /* why partly or failed */
};
const char *planner_state_text(enum planner_state state);
void planner_status(const struct planner *planner, struct planner_status *ret);
/* Rounds begun, and those whose ranking has a result; status tells them, too. */
uint32_t planner_rounds(const struct planner *planner);
uint32_t planner_rounds_ranked(const struct planner *planner);
/* The outputs of the last ranking, which the next one needs; borrowed. NULL: nothing was ranked
 * yet. */
const struct hash *planner_ranking(const struct planner *planner);

#endif
