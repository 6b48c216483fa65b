/* What only the store on disk has to bear: other processes, full disks, small address spaces,
 * flipped bytes. */
#include "tests/support/cmocka.h"

#include "common/cleanup.h"
#include "common/mem.h"
#include "store/backend.h"
#include "store/folder.h"
#include "store/row.h"
#include "tests/support/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <linux/sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Address space limits and sanitizers' shadow memory do not go together. */
#if defined(__SANITIZE_ADDRESS__)
enum { SANITIZED = 1 };
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif
#else
enum { SANITIZED = 0 };
#endif

static int set_up(void **state)
{
    char *folder = mem_new(TEST_FOLDER_SIZE, 1);
    test_folder_new(folder);
    *state = folder;
    return 0;
}

static int tear_down(void **state)
{
    test_folder_remove(*state);
    free(*state);
    return 0;
}

static struct store *open_store(const char *folder, enum store_mode mode)
{
    struct store *store = NULL;
    struct err err = {0};
    if (store_open(folder, mode, &store, &err) != 0)
        print_message("%s\n", err.text);
    assert_non_null(store);
    return store;
}

static struct hash put_text(struct store *store, const char *text)
{
    struct hash id;
    assert_int_equal(store_put(store, "report", span_text(text), &id, NULL), 0);
    return id;
}

/* `size` bytes that depend on `seed`. */
static uint8_t *noise(size_t size, uint32_t seed)
{
    uint8_t *data = mem_new(size, 1);
    for (size_t i = 0; i < size; i++) {
        seed = seed * 1664525 + 1013904223;
        data[i] = (uint8_t)(seed >> 24);
    }
    return data;
}

static void assert_clean(struct store *store)
{
    struct store_check check;
    struct err err = {0};
    if (store_fsck(store, NULL, NULL, &check, &err) != 0)
        print_message("%s\n", err.text);
    assert_int_equal(check.damaged, 0);
    assert_int_equal(check.dangling, 0);
}

static double seconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* ---- one writer ---- */

struct child {
    pid_t pid;
    int from_child, to_child;
};

/* Run `main` in a child; it may write to its `out` and read from its `in`. */
static struct child start(int (*run)(const char *folder, int in, int out), const char *folder)
{
    int up[2], down[2];
    assert_int_equal(pipe(up), 0);
    assert_int_equal(pipe(down), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)close(up[0]);
        (void)close(down[1]);
        _exit(run(folder, down[0], up[1]));
    }
    (void)close(up[1]);
    (void)close(down[0]);
    return (struct child){pid, up[0], down[1]};
}

static char hear(const struct child *child)
{
    char word = '?';
    (void)!read(child->from_child, &word, 1);
    return word;
}

static int finish(struct child *child, int signal)
{
    int status = 0;
    if (signal)
        (void)kill(child->pid, signal);
    (void)close(child->to_child);
    (void)waitpid(child->pid, &status, 0);
    (void)close(child->from_child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int hold(const char *folder, int in, int out)
{
    struct store *store;
    char word;
    if (store_open(folder, STORE_WRITE, &store, NULL) != 0)
        return 1;
    (void)!write(out, "o", 1);
    (void)!read(in, &word, 1); /* until the test is done with us */
    store_close(store);
    return 0;
}

static void test_lmdb__second_writer_hears_who_has_it(void **state)
{
    struct child child = start(hold, *state);
    struct store *store = NULL;
    struct err err;
    char want[512], hint[64];
    assert_int_equal(hear(&child), 'o');
    assert_int_equal(store_open(*state, STORE_WRITE, &store, &err), ERR_BUSY);
    (void)snprintf(want, sizeof want, "store '%s': in use by process %ld", (char *)*state,
                   (long)child.pid);
    (void)snprintf(hint, sizeof hint, "(kill %ld)", (long)child.pid);
    assert_string_equal(err.text, want);
    assert_non_null(strstr(err.hint, hint));
    assert_null(store);
    /* kill -9 leaves lock files behind, but no lock */
    (void)finish(&child, SIGKILL);
    store_close(open_store(*state, STORE_WRITE));
}

static int hold_with_child(const char *folder, int in, int out)
{
    struct store *store;
    char word;
    if (store_open(folder, STORE_WRITE, &store, NULL) != 0)
        return 1;
    if (fork() == 0) { /* as a worker started by the broker */
        (void)!write(out, "o", 1);
        (void)!read(in, &word, 1);
        _exit(0);
    }
    (void)pause();
    return 0;
}

static void test_lmdb__forked_child_does_not_keep_the_lock(void **state)
{
    struct child child = start(hold_with_child, *state);
    int status;
    assert_int_equal(hear(&child), 'o');
    (void)kill(child.pid, SIGKILL);
    (void)waitpid(child.pid, &status, 0);
    store_close(open_store(*state, STORE_WRITE)); /* the grandchild still lives */
    (void)close(child.to_child);
    (void)close(child.from_child);
}

static void test_lmdb__one_environment_per_process(void **state)
{
    struct store *store = open_store(*state, STORE_WRITE), *second = NULL;
    struct err err;
    assert_int_equal(store_open(*state, STORE_READ, &second, &err), ERR_BUSY);
    assert_non_null(strstr(err.text, "already open in this process"));
    assert_int_equal(store_open(*state, STORE_WRITE, &second, &err), ERR_BUSY);
    /* the refused openings have not dropped the locks of the first */
    struct child child = start(hold, *state);
    assert_int_equal(hear(&child), '?');
    assert_int_equal(finish(&child, 0), 1);
    store_close(store);
    store_close(open_store(*state, STORE_READ));
    store_close(open_store(*state, STORE_WRITE));
}

static void test_lmdb__files_are_closed_on_exec(void **state)
{
    struct store *store = open_store(*state, STORE_WRITE);
    int checked = 0;
    DIR *folder = opendir("/proc/self/fd");
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder));) {
        char link[64], path[4096] = "";
        (void)snprintf(link, sizeof link, "/proc/self/fd/%.16s", entry->d_name);
        if (readlink(link, path, sizeof path - 1) <= 0 || !strstr(path, strrchr(*state, '/')))
            continue;
        assert_true(fcntl(atoi(entry->d_name), F_GETFD) & FD_CLOEXEC);
        checked++;
    }
    (void)closedir(folder);
    assert_int_equal(checked, 4); /* lock, lock.mdb, data.mdb twice */
    store_close(store);
}

