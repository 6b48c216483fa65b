/* `wyckmill worker`: run tasks for a broker, on this machine or another. */
#include "cli/cli.h"
#include "keys/keys.h"
#include "workers/runtime/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    SLOTS_MAX = 64,
    CACHE_GIB = 10,
    KEY_KINDS = 256,
    KEY_CACHE,
    KEY_CACHE_SIZE,
    KEY_TASK_TIME,
    KEY_KEYS,
    KEY_MEMORY,
    KEY_GPUS,
    KEY_TAGS,
};

static int stop_pipe[2] = {-1, -1};

/* The worker reads one byte per request to leave. */
static void on_signal(int number)
{
    int errno_value = errno;
    (void)number;
    (void)!write(stop_pipe[1], "x", 1);
    errno = errno_value;
}

static int watch_signals(struct err *err)
{
    struct sigaction action = {.sa_handler = on_signal};
    if (pipe(stop_pipe) != 0)
        return err_errno(err, errno, "make a pipe");
    for (int end = 0; end < 2; end++) {
        (void)fcntl(stop_pipe[end], F_SETFD, FD_CLOEXEC);
        (void)fcntl(stop_pipe[end], F_SETFL, O_NONBLOCK);
    }
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGHUP, &action, NULL);
    return 0;
}

static void say(void *context, const char *sentence)
{
    (void)context;
    (void)fprintf(stderr, "wyckmill worker: %s\n", sentence);
}

static double parse_number(const char *option, const char *text, double min, double max,
                           struct argp_state *state)
{
    char *end;
    double number = strtod(text, &end);
    if (end == text || *end || !(number >= min && number <= max))
        argp_error(state, "%s wants a number from %g to %g, not '%s'", option, min, max, text);
    return number;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct worker_options *options = state->input;
    struct err err = {0};
    switch (key) {
    case 'c':
        options->connect = arg;
        return 0;
    case 's':
        options->slots = (uint32_t)parse_number("--slots", arg, 1, SLOTS_MAX, state);
        return 0;
    case KEY_KEYS:
        options->keys = arg;
        return 0;
    case KEY_KINDS:
        options->kinds = arg;
        return 0;
    case KEY_CACHE:
        options->cache = arg;
        return 0;
    case KEY_CACHE_SIZE:
        options->cache_bytes_max =
            (uint64_t)ldexp(parse_number("--cache-size", arg, 0.1, 1e6, state), 30);
        return 0;
    case KEY_TASK_TIME:
        options->time_ms =
            (uint64_t)(1000 * parse_number("--task-time", arg, 0.001, 1e7, state));
        return 0;
    case KEY_MEMORY:
        if (bytes_parse(arg, &options->memory_bytes, &err))
            argp_error(state, "--memory: %s; %s", err.text, err.hint);
        return 0;
    case KEY_GPUS:
        options->gpus = (uint32_t)parse_number("--gpus", arg, 0, NEEDS_GPUS_MAX, state);
        return 0;
    case KEY_TAGS:
        if (tags_parse(arg, ',', options->tags, &err))
            argp_error(state, "--%s", err.text);
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "'%s' is one word too many", arg);
        return 0;
    case ARGP_KEY_END:
        if (!options->connect)
            argp_error(state, "which broker? --connect tcp://HOST:PORT");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int cmd_worker(int argc, char **argv)
{
    static const struct argp_option rows[] = {
        {"connect", 'c', "ADDR", 0, "the broker, tcp://HOST:PORT or ipc://PATH", 0},
        CLI_KEYS_OPTION(KEY_KEYS),
        {"slots", 's', "N", 0, "tasks at once (default: one per core)", 0},
        {"memory", KEY_MEMORY, "SIZE", 0,
         "for all tasks together, as in \"64 GiB\" (default: that of the machine, or of the "
         "control group)",
         0},
        {"gpus", KEY_GPUS, "N", 0, "that tasks may ask for (default: 0)", 0},
        {"tags", KEY_TAGS, "A,B", 0, "that tasks may ask for (default: none)", 0},
        {"kinds", KEY_KINDS, "A,B", 0, "run only these kinds of tasks (default: all)", 0},
        {"cache", KEY_CACHE, "DIR", 0,
         "keep objects here (default: $XDG_CACHE_HOME/wyckmill or ~/.cache/wyckmill)", 0},
        {"cache-size", KEY_CACHE_SIZE, "GIB", 0, "how much of them (default: 10)", 0},
        {"task-time", KEY_TASK_TIME, "SECONDS", 0,
         "end a task that takes longer (default: no limit)", 0},
        {0}};
    const struct argp argp = {
        .options = rows,
        .parser = parse,
        .doc = "Run tasks for a broker until it says that no more will come. A broker that is "
               "away is waited for.\vFirst Ctrl-C: finish what runs, then leave. Second: at "
               "once; the broker gives the tasks to others."};
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    struct worker_options options = {.slots = cores < 1           ? 1
                                              : cores > SLOTS_MAX ? SLOTS_MAX
                                                                  : (uint32_t)cores,
                                     .cache_bytes_max = (uint64_t)CACHE_GIB << 30,
                                     .say = say};
    struct err err = {0};
    int rc = cli_parse(&argp, argc, argv, &options);
    if (rc != 0)
        return rc - 1;
    options.keys = keys_folder(options.keys);
    rc = watch_signals(&err);
    options.stop_fd = stop_pipe[0];
    if (rc == 0)
        rc = worker_run(&options, &err);
    return rc != 0 ? cli_fail("worker", &err, false) : EXIT_DONE;
}
