/* The broker's rules: see core.h, and core_state.h for how the state lies. */
#include "broker/core_state.h"

#include "common/mem.h"
#include "common/mutant.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* What follows when an attempt ends without a result. */
static const struct {
    const char *text;
    bool final;     /* every other attempt would end so too */
    bool crash;     /* counts towards quarantine; the next attempt waits */
    bool elsewhere; /* this worker is no good for it */
    bool blameless; /* nothing is wrong with the worker */
} ends[] = {
    [ATTEMPT_OK] = {.text = "ok"},
    [ATTEMPT_ERROR] = {.text = "error", .final = true},
    [ATTEMPT_CRASH] = {.text = "crash", .crash = true},
    [ATTEMPT_TIME] = {.text = "time", .crash = true},
    [ATTEMPT_LOST] = {.text = "lost"},
    [ATTEMPT_BAD] = {.text = "bad", .crash = true},
    [ATTEMPT_REFUSED] = {.text = "refused", .elsewhere = true},
    [ATTEMPT_MEMORY] = {.text = "memory", .crash = true, .blameless = true},
};

const char *attempt_end_text(enum attempt_end end)
{
    return (unsigned)end < ATTEMPT_END_COUNT ? ends[end].text : "?";
}

const char *broker_action_text(enum broker_action_type type)
{
    static const char *const texts[] = {
        [BROKER_ACTION_LEASE] = "lease",
        [BROKER_ACTION_PERSIST] = "persist",
        [BROKER_ACTION_ACK] = "ack",
        [BROKER_ACTION_DONE] = "done",
        [BROKER_ACTION_FAILED] = "failed",
        [BROKER_ACTION_QUARANTINE] = "quarantine",
        [BROKER_ACTION_ATTEMPT] = "attempt-ended",
        [BROKER_ACTION_REVOKE] = "revoke",
        [BROKER_ACTION_DRAIN] = "drain",
    };
    return (unsigned)type < BROKER_ACTION_COUNT ? texts[type] : "?";
}

/* ---- numbered things ---- */

static uint32_t *task_position(void *context, uint32_t slot)
{
    return &tasks_at(&((struct broker_core *)context)->tasks, slot)->position;
}

static uint32_t *lease_position(void *context, uint32_t lease)
{
    return &((struct broker_core *)context)->leases[lease].position;
}

static uint32_t *worker_position(void *context, uint32_t worker)
{
    return &((struct broker_core *)context)->workers[worker].position;
}

struct broker_core *broker_core_new(const struct broker_limits *limits)
{
    struct broker_core *core = mem_new(1, sizeof *core);
    core->limits = *limits;
    tasks_init(&core->tasks);
    core->workers = mem_new(BROKER_WORKERS_MAX, sizeof *core->workers);
    memset(core->by_number, 0xff, sizeof core->by_number);
    core->worker_free = core->lease_free = NONE;
    for (uint32_t i = 0; i < BROKER_SHARES_MAX; i++)
        core->shares[i].queues = NONE;
    heap_init(&core->waiting, task_position, core);
    heap_init(&core->repeats, lease_position, core);
    heap_init(&core->silences, worker_position, core);
    core_races_init(core);
    return core;
}

void broker_core_free(struct broker_core *core)
{
    if (!core)
        return;
    for (uint32_t i = 0; i < core->n_classes; i++) {
        heap_done(&core->classes[i]->active);
        free(core->classes[i]);
    }
    core_queues_free(core);
    for (uint32_t i = 0; i < core->n_groups; i++)
        free(core->groups[i]);
    free(core->groups);
    free(core->workers);
    free(core->leases);
    heap_done(&core->waiting);
    heap_done(&core->repeats);
    heap_done(&core->silences);
    core_races_done(core);
    tasks_done(&core->tasks);
    free(core);
}

void broker_actions_done(struct broker_actions *actions)
{
    free(actions->items);
    *actions = (struct broker_actions){0};
}

void core_emit(struct broker_core *core, struct broker_action action)
{
    struct broker_actions *out = core->out;
    mem_reserve(out->items, out->capacity, out->n + 1);
    out->items[out->n++] = action;
}

