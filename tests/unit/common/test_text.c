/* Is the edit distance the textbook one? */
#include "tests/support/cmocka.h"

#include "common/text.h"

static void test_text_distance__counts_edits(void **state)
{
    (void)state;
    assert_int_equal(text_distance("", ""), 0);
    assert_int_equal(text_distance("steps", "stepz"), 1);
    assert_int_equal(text_distance("kitten", "sitting"), 3);
    assert_int_equal(text_distance("", "abc"), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_text_distance__counts_edits)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
