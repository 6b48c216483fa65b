/* Does the real broker (sockets, store, clock) keep the promises of broker.h? The broker runs
 * in a child process; the test speaks the protocol as worker and client (executor.h computes).
 */
#include "tests/support/cmocka.h"

#include "broker/broker.h"
#include "proto/kinds.h"
#include "broker/campaign.h"
#include "common/cleanup.h"
#include "common/mem.h"
#include "common/rng.h"
#include "proto/event.h"
#include "proto/messages.h"
#include "proto/order.h"
#include "proto/value.h"
#include "store/store.h"
#include "tests/support/executor.h"
#include "tests/support/folder.h"
#include "tests/support/tsan.h"

#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

enum { WAIT_MS = 10000, TASKS_MAX = 256 };

/* ---- the broker ---- */

struct bench {
    char folder[TEST_FOLDER_SIZE];
    char listen[TEST_FOLDER_SIZE + 16], bulk[TEST_FOLDER_SIZE + 24];
    pid_t pid;
    struct broker_limits limits;
    bool exit_when_idle;
};

/* This program again, as a broker: a fork alone would take over half of libzmq's threads. */
static void broker_start(struct bench *bench)
{
    char numbers[4][24];
    const unsigned long long values[] = {bench->limits.lease_ms, bench->limits.worker_ms,
                                         bench->limits.backoff_ms, bench->exit_when_idle};
    for (int i = 0; i < 4; i++)
        (void)snprintf(numbers[i], sizeof numbers[i], "%llu", values[i]);
    char name[] = "test_shell", command[] = "broker";
    char *const argv[] = {name,       command,    bench->folder, bench->listen, numbers[0],
                          numbers[1], numbers[2], numbers[3],    NULL};
    bench->pid = fork();
    assert_true(bench->pid >= 0);
    if (bench->pid)
        return;
    (void)execv("/proc/self/exe", argv);
    _exit(127);
}

/* The other side of broker_start. */
static int run_broker(char **argv)
{
    const char *verbosity = getenv("BROKER_VERBOSITY");
    struct broker_options options = {.store = argv[2],
                                     .listen = argv[3],
                                     .limits = {.lease_ms = strtoull(argv[4], NULL, 10),
                                                .worker_ms = strtoull(argv[5], NULL, 10),
                                                .backoff_ms = strtoull(argv[6], NULL, 10)},
                                     .exit_when_idle = !strcmp(argv[7], "1"),
                                     .verbosity = verbosity ? atoi(verbosity) : 0};
    struct err err;
    int rc = broker_run(&options, &err);
    if (rc)
        (void)fprintf(stderr, "broker: %s\n", err.text);
    return rc ? 1 : 0;
}

