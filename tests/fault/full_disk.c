/* A disk that fails: preloaded (LD_PRELOAD) into every process of a run, it counts the calls
 * that write below some folders, over all processes, and lets the FAIL_AT-th fail; with
 * FAIL_ON=1 all later ones too, as on a disk that is full and stays so.
 *
 *   FAIL_FOLDERS  colon-separated absolute folders
 *   FAIL_COUNTER  file: the shared count, made by the first process
 *   FAIL_AT       number of the call that fails, from 1; 0: only count
 *   FAIL_ERRNO    28 (ENOSPC) or 5 (EIO)
 *   FAIL_TOLD     file: gets a line for the first call that failed */
#undef _FILE_OFFSET_BITS /* it would give `open` the name of `open64` */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* The system call itself: what is interposed here must not be used here. */
static long raw_open(const char *path, int flags, mode_t mode)
{
    return syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

static _Atomic unsigned long *counter(void)
{
    static _Atomic(_Atomic unsigned long *) shared;
    if (shared)
        return shared;
    const char *name = getenv("FAIL_COUNTER");
    int fd = name ? (int)raw_open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0666) : -1;
    if (fd < 0 || syscall(SYS_ftruncate, fd, (off_t)4096) != 0)
        abort();
    void *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED)
        abort();
    (void)close(fd);
    shared = at;
    return at;
}

static bool is_below(const char *path)
{
    const char *folders = getenv("FAIL_FOLDERS");
    for (const char *at = folders; at && *at;) {
        size_t size = strcspn(at, ":");
        if (!strncmp(path, at, size) && (path[size] == '/' || path[size] == '\0'))
            return true;
        at += size + (at[size] == ':');
    }
    return false;
}

static unsigned long number_of(const char *name)
{
    const char *text = getenv(name);
    return text ? strtoul(text, NULL, 10) : 0;
}

/* True: this call fails; errno is set. */
static bool fails(const char *call, const char *path)
{
    if (!is_below(path))
        return false;
    unsigned long at = number_of("FAIL_AT"), now = atomic_fetch_add(counter(), 1) + 1;
    if (!at || now < at || (now > at && !number_of("FAIL_ON")))
        return false;
    const char *told = getenv("FAIL_TOLD");
    int fd = told && now == at ? (int)raw_open(told, O_WRONLY | O_CREAT | O_APPEND, 0666) : -1;
    if (fd >= 0) {
        char line[PATH_MAX + 128];
        int n = snprintf(line, sizeof line, "%s %s\n", call, path);
        (void)!syscall(SYS_write, fd, line, (size_t)n);
        (void)close(fd);
    }
    errno = (int)number_of("FAIL_ERRNO");
    return true;
}

static bool fails_fd(const char *call, int fd)
{
    char link[64], path[PATH_MAX];
    int kept = errno;
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    errno = kept;
    if (n <= 0)
        return false;
    path[n] = '\0';
    return fails(call, path);
}

/* Of a file that is made by this call. */
static bool fails_new(const char *call, const char *path)
{
    struct stat info;
    int kept = errno;
    bool is_new = stat(path, &info) != 0;
    errno = kept;
    return is_new && fails(call, path);
}

#define EXPORT __attribute__((visibility("default")))

EXPORT int open(const char *path, int flags, ...)
{
    mode_t mode = 0;
    if (flags & O_CREAT) {
        va_list args;
        va_start(args, flags);
        mode = (mode_t)va_arg(args, int);
        va_end(args);
        if (fails_new("open", path))
            return -1;
    }
    return (int)raw_open(path, flags, mode);
}

EXPORT int open64(const char *path, int flags, ...)
{
    mode_t mode = 0;
    if (flags & O_CREAT) {
        va_list args;
        va_start(args, flags);
        mode = (mode_t)va_arg(args, int);
        va_end(args);
    }
    return open(path, flags, mode);
}