static void emit_ack(struct broker_core *core, uint32_t worker, const struct hash *task,
                     uint32_t attempt)
{
    core_emit(core, (struct broker_action){.type = BROKER_ACTION_ACK,
                                           .worker = worker,
                                           .task = *task,
                                           .attempt = attempt});
}

/* ---- states ---- */

void core_state_set(struct broker_core *core, struct task *task, enum task_state state)
{
    core->states[task->state]--;
    core->states[state]++;
    task->state = (uint8_t)state;
}

/* Out of the queue that its state stands for. */
void core_task_dequeue(struct broker_core *core, uint32_t t)
{
    const struct task *task = tasks_at(&core->tasks, t);
    if (task->state == TASK_READY)
        core_ready_remove(core, t);
    else if (task->state == TASK_WAITING)
        heap_remove(&core->waiting, t);
}

/* ---- classes ---- */

static bool class_equal(const struct class *a, const struct class *b)
{
    return a->kind == b->kind && a->profile_id == b->profile_id &&
           a->needs.memory_bytes == b->needs.memory_bytes && a->needs.tags == b->needs.tags &&
           a->needs.time_ms == b->needs.time_ms && a->needs.gpus == b->needs.gpus &&
           a->avoid == b->avoid && a->outgrown == b->outgrown;
}

/* One that asks for the same as `like`. Errors: ERR_FULL. */
static int class_find(struct broker_core *core, const struct class *like, uint32_t *ret_class,
                      struct err *err)
{
    bool full = core->n_classes == BROKER_CLASSES_MAX;
    uint32_t unused = NONE;
    for (uint32_t i = 0; i < core->n_classes; i++) {
        const struct class *class = core->classes[i];
        if (class_equal(class, like)) {
            *ret_class = i;
            return 0;
        }
        /* One that avoids nobody has a mean time that is worth keeping. */
        if (!class->n_tasks && (class->avoid || class->outgrown || full))
            unused = i;
    }
    if (unused == NONE) {
        if (full)
            return err_set(err, ERR_FULL,
                           "more than %d different kinds, profiles and needs of tasks",
                           BROKER_CLASSES_MAX);
        unused = core->n_classes++;
        core->classes[unused] = mem_new(1, sizeof *core->classes[unused]);
        core_class_init(core, core->classes[unused]);
    }
    struct class *class = core->classes[unused];
    class->kind = like->kind;
    class->profile_id = like->profile_id;
    class->needs = like->needs;
    class->avoid = like->avoid;
    class->outgrown = like->outgrown;
    class->keeper = NONE;
    class->mean = UINT64_MAX;
    *ret_class = unused;
    return 0;
}

static void class_set(struct broker_core *core, struct task *task, uint32_t class)
{
    core->classes[task->class]->n_tasks--;
    core->classes[class]->n_tasks++;
    task->class = class;
}

/* The next attempt shall be made elsewhere, if there is an elsewhere; after what was too much
 * for the machine, on a larger one. */
static void class_avoid(struct broker_core *core, struct task *task, uint32_t worker,
                        enum attempt_end end)
{
    struct class like = *core->classes[task->class];
    uint32_t class, w = core_worker_find(core, worker);
    like.avoid = worker + 1;
    if (end == ATTEMPT_MEMORY && !like.needs.memory_bytes && w != NONE &&
        core->workers[w].has.memory_bytes > like.outgrown)
        like.outgrown = core->workers[w].has.memory_bytes;
    if (!MUTANT(CRASH_STAYS) && !class_find(core, &like, &class, NULL))
        class_set(core, task, class);
}

/* ---- ends of tasks and attempts ---- */

/* The task is over: rivals are told, the slot is free again. */
static void task_forget(struct broker_core *core, uint32_t t)
{
    struct task *task = tasks_at(&core->tasks, t);
    core_task_dequeue(core, t);
    core_state_set(core, task, TASK_FREE);
    core_keep_check(core, task->class);
    while (task->lease != NONE) {
        const struct lease *lease = &core->leases[task->lease];
        uint32_t w = lease->worker;
        core_emit(core, (struct broker_action){.type = BROKER_ACTION_REVOKE,
                                               .worker = core->workers[w].number,
                                               .task = task->id,
                                               .attempt = lease->attempt});
        core_lease_end(core, task->lease);
        core_worker_fill(core, w);
    }
    core->classes[task->class]->n_tasks--;
    tasks_remove(&core->tasks, t);
}

