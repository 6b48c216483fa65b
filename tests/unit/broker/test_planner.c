/* Does a campaign's plan ask for the right actions, whatever the order of results,
 * interruptions and losses? A stand-in executes them (tests/support/executor.h). */
#include "tests/support/cmocka.h"

#include "broker/planner.h"
#include "common/mem.h"
#include "common/rng.h"
#include "proto/value.h"
#include "tests/support/executor.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

enum { ACTIONS_MAX = 4096 };

/* One action that was asked for. */
struct asked {
    struct hash id;
    struct result result;
    char name[32]; /* "sample3": the fourth sample */
    bool answered;
};

struct run {
    struct planner *planner;
    struct executor executor;
    struct asked asked[ACTIONS_MAX];
    uint32_t n;
    uint32_t kinds_seen[KIND_COUNT];
    struct buf plan; /* "NAME <- INPUT INPUT ..." per action */
};

static struct campaign example(void)
{
    struct campaign campaign;
    campaign_default(&campaign);
    (void)strcpy(campaign.name, "example");
    (void)strcpy(campaign.profile, "profile");
    campaign.n_sources = 2;
    campaign.sources = mem_new(2, sizeof *campaign.sources);
    campaign.sources[0].bytes[0] = 0x50;
    campaign.sources[1].bytes[0] = 0x51;
    campaign.lines_before = mem_new(2, sizeof *campaign.lines_before);
    campaign.lines_before[1] = 77;
    campaign.denoiser.steps = 5;
    campaign.denoiser.task_steps = 3;
    campaign.guide.steps = campaign.guide.task_steps = 2;
    campaign.symprec = campaign.validation = 0.125; /* few digits in JSON */
    campaign.denoiser.learning_rate = campaign.denoiser.weight_decay = 0.25;
    campaign.denoiser.ema = 0.5;
    campaign.tasks = 1;
    campaign.rounds_max = 3;
    campaign.candidates = 4;
    campaign.targets.n = 1;
    campaign.targets.items[0] =
        (struct target){.property = "density", .low = 3, .high = 4, .weight = 1};
    return campaign;
}

static struct run *run_begin(const struct campaign *campaign)
{
    struct run *run = mem_new(1, sizeof *run);
    run->executor.distinct_per_batch = 2;
    assert_int_equal(planner_new(campaign, &run->planner, NULL), 0);
    return run;
}

static void run_end(struct run *run)
{
    for (uint32_t i = 0; i < run->n; i++)
        result_done(&run->asked[i].result);
    buf_done(&run->plan);
    planner_free(run->planner);
    free(run);
}

static void print_input(struct run *run, const struct hash *id)
{
    for (uint32_t i = 0; i < run->n; i++)
        for (uint32_t k = 0; k < run->asked[i].result.n_outputs; k++)
            if (hash_equal(&run->asked[i].result.outputs[k].id, id)) {
                buf_print(&run->plan, " %s.%u", run->asked[i].name, k);
                return;
            }
    buf_print(&run->plan, " source%u", id->bytes[0] - 0x50u);
}

/* Take every action that is ready now. */
static void take_ready(struct run *run)
{
    const struct action *action;
    struct hash id;
    while (planner_next(run->planner, &action, &id, NULL) == 0) {
        assert_true(run->n < ACTIONS_MAX);
        for (uint32_t i = 0; i < run->n; i++)
            assert_false(hash_equal(&run->asked[i].id, &id)); /* each once */
        struct asked *asked = &run->asked[run->n];
        (void)snprintf(asked->name, sizeof asked->name, "%s%u", action->kind,
                       run->kinds_seen[kind_find(action->kind)]++);
        asked->id = id;
        asked->result = executor_run(&run->executor, action, &id);
        buf_print(&run->plan, "%s <-", asked->name);
        for (uint32_t i = 0; i < action->n_inputs; i++)
            print_input(run, &action->inputs[i]);
        buf_print(&run->plan, "\n");
        run->n++;
    }
}

static void answer(struct run *run, struct asked *asked)
{
    asked->answered = true;
    assert_int_equal(planner_result(run->planner, &asked->id, &asked->result, NULL), 0);
}

static struct asked *find(struct run *run, const char *name)
{
    for (uint32_t i = 0; i < run->n; i++)
        if (!strcmp(run->asked[i].name, name))
            return &run->asked[i];
    fail_msg("no action %s was asked for", name);
    return NULL;
}

/* Answer in order until `stop` is asked for or nothing is left; names in `lost` fail. */
static void go_on(struct run *run, const char *const *lost)
{
    for (bool moved = true; moved;) {
        moved = false;
        take_ready(run);
        for (uint32_t i = 0; i < run->n; i++) {
            struct asked *asked = &run->asked[i];
            if (asked->answered)
                continue;
            moved = asked->answered = true;
            bool fails = false;
            for (const char *const *name = lost; name && *name; name++)
                fails = fails || !strcmp(*name, asked->name);
            if (fails)
                planner_failed(run->planner, &asked->id, "because of the test");
            else
                answer(run, asked);
            take_ready(run);
        }
    }
}

static struct planner_status status_of(const struct run *run)
{
    struct planner_status status;
    planner_status(run->planner, &status);
    return status;
}