/* The path of a name in an open folder. */
static void join(char ret[2 * PATH_MAX], int folder_fd, const char *name)
{
    char link[64];
    int kept = errno;
    size_t size = 0;
    if (folder_fd != AT_FDCWD && *name != '/') {
        (void)snprintf(link, sizeof link, "/proc/self/fd/%d", folder_fd);
        ssize_t n = readlink(link, ret, PATH_MAX);
        size = n > 0 ? (size_t)n : 0;
        ret[size++] = '/';
    }
    (void)snprintf(ret + size, PATH_MAX, "%s", name);
    errno = kept;
}

EXPORT int openat(int folder_fd, const char *name, int flags, ...)
{
    mode_t mode = 0;
    if (flags & O_CREAT) {
        char path[2 * PATH_MAX];
        va_list args;
        va_start(args, flags);
        mode = (mode_t)va_arg(args, int);
        va_end(args);
        join(path, folder_fd, name);
        if (fails_new("openat", path))
            return -1;
    }
    return (int)syscall(SYS_openat, folder_fd, name, flags, mode);
}

EXPORT int openat64(int folder_fd, const char *name, int flags, ...)
{
    mode_t mode = 0;
    if (flags & O_CREAT) {
        va_list args;
        va_start(args, flags);
        mode = (mode_t)va_arg(args, int);
        va_end(args);
    }
    return openat(folder_fd, name, flags, mode);
}

EXPORT int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
    char path[2 * PATH_MAX];
    join(path, to_fd, to);
    return fails("renameat", path) ? -1 : (int)syscall(SYS_renameat, from_fd, from, to_fd, to);
}

EXPORT ssize_t write(int fd, const void *data, size_t size)
{
    return fails_fd("write", fd) ? -1 : syscall(SYS_write, fd, data, size);
}

EXPORT ssize_t writev(int fd, const struct iovec *parts, int n)
{
    return fails_fd("writev", fd) ? -1 : syscall(SYS_writev, fd, parts, n);
}

EXPORT ssize_t pwrite(int fd, const void *data, size_t size, off_t at)
{
    return fails_fd("pwrite", fd) ? -1 : syscall(SYS_pwrite64, fd, data, size, at);
}

EXPORT ssize_t pwrite64(int fd, const void *data, size_t size, off_t at)
{
    return pwrite(fd, data, size, at);
}

EXPORT ssize_t pwritev(int fd, const struct iovec *parts, int n, off_t at)
{
    return fails_fd("pwritev", fd) ? -1 : syscall(SYS_pwritev, fd, parts, n, at, 0L);
}

EXPORT int ftruncate(int fd, off_t size)
{
    return fails_fd("ftruncate", fd) ? -1 : (int)syscall(SYS_ftruncate, fd, size);
}

EXPORT int ftruncate64(int fd, off_t size)
{
    return ftruncate(fd, size);
}

EXPORT int fsync(int fd)
{
    return fails_fd("fsync", fd) ? -1 : (int)syscall(SYS_fsync, fd);
}

EXPORT int fdatasync(int fd)
{
    return fails_fd("fdatasync", fd) ? -1 : (int)syscall(SYS_fdatasync, fd);
}

EXPORT int fallocate(int fd, int mode, off_t at, off_t size)
{
    return fails_fd("fallocate", fd) ? -1 : (int)syscall(SYS_fallocate, fd, mode, at, size);
}

EXPORT int mkdir(const char *path, mode_t mode)
{
    return fails_new("mkdir", path) ? -1 : (int)syscall(SYS_mkdir, path, mode);
}

EXPORT int rename(const char *from, const char *to)
{
    return fails("rename", to) ? -1 : (int)syscall(SYS_rename, from, to);
}

EXPORT int link(const char *from, const char *to)
{
    return fails("link", to) ? -1 : (int)syscall(SYS_link, from, to);
}

/* stdio opens and writes without asking again: its files are counted when they are opened. */
EXPORT FILE *fopen(const char *path, const char *mode)
{
    static FILE *(*next)(const char *path, const char *mode);
    if (!next)
        *(void **)&next = dlsym(RTLD_NEXT, "fopen");
    if (mode[0] != 'r' && fails("fopen", path))
        return NULL;
    return next(path, mode);
}
