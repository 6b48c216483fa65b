/* Are labels read as the field writes them, printed labels read back as they were, and
 * impossible ones refused with the place and the reason? */
#include "tests/support/cmocka.h"

#include "common/rng.h"
#include "workers/crystal/elements.h"
#include "workers/crystal/format.h"
#include "workers/crystal/structure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool all_of_mini; /* every structure of mp20-mini, not the first 200 */

static struct protostructure parsed(const char *text)
{
    struct protostructure proto;
    struct err err = {0};
    if (protostructure_parse(text, &proto, NULL, &err))
        fail_msg("'%s': %s", text, err.text);
    assert_int_equal(protostructure_check(&proto, NULL), 0);
    return proto;
}

static void assert_same(const char *text, const struct protostructure *want)
{
    struct protostructure proto = parsed(text);
    if (!protostructure_equal(&proto, want)) {
        char *other = protostructure_label(&proto);
        fail_msg("'%s' is read as %s", text, other);
    }
    protostructure_done(&proto);
}

/* Every text of a row is the protostructure that the first one is printed for. */
static const char *const spellings[][5] = {
    {"AB3C_cP5_221_a_c_b:Ba-O-Ti", "ABC3_cP5_221_a_b_c:Ba-Ti-O", "A3BC_cP5_221_c_a_b:O-Ba-Ti",
     "A1B3C1_cP5_221_1a_c_b:Ba-O-Ti"},
    /* AFLOW counts corundum's primitive cell, aviary the hexagonal one */
    {"A2B3_hR10_167_c_e:Al-O", "A2B3_hR30_167_c_e:Al-O", "A3B2_hR30_167_e_c:O-Al"},
    {"AB2_oC6_38_a_d:Au-Cu", "AB2_oS6_38_a_d:Au-Cu", "AB2_oA6_38_a_d:Au-Cu",
     "A2B_oB6_38_d_a:Cu-Au"},
    {"ABC6D2_mC40_15_e_e_3f_f:Ca-Fe-O-Si", "ABC6D2_mC40_15_e_e_fff_f:Ca-Fe-O-Si",
     "ABC6D2_mC40_15_e_e_2ff_f:Ca-Fe-O-Si"},
    {"A_oP13_47_azA:O", "A_oP13_47_Aaz:O", "A_oP13_47_zA1a:O"},
    {"A2B_aP6_2_2i_ac:C-H", "AB2_aP6_2_ca_2i:H-C"},
    {"A_cF4_225_a:Ar"},
};

static void test_label__every_spelling_is_the_same_protostructure(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof spellings / sizeof spellings[0]; i++) {
        struct protostructure proto = parsed(spellings[i][0]);
        char *label = protostructure_label(&proto);
        assert_string_equal(label, spellings[i][0]);
        for (size_t k = 1; k < 5 && spellings[i][k]; k++)
            assert_same(spellings[i][k], &proto);
        free(label);
        protostructure_done(&proto);
    }
}

static void test_label__prototypes_have_stand_ins(void **state)
{
    (void)state;
    static const char *const prototypes[] = {"AB3C_cP5_221_a_c_b", "A2B3_hR10_167_c_e",
                                             "A_oP13_47_azA", "ABC3_cP5_221_a_b_c"};
    for (size_t i = 0; i < sizeof prototypes / sizeof prototypes[0]; i++) {
        struct protostructure proto;
        struct err err = {0};
        bool anonymous = false;
        assert_int_equal(protostructure_parse(prototypes[i], &proto, &anonymous, &err), 0);
        assert_true(anonymous);
        char *again = protostructure_prototype(&proto), name[4];
        assert_string_equal(again, prototypes[i]);
        protostructure_stand_in_name((uint8_t)element_parse("Ac", 2), name);
        assert_string_equal(name, "A");
        protostructure_stand_in_name((uint8_t)element_parse("Zr", 2), name);
        assert_string_equal(name, "CY"); /* the last of 103 */
        free(again);
        protostructure_done(&proto);
        anonymous = true;
        char text[64];
        (void)snprintf(text, sizeof text, "%s:%s", prototypes[i],
                       i == 2   ? "O"
                       : i == 1 ? "Al-O"
                                : "Ba-O-Ti");
        assert_int_equal(protostructure_parse(text, &proto, &anonymous, &err), 0);
        assert_false(anonymous);
        protostructure_done(&proto);
    }
}

