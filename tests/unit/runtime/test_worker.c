/* A worker as its broker sees it: stories over real sockets, the test plays the broker. The
 * worker runs in a thread of this process, its slots are this program started with "slot". */
#include "broker/core.h"
#include "common/mem.h"
#include "tests/support/cmocka.h"
#include "tests/unit/runtime/fake_broker.h"
#include "tests/unit/runtime/folder.h"
#include "tests/unit/runtime/kinds.h"
#include "workers/runtime/machine.h"
#include "workers/runtime/slot.h"
#include "workers/runtime/worker.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HEARTBEAT_MS = 60 };

struct fixture {
    int hold[2]; /* the worker's first word takes until something can be read here */
    bool said;
    char *folder;
    struct fake_broker fake;
    struct worker_options options;
    int stop[2];
    pthread_t thread;
    int rc;
    struct err err;
};

static void *run(void *context)
{
    struct fixture *f = context;
    f->rc = worker_run(&f->options, &f->err);
    return NULL;
}

/* Stands for whatever may take the main thread long: a slow disk, a large hash. */
static void say(void *context, const char *sentence)
{
    char byte;
    struct fixture *f = context;
    (void)sentence;
    if (!f->said && read(f->hold[0], &byte, 1) == 1)
        f->said = true;
}

static int setup_with(void **state, uint32_t slots, uint64_t memory_bytes)
{
    struct fixture *f = mem_new(1, sizeof *f);
    f->folder = folder_new();
    fake_open(&f->fake, f->folder);
    assert_int_equal(pipe(f->stop), 0);
    assert_int_equal(pipe(f->hold), 0);
    f->options = (struct worker_options){.connect = f->fake.endpoint,
                                         .slots = slots,
                                         .memory_bytes = memory_bytes,
                                         .gpus = 2,
                                         .tags = "big,fast",
                                         .cache = f->folder,
                                         .say = say,
                                         .say_context = f,
                                         .stop_fd = f->stop[0]};
    assert_int_equal(pthread_create(&f->thread, NULL, run, f), 0);
    *state = f;
    return 0;
}

static int setup_held(void **state)
{
    return setup_with(state, 1, 0);
}

static int go(struct fixture *f)
{
    return write(f->hold[1], "x", 1) == 1 ? 0 : -1;
}

static int setup(void **state)
{
    (void)setup_held(state);
    return go(*state);
}

static int setup_100_mib(void **state)
{
    (void)setup_with(state, 2, 100 << 20);
    return go(*state);
}

static void join(struct fixture *f)
{
    assert_int_equal(pthread_join(f->thread, NULL), 0);
    if (f->rc != 0)
        fail_msg("%s", f->err.text);
    f->thread = pthread_self();
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    if (!pthread_equal(f->thread, pthread_self())) {
        assert_int_equal(write(f->stop[1], "xx", 2), 2); /* now */
        join(f);
    }
    (void)close(f->hold[0]);
    (void)close(f->hold[1]);
    (void)close(f->stop[0]);
    (void)close(f->stop[1]);
    fake_close(&f->fake);
    folder_remove(f->folder);
    free(f);
    return 0;
}

static void lease(struct fixture *f, uint64_t epoch, uint32_t attempt, const char *kind,
                  const char *how, const char *text, const char *input, struct hash *ret_task)
{
    struct action action = {.revision = 1};
    (void)snprintf(action.kind, sizeof action.kind, "%s", kind);
    kinds_params(&action.params, how, text);
    if (input) {
        action.inputs = mem_new(1, sizeof *action.inputs);
        action.inputs[0] = hash_bytes(span_text(input));
        action.n_inputs = 1;
    }
    fake_lease(&f->fake, epoch, attempt, &action, ret_task);
    action_done(&action);
}

