/* The task and the realizer: one candidate per sample, the same whatever the batch. */
#include "tests/support/cmocka.h"

#include "common/cleanup.h"
#include "tests/unit/tasks/realize_support.h"
#include "workers/crystal/structure.h"
#include "workers/realize/realizer.h"
#include "workers/task.h"

#include <math.h>

const struct task_kind task_kinds[] = {{"realize", 1, true, realize_run, "under test"}};
const uint32_t task_kinds_count = 1;

static const struct realize_options options_usual = {
    .seed = 5, .random_starts = 6, .relax_steps_max = 60, .templates_max = 4, .symprec = 0.1};

static struct protostructure proto_make(uint16_t group, const struct site *sites, uint16_t n)
{
    struct protostructure proto = {.spacegroup = group, .n_sites = n};
    proto.sites = mem_copy(sites, n * sizeof *sites);
    return proto;
}

/* Samples of every fate: template, random, merging into higher symmetry, impossible. */
static struct samples samples_make(void)
{
    struct samples samples = {.n = 5, .guided = true};
    samples.index = mem_new(samples.n, sizeof *samples.index);
    samples.protos = mem_new(samples.n, sizeof *samples.protos);
    for (uint32_t i = 0; i < samples.n; i++)
        samples.index[i] = 100 + i;
    /* RbCl, rock salt */
    samples.protos[0] = proto_make(225, (struct site[]){{0, 37}, {1, 17}}, 2);
    /* CsCl type: no template in the small set */
    samples.protos[1] = proto_make(221, (struct site[]){{0, 55}, {1, 17}}, 2);
    /* caesium on both positions is bcc */
    samples.protos[2] = proto_make(221, (struct site[]){{0, 55}, {1, 55}}, 2);
    /* GeO2, rutile */
    samples.protos[3] = proto_make(136, (struct site[]){{0, 32}, {5, 8}}, 2);
    /* anatase positions, no template: the height of oxygen and c/a are free */
    samples.protos[4] = proto_make(141, (struct site[]){{0, 22}, {4, 8}}, 2);
    return samples;
}

static void pack_options(struct buf *out, const struct realize_options *options)
{
    struct pack pack;
    pack_init(&pack, out);
    pack_map(&pack, 4);
    pack_key(&pack, "random_starts");
    pack_u64(&pack, options->random_starts);
    pack_key(&pack, "relax_steps_max");
    pack_u64(&pack, options->relax_steps_max);
    pack_key(&pack, "seed");
    pack_u64(&pack, options->seed);
    pack_key(&pack, "symprec");
    pack_f64(&pack, options->symprec);
}

static struct candidates run(const struct samples *samples, struct task_outputs *ret_outputs)
{
    struct dataset dataset = dataset_small();
    struct buf inputs[2] = {{0}}, params = {0};
    struct candidates candidates;
    struct err err = {0};
    dataset_encode(&dataset, &inputs[0]);
    samples_encode(samples, &inputs[1]);
    pack_options(&params, &options_usual);
    struct span spans[2] = {buf_span(&inputs[0]), buf_span(&inputs[1])};
    if (task_run_local("realize", buf_span(&params), spans, 2, ret_outputs, &err))
        fail_msg("realize: %s", err.text);
    assert_int_equal(ret_outputs->n, 1);
    assert_string_equal(ret_outputs->types[0], "candidates");
    if (candidates_decode(buf_span(&ret_outputs->bytes[0]), &candidates, &err))
        fail_msg("candidates: %s", err.text);
    buf_done(&inputs[0]);
    buf_done(&inputs[1]);
    buf_done(&params);
    dataset_done(&dataset);
    return candidates;
}

