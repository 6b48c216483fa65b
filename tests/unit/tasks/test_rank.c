/* Does rank keep the right candidates in the right order, and count both arms fairly? */
#include "tests/support/cmocka.h"

#include "common/cleanup.h"
#include "common/mem.h"
#include "common/rng.h"
#include "proto/objects.h"
#include "proto/targets.h"
#include "workers/task.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

const struct task_kind task_kinds[] = {{"rank", 1, false, rank_run, "rank candidates"}};
const uint32_t task_kinds_count = 1;

/* Row of a story: what distinguishes one candidate from the next. */
struct row {
    uint32_t sample;
    bool guided;
    const char *reason;       /* not empty: not valid */
    uint8_t element;          /* of a rock salt with Cl: the protostructure */
    uint8_t exact, predicted; /* enum verdict */
    double probability;
    bool novel;
    double pair_energy;
};

static struct candidate make(const struct row *row)
{
    struct candidate c = {.sample = row->sample,
                          .guided = row->guided,
                          .geometry = GEOMETRY_TEMPLATE,
                          .valid = !*row->reason,
                          .satisfied_exact = row->exact,
                          .satisfied_predicted = row->predicted,
                          .probability = row->probability,
                          .novel = row->novel,
                          .pair_energy = row->pair_energy,
                          .distance_min = 2};
    (void)snprintf(c.reason, sizeof c.reason, "%s", row->reason);
    c.record.proto = (struct protostructure){225, 2, mem_new(2, sizeof(struct site))};
    c.record.proto.sites[0] = (struct site){0, row->element};
    c.record.proto.sites[1] = (struct site){1, 17};
    c.record.free = mem_new(2, sizeof *c.record.free);
    for (int i = 0; i < 6; i++)
        c.record.cell[i] = i < 3 ? 5 : 90;
    (void)snprintf(c.record.id, sizeof c.record.id, "s%u", row->sample);
    c.record.line = 1;
    c.id = record_structure_id(&c.record);
    return c;
}

static void encode(const struct row *rows, uint32_t n, struct buf *out)
{
    struct candidates list = {.n = n, .items = mem_new(n, sizeof *list.items)};
    for (uint32_t i = 0; i < n; i++)
        list.items[i] = make(&rows[i]);
    candidates_encode(&list, out);
    candidates_done(&list);
}

static void params(struct buf *out, bool again, uint64_t want)
{
    struct pack pack;
    const struct targets targets = {.n = 1, .items = {{"density", 1, 2, 1}}};
    pack_init(&pack, out);
    pack_map(&pack, 3);
    pack_key(&pack, "again");
    pack_bool(&pack, again);
    pack_key(&pack, "targets");
    targets_pack(&pack, &targets);
    pack_key(&pack, "want");
    pack_u64(&pack, want);
}

/* Run on rows split over two input objects. */
static void rank(const struct row *rows, uint32_t n, uint64_t want, struct task_outputs *ret,
                 struct candidates *ret_list)
{
    struct buf inputs[2] = {{0}}, param = {0};
    struct err err = {0};
    encode(rows, n / 2, &inputs[0]);
    encode(rows + n / 2, n - n / 2, &inputs[1]);
    params(&param, false, want);
    const struct span spans[2] = {buf_span(&inputs[0]), buf_span(&inputs[1])};
    int rc = task_run_local("rank", buf_span(&param), spans, 2, ret, &err);
    assert_string_equal(rc ? err.text : "", "");
    assert_int_equal(ret->n, 3);
    assert_string_equal(ret->types[0], "candidates");
    assert_string_equal(ret->types[1], "report");
    assert_string_equal(ret->types[2], "tally");
    assert_int_equal(candidates_decode(buf_span(&ret->bytes[0]), ret_list, &err), 0);
    buf_done(&inputs[0]);
    buf_done(&inputs[1]);
    buf_done(&param);
}

