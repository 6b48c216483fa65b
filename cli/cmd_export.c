/* `wyckmill export [CAMPAIGN]`: write the candidates of a finished campaign from the store. */
#include "cli/cli.h"

#include "cli/export.h"
#include "cli/find.h"
#include "common/cleanup.h"

#include <string.h>

enum { TABLE_ROWS = 10 };

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

static int export_campaign(const struct options *options, struct store *store, int *ret_exit,
                           struct err *err)
{
    struct campaign campaign = {0};
    struct planner_status status = {0};
    struct candidates list = {0};
    struct buf bytes = {0};
    struct hash id;
    int rc = find_campaign(store, options->name, &campaign, &id, err);
    if (!rc)
        rc = find_campaign_status(store, &campaign, &status, err);
    if (!rc && status.state == PLANNER_RUNNING) {
        rc = err_set(err, ERR_NOT_FOUND, "campaign '%s' is not finished (%llu of %llu tasks)",
                     options->name, (unsigned long long)status.finished,
                     (unsigned long long)status.planned);
        (void)err_hint(err, "`wyckmill run` with the same file and store goes on with it");
    } else if (!rc && status.state == PLANNER_FAILED) {
        rc =
            err_set(err, ERR_NOT_FOUND, "campaign '%s' failed: %s", options->name, status.note);
    }
    if (!rc)
        rc = store_get(store, &status.candidates, &bytes, err);
    if (!rc)
        rc = candidates_decode(buf_span(&bytes), &list, err);
    if (!rc)
        rc = export_write(&list, &campaign.targets, options->out, err);
    if (!rc) {
        export_table(stdout, &list, &campaign.targets, TABLE_ROWS);
        *ret_exit = list.n < campaign.candidates ? EXIT_PARTLY : EXIT_DONE;
    }
    candidates_done(&list);
    campaign_done(&campaign);
    buf_done(&bytes);
    return rc;
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
        .doc = "Write candidates.csv, candidates.extxyz and cif/ of a finished campaign."};
    struct options options = {.out = "out"};
    struct err err = {0};
    cleanup(store_close_ptr) struct store *store = NULL;
    int code = EXIT_DONE;
    int rc = cli_parse(&argp, argc, argv, &options);
    if (rc)
        return rc - 1;
    rc = find_store_open(options.store, &store, &err);
    if (!rc)
        rc = export_campaign(&options, store, &code, &err);
    return rc ? cli_fail("export", &err, false) : code;
}
