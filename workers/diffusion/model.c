/* Checkpoints: see model.h. */
#include "workers/diffusion/model.h"

#include "common/cleanup.h"
#include "common/mem.h"
#include "workers/nn/safetensors.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const format_name = "wyckmill-model-1";
static const char *const role_names[] = {
    [MODEL_DENOISER] = "denoiser",
    [MODEL_GUIDE] = "guide",
};

enum { BLOCKS = 4, TIMESTEPS_MAX = 100000 };
static const char *const block_names[BLOCKS] = {"average", "weights", "adam_m", "adam_v"};

static void json_free_ptr(json_t **json)
{
    json_decref(*json);
}

const char *model_role_name(enum model_role role)
{
    return role_names[role];
}

void model_layout(struct model *model)
{
    memset(&model->tensors, 0, sizeof model->tensors);
    network_layout(&model->config, &model->tensors, &model->network);
}

void checkpoint_init(struct checkpoint *checkpoint, uint64_t key)
{
    struct tensors *tensors = &checkpoint->model.tensors;
    model_layout(&checkpoint->model);
    checkpoint->step = 0;
    checkpoint->weights = tensors_block_new(tensors);
    checkpoint->average = tensors_block_new(tensors);
    checkpoint->m = tensors_block_new(tensors);
    checkpoint->v = tensors_block_new(tensors);
    network_init(&checkpoint->model.network, tensors, checkpoint->weights, key);
    memcpy(checkpoint->average, checkpoint->weights, tensors->size * sizeof(float));
}

void checkpoint_done(struct checkpoint *checkpoint)
{
    free(checkpoint->weights);
    free(checkpoint->average);
    free(checkpoint->m);
    free(checkpoint->v);
    *checkpoint = (struct checkpoint){0};
}

/* ---- writing ---- */

static char *config_text(const struct checkpoint *checkpoint)
{
    const struct model *model = &checkpoint->model;
    json_t *properties = json_array();
    for (uint32_t i = 0; i < model->config.n_properties; i++)
        json_array_append_new(properties,
                              json_pack("{s:s, s:s}", "name", model->properties[i].name, "unit",
                                        model->properties[i].unit));
    cleanup(json_free_ptr) json_t *config = json_pack(
        "{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:o}", "format", format_name, "role",
        role_names[model->config.role], "width", (json_int_t)model->config.width, "layers",
        (json_int_t)model->config.layers, "heads", (json_int_t)model->config.heads, "timesteps",
        (json_int_t)model->noise.timesteps, "step", (json_int_t)checkpoint->step, "properties",
        properties);
    return json_dumps(config, JSON_COMPACT | JSON_SORT_KEYS);
}

static struct safetensor *add(struct safetensor *item, const char *prefix, const char *name,
                              enum safetensor_type type, uint64_t rows, uint64_t columns,
                              const void *data)
{
    *item =
        (struct safetensor){.type = type,
                            .n_dims = rows ? 2 : 1,
                            .shape = {rows ? rows : columns, rows ? columns : 0},
                            .data = data,
                            .size = (rows ? rows : 1) * columns *
                                    (type == SAFETENSOR_F32 ? sizeof(float) : sizeof(double))};
    (void)snprintf(item->name, sizeof item->name, "%s.%s", prefix, name);
    return item + 1;
}

static struct safetensor *add_model(struct safetensor *item, const struct model *model)
{
    const struct noise *noise = &model->noise;
    item = add(item, "noise", "occupied", SAFETENSOR_F32, 0, POSITIONS_TOTAL, noise->occupied);
    item = add(item, "noise", "share", SAFETENSOR_F32, DOF_CLASSES, STATE_SIZE, noise->share);
    item = add(item, "noise", "repeat", SAFETENSOR_F32, DOF_CLASSES, COUNTS, noise->repeat);
    if (model->config.role != MODEL_GUIDE)
        return item;
    uint32_t n = model->config.n_properties;
    item = add(item, "standard", "mean", SAFETENSOR_F64, 0, n, model->mean);
    return add(item, "standard", "deviation", SAFETENSOR_F64, 0, n, model->deviation);
}

void checkpoint_encode(const struct checkpoint *checkpoint, struct buf *out)
{
    const struct tensors *tensors = &checkpoint->model.tensors;
    const float *blocks[BLOCKS] = {checkpoint->average, checkpoint->weights, checkpoint->m,
                                   checkpoint->v};
    cleanup(free_ptr) char *config = config_text(checkpoint);
    cleanup(free_ptr) struct safetensor *items =
        mem_new(BLOCKS * tensors->n + 8, sizeof *items);
    struct safetensor *end = add_model(items, &checkpoint->model);
    for (int b = 0; b < BLOCKS; b++)
        for (uint32_t i = 0; i < tensors->n; i++) {
            const struct tensor *t = &tensors->items[i];
            end = add(end, block_names[b], t->name, SAFETENSOR_F32, t->vector ? 0 : t->rows,
                      t->columns, blocks[b] + t->offset);
        }
    struct safetensors_meta meta = {"config", config};
    safetensors_write(out, items, (uint32_t)(end - items), &meta, 1);
}

