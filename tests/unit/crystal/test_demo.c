/* Is the demo set what its header and the textbooks say? Without argument every fortieth
 * structure goes through spglib, with "all" every one. */
#include "tests/support/cmocka.h"

#include "common/hash.h"
#include "common/mem.h"
#include "workers/crystal/demo.h"
#include "workers/crystal/demo_types.h"
#include "workers/crystal/elements.h"
#include "workers/crystal/format.h"
#include "workers/crystal/properties.h"
#include "workers/crystal/structure.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the set, read back by our own reader ---- */

struct frame {
    struct structure structure;
    const struct demo_type *type;
};

static struct buf text;
static uint32_t n_frames, stride = 40;
static struct frame *frames;

/* "demo-rutile-TiO2": the type is what stands between the first and the last dash. */
static const struct demo_type *type_of(const char *id)
{
    const char *begin = id + strlen("demo-"), *end = strrchr(id, '-');
    for (const struct demo_type *type = demo_types; type->name; type++)
        if (strlen(type->name) == (size_t)(end - begin) &&
            !strncmp(type->name, begin, strlen(type->name)))
            return type;
    fail_msg("'%s' names no structure type", id);
    return NULL;
}

static int read_set(void **state)
{
    (void)state;
    struct source source = {0};
    struct err err = {0};
    assert_int_equal(demo_dataset(&text, &err), 0);
    format_split("demo.extxyz", buf_span(&text), &source);
    n_frames = source.n_items;
    frames = mem_new(n_frames, sizeof *frames);
    for (uint32_t i = 0; i < n_frames; i++) {
        uint32_t line;
        int rc = format_parse(&source.items[i], &frames[i].structure, &line, &err);
        assert_string_equal(rc ? err.text : "", "");
        frames[i].type = type_of(frames[i].structure.id);
    }
    source_done(&source);
    return 0;
}

static int free_set(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < n_frames; i++)
        structure_done(&frames[i].structure);
    free(frames);
    buf_done(&text);
    return 0;
}

static const struct frame *find(const char *id)
{
    for (uint32_t i = 0; i < n_frames; i++)
        if (!strcmp(frames[i].structure.id, id))
            return &frames[i];
    fail_msg("no '%s' in the demo set", id);
    return NULL;
}

/* ---- questions ---- */

static void test_demo__is_as_large_and_varied_as_promised(void **state)
{
    (void)state;
    bool groups[GROUP_MAX + 1] = {false};
    uint32_t n_groups = 0, n_types = 0;
    for (uint32_t i = 0; i < n_frames; i++) {
        n_groups += !groups[frames[i].type->spacegroup];
        groups[frames[i].type->spacegroup] = true;
    }
    for (const struct demo_type *type = demo_types; type->name; type++) {
        uint32_t count = 0;
        for (uint32_t i = 0; i < n_frames; i++)
            count += frames[i].type == type;
        n_types += count > 0;
        if (count == 0) /* a row that no element choice fills is a slip */
            fail_msg("no structure of type '%s'", type->name);
    }
    print_message("%u structures, %u types, %u space groups, %zu bytes\n", n_frames, n_types,
                  n_groups, text.size);
    assert_true(n_frames >= 2400);
    assert_true(n_types >= 20);
    assert_true(n_groups >= 15);
}

static int compare_ids(const void *a, const void *b)
{
    return strcmp((*(const struct frame *const *)a)->structure.id,
                  (*(const struct frame *const *)b)->structure.id);
}

static void test_demo__ids_are_unique(void **state)
{
    (void)state;
    const struct frame **sorted = mem_new(n_frames, sizeof *sorted);
    for (uint32_t i = 0; i < n_frames; i++)
        sorted[i] = &frames[i];
    qsort(sorted, n_frames, sizeof *sorted, compare_ids);
    for (uint32_t i = 1; i < n_frames; i++)
        if (compare_ids(&sorted[i - 1], &sorted[i]) == 0)
            fail_msg("twice: '%s'", sorted[i]->structure.id);
    free(sorted);
}

static void test_demo__spglib_finds_the_stated_group(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < n_frames; i += stride) {
        const struct structure *s = &frames[i].structure;
        int coarse = structure_spacegroup(s, 0.1), fine = structure_spacegroup(s, 0.01);
        if (coarse != frames[i].type->spacegroup || fine != frames[i].type->spacegroup)
            fail_msg("%s: group %d at 0.1 A, %d at 0.01 A, want %u", s->id, coarse, fine,
                     frames[i].type->spacegroup);
    }
}

