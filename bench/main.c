/* `build/bench NAME`: one row per benchmark. */
#include "bench/bench.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const struct {
    const char *name;
    bench_run *run;
    const char *help;
} benches[] = {
    {"core", bench_core, "broker core: tasks per second, memory per task"},
    {"broker", bench_broker, "durable no-op tasks per second through sockets and store"},
    {"store", bench_store, "puts and gets beside raw append + fsync and raw LMDB"},
    {"rounds", bench_rounds,
     "campaign without end: bytes per round, replay after a restart, gc"},
    {"slot", bench_slot, "child process of a worker: start, round trip of an empty task"},
    {"realize", bench_realize, "structures per second, pairs for the match rate"},
    {"encode", bench_encode, "structures per second, fraction of bare spglib"},
};

static double clock_s(clockid_t clock)
{
    struct timespec now;
    (void)clock_gettime(clock, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

double bench_now_s(void)
{
    return clock_s(CLOCK_MONOTONIC);
}

double bench_cpu_s(void)
{
    return clock_s(CLOCK_PROCESS_CPUTIME_ID);
}

int main(int argc, char **argv)
{
    size_t n = sizeof benches / sizeof benches[0];
    for (size_t i = 0; argc > 1 && i < n; i++)
        if (!strcmp(argv[1], benches[i].name))
            return benches[i].run(argc - 1, argv + 1);
    (void)fprintf(stderr, "usage: bench NAME [OPTION...]\n");
    for (size_t i = 0; i < n; i++)
        (void)fprintf(stderr, "  %-8s %s\n", benches[i].name, benches[i].help);
    return 2;
}
