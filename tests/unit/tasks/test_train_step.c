/* Does train-step learn, give the same bits in pieces as in one, and refuse what cannot be? */
#include "tests/unit/tasks/model_support.h"

#include "workers/diffusion/guide.h"
#include "workers/diffusion/model.h"

#include <jansson.h>

const struct task_kind task_kinds[] = {
    {.name = "train-step", .revision = 1, .floats = true, .run = train_step_run}};
const uint32_t task_kinds_count = 1;

static void check_pieces(const char *role)
{
    struct buf dataset = dataset_bytes(5);
    struct train_request whole = train_default, piece = train_default;
    whole.role = piece.role = role;
    whole.steps = 14;
    piece.steps = 7;
    struct task_outputs all = {0}, first = {0}, second = {0};
    assert_int_equal(run_train(&whole, buf_span(&dataset), (struct span){0}, &all, NULL), 0);
    assert_int_equal(run_train(&piece, buf_span(&dataset), (struct span){0}, &first, NULL), 0);
    piece.step_begin = 7;
    assert_int_equal(
        run_train(&piece, buf_span(&dataset), buf_span(&first.bytes[0]), &second, NULL), 0);
    assert_string_equal(all.types[0], "checkpoint");
    assert_string_equal(all.types[1], "metrics");
    assert_int_equal(all.n, 2);
    assert_int_equal(all.bytes[0].size, second.bytes[0].size);
    assert_memory_equal(all.bytes[0].data, second.bytes[0].data, all.bytes[0].size);
    task_outputs_done(&all);
    task_outputs_done(&first);
    task_outputs_done(&second);
    buf_done(&dataset);
}

static void test_train_step__pieces_give_the_bits_of_the_whole(void **state)
{
    (void)state;
    check_pieces("denoiser");
    check_pieces("guide");
}

static double metric(const struct task_outputs *out, const char *key)
{
    json_t *metrics = json_loadb((const char *)out->bytes[1].data, out->bytes[1].size, 0, NULL);
    double value = json_number_value(json_object_get(metrics, key));
    json_decref(metrics);
    return value;
}

/* Loss of the first and the last ten steps, and of validation. */
static void learn(const char *role, uint64_t steps, double ret_loss[3],
                  struct task_outputs *out)
{
    struct buf dataset = dataset_bytes(8);
    struct train_request request = train_default;
    struct err err = {0};
    request.role = role;
    request.steps = request.steps_total = steps;
    if (run_train(&request, buf_span(&dataset), (struct span){0}, out, &err) != 0)
        fail_msg("%s", err.text);
    json_t *metrics = json_loadb((const char *)out->bytes[1].data, out->bytes[1].size, 0, NULL);
    const json_t *curve = json_object_get(metrics, "curve");
    size_t n = json_array_size(curve);
    assert_int_equal(n, steps / 10);
    ret_loss[0] = json_number_value(json_object_get(json_array_get(curve, 0), "loss"));
    ret_loss[1] = json_number_value(json_object_get(json_array_get(curve, n - 1), "loss"));
    ret_loss[2] = json_number_value(json_object_get(metrics, "loss_validation"));
    json_decref(metrics);
    buf_done(&dataset);
}

/* Validation records are copies of training records here, so learning must show there, too. */
static void test_train_step__denoiser_learns(void **state)
{
    (void)state;
    struct task_outputs out = {0};
    double loss[3];
    learn("denoiser", 120, loss, &out);
    assert_true(loss[1] < 0.7 * loss[0]);
    assert_true(loss[2] < 0.8 * loss[0]);
    assert_true(metric(&out, "records_train") == 48);
    assert_true(metric(&out, "records_validation") == 16);
    assert_true(metric(&out, "step") == 120);
    task_outputs_done(&out);
}

static void test_train_step__guide_learns_and_predicts(void **state)
{
    (void)state;
    struct task_outputs out = {0};
    double loss[3];
    learn("guide", 250, loss, &out);
    assert_true(loss[1] < loss[0] - 0.5);
    struct guide *guide;
    const struct property *properties;
    assert_int_equal(guide_open(buf_span(&out.bytes[0]), &guide, NULL), 0);
    assert_int_equal(guide_properties(guide, &properties), 2);
    assert_string_equal(properties[1].unit, "eV");
    for (size_t i = 1; i < EXAMPLES; i++) {
        struct protostructure proto = example_proto(i);
        double mean[2], spread[2];
        assert_int_equal(guide_predict(guide, &proto, 1, mean, spread, NULL), 0);
        assert_true(fabs(mean[0] - proto.n_sites) < 1); /* 2 to 6 sites */
        assert_true(fabs(mean[1] - 0.5 * (double)i) < 1);
        assert_true(spread[0] > 0 && spread[0] < 2);
        free(proto.sites);
    }
    guide_close(guide);
    task_outputs_done(&out);
}

static void expect_error(const struct train_request *request, struct span checkpoint, int rc,
                         const char *text)
{
    struct buf dataset = dataset_bytes(5);
    struct task_outputs out = {0};
    struct err err = {0};
    assert_int_equal(run_train(request, buf_span(&dataset), checkpoint, &out, &err), rc);
    if (!strstr(err.text, text))
        fail_msg("'%s' is not in '%s'", text, err.text);
    task_outputs_done(&out);
    buf_done(&dataset);
}

