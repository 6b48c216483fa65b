/* A slot runs tasks in a child process, tells how they end, and outlives their crashes. The
 * child is this same program, started with "slot". */
#include "common/cleanup.h"
#include "tests/support/cmocka.h"
#include "tests/unit/runtime/folder.h"
#include "tests/unit/runtime/kinds.h"
#include "workers/runtime/cache.h"
#include "workers/runtime/machine.h"
#include "workers/runtime/slot.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct fixture {
    char *folder;
    struct slot *slot;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->folder = folder_new();
    f->slot = slot_new(f->folder, 4);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    slot_free(f->slot);
    folder_remove(f->folder);
    free(f);
    return 0;
}

static uint64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Until the slot has something to tell or is idle. */
static int wait_for(struct slot *slot, struct slot_end *ret)
{
    for (uint64_t until = now_ms() + 20000; now_ms() < until;) {
        struct pollfd fds[] = {{slot_fd(slot), POLLIN, 0}, {slot_fd_log(slot), POLLIN, 0}};
        (void)poll(fds, 2, 20);
        struct err err;
        int rc = slot_event(slot, now_ms(), ret, &err);
        if (rc < 0)
            fail_msg("%s", err.text);
        if (rc == 1 || slot_state(slot) == SLOT_IDLE)
            return rc;
    }
    fail_msg("%s", "the slot says nothing");
    return 0;
}

static struct slot_end run(struct fixture *f, const struct action *action,
                           const struct slot_limits *limits)
{
    struct slot_end end = {0};
    struct buf bytes = {0};
    struct hash id;
    if (slot_state(f->slot) == SLOT_DOWN) {
        assert_int_equal(slot_start(f->slot, NULL), 0);
        assert_int_equal(wait_for(f->slot, &end), 0);
    }
    action_encode(action, &bytes, &id);
    slot_run(f->slot, buf_span(&bytes), limits, now_ms());
    buf_done(&bytes);
    assert_int_equal(wait_for(f->slot, &end), 1);
    return end;
}

static struct action action_of(const char *kind, uint32_t revision, const char *how,
                               const char *text)
{
    struct action action = {.revision = revision};
    (void)snprintf(action.kind, sizeof action.kind, "%s", kind);
    kinds_params(&action.params, how, text);
    return action;
}

static const struct slot_limits unlimited = {0};

static struct slot_end run_limited(struct fixture *f, const char *kind, const char *how,
                                   const char *text, struct slot_limits limits)
{
    struct action action = action_of(kind, 1, how, text);
    struct slot_end end = run(f, &action, &limits);
    action_done(&action);
    return end;
}

static struct slot_end run_simple(struct fixture *f, const char *kind, const char *how,
                                  const char *text, uint64_t time_ms)
{
    return run_limited(f, kind, how, text, (struct slot_limits){.time_ms = time_ms});
}

static void test_slot__a_task_reads_and_writes_files(void **state)
{
    struct fixture *f = *state;
    char name[64], hex[HASH_HEX_SIZE];
    struct hash input = hash_bytes(span_text("bc"));
    folder_write(f->folder, hash_hex(&input, hex), "bc");
    struct action action = action_of("join", 1, NULL, "a");
    action.inputs = calloc(2, sizeof *action.inputs);
    action.inputs[0] = action.inputs[1] = input;
    action.n_inputs = 2;
    struct slot_end end = run(f, &action, &unlimited);
    assert_int_equal(end.end, ATTEMPT_OK);
    assert_int_equal(end.result.n_outputs, 1);
    assert_int_equal(end.result.outputs[0].size, 5);
    assert_string_equal(end.result.outputs[0].type, "text");
    struct hash want = hash_bytes(span_text("abcbc"));
    assert_true(hash_equal(&end.result.outputs[0].id, &want));
    struct buf bytes = {0};
    struct hash id;
    action_encode(&action, &bytes, &id);
    assert_true(hash_equal(&end.result.action, &id));
    slot_output_name(4, 0, name, sizeof name);
    char *text = folder_read(f->folder, name);
    assert_string_equal(text, "abcbc");
    assert_true(end.wall_us > 0);
    free(text);
    buf_done(&bytes);
    action_done(&action);
    slot_end_done(&end);
}

