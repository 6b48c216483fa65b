/* y = x w^T + b and its gradient: see linear.h.
 *
 * The kernel multiplies rows with a panel of 16 columns that was packed side by side: twelve
 * sums (6 rows x 16 columns) stay in registers, and each goes through the inner index in order
 * with one fused multiply-add per step, whatever the row's neighbours are. */
#include "workers/nn/linear.h"

#include "workers/nn/vec.h"

#include <cblas.h>
#include <stddef.h>
#include <string.h>

enum {
    PANEL = 2 * V8,
    TILE = 6,
    INNER_MAX = 512, /* panel of 32 KiB: stays in the first-level cache */
};

#define UNROLL _Pragma("GCC unroll 6")

void linear_threads_one(void)
{
    openblas_set_num_threads(1);
}

/* y[r] += x[r] panel for `rows` rows; y rows y_stride apart, x rows x_stride apart */
static inline __attribute__((always_inline)) void tile_add(float *y, size_t y_stride,
                                                           const float *x, size_t x_stride,
                                                           const float *panel, int inner,
                                                           int rows)
{
    v8 left[TILE], right[TILE];
    UNROLL for (int r = 0; r < rows; r++)
    {
        left[r] = v8_load(y + (size_t)r * y_stride);
        right[r] = v8_load(y + (size_t)r * y_stride + V8);
    }
    for (int k = 0; k < inner; k++, panel += PANEL) {
        v8 p = v8_load(panel), q = v8_load(panel + V8);
        UNROLL for (int r = 0; r < rows; r++)
        {
            v8 value = v8_set(x[(size_t)r * x_stride + (size_t)k]);
            left[r] = _mm256_fmadd_ps(value, p, left[r]);
            right[r] = _mm256_fmadd_ps(value, q, right[r]);
        }
    }
    UNROLL for (int r = 0; r < rows; r++)
    {
        v8_store(y + (size_t)r * y_stride, left[r]);
        v8_store(y + (size_t)r * y_stride + V8, right[r]);
    }
}

static void panel_add(float *y, size_t y_stride, const float *x, size_t x_stride,
                      const float *panel, int inner, int N)
{
    int n = 0;
    for (; n + TILE <= N; n += TILE)
        tile_add(y + (size_t)n * y_stride, y_stride, x + (size_t)n * x_stride, x_stride, panel,
                 inner, TILE);
    for (; n < N; n++)
        tile_add(y + (size_t)n * y_stride, y_stride, x + (size_t)n * x_stride, x_stride, panel,
                 inner, 1);
}

/* The last columns when there are fewer than 16: rows go through a small copy. */
static void panel_add_part(float *y, size_t y_stride, const float *x, size_t x_stride,
                           const float *panel, int inner, int N, int columns)
{
    for (int n = 0; n < N; n++) {
        float wide[PANEL] = {0}, *row = y + (size_t)n * y_stride;
        memcpy(wide, row, (size_t)columns * sizeof *wide);
        tile_add(wide, PANEL, x + (size_t)n * x_stride, x_stride, panel, inner, 1);
        memcpy(row, wide, (size_t)columns * sizeof *wide);
    }
}

/* A strided matrix: entry (i, j) at data[i * row + j * column]. */
struct strided {
    const float *data;
    size_t row, column;
};

/* y (N, outer) += x (N, inner) b (inner, outer) */
static void product_add(float *y, const float *x, struct strided b, int N, int inner, int outer)
{
    float panel[INNER_MAX * PANEL];
    for (int from = 0; from < inner; from += INNER_MAX) {
        int depth = inner - from < INNER_MAX ? inner - from : INNER_MAX;
        for (int m = 0; m < outer; m += PANEL) {
            int columns = outer - m < PANEL ? outer - m : PANEL;
            memset(panel, 0, (size_t)(depth * PANEL) * sizeof *panel);
            for (int k = 0; k < depth; k++)
                for (int j = 0; j < columns; j++)
                    panel[k * PANEL + j] =
                        b.data[(size_t)(from + k) * b.row + (size_t)(m + j) * b.column];
            if (columns == PANEL)
                panel_add(y + m, (size_t)outer, x + from, (size_t)inner, panel, depth, N);
            else
                panel_add_part(y + m, (size_t)outer, x + from, (size_t)inner, panel, depth, N,
                               columns);
        }
    }
}

void linear_forward(float *y, const float *x, const float *w, const float *b, int N, int K,
                    int M)
{
    for (int n = 0; n < N; n++)
        if (b)
            memcpy(y + (size_t)n * (size_t)M, b, (size_t)M * sizeof *y);
        else
            memset(y + (size_t)n * (size_t)M, 0, (size_t)M * sizeof *y);
    product_add(y, x, (struct strided){w, 1, (size_t)K}, N, K, M);
}

void linear_backward(float *dx, float *dw, float *db, const float *dy, const float *x,
                     const float *w, int N, int K, int M)
{
    if (dx)
        product_add(dx, dy, (struct strided){w, (size_t)K, 1}, N, M, K);
    if (dw)
        cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, M, K, N, 1.0f, dy, M, x, K, 1.0f,
                    dw, K);
    if (db)
        for (int n = 0; n < N; n++)
            for (int m = 0; m < M; m++)
                db[m] += dy[(size_t)n * (size_t)M + (size_t)m];
}