static void task_give_up(struct broker_core *core, uint32_t t, enum broker_action_type type,
                         enum attempt_end end)
{
    struct task *task = tasks_at(&core->tasks, t);
    struct broker_action action = {.type = type, .task = task->id, .end = end};
    memcpy(action.crashed_on, task->crashed_on, sizeof action.crashed_on);
    core_emit(core, action);
    if (type == BROKER_ACTION_QUARANTINE)
        core->counts.quarantined++;
    else
        core->counts.failed++;
    task_forget(core, t);
}

/* How long a task waits after its crash. */
static uint64_t backoff_ms(const struct broker_core *core, const struct task *task)
{
    uint64_t pause_ms = core->limits.backoff_ms << (task->crashes - 1);
    uint64_t any = hash_u64(&task->id) * (2u * task->crashes + 1) *
                   UINT64_C(0x9e3779b97f4a7c15); /* Knuth's multiplier, 2^64 / golden ratio */
    return pause_ms + (pause_ms * (any >> 48) >> 17);
}

static void task_crashed(struct broker_core *core, struct task *task, uint32_t worker,
                         enum attempt_end end)
{
    static_assert(sizeof task->crashed_on == BROKER_CRASHES_MAX * sizeof(uint32_t),
                  "every crash before quarantine is remembered");
    if (task->crashes < BROKER_CRASHES_MAX) {
        task->crashed_on[task->crashes] = worker;
        task->blameless |= (uint8_t)(ends[end].blameless << task->crashes);
    }
    task->crashes++;
    if (task->state == TASK_LEASED)
        class_avoid(core, task, worker, end);
}

/* An attempt ended without a usable result, its lease is over already: try again, later or
 * elsewhere, unless a rival still runs or its result is on the way to the disk. */
static void task_retry(struct broker_core *core, uint32_t t, uint32_t worker,
                       enum attempt_end end)
{
    struct task *task = tasks_at(&core->tasks, t);
    if (ends[end].crash)
        task_crashed(core, task, worker, end);
    if (MUTANT(POISON_FOR_EVER))
        task->crashes = ends[end].crash;
    if (MUTANT(LOST_IS_CRASH) && end == ATTEMPT_LOST)
        task->crashes++;
    if (task->state != TASK_LEASED)
        return;
    if (ends[end].final)
        task_give_up(core, t, BROKER_ACTION_FAILED, end);
    else if (task->crashes >= BROKER_CRASHES_MAX)
        task_give_up(core, t, BROKER_ACTION_QUARANTINE, end);
    else if (task->lease != NONE)
        return;
    else if (task->held && !(MUTANT(HOLD_LEAKS) && end == ATTEMPT_LOST)) {
        core_state_set(core, task, TASK_HELD);
    } else if (ends[end].crash) {
        core_state_set(core, task, TASK_WAITING);
        heap_push(&core->waiting, core->now_ms + backoff_ms(core, task), task->sequence, t);
    } else {
        core_task_ready(core, t);
    }
}

static void emit_attempt(struct broker_core *core, uint32_t worker, const struct task *task,
                         uint32_t attempt, enum attempt_end end)
{
    core_emit(core, (struct broker_action){.type = BROKER_ACTION_ATTEMPT,
                                           .worker = worker,
                                           .task = task->id,
                                           .attempt = attempt,
                                           .end = end});
}

/* ---- workers ---- */

/* A worker in no ring loses its leases. */
static void worker_return_leases(struct broker_core *core, uint32_t w)
{
    const struct worker *worker = &core->workers[w];
    while (worker->leases != NONE) {
        const struct lease *lease = &core->leases[worker->leases];
        uint32_t t = lease->task;
        emit_attempt(core, worker->number, tasks_at(&core->tasks, t), lease->attempt,
                     ATTEMPT_LOST);
        core->counts.attempts_lost++;
        core_lease_end(core, worker->leases);
        task_retry(core, t, worker->number, ATTEMPT_LOST);
    }
}

static void worker_remove(struct broker_core *core, uint32_t w)
{
    core_worker_silence(core, w);
    worker_return_leases(core, w);
    core_worker_free(core, w);
    core_fill_avoided(core);
}

