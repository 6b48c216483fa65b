/* Losses of one row with their gradients. Values are in nats; every gradient ADDS
 * weight * dloss/dinput, and the value returned is not weighted. */
#ifndef WYCKMILL_NN_LOSS_H
#define WYCKMILL_NN_LOSS_H

#include <stddef.h>
#include <stdint.h>

/* -log softmax(x)[target] over D categories. Entries of -inf are categories that cannot be;
 * the target must not be one of them. dx may be NULL. */
double loss_categorical(float *dx, const float *x, uint32_t target, float weight, size_t D);

/* Sum over D independent yes/no questions with log-odds x: log(1 + e^x) - yes x.
 * yes (D) holds 0 or 1. dx may be NULL. */
double loss_bernoulli(float *dx, const float *x, const uint8_t *yes, float weight, size_t D);

/* -log of a normal density with mean m and standard deviation e^s at y, without the constant:
 * (y - m)^2 e^-2s / 2 + s. dm and ds may be NULL together. */
double loss_normal(float *dm, float *ds, float m, float s, float y, float weight);

#endif
