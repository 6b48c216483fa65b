/* Do stored objects come back as they were, and is damage named? */
#include "tests/support/cmocka.h"

#include "common/cleanup.h"
#include "common/mem.h"
#include "proto/objects.h"
#include "proto/targets.h"
#include "tests/support/sample_objects.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static void assert_same_bytes(const struct buf *a, const struct buf *b)
{
    assert_int_equal(a->size, b->size);
    assert_memory_equal(a->data, b->data, a->size);
}

static void test_dataset__comes_back_as_it_was(void **state)
{
    (void)state;
    struct dataset dataset, again;
    struct buf out = {0}, twice = {0};
    sample_dataset(&dataset);
    dataset_encode(&dataset, &out);
    assert_int_equal(value_check_canonical(buf_span(&out), NULL), 0);
    assert_int_equal(dataset_decode(buf_span(&out), &again, NULL), 0);
    assert_int_equal(again.n_records, 2);
    assert_int_equal(again.n_properties, 2);
    assert_string_equal(again.properties[1].unit, "g/cm3");
    assert_int_equal(dataset_property_find(&again, "density"), 1);
    assert_int_equal(dataset_property_find(&again, "colour"), -1);
    const struct record *record = &again.records[0];
    assert_string_equal(record->id, "mp-5986");
    assert_string_equal(record->source, "titanates.extxyz");
    assert_int_equal(record->line, 41);
    assert_int_equal(record->proto.spacegroup, 99);
    assert_int_equal(record->proto.n_sites, 4);
    assert_int_equal(record->proto.sites[2].element, 56);
    assert_true(record->cell[2] == 4.0335);
    assert_true(record->free[3][2] == 1.0 / 3.0);
    assert_true(record->properties[0] == 1.6917 && isnan(record->properties[1]));
    assert_string_equal(again.records[1].id, "caf\xc3\xa9 salt");
    assert_int_equal(again.splits[0], SPLIT_TRAIN);
    assert_int_equal(again.splits[1], SPLIT_VALIDATION);
    assert_int_equal(again.rejects[0].line, 7);
    assert_string_equal(again.rejects[0].reason, "no cell: '_cell_length_a' is '?'");
    dataset_encode(&again, &twice);
    assert_same_bytes(&out, &twice);
    dataset_done(&dataset);
    dataset_done(&again);
    buf_done(&out);
    buf_done(&twice);
}

static void test_dataset__empty_one_and_defaults(void **state)
{
    (void)state;
    struct dataset empty = {0}, again;
    struct buf out = {0};
    dataset_encode(&empty, &out);
    assert_int_equal(dataset_decode(buf_span(&out), &again, NULL), 0);
    assert_int_equal(again.n_records, 0);
    dataset_done(&again);

    /* no splits: all train; no properties or an infinite one: missing */
    struct dataset dataset;
    sample_dataset(&dataset);
    free(dataset.splits);
    dataset.splits = NULL;
    free(dataset.records[0].properties);
    dataset.records[0].properties = NULL;
    dataset.records[1].properties[0] = INFINITY;
    out.size = 0;
    dataset_encode(&dataset, &out);
    assert_int_equal(dataset_decode(buf_span(&out), &again, NULL), 0);
    assert_int_equal(again.splits[1], SPLIT_TRAIN);
    assert_true(isnan(again.records[0].properties[0]));
    assert_true(isnan(again.records[1].properties[0]));
    assert_true(again.records[1].properties[1] == 2.17);
    dataset_done(&again);
    dataset_done(&dataset);
    buf_done(&out);
}

static void test_source__junk_text_survives(void **state)
{
    (void)state;
    struct source source, again;
    struct buf out = {0}, twice = {0};
    sample_source(&source);
    source_encode(&source, &out);
    assert_int_equal(source_decode(buf_span(&out), &again, NULL), 0);
    assert_int_equal(again.n_items, 3);
    for (uint32_t i = 0; i < 3; i++) {
        assert_string_equal(again.items[i].file, source.items[i].file);
        assert_string_equal(again.items[i].format, source.items[i].format);
        assert_string_equal(again.items[i].reject, source.items[i].reject);
        assert_int_equal(again.items[i].line, source.items[i].line);
        assert_int_equal(again.items[i].size, source.items[i].size);
        assert_memory_equal(again.items[i].text, source.items[i].text, source.items[i].size);
        assert_int_equal(again.items[i].text[again.items[i].size], 0);
    }
    source_encode(&again, &twice);
    assert_same_bytes(&out, &twice);
    source_done(&source);
    source_done(&again);
    buf_done(&out);
    buf_done(&twice);
}

