/* The coordinates that symmetry leaves free: lattice parameters of the crystal system and free
 * coordinates of each orbit. Nothing else can be moved, so no relaxation breaks the symmetry.
 *
 * Parameters, in order: lattice, then the free x, y, z of each site in site order. The lattice
 * has lower triangular rows a = (A,0,0), b = (Ab,B,0), c = (Ac,Bc,C):
 *   cubic         ln A            (B = C = A)
 *   hexagonal     ln A, ln C      (gamma = 120)     tetragonal  ln A, ln C
 *   orthorhombic  ln A, ln B, ln C
 *   monoclinic    ln A, ln B, ln C, Ac/A            (unique axis b)
 *   triclinic     ln A, ln B, ln C, Ac/A, Ab/A, Bc/A
 * so every parameter vector is a lattice with volume A B C. */
#ifndef WYCKMILL_REALIZE_REDUCED_H
#define WYCKMILL_REALIZE_REDUCED_H

#include "workers/crystal/structure.h"
#include "workers/crystal/wyckoff.h"
#include "workers/realize/neighbours.h"

enum { LATTICE_DOF_MAX = 6 };

struct reduced {
    const struct spacegroup *group;
    struct protostructure proto;               /* own copy */
    const struct wyckoff_position **positions; /* (n_sites) */
    uint32_t *atom_first;                      /* (n_sites) first atom of the orbit */
    uint32_t n_atoms;
    uint32_t n_kinds;
    uint8_t elements[KINDS_MAX]; /* (n_kinds) ascending atomic numbers */
    uint32_t n_lattice;          /* 1..6 */
    uint32_t n_free;             /* free coordinates */
    uint32_t n;                  /* n_lattice + n_free */
    uint32_t *free_site;         /* (n_free) */
    uint8_t *free_axis;          /* (n_free) 0 = x, 1 = y, 2 = z */
};

/* Errors: ERR_INVALID (no such protostructure), ERR_LIMIT (atoms_max, KINDS_MAX).
 * Caller owns: reduced_done. */
int reduced_init(struct reduced *reduced, const struct protostructure *proto,
                 uint32_t atoms_max, struct err *err);
void reduced_done(struct reduced *reduced);

/* Parameters of a record of the same protostructure (letters and group; elements may differ).
 * ret_values (n). Errors: ERR_NUMERIC (cell). */
int reduced_from_record(const struct reduced *reduced, const struct record *record,
                        double *ret_values, struct err *err);
/* The record of the parameters; id, source and properties are left empty. Caller owns. */
void reduced_to_record(const struct reduced *reduced, const double *values,
                       struct record *ret_record);

/* A cell of the right sizes: one centre per orbit; reduced_expand fills lattice and frac. */
void reduced_cell_init(const struct reduced *reduced, struct cell *cell);
void reduced_cell_done(struct cell *cell);
void reduced_expand(const struct reduced *reduced, const double *values, struct cell *cell);

/* ln of the conventional cell's volume, Angstrom^3. */
double reduced_log_volume(const struct reduced *reduced, const double *values);
/* Change the three lengths alike so that the volume is as said. */
void reduced_set_log_volume(const struct reduced *reduced, double log_volume, double *values);

/* Chain rule. dE/dvalues from dE/dfrac of each centre (the force of all its neighbours on it)
 * and dE/dlattice (lower triangle), both already weighted by multiplicity.
 *   ret_gradient (n), overwritten. */
void reduced_gradient(const struct reduced *reduced, const double *values,
                      const double (*gradient_frac)[3], const double gradient_lattice[3][3],
                      double *ret_gradient);

#endif
