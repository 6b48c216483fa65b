/* Canonical msgpack: what is hashed has one form. Maps have text keys in ascending byte order,
 * integers are as short as they can be, numbers with a fraction are float64, long arrays of
 * numbers are little-endian `bin`. msgpack-c does the bytes; sizes, depths and counts are
 * bounded before anything is allocated. Nobody outside proto/ sees msgpack types. */
#ifndef WYCKMILL_PROTO_VALUE_H
#define WYCKMILL_PROTO_VALUE_H

#include "common/err.h"
#include "common/hash.h"
#include "common/span.h"

#include <stdbool.h>

/* ---- Writing. A writer appends to `out` and cannot fail. Map keys must come in ascending
 * order (asserted by pack_key against the previous key of the same map). ---- */

enum { PACK_DEPTH_MAX = 16 };

/* One open map or array: what is still to come, and the last key for the order check. */
struct pack_level {
    uint32_t left; /* pairs or elements */
    bool map, value_next;
    size_t key_at, key_size; /* in `out`; size 0 with key_at 0: no key yet */
};

struct pack {
    struct buf *out;
    struct pack_level levels[PACK_DEPTH_MAX];
    int depth;
};

void pack_init(struct pack *pack, struct buf *out);
/* A map of `count` pairs: call pack_key and one value for each. A wrong number of values, a key
 * out of order or too deep nesting is our own bug, and asserted. */
void pack_map(struct pack *pack, uint32_t count);
void pack_key(struct pack *pack, const char *key);
void pack_array(struct pack *pack, uint32_t count);
void pack_nil(struct pack *pack);
void pack_bool(struct pack *pack, bool value);
void pack_u64(struct pack *pack, uint64_t value);
void pack_i64(struct pack *pack, int64_t value);
void pack_f64(struct pack *pack, double value); /* always float64; NaN has one bit pattern */
/* Bytes that are not UTF-8 become '?', so that whatever was written can be read. */
void pack_text(struct pack *pack, const char *text);
void pack_bytes(struct pack *pack, struct span bytes);
void pack_hash(struct pack *pack, const struct hash *hash); /* bin of 32 bytes */
void pack_f64_array(struct pack *pack, const double *values, size_t count); /* bin, LE */
/* Bytes that are already one canonical value (e.g. params inside an action). */
void pack_raw(struct pack *pack, struct span value);
/* Little-endian columns as `bin`. */
void pack_u16_array(struct pack *pack, const uint16_t *values, size_t count);
void pack_u32_array(struct pack *pack, const uint32_t *values, size_t count);
void pack_i64_array(struct pack *pack, const int64_t *values, size_t count);

/* ---- Reading ---- */

struct value_limits {
    size_t bytes_max;
    uint32_t depth_max;
    uint32_t items_max; /* array elements + map pairs, in all */
};

extern const struct value_limits value_limits_message; /* control messages: 1 MiB */
extern const struct value_limits value_limits_object;  /* stored objects: 1 GiB */

/* No document is deeper, whatever the limits say: msgpack-c's own stack has 32 levels. */
enum { VALUE_DEPTH_MAX = 24 };

struct document;
/* One value inside a document; borrowed, valid until document_free. Copy freely. */
struct value {
    const void *object; /* NULL: absent */
};

/* Parse exactly one value that uses all bytes. The bytes must outlive the document.
 * Errors: ERR_CORRUPT (malformed, trailing bytes), ERR_LIMIT. Caller frees. */
int document_parse(struct span bytes, const struct value_limits *limits,
                   struct document **ret_document, struct err *err);
struct value document_root(const struct document *document);
/* As document_parse, and the bytes must be canonical: for what is named by its hash. */
int document_parse_canonical(struct span bytes, const struct value_limits *limits,
                             struct document **ret_document, struct err *err);
/* As document_parse_canonical, for a stored map: its key "format" (text) must be `format`, and
 * its key "version" `version`. Errors: also ERR_UNSUPPORTED (another version). */
int document_parse_format(struct span bytes, const struct value_limits *limits,
                          const char *format, uint64_t version, struct document **ret_document,
                          struct err *err);
void document_free(struct document *document);
void document_free_ptr(struct document **document);

/* The value of `key`; absent (object NULL) when `map` is no map or has no such key. */
struct value value_get(struct value map, const char *key);
bool value_present(struct value value); /* false also for nil */
bool value_is_map(struct value value);
bool value_is_f64(struct value value); /* float64 itself, no integer */
/* Element or pair count of an array or map, 0 otherwise. */
uint32_t value_count(struct value value);
struct value value_at(struct value array, uint32_t index);
/* Pair `index` of a map; the key is copied, cut to size. */
struct value value_pair(struct value map, uint32_t index, char *ret_key, size_t key_size);

/* Typed access. `what` names the value in the sentence. Errors: ERR_CORRUPT when absent, of
 * another type, or out of range. Text is copied with NUL; ERR_CORRUPT when it does not fit,
 * holds a NUL or is not UTF-8. Spans are borrowed from the document. */
int value_bool(struct value value, const char *what, bool *ret, struct err *err);
int value_u64(struct value value, const char *what, uint64_t min, uint64_t max, uint64_t *ret,
              struct err *err);
int value_i64(struct value value, const char *what, int64_t *ret, struct err *err);
int value_f64(struct value value, const char *what, double *ret,
              struct err *err); /* ints too */
int value_text(struct value value, const char *what, char *ret, size_t size, struct err *err);
int value_bytes(struct value value, const char *what, struct span *ret, struct err *err);
int value_hash(struct value value, const char *what, struct hash *ret, struct err *err);
/* A bin of exactly `count` LE doubles into caller's memory. */
int value_f64_array(struct value value, const char *what, double *ret, size_t count,
                    struct err *err);
/* The same for the other columns. */
int value_u16_array(struct value value, const char *what, uint16_t *ret, size_t count,
                    struct err *err);
int value_u32_array(struct value value, const char *what, uint32_t *ret, size_t count,
                    struct err *err);
int value_i64_array(struct value value, const char *what, int64_t *ret, size_t count,
                    struct err *err);
/* Elements of an array: 0..max, ERR_LIMIT above. ERR_CORRUPT when it is none. */
int value_array(struct value value, const char *what, uint32_t max, uint32_t *ret_count,
                struct err *err);
/* A map with exactly `pairs` pairs: when every expected key is there too, nothing else is. */
int value_map(struct value value, const char *what, uint32_t pairs, struct err *err);

/* Append the canonical form of any value read, as one value. Text that is not UTF-8 and float32
 * are kept as they are. */
void pack_value(struct pack *pack, struct value value);

/* Is it the canonical form (the form the writer makes)? ERR_CORRUPT says where it is not. */
int value_check_canonical(struct span bytes, struct err *err);

/* Any value as JSON text (bin as hex or "<N bytes>" when longer than 64; NaN and infinities as
 * texts), for `show`. */
void value_print_json(struct value value, struct buf *out);
/* Any bytes as a JSON string: what is not UTF-8 becomes U+FFFD. */
void value_print_json_text(struct span text, struct buf *out);

#endif
