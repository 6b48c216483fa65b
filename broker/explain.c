/* Why does a task not run? What the queue knows, as JSON; `wyckmill explain` puts it into
 * words. Looks at nothing but memory, so one answer costs microseconds. */
#include "broker/shell.h"

#include "common/cleanup.h"

#include <jansson.h>
#include <stdlib.h>

enum { NEEDS_TOLD = 16 };

static const char *state_text(enum broker_task_state state)
{
    static const char *const texts[] = {
        [BROKER_TASK_READY] = "ready",
        [BROKER_TASK_WAITING] = "waiting",
        [BROKER_TASK_HELD] = "held",
        [BROKER_TASK_LEASED] = "leased",
        [BROKER_TASK_PERSISTING] = "persisting",
    };
    return texts[state];
}

/* A worker that has gone has no name any more. */
static json_t *name_json(const struct shell *shell, uint32_t worker)
{
    const struct peer *peer = peers_by_worker(shell->peers, worker);
    json_t *name = peer ? json_string(peer->name) : NULL;
    return name ? name : json_string("a worker that is gone");
}

static json_t *hash_json(const struct hash *hash)
{
    char hex[HASH_HEX_SIZE];
    return json_string(hash_hex(hash, hex));
}

static double seconds_since(const struct shell *shell, uint64_t ms)
{
    return (double)(shell->now_ms - ms) / 1000;
}

static json_t *leases_json(const struct shell *shell, const struct broker_why *why)
{
    json_t *leases = json_array();
    for (uint32_t i = 0; i < why->n_leases; i++)
        (void)json_array_append_new(
            leases,
            json_pack("{s:o,s:I,s:f}", "worker", name_json(shell, why->leases[i].worker),
                      "attempt", (json_int_t)why->leases[i].attempt, "for_s",
                      seconds_since(shell, why->leases[i].begin_ms)));
    return leases;
}

static json_t *crashes_json(const struct shell *shell, const struct broker_why *why)
{
    json_t *crashes = json_array();
    for (uint32_t i = 0; i < why->crashes && i < BROKER_CRASHES_MAX; i++)
        (void)json_array_append_new(crashes, name_json(shell, why->crashed_on[i]));
    return crashes;
}

/* How many workers are left after each condition; one that comes has its row here. */
static json_t *fit_json(const struct broker_fit *fit)
{
    return json_pack("{s:I,s:I,s:I,s:I,s:I,s:b}", "workers", (json_int_t)fit->workers, "kind",
                     (json_int_t)fit->kind, "profile", (json_int_t)fit->profile, "able",
                     (json_int_t)fit->able, "open", (json_int_t)fit->open, "room", fit->room);
}

static void add_queue(const struct shell *shell, const struct broker_why *why, json_t *root)
{
    const char *campaign =
        why->share < shell->n_campaigns ? shell->campaigns[why->share].name : NULL;
    json_t *more = json_pack(
        "{s:s,s:s?,s:i,s:I,s:o,s:o,s:o,s:I,s:b,s:I}", "state", state_text(why->state), "share",
        campaign, "priority", why->priority, "attempt", (json_int_t)why->attempt, "leases",
        leases_json(shell, why), "crashed_on", crashes_json(shell, why), "workers",
        fit_json(&why->fit), "before", (json_int_t)why->before, "before_is_least",
        why->before == BROKER_WHY_BEFORE, "all_ready", (json_int_t)why->ready);
    if (why->state == BROKER_TASK_WAITING)
        (void)json_object_set_new(
            more, "ready_in_s",
            json_real((double)why->ready_ms / 1000 - (double)shell->now_ms / 1000));
    if (why->avoid)
        (void)json_object_set_new(more, "avoids", name_json(shell, why->avoid - 1));
    (void)json_object_update(root, more);
    json_decref(more);
}

/* Tasks that make again what gc freed of its inputs, and where they stand. */
static json_t *needs_json(const struct shell *shell, const struct hash *task)
{
    json_t *needs = json_array();
    struct hash need;
    for (uint32_t i = 0; i < NEEDS_TOLD && recover_need(shell, task, i, &need); i++) {
        enum broker_task_state state;
        bool queued = broker_core_task(shell->core, &need, &state, NULL) == 0;
        (void)json_array_append_new(needs,
                                    json_pack("{s:o,s:s}", "task", hash_json(&need), "state",
                                              queued ? state_text(state) : "waiting"));
    }
    return needs;
}

static json_t *campaigns_json(const struct shell *shell, const struct hash *task)
{
    json_t *rows = json_array();
    for (uint32_t i = 0; i < shell->n_campaigns; i++)
        if (planner_wants(shell->campaigns[i].planner, task))
            (void)json_array_append_new(
                rows, json_pack("{s:s,s:s}", "name", shell->campaigns[i].name, "state",
                                campaigns_state_text(&shell->campaigns[i])));
    return rows;
}

void explain_print(struct shell *shell, const struct hash *task, struct buf *out)
{
    struct broker_why why;
    char quarantine[SENTENCE_SIZE];
    json_t *root = json_pack("{s:o,s:s,s:b,s:o,s:o,s:b}", "task", hash_json(task), "state",
                             "absent", "audit", audit_has(shell, task), "needs",
                             needs_json(shell, task), "wanted_by", campaigns_json(shell, task),
                             "planning", campaigns_replaying(shell));
    if (broker_core_why(shell->core, task, &why, NULL) == 0)
        add_queue(shell, &why, root);
    if (record_quarantine_find(shell, task, quarantine) == 0) {
        json_t *text = json_string(quarantine);
        (void)json_object_set_new(root, "quarantine", text ? text : json_string("?"));
    }
    cleanup(free_ptr) char *json = root ? json_dumps(root, JSON_COMPACT) : NULL;
    buf_print(out, "%s", json ? json : "{}");
    json_decref(root);
}
