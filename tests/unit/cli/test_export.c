/* Does an export hold what its header promises, can it be read back, and is it the same twice?
 */
#include "tests/support/cmocka.h"

#include "cli/export.h"
#include "common/file.h"
#include "common/mem.h"
#include "tests/unit/runtime/folder.h"
#include "workers/crystal/format.h"
#include "workers/crystal/structure.h"

#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *folder;

static int enter(void **state)
{
    (void)state;
    folder = folder_new();
    return chdir(folder);
}

static int leave(void **state)
{
    (void)state;
    int rc = chdir("/");
    folder_remove(folder);
    return rc;
}

/* ---- three candidates: rock salt, rutile, wurtzite ---- */

static struct candidate make(uint16_t group, uint16_t n, const struct site *sites,
                             const double (*at)[3], const double cell[6])
{
    struct candidate c = {.geometry = GEOMETRY_RANDOM, .valid = true, .guided = true};
    c.record.proto =
        (struct protostructure){group, n, mem_copy(sites, n * sizeof(struct site))};
    c.record.free = mem_copy(at, n * sizeof *at);
    memcpy(c.record.cell, cell, sizeof c.record.cell);
    c.id = record_structure_id(&c.record);
    c.predicted = mem_new(2, sizeof(double));
    c.spread = mem_new(2, sizeof(double));
    c.exact = mem_new(2, sizeof(double));
    return c;
}

static struct candidates three(void)
{
    struct candidates list = {
        .n_properties = 2, .properties = {{"density", "g/cm3"}, {"gap", "eV"}}, .n = 3};
    list.items = mem_new(3, sizeof *list.items);
    list.items[0] =
        make(225, 2, (const struct site[]){{0, 11}, {1, 17}}, (const double[2][3]){{0}, {0}},
             (const double[]){5.64, 5.64, 5.64, 90, 90, 90});
    list.items[1] = make(136, 2, (const struct site[]){{0, 22}, {5, 8}},
                         (const double[2][3]){{0}, {0.305, 0, 0}},
                         (const double[]){4.594, 4.594, 2.959, 90, 90, 90});
    list.items[2] = make(186, 2, (const struct site[]){{1, 16}, {1, 30}},
                         (const double[2][3]){{0, 0, 0.375}, {0, 0, 0}},
                         (const double[]){3.82, 3.82, 6.26, 90, 90, 120});
    struct candidate *salt = &list.items[0], *rutile = &list.items[1], *zns = &list.items[2];
    memcpy(salt->predicted, (const double[]){2.125, 8.5}, 16);
    memcpy(salt->spread, (const double[]){0.25, 0.5}, 16);
    memcpy(salt->exact, (const double[]){2.1636, (double)NAN}, 16);
    salt->satisfied_exact = salt->satisfied_predicted = VERDICT_YES;
    salt->probability = 0.75;
    salt->pair_energy = -1.5;
    salt->geometry = GEOMETRY_TEMPLATE;
    (void)snprintf(salt->template_id, sizeof salt->template_id, "mp-1, \"x\"");
    memcpy(rutile->predicted, (const double[]){4.25, 3}, 16);
    memcpy(rutile->spread, (const double[]){0.125, 1}, 16);
    memcpy(rutile->exact, (const double[]){(double)NAN, (double)NAN}, 16);
    rutile->satisfied_predicted = VERDICT_NO;
    rutile->probability = 1.0 / 3;
    rutile->novel = true;
    rutile->pair_energy = (double)NAN;
    for (int p = 0; p < 2; p++)
        zns->predicted[p] = zns->spread[p] = zns->exact[p] = (double)NAN;
    zns->probability = (double)NAN;
    return list;
}

static const struct targets targets = {
    .n = 2, .items = {{"density", 2, 2.5, 1}, {"gap", 3, HUGE_VAL, 1}}};

static struct buf content(const char *path)
{
    struct buf text = {0};
    char part[4096];
    FILE *file = fopen(path, "r");
    if (!file)
        fail_msg("no file '%s'", path);
    for (size_t n; (n = fread(part, 1, sizeof part, file)) > 0;)
        buf_append(&text, part, n);
    (void)fclose(file);
    return text;
}

static void write_three(const char *path)
{
    struct candidates list = three();
    struct err err = {0};
    int rc = export_write(&list, &targets, path, &err);
    assert_string_equal(rc ? err.text : "", "");
    candidates_done(&list);
}

