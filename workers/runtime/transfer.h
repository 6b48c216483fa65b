/* Objects to and from the broker on the bulk socket, in parts of at most 1 MiB, several on the
 * way at once but never a whole large object: the window bounds the memory of both ends.
 * Whatever is lost on the way is asked for or sent again; a new broker run begins anew.
 *
 * The engine knows no files: it reads and writes through functions of its owner. Thread: one.
 */
#ifndef WYCKMILL_WORKERS_RUNTIME_TRANSFER_H
#define WYCKMILL_WORKERS_RUNTIME_TRANSFER_H

#include "common/err.h"
#include "common/hash.h"
#include "keys/keys.h"

#include <stdbool.h>
#include <stddef.h>

struct transfer;

struct transfer_owner {
    void *context;
    /* Append exactly `size` bytes from `offset` of an object that is being put. */
    int (*read)(void *context, const struct hash *id, uint64_t offset, size_t size,
                struct buf *ret, struct err *err);
    /* The next part of an object that is being got; `total`: its whole size. */
    int (*write)(void *context, const struct hash *id, uint64_t total, uint64_t offset,
                 struct span part, struct err *err);
    /* Over; rc 0: the broker has it (put), or all parts were written and their hash is to be
     * checked (get). Else: ERR_NOT_FOUND (get: the broker has no such object), ERR_INVALID
     * (put: refused), ERR_CORRUPT, or what read or write said. */
    void (*done)(void *context, bool put, const struct hash *id, int rc, const struct err *err);
    const struct keys *keys; /* of the bulk socket; NULL: none. Borrowed */
};

/* Copies `owner`. Nothing happens before transfer_connect. */
struct transfer *transfer_new(void *zmq_context, const struct transfer_owner *owner);
void transfer_free(struct transfer *transfer);

/* `epoch` of the broker run behind `endpoint`. Another one than before: everything begins anew.
 * Errors: ERR_INVALID, ERR_IO. */
int transfer_connect(struct transfer *transfer, const char *endpoint, uint64_t epoch,
                     struct err *err);

/* No effect when the same is already on its way. */
void transfer_put(struct transfer *transfer, const struct hash *id, const char *type,
                  uint64_t total);
void transfer_get(struct transfer *transfer, const struct hash *id);
/* Puts and gets not yet done. */
size_t transfer_pending(const struct transfer *transfer);
bool transfer_has_get(const struct transfer *transfer, const struct hash *id);

/* To wait on for reading; NULL before transfer_connect. */
void *transfer_socket(struct transfer *transfer);
/* Take answers, repeat what got none, send more. */
void transfer_step(struct transfer *transfer, uint64_t now_ms);
uint64_t transfer_deadline_ms(const struct transfer *transfer); /* UINT64_MAX: none */

#endif
