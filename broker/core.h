/* The broker's rules as a pure function: (state, event) -> actions. No socket, disk, clock,
 * random number or log in here; time and the results of I/O arrive in events, wishes leave as
 * actions that the shell (effects.c) carries out in order. Same state + same events => same
 * actions.
 *
 * Life of a task: ADD -> ready -> leased (attempt n) -> RESULT -> PERSIST -> RESULT_DURABLE ->
 * ACK + DONE. Nothing is acknowledged before it is durable. A lease ends by result, by expiry,
 * or with its worker; the task becomes ready again after a backoff, under the next attempt
 * number. Three crashes (signal, exit, time, bad output): quarantine. After each of them the
 * next attempt goes to another worker while there is another that can run it, so that one sick
 * worker alone cannot put a good task there. A task that ended badly on one worker and well on
 * another is a proof against the first; a worker with too many of them, not made up for by good
 * results, is drained while there is another one. A task that is bad itself proves nothing
 * against anybody. Pauses after crashes double, and are up to half longer by a number from
 * the task's id, so that what crashed together does not come back together. A late result of an
 * older attempt (or of an earlier broker run: attempt 0) is accepted while its action is still
 * wanted, else answered with ACK and dropped. Tasks that ended are forgotten: memory follows
 * what is open, not what was ever done.
 *
 * Shares (campaigns) get slot time by their weights, whatever number and length their tasks
 * have; one that had nothing to do for a while saves nothing up.
 *
 * Needs: a worker has so much memory, so many gpus and some tags, in all. It gets only tasks
 * whose tags it has, and never more leases at once than fit into its memory and gpus together.
 * So that a large task does not wait for ever behind small ones: when it is its turn on a
 * worker where it would fit alone, but not beside what runs there, the worker keeps room for
 * it. What begins there from then on leaves as much as the large task needs, so it begins at
 * the latest when all that ran before has ended. One worker at a time keeps room for tasks of
 * the same needs; it is over when one of them begins anywhere. What ran out of memory without a
 * limit of its own goes to a worker with more, if there is one.
 *
 * A task may be held (its campaign is paused): what runs goes on, nothing of it is leased anew.
 * A worker may be drained: it keeps what it has and gets nothing new; action DRAIN tells it so.
 *
 * An attempt that takes much longer than others of its kind for its share gets a rival, on
 * another worker, best of another machine, that has an idle slot and nothing else to do; never
 * a second one, and none while the task is held. The share pays for it like for any other. The
 * first durable result wins, and the other attempt is revoked; when one of the two ends badly,
 * the other goes on.
 *
 * Of the workers with an idle slot the one gets a task that has most bytes of its large inputs,
 * and of tasks of the same kind, share and priority a worker gets the one of which it has most:
 * as far as the core knows what it has, and as far as nobody waits long for that.
 *
 * A worker fills its slots first; beyond them, up to its credit, it gets tasks in advance only
 * of a class that is known to be quick (BROKER_PREFETCH_MS), so that no long task waits behind
 * another while a slot elsewhere is idle. A LEASE is repeated, with growing pauses, while it
 * lasts: the worker ignores one that it holds, and one that the network lost is found again. */
#ifndef WYCKMILL_BROKER_CORE_H
#define WYCKMILL_BROKER_CORE_H

#include "common/err.h"
#include "common/hash.h"
#include "proto/action.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    BROKER_CRASHES_MAX = 3,
    BROKER_WORKERS_MAX = 4096,
    BROKER_TASKS_MAX = 4 << 20,
    BROKER_CREDIT_MAX = 64, /* leases in flight per worker */
    BROKER_KINDS_MAX = 32,
    BROKER_SHARES_MAX = 1024 + 1, /* campaigns, and audits */
    BROKER_CLASSES_MAX = 1024,    /* different (kind, profile, needs) of tasks at one time */
    BROKER_PREFETCH_MS = 200,     /* mean time per task up to which leases go out in advance */
    BROKER_PROOF = 4,      /* weight of a proof against a worker; a good result weighs -1 */
    BROKER_GUILT_MAX = 16, /* then it is drained */
    BROKER_TICK_WORK_MAX = 256, /* timers handled per event; the rest at the next TICK */
    BROKER_BLOBS_MAX = 3,       /* inputs of a task that are looked at */
};

