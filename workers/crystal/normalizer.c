/* Euclidean normalizers, found by trying: see normalizer.h. */
#include "workers/crystal/normalizer.h"

#include "common/mem.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { HOLOHEDRY_MAX = 48 };

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

/* ---- rotations that every cell of the crystal system allows ---- */

/* Generators of the holohedries beside the inversion (International Tables A, table 3.2.1). */
static const struct {
    char system;
    struct rotation generators[2];
} holohedries[] = {
    {'a', {{{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}}, {{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}}}},
    {'m', {{{{-1, 0, 0}, {0, 1, 0}, {0, 0, -1}}}, {{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}}}},
    {'o', {{{{-1, 0, 0}, {0, -1, 0}, {0, 0, 1}}}, {{{-1, 0, 0}, {0, 1, 0}, {0, 0, -1}}}}},
    {'t', {{{{0, -1, 0}, {1, 0, 0}, {0, 0, 1}}}, {{{-1, 0, 0}, {0, 1, 0}, {0, 0, -1}}}}},
    {'h', {{{{1, -1, 0}, {1, 0, 0}, {0, 0, 1}}}, {{{0, 1, 0}, {1, 0, 0}, {0, 0, -1}}}}},
    {'c', {{{{0, -1, 0}, {1, 0, 0}, {0, 0, 1}}}, {{{0, 0, 1}, {1, 0, 0}, {0, 1, 0}}}}},
};

/* Closes the generators; the identity comes first. */
static int holohedry(char system, struct rotation list[HOLOHEDRY_MAX])
{
    static const struct rotation identity = {{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}},
                                 inversion = {{{-1, 0, 0}, {0, -1, 0}, {0, 0, -1}}};
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

/* ---- the group ---- */

struct parts {
    const struct spacegroup *group;
    struct rotation point[HOLOHEDRY_MAX]; /* its rotations, each once */
    struct affine first[HOLOHEDRY_MAX];   /* an operation with that rotation */
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
    const struct affine *there[HOLOHEDRY_MAX]; /* the group's operation with R' */
    int difference[HOLOHEDRY_MAX][3];          /* W t - its translation */
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
    size_t capacity;
    uint32_t n_shifts; /* descriptions without rotation, the first ones */
    int step[3];       /* 24 along polar axes, where any shift would do */
};

static bool is_known(const struct search *search, const int w[3])
{
    for (uint32_t i = 0; i < search->normalizer->n; i++) {
        const int8_t *known = search->normalizer->items[i].map.translation;
        const int difference[3] = {w[0] - known[0], w[1] - known[1], w[2] - known[2]};
        if (is_lattice_vector(&search->parts, difference))
            return true;
    }
    return false;
}

static void add(struct search *search, const struct rotation *rotation, const int w[3])
{
    const struct spacegroup *group = search->parts.group;
    struct normalizer *normalizer = search->normalizer;
    mem_reserve(normalizer->items, search->capacity, normalizer->n + 1u);
    struct description *item = &normalizer->items[normalizer->n++];
    memcpy(item->map.rotation, rotation->m, sizeof rotation->m);
    for (int k = 0; k < 3; k++)
        item->map.translation[k] = (int8_t)(w[k] % 24);
    memset(item->letters, 0, sizeof item->letters);
    for (int p = 0; p < group->n_positions; p++)
        item->letters[p] = letter_after(group, &group->positions[p], &item->map);
}

/* The shifts that keep the group: all of them without rotation; with a rotation one, and then
 * all that differ from it by one of the former. */
static void search_shifts(struct search *search, const struct rotation *rotation)
{
    struct conjugation conjugation;
    bool turned = search->n_shifts > 0;
    int w[3];
    if (!conjugate(&search->parts, rotation, &conjugation))
        return;
    for (w[0] = 0; w[0] < 24; w[0] += search->step[0])
        for (w[1] = 0; w[1] < 24; w[1] += search->step[1])
            for (w[2] = 0; w[2] < 24; w[2] += search->step[2]) {
                if (!keeps_group(&search->parts, &conjugation, w) ||
                    (!turned && is_known(search, w)))
                    continue;
                for (uint32_t i = 0; i < search->n_shifts; i++) {
                    const int8_t *more = search->normalizer->items[i].map.translation;
                    const int sum[3] = {w[0] + more[0], w[1] + more[1], w[2] + more[2]};
                    add(search, rotation, sum);
                }
                if (turned)
                    return;
                add(search, rotation, w);
            }
    search->n_shifts = search->normalizer->n;
}

static void find_polar_axes(struct search *search, const struct rotation *identity)
{
    struct conjugation conjugation;
    (void)conjugate(&search->parts, identity, &conjugation);
    for (int k = 0; k < 3; k++) {
        int unit[3] = {k == 0, k == 1, k == 2};
        search->step[k] = keeps_group(&search->parts, &conjugation, unit) ? 24 : 1;
    }
}

static struct normalizer *find(const struct spacegroup *group)
{
    struct search search = {.normalizer = mem_new(1, sizeof *search.normalizer)};
    struct rotation all[HOLOHEDRY_MAX], used[HOLOHEDRY_MAX];
    int n_all = holohedry(group->crystal_system, all), n_used = 0;
    take_apart(group, &search.parts);
    find_polar_axes(&search, &all[0]);
    for (int i = 0; i < n_all; i++) {
        /* one rotation of each coset of the group's own */
        bool done = !keeps_lattice(&search.parts, &all[i]) ||
                    (determinant(&all[i]) < 0 && !search.parts.improper);
        for (int p = 0; p < search.parts.n_point && !done; p++) {
            struct rotation same = product(&search.parts.point[p], &all[i]);
            done = find_rotation(used, n_used, &same) >= 0;
        }
        if (done)
            continue;
        used[n_used++] = all[i];
        search_shifts(&search, &all[i]);
    }
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
