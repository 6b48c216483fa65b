/* Does the broker core keep the promises of core.h? Each test is a story; when one fails, the
 * story that happened is printed instead. */
#include "tests/support/cmocka.h"

#include "broker/core.h"
#include "broker/trace.h"

#include <string.h>

struct story {
    struct broker_core *core;
    struct broker_actions actions;
    struct buf text;
    uint64_t now_ms;
    struct hash leased; /* the task of the last LEASE */
    struct err err;
};

static struct story story_begin(void)
{
    const struct broker_limits limits = {
        .lease_ms = 15000, .worker_ms = 60000, .backoff_ms = 1000};
    return (struct story){.core = broker_core_new(&limits)};
}

static int tell(struct story *story, struct broker_event event)
{
    event.now_ms = story->now_ms;
    int rc = broker_core_step(story->core, &event, &story->actions, &story->err);
    if (rc == 0)
        broker_trace(&event, &story->actions, &story->text);
    else
        buf_print(&story->text, "[%5llu] %s refused: %s\n", (unsigned long long)event.now_ms,
                  broker_event_text(event.type), story->err.text);
    for (size_t i = 0; rc == 0 && i < story->actions.n; i++)
        if (story->actions.items[i].type == BROKER_ACTION_LEASE)
            story->leased = story->actions.items[i].task;
    return rc;
}

static void story_end(struct story *story, const char *expected)
{
    assert_string_equal(buf_text(&story->text), expected);
    broker_actions_done(&story->actions);
    broker_core_free(story->core);
    buf_done(&story->text);
}

static struct hash id(uint8_t number)
{
    return (struct hash){{number}};
}

static struct broker_event add(uint8_t task)
{
    return (struct broker_event){.type = BROKER_EVENT_TASK_ADD, .task = id(task)};
}

static struct broker_event ready(uint32_t worker, uint32_t slots, uint32_t credit)
{
    return (struct broker_event){.type = BROKER_EVENT_WORKER_READY,
                                 .worker = worker,
                                 .kinds = 1,
                                 .profile_id = 1,
                                 .slots = slots,
                                 .credit = credit};
}

static struct broker_event result(uint32_t worker, uint8_t task, uint32_t attempt,
                                  enum attempt_end end)
{
    return (struct broker_event){.type = BROKER_EVENT_RESULT,
                                 .worker = worker,
                                 .task = id(task),
                                 .attempt = attempt,
                                 .end = end};
}

static struct broker_event of_task(enum broker_event_type type, uint8_t task)
{
    return (struct broker_event){.type = type, .task = id(task)};
}

static struct broker_event of_worker(enum broker_event_type type, uint32_t worker)
{
    return (struct broker_event){.type = type, .worker = worker};
}

static struct broker_event durable(uint8_t task)
{
    return of_task(BROKER_EVENT_RESULT_DURABLE, task);
}

static void tick_at(struct story *story, uint64_t now_ms)
{
    story->now_ms = now_ms;
    tell(story, (struct broker_event){.type = BROKER_EVENT_TICK});
}

/* The plain life of a task: nothing is acknowledged before it is durable. */
static void test_broker_core__task_runs_is_made_durable_then_acknowledged(void **state)
{
    (void)state;
    struct story story = story_begin();
    tell(&story, ready(1, 1, 1));
    tell(&story, add(1));
    story.now_ms = 40;
    tell(&story, result(1, 1, 1, ATTEMPT_OK));
    tell(&story, durable(1));
    story_end(&story, "[    0] ready w1\n"
                      "[    0] add 0100 -> lease 0100 #1 w1\n"
                      "[   40] result 0100 #1 w1 ok -> persist 0100 #1 w1\n"
                      "[   40] durable 0100 -> ack 0100 #1 w1, done 0100\n");
}

static void test_broker_core__higher_priority_first_then_first_come(void **state)
{
    (void)state;
    struct story story = story_begin();
    struct broker_event urgent = add(3);
    urgent.priority = 5;
    tell(&story, add(1));
    tell(&story, add(2));
    tell(&story, urgent);
    struct broker_event raised = add(2);
    raised.priority = 1;
    tell(&story, add(4));
    tell(&story, raised);
    tell(&story, ready(1, 4, 4));
    story_end(&story, "[    0] add 0100\n[    0] add 0200\n[    0] add 0300\n"
                      "[    0] add 0400\n[    0] add 0200\n"
                      "[    0] ready w1 -> lease 0300 #1 w1, lease 0200 #1 w1, "
                      "lease 0100 #1 w1, lease 0400 #1 w1\n");
}

/* Runs `n` tasks to their end on worker 1 (one slot, no credit), in the order in which they are
 * leased; a task takes ms[its id's second byte]. Returns how many were of share 1. */
static int run_tasks(struct story *story, int n, const uint64_t *ms)
{
    int of_1 = 0;
    for (int i = 0; i < n; i++) {
        struct hash task = story->leased;
        of_1 += task.bytes[1];
        story->now_ms += ms[task.bytes[1]];
        tell(story, (struct broker_event){.type = BROKER_EVENT_RESULT,
                                          .worker = 1,
                                          .task = task,
                                          .attempt = 1,
                                          .end = ATTEMPT_OK});
        tell(story, (struct broker_event){.type = BROKER_EVENT_RESULT_DURABLE, .task = task});
    }
    return of_1;
}

/* `n` tasks of a share; long tasks are of another kind, so that means are not mixed. */
static void add_share(struct story *story, uint8_t share, int32_t priority, uint8_t n)
{
    for (uint8_t i = 0; i < n; i++)
        tell(story, (struct broker_event){.type = BROKER_EVENT_TASK_ADD,
                                          .task = {{i, share}},
                                          .kind = share,
                                          .share = share,
                                          .priority = priority});
}

static void one_slot(struct story *story)
{
    struct broker_event hello = ready(1, 1, 1);
    hello.kinds = 3;
    tell(story, hello);
}

/* Two campaigns get the same slot time, however many tasks they have and how long they are. */
static void test_broker_core__shares_get_the_same_time(void **state)
{
    (void)state;
    static const uint64_t same[] = {100, 100}, longer[] = {100, 300};
    struct story story = story_begin();
    add_share(&story, 0, 0, 250);
    add_share(&story, 1, 0, 60);
    one_slot(&story);
    int of_1 = run_tasks(&story, 40, same);
    assert_in_range(of_1, 19, 21);
    of_1 = run_tasks(&story, 80, longer); /* three short ones for a long one */
    assert_in_range(of_1, 18, 22);
    buf_done(&story.text);
    story_end(&story, "");
}

static void test_broker_core__each_step_of_priority_doubles_the_share(void **state)
{
    (void)state;
    static const uint64_t same[] = {100, 100};
    struct story story = story_begin();
    add_share(&story, 0, 0, 250);
    add_share(&story, 1, 2, 100);
    one_slot(&story);
    assert_in_range(run_tasks(&story, 100, same), 78, 82);
    buf_done(&story.text);
    story_end(&story, "");
}

/* Who comes late does not make up for the time before; nobody starves. */
static void test_broker_core__a_share_that_slept_saves_nothing_up(void **state)
{
    (void)state;
    static const uint64_t same[] = {100, 100};
    struct story story = story_begin();
    add_share(&story, 0, 0, 250);
    one_slot(&story);
    assert_int_equal(run_tasks(&story, 100, same), 0);
    add_share(&story, 1, 0, 100);
    assert_in_range(run_tasks(&story, 40, same), 18, 21);
    buf_done(&story.text);
    story_end(&story, "");
}

/* A worker that goes silent loses its lease; the next worker gets the same task. */
static void test_broker_core__task_of_a_silent_worker_is_leased_again(void **state)
{
    (void)state;
    struct story story = story_begin();
    tell(&story, ready(1, 1, 1));
    tell(&story, add(1));
    story.now_ms = 10000;
    tell(&story, of_worker(BROKER_EVENT_WORKER_ALIVE, 1));
    tick_at(&story, 24999); /* heartbeat at 10 s: good until 25 s */
    assert_int_equal(broker_core_deadline_ms(story.core), 25000);
    tick_at(&story, 25000);
    story.now_ms = 25001;
    tell(&story, ready(2, 1, 1));
    story_end(&story, "[    0] ready w1\n"
                      "[    0] add 0100 -> lease 0100 #1 w1\n"
                      "[10000] alive w1\n"
                      "[24999] tick -> lease 0100 #1 w1 again\n"
                      "[25000] tick -> attempt-ended 0100 #1 w1 lost\n"
                      "[25001] ready w2 -> lease 0100 #2 w2\n");
}

