/* The state of the broker core, shared by its files: core.c (rules: events to actions),
 * core_workers.c (the table of workers), core_leases.c. Nothing outside includes this.
 *
 * Everything is numbered slots in arrays; queues and timers are heaps, so an event costs
 * O(log n), whatever is queued.
 *
 * At rest no ready task has a worker that would take it. So only three things start leases: a
 * task that becomes ready looks for a worker (task_ready), a worker that has room looks for
 * tasks (worker_fill), and at rest an attempt that is late gets a rival in a slot that is still
 * idle (core_race_look). */
#ifndef WYCKMILL_BROKER_CORE_STATE_H
#define WYCKMILL_BROKER_CORE_STATE_H

#include "broker/core.h"
#include "broker/heap.h"
#include "broker/tasks.h"

#define NONE UINT32_MAX

enum {
    LOAD_FULL_SLOTS = 16, /* load of a worker with as many leases as slots */
    LOADS = 64,
    REPEAT_DOUBLINGS_MAX = 6,
    MEAN_UNIT = 16, /* fixed point of the mean time per task */
    WORKER_BLOBS = 32,
    WORKERS_LOOKED_AT_MAX = 64,
};

/* One attempt in the hands of a worker. */
struct lease {
    uint64_t begin_ms;
    uint64_t number;       /* counted over all leases */
    uint32_t task, worker; /* slots */
    uint32_t attempt;
    uint32_t sent;       /* times */
    uint32_t task_next;  /* next lease of the same task */
    uint32_t prev, next; /* of the same worker: a ring, oldest first; `next` also: next free */
    uint32_t position;   /* in `repeats` */
    uint32_t race_position; /* in `races` */
    uint32_t share;         /* who pays */
    uint64_t charged;       /* so far */
    bool at_once;           /* a slot was idle when it began */
    bool raced;             /* it began as a rival of another one */
    struct broker_needs needs;
};

struct worker {
    uint64_t last_seen_ms, last_result_ms;
    uint32_t number; /* the shell's */
    uint32_t chain;  /* next worker on the same place of by_number; or next free */
    uint32_t kinds, profile_id, slots, credit;
    uint32_t host;                 /* 0: not known */
    struct broker_needs has, used; /* used: by its leases */
    uint32_t kept;                 /* class that it keeps room for; or NONE */
    uint64_t kept_since;           /* number of the last lease before that */
    uint32_t n_leases, leases;     /* the oldest */
    uint32_t group, load;          /* the ring it stands in; load NONE: in none */
    uint32_t prev, next;           /* of that ring */
    uint32_t position;             /* in `silences` */
    bool silent;
    bool draining; /* gets nothing new */
    bool open;     /* neither: counted in its group */
    uint32_t guilt, proofs;
    uint32_t blobs[WORKER_BLOBS]; /* keys of what it has, used last first */
};

/* Workers that can run the same: those with room, in rings by load, first come first. */
struct group {
    uint64_t loads; /* bit per ring that is not empty */
    uint32_t kinds, profile_id, n_workers, n_open;
    struct broker_needs has; /* each of them, in all */
    uint32_t rings[LOADS];
};

/* Tasks that ask for the same. */
struct class
{
    uint32_t kind, profile_id;
    struct broker_needs needs;
    /* Whom they avoid: such a worker takes them only when no other can. */
    uint32_t avoid;     /* number of a worker plus 1; 0: none */
    uint64_t outgrown;  /* those with no more memory than that, bytes */
    uint32_t keeper;    /* worker that keeps room for one of them; or NONE */
    uint32_t n_tasks;   /* a class without any may be used again */
    uint64_t mean;      /* time per task, 1/MEAN_UNIT ms; UINT64_MAX before the first result */
    struct heap active; /* queues that have tasks, the share whose turn it is first */
};

/* A share's ready tasks of a class, in order of (priority, arrival). */
struct queue {
    struct heap tasks;
    uint32_t share, class;
    uint32_t next;     /* of the same share */
    uint32_t position; /* in the class's `active` */
};

struct share {
    uint64_t pass;      /* slot time it has had, by its weight */
    uint32_t queues;    /* the first */
    struct pace *paces; /* what its tasks take (core_race.c) */
    uint32_t n_ready;
    int32_t boost; /* weight 2^boost */
};

struct broker_core {
    struct broker_limits limits;
    uint64_t now_ms, sequence;
    struct broker_counts counts; /* what is not derived in broker_core_counts */
    uint64_t states[TASK_STATES];
    struct broker_actions *out; /* during a step */

    struct tasks tasks;
    struct class *classes[BROKER_CLASSES_MAX]; /* each allocated: a heap does not move */
    uint32_t n_classes;
    struct queue **queues; /* each allocated, likewise */
    uint32_t n_queues;
    struct share shares[BROKER_SHARES_MAX];
    uint64_t pass; /* of the share that was served last, at most */

    struct worker *workers; /* BROKER_WORKERS_MAX */
    uint32_t n_workers, workers_used, worker_free;
    uint32_t by_number[BROKER_WORKERS_MAX];
    struct group **groups;
    uint32_t n_groups;

    struct lease *leases;
    size_t leases_capacity;
    uint32_t leases_used, lease_free;

    struct heap waiting;  /* tasks, by end of backoff */
    struct heap repeats;  /* leases, by the time to send them again */
    struct heap silences; /* workers, by a time before which they cannot be silent too long */
    struct heap races;    /* leases, by the time to see whether they are late */
};

static inline bool has_idle_slot(const struct worker *worker)
{
    return worker->n_leases < worker->slots;
}

/* ---- core.c ---- */
void core_emit(struct broker_core *core, struct broker_action action);
void core_state_set(struct broker_core *core, struct task *task, enum task_state state);
/* Out of the queue that its state stands for. */
void core_task_dequeue(struct broker_core *core, uint32_t t);