/* ---- questions ---- */

static void test_export__table_of_values(void **state)
{
    (void)state;
    write_three("csv");
    struct buf text = content("csv/candidates.csv");
    struct candidates list = three();
    char hex[3][HASH_HEX_SIZE];
    struct buf want = {0};
    for (int i = 0; i < 3; i++)
        (void)hash_hex(&list.items[i].id, hex[i]);
    buf_print(&want,
              "rank,id,label,formula,spacegroup,spacegroup_symbol,density_predicted,"
              "density_spread,density_exact,gap_predicted,gap_spread,gap_exact,"
              "density_asked_low,density_asked_high,gap_asked_low,gap_asked_high,"
              "satisfied_predicted,satisfied_exact,probability,novel,geometry,template,"
              "pair_energy,volume_per_atom\n"
              "1,%s,AB_cF8_225_b_a:Cl-Na,NaCl,225,F m -3 m,2.125,0.25,2.1636,8.5,0.5,,2,2.5,3,"
              ",yes,yes,0.75,no,template,\"mp-1, \"\"x\"\"\",-1.5,22.425768\n"
              "2,%s,A2B_tP6_136_f_a:O-Ti,TiO2,136,P 4_2/m n m,4.25,0.125,,3,1,,2,2.5,3,"
              ",no,unknown,0.33333333,yes,random,,,10.408202\n"
              "3,%s,AB_hP4_186_b_b:S-Zn,ZnS,186,P 6_3 m c,,,,,,,2,2.5,3,"
              ",unknown,unknown,,no,random,,0,19.777514\n",
              hex[0], hex[1], hex[2]);
    assert_string_equal(buf_text(&text), buf_text(&want));
    buf_done(&text);
    buf_done(&want);
    candidates_done(&list);
}

static void assert_reads_back(const char *path, uint32_t count)
{
    struct source source = {0};
    struct candidates list = three();
    struct err err = {0};
    assert_int_equal(format_ingest(path, &source, &err), 0);
    assert_int_equal(source.n_items, count);
    for (uint32_t i = 0; i < count; i++) {
        struct structure structure = {0};
        struct record record = {0};
        uint32_t line;
        int rc = format_parse(&source.items[i], &structure, &line, &err);
        if (!rc)
            rc = structure_to_record(&structure, 0.01, &record, &err);
        assert_string_equal(rc ? err.text : "", "");
        char *have = protostructure_label(&record.proto);
        char *want = protostructure_label(&list.items[i].record.proto);
        assert_string_equal(have, want);
        free(have);
        free(want);
        record_done(&record);
        structure_done(&structure);
    }
    candidates_done(&list);
    source_done(&source);
}

static void test_export__structures_read_back_with_their_symmetry(void **state)
{
    (void)state;
    write_three("back");
    assert_reads_back("back/cif", 3); /* in order of their names: ranks */
    assert_reads_back("back/candidates.extxyz", 3);
    struct buf text = content("back/cif/0001-NaCl.cif");
    assert_non_null(strstr(buf_text(&text), "density 2.125 +- 0.25 g/cm3, predicted"));
    assert_non_null(strstr(buf_text(&text), "density 2.1636 g/cm3, computed"));
    assert_non_null(strstr(buf_text(&text), "in the training data; geometry from template"));
    buf_done(&text);
}

/* Data have columns of any name: they must not break the table or the line of keys. */
static void test_export__names_of_properties_are_quoted(void **state)
{
    (void)state;
    struct candidates list = three();
    struct source source = {0};
    struct structure structure;
    (void)strcpy(list.properties[1].name, "gap, \"x\"");
    assert_int_equal(export_write(&list, &targets, "quoted", NULL), 0);
    candidates_done(&list);
    struct buf text = content("quoted/candidates.csv");
    assert_non_null(
        strstr(buf_text(&text), ",\"gap, \"\"x\"\"_predicted\",\"gap, \"\"x\"\"_sp"));
    buf_done(&text);
    assert_int_equal(format_ingest("quoted/candidates.extxyz", &source, NULL), 0);
    assert_int_equal(format_parse(&source.items[0], &structure, NULL, NULL), 0);
    assert_string_equal(structure.properties[4].property.name, "gap, \"x\"_predicted");
    assert_true(structure.properties[4].value == 8.5);
    structure_done(&structure);
    source_done(&source);
}