static void test_planner__the_whole_plan(void **state)
{
    (void)state;
    struct campaign campaign = example();
    struct run *run = run_begin(&campaign);
    run->executor.distinct_per_batch = 1; /* 2 in round 1, 4 in round 2 */
    assert_string_equal(status_of(run).stage, "encode");
    go_on(run, NULL);
    assert_string_equal(buf_text(&run->plan),
                        "encode0 <- source0\n"
                        "encode1 <- source1\n"
                        "assemble0 <- encode0.0 encode1.0\n"
                        "train-step0 <- assemble0.0\n"
                        "train-step1 <- assemble0.0\n"
                        "train-step2 <- assemble0.0 train-step0.0\n"
                        "sample0 <- assemble0.0 train-step2.0 train-step1.0\n"
                        "sample1 <- assemble0.0 train-step2.0 train-step1.0\n"
                        "realize0 <- assemble0.0 sample0.0\n"
                        "realize1 <- assemble0.0 sample1.0\n"
                        "score0 <- assemble0.0 train-step1.0 realize0.0\n"
                        "score1 <- assemble0.0 train-step1.0 realize1.0\n"
                        "rank0 <- score0.0 score1.0\n"
                        "sample2 <- assemble0.0 train-step2.0 train-step1.0\n"
                        "sample3 <- assemble0.0 train-step2.0 train-step1.0\n"
                        "realize2 <- assemble0.0 sample2.0\n"
                        "realize3 <- assemble0.0 sample3.0\n"
                        "score2 <- assemble0.0 train-step1.0 realize2.0\n"
                        "score3 <- assemble0.0 train-step1.0 realize3.0\n"
                        "rank1 <- rank0.0 rank0.2 score2.0 score3.0\n");
    struct planner_status status = status_of(run);
    assert_int_equal(status.state, PLANNER_DONE);
    assert_string_equal(status.stage, "done");
    assert_string_equal(status.note, "");
    assert_int_equal(status.planned, 20);
    assert_int_equal(status.finished, 20);
    assert_true(hash_equal(&status.candidates, &find(run, "rank1")->result.outputs[0].id));
    assert_true(hash_equal(&status.dataset, &find(run, "assemble0")->result.outputs[0].id));
    assert_true(hash_equal(&status.rejects, &find(run, "assemble0")->result.outputs[1].id));
    run_end(run);
    campaign_done(&campaign);
}

/* The parameters, key by key, as docs/tasks.md has them. */
static void test_planner__parameters(void **state)
{
    (void)state;
    static const char *const expected[][2] = {
        {"encode", "{\"symprec\":0.125}"},
        {"assemble", "{\"atoms_max\":200,\"lines_before\":[0,77],\"validation\":0.125}"},
        {"train-step", "{\"batch\":128,\"ema\":0.5,\"heads\":4,\"layers\":4,"
                       "\"learning_rate\":0.25,\"properties\":[],\"role\":\"denoiser\","
                       "\"seed\":1,\"step_begin\":3,\"steps\":2,\"steps_total\":5,"
                       "\"timesteps\":100,\"warmup\":100,\"weight_decay\":0.25,"
                       "\"width\":128}"},
        {"sample", "{\"atoms_max\":200,\"count\":32,\"elements\":[],\"first\":0,"
                   "\"guidance\":0,\"sample_steps\":50,\"seed\":1,\"spacegroups\":[],"
                   "\"targets\":[]}"},
        {"realize", "{\"random_starts\":4,\"relax_steps_max\":200,\"seed\":1,"
                    "\"symprec\":0.125}"},
        {"score", "{\"targets\":[{\"high\":4,\"low\":3,\"property\":\"density\","
                  "\"weight\":1}]}"},
        {"rank", "{\"again\":false,\"targets\":[{\"high\":4,\"low\":3,\"property\":\"density\","
                 "\"weight\":1}],\"want\":4}"},
    };
    struct campaign campaign = example();
    struct run *run = run_begin(&campaign);
    char seen[KIND_COUNT][600] = {{0}};
    const struct action *action;
    struct hash id;
    while (planner_next(run->planner, &action, &id, NULL) == 0) {
        struct document *document;
        struct buf json = {0};
        struct action again;
        struct buf bytes = {0};
        action_encode(action, &bytes, &id);
        assert_int_equal(action_decode(buf_span(&bytes), &again, NULL), 0);
        assert_int_equal(document_parse_canonical(buf_span(&again.params),
                                                  &value_limits_message, &document, NULL),
                         0);
        value_print_json(document_root(document), &json);
        (void)snprintf(seen[kind_find(action->kind)], sizeof seen[0], "%s", buf_text(&json));
        struct result result = executor_run(&run->executor, action, &id);
        assert_int_equal(planner_result(run->planner, &id, &result, NULL), 0);
        result_done(&result);
        action_done(&again);
        document_free(document);
        buf_done(&json);
        buf_done(&bytes);
    }
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++)
        assert_string_equal(seen[kind_find(expected[i][0])], expected[i][1]);
    run_end(run);
    campaign_done(&campaign);
}

/* ---- same plan, whatever happened ---- */

