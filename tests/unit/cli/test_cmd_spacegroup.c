/* Does `wyckmill spacegroup` print what people and programs expect? */
#include "tests/support/command.h"

#include "workers/crystal/wyckoff.h"

#include <jansson.h>

static void test_cmd_spacegroup__json_is_the_documented_object(void **state)
{
    (void)state;
    const char *const words[] = {"spacegroup", "Fm-3m", "--json", NULL};
    struct command_result result = command_run(cmd_spacegroup, words);
    assert_int_equal(result.exit, EXIT_DONE);
    const char *begin =
        "{\"number\":225,\"symbol\":\"F m -3 m\",\"hall_number\":523,\"system\":\"cubic\","
        "\"schoenflies\":\"Oh^5\",\"point_group\":\"m-3m\",\"operations\":192,"
        "\"setting\":{\"hall_number\":523,\"hall_symbol\":\"-F 4 2 3\",\"symbol\":\"F 4/m -3 "
        "2/m\","
        "\"choice\":\"\",\"standard\":true,\"to_standard\":{\"axes\":[\"a\",\"b\",\"c\"],"
        "\"origin\":\"0,0,0\"}},\"other_settings\":[],\"positions\":[{\"letter\":"
        "\"a\",\"multiplicity\":4,\"site_symmetry\":\"m-3m\",\"dof\":0,"
        "\"coordinates\":[\"0,0,0\"";
    assert_memory_equal(result.out, begin, strlen(begin));
    json_t *root = json_loads(result.out, 0, NULL);
    json_t *positions = json_object_get(root, "positions"), *position;
    size_t index;
    assert_int_equal(json_array_size(positions), 12);
    json_array_foreach(positions, index, position)
    {
        json_int_t multiplicity = json_integer_value(json_object_get(position, "multiplicity"));
        assert_int_equal(json_array_size(json_object_get(position, "coordinates")),
                         multiplicity);
    }
    json_decref(root);
    command_done(&result);
}

static void test_cmd_spacegroup__text_has_a_line_per_position(void **state)
{
    (void)state;
    const char *const words[] = {"spacegroup", "P", "n", "m", "a", NULL};
    struct command_result result = command_run(cmd_spacegroup, words);
    assert_int_equal(result.exit, EXIT_DONE);
    assert_string_equal(result.out,
                        "Space group 62  P n m a  (orthorhombic, Hall number 292, 8 operations "
                        "in the cell)\n"
                        "Schoenflies D2h^16, point group mmm\n"
                        "\n"
                        "position  site symmetry  free  first coordinates\n"
                        "      8d  1                 3  x,y,z\n"
                        "      4c  .m.               2  x,1/4,z\n"
                        "      4b  -1                0  0,0,1/2\n"
                        "      4a  -1                0  0,0,0\n"
                        "\n"
                        "All coordinates of every position: --json\n");
    command_done(&result);
}

/* What stands in front of the table for names of other settings. */
static const struct {
    const char *words[6];
    const char *text;
} settings[] = {
    {{"spacegroup", "P21/n"},
     "\n'P21/n' is the setting P 1 2_1/n 1 (b2, Hall number 82, Hall symbol -P 2yn).\n"
     "The standard setting, used below, has in its coordinates\n"
     "  axes    a, b, a+c\n"
     "  origin  0,0,0\n"
     "\nThe name can also mean P 1 1 2_1/n (c2, Hall number 85), P 2_1/n 1 1 (a2, Hall number "
     "88).\n\nposition"},
    {{"spacegroup", "Fd-3m:1"}, "  axes    a, b, c\n  origin  1/8,1/8,1/8\n\nposition"},
    {{"spacegroup", "R -3 m :R"}, "  axes    a-b, b-c, a+b+c\n  origin  0,0,0\n\nposition"},
    {{"spacegroup", "Bmab"}, "'Bmab' is the setting B 2/m 2_1/e 2/b (a-cb, Hall number 309"},
    {{"spacegroup", "-P", "2yn"}, "'-P 2yn' is the setting P 1 2_1/n 1 (b2"},
    {{"spacegroup", "--", "-P 2yn"}, "'-P 2yn' is the setting P 1 2_1/n 1 (b2"},
    {{"spacegroup", "hall:82"}, "'hall:82' is the setting P 1 2_1/n 1 (b2"},
    {{"spacegroup", "Hall:", "P", "2"}, "is the setting P 1 1 2 (c, Hall number 4"},
    {{"spacegroup", "P 2"},
     "(monoclinic, Hall number 3, 2 operations in the cell)\n"
     "Schoenflies C2^1, point group 2\n\nThe name can also mean P 1 1 2"},
    {{"spacegroup", "P 3 2\""}, "Space group 150 "},
};

static void test_cmd_spacegroup__other_settings_are_explained(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        struct command_result result = command_run(cmd_spacegroup, settings[i].words);
        assert_int_equal(result.exit, EXIT_DONE);
        assert_string_equal(result.errors, "");
        if (!strstr(result.out, settings[i].text))
            fail_msg("'%s' is not in:\n%s", settings[i].text, result.out);
        command_done(&result);
    }
    const char *const words[] = {"spacegroup", "-A", "2ac", "2ac", "-j", NULL};
    struct command_result result = command_run(cmd_spacegroup, words);
    json_t *root = json_loads(result.out, 0, NULL), *setting = json_object_get(root, "setting");
    assert_int_equal(json_integer_value(json_object_get(root, "number")), 64);
    assert_int_equal(json_integer_value(json_object_get(root, "hall_number")), 304);
    assert_int_equal(json_integer_value(json_object_get(setting, "hall_number")), 306);
    assert_true(json_is_false(json_object_get(setting, "standard")));
    json_decref(root);
    command_done(&result);
}

static void test_cmd_spacegroup__wrong_group_is_a_usage_error(void **state)
{
    (void)state;
    static const struct {
        const char *words[4], *sentence;
    } rows[] = {
        {{"spacegroup", "Fm3n", "--json"},
         "wyckmill spacegroup: no space group 'Fm3n'\n  hint: nearest symbols: "},
        {{"spacegroup", "231"}, "wyckmill spacegroup: no space group number 231: 1..230\n"},
        {{"spacegroup", "hall:531"},
         "wyckmill spacegroup: no setting has the Hall number or symbol '531'\n"
         "  hint: Hall numbers are 1..530; Hall symbols look like -P 2ybc\n"},
        {{"spacegroup", "R-3m:1"}, "wyckmill spacegroup: no space group 'R-3m:1'\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct command_result result = command_run(cmd_spacegroup, rows[i].words);
        assert_int_equal(result.exit, EXIT_USAGE);
        if (strncmp(result.errors, rows[i].sentence, strlen(rows[i].sentence)) != 0)
            fail_msg("'%s'", result.errors);
        if (i == 0)
            assert_memory_equal(result.out, "{\"error\":{\"code\":\"invalid\"", 26);
        command_done(&result);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cmd_spacegroup__json_is_the_documented_object),
        cmocka_unit_test(test_cmd_spacegroup__text_has_a_line_per_position),
        cmocka_unit_test(test_cmd_spacegroup__other_settings_are_explained),
        cmocka_unit_test(test_cmd_spacegroup__wrong_group_is_a_usage_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
