/* GELU, SiLU and softmax with their gradients: see activation.h. */
#include "workers/nn/activation.h"

#include "workers/nn/vec.h"

#include <math.h>

static inline v8 logistic(v8 x)
{
    return v8_set(1) / (v8_set(1) + v8_exp(-x));
}

/* Apply f(dy, x) to n values, the last few through a padded copy: the same arithmetic. */
#define EACH8(n, out, body)                                                                    \
    for (size_t i = 0; i < (n); i += V8) {                                                     \
        int left = (n)-i < V8 ? (int)((n)-i) : V8;                                             \
        body;                                                                                  \
        if (left == V8)                                                                        \
            v8_store((out) + i, r);                                                            \
        else                                                                                   \
            v8_store_part((out) + i, r, left);                                                 \
    }

static inline v8 at(const float *p, size_t i, int left)
{
    return left == V8 ? v8_load(p + i) : v8_load_part(p + i, left, 0.0f);
}

static const float gelu_a = 0.044715f, gelu_b = 2 * 0.79788456f; /* 2 sqrt(2/pi) */

static inline v8 gelu_slope(v8 x)
{
    v8 s = logistic(v8_set(gelu_b) * (x + v8_set(gelu_a) * x * x * x));
    v8 inner = v8_set(gelu_b) * (v8_set(1) + v8_set(3 * gelu_a) * x * x);
    return s + x * s * (v8_set(1) - s) * inner;
}

void gelu_forward(float *y, const float *x, size_t n)
{
    EACH8(n, y, v8 v = at(x, i, left);
          v8 r = v * logistic(v8_set(gelu_b) * (v + v8_set(gelu_a) * v * v * v)))
}

void gelu_backward(float *dx, const float *dy, const float *x, size_t n)
{
    EACH8(n, dx, v8 r = at(dx, i, left) + at(dy, i, left) * gelu_slope(at(x, i, left)))
}

void silu_forward(float *y, const float *x, size_t n)
{
    EACH8(n, y, v8 v = at(x, i, left); v8 r = v * logistic(v))
}

void silu_backward(float *dx, const float *dy, const float *x, size_t n)
{
    EACH8(n, dx, v8 v = at(x, i, left); v8 s = logistic(v);
          v8 r = at(dx, i, left) + at(dy, i, left) * s * (v8_set(1) + v * (v8_set(1) - s)))
}

static void softmax_row(float *y, const float *x, size_t D)
{
    v8 largest = v8_set(-INFINITY), sum = v8_set(0);
    for (size_t d = 0; d < D; d += V8)
        largest = v8_max(largest, D - d >= V8 ? v8_load(x + d)
                                              : v8_load_part(x + d, (int)(D - d), -INFINITY));
    v8 top = v8_set(v8_largest(largest));
    for (size_t d = 0; d < D; d += V8) {
        int left = D - d >= V8 ? V8 : (int)(D - d);
        v8 e =
            v8_exp((left == V8 ? v8_load(x + d) : v8_load_part(x + d, left, -INFINITY)) - top);
        sum += e;
        if (left == V8)
            v8_store(y + d, e);
        else
            v8_store_part(y + d, e, left);
    }
    float scale = 1.0f / v8_sum(sum);
    for (size_t d = 0; d < D; d++)
        y[d] *= scale;
}

void softmax_forward(float *y, const float *x, size_t R, size_t D)
{
    for (size_t r = 0; r < R; r++)
        softmax_row(y + r * D, x + r * D, D);
}

void softmax_backward(float *dx, const float *dy, const float *y, size_t R, size_t D)
{
    for (size_t r = 0; r < R; r++) {
        float dot = 0;
        for (size_t d = 0; d < D; d++)
            dot += dy[r * D + d] * y[r * D + d];
        for (size_t d = 0; d < D; d++)
            dx[r * D + d] += y[r * D + d] * (dy[r * D + d] - dot);
    }
}
