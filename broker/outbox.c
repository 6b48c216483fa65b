/* Frames waiting to be sent: see outbox.h. */
#include "broker/outbox.h"

#include "broker/peers.h"
#include "common/mem.h"

#include <stdlib.h>

struct waiting {
    struct waiting *next;
    struct buf frame;
    uint8_t peer[PEER_ID_SIZE_MAX];
    uint8_t peer_size;
};

struct queue {
    struct waiting *first, **end;
};

/* A peer that cannot take frames during this flush, and how much waits for it. */
struct blocked {
    struct span peer;
    size_t bytes;
};

struct outbox {
    outbox_send *send;
    struct queue queue;
    size_t bytes, n, peer_bytes_max;
    uint64_t dropped;
    struct blocked *blocked;
    size_t n_blocked, blocked_capacity;
    void (*lost)(void *context, struct span peer);
    void *context;
};

static void queue_init(struct queue *queue)
{
    queue->first = NULL;
    queue->end = &queue->first;
}

static void queue_append(struct queue *queue, struct waiting *waiting)
{
    waiting->next = NULL;
    *queue->end = waiting;
    queue->end = &waiting->next;
}

struct outbox *outbox_new(outbox_send *send, size_t peer_bytes_max,
                          void (*lost)(void *context, struct span peer), void *context)
{
    struct outbox *outbox = mem_new(1, sizeof *outbox);
    *outbox = (struct outbox){
        .send = send, .peer_bytes_max = peer_bytes_max, .lost = lost, .context = context};
    queue_init(&outbox->queue);
    return outbox;
}

static void waiting_free(struct outbox *outbox, struct waiting *waiting)
{
    outbox->bytes -= waiting->frame.size;
    outbox->n--;
    buf_done(&waiting->frame);
    free(waiting);
}

void outbox_free(struct outbox *outbox)
{
    if (!outbox)
        return;
    while (outbox->queue.first) {
        struct waiting *waiting = outbox->queue.first;
        outbox->queue.first = waiting->next;
        waiting_free(outbox, waiting);
    }
    free(outbox->blocked);
    free(outbox);
}

void outbox_put(struct outbox *outbox, struct span peer, const struct message *message)
{
    struct waiting *waiting = mem_new(1, sizeof *waiting);
    message_encode(message, &waiting->frame);
    outbox->bytes += waiting->frame.size;
    outbox->n++;
    if (outbox->bytes > OUTBOX_BYTES_MAX || outbox->n > OUTBOX_FRAMES_MAX) {
        outbox->dropped++;
        waiting_free(outbox, waiting);
        return;
    }
    memcpy(waiting->peer, peer.data, peer.size);
    waiting->peer_size = (uint8_t)peer.size;
    queue_append(&outbox->queue, waiting);
}

static struct blocked *blocked_find(struct outbox *outbox, const struct waiting *waiting)
{
    for (size_t i = 0; i < outbox->n_blocked; i++)
        if (outbox->blocked[i].peer.size == waiting->peer_size &&
            memcmp(outbox->blocked[i].peer.data, waiting->peer, waiting->peer_size) == 0)
            return &outbox->blocked[i];
    return NULL;
}

/* `waiting` and whatever follows to the same peer stays for the next flush. */
static struct blocked *blocked_add(struct outbox *outbox, const struct waiting *waiting)
{
    mem_reserve(outbox->blocked, outbox->blocked_capacity, outbox->n_blocked + 1);
    outbox->blocked[outbox->n_blocked] =
        (struct blocked){.peer = {waiting->peer, waiting->peer_size}};
    return &outbox->blocked[outbox->n_blocked++];
}

void outbox_flush(struct outbox *outbox)
{
    /* `lost` may put frames; they go to the new queue, behind those kept. */
    struct waiting *next = outbox->queue.first;
    struct queue kept;
    queue_init(&kept);
    queue_init(&outbox->queue);
    outbox->n_blocked = 0;
    for (struct waiting *waiting; (waiting = next);) {
        next = waiting->next;
        struct blocked *blocked = blocked_find(outbox, waiting);
        enum sent sent = blocked
                             ? SEND_LATER
                             : outbox->send(outbox->context,
                                            (struct span){waiting->peer, waiting->peer_size},
                                            buf_span(&waiting->frame));
        if (sent == SEND_LATER && !blocked)
            blocked =
                blocked_add(outbox, waiting); /* its first frame stays: peer is borrowed */
        if (sent == SEND_LATER &&
            (blocked->bytes == 0 ||
             blocked->bytes + waiting->frame.size <= outbox->peer_bytes_max)) {
            blocked->bytes += waiting->frame.size;
            queue_append(&kept, waiting);
            continue;
        }
        outbox->dropped += sent != SENT;
        if (sent == SEND_NEVER)
            outbox->lost(outbox->context, (struct span){waiting->peer, waiting->peer_size});
        waiting_free(outbox, waiting);
    }
    if (outbox->queue.first) {
        *kept.end = outbox->queue.first;
        kept.end = outbox->queue.end;
    }
    outbox->queue = kept;
    if (!kept.first)
        queue_init(&outbox->queue);
}

bool outbox_empty(const struct outbox *outbox)
{
    return !outbox->queue.first;
}

uint64_t outbox_dropped(const struct outbox *outbox)
{
    return outbox->dropped;
}
