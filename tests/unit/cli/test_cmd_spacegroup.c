/* Does `wyckmill spacegroup` print what people and programs expect? */
#include "tests/support/cmocka.h"

#include "cli/cli.h"
#include "workers/crystal/wyckoff.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Runs the command with stdout and stderr in files. Caller frees the text of stdout. */
static char *run(int *ret_exit, int argc, const char *const *words, FILE *errors)
{
    char *argv[8] = {NULL};
    FILE *out = tmpfile();
    int kept_out = dup(STDOUT_FILENO), kept_err = dup(STDERR_FILENO);
    for (int i = 0; i < argc; i++)
        argv[i] = strdup(words[i]);
    (void)fflush(stdout);
    (void)dup2(fileno(out), STDOUT_FILENO);
    (void)dup2(fileno(errors), STDERR_FILENO);
    *ret_exit = cmd_spacegroup(argc, argv);
    (void)fflush(stdout);
    (void)fflush(stderr);
    (void)dup2(kept_out, STDOUT_FILENO);
    (void)dup2(kept_err, STDERR_FILENO);
    (void)close(kept_out);
    (void)close(kept_err);
    for (int i = 0; i < argc; i++)
        free(argv[i]);
    long size = ftell(out) >= 0 && fseek(out, 0, SEEK_END) == 0 ? ftell(out) : 0;
    char *text = calloc((size_t)size + 1, 1);
    rewind(out);
    assert_int_equal(fread(text, 1, (size_t)size, out), size);
    (void)fclose(out);
    return text;
}

static void test_cmd_spacegroup__json_is_the_documented_object(void **state)
{
    (void)state;
    const char *const words[] = {"spacegroup", "Fm-3m", "--json"};
    int code;
    FILE *errors = tmpfile();
    char *text = run(&code, 3, words, errors);
    (void)fclose(errors);
    assert_int_equal(code, EXIT_DONE);
    const char *begin = "{\"number\":225,\"symbol\":\"F m -3 "
                        "m\",\"hall_number\":523,\"positions\":[{\"letter\":"
                        "\"a\",\"multiplicity\":4,\"site_symmetry\":\"m-3m\",\"dof\":0,"
                        "\"coordinates\":[\"0,0,0\"";
    assert_memory_equal(text, begin, strlen(begin));
    json_t *root = json_loads(text, 0, NULL);
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
    free(text);
}

static void test_cmd_spacegroup__text_has_a_line_per_position(void **state)
{
    (void)state;
    const char *const words[] = {"spacegroup", "P", "n", "m", "a"};
    int code;
    FILE *errors = tmpfile();
    char *text = run(&code, 5, words, errors);
    (void)fclose(errors);
    assert_int_equal(code, EXIT_DONE);
    assert_non_null(strstr(text, "Space group 62  P n m a  (orthorhombic, Hall number 292"));
    assert_non_null(strstr(text, "      8d  1                 3  x,y,z\n"));
    assert_non_null(strstr(text, "      4c  .m.               2  x,1/4,z\n"));
    free(text);
}

static void test_cmd_spacegroup__wrong_group_is_a_usage_error(void **state)
{
    (void)state;
    const char *const words[] = {"spacegroup", "Fm3n", "--json"};
    int code;
    char message[512] = "";
    FILE *errors = tmpfile();
    char *text = run(&code, 3, words, errors);
    rewind(errors);
    assert_true(fread(message, 1, sizeof message - 1, errors) > 0);
    (void)fclose(errors);
    assert_int_equal(code, EXIT_USAGE);
    assert_non_null(strstr(message, "wyckmill spacegroup: no space group 'Fm3n'"));
    assert_non_null(strstr(message, "nearest symbols: "));
    assert_memory_equal(text, "{\"error\":{\"code\":\"invalid\"", 26);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cmd_spacegroup__json_is_the_documented_object),
        cmocka_unit_test(test_cmd_spacegroup__text_has_a_line_per_position),
        cmocka_unit_test(test_cmd_spacegroup__wrong_group_is_a_usage_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
