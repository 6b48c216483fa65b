/* Do the layers compute what their headers say, and do their gradients agree with differences?
 * Every layer: forward against a naive loop, backward against central differences
 * (tests/support/gradient.h says why the tolerance), shapes of 1 included. */
#include "tests/support/gradient.h"

#include "workers/nn/activation.h"
#include "workers/nn/attention.h"
#include "workers/nn/gather.h"
#include "workers/nn/linear.h"
#include "workers/nn/norm.h"

#include <string.h>

enum { BIG = 8192 };

/* ---- linear ---- */

struct linear_case {
    int N, K, M;
    float x[BIG], w[BIG], b[BIG], r[BIG], y[BIG], dx[BIG], dw[BIG], db[BIG];
};

static double linear_value(void *context)
{
    struct linear_case *c = context;
    linear_forward(c->y, c->x, c->w, c->b, c->N, c->K, c->M);
    return dot(c->y, c->r, (size_t)(c->N * c->M));
}

static void test_linear__agrees_with_naive_and_differences(void **state)
{
    (void)state;
    static const int shapes[][3] = {{1, 1, 1},  {3, 1, 5},  {1, 7, 2},  {5, 8, 16},
                                    {9, 13, 7}, {8, 3, 37}, {2, 523, 3}};
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
        static struct linear_case c;
        memset(&c, 0, sizeof c);
        c.N = shapes[s][0];
        c.K = shapes[s][1];
        c.M = shapes[s][2];
        size_t n = (size_t)c.N, k = (size_t)c.K, m = (size_t)c.M;
        fill_normal(c.x, n * k, 1);
        fill_normal(c.w, m * k, 2);
        fill_normal(c.b, m, 3);
        fill_normal(c.r, n * m, 4);
        linear_value(&c);
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < m; j++) {
                double want = (double)c.b[j] + dot(c.x + i * k, c.w + j * k, k);
                /* K products of order one in single: a few 1e-7 each, adding at random */
                assert_true(fabs(want - (double)c.y[i * m + j]) < 1e-6 * (1 + (double)k));
            }
        linear_backward(c.dx, c.dw, c.db, c.r, c.x, c.w, c.N, c.K, c.M);
        check_gradient("dx", linear_value, &c, c.x, c.dx, n * k);
        check_gradient("dw", linear_value, &c, c.w, c.dw, m * k);
        check_gradient("db", linear_value, &c, c.b, c.db, m);
    }
}

static void test_linear__backward_adds(void **state)
{
    (void)state;
    float x[4] = {1, 2, 3, 4}, w[2] = {1, 1}, dy[2] = {1, 1};
    float dx[4] = {10, 10, 10, 10}, dw[2] = {100, 100}, db[1] = {1000};
    linear_backward(dx, dw, db, dy, x, w, 2, 2, 1);
    assert_true(dx[3] == 11 && dw[0] == 104 && dw[1] == 106 && db[0] == 1002);
    linear_backward(NULL, NULL, NULL, dy, x, w, 2, 2, 1);
}

/* What the sampler relies on: a row gives the same bits alone and at any place among any number
 * of other rows, forward and for dx. */
static void test_linear__row_does_not_depend_on_batch(void **state)
{
    (void)state;
    static const int shapes[][2] = {{64, 64},  {64, 192}, {96, 384}, {256, 64},
                                    {64, 128}, {13, 7},   {600, 40}};
    enum { ROWS = 101, WIDE = 600 };
    static float x[ROWS * WIDE], w[WIDE * WIDE], b[WIDE], y[ROWS * WIDE], dx[ROWS * WIDE];
    float one[WIDE];
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
        int K = shapes[s][0], M = shapes[s][1];
        size_t k = (size_t)K, m = (size_t)M;
        fill_normal(x, ROWS * k, 1);
        fill_normal(w, k * m, 2);
        fill_normal(b, m, 3);
        for (int n = 1; n <= ROWS; n += 10) {
            linear_forward(y, x, w, b, n, K, M);
            memset(dx, 0, sizeof dx);
            linear_backward(dx, NULL, NULL, y, NULL, w, n, K, M);
            for (size_t row = 0; row < (size_t)n; row++) {
                linear_forward(one, x + row * k, w, b, 1, K, M);
                assert_memory_equal(one, y + row * m, m * sizeof *y);
                memset(one, 0, sizeof one);
                linear_backward(one, NULL, NULL, y + row * m, NULL, w, 1, K, M);
                assert_memory_equal(one, dx + row * k, k * sizeof *one);
            }
        }
    }
}

