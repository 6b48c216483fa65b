/* `wyckmill export [CAMPAIGN]`: write the candidates of a finished campaign from the store. */
#include "cli/cli.h"

#include "cli/deliver.h"
#include "cli/find.h"
#include "common/cleanup.h"

struct options {
    struct cli_common common;
    const char *out;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct options *options = state->input;
    switch (key) {
    case 'o':
        options->out = arg;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int cmd_export(int argc, char **argv)
{
    static const struct argp_option rows[] = {
        {"out", 'o', "DIR", 0, "where to write (default: out)", 0}, {0}};
    static const struct cli_usage usage = {
        .common = CLI_STORE,
        .word = "CAMPAIGN",
        .hint = "`wyckmill ls` lists them",
        .doc = "Write candidates.csv, candidates.extxyz and cif/ of a campaign; of one that is "
               "not over, what it has found so far.",
        .rows = rows,
        .parser = parse};
    struct options options = {.out = "out"};
    struct err err = {0};
    cleanup(store_close_ptr) struct store *store = NULL;
    int code = EXIT_DONE;
    int rc = cli_parse_usage(&usage, argc, argv, &options.common, &options);
    if (rc)
        return rc - 1;
    rc = find_store_open(options.common.store, &store, &err);
    if (!rc)
        rc = deliver(store, find_store_path(options.common.store), options.common.word,
                     options.out, &code, &err);
    return rc ? cli_fail("export", &err, false) : code;
}