static void test_samples__come_back_as_they_were(void **state)
{
    (void)state;
    struct samples samples, again;
    struct buf out = {0}, twice = {0};
    sample_samples(&samples);
    samples_encode(&samples, &out);
    assert_int_equal(samples_decode(buf_span(&out), &again, NULL), 0);
    assert_int_equal(again.n, 3);
    assert_true(again.guided);
    assert_true(again.index[2] == 4000000000);
    assert_int_equal(again.protos[1].sites[2].letter, 26);
    assert_int_equal(again.protos[1].sites[2].element, 103);
    assert_int_equal(again.protos[2].n_sites, 0);
    samples_encode(&again, &twice);
    assert_same_bytes(&out, &twice);
    samples_done(&samples);
    samples_done(&again);
    buf_done(&out);
    buf_done(&twice);
}

static void test_candidates__come_back_as_they_were(void **state)
{
    (void)state;
    struct candidates candidates, again;
    struct buf out = {0}, twice = {0};
    sample_candidates(&candidates);
    candidates_encode(&candidates, &out);
    assert_int_equal(candidates_decode(buf_span(&out), &again, NULL), 0);
    assert_int_equal(again.n, 2);
    const struct candidate *good = &again.items[0], *bad = &again.items[1];
    assert_true(hash_equal(&good->id, &candidates.items[0].id));
    assert_true(good->guided && good->valid && good->novel);
    assert_int_equal(good->geometry, GEOMETRY_TEMPLATE);
    assert_string_equal(good->template_id, "mp-5986");
    assert_true(good->pair_energy == -3.25 && good->distance_min == 1.9);
    assert_true(good->predicted[1] == 5.5 && good->spread[0] == 0.25);
    assert_true(isnan(good->exact[0]) && good->exact[1] == 5.875);
    assert_int_equal(good->satisfied_predicted, VERDICT_YES);
    assert_true(good->record.free[1][2] == 0.5135);
    assert_null(good->record.properties);
    assert_false(bad->valid);
    assert_true(isnan(bad->pair_energy));
    assert_string_equal(bad->reason, "higher symmetry: ABC3_cP5_221_a_b_c:Ba-Ti-O");
    candidates_encode(&again, &twice);
    assert_same_bytes(&out, &twice);

    struct candidate copy;
    candidate_copy(&copy, good, 2);
    assert_ptr_not_equal(copy.exact, good->exact);
    assert_true(copy.exact[1] == 5.875 && copy.record.free[1][2] == 0.5135);
    candidate_done(&copy);
    candidates_done(&candidates);
    candidates_done(&again);
    buf_done(&out);
    buf_done(&twice);
}

static void test_candidates__unscored_rows_are_missing(void **state)
{
    (void)state;
    struct candidates candidates, again;
    struct buf out = {0};
    sample_candidates(&candidates);
    free(candidates.items[0].exact);
    candidates.items[0].exact = NULL;
    candidates.items[0].pair_energy = INFINITY;
    candidates_encode(&candidates, &out);
    assert_int_equal(candidates_decode(buf_span(&out), &again, NULL), 0);
    assert_true(isnan(again.items[0].exact[0]) && isnan(again.items[0].exact[1]));
    assert_true(isnan(again.items[0].pair_energy));
    candidates_done(&candidates);
    candidates_done(&again);
    buf_done(&out);
}

/* ---- damage ---- */

/* Change the byte behind the `nth` appearance of `pattern` (+offset) and see it refused. */
static void assert_damage(int (*decode)(struct span, struct err *), const struct buf *good,
                          const char *key, size_t offset, const uint8_t *with, size_t size,
                          const char *sentence)
{
    struct buf bad = {0};
    struct err err = {0};
    uint8_t *at = NULL;
    size_t n = strlen(key);
    buf_append(&bad, good->data, good->size);
    for (size_t i = 0; !at && i + n < bad.size; i++)
        if (bad.data[i] == (0xa0 | n) && memcmp(bad.data + i + 1, key, n) == 0)
            at = bad.data + i + 1 + n;
    assert_non_null(at);
    memcpy(at + offset, with, size);
    assert_int_not_equal(decode(buf_span(&bad), &err), 0);
    assert_string_equal(err.text, sentence);
    buf_done(&bad);
}

