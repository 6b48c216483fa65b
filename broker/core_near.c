/* Where the large inputs of tasks are: a worker has what it was given and what it made, as far
 * as its last WORKER_BLOBS objects tell. It may have lost one of them, or have more in its
 * cache from before: then some bytes move that need not, and nothing else is wrong. See
 * core_state.h. */
#include "broker/core_state.h"

#include <assert.h>
#include <string.h>

enum {
    NEAR_TASKS = 16,    /* looked at for a worker */
    OVERTAKEN_MAX = 64, /* a task is passed over by so many that came after it, at most */
};

void core_near_describe(const struct broker_core *core, struct task *task,
                        const struct broker_event *event)
{
    static_assert((int)TASK_BLOBS == (int)BROKER_BLOBS_MAX,
                  "a task remembers what its event told");
    for (int i = 0; i < BROKER_BLOBS_MAX; i++) {
        const struct broker_blob *blob = &event->blobs[i];
        if (blob->size < core->limits.near_bytes || blob->size < 2)
            continue;
        task->blobs[i] = blob->key;
        task->blob_log2[i] = (uint8_t)(63 - __builtin_clzll(blob->size));
    }
}

/* To the front; the last one makes room. */
static void note(struct worker *worker, uint32_t key)
{
    uint32_t i = 0;
    while (i + 1 < WORKER_BLOBS && worker->blobs[i] != key)
        i++;
    memmove(worker->blobs + 1, worker->blobs, i * sizeof *worker->blobs);
    worker->blobs[0] = key;
}

void core_near_leased(struct broker_core *core, uint32_t t, uint32_t w)
{
    const struct task *task = tasks_at(&core->tasks, t);
    for (int i = 0; i < BROKER_BLOBS_MAX; i++)
        if (task->blob_log2[i])
            note(&core->workers[w], task->blobs[i]);
}

void core_near_made(struct broker_core *core, uint32_t w, const struct broker_event *event)
{
    for (int i = 0; i < BROKER_BLOBS_MAX; i++)
        if (event->blobs[i].size >= core->limits.near_bytes && event->blobs[i].size > 0)
            note(&core->workers[w], event->blobs[i].key);
}

static bool has_blob(const struct worker *worker, uint32_t key)
{
    for (int i = 0; i < WORKER_BLOBS; i++)
        if (worker->blobs[i] == key)
            return true;
    return false;
}

/* Bytes of the task's large inputs that the worker has, to a factor of 2. */
static uint64_t bytes_there(const struct task *task, const struct worker *worker)
{
    uint64_t bytes = 0;
    for (int i = 0; i < BROKER_BLOBS_MAX; i++)
        if (task->blob_log2[i] && has_blob(worker, task->blobs[i]))
            bytes += UINT64_C(1) << task->blob_log2[i];
    return bytes;
}

static bool has_blobs(const struct task *task)
{
    for (int i = 0; i < BROKER_BLOBS_MAX; i++)
        if (task->blob_log2[i])
            return true;
    return false;
}

static uint64_t nearness(const struct broker_core *core, uint32_t t, uint32_t w,
                         uint32_t except)
{
    (void)except;
    return bytes_there(tasks_at(&core->tasks, t), &core->workers[w]);
}

uint32_t core_near_worker(const struct broker_core *core, uint32_t t)
{
    return has_blobs(tasks_at(&core->tasks, t)) ? core_worker_best(core, t, NONE, nearness)
                                                : NONE;
}

uint32_t core_near_task(const struct broker_core *core, const struct heap *tasks, uint32_t w)
{
    const struct heap_entry *top = heap_top(tasks);
    uint32_t best = top->item;
    if (!has_blobs(tasks_at(&core->tasks, best)))
        return best; /* nor have the others: they are of one kind */
    uint64_t bytes_max = 0;
    for (uint32_t i = 0; i < NEAR_TASKS && i < tasks->n; i++) {
        const struct heap_entry *entry = heap_at(tasks, i);
        if (entry->major != top->major || entry->minor - top->minor > OVERTAKEN_MAX)
            continue;
        uint64_t bytes = bytes_there(tasks_at(&core->tasks, entry->item), &core->workers[w]);
        if (bytes > bytes_max) {
            bytes_max = bytes;
            best = entry->item;
        }
    }
    return best;
}
