#include "workers/realize/pair_model.h"

#include "common/cleanup.h"
#include "common/mathd.h"
#include "common/mem.h"
#include "workers/crystal/elements.h"
#include "workers/realize/electronegativity.h"
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

static double radii_ratio(const struct reduced *reduced, const struct cell *cell,
                          const struct neighbour *pair)
{
    uint8_t a = cell->kind[cell->centre[pair->centre]], b = cell->kind[pair->atom];
    return pair->distance / covalent_sum(reduced->elements[a], reduced->elements[b]);
}

static void shortest_find(const struct reduced *reduced, const struct cell *cell,
                          const struct neighbour_list *list, struct shortest *shortest)
{
    for (uint32_t a = 0; a < KINDS_MAX; a++)
        for (uint32_t b = 0; b < KINDS_MAX; b++)
            shortest->any[a][b] = shortest->bonded[a][b] = HUGE_VAL;
    for (uint32_t begin = 0, end; begin < list->n; begin = end) { /* one centre */
        double nearest = HUGE_VAL;
        for (end = begin; end < list->n && list->items[end].centre == list->items[begin].centre;
             end++)
            nearest = fmin(nearest, radii_ratio(reduced, cell, &list->items[end]));
        for (uint32_t p = begin; p < end; p++) {
            const struct neighbour *pair = &list->items[p];
            uint8_t a = cell->kind[cell->centre[pair->centre]], b = cell->kind[pair->atom];
            keep_shorter(shortest->any, a, b, pair->distance);
            if (radii_ratio(reduced, cell, pair) <= bonded_ratio * nearest)
                keep_shorter(shortest->bonded, a, b, pair->distance);
        }
    }
}

static void samples_add(struct samples_list *samples, const struct reduced *reduced,
                        const struct shortest *shortest)
{
    for (uint32_t a = 0; a < reduced->n_kinds; a++)
        for (uint32_t b = a; b < reduced->n_kinds; b++) {
            bool bonded = shortest->bonded[a][b] < HUGE_VAL;
            if (shortest->any[a][b] == HUGE_VAL)
                continue;
            mem_reserve(samples->items, samples->capacity, samples->n + 1);
            samples->items[samples->n++] = (struct sample){
                .pair =
                    (uint16_t)(reduced->elements[a] * (ELEMENT_MAX + 1) + reduced->elements[b]),
                .bonded = bonded,
                .distance = bonded ? shortest->bonded[a][b] : shortest->any[a][b]};
        }
}

static void samples_add_record(struct samples_list *samples, const struct record *record,
                               struct neighbour_list *list)
{
    struct reduced reduced;
    struct cell cell;
    struct cutoffs cutoffs;
    struct shortest shortest;
    if (reduced_init(&reduced, &record->proto, ATOMS_MAX, NULL))
        return;
    reduced_cell_init(&reduced, &cell);
    cleanup(free_ptr) double *values = mem_new(reduced.n, sizeof *values);
    for (uint32_t i = 0; i < KINDS_MAX * KINDS_MAX; i++)
        cutoffs.radius[i / KINDS_MAX][i % KINDS_MAX] = look_angstrom;
    int rc = reduced_from_record(&reduced, record, values, NULL);
    if (rc == 0) {
        reduced_expand(&reduced, values, &cell);
        rc = neighbours_find(&cell, &cutoffs, list, NULL);
    }
    if (rc == 0) {
        shortest_find(&reduced, &cell, list, &shortest);
        samples_add(samples, &reduced, &shortest);
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
