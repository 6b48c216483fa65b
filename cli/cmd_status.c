/* `wyckmill status`: what a broker does, or what a store without a broker holds. */
#include "cli/cli.h"

#include "cli/status.h"

struct options {
    struct cli_common common;
    bool prometheus;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct options *options = state->input;
    (void)arg;
    switch (key) {
    case 'p':
        options->prometheus = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int cmd_status(int argc, char **argv)
{
    static const struct argp_option rows[] = {
        {"prometheus", 'p', NULL, 0,
         "Prometheus' text format, e.g. for a node exporter's folder", 0},
        {0}};
    static const struct cli_usage usage = {
        .common = CLI_STORE | CLI_BROKER | CLI_JSON,
        .doc = "Tasks by state, what was executed and what came from the "
               "cache, workers, campaigns.",
        .rows = rows,
        .parser = parse};
    struct options options = {0};
    struct err err = {0};
    json_t *root = NULL;
    int rc = cli_parse_usage(&usage, argc, argv, &options.common, &options);
    if (rc)
        return rc - 1;
    rc = status_fetch(options.common.connect, options.common.keys, options.common.store, &root,
                      &err);
    if (rc)
        return cli_fail("status", &err, options.common.json);
    if (options.common.json) {
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
