/* Do losses, tensor table, optimizer and safetensors keep their headers' promises? */
#include "tests/support/gradient.h"

#include "common/span.h"
#include "workers/nn/loss.h"
#include "workers/nn/optimizer.h"
#include "workers/nn/safetensors.h"

#include <stdlib.h>
#include <string.h>

/* ---- losses ---- */

enum { D = 13 };

struct loss_case {
    float x[D];
    uint8_t yes[D];
};

static double categorical_value(void *context)
{
    return loss_categorical(NULL, ((struct loss_case *)context)->x, 4, 1, D);
}

static double bernoulli_value(void *context)
{
    struct loss_case *c = context;
    return loss_bernoulli(NULL, c->x, c->yes, 1, D);
}

static double normal_value(void *context)
{
    float *x = context;
    return loss_normal(NULL, NULL, x[0], x[1], 0.3f, 1);
}

static void test_loss__agrees_with_naive_and_differences(void **state)
{
    (void)state;
    struct loss_case c = {.yes = {1, 0, 0, 1, [12] = 1}};
    float dx[D] = {0}, ds[2] = {0}, ms[2] = {-0.4f, 0.2f};
    fill_normal(c.x, D, 1);
    double sum = 0, bernoulli = 0;
    for (int d = 0; d < D; d++) {
        sum += exp((double)c.x[d]);
        bernoulli += log(1 + exp((double)c.x[d])) - (double)c.x[d] * c.yes[d];
    }
    assert_true(fabs(categorical_value(&c) - (log(sum) - (double)c.x[4])) < 1e-6);
    assert_true(fabs(bernoulli_value(&c) - bernoulli) < 1e-5);
    assert_true(fabs(normal_value(ms) - (0.49 / 2 * exp(-0.4) + 0.2)) < 1e-6);

    loss_categorical(dx, c.x, 4, 1, D);
    check_gradient("categorical", categorical_value, &c, c.x, dx, D);
    memset(dx, 0, sizeof dx);
    loss_bernoulli(dx, c.x, c.yes, 1, D);
    check_gradient("bernoulli", bernoulli_value, &c, c.x, dx, D);
    loss_normal(&ds[0], &ds[1], ms[0], ms[1], 0.3f, 1);
    check_gradient("normal", normal_value, ms, ms, ds, 2);
}

static void test_loss__extreme_logits_are_finite_and_masks_hold(void **state)
{
    (void)state;
    float x[3] = {200, -INFINITY, -200}, dx[3] = {0};
    const uint8_t yes[3] = {0, 0, 1};
    assert_true(fabs(loss_categorical(dx, x, 2, 1, 3) - 400) < 1e-3);
    assert_true(dx[1] == 0 && dx[0] == 1);
    assert_true(fabs(loss_bernoulli(NULL, x, yes, 1, 3) - 400) < 1e-3);
}

/* ---- tensors and optimizer ---- */

static void test_tensors__lie_one_behind_the_other_and_start_as_said(void **state)
{
    (void)state;
    static struct tensors tensors;
    memset(&tensors, 0, sizeof tensors);
    size_t a = tensors_add(&tensors, 100, 30, TENSOR_LINEAR, true, "layer.%d.a", 1);
    size_t b = tensors_add(&tensors, 0, 5, TENSOR_ZERO, false, "layer.%d.b", 1);
    assert_int_equal(a, 0);
    assert_int_equal(b, 3008); /* 3000, up to a cache line */
    assert_int_equal(tensors.size, 3024);
    assert_ptr_equal(tensors_find(&tensors, "layer.1.b"), &tensors.items[1]);
    assert_null(tensors_find(&tensors, "layer.1"));
    float *x = tensors_block_new(&tensors), *y = tensors_block_new(&tensors);
    tensors_init(&tensors, x, 7);
    tensors_init(&tensors, y, 7);
    assert_memory_equal(x, y, tensors.size * sizeof *x);
    double square = dot(x, x, 3000) / 3000;
    assert_true(fabs(square * 30 - 1) < 5 * sqrt(2.0 / 3000)); /* five standard errors */
    assert_true(x[b] == 0 && x[3000] == 0);
    tensors_init(&tensors, y, 8);
    assert_memory_not_equal(x, y, 100);
    free(x);
    free(y);
}

