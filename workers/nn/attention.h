/* Multi-head self-attention (Vaswani et al. 2017, arXiv:1706.03762, sec. 3.2) inside each
 * crystal of a ragged batch: a crystal is a run of at most ATTENTION_TOKENS rows. */
#ifndef WYCKMILL_NN_ATTENTION_H
#define WYCKMILL_NN_ATTENTION_H

#include <stddef.h>
#include <stdint.h>

enum {
    ATTENTION_TOKENS = 32, /* 27 positions and the global token fit */
    ATTENTION_HEAD = 64,   /* largest width of a head, and a multiple of 8 */
};

/* y[i] = sum over j of p[i][j] v[j],   p[i] = softmax over j of q[i] . k[j] / sqrt(W / heads)
 *   qkv   (rows, 3 W)  q, k, v side by side, each heads x (W / heads)
 *   first (crystals + 1)  row where each crystal starts; rows outside stay untouched
 *   p     (rows, heads, ATTENTION_TOKENS)  kept for backward;   y (rows, W), overwritten
 * W / heads a multiple of 8. */
void attention_forward(float *y, float *p, const float *qkv, const uint32_t *first,
                       int crystals, int heads, int W);

/* dqkv += ... */
void attention_backward(float *dqkv, const float *dy, const float *qkv, const float *p,
                        const uint32_t *first, int crystals, int heads, int W);

#endif
