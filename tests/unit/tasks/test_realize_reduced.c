/* Reduced coordinates, neighbours and the gradients that pass through them. */
#include "tests/support/cmocka.h"

#include "common/mathd.h"
#include "common/rng.h"
#include "tests/unit/tasks/realize_support.h"
#include "workers/realize/pair_model.h"
#include "workers/realize/relax.h"

#include <math.h>

/* One crystal per crystal system, with free coordinates wherever the system has them. */
static struct record crystal(int i)
{
    static const double cells[][6] = {
        {5.1, 6.2, 7.3, 80, 95, 105}, {5.2, 6.1, 7.4, 90, 108, 90},
        {4.9, 6.0, 8.1, 90, 90, 90},  {4.6, 4.6, 3.0, 90, 90, 90},
        {4.9, 4.9, 5.4, 90, 90, 120}, {5.6, 5.6, 9.8, 90, 90, 120},
        {5.4, 5.4, 5.4, 90, 90, 90},
    };
    switch (i) {
    case 0: /* P-1 */
        return record_make("a", 2, cells[0],
                           (struct site_text[]){{'a', 12, {0}},
                                                {'i', 8, {0.21, 0.33, 0.17}},
                                                {'i', 22, {0.46, 0.72, 0.38}}},
                           3);
    case 1: /* P2_1/c */
        return record_make("m", 14, cells[1],
                           (struct site_text[]){{'a', 12, {0}}, {'e', 8, {0.23, 0.41, 0.16}}},
                           2);
    case 2: /* Pnma */
        return record_make("o", 62, cells[2],
                           (struct site_text[]){{'c', 8, {0.1, 0, 0.37}},
                                                {'c', 20, {0.42, 0, 0.11}},
                                                {'d', 8, {0.29, 0.06, 0.71}}},
                           3);
    case 3:
        return rutile("t", 22, 8, 4.6, 3.0, 0.31);
    case 4: /* quartz, P3_121 */
        return record_make(
            "h", 152, cells[4],
            (struct site_text[]){{'a', 14, {0.47, 0, 0}}, {'c', 8, {0.41, 0.27, 0.12}}}, 2);
    case 5: /* corundum-like, R-3c in hexagonal axes */
        return record_make(
            "r", 167, cells[5],
            (struct site_text[]){{'c', 13, {0, 0, 0.352}}, {'e', 8, {0.306, 0, 0}}}, 2);
    default: /* pyrite */
        return record_make("c", 205, cells[6],
                           (struct site_text[]){{'a', 26, {0}}, {'c', 16, {0.385, 0, 0}}}, 2);
    }
}

enum { CRYSTALS = 7 };

struct setup {
    struct record record;
    struct reduced reduced;
    double values[32];
};

static struct setup setup_make(int i)
{
    struct setup setup = {.record = crystal(i)};
    struct err err = {0};
    if (reduced_init(&setup.reduced, &setup.record.proto, 500, &err) ||
        reduced_from_record(&setup.reduced, &setup.record, setup.values, &err))
        fail_msg("crystal %d: %s", i, err.text);
    return setup;
}

static void setup_done(struct setup *setup)
{
    reduced_done(&setup->reduced);
    record_done(&setup->record);
}

static void test_realize_reduced__record_survives_the_round_trip(void **state)
{
    (void)state;
    for (int i = 0; i < CRYSTALS; i++) {
        struct setup s = setup_make(i);
        struct record back;
        reduced_to_record(&s.reduced, s.values, &back);
        assert_true(protostructure_equal(&back.proto, &s.record.proto));
        for (int k = 0; k < 6; k++)
            assert_true(fabs(back.cell[k] - s.record.cell[k]) < 1e-9);
        for (uint32_t j = 0; j < s.record.proto.n_sites; j++)
            for (int k = 0; k < 3; k++)
                assert_true(fabs(back.free[j][k] - s.record.free[j][k]) < 1e-12);
        record_done(&back);
        setup_done(&s);
    }
}