/* Zombie returns: its late result counts while the task is open; the rival is told to stop. */
static void test_broker_core__late_result_is_accepted_while_wanted(void **state)
{
    (void)state;
    struct story story = story_begin();
    tell(&story, ready(1, 1, 1));
    tell(&story, ready(2, 1, 1));
    tell(&story, add(1));
    story.now_ms = 14000;
    tell(&story, of_worker(BROKER_EVENT_WORKER_ALIVE, 2));
    tick_at(&story, 15000);
    story.now_ms = 16000;
    tell(&story, result(1, 1, 1, ATTEMPT_OK));
    tell(&story, durable(1));
    tell(&story, result(2, 1, 2, ATTEMPT_OK));
    story_end(&story, "[    0] ready w1\n[    0] ready w2\n"
                      "[    0] add 0100 -> lease 0100 #1 w1\n"
                      "[14000] alive w2\n"
                      "[15000] tick -> attempt-ended 0100 #1 w1 lost, lease 0100 #2 w2\n"
                      "[16000] result 0100 #1 w1 ok -> persist 0100 #1 w1\n"
                      "[16000] durable 0100 -> ack 0100 #1 w1, done 0100, revoke 0100 #2 w2\n"
                      "[16000] result 0100 #2 w2 ok -> ack 0100 #2 w2\n");
}

/* A result from before the broker's restart (attempt 0) is as good as any. */
static void test_broker_core__result_of_an_earlier_run_is_accepted(void **state)
{
    (void)state;
    struct story story = story_begin();
    tell(&story, add(1));
    struct broker_event hello = ready(1, 1, 1);
    hello.kinds = 2; /* could not even run it now */
    tell(&story, hello);
    tell(&story, result(1, 1, 0, ATTEMPT_OK));
    tell(&story, durable(1));
    tell(&story, result(1, 2, 0, ATTEMPT_OK));
    story_end(&story, "[    0] add 0100\n[    0] ready w1\n"
                      "[    0] result 0100 #0 w1 ok -> persist 0100 #0 w1\n"
                      "[    0] durable 0100 -> ack 0100 #0 w1, done 0100\n"
                      "[    0] result 0200 #0 w1 ok -> ack 0200 #0 w1\n");
}

/* 1 s and 2 s, each up to half longer by a number from the task's id. */
static void test_broker_core__three_crashes_are_quarantine_with_growing_pauses(void **state)
{
    (void)state;
    struct story story = story_begin();
    tell(&story, ready(1, 1, 1));
    tell(&story, add(1));
    tell(&story, result(1, 1, 1, ATTEMPT_CRASH));
    tick_at(&story, 1426);
    tick_at(&story, 1427);
    tell(&story, result(1, 1, 2, ATTEMPT_TIME));
    tick_at(&story, 3516);
    tick_at(&story, 3517);
    tell(&story, result(1, 1, 3, ATTEMPT_CRASH));
    struct broker_counts counts;
    broker_core_counts(story.core, &counts);
    assert_int_equal(counts.quarantined, 1);
    assert_int_equal(counts.ready + counts.waiting + counts.leased + counts.persisting, 0);
    story_end(&story, "[    0] ready w1\n"
                      "[    0] add 0100 -> lease 0100 #1 w1\n"
                      "[    0] result 0100 #1 w1 crash -> attempt-ended 0100 #1 w1 crash, "
                      "ack 0100 #1 w1\n"
                      "[ 1426] tick\n"
                      "[ 1427] tick -> lease 0100 #2 w1\n"
                      "[ 1427] result 0100 #2 w1 time -> attempt-ended 0100 #2 w1 time, "
                      "ack 0100 #2 w1\n"
                      "[ 3516] tick\n"
                      "[ 3517] tick -> lease 0100 #3 w1\n"
                      "[ 3517] result 0100 #3 w1 crash -> attempt-ended 0100 #3 w1 crash, "
                      "ack 0100 #3 w1, quarantine 0100 crash\n");
}

/* ---- races ---- */

/* Seven tasks of 1 s on worker 1, one of `outlier_ms`; so others may take 3 s, whatever the one
 * took. Then task 100 runs on worker 1, and worker 2 has an idle slot; nothing is told. */
static struct story story_begin_race(uint64_t outlier_ms)
{
    const struct broker_limits limits = {
        .lease_ms = 15000, .worker_ms = 60000, .backoff_ms = 1000, .race_ms = 2000};
    struct story story = {.core = broker_core_new(&limits)};
    tell(&story, ready(1, 1, 1));
    for (uint8_t i = 1; i <= 8; i++) {
        tell(&story, add(i));
        story.now_ms += i == 4 ? outlier_ms : 1000;
        tell(&story, result(1, i, 1, ATTEMPT_OK));
        tell(&story, durable(i));
    }
    tell(&story, add(100));
    tell(&story, ready(2, 1, 1));
    buf_done(&story.text);
    return story;
}

/* Ticks until the time; all workers say that they live. */
static void live_until(struct story *story, uint64_t end_ms)
{
    for (uint64_t ms; (ms = broker_core_deadline_ms(story->core)) <= end_ms;) {
        story->now_ms = ms;
        struct buf text = story->text; /* heartbeats and looks in vain are no part of a story */
        story->text = (struct buf){0};
        for (uint32_t w = 1; w <= 5; w++)
            (void)tell(story, of_worker(BROKER_EVENT_WORKER_ALIVE, w));
        tell(story, (struct broker_event){.type = BROKER_EVENT_TICK});
        for (size_t i = 0; i < story->actions.n; i++)
            if (!story->actions.items[i].again) {
                buf_print(&text, "[%5llu] w%u %s #%u%s\n", (unsigned long long)story->now_ms,
                          story->actions.items[i].worker,
                          broker_action_text(story->actions.items[i].type),
                          story->actions.items[i].attempt,
                          story->actions.items[i].raced ? " race" : "");
            }
        buf_done(&story->text);
        story->text = text;
    }
    story->now_ms = end_ms;
}

static struct broker_counts counts_of(const struct story *story)
{
    struct broker_counts counts;
    broker_core_counts(story->core, &counts);
    return counts;
}

/* It is late after 3 s, and looked at a second later at most. One rival, no more; the first
 * durable result wins, the other attempt is revoked, its result is unwanted. */
static void test_broker_core__straggler_is_raced_and_the_rival_may_win(void **state)
{
    (void)state;
    struct story story = story_begin_race(90000);
    assert_int_equal(story.now_ms, 97000);
    live_until(&story, 100999);
    tell(&story, ready(3, 1, 1));
    live_until(&story, 105000);
    tell(&story, result(2, 100, 2, ATTEMPT_OK));
    tell(&story, result(1, 100, 1, ATTEMPT_OK)); /* it repeats that */
    tell(&story, durable(100));
    tell(&story, result(1, 100, 1, ATTEMPT_OK));
    assert_int_equal(counts_of(&story).races, 1);
    assert_int_equal(counts_of(&story).races_won, 1);
    assert_int_equal(counts_of(&story).leases, 0);
    story_end(&story, "[100000] w2 lease #2 race\n"
                      "[100999] ready w3\n"
                      "[105000] result 6400 #2 w2 ok -> persist 6400 #2 w2\n"
                      "[105000] result 6400 #1 w1 ok\n"
                      "[105000] durable 6400 -> ack 6400 #2 w2, done 6400\n"
                      "[105000] result 6400 #1 w1 ok -> ack 6400 #1 w1\n");
}

static void test_broker_core__straggler_may_win_and_the_rival_makes_room(void **state)
{
    (void)state;
    struct story story = story_begin_race(1000);
    live_until(&story, 12000);
    tell(&story, add(101));
    tell(&story, result(1, 100, 1, ATTEMPT_OK));
    tell(&story, add(102));
    tell(&story, durable(100));
    assert_int_equal(counts_of(&story).races, 1);
    assert_int_equal(counts_of(&story).races_won, 0);
    story_end(&story, "[11000] w2 lease #2 race\n"
                      "[12000] add 6500\n"
                      "[12000] result 6400 #1 w1 ok -> persist 6400 #1 w1, lease 6500 #1 w1\n"
                      "[12000] add 6600\n"
                      "[12000] durable 6400 -> ack 6400 #1 w1, done 6400, revoke 6400 #2 w2, "
                      "lease 6600 #1 w2\n");
}

