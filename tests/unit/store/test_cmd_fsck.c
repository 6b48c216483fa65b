/* Does `wyckmill fsck` say what is wrong, mend it when asked, and exit as documented? */
#include "tests/support/cmocka.h"

#include "cli/cli.h"
#include "store/store.h"
#include "tests/support/folder.h"

#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What a crash of the check's own process does is the command's affair, and not cmocka's, whose
 * handlers would go on with the next test in that process. */
static const int crashes[3] = {SIGSEGV, SIGBUS, SIGABRT};

static void default_signals(struct sigaction ret_kept[3])
{
    for (int i = 0; i < 3; i++) {
        struct sigaction usual = {.sa_handler = SIG_DFL};
        assert_int_equal(sigaction(crashes[i], &usual, &ret_kept[i]), 0);
    }
}

static void restore_signals(const struct sigaction kept[3])
{
    for (int i = 0; i < 3; i++)
        assert_int_equal(sigaction(crashes[i], &kept[i], NULL), 0);
}

/* Runs the command; its stdout comes back as text that the caller frees. */
static char *run(int *ret_exit, const char *folder, const char *option)
{
    char name[] = "fsck", store[] = "--store", path[TEST_FOLDER_SIZE], last[32] = "";
    char *argv[] = {name, store, path, option ? last : NULL, NULL};
    struct sigaction handlers[3];
    FILE *out = tmpfile();
    int kept = dup(STDOUT_FILENO), kept_errors = dup(STDERR_FILENO);
    (void)snprintf(path, sizeof path, "%s", folder);
    (void)snprintf(last, sizeof last, "%s", option ? option : "");
    (void)fflush(NULL);
    (void)dup2(fileno(out), STDOUT_FILENO);
    (void)dup2(fileno(out), STDERR_FILENO);
    default_signals(handlers);
    *ret_exit = cmd_fsck(option ? 4 : 3, argv);
    restore_signals(handlers);
    (void)fflush(NULL);
    (void)dup2(kept, STDOUT_FILENO);
    (void)dup2(kept_errors, STDERR_FILENO);
    (void)close(kept);
    (void)close(kept_errors);
    long size = fseek(out, 0, SEEK_END) == 0 ? ftell(out) : 0;
    char *text = calloc((size_t)size + 1, 1);
    rewind(out);
    assert_int_equal(fread(text, 1, (size_t)size, out), size);
    (void)fclose(out);
    return text;
}

static void assert_output(const char *folder, const char *option, int want_exit,
                          const char *want)
{
    int code;
    char *text = run(&code, folder, option);
    assert_string_equal(text, want);
    assert_int_equal(code, want_exit);
    free(text);
}

static void make_store(const char *folder)
{
    struct store *store;
    struct hash id;
    assert_int_equal(store_open(folder, STORE_WRITE, &store, NULL), 0);
    assert_int_equal(store_put(store, "report", span_text("a report, MARKED"), &id, NULL), 0);
    assert_int_equal(store_put_ref(store, "campaigns/demo", &id, NULL), 0);
    assert_int_equal(store_commit(store, NULL), 0);
    store_close(store);
}

/* Change the byte behind the mark; every copy, since LMDB may keep old pages. */
static void damage(const char *folder, const char *mark)
{
    char path[TEST_FOLDER_SIZE + 16];
    (void)snprintf(path, sizeof path, "%s/data.mdb", folder);
    FILE *file = fopen(path, "r+b");
    size_t n = strlen(mark), seen = 0;
    assert_non_null(file);
    for (int c; (c = fgetc(file)) != EOF;) {
        seen = c == mark[seen] ? seen + 1 : c == mark[0];
        if (seen == n) {
            assert_int_equal(fseek(file, -1, SEEK_CUR), 0);
            assert_int_equal(fputc('!', file), '!');
            assert_int_equal(fseek(file, 0, SEEK_CUR), 0);
            seen = 0;
        }
    }
    (void)fclose(file);
}

