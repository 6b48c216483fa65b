/* Objects over the bulk socket, in parts of at most 1 MiB: see shell.h and docs/protocol.md.
 *
 * Uploads: parts in order from 0, one upload per (peer, object). What arrived is hashed as it
 * comes and kept in memory until the object is whole and its hash right; only then the store
 * sees it. Every part is answered with the offset wanted next, so a lost or repeated part does
 * no harm. An object in one part needs no upload.
 *
 * Room is given by what an object will be, so an upload that has begun can end; one for which
 * there is none is told when to come again, and nothing of it is kept.
 *
 * The last answer does not wait for a commit: the result or campaign that names the object is
 * in the same commit or a later one, and that one is acknowledged. Whoever meets a new epoch
 * before its ACK puts its objects again (what is there already is answered at once). */
#include "broker/shell.h"

#include "common/mem.h"
#include "common/mutant.h"

#include <stdlib.h>
#include <string.h>

enum {
    UPLOADS_MAX = 256,
    UPLOADS_PEER_MAX = 32,
    UPLOADS_BYTES_MAX = 256 << 20, /* of all together, when they are whole */
    UPLOADS_PEER_BYTES_MAX = 64 << 20,
    /* Larger objects come one at a time, beside the others, whoever sends them. */
    UPLOAD_LARGE_BYTES = UPLOADS_PEER_BYTES_MAX,
    UPLOAD_IDLE_MS = 60000, /* then it makes room for others */
    UPLOAD_WAIT_MS = 500,
};

struct upload {
    struct hash id;
    struct hasher *hasher; /* of `bytes` */
    struct buf bytes;
    uint64_t total, last_ms;
    uint8_t peer[PEER_ID_SIZE_MAX];
    uint8_t peer_size;
};

struct uploads {
    struct upload items[UPLOADS_MAX];
    uint32_t n;
};

struct uploads *uploads_new(void)
{
    return mem_new(1, sizeof(struct uploads));
}

static void upload_drop(struct uploads *uploads, struct upload *upload)
{
    hasher_free(upload->hasher);
    buf_done(&upload->bytes);
    *upload = uploads->items[--uploads->n];
    uploads->items[uploads->n] = (struct upload){0};
}

void uploads_free(struct uploads *uploads)
{
    if (!uploads)
        return;
    while (uploads->n)
        upload_drop(uploads, &uploads->items[0]);
    free(uploads);
}

static bool is_of(const struct upload *upload, struct span peer)
{
    return upload->peer_size == peer.size && !memcmp(upload->peer, peer.data, peer.size);
}

static struct upload *upload_find(struct uploads *uploads, struct span peer,
                                  const struct hash *id)
{
    for (uint32_t i = 0; i < uploads->n; i++) {
        struct upload *upload = &uploads->items[i];
        if (hash_equal(&upload->id, id) && is_of(upload, peer))
            return upload;
    }
    return NULL;
}

static void drop_idle(struct uploads *uploads, uint64_t now_ms)
{
    for (uint32_t i = uploads->n; i-- > 0;)
        if (now_ms - uploads->items[i].last_ms > UPLOAD_IDLE_MS)
            upload_drop(uploads, &uploads->items[i]);
}

/* Is there room for one more? */
static bool has_room(const struct uploads *uploads, struct span peer, uint64_t total)
{
    uint64_t bytes = total, peer_bytes = total;
    uint32_t n_peer = 0;
    for (uint32_t i = 0; i < uploads->n; i++) {
        const struct upload *upload = &uploads->items[i];
        bool large = upload->total > UPLOAD_LARGE_BYTES;
        if (large && total > UPLOAD_LARGE_BYTES)
            return false;
        n_peer += is_of(upload, peer);
        bytes += large ? 0 : upload->total;
        peer_bytes += large || !is_of(upload, peer) ? 0 : upload->total;
    }
    return uploads->n < UPLOADS_MAX && n_peer < UPLOADS_PEER_MAX &&
           (total > UPLOAD_LARGE_BYTES ||
            (bytes <= UPLOADS_BYTES_MAX && peer_bytes <= UPLOADS_PEER_BYTES_MAX));
}

static struct upload *upload_add(struct uploads *uploads, struct span peer,
                                 const struct message_blob_put *put)
{
    struct upload *upload = &uploads->items[uploads->n++];
    *upload = (struct upload){.id = put->id, .total = put->total, .hasher = hasher_new()};
    memcpy(upload->peer, peer.data, peer.size);
    upload->peer_size = (uint8_t)peer.size;
    return upload;
}

static void answer(struct shell *shell, struct span peer, const struct message_blob_state *say)
{
    struct message message = {.type = MESSAGE_TYPE_blob_state, .blob_state = *say};
    outbox_put(shell->bulk_out, peer, &message);
}

static void answer_next(struct shell *shell, struct span peer, const struct hash *id,
                        uint64_t next)
{
    answer(shell, peer, &(struct message_blob_state){.id = *id, .next = next});
}

static void refuse(struct shell *shell, struct span peer, const struct hash *id,
                   const char *problem)
{
    struct message_blob_state say = {.id = *id};
    message_text_set(&say.problem, problem);
    answer(shell, peer, &say);
}

static const char *check_put(const struct message_blob_put *put)
{
    if (put->total > STORE_OBJECT_BYTES_MAX)
        return "the object is larger than the store takes";
    if (put->offset > put->total || put->data.size > put->total - put->offset)
        return "the part lies beyond the end of the object";
    if (put->data.size == 0 && put->total > 0)
        return "the part is empty";
    if (!put->type.text[0] || strlen(put->type.text) >= OBJECT_TYPE_SIZE)
        return "the object type is empty or too long";
    return "";
}

