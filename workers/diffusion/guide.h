/* The property model: protostructure -> mean and spread of every property it was trained on.
 * At t = 0 it screens and scores; at t > 0 it guides the sampler (guidance.h). */
#ifndef WYCKMILL_DIFFUSION_GUIDE_H
#define WYCKMILL_DIFFUSION_GUIDE_H

#include "common/err.h"
#include "common/span.h"
#include "proto/objects.h"

struct guide; /* opaque: averaged weights of one guide checkpoint, in memory */

/* `checkpoint`: bytes of a "checkpoint" object whose role is "guide"; not needed after return.
 * Caller owns *ret (guide_close). Errors: ERR_CORRUPT (no such file, or of another shape),
 * ERR_INVALID (a checkpoint of a denoiser). */
int guide_open(struct span checkpoint, struct guide **ret, struct err *err);
void guide_close(struct guide *guide);
void guide_close_ptr(struct guide **guide);

/* Number of properties; *ret borrowed until guide_close (names and units as in the data set).
 */
uint32_t guide_properties(const struct guide *guide, const struct property **ret);

/* Predict `n` protostructures at t = 0, in the units of the data.
 *   ret_mean    (n, properties)  expected value
 *   ret_spread  (n, properties)  standard deviation, > 0
 * A row does not depend on the other protostructures of the call. Protostructures outside of
 * the model's range (group without such a letter, more copies of an element on one free
 * position than the model counts) get NaN in both and no error.
 * Errors: ERR_NUMERIC (weights that give no finite number). */
int guide_predict(struct guide *guide, const struct protostructure *protos, uint32_t n,
                  double *ret_mean, double *ret_spread, struct err *err);

#endif