/* Any parameter vector is a crystal of the group: nothing can break the symmetry. */
static void test_realize_reduced__lattice_keeps_its_system(void **state)
{
    (void)state;
    struct rng rng = rng_stream(7, 0, 0, 0);
    for (int i = 0; i < CRYSTALS; i++) {
        struct setup s = setup_make(i);
        struct record moved;
        for (uint32_t k = 0; k < s.reduced.n; k++)
            s.values[k] += 0.2 * rng_normal(&rng);
        struct cell cell;
        double wanted[6], got[6];
        reduced_cell_init(&s.reduced, &cell);
        reduced_expand(&s.reduced, s.values, &cell);
        cell_from_lattice((const double(*)[3])cell.lattice, got);
        reduced_to_record(&s.reduced, s.values, &moved);
        memcpy(wanted, got, sizeof wanted);
        cell_symmetrize(s.reduced.group, wanted);
        for (int k = 0; k < 6; k++) {
            assert_true(fabs(got[k] - wanted[k]) < 1e-9);
            assert_true(fabs(moved.cell[k] - wanted[k]) < 1e-9);
        }
        assert_true(fabs(mathd_log(lattice_volume((const double(*)[3])cell.lattice)) -
                         reduced_log_volume(&s.reduced, s.values)) < 1e-10);
        reduced_cell_done(&cell);
        record_done(&moved);
        setup_done(&s);
    }
}

static void test_realize_reduced__volume_is_set_without_changing_the_shape(void **state)
{
    (void)state;
    for (int i = 0; i < CRYSTALS; i++) {
        struct setup s = setup_make(i);
        double first = s.values[0], last = s.values[s.reduced.n_lattice - 1];
        reduced_set_log_volume(&s.reduced, 5.5, s.values);
        assert_true(fabs(reduced_log_volume(&s.reduced, s.values) - 5.5) < 1e-12);
        if (s.reduced.n_lattice == 2 || s.reduced.n_lattice == 3)
            assert_true(fabs((s.values[s.reduced.n_lattice - 1] - last) -
                             (s.values[0] - first)) < 1e-12);
        setup_done(&s);
    }
}

static void test_realize_reduced__refuses_what_is_no_protostructure(void **state)
{
    (void)state;
    struct record record = rock_salt("x", 11, 17, 5.6);
    struct reduced reduced;
    struct err err = {0};
    assert_int_equal(reduced_init(&reduced, &record.proto, 7, &err), ERR_LIMIT);
    assert_string_equal(err.text, "8 atoms in the conventional cell, the limit is 7");
    record.proto.sites[1].letter = 26;
    assert_int_equal(reduced_init(&reduced, &record.proto, 500, &err), ERR_INVALID);
    record_done(&record);
}

/* The fast enumeration against all images in a generous box. */
static void test_realize_neighbours__none_is_missed_and_none_is_twice(void **state)
{
    (void)state;
    for (int i = 0; i < CRYSTALS; i++) {
        struct setup s = setup_make(i);
        struct cell cell;
        struct neighbour_list list = {0};
        struct cutoffs cutoffs;
        for (int k = 0; k < KINDS_MAX * KINDS_MAX; k++)
            cutoffs.radius[k / KINDS_MAX][k % KINDS_MAX] = 4.5;
        reduced_cell_init(&s.reduced, &cell);
        reduced_expand(&s.reduced, s.values, &cell);
        assert_int_equal(neighbours_find(&cell, &cutoffs, &list, NULL), 0);
        uint32_t n = 0;
        double sum = 0, listed = 0;
        for (uint32_t c = 0; c < cell.n_centres; c++)
            for (uint32_t j = 0; j < cell.n_atoms; j++)
                for (int image = 0; image < 9 * 9 * 9; image++) {
                    double shift[3] = {image % 9 - 4, image / 9 % 9 - 4, image / 81 - 4};
                    double cart[3] = {0}, distance2 = 0;
                    for (int l = 0; l < 3; l++)
                        for (int k = 0; k < 3; k++)
                            cart[k] +=
                                (cell.frac[j][l] + shift[l] - cell.frac[cell.centre[c]][l]) *
                                cell.lattice[l][k];
                    for (int k = 0; k < 3; k++)
                        distance2 += cart[k] * cart[k];
                    if (distance2 <= 4.5 * 4.5 && distance2 > 1e-12) {
                        n++;
                        sum += sqrt(distance2);
                    }
                }
        for (uint32_t p = 0; p < list.n; p++)
            listed += list.items[p].distance;
        assert_int_equal(list.n, n);
        assert_true(fabs(sum - listed) < 1e-9 * sum);
        neighbour_list_done(&list);
        reduced_cell_done(&cell);
        setup_done(&s);
    }
}