static int try_dataset(struct span bytes, struct err *err)
{
    struct dataset dataset;
    int rc = dataset_decode(bytes, &dataset, err);
    if (rc == 0)
        dataset_done(&dataset);
    return rc;
}

static int try_samples(struct span bytes, struct err *err)
{
    struct samples samples;
    int rc = samples_decode(bytes, &samples, err);
    if (rc == 0)
        samples_done(&samples);
    return rc;
}

static int try_source(struct span bytes, struct err *err)
{
    struct source source;
    int rc = source_decode(bytes, &source, err);
    if (rc == 0)
        source_done(&source);
    return rc;
}

static int try_candidates(struct span bytes, struct err *err)
{
    struct candidates candidates;
    int rc = candidates_decode(bytes, &candidates, err);
    if (rc == 0)
        candidates_done(&candidates);
    return rc;
}

static int try_tally(struct span bytes, struct err *err)
{
    struct tally tally;
    int rc = tally_decode(bytes, &tally, err);
    if (rc == 0)
        tally_done(&tally);
    return rc;
}

static void test_tally__ranges_are_checked(void **state)
{
    (void)state;
    struct tally tally, again;
    struct buf out = {0};
    sample_tally(&tally);
    tally_encode(&tally, &out);
    assert_int_equal(tally_decode(buf_span(&out), &again, NULL), 0);
    assert_int_equal(again.arms[1].samples, 130);
    assert_int_equal(again.arms[1].valid, 70);
    assert_int_equal(again.arms[1].n_firsts, 2);
    assert_true(hash_equal(&again.arms[1].firsts[1].proto, &tally.arms[1].firsts[1].proto));
    assert_int_equal(again.arms[1].firsts[0].exact, VERDICT_NO);
    assert_int_equal(again.arms[1].firsts[0].predicted, VERDICT_YES);
    assert_int_equal(again.arms[0].samples, 128);
    assert_string_equal(again.reasons[0].what, "higher symmetry");
    assert_damage(try_tally, &out, "verdicts", 2, (const uint8_t[]){0x30}, 1,
                  "tally: guided: verdict 0 is out of range");
    tally_done(&tally);
    tally_done(&again);
    buf_done(&out);
}

static void test_dataset__every_range_is_checked(void **state)
{
    (void)state;
    struct dataset dataset;
    struct buf out = {0};
    static const uint8_t inf[8] = {0, 0, 0, 0, 0, 0, 0xf0, 0x7f};
    static const uint8_t nan[8] = {0, 0, 0, 0, 0, 0, 0xf8, 0x7f};
    sample_dataset(&dataset);
    dataset_encode(&dataset, &out);
    /* behind a key: bin8 has two bytes of header */
    assert_damage(try_dataset, &out, "cell", 2 + 8, nan, 8,
                  "dataset: 'cell' number 1 is not finite");
    assert_damage(try_dataset, &out, "free", 2 + 8 * 14, inf, 8,
                  "dataset: 'free' number 14 is not finite");
    assert_damage(try_dataset, &out, "values", 2 + 8, inf, 8,
                  "dataset: 'values' number 1 is not finite");
    assert_damage(try_dataset, &out, "letters", 2 + 5, (const uint8_t[]){27}, 1,
                  "dataset: record 1: site 1: letter 27, want 0..26");
    assert_damage(try_dataset, &out, "letters", 2 + 2, (const uint8_t[]){9}, 1,
                  "dataset: record 0: site 3: sites are not in ascending order");
    assert_damage(try_dataset, &out, "elements", 2, (const uint8_t[]){0}, 1,
                  "dataset: record 0: site 0: element 0, want 1..103");
    assert_damage(try_dataset, &out, "elements", 2 + 5, (const uint8_t[]){104}, 1,
                  "dataset: record 1: site 1: element 104, want 1..103");
    assert_damage(try_dataset, &out, "spacegroups", 2, (const uint8_t[]){231}, 1,
                  "dataset: record 0: space group 231, want 1..230");
    assert_damage(try_dataset, &out, "spacegroups", 2 + 2, (const uint8_t[]){0}, 1,
                  "dataset: record 1: space group 0, want 1..230");
    assert_damage(try_dataset, &out, "sites", 2, (const uint8_t[]){5}, 1,
                  "dataset: 'sites' counts 7, but there are 6 'letters' and 6 'elements'");
    assert_damage(try_dataset, &out, "splits", 2, (const uint8_t[]){2}, 1,
                  "dataset: 'splits' of record 0 is 2, want 0..1");
    assert_damage(try_dataset, &out, "ids", 2, (const uint8_t[]){0}, 1,
                  "dataset: record 0: 'ids' holds a NUL");
    assert_damage(try_dataset, &out, "version", 0, (const uint8_t[]){7}, 1,
                  "wyckmill dataset: wyckmill dataset version 7, this program reads 1");
    dataset_done(&dataset);
    buf_done(&out);
}

