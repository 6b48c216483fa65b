/* First-order guidance: see guidance.h. */
#include "workers/diffusion/guidance.h"

#include "common/cleanup.h"
#include "common/mathd.h"
#include "common/mem.h"
#include "workers/diffusion/guide_head.h"
#include "workers/nn/linear.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- the normal distribution, in logarithms ---- */

static const double half_log_2pi = 0.91893853320467274178;

/* log of the standard normal's distribution function */
static double log_cdf(double x)
{
    if (x > -10)
        return mathd_log(0.5 * mathd_erfc(-x * 0.70710678118654752440));
    /* phi(x) / -x (1 - 1/x^2 + 3/x^4 - 15/x^6 + 105/x^8); the next term is below 1e-7 */
    double y = 1 / (x * x);
    double series = 1 - y * (1 - y * (3 - y * (15 - y * 105)));
    return -0.5 * x * x - half_log_2pi - mathd_log(-x) + mathd_log(series);
}

static double log_density(double x)
{
    return -0.5 * x * x - half_log_2pi; /* -inf at infinity */
}

/* log(cdf(b) - cdf(a)) for a < b, both ends taken to the side where the difference keeps its
 * digits. */
static double log_between(double a, double b)
{
    if (a > 0)
        return log_between(-b, -a);
    if (isinf(b))
        return log_cdf(-a); /* 1 - cdf(a) */
    double top = log_cdf(b);
    if (isinf(a))
        return top;
    double ratio = mathd_exp(log_cdf(a) - top);
    return top + mathd_log(1 - ratio);
}

double normal_log_interval(double low, double high, double mean, double log_deviation,
                           double *ret_dmean, double *ret_dlog)
{
    double deviation = mathd_exp(log_deviation);
    *ret_dmean = *ret_dlog = 0;
    if (isinf(low) && isinf(high))
        return 0;
    /* an interval without width still pulls: as if it were a thousandth of the spread wide */
    double least = 5e-4 * deviation, middle = 0.5 * (low + high);
    if (high - low < 2 * least) {
        low = middle - least;
        high = middle + least;
    }
    double a = (low - mean) / deviation, b = (high - mean) / deviation;
    double log_p = log_between(a, b);
    double at_a = mathd_exp(log_density(a) - log_p), at_b = mathd_exp(log_density(b) - log_p);
    *ret_dmean = (at_a - at_b) / deviation;
    *ret_dlog = (isinf(a) ? 0 : a * at_a) - (isinf(b) ? 0 : b * at_b);
    return log_p;
}

/* ---- guidance ---- */

struct guidance {
    struct guide *guide;
    uint32_t n;
    struct {
        uint32_t property;
        double low, high; /* standardized */
        double strength;
    } targets[TARGETS_MAX];
    struct activations *activations;
    double *log_p;  /* (crystals) */
    float *doutput; /* (crystals, 2 properties) */
    float *element; /* (rows, STATE_SIZE) gain of an element being there */
    float *repeat;  /* (rows, STATE_SIZE) times log2 count */
    float *count;   /* (rows, 16) of how many */
    float *atom;    /* (crystals, STATE_SIZE) of one more atom, by composition */
    size_t rows, crystals;
};

static int property_find(const struct model *model, const char *name, struct err *err)
{
    struct err list = {0};
    for (uint32_t i = 0; i < model->config.n_properties; i++) {
        if (strcmp(model->properties[i].name, name) == 0)
            return (int)i;
        size_t used = strlen(list.text);
        (void)snprintf(list.text + used, sizeof list.text - used, "%s%s", i ? ", " : "",
                       model->properties[i].name);
    }
    (void)err_set(err, ERR_INVALID, "no model for the target property '%s'", name);
    return err_hint(err, "the guide knows: %.200s", list.text);
}

/* Ends that nothing reaches are brought near enough for arithmetic. */
static double standardize(const struct model *model, int property, double value)
{
    double y = (value - model->mean[property]) / model->deviation[property];
    if (isinf(value))
        return value;
    return y > 1e6 ? 1e6 : y < -1e6 ? -1e6 : y;
}

int guidance_new(struct guide *guide, const struct targets *targets, double strength,
                 struct guidance **ret, struct err *err)
{
    cleanup(guidance_free_ptr) struct guidance *new = mem_new(1, sizeof *new);
    const struct model *model = guide_model(guide);
    for (uint32_t i = 0; i < targets->n; i++) {
        const struct target *target = &targets->items[i];
        int p = property_find(model, target->property, err);
        if (p < 0)
            return p;
        new->targets[i].property = (uint32_t)p;
        new->targets[i].low = standardize(model, p, target->low);
        new->targets[i].high = standardize(model, p, target->high);
        new->targets[i].strength = strength * target->weight;
    }
    new->guide = guide;
    new->n = targets->n;
    new->activations = activations_new();
    *ret = take(new);
    return 0;
}

void guidance_free(struct guidance *guidance)
{
    if (!guidance)
        return;
    activations_free(guidance->activations);
    free(guidance->log_p);
    free(guidance->doutput);
    free(guidance->element);
    free(guidance->repeat);
    free(guidance->count);
    free(guidance->atom);
    free(guidance);
}

void guidance_free_ptr(struct guidance **guidance)
{
    guidance_free(*guidance);
}

