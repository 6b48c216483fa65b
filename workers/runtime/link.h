/* The link to the broker: a thread that owns the control socket and does nothing but keep it
 * alive. It says HELLO on every new connection, sends ALIVE on time whatever the worker does,
 * and passes frames between the socket and the worker's main thread. Files, hashes and slots
 * are never its business, so a heartbeat never waits behind them; ALIVE must come from the
 * socket the broker knows the worker by, so the thread owns that socket and not one beside it.
 *
 * When the main thread makes no step for LINK_STUCK_MS the heartbeats end too: a worker that
 * hangs shall lose its leases. */
#ifndef WYCKMILL_WORKERS_RUNTIME_LINK_H
#define WYCKMILL_WORKERS_RUNTIME_LINK_H

#include "workers/runtime/net.h"

enum { LINK_STUCK_MS = 5 * 60 * 1000 };

struct link;

/* Copies `hello`; borrows `keys` (NULL: none). Errors: ERR_INVALID (address, keys), ERR_IO. */
int link_open(void *context, const char *endpoint, const struct keys *keys,
              const struct message_hello *hello, struct link **ret_link, struct err *err);
/* Sends what is queued for at most a second, ends the thread. */
void link_close(struct link *link);

/* The socket to wait on; net_receive from it gives the broker's frames, WELCOME first. An empty
 * frame says: the connection is lost (until the next WELCOME), or link_refusal has news. Main
 * thread only. */
void *link_socket(struct link *link);
/* Why the broker does not let us in; it is asked again every few seconds. */
enum net_refusal link_refusal(const struct link *link);
/* To the broker; dropped when there is no connection (what matters is repeated). */
void link_send(struct link *link, const struct message *message);
/* "The main thread makes steps." */
void link_step(struct link *link);

#endif
