/* Records as training examples: see examples.h. */
#include "workers/train_step/examples.h"

#include "common/mem.h"
#include "workers/crystal/structure.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void examples_done(struct examples *examples)
{
    free(examples->items);
    free(examples->rows);
    free(examples->labels);
    *examples = (struct examples){0};
}

static bool collect(struct examples *examples, const struct record *record)
{
    struct row_state rows[POSITIONS_MAX];
    if (protostructure_check(&record->proto, NULL) != 0 ||
        !state_from_protostructure(rows, &record->proto))
        return false;
    const struct spacegroup *group = spacegroup_get(record->proto.spacegroup);
    size_t n = group->n_positions;
    mem_reserve(examples->rows, examples->rows_capacity, examples->n_rows + n);
    mem_reserve(examples->items, examples->items_capacity, examples->n + 1u);
    memcpy(&examples->rows[examples->n_rows], rows, n * sizeof rows[0]);
    examples->items[examples->n++] = (struct example){group, examples->n_rows, 0};
    examples->n_rows += n;
    return true;
}

uint32_t examples_collect(struct examples *examples, const struct dataset *dataset,
                          enum split split, const struct model *model)
{
    uint32_t left_out = 0, P = model->config.n_properties;
    int columns[PROPERTIES_MAX];
    for (uint32_t p = 0; p < P; p++)
        columns[p] = dataset_property_find(dataset, model->properties[p].name);
    examples->labels = mem_new((size_t)dataset->n_records * P, sizeof *examples->labels);
    for (uint32_t i = 0; i < dataset->n_records; i++) {
        const struct record *record = &dataset->records[i];
        if (dataset->splits[i] != split)
            continue;
        if (!collect(examples, record)) {
            left_out++;
            continue;
        }
        size_t label = (size_t)(examples->n - 1) * P;
        examples->items[examples->n - 1].label = label;
        for (uint32_t p = 0; p < P; p++) {
            double value = columns[p] < 0 ? (double)NAN : record->properties[columns[p]];
            examples->labels[label + p] =
                (float)((value - model->mean[p]) / model->deviation[p]);
        }
    }
    return left_out;
}

/* Mean and deviation of a column over training records; false when it has too few values or all
 * are equal. */
static bool standardize(const struct dataset *dataset, uint32_t column, double *ret_mean,
                        double *ret_deviation)
{
    double sum = 0, square = 0;
    uint32_t n = 0;
    for (int pass = 0; pass < 2; pass++) {
        double mean = n ? sum / n : 0;
        n = 0;
        for (uint32_t i = 0; i < dataset->n_records; i++) {
            double value = dataset->records[i].properties[column];
            if (dataset->splits[i] != SPLIT_TRAIN || !isfinite(value))
                continue;
            n++;
            if (pass == 0)
                sum += value;
            else
                square += (value - mean) * (value - mean);
        }
        if (n < PROPERTY_LABELS_MIN)
            return false;
    }
    *ret_mean = sum / n;
    *ret_deviation = sqrt(square / n);
    return isfinite(*ret_deviation) && *ret_deviation > 1e-9 * (1 + fabs(*ret_mean));
}

static bool add_property(const struct dataset *dataset, uint32_t column, struct model *model)
{
    uint32_t p = model->config.n_properties;
    if (!standardize(dataset, column, &model->mean[p], &model->deviation[p]))
        return false;
    model->properties[p] = dataset->properties[column];
    model->config.n_properties++;
    return true;
}

int examples_choose_properties(const struct dataset *dataset, uint32_t n,
                               const char (*names)[PROPERTY_NAME_SIZE], struct model *model,
                               struct err *err)
{
    model->config.n_properties = 0;
    for (uint32_t i = 0; i < n; i++) {
        int column = dataset_property_find(dataset, names[i]);
        if (column < 0)
            return err_set(err, ERR_INVALID, "the data set has no property '%s'", names[i]);
        if (!add_property(dataset, (uint32_t)column, model))
            return err_set(
                err, ERR_INVALID,
                "property '%s' cannot be learned: fewer than %d training records have a "
                "value, or all values are equal",
                names[i], PROPERTY_LABELS_MIN);
    }
    for (uint32_t column = 0; n == 0 && column < dataset->n_properties; column++)
        (void)add_property(dataset, column, model);
    if (model->config.n_properties == 0)
        return err_set(
            err, ERR_INVALID,
            "the data set has no property that a guide could learn: no column has %d "
            "values and varies",
            PROPERTY_LABELS_MIN);
    return 0;
}
