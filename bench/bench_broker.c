/* The whole broker with no-op tasks: sockets, store and durable results, workers in processes
 * of their own that answer at once. Prints durable tasks per second and the broker's CPU time
 * per task, how long a restart takes to find all results again, the round trip of one task at a
 * time (a chain); with --queued what a long queue costs; and beside them the limits and the
 * peers in the same minute: append + fdatasync on this disk, a bare ZeroMQ round trip, and what
 * bench/peers/peers.py finds installed.
 *
 *   bench broker [--queued N] [--peers] [--json] [TASKS [WORKERS]]
 *     --queued N   first N tasks wait, then TASKS more are done (memory, answers, rate)
 *     --peers      other job systems, too: a minute or more
 *     --json       the figures as one JSON object instead
 */
#include "bench/bench.h"

#include "broker/broker.h"
#include "broker/campaign.h"
#include "common/cleanup.h"
#include "common/mem.h"
#include "proto/kinds.h"
#include "proto/messages.h"
#include "tests/support/folder.h"
#include "workers/runtime/client.h"

#include <fcntl.h>
#include <getopt.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

enum {
    CHAIN = 500,
    PROBE_WRITES = 500,
    PINGS = 20000,
    WORKERS_MAX = 64,
    SOURCES_EACH = 25000, /* of a campaign: more tasks are several campaigns */
    TASKS_LIMIT = 2000000,
};

struct bench {
    char folder[TEST_FOLDER_SIZE], listen[TEST_FOLDER_SIZE + 16];
    int report[2]; /* pipe from a worker */
    pid_t broker, workers[WORKERS_MAX];
    uint32_t n_workers;
    struct client *client;
    uint32_t n_campaigns; /* submitted so far: no two ask for the same tasks */
    bool json;
    json_t *figures;
};

/* One figure: a line, or a member of the JSON object. */
static void say_figure(struct bench *bench, const char *name, double value, const char *unit,
                       const char *what)
{
    (void)json_object_set_new(
        bench->figures, name,
        json_pack("{s:f,s:s,s:s}", "value", value, "unit", unit, "what", what));
    if (!bench->json)
        (void)printf("%-18s %10.5g %-8s %s\n", name, value, unit, what);
    (void)fflush(stdout);
}

static void check(int rc, const struct err *err)
{
    if (rc == 0)
        return;
    (void)fprintf(stderr, "bench broker: %s\n", err->text);
    exit(1);
}

/* ---- a worker that does nothing ---- */

static const char output_text[] = "the output of every task";

static void *dealer(void *context, const char *endpoint)
{
    void *socket = zmq_socket(context, ZMQ_DEALER);
    if (!socket || zmq_connect(socket, endpoint))
        exit(1);
    return socket;
}

static void say(void *socket, const struct message *message)
{
    struct buf frame = {0};
    message_encode(message, &frame);
    (void)zmq_send(socket, frame.data, frame.size, 0);
    buf_done(&frame);
}

static void say_hello(void *control)
{
    struct message hello = {.type = MESSAGE_TYPE_hello,
                            .hello = {.boot = (uint64_t)getpid(), .slots = 32, .credit = 64}};
    struct buf all = {0};
    for (int k = 0; k < KIND_COUNT; k++)
        buf_print(&all, "%s%s@%u", k ? "," : "", kinds[k].name, kinds[k].revision);
    message_text_set(&hello.hello.name, "bench");
    message_text_set(&hello.hello.kinds, buf_text(&all));
    message_text_set(&hello.hello.profile, "bench");
    say(control, &hello);
    buf_done(&all);
}