static void test_train_step__impossible_requests_are_refused_with_a_reason(void **state)
{
    (void)state;
    struct train_request r = train_default;
    r.role = "dreamer";
    expect_error(&r, (struct span){0}, ERR_INVALID,
                 "train-step: role 'dreamer'; there are denoiser and guide");
    r = train_default;
    r.width = 36;
    expect_error(&r, (struct span){0}, ERR_INVALID, "width = 36 with heads = 2");
    r = train_default;
    r.learning_rate = (double)NAN;
    expect_error(&r, (struct span){0}, ERR_INVALID, "learning_rate = nan");
    r = train_default;
    r.role = "guide";
    r.property = "hardness";
    expect_error(&r, (struct span){0}, ERR_INVALID, "the data set has no property 'hardness'");
    r = train_default;
    r.step_begin = 20;
    expect_error(&r, (struct span){0}, ERR_INVALID,
                 "1 inputs; want a data set and the checkpoint of the step before");
}

static void test_train_step__another_checkpoint_is_refused(void **state)
{
    (void)state;
    struct buf dataset = dataset_bytes(5);
    struct train_request r = train_default;
    r.steps = 2;
    struct buf checkpoint = trained(&r, buf_span(&dataset));
    r.step_begin = 3;
    expect_error(&r, buf_span(&checkpoint), ERR_INVALID, "the checkpoint is of step 2, not 3");
    r.step_begin = 2;
    r.layers = 3;
    expect_error(&r, buf_span(&checkpoint), ERR_INVALID,
                 "the checkpoint is a denoiser of width 32, 2 layers");
    r.layers = 2;
    r.role = "guide";
    expect_error(&r, buf_span(&checkpoint), ERR_INVALID, "asked for is a guide");
    expect_error(&r, (struct span){checkpoint.data, checkpoint.size / 2}, ERR_CORRUPT,
                 "checkpoint: ");
    buf_done(&checkpoint);
    buf_done(&dataset);
}

static void test_train_step__loss_that_is_not_finite_stops_with_a_sentence(void **state)
{
    (void)state;
    struct buf dataset = dataset_bytes(5), bytes = {0};
    struct train_request r = train_default;
    r.steps = 2;
    struct buf good = trained(&r, buf_span(&dataset));
    struct checkpoint checkpoint;
    assert_int_equal(checkpoint_decode(buf_span(&good), &checkpoint, NULL), 0);
    for (size_t i = 0; i < checkpoint.model.tensors.size; i++)
        checkpoint.weights[i] *= 1e37f;
    checkpoint_encode(&checkpoint, &bytes);
    r.step_begin = 2;
    expect_error(&r, buf_span(&bytes), ERR_NUMERIC,
                 "train-step: step 2: the loss is not finite");
    checkpoint_done(&checkpoint);
    buf_done(&bytes);
    buf_done(&good);
    buf_done(&dataset);
}

static void test_train_step__data_without_use_is_refused(void **state)
{
    (void)state;
    struct dataset dataset = example_dataset(1);
    for (uint32_t i = 0; i < dataset.n_records; i++)
        dataset.splits[i] = SPLIT_VALIDATION;
    struct buf bytes = {0};
    dataset_encode(&dataset, &bytes);
    struct task_outputs out = {0};
    struct err err;
    assert_int_equal(run_train(&train_default, buf_span(&bytes), (struct span){0}, &out, &err),
                     ERR_INVALID);
    assert_string_equal(err.text, "train-step: the data set has no record to train on");
    task_outputs_done(&out);
    dataset_done(&dataset);
    buf_done(&bytes);
}

/* 13 oxygen orbits on one free position are more than a state counts. */
static void test_train_step__records_that_no_state_holds_are_left_out(void **state)
{
    (void)state;
    struct dataset dataset = example_dataset(5);
    struct protostructure *proto = &dataset.records[0].proto;
    assert_int_equal(proto->spacegroup, 225);
    proto->spacegroup = 1;
    proto->n_sites = 13;
    proto->sites = mem_resize(proto->sites, 13, sizeof *proto->sites);
    dataset.records[0].free = mem_resize(dataset.records[0].free, 13, 3 * sizeof(double));
    for (int i = 0; i < 13; i++) {
        proto->sites[i] = (struct site){0, 8};
        for (int x = 0; x < 3; x++)
            dataset.records[0].free[i][x] = 0.05 * i;
    }
    struct buf bytes = {0};
    dataset_encode(&dataset, &bytes);
    struct task_outputs out = {0};
    struct train_request r = train_default;
    r.steps = 1;
    assert_int_equal(run_train(&r, buf_span(&bytes), (struct span){0}, &out, NULL), 0);
    assert_true(metric(&out, "records_left_out") == 1);
    assert_true(metric(&out, "records_train") == 31);
    task_outputs_done(&out);
    dataset_done(&dataset);
    buf_done(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_train_step__pieces_give_the_bits_of_the_whole),
        cmocka_unit_test(test_train_step__denoiser_learns),
        cmocka_unit_test(test_train_step__guide_learns_and_predicts),
        cmocka_unit_test(test_train_step__impossible_requests_are_refused_with_a_reason),
        cmocka_unit_test(test_train_step__another_checkpoint_is_refused),
        cmocka_unit_test(test_train_step__loss_that_is_not_finite_stops_with_a_sentence),
        cmocka_unit_test(test_train_step__data_without_use_is_refused),
        cmocka_unit_test(test_train_step__records_that_no_state_holds_are_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
