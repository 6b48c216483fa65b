/* Neighbours in a periodic cell, found without tables or hashing, always in the same order:
 * centre, atom, then images along c, b, a ascending. */
#ifndef WYCKMILL_REALIZE_NEIGHBOURS_H
#define WYCKMILL_REALIZE_NEIGHBOURS_H

#include "common/err.h"

#include <stdint.h>
#include <stdlib.h>

enum { KINDS_MAX = 32 }; /* different elements in one crystal; more is refused before */

/* A crystal whose atoms repeat by symmetry: energies need one centre per orbit only. */
struct cell {
    double lattice[3][3]; /* rows, lower triangular: a along x, b in the xy plane; Angstrom */
    uint32_t n_atoms;
    double (*frac)[3]; /* (n_atoms) */
    uint8_t *kind;     /* (n_atoms) index of the element, < KINDS_MAX */
    uint32_t n_centres;
    uint32_t *centre; /* (n_centres) atom index of the representative */
    double *weight;   /* (n_centres) atoms it stands for; a cell without symmetry: 1 each */
};

struct neighbour {
    uint32_t centre;  /* index into cell.centre */
    uint32_t atom;    /* index of the other atom */
    int32_t image[3]; /* it sits at frac[atom] + image */
    double cart[3];   /* from the centre to it, Angstrom */
    double distance;  /* Angstrom, may be 0 for two atoms in one place */
    double energy;    /* of the pair, and its derivative by the distance: set by who sums */
    double slope;
};

struct neighbour_list {
    uint32_t n;
    size_t capacity;
    struct neighbour *items;
};

/* Cut-off radius per pair of kinds, Angstrom; 0: the pair has no neighbours. Symmetric. */
struct cutoffs {
    double radius[KINDS_MAX][KINDS_MAX];
};

enum { NEIGHBOURS_MAX = 1 << 20 }; /* a cell with more has shrunk to nonsense */

/* Overwrites the list, keeping its memory. Errors: ERR_LIMIT (NEIGHBOURS_MAX), ERR_NUMERIC
 * (lattice without volume or not finite). */
int neighbours_find(const struct cell *cell, const struct cutoffs *cutoffs,
                    struct neighbour_list *list, struct err *err);
/* Distances of the same neighbours after atoms and lattice moved. */
void neighbours_update(const struct cell *cell, struct neighbour_list *list);
/* Sum of the pair energies: half the sum over each centre's neighbours, times its weight, in
 * list order. The pair function must be symmetric.
 *   gradient_frac     (n_centres) dE/dfrac of a representative when its whole orbit moves
 *                     along: weight times the force of all neighbours; NULL: no gradient wanted
 *   gradient_lattice  dE/dlattice, lower triangle, for changes that keep the symmetry */
double neighbours_sum(const struct cell *cell, const struct neighbour_list *list,
                      double (*gradient_frac)[3], double gradient_lattice[3][3]);
void neighbour_list_done(struct neighbour_list *list);

#endif