/* The object is whole: into the store, if it is what it says. `found`: the hash of `bytes`. */
static void take_whole(struct shell *shell, struct span peer,
                       const struct message_blob_put *put, struct span bytes,
                       const struct hash *found)
{
    struct err err;
    if (!hash_equal(found, &put->id) && !MUTANT(UPLOAD_UNHASHED)) {
        refuse(shell, peer, &put->id, "the bytes do not match their hash");
    } else if (store_put_hashed(shell->store, put->type.text, &put->id, bytes, &err)) {
        shell_store_failed(shell, &err);
    } else {
        shell_commit_soon(shell);
        answer_next(shell, peer, &put->id, put->total);
    }
}

static void take_part(struct shell *shell, struct span peer, struct upload *upload,
                      const struct message_blob_put *put)
{
    upload->last_ms = shell->now_ms;
    if (put->offset == upload->bytes.size) {
        buf_append(&upload->bytes, put->data.data, put->data.size);
        hasher_add(upload->hasher, put->data);
    }
    if (upload->bytes.size < upload->total) {
        answer_next(shell, peer, &put->id, upload->bytes.size);
        return;
    }
    struct hash found = hasher_end(upload->hasher);
    take_whole(shell, peer, put, buf_span(&upload->bytes), &found);
    upload_drop(shell->uploads, upload);
}

/* The object is not in the store. */
static void take(struct shell *shell, struct span peer, const struct message_blob_put *put)
{
    struct uploads *uploads = shell->uploads;
    if (put->data.size == put->total) {
        struct hash found = hash_bytes(put->data);
        take_whole(shell, peer, put, put->data, &found);
        return;
    }
    struct upload *upload = upload_find(uploads, peer, &put->id);
    if (upload && upload->total != put->total) {
        upload_drop(uploads, upload);
        upload = NULL;
    }
    if (upload) {
        take_part(shell, peer, upload, put);
        return;
    }
    if (put->offset > 0) { /* of an upload that is not here any more */
        answer_next(shell, peer, &put->id, 0);
        return;
    }
    if (!has_room(uploads, peer, put->total))
        drop_idle(uploads, shell->now_ms);
    if (has_room(uploads, peer, put->total))
        take_part(shell, peer, upload_add(uploads, peer, put), put);
    else
        answer(shell, peer,
               &(struct message_blob_state){.id = put->id, .wait_ms = UPLOAD_WAIT_MS});
}

void blobs_put(struct shell *shell, struct span peer, const struct message_blob_put *put)
{
    const char *problem = check_put(put);
    struct err err;
    if (problem[0]) {
        refuse(shell, peer, &put->id, problem);
        return;
    }
    int rc = store_touch(shell->store, &put->id, &err);
    if (rc == ERR_NOT_FOUND) {
        take(shell, peer, put);
    } else if (rc) {
        shell_store_failed(shell, &err);
    } else { /* the same bytes, by their name */
        shell_commit_soon(shell);
        answer_next(shell, peer, &put->id, put->total);
    }
}

/* ---- the other way ---- */

struct reply {
    struct shell *shell;
    struct span peer;
    struct message message;
    size_t size;      /* bytes that it shall have */
    struct buf bytes; /* so far, when it takes several rows */
    bool sent;
};

static void reply_send(struct reply *reply, struct span data)
{
    reply->message.blob_data.data = data;
    outbox_put(reply->shell->bulk_out, reply->peer, &reply->message);
    reply->shell->sent_bytes += data.size;
    reply->sent = true;
}

/* What lies in one row is encoded from there. */
static int reply_take(void *context, struct span part)
{
    struct reply *reply = context;
    if (part.size == reply->size) {
        reply_send(reply, part);
        return 0;
    }
    buf_append(&reply->bytes, part.data, part.size);
    if (reply->bytes.size == reply->size)
        reply_send(reply, buf_span(&reply->bytes));
    return 0;
}

/* Nothing to send: there is no such object, it is damaged, or the question is about its end. */
void blobs_get(struct shell *shell, struct span peer, const struct message_blob_get *get)
{
    struct reply reply = {.shell = shell,
                          .peer = peer,
                          .message = {.type = MESSAGE_TYPE_blob_data,
                                      .blob_data = {.id = get->id, .offset = get->offset}}};
    struct store_info info;
    struct err err;
    int rc = store_stat(shell->store, &get->id, &info, &err);
    if (rc == 0) {
        uint64_t left = get->offset < info.size ? info.size - get->offset : 0;
        reply.size = left < get->size ? (size_t)left : get->size;
        reply.message.blob_data.total = info.size;
        rc = store_lend(shell->store, &get->id, get->offset, reply.size, true, reply_take,
                        &reply, &err);
    }
    if (rc != 0)
        reply.message.blob_data.total = 0;
    if (!reply.sent)
        reply_send(&reply, (struct span){0});
    buf_done(&reply.bytes);
}

void blobs_weigh(const struct shell *shell, const struct hash *id, uint64_t size,
                 struct broker_event *event)
{
    struct broker_blob blob = {.size = size, .key = (uint32_t)hash_u64(id) | 1};
    if (size < shell->limits.near_bytes)
        return;
    for (int i = 0; i < BROKER_BLOBS_MAX; i++)
        if (blob.size > event->blobs[i].size) {
            struct broker_blob smaller = event->blobs[i];
            event->blobs[i] = blob;
            blob = smaller;
        }
}
