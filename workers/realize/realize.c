/* Task `realize`: samples -> candidates, one per sample (docs/tasks.md). */
#include "common/cleanup.h"
#include "common/mem.h"
#include "proto/objects.h"
#include "workers/realize/realizer.h"
#include "workers/task.h"

static int options_read(struct value params, struct realize_options *options, struct err *err)
{
    uint64_t starts, steps;
    *options = (struct realize_options){.templates_max = REALIZE_TEMPLATES};
    int rc = value_u64(value_get(params, "random_starts"), "random_starts", 0,
                       REALIZE_STARTS_MAX, &starts, err);
    if (rc == 0)
        rc = value_u64(value_get(params, "relax_steps_max"), "relax_steps_max", 0,
                       REALIZE_STEPS_MAX, &steps, err);
    if (rc == 0)
        rc = value_u64(value_get(params, "seed"), "seed", 0, UINT64_MAX, &options->seed, err);
    if (rc == 0)
        rc = value_f64(value_get(params, "symprec"), "symprec", &options->symprec, err);
    if (rc)
        return rc;
    if (!(options->symprec > 0 && options->symprec <= 1))
        return err_set(err, ERR_INVALID, "symprec is %g Angstrom, want 0 < symprec <= 1",
                       options->symprec);
    options->random_starts = (uint32_t)starts;
    options->relax_steps_max = (uint32_t)steps;
    return 0;
}

struct counts {
    uint64_t outcomes[OUTCOME_FAILED + 1], template, random;
};

static void count(struct counts *counts, enum outcome outcome, const struct candidate *made)
{
    counts->outcomes[outcome]++;
    counts->template += made->geometry == GEOMETRY_TEMPLATE;
    counts->random += made->geometry == GEOMETRY_RANDOM;
}

static void summary(const struct task *task, const struct counts *counts)
{
    struct buf map = {0};
    struct pack pack;
    pack_init(&pack, &map);
    pack_map(&pack, 5);
    pack_key(&pack, "failed");
    pack_u64(&pack, counts->outcomes[OUTCOME_FAILED]);
    pack_key(&pack, "higher_symmetry");
    pack_u64(&pack, counts->outcomes[OUTCOME_HIGHER_SYMMETRY]);
    pack_key(&pack, "random");
    pack_u64(&pack, counts->random);
    pack_key(&pack, "realized");
    pack_u64(&pack, counts->outcomes[OUTCOME_REALIZED]);
    pack_key(&pack, "template");
    pack_u64(&pack, counts->template);
    task_summary(task, buf_span(&map));
    buf_done(&map);
}

static void realize_all(const struct task *task, const struct realize_options *options,
                        const struct dataset *dataset, const struct samples *samples)
{
    struct candidates candidates = {.n_properties = dataset->n_properties, .n = samples->n};
    struct counts counts = {.template = 0};
    memcpy(candidates.properties, dataset->properties, sizeof candidates.properties);
    candidates.items = mem_new(samples->n, sizeof *candidates.items);
    cleanup(realizer_free_ptr) struct realizer *realizer = realizer_new(dataset, options);
    for (uint32_t s = 0; s < samples->n; s++) {
        struct candidate *made = &candidates.items[s];
        enum outcome outcome =
            realizer_run(realizer, samples->index[s], &samples->protos[s], made);
        made->guided = samples->guided;
        count(&counts, outcome, made);
    }
    struct buf bytes = {0};
    candidates_encode(&candidates, &bytes);
    task_emit(task, "candidates", buf_span(&bytes));
    buf_done(&bytes);
    summary(task, &counts);
    candidates_done(&candidates);
}

int realize_run(const struct task *task, struct err *err)
{
    struct realize_options options;
    struct dataset dataset = {0};
    struct samples samples = {0};
    if (task->n_inputs != 2)
        return err_set(err, ERR_INVALID, "realize wants 2 inputs (dataset, samples), not %u",
                       task->n_inputs);
    int rc = options_read(task->params, &options, err);
    if (rc == 0)
        rc = dataset_decode(task->inputs[0], &dataset, err);
    if (rc == 0)
        rc = samples_decode(task->inputs[1], &samples, err);
    if (rc == 0)
        realize_all(task, &options, &dataset, &samples);
    samples_done(&samples);
    dataset_done(&dataset);
    return rc;
}
