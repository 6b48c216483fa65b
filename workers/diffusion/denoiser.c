/* Predictions and loss of the denoiser: see denoiser.h. */
#include "workers/diffusion/denoiser.h"

#include "workers/nn/activation.h"
#include "workers/nn/loss.h"
#include "workers/nn/vec.h"

#include <math.h>
#include <string.h>

/* Elements that the training data lack still have a finite loss on validation records. */
static const float marginal_floor = 1e-9f;

/* Elements 1..103 as whole vectors; STATE_SIZE is a multiple of 8. */
_Static_assert(STATE_SIZE % V8 == 0, "vector loops run over all of a state");

/* log m(k) q(x_t | k) up to a constant, for k = none, 1, ..: the category that is there gets
 * log(1 + ab / ((1 - ab) m(x_t))) on top of its marginal. */
static void fixed_logits(const struct noise *noise, const struct denoiser_row *row, float *x)
{
    float m[STATE_SIZE];
    noise_marginal_fixed(noise, row->position, m);
    uint32_t here = state_category(row->xt);
    for (int z = 0; z < STATE_SIZE; z += V8)
        v8_store(x + z, v8_load(row->output + z) +
                            v8_log(v8_max(v8_load(m + z), v8_set(marginal_floor))));
    float there = m[here] > marginal_floor ? m[here] : marginal_floor;
    x[here] += logf_fixed(1 + (float)(row->ab / (1 - row->ab)) / there);
}

/* Log-odds of presence of every element, with m = m(present), a = ab:
 *   not there now:  m (1 - a) / (a + (1 - a)(1 - m))
 *   there now:      (a + (1 - a) m) / ((1 - a)(1 - m)), from m/(1-m) times
 *                   P(x_t | present) / P(x_t | absent) averaged over counts */
static void present_logits(const struct noise *noise, const struct denoiser_row *row, float *x)
{
    float a = (float)row->ab, b = (float)(1 - row->ab);
    const float *share = noise->share[positions_get()->dof[row->position]];
    for (uint32_t z = 0; z < STATE_SIZE; z += V8) {
        v8 m = _mm256_min_ps(v8_set(noise->occupied[row->position]) * v8_load(share + z),
                             v8_set(PRESENT_MAX));
        m = v8_max(m, v8_set(marginal_floor));
        v8_store(x + z, v8_load(row->output + z) +
                            v8_log(m * v8_set(b) / (v8_set(a) + v8_set(b) * (v8_set(1) - m))));
    }
    for (uint32_t z = 1; z < STATE_SIZE; z++) {
        if (row->xt->count[z] == 0)
            continue;
        float m = noise_marginal_present(noise, row->position, z);
        m = m > marginal_floor ? m : marginal_floor;
        x[z] = row->output[z] + logf_fixed((a + b * m) / (b * (1 - m)));
    }
}

/* Log-weights of counts 1..COUNT_MAX given presence, (16), unused ones -inf. */
static void count_logits(const struct noise *noise, const struct denoiser_row *row, uint32_t z,
                         float *x)
{
    const float *repeat = noise->repeat[positions_get()->dof[row->position]];
    uint32_t here = row->xt->count[z];
    for (uint32_t k = 0; k < 16; k++)
        x[k] = k < COUNT_MAX ? row->output[HEAD_COUNTS + k] +
                                   row->count_of_element[z * 16 + k] + logf_fixed(repeat[k + 1])
                             : -INFINITY;
    if (here == 0)
        return;
    float m = noise_marginal_present(noise, row->position, z) * repeat[here];
    m = m > marginal_floor ? m : marginal_floor;
    x[here - 1] += logf_fixed(1 + (float)(row->ab / (1 - row->ab)) / m);
}

void denoiser_fixed(const struct noise *noise, const struct denoiser_row *row, float *ret_p)
{
    float x[STATE_SIZE];
    fixed_logits(noise, row, x);
    for (size_t z = 1; z < STATE_SIZE; z++)
        if (noise->share[0][z] <= 0)
            x[z] = -INFINITY;
    softmax_forward(ret_p, x, 1, STATE_SIZE);
}

void denoiser_present(const struct noise *noise, const struct denoiser_row *row, float *ret_p)
{
    const float *share = noise->share[positions_get()->dof[row->position]];
    float x[STATE_SIZE];
    present_logits(noise, row, x);
    for (size_t z = 0; z < STATE_SIZE; z += V8)
        v8_store(ret_p + z, v8_set(1) / (v8_set(1) + v8_exp(-v8_load(x + z))));
    for (size_t z = 0; z < STATE_SIZE; z++)
        if (share[z] <= 0)
            ret_p[z] = 0;
}

void denoiser_counts(const struct noise *noise, const struct denoiser_row *row, uint32_t z,
                     float *ret_p)
{
    float x[16];
    count_logits(noise, row, z, x);
    softmax_forward(x, x, 1, 16);
    ret_p[0] = 0;
    memcpy(ret_p + 1, x, COUNT_MAX * sizeof *x);
}

/* ---- loss ---- */

static double fixed_loss(const struct noise *noise, const struct denoiser_row *row,
                         const struct row_state *clean, float weight, float *dout)
{
    float x[STATE_SIZE];
    fixed_logits(noise, row, x);
    return loss_categorical(dout, x, state_category(clean), weight, STATE_SIZE);
}

static double free_loss(const struct noise *noise, const struct denoiser_row *row,
                        const struct row_state *clean, float weight, float *dout, float *dcount)
{
    float x[STATE_SIZE], counts[16], dcounts[16] = {0};
    uint8_t present[STATE_SIZE];
    present_logits(noise, row, x);
    for (size_t z = 0; z < STATE_SIZE; z++)
        present[z] = clean->count[z] > 0;
    double loss =
        loss_bernoulli(dout ? dout + 1 : NULL, x + 1, present + 1, weight, ELEMENT_MAX);
    for (uint32_t z = 1; z < STATE_SIZE; z++) {
        if (!present[z])
            continue;
        count_logits(noise, row, z, counts);
        memset(dcounts, 0, sizeof dcounts);
        loss += loss_categorical(dout ? dcounts : NULL, counts, clean->count[z] - 1u, weight,
                                 COUNT_MAX);
        for (uint32_t k = 0; dout && k < COUNT_MAX; k++) {
            dout[HEAD_COUNTS + k] += dcounts[k];
            dcount[z * 16 + k] += dcounts[k];
        }
    }
    return loss;
}

double denoiser_loss(const struct noise *noise, const struct batch *batch,
                     const struct row_state *clean, const double *ab,
                     const float *count_of_element, const float *output, float weight,
                     float *doutput, float *dcount)
{
    double loss = 0;
    const struct positions *all = positions_get();
    for (uint32_t r = 0; r < batch->n_rows; r++) {
        uint32_t c = batch->crystal[r];
        if (batch->first[c] == r)
            continue; /* the global token stands for no position */
        struct denoiser_row row = {batch->position[r], &batch->state[r],
                                   output + (size_t)r * HEAD_SIZE, count_of_element, ab[c]};
        float *dout = doutput ? doutput + (size_t)r * HEAD_SIZE : NULL;
        loss += all->dof[row.position] ? free_loss(noise, &row, &clean[r], weight, dout, dcount)
                                       : fixed_loss(noise, &row, &clean[r], weight, dout);
    }
    return loss;
}