/* Sample numbers of the output, "3 1 2". */
static void assert_order(const struct row *rows, uint32_t n, uint64_t want, const char *order)
{
    struct task_outputs outputs = {0};
    struct candidates list = {0};
    char text[200] = "";
    rank(rows, n, want, &outputs, &list);
    for (uint32_t i = 0; i < list.n; i++)
        (void)snprintf(text + strlen(text), sizeof text - strlen(text), "%s%u", i ? " " : "",
                       list.items[i].sample);
    assert_string_equal(text, order);
    candidates_done(&list);
    task_outputs_done(&outputs);
}

enum { UNKNOWN = VERDICT_UNKNOWN, NO = VERDICT_NO, YES = VERDICT_YES };

static void test_rank__order_is_the_written_key(void **state)
{
    (void)state;
    static const struct row rows[] = {
        /* sample, guided, reason, element, exact, predicted, probability, novel, energy */
        {1, true, "", 3, NO, YES, 0.99, true, -9},     /* exact no, whatever else */
        {2, true, "", 11, UNKNOWN, YES, 0.2, true, 0}, /* predicted yes */
        {3, true, "", 19, YES, NO, 0.9, false, 0},     /* exact yes beats predicted no */
        {4, true, "", 37, YES, YES, 0.9, true, -1},    /* novel */
        {5, true, "", 55, YES, YES, 0.9001, true, -2}, /* same percent, lower energy */
        {6, true, "", 47, UNKNOWN, UNKNOWN, (double)NAN, true, -9},
        {7, true, "", 29, YES, YES, 0.9, true,
         (double)NAN}, /* no energy: behind those with one */
    };
    assert_order(rows, 7, 100, "5 4 7 3 2 6 1");
    assert_order(rows, 7, 2, "5 4");
}

static void test_rank__invalid_and_double_ones_are_left_out(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {1, true, "no cell", 3, YES, YES, 1, true, 0},
        {2, true, "", 11, YES, YES, 0.5, true, 0},
        {3, true, "", 11, YES, YES, 0.9, true, 0}, /* same protostructure, better */
        {4, false, "", 19, YES, YES, 1, true, 0},  /* the other arm */
    };
    assert_order(rows, 4, 100, "3");
}

static void test_rank__without_guided_ones_the_unguided_are_ranked(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {1, false, "", 3, NO, NO, 0.1, true, 0},
        {2, false, "", 11, YES, YES, 0.5, true, 0},
    };
    assert_order(rows, 2, 100, "2 1");
}

static uint64_t summary(const struct task_outputs *outputs, const char *key)
{
    cleanup(document_free_ptr) struct document *document = NULL;
    uint64_t value = 0;
    assert_int_equal(
        document_parse(buf_span(&outputs->summary), &value_limits_message, &document, NULL), 0);
    assert_int_equal(
        value_u64(value_get(document_root(document), key), key, 0, 1000, &value, NULL), 0);
    return value;
}

static json_int_t count(const json_t *root, const char *arm, const char *key)
{
    const json_t *value = json_object_get(json_object_get(root, arm), key);
    assert_true(json_is_integer(value));
    return json_integer_value(value);
}

