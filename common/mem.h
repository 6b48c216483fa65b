/* Allocation that cannot fail. Sizes from outside are bounded before they get here; when the
 * machine still has no memory, the process says so and ends: a task slot then costs one
 * attempt, and a broker restart is only a pause. */
#ifndef WYCKMILL_COMMON_MEM_H
#define WYCKMILL_COMMON_MEM_H

#include <stddef.h>

/* Exit status of a process that got no memory. */
enum { MEM_EXIT_STATUS = 86 };

/* `count` zeroed elements of `size` bytes. Never NULL (also for count 0). Caller frees. */
void *mem_new(size_t count, size_t size);

/* Grow or shrink to `count` elements; new bytes are not zeroed. Takes `old`. Never NULL. */
void *mem_resize(void *old, size_t count, size_t size);

/* Copies. Caller frees. */
char *mem_text(const char *text);
void *mem_copy(const void *data, size_t size);

/* Grow `array` (capacity in `capacity`) so that it holds at least `count` elements. */
#define mem_reserve(array, capacity, count)                                                    \
    do {                                                                                       \
        if ((size_t)(count) > (capacity)) {                                                    \
            (capacity) = (size_t)(count) > 2 * (capacity) ? (size_t)(count) : 2 * (capacity);  \
            (array) = mem_resize((array), (capacity), sizeof *(array));                        \
        }                                                                                      \
    } while (0)

#endif
