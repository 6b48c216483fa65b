/* `wyckmill backup DIR`: a copy of the store as it is now, also beside its broker, checked like
 * fsck does before it is called one. */
#include "cli/cli.h"

#include "cli/find.h"
#include "common/cleanup.h"

#include <jansson.h>

struct options {
    const char *store, *to;
    bool json;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct options *options = state->input;
    switch (key) {
    case 's':
        options->store = arg;
        return 0;
    case 'j':
        options->json = true;
        return 0;
    case ARGP_KEY_ARG:
        if (options->to)
            argp_error(state, "one DIR at a time");
        options->to = arg;
        return 0;
    case ARGP_KEY_END:
        if (!options->to)
            argp_error(state, "to which DIR?");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void note(void *context, const char *sentence)
{
    (void)context;
    (void)fprintf(stderr, "%s\n", sentence);
}

static int copy(const struct options *options, struct err *err)
{
    cleanup(store_close_ptr) struct store *store = NULL;
    int rc = find_store_open(options->store, &store, err);
    return rc ? rc : store_backup(store, options->to, err);
}

static int check(const struct options *options, struct store_check *ret, struct err *err)
{
    cleanup(store_close_ptr) struct store *store = NULL;
    int rc = store_open(options->to, STORE_READ, &store, err);
    if (rc == 0)
        rc = store_fsck(store, note, NULL, ret, err);
    if (rc == 0 && ret->damaged + ret->dangling > 0) {
        (void)err_set(err, ERR_CORRUPT, "the copy in '%s' is as damaged as the store",
                      options->to);
        rc = err_hint(err, "wyckmill fsck --repair mends either (with no broker running)");
    }
    return rc;
}

int cmd_backup(int argc, char **argv)
{
    static const struct argp_option rows[] = {
        {"store", 's', "DIR", 0, "the store (default: $WYCKMILL_STORE or .wyckmill/store)", 0},
        {"json", 'j', NULL, 0, "one JSON object", 0},
        {0}};
    const struct argp argp = {
        .options = rows,
        .parser = parse,
        .args_doc = "DIR",
        .doc = "Copy the store to the new folder DIR, without its free space, and check the "
               "copy. A broker may run meanwhile; the copy is of one moment. DIR is a store: "
               "--store DIR works on it."};
    struct options options = {0};
    struct store_check found = {0};
    struct err err = {0};
    int rc = cli_parse(&argp, argc, argv, &options);
    if (rc)
        return rc - 1;
    rc = copy(&options, &err);
    if (rc == 0)
        rc = check(&options, &found, &err);
    if (rc)
        return cli_fail("backup", &err, options.json);
    if (options.json)
        (void)printf("{\"objects\": %llu, \"bytes\": %llu, \"results\": %llu}\n",
                     (unsigned long long)found.objects, (unsigned long long)found.bytes,
                     (unsigned long long)found.results);
    else
        (void)printf("copied to %s and checked: %llu objects (%llu bytes), %llu results\n",
                     options.to, (unsigned long long)found.objects,
                     (unsigned long long)found.bytes, (unsigned long long)found.results);
    return EXIT_DONE;
}