static void assert_same_file(const char *a, const char *b)
{
    struct buf one = content(a), two = content(b);
    assert_string_equal(buf_text(&one), buf_text(&two));
    buf_done(&one);
    buf_done(&two);
}

static void test_export__is_the_same_twice(void **state)
{
    (void)state;
    write_three("one");
    write_three("two/deeper");
    write_three("one"); /* over itself */
    assert_same_file("one/candidates.csv", "two/deeper/candidates.csv");
    assert_same_file("one/candidates.extxyz", "two/deeper/candidates.extxyz");
    assert_same_file("one/cif/0002-TiO2.cif", "two/deeper/cif/0002-TiO2.cif");
}

/* Names in the folder, sorted, each followed by a blank. */
static void list_names(const char *path, char *ret, size_t size)
{
    struct dirent **entries;
    int n = scandir(path, &entries, NULL, alphasort);
    assert_true(n >= 0);
    ret[0] = '\0';
    for (int i = 0; i < n; i++) {
        if (entries[i]->d_name[0] != '.')
            (void)snprintf(ret + strlen(ret), size - strlen(ret), "%s ", entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
}

static void test_export__only_our_own_old_files_go(void **state)
{
    (void)state;
    static const char *const others[] = {"notes.txt", "12-Fe.cif", "0001-Na Cl.cif",
                                         "0002-TiO2.cif.bak", "my-0003-ZnS.cif"};
    static const char *const stale[] = {"0004-Fe2O3.cif", "0001-KCl.cif", "12345-UO2.cif"};
    char names[600];
    write_three("old");
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        folder_write("old/cif", others[i], "x");
    for (size_t i = 0; i < sizeof stale / sizeof *stale; i++)
        folder_write("old/cif", stale[i], "x");
    write_three("old");
    list_names("old/cif", names, sizeof names);
    assert_string_equal(names, "0001-Na Cl.cif 0001-NaCl.cif 0002-TiO2.cif 0002-TiO2.cif.bak "
                               "0003-ZnS.cif 12-Fe.cif my-0003-ZnS.cif notes.txt ");
}

static void test_export__nothing_to_export_is_no_error(void **state)
{
    (void)state;
    const struct candidates none = {.n_properties = 1, .properties = {{"gap", "eV"}}};
    char names[100];
    assert_int_equal(export_write(&none, &targets, "none", NULL), 0);
    list_names("none/cif", names, sizeof names);
    assert_string_equal(names, "");
}

static void test_export__says_what_is_wrong(void **state)
{
    (void)state;
    struct candidates list = three();
    struct err err = {0};
    assert_int_equal(file_write("file", span_text("x"), NULL), 0);
    assert_int_equal(export_write(&list, &targets, "file", &err), ERR_IO);
    assert_non_null(strstr(err.text, "file"));
    list.items[1].record.cell[3] = 0; /* no cell */
    assert_true(export_write(&list, &targets, "bad", &err) < 0);
    assert_memory_equal(err.text, "candidate 2: ", 13);
    candidates_done(&list);
}

static void test_export__table_for_a_terminal(void **state)
{
    (void)state;
    struct candidates list = three();
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    export_table(out, &list, &targets, 2);
    (void)fclose(out);
    assert_string_equal(
        text, "rank  formula  space group      density                gap         met  "
              "probability  new  geometry\n"
              "               asked:           2..2.5 g/cm3           >= 3 eV\n"
              "1     NaCl     225 F m -3 m     2.164 (2.125 +- 0.25)  8.5 +- 0.5  yes  0.75"
              "         no   template mp-1, \"x\"\n"
              "2     TiO2     136 P 4_2/m n m  4.25 +- 0.12           3 +- 1      no   0.33"
              "         yes  random\n"
              "... and 1 more\n");
    free(text);
    candidates_done(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_export__table_of_values),
        cmocka_unit_test(test_export__structures_read_back_with_their_symmetry),
        cmocka_unit_test(test_export__names_of_properties_are_quoted),
        cmocka_unit_test(test_export__is_the_same_twice),
        cmocka_unit_test(test_export__only_our_own_old_files_go),
        cmocka_unit_test(test_export__nothing_to_export_is_no_error),
        cmocka_unit_test(test_export__says_what_is_wrong),
        cmocka_unit_test(test_export__table_for_a_terminal),
    };
    return cmocka_run_group_tests_name("export", tests, enter, leave);
}
