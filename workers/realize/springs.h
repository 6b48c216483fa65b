/* What a template knows about the distances of a new crystal: every neighbour distance of the
 * template, scaled by the ratio of the pairs' bond lengths, as a spring. Moving to the springs'
 * minimum is distance least squares (Meier and Villiger, Z. Kristallogr. 129, 411, 1969). When
 * all ratios are alike the template's geometry is the minimum: nothing is harmed. */
#ifndef WYCKMILL_REALIZE_SPRINGS_H
#define WYCKMILL_REALIZE_SPRINGS_H

#include "workers/realize/pair_model.h"
#include "workers/realize/reduced.h"
#include "workers/realize/template.h"

struct springs {
    struct neighbour_list list; /* pairs of the template; kept while the atoms move */
    double *length;             /* (list.n) where the spring is at rest, Angstrom */
    double *stiffness;          /* (list.n) per relative length squared */
};

/* Springs for the crystal `reduced` from the template geometry `values` (its lengths are of the
 * template's elements) found by `match`. `scale`: expected ratio of all lengths. Errors as
 * neighbours_find. Caller owns: springs_done. */
int springs_init(struct springs *springs, const struct reduced *reduced, const double *values,
                 const struct template_match *match, const struct pair_model *model,
                 double scale, struct err *err);
void springs_done(struct springs *springs);

/* Energy and gradients as neighbours_sum gives them. */
double springs_energy(struct springs *springs, const struct cell *cell,
                      double (*gradient_frac)[3], double gradient_lattice[3][3]);

#endif
