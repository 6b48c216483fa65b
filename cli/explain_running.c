/* Why does a task not run? From the store, and from the broker when one answers. */
#include "cli/explain.h"

#include "workers/runtime/client.h"

#include <string.h>

enum { OPEN_TOLD = 8 };

static long long number(const json_t *object, const char *key)
{
    return (long long)json_integer_value(json_object_get(object, key));
}

static const char *text(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));
    return value ? value : "";
}

/* What the broker's queue knows; NULL: no broker answers. */
static json_t *ask_broker(struct explain *explain, const struct hash *task)
{
    struct buf bytes = {0};
    json_t *live = NULL;
    if (explain->client && client_explain(explain->client, task, &bytes, NULL) == 0)
        live = json_loadb((const char *)bytes.data, bytes.size, 0, NULL);
    buf_done(&bytes);
    return live;
}

/* ---- ready, and nobody takes it ---- */

/* The condition that leaves no worker; in the order of struct broker_fit. A further condition
 * on workers is a further row. */
static void tell_no_worker(json_t *answer, const json_t *live, const struct action *action)
{
    const json_t *fit = json_object_get(live, "workers");
    if (!number(fit, "workers"))
        explain_tell(answer, "It is ready, but no worker is connected to the broker.");
    else if (!number(fit, "kind"))
        explain_tell(answer, "It is ready, but none of the %lld workers runs '%s'@%u.",
                     number(fit, "workers"), action->kind, action->revision);
    else if (!number(fit, "profile"))
        explain_tell(answer,
                     "It is ready, but none of the %lld workers that run '%s' has its numerics "
                     "profile, %s.",
                     number(fit, "kind"), action->kind, action->profile);
    else if (!number(fit, "able"))
        explain_tell(answer,
                     "It is ready, but none of the %lld workers that run '%s' has the memory, "
                     "gpus and tags that it needs; `wyckmill status` says what is missing.",
                     number(fit, "profile"), action->kind);
    else if (!number(fit, "open"))
        explain_tell(answer,
                     "It is ready, but all %lld workers that could run it are silent or leave.",
                     number(fit, "able"));
    else if (json_is_true(json_object_get(fit, "room")))
        explain_tell(answer, "It is ready; %lld workers can run it, and one has room.",
                     number(fit, "open"));
    else
        explain_tell(answer, "It is ready; the %lld workers that can run it are busy.",
                     number(fit, "open"));
}

static void tell_ready(json_t *answer, const json_t *live, const struct action *action)
{
    const char *share = text(live, "share");
    tell_no_worker(answer, live, action);
    explain_tell(answer,
                 "%s%lld ready tasks of %s%s like it come first; %lld tasks are ready in all.",
                 json_is_true(json_object_get(live, "before_is_least")) ? "At least " : "",
                 number(live, "before"), share[0] ? "campaign " : "audits", share,
                 number(live, "all_ready"));
    if (text(live, "avoids")[0])
        explain_tell(answer, "It does not go to %s while another worker can run it.",
                     text(live, "avoids"));
}

/* ---- the other states ---- */

static void tell_waiting(json_t *answer, const json_t *live, const struct action *action)
{
    const json_t *crashes = json_object_get(live, "crashed_on");
    size_t n = json_array_size(crashes);
    (void)action;
    explain_tell(answer,
                 "It waits %.1f s more: its last attempt crashed on %s (crash %zu; the third "
                 "is quarantine).",
                 json_number_value(json_object_get(live, "ready_in_s")),
                 n ? json_string_value(json_array_get(crashes, n - 1)) : "?", n);
}

static void tell_held(json_t *answer, const json_t *live, const struct action *action)
{
    const json_t *row;
    size_t i;
    (void)action;
    explain_tell(answer, "It is held: every campaign that wants it is paused.");
    json_array_foreach(json_object_get(live, "wanted_by"), i, row)
        explain_tell(answer, "wyckmill resume %s lets it go on.", text(row, "name"));
}

static void tell_leased(json_t *answer, const json_t *live, const struct action *action)
{
    const json_t *row;
    size_t i;
    (void)action;
    json_array_foreach(json_object_get(live, "leases"), i, row)
        explain_tell(answer, "It runs, or is about to, on %s: attempt %lld, for %.1f s.",
                     text(row, "worker"), number(row, "attempt"),
                     json_number_value(json_object_get(row, "for_s")));
    json_array_foreach(json_object_get(live, "crashed_on"), i, row)
        explain_tell(answer, "It crashed before on %s.", json_string_value(row));
}

