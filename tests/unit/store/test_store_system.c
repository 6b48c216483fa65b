/* What is left when the n-th call of LMDB or of the system fails below a store on disk, for
 * every n until a run passes untouched? The linker puts the functions below between the store
 * and what it calls (--wrap). */
#include "tests/support/cmocka.h"

#include "common/mem.h"
#include "store/backend.h"
#include "store/folder.h"
#include "tests/support/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { MAP_BYTES = 1 << 20, LARGE_BYTES = 600 << 10, CALLS_MAX = 20000 };

/* ---- calls that fail ---- */

static struct {
    uint64_t calls, fail_at; /* 0: never */
    int code;                /* errno, or below 0 one of LMDB's */
    long remote;             /* not 0: what statfs says of every file system */
    bool nearly_full;        /* what statvfs says */
} plan;

static bool fails(void)
{
    return ++plan.calls == plan.fail_at;
}

static int system_fails(void)
{
    errno = plan.code > 0 ? plan.code : EIO;
    return -1;
}

#define WRAP(name, parameters, arguments)                                                      \
    int __real_##name parameters;                                                              \
    int __wrap_##name parameters;                                                              \
    int __wrap_##name parameters                                                               \
    {                                                                                          \
        return fails() ? plan.code : __real_##name arguments;                                  \
    }
#define WRAP_SYSTEM(name, parameters, arguments)                                               \
    int __real_##name parameters;                                                              \
    int __wrap_##name parameters;                                                              \
    int __wrap_##name parameters                                                               \
    {                                                                                          \
        return fails() ? system_fails() : __real_##name arguments;                             \
    }

WRAP(mdb_env_create, (MDB_env * *env), (env))
WRAP(mdb_env_set_maxdbs, (MDB_env * env, MDB_dbi n), (env, n))
WRAP(mdb_env_set_mapsize, (MDB_env * env, size_t size), (env, size))
WRAP(mdb_env_get_fd, (MDB_env * env, mdb_filehandle_t *fd), (env, fd))
WRAP(mdb_reader_check, (MDB_env * env, int *dead), (env, dead))
WRAP(mdb_txn_begin, (MDB_env * env, MDB_txn *parent, unsigned flags, MDB_txn **txn),
     (env, parent, flags, txn))
WRAP(mdb_txn_renew, (MDB_txn * txn), (txn))
WRAP(mdb_dbi_open, (MDB_txn * txn, const char *name, unsigned flags, MDB_dbi *dbi),
     (txn, name, flags, dbi))
WRAP(mdb_get, (MDB_txn * txn, MDB_dbi dbi, MDB_val *key, MDB_val *value),
     (txn, dbi, key, value))
WRAP(mdb_put, (MDB_txn * txn, MDB_dbi dbi, MDB_val *key, MDB_val *value, unsigned flags),
     (txn, dbi, key, value, flags))
WRAP(mdb_del, (MDB_txn * txn, MDB_dbi dbi, MDB_val *key, MDB_val *value),
     (txn, dbi, key, value))
WRAP(mdb_cursor_open, (MDB_txn * txn, MDB_dbi dbi, MDB_cursor **cursor), (txn, dbi, cursor))
WRAP(mdb_cursor_get, (MDB_cursor * cursor, MDB_val *key, MDB_val *value, MDB_cursor_op op),
     (cursor, key, value, op))
WRAP(mdb_env_copy2, (MDB_env * env, const char *path, unsigned flags), (env, path, flags))
WRAP(mdb_stat, (MDB_txn * txn, MDB_dbi dbi, MDB_stat *stat), (txn, dbi, stat))

/* No power fails here. */
int __real_mdb_env_open(MDB_env *env, const char *path, unsigned flags, mdb_mode_t mode);
int __wrap_mdb_env_open(MDB_env *env, const char *path, unsigned flags, mdb_mode_t mode);
int __wrap_mdb_env_open(MDB_env *env, const char *path, unsigned flags, mdb_mode_t mode)
{
    return fails() ? plan.code : __real_mdb_env_open(env, path, flags | MDB_NOSYNC, mode);
}

/* It frees the transaction whether it fails or not. */
int __real_mdb_txn_commit(MDB_txn *txn);
int __wrap_mdb_txn_commit(MDB_txn *txn);
int __wrap_mdb_txn_commit(MDB_txn *txn)
{
    if (!fails())
        return __real_mdb_txn_commit(txn);
    mdb_txn_abort(txn);
    return plan.code;
}

