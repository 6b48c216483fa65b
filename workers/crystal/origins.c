/* Equivalent origins, found by trying: see origins.h. */
#include "workers/crystal/origins.h"

#include "common/mem.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

/* Shift of 1/24ths that some pair of operations differs by: a lattice vector of the group? The
 * identity with a translation stands for each. */
static bool is_lattice_vector(const struct spacegroup *group, const int v[3])
{
    static const int8_t identity[3][3] = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}};
    for (uint32_t i = 0; i < group->order; i++) {
        const struct affine *o = &group->operations[i];
        if (memcmp(o->rotation, identity, sizeof identity) != 0)
            continue;
        bool same = true;
        for (int k = 0; k < 3; k++)
            same = same && (v[k] - o->translation[k]) % 24 == 0;
        if (same)
            return true;
    }
    return false;
}

/* {R | t} becomes {R | t + w - R w}: the group stays when w - R w is a lattice vector for all
 * rotations R. */
static bool keeps_group(const struct spacegroup *group, const int shift[3])
{
    for (uint32_t i = 0; i < group->order; i++) {
        const int8_t(*r)[3] = group->operations[i].rotation;
        int moved[3];
        for (int k = 0; k < 3; k++)
            moved[k] = shift[k] - r[k][0] * shift[0] - r[k][1] * shift[1] - r[k][2] * shift[2];
        if (!is_lattice_vector(group, moved))
            return false;
    }
    return true;
}

/* Letter of the position that the atoms of `position` are on after the shift. */
static uint8_t letter_after(const struct spacegroup *group,
                            const struct wyckoff_position *position, const int shift[3])
{
    static const double general[3] = {0.1234567, 0.3271828, 0.2414213};
    static const double cell[3][3] = {{10, 0, 0}, {0, 10, 0}, {0, 0, 10}};
    double point[1][3], free_[3], error;
    wyckoff_coordinates(position, 0, general, point[0]);
    for (int k = 0; k < 3; k++)
        point[0][k] += shift[k] / 24.0;
    for (uint8_t q = 0; q < group->n_positions; q++) {
        const struct wyckoff_position *other = &group->positions[q];
        if (other->multiplicity == position->multiplicity && other->dof == position->dof &&
            wyckoff_parameters(other, (const double(*)[3])point, 1, cell, 1e-6, free_, &error,
                               NULL) == 0)
            return q;
    }
    abort(); /* a shift that keeps the group maps positions to positions */
}

static bool known_modulo_lattice(const struct spacegroup *group, const struct origins *origins,
                                 const int shift[3])
{
    for (uint32_t i = 0; i < origins->n; i++) {
        const int8_t *known = origins->items[i].shift;
        const int difference[3] = {shift[0] - known[0], shift[1] - known[1],
                                   shift[2] - known[2]};
        if (is_lattice_vector(group, difference))
            return true;
    }
    return false;
}

static struct origins *find(const struct spacegroup *group)
{
    struct origins *origins = mem_new(1, sizeof *origins);
    size_t capacity = 0;
    int step[3]; /* 24 along polar axes, where any shift would do */
    for (int k = 0; k < 3; k++) {
        int unit[3] = {k == 0, k == 1, k == 2};
        step[k] = keeps_group(group, unit) ? 24 : 1;
    }
    int s[3];
    for (s[0] = 0; s[0] < 24; s[0] += step[0])
        for (s[1] = 0; s[1] < 24; s[1] += step[1])
            for (s[2] = 0; s[2] < 24; s[2] += step[2]) {
                if (!keeps_group(group, s) || known_modulo_lattice(group, origins, s))
                    continue;
                mem_reserve(origins->items, capacity, origins->n + 1u);
                struct origin *origin = &origins->items[origins->n++];
                for (int k = 0; k < 3; k++)
                    origin->shift[k] = (int8_t)s[k];
                for (int p = 0; p < group->n_positions; p++)
                    origin->letters[p] = letter_after(group, &group->positions[p], s);
            }
    return origins;
}

/* As the groups themselves: written once under the lock, then only read. */
static _Atomic(struct origins *) cache[GROUP_MAX + 1];
static pthread_mutex_t cache_lock = PTHREAD_MUTEX_INITIALIZER;

const struct origins *origins_get(const struct spacegroup *group)
{
    struct origins *origins = atomic_load_explicit(&cache[group->number], memory_order_acquire);
    if (origins)
        return origins;
    (void)pthread_mutex_lock(&cache_lock);
    origins = atomic_load_explicit(&cache[group->number], memory_order_relaxed);
    if (!origins) {
        origins = find(group);
        atomic_store_explicit(&cache[group->number], origins, memory_order_release);
    }
    (void)pthread_mutex_unlock(&cache_lock);
    return origins;
}