static const struct message_outcome *expect_outcome(struct fixture *f, const struct hash *task,
                                                    uint64_t epoch, uint32_t attempt,
                                                    enum attempt_end end)
{
    const struct message_outcome *outcome =
        &fake_expect(&f->fake, f->fake.control, MESSAGE_TYPE_outcome)->outcome;
    assert_true(hash_equal(&outcome->task, task));
    assert_int_equal(outcome->epoch, epoch);
    assert_int_equal(outcome->attempt, attempt);
    if (outcome->end != end)
        fail_msg("end %u: %s", outcome->end, outcome->message.text);
    return outcome;
}

static void expect_object(struct fixture *f, const char *text)
{
    struct buf bytes = {0};
    fake_take(&f->fake, &bytes);
    assert_string_equal(buf_text(&bytes), text);
    buf_done(&bytes);
}

static void test_worker__introduces_itself_and_keeps_alive(void **state)
{
    struct fixture *f = *state;
    const struct message_hello *hello =
        &fake_expect(&f->fake, f->fake.control, MESSAGE_TYPE_hello)->hello;
    assert_int_equal(hello->slots, 1);
    assert_int_equal(hello->credit, 3);
    assert_int_equal(hello->memory, machine_memory_bytes());
    assert_true(hello->memory > 64 << 20);
    assert_int_equal(hello->gpus, 2);
    assert_string_equal(hello->tags.text, "big,fast");
    assert_string_equal(hello->kinds.text, "join@1,fail@3,chatter@1,crash@1,hoard@1");
    assert_string_equal(hello->profile.text, numerics_profile());
    struct message welcome = {.type = MESSAGE_TYPE_welcome,
                              .welcome = {.epoch = 5, .heartbeat_ms = HEARTBEAT_MS}};
    fake_answer(&f->fake, f->fake.control, &welcome);
    for (int i = 0; i < 5; i++)
        assert_int_equal(
            fake_expect(&f->fake, f->fake.control, MESSAGE_TYPE_alive)->alive.epoch, 5);
}

/* A known bug of others: a heartbeat that waits behind file work, and a lease lost for it. */
static void test_worker__keeps_alive_while_its_main_thread_waits(void **state)
{
    struct fixture *f = *state;
    struct hash task;
    fake_welcome(&f->fake, 1, HEARTBEAT_MS);
    lease(f, 1, 1, "join", NULL, "a", NULL, &task);
    for (int i = 0; i < 5; i++)
        (void)fake_expect(&f->fake, f->fake.control, MESSAGE_TYPE_alive);
    assert_int_equal(write(f->hold[1], "x", 1), 1);
    expect_object(f, "a");
    (void)expect_outcome(f, &task, 1, 1, ATTEMPT_OK);
}

/* The first WELCOME may be lost, and a broker may forget a worker. */
static void test_worker__says_hello_until_it_is_welcome(void **state)
{
    struct fixture *f = *state;
    (void)fake_expect(&f->fake, f->fake.control, MESSAGE_TYPE_hello);
    fake_welcome(&f->fake, 1, HEARTBEAT_MS); /* the second HELLO */
    (void)fake_expect(&f->fake, f->fake.control, MESSAGE_TYPE_alive);
    struct message problem = {.type = MESSAGE_TYPE_problem};
    message_text_set(&problem.problem.sentence, "who are you?");
    fake_answer(&f->fake, f->fake.control, &problem);
    fake_welcome(&f->fake, 1, HEARTBEAT_MS);
    (void)fake_expect(&f->fake, f->fake.control, MESSAGE_TYPE_alive);
    struct message welcome = {.type = MESSAGE_TYPE_welcome,
                              .welcome = {.epoch = 1, .heartbeat_ms = HEARTBEAT_MS}};
    fake_answer(&f->fake, f->fake.control, &welcome); /* not asked for: "who are you?" */
    fake_welcome(&f->fake, 1, HEARTBEAT_MS);
}

