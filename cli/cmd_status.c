/* `wyckmill status`: what a broker does, or what a store without a broker holds. */
#include "cli/cli.h"

#include "cli/status.h"

enum { KEY_KEYS = 256 };

struct options {
    const char *connect, *keys, *store;
    bool json, prometheus;
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
    case 'p':
        options->prometheus = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "'%s' is one word too many", arg);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
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
        {"prometheus", 'p', NULL, 0,
         "Prometheus' text format, e.g. for a node exporter's folder", 0},
        {0}};
    const struct argp argp = {.options = rows,
                              .parser = parse,
                              .doc = "Tasks by state, what was executed and what came from the "
                                     "cache, workers, campaigns."};
    struct options options = {0};
    struct err err = {0};
    json_t *root = NULL;
    int rc = cli_parse(&argp, argc, argv, &options);
    if (rc)
        return rc - 1;
    rc = status_fetch(options.connect, options.keys, options.store, &root, &err);
    if (rc)
        return cli_fail("status", &err, options.json);
    if (options.json) {
        (void)json_dumpf(root, stdout, JSON_INDENT(1));
        (void)putchar('\n');
    } else if (options.prometheus) {
        status_show_prometheus(root, stdout);
    } else {
        status_show(root, stdout);
    }
    json_decref(root);
    return EXIT_DONE;
}