/* ---- adaptive norm and gate ---- */

enum { N_ROWS = 5, N_COND = 2, N_WIDTH = 16, N_STRIDE = 40 };

struct norm_case {
    float x[N_ROWS * N_WIDTH], y[N_ROWS * N_WIDTH], r[N_ROWS * N_WIDTH];
    float mean[N_ROWS], rstd[N_ROWS], mod[N_COND * N_STRIDE]; /* scale, shift, 8 unused */
    uint32_t of[N_ROWS];
};

static double norm_value(void *context)
{
    struct norm_case *c = context;
    norm_forward(c->y, c->mean, c->rstd, c->x, c->mod, c->mod + N_WIDTH, c->of, N_ROWS, N_WIDTH,
                 N_STRIDE);
    return dot(c->y, c->r, N_ROWS * N_WIDTH);
}

static void test_norm__agrees_with_naive_and_differences(void **state)
{
    (void)state;
    struct norm_case c = {.of = {0, 0, 1, 1, 0}};
    float dx[N_ROWS * N_WIDTH] = {0}, dmod[N_COND * N_STRIDE] = {0};
    fill_normal(c.x, N_ROWS * N_WIDTH, 1);
    fill_normal(c.mod, N_COND * N_STRIDE, 2);
    fill_normal(c.r, N_ROWS * N_WIDTH, 3);
    norm_value(&c);
    for (int n = 0; n < N_ROWS; n++) {
        double mean = 0, variance = 0;
        for (int w = 0; w < N_WIDTH; w++)
            mean += (double)c.x[n * N_WIDTH + w] / N_WIDTH;
        for (int w = 0; w < N_WIDTH; w++)
            variance += pow((double)c.x[n * N_WIDTH + w] - mean, 2) / N_WIDTH;
        for (int w = 0; w < N_WIDTH; w++) {
            const float *mod = c.mod + c.of[n] * N_STRIDE;
            double xhat = ((double)c.x[n * N_WIDTH + w] - mean) / sqrt(variance + 1e-5);
            double want = xhat * (1 + (double)mod[w]) + (double)mod[N_WIDTH + w];
            assert_true(fabs(want - (double)c.y[n * N_WIDTH + w]) < 1e-5);
        }
    }
    norm_backward(dx, dmod, dmod + N_WIDTH, c.r, c.x, c.mean, c.rstd, c.mod, c.of, N_ROWS,
                  N_WIDTH, N_STRIDE);
    check_gradient("norm dx", norm_value, &c, c.x, dx, N_ROWS * N_WIDTH);
    check_gradient("norm dmod", norm_value, &c, c.mod, dmod, N_COND * N_STRIDE);
}

struct gate_case {
    float x[N_ROWS * N_WIDTH], branch[N_ROWS * N_WIDTH], r[N_ROWS * N_WIDTH];
    float gate[N_COND * N_STRIDE];
    uint32_t of[N_ROWS];
};

static double gate_value(void *context)
{
    struct gate_case *c = context;
    float y[N_ROWS * N_WIDTH];
    memcpy(y, c->x, sizeof y);
    gate_forward(y, c->branch, c->gate, c->of, N_ROWS, N_WIDTH, N_STRIDE);
    return dot(y, c->r, N_ROWS * N_WIDTH);
}

static void test_gate__agrees_with_differences(void **state)
{
    (void)state;
    struct gate_case c = {.of = {1, 0, 1, 0, 0}};
    float dbranch[N_ROWS * N_WIDTH] = {0}, dgate[N_COND * N_STRIDE] = {0};
    fill_normal(c.x, N_ROWS * N_WIDTH, 1);
    fill_normal(c.branch, N_ROWS * N_WIDTH, 2);
    fill_normal(c.r, N_ROWS * N_WIDTH, 3);
    fill_normal(c.gate, N_COND * N_STRIDE, 4);
    gate_backward(dbranch, dgate, c.r, c.branch, c.gate, c.of, N_ROWS, N_WIDTH, N_STRIDE);
    check_gradient("dbranch", gate_value, &c, c.branch, dbranch, N_ROWS * N_WIDTH);
    check_gradient("dgate", gate_value, &c, c.gate, dgate, N_COND * N_STRIDE);
}