struct broker_limits {
    uint64_t lease_ms;   /* silence after which a lease returns; renewed by heartbeats */
    uint64_t worker_ms;  /* silence after which a worker is gone */
    uint64_t backoff_ms; /* before a crashed task is ready again; doubles per crash */
    uint64_t race_ms;    /* an attempt that takes less is never raced; 0: none is */
    uint64_t near_bytes; /* smaller inputs do not count in who gets a task */
};

/* How an attempt ended, as the worker reports it. */
enum attempt_end {
    ATTEMPT_OK,
    ATTEMPT_ERROR,   /* the task function returned an error: deterministic, not retried */
    ATTEMPT_CRASH,   /* slot died: exit or signal */
    ATTEMPT_TIME,    /* over its time limit */
    ATTEMPT_LOST,    /* worker silent or gone: retried, does not count as a crash */
    ATTEMPT_BAD,     /* output missing or not matching: counts as a crash */
    ATTEMPT_REFUSED, /* worker cannot run it (kind, profile): retried elsewhere; the worker gets
                        no more of that kind until its next WORKER_READY */
    ATTEMPT_MEMORY,  /* out of memory, under its limit or the machine's: counts as a crash */
    ATTEMPT_END_COUNT
};
const char *attempt_end_text(enum attempt_end end);

/* What a task needs, or a worker has in all. Zero: nothing. */
struct broker_needs {
    uint64_t memory_bytes; /* at most BROKER_MEMORY_MAX */
    uint64_t tags;         /* set of the shell's numbers */
    uint64_t time_ms;      /* of a task: its limit, told with every lease */
    uint32_t gpus;
};
#define BROKER_MEMORY_MAX (UINT64_C(1) << 60)

enum broker_event_type {
    BROKER_EVENT_TICK,     /* now_ms only */
    BROKER_EVENT_TASK_ADD, /* task, kind, profile_id, needs, share, priority, held, shared,
                              attempt (the next one comes after it), avoid, blobs; again: the
                              higher priority, with its share, counts, the needs are those said
                              last, from the next attempt on, and unless `held` it is released
                            */
    BROKER_EVENT_TASK_CANCEL, /* task: no longer wanted; unknown or persisting: no effect */
    BROKER_EVENT_TASK_HOLD, /* task: no new attempt until it is released; unknown: no effect */
    BROKER_EVENT_TASK_RELEASE,    /* task: wanted again; unknown or not held: no effect */
    BROKER_EVENT_WORKER_READY,    /* worker, kinds (bit mask), profile_id, needs (what it has),
                                     slots, credit, drained: hello, or again (its leases are then
                                     sent again) */
    BROKER_EVENT_WORKER_ALIVE,    /* worker: heartbeat, renews all its leases */
    BROKER_EVENT_WORKER_GONE,     /* worker: said goodbye or cannot be reached */
    BROKER_EVENT_WORKER_DRAIN,    /* worker: gets nothing new until it is GONE */
    BROKER_EVENT_RESULT,          /* worker, task, attempt (0: of an earlier run), end */
    BROKER_EVENT_RESULT_DURABLE,  /* task: what PERSIST asked for is on disk */
    BROKER_EVENT_RESULT_REJECTED, /* task: PERSIST found an output missing or another result
                                     there */
    BROKER_EVENT_COUNT
};

const char *broker_event_text(enum broker_event_type type);

/* An object that is large enough to matter where it is. */
struct broker_blob {
    uint64_t size; /* 0: none */
    uint32_t key;  /* of its id, not 0; equal ones count as the same object */
};

