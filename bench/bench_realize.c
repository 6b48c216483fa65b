/* How good and how fast realization is: structures that the realizer has not seen, from their
 * protostructures.
 *
 *   bench realize [options] TRAIN.extxyz[.zst]...
 *     --test FILE      targets from this file (default: every tenth training structure,
 *                      which is then left out of the training)
 *     --count N        first N targets (default 300)
 *     --templates N    templates tried, 0: random starts only (default 4)
 *     --starts N       random starts (default 20)
 *     --steps N        relaxation steps, 0: starts as they are (default 200)
 *     --cache FILE     keep the encoded training set here and use it when it exists
 *     --pairs FILE     write truth and result as pairs of extXYZ frames, for
 *                      bench/realize_match.py, which prints match rate and RMSE
 */
#include "bench/bench.h"

#include "common/cleanup.h"
#include "common/mathd.h"
#include "common/mem.h"
#include "proto/objects.h"
#include "workers/crystal/format.h"
#include "workers/crystal/structure.h"
#include "workers/realize/realizer.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct options {
    const char *test, *cache, *pairs;
    uint32_t count;
    struct realize_options realize;
};

static void fail(const char *what, const struct err *err)
{
    (void)fprintf(stderr, "bench realize: %s: %s\n", what, err->text);
    exit(1);
}

/* ---- reading ---- */

static bool encode_item(const struct source_item *item, double symprec, struct record *ret)
{
    struct structure structure = {0};
    uint32_t line;
    if (item->reject[0] || format_parse(item, &structure, &line, NULL))
        return false;
    bool good = structure_to_record(&structure, symprec, ret, NULL) == 0;
    structure_done(&structure);
    return good;
}

static void add_file(const char *path, double symprec, struct dataset *dataset)
{
    struct source source = {0};
    struct err err = {0};
    if (format_ingest(path, &source, &err))
        fail(path, &err);
    dataset->records = mem_resize(dataset->records, (size_t)dataset->n_records + source.n_items,
                                  sizeof *dataset->records);
    for (uint32_t i = 0; i < source.n_items; i++) {
        struct record *record = &dataset->records[dataset->n_records];
        if (encode_item(&source.items[i], symprec, record))
            dataset->n_records++;
    }
    source_done(&source);
    dataset->splits = mem_resize(dataset->splits, dataset->n_records, 1);
    memset(dataset->splits, SPLIT_TRAIN, dataset->n_records);
}

static bool cache_read(const char *path, struct dataset *dataset)
{
    cleanup(fclose_ptr) FILE *file = path ? fopen(path, "rb") : NULL;
    struct buf bytes = {0};
    char chunk[1 << 16];
    if (!file)
        return false;
    for (size_t size; (size = fread(chunk, 1, sizeof chunk, file)) > 0;)
        buf_append(&bytes, chunk, size);
    struct err err = {0};
    if (dataset_decode(buf_span(&bytes), dataset, &err))
        fail(path, &err);
    buf_done(&bytes);
    return true;
}

static void cache_write(const char *path, const struct dataset *dataset)
{
    cleanup(fclose_ptr) FILE *file = fopen(path, "wb");
    struct err err = {0};
    struct buf bytes = {0};
    dataset_encode(dataset, &bytes);
    if (!file || fwrite(bytes.data, 1, bytes.size, file) != bytes.size) {
        (void)err_errno(&err, errno, "write");
        fail(path, &err);
    }
    buf_done(&bytes);
}

static void load(int n_files, char **files, const struct options *options,
                 struct dataset *train)
{
    if (cache_read(options->cache, train))
        return;
    for (int f = 0; f < n_files; f++)
        add_file(files[f], options->realize.symprec, train);
    if (options->cache)
        cache_write(options->cache, train);
}

/* Every tenth training record becomes a target and no longer a training record. */
static void hold_out(struct dataset *train, struct dataset *test)
{
    test->records = mem_new(train->n_records / 10 + 1, sizeof *test->records);
    for (uint32_t r = 9; r < train->n_records; r += 10) {
        record_copy(&test->records[test->n_records++], &train->records[r], train->n_properties);
        train->splits[r] = SPLIT_VALIDATION;
    }
}

/* ---- one run ---- */

struct result {
    uint32_t realized, template, random, higher, failed;
    double volume_error; /* sum of |ln V / V_true| over the realized */
    double seconds;
};

static double record_log_volume(const struct record *record)
{
    double lattice[3][3];
    return lattice_from_cell(record->cell, lattice, NULL)
               ? (double)NAN
               : mathd_log(lattice_volume((const double(*)[3])lattice));
}

