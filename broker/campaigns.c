/* The campaigns of a broker run, their planners, and the cache between planners and queue: see
 * shell.h. */
#include "broker/shell.h"

#include "common/cleanup.h"
#include "common/mem.h"
#include "common/mutant.h"
#include "proto/kinds.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INPUTS_WEIGHED_MAX = 16 };

static void run_done(struct campaign_run *run)
{
    planner_free(run->planner);
    *run = (struct campaign_run){0};
}

void campaigns_done(struct shell *shell)
{
    for (uint32_t i = 0; i < shell->n_campaigns; i++)
        run_done(&shell->campaigns[i]);
    free(shell->campaigns);
    shell->campaigns = NULL;
    shell->n_campaigns = 0;
}

const char *campaigns_state_text(const struct campaign_run *run)
{
    struct planner_status status;
    planner_status(run->planner, &status);
    if (run->will == WILL_CANCEL)
        return "cancelled";
    if (run->will == WILL_PAUSE && status.state == PLANNER_RUNNING)
        return "paused";
    return planner_state_text(status.state);
}

/* ---- feeding planners ---- */

/* A round that was begun stays paid, whatever is spent by the next start of the broker, and the
 * rounds before it need not be replayed then. */
static void note_rounds(struct shell *shell, struct campaign_run *run)
{
    struct planner_mark mark;
    if (run->timed && planner_rounds(run->planner) > run->account.rounds) {
        run->account.rounds = planner_rounds(run->planner);
        planner_account(run->planner, run->account.slot_us, run->account.rounds);
        run->unsaved = true;
    }
    if (run->endless && planner_mark_get(run->planner, &mark) &&
        mark.round > run->account.mark.round) {
        run->account.mark = mark;
        run->unsaved = true;
    }
    if (run->unsaved)
        shell_commit_soon(shell);
}

/* Log the end of a campaign, once. */
static void check_over(struct shell *shell, struct campaign_run *run)
{
    struct planner_status status;
    planner_status(run->planner, &status);
    if (status.state == PLANNER_RUNNING || run->over)
        return;
    run->over = true;
    wills_follow(shell, run); /* what waits in the queue would be in vain */
    record_campaign(shell, "ended", run);
    shell_log(shell, LOG_NEWS, "campaign '%s' %s: %llu executed, %llu from the cache%s%s",
              run->name, planner_state_text(status.state), (unsigned long long)run->executed,
              (unsigned long long)run->cached, status.note[0] ? "; " : "", status.note);
}

/* The plan was told something: what follows from it? */
static void plan_moved(struct shell *shell, struct campaign_run *run)
{
    run->hungry = true;
    note_rounds(shell, run);
    check_over(shell, run);
}

/* A result that does not fit the plan counts as none: the campaign must not wait for ever. */
static void feed(struct shell *shell, struct campaign_run *run, const struct hash *task,
                 const struct result *result)
{
    struct err err;
    if (planner_result(run->planner, task, result, &err)) {
        shell_log(shell, LOG_TROUBLE, "campaign '%s': %s", run->name, err.text);
        planner_failed(run->planner, task, err.text);
    }
    plan_moved(shell, run);
}

void campaigns_paid(struct shell *shell, const struct hash *task, uint64_t wall_us)
{
    for (uint32_t i = 0; i < shell->n_campaigns; i++) {
        struct campaign_run *run = &shell->campaigns[i];
        if (!run->timed || !wills_want(run, task))
            continue;
        uint64_t left_us = UINT64_MAX - run->account.slot_us; /* workers may say anything */
        run->account.slot_us += wall_us < left_us ? wall_us : left_us;
        planner_account(run->planner, run->account.slot_us, run->account.rounds);
        run->unsaved = true;
    }
}

