/* Conventional lattices: cell parameters to rows and back, and what the crystal system leaves
 * free. Formulas: International Tables for Crystallography vol. B, sec. 1.1; angles of 60, 90
 * and 120 degrees are exact so that symmetric cells stay symmetric to the last bit. */
#include "workers/crystal/wyckoff.h"

#include "common/mathd.h"

#include <math.h>

/* One row per crystal system: how many parameters are free and how the six are tied. */
static const struct {
    char system;
    const char *name; /* of the trigonal groups: "trigonal" */
    int dof;
    int8_t length_of[3]; /* lengths with the same number are equal */
    double angles[3];    /* fixed angle in degrees, 0 = free */
} systems[] = {
    {'c', "cubic", 1, {0, 0, 0}, {90, 90, 90}},
    {'h', "hexagonal", 2, {0, 0, 2}, {90, 90, 120}},
    {'t', "tetragonal", 2, {0, 0, 2}, {90, 90, 90}},
    {'o', "orthorhombic", 3, {0, 1, 2}, {90, 90, 90}},
    {'m', "monoclinic", 4, {0, 1, 2}, {90, 0, 90}},
    {'a', "triclinic", 6, {0, 1, 2}, {0, 0, 0}},
};

static size_t system_index(const struct spacegroup *group)
{
    size_t i = 0;
    while (i + 1 < sizeof systems / sizeof systems[0] &&
           systems[i].system != group->crystal_system)
        i++;
    return i;
}

int lattice_dof(const struct spacegroup *group)
{
    return systems[system_index(group)].dof;
}

const char *spacegroup_system_name(const struct spacegroup *group)
{
    if (group->trigonal)
        return "trigonal";
    return systems[system_index(group)].name;
}

static double cos_degrees(double angle)
{
    if (angle == 90)
        return 0;
    if (angle == 60)
        return 0.5;
    if (angle == 120)
        return -0.5;
    return mathd_cos(angle * (MATHD_PI / 180));
}

static double acos_degrees(double cosine)
{
    if (cosine == 0)
        return 90;
    if (cosine == 0.5)
        return 60;
    if (cosine == -0.5)
        return 120;
    return mathd_acos(fmax(-1, fmin(1, cosine))) * (180 / MATHD_PI);
}

/* sin^2 gamma - cos^2 alpha - cos^2 beta + 2 cos alpha cos beta cos gamma = (V / abc)^2 */
int lattice_from_cell(const double cell[6], double ret_lattice[3][3], struct err *err)
{
    static const char *const names[6] = {"a", "b", "c", "alpha", "beta", "gamma"};
    for (int i = 0; i < 6; i++)
        if (!isfinite(cell[i]) || cell[i] <= 0 || (i >= 3 && cell[i] >= 180))
            return err_set(err, ERR_NUMERIC, "cell parameter %s = %g %s", names[i], cell[i],
                           i < 3 ? "is no length" : "is no angle between 0 and 180 degrees");
    double ca = cos_degrees(cell[3]), cb = cos_degrees(cell[4]), cg = cos_degrees(cell[5]);
    double sg2 = 1 - cg * cg, w2 = sg2 - ca * ca - cb * cb + 2 * ca * cb * cg;
    /* 1e-8: a cell flatter than 1e-4 of its edges, no crystal */
    if (w2 < 1e-8)
        return err_set(err, ERR_NUMERIC,
                       "angles %g, %g, %g degrees do not span a cell with volume", cell[3],
                       cell[4], cell[5]);
    double sg = sqrt(sg2);
    double rows[3][3] = {
        {cell[0], 0, 0},
        {cell[1] * cg, cell[1] * sg, 0},
        {cell[2] * cb, cell[2] * (ca - cb * cg) / sg, cell[2] * sqrt(w2) / sg}};
    for (int i = 0; i < 9; i++)
        ret_lattice[i / 3][i % 3] = rows[i / 3][i % 3];
    return 0;
}

static double dot(const double a[3], const double b[3])
{
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

void cell_from_lattice(const double lattice[3][3], double ret_cell[6])
{
    for (int i = 0; i < 3; i++)
        ret_cell[i] = sqrt(dot(lattice[i], lattice[i]));
    for (int i = 0; i < 3; i++) {
        int j = (i + 1) % 3, k = (i + 2) % 3;
        ret_cell[3 + i] =
            acos_degrees(dot(lattice[j], lattice[k]) / (ret_cell[j] * ret_cell[k]));
    }
}

void cell_symmetrize(const struct spacegroup *group, double cell[6])
{
    size_t s = system_index(group);
    double mean[3];
    for (int i = 0; i < 3; i++) {
        double sum = 0;
        int n = 0;
        for (int j = 0; j < 3; j++)
            if (systems[s].length_of[j] == systems[s].length_of[i]) {
                sum += cell[j];
                n++;
            }
        mean[i] = sum / n;
    }
    for (int i = 0; i < 3; i++) {
        cell[i] = mean[i];
        if (systems[s].angles[i] > 0)
            cell[3 + i] = systems[s].angles[i];
    }
}

double lattice_volume(const double lattice[3][3])
{
    const double *a = lattice[0], *b = lattice[1], *c = lattice[2];
    return fabs(a[0] * (b[1] * c[2] - b[2] * c[1]) + a[1] * (b[2] * c[0] - b[0] * c[2]) +
                a[2] * (b[0] * c[1] - b[1] * c[0]));
}
