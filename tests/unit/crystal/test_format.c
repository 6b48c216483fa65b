/* Do the readers take what real programs write, and explain what they refuse? */
#include "tests/support/cmocka.h"

#include "workers/crystal/elements.h"
#include "workers/crystal/format.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define assert_near(a, b, tolerance)                                                           \
    do {                                                                                       \
        if (!(fabs((a) - (b)) <= (tolerance)))                                                 \
            fail_msg("%s is %.15g, not %.15g", #a, (double)(a), (double)(b));                  \
    } while (0)

static struct source split(const char *file, const char *text)
{
    struct source source = {0};
    format_split(file, span_text(text), &source);
    return source;
}

/* The only structure of a text. */
static struct structure parse_good(const char *file, const char *text)
{
    struct source source = split(file, text);
    struct structure structure;
    struct err err = {0};
    uint32_t line;
    assert_int_equal(source.n_items, 1);
    if (format_parse(&source.items[0], &structure, &line, &err))
        fail_msg("%s:%u: %s", file, line, err.text);
    source_done(&source);
    return structure;
}

/* The only item is refused in this line, for a reason that holds `words`. */
static void parse_bad(const char *file, const char *text, uint32_t line, const char *words)
{
    struct source source = split(file, text);
    struct structure structure;
    struct err err = {0};
    uint32_t at = 0;
    assert_int_equal(source.n_items, 1);
    int rc = format_parse(&source.items[0], &structure, &at, &err);
    if (rc == 0) {
        rc = structure_check(&structure, &err);
        structure_done(&structure);
    }
    assert_true(rc < 0);
    if (!strstr(err.text, words))
        fail_msg("'%s' does not say '%s'", err.text, words);
    assert_int_equal(at, line);
    source_done(&source);
}

static double property(const struct structure *structure, const char *name)
{
    for (uint32_t i = 0; i < structure->n_properties; i++)
        if (!strcmp(structure->properties[i].property.name, name))
            return structure->properties[i].value;
    return NAN;
}

/* ---- extended XYZ ---- */

static const char nacl[] =
    "2\n"
    "Lattice=\"0 2.82 2.82 2.82 0 2.82 2.82 2.82 0\" Properties=species:S:1:pos:R:3 "
    "id=nacl band_gap=5.0 e=-3.5e-1 spacegroup=225 year=1913 flag=T pbc=\"T T T\"\n"
    "Na 0 0 0\n"
    "Cl 2.82 2.82 2.82\n";

static void test_extxyz__positions_and_properties(void **state)
{
    (void)state;
    struct structure s = parse_good("x.extxyz", nacl);
    assert_string_equal(s.id, "nacl");
    assert_string_equal(s.file, "x.extxyz");
    assert_int_equal(s.n_atoms, 2);
    assert_int_equal(s.species[0], 11);
    assert_int_equal(s.species[1], 17);
    for (int k = 0; k < 3; k++)
        assert_near(s.frac[1][k], 0.5, 1e-15);
    assert_near(structure_volume(&s), 2 * 2.82 * 2.82 * 2.82, 1e-12);
    assert_near(structure_distance_min(&s), 2.82, 1e-12);
    assert_int_equal(s.n_properties, 2); /* not spacegroup, year and flag */
    assert_near(property(&s, "band_gap"), 5, 0);
    assert_near(property(&s, "e"), -0.35, 0);
    structure_done(&s);
}

static void test_extxyz__the_line_ase_writes(void **state)
{
    (void)state;
    struct structure s = parse_good(
        "x.xyz",
        "2\r\n"
        "Lattice=\"5.64 0.0 0.0 0.0 5.64 0.0 0.0 0.0 5.64\" "
        "Properties=tag:I:1:forces:R:3:species:S:1:pos:R:3:initial_magmoms:R:1 "
        "spacegroup=\"F m -3 m\" unit_cell=conventional e=1.5 flag=T arr=\"0 1 2\" "
        "name=\"a b \\\"c\\\"\" mat=\"_JSON [[1.0, 0.0], [0.0, 1.0]]\" 'odd key'=7 "
        "l={1 2 {3}} m=[[1, 2], [3, 4]] n = 4 none id=\"quoted \\\"id\\\"\" pbc=\"T T T\"\r\n"
        "0 0.58437753 0.27926902 0.07151999 Na 0.0 0.0 0.0 1.0\r\n"
        "1 0.27046245 0.67957806 0.29732164 Cl 2.82 -2.82 8.46 0.0\r\n");
    assert_string_equal(s.id, "quoted \"id\"");
    assert_int_equal(s.species[1], 17);
    assert_near(s.frac[1][0], 0.5, 1e-15);
    assert_near(s.frac[1][1], -0.5, 1e-15);
    assert_near(s.frac[1][2], 1.5, 1e-15);
    assert_int_equal(s.n_properties, 3);
    assert_near(property(&s, "e"), 1.5, 0);
    assert_near(property(&s, "n"), 4, 0);
    assert_near(property(&s, "odd key"), 7, 0);
    structure_done(&s);
}

static void test_extxyz__fractional_column_is_taken_when_there(void **state)
{
    (void)state;
    struct structure s = parse_good(
        "x.extxyz", "1\nLattice=\"3 0 0 0 3 0 0 0 3\" "
                    "Properties=Z:I:1:pos:R:3:frac:R:3\n55 9 9 9 .333333 -0.5 +1e-3\n");
    assert_int_equal(s.species[0], 55);
    assert_near(s.frac[0][0], 0.333333, 0);
    assert_near(s.frac[0][1], -0.5, 0);
    assert_near(s.frac[0][2], 0.001, 0);
    assert_string_equal(s.id, "x:1");
    structure_done(&s);
}

static void test_extxyz__refusals_say_why(void **state)
{
    (void)state;
#define HEAD "1\nLattice=\"3 0 0 0 3 0 0 0 3\"\n"
    parse_bad("x.xyz", "", 0, "empty");
    parse_bad("x.xyz", " \n\n", 0, "empty");
    parse_bad("x.xyz", "0\nLattice=\"3 0 0 0 3 0 0 0 3\"\n", 1, "no atoms");
    parse_bad("x.xyz", "4000\nx\nNa 0 0 0\n", 1, "file ends after 1");
    parse_bad("x.xyz", "1\nProperties=species:S:1:pos:R:3\nNa 0 0 0\n", 2, "not a crystal");
    parse_bad("x.xyz", "1\nLattice=\"3 0 0 0 3 0 0 0\"\nNa 0 0 0\n", 2, "2 of 3 numbers");
    parse_bad("x.xyz", "1\nLattice=\"3 0 0 0 3 0 0 0 3 1\"\nNa 0 0 0\n", 2, "more than 9");
    parse_bad("x.xyz", "1\nLattice=\"3 0 0 0 3 0 0 0 3\nNa 0 0 0\n", 2, "quote without end");
    parse_bad("x.xyz", "1\nLattice=\"3 0 0 0 3 0 0 0 3\" pbc=\"T T F\"\nNa 0 0 0\n", 2,
              "not periodic along c");
    parse_bad("x.xyz", "1\nLattice=\"3 0 0 0 3 0 0 0 3\" Properties=species:S:1\nNa\n", 2,
              "neither pos");
    parse_bad("x.xyz", "1\nLattice=\"3 0 0 0 3 0 0 0 3\" Properties=pos:R:0\nNa\n", 2, "type");
    parse_bad("x.xyz", HEAD "Xx 0 0 0\n", 3, "unknown element 'Xx'");
    parse_bad("x.xyz", HEAD "Na nan 0 0\n", 3, "'nan' is not a finite number");
    parse_bad("x.xyz", HEAD "Na 0 inf 0\n", 3, "'inf' is not a finite number");
    parse_bad("x.xyz", HEAD "Na 0 0x1p3 0\n", 3, "'0x1p3' is not a finite number");
    parse_bad("x.xyz", HEAD "Na 0 1e999 0\n", 3, "'1e999' is not a finite number");
    parse_bad("x.xyz", HEAD "Na 0 0,5 0\n", 3, "'0,5' is not a finite number");
    parse_bad("x.xyz", HEAD "Na 0 0\n", 3, "2 of 3 numbers");
    parse_bad("x.xyz", HEAD "Na 0 0 0 0\n", 3, "5 words on its line, Properties say 4");
    parse_bad("x.xyz", "2\nLattice=\"3 0 0 0 3 0 0 0 3\"\nNa 0 0 0\nO 0 0 3.01\n", 4,
              "atoms 1 (Na) and 2 (O) overlap: 0.010 A");
    parse_bad("x.xyz", "1\nLattice=\"3 0 0 0 3 0 3 3 0\"\nNa 0 0 0\n", 3, "without volume");
    parse_bad("x.xyz", "1\nLattice=\"3e4 0 0 0 3 0 0 0 3\"\nNa 0 0 0\n", 3, "30000 A long");
    parse_bad("x.bin",
              "\x7f"
              "ELF\x01",
              0, "not a known format");
#undef HEAD
}

static void test_extxyz__resynchronizes_behind_a_broken_frame(void **state)
{
    (void)state;
    struct buf text = {0};
    buf_print(&text, "%s", nacl);
    buf_print(&text, "3\nLattice=\"3 0 0 0 3 0 0 0 3\"\nNa 0 0 0\n%s", nacl);   /* too short */
    buf_print(&text, "1\nLattice=\"3 0 0 0 3 0 0 0 3\"\nNa 0 0 0\nNa 1 1 1\n"); /* too long */
    buf_append(&text, "\0\1junk\n7\n\xff\n", 11);
    buf_print(&text, "%s\n\n", nacl);
    buf_print(&text, "2\nLattice=\"3 0 0 0 3 0 0 0 3\"\nNa 0 0 0\n"); /* cut off */
    struct source source = {0};
    format_split("x.xyz", buf_span(&text), &source);
    static const struct {
        uint32_t line;
        const char *reject;
    } want[] = {{1, ""},  {5, "says 3 atoms, but the next frame begins after 1"},
                {8, ""},  {12, "more lines of atoms follow"},
                {19, ""}, {25, "the file ends after 1"}};
    assert_int_equal(source.n_items, 6);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(source.items[i].line, want[i].line);
        if (!strstr(source.items[i].reject, want[i].reject))
            fail_msg("item %d: '%s'", i, source.items[i].reject);
        assert_int_equal(source.items[i].size > 0, want[i].reject[0] == '\0');
    }
    source_done(&source);
    buf_done(&text);
}