/* ---- reading ---- */

static int read_number(const json_t *config, const char *key, uint64_t max, uint64_t *ret,
                       struct err *err)
{
    const json_t *value = json_object_get(config, key);
    json_int_t number = json_integer_value(value);
    if (!json_is_integer(value) || number < 0 || (uint64_t)number > max)
        return err_set(err, ERR_CORRUPT, "config: '%s' is missing or out of range", key);
    *ret = (uint64_t)number;
    return 0;
}

static int read_text(const json_t *object, const char *key, char *ret, size_t size,
                     struct err *err)
{
    const char *text = json_string_value(json_object_get(object, key));
    if (!text || strlen(text) >= size)
        return err_set(err, ERR_CORRUPT, "config: '%s' is missing or too long", key);
    memcpy(ret, text, strlen(text) + 1);
    return 0;
}

static int read_properties(const json_t *config, struct model *model, struct err *err)
{
    const json_t *list = json_object_get(config, "properties");
    size_t n = json_array_size(list);
    if (!json_is_array(list) || n > PROPERTIES_MAX)
        return err_set(err, ERR_CORRUPT, "config: 'properties' is no list of at most %d",
                       PROPERTIES_MAX);
    model->config.n_properties = (uint32_t)n;
    for (size_t i = 0; i < n; i++) {
        const json_t *item = json_array_get(list, i);
        struct property *property = &model->properties[i];
        int rc = read_text(item, "name", property->name, sizeof property->name, err);
        if (rc == 0)
            rc = read_text(item, "unit", property->unit, sizeof property->unit, err);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static int read_role(const json_t *config, struct model *model, struct err *err)
{
    char format[64], role[16];
    int rc = read_text(config, "format", format, sizeof format, err);
    if (rc == 0)
        rc = read_text(config, "role", role, sizeof role, err);
    if (rc != 0)
        return rc;
    if (strcmp(format, format_name) != 0)
        return err_set(err, ERR_UNSUPPORTED, "format '%s'; this program reads '%s'", format,
                       format_name);
    model->config.role =
        strcmp(role, role_names[MODEL_GUIDE]) == 0 ? MODEL_GUIDE : MODEL_DENOISER;
    if (strcmp(role, role_names[model->config.role]) != 0)
        return err_set(err, ERR_CORRUPT, "config: no role '%s'", role);
    return 0;
}

static int read_config(const char *text, struct model *model, uint64_t *ret_step,
                       struct err *err)
{
    cleanup(json_free_ptr) json_t *config = text ? json_loads(text, 0, NULL) : NULL;
    if (!config)
        return err_set(err, ERR_CORRUPT, "no configuration in its metadata");
    uint64_t width = 0, layers = 0, heads = 0, timesteps = 0;
    int rc = read_role(config, model, err);
    if (rc == 0)
        rc = read_number(config, "width", WIDTH_MAX, &width, err);
    if (rc == 0)
        rc = read_number(config, "layers", LAYERS_MAX, &layers, err);
    if (rc == 0)
        rc = read_number(config, "heads", WIDTH_MAX, &heads, err);
    if (rc == 0)
        rc = read_number(config, "timesteps", TIMESTEPS_MAX, &timesteps, err);
    if (rc == 0)
        rc = read_number(config, "step", INT64_MAX, ret_step, err);
    if (rc == 0)
        rc = read_properties(config, model, err);
    if (rc != 0)
        return rc;
    if (timesteps == 0)
        return err_set(err, ERR_CORRUPT, "config: timesteps = 0");
    model->config.width = (uint32_t)width;
    model->config.layers = (uint32_t)layers;
    model->config.heads = (uint32_t)heads;
    model->noise.timesteps = (uint32_t)timesteps;
    rc = network_check(&model->config, err);
    return rc == 0 ? 0
                   : err_set(err, ERR_CORRUPT, "config: the network cannot have this shape");
}

/* Marginals are chances; standard deviations are positive. */
static int check_numbers(const struct model *model, struct err *err)
{
    for (size_t i = 0; i < POSITIONS_TOTAL; i++)
        if (!(model->noise.occupied[i] >= 0 && model->noise.occupied[i] <= ELEMENT_MAX))
            return err_set(err, ERR_CORRUPT, "noise.occupied is no chance");
    for (size_t d = 0; d < DOF_CLASSES; d++) {
        for (size_t z = 0; z < STATE_SIZE; z++)
            if (!(model->noise.share[d][z] >= 0 && model->noise.share[d][z] <= 1))
                return err_set(err, ERR_CORRUPT, "noise.share is no chance");
        for (size_t k = 1; k < COUNTS; k++)
            if (!(model->noise.repeat[d][k] > 0 && model->noise.repeat[d][k] <= 1))
                return err_set(err, ERR_CORRUPT, "noise.repeat is no chance");
    }
    for (uint32_t i = 0; model->config.role == MODEL_GUIDE && i < model->config.n_properties;
         i++)
        if (!isfinite(model->mean[i]) || !(model->deviation[i] > 0) ||
            !isfinite(model->deviation[i]))
            return err_set(err, ERR_CORRUPT, "standardization of '%s' is not finite",
                           model->properties[i].name);
    return 0;
}

static int read_model(const struct safetensors *file, struct model *model, uint64_t *ret_step,
                      struct err *err)
{
    struct noise *noise = &model->noise;
    uint32_t n;
    int rc = read_config(safetensors_meta(file, "config"), model, ret_step, err);
    if (rc == 0)
        rc =
            safetensors_copy_f32(file, "noise.occupied", noise->occupied, POSITIONS_TOTAL, err);
    if (rc == 0)
        rc = safetensors_copy_f32(file, "noise.share", noise->share[0],
                                  (size_t)DOF_CLASSES * STATE_SIZE, err);
    if (rc == 0)
        rc = safetensors_copy_f32(file, "noise.repeat", noise->repeat[0],
                                  (size_t)DOF_CLASSES * COUNTS, err);
    n = model->config.n_properties;
    if (rc == 0 && model->config.role == MODEL_GUIDE)
        rc = safetensors_copy_f64(file, "standard.mean", model->mean, n, err);
    if (rc == 0 && model->config.role == MODEL_GUIDE)
        rc = safetensors_copy_f64(file, "standard.deviation", model->deviation, n, err);
    if (rc == 0)
        rc = check_numbers(model, err);
    if (rc == 0)
        model_layout(model);
    return rc;
}

static int read_block(const struct safetensors *file, const struct tensors *tensors,
                      const char *prefix, float **ret, struct err *err)
{
    cleanup(free_ptr) float *block = tensors_block_new(tensors);
    for (uint32_t i = 0; i < tensors->n; i++) {
        const struct tensor *tensor = &tensors->items[i];
        char name[SAFETENSORS_NAME_SIZE];
        (void)snprintf(name, sizeof name, "%s.%s", prefix, tensor->name);
        float *at = block + tensor->offset;
        int rc = safetensors_copy_f32(file, name, at, tensor_count(tensor), err);
        if (rc != 0)
            return rc;
        for (size_t j = 0; j < tensor_count(tensor); j++)
            if (!isfinite(at[j]))
                return err_set(err, ERR_NUMERIC,
                               "tensor '%s' holds a number that is not finite", name);
    }
    *ret = take(block);
    return 0;
}

static int decode(struct span bytes, struct checkpoint *ret, struct err *err)
{
    cleanup(safetensors_free_ptr) struct safetensors *file = NULL;
    int rc = safetensors_read(bytes, &file, err);
    if (rc == 0)
        rc = read_model(file, &ret->model, &ret->step, err);
    float **blocks[BLOCKS] = {&ret->average, &ret->weights, &ret->m, &ret->v};
    for (int b = 0; rc == 0 && b < BLOCKS; b++)
        rc = read_block(file, &ret->model.tensors, block_names[b], blocks[b], err);
    return rc;
}

int checkpoint_decode(struct span bytes, struct checkpoint *ret, struct err *err)
{
    struct checkpoint checkpoint = {0};
    int rc = decode(bytes, &checkpoint, err);
    if (rc != 0) {
        checkpoint_done(&checkpoint);
        return err_context(err, rc, "checkpoint");
    }
    *ret = checkpoint;
    return 0;
}

int model_open(struct span bytes, enum model_role role, struct model *ret_model,
               float **ret_weights, struct err *err)
{
    cleanup(safetensors_free_ptr) struct safetensors *file = NULL;
    cleanup(free_ptr) struct model *model = mem_new(1, sizeof *model);
    uint64_t step;
    int rc = safetensors_read(bytes, &file, err);
    if (rc == 0)
        rc = read_model(file, model, &step, err);
    if (rc == 0 && model->config.role != role)
        return err_set(err, ERR_INVALID, "checkpoint: this is a %s, not a %s",
                       role_names[model->config.role], role_names[role]);
    float *weights = NULL;
    if (rc == 0)
        rc = read_block(file, &model->tensors, block_names[0], &weights, err);
    if (rc != 0)
        return err_context(err, rc, "checkpoint");
    *ret_model = *model;
    *ret_weights = weights;
    return 0;
}
