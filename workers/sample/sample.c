/* Task kind "sample": draw protostructures. Parameters, inputs and outputs in docs/tasks.md;
 * the work in sampler.c. */
#include "common/cleanup.h"
#include "proto/targets.h"
#include "workers/sample/sampler.h"
#include "workers/task.h"

#include <string.h>

enum { COUNT_LIMIT = 65536, STEPS_LIMIT = 100000 };

struct request {
    struct sampler_params sampler;
    uint32_t first, count;
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

static int read_elements(struct value params, struct sampler_params *ret, struct err *err)
{
    struct value list = value_get(params, "elements");
    int rc = value_array(list, "elements", ELEMENT_MAX, &ret->n_elements, err);
    for (uint32_t i = 0; rc == 0 && i < ret->n_elements; i++) {
        uint64_t z = 0;
        rc = value_u64(value_at(list, i), "element", 1, ELEMENT_MAX, &z, err);
        ret->elements[i] = (uint8_t)z;
    }
    return rc;
}

static int read_spacegroups(struct value params, struct sampler_params *ret, struct err *err)
{
    struct value list = value_get(params, "spacegroups");
    int rc = value_array(list, "spacegroups", GROUP_MAX, &ret->n_spacegroups, err);
    for (uint32_t i = 0; rc == 0 && i < ret->n_spacegroups; i++) {
        uint64_t group = 0;
        rc = value_u64(value_at(list, i), "space group", 1, GROUP_MAX, &group, err);
        ret->spacegroups[i] = (uint16_t)group;
    }
    return rc;
}

static int read_request(struct value params, struct request *ret, struct err *err)
{
    struct sampler_params *sampler = &ret->sampler;
    int rc = read_u32(params, "atoms_max", 1, ATOMS_MAX, &sampler->atoms_max, err);
    if (rc == 0)
        rc = read_u32(params, "count", 0, COUNT_LIMIT, &ret->count, err);
    if (rc == 0)
        rc = read_u32(params, "first", 0, UINT32_MAX - COUNT_LIMIT, &ret->first, err);
    if (rc == 0)
        rc = value_f64(value_get(params, "guidance"), "guidance", &sampler->guidance, err);
    if (rc == 0 && !(sampler->guidance >= 0 && sampler->guidance <= 1e3))
        return err_set(err, ERR_INVALID, "guidance = %.17g; 0 to 1000 work", sampler->guidance);
    if (rc == 0)
        rc = read_u32(params, "sample_steps", 1, STEPS_LIMIT, &sampler->sample_steps, err);
    if (rc == 0)
        rc = value_u64(value_get(params, "seed"), "seed", 0, UINT64_MAX, &sampler->seed, err);
    if (rc == 0)
        rc = read_elements(params, sampler, err);
    if (rc == 0)
        rc = read_spacegroups(params, sampler, err);
    if (rc == 0)
        rc = targets_unpack(value_get(params, "targets"), &sampler->targets, err);
    return rc;
}

static int open_sampler(const struct task *task, const struct request *request,
                        struct sampler **ret, struct err *err)
{
    if (task->n_inputs != 3)
        return err_set(err, ERR_INVALID,
                       "%u inputs; want a data set, a denoiser and a guide checkpoint",
                       task->n_inputs);
    struct dataset dataset = {0};
    int rc = dataset_decode(task->inputs[0], &dataset, err);
    if (rc == 0)
        rc = sampler_new(&request->sampler, &dataset, task->inputs[1], task->inputs[2], ret,
                         err);
    dataset_done(&dataset);
    return rc;
}

static void emit_summary(const struct task *task, uint32_t drawn, uint64_t evaluations)
{
    struct buf summary = {0};
    struct pack pack;
    pack_init(&pack, &summary);
    pack_map(&pack, 2);
    pack_key(&pack, "drawn");
    pack_u64(&pack, drawn);
    pack_key(&pack, "evaluations");
    pack_u64(&pack, evaluations);
    task_summary(task, buf_span(&summary));
    buf_done(&summary);
}

int sample_run(const struct task *task, struct err *err)
{
    struct request request = {0};
    cleanup(sampler_free_ptr) struct sampler *sampler = NULL;
    struct samples samples = {0};
    uint64_t evaluations = 0;
    int rc = read_request(task->params, &request, err);
    if (rc == 0)
        rc = open_sampler(task, &request, &sampler, err);
    if (rc == 0)
        rc = sampler_draw(sampler, request.first, request.count, &samples, &evaluations, err);
    if (rc == 0) {
        struct buf bytes = {0};
        samples.guided = request.sampler.guidance > 0 && request.sampler.targets.n > 0;
        samples_encode(&samples, &bytes);
        task_emit(task, "samples", buf_span(&bytes));
        emit_summary(task, samples.n, evaluations);
        buf_done(&bytes);
    }
    samples_done(&samples);
    return rc == 0 ? 0 : err_context(err, rc, "sample");
}
