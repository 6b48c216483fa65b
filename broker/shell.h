/* The broker's shell, shared by its files: loop.c (clock, signals), router.c (sockets), shell.c
 * (what peers say, rounds), effects.c (carrying out the core's actions), campaigns.c (plans),
 * submit.c (campaigns on their way in), wills.c (what is wanted of tasks, when it changes),
 * blobs.c (objects in parts), gc.c and recover.c (freeing, and getting back), audit.c
 * (computing again), records.c (event log, quarantine), status.c and explain.c. Nothing outside
 * includes this. */
#ifndef WYCKMILL_BROKER_SHELL_H
#define WYCKMILL_BROKER_SHELL_H

#include "broker/account.h"
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
    AUDIT_SHARE = CAMPAIGNS_MAX, /* of the core; campaigns have those before */
    PROFILES_MAX = 1024,
    TAGS_MAX = 64,                /* different ones in a broker run: a set is a word */
    BROKER_COMMIT_MS = 200,       /* longest wait of what nobody waits for */
    PLAN_ACTIONS_PER_ROUND = 128, /* planned or found in the cache; then the sockets' turn */
    COLLECTED_MAX = 256, /* each may cost a page of an index: no commit shall take long */
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
    struct account account;
    bool timed;   /* it has a budget of slot-hours: the account says what was spent */
    bool endless; /* its rounds have no limit: the account has a mark */
    bool unsaved; /* the account has changed since the last commit */
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
struct submissions;
struct wills;
struct collector;
struct recovery;
struct audits;

/* What the shell needs of the world. */
struct ports {
    void *context;
    /* Never waits. */
    enum sent (*send)(void *context, enum channel channel, struct span peer, struct span frame);
    uint64_t (*unix_ms)(void *context);  /* for people: goes into the event log alone */
    uint64_t (*clock_us)(void *context); /* measures rounds, decides nothing */
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
    struct submissions *submissions;
    struct wills *wills;
    struct collector *collector;
    struct recovery *recovery; /* NULL: nothing to get back yet */
    struct audits *audits;

    struct campaign_run *campaigns;
    uint32_t n_campaigns;
    uint64_t quarantined; /* records in the store */

    struct persisting *persisting;
    size_t n_persisting, persisting_capacity;
    bool dirty;           /* collected writes that somebody waits for */
    uint32_t n_collected; /* that nobody waits for */
    uint64_t commit_ms;   /* when those that nobody waits for are committed; UINT64_MAX: none */

