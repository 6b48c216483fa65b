/* gc beside a working broker: a bounded piece per round, so that nobody waits for it.
 *
 * The horizon is what the next sequence was when the grace began: uploads that no result names
 * yet are younger. A submitted campaign may find old results that were garbage a moment ago, so
 * it makes gc begin again. */
#include "broker/shell.h"

#include "broker/reach.h"
#include "common/mem.h"
#include "common/mutant.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MARKS_PER_ROUND = 64,
    SWEEP_WORK_PER_ROUND = 256,
    SAMPLE_MS = 1000, /* between entries of the calendar */
    SAMPLES = 4096,   /* more than an hour of them */
};

enum phase { GC_WAITS, GC_REFS, GC_PLANS, GC_TASKS, GC_SWEEPS };

struct collector {
    /* When was which sequence next? A ring, oldest first. */
    struct {
        uint64_t ms, sequence;
    } samples[SAMPLES];
    uint32_t first, n;
    uint64_t begin_sequence; /* of this broker run */

    bool running;
    struct message_gc asked;
    uint8_t peer[PEER_ID_SIZE_MAX];
    size_t peer_size;
    enum phase phase;
    struct store_gc *gc;
    struct reach *reach;
    struct replay replay; /* of the campaign that is marked: its planner forgets */
    struct reach_refs refs;
    size_t next_ref, next_task, next_audit;
    uint32_t next_campaign, cursor;
};

struct collector *collector_new(struct store *store)
{
    struct collector *collector = mem_new(1, sizeof *collector);
    collector->begin_sequence = store_sequence(store);
    return collector;
}

static void drop_marks(struct collector *collector)
{
    reach_free(collector->reach);
    store_gc_end(collector->gc);
    collector->reach = NULL;
    replay_close(&collector->replay);
    collector->gc = NULL;
    collector->refs.n = collector->next_ref = collector->next_task = collector->next_audit = 0;
    collector->next_campaign = collector->cursor = 0;
}

void collector_free(struct collector *collector)
{
    if (!collector)
        return;
    drop_marks(collector);
    free(collector->refs.items);
    free(collector);
}

bool gc_is_running(const struct shell *shell)
{
    return shell->collector->running;
}

/* ---- the horizon ---- */

static void note_time(struct shell *shell)
{
    struct collector *collector = shell->collector;
    uint32_t last = (collector->first + collector->n - 1) % SAMPLES;
    if (collector->n > 0 && shell->now_ms - collector->samples[last].ms < SAMPLE_MS)
        return;
    if (collector->n == SAMPLES)
        collector->first = (collector->first + 1) % SAMPLES;
    else
        collector->n++;
    last = (collector->first + collector->n - 1) % SAMPLES;
    collector->samples[last].ms = shell->now_ms;
    collector->samples[last].sequence = store_sequence(shell->store);
}

/* In a younger broker run its begin: whoever held something before puts it again. */
static uint64_t horizon_of(const struct shell *shell, uint64_t grace_ms)
{
    const struct collector *collector = shell->collector;
    uint64_t horizon = collector->begin_sequence;
    if (MUTANT(GC_IGNORES_UPLOADS))
        return UINT64_MAX;
    for (uint32_t i = 0; i < collector->n; i++) {
        uint32_t at = (collector->first + i) % SAMPLES;
        if (collector->samples[at].ms + grace_ms <= shell->now_ms)
            horizon = collector->samples[at].sequence;
    }
    return horizon;
}

/* ---- begin and end ---- */

static void report(struct shell *shell, const char *problem)
{
    struct collector *collector = shell->collector;
    struct store_gc_counts counts = {0};
    if (collector->gc)
        store_gc_counts(collector->gc, &counts);
    struct message message = {.type = MESSAGE_TYPE_gc_report,
                              .gc_report = {.objects = counts.objects,
                                            .bytes = counts.bytes,
                                            .results = counts.results,
                                            .freed_objects = counts.freed_objects,
                                            .freed_bytes = counts.freed_bytes,
                                            .freed_results = counts.freed_results,
                                            .pruned = counts.pruned}};
    message_text_set(&message.gc_report.problem, problem);
    outbox_put(shell->control_out, (struct span){collector->peer, collector->peer_size},
               &message);
    if (problem[0])
        shell_log(shell, LOG_TROUBLE, "gc: %s", problem);
    else if (!collector->asked.dry_run)
        shell_log(shell, LOG_NEWS, "gc: %llu objects (%llu bytes) and %llu results freed",
                  (unsigned long long)counts.freed_objects,
                  (unsigned long long)counts.freed_bytes,
                  (unsigned long long)counts.freed_results);
    drop_marks(collector);
    collector->running = false;
}

void gc_ask(struct shell *shell, struct span peer, const struct message_gc *asked)
{
    struct collector *collector = shell->collector;
    if (collector->running && memcmp(&collector->asked, asked, sizeof *asked) != 0) {
        struct message message = {.type = MESSAGE_TYPE_gc_report};
        message_text_set(&message.gc_report.problem, "another gc is under way");
        outbox_put(shell->control_out, peer, &message);
        return;
    }
    memcpy(collector->peer, peer.data, peer.size);
    collector->peer_size = peer.size;
    if (collector->running)
        return;
    collector->asked = *asked;
    collector->running = true;
    collector->phase = GC_WAITS;
}

