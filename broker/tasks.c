/* Task slots and their index: see tasks.h. */
#include "broker/tasks.h"

#include "broker/heap.h"
#include "common/mem.h"

#include <assert.h>
#include <stdlib.h>

void tasks_init(struct tasks *tasks)
{
    *tasks = (struct tasks){.free = TASK_NONE};
}

void tasks_done(struct tasks *tasks)
{
    for (uint32_t i = 0; i * TASKS_PAGE < tasks->n_slots; i++)
        free(tasks->pages[i]);
    free(tasks->pages);
    *tasks = (struct tasks){.free = TASK_NONE};
}

struct task *tasks_at(const struct tasks *tasks, uint32_t slot)
{
    return &tasks->pages[slot / TASKS_PAGE][slot % TASKS_PAGE];
}

/* The largest power of two that is not above n > 0. */
static uint32_t power_below(uint32_t n)
{
    return 1u << (31 - __builtin_clz(n));
}

/* The bucket of `id` among `n` buckets: as many low bits as n has, one fewer for buckets that
 * are not split yet. */
static uint32_t bucket_of(const struct hash *id, uint32_t n)
{
    uint32_t half = power_below(n);
    uint32_t bucket = (uint32_t)hash_u64(id) & (2 * half - 1);
    return bucket < n ? bucket : bucket & (half - 1);
}

uint32_t tasks_find(const struct tasks *tasks, const struct hash *id)
{
    if (!tasks->n_slots)
        return TASK_NONE;
    uint32_t slot = tasks_at(tasks, bucket_of(id, tasks->n_slots))->bucket;
    while (slot != TASK_NONE && !hash_equal(&tasks_at(tasks, slot)->id, id))
        slot = tasks_at(tasks, slot)->next;
    return slot;
}

static void index_insert(struct tasks *tasks, uint32_t slot)
{
    struct task *task = tasks_at(tasks, slot);
    struct task *bucket = tasks_at(tasks, bucket_of(&task->id, tasks->n_slots));
    task->next = bucket->bucket;
    bucket->bucket = slot;
}

/* One more slot and bucket; the tasks of the bucket that it halves are dealt out again. */
static uint32_t slot_new(struct tasks *tasks)
{
    uint32_t slot = tasks->n_slots;
    if (slot % TASKS_PAGE == 0) {
        tasks->pages = mem_resize(tasks->pages, slot / TASKS_PAGE + 1, sizeof *tasks->pages);
        tasks->pages[slot / TASKS_PAGE] = mem_new(TASKS_PAGE, sizeof **tasks->pages);
    }
    tasks->n_slots++;
    tasks_at(tasks, slot)->bucket = TASK_NONE;
    if (slot == 0)
        return slot;

    struct task *halved = tasks_at(tasks, slot - power_below(slot));
    uint32_t moving = halved->bucket;
    halved->bucket = TASK_NONE;
    while (moving != TASK_NONE) {
        uint32_t next = tasks_at(tasks, moving)->next;
        index_insert(tasks, moving);
        moving = next;
    }
    return slot;
}

uint32_t tasks_add(struct tasks *tasks, const struct hash *id)
{
    uint32_t slot = tasks->free;
    if (slot != TASK_NONE)
        tasks->free = tasks_at(tasks, slot)->next;
    else
        slot = slot_new(tasks);

    struct task *task = tasks_at(tasks, slot);
    *task = (struct task){
        .id = *id, .bucket = task->bucket, .position = HEAP_NOWHERE, .lease = UINT32_MAX};
    index_insert(tasks, slot);
    tasks->n++;
    return slot;
}

void tasks_remove(struct tasks *tasks, uint32_t slot)
{
    struct task *task = tasks_at(tasks, slot);
    uint32_t *link = &tasks_at(tasks, bucket_of(&task->id, tasks->n_slots))->bucket;
    while (*link != slot) {
        assert(*link != TASK_NONE);
        link = &tasks_at(tasks, *link)->next;
    }
    *link = task->next;
    task->state = TASK_FREE;
    task->next = tasks->free;
    tasks->free = slot;
    tasks->n--;
}
