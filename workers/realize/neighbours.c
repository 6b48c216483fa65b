/* Images are enumerated row by row (Fincke and Pohst, Math. Comp. 44, 463, 1985): with lower
 * triangular lattice rows z depends on the third coordinate only, y on the last two, so the
 * range of each index follows from what is left of the sphere and no image outside is visited.
 */
#include "workers/realize/neighbours.h"

#include "common/mem.h"

#include <math.h>
#include <stdbool.h>

/* One centre and one atom of the cell, and the sphere around the centre. */
struct search {
    const struct cell *cell;
    uint32_t centre, atom;
    double shift[3]; /* frac[atom] - frac[centre atom] */
    double radius2;
    struct neighbour_list *list;
};

static int add(const struct search *s, const int32_t image[3], const double cart[3],
               double radius2, struct err *err)
{
    struct neighbour_list *list = s->list;
    if (list->n >= NEIGHBOURS_MAX)
        return err_set(err, ERR_LIMIT, "more than %d neighbours: the cell is too small",
                       NEIGHBOURS_MAX);
    mem_reserve(list->items, list->capacity, list->n + 1);
    list->items[list->n++] = (struct neighbour){.centre = s->centre,
                                                .atom = s->atom,
                                                .image = {image[0], image[1], image[2]},
                                                .cart = {cart[0], cart[1], cart[2]},
                                                .distance = sqrt(radius2)};
    return 0;
}

/* Smallest and largest integer n with |(shift + n) length + offset| <= reach. */
static void image_range(double shift, double length, double offset, double reach,
                        int32_t *ret_first, int32_t *ret_last)
{
    *ret_first = (int32_t)ceil((-reach - offset) / length - shift);
    *ret_last = (int32_t)floor((reach - offset) / length - shift);
}

static int search_row(const struct search *s, int32_t n2, int32_t n3, double y, double z,
                      struct err *err)
{
    const double(*lattice)[3] = (const double(*)[3])s->cell->lattice;
    double left2 = s->radius2 - y * y - z * z;
    if (left2 < 0)
        return 0;
    double offset = (s->shift[1] + n2) * lattice[1][0] + (s->shift[2] + n3) * lattice[2][0];
    int32_t first, last;
    image_range(s->shift[0], lattice[0][0], offset, sqrt(left2), &first, &last);
    for (int32_t n1 = first; n1 <= last; n1++) {
        bool itself = s->atom == s->cell->centre[s->centre] && !n1 && !n2 && !n3;
        if (itself)
            continue;
        double x = (s->shift[0] + n1) * lattice[0][0] + offset;
        double distance2 = x * x + y * y + z * z;
        if (distance2 > s->radius2)
            continue;
        int rc = add(s, (int32_t[3]){n1, n2, n3}, (double[3]){x, y, z}, distance2, err);
        if (rc)
            return rc;
    }
    return 0;
}

static int search_sphere(const struct search *s, struct err *err)
{
    const double(*lattice)[3] = (const double(*)[3])s->cell->lattice;
    int32_t first3, last3, first2, last2;
    image_range(s->shift[2], lattice[2][2], 0, sqrt(s->radius2), &first3, &last3);
    for (int32_t n3 = first3; n3 <= last3; n3++) {
        double z = (s->shift[2] + n3) * lattice[2][2];
        double left2 = s->radius2 - z * z;
        if (left2 < 0)
            continue;
        double offset = (s->shift[2] + n3) * lattice[2][1];
        image_range(s->shift[1], lattice[1][1], offset, sqrt(left2), &first2, &last2);
        for (int32_t n2 = first2; n2 <= last2; n2++) {
            double y = (s->shift[1] + n2) * lattice[1][1] + offset;
            int rc = search_row(s, n2, n3, y, z, err);
            if (rc)
                return rc;
        }
    }
    return 0;
}

/* Outside of these a relaxation has lost its crystal; they also bound the integers of
 * image_range. */
static const double length_min_angstrom = 0.3, length_max_angstrom = 1e4, shift_max = 1e3;