struct broker_event {
    enum broker_event_type type;
    uint64_t now_ms;  /* monotonic; an earlier time than before counts as no time passed */
    uint32_t worker;  /* shell's number for a peer, never reused in one run */
    struct hash task; /* action id */
    uint32_t attempt;
    enum attempt_end end;
    uint32_t kind;       /* index of the task kind, 0..31 */
    uint32_t kinds;      /* bit mask of what a worker runs */
    uint32_t profile_id; /* shell's number for a profile text; 0 = any */
    struct broker_needs needs;
    uint32_t slots;   /* tasks the worker runs at once, 1.. */
    uint32_t host;    /* shell's number for the machine of a worker; 0: not known */
    uint32_t credit;  /* leases the worker can hold, slots..; cut to BROKER_CREDIT_MAX */
    uint32_t share;   /* number of the campaign, 0..BROKER_SHARES_MAX-1 */
    int32_t priority; /* within the share: higher first, then first come; between shares the
                         weight: each step doubles it, from -8 to 8 */
    struct broker_blob blobs[BROKER_BLOBS_MAX]; /* TASK_ADD: its largest inputs; RESULT, when
                            the end is ATTEMPT_OK: outputs, which the worker keeps */
    uint32_t avoid; /* TASK_ADD: number of a worker plus 1, which gets it only when no other
                       can; 0: none. No effect on one that is there */
    bool held;      /* TASK_ADD: it begins held; no effect on one that is there */
    bool shared;    /* TASK_ADD: others than the share may want it as well */
    bool drained;   /* WORKER_READY: it was told to leave */
};

enum broker_action_type {
    BROKER_ACTION_LEASE,   /* worker, task, attempt, lease_ms, needs, again: send it */
    BROKER_ACTION_PERSIST, /* worker, task, attempt: write the result that came with the event
                            */
    BROKER_ACTION_ACK,  /* worker, task, attempt: tell it that its result is safe (or unwanted)
                         */
    BROKER_ACTION_DONE, /* task, share, shared: give the result to the planner */
    BROKER_ACTION_FAILED,     /* task, end: will not be tried again (error) */
    BROKER_ACTION_QUARANTINE, /* task, end: three crashes; write the record with evidence */
    BROKER_ACTION_ATTEMPT, /* worker, task, attempt, end: an attempt ended otherwise; log it */
    BROKER_ACTION_REVOKE,  /* worker, task, attempt: no longer wanted */
    BROKER_ACTION_DRAIN,   /* worker: tell it to leave when what runs is done */
    BROKER_ACTION_COUNT
};
const char *broker_action_text(enum broker_action_type type);

struct broker_action {
    enum broker_action_type type;
    uint32_t worker;
    struct hash task;
    uint32_t attempt;
    enum attempt_end end;
    uint64_t lease_ms;
    struct broker_needs needs;
    bool again;     /* LEASE: a repetition of one already sent */
    bool raced;     /* LEASE: a rival of another attempt */
    uint32_t share; /* DONE: who wants it; `shared`: perhaps others too */
    bool shared;
    uint32_t crashed_on[BROKER_CRASHES_MAX]; /* QUARANTINE: workers, in order */
    uint32_t
        proofs; /* DRAIN: tasks that ended badly there and well elsewhere; 0: was asked for */
};

struct broker_actions {
    struct broker_action *items;
    size_t n, capacity;
};
void broker_actions_done(struct broker_actions *actions);

struct broker_core;
struct broker_core *broker_core_new(const struct broker_limits *limits);
void broker_core_free(struct broker_core *core);

/* `ret_actions` is overwritten; {0} at first. Errors: ERR_INVALID for an event that makes no
 * sense (unknown worker, attempt never handed out, ...), ERR_FULL at BROKER_TASKS_MAX,
 * BROKER_WORKERS_MAX or BROKER_CLASSES_MAX: nothing changed, no actions. */
