/* Does every message survive the wire, and is every other frame refused with a reason? */
#include "tests/support/cmocka.h"

#include "common/cleanup.h"
#include "common/mem.h"
#include "common/rng.h"
#include "proto/messages.h"
#include "proto/value.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- any value of any field type, from a random stream ---- */

static uint8_t pool[MESSAGE_CHUNK_BYTES_MAX];

static void any_u32(struct rng *rng, message_u32 *ret)
{
    *ret = rng_u32(rng) >> rng_below(rng, 32);
}

static void any_u64(struct rng *rng, message_u64 *ret)
{
    *ret = ((uint64_t)rng_u32(rng) << 32 | rng_u32(rng)) >> rng_below(rng, 64);
}

static void any_hash(struct rng *rng, message_hash *ret)
{
    for (int i = 0; i < HASH_SIZE; i++)
        ret->bytes[i] = (uint8_t)rng_u32(rng);
}

static void any_text(struct rng *rng, message_text *ret)
{
    char text[MESSAGE_TEXT_SIZE];
    uint32_t size = rng_below(rng, sizeof text);
    for (uint32_t i = 0; i < size; i++)
        text[i] = (char)(1 + rng_below(rng, 127));
    text[size] = '\0';
    message_text_set(ret, text);
}

static void any_bytes(struct rng *rng, message_bytes *ret)
{
    *ret = (struct span){pool, rng_below(rng, 2000)};
}

static void any_chunk(struct rng *rng, message_chunk *ret)
{
    *ret = (struct span){pool, rng_below(rng, MESSAGE_CHUNK_BYTES_MAX + 1)};
}

static void any_chunk_size(struct rng *rng, message_chunk_size *ret)
{
    *ret = 1 + rng_below(rng, MESSAGE_CHUNK_BYTES_MAX);
}

static void any_log_tail(struct rng *rng, message_log_tail *ret)
{
    *ret = (struct span){pool, rng_below(rng, MESSAGE_LOG_BYTES_MAX + 1)};
}

static void fill(struct rng *rng, struct message *message)
{
    switch (message->type) {
#define MESSAGE(name, version)                                                                 \
    case MESSAGE_TYPE_##name: {                                                                \
        struct message_##name *fields = &message->name;
#define FIELD(type, name) any_##type(rng, &fields->name);
#define END(name)                                                                              \
    break;                                                                                     \
    }
#include "proto/messages/all.def"
#undef MESSAGE
#undef FIELD
#undef END
    case MESSAGE_NONE:
    case MESSAGE_TYPE_COUNT:
        break;
    }
}

static void test_message__every_one_survives_the_wire(void **state)
{
    (void)state;
    struct rng rng = rng_stream(7, 0, 0, 0);
    for (uint32_t i = 0; i < sizeof pool; i++)
        pool[i] = (uint8_t)(i * 31);
    for (int type = 1; type < MESSAGE_TYPE_COUNT; type++) {
        for (int round = 0; round < 20; round++) {
            struct message message = {.type = (enum message_type)type}, again;
            struct buf frame = {0}, twice = {0};
            struct err err = {0};
            fill(&rng, &message);
            message_encode(&message, &frame);
            assert_int_equal(message_decode(buf_span(&frame), &again, &err), 0);
            assert_int_equal(again.type, type);
            message_encode(&again, &twice);
            assert_int_equal(frame.size, twice.size);
            assert_memory_equal(frame.data, twice.data, frame.size);
            buf_done(&frame);
            buf_done(&twice);
        }
    }
}

static struct message lease(void)
{
    struct message message = {.type = MESSAGE_TYPE_lease};
    message.lease.epoch = 1;
    message.lease.task = hash_bytes(span_text("abc"));
    message.lease.attempt = 2;
    message.lease.duration_ms = 30000;
    message.lease.action = span_text("action");
    message.lease.memory = 4096;
    message.lease.time_ms = 100;
    return message;
}

