/* Inside the guide: how its output is read and trained. guide.h is what others see. */
#ifndef WYCKMILL_DIFFUSION_GUIDE_HEAD_H
#define WYCKMILL_DIFFUSION_GUIDE_HEAD_H

#include "workers/diffusion/guide.h"
#include "workers/diffusion/model.h"

/* The model inside, borrowed. */
const struct model *guide_model(const struct guide *guide);
const float *guide_weights(const struct guide *guide);

/* ---- the head: two numbers per property, standardized ---- */

/* Mean, and the logarithm of the standard deviation: 4 tanh(second / 4), within e^-4 .. e^4. */
struct guide_value {
    float mean, log_deviation;
};
struct guide_value guide_read(const float *output, uint32_t n_properties, uint32_t crystal,
                              uint32_t property);
/* d(log_deviation) / d(output) */
float guide_slope(struct guide_value value);

/* Sum over crystals and known labels of the negative log-likelihood of a normal with that mean
 * and deviation (Nix & Weigend 1994), nats without the constant; *ret_labels (may be NULL): how
 * many.
 *   labels   (n_crystals, n_properties) standardized, NaN = unknown
 *   output, doutput (n_crystals, 2 n_properties); doutput ADDED to: weight * gradient; or NULL
 */
double guide_loss(uint32_t n_crystals, uint32_t n_properties, const float *labels,
                  const float *output, float weight, float *doutput, uint64_t *ret_labels);

#endif
