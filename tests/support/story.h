/* The broker's shell without sockets: a test tells it what peers say, one message a round, and
 * looks at what it answered, as text: "peer:message peer:message". Include cmocka.h first. */
#ifndef WYCKMILL_TESTS_SUPPORT_STORY_H
#define WYCKMILL_TESTS_SUPPORT_STORY_H

#include "broker/shell.h"
#include "common/mem.h"
#include "proto/kinds.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct story {
    struct shell *shell;
    struct broker_options options;
    char said[1000], log[4000]; /* the last answers, everything logged */
    uint64_t now_ms;
};

static enum sent story_send(void *context, enum channel channel, struct span peer,
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

static uint64_t story_clock(void *context)
{
    (void)context;
    return 1;
}

static void story_log(void *context, const char *line)
{
    struct story *story = context;
    size_t size = strlen(story->log);
    (void)snprintf(story->log + size, sizeof story->log - size, "%s\n", line);
}

static int story_begin(void **state)
{
    struct story *story = mem_new(1, sizeof *story);
    story->options = (struct broker_options){.store = "", .keys = "", .verbosity = 1};
    const struct ports ports = {.context = story,
                                .send = story_send,
                                .unix_ms = story_clock,
                                .clock_us = story_clock,
                                .log = story_log};
    assert_int_equal(
        shell_new(&story->options, store_open_memory(), 5, &ports, &story->shell, NULL), 0);
    *state = story;
    return 0;
}

static int story_end(void **state)
{
    struct story *story = *state;
    shell_free(story->shell);
    free(story);
    return 0;
}

/* A round in which nobody says anything. */
static __attribute__((unused)) void story_round(struct story *story)
{
    story->said[0] = '\0';
    shell_begin_round(story->shell, story->now_ms += 10);
    (void)shell_end_round(story->shell);
}

/* One message in a round of its own; `answers` is all that goes out. */
static void story_hear(struct story *story, const char *peer, const char *user,
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

#endif
