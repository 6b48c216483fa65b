/* Objects over the bulk socket, in parts of at most 1 MiB: see shell.h and docs/protocol.md.
 *
 * Uploads: parts in order from 0, one upload per (peer, object). What arrived is kept in memory
 * until the object is whole and its hash right; only then the store sees it. Every part is
 * answered with the offset wanted next, so a lost or repeated part does no harm.
 *
 * The last answer does not wait for a commit: the result or campaign that names the object is
 * in the same commit or a later one, and that one is acknowledged. Whoever meets a new epoch
 * before its ACK puts its objects again (what is there already is answered at once). */
#include "broker/shell.h"

#include "common/mem.h"

#include <stdlib.h>
#include <string.h>

enum {
    UPLOADS_MAX = 256,
    UPLOADS_BYTES_MAX = 3 << 29, /* of all parts that wait for the rest: 1.5 GiB */
    UPLOAD_IDLE_MS = 60000,      /* then it makes room for others */
};

struct upload {
    struct hash id;
    struct buf bytes;
    uint64_t total, last_ms;
    uint8_t peer[PEER_ID_SIZE_MAX];
    uint8_t peer_size;
};

struct uploads {
    struct upload items[UPLOADS_MAX];
    uint32_t n;
    size_t bytes;
};

struct uploads *uploads_new(void)
{
    return mem_new(1, sizeof(struct uploads));
}

static void upload_drop(struct uploads *uploads, struct upload *upload)
{
    uploads->bytes -= upload->bytes.size;
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

static struct upload *upload_find(struct uploads *uploads, struct span peer,
                                  const struct hash *id)
{
    for (uint32_t i = 0; i < uploads->n; i++) {
        struct upload *upload = &uploads->items[i];
        if (hash_equal(&upload->id, id) && upload->peer_size == peer.size &&
            !memcmp(upload->peer, peer.data, peer.size))
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

static struct upload *upload_add(struct uploads *uploads, struct span peer,
                                 const struct message_blob_put *put)
{
    struct upload *upload = &uploads->items[uploads->n++];
    *upload = (struct upload){.id = put->id, .total = put->total};
    memcpy(upload->peer, peer.data, peer.size);
    upload->peer_size = (uint8_t)peer.size;
    return upload;
}

static void answer(struct shell *shell, struct span peer, const struct hash *id, uint64_t next,
                   const char *problem)
{
    struct message message = {.type = MESSAGE_TYPE_blob_state,
                              .blob_state = {.id = *id, .next = next}};
    message_text_set(&message.blob_state.problem, problem);
    outbox_put(shell->bulk_out, peer, &message);
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

/* The object is whole: into the store, if it is what it says. */
static void finish_upload(struct shell *shell, struct span peer, struct upload *upload,
                          const char *type)
{
    struct hash id = upload->id;
    uint64_t total = upload->total;
    struct hash found = hash_bytes(buf_span(&upload->bytes));
    struct err err;
    if (!hash_equal(&found, &id)) {
        answer(shell, peer, &id, 0, "the bytes do not match their hash");
    } else if (store_put(shell->store, type, buf_span(&upload->bytes), &found, &err)) {
        shell_store_failed(shell, &err);
    } else {
        shell_commit_soon(shell);
        answer(shell, peer, &id, total, "");
    }
    upload_drop(shell->uploads, upload);
}

void blobs_put(struct shell *shell, struct span peer, const struct message_blob_put *put)
{
    struct uploads *uploads = shell->uploads;
    const char *problem = check_put(put);
    if (problem[0]) {
        answer(shell, peer, &put->id, 0, problem);
        return;
    }
    struct err err;
    int rc = store_touch(shell->store, &put->id, &err);
    if (rc && rc != ERR_NOT_FOUND) {
        shell_store_failed(shell, &err);
        return;
    }
    if (rc == 0) { /* the same bytes, by their name */
        shell_commit_soon(shell);
        answer(shell, peer, &put->id, put->total, "");
        return;
    }
    struct upload *upload = upload_find(uploads, peer, &put->id);
    if (upload && upload->total != put->total) {
        upload_drop(uploads, upload);
        upload = NULL;
    }
    if (!upload && put->offset > 0) { /* of an upload that is not here any more */
        answer(shell, peer, &put->id, 0, "");
        return;
    }
    if (uploads->n == UPLOADS_MAX || uploads->bytes + put->data.size > UPLOADS_BYTES_MAX) {
        drop_idle(uploads, shell->now_ms);
        upload = upload_find(uploads, peer, &put->id);
    }
    if ((!upload && uploads->n == UPLOADS_MAX) ||
        uploads->bytes + put->data.size > UPLOADS_BYTES_MAX) {
        answer(shell, peer, &put->id, upload ? upload->bytes.size : 0,
               "too many uploads at once, try again later");
        return;
    }
    if (!upload)
        upload = upload_add(uploads, peer, put);
    upload->last_ms = shell->now_ms;
    if (put->offset == upload->bytes.size) {
        buf_append(&upload->bytes, put->data.data, put->data.size);
        uploads->bytes += put->data.size;
    }
    if (upload->bytes.size == upload->total)
        finish_upload(shell, peer, upload, put->type.text);
    else
        answer(shell, peer, &put->id, upload->bytes.size, "");
}

void blobs_get(struct shell *shell, struct span peer, const struct message_blob_get *get)
{
    struct message message = {.type = MESSAGE_TYPE_blob_data,
                              .blob_data = {.id = get->id, .offset = get->offset}};
    struct store_info info;
    struct buf bytes = {0};
    struct err err;
    if (store_stat(shell->store, &get->id, &info, &err) == 0 &&
        store_read(shell->store, &get->id, get->offset, get->size, &bytes, &err) == 0) {
        message.blob_data.total = info.size;
        message.blob_data.data = buf_span(&bytes);
        shell->sent_bytes += bytes.size;
    }
    outbox_put(shell->bulk_out, peer, &message);
    buf_done(&bytes);
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
