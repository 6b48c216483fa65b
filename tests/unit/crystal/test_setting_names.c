/* Are all 530 settings found by every name they have, and is the way from each to the standard
 * setting right? (Crystals in them: test_settings.c.) */
#include "tests/support/cmocka.h"

#include "workers/crystal/settings.h"

#include <math.h>
#include <spglib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct text text_of(const char *text)
{
    return (struct text){text, strlen(text)};
}

static bool named(const char *name, int hall_number)
{
    int halls[SETTINGS_MAX], n = settings_named(text_of(name), halls);
    for (int i = 0; i < n; i++)
        if (halls[i] == hall_number)
            return true;
    return false;
}

static void test_setting_names__every_name_finds_its_setting(void **state)
{
    (void)state;
    int standard = 0;
    for (int hall = 1; hall <= HALL_MAX; hall++) {
        struct setting setting = setting_get(hall);
        SpglibSpacegroupType type = spg_get_spacegroup_type(hall);
        char name[64];
        assert_int_equal(setting.number, type.number);
        standard += setting.standard;
        if (!named(setting.symbol, hall))
            fail_msg("'%s' is not Hall number %d", setting.symbol, hall);
        /* the full symbol and the choice name one setting */
        int halls[SETTINGS_MAX];
        (void)snprintf(name, sizeof name, "%s:%s", setting.symbol, setting.choice);
        if (setting.choice[0]) {
            assert_in_range(settings_named(text_of(name), halls), 1, SETTINGS_MAX);
            assert_true(named(name, hall));
        }
        /* short symbols; those of monoclinic settings are the group's own */
        if (setting.number < 3 || setting.number > 15) {
            if (!named(type.international_short, hall))
                fail_msg("'%s' is not Hall number %d", type.international_short, hall);
        }
        /* spglib 2.0.2 gives some pairs of settings one Hall symbol (322 and 324) */
        int by_hall = settings_hall(text_of(setting.hall_symbol));
        assert_true(by_hall >= 1 && by_hall <= hall);
        assert_string_equal(setting_get(by_hall).hall_symbol, setting.hall_symbol);
        assert_int_equal(setting_get(by_hall).number, setting.number);
    }
    assert_int_equal(standard, GROUP_MAX);
}

static const struct {
    const char *name;
    int number, hall_number, n; /* the first one, how many */
} known[] = {
    {"Fm-3m", 225, 523, 1},       {"F m -3 m", 225, 523, 1},
    {"fm3m", 225, 523, 1},        {"F 4/m -3 2/m", 225, 523, 1},
    {"Fd-3m", 227, 526, 2},       {"Fd-3m:1", 227, 525, 1},
    {"F d -3 m :2", 227, 526, 1}, {"Fd-3mS", 227, 525, 1},
    {"Fd-3mZ", 227, 526, 1},      {"R-3m", 166, 458, 2},
    {"R-3m:H", 166, 458, 1},      {"R-3m:R", 166, 459, 1},
    {"R -3 m r", 166, 459, 1},    {"P21/c", 14, 81, 2},
    {"P2_1/n", 14, 82, 3},        {"P 1 21/n 1", 14, 82, 1},
    {"P 1 1 21/b", 14, 86, 1},    {"Pbnm", 62, 294, 1},
    {"Cmca", 64, 304, 1},         {"Cmce", 64, 304, 1},
    {"Bmab", 64, 309, 1},         {"Cmma", 67, 316, 1},
    {"Cmmb", 67, 317, 1},         {"Cmme", 67, 316, 2},
    {"Abmm", 67, 318, 1},         {"Acmm", 67, 319, 1},
    {"Ccca", 68, 323, 2},         {"Ccca:1", 68, 322, 1},
    {"Cccb:2", 68, 325, 1},       {"Bbab:1", 68, 332, 1},
    {"Abm2", 39, 191, 1},         {"C2cb", 41, 206, 1},
    {"I 1 2/a 1", 15, 92, 1},     {"P 2", 3, 3, 3},
    {"p 1 1 2", 3, 4, 1},
};

static void test_setting_names__known_names(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        int halls[SETTINGS_MAX], n = settings_named(text_of(known[i].name), halls);
        if (n != known[i].n || halls[0] != known[i].hall_number)
            fail_msg("'%s': %d settings, the first is %d; want %d, %d", known[i].name, n,
                     n ? halls[0] : 0, known[i].n, known[i].hall_number);
        assert_int_equal(setting_get(halls[0]).number, known[i].number);
    }
    static const char *const unknown[] = {"", "X", "P", "Fm-3q", "R-3m:1", "Pnma:2", "225"};
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        int halls[SETTINGS_MAX];
        assert_int_equal(settings_named(text_of(unknown[i]), halls), 0);
        assert_int_equal(settings_hall(text_of(unknown[i])), 0);
    }
}

