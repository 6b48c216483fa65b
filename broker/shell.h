/* The broker's shell, shared by its files: loop.c (clock, signals), router.c (sockets), shell.c
 * (what peers say, rounds), effects.c (carrying out the core's actions), campaigns.c (plans),
 * blobs.c (objects in parts), gc.c and recover.c (freeing, and getting back), records.c (event
 * log, quarantine), status.c. Nothing outside includes this. */
#ifndef WYCKMILL_BROKER_SHELL_H
#define WYCKMILL_BROKER_SHELL_H

#include "broker/broker.h"
#include "broker/outbox.h"
#include "broker/peers.h"
#include "broker/planner.h"
#include "broker/router.h"
#include "common/span.h"
#include "proto/messages.h"
#include "store/store.h"

enum {
    CAMPAIGNS_MAX = 1024,
    PROFILES_MAX = 1024,
    TAGS_MAX = 64,                /* different ones in a broker run: a set is a word */
    BROKER_COMMIT_MS = 200,       /* longest wait of what nobody waits for */
    PLAN_ACTIONS_PER_ROUND = 512, /* planned or found in the cache; then the sockets' turn */
    SENTENCE_SIZE = 480,
};

/* What an operator said of a campaign; durable as refs "paused/NAME" and "cancelled/NAME". */
enum campaign_will { WILL_RUN, WILL_PAUSE, WILL_CANCEL };

/* A campaign of this run. */
struct campaign_run {
    enum campaign_will will;
    char name[CAMPAIGN_NAME_SIZE];
    struct hash id;
    struct planner *planner;
    int32_t priority;
    struct broker_needs needs[KIND_COUNT]; /* of its tasks, by kind */
    uint64_t executed, cached; /* results fed: made in this broker run, found in the store */
    bool hungry;               /* may have actions to hand out */
    bool over;                 /* its end was logged */
};

/* A result that the next commit makes durable. */
struct persisting {
    struct hash task;
    uint64_t epoch; /* as the worker said them: ACK repeats them */
    uint32_t attempt;
};

struct uploads;
struct collector;
struct recovery;

/* What the shell needs of the world. */
struct ports {
    void *context;
    /* Never waits. */
    enum sent (*send)(void *context, enum channel channel, struct span peer, struct span frame);
    uint64_t (*unix_ms)(void *context); /* for people: goes into the event log alone */
    void (*log)(void *context, const char *line);
};

struct shell {
    const struct broker_options *options;
    struct ports ports;
    struct broker_limits limits;
    struct store *store;
    struct broker_core *core;
    uint64_t epoch;    /* of this broker run */
    uint64_t now_ms;   /* monotonic, since the start, as of this round */
    uint64_t probe_ms; /* when to look for silent workers next */
    struct router_address address;

    struct outbox *control_out, *bulk_out;
    struct peers *peers;
    const char *user;               /* who sent the message that is handled now */
    uint32_t worker_next;           /* number for the next worker */
    char (*profiles)[PROFILE_SIZE]; /* by profile id - 1 */
    uint32_t n_profiles;
    char tags[TAGS_MAX][TAG_SIZE]; /* by number */
    uint32_t n_tags;
    struct uploads *uploads;
    struct collector *collector;
    struct recovery *recovery; /* NULL: nothing to get back yet */

    struct campaign_run *campaigns;
    uint32_t n_campaigns;
    uint64_t quarantined; /* records in the store */

    struct persisting *persisting;
    size_t n_persisting, persisting_capacity;
    bool dirty;         /* collected writes that somebody waits for */
    uint64_t commit_ms; /* when those that nobody waits for are committed; UINT64_MAX: none */

    uint64_t executed, cached, failed; /* results and failures of this run */
    bool submitted, stop, stop_workers;
    uint64_t idle_ms; /* since when all campaigns are over; UINT64_MAX: they are not */
    bool idle_seen;   /* somebody asked for the status since */
    struct err fatal; /* code != 0: the store failed, end */
    uint64_t refused; /* messages that were malformed or not allowed */
};

/* ---- shell.c ---- */
/* Takes the store, also on failure; goes on with its campaigns. Errors: those of reading the
 * store. */