/* ---- readers ---- */

static void test_lmdb__reader_needs_a_store(void **state)
{
    struct store *store = NULL;
    struct err err;
    char missing[TEST_FOLDER_SIZE + 16];
    (void)snprintf(missing, sizeof missing, "%s/none", (char *)*state);
    assert_int_equal(store_open(missing, STORE_READ, &store, &err), ERR_NOT_FOUND);
    assert_int_equal(access(missing, F_OK), -1); /* reading makes nothing */
    assert_int_equal(store_open(*state, STORE_READ, &store, &err), ERR_NOT_FOUND);
    (void)snprintf(missing, sizeof missing, "%s/a/b/c", (char *)*state);
    store_close(open_store(missing, STORE_WRITE)); /* writing makes folders */
    store = open_store(missing, STORE_READ);
    assert_int_equal(store_put(store, "report", span_text("x"), NULL, &err), ERR_UNSUPPORTED);
    assert_string_equal(err.text, "the store is open for reading only");
    store_close(store);
}

static int write_on_demand(const char *folder, int in, int out)
{
    struct store *store;
    char word;
    if (store_open(folder, STORE_WRITE, &store, NULL) != 0)
        return 1;
    (void)!write(out, "o", 1);
    while (read(in, &word, 1) == 1) {
        int rc = 0;
        if (word == 'p')
            rc = store_put(store, "report", span_text("from the writer"), NULL, NULL);
        else if (word == 'c')
            rc = store_commit(store, NULL);
        (void)!write(out, rc == 0 ? "k" : "x", 1);
    }
    store_close(store);
    return 0;
}

static char ask(const struct child *child, const char *word)
{
    (void)!write(child->to_child, word, 1);
    return hear(child);
}

static void test_lmdb__reader_sees_what_is_committed(void **state)
{
    struct child child = start(write_on_demand, *state);
    struct hash id = hash_bytes(span_text("from the writer"));
    assert_int_equal(hear(&child), 'o');
    struct store *reader = open_store(*state, STORE_READ);
    assert_false(store_has(reader, &id));
    assert_int_equal(ask(&child, "p"), 'k');
    assert_false(store_has(reader, &id));
    assert_int_equal(ask(&child, "c"), 'k');
    assert_true(store_has(reader, &id));
    assert_clean(reader);
    store_close(reader);
    assert_int_equal(finish(&child, 0), 0);
}

/* ---- the map ---- */

static struct store *open_small(const char *folder, enum store_mode mode, size_t map_bytes)
{
    struct backend *backend;
    struct store *store = NULL;
    assert_int_equal(backend_open_lmdb(folder, mode, map_bytes, &backend, NULL), 0);
    assert_int_equal(store_from_backend(backend, mode, &store, NULL), 0);
    return store;
}

