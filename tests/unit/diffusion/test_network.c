/* Gradients of the whole network, independence of the batch, guidance against differences, and
 * checkpoints.
 *
 * The gradient of a tensor is checked along one random direction v of unit length: (L(w + h v)
 * - L(w - h v)) / 2h against g . v. With h = 2^-5 and losses of about 10 nats summed in single
 * inside the layers, rounding is near 1e-6 x 10 / h ~ 3e-4 and curvature leaves a few 1e-3 of a
 * derivative of order one: the check allows 1 % + 3e-3. A wrong sign, factor or missing term is
 * far outside. */
#include "tests/support/gradient.h"

#include "tests/unit/diffusion/crystals.h"
#include "workers/diffusion/denoiser.h"
#include "workers/diffusion/guidance.h"
#include "workers/diffusion/guide_head.h"
#include "workers/nn/linear.h"

#include <stdlib.h>
#include <string.h>

enum { WIDTH = 32, TIMESTEPS = 50 };

struct fixture {
    struct checkpoint checkpoint;
    struct batch batch;
    struct row_state *clean; /* (rows) */
    double ab[EXAMPLES];
    float labels[EXAMPLES * 2];
    struct activations *activations;
};

/* A model whose weights are all random (zero gates would hide most gradients), and a batch of
 * all examples, noisy. */
static void fixture_init(struct fixture *f, enum model_role role)
{
    memset(f, 0, sizeof *f);
    struct model *model = &f->checkpoint.model;
    struct dataset dataset = example_dataset(4);
    assert_int_equal(noise_fit(&dataset, TIMESTEPS, &model->noise, NULL), 0);
    dataset_done(&dataset);
    model->config = (struct network_config){.role = role,
                                            .width = WIDTH,
                                            .layers = 2,
                                            .heads = 2,
                                            .n_properties = role == MODEL_GUIDE ? 2 : 0};
    for (int i = 0; i < 2 && role == MODEL_GUIDE; i++) {
        (void)snprintf(model->properties[i].name, PROPERTY_NAME_SIZE, "p%d", i);
        model->mean[i] = 1 + i;
        model->deviation[i] = 0.5 + i;
    }
    checkpoint_init(&f->checkpoint, 3);
    fill_normal(f->checkpoint.weights, model->tensors.size, 5);
    for (size_t i = 0; i < model->tensors.size; i++)
        f->checkpoint.weights[i] *= 0.15f;
    const struct tensor *out = tensors_find(&model->tensors, "head2"); /* losses of order one */
    for (size_t i = 0; out && i < tensor_count(out); i++)
        f->checkpoint.weights[out->offset + i] *= 0.2f;
    memcpy(f->checkpoint.average, f->checkpoint.weights, model->tensors.size * sizeof(float));
    f->activations = activations_new();

    struct rng rng = rng_stream(9, 0, 0, 0);
    f->clean = mem_new(EXAMPLES * TOKENS_MAX, sizeof *f->clean);
    for (size_t i = 0; i < EXAMPLES; i++) {
        struct protostructure proto = example_proto(i);
        const struct spacegroup *group = spacegroup_get(proto.spacegroup);
        uint32_t t = 5 + 5 * (uint32_t)i,
                 row = batch_add(&f->batch, group, t / (double)TIMESTEPS);
        f->ab[i] = noise_alpha_bar(&model->noise, t);
        assert_true(state_from_protostructure(&f->clean[row], &proto));
        noise_q_sample_crystal(&model->noise, group, &f->clean[row], f->ab[i],
                               &f->batch.state[row], &rng);
        f->labels[2 * i] = (float)i / 3;
        f->labels[2 * i + 1] = i % 3 ? 1 - (float)i / 5 : NAN;
        free(proto.sites);
    }
    batch_prepare(&f->batch);
}

static void fixture_done(struct fixture *f)
{
    checkpoint_done(&f->checkpoint);
    batch_done(&f->batch);
    free(f->clean);
    activations_free(f->activations);
}

static double network_loss(struct fixture *f, float *gradient)
{
    const struct model *model = &f->checkpoint.model;
    const float *w = f->checkpoint.weights;
    const float *out = network_forward(&model->network, w, &f->batch, f->activations);
    static float dout[EXAMPLES * TOKENS_MAX * HEAD_SIZE];
    memset(dout, 0, sizeof dout);
    size_t counts = model->network.count_of_element;
    double loss =
        model->config.role == MODEL_GUIDE
            ? guide_loss(EXAMPLES, 2, f->labels, out, 1, gradient ? dout : NULL, NULL)
            : denoiser_loss(&model->noise, &f->batch, f->clean, f->ab, w + counts, out, 1,
                            gradient ? dout : NULL, gradient ? gradient + counts : NULL);
    if (gradient)
        network_backward(&model->network, w, gradient, dout, &f->batch, f->activations);
    return loss;
}