/* Exit status, or minus the signal. */
static int broker_wait(struct bench *bench)
{
    int status;
    assert_int_equal(waitpid(bench->pid, &status, 0), bench->pid);
    bench->pid = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static int broker_end(struct bench *bench, int signal)
{
    assert_int_equal(kill(bench->pid, signal), 0);
    return broker_wait(bench);
}

static int begin(void **state)
{
    struct bench *bench = mem_new(1, sizeof *bench);
    *state = bench;
    test_folder_new(bench->folder);
    (void)snprintf(bench->listen, sizeof bench->listen, "ipc://%s/b", bench->folder);
    (void)snprintf(bench->bulk, sizeof bench->bulk, "%s-bulk", bench->listen);
    return 0;
}

static int end(void **state)
{
    struct bench *bench = *state;
    if (bench->pid)
        (void)broker_end(bench, SIGKILL);
    test_folder_remove(bench->folder);
    free(bench);
    return 0;
}

/* ---- a peer ---- */

enum { BACKLOG_MAX = 64 };

struct link {
    void *zmq, *control, *bulk;
    uint64_t epoch;
    struct buf frame;                /* what the last message borrows */
    struct buf backlog[BACKLOG_MAX]; /* of control: came while another was waited for */
    uint32_t n_backlog;
};

static void *dealer(struct link *link, const char *endpoint)
{
    int interval = 10, none = 0;
    void *socket = zmq_socket(link->zmq, ZMQ_DEALER);
    assert_int_equal(zmq_setsockopt(socket, ZMQ_RECONNECT_IVL, &interval, sizeof interval), 0);
    assert_int_equal(zmq_setsockopt(socket, ZMQ_LINGER, &none, sizeof none), 0);
    assert_int_equal(zmq_connect(socket, endpoint), 0);
    return socket;
}

static struct link link_open(const struct bench *bench)
{
    struct link link = {.zmq = zmq_ctx_new()};
    link.control = dealer(&link, bench->listen);
    link.bulk = dealer(&link, bench->bulk);
    return link;
}

static void link_close(struct link *link)
{
    buf_done(&link->frame);
    for (uint32_t i = 0; i < link->n_backlog; i++)
        buf_done(&link->backlog[i]);
    (void)zmq_close(link->control);
    (void)zmq_close(link->bulk);
    (void)zmq_ctx_term(link->zmq);
}

static void say(void *socket, const struct message *message)
{
    struct buf frame = {0};
    message_encode(message, &frame);
    assert_true(zmq_send(socket, frame.data, frame.size, 0) >= 0);
    buf_done(&frame);
}

static void decode(struct link *link, struct message *ret)
{
    struct err err;
    if (message_decode(buf_span(&link->frame), ret, &err))
        fail_msg("the broker sent: %s", err.text);
}

/* The next message from the socket within `wait_ms`; false: none. */
static bool hear_new(struct link *link, void *socket, int wait_ms, struct message *ret)
{
    zmq_pollitem_t item = {.socket = socket, .events = ZMQ_POLLIN};
    zmq_msg_t frame;
    if (zmq_poll(&item, 1, wait_ms) <= 0)
        return false;
    (void)zmq_msg_init(&frame);
    assert_true(zmq_msg_recv(&frame, socket, 0) >= 0);
    link->frame.size = 0;
    buf_append(&link->frame, zmq_msg_data(&frame), zmq_msg_size(&frame));
    (void)zmq_msg_close(&frame);
    decode(link, ret);
    return true;
}

static void backlog_take(struct link *link, uint32_t i, struct message *ret)
{
    buf_done(&link->frame);
    link->frame = link->backlog[i];
    memmove(link->backlog + i, link->backlog + i + 1,
            (--link->n_backlog - i) * sizeof *link->backlog);
    decode(link, ret);
}

/* The next message; those that were put off come first. */
static bool hear(struct link *link, void *socket, int wait_ms, struct message *ret)
{
    if (socket != link->control || !link->n_backlog)
        return hear_new(link, socket, wait_ms, ret);
    backlog_take(link, 0, ret);
    return true;
}

/* The next message of one type; others are put off. */
static void hear_a(struct link *link, void *socket, enum message_type type, struct message *ret)
{
    time_t begin = time(NULL);
    for (uint32_t i = 0; socket == link->control && i < link->n_backlog; i++) {
        struct err err;
        assert_int_equal(message_decode(buf_span(&link->backlog[i]), ret, &err), 0);
        if (ret->type == type) {
            backlog_take(link, i, ret);
            return;
        }
    }
    for (;;) {
        if (time(NULL) - begin > WAIT_MS / 1000 || !hear_new(link, socket, WAIT_MS, ret))
            fail_msg("no %s came", message_type_text(type));
        if (ret->type == type)
            return;
        assert_true(link->n_backlog < BACKLOG_MAX);
        link->backlog[link->n_backlog++] = link->frame;
        link->frame = (struct buf){0};
    }
}

static void hello_with(struct link *link, const char *kinds_text, uint32_t slots,
                       const char *profile, uint64_t memory, const char *tags)
{
    struct message message = {.type = MESSAGE_TYPE_hello,
                              .hello = {.boot = (uint64_t)getpid() ^ (uintptr_t)link->zmq,
                                        .slots = slots,
                                        .credit = slots,
                                        .memory = memory}};
    message_text_set(&message.hello.name, "test:1");
    message_text_set(&message.hello.kinds, kinds_text);
    message_text_set(&message.hello.profile, profile);
    message_text_set(&message.hello.tags, tags);
    say(link->control, &message);
    hear_a(link, link->control, MESSAGE_TYPE_welcome, &message);
    link->epoch = message.welcome.epoch;
    assert_string_equal(message.welcome.bulk.text, "");
}

static void hello(struct link *link, const char *kinds_text, uint32_t slots)
{
    hello_with(link, kinds_text, slots, "profile", 0, "");
}

/* Kinds as HELLO names them, in the revisions of this build. */
#define KIND_TEXT_(name, revision) name "@" #revision
#define KIND_TEXT(identifier, name, revision, floats) "," KIND_TEXT_(name, revision)
static const char *const all_kinds = &KIND_LIST(KIND_TEXT)[1]; /* without the first comma */

static const char *encode_kind(void)
{
    static char text[32];
    (void)snprintf(text, sizeof text, "encode@%u", kinds[KIND_encode].revision);
    return text;
}

/* The problem said, or "". */
static const char *put_blob(struct link *link, const char *type, struct span bytes,
                            const struct hash *id)
{
    static char problem[MESSAGE_TEXT_SIZE];
    uint64_t offset = 0;
    do {
        size_t left = bytes.size - offset;
        size_t part = left < MESSAGE_CHUNK_BYTES_MAX ? left : MESSAGE_CHUNK_BYTES_MAX;
        struct message message = {.type = MESSAGE_TYPE_blob_put,
                                  .blob_put = {.id = *id,
                                               .total = bytes.size,
                                               .offset = offset,
                                               .data = {bytes.data + offset, part}}};
        message_text_set(&message.blob_put.type, type);
        say(link->bulk, &message);
        hear_a(link, link->bulk, MESSAGE_TYPE_blob_state, &message);
        (void)snprintf(problem, sizeof problem, "%s", message.blob_state.problem.text);
        offset = message.blob_state.next;
    } while (offset < bytes.size && !problem[0]);
    return problem;
}

static struct hash put_text(struct link *link, const char *type, const char *text)
{
    struct hash id = hash_bytes(span_text(text));
    assert_string_equal(put_blob(link, type, span_text(text), &id), "");
    return id;
}

/* "sources", and a campaign over them; few tasks. */
static struct campaign example(struct link *link, const char *name, uint32_t want)
{
    struct campaign campaign;
    campaign_default(&campaign);
    (void)snprintf(campaign.name, sizeof campaign.name, "%s", name);
    (void)snprintf(campaign.profile, sizeof campaign.profile, "profile");
    campaign.n_sources = 2;
    campaign.sources = mem_new(2, sizeof *campaign.sources);
    campaign.sources[0] = put_text(link, "source", "first");
    campaign.sources[1] = put_text(link, "source", "second");
    campaign.denoiser.steps = campaign.denoiser.task_steps = 3;
    campaign.guide.steps = 4;
    campaign.guide.task_steps = 2;
    campaign.tasks = 2;
    campaign.candidates = want;
    return campaign;
}

static struct hash submit_campaign(struct link *link, const struct campaign *campaign)
{
    struct buf bytes = {0};
    struct hash id;
    campaign_encode(campaign, &bytes, &id);
    struct message message = {.type = MESSAGE_TYPE_submit,
                              .submit = {.campaign = buf_span(&bytes)}};
    say(link->control, &message);
    hear_a(link, link->control, MESSAGE_TYPE_submitted, &message);
    assert_string_equal(message.submitted.problem.text, "");
    assert_true(hash_equal(&message.submitted.campaign, &id));
    buf_done(&bytes);
    return id;
}

static struct hash submit(struct link *link, const char *name, uint32_t want)
{
    struct campaign campaign = example(link, name, want);
    struct hash id = submit_campaign(link, &campaign);
    campaign_done(&campaign);
    return id;
}

static struct hash submit_with(struct link *link, const char *name, uint32_t want,
                               struct needs encode)
{
    struct campaign campaign = example(link, name, want);
    campaign.needs[KIND_encode] = encode;
    struct hash id = submit_campaign(link, &campaign);
    campaign_done(&campaign);
    return id;
}

/* Caller frees with json_decref. */
static json_t *status(struct link *link)
{
    struct message message = {.type = MESSAGE_TYPE_status_get};
    say(link->control, &message);
    hear_a(link, link->control, MESSAGE_TYPE_status, &message);
    json_t *root =
        json_loadb((const char *)message.status.json.data, message.status.json.size, 0, NULL);
    assert_non_null(root);
    return root;
}

static const json_t *campaign_in(const json_t *root, const char *name)
{
    size_t i;
    const json_t *item;
    json_array_foreach(
        json_object_get(root, "campaigns"), i,
        item) if (!strcmp(json_string_value(json_object_get(item, "name")), name)) return item;
    fail_msg("no campaign %s in the status", name);
    return NULL;
}

static long long number(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    assert_true(json_is_integer(value));
    return json_integer_value(value);
}

static void check_text(const json_t *object, const char *key, const char *want)
{
    assert_string_equal(json_string_value(json_object_get(object, key)), want);
}

/* ---- a worker ---- */

struct done { /* tasks whose result was acknowledged: nobody may ask for them again */
    struct hash items[TASKS_MAX];
    uint32_t n;
};

static const struct executor executor = {.distinct_per_batch = 4};

static void upload(struct link *link, const struct result *result)
{
    for (uint32_t i = 0; i < result->n_outputs; i++) {
        char text[80], hex[HASH_HEX_SIZE];
        (void)snprintf(text, sizeof text, "%s %u", hash_hex(&result->action, hex), i);
        assert_string_equal(put_blob(link, "thing", span_text(text), &result->outputs[i].id),
                            "");
    }
}

static void say_outcome(struct link *link, const struct message_lease *lease,
                        enum attempt_end how, struct span result)
{
    struct message message = {.type = MESSAGE_TYPE_outcome,
                              .outcome = {.epoch = lease->epoch,
                                          .task = lease->task,
                                          .attempt = lease->attempt,
                                          .end = how,
                                          .result = result,
                                          .log = span_text("last words")}};
    message_text_set(&message.outcome.message, how == ATTEMPT_OK ? "" : "as the test wants");
    say(link->control, &message);
}

/* The result of a lease's action. Caller frees with result_done. */
static struct result compute(const struct message_lease *lease)
{
    struct action action;
    assert_int_equal(action_decode(lease->action, &action, NULL), 0);
    struct result result = executor_run(&executor, &action, &lease->task);
    for (uint32_t i = 0; i < result.n_outputs; i++) {
        char text[80], hex[HASH_HEX_SIZE];
        (void)snprintf(text, sizeof text, "%s %u", hash_hex(&lease->task, hex), i);
        result.outputs[i].size = strlen(text);
    }
    action_done(&action);
    return result;
}

static void answer_ok(struct link *link, const struct message_lease *lease)
{
    struct result result = compute(lease);
    struct buf bytes = {0};
    upload(link, &result);
    result_encode(&result, &bytes);
    say_outcome(link, lease, ATTEMPT_OK, buf_span(&bytes));
    buf_done(&bytes);
    result_done(&result);
}

/* A lease to keep: its action bytes are borrowed from the frame. */
static struct message_lease take_lease(struct link *link, struct buf *action)
{
    struct message message;
    hear_a(link, link->control, MESSAGE_TYPE_lease, &message);
    action->size = 0;
    buf_append(action, message.lease.action.data, message.lease.action.size);
    message.lease.action = buf_span(action);
    assert_int_equal(message.lease.epoch, link->epoch);
    struct hash id = hash_bytes(buf_span(action));
    assert_true(hash_equal(&id, &message.lease.task));
    return message.lease;
}

/* Answer leases until `acks` results are acknowledged or nothing comes for `wait_ms`. */
static uint32_t work(struct link *link, struct done *done, uint32_t acks, int wait_ms)
{
    struct message message;
    uint32_t acked = 0;
    while (acked < acks && hear(link, link->control, wait_ms, &message)) {
        if (message.type == MESSAGE_TYPE_ack) {
            assert_true(done->n < TASKS_MAX);
            done->items[done->n++] = message.ack.task;
            acked++;
        }
        if (message.type != MESSAGE_TYPE_lease)
            continue;
        for (uint32_t i = 0; i < done->n; i++)
            assert_false(hash_equal(&done->items[i], &message.lease.task));
        struct message_lease lease = message.lease;
        struct buf action = {0};
        buf_append(&action, lease.action.data, lease.action.size);
        lease.action = buf_span(&action);
        answer_ok(link, &lease);
        buf_done(&action);
    }
    return acked;
}

/* ---- tests ---- */

enum { PLANNED = 2 + 1 + 1 + 2 + 2 * 2 * 3 + 1 };

static bool is_over(struct link *link, const char *name)
{
    json_t *root = status(link);
    bool over =
        strcmp(json_string_value(json_object_get(campaign_in(root, name), "state")), "running");
    json_decref(root);
    return over;
}

static void test_broker__runs_a_campaign_to_its_end(void **state)
{
    struct bench *bench = *state;
    broker_start(bench);
    struct link link = link_open(bench);
    struct done done = {.n = 0};
    hello(&link, all_kinds, 2);
    (void)submit(&link, "one", 16);
    assert_int_equal(work(&link, &done, PLANNED, WAIT_MS), PLANNED);
    json_t *root = status(&link);
    const json_t *one = campaign_in(root, "one");
    check_text(one, "state", "done");
    assert_int_equal(number(one, "planned"), PLANNED);
    assert_int_equal(number(one, "finished"), PLANNED);
    assert_int_equal(number(one, "executed"), PLANNED);
    assert_int_equal(number(root, "executed"), PLANNED);
    assert_int_equal(number(root, "cached"), 0);
    assert_int_equal(number(json_object_get(root, "tasks"), "done"), PLANNED);
    assert_int_equal(json_array_size(json_object_get(root, "workers")), 1);
    check_text(json_array_get(json_object_get(root, "workers"), 0), "name", "test:1");
    assert_int_equal(strlen(json_string_value(json_object_get(one, "candidates"))), 64);
    json_decref(root);

    /* Again: nothing to do. More candidates wanted: only ranking and a further round. */
    (void)submit(&link, "one", 16);
    while (!is_over(&link, "one"))
        ;
    root = status(&link);
    assert_int_equal(number(campaign_in(root, "one"), "cached"), PLANNED);
    check_text(campaign_in(root, "one"), "state", "done");
    json_decref(root);
    (void)submit(&link, "two", 17);
    assert_int_equal(work(&link, &done, 1 + 2 * 2 * 3 + 1, WAIT_MS), 1 + 2 * 2 * 3 + 1);
    assert_int_equal(work(&link, &done, 1, 100), 0);

    struct broker_address address;
    assert_int_equal(broker_find(bench->folder, &address, NULL), 0);
    assert_string_equal(address.endpoint, bench->listen);
    assert_int_equal(address.pid, bench->pid);
    assert_int_equal(broker_end(bench, SIGTERM), 0);
    assert_int_equal(broker_find(bench->folder, &address, NULL), ERR_NOT_FOUND);
    link_close(&link);
}

static void check_waits(struct link *link, const char *name, const char *sentence)
{
    json_t *root = status(link);
    check_text(campaign_in(root, name), "waits", sentence);
    json_decref(root);
}

/* A task waits for a worker that has all it needs, and the status says what is missing; two
 * campaigns that want it give it the most that any of them says. */
static void test_broker__tasks_get_what_they_need(void **state)
{
    struct bench *bench = *state;
    struct message message;
    struct buf action = {0};
    broker_start(bench);
    struct link link = link_open(bench);
    (void)submit_with(&link, "one", 16, (struct needs){.memory_bytes = 1000, .time_ms = 5000});
    (void)submit_with(&link, "two", 17, (struct needs){.memory_bytes = 500, .tags = "big"});
    check_waits(&link, "one", "no worker runs encode");
    check_waits(&link, "two", "no worker runs encode");
    hello_with(&link, "rank@2", 2, "profile", 5000, "big");
    check_waits(&link, "one", "no worker runs encode");
    hello_with(&link, all_kinds, 2, "other", 5000, "big");
    check_waits(&link, "one", "encode: no worker has the numerics profile 'profile'");
    hello_with(&link, all_kinds, 2, "profile", 5000, "small");
    check_waits(&link, "one", "encode: no worker has tag big");
    hello_with(&link, all_kinds, 2, "profile", 900, "big");
    check_waits(&link, "one", "encode: no worker has 1000 bytes");
    check_waits(&link, "two", "encode: no worker has 1000 bytes");
    assert_false(hear(&link, link.control, 100, &message));
    hello_with(&link, all_kinds, 2, "profile", 1900, "big,small");
    struct message_lease lease = take_lease(&link, &action);
    assert_int_equal(lease.memory, 1000);
    assert_int_equal(lease.time_ms, 0);
    check_waits(&link, "one", ""); /* only for its turn */
    assert_false(hear(&link, link.control, 100, &message));

    /* One of them goes on with less: what waits takes that, what runs goes on. */
    (void)submit_with(&link, "one", 16, (struct needs){.memory_bytes = 700, .time_ms = 2000});
    lease = take_lease(&link, &action);
    assert_int_equal(lease.memory, 700);
    assert_int_equal(lease.time_ms, 0);
    assert_int_equal(broker_end(bench, SIGTERM), 0);
    buf_done(&action);
    link_close(&link);
}

static int count_ok(void *context, uint64_t sequence, struct span event)
{
    char what[32] = "", how[32] = "";
    struct document *document;
    (void)sequence;
    assert_int_equal(document_parse_canonical(event, &value_limits_message, &document, NULL),
                     0);
    struct value map = document_root(document);
    (void)value_text(value_get(map, "event"), "event", what, sizeof what, NULL);
    (void)value_text(value_get(map, "end"), "end", how, sizeof how, NULL);
    *(int *)context += !strcmp(what, "attempt") && !strcmp(how, "ok");
    document_free(document);
    return 0;
}

/* Attempts in the event log that gave a result. */
static int count_ok_attempts(const struct bench *bench)
{
    struct store *store;
    int n = 0;
    assert_int_equal(store_open(bench->folder, STORE_READ, &store, NULL), 0);
    assert_int_equal(store_each_event(store, 0, count_ok, &n, NULL), 0);
    store_close(store);
    return n;
}

static int print_event(void *context, uint64_t sequence, struct span event)
{
    return event_print_json(sequence, event, context, NULL);
}

static void test_broker__killed_at_any_moment_runs_no_finished_task_again(void **state)
{
    struct bench *bench = *state;
    struct rng rng = rng_stream(7, 0, 0, 0);
    struct done done = {.n = 0};
    uint32_t restarts = 0;
    for (bool over = false; !over; restarts++) {
        assert_true(restarts < 4 * PLANNED);
        broker_start(bench);
        struct link link = link_open(bench);
        hello(&link, all_kinds, 1 + rng_below(&rng, 3));
        if (restarts == 0)
            (void)submit(&link, "one", 16);
        (void)work(&link, &done, 1 + rng_below(&rng, 3), 500);
        if (rng_below(&rng, 2)) /* in the middle of something */
            (void)usleep(100 * rng_below(&rng, 30));
        else
            over = is_over(&link, "one");
        assert_int_equal(broker_end(bench, SIGKILL), -SIGKILL);
        link_close(&link);
    }
    assert_true(restarts > 5);
    print_message("%u restarts, %u of %d results acknowledged\n", restarts, done.n, PLANNED);

    /* All is there: nothing is asked for, and every task was made durable once. */
    broker_start(bench);
    struct link link = link_open(bench);
    hello(&link, all_kinds, 2);
    assert_int_equal(work(&link, &done, 1, 200), 0);
    json_t *root = status(&link);
    check_text(campaign_in(root, "one"), "state", "done");
    assert_int_equal(number(campaign_in(root, "one"), "cached"), PLANNED);
    json_decref(root);
    link_close(&link);
    assert_int_equal(broker_end(bench, SIGTERM), 0);
    assert_int_equal(count_ok_attempts(bench), PLANNED);
}

/* A worker outlives the broker: its result of the old epoch is taken, not computed again. */
static void test_broker__result_of_the_epoch_before_is_taken(void **state)
{
    struct bench *bench = *state;
    broker_start(bench);
    struct link link = link_open(bench);
    struct buf action = {0}, bytes = {0};
    hello(&link, encode_kind(), 1);
    (void)submit(&link, "one", 16);
    struct message_lease lease = take_lease(&link, &action);
    assert_int_equal(lease.attempt, 1);
    struct result result = compute(&lease);
    upload(&link, &result);
    result_encode(&result, &bytes);
    (void)broker_end(bench, SIGKILL);
    broker_start(bench);

    /* To a broker that does not know it, it says OUTCOME first: WELCOME, in a new epoch. */
    struct message message;
    say_outcome(&link, &lease, ATTEMPT_OK, buf_span(&bytes));
    hear_a(&link, link.control, MESSAGE_TYPE_welcome, &message);
    assert_true(message.welcome.epoch != lease.epoch);
    hello(&link, "nothing@1", 1);
    upload(&link, &result); /* a new epoch: the objects may have been lost with the old one */
    say_outcome(&link, &lease, ATTEMPT_OK, buf_span(&bytes));
    hear_a(&link, link.control, MESSAGE_TYPE_ack, &message);
    assert_int_equal(message.ack.epoch, lease.epoch);
    assert_int_equal(message.ack.attempt, 1);
    assert_true(hash_equal(&message.ack.task, &lease.task));
    json_t *root = status(&link);
    assert_int_equal(number(campaign_in(root, "one"), "executed"), 1);
    json_decref(root);
    result_done(&result);
    buf_done(&action);
    buf_done(&bytes);
    link_close(&link);
}

static void check_evidence(struct store *store, const struct hash *task)
{
    char ref[100], hex[HASH_HEX_SIZE], text[80];
    struct hash id;
    struct buf bytes = {0};
    struct document *document;
    struct span log;
    (void)snprintf(ref, sizeof ref, "quarantine/%s", hash_hex(task, hex));
    assert_int_equal(store_get_ref(store, ref, &id, NULL), 0);
    assert_int_equal(store_get(store, &id, &bytes, NULL), 0);
    assert_int_equal(document_parse_format(buf_span(&bytes), &value_limits_message,
                                           "wyckmill quarantine", 2, &document, NULL),
                     0);
    struct value map = document_root(document), inputs = value_get(map, "inputs"),
                 workers = value_get(map, "workers");
    assert_int_equal(value_count(inputs), 1);
    assert_int_equal(value_hash(value_at(inputs, 0), "input", &id, NULL), 0);
    assert_true(store_has(store, &id));
    assert_int_equal(value_count(workers), 3);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(value_text(value_at(workers, i), "w", text, sizeof text, NULL), 0);
        assert_string_equal(text, "test:1");
    }
    assert_int_equal(value_bytes(value_get(map, "log"), "log", &log, NULL), 0);
    assert_int_equal(log.size, strlen("last words"));
    assert_memory_equal(log.data, "last words", log.size);
    document_free(document);
    buf_done(&bytes);
}