static void test_extxyz__a_long_line_is_refused_with_its_length(void **state)
{
    (void)state;
    struct buf text = {0};
    char *block = malloc(10 << 20);
    memset(block, 'x', 10 << 20);
    buf_print(&text, "%s1\nLattice=\"3 0 0 0 3 0 0 0 3\"\nNa 0 0 ", nacl);
    buf_append(&text, block, 10 << 20);
    buf_print(&text, "\n%s", nacl);
    buf_append(&text, block, 10 << 20);
    buf_print(&text, "\n%s", nacl);
    free(block);
    struct source source = {0};
    format_split("x.xyz", buf_span(&text), &source);
    assert_int_equal(source.n_items, 5);
    assert_non_null(strstr(source.items[1].reject, "line 3 of the frame has 10485767 bytes"));
    assert_non_null(strstr(source.items[3].reject, "a line of 10485760 bytes"));
    assert_int_equal(source.items[3].line, 12);
    for (int i = 0; i < 5; i += 2)
        assert_string_equal(source.items[i].reject, "");
    source_done(&source);
    buf_done(&text);
}

/* ---- CIF ---- */

#define CELL                                                                                   \
    "data_x\n_cell_length_a 5.64(2)\n_cell_length_b 5.64\n_cell_length_c 5.64\n"               \
    "_cell_angle_alpha 90\n_cell_angle_beta 90.0\n_cell_angle_gamma 90.(1)\n"
