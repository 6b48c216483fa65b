/* The client side of the broker's protocol: put objects, submit, ask for the status. One call
 * at a time, each with a time limit; a broker that restarts meanwhile is asked again. Thread:
 * one. */
#ifndef WYCKMILL_WORKERS_RUNTIME_CLIENT_H
#define WYCKMILL_WORKERS_RUNTIME_CLIENT_H

#include "common/err.h"
#include "common/hash.h"
#include "common/span.h"
#include "proto/messages.h"
#include "proto/order.h"

#include <stdbool.h>

struct client;

enum { CLIENT_TIMEOUT_MS = 3000 };

/* `keys`: folder (keys/keys.h); NULL: the environment's, "" none. Errors: ERR_INVALID
 * (address); those of keys_read; ERR_CONFIG when the broker does not let us in; ERR_NETWORK
 * when nobody answers within `timeout_ms`. Most with a hint. */
int client_open_keys(const char *address, const char *keys, int timeout_ms,
                     struct client **ret_client, struct err *err);
/* With the environment's keys. */
int client_open(const char *address, int timeout_ms, struct client **ret_client,
                struct err *err);
void client_close(struct client *client);
/* Another time limit for the calls to come. */
void client_patience(struct client *client, int timeout_ms);
void client_close_ptr(struct client **client);

/* The broker has the object, verified against its hash (durable with the next commit). */
int client_put(struct client *client, const char *type, struct span bytes, struct hash *ret_id,
               struct err *err);
/* Durable on return. Errors: ERR_CONFIG (refused; the sentence is the broker's), ERR_NETWORK.
 */
int client_submit(struct client *client, struct span campaign, struct hash *ret_id,
                  struct err *err);
/* Status JSON of one campaign, or of all with NULL; appended to `ret_json`. */
int client_status(struct client *client, const struct hash *campaign, struct buf *ret_json,
                  struct err *err);
/* The event log from sequence `from` on as JSON lines, appended to `ret_json`, as many as one
 * answer holds; *ret_next is where to go on, `from` when there is nothing new. */
int client_events(struct client *client, uint64_t from, uint64_t *ret_next,
                  struct buf *ret_json, struct err *err);
/* An operator's order, done and durable on return. *ret_tasks: that it changed something for.
 * Errors: ERR_INVALID (refused; the sentence is the broker's), ERR_BUSY (not now: ask again),
 * ERR_NETWORK. */
int client_order(struct client *client, enum order_verb verb, const char *target,
                 uint64_t *ret_tasks, struct err *err);

/* Where the task stands in the queue: JSON text, appended (broker/explain.c). */
int client_explain(struct client *client, const struct hash *task, struct buf *ret_json,
                   struct err *err);
/* GC as asked; patience is that of a whole gc. *ret_report is copied. Errors: ERR_CONFIG
 * (refused, with the broker's sentence), ERR_NETWORK. */
int client_gc(struct client *client, const struct message_gc *asked,
              struct message_gc_report *ret_report, struct err *err);

#endif