void gc_restart(struct shell *shell)
{
    drop_marks(shell->collector);
    shell->collector->phase = GC_WAITS;
}

/* ---- the phases: each returns 0, or an error that ends the gc ---- */

/* While a plan is still replayed, its results are not all known. */
static int wait_for_plans(struct shell *shell, struct err *err)
{
    struct collector *collector = shell->collector;
    if (campaigns_replaying(shell))
        return 0;
    int rc = store_gc_begin(shell->store, horizon_of(shell, collector->asked.grace_ms),
                            collector->asked.dry_run != 0, &collector->gc, err);
    if (rc)
        return rc;
    shell_commit_soon(shell);
    collector->reach =
        reach_new(shell->store, collector->gc, collector->asked.keep_checkpoints);
    collector->phase = GC_REFS;
    return 0;
}

/* A campaign without a plan here cannot say what it needs, so nothing is freed at all. */
static int mark_ref(struct shell *shell, const struct reach_ref *ref, struct err *err)
{
    struct collector *collector = shell->collector;
    store_gc_keep(collector->gc, &ref->id);
    if (ref->quarantine)
        reach_task(collector->reach, &ref->task);
    if (!ref->campaign)
        return 0;
    if (!campaigns_has(shell, ref->name, &ref->id)) {
        (void)err_set(err, ERR_CORRUPT, "campaign '%s' could not be taken up", ref->name);
        return err_hint(err, "the broker's log says why; `wyckmill fsck` may tell more");
    }
    return reach_campaign(collector->reach, &ref->id, err);
}

static int mark_refs(struct shell *shell, struct err *err)
{
    struct collector *collector = shell->collector;
    int rc = 0;
    if (collector->next_ref == 0)
        rc = reach_refs(shell->store, &collector->refs, err);
    for (int i = 0; rc == 0 && i < MARKS_PER_ROUND; i++) {
        if (collector->next_ref == collector->refs.n) {
            collector->phase = GC_PLANS;
            return 0;
        }
        bool large = collector->refs.items[collector->next_ref].campaign;
        rc = mark_ref(shell, &collector->refs.items[collector->next_ref++], err);
        if (large)
            break; /* its sources are work enough */
    }
    return rc;
}

static void next_plan(struct collector *collector)
{
    reach_plan_end(collector->reach);
    replay_close(&collector->replay);
    collector->next_campaign++;
    collector->cursor = 0;
}

static int mark_plans(struct shell *shell, struct err *err)
{
    struct collector *collector = shell->collector;
    if (collector->next_campaign == shell->n_campaigns) {
        collector->phase = GC_TASKS;
        return 0;
    }
    const struct campaign_run *run = &shell->campaigns[collector->next_campaign];
    if (collector->replay.planner) {
        if (!reach_replay(collector->reach, &collector->replay, MARKS_PER_ROUND))
            next_plan(collector);
    } else if (!reach_plan(collector->reach, run->planner, &collector->cursor,
                           MARKS_PER_ROUND)) {
        return replay_open(shell->store, &run->id, &collector->replay, err);
    }
    return 0;
}

/* Tasks that bring back what was freed, and those that are computed again. */
static int mark_tasks(struct shell *shell, struct err *err)
{
    struct collector *collector = shell->collector;
    struct hash task;
    (void)err;
    for (int i = 0; i < MARKS_PER_ROUND; i++) {
        if (!recover_next(shell, &collector->next_task, &task) &&
            !audit_next(shell, &collector->next_audit, &task)) {
            collector->phase = GC_SWEEPS;
            return 0;
        }
        reach_task(collector->reach, &task);
    }
    return 0;
}

static int sweep(struct shell *shell, struct err *err)
{
    struct collector *collector = shell->collector;
    bool over;
    int rc = store_gc_sweep(collector->gc, SWEEP_WORK_PER_ROUND, &over, err);
    if (rc) {
        shell_store_failed(shell, err);
        return rc;
    }
    shell->dirty = shell->dirty || !collector->asked.dry_run;
    if (over)
        report(shell, "");
    return 0;
}

bool gc_step(struct shell *shell)
{
    static int (*const steps[])(struct shell *, struct err *) = {
        [GC_WAITS] = wait_for_plans, [GC_REFS] = mark_refs, [GC_PLANS] = mark_plans,
        [GC_TASKS] = mark_tasks,     [GC_SWEEPS] = sweep,
    };
    struct collector *collector = shell->collector;
    struct err err;
    note_time(shell);
    if (!collector->running || shell->fatal.code)
        return false;
    if (submit_pending(shell) || wills_pending(shell)) /* what is wanted is not all known */
        return false;
    if (steps[collector->phase](shell, &err))
        report(shell, err.text);
    return collector->running && collector->phase != GC_WAITS;
}