#define SITES                                                                                  \
    "loop_\n_atom_site_fract_z\n_atom_site_label\n_atom_site_fract_x\n_atom_site_fract_y\n"    \
    " 0 Na1 0 0.0(1)\n 1/2 Cl1 0.5 .5\n"
#define SITES2                                                                                 \
    "loop_\n_atom_site_fract_z _atom_site_label\n_atom_site_fract_x\n_atom_site_fract_y\n"     \
    " 0 Na1 0 0.0(1)\n 0.5 Cl1 0.5 .5\n"

static void assert_rock_salt(const char *text)
{
    struct structure s = parse_good("mp-1.cif", text);
    assert_string_equal(s.id, "mp-1");
    assert_int_equal(s.n_atoms, 8);
    for (int i = 0; i < 8; i++)
        assert_int_equal(s.species[i], i < 4 ? 11 : 17);
    assert_near(structure_distance_min(&s), 2.82, 1e-9);
    structure_done(&s);
}

static void test_cif__group_by_operations_symbol_hall_or_number(void **state)
{
    (void)state;
    assert_rock_salt(CELL SITES2 "_symmetry_space_group_name_H-M 'F m -3 m'\n");
    assert_rock_salt(CELL SITES2 "_space_group_name_H-M_alt \"Fm3m\"\n");
    assert_rock_salt(CELL SITES2 "_space_group.name_H-M_alt \"F 4/m -3 2/m\"\n");
    assert_rock_salt(CELL SITES2 "_space_group_IT_number 225\n");
    assert_rock_salt(CELL SITES2 "_space_group_name_Hall '-F 4 2 3'\n");
    assert_rock_salt("\xef\xbb\xbf" CELL SITES2 "_space_group_IT_number 225\n");
    assert_rock_salt(CELL SITES2 "_cell_length_a 5.64 # again\r_x\r;\rdata_y\r;\r"
                                 "_space_group_IT_number 225\r");
    /* four translations are enough for eight atoms; operations win over the name */
    assert_rock_salt("# by hand\n\n" CELL "_space_group_IT_number 1\n" SITES2
                     "loop_\n_symmetry_equiv_pos_site_id\n_symmetry_equiv_pos_as_xyz\n"
                     "1 x,y,z\n2 'X, Y+1/2, 1/2+Z'\n3 x+.5,y,0.5+z 4\n;+x+1/2,-1/2+y,z\n;\n");
}

