/* The gate of a broker with keys: its sockets are CURVE servers, libzmq asks about every peer
 * that connects (ZAP), and only those in the list of allowed keys come in. Polled in the
 * broker's loop. Thread: one. */
#ifndef WYCKMILL_BROKER_GATE_H
#define WYCKMILL_BROKER_GATE_H

#include "common/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <zmq.h>

struct gate;

typedef void gate_log(void *context, const char *line);

/* `folder` of keys (keys.h); allowed/ in it is made when it is not there and can be. Errors:
 * those of keys_read_own, ERR_UNSUPPORTED (libzmq), ERR_NETWORK. `log` gets one line for each
 * file that is no key, and at most one a second about peers that were refused. */
int gate_open(void *zmq, const char *folder, gate_log *log, void *context,
              struct gate **ret_gate, struct err *err);
/* After the sockets. NULL allowed. */
void gate_close(struct gate *gate);

/* Before it is bound: let the socket speak with nobody but those in the list. */
int gate_guard(struct gate *gate, void *socket, struct err *err);
/* The sockets have the secret: forget it. */
void gate_forget(struct gate *gate);

/* To wait on for reading. */
void *gate_socket(const struct gate *gate);
/* Answer those who knock, and look once a second, or at once with `reread`, whether the list
 * has changed. */
void gate_step(struct gate *gate, uint64_t now_ms, bool reread);

/* Who sent it: name in the list as it is now, or NULL when the key was taken from it meanwhile.
 * Valid until the next gate_step. */
const char *gate_user(const struct gate *gate, zmq_msg_t *frame);

#endif