int broker_core_step(struct broker_core *core, const struct broker_event *event,
                     struct broker_actions *ret_actions, struct err *err);

struct broker_counts {
    uint64_t ready, waiting /* backoff */, held, leased,
        persisting;                                /* now; each task in one of them */
    uint64_t done, failed, quarantined, cancelled; /* so far */
    uint64_t workers /* now */, workers_ever;
    uint64_t leases /* now */, leases_ever, attempts_lost, late_results;
    uint64_t races, races_won; /* so far: rivals begun, and those whose result counted */
};
void broker_core_counts(const struct broker_core *core, struct broker_counts *ret);

struct broker_worker {
    uint32_t slots, credit, leases;
    struct broker_needs has, leased; /* leased: sum over its leases */
    uint64_t last_seen_ms;
    bool silent;   /* over lease_ms: its leases returned, it gets none */
    bool draining; /* keeps its leases, gets no more */
};
/* Errors: ERR_NOT_FOUND (never said READY, or gone). */
int broker_core_worker(const struct broker_core *core, uint32_t worker,
                       struct broker_worker *ret, struct err *err);

/* A kind of task that waits though nothing is in its way but that no worker, busy or not, has
 * what it needs. */
struct broker_unmet {
    struct hash task; /* the first of them */
    uint32_t kind, profile_id;
    struct broker_needs needs;
};
/* False: every ready task of the share has a worker that could run it. */
bool broker_core_unmet(const struct broker_core *core, uint32_t share,
                       struct broker_unmet *ret);

/* Is it in the queue, and how? Errors: ERR_NOT_FOUND. */
enum broker_task_state {
    BROKER_TASK_READY,
    BROKER_TASK_WAITING,
    BROKER_TASK_HELD,
    BROKER_TASK_LEASED,
    BROKER_TASK_PERSISTING
};
int broker_core_task(const struct broker_core *core, const struct hash *task,
                     enum broker_task_state *ret, struct err *err);

/* Who could run a task: how many workers are left after each condition in turn. */
struct broker_fit {
    uint32_t workers; /* all */
    uint32_t kind;    /* that run its kind */
    uint32_t profile; /* and have its numerics profile */
    uint32_t able;    /* and have, in all, the memory, gpus and tags that it needs */
    uint32_t open;    /* and get new tasks: neither silent nor drained */
    bool room;        /* one of these has room for another lease */
};
void broker_core_fit(const struct broker_core *core, uint32_t kind, uint32_t profile_id,
                     const struct broker_needs *needs, struct broker_fit *ret);

/* All about a task in the queue. */
enum { BROKER_WHY_LEASES = 4, BROKER_WHY_BEFORE = 10000 };
struct broker_why {
    enum broker_task_state state;
    uint32_t share, attempt; /* attempt: the last one handed out */
    int32_t priority;
    uint32_t crashes, crashed_on[BROKER_CRASHES_MAX]; /* workers */
    uint64_t ready_ms;                                /* WAITING: the end of its backoff */
    uint32_t avoid;                                   /* as in TASK_ADD; 0: none */
    uint32_t before; /* READY: tasks of its share that ask for the same workers and come first;
                        BROKER_WHY_BEFORE: or more */
    uint64_t ready;  /* all ready tasks */
    struct broker_fit fit;
    struct {
        uint32_t worker, attempt;
        uint64_t begin_ms;
    } leases[BROKER_WHY_LEASES]; /* the last ones */
    uint32_t n_leases;
};
/* Errors: ERR_NOT_FOUND. */
int broker_core_why(const struct broker_core *core, const struct hash *task,
                    struct broker_why *ret, struct err *err);

/* When TICK is next needed (a lease, worker or backoff ends); UINT64_MAX: never. */
uint64_t broker_core_deadline_ms(const struct broker_core *core);

#endif
