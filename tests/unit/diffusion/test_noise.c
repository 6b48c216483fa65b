/* Does the forward process have the closed forms that noise.h promises, and does the posterior
 * invert it? */
#include "tests/support/cmocka.h"

#include <math.h>

#include "tests/unit/diffusion/crystals.h"
#include "workers/diffusion/noise.h"

enum { D = 5 };
static const float marginal[D] = {0.5f, 0.2f, 0.15f, 0.1f, 0.05f};

static struct noise fitted(void)
{
    struct dataset dataset = example_dataset(4);
    struct noise noise;
    assert_int_equal(noise_fit(&dataset, 100, &noise, NULL), 0);
    dataset_done(&dataset);
    return noise;
}

static void test_noise__schedule_falls_from_one_to_nearly_nothing(void **state)
{
    (void)state;
    struct noise noise = {.timesteps = 100};
    assert_true(fabs(noise_alpha_bar(&noise, 0) - 1) < 1e-12);
    for (uint32_t t = 1; t <= 100; t++)
        assert_true(noise_alpha_bar(&noise, t) < noise_alpha_bar(&noise, t - 1));
    assert_true(noise_alpha_bar(&noise, 100) <= 1e-5);
}

static double q(uint32_t to, uint32_t from, double a)
{
    return a * (to == from) + (1 - a) * (double)marginal[to];
}

/* Two short steps are one long step. */
static void test_noise__steps_compose(void **state)
{
    (void)state;
    for (uint32_t from = 0; from < D; from++)
        for (uint32_t to = 0; to < D; to++) {
            double sum = 0;
            for (uint32_t k = 0; k < D; k++)
                sum += q(k, from, 0.7) * q(to, k, 0.6);
            assert_true(fabs(sum - q(to, from, 0.42)) < 1e-7); /* marginal is float */
        }
}

static void test_noise__samples_have_the_closed_form(void **state)
{
    (void)state;
    enum { N = 100000 };
    int counts[D] = {0}, prior[D] = {0};
    struct rng rng = rng_stream(1, 2, 3, 4);
    for (int i = 0; i < N; i++) {
        counts[noise_q_sample(marginal, D, 2, 0.4, &rng)]++;
        prior[noise_prior(marginal, D, &rng)]++;
    }
    for (uint32_t k = 0; k < D; k++) { /* five standard errors */
        double p = q(k, 2, 0.4), m = (double)marginal[k];
        assert_true(fabs(counts[k] - N * p) < 5 * sqrt(N * p * (1 - p)));
        assert_true(fabs(prior[k] - N * m) < 5 * sqrt(N * m * (1 - m)));
    }
}

/* Against Bayes' rule written out: q(x_s | x_t, x_0) = q(x_t | x_s) q(x_s | x_0) / q(x_t |
 * x_0). */
static void test_noise__posterior_is_bayes_rule(void **state)
{
    (void)state;
    static const float p_x0[D] = {0.1f, 0.3f, 0, 0.4f, 0.2f};
    static const double pairs[][2] = {{0.3, 0.5}, {1e-6, 0.2}, {0.5, 1}, {0.9, 0.95}};
    for (size_t i = 0; i < 4; i++)
        for (uint32_t xt = 0; xt < D; xt++) {
            double ab_t = pairs[i][0], ab_s = pairs[i][1], sum = 0;
            float p[D];
            noise_posterior(p, p_x0, marginal, D, xt, ab_t, ab_s);
            for (uint32_t k = 0; k < D; k++) {
                double want = 0;
                for (uint32_t x0 = 0; x0 < D; x0++)
                    want += (double)p_x0[x0] * q(xt, k, ab_t / ab_s) * q(k, x0, ab_s) /
                            q(xt, x0, ab_t);
                assert_true(fabs(want - (double)p[k]) < 1e-6);
                sum += (double)p[k];
            }
            assert_true(fabs(sum - 1) < 1e-6);
        }
}

/* The last step lands on the prediction itself. */
static void test_noise__posterior_at_zero_is_the_prediction(void **state)
{
    (void)state;
    static const float p_x0[D] = {0.1f, 0.3f, 0, 0.4f, 0.2f};
    float p[D];
    noise_posterior(p, p_x0, marginal, D, 2, 0.3, 1);
    for (int k = 0; k < D; k++)
        assert_true(fabsf(p[k] - p_x0[k]) < 1e-6f);
}

static void test_noise__draw_skips_categories_without_weight(void **state)
{
    (void)state;
    static const float weights[4] = {0, 1e-30f, 0, 0};
    struct rng rng = rng_stream(1, 0, 0, 0);
    for (int i = 0; i < 100; i++)
        assert_int_equal(noise_draw(weights, 4, &rng), 1);
}

