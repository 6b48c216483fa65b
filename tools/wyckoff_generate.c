/* Writes workers/crystal/wyckoff_table.c: the Wyckoff positions of the 230 space groups.
 *
 *   wyckoff_generate > workers/crystal/wyckoff_table.c
 *
 * Operations come from spglib's database (spg_get_symmetry_from_database). Positions are
 * derived: a position is a class of points with conjugate site-symmetry groups, and the points
 * fixed by one such group H form an affine subspace b + V. All b lie on the grid of 1/24ths, V
 * is an intersection of axes and mirror planes of the point group, so trying every (b, V) finds
 * every position. H is the site symmetry of b + V exactly when the space fixed by H is no
 * larger than V; its dimension is the mean trace over H (the multiplicity of the trivial
 * representation). Letters and site-symmetry symbols are those that spglib gives to the atoms
 * of a test crystal with one orbit on each position. All arithmetic but that last step is in
 * integers modulo 24. */
#include "workers/crystal/wyckoff.h"

#include "common/cleanup.h"
#include "common/mem.h"
#include "workers/crystal/wyckoff_table.h"

#include <math.h>
#include <spglib.h>
#include <stdlib.h>

enum {
    GRID = 24,
    POINTS = GRID * GRID * GRID,
    SPACES_MAX = 64, /* planes and lines of a point group and its intersections */
    GENERAL_EXTRA =
        2, /* further general orbits, so that the test crystal has no more symmetry */
    ATOMS_TEST_MAX = 4096,
};

/* A subspace through the origin: {columns p}. Row j of a free axis j is the unit vector, so
 * the free coordinates are the parameters. */
struct space {
    int dim;
    int vector[3]; /* direction (dim 1) or normal (dim 2) */
    int columns[3][3];
    bool free_axes[3];
};

struct stratum {
    struct affine map; /* representative b + V */
    int multiplicity, dim;
    int letter; /* -1: not yet known */
    char site_symmetry[12];
};

struct group {
    int number, hall, order;
    char symbol[20];
    struct affine operations[MULTIPLICITY_MAX];
    int n_spaces, n_strata;
    struct space spaces[SPACES_MAX];
    struct stratum strata[POSITIONS_MAX];
};

static void die(const struct group *group, const char *why)
{
    (void)fprintf(stderr, "wyckoff_generate: group %d: %s\n", group->number, why);
    exit(1);
}

static int modulo(int value)
{
    return ((value % GRID) + GRID) % GRID;
}

/* ---- subspaces ---- */

static int gcd(int a, int b)
{
    return b == 0 ? abs(a) : gcd(b, a % b);
}

/* Divide by the common factor; the first number that is not zero becomes positive. */
static bool vector_reduce(int v[3])
{
    int factor = gcd(gcd(v[0], v[1]), v[2]);
    if (factor == 0)
        return false;
    int sign = v[0] != 0 ? v[0] : v[1] != 0 ? v[1] : v[2];
    for (int i = 0; i < 3; i++)
        v[i] = v[i] / factor * (sign < 0 ? -1 : 1);
    return true;
}

/* Parameters are the earliest axes that leave integer coefficients. */
static bool space_parametrize(struct space *space)
{
    const int *v = space->vector;
    for (int k = 0; k < 3; k++) {
        int axis = space->dim == 1 ? k : 2 - k; /* of the parameter; of the dependent one */
        if (abs(v[axis]) != 1)
            continue;
        for (int i = 0; i < 3; i++) {
            bool on_line = space->dim == 1;
            space->free_axes[i] = on_line == (i == axis);
            if (on_line)
                space->columns[i][axis] = v[i] * v[axis];
            else if (i != axis) {
                space->columns[i][i] = 1;
                space->columns[axis][i] = -v[i] * v[axis];
            }
        }
        return true;
    }
    return false;
}

static int space_find(const struct group *group, int dim, const int vector[3])
{
    for (int i = 0; i < group->n_spaces; i++) {
        const struct space *space = &group->spaces[i];
        if (space->dim == dim &&
            (dim == 0 || dim == 3 || memcmp(space->vector, vector, sizeof space->vector) == 0))
            return i;
    }
    return -1;
}

