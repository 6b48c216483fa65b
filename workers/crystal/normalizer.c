/* Normalizers, found by trying: see normalizer.h. */
#include "workers/crystal/normalizer.h"

#include "common/mem.h"
#include "workers/crystal/matrix.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum {
    POINT_GROUP_MAX = 48,
    TURNS_MAX = 6960, /* 3 x 3 matrices of -1, 0, 1 with determinant 1 or -1 */
};

struct rotation {
    int8_t m[3][3];
};

static struct rotation product(const struct rotation *a, const struct rotation *b)
{
    struct rotation c;
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++)
            c.m[i][j] = (int8_t)(a->m[i][0] * b->m[0][j] + a->m[i][1] * b->m[1][j] +
                                 a->m[i][2] * b->m[2][j]);
    return c;
}

static int determinant(const struct rotation *r)
{
    const int8_t(*m)[3] = r->m;
    return m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1]) -
           m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0]) +
           m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0]);
}

static int find_rotation(const struct rotation *list, int n, const struct rotation *wanted)
{
    for (int i = 0; i < n; i++)
        if (memcmp(&list[i], wanted, sizeof *wanted) == 0)
            return i;
    return -1;
}

/* ---- axes that a crystal system can be described in ---- */

/* Generators of the holohedries beside the inversion (International Tables A, table 3.2.1). The
 * orthorhombic one has the cubic group's: axes may be exchanged where the group allows it. */
static const struct {
    char system;
    struct rotation generators[2];
} holohedries[] = {
    {'o', {{{{0, -1, 0}, {1, 0, 0}, {0, 0, 1}}}, {{{0, 0, 1}, {1, 0, 0}, {0, 1, 0}}}}},
    {'t', {{{{0, -1, 0}, {1, 0, 0}, {0, 0, 1}}}, {{{-1, 0, 0}, {0, 1, 0}, {0, 0, -1}}}}},
    {'h', {{{{1, -1, 0}, {1, 0, 0}, {0, 0, 1}}}, {{{0, 1, 0}, {1, 0, 0}, {0, 0, -1}}}}},
    {'c', {{{{0, -1, 0}, {1, 0, 0}, {0, 0, 1}}}, {{{0, 0, 1}, {1, 0, 0}, {0, 1, 0}}}}},
};

static const struct rotation identity = {{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}};

/* Closes the generators; the identity comes first. */
static int holohedry(char system, struct rotation *list)
{
    static const struct rotation inversion = {{{-1, 0, 0}, {0, -1, 0}, {0, 0, -1}}};
    size_t row = 0;
    while (holohedries[row].system != system)
        row++;
    const struct rotation generators[3] = {inversion, holohedries[row].generators[0],
                                           holohedries[row].generators[1]};
    int n = 1;
    list[0] = identity;
    for (int i = 0; i < n; i++)
        for (int g = 0; g < 3; g++) {
            struct rotation next = product(&generators[g], &list[i]);
            if (find_rotation(list, n, &next) < 0)
                list[n++] = next;
        }
    return n;
}

/* All integer matrices of determinant 1 or -1 whose entries are at most `reach[i][j]`; the
 * identity comes first. Two reduced cells of one lattice differ by entries of at most 1; C
 * centrings and glides allow only every second sum of axes, hence 2 in monoclinic groups. */
static int changes_of_cell(const int8_t reach[3][3], struct rotation *list)
{
    int n = 1;
    list[0] = identity;
    struct rotation r;
    for (int k = 0; k < 9; k++)
        r.m[k / 3][k % 3] = (int8_t)-reach[k / 3][k % 3];
    for (int k = 0; k < 9;) {
        int d = determinant(&r);
        if ((d == 1 || d == -1) && memcmp(&r, &identity, sizeof r) != 0)
            list[n++] = r;
        for (k = 0; k < 9; k++) { /* the next one, counting */
            int8_t *entry = &r.m[k / 3][k % 3], most = reach[k / 3][k % 3];
            if (*entry < most) {
                (*entry)++;
                break;
            }
            *entry = (int8_t)-most;
        }
    }
    return n;
}

static int turns_of_system(char system, struct rotation list[TURNS_MAX])
{
    static const int8_t oblique[3][3] = {{2, 0, 2}, {0, 1, 0}, {2, 0, 2}};
    static const int8_t triclinic[3][3] = {{1, 1, 1}, {1, 1, 1}, {1, 1, 1}};
    return system == 'a'   ? changes_of_cell(triclinic, list)
           : system == 'm' ? changes_of_cell(oblique, list)
                           : holohedry(system, list);
}

/* ---- the group ---- */

