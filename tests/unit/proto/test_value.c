/* Does canonical msgpack have one form, and can bytes from outside hurt the reader? */
#include "tests/support/cmocka.h"

#include "common/cleanup.h"
#include "proto/value.h"

#include <math.h>

/* Hex text -> bytes; blanks are skipped. */
static struct buf bytes_of(const char *hex)
{
    struct buf out = {0};
    for (const char *c = hex; *c; c++) {
        unsigned byte;
        if (*c == ' ')
            continue;
        assert_int_equal(sscanf(c, "%2x", &byte), 1);
        buf_append(&out, &(uint8_t){(uint8_t)byte}, 1);
        c++;
    }
    return out;
}

static void assert_hex(const struct buf *buf, const char *hex)
{
    struct buf want = bytes_of(hex);
    assert_int_equal(buf->size, want.size);
    assert_memory_equal(buf->data, want.data, want.size);
    buf_done(&want);
}

/* Parsing the bytes fails with this code and sentence. */
static void assert_refused(const char *hex, int code, const char *sentence)
{
    struct buf bytes = bytes_of(hex);
    struct document *document = NULL;
    struct err err = {0};
    assert_int_equal(document_parse(buf_span(&bytes), &value_limits_message, &document, &err),
                     code);
    assert_null(document);
    assert_string_equal(err.text, sentence);
    buf_done(&bytes);
}

static void assert_not_canonical(const char *hex, const char *sentence)
{
    struct buf bytes = bytes_of(hex);
    struct err err = {0};
    assert_int_equal(value_check_canonical(buf_span(&bytes), &err), ERR_CORRUPT);
    assert_string_equal(err.text, sentence);
    struct document *document = NULL;
    assert_int_equal(
        document_parse_canonical(buf_span(&bytes), &value_limits_message, &document, NULL),
        ERR_CORRUPT);
    assert_null(document);
    buf_done(&bytes);
}

