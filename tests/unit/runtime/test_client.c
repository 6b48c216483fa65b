/* The client's calls, one by one; the test plays the broker, the client is in a thread. */
#include "common/mem.h"
#include "tests/support/cmocka.h"
#include "tests/unit/runtime/fake_broker.h"
#include "tests/unit/runtime/folder.h"
#include "workers/runtime/client.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { LARGE = (5 << 20) / 2 };

struct fixture {
    char *folder;
    struct fake_broker fake;
    struct client *client;
    /* one call */
    pthread_t thread;
    int (*call)(struct fixture *f);
    int rc;
    struct err err;
    struct hash id;
    struct buf bytes;
};

static void *run(void *context)
{
    struct fixture *f = context;
    f->rc = f->call(f);
    return NULL;
}

static void begin(struct fixture *f, int (*call)(struct fixture *f))
{
    f->call = call;
    assert_int_equal(pthread_create(&f->thread, NULL, run, f), 0);
}

static int end(struct fixture *f)
{
    assert_int_equal(pthread_join(f->thread, NULL), 0);
    return f->rc;
}

static int call_open(struct fixture *f)
{
    return client_open(f->fake.endpoint, 5000, &f->client, &f->err);
}

static int call_put(struct fixture *f)
{
    return client_put(f->client, "source", buf_span(&f->bytes), &f->id, &f->err);
}

static int call_submit(struct fixture *f)
{
    return client_submit(f->client, span_text("campaign"), &f->id, &f->err);
}

static int call_status(struct fixture *f)
{
    f->bytes.size = 0;
    return client_status(f->client, &f->id, &f->bytes, &f->err);
}

static void answer_status(struct fixture *f, const char *json)
{
    struct message answer = {.type = MESSAGE_TYPE_status, .status = {.json = span_text(json)}};
    fake_answer(&f->fake, f->fake.control, &answer);
}