static void test_lmdb__map_grows_under_an_open_group(void **state)
{
    enum { OBJECT = 700000, N = 40 };
    struct store *store = open_small(*state, STORE_WRITE, 1 << 20);
    struct hash ids[N];
    struct buf bytes = {0};
    struct hash small = put_text(store, "first of the group");
    assert_int_equal(store_put_ref(store, "small", &small, NULL), 0);
    for (uint32_t i = 0; i < N; i++) {
        uint8_t *data = noise(OBJECT, i);
        struct err err = {0};
        assert_int_equal(store_put(store, "blob", (struct span){data, OBJECT}, &ids[i], &err),
                         0);
        free(data);
        if (i == N / 2)
            assert_int_equal(store_delete_ref(store, "small", NULL), 0);
        if (i % 16 == 15)
            assert_int_equal(store_commit(store, NULL), 0);
        assert_int_equal(store_get(store, &ids[i / 2], &bytes, NULL), 0);
    }
    assert_int_equal(store_commit(store, NULL), 0);
    assert_clean(store);
    store_close(store);
    store = open_store(*state, STORE_READ);
    for (uint32_t i = 0; i < N; i++)
        assert_int_equal(store_get(store, &ids[i], &bytes, NULL), 0);
    assert_true(store_has(store, &small));
    assert_int_equal(store_get_ref(store, "small", &small, NULL), ERR_NOT_FOUND);
    store_close(store);
    buf_done(&bytes);
}

static int read_after_growth(const char *folder, int in, int out)
{
    struct store *store = open_small(folder, STORE_READ, 1 << 20);
    struct hash id = hash_bytes(span_text("small"));
    char word;
    bool before = store_has(store, &id);
    (void)!write(out, before ? "k" : "x", 1);
    (void)!read(in, &word, 1); /* the writer puts 8 MB now */
    id = hash_bytes(span_text("behind"));
    bool after = store_has(store, &id);
    store_close(store);
    return after ? 0 : 1;
}

static void test_lmdb__reader_follows_a_grown_map(void **state)
{
    struct store *store = open_small(*state, STORE_WRITE, 1 << 20);
    uint8_t *data = noise(8 << 20, 1);
    (void)put_text(store, "small");
    assert_int_equal(store_commit(store, NULL), 0);
    store_close(store);
    struct child child = start(read_after_growth, *state);
    assert_int_equal(hear(&child), 'k');
    store = open_small(*state, STORE_WRITE, 2 << 20);
    assert_int_equal(store_put(store, "blob", (struct span){data, 8 << 20}, NULL, NULL), 0);
    (void)put_text(store, "behind");
    assert_int_equal(store_commit(store, NULL), 0);
    assert_int_equal(finish(&child, 0), 0);
    store_close(store);
    free(data);
}

static int live_in_little_space(const char *folder, int in, int out)
{
    enum { OBJECT = 1 << 20, N = 60 };
    struct rlimit limit = {512u << 20, 512u << 20};
    struct store *store = NULL;
    struct err err = {0};
    (void)in;
    (void)out;
    if (setrlimit(RLIMIT_AS, &limit) != 0)
        return 77;
    int rc = store_open(folder, STORE_WRITE, &store, &err);
    for (uint32_t i = 0; rc == 0 && i < N; i++) {
        uint8_t *data = noise(OBJECT, i);
        rc = store_put(store, "blob", (struct span){data, OBJECT}, NULL, &err);
        if (rc == 0)
            rc = store_commit(store, &err);
        free(data);
    }
    if (rc != 0)
        (void)fprintf(stderr, "%s\n", err.text);
    store_close(store);
    return rc != 0;
}

static void test_lmdb__lives_with_few_addresses(void **state)
{
    if (SANITIZED) {
        print_message("left out: sanitizers need more addresses\n");
        skip();
    }
    struct child child = start(live_in_little_space, *state);
    assert_int_equal(finish(&child, 0), 0);
    struct store *store = open_store(*state, STORE_WRITE);
    struct store_check check;
    assert_int_equal(store_fsck(store, NULL, NULL, &check, NULL), 0);
    assert_int_equal(check.objects, 60);
    store_close(store);
}

/* ---- full disk ---- */

static size_t data_size(const char *folder)
{
    char path[TEST_FOLDER_SIZE + 16];
    struct stat info;
    (void)snprintf(path, sizeof path, "%s/data.mdb", folder);
    return stat(path, &info) == 0 ? (size_t)info.st_size : 0;
}

/* The file may grow by a few more pages each time, so that every place where a commit writes is
 * once the one that fails. */
