/* What a broker does, or what a store without a broker holds: see status.h. */
#include "cli/status.h"

#include "broker/broker.h"
#include "cli/find.h"
#include "common/cleanup.h"
#include "workers/runtime/client.h"

#include <string.h>

/* ---- without a broker: the same document, from the store ---- */

static int add_campaign(void *context, const char *name, const struct hash *id)
{
    (void)id;
    return json_array_append_new(context, json_string(strchr(name, '/') + 1));
}

static json_t *campaign_json(struct store *store, const char *name)
{
    struct campaign campaign = {0};
    struct planner_status status = {0};
    struct hash id;
    char hex[HASH_HEX_SIZE], candidates[HASH_HEX_SIZE];
    static const struct hash none;
    json_t *row = NULL;
    if (!find_campaign(store, name, &campaign, &id, NULL) &&
        !find_campaign_status(store, &campaign, &status, NULL)) {
        const char *will = find_campaign_will(store, name, &id);
        row = json_pack(
            "{s:s,s:s,s:s,s:s,s:I,s:I,s:I,s:I,s:I,s:o,s:s}", "name", name, "id",
            hash_hex(&id, hex), "state",
            will && status.state == PLANNER_RUNNING ? will : planner_state_text(status.state),
            "stage", status.stage, "planned", (json_int_t)status.planned, "finished",
            (json_int_t)status.finished, "failed", (json_int_t)status.failed, "rounds",
            (json_int_t)status.rounds, "bytes", (json_int_t)status.bytes, "slot_hours",
            campaign.budget_slot_hours > 0 ? json_real((double)status.slot_us / 3600e6)
                                           : json_null(),
            "note", status.note);
        (void)json_object_set_new(row, "candidates",
                                  hash_equal(&status.candidates, &none)
                                      ? json_null()
                                      : json_string(hash_hex(&status.candidates, candidates)));
    }
    campaign_done(&campaign);
    return row ? row : json_pack("{s:s,s:s}", "name", name, "state", "unreadable");
}

static int store_status(const char *path, json_t **ret, struct err *err)
{
    cleanup(store_close_ptr) struct store *store = NULL;
    json_t *names = json_array(), *campaigns = json_array(), *name;
    size_t i;
    int rc = find_store_open(path, &store, err);
    if (!rc)
        rc = store_each_ref(store, "campaigns/", add_campaign, names, err);
    if (!rc) {
        json_array_foreach(names, i, name)(void)
            json_array_append_new(campaigns, campaign_json(store, json_string_value(name)));
        *ret = json_pack("{s:n,s:o,s:[]}", "broker", "campaigns", json_incref(campaigns),
                         "workers");
    }
    json_decref(names);
    json_decref(campaigns);
    return rc;
}

static int broker_status(const char *address, const char *keys, json_t **ret, struct err *err)
{
    cleanup(client_close_ptr) struct client *client = NULL;
    struct buf json = {0};
    int rc = client_open_keys(address, keys, CLIENT_TIMEOUT_MS, &client, err);
    if (!rc)
        rc = client_status(client, NULL, &json, err);
    if (!rc && !(*ret = json_loadb((const char *)json.data, json.size, 0, NULL)))
        rc = err_set(err, ERR_CORRUPT, "the broker's status is no JSON");
    buf_done(&json);
    return rc;
}

int status_fetch(const char *connect, const char *keys, const char *store, json_t **ret,
                 struct err *err)
{
    struct broker_address address;
    if (connect)
        return broker_status(connect, keys, ret, err);
    if (broker_find(find_store_path(store), &address, NULL) ||
        broker_status(address.endpoint, address.keys ? keys : "", ret, NULL))
        return store_status(store, ret, err);
    return 0;
}

/* ---- for people ---- */

static long long number(const json_t *object, const char *key)
{
    return (long long)json_integer_value(json_object_get(object, key));
}

static const char *text(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));
    return value ? value : "";
}

