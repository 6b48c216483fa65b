/* Attention inside each crystal: see attention.h. The kernels work on one head of one crystal;
 * keys and values are transposed first, so that the inner loops run over eight tokens at a time
 * and need no sum across lanes. */
#include "workers/nn/attention.h"

#include "workers/nn/vec.h"

#include <math.h>

/* One head of one crystal: n tokens in T = 8 blocks tokens, D entries, rows `stride` apart. */
struct head {
    int n, D, blocks;
    size_t stride;
    float scale; /* 1 / sqrt(D) */
};

typedef float transposed[ATTENTION_HEAD][ATTENTION_TOKENS];

static void transpose(transposed out, const float *x, const struct head *head)
{
    for (int d = 0; d < head->D; d++) {
        for (int j = 0; j < head->n; j++)
            out[d][j] = x[(size_t)j * head->stride + (size_t)d];
        for (int j = head->n; j < V8 * head->blocks; j++)
            out[d][j] = 0;
    }
}

/* s[j] = sum over d of a[d] t[d][j] */
static inline __attribute__((always_inline)) void row_times(float *s, const float *a,
                                                            transposed t, int D, int blocks)
{
    v8 sum[ATTENTION_TOKENS / V8];
    for (int b = 0; b < blocks; b++)
        sum[b] = v8_set(0);
    for (int d = 0; d < D; d++)
        for (int b = 0; b < blocks; b++)
            sum[b] += v8_set(a[d]) * v8_load(&t[d][V8 * b]);
    for (int b = 0; b < blocks; b++)
        v8_store(s + V8 * b, sum[b]);
}

/* The same with the number of blocks known to the compiler: sums stay in registers. */
static void row_times_any(float *s, const float *a, transposed t, const struct head *head)
{
    switch (head->blocks) {
    case 1:
        row_times(s, a, t, head->D, 1);
        break;
    case 2:
        row_times(s, a, t, head->D, 2);
        break;
    case 3:
        row_times(s, a, t, head->D, 3);
        break;
    default:
        row_times(s, a, t, head->D, 4);
        break;
    }
}

/* y (+)= sum over j of p[j] x[j], x rows `stride` apart */
static void combine(float *y, const float *p, const float *x, const struct head *head,
                    float scale, int keep)
{
    for (int d = 0; d < head->D; d += V8) {
        v8 sum = v8_set(0);
        for (int j = 0; j < head->n; j++)
            sum += v8_set(p[j]) * v8_load(x + (size_t)j * head->stride + d);
        sum *= v8_set(scale);
        v8_store(y + d, keep ? (v8)(v8_load(y + d) + sum) : sum);
    }
}

static void softmax_tokens(float *p, const struct head *head)
{
    for (int j = head->n; j < V8 * head->blocks; j++)
        p[j] = -INFINITY;
    v8 top = v8_load(p), sum = v8_set(0);
    for (int b = 1; b < head->blocks; b++)
        top = v8_max(top, v8_load(p + V8 * b));
    top = v8_set(v8_largest(top));
    for (int b = 0; b < head->blocks; b++) {
        v8 e = v8_exp((v8_load(p + V8 * b) - top) * v8_set(head->scale));
        sum += e;
        v8_store(p + V8 * b, e);
    }
    v8 inverse = v8_set(1.0f / v8_sum(sum));
    for (int b = 0; b < head->blocks; b++)
        v8_store(p + V8 * b, v8_load(p + V8 * b) * inverse);
}

static void head_forward(float *y, size_t y_stride, float *p, size_t p_stride, const float *q,
                         const float *k, const float *v, const struct head *head)
{
    transposed kt;
    transpose(kt, k, head);
    for (int i = 0; i < head->n; i++) {
        float *pi = p + (size_t)i * p_stride;
        row_times_any(pi, q + (size_t)i * head->stride, kt, head);
        softmax_tokens(pi, head);
        combine(y + (size_t)i * y_stride, pi, v, head, 1.0f, 0);
    }
}