/* The encoded form has the letters of the table, up to the choice of origin. */
static void test_demo__encoding_keeps_the_orbits(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < n_frames; i += stride) {
        struct record record = {0};
        struct err err = {0};
        int rc = structure_to_record(&frames[i].structure, 0.1, &record, &err);
        assert_string_equal(rc ? err.text : "", "");
        uint32_t sites = 0;
        while (sites < DEMO_SITES && frames[i].type->sites[sites].letter)
            sites++;
        assert_int_equal(record.proto.spacegroup, frames[i].type->spacegroup);
        assert_int_equal(record.proto.n_sites, sites);
        record_done(&record);
    }
}

/* Shortest distance over the sum of covalent radii: 0.72 (alpha-U) to 1.35 (TlCl) here; out of
 * this range a contact is no bond. */
static void test_demo__distances_are_bonds(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < n_frames; i++) {
        const struct structure *s = &frames[i].structure;
        double small = HUGE_VAL, large = 0, shortest = structure_distance_min(s);
        for (uint32_t a = 0; a < s->n_atoms; a++) {
            double radius = element_get(s->species[a])->radius_covalent;
            small = fmin(small, radius);
            large = fmax(large, radius);
        }
        if (structure_check(s, NULL) || shortest < 1.05 || shortest < 0.7 * 2 * small ||
            shortest > 1.4 * 2 * large)
            fail_msg("%s: shortest distance %.3f A", s->id, shortest);
    }
}

static double stored(const struct structure *s, const char *name)
{
    for (uint32_t p = 0; p < s->n_properties; p++)
        if (!strcmp(s->properties[p].property.name, name))
            return s->properties[p].value;
    fail_msg("%s has no %s", s->id, name);
    return 0;
}

/* The text holds 12 digits of the structure, so what is computed from it differs that little.
 */
static void test_demo__carries_its_exact_properties(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < n_frames; i++)
        for (uint32_t p = 0; p < exact_properties_count; p++) {
            const struct structure *s = &frames[i].structure;
            double have = stored(s, exact_properties[p].name), want;
            assert_int_equal(exact_properties[p].compute(s, &want, NULL), 0);
            if (!(fabs(have - want) <= 1e-8 * (1 + fabs(want))))
                fail_msg("%s: %s is %.12g, not %.12g", s->id, exact_properties[p].name, have,
                         want);
        }
}

/* ---- charges: what the table means is what formal_charges finds ---- */

static bool lists(const char *symbols, int z)
{
    const char *symbol = element_get(z)->symbol;
    size_t size = strlen(symbol);
    for (const char *p = symbols; p && *p; p += strcspn(p, " "), p += strspn(p, " "))
        if (!strncmp(p, symbol, size) && (p[size] == ' ' || p[size] == '\0'))
            return true;
    return false;
}

/* Charge of `z` in a choice that lists it; 0 when it does not. */
static int charge_in(const struct demo_choice *choice, int z)
{
    for (int role = 0; role < DEMO_ROLES && choice->roles[role].symbols; role++)
        if (lists(choice->roles[role].symbols, z))
            return choice->roles[role].charge;
    return 0;
}

static bool charges_fit(const struct demo_choice *choice, const struct structure *s,
                        const double *charges)
{
    for (uint32_t a = 0; a < s->n_atoms; a++)
        if (charge_in(choice, s->species[a]) != (int)charges[a])
            return false;
    return true;
}

static void test_demo__formal_charges_are_those_of_the_table(void **state)
{
    (void)state;
    uint32_t ionic = 0;
    for (uint32_t i = 0; i < n_frames; i++) {
        const struct structure *s = &frames[i].structure;
        double *charges = mem_new(s->n_atoms, sizeof *charges);
        bool claimed = false, fits = false;
        assert_int_equal(formal_charges(s, charges, NULL), 0);
        for (const struct demo_choice *c = demo_choices; c->type; c++) {
            bool all = !strcmp(c->type, frames[i].type->name) && c->roles[0].charge != 0;
            for (uint32_t a = 0; a < s->n_atoms && all; a++)
                all = charge_in(c, s->species[a]) != 0;
            claimed |= all;
            fits |= all && charges_fit(c, s, charges);
        }
        if (claimed && !fits)
            fail_msg("%s: other charges than the table's", s->id);
        ionic += claimed;
        free(charges);
    }
    print_message("%u of them ionic by the table\n", ionic);
    assert_true(ionic > 1500);
}

/* ---- lattice constants of the handbooks ---- */

