/* Do errors, hashes, buffers and random streams keep their headers' promises? */
#include "tests/support/cmocka.h"

#include "common/err.h"
#include "common/hash.h"
#include "common/mathd.h"
#include "common/rng.h"
#include "common/span.h"

#include <errno.h>
#include <math.h>

static void test_err__context_goes_in_front_and_code_stays(void **state)
{
    (void)state;
    struct err err = {0};
    assert_int_equal(err_set(&err, ERR_INVALID, "no '%s'", "x"), ERR_INVALID);
    assert_int_equal(err_context(&err, ERR_IO, "file %d", 7), ERR_INVALID);
    assert_string_equal(err.text, "file 7: no 'x'");
    assert_int_equal(err_set(NULL, ERR_FULL, "x"), ERR_FULL);
    assert_int_equal(err_errno(&err, ENOSPC, "write"), ERR_FULL);
    assert_string_equal(err_code_text(ERR_FULL), "no space left");
}

static void test_hash__parts_give_the_hash_of_the_whole(void **state)
{
    (void)state;
    struct hasher *hasher = hasher_new(), *nothing = hasher_new();
    struct hash whole = hash_bytes(span_text("abcdef")), empty = hash_bytes((struct span){0});
    hasher_add(hasher, span_text("ab"));
    hasher_add(hasher, (struct span){0});
    hasher_add(hasher, span_text("cdef"));
    struct hash found = hasher_end(hasher), none = hasher_end(nothing);
    assert_true(hash_equal(&found, &whole));
    assert_true(hash_equal(&none, &empty));
    hasher_free(hasher);
    hasher_free(nothing);
    hasher_free(NULL);
}

static void test_hash__known_digest_and_hex_round_trip(void **state)
{
    (void)state;
    char hex[HASH_HEX_SIZE];
    struct hash hash = hash_bytes(span_text("abc")), again;
    assert_string_equal(hash_hex(&hash, hex),
                        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_int_equal(hash_parse(hex, &again, NULL), 0);
    assert_true(hash_equal(&hash, &again));
    assert_int_equal(hash_parse("ab", &again, NULL), ERR_INVALID);
    hex[5] = 'g';
    assert_int_equal(hash_parse(hex, &again, NULL), ERR_INVALID);
}

static void test_buf__prints_and_appends(void **state)
{
    (void)state;
    struct buf buf = {0};
    for (int i = 0; i < 1000; i++)
        buf_print(&buf, "%d,", i);
    buf_append(&buf, "end", 3);
    assert_memory_equal(buf.data + buf.size - 7, "999,end", 7);
    assert_int_equal(strlen(buf_text(&buf)), buf.size);
    buf_done(&buf);
    assert_int_equal(buf.size, 0);
}

static void test_rng__stream_depends_on_its_name_only(void **state)
{
    (void)state;
    struct rng a = rng_stream(42, 1, 2, 3), b = rng_stream(42, 1, 2, 3),
               c = rng_stream(42, 1, 2, 4);
    int same = 0;
    for (int i = 0; i < 100; i++) {
        uint32_t x = rng_u32(&a);
        assert_int_equal(x, rng_u32(&b));
        same += x == rng_u32(&c);
    }
    assert_true(same < 3);
}

static void test_rng__moments(void **state)
{
    (void)state;
    struct rng rng = rng_stream(1, 0, 0, 0);
    double sum = 0, square = 0;
    int counts[7] = {0};
    enum { N = 200000 };
    for (int i = 0; i < N; i++) {
        double x = rng_normal(&rng);
        sum += x;
        square += x * x;
        counts[rng_below(&rng, 7)]++;
    }
    /* five standard errors of mean, variance and a count */
    assert_true(fabs(sum / N) < 5 / sqrt((double)N));
    assert_true(fabs(square / N - 1) < 5 * sqrt(2.0 / N));
    for (int i = 0; i < 7; i++)
        assert_true(fabs(counts[i] - N / 7.0) < 5 * sqrt(N / 7.0));
}

static void test_mathd__agrees_with_libm(void **state)
{
    (void)state;
    for (int i = -50; i <= 50; i++) {
        double x = i * 0.37;
        assert_true(fabs(mathd_exp(x) - exp(x)) <= 4e-16 * exp(x));
        assert_true(fabs(mathd_sin(x) - sin(x)) <= 4e-16);
        assert_true(fabs(mathd_erfc(x) - erfc(x)) <= 4e-16 * (1 + erfc(x)));
        if (i > 0)
            assert_true(fabs(mathd_log(x) - log(x)) <= 4e-16 * (1 + fabs(log(x))));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_err__context_goes_in_front_and_code_stays),
        cmocka_unit_test(test_hash__parts_give_the_hash_of_the_whole),
        cmocka_unit_test(test_hash__known_digest_and_hex_round_trip),
        cmocka_unit_test(test_buf__prints_and_appends),
        cmocka_unit_test(test_rng__stream_depends_on_its_name_only),
        cmocka_unit_test(test_rng__moments),
        cmocka_unit_test(test_mathd__agrees_with_libm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
