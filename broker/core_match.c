/* Which task goes to which worker: what fits where, who is avoided, for what room is kept. See
 * core_state.h. */
#include "broker/core_state.h"

#include "common/mutant.h"

static bool covers(const struct broker_needs *has, uint64_t memory_bytes, uint32_t gpus)
{
    return memory_bytes <= has->memory_bytes && gpus <= has->gpus;
}

bool core_fits(const struct class *class, const struct group *group)
{
    return group->kinds >> class->kind & 1 &&
           (class->profile_id == 0 || class->profile_id == group->profile_id) &&
           ((class->needs.tags & ~group->has.tags) == 0 || MUTANT(TAGS_IGNORED)) &&
           covers(&group->has, class->needs.memory_bytes, class->needs.gpus);
}

/* Workers that could run it and get new tasks, without `except`; with `above`, only those that
 * have more memory. */
static uint32_t count_able(const struct broker_core *core, const struct class *class,
                           uint32_t except, const uint64_t *above)
{
    uint32_t n = 0;
    for (uint32_t g = 0; g < core->n_groups; g++) {
        const struct group *group = core->groups[g];
        if (!core_fits(class, group) || (above && group->has.memory_bytes <= *above))
            continue;
        bool counts = except != NONE && core->workers[except].group == g;
        n += group->n_open - (counts && core->workers[except].open);
    }
    return n;
}

/* Is it a worker that the class avoids, and would another one, not `except`, take its tasks? */
static bool is_avoided(const struct broker_core *core, const struct class *class, uint32_t w,
                       uint32_t except)
{
    const struct worker *worker = &core->workers[w];
    bool named = class->avoid && class->avoid == worker->number + 1;
    bool small = class->outgrown && worker->has.memory_bytes <= class->outgrown;
    return (named && count_able(core, class, except, NULL) > worker->open) ||
           (small && count_able(core, class, except, &class->outgrown) > 0);
}

/* Does a task of the class, which fits the worker, fit beside its leases, and leave room for
 * what it keeps room for? */
static bool has_room(const struct broker_core *core, const struct class *class, uint32_t w)
{
    const struct worker *worker = &core->workers[w];
    const struct broker_needs *needs = &class->needs;
    if (MUTANT(MEMORY_OVERCOMMITTED))
        return true;
    if (!covers(&worker->has, worker->used.memory_bytes + needs->memory_bytes,
                worker->used.gpus + needs->gpus))
        return false;
    const struct class *kept = worker->kept == NONE ? class : core->classes[worker->kept];
    if (kept == class)
        return true;
    struct broker_needs beside = core_worker_used(core, w, worker->kept_since);
    return covers(&worker->has,
                  beside.memory_bytes + needs->memory_bytes + kept->needs.memory_bytes,
                  beside.gpus + needs->gpus + kept->needs.gpus);
}

static bool is_quick(const struct class *class)
{
    return class->mean <= (uint64_t)BROKER_PREFETCH_MS * MEAN_UNIT;
}

/* May the worker keep room for a task of the class, which fits it but for what runs there? */
static bool may_keep(const struct class *class, const struct worker *worker)
{
    return worker->kept == NONE && class->keeper == NONE && has_idle_slot(worker);
}

/* The first ready task, over all classes, that the worker may take; NONE. When it is the turn
 * of one that has no room yet, room is kept for it from now on. */
static uint32_t task_for(struct broker_core *core, uint32_t w)
{
    const struct worker *worker = &core->workers[w];
    if (worker->load == NONE)
        return NONE;
    if (worker->kept != NONE && is_avoided(core, core->classes[worker->kept], w, NONE))
        core_worker_keep_end(core, w); /* somebody else has come who would take it */
    const struct heap_entry *best = NULL, *large = NULL;
    for (uint32_t i = 0; i < core->n_classes; i++) {
        const struct class *class = core->classes[i];
        const struct heap_entry *top = heap_top(&class->active);
        if (!top || !core_fits(class, core->groups[worker->group]) ||
            is_avoided(core, class, w, NONE) || !(has_idle_slot(worker) || is_quick(class)))
            continue;
        bool room = has_room(core, class, w);
        const struct heap_entry **first = room ? &best : &large;
        if ((room || may_keep(class, worker)) &&
            (!*first || core_ready_before(core, top, *first)))
            *first = top;
    }
    if (large && (!best || core_ready_before(core, large, best))) {
        core_worker_keep(core, w, core->queues[large->item]->class);
        return task_for(core, w);
    }
    return best ? core_near_task(core, &core->queues[best->item]->tasks, w) : NONE;
}

static void keep_end(struct broker_core *core, uint32_t class);

