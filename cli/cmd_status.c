/* `wyckmill status`: what a broker does, or what a store without a broker holds. */
#include "cli/cli.h"

#include "broker/broker.h"
#include "cli/find.h"
#include "common/cleanup.h"
#include "workers/runtime/client.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

enum { KEY_KEYS = 256 };

struct options {
    const char *connect, *keys, *store;
    bool json;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct options *options = state->input;
    switch (key) {
    case KEY_KEYS:
        options->keys = arg;
        return 0;
    case 'c':
        options->connect = arg;
        return 0;
    case 's':
        options->store = arg;
        return 0;
    case 'j':
        options->json = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "'%s' is one word too many", arg);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

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
        row = json_pack("{s:s,s:s,s:s,s:s,s:I,s:I,s:I,s:s}", "name", name, "id",
                        hash_hex(&id, hex), "state", planner_state_text(status.state), "stage",
                        status.stage, "planned", (json_int_t)status.planned, "finished",
                        (json_int_t)status.finished, "failed", (json_int_t)status.failed,
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

static void print_broker(const json_t *root)
{
    const json_t *broker = json_object_get(root, "broker");
    const json_t *tasks = json_object_get(root, "tasks");
    if (!json_is_object(broker)) {
        (void)printf("no broker runs on this store\n");
        return;
    }
    (void)printf("broker   %s, pid %lld, up %.0f s\n", text(broker, "endpoint"),
                 number(broker, "pid"), json_number_value(json_object_get(broker, "uptime_s")));
    (void)printf("tasks    %lld ready, %lld waiting, %lld leased, %lld done, %lld failed, %lld "
                 "quarantined\n",
                 number(tasks, "ready"), number(tasks, "waiting"), number(tasks, "leased"),
                 number(tasks, "done"), number(tasks, "failed"), number(tasks, "quarantined"));
    (void)printf("this run %lld executed, %lld from the cache, %lld failed\n",
                 number(root, "executed"), number(root, "cached"), number(root, "failed"));
}

static void print_status(const json_t *root)
{
    const json_t *row;
    size_t i;
    print_broker(root);
    json_array_foreach(json_object_get(root, "workers"), i, row)(void)
        printf("worker   %-28s %lld slots, %lld leases, last seen %.1f s ago\n",
               text(row, "name"), number(row, "slots"), number(row, "leases"),
               json_number_value(json_object_get(row, "last_seen_s")));
    json_array_foreach(json_object_get(root, "campaigns"), i, row)(void) printf(
        "campaign %-20s %-8s %-10s %lld of %lld tasks, %lld failed %s\n", text(row, "name"),
        text(row, "state"), text(row, "stage"), number(row, "finished"), number(row, "planned"),
        number(row, "failed"), text(row, "note"));
}

int cmd_status(int argc, char **argv)
{
    static const struct argp_option rows[] = {
        {"connect", 'c', "ADDR", 0, "ask the broker at this address", 0},
        CLI_KEYS_OPTION(KEY_KEYS),
        {"store", 's', "DIR", 0,
         "ask the broker of this store, or read the store when none runs (default: "
         "$WYCKMILL_STORE or .wyckmill/store)",
         0},
        {"json", 'j', NULL, 0, "one JSON object", 0},
        {0}};
    const struct argp argp = {.options = rows,
                              .parser = parse,
                              .doc = "Tasks by state, what was executed and what came from the "
                                     "cache, workers, campaigns."};
    struct options options = {0};
    struct broker_address address;
    struct err err = {0};
    json_t *root = NULL;
    int rc = cli_parse(&argp, argc, argv, &options);
    if (rc)
        return rc - 1;
    if (options.connect)
        rc = broker_status(options.connect, options.keys, &root, &err);
    else if (broker_find(find_store_path(options.store), &address, NULL) ||
             broker_status(address.endpoint, address.keys ? options.keys : "", &root, NULL))
        rc = store_status(options.store, &root, &err);
    if (rc)
        return cli_fail("status", &err, options.json);
    if (options.json) {
        (void)json_dumpf(root, stdout, JSON_INDENT(1));
        (void)putchar('\n');
    } else {
        print_status(root);
    }
    json_decref(root);
    return EXIT_DONE;
}