static void test_realize_neighbours__a_collapsed_cell_is_refused(void **state)
{
    (void)state;
    struct setup s = setup_make(6);
    struct cell cell;
    struct neighbour_list list = {0};
    struct cutoffs cutoffs = {0};
    struct err err = {0};
    for (int k = 0; k < KINDS_MAX * KINDS_MAX; k++)
        cutoffs.radius[k / KINDS_MAX][k % KINDS_MAX] = 20;
    reduced_cell_init(&s.reduced, &cell);
    s.values[0] = mathd_log(0.4);
    reduced_expand(&s.reduced, s.values, &cell);
    assert_int_equal(neighbours_find(&cell, &cutoffs, &list, &err), ERR_LIMIT);
    s.values[0] = -20;
    reduced_expand(&s.reduced, s.values, &cell);
    assert_int_equal(neighbours_find(&cell, &cutoffs, &list, &err), ERR_NUMERIC);
    s.values[0] = NAN;
    reduced_expand(&s.reduced, s.values, &cell);
    assert_int_equal(neighbours_find(&cell, &cutoffs, &list, &err), ERR_NUMERIC);
    neighbour_list_done(&list);
    reduced_cell_done(&cell);
    setup_done(&s);
}

/* Orbit representatives times multiplicity = every atom for itself. */
static void test_realize_pair__energy_by_orbits_is_the_energy_by_atoms(void **state)
{
    (void)state;
    struct dataset dataset = dataset_small();
    struct pair_model *model = pair_model_new(&dataset);
    for (int i = 0; i < CRYSTALS; i++) {
        struct setup s = setup_make(i);
        struct pair_table table;
        struct cell cell;
        struct neighbour_list list = {0};
        pair_table_init(&table, model, s.reduced.elements, (double[]){1, 1, 1},
                        s.reduced.n_kinds);
        reduced_cell_init(&s.reduced, &cell);
        reduced_expand(&s.reduced, s.values, &cell);
        assert_int_equal(neighbours_find(&cell, &table.cutoffs, &list, NULL), 0);
        double by_orbits = pair_energy(&table, &cell, &list, NULL, NULL);
        cell.centre = mem_resize(cell.centre, cell.n_atoms, sizeof *cell.centre);
        cell.weight = mem_resize(cell.weight, cell.n_atoms, sizeof *cell.weight);
        cell.n_centres = cell.n_atoms;
        for (uint32_t j = 0; j < cell.n_atoms; j++) {
            cell.centre[j] = j;
            cell.weight[j] = 1;
        }
        assert_int_equal(neighbours_find(&cell, &table.cutoffs, &list, NULL), 0);
        double by_atoms = pair_energy(&table, &cell, &list, NULL, NULL);
        assert_true(fabs(by_atoms) > 0.1); /* a sum of nothing proves nothing */
        assert_true(fabs(by_orbits - by_atoms) < 1e-10 * fabs(by_atoms));
        neighbour_list_done(&list);
        reduced_cell_done(&cell);
        setup_done(&s);
    }
    free(model);
    dataset_done(&dataset);
}

/* Central differences of step h have an error of h^2 f''' / 6, about 1e-8 of the force scale
 * here; rounding adds 1e-16 E / h = 1e-10. 1e-6 leaves room for stiff pairs. */
