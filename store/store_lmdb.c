/* The backend on LMDB: one environment, one write transaction per group, short read
 * transactions that are reset after every call. The map is 1 TiB of addresses where the machine
 * allows it; if it does not (RLIMIT_AS), the map begins small and grows: the group is then kept
 * in a list, so that it can be done again in the larger map. */
#include "common/cleanup.h"
#include "common/mem.h"
#include "store/backend.h"
#include "store/folder.h"
#include "store/state.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define MAP_BYTES_MAX ((size_t)1 << 40)
#define MAP_BYTES_MIN ((size_t)1 << 20)

struct lmdb {
    struct backend base;
    char *path;
    enum store_mode mode;
    struct folder folder;
    MDB_env *env;
    MDB_dbi tables[TABLE_COUNT];
    MDB_txn *write;
    MDB_txn *read;              /* kept and renewed */
    bool read_active;           /* between the first read of a call and rest() */
    bool held;                  /* rest() leaves the read transaction open */
    bool is_there[TABLE_COUNT]; /* a store of an earlier version lacks the youngest tables */
    size_t map_bytes;
    struct buf redo; /* operations of the open group, while the map can grow */
};

static struct lmdb *lmdb_of(struct backend *backend)
{
    return (struct lmdb *)backend;
}

/* ---- errors ---- */

static int err_from_mdb(struct err *err, int rc, const char *what)
{
    if (rc == MDB_MAP_FULL)
        rc = ENOSPC;
    if (rc > 0)
        return err_errno(err, rc, "%s", what);
    int code = ERR_IO;
    switch (rc) {
    case MDB_NOTFOUND:
        code = ERR_NOT_FOUND;
        break;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
    case MDB_BAD_VALSIZE:
        code = ERR_CORRUPT;
        break;
    default:
        break;
    }
    return err_set(err, code, "%s: %s", what, mdb_strerror(rc));
}

/* ---- the environment ---- */

static const char *const table_names[TABLE_COUNT] = {
    [TABLE_META] = "meta",       [TABLE_JOURNAL] = "journal", [TABLE_OBJECTS] = "objects",
    [TABLE_RESULTS] = "results", [TABLE_REFS] = "refs",       [TABLE_EVENTS] = "events",
    [TABLE_PRUNED] = "pruned",   [TABLE_TOUCHED] = "touched",
};

static int open_tables(struct lmdb *lmdb)
{
    MDB_txn *txn;
    bool writes = lmdb->mode == STORE_WRITE;
    int rc = mdb_txn_begin(lmdb->env, NULL, writes ? 0 : MDB_RDONLY, &txn);
    if (rc != 0)
        return rc;
    for (int i = 0; rc == 0 && i < TABLE_COUNT; i++) {
        rc = mdb_dbi_open(txn, table_names[i], writes ? MDB_CREATE : 0, &lmdb->tables[i]);
        lmdb->is_there[i] = rc == 0;
        if (rc == MDB_NOTFOUND && i >= TABLE_PRUNED)
            rc = 0;
    }
    if (rc == 0)
        return mdb_txn_commit(txn); /* keeps the handles, also of a read transaction */
    mdb_txn_abort(txn);
    return rc;
}

static void close_env(struct lmdb *lmdb)
{
    if (lmdb->write)
        mdb_txn_abort(lmdb->write);
    if (lmdb->read)
        mdb_txn_abort(lmdb->read);
    if (lmdb->env)
        mdb_env_close(lmdb->env);
    lmdb->write = lmdb->read = NULL;
    lmdb->read_active = false;
    lmdb->env = NULL;
}

