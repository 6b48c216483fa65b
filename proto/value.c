/* The reader of msgpack: bounded, then parsed by msgpack-c, then typed access. See value.h. */
#include "proto/value.h"

#include "common/mem.h"
#include "proto/scan.h"
#include "proto/utf8.h"

#include <math.h>
#include <msgpack.h>
#include <stdio.h>
#include <stdlib.h>

/* items_max bounds the memory msgpack-c takes: 48 bytes a pair, 24 an element. */
const struct value_limits value_limits_message = {1 << 20, 16, 1 << 17};
const struct value_limits value_limits_object = {1 << 30, 16, 8 << 20};

struct document {
    msgpack_zone *zone;
    msgpack_object root;
};

static int parse_scanned(struct span bytes, struct document **ret_document, struct err *err)
{
    struct document *document = mem_new(1, sizeof *document);
    document->zone = msgpack_zone_new(MSGPACK_ZONE_CHUNK_SIZE);
    size_t offset = 0;
    msgpack_unpack_return rc = MSGPACK_UNPACK_NOMEM_ERROR;
    if (document->zone)
        rc = msgpack_unpack((const char *)bytes.data, bytes.size, &offset, document->zone,
                            &document->root);
    if (rc != MSGPACK_UNPACK_SUCCESS) {
        document_free(document);
        return err_set(err, rc == MSGPACK_UNPACK_NOMEM_ERROR ? ERR_LIMIT : ERR_CORRUPT,
                       "msgpack: %zu bytes cannot be parsed (%d)", bytes.size, (int)rc);
    }
    *ret_document = document;
    return 0;
}

int document_parse(struct span bytes, const struct value_limits *limits,
                   struct document **ret_document, struct err *err)
{
    int rc = scan_document(bytes, limits, false, err);
    return rc != 0 ? rc : parse_scanned(bytes, ret_document, err);
}

int document_parse_canonical(struct span bytes, const struct value_limits *limits,
                             struct document **ret_document, struct err *err)
{
    int rc = scan_document(bytes, limits, true, err);
    return rc != 0 ? rc : parse_scanned(bytes, ret_document, err);
}

/* format and version stand in every stored map, so that a reader knows what it has. */
static int check_format(struct value root, const char *format, uint64_t version,
                        struct err *err)
{
    char found[64];
    uint64_t number;
    int rc = value_text(value_get(root, "format"), "format", found, sizeof found, err);
    if (rc != 0)
        return rc;
    if (strcmp(found, format) != 0)
        return err_set(err, ERR_CORRUPT, "this is a '%s', want a '%s'", found, format);
    rc = value_u64(value_get(root, "version"), "version", 0, UINT32_MAX, &number, err);
    if (rc == 0 && number != version)
        rc = err_set(err, ERR_UNSUPPORTED, "%s version %llu, this program reads %llu", format,
                     (unsigned long long)number, (unsigned long long)version);
    return rc;
}

int document_parse_format(struct span bytes, const struct value_limits *limits,
                          const char *format, uint64_t version, struct document **ret_document,
                          struct err *err)
{
    struct document *document;
    int rc = document_parse_canonical(bytes, limits, &document, err);
    if (rc == 0) {
        rc = check_format(document_root(document), format, version, err);
        if (rc == 0)
            *ret_document = document;
        else
            document_free(document);
    }
    return rc != 0 ? err_context(err, rc, "%s", format) : 0;
}

int value_check_canonical(struct span bytes, struct err *err)
{
    return scan_document(bytes, &value_limits_object, true, err);
}

struct value document_root(const struct document *document)
{
    return (struct value){&document->root};
}

void document_free(struct document *document)
{
    if (!document)
        return;
    if (document->zone)
        msgpack_zone_free(document->zone);
    free(document);
}

void document_free_ptr(struct document **document)
{
    document_free(*document);
}

/* ---- walking ---- */

static const msgpack_object *object_of(struct value value)
{
    return value.object;
}

/* msgpack-c gives NULL for nothing; memcpy and the like must not have it. */
static const char *not_null(const char *bytes)
{
    return bytes ? bytes : "";
}

struct value value_get(struct value map, const char *key)
{
    const msgpack_object *object = object_of(map);
    if (!object || object->type != MSGPACK_OBJECT_MAP)
        return (struct value){NULL};
    size_t size = strlen(key);
    for (uint32_t i = 0; i < object->via.map.size; i++) {
        const msgpack_object_kv *pair = &object->via.map.ptr[i];
        if (pair->key.via.str.size == size &&
            memcmp(not_null(pair->key.via.str.ptr), key, size) == 0)
            return (struct value){&pair->val};
    }
    return (struct value){NULL};
}

