/* Do encode and assemble keep what is good, explain what is not, and give the same bytes
 * whatever the order of the shards? */
#include "tests/support/cmocka.h"

#include "common/mem.h"
#include "workers/crystal/format.h"
#include "workers/task.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct task_kind task_kinds[] = {{"encode", 3, true, encode_run, "encode structures"},
                                       {"assemble", 2, false, assemble_run, "merge shards"}};
const uint32_t task_kinds_count = 2;

/* Rock salt, edge in Angstrom. */
static void rock_salt(struct buf *text, const char *cation, double edge, const char *keys)
{
    double half = edge / 2;
    buf_print(text,
              "2\nLattice=\"0 %.6f %.6f %.6f 0 %.6f %.6f %.6f 0\" "
              "Properties=species:S:1:frac:R:3 %s\n%s 0 0 0\nO 0.5 0.5 0.5\n",
              half, half, half, half, half, half, keys, cation);
}

/* One shard from extXYZ text. */
static struct buf encode(const char *file, struct buf *text)
{
    struct source source = {0};
    struct buf bytes = {0}, params = {0}, shard;
    struct pack pack;
    struct task_outputs outputs;
    struct err err = {0};
    format_split(file, buf_span(text), &source);
    source_encode(&source, &bytes);
    pack_init(&pack, &params);
    pack_map(&pack, 1);
    pack_key(&pack, "symprec");
    pack_f64(&pack, 0.1);
    struct span input = buf_span(&bytes);
    if (task_run_local("encode", buf_span(&params), &input, 1, &outputs, &err))
        fail_msg("%s", err.text);
    assert_int_equal(outputs.n, 1);
    assert_string_equal(outputs.types[0], "dataset");
    shard = outputs.bytes[0];
    outputs.bytes[0] = (struct buf){0};
    task_outputs_done(&outputs);
    source_done(&source);
    buf_done(&bytes);
    buf_done(&params);
    buf_done(text);
    return shard;
}

static int assemble(const struct buf *shards, uint32_t n, uint64_t atoms_max, double validation,
                    struct task_outputs *ret, struct err *err)
{
    struct buf params = {0};
    struct pack pack;
    struct span *inputs = mem_new(n, sizeof *inputs);
    for (uint32_t i = 0; i < n; i++)
        inputs[i] = buf_span(&shards[i]);
    pack_init(&pack, &params);
    pack_map(&pack, 3);
    pack_key(&pack, "atoms_max");
    pack_u64(&pack, atoms_max);
    pack_key(&pack, "lines_before");
    pack_array(&pack, n);
    for (uint32_t i = 0; i < n; i++)
        pack_u64(&pack, 0);
    pack_key(&pack, "validation");
    pack_f64(&pack, validation);
    int rc = task_run_local("assemble", buf_span(&params), inputs, n, ret, err);
    free(inputs);
    buf_done(&params);
    return rc;
}

static uint64_t summary_number(const struct task_outputs *outputs, const char *key)
{
    struct document *document;
    uint64_t value;
    assert_int_equal(
        document_parse(buf_span(&outputs->summary), &value_limits_message, &document, NULL), 0);
    assert_int_equal(
        value_u64(value_get(document_root(document), key), key, 0, UINT64_MAX, &value, NULL),
        0);
    document_free(document);
    return value;
}

