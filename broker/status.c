/* The broker's state as JSON: what `wyckmill status` shows and scripts read. */
#include "broker/shell.h"

#include "common/cleanup.h"
#include "common/mem.h"
#include "proto/kinds.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

static json_t *integer(uint64_t value)
{
    return json_integer((json_int_t)value);
}

/* Null when all zero: not there yet. */
static json_t *hash_or_null(const struct hash *hash)
{
    static const struct hash none;
    char hex[HASH_HEX_SIZE];
    return hash_equal(hash, &none) ? json_null() : json_string(hash_hex(hash, hex));
}

/* Text from outside may be cut within a character; then it is no JSON string. */
static json_t *text(const char *value)
{
    json_t *string = json_string(value);
    return string ? string : json_string("?");
}

static json_t *broker_json(const struct shell *shell)
{
    char epoch[20];
    (void)snprintf(epoch, sizeof epoch, "%016llx", (unsigned long long)shell->epoch);
    return json_pack("{s:s,s:I,s:s,s:f,s:b,s:f,s:f,s:o}", "endpoint", shell->address.endpoint,
                     "pid", (json_int_t)getpid(), "epoch", epoch, "uptime_s",
                     (double)shell->now_ms / 1000, "keys", shell->options->keys != NULL,
                     "round_max_s", 1e-6 * (double)shell->round.work_us_max, "commit_max_s",
                     1e-6 * (double)shell->round.commit_us_max, "sent_bytes",
                     integer(shell->sent_bytes));
}

static json_t *tasks_json(const struct shell *shell, const struct broker_counts *counts)
{
    return json_pack("{s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "ready", integer(counts->ready),
                     "waiting", integer(counts->waiting), "held", integer(counts->held),
                     "leased", integer(counts->leased + counts->persisting), "done",
                     integer(counts->done), "failed", integer(counts->failed), "quarantined",
                     integer(shell->quarantined), "races", integer(counts->races), "races_won",
                     integer(counts->races_won));
}

static json_t *worker_json(const struct shell *shell, const struct peer *peer,
                           const struct broker_worker *worker)
{
    uint64_t silence_ms = shell->now_ms - worker->last_seen_ms;
    return json_pack("{s:o,s:o,s:o,s:o,s:o,s:f,s:b,s:o,s:o,s:o,s:o}", "name", text(peer->name),
                     "key", peer->user[0] ? text(peer->user) : json_null(), "kinds",
                     text(peer->kinds_text), "slots", integer(peer->slots), "leases",
                     integer(worker->leases), "last_seen_s", (double)silence_ms / 1000,
                     "drained", worker->draining, "memory", integer(worker->has.memory_bytes),
                     "memory_leased", integer(worker->leased.memory_bytes), "gpus",
                     integer(worker->has.gpus), "tags", text(peer->tags_text));
}

static json_t *workers_json(const struct shell *shell)
{
    json_t *array = json_array();
    struct broker_worker worker;
    for (struct peer *peer = NULL; (peer = peers_next(shell->peers, peer));)
        if (peer->worker && broker_core_worker(shell->core, peer->worker, &worker, NULL) == 0)
            (void)json_array_append_new(array, worker_json(shell, peer, &worker));
    return array;
}

/* Null without a budget of them: nobody counts. */
static json_t *hours_or_null(bool timed, const struct planner_status *status)
{
    return timed ? json_real((double)status->slot_us / 3600e6) : json_null();
}

/* ---- what a campaign waits for ---- */

/* Does it get new tasks, and run the kind? */
static bool is_open(const struct shell *shell, const struct peer *peer,
                    const struct broker_unmet *unmet)
{
    struct broker_worker worker;
    return peer->worker && peer->kinds >> unmet->kind & 1 &&
           broker_core_worker(shell->core, peer->worker, &worker, NULL) == 0 &&
           !worker.silent && !worker.draining;
}

/* Has any of them these? `profile_id` 0: whatever its profile. */
static bool is_offered(const struct shell *shell, const struct broker_unmet *unmet,
                       uint32_t profile_id, struct broker_needs needs)
{
    for (struct peer *peer = NULL; (peer = peers_next(shell->peers, peer));)
        if (is_open(shell, peer, unmet) && (!profile_id || peer->profile_id == profile_id) &&
            !(needs.tags & ~peer->has.tags) && peer->has.memory_bytes >= needs.memory_bytes &&
            peer->has.gpus >= needs.gpus)
            return true;
    return false;
}

/* The first tag that no worker has; NULL. */
static const char *missing_tag(const struct shell *shell, const struct broker_unmet *unmet)
{
    for (uint32_t t = 0; t < shell->n_tags; t++) {
        uint64_t tag = unmet->needs.tags & UINT64_C(1) << t;
        if (tag && !is_offered(shell, unmet, 0, (struct broker_needs){.tags = tag}))
            return shell->tags[t];
    }
    return NULL;
}