struct stat64;
struct statfs64;
struct statvfs64;
WRAP_SYSTEM(mkdir, (const char *path, mode_t mode), (path, mode))
WRAP_SYSTEM(rename, (const char *from, const char *to), (from, to))
WRAP_SYSTEM(unlink, (const char *path), (path))
WRAP_SYSTEM(fsync, (int fd), (fd))
WRAP_SYSTEM(stat64, (const char *path, struct stat64 *ret), (path, ret))

int __real_statfs64(const char *path, struct statfs *ret);
int __wrap_statfs64(const char *path, struct statfs *ret);
int __wrap_statfs64(const char *path, struct statfs *ret)
{
    int rc = fails() ? system_fails() : __real_statfs64(path, ret);
    if (plan.remote)
        ret->f_type = plan.remote;
    return rc;
}

int __real_statvfs64(const char *path, struct statvfs *ret);
int __wrap_statvfs64(const char *path, struct statvfs *ret);
int __wrap_statvfs64(const char *path, struct statvfs *ret)
{
    int rc = fails() ? system_fails() : __real_statvfs64(path, ret);
    if (plan.nearly_full)
        ret->f_bavail = 1;
    return rc;
}

int __real_open64(const char *path, int flags, mode_t mode);
int __wrap_open64(const char *path, int flags, mode_t mode);
int __wrap_open64(const char *path, int flags, mode_t mode)
{
    return fails() ? system_fails() : __real_open64(path, flags, mode);
}

int __real_fcntl64(int fd, int command, void *argument);
int __wrap_fcntl64(int fd, int command, void *argument);
int __wrap_fcntl64(int fd, int command, void *argument)
{
    return fails() ? system_fails() : __real_fcntl64(fd, command, argument);
}

/* ---- everything that a store does ---- */

enum stage { STAGE_BEGIN, STAGE_FIRST, STAGE_SECOND, STAGE_END };

static struct hash id_of(const char *text)
{
    return hash_bytes(span_text(text));
}

static int open_small(const char *path, enum store_mode mode, struct store **ret,
                      struct err *err)
{
    struct backend *backend;
    int rc = backend_open_lmdb(path, mode, MAP_BYTES, &backend, err);
    return rc == 0 ? store_from_backend(backend, mode, ret, err) : rc;
}

static int append_event(struct store *store, struct err *err)
{
    struct buf event = {0};
    struct pack pack;
    pack_init(&pack, &event);
    pack_map(&pack, 1);
    pack_key(&pack, "event");
    pack_text(&pack, "happened");
    int rc = store_append_event(store, buf_span(&event), NULL, err);
    buf_done(&event);
    return rc;
}

/* More than the map has room for, so that it grows in the middle of the group. */
static int put_large(struct store *store, uint32_t number, struct err *err)
{
    struct buf large = {0};
    for (uint32_t i = number << 24; large.size < LARGE_BYTES; i++)
        buf_append(&large, &i, sizeof i);
    int rc = store_put(store, "large", buf_span(&large), NULL, err);
    buf_done(&large);
    return rc;
}

static int first_group(struct store *store, struct err *err)
{
    struct hash id = id_of("small");
    struct output output = {.id = id, .size = strlen("small"), .type = "text"};
    struct result result = {.action = id_of("action"), .outputs = &output, .n_outputs = 1};
    int rc = store_put(store, "text", span_text("small"), NULL, err);
    if (rc == 0)
        rc = store_put_ref(store, "roots/passing", &id, err);
    for (uint32_t i = 0; rc == 0 && i < 3; i++)
        rc = put_large(store, i, err);
    if (rc == 0)
        rc = store_put_result(store, &result, err);
    if (rc == 0)
        rc = store_put_ref(store, "roots/small", &id, err);
    if (rc == 0)
        rc = append_event(store, err);
    return rc == 0 ? store_commit(store, err) : rc;
}

static int second_group(struct store *store, struct err *err)
{
    struct store_gc *gc = NULL;
    struct hash small = id_of("small"), action = id_of("action");
    bool over = false;
    int rc = store_delete_ref(store, "roots/passing", err);
    if (rc == 0 || rc == ERR_NOT_FOUND) /* done in a run before */
        rc = store_gc_begin(store, store_sequence(store), false, &gc, err);
    if (rc == 0) {
        store_gc_keep(gc, &small);
        store_gc_keep_result(gc, &action);
    }
    while (rc == 0 && !over)
        rc = store_gc_sweep(gc, 2, &over, err);
    store_gc_end(gc);
    return rc == 0 ? store_commit(store, err) : rc;
}