static void test_encode__records_properties_and_rejects(void **state)
{
    (void)state;
    struct buf text = {0};
    rock_salt(&text, "Mg", 4.21, "id=mgo band_gap=7.8 spacegroup=225 year=1970");
    rock_salt(&text, "Xx", 4.21, "id=bad");
    rock_salt(&text, "Ca", 4.81, "id=cao energy=-6.5 band_gap=nan");
    struct buf shard = encode("oxides.extxyz", &text);
    struct dataset dataset;
    assert_int_equal(dataset_decode(buf_span(&shard), &dataset, NULL), 0);
    assert_int_equal(dataset.n_properties, 2);
    assert_string_equal(dataset.properties[0].name, "band_gap");
    assert_string_equal(dataset.properties[1].name, "energy");
    assert_int_equal(dataset.n_records, 2);
    assert_string_equal(dataset.records[0].id, "mgo");
    assert_string_equal(dataset.records[0].source, "oxides.extxyz");
    assert_int_equal(dataset.records[0].line, 1);
    assert_int_equal(dataset.records[0].proto.spacegroup, 225);
    assert_true(dataset.records[0].properties[0] == 7.8);
    assert_true(isnan(dataset.records[0].properties[1]));
    assert_true(isnan(dataset.records[1].properties[0]));
    assert_true(dataset.records[1].properties[1] == -6.5);
    assert_true(fabs(dataset.records[1].cell[0] - 4.81) < 1e-9);
    assert_int_equal(dataset.n_rejects, 1);
    assert_string_equal(dataset.rejects[0].id, "bad");
    assert_string_equal(dataset.rejects[0].file, "oxides.extxyz");
    assert_int_equal(dataset.rejects[0].line, 7);
    assert_non_null(strstr(dataset.rejects[0].reason, "unknown element 'Xx'"));
    dataset_done(&dataset);
    buf_done(&shard);
}

/* A frame without id is named by assemble, which knows its line. */
static void test_encode__structures_without_id_stay_without(void **state)
{
    (void)state;
    struct buf text = {0};
    struct dataset dataset;
    rock_salt(&text, "Mg", 4.21, "id=mgo");
    rock_salt(&text, "Ca", 4.81, "gap=1");
    struct buf shard = encode("oxides.extxyz", &text);
    assert_int_equal(dataset_decode(buf_span(&shard), &dataset, NULL), 0);
    assert_string_equal(dataset.records[0].id, "mgo");
    assert_string_equal(dataset.records[1].id, "");
    assert_int_equal(dataset.records[1].line, 5);
    dataset_done(&dataset);
    struct task_outputs outputs;
    assert_int_equal(assemble(&shard, 1, 100, 0, &outputs, NULL), 0);
    assert_int_equal(dataset_decode(buf_span(&outputs.bytes[0]), &dataset, NULL), 0);
    assert_string_equal(dataset.records[0].id, "mgo");
    assert_string_equal(dataset.records[1].id, "oxides:5");
    dataset_done(&dataset);
    task_outputs_done(&outputs);
    buf_done(&shard);
}

static void test_encode__wrong_parameters_are_refused(void **state)
{
    (void)state;
    struct buf params = {0};
    struct pack pack;
    struct task_outputs outputs;
    struct err err = {0};
    pack_init(&pack, &params);
    pack_map(&pack, 1);
    pack_key(&pack, "symprec");
    pack_f64(&pack, -1);
    struct span input = span_text("no source");
    assert_int_equal(task_run_local("encode", buf_span(&params), &input, 1, &outputs, &err),
                     ERR_INVALID);
    assert_non_null(strstr(err.text, "symprec"));
    buf_done(&params);
    pack_init(&pack, &params);
    pack_map(&pack, 1);
    pack_key(&pack, "symprec");
    pack_f64(&pack, 0.1);
    assert_int_equal(task_run_local("encode", buf_span(&params), &input, 1, &outputs, &err),
                     ERR_CORRUPT);
    buf_done(&params);
}

/* Two shards with a duplicate, a shared id, a column each and a common one, a large cell. */
static void two_shards(struct buf shards[2])
{
    struct buf text = {0};
    rock_salt(&text, "Mg", 4.21, "id=b common=1 first=10");
    rock_salt(&text, "Ca", 4.81, "id=a common=2");
    rock_salt(&text, "Sr", 5.16, "id=same");
    shards[0] = encode("one.extxyz", &text);
    rock_salt(&text, "Mg", 4.21, "id=c common=3"); /* the structure of b */
    rock_salt(&text, "Ba", 5.54, "id=same second=-1 common=5");
    rock_salt(&text, "Fe", 4.30, "id=same");
    rock_salt(&text, "Yy", 4.30, "id=bad");
    buf_print(&text, "12\nLattice=\"9 1 0 0 10 2 1 0 11\" id=large\n");
    for (int i = 0; i < 12; i++)
        buf_print(&text, "C %d %d %d.5\n", 2 * (i % 4), 3 * (i / 4), (i * i) % 5);
    shards[1] = encode("two.extxyz", &text);
}