static void test_worker__fetches_runs_and_delivers(void **state)
{
    struct fixture *f = *state;
    struct hash task;
    fake_welcome(&f->fake, 1, 10000);
    lease(f, 1, 1, "join", NULL, "a", "bc", &task);
    fake_give(&f->fake, span_text("bc"));
    expect_object(f, "abc");
    const struct message_outcome *outcome = expect_outcome(f, &task, 1, 1, ATTEMPT_OK);
    struct result result;
    assert_int_equal(result_decode(outcome->result, &result, NULL), 0);
    struct hash output = hash_bytes(span_text("abc"));
    assert_true(hash_equal(&result.action, &task));
    assert_int_equal(result.n_outputs, 1);
    assert_true(hash_equal(&result.outputs[0].id, &output));
    result_done(&result);
    assert_true(outcome->wall_us > 0);
    fake_ack(&f->fake, 1, &task, 1);

    lease(f, 1, 1, "join", NULL, "x", "bc", &task); /* the input is here already */
    expect_object(f, "xbc");
    (void)expect_outcome(f, &task, 1, 1, ATTEMPT_OK);
}

static void test_worker__repeats_an_outcome_until_it_is_acknowledged(void **state)
{
    struct fixture *f = *state;
    struct hash task;
    fake_welcome(&f->fake, 1, 10000);
    lease(f, 1, 4, "join", NULL, "a", NULL, &task);
    expect_object(f, "a");
    (void)expect_outcome(f, &task, 1, 4, ATTEMPT_OK);
    (void)expect_outcome(f, &task, 1, 4, ATTEMPT_OK); /* after 2 s */
    fake_ack(&f->fake, 1, &task, 4);
}

static void test_worker__tells_errors_and_crashes(void **state)
{
    struct fixture *f = *state;
    struct hash task;
    fake_welcome(&f->fake, 1, 10000);
    lease(f, 1, 1, "crash", "abort", "last words", NULL, &task);
    const struct message_outcome *outcome = expect_outcome(f, &task, 1, 1, ATTEMPT_CRASH);
    assert_string_equal(outcome->message.text, "the slot died: signal 6 (Aborted)");
    assert_int_equal(outcome->log.size, strlen("last words\n"));
    fake_ack(&f->fake, 1, &task, 1);
    lease(f, 1, 1, "knit", NULL, "a", NULL, &task);
    outcome = expect_outcome(f, &task, 1, 1, ATTEMPT_REFUSED);
    assert_string_equal(outcome->message.text, "no task kind 'knit' in this program");
}

/* Two slots, but memory for one of these at a time; their limits come with the leases. */
static void test_worker__runs_together_only_what_fits(void **state)
{
    struct fixture *f = *state;
    struct hash asleep, next;
    fake_welcome(&f->fake, 1, 10000);
    f->fake.lease_memory = 60 << 20;
    f->fake.lease_time_ms = 400;
    lease(f, 1, 1, "crash", "sleep", "zzz", NULL, &asleep);
    lease(f, 1, 1, "crash", "exit", "at once", NULL, &next);
    (void)expect_outcome(f, &asleep, 1, 1, ATTEMPT_TIME);
    fake_ack(&f->fake, 1, &asleep, 1);
    (void)expect_outcome(f, &next, 1, 1, ATTEMPT_CRASH);
    fake_ack(&f->fake, 1, &next, 1);

    f->fake.lease_memory = 40 << 20; /* these fit beside each other */
    f->fake.lease_time_ms = 0;
    lease(f, 1, 2, "crash", "sleep", "zzzz", NULL, &asleep);
    lease(f, 1, 2, "crash", "exit", "at once", NULL, &next);
    (void)expect_outcome(f, &next, 1, 2, ATTEMPT_CRASH);
}

static void test_worker__damage_on_the_way_is_repaired_or_told(void **state)
{
    struct fixture *f = *state;
    struct hash task;
    fake_welcome(&f->fake, 1, 10000);
    lease(f, 1, 1, "join", NULL, "a", "bc", &task);
    fake_give(&f->fake, span_text("bd"));
    fake_give(&f->fake, span_text("bc"));
    expect_object(f, "abc");
    (void)expect_outcome(f, &task, 1, 1, ATTEMPT_OK);
    fake_ack(&f->fake, 1, &task, 1);

    lease(f, 1, 1, "join", NULL, "a", "ef", &task);
    for (int i = 0; i < 3; i++)
        fake_give(&f->fake, span_text("xx"));
    const struct message_outcome *outcome = expect_outcome(f, &task, 1, 1, ATTEMPT_BAD);
    assert_non_null(strstr(outcome->message.text, "the bytes do not match the name"));
}