static void test_cif__sites_are_read_whatever_the_quoting(void **state)
{
    (void)state;
    struct structure s = parse_good(
        "a/b/y.cif.zst",
        "data_\n_cell_length_a 4\n_CELL_LENGTH_B 4\n_cell_length_c 4\n_cell_angle_alpha 90\n"
        "_cell_angle_beta 90\n_cell_angle_gamma 90\n_publ_section_title\n;\ndata_inside text\n"
        "loop_\n;\n_symmetry_equiv_pos_as_xyz 'x, y, z'\n_note 'it''s' # remark\n"
        "_chemical_formula_sum 'Ca O D'\n"
        "loop_ _atom_site_label _atom_site_type_symbol _atom_site_fract_x _atom_site_fract_y "
        "_atom_site_fract_z _atom_site_occupancy\n"
        "CA1 Ca2+ 0 0 0 1.000(2)\n'O w' O2- 0.5 0.5 0.5 ? D1 D .25 .25 .25 .\n");
    assert_string_equal(s.id, "y");
    assert_int_equal(s.n_atoms, 3);
    assert_int_equal(s.species[0], 20);
    assert_int_equal(s.species[1], 8);
    assert_int_equal(s.species[2], 1);
    structure_done(&s);
}

static void test_cif__labels_in_capitals_follow_the_formula(void **state)
{
    (void)state;
    static const char sites[] = "_symmetry_equiv_pos_as_xyz x,y,z loop_ _atom_site_label "
                                "_atom_site_fract_x _atom_site_fract_y _atom_site_fract_z\n"
                                "CA1 0 0 0 C2 .5 .5 .5\n";
    static const struct {
        const char *formula;
        uint8_t first;
    } cases[] = {{"", 6}, {"_chemical_formula_sum 'Ca C'\n", 20}};
    for (int i = 0; i < 2; i++) {
        char text[1000];
        (void)snprintf(text, sizeof text, "%s%s%s", CELL, sites, cases[i].formula);
        if (i == 1) { /* both elements are in the formula: the case of the label decides */
            parse_bad("x.cif", text, 9, "100.0 % of the atoms are C");
            continue;
        }
        struct structure s = parse_good("x.cif", text);
        assert_int_equal(s.species[0], cases[i].first);
        structure_done(&s);
    }
    char text[1000];
    (void)snprintf(text, sizeof text, "%s%s", CELL,
                   "_symmetry_equiv_pos_as_xyz x,y,z _chemical_formula_sum 'Ca O' loop_ "
                   "_atom_site_label _atom_site_fract_x _atom_site_fract_y _atom_site_fract_z\n"
                   "CA1 0 0 0 O2 .5 .5 .5\n");
    struct structure s = parse_good("x.cif", text);
    assert_int_equal(s.species[0], 20);
    structure_done(&s);
}

