/* A slot: time from fork to ready, and the round trip of a task that does nothing but write one
 * output, small and of the size of a checkpoint part.   bench slot [TASKS] */
#include "bench/bench.h"

#include "common/mem.h"
#include "tests/support/folder.h"
#include "workers/runtime/clock.h"
#include "workers/runtime/slot.h"
#include "workers/task.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STARTS = 20, LARGE_BYTES = 1 << 20, LARGE_TASKS = 50 };

static int emit_run(const struct task *task, struct err *err)
{
    uint64_t size = 0;
    int rc = value_u64(value_get(task->params, "size"), "size", 0, 1 << 30, &size, err);
    uint8_t *bytes = mem_new(size, 1);
    if (rc == 0)
        task_emit(task, "bytes", (struct span){bytes, size});
    free(bytes);
    return rc;
}

const struct task_kind task_kinds[] = {{"emit", 1, false, emit_run, "zeros"}};
const uint32_t task_kinds_count = 1;

static void check(int rc, const struct err *err)
{
    if (rc >= 0)
        return;
    (void)fprintf(stderr, "bench slot: %s\n", err->text);
    exit(1);
}

/* Until the slot is idle, or has ended its task. */
static void wait_for(struct slot *slot)
{
    int rc = 0;
    while (rc == 0 && slot_state(slot) != SLOT_IDLE) {
        struct pollfd item = {slot_fd(slot), POLLIN, 0};
        struct slot_end end = {0};
        struct err err;
        (void)poll(&item, 1, 1000);
        check(rc = slot_event(slot, clock_ms(), &end, &err), &err);
        slot_end_done(&end);
    }
}

static double start_s(struct slot *slot)
{
    double begin = bench_now_s();
    struct err err;
    for (int i = 0; i < STARTS; i++) {
        slot_kill(slot);
        check(slot_start(slot, &err), &err);
        wait_for(slot);
    }
    return (bench_now_s() - begin) / STARTS;
}

static double task_s(struct slot *slot, uint64_t size, int tasks)
{
    struct action action = {.kind = "emit", .revision = 1};
    struct buf bytes = {0};
    struct pack pack;
    struct hash id;
    pack_init(&pack, &action.params);
    pack_map(&pack, 1);
    pack_key(&pack, "size");
    pack_u64(&pack, size);
    action_encode(&action, &bytes, &id);
    /* with limits, which cost some system calls */
    const struct slot_limits limits = {.memory_bytes = 1 << 30, .time_ms = 60000};
    double begin = bench_now_s();
    for (int i = 0; i < tasks; i++) {
        slot_run(slot, buf_span(&bytes), &limits, clock_ms());
        wait_for(slot);
    }
    double seconds = (bench_now_s() - begin) / tasks;
    buf_done(&bytes);
    action_done(&action);
    return seconds;
}

int bench_slot(int argc, char **argv)
{
    if (argc == 3) /* the child: `slot FOLDER NUMBER` */
        return slot_main(argv[1], (uint32_t)strtoul(argv[2], NULL, 10));
    int tasks = argc > 1 ? atoi(argv[1]) : 5000;
    char folder[TEST_FOLDER_SIZE];
    test_folder_new(folder);
    struct slot *slot = slot_new(folder, 0);
    (void)printf("slot: start to ready        %8.1f ms\n", 1e3 * start_s(slot));
    (void)printf("slot: task, output of 100 B %8.1f us\n", 1e6 * task_s(slot, 100, tasks));
    double large = task_s(slot, LARGE_BYTES, LARGE_TASKS);
    (void)printf("slot: task, output of 1 MiB %8.1f us   %.0f MB/s hashed and written\n",
                 1e6 * large, LARGE_BYTES / large / 1e6);
    slot_free(slot);
    test_folder_remove(folder);
    return 0;
}
