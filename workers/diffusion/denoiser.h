/* From the denoiser's output to p(x_0 | x_t), and its loss.
 *
 * For variables that were independent, p(x_0 | x_t) ~ m(x_0) q(x_t | x_0) is known exactly. The
 * network's output is the logarithm of a factor on top of that: what the rest of the crystal
 * says. So an untrained network (output 0) starts at the independent posterior, the many empty
 * positions and absent elements cost nothing to learn, and every rare category starts at its
 * own frequency: no class weights are needed.
 *
 * Per free position and element the prediction has two steps, present or not, and how many if
 * present: 103 + 103 x 12 outputs would be nearly all zeros. */
#ifndef WYCKMILL_DIFFUSION_DENOISER_H
#define WYCKMILL_DIFFUSION_DENOISER_H

#include "workers/diffusion/network.h"
#include "workers/diffusion/noise.h"

/* One position of a noisy crystal and what the network said about it. */
struct denoiser_row {
    uint32_t position; /* 0..1730 */
    const struct row_state *xt;
    const float *output;           /* (HEAD_SIZE) */
    const float *count_of_element; /* (STATE_SIZE, 16), the model's tensor */
    double ab;                     /* alpha_bar(t) */
};

/* p(x_0 | x_t) of a fixed position, (STATE_SIZE), sums to 1. Elements without share in `noise`
 * get 0. */
void denoiser_fixed(const struct noise *noise, const struct denoiser_row *row, float *ret_p);
/* Chance of each element to be on a free position, (STATE_SIZE); [0] = 0; 0 without share. */
void denoiser_present(const struct noise *noise, const struct denoiser_row *row, float *ret_p);
/* p(count | present) of element z on a free position, (COUNTS); [0] = 0, sums to 1. */
void denoiser_counts(const struct noise *noise, const struct denoiser_row *row, uint32_t z,
                     float *ret_p);

/* Sum over the batch of -log p(clean | x_t), nats; the state of `batch` is x_t.
 *   clean (n_rows) states x_0, ab (n_crystals) alpha_bar of each crystal's time
 *   output (n_rows, HEAD_SIZE); doutput the same shape, ADDED to: weight * gradient; NULL: not
 *   wanted, nor dcount (gradient of count_of_element) */
double denoiser_loss(const struct noise *noise, const struct batch *batch,
                     const struct row_state *clean, const double *ab,
                     const float *count_of_element, const float *output, float weight,
                     float *doutput, float *dcount);

#endif
