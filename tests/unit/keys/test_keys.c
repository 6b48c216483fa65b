/* Are keys what they say they are, and does the list let in those in it and nobody else? */
#include "tests/support/cmocka.h"

#include "common/file.h"
#include "keys/allowed.h"
#include "tests/support/folder.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#define PUBLIC                                                                                 \
    "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID" /* of curve_client in ZeroMQ's manual */
#define SECRET "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs"

struct fixture {
    char folder[TEST_FOLDER_SIZE];
    char said[2000]; /* warnings, one a line */
};

static int begin(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    test_folder_new(f->folder);
    *state = f;
    return 0;
}

static int end(void **state)
{
    struct fixture *f = *state;
    test_folder_remove(f->folder);
    free(f);
    return 0;
}

static void path_in(const struct fixture *f, const char *name, char ret[512])
{
    (void)snprintf(ret, 512, "%s/%s", f->folder, name);
}

static void write_file(const struct fixture *f, const char *name, const char *text)
{
    char path[512];
    path_in(f, name, path);
    assert_int_equal(file_write(path, span_text(text), NULL), 0);
}

static void make_folder(const struct fixture *f, const char *name)
{
    char path[512];
    path_in(f, name, path);
    assert_int_equal(file_make_folder(path, NULL), 0);
}

static void remove_file(const struct fixture *f, const char *name)
{
    char path[512];
    path_in(f, name, path);
    assert_int_equal(unlink(path), 0);
}

/* ---- text ---- */

static void expect_refused(const char *text, const char *sentence)
{
    struct key_pair pair = {.public = "as before"};
    struct err err;
    assert_int_equal(key_parse(span_text(text), &pair, &err), ERR_CORRUPT);
    if (!strstr(err.text, sentence))
        fail_msg("'%s' is not in '%s'", sentence, err.text);
    assert_string_equal(pair.public, "as before");
    assert_null(strstr(err.text, "D:)Q[IlAW"));
}

