/* The store beside what it could reach at most in the same minute on the same disk: a raw file
 * (append + fdatasync per group) and raw LMDB (the same bytes under sequence keys, nothing
 * else: no hash, no index, no checksum). Every probe runs in a process of its own, so that none
 * inherits another's heap; figures are medians of rounds in which all take turns.
 *
 *   bench store [--json] [FOLDER] */
#include "bench/bench.h"

#include "common/cleanup.h"
#include "common/mem.h"
#include "common/rng.h"
#include "store/store.h"

#include <fcntl.h>
#include <jansson.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATH_BYTES = 512, LARGEST = 50 << 20, ROUNDS = 7 };

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

/* Seconds of what a probe did; what it did not is 0. */
struct timing {
    double put, get, lend, peek; /* lend: with the rows' checksums; peek: without */
    double space;                /* bytes on disk for a byte stored */
    double sha, copy, copy_sha;  /* the same bytes hashed; copied from cold memory; both */
};

static void run_raw_file(const struct load *load, uint8_t *data, struct timing *ret)
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
    ret->put = bench_now_s() - begin;
    (void)close(fd);
    (void)unlink(path);
}

static void run_raw_lmdb(const struct load *load, uint8_t *data, struct timing *ret)
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
    ret->put = bench_now_s() - begin;
    mdb_env_close(env);
    remove_store(path);
    if (rc != 0) {
        (void)fprintf(stderr, "raw LMDB: %s\n", mdb_strerror(rc));
        exit(1);
    }
}

static int touch_part(void *context, struct span part)
{
    *(uint8_t *)context ^= part.data[0];
    return 0;
}

static double read_all(struct store *store, const struct hash *ids, uint32_t n, bool lend,
                       bool checked)
{
    struct err err = {0};
    struct buf bytes = {0};
    uint8_t sum = 0;
    double begin = bench_now_s();
    for (uint32_t i = 0; i < n; i++)
        check(lend ? store_lend(store, &ids[i], 0, SIZE_MAX, checked, touch_part, &sum, &err)
                   : store_get(store, &ids[i], &bytes, &err),
              &err);
    double seconds = bench_now_s() - begin;
    buf_done(&bytes);
    return seconds;
}

static void run_store(const struct load *load, uint8_t *data, bool named, struct timing *ret)
{
    char path[PATH_BYTES], file[PATH_BYTES + 16];
    struct store *store;
    struct err err = {0};
    struct stat info;
    uint32_t n = load->groups * load->per_group;
    struct hash *ids = mem_new(n, sizeof *ids);
    fresh(path);
    for (uint32_t i = 0; named && i < n; i++) { /* as the parts of an upload come */
        refresh(data, load->size, i);
        ids[i] = hash_bytes((struct span){data, load->size});
    }
    check(store_open(path, STORE_WRITE, &store, &err), &err);
    double begin = bench_now_s();
    for (uint32_t i = 0; i < n; i++) {
        struct span bytes = {data, load->size};
        refresh(data, load->size, i);
        check(named ? store_put_hashed(store, "blob", &ids[i], bytes, &err)
                    : store_put(store, "blob", bytes, &ids[i], &err),
              &err);
        if (i % load->per_group == load->per_group - 1)
            check(store_commit(store, &err), &err);
    }
    ret->put = bench_now_s() - begin;
    (void)read_all(store, ids, n, false, true); /* brings the pages into the map */
    ret->get = read_all(store, ids, n, false, true);
    ret->lend = read_all(store, ids, n, true, true);
    ret->peek = read_all(store, ids, n, true, false);
    (void)snprintf(file, sizeof file, "%s/data.mdb", path);
    ret->space =
        stat(file, &info) == 0 ? (double)info.st_size / ((double)n * (double)load->size) : 0;
    store_close(store);
    remove_store(path);
    free(ids);
}

static void run_named(const struct load *load, uint8_t *data, struct timing *ret)
{
    run_store(load, data, true, ret);
}

static void run_hashing(const struct load *load, uint8_t *data, struct timing *ret)
{
    run_store(load, data, false, ret);
}

static void run_memory(const struct load *load, uint8_t *data, struct timing *ret)
{
    size_t n = (size_t)load->groups * load->per_group;
    uint8_t *all = mem_new(n, load->size);
    volatile uint8_t sink = 0;
    memset(all, 1, n * load->size);
    double begin = bench_now_s();
    for (size_t i = 0; i < n; i++)
        sink = hash_bytes((struct span){all + i * load->size, load->size}).bytes[0];
    double hashed = bench_now_s();
    for (size_t i = 0; i < n; i++) {
        memcpy(data, all + i * load->size, load->size);
        sink = data[0];
    }
    double copied = bench_now_s();
    for (size_t i = 0; i < n; i++) { /* what a verified copy of an object costs at least */
        memcpy(data, all + i * load->size, load->size);
        sink = hash_bytes((struct span){data, load->size}).bytes[0];
    }
    ret->copy_sha = bench_now_s() - copied;
    ret->copy = copied - hashed;
    ret->sha = hashed - begin;
    (void)sink;
    free(all);
}