static int visit_info(void *context, const struct store_info *info)
{
    (void)info;
    ++*(int *)context;
    return 0;
}

static void no_finding(void *context, const char *sentence)
{
    (void)context;
    fail_msg("call %llu fails: %s", (unsigned long long)plan.fail_at, sentence);
}

static int read_all(struct store *store, struct err *err)
{
    struct buf bytes = {0};
    struct store_check check;
    struct result result = {0};
    struct hash small = id_of("small"), action = id_of("action"), ref;
    int objects = 0;
    int rc = store_get(store, &small, &bytes, err);
    if (rc == 0)
        rc = store_get_ref(store, "roots/small", &ref, err);
    if (rc == 0)
        rc = store_get_result(store, &action, &result, err);
    result_done(&result);
    if (rc == 0)
        rc = store_each_object(store, visit_info, &objects, err);
    if (rc == 0)
        rc = store_fsck(store, no_finding, NULL, &check, err);
    buf_done(&bytes);
    return rc;
}

static int write_all(const char *path, enum stage *ret_stage, struct err *err)
{
    struct store *store = NULL;
    uint64_t dropped;
    int rc = open_small(path, STORE_WRITE, &store, err);
    if (rc != 0)
        return rc;
    rc = first_group(store, err);
    if (rc == 0) {
        *ret_stage = STAGE_FIRST;
        rc = second_group(store, err);
    }
    if (rc == 0) {
        *ret_stage = STAGE_SECOND;
        rc = read_all(store, err);
    }
    if (rc == 0)
        rc = store_rebuild(store, &dropped, err);
    store_close(store);
    return rc;
}

static int copy_all(const char *path, struct err *err)
{
    struct store *store = NULL;
    char copy[TEST_FOLDER_SIZE + 64];
    uint64_t before, after;
    (void)snprintf(copy, sizeof copy, "%s-copy", path);
    test_folder_remove(copy);
    int rc = open_small(path, STORE_READ, &store, err);
    if (rc == 0)
        rc = read_all(store, err);
    if (rc == 0)
        rc = store_backup(store, copy, err);
    if (rc == 0)
        rc = store_compact(path, &before, &after, err) == ERR_BUSY /* we have it open */
                 ? 0
                 : err_set(err, ERR_IO, "compacted while it is open");
    store_close(store);
    if (rc == 0)
        rc = store_compact(path, &before, &after, err);
    return rc;
}

static int run(const char *path, enum stage *ret_stage, struct err *err)
{
    *ret_stage = STAGE_BEGIN;
    int rc = write_all(path, ret_stage, err);
    if (rc == 0)
        rc = copy_all(path, err);
    if (rc == 0)
        *ret_stage = STAGE_END;
    return rc;
}

/* ---- what must hold ---- */

static void check_whole(const char *path, enum stage stage)
{
    struct store *store;
    struct store_check check;
    struct err err;
    struct hash small = id_of("small"), action = id_of("action");
    struct result result = {0};
    if (store_open(path, STORE_WRITE, &store, &err) != 0 ||
        store_fsck(store, no_finding, NULL, &check, &err) != 0)
        fail_msg("call %llu fails: %s", (unsigned long long)plan.fail_at, err.text);
    assert_int_equal(check.damaged + check.dangling, 0);
    if (stage >= STAGE_FIRST) {
        assert_true(store_has(store, &small));
        assert_int_equal(store_get_result(store, &action, &result, NULL), 0);
        result_done(&result);
    }
    store_close(store);
}

/* False: there is no such call. */
static bool one_failure(const char *above, uint64_t call, int code)
{
    char path[TEST_FOLDER_SIZE + 32], copy[TEST_FOLDER_SIZE + 64];
    struct err err = {0};
    enum stage stage, end;
    (void)snprintf(path, sizeof path, "%s/a/store", above);
    (void)snprintf(copy, sizeof copy, "%s-copy", path);
    plan.calls = 0;
    plan.fail_at = call;
    plan.code = code;
    int rc = run(path, &stage, &err);
    bool failed = plan.calls >= call;
    plan.calls = CALLS_MAX; /* nothing fails any more */
    if (rc != 0 && (err.code != rc || err.text[0] == '\0'))
        fail_msg("call %llu fails with %d: %d without a sentence", (unsigned long long)call,
                 code, rc);
    check_whole(path, stage);
    if (run(path, &end, &err) != 0)
        fail_msg("after call %llu failed with %d: %s", (unsigned long long)call, code,
                 err.text);
    check_whole(path, end);
    test_folder_remove(path);
    test_folder_remove(copy);
    return failed;
}