static void test_key__text_is_read_or_refused_by_line(void **state)
{
    struct key_pair pair;
    (void)state;
    assert_int_equal(key_parse(span_text("# any\r\n\npublic   " PUBLIC " \r\n"), &pair, NULL),
                     0);
    assert_string_equal(pair.public, PUBLIC);
    assert_string_equal(pair.secret, "");
    assert_int_equal(key_parse(span_text("secret " SECRET "\npublic " PUBLIC), &pair, NULL), 0);
    assert_string_equal(pair.secret, SECRET);

    expect_refused("", "no line 'public KEY'");
    expect_refused("secret " SECRET "\n", "no line 'public KEY'");
    expect_refused("public " PUBLIC "\npublic " PUBLIC "\n", "line 2 is neither");
    expect_refused("\n\nsecrets " SECRET "\n", "line 3 is neither");
    expect_refused("public" PUBLIC "\n", "line 1 is neither");
    expect_refused("public " PUBLIC "x\n", "line 1 is neither");
    expect_refused("public Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hI\n", "line 1 is neither");
    expect_refused("public Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hI~\n", "line 1 is neither");
    expect_refused("public ########################################\n", "line 1 is neither");
    char large[KEY_FILE_BYTES_MAX + 2];
    memset(large, '\n', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    expect_refused(large, "longer than 4096 bytes");
}

static void test_key__what_is_printed_is_read(void **state)
{
    struct key_pair pair = {.public = PUBLIC, .secret = SECRET}, again;
    struct buf text = {0};
    (void)state;
    key_print(&pair, false, &text);
    assert_null(strstr(buf_text(&text), SECRET));
    assert_int_equal(key_parse(buf_span(&text), &again, NULL), 0);
    assert_string_equal(again.public, PUBLIC);
    assert_string_equal(again.secret, "");
    text.size = 0;
    key_print(&pair, true, &text);
    assert_int_equal(key_parse(buf_span(&text), &again, NULL), 0);
    assert_string_equal(again.secret, SECRET);
    buf_done(&text);
}

/* ---- files ---- */

static void test_keys__a_new_pair_is_secret_and_never_overwritten(void **state)
{
    const struct fixture *f = *state;
    struct key_pair pair, own;
    struct err err;
    struct stat info;
    char folder[512], path[512], public[KEY_TEXT_SIZE];
    path_in(f, "host/keys", folder);
    assert_int_equal(keys_generate(folder, &pair, &err), 0);
    assert_int_equal(zmq_curve_public(public, pair.secret), 0);
    assert_string_equal(public, pair.public);
    path_in(f, "host/keys/secret.key", path);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_int_equal(keys_read_own(folder, &own, &err), 0);
    assert_memory_equal(&own, &pair, sizeof pair);

    struct key_pair other = pair;
    assert_int_equal(keys_generate(folder, &other, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "is there already"));
    assert_int_equal(keys_read_own(folder, &own, &err), 0);
    assert_memory_equal(&own, &pair, sizeof pair);

    /* Only the public part is left: that is not overwritten either, and no half pair stays. */
    assert_int_equal(unlink(path), 0);
    assert_int_equal(keys_generate(folder, &other, &err), ERR_INVALID);
    assert_int_equal(access(path, F_OK), -1);
}

static void test_keys__a_secret_that_others_can_read_is_refused(void **state)
{
    const struct fixture *f = *state;
    struct key_pair pair;
    struct err err;
    char path[512];
    assert_int_equal(keys_read_own(f->folder, &pair, &err), ERR_NOT_FOUND);
    assert_non_null(strstr(err.hint, "wyckmill keygen"));
    assert_int_equal(keys_generate(f->folder, &pair, &err), 0);
    path_in(f, "secret.key", path);
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(keys_read_own(f->folder, &pair, &err), ERR_INVALID);
    assert_non_null(strstr(err.hint, "chmod 600"));
}

static void test_keys__both_parts_must_belong_together(void **state)
{
    const struct fixture *f = *state;
    struct key_pair pair;
    struct err err;
    char path[512];
    path_in(f, "secret.key", path);
    write_file(f, "secret.key", "public " PUBLIC "\n");
    assert_int_equal(keys_read_own(f->folder, &pair, &err), ERR_CORRUPT);
    assert_non_null(strstr(err.text, "no line 'secret KEY'"));
    write_file(f, "secret.key", "public " SECRET "\nsecret " SECRET "\n");
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(keys_read_own(f->folder, &pair, &err), ERR_CORRUPT);
    assert_non_null(strstr(err.text, "do not belong together"));
}

static void test_keys__a_peer_needs_the_brokers_key(void **state)
{
    const struct fixture *f = *state;
    struct key_pair pair;
    struct keys keys;
    struct err err;
    assert_int_equal(keys_generate(f->folder, &pair, &err), 0);
    assert_int_equal(keys_read(f->folder, &keys, &err), ERR_NOT_FOUND);
    assert_non_null(strstr(err.text, "broker.key"));
    assert_non_null(strstr(err.hint, "public.key of the broker's machine"));
    make_folder(f, "allowed"); /* the broker's own folder */
    assert_int_equal(keys_read(f->folder, &keys, &err), 0);
    assert_string_equal(keys.broker, pair.public);
    write_file(f, "broker.key", "public " PUBLIC "\n");
    assert_int_equal(keys_read(f->folder, &keys, &err), 0);
    assert_string_equal(keys.broker, PUBLIC);
    assert_string_equal(keys.own.secret, pair.secret);
    keys_done(&keys);
    assert_string_equal(keys.own.secret, "");
}

/* ---- the list ---- */

static void hear(void *context, const char *sentence)
{
    struct fixture *f = context;
    size_t size = strlen(f->said);
    (void)snprintf(f->said + size, sizeof f->said - size, "%s\n", sentence);
}

/* Key number n, its text. */
static const char *key_text(unsigned n, char ret[64])
{
    uint8_t bytes[32] = {(uint8_t)n, (uint8_t)(n >> 8), 7};
    char key[KEY_TEXT_SIZE];
    assert_non_null(zmq_z85_encode(key, bytes, sizeof bytes));
    (void)snprintf(ret, 64, "public %s\n", key);
    return ret;
}

static const char *name_of(const struct allowed *allowed, unsigned n)
{
    char line[64], key[KEY_TEXT_SIZE];
    (void)snprintf(key, sizeof key, "%s", key_text(n, line) + strlen("public "));
    return allowed_name(allowed, key);
}

static void test_allowed__those_in_the_folder_and_nobody_else(void **state)
{
    struct fixture *f = *state;
    char text[64];
    struct allowed *allowed = allowed_new(f->folder, PUBLIC);
    assert_true(allowed_refresh(allowed, true, hear, f)); /* no folder */
    assert_int_equal(allowed_count(allowed), 0);
    assert_null(name_of(allowed, 1));
    assert_string_equal(allowed_name(allowed, PUBLIC), ALLOWED_SELF);
    assert_null(allowed_name(allowed, ""));
    assert_false(allowed_refresh(allowed, false, hear, f));

    make_folder(f, "allowed");
    for (unsigned n = 1; n <= 40; n++) {
        char name[64];
        (void)snprintf(name, sizeof name, "allowed/host-%u.key", n);
        write_file(f, name, key_text(n, text));
    }
    assert_true(allowed_refresh(allowed, false, hear, f));
    assert_string_equal(f->said, "");
    assert_int_equal(allowed_count(allowed), 40);
    for (unsigned n = 1; n <= 40; n++) {
        char name[64];
        (void)snprintf(name, sizeof name, "host-%u", n);
        assert_string_equal(name_of(allowed, n), name);
    }
    assert_null(name_of(allowed, 41));
    assert_false(allowed_refresh(allowed, false, hear, f));

    remove_file(f, "allowed/host-7.key");
    assert_true(allowed_refresh(allowed, false, hear, f));
    assert_null(name_of(allowed, 7));
    write_file(f, "allowed/host-8.key",
               key_text(99, text)); /* another key under a known name */
    assert_true(allowed_refresh(allowed, false, hear, f));
    assert_null(name_of(allowed, 8));
    assert_string_equal(name_of(allowed, 99), "host-8");
    allowed_free(allowed);
}

static void expect_said(struct fixture *f, const char *part)
{
    if (!strstr(f->said, part))
        fail_msg("'%s' is not in '%s'", part, f->said);
}

static void test_allowed__what_is_no_key_lets_nobody_in_and_is_named(void **state)
{
    struct fixture *f = *state;
    char text[64];
    make_folder(f, "allowed");
    make_folder(f, "allowed/folder.key");
    write_file(f, "allowed/a.key", key_text(1, text));
    write_file(f, "allowed/b.key", key_text(1, text));
    write_file(f, "allowed/bad name.key", key_text(2, text));
    write_file(f, "allowed/junk.key", "public junk\n");
    write_file(f, "allowed/open.key", "public " PUBLIC "\nsecret " SECRET "\n");
    write_file(f, "allowed/.hidden.key", key_text(3, text));
    write_file(f, "allowed/README", "not looked at\n");
    struct allowed *allowed = allowed_new(f->folder, SECRET);
    assert_true(allowed_refresh(allowed, true, hear, f));
    assert_int_equal(allowed_count(allowed), 1);
    assert_string_equal(name_of(allowed, 1), "a");
    assert_null(name_of(allowed, 2));
    assert_null(name_of(allowed, 3));
    expect_said(f, "b.key is the same key as a.key: left out\n");
    expect_said(f, "bad name.key: a name has at most 63 letters");
    expect_said(f, "junk.key': line 1 is neither");
    expect_said(f, "folder.key'");
    expect_said(f, "open.key' holds a secret, and others");
    assert_null(strstr(f->said, "README"));
    allowed_free(allowed);
}

/* A flood of connections takes all files that the process may open: nobody is shut out by it.
 */
static void test_allowed__stays_as_it_is_while_no_file_can_be_opened(void **state)
{
    struct fixture *f = *state;
    struct rlimit before, none;
    char text[64];
    struct allowed *allowed = allowed_new(f->folder, PUBLIC);
    make_folder(f, "allowed");
    write_file(f, "allowed/a.key", key_text(1, text));
    assert_true(allowed_refresh(allowed, true, hear, f));
    write_file(f, "allowed/b.key", key_text(2, text));
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    for (rlim_t files = 0; files < 20; files++) { /* the folder, then also a file in it */
        none = (struct rlimit){.rlim_cur = files, .rlim_max = before.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
        bool read = allowed_refresh(allowed, false, hear, f);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        assert_string_equal(name_of(allowed, 1), "a");
        if (read)
            break;
        assert_null(name_of(allowed, 2));
        assert_true(files < 19);
    }
    assert_string_equal(name_of(allowed, 2), "b");
    assert_string_equal(f->said, "");
    allowed_free(allowed);
}

#define with_folder(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_key__text_is_read_or_refused_by_line),
        cmocka_unit_test(test_key__what_is_printed_is_read),
        with_folder(test_keys__a_new_pair_is_secret_and_never_overwritten),
        with_folder(test_keys__a_secret_that_others_can_read_is_refused),
        with_folder(test_keys__both_parts_must_belong_together),
        with_folder(test_keys__a_peer_needs_the_brokers_key),
        with_folder(test_allowed__those_in_the_folder_and_nobody_else),
        with_folder(test_allowed__what_is_no_key_lets_nobody_in_and_is_named),
        with_folder(test_allowed__stays_as_it_is_while_no_file_can_be_opened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