/* Against the algorithm written out in double, with a decaying and a free tensor. */
static void test_optimizer__is_adamw(void **state)
{
    (void)state;
    static struct tensors tensors;
    memset(&tensors, 0, sizeof tensors);
    tensors_add(&tensors, 2, 3, TENSOR_LINEAR, true, "w");
    tensors_add(&tensors, 0, 3, TENSOR_ZERO, false, "b");
    struct optimizer o = {.learning_rate = 0.1,
                          .weight_decay = 0.3,
                          .clip = 1,
                          .ema = 0.5,
                          .warmup = 2,
                          .steps_total = 20};
    float *x = tensors_block_new(&tensors), *g = tensors_block_new(&tensors);
    float *m = tensors_block_new(&tensors), *v = tensors_block_new(&tensors);
    float *average = tensors_block_new(&tensors);
    tensors_init(&tensors, x, 1);
    double X = (double)x[1], M = 0, V = 0, A = 0, B = 0, MB = 0, VB = 0;
    for (uint64_t t = 0; t < 20; t++) {
        fill_normal(g, tensors.size, (uint32_t)t);
        double G = (double)g[1], GB = (double)g[17], rate = optimizer_rate(&o, t);
        M = 0.9 * M + 0.1 * G, MB = 0.9 * MB + 0.1 * GB;
        V = 0.99 * V + 0.01 * G * G, VB = 0.99 * VB + 0.01 * GB * GB;
        double c1 = 1 - pow(0.9, (double)t + 1), c2 = 1 - pow(0.99, (double)t + 1);
        X -= rate * (M / c1 / (sqrt(V / c2) + 1e-8) + 0.3 * X);
        B -= rate * (MB / c1 / (sqrt(VB / c2) + 1e-8));
        double ema = fmin(0.5, (1 + (double)t) / (10 + (double)t));
        A = ema * A + (1 - ema) * X;
        optimizer_step(&o, &tensors, t, g, x, m, v, average);
    }
    assert_true(fabs(X - (double)x[1]) < 1e-5 && fabs(B - (double)x[17]) < 1e-5);
    assert_true(fabs(A - (double)average[1]) < 1e-5);
    free(x), free(g), free(m), free(v), free(average);
}

static void test_optimizer__rate_warms_up_and_falls_to_a_twentieth(void **state)
{
    (void)state;
    struct optimizer o = {.learning_rate = 1, .warmup = 10, .steps_total = 110};
    assert_true(fabs(optimizer_rate(&o, 0) - 0.1) < 1e-12);
    assert_true(optimizer_rate(&o, 10) == 1);
    assert_true(fabs(optimizer_rate(&o, 60) - (0.05 + 0.95 / 2)) < 1e-12);
    assert_true(fabs(optimizer_rate(&o, 110) - 0.05) < 1e-12);
    assert_true(fabs(optimizer_rate(&o, 1000) - 0.05) < 1e-12);
    struct optimizer all_warmup = {.learning_rate = 1, .warmup = 5, .steps_total = 5};
    assert_true(isfinite(optimizer_rate(&all_warmup, 5)));
}

static void test_optimizer__clips_by_the_norm_of_all(void **state)
{
    (void)state;
    float g[11] = {3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4};
    assert_true(fabs(optimizer_clip(g, 11, 10) - 5) < 1e-6);
    assert_true(g[0] == 3);
    assert_true(fabs(optimizer_clip(g, 11, 1) - 5) < 1e-6);
    assert_true(fabsf(g[0] - 0.6f) < 1e-6f && fabsf(g[10] - 0.8f) < 1e-6f);
    g[3] = NAN;
    assert_true(isnan(optimizer_clip(g, 11, 1)));
}

/* ---- safetensors ---- */

static void small_file(struct buf *out)
{
    static const float f[6] = {1, 2, 3, 4, 5, 6};
    static const double d[1] = {0.5};
    struct safetensor items[] = {
        {.name = "w",
         .type = SAFETENSOR_F32,
         .n_dims = 2,
         .shape = {2, 3},
         .data = f,
         .size = 24},
        {.name = "a", .type = SAFETENSOR_F64, .n_dims = 1, .shape = {1}, .data = d, .size = 8},
    };
    struct safetensors_meta meta[] = {{"config", "{\"x\":1}"}};
    safetensors_write(out, items, 2, meta, 1);
}

static void test_safetensors__round_trip(void **state)
{
    (void)state;
    struct buf file = {0};
    struct safetensors *st = NULL;
    small_file(&file);
    assert_int_equal(file.data[0] % 8, 0);
    assert_int_equal(safetensors_read(buf_span(&file), &st, NULL), 0);
    float f[6];
    double d;
    assert_int_equal(safetensors_copy_f32(st, "w", f, 6, NULL), 0);
    assert_int_equal(safetensors_copy_f64(st, "a", &d, 1, NULL), 0);
    assert_true(f[5] == 6 && d == 0.5);
    assert_string_equal(safetensors_meta(st, "config"), "{\"x\":1}");
    assert_null(safetensors_meta(st, "nothing"));
    struct err err;
    assert_int_equal(safetensors_copy_f32(st, "w", f, 5, &err), ERR_CORRUPT);
    assert_string_equal(err.text, "tensor 'w': F32, 24 bytes; want F32, 20");
    assert_int_equal(safetensors_copy_f32(st, "z", f, 5, &err), ERR_CORRUPT);
    assert_string_equal(err.text, "no tensor 'z'");
    safetensors_free(st);
    buf_done(&file);
}

