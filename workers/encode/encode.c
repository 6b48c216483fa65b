/* encode: one source object to a shard of the data set, with what was left out and why. */
#include "workers/encode/encode.h"

#include "common/mem.h"
#include "workers/task.h"

static void encode_source(const struct source *source, double symprec, struct dataset *ret)
{
    *ret = (struct dataset){0};
    ret->records = mem_new(source->n_items, sizeof *ret->records);
    ret->rejects = mem_new(source->n_items, sizeof *ret->rejects);
    for (uint32_t i = 0; i < source->n_items; i++) {
        struct structure structure;
        struct record record;
        if (encode_item(&source->items[i], symprec, &structure, &record,
                        &ret->rejects[ret->n_rejects])) {
            ret->n_rejects++;
            continue;
        }
        if (structure.unnamed) /* its line in the file is not known here */
            record.id[0] = '\0';
        encode_add(ret, &structure, &record);
        structure_done(&structure);
    }
}

static void emit(const struct task *task, const struct dataset *dataset)
{
    struct buf bytes = {0}, summary = {0};
    struct pack pack;
    dataset_encode(dataset, &bytes);
    task_emit(task, "dataset", buf_span(&bytes));
    pack_init(&pack, &summary);
    pack_map(&pack, 2);
    pack_key(&pack, "accepted");
    pack_u64(&pack, dataset->n_records);
    pack_key(&pack, "rejected");
    pack_u64(&pack, dataset->n_rejects);
    task_summary(task, buf_span(&summary));
    buf_done(&bytes);
    buf_done(&summary);
}

int encode_run(const struct task *task, struct err *err)
{
    double symprec;
    struct source source;
    int rc = value_f64(value_get(task->params, "symprec"), "symprec", &symprec, err);
    if (rc)
        return rc;
    if (!(symprec > 0 && symprec <= 1))
        return err_set(err, ERR_INVALID, "symprec is %g Angstrom, want 0 < symprec <= 1",
                       symprec);
    if (task->n_inputs != 1)
        return err_set(err, ERR_INVALID, "encode takes one source, not %u", task->n_inputs);
    rc = source_decode(task->inputs[0], &source, err);
    if (rc)
        return err_context(err, rc, "source");
    struct dataset dataset;
    encode_source(&source, symprec, &dataset);
    emit(task, &dataset);
    dataset_done(&dataset);
    source_done(&source);
    return 0;
}