static void test_samples_and_candidates__ranges_are_checked(void **state)
{
    (void)state;
    struct samples samples;
    struct candidates candidates;
    struct buf out = {0};
    static const uint8_t inf[8] = {0, 0, 0, 0, 0, 0, 0xf0, 0x7f};
    sample_samples(&samples);
    samples_encode(&samples, &out);
    assert_damage(try_samples, &out, "elements", 2 + 5, (const uint8_t[]){200}, 1,
                  "samples: sample 1: site 2: element 200, want 1..103");
    assert_damage(try_samples, &out, "guided", 0, (const uint8_t[]){1}, 1,
                  "samples: 'guided' is an integer, want a boolean");
    samples_done(&samples);

    out.size = 0;
    sample_candidates(&candidates);
    candidates_encode(&candidates, &out);
    assert_damage(try_candidates, &out, "geometry", 0, (const uint8_t[]){3}, 1,
                  "candidates: candidate 0: 'geometry' is 3, want 0..2");
    assert_damage(try_candidates, &out, "satisfied_exact", 0, (const uint8_t[]){3}, 1,
                  "candidates: candidate 0: 'satisfied_exact' is 3, want 0..2");
    assert_damage(try_candidates, &out, "predicted", 2, inf, 8,
                  "candidates: candidate 0: 'predicted' number 0 is not finite");
    assert_damage(try_candidates, &out, "cell", 2, inf, 8,
                  "candidates: candidate 0: 'cell' number 0 is not finite");
    candidates_done(&candidates);
    buf_done(&out);
}

/* Every cut is refused; every flipped bit is refused or decodes to something that encodes to
 * those very bytes (the form is canonical), and nothing reads outside (sanitizers watch). */