static void write_pair(FILE *file, const struct record *truth, const struct candidate *made,
                       uint32_t number)
{
    struct structure structure = {0};
    struct buf text = {0};
    char keys[REASON_SIZE + 200];
    if (record_to_primitive(truth, &structure, NULL) == 0) {
        (void)snprintf(keys, sizeof keys, "target=%u role=truth id=%s dof=%u geometry=%d",
                       number, truth->id, protostructure_dof(&truth->proto), made->geometry);
        extxyz_write(&structure, keys, &text);
    }
    structure_done(&structure);
    structure = (struct structure){0};
    if (made->valid && record_to_primitive(&made->record, &structure, NULL) == 0) {
        (void)snprintf(keys, sizeof keys, "target=%u role=made template=%s energy=%.6f", number,
                       made->template_id[0] ? made->template_id : "none", made->pair_energy);
        extxyz_write(&structure, keys, &text);
    }
    structure_done(&structure);
    (void)fwrite(text.data, 1, text.size, file);
    buf_done(&text);
}

static void run(const struct options *options, const struct dataset *train,
                const struct dataset *test, struct result *result)
{
    cleanup(fclose_ptr) FILE *pairs = options->pairs ? fopen(options->pairs, "w") : NULL;
    double begin = bench_now_s();
    cleanup(realizer_free_ptr) struct realizer *realizer =
        realizer_new(train, &options->realize);
    (void)printf("learn from %u records: %.2f s\n", train->n_records, bench_now_s() - begin);
    for (uint32_t t = 0; t < test->n_records && t < options->count; t++) {
        struct candidate made;
        begin = bench_now_s();
        enum outcome outcome = realizer_run(realizer, t, &test->records[t].proto, &made);
        result->seconds += bench_now_s() - begin;
        result->realized += outcome == OUTCOME_REALIZED;
        result->higher += outcome == OUTCOME_HIGHER_SYMMETRY;
        result->failed += outcome == OUTCOME_FAILED;
        result->template += made.geometry == GEOMETRY_TEMPLATE;
        result->random += made.geometry == GEOMETRY_RANDOM;
        if (outcome == OUTCOME_REALIZED)
            result->volume_error +=
                fabs(record_log_volume(&made.record) - record_log_volume(&test->records[t]));
        else
            (void)fprintf(stderr, "%s: %s\n", test->records[t].id, made.reason);
        if (pairs)
            write_pair(pairs, &test->records[t], &made, t);
        candidate_done(&made);
    }
}

static void print(const struct options *options, const struct dataset *test,
                  const struct result *result)
{
    uint32_t n = test->n_records < options->count ? test->n_records : options->count;
    (void)printf("templates %u, random starts %u, steps %u: %u targets, %u realized "
                 "(%u template, %u random), %u higher symmetry, %u failed\n",
                 options->realize.templates_max, options->realize.random_starts,
                 options->realize.relax_steps_max, n, result->realized, result->template,
                 result->random, result->higher, result->failed);
    (void)printf("%.1f structures/s, mean |ln V/V_true| %.4f\n", n / result->seconds,
                 result->volume_error / result->realized);
}

static int parse(int argc, char **argv, struct options *options)
{
    static const struct option names[] = {
        {"test", required_argument, NULL, 't'},      {"count", required_argument, NULL, 'n'},
        {"templates", required_argument, NULL, 'm'}, {"starts", required_argument, NULL, 's'},
        {"steps", required_argument, NULL, 'i'},     {"cache", required_argument, NULL, 'c'},
        {"pairs", required_argument, NULL, 'p'},     {0}};
    *options = (struct options){.count = 300,
                                .realize = {.seed = 1,
                                            .random_starts = 20,
                                            .relax_steps_max = 200,
                                            .templates_max = REALIZE_TEMPLATES,
                                            .symprec = 0.1}};
    for (int o; (o = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        uint32_t number = optarg ? (uint32_t)strtoul(optarg, NULL, 10) : 0;
        switch (o) {
        case 't':
            options->test = optarg;
            break;
        case 'c':
            options->cache = optarg;
            break;
        case 'p':
            options->pairs = optarg;
            break;
        case 'n':
            options->count = number;
            break;
        case 'm':
            options->realize.templates_max = number;
            break;
        case 's':
            options->realize.random_starts = number;
            break;
        case 'i':
            options->realize.relax_steps_max = number;
            break;
        default:
            exit(2);
        }
    }
    return optind;
}

int bench_realize(int argc, char **argv)
{
    struct options options;
    int first = parse(argc, argv, &options);
    if (first >= argc) {
        (void)fprintf(stderr, "usage: bench realize [options] TRAIN.extxyz[.zst]...\n");
        return 2;
    }
    struct dataset train = {0}, test = {0};
    struct result result = {0};
    load(argc - first, argv + first, &options, &train);
    if (options.test)
        add_file(options.test, options.realize.symprec, &test);
    else
        hold_out(&train, &test);
    run(&options, &train, &test, &result);
    print(&options, &test, &result);
    dataset_done(&train);
    dataset_done(&test);
    return 0;
}