bool value_present(struct value value)
{
    return value.object && object_of(value)->type != MSGPACK_OBJECT_NIL;
}

bool value_is_map(struct value value)
{
    return value.object && object_of(value)->type == MSGPACK_OBJECT_MAP;
}

bool value_is_f64(struct value value)
{
    return value.object && object_of(value)->type == MSGPACK_OBJECT_FLOAT64;
}

uint32_t value_count(struct value value)
{
    const msgpack_object *object = object_of(value);
    if (object && object->type == MSGPACK_OBJECT_ARRAY)
        return object->via.array.size;
    if (object && object->type == MSGPACK_OBJECT_MAP)
        return object->via.map.size;
    return 0;
}

struct value value_at(struct value array, uint32_t index)
{
    const msgpack_object *object = object_of(array);
    if (!object || object->type != MSGPACK_OBJECT_ARRAY || index >= object->via.array.size)
        return (struct value){NULL};
    return (struct value){&object->via.array.ptr[index]};
}

struct value value_pair(struct value map, uint32_t index, char *ret_key, size_t key_size)
{
    const msgpack_object *object = object_of(map);
    ret_key[0] = '\0';
    if (!object || object->type != MSGPACK_OBJECT_MAP || index >= object->via.map.size)
        return (struct value){NULL};
    const msgpack_object_kv *pair = &object->via.map.ptr[index];
    size_t size = pair->key.via.str.size;
    size = size < key_size ? size : key_size - 1;
    memcpy(ret_key, not_null(pair->key.via.str.ptr), size);
    ret_key[size] = '\0';
    return (struct value){&pair->val};
}

/* ---- typed access ---- */

static const char *type_text(const msgpack_object *object)
{
    switch (object->type) {
    case MSGPACK_OBJECT_NIL:
        return "nil";
    case MSGPACK_OBJECT_BOOLEAN:
        return "a boolean";
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        return "an integer";
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        return "a number";
    case MSGPACK_OBJECT_STR:
        return "text";
    case MSGPACK_OBJECT_ARRAY:
        return "an array";
    case MSGPACK_OBJECT_MAP:
        return "a map";
    case MSGPACK_OBJECT_BIN:
        return "bytes";
    case MSGPACK_OBJECT_EXT:
        break;
    }
    return "an extension";
}

static int mismatch(struct value value, const char *what, const char *want, struct err *err)
{
    if (!value.object)
        return err_set(err, ERR_CORRUPT, "'%s' is missing", what);
    return err_set(err, ERR_CORRUPT, "'%s' is %s, want %s", what, type_text(object_of(value)),
                   want);
}

int value_bool(struct value value, const char *what, bool *ret, struct err *err)
{
    const msgpack_object *object = object_of(value);
    if (!object || object->type != MSGPACK_OBJECT_BOOLEAN)
        return mismatch(value, what, "a boolean", err);
    *ret = object->via.boolean;
    return 0;
}

int value_u64(struct value value, const char *what, uint64_t min, uint64_t max, uint64_t *ret,
              struct err *err)
{
    const msgpack_object *object = object_of(value);
    if (!object || object->type != MSGPACK_OBJECT_POSITIVE_INTEGER)
        return mismatch(value, what, "an integer >= 0", err);
    uint64_t number = object->via.u64;
    if (number < min || number > max)
        return err_set(err, ERR_CORRUPT, "'%s' is %llu, want %llu..%llu", what,
                       (unsigned long long)number, (unsigned long long)min,
                       (unsigned long long)max);
    *ret = number;
    return 0;
}

int value_i64(struct value value, const char *what, int64_t *ret, struct err *err)
{
    const msgpack_object *object = object_of(value);
    if (object && object->type == MSGPACK_OBJECT_NEGATIVE_INTEGER) {
        *ret = object->via.i64;
        return 0;
    }
    if (!object || object->type != MSGPACK_OBJECT_POSITIVE_INTEGER)
        return mismatch(value, what, "an integer", err);
    if (object->via.u64 > INT64_MAX)
        return err_set(err, ERR_CORRUPT, "'%s' is %llu, want at most %lld", what,
                       (unsigned long long)object->via.u64, (long long)INT64_MAX);
    *ret = (int64_t)object->via.u64;
    return 0;
}

