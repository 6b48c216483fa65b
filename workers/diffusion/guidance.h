/* Classifier guidance for discrete diffusion: how much more likely would the targets be after
 * each possible change of the state?
 *
 * The exact log-ratio log p(targets | x') - log p(targets | x_t) for every single change x'
 * would cost one evaluation each. One backward pass gives all of them to first order, because
 * changes enter the network linearly (sums of table rows): Nisonoff et al. 2024,
 * arXiv:2406.01572, sec. 3.3 ("Taylor-approximated guidance"); also DiGress, arXiv:2209.14734,
 * sec. 4.3. The mean over atoms of the guide's head and the composition input are linear in the
 * counts, too (their common denominator, the number of atoms, is differentiated), so they are
 * part of the expansion. */
#ifndef WYCKMILL_DIFFUSION_GUIDANCE_H
#define WYCKMILL_DIFFUSION_GUIDANCE_H

#include "workers/diffusion/batch.h"
#include "workers/diffusion/guide.h"
#include "workers/diffusion/noise.h"

/* log p(low <= y <= high) for y normal with mean and log standard deviation; ends may be
 * infinite. No overflow or loss of digits however far the interval is (tails by the asymptotic
 * series of the complementary error function: Abramowitz & Stegun 7.1.23). ret_dmean, ret_dlog:
 * derivatives. */
double normal_log_interval(double low, double high, double mean, double log_deviation,
                           double *ret_dmean, double *ret_dlog);

struct guidance; /* opaque: guide, targets, buffers */

/* `guide` is borrowed. Strength multiplies the weight of every target. Errors: ERR_INVALID (a
 * property that the guide does not know; the sentence lists those it knows). */
int guidance_new(struct guide *guide, const struct targets *targets, double strength,
                 struct guidance **ret, struct err *err);
void guidance_free(struct guidance *guidance);
void guidance_free_ptr(struct guidance **guidance);

/* Evaluate at the batch's state and times (batch prepared). Returns the sum over targets of
 * strength x weight x log p(target | x_t) per crystal, borrowed. */
const double *guidance_evaluate(struct guidance *guidance, const struct batch *batch);

/* After guidance_evaluate: the first-order gain in that sum from having `k` copies of element z
 * on the position of `row`, compared with none. A change from a to b is worth gain(b) -
 * gain(a). ret_gain (COUNTS, STATE_SIZE): [k][z]; row 0 and column 0 are zero; rows above k_max
 * are not written. */
void guidance_gains(const struct guidance *guidance, const struct batch *batch, uint32_t row,
                    uint32_t k_max, float (*ret_gain)[STATE_SIZE]);

#endif
