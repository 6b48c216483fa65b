/* Content-named files with a size limit, in a folder that one worker holds. */
#include "tests/support/cmocka.h"
#include "tests/unit/runtime/folder.h"
#include "workers/runtime/cache.h"

#include <stdlib.h>
#include <string.h>

static struct cache *open_in(const char *root, uint64_t bytes_max)
{
    struct cache *cache = NULL;
    struct err err;
    if (cache_open(root, bytes_max, &cache, &err) != 0)
        fail_msg("%s", err.text);
    return cache;
}

static struct hash add(struct cache *cache, const char *text)
{
    struct err err;
    struct hash id = hash_bytes(span_text(text));
    folder_write(cache_folder(cache), "new", text);
    if (cache_adopt(cache, "new", &id, strlen(text), &err) != 0)
        fail_msg("%s", err.text);
    return id;
}

static void test_cache__no_place_to_be_is_said_with_a_hint(void **state)
{
    (void)state;
    struct cache *cache;
    struct err err;
    assert_int_equal(cache_open("", 100, &cache, &err), ERR_IO);
    assert_int_equal(cache_open("/dev/null/x", 100, &cache, &err), ERR_IO);
    assert_non_null(strstr(err.text, "'/dev/null"));
}

static void test_cache__keeps_what_it_adopts(void **state)
{
    (void)state;
    char *root = folder_new();
    struct cache *cache = open_in(root, 1000);
    struct hash id = add(cache, "hello");
    uint64_t size;
    struct buf bytes = {0};
    assert_true(cache_has(cache, &id, &size));
    assert_int_equal(size, 5);
    assert_int_equal(cache_read(cache, &id, 1, 3, &bytes, NULL), 0);
    assert_string_equal(buf_text(&bytes), "ell");
    buf_done(&bytes);
    cache_close(cache);
    folder_remove(root);
}

static void test_cache__a_file_of_the_wrong_size_is_not_adopted(void **state)
{
    (void)state;
    char *root = folder_new();
    struct cache *cache = open_in(root, 1000);
    struct hash id = hash_bytes(span_text("hello"));
    struct err err;
    folder_write(cache_folder(cache), "new", "hell");
    assert_int_equal(cache_adopt(cache, "new", &id, 5, &err), ERR_CORRUPT);
    assert_non_null(strstr(err.text, "has 4 bytes, want 5"));
    assert_int_equal(cache_adopt(cache, "absent", &id, 5, &err), ERR_NOT_FOUND);
    assert_false(cache_has(cache, &id, NULL));
    cache_close(cache);
    folder_remove(root);
}

static void test_cache__what_was_used_longest_ago_goes_first(void **state)
{
    (void)state;
    char *root = folder_new();
    struct cache *cache = open_in(root, 10);
    struct hash a = add(cache, "aaaa"), b = add(cache, "bbbb");
    (void)cache_pin(cache, &a); /* used now */
    cache_unpin(cache, &a);
    struct hash c = add(cache, "cccc");
    assert_true(cache_has(cache, &a, NULL));
    assert_false(cache_has(cache, &b, NULL));
    assert_true(cache_has(cache, &c, NULL));
    struct cache_counts counts;
    cache_counts(cache, &counts);
    assert_int_equal(counts.files, 2);
    assert_int_equal(counts.bytes, 8);
    assert_int_equal(counts.evicted, 1);
    cache_close(cache);
    folder_remove(root);
}

static void test_cache__pinned_objects_stay_over_the_limit(void **state)
{
    (void)state;
    char *root = folder_new();
    struct cache *cache = open_in(root, 4);
    struct hash b = hash_bytes(span_text("bbbb"));
    struct hash a = add(cache, "aaaa");
    assert_true(cache_pin(cache, &a));
    assert_false(cache_pin(cache, &b)); /* not here yet, but wanted */
    add(cache, "bbbb");
    assert_true(cache_has(cache, &a, NULL));
    assert_true(cache_has(cache, &b, NULL));
    cache_unpin(cache, &a); /* now one is free to go */
    assert_false(cache_has(cache, &a, NULL));
    assert_true(cache_has(cache, &b, NULL));
    cache_unpin(cache, &b);
    assert_true(cache_has(cache, &b, NULL));
    cache_close(cache);
    folder_remove(root);
}