static void test_demo__lattice_constants_are_near_the_measured_ones(void **state)
{
    (void)state;
    static const struct {
        const char *id;
        double a, c; /* Angstrom; Wyckoff (1963), Villars and Calvert (1991) */
    } known[] = {
        {"demo-fcc-Cu", 3.615, 0},
        {"demo-bcc-Fe", 2.866, 0},
        {"demo-hcp-Mg", 3.209, 5.211},
        {"demo-diamond-Si", 5.431, 0},
        {"demo-rock-salt-NaCl", 5.640, 0},
        {"demo-rock-salt-MgO", 4.212, 0},
        {"demo-CsCl-CsCl", 4.123, 0},
        {"demo-CsCl-AlNi", 2.887, 0},
        {"demo-zinc-blende-ZnS", 5.410, 0},
        {"demo-zinc-blende-GaAs", 5.653, 0},
        {"demo-wurtzite-ZnO", 3.250, 5.207},
        {"demo-fluorite-CaF2", 5.463, 0},
        {"demo-antifluorite-Li2O", 4.619, 0},
        {"demo-rutile-TiO2", 4.594, 2.959},
        {"demo-anatase-TiO2", 3.785, 9.514},
        {"demo-CdI2-TiS2", 3.407, 5.695},
        {"demo-corundum-Al2O3", 4.759, 12.991},
        {"demo-ReO3-ReO3", 3.750, 0},
        {"demo-perovskite-SrTiO3", 3.905, 0},
        {"demo-spinel-MgAl2O4", 8.083, 0},
        {"demo-delafossite-AlCuO2", 2.858, 16.96},
        {"demo-NaFeO2-LiCoO2", 2.816, 14.05},
        {"demo-chalcopyrite-GaCuS2", 5.351, 10.48},
        {"demo-half-Heusler-TiNiSn", 5.941, 0},
        {"demo-Heusler-MnAlCu2", 5.949, 0},
        {"demo-ThCr2Si2-CeCu2Si2", 4.105, 9.933},
        {"demo-BaFe2As2-BaFe2As2", 3.963, 13.017},
        {"demo-pyrochlore-Gd2Ti2O7", 10.185, 0},
        {"demo-K2PtCl6-K2PtCl6", 9.755, 0},
        {"demo-calcite-CaCO3", 4.990, 17.06},
        {"demo-zircon-ZrSiO4", 6.607, 5.982},
        {"demo-scheelite-CaWO4", 5.243, 11.376},
        {"demo-garnet-Y3Al5O12", 12.00, 0},
        {"demo-bixbyite-Y2O3", 10.604, 0},
        {"demo-Cu3Au-Cu3Au", 3.748, 0},
        {"demo-CaB6-CaB6", 4.15, 0},
    };
    for (size_t k = 0; k < sizeof known / sizeof *known; k++) {
        struct record record = {0};
        assert_int_equal(
            structure_to_record(&find(known[k].id)->structure, 0.01, &record, NULL), 0);
        double a = record.cell[0] / known[k].a;
        double c = known[k].c > 0 ? record.cell[2] / known[k].c : a;
        if (fabs(a - 1) > 0.06 || fabs(c - 1) > 0.06)
            fail_msg("%s: a %+.1f %%, c %+.1f %%", known[k].id, 100 * (a - 1), 100 * (c - 1));
        record_done(&record);
    }
}

/* Same bytes on every compiler and CPU; a change of the tables changes the hash on purpose. */
static void test_demo__bytes_are_the_same_everywhere(void **state)
{
    (void)state;
    char hex[HASH_HEX_SIZE];
    struct hash hash = hash_bytes(buf_span(&text));
    assert_string_equal(hash_hex(&hash, hex),
                        "88134a6c891a8fba4efaef6f1adf7e7bee5ff050b5ac1fc8a4c95d7b606cc689");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_demo__is_as_large_and_varied_as_promised),
        cmocka_unit_test(test_demo__ids_are_unique),
        cmocka_unit_test(test_demo__spglib_finds_the_stated_group),
        cmocka_unit_test(test_demo__encoding_keeps_the_orbits),
        cmocka_unit_test(test_demo__distances_are_bonds),
        cmocka_unit_test(test_demo__carries_its_exact_properties),
        cmocka_unit_test(test_demo__formal_charges_are_those_of_the_table),
        cmocka_unit_test(test_demo__lattice_constants_are_near_the_measured_ones),
        cmocka_unit_test(test_demo__bytes_are_the_same_everywhere),
    };
    if (argc > 1 && !strcmp(argv[1], "all"))
        stride = 1;
    return cmocka_run_group_tests_name("demo", tests, read_set, free_set);
}
