/* The broker's two ROUTER sockets: control (leases, outcomes, heartbeats, clients) and bulk
 * (objects, in parts). Limits are set before anything is read. Thread: one. */
#ifndef WYCKMILL_BROKER_ROUTER_H
#define WYCKMILL_BROKER_ROUTER_H

#include "broker/gate.h"
#include "broker/outbox.h"
#include "common/err.h"
#include "proto/endpoint.h"

enum channel { CHANNEL_CONTROL, CHANNEL_BULK, CHANNEL_COUNT };

enum {
    ROUTER_LEAVE_MS = 500,   /* for the last frames to get out */
    ROUTER_FILES_MIN = 4096, /* with a lower limit of open files it warns */
};

struct router;

/* Where it listens, as peers should connect. */
struct router_address {
    char endpoint[ENDPOINT_SIZE], bulk[ENDPOINT_SIZE];
};

struct router_options {
    const char *listen; /* tcp://HOST:PORT (0: any; bulk is the next one), ipc://PATH */
    const char *keys;   /* folder (keys/keys.h): encrypted, listed keys only. NULL: neither */
    bool insecure;      /* allow an address that other machines reach, without keys */
    gate_log *log;      /* of the gate */
    void *log_context;
};

/* Raises the process's limit of open files to what the system allows, and logs a low one.
 * Errors: ERR_INVALID (address, or reachable from other machines without `keys` or `insecure`),
 * ERR_NETWORK, ERR_UNSUPPORTED (libzmq), those of gate_open. */
int router_open(const struct router_options *options, struct router **ret_router,
                struct err *err);
void router_close(struct router *router);
const struct router_address *router_address(const struct router *router);
/* To wait on for reading. */
void *router_socket(struct router *router, enum channel channel);
/* NULL without keys. */
struct gate *router_gate(const struct router *router);

/* Never waits. An outbox's send, its context the ROUTER socket. */
enum sent router_send(void *socket, struct span peer, struct span frame);

/* One message, if there is one: routing id and frame, borrowed during the call. A message of
 * more or fewer frames has none (data NULL). `user`: the name of the sender's key, "" in a
 * broker without keys, NULL when the key is not allowed any more. False: nothing there. */
typedef void router_frame(void *context, enum channel channel, struct span peer,
                          const char *user, struct span frame);
bool router_receive(struct router *router, enum channel channel, router_frame *take,
                    void *context);

#endif
