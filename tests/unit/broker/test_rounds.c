/* Does anybody wait for somebody else's large campaign? What is much to do is done in many
 * rounds, and what was promised holds all the same. */
#include "tests/support/cmocka.h"

#include "tests/support/story.h"

#include "proto/order.h"

enum { MANY = 3000, PER_ROUND = 600 /* no round does more of anything */ };

static const struct message status_get = {.type = MESSAGE_TYPE_status_get};

/* `n` sources in the store, but for the last one if it is `lost`; the campaign's bytes. */
static void prepare(struct story *story, const char *name, uint32_t n, bool lost,
                    struct buf *ret)
{
    struct campaign campaign;
    campaign_default(&campaign);
    (void)snprintf(campaign.name, sizeof campaign.name, "%s", name);
    (void)snprintf(campaign.profile, sizeof campaign.profile, "profile");
    campaign.n_sources = n;
    campaign.sources = mem_new(n, sizeof *campaign.sources);
    for (uint32_t i = 0; i < n; i++) {
        char text[32];
        (void)snprintf(text, sizeof text, "source %u", i);
        if (lost && i == n - 1)
            campaign.sources[i] = hash_bytes(span_text("lost"));
        else
            assert_int_equal(store_put(story->shell->store, "source", span_text(text),
                                       &campaign.sources[i], NULL),
                             0);
    }
    assert_int_equal(store_commit(story->shell->store, NULL), 0);
    ret->size = 0;
    campaign_encode(&campaign, ret, NULL);
    campaign_done(&campaign);
}

static void say_submit(struct story *story, const char *peer, const struct buf *bytes)
{
    const struct message message = {.type = MESSAGE_TYPE_submit,
                                    .submit = {.campaign = buf_span(bytes)}};
    story_hear(story, peer, "", &message, "");
}

/* Rounds until this is said, which takes more than one. Nobody else waits meanwhile. */
static void until_said(struct story *story, const char *answer)
{
    int rounds = 0;
    for (; strcmp(story->said, answer) != 0; rounds++) {
        assert_string_equal(story->said, "");
        assert_true(rounds < 100);
        if (rounds == 1)
            story_hear(story, "other", "", &status_get, "other:status");
        story_round(story);
    }
    assert_true(rounds > 1);
}

static struct broker_counts counts(const struct story *story)
{
    struct broker_counts now;
    broker_core_counts(story->shell->core, &now);
    return now;
}

/* Rounds until nothing is left to plan. */
static void plan_all(struct story *story)
{
    do {
        uint64_t before = counts(story).ready + counts(story).held;
        story_round(story);
        assert_true(counts(story).ready + counts(story).held <= before + PER_ROUND);
    } while (campaigns_replaying(story->shell));
}

static void submit(struct story *story, const char *name, uint32_t n)
{
    struct buf bytes = {0};
    prepare(story, name, n, false, &bytes);
    say_submit(story, "client", &bytes);
    until_said(story, "client:submitted");
    assert_non_null(campaigns_find(story->shell, name));
    plan_all(story);
    buf_done(&bytes);
}

static void order(struct story *story, uint32_t verb, const char *target, const char *answers)
{
    struct message message = {.type = MESSAGE_TYPE_order, .order = {.verb = verb}};
    message_text_set(&message.order.target, target);
    story_hear(story, "client", "", &message, answers);
    story->said[0] = '\0';
}

static void test_rounds__a_large_campaign_is_taken_in_pieces(void **state)
{
    struct story *story = *state;
    submit(story, "large", MANY);
    assert_int_equal(counts(story).ready, MANY);
}

static void test_rounds__a_lost_source_is_found(void **state)
{
    struct story *story = *state;
    struct buf bytes = {0};
    prepare(story, "large", MANY, true, &bytes);
    say_submit(story, "client", &bytes);
    until_said(story, "client:submitted");
    assert_null(campaigns_find(story->shell, "large"));
    assert_false(story->shell->submitted);
    buf_done(&bytes);
}

/* Two clients at once, and one of them twice: each is answered, in the order of asking. */
static void test_rounds__submissions_wait_for_each_other(void **state)
{
    struct story *story = *state;
    struct buf first = {0}, second = {0};
    prepare(story, "first", MANY, false, &first);
    prepare(story, "second", MANY, false, &second);
    say_submit(story, "a", &first);
    say_submit(story, "b", &second);
    say_submit(story, "a", &first);
    until_said(story, "a:submitted");
    story_round(story);
    until_said(story, "b:submitted");
    story_round(story);
    until_said(story, "a:submitted");
    assert_int_equal(story->shell->n_campaigns, 2);
    buf_done(&first);
    buf_done(&second);
}

static void test_rounds__too_many_submissions_are_refused(void **state)
{
    struct story *story = *state;
    struct buf bytes = {0}, frame = {0};
    prepare(story, "large", MANY, false, &bytes);
    const struct message message = {.type = MESSAGE_TYPE_submit,
                                    .submit = {.campaign = buf_span(&bytes)}};
    message_encode(&message, &frame);
    shell_begin_round(story->shell, story->now_ms += 10);
    for (int i = 0; i < 20; i++)
        shell_receive(story->shell, CHANNEL_CONTROL, span_text("client"), "", buf_span(&frame));
    story->said[0] = '\0';
    (void)shell_end_round(story->shell);
    assert_string_equal(story->said, "client:submitted client:submitted client:submitted "
                                     "client:submitted");
    buf_done(&frame);
    buf_done(&bytes);
}