static int cell_check(const struct cell *cell, struct err *err)
{
    for (int i = 0; i < 3; i++) {
        double length = cell->lattice[i][i];
        if (!(length >= length_min_angstrom && length <= length_max_angstrom))
            return err_set(err, ERR_NUMERIC, "cell height %g Angstrom along axis %d", length,
                           i + 1);
        for (int j = 0; j < i; j++)
            if (!(fabs(cell->lattice[i][j]) <= length_max_angstrom))
                return err_set(err, ERR_NUMERIC, "cell is sheared by %g Angstrom",
                               cell->lattice[i][j]);
    }
    return 0;
}

int neighbours_find(const struct cell *cell, const struct cutoffs *cutoffs,
                    struct neighbour_list *list, struct err *err)
{
    list->n = 0;
    int rc = cell_check(cell, err);
    for (uint32_t c = 0; c < cell->n_centres && !rc; c++) {
        uint32_t i = cell->centre[c];
        for (uint32_t j = 0; j < cell->n_atoms && !rc; j++) {
            double radius = cutoffs->radius[cell->kind[i]][cell->kind[j]];
            if (radius <= 0)
                continue;
            struct search s = {cell, c, j, {0}, radius * radius, list};
            for (int k = 0; k < 3; k++)
                s.shift[k] = cell->frac[j][k] - cell->frac[i][k];
            for (int k = 0; k < 3 && !rc; k++)
                if (!(fabs(s.shift[k]) <= shift_max))
                    rc = err_set(err, ERR_NUMERIC, "atoms %u and %u are %g cells apart", i, j,
                                 s.shift[k]);
            if (!rc)
                rc = search_sphere(&s, err);
        }
    }
    return rc;
}

void neighbours_update(const struct cell *cell, struct neighbour_list *list)
{
    for (uint32_t p = 0; p < list->n; p++) {
        struct neighbour *pair = &list->items[p];
        const double *from = cell->frac[cell->centre[pair->centre]];
        const double *to = cell->frac[pair->atom];
        double sum2 = 0;
        for (int k = 0; k < 3; k++)
            pair->cart[k] = 0;
        for (int l = 0; l < 3; l++) {
            double shift = to[l] + pair->image[l] - from[l];
            for (int k = 0; k <= l; k++)
                pair->cart[k] += shift * cell->lattice[l][k];
        }
        for (int k = 0; k < 3; k++)
            sum2 += pair->cart[k] * pair->cart[k];
        pair->distance = sqrt(sum2);
    }
}

/* dE/dfrac_l = sum over k of lattice[l][k] dE/dcart_k; last row first, so it works in place. */
static void frac_from_cart(const struct cell *cell, double gradient[3])
{
    for (int l = 2; l >= 0; l--) {
        double sum = 0;
        for (int k = 0; k <= l; k++)
            sum += cell->lattice[l][k] * gradient[k];
        gradient[l] = sum;
    }
}

static const double distance_floor_angstrom = 1e-6; /* two atoms in one place: no direction */

double neighbours_sum(const struct cell *cell, const struct neighbour_list *list,
                      double (*gradient_frac)[3], double gradient_lattice[3][3])
{
    double energy = 0;
    if (gradient_frac) {
        for (uint32_t c = 0; c < cell->n_centres; c++)
            for (int k = 0; k < 3; k++)
                gradient_frac[c][k] = 0;
        for (int k = 0; k < 9; k++)
            gradient_lattice[k / 3][k % 3] = 0;
    }
    for (uint32_t p = 0; p < list->n; p++) {
        const struct neighbour *pair = &list->items[p];
        double weight = cell->weight[pair->centre];
        energy += 0.5 * weight * pair->energy;
        if (!gradient_frac)
            continue;
        const double *from = cell->frac[cell->centre[pair->centre]];
        const double *to = cell->frac[pair->atom];
        double pull = weight * pair->slope / fmax(pair->distance, distance_floor_angstrom);
        for (int k = 0; k < 3; k++) {
            gradient_frac[pair->centre][k] -= pull * pair->cart[k];
            for (int l = k; l < 3; l++)
                gradient_lattice[l][k] +=
                    0.5 * pull * pair->cart[k] * (to[l] + pair->image[l] - from[l]);
        }
    }
    if (gradient_frac)
        for (uint32_t c = 0; c < cell->n_centres; c++)
            frac_from_cart(cell, gradient_frac[c]);
    return energy;
}

void neighbour_list_done(struct neighbour_list *list)
{
    if (!list)
        return;
    free(list->items);
    *list = (struct neighbour_list){0};
}
