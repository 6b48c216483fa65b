/* See net.h. */
#include "workers/runtime/net.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
    RECONNECT_MS = 100,
    RECONNECT_MS_MAX = 2000,
    LINK_HEARTBEAT_MS = 5000,
    LINK_TIMEOUT_MS = 15000,
    CLOSED_MAX = 3, /* handshakes in a row */
};

static void set(void *socket, int option, int value)
{
    (void)zmq_setsockopt(socket, option, &value,
                         sizeof value); /* fails for unknown ones only */
}

static int use_keys(void *socket, const struct keys *keys, struct err *err)
{
    if (zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, keys->broker, KEY_TEXT_SIZE) ||
        zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, keys->own.public, KEY_TEXT_SIZE) ||
        zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, keys->own.secret, KEY_TEXT_SIZE))
        return err_set(err, ERR_INVALID, "use keys: %s", zmq_strerror(errno));
    return 0;
}

int net_connect(void *context, const char *endpoint, const struct keys *keys, void **ret_socket,
                struct err *err)
{
    void *socket = zmq_socket(context, ZMQ_DEALER);
    if (!socket)
        return err_set(err, ERR_IO, "make a socket: %s", zmq_strerror(errno));
    const int64_t frame_bytes_max = MESSAGE_FRAME_BYTES_MAX;
    (void)zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &frame_bytes_max, sizeof frame_bytes_max);
    set(socket, ZMQ_LINGER, 0);
    set(socket, ZMQ_IMMEDIATE, 1); /* no queue towards a broker that is not there */
    set(socket, ZMQ_RECONNECT_IVL, RECONNECT_MS);
    set(socket, ZMQ_RECONNECT_IVL_MAX, RECONNECT_MS_MAX);
    set(socket, ZMQ_HEARTBEAT_IVL, LINK_HEARTBEAT_MS);
    set(socket, ZMQ_HEARTBEAT_TIMEOUT, LINK_TIMEOUT_MS);
    set(socket, ZMQ_HANDSHAKE_IVL, KEYS_HANDSHAKE_MS);
    set(socket, ZMQ_IPV6, 1);
    int rc = keys ? use_keys(socket, keys, err) : 0;
    if (rc == 0 && zmq_connect(socket, endpoint) != 0)
        rc = err_set(err, ERR_INVALID, "address '%s': %s", endpoint, zmq_strerror(errno));
    if (rc) {
        net_close(socket, 0);
        return rc;
    }
    *ret_socket = socket;
    return 0;
}

void net_close(void *socket, int linger_ms)
{
    if (!socket)
        return;
    set(socket, ZMQ_LINGER, linger_ms);
    (void)zmq_close(socket);
}

/* ---- what becomes of a connection ---- */

int net_watch_open(void *context, void *socket, bool keys, struct net_watch *ret_watch,
                   struct err *err)
{
    char endpoint[64];
    int events = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED |
                 ZMQ_EVENT_HANDSHAKE_FAILED_AUTH | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
                 ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL;
    (void)snprintf(endpoint, sizeof endpoint, "inproc://watch-%p", socket);
    void *monitor = zmq_socket(context, ZMQ_PAIR);
    if (!monitor || zmq_socket_monitor(socket, endpoint, events) != 0 ||
        zmq_connect(monitor, endpoint) != 0) {
        int rc = err_set(err, ERR_IO, "watch a connection: %s", zmq_strerror(errno));
        net_close(monitor, 0);
        return rc;
    }
    *ret_watch = (struct net_watch){.monitor = monitor, .keys = keys};
    return 0;
}

void net_watch_close(struct net_watch *watch, void *socket)
{
    if (!watch->monitor)
        return;
    (void)zmq_socket_monitor(socket, NULL, 0);
    net_close(watch->monitor, 0);
    *watch = (struct net_watch){0};
}

/* One event of libzmq: number (16 bits) and value (32 bits) in one part, the address in
 * another.
 */
static int next_event(void *monitor, uint16_t *ret_event, uint32_t *ret_value)
{
    zmq_msg_t part;
    for (;;) {
        (void)zmq_msg_init(&part);
        if (zmq_msg_recv(&part, monitor, ZMQ_DONTWAIT) < 0) {
            (void)zmq_msg_close(&part);
            return 0;
        }
        const uint8_t *bytes = zmq_msg_data(&part);
        bool first =
            zmq_msg_more(&part) && zmq_msg_size(&part) >= sizeof *ret_event + sizeof *ret_value;
        if (first) {
            memcpy(ret_event, bytes, sizeof *ret_event);
            memcpy(ret_value, bytes + sizeof *ret_event, sizeof *ret_value);
        }
        (void)zmq_msg_close(&part);
        if (first)
            return 1;
    }
}