static void tell_persisting(json_t *answer, const json_t *live, const struct action *action)
{
    (void)live;
    (void)action;
    explain_tell(answer, "Its result has come and is being made durable.");
}

/* Not in the queue, though somebody wants it: it waits for others. */
static void tell_needs(struct explain *explain, json_t *answer, const json_t *live)
{
    const json_t *row;
    size_t i;
    char name[EXPLAIN_NAME_SIZE];
    json_array_foreach(json_object_get(live, "needs"), i, row)
    {
        struct hash need;
        if (hash_parse(text(row, "task"), &need, NULL) == 0)
            explain_tell(answer,
                         "It waits for an input that gc freed: %s makes it again and is %s.",
                         explain_name(explain, &need, name), text(row, "state"));
    }
}

static void tell_absent(struct explain *explain, json_t *answer, const json_t *live,
                        const struct plan *plan)
{
    if (json_array_size(json_object_get(live, "needs"))) {
        tell_needs(explain, answer, live);
    } else if (json_array_size(json_object_get(live, "wanted_by"))) {
        explain_tell(answer, "The broker is about to queue it%s.",
                     json_is_true(json_object_get(live, "planning"))
                         ? ", once it has read what is there"
                         : "");
    } else if (!plan) {
        explain_tell(answer, "It is not in the broker's queue, and no campaign here has it.");
    } else if (!plan->current) {
        explain_tell(answer, "Nobody wants it: another campaign took the name '%s' since.",
                     plan->name);
    } else {
        explain_tell(answer,
                     "It is not in the broker's queue: campaign '%s' gave it up or is over.",
                     plan->name);
    }
}

static void tell_live(struct explain *explain, json_t *answer, const json_t *live,
                      const struct explained *task, const struct plan *plan)
{
    static const struct {
        const char *state;
        void (*tell)(json_t *, const json_t *, const struct action *);
    } states[] = {{"ready", tell_ready},
                  {"waiting", tell_waiting},
                  {"held", tell_held},
                  {"leased", tell_leased},
                  {"persisting", tell_persisting}};
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++)
        if (!strcmp(text(live, "state"), states[i].state)) {
            states[i].tell(answer, live, &task->action);
            return;
        }
    tell_absent(explain, answer, live, plan);
}

/* ---- without a broker ---- */

static void tell_will(json_t *answer, const struct plan *plan)
{
    if (plan && plan->will)
        explain_tell(answer, "Campaign '%s' is %s.", plan->name, plan->will);
}

static bool tell_quarantine(struct explain *explain, json_t *answer, const struct hash *task)
{
    char ref[STORE_REF_NAME_SIZE], hex[HASH_HEX_SIZE], end[16] = "", message[512] = "";
    struct document *document = NULL;
    struct buf bytes = {0};
    struct hash id;
    (void)snprintf(ref, sizeof ref, "quarantine/%s", hash_hex(task, hex));
    if (store_get_ref(explain->store, ref, &id, NULL))
        return false;
    if (!store_get(explain->store, &id, &bytes, NULL) &&
        !document_parse(buf_span(&bytes), &value_limits_message, &document, NULL)) {
        struct value map = document_root(document);
        (void)value_text(value_get(map, "end"), "end", end, sizeof end, NULL);
        (void)value_text(value_get(map, "message"), "message", message, sizeof message, NULL);
    }
    explain_tell(answer, "It is in quarantine (%s)%s%s. wyckmill retry %.16s lets it out.", end,
                 message[0] ? ": " : "", message, hex);
    document_free(document);
    buf_done(&bytes);
    return true;
}

static void tell_done(struct explain *explain, json_t *answer, const struct explained *task)
{
    char hex[HASH_HEX_SIZE];
    explain_tell(answer, "It is done: its result is in the store.");
    for (uint32_t i = 0; i < task->result.n_outputs; i++)
        if (!store_has(explain->store, &task->result.outputs[i].id))
            explain_tell(answer, "Its output %u, %s %.16s, was freed by gc.", i,
                         task->result.outputs[i].type,
                         hash_hex(&task->result.outputs[i].id, hex));
}