static void test_broker__quarantine_outlives_the_broker(void **state)
{
    struct bench *bench = *state;
    bench->limits.backoff_ms = 1;
    broker_start(bench);
    struct link link = link_open(bench);
    struct buf action = {0};
    hello(&link, encode_kind(), 1);
    (void)submit(&link, "one", 16);
    struct message_lease lease = take_lease(&link, &action);
    struct hash poison = lease.task;
    for (uint32_t crash = 1; crash <= 3;) { /* the other shard is well */
        if (hash_equal(&lease.task, &poison)) {
            assert_int_equal(lease.attempt, crash++);
            say_outcome(&link, &lease, ATTEMPT_CRASH, (struct span){0});
        } else {
            answer_ok(&link, &lease);
        }
        if (crash <= 3)
            lease = take_lease(&link, &action);
    }
    struct message message;
    hear_a(&link, link.control, MESSAGE_TYPE_ack, &message);
    json_t *root = status(&link);
    assert_int_equal(number(json_object_get(root, "tasks"), "quarantined"), 1);
    assert_int_equal(number(campaign_in(root, "one"), "failed"), 1);
    json_decref(root);
    (void)broker_end(bench, SIGKILL);

    broker_start(bench);
    link_close(&link);
    link = link_open(bench);
    struct done done = {.n = 1, .items = {poison}};
    hello(&link, all_kinds, 2);
    assert_int_equal(work(&link, &done, PLANNED, 300) >= PLANNED - 2, 1);
    root = status(&link);
    check_text(campaign_in(root, "one"), "state", "partly");
    check_text(campaign_in(root, "one"), "note",
               "1 of 2 data shards lost; in quarantine (crash): as the test wants");
    assert_int_equal(number(json_object_get(root, "tasks"), "quarantined"), 1);
    json_decref(root);
    buf_done(&action);
    link_close(&link);
    assert_int_equal(broker_end(bench, SIGTERM), 0);

    /* The attempts and their evidence are in the event log, and with the task. */
    struct store *store;
    assert_int_equal(store_open(bench->folder, STORE_READ, &store, NULL), 0);
    check_evidence(store, &poison);
    struct store_check check;
    assert_int_equal(store_fsck(store, NULL, NULL, &check, NULL), 0);
    assert_int_equal(check.damaged + check.dangling, 0);
    assert_true(check.events > 2 * PLANNED);
    store_close(store);
}

