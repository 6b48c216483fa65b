/* What is learned from the records: pair distances, volumes, templates. */
#include "tests/support/cmocka.h"

#include "common/rng.h"
#include "tests/unit/tasks/realize_support.h"
#include "workers/realize/pair_model.h"
#include "workers/realize/ridge.h"
#include "workers/realize/template.h"
#include "workers/realize/volume_model.h"

#include <math.h>

static void test_realize_ridge__solves_with_and_without_data(void **state)
{
    (void)state;
    struct ridge ridge;
    double x[3];
    ridge_init(&ridge, 3);
    /* x0 + x1 = 3 and x0 - x1 = 1, heavily; x2 is known by its prior alone */
    ridge_row(&ridge, (struct ridge_entry[]){{0, 1}, {1, 1}}, 2, 3, 1e6);
    ridge_row(&ridge, (struct ridge_entry[]){{0, 1}, {1, -1}}, 2, 1, 1e6);
    for (uint32_t i = 0; i < 3; i++)
        ridge_prior(&ridge, i, 7, 1);
    ridge_solve(&ridge, x);
    assert_true(fabs(x[0] - 2) < 1e-4 && fabs(x[1] - 1) < 1e-4 && fabs(x[2] - 7) < 1e-12);
    ridge_done(&ridge);
}

static void test_realize_pair_model__learns_bond_lengths(void **state)
{
    (void)state;
    struct dataset dataset = dataset_small();
    struct pair_model *model = pair_model_new(&dataset);
    /* one record each; the prior of radii weighs as much as one record */
    assert_true(fabs(model->bond[11][17] - 2.82) < 0.2);
    assert_true(fabs(model->bond[22][8] - 1.95) < 0.2);
    assert_true(model->bond[11][17] == model->bond[17][11]);
    /* never seen: from radii, between what its elements do elsewhere */
    assert_true(model->bond[19][8] > 2.2 && model->bond[19][8] < 3.2);
    /* neighbours and not neighbours */
    assert_true(model->affinity[11][17] > 0.8);
    assert_true(model->contact[17][17] > 3.0);
    free(model);
    dataset_done(&dataset);
}

static void test_realize_pair_model__works_without_records(void **state)
{
    (void)state;
    struct dataset dataset = {0};
    struct pair_model *model = pair_model_new(&dataset);
    struct volume_model *volumes = volume_model_new(&dataset);
    for (int a = 1; a <= ELEMENT_MAX; a++)
        for (int b = 1; b <= ELEMENT_MAX; b++)
            assert_true(model->bond[a][b] >= 0.6 && model->bond[a][b] < 6);
    struct record record = rock_salt("x", 11, 17, 1);
    assert_true(volume_predict(volumes, &record.proto) > 20);
    record_done(&record);
    free(model);
    free(volumes);
}

static void test_realize_pair_model__like_ions_do_not_attract(void **state)
{
    (void)state;
    struct dataset dataset = dataset_small();
    struct pair_model *model = pair_model_new(&dataset);
    struct pair_table table;
    pair_table_init(&table, model, (uint8_t[]){8, 22, 56}, (double[]){3, 1, 1}, 3);
    for (double r = 1; r < 8; r += 0.05) {
        double slope;
        assert_true(pair_term_energy(&table.terms[0][0], r, &slope) >= 0); /* O-O */
        assert_true(slope <= 0);
        assert_true(pair_term_energy(&table.terms[1][2], r, &slope) >= 0); /* Ti-Ba */
    }
    assert_true(pair_term_energy(&table.terms[0][1], model->bond[8][22], NULL) < -0.5);
    free(model);
    dataset_done(&dataset);
}

/* Finite at contact, falling to the bond length, exactly zero with its slope at the cut-off. */
static void test_realize_pair_model__term_is_smooth(void **state)
{
    (void)state;
    struct dataset dataset = dataset_small();
    struct pair_model *model = pair_model_new(&dataset);
    struct pair_table table;
    pair_table_init(&table, model, (uint8_t[]){8, 22}, (double[]){2, 1}, 2);
    for (int k = 0; k < 4; k++) {
        const struct pair_term *term = &table.terms[k / 2][k % 2];
        double slope, before = pair_term_energy(term, 0, &slope);
        assert_true(isfinite(before) && isfinite(slope) && before > 0);
        for (double r = 0.01; r < term->cutoff + 1; r += 0.01) {
            double energy = pair_term_energy(term, r, &slope);
            double up = pair_term_energy(term, r + 1e-6, NULL);
            double down = pair_term_energy(term, r - 1e-6, NULL);
            assert_true(fabs((up - down) / 2e-6 - slope) < 1e-5 * (1 + fabs(before)));
            if (r >= term->cutoff)
                assert_true(energy == 0 && slope == 0);
        }
    }
    free(model);
    dataset_done(&dataset);
}

