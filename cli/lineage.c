/* From which inputs, by which actions, a thing was made: see lineage.h. */
#include "cli/lineage.h"

#include "cli/origins.h"
#include "common/mem.h"
#include "proto/value.h"

#include <stdlib.h>
#include <string.h>

/* Every ranking is made from the one before; a campaign may have any number of rounds. */
enum { RANKINGS_SHOWN = 20 };

struct lineage {
    struct store *store;
    uint32_t rankings; /* told so far */
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
    bool ranking = !strcmp(action.kind, "rank");
    if (!rc && origin && !again && ranking && lineage->rankings++ >= RANKINGS_SHOWN) {
        if (!lineage->rows)
            (void)printf("%*s(earlier rounds are not shown)\n", 2 * depth + 2, "");
    } else if (!rc && origin && !again) {
        rc = tell_inputs(lineage, &action, depth, err);
    }
    action_done(&action);
    buf_done(&bytes);
    return rc;
}

int lineage_tell(struct store *store, const struct hash *start, json_t *rows, struct err *err)
{
    struct lineage lineage = {.store = store, .rows = rows};
    int rc = origins_load(store, &lineage.origins, err);
    if (!rc)
        rc = tell(&lineage, start, 0, err);
    origins_done(&lineage.origins);
    free(lineage.seen);
    return rc;
}