/* Three distinct guided ones, two unguided: the first two of each by sample number count. */
static void test_rank__arms_are_compared_over_equally_many(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {9, true, "", 37, NO, YES, 1, true, 0}, /* third of its arm by number: not counted */
        {1, true, "", 3, YES, NO, 1, true, 0},
        {2, true, "", 3, YES, NO, 1, true, 0}, /* double */
        {3, true, "", 11, UNKNOWN, YES, 1, true, 0},
        {4, true, "higher symmetry: X_cF8", 19, UNKNOWN, UNKNOWN, 1, true, 0},
        {5, true, "higher symmetry: Y_cF8", 55, UNKNOWN, UNKNOWN, 1, true, 0},
        {1, false, "no cell", 3, UNKNOWN, UNKNOWN, 1, true, 0},
        {2, false, "", 3, NO, YES, 1, true, 0},
        {3, false, "", 55, YES, YES, 1, true, 0},
    };
    struct task_outputs outputs = {0};
    struct candidates list = {0};
    rank(rows, 9, 100, &outputs, &list);
    json_t *root =
        json_loadb((const char *)outputs.bytes[1].data, outputs.bytes[1].size, 0, NULL);
    assert_non_null(root);
    assert_int_equal(count(root, "guided", "samples"), 6);
    assert_int_equal(count(root, "guided", "valid"), 4);
    assert_int_equal(count(root, "guided", "distinct"), 3);
    assert_int_equal(count(root, "guided", "compared"), 2);
    assert_int_equal(count(root, "guided", "satisfied"),
                     1); /* the unknown one does not count */
    assert_int_equal(count(root, "guided", "judged_exactly"), 1);
    assert_int_equal(count(root, "unguided", "samples"), 3);
    assert_int_equal(count(root, "unguided", "compared"), 2);
    assert_int_equal(count(root, "unguided", "satisfied"), 1);
    assert_int_equal(count(root, "rejected", "higher symmetry"), 2);
    assert_int_equal(count(root, "rejected", "no cell"), 1);
    assert_true(json_real_value(json_object_get(root, "ratio")) == 1.0);
    assert_string_equal(json_string_value(json_object_get(root, "by")), "exact");
    json_decref(root);
    assert_int_equal(summary(&outputs, "distinct"), 3);
    assert_int_equal(summary(&outputs, "added"), 3);
    assert_int_equal(summary(&outputs, "meeting"), 2);
    assert_int_equal(summary(&outputs, "guided"), 2);
    assert_int_equal(summary(&outputs, "guided_satisfied"), 1);
    assert_int_equal(summary(&outputs, "unguided"), 2);
    assert_int_equal(summary(&outputs, "unguided_satisfied"), 1);
    candidates_done(&list);
    task_outputs_done(&outputs);
}

static void test_rank__order_of_inputs_does_not_matter(void **state)
{
    (void)state;
    struct row rows[20], mirrored[20];
    struct task_outputs a = {0}, b = {0};
    struct candidates list_a = {0}, list_b = {0};
    for (uint32_t i = 0; i < 20; i++) {
        rows[i] =
            (struct row){i,    i % 3 != 0,       i % 7 ? "" : "no cell", (uint8_t)(3 + i % 11),
                         YES,  (uint8_t)(i % 3), 0.1 * (i % 5),          i % 2,
                         i % 4};
        mirrored[19 - i] = rows[i];
    }
    rank(rows, 20, 100, &a, &list_a);
    rank(mirrored, 20, 100, &b, &list_b);
    for (uint32_t k = 0; k < 3; k++) {
        assert_int_equal(a.bytes[k].size, b.bytes[k].size);
        assert_memory_equal(a.bytes[k].data, b.bytes[k].data, a.bytes[k].size);
    }
    candidates_done(&list_a);
    candidates_done(&list_b);
    task_outputs_done(&a);
    task_outputs_done(&b);
}

static void test_rank__says_what_is_wrong(void **state)
{
    (void)state;
    struct task_outputs outputs = {0};
    struct buf param = {0}, none = {0}, again = {0};
    struct err err = {0};
    const struct span twice[2] = {span_text("junk"), span_text("junk")};
    params(&again, true, 10);
    assert_int_equal(task_run_local("rank", buf_span(&again), twice, 2, &outputs, &err),
                     ERR_INVALID);
    assert_string_equal(err.text, "rank without candidates: 2 inputs");
    params(&param, false, 10);
    assert_int_equal(task_run_local("rank", buf_span(&param), NULL, 0, &outputs, &err),
                     ERR_INVALID);
    assert_string_equal(err.text, "rank without candidates: 0 inputs");
    const struct span junk = span_text("junk");
    assert_int_equal(task_run_local("rank", buf_span(&param), &junk, 1, &outputs, &err),
                     ERR_CORRUPT);
    assert_non_null(strstr(err.text, "input 0"));
    params(&none, false, 0);
    assert_int_equal(task_run_local("rank", buf_span(&none), &junk, 1, &outputs, &err),
                     ERR_CORRUPT);
    assert_non_null(strstr(err.text, "want"));
    buf_done(&param);
    buf_done(&none);
    buf_done(&again);
}