static void test_cif__special_positions_with_rounded_coordinates_stay_one_atom(void **state)
{
    (void)state;
    /* hcp: 1/3 2/3 1/4 in P 6_3/m m c with four digits */
    struct structure s = parse_good(
        "mg.cif", "data_Mg\n_cell_length_a 3.2094\n_cell_length_b 3.2094\n"
                  "_cell_length_c 5.2105\n_cell_angle_alpha 90\n_cell_angle_beta 90\n"
                  "_cell_angle_gamma 120\n_symmetry_Int_Tables_number 194\nloop_\n"
                  "_atom_site_label\n_atom_site_fract_x\n_atom_site_fract_y\n"
                  "_atom_site_fract_z\nMg1 0.3333 0.6667 0.25\n");
    assert_int_equal(s.n_atoms, 2);
    structure_done(&s);
}

static void test_cif__settings_without_operations(void **state)
{
    (void)state;
    static const struct {
        const char *symbol;
        double cell[6];
        double x, y, z;
        uint32_t atoms;
    } cases[] = {
        /* silicon: origin choice 2 when the suffix is missing, choice 1 when it says so */
        {"F d -3 m", {5.43, 5.43, 5.43, 90, 90, 90}, 0.125, 0.125, 0.125, 8},
        {"F d -3 m :1", {5.43, 5.43, 5.43, 90, 90, 90}, 0, 0, 0, 8},
        {"F d -3 m S", {5.43, 5.43, 5.43, 90, 90, 90}, 0, 0, 0, 8},
        {"F d -3 m Z", {5.43, 5.43, 5.43, 90, 90, 90}, 0.125, 0.125, 0.125, 8},
        /* rhombohedral or hexagonal axes: the cell tells */
        {"R -3 m", {3.8, 3.8, 12, 90, 90, 120}, 0, 0, 0.2, 6},
        {"R -3 m", {4.5, 4.5, 4.5, 57, 57, 57}, 0.2, 0.2, 0.2, 2},
        {"R -3 m H", {3.8, 3.8, 12, 90, 90, 120}, 0, 0, 0.2, 6},
        /* another cell choice, another unique axis, an old name, a permuted axis */
        {"P 1 21/n 1", {6, 7, 8, 90, 101, 90}, 0.1, 0.2, 0.3, 4},
        {"P 21/n", {6, 7, 8, 90, 101, 90}, 0.1, 0.2, 0.3, 4},
        {"P 2(1)/b", {6, 7, 8, 90, 90, 101}, 0.1, 0.2, 0.3, 4},
        {"Cmca", {6, 7, 8, 90, 90, 90}, 0.1, 0.2, 0.3, 16},
        {"P b n m", {5.3, 5.5, 7.6, 90, 90, 90}, 0.1, 0.2, 0.3, 8},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[1000];
        const double *c = cases[i].cell;
        (void)snprintf(text, sizeof text,
                       "data_x _cell_length_a %g _cell_length_b %g _cell_length_c %g "
                       "_cell_angle_alpha %g _cell_angle_beta %g _cell_angle_gamma %g "
                       "_symmetry_space_group_name_H-M '%s' loop_ _atom_site_label "
                       "_atom_site_fract_x _atom_site_fract_y _atom_site_fract_z Si %g %g %g",
                       c[0], c[1], c[2], c[3], c[4], c[5], cases[i].symbol, cases[i].x,
                       cases[i].y, cases[i].z);
        struct structure s = parse_good("x.cif", text);
        if (s.n_atoms != cases[i].atoms)
            fail_msg("%s: %u atoms", cases[i].symbol, s.n_atoms);
        structure_done(&s);
    }
}

