/* The transformer over Wyckoff positions, forward and backward: see network.h. */
#include "workers/diffusion/network.h"

#include "common/mathd.h"
#include "common/mem.h"
#include "common/rng.h"
#include "workers/crystal/elements.h"
#include "workers/nn/activation.h"
#include "workers/nn/attention.h"
#include "workers/nn/linear.h"
#include "workers/nn/norm.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- layout ---- */

int network_check(const struct network_config *config, struct err *err)
{
    if (config->layers < 1 || config->layers > LAYERS_MAX)
        return err_set(err, ERR_INVALID, "layers = %u; 1 to %d work", config->layers,
                       LAYERS_MAX);
    if (config->heads < 1 || config->width < 8 || config->width > WIDTH_MAX ||
        config->width % (8 * config->heads) != 0 ||
        config->width / config->heads > ATTENTION_HEAD)
        return err_set(
            err, ERR_INVALID,
            "width = %u with heads = %u; the width must be a multiple of 8 x heads, at "
            "most %d, and at most %d per head",
            config->width, config->heads, WIDTH_MAX, ATTENTION_HEAD);
    if (config->role == MODEL_GUIDE && config->n_properties == 0)
        return err_set(err, ERR_INVALID, "a guide without properties");
    if (config->n_properties > PROPERTIES_MAX)
        return err_set(err, ERR_INVALID, "%u properties; at most %d", config->n_properties,
                       PROPERTIES_MAX);
    return 0;
}

static const char *const input_names[INPUT_TABLES] = {
    [INPUT_POSITION] = "position", [INPUT_SYMMETRY] = "site_symmetry",
    [INPUT_FEATURE] = "feature",   [INPUT_GROUP] = "spacegroup",
    [INPUT_ELEMENT] = "element",   [INPUT_REPEAT] = "element_log2_count",
    [INPUT_COUNT] = "count",       [INPUT_COMPOSITION] = "composition",
};

static void layout_layers(uint32_t layers, uint32_t W, struct tensors *t, struct network *ret)
{
    for (uint32_t l = 0; l < layers; l++) {
        ret->layers[l].qkv = tensors_add(t, 3 * W, W, TENSOR_LINEAR, true, "layer.%u.qkv", l);
        ret->layers[l].qkv_bias =
            tensors_add(t, 0, 3 * W, TENSOR_ZERO, false, "layer.%u.qkv.bias", l);
        ret->layers[l].out = tensors_add(t, W, W, TENSOR_LINEAR, true, "layer.%u.out", l);
        ret->layers[l].out_bias =
            tensors_add(t, 0, W, TENSOR_ZERO, false, "layer.%u.out.bias", l);
        ret->layers[l].up =
            tensors_add(t, MLP_RATIO * W, W, TENSOR_LINEAR, true, "layer.%u.up", l);
        ret->layers[l].up_bias =
            tensors_add(t, 0, MLP_RATIO * W, TENSOR_ZERO, false, "layer.%u.up.bias", l);
        ret->layers[l].down =
            tensors_add(t, W, MLP_RATIO * W, TENSOR_LINEAR, true, "layer.%u.down", l);
        ret->layers[l].down_bias =
            tensors_add(t, 0, W, TENSOR_ZERO, false, "layer.%u.down.bias", l);
    }
}

static void layout_heads(const struct network_config *config, struct tensors *t,
                         struct network *ret)
{
    uint32_t W = config->width;
    if (config->role == MODEL_DENOISER) {
        ret->head = tensors_add(t, HEAD_SIZE, W, TENSOR_ZERO, true, "head");
        ret->head_bias = tensors_add(t, 0, HEAD_SIZE, TENSOR_ZERO, false, "head.bias");
        ret->head_shared =
            tensors_add(t, ELEMENT_DESCRIPTORS, W, TENSOR_ZERO, true, "head.shared");
        ret->count_of_element =
            tensors_add(t, STATE_SIZE, 16, TENSOR_ZERO, true, "count_of_element");
        return;
    }
    ret->head = tensors_add(t, W, 2 * W, TENSOR_LINEAR, true, "head");
    ret->head_bias = tensors_add(t, 0, W, TENSOR_ZERO, false, "head.bias");
    ret->head2 = tensors_add(t, 2 * config->n_properties, W, TENSOR_ZERO, true, "head2");
    ret->head2_bias =
        tensors_add(t, 0, 2 * config->n_properties, TENSOR_ZERO, false, "head2.bias");
}

