/* Does `wyckmill dataset demo` write the whole set, to stdout or to a file, or say why not? */
#include "tests/support/cmocka.h"

#include "cli/cli.h"
#include "workers/crystal/demo.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct buf want;

static int make_want(void **state)
{
    (void)state;
    return demo_dataset(&want, NULL);
}

static int free_want(void **state)
{
    (void)state;
    buf_done(&want);
    return 0;
}

/* Runs the command in a child (argp ends the process on usage errors), stdout and stderr in the
 * two files. */
static int run(int argc, const char *const *words, FILE *out, FILE *errors)
{
    int status;
    (void)fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        char *argv[8] = {NULL};
        for (int i = 0; i < argc; i++)
            argv[i] = strdup(words[i]);
        (void)dup2(fileno(out), STDOUT_FILENO);
        (void)dup2(fileno(errors), STDERR_FILENO);
        int code = cmd_dataset(argc, argv);
        for (int i = 0; i < argc; i++)
            free(argv[i]);
        (void)fflush(NULL);
        _exit(code);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static struct buf content(FILE *file)
{
    struct buf text = {0};
    char part[4096];
    rewind(file);
    for (size_t n; (n = fread(part, 1, sizeof part, file)) > 0;)
        buf_append(&text, part, n);
    (void)fclose(file);
    return text;
}

static void assert_is_set(struct buf *have)
{
    assert_int_equal(have->size, want.size);
    assert_memory_equal(have->data, want.data, want.size);
    buf_done(have);
}

static void test_cmd_dataset__writes_to_stdout(void **state)
{
    (void)state;
    const char *const words[] = {"dataset", "demo"};
    FILE *out = tmpfile(), *errors = tmpfile();
    assert_int_equal(run(2, words, out, errors), EXIT_DONE);
    struct buf text = content(out), complaints = content(errors);
    assert_is_set(&text);
    assert_int_equal(complaints.size, 0);
    buf_done(&complaints);
}

static void test_cmd_dataset__writes_a_file(void **state)
{
    (void)state;
    const char *base = getenv("TMPDIR");
    char path[256];
    (void)snprintf(path, sizeof path, "%s/wyckmill-demo-XXXXXX", base ? base : P_tmpdir);
    int fd = mkstemp(path);
    assert_true(fd >= 0 && close(fd) == 0);
    const char *const words[] = {"dataset", "demo", "-o", path};
    FILE *out = tmpfile(), *errors = tmpfile();
    assert_int_equal(run(4, words, out, errors), EXIT_DONE);
    struct buf text = content(fopen(path, "r")), nothing = content(out);
    assert_is_set(&text);
    assert_int_equal(nothing.size, 0);
    buf_done(&nothing);
    (void)fclose(errors);
    (void)unlink(path);
}

static void assert_fails(int argc, const char *const *words, int code, const char *sentence)
{
    FILE *out = tmpfile(), *errors = tmpfile();
    assert_int_equal(run(argc, words, out, errors), code);
    struct buf complaints = content(errors), nothing = content(out);
    if (!strstr(buf_text(&complaints), sentence))
        fail_msg("'%s' is not in '%s'", sentence, buf_text(&complaints));
    assert_int_equal(nothing.size, 0);
    buf_done(&complaints);
    buf_done(&nothing);
}

static void test_cmd_dataset__says_what_is_wrong(void **state)
{
    (void)state;
    const char *const none[] = {"dataset"};
    assert_fails(1, none, EXIT_USAGE, "which data set? There is 'demo'");
    const char *const other[] = {"dataset", "mp"};
    assert_fails(2, other, EXIT_USAGE, "no data set 'mp': there is 'demo'");
    const char *const nowhere[] = {"dataset", "demo", "-o", "no/such/folder/x"};
    assert_fails(4, nowhere, EXIT_FAILED, "write 'no/such/folder/x'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cmd_dataset__writes_to_stdout),
        cmocka_unit_test(test_cmd_dataset__writes_a_file),
        cmocka_unit_test(test_cmd_dataset__says_what_is_wrong),
    };
    return cmocka_run_group_tests_name("cmd_dataset", tests, make_want, free_want);
}