static void test_cif__refusals_say_why(void **state)
{
    (void)state;
    parse_bad("x.cif", "\x01\x02 junk\n", 1, "no line begins with data_");
    parse_bad("x.cif", "data_x\n_title 'nothing'\n", 1, "no data block has a cell");
    parse_bad("x.cif", CELL "_symmetry_Int_Tables_number 225\n", 1, "no atoms");
    parse_bad("x.cif", CELL SITES2, 1, "neither symmetry operations nor a space group");
    parse_bad("x.cif", CELL SITES2 "_symmetry_Int_Tables_number 231\n", 1, "'231'");
    parse_bad("x.cif", CELL SITES2 "_symmetry_space_group_name_H-M 'F q m'\n", 1, "'F q m'");
    parse_bad("x.cif", CELL SITES, 14, "coordinate z is '1/2'");
    parse_bad("x.cif",
              CELL "loop_\n_atom_site_label\n_atom_site_fract_x\n"
                   "_atom_site_fract_y\n_atom_site_fract_z\nNa 0 0 0\nCl 0.5 0.5\n",
              14, "has 3 of 4 values: cut off?");
    parse_bad("x.cif", CELL "_chemical_formula_sum\n", 8, "has no value");
    parse_bad("x.cif", CELL "_x 'abc\n", 8, "a quote has no end");
    parse_bad("x.cif", CELL "_x\n;abc\n", 9, "has no end");
    parse_bad("x.cif", CELL "5 " SITES2, 8, "value '5' without a tag");
    parse_bad("x.cif", CELL "loop_\n1 2\n", 9, "loop_ without columns");
    parse_bad("x.cif", "data_x\n_cell_length_a nan\n", 2, "'nan' is not a positive number");
    parse_bad("x.cif", "data_x\n_cell_length_a 5(x)\n", 2, "'5(x)' is not a positive number");
    parse_bad("x.cif", "data_x\n_cell_length_a 5()\n", 2, "'5()' is not a positive number");
    parse_bad("x.cif", CELL SITES2 "_cell_length_b 5.65\n", 14,
              "is given twice: 5.64 and 5.65");
    parse_bad("x.cif", CELL SITES2 "save_f\n_x 1\nsave_\n", 14, "'save_f': save frames");
    parse_bad("x.cif", CELL SITES2 "_x 1 data_y\n_z 1\n", 14, "data_y does not begin its line");
    parse_bad("x.cif", "#\\#CIF_2.0\n" CELL SITES2, 1, "CIF 2.0; only CIF 1.1 is read");
    parse_bad("x.cif", "data_x\n_cell_length_a 5\n" SITES2, 1, "no _cell_length_b");
    parse_bad("x.cif", CELL "_symmetry_equiv_pos_as_xyz 'x,y,w'\n" SITES2, 8,
              "'x,y,w' is not a symmetry operation");
    parse_bad("x.cif", CELL "_symmetry_equiv_pos_as_xyz 'x,y,y'\n" SITES2, 8,
              "is not a symmetry operation");
    parse_bad("x.cif",
              CELL "_symmetry_Int_Tables_number 1\nloop_ _atom_site_label "
                   "_atom_site_fract_x _atom_site_fract_y _atom_site_fract_z "
                   "_atom_site_occupancy\nNa 0 0 0 1\nCl .5 .5 .5 0.75(2)\n",
              11, "partial occupancy 0.75");
    parse_bad("x.cif",
              CELL "_symmetry_Int_Tables_number 1\nloop_ _atom_site_label "
                   "_atom_site_fract_x _atom_site_fract_y _atom_site_fract_z\n"
                   "Na 0 0 0\nQq .5 .5 .5\n",
              11, "unknown element 'Qq'");
    parse_bad("x.cif",
              CELL "_symmetry_Int_Tables_number 1\nloop_ _atom_site_label "
                   "_atom_site_fract_x _atom_site_fract_y _atom_site_fract_z\n"
                   "Na 0 0 0\nCl ? ? ?\n",
              11, "coordinate x is '?'");
    parse_bad("x.cif",
              CELL SITES2 "_symmetry_Int_Tables_number 225\n"
                          "_chemical_formula_sum 'Na Cl2'\n",
              13, "atoms are missing");
}