void campaigns_save(struct shell *shell)
{
    struct err err;
    for (uint32_t i = 0; i < shell->n_campaigns; i++) {
        struct campaign_run *run = &shell->campaigns[i];
        if (run->unsaved && account_save(shell->store, run->name, &run->account, &err))
            shell_store_failed(shell, &err);
        run->unsaved = false;
    }
}

void campaigns_result(struct shell *shell, const struct hash *task, uint32_t share, bool shared)
{
    struct result result = {0};
    struct err err;
    if (store_get_result(shell->store, task, &result, &err)) {
        shell_store_failed(shell, &err); /* it was just made durable */
        return;
    }
    recover_done(shell, task);
    bool any = shared || share >= shell->n_campaigns; /* audits have a share as well */
    uint32_t end = any ? shell->n_campaigns : share + 1;
    for (uint32_t i = any ? 0 : share; i < end; i++) {
        struct campaign_run *run = &shell->campaigns[i];
        if (!wills_want(run, task))
            continue;
        run->executed++;
        feed(shell, run, task, &result);
    }
    result_done(&result);
}

void campaigns_failed(struct shell *shell, const struct hash *task, const char *why)
{
    audit_failed(shell, task, why);
    recover_failed(shell, task, why);
    for (uint32_t i = 0; i < shell->n_campaigns; i++) {
        struct campaign_run *run = &shell->campaigns[i];
        if (!wills_want(run, task))
            continue;
        planner_failed(run->planner, task, why);
        plan_moved(shell, run);
    }
}

bool campaigns_all_over(const struct shell *shell)
{
    for (uint32_t i = 0; i < shell->n_campaigns; i++)
        if (!shell->campaigns[i].over)
            return false;
    return true;
}

/* ---- planning ---- */

