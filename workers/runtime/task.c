/* Task functions seen from inside: outputs, summary, and running one in this process. */
#include "common/cleanup.h"
#include "common/mem.h"
#include "workers/runtime/sink.h"

#include <assert.h>
#include <string.h>

void task_emit(const struct task *task, const char *type, struct span bytes)
{
    assert(strlen(type) < OBJECT_TYPE_SIZE);
    task->sink->emit(task->sink, type, bytes);
}

void task_summary(const struct task *task, struct span map)
{
    task->sink->summary(task->sink, map);
}

const struct task_kind *task_kind_find(const char *name)
{
    for (uint32_t k = 0; k < task_kinds_count; k++) {
        if (strcmp(task_kinds[k].name, name) == 0)
            return &task_kinds[k];
    }
    return NULL;
}

int task_execute(const struct task_kind *kind, const struct hash *id, struct span params,
                 const struct span *inputs, uint32_t n_inputs, struct task_sink *sink,
                 struct err *err)
{
    cleanup(document_free_ptr) struct document *document = NULL;
    int rc = document_parse(params, &value_limits_message, &document, err);
    if (rc != 0)
        return err_context(err, rc, "params of %s", kind->name);

    struct task task = {
        .id = *id,
        .params = document_root(document),
        .n_inputs = n_inputs,
        .inputs = inputs,
        .sink = sink,
    };
    return kind->run(&task, err);
}

/* ---- in this process, outputs in memory ---- */

struct local_sink {
    struct task_sink sink; /* first: the callbacks get a pointer to it */
    struct task_outputs outputs;
};

static void local_emit(struct task_sink *sink, const char *type, struct span bytes)
{
    struct task_outputs *outputs = &((struct local_sink *)sink)->outputs;
    uint32_t n = outputs->n;
    outputs->bytes = mem_resize(outputs->bytes, n + 1, sizeof *outputs->bytes);
    outputs->types = mem_resize(outputs->types, n + 1, sizeof *outputs->types);
    outputs->bytes[n] = (struct buf){0};
    buf_append(&outputs->bytes[n], bytes.data, bytes.size);
    memset(outputs->types[n], 0, sizeof outputs->types[n]);
    memcpy(outputs->types[n], type, strlen(type));
    outputs->n = n + 1;
}

static void local_summary(struct task_sink *sink, struct span map)
{
    struct buf *summary = &((struct local_sink *)sink)->outputs.summary;
    assert(summary->size == 0); /* at most once */
    buf_append(summary, map.data, map.size);
}

static struct hash local_id(const struct task_kind *kind, struct span params,
                            const struct span *inputs, uint32_t n_inputs)
{
    struct action action = {.revision = kind->revision, .n_inputs = n_inputs};
    (void)snprintf(action.kind, sizeof action.kind, "%s", kind->name);
    if (kind->floats)
        (void)snprintf(action.profile, sizeof action.profile, "%s", numerics_profile());
    buf_append(&action.params, params.data, params.size);
    action.inputs = mem_new(n_inputs, sizeof *action.inputs);
    for (uint32_t i = 0; i < n_inputs; i++)
        action.inputs[i] = hash_bytes(inputs[i]);

    struct buf bytes = {0};
    struct hash id;
    action_encode(&action, &bytes, &id);
    buf_done(&bytes);
    action_done(&action);
    return id;
}

int task_run_local(const char *kind, struct span params, const struct span *inputs,
                   uint32_t n_inputs, struct task_outputs *ret, struct err *err)
{
    const struct task_kind *row = task_kind_find(kind);
    if (!row)
        return err_set(err, ERR_UNSUPPORTED, "no task kind '%s' in this program", kind);

    struct local_sink local = {.sink = {local_emit, local_summary}};
    struct hash id = local_id(row, params, inputs, n_inputs);
    int rc = task_execute(row, &id, params, inputs, n_inputs, &local.sink, err);
    if (rc != 0) {
        task_outputs_done(&local.outputs);
        return rc;
    }
    if (local.outputs.summary.size == 0) { /* the task gave none: an empty map */
        struct pack pack;
        pack_init(&pack, &local.outputs.summary);
        pack_map(&pack, 0);
    }
    *ret = local.outputs;
    return 0;
}

void task_outputs_done(struct task_outputs *outputs)
{
    for (uint32_t i = 0; i < outputs->n; i++)
        buf_done(&outputs->bytes[i]);
    free(outputs->bytes);
    free(outputs->types);
    buf_done(&outputs->summary);
    *outputs = (struct task_outputs){0};
}
