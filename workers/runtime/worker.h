/* The worker: takes leases from a broker, runs them in its slots, gives the results back. It
 * never gives up on the broker: while there is none, what runs goes on and results wait. */
#ifndef WYCKMILL_WORKERS_RUNTIME_WORKER_H
#define WYCKMILL_WORKERS_RUNTIME_WORKER_H

#include "common/err.h"
#include "proto/needs.h"

#include <stdbool.h>
#include <stdint.h>

struct worker_options {
    const char *connect;        /* control address of the broker */
    const char *keys;           /* folder (keys/keys.h), NULL: none */
    uint32_t slots;             /* 1..ATTEMPTS_SLOTS_MAX */
    const char *kinds;          /* comma-separated, NULL: all of the table */
    uint64_t memory_bytes;      /* for all tasks together; 0: machine_memory_bytes */
    uint32_t gpus;              /* likewise */
    char tags[NEEDS_TAGS_SIZE]; /* what tasks may ask for (proto/needs.h) */
    const char *cache;          /* folder, NULL: the default (cache.h) */
    uint64_t cache_bytes_max;
    uint64_t time_ms; /* limit per task; 0: none */
    /* Each byte that can be read from it asks to leave: the first, or SHUTDOWN of the broker,
     * when what runs is done and acknowledged; the second now. -1: nobody asks. */
    int stop_fd;
    /* One sentence for people, NULL: none wanted. */
    void (*say)(void *context, const char *sentence);
    void *say_context;
};

enum { WORKER_CACHE_BYTES_MIN = 64 << 20 };

/* Serves until asked to leave: 0. A broker that does not let us in is asked
 * again until it does; `say` tells why. Errors: ERR_INVALID (options), those of keys_read,
 * ERR_IO, ERR_BUSY (cache), ERR_UNSUPPORTED (this machine cannot run tasks as they must run).
 */
int worker_run(const struct worker_options *options, struct err *err);

#endif