static void test_noise__marginals_are_those_of_the_data(void **state)
{
    (void)state;
    struct noise noise = fitted();
    const struct spacegroup *nacl = spacegroup_get(225);
    float m[STATE_SIZE], sum = 0;
    noise_marginal_fixed(&noise, nacl->position_first, m);
    for (int z = 0; z < STATE_SIZE; z++)
        sum += m[z];
    assert_true(fabsf(sum - 1) < 1e-5f);
    assert_true(m[0] < 0.5f && m[11] > 0 && m[79] == 0); /* a is occupied; no gold anywhere */
    noise_marginal_fixed(&noise, nacl->position_first + 2u, m);
    assert_true(m[0] > 0.5f); /* c is empty */
    float repeats = 0;
    for (int k = 1; k < COUNTS; k++)
        repeats += noise.repeat[3][k];
    assert_true(fabsf(repeats - 1) < 1e-5f && noise.repeat[3][3] > noise.repeat[3][5]);
    const struct spacegroup *p1 = spacegroup_get(1);
    assert_true(noise_marginal_present(&noise, p1->position_first, 8) > 0.05f);
    assert_true(noise_marginal_present(&noise, p1->position_first, 8) <= PRESENT_MAX);
    assert_true(noise_marginal_present(&noise, p1->position_first, 79) == 0);
}

static void test_noise__restriction_holds_and_nothing_left_is_an_error(void **state)
{
    (void)state;
    struct noise noise = fitted();
    uint8_t allowed[STATE_SIZE] = {[8] = 1, [38] = 1}, gold[STATE_SIZE] = {[79] = 1};
    assert_int_equal(noise_restrict(&noise, allowed, NULL), 0);
    struct row_state rows[POSITIONS_MAX], noisy[POSITIONS_MAX];
    const struct spacegroup *group = spacegroup_get(62);
    struct rng rng = rng_stream(1, 2, 3, 0);
    int atoms = 0;
    for (int i = 0; i < 200; i++) {
        noise_prior_crystal(&noise, group, rows, &rng);
        noise_q_sample_crystal(&noise, group, rows, 0.5, noisy, &rng);
        for (size_t p = 0; p < group->n_positions; p++)
            for (size_t z = 0; z < STATE_SIZE; z++) {
                if (z != 8 && z != 38)
                    assert_int_equal(noisy[p].count[z], 0);
                atoms += noisy[p].count[z];
            }
    }
    assert_true(atoms > 100);
    struct err err;
    assert_int_equal(noise_restrict(&noise, gold, &err), ERR_INVALID);
    assert_string_equal(err.text, "none of the allowed elements occurs in the training data");
}

static void test_noise__crystal_keeps_x0_without_noise_and_its_rng_decides(void **state)
{
    (void)state;
    struct noise noise = fitted();
    struct protostructure proto = example_proto(6), back;
    const struct spacegroup *group = spacegroup_get(proto.spacegroup);
    struct row_state x0[POSITIONS_MAX], a[POSITIONS_MAX], b[POSITIONS_MAX];
    assert_true(state_from_protostructure(x0, &proto));
    struct rng rng = rng_stream(1, 0, 0, 0), r1 = rng_stream(5, 0, 0, 0), r2 = r1;
    noise_q_sample_crystal(&noise, group, x0, 1, a, &rng);
    assert_memory_equal(a, x0, sizeof x0[0] * group->n_positions);
    noise_q_sample_crystal(&noise, group, x0, 0.1, a, &r1);
    noise_q_sample_crystal(&noise, group, x0, 0.1, b, &r2);
    assert_memory_equal(a, b, sizeof a[0] * group->n_positions);
    state_to_protostructure(x0, group, &back);
    assert_int_equal(back.n_sites, proto.n_sites);
    assert_memory_equal(back.sites, proto.sites, proto.n_sites * sizeof *proto.sites);
    assert_int_equal(state_atoms(x0, group), 6);
    free(proto.sites);
    free(back.sites);
}

static void test_state__too_many_copies_are_refused(void **state)
{
    (void)state;
    struct site sites[COUNT_MAX + 1] = {{0, 8}};
    struct protostructure proto = {.spacegroup = 1, .n_sites = COUNT_MAX, .sites = sites};
    struct row_state row;
    for (int i = 0; i <= COUNT_MAX; i++)
        sites[i] = (struct site){0, 8};
    assert_true(state_from_protostructure(&row, &proto));
    proto.n_sites++;
    assert_false(state_from_protostructure(&row, &proto));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_noise__schedule_falls_from_one_to_nearly_nothing),
        cmocka_unit_test(test_noise__steps_compose),
        cmocka_unit_test(test_noise__samples_have_the_closed_form),
        cmocka_unit_test(test_noise__posterior_is_bayes_rule),
        cmocka_unit_test(test_noise__posterior_at_zero_is_the_prediction),
        cmocka_unit_test(test_noise__draw_skips_categories_without_weight),
        cmocka_unit_test(test_noise__marginals_are_those_of_the_data),
        cmocka_unit_test(test_noise__restriction_holds_and_nothing_left_is_an_error),
        cmocka_unit_test(test_noise__crystal_keeps_x0_without_noise_and_its_rng_decides),
        cmocka_unit_test(test_state__too_many_copies_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
