/* `wyckmill backup DIR`: a copy of the store as it is now, also beside its broker, checked like
 * fsck does before it is called one. */
#include "cli/cli.h"

#include "cli/find.h"
#include "common/cleanup.h"

#include <jansson.h>

static void note(void *context, const char *sentence)
{
    (void)context;
    (void)fprintf(stderr, "%s\n", sentence);
}

static int copy(const struct cli_common *options, struct err *err)
{
    cleanup(store_close_ptr) struct store *store = NULL;
    int rc = find_store_open(options->store, &store, err);
    return rc ? rc : store_backup(store, options->word, err);
}

static int check(const struct cli_common *options, struct store_check *ret, struct err *err)
{
    cleanup(store_close_ptr) struct store *store = NULL;
    int rc = store_open(options->word, STORE_READ, &store, err);
    if (rc == 0)
        rc = store_fsck(store, note, NULL, ret, err);
    if (rc == 0 && ret->damaged + ret->dangling > 0) {
        (void)err_set(err, ERR_CORRUPT, "the copy in '%s' is as damaged as the store",
                      options->word);
        rc = err_hint(err, "wyckmill fsck --repair mends either (with no broker running)");
    }
    return rc;
}

int cmd_backup(int argc, char **argv)
{
    static const struct cli_usage usage = {
        .common = CLI_STORE | CLI_JSON,
        .word = "DIR",
        .doc = "Copy the store to the new folder DIR, without its free space, and check the "
               "copy. A broker may run meanwhile; the copy is of one moment. DIR is a store: "
               "--store DIR works on it."};
    struct cli_common options;
    struct store_check found = {0};
    struct err err = {0};
    int rc = cli_parse_usage(&usage, argc, argv, &options, NULL);
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
                     options.word, (unsigned long long)found.objects,
                     (unsigned long long)found.bytes, (unsigned long long)found.results);
    return EXIT_DONE;
}
