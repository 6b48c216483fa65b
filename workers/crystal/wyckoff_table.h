/* The committed table behind wyckoff.h and its decoding rule. Only wyckoff.c, the generator and
 * tests look in here.
 *
 * One row per group, number = index + 1. Operations are texts like "-x,y+1/2,-z", separated by
 * blanks; all operations of the conventional cell are: for each centring vector in the order of
 * spacegroup_centring (zero first), each text plus that vector.
 * Positions are lines "LETTER MULTIPLICITY SITE-SYMMETRY REPRESENTATIVE". The members of the
 * orbit are: for each operation in order, operation * representative with its translation
 * reduced into [0, 1); a map that is there already is left out. */
#ifndef WYCKMILL_CRYSTAL_WYCKOFF_TABLE_H
#define WYCKMILL_CRYSTAL_WYCKOFF_TABLE_H

#include "workers/crystal/wyckoff.h"

struct wyckoff_row {
    uint16_t hall_number;
    const char *symbol;
    const char *operations;
    const char *positions;
};

extern const struct wyckoff_row wyckoff_table[GROUP_MAX];

enum { CENTRING_MAX = 4 };

/* Centring vectors of a lattice letter, as pure translations. Returns how many, 0 for an
 * unknown letter. R means hexagonal axes, obverse. */
int spacegroup_centring(char letter, struct affine ret[CENTRING_MAX]);

/* Pearson's letter of the crystal system: a m o t h c. */
char spacegroup_system(uint16_t number);

#endif
