/* ZeroMQ sockets as every peer of the broker uses them, and whole messages through them. A
 * socket belongs to one thread. */
#ifndef WYCKMILL_WORKERS_RUNTIME_NET_H
#define WYCKMILL_WORKERS_RUNTIME_NET_H

#include "common/err.h"
#include "proto/messages.h"

#include <zmq.h>

/* A DEALER that connects to `endpoint`, for ever: nothing is queued while there is no
 * connection, and a dead one is noticed within 15 s. Errors: ERR_INVALID (address), ERR_IO. */
int net_connect(void *context, const char *endpoint, void **ret_socket, struct err *err);
/* NULL allowed. What is still queued may go out for `linger_ms`. */
void net_close(void *socket, int linger_ms);

/* Without waiting. Errors: ERR_BUSY (no connection, or its queue is full: say it again later),
 * ERR_NETWORK. */
int net_send(void *socket, const struct message *message, struct err *err);
int net_send_frame(void *socket, struct span frame, struct err *err);

/* 1: *frame holds a whole one-part message (zmq_msg_close when done); 0: nothing there. What
 * has more parts is nobody's message and is dropped. */
int net_receive(void *socket, zmq_msg_t *frame);
struct span net_span(zmq_msg_t *frame);

#endif
