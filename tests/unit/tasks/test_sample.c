/* Does sample keep its promises: hard constraints, independence of the batch, an answer to
 * targets, and sentences for what cannot be? */
#include "tests/unit/tasks/model_support.h"

#include "workers/crystal/structure.h"

const struct task_kind task_kinds[] = {
    {.name = "train-step", .revision = 1, .floats = true, .run = train_step_run},
    {.name = "sample", .revision = 1, .floats = true, .run = sample_run},
};
const uint32_t task_kinds_count = 2;

struct fixture {
    struct buf dataset, denoiser, guide;
};

static int setup(void **state)
{
    static struct fixture f;
    struct train_request r = train_default;
    f.dataset = dataset_bytes(8);
    r.steps = r.steps_total = 100;
    f.denoiser = trained(&r, buf_span(&f.dataset));
    r.role = "guide";
    r.steps = r.steps_total = 200;
    f.guide = trained(&r, buf_span(&f.dataset));
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    buf_done(&f->dataset);
    buf_done(&f->denoiser);
    buf_done(&f->guide);
    return 0;
}

struct request {
    uint64_t atoms_max, count, first, steps, seed, n_elements, n_spacegroups;
    uint64_t elements[4], spacegroups[4];
    double guidance;
    struct targets targets;
};

static const struct request plain = {.atoms_max = 200, .count = 40, .steps = 10, .seed = 3};

static int run_sample(const struct fixture *f, const struct request *r, struct samples *ret,
                      struct err *err)
{
    struct buf params = {0};
    struct pack pack;
    pack_init(&pack, &params);
    pack_map(&pack, 9);
    put_u64(&pack, "atoms_max", r->atoms_max);
    put_u64(&pack, "count", r->count);
    pack_key(&pack, "elements");
    pack_array(&pack, (uint32_t)r->n_elements);
    for (uint64_t i = 0; i < r->n_elements; i++)
        pack_u64(&pack, r->elements[i]);
    put_u64(&pack, "first", r->first);
    put_f64(&pack, "guidance", r->guidance);
    put_u64(&pack, "sample_steps", r->steps);
    put_u64(&pack, "seed", r->seed);
    pack_key(&pack, "spacegroups");
    pack_array(&pack, (uint32_t)r->n_spacegroups);
    for (uint64_t i = 0; i < r->n_spacegroups; i++)
        pack_u64(&pack, r->spacegroups[i]);
    pack_key(&pack, "targets");
    targets_pack(&pack, &r->targets);
    struct span inputs[3] = {buf_span(&f->dataset), buf_span(&f->denoiser),
                             buf_span(&f->guide)};
    struct task_outputs out = {0};
    int rc = task_run_local("sample", buf_span(&params), inputs, 3, &out, err);
    if (rc == 0) {
        assert_int_equal(out.n, 1);
        assert_string_equal(out.types[0], "samples");
        rc = samples_decode(buf_span(&out.bytes[0]), ret, err);
    }
    task_outputs_done(&out);
    buf_done(&params);
    return rc;
}

static struct samples drawn(const struct fixture *f, const struct request *r)
{
    struct samples samples = {0};
    struct err err = {0};
    if (run_sample(f, r, &samples, &err) != 0)
        fail_msg("%s", err.text);
    return samples;
}

static struct request guided(void)
{
    struct request r = plain;
    r.guidance = 2;
    r.targets = (struct targets){.n = 1, .items = {{"sites", 4.5, (double)INFINITY, 1}}};
    return r;
}

static void test_sample__all_are_valid_and_numbered(void **state)
{
    struct samples samples = drawn(*state, &plain);
    assert_true(samples.n > 35 && samples.n <= 40);
    assert_false(samples.guided);
    for (uint32_t i = 0; i < samples.n; i++) {
        assert_int_equal(protostructure_check(&samples.protos[i], NULL), 0);
        assert_true(samples.index[i] < 40 &&
                    (i == 0 || samples.index[i] > samples.index[i - 1]));
    }
    samples_done(&samples);
}

/* The same sample number, drawn alone, among others, and from another first number. */
static void check_alone(const struct fixture *f, struct request r)
{
    struct samples all = drawn(f, &r);
    for (uint32_t i = 0; i < all.n; i += 9) {
        r.count = 1;
        r.first = all.index[i];
        struct samples one = drawn(f, &r);
        assert_int_equal(one.n, 1);
        assert_int_equal(one.index[0], all.index[i]);
        assert_true(protostructure_equal(&one.protos[0], &all.protos[i]));
        samples_done(&one);
    }
    samples_done(&all);
}

static void test_sample__does_not_depend_on_its_batch(void **state)
{
    struct request many = plain;
    many.count = 150; /* more than one pass */
    check_alone(*state, many);
    check_alone(*state, guided());
}

static void test_sample__seed_and_number_make_the_sample(void **state)
{
    struct request other = plain;
    struct samples a = drawn(*state, &plain), b = drawn(*state, &plain);
    other.seed = 4;
    struct samples c = drawn(*state, &other);
    uint32_t same = 0;
    assert_int_equal(a.n, b.n);
    for (uint32_t i = 0; i < a.n; i++) {
        assert_true(protostructure_equal(&a.protos[i], &b.protos[i]));
        same += i < c.n && protostructure_equal(&a.protos[i], &c.protos[i]);
    }
    assert_true(same < a.n / 2);
    samples_done(&a);
    samples_done(&b);
    samples_done(&c);
}

