/* Do cell parameters and lattice rows agree, and does the crystal system tie what it must? */
#include "tests/support/cmocka.h"

#include "common/rng.h"
#include "workers/crystal/wyckoff.h"

#include <math.h>

static struct spacegroup system_of(char crystal_system)
{
    return (struct spacegroup){.crystal_system = crystal_system};
}

static void test_lattice__dof_by_system(void **state)
{
    (void)state;
    static const struct {
        char system;
        int dof;
    } rows[] = {{'c', 1}, {'h', 2}, {'t', 2}, {'o', 3}, {'m', 4}, {'a', 6}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct spacegroup group = system_of(rows[i].system);
        assert_int_equal(lattice_dof(&group), rows[i].dof);
    }
}

static void test_lattice__impossible_cells_are_refused(void **state)
{
    (void)state;
    const double wrong[][6] = {
        {0, 1, 1, 90, 90, 90},    {1, -1, 1, 90, 90, 90}, {1, 1, NAN, 90, 90, 90},
        {1, 1, 1, 0, 90, 90},     {1, 1, 1, 90, 180, 90}, {1, 1, 1, 90, 90, INFINITY},
        {1, 1, 1, 120, 120, 120}, {1, 1, 1, 30, 40, 100},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct err err = {0};
        double lattice[3][3] = {{7}};
        assert_int_equal(lattice_from_cell(wrong[i], lattice, &err), ERR_NUMERIC);
        assert_true(err.text[0] != '\0');
        assert_true(lattice[0][0] == 7.0); /* untouched */
    }
}

static void test_lattice__cell_round_trip(void **state)
{
    (void)state;
    struct rng rng = rng_stream(7, 0, 0, 0);
    for (int n = 0; n < 1000; n++) {
        double cell[6], again[6], lattice[3][3];
        for (int i = 0; i < 6; i++)
            cell[i] = i < 3 ? 1 + 20 * rng_uniform(&rng) : 60 + 55 * rng_uniform(&rng);
        assert_int_equal(lattice_from_cell(cell, lattice, NULL), 0);
        assert_true(lattice[0][1] == 0.0 && lattice[0][2] == 0.0 && lattice[1][2] == 0.0);
        assert_true(lattice[1][1] > 0 && lattice[2][2] > 0);
        cell_from_lattice((const double(*)[3])lattice, again);
        for (int i = 0; i < 6; i++) /* rounding of a few operations on numbers up to 115 */
            assert_true(fabs(cell[i] - again[i]) < 1e-11);
    }
}

static void test_lattice__right_angles_are_exact(void **state)
{
    (void)state;
    double lattice[3][3], cell[6] = {3, 3, 5, 90, 90, 120}, again[6];
    assert_int_equal(lattice_from_cell(cell, lattice, NULL), 0);
    assert_true(lattice[1][0] == -1.5 && lattice[2][0] == 0.0 && lattice[2][1] == 0.0 &&
                lattice[2][2] == 5.0);
    cell_from_lattice((const double(*)[3])lattice, again);
    assert_true(again[3] == 90.0 && again[4] == 90.0);
    assert_true(fabs(again[5] - 120) < 1e-12);
    assert_true(fabs(lattice_volume((const double(*)[3])lattice) - 45 * sqrt(0.75)) < 1e-12);
}

static void test_lattice__volume_is_positive_for_left_handed_rows(void **state)
{
    (void)state;
    const double lattice[3][3] = {{0, 2, 0}, {3, 0, 0}, {0, 0, 4}};
    assert_true(lattice_volume(lattice) == 24.0);
}

static void test_lattice__symmetrize_ties_what_the_system_ties(void **state)
{
    (void)state;
    static const struct {
        char system;
        double want[6];
    } rows[] = {
        {'c', {4, 4, 4, 90, 90, 90}},     {'h', {3.5, 3.5, 5, 90, 90, 120}},
        {'t', {3.5, 3.5, 5, 90, 90, 90}}, {'o', {3, 4, 5, 90, 90, 90}},
        {'m', {3, 4, 5, 90, 92, 90}},     {'a', {3, 4, 5, 91, 92, 93}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct spacegroup group = system_of(rows[i].system);
        double cell[6] = {3, 4, 5, 91, 92, 93};
        cell_symmetrize(&group, cell);
        for (int k = 0; k < 6; k++)
            assert_true(cell[k] == rows[i].want[k]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lattice__dof_by_system),
        cmocka_unit_test(test_lattice__impossible_cells_are_refused),
        cmocka_unit_test(test_lattice__cell_round_trip),
        cmocka_unit_test(test_lattice__right_angles_are_exact),
        cmocka_unit_test(test_lattice__volume_is_positive_for_left_handed_rows),
        cmocka_unit_test(test_lattice__symmetrize_ties_what_the_system_ties),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