static void answer(void *control, const struct message_lease *lease)
{
    struct output outputs[3] = {{.size = sizeof output_text - 1, .type = "bench"}};
    struct action action;
    struct buf bytes = {0};
    if (action_decode(lease->action, &action, NULL))
        exit(1);
    int kind = kind_find(action.kind);
    bool two = kind == KIND_assemble || kind == KIND_train_step;
    outputs[0].id = hash_bytes(span_text(output_text));
    outputs[1] = outputs[2] = outputs[0];
    struct result result = {.action = lease->task,
                            .outputs = outputs,
                            .n_outputs = kind == KIND_rank ? 3
                                         : two             ? 2
                                                           : 1};
    result_encode(&result, &bytes);
    struct message outcome = {.type = MESSAGE_TYPE_outcome,
                              .outcome = {.epoch = lease->epoch,
                                          .task = lease->task,
                                          .attempt = lease->attempt,
                                          .result = buf_span(&bytes)}};
    say(control, &outcome);
    action_done(&action);
    buf_done(&bytes);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* With `report`, on a chain where every task waits for the one before: how long from an outcome
 * to the next lease? Median and 99th percentile, ms, go into the bench's pipe at the end. */
static void work(const struct bench *bench, bool report)
{
    void *context = zmq_ctx_new(), *control = dealer(context, bench->listen);
    double *waits = NULL, said_s = 0;
    size_t n = 0, capacity = 0;
    say_hello(control);
    for (bool stay = true; stay;) {
        zmq_msg_t frame;
        struct message message;
        (void)zmq_msg_init(&frame);
        if (zmq_msg_recv(&frame, control, 0) < 0)
            exit(1);
        struct span bytes = {zmq_msg_data(&frame), zmq_msg_size(&frame)};
        if (message_decode(bytes, &message, NULL) == 0) {
            stay = message.type != MESSAGE_TYPE_shutdown;
            if (message.type == MESSAGE_TYPE_lease && said_s > 0 && report) {
                mem_reserve(waits, capacity, n + 1);
                waits[n++] = bench_now_s() - said_s;
            }
            if (message.type == MESSAGE_TYPE_lease) {
                answer(control, &message.lease);
                said_s = bench_now_s();
            }
        }
        (void)zmq_msg_close(&frame);
    }
    if (n) {
        double ends[2];
        qsort(waits, n, sizeof *waits, by_value);
        ends[0] = 1e3 * waits[n / 2];
        ends[1] = 1e3 * waits[n - 1 - n / 100];
        if (write(bench->report[1], ends, sizeof ends) != sizeof ends)
            exit(1);
    }
    free(waits);
    (void)zmq_close(control);
    (void)zmq_ctx_term(context);
}

/* ---- processes ---- */

static void start_workers(struct bench *bench, uint32_t workers, bool report)
{
    (void)fflush(NULL);
    bench->n_workers = workers;
    for (uint32_t i = 0; i < workers; i++) {
        bench->workers[i] = fork();
        if (bench->workers[i] == 0) {
            work(bench, report);
            _exit(0);
        }
    }
}

static void start(struct bench *bench, uint32_t workers, bool report)
{
    (void)fflush(NULL);
    bench->broker = fork();
    if (bench->broker == 0) {
        struct err err;
        struct broker_options options = {.store = bench->folder, .listen = bench->listen};
        check(broker_run(&options, &err), &err);
        _exit(0);
    }
    start_workers(bench, workers, report);
    struct err err;
    check(client_open(bench->listen, 10000, &bench->client, &err), &err);
}

static double broker_cpu_s(const struct bench *bench)
{
    clockid_t clock;
    struct timespec used = {0};
    if (clock_getcpuclockid(bench->broker, &clock) == 0)
        (void)clock_gettime(clock, &used);
    return (double)used.tv_sec + 1e-9 * (double)used.tv_nsec;
}

static void stop(struct bench *bench)
{
    void *context = zmq_ctx_new(), *control = dealer(context, bench->listen);
    struct message message = {.type = MESSAGE_TYPE_stop, .stop = {.workers = 1}};
    client_close(bench->client);
    say(control, &message);
    (void)waitpid(bench->broker, NULL, 0);
    (void)zmq_close(control);
    (void)zmq_ctx_term(context);
    for (uint32_t i = 0; i < bench->n_workers; i++)
        (void)waitpid(bench->workers[i], NULL, 0);
}

/* A number of the status. */
static long long count(const struct bench *bench, const char *key)
{
    struct buf json = {0};
    struct err err;
    check(client_status(bench->client, NULL, &json, &err), &err);
    json_t *root = json_loadb((const char *)json.data, json.size, 0, NULL);
    long long n = json_integer_value(json_object_get(root, key));
    json_decref(root);
    buf_done(&json);
    return n;
}

/* Seconds until the status says `want` results executed or cached. */
static double wait_for(const struct bench *bench, const char *key, long long want)
{
    const struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};
    double begin_s = bench_now_s();
    while (count(bench, key) < want)
        (void)nanosleep(&pause, NULL);
    return bench_now_s() - begin_s;
}