int shell_new(const struct broker_options *options, struct store *store, uint64_t epoch,
              const struct ports *ports, struct shell **ret_shell, struct err *err);
void shell_free(struct shell *shell);
/* A round: its time, then all that was received, then its end: timers, one commit, plans,
 * answers. Returns for how many ms nothing needs to happen unless something is received. */
void shell_begin_round(struct shell *shell, uint64_t now_ms);
/* `user`: see router_frame. */
void shell_receive(struct shell *shell, enum channel channel, struct span peer,
                   const char *user, struct span frame);
uint64_t shell_end_round(struct shell *shell);
/* Say goodbye: what was collected is committed, workers are told when they shall end too. */
void shell_leave(struct shell *shell);

enum { LOG_TROUBLE, LOG_NEWS, LOG_DETAIL };
void shell_log(const struct shell *shell, int level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* A call on the store failed for good: the broker ends after this round. */
void shell_store_failed(struct shell *shell, const struct err *err);
uint64_t shell_unix_ms(const struct shell *shell);
/* Something was written that nobody waits for: it rides on the next commit, which comes within
 * BROKER_COMMIT_MS. */
void shell_commit_soon(struct shell *shell);

/* ---- effects.c ---- */
/* What an OUTCOME carries besides its event. */
struct report {
    const struct message_outcome *outcome;
    const struct result *result; /* NULL unless the end is ATTEMPT_OK */
};
/* Step the core and carry out its actions. `report` is NULL but for RESULT. */
int shell_step(struct shell *shell, struct broker_event event, const struct report *report,
               struct err *err);
/* After a commit: what was persisted is durable. */
void shell_durable(struct shell *shell);
/* The core's number for a profile text; 0 for the empty one. Errors: ERR_FULL. */
int shell_profile(struct shell *shell, const char *text, uint32_t *ret_id, struct err *err);
/* The set of a list of tags (proto/needs.h). Errors: ERR_FULL. */
int shell_tags(struct shell *shell, const char *list, uint64_t *ret_set, struct err *err);

/* ---- campaigns.c ---- */
/* Take over the campaigns of the store's refs. Errors: those of reading; a campaign that cannot
 * be read is logged and left. */
int campaigns_load(struct shell *shell, struct err *err);
/* Errors: ERR_CORRUPT, ERR_CONFIG, ERR_NOT_FOUND (a source is missing), ERR_FULL. */
int campaigns_submit(struct shell *shell, struct span bytes, struct hash *ret_id,
                     struct err *err);
/* Hand out actions: from the cache, or to the core. False: nothing is left to plan now. */
bool campaigns_plan(struct shell *shell);
void campaigns_result(struct shell *shell, const struct hash *task);
void campaigns_failed(struct shell *shell, const struct hash *task, const char *why);
bool campaigns_all_over(const struct shell *shell);
/* "running", "paused", "cancelled", "done", ... */
const char *campaigns_state_text(const struct campaign_run *run);
/* NULL: there is none of the name. */
struct campaign_run *campaigns_find(const struct shell *shell, const char *name);
/* Change what is wanted of a campaign that is not over: with the next commit durable. Returns
 * the number of its open tasks. */
uint64_t campaigns_will(struct shell *shell, struct campaign_run *run, enum campaign_will will);
/* An open task of any campaign by the first digits of its id. Errors: ERR_NOT_FOUND,
 * ERR_INVALID (several). */
int campaigns_find_task(const struct shell *shell, const char *prefix, struct hash *ret,
                        struct err *err);
/* Plan campaigns that lost a task once more from their beginning: what has results comes from
 * the cache, what had none is asked for again. */
void campaigns_replan_failed(struct shell *shell);
void campaigns_done(struct shell *shell);
/* Is a plan still fed from the store? */
bool campaigns_replaying(const struct shell *shell);
bool campaigns_has(const struct shell *shell, const char *name, const struct hash *id);
/* What a task of the kind needs: the most of what its share says and of what all the campaigns
 * say that want it. */
struct broker_needs campaigns_needs(const struct shell *shell, const struct broker_event *add);

/* ---- gc.c ---- */
struct collector *collector_new(struct store *store);
void collector_free(struct collector *collector);
/* The answer goes to the peer that asked last. */
void gc_ask(struct shell *shell, struct span peer, const struct message_gc *asked);
/* Once a round; true: there is more to do at once. */
bool gc_step(struct shell *shell);
bool gc_is_running(const struct shell *shell);
/* A campaign was submitted: what was marked so far is not all. */
void gc_restart(struct shell *shell);

/* ---- recover.c ---- */
/* Give the task to the core; when gc freed some of its inputs, after the tasks that make them.
 * Errors: those of the core; ERR_NOT_FOUND (an input is lost for good). */
int recover_add(struct shell *shell, const struct action *action, struct broker_event add,
                struct err *err);
void recover_done(struct shell *shell, const struct hash *task);
void recover_failed(struct shell *shell, const struct hash *task, const char *why);
void recover_forget(struct shell *shell, const struct hash *task); /* cancelled */
/* It waits for others or others for it; some task waits for it. */
bool recover_holds(const struct shell *shell, const struct hash *task);
bool recover_wants(const struct shell *shell, const struct hash *task);
/* Walk the held tasks: *cursor 0 at first; false at the end. */
bool recover_next(const struct shell *shell, size_t *cursor, struct hash *ret_task);
void recover_free(struct recovery *recovery);

/* ---- orders.c ---- */
void orders_handle(struct shell *shell, struct span peer, const struct message_order *order);

/* ---- blobs.c ---- */
struct uploads *uploads_new(void);
void uploads_free(struct uploads *uploads);
void blobs_put(struct shell *shell, struct span peer, const struct message_blob_put *put);
void blobs_get(struct shell *shell, struct span peer, const struct message_blob_get *get);

/* ---- records.c ---- */
/* Entries of the store's event log. All are canonical maps with "epoch", "event" and "time"
 * (Unix ms); see docs/events.md. */
void record_lease(struct shell *shell, const struct broker_action *action, const char *worker);
void record_attempt(struct shell *shell, const struct hash *task, uint32_t attempt,
                    enum attempt_end end, const char *worker,
                    const struct message_outcome *outcome);
void record_campaign(struct shell *shell, const char *event, const struct campaign_run *run);
/* Something that an operator did to a task or worker. `note` may be "". */
void record_task(struct shell *shell, const char *event, const struct hash *task,
                 const char *note);
void record_worker(struct shell *shell, const char *event, const char *worker,
                   const char *note);
/* Why a task is given up: how its last attempt ended, what was said of it, who tried. */
struct evidence {
    const char *end;
    const struct message_outcome *outcome; /* NULL: nobody reported */
    const char *workers[BROKER_CRASHES_MAX];
    uint32_t n_workers;
};
/* Task and evidence, as an object of type "quarantine" under the ref "quarantine/TASK". */
void record_quarantine(struct shell *shell, const struct hash *task,
                       const struct evidence *evidence);
/* Tasks in quarantine whose id begins so, appended to the list. */
struct hash_list {
    struct hash *items;
    size_t n, capacity;
};
int record_quarantine_list(struct shell *shell, const char *prefix, struct hash_list *ret,
                           struct err *err);
/* Let it out. Errors: ERR_NOT_FOUND, and those of writing. */
int record_quarantine_lift(struct shell *shell, const struct hash *task, struct err *err);
/* Errors: ERR_NOT_FOUND, it is in no quarantine; else 0 and why it is. */
int record_quarantine_find(struct shell *shell, const struct hash *task,
                           char ret_why[SENTENCE_SIZE]);
/* The committed and collected events from sequence `from` on as JSON lines, appended, as many
 * as fit into a message; *ret_next is where the rest begins. */
int record_events(struct shell *shell, uint64_t from, struct buf *out, uint64_t *ret_next,
                  struct err *err);
/* How many there are. */
int record_quarantine_count(struct shell *shell, uint64_t *ret, struct err *err);

/* ---- address.c ---- */
int address_write(const struct shell *shell, struct err *err);
void address_remove(const struct shell *shell);

/* ---- status.c ---- */
/* JSON text, appended. `campaign` all zero: every campaign. */
void status_print(const struct shell *shell, const struct hash *campaign, struct buf *out);

#endif
