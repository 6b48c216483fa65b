/* Frames between a worker and its slots: 4 bytes of length, little-endian, and that many bytes
 * over a stream socket. */
#ifndef WYCKMILL_WORKERS_RUNTIME_FRAME_H
#define WYCKMILL_WORKERS_RUNTIME_FRAME_H

#include "common/err.h"
#include "common/span.h"

#include <stdbool.h>

enum { FRAME_BYTES_MAX = 8 << 20 /* an action with all its inputs, and room */ };

/* Blocks until all is written. Errors: ERR_IO, ERR_LIMIT. */
int frame_send(int fd, struct span bytes, struct err *err);

/* Blocks for a whole frame; *ret is overwritten. Errors: ERR_NOT_FOUND (the other end closed
 * between frames), ERR_IO, ERR_CORRUPT, ERR_LIMIT. */
int frame_receive(int fd, struct buf *ret, struct err *err);

/* Take what can be read now without blocking. 1: *ret_frame borrows a whole frame from
 * `pending` until the next call; 0: not yet; errors as frame_receive. `pending` is {0} at
 * first; one frame at a time travels, so nothing follows behind it. */
int frame_poll(int fd, struct buf *pending, struct span *ret_frame, struct err *err);

#endif
