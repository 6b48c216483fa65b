/* Optimizer steps for denoiser and guide: see trainer.h. */
#include "workers/train_step/trainer.h"

#include "common/cleanup.h"
#include "common/hash.h"
#include "common/mem.h"
#include "workers/diffusion/denoiser.h"
#include "workers/diffusion/guide_head.h"
#include "workers/nn/linear.h"
#include "workers/train_step/examples.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a random stream is for; item is the place in the batch, or the record. */
enum lane { LANE_ORDER, LANE_TIME, LANE_NOISE, LANE_VALIDATION };

enum { VALIDATION_MAX = 512, VALIDATION_BATCH = 64 };

struct trainer {
    struct trainer_params params;
    struct checkpoint checkpoint;
    struct examples train, validation;
    uint32_t left_out;
    uint64_t key;    /* of all random streams */
    uint32_t *order; /* (train.n) of the present epoch */
    uint64_t epoch;  /* that order is for; UINT64_MAX: none yet */
    float *gradient; /* block */
    struct batch batch;
    struct row_state *clean; /* (rows) x_0 of the batch */
    double *ab;              /* (crystals) */
    float *labels;           /* (crystals, properties) */
    float *doutput;
    size_t rows_capacity, crystals_capacity, output_capacity;
    struct activations *activations;
};

void trainer_free(struct trainer *trainer)
{
    if (!trainer)
        return;
    checkpoint_done(&trainer->checkpoint);
    examples_done(&trainer->train);
    examples_done(&trainer->validation);
    batch_done(&trainer->batch);
    activations_free(trainer->activations);
    free(trainer->order);
    free(trainer->gradient);
    free(trainer->clean);
    free(trainer->ab);
    free(trainer->labels);
    free(trainer->doutput);
    free(trainer);
}

void trainer_free_ptr(struct trainer **trainer)
{
    trainer_free(*trainer);
}

/* Denoiser and guide of one campaign draw from different streams. */
static uint64_t stream_key(const struct trainer_params *params)
{
    char text[64];
    (void)snprintf(text, sizeof text, "train-step %s %" PRIu64,
                   model_role_name(params->network.role), params->seed);
    struct hash hash = hash_bytes(span_text(text));
    return hash_u64(&hash);
}

static int check_shape(const struct trainer_params *params, const struct model *model,
                       struct err *err)
{
    const struct network_config *have = &model->config, *want = &params->network;
    if (have->role != want->role || have->width != want->width ||
        have->layers != want->layers || have->heads != want->heads ||
        model->noise.timesteps != params->timesteps)
        return err_set(
            err, ERR_INVALID,
            "the checkpoint is a %s of width %u, %u layers, %u heads, %u timesteps; asked "
            "for is a %s of width %u, %u layers, %u heads, %u timesteps",
            model_role_name(have->role), have->width, have->layers, have->heads,
            model->noise.timesteps, model_role_name(want->role), want->width, want->layers,
            want->heads, params->timesteps);
    return 0;
}

static int begin(struct trainer *trainer, const struct dataset *dataset, struct err *err)
{
    const struct trainer_params *params = &trainer->params;
    struct model *model = &trainer->checkpoint.model;
    model->config = params->network;
    model->config.n_properties = 0;
    int rc = noise_fit(dataset, params->timesteps, &model->noise, err);
    if (rc == 0 && params->network.role == MODEL_GUIDE)
        rc = examples_choose_properties(dataset, params->n_properties, params->properties,
                                        model, err);
    if (rc == 0)
        rc = network_check(&model->config, err);
    if (rc == 0)
        checkpoint_init(&trainer->checkpoint, trainer->key);
    return rc;
}

