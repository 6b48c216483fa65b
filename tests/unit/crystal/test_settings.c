/* Is a crystal understood in any of the 530 settings of spglib's database: found in its
 * standard setting with the letter it has, and read from a CIF that only names the setting? The
 * positions of each setting come from the reference table. One argument: every which position.
 */
#include "tests/support/cmocka.h"

#include "common/mem.h"
#include "common/rng.h"
#include "workers/crystal/format.h"
#include "workers/crystal/matrix.h"
#include "workers/crystal/normalizer.h"

#include <ctype.h>
#include <spglib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HALL_MAX = 530, LINE_SIZE = 1024, OPERATIONS_MAX = 192 };

static const double symprec = 1e-3;

/* ---- one setting ---- */

struct setting {
    SpglibSpacegroupType type;
    int n, rotations[OPERATIONS_MAX][3][3];
    double translations[OPERATIONS_MAX][3];
    double lattice[3][3];
};

/* The mean over all operations of R^T G R is a metric that the group keeps. */
static void setting_init(int hall, struct setting *ret)
{
    static const double cell[6] = {11, 11.9, 13.2, 84, 97, 101};
    double rows[3][3], metric[3][3] = {{0}};
    ret->type = spg_get_spacegroup_type(hall);
    ret->n = spg_get_symmetry_from_database(ret->rotations, ret->translations, hall);
    assert_int_equal(lattice_from_cell(cell, rows, NULL), 0);
    for (int o = 0; o < ret->n; o++)
        for (int i = 0; i < 3; i++)
            for (int j = 0; j < 3; j++)
                for (int k = 0; k < 9; k++)
                    metric[i][j] += ret->rotations[o][k / 3][i] * ret->rotations[o][k % 3][j] *
                                    vector_dot(rows[k / 3], rows[k % 3]) / ret->n;
    double lengths[6];
    for (int i = 0; i < 3; i++)
        lengths[i] = sqrt(metric[i][i]);
    for (int i = 0; i < 3; i++) {
        int j = (i + 1) % 3, k = (i + 2) % 3;
        lengths[3 + i] = acos(metric[j][k] / lengths[j] / lengths[k]) * 57.29577951308232;
    }
    assert_int_equal(lattice_from_cell(lengths, ret->lattice, NULL), 0);
}

/* All images of a point, behind the atoms there are; returns how many. */
static uint32_t add_orbit(const struct setting *setting, uint8_t element, const double point[3],
                          struct structure *s)
{
    uint32_t first = s->n_atoms;
    for (int o = 0; o < setting->n; o++) {
        double at[3];
        for (int k = 0; k < 3; k++) {
            const int *r = setting->rotations[o][k];
            at[k] = wrap_unit(r[0] * point[0] + r[1] * point[1] + r[2] * point[2] +
                              setting->translations[o][k]);
        }
        bool known = false;
        for (uint32_t i = first; i < s->n_atoms && !known; i++)
            known = fabs(wrap_half(at[0] - s->frac[i][0])) < 1e-6 &&
                    fabs(wrap_half(at[1] - s->frac[i][1])) < 1e-6 &&
                    fabs(wrap_half(at[2] - s->frac[i][2])) < 1e-6;
        if (known)
            continue;
        memcpy(s->frac[s->n_atoms], at, sizeof at);
        s->species[s->n_atoms++] = element;
    }
    return s->n_atoms - first;
}

/* ---- one position ---- */

struct row {
    uint32_t multiplicity;
    char letter;
    struct affine map;
};

/* "::4:c:..2:(x,y,0):(...)": false for other lines. */
static bool row_parse(char *line, struct row *ret)
{
    char *field[5] = {NULL}, *at = line;
    for (int i = 0; i < 5; i++)
        field[i] = strsep(&at, ":");
    if (!at || line[0] != '\0' || !isdigit((unsigned char)field[2][0]))
        return false;
    char *open = strchr(at, '('), *close = open ? strchr(open, ')') : NULL;
    if (!close)
        return false;
    ret->multiplicity = (uint32_t)atoi(field[2]);
    ret->letter = field[3][0];
    return affine_parse(open + 1, (size_t)(close - open - 1), &ret->map, NULL) == 0;
}