static void test_broker__result_without_its_outputs_is_no_result(void **state)
{
    struct bench *bench = *state;
    bench->limits.backoff_ms = 1;
    broker_start(bench);
    struct link link = link_open(bench);
    struct buf action = {0}, bytes = {0};
    struct message message;
    hello(&link, encode_kind(), 1);
    (void)submit(&link, "one", 16);
    struct message_lease lease = take_lease(&link, &action);
    struct result result = compute(&lease);
    result_encode(&result, &bytes);
    say_outcome(&link, &lease, ATTEMPT_OK, buf_span(&bytes)); /* nothing uploaded */
    hear_a(&link, link.control, MESSAGE_TYPE_ack, &message);
    assert_true(hash_equal(&message.ack.task, &lease.task));
    lease = take_lease(&link, &action);
    say_outcome(&link, &lease, ATTEMPT_OK, buf_span(&bytes)); /* of another task, or again */
    hear_a(&link, link.control, MESSAGE_TYPE_ack, &message);
    json_t *root = status(&link);
    assert_int_equal(number(root, "executed"), 0);
    json_decref(root);
    result_done(&result);
    buf_done(&action);
    buf_done(&bytes);
    link_close(&link);
}

static void test_broker__silent_worker_loses_its_lease(void **state)
{
    struct bench *bench = *state;
    bench->limits = (struct broker_limits){.lease_ms = 150, .worker_ms = 100000};
    broker_start(bench);
    struct link silent = link_open(bench), lively = link_open(bench);
    struct buf action = {0};
    hello(&silent, encode_kind(), 2);
    (void)submit(&silent, "one", 16);
    struct message_lease first = take_lease(&silent, &action);
    (void)take_lease(&silent, &action);
    hello(&lively, encode_kind(), 2);
    struct message_lease again = take_lease(&lively, &action);
    assert_int_equal(again.attempt, 2);
    /* It is back, with its result: taken, and the other one is told to stop. */
    action.size = 0;
    assert_true(hash_equal(&first.task, &again.task));
    struct message message;
    do
        hear_a(&lively, lively.control, MESSAGE_TYPE_lease, &message);
    while (hash_equal(&message.lease.task, &again.task));
    say_outcome(&silent, &first, ATTEMPT_ERROR, (struct span){0});
    hear_a(&silent, silent.control, MESSAGE_TYPE_ack, &message); /* late failure: dropped */
    buf_done(&action);
    link_close(&silent);
    link_close(&lively);
}

static int count_findings(void *context, uint64_t sequence, struct span event)
{
    char what[32] = "";
    struct document *document;
    (void)sequence;
    assert_int_equal(document_parse(event, &value_limits_message, &document, NULL), 0);
    (void)value_text(value_get(document_root(document), "event"), "event", what, sizeof what,
                     NULL);
    *(int *)context += !strcmp(what, "unreproducible");
    document_free(document);
    return 0;
}

/* Two workers did the same task: equal results are no news, another one is a finding. */
static void test_broker__late_results_are_compared(void **state)
{
    struct bench *bench = *state;
    bench->limits = (struct broker_limits){.lease_ms = 150, .worker_ms = 100000};
    broker_start(bench);
    struct link slow = link_open(bench), quick = link_open(bench);
    struct done done = {.n = 0};
    struct buf action = {0}, bytes = {0};
    struct message message;
    hello(&slow, encode_kind(), 1);
    (void)submit(&slow, "one", 16);
    struct message_lease lease = take_lease(&slow, &action);
    hello(&quick, encode_kind(), 2);
    assert_int_equal(work(&quick, &done, 2, WAIT_MS), 2); /* both shards */
    answer_ok(&slow, &lease);
    hear_a(&slow, slow.control, MESSAGE_TYPE_ack, &message);
    struct result result = compute(&lease);
    result.outputs[0].size++;
    result_encode(&result, &bytes);
    say_outcome(&slow, &lease, ATTEMPT_OK, buf_span(&bytes));
    hear_a(&slow, slow.control, MESSAGE_TYPE_ack, &message);
    assert_int_equal(broker_end(bench, SIGTERM), 0);

    struct store *store;
    struct result kept = {0};
    int findings = 0;
    assert_int_equal(store_open(bench->folder, STORE_READ, &store, NULL), 0);
    assert_int_equal(store_each_event(store, 0, count_findings, &findings, NULL), 0);
    assert_int_equal(findings, 1);
    assert_int_equal(store_get_result(store, &lease.task, &kept, NULL), 0);
    assert_int_equal(kept.outputs[0].size, result.outputs[0].size - 1); /* the first one */
    store_close(store);
    result_done(&kept);
    result_done(&result);
    buf_done(&action);
    buf_done(&bytes);
    link_close(&slow);
    link_close(&quick);
}

/* A worker that vanishes is noticed when it is asked for a sign of life, before its time. */
static void test_broker__vanished_worker_is_noticed_early(void **state)
{
    struct bench *bench = *state;
    bench->limits = (struct broker_limits){.lease_ms = 4000, .worker_ms = 100000};
    broker_start(bench);
    struct link gone = link_open(bench), here = link_open(bench);
    struct buf action = {0};
    hello(&gone, encode_kind(), 1);
    (void)submit(&gone, "one", 16);
    (void)take_lease(&gone, &action);
    link_close(&gone);
    hello(&here, encode_kind(), 2);
    (void)take_lease(&here, &action); /* the second shard */
    time_t begin = time(NULL);
    struct message_lease second = take_lease(&here, &action);
    assert_int_equal(second.attempt, 2);
    assert_true(time(NULL) - begin < 4);
    buf_done(&action);
    link_close(&here);
}

static void expect_problem(struct link *link, void *socket, const char *part)
{
    struct message message;
    hear_a(link, socket, MESSAGE_TYPE_problem, &message);
    if (!strstr(message.problem.sentence.text, part))
        fail_msg("'%s' is not in '%s'", part, message.problem.sentence.text);
}

