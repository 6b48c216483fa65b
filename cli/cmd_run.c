/* `wyckmill run`: a campaign from file to candidates in one command. The work is done by a
 * broker and workers in processes of their own; this one feeds them, watches them, and tells
 * the end. */
#include "cli/cli.h"

#include "cli/config.h"
#include "cli/deliver.h"
#include "cli/find.h"
#include "cli/ingest.h"
#include "cli/supervise.h"
#include "common/cleanup.h"
#include "common/file.h"
#include "workers/runtime/client.h"

#include <jansson.h>
#include <signal.h>
#include <string.h>
#include <time.h>

enum {
    OVERRIDES_MAX = 256,
    KEY_HELP_CONFIG = 256,
    KEY_KEYS,
    KEY_INSECURE,
    START_MS = 15000, /* for the broker to open its store and listen */
    LOOK_MS = 100,    /* between looks at the children and the status */
    WATCH_MS = 500,   /* for a status, before the children are looked at again */
    LEAVE_MS = 5000,  /* for children when the work is over */
    STEP_MS = 600000, /* for children to finish what runs after Ctrl-C */
};

struct options {
    const char *path, *store, *out, *listen, *keys;
    bool insecure;
    const char *overrides[OVERRIDES_MAX];
    uint32_t n_overrides, workers;
};

static volatile int interrupts; /* Ctrl-C so far: written by the handler only */

static void on_interrupt(int number)
{
    (void)number;
    interrupts++;
}