/* General orbits around an orbit on the position, all at random places; again until no two
 * atoms are too near for a crystal. */
static uint32_t build(const struct setting *setting, int hall, const struct row *row,
                      struct structure *ret, double ret_points[3][3])
{
    for (uint32_t attempt = 0; attempt < 3000; attempt++) {
        struct rng rng = rng_stream(5, (uint32_t)hall, (uint32_t)row->letter, attempt);
        uint32_t n_general = 2 * setting->n <= 48 ? 2 : 1, on_position;
        *ret = (struct structure){.line = 1,
                                  .species = mem_new(3 * OPERATIONS_MAX, 1),
                                  .frac = mem_new(3 * OPERATIONS_MAX, sizeof *ret->frac)};
        memcpy(ret->lattice, setting->lattice, sizeof ret->lattice);
        double x[3] = {rng_uniform(&rng), rng_uniform(&rng), rng_uniform(&rng)};
        affine_apply(&row->map, x, ret_points[0]);
        on_position = add_orbit(setting, 30, ret_points[0], ret);
        for (uint32_t g = 1; g <= n_general; g++) {
            for (int k = 0; k < 3; k++)
                ret_points[g][k] = rng_uniform(&rng);
            (void)add_orbit(setting, (uint8_t)(10 + g), ret_points[g], ret);
        }
        if (structure_distance_min(ret) > 0.55)
            return on_position;
        structure_done(ret);
    }
    fail_msg("setting %d: no crystal with position %c", hall, row->letter);
    return 0;
}

/* ---- through a CIF ---- */

static void compare_cif(const struct setting *setting, int hall, const char *symmetry,
                        const double points[3][3], uint32_t n_points,
                        const struct structure *want)
{
    double cell[6];
    struct buf text = {0};
    struct source source = {0};
    struct structure have;
    struct err err = {0};
    uint32_t line;
    cell_from_lattice(CONST_MATRIX(setting->lattice), cell);
    buf_print(&text, "data_x\n%s\n", symmetry);
    static const char *const names[6] = {"length_a",    "length_b",   "length_c",
                                         "angle_alpha", "angle_beta", "angle_gamma"};
    for (int k = 0; k < 6; k++)
        buf_print(&text, "_cell_%s %.12f\n", names[k], cell[k]);
    buf_print(&text, "loop_\n_atom_site_label\n_atom_site_fract_x\n_atom_site_fract_y\n"
                     "_atom_site_fract_z\n");
    static const char *const elements[3] = {"Zn", "Na", "Mg"};
    for (uint32_t i = 0; i < n_points; i++)
        buf_print(&text, "%s1 %.12f %.12f %.12f\n", elements[i], points[i][0], points[i][1],
                  points[i][2]);
    format_split("x.cif", buf_span(&text), &source);
    assert_int_equal(source.n_items, 1);
    if (format_parse(&source.items[0], &have, &line, &err))
        fail_msg("setting %d, %s: line %u: %s", hall, symmetry, line, err.text);
    if (have.n_atoms != want->n_atoms)
        fail_msg("setting %d, %s: %u atoms, not %u", hall, symmetry, have.n_atoms,
                 want->n_atoms);
    for (uint32_t i = 0; i < want->n_atoms; i++) {
        bool found = false;
        for (uint32_t j = 0; j < have.n_atoms && !found; j++)
            found = have.species[j] == want->species[i] &&
                    fabs(wrap_half(have.frac[j][0] - want->frac[i][0])) < 1e-6 &&
                    fabs(wrap_half(have.frac[j][1] - want->frac[i][1])) < 1e-6 &&
                    fabs(wrap_half(have.frac[j][2] - want->frac[i][2])) < 1e-6;
        if (!found)
            fail_msg("setting %d, %s: atom %u is missing", hall, symmetry, i + 1);
    }
    structure_done(&have);
    source_done(&source);
    buf_done(&text);
}