/* ds = p (dp - sum p dp): gradient before the softmax, in the scale of q . k */
static void softmax_tokens_backward(float *ds, const float *dp, const float *p,
                                    const struct head *head)
{
    v8 sum = v8_set(0);
    for (int b = 0; b < head->blocks; b++)
        sum += v8_load(p + V8 * b) * v8_load(dp + V8 * b);
    v8 dot = v8_set(v8_sum(sum));
    for (int b = 0; b < head->blocks; b++)
        v8_store(ds + V8 * b, v8_load(p + V8 * b) * (v8_load(dp + V8 * b) - dot));
}

static void head_backward(float *dq, float *dk, float *dv, const float *dy, size_t y_stride,
                          const float *p, size_t p_stride, const float *q, const float *k,
                          const float *v, const struct head *head)
{
    transposed vt;
    float ds_t[ATTENTION_TOKENS][ATTENTION_TOKENS], p_t[ATTENTION_TOKENS][ATTENTION_TOKENS];
    transpose(vt, v, head);
    for (int i = 0; i < head->n; i++) {
        const float *pi = p + (size_t)i * p_stride;
        float dp[ATTENTION_TOKENS], ds[ATTENTION_TOKENS];
        row_times_any(dp, dy + (size_t)i * y_stride, vt, head);
        softmax_tokens_backward(ds, dp, pi, head);
        combine(dq + (size_t)i * head->stride, ds, k, head, head->scale, 1);
        for (int j = 0; j < head->n; j++) {
            ds_t[j][i] = ds[j];
            p_t[j][i] = pi[j];
        }
    }
    struct head out = *head; /* rows of dy lie y_stride apart */
    out.stride = y_stride;
    for (int j = 0; j < head->n; j++) {
        combine(dk + (size_t)j * head->stride, ds_t[j], q, head, head->scale, 1);
        combine(dv + (size_t)j * head->stride, p_t[j], dy, &out, 1.0f, 1);
    }
}

static struct head head_of(uint32_t n, int heads, int W)
{
    int D = W / heads;
    return (struct head){.n = (int)n,
                         .D = D,
                         .blocks = ((int)n + V8 - 1) / V8,
                         .stride = 3 * (size_t)W,
                         .scale = 1.0f / sqrtf((float)D)};
}

void attention_forward(float *y, float *p, const float *qkv, const uint32_t *first,
                       int crystals, int heads, int W)
{
    size_t w = (size_t)W, p_stride = (size_t)heads * ATTENTION_TOKENS;
    for (int c = 0; c < crystals; c++) {
        struct head head = head_of(first[c + 1] - first[c], heads, W);
        for (int h = 0; h < heads; h++) {
            size_t row = first[c], in = (size_t)(h * head.D);
            const float *q = qkv + row * 3 * w + in;
            head_forward(y + row * w + in, w, p + row * p_stride + (size_t)h * ATTENTION_TOKENS,
                         p_stride, q, q + w, q + 2 * w, &head);
        }
    }
}

void attention_backward(float *dqkv, const float *dy, const float *qkv, const float *p,
                        const uint32_t *first, int crystals, int heads, int W)
{
    size_t w = (size_t)W, p_stride = (size_t)heads * ATTENTION_TOKENS;
    for (int c = 0; c < crystals; c++) {
        struct head head = head_of(first[c + 1] - first[c], heads, W);
        for (int h = 0; h < heads; h++) {
            size_t row = first[c], in = (size_t)(h * head.D);
            const float *q = qkv + row * 3 * w + in;
            float *dq = dqkv + row * 3 * w + in;
            head_backward(dq, dq + w, dq + 2 * w, dy + row * w + in, w,
                          p + row * p_stride + (size_t)h * ATTENTION_TOKENS, p_stride, q, q + w,
                          q + 2 * w, &head);
        }
    }
}