static void space_add(struct group *group, int dim, int vector[3])
{
    if (!vector_reduce(vector) || space_find(group, dim, vector) >= 0)
        return;
    struct space *space = &group->spaces[group->n_spaces];
    if (group->n_spaces == SPACES_MAX)
        die(group, "too many subspaces");
    *space = (struct space){.dim = dim, .vector = {vector[0], vector[1], vector[2]}};
    if (!space_parametrize(space))
        die(group, "a subspace has no integer parametrization");
    group->n_spaces++;
}

static int trace(const struct affine *map)
{
    return map->rotation[0][0] + map->rotation[1][1] + map->rotation[2][2];
}

static int determinant(const int8_t r[3][3])
{
    return r[0][0] * (r[1][1] * r[2][2] - r[1][2] * r[2][1]) -
           r[0][1] * (r[1][0] * r[2][2] - r[1][2] * r[2][0]) +
           r[0][2] * (r[1][0] * r[2][1] - r[1][1] * r[2][0]);
}

/* The axis of a rotation spans the columns of the sum of its powers (12 is a multiple of every
 * order); the normal of a mirror spans the rows of R - 1. */
static void space_of_operation(struct group *group, const struct affine *map)
{
    int det = determinant(map->rotation);
    if (det == 1 && trace(map) == 3)
        return;
    if (det == -1 && trace(map) == 1) {
        for (int i = 0; i < 3; i++) {
            int row[3];
            for (int j = 0; j < 3; j++)
                row[j] = map->rotation[i][j] - (i == j);
            space_add(group, 2, row);
        }
        return;
    }
    if (det == -1)
        return;
    int power[3][3] = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}, sum[3][3] = {{0}};
    for (int n = 0; n < 12; n++) {
        int next[3][3] = {{0}};
        for (int i = 0; i < 3; i++)
            for (int j = 0; j < 3; j++) {
                sum[i][j] += power[i][j];
                for (int k = 0; k < 3; k++)
                    next[i][j] += map->rotation[i][k] * power[k][j];
            }
        memcpy(power, next, sizeof power);
    }
    for (int j = 0; j < 3; j++) {
        int column[3] = {sum[0][j], sum[1][j], sum[2][j]};
        space_add(group, 1, column);
    }
}

static void group_spaces(struct group *group)
{
    group->spaces[group->n_spaces++] =
        (struct space){.dim = 3,
                       .columns = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}},
                       .free_axes = {true, true, true}};
    for (int g = 0; g < group->order; g++)
        space_of_operation(group, &group->operations[g]);
    for (int i = 0; i < group->n_spaces; i++)
        for (int j = 0; j < i; j++) {
            const struct space *a = &group->spaces[i], *b = &group->spaces[j];
            if (a->dim != 2 || b->dim != 2)
                continue;
            int line[3];
            for (int k = 0; k < 3; k++)
                line[k] = a->vector[(k + 1) % 3] * b->vector[(k + 2) % 3] -
                          a->vector[(k + 2) % 3] * b->vector[(k + 1) % 3];
            space_add(group, 1, line);
        }
    group->spaces[group->n_spaces++] = (struct space){.dim = 0};
}

/* ---- positions ---- */

static void point_image(const struct affine *map, const int point[3], int ret[3])
{
    for (int i = 0; i < 3; i++) {
        int sum = map->translation[i];
        for (int j = 0; j < 3; j++)
            sum += map->rotation[i][j] * point[j];
        ret[i] = modulo(sum);
    }
}

static bool fixes_space(const struct affine *map, const struct space *space)
{
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) {
            int sum = 0;
            for (int k = 0; k < 3; k++)
                sum += map->rotation[i][k] * space->columns[k][j];
            if (sum != space->columns[i][j])
                return false;
        }
    return true;
}

/* Order of the site-symmetry group of point + space, 0 when it leaves a larger space fixed. */
static int site_order(const struct group *group, const int point[3], const struct space *space)
{
    int order = 0, traces = 0;
    for (int g = 0; g < group->order; g++) {
        const struct affine *map = &group->operations[g];
        int image[3];
        point_image(map, point, image);
        if (memcmp(image, point, sizeof image) != 0 || !fixes_space(map, space))
            continue;
        order++;
        traces += trace(map);
    }
    return traces == space->dim * order ? order : 0;
}

