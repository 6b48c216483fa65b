/* The folder of a store: see folder.h. */
#include "store/folder.h"

#include "common/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { STORE_PATH_SIZE = 4096 };

/* ---- one environment per store and process ---- */

enum { CLAIMS_MAX = 64 };

/* The one mutable global of the store: LMDB forbids opening an environment twice in a process,
 * and only the process as a whole can know. An entry of another pid was inherited by fork, and
 * does not count. */
static struct {
    pthread_mutex_t mutex;
    struct {
        pid_t pid; /* 0: free */
        uint64_t dev, inode;
    } claims[CLAIMS_MAX];
} open_here = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static int claim(struct folder *folder, struct err *err)
{
    int rc = 0, free_slot = -1;
    (void)pthread_mutex_lock(&open_here.mutex);
    for (int i = 0; rc == 0 && i < CLAIMS_MAX; i++) {
        bool mine = open_here.claims[i].pid == getpid();
        if (!mine && free_slot < 0)
            free_slot = i;
        if (mine && open_here.claims[i].dev == folder->dev &&
            open_here.claims[i].inode == folder->inode)
            rc = err_set(err, ERR_BUSY, "already open in this process");
    }
    if (rc == 0 && free_slot < 0)
        rc = err_set(err, ERR_LIMIT, "%d stores are open in this process", CLAIMS_MAX);
    if (rc == 0) {
        open_here.claims[free_slot].pid = getpid();
        open_here.claims[free_slot].dev = folder->dev;
        open_here.claims[free_slot].inode = folder->inode;
        folder->claimed = true;
    }
    (void)pthread_mutex_unlock(&open_here.mutex);
    return rc;
}

static void unclaim(struct folder *folder)
{
    (void)pthread_mutex_lock(&open_here.mutex);
    for (int i = 0; i < CLAIMS_MAX; i++)
        if (open_here.claims[i].pid == getpid() && open_here.claims[i].dev == folder->dev &&
            open_here.claims[i].inode == folder->inode)
            open_here.claims[i].pid = 0;
    (void)pthread_mutex_unlock(&open_here.mutex);
    folder->claimed = false;
}

/* ---- making and checking ---- */

static int make_folders(const char *path, struct err *err)
{
    char part[STORE_PATH_SIZE];
    size_t size = strlen(path);
    if (size == 0 || size >= sizeof part)
        return err_set(err, ERR_INVALID, "a path of %zu bytes", size);
    memcpy(part, path, size + 1);
    for (size_t i = 1; i <= size; i++) {
        if (part[i] != '/' && part[i] != '\0')
            continue;
        char end = part[i];
        part[i] = '\0';
        if (mkdir(part, 0777) != 0 && errno != EEXIST)
            return err_errno(err, errno, "make folder '%s'", part);
        part[i] = end;
    }
    return 0;
}

const char *folder_remote_name(unsigned long type)
{
    /* clang-format off */
    static const struct {
        unsigned long type;
        const char *name;
    } rows[] = {
        {0x6969, "NFS"}, {0x517b, "SMB"}, {0xff534d42, "CIFS"}, {0xfe534d42, "SMB2"},
        {0x0bd00bd0, "Lustre"}, {0x47504653, "GPFS"}, {0x19830326, "BeeGFS"},
        {0x00c36400, "CephFS"}, {0x5346414f, "AFS"}, {0x6b414653, "kAFS"},
        {0x73757245, "Coda"}, {0x564c, "NCP"}, {0x20030528, "OrangeFS"},
        {0x7461636f, "OCFS2"}, {0x01161970, "GFS2"},
    };
    /* clang-format on */
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].type == (type & 0xffffffff))
            return rows[i].name;
    return NULL;
}

static int check_local(const char *path, struct err *err)
{
    struct statfs info;
    if (statfs(path, &info) != 0)
        return err_errno(err, errno, "look at the file system of '%s'", path);
    const char *name = folder_remote_name((unsigned long)info.f_type);
    if (!name)
        return 0;
    (void)err_set(err, ERR_UNSUPPORTED,
                  "'%s' is on a %s file system, where locks and shared memory of several "
                  "machines do not agree",
                  path, name);
    (void)err_hint(err, "put the store on a local disk (--store); workers on other machines "
                        "reach it through the broker");
    return ERR_UNSUPPORTED;
}

int folder_sync(const char *path, struct err *err)
{
    cleanup(close_fd) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0)
        return err_errno(err, errno, "sync folder '%s'", path);
    return 0;
}

/* ---- the lock ---- */

static long read_pid(int fd)
{
    char text[24] = "";
    long pid = 0;
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    if (n > 0 && sscanf(text, "%ld", &pid) == 1)
        return pid;
    return 0;
}

static int refuse_busy(int fd, struct flock *wish, struct err *err)
{
    long pid = read_pid(fd);
    if (fcntl(fd, F_GETLK, wish) == 0 && wish->l_type != F_UNLCK && wish->l_pid > 0)
        pid = (long)wish->l_pid;
    (void)err_set(err, ERR_BUSY, "in use by process %ld", pid);
    (void)err_hint(err, "wait for it, stop it (kill %ld), or use another --store", pid);
    return ERR_BUSY;
}

static int take_lock(const char *path, struct folder *folder, struct err *err)
{
    char name[STORE_PATH_SIZE + 8], pid[24];
    struct flock wish = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    (void)snprintf(name, sizeof name, "%s/lock", path);
    cleanup(close_fd) int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0)
        return err_errno(err, errno, "open '%s'", name);
    if (fcntl(fd, F_SETLK, &wish) != 0)
        return errno == EACCES || errno == EAGAIN ? refuse_busy(fd, &wish, err)
                                                  : err_errno(err, errno, "lock '%s'", name);
    /* The pid is only for people (the kernel knows the holder), so a full disk may lose it. */
    int n = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    (void)!ftruncate(fd, 0);
    (void)!pwrite(fd, pid, (size_t)n, 0);
    folder->lock_fd = fd;
    fd = -1;
    return 0;
}

int folder_open(const char *path, enum store_mode mode, struct folder *ret, struct err *err)
{
    struct folder folder = {.lock_fd = -1, .pid = (int64_t)getpid()};
    struct stat info;
    int rc = mode == STORE_WRITE ? make_folders(path, err) : 0;
    if (rc == 0 && stat(path, &info) != 0)
        rc = err_errno(err, errno, "open folder '%s'", path);
    if (rc == 0)
        rc = check_local(path, err);
    if (rc != 0)
        return rc;
    folder.dev = (uint64_t)info.st_dev;
    folder.inode = (uint64_t)info.st_ino;
    rc = claim(&folder, err);
    if (rc == 0 && mode == STORE_WRITE)
        rc = take_lock(path, &folder, err);
    if (rc != 0)
        folder_close(&folder);
    else
        *ret = folder;
    return rc;
}

void folder_close(struct folder *folder)
{
    if (folder->lock_fd >= 0 && folder->pid == (int64_t)getpid())
        (void)!ftruncate(folder->lock_fd, 0);
    if (folder->lock_fd >= 0)
        (void)close(folder->lock_fd);
    folder->lock_fd = -1;
    if (folder->claimed)
        unclaim(folder);
}