    uint64_t executed, cached, failed; /* results and failures of this run */
    bool submitted, stop, stop_workers;
    uint64_t idle_ms; /* since when all campaigns are over; UINT64_MAX: they are not */
    bool idle_seen;   /* somebody asked for the status since */
    struct {
        uint64_t begin_us, commit_us;        /* of this round */
        bool full;                           /* enough was done: plans wait for the next one */
        uint64_t work_us_max, commit_us_max; /* longest without its commit, longest commit */
    } round;
    struct err fatal;    /* code != 0: the store failed, end */
    uint64_t refused;    /* messages that were malformed or not allowed */
    uint64_t sent_bytes; /* of objects */
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
 * BROKER_COMMIT_MS, and after COLLECTED_MAX of them. */
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
/* Begin the campaign, in the place of one with the same name. Errors: ERR_CONFIG, ERR_FULL. */
int campaigns_begin(struct shell *shell, const struct campaign *campaign, const struct hash *id,
                    enum campaign_will will, struct err *err);
/* Hand out some actions: from the cache, or to the core. */
void campaigns_plan(struct shell *shell);
/* Of a task that campaign number `share` wants; `shared`: perhaps others too. */
void campaigns_result(struct shell *shell, const struct hash *task, uint32_t share,
                      bool shared);
void campaigns_failed(struct shell *shell, const struct hash *task, const char *why);
/* A result of the task is written, and its attempt took so long: it is paid in the same commit.
 */
void campaigns_paid(struct shell *shell, const struct hash *task, uint64_t wall_us);
/* Before a commit: accounts that have changed. */
void campaigns_save(struct shell *shell);
bool campaigns_all_over(const struct shell *shell);
/* "running", "paused", "cancelled", "done", ... */
const char *campaigns_state_text(const struct campaign_run *run);
/* NULL: there is none of the name. */
struct campaign_run *campaigns_find(const struct shell *shell, const char *name);
/* An open task of any campaign by the first digits of its id. Errors: ERR_NOT_FOUND,
 * ERR_INVALID (several). */
int campaigns_find_task(const struct shell *shell, const char *prefix, struct hash *ret,
                        struct err *err);
/* Plan campaigns that lost a task once more from their beginning: what has results comes from
 * the cache, what had none is asked for again. */
void campaigns_replan_failed(struct shell *shell);
void campaigns_done(struct shell *shell);
/* Has some plan more to hand out, or to be fed from the store? */
bool campaigns_replaying(const struct shell *shell);
bool campaigns_has(const struct shell *shell, const char *name, const struct hash *id);
/* What a task of the kind needs: the most of what its share says and of what all the campaigns
 * say that want it. */
struct broker_needs campaigns_needs(const struct shell *shell, const struct broker_event *add);

/* ---- submit.c: campaigns on their way in ---- */
struct submissions *submissions_new(void);
void submissions_free(struct submissions *submissions);
/* A client's SUBMIT: it is answered when the campaign is durable, or refused. */
void submit_ask(struct shell *shell, struct span peer, struct span bytes);
/* Plan this campaign of the store from its beginning. */
void submit_again(struct shell *shell, const struct hash *id);
/* Take up the campaigns of the store's refs, all at once. Errors: those of reading; a campaign
 * that cannot be read is logged and left. */
int submit_load(struct shell *shell, struct err *err);
/* Once a round, before its commit; true: there is more to do at once. */
bool submit_step(struct shell *shell);
bool submit_pending(const struct shell *shell);

/* ---- wills.c: what is wanted of tasks, when it changes ---- */
struct wills *wills_new(void);
void wills_free(struct wills *wills);
/* Does the campaign want the task now? */
bool wills_want(const struct campaign_run *run, const struct hash *task);
/* Change what is wanted of a campaign that is not over: with the next commit durable; its tasks
 * follow in the next rounds. Returns the number of its open tasks. */
uint64_t wills_change(struct shell *shell, struct campaign_run *run, enum campaign_will will);
/* Its open tasks are looked at once more in the next rounds: what is wanted has changed. */
void wills_follow(struct shell *shell, const struct campaign_run *run);
/* The message goes to the peer when the campaign's tasks have followed. False: they have. */
bool wills_answer_later(struct shell *shell, const struct campaign_run *run, struct span peer,
                        const struct message *message);
/* The planner has left, and is freed here: what only it waited for is cancelled. */
void wills_retire(struct shell *shell, struct planner *planner);
void wills_store(struct shell *shell, const struct campaign_run *run);
/* What was said of the campaign with this id; one with the same name may be another. */
enum campaign_will wills_load(const struct shell *shell, const char *name,
                              const struct hash *id);
/* Once a round; true: there is more to do at once. */
bool wills_step(struct shell *shell);
bool wills_pending(const struct shell *shell);

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
/* The i-th task that it waits for; false: there are fewer. */
bool recover_need(const struct shell *shell, const struct hash *task, uint32_t i,
                  struct hash *ret);
/* The task is held, or released: so are those that make what it misses, unless others that are
 * not held wait for them too. */
void recover_hold(struct shell *shell, const struct hash *task, bool hold);
/* Are all that wait for it held? */
bool recover_is_held(const struct shell *shell, const struct hash *task);
/* Walk the held tasks: *cursor 0 at first; false at the end. */
bool recover_next(const struct shell *shell, size_t *cursor, struct hash *ret_task);
void recover_free(struct recovery *recovery);

/* ---- audit.c ---- */
struct audits *audits_new(void);
void audits_free(struct audits *audits);
/* Compute the task again, not on the worker named `avoid` while another can ("": nobody), and
 * record whether the same came out. Again while it is under way: no effect. Errors: ERR_BUSY,
 * ERR_FULL (another time); ERR_NOT_FOUND (no result, or an input is lost for good);
 * ERR_UNSUPPORTED (no worker can). */
int audit_begin(struct shell *shell, const struct hash *task, const char *avoid,
                struct err *err);
bool audit_has(const struct shell *shell, const struct hash *task);
/* Is this the outcome of an attempt from before the audit that is under way? */
bool audit_predates(const struct shell *shell, const struct message_outcome *outcome);
/* The ends of an audit; of other tasks: no effect. */
void audit_result(struct shell *shell, const struct result *result, uint32_t attempt,
                  const char *worker);
void audit_failed(struct shell *shell, const struct hash *task, const char *why);
/* By the first digits. Errors: ERR_NOT_FOUND. */
int audit_cancel(struct shell *shell, const char *prefix, struct err *err);
/* Walk those under way: *cursor 0 at first; false at the end. */
bool audit_next(const struct shell *shell, size_t *cursor, struct hash *ret_task);

/* ---- orders.c ---- */
void orders_handle(struct shell *shell, struct span peer, const struct message_order *order);

/* ---- blobs.c ---- */
struct uploads *uploads_new(void);
void uploads_free(struct uploads *uploads);
void blobs_put(struct shell *shell, struct span peer, const struct message_blob_put *put);
void blobs_get(struct shell *shell, struct span peer, const struct message_blob_get *get);
/* The event tells the core of the largest objects among those that it is called with. */
void blobs_weigh(const struct shell *shell, const struct hash *id, uint64_t size,
                 struct broker_event *event);

/* ---- records.c ---- */
/* Entries of the store's event log. All are canonical maps with "epoch", "event" and "time"
 * (Unix ms); see docs/events.md. */
/* `action` is LEASE or REVOKE. */
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
/* How an audit ended: "equal", "differs", "failed" or "cancelled". */
struct audited {
    uint32_t attempt;
    const char *worker, *end, *note;
};
void record_audited(struct shell *shell, const struct hash *task,
                    const struct audited *audited);
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

/* ---- explain.c ---- */
/* Where the task stands, as JSON text, appended. */
void explain_print(struct shell *shell, const struct hash *task, struct buf *out);

/* ---- address.c ---- */
int address_write(const struct shell *shell, struct err *err);
void address_remove(const struct shell *shell);

/* ---- status.c ---- */
/* JSON text, appended. `campaign` all zero: every campaign. */
void status_print(const struct shell *shell, const struct hash *campaign, struct buf *out);

#endif
