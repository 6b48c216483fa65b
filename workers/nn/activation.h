/* Elementwise non-linearities, and softmax over rows. */
#ifndef WYCKMILL_NN_ACTIVATION_H
#define WYCKMILL_NN_ACTIVATION_H

#include <stddef.h>

/* GELU in its tanh form (Hendrycks & Gimpel 2016, arXiv:1606.08415, sec. 2), written with the
 * logistic function s since (1 + tanh u) / 2 = s(2u):
 *   y = x s(2 u),  u = sqrt(2/pi) (x + 0.044715 x^3)
 * n values; y overwritten. */
void gelu_forward(float *y, const float *x, size_t n);
/* dx += dy dy/dx */
void gelu_backward(float *dx, const float *dy, const float *x, size_t n);

/* y = x s(x) (also called swish) */
void silu_forward(float *y, const float *x, size_t n);
void silu_backward(float *dx, const float *dy, const float *x, size_t n);

/* y[r] = softmax of row r of x, (R, D), any D > 0; y may be x. A row of -inf with at least one
 * finite entry gives zeros there. */
void softmax_forward(float *y, const float *x, size_t R, size_t D);
/* dx += y (dy - sum over d of dy y) */
void softmax_backward(float *dx, const float *dy, const float *y, size_t R, size_t D);

#endif