int value_f64(struct value value, const char *what, double *ret, struct err *err)
{
    const msgpack_object *object = object_of(value);
    if (!object)
        return mismatch(value, what, "a number", err);
    if (object->type == MSGPACK_OBJECT_FLOAT64 || object->type == MSGPACK_OBJECT_FLOAT32)
        *ret = object->via.f64;
    else if (object->type == MSGPACK_OBJECT_POSITIVE_INTEGER)
        *ret = (double)object->via.u64;
    else if (object->type == MSGPACK_OBJECT_NEGATIVE_INTEGER)
        *ret = (double)object->via.i64;
    else
        return mismatch(value, what, "a number", err);
    return 0;
}

int value_text(struct value value, const char *what, char *ret, size_t size, struct err *err)
{
    const msgpack_object *object = object_of(value);
    if (!object || object->type != MSGPACK_OBJECT_STR)
        return mismatch(value, what, "text", err);
    const msgpack_object_str *text = &object->via.str;
    const char *bytes = not_null(text->ptr);
    if (text->size >= size)
        return err_set(err, ERR_CORRUPT, "'%s' has %u bytes, want at most %zu", what,
                       text->size, size - 1);
    if (memchr(bytes, 0, text->size))
        return err_set(err, ERR_CORRUPT, "'%s' holds a NUL", what);
    if (utf8_valid_size((const uint8_t *)bytes, text->size) != text->size)
        return err_set(err, ERR_CORRUPT, "'%s' is not UTF-8", what);
    memcpy(ret, bytes, text->size);
    ret[text->size] = '\0';
    return 0;
}

int value_bytes(struct value value, const char *what, struct span *ret, struct err *err)
{
    const msgpack_object *object = object_of(value);
    if (!object || object->type != MSGPACK_OBJECT_BIN)
        return mismatch(value, what, "bytes", err);
    *ret = (struct span){(const uint8_t *)not_null(object->via.bin.ptr), object->via.bin.size};
    return 0;
}

/* A `bin` of exactly `count` numbers of `width` bytes. */
static int column(struct value value, const char *what, size_t count, size_t width,
                  struct span *ret, struct err *err)
{
    int rc = value_bytes(value, what, ret, err);
    if (rc != 0)
        return rc;
    if (ret->size % width != 0 || ret->size / width != count)
        return err_set(err, ERR_CORRUPT, "'%s' has %zu bytes, want %zu x %zu", what, ret->size,
                       count, width);
    return 0;
}

int value_hash(struct value value, const char *what, struct hash *ret, struct err *err)
{
    struct span bytes;
    int rc = column(value, what, HASH_SIZE, 1, &bytes, err);
    if (rc == 0)
        memcpy(ret->bytes, bytes.data, HASH_SIZE);
    return rc;
}

static uint64_t get_le(const uint8_t *at, int width)
{
    uint64_t value = 0;
    for (int i = width - 1; i >= 0; i--)
        value = value << 8 | at[i];
    return value;
}

int value_f64_array(struct value value, const char *what, double *ret, size_t count,
                    struct err *err)
{
    struct span bytes;
    int rc = column(value, what, count, 8, &bytes, err);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        uint64_t bits = get_le(bytes.data + 8 * i, 8);
        memcpy(&ret[i], &bits, 8);
    }
    return rc;
}

int value_u16_array(struct value value, const char *what, uint16_t *ret, size_t count,
                    struct err *err)
{
    struct span bytes;
    int rc = column(value, what, count, 2, &bytes, err);
    for (size_t i = 0; rc == 0 && i < count; i++)
        ret[i] = (uint16_t)get_le(bytes.data + 2 * i, 2);
    return rc;
}

int value_u32_array(struct value value, const char *what, uint32_t *ret, size_t count,
                    struct err *err)
{
    struct span bytes;
    int rc = column(value, what, count, 4, &bytes, err);
    for (size_t i = 0; rc == 0 && i < count; i++)
        ret[i] = (uint32_t)get_le(bytes.data + 4 * i, 4);
    return rc;
}

int value_i64_array(struct value value, const char *what, int64_t *ret, size_t count,
                    struct err *err)
{
    struct span bytes;
    int rc = column(value, what, count, 8, &bytes, err);
    for (size_t i = 0; rc == 0 && i < count; i++)
        ret[i] = (int64_t)get_le(bytes.data + 8 * i, 8);
    return rc;
}

