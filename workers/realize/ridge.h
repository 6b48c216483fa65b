/* Ridge regression with a prior: minimize sum_rows weight (row . x - target)^2
 * + sum_i strength_i (x_i - prior_i)^2 by Cholesky of the normal equations. Small and dense. */
#ifndef WYCKMILL_REALIZE_RIDGE_H
#define WYCKMILL_REALIZE_RIDGE_H

#include <stdint.h>
#include <stdlib.h>

struct ridge {
    uint32_t n;
    double *matrix; /* (n, n), lower half used */
    double *right;  /* (n) */
};

struct ridge_entry {
    uint32_t column;
    double value;
};

void ridge_init(struct ridge *ridge, uint32_t n);
void ridge_done(struct ridge *ridge);
/* Add one row with `n` entries that are not zero; columns may repeat. */
void ridge_row(struct ridge *ridge, const struct ridge_entry *entries, uint32_t n,
               double target, double weight);
/* strength > 0 for every column makes the solution unique. */
void ridge_prior(struct ridge *ridge, uint32_t column, double prior, double strength);
/* Overwrites the matrix. x (n). */
void ridge_solve(struct ridge *ridge, double *x);

#endif
