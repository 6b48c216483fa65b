/* See cache.h. Entries are numbered slots in one array, found through a chained index over the
 * first bytes of the id, and linked in the order of their last use. */
#include "workers/runtime/cache.h"

#include "common/cleanup.h"
#include "common/file.h"
#include "common/mem.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define NONE UINT32_MAX
enum { INDEX_SIZE = 16384 /* power of two */ };

struct entry {
    struct hash id;
    uint64_t size;
    uint32_t pins;
    uint32_t chain;      /* next with the same place in the index; or next free */
    uint32_t prev, next; /* order of use; only when present */
    bool present;
};

struct cache {
    char folder[PATH_MAX];
    int folder_fd, lock_fd;
    uint64_t bytes_max;
    struct cache_counts counts;
    struct entry *entries;
    size_t capacity;
    uint32_t used, free;
    uint32_t oldest, newest;
    uint32_t index[INDEX_SIZE];
};

/* ---- entries ---- */

static uint32_t *place(struct cache *cache, const struct hash *id)
{
    return &cache->index[hash_u64(id) & (INDEX_SIZE - 1)];
}

static uint32_t find(const struct cache *cache, const struct hash *id)
{
    uint32_t e = cache->index[hash_u64(id) & (INDEX_SIZE - 1)];
    while (e != NONE && !hash_equal(&cache->entries[e].id, id))
        e = cache->entries[e].chain;
    return e;
}

static uint32_t find_or_new(struct cache *cache, const struct hash *id)
{
    uint32_t e = find(cache, id);
    if (e != NONE)
        return e;
    e = cache->free;
    if (e != NONE) {
        cache->free = cache->entries[e].chain;
    } else {
        mem_reserve(cache->entries, cache->capacity, cache->used + 1u);
        e = cache->used++;
    }
    uint32_t *first = place(cache, id);
    cache->entries[e] = (struct entry){.id = *id, .chain = *first};
    *first = e;
    return e;
}

static void release(struct cache *cache, uint32_t e)
{
    uint32_t *link = place(cache, &cache->entries[e].id);
    while (*link != e)
        link = &cache->entries[*link].chain;
    *link = cache->entries[e].chain;
    cache->entries[e].chain = cache->free;
    cache->free = e;
}

static void unlist(struct cache *cache, uint32_t e)
{
    struct entry *entry = &cache->entries[e];
    *(entry->prev == NONE ? &cache->oldest : &cache->entries[entry->prev].next) = entry->next;
    *(entry->next == NONE ? &cache->newest : &cache->entries[entry->next].prev) = entry->prev;
}

static void list_newest(struct cache *cache, uint32_t e)
{
    struct entry *entry = &cache->entries[e];
    entry->prev = cache->newest;
    entry->next = NONE;
    *(cache->newest == NONE ? &cache->oldest : &cache->entries[cache->newest].next) = e;
    cache->newest = e;
}

static void entry_present(struct cache *cache, uint32_t e, uint64_t size)
{
    struct entry *entry = &cache->entries[e];
    if (entry->present) {
        unlist(cache, e);
        cache->counts.bytes -= entry->size;
        cache->counts.files--;
    }
    entry->present = true;
    entry->size = size;
    cache->counts.bytes += size;
    cache->counts.files++;
    list_newest(cache, e);
}

static void entry_gone(struct cache *cache, uint32_t e)
{
    struct entry *entry = &cache->entries[e];
    char name[HASH_HEX_SIZE];
    (void)unlinkat(cache->folder_fd, hash_hex(&entry->id, name), 0);
    unlist(cache, e);
    entry->present = false;
    cache->counts.bytes -= entry->size;
    cache->counts.files--;
    if (entry->pins == 0)
        release(cache, e);
}

static void evict(struct cache *cache)
{
    uint32_t e = cache->oldest;
    while (e != NONE &&
           (cache->counts.bytes > cache->bytes_max || cache->counts.files > CACHE_FILES_MAX)) {
        uint32_t next = cache->entries[e].next;
        if (cache->entries[e].pins == 0) {
            entry_gone(cache, e);
            cache->counts.evicted++;
        }
        e = next;
    }
}

/* ---- the folder ---- */

static int root_default(char *ret, size_t size, struct err *err)
{
    const char *base = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    int n = -1;
    if (base && base[0] == '/')
        n = snprintf(ret, size, "%s/wyckmill", base);
    else if (home && home[0] == '/')
        n = snprintf(ret, size, "%s/.cache/wyckmill", home);
    if (n > 0 && (size_t)n < size)
        return 0;
    err_set(err, ERR_IO, "no folder for the cache: neither XDG_CACHE_HOME nor HOME is set");
    return err_hint(err, "name one with --cache DIR");
}

