/* The broker's state as JSON: what `wyckmill status` shows and scripts read. */
#include "broker/shell.h"

#include "common/cleanup.h"

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
    return json_pack("{s:o,s:o,s:o,s:o,s:o,s:f,s:b}", "name", text(peer->name), "key",
                     peer->user[0] ? text(peer->user) : json_null(), "kinds",
                     text(peer->kinds_text), "slots", integer(peer->slots), "leases",
                     integer(worker->leases), "last_seen_s", (double)silence_ms / 1000,
                     "drained", worker->draining);
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

static json_t *campaign_json(const struct campaign_run *run)
{
    struct planner_status status;
    char hex[HASH_HEX_SIZE];
    planner_status(run->planner, &status);
    return json_pack(
        "{s:s,s:s,s:s,s:s,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "name", run->name,
        "id", hash_hex(&run->id, hex), "state", campaigns_state_text(run), "stage",
        status.stage, "planned", integer(status.planned), "finished", integer(status.finished),
        "failed", integer(status.failed), "executed", integer(run->executed), "cached",
        integer(run->cached), "rounds", integer(status.rounds), "bytes", integer(status.bytes),
        "slot_hours", hours_or_null(run->timed, &status), "candidates",
        hash_or_null(&status.candidates), "dataset", hash_or_null(&status.dataset), "rejects",
        hash_or_null(&status.rejects), "note", text(status.note));
}

static json_t *campaigns_json(const struct shell *shell, const struct hash *campaign)
{
    static const struct hash all;
    json_t *array = json_array();
    for (uint32_t i = 0; i < shell->n_campaigns; i++)
        if (hash_equal(campaign, &all) || hash_equal(campaign, &shell->campaigns[i].id))
            (void)json_array_append_new(array, campaign_json(&shell->campaigns[i]));
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