/* When one of the two ends badly the other goes on, and is raced in turn: by the worker on
 * which the task crashed when there is no third. */
static void test_broker_core__attempts_of_a_race_fail_on_their_own(void **state)
{
    (void)state;
    struct story story = story_begin_race(1000);
    live_until(&story, 11500);
    tell(&story, result(1, 100, 1, ATTEMPT_CRASH));
    live_until(&story, 16000);
    tell(&story, of_worker(BROKER_EVENT_WORKER_GONE, 2));
    live_until(&story, 16001);
    tell(&story, result(1, 100, 3, ATTEMPT_ERROR));
    assert_int_equal(counts_of(&story).leases, 0);
    story_end(&story, "[11000] w2 lease #2 race\n"
                      "[11500] result 6400 #1 w1 crash -> attempt-ended 6400 #1 w1 crash, "
                      "ack 6400 #1 w1\n"
                      "[14000] w1 lease #3 race\n"
                      "[16000] gone w2 -> attempt-ended 6400 #2 w2 lost\n"
                      "[16001] result 6400 #3 w1 error -> attempt-ended 6400 #3 w1 error, "
                      "ack 6400 #3 w1, failed 6400 error\n");
}

static void test_broker_core__error_of_a_rival_is_final_for_both(void **state)
{
    (void)state;
    struct story story = story_begin_race(1000);
    live_until(&story, 11500);
    tell(&story, result(2, 100, 2, ATTEMPT_ERROR));
    story_end(&story, "[11000] w2 lease #2 race\n"
                      "[11500] result 6400 #2 w2 error -> attempt-ended 6400 #2 w2 error, "
                      "ack 6400 #2 w2, failed 6400 error, revoke 6400 #1 w1\n");
}

static void test_broker_core__rival_is_of_another_machine_if_there_is_one(void **state)
{
    (void)state;
    struct story story = story_begin_race(1000);
    for (uint32_t w = 1; w <= 3; w++) {
        struct broker_event event = ready(w, 1, 1);
        event.host = w == 3 ? 78 : 77;
        tell(&story, event);
    }
    buf_done(&story.text);
    live_until(&story, 12000);
    story_end(&story, "[11000] w3 lease #2 race\n");
}

/* Nobody races where a task waits, on a worker that is told to leave, for a paused campaign, or
 * for a kind of which too little is known. */
static void test_broker_core__races_use_nothing_but_idle_slots(void **state)
{
    (void)state;
    struct story story = story_begin_race(1000);
    tell(&story, add(101)); /* worker 2 has it, for long as well */
    live_until(&story, 60000);
    assert_int_equal(counts_of(&story).races, 0);
    tell(&story, result(2, 101, 1, ATTEMPT_OK));
    tell(&story, of_task(BROKER_EVENT_TASK_HOLD, 100));
    live_until(&story, 120000);
    assert_int_equal(counts_of(&story).races, 0);
    tell(&story, of_worker(BROKER_EVENT_WORKER_DRAIN, 2));
    tell(&story, of_task(BROKER_EVENT_TASK_RELEASE, 100));
    live_until(&story, 180000);
    assert_int_equal(counts_of(&story).races, 0);
    tell(&story, ready(3, 1, 1));
    live_until(&story, 240000);
    assert_int_equal(counts_of(&story).races, 1);

    struct broker_event other = ready(4, 1, 1);
    other.kinds = 2;
    tell(&story, other);
    other = add(102);
    other.kind = 1;
    tell(&story, other);
    other = ready(5, 1, 1);
    other.kinds = 2;
    tell(&story, other);
    live_until(&story, 240000 + 3600000 - 1);
    assert_int_equal(counts_of(&story).races, 1);
    live_until(&story, 240000 + 3600000 * 9 / 8); /* an hour, and the look after it */
    assert_int_equal(counts_of(&story).races, 2);
    buf_done(&story.text);
    story_end(&story, "");
}

/* ---- where inputs are ---- */

static struct story story_begin_near(void)
{
    const struct broker_limits limits = {
        .lease_ms = 15000, .worker_ms = 60000, .backoff_ms = 1000, .near_bytes = 1000};
    return (struct story){.core = broker_core_new(&limits)};
}

/* A task with two large inputs; key 0: none. */
static struct broker_event add_with(uint8_t task, uint32_t first, uint32_t second)
{
    struct broker_event event = add(task);
    event.blobs[0] = (struct broker_blob){.key = first, .size = first ? 100000 : 0};
    event.blobs[1] = (struct broker_blob){.key = second, .size = second ? 20000 : 0};
    return event;
}

static uint32_t worker_of_lease(const struct story *story)
{
    for (size_t i = 0; i < story->actions.n; i++)
        if (story->actions.items[i].type == BROKER_ACTION_LEASE)
            return story->actions.items[i].worker;
    return 0;
}

/* Runs the task on the worker that gets it, to its end; returns that worker. */
static uint32_t run_task(struct story *story, struct broker_event task, uint32_t makes)
{
    tell(story, task);
    uint32_t worker = worker_of_lease(story);
    struct broker_event end = result(worker, task.task.bytes[0], 1, ATTEMPT_OK);
    end.blobs[0] = (struct broker_blob){.key = makes, .size = makes ? 50000 : 0};
    story->now_ms += 1000;
    tell(story, end);
    tell(story, durable(task.task.bytes[0]));
    return worker;
}

/* What it was given, and what it made; more bytes count more, small objects nothing. */
static void test_broker_core__idle_worker_with_the_inputs_gets_the_task(void **state)
{
    (void)state;
    struct story story = story_begin_near();
    for (uint32_t w = 1; w <= 3; w++)
        tell(&story, ready(w, 1, 1));
    assert_int_equal(run_task(&story, add_with(1, 11, 0), 12), 1);
    assert_int_equal(run_task(&story, add_with(2, 21, 22), 0), 2);
    assert_int_equal(run_task(&story, add_with(3, 31, 0), 0), 3);
    /* 1 stands first now */
    assert_int_equal(run_task(&story, add_with(4, 21, 0), 0), 2);
    assert_int_equal(run_task(&story, add_with(5, 12, 0), 0), 1);
    assert_int_equal(run_task(&story, add_with(6, 31, 22), 0), 3);
    assert_int_equal(run_task(&story, add_with(7, 11, 22), 0), 1);
    struct broker_event small = add(8);
    small.blobs[0] = (struct broker_blob){.key = 12, .size = 999};
    assert_int_equal(run_task(&story, small, 0), 2);
    buf_done(&story.text);
    story_end(&story, "");
}

/* Nobody waits for a busy worker because of what it has. */
static void test_broker_core__busy_worker_with_the_inputs_is_not_waited_for(void **state)
{
    (void)state;
    struct story story = story_begin_near();
    tell(&story, ready(1, 2, 2));
    tell(&story, ready(2, 2, 2));
    assert_int_equal(run_task(&story, add_with(1, 11, 0), 0), 1);
    for (uint8_t i = 2; i <= 5; i++) {
        tell(&story, add_with(i, 11, 0));
        assert_int_equal(worker_of_lease(&story), i <= 3 ? 1 : 2);
    }
    buf_done(&story.text);
    story_end(&story, "");
}

static void test_broker_core__worker_forgets_what_it_had_long_ago(void **state)
{
    (void)state;
    struct story story = story_begin_near();
    tell(&story, ready(1, 1, 1));
    run_task(&story, add_with(1, 1, 0), 0);
    for (uint8_t i = 2; i <= 33; i++)
        run_task(&story, add_with(i, i, 0), 0);
    tell(&story, ready(2, 1, 1));
    run_task(&story, add_with(40, 2, 0), 0); /* the last of 32 is known, and refreshed by use */
    assert_int_equal(run_task(&story, add_with(41, 3, 0), 0), 1);
    assert_int_equal(run_task(&story, add_with(42, 1, 0), 0), 2); /* not the first of 33 */
    buf_done(&story.text);
    story_end(&story, "");
}

/* A worker takes the task whose inputs it has before others of the kind, of the same share and
 * priority; but none waits for more than 64 that came later. */
