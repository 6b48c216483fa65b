/* The broker's two sockets in the hands of a test, which plays the broker message by message.
 */
#ifndef WYCKMILL_TESTS_RUNTIME_FAKE_BROKER_H
#define WYCKMILL_TESTS_RUNTIME_FAKE_BROKER_H

#include "proto/action.h"
#include "proto/messages.h"

#include <zmq.h>

struct fake_broker {
    uint64_t lease_memory, lease_time_ms; /* said with every lease */
    void *context, *control, *bulk;
    char endpoint[128];
    zmq_msg_t control_peer, bulk_peer; /* who spoke last */
    zmq_msg_t frame;                   /* the last message; `bytes` fields borrow from it */
    struct message message;
};

/* Listen on an ipc socket in `folder`; a number tells several brokers in a row apart. */
void fake_open(struct fake_broker *fake, const char *folder);
void fake_close(struct fake_broker *fake);

/* Wait for the next message on a socket, at most 10 s, then the test fails. */
const struct message *fake_next(struct fake_broker *fake, void *socket);
/* The same, and fail when it has another type; ALIVE and a repeated HELLO are passed over
 * unless they are asked for. */
const struct message *fake_expect(struct fake_broker *fake, void *socket,
                                  enum message_type type);
/* To the peer that spoke last on the socket. */
void fake_answer(struct fake_broker *fake, void *socket, const struct message *message);

/* Expect HELLO and answer WELCOME. */
void fake_welcome(struct fake_broker *fake, uint64_t epoch, uint32_t heartbeat_ms);
/* Lease; *ret_task is the action's id. */
void fake_lease(struct fake_broker *fake, uint64_t epoch, uint32_t attempt,
                const struct action *action, struct hash *ret_task);
/* Expect BLOB_GETs for one object until all of `bytes` was asked for. */
void fake_give(struct fake_broker *fake, struct span bytes);
/* Expect BLOB_PUTs until a whole object is there, and say so. */
void fake_take(struct fake_broker *fake, struct buf *ret_bytes);
void fake_ack(struct fake_broker *fake, uint64_t epoch, const struct hash *task,
              uint32_t attempt);

#endif