static void put_sources(const struct bench *bench, uint32_t n, struct hash *ret_ids)
{
    struct err err;
    struct hash id;
    for (uint32_t i = 0; i < n; i++) {
        char text[32];
        (void)snprintf(text, sizeof text, "source %u", i);
        check(client_put(bench->client, "source", span_text(text), &ret_ids[i], &err), &err);
    }
    check(client_put(bench->client, "bench", span_text(output_text), &id, &err), &err);
}

/* A campaign of `n` encode tasks, and a chain of `chain` train steps. */
static void submit_one(struct bench *bench, const struct hash *sources, uint32_t n,
                       uint32_t chain)
{
    struct campaign campaign;
    struct buf bytes = {0};
    struct err err;
    struct hash id;
    campaign_default(&campaign);
    (void)snprintf(campaign.name, sizeof campaign.name, "bench-%u", bench->n_campaigns);
    (void)snprintf(campaign.profile, sizeof campaign.profile, "bench");
    campaign.symprec = 0.01 + 1e-6 * bench->n_campaigns++; /* other tasks than before */
    campaign.n_sources = n;
    campaign.sources = mem_copy(sources, n * sizeof *campaign.sources);
    campaign.denoiser.steps = chain;
    campaign.denoiser.task_steps = campaign.guide.steps = campaign.guide.task_steps = 1;
    campaign_encode(&campaign, &bytes, NULL);
    check(client_submit(bench->client, buf_span(&bytes), &id, &err), &err);
    campaign_done(&campaign);
    buf_done(&bytes);
}

static void submit(struct bench *bench, uint32_t tasks, uint32_t chain)
{
    uint32_t most = tasks < SOURCES_EACH ? tasks : SOURCES_EACH;
    cleanup(free_ptr) struct hash *sources = mem_new(most, sizeof *sources);
    put_sources(bench, most, sources);
    for (uint32_t left = tasks; left > 0;) {
        uint32_t n = left < most ? left : most;
        submit_one(bench, sources, n, chain);
        left -= n;
    }
}

/* ---- the limit beside it ---- */

static void probe_disk(struct bench *bench)
{
    char path[TEST_FOLDER_SIZE + 8];
    uint8_t block[4096] = {0};
    (void)snprintf(path, sizeof path, "%s/probe", bench->folder);
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    double begin_s = bench_now_s();
    for (int i = 0; i < PROBE_WRITES; i++)
        if (write(fd, block, sizeof block) != sizeof block || fdatasync(fd))
            exit(1);
    double each_s = (bench_now_s() - begin_s) / PROBE_WRITES;
    (void)close(fd);
    say_figure(bench, "disk_sync", 1e3 * each_s, "ms", "append 4 KiB + fdatasync: the limit");
}

/* The other end of the pings. */
static void echo(const char *endpoint)
{
    void *context = zmq_ctx_new(), *socket = dealer(context, endpoint);
    char frame[64];
    for (int n; (n = zmq_recv(socket, frame, sizeof frame, 0)) > 0;)
        (void)zmq_send(socket, frame, (size_t)n, 0);
    _exit(0);
}

