/* How fast is the broker core alone, and does a long queue slow it down? Adds N tasks (default
 * 1 000 000), leases and finishes all through W workers, prints time per task, the longest
 * single step and memory per queued task. Usage: bench core [N [W]] */
#include "bench/bench.h"
#include "broker/core.h"
#include "common/mem.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct bench {
    struct broker_core *core;
    struct broker_actions actions;
    struct broker_action *leases; /* taken but not answered: a ring */
    size_t first, n, capacity;
    uint64_t now_ms;
    double step_s_max;
    uint64_t done;
};

static struct hash task_id(uint64_t number)
{
    return hash_bytes((struct span){(const uint8_t *)&number, sizeof number});
}

static void step(struct bench *bench, struct broker_event event)
{
    event.now_ms = bench->now_ms;
    double begin_s = bench_now_s();
    struct err err;
    if (broker_core_step(bench->core, &event, &bench->actions, &err)) {
        (void)fprintf(stderr, "bench_core: %s\n", err.text);
        exit(1);
    }
    double step_s = bench_now_s() - begin_s;
    if (step_s > bench->step_s_max)
        bench->step_s_max = step_s;
    for (size_t i = 0; i < bench->actions.n; i++) {
        if (bench->actions.items[i].type == BROKER_ACTION_LEASE)
            bench->leases[(bench->first + bench->n++) % bench->capacity] =
                bench->actions.items[i];
        bench->done += bench->actions.items[i].type == BROKER_ACTION_DONE;
    }
}

static void finish_all(struct bench *bench, uint64_t count)
{
    while (bench->done < count) {
        struct broker_action lease = bench->leases[bench->first];
        bench->first = (bench->first + 1) % bench->capacity;
        bench->n--;
        bench->now_ms += bench->done % 64 == 0;
        step(bench, (struct broker_event){.type = BROKER_EVENT_RESULT,
                                          .worker = lease.worker,
                                          .task = lease.task,
                                          .attempt = lease.attempt,
                                          .end = ATTEMPT_OK});
        step(bench,
             (struct broker_event){.type = BROKER_EVENT_RESULT_DURABLE, .task = lease.task});
    }
}

static void run(uint64_t count, uint32_t workers)
{
    const struct broker_limits limits = {
        .lease_ms = UINT32_MAX, .worker_ms = UINT32_MAX, .backoff_ms = 1000, .race_ms = 2000};
    struct bench bench = {.core = broker_core_new(&limits)};
    bench.capacity = (size_t)workers * BROKER_CREDIT_MAX + 1;
    bench.leases = mem_new(bench.capacity, sizeof *bench.leases);

    size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
    double begin_s = bench_now_s();
    for (uint64_t i = 0; i < count; i++)
        step(&bench, (struct broker_event){.type = BROKER_EVENT_TASK_ADD, .task = task_id(i)});
    double added_s = bench_now_s(), add_max_s = bench.step_s_max;
    size_t after = mallinfo2().uordblks + mallinfo2().hblkhd;

    bench.step_s_max = 0;
    for (uint32_t w = 1; w <= workers; w++)
        step(&bench, (struct broker_event){.type = BROKER_EVENT_WORKER_READY,
                                           .worker = w,
                                           .kinds = 1,
                                           .slots = BROKER_CREDIT_MAX,
                                           .credit = BROKER_CREDIT_MAX});
    finish_all(&bench, count);
    double end_s = bench_now_s();
    (void)printf("%9llu tasks, %u workers: add %.3f us/task (longest step %.3f ms), "
                 "lease+result+durable %.3f us/task (longest step %.3f ms), "
                 "%.0f bytes/queued task\n",
                 (unsigned long long)count, workers, 1e6 * (added_s - begin_s) / (double)count,
                 1e3 * add_max_s, 1e6 * (end_s - added_s) / (double)count,
                 1e3 * bench.step_s_max, (double)(after - before) / (double)count);
    broker_actions_done(&bench.actions);
    broker_core_free(bench.core);
    free(bench.leases);
}

int bench_core(int argc, char **argv)
{
    uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
    uint32_t workers = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 2;
    if (argc <= 1)
        run(1000, workers);
    run(count, workers);
    return 0;
}
