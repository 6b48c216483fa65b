/* The slot's side: one task after another. The only process that runs task functions. */
#include "workers/runtime/slot.h"

#include "common/cleanup.h"
#include "common/mem.h"
#include "workers/runtime/cache.h"
#include "workers/runtime/frame.h"
#include "workers/runtime/inputs.h"
#include "workers/runtime/machine.h"
#include "workers/runtime/profile.h"
#include "workers/runtime/sink.h"
#include "workers/runtime/slot_wire.h"

#include <assert.h>
#include <cblas.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum {
    SLOT_FD = 3,
    OUTPUT_BYTES_MAX = 1 << 30, /* as the store's objects */
    CPU_LATE_S =
        2, /* after the worker should have ended the task: it waits for the wall clock */
};

/* ---- outputs: files in the cache folder ---- */

struct file_sink {
    struct task_sink sink; /* first: the callbacks get a pointer to it */
    int folder_fd;
    uint32_t number;
    struct result result;
    size_t capacity;
    int rc; /* first failure */
    struct err err;
};

static int write_file(int folder_fd, const char *name, struct span bytes, struct err *err)
{
    cleanup(close_fd) int fd =
        openat(folder_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_errno(err, errno, "write output '%s'", name);
    for (size_t done = 0; done < bytes.size;) {
        ssize_t n = write(fd, bytes.data + done, bytes.size - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_errno(err, errno, "write output '%s'", name);
        done += (size_t)n;
    }
    return 0;
}

static void file_emit(struct task_sink *sink, const char *type, struct span bytes)
{
    struct file_sink *file = (struct file_sink *)sink;
    struct result *result = &file->result;
    char name[64];
    if (file->rc != 0)
        return;
    if (result->n_outputs == ACTION_OUTPUTS_MAX || bytes.size > OUTPUT_BYTES_MAX) {
        file->rc =
            err_set(&file->err, ERR_LIMIT,
                    "output %u of type %s: %zu bytes; at most %d outputs of %d bytes",
                    result->n_outputs, type, bytes.size, ACTION_OUTPUTS_MAX, OUTPUT_BYTES_MAX);
        return;
    }
    slot_output_name(file->number, result->n_outputs, name, sizeof name);
    file->rc = write_file(file->folder_fd, name, bytes, &file->err);
    if (file->rc != 0)
        return;
    mem_reserve(result->outputs, file->capacity, result->n_outputs + 1u);
    struct output *output = &result->outputs[result->n_outputs++];
    *output = (struct output){.id = hash_bytes(bytes), .size = bytes.size};
    memcpy(output->type, type, strlen(type) + 1);
}

static void file_summary(struct task_sink *sink, struct span map)
{
    struct buf *summary = &((struct file_sink *)sink)->result.summary;
    assert(summary->size == 0); /* at most once */
    buf_append(summary, map.data, map.size);
}

/* ---- limits ---- */

/* The soft limit, which a process may raise again up to the hard one. */
static void limit(__rlimit_resource_t resource, rlim_t soft)
{
    struct rlimit both;
    if (getrlimit(resource, &both) != 0)
        return;
    both.rlim_cur = soft < both.rlim_max ? soft : both.rlim_max;
    (void)setrlimit(resource, &both);
}

static uint64_t clock_us(clockid_t clock)
{
    struct timespec now;
    (void)clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* From here on, with the inputs mapped: so much more, and so long. */
static void limits_begin(const struct slot_limits *limits)
{
    uint64_t mapped = machine_mapped_bytes();
    if (limits->memory_bytes && mapped)
        limit(RLIMIT_AS, mapped + SLOT_ALLOWANCE_BYTES + limits->memory_bytes);
    if (limits->time_ms)
        limit(RLIMIT_CPU, clock_us(CLOCK_PROCESS_CPUTIME_ID) / 1000000 +
                              (limits->time_ms + 999) / 1000 + CPU_LATE_S);
}

static void limits_end(void)
{
    limit(RLIMIT_AS, RLIM_INFINITY);
    limit(RLIMIT_CPU, RLIM_INFINITY);
}

/* OpenBLAS maps its buffer, 128 MiB of address space (0.3.21, one thread), at the first product
 * of matrices: here, so that no task's limit has to hold it. */
static void warm_up(void)
{
    float one = 1, product = 0;
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, 1, 1, 1, 1, &one, 1, &one, 1, 0,
                &product, 1);
}

/* For good: no core files, no files larger than an output, no rights from programs run. */
static void confine(void)
{
    const struct rlimit none = {0, 0}, file = {OUTPUT_BYTES_MAX, OUTPUT_BYTES_MAX};
    (void)setrlimit(RLIMIT_CORE, &none);
    (void)setrlimit(RLIMIT_FSIZE, &file);
    (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

/* ---- one task ---- */

struct child {
    int folder_fd;
    uint32_t number;
    struct inputs *inputs;
};

static void fail(struct slot_end *end, enum attempt_end how, const struct err *err)
{
    end->end = how;
    (void)snprintf(end->sentence, sizeof end->sentence, "%s", err->text);
}

/* The kind's row when this program runs exactly what the action asks for. */
static const struct task_kind *kind_for(const struct action *action, struct err *err)
{
    const struct task_kind *kind = task_kind_find(action->kind);
    if (!kind)
        err_set(err, ERR_UNSUPPORTED, "no task kind '%s' in this program", action->kind);
    else if (kind->revision != action->revision)
        err_set(err, ERR_UNSUPPORTED, "revision %u of task kind %s, this program has %u",
                action->revision, action->kind, kind->revision);
    else if (kind->floats && strcmp(action->profile, numerics_profile()) != 0)
        err_set(err, ERR_UNSUPPORTED, "numerics profile '%s', this worker has '%s'",
                action->profile, numerics_profile());
    else
        return kind;
    return NULL;
}

static void execute(struct child *child, const struct task_kind *kind, const struct hash *id,
                    const struct action *action, const struct slot_limits *limits,
                    struct slot_end *end)
{
    struct err err = {0};
    struct span *inputs = NULL;
    if (inputs_map(child->inputs, action->inputs, action->n_inputs, &inputs, &end->input,
                   &err) != 0) {
        end->input_bad = true;
        fail(end, ATTEMPT_BAD, &err);
        return;
    }
    struct file_sink file = {.sink = {file_emit, file_summary},
                             .folder_fd = child->folder_fd,
                             .number = child->number,
                             .result = {.action = *id}};
    limits_begin(limits);
    int rc = task_execute(kind, id, buf_span(&action->params), inputs, action->n_inputs,
                          &file.sink, &err);
    limits_end();
    inputs_unmap(child->inputs, inputs, action->n_inputs);
    if (rc == 0 && file.result.summary.size == 0) {
        struct pack pack;
        pack_init(&pack, &file.result.summary);
        pack_map(&pack, 0);
    }
    end->result = file.result;
    if (rc != 0) /* the function's own word: it would say the same everywhere */
        fail(end, ATTEMPT_ERROR, &err);
    else if (file.rc != 0) /* this machine's trouble, e.g. a full disk */
        fail(end, ATTEMPT_BAD, &file.err);
    else
        end->end = ATTEMPT_OK;
}

static void run(struct child *child, struct span frame, struct slot_end *end)
{
    uint64_t wall_us = clock_us(CLOCK_MONOTONIC), cpu_us = clock_us(CLOCK_PROCESS_CPUTIME_ID);
    struct err err;
    struct action action;
    struct slot_limits limits = {0};
    struct span bytes = {0};
    if (slot_wire_run_decode(frame, &bytes, &limits, &err) != 0 ||
        action_decode(bytes, &action, &err) != 0) {
        fail(end, ATTEMPT_ERROR, &err);
        return;
    }
    struct hash id = hash_bytes(bytes);
    machine_peak_begin();
    const struct task_kind *kind = kind_for(&action, &err);
    if (kind)
        execute(child, kind, &id, &action, &limits, end);
    else
        fail(end, ATTEMPT_REFUSED, &err);
    action_done(&action);
    (void)fflush(stderr);
    end->wall_us = clock_us(CLOCK_MONOTONIC) - wall_us;
    end->cpu_us = clock_us(CLOCK_PROCESS_CPUTIME_ID) - cpu_us;
    end->peak_bytes = machine_peak_bytes();
}

static int serve(struct child *child, struct err *err)
{
    struct buf frame = {0}, answer = {0};
    int rc;
    while ((rc = frame_receive(SLOT_FD, &frame, err)) == 0) {
        struct slot_end end = {0};
        run(child, buf_span(&frame), &end);
        answer.size = 0;
        slot_wire_end_encode(&end, &answer);
        slot_end_done(&end);
        rc = frame_send(SLOT_FD, buf_span(&answer), err);
        if (rc != 0)
            break;
    }
    buf_done(&frame);
    buf_done(&answer);
    return rc == ERR_NOT_FOUND ? 0 : rc; /* the worker closed: time to go */
}

int slot_main(const char *folder, uint32_t number)
{
    struct err err = {0};
    struct buf ready = {0};
    /* A process that the task may start must not keep the worker waiting for our end. */
    if (fcntl(SLOT_FD, F_SETFD, FD_CLOEXEC) != 0) {
        (void)fprintf(stderr, "slot: no worker at the other end\n");
        return 1;
    }
    (void)setpriority(PRIO_PROCESS, 0, 5); /* the worker's own threads go first */
    confine();
    warm_up();
    int rc = profile_check(&err);
    slot_wire_ready_encode(rc == 0 ? "" : err.text, &ready);
    int sent = frame_send(SLOT_FD, buf_span(&ready), &err);
    buf_done(&ready);

    struct child child = {.number = number};
    child.folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (rc == 0 && sent == 0 && child.folder_fd >= 0) {
        child.inputs = inputs_new(child.folder_fd);
        rc = serve(&child, &err);
        inputs_free(child.inputs);
    }
    if (child.folder_fd >= 0)
        (void)close(child.folder_fd);
    if (rc != 0)
        (void)fprintf(stderr, "slot: %s\n", err.text);
    return rc == 0 ? 0 : 1;
}
