#include "workers/realize/relax.h"

#include "common/cleanup.h"
#include "common/mathd.h"
#include "common/mem.h"

#include <lbfgs.h>
#include <math.h>

void relax_init(struct relax *relax, const struct reduced *reduced)
{
    *relax = (struct relax){.reduced = reduced,
                            .gradient_frac =
                                mem_new(reduced->proto.n_sites, sizeof *relax->gradient_frac)};
    reduced_cell_init(reduced, &relax->cell);
}

void relax_done(struct relax *relax)
{
    if (!relax)
        return;
    reduced_cell_done(&relax->cell);
    neighbour_list_done(&relax->list);
    free(relax->gradient_frac);
    *relax = (struct relax){0};
}

/* d ln V / d value: 1 for every length that a logarithm stands for. */
static void add_volume_gradient(const struct reduced *reduced, double slope, double *gradient)
{
    switch (reduced->n_lattice) { /* see the parameter table in reduced.h */
    case 1:
        gradient[0] += 3 * slope;
        break;
    case 2:
        gradient[0] += 2 * slope;
        gradient[1] += slope;
        break;
    default:
        for (int i = 0; i < 3; i++)
            gradient[i] += slope;
    }
}

int relax_energy(struct relax *relax, const double *values, double *ret_energy,
                 double *ret_gradient, struct err *err)
{
    const struct reduced *reduced = relax->reduced;
    struct cell *cell = &relax->cell;
    double gradient_lattice[3][3] = {{0}}, energy = 0;
    double(*gradient_frac)[3] = ret_gradient ? relax->gradient_frac : NULL;
    relax->evaluations++;
    reduced_expand(reduced, values, cell);
    if (relax->springs) {
        energy = springs_energy(relax->springs, cell, gradient_frac, gradient_lattice);
    } else {
        int rc = neighbours_find(cell, &relax->table->cutoffs, &relax->list, err);
        if (rc)
            return rc;
        energy = pair_energy(relax->table, cell, &relax->list, gradient_frac, gradient_lattice);
    }
    double strain = reduced_log_volume(reduced, values) - relax->log_volume;
    double weight = relax->volume_weight * reduced->n_atoms;
    energy += weight * strain * strain;
    if (!isfinite(energy))
        return err_set(err, ERR_NUMERIC, "the pair energy is not finite");
    if (ret_gradient) {
        reduced_gradient(reduced, values, (const double(*)[3])gradient_frac,
                         (const double(*)[3])gradient_lattice, ret_gradient);
        add_volume_gradient(reduced, 2 * weight * strain, ret_gradient);
    }
    *ret_energy = energy;
    return 0;
}

/* ---- liblbfgs ---- */

enum { SETTLE_STEPS = 6 };

/* L-BFGS sees displacements in Angstrom from the start: y = (value - start) * scale. */
struct run {
    struct relax *relax;
    const double *start, *scale;
    double *values, *gradient; /* scratch (n) */
    double history[SETTLE_STEPS];
};

static void values_at(const struct run *run, const lbfgsfloatval_t *y)
{
    for (uint32_t i = 0; i < run->relax->reduced->n; i++)
        run->values[i] = run->start[i] + y[i] / run->scale[i];
}

/* Far above any energy of a crystal: the line search turns back. */
static const double energy_outside = 1e30;

static lbfgsfloatval_t evaluate(void *context, const lbfgsfloatval_t *y, lbfgsfloatval_t *g,
                                const int n, const lbfgsfloatval_t step)
{
    (void)n;
    (void)step;
    struct run *run = context;
    double energy;
    values_at(run, y);
    if (relax_energy(run->relax, run->values, &energy, run->gradient, NULL)) {
        for (uint32_t i = 0; i < run->relax->reduced->n; i++)
            g[i] = 0;
        return energy_outside;
    }
    for (uint32_t i = 0; i < run->relax->reduced->n; i++)
        g[i] = run->gradient[i] / run->scale[i];
    return energy;
}

static const double settled_per_atom = 1e-5; /* model units gained in SETTLE_STEPS steps */

static int progress(void *context, const lbfgsfloatval_t *y, const lbfgsfloatval_t *g,
                    const lbfgsfloatval_t energy, const lbfgsfloatval_t ynorm,
                    const lbfgsfloatval_t gnorm, const lbfgsfloatval_t step, int n, int k,
                    int ls)
{
    (void)y, (void)g, (void)ynorm, (void)gnorm, (void)step, (void)n, (void)ls;
    struct run *run = context;
    double before = run->history[k % SETTLE_STEPS];
    run->history[k % SETTLE_STEPS] = energy;
    return k > SETTLE_STEPS &&
           before - energy < settled_per_atom * run->relax->reduced->n_atoms;
}

/* Angstrom per unit of each parameter, roughly: what one unit moves an atom. */
static void scale_fill(const struct reduced *reduced, const double *values, double *scale)
{
    double length = mathd_exp(reduced_log_volume(reduced, values) / 3);
    for (uint32_t i = 0; i < reduced->n; i++)
        scale[i] = length;
}

int relax_run(struct relax *relax, double *values, double *ret_energy, struct err *err)
{
    uint32_t n = relax->reduced->n;
    double energy;
    int rc = relax_energy(relax, values, &energy, NULL, err);
    if (rc)
        return rc;
    cleanup(free_ptr) double *scratch = mem_new(4 * (size_t)n, sizeof(double));
    double *start = scratch, *scale = scratch + n;
    memcpy(start, values, n * sizeof(double));
    scale_fill(relax->reduced, values, scale);
    struct run run = {.relax = relax,
                      .start = start,
                      .scale = scale,
                      .values = scratch + 2 * n,
                      .gradient = scratch + 3 * (size_t)n};
    lbfgs_parameter_t parameters;
    lbfgs_parameter_init(&parameters);
    parameters.max_iterations = (int)relax->steps_max;
    parameters.epsilon = 1e-4;
    parameters.max_linesearch = 20;
    lbfgsfloatval_t *y = lbfgs_malloc((int)n);
    if (!y)
        return err_set(err, ERR_NUMERIC, "no memory for %u parameters", n);
    for (uint32_t i = 0; i < n; i++)
        y[i] = 0;
    /* whatever the status: y is the best point, which may be the start */
    if (relax->steps_max > 0)
        (void)lbfgs((int)n, y, NULL, evaluate, progress, &run, &parameters);
    values_at(&run, y);
    lbfgs_free(y);
    double after;
    if (relax_energy(relax, run.values, &after, NULL, NULL) == 0 && after < energy) {
        memcpy(values, run.values, n * sizeof(double));
        energy = after;
    }
    *ret_energy = energy;
    return 0;
}