/* In a process of its own. */
static struct timing probe(void (*run)(const struct load *load, uint8_t *data,
                                       struct timing *ret),
                           const struct load *load)
{
    struct timing timing = {0};
    int ends[2], status;
    (void)fflush(NULL);
    pid_t child = pipe(ends) == 0 ? fork() : -1;
    if (child == 0) {
        run(load, mem_new(LARGEST, 1), &timing);
        _exit(write(ends[1], &timing, sizeof timing) == sizeof timing ? 0 : 1);
    }
    place.next += 1; /* the child has used that name */
    if (child < 0 || close(ends[1]) != 0 ||
        read(ends[0], &timing, sizeof timing) != sizeof timing ||
        waitpid(child, &status, 0) != child || status != 0)
        exit(1);
    (void)close(ends[0]);
    return timing;
}

/* ---- figures ---- */

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* clang-format off */
static const struct column {
    const char *name, *unit;
    int decimals;
    const char *what;
} columns[] = {
    {"file",     "MB/s", 0, "raw file: append, fdatasync per group"},
    {"lmdb",     "MB/s", 0, "raw LMDB: MDB_APPEND under sequence keys, one commit per group"},
    {"put",      "MB/s", 0, "store_put_hashed: the name is known, as from an upload"},
    {"of file",  "1",    2, "put / file"},
    {"of lmdb",  "1",    2, "put / lmdb"},
    {"put+sha",  "MB/s", 0, "store_put: hashes in the same thread"},
    {"of lmdb'", "1",    2, "put+sha / lmdb"},
    {"bound",    "1",    2, "of lmdb', if nothing but raw LMDB and SHA-256 took time"},
    {"get",      "MB/s", 0, "store_get: a copy, verified by its name"},
    {"of c+s",   "1",    2, "get / (memcpy and SHA-256)"},
    {"lend",     "MB/s", 0, "store_lend, rows checked: no copy"},
    {"peek",     "us",   2, "store_lend, rows not checked: time for an object"},
    {"sha",      "MB/s", 0, "SHA-256 of the same bytes"},
    {"copy",     "MB/s", 0, "memcpy of the same bytes"},
    {"space",    "1",    2, "bytes on disk for a byte stored"},
};
/* clang-format on */
enum { COLUMNS = sizeof columns / sizeof columns[0] };

static void measure(const struct load *load, double ret[COLUMNS])
{
    double n = (double)load->groups * load->per_group, mb = n * (double)load->size / 1e6;
    double file = probe(run_raw_file, load).put, lmdb = probe(run_raw_lmdb, load).put;
    struct timing named = probe(run_named, load), hashing = probe(run_hashing, load);
    struct timing memory = probe(run_memory, load);
    double values[] = {mb / file,          mb / lmdb,
                       mb / named.put,     file / named.put,
                       lmdb / named.put,   mb / hashing.put,
                       lmdb / hashing.put, lmdb / (lmdb + memory.sha),
                       mb / named.get,     memory.copy_sha / named.get,
                       mb / named.lend,    1e6 * named.peek / n,
                       mb / memory.sha,    mb / memory.copy,
                       named.space};
    memcpy(ret, values, sizeof values);
}

/* json: NULL, or an array that gets an object. */
static void say_load(const struct load *load, double rounds[ROUNDS][COLUMNS], json_t *json)
{
    json_t *row = json_pack("{s:s}", "load", load->name);
    if (!json)
        (void)printf("%-14s", load->name);
    for (int c = 0; c < COLUMNS; c++) {
        double values[ROUNDS];
        for (int r = 0; r < ROUNDS; r++)
            values[r] = rounds[r][c];
        qsort(values, ROUNDS, sizeof *values, compare_doubles);
        double median = values[ROUNDS / 2];
        (void)json_object_set_new(row, columns[c].name,
                                  json_pack("{s:f,s:f,s:f,s:s,s:s}", "value", median, "min",
                                            values[0], "max", values[ROUNDS - 1], "unit",
                                            columns[c].unit, "what", columns[c].what));
        if (!json)
            (void)printf(" %8.*f", columns[c].decimals, median);
    }
    if (json)
        (void)json_array_append(json, row);
    else
        (void)printf("\n");
    json_decref(row);
    (void)fflush(stdout);
}