/* Wrong labels: the sentence, and a part of the hint (NULL: none). */
static const struct {
    const char *label, *text, *hint;
} impossible[] = {
    {"",
     "character 1, the end of the label: the prototype formula should stand here, like AB3C",
     "a label looks like AB3C_cP5_221_a_c_b:Ba-O-Ti"},
    {"BaTiO3",
     "character 1, 'BaTiO3': 'A' should stand here: a formula names its elements A, B, C in "
     "order",
     "a label looks like"},
    {"AC_cF8_225_a_b:Na-Cl",
     "character 2, 'C': 'B' should stand here: a formula names its elements A, B, C in order",
     "a label looks like"},
    {"AB0_cF8_225_a_b", "character 3, '0': a number begins with 1 to 9", NULL},
    {"AB9999999_cF8_225_a_b",
     "character 3, '9999999': a number below 1000000 should stand here", NULL},
    {"AB",
     "character 3, the end of the label: '_' and the Pearson symbol, like cP5, should "
     "stand here",
     NULL},
    {"AB_xF8_225_a_b", "character 4, 'xF8': this is no Pearson symbol",
     "crystal system (a m o"},
    {"AB_cX8_225_a_b", "character 4, 'cX8': this is no Pearson symbol", "centring (P C I F R)"},
    {"AB_cF_225_a_b", "character 4, 'cF': this is no Pearson symbol", "cP5"},
    {"AB_cF8x_225_a_b",
     "character 7, 'x': '_' and the number of the space group should stand here", NULL},
    {"AB_cF8_231_a_b",
     "character 8, '231': a space group number from 1 to 230 should stand here", NULL},
    {"AB_cF8_Fm-3m_a_b",
     "character 8, 'Fm': a space group number from 1 to 230 should stand here", NULL},
    {"AB_cP8_225_a_b",
     "character 4, 'cP8': space group 225 (F m -3 m) has Pearson symbols that begin with cF",
     NULL},
    {"AB_tF8_225_a_b",
     "character 4, 'tF8': space group 225 (F m -3 m) has Pearson symbols that begin with cF",
     NULL},
    {"AB2_oP6_38_a_d",
     "character 5, 'oP6': space group 38 (A m m 2) has Pearson symbols that begin with oC",
     NULL},
    {"AB_cF8_225_a_m", "character 14, 'm': space group 225 (F m -3 m) has positions a to l",
     NULL},
    {"AB_cF8_225_a_A", "character 14, 'A': space group 225 (F m -3 m) has positions a to l",
     NULL},
    {"AB_cF8_225_a_?", "character 14, '?': space group 225 (F m -3 m) has positions a to l",
     NULL},
    {"AB_cF8_225_a_2", "character 14, '2': space group 225 (F m -3 m) has positions a to l",
     NULL},
    {"AB_cF8_225_a_a:Cl-Na",
     "character 14, 'a': position 4a of space group 225 is occupied twice, first by A, and has "
     "no free coordinate that could keep two atoms apart",
     "wyckmill spacegroup 225"},
    {"A_cF8_225_2a:Cl",
     "character 11, '2a': position 4a of space group 225 is occupied twice, and has no free "
     "coordinate that could keep two atoms apart",
     "wyckmill spacegroup 225"},
    {"A_aP600_2_600i:C", "character 11, '600i': more than 512 occupied positions", NULL},
    {"A_cF2112_225_11l:C", "character 14, '11l': more than 2000 atoms in the conventional cell",
     NULL},
    {"AB_cF8_225_a",
     "character 13, the end of the label: '_' and the Wyckoff letters of B "
     "should stand here",
     NULL},
    {"AB_cF8_225_a_:Na-Cl", "character 14: the Wyckoff letters of B should stand here", NULL},
    {"AB_cF8_225_a_b_c:Na-Cl",
     "character 15, '_c': the formula has 2 elements: no further letters fit", NULL},
    {"A2B_cF8_225_a_b:Na-Cl", "character 1, 'A2': the letters put A on 4 of 8 atoms",
     "the formula of these letters is AB"},
    {"AB2_cP5_221_a_c:Ba-O", "character 2, 'B2': the letters put B on 3 of 4 atoms",
     "the formula of these letters is AB3"},
    {"A2B2_cF8_225_a_b", "character 1, 'A2': the letters put A on 4 of 8 atoms",
     "the formula of these letters is AB"},
    {"AB_cF2_225_a_b:Cl-Na",
     "character 4, 'cF2': the letters give 8 atoms in the conventional cell: cF8 should stand "
     "here",
     NULL},
    {"A2B3_hR20_167_c_e:Al-O",
     "character 6, 'hR20': the letters give 30 atoms in the conventional cell: hR10 should "
     "stand here",
     NULL},
    {"AB_cF8_225_a_b:Na-Qq", "character 19, 'Qq': unknown element", "H to Lr"},
    {"AB_cF8_225_a_b:Na-cl", "character 19, 'cl': unknown element", "did you mean Cl?"},
    {"AB_cF8_225_a_b:Na-Chlorine", "character 19, 'Chlorine': unknown element", "H to Lr"},
    {"AB_cF8_225_a_b:", "character 16, the end of the label: an element should stand here",
     "H to Lr"},
    {"AB_cF8_225_a_b:Na-", "character 19, the end of the label: an element should stand here",
     "H to Lr"},
    {"AB_cF8_225_a_b:Na-Na", "character 19, 'Na': this element was named before", NULL},
    {"AB_cF8_225_a_b:Na",
     "character 18, the end of the label: the formula has 2 elements, and only 1 is named, "
     "with "
     "'-' between",
     NULL},
    {"ABC3_cP5_221_a_b_c:Ba-Ti",
     "character 25, the end of the label: the formula has 3 elements, and only 2 are named, "
     "with '-' between",
     NULL},
    {"AB_cF8_225_a_b:Na-Cl-K",
     "character 21, '-K': the label should end here: the formula has 2 elements", NULL},
    {"A_cF4_225_a:Ar ", "character 13, 'Ar ': unknown element", "H to Lr"},
    {"AB_cF8_225_a_b",
     "character 15, the end of the label: ':' and the elements should stand here, like "
     ":Ba-O-Ti",
     NULL},
};