static void probe_ping(struct bench *bench)
{
    char endpoint[TEST_FOLDER_SIZE + 16], frame[64] = "ping";
    (void)snprintf(endpoint, sizeof endpoint, "ipc://%s/ping", bench->folder);
    pid_t child = fork();
    if (child == 0)
        echo(endpoint);
    void *context = zmq_ctx_new(), *socket = zmq_socket(context, ZMQ_DEALER);
    if (!socket || zmq_bind(socket, endpoint))
        exit(1);
    for (int i = 0; i < PINGS / 10; i++)
        if (zmq_send(socket, frame, 32, 0) < 0 || zmq_recv(socket, frame, sizeof frame, 0) < 0)
            exit(1);
    double begin_s = bench_now_s();
    for (int i = 0; i < PINGS; i++)
        if (zmq_send(socket, frame, 32, 0) < 0 || zmq_recv(socket, frame, sizeof frame, 0) < 0)
            exit(1);
    double each_s = (bench_now_s() - begin_s) / PINGS;
    (void)kill(child, SIGKILL);
    (void)waitpid(child, NULL, 0);
    (void)zmq_close(socket);
    (void)zmq_ctx_term(context);
    say_figure(bench, "zmq_ping", 1e3 * each_s, "ms", "bare ZeroMQ round trip: the limit");
}

static void run_peers(uint32_t workers)
{
    char path[] = SOURCE_ROOT "/bench/peers/peers.py", number[16];
    (void)snprintf(number, sizeof number, "%u", workers);
    /* By its whole name, which is how Dask starts it again for its workers. */
    char *const words[] = {"/usr/bin/python3", path, "2000", number, NULL};
    pid_t child = fork();
    if (child == 0) {
        (void)execv("/usr/bin/python3", words);
        (void)execvp("python3", words);
        (void)printf("peers: skipped: no python3\n");
        _exit(0);
    }
    (void)waitpid(child, NULL, 0);
}

/* ---- what is measured ---- */

/* KiB in memory; Linux only. */
static double resident_kib(pid_t pid)
{
    char path[64], line[128];
    double kib = 0;
    (void)snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    cleanup(fclose_ptr) FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file))
        if (!strncmp(line, "VmRSS:", 6))
            kib = strtod(line + 6, NULL);
    return kib;
}

static long long queued(const struct bench *bench)
{
    struct buf json = {0};
    struct err err;
    check(client_status(bench->client, NULL, &json, &err), &err);
    json_t *root = json_loadb((const char *)json.data, json.size, 0, NULL);
    long long n = json_integer_value(json_object_get(json_object_get(root, "tasks"), "ready"));
    json_decref(root);
    buf_done(&json);
    return n;
}

static void say_rounds(struct bench *bench, const char *when)
{
    struct buf json = {0};
    struct err err;
    char name[64];
    check(client_status(bench->client, NULL, &json, &err), &err);
    json_t *root = json_loadb((const char *)json.data, json.size, 0, NULL);
    const json_t *broker = json_object_get(root, "broker");
    (void)snprintf(name, sizeof name, "%s_round_max", when);
    say_figure(bench, name, 1e3 * json_real_value(json_object_get(broker, "round_max_s")), "ms",
               "longest round of the event loop so far, without its commit");
    (void)snprintf(name, sizeof name, "%s_commit_max", when);
    say_figure(bench, name, 1e3 * json_real_value(json_object_get(broker, "commit_max_s")),
               "ms", "longest commit so far");
    json_decref(root);
    buf_done(&json);
}

/* `n` tasks wait for a worker: how long does the broker keep others waiting meanwhile, and what
 * does each cost? */
static void fill_queue(struct bench *bench, uint32_t n)
{
    double worst_s = 0, begin_s, kib = resident_kib(bench->broker);
    submit(bench, n, 1);
    for (long long have = 0; have < n;) {
        begin_s = bench_now_s();
        have = queued(bench);
        worst_s = bench_now_s() - begin_s > worst_s ? bench_now_s() - begin_s : worst_s;
    }
    say_figure(bench, "queued", n, "tasks", "wait while the following is measured");
    say_figure(bench, "queued_memory", 1024 * (resident_kib(bench->broker) - kib) / n, "B/task",
               "of the broker, its plans included");
    say_figure(bench, "queued_answer_max", 1e3 * worst_s, "ms",
               "longest wait for a status while they were planned");
    say_rounds(bench, "queued");
}

