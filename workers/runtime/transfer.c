/* See transfer.h. Both directions go back to the last confirmed part when an answer stays away
 * (go-back-N): parts are taken in order only, so nothing has to be remembered about gaps. */
#include "workers/runtime/transfer.h"

#include "common/cleanup.h"
#include "common/mem.h"
#include "proto/action.h"
#include "workers/runtime/net.h"

#include <stdlib.h>

enum {
    PART_BYTES = MESSAGE_CHUNK_BYTES_MAX,
    WINDOW = 8,        /* parts on the way, all objects together */
    WINDOW_OBJECT = 4, /* of one object */
    ACTIVE = 16,       /* objects served at once; the others wait */
    TIMEOUT_MS = 5000, /* without an answer */
    CONNECT_MS = 50,   /* between attempts while there is no connection */
    OBJECT_BYTES_MAX = 1 << 30,
};

struct item {
    bool put, total_known, begun;
    struct hash id;
    char type[OBJECT_TYPE_SIZE];
    uint64_t total;
    uint64_t confirmed; /* bytes that need not travel again */
    uint64_t sent;      /* sent, or asked for */
    uint32_t outstanding;
    uint64_t last_ms; /* of sending or hearing */
    uint64_t wait_ms; /* not before that: the broker has no room */
};

struct transfer {
    struct transfer_owner owner;
    void *zmq_context, *socket;
    char endpoint[256];
    uint64_t epoch;
    struct item *items; /* in order of arrival */
    size_t n, capacity;
    uint32_t outstanding;
    uint64_t now_ms, blocked_ms; /* no connection: try again then */
};

struct transfer *transfer_new(void *zmq_context, const struct transfer_owner *owner)
{
    struct transfer *transfer = mem_new(1, sizeof *transfer);
    transfer->owner = *owner;
    transfer->zmq_context = zmq_context;
    return transfer;
}

void transfer_free(struct transfer *transfer)
{
    if (!transfer)
        return;
    net_close(transfer->socket, 0);
    free(transfer->items);
    free(transfer);
}

static void item_rewind(struct transfer *transfer, struct item *item)
{
    transfer->outstanding -= item->outstanding;
    item->outstanding = 0;
    item->sent = item->confirmed;
    item->begun = false;
}

int transfer_connect(struct transfer *transfer, const char *endpoint, uint64_t epoch,
                     struct err *err)
{
    bool moved = !transfer->socket || strcmp(transfer->endpoint, endpoint) != 0;
    if (moved) {
        void *socket;
        int rc =
            net_connect(transfer->zmq_context, endpoint, transfer->owner.keys, &socket, err);
        if (rc != 0)
            return rc;
        net_close(transfer->socket, 0);
        transfer->socket = socket;
        (void)snprintf(transfer->endpoint, sizeof transfer->endpoint, "%s", endpoint);
    }
    if (!moved && epoch == transfer->epoch)
        return 0;
    transfer->epoch = epoch;
    for (size_t i = 0; i < transfer->n; i++) {
        struct item *item = &transfer->items[i];
        if (item->put)
            item->confirmed = 0; /* the old run may have lost what it had not yet committed */
        item_rewind(transfer, item);
    }
    return 0;
}

static struct item *find(const struct transfer *transfer, bool put, const struct hash *id)
{
    for (size_t i = 0; i < transfer->n; i++) {
        struct item *item = &transfer->items[i];
        if (item->put == put && hash_equal(&item->id, id))
            return item;
    }
    return NULL;
}

static struct item *add(struct transfer *transfer, bool put, const struct hash *id)
{
    if (find(transfer, put, id))
        return NULL;
    mem_reserve(transfer->items, transfer->capacity, transfer->n + 1);
    struct item *item = &transfer->items[transfer->n++];
    *item = (struct item){.put = put, .id = *id};
    return item;
}

void transfer_put(struct transfer *transfer, const struct hash *id, const char *type,
                  uint64_t total)
{
    struct item *item = add(transfer, true, id);
    if (!item)
        return;
    item->total = total;
    item->total_known = true;
    (void)snprintf(item->type, sizeof item->type, "%s", type);
}

void transfer_get(struct transfer *transfer, const struct hash *id)
{
    (void)add(transfer, false, id);
}