static void check_tensor(struct fixture *f, const struct tensor *tensor, const float *gradient)
{
    static const float h = 0x1p-6f;
    size_t n = tensor_count(tensor);
    float *at = f->checkpoint.weights + tensor->offset, *v = mem_new(n, sizeof *v);
    float *kept = mem_copy(at, n * sizeof *at);
    fill_normal(v, n, (uint32_t)tensor->offset);
    double norm = sqrt(dot(v, v, n)), value[2];
    for (int side = 0; side < 2; side++) {
        for (size_t i = 0; i < n; i++)
            at[i] = kept[i] + (side ? h : -h) * v[i] / (float)norm;
        value[side] = network_loss(f, NULL);
    }
    memcpy(at, kept, n * sizeof *at);
    double want = (value[1] - value[0]) / (2 * (double)h);
    double have = dot(gradient + tensor->offset, v, n) / norm;
    if (!(fabs(want - have) <= 0.01 * fabs(want) + 5e-4))
        fail_msg("%s: backward gives %.6g, differences give %.6g", tensor->name, have, want);
    free(v);
    free(kept);
}

static void check_all_tensors(enum model_role role)
{
    static struct fixture f;
    fixture_init(&f, role);
    const struct tensors *tensors = &f.checkpoint.model.tensors;
    float *gradient = tensors_block_new(tensors);
    assert_true(isfinite(network_loss(&f, gradient)));
    uint32_t moved = 0;
    for (uint32_t i = 0; i < tensors->n; i++) {
        const struct tensor *tensor = &tensors->items[i];
        check_tensor(&f, tensor, gradient);
        const float *g = gradient + tensor->offset;
        moved += dot(g, g, tensor_count(tensor)) > 0;
    }
    assert_int_equal(moved, tensors->n); /* no tensor is left out */
    free(gradient);
    fixture_done(&f);
}

static void test_network__denoiser_gradient_agrees_with_differences(void **state)
{
    (void)state;
    check_all_tensors(MODEL_DENOISER);
}

static void test_network__guide_gradient_agrees_with_differences(void **state)
{
    (void)state;
    check_all_tensors(MODEL_GUIDE);
}

/* Output and token gradient of a crystal, alone and in the batch of all: the same bits. */
static void check_alone(enum model_role role)
{
    static struct fixture f;
    fixture_init(&f, role);
    const struct network *net = &f.checkpoint.model.network;
    const float *w = f.checkpoint.weights;
    struct batch one = {0};
    struct activations *alone = activations_new();
    static float dall[EXAMPLES * TOKENS_MAX * HEAD_SIZE];
    fill_normal(dall, sizeof dall / sizeof dall[0], 4);
    const float *all = network_forward(net, w, &f.batch, f.activations);
    network_backward(net, w, NULL, dall, &f.batch, f.activations);
    for (uint32_t c = 0; c < EXAMPLES; c++) {
        uint32_t first = f.batch.first[c], rows = f.batch.first[c + 1] - first;
        batch_clear(&one);
        uint32_t row = batch_add(&one, spacegroup_get(f.batch.spacegroup[c]), f.batch.time[c]);
        memcpy(&one.state[row], &f.batch.state[first + 1], (rows - 1) * sizeof *one.state);
        batch_prepare(&one);
        size_t from = role == MODEL_DENOISER ? (size_t)first * HEAD_SIZE : c * 4;
        size_t n = role == MODEL_DENOISER ? (size_t)rows * HEAD_SIZE : 4;
        assert_memory_equal(network_forward(net, w, &one, alone), all + from,
                            n * sizeof(float));
        network_backward(net, w, NULL, dall + from, &one, alone);
        assert_memory_equal(network_token_gradient(alone),
                            network_token_gradient(f.activations) + (size_t)first * WIDTH,
                            (size_t)rows * WIDTH * sizeof(float));
    }
    batch_done(&one);
    activations_free(alone);
    fixture_done(&f);
}

