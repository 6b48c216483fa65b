/* Who talks to the broker: routing ids of the control socket, what HELLO said, and the numbers
 * under which the core knows workers. Peers that only ask (clients) are not kept. */
#ifndef WYCKMILL_BROKER_PEERS_H
#define WYCKMILL_BROKER_PEERS_H

#include "broker/core.h"
#include "common/span.h"
#include "keys/allowed.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    PEERS_MAX = 8192, /* then those heard from longest ago that are no workers make room */
    PEER_ID_SIZE_MAX = 255,
    PEER_NAME_SIZE = 128,
    PEER_COMPLAINTS_MAX = 16, /* malformed messages after which a peer is ignored */
};

struct peer {
    uint8_t id[PEER_ID_SIZE_MAX];
    uint8_t id_size;
    bool barred; /* was told that its key is not allowed any more */
    bool hello;  /* said HELLO; the fields down to `tags_text` are from there */
    char user[ALLOWED_NAME_SIZE]; /* name of its key; "" without keys */
    char name[PEER_NAME_SIZE], kinds_text[PEER_NAME_SIZE];
    bool drained; /* was told to leave */
    uint64_t boot;
    uint32_t kinds, profile_id, slots, credit;
    struct broker_needs has; /* in all */
    char tags_text[PEER_NAME_SIZE];
    uint32_t worker; /* its number in the core; 0: none */
    uint32_t complaints;
    uint64_t last_ms;                                /* heard */
    uint64_t probed_ms;                              /* last sign of life asked for */
    struct peer *next_by_id, *next_by_worker, *next; /* chains of the table */
};

struct peers;

struct peers *peers_new(void);
void peers_free(struct peers *peers);
/* NULL: not known. */
struct peer *peers_find(const struct peers *peers, struct span id);
struct peer *peers_by_worker(const struct peers *peers, uint32_t worker);
/* Found or added. NULL: PEERS_MAX workers are there already. */
struct peer *peers_add(struct peers *peers, struct span id, uint64_t now_ms);
/* The peer's number in the core is now `worker` (0: none). */
void peers_number(struct peers *peers, struct peer *peer, uint32_t worker);
/* All of them, in no particular order: NULL begins, NULL is the end. */
struct peer *peers_next(const struct peers *peers, const struct peer *after);

static inline struct span peer_id(const struct peer *peer)
{
    return (struct span){peer->id, peer->id_size};
}

#endif