/* ---- activations and softmax ---- */

enum { ACT = 19 }; /* not a multiple of 8 */

struct act_case {
    void (*forward)(float *, const float *, size_t);
    float x[ACT], y[ACT], r[ACT];
};

static double act_value(void *context)
{
    struct act_case *c = context;
    c->forward(c->y, c->x, ACT);
    return dot(c->y, c->r, ACT);
}

static void test_activation__agrees_with_naive_and_differences(void **state)
{
    (void)state;
    struct act_case c = {.forward = gelu_forward};
    float dx[ACT] = {0};
    fill_normal(c.x, ACT, 1);
    fill_normal(c.r, ACT, 2);
    act_value(&c);
    for (int i = 0; i < ACT; i++) {
        double x = (double)c.x[i];
        double want =
            0.5 * x * (1 + tanh(sqrt(2 / 3.14159265358979) * (x + 0.044715 * x * x * x)));
        assert_true(fabs(want - (double)c.y[i]) < 1e-6 * (1 + fabs(x)));
    }
    gelu_backward(dx, c.r, c.x, ACT);
    check_gradient("gelu", act_value, &c, c.x, dx, ACT);

    c.forward = silu_forward;
    memset(dx, 0, sizeof dx);
    act_value(&c);
    for (int i = 0; i < ACT; i++)
        assert_true(fabs((double)c.x[i] / (1 + exp(-(double)c.x[i])) - (double)c.y[i]) < 1e-6);
    silu_backward(dx, c.r, c.x, ACT);
    check_gradient("silu", act_value, &c, c.x, dx, ACT);
}

static void test_activation__large_values_stay_finite(void **state)
{
    (void)state;
    float x[4] = {-1e4f, 1e4f, -100, 100}, y[4], dx[4] = {0}, one[4] = {1, 1, 1, 1};
    gelu_forward(y, x, 4);
    gelu_backward(dx, one, x, 4);
    for (int i = 0; i < 4; i++)
        assert_true(isfinite(y[i]) && isfinite(dx[i]));
    assert_true(y[0] == 0 && y[1] == 1e4f);
    silu_forward(y, x, 4);
    assert_true(fabsf(y[0]) < 1e-30f && y[1] == 1e4f);
}

struct softmax_case {
    float x[2 * ACT], y[2 * ACT], r[2 * ACT];
};

static double softmax_value(void *context)
{
    struct softmax_case *c = context;
    softmax_forward(c->y, c->x, 2, ACT);
    return dot(c->y, c->r, 2 * ACT);
}

static void test_softmax__agrees_with_naive_and_differences(void **state)
{
    (void)state;
    struct softmax_case c;
    float dx[2 * ACT] = {0};
    fill_normal(c.x, 2 * ACT, 1);
    fill_normal(c.r, 2 * ACT, 2);
    softmax_value(&c);
    for (int r = 0; r < 2; r++) {
        double sum = 0;
        for (int d = 0; d < ACT; d++)
            sum += exp((double)c.x[r * ACT + d]);
        for (int d = 0; d < ACT; d++)
            assert_true(fabs(exp((double)c.x[r * ACT + d]) / sum - (double)c.y[r * ACT + d]) <
                        1e-6);
    }
    softmax_backward(dx, c.r, c.y, 2, ACT);
    check_gradient("softmax", softmax_value, &c, c.x, dx, 2 * ACT);
    float one = 3, with_inf[3] = {1, -INFINITY, 1};
    softmax_forward(&one, &one, 1, 1);
    softmax_forward(with_inf, with_inf, 1, 3);
    assert_true(one == 1 && with_inf[1] == 0 && with_inf[0] == 0.5f);
}

/* ---- attention ---- */

enum { A_ROWS = 30, A_HEADS = 2, A_W = 16, A_CRYSTALS = 3 };

struct attention_case {
    uint32_t first[A_CRYSTALS + 1];
    float qkv[A_ROWS * 3 * A_W], y[A_ROWS * A_W], r[A_ROWS * A_W];
    float p[A_ROWS * A_HEADS * ATTENTION_TOKENS];
};

static double attention_value(void *context)
{
    struct attention_case *c = context;
    attention_forward(c->y, c->p, c->qkv, c->first, A_CRYSTALS, A_HEADS, A_W);
    return dot(c->y, c->r, (size_t)c->first[A_CRYSTALS] * A_W);
}