struct parts {
    const struct spacegroup *group;
    struct rotation point[POINT_GROUP_MAX]; /* its rotations, each once */
    struct affine first[POINT_GROUP_MAX];   /* an operation with that rotation */
    int n_point;
    struct affine centring[4];
    int n_centring;
    bool improper; /* has an inversion or reflection */
};

static void take_apart(const struct spacegroup *group, struct parts *ret)
{
    *ret = (struct parts){.group = group};
    for (uint32_t i = 0; i < group->order; i++) {
        struct rotation r;
        memcpy(r.m, group->operations[i].rotation, sizeof r.m);
        if (find_rotation(ret->point, ret->n_point, &r) < 0) {
            ret->first[ret->n_point] = group->operations[i];
            ret->point[ret->n_point++] = r;
        }
        if (memcmp(&r, &ret->point[0], sizeof r) == 0) /* the identity is the first one */
            ret->centring[ret->n_centring++] = group->operations[i];
        ret->improper = ret->improper || determinant(&r) < 0;
    }
}

static bool is_lattice_vector(const struct parts *parts, const int v[3])
{
    for (int i = 0; i < parts->n_centring; i++) {
        const int8_t *t = parts->centring[i].translation;
        if ((v[0] - t[0]) % 24 == 0 && (v[1] - t[1]) % 24 == 0 && (v[2] - t[2]) % 24 == 0)
            return true;
    }
    return false;
}

/* Does the rotation map the centring vectors to centring vectors? (Six-fold axes do not for R.)
 */
static bool keeps_lattice(const struct parts *parts, const struct rotation *w_rotation)
{
    for (int i = 0; i < parts->n_centring; i++) {
        const int8_t *t = parts->centring[i].translation;
        int turned[3];
        for (int k = 0; k < 3; k++)
            turned[k] = w_rotation->m[k][0] * t[0] + w_rotation->m[k][1] * t[1] +
                        w_rotation->m[k][2] * t[2];
        if (!is_lattice_vector(parts, turned))
            return false;
    }
    return true;
}

/* What one rotation W does to the operations. In coordinates x' = W x + w the operation {R | t}
 * is {R' | W t + w - R' w} with R' = W R W^-1. */
struct conjugation {
    int n;
    const struct affine *there[POINT_GROUP_MAX]; /* the group's operation with R' */
    int difference[POINT_GROUP_MAX][3];          /* W t - its translation */
};

/* False when some R' is not in the point group. The identity is left out: nothing depends on
 * it. */
static bool conjugate(const struct parts *parts, const struct rotation *w_rotation,
                      struct conjugation *ret)
{
    ret->n = 0;
    for (int i = 1; i < parts->n_point; i++) {
        struct rotation right = product(w_rotation, &parts->point[i]);
        int k = 0;
        for (; k < parts->n_point; k++) {
            struct rotation left = product(&parts->point[k], w_rotation);
            if (memcmp(&left, &right, sizeof left) == 0)
                break;
        }
        if (k == parts->n_point)
            return false;
        const int8_t *t = parts->first[i].translation;
        ret->there[ret->n] = &parts->first[k];
        for (int a = 0; a < 3; a++)
            ret->difference[ret->n][a] =
                w_rotation->m[a][0] * t[0] + w_rotation->m[a][1] * t[1] +
                w_rotation->m[a][2] * t[2] - parts->first[k].translation[a];
        ret->n++;
    }
    return true;
}

static bool keeps_group(const struct parts *parts, const struct conjugation *conjugation,
                        const int w[3])
{
    for (int i = 0; i < conjugation->n; i++) {
        const int8_t(*r)[3] = conjugation->there[i]->rotation;
        int difference[3];
        for (int a = 0; a < 3; a++)
            difference[a] = conjugation->difference[i][a] + w[a] - r[a][0] * w[0] -
                            r[a][1] * w[1] - r[a][2] * w[2];
        if (!is_lattice_vector(parts, difference))
            return false;
    }
    return true;
}

/* ---- descriptions ---- */

void affine_apply(const struct affine *map, const double x[3], double ret[3])
{
    double y[3] = {x[0], x[1], x[2]};
    for (int i = 0; i < 3; i++)
        ret[i] = map->rotation[i][0] * y[0] + map->rotation[i][1] * y[1] +
                 map->rotation[i][2] * y[2] + map->translation[i] / 24.0;
}

void description_axes(const struct description *turn, const double lattice[3][3],
                      double ret_lattice[3][3])
{
    double w[3][3], inverse[3][3];
    for (int k = 0; k < 9; k++)
        w[k / 3][k % 3] = turn->map.rotation[k / 3][k % 3];
    matrix_inverse(inverse, CONST_MATRIX(w));
    for (int i = 0; i < 3; i++) {
        const double column[3] = {rint(inverse[0][i]), rint(inverse[1][i]),
                                  rint(inverse[2][i])};
        matrix_row_times(ret_lattice[i], column, lattice);
    }
}

