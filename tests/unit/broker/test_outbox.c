/* Do frames wait, in order and within limits, for peers that do not read? Sockets are inproc.
 */
#include "tests/support/cmocka.h"

#include "broker/outbox.h"
#include "broker/peers.h"
#include "broker/router.h"
#include "tests/support/tsan.h"

#include <string.h>
#include <zmq.h>

enum { MESSAGES = 200, HWM = 2 };

struct wire {
    void *zmq, *router, *slow, *quick;
    struct outbox *outbox;
    int lost;
};

static enum sent send_frame(void *context, struct span peer, struct span frame)
{
    return router_send(((struct wire *)context)->router, peer, frame);
}

static void on_lost(void *context, struct span peer)
{
    struct wire *wire = context;
    (void)peer;
    wire->lost++;
}

static void *dealer(struct wire *wire, const char *name)
{
    int hwm = HWM, none = 0;
    void *socket = zmq_socket(wire->zmq, ZMQ_DEALER);
    (void)zmq_setsockopt(socket, ZMQ_RCVHWM, &hwm, sizeof hwm);
    (void)zmq_setsockopt(socket, ZMQ_LINGER, &none, sizeof none);
    (void)zmq_setsockopt(socket, ZMQ_ROUTING_ID, name, strlen(name));
    assert_int_equal(zmq_connect(socket, "inproc://outbox"), 0);
    assert_int_equal(zmq_send(socket, "x", 1, 0), 1); /* so that the router knows it */
    char bytes[8];
    assert_true(zmq_recv(wire->router, bytes, sizeof bytes, 0) > 0);
    assert_int_equal(zmq_recv(wire->router, bytes, sizeof bytes, 0), 1);
    return socket;
}

static void wire_open(struct wire *wire, size_t peer_bytes_max)
{
    int one = 1, hwm = HWM, none = 0;
    *wire = (struct wire){.zmq = zmq_ctx_new()};
    wire->router = zmq_socket(wire->zmq, ZMQ_ROUTER);
    (void)zmq_setsockopt(wire->router, ZMQ_ROUTER_MANDATORY, &one, sizeof one);
    (void)zmq_setsockopt(wire->router, ZMQ_SNDHWM, &hwm, sizeof hwm);
    (void)zmq_setsockopt(wire->router, ZMQ_LINGER, &none, sizeof none);
    assert_int_equal(zmq_bind(wire->router, "inproc://outbox"), 0);
    wire->slow = dealer(wire, "slow");
    wire->quick = dealer(wire, "quick");
    wire->outbox = outbox_new(send_frame, peer_bytes_max, on_lost, wire);
}

static void wire_close(struct wire *wire)
{
    outbox_free(wire->outbox);
    (void)zmq_close(wire->slow);
    (void)zmq_close(wire->quick);
    (void)zmq_close(wire->router);
    (void)zmq_ctx_term(wire->zmq);
}

static void put(struct wire *wire, const char *peer, uint64_t number)
{
    struct message message = {.type = MESSAGE_TYPE_shutdown, .shutdown = {.epoch = number}};
    outbox_put(wire->outbox, span_text(peer), &message);
}

/* The next message's number; UINT64_MAX: none. */
static uint64_t next(void *socket)
{
    uint8_t bytes[64];
    struct message message;
    int size = zmq_recv(socket, bytes, sizeof bytes, ZMQ_DONTWAIT);
    if (size < 0)
        return UINT64_MAX;
    assert_int_equal(message_decode((struct span){bytes, (size_t)size}, &message, NULL), 0);
    return message.shutdown.epoch;
}

/* libzmq notices only now and then that a peer has read: flush until something comes. */
static uint64_t next_flushing(struct wire *wire, void *socket)
{
    uint64_t number = UINT64_MAX;
    for (int tries = 0; number == UINT64_MAX && tries < 100000; tries++) {
        outbox_flush(wire->outbox);
        number = next(socket);
    }
    return number;
}