static void check_constraints(const struct fixture *f, struct request r)
{
    r.n_elements = 3;
    r.elements[0] = 8;
    r.elements[1] = 22;
    r.elements[2] = 38;
    r.n_spacegroups = 3;
    r.spacegroups[0] = 62;
    r.spacegroups[1] = 136;
    r.spacegroups[2] = 2; /* not in the data: half a record's weight */
    r.atoms_max = 12;
    r.count = 200;
    struct samples samples = drawn(f, &r);
    assert_true(samples.n > 100);
    for (uint32_t i = 0; i < samples.n; i++) {
        const struct protostructure *proto = &samples.protos[i];
        assert_true(proto->spacegroup == 62 || proto->spacegroup == 136 ||
                    proto->spacegroup == 2);
        assert_in_range(protostructure_atoms(proto), 1, 12);
        for (uint32_t s = 0; s < proto->n_sites; s++)
            assert_true(proto->sites[s].element == 8 || proto->sites[s].element == 22 ||
                        proto->sites[s].element == 38);
    }
    samples_done(&samples);
}

static void test_sample__hard_constraints_are_never_violated(void **state)
{
    check_constraints(*state, plain);
    struct request r = guided();
    r.guidance = 20; /* however strong the wish */
    check_constraints(*state, r);
}

/* A target so far off that the likeliest group's weight would underflow: groups that were not
 * asked for must stay without any weight (0 times infinity is none). */
static void test_sample__far_targets_leave_other_groups_out(void **state)
{
    struct request r = guided();
    r.guidance = 1000; /* the most that is allowed */
    r.targets.items[0].low = 1000;
    r.targets.items[0].high = 2000;
    check_constraints(*state, r);
}

static double mean_sites(const struct samples *samples)
{
    double sum = 0;
    for (uint32_t i = 0; i < samples->n; i++)
        sum += samples->protos[i].n_sites;
    return sum / samples->n;
}

/* The guide was trained on the number of sites, 2 to 6; the target asks for 5 and more. */
static void test_sample__guidance_moves_towards_the_target(void **state)
{
    struct request free = plain, r = guided();
    free.count = r.count = 100;
    struct samples without = drawn(*state, &free), with = drawn(*state, &r);
    assert_true(with.guided);
    assert_true(mean_sites(&with) > mean_sites(&without) + 0.5);
    samples_done(&without);
    samples_done(&with);
}

/* Strength 0 is the unguided sampler, whatever the targets. */
static void test_sample__no_strength_no_guidance(void **state)
{
    struct request r = guided();
    r.guidance = 0;
    struct samples a = drawn(*state, &r), b = drawn(*state, &plain);
    assert_int_equal(a.n, b.n);
    for (uint32_t i = 0; i < a.n; i++)
        assert_true(protostructure_equal(&a.protos[i], &b.protos[i]));
    samples_done(&a);
    samples_done(&b);
}

static void expect_error(const struct fixture *f, const struct request *r, int rc,
                         const char *text)
{
    struct samples samples = {0};
    struct err err = {0};
    assert_int_equal(run_sample(f, r, &samples, &err), rc);
    if (!strstr(err.text, text))
        fail_msg("'%s' is not in '%s'", text, err.text);
}

static void test_sample__impossible_requests_are_refused_with_a_reason(void **state)
{
    struct fixture *f = *state, swapped = {f->dataset, f->guide, f->denoiser};
    struct request r = plain;
    r.steps = 41;
    expect_error(f, &r, ERR_INVALID,
                 "sample: sample_steps = 41; the denoiser has 40 timesteps");
    r = guided();
    (void)snprintf(r.targets.items[0].property, PROPERTY_NAME_SIZE, "taste");
    expect_error(f, &r, ERR_INVALID, "no model for the target property 'taste'");
    r = plain;
    r.n_elements = 1;
    r.elements[0] = 79;
    expect_error(f, &r, ERR_INVALID,
                 "none of the allowed elements occurs in the training data");
    r = plain;
    r.n_spacegroups = 1;
    r.spacegroups[0] = 227;
    r.atoms_max = 4; /* its smallest position has 8 */
    expect_error(f, &r, ERR_INVALID, "at most 4 atoms fit no position");
    r = plain;
    expect_error(&swapped, &r, ERR_INVALID, "this is a guide, not a denoiser");
    r.guidance = -1;
    expect_error(f, &r, ERR_INVALID, "guidance = -1; 0 to 1000 work");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sample__all_are_valid_and_numbered),
        cmocka_unit_test(test_sample__does_not_depend_on_its_batch),
        cmocka_unit_test(test_sample__seed_and_number_make_the_sample),
        cmocka_unit_test(test_sample__hard_constraints_are_never_violated),
        cmocka_unit_test(test_sample__far_targets_leave_other_groups_out),
        cmocka_unit_test(test_sample__guidance_moves_towards_the_target),
        cmocka_unit_test(test_sample__no_strength_no_guidance),
        cmocka_unit_test(test_sample__impossible_requests_are_refused_with_a_reason),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