static struct hash ids_digest(const struct run *run)
{
    struct buf ids = {0};
    struct hash *sorted = mem_new(run->n, sizeof *sorted);
    for (uint32_t i = 0; i < run->n; i++)
        sorted[i] = run->asked[i].id;
    for (uint32_t i = 1; i < run->n; i++) /* insertion sort */
        for (uint32_t k = i; k > 0 && hash_compare(&sorted[k - 1], &sorted[k]) > 0; k--) {
            struct hash swap = sorted[k];
            sorted[k] = sorted[k - 1];
            sorted[k - 1] = swap;
        }
    buf_append(&ids, sorted, run->n * sizeof *sorted);
    struct hash digest = hash_bytes(buf_span(&ids));
    buf_done(&ids);
    free(sorted);
    return digest;
}

static void order_changes_nothing(struct campaign campaign)
{
    struct run *run = run_begin(&campaign);
    go_on(run, NULL);
    struct hash want = ids_digest(run), candidates = status_of(run).candidates;
    assert_true(run->n > 50);
    run_end(run);
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct rng rng = rng_stream(seed, 0, 0, 0);
        run = run_begin(&campaign);
        for (uint32_t answered = 0;;) {
            take_ready(run);
            if (answered == run->n)
                break;
            uint32_t pick = rng_below(&rng, run->n);
            while (run->asked[pick].answered)
                pick = (pick + 1) % run->n;
            answer(run, &run->asked[pick]);
            answered++;
        }
        struct hash got = ids_digest(run), found = status_of(run).candidates;
        assert_true(hash_equal(&got, &want));
        assert_true(hash_equal(&found, &candidates));
        run_end(run);
    }
    campaign_done(&campaign);
}

static void test_planner__order_of_results_changes_nothing(void **state)
{
    (void)state;
    struct campaign campaign = example();
    campaign.tasks = 3;
    campaign.candidates = 25;
    order_changes_nothing(campaign);
    campaign = example();
    campaign.tasks = 3;
    campaign.rounds_max = 0;
    campaign.stop_found = false;
    campaign.budget_tasks = 150;
    order_changes_nothing(campaign);
    campaign = example();
    campaign.tasks = 3;
    campaign.rounds_max = 0;
    campaign.candidates = 1000;
    campaign.budget_bytes = 9000;
    order_changes_nothing(campaign);
}

/* After a crash the results so far come from the store; what is asked for then is the rest. */
static void test_planner__replay_after_any_prefix(void **state)
{
    (void)state;
    struct campaign campaign = example();
    campaign.tasks = 2;
    struct run *whole = run_begin(&campaign);
    go_on(whole, NULL);
    struct hash want = ids_digest(whole), candidates = status_of(whole).candidates;
    for (uint32_t prefix = 0; prefix <= whole->n; prefix++) {
        struct run *again = run_begin(&campaign);
        uint32_t from_store = 0;
        for (bool moved = true; moved;) {
            moved = false;
            take_ready(again);
            for (uint32_t i = 0; i < again->n; i++)
                for (uint32_t k = 0; !again->asked[i].answered && k < prefix; k++)
                    if (hash_equal(&again->asked[i].id, &whole->asked[k].id)) {
                        answer(again, &again->asked[i]);
                        from_store++;
                        moved = true;
                    }
        }
        assert_int_equal(from_store, prefix);
        go_on(again, NULL);
        struct hash got = ids_digest(again), found = status_of(again).candidates;
        assert_true(hash_equal(&got, &want));
        assert_true(hash_equal(&found, &candidates));
        run_end(again);
    }
    run_end(whole);
    campaign_done(&campaign);
}

static void test_planner__other_targets_reuse_models_and_unguided_samples(void **state)
{
    (void)state;
    struct campaign campaign = example();
    campaign.candidates = 1;
    struct run *one = run_begin(&campaign);
    go_on(one, NULL);
    campaign.targets.items[0].high = 9;
    struct run *two = run_begin(&campaign);
    go_on(two, NULL);
    uint32_t shared = 0;
    for (uint32_t i = 0; i < two->n; i++)
        for (uint32_t k = 0; k < one->n; k++)
            shared += hash_equal(&two->asked[i].id, &one->asked[k].id);
    assert_int_equal(one->n, 13);
    assert_int_equal(shared, 2 + 1 + 3 + 2); /* shards, data set, training, sample + realize */
    run_end(one);
    run_end(two);
    campaign_done(&campaign);
}

/* ---- losses ---- */

struct loss {
    const char *what;
    const char *lost[8];
    enum planner_state state;
    const char *note;
    bool candidates;
};

