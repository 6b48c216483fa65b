/* The store beside what it could reach at most in the same minute on the same disk: a raw file
 * (append + fdatasync per group) and raw LMDB (the same bytes under sequence keys, nothing
 * else: no hash, no index, no checksum).   bench store [FOLDER] */
#include "bench/bench.h"

#include "common/cleanup.h"
#include "common/mem.h"
#include "common/rng.h"
#include "store/store.h"

#include <fcntl.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES = 512 };

static struct {
    char folder[PATH_BYTES];
    unsigned next;
} place;

/* A fresh name; everything under the folder is removed at the end. */
static void fresh(char path[PATH_BYTES])
{
    (void)snprintf(path, PATH_BYTES, "%.400s/%u", place.folder, place.next++);
}

static void remove_store(const char *path)
{
    static const char *const names[] = {"data.mdb", "lock.mdb", "lock"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char name[PATH_BYTES + 16];
        (void)snprintf(name, sizeof name, "%s/%s", path, names[i]);
        (void)unlink(name);
    }
    (void)rmdir(path);
}

static void check(int rc, const struct err *err)
{
    if (rc == 0)
        return;
    (void)fprintf(stderr, "bench store: %s\n", err->text);
    exit(1);
}

/* Bytes that do not repeat: every object is new. */
static void refresh(uint8_t *data, size_t size, uint64_t number)
{
    struct rng rng = rng_stream(number, 0, 0, 0);
    for (size_t i = 0; i + 16 <= size; i += 4096) {
        uint32_t words[4] = {rng_u32(&rng), rng_u32(&rng), (uint32_t)number, (uint32_t)i};
        memcpy(data + i, words, sizeof words);
    }
}

/* ---- one workload: `groups` groups of `per_group` objects of `size` bytes ---- */

struct load {
    const char *name;
    size_t size;
    uint32_t per_group, groups;
};

static double run_raw_file(const struct load *load, uint8_t *data)
{
    char path[PATH_BYTES];
    fresh(path);
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0666);
    double begin = bench_now_s();
    for (uint32_t g = 0; g < load->groups; g++) {
        for (uint32_t i = 0; i < load->per_group; i++) {
            refresh(data, load->size, (uint64_t)g * load->per_group + i);
            if (write(fd, data, load->size) != (ssize_t)load->size)
                exit(1);
        }
        if (fdatasync(fd) != 0)
            exit(1);
    }
    double seconds = bench_now_s() - begin;
    (void)close(fd);
    (void)unlink(path);
    return seconds;
}

static double run_raw_lmdb(const struct load *load, uint8_t *data)
{
    char path[PATH_BYTES];
    MDB_env *env;
    MDB_dbi table;
    MDB_txn *txn;
    uint64_t sequence = 0;
    fresh(path);
    (void)mkdir(path, 0777);
    int rc = mdb_env_create(&env);
    rc = rc ? rc : mdb_env_set_mapsize(env, (size_t)1 << 36);
    rc = rc ? rc : mdb_env_open(env, path, 0, 0666);
    double begin = bench_now_s();
    for (uint32_t g = 0; rc == 0 && g < load->groups; g++) {
        rc = mdb_txn_begin(env, NULL, 0, &txn);
        rc = rc ? rc : mdb_dbi_open(txn, NULL, MDB_INTEGERKEY, &table);
        for (uint32_t i = 0; rc == 0 && i < load->per_group; i++) {
            refresh(data, load->size, (uint64_t)g * load->per_group + i);
            MDB_val key = {sizeof sequence, &sequence}, value = {load->size, data};
            rc = mdb_put(txn, table, &key, &value, MDB_APPEND);
            sequence++;
        }
        rc = rc ? rc : mdb_txn_commit(txn);
    }
    double seconds = bench_now_s() - begin;
    if (rc != 0)
        (void)fprintf(stderr, "raw LMDB: %s\n", mdb_strerror(rc));
    mdb_env_close(env);
    remove_store(path);
    return seconds;
}