/* A broker that dies takes with it what it had accepted but not made durable. */
static void test_worker__offers_its_results_to_the_next_broker(void **state)
{
    struct fixture *f = *state;
    struct hash done, waiting, again;
    fake_welcome(&f->fake, 1, 10000);
    lease(f, 1, 1, "join", NULL, "done", NULL, &done);
    expect_object(f, "done");
    (void)expect_outcome(f, &done, 1, 1, ATTEMPT_OK);
    lease(f, 1, 1, "join", NULL, "fetching", "bc", &waiting);
    (void)fake_expect(&f->fake, f->fake.bulk, MESSAGE_TYPE_blob_get);
    fake_close(&f->fake);

    fake_open(&f->fake, f->folder);
    fake_welcome(&f->fake, 2, 10000);
    /* Two things begin at once; play them in the order in which they come. */
    struct buf bytes = {0};
    for (int i = 0; i < 2; i++) {
        struct message answer = {0};
        const struct message message = *fake_next(&f->fake, f->fake.bulk);
        if (message.type == MESSAGE_TYPE_blob_put) {
            answer.type = MESSAGE_TYPE_blob_state;
            answer.blob_state.id = message.blob_put.id;
            answer.blob_state.next = message.blob_put.total;
        } else {
            answer.type = MESSAGE_TYPE_blob_data;
            answer.blob_data.id = message.blob_get.id;
            answer.blob_data.total = 2;
            answer.blob_data.data = span_text("bc");
        }
        fake_answer(&f->fake, f->fake.bulk, &answer);
    }
    (void)expect_outcome(f, &done, 1, 1, ATTEMPT_OK);
    fake_ack(&f->fake, 1, &done, 1);
    fake_take(&f->fake, &bytes);
    assert_string_equal(buf_text(&bytes), "fetchingbc");
    buf_done(&bytes);
    (void)expect_outcome(f, &waiting, 1, 1, ATTEMPT_OK);

    /* The new broker does not know that it is done, and leases it: no second run. */
    lease(f, 2, 1, "join", NULL, "fetching", "bc", &again);
    assert_true(hash_equal(&again, &waiting));
    (void)expect_outcome(f, &waiting, 2, 1, ATTEMPT_OK);
}

/* For an audit what it computed before does not count, though nobody has acknowledged it. */
static void test_worker__computes_anew_for_an_audit(void **state)
{
    struct fixture *f = *state;
    struct hash task, again;
    fake_welcome(&f->fake, 1, 10000);
    lease(f, 1, 1, "join", NULL, "a", NULL, &task);
    expect_object(f, "a");
    (void)expect_outcome(f, &task, 1, 1, ATTEMPT_OK);
    lease(f, 1, 257, "join", NULL, "a", NULL, &again);
    assert_true(hash_equal(&again, &task));
    expect_object(f, "a");
    (void)expect_outcome(f, &task, 1, 257, ATTEMPT_OK);
}

static void test_worker__a_revoked_task_is_stopped(void **state)
{
    struct fixture *f = *state;
    struct hash asleep, next;
    fake_welcome(&f->fake, 1, 10000);
    lease(f, 1, 1, "crash", "sleep", "zzz", NULL, &asleep);
    lease(f, 1, 1, "join", NULL, "next", NULL, &next); /* waits for the only slot */
    struct message revoke = {.type = MESSAGE_TYPE_revoke,
                             .revoke = {.epoch = 1, .task = asleep, .attempt = 1}};
    fake_answer(&f->fake, f->fake.control, &revoke);
    expect_object(f, "next");
    (void)expect_outcome(f, &next, 1, 1, ATTEMPT_OK);
}