static int fill_disk(const char *folder, int in, int out)
{
    enum { OBJECT = 100000 };
    struct rlimit limit;
    struct store *store = NULL;
    struct buf bytes = {0};
    (void)in;
    (void)out;
    (void)signal(SIGXFSZ, SIG_IGN);
    if (getrlimit(RLIMIT_FSIZE, &limit) != 0 ||
        store_open(folder, STORE_WRITE, &store, NULL) != 0)
        return 1;
    struct hash kept = put_text(store, "kept");
    if (store_commit(store, NULL) != 0)
        return 2;
    int failures = 0;
    for (uint32_t room = 0; room < 40; room++) {
        struct err err = {0};
        struct hash id;
        uint8_t *data = noise(OBJECT, room);
        limit.rlim_cur = data_size(folder) + room * 4096;
        (void)setrlimit(RLIMIT_FSIZE, &limit);
        int rc = store_put(store, "blob", (struct span){data, OBJECT}, &id, &err);
        if (rc == 0)
            rc = store_commit(store, &err);
        free(data);
        failures += rc != 0;
        if (rc != 0 && rc != ERR_FULL && rc != ERR_IO) /* IO: a write that was cut short */
            return 3;
        if (store_has(store, &id) != (rc == 0) || store_get(store, &kept, &bytes, NULL) != 0)
            return 4;
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_FSIZE, &limit);
        char text[32];
        (void)snprintf(text, sizeof text, "goes on %u", room);
        (void)put_text(store, text);
        if (store_commit(store, NULL) != 0)
            return 5;
    }
    struct store_check check;
    if (store_fsck(store, NULL, NULL, &check, NULL) != 0 || check.damaged || check.dangling)
        return 6;
    store_close(store);
    buf_done(&bytes);
    return failures > 10 && failures < 40 ? 0 : 7;
}

static void test_lmdb__full_disk_loses_nothing(void **state)
{
    struct child child = start(fill_disk, *state);
    assert_int_equal(finish(&child, 0), 0);
    struct store *store = open_store(*state, STORE_READ);
    assert_clean(store);
    store_close(store);
}

static void write_file(const char *path, const char *text)
{
    cleanup(close_fd) int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd >= 0)
        (void)!write(fd, text, strlen(text));
}

/* A file system of 6 MB over `folder`, in namespaces of this process; false when not allowed.
 */
static bool mount_small_disk(const char *folder)
{
    char uid[32], gid[32];
    (void)snprintf(uid, sizeof uid, "0 %d 1", (int)geteuid());
    (void)snprintf(gid, sizeof gid, "0 %d 1", (int)getegid());
    if (syscall(SYS_unshare, CLONE_NEWUSER | CLONE_NEWNS) != 0)
        return false;
    write_file("/proc/self/uid_map", uid);
    write_file("/proc/self/setgroups", "deny");
    write_file("/proc/self/gid_map", gid);
    return mount("tmpfs", folder, "tmpfs", 0, "size=6m") == 0;
}

static int live_on_a_small_disk(const char *folder, int in, int out)
{
    enum { OBJECT = 300000, LEFT_OUT = 77 };
    struct store *store = NULL;
    struct err err = {0};
    struct buf bytes = {0};
    struct hash ids[64];
    int n = 0, rc = 0;
    (void)in;
    (void)out;
    if (!mount_small_disk(folder))
        return LEFT_OUT;
    if (store_open(folder, STORE_WRITE, &store, NULL) != 0)
        return 1;
    while (rc == 0 && n < 64) {
        uint8_t *data = noise(OBJECT, (uint32_t)n);
        rc = store_put(store, "blob", (struct span){data, OBJECT}, &ids[n], &err);
        if (rc == 0)
            rc = store_commit(store, &err);
        free(data);
        n += rc == 0;
    }
    if (rc != ERR_FULL || !strstr(err.hint, "free some space") || n < 10)
        return 2;
    for (int i = 0; i < n; i++)
        if (store_get(store, &ids[i], &bytes, NULL) != 0)
            return 3;
    if (store_has(store, &ids[n]) || mount("tmpfs", folder, NULL, MS_REMOUNT, "size=9m") != 0)
        return 4;
    (void)put_text(store, "there is room again");
    struct store_check check;
    if (store_commit(store, &err) != 0 || store_fsck(store, NULL, NULL, &check, NULL) != 0 ||
        check.damaged + check.dangling > 0 || check.objects != (uint64_t)n + 1)
        return 5;
    store_close(store);
    buf_done(&bytes);
    return 0;
}

