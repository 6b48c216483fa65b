/* Copies of a whole store: see store.h. A copy grows in a folder of its own and gets its name
 * when it is whole and on disk, so that a kill leaves either nothing or all of it. */
#include "common/cleanup.h"
#include "common/file.h"
#include "store/folder.h"
#include "store/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static int sync_file(const char *name, struct err *err)
{
    cleanup(close_fd) int fd = open(name, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0)
        return err_errno(err, errno, "sync '%s'", name);
    return 0;
}

void copy_names(const char *path, struct copy_names *ret)
{
    (void)snprintf(ret->folder, sizeof ret->folder, "%s/unfinished-copy", path);
    (void)snprintf(ret->from, sizeof ret->from, "%s/data.mdb", ret->folder);
    (void)snprintf(ret->to, sizeof ret->to, "%s/data.mdb", path);
}

void copy_forget(const struct copy_names *names)
{
    char lock[COPY_PATH_SIZE + 32];
    (void)snprintf(lock, sizeof lock, "%s/lock.mdb", names->folder);
    (void)unlink(names->from);
    (void)unlink(lock);
    (void)rmdir(names->folder);
}

int copy_make(struct backend *backend, const struct copy_names *names, struct err *err)
{
    copy_forget(names); /* of one that was killed */
    if (mkdir(names->folder, 0777) != 0)
        return err_errno(err, errno, "make folder '%s'", names->folder);
    int rc = backend->ops->copy(backend, names->folder, err);
    if (rc == 0)
        rc = sync_file(names->from, err);
    if (rc != 0)
        copy_forget(names);
    return rc;
}

int copy_take_place(const char *path, const struct copy_names *names, struct err *err)
{
    if (rename(names->from, names->to) != 0)
        return err_errno(err, errno, "rename '%s'", names->from);
    copy_forget(names);
    return folder_sync(path, err);
}

int store_backup(struct store *store, const char *path, struct err *err)
{
    struct copy_names names;
    struct stat info;
    if (strlen(path) >= COPY_PATH_SIZE - 64)
        return err_set(err, ERR_INVALID, "a path of %zu bytes", strlen(path));
    copy_names(path, &names);
    int rc = file_make_folder(path, err);
    if (rc == 0 && stat(names.to, &info) == 0) {
        (void)err_set(err, ERR_BUSY, "there is a store in '%s'", path);
        rc = err_hint(err, "name a new folder for every backup");
    }
    if (rc == 0)
        rc = copy_make(store->backend, &names, err);
    if (rc == 0)
        rc = copy_take_place(path, &names, err);
    return rc;
}

int store_compact(const char *path, uint64_t *ret_before, uint64_t *ret_after, struct err *err)
{
    int rc = backend_compact_lmdb(path, ret_before, ret_after, err);
    return rc != 0 ? err_context(err, rc, "store '%s'", path) : 0;
}
