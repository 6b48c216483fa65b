/* `wyckmill export [CAMPAIGN]`: write the candidates of a finished campaign from the store. */
#include "cli/cli.h"

#include "cli/deliver.h"
#include "cli/find.h"
#include "common/cleanup.h"

struct options {
    const char *store, *name, *out;
};

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
    case ARGP_KEY_ARG:
        if (options->name)
            argp_error(state, "one CAMPAIGN at a time");
        options->name = arg;
        return 0;
    case ARGP_KEY_END:
        if (!options->name)
            argp_error(state, "which CAMPAIGN? `wyckmill ls` lists them");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int cmd_export(int argc, char **argv)
{
    static const struct argp_option rows[] = {
        {"store", 's', "DIR", 0, "the store (default: $WYCKMILL_STORE or .wyckmill/store)", 0},
        {"out", 'o', "DIR", 0, "where to write (default: out)", 0},
        {0}};
    const struct argp argp = {
        .options = rows,
        .parser = parse,
        .args_doc = "CAMPAIGN",
        .doc = "Write candidates.csv, candidates.extxyz and cif/ of a campaign; of one that is "
               "not over, what it has found so far."};
    struct options options = {.out = "out"};
    struct err err = {0};
    cleanup(store_close_ptr) struct store *store = NULL;
    int code = EXIT_DONE;
    int rc = cli_parse(&argp, argc, argv, &options);
    if (rc)
        return rc - 1;
    rc = find_store_open(options.store, &store, &err);
    if (!rc)
        rc = deliver(store, find_store_path(options.store), options.name, options.out, &code,
                     &err);
    return rc ? cli_fail("export", &err, false) : code;
}