static void worker_drain(struct broker_core *core, uint32_t w, uint32_t proofs)
{
    core_worker_drain(core, w);
    core_emit(core, (struct broker_action){.type = BROKER_ACTION_DRAIN,
                                           .worker = core->workers[w].number,
                                           .proofs = proofs});
    core_fill_avoided(core);
}

/* The task went well on one worker: that is to its credit, and a proof against those it crashed
 * on. */
static void judge_workers(struct broker_core *core, const struct task *task)
{
    uint32_t good = core_worker_find(core, task->persist_worker);
    if (good != NONE && core->workers[good].guilt > 0)
        core->workers[good].guilt--;
    for (int i = 0; i < task->crashes && i < BROKER_CRASHES_MAX; i++) {
        uint32_t w = core_worker_find(core, task->crashed_on[i]);
        if (w == NONE || w == good || task->blameless >> i & 1 || MUTANT(SICK_WORKER_KEPT))
            continue;
        struct worker *worker = &core->workers[w];
        worker->guilt += BROKER_PROOF;
        worker->proofs++;
        if (worker->guilt >= BROKER_GUILT_MAX && worker->open && core_workers_open(core) > 1)
            worker_drain(core, w, worker->proofs);
    }
}

/* ---- events ---- */

static void silence_check(struct broker_core *core, uint32_t w)
{
    struct worker *worker = &core->workers[w];
    uint64_t silence_ms = core->now_ms - worker->last_seen_ms;
    if (MUTANT(LEASE_NEVER_ENDS)) {
        worker->last_seen_ms = core->now_ms;
        silence_ms = 0;
    }
    if (silence_ms >= core->limits.worker_ms) {
        worker_remove(core, w);
        return;
    }
    if (!worker->silent && silence_ms >= core->limits.lease_ms) {
        core_worker_silence(core, w);
        worker_return_leases(core, w);
        core_fill_avoided(core);
    }
    core_worker_watch(core, w);
}

static const struct heap_entry *due(const struct broker_core *core, const struct heap *heap)
{
    const struct heap_entry *top = heap_top(heap);
    return top && top->major <= core->now_ms ? top : NULL;
}

static int on_tick(struct broker_core *core, const struct broker_event *event, struct err *err)
{
    (void)event;
    (void)err;
    for (int work = 0; work < BROKER_TICK_WORK_MAX; work++) {
        const struct heap_entry *top;
        if ((top = due(core, &core->silences))) {
            silence_check(core, top->item);
        } else if ((top = due(core, &core->waiting)) && !MUTANT(BACKOFF_FOR_EVER)) {
            uint32_t t = top->item;
            heap_remove(&core->waiting, t);
            core_task_ready(core, t);
        } else if ((top = due(core, &core->repeats))) {
            core_lease_send(core, top->item, true);
        } else if ((top = due(core, &core->races))) {
            core_race_look(core, top->item);
        } else {
            break;
        }
    }
    return 0;
}

/* Asked for again, perhaps by a more urgent campaign, or with other needs. */
static int task_renew(struct broker_core *core, uint32_t t, const struct broker_event *event,
                      struct err *err)
{
    struct task *task = tasks_at(&core->tasks, t);
    bool ready = task->state == TASK_READY;
    uint32_t old = task->class, class;
    struct class like = *core->classes[old];
    like.needs = event->needs;
    int rc = class_find(core, &like, &class, err);
    if (rc || (class == old && event->priority <= task->priority))
        return rc;
    if (ready)
        core_task_dequeue(core, t);
    if (event->priority > task->priority) {
        task->priority = event->priority;
        task->share = event->share;
    }
    class_set(core, task, class);
    if (!ready)
        return 0;
    core_task_ready(core, t);
    core_keep_check(core, old);
    return 0;
}

static void task_release(struct broker_core *core, uint32_t t)
{
    struct task *task = tasks_at(&core->tasks, t);
    task->held = false;
    if (task->state == TASK_HELD && !MUTANT(RELEASE_FORGETS))
        core_task_ready(core, t);
}