static void test_broker__nonsense_is_answered_then_ignored(void **state)
{
    struct bench *bench = *state;
    broker_start(bench);
    struct link link = link_open(bench), other = link_open(bench);
    struct rng rng = rng_stream(3, 0, 0, 0);
    struct message message = {.type = MESSAGE_TYPE_ack};
    say(link.control, &message);
    expect_problem(&link, link.control, "ack is nothing to say to a broker here");
    message = (struct message){.type = MESSAGE_TYPE_status_get};
    say(link.bulk, &message);
    expect_problem(&link, link.bulk, "status_get is nothing to say to a broker here");
    assert_int_equal(zmq_send(link.control, "a", 1, ZMQ_SNDMORE), 1);
    assert_int_equal(zmq_send(link.control, "b", 1, ZMQ_SNDMORE), 1);
    assert_int_equal(zmq_send(link.control, "c", 1, 0), 1);
    expect_problem(&link, link.control, "a message is one frame");
    for (int i = 0; i < 200; i++) {
        uint8_t junk[64];
        for (size_t k = 0; k < sizeof junk; k++)
            junk[k] = (uint8_t)rng_u32(&rng);
        assert_true(zmq_send(link.control, junk, rng_below(&rng, sizeof junk), 0) >= 0);
    }
    int answers = 0;
    while (hear(&link, link.control, 100, &message))
        answers++;
    assert_int_equal(answers, 14); /* of 16 in all on this socket */
    message = (struct message){.type = MESSAGE_TYPE_status_get};
    say(link.control, &message);
    assert_false(hear(&link, link.control, 100, &message));

    /* A frame that is too large costs the connection; others are served. */
    size_t size = 8 << 20;
    void *large = mem_new(size, 1);
    assert_true(zmq_send(link.bulk, large, size, 0) >= 0);
    free(large);
    json_decref(status(&other));
    link_close(&link);
    link_close(&other);
    assert_int_equal(broker_end(bench, SIGTERM), 0);
}

/* Offer the first byte of an object of `total` bytes; what does the broker say? */
static struct message_blob_state offer(struct link *link, uint32_t number, uint64_t total)
{
    struct message message = {
        .type = MESSAGE_TYPE_blob_put,
        .blob_put = {.id = hash_bytes((struct span){(const uint8_t *)&number, sizeof number}),
                     .total = total,
                     .data = {(const uint8_t *)"x", 1}}};
    message_text_set(&message.blob_put.type, "thing");
    say(link->bulk, &message);
    hear_a(link, link->bulk, MESSAGE_TYPE_blob_state, &message);
    return message.blob_state;
}

static bool is_taken(const struct message_blob_state *state)
{
    return !state->problem.text[0] && state->next == 1 && state->wait_ms == 0;
}

static bool is_put_off(const struct message_blob_state *state)
{
    return !state->problem.text[0] && state->next == 0 && state->wait_ms > 0;
}

/* What begins has room to end: 64 MiB for a peer, 256 MiB for all, and one larger object. */
static void test_broker__uploads_have_a_bounded_room(void **state)
{
    enum { MIB = 1 << 20, PEERS = 5 };
    struct bench *bench = *state;
    struct link links[PEERS];
    struct message_blob_state said;
    uint32_t number = 0;
    broker_start(bench);
    for (int i = 0; i < PEERS; i++)
        links[i] = link_open(bench);
    for (int i = 0; i < PEERS - 1; i++) {
        said = offer(&links[i], number++, 40 * MIB);
        assert_true(is_taken(&said));
        said =
            offer(&links[i], number++, 25 * MIB); /* with the first one more than its share */
        assert_true(is_put_off(&said));
        said = offer(&links[i], number++, 24 * MIB);
        assert_true(is_taken(&said));
    }
    said = offer(&links[PEERS - 1], number++, 2); /* 256 MiB are given away */
    assert_true(is_put_off(&said));
    said = offer(&links[0], 0, 40 * MIB); /* one that has begun goes on */
    assert_true(is_taken(&said));
    said = offer(&links[PEERS - 1], number++, 1); /* whole in one part: needs no room */
    assert_string_equal(said.problem.text, "the bytes do not match their hash");
    said = offer(&links[0], number++, 65 * MIB);
    assert_true(is_taken(&said));
    said = offer(&links[1], number++, 1 << 30); /* large ones come one at a time */
    assert_true(is_put_off(&said));
    for (int i = 0; i < PEERS; i++)
        link_close(&links[i]);
    assert_int_equal(broker_end(bench, SIGTERM), 0);
}

/* Nor can one peer take all places with small ones. */
static void test_broker__uploads_of_a_peer_are_counted(void **state)
{
    struct bench *bench = *state;
    struct message_blob_state said;
    broker_start(bench);
    struct link link = link_open(bench), other = link_open(bench);
    for (uint32_t i = 0; i < 32; i++) {
        said = offer(&link, i, 2);
        assert_true(is_taken(&said));
    }
    said = offer(&link, 32, 2);
    assert_true(is_put_off(&said));
    said = offer(&other, 32, 2);
    assert_true(is_taken(&said));
    link_close(&link);
    link_close(&other);
    assert_int_equal(broker_end(bench, SIGTERM), 0);
}

static void test_broker__objects_travel_in_parts(void **state)
{
    struct bench *bench = *state;
    broker_start(bench);
    struct link link = link_open(bench);
    size_t size = (3 << 20) + 17;
    uint8_t *bytes = mem_new(size, 1), *back = mem_new(size, 1);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(i * i >> 7);
    struct span object = {bytes, size};
    struct hash id = hash_bytes(object), wrong = {{1}};
    assert_string_equal(put_blob(&link, "thing", object, &wrong),
                        "the bytes do not match their hash");
    assert_string_equal(put_blob(&link, "", object, &id),
                        "the object type is empty or too long");

    /* A part out of order and one twice: the answer says what is wanted. */
    struct message message = {
        .type = MESSAGE_TYPE_blob_put,
        .blob_put = {.id = id, .total = size, .offset = 100, .data = {bytes + 100, 50}}};
    message_text_set(&message.blob_put.type, "thing");
    struct message part = message, reply;
    say(link.bulk, &part);
    hear_a(&link, link.bulk, MESSAGE_TYPE_blob_state, &reply);
    assert_int_equal(reply.blob_state.next, 0);
    part.blob_put.offset = 0;
    part.blob_put.data = (struct span){bytes, 100};
    for (int i = 0; i < 2; i++) {
        say(link.bulk, &part);
        hear_a(&link, link.bulk, MESSAGE_TYPE_blob_state, &reply);
        assert_int_equal(reply.blob_state.next, 100);
    }
    part.blob_put.offset = size;
    say(link.bulk, &part);
    hear_a(&link, link.bulk, MESSAGE_TYPE_blob_state, &reply);
    assert_string_equal(reply.blob_state.problem.text,
                        "the part lies beyond the end of the object");
    assert_string_equal(put_blob(&link, "thing", object, &id), "");
    assert_string_equal(put_blob(&link, "thing", object, &id), ""); /* there already */

    for (uint64_t offset = 0; offset < size;) {
        message = (struct message){
            .type = MESSAGE_TYPE_blob_get,
            .blob_get = {.id = id, .offset = offset, .size = MESSAGE_CHUNK_BYTES_MAX}};
        say(link.bulk, &message);
        hear_a(&link, link.bulk, MESSAGE_TYPE_blob_data, &message);
        assert_int_equal(message.blob_data.total, size);
        assert_int_equal(message.blob_data.offset, offset);
        assert_true(message.blob_data.data.size > 0);
        memcpy(back + offset, message.blob_data.data.data, message.blob_data.data.size);
        offset += message.blob_data.data.size;
    }
    assert_memory_equal(bytes, back, size);
    message =
        (struct message){.type = MESSAGE_TYPE_blob_get, .blob_get = {.id = wrong, .size = 5}};
    say(link.bulk, &message);
    hear_a(&link, link.bulk, MESSAGE_TYPE_blob_data, &message);
    assert_int_equal(message.blob_data.total, 0);
    free(bytes);
    free(back);
    link_close(&link);
}

static void submit_bytes(struct link *link, struct span bytes, const char *problem)
{
    struct message message = {.type = MESSAGE_TYPE_submit, .submit = {.campaign = bytes}};
    say(link->control, &message);
    hear_a(link, link->control, MESSAGE_TYPE_submitted, &message);
    if (!strstr(message.submitted.problem.text, problem))
        fail_msg("'%s' is not in '%s'", problem, message.submitted.problem.text);
}

static void test_broker__bad_campaigns_are_refused(void **state)
{
    struct bench *bench = *state;
    broker_start(bench);
    struct link link = link_open(bench);
    struct campaign campaign;
    struct buf bytes = {0};
    campaign_default(&campaign);
    campaign.n_sources = 1;
    campaign.sources = mem_new(1, sizeof *campaign.sources);
    campaign_encode(&campaign, &bytes, NULL);
    submit_bytes(&link, span_text("no campaign"), "campaign: ");
    submit_bytes(&link, buf_span(&bytes),
                 "campaign 'campaign': 1 of its 1 source objects are not in the store");
    campaign.sources[0] = put_text(&link, "source", "x");
    campaign.denoiser.width = 7;
    bytes.size = 0;
    campaign_encode(&campaign, &bytes, NULL);
    submit_bytes(&link, buf_span(&bytes), "denoiser.width is 7");
    json_t *root = status(&link);
    assert_int_equal(json_array_size(json_object_get(root, "campaigns")), 0);
    json_decref(root);
    campaign_done(&campaign);
    buf_done(&bytes);
    link_close(&link);
}