void network_layout(const struct network_config *config, struct tensors *t, struct network *ret)
{
    uint32_t W = config->width, modulations = (6 * config->layers + 2) * W;
    *ret = (struct network){.config = *config};
    for (int i = 0; i < INPUT_TABLES; i++)
        ret->inputs[i] = tensors_add(t, input_table_size((enum input_table)i), W,
                                     i == INPUT_FEATURE ? TENSOR_LINEAR : TENSOR_EMBEDDING,
                                     true, "input.%s", input_names[i]);
    ret->token_bias = tensors_add(t, 2, W, TENSOR_EMBEDDING, false, "input.bias");
    ret->time1 = tensors_add(t, W, TIME_FEATURES, TENSOR_LINEAR, true, "time.1");
    ret->time1_bias = tensors_add(t, 0, W, TENSOR_ZERO, false, "time.1.bias");
    ret->time2 = tensors_add(t, W, W, TENSOR_LINEAR, true, "time.2");
    ret->time2_bias = tensors_add(t, 0, W, TENSOR_ZERO, false, "time.2.bias");
    ret->group = tensors_add(t, GROUP_MAX, W, TENSOR_EMBEDDING, true, "condition.spacegroup");
    ret->modulation = tensors_add(t, modulations, W, TENSOR_ZERO, true, "modulation");
    ret->modulation_bias =
        tensors_add(t, 0, modulations, TENSOR_ZERO, false, "modulation.bias");
    layout_layers(config->layers, W, t, ret);
    layout_heads(config, t, ret);
}

/* ---- initial values ---- */

enum {
    GROUPS = 18,
    PERIODS = 7,
    CHARGE_MIN = -4,
    CHARGE_MAX = 7,
};
_Static_assert(GROUPS + PERIODS + 2 + (CHARGE_MAX - CHARGE_MIN + 1) <= ELEMENT_DESCRIPTORS,
               "descriptors fit");

/* Columns of about equal weight; what an element does not have is 0. */
static void describe_element(int z, float ret[ELEMENT_DESCRIPTORS])
{
    const struct element *element = element_get(z);
    memset(ret, 0, ELEMENT_DESCRIPTORS * sizeof *ret);
    if (element->group >= 1 && element->group <= GROUPS)
        ret[element->group - 1] = 1;
    if (element->period >= 1 && element->period <= PERIODS)
        ret[GROUPS + element->period - 1] = 1;
    float *rest = ret + GROUPS + PERIODS;
    rest[0] = element->electronegativity > 0 ? (float)element->electronegativity - 2 : 0;
    rest[1] = 2 * (float)element->radius_covalent - 3;
    for (int i = 0; i < 6 && element->charges[i] != 0; i++)
        if (element->charges[i] >= CHARGE_MIN && element->charges[i] <= CHARGE_MAX)
            rest[2 + element->charges[i] - CHARGE_MIN] = i == 0 ? 1 : 0.5f;
}

static void init_elements(float *table, int W, uint64_t key, uint32_t item)
{
    float *projection = mem_new((size_t)W * ELEMENT_DESCRIPTORS, sizeof *projection);
    struct rng rng = rng_stream(key, item, 1, 0); /* step 0 is tensors_init's */
    for (int i = 0; i < W * ELEMENT_DESCRIPTORS; i++)
        projection[i] = (float)(0.1 * rng_normal(&rng));
    for (int z = 1; z <= ELEMENT_MAX; z++) {
        float descriptors[ELEMENT_DESCRIPTORS];
        describe_element(z, descriptors);
        linear_forward(table + z * W, descriptors, projection, NULL, 1, ELEMENT_DESCRIPTORS, W);
    }
    free(projection);
}

