/* Running a task function in this process, and the numerics profile. */
#include "common/cleanup.h"
#include "tests/support/cmocka.h"
#include "tests/unit/runtime/kinds.h"

static void test_task__unknown_kind_is_named(void **state)
{
    (void)state;
    struct err err;
    struct task_outputs outputs;
    assert_int_equal(task_run_local("knit", (struct span){0}, NULL, 0, &outputs, &err),
                     ERR_UNSUPPORTED);
    assert_string_equal(err.text, "no task kind 'knit' in this program");
}

static void test_task__broken_params_are_an_error_with_the_kind(void **state)
{
    (void)state;
    struct err err;
    struct task_outputs outputs;
    assert_int_equal(task_run_local("join", span_text("\xc1"), NULL, 0, &outputs, &err),
                     ERR_CORRUPT);
    assert_int_equal(strncmp(err.text, "params of join: ", 16), 0);
}

static void test_task__outputs_and_summary_are_collected(void **state)
{
    (void)state;
    struct err err;
    struct buf params = {0};
    kinds_params(&params, NULL, "a");
    const struct span inputs[] = {span_text("bc"), span_text(""), span_text("d")};
    struct task_outputs outputs;
    assert_int_equal(task_run_local("join", buf_span(&params), inputs, 3, &outputs, &err), 0);
    assert_int_equal(outputs.n, 1);
    assert_string_equal(outputs.types[0], "text");
    assert_string_equal(buf_text(&outputs.bytes[0]), "abcd");
    assert_int_equal(outputs.summary.size, 1 + 1 + 5 + 1); /* {"bytes": 4} */
    task_outputs_done(&outputs);
    buf_done(&params);
}

static void test_task__error_of_the_function_comes_back(void **state)
{
    (void)state;
    struct err err;
    struct buf params = {0};
    kinds_params(&params, NULL, "no luck");
    struct task_outputs outputs;
    assert_int_equal(task_run_local("fail", buf_span(&params), NULL, 0, &outputs, &err),
                     ERR_NUMERIC);
    assert_string_equal(err.text, "no luck");
    buf_done(&params);
}

static void test_profile__names_the_pinned_kernels(void **state)
{
    (void)state;
    const char *profile = numerics_profile();
    assert_true(strlen(profile) < PROFILE_SIZE - 1);
    assert_non_null(strstr(profile, "x86-64-v3 openblas-0."));
    assert_non_null(strstr(profile, "-Haswell sleef-"));
    assert_non_null(strstr(profile, " spglib-"));
    assert_ptr_equal(profile, numerics_profile());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_task__unknown_kind_is_named),
        cmocka_unit_test(test_task__broken_params_are_an_error_with_the_kind),
        cmocka_unit_test(test_task__outputs_and_summary_are_collected),
        cmocka_unit_test(test_task__error_of_the_function_comes_back),
        cmocka_unit_test(test_profile__names_the_pinned_kernels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