/* Every fifth for the commonest error, every 23rd for those that have ways of their own. */
static void test_store__survives_a_failure_of_every_call_below(void **state)
{
    static const struct {
        int code;
        uint64_t stride;
    } rows[] = {{EIO, 5},        {ENOMEM, 23},       {EAGAIN, 23},
                {MDB_PANIC, 23}, {MDB_MAP_FULL, 23}, {MDB_MAP_RESIZED, 23}};
    char above[TEST_FOLDER_SIZE];
    (void)state;
    test_folder_new(above);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t call = 1 + i;
        while (one_failure(above, call, rows[i].code))
            call += rows[i].stride;
        assert_in_range(call, 200, CALLS_MAX);
    }
    test_folder_remove(above);
}

static void test_store__refuses_a_remote_file_system(void **state)
{
    char above[TEST_FOLDER_SIZE];
    struct store *store;
    struct err err;
    (void)state;
    test_folder_new(above);
    plan.remote = 0x6969;
    assert_int_equal(store_open(above, STORE_WRITE, &store, &err), ERR_UNSUPPORTED);
    assert_non_null(strstr(err.text, "is on a NFS file system"));
    plan.remote = 0;
    test_folder_remove(above);
}

/* LMDB says EIO when a write is cut short; where hardly any space is left it means a full disk.
 */
static void test_store__a_short_write_on_a_full_disk_is_no_broken_disk(void **state)
{
    char above[TEST_FOLDER_SIZE];
    struct store *store;
    struct err err;
    (void)state;
    test_folder_new(above);
    assert_int_equal(store_open(above, STORE_WRITE, &store, &err), 0);
    for (int full = 0; full < 2; full++) {
        assert_int_equal(store_put(store, "text", span_text("small"), NULL, &err), 0);
        plan.nearly_full = full;
        plan.code = EIO;
        plan.calls = 0;
        plan.fail_at = 1; /* the commit */
        assert_int_equal(store_commit(store, &err), full ? ERR_FULL : ERR_IO);
        assert_true(err.hint[0] != '\0');
    }
    plan.nearly_full = false;
    store_close(store);
    test_folder_remove(above);
}

static void test_store__stores_of_one_process_are_counted(void **state)
{
    enum { STORES = 64 };
    char above[TEST_FOLDER_SIZE], path[TEST_FOLDER_SIZE + 16];
    struct store *stores[STORES], *more;
    struct err err;
    (void)state;
    test_folder_new(above);
    for (int i = 0; i <= STORES; i++) {
        (void)snprintf(path, sizeof path, "%s/%d", above, i);
        assert_int_equal(open_small(path, STORE_WRITE, i < STORES ? &stores[i] : &more, &err),
                         i < STORES ? 0 : ERR_LIMIT);
    }
    for (int i = 0; i < STORES; i++)
        store_close(stores[i]);
    test_folder_remove(above);
}

static void test_store__impossible_paths_are_refused(void **state)
{
    char path[5000] = "";
    struct store *store;
    struct err err;
    uint64_t before, after;
    (void)state;
    assert_int_equal(store_open("", STORE_WRITE, &store, &err), ERR_INVALID);
    memset(path, 'x', sizeof path - 1);
    assert_int_equal(store_open(path, STORE_WRITE, &store, &err), ERR_INVALID);
    assert_int_equal(store_compact(path, &before, &after, &err), ERR_INVALID);
    store = store_open_memory();
    assert_int_equal(store_backup(store, path, &err), ERR_INVALID);
    store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_store__survives_a_failure_of_every_call_below),
        cmocka_unit_test(test_store__refuses_a_remote_file_system),
        cmocka_unit_test(test_store__a_short_write_on_a_full_disk_is_no_broken_disk),
        cmocka_unit_test(test_store__stores_of_one_process_are_counted),
        cmocka_unit_test(test_store__impossible_paths_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