/* Tell the core which of its inputs are large. Kinds with large ones have few. */
static void weigh_inputs(const struct shell *shell, const struct action *action,
                         struct broker_event *event)
{
    struct store_info info;
    for (uint32_t i = 0; i < action->n_inputs && i < INPUTS_WEIGHED_MAX; i++)
        if (store_stat(shell->store, &action->inputs[i], &info, NULL) == 0)
            blobs_weigh(shell, &action->inputs[i], info.size, event);
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* No limit is more than any limit. */
static uint64_t longer(uint64_t a, uint64_t b)
{
    return a && b ? larger(a, b) : 0;
}

static bool is_same(const struct broker_needs *a, const struct broker_needs *b)
{
    return a->memory_bytes == b->memory_bytes && a->time_ms == b->time_ms &&
           a->gpus == b->gpus && a->tags == b->tags;
}

/* An audit takes the word of every campaign: those that wanted the task may be over. */
struct broker_needs campaigns_needs(const struct shell *shell, const struct broker_event *add)
{
    bool audit = add->share == AUDIT_SHARE;
    uint32_t first = audit ? 0 : add->share;
    struct broker_needs all = {0};
    if (first < shell->n_campaigns)
        all = shell->campaigns[first].needs[add->kind];
    for (uint32_t i = 0; i < shell->n_campaigns; i++) {
        const struct campaign_run *run = &shell->campaigns[i];
        const struct broker_needs *needs = &run->needs[add->kind];
        if (is_same(needs, &all) || !(audit || wills_want(run, &add->task)))
            continue;
        all.memory_bytes = larger(all.memory_bytes, needs->memory_bytes);
        all.time_ms = longer(all.time_ms, needs->time_ms);
        all.gpus = (uint32_t)larger(all.gpus, needs->gpus);
        all.tags |= needs->tags;
    }
    return all;
}

static int queue_action(struct shell *shell, const struct campaign_run *run,
                        const struct action *action, const struct hash *id, struct err *err)
{
    struct broker_event event = {.type = BROKER_EVENT_TASK_ADD,
                                 .task = *id,
                                 .share = (uint32_t)(run - shell->campaigns),
                                 .priority = run->priority,
                                 .held = run->will == WILL_PAUSE};
    struct buf bytes = {0};
    struct hash stored;
    int rc = shell_profile(shell, action->profile, &event.profile_id, err);
    if (rc)
        return rc;
    action_encode(action, &bytes, NULL);
    if (store_put(shell->store, "action", buf_span(&bytes), &stored, err))
        shell_store_failed(shell, err);
    buf_done(&bytes);
    shell_commit_soon(shell);
    event.kind = (uint32_t)kind_find(action->kind);
    weigh_inputs(shell, action, &event);
    event.needs = campaigns_needs(shell, &event);
    return recover_add(shell, action, event, err);
}

/* One action: its result may be there already, it may be in quarantine, else it is queued. */
static void plan_action(struct shell *shell, struct campaign_run *run,
                        const struct action *action, const struct hash *id)
{
    struct result result = {0};
    struct err err;
    char why[SENTENCE_SIZE];
    if (store_get_result(shell->store, id, &result, NULL) == 0) {
        run->cached++;
        shell->cached++;
        if (!MUTANT(CACHED_NOT_FED))
            feed(shell, run, id, &result);
        result_done(&result);
    } else if (record_quarantine_find(shell, id, why) == 0) {
        planner_failed(run->planner, id, why);
        plan_moved(shell, run);
    } else if (queue_action(shell, run, action, id, &err)) {
        shell_log(shell, LOG_TROUBLE, "campaign '%s': %s", run->name, err.text);
        planner_failed(run->planner, id, err.text);
        plan_moved(shell, run);
    }
}

static bool queue_is_full(const struct shell *shell)
{
    struct broker_counts counts;
    broker_core_counts(shell->core, &counts);
    return counts.ready + counts.waiting + counts.held + counts.leased + counts.persisting >=
           BROKER_TASKS_MAX;
}

static bool is_hungry(const struct campaign_run *run)
{
    return run->hungry && run->will != WILL_CANCEL;
}

static void plan_run(struct shell *shell, struct campaign_run *run, int *budget)
{
    const struct action *action;
    struct hash id;
    while (is_hungry(run) && *budget > 0 && !queue_is_full(shell)) {
        --*budget;
        if (planner_next(run->planner, &action, &id, NULL))
            run->hungry = false;
        else
            plan_action(shell, run, action, &id);
    }
}

void campaigns_plan(struct shell *shell)
{
    int budget = PLAN_ACTIONS_PER_ROUND;
    for (uint32_t i = 0; i < shell->n_campaigns; i++)
        plan_run(shell, &shell->campaigns[i], &budget);
}

bool campaigns_replaying(const struct shell *shell)
{
    for (uint32_t i = 0; i < shell->n_campaigns; i++)
        if (is_hungry(&shell->campaigns[i]) && !queue_is_full(shell))
            return true;
    return false;
}

/* ---- beginning ---- */

struct campaign_run *campaigns_find(const struct shell *shell, const char *name)
{
    for (uint32_t i = 0; i < shell->n_campaigns; i++)
        if (!strcmp(shell->campaigns[i].name, name))
            return &shell->campaigns[i];
    return NULL;
}

bool campaigns_has(const struct shell *shell, const char *name, const struct hash *id)
{
    const struct campaign_run *run = campaigns_find(shell, name);
    return run && hash_equal(&run->id, id);
}

static struct campaign_run *add_run(struct shell *shell, const char *name)
{
    shell->campaigns =
        mem_resize(shell->campaigns, shell->n_campaigns + 1u, sizeof *shell->campaigns);
    struct campaign_run *run = &shell->campaigns[shell->n_campaigns++];
    *run = (struct campaign_run){0};
    (void)snprintf(run->name, sizeof run->name, "%s", name);
    return run;
}

/* In the core's words. Errors: ERR_FULL. */
static int read_needs(struct shell *shell, const struct campaign *campaign,
                      struct broker_needs ret[KIND_COUNT], struct err *err)
{
    int rc = 0;
    for (int k = 0; rc == 0 && k < KIND_COUNT; k++) {
        const struct needs *needs = &campaign->needs[k];
        ret[k] = (struct broker_needs){.memory_bytes = needs->memory_bytes,
                                       .time_ms = needs->time_ms,
                                       .gpus = needs->gpus};
        rc = shell_tags(shell, needs->tags, &ret[k].tags, err);
    }
    return rc;
}

int campaigns_begin(struct shell *shell, const struct campaign *campaign, const struct hash *id,
                    enum campaign_will will, struct err *err)
{
    struct campaign_run *run = campaigns_find(shell, campaign->name);
    struct planner *planner;
    struct account account;
    struct broker_needs needs[KIND_COUNT];
    if (!run && shell->n_campaigns == CAMPAIGNS_MAX)
        return err_set(err, ERR_FULL, "%d campaigns are here, no more are taken",
                       CAMPAIGNS_MAX);
    campaigns_save(shell); /* it may be the account of the campaign that is replaced */
    int rc = account_load(shell->store, campaign, &account, err);
    if (rc == 0 && MUTANT(ACCOUNT_FORGOTTEN))
        account = (struct account){.base = account.base};
    if (rc == 0)
        rc = read_needs(shell, campaign, needs, err);
    if (rc == 0)
        rc = account_planner(campaign, &account, &planner, err);
    if (rc)
        return rc;
    if (!run)
        run = add_run(shell, campaign->name);
    else
        wills_retire(shell, run->planner);
    run->planner = planner;
    run->id = *id;
    run->priority = campaign->priority;
    memcpy(run->needs, needs, sizeof run->needs);
    run->executed = run->cached = 0;
    run->will = will;
    run->hungry = true;
    run->over = will == WILL_CANCEL;
    run->timed = campaign->budget_slot_hours > 0;
    run->account = account;
    run->unsaved = false;
    run->endless = campaign->rounds_max == 0;
    check_over(shell, run);
    return 0;
}

/* From the first round on: what was lost in one may come now. */
static void forget_mark(struct shell *shell, struct campaign_run *run)
{
    struct err err;
    if (run->account.mark.round == 0)
        return;
    run->account.mark = (struct planner_mark){.round = 0};
    if (account_save(shell->store, run->name, &run->account, &err))
        shell_store_failed(shell, &err);
    shell_commit_soon(shell);
}

void campaigns_replan_failed(struct shell *shell)
{
    for (uint32_t i = 0; i < shell->n_campaigns; i++) {
        struct planner_status status;
        struct campaign_run *run = &shell->campaigns[i];
        planner_status(run->planner, &status);
        if (status.failed && run->will != WILL_CANCEL) {
            forget_mark(shell, run);
            submit_again(shell, &run->id);
        }
    }
}

/* ---- looking for tasks ---- */

struct search {
    const struct shell *shell;
    uint32_t n;
    struct hash found;
};

/* Every queued task is an object of its id: its action. */
static int match_task(void *context, const struct store_info *info)
{
    struct search *search = context;
    const struct shell *shell = search->shell;
    bool wanted = false;
    for (uint32_t i = 0; i < shell->n_campaigns && !wanted; i++)
        wanted = wills_want(&shell->campaigns[i], &info->id);
    if (wanted && search->n++ == 0)
        search->found = info->id;
    return 0;
}

int campaigns_find_task(const struct shell *shell, const char *prefix, struct hash *ret,
                        struct err *err)
{
    struct search search = {.shell = shell};
    int rc = store_each_object_like(shell->store, prefix, match_task, &search, err);
    if (rc == 0 && search.n == 0)
        rc = err_set(err, ERR_NOT_FOUND, "no open task's id begins with '%s'", prefix);
    if (rc == 0 && search.n > 1)
        rc = err_set(err, ERR_INVALID, "'%s' fits several tasks", prefix);
    *ret = search.found;
    return rc;
}
