/* The codec of every message, derived from proto/messages/NAME.def: see messages.h. A field
 * type is three functions (put, get, print); a message is one generated function of each kind
 * and a row of the table. */
#include "proto/messages.h"

#include "common/cleanup.h"
#include "proto/utf8.h"
#include "proto/value.h"

#include <assert.h>

static const struct value_limits limits = {MESSAGE_FRAME_BYTES_MAX, 1, 64};

/* ---- field types ---- */

static void put_u32(struct pack *pack, const message_u32 *value)
{
    pack_u64(pack, *value);
}

static void put_u64(struct pack *pack, const message_u64 *value)
{
    pack_u64(pack, *value);
}

/* No message has a signed field yet. */
__attribute__((unused)) static void put_i32(struct pack *pack, const message_i32 *value)
{
    pack_i64(pack, *value);
}

static void put_hash(struct pack *pack, const message_hash *value)
{
    pack_hash(pack, value);
}

static void put_text(struct pack *pack, const message_text *value)
{
    message_text whole; /* ends with NUL and at a whole character, whatever the caller did */
    memcpy(&whole, value, sizeof whole);
    whole.text[MESSAGE_TEXT_SIZE - 1] = '\0';
    pack_text(pack, whole.text);
}

static void put_bytes(struct pack *pack, const message_bytes *value)
{
    pack_bytes(pack, *value);
}

static void put_chunk(struct pack *pack, const message_chunk *value)
{
    assert(value->size <= MESSAGE_CHUNK_BYTES_MAX);
    pack_bytes(pack, *value);
}

static void put_chunk_size(struct pack *pack, const message_chunk_size *value)
{
    assert(*value >= 1 && *value <= MESSAGE_CHUNK_BYTES_MAX);
    pack_u64(pack, *value);
}

static void put_log_tail(struct pack *pack, const message_log_tail *value)
{
    size_t size = value->size < MESSAGE_LOG_BYTES_MAX ? value->size : MESSAGE_LOG_BYTES_MAX;
    pack_bytes(pack, (struct span){size ? value->data + (value->size - size) : NULL, size});
}

static int get_u32_range(struct value value, const char *what, uint64_t min, uint64_t max,
                         uint32_t *ret, struct err *err)
{
    uint64_t number;
    int rc = value_u64(value, what, min, max, &number, err);
    if (rc == 0)
        *ret = (uint32_t)number;
    return rc;
}

static int get_u32(struct value value, const char *what, message_u32 *ret, struct err *err)
{
    return get_u32_range(value, what, 0, UINT32_MAX, ret, err);
}

static int get_u64(struct value value, const char *what, message_u64 *ret, struct err *err)
{
    return value_u64(value, what, 0, UINT64_MAX, ret, err);
}

__attribute__((unused)) static int get_i32(struct value value, const char *what,
                                           message_i32 *ret, struct err *err)
{
    int64_t number;
    int rc = value_i64(value, what, &number, err);
    if (rc == 0 && (number < INT32_MIN || number > INT32_MAX))
        rc = err_set(err, ERR_CORRUPT, "'%s' is %lld, want 32 bits", what, (long long)number);
    if (rc == 0)
        *ret = (int32_t)number;
    return rc;
}

static int get_hash(struct value value, const char *what, message_hash *ret, struct err *err)
{
    return value_hash(value, what, ret, err);
}

static int get_text(struct value value, const char *what, message_text *ret, struct err *err)
{
    return value_text(value, what, ret->text, sizeof ret->text, err);
}

static int get_bytes(struct value value, const char *what, message_bytes *ret, struct err *err)
{
    return value_bytes(value, what, ret, err);
}

static int get_bytes_max(struct value value, const char *what, size_t max, struct span *ret,
                         struct err *err)
{
    int rc = value_bytes(value, what, ret, err);
    if (rc == 0 && ret->size > max)
        rc = err_set(err, ERR_LIMIT, "'%s' has %zu bytes, at most %zu are allowed", what,
                     ret->size, max);
    return rc;
}

