/* Scope-bound ownership: `cleanup(free_ptr) char *text = ...;` and `take(text)` to leave the
 * scope. `free`, `close`, `done` functions accept NULL, zeroed and half-built objects. */
#ifndef WYCKMILL_COMMON_CLEANUP_H
#define WYCKMILL_COMMON_CLEANUP_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define cleanup(function) __attribute__((cleanup(function)))

/* Yields the pointer and sets the variable to NULL, so that its cleanup does nothing. */
#define take(pointer)                                                                          \
    __extension__({                                                                            \
        __typeof__(pointer) *take_from_ = &(pointer);                                          \
        __typeof__(pointer) take_value_ = *take_from_;                                         \
        *take_from_ = NULL;                                                                    \
        take_value_;                                                                           \
    })

/* Defines `NAME_ptr(TYPE **)`, the cleanup form of `void NAME(TYPE *)`. */
#define CLEANUP_DEFINE(type, name)                                                             \
    __attribute__((unused)) static inline void name##_ptr(type **pointer)                      \
    {                                                                                          \
        name(*pointer);                                                                        \
    }

__attribute__((unused)) static inline void free_ptr(void *pointer)
{
    free(*(void **)pointer);
}

__attribute__((unused)) static inline void fclose_ptr(FILE **file)
{
    if (*file)
        (void)fclose(*file);
}

__attribute__((unused)) static inline void close_fd(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
}

#endif
