/* How a task function is called, and where its outputs go: the slot's sink writes files, the
 * local one keeps them in memory. */
#ifndef WYCKMILL_WORKERS_RUNTIME_SINK_H
#define WYCKMILL_WORKERS_RUNTIME_SINK_H

#include "workers/task.h"

struct task_sink {
    /* Borrow `bytes` until they return; a failure is kept by the sink until the task ends. */
    void (*emit)(struct task_sink *sink, const char *type, struct span bytes);
    void (*summary)(struct task_sink *sink, struct span map);
};

/* Call kind->run with `params` parsed. Errors: ERR_CORRUPT (params are no map), and whatever
 * the task's function says. */
int task_execute(const struct task_kind *kind, const struct hash *id, struct span params,
                 const struct span *inputs, uint32_t n_inputs, struct task_sink *sink,
                 struct err *err);

#endif
