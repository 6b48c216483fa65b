/* Any bytes as a msgpack value: parse, look at everything, print, pack again. */
#include "common/cleanup.h"
#include "proto/value.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>

static void look(struct value value)
{
    char text[32];
    double number;
    bool flag;
    uint64_t u64;
    int64_t i64;
    struct span span;
    struct hash hash;
    (void)value_bool(value, "v", &flag, NULL);
    (void)value_u64(value, "v", 3, 1000, &u64, NULL);
    (void)value_i64(value, "v", &i64, NULL);
    (void)value_f64(value, "v", &number, NULL);
    (void)value_text(value, "v", text, sizeof text, NULL);
    (void)value_hash(value, "v", &hash, NULL);
    (void)value_f64_array(value, "v", &number, 1, NULL);
    if (value_bytes(value, "v", &span, NULL) == 0 && span.size > 0)
        assert(span.data[span.size - 1] == span.data[span.size - 1]);
    for (uint32_t i = 0; i < value_count(value); i++) {
        look(value_at(value, i));
        struct value inside = value_pair(value, i, text, sizeof text);
        look(inside);
        (void)value_get(value, text);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cleanup(document_free_ptr) struct document *document = NULL;
    struct span bytes = {data, size};
    struct buf json = {0}, again = {0};
    struct pack pack;
    int canonical = value_check_canonical(bytes, NULL);
    if (document_parse(bytes, &value_limits_message, &document, NULL) != 0) {
        /* canonical and yet refused: only by the tighter limits */
        assert(canonical != 0 || size > 1000);
        return 0;
    }
    look(document_root(document));
    value_print_json(document_root(document), &json);
    pack_init(&pack, &again);
    pack_value(&pack, document_root(document));
    if (canonical == 0)
        assert(again.size == size && memcmp(again.data, data, size) == 0);
    buf_done(&json);
    buf_done(&again);
    return 0;
}
