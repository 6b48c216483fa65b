/* Does score fill in what it promises? The guide here is the test's own: it predicts what the
 * test says, so that every number can be checked by hand. */
#include "tests/support/cmocka.h"

#include "common/cleanup.h"
#include "common/mem.h"
#include "proto/objects.h"
#include "proto/targets.h"
#include "workers/crystal/properties.h"
#include "workers/crystal/structure.h"
#include "workers/diffusion/guide.h"
#include "workers/task.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct task_kind task_kinds[] = {{"score", 1, false, score_run, "score candidates"}};
const uint32_t task_kinds_count = 1;

/* ---- a guide that says: density = 2 + Z of the first site / 100, spread 0.5; gap 1, 0.1; for
 * Z = 55 it knows nothing ---- */

struct guide {
    int unused;
};

static const struct property guided[2] = {{"density", "g/cm3"}, {"band_gap", "eV"}};

int guide_open(struct span checkpoint, struct guide **ret, struct err *err)
{
    if (checkpoint.size == 0)
        return err_set(err, ERR_CORRUPT, "checkpoint: no bytes");
    *ret = mem_new(1, sizeof **ret);
    return 0;
}

void guide_close(struct guide *guide)
{
    free(guide);
}

uint32_t guide_properties(const struct guide *guide, const struct property **ret)
{
    (void)guide;
    *ret = guided;
    return 2;
}

int guide_predict(struct guide *guide, const struct protostructure *protos, uint32_t n,
                  double *ret_mean, double *ret_spread, struct err *err)
{
    (void)guide;
    (void)err;
    for (uint32_t i = 0; i < n; i++) {
        bool knows = protos[i].sites[0].element != 55;
        ret_mean[2 * i] = knows ? 2 + protos[i].sites[0].element / 100.0 : (double)NAN;
        ret_mean[2 * i + 1] = knows ? 1 : (double)NAN;
        ret_spread[2 * i] = 0.5;
        ret_spread[2 * i + 1] = 0.1;
    }
    return 0;
}

/* ---- objects ---- */

static struct record rock_salt(uint8_t cation, double a)
{
    struct record record = {.line = 1};
    record.proto = (struct protostructure){225, 2, mem_new(2, sizeof(struct site))};
    record.proto.sites[0] = (struct site){0, cation};
    record.proto.sites[1] = (struct site){1, 17};
    record.free = mem_new(2, sizeof *record.free);
    for (int i = 0; i < 6; i++)
        record.cell[i] = i < 3 ? a : 90;
    (void)snprintf(record.id, sizeof record.id, "r%d", cation);
    return record;
}

static double density(const struct record *record)
{
    struct structure structure = {0};
    double value = 0;
    assert_int_equal(record_to_primitive(record, &structure, NULL), 0);
    assert_int_equal(exact_property_find("density")->compute(&structure, &value, NULL), 0);
    structure_done(&structure);
    return value;
}

/* LiCl, NaCl, KCl; the density column times `factor`. */
static void dataset(double factor, struct buf *out)
{
    struct dataset data = {.n_properties = 2,
                           .properties = {{"band_gap", "eV"}, {"density", "g/cm3"}},
                           .n_records = 3,
                           .records = mem_new(3, sizeof *data.records),
                           .splits = mem_new(3, 1)};
    static const uint8_t cations[3] = {3, 11, 19};
    for (uint32_t i = 0; i < 3; i++) {
        struct record *record = &data.records[i];
        *record = rock_salt(cations[i], 5 + 0.5 * i);
        record->properties = mem_new(2, sizeof *record->properties);
        record->properties[0] = (double)NAN;
        record->properties[1] = density(record) * (i == 2 ? factor : 1);
    }
    dataset_encode(&data, out);
    dataset_done(&data);
}

