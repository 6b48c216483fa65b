/* A worker's copies of objects: files named by their hash, in a folder that only this worker
 * uses while it runs. The lock on the folder ends with the process, however it dies, so the
 * next worker takes the folder over with what is in it and nothing is left to grow.
 *
 * The worker's main thread owns the cache; slots only read files by name and write outputs
 * under names of their own, which cache_adopt takes over. Thread: one. */
#ifndef WYCKMILL_WORKERS_RUNTIME_CACHE_H
#define WYCKMILL_WORKERS_RUNTIME_CACHE_H

#include "common/err.h"
#include "common/hash.h"

#include <stdbool.h>

enum { CACHE_FILES_MAX = 65536, CACHE_FOLDERS_MAX = 4096 };

struct cache;

/* `root` NULL: $XDG_CACHE_HOME/wyckmill, else ~/.cache/wyckmill. Takes the first folder under
 * it that no running worker has. What is pinned may exceed `bytes_max`. Errors: ERR_IO,
 * ERR_FULL, ERR_BUSY. */
int cache_open(const char *root, uint64_t bytes_max, struct cache **ret_cache, struct err *err);
void cache_close(struct cache *cache);
const char *cache_folder(const struct cache *cache); /* absolute, as long as the cache lives */
int cache_folder_fd(const struct cache *cache);

/* Keep the object until cache_unpin; counts. False: it is not here yet (the pin holds all the
 * same, and keeps it when it comes). */
bool cache_pin(struct cache *cache, const struct hash *id);
void cache_unpin(struct cache *cache, const struct hash *id);
bool cache_has(const struct cache *cache, const struct hash *id, uint64_t *ret_size);

/* At most `size` bytes from `offset`, appended to *ret. Errors: ERR_IO, ERR_NOT_FOUND. */
int cache_read(struct cache *cache, const struct hash *id, uint64_t offset, size_t size,
               struct buf *ret, struct err *err);

/* The file was found damaged or gone: forget it. Pins stay. */
void cache_drop(struct cache *cache, const struct hash *id);

/* Make file `name` of the folder the object `id` of `size` bytes (checked; the hash is not).
 * Evicts what was used longest ago when the limit is passed. Errors: ERR_IO, ERR_CORRUPT. */
int cache_adopt(struct cache *cache, const char *name, const struct hash *id, uint64_t size,
                struct err *err);

/* The same for bytes that came from elsewhere: the hash is checked, and a file that does not
 * match is removed. */
int cache_adopt_checked(struct cache *cache, const char *name, const struct hash *id,
                        struct err *err);

struct cache_counts {
    uint64_t files, bytes, evicted;
};
void cache_counts(const struct cache *cache, struct cache_counts *ret);

#endif
