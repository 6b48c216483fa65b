#include "workers/realize/ridge.h"

#include "common/mem.h"

#include <assert.h>
#include <math.h>

void ridge_init(struct ridge *ridge, uint32_t n)
{
    *ridge = (struct ridge){.n = n,
                            .matrix = mem_new((size_t)n * n, sizeof(double)),
                            .right = mem_new(n, sizeof(double))};
}

void ridge_done(struct ridge *ridge)
{
    if (!ridge)
        return;
    free(ridge->matrix);
    free(ridge->right);
    *ridge = (struct ridge){0};
}

void ridge_row(struct ridge *ridge, const struct ridge_entry *entries, uint32_t n,
               double target, double weight)
{
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t j = 0; j < n; j++)
            ridge->matrix[(size_t)entries[i].column * ridge->n + entries[j].column] +=
                weight * entries[i].value * entries[j].value;
        ridge->right[entries[i].column] += weight * entries[i].value * target;
    }
}

void ridge_prior(struct ridge *ridge, uint32_t column, double prior, double strength)
{
    ridge_row(ridge, &(struct ridge_entry){column, 1}, 1, prior, strength);
}

/* A = L L^T in place, then L z = b, L^T x = z. */
void ridge_solve(struct ridge *ridge, double *x)
{
    uint32_t n = ridge->n;
    double *l = ridge->matrix;
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t j = 0; j <= i; j++) {
            double sum = l[(size_t)i * n + j];
            for (uint32_t k = 0; k < j; k++)
                sum -= l[(size_t)i * n + k] * l[(size_t)j * n + k];
            if (i == j) {
                assert(sum > 0); /* every column has a prior */
                l[(size_t)i * n + i] = sqrt(sum);
            } else {
                l[(size_t)i * n + j] = sum / l[(size_t)j * n + j];
            }
        }
    for (uint32_t i = 0; i < n; i++) {
        double sum = ridge->right[i];
        for (uint32_t k = 0; k < i; k++)
            sum -= l[(size_t)i * n + k] * x[k];
        x[i] = sum / l[(size_t)i * n + i];
    }
    for (uint32_t i = n; i-- > 0;) {
        double sum = x[i];
        for (uint32_t k = i + 1; k < n; k++)
            sum -= l[(size_t)k * n + i] * x[k];
        x[i] = sum / l[(size_t)i * n + i];
    }
}
