/* Does `wyckmill convert` write what it was asked for, whole or not at all, and say what it
 * left out? (What other programs make of its files is the test convert of the integration
 * suite.) */
#include "tests/support/command.h"
#include "tests/support/folder.h"
#include "workers/crystal/format.h"

#include <dirent.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[TEST_FOLDER_SIZE], home[1024];

#define SALT(id)                                                                               \
    "2\nLattice=\"0 2.82 2.82 2.82 0 2.82 2.82 2.82 0\" Properties=species:S:1:pos:R:3 "       \
    "id=" id " band_gap=5.25 band_gap_unit=eV\nNa 0 0 0\nCl 2.82 2.82 2.82\n"

static void write_text(const char *name, const char *text)
{
    FILE *file = fopen(name, "wb");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* What the last run printed. */
static char *printed, *complained;

struct words {
    int argc;
    char copy[512], *argv[16];
};

static void split_words(const char *words, struct words *ret)
{
    char *rest = NULL;
    *ret = (struct words){.argc = 1, .argv = {"convert"}};
    (void)snprintf(ret->copy, sizeof ret->copy, "%s", words);
    for (char *word = strtok_r(ret->copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
        ret->argv[ret->argc++] = word;
}

static int run(const char *line)
{
    struct words words;
    split_words(line, &words);
    struct command_result result = command_run(cmd_convert, (const char *const *)words.argv);
    free(printed);
    free(complained);
    printed = result.out;
    complained = result.errors;
    return result.exit;
}

/* argp leaves the program by itself when it is called wrongly: a child shows its status. */
static void assert_usage(const char *line)
{
    int status = 0;
    (void)fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        struct words words;
        split_words(line, &words);
        if (!freopen("/dev/null", "w", stderr) || !freopen("/dev/null", "w", stdout))
            _exit(99);
        _exit(cmd_convert(words.argc, words.argv));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != EXIT_USAGE)
        fail_msg("'%s' is wrong usage", line);
}

static void assert_says(const char *text, const char *words)
{
    if (!strstr(text, words))
        fail_msg("'%s' does not say '%s'", text, words);
}

/* "id atoms gap unit;" of everything in a file or folder. */
static void assert_holds(const char *path, const char *want)
{
    struct source source = {0};
    struct buf got = {0};
    struct err err;
    if (format_ingest(path, &source, &err))
        fail_msg("%s", err.text);
    for (uint32_t i = 0; i < source.n_items; i++) {
        struct structure s;
        if (format_parse(&source.items[i], &s, NULL, &err))
            fail_msg("%s: %s", path, err.text);
        buf_print(&got, "%s %u", s.id, s.n_atoms);
        if (s.n_properties == 1)
            buf_print(&got, " %g %s", s.properties[0].value, s.properties[0].property.unit);
        buf_print(&got, ";");
        structure_done(&s);
    }
    assert_string_equal(buf_text(&got), want);
    buf_done(&got);
    source_done(&source);
}

static void test_cmd_convert__every_format_holds_the_same(void **state)
{
    (void)state;
    static const struct {
        const char *out, *plain, *symmetrized;
    } cases[] = {
        {"a.extxyz", "s 2 5.25 eV;t 2 5.25 eV;", "s 8 5.25 eV;t 8 5.25 eV;"},
        {"a.extxyz.zst", "s 2 5.25 eV;t 2 5.25 eV;", "s 8 5.25 eV;t 8 5.25 eV;"},
        {"a.csv", "s 2 5.25 eV;t 2 5.25 eV;", "s 8 5.25 eV;t 8 5.25 eV;"},
        {"a.csv.zst", "s 2 5.25 eV;t 2 5.25 eV;", "s 8 5.25 eV;t 8 5.25 eV;"},
        {"a.json", "s 2 5.25 eV;t 2 5.25 eV;", "s 8 5.25 eV;t 8 5.25 eV;"},
        {"a.jsonl", "s 2 5.25 eV;t 2 5.25 eV;", "s 8 5.25 eV;t 8 5.25 eV;"},
        {"a.cif", "a 2;a:t 2;", "a 8;a:t 8;"},
    };
    write_text("in.extxyz", SALT("s") SALT("t"));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char words[200], want[200];
        (void)snprintf(words, sizeof words, "in.extxyz -o %s", cases[i].out);
        (void)snprintf(want, sizeof want, "2 structures written to %s\n", cases[i].out);
        assert_int_equal(run(words), EXIT_DONE);
        assert_string_equal(printed, want);
        assert_holds(cases[i].out, cases[i].plain);
        (void)snprintf(words, sizeof words, "--symmetrize in.extxyz --out=%s", cases[i].out);
        assert_int_equal(run(words), EXIT_DONE);
        assert_holds(cases[i].out, cases[i].symmetrized);
        (void)snprintf(words, sizeof words, "--conventional --symprec 0.01 in.extxyz -o %s",
                       cases[i].out);
        assert_int_equal(run(words), EXIT_DONE);
        assert_holds(cases[i].out, cases[i].symmetrized);
        (void)snprintf(words, sizeof words, "--primitive in.extxyz -o %s", cases[i].out);
        assert_int_equal(run(words), EXIT_DONE);
        assert_holds(cases[i].out, cases[i].plain);
    }
}

static void test_cmd_convert__symmetry_is_written_or_not(void **state)
{
    (void)state;
    static const struct {
        const char *options, *group, *sites;
    } cases[] = {{"", "'P 1'", "Na1 Na 1 a 0.0"},
                 {"-s ", "'F m -3 m'", "Na1 Na 4 a 0.0"},
                 {"--primitive ", "'P 1'", "Na1 Na 1 a 0.0"}};
    write_text("in.extxyz", SALT("s"));
    for (size_t i = 0; i < 3; i++) {
        char words[100];
        (void)snprintf(words, sizeof words, "%sin.extxyz -o - --to cif", cases[i].options);
        assert_int_equal(run(words), EXIT_DONE);
        assert_says(printed, cases[i].group);
        assert_says(printed, cases[i].sites);
        assert_says(printed, "# id s\n");
        assert_says(printed, "# band_gap 5.25 eV\ndata_s\n");
    }
    assert_int_equal(run("-s in.extxyz -o -"), EXIT_DONE);
    assert_says(printed, "id=s label=AB_cF8_225_b_a:Cl-Na spacegroup=225 band_gap=5.25");
}

static void test_cmd_convert__a_folder_gets_one_file_each(void **state)
{
    (void)state;
    write_text("in.extxyz", SALT("../s") SALT("\"a b\"") SALT("\"A b\"") SALT("A_b"));
    assert_int_equal(run("in.extxyz -o new/sub/ --to vasp"), EXIT_DONE);
    assert_holds("new/sub", "A_b-2 2;A_b-3 2;_._s 2;a_b 2;");
    assert_int_equal(run("in.extxyz -o new --to json"), EXIT_DONE);
    assert_int_equal(access("new/a_b.json", R_OK), 0);
    assert_usage("in.extxyz -o new");
}

static void test_cmd_convert__poscar_holds_one(void **state)
{
    (void)state;
    write_text("in.extxyz", SALT("s") SALT("t"));
    write_text("one.extxyz", SALT("s"));
    assert_int_equal(run("in.extxyz -o b.vasp"), EXIT_USAGE);
    assert_says(complained, "a POSCAR holds one structure, not 2\n  hint: -o DIR/ --to vasp");
    assert_int_equal(access("b.vasp", F_OK), -1);
    assert_int_equal(run("one.extxyz -o POSCAR"), EXIT_DONE);
    assert_holds("POSCAR", "POSCAR 2;");
}

static void test_cmd_convert__what_is_left_out_is_told(void **state)
{
    (void)state;
    write_text("bad.extxyz", "1\nLattice=\"3 0 0 0 3 0 0 0 3\"\nXx 0 0 0\n" SALT(
                                 "s") "2\nLattice=\"3 0 0 0 3 0 0 0 3\"\nNa 0 0 0\nCl 0 0 3\n");
    assert_int_equal(run("bad.extxyz -o c.json"), EXIT_PARTLY);
    assert_string_equal(printed, "1 structure written to c.json, 2 left out\n");
    assert_says(complained, "bad.extxyz:3: atom 1: unknown element 'Xx'\n");
    assert_says(complained, "bad.extxyz:8: atoms 1 (Na) and 2 (Cl) overlap");
    assert_holds("c.json", "s 2 5.25 eV;");
    assert_int_equal(run("-s bad.extxyz -o c.json"), EXIT_PARTLY);
    /* nothing at all: the old file stays */
    write_text("worse.extxyz", "1\nLattice=\"3 0 0 0 3 0 0 0 3\"\nXx 0 0 0\n");
    assert_int_equal(run("worse.extxyz -o c.json"), EXIT_FAILED);
    assert_says(complained, "none of 1 structures can be converted");
    assert_holds("c.json", "s 8 5.25 eV;");
    assert_int_equal(run("nothing.cif -o c.json"), EXIT_FAILED);
    assert_says(complained, "no file or folder 'nothing.cif'");
    write_text("empty.json", "[]\n");
    assert_int_equal(run("empty.json -o c.json"), EXIT_FAILED);
    assert_says(complained, "no structure in the files given");
    assert_int_equal(run("c.json -o no/such/c.json"), EXIT_FAILED);
    assert_says(complained, "no/such/c.json");
}

static void test_cmd_convert__wrong_usage(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "in.extxyz",
        "-o a.json",
        "in.extxyz -o a.foo",
        "in.extxyz -o a",
        "in.extxyz -o a.json --to foo",
        "in.extxyz -o a.json --symprec 0.1",
        "in.extxyz -o a.json -s --symprec 2",
        "in.extxyz -o a.json --primitive --conventional",
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_usage(cases[i]);
}

static int begin(void **state)
{
    (void)state;
    if (!getcwd(home, sizeof home))
        return -1;
    test_folder_new(folder);
    return chdir(folder);
}

static int end(void **state)
{
    (void)state;
    free(printed);
    free(complained);
    if (chdir(home))
        return -1;
    test_folder_remove(folder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cmd_convert__every_format_holds_the_same),
        cmocka_unit_test(test_cmd_convert__symmetry_is_written_or_not),
        cmocka_unit_test(test_cmd_convert__a_folder_gets_one_file_each),
        cmocka_unit_test(test_cmd_convert__poscar_holds_one),
        cmocka_unit_test(test_cmd_convert__what_is_left_out_is_told),
        cmocka_unit_test(test_cmd_convert__wrong_usage),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