static void test_label__impossible_ones_are_refused_with_place_and_reason(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof impossible / sizeof impossible[0]; i++) {
        struct protostructure proto = {.n_sites = 77};
        struct err err = {0};
        assert_int_equal(protostructure_parse(impossible[i].label, &proto, NULL, &err),
                         ERR_INVALID);
        assert_int_equal(err.code, ERR_INVALID);
        assert_string_equal(err.text, impossible[i].text);
        if (impossible[i].hint && !strstr(err.hint, impossible[i].hint))
            fail_msg("'%s': hint '%s'", impossible[i].label, err.hint);
        if (!impossible[i].hint)
            assert_string_equal(err.hint, "");
        assert_int_equal(proto.n_sites, 77); /* untouched */
        assert_int_equal(protostructure_parse(impossible[i].label, &proto, NULL, NULL),
                         ERR_INVALID);
    }
}

/* ---- round trips ---- */

/* A random crystal of this group: 1 to 12 orbits, 1 to 9 elements of all there are. */
static struct protostructure random_proto(struct rng *rng, int number)
{
    const struct spacegroup *group = spacegroup_get(number);
    struct protostructure proto = {.spacegroup = (uint16_t)number,
                                   .sites = calloc(12, sizeof *proto.sites)};
    uint8_t palette[9];
    bool taken[POSITIONS_MAX] = {false};
    uint32_t n_elements = 1 + rng_below(rng, 9), n = 1 + rng_below(rng, 12), atoms = 0;
    for (uint32_t i = 0; i < n_elements; i++)
        palette[i] = (uint8_t)(1 + rng_below(rng, ELEMENT_MAX));
    while (proto.n_sites < n) {
        uint32_t letter = rng_below(rng, group->n_positions);
        const struct wyckoff_position *position = &group->positions[letter];
        if (atoms + position->multiplicity > ATOMS_MAX)
            break;
        n -= position->dof == 0 && taken[letter]; /* may be the only position there is */
        if (position->dof == 0 && taken[letter])
            continue;
        taken[letter] = true;
        atoms += position->multiplicity;
        proto.sites[proto.n_sites++] =
            (struct site){(uint8_t)letter, palette[rng_below(rng, n_elements)]};
    }
    protostructure_sort(&proto);
    return proto;
}