/* ---- round by round is as all at once ---- */

enum { STORY_ROWS = 120, ROUNDS_MAX = 6 };

/* Rows by sample number, with few protostructures and values, so that doubles and ties are
 * frequent. Some stories have one arm only, or get the guided one late. */
static void draw_story(struct rng *rng, struct row rows[STORY_ROWS])
{
    static const char *const reasons[] = {"",    "", "", "no cell", "higher symmetry: Q_1",
                                          "x: y"};
    uint32_t guided_from = rng_below(rng, 3) * 40;
    bool both = rng_below(rng, 4) > 0;
    uint32_t elements = 3 + rng_below(rng, 40);
    for (uint32_t i = 0; i < STORY_ROWS; i++)
        rows[i] = (struct row){.sample = i,
                               .guided = i >= guided_from && (!both || rng_below(rng, 2)),
                               .reason = reasons[rng_below(rng, 6)],
                               .element = (uint8_t)(18 + rng_below(rng, elements)),
                               .exact = (uint8_t)rng_below(rng, 3),
                               .predicted = (uint8_t)rng_below(rng, 3),
                               .probability = 0.25 * rng_below(rng, 5),
                               .novel = rng_below(rng, 2),
                               .pair_energy = rng_below(rng, 4)};
}

/* Rank rows [begin, end) on top of what `earlier` says (NULL: nothing). */
static void rank_round(const struct row *rows, uint32_t n, uint64_t want,
                       const struct task_outputs *earlier, struct task_outputs *ret)
{
    struct buf scored[2] = {{0}}, param = {0};
    struct span inputs[4];
    uint32_t n_inputs = 0;
    struct err err = {0};
    encode(rows, n / 3, &scored[0]);
    encode(rows + n / 3, n - n / 3, &scored[1]);
    params(&param, earlier, want);
    if (earlier) {
        inputs[n_inputs++] = buf_span(&earlier->bytes[0]);
        inputs[n_inputs++] = buf_span(&earlier->bytes[2]);
    }
    for (int k = 0; k < 2; k++)
        inputs[n_inputs++] = buf_span(&scored[k]);
    int rc = task_run_local("rank", buf_span(&param), inputs, n_inputs, ret, &err);
    assert_string_equal(rc ? err.text : "", "");
    buf_done(&scored[0]);
    buf_done(&scored[1]);
    buf_done(&param);
}

static void test_rank__round_by_round_is_as_all_at_once(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 300; seed++) {
        struct rng rng = rng_stream(seed, 0, 0, 0);
        struct row rows[STORY_ROWS];
        draw_story(&rng, rows);
        uint64_t want = 1 + rng_below(&rng, 30);
        struct task_outputs whole = {0}, last = {0}, next = {0};
        rank_round(rows, STORY_ROWS, want, NULL, &whole);
        uint32_t rounds = 2 + rng_below(&rng, ROUNDS_MAX - 1);
        for (uint32_t r = 0; r < rounds; r++) {
            uint32_t begin = STORY_ROWS * r / rounds, end = STORY_ROWS * (r + 1) / rounds;
            rank_round(rows + begin, end - begin, want, r ? &last : NULL, &next);
            task_outputs_done(&last);
            last = next;
            next = (struct task_outputs){0};
        }
        for (uint32_t k = 0; k < 2; k++) { /* candidates and report */
            assert_int_equal(whole.bytes[k].size, last.bytes[k].size);
            assert_memory_equal(whole.bytes[k].data, last.bytes[k].data, whole.bytes[k].size);
        }
        assert_int_equal(summary(&whole, "distinct"), summary(&last, "distinct"));
        assert_int_equal(summary(&whole, "meeting"), summary(&last, "meeting"));
        task_outputs_done(&whole);
        task_outputs_done(&last);
    }
}

