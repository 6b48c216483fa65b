/* Is the Wyckoff table right, and do symbols, orbits and free coordinates go there and back? */
#include "tests/support/cmocka.h"

#include "common/rng.h"
#include "workers/crystal/wyckoff.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { LINE_SIZE = 1024 };

/* A cell of the group's system with nothing special, Angstrom. */
static void sample_lattice(const struct spacegroup *group, double ret_lattice[3][3])
{
    double cell[6] = {7.1, 8.3, 9.7, 81, 96, 103};
    cell_symmetrize(group, cell);
    assert_int_equal(lattice_from_cell(cell, ret_lattice, NULL), 0);
}

static void test_affine__text_round_trip(void **state)
{
    (void)state;
    static const char *const texts[][2] = {
        {"x,2x,1/4", "x,2x,1/4"},       {"1/2+x, -Y , z-1/3", "x+1/2,-y,z+2/3"},
        {"x-y,x,z+5/6", "x-y,x,z+5/6"}, {"0,0,0", "0,0,0"},
        {"-x+1,3/2,2*z", "-x,1/2,2z"},  {"1/8,y,-y+1/4", "1/8,y,-y+1/4"},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct affine map;
        char text[WYCKOFF_TEXT_SIZE];
        assert_int_equal(affine_parse(texts[i][0], strlen(texts[i][0]), &map, NULL), 0);
        wyckoff_text(&map, text, sizeof text);
        assert_string_equal(text, texts[i][1]);
    }
    static const char *const wrong[] = {"",        "x,y",    "x,y,z,x",    "x,y,w",
                                        "x y,y,z", "x,y,z+", "1/0,y,z",    "x,,z",
                                        "1/7,0,0", "x,y,2*", "x,y,99999z", "xx,y,z"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct err err = {0};
        struct affine map;
        assert_int_equal(affine_parse(wrong[i], strlen(wrong[i]), &map, &err), ERR_INVALID);
        assert_non_null(strstr(err.text, "is no map"));
    }
}

static void test_spacegroup__facts_of_known_groups(void **state)
{
    (void)state;
    static const struct {
        int number, hall, order, n_positions;
        const char *symbol;
        char centring, system;
    } rows[] = {
        {1, 1, 1, 1, "P 1", 'P', 'a'},
        {14, 81, 4, 5, "P 2_1/c", 'P', 'm'},
        {15, 90, 8, 6, "C 2/c", 'C', 'm'},
        {47, 227, 8, 27, "P m m m", 'P', 'o'},
        {62, 292, 8, 4, "P n m a", 'P', 'o'},
        {139, 424, 32, 15, "I 4/m m m", 'I', 't'},
        {167, 460, 36, 6, "R -3 c", 'R', 'h'},
        {194, 488, 24, 12, "P 6_3/m m c", 'P', 'h'},
        {225, 523, 192, 12, "F m -3 m", 'F', 'c'},
        {227, 526, 192, 9, "F d -3 m", 'F', 'c'},
        {230, 530, 96, 8, "I a -3 d", 'I', 'c'},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct spacegroup *group = spacegroup_get(rows[i].number);
        assert_int_equal(group->number, rows[i].number);
        assert_int_equal(group->hall_number, rows[i].hall);
        assert_int_equal(group->order, rows[i].order);
        assert_int_equal(group->n_positions, rows[i].n_positions);
        assert_string_equal(group->symbol, rows[i].symbol);
        assert_int_equal(group->centring, rows[i].centring);
        assert_int_equal(group->crystal_system, rows[i].system);
    }
    assert_true(spacegroup_get(167)->trigonal);
    assert_false(spacegroup_get(168)->trigonal);
    assert_null(spacegroup_get(0));
    assert_null(spacegroup_get(231));
}