static void bench_objects(json_t *json)
{
    static const struct load loads[] = {
        {"256 B x 64", 256, 64, 100},        {"256 B x 1000", 256, 1000, 20},
        {"4 KiB x 64", 4 << 10, 64, 50},     {"64 KiB x 64", 64 << 10, 64, 12},
        {"256 KiB x 16", 256 << 10, 16, 12}, {"1 MiB x 16", 1 << 20, 16, 6},
        {"50 MiB x 1", LARGEST, 1, 2},
    };
    for (int c = 0; !json && c < COLUMNS; c++)
        (void)printf("%-9s %-5s %s\n", columns[c].name, columns[c].unit, columns[c].what);
    if (!json)
        (void)printf("\n%-14s", "object x group");
    for (int c = 0; !json && c < COLUMNS; c++)
        (void)printf(" %8s", columns[c].name);
    if (!json)
        (void)printf("\n");
    for (size_t i = 0; i < sizeof loads / sizeof loads[0]; i++) {
        double rounds[ROUNDS][COLUMNS];
        for (int r = 0; r < ROUNDS; r++)
            measure(&loads[i], rounds[r]);
        say_load(&loads[i], rounds, json);
    }
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

/* Every other result stays, with its output. *ret_longest: of a step without its commit. */
static double collect_half(struct store *store, double *ret_longest)
{
    struct err err = {0};
    struct store_gc *gc;
    bool over = false;
    double begin = bench_now_s();
    *ret_longest = 0;
    check(store_gc_begin(store, store_sequence(store), false, &gc, &err), &err);
    for (uint64_t i = 0; i < RESULTS; i += 2) {
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
        *ret_longest = sweep > *ret_longest ? sweep : *ret_longest;
        check(store_commit(store, &err), &err);
    }
    store_gc_end(gc);
    return bench_now_s() - begin;
}

/* clang-format off */
static const struct column result_columns[] = {
    {"written",  "1/s", 0, "results, each with an output of 128 B, durable"},
    {"replayed", "us",  1, "store_get_result, each"},
    {"fsck",     "s",   2, "of all"},
    {"rebuild",  "s",   2, "of all views"},
    {"gc",       "s",   2, "of every other result and output, with its commits"},
    {"gc step",  "ms",  2, "the longest, without its commit"},
    {"space",    "B",   0, "on disk for a result"},
};
/* clang-format on */
enum { RESULT_COLUMNS = sizeof result_columns / sizeof result_columns[0] };

static void measure_results(uint32_t per_group, double ret[RESULT_COLUMNS])
{
    char path[PATH_BYTES], file[PATH_BYTES + 16];
    struct store *store;
    struct store_check found;
    struct stat info;
    struct err err = {0};
    uint64_t dropped;
    fresh(path);
    (void)snprintf(file, sizeof file, "%s/data.mdb", path);
    check(store_open(path, STORE_WRITE, &store, &err), &err);
    double begin = bench_now_s();
    write_results(store, per_group);
    double written = bench_now_s();
    ret[6] = stat(file, &info) == 0 ? (double)info.st_size / RESULTS : 0;
    store_close(store);
    check(store_open(path, STORE_WRITE, &store, &err), &err);
    double opened = bench_now_s();
    read_results(store);
    double read = bench_now_s();
    check(store_fsck(store, NULL, NULL, &found, &err), &err);
    double checked = bench_now_s();
    check(store_rebuild(store, &dropped, &err), &err);
    ret[0] = RESULTS / (written - begin);
    ret[1] = 1e6 * (read - opened) / RESULTS;
    ret[2] = checked - read;
    ret[3] = bench_now_s() - checked;
    ret[4] = collect_half(store, &ret[5]);
    ret[5] *= 1e3;
    store_close(store);
    remove_store(path);
}

static void bench_results(uint32_t per_group, json_t *json)
{
    char name[64];
    double values[RESULT_COLUMNS];
    (void)snprintf(name, sizeof name, "%d results, %u per group", RESULTS, per_group);
    measure_results(per_group, values);
    json_t *row = json_pack("{s:s}", "load", name);
    if (!json)
        (void)printf("\n%s\n", name);
    for (int c = 0; c < RESULT_COLUMNS; c++) {
        const struct column *column = &result_columns[c];
        (void)json_object_set_new(row, column->name,
                                  json_pack("{s:f,s:s,s:s}", "value", values[c], "unit",
                                            column->unit, "what", column->what));
        if (!json)
            (void)printf("%-9s %10.*f %-4s %s\n", column->name, column->decimals, values[c],
                         column->unit, column->what);
    }
    if (json)
        (void)json_array_append(json, row);
    json_decref(row);
    (void)fflush(stdout);
}

int bench_store(int argc, char **argv)
{
    bool as_json = argc > 1 && !strcmp(argv[1], "--json");
    json_t *json = as_json ? json_array() : NULL;
    (void)snprintf(place.folder, sizeof place.folder, "%.400s/wyckmill-bench-XXXXXX",
                   argc > 1 + as_json ? argv[1 + as_json] : ".");
    if (!mkdtemp(place.folder)) {
        perror(place.folder);
        return 1;
    }
    bench_objects(json);
    bench_results(64, json);
    bench_results(1000, json);
    if (json)
        (void)json_dumpf(json, stdout, JSON_INDENT(1));
    json_decref(json);
    (void)rmdir(place.folder);
    return 0;
}
