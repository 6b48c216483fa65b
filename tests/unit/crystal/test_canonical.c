/* Has one crystal one label, however it is given, and have different crystals different ones?
 * Random crystals of all groups, each written in random other ways. Arguments: how many ways in
 * all, and a seed. */
#include "tests/support/cmocka.h"

#include "common/cleanup.h"
#include "common/mem.h"
#include "common/rng.h"
#include "workers/crystal/demo_types.h"
#include "workers/crystal/matrix.h"
#include "workers/crystal/normalizer.h"
#include "workers/crystal/structure.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Tolerance of the search, and what the atoms are shaken by, Angstrom. */
static const double symprec = 0.01, noise = 1e-4;

enum {
    WAYS = 4,          /* other ways to give each crystal */
    ATOMS_BASE = 48,   /* in the primitive cell: spglib's time grows with the square */
    ATOMS_GIVEN = 120, /* in the supercell */
    ATTEMPTS_MAX = 2000,
};

static uint32_t cases = 400;
static uint64_t seed = 20;

/* ---- random crystals ---- */

/* Axes of 4 to 9 Angstrom, longer where there is room needed for many atoms; angles of 65 to
 * 115 degrees where they are free. */
static void random_cell(const struct spacegroup *group, struct rng *rng, double cell[6])
{
    for (int k = 0; k < 3; k++) {
        cell[k] = (4 + 5 * rng_uniform(rng)) * cbrt(1 + group->order / 48.0);
        cell[3 + k] = 65 + 50 * rng_uniform(rng);
    }
    cell_symmetrize(group, cell);
}

/* One to four sites of different elements on any positions that leave the cell small enough. */
static void random_record(const struct spacegroup *group, struct rng *rng, struct record *ret)
{
    uint32_t n = 1 + rng_below(rng, 4);
    *ret = (struct record){.proto = {.spacegroup = group->number, .n_sites = (uint16_t)n}};
    ret->proto.sites = mem_new(n, sizeof *ret->proto.sites);
    ret->free = mem_new(n, sizeof *ret->free);
    random_cell(group, rng, ret->cell);
    for (uint32_t i = 0; i < n; i++) {
        const struct wyckoff_position *position =
            &group->positions[rng_below(rng, group->n_positions)];
        ret->proto.sites[i] = (struct site){position->letter, (uint8_t)(20 + i)};
        for (int k = 0; k < 3; k++)
            ret->free[i][k] = position->free_axes[k] ? rng_uniform(rng) : 0;
    }
}

/* Sites may lie on another position by chance or the lattice have more symmetry than the group:
 * then it is a crystal of another group, and as good. But it must be the same one at half and
 * twice the tolerance, or a little noise may rightly change the answer. */
static bool is_unambiguous(const struct structure *structure, struct record *ret)
{
    struct record below = {0}, above = {0};
    bool good = structure_to_record(structure, symprec, ret, NULL) == 0;
    if (!good)
        return false;
    good = structure_to_record(structure, symprec / 4, &below, NULL) == 0 &&
           structure_to_record(structure, symprec * 4, &above, NULL) == 0 &&
           protostructure_equal(&ret->proto, &below.proto) &&
           protostructure_equal(&ret->proto, &above.proto);
    record_done(&below);
    record_done(&above);
    if (!good)
        record_done(ret);
    return good;
}

/* A crystal in its primitive cell, and its record; how many draws it took. `exactly`: of this
 * group and no more symmetric by chance. */
static uint32_t random_crystal(int number, bool exactly, struct rng *rng, struct structure *ret,
                               struct record *ret_record)
{
    const struct spacegroup *group = spacegroup_get(number);
    for (uint32_t attempt = 1; attempt < ATTEMPTS_MAX; attempt++) {
        struct record record;
        random_record(group, rng, &record);
        int rc = protostructure_check(&record.proto, NULL);
        if (rc == 0)
            rc = record_to_primitive(&record, ret, NULL);
        record_done(&record);
        if (rc)
            continue;
        if (ret->n_atoms <= ATOMS_BASE && structure_distance_min(ret) > 0.8 &&
            is_unambiguous(ret, ret_record)) {
            if (!exactly || ret_record->proto.spacegroup == number)
                return attempt;
            record_done(ret_record);
        }
        structure_done(ret);
    }
    fail_msg("no crystal of group %d", number);
    return 0;
}

