/* `wyckmill lineage ID`: from which inputs, by which actions, a thing was made. */
#include "cli/cli.h"

#include "cli/find.h"
#include "cli/lineage.h"
#include "common/cleanup.h"

#include <jansson.h>

/* A candidate is an entry of a "candidates" object: its line, then that object's lineage. */
static int find_start(struct store *store, const char *text, bool json, struct hash *ret,
                      struct err *err)
{
    struct store_info info;
    struct candidates list = {0};
    struct err other = {0};
    uint32_t index;
    int rc = find_object(store, text, &info, err);
    if (!rc)
        *ret = info.id;
    else if (rc == ERR_NOT_FOUND && !find_candidate(store, text, ret, &list, &index, &other)) {
        const struct candidate *item = &list.items[index];
        if (!json)
            (void)printf("candidate, sample %u%s, geometry from %s %s\n", item->sample,
                         item->guided ? " (guided)" : "",
                         item->geometry == GEOMETRY_TEMPLATE ? "template" : "random start",
                         item->template_id);
        rc = 0;
    }
    candidates_done(&list);
    return rc;
}

int cmd_lineage(int argc, char **argv)
{
    static const struct cli_usage usage = {
        .common = CLI_STORE | CLI_JSON,
        .word = "ID",
        .doc = "Show how an object or candidate came to be: the action "
               "that made it, that action's inputs, and so on."};
    struct cli_common options;
    struct err err = {0};
    cleanup(store_close_ptr) struct store *store = NULL;
    int rc = cli_parse_usage(&usage, argc, argv, &options, NULL);
    if (rc)
        return rc - 1;
    struct hash start;
    rc = find_store_open(options.store, &store, &err);
    if (!rc)
        rc = find_start(store, options.word, options.json, &start, &err);
    json_t *rows = options.json ? json_array() : NULL;
    if (!rc)
        rc = lineage_tell(store, &start, rows, &err);
    if (!rc && rows) {
        (void)json_dumpf(rows, stdout, JSON_INDENT(1));
        (void)putchar('\n');
    }
    json_decref(rows);
    return rc ? cli_fail("lineage", &err, options.json) : EXIT_DONE;
}
