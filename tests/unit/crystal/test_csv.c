/* Are tables with a column of structures read row by row, whatever is wrong with one of them?
 */
#include "tests/unit/crystal/read.h"

#include <stdlib.h>
#include <time.h>

/* Cubic, one atom: nine lines. */
#define CUBE(element)                                                                          \
    "data_x\n_cell_length_a 3\n_cell_length_b 3\n_cell_length_c 3\n_cell_angle_alpha 90\n"     \
    "_cell_angle_beta 90\n_cell_angle_gamma 90\n_symmetry_Int_Tables_number 221\nloop_ "       \
    "_atom_site_label _atom_site_fract_x _atom_site_fract_y _atom_site_fract_z " element       \
    " 0 0 0\n"

static void test_csv__the_table_of_cdvae(void **state)
{
    (void)state;
    static const char text[] =
        ",material_id,formation_energy_per_atom,band_gap,pretty_formula,e_above_hull,elements,"
        "cif,spacegroup.number\n"
        "37,mp-1,-0.25,,Po,0.0,\"['Po']\",\"# generated using pymatgen\n" CUBE(
            "Po") "\",221\n"
                  "38,mp-2,1.5e-1,nan,Po,0.125,\"['Po', 'O']\",\"" CUBE("Fe") "\",221\n";
    assert_read("train.csv", text, "mp-1 1 atoms, line 2\nmp-2 1 atoms, line 13\n");
    struct structure s = read_one("train.csv", text, 1);
    assert_properties(&s, "formation_energy_per_atom=0.14999999999999999, e_above_hull=0.125");
    assert_int_equal(s.species[0], 26);
    structure_done(&s);
}

static void test_csv__quotes_line_ends_and_the_mark_of_windows(void **state)
{
    (void)state;
    static const char text[] =
        "\xef\xbb\xbf\"ID\",\"gap \"\"x\"\" [eV]\",CIF,\"note, with\r\nline\"\r\n"
        "\"a \"\"b\"\"\", 1.5 ,\"" CUBE("\"\"Po\"\"") "\",\"x\r\ny\"\r\n"
                                                      "\r\n"
                                                      "c,2,\"" CUBE("Po") "\",";
    assert_read("x.CSV", text, "a \"b\" 1 atoms, line 3\nc 1 atoms, line 15\n");
    struct structure s = read_one("x.csv", text, 0);
    assert_properties(&s, "gap \"x\"=1.5 eV");
    structure_done(&s);
}

