/* ZeroMQ sockets as every peer of the broker uses them, and whole messages through them. A
 * socket belongs to one thread. */
#ifndef WYCKMILL_WORKERS_RUNTIME_NET_H
#define WYCKMILL_WORKERS_RUNTIME_NET_H

#include "common/err.h"
#include "keys/keys.h"
#include "proto/messages.h"

#include <stdbool.h>
#include <zmq.h>

/* A DEALER that connects to `endpoint`, for ever: nothing is queued while there is no
 * connection, and a dead one is noticed within 15 s. With `keys` (NULL: none) it speaks to that
 * broker only, encrypted. Errors: ERR_INVALID (address, keys), ERR_IO. */
int net_connect(void *context, const char *endpoint, const struct keys *keys, void **ret_socket,
                struct err *err);
/* NULL allowed. What is still queued may go out for `linger_ms`. */
void net_close(void *socket, int linger_ms);

/* Why a broker that is there does not let us in. */
enum net_refusal {
    NET_NOT_REFUSED,
    NET_KEY_UNKNOWN,  /* it does not have our key in its list */
    NET_KEYS_WANTED,  /* it has keys, we have none */
    NET_NO_KEYS,      /* we have keys, it has none */
    NET_OTHER_BROKER, /* its key is most likely another than our broker.key */
};

enum net_event { NET_CONNECTED, NET_LOST, NET_REFUSED };

/* Watches the connection of one socket. Zeroed: watches nothing. */
struct net_watch {
    void *monitor; /* to wait on for reading */
    bool keys;
    int closed; /* handshakes in a row that the other side ended without a word */
};

/* `keys`: does `socket` use them? Errors: ERR_IO. */
int net_watch_open(void *context, void *socket, bool keys, struct net_watch *ret_watch,
                   struct err *err);
/* Before `socket` is closed. */
void net_watch_close(struct net_watch *watch, void *socket);
/* Without waiting. 1: *ret_event happened, NET_REFUSED for the reason in *ret_refusal; 0: no
 * more news. */
int net_watch_next(struct net_watch *watch, enum net_event *ret_event,
                   enum net_refusal *ret_refusal);
/* A refusal for people: ERR_CONFIG with a hint what to do. `folder` of keys, NULL: none. */
int net_refusal_err(enum net_refusal refusal, const char *endpoint, const char *folder,
                    struct err *err);

/* Without waiting. Errors: ERR_BUSY (no connection, or its queue is full: say it again later),
 * ERR_NETWORK. */
int net_send(void *socket, const struct message *message, struct err *err);
int net_send_frame(void *socket, struct span frame, struct err *err);

/* 1: *frame holds a whole one-part message (zmq_msg_close when done); 0: nothing there. What
 * has more parts is nobody's message and is dropped. */
int net_receive(void *socket, zmq_msg_t *frame);
struct span net_span(zmq_msg_t *frame);

#endif
