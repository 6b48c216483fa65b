/* Do all formats hold the same structures, ids, numbers and units, and do they come back? */
#include "tests/unit/crystal/example.h"
#include "tests/unit/crystal/read.h"

#include "common/mem.h"
#include "workers/crystal/matrix.h"
#include "workers/crystal/writer.h"

#include <stdlib.h>

static const char *const names[] = {"x.extxyz", "x.cif", "x.vasp", "x.csv", "x.json"};
enum { FORMATS = sizeof names / sizeof names[0] };

static void give_property(struct structure *s, const char *name, const char *unit, double value)
{
    s->properties = mem_resize(s->properties, s->n_properties + 1u, sizeof *s->properties);
    memset(&s->properties[s->n_properties], 0, sizeof *s->properties);
    (void)snprintf(s->properties[s->n_properties].property.name, PROPERTY_NAME_SIZE, "%s",
                   name);
    (void)snprintf(s->properties[s->n_properties].property.unit, UNIT_SIZE, "%s", unit);
    s->properties[s->n_properties++].value = value;
}

static struct source write_and_split(const char *file, const struct format_out *list,
                                     uint32_t n)
{
    struct buf out = {0};
    struct err err = {0};
    struct source source = {0};
    if (format_write(format_name(file), list, n, &out, &err))
        fail_msg("%s: %s", file, err.text);
    format_split(file, buf_span(&out), &source);
    buf_done(&out);
    return source;
}

static void assert_same(const struct structure *a, const struct structure *b, const char *what)
{
    assert_int_equal(a->n_atoms, b->n_atoms);
    assert_near(structure_volume(a), structure_volume(b), 1e-6);
    for (uint32_t i = 0; i < a->n_atoms; i++) {
        bool found = false;
        for (uint32_t j = 0; j < b->n_atoms && !found; j++) {
            found = a->species[i] == b->species[j];
            for (int k = 0; k < 3 && found; k++)
                found = fabs(wrap_half(a->frac[i][k] - b->frac[j][k])) < 1e-9;
        }
        if (!found)
            fail_msg("%s: atom %u is not there", what, i + 1);
    }
}

/* What a format keeps of id and properties. */
static void assert_same_data(const char *file, const struct structure *given,
                             const struct structure *back)
{
    const char *format = format_name(file);
    if (!strcmp(format, "cif") || !strcmp(format, "vasp"))
        return;
    assert_string_equal(back->id, given->id);
    assert_int_equal(back->n_properties, given->n_properties);
    for (uint32_t i = 0; i < given->n_properties; i++) {
        assert_near(back->properties[i].value, given->properties[i].value, 0);
        assert_string_equal(back->properties[i].property.name,
                            given->properties[i].property.name);
        assert_string_equal(back->properties[i].property.unit,
                            given->properties[i].property.unit);
    }
}

static void check(const char *file, const struct format_out *one)
{
    struct source source = write_and_split(file, one, 1);
    struct structure back;
    struct err err = {0};
    assert_int_equal(source.n_items, 1);
    if (format_parse(&source.items[0], &back, NULL, &err))
        fail_msg("%s: %s", file, err.text);
    assert_same(one->structure, &back, file);
    assert_same_data(file, one->structure, &back);
    structure_done(&back);
    source_done(&source);
}

static void test_write_all__all_groups_and_cells_come_back(void **state)
{
    (void)state;
    for (int number = 1; number <= GROUP_MAX; number++) {
        struct example e;
        struct structure conventional, primitive;
        example_init(&e, number);
        assert_int_equal(record_to_structure(&e.record, &conventional, NULL), 0);
        assert_int_equal(record_to_primitive(&e.record, &primitive, NULL), 0);
        give_property(&conventional, "band gap", "eV", 1 / 3.0);
        const struct format_out list[] = {
            {.structure = &conventional, .record = &e.record, .name = "a"},
            {.structure = &conventional, .name = "a"},
            {.structure = &primitive, .record = &e.record, .all_atoms = true, .name = "a"},
        };
        for (int f = 0; f < FORMATS; f++)
            for (int i = 0; i < 3; i++)
                check(names[f], &list[i]);
        structure_done(&conventional);
        structure_done(&primitive);
    }
}