/* NaCl (known), RbCl, one that is not valid, CsCl in this structure. */
static void candidates(struct buf *out)
{
    struct candidates list = {.n = 4, .items = mem_new(4, sizeof *list.items)};
    static const uint8_t cations[4] = {11, 37, 3, 55};
    for (uint32_t i = 0; i < 4; i++) {
        struct candidate *c = &list.items[i];
        c->record = rock_salt(cations[i], 5.64);
        c->id = record_structure_id(&c->record);
        c->sample = i;
        c->valid = i != 2;
        c->distance_min = 2.8;
        (void)snprintf(c->reason, sizeof c->reason, "%s", i == 2 ? "no cell" : "");
    }
    candidates_encode(&list, out);
    candidates_done(&list);
}

static void score(const struct targets *targets, double factor, struct candidates *ret)
{
    struct buf inputs[3] = {{0}}, param = {0};
    struct pack pack;
    struct err err = {0};
    struct task_outputs outputs = {0};
    dataset(factor, &inputs[0]);
    buf_print(&inputs[1], "guide");
    candidates(&inputs[2]);
    pack_init(&pack, &param);
    pack_map(&pack, 1);
    pack_key(&pack, "targets");
    targets_pack(&pack, targets);
    const struct span spans[3] = {buf_span(&inputs[0]), buf_span(&inputs[1]),
                                  buf_span(&inputs[2])};
    int rc = task_run_local("score", buf_span(&param), spans, 3, &outputs, &err);
    assert_string_equal(rc ? err.text : "", "");
    assert_int_equal(outputs.n, 1);
    assert_int_equal(candidates_decode(buf_span(&outputs.bytes[0]), ret, &err), 0);
    assert_int_equal(ret->n, 4);
    assert_int_equal(ret->n_properties, 2);
    assert_string_equal(ret->properties[0].name, "density");
    assert_string_equal(ret->properties[0].unit, "g/cm3");
    task_outputs_done(&outputs);
    buf_done(&param);
    for (int i = 0; i < 3; i++)
        buf_done(&inputs[i]);
}

#define assert_near(a, b, tolerance) assert_true(fabs((a) - (b)) <= (tolerance))

static void test_score__predictions_exact_values_and_novelty(void **state)
{
    (void)state;
    const struct targets targets = {.n = 1, .items = {{"density", 2, 2.61, 1}}};
    struct candidates list = {0};
    score(&targets, 1, &list);
    const struct candidate *nacl = &list.items[0], *rbcl = &list.items[1];
    assert_near(nacl->predicted[0], 2.11, 1e-12);
    assert_near(nacl->spread[1], 0.1, 1e-12);
    assert_near(nacl->exact[0], 2.1636, 1e-3); /* rock salt */
    assert_true(isnan(nacl->exact[1]));        /* nobody computes a band gap */
    assert_false(nacl->novel);
    assert_true(rbcl->novel);
    assert_int_equal(nacl->satisfied_predicted, VERDICT_YES);
    assert_int_equal(nacl->satisfied_exact, VERDICT_YES);
    assert_int_equal(rbcl->satisfied_predicted, VERDICT_YES);
    assert_int_equal(rbcl->satisfied_exact, VERDICT_NO); /* 4.5 g/cm3 in this cell */
    /* Phi(1) - Phi(-0.22) */
    assert_near(nacl->probability, 0.8413447460685429 - 0.4129355773517853, 1e-12);
    candidates_done(&list);
}

static void test_score__what_is_not_valid_or_not_predicted_stays_unknown(void **state)
{
    (void)state;
    const struct targets targets = {.n = 1, .items = {{"density", 2, 9, 1}}};
    struct candidates list = {0};
    score(&targets, 1, &list);
    const struct candidate *broken = &list.items[2], *cesium = &list.items[3];
    assert_true(isnan(broken->predicted[0]) && isnan(broken->exact[0]));
    assert_true(isnan(broken->probability));
    assert_int_equal(broken->satisfied_exact, VERDICT_UNKNOWN);
    assert_int_equal(broken->satisfied_predicted, VERDICT_UNKNOWN);
    assert_false(broken->novel);
    assert_string_equal(broken->reason, "no cell");
    assert_int_equal(cesium->satisfied_predicted, VERDICT_UNKNOWN);
    assert_int_equal(cesium->satisfied_exact, VERDICT_YES);
    assert_true(isnan(cesium->probability));
    candidates_done(&list);
}