static void test_planner__losses(void **state)
{
    (void)state;
    static const struct loss losses[] = {
        {"a shard",
         {"encode1"},
         PLANNER_PARTLY,
         "1 of 2 data shards lost; because of the test",
         true},
        {"all shards",
         {"encode0", "encode1"},
         PLANNER_FAILED,
         "none of 2 data shards could be encoded: because of the test",
         false},
        {"the data set",
         {"assemble0"},
         PLANNER_FAILED,
         "the data set could not be assembled: because of the test",
         false},
        {"the denoiser",
         {"train-step0"},
         PLANNER_FAILED,
         "the denoiser could not be trained: because of the test",
         false},
        {"the guide",
         {"train-step1"},
         PLANNER_FAILED,
         "the guide could not be trained: because of the test",
         false},
        {"a sample batch",
         {"sample0"},
         PLANNER_PARTLY,
         "1 of 6 sample batches lost; because of the test",
         true},
        {"a realized batch",
         {"realize1"},
         PLANNER_PARTLY,
         "1 of 6 sample batches lost; because of the test",
         true},
        {"a whole round",
         {"score0", "score1"},
         PLANNER_FAILED,
         "every sample batch was lost: because of the test",
         false},
        {"the second round",
         {"score2", "score3"},
         PLANNER_PARTLY,
         "2 of 6 sample batches lost; because of the test",
         true},
        {"the first ranking",
         {"rank0"},
         PLANNER_FAILED,
         "the candidates could not be ranked: because of the test",
         false},
        {"the second ranking",
         {"rank1"},
         PLANNER_PARTLY,
         "2 of 4 candidates found in 2 rounds; the last ranking failed; because of the test",
         true},
        {"almost every batch",
         {"sample0", "sample2", "sample3", "sample4", "sample5"},
         PLANNER_PARTLY,
         "1 of 4 candidates found in 3 rounds; 5 of 6 sample batches lost; because of the test",
         true},
    };
    for (size_t i = 0; i < sizeof losses / sizeof losses[0]; i++) {
        struct campaign campaign = example();
        struct run *run = run_begin(&campaign);
        run->executor.distinct_per_batch = 1;
        go_on(run, losses[i].lost);
        struct planner_status status = status_of(run);
        print_message("without %s: %s, %s\n", losses[i].what, planner_state_text(status.state),
                      status.note);
        assert_int_equal(status.state, losses[i].state);
        assert_string_equal(status.note, losses[i].note);
        struct hash none = {{0}};
        assert_int_equal(!hash_equal(&status.candidates, &none), losses[i].candidates);
        run_end(run);
        campaign_done(&campaign);
    }
}

/* When one chain of training is lost, the other is not trained to the end in vain. */
static void test_planner__lost_training_ends_the_campaign_at_once(void **state)
{
    (void)state;
    struct campaign campaign = example();
    struct run *run = run_begin(&campaign);
    take_ready(run);
    for (uint32_t i = 0; i < 3; i++) {
        answer(run, &run->asked[i]);
        take_ready(run);
    }
    planner_failed(run->planner, &find(run, "train-step1")->id, "no such property");
    struct planner_status status = status_of(run);
    assert_int_equal(status.state, PLANNER_FAILED);
    assert_string_equal(status.note, "the guide could not be trained: no such property");
    struct hash wanted;
    uint32_t cursor = 0, n = run->n;
    assert_true(planner_next_wanted(run->planner, &cursor, &wanted)); /* still running */
    assert_true(hash_equal(&wanted, &find(run, "train-step0")->id));
    answer(run, find(run, "train-step0"));
    take_ready(run);
    assert_int_equal(run->n, n);
    run_end(run);
    campaign_done(&campaign);
}

static void test_planner__left_out_structures_make_it_partly(void **state)
{
    (void)state;
    struct campaign campaign = example();
    struct run *run = run_begin(&campaign);
    run->executor.rejected = 7;
    go_on(run, NULL);
    assert_int_equal(status_of(run).state, PLANNER_PARTLY);
    assert_string_equal(status_of(run).note, "7 structures of the data left out");
    run_end(run);
    campaign_done(&campaign);
}

static void test_planner__target_without_data_fails_before_training(void **state)
{
    (void)state;
    struct campaign campaign = example();
    struct run *run = run_begin(&campaign);
    run->executor.properties = "band_gap";
    go_on(run, NULL);
    assert_int_equal(status_of(run).state, PLANNER_FAILED);
    assert_string_equal(status_of(run).note,
                        "the data have no values of the target property 'density'");
    assert_int_equal(run->kinds_seen[KIND_train_step], 0);
    run_end(run);
    run = run_begin(&campaign);
    run->executor.properties = "density";
    go_on(run, NULL);
    assert_int_equal(status_of(run).state, PLANNER_DONE);
    run_end(run);
    campaign_done(&campaign);
}

static void test_planner__rounds_end_at_the_limit(void **state)
{
    (void)state;
    struct campaign campaign = example();
    campaign.compare = false;
    struct run *run = run_begin(&campaign);
    run->executor.distinct_per_batch = 1;
    go_on(run, NULL);
    assert_int_equal(run->kinds_seen[KIND_rank], 3);
    assert_int_equal(run->kinds_seen[KIND_sample], 3); /* no unguided arm */
    assert_int_equal(status_of(run).state, PLANNER_PARTLY);
    assert_string_equal(status_of(run).note, "3 of 4 candidates found in 3 rounds");
    run_end(run);
    campaign_done(&campaign);
}