/* Groups 67 and 68 have the name with an e for two settings each, the old names for one. */
static const char *old_name(int hall)
{
    static const char *const names_67[] = {"C m m a", "C m m b", "A b m m",
                                           "A c m m", "B m c m", "B m a m"};
    static const char *const names_68[] = {"C c c a", "C c c b", "A b a a",
                                           "A c a a", "B b c b", "B b a b"};
    return hall >= 316 && hall < 322   ? names_67[hall - 316]
           : hall >= 322 && hall < 334 ? names_68[(hall - 322) / 2]
                                       : NULL;
}

static void check_cifs(const struct setting *setting, int hall, const double points[3][3],
                       uint32_t n_points, const struct structure *s)
{
    char symmetry[160];
    const SpglibSpacegroupType *type = &setting->type;
    /* quotes stand in Hall symbols themselves: "P 2c -2" has none, "-P 6c 2c" neither, "P 31
     * 2\" has: a text block takes them all */
    (void)snprintf(symmetry, sizeof symmetry, "_space_group_name_Hall\n;%s\n;",
                   type->hall_symbol);
    compare_cif(setting, hall, symmetry, points, n_points, s);
    /* ":2" for the origin, ":H" and ":R" for the axes; all else shows in the symbol */
    bool choice = type->choice[0] && strchr("12HR", type->choice[0]);
    const char *name = old_name(hall);
    (void)snprintf(symmetry, sizeof symmetry, "_symmetry_space_group_name_H-M '%s%s%.1s'",
                   name ? name : type->international_full, choice ? ":" : "",
                   choice ? type->choice : "");
    compare_cif(setting, hall, symmetry, points, n_points, s);
}

/* ---- the test ---- */

static bool letters_equivalent(const struct spacegroup *group, uint8_t a, uint8_t b)
{
    const struct normalizer *normalizer = normalizer_get(group);
    for (uint32_t r = 0; r < normalizer->n_relabellings; r++)
        if (normalizer->relabellings[r].letters[a] == b)
            return true;
    return false;
}

static void check_position(const struct setting *setting, int hall, const struct row *row,
                           bool cifs)
{
    struct structure s;
    struct record record;
    struct err err = {0};
    double points[3][3];
    uint32_t n = build(setting, hall, row, &s, points);
    assert_int_equal(n, row->multiplicity);
    if (structure_to_record(&s, symprec, &record, &err))
        fail_msg("setting %d, position %c: %s", hall, row->letter, err.text);
    if (record.proto.spacegroup != setting->type.number)
        fail_msg("setting %d of group %d, position %c: found group %u", hall,
                 setting->type.number, row->letter, record.proto.spacegroup);
    const struct spacegroup *group = spacegroup_get(record.proto.spacegroup);
    for (uint32_t i = 0; i < record.proto.n_sites; i++) {
        struct site site = record.proto.sites[i];
        uint8_t letter = site.element == 30 ? (uint8_t)wyckoff_letter_index(row->letter)
                                            : (uint8_t)(group->n_positions - 1);
        if (!letters_equivalent(group, letter, site.letter))
            fail_msg("setting %d, element %u on position %c: found on %c", hall, site.element,
                     wyckoff_letter_char(letter), wyckoff_letter_char(site.letter));
    }
    if (cifs)
        check_cifs(setting, hall, CONST_MATRIX(points),
                   s.n_atoms == n + (uint32_t)setting->n ? 2 : 3, &s);
    record_done(&record);
    structure_done(&s);
}

static void test_settings__all_530_are_understood(void **state)
{
    (void)state;
    FILE *file = fopen(REFERENCE "/Wyckoff.csv", "r");
    if (!file) {
        print_message("no " REFERENCE "/Wyckoff.csv: skipped\n");
        skip();
    }
    char line[LINE_SIZE];
    static struct setting setting;
    uint32_t hall = 0, positions = 0;
    while (fgets(line, sizeof line, file)) {
        struct row row;
        if (isdigit((unsigned char)line[0])) {
            assert_int_equal(atoi(line), ++hall);
            setting_init((int)hall, &setting);
        } else if (hall > 0 && row_parse(line, &row)) {
            positions++;
            check_position(&setting, (int)hall, &row, row.letter == 'a');
        }
    }
    assert_int_equal(hall, HALL_MAX);
    print_message("530 settings, %u positions\n", positions);
    (void)fclose(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_settings__all_530_are_understood),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