/* `added` counts rows whose protostructure no row of the table before had. */
static void test_rank__added_counts_what_is_new_in_the_table(void **state)
{
    (void)state;
    static const struct row one[] = {{1, true, "", 11, YES, YES, 0.5, true, 0},
                                     {2, true, "", 19, YES, YES, 0.5, true, 1},
                                     {3, true, "", 37, YES, YES, 0.5, true, 2}},
                            same[] = {{4, true, "", 11, YES, YES, 0.9, true, 0}, /* better */
                                      {5, true, "", 3, NO, NO, 0.1, true,
                                       0}, /* not among them */
                                      {6, true, "no cell", 47, NO, NO, 0.1, true, 0}},
                            other[] = {{7, true, "", 55, YES, YES, 0.7, true, 0},
                                       {8, true, "", 55, YES, YES, 0.8, true, 0},
                                       {9, true, "", 55, YES, YES, 0.6, true, 0}};
    struct task_outputs a = {0}, b = {0}, c = {0};
    rank_round(one, 3, 3, NULL, &a);
    rank_round(same, 3, 3, &a, &b);
    rank_round(other, 3, 3, &b, &c);
    assert_int_equal(summary(&a, "added"), 3);
    assert_int_equal(summary(&b, "added"), 0);
    assert_int_equal(summary(&c, "added"), 1);
    assert_int_equal(summary(&c, "distinct"), 3);
    task_outputs_done(&a);
    task_outputs_done(&b);
    task_outputs_done(&c);
}

/* More different reasons than are counted one by one: the rest are "other". */
static void test_rank__reasons_are_bounded(void **state)
{
    (void)state;
    struct row rows[TALLY_REASONS_MAX + 50];
    char reasons[TALLY_REASONS_MAX + 50][16];
    enum { ROWS = sizeof rows / sizeof rows[0] };
    struct task_outputs a = {0}, b = {0};
    for (uint32_t i = 0; i < ROWS; i++) {
        (void)snprintf(reasons[i], sizeof reasons[i], "r%u: x", i);
        rows[i] = (struct row){.sample = i, .reason = reasons[i], .element = 3};
    }
    rank_round(rows, ROWS, 3, NULL, &a);
    rank_round(rows, ROWS, 3, &a, &b);
    json_t *root = json_loadb((const char *)b.bytes[1].data, b.bytes[1].size, 0, NULL);
    const json_t *rejected = json_object_get(root, "rejected");
    assert_int_equal(json_object_size(rejected), TALLY_REASONS_MAX);
    assert_int_equal(json_integer_value(json_object_get(rejected, "r7")), 2);
    assert_int_equal(json_integer_value(json_object_get(rejected, "other")), 2 * 51);
    json_decref(root);
    task_outputs_done(&a);
    task_outputs_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rank__order_is_the_written_key),
        cmocka_unit_test(test_rank__invalid_and_double_ones_are_left_out),
        cmocka_unit_test(test_rank__without_guided_ones_the_unguided_are_ranked),
        cmocka_unit_test(test_rank__arms_are_compared_over_equally_many),
        cmocka_unit_test(test_rank__order_of_inputs_does_not_matter),
        cmocka_unit_test(test_rank__says_what_is_wrong),
        cmocka_unit_test(test_rank__round_by_round_is_as_all_at_once),
        cmocka_unit_test(test_rank__added_counts_what_is_new_in_the_table),
        cmocka_unit_test(test_rank__reasons_are_bounded),
    };
    return cmocka_run_group_tests_name("rank", tests, NULL, NULL);
}
