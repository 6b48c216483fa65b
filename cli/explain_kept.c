/* Why does gc keep a thing, or free it? By gc's own marking (broker/reach.h), ref by ref. */
#include "cli/explain.h"

#include "broker/reach.h"
#include "proto/event.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { GRACE_S = 3600 /* what gc leaves beside a broker when nobody says otherwise */ };

/* ---- the way from a campaign ---- */

static bool is_source(struct explain *explain, const struct hash *campaign,
                      const struct hash *object)
{
    struct campaign found = {0};
    struct buf bytes = {0};
    bool is = false;
    if (store_get(explain->store, campaign, &bytes, NULL) == 0 &&
        campaign_decode(buf_span(&bytes), &found, NULL) == 0)
        for (uint32_t i = 0; i < found.n_sources && !is; i++)
            is = hash_equal(&found.sources[i], object);
    campaign_done(&found);
    buf_done(&bytes);
    return is;
}

/* An action of the plan whose output it is. */
static const struct origin *maker_in(const struct explain *explain, const struct plan *plan,
                                     const struct hash *object)
{
    const struct origins *origins = &explain->origins;
    const struct origin *found = origins_find(origins, object);
    for (size_t i = found ? (size_t)(found - origins->items) : origins->n;
         i < origins->n && hash_equal(&origins->items[i].object, object); i++)
        if (plan_has(plan, &origins->items[i].action))
            return &origins->items[i];
    return NULL;
}

static void tell_way(struct explain *explain, json_t *answer, const struct reach_ref *ref,
                     const struct hash *object)
{
    const struct plan *plan = NULL;
    char hex[HASH_HEX_SIZE], name[EXPLAIN_NAME_SIZE];
    for (size_t i = 0; i < explain->n_plans && !plan; i++)
        if (hash_equal(&explain->plans[i].id, &ref->id))
            plan = &explain->plans[i];
    const struct origin *maker = plan ? maker_in(explain, plan, object) : NULL;
    (void)hash_hex(&ref->id, hex);
    if (hash_equal(&ref->id, object))
        explain_tell(answer, "It is kept: ref %s%s names it.",
                     ref->campaign     ? "campaigns/"
                     : ref->quarantine ? "quarantine/..."
                                       : "paused/... or cancelled/...",
                     ref->name);
    else if (ref->quarantine)
        explain_tell(answer, "It is kept: ref quarantine/%.16s -> the task or an input of it.",
                     hash_hex(&ref->task, hex));
    else if (plan && plan_has(plan, object))
        explain_tell(answer,
                     "It is kept: ref campaigns/%s -> campaign %.16s -> action of its plan.",
                     ref->name, hex);
    else if (maker)
        explain_tell(answer, "It is kept: ref campaigns/%s -> campaign %.16s -> %s -> output.",
                     ref->name, hex, explain_name(explain, &maker->action, name));
    else
        explain_tell(
            answer, "It is kept: ref campaigns/%s -> campaign %.16s -> %s.", ref->name, hex,
            is_source(explain, &ref->id, object) ? "source"
                                                 : "input of an action that has no result yet");
}

/* ---- nobody needs it ---- */

/* When it was stored or named last: that of the first event behind it, or nearly now. */
static int visit_event(void *context, uint64_t sequence, struct span event)
{
    struct document *document = NULL;
    uint64_t *unix_ms = context;
    (void)sequence;
    if (document_parse(event, &value_limits_message, &document, NULL) == 0)
        (void)value_u64(value_get(document_root(document), "time"), "time", 0, UINT64_MAX,
                        unix_ms, NULL);
    document_free(document);
    return 1;
}

static void tell_age(struct explain *explain, json_t *answer, const struct hash *object)
{
    uint64_t sequence, now_ms = (uint64_t)time(NULL) * 1000, at_ms = now_ms;
    char text[EVENT_TIME_SIZE];
    if (store_age(explain->store, object, &sequence, NULL))
        return;
    (void)store_each_event(explain->store, sequence, visit_event, &at_ms, NULL);
    if (at_ms + GRACE_S * 1000ull > now_ms)
        explain_tell(answer,
                     "It was stored or named not before %s: beside a broker, gc leaves it for "
                     "an hour (--grace).",
                     event_time(at_ms, text));
}

static void tell_unneeded(struct explain *explain, json_t *answer, const struct hash *object)
{
    const struct origin *maker = origins_find(&explain->origins, object);
    const struct plan *plan = maker ? explain_plan_of(explain, &maker->action) : NULL;
    char name[EXPLAIN_NAME_SIZE];
    if (plan && plan->current)
        explain_tell(
            answer,
            "gc frees it: a checkpoint of campaign '%s' before the last %d of its run; "
            "%s makes it again when a task needs it.",
            plan->name, REACH_CHECKPOINTS, explain_name(explain, &maker->action, name));
    else
        explain_tell(answer, "gc frees it: no ref, campaign or quarantine needs it%s%s.",
                     maker ? "; it was made by " : "",
                     maker ? explain_name(explain, &maker->action, name) : "");
    tell_age(explain, answer, object);
}

static void tell_freed(struct explain *explain, json_t *answer, const struct hash *action)
{
    char name[EXPLAIN_NAME_SIZE];
    const struct plan *plan = explain_plan_of(explain, action);
    explain_tell(answer, "gc freed it. %s%s%s makes it again as soon as a task needs it.",
                 explain_name(explain, action, name), plan ? ", of campaign " : "",
                 plan ? plan->name : "");
}

/* ---- marking ---- */

/* The first ref that leads to it. Errors: ERR_NOT_FOUND, and those of marking. */
static int find_ref(struct explain *explain, const struct hash *object, struct reach_ref *ret,
                    struct err *err)
{
    struct reach_refs refs = {0};
    struct store_gc *gc = NULL;
    struct reach *reach = NULL;
    bool kept = false;
    int rc = reach_refs(explain->store, &refs, err);
    if (rc == 0)
        rc = store_gc_begin(explain->store, store_sequence(explain->store), true, &gc, err);
    if (rc == 0)
        reach = reach_new(explain->store, gc, REACH_CHECKPOINTS);
    for (size_t i = 0; rc == 0 && !kept && i < refs.n; i++) {
        rc = reach_ref(reach, &refs.items[i], err);
        kept = store_gc_kept(gc, object);
        *ret = refs.items[i];
    }
    reach_free(reach);
    store_gc_end(gc);
    free(refs.items);
    return rc ? rc : kept ? 0 : ERR_NOT_FOUND;
}

json_t *explain_kept(struct explain *explain, const struct hash *object)
{
    json_t *answer = json_object();
    struct reach_ref ref;
    struct hash maker;
    struct err err = {0};
    const char *state = "kept";
    int rc = 0;
    if (store_pruned(explain->store, object, &maker, NULL) == 0) {
        tell_freed(explain, answer, &maker);
        state = "freed";
    } else if (!store_has(explain->store, object)) {
        explain_tell(answer, "It is not in the store, and gc did not free it: it is lost. "
                             "wyckmill fsck tells more.");
        state = "lost";
    } else if ((rc = find_ref(explain, object, &ref, &err)) == 0) {
        tell_way(explain, answer, &ref, object);
    } else if (rc == ERR_NOT_FOUND) {
        tell_unneeded(explain, answer, object);
        state = "unneeded";
    } else {
        explain_tell(answer, "gc frees nothing here: %s.", err.text);
    }
    (void)json_object_set_new(answer, "state", json_string(state));
    return answer;
}