static double run_store(const struct load *load, uint8_t *data, double *ret_get_seconds,
                        double *ret_space)
{
    char path[PATH_BYTES], file[PATH_BYTES + 16];
    struct store *store;
    struct err err = {0};
    struct buf bytes = {0};
    struct stat info;
    uint32_t n = load->groups * load->per_group;
    struct hash *ids = mem_new(n, sizeof *ids);
    fresh(path);
    check(store_open(path, STORE_WRITE, &store, &err), &err);
    double begin = bench_now_s();
    for (uint32_t i = 0; i < n; i++) {
        refresh(data, load->size, i);
        check(store_put(store, "blob", (struct span){data, load->size}, &ids[i], &err), &err);
        if (i % load->per_group == load->per_group - 1)
            check(store_commit(store, &err), &err);
    }
    double seconds = bench_now_s() - begin;
    for (int pass = 0; pass < 2; pass++) { /* the first one brings the pages into the map */
        begin = bench_now_s();
        for (uint32_t i = 0; i < n; i++)
            check(store_get(store, &ids[i], &bytes, &err), &err);
    }
    *ret_get_seconds = bench_now_s() - begin;
    (void)snprintf(file, sizeof file, "%s/data.mdb", path);
    *ret_space =
        stat(file, &info) == 0 ? (double)info.st_size / ((double)n * (double)load->size) : 0;
    store_close(store);
    remove_store(path);
    buf_done(&bytes);
    free(ids);
    return seconds;
}

static void bench_objects(void)
{
    static const struct load loads[] = {
        {"256 B x 64", 256, 64, 200},     {"256 B x 1000", 256, 1000, 50},
        {"4 KiB x 64", 4 << 10, 64, 100}, {"64 KiB x 16", 64 << 10, 16, 80},
        {"1 MiB x 4", 1 << 20, 4, 50},    {"50 MiB x 1", 50 << 20, 1, 4},
    };
    uint8_t *data = mem_new(50 << 20, 1);
    (void)printf("durable puts, MB/s (10^6 B/s); one fsync per group\n"
                 "%-14s %9s %9s %9s %8s %8s %9s %7s %9s\n",
                 "object x group", "raw file", "raw LMDB", "store", "of file", "of LMDB",
                 "puts/s", "space", "get MB/s");
    for (size_t i = 0; i < sizeof loads / sizeof loads[0]; i++) {
        const struct load *load = &loads[i];
        double n = (double)load->groups * load->per_group, mb = n * (double)load->size / 1e6;
        double get, space;
        double file = run_raw_file(load, data), lmdb = run_raw_lmdb(load, data);
        double store = run_store(load, data, &get, &space);
        (void)printf("%-14s %9.1f %9.1f %9.1f %7.0f%% %7.0f%% %9.0f %6.2fx %9.0f\n", load->name,
                     mb / file, mb / lmdb, mb / store, 100 * file / store, 100 * lmdb / store,
                     n / store, space, mb / get);
        (void)fflush(stdout);
    }
    free(data);
}

/* ---- the sizes that matter, as ratios: medians of rounds in which all take turns ---- */

enum { ROUNDS = 7 };

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double values[ROUNDS])
{
    qsort(values, ROUNDS, sizeof *values, compare_doubles);
    return values[ROUNDS / 2];
}

/* What a verified copy of the object costs at least: one copy from cold memory, one hash. */
static double run_copy_and_hash(const struct load *load)
{
    size_t n = (size_t)load->groups * load->per_group;
    uint8_t *all = mem_new(n, load->size), *copy = mem_new(load->size, 1);
    volatile uint8_t sink = 0;
    memset(all, 1, n * load->size);
    memset(copy, 1, load->size);
    double begin = bench_now_s();
    for (size_t i = 0; i < n; i++) {
        memcpy(copy, all + i * load->size, load->size);
        sink = hash_bytes((struct span){copy, load->size}).bytes[0];
    }
    double seconds = bench_now_s() - begin;
    (void)sink;
    free(all);
    free(copy);
    return seconds;
}

static void bench_ratios(void)
{
    static const struct load loads[] = {{"64 KiB x 64", 64 << 10, 64, 12},
                                        {"256 KiB x 16", 256 << 10, 16, 12},
                                        {"1 MiB x 16", 1 << 20, 16, 6}};
    uint8_t *data = mem_new(1 << 20, 1);
    (void)printf("medians of %d rounds: durable put of raw LMDB and of raw file, get of copy + "
                 "SHA-256\n%-14s %9s %8s %8s %9s %9s\n",
                 ROUNDS, "object x group", "put MB/s", "of LMDB", "of file", "get MB/s",
                 "of bound");
    for (size_t i = 0; i < sizeof loads / sizeof loads[0]; i++) {
        const struct load *load = &loads[i];
        double mb = (double)load->groups * load->per_group * (double)load->size / 1e6;
        double put[ROUNDS], of_lmdb[ROUNDS], of_file[ROUNDS], got[ROUNDS], of_bound[ROUNDS];
        for (int r = 0; r < ROUNDS; r++) {
            double get, space, file = run_raw_file(load, data), lmdb = run_raw_lmdb(load, data);
            double store = run_store(load, data, &get, &space);
            put[r] = mb / store;
            of_lmdb[r] = lmdb / store;
            of_file[r] = file / store;
            got[r] = mb / get;
            of_bound[r] = run_copy_and_hash(load) / get;
        }
        (void)printf("%-14s %9.1f %8.2f %8.2f %9.0f %9.2f\n", load->name, median(put),
                     median(of_lmdb), median(of_file), median(got), median(of_bound));
        (void)fflush(stdout);
    }
    free(data);
}

