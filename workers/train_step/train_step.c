/* Task kind "train-step": K optimizer steps of denoiser or guide. Parameters, inputs and
 * outputs in docs/tasks.md; the work in trainer.c. */
#include "common/cleanup.h"
#include "common/mem.h"
#include "workers/task.h"
#include "workers/train_step/trainer.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    BATCH_MAX = 65536,
    TIMESTEPS_MAX = 100000,
    STEPS_MAX = 1 << 30, /* random streams count steps in 32 bits */
    LOSS_EVERY = 10,     /* steps per entry of the metrics */
};

static const double gradient_norm_max = 1.0;

/* ---- parameters ---- */

struct request {
    struct trainer_params trainer;
    uint64_t step_begin, steps;
};

static int read_u32(struct value params, const char *key, uint64_t min, uint64_t max,
                    uint32_t *ret, struct err *err)
{
    uint64_t number = 0;
    int rc = value_u64(value_get(params, key), key, min, max, &number, err);
    if (rc == 0)
        *ret = (uint32_t)number;
    return rc;
}

/* A finite number within min..max. */
static int read_f64(struct value params, const char *key, double min, double max, double *ret,
                    struct err *err)
{
    double number = 0;
    int rc = value_f64(value_get(params, key), key, &number, err);
    if (rc == 0 && !(number >= min && number <= max))
        return err_set(err, ERR_INVALID, "%s = %.17g; %g to %g work", key, number, min, max);
    if (rc == 0)
        *ret = number;
    return rc;
}

static int read_role(struct value params, enum model_role *ret, struct err *err)
{
    char role[16];
    int rc = value_text(value_get(params, "role"), "role", role, sizeof role, err);
    if (rc != 0)
        return rc;
    for (int r = MODEL_DENOISER; r <= MODEL_GUIDE; r++)
        if (strcmp(role, model_role_name((enum model_role)r)) == 0) {
            *ret = (enum model_role)r;
            return 0;
        }
    return err_set(err, ERR_INVALID, "role '%s'; there are denoiser and guide", role);
}

static int read_network(struct value params, struct network_config *ret, struct err *err)
{
    int rc = read_role(params, &ret->role, err);
    if (rc == 0)
        rc = read_u32(params, "width", 1, WIDTH_MAX, &ret->width, err);
    if (rc == 0)
        rc = read_u32(params, "layers", 1, LAYERS_MAX, &ret->layers, err);
    if (rc == 0)
        rc = read_u32(params, "heads", 1, WIDTH_MAX, &ret->heads, err);
    return rc;
}

static int read_optimizer(struct value params, struct optimizer *ret, struct err *err)
{
    ret->clip = gradient_norm_max;
    int rc = read_f64(params, "learning_rate", 0, 1, &ret->learning_rate, err);
    if (rc == 0)
        rc = read_f64(params, "weight_decay", 0, 10, &ret->weight_decay, err);
    if (rc == 0)
        rc = read_f64(params, "ema", 0, 1, &ret->ema, err);
    if (rc == 0)
        rc = value_u64(value_get(params, "warmup"), "warmup", 0, STEPS_MAX, &ret->warmup, err);
    if (rc == 0)
        rc = value_u64(value_get(params, "steps_total"), "steps_total", 1, STEPS_MAX,
                       &ret->steps_total, err);
    return rc;
}

static int read_properties(struct value params, struct trainer_params *ret, struct err *err)
{
    struct value list = value_get(params, "properties");
    int rc = value_array(list, "properties", PROPERTIES_MAX, &ret->n_properties, err);
    for (uint32_t i = 0; rc == 0 && i < ret->n_properties; i++)
        rc = value_text(value_at(list, i), "property", ret->properties[i],
                        sizeof ret->properties[i], err);
    return rc;
}

static int read_request(struct value params, struct request *ret, struct err *err)
{
    struct trainer_params *trainer = &ret->trainer;
    int rc = read_network(params, &trainer->network, err);
    if (rc == 0)
        rc = read_optimizer(params, &trainer->optimizer, err);
    if (rc == 0)
        rc = read_properties(params, trainer, err);
    if (rc == 0)
        rc = read_u32(params, "batch", 1, BATCH_MAX, &trainer->batch, err);
    if (rc == 0)
        rc = read_u32(params, "timesteps", 1, TIMESTEPS_MAX, &trainer->timesteps, err);
    if (rc == 0)
        rc = value_u64(value_get(params, "seed"), "seed", 0, UINT64_MAX, &trainer->seed, err);
    if (rc == 0)
        rc = value_u64(value_get(params, "step_begin"), "step_begin", 0, STEPS_MAX,
                       &ret->step_begin, err);
    if (rc == 0)
        rc = value_u64(value_get(params, "steps"), "steps", 1, STEPS_MAX, &ret->steps, err);
    return rc;
}

/* ---- metrics ---- */

static void json_free_ptr(json_t **json)
{
    json_decref(*json);
}