int trainer_new(const struct trainer_params *params, const struct dataset *dataset,
                struct span checkpoint, struct trainer **ret, struct err *err)
{
    cleanup(trainer_free_ptr) struct trainer *trainer = mem_new(1, sizeof *trainer);
    trainer->params = *params;
    trainer->key = stream_key(params);
    trainer->epoch = UINT64_MAX;
    int rc;
    if (checkpoint.size == 0) {
        rc = begin(trainer, dataset, err);
    } else {
        rc = checkpoint_decode(checkpoint, &trainer->checkpoint, err);
        if (rc == 0)
            rc = check_shape(params, &trainer->checkpoint.model, err);
    }
    if (rc != 0)
        return rc;
    const struct model *model = &trainer->checkpoint.model;
    trainer->left_out = examples_collect(&trainer->train, dataset, SPLIT_TRAIN, model);
    trainer->left_out +=
        examples_collect(&trainer->validation, dataset, SPLIT_VALIDATION, model);
    if (trainer->train.n == 0)
        return err_set(err, ERR_INVALID, "the data set has no record to train on");
    linear_threads_one();
    trainer->order = mem_new(trainer->train.n, sizeof *trainer->order);
    trainer->gradient = tensors_block_new(&model->tensors);
    trainer->activations = activations_new();
    *ret = take(trainer);
    return 0;
}

const struct checkpoint *trainer_checkpoint(const struct trainer *trainer)
{
    return &trainer->checkpoint;
}

struct trainer_counts trainer_counts(const struct trainer *trainer)
{
    return (struct trainer_counts){trainer->train.n, trainer->validation.n, trainer->left_out};
}

/* ---- batches ---- */

/* Fisher-Yates; every epoch sees every record once. */
static void shuffle(struct trainer *trainer, uint64_t epoch)
{
    struct rng rng = rng_stream(trainer->key, (uint32_t)epoch, 0, LANE_ORDER);
    uint32_t n = trainer->train.n;
    for (uint32_t i = 0; i < n; i++)
        trainer->order[i] = i;
    for (uint32_t i = n; i > 1; i--) {
        uint32_t j = rng_below(&rng, i), kept = trainer->order[i - 1];
        trainer->order[i - 1] = trainer->order[j];
        trainer->order[j] = kept;
    }
    trainer->epoch = epoch;
}

static const struct example *example_at(struct trainer *trainer, uint64_t number)
{
    uint64_t epoch = number / trainer->train.n;
    if (epoch != trainer->epoch)
        shuffle(trainer, epoch);
    return &trainer->train.items[trainer->order[number % trainer->train.n]];
}

/* Append an example with the noise of time t. */
static void add_example(struct trainer *trainer, const struct examples *examples,
                        const struct example *example, uint32_t t, struct rng *rng)
{
    const struct model *model = &trainer->checkpoint.model;
    struct batch *batch = &trainer->batch;
    uint32_t c = batch->n_crystals, P = model->config.n_properties;
    uint32_t row = batch_add(batch, example->group, (double)t / model->noise.timesteps);
    size_t n = example->group->n_positions;
    mem_reserve(trainer->clean, trainer->rows_capacity, batch->n_rows);
    if (batch->n_crystals > trainer->crystals_capacity) {
        size_t room = trainer->crystals_capacity = 2 * (size_t)batch->n_crystals;
        trainer->ab = mem_resize(trainer->ab, room, sizeof *trainer->ab);
        trainer->labels = mem_resize(trainer->labels, room * (P ? P : 1), sizeof(float));
    }
    const struct row_state *clean = &examples->rows[example->row];
    memcpy(&trainer->clean[row], clean, n * sizeof *clean);
    trainer->ab[c] = noise_alpha_bar(&model->noise, t);
    memcpy(trainer->labels + (size_t)c * P, examples->labels + example->label,
           P * sizeof(float));
    if (t == 0)
        memcpy(&batch->state[row], clean, n * sizeof *clean);
    else
        noise_q_sample_crystal(&model->noise, example->group, clean, trainer->ab[c],
                               &batch->state[row], rng);
}

/* Time of the crystal at fraction u of all: uniform on 1..T for the denoiser; for the guide
 * 0..T, denser towards 0, where it screens and where guidance decides the last details. */
