/* Lattice points in a sphere, listed exactly however skew the cell is: what every sum over
 * periodic images needs. */
#ifndef WYCKMILL_CRYSTAL_SPHERE_H
#define WYCKMILL_CRYSTAL_SPHERE_H

#include "workers/crystal/structure.h"

#include <stdbool.h>

/* A lattice turned so that a lies along x and b in the xy plane: the Cholesky factor of its
 * Gram matrix. Angstrom (1/Angstrom for a reciprocal lattice). */
struct triangle {
    double rows[3][3]; /* lower triangular, positive diagonal */
};

/* False when the rows are dependent or not finite. */
bool triangle_from_lattice(const double (*lattice)[3], struct triangle *ret);
double triangle_volume(const struct triangle *triangle);

/* Called with the indices and the squared length of the vector n + offset. */
typedef void triangle_visit(void *context, const int n[3], double square);

/* Every integer n with |(n + offset) L| <= radius, in ascending (n2, n1, n0). The time is that
 * of the points found, plus one step per lattice plane and row that the sphere touches. */
void triangle_each(const struct triangle *triangle, const double offset[3], double radius,
                   triangle_visit *visit, void *context);

/* Fractional vector from atom i to the nearest image (axis by axis) of atom j. */
void offset_between(const struct structure *structure, uint32_t i, uint32_t j, double ret[3]);

/* Shortest distance from atom i to atom j or any image, the atom itself left out. */
double distance_between(const struct structure *structure, const struct triangle *triangle,
                        uint32_t i, uint32_t j);

#endif
