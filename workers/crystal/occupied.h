/* Occupied Wyckoff positions of one crystal, and the choice among its equivalent descriptions.
 */
#ifndef WYCKMILL_CRYSTAL_OCCUPIED_H
#define WYCKMILL_CRYSTAL_OCCUPIED_H

#include "workers/crystal/wyckoff.h"

/* One orbit. */
struct occupied {
    struct site site;
    double free[3]; /* 0 where the position has no freedom */
};

/* How far an atom may be from the position that it was put on, Angstrom: rounding only. */
static const double fit_angstrom = 1e-3;

/* Of all descriptions of the crystal that the normalizer makes equivalent, mirror images left
 * out, take the first: in the order of protostructure_compare_descriptions; then the most
 * compact cell (shortest edges, angles all obtuse or all acute, a <= b <= c where the letters
 * leave it open); then the smaller coordinates. Which description spglib finds depends on how
 * the crystal was given. `cell` (a, b, c, alpha, beta, gamma) follows the axes, `orbits` (n)
 * come out sorted. Errors: ERR_SYMMETRY, an orbit is not on its position. */
int occupied_canonicalize(const struct spacegroup *group, double cell[6],
                          struct occupied *orbits, uint32_t n, struct err *err);

#endif