void core_worker_fill(struct broker_core *core, uint32_t w)
{
    for (uint32_t t; (t = task_for(core, w)) != NONE;) {
        uint32_t class = tasks_at(&core->tasks, t)->class;
        core_lease_begin(core, t, w);
        keep_end(core, class);
    }
}

/* A task of the class has begun, or none waits any more: nobody needs to keep room for it. */
static void keep_end(struct broker_core *core, uint32_t class)
{
    uint32_t w = core->classes[class]->keeper;
    if (w == NONE)
        return;
    core_worker_keep_end(core, w);
    core_worker_fill(core, w);
}

void core_keep_check(struct broker_core *core, uint32_t class)
{
    if (!heap_top(&core->classes[class]->active))
        keep_end(core, class);
}

/* The least loaded worker of the group, of a load under *limit, that would take a task of the
 * class; then *limit is its load. NONE. */
static uint32_t worker_in(const struct broker_core *core, const struct group *group,
                          const struct class *class, int *limit)
{
    for (uint64_t loads = group->loads; loads; loads &= loads - 1) {
        int load = __builtin_ctzll(loads);
        uint32_t first = group->rings[load], w = first;
        if (load >= *limit)
            return NONE;
        do {
            if (!is_avoided(core, class, w, NONE) && has_room(core, class, w)) {
                *limit = load;
                return w;
            }
            w = core->workers[w].next;
        } while (w != first);
    }
    return NONE;
}

/* The least loaded worker that would take a task of the class; NONE. */
static uint32_t worker_for(const struct broker_core *core, const struct class *class)
{
    int limit = is_quick(class) ? LOADS : LOAD_FULL_SLOTS;
    uint32_t best = NONE;
    for (uint32_t g = 0; g < core->n_groups; g++) {
        const struct group *group = core->groups[g];
        if (!core_fits(class, group))
            continue;
        uint32_t w = worker_in(core, group, class, &limit);
        best = w != NONE ? w : best;
    }
    return best;
}

/* See core_worker_best. */
struct search {
    const struct broker_core *core;
    uint32_t t, except;
    worker_score *score;
    uint32_t best;
    uint64_t score_max;
    int left; /* to look at */
};

static void search_ring(struct search *search, uint32_t first)
{
    const struct broker_core *core = search->core;
    const struct class *class = core->classes[tasks_at(&core->tasks, search->t)->class];
    uint32_t w = first;
    do {
        uint64_t score =
            w == search->except ? 0 : search->score(core, search->t, w, search->except);
        if (score > search->score_max && !is_avoided(core, class, w, search->except) &&
            has_room(core, class, w)) {
            search->score_max = score;
            search->best = w;
        }
        w = core->workers[w].next;
    } while (--search->left > 0 && w != first);
}

uint32_t core_worker_best(const struct broker_core *core, uint32_t t, uint32_t except,
                          worker_score *score)
{
    const struct class *class = core->classes[tasks_at(&core->tasks, t)->class];
    struct search search = {.core = core,
                            .t = t,
                            .except = except,
                            .score = score,
                            .best = NONE,
                            .left = WORKERS_LOOKED_AT_MAX};
    for (uint32_t g = 0; g < core->n_groups; g++) {
        const struct group *group = core->groups[g];
        uint64_t idle = group->loads & ((UINT64_C(1) << LOAD_FULL_SLOTS) - 1);
        if (!core_fits(class, group))
            continue;
        for (; idle && search.left > 0; idle &= idle - 1)
            search_ring(&search, group->rings[__builtin_ctzll(idle)]);
    }
    return search.best;
}

void core_fill_avoided(struct broker_core *core)
{
    for (uint32_t i = 0; i < core->n_classes; i++) {
        const struct class *class = core->classes[i];
        if (!class->avoid && !class->outgrown)
            continue;
        if (class->keeper != NONE)
            core_worker_fill(core, class->keeper);
        for (uint32_t w; heap_top(&class->active) && (w = worker_for(core, class)) != NONE;)
            core_worker_fill(core, w);
    }
}

void core_task_ready(struct broker_core *core, uint32_t t)
{
    struct task *task = tasks_at(&core->tasks, t);
    const struct class *class = core->classes[task->class];
    /* No worker had room for those that wait already: there is no need to ask all of them. */
    bool futile = heap_top(&class->active) && (class->needs.memory_bytes || class->needs.gpus);
    core_state_set(core, task, TASK_READY);
    core_ready_push(core, t);
    if (futile)
        return;
    uint32_t near = core_near_worker(core, t);
    if (near != NONE)
        core_worker_fill(core, near);
    /* A worker that just got room may prefer another task: then the next one is asked. */
    for (uint32_t w; task->state == TASK_READY && (w = worker_for(core, class)) != NONE;)
        core_worker_fill(core, w);
}