size_t transfer_pending(const struct transfer *transfer)
{
    return transfer->n;
}

bool transfer_has_get(const struct transfer *transfer, const struct hash *id)
{
    return find(transfer, false, id);
}

void *transfer_socket(struct transfer *transfer)
{
    return transfer->socket;
}

/* Removes the item, then tells the owner, who may add others. */
static void finish(struct transfer *transfer, struct item *item, int rc, const struct err *err)
{
    bool put = item->put;
    struct hash id = item->id;
    size_t at = (size_t)(item - transfer->items);
    transfer->outstanding -= item->outstanding;
    memmove(item, item + 1, (transfer->n - at - 1) * sizeof *item);
    transfer->n--;
    transfer->owner.done(transfer->owner.context, put, &id, rc, err);
}

/* ---- sending ---- */

static bool wants_to_send(const struct transfer *transfer, const struct item *item)
{
    if (item->outstanding >= WINDOW_OBJECT || transfer->now_ms < item->wait_ms)
        return false;
    if (!item->begun)
        return true; /* the first part, or the question how large the object is */
    return item->total_known && item->sent < item->total;
}

static size_t part_size(const struct item *item)
{
    if (!item->total_known)
        return PART_BYTES;
    uint64_t left = item->total - item->sent;
    return left < PART_BYTES ? (size_t)left : PART_BYTES;
}

static int send_put(struct transfer *transfer, struct item *item, struct err *err)
{
    size_t size = part_size(item);
    struct buf part = {0};
    int rc =
        transfer->owner.read(transfer->owner.context, &item->id, item->sent, size, &part, err);
    if (rc == 0 && part.size != size)
        rc = err_set(err, ERR_CORRUPT, "%zu bytes at %llu, want %zu", part.size,
                     (unsigned long long)item->sent, size);
    if (rc == 0) {
        struct message message = {.type = MESSAGE_TYPE_blob_put,
                                  .blob_put = {.id = item->id,
                                               .total = item->total,
                                               .offset = item->sent,
                                               .data = buf_span(&part)}};
        message_text_set(&message.blob_put.type, item->type);
        rc = net_send(transfer->socket, &message, err);
    }
    buf_done(&part);
    return rc;
}

static int send_get(struct transfer *transfer, struct item *item, struct err *err)
{
    size_t size = part_size(item);
    struct message message = {.type = MESSAGE_TYPE_blob_get,
                              .blob_get = {.id = item->id,
                                           .offset = item->sent,
                                           .size = (uint32_t)(size ? size : 1)}};
    return net_send(transfer->socket, &message, err);
}

/* 0; ERR_BUSY: no connection; else the item is broken. */
static int send_part(struct transfer *transfer, struct item *item, struct err *err)
{
    int rc = item->put ? send_put(transfer, item, err) : send_get(transfer, item, err);
    if (rc != 0)
        return rc;
    item->sent += part_size(item);
    item->begun = true;
    item->outstanding++;
    item->last_ms = transfer->now_ms;
    transfer->outstanding++;
    return 0;
}

/* One part of each object in turn, so that a large one does not hold up the small ones. */
static void fill(struct transfer *transfer)
{
    for (bool progress = true; progress;) {
        progress = false;
        for (size_t i = 0; i < transfer->n && i < ACTIVE && transfer->outstanding < WINDOW;
             i++) {
            struct item *item = &transfer->items[i];
            if (!wants_to_send(transfer, item))
                continue;
            struct err err;
            int rc = send_part(transfer, item, &err);
            if (rc == ERR_BUSY) {
                transfer->blocked_ms = transfer->now_ms + CONNECT_MS;
                return;
            }
            if (rc != 0) {
                finish(transfer, item, rc, &err);
                i--;
            }
            progress = true;
        }
    }
}

/* ---- hearing ---- */

static void heard(struct transfer *transfer, struct item *item)
{
    item->last_ms = transfer->now_ms;
    if (item->outstanding > 0) {
        item->outstanding--;
        transfer->outstanding--;
    }
}

