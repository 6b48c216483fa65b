/* The backward process: protostructures from pure noise, step by step, with the targets' guide
 * in every step and hard constraints as masks. A sample depends on its number, the seed, the
 * models and the parameters; not on how many are drawn together, nor in which order. */
#ifndef WYCKMILL_SAMPLE_SAMPLER_H
#define WYCKMILL_SAMPLE_SAMPLER_H

#include "proto/objects.h"
#include "workers/diffusion/guidance.h"

struct sampler_params {
    uint64_t seed;
    uint32_t sample_steps; /* 1..timesteps of the denoiser */
    uint32_t atoms_max;    /* in the conventional cell */
    double guidance;       /* strength; 0: unguided */
    struct targets targets;
    uint32_t n_elements; /* allowed; 0 = all of the training data */
    uint8_t elements[ELEMENT_MAX];
    uint32_t n_spacegroups; /* allowed; 0 = those of the training data */
    uint16_t spacegroups[GROUP_MAX];
};

struct sampler; /* opaque: models in memory, prior of the space groups */

/* Spans are needed for the call only. `guide` is not looked at without guidance or targets.
 * Errors: ERR_INVALID (more steps than timesteps; an element, space group or target that cannot
 * be; no allowed element in the data; atoms_max below every position), and those of model_open.
 */
int sampler_new(const struct sampler_params *params, const struct dataset *dataset,
                struct span denoiser, struct span guide, struct sampler **ret, struct err *err);
void sampler_free(struct sampler *sampler);
void sampler_free_ptr(struct sampler **sampler);

/* Draw samples number first .. first + count - 1, appended to *samples in this order. A sample
 * that comes out empty or over atoms_max is drawn again from its next stream, TRIES_MAX times
 * at most, and then left out. *ret_evaluations: networks evaluated, summed over crystals and
 * steps. Errors: ERR_NUMERIC. */
enum { TRIES_MAX = 16 };
int sampler_draw(struct sampler *sampler, uint32_t first, uint32_t count,
                 struct samples *samples, uint64_t *ret_evaluations, struct err *err);

#endif