static int on_task_add(struct broker_core *core, const struct broker_event *event,
                       struct err *err)
{
    if (event->kind >= BROKER_KINDS_MAX)
        return err_set(err, ERR_INVALID, "task kind number %u is over %d", event->kind,
                       BROKER_KINDS_MAX - 1);
    if (event->needs.memory_bytes > BROKER_MEMORY_MAX)
        return err_set(err, ERR_INVALID, "a task needs %llu bytes of memory",
                       (unsigned long long)event->needs.memory_bytes);
    if (event->share >= BROKER_SHARES_MAX)
        return err_set(err, ERR_INVALID, "share number %u is over %d", event->share,
                       BROKER_SHARES_MAX - 1);
    core_share_weigh(core, event->share, event->priority);
    uint32_t t = tasks_find(&core->tasks, &event->task);
    if (t != TASK_NONE) {
        struct task *task = tasks_at(&core->tasks, t);
        task->shared = task->shared || event->shared || task->share != event->share;
        int rc = task_renew(core, t, event, err);
        if (rc)
            return rc;
        if (!event->held)
            task_release(core, t);
        return 0;
    }
    if (core->tasks.n >= BROKER_TASKS_MAX)
        return err_set(err, ERR_FULL, "%d tasks are queued, no more fit", BROKER_TASKS_MAX);
    const struct class like = {.kind = event->kind,
                               .profile_id = event->profile_id,
                               .needs = event->needs,
                               .avoid = event->avoid};
    uint32_t class = 0;
    int rc = class_find(core, &like, &class, err);
    if (rc)
        return rc;

    t = tasks_add(&core->tasks, &event->task);
    struct task *task = tasks_at(&core->tasks, t);
    task->class = class;
    core->classes[class]->n_tasks++;
    task->priority = event->priority;
    task->share = event->share;
    task->attempt = event->attempt;
    task->sequence = core->sequence++;
    core->states[TASK_FREE]++; /* balances state_set */
    task->held = event->held;
    task->shared = event->shared;
    core_near_describe(core, task, event);
    if (task->held)
        core_state_set(core, task, TASK_HELD);
    else
        core_task_ready(core, t);
    return 0;
}

static int on_task_cancel(struct broker_core *core, const struct broker_event *event,
                          struct err *err)
{
    (void)err;
    uint32_t t = tasks_find(&core->tasks, &event->task);
    if (t == TASK_NONE || tasks_at(&core->tasks, t)->state == TASK_PERSISTING)
        return 0;
    core->counts.cancelled++;
    task_forget(core, t);
    return 0;
}

static int on_task_hold(struct broker_core *core, const struct broker_event *event,
                        struct err *err)
{
    (void)err;
    uint32_t t = tasks_find(&core->tasks, &event->task);
    if (t == TASK_NONE)
        return 0;
    struct task *task = tasks_at(&core->tasks, t);
    task->held = true;
    if (task->state == TASK_READY || task->state == TASK_WAITING) {
        core_task_dequeue(core, t);
        core_state_set(core, task, TASK_HELD);
        core_keep_check(core, task->class);
    }
    return 0;
}

static int on_task_release(struct broker_core *core, const struct broker_event *event,
                           struct err *err)
{
    (void)err;
    uint32_t t = tasks_find(&core->tasks, &event->task);
    if (t != TASK_NONE)
        task_release(core, t);
    return 0;
}

static int on_worker_ready(struct broker_core *core, const struct broker_event *event,
                           struct err *err)
{
    if (event->slots == 0 || event->credit < event->slots)
        return err_set(err, ERR_INVALID, "worker %u offers %u slots and credit for %u leases",
                       event->worker, event->slots, event->credit);
    if (event->needs.memory_bytes > BROKER_MEMORY_MAX)
        return err_set(err, ERR_INVALID, "worker %u has %llu bytes of memory", event->worker,
                       (unsigned long long)event->needs.memory_bytes);
    uint32_t w = core_worker_find(core, event->worker);
    if (w == NONE) {
        if (core->n_workers == BROKER_WORKERS_MAX)
            return err_set(err, ERR_FULL, "%d workers are connected, no more are taken",
                           BROKER_WORKERS_MAX);
        w = core_worker_new(core, event->worker);
    }
    struct worker *worker = &core->workers[w];
    worker->kinds = event->kinds;
    worker->profile_id = event->profile_id;
    worker->host = event->host;
    worker->has = event->needs;
    worker->slots = event->slots < BROKER_CREDIT_MAX ? event->slots : BROKER_CREDIT_MAX;
    worker->credit = event->credit < BROKER_CREDIT_MAX ? event->credit : BROKER_CREDIT_MAX;
    core_worker_regroup(core, w);
    core_worker_seen(core, w);
    if (event->drained || worker->draining)
        worker_drain(core, w, 0);

