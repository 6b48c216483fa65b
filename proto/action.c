/* Canonical bytes of actions and results: see action.h. */
#include "proto/action.h"

#include "common/cleanup.h"
#include "common/mem.h"

#include <assert.h>
#include <stdlib.h>

enum { ACTION_VERSION = 1, RESULT_VERSION = 1 };

static const char action_format[] = "wyckmill action";
static const char result_format[] = "wyckmill result";
static const struct value_limits limits = {ACTION_BYTES_MAX, 12, 1 << 17};

static struct span map_or_empty(const struct buf *map)
{
    static const uint8_t empty[] = {0x80};
    return map->size ? buf_span(map) : (struct span){empty, sizeof empty};
}

/* The bytes of a map inside; they are canonical, so packing it again gives the same ones. */
static int copy_map(struct value value, const char *what, struct buf *ret, struct err *err)
{
    if (!value_is_map(value))
        return err_set(err, ERR_CORRUPT, "'%s' is no map", what);
    struct pack pack;
    pack_init(&pack, ret);
    pack_value(&pack, value);
    return 0;
}

static int get_u32(struct value map, const char *key, uint32_t *ret, struct err *err)
{
    uint64_t number;
    int rc = value_u64(value_get(map, key), key, 0, UINT32_MAX, &number, err);
    if (rc == 0)
        *ret = (uint32_t)number;
    return rc;
}

/* ---- action ---- */

void action_done(struct action *action)
{
    buf_done(&action->params);
    free(action->inputs);
    *action = (struct action){0};
}

void action_encode(const struct action *action, struct buf *out, struct hash *ret_id)
{
    size_t begin = out->size;
    struct pack pack;
    assert(action->n_inputs <= ACTION_INPUTS_MAX);
    pack_init(&pack, out);
    pack_map(&pack, 7);
    pack_key(&pack, "format");
    pack_text(&pack, action_format);
    pack_key(&pack, "inputs");
    pack_array(&pack, action->n_inputs);
    for (uint32_t i = 0; i < action->n_inputs; i++)
        pack_hash(&pack, &action->inputs[i]);
    pack_key(&pack, "kind");
    pack_text(&pack, action->kind);
    pack_key(&pack, "params");
    pack_raw(&pack, map_or_empty(&action->params));
    pack_key(&pack, "profile");
    pack_text(&pack, action->profile);
    pack_key(&pack, "revision");
    pack_u64(&pack, action->revision);
    pack_key(&pack, "version");
    pack_u64(&pack, ACTION_VERSION);
    if (ret_id)
        *ret_id = hash_bytes((struct span){out->data + begin, out->size - begin});
}

static int read_inputs(struct value array, struct action *ret, struct err *err)
{
    uint32_t count;
    int rc = value_array(array, "inputs", ACTION_INPUTS_MAX, &count, err);
    if (rc != 0)
        return rc;
    ret->inputs = mem_new(count, sizeof *ret->inputs);
    ret->n_inputs = count;
    for (uint32_t i = 0; rc == 0 && i < count; i++)
        rc = value_hash(value_at(array, i), "inputs", &ret->inputs[i], err);
    return rc;
}

static int read_action(struct value map, struct action *ret, struct err *err)
{
    int rc = value_map(map, "action", 7, err);
    if (rc == 0)
        rc = value_text(value_get(map, "kind"), "kind", ret->kind, sizeof ret->kind, err);
    if (rc == 0)
        rc = value_text(value_get(map, "profile"), "profile", ret->profile, sizeof ret->profile,
                        err);
    if (rc == 0)
        rc = get_u32(map, "revision", &ret->revision, err);
    if (rc == 0)
        rc = copy_map(value_get(map, "params"), "params", &ret->params, err);
    return rc == 0 ? read_inputs(value_get(map, "inputs"), ret, err) : rc;
}

int action_decode(struct span bytes, struct action *ret, struct err *err)
{
    cleanup(document_free_ptr) struct document *document = NULL;
    int rc =
        document_parse_format(bytes, &limits, action_format, ACTION_VERSION, &document, err);
    if (rc != 0)
        return rc;
    struct action action = {0};
    rc = read_action(document_root(document), &action, err);
    if (rc != 0) {
        action_done(&action);
        return err_context(err, rc, "action");
    }
    *ret = action;
    return 0;
}

/* ---- result ---- */

void result_done(struct result *result)
{
    free(result->outputs);
    buf_done(&result->summary);
    *result = (struct result){0};
}

void result_encode(const struct result *result, struct buf *out)
{
    struct pack pack;
    assert(result->n_outputs <= ACTION_OUTPUTS_MAX);
    pack_init(&pack, out);
    pack_map(&pack, 5);
    pack_key(&pack, "action");
    pack_hash(&pack, &result->action);
    pack_key(&pack, "format");
    pack_text(&pack, result_format);
    pack_key(&pack, "outputs");
    pack_array(&pack, result->n_outputs);
    for (uint32_t i = 0; i < result->n_outputs; i++) {
        pack_map(&pack, 3);
        pack_key(&pack, "id");
        pack_hash(&pack, &result->outputs[i].id);
        pack_key(&pack, "size");
        pack_u64(&pack, result->outputs[i].size);
        pack_key(&pack, "type");
        pack_text(&pack, result->outputs[i].type);
    }
    pack_key(&pack, "summary");
    pack_raw(&pack, map_or_empty(&result->summary));
    pack_key(&pack, "version");
    pack_u64(&pack, RESULT_VERSION);
}

static int read_output(struct value map, struct output *ret, struct err *err)
{
    int rc = value_map(map, "output", 3, err);
    if (rc == 0)
        rc = value_hash(value_get(map, "id"), "id", &ret->id, err);
    if (rc == 0)
        rc = value_u64(value_get(map, "size"), "size", 0, UINT64_MAX, &ret->size, err);
    if (rc == 0)
        rc = value_text(value_get(map, "type"), "type", ret->type, sizeof ret->type, err);
    return rc;
}

static int read_result(struct value map, struct result *ret, struct err *err)
{
    uint32_t count;
    struct value outputs = value_get(map, "outputs");
    int rc = value_map(map, "result", 5, err);
    if (rc == 0)
        rc = value_hash(value_get(map, "action"), "action", &ret->action, err);
    if (rc == 0)
        rc = copy_map(value_get(map, "summary"), "summary", &ret->summary, err);
    if (rc == 0)
        rc = value_array(outputs, "outputs", ACTION_OUTPUTS_MAX, &count, err);
    if (rc != 0)
        return rc;
    ret->outputs = mem_new(count, sizeof *ret->outputs);
    ret->n_outputs = count;
    for (uint32_t i = 0; rc == 0 && i < count; i++)
        if ((rc = read_output(value_at(outputs, i), &ret->outputs[i], err)) != 0)
            return err_context(err, rc, "output %u", i);
    return rc;
}

int result_decode(struct span bytes, struct result *ret, struct err *err)
{
    cleanup(document_free_ptr) struct document *document = NULL;
    int rc =
        document_parse_format(bytes, &limits, result_format, RESULT_VERSION, &document, err);
    if (rc != 0)
        return rc;
    struct result result = {0};
    rc = read_result(document_root(document), &result, err);
    if (rc != 0) {
        result_done(&result);
        return err_context(err, rc, "result");
    }
    *ret = result;
    return 0;
}