/* ---- results: what a finished campaign leaves, and what replaying it costs ---- */

enum { RESULTS = 100000 };

static struct hash number_hash(uint64_t number)
{
    return hash_bytes((struct span){(const uint8_t *)&number, sizeof number});
}

/* One result of one small output each: action, output, record. */
static void write_results(struct store *store, uint32_t per_group)
{
    struct err err = {0};
    struct buf summary = {0};
    struct pack pack;
    pack_init(&pack, &summary);
    pack_map(&pack, 1);
    pack_key(&pack, "drawn");
    pack_u64(&pack, 64);
    for (uint64_t i = 0; i < RESULTS; i++) {
        uint64_t text[16] = {i, ~i};
        struct output output = {.size = sizeof text, .type = "samples"};
        struct result result = {
            .action = number_hash(i), .outputs = &output, .n_outputs = 1, .summary = summary};
        struct span bytes = {(const uint8_t *)text, sizeof text};
        check(store_put(store, "samples", bytes, &output.id, &err), &err);
        check(store_put_result(store, &result, &err), &err);
        if (i % per_group == per_group - 1)
            check(store_commit(store, &err), &err);
    }
    check(store_commit(store, &err), &err);
    buf_done(&summary);
}

static void read_results(struct store *store)
{
    struct err err = {0};
    for (uint64_t i = 0; i < RESULTS; i++) {
        struct hash action = number_hash(i);
        struct result result;
        check(store_get_result(store, &action, &result, &err), &err);
        result_done(&result);
    }
}

static void bench_results(uint32_t per_group)
{
    char path[PATH_BYTES], file[PATH_BYTES + 16];
    struct store *store;
    struct store_check found;
    struct stat info;
    struct err err = {0};
    uint64_t dropped;
    fresh(path);
    check(store_open(path, STORE_WRITE, &store, &err), &err);
    double begin = bench_now_s();
    write_results(store, per_group);
    double written = bench_now_s();
    store_close(store);
    check(store_open(path, STORE_WRITE, &store, &err), &err);
    double opened = bench_now_s();
    read_results(store);
    double read = bench_now_s();
    check(store_fsck(store, NULL, NULL, &found, &err), &err);
    double checked = bench_now_s();
    check(store_rebuild(store, &dropped, &err), &err);
    double rebuilt = bench_now_s();
    (void)snprintf(file, sizeof file, "%s/data.mdb", path);
    struct store_gc *gc;
    bool over = false;
    double longest = 0, swept = bench_now_s();
    check(store_gc_begin(store, store_sequence(store), false, &gc, &err), &err);
    for (uint64_t i = 0; i < RESULTS; i += 2) { /* every other result stays, with its output */
        struct hash action = number_hash(i);
        uint64_t text[16] = {i, ~i};
        struct hash output = hash_bytes((struct span){(const uint8_t *)text, sizeof text});
        store_gc_keep_result(gc, &action);
        store_gc_keep(gc, &output);
    }
    while (!over) {
        double step = bench_now_s();
        check(store_gc_sweep(gc, 256, &over, &err), &err);
        double sweep = bench_now_s() - step;
        longest = sweep > longest ? sweep : longest;
        check(store_commit(store, &err), &err);
    }
    swept = bench_now_s() - swept;
    store_gc_end(gc);
    double bytes = stat(file, &info) == 0 ? (double)info.st_size : 0;
    (void)printf("%d results, %u per group: written %.2f s (%.0f results/s, durable), replayed "
                 "%.3f s (%.1f us each), fsck %.2f s, rebuilt %.2f s, %.0f B each on disk\n",
                 RESULTS, per_group, written - begin, RESULTS / (written - begin),
                 read - opened, 1e6 * (read - opened) / RESULTS, checked - read,
                 rebuilt - checked, bytes / RESULTS);
    (void)printf("  gc of every other one: %.2f s, longest step without its commit %.2f ms\n",
                 swept, 1e3 * longest);
    (void)fflush(stdout);
    store_close(store);
    remove_store(path);
}

int bench_store(int argc, char **argv)
{
    (void)snprintf(place.folder, sizeof place.folder, "%.400s/wyckmill-bench-XXXXXX",
                   argc > 1 ? argv[1] : ".");
    if (!mkdtemp(place.folder)) {
        perror(place.folder);
        return 1;
    }
    bench_objects();
    bench_ratios();
    bench_results(64);
    bench_results(1000);
    (void)rmdir(place.folder);
    return 0;
}
