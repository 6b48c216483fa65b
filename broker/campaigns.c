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
        if (!planner_wants(run->planner, task))
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
        if (!planner_wants(run->planner, task))
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

static int queue_action(struct shell *shell, const struct campaign_run *run,
                        const struct action *action, const struct hash *id, struct err *err)
{
    struct broker_event event = {
        .type = BROKER_EVENT_TASK_ADD, .task = *id, .priority = run->priority};
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
    return counts.ready + counts.waiting + counts.leased + counts.persisting >=
           BROKER_TASKS_MAX;
}

static void plan_run(struct shell *shell, struct campaign_run *run, int *budget)
{
    const struct action *action;
    struct hash id;
    while (run->hungry && *budget > 0 && !queue_is_full(shell)) {
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
        hungry = hungry || shell->campaigns[i].hungry;
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

static bool is_wanted(const struct shell *shell, const struct hash *task)
{
    for (uint32_t i = 0; i < shell->n_campaigns; i++)
        if (planner_wants(shell->campaigns[i].planner, task))
            return true;
    return recover_wants(shell, task);
}

/* The planner leaves; what only it waited for is cancelled. */
static void drop_planner(struct shell *shell, struct planner *planner)
{
    uint32_t cursor = 0;
    struct hash task;
    struct err err;
    while (planner_next_wanted(planner, &cursor, &task))
        if (!is_wanted(shell, &task) &&
            shell_step(shell,
                       (struct broker_event){.type = BROKER_EVENT_TASK_CANCEL, .task = task},
                       NULL, &err))
            shell_log(shell, LOG_TROUBLE, "cancel: %s", err.text);
        else if (!is_wanted(shell, &task))
            recover_forget(shell, &task);
    planner_free(planner);
}

static struct campaign_run *find_run(const struct shell *shell, const char *name)
{
    for (uint32_t i = 0; i < shell->n_campaigns; i++)
        if (!strcmp(shell->campaigns[i].name, name))
            return &shell->campaigns[i];
    return NULL;
}

bool campaigns_has(const struct shell *shell, const char *name, const struct hash *id)
{
    const struct campaign_run *run = find_run(shell, name);
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

/* Begin the campaign, in the place of one with the same name. */
static void begin_run(struct shell *shell, const struct campaign *campaign,
                      const struct hash *id, struct planner *planner)
{
    struct campaign_run *run = find_run(shell, campaign->name);
    if (!run)
        run = add_run(shell, campaign->name);
    struct planner *old = run->planner;
    run->planner = planner;
    run->id = *id;
    run->priority = campaign->priority;
    run->executed = run->cached = 0;
    run->hungry = true;
    run->over = false;
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
                          const struct hash *id, struct err *err)
{
    struct planner *planner;
    int rc = check_sources(shell, campaign, err);
    if (rc == 0 && !find_run(shell, campaign->name) && shell->n_campaigns == CAMPAIGNS_MAX)
        rc = err_set(err, ERR_FULL, "%d campaigns are here, no more are taken", CAMPAIGNS_MAX);
    if (rc == 0)
        rc = planner_new(campaign, &planner, err);
    if (rc == 0)
        begin_run(shell, campaign, id, planner);
    return rc;
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
    const struct campaign_run *running = find_run(shell, campaign.name);
    if (!running || running->over || !hash_equal(&running->id, ret_id)) {
        rc = start_campaign(shell, &campaign, ret_id, err);
        if (rc == 0) {
            rc = put_campaign(shell, campaign.name, bytes, err);
            if (rc)
                shell_store_failed(shell, err);
            record_campaign(shell, "submitted", find_run(shell, campaign.name));
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
        rc = start_campaign(shell, &campaign, id, &err);
    if (rc)
        shell_log(shell, LOG_TROUBLE, "a campaign of the store is left: %s", err.text);
    campaign_done(&campaign);
    buf_done(&bytes);
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
