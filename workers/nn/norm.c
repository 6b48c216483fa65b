/* Adaptive layer norm and gated residual: see norm.h. */
#include "workers/nn/norm.h"

#include "workers/nn/vec.h"

#include <math.h>
#include <stddef.h>

static const float variance_floor = 1e-5f; /* keeps rstd finite on a constant row */

static void row_moments(const float *x, int W, float *ret_mean, float *ret_rstd)
{
    v8 sum = v8_set(0), square = v8_set(0);
    for (int w = 0; w < W; w += V8)
        sum += v8_load(x + w);
    float mean = v8_sum(sum) / (float)W;
    for (int w = 0; w < W; w += V8) {
        v8 d = v8_load(x + w) - v8_set(mean);
        square += d * d;
    }
    *ret_mean = mean;
    *ret_rstd = 1.0f / sqrtf(v8_sum(square) / (float)W + variance_floor);
}

void norm_forward(float *y, float *mean, float *rstd, const float *x, const float *scale,
                  const float *shift, const uint32_t *of, int N, int W, int stride)
{
    for (int n = 0; n < N; n++) {
        const float *xn = x + (size_t)n * (size_t)W;
        float *yn = y + (size_t)n * (size_t)W;
        size_t c = (size_t)of[n] * (size_t)stride;
        row_moments(xn, W, &mean[n], &rstd[n]);
        for (int w = 0; w < W; w += V8) {
            v8 xhat = (v8_load(xn + w) - v8_set(mean[n])) * v8_set(rstd[n]);
            v8_store(yn + w,
                     xhat * (v8_set(1) + v8_load(scale + c + w)) + v8_load(shift + c + w));
        }
    }
}

void norm_backward(float *dx, float *dscale, float *dshift, const float *dy, const float *x,
                   const float *mean, const float *rstd, const float *scale, const uint32_t *of,
                   int N, int W, int stride)
{
    for (int n = 0; n < N; n++) {
        const float *xn = x + (size_t)n * (size_t)W, *dyn = dy + (size_t)n * (size_t)W;
        float *dxn = dx + (size_t)n * (size_t)W;
        size_t c = (size_t)of[n] * (size_t)stride;
        v8 m = v8_set(mean[n]), r = v8_set(rstd[n]);
        v8 sum_d = v8_set(0), sum_dx = v8_set(0); /* of d = dy (1 + scale), and of d xhat */
        for (int w = 0; w < W; w += V8) {
            v8 g = v8_load(dyn + w), xhat = (v8_load(xn + w) - m) * r;
            v8 d = g * (v8_set(1) + v8_load(scale + c + w));
            sum_d += d;
            sum_dx += d * xhat;
            v8_store(dscale + c + w, v8_load(dscale + c + w) + g * xhat);
            v8_store(dshift + c + w, v8_load(dshift + c + w) + g);
        }
        /* dx = rstd (d - mean(d) - xhat mean(d xhat)) */
        v8 mean_d = v8_set(v8_sum(sum_d) / (float)W),
           mean_dx = v8_set(v8_sum(sum_dx) / (float)W);
        for (int w = 0; w < W; w += V8) {
            v8 xhat = (v8_load(xn + w) - m) * r;
            v8 d = v8_load(dyn + w) * (v8_set(1) + v8_load(scale + c + w));
            v8_store(dxn + w, v8_load(dxn + w) + r * (d - mean_d - xhat * mean_dx));
        }
    }
}

void gate_forward(float *x, const float *branch, const float *gate, const uint32_t *of, int N,
                  int W, int stride)
{
    for (int n = 0; n < N; n++) {
        size_t row = (size_t)n * (size_t)W, c = (size_t)of[n] * (size_t)stride;
        for (int w = 0; w < W; w += V8)
            v8_store(x + row + w,
                     v8_load(x + row + w) + v8_load(gate + c + w) * v8_load(branch + row + w));
    }
}

void gate_backward(float *dbranch, float *dgate, const float *dx, const float *branch,
                   const float *gate, const uint32_t *of, int N, int W, int stride)
{
    for (int n = 0; n < N; n++) {
        size_t row = (size_t)n * (size_t)W, c = (size_t)of[n] * (size_t)stride;
        for (int w = 0; w < W; w += V8) {
            v8 d = v8_load(dx + row + w);
            v8_store(dbranch + row + w, v8_load(dbranch + row + w) + d * v8_load(gate + c + w));
            v8_store(dgate + c + w, v8_load(dgate + c + w) + d * v8_load(branch + row + w));
        }
    }
}