static int read_text(const char *header, size_t data, struct err *err)
{
    struct buf file = {0};
    uint8_t prefix[8] = {(uint8_t)strlen(header), (uint8_t)(strlen(header) >> 8)};
    static const uint8_t zeros[256];
    buf_append(&file, prefix, 8);
    buf_append(&file, header, strlen(header));
    buf_append(&file, zeros, data);
    struct safetensors *st = NULL;
    int rc = safetensors_read(buf_span(&file), &st, err);
    safetensors_free(st);
    buf_done(&file);
    return rc;
}

static void test_safetensors__bad_headers_are_refused_with_a_reason(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        size_t data;
        int rc;
        const char *text;
    } cases[] = {
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, 0, ""},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}", 4, 0, ""},
        {"{}", 0, 0, ""},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 9, ERR_CORRUPT,
         "safetensors: 1 bytes behind the last tensor"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", 8, ERR_CORRUPT,
         "safetensors: tensor 'a': data_offsets do not fit its shape"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}", 12, ERR_CORRUPT,
         "safetensors: tensor 'a' overlaps another or leaves a hole"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,8]}}",
         8, ERR_CORRUPT, "safetensors: tensor 'a': size 0 of the shape is out of range"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,8]}}", 8, ERR_CORRUPT,
         "safetensors: tensor 'a': size 0 of the shape is out of range"},
        {"{\"a\":{\"dtype\":\"F16\",\"shape\":[4],\"data_offsets\":[0,8]}}", 8, ERR_UNSUPPORTED,
         "safetensors: tensor 'a': type 'F16'"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8, ERR_CORRUPT,
         "safetensors: tensor 'a': want dtype, shape and data_offsets"},
        {"{\"a\":7}", 8, ERR_CORRUPT,
         "safetensors: tensor 'a': want dtype, shape and data_offsets"},
        {"{\"__metadata__\":{\"k\":1}}", 0, ERR_CORRUPT,
         "safetensors: __metadata__: 'k' is no text"},
        {"[]", 0, ERR_CORRUPT, "safetensors: header is no JSON object: another value"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct err err = {0};
        assert_int_equal(read_text(cases[i].header, cases[i].data, &err), cases[i].rc);
        assert_string_equal(err.text, cases[i].text);
    }
    struct err err;
    struct safetensors *st = NULL;
    const uint8_t huge[8] = {255, 255, 255, 255, 255, 255, 255, 255}, cut[9] = {7};
    assert_int_equal(safetensors_read((struct span){huge, 8}, &st, &err), ERR_LIMIT);
    assert_int_equal(safetensors_read((struct span){cut, 9}, &st, &err), ERR_CORRUPT);
    assert_int_equal(safetensors_read((struct span){cut, 3}, &st, &err), ERR_CORRUPT);
    assert_null(st);
}

/* Any single damaged byte is refused or read, never more than that (sanitizers watch). */
static void test_safetensors__damaged_bytes_do_no_harm(void **state)
{
    (void)state;
    struct buf file = {0};
    small_file(&file);
    for (size_t i = 0; i < file.size; i++)
        for (int bit = 0; bit < 8; bit++) {
            file.data[i] ^= (uint8_t)(1 << bit);
            struct safetensors *st = NULL;
            (void)safetensors_read(buf_span(&file), &st, NULL);
            safetensors_free(st);
            file.data[i] ^= (uint8_t)(1 << bit);
        }
    for (size_t size = 0; size < file.size; size++) {
        struct safetensors *st = NULL;
        assert_int_not_equal(safetensors_read((struct span){file.data, size}, &st, NULL), 0);
    }
    buf_done(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loss__agrees_with_naive_and_differences),
        cmocka_unit_test(test_loss__extreme_logits_are_finite_and_masks_hold),
        cmocka_unit_test(test_tensors__lie_one_behind_the_other_and_start_as_said),
        cmocka_unit_test(test_optimizer__is_adamw),
        cmocka_unit_test(test_optimizer__rate_warms_up_and_falls_to_a_twentieth),
        cmocka_unit_test(test_optimizer__clips_by_the_norm_of_all),
        cmocka_unit_test(test_safetensors__round_trip),
        cmocka_unit_test(test_safetensors__bad_headers_are_refused_with_a_reason),
        cmocka_unit_test(test_safetensors__damaged_bytes_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