static void fit(struct guidance *g, const struct batch *batch)
{
    size_t rows = batch->n_rows, crystals = batch->n_crystals;
    uint32_t P = guide_model(g->guide)->config.n_properties;
    if (rows > g->rows) {
        g->rows = rows;
        g->element = mem_resize(g->element, rows * STATE_SIZE, sizeof(float));
        g->repeat = mem_resize(g->repeat, rows * STATE_SIZE, sizeof(float));
        g->count = mem_resize(g->count, rows * 16, sizeof(float));
    }
    if (crystals > g->crystals) {
        g->crystals = crystals;
        g->log_p = mem_resize(g->log_p, crystals, sizeof(double));
        g->doutput = mem_resize(g->doutput, crystals * 2 * P, sizeof(float));
        g->atom = mem_resize(g->atom, crystals * STATE_SIZE, sizeof(float));
    }
}

/* log p of all targets and its gradient with respect to the guide's output */
static void evaluate_targets(struct guidance *g, const float *output, uint32_t crystals)
{
    uint32_t P = guide_model(g->guide)->config.n_properties;
    memset(g->doutput, 0, (size_t)crystals * 2 * P * sizeof(float));
    for (uint32_t c = 0; c < crystals; c++) {
        g->log_p[c] = 0;
        for (uint32_t i = 0; i < g->n; i++) {
            uint32_t p = g->targets[i].property;
            struct guide_value value = guide_read(output, P, c, p);
            double dmean, dlog, strength = g->targets[i].strength;
            g->log_p[c] +=
                strength * normal_log_interval(g->targets[i].low, g->targets[i].high,
                                               (double)value.mean, (double)value.log_deviation,
                                               &dmean, &dlog);
            float *at = g->doutput + (size_t)c * 2 * P + 2 * (size_t)p;
            at[0] += (float)(strength * dmean);
            at[1] += (float)(strength * dlog) * guide_slope(value);
        }
    }
}

/* How the composition input of the global token and the mean over atoms answer to one more atom
 * of each element; both are shares of the atoms, so a new atom also thins the others. */
static void atom_gains(struct guidance *g, const struct batch *batch, const float *dtoken)
{
    const struct model *model = guide_model(g->guide);
    const float *table = guide_weights(g->guide) + model->network.inputs[INPUT_COMPOSITION];
    uint32_t W = model->config.width;
    for (uint32_t c = 0; c < batch->n_crystals; c++) {
        float *gain = g->atom + (size_t)c * STATE_SIZE, mean = 0;
        linear_forward(gain, dtoken + (size_t)batch->first[c] * W, table, NULL, 1, (int)W,
                       STATE_SIZE);
        for (size_t i = 0; i < batch->n_entries[INPUT_COMPOSITION]; i++) {
            const struct gather *entry = &batch->entries[INPUT_COMPOSITION][i];
            if (entry->row == batch->first[c])
                mean += entry->weight * gain[entry->index];
        }
        for (uint32_t z = 1; z < STATE_SIZE; z++)
            gain[z] = (gain[z] - mean) / batch->atoms[c];
    }
}

const double *guidance_evaluate(struct guidance *g, const struct batch *batch)
{
    const struct model *model = guide_model(g->guide);
    const struct network *net = &model->network;
    const float *w = guide_weights(g->guide);
    int N = (int)batch->n_rows, W = (int)model->config.width;
    fit(g, batch);
    evaluate_targets(g, network_forward(net, w, batch, g->activations), batch->n_crystals);
    network_backward(net, w, NULL, g->doutput, batch, g->activations);
    const float *dtoken = network_token_gradient(g->activations);
    linear_forward(g->element, dtoken, w + net->inputs[INPUT_ELEMENT], NULL, N, W, STATE_SIZE);
    linear_forward(g->repeat, dtoken, w + net->inputs[INPUT_REPEAT], NULL, N, W, STATE_SIZE);
    memset(g->count, 0, (size_t)N * 16 * sizeof(float));
    for (int n = 0; n < N; n++)
        linear_forward(g->count + n * 16, dtoken + (size_t)n * (size_t)W,
                       w + net->inputs[INPUT_COUNT], NULL, 1, W, COUNTS);
    atom_gains(g, batch, dtoken);
    return g->log_p;
}

/* Gain of the mean over atoms from one more atom on this row, whatever the element. */
static float pool_gain(const struct guidance *g, const struct batch *batch, uint32_t row)
{
    const float *dweight = network_weight_gradient(g->activations);
    uint32_t c = batch->crystal[row];
    float mean = 0;
    for (uint32_t r = batch->first[c] + 1; r < batch->first[c + 1]; r++)
        mean += batch->weight[r] * dweight[r];
    return (dweight[row] - mean) / batch->atoms[c];
}

void guidance_gains(const struct guidance *g, const struct batch *batch, uint32_t row,
                    uint32_t k_max, float (*ret_gain)[STATE_SIZE])
{
    const struct positions *all = positions_get();
    uint32_t position = batch->position[row];
    const float *element = g->element + (size_t)row * STATE_SIZE;
    const float *repeat = g->repeat + (size_t)row * STATE_SIZE;
    const float *atom = g->atom + (size_t)batch->crystal[row] * STATE_SIZE;
    float pool = pool_gain(g, batch, row), atoms = (float)all->multiplicity[position];
    memset(ret_gain[0], 0, sizeof ret_gain[0]);
    for (uint32_t k = 1; k <= k_max; k++) {
        float count = all->dof[position] ? g->count[(size_t)row * 16 + k] : 0;
        ret_gain[k][0] = 0;
        for (uint32_t z = 1; z < STATE_SIZE; z++)
            ret_gain[k][z] = element[z] + count_log2[k] * repeat[z] + count +
                             (float)k * atoms * (atom[z] + pool);
    }
}
