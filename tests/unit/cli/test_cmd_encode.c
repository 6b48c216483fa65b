/* Does `wyckmill encode` use the good structures and explain the bad ones? */
#include "tests/support/broken_set.h"
#include "tests/support/command.h"

#include <jansson.h>
#include <unistd.h>

static char folder[] = "wyckmill-encode-XXXXXX";
static char report[64];

/* Runs the command. Caller frees what it printed. */
static char *run(int *ret_exit, const char *const *words)
{
    struct command_result result = command_run(cmd_encode, words);
    *ret_exit = result.exit;
    free(result.errors);
    return result.out;
}

static void test_cmd_encode__broken_inputs_are_explained_and_the_good_used(void **state)
{
    (void)state;
    int code;
    assert_int_equal(broken_set_write(folder), 0);
    char *text =
        run(&code, (const char *[]){"encode", folder, "--labels", "--report", report, NULL});
    assert_int_equal(code, EXIT_PARTLY);
    assert_string_equal(text, "good-1\tAB_cF8_225_b_a:Cl-Na\ngood-2\tAB_cF8_225_b_a:Cl-Na\n");
    free(text);
    json_t *root = json_load_file(report, 0, NULL);
    assert_int_equal(json_integer_value(json_object_get(root, "accepted")) +
                         json_integer_value(json_object_get(root, "duplicates")),
                     BROKEN_GOOD);
    json_t *rejected = json_object_get(root, "rejected");
    assert_int_equal(json_array_size(rejected), BROKEN_REJECTS);
    for (size_t i = 0; i < BROKEN_REJECTS; i++) {
        json_t *row = json_array_get(rejected, i);
        assert_string_equal(json_string_value(json_object_get(row, "file")),
                            broken_rejects[i].file);
        assert_string_equal(json_string_value(json_object_get(row, "id")),
                            broken_rejects[i].id);
        const char *reason = json_string_value(json_object_get(row, "reason"));
        if (!strstr(reason, broken_rejects[i].words))
            fail_msg("'%s' does not say '%s'", reason, broken_rejects[i].words);
    }
    json_decref(root);
}

static void test_cmd_encode__good_files_exit_with_zero(void **state)
{
    (void)state;
    char path[128], text[1024];
    int code;
    (void)snprintf(path, sizeof path, "%s/good.xyz", folder);
    FILE *file = fopen(path, "wb");
    (void)snprintf(text, sizeof text, BROKEN_NACL, 7);
    assert_true(fputs(text, file) >= 0);
    (void)fclose(file);
    char *out = run(&code, (const char *[]){"encode", "--symprec", "0.01", path, NULL});
    assert_int_equal(code, EXIT_DONE);
    assert_string_equal(out, "good-7\tAB_cF8_225_b_a:Cl-Na\n");
    free(out);
    (void)unlink(path);
}

static void test_cmd_encode__json_holds_structures_and_report(void **state)
{
    (void)state;
    int code;
    char *text = run(&code, (const char *[]){"encode", folder, "--json", NULL});
    json_t *root = json_loads(text, 0, NULL);
    assert_int_equal(code, EXIT_PARTLY);
    json_t *structures = json_object_get(root, "structures"), *row;
    assert_int_equal(json_array_size(structures), BROKEN_GOOD);
    row = json_array_get(structures, 1);
    assert_string_equal(json_string_value(json_object_get(row, "id")), "good-2");
    assert_string_equal(json_string_value(json_object_get(row, "file")), "mixed.extxyz");
    assert_int_equal(json_integer_value(json_object_get(row, "line")), 18);
    assert_string_equal(json_string_value(json_object_get(row, "label")),
                        "AB_cF8_225_b_a:Cl-Na");
    assert_string_equal(json_string_value(json_object_get(row, "formula")), "NaCl");
    assert_int_equal(json_integer_value(json_object_get(row, "spacegroup")), 225);
    assert_int_equal(json_integer_value(json_object_get(row, "atoms")), 8);
    /* the two are one structure: assemble's report, not a count of lines */
    row = json_object_get(root, "report");
    assert_int_equal(json_integer_value(json_object_get(row, "accepted")), 1);
    assert_int_equal(json_integer_value(json_object_get(row, "duplicates")), 1);
    assert_int_equal(json_array_size(json_object_get(row, "rejected")), BROKEN_REJECTS);
    json_decref(root);
    free(text);
}

static void test_cmd_encode__the_report_as_a_page(void **state)
{
    (void)state;
    char path[128], line[128];
    int code;
    char *page = run(&code, (const char *[]){"encode", folder, "--report", "-", NULL});
    assert_int_equal(code, EXIT_PARTLY);
    assert_memory_equal(page, "Data set\n  accepted ", 20);
    assert_null(strstr(page, "good-1\t"));
    assert_non_null(strstr(page, "  225  F m -3 m           1 100.0 %"));
    assert_non_null(strstr(page, "\nLeft out, by reason\n"));
    (void)snprintf(path, sizeof path, "%s.txt", folder);
    char *labels = run(&code, (const char *[]){"encode", folder, "--report", path, NULL});
    assert_non_null(strstr(labels, "good-1\t")); /* labels as ever */
    FILE *file = fopen(path, "r");
    for (const char *at = page; fgets(line, sizeof line, file); at += strlen(line))
        assert_memory_equal(line, at, strlen(line));
    (void)fclose(file);
    (void)unlink(path);
    free(page);
    free(labels);
}

static void test_cmd_encode__report_that_cannot_be_written_fails(void **state)
{
    (void)state;
    int code;
    char *text = run(
        &code, (const char *[]){"encode", folder, "--report", "no/such/folder/x.json", NULL});
    assert_int_equal(code, EXIT_FAILED);
    free(text);
}

static void test_cmd_encode__missing_file_fails(void **state)
{
    (void)state;
    int code;
    char *out = run(&code, (const char *[]){"encode", "no-such-file.cif", NULL});
    assert_int_equal(code, EXIT_FAILED);
    assert_string_equal(out, "");
    free(out);
}

static int begin(void **state)
{
    (void)state;
    (void)snprintf(report, sizeof report, "%s.json", folder);
    if (!mkdtemp(folder))
        return -1;
    (void)snprintf(report, sizeof report, "%s.json", folder);
    return 0;
}

static int end(void **state)
{
    (void)state;
    char path[128];
    for (size_t i = 0; i < BROKEN_REJECTS; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", folder, broken_rejects[i].file);
        (void)unlink(path);
    }
    (void)unlink(report);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cmd_encode__broken_inputs_are_explained_and_the_good_used),
        cmocka_unit_test(test_cmd_encode__json_holds_structures_and_report),
        cmocka_unit_test(test_cmd_encode__the_report_as_a_page),
        cmocka_unit_test(test_cmd_encode__report_that_cannot_be_written_fails),
        cmocka_unit_test(test_cmd_encode__good_files_exit_with_zero),
        cmocka_unit_test(test_cmd_encode__missing_file_fails),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