/* assemble is told the lines in front of the shards it gets, not of those that were lost. */
static void test_planner__lines_follow_the_shards(void **state)
{
    (void)state;
    struct campaign campaign = example();
    struct run *run = run_begin(&campaign);
    const struct action *action;
    struct hash id;
    take_ready(run);
    planner_failed(run->planner, &find(run, "encode0")->id, "because of the test");
    answer(run, find(run, "encode1"));
    assert_int_equal(planner_next(run->planner, &action, &id, NULL), 0);
    assert_string_equal(action->kind, "assemble");
    assert_int_equal(action->n_inputs, 1);
    struct document *document;
    uint64_t lines;
    assert_int_equal(
        document_parse(buf_span(&action->params), &value_limits_message, &document, NULL), 0);
    struct value array = value_get(document_root(document), "lines_before");
    assert_int_equal(value_count(array), 1);
    assert_int_equal(value_u64(value_at(array, 0), "", 0, UINT64_MAX, &lines, NULL), 0);
    assert_int_equal(lines, 77);
    document_free(document);
    run_end(run);
    campaign_done(&campaign);
}

static void test_planner__equal_sources_are_encoded_once(void **state)
{
    (void)state;
    struct campaign campaign = example();
    campaign.sources[1] = campaign.sources[0];
    struct run *run = run_begin(&campaign);
    go_on(run, NULL);
    assert_int_equal(run->kinds_seen[KIND_encode], 1);
    assert_int_equal(status_of(run).state, PLANNER_DONE);
    run_end(run);
    campaign_done(&campaign);
}

static void test_planner__strange_results_are_refused_or_ignored(void **state)
{
    (void)state;
    struct campaign campaign = example();
    struct run *run = run_begin(&campaign);
    struct err err;
    take_ready(run);
    struct asked *asked = &run->asked[0];
    struct hash unknown = {{1}};
    assert_int_equal(planner_result(run->planner, &unknown, &asked->result, &err), 0);
    planner_failed(run->planner, &unknown, "?");
    struct result odd = asked->result;
    odd.n_outputs = 0;
    assert_int_equal(planner_result(run->planner, &asked->id, &odd, &err), ERR_CORRUPT);
    assert_string_equal(err.text, "a result of 'encode' has 0 outputs, want 1");
    assert_true(planner_wants(run->planner, &asked->id));
    answer(run, asked);
    assert_false(planner_wants(run->planner, &asked->id));
    assert_int_equal(planner_result(run->planner, &asked->id, &asked->result, &err), 0);
    campaign.candidates = 0;
    struct planner *none;
    assert_int_equal(planner_new(&campaign, &none, &err), ERR_CONFIG);
    run_end(run);
    campaign_done(&campaign);
}

/* ---- stop rules and budgets ---- */

