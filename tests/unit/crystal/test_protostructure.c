/* Are protostructures checked, ordered and named as the field names them? */
#include "tests/support/cmocka.h"

#include "workers/crystal/elements.h"
#include "workers/crystal/structure.h"

#include <stdlib.h>

/* "221 a:Ca b:Ti c:O": a protostructure from words, sites in the order given. */
static struct protostructure proto_from(const char *text)
{
    struct protostructure proto = {0};
    char *end;
    proto.spacegroup = (uint16_t)strtol(text, &end, 10);
    proto.sites = calloc(SITES_MAX, sizeof *proto.sites);
    for (; *end == ' '; end += strcspn(end, " ")) {
        end++;
        struct site *site = &proto.sites[proto.n_sites++];
        site->letter = (uint8_t)wyckoff_letter_index(end[0]);
        site->element = (uint8_t)element_parse(end + 2, (int)strcspn(end + 2, " "));
    }
    return proto;
}

static const struct {
    const char *proto, *label;
    uint32_t atoms, dof;
} known[] = {
    {"221 a:Ca b:Ti c:O", "AB3C_cP5_221_a_c_b:Ca-O-Ti", 5, 0},
    {"225 a:Na b:Cl", "AB_cF8_225_b_a:Cl-Na", 8, 0},
    {"167 c:Al e:O", "A2B3_hR10_167_c_e:Al-O", 30, 2},
    {"227 a:Mg d:Al e:O", "A2BC4_cF56_227_d_a_e:Al-Mg-O", 56, 1},
    {"194 c:Mg", "A_hP2_194_c:Mg", 2, 0},
    {"136 a:Ti f:O", "A2B_tP6_136_f_a:O-Ti", 6, 1},
    {"15 e:Ca e:Fe f:O f:O f:O f:Si", "ABC6D2_mC40_15_e_e_3f_f:Ca-Fe-O-Si", 40, 14},
    {"2 i:C i:C a:H c:H", "A2B_aP6_2_2i_ac:C-H", 6, 6},
    {"38 a:Au d:Cu", "AB2_oC6_38_a_d:Au-Cu", 6, 3},
    {"47 A:O a:O z:O", "A_oP13_47_azA:O", 13, 5},
    {"225 a:Ar", "A_cF4_225_a:Ar", 4, 0},
};

static void test_protostructure__labels_of_known_structures(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        struct protostructure proto = proto_from(known[i].proto);
        assert_int_equal(protostructure_check(&proto, NULL), 0);
        assert_int_equal(protostructure_atoms(&proto), known[i].atoms);
        assert_int_equal(protostructure_dof(&proto), known[i].dof);
        char *label = protostructure_label(&proto),
             *prototype = protostructure_prototype(&proto);
        assert_string_equal(label, known[i].label);
        assert_int_equal(strlen(prototype), strcspn(label, ":"));
        assert_memory_equal(prototype, label, strlen(prototype));
        free(label);
        free(prototype);
        protostructure_done(&proto);
    }
}

static void test_protostructure__formula_by_electronegativity(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"221 a:Ba b:Ti c:O", "BaTiO3"}, {"225 a:Na b:Cl", "NaCl"},
        {"167 c:Al e:O", "Al2O3"},       {"15 e:Ca e:Fe f:O f:O f:O f:Si", "CaFeSi2O6"},
        {"225 a:Ar b:Xe", "XeAr"},       {"229 a:W", "W"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct protostructure proto = proto_from(rows[i][0]);
        char formula[64];
        protostructure_formula(&proto, formula, sizeof formula);
        assert_string_equal(formula, rows[i][1]);
        protostructure_formula(&proto, formula, 2); /* cut, never over the end */
        assert_int_equal(strlen(formula), 1);
        protostructure_done(&proto);
    }
}

static void test_protostructure__wrong_ones_are_named(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"0 a:Na", "no space group number 0"},
        {"231 a:Na", "no space group number 231"},
        {"225", "0 occupied sites, not 1..512"},
        {"225 a:Na a:Cl", "position 4a of group 225 is occupied twice"},
        {"225 a:Na b:Cl a:Na", "position 4a of group 225 is occupied twice"},
        {"225 a:Na m:Cl", "site 2: group 225 (F m -3 m) has no position number 13"},
        {"225 a:Na b:Qq", "site 2: no element with number 0"},
        {"225 l:O l:O l:O l:O l:O l:O l:O l:O l:O l:O l:O",
         "2112 atoms in the conventional cell, at most 2000"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct protostructure proto = proto_from(rows[i][0]);
        struct err err = {0};
        assert_int_equal(protostructure_check(&proto, &err), ERR_INVALID);
        assert_string_equal(err.text, rows[i][1]);
        protostructure_done(&proto);
    }
}

static void test_protostructure__canonical_form_forgets_the_order(void **state)
{
    (void)state;
    struct protostructure a = proto_from("62 c:Ti a:O d:O c:Ba"),
                          b = proto_from("62 d:O c:Ba c:Ti a:O"), c, empty = {0}, copy;
    protostructure_canonicalize(&a);
    assert_false(protostructure_equal(&a, &b));
    protostructure_canonicalize(&b);
    assert_true(protostructure_equal(&a, &b));
    for (uint32_t i = 1; i < a.n_sites; i++)
        assert_true(a.sites[i - 1].letter <= a.sites[i].letter);
    protostructure_copy(&c, &a);
    assert_true(protostructure_equal(&a, &c) && c.sites != a.sites);
    c.sites[1].element++;
    assert_false(protostructure_equal(&a, &c));
    c.sites[1].element--;
    c.spacegroup++;
    assert_false(protostructure_equal(&a, &c));
    protostructure_copy(&copy, &empty);
    assert_null(copy.sites);
    protostructure_done(&copy);
    protostructure_done(&a);
    protostructure_done(&b);
    protostructure_done(&c);
}

static void test_protostructure__equivalent_origins_have_one_canonical_form(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"225 a:Na b:Cl", "225 a:Cl b:Na"},         {"221 a:Sr b:Ti c:O", "221 a:Ti b:Sr d:O"},
        {"227 a:Mg d:Al e:O", "227 b:Mg c:Al e:O"}, {"216 a:Zn c:S", "216 b:Zn d:S"},
        {"136 a:Ti f:O", "136 b:Ti g:O"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        struct protostructure a = proto_from(pairs[i][0]), b = proto_from(pairs[i][1]);
        protostructure_canonicalize(&a);
        protostructure_canonicalize(&b);
        if (!protostructure_equal(&a, &b))
            fail_msg("%s is not %s", pairs[i][0], pairs[i][1]);
        protostructure_done(&a);
        protostructure_done(&b);
    }
    struct protostructure a = proto_from("221 a:Sr b:Ti c:O"),
                          b = proto_from("221 a:Sr b:Ti d:O");
    protostructure_canonicalize(&a);
    protostructure_canonicalize(&b);
    assert_false(protostructure_equal(&a, &b));
    protostructure_done(&a);
    protostructure_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_protostructure__labels_of_known_structures),
        cmocka_unit_test(test_protostructure__formula_by_electronegativity),
        cmocka_unit_test(test_protostructure__wrong_ones_are_named),
        cmocka_unit_test(test_protostructure__canonical_form_forgets_the_order),
        cmocka_unit_test(test_protostructure__equivalent_origins_have_one_canonical_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
