/* Cross-entropies and the normal log-likelihood: see loss.h. */
#include "workers/nn/loss.h"

#include "workers/nn/vec.h"

#include <math.h>

static inline v8 part(const float *x, size_t d, size_t D, float fill)
{
    return D - d >= V8 ? v8_load(x + d) : v8_load_part(x + d, (int)(D - d), fill);
}

static inline void add_part(float *x, v8 value, size_t d, size_t D)
{
    if (D - d >= V8)
        v8_store(x + d, v8_load(x + d) + value);
    else
        v8_store_part(x + d, v8_load_part(x + d, (int)(D - d), 0.0f) + value, (int)(D - d));
}

double loss_categorical(float *dx, const float *x, uint32_t target, float weight, size_t D)
{
    v8 top = v8_set(-INFINITY), sum = v8_set(0);
    for (size_t d = 0; d < D; d += V8)
        top = v8_max(top, part(x, d, D, -INFINITY));
    float largest = v8_largest(top);
    for (size_t d = 0; d < D; d += V8)
        sum += v8_exp(part(x, d, D, -INFINITY) - v8_set(largest));
    float total = v8_sum(sum);
    if (dx) {
        v8 scale = v8_set(weight / total);
        for (size_t d = 0; d < D; d += V8)
            add_part(dx, scale * v8_exp(part(x, d, D, -INFINITY) - v8_set(largest)), d, D);
        dx[target] -= weight;
    }
    return (double)largest + (double)logf_fixed(total) - (double)x[target];
}

double loss_bernoulli(float *dx, const float *x, const uint8_t *yes, float weight, size_t D)
{
    v8 sum = v8_set(0);
    double chosen = 0;
    for (size_t d = 0; d < D; d += V8) {
        /* log(1 + e^x) = max(x, 0) + log(1 + e^-|x|): no overflow; -inf behind the end adds 0
         */
        v8 v = part(x, d, D, -INFINITY);
        v8 small = v8_exp(-_mm256_andnot_ps(v8_set(-0.0f), v));
        sum += v8_max(v, v8_set(0)) + v8_log(v8_set(1) + small);
        if (dx) /* logistic of x */
            add_part(dx, v8_set(weight) / (v8_set(1) + v8_exp(-v)), d, D);
    }
    for (size_t d = 0; d < D; d++) {
        if (!yes[d])
            continue;
        chosen += (double)x[d];
        if (dx)
            dx[d] -= weight;
    }
    return (double)v8_sum(sum) - chosen;
}

double loss_normal(float *dm, float *ds, float m, float s, float y, float weight)
{
    float precision = expf_fixed(-2 * s), d = y - m;
    if (dm) {
        *dm -= weight * precision * d;
        *ds += weight * (1 - precision * d * d);
    }
    return 0.5 * (double)(precision * d * d) + (double)s;
}
