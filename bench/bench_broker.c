/* The whole broker with no-op tasks: sockets, store and durable results, workers in processes
 * of their own that answer at once. Prints durable tasks per second and the broker's CPU time
 * per task, how long a restart takes to find all results again, the round trip of one task at a
 * time (a chain), and beside them what the disk does (append + fdatasync) in the same minute.
 * Usage: bench broker [TASKS [WORKERS]] */
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
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

enum { CHAIN = 500, PROBE_WRITES = 500, WORKERS_MAX = 64 };

struct bench {
    char folder[TEST_FOLDER_SIZE], listen[TEST_FOLDER_SIZE + 16];
    pid_t broker, workers[WORKERS_MAX];
    uint32_t n_workers;
    struct client *client;
};

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
    struct output outputs[2] = {{.size = sizeof output_text - 1, .type = "bench"}};
    struct action action;
    struct buf bytes = {0};
    if (action_decode(lease->action, &action, NULL))
        exit(1);
    int kind = kind_find(action.kind);
    bool two = kind == KIND_assemble || kind == KIND_train_step || kind == KIND_rank;
    outputs[0].id = hash_bytes(span_text(output_text));
    outputs[1] = outputs[0];
    struct result result = {
        .action = lease->task, .outputs = outputs, .n_outputs = two ? 2 : 1};
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

/* Every task of the chain waits for the one before, so tasks come one at a time: how long from
 * an outcome to the next lease? Written to `out` when the broker says SHUTDOWN. */
static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

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
        qsort(waits, n, sizeof *waits, by_value);
        (void)printf("one task at a time: %.2f ms per durable round trip (p50), %.2f ms (p99), "
                     "%zu tasks\n",
                     1e3 * waits[n / 2], 1e3 * waits[n - 1 - n / 100], n);
        (void)fflush(stdout);
    }
    free(waits);
    (void)zmq_close(control);
    (void)zmq_ctx_term(context);
}

/* ---- processes ---- */

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
    bench->n_workers = workers;
    for (uint32_t i = 0; i < workers; i++) {
        bench->workers[i] = fork();
        if (bench->workers[i] == 0) {
            work(bench, report);
            _exit(0);
        }
    }
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

/* A campaign of `sources` encode tasks, and a chain of `chain` train steps. */
static void submit(const struct bench *bench, uint32_t sources, uint32_t chain)
{
    struct campaign campaign;
    struct buf bytes = {0};
    struct err err;
    struct hash id;
    campaign_default(&campaign);
    (void)snprintf(campaign.profile, sizeof campaign.profile, "bench");
    campaign.n_sources = sources;
    campaign.sources = mem_new(sources, sizeof *campaign.sources);
    for (uint32_t i = 0; i < sources; i++) {
        char text[32];
        (void)snprintf(text, sizeof text, "source %u", i);
        check(client_put(bench->client, "source", span_text(text), &campaign.sources[i], &err),
              &err);
    }
    check(client_put(bench->client, "bench", span_text(output_text), &id, &err), &err);
    campaign.denoiser.steps = chain;
    campaign.denoiser.task_steps = campaign.guide.steps = campaign.guide.task_steps = 1;
    campaign_encode(&campaign, &bytes, NULL);
    check(client_submit(bench->client, buf_span(&bytes), &id, &err), &err);
    campaign_done(&campaign);
    buf_done(&bytes);
}

/* ---- the limit beside it ---- */

static void print_probe(const struct bench *bench)
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
    (void)printf("disk: append 4 KiB + fdatasync %.2f ms, %.0f/s\n", 1e3 * each_s, 1 / each_s);
}

int bench_broker(int argc, char **argv)
{
    uint32_t tasks = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 20000;
    uint32_t workers = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 2;
    struct bench bench = {.n_workers = 0};
    if (tasks < 1 || tasks > CAMPAIGN_SOURCES_MAX || workers < 1 || workers > WORKERS_MAX) {
        (void)fprintf(stderr, "usage: bench broker [TASKS<=%d [WORKERS<=%d]]\n",
                      CAMPAIGN_SOURCES_MAX, WORKERS_MAX);
        return 2;
    }
    test_folder_new(bench.folder);
    (void)snprintf(bench.listen, sizeof bench.listen, "ipc://%s/s", bench.folder);
    print_probe(&bench);

    start(&bench, workers, false);
    submit(&bench, tasks, 1);
    double cpu_s = broker_cpu_s(&bench), seconds = wait_for(&bench, "executed", tasks);
    cpu_s = broker_cpu_s(&bench) - cpu_s;
    stop(&bench);
    (void)printf("%u no-op tasks, %u workers: %.0f durable tasks/s, broker CPU %.0f us/task\n",
                 tasks, workers, tasks / seconds, 1e6 * cpu_s / tasks);

    double begin_s = bench_now_s();
    start(&bench, 0, false);
    (void)wait_for(&bench, "cached", tasks);
    (void)printf("restart: %u results found again in %.2f s, nothing executed\n", tasks,
                 bench_now_s() - begin_s);
    stop(&bench);

    start(&bench, 1, true);
    submit(&bench, 1, CHAIN);
    (void)wait_for(&bench, "executed", CHAIN);
    stop(&bench);
    test_folder_remove(bench.folder);
    return 0;
}
