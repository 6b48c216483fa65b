#include "tests/unit/runtime/fake_broker.h"

#include "tests/support/cmocka.h"

#include <stdio.h>
#include <string.h>

enum { PATIENCE_MS = 10000 };

void fake_open(struct fake_broker *fake, const char *folder)
{
    char bulk[160];
    int zero = 0;
    *fake = (struct fake_broker){.context = zmq_ctx_new()};
    (void)snprintf(fake->endpoint, sizeof fake->endpoint, "ipc://%s/socket", folder);
    (void)snprintf(bulk, sizeof bulk, "%s-bulk", fake->endpoint);
    fake->control = zmq_socket(fake->context, ZMQ_ROUTER);
    fake->bulk = zmq_socket(fake->context, ZMQ_ROUTER);
    (void)zmq_setsockopt(fake->control, ZMQ_LINGER, &zero, sizeof zero);
    (void)zmq_setsockopt(fake->bulk, ZMQ_LINGER, &zero, sizeof zero);
    assert_int_equal(zmq_bind(fake->control, fake->endpoint), 0);
    assert_int_equal(zmq_bind(fake->bulk, bulk), 0);
    (void)zmq_msg_init(&fake->control_peer);
    (void)zmq_msg_init(&fake->bulk_peer);
    (void)zmq_msg_init(&fake->frame);
}

void fake_close(struct fake_broker *fake)
{
    (void)zmq_msg_close(&fake->control_peer);
    (void)zmq_msg_close(&fake->bulk_peer);
    (void)zmq_msg_close(&fake->frame);
    (void)zmq_close(fake->control);
    (void)zmq_close(fake->bulk);
    (void)zmq_ctx_term(fake->context);
}

static zmq_msg_t *peer_of(struct fake_broker *fake, const void *socket)
{
    return socket == fake->control ? &fake->control_peer : &fake->bulk_peer;
}

const struct message *fake_next(struct fake_broker *fake, void *socket)
{
    struct err err;
    zmq_pollitem_t item = {.socket = socket, .events = ZMQ_POLLIN};
    if (zmq_poll(&item, 1, PATIENCE_MS) != 1)
        fail_msg("%s", "no message came");
    assert_true(zmq_msg_recv(peer_of(fake, socket), socket, 0) > 0);
    assert_true(zmq_msg_recv(&fake->frame, socket, 0) > 0);
    struct span frame = {zmq_msg_data(&fake->frame), zmq_msg_size(&fake->frame)};
    if (message_decode(frame, &fake->message, &err) != 0)
        fail_msg("%s", err.text);
    return &fake->message;
}

const struct message *fake_expect(struct fake_broker *fake, void *socket,
                                  enum message_type type)
{
    do
        (void)fake_next(fake, socket);
    while (fake->message.type != type && (fake->message.type == MESSAGE_TYPE_alive ||
                                          fake->message.type == MESSAGE_TYPE_hello));
    if (fake->message.type != type)
        fail_msg("%s came, want %s", message_type_text(fake->message.type),
                 message_type_text(type));
    return &fake->message;
}

void fake_answer(struct fake_broker *fake, void *socket, const struct message *message)
{
    struct buf frame = {0};
    message_encode(message, &frame);
    zmq_msg_t *peer = peer_of(fake, socket);
    (void)zmq_send(socket, zmq_msg_data(peer), zmq_msg_size(peer), ZMQ_SNDMORE);
    (void)zmq_send(socket, frame.data, frame.size, 0);
    buf_done(&frame);
}

void fake_welcome(struct fake_broker *fake, uint64_t epoch, uint32_t heartbeat_ms)
{
    struct message welcome = {.type = MESSAGE_TYPE_welcome,
                              .welcome = {.epoch = epoch, .heartbeat_ms = heartbeat_ms}};
    (void)fake_expect(fake, fake->control, MESSAGE_TYPE_hello);
    fake_answer(fake, fake->control, &welcome);
}

void fake_lease(struct fake_broker *fake, uint64_t epoch, uint32_t attempt,
                const struct action *action, struct hash *ret_task)
{
    struct buf bytes = {0};
    action_encode(action, &bytes, ret_task);
    struct message lease = {.type = MESSAGE_TYPE_lease,
                            .lease = {.epoch = epoch,
                                      .task = *ret_task,
                                      .attempt = attempt,
                                      .duration_ms = 10000,
                                      .action = buf_span(&bytes),
                                      .memory = fake->lease_memory,
                                      .time_ms = fake->lease_time_ms}};
    fake_answer(fake, fake->control, &lease);
    buf_done(&bytes);
}

void fake_give(struct fake_broker *fake, struct span bytes)
{
    for (size_t sent = 0; sent < bytes.size;) {
        const struct message_blob_get get =
            fake_expect(fake, fake->bulk, MESSAGE_TYPE_blob_get)->blob_get;
        assert_true(get.offset <= bytes.size);
        size_t left = bytes.size - get.offset, size = get.size < left ? get.size : left;
        struct message data = {.type = MESSAGE_TYPE_blob_data,
                               .blob_data = {.id = get.id,
                                             .total = bytes.size,
                                             .offset = get.offset,
                                             .data = {bytes.data + get.offset, size}}};
        fake_answer(fake, fake->bulk, &data);
        sent += size;
    }
}

void fake_take(struct fake_broker *fake, struct buf *ret_bytes)
{
    uint64_t total;
    ret_bytes->size = 0;
    do {
        const struct message_blob_put *put =
            &fake_expect(fake, fake->bulk, MESSAGE_TYPE_blob_put)->blob_put;
        total = put->total;
        if (put->offset == ret_bytes->size)
            buf_append(ret_bytes, put->data.data, put->data.size);
        struct message state = {.type = MESSAGE_TYPE_blob_state,
                                .blob_state = {.id = put->id, .next = ret_bytes->size}};
        fake_answer(fake, fake->bulk, &state);
    } while (ret_bytes->size < total);
}

void fake_ack(struct fake_broker *fake, uint64_t epoch, const struct hash *task,
              uint32_t attempt)
{
    struct message ack = {.type = MESSAGE_TYPE_ack,
                          .ack = {.epoch = epoch, .task = *task, .attempt = attempt}};
    fake_answer(fake, fake->control, &ack);
}