static struct structure cube(const char *id)
{
    struct structure s = {.n_atoms = 1, .lattice = {{3, 0, 0}, {0, 3, 0}, {0, 0, 3}}};
    (void)snprintf(s.id, sizeof s.id, "%s", id);
    s.species = mem_copy((const uint8_t[]){84}, 1);
    s.frac = mem_copy((const double[1][3]){{0.1, -0.25, 7}}, sizeof *s.frac);
    return s;
}

/* Names that mean something else to a reader, or need quotes. */
static void test_write_all__awkward_names_and_numbers(void **state)
{
    (void)state;
    static const char *const awkward[] = {"a \"b\", c", "it's=",    "\\",    "x_unit",
                                          "E{1}",       "log10(K)", "a (b)", "#"};
    static const char *const units[] = {"", "g/cm3", "a \"b\"", "", "", "GPa", "GPa", ""};
    struct structure s = cube("id, with \"quotes\" and \xc3\xa9 \\ {x}");
    for (size_t i = 0; i < sizeof awkward / sizeof awkward[0]; i++)
        give_property(&s, awkward[i], units[i],
                      (i % 2 ? -1 : 1) / (3.0 + (double)i) * pow(10, 40 * ((double)i - 3)));
    const struct format_out one = {.structure = &s, .name = "x"};
    for (int f = 0; f < FORMATS; f++)
        check(names[f], &one);
    structure_done(&s);
    s = cube("taken");
    give_property(&s, "lattice", "A", 1);
    give_property(&s, "CIF", "", 2);
    give_property(&s, "label", "", 3);
    const char *want[] = {"property_lattice=1 A, CIF=2, property_label=3", NULL, NULL,
                          "lattice=1 A, property_CIF=2, property_label=3",
                          "lattice=1 A, CIF=2, label=3"};
    for (int f = 0; f < FORMATS; f++) {
        struct source source = write_and_split(names[f], &one, 1);
        struct structure back;
        assert_int_equal(format_parse(&source.items[0], &back, NULL, NULL), 0);
        if (want[f])
            assert_properties(&back, want[f]);
        structure_done(&back);
        source_done(&source);
    }
    structure_done(&s);
}

static void test_write_all__several_structures(void **state)
{
    (void)state;
    struct structure s[3] = {cube("a"), cube("b"), cube("c")};
    struct format_out list[3];
    static const char *const blocks[] = {"a", "b", "c"};
    give_property(&s[0], "x", "", 1);
    give_property(&s[1], "y", "eV", 2);
    give_property(&s[1], "x", "A", 3);
    for (int i = 0; i < 3; i++)
        list[i] = (struct format_out){.structure = &s[i], .name = blocks[i]};
    static const char *const ids[FORMATS][3] = {
        {"a", "b", "c"}, {"x", "x:b", "x:c"}, {0}, {"a", "b", "c"}, {"a", "b", "c"}};
    for (int f = 0; f < FORMATS; f++) {
        if (!ids[f][0])
            continue;
        struct source source = write_and_split(names[f], list, 3);
        assert_int_equal(source.n_items, 3);
        for (int i = 0; i < 3; i++) {
            struct structure back;
            assert_int_equal(format_parse(&source.items[i], &back, NULL, NULL), 0);
            assert_string_equal(back.id, ids[f][i]);
            assert_same(&s[i], &back, names[f]);
            structure_done(&back);
        }
        source_done(&source);
    }
    struct buf out = {0};
    struct err err;
    assert_int_equal(format_write("vasp", list, 3, &out, &err), ERR_INVALID);
    assert_string_equal(err.text, "a POSCAR holds one structure, not 3");
    assert_int_equal(format_write("tar", list, 3, &out, &err), ERR_UNSUPPORTED);
    assert_int_equal(format_write("csv", list, 3, &out, &err), 0);
    assert_true(
        !strncmp(buf_text(&out), "id,formula,x [A],y [eV],cif\na,Po,1,,\"data_a\n", 44));
    buf_done(&out);
    assert_int_equal(format_write("json", list, 0, &out, &err), 0);
    assert_string_equal(buf_text(&out), "[]\n");
    buf_done(&out);
    for (int i = 0; i < 3; i++)
        structure_done(&s[i]);
}