/* When an operator hears that a campaign is paused, all of it is. */
static void test_rounds__an_order_is_answered_when_all_tasks_have_followed(void **state)
{
    struct story *story = *state;
    submit(story, "large", MANY);
    order(story, ORDER_PAUSE, "large", "");
    assert_true(counts(story).held > 0 && counts(story).held <= PER_ROUND);
    until_said(story, "client:ordered");
    assert_int_equal(counts(story).held, MANY);

    order(story, ORDER_RESUME, "large", "");
    order(story, ORDER_CANCEL, "large", "client:ordered"); /* the first is overtaken */
    until_said(story, "client:ordered");
    assert_int_equal(counts(story).held + counts(story).ready, 0);
    assert_int_equal(counts(story).cancelled, MANY);
    assert_false(campaigns_replaying(story->shell)); /* gc would wait for ever */
}

/* Another campaign of the same name: what only the old one wanted is cancelled in the end. */
static void test_rounds__a_campaign_in_the_place_of_another(void **state)
{
    struct story *story = *state;
    submit(story, "name", MANY);
    submit(story, "name", MANY / 2);
    while (wills_pending(story->shell))
        story_round(story);
    assert_int_equal(counts(story).ready, MANY / 2);
    assert_int_equal(counts(story).cancelled, MANY - MANY / 2);
}

/* A campaign that is to be planned once more does not come back in the place of a newer one. */
static void test_rounds__the_newer_campaign_stays(void **state)
{
    struct story *story = *state;
    struct buf bytes = {0};
    submit(story, "name", MANY);
    struct hash old = campaigns_find(story->shell, "name")->id;
    prepare(story, "name", MANY / 2, false, &bytes);
    say_submit(story, "client", &bytes);
    submit_again(story->shell, &old); /* as `retry` does */
    while (submit_pending(story->shell))
        story_round(story);
    struct hash newer = hash_bytes(buf_span(&bytes));
    assert_true(campaigns_has(story->shell, "name", &newer));
    buf_done(&bytes);
}

/* The worker's first task is done. */
static void finish_one(struct story *story, const struct hash *task)
{
    struct output output = {.type = "shard"};
    struct result result = {.action = *task, .outputs = &output, .n_outputs = 1};
    struct buf bytes = {0};
    output.size = 5;
    assert_int_equal(
        store_put(story->shell->store, "shard", span_text("shard"), &output.id, NULL), 0);
    result_encode(&result, &bytes);
    const struct message message = {.type = MESSAGE_TYPE_outcome,
                                    .outcome = {.epoch = 5,
                                                .task = *task,
                                                .attempt = 1,
                                                .end = ATTEMPT_OK,
                                                .result = buf_span(&bytes)}};
    story_hear(story, "worker", "", &message, "worker:lease worker:ack");
    buf_done(&bytes);
}

/* One task, two campaigns: its result reaches both. */
static void test_rounds__a_result_reaches_all_that_want_it(void **state)
{
    struct story *story = *state;
    submit(story, "one", MANY);
    submit(story, "two", MANY + 1);
    assert_int_equal(counts(story).ready, MANY + 1);
    struct message hello = {.type = MESSAGE_TYPE_hello,
                            .hello = {.boot = 7, .slots = 1, .credit = 1}};
    char kind[64];
    (void)snprintf(kind, sizeof kind, "encode@%u", kinds[KIND_encode].revision);
    message_text_set(&hello.hello.name, "worker");
    message_text_set(&hello.hello.kinds, kind);
    message_text_set(&hello.hello.profile, "profile");
    story_hear(story, "worker", "", &hello, "worker:welcome worker:lease");

    uint32_t cursor = 0;
    struct hash task;
    const struct campaign_run *one = campaigns_find(story->shell, "one");
    assert_true(planner_next_wanted(one->planner, &cursor, &task));
    finish_one(story, &task);
    for (uint32_t i = 0; i < 2; i++) {
        struct planner_status status;
        planner_status(story->shell->campaigns[i].planner, &status);
        assert_int_equal(status.finished, 1);
    }
}

#define rounds_test(test) cmocka_unit_test_setup_teardown(test, story_begin, story_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        rounds_test(test_rounds__a_large_campaign_is_taken_in_pieces),
        rounds_test(test_rounds__a_lost_source_is_found),
        rounds_test(test_rounds__submissions_wait_for_each_other),
        rounds_test(test_rounds__too_many_submissions_are_refused),
        rounds_test(test_rounds__an_order_is_answered_when_all_tasks_have_followed),
        rounds_test(test_rounds__a_campaign_in_the_place_of_another),
        rounds_test(test_rounds__the_newer_campaign_stays),
        rounds_test(test_rounds__a_result_reaches_all_that_want_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
