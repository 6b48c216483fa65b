/* assemble: the shards of a data set to one data set without duplicates, split into training
 * and validation, and a report of what is in it and what was left out. */
#include "workers/assemble/merge.h"
#include "workers/assemble/report.h"

#include "common/cleanup.h"
#include "workers/task.h"

struct params {
    uint64_t atoms_max;
    struct value lines_before; /* array, one per shard */
    double validation;
};

static int read_params(const struct task *task, struct params *ret, struct err *err)
{
    uint32_t n;
    int rc = value_u64(value_get(task->params, "atoms_max"), "atoms_max", 1, UINT32_MAX,
                       &ret->atoms_max, err);
    if (rc == 0)
        rc = value_f64(value_get(task->params, "validation"), "validation", &ret->validation,
                       err);
    if (rc)
        return rc;
    if (!(ret->validation >= 0 && ret->validation < 1))
        return err_set(err, ERR_INVALID, "validation is %g, want 0 <= validation < 1",
                       ret->validation);
    ret->lines_before = value_get(task->params, "lines_before");
    rc = value_array(ret->lines_before, "lines_before", UINT32_MAX, &n, err);
    if (rc == 0 && n != task->n_inputs)
        rc = err_set(err, ERR_INVALID, "lines_before holds %u numbers for %u shards", n,
                     task->n_inputs);
    return rc;
}

static int add_shards(const struct task *task, const struct params *params, struct merge *merge,
                      struct err *err)
{
    for (uint32_t i = 0; i < task->n_inputs; i++) {
        struct dataset shard;
        uint64_t lines_before;
        int rc = value_u64(value_at(params->lines_before, i), "lines_before", 0,
                           LINE_RELATIVE - 1, &lines_before, err);
        if (rc == 0)
            rc = dataset_decode(task->inputs[i], &shard, err);
        if (rc)
            return err_context(err, rc, "shard %u", i + 1);
        merge_add(merge, &shard, (uint32_t)lines_before, params->atoms_max);
        dataset_done(&shard);
    }
    return 0;
}

static int check_not_empty(const struct merge *merge, struct err *err)
{
    const struct dataset *dataset = &merge->dataset;
    if (merge->n_entries > 0)
        return 0;
    if (dataset->n_rejects == 0)
        return err_set(err, ERR_INVALID, "the data hold no structures");
    return err_set(err, ERR_INVALID, "none of %u structures can be used; the first: %s:%u: %s",
                   dataset->n_rejects, dataset->rejects[0].file, dataset->rejects[0].line,
                   dataset->rejects[0].reason);
}

/* What the planner and `status` look at. */
static void emit_summary(const struct task *task, const struct report *report)
{
    const struct dataset *dataset = &report->merge->dataset;
    struct buf summary = {0};
    struct pack pack;
    uint32_t filled = 0;
    for (uint32_t p = 0; p < dataset->n_properties; p++)
        filled += report->ranges[p].count > 0;
    pack_init(&pack, &summary);
    pack_map(&pack, 6);
    pack_key(&pack, "accepted");
    pack_u64(&pack, dataset->n_records);
    pack_key(&pack, "duplicates");
    pack_u64(&pack, report->merge->duplicates);
    pack_key(&pack, "groups");
    pack_u64(&pack, report->n_groups);
    pack_key(&pack, "properties"); /* those with a value */
    pack_array(&pack, filled);
    for (uint32_t p = 0; p < dataset->n_properties; p++)
        if (report->ranges[p].count > 0)
            pack_text(&pack, dataset->properties[p].name);
    pack_key(&pack, "prototypes");
    pack_u64(&pack, report->n_prototypes);
    pack_key(&pack, "rejected");
    pack_u64(&pack, dataset->n_rejects);
    task_summary(task, buf_span(&summary));
    buf_done(&summary);
}

static void emit_report(const struct task *task, const struct merge *merge)
{
    struct report *report = report_new(merge);
    json_t *json = report_json(report);
    cleanup(free_ptr) char *text = json_dumps(json, REPORT_JSON_FLAGS);
    task_emit(task, "report", span_text(text));
    emit_summary(task, report);
    json_decref(json);
    report_free(report);
}

int assemble_run(const struct task *task, struct err *err)
{
    struct params params;
    struct merge merge = {0};
    int rc = read_params(task, &params, err);
    if (rc)
        return rc;
    rc = add_shards(task, &params, &merge, err);
    if (rc == 0)
        rc = check_not_empty(&merge, err);
    if (rc == 0) {
        struct buf bytes = {0};
        merge_finish(&merge, params.validation);
        dataset_encode(&merge.dataset, &bytes);
        task_emit(task, "dataset", buf_span(&bytes));
        buf_done(&bytes);
        emit_report(task, &merge);
    }
    merge_done(&merge);
    return rc;
}