static void test_csv__ids(void **state)
{
    (void)state;
    static const char row[] = "7,8,9,\"" CUBE("Po") "\"\n";
    static const struct {
        const char *header, *want, *properties;
    } cases[] = {
        {"id,material_id,n,cif\n", "7 1 atoms, line 2\n", "n=9"},
        {"material_id,Id,n,cif\n", "8 1 atoms, line 2\n", "n=9"},
        {"n,m,material_id,cif_str\n", "9 1 atoms, line 2\n", "n=7, m=8"},
        {",m,n,CIF_string\n", "t:7 1 atoms, line 2\n", "m=8, n=9"},
        {"m,index,n,structure\n", "t:8 1 atoms, line 2\n", "m=7, n=9"},
        {"m,Unnamed: 0,Unnamed: 0.1,cif\n", "t:8 1 atoms, line 2\n", "m=7"},
        {"m,n,year,cif\n", "t:2 1 atoms, line 2\n", "m=7, n=8"},
        {"log10(K),E (eV/atom),E[eV],cif\n", "t:2 1 atoms, line 2\n",
         "log10(K)=7, E=8 eV/atom"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[2000];
        (void)snprintf(text, sizeof text, "%s%s", cases[i].header, row);
        assert_read("a/t.csv", text, cases[i].want);
        struct structure s = read_one("a/t.csv", text, 0);
        assert_properties(&s, cases[i].properties);
        structure_done(&s);
    }
}

static void test_csv__errors_have_the_line_of_the_file(void **state)
{
    (void)state;
    assert_read("t.csv", "id,\"no\nte\",cif\na,\"x\ny\",\"" CUBE("Qq") "\"\n",
                "!12: unknown element 'Qq'\n");
    assert_read(
        "t.csv", "id,gap\n1,2\n",
        "!1: no column is named cif, cif_str, cif_string or structure; the header begins "
        "'id,gap?'\n");
    assert_read("t.csv", "id,\"cif\n",
                "!1: cell 2 of the row, in its line 1: its quote has no end\n");
    assert_read("t.csv", "id,cif\n", "");
    assert_read("t.csv", "\xff\xfei d, c i f", "!0: the text is UTF-16; save it as UTF-8\n");
    assert_read("t.csv", "id,cif\na,\"" CUBE("Po") CUBE("Po") "\"\n",
                "!2: 2 structures in one cell\n");
    assert_read("t.csv", "id,cif\na,what may this well be, \"say\"\n",
                "!2: cell 3 of the row, in its line 1: a quote inside a cell that does not "
                "begin with one\n");
    assert_read("t.csv", "id,cif\na,what might this be that is so very long\n",
                "!2: no line begins with data_: not a CIF\n");
}

static void test_csv__a_broken_row_costs_no_other(void **state)
{
    (void)state;
#define ONE_LINE                                                                               \
    "data_ _cell_length_a 3 _cell_length_b 3 _cell_length_c 3 _cell_angle_alpha 90 "           \
    "_cell_angle_beta 90 _cell_angle_gamma 90 _symmetry_Int_Tables_number 221 loop_ "          \
    "_atom_site_label _atom_site_fract_x _atom_site_fract_y _atom_site_fract_z Po 0 0 0\n"
#define GOOD(id) id ",1,\"" CUBE("Po") "\"\n"
    static const struct {
        const char *text, *want;
    } cases[] = {
        /* a quote without end, then one without beginning, a cell too few, one too many */
        {"id,e,cif\n" GOOD("a") "b,1,\"" CUBE("Po") "\n" GOOD("c"),
         "a 1 atoms, line 2\n"
         "!12: cell 3 of the row, in its line 11: its quote has no end, or a quote inside is "
         "not doubled (9 lines are left out)\n"
         "c 1 atoms, line 22\n"},
        {"id,e,cif\n" GOOD("a") "b,1," CUBE("Po") "\"\n" GOOD("c"),
         "a 1 atoms, line 2\n"
         "!12: no structure in column 'cif': the cell is 'data_x' (10 lines are left out)\n"
         "c 1 atoms, line 22\n"},
        {"id,e,cif\nb,1\n" GOOD("c") "d,1,2,\"" CUBE("Po") "\"\n" GOOD("e"),
         "!2: the row has 2 cells, the header 3\n"
         "c 1 atoms, line 3\n"
         "!13: the row has 4 cells, the header 3 (10 lines are left out)\n"
         "e 1 atoms, line 23\n"},
        {"id,e,cif\nb,1,\nc,1,?\n" GOOD("d"),
         "!2: no structure in column 'cif': the cell is empty (2 lines are left out)\n"
         "d 1 atoms, line 4\n"},
        /* structures of one line */
        {"cif\n\"x\n" ONE_LINE ONE_LINE,
         "!2: cell 1 of the row, in its line 1: its quote has no end\nt:3 1 atoms, line 3\n"
         "t:4 1 atoms, line 4\n"},
        {"cif\nx\n" ONE_LINE ONE_LINE,
         "!2: no structure in column 'cif': the cell is 'x'\nt:3 1 atoms, line 3\n"
         "t:4 1 atoms, line 4\n"},
        /* cut off */
        {"id,e,cif\n" GOOD("a") "b,1,\"data_x\n_cell_length_a 3\n",
         "a 1 atoms, line 2\n"
         "!12: cell 3 of the row, in its line 1: its quote has no end (2 lines are left "
         "out)\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_read("t.csv", cases[i].text, cases[i].want);
}

/* Equal rows give equal items, whatever other rows and text columns there are. */
static void test_csv__an_item_does_not_depend_on_its_surroundings(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "id,e,cif\n" GOOD("a"),
        "id,note,e,cif\n9,x,,\"" CUBE("Po") "\"\na,y,1,\"" CUBE("Po") "\"\n",
        "id;note;e;cif\na;\"y;,\";1;\"" CUBE("Po") "\"\n",
        "id\te\tcif\na\t1\t\"" CUBE("Po") "\"\n",
    };
    char *first = NULL;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct source source = {0};
        format_split("t.csv", span_text(texts[i]), &source);
        const char *last = source.items[source.n_items - 1].text;
        if (first)
            assert_string_equal(last, first);
        else
            first = strdup(last);
        source_done(&source);
    }
    assert_string_equal(first, "id,e,cif\na,1,\"" CUBE("Po") "\"");
    free(first);
}

static void test_csv__a_cell_may_hold_pymatgens_json(void **state)
{
    (void)state;
    static const char text[] =
        "id,y,structure\na,2,\"{\"\"lattice\"\": {\"\"matrix\"\": [[3,0,0],[0,3,0],[0,0,3]]},\n"
        "\"\"sites\"\": [{\"\"species\"\": [{\"\"element\"\": \"\"Po\"\", \"\"occu\"\": 1}], "
        "\"\"abc\"\": [0,0,0]}]}\"\n";
    assert_read("t.csv", text, "a 1 atoms, line 2\n");
    struct structure s = read_one("t.csv", text, 0);
    assert_properties(&s, "y=2");
    structure_done(&s);
}

/* Looking for the next row behind a broken one stays linear: 1 MiB takes no time to speak
 * of. */
static void test_csv__junk_is_left_quickly(void **state)
{
    (void)state;
    static const char *const lines[] = {"\"\n",      "a,\"\n",   "\",\"\n",
                                        "a\",\"b\n", "\"\"\"\n", "a,b\n",
                                        "\"\"\",\n", "\",\n",    ",,\",\"\n"};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct buf text = {0};
        struct source source = {0};
        buf_print(&text, "id,e,cif\n");
        while (text.size < 1 << 20)
            buf_print(&text, "%s", lines[i]);
        clock_t begin = clock();
        format_split("t.csv", buf_span(&text), &source);
        double seconds = (double)(clock() - begin) / CLOCKS_PER_SEC;
        assert_true(seconds < 30); /* takes less than 0.3; quadratic would be hours */
        assert_true(source.n_items <= 1);
        source_done(&source);
        buf_done(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_csv__the_table_of_cdvae),
        cmocka_unit_test(test_csv__quotes_line_ends_and_the_mark_of_windows),
        cmocka_unit_test(test_csv__ids),
        cmocka_unit_test(test_csv__errors_have_the_line_of_the_file),
        cmocka_unit_test(test_csv__a_broken_row_costs_no_other),
        cmocka_unit_test(test_csv__an_item_does_not_depend_on_its_surroundings),
        cmocka_unit_test(test_csv__a_cell_may_hold_pymatgens_json),
        cmocka_unit_test(test_csv__junk_is_left_quickly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