/* ---- other ways to give a crystal ---- */

/* The same atoms in the cell whose rows are `change` times the old ones; |det| cells' worth. */
static void change_cell(struct structure *structure, const int change[3][3])
{
    double m[3][3], inverse[3][3], lattice[3][3];
    for (int k = 0; k < 9; k++)
        m[k / 3][k % 3] = change[k / 3][k % 3];
    matrix_inverse(inverse, CONST_MATRIX(m));
    for (int i = 0; i < 3; i++)
        matrix_row_times(lattice[i], m[i], CONST_MATRIX(structure->lattice));
    memcpy(structure->lattice, lattice, sizeof lattice);
    uint32_t cells = (uint32_t)fabs(rint(matrix_determinant(CONST_MATRIX(m)))), kept = 0;
    uint32_t n = structure->n_atoms;
    double(*frac)[3] = mem_new((size_t)n * cells, sizeof *frac);
    uint8_t *species = mem_new((size_t)n * cells, 1);
    /* every lattice point of the new cell lies within the sum of its rows */
    int reach = 1;
    for (int k = 0; k < 9; k++)
        reach += abs(change[k / 3][k % 3]);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t first = kept;
        for (int t = 0; kept < first + cells; t++) {
            int side = 2 * reach + 1;
            double at[3] = {structure->frac[i][0] + t % side - reach,
                            structure->frac[i][1] + t / side % side - reach,
                            structure->frac[i][2] + t / side / side - reach};
            matrix_row_times(at, at, CONST_MATRIX(inverse));
            bool inside = true, known = false;
            for (int k = 0; k < 3; k++)
                inside = inside && at[k] > -1e-9 && at[k] < 1 + 1e-9;
            for (uint32_t q = first; q < kept && inside; q++)
                known = known || (fabs(wrap_half(frac[q][0] - at[0])) < 1e-6 &&
                                  fabs(wrap_half(frac[q][1] - at[1])) < 1e-6 &&
                                  fabs(wrap_half(frac[q][2] - at[2])) < 1e-6);
            if (!inside || known)
                continue;
            memcpy(frac[kept], at, sizeof at);
            species[kept++] = structure->species[i];
        }
    }
    free(structure->frac);
    free(structure->species);
    structure->frac = frac;
    structure->species = species;
    structure->n_atoms = kept;
}

/* Some elementary changes of axes one after the other. */
static void random_unimodular(struct rng *rng, struct structure *structure)
{
    int change[3][3] = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}};
    for (uint32_t step = rng_below(rng, 4); step > 0; step--) {
        uint32_t i = rng_below(rng, 3), j = (i + 1 + rng_below(rng, 2)) % 3;
        int times = rng_below(rng, 2) ? 1 : -1;
        for (int k = 0; k < 3; k++)
            change[i][k] += times * change[j][k];
    }
    if (rng_below(rng, 2)) /* a left-handed cell */
        for (int k = 0; k < 3; k++)
            change[2][k] = -change[2][k];
    change_cell(structure, (const int(*)[3])change);
}

static void random_supercell(struct rng *rng, struct structure *structure)
{
    int most = (int)(ATOMS_GIVEN / structure->n_atoms), cells = 2 + (int)rng_below(rng, 3);
    if (most < cells || rng_below(rng, 2))
        return;
    /* a Hermite normal form of that determinant */
    int change[3][3] = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}};
    uint32_t axis = rng_below(rng, 3);
    change[axis][axis] = cells;
    for (uint32_t k = 0; k < axis; k++)
        change[axis][k] = (int)rng_below(rng, (uint32_t)cells);
    change_cell(structure, (const int(*)[3])change);
}

static void random_origin(struct rng *rng, struct structure *structure)
{
    double shift[3];
    for (int k = 0; k < 3; k++)
        shift[k] = rng_uniform(rng);
    for (uint32_t i = 0; i < structure->n_atoms; i++)
        for (int k = 0; k < 3; k++)
            structure->frac[i][k] += shift[k];
}

static void random_order(struct rng *rng, struct structure *structure)
{
    for (uint32_t i = structure->n_atoms; i > 1; i--) {
        uint32_t j = rng_below(rng, i);
        uint8_t species = structure->species[j];
        structure->species[j] = structure->species[i - 1];
        structure->species[i - 1] = species;
        for (int k = 0; k < 3; k++) {
            double x = structure->frac[j][k];
            structure->frac[j][k] = structure->frac[i - 1][k];
            structure->frac[i - 1][k] = x;
        }
    }
}