static void test_message__fields_arrive_in_their_places(void **state)
{
    (void)state;
    struct message message = lease(), again;
    struct buf frame = {0}, text = {0};
    message_encode(&message, &frame);
    assert_int_equal(message_decode(buf_span(&frame), &again, NULL), 0);
    assert_int_equal(again.lease.attempt, 2);
    assert_int_equal(again.lease.duration_ms, 30000);
    assert_memory_equal(again.lease.action.data, "action", 6);
    /* borrowed from the frame */
    assert_true(again.lease.action.data > frame.data &&
                again.lease.action.data < frame.data + frame.size);
    message_print(&again, &text);
    assert_string_equal(buf_text(&text),
                        "lease epoch=1 task=ba7816bf.. attempt=2 "
                        "duration_ms=30000 action=<6 bytes> memory=4096 time_ms=100");
    buf_done(&frame);
    buf_done(&text);
}

static void test_message__numbers_on_the_wire_stay(void **state)
{
    (void)state;
    /* Peers of another build rely on these; append new messages at the end of all.def. */
    static const char *const names[] = {
        "none",      "hello",      "welcome",  "alive",     "goodbye",  "lease",      "revoke",
        "outcome",   "ack",        "blob_get", "blob_data", "blob_put", "blob_state", "submit",
        "submitted", "status_get", "status",   "stop",      "shutdown", "problem",    "gc",
        "gc_report", "events_get", "events",   "order",     "ordered",
    };
    for (int i = 0; i < (int)(sizeof names / sizeof names[0]); i++)
        assert_string_equal(message_type_text((enum message_type)i), names[i]);
    assert_string_equal(message_type_text(MESSAGE_TYPE_COUNT), "none");
}

static void test_message__text_is_cut_at_a_character(void **state)
{
    (void)state;
    char text[MESSAGE_TEXT_SIZE + 10];
    message_text field;
    memset(text, 'a', sizeof text);
    memcpy(text + MESSAGE_TEXT_SIZE - 2, "\xe2\x82\xac", 3); /* does not fit wholly */
    text[sizeof text - 1] = '\0';
    message_text_set(&field, text);
    assert_int_equal(strlen(field.text), MESSAGE_TEXT_SIZE - 2);
    message_text_set(&field, "short");
    assert_string_equal(field.text, "short");
}

static void test_message__text_cannot_break_the_log_line(void **state)
{
    (void)state;
    struct message message = {.type = MESSAGE_TYPE_problem};
    struct buf text = {0};
    message_text_set(&message.problem.sentence, "a\n\x1b[2J\"\xff caf\xc3\xa9");
    message_print(&message, &text);
    assert_string_equal(buf_text(&text),
                        "problem sentence=\"a\\x0a\\x1b[2J\\\"\\xff caf\xc3\xa9\"");
    buf_done(&text);
}

static void test_message__log_keeps_its_tail(void **state)
{
    (void)state;
    struct message message = {.type = MESSAGE_TYPE_outcome}, again;
    struct buf frame = {0};
    pool[20000 - 1] = 'z';
    message.outcome.log = (struct span){pool, 20000};
    message_encode(&message, &frame);
    assert_int_equal(message_decode(buf_span(&frame), &again, NULL), 0);
    assert_int_equal(again.outcome.log.size, MESSAGE_LOG_BYTES_MAX);
    assert_int_equal(again.outcome.log.data[MESSAGE_LOG_BYTES_MAX - 1], 'z');
    buf_done(&frame);
}

static void assert_refused(struct buf *frame, int code, const char *sentence)
{
    struct message message = {0};
    struct err err = {0};
    assert_int_equal(message_decode(buf_span(frame), &message, &err), code);
    assert_string_equal(err.text, sentence);
    assert_int_equal(message.type, MESSAGE_NONE); /* untouched */
    buf_done(frame);
}

