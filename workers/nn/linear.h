/* The linear layer: where the time goes.
 *
 * Forward and dx are computed by a kernel of our own, dw by OpenBLAS. Reason: the sampler
 * promises that a sample does not depend on its batch, and OpenBLAS's Haswell kernels give a
 * row other last bits at another place in the matrix (measured: period 12). Here a row of y or
 * dx depends on that row of x or dy only, bit for bit. For inner dimensions up to 512 the
 * kernel is as fast as sgemm or faster (bench_train prints both). */
#ifndef WYCKMILL_NN_LINEAR_H
#define WYCKMILL_NN_LINEAR_H

/* One BLAS thread in this process, whatever the environment says. Call before training; cheap.
 */
void linear_threads_one(void);

/* y = x w^T + b
 *   x (N, K)   w (M, K)   b (M), may be NULL   y (N, M), overwritten
 * Row-major float32, caller-owned, non-overlapping. Cannot fail. Fastest with M % 16 = 0. */
void linear_forward(float *y, const float *x, const float *w, const float *b, int N, int K,
                    int M);

/* dx += dy w        dw += dy^T x        db += sum over n of dy[n]
 * Every backward ADDS into its outputs; the caller zeroes them once per step. dx, dw and db may
 * be NULL: not wanted. */
void linear_backward(float *dx, float *dw, float *db, const float *dy, const float *x,
                     const float *w, int N, int K, int M);

#endif
