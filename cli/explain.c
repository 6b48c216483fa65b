/* What is known of a store's tasks: see explain.h. */
#include "cli/explain.h"

#include "broker/reach.h"
#include "cli/find.h"
#include "common/mem.h"

#include <stdlib.h>
#include <string.h>

enum { SENTENCE_SIZE_MAX = 700, OLD_PLANS_MAX = 64 };

void explain_tell(json_t *answer, const char *format, ...)
{
    char sentence[SENTENCE_SIZE_MAX];
    struct buf text = {0};
    json_t *sentences = json_object_get(answer, "sentences");
    va_list args;
    va_start(args, format);
    (void)vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    if (!sentences) {
        sentences = json_array();
        (void)json_object_set_new(answer, "sentences", sentences);
    }
    value_print_json_text(span_text(sentence), &text); /* it may be cut within a character */
    (void)json_array_append_new(
        sentences, json_loadb((const char *)text.data, text.size, JSON_DECODE_ANY, NULL));
    buf_done(&text);
}

/* ---- tasks ---- */

int explain_action(struct explain *explain, const struct hash *task, struct action *ret,
                   struct err *err)
{
    struct buf bytes = {0};
    int rc = store_get(explain->store, task, &bytes, err);
    if (rc == 0)
        rc = action_decode(buf_span(&bytes), ret, err);
    buf_done(&bytes);
    return rc;
}

int explain_load(struct explain *explain, const struct hash *task, struct explained *ret,
                 struct err *err)
{
    *ret = (struct explained){.id = *task};
    int rc = explain_action(explain, task, &ret->action, err);
    ret->has_result =
        rc == 0 && store_get_result(explain->store, task, &ret->result, NULL) == 0;
    return rc;
}

void explained_done(struct explained *task)
{
    action_done(&task->action);
    result_done(&task->result);
    *task = (struct explained){0};
}

const char *explain_name(struct explain *explain, const struct hash *action,
                         char ret[EXPLAIN_NAME_SIZE])
{
    struct action found = {0};
    char hex[HASH_HEX_SIZE];
    if (explain_action(explain, action, &found, NULL))
        (void)snprintf(found.kind, sizeof found.kind, "action");
    (void)snprintf(ret, EXPLAIN_NAME_SIZE, "%s %.16s", found.kind, hash_hex(action, hex));
    action_done(&found);
    return ret;
}

/* ---- plans ---- */

static int compare(const void *a, const void *b)
{
    return hash_compare(a, b);
}

bool plan_has(const struct plan *plan, const struct hash *action)
{
    return plan->n && bsearch(action, plan->actions, plan->n, sizeof *action, compare);
}

const struct plan *explain_plan_of(const struct explain *explain, const struct hash *action)
{
    for (size_t i = 0; i < explain->n_plans; i++)
        if (plan_has(&explain->plans[i], action))
            return &explain->plans[i];
    return NULL;
}

/* What has no result stays open: a broker may be at it. */
static void replay(struct store *store, struct planner *planner)
{
    const struct action *action;
    struct hash id;
    while (planner_next(planner, &action, &id, NULL) == 0) {
        struct result result = {0};
        if (store_get_result(store, &id, &result, NULL) == 0 &&
            planner_result(planner, &id, &result, NULL) != 0)
            planner_failed(planner, &id, "its result does not fit");
        result_done(&result);
    }
}

static void list_actions(struct plan *plan)
{
    size_t capacity = 0;
    uint32_t cursor = 0;
    for (struct hash id; planner_next_known(plan->planner, &cursor, &id);) {
        mem_reserve(plan->actions, capacity, plan->n + 1);
        plan->actions[plan->n++] = id;
    }
    if (plan->n)
        qsort(plan->actions, plan->n, sizeof *plan->actions, compare);
}

/* A campaign that cannot be planned is left out: gc and the broker say so. */
static void add_plan(struct explain *explain, const struct hash *id, bool current)
{
    struct plan plan = {.id = *id, .current = current};
    struct campaign campaign = {0};
    struct buf bytes = {0};
    for (size_t i = 0; i < explain->n_plans; i++)
        if (hash_equal(&explain->plans[i].id, id))
            return;
    if (store_get(explain->store, id, &bytes, NULL) == 0 &&
        campaign_decode(buf_span(&bytes), &campaign, NULL) == 0 &&
        planner_new(&campaign, &plan.planner, NULL) == 0) {
        (void)snprintf(plan.name, sizeof plan.name, "%s", campaign.name);
        plan.will = current ? find_campaign_will(explain->store, plan.name, id) : NULL;
        replay(explain->store, plan.planner);
        list_actions(&plan);
        mem_reserve(explain->plans, explain->capacity, explain->n_plans + 1);
        explain->plans[explain->n_plans++] = plan;
    }
    campaign_done(&campaign);
    buf_done(&bytes);
}

struct old {
    struct hash ids[OLD_PLANS_MAX];
    size_t n;
};

static int collect_campaign(void *context, const struct store_info *info)
{
    struct old *old = context;
    if (!strcmp(info->type, "campaign") && old->n < OLD_PLANS_MAX)
        old->ids[old->n++] = info->id;
    return 0;
}

int explain_begin(struct explain *explain, struct store *store, struct client *client,
                  struct err *err)
{
    struct reach_refs refs = {0};
    struct old old = {.n = 0};
    *explain = (struct explain){.store = store, .client = client};
    int rc = origins_load(store, &explain->origins, err);
    if (rc == 0)
        rc = reach_refs(store, &refs, err);
    for (size_t i = 0; rc == 0 && i < refs.n; i++)
        if (refs.items[i].campaign)
            add_plan(explain, &refs.items[i].id, true);
    if (rc == 0)
        rc = store_each_object(store, collect_campaign, &old, err);
    for (size_t i = 0; rc == 0 && i < old.n; i++)
        add_plan(explain, &old.ids[i], false);
    free(refs.items);
    return rc;
}

void explain_done(struct explain *explain)
{
    for (size_t i = 0; i < explain->n_plans; i++) {
        planner_free(explain->plans[i].planner);
        free(explain->plans[i].actions);
    }
    free(explain->plans);
    origins_done(&explain->origins);
}