/* Image of a subspace: a direction by R, a normal by the transposed inverse (for integer
 * matrices of determinant +-1 the cofactors, up to sign). */
static int space_image(const struct group *group, const struct affine *map, int index)
{
    const struct space *space = &group->spaces[index];
    if (space->dim == 0 || space->dim == 3)
        return index;
    int image[3] = {0};
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) {
            int a = (i + 1) % 3, b = (i + 2) % 3, c = (j + 1) % 3, d = (j + 2) % 3;
            const int8_t(*r)[3] = map->rotation;
            int entry = space->dim == 1 ? r[i][j] : r[a][c] * r[b][d] - r[a][d] * r[b][c];
            image[i] += entry * space->vector[j];
        }
    (void)vector_reduce(image);
    int found = space_find(group, space->dim, image);
    if (found < 0)
        die(group, "subspaces are not closed under the point group");
    return found;
}

/* Shift the point along the subspace until its free coordinates are zero. */
static struct affine representative(const struct space *space, const int point[3])
{
    struct affine map = {{{0}}, {0}};
    for (int i = 0; i < 3; i++) {
        int shifted = point[i];
        for (int j = 0; j < 3; j++) {
            map.rotation[i][j] = (int8_t)space->columns[i][j];
            shifted -= space->columns[i][j] * point[j];
        }
        map.translation[i] = (int8_t)modulo(shifted);
    }
    return map;
}

static void mark(bool *seen, const struct affine *map)
{
    int n[3], point[3];
    for (int i = 0; i < 3; i++)
        n[i] = map->rotation[i][i] == 1 && map->translation[i] == 0 ? GRID : 1;
    for (int x = 0; x < n[0]; x++)
        for (int y = 0; y < n[1]; y++)
            for (int z = 0; z < n[2]; z++) {
                point_image(map, (const int[3]){x, y, z}, point);
                seen[(point[0] * GRID + point[1]) * GRID + point[2]] = true;
            }
}

/* ---- which member of an orbit stands for it ----
 * As near as simple rules come to the coordinates that International Tables print first. Each
 * rule gives a number, smaller is preferred, earlier rules decide; last come the translations
 * in order. */

static int rule_equal_coordinates(const struct group *group, const struct space *space,
                                  const struct affine *map)
{
    const int8_t *t = map->translation;
    return spacegroup_system((uint16_t)group->number) == 'c' && space->dim == 0 &&
           !(t[0] == t[1] && t[1] == t[2]);
}

/* "x,-x,0" rather than "x,x+1/2,0" */
static int rule_few_shifts(const struct group *group, const struct space *space,
                           const struct affine *map)
{
    (void)group;
    int shifts = 0;
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++)
            shifts += space->columns[i][j] != 0 && map->translation[i] != 0;
    return shifts;
}

/* "x,0,z" in the tetragonal system, "x,0,0" and "0,y,z" in the cubic, "0,y,y" but "x,x,z",
 * "x,0,0" rather than "x,x,0" on hexagonal axes */
static int rule_direction(const struct group *group, const struct space *space,
                          const struct affine *map)
{
    (void)map;
    char system = spacegroup_system((uint16_t)group->number);
    int zeros = 0, zero = 0, other = 0;
    for (int i = 0; i < 3; i++) {
        zeros += space->vector[i] == 0;
        zero = space->vector[i] == 0 ? i : zero;
        other = space->vector[i] != 0 ? i : other;
    }
    if (zeros == 2)
        return space->dim == 2 && system != 'c' ? 2 - other : other;
    if (system == 'c' && zeros == 1)
        return space->dim == 2 ? 2 - zero : zero;
    return zeros == 1 ? 4 : 0;
}

/* "x,x,0" rather than "x,-x,0"; hexagonal "x,-x,z", but "x,2x,z" in the holohedry 6/mmm */
static int rule_signs(const struct group *group, const struct space *space,
                      const struct affine *map)
{
    bool negative = false;
    int large = 0;
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) {
            negative = negative || space->columns[i][j] < 0;
            large = abs(space->columns[i][j]) > 1 ? 1 + (i == 0) : large;
        }
    char system = spacegroup_system((uint16_t)group->number);
    if (system == 'h')
        return group->number >= 191 ? (large == 1 ? 0 : 1 + large) : large;
    return negative && (system == 't' || rule_few_shifts(group, space, map) == 0);
}