#define ASSERT_NO_BIT_HURTS(name)                                                              \
    do {                                                                                       \
        struct name object, again;                                                             \
        struct buf out = {0}, twice = {0};                                                     \
        struct err err;                                                                        \
        sample_##name(&object);                                                                \
        name##_encode(&object, &out);                                                          \
        name##_done(&object);                                                                  \
        for (size_t size = 0; size < out.size; size++)                                         \
            assert_int_equal(try_##name((struct span){out.data, size}, &err), ERR_CORRUPT);    \
        for (size_t at = 0; at < 8 * out.size; at++) {                                         \
            out.data[at / 8] ^= (uint8_t)(1 << at % 8);                                        \
            if (name##_decode(buf_span(&out), &again, &err) == 0) {                            \
                twice.size = 0;                                                                \
                name##_encode(&again, &twice);                                                 \
                assert_same_bytes(&out, &twice);                                               \
                name##_done(&again);                                                           \
            }                                                                                  \
            out.data[at / 8] ^= (uint8_t)(1 << at % 8);                                        \
        }                                                                                      \
        buf_done(&out);                                                                        \
        buf_done(&twice);                                                                      \
    } while (0)

static void test_objects__no_flipped_bit_passes_unseen(void **state)
{
    (void)state;
    ASSERT_NO_BIT_HURTS(source);
    ASSERT_NO_BIT_HURTS(dataset);
    ASSERT_NO_BIT_HURTS(samples);
    ASSERT_NO_BIT_HURTS(candidates);
    ASSERT_NO_BIT_HURTS(tally);
}

/* ---- names, targets, speed ---- */

static void test_record__id_names_the_structure_only(void **state)
{
    (void)state;
    struct dataset dataset;
    struct record copy;
    sample_dataset(&dataset);
    record_copy(&copy, &dataset.records[0], 2);
    struct hash id = record_structure_id(&copy), other;
    copy.id[0] = 'x';
    copy.line = 7;
    copy.source[0] = 'y';
    copy.properties[0] = 9;
    copy.cell[0] += 4e-7;
    copy.free[0][2] += 1 - 1e-7; /* the same place in the next cell */
    copy.free[2][0] = 0.9999999;
    other = record_structure_id(&copy);
    assert_true(hash_equal(&id, &other));
    copy.free[1][2] += 2e-6;
    other = record_structure_id(&copy);
    assert_false(hash_equal(&id, &other));
    copy.free[1][2] -= 2e-6;
    copy.proto.sites[0].element = 16;
    other = record_structure_id(&copy);
    assert_false(hash_equal(&id, &other));
    copy.cell[0] = NAN; /* no crash, whatever it is worth */
    other = record_structure_id(&copy);
    record_done(&copy);
    dataset_done(&dataset);
}

static int unpack(const struct targets *targets, struct targets *ret, struct err *err)
{
    struct buf out = {0};
    struct pack pack;
    cleanup(document_free_ptr) struct document *document = NULL;
    pack_init(&pack, &out);
    targets_pack(&pack, targets);
    assert_int_equal(
        document_parse_canonical(buf_span(&out), &value_limits_message, &document, NULL), 0);
    int rc = targets_unpack(document_root(document), ret, err);
    buf_done(&out);
    return rc;
}

static void test_targets__round_trip_and_ranges(void **state)
{
    (void)state;
    struct targets targets = sample_targets(), again;
    struct err err;
    assert_int_equal(unpack(&targets, &again, &err), 0);
    assert_int_equal(again.n, 2);
    assert_string_equal(again.items[1].property, "density");
    assert_true(isinf(again.items[1].low) && again.items[1].high == 6);
    assert_true(again.items[0].low == 1.5 && again.items[1].weight == 0.5);

    targets.items[0].low = 3;
    assert_int_equal(unpack(&targets, &again, &err), ERR_CORRUPT);
    assert_string_equal(err.text, "target 0: band_gap: range 3..2.5 is empty");
    targets.items[0].low = NAN;
    assert_int_equal(unpack(&targets, &again, &err), ERR_CORRUPT);
    targets = sample_targets();
    targets.items[1].weight = -1;
    assert_int_equal(unpack(&targets, &again, &err), ERR_CORRUPT);
    assert_string_equal(err.text, "target 1: density: weight -1, want a number >= 0");
    targets.items[1] = targets.items[0];
    assert_int_equal(unpack(&targets, &again, &err), ERR_CORRUPT);
    assert_string_equal(err.text, "target 1: band_gap is there twice");
    targets.items[1].property[0] = '\0';
    assert_int_equal(unpack(&targets, &again, &err), ERR_CORRUPT);
    assert_string_equal(err.text, "target 1: 'property' is empty");
}

static double seconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void test_dataset__ten_thousand_records(void **state)
{
    (void)state;
    enum { N = 10000 };
    struct dataset small, large = {.n_properties = 2, .n_records = N}, again;
    struct buf out = {0};
    sample_dataset(&small);
    memcpy(large.properties, small.properties, sizeof small.properties);
    large.records = mem_new(N, sizeof *large.records);
    for (uint32_t i = 0; i < N; i++) {
        record_copy(&large.records[i], &small.records[i % 2], 2);
        (void)snprintf(large.records[i].id, ID_SIZE, "structure-%u", i);
    }
    double begin = seconds();
    dataset_encode(&large, &out);
    double encoded = seconds();
    assert_int_equal(dataset_decode(buf_span(&out), &again, NULL), 0);
    double decoded = seconds();
    assert_string_equal(again.records[N - 1].id, "structure-9999");
    print_message("%d records, %zu bytes: encode %.1f ms, decode %.1f ms\n", N, out.size,
                  1e3 * (encoded - begin), 1e3 * (decoded - encoded));
    dataset_done(&small);
    dataset_done(&large);
    dataset_done(&again);
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dataset__comes_back_as_it_was),
        cmocka_unit_test(test_dataset__empty_one_and_defaults),
        cmocka_unit_test(test_source__junk_text_survives),
        cmocka_unit_test(test_samples__come_back_as_they_were),
        cmocka_unit_test(test_candidates__come_back_as_they_were),
        cmocka_unit_test(test_candidates__unscored_rows_are_missing),
        cmocka_unit_test(test_dataset__every_range_is_checked),
        cmocka_unit_test(test_tally__ranges_are_checked),
        cmocka_unit_test(test_samples_and_candidates__ranges_are_checked),
        cmocka_unit_test(test_objects__no_flipped_bit_passes_unseen),
        cmocka_unit_test(test_record__id_names_the_structure_only),
        cmocka_unit_test(test_targets__round_trip_and_ranges),
        cmocka_unit_test(test_dataset__ten_thousand_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