/* A rotation by a random unit quaternion. */
static void random_rotation(struct rng *rng, struct structure *structure)
{
    double q[4], norm = 0;
    for (int k = 0; k < 4; k++) {
        q[k] = rng_normal(rng);
        norm += q[k] * q[k];
    }
    for (int k = 0; k < 4; k++)
        q[k] /= sqrt(norm);
    double w = q[0], x = q[1], y = q[2], z = q[3];
    const double r[3][3] = {
        {1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)},
        {2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)},
        {2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)}};
    for (int i = 0; i < 3; i++)
        matrix_row_times(structure->lattice[i], structure->lattice[i], r);
}

/* The mirror image: all axes turned over while the fractional coordinates stay. */
static void reflect(struct structure *structure)
{
    for (int k = 0; k < 9; k++)
        structure->lattice[k / 3][k % 3] = -structure->lattice[k / 3][k % 3];
}

static void shake(struct rng *rng, struct structure *structure)
{
    double inverse[3][3];
    matrix_inverse(inverse, CONST_MATRIX(structure->lattice));
    for (uint32_t i = 0; i < structure->n_atoms; i++) {
        double move[3];
        for (int k = 0; k < 3; k++)
            move[k] = noise * (2 * rng_uniform(rng) - 1);
        matrix_row_times(move, move, CONST_MATRIX(inverse));
        for (int k = 0; k < 3; k++)
            structure->frac[i][k] += move[k];
    }
}

/* The description after a random element of the normalizer, as a primitive cell. */
static void random_description(struct rng *rng, const struct record *record,
                               struct structure *ret)
{
    const struct spacegroup *group = spacegroup_get(record->proto.spacegroup);
    const struct normalizer *normalizer = normalizer_get(group);
    const struct description *turn = &normalizer->turns[rng_below(rng, normalizer->n_turns)];
    const struct description *shift = &normalizer->shifts[rng_below(rng, normalizer->n_shifts)];
    double axes[3][3];
    assert_int_equal(record_to_primitive(record, ret, NULL), 0);
    /* from the primitive axes to the conventional ones and back */
    double conventional[3][3], primitive[3][3], to[3][3], inverse[3][3], there[3][3];
    assert_int_equal(lattice_from_cell(record->cell, conventional, NULL), 0);
    memcpy(primitive, ret->lattice, sizeof primitive);
    matrix_inverse(inverse, CONST_MATRIX(conventional));
    for (int i = 0; i < 3; i++)
        matrix_row_times(to[i], primitive[i], CONST_MATRIX(inverse));
    description_axes(turn, CONST_MATRIX(conventional), axes);
    for (int i = 0; i < 3; i++) /* the centring is that of the group in the new axes, too */
        matrix_row_times(ret->lattice[i], to[i], CONST_MATRIX(axes));
    matrix_inverse(there, CONST_MATRIX(to));
    for (uint32_t i = 0; i < ret->n_atoms; i++) {
        double x[3];
        matrix_row_times(x, ret->frac[i], CONST_MATRIX(to));
        affine_apply(&turn->map, x, x);
        affine_apply(&shift->map, x, x);
        matrix_row_times(ret->frac[i], x, CONST_MATRIX(there));
    }
}

/* ---- labels ---- */

/* The eleven pairs of groups that are each other's mirror image; 0: none. */
static uint16_t enantiomorph(uint16_t group)
{
    static const uint16_t pairs[][2] = {{76, 78},   {91, 95},   {92, 96},   {144, 145},
                                        {151, 153}, {152, 154}, {169, 170}, {171, 172},
                                        {178, 179}, {180, 181}, {212, 213}};
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
        for (int k = 0; k < 2; k++)
            if (pairs[i][k] == group)
                return pairs[i][1 - k];
    return 0;
}

static void fail_labels(const struct protostructure *want, const struct protostructure *have,
                        uint32_t way)
{
    cleanup(free_ptr) char *a = protostructure_label(want), *b = protostructure_label(have);
    fail_msg("case %u: %s came back as %s", way, a, b);
}