int value_array(struct value value, const char *what, uint32_t max, uint32_t *ret_count,
                struct err *err)
{
    const msgpack_object *object = object_of(value);
    if (!object || object->type != MSGPACK_OBJECT_ARRAY)
        return mismatch(value, what, "an array", err);
    if (object->via.array.size > max)
        return err_set(err, ERR_LIMIT, "'%s' has %u elements, at most %u are allowed", what,
                       object->via.array.size, max);
    *ret_count = object->via.array.size;
    return 0;
}

int value_map(struct value value, const char *what, uint32_t pairs, struct err *err)
{
    const msgpack_object *object = object_of(value);
    if (!object || object->type != MSGPACK_OBJECT_MAP)
        return mismatch(value, what, "a map", err);
    if (object->via.map.size != pairs)
        return err_set(err, ERR_CORRUPT, "'%s' has %u keys, want %u", what,
                       object->via.map.size, pairs);
    return 0;
}

/* ---- JSON ---- */

enum { JSON_BYTES_HEX_MAX = 64 };

static void print_json_text(const uint8_t *text, size_t size, struct buf *out)
{
    buf_append(out, "\"", 1);
    for (size_t at = 0; at < size;) {
        size_t n = utf8_sequence(text + at, size - at);
        if (n == 0)
            buf_append(out, "\xef\xbf\xbd", 3); /* U+FFFD */
        else if (text[at] == '"' || text[at] == '\\')
            buf_print(out, "\\%c", text[at]);
        else if (text[at] < 0x20 || text[at] == 0x7f)
            buf_print(out, "\\u%04x", text[at]);
        else
            buf_append(out, text + at, n);
        at += n ? n : 1;
    }
    buf_append(out, "\"", 1);
}

static void print_json_bytes(const uint8_t *bytes, size_t size, struct buf *out)
{
    if (size > JSON_BYTES_HEX_MAX) {
        buf_print(out, "\"<%zu bytes>\"", size);
        return;
    }
    buf_append(out, "\"", 1);
    for (size_t i = 0; i < size; i++)
        buf_print(out, "%02x", bytes[i]);
    buf_append(out, "\"", 1);
}

static void print_json_number(double number, struct buf *out)
{
    if (isfinite(number))
        buf_print(out, "%.17g", number);
    else
        buf_print(out, "\"%s\"", isnan(number) ? "nan" : number > 0 ? "inf" : "-inf");
}

static void print_json_container(const msgpack_object *object, struct buf *out)
{
    bool map = object->type == MSGPACK_OBJECT_MAP;
    uint32_t count = map ? object->via.map.size : object->via.array.size;
    buf_append(out, map ? "{" : "[", 1);
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0)
            buf_append(out, ",", 1);
        const msgpack_object *value =
            map ? &object->via.map.ptr[i].val : &object->via.array.ptr[i];
        if (map) {
            const msgpack_object_str *key = &object->via.map.ptr[i].key.via.str;
            print_json_text((const uint8_t *)key->ptr, key->size, out);
            buf_append(out, ":", 1);
        }
        value_print_json((struct value){value}, out);
    }
    buf_append(out, map ? "}" : "]", 1);
}

void value_print_json_text(struct span text, struct buf *out)
{
    print_json_text(text.data, text.size, out);
}

void value_print_json(struct value value, struct buf *out)
{
    const msgpack_object *object = object_of(value);
    if (!object) {
        buf_print(out, "null");
        return;
    }
    switch (object->type) {
    case MSGPACK_OBJECT_BOOLEAN:
        buf_print(out, "%s", object->via.boolean ? "true" : "false");
        return;
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        buf_print(out, "%llu", (unsigned long long)object->via.u64);
        return;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        buf_print(out, "%lld", (long long)object->via.i64);
        return;
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        print_json_number(object->via.f64, out);
        return;
    case MSGPACK_OBJECT_STR:
        print_json_text((const uint8_t *)object->via.str.ptr, object->via.str.size, out);
        return;
    case MSGPACK_OBJECT_BIN:
        print_json_bytes((const uint8_t *)object->via.bin.ptr, object->via.bin.size, out);
        return;
    case MSGPACK_OBJECT_ARRAY:
    case MSGPACK_OBJECT_MAP:
        print_json_container(object, out);
        return;
    case MSGPACK_OBJECT_NIL:
    case MSGPACK_OBJECT_EXT:
        break;
    }
    buf_print(out, "null");
}