static void test_worker__leaves_when_what_runs_is_done(void **state)
{
    struct fixture *f = *state;
    struct hash running, waiting;
    fake_welcome(&f->fake, 1, 10000);
    lease(f, 1, 1, "join", NULL, "running", NULL, &running);
    expect_object(f, "running"); /* its outcome is on the way, unacknowledged */
    (void)expect_outcome(f, &running, 1, 1, ATTEMPT_OK);
    lease(f, 1, 1, "join", NULL, "waiting", "never comes", &waiting);
    (void)fake_expect(&f->fake, f->fake.bulk, MESSAGE_TYPE_blob_get);

    struct message shutdown = {.type = MESSAGE_TYPE_shutdown, .shutdown = {.epoch = 1}};
    fake_answer(&f->fake, f->fake.control, &shutdown);
    (void)expect_outcome(f, &waiting, 1, 1, ATTEMPT_REFUSED);
    fake_ack(&f->fake, 1, &waiting, 1);
    fake_ack(&f->fake, 1, &running, 1);
    (void)fake_expect(&f->fake, f->fake.control, MESSAGE_TYPE_goodbye);
    join(f);
}

static void test_worker__a_second_request_ends_it_at_once(void **state)
{
    struct fixture *f = *state;
    struct hash asleep, waiting;
    fake_welcome(&f->fake, 1, 10000);
    lease(f, 1, 1, "crash", "sleep", "zzz", NULL, &asleep);
    lease(f, 1, 1, "join", NULL, "a", "bc", &waiting);
    (void)fake_expect(&f->fake, f->fake.bulk, MESSAGE_TYPE_blob_get); /* it is at work */
    assert_int_equal(write(f->stop[1], "xx", 2), 2);
    /* What had not begun is given back, then it is gone. */
    while (fake_next(&f->fake, f->fake.control)->type == MESSAGE_TYPE_outcome)
        assert_int_equal(f->fake.message.outcome.end, ATTEMPT_REFUSED);
    assert_int_equal(f->fake.message.type, MESSAGE_TYPE_goodbye);
    join(f);
}

static void test_worker__wrong_options_are_sentences(void **state)
{
    (void)state;
    static const struct {
        struct worker_options options;
        const char *sentence, *hint;
    } cases[] = {
        {{.connect = "tcp://a:1", .slots = 0}, "0 slots; want 1..64", ""},
        {{.connect = "tcp://a:1", .slots = 65}, "65 slots; want 1..64", ""},
        {{.connect = "tcp://a:1", .slots = 1, .kinds = "join,knit"},
         "no task kind 'knit'",
         "kinds are: join, fail, chatter, crash, hoard"},
        {{.connect = "nowhere", .slots = 1},
         "address 'nowhere': want HOST:PORT with a port 1..65535",
         "write tcp://HOST:PORT, e.g. tcp://127.0.0.1:7700"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct err err = {0};
        assert_int_equal(worker_run(&cases[i].options, &err), ERR_INVALID);
        assert_string_equal(err.text, cases[i].sentence);
        assert_string_equal(err.hint, cases[i].hint);
    }
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "slot") == 0)
        return slot_main(argv[2], (uint32_t)atoi(argv[3]));
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_worker__wrong_options_are_sentences),
        TEST(test_worker__introduces_itself_and_keeps_alive),
        cmocka_unit_test_setup_teardown(test_worker__keeps_alive_while_its_main_thread_waits,
                                        setup_held, teardown),
        TEST(test_worker__says_hello_until_it_is_welcome),
        TEST(test_worker__fetches_runs_and_delivers),
        TEST(test_worker__repeats_an_outcome_until_it_is_acknowledged),
        TEST(test_worker__tells_errors_and_crashes),
        TEST(test_worker__damage_on_the_way_is_repaired_or_told),
        TEST(test_worker__offers_its_results_to_the_next_broker),
        TEST(test_worker__computes_anew_for_an_audit),
        TEST(test_worker__a_revoked_task_is_stopped),
        cmocka_unit_test_setup_teardown(test_worker__runs_together_only_what_fits,
                                        setup_100_mib, teardown),
        TEST(test_worker__leaves_when_what_runs_is_done),
        TEST(test_worker__a_second_request_ends_it_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