static void test_spacegroup__positions_add_up_to_1731(void **state)
{
    (void)state;
    int total = 0;
    for (int number = 1; number <= GROUP_MAX; number++) {
        const struct spacegroup *group = spacegroup_get(number);
        assert_int_equal(group->position_first, total);
        assert_true(group->n_positions <= POSITIONS_MAX);
        for (int p = 0; p < group->n_positions; p++) {
            assert_int_equal(group->positions[p].letter, p);
            /* the same letter has its place: the last one is general */
            assert_int_equal(group->positions[p].multiplicity == group->order,
                             p == group->n_positions - 1 || group->positions[p].dof == 3);
        }
        total += group->n_positions;
    }
    assert_int_equal(total, POSITIONS_TOTAL);
}

static bool map_equal(const struct affine *a, const struct affine *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

static void test_spacegroup__operations_are_a_group(void **state)
{
    (void)state;
    for (int number = 1; number <= GROUP_MAX; number++) {
        const struct spacegroup *group = spacegroup_get(number);
        for (int a = 0; a < group->order; a += 1 + a / 8)
            for (int b = 0; b < group->order; b++) {
                struct affine c = affine_product(&group->operations[a], &group->operations[b]);
                int found = 0;
                for (int k = 0; k < group->order; k++)
                    found += map_equal(&group->operations[k], &c);
                assert_int_equal(found, 1);
            }
    }
}

/* Every operation maps the orbit onto itself, and the operations that leave the representative
 * where it is number order / multiplicity. */
static void test_wyckoff__positions_are_closed_and_site_orders_fit(void **state)
{
    (void)state;
    for (int number = 1; number <= GROUP_MAX; number++) {
        const struct spacegroup *group = spacegroup_get(number);
        for (int p = 0; p < group->n_positions; p++) {
            const struct wyckoff_position *position = &group->positions[p];
            int site_order = 0;
            for (int g = 0; g < group->order; g++) {
                uint32_t first = (uint32_t)g % position->multiplicity;
                struct affine image =
                    affine_product(&group->operations[g], &position->coordinates[first]);
                int found = 0;
                for (int k = 0; k < position->multiplicity; k++)
                    found += map_equal(&position->coordinates[k], &image);
                assert_int_equal(found, 1);
                image = affine_product(&group->operations[g], &position->coordinates[0]);
                site_order += map_equal(&image, &position->coordinates[0]);
            }
            assert_int_equal(site_order * position->multiplicity, group->order);
        }
    }
}

static void test_spacegroup__parse_reads_numbers_and_symbols(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int number;
    } rows[] = {{"225", 225},      {"Fm-3m", 225}, {"F m -3 m", 225}, {"P2_1/c", 14},
                {"P 2_1/c", 14},   {"P21/c", 14},  {"Pnma", 62},      {" 1 ", 1},
                {"P6_3/mmc", 194}, {"R-3m", 166},  {"I4_1/amd", 141}, {"C m c e", 64}};
    const struct spacegroup *group;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(spacegroup_parse(rows[i].text, &group, NULL), 0);
        assert_int_equal(group->number, rows[i].number);
    }
    for (int number = 1; number <= GROUP_MAX; number++) { /* symbols are unique */
        assert_int_equal(spacegroup_parse(spacegroup_get(number)->symbol, &group, NULL), 0);
        assert_int_equal(group->number, number);
    }
}