static void test_network__crystal_does_not_depend_on_its_batch(void **state)
{
    (void)state;
    check_alone(MODEL_DENOISER);
    check_alone(MODEL_GUIDE);
}

/* With output 0 the prediction is m(x_0) q(x_t | x_0) normalised: written out for both kinds.
 */
static void test_denoiser__untrained_is_the_independent_posterior(void **state)
{
    (void)state;
    struct dataset dataset = example_dataset(4);
    static struct noise noise;
    assert_int_equal(noise_fit(&dataset, TIMESTEPS, &noise, NULL), 0);
    dataset_done(&dataset);
    static const float zero[HEAD_SIZE], zero_counts[STATE_SIZE * 16];
    double ab = 0.3;
    float p[STATE_SIZE], m[STATE_SIZE];
    struct row_state xt = {.count = {[17] = 1}};
    struct denoiser_row row = {spacegroup_get(225)->position_first, &xt, zero, zero_counts, ab};
    denoiser_fixed(&noise, &row, p);
    noise_marginal_fixed(&noise, row.position, m);
    double total = 0;
    for (uint32_t x0 = 0; x0 < STATE_SIZE; x0++)
        total += (double)m[x0] * (ab * (x0 == 17) + (1 - ab) * (double)m[17]);
    for (uint32_t x0 = 0; x0 < STATE_SIZE; x0++) {
        double want = (double)m[x0] * (ab * (x0 == 17) + (1 - ab) * (double)m[17]) / total;
        assert_true(fabs(want - (double)p[x0]) < 1e-5);
    }

    row.position = spacegroup_get(1)->position_first;
    for (uint8_t here = 0; here <= 3; here += 3) {
        xt = (struct row_state){.count = {[8] = here}};
        float counts[COUNTS], present[STATE_SIZE];
        double m1 = (double)noise_marginal_present(&noise, row.position, 8), weight[COUNTS];
        double mt = here ? m1 * (double)noise.repeat[3][here] : 1 - m1;
        for (uint32_t k = 0; k < COUNTS; k++) {
            double mk = k ? m1 * (double)noise.repeat[3][k] : 1 - m1;
            weight[k] = mk * (ab * (k == here) + (1 - ab) * mt);
        }
        total = 0;
        for (uint32_t k = 0; k < COUNTS; k++)
            total += weight[k];
        denoiser_present(&noise, &row, present);
        denoiser_counts(&noise, &row, 8, counts);
        assert_true(fabs((double)present[8] - (1 - weight[0] / total)) < 1e-5);
        for (uint32_t k = 1; k < COUNTS; k++)
            assert_true(fabs((double)counts[k] - weight[k] / (total - weight[0])) < 1e-5);
        assert_true(present[79] == 0);
    }
}

/* ---- guidance ---- */