/* ---- core_match.c ---- */
/* Could workers of the group run its tasks, with nothing beside them? */
bool core_fits(const struct class *class, const struct group *group);
/* The task may begin: to a worker that would take it, else into its queue. */
void core_task_ready(struct broker_core *core, uint32_t t);
/* Give the worker what it may take. */
void core_worker_fill(struct broker_core *core, uint32_t w);
/* Workers came or went: those who avoid somebody may have nobody else now, or somebody. */
void core_fill_avoided(struct broker_core *core);
/* After a task has left the ready ones of the class otherwise than by a lease. */
void core_keep_check(struct broker_core *core, uint32_t class);
/* Of the first workers looked at that have an idle slot and would take the task, but `except`
 * (NONE: none), the one with the highest score over 0, of equal ones the first. The one on
 * which the task crashed counts when there is none but `except` else. NONE: nobody. */
typedef uint64_t worker_score(const struct broker_core *core, uint32_t t, uint32_t w,
                              uint32_t except);
uint32_t core_worker_best(const struct broker_core *core, uint32_t t, uint32_t except,
                          worker_score *score);

/* ---- core_workers.c ---- */
/* NONE: no worker has the shell's number. */
uint32_t core_worker_find(const struct broker_core *core, uint32_t number);
/* Errors: ERR_INVALID. */
int core_worker_require(const struct broker_core *core, uint32_t number, uint32_t *ret_w,
                        struct err *err);
/* In no ring and no group yet; watched. */
uint32_t core_worker_new(struct broker_core *core, uint32_t number);
/* It must have no leases. */
void core_worker_free(struct broker_core *core, uint32_t w);
/* Into the ring of its load, at the end; into none when it can take nothing. */
void core_worker_list(struct broker_core *core, uint32_t w);
void core_worker_unlist(struct broker_core *core, uint32_t w);
/* What it can run changed. */
void core_worker_regroup(struct broker_core *core, uint32_t w);
/* It was not heard from for too long: in no ring until it is. */
void core_worker_silence(struct broker_core *core, uint32_t w);
/* It gets nothing new. */
void core_worker_drain(struct broker_core *core, uint32_t w);
/* How many there are that get new tasks. */
uint32_t core_workers_open(const struct broker_core *core);
/* It keeps room for the class; it does not any more, if it did. */
void core_worker_keep(struct broker_core *core, uint32_t w, uint32_t class);
void core_worker_keep_end(struct broker_core *core, uint32_t w);
/* What its leases with a number above `since` use. */
struct broker_needs core_worker_used(const struct broker_core *core, uint32_t w,
                                     uint64_t since);
/* When to look again whether it is silent. */
void core_worker_watch(struct broker_core *core, uint32_t w);
/* A sign of life. */
void core_worker_seen(struct broker_core *core, uint32_t w);

/* ---- core_leases.c ---- */
/* The next attempt of a ready task, or a rival of the one that runs, goes to worker `w`. */
void core_lease_begin(struct broker_core *core, uint32_t t, uint32_t w);
void core_lease_send(struct broker_core *core, uint32_t l, bool again);
/* The lease is over; what becomes of its task and worker is the caller's business. */
void core_lease_end(struct broker_core *core, uint32_t l);
/* NONE: there is no such lease. */
uint32_t core_lease_find(const struct broker_core *core, uint32_t t, uint32_t w,
                         uint32_t attempt);

/* ---- core_share.c ---- */
void core_class_init(struct broker_core *core, struct class *class);
void core_queues_free(struct broker_core *core);
/* Into the queue of its share and class, and out of it. */
void core_ready_push(struct broker_core *core, uint32_t t);
void core_ready_remove(struct broker_core *core, uint32_t t);
/* Entries of classes' `active`: whose turn is it first, and within a share, which task's? */
bool core_ready_before(const struct broker_core *core, const struct heap_entry *a,
                       const struct heap_entry *b);
void core_share_weigh(struct broker_core *core, uint32_t share, int32_t priority);
/* The share has had `amount` more. */
void core_share_charge(struct broker_core *core, uint32_t share, uint64_t amount);
/* The lease begins (`at_once`: in an idle slot), and is over: its share pays. */
void core_share_begin(struct broker_core *core, struct lease *lease, bool at_once);
void core_share_end(struct broker_core *core, const struct lease *lease);

/* ---- core_near.c ---- */
/* The inputs of a task that was added. */
void core_near_describe(const struct broker_core *core, struct task *task,
                        const struct broker_event *event);
/* The worker gets the task, so it gets its inputs; it made what the event tells. */
void core_near_leased(struct broker_core *core, uint32_t t, uint32_t w);
void core_near_made(struct broker_core *core, uint32_t w, const struct broker_event *event);
/* The worker with an idle slot that would take the task and has most of its inputs; NONE:
 * nobody has any. */
uint32_t core_near_worker(const struct broker_core *core, uint32_t t);
/* The first of the queue, or one close behind of which the worker has more. */
uint32_t core_near_task(const struct broker_core *core, const struct heap *tasks, uint32_t w);

/* ---- core_race.c ---- */
void core_races_init(struct broker_core *core);
void core_races_done(struct broker_core *core);
/* From the beginning of a lease to its end. */
void core_race_watch(struct broker_core *core, uint32_t l);
void core_race_unwatch(struct broker_core *core, uint32_t l);
/* The lease ends with a result: its kind takes so long. */
void core_race_measure(struct broker_core *core, uint32_t l);
/* Its timer is due: if it is late it gets a rival. */
void core_race_look(struct broker_core *core, uint32_t l);

#endif