    uint32_t l = worker->leases;
    for (uint32_t i = 0; i < worker->n_leases; i++, l = core->leases[l].next)
        core_lease_send(core, l, true);
    core_worker_fill(core, w);
    core_fill_avoided(core); /* what it runs may have changed */
    return 0;
}

static int on_worker_alive(struct broker_core *core, const struct broker_event *event,
                           struct err *err)
{
    uint32_t w;
    int rc = core_worker_require(core, event->worker, &w, err);
    if (rc)
        return rc;
    if (!MUTANT(HEARTBEAT_IGNORED))
        core_worker_seen(core, w);
    core_worker_fill(core, w);
    return 0;
}

static int on_worker_gone(struct broker_core *core, const struct broker_event *event,
                          struct err *err)
{
    uint32_t w;
    int rc = core_worker_require(core, event->worker, &w, err);
    if (rc)
        return rc;
    worker_remove(core, w);
    return 0;
}

static int on_worker_drain(struct broker_core *core, const struct broker_event *event,
                           struct err *err)
{
    uint32_t w;
    int rc = core_worker_require(core, event->worker, &w, err);
    if (rc)
        return rc;
    worker_drain(core, w, 0);
    return 0;
}

/* How long tasks of the class take: from when the worker could have begun. */
static void class_measure(struct broker_core *core, uint32_t l)
{
    const struct lease *lease = &core->leases[l];
    struct worker *worker = &core->workers[lease->worker];
    struct class *class = core->classes[tasks_at(&core->tasks, lease->task)->class];
    uint64_t begin_ms =
        lease->begin_ms > worker->last_result_ms ? lease->begin_ms : worker->last_result_ms;
    uint64_t busy = has_idle_slot(worker) ? worker->n_leases : worker->slots;
    uint64_t sample = (core->now_ms - begin_ms) * busy * MEAN_UNIT;
    class->mean = class->mean == UINT64_MAX ? sample : (7 * class->mean + sample) / 8;
    worker->last_result_ms = core->now_ms;
}

static void result_accept(struct broker_core *core, uint32_t t,
                          const struct broker_event *event, bool raced)
{
    struct task *task = tasks_at(&core->tasks, t);
    if (task->state == TASK_PERSISTING && !MUTANT(RESULT_WHILE_PERSISTING))
        return; /* a repetition or a rival: it repeats until the task is done, then gets ACK */
    core_task_dequeue(core, t);
    core_state_set(core, task, TASK_PERSISTING);
    core_keep_check(core, task->class);
    task->persist_worker = event->worker;
    task->persist_attempt = event->attempt;
    task->persist_raced = raced;
    core_emit(core, (struct broker_action){.type = BROKER_ACTION_PERSIST,
                                           .worker = event->worker,
                                           .task = task->id,
                                           .attempt = event->attempt});
}

static void result_failed(struct broker_core *core, uint32_t t, uint32_t w,
                          const struct broker_event *event)
{
    emit_attempt(core, event->worker, tasks_at(&core->tasks, t), event->attempt, event->end);
    emit_ack(core, event->worker, &event->task, event->attempt);
    if (ends[event->end].elsewhere) {
        uint32_t kind = core->classes[tasks_at(&core->tasks, t)->class]->kind;
        core->workers[w].kinds &= ~(UINT32_C(1) << kind);
        core_worker_regroup(core, w);
        core_fill_avoided(core);
    }
    if (event->end == ATTEMPT_LOST)
        core->counts.attempts_lost++;
    task_retry(core, t, event->worker, event->end);
}

