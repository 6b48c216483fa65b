/* The attempts in a worker's hands, each on its way
 *   FETCH (inputs come) -> READY (waits for a slot) -> RUN -> PUT (outputs go) -> OFFER (until
 * ACK). Inputs and outputs stay pinned in the cache on the way. A task that is leased again,
 * e.g. by a restarted broker, is not run again: the attempt in hand takes the new number, and
 * its outcome is offered to whoever asks. Thread: one. */
#ifndef WYCKMILL_WORKERS_RUNTIME_ATTEMPTS_H
#define WYCKMILL_WORKERS_RUNTIME_ATTEMPTS_H

#include "proto/messages.h"
#include "workers/runtime/cache.h"
#include "workers/runtime/transfer.h"

#include <zmq.h>

enum {
    ATTEMPTS_MAX = 256, /* far more than a broker leases to one worker */
    ATTEMPTS_SLOTS_MAX = 64,
};

struct attempts;

struct attempts_owner {
    struct cache *cache;       /* borrowed */
    struct transfer *transfer; /* borrowed */
    void *context;
    void (*send)(void *context, const struct message *message);
    uint32_t slots;
    uint64_t memory_bytes; /* for all that run at once */
    uint64_t time_ms;      /* limit per task, beside its own; 0: none */
};

/* Starts the slots. Errors: ERR_IO. */
int attempts_new(const struct attempts_owner *owner, struct attempts **ret_attempts,
                 struct err *err);
void attempts_free(struct attempts *attempts); /* kills the slots */

void attempts_lease(struct attempts *attempts, const struct message_lease *lease);
void attempts_revoke(struct attempts *attempts, const struct message_revoke *revoke);
void attempts_ack(struct attempts *attempts, const struct message_ack *ack);
/* From transfer's `done`. */
void attempts_transferred(struct attempts *attempts, bool put, const struct hash *id, int rc,
                          const struct err *err);
/* WELCOME of another broker run: outputs that only the old one had accepted are put again. */
void attempts_renew(struct attempts *attempts);
/* We are leaving: give back what has not begun, and from now on every lease. */
void attempts_refuse(struct attempts *attempts);

/* Look at the slots, start what can start, offer what is due (when `online`).
 * Errors: the slots do not work (ERR_UNSUPPORTED, ERR_IO): there is no sense in going on. */
int attempts_step(struct attempts *attempts, bool online, uint64_t now_ms, struct err *err);
uint64_t attempts_deadline_ms(const struct attempts *attempts,
                              bool online); /* UINT64_MAX: none */

/* Descriptors of the slots, for zmq_poll; at most 2 ATTEMPTS_SLOTS_MAX. Returns their number.
 */
int attempts_poll_items(const struct attempts *attempts, zmq_pollitem_t *items);

struct attempts_counts {
    uint32_t waiting, running, ended; /* ended: outcome not yet acknowledged */
    uint64_t done;                    /* run so far */
};
void attempts_counts(const struct attempts *attempts, struct attempts_counts *ret);

#endif