/* Every way to end, with an executor that finds 2 per batch (2 batches a round). */
static void test_planner__stop_rules(void **state)
{
    (void)state;
    static const struct {
        uint32_t candidates, rounds_max, meeting, without, batches_max;
        bool found;
        uint32_t rounds;
        enum planner_state state;
        const char *note;
    } rows[] = {
        {4, 0, 0, 0, 0, true, 1, PLANNER_DONE, ""},
        {5, 0, 0, 0, 0, true, 2, PLANNER_DONE, ""},
        {4, 7, 0, 0, 0, false, 7, PLANNER_DONE, ""},
        {40, 7, 0, 0, 0, false, 7, PLANNER_PARTLY, "28 of 40 candidates found in 7 rounds"},
        {9, 0, 7, 0, 0, true, 4, PLANNER_DONE, ""}, /* 1 of 2 meets: 2, 4, 6, 8 */
        {9, 3, 7, 0, 0, false, 3, PLANNER_PARTLY,
         "6 of 7 candidates that meet the targets found in 3 rounds"},
        {4, 0, 0, 3, 10, false, 8, PLANNER_DONE, ""}, /* nothing new after 5 rounds */
        {100, 0, 0, 3, 10, true, 8, PLANNER_PARTLY,
         "20 of 100 candidates found in 8 rounds; nothing new in the last 3"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct campaign campaign = example();
        campaign.candidates = rows[i].candidates;
        campaign.rounds_max = rows[i].rounds_max;
        campaign.stop_found = rows[i].found;
        campaign.stop_meeting = rows[i].meeting;
        campaign.stop_rounds_without = rows[i].without;
        struct run *run = run_begin(&campaign);
        run->executor.meeting_per_batch = 1;
        run->executor.batches_max = rows[i].batches_max;
        go_on(run, NULL);
        struct planner_status status = status_of(run);
        print_message("rule %zu: %u rounds, %s, %s\n", i, status.rounds,
                      planner_state_text(status.state), status.note);
        assert_int_equal(status.rounds, rows[i].rounds);
        assert_int_equal(status.state, rows[i].state);
        assert_string_equal(status.note, rows[i].note);
        run_end(run);
        campaign_done(&campaign);
    }
}

static struct campaign endless(void)
{
    struct campaign campaign = example();
    campaign.rounds_max = 0;
    campaign.stop_found = false;
    return campaign;
}

enum { FIRST_TASKS = 6, ROUND_TASKS = 7, SIZE = 66 /* of an invented output's text */ };

static void test_planner__budgets(void **state)
{
    (void)state;
    static const struct {
        uint32_t tasks;
        uint64_t bytes;
        uint32_t finished;
        enum planner_state state;
        const char *note;
    } rows[] = {
        {FIRST_TASKS + 3 * ROUND_TASKS, 0, FIRST_TASKS + 3 * ROUND_TASKS, PLANNER_PARTLY,
         "budget of 27 tasks is used up: raise budget.tasks and submit again"},
        {FIRST_TASKS + 4 * ROUND_TASKS - 1, 0, FIRST_TASKS + 3 * ROUND_TASKS, PLANNER_PARTLY,
         "budget of 33 tasks is used up: raise budget.tasks and submit again"},
        {FIRST_TASKS + ROUND_TASKS - 1, 0, 3, PLANNER_FAILED,
         "budget of 12 tasks ends before the first candidates, which take 13: raise "
         "budget.tasks and submit again"},
        {2, 0, 2, PLANNER_FAILED,
         "budget of 2 tasks is used up: raise budget.tasks and submit again"},
        {0, 10 * SIZE + 1, FIRST_TASKS + ROUND_TASKS, PLANNER_PARTLY,
         "budget of 661 bytes is used up: raise budget.bytes and submit again"},
        {0, 4 * SIZE + 1, 4, PLANNER_FAILED, /* within training */
         "budget of 265 bytes is used up: raise budget.bytes and submit again"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct campaign campaign = endless();
        campaign.budget_tasks = rows[i].tasks;
        campaign.budget_bytes = rows[i].bytes;
        struct run *run = run_begin(&campaign);
        go_on(run, NULL);
        struct planner_status status = status_of(run);
        print_message("budget %zu: %llu tasks, %llu bytes, %s, %s\n", i,
                      (unsigned long long)status.finished, (unsigned long long)status.bytes,
                      planner_state_text(status.state), status.note);
        assert_string_equal(status.note, rows[i].note);
        assert_int_equal(status.state, rows[i].state);
        if (rows[i].state == PLANNER_PARTLY)
            assert_int_equal(status.finished, rows[i].finished);
        else /* what ran beside it may end, too */
            assert_in_range(status.finished, rows[i].finished, rows[i].finished + 1);
        run_end(run);
        campaign_done(&campaign);
    }
}

/* With more budget the same campaign goes on: what it did is a part of what it does then. */
static void test_planner__more_budget_goes_on(void **state)
{
    (void)state;
    struct campaign campaign = endless();
    campaign.budget_tasks = FIRST_TASKS + 2 * ROUND_TASKS;
    struct run *less = run_begin(&campaign);
    go_on(less, NULL);
    campaign.budget_tasks += 3 * ROUND_TASKS;
    struct run *more = run_begin(&campaign);
    go_on(more, NULL);
    assert_int_equal(more->n, less->n + 3 * ROUND_TASKS);
    for (uint32_t i = 0; i < less->n; i++)
        assert_true(hash_equal(&less->asked[i].id, &more->asked[i].id));
    run_end(less);
    run_end(more);
    campaign_done(&campaign);
}

/* ---- slot time: what the shell keeps beside the results ---- */

static uint64_t cost_us(const struct asked *asked)
{
    return 1000000 + hash_u64(&asked->id) % 60000000;
}

struct purse {
    uint64_t slot_us;
    uint32_t rounds;
};

/* One result, as the shell does it: paid, then fed; a round that begins is noted. */
static void pay_and_answer(struct run *run, struct asked *asked, struct purse *purse)
{
    purse->slot_us += cost_us(asked);
    planner_account(run->planner, purse->slot_us, purse->rounds);
    answer(run, asked);
    if (planner_rounds(run->planner) > purse->rounds) {
        purse->rounds = planner_rounds(run->planner);
        planner_account(run->planner, purse->slot_us, purse->rounds);
    }
}

static bool answer_any(struct run *run, struct rng *rng, struct purse *purse)
{
    uint32_t open = 0;
    take_ready(run);
    for (uint32_t i = 0; i < run->n; i++)
        open += !run->asked[i].answered;
    if (open == 0)
        return false;
    uint32_t pick = rng_below(rng, open);
    for (uint32_t i = 0; i < run->n; i++)
        if (!run->asked[i].answered && pick-- == 0) {
            pay_and_answer(run, &run->asked[i], purse);
            return true;
        }
    return false;
}

/* Killed after any result, and going on from the results and the account: the same tasks, the
 * same candidates, whatever the order. */
static void test_planner__time_is_the_same_after_any_crash(void **state)
{
    (void)state;
    struct campaign campaign = endless();
    campaign.budget_slot_hours = 0.7;
    struct hash want = {{0}}, candidates = {{0}};
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct rng rng = rng_stream(seed, 1, 0, 0);
        struct run *run = run_begin(&campaign);
        struct purse purse = {0};
        uint32_t crash = rng_below(&rng, 90);
        for (uint32_t n = 0; n < crash && answer_any(run, &rng, &purse); n++)
            continue;
        struct run *again = run_begin(&campaign);
        planner_account(again->planner, purse.slot_us, purse.rounds);
        for (bool moved = true; moved;) { /* from the store: nothing is paid */
            moved = false;
            take_ready(again);
            for (uint32_t i = 0; i < again->n; i++)
                for (uint32_t k = 0; !again->asked[i].answered && k < run->n; k++)
                    if (run->asked[k].answered &&
                        hash_equal(&again->asked[i].id, &run->asked[k].id)) {
                        answer(again, &again->asked[i]);
                        moved = true;
                    }
        }
        assert_int_equal(planner_rounds(again->planner), purse.rounds);
        while (answer_any(again, &rng, &purse))
            continue;
        struct planner_status status = status_of(again);
        struct hash got = ids_digest(again);
        if (seed == 0) {
            want = got;
            candidates = status.candidates;
            print_message("%u rounds, %s\n", status.rounds, status.note);
            assert_true(status.rounds > 2);
        }
        assert_int_equal(status.state, PLANNER_PARTLY);
        assert_string_equal(status.note, "budget of 0.7 slot-hours is used up: raise "
                                         "budget.slot_hours and submit again");
        assert_true(hash_equal(&got, &want));
        assert_true(hash_equal(&status.candidates, &candidates));
        run_end(run);
        run_end(again);
    }
    campaign_done(&campaign);
}

static void test_planner__no_time_for_training(void **state)
{
    (void)state;
    struct campaign campaign = endless();
    campaign.budget_slot_hours = 0.01;
    struct run *run = run_begin(&campaign);
    struct rng rng = rng_stream(1, 1, 0, 0);
    struct purse purse = {0};
    while (answer_any(run, &rng, &purse))
        continue;
    assert_int_equal(status_of(run).state, PLANNER_FAILED);
    assert_string_equal(status_of(run).note, "budget of 0.01 slot-hours is used up: raise "
                                             "budget.slot_hours and submit again");
    assert_int_equal(run->kinds_seen[KIND_sample], 0);
    struct run *again = run_begin(&campaign); /* known from the start */
    planner_account(again->planner, purse.slot_us, purse.rounds);
    assert_int_equal(status_of(again).state, PLANNER_FAILED);
    assert_string_equal(status_of(again).note, status_of(run).note);
    run_end(again);
    run_end(run);
    campaign_done(&campaign);
}

/* ---- marks ---- */

/* As go_on without losses; returns the mark when `rounds` have begun. */
static struct planner_mark mark_after(const struct campaign *campaign, uint32_t rounds,
                                      const char *const *lost)
{
    struct run *run = run_begin(campaign);
    struct planner_mark mark;
    bool moved = true;
    while (moved && planner_rounds(run->planner) < rounds) {
        moved = false;
        take_ready(run);
        for (uint32_t i = 0; i < run->n && planner_rounds(run->planner) < rounds; i++) {
            struct asked *asked = &run->asked[i];
            if (asked->answered)
                continue;
            moved = asked->answered = true;
            if (lost && !strcmp(*lost, asked->name))
                planner_failed(run->planner, &asked->id, "because of the test");
            else
                answer(run, asked);
        }
    }
    assert_true(planner_mark_get(run->planner, &mark));
    run_end(run);
    return mark;
}

static bool same_status(const struct run *a, const struct run *b)
{
    struct planner_status one = status_of(a), two = status_of(b);
    return one.state == two.state && one.planned == two.planned &&
           one.finished == two.finished && one.failed == two.failed &&
           one.rounds == two.rounds && one.bytes == two.bytes && !strcmp(one.note, two.note) &&
           hash_equal(&one.candidates, &two.candidates);
}

/* From any mark on, what is asked for is the end of what is asked for without it. */
static void test_planner__goes_on_from_a_mark(void **state)
{
    (void)state;
    struct campaign campaign = endless();
    campaign.budget_tasks = FIRST_TASKS + 6 * ROUND_TASKS;
    struct run *whole = run_begin(&campaign);
    go_on(whole, NULL);
    for (uint32_t rounds = 2; rounds <= 6; rounds++) {
        struct planner_mark mark = mark_after(&campaign, rounds, NULL);
        assert_int_equal(mark.round, rounds - 1); /* the last one only begins */
        struct run *run = run_begin(&campaign);
        planner_resume(run->planner, &mark);
        go_on(run, NULL);
        uint32_t skipped = mark.round * ROUND_TASKS;
        assert_int_equal(run->n + skipped, whole->n);
        for (uint32_t i = FIRST_TASKS; i < run->n; i++)
            assert_true(hash_equal(&run->asked[i].id, &whole->asked[i + skipped].id));
        assert_true(same_status(run, whole));
        run_end(run);
    }
    run_end(whole);
    campaign_done(&campaign);
}

static void test_planner__a_mark_keeps_losses(void **state)
{
    (void)state;
    static const char *const lost[] = {"score1", NULL};
    struct campaign campaign = endless();
    campaign.budget_tasks = FIRST_TASKS + 6 * ROUND_TASKS;
    struct planner_mark mark = mark_after(&campaign, 3, lost);
    struct run *whole = run_begin(&campaign), *run = run_begin(&campaign);
    go_on(whole, lost);
    planner_resume(run->planner, &mark);
    go_on(run, NULL);
    assert_true(same_status(run, whole));
    assert_int_equal(status_of(run).failed, 1);
    assert_non_null(strstr(status_of(run).note, "1 of 12 sample batches lost; because of"));
    run_end(run);
    run_end(whole);
    campaign_done(&campaign);
}

static void test_planner__a_mark_of_other_models_is_none(void **state)
{
    (void)state;
    struct campaign campaign = endless();
    campaign.budget_tasks = FIRST_TASKS + 3 * ROUND_TASKS;
    struct planner_mark mark = mark_after(&campaign, 3, NULL);
    campaign.guide.weight_decay += 0.125;
    struct run *run = run_begin(&campaign);
    planner_resume(run->planner, &mark);
    go_on(run, NULL);
    assert_int_equal(run->n, FIRST_TASKS + 3 * ROUND_TASKS);
    assert_int_equal(run->kinds_seen[KIND_rank], 3);
    run_end(run);
    campaign_done(&campaign);
}

/* ---- for ever ---- */

enum { MANY_ROUNDS = 100000, EARLY_ROUNDS = 1000 };

static size_t heap_bytes(void)
{
    return mallinfo2().uordblks;
}

/* Asks, answers and forgets: what is on the heap after 1000 rounds is enough for 100000. */
static void test_planner__memory_does_not_grow_with_rounds(void **state)
{
    (void)state;
    struct campaign campaign = endless();
    campaign.compare = false;
    struct executor executor = {.distinct_per_batch = 1};
    struct planner *planner;
    const struct action *action;
    struct hash id;
    size_t early = 0;
    uint64_t n = 0;
    assert_int_equal(planner_new(&campaign, &planner, NULL), 0);
    while (planner_rounds(planner) < MANY_ROUNDS &&
           planner_next(planner, &action, &id, NULL) == 0) {
        struct result result = executor_run(&executor, action, &id);
        assert_int_equal(planner_result(planner, &id, &result, NULL), 0);
        result_done(&result);
        n++;
        if (planner_rounds(planner) == EARLY_ROUNDS && early == 0)
            early = heap_bytes();
    }
    size_t late = heap_bytes();
    assert_int_equal(planner_rounds(planner), MANY_ROUNDS);
    print_message("%llu tasks in %d rounds; heap %zu bytes after %d, %zu in the end\n",
                  (unsigned long long)n, MANY_ROUNDS, early, EARLY_ROUNDS, late);
    assert_true(late < early + 4096);
    planner_free(planner);
    campaign_done(&campaign);
}

static void test_planner__sample_numbers_end(void **state)
{
    (void)state;
    struct campaign campaign = endless();
    campaign.tasks = 10000;
    campaign.batch = 65536;
    campaign.rounds_max = 6; /* 2^32 / (tasks x batch) is 6.55 */
    assert_int_equal(campaign_check(&campaign, NULL), 0);
    campaign.rounds_max = 7;
    assert_int_equal(campaign_check(&campaign, NULL), ERR_CONFIG);
    campaign.rounds_max = 0;
    campaign.compare = false;
    struct executor executor = {.distinct_per_batch = 1};
    struct planner *planner;
    const struct action *action;
    struct hash id;
    assert_int_equal(planner_new(&campaign, &planner, NULL), 0);
    while (planner_next(planner, &action, &id, NULL) == 0) {
        struct result result = executor_run(&executor, action, &id);
        assert_int_equal(planner_result(planner, &id, &result, NULL), 0);
        result_done(&result);
    }
    struct planner_status status;
    planner_status(planner, &status);
    assert_int_equal(status.rounds, 6);
    assert_string_equal(status.note,
                        "all 2^32 sample numbers are drawn: go on with another seed");
    planner_free(planner);
    campaign_done(&campaign);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_planner__the_whole_plan),
        cmocka_unit_test(test_planner__parameters),
        cmocka_unit_test(test_planner__order_of_results_changes_nothing),
        cmocka_unit_test(test_planner__replay_after_any_prefix),
        cmocka_unit_test(test_planner__other_targets_reuse_models_and_unguided_samples),
        cmocka_unit_test(test_planner__losses),
        cmocka_unit_test(test_planner__lost_training_ends_the_campaign_at_once),
        cmocka_unit_test(test_planner__left_out_structures_make_it_partly),
        cmocka_unit_test(test_planner__target_without_data_fails_before_training),
        cmocka_unit_test(test_planner__rounds_end_at_the_limit),
        cmocka_unit_test(test_planner__lines_follow_the_shards),
        cmocka_unit_test(test_planner__equal_sources_are_encoded_once),
        cmocka_unit_test(test_planner__strange_results_are_refused_or_ignored),
        cmocka_unit_test(test_planner__stop_rules),
        cmocka_unit_test(test_planner__budgets),
        cmocka_unit_test(test_planner__more_budget_goes_on),
        cmocka_unit_test(test_planner__time_is_the_same_after_any_crash),
        cmocka_unit_test(test_planner__no_time_for_training),
        cmocka_unit_test(test_planner__goes_on_from_a_mark),
        cmocka_unit_test(test_planner__a_mark_keeps_losses),
        cmocka_unit_test(test_planner__a_mark_of_other_models_is_none),
        cmocka_unit_test(test_planner__memory_does_not_grow_with_rounds),
        cmocka_unit_test(test_planner__sample_numbers_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
