/* The broker's two ROUTER sockets: control (leases, outcomes, heartbeats, clients) and bulk
 * (objects, in parts). Limits are set before anything is read. Thread: one. */
#ifndef WYCKMILL_BROKER_ROUTER_H
#define WYCKMILL_BROKER_ROUTER_H

#include "broker/outbox.h"
#include "common/err.h"
#include "proto/endpoint.h"

enum channel { CHANNEL_CONTROL, CHANNEL_BULK, CHANNEL_COUNT };

enum { ROUTER_LEAVE_MS = 500 }; /* for the last frames to get out */

struct router;

/* Where it listens, as peers should connect. */
struct router_address {
    char endpoint[ENDPOINT_SIZE], bulk[ENDPOINT_SIZE];
};

/* `listen`: tcp://HOST:PORT (0: any; bulk is the next one), ipc://PATH. Errors: ERR_INVALID
 * (address, or reachable from other machines without `insecure`), ERR_NETWORK. */
int router_open(const char *listen, bool insecure, struct router **ret_router, struct err *err);
void router_close(struct router *router);
const struct router_address *router_address(const struct router *router);
/* To wait on for reading. */
void *router_socket(struct router *router, enum channel channel);

/* Never waits. An outbox's send, its context the ROUTER socket. */
enum sent router_send(void *socket, struct span peer, struct span frame);

/* One message, if there is one: routing id and frame, borrowed during the call. A message of
 * more or fewer frames has none (data NULL). False: nothing there. */
typedef void router_frame(void *context, enum channel channel, struct span peer,
                          struct span frame);
bool router_receive(struct router *router, enum channel channel, router_frame *take,
                    void *context);

#endif
