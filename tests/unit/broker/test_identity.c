/* Is a peer known by its key and by nothing it can choose? The shell without sockets; each test
 * is a story, and what the broker answered is compared as text: "peer:message". */
#include "tests/support/cmocka.h"

#include "broker/shell.h"
#include "common/mem.h"
#include "proto/kinds.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct story {
    struct shell *shell;
    struct broker_options options;
    char said[1000], log[2000];
    uint64_t now_ms;
};

static enum sent send_frame(void *context, enum channel channel, struct span peer,
                            struct span frame)
{
    struct story *story = context;
    struct message message;
    size_t size = strlen(story->said);
    assert_int_equal(message_decode(frame, &message, NULL), 0);
    (void)snprintf(story->said + size, sizeof story->said - size, "%s%.*s:%s%s",
                   size ? " " : "", (int)peer.size, (const char *)peer.data,
                   message_type_text(message.type), channel == CHANNEL_BULK ? "/bulk" : "");
    return SENT;
}

static uint64_t unix_ms(void *context)
{
    (void)context;
    return 1;
}

static void log_line(void *context, const char *line)
{
    struct story *story = context;
    size_t size = strlen(story->log);
    (void)snprintf(story->log + size, sizeof story->log - size, "%s\n", line);
}

static int begin(void **state)
{
    struct story *story = mem_new(1, sizeof *story);
    story->options = (struct broker_options){.store = "", .keys = "", .verbosity = 1};
    const struct ports ports = {
        .context = story, .send = send_frame, .unix_ms = unix_ms, .log = log_line};
    assert_int_equal(
        shell_new(&story->options, store_open_memory(), 5, &ports, &story->shell, NULL), 0);
    *state = story;
    return 0;
}

static int end(void **state)
{
    struct story *story = *state;
    shell_free(story->shell);
    free(story);
    return 0;
}

/* One message in a round of its own; `answers` is all that goes out. */
static void hear(struct story *story, const char *peer, const char *user,
                 const struct message *message, const char *answers)
{
    struct buf frame = {0};
    story->said[0] = '\0';
    message_encode(message, &frame);
    shell_begin_round(story->shell, story->now_ms += 10);
    shell_receive(story->shell,
                  message->type == MESSAGE_TYPE_blob_get ? CHANNEL_BULK : CHANNEL_CONTROL,
                  span_text(peer), user, buf_span(&frame));
    (void)shell_end_round(story->shell);
    buf_done(&frame);
    assert_string_equal(story->said, answers);
}

static void hello(struct story *story, const char *peer, const char *user, const char *answers)
{
    struct message message = {.type = MESSAGE_TYPE_hello,
                              .hello = {.boot = 7, .slots = 1, .credit = 1}};
    message_text_set(&message.hello.name, "node:1");
    message_text_set(&message.hello.profile, "profile");
    hear(story, peer, user, &message, answers);
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
    hear(story, "p", "host-a", &alive, "");
    hear(story, "p", "host-b", &alive, "p:welcome");
    struct message outcome = {.type = MESSAGE_TYPE_outcome,
                              .outcome = {.epoch = 5, .attempt = 1, .end = ATTEMPT_ERROR}};
    hear(story, "p", "host-b", &outcome, "p:welcome");
    hear(story, "p", "host-b", &goodbye, "");
    assert_null(strstr(story->log, "leaves"));
    hear(story, "p", "host-a", &alive, "");
    hello(story, "p", "host-b", "p:welcome");
    expect_log(story, "worker host-a/node:1 was replaced by another process");
    expect_log(story, "worker host-b/node:1 is here");
    hear(story, "p", "host-a", &alive, "p:welcome");
    hear(story, "p", "host-b", &goodbye, "");
    expect_log(story, "worker host-b/node:1 leaves");
}

static void test_identity__a_key_taken_from_the_list_is_told_once(void **state)
{
    struct story *story = *state;
    struct message get = {.type = MESSAGE_TYPE_blob_get, .blob_get = {.size = 1}};
    hello(story, "p", "host-a", "p:welcome");
    hear(story, "p", NULL, &alive, "p:problem");
    expect_log(story, "worker host-a/node:1 is shut out");
    hear(story, "p", NULL, &alive, "");
    hear(story, "p", NULL, &status_get, "");
    hear(story, "b", NULL, &get, "b:problem/bulk");
    hear(story, "b", NULL, &get, "");
    hear(story, "c", "host-c", &status_get, "c:status"); /* others are served */

    /* Back in the list: as one that the broker does not know. */
    hear(story, "p", "host-a", &alive, "p:welcome");
    hello(story, "p", "host-a", "p:welcome");
    hear(story, "p", "host-a", &alive, "");
    hear(story, "b", "host-a", &get, "b:blob_data/bulk");
    hear(story, "p", NULL, &alive, "p:problem"); /* and out again */
}

#define story_test(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        story_test(test_identity__the_name_of_the_key_comes_first),
        story_test(test_identity__a_routing_id_with_another_key_is_a_stranger),
        story_test(test_identity__a_key_taken_from_the_list_is_told_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
