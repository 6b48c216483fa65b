/* The forward process and its exact inverse, for one categorical variable at a time.
 *
 * Discrete diffusion (D3PM: Austin et al. 2021, arXiv:2107.03006) with kernels of the form
 *   q(x_t | x_s) = a 1[x_t = x_s] + (1 - a) m(x_t),   a = alpha_bar(t) / alpha_bar(s),
 * which forget towards a stationary distribution m. They compose to the same form, so any two
 * times s < t have a closed form and a sampler may take any subset of the T steps. m is the
 * marginal of the training data here (as in DiGress, Vignac et al. 2023, arXiv:2209.14734,
 * sec. 4.1); the uniform kernel is m = 1/D, the zeros and the masked kernel are m = one
 * category: another kernel of this family is another function that fills m.
 *
 * Variables of a crystal: a fixed position is one variable with 1 + ELEMENT_MAX categories
 * (none, or an element); a free position is ELEMENT_MAX variables with 1 + COUNT_MAX categories
 * (how many orbits of the element). */
#ifndef WYCKMILL_DIFFUSION_NOISE_H
#define WYCKMILL_DIFFUSION_NOISE_H

#include "common/rng.h"
#include "workers/diffusion/batch.h"

enum { DOF_CLASSES = 4, COUNTS = COUNT_MAX + 1 };

/* Largest marginal chance of one element on a free position: absence stays possible. */
#define PRESENT_MAX 0.6f

struct noise {
    uint32_t timesteps; /* T */
    /* The marginal m of the data, factorised so that rare positions and elements have sensible
     * values: expected number of elements on a position; which, and how many orbits of each, by
     * degrees of freedom of the position. Elements that the data lack have share 0. */
    float occupied[POSITIONS_TOTAL];
    float share[DOF_CLASSES][STATE_SIZE]; /* [0] = 0, sums to 1 */
    float repeat[DOF_CLASSES][COUNTS];    /* [0] = 0, sums to 1 */
};

/* Marginals of the training records (split SPLIT_TRAIN) that a state can hold. Errors:
 * ERR_INVALID (no such record). */
int noise_fit(const struct dataset *dataset, uint32_t timesteps, struct noise *ret,
              struct err *err);

/* Keep only allowed[z] != 0 elements, shares scaled to sum to 1 again. Errors: ERR_INVALID when
 * the data have none of them. */
int noise_restrict(struct noise *noise, const uint8_t allowed[STATE_SIZE], struct err *err);

/* alpha_bar(t) of the cosine schedule, 0 <= t <= T: 1 at 0, next to 0 at T (Nichol & Dhariwal
 * 2021, arXiv:2102.09672, eq. 17). */
double noise_alpha_bar(const struct noise *noise, uint32_t t);

/* m of a fixed position (STATE_SIZE categories). */
void noise_marginal_fixed(const struct noise *noise, uint32_t position, float *ret_m);
/* Chance that element z is on a free position at all; the count then follows repeat[dof]. */
float noise_marginal_present(const struct noise *noise, uint32_t position, uint32_t z);

/* ---- one variable with D categories ---- */

/* x_T ~ m */
uint32_t noise_prior(const float *m, uint32_t D, struct rng *rng);
/* x_t ~ q(x_t | x_0 = x0), alpha_bar(t) = ab */
uint32_t noise_q_sample(const float *m, uint32_t D, uint32_t x0, double ab, struct rng *rng);
/* p(x_s | x_t) = sum over x_0 of q(x_s | x_t, x_0) p(x_0 | x_t)     (Austin et al., eq. 4)
 *   p_x0 (D) predicted clean distribution, sums to 1;  ab_t < ab_s
 *   ret_p (D) overwritten, sums to 1; may not be p_x0.  Categories without mass in m and p_x0
 *   get none. */
void noise_posterior(float *ret_p, const float *p_x0, const float *m, uint32_t D, uint32_t xt,
                     double ab_t, double ab_s);
/* Draw from weights (D) >= 0, not all 0. */
uint32_t noise_draw(const float *weights, uint32_t D, struct rng *rng);

/* ---- all variables of a crystal ---- */

/* Rows of pure noise. */
void noise_prior_crystal(const struct noise *noise, const struct spacegroup *group,
                         struct row_state *ret_rows, struct rng *rng);
/* Rows of x_t from rows of x_0. */
void noise_q_sample_crystal(const struct noise *noise, const struct spacegroup *group,
                            const struct row_state *x0, double ab, struct row_state *ret_rows,
                            struct rng *rng);

#endif
