/* See net.h. */
#include "workers/runtime/net.h"

#include <errno.h>
#include <stdbool.h>

enum {
    RECONNECT_MS = 100,
    RECONNECT_MS_MAX = 2000,
    LINK_HEARTBEAT_MS = 5000,
    LINK_TIMEOUT_MS = 15000,
    HANDSHAKE_MS = 5000,
};

static void set(void *socket, int option, int value)
{
    (void)zmq_setsockopt(socket, option, &value,
                         sizeof value); /* fails for unknown ones only */
}

int net_connect(void *context, const char *endpoint, void **ret_socket, struct err *err)
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
    set(socket, ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS);
    set(socket, ZMQ_IPV6, 1);
    if (zmq_connect(socket, endpoint) != 0) {
        int rc = err_set(err, ERR_INVALID, "address '%s': %s", endpoint, zmq_strerror(errno));
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