/* Letter of the position on which the atoms of `position` are in the other description. */
static uint8_t letter_after(const struct spacegroup *group,
                            const struct wyckoff_position *position, const struct affine *map)
{
    static const double general[3] = {0.1234567, 0.3271828, 0.2414213};
    static const double cell[3][3] = {{10, 0, 0}, {0, 10, 0}, {0, 0, 10}};
    double point[1][3], free_[3], error;
    wyckoff_coordinates(position, 0, general, point[0]);
    affine_apply(map, point[0], point[0]);
    for (uint8_t q = 0; q < group->n_positions; q++) {
        const struct wyckoff_position *other = &group->positions[q];
        if (other->multiplicity == position->multiplicity && other->dof == position->dof &&
            wyckoff_parameters(other, (const double(*)[3])point, 1, cell, 1e-6, free_, &error,
                               NULL) == 0)
            return q;
    }
    abort(); /* what keeps the group maps positions to positions */
}

struct search {
    struct parts parts;
    struct normalizer *normalizer;
    size_t shifts_capacity, turns_capacity, relabellings_capacity;
    int step[3]; /* of shifts tried, 1/24ths; 24 along polar axes, where any would do */
};

static struct description describe(const struct parts *parts, const struct rotation *rotation,
                                   const int w[3])
{
    struct description made = {.mirror = !parts->improper && determinant(rotation) < 0};
    memcpy(made.map.rotation, rotation->m, sizeof rotation->m);
    for (int k = 0; k < 3; k++)
        made.map.translation[k] = (int8_t)(w[k] % 24);
    return made;
}

static void find_letters(const struct spacegroup *group, struct description *description)
{
    for (int p = 0; p < group->n_positions; p++)
        description->letters[p] = letter_after(group, &group->positions[p], &description->map);
}

static bool is_known_shift(const struct search *search, const int w[3])
{
    for (uint32_t i = 0; i < search->normalizer->n_shifts; i++) {
        const int8_t *known = search->normalizer->shifts[i].map.translation;
        const int difference[3] = {w[0] - known[0], w[1] - known[1], w[2] - known[2]};
        if (is_lattice_vector(&search->parts, difference))
            return true;
    }
    return false;
}

/* All shifts that keep the group. */
static void search_shifts(struct search *search)
{
    struct normalizer *normalizer = search->normalizer;
    struct conjugation conjugation;
    int w[3];
    (void)conjugate(&search->parts, &identity, &conjugation);
    for (w[0] = 0; w[0] < 24; w[0] += search->step[0])
        for (w[1] = 0; w[1] < 24; w[1] += search->step[1])
            for (w[2] = 0; w[2] < 24; w[2] += search->step[2]) {
                if (!keeps_group(&search->parts, &conjugation, w) || is_known_shift(search, w))
                    continue;
                mem_reserve(normalizer->shifts, search->shifts_capacity,
                            normalizer->n_shifts + 1u);
                struct description *shift = &normalizer->shifts[normalizer->n_shifts++];
                *shift = describe(&search->parts, &identity, w);
                find_letters(search->parts.group, shift);
            }
}

/* A turn about the first origin for which it keeps the group, if there is one. */
static void add_turn(struct search *search, const struct rotation *rotation)
{
    struct normalizer *normalizer = search->normalizer;
    struct conjugation conjugation;
    int w[3];
    if (!conjugate(&search->parts, rotation, &conjugation))
        return;
    for (w[0] = 0; w[0] < 24; w[0] += search->step[0])
        for (w[1] = 0; w[1] < 24; w[1] += search->step[1])
            for (w[2] = 0; w[2] < 24; w[2] += search->step[2]) {
                if (!keeps_group(&search->parts, &conjugation, w))
                    continue;
                mem_reserve(normalizer->turns, search->turns_capacity,
                            normalizer->n_turns + 1u);
                normalizer->turns[normalizer->n_turns++] =
                    describe(&search->parts, rotation, w);
                return;
            }
}

/* Is the rotation one of the group's own times one that was taken? */
static bool is_known_turn(const struct search *search, const struct rotation *rotation)
{
    const struct parts *parts = &search->parts;
    for (int p = 0; p < parts->n_point; p++) {
        struct rotation same = product(&parts->point[p], rotation);
        for (uint32_t i = 0; i < search->normalizer->n_turns; i++)
            if (memcmp(search->normalizer->turns[i].map.rotation, &same, sizeof same) == 0)
                return true;
    }
    return false;
}

