/* How much of the time of encoding is spglib's: the whole way from file to record beside bare
 * spg_get_dataset calls on the same structures, in turn, so that a busy machine slows both.
 *
 *   bench encode [--stride N] [--workers N] FILE...
 *     --stride N    every N-th structure (default 1)
 *     --workers N   the whole way in N processes at once as well (default 2)
 */
#include "bench/bench.h"

#include "common/cleanup.h"
#include "common/mem.h"
#include "workers/crystal/format.h"
#include "workers/encode/encode.h"

#include <getopt.h>
#include <spglib.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static const double symprec = 0.1;

struct totals {
    uint32_t accepted, rejected;
    double whole_s, bare_s; /* CPU seconds */
};

/* What any program that uses spglib has to do. */
static double bare_s(const struct structure *structure)
{
    double columns[3][3];
    cleanup(free_ptr) int *types = mem_new(structure->n_atoms, sizeof *types);
    for (int i = 0; i < 9; i++)
        columns[i % 3][i / 3] = structure->lattice[i / 3][i % 3];
    for (uint32_t i = 0; i < structure->n_atoms; i++)
        types[i] = structure->species[i];
    double begin = bench_cpu_s();
    SpglibDataset *found =
        spg_get_dataset(columns, structure->frac, types, (int)structure->n_atoms, symprec);
    double end = bench_cpu_s();
    if (found)
        spg_free_dataset(found);
    return end - begin;
}

static void encode_one(const struct source_item *item, bool bare, struct totals *totals)
{
    struct structure structure;
    struct record record;
    struct reject reject;
    double begin = bench_cpu_s();
    int rc = encode_item(item, symprec, &structure, &record, &reject);
    totals->whole_s += bench_cpu_s() - begin;
    if (rc) {
        totals->rejected++;
        return;
    }
    totals->accepted++;
    if (bare)
        totals->bare_s += bare_s(&structure);
    structure_done(&structure);
    record_done(&record);
}

static void ingest(char **files, struct source *source)
{
    struct err err = {0};
    for (int i = 0; files[i]; i++)
        if (format_ingest(files[i], source, &err)) {
            (void)fprintf(stderr, "bench encode: %s\n", err.text);
            exit(1);
        }
}

static void one_process(char **files, uint32_t stride)
{
    struct source source = {0};
    struct totals totals = {0};
    double begin = bench_cpu_s();
    ingest(files, &source);
    double ingest_s = (bench_cpu_s() - begin) / stride;
    for (uint32_t i = 0; i < source.n_items; i += stride)
        encode_one(&source.items[i], true, &totals);
    double whole_s = totals.whole_s + ingest_s;
    (void)printf("%u structures accepted, %u rejected\n"
                 "file to record       %8.2f s CPU  %7.1f structures/s\n"
                 "  of it reading      %8.2f s CPU\n"
                 "bare spg_get_dataset %8.2f s CPU  %7.1f structures/s\n"
                 "fraction of bare     %8.4f        (limit: 1)\n",
                 totals.accepted, totals.rejected, whole_s, totals.accepted / whole_s, ingest_s,
                 totals.bare_s, totals.accepted / totals.bare_s, totals.bare_s / whole_s);
    source_done(&source);
}

enum { ITEMS_AT_ONCE = 16 };

/* Every process takes the next few items that nobody has, as slots take shards. */
static void many_processes(char **files, uint32_t stride, uint32_t workers)
{
    struct source source = {0};
    double begin = bench_now_s();
    ingest(files, &source);
    atomic_uint *next =
        mmap(NULL, sizeof *next, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (next == MAP_FAILED) {
        perror("mmap");
        exit(1);
    }
    uint32_t n = (source.n_items + stride - 1) / stride;
    for (uint32_t w = 0; w < workers; w++) {
        pid_t child = fork();
        if (child < 0) {
            perror("fork");
            exit(1);
        }
        if (child > 0)
            continue;
        struct totals totals = {0};
        for (uint32_t i; (i = atomic_fetch_add(next, ITEMS_AT_ONCE)) < n;)
            for (uint32_t k = i; k < i + ITEMS_AT_ONCE && k < n; k++)
                encode_one(&source.items[k * stride], false, &totals);
        _exit(0);
    }
    while (wait(NULL) > 0)
        ;
    double seconds = bench_now_s() - begin;
    (void)printf("%u processes          %8.2f s       %7.1f structures/s\n", workers, seconds,
                 n / seconds);
    (void)munmap(next, sizeof *next);
    source_done(&source);
}

int bench_encode(int argc, char **argv)
{
    static const struct option rows[] = {{"stride", required_argument, NULL, 's'},
                                         {"workers", required_argument, NULL, 'w'},
                                         {0}};
    uint32_t stride = 1, workers = 2;
    for (int c; (c = getopt_long(argc, argv, "", rows, NULL)) >= 0;) {
        uint32_t number = c == '?' ? 0 : (uint32_t)strtoul(optarg, NULL, 10);
        if (number == 0)
            return 2;
        if (c == 's')
            stride = number;
        else
            workers = number;
    }
    if (optind == argc) {
        (void)fprintf(stderr, "usage: bench encode [--stride N] [--workers N] FILE...\n");
        return 2;
    }
    one_process(argv + optind, stride);
    (void)fflush(stdout);
    many_processes(argv + optind, stride, workers);
    return 0;
}