static void test_broker_core__worker_takes_the_task_whose_inputs_it_has(void **state)
{
    (void)state;
    struct story story = story_begin_near();
    tell(&story, ready(1, 1, 1));
    run_task(&story, add_with(1, 11, 0), 0);
    tell(&story, add_with(2, 99, 0)); /* it is busy with this */
    tell(&story, add_with(3, 98, 0));
    tell(&story, add_with(4, 11, 0));
    struct broker_event urgent = add_with(5, 97, 0);
    urgent.priority = 1;
    tell(&story, urgent);
    const uint8_t order[] = {5, 4, 3};
    uint8_t running = 2;
    for (int i = 0; i < 3; i++) {
        tell(&story, result(1, running, 1, ATTEMPT_OK));
        running = story.leased.bytes[0];
        assert_int_equal(running, order[i]);
    }
    tell(&story, add_with(6, 96, 0));
    uint8_t passed = 0;
    for (; passed < 100 && running != 6; passed++) {
        tell(&story, add_with((uint8_t)(10 + passed), 11, 0));
        tell(&story, result(1, running, 1, ATTEMPT_OK));
        running = story.leased.bytes[0];
    }
    assert_int_equal(passed - 1, 64);
    buf_done(&story.text);
    story_end(&story, "");
}

/* Tasks that crashed together do not come back together. */
static void test_broker_core__pauses_differ_from_task_to_task(void **state)
{
    (void)state;
    struct story story = story_begin();
    tell(&story, ready(1, 8, 8));
    uint64_t first_ms = UINT64_MAX, last_ms = 0;
    for (uint8_t i = 1; i <= 8; i++) {
        tell(&story, add(i));
        tell(&story, result(1, i, 1, ATTEMPT_CRASH));
    }
    for (uint64_t ms = 1; ms <= 1500; ms++) {
        tick_at(&story, ms);
        for (size_t i = 0; i < story.actions.n; i++) {
            first_ms = ms < first_ms ? ms : first_ms;
            last_ms = ms;
        }
    }
    assert_true(first_ms >= 1000 && last_ms > first_ms + 200);
    struct broker_counts counts;
    broker_core_counts(story.core, &counts);
    assert_int_equal(counts.leased, 8);
    buf_done(&story.text);
    story_end(&story, "");
}

/* After a crash another worker is to try, also when that takes a while, unless there is none.
 */
static void test_broker_core__crashed_task_goes_elsewhere(void **state)
{
    (void)state;
    struct story story = story_begin();
    tell(&story, ready(1, 4, 4));
    tell(&story, ready(2, 1, 1));
    tell(&story, add(1));
    tell(&story, add(2));
    tell(&story, result(1, 1, 1, ATTEMPT_CRASH));
    tick_at(&story, 1427); /* w1 is idle, w2 is not */
    tell(&story, result(2, 2, 1, ATTEMPT_OK));
    tell(&story, durable(2));
    tell(&story, result(2, 1, 2, ATTEMPT_CRASH));
    tell(&story, of_worker(BROKER_EVENT_WORKER_GONE, 1));
    tick_at(&story, 3517); /* w2 again: there is no other */
    story_end(&story, "[    0] ready w1\n[    0] ready w2\n"
                      "[    0] add 0100 -> lease 0100 #1 w1\n"
                      "[    0] add 0200 -> lease 0200 #1 w2\n"
                      "[    0] result 0100 #1 w1 crash -> attempt-ended 0100 #1 w1 crash, "
                      "ack 0100 #1 w1\n"
                      "[ 1427] tick\n"
                      "[ 1427] result 0200 #1 w2 ok -> persist 0200 #1 w2, lease 0100 #2 w2\n"
                      "[ 1427] durable 0200 -> ack 0200 #1 w2, done 0200\n"
                      "[ 1427] result 0100 #2 w2 crash -> attempt-ended 0100 #2 w2 crash, "
                      "ack 0100 #2 w2\n"
                      "[ 1427] gone w1\n"
                      "[ 3517] tick -> lease 0100 #3 w2\n");
}

/* The last other worker goes while the task waits for it: the avoided one takes it at once. */
static void test_broker_core__avoided_worker_takes_it_when_it_is_alone(void **state)
{
    (void)state;
    struct story story = story_begin();
    tell(&story, ready(1, 1, 1));
    tell(&story, ready(2, 1, 1));
    tell(&story, add(1));
    tell(&story, add(2));
    tell(&story, result(1, 1, 1, ATTEMPT_CRASH));
    tick_at(&story, 1427);
    tell(&story, of_worker(BROKER_EVENT_WORKER_DRAIN, 2));
    story_end(&story, "[    0] ready w1\n[    0] ready w2\n"
                      "[    0] add 0100 -> lease 0100 #1 w1\n"
                      "[    0] add 0200 -> lease 0200 #1 w2\n"
                      "[    0] result 0100 #1 w1 crash -> attempt-ended 0100 #1 w1 crash, "
                      "ack 0100 #1 w1\n"
                      "[ 1427] tick\n"
                      "[ 1427] drain w2 -> drain w2, lease 0100 #2 w1\n");
}

/* Computed again elsewhere, under numbers of its own: a repeated result from before is late. */
static void test_broker_core__added_task_avoids_a_worker(void **state)
{
    (void)state;
    struct story story = story_begin();
    struct broker_event again = add(1);
    again.avoid = 1 + 1;
    again.attempt = 256;
    tell(&story, ready(1, 1, 1));
    tell(&story, ready(2, 1, 1));
    tell(&story, again);
    tell(&story, of_worker(BROKER_EVENT_WORKER_GONE, 2));
    story_end(&story, "[    0] ready w1\n[    0] ready w2\n"
                      "[    0] add 0100 -> lease 0100 #257 w2\n"
                      "[    0] gone w2 -> attempt-ended 0100 #257 w2 lost, "
                      "lease 0100 #258 w1\n");
}

/* What crashes here and goes well there is a proof; what crashes everywhere is none. */
static void test_broker_core__worker_on_which_good_tasks_crash_is_drained(void **state)
{
    (void)state;
    struct story story = story_begin();
    struct broker_worker worker;
    tell(&story, ready(1, 4, 4));
    tell(&story, ready(2, 4, 4));
    tell(&story, ready(3, 4, 4));
    for (uint8_t i = 1; i <= 6; i++) { /* crash on all three, in turn */
        tell(&story, add(i));
        for (uint32_t attempt = 1; attempt <= 3; attempt++) {
            uint32_t on = 0;
            for (size_t k = 0; k < story.actions.n; k++)
                on = story.actions.items[k].type == BROKER_ACTION_LEASE
                         ? story.actions.items[k].worker
                         : on;
            tell(&story, result(on, i, attempt, ATTEMPT_CRASH));
            if (attempt < 3)
                tick_at(&story, story.now_ms + 3100);
        }
    }
    struct broker_counts counts;
    broker_core_counts(story.core, &counts);
    assert_int_equal(counts.quarantined, 6);
    for (uint32_t w = 1; w <= 3; w++) {
        assert_int_equal(broker_core_worker(story.core, w, &worker, NULL), 0);
        assert_false(worker.draining);
    }
    tell(&story, of_worker(BROKER_EVENT_WORKER_GONE, 3));
    tell(&story, of_worker(BROKER_EVENT_WORKER_GONE, 2));
    tell(&story, of_worker(BROKER_EVENT_WORKER_GONE, 1));
    tell(&story, ready(1, 4, 4));
    struct broker_event other = ready(2, 4, 4);
    tell(&story, other);
    for (uint8_t i = 11; i <= 14; i++) {
        story.text.size = 0;
        tell(&story, of_worker(BROKER_EVENT_WORKER_ALIVE, 1));
        tell(&story, of_worker(BROKER_EVENT_WORKER_ALIVE, 2));
        struct broker_event last = of_worker(BROKER_EVENT_WORKER_GONE, 2);
        tell(&story, last); /* so that w1 is asked first */
        tell(&story, add(i));
        tell(&story, other);
        tell(&story, result(1, i, 1, ATTEMPT_CRASH));
        tick_at(&story, story.now_ms + 1500);
        tell(&story, result(2, i, 2, ATTEMPT_OK));
        assert_int_equal(broker_core_worker(story.core, 1, &worker, NULL), 0);
        assert_false(worker.draining);
        tell(&story, durable(i));
    }
    assert_int_equal(story.actions.items[story.actions.n - 1].type, BROKER_ACTION_DRAIN);
    assert_int_equal(story.actions.items[story.actions.n - 1].proofs, 4);
    assert_int_equal(broker_core_worker(story.core, 1, &worker, NULL), 0);
    assert_true(worker.draining);
    buf_done(&story.text);
    story_end(&story, "");
}

