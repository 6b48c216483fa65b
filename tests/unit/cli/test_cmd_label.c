/* Does `wyckmill label` say what a label means, and why another one is impossible? */
#include "tests/support/command.h"

#include <jansson.h>

static void test_cmd_label__text_shows_positions_and_equivalents(void **state)
{
    (void)state;
    const char *const words[] = {"label", "ABC3_cP5_221_a_b_c:Ba-Ti-O", NULL};
    struct command_result result = command_run(cmd_label, words);
    assert_int_equal(result.exit, EXIT_DONE);
    assert_string_equal(result.errors, "");
    assert_string_equal(result.out,
                        "label        AB3C_cP5_221_a_c_b:Ba-O-Ti\n"
                        "formula      BaTiO3\n"
                        "space group  221  P m -3 m  (cubic)\n"
                        "atoms        5 in the conventional cell, 5 in the primitive one\n"
                        "free         0 coordinates, 1 of the cell\n"
                        "\n"
                        "element  position  site symmetry  free  first coordinates\n"
                        "Ba             1a  m-3m              0  0,0,0\n"
                        "Ti             1b  m-3m              0  1/2,1/2,1/2\n"
                        "O              3c  4/mm.m            0  1/2,1/2,0\n"
                        "\n"
                        "labels of the same crystal, the canonical one first:\n"
                        "  AB3C_cP5_221_a_c_b:Ba-O-Ti\n"
                        "  AB3C_cP5_221_b_d_a:Ba-O-Ti\n");
    command_done(&result);
}

static void test_cmd_label__json_is_one_object(void **state)
{
    (void)state;
    const char *const words[] = {"label", "A2B3_hR30_167_c_e:Al-O", "--json", NULL};
    struct command_result result = command_run(cmd_label, words);
    json_t *root = json_loads(result.out, 0, NULL), *site;
    assert_int_equal(result.exit, EXIT_DONE);
    assert_string_equal(json_string_value(json_object_get(root, "label")),
                        "A2B3_hR10_167_c_e:Al-O");
    assert_string_equal(json_string_value(json_object_get(root, "prototype")),
                        "A2B3_hR10_167_c_e");
    assert_string_equal(json_string_value(json_object_get(root, "formula")), "Al2O3");
    assert_int_equal(json_integer_value(json_object_get(root, "spacegroup")), 167);
    assert_int_equal(json_integer_value(json_object_get(root, "atoms")), 30);
    assert_int_equal(json_integer_value(json_object_get(root, "atoms_primitive")), 10);
    assert_int_equal(json_integer_value(json_object_get(root, "dof")), 2);
    assert_int_equal(json_integer_value(json_object_get(root, "lattice_dof")), 2);
    site = json_array_get(json_object_get(root, "sites"), 1);
    assert_string_equal(json_string_value(json_object_get(site, "element")), "O");
    assert_string_equal(json_string_value(json_object_get(site, "letter")), "e");
    assert_int_equal(json_integer_value(json_object_get(site, "multiplicity")), 18);
    assert_string_equal(json_string_value(json_object_get(site, "site_symmetry")), ".2");
    assert_string_equal(
        json_string_value(json_array_get(json_object_get(root, "equivalent"), 0)),
        json_string_value(json_object_get(root, "canonical")));
    json_decref(root);
    command_done(&result);
}

static void test_cmd_label__a_prototype_has_letters_for_elements(void **state)
{
    (void)state;
    const char *const words[] = {"label", "AB_cF8_225_b_a", NULL};
    struct command_result result = command_run(cmd_label, words);
    assert_int_equal(result.exit, EXIT_DONE);
    assert_memory_equal(result.out, "label        AB_cF8_225_b_a\nspace group", 39);
    assert_non_null(strstr(result.out, "\nB              4a  m-3m "));
    assert_non_null(strstr(result.out, "\nA              4b  m-3m "));
    assert_non_null(strstr(result.out, "\n  AB_cF8_225_a_b\n"));
    command_done(&result);
}

/* P -1: inversion centres and axes can be chosen in many ways. */
static void test_cmd_label__long_lists_are_cut(void **state)
{
    (void)state;
    const char *const words[] = {"label", "ABCD_aP4_2_a_b_c_d:Ba-Cu-O-S", NULL};
    struct command_result result = command_run(cmd_label, words);
    const char *more = strstr(result.out, "\n  ... and ");
    assert_non_null(more);
    assert_non_null(strstr(more, " more: --json\n"));
    uint32_t lines = 0;
    for (const char *at = strstr(result.out, "canonical one first:\n"); at != more; lines++)
        at = strchr(at + 1, '\n');
    assert_int_equal(lines, 13);
    command_done(&result);
}

static void test_cmd_label__impossible_labels_are_refused(void **state)
{
    (void)state;
    const char *const words[] = {"label", "AB_cF8_225_a_q:Na-Cl", "-j", NULL};
    struct command_result result = command_run(cmd_label, words);
    assert_int_equal(result.exit, EXIT_USAGE);
    assert_string_equal(result.errors, "wyckmill label: character 14, 'q': space group 225 "
                                       "(F m -3 m) has positions a to l\n");
    assert_memory_equal(result.out, "{\"error\":{\"code\":\"invalid\"", 26);
    command_done(&result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cmd_label__text_shows_positions_and_equivalents),
        cmocka_unit_test(test_cmd_label__json_is_one_object),
        cmocka_unit_test(test_cmd_label__a_prototype_has_letters_for_elements),
        cmocka_unit_test(test_cmd_label__long_lists_are_cut),
        cmocka_unit_test(test_cmd_label__impossible_labels_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
