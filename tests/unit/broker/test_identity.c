/* Is a peer known by its key and by nothing it can choose? The shell without sockets; each test
 * is a story, and what the broker answered is compared as text: "peer:message". */
#include "tests/support/cmocka.h"

#include "tests/support/story.h"

static void hello(struct story *story, const char *peer, const char *user, const char *answers)
{
    struct message message = {.type = MESSAGE_TYPE_hello,
                              .hello = {.boot = 7, .slots = 1, .credit = 1}};
    message_text_set(&message.hello.name, "node:1");
    message_text_set(&message.hello.profile, "profile");
    story_hear(story, peer, user, &message, answers);
}

static void expect_log(const struct story *story, const char *part)
{
    if (!strstr(story->log, part))
        fail_msg("'%s' is not in the log:\n%s", part, story->log);
}

static const struct message status_get = {.type = MESSAGE_TYPE_status_get};
static const struct message goodbye = {.type = MESSAGE_TYPE_goodbye, .goodbye = {.epoch = 5}};
static const struct message alive = {.type = MESSAGE_TYPE_alive, .alive = {.epoch = 5}};

static void test_identity__the_name_of_the_key_comes_first(void **state)
{
    struct story *story = *state;
    hello(story, "p", "host-a", "p:welcome");
    hello(story, "q", "", "q:welcome");
    expect_log(story, "worker host-a/node:1 is here");
    expect_log(story, "worker node:1 is here");
    struct buf json = {0};
    status_print(story->shell, &(struct hash){{0}}, &json);
    assert_non_null(strstr(buf_text(&json), "\"key\":\"host-a\""));
    assert_non_null(strstr(buf_text(&json), "\"key\":null"));
    buf_done(&json);
}

/* A listed peer takes the routing id of another: it can neither keep it alive nor send it away,
 * and when it says HELLO, the other's leases return. */
static void test_identity__a_routing_id_with_another_key_is_a_stranger(void **state)
{
    struct story *story = *state;
    hello(story, "p", "host-a", "p:welcome");
    story_hear(story, "p", "host-a", &alive, "");
    story_hear(story, "p", "host-b", &alive, "p:welcome");
    struct message outcome = {.type = MESSAGE_TYPE_outcome,
                              .outcome = {.epoch = 5, .attempt = 1, .end = ATTEMPT_ERROR}};
    story_hear(story, "p", "host-b", &outcome, "p:welcome");
    story_hear(story, "p", "host-b", &goodbye, "");
    assert_null(strstr(story->log, "leaves"));
    story_hear(story, "p", "host-a", &alive, "");
    hello(story, "p", "host-b", "p:welcome");
    expect_log(story, "worker host-a/node:1 was replaced by another process");
    expect_log(story, "worker host-b/node:1 is here");
    story_hear(story, "p", "host-a", &alive, "p:welcome");
    story_hear(story, "p", "host-b", &goodbye, "");
    expect_log(story, "worker host-b/node:1 leaves");
}

static void test_identity__a_key_taken_from_the_list_is_told_once(void **state)
{
    struct story *story = *state;
    struct message get = {.type = MESSAGE_TYPE_blob_get, .blob_get = {.size = 1}};
    hello(story, "p", "host-a", "p:welcome");
    story_hear(story, "p", NULL, &alive, "p:problem");
    expect_log(story, "worker host-a/node:1 is shut out");
    story_hear(story, "p", NULL, &alive, "");
    story_hear(story, "p", NULL, &status_get, "");
    story_hear(story, "b", NULL, &get, "b:problem/bulk");
    story_hear(story, "b", NULL, &get, "");
    story_hear(story, "c", "host-c", &status_get, "c:status"); /* others are served */

    /* Back in the list: as one that the broker does not know. */
    story_hear(story, "p", "host-a", &alive, "p:welcome");
    hello(story, "p", "host-a", "p:welcome");
    story_hear(story, "p", "host-a", &alive, "");
    story_hear(story, "b", "host-a", &get, "b:blob_data/bulk");
    story_hear(story, "p", NULL, &alive, "p:problem"); /* and out again */
}

#define story_test(test) cmocka_unit_test_setup_teardown(test, story_begin, story_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        story_test(test_identity__the_name_of_the_key_comes_first),
        story_test(test_identity__a_routing_id_with_another_key_is_a_stranger),
        story_test(test_identity__a_key_taken_from_the_list_is_told_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
