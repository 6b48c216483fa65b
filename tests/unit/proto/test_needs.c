/* Are needs of tasks read as people write them, and is everything else refused with a sentence?
 */
#include "tests/support/cmocka.h"

#include "proto/needs.h"

#include <stdio.h>
#include <string.h>

static void test_needs__are_read_as_written(void **state)
{
    (void)state;
    struct needs needs;
    assert_int_equal(needs_parse("memory=4 GiB, time=2 h, gpus=1, tags=gpu+big", &needs, NULL),
                     0);
    assert_int_equal(needs.memory_bytes, UINT64_C(4) << 30);
    assert_int_equal(needs.time_ms, 7200000);
    assert_int_equal(needs.gpus, 1);
    assert_string_equal(needs.tags, "big,gpu");
    assert_int_equal(needs_parse(" time = 1.5min ,memory=0.5MiB", &needs, NULL), 0);
    assert_int_equal(needs.memory_bytes, 512 << 10);
    assert_int_equal(needs.time_ms, 90000);
    assert_int_equal(needs.gpus, 0);
    assert_string_equal(needs.tags, "");
    assert_int_equal(needs_parse("", &needs, NULL), 0);
    assert_true(needs_is_none(&needs));
}

static void test_needs__wrong_ones_are_sentences(void **state)
{
    static const struct {
        const char *text, *sentence, *hint;
    } cases[] = {
        {"memory=4", "memory: '4' is no number with a unit",
         "as in '4 GiB'; units are bytes, KiB, MiB, GiB, TiB"},
        {"memory=4 GB", "memory: '4 GB' is no number with a unit", "as in '4 GiB'"},
        {"memory=-1 GiB", "memory: '-1 GiB' is no number with a unit", "as in"},
        {"memory=nan GiB", "memory: 'nan GiB' is no number with a unit", "as in"},
        {"memory=4000000 TiB", "memory: '4000000 TiB' is too much", ""},
        {"time=2", "time: '2' is no number with a unit", "as in '2 h'; units are ms, s, min"},
        {"time=0 s", "time: '0 s' is no number with a unit", "as in '2 h'"},
        {"gpus=0", "gpus: '0' is no whole number from 1 to 1024", ""},
        {"gpus=1.5", "gpus: '1.5' is no whole number from 1 to 1024", ""},
        {"tags=Big", "tags: 'Big' is no tag: 1 to 31 of a-z 0-9 . _ -", ""},
        {"tags=a+", "tags: '' is no tag: 1 to 31 of a-z 0-9 . _ -", ""},
        {"tags=a+b+c+d+e+f+g+h+i", "tags: more than 8", ""},
        {"gpus=1, gpus=2", "gpus is said twice", ""},
        {"cores=4", "'cores=4' is no need of a task", "write 'memory=4 GiB, time=2 h"},
        {"4 GiB", "'4 GiB' is no need of a task", "write 'memory=4 GiB"},
        {",", "'' is no need of a task", "write 'memory=4 GiB"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct needs needs = {.gpus = 77};
        struct err err = {0};
        assert_int_equal(needs_parse(cases[i].text, &needs, &err), ERR_CONFIG);
        assert_string_equal(err.text, cases[i].sentence);
        assert_int_equal(strncmp(err.hint, cases[i].hint, strlen(cases[i].hint)), 0);
        assert_int_equal(needs_parse(cases[i].text, &needs, NULL), ERR_CONFIG);
        assert_int_equal(needs.gpus, 77); /* untouched */
    }
}

static void test_needs__tags_are_sorted_and_each_once(void **state)
{
    (void)state;
    char list[NEEDS_TAGS_SIZE], tag[TAG_SIZE];
    const char *at = list, *const want[] = {"a", "b", "bb", "c"};
    assert_int_equal(tags_parse("c, a ,bb,b,a,c", ',', list, NULL), 0);
    assert_string_equal(list, "a,b,bb,c");
    for (int i = 0; i < 4; i++)
        assert_string_equal(tags_next(&at, tag), want[i]);
    assert_null(tags_next(&at, tag));
    /* the longest ones fit */
    char text[NEEDS_TAGS_SIZE + 1] = "";
    for (int i = 0; i < NEEDS_TAGS_MAX; i++)
        (void)snprintf(text + strlen(text), 40, "%s%d%030d", i ? "," : "", 7 - i, 0);
    assert_int_equal(tags_parse(text, ',', list, NULL), 0);
    assert_int_equal(strlen(list), NEEDS_TAGS_MAX * TAG_SIZE - 1);
    assert_memory_equal(list + TAG_SIZE, "1000", 4); /* sorted */
}

static void test_needs__bytes_as_text(void **state)
{
    (void)state;
    char text[32];
    uint64_t bytes;
    assert_string_equal(bytes_text(0, text, sizeof text), "0 bytes");
    assert_string_equal(bytes_text(1023, text, sizeof text), "1023 bytes");
    assert_string_equal(bytes_text(1536, text, sizeof text), "1.5 KiB");
    assert_string_equal(bytes_text(UINT64_C(64) << 30, text, sizeof text), "64 GiB");
    assert_int_equal(bytes_parse("64 GiB", &bytes, NULL), 0);
    assert_true(bytes == UINT64_C(64) << 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_needs__are_read_as_written),
        cmocka_unit_test(test_needs__wrong_ones_are_sentences),
        cmocka_unit_test(test_needs__tags_are_sorted_and_each_once),
        cmocka_unit_test(test_needs__bytes_as_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
