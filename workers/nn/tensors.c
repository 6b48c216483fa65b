/* One block of parameters and the table over it: see tensors.h. */
#include "workers/nn/tensors.h"

#include "common/mem.h"
#include "common/rng.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

size_t tensors_add(struct tensors *tensors, uint32_t rows, uint32_t columns,
                   enum tensor_init init, bool decay, const char *format, ...)
{
    assert(tensors->n < TENSORS_MAX);
    struct tensor *tensor = &tensors->items[tensors->n];
    *tensor = (struct tensor){.rows = rows ? rows : 1,
                              .columns = columns,
                              .vector = rows == 0,
                              .decay = decay,
                              .init = init,
                              .offset = tensors->size};
    va_list args;
    va_start(args, format);
    int length = vsnprintf(tensor->name, sizeof tensor->name, format, args);
    va_end(args);
    assert(length > 0 && length < TENSOR_NAME_SIZE && !tensors_find(tensors, tensor->name));
    tensors->n++;
    tensors->size += (tensor_count(tensor) + TENSOR_ALIGN - 1) / TENSOR_ALIGN * TENSOR_ALIGN;
    return tensor->offset;
}

const struct tensor *tensors_find(const struct tensors *tensors, const char *name)
{
    for (uint32_t i = 0; i < tensors->n; i++)
        if (strcmp(tensors->items[i].name, name) == 0)
            return &tensors->items[i];
    return NULL;
}

float *tensors_block_new(const struct tensors *tensors)
{
    float *block = aligned_alloc(64, tensors->size * sizeof *block + 64);
    if (!block) /* ends the process with its sentence, or finds memory after all */
        return mem_new(tensors->size, sizeof *block);
    memset(block, 0, tensors->size * sizeof *block);
    return block;
}

void tensors_init(const struct tensors *tensors, float *block, uint64_t key)
{
    memset(block, 0, tensors->size * sizeof *block);
    for (uint32_t i = 0; i < tensors->n; i++) {
        const struct tensor *tensor = &tensors->items[i];
        struct rng rng = rng_stream(key, i, 0, 0);
        double deviation = 0;
        if (tensor->init == TENSOR_LINEAR)
            deviation = 1 / sqrt((double)tensor->columns);
        else if (tensor->init == TENSOR_EMBEDDING)
            deviation = 0.1;
        if (deviation > 0)
            for (size_t j = 0; j < tensor_count(tensor); j++)
                block[tensor->offset + j] = (float)(deviation * rng_normal(&rng));
    }
}
