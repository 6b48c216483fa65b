#include "tests/unit/runtime/kinds.h"

#include "common/mem.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int join_run(const struct task *task, struct err *err)
{
    char text[256];
    int rc = value_text(value_get(task->params, "text"), "text", text, sizeof text, err);
    if (rc != 0)
        return rc;

    struct buf out = {0}, summary = {0};
    buf_append(&out, text, strlen(text));
    for (uint32_t i = 0; i < task->n_inputs; i++)
        buf_append(&out, task->inputs[i].data, task->inputs[i].size);
    task_emit(task, "text", buf_span(&out));

    struct pack pack;
    pack_init(&pack, &summary);
    pack_map(&pack, 1);
    pack_key(&pack, "bytes");
    pack_u64(&pack, out.size);
    task_summary(task, buf_span(&summary));
    buf_done(&out);
    buf_done(&summary);
    return 0;
}

static int fail_run(const struct task *task, struct err *err)
{
    char text[256];
    int rc = value_text(value_get(task->params, "text"), "text", text, sizeof text, err);
    return rc != 0 ? rc : err_set(err, ERR_NUMERIC, "%s", text);
}

/* Takes `mib` of memory and uses it, in pieces. */
static void hoard(uint64_t mib)
{
    void **pieces = mem_new(mib, sizeof *pieces);
    for (uint64_t i = 0; i < mib; i++)
        memset(pieces[i] = mem_new(1, 1 << 20), (int)i, 1 << 20);
    for (uint64_t i = 0; i < mib; i++)
        free(pieces[i]);
    free(pieces);
}

static int hoard_run(const struct task *task, struct err *err)
{
    char text[16];
    int rc = value_text(value_get(task->params, "text"), "text", text, sizeof text, err);
    if (rc == 0)
        hoard(strtoull(text, NULL, 10));
    return rc;
}

static int crash_run(const struct task *task, struct err *err)
{
    char text[256], how[16];
    int rc = value_text(value_get(task->params, "text"), "text", text, sizeof text, err);
    if (rc == 0)
        rc = value_text(value_get(task->params, "how"), "how", how, sizeof how, err);
    if (rc != 0)
        return rc;
    (void)fprintf(stderr, "%s\n", text);
    if (strcmp(how, "abort") == 0)
        abort();
    if (strcmp(how, "exit") == 0)
        _exit(7);
    if (strcmp(how, "kill") == 0)
        (void)raise(SIGKILL);
    for (volatile unsigned n = 0; strcmp(how, "spin") == 0;)
        n++;
    for (;;)
        (void)pause();
}

static int chatter_run(const struct task *task, struct err *err)
{
    (void)task;
    (void)err;
    for (int line = 0; line < 4000; line++)
        (void)fprintf(stderr, "line %d\n", line);
    return 0;
}

const struct task_kind task_kinds[] = {
    {"join", 1, false, join_run, "text and inputs, one behind the other"},
    {"fail", 3, true, fail_run, "an error"},
    {"chatter", 1, false, chatter_run, "many words on stderr"},
    {"crash", 1, false, crash_run, "a death"},
    {"hoard", 1, false, hoard_run, "nothing, with so many MiB"},
};
const uint32_t task_kinds_count = sizeof task_kinds / sizeof task_kinds[0];

void kinds_params(struct buf *out, const char *how, const char *text)
{
    struct pack pack;
    pack_init(&pack, out);
    pack_map(&pack, how ? 2 : 1);
    if (how) {
        pack_key(&pack, "how");
        pack_text(&pack, how);
    }
    pack_key(&pack, "text");
    pack_text(&pack, text);
}
