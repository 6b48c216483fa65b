/* Property predictions and their loss: see guide.h and guide_head.h. */
#include "workers/diffusion/guide_head.h"

#include "common/cleanup.h"
#include "common/mathd.h"
#include "common/mem.h"
#include "workers/crystal/structure.h"
#include "workers/nn/loss.h"
#include "workers/nn/vec.h"

#include <math.h>
#include <stdlib.h>

enum { PREDICT_CRYSTALS = 64 }; /* per pass: bounds memory, fills the matrix kernels */

static const float spread_limit = 4;

/* tanh by the exponential that everything else uses */
static float tanh_fixed(float x)
{
    float e = expf_fixed(-2 * fabsf(x));
    return copysignf((1 - e) / (1 + e), x);
}

struct guide_value guide_read(const float *output, uint32_t n_properties, uint32_t crystal,
                              uint32_t property)
{
    const float *at = output + (size_t)crystal * 2 * n_properties + 2 * (size_t)property;
    return (struct guide_value){at[0], spread_limit * tanh_fixed(at[1] / spread_limit)};
}

float guide_slope(struct guide_value value)
{
    float t = value.log_deviation / spread_limit;
    return 1 - t * t;
}

double guide_loss(uint32_t n_crystals, uint32_t n_properties, const float *labels,
                  const float *output, float weight, float *doutput, uint64_t *ret_labels)
{
    double loss = 0;
    uint64_t known = 0;
    for (uint32_t c = 0; c < n_crystals; c++)
        for (uint32_t p = 0; p < n_properties; p++) {
            float label = labels[(size_t)c * n_properties + p], dm = 0, ds = 0;
            if (isnan(label))
                continue;
            struct guide_value value = guide_read(output, n_properties, c, p);
            loss += loss_normal(doutput ? &dm : NULL, doutput ? &ds : NULL, value.mean,
                                value.log_deviation, label, weight);
            known++;
            if (!doutput)
                continue;
            float *at = doutput + (size_t)c * 2 * n_properties + 2 * (size_t)p;
            at[0] += dm;
            at[1] += ds * guide_slope(value);
        }
    if (ret_labels)
        *ret_labels = known;
    return loss;
}

/* ---- prediction ---- */

struct guide {
    struct model model;
    float *weights;
    struct batch batch;
    struct activations *activations;
};

int guide_open(struct span checkpoint, struct guide **ret, struct err *err)
{
    cleanup(guide_close_ptr) struct guide *guide = mem_new(1, sizeof *guide);
    int rc = model_open(checkpoint, MODEL_GUIDE, &guide->model, &guide->weights, err);
    if (rc != 0)
        return rc;
    guide->activations = activations_new();
    *ret = take(guide);
    return 0;
}

void guide_close(struct guide *guide)
{
    if (!guide)
        return;
    free(guide->weights);
    batch_done(&guide->batch);
    activations_free(guide->activations);
    free(guide);
}

void guide_close_ptr(struct guide **guide)
{
    guide_close(*guide);
}

uint32_t guide_properties(const struct guide *guide, const struct property **ret)
{
    *ret = guide->model.properties;
    return guide->model.config.n_properties;
}

const struct model *guide_model(const struct guide *guide)
{
    return &guide->model;
}

const float *guide_weights(const struct guide *guide)
{
    return guide->weights;
}

/* One crystal's standardized output to the units of the data. */
static int write_prediction(const struct guide *guide, const float *output, uint32_t crystal,
                            double *ret_mean, double *ret_spread, struct err *err)
{
    const struct model *model = &guide->model;
    uint32_t P = model->config.n_properties;
    for (uint32_t p = 0; p < P; p++) {
        struct guide_value value = guide_read(output, P, crystal, p);
        ret_mean[p] = model->mean[p] + model->deviation[p] * (double)value.mean;
        ret_spread[p] = model->deviation[p] * mathd_exp((double)value.log_deviation);
        if (!isfinite(ret_mean[p]) || !isfinite(ret_spread[p]))
            return err_set(err, ERR_NUMERIC, "the guide predicts no finite %s",
                           model->properties[p].name);
    }
    return 0;
}

/* Append a crystal at t = 0; false (and NaN in the outputs) when the model cannot hold it. */
static bool add_crystal(struct guide *guide, const struct protostructure *proto,
                        double *ret_mean, double *ret_spread)
{
    struct row_state rows[POSITIONS_MAX];
    uint32_t P = guide->model.config.n_properties;
    if (protostructure_check(proto, NULL) == 0 && state_from_protostructure(rows, proto)) {
        const struct spacegroup *group = spacegroup_get(proto->spacegroup);
        uint32_t row = batch_add(&guide->batch, group, 0);
        memcpy(&guide->batch.state[row], rows, group->n_positions * sizeof rows[0]);
        return true;
    }
    for (uint32_t p = 0; p < P; p++)
        ret_mean[p] = ret_spread[p] = NAN;
    return false;
}

int guide_predict(struct guide *guide, const struct protostructure *protos, uint32_t n,
                  double *ret_mean, double *ret_spread, struct err *err)
{
    uint32_t P = guide->model.config.n_properties;
    for (uint32_t from = 0; from < n; from += PREDICT_CRYSTALS) {
        uint32_t which[PREDICT_CRYSTALS], held = 0;
        batch_clear(&guide->batch);
        for (uint32_t i = from; i < n && i < from + PREDICT_CRYSTALS; i++)
            if (add_crystal(guide, &protos[i], ret_mean + (size_t)i * P,
                            ret_spread + (size_t)i * P))
                which[held++] = i;
        if (held == 0)
            continue;
        batch_prepare(&guide->batch);
        const float *output = network_forward(&guide->model.network, guide->weights,
                                              &guide->batch, guide->activations);
        for (uint32_t c = 0; c < held; c++) {
            int rc = write_prediction(guide, output, c, ret_mean + (size_t)which[c] * P,
                                      ret_spread + (size_t)which[c] * P, err);
            if (rc != 0)
                return rc;
        }
    }
    return 0;
}