/* By share, what no worker has. */
struct unmet_list {
    struct broker_unmet items[CAMPAIGNS_MAX];
    uint32_t n;
};

static struct unmet_list *unmet_list_new(const struct shell *shell)
{
    struct unmet_list *list = mem_new(1, sizeof *list);
    for (uint32_t i = 0; i < shell->n_campaigns; i++)
        list->n += broker_core_unmet(shell->core, i, &list->items[list->n]);
    return list;
}

/* A task that several campaigns want stands in the share of one of them. */
static const struct broker_unmet *find_unmet(const struct unmet_list *list,
                                             const struct campaign_run *run)
{
    for (uint32_t i = 0; run->will == WILL_RUN && i < list->n; i++)
        if (planner_wants(run->planner, &list->items[i].task))
            return &list->items[i];
    return NULL;
}

/* Why the tasks of the campaign that could begin do not; "": nothing is in their way but that
 * others run. */
static void say_waits(const struct shell *shell, const struct broker_unmet *unmet, char *ret,
                      size_t size)
{
    ret[0] = '\0';
    if (!unmet)
        return;
    const struct broker_needs *needs = &unmet->needs;
    const char *kind = kinds[unmet->kind].name, *tag = missing_tag(shell, unmet);
    char text[32];
    if (!is_offered(shell, unmet, 0, (struct broker_needs){0}))
        (void)snprintf(ret, size, "no worker runs %s", kind);
    else if (!is_offered(shell, unmet, unmet->profile_id, (struct broker_needs){0}))
        (void)snprintf(ret, size, "%s: no worker has the numerics profile '%s'", kind,
                       shell->profiles[unmet->profile_id - 1]);
    else if (tag)
        (void)snprintf(ret, size, "%s: no worker has tag %s", kind, tag);
    else if (!is_offered(shell, unmet, 0,
                         (struct broker_needs){.memory_bytes = needs->memory_bytes}))
        (void)snprintf(ret, size, "%s: no worker has %s", kind,
                       bytes_text(needs->memory_bytes, text, sizeof text));
    else if (!is_offered(shell, unmet, 0, (struct broker_needs){.gpus = needs->gpus}))
        (void)snprintf(ret, size, "%s: no worker has %u gpus", kind, needs->gpus);
    else
        (void)snprintf(ret, size, "%s: no worker has all that it needs at once", kind);
}

static json_t *campaign_json(const struct shell *shell, const struct unmet_list *list,
                             const struct campaign_run *run)
{
    struct planner_status status;
    char hex[HASH_HEX_SIZE], waits[SENTENCE_SIZE];
    say_waits(shell, find_unmet(list, run), waits, sizeof waits);
    planner_status(run->planner, &status);
    return json_pack(
        "{s:s,s:s,s:s,s:s,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "name", run->name,
        "id", hash_hex(&run->id, hex), "state", campaigns_state_text(run), "stage",
        status.stage, "planned", integer(status.planned), "finished", integer(status.finished),
        "failed", integer(status.failed), "executed", integer(run->executed), "cached",
        integer(run->cached), "rounds", integer(status.rounds), "bytes", integer(status.bytes),
        "slot_hours", hours_or_null(run->timed, &status), "candidates",
        hash_or_null(&status.candidates), "dataset", hash_or_null(&status.dataset), "rejects",
        hash_or_null(&status.rejects), "note", text(status.note),
        "waits", text(waits));
}

static json_t *campaigns_json(const struct shell *shell, const struct hash *campaign)
{
    static const struct hash all;
    json_t *array = json_array();
    cleanup(free_ptr) struct unmet_list *list = unmet_list_new(shell);
    for (uint32_t i = 0; i < shell->n_campaigns; i++)
        if (hash_equal(campaign, &all) || hash_equal(campaign, &shell->campaigns[i].id))
            (void)json_array_append_new(array,
                                        campaign_json(shell, list, &shell->campaigns[i]));
    return array;
}

void status_print(const struct shell *shell, const struct hash *campaign, struct buf *out)
{
    struct broker_counts counts;
    broker_core_counts(shell->core, &counts);
    json_t *root =
        json_pack("{s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "broker", broker_json(shell), "tasks",
                  tasks_json(shell, &counts), "executed", integer(shell->executed), "cached",
                  integer(shell->cached), "failed", integer(shell->failed), "workers",
                  workers_json(shell), "campaigns", campaigns_json(shell, campaign));
    cleanup(free_ptr) char *json = root ? json_dumps(root, JSON_COMPACT) : NULL;
    buf_print(out, "%s", json ? json : "{}");
    json_decref(root);
}
