/* Writing and strict reading of safetensors files: see safetensors.h. */
#include "workers/nn/safetensors.h"

#include "common/cleanup.h"
#include "common/mem.h"

#include <assert.h>
#include <inttypes.h>
#include <jansson.h>

static const struct {
    const char *name;
    size_t size;
} types[] = {
    [SAFETENSOR_F32] = {"F32", 4},
    [SAFETENSOR_F64] = {"F64", 8},
    [SAFETENSOR_I64] = {"I64", 8},
};
enum { TYPES = sizeof types / sizeof types[0], LENGTH_SIZE = 8 };

static void json_free_ptr(json_t **json)
{
    json_decref(*json);
}

/* ---- writing ---- */

static int name_compare(const void *a, const void *b)
{
    return strcmp(((const struct safetensor *)a)->name, ((const struct safetensor *)b)->name);
}

static json_t *entry_json(const struct safetensor *item, uint64_t begin)
{
    json_t *shape = json_array();
    uint64_t size = types[item->type].size;
    for (uint32_t d = 0; d < item->n_dims; d++) {
        json_array_append_new(shape, json_integer((json_int_t)item->shape[d]));
        size *= item->shape[d];
    }
    assert(size == item->size);
    return json_pack("{s:s, s:o, s:[I,I]}", "dtype", types[item->type].name, "shape", shape,
                     "data_offsets", (json_int_t)begin, (json_int_t)(begin + size));
}

void safetensors_write(struct buf *out, struct safetensor *items, uint32_t n,
                       const struct safetensors_meta *meta, uint32_t n_meta)
{
    qsort(items, n, sizeof *items, name_compare);
    cleanup(json_free_ptr) json_t *header = json_object();
    json_t *texts = json_object();
    for (uint32_t i = 0; i < n_meta; i++)
        json_object_set_new(texts, meta[i].key, json_string(meta[i].value));
    json_object_set_new(header, "__metadata__", texts);
    uint64_t offset = 0;
    for (uint32_t i = 0; i < n; i++) {
        assert(i == 0 || name_compare(&items[i - 1], &items[i]) != 0);
        json_object_set_new(header, items[i].name, entry_json(&items[i], offset));
        offset += items[i].size;
    }
    cleanup(free_ptr) char *text = json_dumps(header, JSON_COMPACT | JSON_SORT_KEYS);
    assert(text);
    uint64_t length = strlen(text), padded = (length + 7) / 8 * 8;
    uint8_t prefix[LENGTH_SIZE];
    for (int i = 0; i < LENGTH_SIZE; i++)
        prefix[i] = (uint8_t)(padded >> (8 * i));
    buf_append(out, prefix, sizeof prefix);
    buf_append(out, text, length);
    buf_append(out, "        ", padded - length);
    for (uint32_t i = 0; i < n; i++)
        buf_append(out, items[i].data, items[i].size);
}

/* ---- reading ---- */

struct safetensors {
    json_t *header; /* owns the metadata texts */
    uint32_t n;
    struct safetensor *items; /* (n) ascending by name */
};

void safetensors_free(struct safetensors *safetensors)
{
    if (!safetensors)
        return;
    json_decref(safetensors->header);
    free(safetensors->items);
    free(safetensors);
}

void safetensors_free_ptr(struct safetensors **safetensors)
{
    safetensors_free(*safetensors);
}

static int read_type(const json_t *entry, struct safetensor *ret, struct err *err)
{
    const char *name = json_string_value(json_object_get(entry, "dtype"));
    for (int i = 0; name && i < TYPES; i++)
        if (strcmp(name, types[i].name) == 0) {
            ret->type = (enum safetensor_type)i;
            return 0;
        }
    return err_set(err, name ? ERR_UNSUPPORTED : ERR_CORRUPT, "tensor '%s': type '%s'",
                   ret->name, name ? name : "missing");
}

