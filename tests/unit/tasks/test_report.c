/* Does the report count right, in JSON and on the page? */
#include "tests/support/cmocka.h"

#include "common/mem.h"
#include "workers/assemble/report.h"
#include "workers/crystal/format.h"
#include "workers/encode/encode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void test_report__reasons_without_what_is_special(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"unknown element 'Uuq'", "unknown element '...'"},
        {"atoms 3 (O) and 17 (Ti) overlap: 0.02 A", "atoms N (...) and N (...) overlap: N A"},
        {"12 atoms in the conventional cell; the campaign's atoms_max is 10",
         "N atoms in the conventional cell; the campaign's atoms_max is N"},
        {"position of atom 2: 'x:y' is not a finite number",
         "position of atom N: '...' is not a finite number"},
        {"edge is -1.5e-3, want 0.5", "edge is N, want N"},
        {"P21/c and x2 stay, 7x7 not", "P21/c and x2 stay, Nx7 not"},
        {"it's half a quote, 5 of (6", "it's half a quote, N of (N"},
        {"", ""},
        {"1", "N"},
    };
    char kind[REASON_SIZE], all[REASON_SIZE];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        report_reason_kind(rows[i][0], kind);
        assert_string_equal(kind, rows[i][1]);
    }
    for (size_t i = 0; i + 1 < sizeof all; i++) /* grows by nothing, ends in time */
        all[i] = "('a' )"[i % 6];
    all[sizeof all - 1] = '\0';
    report_reason_kind(all, kind);
    assert_true(strlen(kind) < sizeof kind);
}

/* Rock salt of a cation, with its two atoms one way or the other. */
static void rock_salt(struct buf *text, const char *cation, double edge, bool swapped,
                      const char *keys)
{
    double half = edge / 2;
    buf_print(text,
              "2\nLattice=\"0 %.6f %.6f %.6f 0 %.6f %.6f %.6f 0\" "
              "Properties=species:S:1:frac:R:3 %s\n%s %s\nO %s\n",
              half, half, half, half, half, half, keys, cation,
              swapped ? "0.5 0.5 0.5" : "0 0 0", swapped ? "0 0 0" : "0.5 0.5 0.5");
}

/* Four oxides in three protostructures, one of them twice; three bad frames of two kinds. */
static json_t *example(double validation)
{
    struct buf text = {0};
    struct source source = {0};
    struct dataset shard = {0};
    struct merge merge = {0};
    rock_salt(&text, "Mg", 4.21, false, "id=mgo gap=7.8");
    rock_salt(&text, "Mg", 4.25, true, "id=mgo-larger gap=7.5");
    rock_salt(&text, "Ca", 4.81, false, "id=cao density=3.3");
    rock_salt(&text, "Mg", 4.21, false, "id=mgo-again");
    rock_salt(&text, "Xx", 4.21, false, "id=bad");
    rock_salt(&text, "Yy", 4.21, false, "id=worse");
    rock_salt(&text, "Mg", 0.3, false, "id=small");
    buf_print(&text,
              "2\nLattice=\"3 0 0 0 3 0 0 0 4.5\" Properties=species:S:1:frac:R:3 id=p4\n"
              "Ti 0 0 0.1\nO 0.5 0.5 0.65\n");
    format_split("set.extxyz", buf_span(&text), &source);
    shard.records = mem_new(source.n_items, sizeof *shard.records);
    shard.rejects = mem_new(source.n_items, sizeof *shard.rejects);
    for (uint32_t i = 0; i < source.n_items; i++) {
        struct structure structure;
        struct record record;
        if (encode_item(&source.items[i], 0.01, &structure, &record,
                        &shard.rejects[shard.n_rejects])) {
            shard.n_rejects++;
            continue;
        }
        encode_add(&shard, &structure, &record);
        structure_done(&structure);
    }
    merge_add(&merge, &shard, 0, 100);
    merge_finish(&merge, validation);
    struct report *report = report_new(&merge);
    json_t *json = report_json(report);
    report_free(report);
    merge_done(&merge);
    dataset_done(&shard);
    source_done(&source);
    buf_done(&text);
    return json;
}

static json_int_t number(const json_t *root, const char *key)
{
    return json_integer_value(json_object_get(root, key));
}

static const char *words(const json_t *root, const char *key)
{
    return json_string_value(json_object_get(root, key));
}

