/* Growing bytes: see span.h. */
#include "common/span.h"

#include "common/mem.h"

#include <stdio.h>
#include <stdlib.h>

void buf_done(struct buf *buf)
{
    free(buf->data);
    *buf = (struct buf){0};
}

void buf_append(struct buf *buf, const void *data, size_t size)
{
    if (!size)
        return;
    mem_reserve(buf->data, buf->capacity, buf->size + size);
    memcpy(buf->data + buf->size, data, size);
    buf->size += size;
}

void buf_print(struct buf *buf, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n > 0) {
        mem_reserve(buf->data, buf->capacity, buf->size + (size_t)n + 1);
        (void)vsnprintf((char *)buf->data + buf->size, (size_t)n + 1, format, again);
        buf->size += (size_t)n;
    }
    va_end(again);
}

const char *buf_text(struct buf *buf)
{
    mem_reserve(buf->data, buf->capacity, buf->size + 1);
    buf->data[buf->size] = 0;
    return (const char *)buf->data;
}