/* A data set whose "density" is something else: ours would be no truth about it. */
static void test_score__exact_only_where_the_data_agree(void **state)
{
    (void)state;
    const struct targets targets = {.n = 1, .items = {{"density", 2, 9, 1}}};
    struct candidates list = {0};
    score(&targets, 1.002, &list);
    for (uint32_t i = 0; i < list.n; i++) {
        assert_true(isnan(list.items[i].exact[0]));
        assert_int_equal(list.items[i].satisfied_exact, VERDICT_UNKNOWN);
    }
    candidates_done(&list);
    score(&targets, 1.0005, &list); /* within rounding of an encoded structure */
    assert_true(isfinite(list.items[0].exact[0]));
    candidates_done(&list);
}

static void test_score__several_targets_multiply_and_open_ends_work(void **state)
{
    (void)state;
    const struct targets targets = {
        .n = 2, .items = {{"density", -HUGE_VAL, 2.11, 1}, {"band_gap", 1.2, HUGE_VAL, 1}}};
    struct candidates list = {0};
    score(&targets, 1, &list);
    const struct candidate *nacl = &list.items[0];
    assert_near(nacl->probability, 0.5 * 0.022750131948179195, 1e-12); /* Phi(-2) */
    assert_int_equal(nacl->satisfied_predicted, VERDICT_NO);
    /* no exact band gap, but 2.16 g/cm3 are enough to say no */
    assert_int_equal(nacl->satisfied_exact, VERDICT_NO);
    candidates_done(&list);
    const struct targets none = {0};
    score(&none, 1, &list);
    assert_true(list.items[0].probability == 1);
    assert_int_equal(list.items[0].satisfied_exact, VERDICT_YES);
    candidates_done(&list);
}

static void test_score__says_what_is_wrong(void **state)
{
    (void)state;
    const struct targets targets = {.n = 1, .items = {{"hardness", 1, 2, 1}}};
    struct buf param = {0}, data = {0}, list = {0};
    struct pack pack;
    struct err err = {0};
    struct task_outputs outputs = {0};
    dataset(1, &data);
    candidates(&list);
    pack_init(&pack, &param);
    pack_map(&pack, 1);
    pack_key(&pack, "targets");
    targets_pack(&pack, &targets);
    const struct span inputs[3] = {buf_span(&data), span_text("guide"), buf_span(&list)};
    assert_int_equal(task_run_local("score", buf_span(&param), inputs, 3, &outputs, &err),
                     ERR_INVALID);
    assert_string_equal(err.text, "the guide was not trained on the target 'hardness'");
    assert_int_equal(task_run_local("score", buf_span(&param), inputs, 2, &outputs, &err),
                     ERR_INVALID);
    const struct span empty[3] = {buf_span(&data), {NULL, 0}, buf_span(&list)};
    assert_int_equal(task_run_local("score", buf_span(&param), empty, 3, &outputs, &err),
                     ERR_CORRUPT);
    buf_done(&param);
    buf_done(&data);
    buf_done(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_score__predictions_exact_values_and_novelty),
        cmocka_unit_test(test_score__what_is_not_valid_or_not_predicted_stays_unknown),
        cmocka_unit_test(test_score__exact_only_where_the_data_agree),
        cmocka_unit_test(test_score__several_targets_multiply_and_open_ends_work),
        cmocka_unit_test(test_score__says_what_is_wrong),
    };
    return cmocka_run_group_tests_name("score", tests, NULL, NULL);
}