/* The task's own error is the same everywhere: not tried again. */
static void test_broker_core__error_of_the_task_is_final(void **state)
{
    (void)state;
    struct story story = story_begin();
    tell(&story, ready(1, 1, 1));
    tell(&story, add(1));
    tell(&story, add(2));
    tell(&story, result(1, 1, 1, ATTEMPT_ERROR));
    story_end(&story, "[    0] ready w1\n"
                      "[    0] add 0100 -> lease 0100 #1 w1\n"
                      "[    0] add 0200\n"
                      "[    0] result 0100 #1 w1 error -> attempt-ended 0100 #1 w1 error, "
                      "ack 0100 #1 w1, failed 0100 error, lease 0200 #1 w1\n");
}

static void test_broker_core__leases_return_at_once_when_the_worker_leaves(void **state)
{
    (void)state;
    struct story story = story_begin();
    tell(&story, ready(1, 2, 2));
    tell(&story, add(1));
    tell(&story, add(2));
    tell(&story, ready(2, 1, 1));
    tell(&story, of_worker(BROKER_EVENT_WORKER_GONE, 1));
    tell(&story, of_worker(BROKER_EVENT_WORKER_ALIVE, 1));
    tell(&story, ready(3, 1, 1));
    story_end(&story, "[    0] ready w1\n"
                      "[    0] add 0100 -> lease 0100 #1 w1\n"
                      "[    0] add 0200 -> lease 0200 #1 w1\n"
                      "[    0] ready w2\n"
                      "[    0] gone w1 -> attempt-ended 0100 #1 w1 lost, lease 0100 #2 w2, "
                      "attempt-ended 0200 #1 w1 lost\n"
                      "[    0] alive refused: worker 1 is not known\n"
                      "[    0] ready w3 -> lease 0200 #2 w3\n");
}

static void test_broker_core__a_worker_silent_for_long_is_forgotten(void **state)
{
    (void)state;
    struct story story = story_begin();
    struct broker_worker worker;
    tell(&story, ready(1, 1, 1));
    tick_at(&story, 15000);
    assert_int_equal(broker_core_worker(story.core, 1, &worker, NULL), 0);
    assert_true(worker.silent);
    tell(&story, add(1)); /* not for a silent one */
    tick_at(&story, 59999);
    tell(&story, of_worker(BROKER_EVENT_WORKER_ALIVE, 1));
    tick_at(&story, 59999 + 60000);
    assert_int_equal(broker_core_worker(story.core, 1, &worker, NULL), ERR_NOT_FOUND);
    assert_int_equal(broker_core_deadline_ms(story.core), UINT64_MAX);
    story_end(&story, "[    0] ready w1\n[15000] tick\n[15000] add 0100\n[59999] tick\n"
                      "[59999] alive w1 -> lease 0100 #1 w1\n"
                      "[119999] tick -> attempt-ended 0100 #1 w1 lost\n");
}

static void test_broker_core__tasks_go_only_where_kind_and_profile_fit(void **state)
{
    (void)state;
    struct story story = story_begin();
    struct broker_event task = add(1), worker = ready(1, 4, 4);
    task.kind = 3;
    task.profile_id = 7;
    tell(&story, task);
    worker.kinds = 1 << 3;
    worker.profile_id = 8;
    tell(&story, worker); /* other profile */
    worker.worker = 2;
    worker.kinds = 1 << 2;
    worker.profile_id = 7;
    tell(&story, worker); /* other kind */
    worker.worker = 3;
    worker.kinds = 0xff;
    tell(&story, worker);
    task = add(2);
    task.kind = 3; /* any profile */
    tell(&story, task);
    story_end(&story, "[    0] add 0100\n[    0] ready w1\n[    0] ready w2\n"
                      "[    0] ready w3 -> lease 0100 #1 w3\n"
                      "[    0] add 0200 -> lease 0200 #1 w1\n");
}

/* A worker that refuses a kind gets no more of it, so the task cannot go in circles. */
static void test_broker_core__refused_task_goes_elsewhere(void **state)
{
    (void)state;
    struct story story = story_begin();
    tell(&story, ready(1, 1, 1));
    tell(&story, add(1));
    tell(&story, result(1, 1, 1, ATTEMPT_REFUSED));
    tell(&story, ready(2, 1, 1));
    story_end(&story, "[    0] ready w1\n"
                      "[    0] add 0100 -> lease 0100 #1 w1\n"
                      "[    0] result 0100 #1 w1 refused -> attempt-ended 0100 #1 w1 refused, "
                      "ack 0100 #1 w1\n"
                      "[    0] ready w2 -> lease 0100 #2 w2\n");
}

/* An output that is missing at the commit costs the attempt, like a crash. */
static void test_broker_core__rejected_result_is_tried_again(void **state)
{
    (void)state;
    struct story story = story_begin();
    tell(&story, ready(1, 1, 1));
    tell(&story, add(1));
    tell(&story, result(1, 1, 1, ATTEMPT_OK));
    tell(&story, of_task(BROKER_EVENT_RESULT_REJECTED, 1));
    tick_at(&story, 1427);
    story_end(&story, "[    0] ready w1\n"
                      "[    0] add 0100 -> lease 0100 #1 w1\n"
                      "[    0] result 0100 #1 w1 ok -> persist 0100 #1 w1\n"
                      "[    0] rejected 0100 -> attempt-ended 0100 #1 w1 bad, "
                      "ack 0100 #1 w1\n"
                      "[ 1427] tick -> lease 0100 #2 w1\n");
}

/* A lost LEASE is found again: by repetition, or at once when the worker says hello again. */
static void test_broker_core__leases_are_repeated(void **state)
{
    (void)state;
    struct story story = story_begin();
    tell(&story, ready(1, 1, 1));
    tell(&story, add(1));
    for (uint64_t ms = 10000; ms <= 60000; ms += 10000) {
        story.now_ms = ms;
        tell(&story, of_worker(BROKER_EVENT_WORKER_ALIVE, 1));
        tick_at(&story, ms);
    }
    tell(&story, ready(1, 1, 1));
    story_end(&story, "[    0] ready w1\n"
                      "[    0] add 0100 -> lease 0100 #1 w1\n"
                      "[10000] alive w1\n[10000] tick\n"
                      "[20000] alive w1\n[20000] tick -> lease 0100 #1 w1 again\n"
                      "[30000] alive w1\n[30000] tick\n"
                      "[40000] alive w1\n[40000] tick\n"
                      "[50000] alive w1\n[50000] tick -> lease 0100 #1 w1 again\n"
                      "[60000] alive w1\n[60000] tick\n"
                      "[60000] ready w1 -> lease 0100 #1 w1 again\n");
}

/* Long tasks do not queue behind each other in a worker; quick ones do. */
static void test_broker_core__only_quick_tasks_are_leased_in_advance(void **state)
{
    (void)state;
    struct story story = story_begin();
    for (uint8_t i = 1; i <= 5; i++)
        tell(&story, add(i));
    tell(&story, ready(1, 1, 3));
    story.now_ms = 5000;
    tell(&story, result(1, 1, 1, ATTEMPT_OK)); /* took 5 s */
    struct broker_event quick = add(9);
    quick.kind = 1;
    for (uint8_t i = 9; i <= 12; i++) {
        quick.task = id(i);
        quick.priority = 1;
        tell(&story, quick);
    }
    struct broker_event other = ready(2, 1, 3);
    other.kinds = 2;
    tell(&story, other);
    story.now_ms = 5010;
    tell(&story, result(2, 9, 1, ATTEMPT_OK)); /* took 10 ms */
    story_end(&story, "[    0] add 0100\n[    0] add 0200\n[    0] add 0300\n"
                      "[    0] add 0400\n[    0] add 0500\n"
                      "[    0] ready w1 -> lease 0100 #1 w1\n"
                      "[ 5000] result 0100 #1 w1 ok -> persist 0100 #1 w1, lease 0200 #1 w1\n"
                      "[ 5000] add 0900\n[ 5000] add 0a00\n"
                      "[ 5000] add 0b00\n[ 5000] add 0c00\n"
                      "[ 5000] ready w2 -> lease 0900 #1 w2\n"
                      "[ 5010] result 0900 #1 w2 ok -> persist 0900 #1 w2, "
                      "lease 0a00 #1 w2, lease 0b00 #1 w2, lease 0c00 #1 w2\n");
}