static void test_assemble__merges_sorts_and_names(void **state)
{
    (void)state;
    struct buf shards[2];
    struct task_outputs outputs;
    struct err err = {0};
    struct dataset dataset;
    two_shards(shards);
    if (assemble(shards, 2, 10, 0, &outputs, &err))
        fail_msg("%s", err.text);
    assert_int_equal(outputs.n, 2);
    assert_string_equal(outputs.types[0], "dataset");
    assert_string_equal(outputs.types[1], "report");
    assert_int_equal(dataset_decode(buf_span(&outputs.bytes[0]), &dataset, NULL), 0);
    assert_int_equal(dataset.n_properties, 3);
    static const char *const ids[] = {"a", "b", "same", "same#2", "same#3"};
    assert_int_equal(dataset.n_records, 5);
    for (uint32_t i = 0; i < 5; i++) {
        assert_string_equal(dataset.records[i].id, ids[i]);
        assert_int_equal(dataset.splits[i], SPLIT_TRAIN);
    }
    int common = dataset_property_find(&dataset, "common");
    int second = dataset_property_find(&dataset, "second");
    assert_true(dataset.records[0].properties[common] == 2);
    assert_true(dataset.records[1].properties[common] == 1);
    assert_true(isnan(dataset.records[0].properties[second]));
    assert_int_equal(dataset.n_rejects, 2);
    assert_non_null(strstr(dataset.rejects[1].reason, "12 atoms in the conventional cell"));
    assert_int_equal(summary_number(&outputs, "accepted"), 5);
    assert_int_equal(summary_number(&outputs, "duplicates"), 1);
    assert_int_equal(summary_number(&outputs, "rejected"), 2);
    assert_int_equal(summary_number(&outputs, "groups"), 1);
    /* A is the first element by alphabet: AB_cF8_225_a_b, and with O-Sr AB_cF8_225_b_a */
    assert_int_equal(summary_number(&outputs, "prototypes"), 2);
    dataset_done(&dataset);
    task_outputs_done(&outputs);
    buf_done(&shards[0]);
    buf_done(&shards[1]);
}

static void test_assemble__report_tells_all(void **state)
{
    (void)state;
    struct buf shards[2];
    struct task_outputs outputs;
    two_shards(shards);
    assert_int_equal(assemble(shards, 2, 10, 0.5, &outputs, NULL), 0);
    json_t *root =
        json_loadb((const char *)outputs.bytes[1].data, outputs.bytes[1].size, 0, NULL);
    assert_non_null(root);
    assert_int_equal(json_integer_value(json_object_get(root, "accepted")), 5);
    assert_int_equal(json_integer_value(json_object_get(root, "train")) +
                         json_integer_value(json_object_get(root, "validation")),
                     5);
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(root, "spacegroups"), "225")), 5);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(root, "dof"), "0")), 5);
    json_t *row = json_array_get(json_object_get(root, "properties"), 0);
    assert_string_equal(json_string_value(json_object_get(row, "name")), "common");
    assert_int_equal(json_integer_value(json_object_get(row, "count")), 3);
    assert_true(fabs(json_real_value(json_object_get(row, "mean")) - 8.0 / 3) < 1e-15);
    assert_true(json_real_value(json_object_get(row, "min")) == 1);
    assert_true(json_real_value(json_object_get(row, "max")) == 5);
    row = json_array_get(json_object_get(root, "rejected"), 0);
    assert_string_equal(json_string_value(json_object_get(row, "id")), "bad");
    assert_string_equal(json_string_value(json_object_get(row, "file")), "two.extxyz");
    assert_int_equal(json_integer_value(json_object_get(row, "line")), 15);
    json_decref(root);
    task_outputs_done(&outputs);
    buf_done(&shards[0]);
    buf_done(&shards[1]);
}