static void test_broker__replaced_campaign_cancels_what_nobody_wants(void **state)
{
    struct bench *bench = *state;
    broker_start(bench);
    struct link link = link_open(bench), worker = link_open(bench);
    struct buf action = {0};
    struct message message;
    (void)submit(&link, "one", 16);
    hello(&worker, encode_kind(), 1);
    struct message_lease lease = take_lease(&worker, &action);
    (void)submit(&link, "one", 17); /* the same shards: they go on */
    json_t *root = status(&link);
    assert_int_equal(json_array_size(json_object_get(root, "campaigns")), 1);
    assert_int_equal(number(json_object_get(root, "tasks"), "leased"), 1);
    assert_int_equal(number(json_object_get(root, "tasks"), "ready"), 1);
    json_decref(root);

    struct campaign campaign;
    struct buf bytes = {0};
    campaign_default(&campaign);
    (void)snprintf(campaign.name, sizeof campaign.name, "one");
    (void)snprintf(campaign.profile, sizeof campaign.profile, "other machine");
    campaign.n_sources = 1;
    campaign.sources = mem_new(1, sizeof *campaign.sources);
    campaign.sources[0] = put_text(&link, "source", "first");
    campaign_encode(&campaign, &bytes, NULL);
    submit_bytes(&link, buf_span(&bytes), ""); /* other actions: those are revoked */
    hear_a(&worker, worker.control, MESSAGE_TYPE_revoke, &message);
    assert_true(hash_equal(&message.revoke.task, &lease.task));
    root = status(&link);
    assert_int_equal(number(json_object_get(root, "tasks"), "leased"), 0);
    assert_int_equal(number(json_object_get(root, "tasks"), "ready"), 1);
    json_decref(root);
    campaign_done(&campaign);
    buf_done(&bytes);
    buf_done(&action);
    link_close(&worker);
    link_close(&link);
}

/* Returns the number of tasks; a refusal must be `problem`. */
static uint64_t order(struct link *link, enum order_verb verb, const char *target,
                      const char *problem)
{
    struct message message = {.type = MESSAGE_TYPE_order, .order = {.verb = verb}};
    message_text_set(&message.order.target, target);
    say(link->control, &message);
    hear_a(link, link->control, MESSAGE_TYPE_ordered, &message);
    assert_int_equal(message.ordered.verb, verb);
    assert_string_equal(message.ordered.target.text, target);
    assert_string_equal(message.ordered.problem.text, problem);
    return message.ordered.tasks;
}

/* Append "END#ATTEMPT " of every audit. */
static int list_audits(void *context, uint64_t sequence, struct span event)
{
    char what[32] = "", end[16] = "";
    uint64_t attempt = 0;
    struct document *document;
    (void)sequence;
    assert_int_equal(document_parse(event, &value_limits_message, &document, NULL), 0);
    struct value map = document_root(document);
    (void)value_text(value_get(map, "event"), "event", what, sizeof what, NULL);
    (void)value_text(value_get(map, "end"), "end", end, sizeof end, NULL);
    (void)value_u64(value_get(map, "attempt"), "attempt", 0, UINT32_MAX, &attempt, NULL);
    if (!strcmp(what, "audited"))
        buf_print(context, "%s#%llu ", end, (unsigned long long)attempt);
    document_free(document);
    return 0;
}

/* What was computed before is acknowledged, and proves nothing; what is computed again does. */
static void test_broker__audit_compares_what_is_computed_for_it(void **state)
{
    struct bench *bench = *state;
    broker_start(bench);
    struct link link = link_open(bench);
    struct done done = {.n = 0};
    struct buf action = {0}, bytes = {0}, audits = {0};
    struct message message;
    char hex[HASH_HEX_SIZE];
    hello(&link, encode_kind(), 1);
    (void)submit(&link, "one", 16);
    assert_int_equal(work(&link, &done, 2, WAIT_MS), 2); /* both shards */
    (void)order(&link, ORDER_AUDIT, "abcd", "'abcd' is no task's id");

    assert_int_equal(order(&link, ORDER_AUDIT, hash_hex(&done.items[0], hex), ""), 1);
    struct message_lease lease = take_lease(&link, &action);
    assert_true(hash_equal(&lease.task, &done.items[0]));
    assert_int_equal(lease.attempt, 257);
    assert_int_equal(order(&link, ORDER_AUDIT, hex, ""), 1); /* twice is once */
    struct message_lease before = lease;
    before.attempt = 1;
    answer_ok(&link, &before);
    hear_a(&link, link.control, MESSAGE_TYPE_ack, &message);
    assert_int_equal(message.ack.attempt, 1);
    answer_ok(&link, &lease);
    hear_a(&link, link.control, MESSAGE_TYPE_ack, &message);
    assert_int_equal(message.ack.attempt, 257);

    assert_int_equal(order(&link, ORDER_AUDIT, hash_hex(&done.items[1], hex), ""), 1);
    lease = take_lease(&link, &action);
    struct result result = compute(&lease);
    upload(&link, &result);
    result.n_outputs--;
    result_encode(&result, &bytes);
    result.n_outputs++;
    say_outcome(&link, &lease, ATTEMPT_OK, buf_span(&bytes));
    hear_a(&link, link.control, MESSAGE_TYPE_ack, &message);

    assert_int_equal(order(&link, ORDER_AUDIT, hash_hex(&done.items[0], hex), ""), 1);
    lease = take_lease(&link, &action);
    say_outcome(&link, &lease, ATTEMPT_ERROR, (struct span){0});
    hear_a(&link, link.control, MESSAGE_TYPE_ack, &message);
    assert_int_equal(order(&link, ORDER_AUDIT, hex, ""), 1);
    (void)take_lease(&link, &action);
    assert_int_equal(order(&link, ORDER_CANCEL, hex, ""), 1);
    hear_a(&link, link.control, MESSAGE_TYPE_revoke, &message);
    hello_with(&link, encode_kind(), 1, "another", 0, "");
    assert_int_equal(
        order(&link, ORDER_AUDIT, hex, "no worker here has its numerics profile, profile"), 0);
    hello(&link, "knit@1", 1);
    assert_int_equal(order(&link, ORDER_AUDIT, hex, "no worker here runs 'encode'"), 0);
    assert_int_equal(broker_end(bench, SIGTERM), 0);

    struct store *store;
    assert_int_equal(store_open(bench->folder, STORE_READ, &store, NULL), 0);
    assert_int_equal(store_each_event(store, 0, list_audits, &audits, NULL), 0);
    assert_string_equal(buf_text(&audits), "equal#257 differs#513 failed#0 cancelled#0 ");
    store_close(store);
    result_done(&result);
    buf_done(&action);
    buf_done(&bytes);
    buf_done(&audits);
    link_close(&link);
}

/* A broker that has just begun is still planning: its state is asked for until it is `want`. */
static void check_state(struct link *link, const char *name, const char *want)
{
    time_t begin = time(NULL);
    for (bool same = false; !same; (void)usleep(1000)) {
        json_t *root = status(link);
        const json_t *row = campaign_in(root, name);
        const char *state = json_string_value(json_object_get(row, "state"));
        same = !strcmp(state, want);
        if (!same && time(NULL) - begin > WAIT_MS / 1000)
            fail_msg("'%s' is %s, not %s", name, state, want);
        json_decref(root);
    }
}

static void restart(struct bench *bench, struct link *link)
{
    assert_int_equal(broker_end(bench, SIGKILL), -SIGKILL);
    link_close(link);
    broker_start(bench);
    *link = link_open(bench);
}

/* Until so many tasks are leased. */
static void wait_for_leases(struct link *link, json_int_t n)
{
    for (json_int_t leased = -1; leased != n;) {
        json_t *root = status(link);
        leased = number(json_object_get(root, "tasks"), "leased");
        json_decref(root);
    }
}

