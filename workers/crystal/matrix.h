/* Three by three matrices of doubles: the few operations that cells and coordinates need. */
#ifndef WYCKMILL_CRYSTAL_MATRIX_H
#define WYCKMILL_CRYSTAL_MATRIX_H

#include <math.h>
#include <stdint.h>
#include <string.h>

/* C17 does not let `double (*)[3]` pass as `const double (*)[3]`. */
#define CONST_MATRIX(m) ((const double(*)[3])(m))

static inline double matrix_determinant(const double m[3][3])
{
    return m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1]) -
           m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0]) +
           m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0]);
}

/* `m` must have a determinant that is not 0; `ret` and `m` must not overlap. */
static inline void matrix_inverse(double ret[3][3], const double m[3][3])
{
    double factor = 1 / matrix_determinant(m);
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) {
            int a = (j + 1) % 3, b = (j + 2) % 3, c = (i + 1) % 3, d = (i + 2) % 3;
            ret[i][j] = factor * (m[a][c] * m[b][d] - m[a][d] * m[b][c]);
        }
}

/* Row vector times matrix: fractional to Cartesian when the rows of `m` are a, b, c. `ret` and
 * `v` may be the same. */
static inline void matrix_row_times(double ret[3], const double v[3], const double m[3][3])
{
    double x = v[0], y = v[1], z = v[2];
    for (int k = 0; k < 3; k++)
        ret[k] = x * m[0][k] + y * m[1][k] + z * m[2][k];
}

static inline double vector_dot(const double a[3], const double b[3])
{
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

static inline double vector_norm(const double a[3])
{
    return sqrt(vector_dot(a, a));
}

/* Fractional coordinate moved into [0, 1). */
static inline double wrap_unit(double x)
{
    x -= floor(x);
    return x < 1 ? x : 0;
}

/* Fractional difference moved into [-0.5, 0.5]. */
static inline double wrap_half(double x)
{
    return x - rint(x);
}

/* For ordering fractional coordinates: cells of a millionth, 0..999999, so that rounding noise
 * does not change the order. Files give six digits and symmetry averages them in halves, thirds,
 * quarters: the cells' bounds are put beside all of these (1 / sqrt 2). */
static inline int64_t coordinate_key(double x)
{
    return (int64_t)floor(x * 1e6 + 0.29289321881345254) % 1000000;
}

#endif
