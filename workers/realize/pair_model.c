#include "workers/realize/pair_model.h"

#include "common/cleanup.h"
#include "common/mathd.h"
#include "common/mem.h"
#include "workers/crystal/elements.h"
#include "workers/realize/reduced.h"
#include "workers/realize/ridge.h"

#include <math.h>

/* ---- what the records say ---- */

/* The shortest distance of one pair of elements in one record. */
struct sample {
    uint16_t pair; /* a * (ELEMENT_MAX + 1) + b, a <= b */
    bool bonded;
    double distance;
};

struct samples_list {
    size_t n, capacity;
    struct sample *items;
};

enum { PAIRS = (ELEMENT_MAX + 1) * (ELEMENT_MAX + 1) };

static const double look_angstrom = 6.0; /* neighbours farther away say nothing about size */
/* A neighbour is bonded when its distance, over the sum of covalent radii, is at most this many
 * times that of the nearest one: the gap behind the first shell is wider in nearly all types.
 */
static const double bonded_ratio = 1.2;

static double covalent_sum(int a, int b)
{
    return element_get(a)->radius_covalent + element_get(b)->radius_covalent;
}

struct shortest {
    double any[KINDS_MAX][KINDS_MAX], bonded[KINDS_MAX][KINDS_MAX];
};

static void keep_shorter(double table[KINDS_MAX][KINDS_MAX], uint8_t a, uint8_t b, double value)
{
    if (value < table[a][b])
        table[a][b] = table[b][a] = value;
}

static void shortest_find(const struct reduced *reduced, const struct cell *cell,
                          const struct neighbour_list *list, struct shortest *shortest)
{
    for (uint32_t a = 0; a < KINDS_MAX; a++)
        for (uint32_t b = 0; b < KINDS_MAX; b++)
            shortest->any[a][b] = shortest->bonded[a][b] = HUGE_VAL;
    uint32_t begin = 0;
    for (uint32_t c = 0; c < cell->n_centres; c++) {
        uint32_t end = begin;
        double nearest = HUGE_VAL;
        uint8_t a = cell->kind[cell->centre[c]];
        for (; end < list->n && list->items[end].centre == c; end++) {
            uint8_t b = cell->kind[list->items[end].atom];
            nearest =
                fmin(nearest, list->items[end].distance /
                                  covalent_sum(reduced->elements[a], reduced->elements[b]));
        }
        for (uint32_t p = begin; p < end; p++) {
            uint8_t b = cell->kind[list->items[p].atom];
            double distance = list->items[p].distance;
            keep_shorter(shortest->any, a, b, distance);
            if (distance <= bonded_ratio * nearest *
                                covalent_sum(reduced->elements[a], reduced->elements[b]))
                keep_shorter(shortest->bonded, a, b, distance);
        }
        begin = end;
    }
}

static void samples_add_record(struct samples_list *samples, const struct record *record,
                               struct neighbour_list *list)
{
    struct reduced reduced;
    if (reduced_init(&reduced, &record->proto, ATOMS_MAX, NULL))
        return;
    struct cell cell;
    reduced_cell_init(&reduced, &cell);
    cleanup(free_ptr) double *values = mem_new(reduced.n, sizeof *values);
    struct cutoffs cutoffs;
    for (uint32_t i = 0; i < KINDS_MAX * KINDS_MAX; i++)
        cutoffs.radius[i / KINDS_MAX][i % KINDS_MAX] = look_angstrom;
    if (reduced_from_record(&reduced, record, values, NULL) == 0) {
        reduced_expand(&reduced, values, &cell);
        if (neighbours_find(&cell, &cutoffs, list, NULL) == 0) {
            struct shortest shortest;
            shortest_find(&reduced, &cell, list, &shortest);
            for (uint32_t a = 0; a < reduced.n_kinds; a++)
                for (uint32_t b = a; b < reduced.n_kinds; b++) {
                    bool bonded = shortest.bonded[a][b] < HUGE_VAL;
                    if (shortest.any[a][b] == HUGE_VAL)
                        continue;
                    mem_reserve(samples->items, samples->capacity, samples->n + 1);
                    samples->items[samples->n++] = (struct sample){
                        .pair = (uint16_t)(reduced.elements[a] * (ELEMENT_MAX + 1) +
                                           reduced.elements[b]),
                        .bonded = bonded,
                        .distance = bonded ? shortest.bonded[a][b] : shortest.any[a][b]};
                }
        }
    }
    reduced_cell_done(&cell);
    reduced_done(&reduced);
}

static int compare_samples(const void *a, const void *b)
{
    const struct sample *x = a, *y = b;
    if (x->pair != y->pair)
        return x->pair < y->pair ? -1 : 1;
    if (x->bonded != y->bonded)
        return x->bonded ? -1 : 1;
    return x->distance < y->distance ? -1 : x->distance > y->distance;
}

/* ---- one pair of elements ---- */
struct pair_data {
    uint32_t n_bonded, n_apart;
    double bond, contact; /* quantiles; 0 without data */
};

static const double contact_quantile = 0.2; /* low: repulsion begins where few dare to be */