/* Which structure is for validation depends on the structure alone. */
static void test_assemble__split_follows_the_structure(void **state)
{
    (void)state;
    struct buf text = {0};
    enum { N = 40 };
    for (int i = 0; i < N; i++) {
        char keys[32];
        (void)snprintf(keys, sizeof keys, "id=%d", i);
        rock_salt(&text, "Mg", 4 + 0.01 * i, keys);
    }
    struct buf shard = encode("x.extxyz", &text);
    struct task_outputs outputs[2];
    struct dataset sets[2];
    uint32_t validation = 0;
    for (int t = 0; t < 2; t++) {
        assert_int_equal(assemble(&shard, 1, 100, t ? 0.5 : 0.25, &outputs[t], NULL), 0);
        assert_int_equal(dataset_decode(buf_span(&outputs[t].bytes[0]), &sets[t], NULL), 0);
    }
    for (int i = 0; i < N; i++) {
        assert_true(sets[0].splits[i] == SPLIT_TRAIN || sets[1].splits[i] == SPLIT_VALIDATION);
        validation += sets[1].splits[i];
    }
    assert_true(validation > N / 4 && validation < 3 * N / 4);
    for (int t = 0; t < 2; t++) {
        dataset_done(&sets[t]);
        task_outputs_done(&outputs[t]);
    }
    buf_done(&shard);
}

static void test_assemble__no_structures_at_all_is_an_error(void **state)
{
    (void)state;
    struct buf text = {0};
    struct task_outputs outputs;
    struct err err = {0};
    rock_salt(&text, "Zz", 4, "id=z");
    struct buf shard = encode("x.extxyz", &text);
    assert_int_equal(assemble(&shard, 1, 100, 0.1, &outputs, &err), ERR_INVALID);
    assert_non_null(
        strstr(err.text, "none of 1 structures can be used; the first: x.extxyz:3"));
    assert_int_equal(assemble(NULL, 0, 100, 0.1, &outputs, &err), ERR_INVALID);
    assert_int_equal(assemble(&shard, 1, 100, 1.0, &outputs, &err), ERR_INVALID);
    assert_int_equal(assemble(&shard, 1, 0, 0.1, &outputs, &err), ERR_CORRUPT);
    buf_done(&shard);
}

/* Lines in front are told shard by shard; anything else is refused, not guessed. */
static void test_assemble__lines_are_told_for_every_shard(void **state)
{
    (void)state;
    static const struct {
        uint32_t n;
        uint64_t first;
        int code;
        const char *sentence;
    } rows[] = {{0, 0, ERR_INVALID, "lines_before holds 0 numbers for 1 shards"},
                {2, 7, ERR_INVALID, "lines_before holds 2 numbers for 1 shards"},
                {1, LINE_RELATIVE, ERR_CORRUPT, "shard 1: "}};
    struct buf text = {0};
    rock_salt(&text, "Mg", 4.21, "id=mgo");
    struct buf shard = encode("x.extxyz", &text);
    struct span input = buf_span(&shard);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf params = {0};
        struct pack pack;
        struct task_outputs outputs;
        struct err err = {0};
        pack_init(&pack, &params);
        pack_map(&pack, 3);
        pack_key(&pack, "atoms_max");
        pack_u64(&pack, 100);
        pack_key(&pack, "lines_before");
        pack_array(&pack, rows[i].n);
        for (uint32_t k = 0; k < rows[i].n; k++)
            pack_u64(&pack, rows[i].first);
        pack_key(&pack, "validation");
        pack_f64(&pack, 0.1);
        assert_int_equal(
            task_run_local("assemble", buf_span(&params), &input, 1, &outputs, &err),
            rows[i].code);
        if (!strstr(err.text, rows[i].sentence))
            fail_msg("'%s'", err.text);
        buf_done(&params);
    }
    buf_done(&shard);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_encode__records_properties_and_rejects),
        cmocka_unit_test(test_encode__structures_without_id_stay_without),
        cmocka_unit_test(test_encode__wrong_parameters_are_refused),
        cmocka_unit_test(test_assemble__merges_sorts_and_names),
        cmocka_unit_test(test_assemble__report_tells_all),
        cmocka_unit_test(test_assemble__split_follows_the_structure),
        cmocka_unit_test(test_assemble__no_structures_at_all_is_an_error),
        cmocka_unit_test(test_assemble__lines_are_told_for_every_shard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
