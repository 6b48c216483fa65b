/* The core's leases: attempts in the hands of workers. See core_state.h. */
#include "broker/core_state.h"

#include "common/mem.h"
#include "common/mutant.h"

static uint32_t lease_new(struct broker_core *core)
{
    uint32_t l = core->lease_free;
    if (l != NONE) {
        core->lease_free = core->leases[l].next;
        return l;
    }
    mem_reserve(core->leases, core->leases_capacity, core->leases_used + 1u);
    return core->leases_used++;
}

void core_lease_send(struct broker_core *core, uint32_t l, bool again)
{
    struct lease *lease = &core->leases[l];
    core_emit(core, (struct broker_action){.type = BROKER_ACTION_LEASE,
                                           .worker = core->workers[lease->worker].number,
                                           .task = tasks_at(&core->tasks, lease->task)->id,
                                           .attempt = lease->attempt,
                                           .lease_ms = core->limits.lease_ms,
                                           .needs = lease->needs,
                                           .again = again,
                                           .raced = lease->raced});
    uint32_t doublings =
        lease->sent < REPEAT_DOUBLINGS_MAX ? lease->sent : REPEAT_DOUBLINGS_MAX;
    lease->sent++;
    if (lease->position != HEAP_NOWHERE)
        heap_remove(&core->repeats, l);
    uint64_t pause_ms = MUTANT(LEASE_SENT_ONCE) ? UINT64_MAX >> 8 : core->limits.lease_ms;
    heap_push(&core->repeats, core->now_ms + (pause_ms << doublings), l, l);
}

void core_lease_begin(struct broker_core *core, uint32_t t, uint32_t w)
{
    struct task *task = tasks_at(&core->tasks, t);
    core_task_dequeue(core, t);
    core_state_set(core, task, TASK_LEASED);

    uint32_t l = lease_new(core);
    core->leases[l] = (struct lease){.begin_ms = core->now_ms,
                                     .task = t,
                                     .worker = w,
                                     .attempt = ++task->attempt,
                                     .task_next = task->lease,
                                     .prev = l,
                                     .next = l,
                                     .position = HEAP_NOWHERE,
                                     .race_position = HEAP_NOWHERE,
                                     .raced = task->lease != NONE,
                                     .needs = core->classes[task->class]->needs};
    task->lease = l;

    struct worker *worker = &core->workers[w];
    if (worker->leases == NONE) {
        worker->leases = l;
    } else {
        struct lease *oldest = &core->leases[worker->leases];
        core->leases[l].next = worker->leases;
        core->leases[l].prev = oldest->prev;
        core->leases[oldest->prev].next = l;
        oldest->prev = l;
    }
    core_share_begin(core, &core->leases[l], has_idle_slot(worker));
    worker->n_leases++;
    worker->used.memory_bytes += core->leases[l].needs.memory_bytes;
    worker->used.gpus += core->leases[l].needs.gpus;
    core->counts.leases++;
    core->leases[l].number = ++core->counts.leases_ever;
    core_worker_list(core, w);
    core_race_watch(core, l);
    core_near_leased(core, t, w);
    core_lease_send(core, l, false);
}

/* The lease is over; what becomes of its task and worker is the caller's business. */
void core_lease_end(struct broker_core *core, uint32_t l)
{
    struct lease *lease = &core->leases[l];
    struct task *task = tasks_at(&core->tasks, lease->task);
    struct worker *worker = &core->workers[lease->worker];

    core_share_end(core, lease);
    uint32_t *link = &task->lease;
    while (*link != l)
        link = &core->leases[*link].task_next;
    *link = lease->task_next;

    core->leases[lease->prev].next = lease->next;
    core->leases[lease->next].prev = lease->prev;
    if (worker->leases == l)
        worker->leases = lease->next == l ? NONE : lease->next;
    worker->n_leases--;
    if (!MUTANT(MEMORY_LEAKS))
        worker->used.memory_bytes -= lease->needs.memory_bytes;
    worker->used.gpus -= lease->needs.gpus;
    core->counts.leases--;
    heap_remove(&core->repeats, l);
    core_race_unwatch(core, l);
    core_worker_list(core, lease->worker);
    lease->next = core->lease_free;
    core->lease_free = l;
}

uint32_t core_lease_find(const struct broker_core *core, uint32_t t, uint32_t w,
                         uint32_t attempt)
{
    uint32_t l = tasks_at(&core->tasks, t)->lease;
    while (l != NONE && (core->leases[l].worker != w || core->leases[l].attempt != attempt))
        l = core->leases[l].task_next;
    return l;
}