static void parse_workers(struct options *options, const char *text, struct argp_state *state)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);
    if (end == text || *end || n < 1 || n > SUPERVISE_WORKERS_MAX)
        argp_error(state, "--workers wants a number from 1 to %d, not '%s'",
                   SUPERVISE_WORKERS_MAX, text);
    options->workers = (uint32_t)n;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct options *options = state->input;
    switch (key) {
    case 's':
        options->store = arg;
        return 0;
    case 'o':
        options->out = arg;
        return 0;
    case 'l':
        options->listen = arg;
        return 0;
    case KEY_KEYS:
        options->keys = arg;
        return 0;
    case KEY_INSECURE:
        options->insecure = true;
        return 0;
    case 'w':
        parse_workers(options, arg, state);
        return 0;
    case 'S':
        if (options->n_overrides == OVERRIDES_MAX)
            argp_error(state, "at most %d times -S", OVERRIDES_MAX);
        options->overrides[options->n_overrides++] = arg;
        return 0;
    case KEY_HELP_CONFIG:
        config_help(stdout);
        exit(EXIT_DONE);
    case ARGP_KEY_ARG:
        if (options->path)
            argp_error(state, "one CAMPAIGN at a time");
        options->path = arg;
        return 0;
    case ARGP_KEY_END:
        if (!options->path)
            argp_error(state, "which CAMPAIGN? configs/demo.yaml is one to begin with");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void pause_ms(int ms)
{
    const struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    (void)nanosleep(&time, NULL);
}

/* ---- watching ---- */

struct run {
    const struct options *options;
    struct campaign_file *file;
    struct source source;
    struct supervisor *supervisor;
    struct client *client;
    struct hash campaign;
    struct cli_progress progress;
    char address[200];
};

/* By id: a late answer to an earlier question may list others. NULL: not there. */
static const json_t *find_campaign_row(const json_t *root, const struct hash *id)
{
    char hex[HASH_HEX_SIZE];
    const json_t *row;
    size_t i;
    (void)hash_hex(id, hex);
    json_array_foreach(json_object_get(root, "campaigns"), i, row)
    {
        const char *text = json_string_value(json_object_get(row, "id"));
        if (text && strcmp(text, hex) == 0)
            return row;
    }
    return NULL;
}

/* Where the campaign stands by the broker's status: "" when it does not say. */
static void read_status(struct run *run, const char *json, size_t size, char state[16])
{
    json_t *root = json_loadb(json, size, 0, NULL);
    const json_t *campaign = find_campaign_row(root, &run->campaign);
    const char *text = json_string_value(json_object_get(campaign, "state"));
    const char *stage = json_string_value(json_object_get(campaign, "stage"));
    long long finished = json_integer_value(json_object_get(campaign, "finished"));
    long long planned = json_integer_value(json_object_get(campaign, "planned"));
    const char *waits = json_string_value(json_object_get(campaign, "waits"));
    char line[160];
    (void)snprintf(state, 16, "%s", text ? text : "");
    (void)snprintf(line, sizeof line, "%s: %lld of %lld tasks known so far, %zu workers%s%.90s",
                   stage ? stage : "start", finished, planned,
                   json_array_size(json_object_get(root, "workers")),
                   waits && waits[0] ? "; waits: " : "", waits ? waits : "");
    cli_progress(&run->progress, planned ? (double)finished / (double)planned : -1, line);
    json_decref(root);
}

static int interrupted(struct err *err)
{
    return err_set(err, ERR_INTERRUPTED, "stopped; the same command goes on from here");
}

/* Broker and workers are ours: their keys are those of --keys or none, whatever the environment
 * says about another broker. */
static const char *run_keys(const struct run *run)
{
    return run->options->keys ? run->options->keys : "";
}

/* Keep the children alive until a broker answers. */
static int connect_broker(struct run *run, struct err *err)
{
    struct err last = {0};
    for (int waited = 0; waited < START_MS; waited += 2 * LOOK_MS) {
        int rc = supervisor_step(run->supervisor, err);
        if (rc)
            return rc;
        if (interrupts)
            return interrupted(err);
        if (!client_open_keys(run->address, run_keys(run), 2 * LOOK_MS, &run->client, &last)) {
            client_patience(run->client, CLIENT_TIMEOUT_MS);
            return 0;
        }
    }
    *err = last;
    return err->code;
}

/* Until the campaign is over. A broker that was killed and came back knows the campaign from
 * its store, so nothing has to be said again. */
static int watch(struct run *run, struct err *err)
{
    char state[16] = "running";
    client_patience(run->client, WATCH_MS); /* a dead broker is to be seen soon */
    while (!strcmp(state, "running") || !strcmp(state, "paused") || !state[0]) {
        struct buf json = {0};
        struct err silence;
        int rc = supervisor_step(run->supervisor, err);
        if (!rc && interrupts)
            rc = interrupted(err);
        if (!rc && !client_status(run->client, &run->campaign, &json, &silence))
            read_status(run, (const char *)json.data, json.size, state);
        buf_done(&json);
        if (rc)
            return rc;
        pause_ms(LOOK_MS);
    }
    return 0;
}

/* Ingest, put and submit; a broker killed in the middle is tried again. */
static int submit(struct run *run, struct err *err)
{
    enum { TRIES = 5 };
    int rc = ERR_NETWORK;
    for (int i = 0; rc == ERR_NETWORK && i < TRIES; i++) {
        rc = supervisor_step(run->supervisor, err);
        if (!rc)
            rc = ingest_submit(run->client, run->file, &run->source, &run->campaign, err);
    }
    return rc;
}

static void leave(struct run *run, int rc)
{
    if (!run->supervisor)
        return;
    if (rc == ERR_INTERRUPTED)
        (void)fprintf(stderr, "\nfinishing what runs; Ctrl-C again leaves at once\n");
    client_close(take(run->client));
    bool work_left = rc == ERR_INTERRUPTED;
    (void)supervisor_end(run->supervisor, work_left ? STEP_MS : LEAVE_MS, &interrupts);
    supervisor_free(take(run->supervisor));
}

static int work(struct run *run, struct err *err)
{
    const struct options *options = run->options;
    int rc = ingest_read(run->file, &run->source, err);
    if (!rc && options->listen)
        (void)snprintf(run->address, sizeof run->address, "%s", options->listen);
    else if (!rc)
        rc = supervisor_address(options->store, run->address, sizeof run->address, err);
    if (!rc)
        rc = supervisor_start(&(struct supervisor_options){.store = options->store,
                                                           .address = run->address,
                                                           .keys = run_keys(run),
                                                           .insecure = options->insecure,
                                                           .workers = options->workers},
                              &run->supervisor, err);
    if (!rc)
        rc = connect_broker(run, err);
    if (!rc)
        rc = submit(run, err);
    if (!rc)
        rc = watch(run, err);
    cli_progress_end(&run->progress);
    leave(run, rc);
    return rc;
}

static int finish(const struct run *run, int *ret_exit, struct err *err)
{
    cleanup(store_close_ptr) struct store *store = NULL;
    const struct options *options = run->options;
    int rc = store_open(options->store, STORE_READ, &store, err);
    return rc ? rc
              : deliver(store, options->store, run->file->campaign.name, options->out, ret_exit,
                        err);
}

int cmd_run(int argc, char **argv)
{
    static const struct argp_option rows[] = {
        {"store", 's', "DIR", 0, "the store (default: $WYCKMILL_STORE or .wyckmill/store)", 0},
        {"out", 'o', "DIR", 0, "where the candidates are written (default: out)", 0},
        {"workers", 'w', "N", 0, "worker processes (default: one per core)", 0},
        {"set", 'S', "KEY=VALUE", 0, "override a key of the campaign file; may be repeated", 0},
        {"listen", 'l', "ADDR", 0,
         "listen here, so that more workers can join (default: a private socket)", 0},
        {"keys", KEY_KEYS, "DIR", 0,
         "with --listen: encrypt, and talk only to those whose public key is in DIR/allowed/",
         0},
        {"insecure", KEY_INSECURE, NULL, 0,
         "with --listen: allow an address that other machines can reach, without keys", 0},
        {"help-config", KEY_HELP_CONFIG, NULL, 0,
         "list the keys of campaign files with default, range, unit and meaning", 0},
        {0}};
    const struct argp argp = {
        .options = rows,
        .parser = parse,
        .args_doc = "CAMPAIGN.yaml",
        .doc = "Run a campaign to its end: broker and workers in one command. The same command "
               "resumes after any interruption.\vFirst Ctrl-C: finish what runs, then stop. "
               "Second: at once. Nothing finished is lost either way."};
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    struct options options = {.out = "out", .workers = cores > 0 ? (uint32_t)cores : 1};
    struct campaign_file file = {0};
    struct err err = {0};
    int code = EXIT_FAILED, rc = cli_parse(&argp, argc, argv, &options);
    if (rc)
        return rc - 1;
    options.store = find_store_path(options.store);
    struct sigaction action = {.sa_handler = on_interrupt};
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);

    struct run run = {.options = &options, .file = &file};
    cli_progress_begin(&run.progress);
    rc = config_load(options.path, options.overrides, options.n_overrides, &file, &err);
    if (!rc)
        rc = work(&run, &err);
    struct err nothing;
    if (rc == ERR_INTERRUPTED) /* what there is so far, if there is something */
        (void)finish(&run, &code, &nothing);
    if (!rc)
        rc = finish(&run, &code, &err);
    if (rc)
        code = cli_fail("run", &err, false);
    source_done(&run.source);
    campaign_file_done(&file);
    return code;
}
