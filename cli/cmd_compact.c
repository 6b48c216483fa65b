/* `wyckmill compact`: the store without its free space. */
#include "cli/cli.h"

#include "broker/broker.h"
#include "cli/find.h"

struct options {
    const char *store;
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
        argp_error(state, "unexpected '%s': the store is named with --store", arg);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* A lock says who holds it; a broker is stopped in its own way. */
static int explain(const char *path, int rc, struct err *err)
{
    struct broker_address found;
    if (rc != ERR_BUSY || broker_find(path, &found, NULL))
        return rc;
    (void)err_set(err, rc, "a broker runs on this store, process %ld", (long)found.pid);
    return err_hint(err,
                    "stop it first (kill %ld: it loses nothing and goes on where it was "
                    "when started again)",
                    (long)found.pid);
}

int cmd_compact(int argc, char **argv)
{
    static const struct argp_option rows[] = {
        {"store", 's', "DIR", 0, "the store (default: $WYCKMILL_STORE or .wyckmill/store)", 0},
        {"json", 'j', NULL, 0, "one JSON object", 0},
        {0}};
    const struct argp argp = {
        .options = rows,
        .parser = parse,
        .doc = "Give the free space inside a store back to the file system: it is written anew "
               "beside itself and takes its own place. No broker may run, and there must be "
               "room for both."};
    struct options options = {0};
    uint64_t before = 0, after = 0;
    struct err err = {0};
    int rc = cli_parse(&argp, argc, argv, &options);
    if (rc)
        return rc - 1;
    const char *path = find_store_path(options.store);
    rc = explain(path, store_compact(path, &before, &after, &err), &err);
    if (rc)
        return cli_fail("compact", &err, options.json);
    if (options.json)
        (void)printf("{\"before_bytes\": %llu, \"after_bytes\": %llu}\n",
                     (unsigned long long)before, (unsigned long long)after);
    else
        (void)printf("%llu bytes before, %llu after\n", (unsigned long long)before,
                     (unsigned long long)after);
    return EXIT_DONE;
}