static int get_chunk(struct value value, const char *what, message_chunk *ret, struct err *err)
{
    return get_bytes_max(value, what, MESSAGE_CHUNK_BYTES_MAX, ret, err);
}

static int get_chunk_size(struct value value, const char *what, message_chunk_size *ret,
                          struct err *err)
{
    return get_u32_range(value, what, 1, MESSAGE_CHUNK_BYTES_MAX, ret, err);
}

static int get_log_tail(struct value value, const char *what, message_log_tail *ret,
                        struct err *err)
{
    return get_bytes_max(value, what, MESSAGE_LOG_BYTES_MAX, ret, err);
}

static void print_u32(const message_u32 *value, struct buf *out)
{
    buf_print(out, "%lu", (unsigned long)*value);
}

static void print_u64(const message_u64 *value, struct buf *out)
{
    buf_print(out, "%llu", (unsigned long long)*value);
}

__attribute__((unused)) static void print_i32(const message_i32 *value, struct buf *out)
{
    buf_print(out, "%ld", (long)*value);
}

static void print_hash(const message_hash *value, struct buf *out)
{
    char hex[HASH_HEX_SIZE];
    buf_print(out, "%.8s..", hash_hex(value, hex));
}

static void print_text(const message_text *value, struct buf *out)
{
    const uint8_t *text = (const uint8_t *)value->text;
    size_t size = strnlen(value->text, sizeof value->text);
    buf_append(out, "\"", 1);
    for (size_t at = 0, n; at < size; at += n ? n : 1) {
        n = utf8_sequence(text + at, size - at);
        if (n == 0 || text[at] < 0x20 || text[at] == 0x7f)
            buf_print(out, "\\x%02x", text[at]);
        else if (text[at] == '"' || text[at] == '\\')
            buf_print(out, "\\%c", text[at]);
        else
            buf_append(out, text + at, n);
    }
    buf_append(out, "\"", 1);
}

static void print_bytes(const message_bytes *value, struct buf *out)
{
    buf_print(out, "<%zu bytes>", value->size);
}

static void print_chunk(const message_chunk *value, struct buf *out)
{
    print_bytes(value, out);
}

static void print_chunk_size(const message_chunk_size *value, struct buf *out)
{
    print_u32(value, out);
}

static void print_log_tail(const message_log_tail *value, struct buf *out)
{
    print_bytes(value, out);
}

/* ---- one function of each kind per message ---- */
/* clang-format off */

#define MESSAGE(name, version) enum { FIELDS_##name = 0
#define FIELD(type, name) +1
#define END(name) };
#include "proto/messages/all.def"
#undef MESSAGE
#undef FIELD
#undef END

