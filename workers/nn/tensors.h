/* The tensor table: all parameters of a network lie in one block, and this table says where.
 * Optimizer, average, checkpoint and gradient check are each one loop over block or table. */
#ifndef WYCKMILL_NN_TENSORS_H
#define WYCKMILL_NN_TENSORS_H

#include "common/span.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    TENSOR_NAME_SIZE = 64,
    TENSORS_MAX = 512,
    TENSOR_ALIGN = 16, /* floats: each tensor starts on a cache line of the block */
};

enum tensor_init {
    TENSOR_ZERO,      /* output layers, gates: a block starts as the identity */
    TENSOR_LINEAR,    /* normal, variance 1 / columns (LeCun 1998) */
    TENSOR_EMBEDDING, /* normal, standard deviation 0.1: a token is a sum of several */
};

struct tensor {
    char name[TENSOR_NAME_SIZE];
    uint32_t rows, columns; /* a vector has one row */
    bool vector;            /* written with shape [columns] */
    bool decay;             /* weight decay applies */
    enum tensor_init init;
    size_t offset; /* floats from the start of the block */
};

struct tensors {
    uint32_t n;
    struct tensor items[TENSORS_MAX];
    size_t size; /* floats of the block, padding included */
};

/* Append a matrix (or a vector when rows = 0; vectors start at zero and do not decay). Returns
 * the offset. The name must be new and fit (assert: it comes from our own code). */
size_t tensors_add(struct tensors *tensors, uint32_t rows, uint32_t columns,
                   enum tensor_init init, bool decay, const char *format, ...)
    __attribute__((format(printf, 6, 7)));

/* NULL: none of that name. */
const struct tensor *tensors_find(const struct tensors *tensors, const char *name);
static inline size_t tensor_count(const struct tensor *tensor)
{
    return (size_t)tensor->rows * tensor->columns;
}

/* A zeroed block of tensors->size floats, 64-byte aligned. Caller frees. */
float *tensors_block_new(const struct tensors *tensors);

/* Initial values by each tensor's rule; stream (key, number of the tensor). */
void tensors_init(const struct tensors *tensors, float *block, uint64_t key);

#endif
