/* Are files replaced whole, and what is said when they cannot be? */
#include "tests/support/cmocka.h"

#include "common/file.h"
#include "tests/unit/runtime/folder.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *folder;

static int enter_folder(void **state)
{
    (void)state;
    folder = folder_new();
    return chdir(folder);
}

static int leave_folder(void **state)
{
    (void)state;
    int rc = chdir("/");
    folder_remove(folder);
    return rc;
}

static unsigned count_entries(void)
{
    unsigned n = 0;
    DIR *dir = opendir(".");
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));)
        n += entry->d_name[0] != '.';
    (void)closedir(dir);
    return n;
}

static void assert_content(const char *path, const char *want)
{
    char text[64] = "";
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    (void)fclose(file);
    assert_string_equal(text, want);
}

static void test_file__write_replaces_and_leaves_nothing_beside(void **state)
{
    (void)state;
    assert_int_equal(file_write("a", span_text("long first text"), NULL), 0);
    assert_int_equal(file_write("a", span_text("second"), NULL), 0);
    assert_content("a", "second");
    assert_int_equal(count_entries(), 1);
    assert_int_equal(unlink("a"), 0);
}

static void test_file__failed_write_keeps_the_old_and_says_why(void **state)
{
    (void)state;
    struct err err = {0};
    assert_int_equal(file_write("no/such/a", span_text("x"), &err), ERR_NOT_FOUND);
    assert_string_equal(err.text, "write 'no/such/a': No such file or directory");
    assert_int_equal(mkdir("taken", 0777), 0); /* a folder cannot be replaced by a file */
    assert_int_equal(file_write("taken", span_text("x"), &err), ERR_IO);
    assert_int_equal(count_entries(), 1);
    assert_int_equal(rmdir("taken"), 0);
}

static void test_file__make_folder_makes_all_above(void **state)
{
    (void)state;
    struct err err = {0};
    assert_int_equal(file_make_folder("x/y/z", NULL), 0);
    assert_int_equal(file_make_folder("x/y/z", NULL), 0);
    assert_int_equal(file_make_folder("x/y/", NULL), 0);
    assert_int_equal(file_write("x/y/z/f", span_text("x"), NULL), 0);
    assert_int_equal(file_make_folder("x/y/z/f", &err), ERR_IO);
    assert_string_equal(err.text, "'x/y/z/f' is not a folder");
    assert_int_equal(file_make_folder("x/y/z/f/g", &err), ERR_IO);
    assert_int_equal(file_make_folder("", &err), ERR_NOT_FOUND);
    assert_int_equal(unlink("x/y/z/f"), 0);
    assert_int_equal(rmdir("x/y/z") + rmdir("x/y") + rmdir("x"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file__write_replaces_and_leaves_nothing_beside),
        cmocka_unit_test(test_file__failed_write_keeps_the_old_and_says_why),
        cmocka_unit_test(test_file__make_folder_makes_all_above),
    };
    return cmocka_run_group_tests_name("file", tests, enter_folder, leave_folder);
}
