/* Changes of origin and axes that map a space group onto itself without changing a cell of its
 * crystal system, and so exchange Wyckoff letters but not the crystal: its Euclidean normalizer
 * (International Tables A, chapter 3.5). Rock salt with Na on a and Cl on b is rock salt with
 * Na on b.
 *
 * Left out: shifts along polar axes, of which there are infinitely many and which change no
 * letter; changes that only some cells allow (orthorhombic axes permuted, monoclinic axes
 * recombined); and, in groups without inversions and reflections, those that turn the crystal
 * into its mirror image. */
#ifndef WYCKMILL_CRYSTAL_NORMALIZER_H
#define WYCKMILL_CRYSTAL_NORMALIZER_H

#include "workers/crystal/wyckoff.h"

struct description {
    struct affine map;              /* x' = map(x): coordinates in this description */
    uint8_t letters[POSITIONS_MAX]; /* (n_positions) new letter of every position */
};

struct normalizer {
    uint32_t n;                /* one per coset of the group: at least 1 */
    struct description *items; /* the first one changes nothing */
};

/* Found from the operations at the first call (milliseconds), then read-only. Any thread. */
const struct normalizer *normalizer_get(const struct spacegroup *group);

/* map(x), not wrapped. */
void affine_apply(const struct affine *map, const double x[3], double ret[3]);

#endif