static void pairs_collect(const struct samples_list *samples, struct pair_data *pairs)
{
    for (size_t begin = 0, end; begin < samples->n; begin = end) {
        const struct sample *first = &samples->items[begin];
        for (end = begin; end < samples->n && samples->items[end].pair == first->pair &&
                          samples->items[end].bonded == first->bonded;)
            end++;
        struct pair_data *pair = &pairs[first->pair];
        size_t n = end - begin;
        if (first->bonded) {
            pair->n_bonded = (uint32_t)n;
            pair->bond = samples->items[begin + n / 2].distance;
        } else {
            pair->n_apart = (uint32_t)n;
            pair->contact =
                samples->items[begin + (size_t)(contact_quantile * (double)n)].distance;
        }
    }
}

/* ---- radii, for pairs without data ---- */

/* bond = r_a + r_b - k |difference of electronegativity| (Schomaker and Stevenson, JACS 63, 37,
 * 1941, where k = 0.09 Angstrom); contact = s_a + s_b. */
struct radii {
    double bond[ELEMENT_MAX + 2]; /* last: k */
    double contact[ELEMENT_MAX + 1];
};

static double electronegativity(int z)
{
    double value = element_get(z)->electronegativity;
    return value > 0 ? value : 2.2; /* none tabulated: neither giver nor taker */
}

static const double sample_count_max = 20; /* a pair with more data weighs no more than this */
static const double apart_ratio = 1.7; /* contact radius over covalent radius, before data */

static void radii_fit(const struct pair_data *pairs, struct radii *radii)
{
    struct ridge bond, contact;
    ridge_init(&bond, ELEMENT_MAX + 2);
    ridge_init(&contact, ELEMENT_MAX + 1);
    for (uint32_t a = 1; a <= ELEMENT_MAX; a++)
        for (uint32_t b = a; b <= ELEMENT_MAX; b++) {
            const struct pair_data *pair = &pairs[a * (ELEMENT_MAX + 1) + b];
            double difference = fabs(electronegativity((int)a) - electronegativity((int)b));
            struct ridge_entry row[3] = {{a, 1}, {b, 1}, {ELEMENT_MAX + 1, -difference}};
            if (pair->n_bonded)
                ridge_row(&bond, row, 3, pair->bond, fmin(pair->n_bonded, sample_count_max));
            if (pair->n_apart)
                ridge_row(&contact, row, 2, pair->contact,
                          fmin(pair->n_apart, sample_count_max));
        }
    ridge_prior(&bond, 0, 0, 1);
    ridge_prior(&contact, 0, 0, 1);
    for (uint32_t z = 1; z <= ELEMENT_MAX; z++) {
        double radius = element_get((int)z)->radius_covalent;
        ridge_prior(&bond, z, radius, 1);
        ridge_prior(&contact, z, apart_ratio * radius, 1);
    }
    ridge_prior(&bond, ELEMENT_MAX + 1, 0.09, 1);
    ridge_solve(&bond, radii->bond);
    ridge_solve(&contact, radii->contact);
    ridge_done(&bond);
    ridge_done(&contact);
}

/* Mean of data and prior, the prior counting as `strength` observations. */
static double shrink(double value, double n, double prior, double strength)
{
    return (n * value + strength * prior) / (n + strength);
}

static const double distance_min_angstrom = 0.7; /* H-H; no pair is closer */

static void model_fill(struct pair_model *model, const struct pair_data *pairs,
                       const struct radii *radii)
{
    for (int a = 1; a <= ELEMENT_MAX; a++)
        for (int b = a; b <= ELEMENT_MAX; b++) {
            const struct pair_data *pair = &pairs[a * (ELEMENT_MAX + 1) + b];
            double difference = fabs(electronegativity(a) - electronegativity(b));
            double bond =
                radii->bond[a] + radii->bond[b] - radii->bond[ELEMENT_MAX + 1] * difference;
            double contact = radii->contact[a] + radii->contact[b];
            bond = shrink(pair->bond, pair->n_bonded, fmax(bond, distance_min_angstrom), 1);
            contact = shrink(pair->contact, pair->n_apart, fmax(contact, bond), 1);
            double n = (double)pair->n_bonded + pair->n_apart;
            double affinity =
                shrink(n > 0 ? pair->n_bonded / n : 0, n, fmin(1, 0.5 + 0.5 * difference), 2);
            model->bond[a][b] = model->bond[b][a] = bond;
            model->contact[a][b] = model->contact[b][a] = contact;
            model->affinity[a][b] = model->affinity[b][a] = affinity;
        }
}

struct pair_model *pair_model_new(const struct dataset *dataset)
{
    struct samples_list samples = {0};
    struct neighbour_list list = {0};
    for (uint32_t r = 0; r < dataset->n_records; r++)
        if (dataset->splits[r] == SPLIT_TRAIN)
            samples_add_record(&samples, &dataset->records[r], &list);
    neighbour_list_done(&list);
    if (samples.n > 0)
        qsort(samples.items, samples.n, sizeof *samples.items, compare_samples);
    cleanup(free_ptr) struct pair_data *pairs = mem_new(PAIRS, sizeof *pairs);
    pairs_collect(&samples, pairs);
    free(samples.items);
    struct radii radii;
    radii_fit(pairs, &radii);
    struct pair_model *model = mem_new(1, sizeof *model);
    model_fill(model, pairs, &radii);
    return model;
}

/* ---- the energy ---- */

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
