/* What holds for any periodic structure, whatever file it came from: distances, checks. */
#include "workers/crystal/structure.h"

#include "common/mem.h"
#include "workers/crystal/elements.h"
#include "workers/crystal/matrix.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

static const double overlap_angstrom = 0.5;
/* Shorter or longer cell edges are slips of unit, not crystals. */
static const double edge_min_angstrom = 0.5, edge_max_angstrom = 1000;
/* V / (a b c) below this: the three vectors lie in one plane, but for rounding. */
static const double flat_cell = 1e-5;

void structure_done(struct structure *structure)
{
    if (!structure)
        return;
    free(structure->species);
    free(structure->frac);
    free(structure->properties);
    *structure = (struct structure){0};
}

void structure_done_ptr(struct structure **structure)
{
    structure_done(*structure);
}

double structure_volume(const struct structure *structure)
{
    return fabs(matrix_determinant(structure->lattice));
}

/* ---- distances ---- */

/* Atoms in a reduced cell, where the nearest images are the adjoining ones. */
struct packed_cell {
    double lattice[3][3];
    double height[3]; /* distance of opposite faces, Angstrom */
    double (*frac)[3];
};

/* Subtract from the longest vector the combination of the other two that lies nearest to its
 * projection on their plane. Greedy reduction (Semaev 2001; Nguyen and Stehle, ACM TALG 5,
 * 46, 2009): at the end no vector can be made shorter. */
static bool reduce_longest(double lattice[3][3], int longest)
{
    const double *u = lattice[(longest + 1) % 3], *v = lattice[(longest + 2) % 3];
    double *w = lattice[longest];
    double uu = vector_dot(u, u), vv = vector_dot(v, v), uv = vector_dot(u, v);
    double wu = vector_dot(w, u), wv = vector_dot(w, v), det = uu * vv - uv * uv;
    double x = floor((wu * vv - wv * uv) / det), y = floor((wv * uu - wu * uv) / det);
    double best = vector_dot(w, w) * (1 - 1e-9), shortest[3];
    bool found = false;
    for (int i = 0; i < 4; i++) {
        double p = x + (i & 1), q = y + (i >> 1), t[3];
        for (int k = 0; k < 3; k++)
            t[k] = w[k] - p * u[k] - q * v[k];
        double tt = vector_dot(t, t);
        if (tt < best) {
            best = tt;
            memcpy(shortest, t, sizeof t);
            found = true;
        }
    }
    if (found)
        memcpy(w, shortest, sizeof shortest);
    return found;
}

static void lattice_reduce(double lattice[3][3])
{
    /* Each step shortens a vector; skew cells within the limits of structure_check need about
     * 20. The bound only guards against cells that were never checked. */
    for (int step = 0; step < 200; step++) {
        bool shorter = false;
        for (int i = 0; i < 3 && !shorter; i++)
            shorter = reduce_longest(lattice, i);
        if (!shorter)
            return;
    }
}

static void packed_cell_init(struct packed_cell *cell, const struct structure *structure)
{
    double inverse[3][3], change[3][3];
    memcpy(cell->lattice, structure->lattice, sizeof cell->lattice);
    lattice_reduce(cell->lattice);
    matrix_inverse(inverse, CONST_MATRIX(cell->lattice));
    for (int i = 0; i < 3; i++) {
        double column[3] = {inverse[0][i], inverse[1][i], inverse[2][i]};
        cell->height[i] = 1 / vector_norm(column);
        matrix_row_times(change[i], structure->lattice[i], CONST_MATRIX(inverse));
    }
    cell->frac = mem_new(structure->n_atoms, sizeof *cell->frac);
    for (uint32_t i = 0; i < structure->n_atoms; i++)
        for (int k = 0; k < 3; k++)
            cell->frac[i][k] = structure->frac[i][0] * change[0][k] +
                               structure->frac[i][1] * change[1][k] +
                               structure->frac[i][2] * change[2][k];
}