/* JSON knows no NaN. */
static json_t *number_or_null(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

/* Mean loss and gradient norm of each run of LOSS_EVERY steps. */
struct curve {
    json_t *entries;
    double loss, norm;
    uint32_t n;
};

static void curve_add(struct curve *curve, uint64_t step, bool last, double loss, double norm)
{
    curve->loss += loss;
    curve->norm += norm;
    curve->n++;
    if (curve->n < LOSS_EVERY && !last)
        return;
    json_array_append_new(curve->entries, json_pack("{s:I, s:f, s:f}", "step", (json_int_t)step,
                                                    "loss", curve->loss / curve->n,
                                                    "gradient_norm", curve->norm / curve->n));
    curve->loss = curve->norm = 0;
    curve->n = 0;
}

static json_t *quality_json(const struct model *model, const struct trainer_quality *quality)
{
    json_t *list = json_array();
    for (uint32_t p = 0; p < model->config.n_properties; p++)
        json_array_append_new(list, json_pack("{s:s, s:s, s:I, s:o, s:o, s:o}", "property",
                                              model->properties[p].name, "unit",
                                              model->properties[p].unit, "labels",
                                              (json_int_t)quality[p].labels, "r2",
                                              number_or_null(quality[p].r2), "mae",
                                              number_or_null(quality[p].mae), "r2_half_noise",
                                              number_or_null(quality[p].r2_half)));
    return list;
}

static void emit_metrics(const struct task *task, const struct trainer *trainer, json_t *curve,
                         double validation, const struct trainer_quality *quality)
{
    const struct checkpoint *checkpoint = trainer_checkpoint(trainer);
    struct trainer_counts counts = trainer_counts(trainer);
    cleanup(json_free_ptr) json_t *metrics = json_pack(
        "{s:s, s:I, s:I, s:I, s:I, s:I, s:O, s:o, s:o}", "role",
        model_role_name(checkpoint->model.config.role), "step", (json_int_t)checkpoint->step,
        "parameters", (json_int_t)checkpoint->model.tensors.size, "records_train",
        (json_int_t)counts.train, "records_validation", (json_int_t)counts.validation,
        "records_left_out", (json_int_t)counts.left_out, "curve", curve, "loss_validation",
        number_or_null(validation), "validation", quality_json(&checkpoint->model, quality));
    cleanup(free_ptr) char *text =
        json_dumps(metrics, JSON_INDENT(1) | JSON_SORT_KEYS | JSON_REAL_PRECISION(9));
    task_emit(task, "metrics", span_text(text));
}

static void emit_summary(const struct task *task, double loss, double validation, uint64_t step)
{
    struct buf summary = {0};
    struct pack pack;
    pack_init(&pack, &summary);
    pack_map(&pack, 3);
    pack_key(&pack, "loss");
    pack_f64(&pack, loss);
    pack_key(&pack, "loss_validation");
    pack_f64(&pack, validation);
    pack_key(&pack, "step");
    pack_u64(&pack, step);
    task_summary(task, buf_span(&summary));
    buf_done(&summary);
}

/* ---- the task ---- */

static int open_trainer(const struct task *task, const struct request *request,
                        struct trainer **ret, struct err *err)
{
    bool first = request->step_begin == 0;
    if (task->n_inputs != (first ? 1 : 2))
        return err_set(err, ERR_INVALID, "%u inputs; want a data set%s", task->n_inputs,
                       first ? "" : " and the checkpoint of the step before");
    struct dataset dataset = {0};
    int rc = dataset_decode(task->inputs[0], &dataset, err);
    if (rc == 0)
        rc = trainer_new(&request->trainer, &dataset,
                         first ? (struct span){0} : task->inputs[1], ret, err);
    dataset_done(&dataset);
    if (rc != 0)
        return rc;
    uint64_t step = trainer_checkpoint(*ret)->step;
    if (step != request->step_begin)
        return err_set(err, ERR_INVALID, "the checkpoint is of step %llu, not %llu",
                       (unsigned long long)step, (unsigned long long)request->step_begin);
    return 0;
}

static int train(struct trainer *trainer, uint64_t steps, struct curve *curve, double *ret_loss,
                 struct err *err)
{
    double total = 0;
    for (uint64_t i = 0; i < steps; i++) {
        double loss, norm;
        int rc = trainer_step(trainer, &loss, &norm, err);
        if (rc != 0)
            return rc;
        curve_add(curve, trainer_checkpoint(trainer)->step, i + 1 == steps, loss, norm);
        total += loss;
    }
    *ret_loss = total / (double)steps;
    return 0;
}

int train_step_run(const struct task *task, struct err *err)
{
    struct request request = {0};
    cleanup(trainer_free_ptr) struct trainer *trainer = NULL;
    int rc = read_request(task->params, &request, err);
    if (rc == 0)
        rc = open_trainer(task, &request, &trainer, err);
    if (rc != 0)
        return err_context(err, rc, "train-step");

    cleanup(json_free_ptr) json_t *entries = json_array();
    struct curve curve = {.entries = entries};
    double loss;
    rc = train(trainer, request.steps, &curve, &loss, err);
    if (rc != 0)
        return err_context(err, rc, "train-step");

    struct trainer_quality quality[PROPERTIES_MAX];
    double validation = trainer_validate(trainer, quality);
    struct buf bytes = {0};
    checkpoint_encode(trainer_checkpoint(trainer), &bytes);
    task_emit(task, "checkpoint", buf_span(&bytes));
    buf_done(&bytes);
    emit_metrics(task, trainer, entries, validation, quality);
    emit_summary(task, loss, validation, trainer_checkpoint(trainer)->step);
    return 0;
}
