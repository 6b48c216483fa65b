/* The pair energy of one composition. */
#include "common/mathd.h"
#include "workers/realize/electronegativity.h"
#include "workers/realize/pair_model.h"

#include <math.h>

static const double morse_steepness = 7;
static const double cutoff_ratio = 2.2;  /* of the bond length */
static const double switch_ratio = 1.6;  /* the well begins to fade here */
static const double charge_scale = 0.4;  /* difference of electronegativity that makes an ion */
static const double repulsion_depth = 8; /* energy at half the contact distance: 1/8 of it */

/* How much an element is a cation (+) or an anion (-) in this company, -1..1. */
static double charge_sign(double own, double mean)
{
    return fmax(-1, fmin(1, (mean - own) / charge_scale));
}

static struct pair_term term_make(const struct pair_model *model, int a, int b, double mean)
{
    double like =
        charge_sign(electronegativity(a), mean) * charge_sign(electronegativity(b), mean);
    struct pair_term term = {.bond = model->bond[a][b],
                             .contact = model->contact[a][b],
                             .attracted = model->affinity[a][b] * (1 - fmax(0, like))};
    term.cutoff = fmax(cutoff_ratio * term.bond, term.contact);
    return term;
}

void pair_table_init(struct pair_table *table, const struct pair_model *model,
                     const uint8_t *elements, const double *counts, uint32_t n_kinds)
{
    double sum = 0, total = 0;
    for (uint32_t k = 0; k < n_kinds; k++) {
        sum += counts[k] * electronegativity(elements[k]);
        total += counts[k];
    }
    *table = (struct pair_table){.n_kinds = n_kinds};
    for (uint32_t a = 0; a < n_kinds; a++)
        for (uint32_t b = 0; b < n_kinds; b++) {
            table->terms[a][b] = term_make(model, elements[a], elements[b], sum / total);
            table->cutoffs.radius[a][b] = table->terms[a][b].cutoff;
        }
}

/* 1 below `begin`, 0 above `end`, with two continuous derivatives: 1 - t^3 (10 - 15 t + 6 t^2)
 */
static double fade(double x, double begin, double end, double *ret_slope)
{
    if (x <= begin || x >= end) {
        *ret_slope = 0;
        return x <= begin ? 1 : 0;
    }
    double t = (x - begin) / (end - begin);
    *ret_slope = -30 * t * t * (1 - t) * (1 - t) / (end - begin);
    return 1 - t * t * t * (10 - 15 * t + 6 * t * t);
}

/* Morse (Phys. Rev. 34, 57, 1929): finite at distance 0, so overlapping starts can be relaxed.
 * `attracted` scales its attractive half; the repulsive core is the same for all pairs. */
static double well(double x, double attracted, double *ret_slope)
{
    double fade_slope, weight = fade(x, switch_ratio, cutoff_ratio, &fade_slope);
    double e = mathd_exp(-morse_steepness * (x - 1));
    double energy = e * (e - 2 * attracted), slope = -2 * morse_steepness * e * (e - attracted);
    *ret_slope = slope * weight + energy * fade_slope;
    return energy * weight;
}

static double wall(double x, double *ret_slope)
{
    double t = fmax(0, 1 - x);
    *ret_slope = -3 * repulsion_depth * t * t;
    return repulsion_depth * t * t * t;
}

double pair_term_energy(const struct pair_term *term, double distance, double *ret_slope)
{
    double well_slope, wall_slope, apart = 1 - term->attracted;
    double energy = well(distance / term->bond, term->attracted, &well_slope);
    energy += apart * wall(distance / term->contact, &wall_slope);
    if (ret_slope)
        *ret_slope = well_slope / term->bond + apart * wall_slope / term->contact;
    return energy;
}

double pair_energy(const struct pair_table *table, const struct cell *cell,
                   struct neighbour_list *list, double (*gradient_frac)[3],
                   double gradient_lattice[3][3])
{
    for (uint32_t p = 0; p < list->n; p++) {
        struct neighbour *pair = &list->items[p];
        uint8_t a = cell->kind[cell->centre[pair->centre]], b = cell->kind[pair->atom];
        pair->energy = pair_term_energy(&table->terms[a][b], pair->distance, &pair->slope);
    }
    return neighbours_sum(cell, list, gradient_frac, gradient_lattice);
}
