/* The core's table of workers: looked up by the shell's number, in rings by load for those with
 * room, watched for silence. See core_state.h. */
#include "broker/core_state.h"

#include "common/mem.h"
#include "common/mutant.h"

#include <assert.h>
#include <string.h>

/* ---- rings of workers with room ---- */

void core_worker_unlist(struct broker_core *core, uint32_t w)
{
    struct worker *worker = &core->workers[w];
    if (worker->load == NONE)
        return;
    struct group *group = core->groups[worker->group];
    uint32_t *ring = &group->rings[worker->load];
    core->workers[worker->prev].next = worker->next;
    core->workers[worker->next].prev = worker->prev;
    if (worker->next == w) {
        *ring = NONE;
        group->loads &= ~(UINT64_C(1) << worker->load);
    } else if (*ring == w) {
        *ring = worker->next;
    }
    worker->load = NONE;
}

/* Count it in its group, or count it no more. */
static void tally(struct broker_core *core, uint32_t w)
{
    struct worker *worker = &core->workers[w];
    bool open = !worker->silent && !worker->draining;
    if (open && !worker->open)
        core->groups[worker->group]->n_open++;
    if (!open && worker->open)
        core->groups[worker->group]->n_open--;
    worker->open = open;
}

/* Into the ring of its load, at the end; into none when it can take nothing. */
void core_worker_list(struct broker_core *core, uint32_t w)
{
    core_worker_unlist(core, w);
    tally(core, w);
    struct worker *worker = &core->workers[w];
    if (worker->silent || worker->draining || worker->n_leases >= worker->credit)
        return;
    uint32_t load = worker->n_leases * LOAD_FULL_SLOTS / worker->slots;
    worker->load = load < LOADS ? load : LOADS - 1;

    struct group *group = core->groups[worker->group];
    uint32_t *ring = &group->rings[worker->load];
    if (*ring == NONE) {
        *ring = worker->prev = worker->next = w;
        group->loads |= UINT64_C(1) << worker->load;
        return;
    }
    struct worker *first = &core->workers[*ring];
    worker->next = *ring;
    worker->prev = first->prev;
    core->workers[first->prev].next = w;
    first->prev = w;
}

static bool has_equal(const struct broker_needs *a, const struct broker_needs *b)
{
    return a->memory_bytes == b->memory_bytes && a->tags == b->tags && a->gpus == b->gpus;
}

static uint32_t group_find(struct broker_core *core, const struct worker *worker)
{
    uint32_t g = NONE;
    for (uint32_t i = 0; i < core->n_groups; i++) {
        const struct group *group = core->groups[i];
        if (group->n_workers && group->kinds == worker->kinds &&
            group->profile_id == worker->profile_id && has_equal(&group->has, &worker->has))
            return i;
        if (!group->n_workers && g == NONE)
            g = i;
    }
    if (g == NONE) {
        g = core->n_groups++;
        core->groups = mem_resize(core->groups, core->n_groups, sizeof *core->groups);
        core->groups[g] = mem_new(1, sizeof **core->groups);
    }
    *core->groups[g] = (struct group){
        .kinds = worker->kinds, .profile_id = worker->profile_id, .has = worker->has};
    memset(core->groups[g]->rings, 0xff, sizeof core->groups[g]->rings);
    return g;
}

void core_worker_regroup(struct broker_core *core, uint32_t w)
{
    struct worker *worker = &core->workers[w];
    core_worker_unlist(core, w);
    core_worker_keep_end(core, w);
    if (worker->group != NONE) {
        core->groups[worker->group]->n_workers--;
        core->groups[worker->group]->n_open -= worker->open;
        worker->open = false;
    }
    worker->group = group_find(core, worker);
    core->groups[worker->group]->n_workers++;
    core_worker_list(core, w);
}

/* ---- numbers ---- */

uint32_t core_worker_find(const struct broker_core *core, uint32_t number)
{
    uint32_t w = core->by_number[number % BROKER_WORKERS_MAX];
    while (w != NONE && core->workers[w].number != number)
        w = core->workers[w].chain;
    return w;
}