/* [number, version] and `extra` further elements, all nil. */
static struct buf frame_of(uint64_t number, uint64_t version, uint32_t extra)
{
    struct buf frame = {0};
    struct pack pack;
    pack_init(&pack, &frame);
    pack_array(&pack, 2 + extra);
    pack_u64(&pack, number);
    pack_u64(&pack, version);
    for (uint32_t i = 0; i < extra; i++)
        pack_nil(&pack);
    return frame;
}

static void test_message__other_frames_are_refused(void **state)
{
    (void)state;
    struct buf frame = frame_of(0, 1, 0);
    assert_refused(&frame, ERR_UNSUPPORTED, "message number 0 is not known");
    frame = frame_of(200, 1, 0);
    assert_refused(&frame, ERR_UNSUPPORTED, "message number 200 is not known");
    frame = frame_of(MESSAGE_TYPE_alive, 9, 1);
    assert_refused(&frame, ERR_UNSUPPORTED, "alive: schema version 9, this program speaks 1");
    frame = frame_of(MESSAGE_TYPE_alive, 1, 2);
    assert_refused(&frame, ERR_CORRUPT, "alive: 2 fields, want 1");
    frame = frame_of(MESSAGE_TYPE_alive, 1, 0);
    assert_refused(&frame, ERR_CORRUPT, "alive: 0 fields, want 1");
    frame = frame_of(MESSAGE_TYPE_alive, 1, 1);
    assert_refused(&frame, ERR_CORRUPT, "alive: 'epoch' is nil, want an integer >= 0");
    buf_append(&frame, "\x80", 1);
    assert_refused(&frame, ERR_CORRUPT, "'message' is a map, want an array");
    buf_append(&frame, "\x91\x91\x01", 3);
    assert_refused(&frame, ERR_LIMIT, "msgpack, byte 1: nested deeper than 1");
    buf_append(&frame, "\x90", 1);
    assert_refused(&frame, ERR_CORRUPT, "'message number' is missing");
}

static void test_message__sizes_are_bounded(void **state)
{
    (void)state;
    struct buf frame = {0};
    struct pack pack;
    struct hash hash = {{0}};
    pack_init(&pack, &frame);
    pack_array(&pack, 5);
    pack_u64(&pack, MESSAGE_TYPE_blob_get);
    pack_u64(&pack, 1);
    pack_hash(&pack, &hash);
    pack_u64(&pack, 0);
    pack_u64(&pack, MESSAGE_CHUNK_BYTES_MAX + 1);
    assert_refused(&frame, ERR_CORRUPT, "blob_get: 'size' is 1048577, want 1..1048576");

    uint8_t *large = mem_new(MESSAGE_FRAME_BYTES_MAX, 1);
    pack_init(&pack, &frame);
    pack_array(&pack, 6);
    pack_u64(&pack, MESSAGE_TYPE_blob_data);
    pack_u64(&pack, 1);
    pack_hash(&pack, &hash);
    pack_u64(&pack, 0);
    pack_u64(&pack, 0);
    pack_bytes(&pack, (struct span){large, MESSAGE_CHUNK_BYTES_MAX + 1});
    assert_refused(&frame, ERR_LIMIT,
                   "blob_data: 'data' has 1048577 bytes, at most 1048576 are allowed");

    pack_init(&pack, &frame);
    pack_array(&pack, 3);
    pack_u64(&pack, MESSAGE_TYPE_status);
    pack_u64(&pack, 1);
    pack_bytes(&pack, (struct span){large, MESSAGE_FRAME_BYTES_MAX});
    assert_refused(&frame, ERR_LIMIT, "msgpack: 4194312 bytes, the limit is 4194304");
    free(large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_message__every_one_survives_the_wire),
        cmocka_unit_test(test_message__fields_arrive_in_their_places),
        cmocka_unit_test(test_message__numbers_on_the_wire_stay),
        cmocka_unit_test(test_message__text_is_cut_at_a_character),
        cmocka_unit_test(test_message__text_cannot_break_the_log_line),
        cmocka_unit_test(test_message__log_keeps_its_tail),
        cmocka_unit_test(test_message__other_frames_are_refused),
        cmocka_unit_test(test_message__sizes_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