static void test_broker_core__tasks_go_to_the_least_loaded_worker(void **state)
{
    (void)state;
    struct story story = story_begin();
    tell(&story, ready(1, 4, 4));
    tell(&story, ready(2, 2, 2));
    for (uint8_t i = 1; i <= 7; i++)
        tell(&story, add(i));
    story_end(&story, "[    0] ready w1\n[    0] ready w2\n"
                      "[    0] add 0100 -> lease 0100 #1 w1\n"
                      "[    0] add 0200 -> lease 0200 #1 w2\n"
                      "[    0] add 0300 -> lease 0300 #1 w1\n"
                      "[    0] add 0400 -> lease 0400 #1 w2\n"
                      "[    0] add 0500 -> lease 0500 #1 w1\n"
                      "[    0] add 0600 -> lease 0600 #1 w1\n"
                      "[    0] add 0700\n");
}

static void test_broker_core__cancelled_task_is_revoked_and_its_result_unwanted(void **state)
{
    (void)state;
    struct story story = story_begin();
    tell(&story, ready(1, 1, 1));
    tell(&story, add(1));
    tell(&story, add(2));
    tell(&story, of_task(BROKER_EVENT_TASK_CANCEL, 1));
    tell(&story, result(1, 1, 1, ATTEMPT_OK));
    tell(&story, of_task(BROKER_EVENT_TASK_CANCEL, 7));
    story_end(&story, "[    0] ready w1\n"
                      "[    0] add 0100 -> lease 0100 #1 w1\n"
                      "[    0] add 0200\n"
                      "[    0] cancel 0100 -> revoke 0100 #1 w1, lease 0200 #1 w1\n"
                      "[    0] result 0100 #1 w1 ok -> ack 0100 #1 w1\n"
                      "[    0] cancel 0700\n");
}

/* Held: what runs goes on and its result counts; nothing is leased anew, also not what a lost
 * worker or a crash gives back. */
static void test_broker_core__held_tasks_are_not_leased_until_released(void **state)
{
    (void)state;
    struct story story = story_begin();
    for (uint8_t i = 1; i <= 3; i++)
        tell(&story, add(i));
    tell(&story, ready(1, 2, 2));
    for (uint8_t i = 1; i <= 4; i++)
        tell(&story, of_task(BROKER_EVENT_TASK_HOLD, i));
    tell(&story, result(1, 1, 1, ATTEMPT_OK));
    tell(&story, durable(1));
    tell(&story, result(1, 2, 1, ATTEMPT_CRASH));
    tick_at(&story, 5000);
    struct broker_counts counts;
    broker_core_counts(story.core, &counts);
    assert_int_equal(counts.held, 2);
    enum broker_task_state found;
    assert_int_equal(broker_core_task(story.core, &(struct hash){{2}}, &found, NULL), 0);
    assert_int_equal(found, BROKER_TASK_HELD);
    assert_int_equal(broker_core_task(story.core, &(struct hash){{9}}, &found, NULL),
                     ERR_NOT_FOUND);
    tell(&story, of_task(BROKER_EVENT_TASK_RELEASE, 2));
    tell(&story, of_worker(BROKER_EVENT_WORKER_GONE, 1));
    tell(&story, ready(2, 2, 2));
    tell(&story, of_task(BROKER_EVENT_TASK_HOLD, 2));
    tell(&story, of_worker(BROKER_EVENT_WORKER_GONE, 2));
    tell(&story, ready(3, 2, 2));
    tell(&story, add(3)); /* another campaign wants it */
    struct broker_event paused = add(4);
    paused.held = true;
    tell(&story, paused);
    tell(&story, paused);
    tell(&story, add(4));
    story_end(&story, "[    0] add 0100\n[    0] add 0200\n[    0] add 0300\n"
                      "[    0] ready w1 -> lease 0100 #1 w1, lease 0200 #1 w1\n"
                      "[    0] hold 0100\n[    0] hold 0200\n[    0] hold 0300\n"
                      "[    0] hold 0400\n"
                      "[    0] result 0100 #1 w1 ok -> persist 0100 #1 w1\n"
                      "[    0] durable 0100 -> ack 0100 #1 w1, done 0100\n"
                      "[    0] result 0200 #1 w1 crash -> attempt-ended 0200 #1 w1 crash, "
                      "ack 0200 #1 w1\n"
                      "[ 5000] tick\n"
                      "[ 5000] release 0200 -> lease 0200 #2 w1\n"
                      "[ 5000] gone w1 -> attempt-ended 0200 #2 w1 lost\n"
                      "[ 5000] ready w2 -> lease 0200 #3 w2\n"
                      "[ 5000] hold 0200\n"
                      "[ 5000] gone w2 -> attempt-ended 0200 #3 w2 lost\n"
                      "[ 5000] ready w3\n"
                      "[ 5000] add 0300 -> lease 0300 #1 w3\n"
                      "[ 5000] add 0400\n[ 5000] add 0400\n"
                      "[ 5000] add 0400 -> lease 0400 #1 w3\n");
}

/* Drained: it finishes what it has, and is told again when it says hello again. */
static void test_broker_core__drained_worker_gets_nothing_new(void **state)
{
    (void)state;
    struct story story = story_begin();
    tell(&story, ready(1, 1, 1));
    tell(&story, add(1));
    tell(&story, add(2));
    tell(&story, of_worker(BROKER_EVENT_WORKER_DRAIN, 1));
    tell(&story, ready(1, 1, 1));
    tell(&story, result(1, 1, 1, ATTEMPT_OK));
    tell(&story, durable(1));
    struct broker_worker worker;
    assert_int_equal(broker_core_worker(story.core, 1, &worker, NULL), 0);
    assert_true(worker.draining);
    tell(&story, ready(2, 1, 1));
    tell(&story, of_worker(BROKER_EVENT_WORKER_DRAIN, 9));
    struct broker_event back = ready(3, 1, 1);
    back.drained = true; /* the shell remembers */
    tell(&story, add(3));
    tell(&story, back);
    story_end(&story, "[    0] ready w1\n"
                      "[    0] add 0100 -> lease 0100 #1 w1\n"
                      "[    0] add 0200\n"
                      "[    0] drain w1 -> drain w1\n"
                      "[    0] ready w1 -> drain w1, lease 0100 #1 w1 again\n"
                      "[    0] result 0100 #1 w1 ok -> persist 0100 #1 w1\n"
                      "[    0] durable 0100 -> ack 0100 #1 w1, done 0100\n"
                      "[    0] ready w2 -> lease 0200 #1 w2\n"
                      "[    0] drain refused: worker 9 is not known\n"
                      "[    0] add 0300\n"
                      "[    0] ready w3 -> drain w3\n");
}

static struct broker_why why_of(const struct story *story, uint8_t task)
{
    struct broker_why why;
    struct hash hash = id(task);
    assert_int_equal(broker_core_why(story->core, &hash, &why, NULL), 0);
    return why;
}

/* Every state is told with what it waits for. */
static void test_broker_core__tells_why_a_task_does_not_run(void **state)
{
    (void)state;
    struct story story = story_begin();
    struct broker_event other = add(9);
    struct broker_why why;
    struct hash unknown = id(77);
    other.profile_id = 2;
    other.kind = 0;
    tell(&story, ready(1, 1, 1));
    for (uint8_t task = 1; task <= 5; task++)
        tell(&story, add(task));
    tell(&story, other);
    story.now_ms = 400;
    why = why_of(&story, 1);
    assert_int_equal(why.state, BROKER_TASK_LEASED);
    assert_int_equal(why.n_leases, 1);
    assert_int_equal(why.leases[0].worker, 1);
    assert_int_equal(why.leases[0].attempt, 1);
    assert_int_equal(why.leases[0].begin_ms, 0);
    why = why_of(&story, 4);
    assert_int_equal(why.state, BROKER_TASK_READY);
    assert_int_equal(why.before, 2); /* 2 and 3 */
    assert_int_equal(why.ready, 5);
    assert_int_equal(why.fit.workers, 1);
    assert_int_equal(why.fit.profile, 1);
    assert_int_equal(why.fit.open, 1);
    assert_false(why.fit.room);
    assert_int_equal(why_of(&story, 2).before, 0);
    why = why_of(&story, 9);
    assert_int_equal(why.fit.kind, 1);
    assert_int_equal(why.fit.profile, 0);

    tell(&story, result(1, 1, 1, ATTEMPT_CRASH));
    why = why_of(&story, 1);
    assert_int_equal(why.state, BROKER_TASK_WAITING);
    assert_in_range(why.ready_ms, 1400, 1900);
    assert_int_equal(why.crashes, 1);
    assert_int_equal(why.crashed_on[0], 1);
    assert_int_equal(why.avoid, 2);
    tell(&story, of_task(BROKER_EVENT_TASK_HOLD, 5));
    assert_int_equal(why_of(&story, 5).state, BROKER_TASK_HELD);
    tell(&story, of_worker(BROKER_EVENT_WORKER_DRAIN, 1));
    why = why_of(&story, 4);
    assert_int_equal(why.fit.profile, 1);
    assert_int_equal(why.fit.open, 0);
    assert_int_equal(broker_core_why(story.core, &unknown, &why, &story.err), ERR_NOT_FOUND);
    broker_actions_done(&story.actions);
    broker_core_free(story.core);
    buf_done(&story.text);
}