static int open_env(struct lmdb *lmdb, size_t map_bytes)
{
    int fd, dead;
    unsigned flags = MDB_NOTLS | (lmdb->mode == STORE_READ ? MDB_RDONLY : 0);
    int rc = mdb_env_create(&lmdb->env);
    if (rc == 0)
        rc = mdb_env_set_maxdbs(lmdb->env, TABLE_COUNT);
    if (rc == 0)
        rc = mdb_env_set_mapsize(lmdb->env, map_bytes);
    if (rc == 0)
        rc = mdb_env_open(lmdb->env, lmdb->path, flags, 0666);
    /* LMDB 0.9.24 opens its other files with O_CLOEXEC, this one without. */
    if (rc == 0 && (rc = mdb_env_get_fd(lmdb->env, &fd)) == 0 &&
        fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
        rc = errno;
    if (rc == 0)
        rc = mdb_reader_check(lmdb->env, &dead); /* forget readers that were killed */
    if (rc == 0)
        rc = open_tables(lmdb);
    if (rc == 0)
        lmdb->map_bytes = map_bytes;
    else
        close_env(lmdb);
    return rc;
}

/* The largest map that leaves room for the rest of the program. */
static size_t map_bytes_wanted(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return MAP_BYTES_MAX;
    size_t quarter = (size_t)limit.rlim_cur / 4 / MAP_BYTES_MIN * MAP_BYTES_MIN;
    return quarter > MAP_BYTES_MAX ? MAP_BYTES_MAX : quarter;
}

static size_t data_bytes(const struct lmdb *lmdb)
{
    struct stat info;
    char name[4200];
    (void)snprintf(name, sizeof name, "%s/data.mdb", lmdb->path);
    return stat(name, &info) == 0 ? (size_t)info.st_size : 0;
}

/* Open with `map_bytes`, or with less where there are not so many addresses. */
static int open_env_fitting(struct lmdb *lmdb, size_t map_bytes)
{
    size_t least = data_bytes(lmdb) + MAP_BYTES_MIN;
    if (map_bytes < least)
        map_bytes = least;
    int rc = open_env(lmdb, map_bytes);
    while (rc == ENOMEM && map_bytes > least) {
        map_bytes = map_bytes / 2 > least ? map_bytes / 2 : least;
        rc = open_env(lmdb, map_bytes);
    }
    return rc;
}

static bool may_grow(const struct lmdb *lmdb)
{
    return lmdb->map_bytes < MAP_BYTES_MAX;
}

/* ---- the list of operations to do again ---- */

struct redo_head {
    uint64_t value_size;
    uint32_t key_size;
    uint8_t table, erase, append;
};

static void redo_note(struct lmdb *lmdb, const struct redo_head *head, struct span key,
                      const struct span *parts, size_t n_parts)
{
    if (!may_grow(lmdb))
        return;
    buf_append(&lmdb->redo, head, sizeof *head);
    buf_append(&lmdb->redo, key.data, key.size);
    for (size_t i = 0; i < n_parts; i++)
        buf_append(&lmdb->redo, parts[i].data, parts[i].size);
}

static int put_raw(struct lmdb *lmdb, enum table table, struct span key,
                   const struct span *parts, size_t n_parts, bool append)
{
    MDB_val k = {key.size, (void *)(uintptr_t)key.data}, v = {0, NULL};
    for (size_t i = 0; i < n_parts; i++)
        v.mv_size += parts[i].size;
    unsigned flags = MDB_RESERVE | (append ? MDB_APPEND : 0);
    int rc = mdb_put(lmdb->write, lmdb->tables[table], &k, &v, flags);
    if (rc != 0)
        return rc;
    uint8_t *at = v.mv_data;
    for (size_t i = 0; i < n_parts; i++) {
        if (parts[i].size > 0)
            memcpy(at, parts[i].data, parts[i].size);
        at += parts[i].size;
    }
    return 0;
}

static int erase_raw(struct lmdb *lmdb, enum table table, struct span key)
{
    MDB_val k = {key.size, (void *)(uintptr_t)key.data};
    return mdb_del(lmdb->write, lmdb->tables[table], &k, NULL);
}

static int redo_all(struct lmdb *lmdb)
{
    int rc = mdb_txn_begin(lmdb->env, NULL, 0, &lmdb->write);
    const uint8_t *at = lmdb->redo.data, *end = at + lmdb->redo.size;
    while (rc == 0 && at < end) {
        struct redo_head head;
        memcpy(&head, at, sizeof head);
        struct span key = {at + sizeof head, head.key_size};
        struct span value = {key.data + key.size, head.value_size};
        enum table table = (enum table)head.table;
        rc = head.erase ? erase_raw(lmdb, table, key)
                        : put_raw(lmdb, table, key, &value, 1, head.append);
        at = value.data + value.size;
    }
    if (rc != 0 && lmdb->write) {
        mdb_txn_abort(lmdb->write);
        lmdb->write = NULL;
    }
    return rc;
}

/* The map is full: open the environment again with a larger one, and do the group again. The
 * environment is closed first because LMDB cannot get its map back when growing it in place
 * fails. Returns MDB_MAP_FULL when there are no more addresses. */
static int grow(struct lmdb *lmdb)
{
    int rc = MDB_MAP_FULL;
    while (rc == MDB_MAP_FULL && may_grow(lmdb)) {
        size_t before = lmdb->map_bytes, least = before + MAP_BYTES_MIN;
        size_t wanted = 2 * before < MAP_BYTES_MAX ? 2 * before : MAP_BYTES_MAX;
        close_env(lmdb);
        rc = open_env(lmdb, wanted);
        while (rc == ENOMEM && wanted > least) {
            wanted =
                before + (wanted - before) / 2 > least ? before + (wanted - before) / 2 : least;
            rc = open_env(lmdb, wanted);
        }
        if (rc == ENOMEM) {
            rc = open_env(lmdb, before);
            return rc != 0 ? rc : MDB_MAP_FULL;
        }
        if (rc == 0)
            rc = redo_all(lmdb);
    }
    return rc;
}

/* ---- transactions ---- */

/* The environment could not be opened again after growing, or LMDB met an error that only a new
 * opening cures (MDB_PANIC). */
static int revive(struct lmdb *lmdb)
{
    close_env(lmdb);
    return open_env_fitting(lmdb, lmdb->map_bytes);
}

static void end_read(struct lmdb *lmdb)
{
    if (lmdb->held)
        return;
    if (lmdb->read_active)
        mdb_txn_reset(lmdb->read);
    lmdb->read_active = false;
}

static int begin_read(struct lmdb *lmdb)
{
    if (!lmdb->env)
        return MDB_PANIC;
    return lmdb->read ? mdb_txn_renew(lmdb->read)
                      : mdb_txn_begin(lmdb->env, NULL, MDB_RDONLY, &lmdb->read);
}

/* The transaction to read in: the open group, or a short one that ends with rest(). */
static int reading(struct lmdb *lmdb, MDB_txn **ret, struct err *err)
{
    int rc = 0;
    if (!lmdb->write && !lmdb->read_active) {
        rc = begin_read(lmdb);
        /* RESIZED: the writer's map has grown beyond ours. */
        if (rc == MDB_MAP_RESIZED || rc == MDB_PANIC) {
            rc = revive(lmdb);
            if (rc == 0)
                rc = begin_read(lmdb);
        }
        lmdb->read_active = rc == 0;
    }
    if (rc != 0)
        return err_from_mdb(err, rc, "begin to read");
    *ret = lmdb->write ? lmdb->write : lmdb->read;
    return 0;
}

static int lmdb_begin(struct backend *backend, struct err *err)
{
    struct lmdb *lmdb = lmdb_of(backend);
    if (lmdb->write)
        return 0;
    end_read(lmdb);
    lmdb->redo.size = 0;
    int rc = lmdb->env ? mdb_txn_begin(lmdb->env, NULL, 0, &lmdb->write) : MDB_PANIC;
    if (rc == MDB_PANIC) {
        rc = revive(lmdb);
        if (rc == 0)
            rc = mdb_txn_begin(lmdb->env, NULL, 0, &lmdb->write);
    }
    if (rc == 0)
        return 0;
    lmdb->write = NULL;
    return err_from_mdb(err, rc, "begin to write");
}

/* LMDB says EIO when a write is cut short, which is how a disk fills up. */
static int explain_eio(const struct lmdb *lmdb, int rc)
{
    enum { NEARLY_FULL_BYTES = 16 << 20 };
    struct statvfs info;
    if (rc == EIO && statvfs(lmdb->path, &info) == 0 &&
        (uint64_t)info.f_bavail * info.f_frsize < NEARLY_FULL_BYTES)
        return ENOSPC;
    return rc;
}

/* A large group's list is not kept for the small ones that follow. */
static void redo_forget(struct lmdb *lmdb)
{
    enum { KEEP_BYTES = 1 << 20 };
    lmdb->redo.size = 0;
    if (lmdb->redo.capacity > KEEP_BYTES)
        buf_done(&lmdb->redo);
}

static int lmdb_commit(struct backend *backend, struct err *err)
{
    struct lmdb *lmdb = lmdb_of(backend);
    int rc = 0;
    if (lmdb->write) {
        rc = mdb_txn_commit(lmdb->write); /* frees it even when it fails */
        lmdb->write = NULL;
        while (rc == MDB_MAP_FULL && may_grow(lmdb)) {
            rc = grow(lmdb);
            if (rc != 0)
                break;
            rc = mdb_txn_commit(lmdb->write);
            lmdb->write = NULL;
        }
    }
    redo_forget(lmdb);
    return rc != 0 ? err_from_mdb(err, explain_eio(lmdb, rc), "commit") : 0;
}

static void lmdb_abort(struct backend *backend)
{
    struct lmdb *lmdb = lmdb_of(backend);
    if (lmdb->write)
        mdb_txn_abort(lmdb->write);
    lmdb->write = NULL;
    redo_forget(lmdb);
}

/* ---- reading ---- */

static int lmdb_get(struct backend *backend, enum table table, struct span key,
                    struct span *ret, struct err *err)
{
    struct lmdb *lmdb = lmdb_of(backend);
    MDB_val k = {key.size, (void *)(uintptr_t)key.data}, v;
    MDB_txn *txn;
    int rc = reading(lmdb, &txn, err);
    if (rc != 0)
        return rc;
    if (!lmdb->is_there[table])
        return ERR_NOT_FOUND;
    rc = mdb_get(txn, lmdb->tables[table], &k, &v);
    if (rc == MDB_NOTFOUND)
        return ERR_NOT_FOUND;
    if (rc != 0)
        return err_from_mdb(err, rc, "read");
    *ret = (struct span){v.mv_data, v.mv_size};
    return 0;
}

/* Place a cursor once and read there. */
static int look(struct lmdb *lmdb, enum table table, MDB_cursor_op op, bool after, MDB_val *key,
                MDB_val *value, struct err *err)
{
    MDB_txn *txn;
    MDB_cursor *cursor;
    MDB_val wanted = *key;
    int rc = reading(lmdb, &txn, err);
    if (rc != 0)
        return rc;
    if (!lmdb->is_there[table])
        return ERR_NOT_FOUND;
    rc = mdb_cursor_open(txn, lmdb->tables[table], &cursor);
    if (rc != 0)
        return err_from_mdb(err, rc, "open a cursor");
    rc = mdb_cursor_get(cursor, key, value, op);
    if (rc == 0 && after && key->mv_size == wanted.mv_size &&
        memcmp(key->mv_data, wanted.mv_data, wanted.mv_size) == 0)
        rc = mdb_cursor_get(cursor, key, value, MDB_NEXT);
    mdb_cursor_close(cursor);
    if (rc == MDB_NOTFOUND)
        return ERR_NOT_FOUND;
    return rc != 0 ? err_from_mdb(err, rc, "walk") : 0;
}

static int lmdb_seek(struct backend *backend, enum table table, struct span key, bool after,
                     struct span *ret_key, struct span *ret_value, struct err *err)
{
    MDB_val k = {key.size, (void *)(uintptr_t)key.data}, v;
    /* LMDB has no empty keys: an empty one means the beginning. */
    int rc = look(lmdb_of(backend), table, key.size ? MDB_SET_RANGE : MDB_FIRST,
                  after && key.size > 0, &k, &v, err);
    if (rc == 0) {
        *ret_key = (struct span){k.mv_data, k.mv_size};
        *ret_value = (struct span){v.mv_data, v.mv_size};
    }
    return rc;
}

static int lmdb_last(struct backend *backend, enum table table, struct span *ret_key,
                     struct err *err)
{
    MDB_val k = {0, NULL}, v;
    int rc = look(lmdb_of(backend), table, MDB_LAST, false, &k, &v, err);
    if (rc == 0)
        *ret_key = (struct span){k.mv_data, k.mv_size};
    return rc;
}

static void lmdb_rest(struct backend *backend)
{
    end_read(lmdb_of(backend));
}

static void lmdb_hold(struct backend *backend, bool hold)
{
    struct lmdb *lmdb = lmdb_of(backend);
    lmdb->held = false;
    end_read(lmdb); /* begin with what is committed now */
    lmdb->held = hold;
}

static int lmdb_copy(struct backend *backend, const char *folder, struct err *err)
{
    struct lmdb *lmdb = lmdb_of(backend);
    MDB_txn *txn;
    if (lmdb->write)
        return err_set(err, ERR_INVALID, "a group is open");
    int rc = reading(lmdb, &txn, err); /* opens the environment again where it must */
    if (rc != 0)
        return rc;
    end_read(lmdb);
    rc = mdb_env_copy2(lmdb->env, folder, MDB_CP_COMPACT);
    return rc != 0 ? err_from_mdb(err, explain_eio(lmdb, rc), "copy") : 0;
}

/* ---- writing ---- */

static int lmdb_put(struct backend *backend, enum table table, struct span key,
                    const struct span *parts, size_t n_parts, bool append, struct err *err)
{
    struct lmdb *lmdb = lmdb_of(backend);
    struct redo_head head = {
        .key_size = (uint32_t)key.size, .table = (uint8_t)table, .append = append};
    for (size_t i = 0; i < n_parts; i++)
        head.value_size += parts[i].size;
    if (!lmdb->write)
        return err_set(err, ERR_IO, "no group is open");
    int rc = put_raw(lmdb, table, key, parts, n_parts, append);
    while (rc == MDB_MAP_FULL && may_grow(lmdb)) {
        rc = grow(lmdb);
        if (rc != 0)
            break;
        rc = put_raw(lmdb, table, key, parts, n_parts, append);
    }
    if (rc != 0)
        return err_from_mdb(err, rc, "write");
    redo_note(lmdb, &head, key, parts, n_parts);
    return 0;
}

static int lmdb_erase(struct backend *backend, enum table table, struct span key,
                      struct err *err)
{
    struct lmdb *lmdb = lmdb_of(backend);
    struct redo_head head = {
        .key_size = (uint32_t)key.size, .table = (uint8_t)table, .erase = 1};
    if (!lmdb->write)
        return err_set(err, ERR_IO, "no group is open");
    int rc = erase_raw(lmdb, table, key);
    while (rc == MDB_MAP_FULL && may_grow(lmdb)) {
        rc = grow(lmdb);
        if (rc != 0)
            break;
        rc = erase_raw(lmdb, table, key);
    }
    if (rc == MDB_NOTFOUND)
        return ERR_NOT_FOUND;
    if (rc != 0)
        return err_from_mdb(err, rc, "erase");
    redo_note(lmdb, &head, key, NULL, 0);
    return 0;
}

/* Key by key, so that the list of operations knows only two kinds. */
static int lmdb_clear(struct backend *backend, enum table table, struct err *err)
{
    struct span key, value;
    int rc;
    while ((rc = lmdb_seek(backend, table, (struct span){NULL, 0}, false, &key, &value, err)) ==
           0) {
        uint8_t copy[512]; /* LMDB's keys have at most 511 bytes */
        assert(key.size <= sizeof copy);
        memcpy(copy, key.data, key.size);
        rc = lmdb_erase(backend, table, (struct span){copy, key.size}, err);
        if (rc != 0)
            return rc;
    }
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

/* ---- open and close ---- */

static void lmdb_close(struct backend *backend)
{
    struct lmdb *lmdb = lmdb_of(backend);
    close_env(lmdb);
    folder_close(&lmdb->folder);
    buf_done(&lmdb->redo);
    free(lmdb->path);
    free(lmdb);
}

/* LMDB keeps the pages of an open group in memory that it allocates and frees page by page. By
 * default glibc gives that back to the kernel after every commit, and every group faults it in
 * again: a quarter of the time of a put. Concerns the whole process, in its speed alone. */
static void keep_heap(void)
{
    enum { TRIM_BYTES = 64 << 20, MMAP_BYTES = 1 << 20 /* above a row, below large buffers */ };
    (void)mallopt(M_TRIM_THRESHOLD, TRIM_BYTES);
    (void)mallopt(M_MMAP_THRESHOLD, MMAP_BYTES);
}

static int refuse_missing(const struct lmdb *lmdb, struct err *err)
{
    char name[4200];
    struct stat info;
    (void)snprintf(name, sizeof name, "%s/data.mdb", lmdb->path);
    if (lmdb->mode == STORE_WRITE || stat(name, &info) == 0)
        return 0;
    return err_errno(err, errno, "open '%s'", name);
}

int backend_open_lmdb(const char *path, enum store_mode mode, size_t map_bytes,
                      struct backend **ret, struct err *err)
{
    static const struct backend_ops ops = {
        .begin = lmdb_begin,
        .commit = lmdb_commit,
        .abort = lmdb_abort,
        .get = lmdb_get,
        .seek = lmdb_seek,
        .last = lmdb_last,
        .put = lmdb_put,
        .erase = lmdb_erase,
        .clear = lmdb_clear,
        .rest = lmdb_rest,
        .hold = lmdb_hold,
        .copy = lmdb_copy,
        .close = lmdb_close,
    };
    struct lmdb *lmdb = mem_new(1, sizeof *lmdb);
    lmdb->base.ops = &ops;
    lmdb->path = mem_text(path);
    lmdb->mode = mode;
    lmdb->folder.lock_fd = -1;
    int rc = folder_open(path, mode, &lmdb->folder, err);
    if (rc == 0)
        rc = refuse_missing(lmdb, err);
    if (rc == 0) {
        bool fresh = data_bytes(lmdb) == 0;
        if (mode == STORE_WRITE)
            keep_heap();
        int mdb = open_env_fitting(lmdb, map_bytes ? map_bytes : map_bytes_wanted());
        if (mdb != 0)
            rc = err_from_mdb(err, mdb, "open the database");
        else if (fresh && mode == STORE_WRITE)
            rc = folder_sync(path, err);
    }
    if (rc != 0) {
        lmdb_close(&lmdb->base);
        return rc;
    }
    *ret = &lmdb->base;
    return 0;
}

/* ---- compacting ---- */

/* The copy has as many entries in every table. */
static int compare_copy(struct lmdb *lmdb, const char *folder, struct err *err)
{
    struct lmdb copy = {.path = (char *)(uintptr_t)folder, .mode = STORE_READ};
    int rc = open_env_fitting(&copy, map_bytes_wanted());
    if (rc == 0)
        rc = begin_read(&copy);
    if (rc == 0)
        rc = begin_read(lmdb);
    for (int i = 0; rc == 0 && i < TABLE_COUNT; i++) {
        MDB_stat a = {0}, b = {0};
        rc = mdb_stat(lmdb->read, lmdb->tables[i], &a);
        if (rc == 0 && copy.is_there[i])
            rc = mdb_stat(copy.read, copy.tables[i], &b);
        if (rc == 0 && a.ms_entries != b.ms_entries)
            rc = MDB_CORRUPTED;
    }
    close_env(&copy);
    return rc != 0 ? err_from_mdb(err, rc, "check the copy") : 0;
}

/* With our own environment closed, nobody may hold LMDB's lock. Readers that come now wait
 * until *ret_fd is closed. */
static int lock_readers_out(const char *name, int *ret_fd, struct err *err)
{
    struct flock wish = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    *ret_fd = open(name, O_RDWR | O_CLOEXEC);
    if (*ret_fd < 0)
        return err_errno(err, errno, "open '%s'", name);
    if (fcntl(*ret_fd, F_SETLK, &wish) == 0)
        return 0;
    if (errno != EACCES && errno != EAGAIN)
        return err_errno(err, errno, "lock '%s'", name);
    (void)err_set(err, ERR_BUSY, "somebody reads the store");
    return err_hint(err, "wait until other commands on this store have ended");
}

/* Old readers keep the old file and the old lock file; the new one begins without. */
static int take_place(struct lmdb *lmdb, const struct copy_names *names, struct err *err)
{
    char lock[COPY_PATH_SIZE];
    cleanup(close_fd) int fd = -1;
    (void)snprintf(lock, sizeof lock, "%s/lock.mdb", lmdb->path);
    close_env(lmdb);
    int rc = lock_readers_out(lock, &fd, err);
    if (rc == 0)
        rc = copy_take_place(lmdb->path, names, err);
    if (rc == 0 && unlink(lock) != 0)
        rc = err_errno(err, errno, "remove '%s'", lock);
    return rc;
}

int backend_compact_lmdb(const char *path, uint64_t *ret_before, uint64_t *ret_after,
                         struct err *err)
{
    struct backend *backend;
    struct copy_names names;
    struct stat info;
    if (strlen(path) >= COPY_PATH_SIZE - 64)
        return err_set(err, ERR_INVALID, "a path of %zu bytes", strlen(path));
    copy_names(path, &names);
    if (stat(names.to, &info) != 0)
        return err_errno(err, errno, "look at '%s'", names.to);
    int rc = backend_open_lmdb(path, STORE_WRITE, 0, &backend, err);
    if (rc != 0)
        return rc;
    struct lmdb *lmdb = lmdb_of(backend);
    *ret_before = (uint64_t)data_bytes(lmdb);
    rc = copy_make(backend, &names, err);
    if (rc == 0)
        rc = compare_copy(lmdb, names.folder, err);
    if (rc == 0)
        rc = take_place(lmdb, &names, err);
    if (rc != 0)
        copy_forget(&names);
    *ret_after = (uint64_t)data_bytes(lmdb);
    lmdb_close(backend);
    return rc;
}