/* The label with the atoms of the hexagonal cell, as aviary has it. */
static void aviary_label(const char *label, const struct protostructure *proto, struct buf *ret)
{
    const char *at = strstr(label, "_hR");
    ret->size = 0;
    if (!at)
        buf_print(ret, "%s", label);
    else
        buf_print(ret, "%.*s_hR%u%s", (int)(at - label), label, protostructure_atoms(proto),
                  at + 3 + strspn(at + 3, "0123456789"));
    (void)buf_text(ret);
}

static void check_round_trip(const struct protostructure *proto)
{
    struct protostructure again;
    struct err err = {0};
    struct buf other = {0};
    bool anonymous = false;
    char *label = protostructure_label(proto), *prototype = protostructure_prototype(proto);
    assert_same(label, proto);
    aviary_label(label, proto, &other);
    assert_same(buf_text(&other), proto);
    if (protostructure_parse(prototype, &again, &anonymous, &err))
        fail_msg("'%s': %s", prototype, err.text);
    char *printed = protostructure_prototype(&again);
    assert_true(anonymous);
    assert_string_equal(printed, prototype);
    protostructure_done(&again);
    buf_done(&other);
    free(label);
    free(prototype);
    free(printed);
}

static void test_label__printed_labels_are_read_back(void **state)
{
    (void)state;
    enum { CASES = 23000 }; /* a hundred of each group */
    struct rng rng = rng_stream(20240607, 0, 0, 0);
    for (int i = 0; i < CASES; i++) {
        struct protostructure proto = random_proto(&rng, 1 + i % GROUP_MAX);
        assert_int_equal(protostructure_check(&proto, NULL), 0);
        check_round_trip(&proto);
        protostructure_done(&proto);
    }
}

static void test_label__every_element_has_a_name(void **state)
{
    (void)state;
    struct protostructure proto = {.spacegroup = 1, .sites = calloc(ELEMENT_MAX, 2)};
    for (int z = 1; z <= ELEMENT_MAX; z++)
        proto.sites[proto.n_sites++] = (struct site){0, (uint8_t)z};
    check_round_trip(&proto); /* A to CY */
    protostructure_done(&proto);
}

static void test_label__real_crystals_are_read_back(void **state)
{
    (void)state;
    struct source source = {0};
    if (access(MINI, R_OK) != 0) {
        print_message("%s is not there: left out\n", MINI);
        skip();
    }
    assert_int_equal(format_ingest(MINI, &source, NULL), 0);
    assert_true(source.n_items >= 1000);
    for (uint32_t i = 0; i < source.n_items && (all_of_mini || i < 200); i++) {
        struct structure structure;
        struct record record;
        assert_int_equal(format_parse(&source.items[i], &structure, NULL, NULL), 0);
        assert_int_equal(structure_to_record(&structure, 0.1, &record, NULL), 0);
        check_round_trip(&record.proto);
        record_done(&record);
        structure_done(&structure);
    }
    source_done(&source);
}

/* ---- equivalent descriptions ---- */

static void test_label__equivalents_begin_with_the_canonical_one(void **state)
{
    (void)state;
    struct rng rng = rng_stream(20240608, 0, 0, 0);
    for (int number = 1; number <= GROUP_MAX; number++) {
        struct protostructure proto = random_proto(&rng, number), *all;
        uint32_t n = protostructure_equivalents(&proto, &all), found = 0;
        assert_true(n >= 1);
        for (uint32_t i = 0; i < n; i++) {
            assert_int_equal(protostructure_check(&all[i], NULL), 0);
            found += protostructure_equal(&all[i], &proto);
            assert_true(i == 0 ||
                        protostructure_compare_descriptions(&all[i - 1], &all[i]) < 0);
        }
        assert_int_equal(found, 1);
        protostructure_canonicalize(&proto);
        assert_true(protostructure_equal(&proto, &all[0]));
        for (uint32_t i = 0; i < n; i++)
            protostructure_done(&all[i]);
        free(all);
        protostructure_done(&proto);
    }
}

int main(int argc, char **argv)
{
    (void)argv;
    all_of_mini = argc > 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_label__every_spelling_is_the_same_protostructure),
        cmocka_unit_test(test_label__prototypes_have_stand_ins),
        cmocka_unit_test(test_label__impossible_ones_are_refused_with_place_and_reason),
        cmocka_unit_test(test_label__printed_labels_are_read_back),
        cmocka_unit_test(test_label__every_element_has_a_name),
        cmocka_unit_test(test_label__real_crystals_are_read_back),
        cmocka_unit_test(test_label__equivalents_begin_with_the_canonical_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
