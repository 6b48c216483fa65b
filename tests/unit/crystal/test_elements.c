/* Are the facts about the elements complete, in range, and the ones the textbooks print? */
#include "tests/support/cmocka.h"

#include "proto/objects.h"
#include "workers/crystal/elements.h"

#include <math.h>
#include <string.h>

/* cmocka 1.1 compares in single precision. */
#define assert_near(a, b, tolerance)                                                           \
    do {                                                                                       \
        if (!(fabs((a) - (b)) <= (tolerance)))                                                 \
            fail_msg("%s is %.15g, not %.15g", #a, (a), (b));                                  \
    } while (0)

static void test_elements__every_row_is_filled_and_in_range(void **state)
{
    (void)state;
    assert_null(element_get(0));
    assert_null(element_get(-3));
    assert_null(element_get(ELEMENT_MAX + 1));
    double mass_last = 0;
    for (int z = 1; z <= ELEMENT_MAX; z++) {
        const struct element *e = element_get(z);
        assert_non_null(e);
        size_t size = strlen(e->symbol);
        assert_true(size == 1 || size == 2);
        assert_int_equal(element_parse(e->symbol, (int)size), z);
        assert_true(e->mass > mass_last - 2 && e->mass < 3 * z); /* Ar-K, Co-Ni, Te-I swap */
        mass_last = e->mass;
        assert_true(e->electronegativity >= 0 && e->electronegativity <= 3.98);
        assert_true(e->radius_covalent >= 0.28 && e->radius_covalent <= 2.6);
        assert_true(e->radius_metallic == 0 ||
                    (e->radius_metallic > 1.1 && e->radius_metallic < 2.8));
        assert_in_range(e->group, 1, 18);
        assert_in_range(e->period, 1, 7);
        for (int k = 0; k < 6 && e->charges[k]; k++)
            assert_true(e->charges[k] >= -4 && e->charges[k] <= 8);
    }
}

/* Noble-gas configurations end the periods, groups rise within one. */
static void test_elements__period_and_group_follow_the_table(void **state)
{
    (void)state;
    static const int last[] = {0, 2, 10, 18, 36, 54, 86};
    for (int z = 2; z <= ELEMENT_MAX; z++) {
        const struct element *e = element_get(z), *before = element_get(z - 1);
        bool first = z == last[before->period < 7 ? before->period : 0] + 1;
        assert_int_equal(e->period, before->period + (first ? 1 : 0));
        if (first)
            assert_int_equal(e->group, 1);
        else if (!(z >= 57 && z <= 71) && z < 89)
            assert_true(e->group > before->group);
    }
}

static void test_elements__parse_is_strict(void **state)
{
    (void)state;
    assert_int_equal(element_parse("Ba", 2), 56);
    assert_int_equal(element_parse("BaTiO3", 1), 5);
    assert_int_equal(element_parse("D", 1), 1);
    assert_int_equal(element_parse("T", 1), 1);
    static const char *const wrong[] = {"", "ba", "BA", "X", "Xx", "Hel", "1", "H "};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(element_parse(wrong[i], (int)strlen(wrong[i])), 0);
    assert_int_equal(element_parse("H\0", 2), 0);
    assert_int_equal(element_parse("He", 0), 0);
    assert_int_equal(element_parse("He", -1), 0);
}

static void test_elements__ionic_radii_are_shannons(void **state)
{
    (void)state;
    assert_near(element_radius_ionic(11, 1, 6), 1.02, 1e-12);
    assert_near(element_radius_ionic(8, -2, 6), 1.40, 1e-12);
    assert_near(element_radius_ionic(56, 2, 12), 1.61, 1e-12);
    assert_near(element_radius_ionic(22, 4, 6), 0.61, 1e-12);
    assert_near(element_radius_ionic(22, 4, 12), 0.74, 1e-12); /* nearest: 8 */
    assert_near(element_radius_ionic(17, -1, 4), 1.81, 1e-12); /* only 6 */
    assert_true(element_radius_ionic(11, 2, 6) == 0);
    assert_true(element_radius_ionic(0, 1, 6) == 0);
}

/* Radii grow with coordination and shrink with charge: catches a slipped digit. */
static void test_elements__ionic_radii_are_monotonic(void **state)
{
    (void)state;
    unsigned ions = 0;
    for (int z = 1; z <= ELEMENT_MAX; z++)
        for (int charge = -4; charge <= 8; charge++) {
            double before = element_radius_ionic(z, charge, 2);
            ions += before > 0;
            for (int cn = 3; cn <= 12 && z != 51; cn++) { /* Sb 3+: five is larger than six */
                double radius = element_radius_ionic(z, charge, cn);
                assert_true(radius >= before);
                before = radius;
            }
            double six = element_radius_ionic(z, charge, 6);
            double more = element_radius_ionic(z, charge + 1, 6);
            if (charge > 0 && more > 0 && six > 0)
                assert_true(more < six);
        }
    assert_true(ions > 150);
}

static void test_elements__similarity_is_symmetric_and_chemical(void **state)
{
    (void)state;
    for (int a = 1; a <= ELEMENT_MAX; a++)
        for (int b = a; b <= ELEMENT_MAX; b++) {
            double similarity = element_similarity(a, b);
            assert_true(similarity > 0 && similarity <= 1);
            assert_true(similarity == element_similarity(b, a));
            assert_true(a == b ? similarity == 1 : similarity < 1);
        }
    enum {
        O = 8,
        F = 9,
        MG = 12,
        S = 16,
        CL = 17,
        CO = 27,
        NI = 28,
        SE = 34,
        SR = 38,
        BA = 56
    };
    assert_true(element_similarity(BA, SR) > element_similarity(BA, MG));
    assert_true(element_similarity(CO, NI) > element_similarity(CO, BA));
    assert_true(element_similarity(S, SE) > element_similarity(S, O));
    assert_true(element_similarity(CL, F) > element_similarity(CL, SR));
    assert_true(element_similarity(0, 5) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_elements__every_row_is_filled_and_in_range),
        cmocka_unit_test(test_elements__period_and_group_follow_the_table),
        cmocka_unit_test(test_elements__parse_is_strict),
        cmocka_unit_test(test_elements__ionic_radii_are_shannons),
        cmocka_unit_test(test_elements__ionic_radii_are_monotonic),
        cmocka_unit_test(test_elements__similarity_is_symmetric_and_chemical),
    };
    return cmocka_run_group_tests_name("elements", tests, NULL, NULL);
}
