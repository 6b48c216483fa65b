/* Stragglers: an attempt that takes much longer than others of its kind gets a rival, where a
 * slot is idle and nothing that is ready fits it. See core_state.h.
 *
 * Much longer is RACE_FACTOR times as long as all but the longest of the last RACE_SAMPLES of
 * its kind for its share: one outlier does not count, and where long and short tasks take turns
 * the long ones are known. The timer of a lease only says when to look at it; the later, the
 * longer it runs already, so that one that nobody can race costs next to nothing. */
#include "broker/core_state.h"

#include "common/mem.h"
#include "common/mutant.h"

#include <stdlib.h>

enum {
    RACE_FACTOR = 3,
    RACE_SAMPLES = 16,
    RACE_SAMPLES_MIN = 5,
    RACE_UNKNOWN = 1800, /* times limits.race_ms, before there are so many: an hour */
    RACE_LOOK_MS = 1000, /* between looks at the same lease, at least */
    RACE_LOOK_PART = 8,  /* likewise: 1/8 of the time that it runs */
};

/* What the last tasks of a kind took, for a share. */
struct pace {
    struct pace *next; /* of the share's */
    uint32_t kind;
    uint64_t n; /* so far */
    uint64_t ms[RACE_SAMPLES];
};

static uint32_t *race_position(void *context, uint32_t lease)
{
    return &((struct broker_core *)context)->leases[lease].race_position;
}

void core_races_init(struct broker_core *core)
{
    heap_init(&core->races, race_position, core);
}

void core_races_done(struct broker_core *core)
{
    heap_done(&core->races);
    for (uint32_t s = 0; s < BROKER_SHARES_MAX; s++)
        for (struct pace *pace; (pace = core->shares[s].paces);) {
            core->shares[s].paces = pace->next;
            free(pace);
        }
}

static struct pace *pace_find(const struct broker_core *core, const struct lease *lease)
{
    uint32_t kind = core->classes[tasks_at(&core->tasks, lease->task)->class]->kind;
    struct pace *pace = core->shares[lease->share].paces;
    while (pace && pace->kind != kind)
        pace = pace->next;
    return pace;
}

/* How long an attempt like this may take. */
static uint64_t patience_ms(const struct broker_core *core, const struct lease *lease)
{
    const struct pace *pace = pace_find(core, lease);
    if (MUTANT(RACE_EARLY))
        return 0;
    if (!pace || pace->n < RACE_SAMPLES_MIN)
        return core->limits.race_ms * RACE_UNKNOWN;
    uint64_t n = pace->n < RACE_SAMPLES ? pace->n : RACE_SAMPLES, longest = 0, next = 0;
    for (uint64_t i = 0; i < n; i++)
        if (pace->ms[i] > longest) {
            next = longest;
            longest = pace->ms[i];
        } else if (pace->ms[i] > next) {
            next = pace->ms[i];
        }
    return RACE_FACTOR * next > core->limits.race_ms ? RACE_FACTOR * next
                                                     : core->limits.race_ms;
}

/* When it began to run, at the latest. One that was leased in advance waited for a slot. */
static uint64_t running_since_ms(const struct broker_core *core, const struct lease *lease)
{
    uint64_t result_ms = core->workers[lease->worker].last_result_ms;
    return lease->at_once || result_ms < lease->begin_ms ? lease->begin_ms : result_ms;
}

void core_race_measure(struct broker_core *core, uint32_t l)
{
    const struct lease *lease = &core->leases[l];
    struct pace *pace = pace_find(core, lease);
    if (!pace) {
        struct share *share = &core->shares[lease->share];
        pace = mem_new(1, sizeof *pace);
        pace->kind = core->classes[tasks_at(&core->tasks, lease->task)->class]->kind;
        pace->next = share->paces;
        share->paces = pace;
    }
    pace->ms[pace->n++ % RACE_SAMPLES] = core->now_ms - running_since_ms(core, lease);
}

void core_race_watch(struct broker_core *core, uint32_t l)
{
    if (core->limits.race_ms && !MUTANT(NEVER_RACED))
        heap_push(&core->races, core->now_ms + (MUTANT(RACE_EARLY) ? 0 : core->limits.race_ms),
                  l, l);
}

void core_race_unwatch(struct broker_core *core, uint32_t l)
{
    if (core->leases[l].race_position != HEAP_NOWHERE)
        heap_remove(&core->races, l);
}

static bool is_late(const struct broker_core *core, uint32_t l)
{
    const struct lease *lease = &core->leases[l];
    const struct task *task = tasks_at(&core->tasks, lease->task);
    bool alone = (task->lease == l && lease->task_next == NONE) || MUTANT(RACE_OF_MANY);
    bool wanted = task->state == TASK_LEASED && (!task->held || MUTANT(RACE_OF_HELD));
    return alone && wanted &&
           core->now_ms - running_since_ms(core, lease) >= patience_ms(core, lease);
}

/* What makes an attempt late may be its machine: rather on another one. */
static uint64_t otherness(const struct broker_core *core, uint32_t t, uint32_t w,
                          uint32_t holder)
{
    (void)t;
    bool beside = holder != NONE && core->workers[w].host == core->workers[holder].host;
    return beside ? 1 : 2;
}

void core_race_look(struct broker_core *core, uint32_t l)
{
    uint32_t t = core->leases[l].task;
    uint64_t pause_ms =
        (core->now_ms - running_since_ms(core, &core->leases[l])) / RACE_LOOK_PART;
    heap_remove(&core->races, l);
    heap_push(&core->races, core->now_ms + (pause_ms > RACE_LOOK_MS ? pause_ms : RACE_LOOK_MS),
              l, l);
    if (!is_late(core, l))
        return;
    uint32_t holder = MUTANT(RACE_AT_HOME) ? NONE : core->leases[l].worker;
    uint32_t w = core_worker_best(core, t, holder, otherness);
    if (w == NONE)
        return;
    core->counts.races++;
    core_lease_begin(core, t, w);
}
