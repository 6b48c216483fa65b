/* Walk msgpack without building anything: see scan.h. Formats by first byte as in the msgpack
 * specification (github.com/msgpack/msgpack, spec.md). */
#include "proto/scan.h"

#include "proto/utf8.h"

#include <assert.h>

enum kind {
    KIND_BAD,
    KIND_FLAT,
    KIND_FLOAT32,
    KIND_FLOAT64,
    KIND_INT,
    KIND_TEXT,
    KIND_BYTES,
    KIND_ARRAY,
    KIND_MAP,
    KIND_EXT
};

/* First bytes 0xc0..0xdf: `width` bytes of size, count or number follow; a shorter form exists
 * for a number below `least` (for signed ones: not below -least). */
static const struct form {
    enum kind kind;
    uint8_t width;
    bool is_signed;
    uint64_t least;
} forms[32] = {
    /* clang-format off */
    [0x00] = {KIND_FLAT, 0, false, 0},   /* nil */
    [0x01] = {KIND_BAD, 0, false, 0},    /* never used */
    [0x02] = {KIND_FLAT, 0, false, 0},   /* false */
    [0x03] = {KIND_FLAT, 0, false, 0},   /* true */
    [0x04] = {KIND_BYTES, 1, false, 0},
    [0x05] = {KIND_BYTES, 2, false, 0x100},
    [0x06] = {KIND_BYTES, 4, false, 0x10000},
    [0x07] = {KIND_EXT, 0, false, 0},
    [0x08] = {KIND_EXT, 0, false, 0},
    [0x09] = {KIND_EXT, 0, false, 0},
    [0x0a] = {KIND_FLOAT32, 4, false, 0},
    [0x0b] = {KIND_FLOAT64, 8, false, 0},
    [0x0c] = {KIND_INT, 1, false, 0x80},
    [0x0d] = {KIND_INT, 2, false, 0x100},
    [0x0e] = {KIND_INT, 4, false, 0x10000},
    [0x0f] = {KIND_INT, 8, false, 0x100000000},
    [0x10] = {KIND_INT, 1, true, 0x20},
    [0x11] = {KIND_INT, 2, true, 0x80},
    [0x12] = {KIND_INT, 4, true, 0x8000},
    [0x13] = {KIND_INT, 8, true, 0x80000000},
    [0x14] = {KIND_EXT, 0, false, 0},
    [0x15] = {KIND_EXT, 0, false, 0},
    [0x16] = {KIND_EXT, 0, false, 0},
    [0x17] = {KIND_EXT, 0, false, 0},
    [0x18] = {KIND_EXT, 0, false, 0},
    [0x19] = {KIND_TEXT, 1, false, 0x20},
    [0x1a] = {KIND_TEXT, 2, false, 0x100},
    [0x1b] = {KIND_TEXT, 4, false, 0x10000},
    [0x1c] = {KIND_ARRAY, 2, false, 0x10},
    [0x1d] = {KIND_ARRAY, 4, false, 0x10000},
    [0x1e] = {KIND_MAP, 2, false, 0x10},
    [0x1f] = {KIND_MAP, 4, false, 0x10000},
    /* clang-format on */
};

struct scan {
    const uint8_t *bytes;
    size_t at, size;
    uint64_t items, items_max;
    uint32_t depth_max;
    bool canonical;
    struct err *err;
};

struct head {
    enum kind kind;
    uint64_t number; /* size, count, or the bits of a float */
};

static int corrupt(const struct scan *scan, size_t at, const char *why)
{
    return err_set(scan->err, ERR_CORRUPT, "msgpack, byte %zu: %s", at, why);
}

static struct head head_of_short_form(uint8_t b)
{
    if (b <= 0x7f || b >= 0xe0)
        return (struct head){KIND_INT, 0};
    if (b <= 0x8f)
        return (struct head){KIND_MAP, b & 0x0f};
    if (b <= 0x9f)
        return (struct head){KIND_ARRAY, b & 0x0f};
    return (struct head){KIND_TEXT, b & 0x1f};
}

static bool is_shortest(const struct form *form, uint64_t number)
{
    if (!form->is_signed)
        return number >= form->least;
    int shift = 64 - 8 * form->width;
    int64_t value = (int64_t)(number << shift) >> shift;
    return value < -(int64_t)form->least;
}

static int read_head(struct scan *scan, struct head *ret)
{
    size_t begin = scan->at;
    if (begin == scan->size)
        return corrupt(scan, begin, "ends too early");
    uint8_t b = scan->bytes[scan->at++];
    if (b < 0xc0 || b >= 0xe0) {
        *ret = head_of_short_form(b);
        return 0;
    }
    const struct form *form = &forms[b - 0xc0];
    if (form->kind == KIND_BAD)
        return corrupt(scan, begin, "byte 0xc1 is never used");
    if (form->kind == KIND_EXT)
        return corrupt(scan, begin, "extension types are not used");
    if (form->width > scan->size - scan->at)
        return corrupt(scan, begin, "ends too early");
    uint64_t number = 0;
    for (int i = 0; i < form->width; i++)
        number = number << 8 | scan->bytes[scan->at++];
    if (scan->canonical && form->width && form->kind != KIND_FLOAT64 &&
        !is_shortest(form, number))
        return corrupt(scan, begin, "not canonical: a shorter form exists");
    *ret = (struct head){form->kind, number};
    return 0;
}

