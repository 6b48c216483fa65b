/* Changes of origin and axes that map a space group onto itself, and so exchange Wyckoff
 * letters but not the crystal: its normalizer (International Tables A, chapter 3.5). Rock salt
 * with Na on a and Cl on b is rock salt with Na on b.
 *
 * For tetragonal, hexagonal and cubic groups this is the Euclidean normalizer. In the other
 * systems one crystal can be described in cells of different shape, so axes are also exchanged
 * (orthorhombic) and recombined (monoclinic, triclinic): the affine normalizer, of which only
 * as much is listed as reduced cells need; the letters it exchanges are complete (a test).
 * Shifts along polar axes, infinitely many and without effect on letters, are left out. */
#ifndef WYCKMILL_CRYSTAL_NORMALIZER_H
#define WYCKMILL_CRYSTAL_NORMALIZER_H

#include "workers/crystal/wyckoff.h"

/* x' = map(x): coordinates in the other description. */
struct description {
    struct affine map;
    uint8_t letters[POSITIONS_MAX]; /* (n_positions) new letter of every position */
    /* Makes a left-handed crystal of a right-handed one, in a group whose own operations do
     * not. (In all other groups no map does: it could be followed by a reflection.) */
    bool mirror;
};

/* One way to exchange letters; `proper`: some description that is no mirror image has it. */
struct relabelling {
    uint8_t letters[POSITIONS_MAX];
    bool proper;
};

/* Every description is a turn followed by a shift. The first of each list changes nothing. */
struct normalizer {
    uint32_t n_shifts, n_turns, n_relabellings;
    struct description *shifts; /* without rotation, modulo the lattice */
    struct description *turns;  /* a rotation each, modulo the group's own */
    struct relabelling *relabellings;
    uint16_t *relabelling_of; /* (n_turns, n_shifts) */
};

/* Found from the operations at the first call (milliseconds), then read-only. Any thread. */
const struct normalizer *normalizer_get(const struct spacegroup *group);

/* Cell in which a crystal with axes `lattice` (rows) stands after a turn:
 * (a', b', c') = (a, b, c) W^-1. */
void description_axes(const struct description *turn, const double lattice[3][3],
                      double ret_lattice[3][3]);

/* map(x), not wrapped. `x` and `ret` may be the same. */
void affine_apply(const struct affine *map, const double x[3], double ret[3]);

#endif
