/* See frame.h. */
#include "workers/runtime/frame.h"

#include <errno.h>
#include <sys/socket.h>

enum { HEAD = 4, PIECE = 64 << 10 };

static int send_all(int fd, const uint8_t *data, size_t size, struct err *err)
{
    while (size > 0) {
        ssize_t n = send(fd, data, size, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_errno(err, errno, "write to the other end");
        data += n;
        size -= (size_t)n;
    }
    return 0;
}

int frame_send(int fd, struct span bytes, struct err *err)
{
    if (bytes.size > FRAME_BYTES_MAX)
        return err_set(err, ERR_LIMIT, "a frame of %zu bytes, at most %d are allowed",
                       bytes.size, FRAME_BYTES_MAX);
    uint8_t head[HEAD];
    for (int i = 0; i < HEAD; i++)
        head[i] = (uint8_t)(bytes.size >> (8 * i));
    int rc = send_all(fd, head, sizeof head, err);
    return rc != 0 ? rc : send_all(fd, bytes.data, bytes.size, err);
}

static int length(const struct buf *bytes, size_t *ret, struct err *err)
{
    size_t size = 0;
    for (int i = 0; i < HEAD; i++)
        size |= (size_t)bytes->data[i] << (8 * i);
    if (size > FRAME_BYTES_MAX)
        return err_set(err, ERR_LIMIT, "a frame of %zu bytes, at most %d are allowed", size,
                       FRAME_BYTES_MAX);
    *ret = size;
    return 0;
}

/* Bytes still missing of the frame in `pending`: never more, so frames do not mix. */
static int missing(const struct buf *pending, size_t *ret, struct err *err)
{
    size_t size = 0;
    if (pending->size < HEAD) {
        *ret = HEAD - pending->size;
        return 0;
    }
    int rc = length(pending, &size, err);
    if (rc == 0)
        *ret = HEAD + size - pending->size;
    return rc;
}

static int frame_read(int fd, struct buf *pending, int flags, struct span *ret_frame,
                      struct err *err)
{
    uint8_t piece[PIECE];
    for (;;) {
        size_t want = 0;
        int rc = missing(pending, &want, err);
        if (rc != 0)
            return rc;
        if (want == 0) {
            *ret_frame = (struct span){pending->data + HEAD, pending->size - HEAD};
            pending->size = 0; /* the bytes stay until the next call */
            return 1;
        }
        ssize_t n = recv(fd, piece, want < PIECE ? want : PIECE, flags);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return 0;
        if (n < 0 && errno != ECONNRESET)
            return err_errno(err, errno, "read from the other end");
        if (n <= 0)
            return pending->size == 0
                       ? err_set(err, ERR_NOT_FOUND, "the other end has closed")
                       : err_set(err, ERR_CORRUPT, "the other end closed inside a frame");
        buf_append(pending, piece, (size_t)n);
    }
}

int frame_poll(int fd, struct buf *pending, struct span *ret_frame, struct err *err)
{
    return frame_read(fd, pending, MSG_DONTWAIT, ret_frame, err);
}

int frame_receive(int fd, struct buf *ret, struct err *err)
{
    struct buf pending = {0};
    struct span frame;
    int rc = frame_read(fd, &pending, 0, &frame, err);
    if (rc == 1) {
        ret->size = 0;
        buf_append(ret, frame.data, frame.size);
        rc = 0;
    }
    buf_done(&pending);
    return rc;
}