/* "1/2,0,0" rather than "0,1/2,0" where the axes are equivalent, and rather than "1/6,1/3,1/3"
 */
static int rule_zeros(const struct group *group, const struct space *space,
                      const struct affine *map)
{
    char system = spacegroup_system((uint16_t)group->number);
    const int8_t *t = map->translation;
    (void)space;
    if (system == 'h')
        return 2 * (t[0] % 6 != 0 || t[1] % 6 != 0 || t[2] % 6 != 0) + (t[0] == 0 && t[1] != 0);
    if (system != 'c' || (t[0] == 0) + (t[1] == 0) + (t[2] == 0) == 0)
        return 0;
    return t[1] == 0 && t[2] == 0 ? 0 : t[2] == 0 ? 1 : 2;
}

static bool preferred(const struct group *group, int space_a, const struct affine *a,
                      int space_b, const struct affine *b)
{
    static int (*const rules[])(const struct group *, const struct space *,
                                const struct affine *) = {
        rule_equal_coordinates, rule_few_shifts, rule_direction, rule_signs, rule_zeros};
    const struct space *spaces = group->spaces;
    int order = 0;
    for (size_t r = 0; r < sizeof rules / sizeof rules[0] && order == 0; r++)
        order = rules[r](group, &spaces[space_a], a) - rules[r](group, &spaces[space_b], b);
    if (order == 0)
        order = memcmp(a->translation, b->translation, sizeof a->translation);
    return order < 0;
}

static void stratum_add(struct group *group, const int point[3], int index, int order,
                        bool (*seen)[POINTS])
{
    if (group->n_strata == POSITIONS_MAX)
        die(group, "too many positions");
    struct stratum *stratum = &group->strata[group->n_strata++];
    *stratum = (struct stratum){
        .multiplicity = group->order / order, .dim = group->spaces[index].dim, .letter = -1};
    int best = -1;
    for (int g = 0; g < group->order; g++) {
        const struct affine *operation = &group->operations[g];
        int image[3], s = space_image(group, operation, index);
        point_image(operation, point, image);
        struct affine map = representative(&group->spaces[s], image);
        mark(seen[s], &map);
        if (best < 0 || preferred(group, s, &map, best, &stratum->map)) {
            best = s;
            stratum->map = map;
        }
    }
}

static void group_strata(struct group *group)
{
    bool(*seen)[POINTS] = mem_new((size_t)group->n_spaces, sizeof *seen);
    for (int s = 0; s < group->n_spaces; s++)
        for (int p = 0; p < POINTS; p++) {
            if (seen[s][p])
                continue;
            int point[3] = {p / (GRID * GRID), p / GRID % GRID, p % GRID};
            int order = site_order(group, point, &group->spaces[s]);
            if (order > 0)
                stratum_add(group, point, s, order, seen);
        }
    free(seen);
}

/* ---- letters ---- */

struct crystal {
    double lattice[3][3]; /* columns, as spglib wants them */
    int n;
    double frac[ATOMS_TEST_MAX][3];
    int types[ATOMS_TEST_MAX];
};

/* A cell with nothing more than its system's symmetry, edges in the order that needs no change
 * of axes. */
static void crystal_cell(const struct group *group, struct crystal *crystal)
{
    double cell[6] = {23.1, 27.7, 33.9, 97.3, 101.9, 105.1}, rows[3][3];
    struct spacegroup system = {.crystal_system = spacegroup_system((uint16_t)group->number)};
    cell_symmetrize(&system, cell);
    (void)lattice_from_cell(cell, rows, NULL);
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++)
            crystal->lattice[i][j] = rows[j][i];
}