static void test_spacegroup__unknown_symbol_names_the_nearest(void **state)
{
    (void)state;
    struct err err;
    const struct spacegroup *group = NULL;
    assert_int_equal(spacegroup_parse("fm3m", &group, &err), ERR_INVALID);
    assert_string_equal(err.text, "no space group 'fm3m'");
    assert_non_null(strstr(err.hint, "F m -3 m (225)"));
    assert_int_equal(spacegroup_parse("Pnmaa", &group, &err), ERR_INVALID);
    assert_non_null(strstr(err.hint, "nearest symbols: P n m a (62)"));
    static const char *const wrong[] = {
        "", "  ", "0", "231", "-5", "99999999999999999999", "Fm-3m Fm-3m Fm-3m Fm-3m Fm-3m"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(spacegroup_parse(wrong[i], &group, &err), ERR_INVALID);
    assert_null(group);
}

static void test_wyckoff__letters(void **state)
{
    (void)state;
    assert_int_equal(wyckoff_letter_char(0), 'a');
    assert_int_equal(wyckoff_letter_char(26), 'A');
    for (int i = 0; i < LETTER_MAX; i++)
        assert_int_equal(wyckoff_letter_index(wyckoff_letter_char((uint8_t)i)), i);
    assert_int_equal(wyckoff_letter_index('B'), -1);
    assert_int_equal(wyckoff_letter_index('1'), -1);
}

static void shuffle(struct rng *rng, double (*frac)[3], uint32_t n)
{
    for (uint32_t i = n; i > 1; i--) {
        uint32_t j = rng_below(rng, i);
        for (int k = 0; k < 3; k++) {
            double kept = frac[i - 1][k];
            frac[i - 1][k] = frac[j][k];
            frac[j][k] = kept;
        }
    }
}

/* Distance of the worst atom to its nearest member, in fractions of the cell. */
static double orbit_distance(const struct wyckoff_position *position, const double free_[3],
                             const double (*frac)[3])
{
    double worst = 0;
    for (uint32_t a = 0; a < position->multiplicity; a++) {
        double nearest = 1;
        for (uint32_t k = 0; k < position->multiplicity; k++) {
            double member[3], off = 0;
            wyckoff_coordinates(position, k, free_, member);
            for (int i = 0; i < 3; i++) {
                double d = member[i] - frac[a][i];
                off = fmax(off, fabs(d - rint(d)));
            }
            nearest = fmin(nearest, off);
        }
        worst = fmax(worst, nearest);
    }
    return worst;
}

static void round_trip(const struct spacegroup *group, const struct wyckoff_position *position,
                       double noise, double tolerance)
{
    struct rng rng = rng_stream(3, group->number, position->letter, noise > 0);
    double frac[MULTIPLICITY_MAX][3], lattice[3][3], free_[3], found[3], again[3], error;
    sample_lattice(group, lattice);
    for (int i = 0; i < 3; i++)
        free_[i] = rng_uniform(&rng);
    for (uint32_t k = 0; k < position->multiplicity; k++) {
        wyckoff_coordinates(position, k, free_, frac[k]);
        for (int i = 0; i < 3; i++) { /* also outside of the cell */
            assert_true(frac[k][i] >= 0 && frac[k][i] < 1);
            frac[k][i] += (double)rng_below(&rng, 5) - 2 + noise * (rng_uniform(&rng) - 0.5);
        }
    }
    assert_int_equal(wyckoff_parameters(position, (const double(*)[3])frac,
                                        position->multiplicity, (const double(*)[3])lattice,
                                        tolerance, found, &error, NULL),
                     0);
    assert_true(error <= tolerance);
    assert_true(orbit_distance(position, found, (const double(*)[3])frac) < 1e-9 + noise);
    for (int i = 0; i < 3; i++)
        assert_true(position->free_axes[i] ? found[i] >= 0 && found[i] < 1 : found[i] == 0.0);
    /* the order of the atoms does not matter */
    shuffle(&rng, frac, position->multiplicity);
    assert_int_equal(wyckoff_parameters(position, (const double(*)[3])frac,
                                        position->multiplicity, (const double(*)[3])lattice,
                                        tolerance, again, &error, NULL),
                     0);
    for (int i = 0; i < 3; i++)
        assert_true(fabs(found[i] - again[i]) < 1e-9);
}

static void test_wyckoff__parameters_round_trip_for_every_position(void **state)
{
    (void)state;
    for (int number = 1; number <= GROUP_MAX; number++) {
        const struct spacegroup *group = spacegroup_get(number);
        for (int p = 0; p < group->n_positions; p++)
            round_trip(group, &group->positions[p], 0, 1e-6);
    }
}

/* Atoms a few hundredths of an Angstrom off, as data sets have them. */
static void test_wyckoff__parameters_survive_noise(void **state)
{
    (void)state;
    static const int numbers[] = {1, 2, 14, 62, 92, 139, 148, 166, 191, 194, 198, 221, 227};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        const struct spacegroup *group = spacegroup_get(numbers[i]);
        for (int p = 0; p < group->n_positions; p++)
            round_trip(group, &group->positions[p], 0.002, 0.1);
    }
}