static int on_result(struct broker_core *core, const struct broker_event *event,
                     struct err *err)
{
    uint32_t w, t = tasks_find(&core->tasks, &event->task);
    int rc = core_worker_require(core, event->worker, &w, err);
    if (rc)
        return rc;
    if ((unsigned)event->end >= ATTEMPT_END_COUNT)
        return err_set(err, ERR_INVALID, "worker %u: no such end of an attempt: %d",
                       event->worker, (int)event->end);
    if (t != TASK_NONE && event->attempt > tasks_at(&core->tasks, t)->attempt)
        return err_set(err, ERR_INVALID, "worker %u: attempt %u was never handed out",
                       event->worker, event->attempt);

    core_worker_seen(core, w);
    if (event->end == ATTEMPT_OK)
        core_near_made(core, w, event);
    uint32_t l = t == TASK_NONE ? NONE : core_lease_find(core, t, w, event->attempt);
    bool raced = l != NONE && core->leases[l].raced;
    if (l != NONE) {
        if (event->end == ATTEMPT_OK)
            core_race_measure(core, l);
        class_measure(core, l);
        core_lease_end(core, l);
    } else {
        core->counts.late_results++;
    }
    if (MUTANT(LATE_RESULT_AGAIN) && t == TASK_NONE && event->end == ATTEMPT_OK)
        core_emit(core, (struct broker_action){.type = BROKER_ACTION_PERSIST,
                                               .worker = event->worker,
                                               .task = event->task,
                                               .attempt = event->attempt});
    if (t != TASK_NONE && event->end == ATTEMPT_OK)
        result_accept(core, t, event, raced);
    else if (l != NONE)
        result_failed(core, t, w, event);
    else
        emit_ack(core, event->worker, &event->task, event->attempt);
    core_worker_fill(core, w);
    return 0;
}

static int persisting_require(const struct broker_core *core, const struct hash *id,
                              uint32_t *ret_t, struct err *err)
{
    uint32_t t = tasks_find(&core->tasks, id);
    if (t == TASK_NONE || tasks_at(&core->tasks, t)->state != TASK_PERSISTING)
        return err_set(err, ERR_INVALID, "no result of this task was to be made durable");
    *ret_t = t;
    return 0;
}

static int on_result_durable(struct broker_core *core, const struct broker_event *event,
                             struct err *err)
{
    uint32_t t = TASK_NONE;
    int rc = persisting_require(core, &event->task, &t, err);
    if (rc)
        return rc;
    const struct task *task = tasks_at(&core->tasks, t);
    emit_ack(core, task->persist_worker, &task->id, task->persist_attempt);
    core_emit(core, (struct broker_action){.type = BROKER_ACTION_DONE,
                                           .task = task->id,
                                           .share = task->share,
                                           .shared = task->shared});
    core->counts.done++;
    core->counts.races_won += task->persist_raced;
    judge_workers(core, task);
    task_forget(core, t);
    return 0;
}

static int on_result_rejected(struct broker_core *core, const struct broker_event *event,
                              struct err *err)
{
    uint32_t t = TASK_NONE;
    int rc = persisting_require(core, &event->task, &t, err);
    if (rc)
        return rc;
    struct task *task = tasks_at(&core->tasks, t);
    emit_attempt(core, task->persist_worker, task, task->persist_attempt, ATTEMPT_BAD);
    emit_ack(core, task->persist_worker, &task->id, task->persist_attempt);
    core_state_set(core, task, TASK_LEASED);
    task_retry(core, t, task->persist_worker, ATTEMPT_BAD);
    return 0;
}

static const struct {
    const char *text;
    int (*step)(struct broker_core *core, const struct broker_event *event, struct err *err);
} events[] = {
    [BROKER_EVENT_TICK] = {"tick", on_tick},
    [BROKER_EVENT_TASK_ADD] = {"add", on_task_add},
    [BROKER_EVENT_TASK_CANCEL] = {"cancel", on_task_cancel},
    [BROKER_EVENT_TASK_HOLD] = {"hold", on_task_hold},
    [BROKER_EVENT_TASK_RELEASE] = {"release", on_task_release},
    [BROKER_EVENT_WORKER_READY] = {"ready", on_worker_ready},
    [BROKER_EVENT_WORKER_ALIVE] = {"alive", on_worker_alive},
    [BROKER_EVENT_WORKER_GONE] = {"gone", on_worker_gone},
    [BROKER_EVENT_WORKER_DRAIN] = {"drain", on_worker_drain},
    [BROKER_EVENT_RESULT] = {"result", on_result},
    [BROKER_EVENT_RESULT_DURABLE] = {"durable", on_result_durable},
    [BROKER_EVENT_RESULT_REJECTED] = {"rejected", on_result_rejected},
};