static void test_report__json_counts(void **state)
{
    (void)state;
    json_t *root = example(0.999999), *row;
    assert_int_equal(number(root, "accepted"), 4);
    assert_int_equal(number(root, "train"), 0);
    assert_int_equal(number(root, "validation"), 4);
    assert_int_equal(number(root, "duplicates"), 1);
    row = json_array_get(json_object_get(root, "removed"), 0);
    assert_string_equal(words(row, "id"), "mgo-again");
    assert_string_equal(words(row, "same_as"), "mgo");
    assert_string_equal(words(row, "file"), "set.extxyz");
    assert_int_equal(number(row, "line"), 13);
    assert_int_equal(number(json_object_get(root, "systems"), "cubic"), 3);
    assert_int_equal(number(json_object_get(root, "systems"), "tetragonal"), 1);
    assert_int_equal(number(json_object_get(root, "systems"), "triclinic"), 0);
    assert_int_equal(number(json_object_get(root, "spacegroups"), "225"), 3);
    assert_int_equal(number(json_object_get(root, "spacegroups"), "99"), 1);
    assert_int_equal(number(json_object_get(root, "dof"), "0"), 3);
    assert_int_equal(number(json_object_get(root, "dof"), "2"), 1);
    row = json_object_get(root, "protostructures");
    assert_int_equal(number(row, "distinct"), 3);
    assert_int_equal(number(row, "shared"), 1);
    assert_int_equal(number(row, "sharing"), 2);
    row = json_array_get(json_object_get(row, "largest"), 0);
    assert_int_equal(number(row, "count"), 2);
    assert_string_equal(json_string_value(json_array_get(json_object_get(row, "ids"), 0)),
                        "mgo");
    assert_string_equal(json_string_value(json_array_get(json_object_get(row, "ids"), 1)),
                        "mgo-larger");
    assert_int_equal(json_array_size(json_object_get(root, "reasons")), 2);
    row = json_array_get(json_object_get(root, "reasons"), 0);
    assert_string_equal(words(row, "reason"), "atom N: unknown element '...'");
    assert_int_equal(number(row, "count"), 2);
    assert_string_equal(words(row, "file"), "set.extxyz");
    assert_int_equal(number(row, "line"), 19);
    assert_int_equal(json_array_size(json_object_get(root, "rejected")), 3);
    row = json_array_get(json_object_get(root, "properties"), 0);
    assert_string_equal(words(row, "name"), "gap");
    assert_int_equal(number(row, "count"), 2);
    assert_true(json_real_value(json_object_get(row, "min")) == 7.5);
    assert_true(json_real_value(json_object_get(row, "max")) == 7.8);
    json_decref(root);
}

static void test_report__page_says_the_same(void **state)
{
    (void)state;
    json_t *root = example(0);
    struct buf page = {0};
    report_text(root, &page);
    const char *have = buf_text(&page);
    static const char *const lines[] = {
        "  accepted                4  4 for training, 0 for validation\n",
        "  duplicates              1  ",
        "  left out                3  ",
        "  protostructures         3  distinct; 1 of them shared by 2 structures\n",
        "  tetragonal              1  25.0 %  #############\n",
        "  cubic                   3  75.0 %  ########################################\n",
        "  225  F m -3 m           3  75.0 %  ########################################\n",
        "   99  P 4 m m            1  25.0 %  #############\n",
        "    1                     0   0.0 %\n    2                     1  25.0 %  ####",
        "  gap             2          7.5         7.65          7.8\n",
        "       2  AB_cF8_225_",
        "          mgo, mgo-larger\n",
        "  mgo-again (set.extxyz:13) is mgo\n",
        "       2  atom N: unknown element '...'\n          first: set.extxyz:19\n",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        if (!strstr(have, lines[i]))
            fail_msg("'%s' is not on the page:\n%s", lines[i], have);
    for (const char *line = have; *line; line += strcspn(line, "\n") + 1) {
        size_t size = strcspn(line, "\n");
        assert_true(size <= 100);
        assert_true(size == 0 || line[size - 1] != ' ');
    }
    buf_done(&page);
    json_decref(root);
}

/* Many groups, reasons, free coordinates and ids: the page stays a page. */
static void test_report__long_lists_are_cut(void **state)
{
    (void)state;
    json_t *groups = json_object(), *reasons = json_array(), *dof = json_object(),
           *ids = json_array(), *largest = json_array();
    for (int i = 1; i <= 230; i++) {
        char text[40];
        (void)snprintf(text, sizeof text, "%d", i);
        (void)json_object_set_new(groups, text, json_integer(i));
        (void)json_object_set_new(dof, text, json_integer(1));
        (void)snprintf(text, sizeof text, "reason %d", i);
        (void)json_array_append_new(reasons, json_pack("{s:s,s:i,s:s,s:i}", "reason", text,
                                                       "count", 1, "file", "f", "line", 0));
        if (i <= REPORT_IDS_MAX)
            (void)json_array_append_new(ids, json_string("an-id-of-some-length"));
    }
    for (int i = 0; i < 50; i++)
        (void)json_array_append_new(
            largest,
            json_pack("{s:s,s:i,s:O}", "label", "A_cF4_225_a:Cu", "count", 99, "ids", ids));
    json_t *root = json_pack("{s:i,s:o,s:o,s:o,s:{s:i,s:o}}", "accepted", 26565, "spacegroups",
                             groups, "reasons", reasons, "dof", dof, "protostructures",
                             "shared", 50, "largest", largest);
    struct buf page = {0};
    uint32_t n = 0;
    report_text(root, &page);
    for (const char *at = buf_text(&page); (at = strchr(at, '\n')); at++)
        n++;
    assert_true(n < 120);
    assert_non_null(strstr(buf_text(&page), "Space groups (the 15 most frequent of 230)\n"
                                            "  230  I a -3 d         230   0.9 %"));
    assert_non_null(strstr(buf_text(&page), "(the 20 most frequent of 230)\n"));
    assert_non_null(strstr(buf_text(&page), "(the 10 most frequent of 50)\n"));
    assert_non_null(strstr(buf_text(&page), "  100 to 109             10 "));
    assert_non_null(strstr(buf_text(&page), "  110 or more           121 "));
    assert_non_null(strstr(buf_text(&page), "an-id-of-some-length, ...\n"));
    assert_non_null(strstr(buf_text(&page), "first: f\n"));
    buf_done(&page);
    json_decref(ids);
    json_decref(root);
    report_text(NULL, &page); /* no report at all: zeros */
    assert_non_null(strstr(buf_text(&page), "accepted                0"));
    buf_done(&page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_report__reasons_without_what_is_special),
        cmocka_unit_test(test_report__json_counts),
        cmocka_unit_test(test_report__page_says_the_same),
        cmocka_unit_test(test_report__long_lists_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