/* The number of those that come first, whatever order they came in; counting has an end. */
static void test_broker_core__counts_those_before(void **state)
{
    (void)state;
    enum { TASKS = BROKER_WHY_BEFORE + 500 };
    struct story story = story_begin();
    struct broker_event event = {.type = BROKER_EVENT_TASK_ADD};
    for (uint32_t i = 0; i < TASKS; i++) {
        uint32_t number = (uint32_t)((uint64_t)i * 7919 % TASKS); /* coprime: each once */
        memcpy(event.task.bytes, &number, sizeof number);
        event.priority = -(int32_t)number;
        assert_int_equal(broker_core_step(story.core, &event, &story.actions, &story.err), 0);
    }
    static const uint32_t asked[] = {0, 1, 17, 500, 9999, 10000, TASKS - 1};
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
        struct broker_why why;
        struct hash hash = {{0}};
        memcpy(hash.bytes, &asked[i], sizeof asked[i]);
        assert_int_equal(broker_core_why(story.core, &hash, &why, NULL), 0);
        assert_int_equal(why.before,
                         asked[i] < BROKER_WHY_BEFORE ? asked[i] : BROKER_WHY_BEFORE);
    }
    broker_actions_done(&story.actions);
    broker_core_free(story.core);
    buf_done(&story.text);
}

static void test_broker_core__senseless_events_change_nothing(void **state)
{
    (void)state;
    struct story story = story_begin();
    struct broker_event event = add(1);
    event.kind = BROKER_KINDS_MAX;
    assert_int_equal(tell(&story, event), ERR_INVALID);
    event = add(1);
    event.share = BROKER_SHARES_MAX;
    assert_int_equal(tell(&story, event), ERR_INVALID);
    assert_int_equal(tell(&story, ready(1, 0, 1)), ERR_INVALID);
    assert_int_equal(tell(&story, ready(1, 2, 1)), ERR_INVALID);
    assert_int_equal(tell(&story, result(1, 1, 1, ATTEMPT_OK)), ERR_INVALID);
    assert_int_equal(tell(&story, durable(1)), ERR_INVALID);
    assert_int_equal(tell(&story, (struct broker_event){.type = BROKER_EVENT_COUNT}),
                     ERR_INVALID);
    assert_int_equal(tell(&story, ready(1, 1, 1)), 0);
    assert_int_equal(tell(&story, add(1)), 0);
    assert_int_equal(tell(&story, result(1, 1, 2, ATTEMPT_OK)), ERR_INVALID);
    assert_int_equal(tell(&story, result(1, 1, 1, ATTEMPT_END_COUNT)), ERR_INVALID);
    assert_int_equal(tell(&story, durable(1)), ERR_INVALID);
    assert_int_equal(tell(&story, of_worker(BROKER_EVENT_WORKER_GONE, 2)), ERR_INVALID);
    assert_string_equal(story.err.text, "worker 2 is not known");
    struct broker_counts counts;
    broker_core_counts(story.core, &counts);
    assert_int_equal(counts.leased, 1);
    assert_int_equal(counts.workers, 1);
    buf_done(&story.text);
    story_end(&story, "");
}

static void test_broker_core__written_limits_answer_full(void **state)
{
    (void)state;
    struct story story = story_begin();
    for (uint32_t i = 0; i < BROKER_WORKERS_MAX; i++)
        assert_int_equal(tell(&story, ready(i, 1, 1)), 0);
    assert_int_equal(tell(&story, ready(BROKER_WORKERS_MAX, 1, 1)), ERR_FULL);
    assert_int_equal(tell(&story, of_worker(BROKER_EVENT_WORKER_GONE, 77)), 0);
    assert_int_equal(tell(&story, ready(BROKER_WORKERS_MAX, 1, 1)), 0);
    struct broker_event event = add(0);
    for (uint32_t i = 0; i <= BROKER_CLASSES_MAX; i++) {
        memcpy(event.task.bytes, &i, sizeof i);
        event.profile_id = 2 + i;
        assert_int_equal(tell(&story, event), i < BROKER_CLASSES_MAX ? 0 : ERR_FULL);
    }
    buf_done(&story.text);
    story_end(&story, "");
}

/* ---- needs ---- */

static struct broker_event large(struct broker_event event, uint64_t memory)
{
    event.needs.memory_bytes = memory;
    return event;
}

/* A worker gets what it has the tags, gpus and memory for; what it runs takes from these. */
static void test_broker_core__needs_are_met(void **state)
{
    (void)state;
    struct story story = story_begin();
    struct broker_event plain = large(ready(1, 4, 4), 8), tagged = large(ready(2, 4, 4), 8);
    tagged.needs.tags = 2;
    tagged.needs.gpus = 1;
    struct broker_event gpu = add(1), again = add(2), tag = add(3), both = large(add(4), 5);
    gpu.needs.gpus = again.needs.gpus = 1;
    tag.needs.tags = both.needs.tags = 2;
    tell(&story, plain);
    tell(&story, gpu);
    tell(&story, again);
    tell(&story, tag);
    tell(&story, both);
    tell(&story, large(add(5), 9));
    tell(&story, tagged);
    struct broker_unmet unmet;
    assert_true(broker_core_unmet(story.core, 0, &unmet));
    assert_int_equal(unmet.needs.memory_bytes, 9);
    tell(&story, of_task(BROKER_EVENT_TASK_CANCEL, 5));
    assert_false(broker_core_unmet(story.core, 0, &unmet));
    struct broker_worker seen;
    assert_int_equal(broker_core_worker(story.core, 2, &seen, NULL), 0);
    assert_int_equal(seen.leased.memory_bytes, 5);
    assert_int_equal(seen.leased.gpus, 1);
    tell(&story, result(2, 1, 1, ATTEMPT_OK));
    story_end(&story, "[    0] ready w1\n[    0] add 0100\n[    0] add 0200\n"
                      "[    0] add 0300\n[    0] add 0400\n[    0] add 0500\n"
                      "[    0] ready w2 -> lease 0100 #1 w2, lease 0300 #1 w2, "
                      "lease 0400 #1 w2\n"
                      "[    0] cancel 0500\n"
                      "[    0] result 0100 #1 w2 ok -> persist 0100 #1 w2, lease 0200 #1 w2\n");
}

/* A large task is not kept waiting by small ones for ever: when it is its turn, what begins
 * after leaves room for it. Small ones go on beside, as far as they do. */
static void test_broker_core__room_is_kept_for_a_large_task(void **state)
{
    (void)state;
    struct story story = story_begin();
    tell(&story, large(ready(1, 4, 4), 8));
    for (uint8_t i = 1; i <= 3; i++)
        tell(&story, large(add(i), 2));
    tell(&story, large(add(0x10), 6)); /* free are 2 */
    for (uint8_t i = 4; i <= 8; i++)
        tell(&story, large(add(i), 2));
    story.now_ms = 10;
    tell(&story, result(1, 1, 1, ATTEMPT_OK)); /* 4 beside the large one is 2 too much */
    tell(&story, result(1, 2, 1, ATTEMPT_OK));
    story.now_ms = 20;
    tell(&story, result(1, 3, 1, ATTEMPT_OK)); /* now */
    tell(&story, result(1, 4, 1, ATTEMPT_OK));
    story_end(&story,
              "[    0] ready w1\n[    0] add 0100 -> lease 0100 #1 w1\n"
              "[    0] add 0200 -> lease 0200 #1 w1\n[    0] add 0300 -> lease 0300 #1 w1\n"
              "[    0] add 1000\n[    0] add 0400 -> lease 0400 #1 w1\n[    0] add 0500\n"
              "[    0] add 0600\n[    0] add 0700\n[    0] add 0800\n"
              "[   10] result 0100 #1 w1 ok -> persist 0100 #1 w1\n"
              "[   10] result 0200 #1 w1 ok -> persist 0200 #1 w1\n"
              "[   20] result 0300 #1 w1 ok -> persist 0300 #1 w1, lease 1000 #1 w1\n"
              "[   20] result 0400 #1 w1 ok -> persist 0400 #1 w1, lease 0500 #1 w1\n");
}