static void print_broker(const json_t *root, FILE *out)
{
    const json_t *broker = json_object_get(root, "broker");
    const json_t *tasks = json_object_get(root, "tasks");
    if (!json_is_object(broker)) {
        (void)fprintf(out, "no broker runs on this store\n");
        return;
    }
    (void)fprintf(out, "broker   %s, pid %lld, up %.0f s\n", text(broker, "endpoint"),
                  number(broker, "pid"),
                  json_number_value(json_object_get(broker, "uptime_s")));
    (void)fprintf(out,
                  "tasks    %lld ready, %lld waiting, %lld held, %lld leased, %lld done, %lld "
                  "failed, %lld "
                  "quarantined\n",
                  number(tasks, "ready"), number(tasks, "waiting"), number(tasks, "held"),
                  number(tasks, "leased"), number(tasks, "done"), number(tasks, "failed"),
                  number(tasks, "quarantined"));
    (void)fprintf(out,
                  "this run %lld executed, %lld from the cache, %lld failed, %lld raced (%lld "
                  "won by the rival), %.1f MB of objects sent\n",
                  number(root, "executed"), number(root, "cached"), number(root, "failed"),
                  number(tasks, "races"), number(tasks, "races_won"),
                  1e-6 * (double)number(broker, "sent_bytes"));
}

void status_show(const json_t *root, FILE *out)
{
    const json_t *row;
    size_t i;
    print_broker(root, out);
    json_array_foreach(json_object_get(root, "workers"), i, row)(void)
        fprintf(out, "worker   %-28s %lld slots, %lld leases, last seen %.1f s ago%s\n",
                text(row, "name"), number(row, "slots"), number(row, "leases"),
                json_number_value(json_object_get(row, "last_seen_s")),
                json_is_true(json_object_get(row, "drained")) ? ", drained" : "");
    json_array_foreach(json_object_get(root, "campaigns"), i, row)(void)
        fprintf(out, "campaign %-20s %-8s %-10s %lld of %lld tasks, %lld failed %s%s%s\n",
                text(row, "name"), text(row, "state"), text(row, "stage"),
                number(row, "finished"), number(row, "planned"), number(row, "failed"),
                text(row, "note"), text(row, "waits")[0] ? "waits: " : "", text(row, "waits"));
}

/* ---- for Prometheus ---- */

static void metric(FILE *out, const char *name, const char *type, const char *help)
{
    (void)fprintf(out, "# HELP wyckmill_%s %s\n# TYPE wyckmill_%s %s\n", name, help, name,
                  type);
}

/* A label's value: backslash, quote and line end are escaped. */
static void print_label(FILE *out, const char *key, const char *value)
{
    (void)fprintf(out, "%s=\"", key);
    for (; *value; value++) {
        if (*value == '\\' || *value == '"')
            (void)fputc('\\', out);
        if (*value == '\n')
            (void)fputs("\\n", out);
        else
            (void)fputc(*value, out);
    }
    (void)fputc('"', out);
}

/* One sample per row and per key: {WHAT="row's name",KEYS_ARE="key"}. */
static void print_samples(FILE *out, const char *name, const json_t *rows, const char *what,
                          const char *keys_are, const char *const *keys)
{
    const json_t *row;
    size_t i;
    json_array_foreach(rows, i, row) for (const char *const *key = keys; *key; key++)
    {
        if (!json_is_number(json_object_get(row, *key)))
            continue;
        (void)fprintf(out, "wyckmill_%s{", name);
        print_label(out, what, text(row, "name"));
        if (keys_are) {
            (void)fputc(',', out);
            print_label(out, keys_are, *key);
        }
        (void)fprintf(out, "} %.15g\n", json_number_value(json_object_get(row, *key)));
    }
}

