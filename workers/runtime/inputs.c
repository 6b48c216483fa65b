/* See inputs.h. */
#include "workers/runtime/inputs.h"

#include "common/cleanup.h"
#include "common/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

enum {
    TRUSTED = 1024,   /* power of two; a newcomer takes the place of another */
    SMALL = 64 << 10, /* bytes; smaller files are read: a process may have 65530 maps */
};

struct trusted {
    struct hash id;
    ino_t inode; /* 0: nothing here */
    struct timespec modified;
};

struct inputs {
    int folder_fd;
    struct trusted trusted[TRUSTED];
};

struct inputs *inputs_new(int folder_fd)
{
    struct inputs *inputs = mem_new(1, sizeof *inputs);
    inputs->folder_fd = folder_fd;
    return inputs;
}

void inputs_free(struct inputs *inputs)
{
    free(inputs);
}

static int verify(struct inputs *inputs, const struct hash *id, const struct stat *info,
                  struct span bytes, struct err *err)
{
    char hex[HASH_HEX_SIZE];
    struct trusted *trusted = &inputs->trusted[hash_u64(id) & (TRUSTED - 1)];
    if (trusted->inode == info->st_ino && hash_equal(&trusted->id, id) &&
        trusted->modified.tv_sec == info->st_mtim.tv_sec &&
        trusted->modified.tv_nsec == info->st_mtim.tv_nsec)
        return 0;
    struct hash found = hash_bytes(bytes);
    if (!hash_equal(&found, id))
        return err_set(err, ERR_CORRUPT, "cached file %s: its bytes do not match its name",
                       hash_hex(id, hex));
    *trusted = (struct trusted){*id, info->st_ino, info->st_mtim};
    return 0;
}

static int read_small(int fd, size_t size, struct span *ret, struct err *err)
{
    uint8_t *bytes = mem_new(size, 1);
    size_t got = 0;
    while (got < size) {
        ssize_t n = read(fd, bytes + got, size - got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            int errno_value = n < 0 ? errno : EIO;
            free(bytes);
            return err_errno(err, errno_value, "read");
        }
        got += (size_t)n;
    }
    *ret = (struct span){bytes, size};
    return 0;
}

static int load(int fd, size_t size, struct span *ret, struct err *err)
{
    if (size < SMALL)
        return read_small(fd, size, ret, err);
    void *bytes = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED)
        return err_errno(err, errno, "map");
    *ret = (struct span){bytes, size};
    return 0;
}

static void unload(struct span span)
{
    if (span.size < SMALL)
        free((void *)span.data);
    else
        (void)munmap((void *)span.data, span.size);
}

static int map_one(struct inputs *inputs, const struct hash *id, struct span *ret,
                   struct err *err)
{
    char hex[HASH_HEX_SIZE];
    struct stat info;
    cleanup(close_fd) int fd =
        openat(inputs->folder_fd, hash_hex(id, hex), O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info) != 0)
        return err_errno(err, errno, "cached file %s", hex);
    struct span span = {0};
    int rc = load(fd, (size_t)info.st_size, &span, err);
    if (rc != 0)
        return err_context(err, rc, "cached file %s", hex);
    rc = verify(inputs, id, &info, span, err);
    if (rc != 0)
        unload(span);
    else
        *ret = span;
    return rc;
}

int inputs_map(struct inputs *inputs, const struct hash *ids, uint32_t n,
               struct span **ret_spans, struct hash *ret_bad, struct err *err)
{
    struct span *spans = mem_new(n, sizeof *spans);
    for (uint32_t i = 0; i < n; i++) {
        int rc = map_one(inputs, &ids[i], &spans[i], err);
        if (rc != 0) {
            *ret_bad = ids[i];
            inputs_unmap(inputs, spans, i);
            return rc;
        }
    }
    *ret_spans = spans;
    return 0;
}

void inputs_unmap(struct inputs *inputs, struct span *spans, uint32_t n)
{
    (void)inputs;
    for (uint32_t i = 0; i < n; i++)
        unload(spans[i]);
    free(spans);
}
