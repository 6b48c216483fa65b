/* Is whatever is not exactly a listed key denied? */
#include "tests/support/cmocka.h"

#include "broker/zap.h"
#include "common/file.h"
#include "tests/support/folder.h"

#include <zmq.h>

static const uint8_t listed[32] = {1, 2, 3}, own[32] = {9}, stranger[32] = {1, 2, 4};

struct fixture {
    char folder[TEST_FOLDER_SIZE];
    struct allowed *allowed;
    struct span frames[8];
};

static const char *text_of(const uint8_t key[32], char ret[KEY_TEXT_SIZE])
{
    return zmq_z85_encode(ret, key, 32);
}

static int begin(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    char path[TEST_FOLDER_SIZE + 32], key[KEY_TEXT_SIZE], text[64];
    test_folder_new(f->folder);
    (void)snprintf(path, sizeof path, "%s/allowed", f->folder);
    assert_int_equal(file_make_folder(path, NULL), 0);
    (void)snprintf(path, sizeof path, "%s/allowed/host-a.key", f->folder);
    (void)snprintf(text, sizeof text, "public %s\n", text_of(listed, key));
    assert_int_equal(file_write(path, span_text(text), NULL), 0);
    f->allowed = allowed_new(f->folder, text_of(own, key));
    assert_true(allowed_refresh(f->allowed, true, NULL, NULL));
    const struct span frames[] = {span_text("1.0"),      span_text("1"), span_text("wyckmill"),
                                  span_text("10.0.0.7"), span_text(""),  span_text("CURVE"),
                                  {listed, 32}};
    memcpy(f->frames, frames, sizeof frames);
    f->frames[7] = span_text("more");
    *state = f;
    return 0;
}

static int end(void **state)
{
    struct fixture *f = *state;
    allowed_free(f->allowed);
    test_folder_remove(f->folder);
    free(f);
    return 0;
}

static void expect_denied(const struct fixture *f, size_t n, const char *code)
{
    struct zap_answer answer;
    zap_decide(f->frames, n, f->allowed, &answer);
    assert_string_equal(answer.code, code);
    assert_string_equal(answer.user, "");
    assert_int_equal(answer.metadata_size, 0);
}

static void test_zap__a_listed_key_is_welcome_under_its_name(void **state)
{
    struct fixture *f = *state;
    struct zap_answer answer;
    char key[KEY_TEXT_SIZE];
    zap_decide(f->frames, 7, f->allowed, &answer);
    assert_string_equal(answer.code, "200");
    assert_string_equal(answer.user, "host-a");
    assert_string_equal(answer.key, text_of(listed, key));
    assert_int_equal(answer.metadata_size, 1 + 5 + 4 + 40);
    assert_memory_equal(answer.metadata, "\005X-Key\0\0\0\050", 10);
    assert_memory_equal(answer.metadata + 10, key, 40);
    f->frames[6].data = own;
    zap_decide(f->frames, 7, f->allowed, &answer);
    assert_string_equal(answer.user, ALLOWED_SELF);
}

static void test_zap__anything_else_is_denied(void **state)
{
    struct fixture *f = *state;
    const struct span good[7] = {f->frames[0], f->frames[1], f->frames[2], f->frames[3],
                                 f->frames[4], f->frames[5], f->frames[6]};
    static const struct {
        int frame;
        const char *bytes;
        const char *code;
    } wrong[] = {
        {0, "2.0", "500"},
        {0, "", "500"},
        {2, "", "400"},
        {2, "wyckmil", "400"},
        {2, "other", "400"},
        {5, "NULL", "400"},
        {5, "PLAIN", "400"},
        {5, "CURVE2", "400"},
        {5, "curve", "400"},
        {6, "", "500"},
        {6, "short", "500"},
        {6, "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7", "500"}, /* Z85 in place of 32 bytes */
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        f->frames[wrong[i].frame] = span_text(wrong[i].bytes);
        expect_denied(f, 7, wrong[i].code);
        f->frames[wrong[i].frame] = good[wrong[i].frame];
    }
    for (size_t n = 0; n < 7; n++)
        expect_denied(f, n, "500");
    expect_denied(f, 8, "500");
    f->frames[6].data = stranger;
    expect_denied(f, 7, "400");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_zap__a_listed_key_is_welcome_under_its_name, begin,
                                        end),
        cmocka_unit_test_setup_teardown(test_zap__anything_else_is_denied, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