static void test_write_all__csv_and_json_text(void **state)
{
    (void)state;
    struct structure s = cube("p\"o");
    struct site site = {0, 84};
    double free_[1][3] = {{0}};
    struct record record = {
        .cell = {3, 3, 3, 90, 90, 90}, .proto = {221, 1, &site}, .free = free_};
    const struct format_out one = {.structure = &s, .record = &record, .name = "po"};
    struct buf out = {0};
    give_property(&s, "gap", "eV", 0.1);
    s.frac[0][0] = 0.1 + 0.2;
    assert_int_equal(format_write("json", &one, 1, &out, NULL), 0);
    assert_string_equal(
        buf_text(&out),
        "{\"@module\": \"pymatgen.core.structure\", \"@class\": \"Structure\", \"id\": "
        "\"p\\\"o\", "
        "\"charge\": 0, \"properties\": {\"gap\": 0.1}, \"units\": {\"gap\": \"eV\"}, "
        "\"lattice\": {\"matrix\": [[3, 0, 0], [0, 3, 0], [0, 0, 3]], \"pbc\": [true, true, "
        "true], \"a\": 3, \"b\": 3, \"c\": 3, \"alpha\": 90, \"beta\": 90, \"gamma\": 90, "
        "\"volume\": 27}, \"sites\": [{\"species\": [{\"element\": \"Po\", \"occu\": 1}], "
        "\"abc\": [0.30000000000000004, -0.25, 7], \"xyz\": [0.9000000000000001, -0.75, 21], "
        "\"label\": \"Po\", \"properties\": {}}]}\n");
    buf_done(&out);
    assert_int_equal(format_write("csv", &one, 1, &out, NULL), 0);
    const char *text = buf_text(&out);
    static const char head[] = "id,formula,spacegroup,label,gap [eV],cif\n"
                               "\"p\"\"o\",Po,221,A_cP1_221_a:Po,0.1,\"data_po\n";
    assert_memory_equal(text, head, sizeof head - 1);
    assert_non_null(strstr(text, "_symmetry_Int_Tables_number    221\n"));
    buf_done(&out);
    structure_done(&s);
}

static void test_format_name__of_files(void **state)
{
    (void)state;
    static const struct {
        const char *file, *format;
    } cases[] = {{"a.extxyz", "extxyz"},  {"b/a.XYZ.zst", "extxyz"}, {"a.cif", "cif"},
                 {"x/POSCAR", "vasp"},    {"CONTCAR.3", "vasp"},     {"a.vasp", "vasp"},
                 {"a.csv", "csv"},        {"a.json.zst", "json"},    {"a.jsonl", "json"},
                 {"POSCAR.json", "json"}, {"a.tar", NULL},           {"", NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *format = format_name(cases[i].file);
        assert_string_equal(format ? format : "?", cases[i].format ? cases[i].format : "?");
    }
}

static void test_number_print__is_short_and_comes_back(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *text;
    } cases[] = {{0.1, "0.1"},
                 {0.1 + 0.2, "0.30000000000000004"},
                 {1 / 3.0, "0.3333333333333333"},
                 {-2.5e-300, "-2.5e-300"},
                 {5e-324, "4.94065645841247e-324"},
                 {123456789012345678.0, "1.2345678901234568e+17"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_string_equal(number_print(cases[i].value).text, cases[i].text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_write_all__all_groups_and_cells_come_back),
        cmocka_unit_test(test_write_all__awkward_names_and_numbers),
        cmocka_unit_test(test_write_all__several_structures),
        cmocka_unit_test(test_write_all__csv_and_json_text),
        cmocka_unit_test(test_format_name__of_files),
        cmocka_unit_test(test_number_print__is_short_and_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