static void test_realize__every_sample_gets_its_candidate(void **state)
{
    (void)state;
    struct samples samples = samples_make();
    struct task_outputs outputs;
    struct candidates made = run(&samples, &outputs);
    assert_int_equal(made.n, 5);
    for (uint32_t i = 0; i < made.n; i++) {
        assert_int_equal(made.items[i].sample, 100 + i);
        assert_true(made.items[i].guided);
        if (i == 2)
            continue;
        if (!made.items[i].valid)
            fail_msg("sample %u: %s", i, made.items[i].reason);
        protostructure_canonicalize(&samples.protos[i]);
        assert_true(protostructure_equal(&made.items[i].record.proto, &samples.protos[i]));
        assert_true(made.items[i].distance_min > 1);
        assert_true(isfinite(made.items[i].pair_energy));
        assert_int_equal(made.items[i].satisfied_exact, VERDICT_UNKNOWN);
        struct hash id = record_structure_id(&made.items[i].record);
        assert_true(hash_equal(&id, &made.items[i].id));
    }
    assert_int_equal(made.items[0].geometry, GEOMETRY_TEMPLATE);
    assert_string_equal(made.items[0].template_id, "KCl");
    assert_int_equal(made.items[1].geometry, GEOMETRY_RANDOM);
    assert_int_equal(made.items[3].geometry, GEOMETRY_TEMPLATE);
    assert_int_equal(made.items[4].geometry, GEOMETRY_RANDOM);
    candidates_done(&made);
    task_outputs_done(&outputs);
    samples_done(&samples);
}

static void test_realize__says_which_higher_symmetry_it_reached(void **state)
{
    (void)state;
    struct samples samples = samples_make();
    struct task_outputs outputs;
    struct candidates made = run(&samples, &outputs);
    assert_false(made.items[2].valid);
    assert_int_equal(made.items[2].geometry, GEOMETRY_NONE);
    assert_string_equal(made.items[2].reason,
                        "higher symmetry: A_cI2_229_a:Cs (asked A_cP2_221_ab:Cs)");
    struct document *document;
    uint64_t n;
    assert_int_equal(
        document_parse(buf_span(&outputs.summary), &value_limits_message, &document, NULL), 0);
    struct value map = document_root(document);
    static const struct {
        const char *key;
        uint64_t value;
    } wanted[] = {
        {"realized", 4}, {"template", 2}, {"random", 2}, {"higher_symmetry", 1}, {"failed", 0}};
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        assert_int_equal(
            value_u64(value_get(map, wanted[i].key), wanted[i].key, 0, UINT64_MAX, &n, NULL),
            0);
        assert_int_equal(n, wanted[i].value);
    }
    document_free(document);
    candidates_done(&made);
    task_outputs_done(&outputs);
    samples_done(&samples);
}

static struct hash candidate_bytes(const struct candidate *candidate)
{
    struct candidates one = {.n = 1};
    struct buf bytes = {0};
    one.items = (struct candidate *)candidate;
    candidates_encode(&one, &bytes);
    struct hash hash = hash_bytes(buf_span(&bytes));
    buf_done(&bytes);
    return hash;
}

/* Batches of one in reverse order give the same bytes as one batch of all. */
static void test_realize__batch_and_order_change_nothing(void **state)
{
    (void)state;
    struct samples samples = samples_make();
    struct task_outputs outputs, outputs_one;
    struct candidates all = run(&samples, &outputs);
    for (uint32_t i = samples.n; i-- > 0;) {
        struct samples one = {
            .n = 1, .index = &samples.index[i], .protos = &samples.protos[i], .guided = true};
        struct candidates single = run(&one, &outputs_one);
        struct hash a = candidate_bytes(&all.items[i]), b = candidate_bytes(&single.items[0]);
        assert_true(hash_equal(&a, &b));
        candidates_done(&single);
        task_outputs_done(&outputs_one);
    }
    candidates_done(&all);
    task_outputs_done(&outputs);
    samples_done(&samples);
}

