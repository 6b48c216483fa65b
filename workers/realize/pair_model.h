/* How close atoms like to be, learned from the training records, and the pair energy made of
 * it.
 *
 * Per pair of elements: `bond`, the median over the records of the shortest distance where the
 * two are neighbours; `contact`, a low quantile of the shortest distance where they are not;
 * and `affinity`, how often they are neighbours when both are there. Pairs that the data hardly
 * know borrow from radii fitted to all pairs, those from covalent radii. */
#ifndef WYCKMILL_REALIZE_PAIR_MODEL_H
#define WYCKMILL_REALIZE_PAIR_MODEL_H

#include "proto/objects.h"
#include "workers/realize/neighbours.h"

struct pair_model {
    double bond[ELEMENT_MAX + 1][ELEMENT_MAX + 1];     /* Angstrom, symmetric */
    double contact[ELEMENT_MAX + 1][ELEMENT_MAX + 1];  /* Angstrom, symmetric */
    double affinity[ELEMENT_MAX + 1][ELEMENT_MAX + 1]; /* 0..1, symmetric */
};

/* Fit to the training records; records that cannot be expanded are left out. Works (from
 * covalent radii) for a data set without records. Caller owns: free(). */
struct pair_model *pair_model_new(const struct dataset *dataset);

/* The model for one composition: which pairs attract depends on who is there (silicon is a
 * cation beside oxygen and an anion beside magnesium). */
struct pair_term {
    double bond;      /* Angstrom: bottom of the well */
    double contact;   /* Angstrom: where repulsion without attraction begins */
    double attracted; /* 0..1: share of the well; the rest is pure repulsion */
    double cutoff;    /* Angstrom: energy and its first two derivatives are 0 from here */
};

struct pair_table {
    uint32_t n_kinds;
    struct pair_term terms[KINDS_MAX][KINDS_MAX]; /* symmetric */
    struct cutoffs cutoffs;                       /* of the terms */
};

/* elements (n_kinds) atomic numbers; counts (n_kinds) atoms of each. */
void pair_table_init(struct pair_table *table, const struct pair_model *model,
                     const uint8_t *elements, const double *counts, uint32_t n_kinds);

/* Energy of one pair and its derivative by the distance (may be NULL). */
double pair_term_energy(const struct pair_term *term, double distance, double *ret_slope);

/* Energy of the cell, model units, and its gradients as neighbours_sum gives them. The list
 * must hold all pairs within the table's cut-offs; pairs beyond count nothing. */
double pair_energy(const struct pair_table *table, const struct cell *cell,
                   struct neighbour_list *list, double (*gradient_frac)[3],
                   double gradient_lattice[3][3]);

#endif