/* Shape, and the size that it asks for (at most `limit`, so that nothing overflows). */
static int read_shape(const json_t *entry, uint64_t limit, struct safetensor *ret,
                      struct err *err)
{
    const json_t *shape = json_object_get(entry, "shape");
    if (!json_is_array(shape) || json_array_size(shape) > SAFETENSORS_DIMS_MAX)
        return err_set(err, ERR_CORRUPT, "tensor '%s': shape is no list of at most %d sizes",
                       ret->name, SAFETENSORS_DIMS_MAX);
    uint64_t size = types[ret->type].size;
    ret->n_dims = (uint32_t)json_array_size(shape);
    for (uint32_t d = 0; d < ret->n_dims; d++) {
        const json_t *dim = json_array_get(shape, d);
        json_int_t value = json_integer_value(dim);
        if (!json_is_integer(dim) || value < 1 || (uint64_t)value > limit / size)
            return err_set(err, ERR_CORRUPT,
                           "tensor '%s': size %u of the shape is out of range", ret->name, d);
        ret->shape[d] = (uint64_t)value;
        size *= (uint64_t)value;
    }
    if (size > limit)
        return err_set(err, ERR_CORRUPT, "tensor '%s' is larger than the file", ret->name);
    ret->size = size;
    return 0;
}

static int read_entry(const char *name, const json_t *entry, struct span data,
                      struct safetensor *ret, struct err *err)
{
    if (strlen(name) >= sizeof ret->name)
        return err_set(err, ERR_LIMIT, "a tensor name of %zu bytes; at most %d are read",
                       strlen(name), SAFETENSORS_NAME_SIZE - 1);
    memcpy(ret->name, name, strlen(name) + 1);
    if (!json_is_object(entry) || json_object_size(entry) != 3)
        return err_set(err, ERR_CORRUPT, "tensor '%s': want dtype, shape and data_offsets",
                       name);
    int rc = read_type(entry, ret, err);
    if (rc == 0)
        rc = read_shape(entry, data.size, ret, err);
    if (rc != 0)
        return rc;
    const json_t *offsets = json_object_get(entry, "data_offsets");
    const json_t *begin = json_array_get(offsets, 0), *end = json_array_get(offsets, 1);
    json_int_t from = json_integer_value(begin), to = json_integer_value(end);
    if (json_array_size(offsets) != 2 || !json_is_integer(begin) || !json_is_integer(end) ||
        from < 0 || to < from || (uint64_t)to > data.size || (uint64_t)(to - from) != ret->size)
        return err_set(err, ERR_CORRUPT, "tensor '%s': data_offsets do not fit its shape",
                       name);
    ret->data = data.data + from;
    return 0;
}

static int offset_compare(const void *a, const void *b)
{
    uintptr_t x = (uintptr_t)((const struct safetensor *)a)->data;
    uintptr_t y = (uintptr_t)((const struct safetensor *)b)->data;
    return (x > y) - (x < y);
}

/* Every byte behind the header belongs to exactly one tensor. */
static int check_cover(struct safetensors *ret, struct span data, struct err *err)
{
    const uint8_t *at = data.data;
    qsort(ret->items, ret->n, sizeof *ret->items, offset_compare);
    for (uint32_t i = 0; i < ret->n; i++) {
        if (ret->items[i].data != at)
            return err_set(err, ERR_CORRUPT, "tensor '%s' overlaps another or leaves a hole",
                           ret->items[i].name);
        at += ret->items[i].size;
    }
    if (at != data.data + data.size)
        return err_set(err, ERR_CORRUPT, "%zu bytes behind the last tensor",
                       (size_t)(data.data + data.size - at));
    qsort(ret->items, ret->n, sizeof *ret->items, name_compare);
    return 0;
}

static int read_metadata(json_t *meta, struct err *err)
{
    if (!json_is_object(meta) || json_object_size(meta) > SAFETENSORS_META_MAX)
        return err_set(err, ERR_CORRUPT, "__metadata__ is no map of at most %d texts",
                       SAFETENSORS_META_MAX);
    for (void *at = json_object_iter(meta); at; at = json_object_iter_next(meta, at))
        if (!json_is_string(json_object_iter_value(at)))
            return err_set(err, ERR_CORRUPT, "__metadata__: '%s' is no text",
                           json_object_iter_key(at));
    return 0;
}

