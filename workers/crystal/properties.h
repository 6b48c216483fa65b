/* Properties that are computed exactly from a structure. On the demo set they are the truth
 * that every candidate is judged against; they are model properties, not quantum mechanics. */
#ifndef WYCKMILL_CRYSTAL_PROPERTIES_H
#define WYCKMILL_CRYSTAL_PROPERTIES_H

#include "common/err.h"
#include "workers/crystal/structure.h"

/* One row per property; `compute` returns ERR_NUMERIC or ERR_INVALID when the structure has no
 * such value (e.g. no charge-balanced formal charges). */
struct exact_property {
    const char *name; /* "madelung_energy", "density", "electronegativity_difference",
                         "packing_fraction" */
    const char *unit; /* "eV/atom", "g/cm3", "", "" */
    int (*compute)(const struct structure *structure, double *ret, struct err *err);
    const char *help;
};

extern const struct exact_property exact_properties[];
extern const uint32_t exact_properties_count;
const struct exact_property *exact_property_find(const char *name); /* NULL: none */

/* Formal charges that balance: one common oxidation state per element, cations less
 * electronegative than anions, with the smallest sum of ranks (common states first; uncommon
 * anion states such as peroxide count three times). Zero for elements, for metals (groups 1 to
 * 13 without H and B) and for intermetallics (nothing balances, and there is no H and no
 * element of groups 15 to 17 more electronegative than As). ret_charges (n_atoms). Errors:
 * ERR_INVALID when nothing balances. */
int formal_charges(const struct structure *structure, double *ret_charges, struct err *err);

/* Electrostatic energy per atom, eV, of point charges by Ewald summation (Ewald 1921; de Leeuw,
 * Perram, Smith 1980), converged to 1e-6 eV/atom. Time grows as n_atoms^1.5. Errors:
 * ERR_INVALID (no atoms, charges that do not sum to zero), ERR_NUMERIC (cell without volume).
 */
int ewald_energy(const struct structure *structure, const double *charges,
                 double *ret_ev_per_atom, struct err *err);

#endif