static void test_realize_volume__predicts_what_it_saw(void **state)
{
    (void)state;
    struct dataset dataset = dataset_small();
    struct volume_model *model = volume_model_new(&dataset);
    double volume = volume_predict(model, &dataset.records[0].proto);
    assert_true(fabs(volume / (5.64 * 5.64 * 5.64) - 1) < 0.05);
    free(model);
    dataset_done(&dataset);
}

/* Perovskites with the cation order of the letters exchanged are other prototypes' sites. */
static void test_realize_template__best_is_the_most_similar(void **state)
{
    (void)state;
    struct dataset dataset = dataset_small();
    struct template_index *index = template_index_new(&dataset);
    struct template_match matches[4];
    struct record asked = rock_salt("asked", 37, 17, 1); /* RbCl */
    uint32_t n = template_find(index, &asked.proto, 4, matches);
    assert_int_equal(n, 4);
    assert_string_equal(matches[0].record->id, "KCl");
    assert_string_equal(matches[1].record->id, "NaCl");
    assert_true(matches[0].same_prototype);
    assert_int_equal(matches[0].site[0], 0);
    assert_int_equal(matches[0].site[1], 1);
    for (uint32_t m = 0; m < n; m++)
        template_match_done(&matches[m]);
    record_done(&asked);
    template_index_free(index);
    dataset_done(&dataset);
}

static void test_realize_template__only_training_records_serve(void **state)
{
    (void)state;
    struct dataset dataset = dataset_small();
    struct template_match match;
    for (uint32_t r = 0; r < dataset.n_records; r++)
        dataset.splits[r] = SPLIT_VALIDATION;
    struct template_index *index = template_index_new(&dataset);
    assert_int_equal(template_find(index, &dataset.records[0].proto, 1, &match), 0);
    template_index_free(index);
    dataset_done(&dataset);
}

/* Elements follow the pattern of letters, then similarity: sulfur goes where oxygen was. */
static void test_realize_template__elements_follow_their_sites(void **state)
{
    (void)state;
    const double cell[6] = {5, 6, 7, 90, 90, 90};
    struct dataset dataset = {0};
    /* Pnma, three 4c positions: Ca and two O; and one where all three differ */
    dataset_add(&dataset, record_make("two", 62, cell,
                                      (struct site_text[]){{'c', 8, {0.1, 0, 0.2}},
                                                           {'c', 8, {0.3, 0, 0.4}},
                                                           {'c', 20, {0.5, 0, 0.6}}},
                                      3));
    dataset_add(&dataset, record_make("three", 62, cell,
                                      (struct site_text[]){{'c', 8, {0.1, 0, 0.2}},
                                                           {'c', 16, {0.3, 0, 0.4}},
                                                           {'c', 38, {0.5, 0, 0.6}}},
                                      3));
    struct record asked =
        record_make("asked", 62, cell,
                    (struct site_text[]){{'c', 16, {0}}, {'c', 16, {0}}, {'c', 38, {0}}}, 3);
    struct template_index *index = template_index_new(&dataset);
    struct template_match matches[2];
    assert_int_equal(template_find(index, &asked.proto, 2, matches), 2);
    assert_string_equal(matches[0].record->id, "two");
    assert_true(matches[0].same_prototype && !matches[1].same_prototype);
    assert_int_equal(matches[0].site[2], 2);
    assert_int_equal(matches[0].site[0] + matches[0].site[1], 1);
    assert_true(matches[0].site[0] != matches[0].site[1]);
    assert_int_equal(matches[1].site[2], 2); /* strontium on strontium */
    template_match_done(&matches[0]);
    template_match_done(&matches[1]);
    template_index_free(index);
    record_done(&asked);
    dataset_done(&dataset);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_realize_ridge__solves_with_and_without_data),
        cmocka_unit_test(test_realize_pair_model__learns_bond_lengths),
        cmocka_unit_test(test_realize_pair_model__works_without_records),
        cmocka_unit_test(test_realize_pair_model__like_ions_do_not_attract),
        cmocka_unit_test(test_realize_pair_model__term_is_smooth),
        cmocka_unit_test(test_realize_volume__predicts_what_it_saw),
        cmocka_unit_test(test_realize_template__best_is_the_most_similar),
        cmocka_unit_test(test_realize_template__only_training_records_serve),
        cmocka_unit_test(test_realize_template__elements_follow_their_sites),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
