/* Training of one model: from a data set and a checkpoint to the checkpoint some optimizer
 * steps later. A step depends on (data set, seed, step number, checkpoint) and nothing else, so
 * that training in pieces of any length gives the same bits as in one. */
#ifndef WYCKMILL_TRAIN_STEP_TRAINER_H
#define WYCKMILL_TRAIN_STEP_TRAINER_H

#include "workers/diffusion/model.h"
#include "workers/nn/optimizer.h"

struct trainer_params {
    struct network_config network; /* n_properties is found from the data for a guide */
    uint32_t n_properties;         /* asked for; 0 = every column of the data set */
    char properties[PROPERTIES_MAX][PROPERTY_NAME_SIZE];
    uint32_t timesteps, batch;
    uint64_t seed;
    struct optimizer optimizer;
};

struct trainer; /* opaque: examples, checkpoint, buffers */

/* Start from nothing (`checkpoint` empty) or go on from a checkpoint. The data set may be let
 * go after return. Errors: ERR_INVALID (no usable record; no label for a property asked for; a
 * checkpoint of another shape than params ask for), and those of checkpoint_decode. */
int trainer_new(const struct trainer_params *params, const struct dataset *dataset,
                struct span checkpoint, struct trainer **ret, struct err *err);
void trainer_free(struct trainer *trainer);
void trainer_free_ptr(struct trainer **trainer);

const struct checkpoint *trainer_checkpoint(const struct trainer *trainer); /* borrowed */

struct trainer_counts {
    uint32_t train, validation;
    uint32_t left_out; /* records that no state can hold */
};
struct trainer_counts trainer_counts(const struct trainer *trainer);

/* One optimizer step. *ret_loss: mean over the batch, nats per crystal (denoiser) or per known
 * label (guide); *ret_norm: of the gradient before clipping. Errors: ERR_NUMERIC (loss or
 * gradient not finite). */
int trainer_step(struct trainer *trainer, double *ret_loss, double *ret_norm, struct err *err);

/* Loss of the averaged weights on the validation records (VALIDATION_MAX at most, evenly
 * chosen), times and noise fixed by the seed; NaN without such records. For a guide, when
 * ret_quality is not NULL: (n_properties) fit at t = 0 and halfway to noise. */
struct trainer_quality {
    uint32_t labels;
    double r2, mae; /* t = 0; mae in the units of the data */
    double r2_half; /* t = T / 2 */
};
double trainer_validate(struct trainer *trainer, struct trainer_quality *ret_quality);

#endif
