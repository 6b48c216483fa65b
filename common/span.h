/* Borrowed bytes (span) and owned, growing bytes (buf). */
#ifndef WYCKMILL_COMMON_SPAN_H
#define WYCKMILL_COMMON_SPAN_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Borrowed bytes: valid until the owner named in the function's comment lets go. */
struct span {
    const uint8_t *data;
    size_t size; /* bytes */
};

static inline struct span span_text(const char *text)
{
    return (struct span){(const uint8_t *)text, strlen(text)};
}

/* Owned bytes. `{0}` is an empty buf. buf_done frees; a buf may be used again afterwards. */
struct buf {
    uint8_t *data;
    size_t size;     /* bytes in use */
    size_t capacity; /* bytes allocated */
};

void buf_done(struct buf *buf);
void buf_append(struct buf *buf, const void *data, size_t size);
/* Formatted text, without the final NUL. */
void buf_print(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A NUL behind the last byte (not counted in size); returns the text, owned by buf. */
const char *buf_text(struct buf *buf);

static inline struct span buf_span(const struct buf *buf)
{
    return (struct span){buf->data, buf->size};
}

#endif