static void crystal_add(const struct group *group, struct crystal *crystal,
                        const struct affine *map, int multiplicity, int type)
{
    /* parameters without any relation among them or between types */
    double free[3], point[3], shift = 0.0031 * type;
    for (int i = 0; i < 3; i++)
        free[i] = (const double[]){0.0713, 0.1377, 0.2119}[i] + (i + 1.7) * shift;
    for (int i = 0; i < 3; i++) {
        point[i] = map->translation[i] / (double)GRID;
        for (int j = 0; j < 3; j++)
            point[i] += map->rotation[i][j] * free[j];
    }
    int first = crystal->n;
    for (int g = 0; g < group->order; g++) {
        const struct affine *operation = &group->operations[g];
        double image[3];
        bool known = false;
        for (int i = 0; i < 3; i++) {
            image[i] = operation->translation[i] / (double)GRID;
            for (int j = 0; j < 3; j++)
                image[i] += operation->rotation[i][j] * point[j];
            image[i] -= floor(image[i]);
        }
        for (int k = first; k < crystal->n && !known; k++) {
            double distance = 0;
            for (int i = 0; i < 3; i++) {
                double d = image[i] - crystal->frac[k][i];
                distance = fmax(distance, fabs(d - rint(d)));
            }
            known = distance < 1e-6;
        }
        if (known)
            continue;
        if (crystal->n == ATOMS_TEST_MAX)
            die(group, "test crystal too large");
        memcpy(crystal->frac[crystal->n], image, sizeof image);
        crystal->types[crystal->n++] = type;
    }
    if (crystal->n - first != multiplicity)
        die(group, "orbit has not the size of its position");
}

/* The position of a point in our own frame: the most special stratum it lies on. */
static int stratum_of_point(const struct group *group, const double point[3])
{
    int found = -1;
    for (int s = 0; s < group->n_strata; s++)
        for (int g = 0; g < group->order; g++) {
            const struct affine *operation = &group->operations[g];
            const struct affine *map = &group->strata[s].map;
            double image[3], off = 0;
            for (int i = 0; i < 3; i++) {
                image[i] = operation->translation[i] / (double)GRID;
                for (int j = 0; j < 3; j++)
                    image[i] += operation->rotation[i][j] * point[j];
            }
            for (int i = 0; i < 3; i++) {
                double d = image[i] - map->translation[i] / (double)GRID;
                for (int j = 0; j < 3; j++)
                    d -= map->rotation[i][j] * image[j];
                off = fmax(off, fabs(d - rint(d)));
            }
            if (off < 1e-5 && (found < 0 || group->strata[s].dim < group->strata[found].dim))
                found = s;
        }
    if (found < 0)
        die(group, "a point lies on no position");
    return found;
}

/* spglib may describe the crystal from another, equivalent origin or axes, where equivalent
 * positions have changed places; so every atom is moved into the frame in which it got its
 * letter, and the letter belongs to the position it lies on there. */
static void group_letters(struct group *group)
{
    struct crystal *crystal = mem_new(1, sizeof *crystal);
    crystal_cell(group, crystal);
    for (int s = 0; s < group->n_strata + GENERAL_EXTRA; s++) {
        const struct stratum *stratum = &group->strata[s < group->n_strata ? s : 0];
        crystal_add(group, crystal, &stratum->map, stratum->multiplicity, s + 1);
    }
    SpglibDataset *dataset = spg_get_dataset_with_hall_number(
        crystal->lattice, crystal->frac, crystal->types, crystal->n, group->hall, 1e-5);
    if (!dataset || dataset->spacegroup_number != group->number)
        die(group, "spglib does not find the group in the test crystal");
    for (int k = 0; k < crystal->n; k++) {
        double point[3];
        for (int i = 0; i < 3; i++) {
            point[i] = dataset->origin_shift[i];
            for (int j = 0; j < 3; j++)
                point[i] += dataset->transformation_matrix[i][j] * crystal->frac[k][j];
        }
        struct stratum *stratum = &group->strata[stratum_of_point(group, point)];
        if (stratum->letter >= 0 && stratum->letter != dataset->wyckoffs[k])
            die(group, "two letters for one position");
        stratum->letter = dataset->wyckoffs[k];
        (void)snprintf(stratum->site_symmetry, sizeof stratum->site_symmetry, "%s",
                       dataset->site_symmetry_symbols[k]);
    }
    spg_free_dataset(dataset);
    free(crystal);
}

static int compare_letters(const void *a, const void *b)
{
    return ((const struct stratum *)a)->letter - ((const struct stratum *)b)->letter;
}

/* ---- groups ---- */

