/* The table of peers: see peers.h. */
#include "broker/peers.h"

#include "common/mem.h"

#include <assert.h>
#include <stdlib.h>

enum { BUCKETS = 4096 };

struct peers {
    struct peer *by_id[BUCKETS], *by_worker[BUCKETS];
    struct peer *all;
    uint32_t n;
};

struct peers *peers_new(void)
{
    return mem_new(1, sizeof(struct peers));
}

void peers_free(struct peers *peers)
{
    if (!peers)
        return;
    while (peers->all) {
        struct peer *peer = peers->all;
        peers->all = peer->next;
        free(peer);
    }
    free(peers);
}

/* FNV-1a (Fowler, Noll, Vo): routing ids are short and random. */
static uint32_t bucket_of(struct span id)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < id.size; i++)
        hash = (hash ^ id.data[i]) * 16777619u;
    return hash % BUCKETS;
}

struct peer *peers_find(const struct peers *peers, struct span id)
{
    struct peer *peer = peers->by_id[bucket_of(id)];
    while (peer && (peer->id_size != id.size || memcmp(peer->id, id.data, id.size) != 0))
        peer = peer->next_by_id;
    return peer;
}

struct peer *peers_by_worker(const struct peers *peers, uint32_t worker)
{
    struct peer *peer = peers->by_worker[worker % BUCKETS];
    while (peer && peer->worker != worker)
        peer = peer->next_by_worker;
    return peer;
}

void peers_number(struct peers *peers, struct peer *peer, uint32_t worker)
{
    if (peer->worker) {
        struct peer **link = &peers->by_worker[peer->worker % BUCKETS];
        while (*link != peer)
            link = &(*link)->next_by_worker;
        *link = peer->next_by_worker;
    }
    peer->worker = worker;
    if (worker) {
        peer->next_by_worker = peers->by_worker[worker % BUCKETS];
        peers->by_worker[worker % BUCKETS] = peer;
    }
}

static void drop(struct peers *peers, struct peer *peer)
{
    struct peer **link = &peers->by_id[bucket_of(peer_id(peer))];
    while (*link != peer)
        link = &(*link)->next_by_id;
    *link = peer->next_by_id;
    for (link = &peers->all; *link != peer;)
        link = &(*link)->next;
    *link = peer->next;
    peers->n--;
    free(peer);
}

/* The one heard from longest ago that is no worker. */
static bool make_room(struct peers *peers)
{
    struct peer *oldest = NULL;
    for (struct peer *peer = peers->all; peer; peer = peer->next)
        if (!peer->worker && (!oldest || peer->last_ms < oldest->last_ms))
            oldest = peer;
    if (oldest)
        drop(peers, oldest);
    return oldest != NULL;
}

struct peer *peers_add(struct peers *peers, struct span id, uint64_t now_ms)
{
    struct peer *peer = peers_find(peers, id);
    if (peer)
        return peer;
    if (peers->n == PEERS_MAX && !make_room(peers))
        return NULL;
    assert(id.size <= PEER_ID_SIZE_MAX);
    peer = mem_new(1, sizeof *peer);
    memcpy(peer->id, id.data, id.size);
    peer->id_size = (uint8_t)id.size;
    peer->last_ms = now_ms;
    peer->next_by_id = peers->by_id[bucket_of(id)];
    peers->by_id[bucket_of(id)] = peer;
    peer->next = peers->all;
    peers->all = peer;
    peers->n++;
    return peer;
}

struct peer *peers_next(const struct peers *peers, const struct peer *after)
{
    return after ? after->next : peers->all;
}
