/* A model and its checkpoint: configuration, noise marginals, weights, and what the optimizer
 * needs to go on. The file is safetensors:
 *   average.NAME  averaged weights: what samples and predictions use
 *   weights.NAME, adam_m.NAME, adam_v.NAME  to go on training
 *   noise.occupied, noise.share, noise.repeat; standard.mean, standard.deviation (guide)
 *   __metadata__.config  JSON: role, width, layers, heads, timesteps, step, properties
 * A checkpoint of the same model state is the same bytes. */
#ifndef WYCKMILL_DIFFUSION_MODEL_H
#define WYCKMILL_DIFFUSION_MODEL_H

#include "common/span.h"
#include "workers/diffusion/network.h"
#include "workers/diffusion/noise.h"

struct model {
    struct network_config config;
    struct noise noise; /* timesteps inside */
    /* guide: what it predicts, and the standardization y = (value - mean) / deviation */
    struct property properties[PROPERTIES_MAX];
    double mean[PROPERTIES_MAX], deviation[PROPERTIES_MAX];
    struct tensors tensors;
    struct network network;
};

/* Lay out tensors for model->config (checked with network_check). */
void model_layout(struct model *model);

struct checkpoint {
    struct model model;
    uint64_t step;                    /* optimizer steps done */
    float *weights, *average, *m, *v; /* blocks of model.tensors */
};

/* New blocks for a model whose config is set: laid out, weights initialised from `key`. */
void checkpoint_init(struct checkpoint *checkpoint, uint64_t key);
void checkpoint_done(struct checkpoint *checkpoint);
void checkpoint_encode(const struct checkpoint *checkpoint, struct buf *out);
/* Errors: ERR_CORRUPT, ERR_LIMIT, ERR_UNSUPPORTED (format of another version), ERR_NUMERIC (a
 * weight is not finite). On success the caller owns *ret (checkpoint_done). */
int checkpoint_decode(struct span bytes, struct checkpoint *ret, struct err *err);

/* For inference: *ret_model and the averaged weights only (free with free). Errors as above,
 * and ERR_INVALID when the checkpoint's role is another. */
int model_open(struct span bytes, enum model_role role, struct model *ret_model,
               float **ret_weights, struct err *err);

const char *model_role_name(enum model_role role); /* "denoiser", "guide" */

#endif