static void test_cif__blocks_are_independent(void **state)
{
    (void)state;
    struct source source =
        split("many.cif",
              "data_global\n_journal 'x'\n" CELL SITES2 "_symmetry_Int_Tables_number 225\n"
              "data_open_text\n_cell_length_a 3\n_x\n;never closed\n"
              "data_good\n_cell_length_a 3 _cell_length_b 3 _cell_length_c 3 "
              "_cell_angle_alpha 90 _cell_angle_beta 90 _cell_angle_gamma 90\n"
              "_symmetry_Int_Tables_number 221\nloop_ _atom_site_label "
              "_atom_site_fract_x _atom_site_fract_y _atom_site_fract_z Po 0 0 0\n");
    assert_int_equal(source.n_items, 3);
    struct structure s;
    assert_int_equal(format_parse(&source.items[0], &s, NULL, NULL), 0);
    assert_string_equal(s.id, "many:x");
    structure_done(&s);
    uint32_t line;
    struct err err;
    assert_int_equal(format_parse(&source.items[1], &s, &line, &err), ERR_INVALID);
    assert_int_equal(line, 20);
    assert_int_equal(format_parse(&source.items[2], &s, &line, &err), 0);
    assert_string_equal(s.id, "many:good");
    assert_int_equal(s.n_atoms, 1);
    structure_done(&s);
    source_done(&source);
}

/* ---- POSCAR ---- */

static void test_poscar__versions_and_modes(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "rock salt\n5.64\n0 .5 .5\n.5 0 .5\n.5 .5 0\nNa Cl\n1 1\nDirect\n0 0 0\n.5 .5 .5\n",
        "Na Cl\n 5.64 ! A\n0 .5 .5\n.5 0 .5\n.5 .5 0\n 1 1\nd\n0 0 0\n.5 .5 .5\n",
        "x\n-44.851536\n0 .5 .5\n.5 0 .5\n.5 .5 0\nNa_pv Cl/abc\n1 1 ! counts\nSelective "
        "dynamics\nCartesian\n0 0 0 T T F\n.5 .5 .5 F F F\n",
        "x\n5.64 5.64 5.64\n0 .5 .5\n.5 0 .5\n.5 .5 0\n1 1\nselective\nkartesisch\n0 0 0 T T F "
        "Na\n.5 .5 .5 F F F Cl\n\n0.1 0.2 0.3\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct structure s = parse_good("mp-22862/POSCAR", texts[i]);
        assert_string_equal(s.id, "mp-22862");
        assert_int_equal(s.n_atoms, 2);
        assert_int_equal(s.species[0], 11);
        assert_int_equal(s.species[1], 17);
        assert_near(structure_distance_min(&s), 2.82, 1e-7);
        assert_near(s.frac[1][2], 0.5, 1e-12);
        structure_done(&s);
    }
}

static void test_poscar__refusals_say_why(void **state)
{
    (void)state;
#define HEAD "x\n1\n3 0 0\n0 3 0\n0 0 3\n"
    parse_bad("POSCAR", "x\n", 1, "ends before the scale");
    parse_bad("POSCAR", "x\n0\n", 2, "scale");
    parse_bad("POSCAR", "x\n1 2 -3\n", 2, "three positive");
    parse_bad("POSCAR", "x\n1\n3 0 0\n0 3\n", 4, "lattice vector b: 2 of 3");
    parse_bad("POSCAR", "x\n-30\n3 0 0\n0 3 0\n3 3 0\n", 5, "without volume");
    parse_bad("POSCAR", HEAD "Xx\n1\nD\n0 0 0\n", 6, "unknown element 'Xx'");
    parse_bad("POSCAR", HEAD "Na Cl\n1\nD\n0 0 0\n", 7, "2 elements, but 1 counts");
    parse_bad("POSCAR", HEAD "Na\n-1\nD\n0 0 0\n", 7, "'-1' is not a number of atoms");
    parse_bad("POSCAR", HEAD "Na\n0\nD\n0 0 0\n", 7, "no atoms");
    parse_bad("POSCAR", HEAD "Na\n4000000000\nD\n0 0 0\n", 7, "4000000000 atoms; at most 2000");
    parse_bad("POSCAR", HEAD "Na\n1\nfoo\n0 0 0\n", 8, "neither Direct nor Cartesian");
    parse_bad("POSCAR", HEAD "Na\n2\nD\n0 0 0\n", 9, "ends before position of atom 2");
    parse_bad("POSCAR", HEAD "Na\n1\nD\n0 NaN 0\n", 9, "'NaN' is not a finite number");
    parse_bad("POSCAR", HEAD "1\nD\n0 0 0\n", 8, "atom 1 has no element");
#undef HEAD
}