/* Room that is kept is given back when nobody needs it any more, and to small ones at once. */
static void test_broker_core__kept_room_is_given_back(void **state)
{
    (void)state;
    struct story story = story_begin();
    tell(&story, large(ready(1, 4, 4), 8));
    tell(&story, large(add(1), 4));
    tell(&story, large(add(2), 6)); /* room is kept for it */
    tell(&story, large(add(3), 4));
    tell(&story, of_task(BROKER_EVENT_TASK_CANCEL, 2));
    tell(&story, large(add(4), 6)); /* likewise */
    tell(&story, large(add(5), 2));
    tell(&story, large(add(6), 2));
    tell(&story, result(1, 1, 1, ATTEMPT_OK));
    tell(&story, large(ready(2, 4, 4), 8)); /* takes it */
    story_end(&story,
              "[    0] ready w1\n[    0] add 0100 -> lease 0100 #1 w1\n[    0] add 0200\n"
              "[    0] add 0300\n[    0] cancel 0200 -> lease 0300 #1 w1\n[    0] add 0400\n"
              "[    0] add 0500\n[    0] add 0600\n"
              "[    0] result 0100 #1 w1 ok -> persist 0100 #1 w1, lease 0500 #1 w1\n"
              "[    0] ready w2 -> lease 0400 #1 w2, lease 0600 #1 w1\n");
}

/* What is too much for a machine goes to a larger one, and says nothing against the small one.
 */
static void test_broker_core__out_of_memory_goes_to_a_larger_worker(void **state)
{
    (void)state;
    struct story story = story_begin();
    struct broker_worker seen;
    tell(&story, large(ready(1, 1, 1), 2));
    for (uint8_t i = 1; i <= 6; i++) {
        tell(&story, add(i));
        tell(&story, result(1, i, 1, ATTEMPT_MEMORY));
    }
    tell(&story, large(ready(2, 1, 1), 2)); /* not that one either */
    tell(&story, large(ready(3, 1, 1), 4));
    tick_at(&story, 4000);
    for (uint8_t i = 1; i <= 6; i++) {
        uint8_t task = story.leased.bytes[0];
        tell(&story, result(3, task, 2, ATTEMPT_OK));
        tell(&story, durable(task));
    }
    assert_null(strstr(buf_text(&story.text), "w2 ->"));
    assert_null(strstr(buf_text(&story.text), "#2 w1"));
    assert_null(strstr(buf_text(&story.text), "#2 w2"));
    assert_int_equal(broker_core_worker(story.core, 1, &seen, NULL), 0);
    assert_false(seen.draining);
    struct broker_counts counts;
    broker_core_counts(story.core, &counts);
    assert_int_equal(counts.done, 6);
    /* there is none that is larger: then the others of that size */
    tell(&story, of_worker(BROKER_EVENT_WORKER_GONE, 3));
    story.text.size = 0;
    tell(&story, add(0x21));
    tell(&story, result(1, 0x21, 1, ATTEMPT_MEMORY));
    tick_at(&story, 10000);
    story_end(&story, "[ 4000] add 2100 -> lease 2100 #1 w1\n"
                      "[ 4000] result 2100 #1 w1 memory -> attempt-ended 2100 #1 w1 memory, "
                      "ack 2100 #1 w1\n"
                      "[10000] tick -> lease 2100 #2 w2\n");
}

/* Asked for again with other needs, a task that waits has those; what runs goes on with its old
 * ones. */
static void test_broker_core__needs_said_last_count(void **state)
{
    (void)state;
    struct story story = story_begin();
    struct broker_worker seen;
    tell(&story, large(ready(1, 4, 4), 8));
    tell(&story, large(add(1), 9));
    tell(&story, large(add(1), 8));
    tell(&story, large(add(1), 2));
    tell(&story, large(add(2), 2));
    assert_int_equal(broker_core_worker(story.core, 1, &seen, NULL), 0);
    assert_int_equal(seen.leased.memory_bytes, 8);
    tell(&story, result(1, 1, 1, ATTEMPT_LOST));
    story_end(&story, "[    0] ready w1\n[    0] add 0100\n"
                      "[    0] add 0100 -> lease 0100 #1 w1\n[    0] add 0100\n"
                      "[    0] add 0200\n"
                      "[    0] result 0100 #1 w1 lost -> attempt-ended 0100 #1 w1 lost, "
                      "ack 0100 #1 w1, lease 0100 #2 w1, lease 0200 #1 w1\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_broker_core__task_runs_is_made_durable_then_acknowledged),
        cmocka_unit_test(test_broker_core__higher_priority_first_then_first_come),
        cmocka_unit_test(test_broker_core__shares_get_the_same_time),
        cmocka_unit_test(test_broker_core__each_step_of_priority_doubles_the_share),
        cmocka_unit_test(test_broker_core__a_share_that_slept_saves_nothing_up),
        cmocka_unit_test(test_broker_core__task_of_a_silent_worker_is_leased_again),
        cmocka_unit_test(test_broker_core__late_result_is_accepted_while_wanted),
        cmocka_unit_test(test_broker_core__result_of_an_earlier_run_is_accepted),
        cmocka_unit_test(test_broker_core__three_crashes_are_quarantine_with_growing_pauses),
        cmocka_unit_test(test_broker_core__pauses_differ_from_task_to_task),
        cmocka_unit_test(test_broker_core__idle_worker_with_the_inputs_gets_the_task),
        cmocka_unit_test(test_broker_core__busy_worker_with_the_inputs_is_not_waited_for),
        cmocka_unit_test(test_broker_core__worker_forgets_what_it_had_long_ago),
        cmocka_unit_test(test_broker_core__worker_takes_the_task_whose_inputs_it_has),
        cmocka_unit_test(test_broker_core__straggler_is_raced_and_the_rival_may_win),
        cmocka_unit_test(test_broker_core__straggler_may_win_and_the_rival_makes_room),
        cmocka_unit_test(test_broker_core__attempts_of_a_race_fail_on_their_own),
        cmocka_unit_test(test_broker_core__error_of_a_rival_is_final_for_both),
        cmocka_unit_test(test_broker_core__rival_is_of_another_machine_if_there_is_one),
        cmocka_unit_test(test_broker_core__races_use_nothing_but_idle_slots),
        cmocka_unit_test(test_broker_core__crashed_task_goes_elsewhere),
        cmocka_unit_test(test_broker_core__needs_are_met),
        cmocka_unit_test(test_broker_core__room_is_kept_for_a_large_task),
        cmocka_unit_test(test_broker_core__kept_room_is_given_back),
        cmocka_unit_test(test_broker_core__out_of_memory_goes_to_a_larger_worker),
        cmocka_unit_test(test_broker_core__needs_said_last_count),
        cmocka_unit_test(test_broker_core__avoided_worker_takes_it_when_it_is_alone),
        cmocka_unit_test(test_broker_core__added_task_avoids_a_worker),
        cmocka_unit_test(test_broker_core__tells_why_a_task_does_not_run),
        cmocka_unit_test(test_broker_core__counts_those_before),
        cmocka_unit_test(test_broker_core__worker_on_which_good_tasks_crash_is_drained),
        cmocka_unit_test(test_broker_core__error_of_the_task_is_final),
        cmocka_unit_test(test_broker_core__leases_return_at_once_when_the_worker_leaves),
        cmocka_unit_test(test_broker_core__a_worker_silent_for_long_is_forgotten),
        cmocka_unit_test(test_broker_core__tasks_go_only_where_kind_and_profile_fit),
        cmocka_unit_test(test_broker_core__refused_task_goes_elsewhere),
        cmocka_unit_test(test_broker_core__rejected_result_is_tried_again),
        cmocka_unit_test(test_broker_core__leases_are_repeated),
        cmocka_unit_test(test_broker_core__only_quick_tasks_are_leased_in_advance),
        cmocka_unit_test(test_broker_core__tasks_go_to_the_least_loaded_worker),
        cmocka_unit_test(test_broker_core__cancelled_task_is_revoked_and_its_result_unwanted),
        cmocka_unit_test(test_broker_core__held_tasks_are_not_leased_until_released),
        cmocka_unit_test(test_broker_core__drained_worker_gets_nothing_new),
        cmocka_unit_test(test_broker_core__senseless_events_change_nothing),
        cmocka_unit_test(test_broker_core__written_limits_answer_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