/* The standard setting by spglib's text for the choice of axes and origin. */
static bool choice_is_standard(const char *choice)
{
    static const char *const standard[] = {"", "b", "b1", "2", "H"};
    for (size_t i = 0; i < sizeof standard / sizeof standard[0]; i++)
        if (strcmp(choice, standard[i]) == 0)
            return true;
    return false;
}

/* "C c = C 1 c 1" -> "C c" */
static void symbol_short(const char *international, char *ret, size_t size)
{
    const char *end = strstr(international, " =");
    int length = end ? (int)(end - international) : (int)strlen(international);
    while (length > 0 && international[length - 1] == ' ')
        length--;
    (void)snprintf(ret, size, "%.*s", length, international);
}

static void group_operations(struct group *group)
{
    static int rotations[MULTIPLICITY_MAX][3][3];
    static double translations[MULTIPLICITY_MAX][3];
    group->order = spg_get_symmetry_from_database(rotations, translations, group->hall);
    for (int g = 0; g < group->order; g++)
        for (int i = 0; i < 3; i++) {
            double translation = translations[g][i] * GRID;
            if (fabs(translation - rint(translation)) > 1e-6)
                die(group, "a translation is no multiple of 1/24");
            group->operations[g].translation[i] = (int8_t)modulo((int)rint(translation));
            for (int j = 0; j < 3; j++)
                group->operations[g].rotation[i][j] = (int8_t)rotations[g][i][j];
        }
}

static void group_print(const struct group *group)
{
    char text[WYCKOFF_TEXT_SIZE];
    struct affine vectors[CENTRING_MAX];
    int n_vectors = spacegroup_centring(group->symbol[0], vectors), n_printed = 0;
    printf("    {%d,\n     \"%s\",\n     \"", group->hall, group->symbol);
    for (int g = 0; g < group->order; g++) {
        /* one of the operations that differ by a centring only: the first in the list */
        bool known = false;
        for (int h = 0; h < g && !known; h++)
            known = memcmp(group->operations[h].rotation, group->operations[g].rotation,
                           sizeof group->operations[g].rotation) == 0;
        if (known)
            continue;
        wyckoff_text(&group->operations[g], text, sizeof text);
        printf("%s%s", n_printed == 0 ? "" : n_printed % 4 == 0 ? " \"\n     \"" : " ", text);
        n_printed++;
    }
    if (n_printed * n_vectors != group->order)
        die(group, "operations do not divide by the centring");
    printf("\",\n     \"");
    for (int s = 0; s < group->n_strata; s++) {
        const struct stratum *stratum = &group->strata[s];
        wyckoff_text(&stratum->map, text, sizeof text);
        if (stratum->letter != s)
            die(group, "letters have a gap");
        printf("%s%c %d %s %s", s == 0 ? "" : "\\n\"\n     \"",
               wyckoff_letter_char((uint8_t)stratum->letter), stratum->multiplicity,
               stratum->site_symmetry, text);
    }
    printf("\"},\n");
}

static void group_derive(int number, int hall, const char *symbol)
{
    struct group *group = mem_new(1, sizeof *group);
    group->number = number;
    group->hall = hall;
    (void)snprintf(group->symbol, sizeof group->symbol, "%s", symbol);
    group_operations(group);
    group_spaces(group);
    group_strata(group);
    group_letters(group);
    qsort(group->strata, (size_t)group->n_strata, sizeof group->strata[0], compare_letters);
    group_print(group);
    free(group);
}

int main(void)
{
    printf("/* Generated by tools/wyckoff_generate.c from spglib's operations; never edited by "
           "hand.\n * The decoding rule is in wyckoff_table.h. */\n"
           "#include \"workers/crystal/wyckoff_table.h\"\n\n/* clang-format off */\n"
           "const struct wyckoff_row wyckoff_table[GROUP_MAX] = {\n");
    int number = 0;
    for (int hall = 1; hall <= 530; hall++) {
        SpglibSpacegroupType type = spg_get_spacegroup_type(hall);
        char symbol[20];
        if (type.number == number || !choice_is_standard(type.choice))
            continue;
        symbol_short(type.international, symbol, sizeof symbol);
        group_derive(++number, hall, symbol);
    }
    printf("};\n");
    return number == GROUP_MAX && fflush(stdout) == 0 ? 0 : 1;
}