static void check_gradient(struct relax *relax, double *values, const char *what)
{
    uint32_t n = relax->reduced->n;
    double gradient[32], energy, scale = 1;
    assert_int_equal(relax_energy(relax, values, &energy, gradient, NULL), 0);
    for (uint32_t k = 0; k < n; k++)
        scale = fmax(scale, fabs(gradient[k]));
    for (uint32_t k = 0; k < n; k++) {
        double h = 1e-5, old = values[k], up, down;
        values[k] = old + h;
        assert_int_equal(relax_energy(relax, values, &up, NULL, NULL), 0);
        values[k] = old - h;
        assert_int_equal(relax_energy(relax, values, &down, NULL, NULL), 0);
        values[k] = old;
        double numeric = (up - down) / (2 * h);
        if (fabs(numeric - gradient[k]) > 1e-6 * scale)
            fail_msg("%s, group %u, parameter %u: gradient %.10g, differences %.10g", what,
                     relax->reduced->group->number, k, gradient[k], numeric);
    }
}

static void test_realize_relax__gradients_match_differences(void **state)
{
    (void)state;
    struct dataset dataset = dataset_small();
    struct pair_model *model = pair_model_new(&dataset);
    struct rng rng = rng_stream(11, 0, 0, 0);
    for (int i = 0; i < CRYSTALS; i++) {
        struct setup s = setup_make(i);
        struct pair_table table;
        struct relax relax;
        struct springs springs;
        uint32_t site[3] = {0, 1, 2};
        struct template_match match = {.record = &s.record, .site = site};
        pair_table_init(&table, model, s.reduced.elements, (double[]){1, 1, 1},
                        s.reduced.n_kinds);
        relax_init(&relax, &s.reduced);
        relax.log_volume = 5;
        relax.volume_weight = 0.7;
        assert_int_equal(springs_init(&springs, &s.reduced, s.values, &match, model, 1, NULL),
                         0);
        for (uint32_t k = 0; k < s.reduced.n; k++)
            s.values[k] += 0.03 * rng_normal(&rng);
        relax.table = &table;
        check_gradient(&relax, s.values, "pair energy");
        relax.springs = &springs;
        check_gradient(&relax, s.values, "springs");
        springs_done(&springs);
        relax_done(&relax);
        setup_done(&s);
    }
    free(model);
    dataset_done(&dataset);
}

/* A template of the very same elements is where its springs rest. */
static void test_realize_springs__own_template_is_the_minimum(void **state)
{
    (void)state;
    struct dataset dataset = dataset_small();
    struct pair_model *model = pair_model_new(&dataset);
    struct setup s = setup_make(3);
    struct relax relax;
    struct springs springs;
    struct template_match match = {.record = &s.record, .site = (uint32_t[]){0, 1}};
    double before[32], energy;
    relax_init(&relax, &s.reduced);
    relax.log_volume = reduced_log_volume(&s.reduced, s.values);
    relax.volume_weight = 1;
    relax.steps_max = 100;
    memcpy(before, s.values, sizeof before);
    assert_int_equal(springs_init(&springs, &s.reduced, s.values, &match, model, 1, NULL), 0);
    relax.springs = &springs;
    for (uint32_t k = 0; k < s.reduced.n; k++)
        s.values[k] += k % 2 ? 0.02 : -0.02;
    assert_int_equal(relax_run(&relax, s.values, &energy, NULL), 0);
    assert_true(energy < 1e-4 * s.reduced.n_atoms);
    for (uint32_t k = 0; k < s.reduced.n; k++)
        assert_true(fabs(s.values[k] - before[k]) < 2e-3);
    springs_done(&springs);
    relax_done(&relax);
    setup_done(&s);
    free(model);
    dataset_done(&dataset);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_realize_reduced__record_survives_the_round_trip),
        cmocka_unit_test(test_realize_reduced__lattice_keeps_its_system),
        cmocka_unit_test(test_realize_reduced__volume_is_set_without_changing_the_shape),
        cmocka_unit_test(test_realize_reduced__refuses_what_is_no_protostructure),
        cmocka_unit_test(test_realize_neighbours__none_is_missed_and_none_is_twice),
        cmocka_unit_test(test_realize_neighbours__a_collapsed_cell_is_refused),
        cmocka_unit_test(test_realize_pair__energy_by_orbits_is_the_energy_by_atoms),
        cmocka_unit_test(test_realize_relax__gradients_match_differences),
        cmocka_unit_test(test_realize_springs__own_template_is_the_minimum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
