/* Lattice points in a sphere. */
#include "workers/crystal/sphere.h"

#include <math.h>

bool triangle_from_lattice(const double (*lattice)[3], struct triangle *ret)
{
    double(*l)[3] = ret->rows;
    for (int i = 0; i < 3; i++) {
        for (int j = 0; j < 3; j++)
            l[i][j] = 0;
        for (int j = 0; j <= i; j++) {
            double sum = 0;
            for (int k = 0; k < 3; k++)
                sum += lattice[i][k] * lattice[j][k];
            for (int k = 0; k < j; k++)
                sum -= l[i][k] * l[j][k];
            if (i == j && !(sum > 0))
                return false;
            l[i][j] = i == j ? sqrt(sum) : sum / l[j][j];
        }
    }
    return true;
}

double triangle_volume(const struct triangle *triangle)
{
    return triangle->rows[0][0] * triangle->rows[1][1] * triangle->rows[2][2];
}

/* z depends on n2 alone, y on n2 and n1: each index has an exact range given the ones before.
 */
void triangle_each(const struct triangle *triangle, const double offset[3], double radius,
                   triangle_visit *visit, void *context)
{
    const double(*l)[3] = triangle->rows;
    const double limit = radius * radius, w2 = radius / l[2][2];
    for (int n2 = (int)ceil(-w2 - offset[2]); n2 <= floor(w2 - offset[2]); n2++) {
        const double u2 = n2 + offset[2], z = u2 * l[2][2], y2 = u2 * l[2][1];
        const double w1 = sqrt(fmax(0, limit - z * z)) / l[1][1];
        const double o1 = offset[1] + y2 / l[1][1];
        for (int n1 = (int)ceil(-w1 - o1); n1 <= floor(w1 - o1); n1++) {
            const double u1 = n1 + offset[1], y = u1 * l[1][1] + y2, yz = y * y + z * z;
            const double x1 = u1 * l[1][0] + u2 * l[2][0];
            const double w0 = sqrt(fmax(0, limit - yz)) / l[0][0];
            const double o0 = offset[0] + x1 / l[0][0];
            for (int n0 = (int)ceil(-w0 - o0); n0 <= floor(w0 - o0); n0++) {
                const double x = (n0 + offset[0]) * l[0][0] + x1;
                visit(context, (const int[3]){n0, n1, n2}, x * x + yz);
            }
        }
    }
}

void offset_between(const struct structure *s, uint32_t i, uint32_t j, double ret[3])
{
    for (int k = 0; k < 3; k++) {
        double d = s->frac[j][k] - s->frac[i][k];
        ret[k] = d - rint(d);
    }
}

static void keep_shortest(void *context, const int n[3], double square)
{
    (void)n;
    double *shortest = context;
    if (square > 1e-12 && square < *shortest) /* 1e-6 Angstrom: the atom itself */
        *shortest = square;
}

double distance_between(const struct structure *s, const struct triangle *triangle, uint32_t i,
                        uint32_t j)
{
    const double(*l)[3] = triangle->rows;
    double offset[3], shortest = HUGE_VAL, bound = 0;
    offset_between(s, i, j, offset);
    for (int k = 0; k < 3; k++) { /* the image at hand bounds the search; itself: a row does */
        double x = 0;
        for (int m = k; m < 3; m++)
            x += (i == j ? m == 0 : offset[m]) * l[m][k];
        bound += x * x;
    }
    triangle_each(triangle, offset, sqrt(bound) * (1 + 1e-9) + 1e-5, keep_shortest, &shortest);
    return sqrt(shortest);
}