/* ---- checks ---- */

static void test_structure__distance_does_not_depend_on_the_cell(void **state)
{
    (void)state;
    /* body-centred cubic in a very skew cell: c' = c + 7 a - 9 b */
    uint8_t species[2] = {26, 26};
    double frac[2][3] = {{0.1, 0.2, 0.3}, {0}};
    struct structure s = {.n_atoms = 2,
                          .lattice = {{2.87, 0, 0}, {0, 2.87, 0}, {7 * 2.87, -9 * 2.87, 2.87}},
                          .species = species,
                          .frac = frac};
    double shift[3] = {0.5 - 7 * 0.5, 0.5 + 9 * 0.5, 0.5}; /* (1/2 1/2 1/2) in the new axes */
    for (int k = 0; k < 3; k++)
        frac[1][k] = frac[0][k] + shift[k];
    assert_near(structure_distance_min(&s), 2.87 * sqrt(0.75), 1e-9);
    assert_int_equal(structure_check(&s, NULL), 0);
    frac[1][2] = frac[0][2];
    frac[1][1] = frac[0][1] + 0.1;
    frac[1][0] = frac[0][0] - 3; /* 0.287 A apart along b */
    struct err err;
    assert_int_equal(structure_check(&s, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "overlap: 0.287 A"));
    s.n_atoms = 1;
    assert_int_equal(structure_check(&s, NULL), 0);
    frac[0][1] = INFINITY;
    assert_int_equal(structure_check(&s, NULL), ERR_INVALID);
}

/* ---- real data ---- */

static const char *data_file(const char *name, char path[1024])
{
    (void)snprintf(path, 1024, "%s/../shared/data/%s", SOURCE_ROOT, name);
    return access(path, R_OK) == 0 ? path : NULL;
}

static void test_ingest__every_structure_of_the_example_data(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t structures;
        const char *first_id;
    } files[] = {{"mp20-mini.extxyz.zst", 1000, "mp-974729"},
                 {"mp20-mini-cif300.tar.zst", 300, "mp-1009490"}};
    for (int i = 0; i < 2; i++) {
        char path[1024];
        if (!data_file(files[i].name, path)) {
            print_message("no %s: skipped\n", path);
            skip();
        }
        struct source source = {0};
        struct err err = {0};
        assert_int_equal(format_ingest(path, &source, &err), 0);
        assert_int_equal(source.n_items, files[i].structures);
        for (uint32_t k = 0; k < source.n_items; k++) {
            struct structure s;
            uint32_t line;
            if (format_parse(&source.items[k], &s, &line, &err))
                fail_msg("%s:%u: %s", source.items[k].file, line, err.text);
            if (structure_check(&s, &err))
                fail_msg("%s: %s", s.id, err.text);
            if (k == 0)
                assert_string_equal(s.id, files[i].first_id);
            structure_done(&s);
        }
        source_done(&source);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_extxyz__positions_and_properties),
        cmocka_unit_test(test_extxyz__the_line_ase_writes),
        cmocka_unit_test(test_extxyz__fractional_column_is_taken_when_there),
        cmocka_unit_test(test_extxyz__refusals_say_why),
        cmocka_unit_test(test_extxyz__resynchronizes_behind_a_broken_frame),
        cmocka_unit_test(test_extxyz__a_long_line_is_refused_with_its_length),
        cmocka_unit_test(test_cif__group_by_operations_symbol_hall_or_number),
        cmocka_unit_test(test_cif__sites_are_read_whatever_the_quoting),
        cmocka_unit_test(test_cif__labels_in_capitals_follow_the_formula),
        cmocka_unit_test(test_cif__special_positions_with_rounded_coordinates_stay_one_atom),
        cmocka_unit_test(test_cif__settings_without_operations),
        cmocka_unit_test(test_cif__refusals_say_why),
        cmocka_unit_test(test_cif__blocks_are_independent),
        cmocka_unit_test(test_poscar__versions_and_modes),
        cmocka_unit_test(test_poscar__refusals_say_why),
        cmocka_unit_test(test_structure__distance_does_not_depend_on_the_cell),
        cmocka_unit_test(test_ingest__every_structure_of_the_example_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