/* Smallest distance between atom i and the images of atom j that is below `limit`; `limit` when
 * there is none. The images within `limit` lie within limit / height cells. */
static double pair_distance(const struct packed_cell *cell, uint32_t i, uint32_t j,
                            double limit)
{
    double begin[3], end[3];
    for (int k = 0; k < 3; k++) {
        double d = wrap_half(cell->frac[j][k] - cell->frac[i][k]);
        double reach = limit / cell->height[k];
        begin[k] = d + ceil(-reach - d);
        end[k] = reach;
        if (begin[k] > end[k])
            return limit;
    }
    double best = limit * limit, d[3], t[3];
    for (d[0] = begin[0]; d[0] <= end[0]; d[0]++)
        for (d[1] = begin[1]; d[1] <= end[1]; d[1]++)
            for (d[2] = begin[2]; d[2] <= end[2]; d[2]++) {
                matrix_row_times(t, d, cell->lattice);
                double tt = vector_dot(t, t);
                bool itself = i == j && fabs(d[0]) + fabs(d[1]) + fabs(d[2]) < 0.5;
                if (tt < best && !itself)
                    best = tt;
            }
    return sqrt(best);
}

double structure_distance_min(const struct structure *structure)
{
    struct packed_cell cell;
    if (!(structure_volume(structure) > 0))
        return 0;
    packed_cell_init(&cell, structure);
    double best = DBL_MAX;
    for (int i = 0; i < 3; i++)
        best = fmin(best, vector_norm(cell.lattice[i]));
    for (uint32_t i = 0; i < structure->n_atoms; i++)
        for (uint32_t j = i + 1; j < structure->n_atoms; j++)
            best = pair_distance(&cell, i, j, best);
    free(cell.frac);
    return best;
}

/* ---- checks ---- */

static int check_lattice(const struct structure *structure, struct err *err)
{
    double product = 1;
    for (int i = 0; i < 3; i++) {
        double edge = vector_norm(structure->lattice[i]);
        if (!(edge >= edge_min_angstrom && edge <= edge_max_angstrom))
            return err_set(err, ERR_INVALID,
                           "cell edge %c is %.6g A long, want %g to %g (is the unit Angstrom?)",
                           'a' + i, edge, edge_min_angstrom, edge_max_angstrom);
        product *= edge;
    }
    if (!(structure_volume(structure) > flat_cell * product))
        return err_set(err, ERR_INVALID, "cell without volume: a, b and c lie in one plane");
    return 0;
}

static int check_overlap(const struct structure *structure, struct err *err)
{
    struct packed_cell cell;
    packed_cell_init(&cell, structure);
    int rc = 0;
    for (uint32_t i = 0; i < structure->n_atoms && rc == 0; i++)
        for (uint32_t j = i; j < structure->n_atoms && rc == 0; j++) {
            double distance = pair_distance(&cell, i, j, overlap_angstrom);
            if (distance < overlap_angstrom)
                rc = err_set(err, ERR_INVALID, "atoms %u (%s) and %u (%s) overlap: %.3f A",
                             i + 1, element_get(structure->species[i])->symbol, j + 1,
                             element_get(structure->species[j])->symbol, distance);
        }
    free(cell.frac);
    return rc;
}

int structure_check(const struct structure *structure, struct err *err)
{
    if (structure->n_atoms == 0)
        return err_set(err, ERR_INVALID, "no atoms");
    for (uint32_t i = 0; i < structure->n_atoms; i++) {
        if (!element_get(structure->species[i]))
            return err_set(err, ERR_INVALID, "atom %u: no element has atomic number %u", i + 1,
                           structure->species[i]);
        for (int k = 0; k < 3; k++)
            if (!isfinite(structure->frac[i][k]) || fabs(structure->frac[i][k]) > 1e6)
                return err_set(err, ERR_INVALID, "atom %u: fractional coordinate %c is %g",
                               i + 1, 'x' + k, structure->frac[i][k]);
    }
    int rc = check_lattice(structure, err);
    return rc ? rc : check_overlap(structure, err);
}