static int setup(void **state)
{
    struct fixture *f = mem_new(1, sizeof *f);
    f->folder = folder_new();
    fake_open(&f->fake, f->folder);
    begin(f, call_open);
    (void)fake_expect(&f->fake, f->fake.control, MESSAGE_TYPE_status_get);
    answer_status(f, "{}");
    assert_int_equal(end(f), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    client_close(f->client);
    fake_close(&f->fake);
    folder_remove(f->folder);
    buf_done(&f->bytes);
    free(f);
    return 0;
}

static void test_client__nobody_there_is_said_soon_with_what_helps(void **state)
{
    (void)state;
    struct client *client = NULL;
    struct err err;
    assert_int_equal(client_open("ipc:///nowhere/at/all", 50, &client, &err), ERR_NETWORK);
    assert_string_equal(err.text, "no broker answers at ipc:///nowhere/at/all within 0.1 s");
    assert_string_equal(
        err.hint, "start one: wyckmill broker --store DIR --listen ipc:///nowhere/at/all");
    assert_int_equal(client_open("here", 50, &client, &err), ERR_INVALID);
    assert_null(client);
}

static void test_client__puts_in_parts_and_begins_again_when_told(void **state)
{
    struct fixture *f = *state;
    for (uint32_t i = 0; f->bytes.size < LARGE; i++)
        buf_append(&f->bytes, &i, sizeof i);
    begin(f, call_put);
    const struct message_blob_put *put =
        &fake_expect(&f->fake, f->fake.bulk, MESSAGE_TYPE_blob_put)->blob_put;
    assert_int_equal(put->total, f->bytes.size);
    assert_string_equal(put->type.text, "source");
    struct message again = {.type = MESSAGE_TYPE_blob_state, .blob_state = {.id = put->id}};
    fake_answer(&f->fake, f->fake.bulk, &again); /* a broker that was restarted has nothing */
    (void)fake_expect(&f->fake, f->fake.bulk, MESSAGE_TYPE_blob_put);
    again.blob_state.wait_ms = 50; /* and no room: the client comes again */
    fake_answer(&f->fake, f->fake.bulk, &again);
    struct buf came = {0};
    fake_take(&f->fake, &came);
    assert_int_equal(end(f), 0);
    struct hash found = hash_bytes(buf_span(&came));
    assert_true(hash_equal(&found, &f->id));
    buf_done(&came);
}

static void test_client__a_refused_object_is_an_error(void **state)
{
    struct fixture *f = *state;
    buf_print(&f->bytes, "abc");
    begin(f, call_put);
    (void)fake_expect(&f->fake, f->fake.bulk, MESSAGE_TYPE_blob_put);
    struct message answer = {.type = MESSAGE_TYPE_blob_state};
    message_text_set(&answer.blob_state.problem, "no space left");
    fake_answer(&f->fake, f->fake.bulk, &answer);
    assert_int_equal(end(f), ERR_INVALID);
    assert_string_equal(f->err.text, "the broker refuses an object: no space left");
}

static void test_client__submits(void **state)
{
    struct fixture *f = *state;
    struct hash id = hash_bytes(span_text("campaign"));
    begin(f, call_submit);
    const struct message *message = fake_expect(&f->fake, f->fake.control, MESSAGE_TYPE_submit);
    assert_int_equal(message->submit.campaign.size, 8);
    struct message answer = {.type = MESSAGE_TYPE_submitted, .submitted = {.campaign = id}};
    fake_answer(&f->fake, f->fake.control, &answer);
    assert_int_equal(end(f), 0);
    assert_true(hash_equal(&f->id, &id));
}

static void test_client__a_refused_campaign_is_a_configuration_error(void **state)
{
    struct fixture *f = *state;
    begin(f, call_submit);
    (void)fake_expect(&f->fake, f->fake.control, MESSAGE_TYPE_submit);
    struct message answer = {.type = MESSAGE_TYPE_submitted};
    message_text_set(&answer.submitted.problem, "no property 'colour'");
    fake_answer(&f->fake, f->fake.control, &answer);
    assert_int_equal(end(f), ERR_CONFIG);
    assert_string_equal(f->err.text, "the broker refuses the campaign: no property 'colour'");
}

static void test_client__asks_again_and_passes_over_what_it_did_not_ask(void **state)
{
    struct fixture *f = *state;
    begin(f, call_status);
    (void)fake_expect(&f->fake, f->fake.control, MESSAGE_TYPE_status_get); /* lost */
    (void)fake_expect(&f->fake, f->fake.control, MESSAGE_TYPE_status_get);
    struct message other = {.type = MESSAGE_TYPE_welcome, .welcome = {.epoch = 1}};
    fake_answer(&f->fake, f->fake.control, &other);
    answer_status(f, "{\"x\": 1}");
    assert_int_equal(end(f), 0);
    assert_string_equal(buf_text(&f->bytes), "{\"x\": 1}");
}

static void test_client__a_problem_is_the_brokers_sentence(void **state)
{
    struct fixture *f = *state;
    begin(f, call_status);
    (void)fake_expect(&f->fake, f->fake.control, MESSAGE_TYPE_status_get);
    struct message answer = {.type = MESSAGE_TYPE_problem};
    message_text_set(&answer.problem.sentence, "another version");
    fake_answer(&f->fake, f->fake.control, &answer);
    assert_int_equal(end(f), ERR_INVALID);
    assert_string_equal(f->err.text, "the broker says: another version");
}

static void test_client__its_patience_has_an_end(void **state)
{
    struct fixture *f = *state;
    client_patience(f->client, 60);
    begin(f, call_status);
    assert_int_equal(end(f), ERR_NETWORK);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_client__nobody_there_is_said_soon_with_what_helps),
        TEST(test_client__puts_in_parts_and_begins_again_when_told),
        TEST(test_client__a_refused_object_is_an_error),
        TEST(test_client__submits),
        TEST(test_client__a_refused_campaign_is_a_configuration_error),
        TEST(test_client__asks_again_and_passes_over_what_it_did_not_ask),
        TEST(test_client__a_problem_is_the_brokers_sentence),
        TEST(test_client__its_patience_has_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
