/* Are files written in the form that other programs read, and do our readers give the same
 * structure back? (What ASE and pymatgen make of them is the slow test formats-python.) */
#include "tests/support/cmocka.h"

#include "tests/unit/crystal/example.h"
#include "workers/crystal/format.h"
#include "workers/crystal/matrix.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct structure read_back(const char *file, const struct buf *bytes)
{
    struct source source = {0};
    struct structure structure;
    struct err err = {0};
    uint32_t line;
    format_split(file, buf_span(bytes), &source);
    assert_int_equal(source.n_items, 1);
    if (format_parse(&source.items[0], &structure, &line, &err))
        fail_msg("%s:%u: %s", file, line, err.text);
    source_done(&source);
    return structure;
}

/* The same atoms, in any order, at the same fractional places. */
static void assert_same(const struct structure *a, const struct structure *b, const char *what)
{
    assert_int_equal(a->n_atoms, b->n_atoms);
    for (int i = 0; i < 9; i++)
        if (fabs(a->lattice[i / 3][i % 3] - b->lattice[i / 3][i % 3]) > 1e-8)
            fail_msg("%s: lattice", what);
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

static void test_write__all_groups_come_back_from_all_formats(void **state)
{
    (void)state;
    for (int number = 1; number <= GROUP_MAX; number++) {
        struct example e;
        struct structure s, back;
        struct buf out = {0};
        example_init(&e, number);
        assert_int_equal(record_to_structure(&e.record, &s, NULL), 0);

        assert_int_equal(cif_write(&e.record, "a b", "made by a test\nof ours", &out, NULL), 0);
        back = read_back("x.cif", &out);
        assert_same(&s, &back, "CIF");
        structure_done(&back);
        buf_done(&out);

        extxyz_write(&s, "band_gap=1.5", &out);
        back = read_back("x.extxyz", &out);
        assert_same(&s, &back, "extXYZ");
        assert_string_equal(back.id, e.record.id);
        assert_int_equal(back.n_properties, 1);
        structure_done(&back);
        buf_done(&out);

        poscar_write(&s, "Ba O\nsecond line", &out);
        back = read_back("x.vasp", &out);
        assert_same(&s, &back, "POSCAR");
        structure_done(&back);
        buf_done(&out);
        structure_done(&s);
    }
}

static void test_cif_write__text(void **state)
{
    (void)state;
    struct site sites[2] = {{0, 11}, {1, 17}};
    double free_[2][3] = {{0}};
    struct record record = {
        .cell = {5.64, 5.64, 5.64, 90, 90, 90}, .proto = {225, 2, sites}, .free = free_};
    struct buf out = {0};
    assert_int_equal(cif_write(&record, "NaCl", "rank 1", &out, NULL), 0);
    const char *text = buf_text(&out);
    static const char *const parts[] = {
        "# rank 1\ndata_NaCl\n",
        "_chemical_formula_sum 'Cl1 Na1'\n",
        "_cell_formula_units_Z 4\n",
        "_cell_length_a     5.6400000000\n",
        "_cell_angle_gamma  90.0000000000\n",
        "_symmetry_space_group_name_H-M 'F m -3 m'\n",
        "_symmetry_Int_Tables_number    225\n",
        "\n1 'x,y,z'\n",
        "\n192 '",
        "\nNa1 Na 4 a 0.000000000000 0.000000000000 0.000000000000 1\n",
        "\nCl2 Cl 4 b 0.500000000000 0.500000000000 0.500000000000 1\n",
    };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (!strstr(text, parts[i]))
            fail_msg("no '%s' in:\n%s", parts[i], text);
    buf_done(&out);
    struct err err;
    sites[0].letter = 20;
    assert_int_equal(cif_write(&record, "NaCl", NULL, &out, &err), ERR_INVALID);
    assert_int_equal(out.size, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_write__all_groups_come_back_from_all_formats),
        cmocka_unit_test(test_cif_write__text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