json_t *explain_running(struct explain *explain, const struct explained *task)
{
    const struct plan *plan = explain_plan_of(explain, &task->id);
    json_t *answer = json_object(), *live = ask_broker(explain, &task->id);
    bool queued = live && strcmp(text(live, "state"), "absent") != 0;
    if (json_is_true(json_object_get(live, "audit")))
        explain_tell(answer, "It is being computed again to compare (verify --recompute).");
    bool again = queued || json_array_size(json_object_get(live, "needs"));
    if (task->has_result)
        tell_done(explain, answer, task);
    if (!tell_quarantine(explain, answer, &task->id) && live && (again || !task->has_result))
        tell_live(explain, answer, live, task, plan);
    else if (!live && !task->has_result)
        explain_tell(answer, "No broker runs on this store, so nothing runs.");
    if (!task->has_result)
        tell_will(answer, plan);
    (void)json_object_set_new(answer, "done", json_boolean(task->has_result));
    (void)json_object_set_new(answer, "broker", live ? live : json_null());
    return answer;
}

/* ---- campaigns ---- */

/* In one line each: what the first open tasks wait for. */
static json_t *open_tasks(struct explain *explain, json_t *answer, const struct plan *plan)
{
    json_t *rows = json_array();
    uint32_t cursor = 0, n = 0;
    char name[EXPLAIN_NAME_SIZE];
    for (struct hash id; planner_next_wanted(plan->planner, &cursor, &id); n++) {
        struct explained task = {0};
        if (n >= OPEN_TOLD)
            continue;
        json_t *row = NULL;
        if (explain_load(explain, &id, &task, NULL) == 0)
            row = explain_running(explain, &task);
        const char *first =
            json_string_value(json_array_get(json_object_get(row, "sentences"), 0));
        explain_tell(answer, "%s: %s", explain_name(explain, &id, name),
                     first ? first : "Nobody has asked for it yet.");
        char hex[HASH_HEX_SIZE];
        (void)json_array_append_new(rows, json_pack("{s:s,s:o}", "task", hash_hex(&id, hex),
                                                    "running", row ? row : json_null()));
        explained_done(&task);
    }
    if (n > OPEN_TOLD)
        explain_tell(answer, "%u more tasks are open.", n - OPEN_TOLD);
    if (n)
        explain_tell(answer, "Later tasks have no id yet: theirs are the hashes of what these "
                             "will make.");
    return rows;
}

/* Of the plan, those without a result that are in quarantine. */
static void tell_lost(struct explain *explain, json_t *answer, const struct plan *plan)
{
    uint32_t told = 0;
    for (size_t i = 0; i < plan->n && told < OPEN_TOLD; i++) {
        struct result result = {0};
        char name[EXPLAIN_NAME_SIZE];
        json_t *one = json_object();
        if (store_get_result(explain->store, &plan->actions[i], &result, NULL) != 0 &&
            tell_quarantine(explain, one, &plan->actions[i])) {
            explain_tell(
                answer, "%s: %s", explain_name(explain, &plan->actions[i], name),
                json_string_value(json_array_get(json_object_get(one, "sentences"), 0)));
            told++;
        }
        result_done(&result);
        json_decref(one);
    }
}

json_t *explain_campaign(struct explain *explain, const struct plan *plan)
{
    struct planner_status status;
    json_t *answer = json_object();
    planner_status(plan->planner, &status);
    const char *state = plan->will && status.state == PLANNER_RUNNING
                            ? plan->will
                            : planner_state_text(status.state);
    explain_tell(answer,
                 "Campaign '%s' is %s%s%s: %llu of %llu tasks known so far have results.%s%s",
                 plan->name, state, status.state == PLANNER_RUNNING ? ", in stage " : "",
                 status.state == PLANNER_RUNNING ? status.stage : "",
                 (unsigned long long)status.finished, (unsigned long long)status.planned,
                 status.note[0] ? " " : "", status.note);
    if (!plan->current)
        explain_tell(answer, "Another campaign took its name since: nobody works on it.");
    if (status.state == PLANNER_RUNNING && !explain->client)
        explain_tell(answer, "No broker runs on this store, so nothing runs.");
    tell_lost(explain, answer, plan);
    json_t *rows =
        status.state == PLANNER_RUNNING ? open_tasks(explain, answer, plan) : json_array();
    (void)json_object_set_new(answer, "state", json_string(state));
    (void)json_object_set_new(answer, "open", rows);
    return answer;
}
