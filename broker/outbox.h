/* Frames waiting to be sent on one channel, first in first out per peer. They wait for
 * the commit (nothing is acknowledged before it is durable), and for a peer that does not read.
 * Sending never blocks. */
#ifndef WYCKMILL_BROKER_OUTBOX_H
#define WYCKMILL_BROKER_OUTBOX_H

#include "proto/messages.h"

#include <stdbool.h>

struct outbox;

enum {
    OUTBOX_BYTES_MAX = 256 << 20, /* of all frames that wait */
    OUTBOX_FRAMES_MAX = 1 << 16,
};

/* Without waiting: gone; to be tried again, the peer takes no more now; or there is no such
 * peer. */
enum sent { SENT, SEND_LATER, SEND_NEVER };
typedef enum sent outbox_send(void *context, struct span peer, struct span frame);

/* What would wait beyond the limits (`peer_bytes_max`: for one peer that does not read) is
 * dropped: the protocol repeats whatever matters. `lost` is called for a peer that cannot be
 * reached any more. */
struct outbox *outbox_new(outbox_send *send, size_t peer_bytes_max,
                          void (*lost)(void *context, struct span peer), void *context);
void outbox_free(struct outbox *outbox);

/* Queue one message to the peer with this routing id. */
void outbox_put(struct outbox *outbox, struct span peer, const struct message *message);
/* Send what can be sent. */
void outbox_flush(struct outbox *outbox);
bool outbox_empty(const struct outbox *outbox);
/* Frames dropped so far: their peer was gone, or too many waited. */
uint64_t outbox_dropped(const struct outbox *outbox);

#endif
