/* Objects in parts over a network that loses some of them. The clock is the test's. */
#include "common/mem.h"
#include "common/rng.h"
#include "tests/support/cmocka.h"
#include "tests/unit/runtime/fake_broker.h"
#include "tests/unit/runtime/folder.h"
#include "workers/runtime/transfer.h"

#include <stdlib.h>
#include <string.h>

enum { LARGE = 7 * (1 << 20) + 12345, MANY = 40 };

struct fixture {
    char *folder;
    struct fake_broker fake;
    void *context;
    struct transfer *transfer;
    uint64_t now_ms;
    struct rng rng;
    /* the owner's side */
    struct buf object, written;
    uint32_t done_n;
    bool done_put;
    int done_rc;
    struct err done_err;
};

static int read_object(void *context, const struct hash *id, uint64_t offset, size_t size,
                       struct buf *ret, struct err *err)
{
    struct fixture *f = context;
    struct hash own = hash_bytes(buf_span(&f->object));
    if (!hash_equal(&own, id))
        return err_set(err, ERR_NOT_FOUND, "no such object here");
    buf_append(ret, f->object.data + offset, size);
    return 0;
}

static int write_object(void *context, const struct hash *id, uint64_t total, uint64_t offset,
                        struct span part, struct err *err)
{
    struct fixture *f = context;
    (void)id;
    (void)total;
    (void)err;
    assert_int_equal(offset, f->written.size);
    buf_append(&f->written, part.data, part.size);
    return 0;
}

static void done(void *context, bool put, const struct hash *id, int rc, const struct err *err)
{
    struct fixture *f = context;
    (void)id;
    f->done_n++;
    f->done_put = put;
    f->done_rc = rc;
    if (rc != 0)
        f->done_err = *err;
}

static int setup(void **state)
{
    struct fixture *f = mem_new(1, sizeof *f);
    f->folder = folder_new();
    fake_open(&f->fake, f->folder);
    f->context = zmq_ctx_new();
    f->now_ms = 1000;
    f->rng = rng_stream(1, 2, 3, 4);
    f->transfer = transfer_new(
        f->context, &(struct transfer_owner){f, read_object, write_object, done, NULL});
    assert_int_equal(transfer_connect(f->transfer, "ipc://relative", 1, NULL), 0);
    char bulk[160];
    (void)snprintf(bulk, sizeof bulk, "%s-bulk", f->fake.endpoint);
    assert_int_equal(transfer_connect(f->transfer, bulk, 1, NULL), 0);
    for (size_t i = 0; i < LARGE; i++) {
        uint8_t byte = (uint8_t)(i * 2654435761u >> 13);
        buf_append(&f->object, &byte, 1);
    }
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    transfer_free(f->transfer);
    (void)zmq_ctx_term(f->context);
    fake_close(&f->fake);
    folder_remove(f->folder);
    buf_done(&f->object);
    buf_done(&f->written);
    free(f);
    return 0;
}

/* Until the broker's side has a message, or all is done: NULL. Time passes when nothing moves,
 * so timeouts happen at once. */
static const struct message *next(struct fixture *f, enum message_type type)
{
    for (int still = 0; transfer_pending(f->transfer) > 0;) {
        zmq_pollitem_t items[] = {
            {.socket = f->fake.bulk, .events = ZMQ_POLLIN},
            {.socket = transfer_socket(f->transfer), .events = ZMQ_POLLIN}};
        transfer_step(f->transfer, f->now_ms);
        if (transfer_pending(f->transfer) == 0)
            break;
        if (zmq_poll(items, 2, 20) == 0) {
            assert_true(++still < 1000);
            f->now_ms += 1000;
        }
        if (items[0].revents)
            return fake_expect(&f->fake, f->fake.bulk, type);
    }
    return NULL;
}

/* One message in `lossy` gets lost, at random: a regular pattern could hit the same part for
 * ever. */
static bool lost(struct fixture *f, unsigned lossy)
{
    return lossy && rng_below(&f->rng, lossy) == 0;
}

/* Play the broker's part of an upload. */
static void take(struct fixture *f, struct buf *ret, unsigned lossy)
{
    const struct message *message;
    while ((message = next(f, MESSAGE_TYPE_blob_put))) {
        const struct message_blob_put *put = &message->blob_put;
        if (lost(f, lossy))
            continue;
        if (put->offset == ret->size)
            buf_append(ret, put->data.data, put->data.size);
        struct message answer = {.type = MESSAGE_TYPE_blob_state,
                                 .blob_state = {.id = put->id, .next = ret->size}};
        if (!lost(f, lossy))
            fake_answer(&f->fake, f->fake.bulk, &answer);
    }
}

