/* Allocation that cannot fail: see mem.h. */
#include "common/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *check(void *pointer, size_t count, size_t size)
{
    if (!pointer) {
        (void)fprintf(stderr, "wyckmill: out of memory asking for %zu x %zu bytes\n", count,
                      size);
        _exit(MEM_EXIT_STATUS); /* what exit would do may need memory */
    }
    return pointer;
}

void *mem_new(size_t count, size_t size)
{
    return check(calloc(count ? count : 1, size ? size : 1), count, size);
}

void *mem_resize(void *old, size_t count, size_t size)
{
    return check(reallocarray(old, count ? count : 1, size ? size : 1), count, size);
}

char *mem_text(const char *text)
{
    return mem_copy(text, strlen(text) + 1);
}

void *mem_copy(const void *data, size_t size)
{
    void *copy = mem_new(size, 1);
    if (size)
        memcpy(copy, data, size);
    return copy;
}