/* The seed and the sample number name the random starts, nothing else does. */
static void test_realize__sample_number_names_the_random_start(void **state)
{
    (void)state;
    struct dataset dataset = dataset_small();
    struct realize_options options = options_usual;
    options.relax_steps_max = 0;
    options.random_starts = 1;
    struct realizer *realizer = realizer_new(&dataset, &options);
    struct protostructure proto = proto_make(205, (struct site[]){{0, 26}, {2, 16}}, 2);
    struct candidate a, b, c;
    (void)realizer_run(realizer, 1, &proto, &a);
    (void)realizer_run(realizer, 2, &proto, &b);
    (void)realizer_run(realizer, 1, &proto, &c);
    assert_true(hash_equal(&a.id, &c.id));
    assert_false(hash_equal(&a.id, &b.id));
    candidate_done(&a);
    candidate_done(&b);
    candidate_done(&c);
    protostructure_done(&proto);
    realizer_free(realizer);
    dataset_done(&dataset);
}

/* What no crystal can be gets a sentence, and the next sample is served. */
static void test_realize__impossible_sample_is_a_reason(void **state)
{
    (void)state;
    struct dataset dataset = dataset_small();
    struct realizer *realizer = realizer_new(&dataset, &options_usual);
    struct candidate made;
    struct site twice[] = {{0, 11}, {0, 17}};
    struct protostructure proto = proto_make(225, twice, 2);
    assert_int_equal(realizer_run(realizer, 1, &proto, &made), OUTCOME_FAILED);
    assert_false(made.valid);
    assert_true(strlen(made.reason) > 10);
    candidate_done(&made);
    protostructure_done(&proto);

    struct site many[9];
    for (uint8_t i = 0; i < 9; i++)
        many[i] = (struct site){11, (uint8_t)(8 + i)}; /* 225 l: 192 atoms each */
    proto = proto_make(225, many, 9);
    assert_int_equal(realizer_run(realizer, 2, &proto, &made), OUTCOME_FAILED);
    assert_non_null(strstr(made.reason, "1728 atoms in the conventional cell"));
    candidate_done(&made);
    protostructure_done(&proto);

    proto = proto_make(225, (struct site[]){{0, 37}, {1, 17}}, 2);
    assert_int_equal(realizer_run(realizer, 3, &proto, &made), OUTCOME_REALIZED);
    candidate_done(&made);
    protostructure_done(&proto);
    realizer_free(realizer);
    dataset_done(&dataset);
}

static void test_realize__bad_params_are_refused(void **state)
{
    (void)state;
    struct dataset dataset = dataset_small();
    struct samples samples = samples_make();
    struct buf inputs[2] = {{0}};
    dataset_encode(&dataset, &inputs[0]);
    samples_encode(&samples, &inputs[1]);
    struct span spans[2] = {buf_span(&inputs[0]), buf_span(&inputs[1])};
    for (int k = 0; k < 3; k++) {
        struct realize_options bad = options_usual;
        struct task_outputs outputs = {0};
        struct buf params = {0};
        struct err err = {0};
        if (k == 0)
            bad.symprec = 0;
        else if (k == 1)
            bad.random_starts = REALIZE_STARTS_MAX + 1;
        else
            bad.relax_steps_max = REALIZE_STEPS_MAX + 1;
        pack_options(&params, &bad);
        assert_int_not_equal(
            task_run_local("realize", buf_span(&params), spans, 2, &outputs, &err), 0);
        assert_non_null(strstr(
            err.text, (const char *[]){"symprec", "random_starts", "relax_steps_max"}[k]));
        task_outputs_done(&outputs);
        buf_done(&params);
    }
    buf_done(&inputs[0]);
    buf_done(&inputs[1]);
    samples_done(&samples);
    dataset_done(&dataset);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_realize__every_sample_gets_its_candidate),
        cmocka_unit_test(test_realize__says_which_higher_symmetry_it_reached),
        cmocka_unit_test(test_realize__batch_and_order_change_nothing),
        cmocka_unit_test(test_realize__sample_number_names_the_random_start),
        cmocka_unit_test(test_realize__impossible_sample_is_a_reason),
        cmocka_unit_test(test_realize__bad_params_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