/* Paused stays paused over a kill of the broker; what another campaign wants runs on. */
static void test_broker__paused_campaign_begins_nothing(void **state)
{
    struct bench *bench = *state;
    broker_start(bench);
    struct link link = link_open(bench);
    struct done done = {.n = 0};
    (void)submit(&link, "one", 16);
    assert_int_equal(order(&link, ORDER_PAUSE, "one", ""), 2);
    assert_int_equal(order(&link, ORDER_PAUSE, "one", ""), 0); /* it is */
    check_state(&link, "one", "paused");
    hello(&link, all_kinds, 2);
    assert_int_equal(work(&link, &done, 1, 200), 0);

    restart(bench, &link);
    check_state(&link, "one", "paused");
    hello(&link, all_kinds, 2);
    assert_int_equal(work(&link, &done, 1, 200), 0);
    (void)submit(&link, "two", 16); /* the same actions */
    assert_int_equal(work(&link, &done, PLANNED, WAIT_MS), PLANNED);
    check_state(&link, "two", "done");
    check_state(&link, "one", "done"); /* what others compute counts */
    (void)submit(&link, "three", 17);  /* a round more */
    wait_for_leases(&link, 1);
    assert_int_equal(order(&link, ORDER_PAUSE, "three", ""), 1);
    assert_int_equal(work(&link, &done, 1, 200), 1); /* what was leased before */
    assert_int_equal(order(&link, ORDER_RESUME, "three", ""), 4);
    assert_int_equal(work(&link, &done, 2 * 2 * 3 + 1, WAIT_MS), 2 * 2 * 3 + 1);
    check_state(&link, "three", "done");
    (void)order(&link, ORDER_PAUSE, "one", "campaign 'one' is over: done");
    (void)order(&link, ORDER_RESUME, "none", "no campaign 'none' is here");
    char unknown[40];
    (void)snprintf(unknown, sizeof unknown, "order %d is not known here", ORDER_VERB_COUNT);
    (void)order(&link, ORDER_VERB_COUNT, "one", unknown);
    link_close(&link);
}

static void test_broker__submitting_resumes(void **state)
{
    struct bench *bench = *state;
    broker_start(bench);
    struct link link = link_open(bench);
    struct done done = {.n = 0};
    (void)submit(&link, "one", 16);
    assert_int_equal(order(&link, ORDER_PAUSE, "one", ""), 2);
    (void)submit(&link, "one", 16);
    hello(&link, all_kinds, 2);
    assert_int_equal(work(&link, &done, PLANNED, WAIT_MS), PLANNED);
    check_state(&link, "one", "done");
    restart(bench, &link);
    check_state(&link, "one", "done");
    link_close(&link);
}

static void test_broker__cancelled_campaign_stays_so_until_submitted(void **state)
{
    struct bench *bench = *state;
    broker_start(bench);
    struct link link = link_open(bench), worker = link_open(bench);
    struct done done = {.n = 0};
    struct buf action = {0};
    struct message message;
    (void)submit(&link, "one", 16);
    hello(&worker, encode_kind(), 1);
    struct message_lease lease = take_lease(&worker, &action);
    assert_int_equal(order(&link, ORDER_CANCEL, "one", ""), 2);
    hear_a(&worker, worker.control, MESSAGE_TYPE_revoke, &message);
    assert_true(hash_equal(&message.revoke.task, &lease.task));
    check_state(&link, "one", "cancelled");
    (void)order(&link, ORDER_RESUME, "one", "campaign 'one' is over: cancelled");
    link_close(&worker);
    restart(bench, &link);
    check_state(&link, "one", "cancelled");
    hello(&link, all_kinds, 2);
    assert_int_equal(work(&link, &done, 1, 200), 0);
    (void)submit(&link, "one", 16);
    assert_int_equal(work(&link, &done, PLANNED, WAIT_MS), PLANNED);
    restart(bench, &link);
    check_state(&link, "one", "done");
    buf_done(&action);
    link_close(&link);
}

/* A cancelled task is in quarantine until `retry`; then its campaign asks for it again. */
static void test_broker__cancelled_task_is_in_quarantine_until_retried(void **state)
{
    struct bench *bench = *state;
    broker_start(bench);
    struct link link = link_open(bench), worker = link_open(bench);
    struct done done = {.n = 0};
    struct buf action = {0};
    struct message message;
    char hex[HASH_HEX_SIZE];
    (void)submit(&link, "one", 16);
    hello(&worker, encode_kind(), 1);
    struct message_lease lease = take_lease(&worker, &action);
    (void)hash_hex(&lease.task, hex);
    hex[12] = '\0';
    assert_int_equal(order(&link, ORDER_CANCEL, hex, ""), 1);
    hear_a(&worker, worker.control, MESSAGE_TYPE_revoke, &message);
    link_close(&worker);
    restart(bench, &link);
    json_t *root = status(&link);
    assert_int_equal(number(json_object_get(root, "tasks"), "quarantined"), 1);
    json_decref(root);
    hello(&link, all_kinds, 2);
    (void)order(&link, ORDER_RETRY, "0123456789abcdef",
                "no task '0123456789abcdef' is in quarantine");
    (void)order(&link, ORDER_RETRY, "not an id", "'not an id' is no task id");
    assert_int_equal(order(&link, ORDER_RETRY, "", ""), 1);
    assert_int_equal(order(&link, ORDER_RETRY, "", ""), 0);
    assert_int_equal(work(&link, &done, PLANNED, WAIT_MS), PLANNED);
    check_state(&link, "one", "done");
    root = status(&link);
    assert_int_equal(number(json_object_get(root, "tasks"), "quarantined"), 0);
    json_decref(root);
    buf_done(&action);
    link_close(&link);
}

static void test_broker__drained_worker_is_told_to_leave(void **state)
{
    struct bench *bench = *state;
    broker_start(bench);
    struct link link = link_open(bench), worker = link_open(bench);
    struct done done = {.n = 0};
    struct buf action = {0};
    struct message message;
    (void)submit(&link, "one", 16);
    hello(&worker, encode_kind(), 1);
    struct message_lease lease = take_lease(&worker, &action);
    (void)order(&link, ORDER_DRAIN, "test:2", "no worker 'test:2' is here");
    assert_int_equal(order(&link, ORDER_DRAIN, "test:1", ""), 1);
    hear_a(&worker, worker.control, MESSAGE_TYPE_shutdown, &message);
    answer_ok(&worker, &lease);
    assert_int_equal(work(&worker, &done, 2, 200), 1); /* its ACK, and no other lease */
    hello(&worker, encode_kind(), 1);                  /* says HELLO again: told again */
    hear_a(&worker, worker.control, MESSAGE_TYPE_shutdown, &message);
    assert_int_equal(work(&worker, &done, 1, 100), 0);
    buf_done(&action);
    link_close(&worker);
    link_close(&link);
}

/* The event log over the wire: in parts, from any place, and what was told stays. */
static void test_broker__tells_the_event_log(void **state)
{
    struct bench *bench = *state;
    broker_start(bench);
    struct link link = link_open(bench);
    struct done done = {.n = 0};
    struct message message = {.type = MESSAGE_TYPE_events_get};
    hello(&link, all_kinds, 2);
    (void)submit(&link, "one", 16);
    assert_int_equal(work(&link, &done, 2, WAIT_MS), 2);
    say(link.control, &message);
    hear_a(&link, link.control, MESSAGE_TYPE_events, &message);
    struct buf told = {0};
    buf_append(&told, message.events.json.data, message.events.json.size);
    uint64_t next = message.events.next;
    assert_non_null(strstr(buf_text(&told), "\"event\":\"submitted\""));
    assert_non_null(strstr(buf_text(&told), "\"end\":\"ok\""));
    assert_non_null(strstr(buf_text(&told), "\"log\":\"last words\""));
    assert_int_equal(broker_end(bench, SIGKILL), -SIGKILL);

    struct buf stored = {0};
    struct store *store;
    assert_int_equal(store_open(bench->folder, STORE_READ, &store, NULL), 0);
    assert_int_equal(store_each_event(store, 0, print_event, &stored, NULL), 0);
    store_close(store);
    assert_true(stored.size >= told.size);
    assert_memory_equal(stored.data, told.data, told.size);

    broker_start(bench);
    link_close(&link);
    link = link_open(bench);
    message =
        (struct message){.type = MESSAGE_TYPE_events_get, .events_get = {.from = 1 << 30}};
    say(link.control, &message);
    hear_a(&link, link.control, MESSAGE_TYPE_events, &message);
    assert_int_equal(message.events.next, 1 << 30); /* nothing there yet */
    assert_int_equal(message.events.json.size, 0);
    message = (struct message){.type = MESSAGE_TYPE_events_get, .events_get = {.from = next}};
    say(link.control, &message);
    hear_a(&link, link.control, MESSAGE_TYPE_events, &message);
    assert_int_equal(message.events.json.size, stored.size - told.size);
    assert_memory_equal(message.events.json.data, stored.data + told.size,
                        stored.size - told.size);
    buf_done(&told);
    buf_done(&stored);
    link_close(&link);
}