static uint32_t choose_time(const struct trainer *trainer, double u)
{
    uint32_t T = trainer->params.timesteps;
    if (trainer->params.network.role == MODEL_DENOISER)
        return 1 + (uint32_t)(u * T);
    return (uint32_t)(u * u * (T + 1));
}

static void make_batch(struct trainer *trainer)
{
    uint64_t step = trainer->checkpoint.step;
    uint32_t B = trainer->params.batch;
    struct rng times = rng_stream(trainer->key, 0, (uint32_t)step, LANE_TIME);
    double shift =
        rng_uniform(&times); /* one draw for all: times of a batch are spread evenly */
    batch_clear(&trainer->batch);
    for (uint32_t i = 0; i < B; i++) {
        struct rng rng = rng_stream(trainer->key, i, (uint32_t)step, LANE_NOISE);
        double u = shift + (double)i / B;
        add_example(trainer, &trainer->train, example_at(trainer, step * B + i),
                    choose_time(trainer, u < 1 ? u : u - 1), &rng);
    }
    batch_prepare(&trainer->batch);
}

/* ---- steps ---- */

/* Loss of the batch, summed; the number of terms in *ret_terms. With `gradient`, also its
 * gradient, divided by the number of terms. */
static double loss_of_batch(struct trainer *trainer, const float *weights, float *gradient,
                            double *ret_terms)
{
    const struct model *model = &trainer->checkpoint.model;
    const struct network *net = &model->network;
    const struct batch *batch = &trainer->batch;
    uint32_t C = batch->n_crystals, P = model->config.n_properties;
    bool guide = model->config.role == MODEL_GUIDE;
    const float *output = network_forward(net, weights, batch, trainer->activations);
    size_t n = guide ? (size_t)C * 2 * P : (size_t)batch->n_rows * HEAD_SIZE;
    mem_reserve(trainer->doutput, trainer->output_capacity, n);
    memset(trainer->doutput, 0, n * sizeof(float));

    uint64_t known = 0;
    double loss;
    float *doutput = gradient ? trainer->doutput : NULL;
    if (guide) {
        for (size_t i = 0; i < (size_t)C * P; i++)
            known += isnan(trainer->labels[i]) ? 0 : 1;
        float weight = 1.0f / (float)(known ? known : 1);
        loss = guide_loss(C, P, trainer->labels, output, weight, doutput, NULL);
    } else {
        known = C;
        loss = denoiser_loss(&model->noise, batch, trainer->clean, trainer->ab,
                             weights + net->count_of_element, output, 1.0f / (float)C, doutput,
                             gradient ? gradient + net->count_of_element : NULL);
    }
    if (gradient)
        network_backward(net, weights, gradient, trainer->doutput, batch, trainer->activations);
    *ret_terms = (double)known;
    return loss;
}

int trainer_step(struct trainer *trainer, double *ret_loss, double *ret_norm, struct err *err)
{
    struct checkpoint *checkpoint = &trainer->checkpoint;
    const struct tensors *tensors = &checkpoint->model.tensors;
    double terms;
    make_batch(trainer);
    memset(trainer->gradient, 0, tensors->size * sizeof(float));
    double loss = loss_of_batch(trainer, checkpoint->weights, trainer->gradient, &terms);
    double norm =
        optimizer_clip(trainer->gradient, tensors->size, trainer->params.optimizer.clip);
    if (!isfinite(loss) || !isfinite(norm)) {
        (void)err_set(err, ERR_NUMERIC, "step %" PRIu64 ": the loss is not finite",
                      checkpoint->step);
        return err_hint(err, "a smaller learning rate (now %g) or a longer warm-up helps",
                        trainer->params.optimizer.learning_rate);
    }
    optimizer_step(&trainer->params.optimizer, tensors, checkpoint->step, trainer->gradient,
                   checkpoint->weights, checkpoint->m, checkpoint->v, checkpoint->average);
    checkpoint->step++;
    *ret_loss = terms > 0 ? loss / terms : 0;
    *ret_norm = norm;
    return 0;
}

/* ---- validation ---- */

