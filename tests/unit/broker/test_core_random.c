/* Do the broker core's invariants hold whatever happens? 10 000 random events per seed against
 * a model that only knows what was seen from outside. Usage: test_core_random [SEEDS [FROM]] */
#include "tests/support/cmocka.h"

#include "broker/core.h"
#include "broker/trace.h"
#include "common/mem.h"
#include "common/rng.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    EVENTS = 10000,
    TASKS = 2000,
    WORKERS = 24,
    KINDS = 3,
    PROFILES = 2,
    LEASES = WORKERS * BROKER_CREDIT_MAX,
    MEMORY = 8, /* of the largest worker; tasks need up to that */
    GPUS = 2,
    TAGS = 3, /* a set */
    OLD = 64, /* results a zombie may still send */
};

enum fate { UNBORN, OPEN, PERSISTING, DONE, FAILED, QUARANTINED, CANCELLED, FATES };

struct model_task {
    enum fate fate;
    uint32_t kind, profile_id, attempt, crashes, leases;
    uint32_t persist_worker, persist_attempt;
    uint32_t crashed_on; /* the last worker; 0: none */
    bool held, outgrown; /* outgrown: was once too much for a machine */
    struct broker_needs needs;
};

struct model_worker {
    uint32_t number; /* 0: not there */
    uint32_t kinds, profile_id, slots, credit, leases;
    struct broker_needs has;
    bool draining;
};

struct model_lease {
    uint32_t worker, task, attempt;
    struct broker_needs needs;
};

/* What happened over all seeds: a test in which nothing is ever quarantined proves little. */
static uint64_t fates_seen[FATES], late_seen, lost_seen, held_seen, drained_seen, sick_seen,
    raced_seen, won_seen;
static uint64_t beside_seen,
    full_seen; /* leases beside others, all with memory; no more is free */

struct world {
    struct broker_core *core;
    struct broker_actions actions;
    struct rng rng;
    uint64_t seed, now_ms;
    uint32_t next_number;
    struct model_task tasks[TASKS];
    uint32_t fates[FATES];
    struct model_worker workers[WORKERS];
    struct model_lease leases[LEASES];
    uint32_t n_leases;
    struct model_lease old[OLD];
    uint32_t n_old;
    struct buf story; /* the last events */
};

static void fail_with_story(struct world *world, const char *what, int line)
{
    size_t size = world->story.size, tail = size > 4000 ? 4000 : size;
    (void)fprintf(stderr, "...%.*sseed %llu, line %d: not so: %s\n", (int)tail,
                  (const char *)world->story.data + (size - tail),
                  (unsigned long long)world->seed, line, what);
    fail();
}