static void test_guidance__interval_is_stable_and_its_derivatives_agree(void **state)
{
    (void)state;
    static const double cases[][4] = {
        /* low, high, mean, log deviation */
        {-1, 1, 0, 0},
        {0.5, 0.7, 3, -1},
        {-(double)INFINITY, -2, 5, 0.3},
        {4, (double)INFINITY, -4, -1.5},
        {10, 10.1, -30, 0},
        {-40, -39, 3, 0.2},
        {1, 1, 1.2, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const double *c = cases[i];
        double dm, ds, unused1, unused2, h = 1e-5;
        double log_p = normal_log_interval(c[0], c[1], c[2], c[3], &dm, &ds);
        assert_true(isfinite(log_p) && log_p < 0);
        double up = normal_log_interval(c[0], c[1], c[2] + h, c[3], &unused1, &unused2);
        double down = normal_log_interval(c[0], c[1], c[2] - h, c[3], &unused1, &unused2);
        assert_true(fabs((up - down) / (2 * h) - dm) < 1e-4 * (1 + fabs(dm)));
        up = normal_log_interval(c[0], c[1], c[2], c[3] + h, &unused1, &unused2);
        down = normal_log_interval(c[0], c[1], c[2], c[3] - h, &unused1, &unused2);
        if (c[0] < c[1]) /* a point widens with the spread, by intent */
            assert_true(fabs((up - down) / (2 * h) - ds) < 1e-4 * (1 + fabs(ds)));
    }
    double dm, ds;
    assert_true(fabs(normal_log_interval(-1, 1, 0, 0, &dm, &ds) - log(0.682689492137086)) <
                1e-12);
    assert_true(dm == 0);
    /* 8 deviations away: the upper tail of the normal, 6.22e-16 */
    assert_true(fabs(normal_log_interval(8, (double)INFINITY, 0, 0, &dm, &ds) -
                     log(6.22096057427178e-16)) < 1e-9);
    assert_true(normal_log_interval(-(double)INFINITY, (double)INFINITY, 0, 0, &dm, &ds) == 0);
}

/* Difference of log p and first-order gain for `k` copies of element z, instead of what is
 * there of element `old`, on a row. */
static void change_row(struct guidance *guidance, struct batch *batch, uint32_t row,
                       uint32_t old, uint32_t z, double *ret_change, double *ret_gain)
{
    static float gains[COUNTS][STATE_SIZE];
    uint32_t c = batch->crystal[row];
    struct row_state kept = batch->state[row];
    uint8_t k = old ? kept.count[old] : 1;
    double before = guidance_evaluate(guidance, batch)[c];
    guidance_gains(guidance, batch, row, k, gains);
    *ret_gain = (double)gains[k][z] - (old ? (double)gains[k][old] : 0);
    batch->state[row].count[old] = 0;
    batch->state[row].count[z] = k;
    batch_prepare(batch);
    *ret_change = guidance_evaluate(guidance, batch)[c] - before;
    batch->state[row] = kept;
    batch_prepare(batch);
}

static bool near(double a, double b, double part)
{
    return fabs(a - b) <= part * fabs(b) + 5e-5;
}

/* First order means: for a change of small effect, gain = difference of log p. The tables of
 * the guide by which the state enters are scaled down, so that every change is small. */
static void test_guidance__gains_are_the_first_order_change(void **state)
{
    (void)state;
    static struct fixture f;
    fixture_init(&f, MODEL_GUIDE);
    static const enum input_table tables[] = {INPUT_ELEMENT, INPUT_REPEAT, INPUT_COUNT,
                                              INPUT_COMPOSITION};
    for (size_t i = 0; i < 4; i++) {
        size_t from = f.checkpoint.model.network.inputs[tables[i]];
        for (size_t j = 0; j < (size_t)input_table_size(tables[i]) * WIDTH; j++)
            f.checkpoint.average[from + j] *= 0.02f;
    }
    struct buf bytes = {0};
    checkpoint_encode(&f.checkpoint, &bytes);
    struct guide *guide;
    assert_int_equal(guide_open(buf_span(&bytes), &guide, NULL), 0);
    struct targets targets = {.n = 2, .items = {{"p0", 0.2, 1.1, 1}, {"p1", 2, 5, 0.5}}};
    struct guidance *guidance;
    assert_int_equal(guidance_new(guide, &targets, 2, &guidance, NULL), 0);

    for (uint32_t c = 0; c < EXAMPLES; c++)
        memcpy(&f.batch.state[f.batch.first[c]], &f.clean[f.batch.first[c]],
               (f.batch.first[c + 1] - f.batch.first[c]) * sizeof *f.clean);
    batch_prepare(&f.batch);
    double change, gain;
    uint32_t substituted = 0;
    for (uint32_t row = 0; row < f.batch.n_rows; row++) /* every element by another */
        for (uint32_t old = 1; old < STATE_SIZE; old++) {
            if (f.batch.state[row].count[old] == 0)
                continue;
            change_row(guidance, &f.batch, row, old, 20, &change, &gain);
            assert_true(near(gain, change, 0.05));
            substituted++;
        }
    assert_true(substituted > 20);
    /* one atom more among 26: the mean over atoms thins by 4 % while it changes */
    change_row(guidance, &f.batch, f.batch.first[7] + 1, 0, 20, &change, &gain);
    assert_int_equal(f.batch.spacegroup[7], 47);
    assert_true(near(gain, change, 0.1));

    struct targets unknown = {.n = 1, .items = {{"gap", 0, 1, 1}}};
    struct err err;
    struct guidance *none = NULL;
    assert_int_equal(guidance_new(guide, &unknown, 1, &none, &err), ERR_INVALID);
    assert_string_equal(err.text, "no model for the target property 'gap'");
    assert_string_equal(err.hint, "the guide knows: p0, p1");
    guidance_free(guidance);
    guide_close(guide);
    buf_done(&bytes);
    fixture_done(&f);
}

/* ---- checkpoints and predictions ---- */

static void test_checkpoint__round_trip_is_the_same_bytes(void **state)
{
    (void)state;
    for (int role = 0; role < 2; role++) {
        static struct fixture f;
        fixture_init(&f, (enum model_role)role);
        f.checkpoint.step = 77;
        struct buf a = {0}, b = {0};
        struct checkpoint back;
        checkpoint_encode(&f.checkpoint, &a);
        assert_int_equal(checkpoint_decode(buf_span(&a), &back, NULL), 0);
        assert_int_equal(back.step, 77);
        checkpoint_encode(&back, &b);
        assert_int_equal(a.size, b.size);
        assert_memory_equal(a.data, b.data, a.size);
        checkpoint_done(&back);

        struct guide *guide = NULL;
        struct err err;
        if (role == MODEL_DENOISER) {
            assert_int_equal(guide_open(buf_span(&a), &guide, &err), ERR_INVALID);
            assert_string_equal(err.text, "checkpoint: this is a denoiser, not a guide");
        }
        a.data[a.size - 1] = 0x7f; /* the last weight becomes not finite */
        a.data[a.size - 2] = 0xc0;
        assert_int_equal(checkpoint_decode(buf_span(&a), &back, &err), ERR_NUMERIC);
        assert_int_equal(checkpoint_decode((struct span){a.data, a.size - 4}, &back, &err),
                         ERR_CORRUPT);
        buf_done(&a);
        buf_done(&b);
        fixture_done(&f);
    }
}

static void test_guide__prediction_does_not_depend_on_the_others(void **state)
{
    (void)state;
    static struct fixture f;
    fixture_init(&f, MODEL_GUIDE);
    struct buf bytes = {0};
    checkpoint_encode(&f.checkpoint, &bytes);
    struct guide *guide;
    assert_int_equal(guide_open(buf_span(&bytes), &guide, NULL), 0);
    const struct property *properties;
    assert_int_equal(guide_properties(guide, &properties), 2);
    assert_string_equal(properties[1].name, "p1");

    enum { N = 150 }; /* more than one pass */
    struct protostructure protos[N];
    double mean[N * 2], spread[N * 2], mean1[2], spread1[2];
    for (size_t i = 0; i < N; i++)
        protos[i] = example_proto(i);
    free(protos[70].sites);
    protos[70] = (struct protostructure){.spacegroup = 225}; /* nothing there */
    assert_int_equal(guide_predict(guide, protos, N, mean, spread, NULL), 0);
    for (uint32_t i = 0; i < N; i += 7) {
        assert_int_equal(guide_predict(guide, &protos[i], 1, mean1, spread1, NULL), 0);
        assert_memory_equal(mean1, mean + 2 * i, sizeof mean1);
        assert_memory_equal(spread1, spread + 2 * i, sizeof spread1);
        if (i == 70)
            assert_true(isnan(mean1[0]) && isnan(spread1[1]));
        else
            assert_true(isfinite(mean1[0]) && spread1[0] > 0);
    }
    assert_true(mean[0] != mean[2]);
    for (size_t i = 0; i < N; i++)
        free(protos[i].sites);
    guide_close(guide);
    buf_done(&bytes);
    fixture_done(&f);
}

static void test_network__impossible_shapes_are_refused(void **state)
{
    (void)state;
    struct err err;
    struct network_config config = {.width = 64, .layers = 2, .heads = 4};
    assert_int_equal(network_check(&config, &err), 0);
    config.width = 40;
    assert_int_equal(network_check(&config, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "width = 40 with heads = 4"));
    config.width = 64;
    config.layers = 0;
    assert_int_equal(network_check(&config, &err), ERR_INVALID);
    assert_string_equal(err.text, "layers = 0; 1 to 16 work");
    config.layers = 1;
    config.role = MODEL_GUIDE;
    assert_int_equal(network_check(&config, &err), ERR_INVALID);
}

int main(void)
{
    linear_threads_one();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_network__denoiser_gradient_agrees_with_differences),
        cmocka_unit_test(test_network__guide_gradient_agrees_with_differences),
        cmocka_unit_test(test_network__crystal_does_not_depend_on_its_batch),
        cmocka_unit_test(test_denoiser__untrained_is_the_independent_posterior),
        cmocka_unit_test(test_guidance__interval_is_stable_and_its_derivatives_agree),
        cmocka_unit_test(test_guidance__gains_are_the_first_order_change),
        cmocka_unit_test(test_checkpoint__round_trip_is_the_same_bytes),
        cmocka_unit_test(test_guide__prediction_does_not_depend_on_the_others),
        cmocka_unit_test(test_network__impossible_shapes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