/* A broker cannot read what is encrypted for another one, and ends the handshake without a
 * word; so does one that is just ending, but not again and again. */
static bool closed_often(struct net_watch *watch, uint16_t event, uint32_t value)
{
    bool closed = event == ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL &&
                  (value == EPIPE || value == ECONNRESET);
    if (closed)
        watch->closed++;
    else if (event != ZMQ_EVENT_DISCONNECTED)
        watch->closed = 0;
    return watch->closed >= CLOSED_MAX;
}

static enum net_refusal refusal_of(struct net_watch *watch, uint16_t event, uint32_t value)
{
    if (closed_often(watch, event, value))
        return watch->keys ? NET_OTHER_BROKER : NET_KEYS_WANTED;
    if (event == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH)
        return NET_KEY_UNKNOWN;
    if (event == ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL &&
        value == ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH)
        return watch->keys ? NET_NO_KEYS : NET_KEYS_WANTED;
    return NET_NOT_REFUSED;
}

int net_watch_next(struct net_watch *watch, enum net_event *ret_event,
                   enum net_refusal *ret_refusal)
{
    uint16_t event;
    uint32_t value;
    if (!watch->monitor || !next_event(watch->monitor, &event, &value))
        return 0;
    *ret_refusal = refusal_of(watch, event, value);
    *ret_event = *ret_refusal                             ? NET_REFUSED
                 : event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED ? NET_CONNECTED
                                                          : NET_LOST;
    return 1;
}

int net_refusal_err(enum net_refusal refusal, const char *endpoint, const char *folder,
                    struct err *err)
{
    switch (refusal) {
    case NET_KEY_UNKNOWN:
        (void)err_set(err, ERR_CONFIG, "the broker at %s does not know this key", endpoint);
        return err_hint(
            err, "add %s/public.key to allowed/ on the broker's machine, as NAME.key", folder);
    case NET_KEYS_WANTED:
        (void)err_set(err, ERR_CONFIG, "the broker at %s talks to listed keys only", endpoint);
        return err_hint(err,
                        "make keys (wyckmill keygen DIR), give its public.key to the broker, "
                        "and add --keys DIR");
    case NET_NO_KEYS:
        (void)err_set(err, ERR_CONFIG,
                      "the broker at %s uses no keys, and with --keys nothing is said without",
                      endpoint);
        return err_hint(err, "start it with --keys, or leave out --keys and " KEYS_ENVIRONMENT
                             " here");
    case NET_OTHER_BROKER:
        (void)err_set(
            err, ERR_CONFIG,
            "the broker at %s ends every handshake: %s/broker.key is not its key, or it "
            "uses no keys",
            endpoint, folder);
        return err_hint(err, "copy public.key of the broker's machine there; should it be the "
                             "same, then somebody else answers at that address");
    case NET_NOT_REFUSED:
        break;
    }
    return err_set(err, ERR_NETWORK, "no connection to %s", endpoint);
}

/* ---- frames ---- */

int net_send_frame(void *socket, struct span frame, struct err *err)
{
    for (;;) {
        if (zmq_send(socket, frame.data, frame.size, ZMQ_DONTWAIT) >= 0)
            return 0;
        if (errno == EAGAIN)
            return err_set(err, ERR_BUSY, "no connection yet");
        if (errno != EINTR)
            return err_set(err, ERR_NETWORK, "send: %s", zmq_strerror(errno));
    }
}

int net_send(void *socket, const struct message *message, struct err *err)
{
    struct buf frame = {0};
    message_encode(message, &frame);
    int rc = net_send_frame(socket, buf_span(&frame), err);
    buf_done(&frame);
    return rc;
}

int net_receive(void *socket, zmq_msg_t *frame)
{
    bool whole = true;
    for (;;) {
        (void)zmq_msg_init(frame);
        if (zmq_msg_recv(frame, socket, ZMQ_DONTWAIT) < 0) {
            int errno_value = errno;
            (void)zmq_msg_close(frame);
            if (errno_value == EINTR)
                continue;
            return 0;
        }
        bool more = zmq_msg_more(frame);
        if (whole && !more)
            return 1;
        (void)zmq_msg_close(frame);
        whole = !more; /* the last part of a long one: begin anew behind it */
    }
}

struct span net_span(zmq_msg_t *frame)
{
    return (struct span){zmq_msg_data(frame), zmq_msg_size(frame)};
}