const char *broker_event_text(enum broker_event_type type)
{
    return (unsigned)type < BROKER_EVENT_COUNT ? events[type].text : "?";
}

int broker_core_step(struct broker_core *core, const struct broker_event *event,
                     struct broker_actions *ret_actions, struct err *err)
{
    ret_actions->n = 0;
    if ((unsigned)event->type >= BROKER_EVENT_COUNT)
        return err_set(err, ERR_INVALID, "no such event: %d", (int)event->type);
    if (event->now_ms > core->now_ms)
        core->now_ms = event->now_ms;
    core->out = ret_actions;
    return events[event->type].step(core, event, err);
}

/* ---- looking in ---- */

void broker_core_counts(const struct broker_core *core, struct broker_counts *ret)
{
    *ret = core->counts;
    ret->ready = core->states[TASK_READY];
    ret->waiting = core->states[TASK_WAITING];
    ret->held = core->states[TASK_HELD];
    ret->leased = core->states[TASK_LEASED];
    ret->persisting = core->states[TASK_PERSISTING];
    ret->workers = core->n_workers;
}

int broker_core_worker(const struct broker_core *core, uint32_t number,
                       struct broker_worker *ret, struct err *err)
{
    uint32_t w = core_worker_find(core, number);
    if (w == NONE)
        return err_set(err, ERR_NOT_FOUND, "worker %u is not known", number);
    const struct worker *worker = &core->workers[w];
    *ret = (struct broker_worker){.slots = worker->slots,
                                  .credit = worker->credit,
                                  .leases = worker->n_leases,
                                  .has = worker->has,
                                  .leased = core_worker_used(core, w, 0),
                                  .last_seen_ms = worker->last_seen_ms,
                                  .silent = worker->silent,
                                  .draining = worker->draining};
    return 0;
}

bool broker_core_unmet(const struct broker_core *core, uint32_t share, struct broker_unmet *ret)
{
    uint32_t q = core->shares[share].queues;
    for (; q != NONE; q = core->queues[q]->next) {
        const struct class *class = core->classes[core->queues[q]->class];
        uint32_t n_open = 0;
        if (!heap_top(&core->queues[q]->tasks))
            continue;
        for (uint32_t g = 0; g < core->n_groups; g++)
            n_open += core_fits(class, core->groups[g]) ? core->groups[g]->n_open : 0;
        uint32_t first = heap_top(&core->queues[q]->tasks)->item;
        *ret = (struct broker_unmet){tasks_at(&core->tasks, first)->id, class->kind,
                                     class->profile_id, class->needs};
        if (n_open == 0)
            return true;
    }
    return false;
}

int broker_core_task(const struct broker_core *core, const struct hash *id,
                     enum broker_task_state *ret, struct err *err)
{
    static const enum broker_task_state states[TASK_STATES] = {
        [TASK_READY] = BROKER_TASK_READY,
        [TASK_WAITING] = BROKER_TASK_WAITING,
        [TASK_HELD] = BROKER_TASK_HELD,
        [TASK_LEASED] = BROKER_TASK_LEASED,
        [TASK_PERSISTING] = BROKER_TASK_PERSISTING,
    };
    uint32_t t = tasks_find(&core->tasks, id);
    if (t == TASK_NONE)
        return err_set(err, ERR_NOT_FOUND, "the task is not in the queue");
    *ret = states[tasks_at(&core->tasks, t)->state];
    return 0;
}

uint64_t broker_core_deadline_ms(const struct broker_core *core)
{
    const struct heap *const timers[] = {&core->silences, &core->waiting, &core->repeats,
                                         &core->races};
    uint64_t deadline_ms = UINT64_MAX;
    for (int i = 0; i < 4; i++) {
        const struct heap_entry *top = heap_top(timers[i]);
        if (top && top->major < deadline_ms)
            deadline_ms = top->major;
    }
    return deadline_ms;
}
