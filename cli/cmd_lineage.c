/* `wyckmill lineage ID`: from which inputs, by which actions, a thing was made. */
#include "cli/cli.h"

#include "cli/find.h"
#include "cli/origins.h"
#include "common/cleanup.h"
#include "common/mem.h"
#include "proto/value.h"

#include <jansson.h>
#include <string.h>

struct lineage {
    struct store *store;
    struct origins origins;
    struct hash *seen; /* objects already told */
    size_t n_seen, capacity_seen;
    json_t *rows; /* NULL: text */
};

static bool told_before(struct lineage *lineage, const struct hash *object)
{
    for (size_t i = 0; i < lineage->n_seen; i++)
        if (hash_equal(&lineage->seen[i], object))
            return true;
    mem_reserve(lineage->seen, lineage->capacity_seen, lineage->n_seen + 1);
    lineage->seen[lineage->n_seen++] = *object;
    return false;
}

static void tell_json(struct lineage *lineage, const struct hash *object, const char *type,
                      const struct hash *id, const struct action *action)
{
    char hex[HASH_HEX_SIZE];
    json_t *row = json_pack("{s:s,s:s}", "object", hash_hex(object, hex), "type", type);
    if (action) {
        json_t *inputs = json_array();
        struct buf params = {0};
        struct document *document = NULL;
        (void)json_object_set_new(row, "action", json_string(hash_hex(id, hex)));
        (void)json_object_set_new(row, "kind", json_string(action->kind));
        (void)json_object_set_new(row, "revision", json_integer(action->revision));
        for (uint32_t i = 0; i < action->n_inputs; i++)
            (void)json_array_append_new(inputs, json_string(hash_hex(&action->inputs[i], hex)));
        (void)json_object_set_new(row, "inputs", inputs);
        if (!document_parse(buf_span(&action->params), &value_limits_object, &document, NULL)) {
            value_print_json(document_root(document), &params);
            (void)json_object_set_new(row, "params", json_loads(buf_text(&params), 0, NULL));
        }
        document_free(document);
        buf_done(&params);
    }
    (void)json_array_append_new(lineage->rows, row);
}

static int tell(struct lineage *lineage, const struct hash *object, int depth, struct err *err);

static int tell_inputs(struct lineage *lineage, const struct action *action, int depth,
                       struct err *err)
{
    int rc = 0;
    for (uint32_t i = 0; !rc && i < action->n_inputs; i++)
        rc = tell(lineage, &action->inputs[i], depth + 1, err);
    return rc;
}

static int tell(struct lineage *lineage, const struct hash *object, int depth, struct err *err)
{
    char hex[HASH_HEX_SIZE], by[HASH_HEX_SIZE];
    struct store_info info = {0};
    struct action action = {0};
    struct buf bytes = {0};
    bool again = told_before(lineage, object);
    if (store_stat(lineage->store, object, &info, NULL))
        (void)snprintf(info.type, sizeof info.type, "%s",
                       store_pruned(lineage->store, object, NULL, NULL) ? "(missing)"
                                                                        : "(freed)");
    const struct origin *origin = origins_find(&lineage->origins, object);
    int rc = origin ? store_get(lineage->store, &origin->action, &bytes, err) : 0;
    if (origin && !rc)
        rc = action_decode(buf_span(&bytes), &action, err);
    if (!rc && !lineage->rows) {
        (void)printf("%*s%-10s %.16s", 2 * depth, "", info.type, hash_hex(object, hex));
        if (origin)
            (void)printf("  <- %s@%u %.16s", action.kind, action.revision,
                         hash_hex(&origin->action, by));
        (void)printf("%s\n", again && origin ? "  (above)" : "");
    } else if (!rc && !again) {
        tell_json(lineage, object, info.type, origin ? &origin->action : NULL,
                  origin ? &action : NULL);
    }
    if (!rc && origin && !again)
        rc = tell_inputs(lineage, &action, depth, err);
    action_done(&action);
    buf_done(&bytes);
    return rc;
}

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
    struct lineage lineage = {.store = store, .rows = options.json ? json_array() : NULL};
    if (!rc)
        rc = origins_load(store, &lineage.origins, &err);
    if (!rc)
        rc = tell(&lineage, &start, 0, &err);
    if (!rc && lineage.rows) {
        (void)json_dumpf(lineage.rows, stdout, JSON_INDENT(1));
        (void)putchar('\n');
    }
    json_decref(lineage.rows);
    origins_done(&lineage.origins);
    free(lineage.seen);
    return rc ? cli_fail("lineage", &err, options.json) : EXIT_DONE;
}
