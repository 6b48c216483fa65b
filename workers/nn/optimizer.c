/* AdamW with schedule, clipping and average: see optimizer.h. */
#include "workers/nn/optimizer.h"

#include "common/mathd.h"
#include "workers/nn/vec.h"

#include <math.h>

static const double beta1 = 0.9, beta2 = 0.99; /* short runs: an average of 100 steps */
static const float epsilon = 1e-8f;
static const double rate_floor = 0.05; /* of the highest rate, at the end */

double optimizer_rate(const struct optimizer *optimizer, uint64_t step)
{
    double warmup = (double)optimizer->warmup, now = (double)step;
    if (step < optimizer->warmup)
        return optimizer->learning_rate * (now + 1) / warmup;
    double left = (double)optimizer->steps_total - warmup;
    double done = left > 0 ? (now - warmup) / left : 1;
    if (done > 1)
        done = 1;
    return optimizer->learning_rate *
           (rate_floor + (1 - rate_floor) * 0.5 * (1 + mathd_cos(MATHD_PI * done)));
}

double optimizer_clip(float *gradient, size_t n, double clip)
{
    double square = 0;
    size_t i = 0;
    for (; i + V8 <= n; i += V8) { /* eight squares are summed in single, blocks in double */
        v8 g = v8_load(gradient + i);
        square += (double)v8_sum(g * g);
    }
    for (; i < n; i++)
        square += (double)gradient[i] * (double)gradient[i];
    double norm = sqrt(square);
    if (isfinite(norm) && norm > clip)
        for (i = 0; i < n; i++)
            gradient[i] *= (float)(clip / norm);
    return norm;
}

struct step_constants {
    float b1, b2, correct1, correct2, rate, decay, ema;
};

static void adamw_tensor(const struct step_constants *c, size_t n, const float *gradient,
                         float *block, float *m, float *v, float *average)
{
    const v8 b1 = v8_set(c->b1), b2 = v8_set(c->b2), one = v8_set(1);
    for (size_t i = 0; i < n; i += V8) { /* tensors are padded to whole cache lines */
        v8 g = v8_load(gradient + i), x = v8_load(block + i);
        v8 mi = b1 * v8_load(m + i) + (one - b1) * g;
        v8 vi = b2 * v8_load(v + i) + (one - b2) * g * g;
        v8 root = _mm256_sqrt_ps(vi * v8_set(c->correct2)) + v8_set(epsilon);
        x = x - v8_set(c->rate) * (mi * v8_set(c->correct1) / root + v8_set(c->decay) * x);
        v8_store(m + i, mi);
        v8_store(v + i, vi);
        v8_store(block + i, x);
        v8_store(average + i, v8_set(c->ema) * v8_load(average + i) + v8_set(1 - c->ema) * x);
    }
}

void optimizer_step(const struct optimizer *optimizer, const struct tensors *tensors,
                    uint64_t step, const float *gradient, float *block, float *m, float *v,
                    float *average)
{
    double t = (double)step;
    double ema = (1 + t) / (10 + t);
    struct step_constants c = {
        .b1 = (float)beta1,
        .b2 = (float)beta2,
        .correct1 = (float)(1 / (1 - mathd_pow(beta1, t + 1))),
        .correct2 = (float)(1 / (1 - mathd_pow(beta2, t + 1))),
        .rate = (float)optimizer_rate(optimizer, step),
        .ema = (float)(ema < optimizer->ema ? ema : optimizer->ema),
    };
    for (uint32_t i = 0; i < tensors->n; i++) {
        const struct tensor *tensor = &tensors->items[i];
        size_t at = tensor->offset;
        c.decay = tensor->decay ? (float)optimizer->weight_decay : 0.0f;
        adamw_tensor(&c, tensor_count(tensor), gradient + at, block + at, m + at, v + at,
                     average + at);
    }
}
