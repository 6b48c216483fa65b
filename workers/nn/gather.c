/* Sparse embedding sums: see gather.h. */
#include "workers/nn/gather.h"

#include "workers/nn/vec.h"

static void add_scaled(float *y, const float *x, float weight, int W)
{
    for (int w = 0; w < W; w += V8)
        v8_store(y + w, v8_load(y + w) + v8_set(weight) * v8_load(x + w));
}

void gather_forward(float *y, const float *table, const struct gather *entries, size_t n, int W)
{
    for (size_t i = 0; i < n; i++)
        add_scaled(y + (size_t)entries[i].row * (size_t)W,
                   table + (size_t)entries[i].index * (size_t)W, entries[i].weight, W);
}

void gather_backward(float *dtable, const float *dy, const struct gather *entries, size_t n,
                     int W)
{
    for (size_t i = 0; i < n; i++)
        add_scaled(dtable + (size_t)entries[i].index * (size_t)W,
                   dy + (size_t)entries[i].row * (size_t)W, entries[i].weight, W);
}