#define MESSAGE(name, version)                                                                 \
    static void put_fields_##name(struct pack *pack, const struct message *message)            \
    {                                                                                          \
        const struct message_##name *fields = &message->name;
#define FIELD(type, name) put_##type(pack, &fields->name);
#define END(name) }
#include "proto/messages/all.def"
#undef MESSAGE
#undef FIELD
#undef END

#define MESSAGE(name, version)                                                                 \
    static int get_fields_##name(struct value array, struct message *message, struct err *err) \
    {                                                                                          \
        struct message_##name *fields = &message->name;                                        \
        uint32_t at = 2;                                                                       \
        int rc = 0;
#define FIELD(type, name)                                                                      \
    if (rc == 0)                                                                               \
        rc = get_##type(value_at(array, at++), #name, &fields->name, err);
#define END(name)                                                                              \
    return rc;                                                                                 \
    }
#include "proto/messages/all.def"
#undef MESSAGE
#undef FIELD
#undef END

#define MESSAGE(name, version)                                                                 \
    static void print_fields_##name(const struct message *message, struct buf *out)            \
    {                                                                                          \
        const struct message_##name *fields = &message->name;
#define FIELD(type, name)                                                                      \
    buf_print(out, " " #name "=");                                                             \
    print_##type(&fields->name, out);
#define END(name) }
#include "proto/messages/all.def"
#undef MESSAGE
#undef FIELD
#undef END

/* clang-format on */
static const struct row {
    const char *name;
    uint32_t version, fields;
    void (*put)(struct pack *pack, const struct message *message);
    int (*get)(struct value array, struct message *message, struct err *err);
    void (*print)(const struct message *message, struct buf *out);
} rows[MESSAGE_TYPE_COUNT] = {
/* clang-format off */
#define MESSAGE(name, version)                                                                 \
    [MESSAGE_TYPE_##name] = {#name, version, FIELDS_##name, put_fields_##name,                  \
                             get_fields_##name, print_fields_##name},
#define FIELD(type, name)
#define END(name)
#include "proto/messages/all.def"
#undef MESSAGE
#undef FIELD
#undef END
    /* clang-format on */
};

/* ---- the interface ---- */

void message_encode(const struct message *message, struct buf *out)
{
    assert(message->type > MESSAGE_NONE && message->type < MESSAGE_TYPE_COUNT);
    const struct row *row = &rows[message->type];
    struct pack pack;
    pack_init(&pack, out);
    pack_array(&pack, 2 + row->fields);
    pack_u64(&pack, message->type);
    pack_u64(&pack, row->version);
    row->put(&pack, message);
}

static int read_message(struct value array, struct message *ret, struct err *err)
{
    uint64_t number, version;
    uint32_t count;
    int rc = value_array(array, "message", UINT32_MAX, &count, err);
    if (rc == 0)
        rc = value_u64(value_at(array, 0), "message number", 0, UINT64_MAX, &number, err);
    if (rc == 0)
        rc = value_u64(value_at(array, 1), "schema version", 0, UINT64_MAX, &version, err);
    if (rc != 0)
        return rc;
    if (number == MESSAGE_NONE || number >= MESSAGE_TYPE_COUNT)
        return err_set(err, ERR_UNSUPPORTED, "message number %llu is not known",
                       (unsigned long long)number);
    const struct row *row = &rows[number];
    if (version != row->version)
        return err_set(err, ERR_UNSUPPORTED, "%s: schema version %llu, this program speaks %u",
                       row->name, (unsigned long long)version, row->version);
    if (count != 2 + row->fields)
        return err_set(err, ERR_CORRUPT, "%s: %u fields, want %u", row->name, count - 2,
                       row->fields);
    ret->type = (enum message_type)number;
    rc = row->get(array, ret, err);
    return rc != 0 ? err_context(err, rc, "%s", row->name) : 0;
}

int message_decode(struct span frame, struct message *ret, struct err *err)
{
    cleanup(document_free_ptr) struct document *document = NULL;
    struct message message = {0};
    int rc = document_parse(frame, &limits, &document, err);
    if (rc == 0)
        rc = read_message(document_root(document), &message, err);
    if (rc == 0)
        *ret = message;
    return rc;
}

void message_print(const struct message *message, struct buf *out)
{
    buf_print(out, "%s", message_type_text(message->type));
    if (message->type > MESSAGE_NONE && message->type < MESSAGE_TYPE_COUNT)
        rows[message->type].print(message, out);
}

const char *message_type_text(enum message_type type)
{
    return type > MESSAGE_NONE && type < MESSAGE_TYPE_COUNT ? rows[type].name : "none";
}

void message_text_set(message_text *to, const char *text)
{
    size_t size = strlen(text), cut = sizeof to->text - 1;
    if (size > cut) {
        while (cut > 0 && ((uint8_t)text[cut] & 0xc0) == 0x80)
            cut--;
        size = cut;
    }
    memset(to->text, 0, sizeof to->text);
    memcpy(to->text, text, size);
}
