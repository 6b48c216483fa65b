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

/* Formal charges that balance: one oxidation state per element, smallest penalty (common states
 * first; electronegativity order respected). ret_charges (n_atoms). All-metal or elemental
 * structures get zero charges (energy 0). Errors: ERR_INVALID when nothing balances. */
int formal_charges(const struct structure *structure, double *ret_charges, struct err *err);

/* Electrostatic energy per atom, eV, of point charges by Ewald summation (Ewald 1921; de Leeuw,
 * Perram, Smith 1980), converged to 1e-6 eV/atom. */
int ewald_energy(const struct structure *structure, const double *charges,
                 double *ret_ev_per_atom, struct err *err);

#endif