static void test_slot__an_error_is_the_functions_sentence(void **state)
{
    struct action action = action_of("fail", 3, NULL, "no luck \xff today");
    (void)snprintf(action.profile, sizeof action.profile, "%s", numerics_profile());
    struct slot_end end = run(*state, &action, &unlimited);
    assert_int_equal(end.end, ATTEMPT_ERROR);
    assert_string_equal(end.sentence, "no luck ? today");
    slot_end_done(&end);
    action_done(&action);
}

static void test_slot__refuses_what_it_would_compute_differently(void **state)
{
    static const struct {
        const char *kind, *sentence;
        uint32_t revision;
    } cases[] = {
        {"knit", "no task kind 'knit' in this program", 1},
        {"join", "revision 2 of task kind join, this program has 1", 2},
        {"fail", "numerics profile '', this worker has 'x86-64-v3 ", 3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct action action = action_of(cases[i].kind, cases[i].revision, NULL, "a");
        struct slot_end end = run(*state, &action, &unlimited);
        assert_int_equal(end.end, ATTEMPT_REFUSED);
        assert_int_equal(strncmp(end.sentence, cases[i].sentence, strlen(cases[i].sentence)),
                         0);
        slot_end_done(&end);
        action_done(&action);
    }
}

static void check_bad_input(struct fixture *f, const struct hash *input, const char *sentence)
{
    struct action action = action_of("join", 1, NULL, "a");
    action.inputs = calloc(1, sizeof *action.inputs);
    action.inputs[0] = *input;
    action.n_inputs = 1;
    struct slot_end end = run(f, &action, &unlimited);
    assert_int_equal(end.end, ATTEMPT_BAD);
    assert_true(end.input_bad);
    assert_true(hash_equal(&end.input, input));
    assert_non_null(strstr(end.sentence, sentence));
    slot_end_done(&end);
    action_done(&action);
}

static void test_slot__a_missing_or_damaged_input_is_named(void **state)
{
    struct fixture *f = *state;
    char hex[HASH_HEX_SIZE];
    struct hash input = hash_bytes(span_text("bc"));
    check_bad_input(f, &input, "No such file");
    folder_write(f->folder, hash_hex(&input, hex), "bx");
    check_bad_input(f, &input, "its bytes do not match its name");
}

static void test_slot__a_death_is_told_with_the_last_words(void **state)
{
    struct fixture *f = *state;
    struct slot_end end = run_simple(f, "crash", "abort", "I am lost", 0);
    assert_int_equal(end.end, ATTEMPT_CRASH);
    assert_string_equal(end.sentence, "the slot died: signal 6 (Aborted)");
    assert_string_equal(buf_text(&end.log), "I am lost\n");
    assert_int_equal(slot_state(f->slot), SLOT_DOWN);
    slot_end_done(&end);

    end = run_simple(f, "crash", "exit", "I leave", 0); /* in a new child */
    assert_int_equal(end.end, ATTEMPT_CRASH);
    assert_string_equal(end.sentence, "the slot died: exit status 7");
    slot_end_done(&end);

    end = run_simple(f, "join", NULL, "still here", 0);
    assert_int_equal(end.end, ATTEMPT_OK);
    slot_end_done(&end);
}

static void test_slot__the_log_is_of_this_task_and_bounded(void **state)
{
    struct fixture *f = *state;
    struct slot_end end = run_simple(f, "chatter", NULL, "x", 0);
    assert_int_equal(end.end, ATTEMPT_OK);
    assert_int_equal(end.log.size, SLOT_LOG_BYTES_MAX);
    slot_end_done(&end);
    end = run_simple(f, "join", NULL, "quiet", 0);
    assert_int_equal(end.log.size, 0);
    slot_end_done(&end);
}

static void test_slot__a_time_limit_ends_the_task(void **state)
{
    struct fixture *f = *state;
    struct slot_end end = run_simple(f, "crash", "sleep", "zzz", 30);
    assert_int_equal(end.end, ATTEMPT_TIME);
    assert_string_equal(end.sentence, "over its time limit of 0.03 s");
    assert_int_equal(slot_state(f->slot), SLOT_DOWN);
    slot_end_done(&end);
}

/* The sanitizers' own memory counts as well: only without them numbers are known. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SANITIZED = 1 };
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif
#else
enum { SANITIZED = 0 };
#endif

/* Over its limit it ends as "memory" and says how much it was; under it nothing happens, in the
 * same child over and over; the limit ends with the task. */
static void test_slot__a_memory_limit_ends_the_task(void **state)
{
    const struct slot_limits limits = {.memory_bytes = 64 << 20};
    struct fixture *f = *state;
    if (SANITIZED)
        skip();
    for (int i = 0; i < 5; i++) {
        struct slot_end end = run_limited(f, "hoard", NULL, "56", limits);
        assert_int_equal(end.end, ATTEMPT_OK);
        assert_in_range(end.peak_bytes, 56 << 20, 96 << 20);
        slot_end_done(&end);
    }
    struct slot_end end = run_limited(f, "hoard", NULL, "100", limits);
    assert_int_equal(end.end, ATTEMPT_MEMORY);
    assert_non_null(strstr(end.sentence, "out of memory, with a limit of 64 MiB, "));
    assert_non_null(strstr(end.sentence, " MiB resident at most"));
    assert_in_range(end.peak_bytes, 64 << 20, 100 << 20);
    assert_non_null(strstr(buf_text(&end.log), "out of memory asking for"));
    slot_end_done(&end);

    end = run_limited(f, "hoard", NULL, "8", limits);
    assert_int_equal(end.end, ATTEMPT_OK);
    slot_end_done(&end);
    end = run_simple(f, "hoard", NULL, "200", 0); /* the same child */
    assert_int_equal(end.end, ATTEMPT_OK);
    slot_end_done(&end);
    end = run_simple(f, "hoard", NULL, "1", 0); /* and the peak is of this task */
    assert_true(end.peak_bytes < 100 << 20);
    slot_end_done(&end);
}

/* When nobody looks at the clock (the worker sleeps), processor time ends the task. */
static void test_slot__processor_time_is_limited_too(void **state)
{
    struct fixture *f = *state;
    struct action action = action_of("crash", 1, "spin", "busy");
    struct slot_end end = run_simple(f, "join", NULL, "a", 0);
    struct buf bytes = {0};
    slot_end_done(&end);
    action_encode(&action, &bytes, NULL);
    slot_run(f->slot, buf_span(&bytes), &(struct slot_limits){.time_ms = 10}, 0);
    for (uint64_t until = now_ms() + 60000; slot_event(f->slot, 0, &end, NULL) == 0;) {
        struct pollfd fd = {slot_fd(f->slot), POLLIN, 0};
        (void)poll(&fd, 1, 100);
        assert_true(now_ms() < until);
    }
    assert_int_equal(end.end, ATTEMPT_TIME);
    assert_string_equal(end.sentence, "over its time limit of 0.01 s, on the processor");
    slot_end_done(&end);
    buf_done(&bytes);
    action_done(&action);
}

/* Killed, and not by us: the kernel's count of such deaths decides whether it was for memory.
 */
static void test_slot__a_kill_that_is_not_ours(void **state)
{
    struct slot_end end = run_simple(*state, "crash", "kill", "no", 0);
    uint64_t kills;
    assert_int_equal(end.end, ATTEMPT_CRASH);
    assert_string_equal(end.sentence, machine_oom_kills(&kills) == 0
                                          ? "the slot died: signal 9 (Killed)"
                                          : "killed (out of memory?)");
    slot_end_done(&end);
}

static void test_slot__a_killed_slot_starts_anew(void **state)
{
    struct fixture *f = *state;
    struct slot_end end = run_simple(f, "join", NULL, "a", 0);
    slot_end_done(&end);
    slot_kill(f->slot);
    assert_int_equal(slot_state(f->slot), SLOT_DOWN);
    assert_int_equal(slot_event(f->slot, now_ms(), &end, NULL), 0);
    end = run_simple(f, "join", NULL, "b", 0);
    assert_int_equal(end.end, ATTEMPT_OK);
    slot_end_done(&end);
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "slot") == 0)
        return slot_main(argv[2], (uint32_t)atoi(argv[3]));
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_slot__a_task_reads_and_writes_files),
        TEST(test_slot__an_error_is_the_functions_sentence),
        TEST(test_slot__refuses_what_it_would_compute_differently),
        TEST(test_slot__a_missing_or_damaged_input_is_named),
        TEST(test_slot__a_death_is_told_with_the_last_words),
        TEST(test_slot__the_log_is_of_this_task_and_bounded),
        TEST(test_slot__a_time_limit_ends_the_task),
        TEST(test_slot__a_memory_limit_ends_the_task),
        TEST(test_slot__processor_time_is_limited_too),
        TEST(test_slot__a_kill_that_is_not_ours),
        TEST(test_slot__a_killed_slot_starts_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
