/* Why does a task not run? Looking into the core's state: see core.h. Reasons that come from
 * what a worker is stand in broker_core_fit, one condition after the other. */
#include "broker/core_state.h"

void broker_core_fit(const struct broker_core *core, uint32_t kind, uint32_t profile_id,
                     const struct broker_needs *needs, struct broker_fit *ret)
{
    *ret = (struct broker_fit){.workers = core->n_workers};
    for (uint32_t g = 0; g < core->n_groups; g++) {
        const struct group *group = core->groups[g];
        if (!(group->kinds >> kind & 1))
            continue;
        ret->kind += group->n_workers;
        if (profile_id && group->profile_id != profile_id)
            continue;
        ret->profile += group->n_workers;
        if (needs->memory_bytes > group->has.memory_bytes || needs->gpus > group->has.gpus ||
            needs->tags & ~group->has.tags)
            continue;
        ret->able += group->n_workers;
        ret->open += group->n_open;
        ret->room = ret->room || group->loads;
    }
}

/* Of the same share and class. */
static uint32_t count_before(const struct broker_core *core, uint32_t t)
{
    const struct task *task = tasks_at(&core->tasks, t);
    uint32_t q = core->shares[task->share].queues;
    while (q != NONE && core->queues[q]->class != task->class)
        q = core->queues[q]->next;
    return q == NONE ? 0 : heap_count_before(&core->queues[q]->tasks, t, BROKER_WHY_BEFORE);
}

static void list_leases(const struct broker_core *core, const struct task *task,
                        struct broker_why *ret)
{
    for (uint32_t l = task->lease; l != NONE && ret->n_leases < BROKER_WHY_LEASES;
         l = core->leases[l].task_next) {
        const struct lease *lease = &core->leases[l];
        uint32_t i = ret->n_leases++;
        ret->leases[i].worker = core->workers[lease->worker].number;
        ret->leases[i].attempt = lease->attempt;
        ret->leases[i].begin_ms = lease->begin_ms;
    }
}

int broker_core_why(const struct broker_core *core, const struct hash *id,
                    struct broker_why *ret, struct err *err)
{
    enum broker_task_state state = BROKER_TASK_READY;
    int rc = broker_core_task(core, id, &state, err);
    if (rc)
        return rc;
    uint32_t t = tasks_find(&core->tasks, id);
    const struct task *task = tasks_at(&core->tasks, t);
    const struct class *class = core->classes[task->class];
    *ret = (struct broker_why){.state = state,
                               .share = task->share,
                               .attempt = task->attempt,
                               .priority = task->priority,
                               .crashes = task->crashes,
                               .avoid = class->avoid,
                               .ready = core->states[TASK_READY]};
    for (uint32_t i = 0; i < BROKER_CRASHES_MAX; i++)
        ret->crashed_on[i] = task->crashed_on[i];
    if (state == BROKER_TASK_WAITING)
        ret->ready_ms = heap_key(&core->waiting, t)->major;
    if (state == BROKER_TASK_READY)
        ret->before = count_before(core, t);
    list_leases(core, task, ret);
    broker_core_fit(core, class->kind, class->profile_id, &class->needs, &ret->fit);
    return 0;
}
