/* Benchmarks: `build/bench NAME [OPTION...]`. Each prints figures with unit and the limit they
 * are compared with; none fails on time. One file bench_NAME.c and one row in main.c each. */
#ifndef WYCKMILL_BENCH_BENCH_H
#define WYCKMILL_BENCH_BENCH_H

/* argv[0] is the benchmark's name. Returns an exit status. */
typedef int bench_run(int argc, char **argv);

bench_run bench_core, bench_broker, bench_store, bench_slot, bench_realize, bench_encode,
    bench_rounds;

/* Seconds on the monotonic clock. */
double bench_now_s(void);
/* CPU seconds of this process. */
double bench_cpu_s(void);

#endif
