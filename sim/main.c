/* build/sim --seeds N [--from SEED] [--trace]: N stories; every broken promise with its seed.
 */
#include "sim/sim.h"

#include "common/mutant.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MUTANT_SEEDS = 1000, MUTANT_CPU_S = 120 };

#ifdef WYCKMILL_MUTANTS
enum mutant mutant_active = MUTANT_NONE;
#else
static enum mutant mutant_active;
#endif

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

/* ---- mutants ---- */

/* Where those that take long were caught last is looked at first; then seeds 1 to 1000. */
static const uint64_t first_seeds[MUTANT_COUNT] = {
    [MUTANT_CACHE_HIT_WITHOUT_BLOB] = 555,
    [MUTANT_CHECKSUM_IGNORED] = 528,
    [MUTANT_RESULT_WHILE_PERSISTING] = 408,
    [MUTANT_COMMIT_ERROR_IGNORED] = 339,
    [MUTANT_EVENTS_BEFORE_SYNC] = 127,
    [MUTANT_RACE_OF_HELD] = 115,
    [MUTANT_RACE_OF_MANY] = 101,
    [MUTANT_HOLD_LEAKS] = 72,
};

/* In a child: what a mutant makes of the process is its own affair. Ends with 1 and a line on
 * `to` at the first seed that notices. */
static void try_mutant(enum mutant mutant, FILE *to)
{
    mutant_active = mutant;
    for (uint64_t n = 0; n <= MUTANT_SEEDS; n++) {
        uint64_t seed = n > 0 ? n : first_seeds[mutant];
        struct sim sim;
        if (seed == 0)
            continue;
        (void)fprintf(to, "%llu\n", (unsigned long long)seed);
        (void)fflush(to);
        sim_init(&sim, seed, false);
        if (sim_run(&sim)) {
            (void)fprintf(to, "%s\n", sim.why);
            (void)fflush(to);
            _exit(1);
        }
        sim_done(&sim);
    }
    _exit(0);
}

/* The last two lines of what the child wrote: seed, and why; or a seed alone. */
static void read_end(FILE *from, char seed[32], char why[sizeof(((struct sim *)0)->why)])
{
    char line[512];
    seed[0] = why[0] = '\0';
    while (fgets(line, sizeof line, from)) {
        line[strcspn(line, "\n")] = '\0';
        if (line[strspn(line, "0123456789")] == '\0')
            (void)snprintf(seed, 32, "%s", line);
        else
            (void)snprintf(why, sizeof(((struct sim *)0)->why), "%s", line);
    }
}

static bool is_caught(enum mutant mutant, const char *name, const char *what)
{
    int ends[2], status = 0;
    char seed[32], why[sizeof(((struct sim *)0)->why)];
    (void)fflush(stdout);
    if (pipe(ends))
        return false;
    pid_t child = fork();
    if (child == 0) {
        const struct rlimit cpu = {MUTANT_CPU_S, MUTANT_CPU_S};
        (void)setrlimit(RLIMIT_CPU, &cpu);
        (void)close(ends[0]);
        try_mutant(mutant, fdopen(ends[1], "w"));
    }
    (void)close(ends[1]);
    FILE *from = fdopen(ends[0], "r");
    read_end(from, seed, why);
    (void)fclose(from);
    (void)waitpid(child, &status, 0);
    bool caught = !WIFEXITED(status) || WEXITSTATUS(status) != 0;
    if (WIFSIGNALED(status))
        (void)snprintf(why, sizeof why, "the process ended with signal %d", WTERMSIG(status));
    if (caught)
        (void)printf("caught at seed %-4s %-24s %s\n", seed, name, why);
    else
        (void)printf("NOT CAUGHT          %-24s %s\n", name, what);
    return caught;
}

static int run_mutants(void)
{
    static const char *const rows[][2] = {[MUTANT_NONE] = {"", ""},
#define X(name, what, seen) [MUTANT_##name] = {#name, what},
                                          MUTANT_LIST(X)
#undef X
    };
    int caught = 0;
    for (int m = MUTANT_NONE + 1; m < MUTANT_COUNT; m++)
        caught += is_caught((enum mutant)m, rows[m][0], rows[m][1]);
    (void)printf("%d of %d mutants caught\n", caught, MUTANT_COUNT - 1);
    return caught < MUTANT_COUNT - 1;
}

int main(int argc, char **argv)
{
    static const struct option rows[] = {{"seeds", required_argument, NULL, 's'},
                                         {"from", required_argument, NULL, 'f'},
                                         {"trace", no_argument, NULL, 't'},
                                         {"mutants", no_argument, NULL, 'm'},
                                         {0}};
    uint64_t seeds = 100, from = 1;
    bool tracing = false;
    for (int c; (c = getopt_long(argc, argv, "", rows, NULL)) >= 0;) {
        char *end = NULL;
        errno = 0;
        uint64_t number = c == 't' || c == 'm' || c == '?' ? 0 : strtoull(optarg, &end, 10);
        if (c == '?' || (end && (*end || end == optarg || errno))) {
            (void)fprintf(stderr,
                          "usage: sim [--seeds N] [--from SEED] [--trace] | --mutants\n");
            return 2;
        }
        if (c == 'm')
            return run_mutants();
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