#define must(world, condition)                                                                 \
    do {                                                                                       \
        if (!(condition))                                                                      \
            fail_with_story(world, #condition, __LINE__);                                      \
    } while (0)

static struct hash task_id(uint32_t number)
{
    struct hash id = {{(uint8_t)(number * 37), (uint8_t)(number >> 3)}};
    memcpy(id.bytes + 2, &number, sizeof number);
    return id;
}

static struct model_task *task_of(struct world *world, const struct hash *id,
                                  uint32_t *ret_number)
{
    memcpy(ret_number, id->bytes + 2, sizeof *ret_number);
    must(world, *ret_number < TASKS);
    return &world->tasks[*ret_number];
}

static void fate_set(struct world *world, struct model_task *task, enum fate fate)
{
    world->fates[task->fate]--;
    world->fates[fate]++;
    task->fate = fate;
}

static struct model_worker *worker_of(struct world *world, uint32_t number)
{
    for (int i = 0; i < WORKERS; i++)
        if (world->workers[i].number == number && number)
            return &world->workers[i];
    return NULL;
}

static int lease_index(const struct world *world, uint32_t worker, uint32_t task,
                       uint32_t attempt)
{
    for (uint32_t i = 0; i < world->n_leases; i++)
        if (world->leases[i].worker == worker && world->leases[i].task == task &&
            world->leases[i].attempt == attempt)
            return (int)i;
    return -1;
}

static void lease_drop(struct world *world, int index)
{
    must(world, index >= 0);
    struct model_lease lease = world->leases[index];
    struct model_worker *worker = worker_of(world, lease.worker);
    world->leases[index] = world->leases[--world->n_leases];
    world->tasks[lease.task].leases--;
    if (worker)
        worker->leases--;
    world->old[world->n_old++ % OLD] = lease;
}

static bool runs(const struct model_worker *worker, const struct model_task *task)
{
    return (worker->kinds >> task->kind & 1) &&
           (task->profile_id == 0 || task->profile_id == worker->profile_id) &&
           task->needs.memory_bytes <= worker->has.memory_bytes &&
           task->needs.gpus <= worker->has.gpus && !(task->needs.tags & ~worker->has.tags);
}

/* What the worker's leases need together. */
static struct broker_needs used(const struct world *world, uint32_t number)
{
    struct broker_needs sum = {0};
    for (uint32_t i = 0; i < world->n_leases; i++)
        if (world->leases[i].worker == number) {
            sum.memory_bytes += world->leases[i].needs.memory_bytes;
            sum.gpus += world->leases[i].needs.gpus;
        }
    return sum;
}

static bool has_room(const struct world *world, const struct model_worker *worker,
                     const struct model_task *task)
{
    struct broker_needs sum = used(world, worker->number);
    return sum.memory_bytes + task->needs.memory_bytes <= worker->has.memory_bytes &&
           sum.gpus + task->needs.gpus <= worker->has.gpus;
}

/* Workers that get new tasks, without these two; with `task`, those that can run it. */
static uint32_t others(struct world *world, uint32_t number, uint32_t except,
                       const struct model_task *task)
{
    uint32_t n = 0;
    struct broker_worker seen;
    for (int i = 0; i < WORKERS; i++) {
        const struct model_worker *worker = &world->workers[i];
        n += worker->number && worker->number != number && worker->number != except &&
             !worker->draining &&
             broker_core_worker(world->core, worker->number, &seen, NULL) == 0 &&
             !seen.silent && (!task || runs(worker, task));
    }
    return n;
}

/* ---- what each action means to the outside ---- */

static void see_lease(struct world *world, const struct broker_event *cause,
                      const struct broker_action *action)
{
    uint32_t number;
    struct model_task *task = task_of(world, &action->task, &number);
    struct model_worker *worker = worker_of(world, action->worker);
    must(world, worker != NULL);
    if (action->again) {
        must(world, task->fate == OPEN || task->fate == PERSISTING);
        must(world, lease_index(world, action->worker, number, action->attempt) >= 0);
        return;
    }
    must(world, task->fate == OPEN && action->attempt == task->attempt + 1);
    uint32_t rival_of = 0;
    must(world, task->leases == action->raced);
    if (action->raced) { /* somebody else, with a slot for it */
        must(world, cause->type == BROKER_EVENT_TICK && worker->leases < worker->slots);
        for (uint32_t i = 0; i < world->n_leases; i++)
            rival_of = world->leases[i].task == number ? world->leases[i].worker : rival_of;
        must(world, rival_of && rival_of != action->worker);
        raced_seen++;
    }
    must(world,
         task->crashed_on != action->worker || !others(world, action->worker, rival_of, task));
    must(world, runs(worker, task));
    must(world, has_room(world, worker, task));
    must(world, action->needs.memory_bytes == task->needs.memory_bytes &&
                    action->needs.time_ms == task->needs.time_ms);
    struct broker_needs before = used(world, action->worker);
    beside_seen += before.memory_bytes && task->needs.memory_bytes;
    full_seen += before.memory_bytes &&
                 before.memory_bytes + task->needs.memory_bytes == worker->has.memory_bytes;
    must(world, worker->leases < worker->credit);
    must(world, !task->held && !worker->draining);
    must(world, world->n_leases < LEASES);
    task->attempt++;
    task->leases++;
    worker->leases++;
    world->leases[world->n_leases++] =
        (struct model_lease){action->worker, number, action->attempt, task->needs};
}

static void see_ack(struct world *world, const struct broker_event *cause,
                    const struct broker_action *action)
{
    uint32_t number;
    const struct model_task *task = task_of(world, &action->task, &number);
    bool durable = cause->type == BROKER_EVENT_RESULT_DURABLE && task->fate == PERSISTING &&
                   action->worker == task->persist_worker &&
                   action->attempt == task->persist_attempt;
    bool rejected = cause->type == BROKER_EVENT_RESULT_REJECTED;
    bool failure = cause->type == BROKER_EVENT_RESULT && cause->end != ATTEMPT_OK;
    bool unwanted =
        cause->type == BROKER_EVENT_RESULT && task->fate != OPEN && task->fate != PERSISTING;
    must(world, durable || rejected || failure || unwanted);
}

static void see_attempt(struct world *world, const struct broker_event *cause,
                        const struct broker_action *action)
{
    uint32_t number;
    struct model_task *task = task_of(world, &action->task, &number);
    if (action->end == ATTEMPT_CRASH || action->end == ATTEMPT_TIME ||
        action->end == ATTEMPT_BAD || action->end == ATTEMPT_MEMORY) {
        task->crashes++;
        task->outgrown = task->outgrown || action->end == ATTEMPT_MEMORY;
        task->crashed_on = action->worker;
    }
    if (cause->type == BROKER_EVENT_RESULT_REJECTED)
        fate_set(world, task, OPEN);
    else
        lease_drop(world, lease_index(world, action->worker, number, action->attempt));
}

static void see_end(struct world *world, const struct broker_action *action)
{
    static const enum fate ends[BROKER_ACTION_COUNT] = {[BROKER_ACTION_DONE] = DONE,
                                                        [BROKER_ACTION_FAILED] = FAILED,
                                                        [BROKER_ACTION_QUARANTINE] =
                                                            QUARANTINED};
    uint32_t number;
    struct model_task *task = task_of(world, &action->task, &number);
    must(world, task->fate == (action->type == BROKER_ACTION_DONE ? PERSISTING : OPEN));
    must(world,
         action->type != BROKER_ACTION_QUARANTINE || task->crashes >= BROKER_CRASHES_MAX);
    fate_set(world, task, ends[action->type]);
}

static void see(struct world *world, const struct broker_event *cause,
                const struct broker_action *action)
{
    uint32_t number;
    struct model_task *task = task_of(world, &action->task, &number);
    switch (action->type) {
    case BROKER_ACTION_LEASE:
        see_lease(world, cause, action);
        return;
    case BROKER_ACTION_PERSIST:
        must(world, task->fate == OPEN && cause->type == BROKER_EVENT_RESULT);
        fate_set(world, task, PERSISTING);
        task->persist_worker = action->worker;
        task->persist_attempt = action->attempt;
        return;
    case BROKER_ACTION_ACK:
        see_ack(world, cause, action);
        return;
    case BROKER_ACTION_ATTEMPT:
        see_attempt(world, cause, action);
        return;
    case BROKER_ACTION_DONE:
    case BROKER_ACTION_FAILED:
    case BROKER_ACTION_QUARANTINE:
        see_end(world, action);
        return;
    case BROKER_ACTION_REVOKE:
        lease_drop(world, lease_index(world, action->worker, number, action->attempt));
        must(world, task->fate != OPEN);
        return;
    case BROKER_ACTION_DRAIN:
        must(world, worker_of(world, action->worker) != NULL);
        if (!worker_of(world, action->worker)->draining) {
            must(world, cause->type == BROKER_EVENT_RESULT_DURABLE);
            must(world, action->proofs * BROKER_PROOF >= BROKER_GUILT_MAX);
            must(world, others(world, action->worker, 0, NULL) > 0);
            worker_of(world, action->worker)->draining = true;
            sick_seen++;
        }
        return;
    case BROKER_ACTION_COUNT:
        break;
    }
    must(world, action->type < BROKER_ACTION_COUNT);
}

static bool is_waiting(const struct model_task *task)
{
    return task->fate == OPEN && !task->leases && !task->held;
}

/* Does any task wait that would fit the worker if less ran there? It may keep room for it. */
static bool may_keep_room(const struct world *world, const struct model_worker *worker)
{
    for (int t = 0; t < TASKS; t++)
        if (is_waiting(&world->tasks[t]) && runs(worker, &world->tasks[t]) &&
            !has_room(world, worker, &world->tasks[t]))
            return true;
    return false;
}

/* A worker with an idle slot and a ready task that fits it must not both wait. */
static void check_nobody_idles(struct world *world)
{
    struct broker_worker seen;
    for (int w = 0; w < WORKERS; w++) {
        const struct model_worker *worker = &world->workers[w];
        if (!worker->number ||
            broker_core_worker(world->core, worker->number, &seen, NULL) != 0 || seen.silent ||
            worker->draining || worker->leases >= worker->slots || may_keep_room(world, worker))
            continue;
        for (int t = 0; t < TASKS; t++) {
            const struct model_task *task = &world->tasks[t];
            must(world, !is_waiting(task) || !runs(worker, task) || task->outgrown ||
                            task->crashed_on == worker->number);
        }
    }
}

/* Counts must be what the outside saw. */
static void check(struct world *world)
{
    struct broker_counts counts;
    broker_core_counts(world->core, &counts);
    uint32_t leased = 0, there = 0;
    for (int i = 0; i < WORKERS; i++)
        there += world->workers[i].number != 0;
    for (int i = 0; i < TASKS; i++)
        leased += world->tasks[i].fate == OPEN && world->tasks[i].leases;
    must(world, counts.leased == leased);
    must(world, counts.persisting == world->fates[PERSISTING]);
    must(world,
         counts.ready + counts.waiting + counts.held + counts.leased == world->fates[OPEN]);
    uint32_t held = 0;
    for (int i = 0; i < TASKS; i++)
        held += world->tasks[i].fate == OPEN && world->tasks[i].held && !world->tasks[i].leases;
    must(world, counts.held == held);
    must(world, counts.done == world->fates[DONE]);
    must(world, counts.failed == world->fates[FAILED]);
    must(world, counts.quarantined == world->fates[QUARANTINED]);
    must(world, counts.leases == world->n_leases);
    must(world, counts.workers == there);
    if (counts.waiting == 0)
        check_nobody_idles(world);
}

static void workers_sync(struct world *world)
{
    struct broker_worker seen;
    for (int i = 0; i < WORKERS; i++) {
        struct model_worker *worker = &world->workers[i];
        if (worker->number &&
            broker_core_worker(world->core, worker->number, &seen, NULL) != 0) {
            must(world, worker->leases == 0); /* returned before it was forgotten */
            worker->number = 0;
        } else if (worker->number) {
            must(world, seen.leases == worker->leases);
            struct broker_needs sum = used(world, worker->number);
            must(world,
                 seen.leased.memory_bytes == sum.memory_bytes && seen.leased.gpus == sum.gpus);
        }
    }
}

static int tell(struct world *world, struct broker_event event)
{
    event.now_ms = world->now_ms;
    int rc = broker_core_step(world->core, &event, &world->actions, NULL);
    if (world->story.size > 1 << 20)
        world->story.size = 0;
    broker_trace(&event, &world->actions, &world->story);
    must(world, rc == 0 || world->actions.n == 0);
    if (rc)
        return rc;
    uint32_t number;
    if (event.type == BROKER_EVENT_RESULT) {
        (void)task_of(world, &event.task, &number);
        /* A lease ends by its result, whatever follows; failures say so with an action. */
        int lease = lease_index(world, event.worker, number, event.attempt);
        if (lease >= 0 && event.end == ATTEMPT_OK)
            lease_drop(world, lease);
        struct model_worker *worker = worker_of(world, event.worker);
        if (lease >= 0 && event.end == ATTEMPT_REFUSED)
            worker->kinds &= ~(1u << world->tasks[number].kind);
    }
    if (event.type == BROKER_EVENT_TASK_CANCEL) {
        struct model_task *task = task_of(world, &event.task, &number);
        if (task->fate == OPEN)
            fate_set(world, task, CANCELLED);
    }
    for (size_t i = 0; i < world->actions.n; i++)
        see(world, &event, &world->actions.items[i]);
    workers_sync(world);
    return rc;
}

/* ---- what may happen ---- */

static uint32_t below(struct world *world, uint32_t n)
{
    return rng_below(&world->rng, n);
}

static struct broker_blob some_blob(struct world *world)
{
    return (struct broker_blob){.size = below(world, 500), .key = 1 + below(world, 100)};
}

static struct broker_needs random_needs(struct world *world)
{
    if (below(world, 2))
        return (struct broker_needs){0};
    return (struct broker_needs){.memory_bytes = below(world, 8) ? below(world, MEMORY / 2)
                                                                 : 1 + below(world, MEMORY),
                                 .time_ms = below(world, 2) * 1000,
                                 .gpus = below(world, 4) ? 0 : 1 + below(world, GPUS),
                                 .tags = below(world, 4) ? 0 : below(world, TAGS + 1)};
}

static void do_add(struct world *world)
{
    uint32_t number = below(world, TASKS);
    struct model_task *task = &world->tasks[number];
    if (task->fate != UNBORN && task->fate != OPEN)
        return;
    bool held = below(world, 20) == 0;
    if (task->fate == UNBORN) {
        task->held = held;
        task->kind = below(world, KINDS);
        task->profile_id = below(world, PROFILES + 1);
        task->needs = random_needs(world);
        fate_set(world, task, OPEN);
    } else if (below(world, 8) == 0) {
        task->needs = random_needs(world);
    }
    task->held = task->held && held;
    must(world, tell(world, (struct broker_event){.type = BROKER_EVENT_TASK_ADD,
                                                  .held = held,
                                                  .blobs = {some_blob(world), some_blob(world)},
                                                  .share = below(world, 5),
                                                  .task = task_id(number),
                                                  .kind = task->kind,
                                                  .profile_id = task->profile_id,
                                                  .needs = task->needs,
                                                  .priority = (int)below(world, 3) - 1}) == 0);
}

static void do_ready(struct world *world)
{
    struct model_worker *worker = &world->workers[below(world, WORKERS)];
    if (!worker->number)
        *worker = (struct model_worker){.number = world->next_number++};
    worker->kinds = 1 + below(world, (1 << KINDS) - 1);
    worker->profile_id = 1 + below(world, PROFILES);
    worker->slots = 1 + below(world, 4);
    uint32_t credit = worker->slots + below(world, 5);
    worker->credit = credit;
    worker->has = (struct broker_needs){.memory_bytes = below(world, MEMORY + 1),
                                        .gpus = below(world, GPUS + 1),
                                        .tags = below(world, TAGS + 1)};
    must(world, tell(world, (struct broker_event){.type = BROKER_EVENT_WORKER_READY,
                                                  .worker = worker->number,
                                                  .kinds = worker->kinds,
                                                  .profile_id = worker->profile_id,
                                                  .needs = worker->has,
                                                  .slots = worker->slots,
                                                  .credit = worker->credit}) == 0);
}

static void do_hold(struct world *world, bool hold)
{
    uint32_t number = below(world, TASKS);
    for (int i = 0;
         i < TASKS && (world->tasks[number].fate != OPEN || world->tasks[number].held == hold);
         i++)
        number = (number + 1) % TASKS;
    if (world->tasks[number].fate != OPEN)
        return;
    world->tasks[number].held = hold;
    held_seen += hold;
    must(world, tell(world, (struct broker_event){.type = hold ? BROKER_EVENT_TASK_HOLD
                                                               : BROKER_EVENT_TASK_RELEASE,
                                                  .task = task_id(number)}) == 0);
}

static void do_drain(struct world *world)
{
    struct model_worker *worker = &world->workers[below(world, WORKERS)];
    if (!worker->number)
        return;
    worker->draining = true;
    drained_seen++;
    must(world, tell(world, (struct broker_event){.type = BROKER_EVENT_WORKER_DRAIN,
                                                  .worker = worker->number}) == 0);
}

static void do_worker(struct world *world, enum broker_event_type type)
{
    const struct model_worker *worker = &world->workers[below(world, WORKERS)];
    if (worker->number)
        must(world,
             tell(world, (struct broker_event){.type = type, .worker = worker->number}) == 0);
}

static enum attempt_end random_end(struct world *world)
{
    return below(world, 4) ? ATTEMPT_OK : (enum attempt_end)below(world, ATTEMPT_END_COUNT);
}

static void do_result(struct world *world, struct model_lease lease, enum attempt_end end)
{
    if (worker_of(world, lease.worker))
        must(world, tell(world, (struct broker_event){.type = BROKER_EVENT_RESULT,
                                                      .worker = lease.worker,
                                                      .task = task_id(lease.task),
                                                      .attempt = lease.attempt,
                                                      .blobs = {some_blob(world)},
                                                      .end = end}) == 0);
}

static void do_old_result(struct world *world)
{
    if (!world->n_old)
        return;
    uint32_t n = world->n_old < OLD ? world->n_old : OLD;
    struct model_lease lease = world->old[below(world, n)];
    if (below(world, 4) == 0)
        lease.attempt = 0;
    do_result(world, lease, random_end(world));
}

static void do_persisted(struct world *world, bool may_reject)
{
    uint32_t first = below(world, TASKS);
    for (uint32_t i = 0; i < TASKS && world->fates[PERSISTING]; i++) {
        uint32_t number = (first + i) % TASKS;
        if (world->tasks[number].fate != PERSISTING)
            continue;
        bool reject = may_reject && below(world, 8) == 0;
        must(world,
             tell(world, (struct broker_event){.type = reject ? BROKER_EVENT_RESULT_REJECTED
                                                              : BROKER_EVENT_RESULT_DURABLE,
                                               .task = task_id(number)}) == 0);
        return;
    }
}

static void do_nonsense(struct world *world)
{
    struct broker_event event = {.type = (enum broker_event_type)below(world, 15),
                                 .worker = 1000000,
                                 .task = task_id(below(world, TASKS)),
                                 .attempt = 999999,
                                 .kind = 77};
    if (event.type != BROKER_EVENT_TICK && event.type != BROKER_EVENT_TASK_CANCEL &&
        event.type != BROKER_EVENT_TASK_HOLD && event.type != BROKER_EVENT_TASK_RELEASE &&
        event.type != BROKER_EVENT_RESULT_DURABLE && event.type != BROKER_EVENT_RESULT_REJECTED)
        must(world, tell(world, event) != 0);
}

static void do_cancel(struct world *world)
{
    uint32_t number = below(world, TASKS);
    for (int i = 0; i < TASKS && world->tasks[number].fate != OPEN; i++)
        number = (number + 1) % TASKS;
    must(world, tell(world, (struct broker_event){.type = BROKER_EVENT_TASK_CANCEL,
                                                  .task = task_id(number)}) == 0);
}

static void do_anything(struct world *world)
{
    uint32_t dice = below(world, 100);
    if (dice < 25)
        do_add(world);
    else if (dice < 55) {
        if (world->n_leases)
            do_result(world, world->leases[below(world, world->n_leases)], random_end(world));
    } else if (dice < 75)
        do_persisted(world, true);
    else if (dice < 79)
        do_old_result(world);
    else if (dice < 84)
        do_ready(world);
    else if (dice < 85)
        do_hold(world, true);
    else if (dice < 86)
        do_hold(world, false);
    else if (dice < 87 && below(world, 4) == 0)
        do_drain(world);
    else if (dice < 93)
        do_worker(world, BROKER_EVENT_WORKER_ALIVE);
    else if (dice < 94)
        do_worker(world, BROKER_EVENT_WORKER_GONE);
    else if (dice < 95)
        do_cancel(world);
    else if (dice < 96)
        do_nonsense(world);
    else {
        world->now_ms += below(world, 1500);
        must(world, tell(world, (struct broker_event){.type = BROKER_EVENT_TICK}) == 0);
    }
}

/* Faults stop, one good worker per profile answers: everything must end, in bounded steps. */
static void finish(struct world *world)
{
    for (int i = 0; i < WORKERS; i++)
        if (world->workers[i].number)
            must(world,
                 tell(world, (struct broker_event){.type = BROKER_EVENT_WORKER_GONE,
                                                   .worker = world->workers[i].number}) == 0);
    for (uint32_t p = 0; p < PROFILES; p++) {
        world->workers[p] = (struct model_worker){.number = world->next_number++,
                                                  .kinds = 0xff,
                                                  .profile_id = p + 1,
                                                  .has = {MEMORY, TAGS, 0, GPUS},
                                                  .slots = 2,
                                                  .credit = 8};
        must(world, tell(world, (struct broker_event){.type = BROKER_EVENT_WORKER_READY,
                                                      .worker = world->workers[p].number,
                                                      .kinds = 0xff,
                                                      .profile_id = p + 1,
                                                      .needs = world->workers[p].has,
                                                      .slots = 2,
                                                      .credit = 8}) == 0);
    }
    for (int i = 0; i < TASKS; i++)
        if (world->tasks[i].fate == OPEN && world->tasks[i].held) {
            world->tasks[i].held = false;
            must(world, tell(world, (struct broker_event){.type = BROKER_EVENT_TASK_RELEASE,
                                                          .task = task_id((uint32_t)i)}) == 0);
        }
    uint32_t open = world->fates[OPEN] + world->fates[PERSISTING], steps = 0;
    while (world->fates[OPEN] + world->fates[PERSISTING]) {
        must(world, steps++ < 10 * open + 1000);
        if (world->n_leases)
            do_result(world, world->leases[0], ATTEMPT_OK);
        do_persisted(world, false);
        world->now_ms += 10;
        must(world, tell(world, (struct broker_event){.type = BROKER_EVENT_TICK}) == 0);
        for (uint32_t p = 0; p < PROFILES; p++)
            must(world,
                 tell(world, (struct broker_event){.type = BROKER_EVENT_WORKER_ALIVE,
                                                   .worker = world->workers[p].number}) == 0);
    }
    struct broker_counts counts;
    broker_core_counts(world->core, &counts);
    must(world,
         counts.ready + counts.waiting + counts.held + counts.leased + counts.persisting == 0);
}

static void count_what_happened(const struct world *world)
{
    struct broker_counts counts;
    broker_core_counts(world->core, &counts);
    for (int i = 0; i < FATES; i++)
        fates_seen[i] += world->fates[i];
    late_seen += counts.late_results;
    lost_seen += counts.attempts_lost;
    won_seen += counts.races_won;
}

static void run_seed(uint64_t seed)
{
    const struct broker_limits limits = {.lease_ms = 3000,
                                         .worker_ms = 9000,
                                         .backoff_ms = 100,
                                         .race_ms = 50,
                                         .near_bytes = 100};
    struct world *world = mem_new(1, sizeof *world);
    world->core = broker_core_new(&limits);
    world->rng = rng_stream(seed, 0, 0, 0);
    world->seed = seed;
    world->next_number = 1;
    world->fates[UNBORN] = TASKS;
    for (int i = 0; i < EVENTS; i++) {
        do_anything(world);
        if (i % 50 == 0)
            check(world);
    }
    check(world);
    finish(world);
    check(world);
    count_what_happened(world);
    broker_actions_done(&world->actions);
    broker_core_free(world->core);
    buf_done(&world->story);
    free(world);
}

static uint64_t seeds = 200, seed_first = 1;

static void test_broker_core__invariants_hold_for_random_events(void **state)
{
    (void)state;
    for (uint64_t seed = seed_first; seed < seed_first + seeds; seed++)
        run_seed(seed);
    assert_true(fates_seen[DONE] > 1000 * seeds && fates_seen[OPEN] == 0);
    assert_true(fates_seen[FAILED] > 10 * seeds && fates_seen[QUARANTINED] > 3 * seeds);
    assert_true(fates_seen[CANCELLED] > 3 * seeds);
    assert_true(held_seen > 50 * seeds && drained_seen > 5 * seeds);
    assert_true(sick_seen > seeds);
    assert_true(raced_seen > seeds && won_seen > seeds / 2);
    assert_true(beside_seen > 30 * seeds && full_seen > 10 * seeds);
    assert_true(late_seen > 100 * seeds && lost_seen > 100 * seeds);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        seeds = strtoull(argv[1], NULL, 10);
    if (argc > 2)
        seed_first = strtoull(argv[2], NULL, 10);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_broker_core__invariants_hold_for_random_events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