/* 1: taken; 0: another worker has it. */
static int folder_take(struct cache *cache, const char *root, int number, struct err *err)
{
    if (snprintf(cache->folder, sizeof cache->folder, "%s/worker%d", root, number) >=
        (int)sizeof cache->folder)
        return err_set(err, ERR_IO, "cache folder '%.100s...' has too long a name", root);
    if (mkdir(cache->folder, 0700) != 0 && errno != EEXIST)
        return err_errno(err, errno, "make folder '%s'", cache->folder);
    cleanup(close_fd) int fd = open(cache->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_errno(err, errno, "open folder '%s'", cache->folder);
    cleanup(close_fd) int lock = openat(fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock < 0)
        return err_errno(err, errno, "open '%s/lock'", cache->folder);
    if (flock(lock, LOCK_EX | LOCK_NB) != 0)
        return errno == EWOULDBLOCK ? 0 : err_errno(err, errno, "lock '%s'", cache->folder);
    cache->folder_fd = fd;
    cache->lock_fd = lock;
    fd = lock = -1;
    return 1;
}

static int folder_find(struct cache *cache, const char *root, struct err *err)
{
    for (int number = 1; number <= CACHE_FOLDERS_MAX; number++) {
        int rc = folder_take(cache, root, number, err);
        if (rc != 0)
            return rc < 0 ? rc : 0;
    }
    return err_set(err, ERR_BUSY, "%d workers use the cache '%s', no more can",
                   CACHE_FOLDERS_MAX, root);
}

struct found {
    struct hash id;
    uint64_t size;
    struct timespec used;
};

static int found_compare(const void *left, const void *right)
{
    const struct found *a = left, *b = right;
    if (a->used.tv_sec != b->used.tv_sec)
        return a->used.tv_sec < b->used.tv_sec ? -1 : 1;
    if (a->used.tv_nsec != b->used.tv_nsec)
        return a->used.tv_nsec < b->used.tv_nsec ? -1 : 1;
    return hash_compare(&a->id, &b->id);
}

/* What an earlier worker left: objects are kept, half-written files are not. */
static int folder_scan(struct cache *cache, struct err *err)
{
    int fd = dup(cache->folder_fd);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    if (!folder) {
        int rc = err_errno(err, errno, "read folder '%s'", cache->folder);
        if (fd >= 0)
            (void)close(fd);
        return rc;
    }
    struct found *found = NULL;
    size_t n = 0, capacity = 0;
    for (struct dirent *item; (item = readdir(folder));) {
        struct stat info;
        struct hash id;
        if (strcmp(item->d_name, "lock") == 0 || item->d_name[0] == '.')
            continue;
        if (hash_parse(item->d_name, &id, NULL) != 0 ||
            fstatat(cache->folder_fd, item->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0 ||
            !S_ISREG(info.st_mode)) {
            (void)unlinkat(cache->folder_fd, item->d_name, 0);
            continue;
        }
        mem_reserve(found, capacity, n + 1);
        found[n++] = (struct found){id, (uint64_t)info.st_size, info.st_mtim};
    }
    (void)closedir(folder);
    if (n > 0)
        qsort(found, n, sizeof *found, found_compare);
    for (size_t i = 0; i < n; i++)
        entry_present(cache, find_or_new(cache, &found[i].id), found[i].size);
    free(found);
    evict(cache);
    return 0;
}

int cache_open(const char *root, uint64_t bytes_max, struct cache **ret_cache, struct err *err)
{
    char path[PATH_MAX], real[PATH_MAX];
    int rc = 0;
    if (!root)
        rc = root_default(path, sizeof path, err);
    else if ((size_t)snprintf(path, sizeof path, "%s", root) >= sizeof path || !path[0])
        rc = err_set(err, ERR_IO, "cache folder '%.100s' is no path", root);
    if (rc == 0)
        rc = file_make_folder(path, err);
    if (rc == 0 && !realpath(path, real))
        rc = err_errno(err, errno, "cache folder '%s'", path);
    if (rc != 0)
        return rc;

    struct cache *cache = mem_new(1, sizeof *cache);
    cache->bytes_max = bytes_max;
    cache->folder_fd = cache->lock_fd = -1;
    cache->free = cache->oldest = cache->newest = NONE;
    memset(cache->index, 0xff, sizeof cache->index);
    rc = folder_find(cache, real, err);
    if (rc == 0)
        rc = folder_scan(cache, err);
    if (rc != 0) {
        cache_close(cache);
        return rc;
    }
    *ret_cache = cache;
    return 0;
}

void cache_close(struct cache *cache)
{
    if (!cache)
        return;
    if (cache->folder_fd >= 0)
        (void)close(cache->folder_fd);
    if (cache->lock_fd >= 0)
        (void)close(cache->lock_fd);
    free(cache->entries);
    free(cache);
}

const char *cache_folder(const struct cache *cache)
{
    return cache->folder;
}

int cache_folder_fd(const struct cache *cache)
{
    return cache->folder_fd;
}

/* ---- use ---- */

bool cache_pin(struct cache *cache, const struct hash *id)
{
    uint32_t e = find_or_new(cache, id);
    struct entry *entry = &cache->entries[e];
    entry->pins++;
    if (entry->present) {
        unlist(cache, e);
        list_newest(cache, e);
    }
    return entry->present;
}

void cache_unpin(struct cache *cache, const struct hash *id)
{
    uint32_t e = find(cache, id);
    assert(e != NONE && cache->entries[e].pins > 0);
    struct entry *entry = &cache->entries[e];
    entry->pins--;
    if (entry->pins == 0 && !entry->present)
        release(cache, e);
    else if (entry->pins == 0)
        evict(cache);
}

bool cache_has(const struct cache *cache, const struct hash *id, uint64_t *ret_size)
{
    uint32_t e = find(cache, id);
    if (e == NONE || !cache->entries[e].present)
        return false;
    if (ret_size)
        *ret_size = cache->entries[e].size;
    return true;
}

int cache_read(struct cache *cache, const struct hash *id, uint64_t offset, size_t size,
               struct buf *ret, struct err *err)
{
    char name[HASH_HEX_SIZE];
    cleanup(close_fd) int fd =
        openat(cache->folder_fd, hash_hex(id, name), O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_errno(err, errno, "open '%s/%s'", cache->folder, name);
    cleanup(free_ptr) uint8_t *bytes = mem_new(size, 1);
    size_t got = 0;
    while (got < size) {
        ssize_t n = pread(fd, bytes + got, size - got, (off_t)(offset + got));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_errno(err, errno, "read '%s/%s'", cache->folder, name);
        if (n == 0)
            break;
        got += (size_t)n;
    }
    buf_append(ret, bytes, got);
    return 0;
}

void cache_drop(struct cache *cache, const struct hash *id)
{
    uint32_t e = find(cache, id);
    if (e != NONE && cache->entries[e].present)
        entry_gone(cache, e);
}

int cache_adopt(struct cache *cache, const char *name, const struct hash *id, uint64_t size,
                struct err *err)
{
    char hex[HASH_HEX_SIZE];
    struct stat info;
    if (fstatat(cache->folder_fd, name, &info, AT_SYMLINK_NOFOLLOW) != 0)
        return err_errno(err, errno, "'%s/%s'", cache->folder, name);
    if ((uint64_t)info.st_size != size)
        return err_set(err, ERR_CORRUPT, "'%s/%s' has %lld bytes, want %llu", cache->folder,
                       name, (long long)info.st_size, (unsigned long long)size);
    if (renameat(cache->folder_fd, name, cache->folder_fd, hash_hex(id, hex)) != 0)
        return err_errno(err, errno, "rename '%s/%s'", cache->folder, name);
    uint32_t e = find_or_new(cache, id);
    entry_present(cache, e, size);
    cache->entries[e].pins++; /* what just came is not what goes */
    evict(cache);
    cache->entries[e].pins--;
    return 0;
}

static int hash_file(int fd, size_t size, struct hash *ret, struct err *err)
{
    if (size == 0) {
        *ret = hash_bytes((struct span){0});
        return 0;
    }
    void *bytes = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED)
        return err_errno(err, errno, "map a file");
    *ret = hash_bytes((struct span){bytes, size});
    (void)munmap(bytes, size);
    return 0;
}

int cache_adopt_checked(struct cache *cache, const char *name, const struct hash *id,
                        struct err *err)
{
    struct stat info;
    struct hash found;
    cleanup(close_fd) int fd = openat(cache->folder_fd, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info) != 0)
        return err_errno(err, errno, "open '%s/%s'", cache->folder, name);
    int rc = hash_file(fd, (size_t)info.st_size, &found, err);
    if (rc != 0)
        return rc;
    if (!hash_equal(&found, id)) {
        (void)unlinkat(cache->folder_fd, name, 0);
        return err_set(err, ERR_CORRUPT, "the bytes do not match the name");
    }
    return cache_adopt(cache, name, id, (uint64_t)info.st_size, err);
}

void cache_counts(const struct cache *cache, struct cache_counts *ret)
{
    *ret = cache->counts;
}
