/* `wyckmill gc`: free what no ref, campaign or worker needs; through the broker when one runs
 * on the store, else with the store's lock. */
#include "cli/cli.h"

#include "broker/broker.h"
#include "broker/reach.h"
#include "cli/find.h"
#include "common/cleanup.h"
#include "workers/runtime/client.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum {
    GRACE_S = 3600,
    PATIENCE_MS = 24 * 3600 * 1000, /* of a client: gc takes as long as it takes */
    KEEP_MAX = 1000000,
};

struct options {
    struct cli_common common;
    bool dry_run;
    uint32_t keep_checkpoints, grace_s;
};

static uint32_t parse_number(const char *text, uint32_t low, uint32_t high,
                             struct argp_state *state, const char *what)
{
    char *end;
    unsigned long long number = strtoull(text, &end, 10);
    if (*end || end == text || text[0] == '-' || number < low || number > high)
        argp_error(state, "%s '%s': want a number from %u to %u", what, text, low, high);
    return (uint32_t)number;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct options *options = state->input;
    switch (key) {
    case 'n':
        options->dry_run = true;
        return 0;
    case 'k':
        options->keep_checkpoints = parse_number(arg, 1, KEEP_MAX, state, "--keep-checkpoints");
        return 0;
    case 'g':
        options->grace_s = parse_number(arg, 0, GRACE_S, state, "--grace");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int through_broker(const struct options *options, const char *address, const char *keys,
                          struct store_gc_counts *ret, struct err *err)
{
    cleanup(client_close_ptr) struct client *client = NULL;
    const struct message_gc asked = {.dry_run = options->dry_run,
                                     .keep_checkpoints = options->keep_checkpoints,
                                     .grace_ms = (uint64_t)options->grace_s * 1000};
    struct message_gc_report report;
    int rc = client_open_keys(address, keys, CLIENT_TIMEOUT_MS, &client, err);
    if (rc)
        return rc;
    client_patience(client, PATIENCE_MS);
    rc = client_gc(client, &asked, &report, err);
    if (rc == 0)
        *ret = (struct store_gc_counts){.objects = report.objects,
                                        .bytes = report.bytes,
                                        .results = report.results,
                                        .freed_objects = report.freed_objects,
                                        .freed_bytes = report.freed_bytes,
                                        .freed_results = report.freed_results,
                                        .pruned = report.pruned};
    return rc;
}

static int alone(const struct options *options, struct store_gc_counts *ret, struct err *err)
{
    cleanup(store_close_ptr) struct store *store = NULL;
    int rc = find_store_open(options->common.store, &store, err);
    if (rc == 0) { /* it is there; now for writing */
        store_close(store);
        store = NULL;
        rc = store_open(find_store_path(options->common.store), STORE_WRITE, &store, err);
    }
    return rc ? rc : reach_gc(store, options->keep_checkpoints, options->dry_run, ret, err);
}

static void print_json(const struct options *options, const struct store_gc_counts *counts)
{
    json_t *root = json_pack(
        "{s:b,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "dry_run", options->dry_run, "objects",
        (json_int_t)counts->objects, "bytes", (json_int_t)counts->bytes, "results",
        (json_int_t)counts->results, "freed_objects", (json_int_t)counts->freed_objects,
        "freed_bytes", (json_int_t)counts->freed_bytes, "freed_results",
        (json_int_t)counts->freed_results, "remade_on_demand", (json_int_t)counts->pruned);
    (void)json_dumpf(root, stdout, JSON_INDENT(1));
    (void)putchar('\n');
    json_decref(root);
}

static void print_text(const struct options *options, const struct store_gc_counts *counts)
{
    (void)printf("%s %llu objects (%llu bytes) and %llu results; %llu of the objects can be "
                 "made again\n",
                 options->dry_run ? "would free" : "freed",
                 (unsigned long long)counts->freed_objects,
                 (unsigned long long)counts->freed_bytes,
                 (unsigned long long)counts->freed_results, (unsigned long long)counts->pruned);
    (void)printf("%s %llu objects (%llu bytes) and %llu results\n",
                 options->dry_run ? "would keep" : "kept", (unsigned long long)counts->objects,
                 (unsigned long long)counts->bytes, (unsigned long long)counts->results);
    (void)fflush(stdout);
    if (!options->dry_run && counts->freed_bytes > 0)
        (void)fprintf(stderr, "next: new objects use the space; `wyckmill compact` gives it "
                              "back to the file system\n");
}

int cmd_gc(int argc, char **argv)
{
    static const struct argp_option rows[] = {
        {"dry-run", 'n', NULL, 0, "only say what would be freed", 0},
        {"keep-checkpoints", 'k', "K", 0,
         "of every training run the last K stay (default: 2); older ones are computed again "
         "when something needs them",
         0},
        {"grace", 'g', "SECONDS", 0,
         "beside a broker: what is younger stays (default: 3600), since a worker may be about "
         "to name it",
         0},
        {0}};
    static const struct cli_usage usage = {
        .common = CLI_STORE | CLI_BROKER | CLI_JSON,
        .doc = "Free the objects and results that no ref, campaign or worker needs. Beside a "
               "running broker it works through the broker and holds nobody up.",
        .rows = rows,
        .parser = parse};
    struct options options = {.keep_checkpoints = REACH_CHECKPOINTS, .grace_s = GRACE_S};
    struct broker_address found;
    struct store_gc_counts counts = {0};
    struct err err = {0};
    int rc = cli_parse_usage(&usage, argc, argv, &options.common, &options);
    if (rc)
        return rc - 1;
    if (options.common.connect)
        rc = through_broker(&options, options.common.connect, options.common.keys, &counts,
                            &err);
    else if (!broker_find(find_store_path(options.common.store), &found, NULL))
        rc = through_broker(&options, found.endpoint, found.keys ? options.common.keys : "",
                            &counts, &err);
    else
        rc = alone(&options, &counts, &err);
    if (rc)
        return cli_fail("gc", &err, options.common.json);
    if (options.common.json)
        print_json(&options, &counts);
    else
        print_text(&options, &counts);
    return EXIT_DONE;
}