static void test_lmdb__disk_of_six_megabytes(void **state)
{
    struct child child = start(live_on_a_small_disk, *state);
    int rc = finish(&child, 0);
    if (rc == 77) {
        print_message("left out: no mount namespaces here\n");
        skip();
    }
    assert_int_equal(rc, 0);
}

/* Replace one of the files of the database by /dev/full: writing gives ENOSPC, syncing EINVAL.
 */
static int break_file(int number, int *ret_saved)
{
    char link[64], path[4096];
    for (int fd = 3; fd < 64; fd++) {
        (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t n = readlink(link, path, sizeof path - 1);
        if (n <= 0)
            continue;
        path[n] = '\0';
        if (!strstr(path, "data.mdb") || number-- > 0)
            continue;
        cleanup(close_fd) int full = open("/dev/full", O_RDWR | O_CLOEXEC);
        *ret_saved = fcntl(fd, F_DUPFD_CLOEXEC, 64);
        if (full < 0 || *ret_saved < 0 || dup2(full, fd) != fd)
            return -1;
        return fd;
    }
    return -1;
}

static void test_lmdb__failed_commit_is_survived(void **state)
{
    struct store *store = open_store(*state, STORE_WRITE);
    struct hash kept = put_text(store, "kept");
    struct buf bytes = {0};
    assert_int_equal(store_commit(store, NULL), 0);
    for (int number = 0; number < 2; number++) { /* the pages' file, the meta page's file */
        struct err err = {0};
        struct hash id = put_text(store, number ? "meta" : "pages");
        int saved = -1, fd = break_file(number, &saved);
        assert_true(fd >= 0);
        int rc = store_commit(store, &err);
        assert_true(rc == ERR_FULL || rc == ERR_IO);
        assert_true(strlen(err.text) > 0);
        assert_int_equal(dup2(saved, fd), fd);
        (void)close(saved);
        assert_false(store_has(store, &id));
        assert_int_equal(store_get(store, &kept, &bytes, NULL), 0);
        (void)put_text(store, number ? "after meta" : "after pages");
        assert_int_equal(store_commit(store, &err), 0);
    }
    store_close(store);
    store = open_store(*state, STORE_WRITE);
    struct store_check check;
    assert_int_equal(store_fsck(store, NULL, NULL, &check, NULL), 0);
    assert_int_equal(check.objects, 3);
    assert_int_equal(check.damaged, 0);
    store_close(store);
    buf_done(&bytes);
}

/* ---- damage ---- */

struct findings {
    struct buf text;
};

static void note(void *context, const char *sentence)
{
    struct findings *findings = context;
    buf_print(&findings->text, "%s\n", sentence);
}

/* Flip one bit `offset` bytes behind the first appearance of `pattern` in the data file. */
static void flip(const char *folder, const char *pattern, size_t offset)
{
    char path[TEST_FOLDER_SIZE + 16];
    struct buf all = {0};
    (void)snprintf(path, sizeof path, "%s/data.mdb", folder);
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    uint8_t part[4096];
    for (size_t n; (n = fread(part, 1, sizeof part, file)) > 0;)
        buf_append(&all, part, n);
    size_t size = strlen(pattern), at = 0;
    while (at + size <= all.size && memcmp(all.data + at, pattern, size) != 0)
        at++;
    assert_true(at + size <= all.size);
    at += offset;
    assert_int_equal(fseek(file, (long)at, SEEK_SET), 0);
    assert_int_equal(fputc(all.data[at] ^ 0x10, file), all.data[at] ^ 0x10);
    (void)fclose(file);
    buf_done(&all);
}

static struct result result_of(struct hash output, uint64_t size)
{
    struct result result = {.action = hash_bytes(span_text("act")), .n_outputs = 1};
    result.outputs = mem_new(1, sizeof *result.outputs);
    result.outputs[0] = (struct output){output, size, "blob"};
    return result;
}

/* A large object with a result and a ref, and beside it a small one. */
static struct hash make_damage_case(const char *folder, const uint8_t *data, size_t size)
{
    struct store *store = open_store(folder, STORE_WRITE);
    struct hash id, small = put_text(store, "SMALL-OBJECT");
    assert_int_equal(store_put(store, "blob", (struct span){data, size}, &id, NULL), 0);
    struct result result = result_of(id, size);
    assert_int_equal(store_put_result(store, &result, NULL), 0);
    assert_int_equal(store_put_ref(store, "large", &id, NULL), 0);
    assert_int_equal(store_put_ref(store, "small", &small, NULL), 0);
    assert_int_equal(store_commit(store, NULL), 0);
    assert_clean(store);
    store_close(store);
    result_done(&result);
    return id;
}

/* Bytes of part of an object, as its rows lend them. */
static int append_part(void *context, struct span part)
{
    buf_append(context, part.data, part.size);
    return 0;
}

static int read_part(struct store *store, const struct hash *id, uint64_t offset, size_t size,
                     bool checked, struct buf *ret_bytes, struct err *err)
{
    ret_bytes->size = 0;
    return store_lend(store, id, offset, size, checked, append_part, ret_bytes, err);
}

static void test_lmdb__fsck_finds_a_flipped_bit(void **state)
{
    enum { SIZE = 3 * STORE_CHUNK_BYTES };
    uint8_t *data = noise(SIZE, 5);
    static const char mark[] = "MARK-IN-THE-SECOND-CHUNK";
    memcpy(data + STORE_CHUNK_BYTES + 1000, mark, sizeof mark - 1);
    struct hash id = make_damage_case(*state, data, SIZE);
    struct result result;
    struct findings findings = {0};
    struct buf bytes = {0};
    struct store_check check;
    struct err err;
    char hex[HASH_HEX_SIZE], want[256];
    uint64_t dropped;
    flip(*state, mark, 3);

    struct store *store = open_store(*state, STORE_WRITE);
    assert_int_equal(store_get(store, &id, &bytes, &err), ERR_CORRUPT);
    (void)snprintf(want, sizeof want, "object %s: row 3: wrong checksum", hash_hex(&id, hex));
    assert_string_equal(err.text, want);
    assert_int_equal(read_part(store, &id, STORE_CHUNK_BYTES, 10, true, &bytes, &err),
                     ERR_CORRUPT);
    assert_int_equal(read_part(store, &id, 0, 10, true, &bytes, &err),
                     0); /* that part is sound */
    assert_int_equal(read_part(store, &id, STORE_CHUNK_BYTES, 10, false, &bytes, &err), 0);
    assert_int_equal(store_fsck(store, note, &findings, &check, NULL), 0);
    assert_int_equal(check.damaged, 1);
    assert_int_equal(check.dangling, 0);
    buf_append(&findings.text, "", 1);
    (void)snprintf(want + strlen(want), sizeof want - strlen(want), "\n");
    assert_string_equal((char *)findings.text.data, want);

    /* rebuilding gives the object up, and with it what named it: then it may come again */
    assert_int_equal(store_rebuild(store, &dropped, NULL), 0);
    assert_int_equal(dropped, 3 + 1 + 1); /* rows, result, ref */
    assert_clean(store);
    struct hash action = hash_bytes(span_text("act"));
    assert_int_equal(store_get_result(store, &action, &result, NULL), ERR_NOT_FOUND);
    assert_int_equal(store_put(store, "blob", (struct span){data, SIZE}, NULL, NULL), 0);
    assert_int_equal(store_commit(store, NULL), 0);
    assert_int_equal(store_get(store, &id, &bytes, NULL), 0);
    assert_clean(store);
    store_close(store);
    buf_done(&bytes);
    buf_done(&findings.text);
    free(data);
}

/* Change the tables behind the store's back. */
struct tamper {
    enum table table;
    const char *key; /* hashed for ids, big-endian for sequences, as it is for names */
    uint64_t sequence;
    struct span value; /* NULL: erase */
};

static void tamper(const char *folder, const struct tamper *change)
{
    struct backend *backend;
    uint8_t sequence[SEQUENCE_SIZE];
    struct hash hash;
    struct span key = {sequence, sizeof sequence};
    sequence_key(change->sequence, sequence);
    if (change->key && (change->table == TABLE_OBJECTS || change->table == TABLE_RESULTS)) {
        hash = hash_bytes(span_text(change->key));
        key = (struct span){hash.bytes, HASH_SIZE};
    } else if (change->key) {
        key = span_text(change->key);
    }
    assert_int_equal(backend_open_lmdb(folder, STORE_WRITE, 0, &backend, NULL), 0);
    assert_int_equal(backend->ops->begin(backend, NULL), 0);
    if (change->value.data)
        assert_int_equal(
            backend->ops->put(backend, change->table, key, &change->value, 1, false, NULL), 0);
    else
        assert_int_equal(backend->ops->erase(backend, change->table, key, NULL), 0);
    assert_int_equal(backend->ops->commit(backend, NULL), 0);
    backend->ops->close(backend);
}

/* Sequences: 1 "one", 2 "two", 3 result of "act" -> one, 4 ref "name" -> one, 5 event. */
static void make_small_case(const char *folder)
{
    struct store *store = open_store(folder, STORE_WRITE);
    struct hash one = put_text(store, "one");
    (void)put_text(store, "two");
    struct result result = result_of(one, 3);
    assert_int_equal(store_put_result(store, &result, NULL), 0);
    assert_int_equal(store_put_ref(store, "name", &one, NULL), 0);
    assert_int_equal(store_append_event(store, span_text("\x80"), NULL, NULL), 0);
    assert_int_equal(store_commit(store, NULL), 0);
    store_close(store);
    result_done(&result);
}

#define ONE "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"
#define TWO "3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3"

static void test_lmdb__fsck_names_every_kind_of_damage(void **state)
{
    static const uint8_t junk[] = "junk";
    static const struct {
        struct tamper change;
        uint64_t damaged, dangling,
            dropped;           /* dropped: rows and refs that rebuilding gives up */
        const char *sentences; /* @: the id of the action */
    } cases[] = {
        {{TABLE_OBJECTS, "one", 0, {NULL, 0}},
         1,
         2,
         0,
         "row 1 is in no index\nresult of action @: output 0: no object " ONE
         "\nref 'name': no object " ONE "\n"},
        {{TABLE_OBJECTS, "two", 0, {NULL, 0}}, 1, 0, 0, "row 2 is in no index\n"},
        {{TABLE_OBJECTS, "two", 0, {junk, 4}},
         2,
         0,
         0,
         "index: index entry of 4 bytes\nrow 2 is in no index\n"},
        {{TABLE_JOURNAL, NULL, 1, {NULL, 0}}, 1, 0, 2, "object " ONE ": row 1 is missing\n"},
        {{TABLE_JOURNAL, NULL, 2, {junk, 4}},
         1,
         0,
         1,
         "object " TWO ": row 2: 4 bytes, less than a header\n"},
        {{TABLE_JOURNAL, NULL, 3, {NULL, 0}},
         1,
         0,
         0,
         "result of action @: row 3 is missing\n"},
        {{TABLE_RESULTS, "act", 0, {NULL, 0}}, 1, 0, 0, "row 3 is in no index\n"},
        {{TABLE_REFS, "name", 0, {junk, 4}}, 1, 0, 0, "ref 'name' has 4 bytes\n"},
        {{TABLE_JOURNAL, NULL, 5, {NULL, 0}}, 1, 0, 0, "event: row 5 is missing\n"},
        {{TABLE_EVENTS, NULL, 5, {NULL, 0}}, 1, 0, 0, "row 5 is in no index\n"},
        {{TABLE_JOURNAL, NULL, 6, {junk, 4}}, 1, 0, 1, "row 6: 4 bytes, less than a header\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char folder[TEST_FOLDER_SIZE + 16], hex[HASH_HEX_SIZE];
        struct findings findings = {0}, want = {0};
        struct store_check check;
        struct err err = {0};
        uint64_t dropped;
        struct hash action = hash_bytes(span_text("act"));
        (void)snprintf(folder, sizeof folder, "%s/%zu", (char *)*state, i);
        make_small_case(folder);
        tamper(folder, &cases[i].change);
        struct store *store = open_store(folder, STORE_WRITE);
        for (const char *c = cases[i].sentences; *c; c++)
            buf_print(&want.text, *c == '@' ? "%s" : "%.1s",
                      *c == '@' ? hash_hex(&action, hex) : c);
        assert_int_equal(store_fsck(store, note, &findings, &check, &err), 0);
        assert_string_equal(buf_text(&findings.text), buf_text(&want.text));
        assert_int_equal(check.damaged, cases[i].damaged);
        assert_int_equal(check.dangling, cases[i].dangling);
        assert_int_equal(store_rebuild(store, &dropped, &err), 0);
        assert_int_equal(dropped, cases[i].dropped);
        assert_clean(store);
        store_close(store);
        buf_done(&findings.text);
        buf_done(&want.text);
    }
}

static void test_lmdb__other_formats_are_refused(void **state)
{
    struct store *store = NULL;
    struct err err;
    char want[512];
    store_close(open_store(*state, STORE_WRITE));
    static const uint8_t later[] = "\x82\xa6"
                                   "format\xae"
                                   "wyckmill store\xa7"
                                   "version\x09";
    tamper(*state, &(struct tamper){TABLE_META, "format", 0, {later, sizeof later - 1}});
    assert_int_equal(store_open(*state, STORE_WRITE, &store, &err), ERR_CORRUPT);
    (void)snprintf(want, sizeof want,
                   "store '%s': wyckmill store: wyckmill store version 9, this program reads 1",
                   (char *)*state);
    assert_string_equal(err.text, want);
    assert_string_equal(err.hint, "use the version of wyckmill that made the store");
    assert_int_equal(err.code, ERR_CORRUPT);
}

static void test_lmdb__file_that_is_no_database(void **state)
{
    struct store *store = NULL;
    struct err err;
    char path[TEST_FOLDER_SIZE + 16];
    (void)snprintf(path, sizeof path, "%s/data.mdb", (char *)*state);
    FILE *file = fopen(path, "wb");
    for (int i = 0; i < 3000; i++)
        (void)fputs("junk", file);
    (void)fclose(file);
    assert_int_equal(store_open(*state, STORE_WRITE, &store, &err), ERR_CORRUPT);
    assert_int_equal(store_open(*state, STORE_READ, &store, &err), ERR_CORRUPT);
    assert_non_null(strstr(err.text, "open the database: "));
}

/* ---- the rest ---- */

static void test_folder__network_file_systems_are_known(void **state)
{
    (void)state;
    assert_string_equal(folder_remote_name(0x6969), "NFS");
    assert_string_equal(folder_remote_name(0x0bd00bd0), "Lustre");
    assert_string_equal(folder_remote_name((unsigned long)-11317950L), "CIFS"); /* signed */
    assert_null(folder_remote_name(0xef53));                                    /* ext4 */
    assert_null(folder_remote_name(0x01021994));                                /* tmpfs */
    assert_null(folder_remote_name(0x58465342));                                /* XFS */
}

static void test_row__checksum_and_shape(void **state)
{
    (void)state;
    uint8_t row[ROW_HEADER_SIZE + 9];
    struct row decoded;
    struct span payload = span_text("123456789"), value = {row, sizeof row};
    assert_int_equal(crc32c(0, payload), 0xe3069283); /* RFC 3720, B.4 and others */
    row_header(7, ROW_EVENT, &payload, 1, row);
    memcpy(row + ROW_HEADER_SIZE, payload.data, 9);
    assert_int_equal(row_decode(7, value, &decoded, NULL), 0);
    assert_int_equal(decoded.kind, ROW_EVENT);
    assert_int_equal(row_decode(8, value, &decoded, NULL), ERR_CORRUPT); /* moved */
    for (size_t bit = 0; bit < 8 * sizeof row; bit++) {
        row[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(row_decode(7, value, &decoded, NULL), ERR_CORRUPT);
        row[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t size = 0; size < sizeof row; size++)
        assert_int_equal(row_decode(7, (struct span){row, size}, &decoded, NULL), ERR_CORRUPT);
}

static void test_lmdb__large_object(void **state)
{
    enum { SIZE = 50 << 20 };
    struct store *store = open_store(*state, STORE_WRITE);
    uint8_t *data = noise(SIZE, 3);
    struct buf bytes = {0};
    struct hash id;
    double begin = seconds();
    assert_int_equal(store_put(store, "checkpoint", (struct span){data, SIZE}, &id, NULL), 0);
    assert_int_equal(store_commit(store, NULL), 0);
    double written = seconds();
    assert_int_equal(store_get(store, &id, &bytes, NULL), 0);
    double read = seconds();
    assert_int_equal(bytes.size, SIZE);
    assert_memory_equal(bytes.data, data, SIZE);
    print_message("50 MiB: durable in %.0f ms, read and verified in %.0f ms\n",
                  1e3 * (written - begin), 1e3 * (read - written));
    store_close(store);
    buf_done(&bytes);
    free(data);
}

#define ON_DISK(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_DISK(test_lmdb__second_writer_hears_who_has_it),
        ON_DISK(test_lmdb__forked_child_does_not_keep_the_lock),
        ON_DISK(test_lmdb__one_environment_per_process),
        ON_DISK(test_lmdb__files_are_closed_on_exec),
        ON_DISK(test_lmdb__reader_needs_a_store),
        ON_DISK(test_lmdb__reader_sees_what_is_committed),
        ON_DISK(test_lmdb__map_grows_under_an_open_group),
        ON_DISK(test_lmdb__reader_follows_a_grown_map),
        ON_DISK(test_lmdb__lives_with_few_addresses),
        ON_DISK(test_lmdb__full_disk_loses_nothing),
        ON_DISK(test_lmdb__disk_of_six_megabytes),
        ON_DISK(test_lmdb__failed_commit_is_survived),
        ON_DISK(test_lmdb__fsck_finds_a_flipped_bit),
        ON_DISK(test_lmdb__fsck_names_every_kind_of_damage),
        ON_DISK(test_lmdb__other_formats_are_refused),
        ON_DISK(test_lmdb__file_that_is_no_database),
        ON_DISK(test_lmdb__large_object),
        cmocka_unit_test(test_folder__network_file_systems_are_known),
        cmocka_unit_test(test_row__checksum_and_shape),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