static void give(struct fixture *f, struct span bytes, unsigned lossy)
{
    const struct message *message;
    while ((message = next(f, MESSAGE_TYPE_blob_get))) {
        const struct message_blob_get *get = &message->blob_get;
        uint64_t left = bytes.size - get->offset;
        struct message answer = {
            .type = MESSAGE_TYPE_blob_data,
            .blob_data = {.id = get->id,
                          .total = bytes.size,
                          .offset = get->offset,
                          .data = {bytes.size ? bytes.data + get->offset : NULL,
                                   get->size < left ? get->size : (size_t)left}}};
        if (!lost(f, lossy))
            fake_answer(&f->fake, f->fake.bulk, &answer);
    }
}

static void check_put(struct fixture *f, unsigned lossy)
{
    struct buf came = {0};
    struct hash id = hash_bytes(buf_span(&f->object));
    transfer_put(f->transfer, &id, "blob", f->object.size);
    transfer_put(f->transfer, &id, "blob", f->object.size); /* on its way already */
    assert_int_equal(transfer_pending(f->transfer), 1);
    take(f, &came, lossy);
    assert_int_equal(f->done_n, 1);
    assert_int_equal(f->done_rc, 0);
    assert_true(f->done_put);
    struct hash found = hash_bytes(buf_span(&came));
    assert_true(hash_equal(&found, &id));
    buf_done(&came);
}

static void test_transfer__puts_a_large_object(void **state)
{
    check_put(*state, 0);
}

static void test_transfer__puts_in_spite_of_losses(void **state)
{
    check_put(*state, 3);
}

static void test_transfer__puts_an_empty_object(void **state)
{
    struct fixture *f = *state;
    f->object.size = 0;
    check_put(f, 0);
}

static void check_get(struct fixture *f, unsigned lossy)
{
    struct hash id = hash_bytes(buf_span(&f->object));
    transfer_get(f->transfer, &id);
    transfer_get(f->transfer, &id);
    give(f, buf_span(&f->object), lossy);
    assert_int_equal(f->done_n, 1);
    assert_int_equal(f->done_rc, 0);
    assert_false(f->done_put);
    struct hash found = hash_bytes(buf_span(&f->written));
    assert_true(hash_equal(&found, &id));
}

static void test_transfer__gets_a_large_object(void **state)
{
    check_get(*state, 0);
}

static void test_transfer__gets_in_spite_of_losses(void **state)
{
    check_get(*state, 4);
}

static void test_transfer__gets_an_empty_object(void **state)
{
    struct fixture *f = *state;
    f->object.size = 0;
    check_get(f, 0);
}

static void test_transfer__what_the_broker_lacks_is_an_error(void **state)
{
    struct fixture *f = *state;
    struct hash id = hash_bytes(buf_span(&f->object));
    transfer_get(f->transfer, &id);
    give(f, (struct span){0}, 0);
    assert_int_equal(f->done_rc, ERR_NOT_FOUND);
    assert_string_equal(f->done_err.text, "the broker does not have it");
}

static void test_transfer__impossible_answers_are_refused(void **state)
{
    struct fixture *f = *state;
    struct hash id = hash_bytes(buf_span(&f->object));
    uint8_t bytes[10] = {0};
    const struct message_blob_data cases[] = {
        {id, UINT64_MAX, 0, {bytes, 10}}, /* larger than any object */
        {id, 5, 0, {bytes, 10}},          /* more than the whole */
        {id, 5, 6, {bytes, 1}},           /* behind the end */
        {id, 5, 0, {bytes, 0}},           /* nothing of something */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        transfer_get(f->transfer, &id);
        (void)next(f, MESSAGE_TYPE_blob_get);
        struct message answer = {.type = MESSAGE_TYPE_blob_data, .blob_data = cases[i]};
        fake_answer(&f->fake, f->fake.bulk, &answer);
        assert_null(next(f, MESSAGE_TYPE_blob_get));
        assert_int_equal(f->done_rc, ERR_CORRUPT);
    }
    assert_int_equal(f->done_n, 4);
}

static void test_transfer__a_refusal_is_told(void **state)
{
    struct fixture *f = *state;
    struct hash id = hash_bytes(buf_span(&f->object));
    transfer_put(f->transfer, &id, "blob", f->object.size);
    (void)next(f, MESSAGE_TYPE_blob_put);
    struct message answer = {.type = MESSAGE_TYPE_blob_state, .blob_state = {.id = id}};
    message_text_set(&answer.blob_state.problem, "no space left");
    fake_answer(&f->fake, f->fake.bulk, &answer);
    while (next(f, MESSAGE_TYPE_blob_put))
        ;
    assert_int_equal(f->done_rc, ERR_INVALID);
    assert_string_equal(f->done_err.text, "no space left");
}