/* Sums for one property at one time. */
struct fit {
    uint32_t n;
    double label, square, error, error_square;
};

static void fit_add(struct fit *fit, double label, double prediction)
{
    fit->n++;
    fit->label += label;
    fit->square += label * label;
    fit->error += fabs(prediction - label);
    fit->error_square += (prediction - label) * (prediction - label);
}

/* 1 - squared error / variance of the labels */
static double fit_r2(const struct fit *fit)
{
    double variance = fit->n ? fit->square - fit->label * fit->label / fit->n : 0;
    return variance > 0 ? 1 - fit->error_square / variance : (double)NAN;
}

/* Fill the batch with validation examples number from..to-1 of `count`. `t` < 0: the time of
 * the loss, spread evenly; otherwise this time for all. */
static void validation_batch(struct trainer *trainer, uint32_t from, uint32_t to,
                             uint32_t count, int t)
{
    batch_clear(&trainer->batch);
    for (uint32_t i = from; i < to; i++) {
        uint64_t which = (uint64_t)i * trainer->validation.n / count;
        struct rng rng = rng_stream(trainer->key, i, (uint32_t)(t + 1), LANE_VALIDATION);
        uint32_t time = t >= 0 ? (uint32_t)t : choose_time(trainer, (i + 0.5) / count);
        add_example(trainer, &trainer->validation, &trainer->validation.items[which], time,
                    &rng);
    }
    batch_prepare(&trainer->batch);
}

static void validate_fit(struct trainer *trainer, uint32_t count, int t,
                         struct fit fits[PROPERTIES_MAX])
{
    const struct model *model = &trainer->checkpoint.model;
    uint32_t P = model->config.n_properties;
    memset(fits, 0, PROPERTIES_MAX * sizeof *fits);
    for (uint32_t from = 0; from < count; from += VALIDATION_BATCH) {
        uint32_t to = from + VALIDATION_BATCH < count ? from + VALIDATION_BATCH : count;
        validation_batch(trainer, from, to, count, t);
        const float *output = network_forward(&model->network, trainer->checkpoint.average,
                                              &trainer->batch, trainer->activations);
        for (uint32_t c = 0; c < to - from; c++)
            for (uint32_t p = 0; p < P; p++) {
                float label = trainer->labels[(size_t)c * P + p];
                if (!isnan(label))
                    fit_add(&fits[p], (double)label, (double)guide_read(output, P, c, p).mean);
            }
    }
}

static void validate_quality(struct trainer *trainer, uint32_t count,
                             struct trainer_quality *ret_quality)
{
    const struct model *model = &trainer->checkpoint.model;
    struct fit clean[PROPERTIES_MAX], half[PROPERTIES_MAX];
    validate_fit(trainer, count, 0, clean);
    validate_fit(trainer, count, (int)(model->noise.timesteps / 2), half);
    for (uint32_t p = 0; p < model->config.n_properties; p++)
        ret_quality[p] = (struct trainer_quality){
            .labels = clean[p].n,
            .r2 = fit_r2(&clean[p]),
            .mae = clean[p].n ? model->deviation[p] * clean[p].error / clean[p].n : (double)NAN,
            .r2_half = fit_r2(&half[p]),
        };
}

double trainer_validate(struct trainer *trainer, struct trainer_quality *ret_quality)
{
    uint32_t n = trainer->validation.n, count = n < VALIDATION_MAX ? n : VALIDATION_MAX;
    double loss = 0, terms = 0, some;
    for (uint32_t from = 0; from < count; from += VALIDATION_BATCH) {
        uint32_t to = from + VALIDATION_BATCH < count ? from + VALIDATION_BATCH : count;
        validation_batch(trainer, from, to, count, -1);
        loss += loss_of_batch(trainer, trainer->checkpoint.average, NULL, &some);
        terms += some;
    }
    if (ret_quality && trainer->params.network.role == MODEL_GUIDE)
        validate_quality(trainer, count, ret_quality);
    return terms > 0 ? loss / terms : (double)NAN;
}
