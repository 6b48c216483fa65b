/* Monotonic time for timeouts. Nothing here ever reaches a result. */
#ifndef WYCKMILL_WORKERS_RUNTIME_CLOCK_H
#define WYCKMILL_WORKERS_RUNTIME_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t clock_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

#endif