static void test_cmd_fsck__clean_damaged_repaired(void **state)
{
    (void)state;
    char folder[TEST_FOLDER_SIZE], want[512], hex[HASH_HEX_SIZE];
    struct hash id = hash_bytes(span_text("a report, MARKED"));
    (void)hash_hex(&id, hex);
    test_folder_new(folder);
    make_store(folder);
    assert_output(folder, NULL, EXIT_DONE,
                  "1 objects (16 bytes), 0 results, 1 refs, 0 events: clean\n");
    damage(folder, "MARKED");
    (void)snprintf(want, sizeof want,
                   "object %s: row 1: wrong checksum\n"
                   "1 objects (16 bytes), 0 results, 1 refs, 0 events: 1 damaged, 0 dangling\n"
                   "next: wyckmill fsck --repair (with no broker running)\n",
                   hex);
    int code;
    char *text = run(&code, folder, "--json");
    assert_int_equal(code, EXIT_FAILED);
    json_t *root = json_loads(text, 0, NULL);
    assert_non_null(root);
    assert_true(json_is_false(json_object_get(root, "clean")));
    assert_int_equal(json_integer_value(json_object_get(root, "damaged")), 1);
    assert_int_equal(json_array_size(json_object_get(root, "findings")), 1);
    json_decref(root);
    free(text);
    text = run(&code, folder, NULL);
    assert_int_equal(code, EXIT_FAILED);
    (void)hash_hex(&id, hex);
    assert_string_equal(text, want); /* stdout and stderr in one file, in this order */
    free(text);
    text = run(&code, folder, "--repair");
    assert_int_equal(code, EXIT_DONE);
    assert_non_null(strstr(text, "repaired: 2 rows and refs were given up"));
    free(text);
    assert_output(folder, NULL, EXIT_DONE,
                  "0 objects (0 bytes), 0 results, 0 refs, 0 events: clean\n");
    test_folder_remove(folder);
}

/* LMDB trusts its pages, and may crash on them: that is a finding, too. */
static void test_cmd_fsck__database_pages_of_junk(void **state)
{
    (void)state;
    static const int places[] = {10, 12, 13, 16, 17}; /* flags, number of nodes, first node */
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        char folder[TEST_FOLDER_SIZE], path[TEST_FOLDER_SIZE + 16];
        int code;
        test_folder_new(folder);
        make_store(folder);
        (void)snprintf(path, sizeof path, "%s/data.mdb", folder);
        FILE *file = fopen(path, "r+b");
        for (long page = 2; fseek(file, 4096 * page + places[i], SEEK_SET) == 0 && page < 32;
             page++) {
            int c = fgetc(file);
            if (c == EOF)
                break;
            (void)fseek(file, -1, SEEK_CUR);
            (void)fputc(c ^ 0x5a, file);
        }
        (void)fclose(file);
        char *text = run(&code, folder, NULL);
        if (code != EXIT_FAILED || !*text)
            print_message("byte %d: exit %d, %s\n", places[i], code, text);
        assert_int_equal(code, EXIT_FAILED);
        assert_true(strlen(text) > 20);
        free(text);
        test_folder_remove(folder);
    }
}

static bool disk_fails;

ssize_t __real_read(int fd, void *data, size_t size);
ssize_t __wrap_read(int fd, void *data, size_t size);
ssize_t __wrap_read(int fd, void *data, size_t size)
{
    if (!disk_fails)
        return __real_read(fd, data, size);
    errno = EIO;
    return -1;
}

/* A page that is not there is a signal to who maps the file; whether the file is too short or
 * the disk fails makes a difference to who has to mend it. */
static void test_cmd_fsck__a_failing_disk_is_no_damage(void **state)
{
    (void)state;
    char folder[TEST_FOLDER_SIZE], path[TEST_FOLDER_SIZE + 16];
    int code;
    test_folder_new(folder);
    make_store(folder);
    (void)snprintf(path, sizeof path, "%s/data.mdb", folder);
    assert_int_equal(truncate(path, 3 * 4096), 0);
    assert_output(
        folder, NULL, EXIT_FAILED,
        "wyckmill fsck: the database's own pages are damaged (Bus error)\n"
        "  hint: take the store's folder away and run the campaign again; the folder may "
        "still hold objects that other tools can find\n");
    disk_fails = true;
    char *text = run(&code, folder, NULL);
    disk_fails = false;
    assert_int_equal(code, EXIT_FAILED);
    assert_non_null(strstr(text, "data.mdb' at byte 0: Input/output error"));
    assert_non_null(strstr(text, "hint: the disk fails or its connection does"));
    free(text);
    test_folder_remove(folder);
}

static void test_cmd_fsck__no_store_no_making(void **state)
{
    (void)state;
    char folder[TEST_FOLDER_SIZE], path[TEST_FOLDER_SIZE + 8];
    int code;
    test_folder_new(folder);
    (void)snprintf(path, sizeof path, "%s/none", folder);
    char *text = run(&code, path, "--repair");
    assert_int_equal(code, EXIT_FAILED);
    assert_non_null(strstr(text, "wyckmill fsck: no store at '"));
    assert_int_equal(access(path, F_OK), -1);
    free(text);
    test_folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cmd_fsck__clean_damaged_repaired),
        cmocka_unit_test(test_cmd_fsck__database_pages_of_junk),
        cmocka_unit_test(test_cmd_fsck__a_failing_disk_is_no_damage),
        cmocka_unit_test(test_cmd_fsck__no_store_no_making),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