static void test_setting_names__hall_symbols_keep_their_blanks(void **state)
{
    (void)state;
    static const struct {
        const char *hall;
        int number;
    } rows[] = {{"P 3 2", 149},    {"P 32", 145},    {"p_3_2", 149},  {" P  3   2 ", 149},
                {"-P 2ybc", 14},   {"-P2ybc", 14},   {"-p 2YBC", 14}, {"P 3 2\"", 150},
                {"-F 4 2 3", 225}, {"F 4 2 3", 209}, {"P 2", 3},      {"P 31", 144}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int hall_number = settings_hall(text_of(rows[i].hall));
        if (hall_number == 0 || setting_get(hall_number).number != rows[i].number)
            fail_msg("'%s' is Hall number %d", rows[i].hall, hall_number);
    }
}

static void test_setting_names__facts_of_a_setting(void **state)
{
    (void)state;
    struct setting setting = setting_get(82);
    assert_int_equal(setting.number, 14);
    assert_false(setting.standard);
    assert_string_equal(setting.symbol, "P 1 2_1/n 1");
    assert_string_equal(setting.hall_symbol, "-P 2yn");
    assert_string_equal(setting.choice, "b2");
    assert_string_equal(setting.schoenflies, "C2h^5");
    assert_string_equal(setting.point_group, "2/m");
    assert_true(setting_get(523).standard);
}

/* ---- bases ---- */

static void invert(const int m[3][3], double ret[3][3])
{
    double determinant = 0;
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++)
            ret[j][i] = m[(i + 1) % 3][(j + 1) % 3] * m[(i + 2) % 3][(j + 2) % 3] -
                        m[(i + 1) % 3][(j + 2) % 3] * m[(i + 2) % 3][(j + 1) % 3];
    for (int j = 0; j < 3; j++)
        determinant += m[0][j] * ret[j][0];
    for (int i = 0; i < 9; i++)
        ret[i / 3][i % 3] /= determinant;
}

/* x_standard = axes^-1 (x - origin). */
static void to_standard(const struct basis *basis, const double x[3], double ret[3])
{
    double inverse[3][3];
    invert((const int(*)[3])basis->axes, inverse);
    for (int i = 0; i < 3; i++) {
        ret[i] = 0;
        for (int j = 0; j < 3; j++)
            ret[i] += inverse[i][j] * (x[j] - basis->origin[j] / 8.0);
    }
}

/* Is point y an image of x under the standard group? */
static bool equivalent(const struct spacegroup *group, const double x[3], const double y[3])
{
    for (int g = 0; g < group->order; g++) {
        const struct affine *map = &group->operations[g];
        double largest = 0;
        for (int i = 0; i < 3; i++) {
            double image = map->translation[i] / 24.0 - y[i];
            for (int j = 0; j < 3; j++)
                image += map->rotation[i][j] * x[j];
            largest = fmax(largest, fabs(image - rint(image)));
        }
        if (largest < 1e-9)
            return true;
    }
    return false;
}

/* The orbit of a general point, taken in the setting, is an orbit of the standard setting, and
 * as large; in real numbers, unlike the search. */
static void test_setting_names__bases_lead_to_the_standard_setting(void **state)
{
    (void)state;
    static const double x[3] = {0.1234, 0.2871, 0.4519};
    for (int hall = 1; hall <= HALL_MAX; hall++) {
        struct setting setting = setting_get(hall);
        const struct spacegroup *group = spacegroup_get(setting.number);
        struct operation operations[SETTING_OPERATIONS_MAX];
        struct basis basis;
        struct err err = {0};
        double first[3];
        if (setting_to_standard(hall, &basis, &err))
            fail_msg("%s", err.text);
        double inverse[3][3];
        invert((const int(*)[3])basis.axes, inverse);
        int n = settings_operations(hall, operations);
        to_standard(&basis, x, first);
        for (int g = 0; g < n; g++) {
            double y[3], there[3];
            for (int i = 0; i < 3; i++) {
                y[i] = operations[g].translation[i];
                for (int j = 0; j < 3; j++)
                    y[i] += operations[g].rotation[i][j] * x[j];
            }
            to_standard(&basis, y, there);
            if (!equivalent(group, first, there))
                fail_msg("Hall number %d: operation %d leads elsewhere", hall, g);
        }
        const int *a = basis.axes[0], *b = basis.axes[1], *c = basis.axes[2];
        int determinant = a[0] * (b[1] * c[2] - b[2] * c[1]) -
                          a[1] * (b[0] * c[2] - b[2] * c[0]) +
                          a[2] * (b[0] * c[1] - b[1] * c[0]);
        assert_int_equal(n * determinant, group->order);
        if (setting.standard)
            for (int i = 0; i < 9; i++)
                assert_int_equal(basis.axes[i / 3][i % 3], i % 4 == 0);
        for (int i = 0; i < 3; i++)
            assert_true(!setting.standard || basis.origin[i] == 0);
    }
    struct basis basis;
    struct err err = {0};
    assert_int_equal(setting_to_standard(0, &basis, &err), ERR_INVALID);
    assert_string_equal(err.text, "no Hall number 0: 1..530");
    assert_int_equal(setting_to_standard(531, &basis, &err), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_setting_names__every_name_finds_its_setting),
        cmocka_unit_test(test_setting_names__known_names),
        cmocka_unit_test(test_setting_names__hall_symbols_keep_their_blanks),
        cmocka_unit_test(test_setting_names__facts_of_a_setting),
        cmocka_unit_test(test_setting_names__bases_lead_to_the_standard_setting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
