/* The trunk that denoiser and guide share: tokens of a ragged batch through a small
 * transformer.
 *
 * A token is the sum of learned tables (batch.h). Layers are pre-norm transformer blocks
 * conditioned by adaptive layer norm with gates that start at zero (adaLN-Zero: Peebles & Xie
 * 2023, arXiv:2212.09748); the condition is the time and the space group. Heads on top:
 *   denoiser  per token HEAD_SIZE numbers: log-factors for elements and counts (denoiser.h)
 *   guide     per crystal 2 x properties: mean and log-spread, standardized, from the global
 * token and the mean over atoms of the position tokens A crystal's output depends on that
 * crystal alone, bit for bit (linear.h says how). */
#ifndef WYCKMILL_DIFFUSION_NETWORK_H
#define WYCKMILL_DIFFUSION_NETWORK_H

#include "workers/diffusion/batch.h"
#include "workers/nn/tensors.h"

enum {
    LAYERS_MAX = 16,
    WIDTH_MAX = 512,
    TIME_FEATURES = 32,
    MLP_RATIO = 4,               /* hidden width of a block's perceptron over its width */
    HEAD_COUNTS = STATE_SIZE,    /* elements first (0 = none), then counts 1..COUNT_MAX */
    HEAD_SIZE = STATE_SIZE + 24, /* a multiple of 16; the last 12 are not used */
    ELEMENT_DESCRIPTORS = 40,    /* numbers about an element, see network_init */
};

enum model_role { MODEL_DENOISER, MODEL_GUIDE };

struct network_config {
    enum model_role role;
    uint32_t width, layers, heads; /* width a multiple of 8 x heads */
    uint32_t n_properties;         /* guide */
};

/* Errors: ERR_INVALID, a sentence about the first setting that cannot be. */
int network_check(const struct network_config *config, struct err *err);

/* Offsets of the tensors in the parameter block. */
struct network {
    struct network_config config;
    size_t inputs[INPUT_TABLES], token_bias; /* bias: row 0 global token, row 1 positions */
    size_t time1, time1_bias, time2, time2_bias, group;
    size_t modulation, modulation_bias; /* (6 layers + 2) width outputs */
    struct {
        size_t qkv, qkv_bias, out, out_bias, up, up_bias, down, down_bias;
    } layers[LAYERS_MAX];
    size_t head, head_bias;   /* denoiser: out; guide: hidden layer */
    size_t head_shared;       /* denoiser: (ELEMENT_DESCRIPTORS, width), see network_init */
    size_t head2, head2_bias; /* guide: out */
    size_t count_of_element;  /* denoiser: (STATE_SIZE, 16) added to the count logits */
};

/* Append the network's tensors to the table and remember where they are. */
void network_layout(const struct network_config *config, struct tensors *tensors,
                    struct network *ret);

/* Initial values: tensors_init, and then rows of the element tables that start alike for like
 * elements (a random projection of group, period, electronegativity, radius and charges), so
 * that rare elements borrow from their neighbours in the periodic table. */
void network_init(const struct network *network, const struct tensors *tensors, float *block,
                  uint64_t key);

/* Buffers of one forward and backward pass; `{0}` is empty, they grow as needed. */
struct activations;
struct activations *activations_new(void);
void activations_free(struct activations *activations);
void activations_free_ptr(struct activations **activations);

/* Run the batch (prepared). Returns the output: denoiser (n_rows, HEAD_SIZE), rows of global
 * tokens unused; guide (n_crystals, 2 n_properties). Borrowed until the next call. */
const float *network_forward(const struct network *network, const float *parameters,
                             const struct batch *batch, struct activations *activations);

/* Gradient of a loss from its gradient with respect to the output of the forward pass just
 * made, same batch. gradient: parameter block, added to; NULL: not wanted. */
void network_backward(const struct network *network, const float *parameters, float *gradient,
                      const float *doutput, const struct batch *batch,
                      struct activations *activations);

/* After network_backward: gradient with respect to the tokens, (n_rows, width), and, for a
 * guide, with respect to the weight of each token in the mean over atoms (n_rows); NULL for a
 * denoiser. Borrowed until the next call. */
const float *network_token_gradient(const struct activations *activations);
const float *network_weight_gradient(const struct activations *activations);

#endif