/* One other way to give the crystal, which must have the same label. */
static void check_way(const struct record *record, struct rng *rng, uint32_t number)
{
    struct structure given;
    struct record found;
    struct err err = {0};
    random_description(rng, record, &given);
    bool mirrored = rng_below(rng, 2);
    if (mirrored)
        reflect(&given);
    random_unimodular(rng, &given);
    random_supercell(rng, &given);
    random_origin(rng, &given);
    random_order(rng, &given);
    random_rotation(rng, &given);
    shake(rng, &given);
    if (structure_to_record(&given, symprec, &found, &err))
        fail_msg("case %u: %s", number, err.text);
    struct protostructure want = protostructure_canonical(&record->proto),
                          have = protostructure_canonical(&found.proto);
    if (mirrored && enantiomorph(want.spacegroup)) {
        want.spacegroup = enantiomorph(want.spacegroup);
        protostructure_canonicalize(&want);
    }
    if (!protostructure_equal(&want, &have))
        fail_labels(&want, &have, number);
    protostructure_done(&want);
    protostructure_done(&have);
    record_done(&found);
    structure_done(&given);
}

static void test_label__is_the_same_however_the_crystal_is_given(void **state)
{
    (void)state;
    uint32_t drawn = 0, used[GROUP_MAX + 1] = {0}, groups = 0;
    for (uint32_t i = 0; i < cases; i += WAYS) {
        struct rng rng = rng_stream(seed, i, 0, 0);
        struct structure crystal;
        struct record record;
        int number = 1 + (int)(i / WAYS) % GROUP_MAX;
        bool exactly = i / WAYS / GROUP_MAX % 4 < 3;
        drawn += random_crystal(number, exactly, &rng, &crystal, &record);
        groups += used[record.proto.spacegroup]++ == 0;
        for (uint32_t way = 0; way < WAYS; way++)
            check_way(&record, &rng, i + way);
        structure_done(&crystal);
        record_done(&record);
    }
    print_message("%u ways to give %u crystals of %u groups, of %u drawn\n", cases,
                  cases / WAYS, groups, drawn);
}

/* ---- different crystals ---- */

enum { ELEMENTS = 3 };

static uint32_t choices_per_group = 4;

/* What a crystal looks like without any crystallography, and its label. */
struct looks {
    char *text, *label;
};

static int by_label(const void *a, const void *b)
{
    return strcmp(((const struct looks *)a)->label, ((const struct looks *)b)->label);
}

static int by_looks(const void *a, const void *b)
{
    return strcmp(((const struct looks *)a)->text, ((const struct looks *)b)->text);
}

/* SplitMix64 (Steele, Lea, Flood 2014) as a hash of numbers. */
static uint64_t mix(uint64_t hash, uint64_t number)
{
    hash += 0x9e3779b97f4a7c15 * (number + 1);
    hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9;
    hash = (hash ^ (hash >> 27)) * 0x94d049bb133111eb;
    return hash ^ (hash >> 31);
}

struct neighbour_atom {
    double d[3], length;
    uint64_t name; /* element and distance */
};

/* Neighbours of atom i up to 2.5 times the shortest distance. */
static uint32_t find_neighbours(const struct structure *s, uint32_t i, double shortest,
                                struct neighbour_atom *ret, uint32_t n_max)
{
    enum { REACH = 4, SIDE = 2 * REACH + 1 };
    uint32_t n = 0;
    for (uint32_t j = 0; j < s->n_atoms; j++)
        for (int t = 0; t < SIDE * SIDE * SIDE; t++) {
            struct neighbour_atom *at = &ret[n];
            const int cell[3] = {t % SIDE - REACH, t / SIDE % SIDE - REACH,
                                 t / SIDE / SIDE - REACH};
            for (int k = 0; k < 3; k++)
                at->d[k] = wrap_half(s->frac[j][k] - s->frac[i][k]) + cell[k];
            matrix_row_times(at->d, at->d, CONST_MATRIX(s->lattice));
            at->length = vector_norm(at->d) / shortest;
            if (at->length < 1e-6 || at->length > 2.5)
                continue;
            at->name = mix(s->species[j], (uint64_t)(at->length * 997 + 0.123));
            n++;
            assert_true(n < n_max);
        }
    return n;
}