static void test_cache__a_dropped_object_can_come_again(void **state)
{
    (void)state;
    char *root = folder_new();
    struct cache *cache = open_in(root, 100);
    struct hash a = add(cache, "aaaa");
    assert_true(cache_pin(cache, &a));
    cache_drop(cache, &a);
    assert_false(cache_has(cache, &a, NULL));
    struct buf bytes = {0};
    assert_int_equal(cache_read(cache, &a, 0, 4, &bytes, NULL), ERR_NOT_FOUND);
    add(cache, "aaaa");
    assert_true(cache_has(cache, &a, NULL));
    cache_unpin(cache, &a);
    buf_done(&bytes);
    cache_close(cache);
    folder_remove(root);
}

static void test_cache__folders_are_locked_and_taken_over(void **state)
{
    (void)state;
    char *root = folder_new();
    struct cache *first = open_in(root, 100), *second = open_in(root, 100);
    assert_string_not_equal(cache_folder(first), cache_folder(second));
    struct hash a = add(first, "aaaa");
    folder_write(cache_folder(first), "output-0-0", "half");
    char *folder = strdup(cache_folder(first));
    cache_close(first); /* as after kill -9: the lock is gone, the files are there */

    struct cache *heir = open_in(root, 100);
    assert_string_equal(cache_folder(heir), folder);
    assert_true(cache_has(heir, &a, NULL));
    assert_null(folder_read(folder, "output-0-0"));
    free(folder);
    cache_close(heir);
    cache_close(second);
    folder_remove(root);
}

static void test_cache__an_heir_with_less_room_evicts(void **state)
{
    (void)state;
    char *root = folder_new();
    struct cache *cache = open_in(root, 100);
    add(cache, "aaaa");
    add(cache, "bbbb");
    cache_close(cache);
    cache = open_in(root, 5);
    struct cache_counts counts;
    cache_counts(cache, &counts);
    assert_int_equal(counts.files, 1);
    cache_close(cache);
    folder_remove(root);
}

static void test_cache__many_entries_are_found_again(void **state)
{
    (void)state;
    enum { MANY = 3000 };
    char *root = folder_new();
    struct cache *cache = open_in(root, 1 << 20);
    for (uint32_t i = 0; i < MANY; i++) {
        struct hash id = hash_bytes((struct span){(const uint8_t *)&i, sizeof i});
        assert_false(cache_pin(cache, &id));
    }
    for (uint32_t i = 0; i < MANY; i++) {
        struct hash id = hash_bytes((struct span){(const uint8_t *)&i, sizeof i});
        cache_unpin(cache, &id);
    }
    cache_close(cache);
    folder_remove(root);
}

static void test_cache__foreign_bytes_are_checked(void **state)
{
    (void)state;
    char *root = folder_new();
    struct cache *cache = open_in(root, 100);
    struct hash id = hash_bytes(span_text("abc")), empty = hash_bytes(span_text(""));
    struct err err;
    folder_write(cache_folder(cache), "fetch", "abd");
    assert_int_equal(cache_adopt_checked(cache, "fetch", &id, &err), ERR_CORRUPT);
    assert_null(folder_read(cache_folder(cache), "fetch"));
    assert_int_equal(cache_adopt_checked(cache, "fetch", &id, &err), ERR_NOT_FOUND);
    folder_write(cache_folder(cache), "fetch", "abc");
    assert_int_equal(cache_adopt_checked(cache, "fetch", &id, &err), 0);
    assert_true(cache_has(cache, &id, NULL));
    folder_write(cache_folder(cache), "fetch", "");
    assert_int_equal(cache_adopt_checked(cache, "fetch", &empty, &err), 0);
    cache_close(cache);
    folder_remove(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cache__no_place_to_be_is_said_with_a_hint),
        cmocka_unit_test(test_cache__keeps_what_it_adopts),
        cmocka_unit_test(test_cache__a_file_of_the_wrong_size_is_not_adopted),
        cmocka_unit_test(test_cache__what_was_used_longest_ago_goes_first),
        cmocka_unit_test(test_cache__pinned_objects_stay_over_the_limit),
        cmocka_unit_test(test_cache__a_dropped_object_can_come_again),
        cmocka_unit_test(test_cache__folders_are_locked_and_taken_over),
        cmocka_unit_test(test_cache__an_heir_with_less_room_evicts),
        cmocka_unit_test(test_cache__many_entries_are_found_again),
        cmocka_unit_test(test_cache__foreign_bytes_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