static void naive_attention(double *y, const float *qkv, uint32_t from, uint32_t to, int head)
{
    enum { D = A_W / A_HEADS };
    for (uint32_t i = from; i < to; i++) {
        double p[ATTENTION_TOKENS], sum = 0;
        for (uint32_t j = from; j < to; j++) {
            p[j - from] =
                exp(dot(qkv + i * 3 * A_W + head * D, qkv + j * 3 * A_W + A_W + head * D, D) /
                    sqrt(D));
            sum += p[j - from];
        }
        for (int d = 0; d < D; d++) {
            y[i * A_W + (uint32_t)(head * D + d)] = 0;
            for (uint32_t j = from; j < to; j++)
                y[i * A_W + (uint32_t)(head * D + d)] +=
                    p[j - from] / sum *
                    (double)qkv[j * 3 * A_W + 2 * A_W + (uint32_t)(head * D + d)];
        }
    }
}

static void test_attention__agrees_with_naive_and_differences(void **state)
{
    (void)state;
    static struct attention_case c = {.first = {0, 1, 10, A_ROWS - 1}}; /* 1, 9 and 19 tokens */
    static float dqkv[A_ROWS * 3 * A_W];
    static double want[A_ROWS * A_W];
    fill_normal(c.qkv, A_ROWS * 3 * A_W, 1);
    fill_normal(c.r, A_ROWS * A_W, 2);
    c.y[A_ROWS * A_W - 1] = 77; /* the last row belongs to no crystal */
    attention_value(&c);
    assert_true(c.y[A_ROWS * A_W - 1] == 77);
    for (int crystal = 0; crystal < A_CRYSTALS; crystal++)
        for (int head = 0; head < A_HEADS; head++)
            naive_attention(want, c.qkv, c.first[crystal], c.first[crystal + 1], head);
    for (size_t i = 0; i < c.first[A_CRYSTALS] * A_W; i++)
        assert_true(fabs(want[i] - (double)c.y[i]) < 1e-5);
    attention_backward(dqkv, c.r, c.qkv, c.p, c.first, A_CRYSTALS, A_HEADS, A_W);
    check_gradient("dqkv", attention_value, &c, c.qkv, dqkv, A_ROWS * 3 * A_W);
}

/* ---- gather ---- */

struct gather_case {
    struct gather entries[5];
    float table[6 * 8], y[4 * 8], r[4 * 8];
};

static double gather_value(void *context)
{
    struct gather_case *c = context;
    memset(c->y, 0, sizeof c->y);
    gather_forward(c->y, c->table, c->entries, 5, 8);
    return dot(c->y, c->r, 4 * 8);
}

static void test_gather__adds_weighted_rows_and_spreads_gradients(void **state)
{
    (void)state;
    struct gather_case c = {
        .entries = {{0, 5, 1}, {0, 2, -2}, {3, 2, 0.5f}, {3, 2, 1}, {1, 0, 0}}};
    float dtable[6 * 8] = {0};
    fill_normal(c.table, 6 * 8, 1);
    fill_normal(c.r, 4 * 8, 2);
    gather_value(&c);
    for (int w = 0; w < 8; w++) {
        assert_true(fabsf(c.y[w] - (c.table[40 + w] - 2 * c.table[16 + w])) < 1e-6f);
        assert_true(c.y[8 + w] == 0 && c.y[16 + w] == 0);
        assert_true(fabsf(c.y[24 + w] - 1.5f * c.table[16 + w]) < 1e-6f);
    }
    gather_backward(dtable, c.r, c.entries, 5, 8);
    check_gradient("dtable", gather_value, &c, c.table, dtable, 6 * 8);
}

int main(void)
{
    linear_threads_one();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_linear__agrees_with_naive_and_differences),
        cmocka_unit_test(test_linear__backward_adds),
        cmocka_unit_test(test_linear__row_does_not_depend_on_batch),
        cmocka_unit_test(test_norm__agrees_with_naive_and_differences),
        cmocka_unit_test(test_gate__agrees_with_differences),
        cmocka_unit_test(test_activation__agrees_with_naive_and_differences),
        cmocka_unit_test(test_activation__large_values_stay_finite),
        cmocka_unit_test(test_softmax__agrees_with_naive_and_differences),
        cmocka_unit_test(test_attention__agrees_with_naive_and_differences),
        cmocka_unit_test(test_gather__adds_weighted_rows_and_spreads_gradients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
