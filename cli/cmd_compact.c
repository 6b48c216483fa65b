/* `wyckmill compact`: the store without its free space. */
#include "cli/cli.h"

#include "broker/broker.h"
#include "cli/find.h"

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
    static const struct cli_usage usage = {
        .common = CLI_STORE | CLI_JSON,
        .doc = "Give the free space inside a store back to the file system: it is written anew "
               "beside itself and takes its own place. No broker may run, and there must be "
               "room for both."};
    struct cli_common options;
    uint64_t before = 0, after = 0;
    struct err err = {0};
    int rc = cli_parse_usage(&usage, argc, argv, &options, NULL);
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