static void measure_rate(struct bench *bench, uint32_t tasks, uint32_t waiting,
                         uint32_t workers)
{
    start(bench, 0, false);
    if (waiting > 0)
        fill_queue(bench, waiting);
    submit(bench, tasks, 1);
    while (queued(bench) < (long long)tasks + waiting)
        ;
    double cpu_s = broker_cpu_s(bench), begin_s = bench_now_s();
    start_workers(bench, workers, false);
    (void)wait_for(bench, "executed", tasks);
    double seconds = bench_now_s() - begin_s;
    cpu_s = broker_cpu_s(bench) - cpu_s;
    say_figure(bench, "rate", tasks / seconds, "tasks/s", "durable no-op tasks");
    say_figure(bench, "broker_cpu", 1e6 * cpu_s / tasks, "us/task", "CPU of the broker");
    say_rounds(bench, "rate");
    stop(bench);
}

static void measure_replay(struct bench *bench, uint32_t tasks)
{
    double begin_s = bench_now_s();
    start(bench, 0, false);
    (void)wait_for(bench, "cached", tasks);
    say_figure(bench, "replay", bench_now_s() - begin_s, "s",
               "restart until all results are found again, nothing executed");
    stop(bench);
}

static void measure_chain(struct bench *bench)
{
    double ends[2];
    start(bench, 1, true);
    submit(bench, 1, CHAIN);
    (void)wait_for(bench, "executed", CHAIN);
    stop(bench);
    if (read(bench->report[0], ends, sizeof ends) != sizeof ends)
        exit(1);
    say_figure(bench, "round_trip_p50", ends[0], "ms", "one durable task at a time");
    say_figure(bench, "round_trip_p99", ends[1], "ms", "one durable task at a time");
}

struct options {
    bool peers;
    uint32_t queued, tasks, workers;
};

static bool parse(int argc, char **argv, struct options *options, bool *ret_json)
{
    static const struct option rows[] = {{"queued", required_argument, NULL, 'q'},
                                         {"peers", no_argument, NULL, 'p'},
                                         {"json", no_argument, NULL, 'j'},
                                         {0}};
    *options = (struct options){.tasks = 20000, .workers = 2};
    for (int c; (c = getopt_long(argc, argv, "", rows, NULL)) >= 0;) {
        if (c == 'q')
            options->queued = (uint32_t)strtoul(optarg, NULL, 10);
        options->peers = options->peers || c == 'p';
        *ret_json = *ret_json || c == 'j';
        if (c == '?')
            return false;
    }
    if (optind < argc)
        options->tasks = (uint32_t)strtoul(argv[optind], NULL, 10);
    if (optind + 1 < argc)
        options->workers = (uint32_t)strtoul(argv[optind + 1], NULL, 10);
    return options->tasks >= 1 && options->tasks <= TASKS_LIMIT &&
           options->queued <= TASKS_LIMIT && options->workers >= 1 &&
           options->workers <= WORKERS_MAX;
}

int bench_broker(int argc, char **argv)
{
    struct options options;
    struct bench bench = {.figures = json_object()};
    if (!parse(argc, argv, &options, &bench.json) || pipe(bench.report)) {
        (void)fprintf(stderr,
                      "usage: bench broker [--queued N] [--peers] [--json] [TASKS "
                      "[WORKERS]], at most %d tasks and %d workers\n",
                      TASKS_LIMIT, WORKERS_MAX);
        return 2;
    }
    test_folder_new(bench.folder);
    (void)snprintf(bench.listen, sizeof bench.listen, "ipc://%s/s", bench.folder);
    probe_disk(&bench);
    probe_ping(&bench);
    measure_rate(&bench, options.tasks, options.queued, options.workers);
    measure_replay(&bench, options.tasks);
    test_folder_remove(bench.folder);
    test_folder_new(bench.folder);
    (void)snprintf(bench.listen, sizeof bench.listen, "ipc://%s/s", bench.folder);
    measure_chain(&bench);
    test_folder_remove(bench.folder);
    if (bench.json)
        (void)json_dumpf(bench.figures, stdout, JSON_INDENT(1));
    json_decref(bench.figures);
    if (options.peers && !bench.json)
        run_peers(options.workers);
    return 0;
}
