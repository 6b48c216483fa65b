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

static const char ref_prefix[] = "campaigns/";
/* Refs that tell what an operator said; WILL_RUN has none. */
static const char *const will_prefix[] = {
    [WILL_PAUSE] = "paused/", [WILL_CANCEL] = "cancelled/"};

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

static bool wants(const struct campaign_run *run, const struct hash *task)
{
    return run->will != WILL_CANCEL && planner_wants(run->planner, task);
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

/* Log the end of a campaign, once. */
static void check_over(struct shell *shell, struct campaign_run *run)
{
    struct planner_status status;
    planner_status(run->planner, &status);
    if (status.state == PLANNER_RUNNING || run->over)
        return;
    run->over = true;
    record_campaign(shell, "ended", run);
    shell_log(shell, LOG_NEWS, "campaign '%s' %s: %llu executed, %llu from the cache%s%s",
              run->name, planner_state_text(status.state), (unsigned long long)run->executed,
              (unsigned long long)run->cached, status.note[0] ? "; " : "", status.note);
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
    run->hungry = true;
    check_over(shell, run);
}

void campaigns_result(struct shell *shell, const struct hash *task)
{
    struct result result = {0};
    struct err err;
    if (store_get_result(shell->store, task, &result, &err)) {
        shell_store_failed(shell, &err); /* it was just made durable */
        return;
    }
    recover_done(shell, task);
    for (uint32_t i = 0; i < shell->n_campaigns; i++) {
        struct campaign_run *run = &shell->campaigns[i];
        if (!wants(run, task))
            continue;
        run->executed++;
        feed(shell, run, task, &result);
    }
    result_done(&result);
}

void campaigns_failed(struct shell *shell, const struct hash *task, const char *why)
{
    recover_failed(shell, task, why);
    for (uint32_t i = 0; i < shell->n_campaigns; i++) {
        struct campaign_run *run = &shell->campaigns[i];
        if (!wants(run, task))
            continue;
        planner_failed(run->planner, task, why);
        run->hungry = true;
        check_over(shell, run);
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

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* No limit is more than any limit. */
static uint64_t longer(uint64_t a, uint64_t b)
{
    return a && b ? larger(a, b) : 0;
}

struct broker_needs campaigns_needs(const struct shell *shell, const struct broker_event *add)
{
    struct broker_needs all = shell->campaigns[add->share].needs[add->kind];
    for (uint32_t i = 0; i < shell->n_campaigns; i++) {
        const struct broker_needs *needs = &shell->campaigns[i].needs[add->kind];
        if (i == add->share || !wants(&shell->campaigns[i], &add->task))
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
        check_over(shell, run);
    } else if (queue_action(shell, run, action, id, &err)) {
        shell_log(shell, LOG_TROUBLE, "campaign '%s': %s", run->name, err.text);
        planner_failed(run->planner, id, err.text);
        check_over(shell, run);
    }
}

static bool queue_is_full(const struct shell *shell)
{
    struct broker_counts counts;
    broker_core_counts(shell->core, &counts);
    return counts.ready + counts.waiting + counts.held + counts.leased + counts.persisting >=
           BROKER_TASKS_MAX;
}

static void plan_run(struct shell *shell, struct campaign_run *run, int *budget)
{
    const struct action *action;
    struct hash id;
    while (run->hungry && run->will != WILL_CANCEL && *budget > 0 && !queue_is_full(shell)) {
        --*budget;
        if (planner_next(run->planner, &action, &id, NULL))
            run->hungry = false;
        else
            plan_action(shell, run, action, &id);
    }
}

bool campaigns_plan(struct shell *shell)
{
    int budget = PLAN_ACTIONS_PER_ROUND;
    bool hungry = false;
    for (uint32_t i = 0; i < shell->n_campaigns; i++) {
        plan_run(shell, &shell->campaigns[i], &budget);
        hungry =
            hungry || (shell->campaigns[i].hungry && shell->campaigns[i].will != WILL_CANCEL);
    }
    return hungry && !queue_is_full(shell);
}

bool campaigns_replaying(const struct shell *shell)
{
    for (uint32_t i = 0; i < shell->n_campaigns; i++)
        if (shell->campaigns[i].hungry && !queue_is_full(shell))
            return true;
    return false;
}

/* ---- submitting and loading ---- */

/* What its campaigns want of it decides whether a task runs, is held or is cancelled. */
static void settle(struct shell *shell, const struct hash *task)
{
    struct broker_event event = {.type = BROKER_EVENT_TASK_CANCEL, .task = *task};
    if (recover_wants(shell, task)) /* others need again what it makes */
        event.type = BROKER_EVENT_TASK_RELEASE;
    struct err err;
    for (uint32_t i = 0; i < shell->n_campaigns && event.type != BROKER_EVENT_TASK_RELEASE;
         i++) {
        const struct campaign_run *run = &shell->campaigns[i];
        if (!wants(run, task))
            continue;
        event.type = run->will == WILL_RUN ? BROKER_EVENT_TASK_RELEASE : BROKER_EVENT_TASK_HOLD;
    }
    if (shell_step(shell, event, NULL, &err))
        shell_log(shell, LOG_TROUBLE, "%s: %s", broker_event_text(event.type), err.text);
    else if (event.type == BROKER_EVENT_TASK_CANCEL)
        recover_forget(shell, task);
}

/* Returns how many. */
static uint64_t settle_all(struct shell *shell, const struct planner *planner)
{
    uint32_t cursor = 0;
    uint64_t n = 0;
    for (struct hash task; planner_next_wanted(planner, &cursor, &task); n++)
        settle(shell, &task);
    return n;
}

/* The planner leaves; what only it waited for is cancelled. */
static void drop_planner(struct shell *shell, struct planner *planner)
{
    (void)settle_all(shell, planner);
    planner_free(planner);
}

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

/* Begin the campaign, in the place of one with the same name. */
static void begin_run(struct shell *shell, const struct campaign *campaign,
                      const struct hash *id, enum campaign_will will,
                      const struct broker_needs needs[KIND_COUNT], struct planner *planner)
{
    struct campaign_run *run = campaigns_find(shell, campaign->name);
    if (!run)
        run = add_run(shell, campaign->name);
    struct planner *old = run->planner;
    run->planner = planner;
    run->id = *id;
    run->priority = campaign->priority;
    memcpy(run->needs, needs, sizeof run->needs);
    run->executed = run->cached = 0;
    run->will = will;
    run->hungry = true;
    run->over = will == WILL_CANCEL;
    if (old) {
        int budget = INT32_MAX; /* first ask for what is still wanted, then cancel the rest */
        plan_run(shell, run, &budget);
        drop_planner(shell, old);
    }
}

static int check_sources(struct shell *shell, const struct campaign *campaign, struct err *err)
{
    uint32_t missing = 0;
    for (uint32_t i = 0; i < campaign->n_sources; i++)
        missing += !store_has(shell->store, &campaign->sources[i]);
    if (missing && !MUTANT(SOURCES_UNCHECKED))
        return err_set(err, ERR_NOT_FOUND,
                       "campaign '%s': %u of its %u source objects are not in the store",
                       campaign->name, missing, campaign->n_sources);
    return 0;
}

static int start_campaign(struct shell *shell, const struct campaign *campaign,
                          const struct hash *id, enum campaign_will will, struct err *err)
{
    struct planner *planner;
    struct broker_needs needs[KIND_COUNT];
    int rc = check_sources(shell, campaign, err);
    if (rc == 0 && !campaigns_find(shell, campaign->name) &&
        shell->n_campaigns == CAMPAIGNS_MAX)
        rc = err_set(err, ERR_FULL, "%d campaigns are here, no more are taken", CAMPAIGNS_MAX);
    if (rc == 0)
        rc = read_needs(shell, campaign, needs, err);
    if (rc == 0)
        rc = planner_new(campaign, &planner, err);
    if (rc == 0)
        begin_run(shell, campaign, id, will, needs, planner);
    return rc;
}

/* ---- what an operator said ---- */

static void will_ref(const char *name, enum campaign_will will, char ret[STORE_REF_NAME_SIZE])
{
    (void)snprintf(ret, STORE_REF_NAME_SIZE, "%s%s", will_prefix[will], name);
}

static void store_will(struct shell *shell, const struct campaign_run *run)
{
    char ref[STORE_REF_NAME_SIZE];
    struct err err;
    int rc = 0;
    for (enum campaign_will will = WILL_PAUSE; rc == 0 && will <= WILL_CANCEL; will++) {
        will_ref(run->name, will, ref);
        rc = run->will == will ? store_put_ref(shell->store, ref, &run->id, &err)
                               : store_delete_ref(shell->store, ref, &err);
        rc = rc == ERR_NOT_FOUND ? 0 : rc;
    }
    if (rc)
        shell_store_failed(shell, &err);
    shell->dirty = true;
}

/* What was said of the campaign with this id; one with the same name may be another. */
static enum campaign_will load_will(const struct shell *shell, const char *name,
                                    const struct hash *id)
{
    char ref[STORE_REF_NAME_SIZE];
    struct hash found;
    for (enum campaign_will will = WILL_PAUSE; will <= WILL_CANCEL; will++) {
        will_ref(name, will, ref);
        if (!store_get_ref(shell->store, ref, &found, NULL) && hash_equal(&found, id) &&
            !(MUTANT(PAUSE_FORGOTTEN) && will == WILL_PAUSE))
            return will;
    }
    return WILL_RUN;
}

uint64_t campaigns_will(struct shell *shell, struct campaign_run *run, enum campaign_will will)
{
    static const char *const events[] = {"resumed", "paused", "cancelled"};
    if (run->will == will || run->over)
        return 0;
    run->will = will;
    run->hungry = true;
    run->over = will == WILL_CANCEL;
    store_will(shell, run);
    record_campaign(shell, events[will], run);
    uint64_t n = settle_all(shell, run->planner);
    shell_log(shell, LOG_NEWS, "campaign '%s' is %s: %llu open tasks", run->name, events[will],
              (unsigned long long)n);
    return n;
}

int campaigns_find_task(const struct shell *shell, const char *prefix, struct hash *ret,
                        struct err *err)
{
    char hex[HASH_HEX_SIZE];
    bool found = false;
    for (uint32_t i = 0; i < shell->n_campaigns; i++) {
        uint32_t cursor = 0;
        for (struct hash task;
             planner_next_wanted(shell->campaigns[i].planner, &cursor, &task);) {
            if (!wants(&shell->campaigns[i], &task) ||
                strncmp(hash_hex(&task, hex), prefix, strlen(prefix)) != 0)
                continue;
            if (found && !hash_equal(&task, ret))
                return err_set(err, ERR_INVALID, "'%s' fits several tasks", prefix);
            found = true;
            *ret = task;
        }
    }
    if (!found)
        return err_set(err, ERR_NOT_FOUND, "no open task's id begins with '%s'", prefix);
    return 0;
}

static int put_campaign(struct shell *shell, const char *name, struct span bytes,
                        struct err *err)
{
    char ref[STORE_REF_NAME_SIZE];
    struct hash id;
    (void)snprintf(ref, sizeof ref, "%s%s", ref_prefix, name);
    int rc = store_put(shell->store, "campaign", bytes, &id, err);
    return rc ? rc : store_put_ref(shell->store, ref, &id, err);
}

int campaigns_submit(struct shell *shell, struct span bytes, struct hash *ret_id,
                     struct err *err)
{
    struct campaign campaign;
    int rc = campaign_decode(bytes, &campaign, err);
    if (rc)
        return rc;
    *ret_id = hash_bytes(bytes);
    struct campaign_run *running = campaigns_find(shell, campaign.name);
    if (running && running->will == WILL_PAUSE && hash_equal(&running->id, ret_id))
        (void)campaigns_will(shell, running, WILL_RUN);
    if (!running || running->over || !hash_equal(&running->id, ret_id)) {
        rc = start_campaign(shell, &campaign, ret_id, WILL_RUN, err);
        if (rc == 0) {
            rc = put_campaign(shell, campaign.name, bytes, err);
            if (rc)
                shell_store_failed(shell, err);
            store_will(shell, campaigns_find(shell, campaign.name));
            record_campaign(shell, "submitted", campaigns_find(shell, campaign.name));
            shell->dirty = !MUTANT(SUBMIT_BEFORE_SYNC);
            gc_restart(shell);
            shell_log(shell, LOG_NEWS, "campaign '%s' submitted", campaign.name);
        }
    }
    campaign_done(&campaign);
    return rc;
}

struct refs {
    struct hash *ids;
    size_t n, capacity;
};

static int collect_ref(void *context, const char *name, const struct hash *id)
{
    struct refs *refs = context;
    (void)name;
    mem_reserve(refs->ids, refs->capacity, refs->n + 1);
    refs->ids[refs->n++] = *id;
    return 0;
}

static void load_campaign(struct shell *shell, const struct hash *id)
{
    struct campaign campaign = {0};
    struct buf bytes = {0};
    struct err err;
    int rc = store_get(shell->store, id, &bytes, &err);
    if (rc == 0)
        rc = campaign_decode(buf_span(&bytes), &campaign, &err);
    if (rc == 0)
        rc = start_campaign(shell, &campaign, id, load_will(shell, campaign.name, id), &err);
    if (rc)
        shell_log(shell, LOG_TROUBLE, "a campaign of the store is left: %s", err.text);
    campaign_done(&campaign);
    buf_done(&bytes);
}

void campaigns_replan_failed(struct shell *shell)
{
    for (uint32_t i = 0; i < shell->n_campaigns; i++) {
        struct planner_status status;
        const struct campaign_run *run = &shell->campaigns[i];
        planner_status(run->planner, &status);
        if (status.failed && run->will != WILL_CANCEL) {
            struct hash id = run->id; /* the run is made anew */
            load_campaign(shell, &id);
        }
    }
}

int campaigns_load(struct shell *shell, struct err *err)
{
    struct refs refs = {0};
    int rc = store_each_ref(shell->store, ref_prefix, collect_ref, &refs, err);
    for (size_t i = 0; rc == 0 && i < refs.n; i++)
        load_campaign(shell, &refs.ids[i]);
    free(refs.ids);
    return rc;
}