static void test_pack__forms_are_the_shortest(void **state)
{
    (void)state;
    static const struct {
        int64_t value;
        const char *hex;
    } rows[] = {
        {0, "00"},
        {127, "7f"},
        {128, "cc80"},
        {255, "ccff"},
        {256, "cd0100"},
        {65535, "cdffff"},
        {65536, "ce00010000"},
        {0xffffffff, "ceffffffff"},
        {0x100000000, "cf0000000100000000"},
        {-1, "ff"},
        {-32, "e0"},
        {-33, "d0df"},
        {-128, "d080"},
        {-129, "d1ff7f"},
        {-32769, "d2ffff7fff"},
        {-2147483649, "d3ffffffff7fffffff"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf out = {0};
        struct pack pack;
        int64_t again;
        struct document *document;
        pack_init(&pack, &out);
        pack_i64(&pack, rows[i].value);
        assert_hex(&out, rows[i].hex);
        if (rows[i].value >= 0) { /* the same number through the unsigned writer */
            out.size = 0;
            pack_u64(&pack, (uint64_t)rows[i].value);
            assert_hex(&out, rows[i].hex);
        }
        assert_int_equal(value_check_canonical(buf_span(&out), NULL), 0);
        assert_int_equal(document_parse(buf_span(&out), &value_limits_message, &document, NULL),
                         0);
        assert_int_equal(value_i64(document_root(document), "x", &again, NULL), 0);
        assert_true(again == rows[i].value);
        document_free(document);
        buf_done(&out);
    }
}

static void write_sample(struct buf *out)
{
    struct pack pack;
    double numbers[] = {1.5, -2.0, NAN};
    uint16_t small[] = {1, 65535};
    uint32_t words[] = {7, 0x01020304};
    int64_t wide[] = {-1, INT64_MAX};
    struct hash hash = hash_bytes(span_text("abc"));
    pack_init(&pack, out);
    pack_map(&pack, 9);
    pack_key(&pack, "a");
    pack_array(&pack, 3);
    pack_nil(&pack);
    pack_map(&pack, 0);
    pack_array(&pack, 0);
    pack_key(&pack, "aa");
    pack_f64(&pack, -0.5);
    pack_key(&pack, "b");
    pack_bool(&pack, true);
    pack_key(&pack, "h");
    pack_hash(&pack, &hash);
    pack_key(&pack, "n");
    pack_f64_array(&pack, numbers, 3);
    pack_key(&pack, "t");
    pack_text(&pack, "caf\xc3\xa9 \"q\"\n");
    pack_key(&pack, "u2");
    pack_u16_array(&pack, small, 2);
    pack_key(&pack, "u4");
    pack_u32_array(&pack, words, 2);
    pack_key(&pack, "w");
    pack_i64_array(&pack, wide, 2);
    assert_int_equal(pack.depth, 0);
}

static void test_value__what_was_written_is_read(void **state)
{
    (void)state;
    struct buf out = {0};
    write_sample(&out);
    assert_int_equal(value_check_canonical(buf_span(&out), NULL), 0);
    cleanup(document_free_ptr) struct document *document = NULL;
    assert_int_equal(document_parse(buf_span(&out), &value_limits_object, &document, NULL), 0);
    struct value map = document_root(document), inner = value_get(map, "a");
    assert_true(value_is_map(map));
    assert_int_equal(value_count(map), 9);
    assert_int_equal(value_count(inner), 3);
    assert_false(value_present(value_at(inner, 0)));
    assert_true(value_present(value_at(inner, 1)));
    assert_null(value_at(inner, 3).object);
    assert_null(value_get(map, "z").object);
    assert_null(value_get(inner, "a").object);

    double number, numbers[3];
    bool flag;
    char text[16], key[3];
    struct hash hash, want = hash_bytes(span_text("abc"));
    uint16_t small[2];
    uint32_t words[2];
    int64_t wide[2];
    assert_int_equal(value_f64(value_get(map, "aa"), "aa", &number, NULL), 0);
    assert_true(number == -0.5);
    assert_int_equal(value_bool(value_get(map, "b"), "b", &flag, NULL), 0);
    assert_true(flag);
    assert_int_equal(value_hash(value_get(map, "h"), "h", &hash, NULL), 0);
    assert_true(hash_equal(&hash, &want));
    assert_int_equal(value_f64_array(value_get(map, "n"), "n", numbers, 3, NULL), 0);
    assert_true(numbers[0] == 1.5 && numbers[1] == -2.0 && isnan(numbers[2]));
    assert_int_equal(value_text(value_get(map, "t"), "t", text, sizeof text, NULL), 0);
    assert_string_equal(text, "caf\xc3\xa9 \"q\"\n");
    assert_int_equal(value_u16_array(value_get(map, "u2"), "u2", small, 2, NULL), 0);
    assert_int_equal(small[1], 65535);
    assert_int_equal(value_u32_array(value_get(map, "u4"), "u4", words, 2, NULL), 0);
    assert_int_equal(words[1], 0x01020304);
    assert_int_equal(value_i64_array(value_get(map, "w"), "w", wide, 2, NULL), 0);
    assert_true(wide[0] == -1 && wide[1] == INT64_MAX);
    assert_non_null(value_pair(map, 1, key, sizeof key).object);
    assert_string_equal(key, "aa");
    assert_null(value_pair(map, 9, key, sizeof key).object);

    /* packing what was read gives the same bytes */
    struct buf again = {0};
    struct pack pack;
    pack_init(&pack, &again);
    pack_value(&pack, map);
    assert_int_equal(again.size, out.size);
    assert_memory_equal(again.data, out.data, out.size);
    buf_done(&again);
    buf_done(&out);
}

static void test_value__wrong_types_are_named(void **state)
{
    (void)state;
    struct buf bytes = bytes_of("83 a161 c3 a162 a2 6100 a163 cc80");
    cleanup(document_free_ptr) struct document *document = NULL;
    assert_int_equal(document_parse(buf_span(&bytes), &value_limits_message, &document, NULL),
                     0);
    struct value map = document_root(document);
    struct err err;
    double number;
    uint64_t count;
    char text[8];
    struct span span;
    assert_int_equal(value_f64(value_get(map, "a"), "a", &number, &err), ERR_CORRUPT);
    assert_string_equal(err.text, "'a' is a boolean, want a number");
    assert_int_equal(value_f64(value_get(map, "q"), "q", &number, &err), ERR_CORRUPT);
    assert_string_equal(err.text, "'q' is missing");
    assert_int_equal(value_text(value_get(map, "b"), "b", text, sizeof text, &err),
                     ERR_CORRUPT);
    assert_string_equal(err.text, "'b' holds a NUL");
    assert_int_equal(value_text(value_get(map, "b"), "b", text, 2, &err), ERR_CORRUPT);
    assert_string_equal(err.text, "'b' has 2 bytes, want at most 1");
    assert_int_equal(value_u64(value_get(map, "c"), "c", 0, 127, &count, &err), ERR_CORRUPT);
    assert_string_equal(err.text, "'c' is 128, want 0..127");
    assert_int_equal(value_bytes(map, "root", &span, &err), ERR_CORRUPT);
    assert_string_equal(err.text, "'root' is a map, want bytes");
    buf_done(&bytes);
}

static void test_pack__broken_utf8_becomes_question_marks(void **state)
{
    (void)state;
    /* Latin-1, overlong form, surrogate, cut sequence, above U+10FFFF */
    static const char *const rows[][2] = {
        {"\xe9t\xe9", "?t?"},
        {"a\xc0\xaf", "a??"},
        {"\xed\xa0\x80", "???"},
        {"x\xe2\x82", "x??"},
        {"\xf5\x80\x80\x80", "????"},
        {"\xe2\x82\xac", "\xe2\x82\xac"},
        {"\xf0\x9f\x92\x8e", "\xf0\x9f\x92\x8e"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf out = {0};
        struct pack pack;
        char text[16];
        cleanup(document_free_ptr) struct document *document = NULL;
        pack_init(&pack, &out);
        pack_text(&pack, rows[i][0]);
        assert_int_equal(
            document_parse_canonical(buf_span(&out), &value_limits_message, &document, NULL),
            0);
        assert_int_equal(value_text(document_root(document), "t", text, sizeof text, NULL), 0);
        assert_string_equal(text, rows[i][1]);
        buf_done(&out);
    }
}

static void test_document__malformed_bytes_are_refused(void **state)
{
    (void)state;
    assert_refused("", ERR_CORRUPT, "msgpack, byte 0: ends too early");
    assert_refused("c1", ERR_CORRUPT, "msgpack, byte 0: byte 0xc1 is never used");
    assert_refused("92 01 c1", ERR_CORRUPT, "msgpack, byte 2: byte 0xc1 is never used");
    assert_refused("0101", ERR_CORRUPT, "msgpack, byte 1: 1 bytes behind the value");
    assert_refused("cd01", ERR_CORRUPT, "msgpack, byte 0: ends too early");
    assert_refused("a3 6162", ERR_CORRUPT, "msgpack, byte 0: announces 3 bytes, 2 are left");
    assert_refused("c6 ffffffff 00", ERR_CORRUPT,
                   "msgpack, byte 0: announces 4294967295 bytes, 1 are left");
    assert_refused("dd ffffffff 00", ERR_CORRUPT,
                   "msgpack, byte 0: announces 4294967295 items, 1 bytes are left");
    assert_refused("df 7fffffff 0000", ERR_CORRUPT,
                   "msgpack, byte 0: announces 2147483647 items, 2 bytes are left");
    assert_refused("81 01 01", ERR_CORRUPT, "msgpack, byte 1: a map key that is no text");
    assert_refused("d4 01 01", ERR_CORRUPT, "msgpack, byte 0: extension types are not used");
    assert_refused("c7 01 01 01", ERR_CORRUPT, "msgpack, byte 0: extension types are not used");
}

static void test_document__limits_hold_before_anything_is_built(void **state)
{
    (void)state;
    struct value_limits small = {16, 2, 4};
    static const struct {
        const char *hex, *sentence;
    } rows[] = {
        {"91 91 91 c0", "msgpack, byte 2: nested deeper than 2"},
        {"95 c0c0c0c0c0", "msgpack, byte 0: more than 4 items"},
        {"92 92 c0c0 92 c0c0", "msgpack, byte 4: more than 4 items"},
        {"c40f 000000000000000000000000000000", "msgpack: 17 bytes, the limit is 16"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf bytes = bytes_of(rows[i].hex);
        struct document *document;
        struct err err;
        assert_int_equal(document_parse(buf_span(&bytes), &small, &document, &err), ERR_LIMIT);
        assert_string_equal(err.text, rows[i].sentence);
        buf_done(&bytes);
    }
    /* 1 MiB of "array of one" is refused by depth, not by the stack */
    struct buf deep = {0};
    for (int i = 0; i < 1 << 20; i++)
        buf_append(&deep, "\x91", 1);
    struct document *document;
    assert_int_equal(document_parse(buf_span(&deep), &value_limits_message, &document, NULL),
                     ERR_LIMIT);
    buf_done(&deep);
}

static void test_value__other_forms_are_not_canonical(void **state)
{
    (void)state;
    assert_not_canonical("cc7f", "msgpack, byte 0: not canonical: a shorter form exists");
    assert_not_canonical("d07f", "msgpack, byte 0: not canonical: a shorter form exists");
    assert_not_canonical("d0e0", "msgpack, byte 0: not canonical: a shorter form exists");
    assert_not_canonical("d3 00000001 00000000",
                         "msgpack, byte 0: not canonical: a shorter form exists");
    assert_not_canonical("92 01 d9 01 61",
                         "msgpack, byte 2: not canonical: a shorter form exists");
    assert_not_canonical("c5 0001 00", "msgpack, byte 0: not canonical: a shorter form exists");
    assert_not_canonical("dc 0001 c0", "msgpack, byte 0: not canonical: a shorter form exists");
    assert_not_canonical("de 0001 a161 c0",
                         "msgpack, byte 0: not canonical: a shorter form exists");
    assert_not_canonical("ca 3f800000", "msgpack, byte 0: not canonical: float32");
    assert_not_canonical("cb fff8000000000000",
                         "msgpack, byte 0: not canonical: NaN with a payload");
    assert_not_canonical("82 a162 01 a161 01",
                         "msgpack, byte 4: not canonical: map keys are not ascending");
    assert_not_canonical("82 a161 01 a161 01",
                         "msgpack, byte 4: not canonical: map keys are not ascending");
    assert_not_canonical("82 a26161 01 a161 01",
                         "msgpack, byte 5: not canonical: map keys are not ascending");
    assert_not_canonical("a1ff", "msgpack, byte 0: text is not UTF-8");
}

static void test_document__format_and_version_are_checked(void **state)
{
    (void)state;
    struct buf out = {0};
    struct pack pack;
    struct document *document = NULL;
    struct err err;
    pack_init(&pack, &out);
    pack_map(&pack, 2);
    pack_key(&pack, "format");
    pack_text(&pack, "wyckmill dataset");
    pack_key(&pack, "version");
    pack_u64(&pack, 3);
    struct span bytes = buf_span(&out);
    assert_int_equal(document_parse_format(bytes, &value_limits_object, "wyckmill dataset", 3,
                                           &document, &err),
                     0);
    document_free(document);
    assert_int_equal(document_parse_format(bytes, &value_limits_object, "wyckmill dataset", 2,
                                           &document, &err),
                     ERR_UNSUPPORTED);
    assert_string_equal(err.text, "wyckmill dataset: wyckmill dataset version 3, this program "
                                  "reads 2");
    assert_int_equal(document_parse_format(bytes, &value_limits_object, "wyckmill source", 3,
                                           &document, &err),
                     ERR_CORRUPT);
    assert_string_equal(err.text,
                        "wyckmill source: this is a 'wyckmill dataset', want a 'wyckmill "
                        "source'");
    buf_done(&out);
}

static void test_value__json(void **state)
{
    (void)state;
    struct buf out = {0}, json = {0};
    write_sample(&out);
    struct document *document;
    assert_int_equal(document_parse(buf_span(&out), &value_limits_object, &document, NULL), 0);
    value_print_json(document_root(document), &json);
    assert_string_equal(
        buf_text(&json),
        "{\"a\":[null,{},[]],\"aa\":-0.5,\"b\":true,"
        "\"h\":\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\","
        "\"n\":\"000000000000f83f00000000000000c0000000000000f87f\","
        "\"t\":\"caf\xc3\xa9 \\\"q\\\"\\u000a\",\"u2\":\"0100ffff\","
        "\"u4\":\"0700000004030201\",\"w\":\"ffffffffffffffffffffffffffffff7f\"}");
    document_free(document);
    buf_done(&out);
    buf_done(&json);

    struct buf odd =
        bytes_of("94 cb7ff0000000000000 cb7ff8000000000000 a2 ff01 cb3ff0000000000000");
    assert_int_equal(document_parse(buf_span(&odd), &value_limits_object, &document, NULL), 0);
    value_print_json(document_root(document), &json);
    assert_string_equal(buf_text(&json), "[\"inf\",\"nan\",\"\xef\xbf\xbd\\u0001\",1]");
    document_free(document);
    buf_done(&odd);
    buf_done(&json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pack__forms_are_the_shortest),
        cmocka_unit_test(test_value__what_was_written_is_read),
        cmocka_unit_test(test_value__wrong_types_are_named),
        cmocka_unit_test(test_pack__broken_utf8_becomes_question_marks),
        cmocka_unit_test(test_document__malformed_bytes_are_refused),
        cmocka_unit_test(test_document__limits_hold_before_anything_is_built),
        cmocka_unit_test(test_value__other_forms_are_not_canonical),
        cmocka_unit_test(test_document__format_and_version_are_checked),
        cmocka_unit_test(test_value__json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