static void test_broker__ends_when_idle_or_told(void **state)
{
    struct bench *bench = *state;
    bench->exit_when_idle = true;
    broker_start(bench);
    struct link link = link_open(bench);
    struct done done = {.n = 0};
    struct message message;
    hello(&link, all_kinds, 2);
    (void)submit(&link, "one", 16);
    assert_int_equal(work(&link, &done, PLANNED, WAIT_MS), PLANNED);
    json_decref(status(&link));
    assert_int_equal(broker_wait(bench), 0);
    link_close(&link);

    broker_start(bench); /* a finished campaign in the store is no reason to end */
    link = link_open(bench);
    hello(&link, all_kinds, 2);
    json_t *root = status(&link);
    check_text(campaign_in(root, "one"), "state", "done");
    assert_int_equal(number(campaign_in(root, "one"), "cached"), PLANNED);
    json_decref(root);
    message = (struct message){.type = MESSAGE_TYPE_stop, .stop = {.workers = 1}};
    say(link.control, &message);
    hear_a(&link, link.control, MESSAGE_TYPE_shutdown, &message);
    assert_int_equal(broker_wait(bench), 0);
    link_close(&link);
}

static void test_broker__refuses_what_it_cannot_serve(void **state)
{
    struct bench *bench = *state;
    struct err err = {0};
    struct broker_options options = {.store = bench->folder, .listen = "tcp://0.0.0.0:7700"};
    assert_int_equal(broker_run(&options, &err), ERR_INVALID);
    assert_string_equal(err.text,
                        "other machines can reach tcp://0.0.0.0:7700, and no keys are "
                        "given");
    assert_non_null(strstr(err.hint, "wyckmill keygen"));
    assert_non_null(strstr(err.hint, "--insecure"));
    options.insecure = true;
    options.keys = bench->folder;
    assert_int_equal(broker_run(&options, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "contradict"));
    options.insecure = false;
    assert_int_equal(broker_run(&options, &err), ERR_NOT_FOUND);
    assert_non_null(strstr(err.text, "secret.key"));
    options.keys = NULL;
    options.listen = "tcp://example.org:0";
    assert_int_equal(broker_run(&options, &err), ERR_INVALID);
    options.listen = "127.0.0.1:65535";
    assert_int_equal(broker_run(&options, &err), ERR_INVALID);
    broker_start(bench);
    struct link link = link_open(bench);
    json_decref(status(&link));
    assert_int_equal(broker_run(&options, &err), ERR_BUSY);
    link_close(&link);
}

/* Port 0: two free ports in a row, found through STORE/broker.json. */
static void test_broker__any_tcp_port(void **state)
{
    struct bench *bench = *state;
    (void)snprintf(bench->listen, sizeof bench->listen, "tcp://127.0.0.1:0");
    broker_start(bench);
    struct broker_address address;
    for (int i = 0; broker_find(bench->folder, &address, NULL); i++) {
        assert_true(i < 1000);
        (void)usleep(10000);
    }
    (void)snprintf(bench->listen, sizeof bench->listen, "%s", address.endpoint);
    struct err err;
    char bulk[ENDPOINT_SIZE];
    assert_int_equal(endpoint_bulk(address.endpoint, bulk, &err), 0);
    (void)snprintf(bench->bulk, sizeof bench->bulk, "%s", bulk);
    struct link link = link_open(bench);
    json_t *root = status(&link);
    check_text(json_object_get(root, "broker"), "endpoint", address.endpoint);
    json_decref(root);
    (void)put_text(&link, "thing", "over tcp");
    link_close(&link);
    assert_int_equal(broker_end(bench, SIGINT), 0);
}

#define with_broker(test) cmocka_unit_test_setup_teardown(test, begin, end)

/* Usage: test_shell [PATTERN], of test names. */
/* ---- without a limit of rounds ---- */

enum { BEFORE_ROUNDS = 2 + 1 + 1 + 2, ROUND = 2 * 2 * 3 + 1 };

/* Once its note is this one: what is planned again takes rounds. */
static json_t *status_of(struct link *link, const char *want_state, const char *want_note)
{
    json_t *root = status(link);
    for (time_t begin = time(NULL); time(NULL) - begin <= WAIT_MS / 1000;) {
        if (!strcmp(json_string_value(json_object_get(campaign_in(root, "one"), "note")),
                    want_note))
            break;
        json_decref(root);
        root = status(link);
    }
    check_text(campaign_in(root, "one"), "state", want_state);
    check_text(campaign_in(root, "one"), "note", want_note);
    return root;
}

/* A restarted broker goes on from the mark: what was lost in a round stays lost, until somebody
 * says retry; then the rounds are ranked again with it. */
static void test_broker__lost_batch_stays_lost_until_retried(void **state)
{
    struct bench *bench = *state;
    broker_start(bench);
    struct link link = link_open(bench);
    struct done done = {.n = 0};
    struct buf action = {0};
    char hex[HASH_HEX_SIZE];
    struct campaign campaign = example(&link, "one", 1000);
    campaign.rounds_max = 0;
    campaign.budget_tasks = BEFORE_ROUNDS + 3 * ROUND;
    hello(&link, all_kinds, 1);
    (void)submit_campaign(&link, &campaign);
    assert_int_equal(work(&link, &done, BEFORE_ROUNDS, WAIT_MS), BEFORE_ROUNDS);
    struct message_lease lease = take_lease(&link, &action);
    (void)hash_hex(&lease.task, hex);
    assert_int_equal(order(&link, ORDER_CANCEL, hex, ""), 1);
    assert_int_equal(work(&link, &done, 3 * ROUND - 3, WAIT_MS), 3 * ROUND - 3);

    static const char lost[] =
        "budget of 45 tasks is used up: raise budget.tasks and submit again; 44 of 1000 "
        "candidates found in 3 rounds; 1 of 12 sample batches lost; cancelled by an operator";
    json_t *root = status_of(&link, "partly", lost);
    assert_int_equal(number(campaign_in(root, "one"), "finished"),
                     BEFORE_ROUNDS + 3 * ROUND - 3);
    json_decref(root);
    restart(bench, &link);
    root = status_of(&link, "partly", lost);
    assert_int_equal(number(campaign_in(root, "one"), "finished"),
                     BEFORE_ROUNDS + 3 * ROUND - 3);
    assert_int_equal(number(campaign_in(root, "one"), "cached"), BEFORE_ROUNDS + ROUND);
    json_decref(root);

    hello(&link, all_kinds, 1);
    assert_int_equal(order(&link, ORDER_RETRY, "", ""), 1);
    assert_int_equal(work(&link, &done, 3 + 3, WAIT_MS), 3 + 3); /* the batch, three rankings */
    root =
        status_of(&link, "partly",
                  "budget of 45 tasks is used up: raise budget.tasks and submit again; 48 of "
                  "1000 candidates found in 3 rounds");
    assert_int_equal(number(campaign_in(root, "one"), "finished"), BEFORE_ROUNDS + 3 * ROUND);
    json_decref(root);

    campaign.budget_tasks += ROUND; /* goes on from there */
    (void)submit_campaign(&link, &campaign);
    assert_int_equal(work(&link, &done, ROUND, WAIT_MS), ROUND);
    root =
        status_of(&link, "partly",
                  "budget of 58 tasks is used up: raise budget.tasks and submit again; 64 of "
                  "1000 candidates found in 4 rounds");
    assert_int_equal(number(campaign_in(root, "one"), "rounds"), 4);
    json_decref(root);
    assert_int_equal(broker_end(bench, SIGTERM), 0);
    campaign_done(&campaign);
    buf_done(&action);
    link_close(&link);
}

int main(int argc, char **argv)
{
    if (argc == 8 && !strcmp(argv[1], "broker"))
        return run_broker(argv);
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        with_broker(test_broker__runs_a_campaign_to_its_end),
        with_broker(test_broker__tasks_get_what_they_need),
        with_broker(test_broker__killed_at_any_moment_runs_no_finished_task_again),
        with_broker(test_broker__result_of_the_epoch_before_is_taken),
        with_broker(test_broker__quarantine_outlives_the_broker),
        with_broker(test_broker__result_without_its_outputs_is_no_result),
        with_broker(test_broker__silent_worker_loses_its_lease),
        with_broker(test_broker__late_results_are_compared),
        with_broker(test_broker__vanished_worker_is_noticed_early),
        with_broker(test_broker__nonsense_is_answered_then_ignored),
        with_broker(test_broker__uploads_have_a_bounded_room),
        with_broker(test_broker__uploads_of_a_peer_are_counted),
        with_broker(test_broker__objects_travel_in_parts),
        with_broker(test_broker__bad_campaigns_are_refused),
        with_broker(test_broker__replaced_campaign_cancels_what_nobody_wants),
        with_broker(test_broker__audit_compares_what_is_computed_for_it),
        with_broker(test_broker__paused_campaign_begins_nothing),
        with_broker(test_broker__submitting_resumes),
        with_broker(test_broker__cancelled_campaign_stays_so_until_submitted),
        with_broker(test_broker__cancelled_task_is_in_quarantine_until_retried),
        with_broker(test_broker__lost_batch_stays_lost_until_retried),
        with_broker(test_broker__drained_worker_is_told_to_leave),
        with_broker(test_broker__tells_the_event_log),
        with_broker(test_broker__ends_when_idle_or_told),
        with_broker(test_broker__refuses_what_it_cannot_serve),
        with_broker(test_broker__any_tcp_port),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
