/* Embeddings as one sparse product: y = y + G table, where G has few entries (row, index,
 * weight). One-hot inputs, counts, atom fractions and learned tables are all of this form, and
 * its transpose gives the gradient with respect to every candidate input. */
#ifndef WYCKMILL_NN_GATHER_H
#define WYCKMILL_NN_GATHER_H

#include <stddef.h>
#include <stdint.h>

struct gather {
    uint32_t row, index;
    float weight;
};

/* y[row] += weight table[index] for n entries, in order;   y (N, W)  table (M, W)  W % 8 = 0 */
void gather_forward(float *y, const float *table, const struct gather *entries, size_t n,
                    int W);
/* dtable[index] += weight dy[row] */
void gather_backward(float *dtable, const float *dy, const struct gather *entries, size_t n,
                     int W);

#endif
