/* Layer norm whose scale and shift come from a condition (adaLN), and the gated residual that
 * closes each branch of a transformer block: Peebles & Xie 2023, arXiv:2212.09748, sec. 3.2.
 * Rows of one crystal share the condition: row n uses condition row of[n]. */
#ifndef WYCKMILL_NN_NORM_H
#define WYCKMILL_NN_NORM_H

#include <stdint.h>

/* y = (x - mean) rstd (1 + scale) + shift,   mean and variance over the W entries of the row
 *   x, y (N, W)   mean, rstd (N), kept for backward
 *   scale, shift  (conditions, W), rows `stride` floats apart   of (N)
 * W a multiple of 8. y and the kept values are overwritten. */
void norm_forward(float *y, float *mean, float *rstd, const float *x, const float *scale,
                  const float *shift, const uint32_t *of, int N, int W, int stride);

/* dx += ...   dscale[of] += dy xhat   dshift[of] += dy      (dscale, dshift: same stride) */
void norm_backward(float *dx, float *dscale, float *dshift, const float *dy, const float *x,
                   const float *mean, const float *rstd, const float *scale, const uint32_t *of,
                   int N, int W, int stride);

/* x += gate * branch        gate (conditions, W), rows `stride` apart */
void gate_forward(float *x, const float *branch, const float *gate, const uint32_t *of, int N,
                  int W, int stride);

/* dbranch += dx gate        dgate[of] += dx branch       (dx passes on unchanged) */
void gate_backward(float *dbranch, float *dgate, const float *dx, const float *branch,
                   const float *gate, const uint32_t *of, int N, int W, int stride);

#endif
