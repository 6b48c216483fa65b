/* For tests of train-step and sample: parameters as the planner writes them, and tasks run in
 * this process on the small data set of tests/unit/diffusion/crystals.h. */
#ifndef WYCKMILL_TESTS_TASKS_MODEL_SUPPORT_H
#define WYCKMILL_TESTS_TASKS_MODEL_SUPPORT_H

#include "tests/support/cmocka.h"

#include <math.h>

#include "proto/targets.h"
#include "tests/unit/diffusion/crystals.h"
#include "workers/task.h"

struct train_request {
    const char *role, *property; /* property NULL: none named */
    uint64_t seed, step_begin, steps, steps_total, width, heads, layers, batch, timesteps;
    double learning_rate;
};

static const struct train_request train_default = {
    .role = "denoiser",
    .seed = 5,
    .steps = 20,
    .steps_total = 100,
    .width = 32,
    .heads = 2,
    .layers = 2,
    .batch = 16,
    .timesteps = 40,
    .learning_rate = 3e-3,
};

static void put_u64(struct pack *pack, const char *key, uint64_t value)
{
    pack_key(pack, key);
    pack_u64(pack, value);
}

static void put_f64(struct pack *pack, const char *key, double value)
{
    pack_key(pack, key);
    pack_f64(pack, value);
}

__attribute__((unused)) static int run_train(const struct train_request *r, struct span dataset,
                                             struct span checkpoint, struct task_outputs *ret,
                                             struct err *err)
{
    struct buf params = {0};
    struct pack pack;
    pack_init(&pack, &params);
    pack_map(&pack, 15);
    put_u64(&pack, "batch", r->batch);
    put_f64(&pack, "ema", 0.9);
    put_u64(&pack, "heads", r->heads);
    put_u64(&pack, "layers", r->layers);
    put_f64(&pack, "learning_rate", r->learning_rate);
    pack_key(&pack, "properties");
    pack_array(&pack, r->property ? 1 : 0);
    if (r->property)
        pack_text(&pack, r->property);
    pack_key(&pack, "role");
    pack_text(&pack, r->role);
    put_u64(&pack, "seed", r->seed);
    put_u64(&pack, "step_begin", r->step_begin);
    put_u64(&pack, "steps", r->steps);
    put_u64(&pack, "steps_total", r->steps_total);
    put_u64(&pack, "timesteps", r->timesteps);
    put_u64(&pack, "warmup", 5);
    put_f64(&pack, "weight_decay", 0.01);
    put_u64(&pack, "width", r->width);
    struct span inputs[2] = {dataset, checkpoint};
    int rc = task_run_local("train-step", buf_span(&params), inputs, checkpoint.size ? 2 : 1,
                            ret, err);
    buf_done(&params);
    return rc;
}

/* Bytes of the checkpoint after the request; the caller frees. */
__attribute__((unused)) static struct buf trained(const struct train_request *r,
                                                  struct span dataset)
{
    struct task_outputs out = {0};
    struct err err = {0};
    if (run_train(r, dataset, (struct span){0}, &out, &err) != 0)
        fail_msg("%s", err.text);
    struct buf bytes = {0};
    buf_append(&bytes, out.bytes[0].data, out.bytes[0].size);
    task_outputs_done(&out);
    return bytes;
}

__attribute__((unused)) static struct buf dataset_bytes(uint32_t copies)
{
    struct dataset dataset = example_dataset(copies);
    struct buf bytes = {0};
    dataset_encode(&dataset, &bytes);
    dataset_done(&dataset);
    return bytes;
}

#endif