/* An atom by its element, its neighbours and the triangles with them: sums, so that no order
 * matters. Distances alone do not tell all crystals apart (positions c and d of I a -3 d). */
static uint64_t environment(const struct structure *s, uint32_t i, double shortest)
{
    enum { NEIGHBOURS_MAX = 1024 };
    static struct neighbour_atom near[NEIGHBOURS_MAX];
    uint32_t n = find_neighbours(s, i, shortest, near, NEIGHBOURS_MAX);
    uint64_t sum = s->species[i];
    for (uint32_t j = 0; j < n; j++)
        for (uint32_t k = 0; k <= j; k++) {
            double d[3];
            for (int x = 0; x < 3; x++)
                d[x] = near[j].d[x] - near[k].d[x];
            uint64_t third = (uint64_t)(vector_norm(d) / shortest * 997 + 0.123);
            sum += mix(near[j].name + near[k].name, third);
        }
    return mix(s->species[i], sum);
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Its atoms' environments, each with its share of all atoms. */
static struct looks looks_of(const struct record *record)
{
    struct structure s;
    struct buf out = {0};
    assert_int_equal(record_to_primitive(record, &s, NULL), 0);
    double shortest = structure_distance_min(&s);
    uint64_t *atoms = mem_new(s.n_atoms, sizeof *atoms);
    for (uint32_t i = 0; i < s.n_atoms; i++)
        atoms[i] = environment(&s, i, shortest);
    qsort(atoms, s.n_atoms, sizeof *atoms, by_number);
    for (uint32_t i = 0, k; i < s.n_atoms; i = k) {
        for (k = i; k < s.n_atoms && atoms[k] == atoms[i]; k++)
            ;
        buf_print(&out, "%.4f %016llx ", (k - i) / (double)s.n_atoms,
                  (unsigned long long)atoms[i]);
    }
    (void)buf_text(&out);
    struct looks looks = {(char *)out.data, record_label(record)};
    structure_done(&s);
    free(atoms);
    return looks;
}

/* Some or all ways to put elements on the positions without freedom; false after the last. */
static bool choose_sites(const struct spacegroup *group, uint32_t number, struct record *ret)
{
    uint8_t fixed[POSITIONS_MAX], n_fixed = 0;
    uint32_t ways = 1;
    for (uint8_t p = 0; p < group->n_positions; p++)
        if (group->positions[p].dof == 0) {
            fixed[n_fixed++] = p;
            ways *= ELEMENTS + 1;
        }
    if (number >= choices_per_group || number + 1 >= ways)
        return false;
    struct rng rng = rng_stream(seed + 1, group->number, number, 0);
    uint32_t way = ways <= choices_per_group ? number + 1 : 1 + rng_below(&rng, ways - 1);
    *ret =
        (struct record){.proto = {.spacegroup = group->number}, .cell = {8, 8, 8, 90, 90, 90}};
    ret->proto.sites = mem_new(n_fixed, sizeof *ret->proto.sites);
    ret->free = mem_new(n_fixed, sizeof *ret->free);
    for (uint8_t f = 0; f < n_fixed; f++, way /= ELEMENTS + 1)
        if (way % (ELEMENTS + 1) > 0)
            ret->proto.sites[ret->proto.n_sites++] =
                (struct site){fixed[f], (uint8_t)(way % (ELEMENTS + 1) + 20)};
    return true;
}

/* A cubic crystal without free coordinates is known from its label, and its label from what it
 * looks like; so the one must be equal exactly when the other is. */
static void test_label__is_another_for_another_crystal(void **state)
{
    (void)state;
    struct looks *all = NULL;
    size_t n = 0, capacity = 0, labels = 1;
    for (int number = 195; number <= GROUP_MAX; number++) {
        if (number == 213) /* mirror images of 212 look the same */
            continue;
        struct record chosen, found;
        for (uint32_t i = 0; choose_sites(spacegroup_get(number), i, &chosen); i++) {
            struct structure s;
            struct err err = {0};
            assert_int_equal(record_to_primitive(&chosen, &s, NULL), 0);
            if (s.n_atoms > ATOMS_BASE) {
                structure_done(&s);
                record_done(&chosen);
                continue;
            }
            if (structure_to_record(&s, symprec, &found, &err))
                fail_msg("group %d, choice %u: %s", number, i, err.text);
            mem_reserve(all, capacity, n + 1);
            all[n++] = looks_of(&found);
            record_done(&found);
            record_done(&chosen);
            structure_done(&s);
        }
    }
    qsort(all, n, sizeof *all, by_label);
    for (size_t i = 1; i < n; i++) {
        bool same = strcmp(all[i].label, all[i - 1].label) == 0;
        labels += !same;
        if (same && strcmp(all[i].text, all[i - 1].text) != 0)
            fail_msg("two crystals are %s", all[i].label);
    }
    qsort(all, n, sizeof *all, by_looks);
    for (size_t i = 1; i < n; i++)
        if (strcmp(all[i].text, all[i - 1].text) == 0 &&
            strcmp(all[i].label, all[i - 1].label) != 0)
            fail_msg("one crystal is %s and %s", all[i].label, all[i - 1].label);
    print_message("%zu crystals, %zu labels\n", n, labels);
    for (size_t i = 0; i < n; i++) {
        free(all[i].label);
        free(all[i].text);
    }
    free(all);
}

/* Types of the demo set that occupy the same positions: they differ in coordinates or in the
 * kind of element alone. */
static const char *const shared_types[][2] = {
    {"CrB", "TlI"},
    {"fluorite", "antifluorite"},
    {"delafossite", "NaFeO2"},
    {"ThCr2Si2", "BaFe2As2"},
    {"PbFCl", "LiFeAs"},
    {"CaAl2Si2", "La2O2S"},
    {"LaAlO3", "calcite"},
    {"perovskite", "antiperovskite"},
};

static bool is_shared(const char *a, const char *b)
{
    for (size_t i = 0; i < sizeof shared_types / sizeof shared_types[0]; i++)
        if ((!strcmp(shared_types[i][0], a) && !strcmp(shared_types[i][1], b)) ||
            (!strcmp(shared_types[i][0], b) && !strcmp(shared_types[i][1], a)))
            return true;
    return false;
}

/* Label of a type with elements 11, 12, ... in its roles; caller frees. */
static char *label_of_type(const struct demo_type *type, const uint8_t elements[DEMO_ROLES])
{
    struct site sites[DEMO_SITES];
    struct protostructure given = {.spacegroup = type->spacegroup, .sites = sites}, canonical;
    for (; given.n_sites < DEMO_SITES && type->sites[given.n_sites].letter; given.n_sites++)
        sites[given.n_sites] =
            (struct site){(uint8_t)wyckoff_letter_index(type->sites[given.n_sites].letter),
                          elements[type->sites[given.n_sites].role]};
    protostructure_copy(&canonical, &given);
    protostructure_canonicalize(&canonical);
    char *label = protostructure_label(&canonical);
    protostructure_done(&canonical);
    return label;
}

/* With every exchange of elements in one of the two. */
static void test_label__is_another_for_another_structure_type(void **state)
{
    (void)state;
    static const uint8_t orders[][DEMO_ROLES] = {{11, 12, 13, 14}, {12, 11, 13, 14},
                                                 {11, 13, 12, 14}, {13, 12, 11, 14},
                                                 {12, 13, 11, 14}, {13, 11, 12, 14}};
    uint32_t shared = 0, compared = 0;
    for (const struct demo_type *a = demo_types; a->name; a++)
        for (const struct demo_type *b = demo_types; b < a; b++) {
            bool same = false;
            cleanup(free_ptr) char *label_a = label_of_type(a, orders[0]);
            for (size_t o = 0; o < sizeof orders / sizeof orders[0]; o++) {
                cleanup(free_ptr) char *label_b = label_of_type(b, orders[o]);
                same = same || strcmp(label_a, label_b) == 0;
            }
            compared++;
            shared += same;
            if (same != is_shared(a->name, b->name))
                fail_msg("%s and %s: %s label %s", a->name, b->name,
                         same ? "they share the" : "none has the other's", label_a);
        }
    print_message("%u pairs of structure types, %u share a label\n", compared, shared);
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        cases = (uint32_t)atoi(argv[1]);
        choices_per_group = 30;
    }
    if (argc > 2)
        seed = (uint64_t)atoll(argv[2]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_label__is_another_for_another_crystal),
        cmocka_unit_test(test_label__is_another_for_another_structure_type),
        cmocka_unit_test(test_label__is_the_same_however_the_crystal_is_given),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
