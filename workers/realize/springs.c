#include "workers/realize/springs.h"

#include "common/cleanup.h"
#include "common/mathd.h"
#include "common/mem.h"

#include <math.h>

/* Tuned on held-out records (bench realize): RMSE 0.0283 without springs, 0.0255 with them,
 * flat within +-0.001 for half and twice of each. */
static const double reach_ratio = 1.9;   /* of the bond length: first and second shell */
static const double near_ratio = 1.35;   /* the first shell ends about here */
static const double near_steepness = 8;  /* of the transition between the shells */
static const double bond_trust = 0.6;    /* bond ratios are noisy; 0: scale all alike */
static const double stiffness_power = 4; /* stiffness falls with this power of distance */

/* Element of each atom in the template. */
static uint8_t *template_elements(const struct reduced *reduced,
                                  const struct template_match *match)
{
    uint8_t *elements = mem_new(reduced->n_atoms, 1);
    for (uint32_t s = 0; s < reduced->proto.n_sites; s++)
        for (uint32_t k = 0; k < reduced->positions[s]->multiplicity; k++)
            elements[reduced->atom_first[s] + k] =
                match->record->proto.sites[match->site[s]].element;
    return elements;
}

static void neighbours_around(const struct reduced *reduced, const struct cell *cell,
                              const uint8_t *there, const struct pair_model *model,
                              struct cutoffs *cutoffs)
{
    *cutoffs = (struct cutoffs){0};
    for (uint32_t i = 0; i < reduced->n_atoms; i++)
        for (uint32_t j = 0; j < reduced->n_atoms; j++) {
            double *radius = &cutoffs->radius[cell->kind[i]][cell->kind[j]];
            *radius = fmax(*radius, reach_ratio * model->bond[there[i]][there[j]]);
        }
}

/* Near pairs follow their own bond, far ones the lattice as a whole. */
static void spring_make(const struct neighbour *pair, double before, double after, double scale,
                        double *ret_length, double *ret_stiffness)
{
    double x = pair->distance / before;
    double near = 1 / (1 + mathd_exp(near_steepness * (x - near_ratio)));
    *ret_length = pair->distance * scale * mathd_pow(after / before / scale, bond_trust * near);
    /* 0.5: overlapping atoms of a bad template get no infinite spring */
    *ret_stiffness = x < reach_ratio ? mathd_pow(fmax(x, 0.5), -stiffness_power) : 0;
}

int springs_init(struct springs *springs, const struct reduced *reduced, const double *values,
                 const struct template_match *match, const struct pair_model *model,
                 double scale, struct err *err)
{
    *springs = (struct springs){0};
    struct cutoffs cutoffs;
    struct cell cell;
    cleanup(free_ptr) uint8_t *there = template_elements(reduced, match);
    reduced_cell_init(reduced, &cell);
    reduced_expand(reduced, values, &cell);
    neighbours_around(reduced, &cell, there, model, &cutoffs);
    int rc = neighbours_find(&cell, &cutoffs, &springs->list, err);
    springs->length = mem_new(springs->list.n, sizeof(double));
    springs->stiffness = mem_new(springs->list.n, sizeof(double));
    for (uint32_t p = 0; p < springs->list.n && !rc; p++) {
        const struct neighbour *pair = &springs->list.items[p];
        uint32_t i = cell.centre[pair->centre], j = pair->atom;
        uint8_t a = reduced->elements[cell.kind[i]], b = reduced->elements[cell.kind[j]];
        spring_make(pair, model->bond[there[i]][there[j]], model->bond[a][b], scale,
                    &springs->length[p], &springs->stiffness[p]);
    }
    reduced_cell_done(&cell);
    return rc;
}

void springs_done(struct springs *springs)
{
    if (!springs)
        return;
    neighbour_list_done(&springs->list);
    free(springs->length);
    free(springs->stiffness);
    *springs = (struct springs){0};
}

double springs_energy(struct springs *springs, const struct cell *cell,
                      double (*gradient_frac)[3], double gradient_lattice[3][3])
{
    neighbours_update(cell, &springs->list);
    for (uint32_t p = 0; p < springs->list.n; p++) {
        struct neighbour *pair = &springs->list.items[p];
        double strain = pair->distance / springs->length[p] - 1;
        pair->energy = springs->stiffness[p] * strain * strain;
        pair->slope = 2 * springs->stiffness[p] * strain / springs->length[p];
    }
    return neighbours_sum(cell, &springs->list, gradient_frac, gradient_lattice);
}
