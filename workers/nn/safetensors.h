/* The safetensors format (github.com/huggingface/safetensors, "Format"): 8 bytes little-endian
 * header size, a JSON header {name: {dtype, shape, data_offsets}, "__metadata__": {text:
 * text}}, then the bytes of all tensors, one behind the other without holes. We write names in
 * ascending order and the header padded with blanks to a multiple of 8, so equal content is
 * equal bytes. We read strictly, and only what we write: F32, I64 and F64. */
#ifndef WYCKMILL_NN_SAFETENSORS_H
#define WYCKMILL_NN_SAFETENSORS_H

#include "common/err.h"
#include "common/span.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    SAFETENSORS_HEADER_MAX = 1 << 20, /* bytes: thousands of tensors */
    SAFETENSORS_TENSORS_MAX = 4096,
    SAFETENSORS_NAME_SIZE = 96,
    SAFETENSORS_DIMS_MAX = 4,
    SAFETENSORS_META_MAX = 16,
};

enum safetensor_type { SAFETENSOR_F32, SAFETENSOR_F64, SAFETENSOR_I64 };

struct safetensor {
    char name[SAFETENSORS_NAME_SIZE];
    enum safetensor_type type;
    uint32_t n_dims;
    uint64_t shape[SAFETENSORS_DIMS_MAX];
    const void *data; /* little-endian, row-major; on reading not aligned: memcpy */
    size_t size;      /* bytes */
};

/* Metadata: pairs of texts, UTF-8. */
struct safetensors_meta {
    const char *key, *value;
};

/* Append the file to `out`. Takes nothing; sorts `items` by name. Names are distinct and sizes
 * fit the shapes (assert). */
void safetensors_write(struct buf *out, struct safetensor *items, uint32_t n,
                       const struct safetensors_meta *meta, uint32_t n_meta);

struct safetensors; /* opaque: a parsed header; borrows the bytes */

/* Errors: ERR_CORRUPT (header, shapes, offsets, holes, trailing bytes), ERR_LIMIT (header size,
 * number of tensors), ERR_UNSUPPORTED (dtype). Caller owns *ret (safetensors_free). */
int safetensors_read(struct span bytes, struct safetensors **ret, struct err *err);
void safetensors_free(struct safetensors *safetensors);
void safetensors_free_ptr(struct safetensors **safetensors);

/* NULL: none. */
const struct safetensor *safetensors_find(const struct safetensors *safetensors,
                                          const char *name);
const char *safetensors_meta(const struct safetensors *safetensors, const char *key);

/* Copy a float32 tensor of exactly `count` values. Errors: ERR_CORRUPT with the name. */
int safetensors_copy_f32(const struct safetensors *safetensors, const char *name, float *ret,
                         size_t count, struct err *err);
int safetensors_copy_f64(const struct safetensors *safetensors, const char *name, double *ret,
                         size_t count, struct err *err);

#endif