int core_worker_require(const struct broker_core *core, uint32_t number, uint32_t *ret_w,
                        struct err *err)
{
    *ret_w = core_worker_find(core, number);
    if (*ret_w == NONE)
        return err_set(err, ERR_INVALID, "worker %u is not known", number);
    return 0;
}

uint32_t core_worker_new(struct broker_core *core, uint32_t number)
{
    uint32_t w = core->worker_free;
    if (w != NONE)
        core->worker_free = core->workers[w].chain;
    else
        w = core->workers_used++;
    uint32_t *place = &core->by_number[number % BROKER_WORKERS_MAX];
    core->workers[w] = (struct worker){.number = number,
                                       .chain = *place,
                                       .leases = NONE,
                                       .group = NONE,
                                       .load = NONE,
                                       .kept = NONE,
                                       .position = HEAP_NOWHERE,
                                       .last_seen_ms = core->now_ms};
    *place = w;
    core->n_workers++;
    core->counts.workers_ever++;
    core_worker_watch(core, w);
    return w;
}

void core_worker_free(struct broker_core *core, uint32_t w)
{
    struct worker *worker = &core->workers[w];
    assert(worker->n_leases == 0);
    core_worker_silence(core, w);
    core->groups[worker->group]->n_workers--;
    if (worker->position != HEAP_NOWHERE)
        heap_remove(&core->silences, w);

    uint32_t *link = &core->by_number[worker->number % BROKER_WORKERS_MAX];
    while (*link != w)
        link = &core->workers[*link].chain;
    *link = worker->chain;
    worker->chain = core->worker_free;
    core->worker_free = w;
    core->n_workers--;
}

/* ---- room ---- */

void core_worker_keep(struct broker_core *core, uint32_t w, uint32_t class)
{
    core->workers[w].kept = class;
    core->workers[w].kept_since = core->counts.leases_ever;
    core->classes[class]->keeper = w;
}

void core_worker_keep_end(struct broker_core *core, uint32_t w)
{
    struct worker *worker = &core->workers[w];
    if (worker->kept != NONE)
        core->classes[worker->kept]->keeper = NONE;
    worker->kept = NONE;
}

struct broker_needs core_worker_used(const struct broker_core *core, uint32_t w, uint64_t since)
{
    const struct worker *worker = &core->workers[w];
    struct broker_needs used = {0};
    uint32_t l = worker->leases;
    for (uint32_t i = 0; i < worker->n_leases; i++, l = core->leases[l].next) {
        if (core->leases[l].number <= since)
            continue;
        used.memory_bytes += core->leases[l].needs.memory_bytes;
        used.gpus += core->leases[l].needs.gpus;
    }
    return used;
}

/* ---- silence ---- */

void core_worker_silence(struct broker_core *core, uint32_t w)
{
    core->workers[w].silent = true;
    core_worker_unlist(core, w);
    core_worker_keep_end(core, w);
    tally(core, w);
}

void core_worker_drain(struct broker_core *core, uint32_t w)
{
    core->workers[w].draining = true;
    core_worker_unlist(core, w);
    core_worker_keep_end(core, w);
    tally(core, w);
}

uint32_t core_workers_open(const struct broker_core *core)
{
    uint32_t n = 0;
    for (uint32_t g = 0; g < core->n_groups; g++)
        n += core->groups[g]->n_open;
    return n;
}

/* When to look again whether it is silent. Heartbeats only move last_seen_ms; the timer that
 * fires too early is set again. */
void core_worker_watch(struct broker_core *core, uint32_t w)
{
    struct worker *worker = &core->workers[w];
    if (worker->position != HEAP_NOWHERE)
        heap_remove(&core->silences, w);
    uint64_t silence_ms = core->limits.worker_ms;
    if (!worker->silent && core->limits.lease_ms < silence_ms)
        silence_ms = core->limits.lease_ms;
    heap_push(&core->silences, worker->last_seen_ms + silence_ms, w, w);
}

void core_worker_seen(struct broker_core *core, uint32_t w)
{
    struct worker *worker = &core->workers[w];
    worker->last_seen_ms = core->now_ms;
    if (!worker->silent || MUTANT(SILENT_FOR_EVER))
        return;
    worker->silent = false;
    core_worker_watch(core, w);
    core_worker_list(core, w);
}