static int read_header(struct safetensors *ret, struct span data, struct err *err)
{
    size_t count = json_object_size(ret->header);
    if (count > SAFETENSORS_TENSORS_MAX)
        return err_set(err, ERR_LIMIT, "%zu tensors; at most %d are read", count,
                       SAFETENSORS_TENSORS_MAX);
    ret->items = mem_new(count, sizeof *ret->items);
    for (void *at = json_object_iter(ret->header); at;
         at = json_object_iter_next(ret->header, at)) {
        const char *name = json_object_iter_key(at);
        json_t *entry = json_object_iter_value(at);
        int rc = strcmp(name, "__metadata__") == 0
                     ? read_metadata(entry, err)
                     : read_entry(name, entry, data, &ret->items[ret->n++], err);
        if (rc != 0)
            return rc;
    }
    return check_cover(ret, data, err);
}

int safetensors_read(struct span bytes, struct safetensors **ret, struct err *err)
{
    uint64_t length = 0;
    if (bytes.size < LENGTH_SIZE)
        return err_set(err, ERR_CORRUPT, "safetensors: %zu bytes are no file", bytes.size);
    for (int i = 0; i < LENGTH_SIZE; i++)
        length |= (uint64_t)bytes.data[i] << (8 * i);
    if (length > SAFETENSORS_HEADER_MAX)
        return err_set(err, ERR_LIMIT,
                       "safetensors: a header of %" PRIu64 " bytes; at most %d are read",
                       length, SAFETENSORS_HEADER_MAX);
    if (length > bytes.size - LENGTH_SIZE)
        return err_set(err, ERR_CORRUPT, "safetensors: header cut off");
    cleanup(safetensors_free_ptr) struct safetensors *file = mem_new(1, sizeof *file);
    json_error_t error;
    file->header = json_loadb((const char *)bytes.data + LENGTH_SIZE, (size_t)length,
                              JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(file->header))
        return err_set(err, ERR_CORRUPT, "safetensors: header is no JSON object: %.80s",
                       file->header ? "another value" : error.text);
    struct span data = {bytes.data + LENGTH_SIZE + length,
                        bytes.size - LENGTH_SIZE - (size_t)length};
    int rc = read_header(file, data, err);
    if (rc != 0)
        return err_context(err, rc, "safetensors");
    *ret = take(file);
    return 0;
}

const struct safetensor *safetensors_find(const struct safetensors *safetensors,
                                          const char *name)
{
    uint32_t low = 0, high = safetensors->n;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        int order = strcmp(safetensors->items[middle].name, name);
        if (order == 0)
            return &safetensors->items[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

const char *safetensors_meta(const struct safetensors *safetensors, const char *key)
{
    const json_t *meta = json_object_get(safetensors->header, "__metadata__");
    return json_string_value(json_object_get(meta, key));
}

static int copy(const struct safetensors *safetensors, const char *name,
                enum safetensor_type type, void *ret, size_t count, struct err *err)
{
    const struct safetensor *item = safetensors_find(safetensors, name);
    if (!item)
        return err_set(err, ERR_CORRUPT, "no tensor '%s'", name);
    size_t size = count * types[type].size;
    if (item->type != type || item->size != size)
        return err_set(err, ERR_CORRUPT, "tensor '%s': %s, %zu bytes; want %s, %zu", name,
                       types[item->type].name, item->size, types[type].name, size);
    memcpy(ret, item->data, size);
    return 0;
}

int safetensors_copy_f32(const struct safetensors *safetensors, const char *name, float *ret,
                         size_t count, struct err *err)
{
    return copy(safetensors, name, SAFETENSOR_F32, ret, count, err);
}

int safetensors_copy_f64(const struct safetensors *safetensors, const char *name, double *ret,
                         size_t count, struct err *err)
{
    return copy(safetensors, name, SAFETENSOR_F64, ret, count, err);
}