static void test_wyckoff__parameters_choose_the_smallest(void **state)
{
    (void)state;
    /* Fm-3m 24e x,0,0: x and -x are the same atoms */
    const struct wyckoff_position *position = &spacegroup_get(225)->positions[4];
    const double lattice[3][3] = {{5, 0, 0}, {0, 5, 0}, {0, 0, 5}}, x = 0.77;
    double frac[MULTIPLICITY_MAX][3], found[3], error;
    for (uint32_t k = 0; k < position->multiplicity; k++)
        wyckoff_coordinates(position, k, (const double[3]){x, 0, 0}, frac[k]);
    assert_int_equal(wyckoff_parameters(position, (const double(*)[3])frac,
                                        position->multiplicity, lattice, 1e-6, found, &error,
                                        NULL),
                     0);
    assert_true(fabs(found[0] - 0.23) < 1e-12);
}

static void test_wyckoff__parameters_refuse_what_is_no_orbit(void **state)
{
    (void)state;
    const struct wyckoff_position *b = &spacegroup_get(221)->positions[1]; /* 1/2,1/2,1/2 */
    const struct wyckoff_position *e = &spacegroup_get(221)->positions[4]; /* 6e x,0,0 */
    const double lattice[3][3] = {{4, 0, 0}, {0, 4, 0}, {0, 0, 4}};
    double found[3] = {7, 7, 7}, error;
    struct err err;
    const double origin[1][3] = {{0, 0, 0}};
    assert_int_equal(wyckoff_parameters(b, origin, 1, lattice, 0.1, found, &error, &err),
                     ERR_SYMMETRY);
    assert_non_null(strstr(err.text, "position 1b"));
    assert_int_equal(wyckoff_parameters(b, origin, 0, lattice, 0.1, found, &error, &err),
                     ERR_SYMMETRY);
    /* six atoms of which two sit in one place */
    double six[6][3];
    for (uint32_t k = 0; k < 6; k++)
        wyckoff_coordinates(e, k, (const double[3]){0.2, 0, 0}, six[k]);
    memcpy(six[3], six[2], sizeof six[3]);
    assert_int_equal(
        wyckoff_parameters(e, (const double(*)[3])six, 6, lattice, 0.1, found, &error, &err),
        ERR_SYMMETRY);
    assert_true(found[0] == 7.0);
}

/* ---- against spglib's own database, where the development machine has it ---- */

struct reference {
    const struct spacegroup *group;
    int letter, n; /* coordinates read so far */
    double frac[MULTIPLICITY_MAX][3];
    int n_checked;
};

/* Random numbers for x, y, z: the same orbit, so the same position. */
static void reference_check(struct reference *reference)
{
    if (reference->letter < 0)
        return;
    const struct wyckoff_position *position = &reference->group->positions[reference->letter];
    /* the table lists coordinates without the centring */
    const char *centring = strchr("P1A2C2I2R3F4", reference->group->centring);
    assert_int_equal(reference->n * (centring[1] - '0'), position->multiplicity);
    double lattice[3][3], found[3], error;
    sample_lattice(reference->group, lattice);
    assert_int_equal(wyckoff_parameters(position, (const double(*)[3])reference->frac,
                                        (uint32_t)reference->n, (const double(*)[3])lattice,
                                        1e-6, found, &error, NULL),
                     0);
    reference->letter = -1;
    reference->n_checked++;
}

static void reference_coordinates(struct reference *reference, char *fields)
{
    const struct wyckoff_position *position = &reference->group->positions[reference->letter];
    for (char *word = strtok(fields, ":"); word; word = strtok(NULL, ":")) {
        struct affine map;
        assert_int_equal(affine_parse(word + 1, strlen(word) - 2, &map, NULL), 0);
        bool used[3] = {false};
        for (int i = 0; i < 3; i++) {
            double sum = map.translation[i] / 24.0;
            for (int j = 0; j < 3; j++) {
                used[j] = used[j] || map.rotation[i][j] != 0;
                sum += map.rotation[i][j] * (const double[]){0.1234, 0.3719, 0.0613}[j];
            }
            reference->frac[reference->n][i] = sum;
        }
        assert_int_equal(used[0] + used[1] + used[2], position->dof);
        reference->n++;
    }
}

