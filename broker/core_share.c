/* Ready tasks, and whose turn it is: stride scheduling (Waldspurger & Weihl 1995) of slot time.
 * A share (a campaign) has a pass, which grows by the slot time that its attempts take, divided
 * by its weight; the share with the smallest pass is next. The time is guessed when an attempt
 * begins (the mean of its class) and made right when it ends. A share that had nothing ready
 * for a while saves nothing up: it begins where the others are. See core_state.h. */
#include "broker/core_state.h"

#include "common/mem.h"

#include <stdlib.h>

enum {
    GUESS_MS = 1000,    /* for a class without a result yet */
    BOOST_MAX = 8,      /* weights from 2^-8 to 2^8 */
    PASS_FRACTION = 10, /* bits below 1/MEAN_UNIT ms */
};

static uint32_t *queue_position(void *context, uint32_t queue)
{
    return &((struct broker_core *)context)->queues[queue]->position;
}

static uint32_t *task_position(void *context, uint32_t slot)
{
    return &tasks_at(&((struct broker_core *)context)->tasks, slot)->position;
}

void core_class_init(struct broker_core *core, struct class *class)
{
    heap_init(&class->active, queue_position, core);
}

void core_queues_free(struct broker_core *core)
{
    for (uint32_t q = 0; q < core->n_queues; q++) {
        heap_done(&core->queues[q]->tasks);
        free(core->queues[q]);
    }
    free(core->queues);
}

/* Of the share's tasks of the class; made when it is not there. Few: one per class that the
 * share has had. */
static uint32_t queue_of(struct broker_core *core, uint32_t share, uint32_t class)
{
    uint32_t q = core->shares[share].queues;
    while (q != NONE && core->queues[q]->class != class)
        q = core->queues[q]->next;
    if (q != NONE)
        return q;
    q = core->n_queues++;
    core->queues = mem_resize(core->queues, core->n_queues, sizeof *core->queues);
    struct queue *queue = core->queues[q] = mem_new(1, sizeof *queue);
    *queue = (struct queue){.share = share,
                            .class = class,
                            .next = core->shares[share].queues,
                            .position = HEAP_NOWHERE};
    heap_init(&queue->tasks, task_position, core);
    core->shares[share].queues = q;
    return q;
}

void core_ready_push(struct broker_core *core, uint32_t t)
{
    const struct task *task = tasks_at(&core->tasks, t);
    uint32_t q = queue_of(core, task->share, task->class);
    struct queue *queue = core->queues[q];
    struct share *share = &core->shares[task->share];
    if (share->n_ready++ == 0 && share->pass < core->pass)
        core_share_charge(core, task->share, core->pass - share->pass);
    /* Higher priority first, then order of arrival, which a returned task keeps. */
    heap_push(&queue->tasks, (uint64_t)((int64_t)INT32_MAX - task->priority), task->sequence,
              t);
    if (queue->position == HEAP_NOWHERE)
        heap_push(&core->classes[queue->class]->active, share->pass, task->share, q);
}

void core_ready_remove(struct broker_core *core, uint32_t t)
{
    const struct task *task = tasks_at(&core->tasks, t);
    uint32_t q = queue_of(core, task->share, task->class);
    struct queue *queue = core->queues[q];
    heap_remove(&queue->tasks, t);
    core->shares[task->share].n_ready--;
    if (!heap_top(&queue->tasks))
        heap_remove(&core->classes[queue->class]->active, q);
}

bool core_ready_before(const struct broker_core *core, const struct heap_entry *a,
                       const struct heap_entry *b)
{
    const struct queue *first = core->queues[a->item], *second = core->queues[b->item];
    if (first->share != second->share)
        return heap_before(a, b);
    return heap_before(heap_top(&first->tasks), heap_top(&second->tasks));
}

void core_share_charge(struct broker_core *core, uint32_t s, uint64_t amount)
{
    struct share *share = &core->shares[s];
    share->pass += amount; /* may be the negative of one that was added: numbers wrap */
    for (uint32_t q = share->queues; q != NONE; q = core->queues[q]->next) {
        struct queue *queue = core->queues[q];
        if (queue->position == HEAP_NOWHERE)
            continue;
        struct heap *active = &core->classes[queue->class]->active;
        heap_remove(active, q);
        heap_push(active, share->pass, s, q);
    }
}

void core_share_weigh(struct broker_core *core, uint32_t share, int32_t priority)
{
    core->shares[share].boost = priority > BOOST_MAX    ? BOOST_MAX
                                : priority < -BOOST_MAX ? -BOOST_MAX
                                                        : priority;
}

static uint64_t price(const struct share *share, uint64_t time)
{
    return time << (PASS_FRACTION - share->boost);
}

void core_share_begin(struct broker_core *core, struct lease *lease, bool at_once)
{
    const struct task *task = tasks_at(&core->tasks, lease->task);
    const struct class *class = core->classes[task->class];
    const struct share *share = &core->shares[task->share];
    core->pass = share->pass > core->pass ? share->pass : core->pass;
    lease->share = task->share;
    lease->at_once = at_once;
    lease->charged =
        price(share, class->mean == UINT64_MAX ? (uint64_t)GUESS_MS * MEAN_UNIT : class->mean);
    core_share_charge(core, lease->share, lease->charged);
}

void core_share_end(struct broker_core *core, const struct lease *lease)
{
    if (!lease->at_once) /* how long it waited in the worker is not known */
        return;
    uint64_t took =
        price(&core->shares[lease->share], (core->now_ms - lease->begin_ms) * MEAN_UNIT);
    core_share_charge(core, lease->share, took - lease->charged);
}