static void on_state(struct transfer *transfer, const struct message_blob_state *state)
{
    struct err err;
    struct item *item = find(transfer, true, &state->id);
    if (!item)
        return;
    heard(transfer, item);
    if (state->problem.text[0]) {
        finish(transfer, item, err_set(&err, ERR_INVALID, "%s", state->problem.text), &err);
        return;
    }
    if (state->next >= item->total) {
        finish(transfer, item, 0, NULL);
        return;
    }
    if (state->wait_ms)
        item->wait_ms = transfer->now_ms + state->wait_ms;
    item->confirmed = state->next;
    if (item->sent < item->confirmed)
        item->sent = item->confirmed;
    if (item->outstanding == 0)
        item_rewind(transfer, item); /* all answered, and something is missing */
    item->begun = true;
}

/* What is wrong with a part of an object, if anything. */
static int data_check(const struct item *item, const struct message_blob_data *data,
                      struct err *err)
{
    struct hash empty = hash_bytes((struct span){0});
    if (data->total == 0 && !hash_equal(&item->id, &empty))
        return err_set(err, ERR_NOT_FOUND, "the broker does not have it");
    if (data->total > OBJECT_BYTES_MAX || (item->total_known && data->total != item->total))
        return err_set(err, ERR_CORRUPT, "the broker says that it has %llu bytes",
                       (unsigned long long)data->total);
    if (data->data.size > PART_BYTES || data->offset > data->total ||
        data->data.size > data->total - data->offset ||
        (data->data.size == 0 && data->total > 0))
        return err_set(err, ERR_CORRUPT, "the broker sent %zu bytes at %llu of %llu",
                       data->data.size, (unsigned long long)data->offset,
                       (unsigned long long)data->total);
    return 0;
}

static void on_data(struct transfer *transfer, const struct message_blob_data *data)
{
    struct err err;
    struct item *item = find(transfer, false, &data->id);
    if (!item)
        return;
    heard(transfer, item);
    int rc = data_check(item, data, &err);
    if (rc == 0 && data->offset == item->confirmed) {
        rc = transfer->owner.write(transfer->owner.context, &item->id, data->total,
                                   data->offset, data->data, &err);
        item->total = data->total;
        item->total_known = true;
        item->confirmed += data->data.size;
        if (item->sent < item->confirmed || item->sent > item->total)
            item->sent = item->confirmed; /* the first question did not know the size */
    }
    if (rc != 0 || (item->total_known && item->confirmed == item->total))
        finish(transfer, item, rc, &err);
    else if (item->outstanding == 0)
        item_rewind(transfer, item);
}

static void receive(struct transfer *transfer)
{
    zmq_msg_t frame;
    struct message message;
    while (net_receive(transfer->socket, &frame)) {
        if (message_decode(net_span(&frame), &message, NULL) == 0) {
            if (message.type == MESSAGE_TYPE_blob_state)
                on_state(transfer, &message.blob_state);
            else if (message.type == MESSAGE_TYPE_blob_data)
                on_data(transfer, &message.blob_data);
        }
        (void)zmq_msg_close(&frame);
    }
}

static void expire(struct transfer *transfer)
{
    for (size_t i = 0; i < transfer->n && i < ACTIVE; i++) {
        struct item *item = &transfer->items[i];
        if (item->outstanding > 0 && transfer->now_ms >= item->last_ms + TIMEOUT_MS)
            item_rewind(transfer, item);
    }
}

void transfer_step(struct transfer *transfer, uint64_t now_ms)
{
    if (!transfer->socket)
        return;
    transfer->now_ms = now_ms;
    transfer->blocked_ms = 0;
    receive(transfer);
    expire(transfer);
    fill(transfer);
}

uint64_t transfer_deadline_ms(const struct transfer *transfer)
{
    uint64_t deadline_ms = UINT64_MAX;
    if (transfer->blocked_ms)
        deadline_ms = transfer->blocked_ms;
    for (size_t i = 0; i < transfer->n && i < ACTIVE; i++) {
        const struct item *item = &transfer->items[i];
        if (item->outstanding > 0 && item->last_ms + TIMEOUT_MS < deadline_ms)
            deadline_ms = item->last_ms + TIMEOUT_MS;
        if (item->wait_ms > transfer->now_ms && item->wait_ms < deadline_ms)
            deadline_ms = item->wait_ms;
    }
    return deadline_ms;
}