/* A broker without room says when to come again; nothing is sent before. */
static void test_transfer__waits_for_room(void **state)
{
    enum { PARTS_ON_THE_WAY = 4, WAIT_MS = 3500 };
    struct fixture *f = *state;
    struct buf came = {0};
    struct hash id = hash_bytes(buf_span(&f->object));
    struct message none = {.type = MESSAGE_TYPE_blob_state,
                           .blob_state = {.id = id, .wait_ms = WAIT_MS}};
    transfer_put(f->transfer, &id, "blob", f->object.size);
    for (int part = 0; part < PARTS_ON_THE_WAY; part++)
        assert_non_null(next(f, MESSAGE_TYPE_blob_put));
    for (int part = 0; part < PARTS_ON_THE_WAY; part++)
        fake_answer(&f->fake, f->fake.bulk, &none);
    uint64_t begin_ms = f->now_ms;
    const struct message *again = next(f, MESSAGE_TYPE_blob_put);
    assert_non_null(again);
    assert_int_equal(again->blob_put.offset, 0);
    assert_true(f->now_ms >= begin_ms + WAIT_MS);
    assert_true(f->now_ms < begin_ms + 5000); /* and not only because an answer stayed away */
    take(f, &came, 0);
    assert_int_equal(f->done_rc, 0);
    struct hash found = hash_bytes(buf_span(&came));
    assert_true(hash_equal(&found, &id));
    buf_done(&came);
}

static void test_transfer__an_object_that_cannot_be_read_is_told(void **state)
{
    struct fixture *f = *state;
    struct hash id = hash_bytes(span_text("another"));
    transfer_put(f->transfer, &id, "blob", 7);
    assert_null(next(f, MESSAGE_TYPE_blob_put));
    assert_int_equal(f->done_rc, ERR_NOT_FOUND);
}

/* The broker died when it had half of it; the next one knows nothing. */
static void test_transfer__a_new_broker_run_gets_everything_again(void **state)
{
    struct fixture *f = *state;
    struct buf came = {0};
    char bulk[160];
    struct hash id = hash_bytes(buf_span(&f->object));
    transfer_put(f->transfer, &id, "blob", f->object.size);
    for (int part = 0; part < 3; part++) {
        const struct message_blob_put *put = &next(f, MESSAGE_TYPE_blob_put)->blob_put;
        struct message answer = {
            .type = MESSAGE_TYPE_blob_state,
            .blob_state = {.id = put->id, .next = put->offset + put->data.size}};
        fake_answer(&f->fake, f->fake.bulk, &answer);
    }
    (void)snprintf(bulk, sizeof bulk, "%s-bulk", f->fake.endpoint);
    assert_int_equal(transfer_connect(f->transfer, bulk, 2, NULL), 0);
    take(f, &came, 0);
    struct hash found = hash_bytes(buf_span(&came));
    assert_true(hash_equal(&found, &id));
    buf_done(&came);
}

static void test_transfer__the_window_bounds_what_is_on_the_way(void **state)
{
    struct fixture *f = *state;
    char text[32];
    int parts = 0;
    for (int i = 0; i < MANY; i++) {
        (void)snprintf(text, sizeof text, "object %d", i);
        struct hash id = hash_bytes(span_text(text));
        transfer_get(f->transfer, &id);
    }
    while (next(f, MESSAGE_TYPE_blob_get) && f->now_ms < 5000) /* nobody answers */
        parts++;
    assert_in_range(parts, 8, 9); /* the last `next` may be of the repetition */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_transfer__puts_a_large_object),
        TEST(test_transfer__puts_in_spite_of_losses),
        TEST(test_transfer__puts_an_empty_object),
        TEST(test_transfer__gets_a_large_object),
        TEST(test_transfer__gets_in_spite_of_losses),
        TEST(test_transfer__gets_an_empty_object),
        TEST(test_transfer__what_the_broker_lacks_is_an_error),
        TEST(test_transfer__impossible_answers_are_refused),
        TEST(test_transfer__a_refusal_is_told),
        TEST(test_transfer__waits_for_room),
        TEST(test_transfer__an_object_that_cannot_be_read_is_told),
        TEST(test_transfer__a_new_broker_run_gets_everything_again),
        TEST(test_transfer__the_window_bounds_what_is_on_the_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