void network_init(const struct network *net, const struct tensors *tensors, float *block,
                  uint64_t key)
{
    static const enum input_table tables[] = {INPUT_ELEMENT, INPUT_COMPOSITION};
    tensors_init(tensors, block, key);
    for (uint32_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
        init_elements(block + net->inputs[tables[i]], (int)net->config.width, key, i);
}

/* ---- buffers ---- */

/* One buffer per value of the forward pass; `d` fields are gradients. x is the stream that runs
 * through the blocks, kept before each half. */
#define ROW_BUFFERS(X, W)                                                                      \
    X(final, W)                                                                                \
    X(dx, W)                                                                                   \
    X(dbranch, W)                                                                              \
    X(dwide, MLP_RATIO *W)                                                                     \
    X(dhidden, MLP_RATIO *W)                                                                   \
    X(weight_gradient, 1)                                                                      \
    X(final_mean, 1)                                                                           \
    X(final_rstd, 1)
#define LAYER_BUFFERS(X, W)                                                                    \
    X(x0, W)                                                                                   \
    X(x1, W)                                                                                   \
    X(norm1, W)                                                                                \
    X(qkv, 3 * W)                                                                              \
    X(p, heads *ATTENTION_TOKENS)                                                              \
    X(mixed, W)                                                                                \
    X(branch1, W)                                                                              \
    X(norm2, W)                                                                                \
    X(up, MLP_RATIO *W)                                                                        \
    X(hidden, MLP_RATIO *W)                                                                    \
    X(branch2, W)                                                                              \
    X(mean1, 1)                                                                                \
    X(rstd1, 1)                                                                                \
    X(mean2, 1)                                                                                \
    X(rstd2, 1)
#define CRYSTAL_BUFFERS(X, W)                                                                  \
    X(time_features, TIME_FEATURES)                                                            \
    X(time1, W)                                                                                \
    X(time1_act, W)                                                                            \
    X(condition, W)                                                                            \
    X(condition_act, W)                                                                        \
    X(dcondition, W)                                                                           \
    X(dcondition_act, W)                                                                       \
    X(modulation, modulations)                                                                 \
    X(dmodulation, modulations)                                                                \
    X(pooled, 2 * W)                                                                           \
    X(dpooled, 2 * W)                                                                          \
    X(head, W)                                                                                 \
    X(head_act, W)                                                                             \
    X(dhead, W)                                                                                \
    X(dhead_act, W)

#define FIELD(name, size) float *name;
struct layer_buffers {
    LAYER_BUFFERS(FIELD, )
};

struct activations {
    ROW_BUFFERS(FIELD, )
    CRYSTAL_BUFFERS(FIELD, )
    struct layer_buffers layers[LAYERS_MAX];
    float *descriptors;    /* (HEAD_SIZE, ELEMENT_DESCRIPTORS), rows of elements */
    float *effective_head; /* (HEAD_SIZE, W) */
    float *deffective;
    float *x_end;  /* stream behind the last block */
    float *output; /* denoiser (rows, HEAD_SIZE), guide (crystals, 2 properties) */
    float *memory; /* all of the above lie in here */
    size_t rows, crystals;
    struct network_config config; /* that memory is laid out for */
};
#undef FIELD

struct activations *activations_new(void)
{
    return mem_new(1, sizeof(struct activations));
}

void activations_free(struct activations *activations)
{
    if (!activations)
        return;
    free(activations->memory);
    free(activations);
}

void activations_free_ptr(struct activations **activations)
{
    activations_free(*activations);
}

static void place(float **field, float *memory, size_t *used, size_t n)
{
    *field = memory ? memory + *used : NULL;
    *used += (n + 15) / 16 * 16;
}

/* Give every field its part of `memory` (NULL: only count); returns the floats needed. */
static size_t place_all(struct activations *a, float *memory)
{
    size_t W = a->config.width, heads = a->config.heads, used = 0;
    size_t modulations = (6 * a->config.layers + 2) * W;
#define ROW(name, size) place(&a->name, memory, &used, a->rows *(size));
#define CRYSTAL(name, size) place(&a->name, memory, &used, a->crystals *(size));
#define LAYER(name, size) place(&a->layers[l].name, memory, &used, a->rows *(size));
    ROW_BUFFERS(ROW, W)
    CRYSTAL_BUFFERS(CRYSTAL, W)
    for (uint32_t l = 0; l < a->config.layers; l++) {
        LAYER_BUFFERS(LAYER, W)
    }
    ROW(x_end, W)
    place(&a->descriptors, memory, &used, HEAD_SIZE * ELEMENT_DESCRIPTORS);
    place(&a->effective_head, memory, &used, HEAD_SIZE * W);
    place(&a->deffective, memory, &used, HEAD_SIZE * W);
#undef ROW
#undef CRYSTAL
#undef LAYER
    size_t output = a->config.role == MODEL_DENOISER ? a->rows * HEAD_SIZE
                                                     : a->crystals * 2 * a->config.n_properties;
    place(&a->output, memory, &used, output);
    return used;
}

static void activations_fit(struct activations *a, const struct network_config *config,
                            const struct batch *batch)
{
    if (a->rows >= batch->n_rows && a->crystals >= batch->n_crystals &&
        memcmp(&a->config, config, sizeof *config) == 0)
        return;
    free(a->memory);
    a->config = *config;
    a->rows = batch->n_rows;
    a->crystals = batch->n_crystals;
    a->memory = mem_new(place_all(a, NULL), sizeof *a->memory);
    (void)place_all(a, a->memory);
    for (int z = 1; z <= ELEMENT_MAX; z++)
        describe_element(z, a->descriptors + z * ELEMENT_DESCRIPTORS);
}

/* ---- forward ---- */

/* sin and cos of t / T at frequencies from 1 to about 100 half turns */
static void time_features(float *y, double time)
{
    double frequency = 1;
    for (int i = 0; i < TIME_FEATURES / 2; i++, frequency *= 1.35) {
        y[2 * i] = (float)mathd_sin(MATHD_PI * frequency * time);
        y[2 * i + 1] = (float)mathd_cos(MATHD_PI * frequency * time);
    }
}

/* Condition of each crystal, and from it all shifts, scales and gates:
 *   c = time2 silu(time1 features) + group,   modulation = M silu(c) */
static void condition_forward(const struct network *net, const float *w, const struct batch *b,
                              struct activations *a)
{
    int C = (int)b->n_crystals, W = (int)net->config.width;
    size_t n = (size_t)C * (size_t)W;
    for (int c = 0; c < C; c++)
        time_features(a->time_features + c * TIME_FEATURES, b->time[c]);
    linear_forward(a->time1, a->time_features, w + net->time1, w + net->time1_bias, C,
                   TIME_FEATURES, W);
    silu_forward(a->time1_act, a->time1, n);
    linear_forward(a->condition, a->time1_act, w + net->time2, w + net->time2_bias, C, W, W);
    for (int c = 0; c < C; c++) {
        struct gather group = {(uint32_t)c, b->spacegroup[c] - 1u, 1};
        gather_forward(a->condition, w + net->group, &group, 1, W);
    }
    silu_forward(a->condition_act, a->condition, n);
    linear_forward(a->modulation, a->condition_act, w + net->modulation,
                   w + net->modulation_bias, C, W, (6 * (int)net->config.layers + 2) * W);
}

static void tokens_forward(const struct network *net, const float *w, const struct batch *b,
                           float *x)
{
    int W = (int)net->config.width;
    memset(x, 0, (size_t)b->n_rows * (size_t)W * sizeof *x);
    for (uint32_t row = 0; row < b->n_rows; row++) {
        struct gather bias = {row, b->first[b->crystal[row]] == row ? 0 : 1, 1};
        gather_forward(x, w + net->token_bias, &bias, 1, W);
    }
    for (int i = 0; i < INPUT_TABLES; i++)
        gather_forward(x, w + net->inputs[i], b->entries[i], b->n_entries[i], W);
}

/* One block: x1 = x0 + gate1 attention(norm(x0)), x_next = x1 + gate2 perceptron(norm(x1)) */
static void block_forward(const struct network *net, const float *w, uint32_t l,
                          const struct batch *b, struct activations *a, float *x_next)
{
    struct layer_buffers *y = &a->layers[l];
    int N = (int)b->n_rows, W = (int)net->config.width, heads = (int)net->config.heads;
    int S = (6 * (int)net->config.layers + 2) * W;
    const float *mod = a->modulation + 6 * (size_t)l * (size_t)W;
    const uint32_t *of = b->crystal;
    size_t bytes = (size_t)N * (size_t)W * sizeof(float);
    norm_forward(y->norm1, y->mean1, y->rstd1, y->x0, mod, mod + W, of, N, W, S);
    linear_forward(y->qkv, y->norm1, w + net->layers[l].qkv, w + net->layers[l].qkv_bias, N, W,
                   3 * W);
    attention_forward(y->mixed, y->p, y->qkv, b->first, (int)b->n_crystals, heads, W);
    linear_forward(y->branch1, y->mixed, w + net->layers[l].out, w + net->layers[l].out_bias, N,
                   W, W);
    memcpy(y->x1, y->x0, bytes);
    gate_forward(y->x1, y->branch1, mod + 2 * W, of, N, W, S);

    norm_forward(y->norm2, y->mean2, y->rstd2, y->x1, mod + 3 * W, mod + 4 * W, of, N, W, S);
    linear_forward(y->up, y->norm2, w + net->layers[l].up, w + net->layers[l].up_bias, N, W,
                   MLP_RATIO * W);
    gelu_forward(y->hidden, y->up, (size_t)N * MLP_RATIO * (size_t)W);
    linear_forward(y->branch2, y->hidden, w + net->layers[l].down, w + net->layers[l].down_bias,
                   N, MLP_RATIO * W, W);
    memcpy(x_next, y->x1, bytes);
    gate_forward(x_next, y->branch2, mod + 5 * W, of, N, W, S);
}

/* (global token, mean over atoms of the positions), side by side per crystal */
static void pool_forward(const struct network *net, const struct batch *b,
                         struct activations *a)
{
    size_t W = net->config.width;
    memset(a->pooled, 0, b->n_crystals * 2 * W * sizeof *a->pooled);
    for (uint32_t row = 0; row < b->n_rows; row++) {
        uint32_t c = b->crystal[row];
        bool global = b->first[c] == row;
        float *to = a->pooled + c * 2 * W + (global ? 0 : W),
              weight = global ? 1 : b->weight[row];
        for (size_t i = 0; i < W; i++)
            to[i] += weight * a->final[row * W + i];
    }
}

static void head_forward(const struct network *net, const float *w, const struct batch *b,
                         struct activations *a)
{
    int W = (int)net->config.width, C = (int)b->n_crystals;
    if (net->config.role == MODEL_DENOISER) { /* head + descriptors shared */
        memcpy(a->effective_head, w + net->head, HEAD_SIZE * (size_t)W * sizeof(float));
        linear_backward(a->effective_head, NULL, NULL, a->descriptors, NULL,
                        w + net->head_shared, HEAD_SIZE, W, ELEMENT_DESCRIPTORS);
        linear_forward(a->output, a->final, a->effective_head, w + net->head_bias,
                       (int)b->n_rows, W, HEAD_SIZE);
        return;
    }
    pool_forward(net, b, a);
    linear_forward(a->head, a->pooled, w + net->head, w + net->head_bias, C, 2 * W, W);
    gelu_forward(a->head_act, a->head, (size_t)C * (size_t)W);
    linear_forward(a->output, a->head_act, w + net->head2, w + net->head2_bias, C, W,
                   2 * (int)net->config.n_properties);
}

const float *network_forward(const struct network *net, const float *w, const struct batch *b,
                             struct activations *a)
{
    activations_fit(a, &net->config, b);
    uint32_t L = net->config.layers;
    int W = (int)net->config.width, S = (6 * (int)L + 2) * W;
    condition_forward(net, w, b, a);
    tokens_forward(net, w, b, a->layers[0].x0);
    for (uint32_t l = 0; l < L; l++)
        block_forward(net, w, l, b, a, l + 1 < L ? a->layers[l + 1].x0 : a->x_end);
    const float *mod = a->modulation + 6 * (size_t)L * (size_t)W;
    norm_forward(a->final, a->final_mean, a->final_rstd, a->x_end, mod, mod + W, b->crystal,
                 (int)b->n_rows, W, S);
    head_forward(net, w, b, a);
    return a->output;
}

/* ---- backward: the same steps the other way ---- */

/* NULL stays NULL: gradients of parameters that are not wanted */
static float *grad(float *gradient, size_t offset)
{
    return gradient ? gradient + offset : NULL;
}

static void pool_backward(const struct network *net, const struct batch *b,
                          struct activations *a, float *dfinal)
{
    size_t W = net->config.width;
    for (uint32_t row = 0; row < b->n_rows; row++) {
        uint32_t c = b->crystal[row];
        bool global = b->first[c] == row;
        const float *from = a->dpooled + c * 2 * W + (global ? 0 : W);
        float weight = global ? 1 : b->weight[row], sum = 0;
        for (size_t i = 0; i < W; i++) {
            dfinal[row * W + i] += weight * from[i];
            sum += from[i] * a->final[row * W + i];
        }
        a->weight_gradient[row] = global ? 0 : sum;
    }
}

static void head_backward(const struct network *net, const float *w, float *g,
                          const float *doutput, const struct batch *b, struct activations *a,
                          float *dfinal)
{
    int W = (int)net->config.width, C = (int)b->n_crystals;
    size_t n = (size_t)C * (size_t)W;
    if (net->config.role == MODEL_DENOISER) {
        size_t size = HEAD_SIZE * (size_t)W;
        memset(a->deffective, 0, size * sizeof(float));
        linear_backward(dfinal, a->deffective, grad(g, net->head_bias), doutput, a->final,
                        a->effective_head, (int)b->n_rows, W, HEAD_SIZE);
        if (!g)
            return;
        for (size_t i = 0; i < size; i++)
            g[net->head + i] += a->deffective[i];
        linear_backward(NULL, g + net->head_shared, NULL, a->descriptors, a->deffective, NULL,
                        HEAD_SIZE, W, ELEMENT_DESCRIPTORS);
        return;
    }
    memset(a->dhead_act, 0, n * sizeof(float));
    memset(a->dhead, 0, n * sizeof(float));
    memset(a->dpooled, 0, 2 * n * sizeof(float));
    linear_backward(a->dhead_act, grad(g, net->head2), grad(g, net->head2_bias), doutput,
                    a->head_act, w + net->head2, C, W, 2 * (int)net->config.n_properties);
    gelu_backward(a->dhead, a->dhead_act, a->head, n);
    linear_backward(a->dpooled, grad(g, net->head), grad(g, net->head_bias), a->dhead,
                    a->pooled, w + net->head, C, 2 * W, W);
    pool_backward(net, b, a, dfinal);
}

/* Gradient of the stream in a->dx, on entry behind the block and on return before it. */
static void block_backward(const struct network *net, const float *w, float *g, uint32_t l,
                           const struct batch *b, struct activations *a)
{
    struct layer_buffers *y = &a->layers[l];
    int N = (int)b->n_rows, W = (int)net->config.width, heads = (int)net->config.heads;
    int S = (6 * (int)net->config.layers + 2) * W;
    size_t n = (size_t)N * (size_t)W, at = 6 * (size_t)l * (size_t)W;
    const float *mod = a->modulation + at;
    float *dmod = a->dmodulation + at;
    const uint32_t *of = b->crystal;

    memset(a->dbranch, 0, n * sizeof(float));
    memset(a->dhidden, 0, n * MLP_RATIO * sizeof(float));
    memset(a->dwide, 0, n * MLP_RATIO * sizeof(float));
    gate_backward(a->dbranch, dmod + 5 * W, a->dx, y->branch2, mod + 5 * W, of, N, W, S);
    linear_backward(a->dhidden, grad(g, net->layers[l].down), grad(g, net->layers[l].down_bias),
                    a->dbranch, y->hidden, w + net->layers[l].down, N, MLP_RATIO * W, W);
    gelu_backward(a->dwide, a->dhidden, y->up, n * MLP_RATIO);
    memset(a->dbranch, 0, n * sizeof(float));
    linear_backward(a->dbranch, grad(g, net->layers[l].up), grad(g, net->layers[l].up_bias),
                    a->dwide, y->norm2, w + net->layers[l].up, N, W, MLP_RATIO * W);
    norm_backward(a->dx, dmod + 3 * W, dmod + 4 * W, a->dbranch, y->x1, y->mean2, y->rstd2,
                  mod + 3 * W, of, N, W, S);

    memset(a->dbranch, 0, n * sizeof(float));
    memset(a->dhidden, 0, n * sizeof(float));
    memset(a->dwide, 0, n * 3 * sizeof(float));
    gate_backward(a->dbranch, dmod + 2 * W, a->dx, y->branch1, mod + 2 * W, of, N, W, S);
    linear_backward(a->dhidden, grad(g, net->layers[l].out), grad(g, net->layers[l].out_bias),
                    a->dbranch, y->mixed, w + net->layers[l].out, N, W, W);
    attention_backward(a->dwide, a->dhidden, y->qkv, y->p, b->first, (int)b->n_crystals, heads,
                       W);
    memset(a->dbranch, 0, n * sizeof(float));
    linear_backward(a->dbranch, grad(g, net->layers[l].qkv), grad(g, net->layers[l].qkv_bias),
                    a->dwide, y->norm1, w + net->layers[l].qkv, N, W, 3 * W);
    norm_backward(a->dx, dmod, dmod + W, a->dbranch, y->x0, y->mean1, y->rstd1, mod, of, N, W,
                  S);
}

static void tokens_backward(const struct network *net, float *g, const struct batch *b,
                            const float *dx)
{
    int W = (int)net->config.width;
    for (uint32_t row = 0; row < b->n_rows; row++) {
        struct gather bias = {row, b->first[b->crystal[row]] == row ? 0 : 1, 1};
        gather_backward(g + net->token_bias, dx, &bias, 1, W);
    }
    for (int i = 0; i < INPUT_TABLES; i++)
        gather_backward(g + net->inputs[i], dx, b->entries[i], b->n_entries[i], W);
}

static void condition_backward(const struct network *net, const float *w, float *g,
                               const struct batch *b, struct activations *a)
{
    int C = (int)b->n_crystals, W = (int)net->config.width;
    size_t n = (size_t)C * (size_t)W;
    memset(a->dcondition_act, 0, n * sizeof(float));
    memset(a->dcondition, 0, n * sizeof(float));
    linear_backward(a->dcondition_act, g + net->modulation, g + net->modulation_bias,
                    a->dmodulation, a->condition_act, w + net->modulation, C, W,
                    (6 * (int)net->config.layers + 2) * W);
    silu_backward(a->dcondition, a->dcondition_act, a->condition, n);
    for (int c = 0; c < C; c++) {
        struct gather group = {(uint32_t)c, b->spacegroup[c] - 1u, 1};
        gather_backward(g + net->group, a->dcondition, &group, 1, W);
    }
    memset(a->dcondition_act, 0, n * sizeof(float));
    linear_backward(a->dcondition_act, g + net->time2, g + net->time2_bias, a->dcondition,
                    a->time1_act, w + net->time2, C, W, W);
    memset(a->dcondition, 0, n * sizeof(float));
    silu_backward(a->dcondition, a->dcondition_act, a->time1, n);
    linear_backward(NULL, g + net->time1, g + net->time1_bias, a->dcondition, a->time_features,
                    w + net->time1, C, TIME_FEATURES, W);
}

void network_backward(const struct network *net, const float *w, float *g, const float *doutput,
                      const struct batch *b, struct activations *a)
{
    uint32_t L = net->config.layers;
    int W = (int)net->config.width, S = (6 * (int)L + 2) * W;
    size_t n = (size_t)b->n_rows * (size_t)W, at = 6 * (size_t)L * (size_t)W;
    memset(a->dmodulation, 0, (size_t)b->n_crystals * (size_t)S * sizeof(float));
    memset(a->dx, 0, n * sizeof(float));
    memset(a->dbranch, 0, n * sizeof(float));
    head_backward(net, w, g, doutput, b, a, a->dbranch);
    norm_backward(a->dx, a->dmodulation + at, a->dmodulation + at + W, a->dbranch, a->x_end,
                  a->final_mean, a->final_rstd, a->modulation + at, b->crystal, (int)b->n_rows,
                  W, S);
    for (uint32_t l = L; l-- > 0;)
        block_backward(net, w, g, l, b, a);
    if (!g)
        return;
    tokens_backward(net, g, b, a->dx);
    condition_backward(net, w, g, b, a);
}

const float *network_token_gradient(const struct activations *a)
{
    return a->dx;
}

const float *network_weight_gradient(const struct activations *a)
{
    return a->config.role == MODEL_GUIDE ? a->weight_gradient : NULL;
}
