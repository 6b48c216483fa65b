/* Relaxation in the reduced coordinates (L-BFGS: Liu and Nocedal, Math. Program. 45, 503, 1989;
 * liblbfgs). */
#ifndef WYCKMILL_REALIZE_RELAX_H
#define WYCKMILL_REALIZE_RELAX_H

#include "workers/realize/pair_model.h"
#include "workers/realize/reduced.h"
#include "workers/realize/springs.h"

/* What is minimized: pair energy or springs, plus volume_weight * atoms * (ln V -
 * log_volume)^2.
 */
struct relax {
    const struct reduced *reduced;
    const struct pair_table *table; /* NULL: no pair energy */
    struct springs *springs;        /* NULL: none */
    double log_volume, volume_weight;
    uint32_t steps_max;
    /* scratch, made by relax_init */
    struct cell cell;
    struct neighbour_list list;
    double (*gradient_frac)[3];
    uint64_t evaluations; /* counted up by every energy */
};

/* The scratch of `relax` for `reduced`; set the other fields freely between runs. */
void relax_init(struct relax *relax, const struct reduced *reduced);
void relax_done(struct relax *relax);

/* Value of the objective and its gradient (n; NULL: not wanted). Errors: ERR_NUMERIC,
 * ERR_LIMIT: the geometry is nonsense. */
int relax_energy(struct relax *relax, const double *values, double *ret_energy,
                 double *ret_gradient, struct err *err);

/* Minimize from `values`, in place; stops when the energy has settled or after steps_max steps.
 * Errors: as relax_energy for the start. A line search that finds nothing better ends the run
 * with the best so far. */
int relax_run(struct relax *relax, double *values, double *ret_energy, struct err *err);

#endif
