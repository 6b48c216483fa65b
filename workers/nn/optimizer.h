/* AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101, algorithm 2) over one parameter block, its
 * learning-rate schedule, gradient clipping, and the running average of the weights. */
#ifndef WYCKMILL_NN_OPTIMIZER_H
#define WYCKMILL_NN_OPTIMIZER_H

#include "workers/nn/tensors.h"

struct optimizer {
    double learning_rate; /* highest */
    double weight_decay;  /* per unit of learning rate */
    double clip;          /* largest norm of the whole gradient */
    double ema;           /* decay of the average; 0: the average is the weights */
    uint64_t warmup;      /* steps from 0 to the highest rate */
    uint64_t steps_total; /* cosine from there down to a twentieth */
};

/* Learning rate of step 0, 1, ...: linear warm-up, then half a cosine (arXiv:1608.03983). */
double optimizer_rate(const struct optimizer *optimizer, uint64_t step);

/* Scale `gradient` (n) so that its norm is at most clip; returns the norm before. A norm that
 * is not finite is returned and nothing is scaled. */
double optimizer_clip(float *gradient, size_t n, double clip);

/* One step (number `step` from 0): block -= rate (m^ / (sqrt v^ + eps) + decay block), then
 * average = a average + (1 - a) block with a = min(ema, (1 + step) / (10 + step)), so that the
 * first weights are soon forgotten. All arrays are blocks of `tensors`. */
void optimizer_step(const struct optimizer *optimizer, const struct tensors *tensors,
                    uint64_t step, const float *gradient, float *block, float *m, float *v,
                    float *average);

#endif