static void search_turns(struct search *search)
{
    struct rotation *list = mem_new(TURNS_MAX, sizeof *list);
    char system = search->parts.group->crystal_system;
    int n = turns_of_system(system, list);
    for (int i = 0; i < n; i++) {
        /* P 1 and P -1: of a matrix and its negative one is enough, for they differ by the
         * inversion, and the letter of P 1 knows no hand */
        bool skip = system == 'a' ? determinant(&list[i]) < 0 : is_known_turn(search, &list[i]);
        if (!skip && keeps_lattice(&search->parts, &list[i]))
            add_turn(search, &list[i]);
    }
    free(list);
}

static uint16_t relabelling_add(struct search *search, const struct description *turn,
                                const struct description *shift)
{
    struct normalizer *normalizer = search->normalizer;
    struct relabelling made = {.proper = !turn->mirror};
    for (int p = 0; p < search->parts.group->n_positions; p++)
        made.letters[p] = shift->letters[turn->letters[p]];
    uint32_t i = 0;
    while (i < normalizer->n_relabellings &&
           memcmp(normalizer->relabellings[i].letters, made.letters, sizeof made.letters) != 0)
        i++;
    if (i == normalizer->n_relabellings) {
        mem_reserve(normalizer->relabellings, search->relabellings_capacity, i + 1u);
        normalizer->relabellings[i] = made;
        normalizer->n_relabellings++;
    }
    normalizer->relabellings[i].proper |= made.proper;
    return (uint16_t)i;
}

/* P 1 and P -1 have thousands of changes of cell. Their fixed points lie at halves, so equal
 * matrices modulo 2 exchange letters alike: the first turn of the class, or `turn` itself. */
static uint32_t first_of_class(const struct search *search, uint32_t turn, uint32_t firsts[512])
{
    const struct affine *map = &search->normalizer->turns[turn].map;
    uint32_t class = 0;
    if (search->parts.group->crystal_system != 'a')
        return turn;
    for (int k = 0; k < 9; k++)
        class = 2 * class + (uint32_t)(map->rotation[k / 3][k % 3] & 1);
    if (firsts[class] == UINT32_MAX)
        firsts[class] = turn;
    return firsts[class];
}

static void list_relabellings(struct search *search)
{
    struct normalizer *normalizer = search->normalizer;
    size_t n_shifts = normalizer->n_shifts;
    uint16_t *table = mem_new(normalizer->n_turns * n_shifts, sizeof *table);
    uint32_t firsts[512];
    memset(firsts, 0xff, sizeof firsts);
    for (uint32_t t = 0; t < normalizer->n_turns; t++) {
        struct description *turn = &normalizer->turns[t];
        uint32_t first = first_of_class(search, t, firsts);
        if (first < t) {
            memcpy(turn->letters, normalizer->turns[first].letters, sizeof turn->letters);
            memcpy(&table[t * n_shifts], &table[first * n_shifts], n_shifts * sizeof *table);
            continue;
        }
        find_letters(search->parts.group, turn);
        for (uint32_t s = 0; s < n_shifts; s++)
            table[t * n_shifts + s] = relabelling_add(search, turn, &normalizer->shifts[s]);
    }
    normalizer->relabelling_of = table;
}

/* Origins of normalizers differ from the group's by eighths, in hexagonal axes by twelfths. */
static void find_steps(struct search *search)
{
    struct conjugation conjugation;
    (void)conjugate(&search->parts, &identity, &conjugation);
    for (int k = 0; k < 3; k++) {
        int unit[3] = {k == 0, k == 1, k == 2};
        bool polar = keeps_group(&search->parts, &conjugation, unit);
        search->step[k] = polar ? 24 : search->parts.group->crystal_system == 'h' ? 2 : 3;
    }
}

static struct normalizer *find(const struct spacegroup *group)
{
    struct search search = {.normalizer = mem_new(1, sizeof *search.normalizer)};
    take_apart(group, &search.parts);
    find_steps(&search);
    search_shifts(&search);
    search_turns(&search);
    list_relabellings(&search);
    return search.normalizer;
}

/* As the groups themselves: written once under the lock, then only read. */
static _Atomic(struct normalizer *) cache[GROUP_MAX + 1];
static pthread_mutex_t cache_lock = PTHREAD_MUTEX_INITIALIZER;

const struct normalizer *normalizer_get(const struct spacegroup *group)
{
    struct normalizer *normalizer =
        atomic_load_explicit(&cache[group->number], memory_order_acquire);
    if (normalizer)
        return normalizer;
    (void)pthread_mutex_lock(&cache_lock);
    normalizer = atomic_load_explicit(&cache[group->number], memory_order_relaxed);
    if (!normalizer) {
        normalizer = find(group);
        atomic_store_explicit(&cache[group->number], normalizer, memory_order_release);
    }
    (void)pthread_mutex_unlock(&cache_lock);
    return normalizer;
}