static void test_outbox__one_slow_peer_holds_up_nobody_else(void **state)
{
    (void)state;
    struct wire wire;
    wire_open(&wire, 1 << 20);
    uint64_t slow = 0, quick = 0;
    for (uint64_t i = 0; i < MESSAGES; i++) {
        put(&wire, "slow", i);
        put(&wire, "quick", i);
        assert_int_equal(next_flushing(&wire, wire.quick), quick++);
    }
    assert_false(outbox_empty(wire.outbox));
    while (slow < MESSAGES) /* now it reads: everything comes, in order */
        assert_int_equal(next_flushing(&wire, wire.slow), slow++);
    assert_true(outbox_empty(wire.outbox));
    assert_int_equal(outbox_dropped(wire.outbox), 0);
    assert_int_equal(wire.lost, 0);
    wire_close(&wire);
}

static void test_outbox__what_waits_for_one_peer_is_bounded(void **state)
{
    (void)state;
    struct wire wire;
    wire_open(&wire, 100); /* bytes: a few of these messages */
    for (uint64_t i = 0; i < MESSAGES; i++) {
        put(&wire, "slow", i);
        outbox_flush(wire.outbox);
    }
    uint64_t got = 0;
    while (!outbox_empty(wire.outbox) || got < HWM)
        got += next_flushing(&wire, wire.slow) != UINT64_MAX;
    while (next(wire.slow) != UINT64_MAX)
        got++;
    assert_true(got > 2 * HWM && got < 50);
    assert_int_equal(got + outbox_dropped(wire.outbox), MESSAGES);
    wire_close(&wire);
}

static void test_outbox__unknown_peer_is_lost(void **state)
{
    (void)state;
    struct wire wire;
    wire_open(&wire, 1 << 20);
    put(&wire, "nobody", 1);
    put(&wire, "quick", 2);
    outbox_flush(wire.outbox);
    assert_int_equal(wire.lost, 1);
    assert_int_equal(next(wire.quick), 2);
    assert_true(outbox_empty(wire.outbox));
    put(&wire, "slow", 3); /* freed with the outbox, not sent */
    wire_close(&wire);
}

static struct span number_id(uint32_t *number)
{
    return (struct span){(const uint8_t *)number, sizeof *number};
}

static void test_peers__workers_stay_others_make_room(void **state)
{
    (void)state;
    struct peers *peers = peers_new();
    for (uint32_t i = 0; i < PEERS_MAX; i++) {
        struct peer *peer = peers_add(peers, number_id(&i), i);
        assert_non_null(peer);
        if (i % 2)
            peers_number(peers, peer, i + 1);
    }
    uint32_t first = 0, second = 2, third = 3, new = PEERS_MAX;
    assert_non_null(peers_add(peers, number_id(&new), PEERS_MAX));
    assert_null(peers_find(peers, number_id(&first))); /* the oldest that is no worker */
    assert_non_null(peers_find(peers, number_id(&second)));
    struct peer *worker = peers_by_worker(peers, 4);
    assert_non_null(worker);
    assert_true(worker == peers_find(peers, number_id(&third)));
    peers_number(peers, worker, 1000000);
    assert_null(peers_by_worker(peers, 4));
    assert_true(peers_by_worker(peers, 1000000) == worker);

    uint32_t n = 0;
    for (struct peer *peer = NULL; (peer = peers_next(peers, peer)); n++)
        if (!peer->worker)
            peers_number(peers, peer, 2000000 + n);
    assert_int_equal(n, PEERS_MAX);
    new ++;
    assert_null(peers_add(peers, number_id(&new), 0)); /* all are workers */
    peers_free(peers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_outbox__one_slow_peer_holds_up_nobody_else),
        cmocka_unit_test(test_outbox__what_waits_for_one_peer_is_bounded),
        cmocka_unit_test(test_outbox__unknown_peer_is_lost),
        cmocka_unit_test(test_peers__workers_stay_others_make_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
