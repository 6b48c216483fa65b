/* Are pymatgen's structures read from JSON in all the arrangements that people store them in,
 * and is what cannot be read told with its line? */
#include "tests/unit/crystal/read.h"

#include "workers/crystal/json_text.h"

#define LATTICE "\"lattice\": {\"matrix\": [[3.0, 0, 0],\n[0, 3, 0], [0, 0, 3e0]], \"a\": 9}"
#define SPECIES(element) "\"species\": [{\"element\": \"" element "\", \"occu\": 1}]"
#define SITES "\"sites\": [\n{" SPECIES("Po") ", \"abc\": [0, 0.25, 0], \"xyz\": [7, 7, 7]}]"
#define CUBE "{" LATTICE ", " SITES "}"

static void test_json__arrangements(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } cases[] = {
        {CUBE, "t 1 atoms, line 1\n"},
        {"[" CUBE ",\n" CUBE "]\n", "t 1 atoms, line 1\nt:4 1 atoms, line 4\n"},
        {"[]", ""},
        {CUBE "\n" CUBE, "t 1 atoms, line 1\nt:4 1 atoms, line 4\n"},
        {"{\"id\": \"x\\u00e9\\ud83d\\ude00\\\"\", " SITES ", " LATTICE "}",
         "x\xc3\xa9\xf0\x9f\x98\x80\" 1 atoms, line 1\n"},
        {"{\"structure\": " CUBE ", \"material_id\": \"mp-7\"}", "mp-7 1 atoms, line 1\n"},
        {"{\"material_id\": 1, \"id\": 22, \"structure\": " CUBE "}", "22 1 atoms, line 1\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_read("a/t.json", cases[i].text, cases[i].want);
}

static void test_json__numbers_are_properties(void **state)
{
    (void)state;
    struct structure s = read_one(
        "t.jsonl",
        "{\"units\": {\"gap\": \"eV\", \"nothing\": \"x\"}, \"charge\": 0, \"@version\": "
        "\"1\", "
        "\"e\\tf (eV/atom)\": -1.5, \"year\": 1913, \"flag\": true, \"n\": NaN, \"i\": "
        "-Infinity,"
        "\"structure\": {\"properties\": {\"gap\": 0.1234567890123456789, \"list\": [1]}, "
        "\"charge\": 1, " LATTICE ", " SITES "}}",
        0);
    assert_properties(&s, "e?f=-1.5 eV/atom, gap=0.12345678901234568 eV");
    assert_near(s.frac[0][1], 0.25, 0); /* abc, not xyz */
    structure_done(&s);
}

static void test_json__cells_and_places_in_other_terms(void **state)
{
    (void)state;
    struct structure s = read_one(
        "t.json",
        "{\"sites\": [{\"xyz\": [1.5, 3, 0], " SPECIES("Fe3+") "}, {" SPECIES(
            "D") ", \"abc\": [0, 0, 0]}], \"lattice\": {\"a\": 3, \"b\": 4, \"c\": 5, "
                 "\"alpha\": 90, "
                 "\"beta\": 90, \"gamma\": 90, \"pbc\": [true, true, true], \"volume\": 60}}",
        0);
    assert_near(s.frac[0][0], 0.5, 1e-12);
    assert_near(s.frac[0][1], 0.75, 1e-12);
    assert_near(structure_volume(&s), 60, 1e-9);
    assert_int_equal(s.species[0], 26);
    assert_int_equal(s.species[1], 1);
    structure_done(&s);
}

static void test_json__refusals_say_why(void **state)
{
    (void)state;
#define AROUND(sites) "{" LATTICE ", \"sites\": [" sites "]}"
    static const struct {
        const char *text, *want;
    } cases[] = {
        {AROUND("\n{\"species\": [{\"element\": \"Na\", \"occu\": 0.5}], \"abc\": [0, 0, 0]}"),
         "!3: atom 1 (Na): partial occupancy 0.5; only ordered crystals are read\n"},
        {AROUND("\n{\"species\": [{\"element\": \"Na\", \"occu\": 1}, {\"element\": \"K\"}]}"),
         "!3: atom 1: Na and K share a site; only ordered crystals are read\n"},
        {AROUND("{\"species\": []}                                    "),
         "!2: atom 1: no species\n"},
        {AROUND("{" SPECIES("X") ", \"abc\": [0, 0, 0]}"), "!2: atom 1: unknown element 'X'\n"},
        {AROUND("{" SPECIES("Na") "}"), "!2: atom 1: neither abc nor xyz\n"},
        {AROUND("{" SPECIES("Na") ", \"abc\": [0, 0]}"),
         "!2: position of atom 1: 2 of 3 numbers\n"},
        {AROUND("{" SPECIES("Na") ", \"abc\": [0, NaN, 0]}"),
         "!2: position of atom 1: 'NaN, 0]}]}' is not a finite number\n"},
        {AROUND(""), "!2: no atoms\n"},
        {"{\"lattice\": {\"a\": 3, \"b\": 4, \"c\": 5, \"alpha\": 90, \"beta\": 90}, " SITES
         "}",
         "!1: lattice: neither matrix nor a positive gamma\n"},
        {"{\"lattice\": {\"a\": 3, \"pbc\": [true, true, false]}, \"b\": 4, \"c\": 5, " SITES
         "}",
         "!1: lattice: pbc says not periodic, only crystals are read\n"},
        {"{\"mp-1\": " CUBE "}",
         "!1: no lattice: not pymatgen's Structure.as_dict, nor an object with it as "
         "\"structure\"\n"},
        {"[1, 2,\n3, {}]", "!1: neither a structure nor an array of structures: want objects "
                           "(2 lines are left out)\n"},
        {"hello", "!1: not JSON: want a value, not 'hello'\n"},
        {"[" CUBE ",\n {\"lattice\": ", "t 1 atoms, line 1\n!4: not JSON: want a value, not "
                                        "'the end'\n"},
        {"{\"a\": \"no end\n" CUBE "\n" CUBE,
         "!1: not JSON: a string has no end on its line: '\"no end?{\"lattice\": '\n"
         "t:2 1 atoms, line 2\nt:5 1 atoms, line 5\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_read("t.json", cases[i].text, cases[i].want);
    struct buf deep = {0};
    for (int i = 0; i < 100000; i++)
        buf_append(&deep, "[", 1);
    assert_read("t.json", buf_text(&deep), "!1: not JSON: brackets more than 64 deep\n");
    buf_done(&deep);
}

static void test_json__what_is_no_json_is_refused(void **state)
{
    (void)state;
    static const char *const good[] = {"{}", " [ ] ", "[1, -2.5e3, \"a\\\"]\", true, null]",
                                       "{\"a\": {\"b\": [[]]}, \"c\": NaN}", "\"\\\\\""};
    static const char *const bad[] = {
        "",   "{",   "[1,]",     "[1 2]",    "{\"a\"}",  "{a: 1}", "{\"a\": 1,}", "[1}", "tru",
        "1x", "\"a", "\"a\nb\"", "{\"a\":}", "[\"\\\"]", "]"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct json_text text = {good[i], good[i] + strlen(good[i]), 1};
        if (json_text_skip(&text, NULL) || json_text_peek(&text))
            fail_msg("'%s' is good", good[i]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct json_text text = {bad[i], bad[i] + strlen(bad[i]), 1};
        struct err err = {0};
        if (json_text_skip(&text, &err) != ERR_INVALID || !err.text[0])
            fail_msg("'%s' is bad", bad[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json__arrangements),
        cmocka_unit_test(test_json__numbers_are_properties),
        cmocka_unit_test(test_json__cells_and_places_in_other_terms),
        cmocka_unit_test(test_json__refusals_say_why),
        cmocka_unit_test(test_json__what_is_no_json_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
