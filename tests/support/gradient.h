/* Gradient checks by central differences, for float32 layers.
 *
 * A check compares backward with (f(x + h) - f(x - h)) / 2h where f = sum of r y over all
 * outputs, in double. With h = 1/64 and values of order one the difference has a truncation
 * error of about h^2/6 f''' ~ 4e-5 and a rounding error of about n^(1/2) 1e-7 / h ~ 3e-5 for n
 * = 20 terms: 1e-3 (1 + |g|) is far above both and far below any wrong factor or index. */
#ifndef WYCKMILL_TESTS_SUPPORT_GRADIENT_H
#define WYCKMILL_TESTS_SUPPORT_GRADIENT_H

#include "tests/support/cmocka.h"

#include "common/rng.h"

#include <math.h>

static const float gradient_step = 0x1p-6f;
static const double gradient_tolerance = 1e-3;

__attribute__((unused)) static void fill_normal(float *x, size_t n, uint32_t item)
{
    struct rng rng = rng_stream(12345, item, 0, 0);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)rng_normal(&rng);
}

__attribute__((unused)) static double dot(const float *a, const float *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

/* Does gradient (n) hold df/dx for f evaluated by `f(context)` on the array x (n)? */
__attribute__((unused)) static void check_gradient(const char *what, double (*f)(void *context),
                                                   void *context, float *x,
                                                   const float *gradient, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float kept = x[i];
        x[i] = kept + gradient_step;
        double up = f(context);
        x[i] = kept - gradient_step;
        double down = f(context);
        x[i] = kept;
        double want = (up - down) / (2 * (double)gradient_step);
        if (!(fabs(want - (double)gradient[i]) <= gradient_tolerance * (1 + fabs(want))))
            fail_msg("%s[%zu]: backward gives %.6g, differences give %.6g", what, i,
                     (double)gradient[i], want);
    }
}

#endif
