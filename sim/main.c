/* build/sim --seeds N [--from SEED] [--trace]: N stories; every broken promise with its seed.
 */
#include "sim/sim.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct totals {
    uint64_t failed;
    double virtual_s;
};

static double cpu_s(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void run_seed(uint64_t seed, bool tracing, struct totals *totals)
{
    struct sim sim;
    sim_init(&sim, seed, tracing);
    if (sim_run(&sim)) {
        totals->failed++;
        (void)printf("seed %llu: %s\n  the whole story, the same every time: build/sim --seeds "
                     "1 --from %llu --trace\n",
                     (unsigned long long)seed, sim.why, (unsigned long long)seed);
    }
    if (tracing)
        (void)printf("story %016llx\n", (unsigned long long)sim.story);
    totals->virtual_s += (double)sim.now_us * 1e-6;
    sim_done(&sim);
}

int main(int argc, char **argv)
{
    static const struct option rows[] = {{"seeds", required_argument, NULL, 's'},
                                         {"from", required_argument, NULL, 'f'},
                                         {"trace", no_argument, NULL, 't'},
                                         {0}};
    uint64_t seeds = 100, from = 1;
    bool tracing = false;
    for (int c; (c = getopt_long(argc, argv, "", rows, NULL)) >= 0;) {
        char *end = NULL;
        errno = 0;
        uint64_t number = c == 't' || c == '?' ? 0 : strtoull(optarg, &end, 10);
        if (c == '?' || (end && (*end || end == optarg || errno))) {
            (void)fprintf(stderr, "usage: sim [--seeds N] [--from SEED] [--trace]\n");
            return 2;
        }
        if (c == 's')
            seeds = number;
        else if (c == 'f')
            from = number;
        else
            tracing = true;
    }
    struct totals totals = {0};
    double begin_s = cpu_s();
    for (uint64_t seed = from; seed < from + seeds; seed++)
        run_seed(seed, tracing, &totals);
    double spent_s = cpu_s() - begin_s;
    (void)printf("%llu seeds, %llu failed, %.0f x real time\n", (unsigned long long)seeds,
                 (unsigned long long)totals.failed, totals.virtual_s / spent_s);
    return totals.failed > 0;
}