static int check_float(const struct scan *scan, size_t begin, const struct head *head)
{
    if (!scan->canonical)
        return 0;
    if (head->kind == KIND_FLOAT32)
        return corrupt(scan, begin, "not canonical: float32");
    bool nan = (head->number & 0x7fffffffffffffff) > 0x7ff0000000000000;
    if (nan && head->number != 0x7ff8000000000000)
        return corrupt(scan, begin, "not canonical: NaN with a payload");
    return 0;
}

static int skip_payload(struct scan *scan, size_t begin, const struct head *head)
{
    if (head->number > scan->size - scan->at)
        return err_set(scan->err, ERR_CORRUPT,
                       "msgpack, byte %zu: announces %llu bytes, %zu are left", begin,
                       (unsigned long long)head->number, scan->size - scan->at);
    if (scan->canonical && head->kind == KIND_TEXT &&
        utf8_valid_size(scan->bytes + scan->at, head->number) != head->number)
        return corrupt(scan, begin, "text is not UTF-8");
    scan->at += head->number;
    return 0;
}

static int scan_key(struct scan *scan, struct span *previous)
{
    struct head head;
    size_t begin = scan->at;
    int rc = read_head(scan, &head);
    if (rc != 0)
        return rc;
    if (head.kind != KIND_TEXT)
        return corrupt(scan, begin, "a map key that is no text");
    rc = skip_payload(scan, begin, &head);
    if (rc != 0)
        return rc;
    struct span key = {scan->bytes + scan->at - head.number, head.number};
    if (scan->canonical && previous->data) {
        size_t common = previous->size < key.size ? previous->size : key.size;
        int order = common ? memcmp(previous->data, key.data, common) : 0;
        if (order > 0 || (order == 0 && previous->size >= key.size))
            return corrupt(scan, begin, "not canonical: map keys are not ascending");
    }
    *previous = key;
    return 0;
}

/* Recursion is bounded by depth_max. */
static int scan_value(struct scan *scan, uint32_t depth)
{
    struct head head;
    size_t begin = scan->at;
    int rc = read_head(scan, &head);
    if (rc != 0)
        return rc;
    if (head.kind == KIND_FLOAT32 || head.kind == KIND_FLOAT64)
        return check_float(scan, begin, &head);
    if (head.kind == KIND_TEXT || head.kind == KIND_BYTES)
        return skip_payload(scan, begin, &head);
    if (head.kind != KIND_ARRAY && head.kind != KIND_MAP)
        return 0;

    bool map = head.kind == KIND_MAP;
    if (depth >= scan->depth_max)
        return err_set(scan->err, ERR_LIMIT, "msgpack, byte %zu: nested deeper than %u", begin,
                       scan->depth_max);
    if (head.number > (scan->size - scan->at) / (map ? 2 : 1))
        return err_set(scan->err, ERR_CORRUPT,
                       "msgpack, byte %zu: announces %llu items, %zu bytes are left", begin,
                       (unsigned long long)head.number, scan->size - scan->at);
    scan->items += head.number;
    if (scan->items > scan->items_max)
        return err_set(scan->err, ERR_LIMIT, "msgpack, byte %zu: more than %llu items", begin,
                       (unsigned long long)scan->items_max);
    struct span previous = {0};
    for (uint64_t i = 0; i < head.number; i++) {
        if (map && (rc = scan_key(scan, &previous)) != 0)
            return rc;
        rc = scan_value(scan, depth + 1);
        if (rc != 0)
            return rc;
    }
    return 0;
}

int scan_document(struct span bytes, const struct value_limits *limits, bool canonical,
                  struct err *err)
{
    if (bytes.size > limits->bytes_max)
        return err_set(err, ERR_LIMIT, "msgpack: %zu bytes, the limit is %zu", bytes.size,
                       limits->bytes_max);
    assert(limits->depth_max <= VALUE_DEPTH_MAX);
    struct scan scan = {
        .bytes = bytes.data,
        .size = bytes.size,
        .items_max = limits->items_max,
        .depth_max = limits->depth_max,
        .canonical = canonical,
        .err = err,
    };
    int rc = scan_value(&scan, 0);
    if (rc == 0 && scan.at != scan.size)
        rc = err_set(err, ERR_CORRUPT, "msgpack, byte %zu: %zu bytes behind the value", scan.at,
                     scan.size - scan.at);
    return rc;
}
