/* The records of a data set as training examples: states of all positions and standardized
 * labels, in two arrays. */
#ifndef WYCKMILL_TRAIN_STEP_EXAMPLES_H
#define WYCKMILL_TRAIN_STEP_EXAMPLES_H

#include "workers/diffusion/model.h"

struct example {
    const struct spacegroup *group;
    size_t row;   /* of position a, in rows */
    size_t label; /* of the first property, in labels */
};

struct examples {
    uint32_t n;
    struct example *items;
    struct row_state *rows;
    float *labels; /* (n, n_properties) standardized, NaN = unknown */
    size_t n_rows, rows_capacity, items_capacity;
};

void examples_done(struct examples *examples);

/* Records of one split in the order of the data set. `model` gives properties and their
 * standardization (none for a denoiser). Returns how many records no state can hold. */
uint32_t examples_collect(struct examples *examples, const struct dataset *dataset,
                          enum split split, const struct model *model);

/* Choose the properties of a guide: those asked for, or (n = 0) every column that varies over
 * the training records; mean and deviation of each over them. Errors: ERR_INVALID (unknown
 * property; fewer than PROPERTY_LABELS_MIN labels or no variation in one asked for; none at
 * all). */
enum { PROPERTY_LABELS_MIN = 8 };
int examples_choose_properties(const struct dataset *dataset, uint32_t n,
                               const char (*names)[PROPERTY_NAME_SIZE], struct model *model,
                               struct err *err);

#endif