static void reference_row(struct reference *reference, char *line)
{
    char letter, site[16];
    int multiplicity, used = 0;
    if (sscanf(line, "::%d:%c:%15[^:]:%n", &multiplicity, &letter, site, &used) == 3) {
        reference_check(reference);
        reference->letter = wyckoff_letter_index(letter);
        reference->n = 0;
        assert_in_range(reference->letter, 0, reference->group->n_positions - 1);
        const struct wyckoff_position *position =
            &reference->group->positions[reference->letter];
        assert_int_equal(position->multiplicity, multiplicity);
        assert_string_equal(position->site_symmetry, site);
        reference_coordinates(reference, line + used);
    } else {
        reference_coordinates(reference, line);
    }
}

static void test_wyckoff__equals_the_reference_table(void **state)
{
    (void)state;
    FILE *file = fopen(REFERENCE "/Wyckoff.csv", "r");
    if (!file) {
        print_message("no reference table here: " REFERENCE "/Wyckoff.csv\n");
        skip();
    }
    static struct reference reference;
    reference.letter = -1;
    char line[LINE_SIZE];
    int number = 0;
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\r\n")] = '\0';
        if (line[0] == ':') {
            if (reference.group)
                reference_row(&reference, line);
            continue;
        }
        if (reference.group)
            reference_check(&reference);
        int hall = atoi(line);
        reference.group = NULL; /* not a standard setting, unless: */
        if (number < GROUP_MAX && spacegroup_get(number + 1)->hall_number == hall)
            reference.group = spacegroup_get(++number);
    }
    (void)fclose(file);
    assert_int_equal(number, GROUP_MAX);
    assert_int_equal(reference.n_checked, POSITIONS_TOTAL);
}

static void *decode_all(void *result)
{
    const struct spacegroup **seen = result;
    for (int number = 1; number <= GROUP_MAX; number++)
        seen[number] = spacegroup_get(number);
    return NULL;
}

/* Runs first, while nothing is decoded yet. */
static void test_spacegroup__threads_see_the_same_groups(void **state)
{
    (void)state;
    enum { THREADS = 4 };
    static const struct spacegroup *seen[THREADS][GROUP_MAX + 1];
    pthread_t threads[THREADS];
    for (int t = 0; t < THREADS; t++)
        assert_int_equal(pthread_create(&threads[t], NULL, decode_all, seen[t]), 0);
    for (int t = 0; t < THREADS; t++)
        assert_int_equal(pthread_join(threads[t], NULL), 0);
    for (int t = 1; t < THREADS; t++)
        assert_memory_equal(seen[t], seen[0], sizeof seen[0]);
    assert_int_equal(seen[0][225]->order, 192);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spacegroup__threads_see_the_same_groups),
        cmocka_unit_test(test_affine__text_round_trip),
        cmocka_unit_test(test_spacegroup__facts_of_known_groups),
        cmocka_unit_test(test_spacegroup__positions_add_up_to_1731),
        cmocka_unit_test(test_spacegroup__operations_are_a_group),
        cmocka_unit_test(test_wyckoff__positions_are_closed_and_site_orders_fit),
        cmocka_unit_test(test_spacegroup__parse_reads_numbers_and_symbols),
        cmocka_unit_test(test_spacegroup__unknown_symbol_names_the_nearest),
        cmocka_unit_test(test_wyckoff__letters),
        cmocka_unit_test(test_wyckoff__parameters_round_trip_for_every_position),
        cmocka_unit_test(test_wyckoff__parameters_survive_noise),
        cmocka_unit_test(test_wyckoff__parameters_choose_the_smallest),
        cmocka_unit_test(test_wyckoff__parameters_refuse_what_is_no_orbit),
        cmocka_unit_test(test_wyckoff__equals_the_reference_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
