/* Where the large inputs of tasks are: a worker has what it was given and what it made, as far
 * as its last WORKER_BLOBS objects tell. It may have lost one of them, or have more in its
 * cache from before: then some bytes move that need not, and nothing else is wrong. See
 * core_state.h.
 */
#include "broker/core_state.h"

#include <string.h>

enum {
    NEAR_WORKERS = 64,  /* looked at for a task */
    NEAR_TASKS = 16,    /* looked at for a worker */
    OVERTAKEN_MAX = 64, /* a task is passed over by so many that came after it, at most */
};

void core_near_describe(const struct broker_core *core, struct task *task,
                        const struct broker_event *event)
{
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

uint32_t core_near_worker(const struct broker_core *core, uint32_t t)
{
    const struct task *task = tasks_at(&core->tasks, t);
    const struct class *class = core->classes[task->class];
    uint32_t best = NONE;
    uint64_t bytes_max = 0;
    int left = has_blobs(task) ? NEAR_WORKERS : 0;
    for (uint32_t g = 0; g < core->n_groups && left > 0; g++) {
        const struct group *group = core->groups[g];
        uint64_t loads = core_fits(class, group) ? group->loads : 0;
        for (; loads && __builtin_ctzll(loads) < LOAD_FULL_SLOTS; loads &= loads - 1) {
            uint32_t first = group->rings[__builtin_ctzll(loads)], w = first;
            do {
                uint64_t bytes = bytes_there(task, &core->workers[w]);
                if (bytes > bytes_max && !core_is_avoided(core, class, w, NONE)) {
                    bytes_max = bytes;
                    best = w;
                }
                w = core->workers[w].next;
            } while (--left > 0 && w != first);
        }
    }
    return best;
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