static void print_broker_metrics(const json_t *root, FILE *out)
{
    static const char *const states[] = {"ready", "waiting", "held", "leased"};
    static const char *const results[] = {"executed", "cached", "failed"};
    const json_t *broker = json_object_get(root, "broker");
    const json_t *tasks = json_object_get(root, "tasks");
    metric(out, "up", "gauge", "1 while a broker answers.");
    (void)fprintf(out, "wyckmill_up %d\n", json_is_object(broker));
    if (!json_is_object(broker))
        return;
    metric(out, "round_seconds_max", "gauge",
           "Longest round of this broker run, without its commit.");
    (void)fprintf(out, "wyckmill_round_seconds_max %.6f\n",
                  json_number_value(json_object_get(broker, "round_max_s")));
    metric(out, "commit_seconds_max", "gauge", "Longest commit of this broker run.");
    (void)fprintf(out, "wyckmill_commit_seconds_max %.6f\n",
                  json_number_value(json_object_get(broker, "commit_max_s")));
    metric(out, "uptime_seconds", "gauge", "Age of this broker run.");
    (void)fprintf(out, "wyckmill_uptime_seconds %.3f\n",
                  json_number_value(json_object_get(broker, "uptime_s")));
    metric(out, "tasks", "gauge", "Tasks that are open, by state.");
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++)
        (void)fprintf(out, "wyckmill_tasks{state=\"%s\"} %lld\n", states[i],
                      number(tasks, states[i]));
    metric(out, "quarantined_tasks", "gauge", "Tasks in quarantine.");
    (void)fprintf(out, "wyckmill_quarantined_tasks %lld\n", number(tasks, "quarantined"));
    metric(out, "sent_bytes_total", "counter", "Bytes of objects sent to workers and clients.");
    (void)fprintf(out, "wyckmill_sent_bytes_total %lld\n", number(broker, "sent_bytes"));
    metric(out, "races_total", "counter", "Attempts that took long and got a rival.");
    (void)fprintf(out, "wyckmill_races_total %lld\n", number(tasks, "races"));
    metric(out, "races_won_total", "counter", "Of them, those that the rival won.");
    (void)fprintf(out, "wyckmill_races_won_total %lld\n", number(tasks, "races_won"));
    metric(out, "results_total", "counter", "Results of this broker run, by where from.");
    for (size_t i = 0; i < sizeof results / sizeof results[0]; i++)
        (void)fprintf(out, "wyckmill_results_total{from=\"%s\"} %lld\n", results[i],
                      number(root, results[i]));
}

void status_show_prometheus(const json_t *root, FILE *out)
{
    static const char *const slots[] = {"slots", NULL}, *const leases[] = {"leases", NULL};
    static const char *const memory[] = {"memory", NULL}, *const leased[] = {"memory_leased",
                                                                             NULL};
    static const char *const silence[] = {"last_seen_s", NULL};
    static const char *const planned[] = {"planned", "finished", "failed", NULL};
    static const char *const results[] = {"executed", "cached", NULL};
    const json_t *workers = json_object_get(root, "workers");
    const json_t *campaigns = json_object_get(root, "campaigns"), *row;
    size_t i;
    print_broker_metrics(root, out);
    metric(out, "worker_slots", "gauge", "Tasks that the worker runs at once.");
    print_samples(out, "worker_slots", workers, "worker", NULL, slots);
    metric(out, "worker_leases", "gauge", "Tasks in its hands.");
    print_samples(out, "worker_leases", workers, "worker", NULL, leases);
    metric(out, "worker_memory_bytes", "gauge", "For all its tasks together.");
    print_samples(out, "worker_memory_bytes", workers, "worker", NULL, memory);
    metric(out, "worker_memory_leased_bytes", "gauge", "That its tasks have asked for.");
    print_samples(out, "worker_memory_leased_bytes", workers, "worker", NULL, leased);
    metric(out, "worker_silence_seconds", "gauge", "Since its last sign of life.");
    print_samples(out, "worker_silence_seconds", workers, "worker", NULL, silence);
    metric(out, "campaign_tasks", "gauge", "Tasks of the campaign as far as known.");
    print_samples(out, "campaign_tasks", campaigns, "campaign", "count", planned);
    metric(out, "campaign_results_total", "counter", "Its results, by where from.");
    print_samples(out, "campaign_results_total", campaigns, "campaign", "from", results);
    metric(out, "campaign_state", "gauge", "1 at the state that the campaign is in.");
    json_array_foreach(campaigns, i, row)
    {
        (void)fprintf(out, "wyckmill_campaign_state{");
        print_label(out, "campaign", text(row, "name"));
        (void)fputc(',', out);
        print_label(out, "state", text(row, "state"));
        (void)fprintf(out, "} 1\n");
    }
}
