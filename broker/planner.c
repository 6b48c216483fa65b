/* The plan of a campaign: see planner.h; parameters as in docs/tasks.md.
 *
 *   encode (per source) -> assemble -> train-step ... (denoiser) and train-step ... (guide)
 *   round r: sample -> realize -> score per batch, guided and unguided; then rank over the
 *   table of the rounds before and the scored batches of this one; a further round until a
 *   stop rule or a budget says no
 *
 * A round that is over is forgotten, but for its table and tally: memory does not grow with the
 * number of rounds. Whether there is a further round is decided between rounds, from the
 * results of all rounds before, so it does not depend on their order.
 *
 * A stage whose inputs may be lost in part (assemble, rank) is added when all before it is
 * over, with what there is then; everything else is added ahead and waits in the graph. */
#include "broker/planner.h"

#include "broker/graph.h"
#include "common/cleanup.h"
#include "common/mem.h"
#include "common/mutant.h"
#include "proto/kinds.h"
#include "proto/targets.h"
#include "proto/utf8.h"
#include "proto/value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum stage {
    STAGE_ENCODE,
    STAGE_ASSEMBLE,
    STAGE_TRAIN,
    STAGE_ROUND, /* sample, realize, score */
    STAGE_RANK,
    STAGE_OVER,
};

enum {
    ASSEMBLE_OUTPUTS = 2,
    TRAIN_OUTPUTS = 2,
    TASKS_PER_BATCH = 3, /* sample, realize, score */
    ROUNDS_LOST_MAX = 3, /* in a row, of which no batch is left: then it is given up */
    NOTE_SIZE = sizeof((struct planner_status *)0)->note,
};

/* Each node's part in the plan, beside the graph's own knowledge of it. */
enum part { PART_ENCODE, PART_ASSEMBLE, PART_TRAIN, PART_BATCH, PART_SCORE, PART_RANK };

struct planner {
    struct campaign campaign;
    struct graph *graph;
    enum stage stage;
    uint8_t *parts; /* enum part of each node */
    size_t parts_capacity;
    uint32_t open; /* nodes of the stage that are not over */
    uint32_t
        n_shards; /* encode nodes added; the other sources follow when they are asked for */

    uint32_t shards_lost;
    uint32_t assemble, denoiser, guide, /* nodes; guide and denoiser: the last of chains */
        rank, round_first;              /* of this round; the first of its nodes */
    uint32_t *scores;                   /* score nodes of this round: arm, batch */
    size_t n_scores, scores_capacity;
    uint32_t scores_lost; /* of this round */
    uint64_t left_out;    /* structures rejected */
    bool rank_failed;

    struct planner_mark now;  /* what is carried from round to round */
    struct planner_mark mark; /* the same at the end of the last round */
    struct planner_mark from; /* where to go on once there are models; round 0: nowhere */
    uint64_t tasks_skipped, failed_skipped; /* that are in `from`, and not in the graph */

    uint64_t slot_us;     /* as planner_account said */
    uint32_t rounds_paid; /* likewise */
    enum planner_state state;
    char note[NOTE_SIZE];
};

const char *planner_state_text(enum planner_state state)
{
    static const char *const texts[] = {[PLANNER_RUNNING] = "running",
                                        [PLANNER_DONE] = "done",
                                        [PLANNER_PARTLY] = "partly",
                                        [PLANNER_FAILED] = "failed"};
    return texts[state];
}

/* A sentence from outside may have been cut within a character. */
static void cut_text(char *text)
{
    text[utf8_valid_size((const uint8_t *)text, strlen(text))] = '\0';
}

static struct graph_input object(const struct hash *id)
{
    return (struct graph_input){.id = *id, .node = GRAPH_OBJECT};
}

static struct graph_input output(uint32_t node, uint32_t number)
{
    return (struct graph_input){.node = node, .output = number};
}

/* Adds a node of the current stage; takes `params`. */
static uint32_t add(struct planner *planner, enum part part, int kind, struct buf *params,
                    const struct graph_input *inputs, uint32_t n_inputs, uint32_t n_outputs)
{
    uint32_t node = graph_add(planner->graph, kind, planner->campaign.profile, buf_span(params),
                              inputs, n_inputs, n_outputs);
    buf_done(params);
    mem_reserve(planner->parts, planner->parts_capacity, node + 1u);
    planner->parts[node] = (uint8_t)part;
    planner->open++;
    return node;
}

/* ---- parameters ---- */

static void key_u64(struct pack *pack, const char *key, uint64_t value)
{
    pack_key(pack, key);
    pack_u64(pack, value);
}

static void key_f64(struct pack *pack, const char *key, double value)
{
    pack_key(pack, key);
    pack_f64(pack, value);
}

static struct buf encode_params(const struct campaign *campaign)
{
    struct buf params = {0};
    struct pack pack;
    pack_init(&pack, &params);
    pack_map(&pack, 1);
    key_f64(&pack, "symprec", campaign->symprec);
    return params;
}

/* For the shards of these sources (encode nodes, of the same numbers). */
static struct buf assemble_params(const struct campaign *campaign, const uint32_t *sources,
                                  uint32_t n)
{
    struct buf params = {0};
    struct pack pack;
    pack_init(&pack, &params);
    pack_map(&pack, 3);
    key_u64(&pack, "atoms_max", campaign->atoms_max);
    pack_key(&pack, "lines_before");
    pack_array(&pack, n);
    for (uint32_t i = 0; i < n; i++)
        pack_u64(&pack, campaign->lines_before ? campaign->lines_before[sources[i]] : 0);
    key_f64(&pack, "validation", campaign->validation);
    return params;
}

/* `properties` stays empty for both roles: the guide learns every column of the data set, so
 * that other targets find it trained; the denoiser learns none. */
static struct buf train_params(const struct campaign *campaign,
                               const struct campaign_network *network, const char *role,
                               uint32_t begin, uint32_t steps)
{
    struct buf params = {0};
    struct pack pack;
    pack_init(&pack, &params);
    pack_map(&pack, 15);
    key_u64(&pack, "batch", network->batch);
    key_f64(&pack, "ema", network->ema);
    key_u64(&pack, "heads", network->heads);
    key_u64(&pack, "layers", network->layers);
    key_f64(&pack, "learning_rate", network->learning_rate);
    pack_key(&pack, "properties");
    pack_array(&pack, 0);
    pack_key(&pack, "role");
    pack_text(&pack, role);
    key_u64(&pack, "seed", campaign->seed);
    key_u64(&pack, "step_begin", begin);
    key_u64(&pack, "steps", steps);
    key_u64(&pack, "steps_total", network->steps);
    key_u64(&pack, "timesteps", campaign->timesteps);
    key_u64(&pack, "warmup", network->warmup);
    key_f64(&pack, "weight_decay", network->weight_decay);
    key_u64(&pack, "width", network->width);
    return params;
}

/* Unguided samples know no targets, so that other targets find them drawn. */
static struct buf sample_params(const struct campaign *campaign, uint32_t first, bool guided)
{
    static const struct targets nothing;
    struct buf params = {0};
    struct pack pack;
    pack_init(&pack, &params);
    pack_map(&pack, 9);
    key_u64(&pack, "atoms_max", campaign->atoms_max);
    key_u64(&pack, "count", campaign->batch);
    pack_key(&pack, "elements");
    pack_array(&pack, campaign->n_elements);
    for (uint32_t i = 0; i < campaign->n_elements; i++)
        pack_u64(&pack, campaign->elements[i]);
    key_u64(&pack, "first", first);
    key_f64(&pack, "guidance", guided ? campaign->guidance : 0);
    key_u64(&pack, "sample_steps", campaign->sample_steps);
    key_u64(&pack, "seed", campaign->seed);
    pack_key(&pack, "spacegroups");
    pack_array(&pack, campaign->n_spacegroups);
    for (uint32_t i = 0; i < campaign->n_spacegroups; i++)
        pack_u64(&pack, campaign->spacegroups[i]);
    pack_key(&pack, "targets");
    targets_pack(&pack, guided ? &campaign->targets : &nothing);
    return params;
}

static struct buf realize_params(const struct campaign *campaign)
{
    struct buf params = {0};
    struct pack pack;
    pack_init(&pack, &params);
    pack_map(&pack, 4);
    key_u64(&pack, "random_starts", campaign->random_starts);
    key_u64(&pack, "relax_steps_max", campaign->relax_steps_max);
    key_u64(&pack, "seed", campaign->seed);
    key_f64(&pack, "symprec", campaign->symprec);
    return params;
}

static struct buf score_params(const struct campaign *campaign)
{
    struct buf params = {0};
    struct pack pack;
    pack_init(&pack, &params);
    pack_map(&pack, 1);
    pack_key(&pack, "targets");
    targets_pack(&pack, &campaign->targets);
    return params;
}

static struct buf rank_params(const struct campaign *campaign, bool again)
{
    struct buf params = {0};
    struct pack pack;
    pack_init(&pack, &params);
    pack_map(&pack, 3);
    pack_key(&pack, "again");
    pack_bool(&pack, again);
    pack_key(&pack, "targets");
    targets_pack(&pack, &campaign->targets);
    key_u64(&pack, "want", campaign->candidates);
    return params;
}

/* ---- stages ---- */

static bool shards_left(const struct planner *planner)
{
    return planner->n_shards < planner->campaign.n_sources;
}

/* One at a time, so that a plan of many sources begins as fast as one of few. */
static void add_shard(struct planner *planner)
{
    const struct campaign *campaign = &planner->campaign;
    struct graph_input input = object(&campaign->sources[planner->n_shards++]);
    struct buf params = encode_params(campaign);
    (void)add(planner, PART_ENCODE, KIND_encode, &params, &input, 1, 1);
}

/* Append outputs 0 of those nodes among `nodes` (NULL: 0, 1, ... n - 1) that are done. */
static void outputs_done(const struct planner *planner, const uint32_t *nodes, size_t n,
                         struct graph_input *inputs, uint32_t *n_inputs)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t node = nodes ? nodes[i] : (uint32_t)i;
        if (graph_state(planner->graph, node) == NODE_DONE)
            inputs[(*n_inputs)++] = output(node, 0);
    }
}

/* The encode nodes are the first n_sources of the graph. */
static void begin_assemble(struct planner *planner)
{
    uint32_t n = 0, n_sources = planner->campaign.n_sources;
    cleanup(free_ptr) struct graph_input *shards = mem_new(n_sources, sizeof *shards);
    outputs_done(planner, NULL, n_sources, shards, &n);
    cleanup(free_ptr) uint32_t *sources = mem_new(n, sizeof *sources);
    for (uint32_t i = 0; i < n; i++)
        sources[i] = shards[i].node;
    struct buf params = assemble_params(&planner->campaign, sources, n);
    planner->stage = STAGE_ASSEMBLE;
    planner->assemble =
        add(planner, PART_ASSEMBLE, KIND_assemble, &params, shards, n, ASSEMBLE_OUTPUTS);
}

/* A chain of train steps, each from the checkpoint before it; returns the last. */
static uint32_t add_training(struct planner *planner, const struct campaign_network *network,
                             const char *role)
{
    uint32_t last = 0;
    for (uint32_t begin = 0; begin < network->steps; begin += network->task_steps) {
        uint32_t left = network->steps - begin;
        uint32_t steps = left < network->task_steps ? left : network->task_steps;
        const struct graph_input inputs[] = {output(planner->assemble, 0), output(last, 0)};
        struct buf params = train_params(&planner->campaign, network, role, begin, steps);
        last = add(planner, PART_TRAIN, KIND_train_step, &params, inputs, begin ? 2 : 1,
                   TRAIN_OUTPUTS);
    }
    return last;
}

static void begin_train(struct planner *planner)
{
    planner->stage = STAGE_TRAIN;
    planner->denoiser = add_training(planner, &planner->campaign.denoiser, "denoiser");
    planner->guide = add_training(planner, &planner->campaign.guide, "guide");
}

static void add_batch(struct planner *planner, uint32_t first, bool guided)
{
    const struct campaign *campaign = &planner->campaign;
    const struct graph_input dataset = output(planner->assemble, 0);
    const struct graph_input guide = output(planner->guide, 0);

    struct buf params = sample_params(campaign, first, guided);
    const struct graph_input models[] = {dataset, output(planner->denoiser, 0), guide};
    uint32_t sample = add(planner, PART_BATCH, KIND_sample, &params, models, 3, 1);

    params = realize_params(campaign);
    const struct graph_input drawn[] = {dataset, output(sample, 0)};
    uint32_t realize = add(planner, PART_BATCH, KIND_realize, &params, drawn, 2, 1);

    params = score_params(campaign);
    const struct graph_input realized[] = {dataset, guide, output(realize, 0)};
    mem_reserve(planner->scores, planner->scores_capacity, planner->n_scores + 1);
    planner->scores[planner->n_scores++] =
        add(planner, PART_SCORE, KIND_score, &params, realized, 3, 1);
}

static uint32_t arms(const struct campaign *campaign)
{
    return campaign->guidance > 0 && campaign->compare ? 2 : 1;
}

/* Both arms draw the same sample numbers, hence the same random streams: what differs between
 * them is the guidance alone. */
static void begin_round(struct planner *planner)
{
    const struct campaign *campaign = &planner->campaign;
    bool guided = campaign->guidance > 0;
    planner->stage = STAGE_ROUND;
    if (planner->now.round > 0 && !MUTANT(ROUNDS_KEPT))
        graph_forget(planner->graph, planner->round_first);
    planner->n_scores = 0;
    planner->scores_lost = 0;
    for (uint32_t arm = 0; arm < arms(campaign); arm++)
        for (uint32_t i = 0; i < campaign->tasks; i++)
            add_batch(planner, (planner->now.round * campaign->tasks + i) * campaign->batch,
                      guided && arm == 0);
    planner->now.batches += planner->n_scores;
    planner->now.round++;
}

static void plan_over(struct planner *planner, enum planner_state state, const char *format,
                      ...) __attribute__((format(printf, 3, 4)));

static void plan_over(struct planner *planner, enum planner_state state, const char *format,
                      ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(planner->note, sizeof planner->note, format, args);
    va_end(args);
    cut_text(planner->note);
    planner->state = state;
    planner->stage = STAGE_OVER;
}

static void plan_finish(struct planner *planner);

/* ---- budgets ---- */

static uint64_t training_tasks(const struct campaign *campaign)
{
    const struct campaign_network *a = &campaign->denoiser, *b = &campaign->guide;
    return (a->steps + a->task_steps - 1) / a->task_steps +
           (b->steps + b->task_steps - 1) / b->task_steps;
}

static uint64_t round_tasks(const struct campaign *campaign)
{
    return (uint64_t)arms(campaign) * campaign->tasks * TASKS_PER_BATCH + 1;
}

static bool has_time(const struct planner *planner)
{
    double budget_us = planner->campaign.budget_slot_hours * 3600e6;
    return budget_us == 0 || (double)planner->slot_us < budget_us;
}

/* Is something left of what results tell? The number of tasks is known beforehand: `next` of
 * them must fit. */
static bool can_pay(const struct planner *planner, uint64_t next)
{
    const struct campaign *campaign = &planner->campaign;
    return (!campaign->budget_tasks || planner->now.tasks + next <= campaign->budget_tasks) &&
           (!campaign->budget_bytes || planner->now.bytes < campaign->budget_bytes);
}

/* Results do not tell the time: a round that was begun once was paid. */
static bool can_pay_round(const struct planner *planner)
{
    uint64_t tasks = MUTANT(BUDGET_BY_TASK) ? 1 : round_tasks(&planner->campaign);
    return can_pay(planner, tasks) &&
           (planner->now.round < planner->rounds_paid || has_time(planner));
}

static void budget_sentence(const struct planner *planner, char ret[NOTE_SIZE])
{
    const struct campaign *campaign = &planner->campaign;
    char what[64];
    const char *key = "tasks";
    (void)snprintf(what, sizeof what, "%u tasks", campaign->budget_tasks);
    if (!has_time(planner)) {
        (void)snprintf(what, sizeof what, "%.10g slot-hours", campaign->budget_slot_hours);
        key = "slot_hours";
    } else if (campaign->budget_bytes && planner->now.bytes >= campaign->budget_bytes) {
        (void)snprintf(what, sizeof what, "%llu bytes",
                       (unsigned long long)campaign->budget_bytes);
        key = "bytes";
    }
    (void)snprintf(ret, NOTE_SIZE, "budget of %s is used up: raise budget.%s and submit again",
                   what, key);
}

/* Nothing is left before there is anything to rank. */
static void plan_unpaid(struct planner *planner)
{
    char note[NOTE_SIZE];
    budget_sentence(planner, note);
    plan_over(planner, PLANNER_FAILED, "%s", note);
}

/* While there are no rounds yet, a result may be one too many. */
static void check_budget(struct planner *planner)
{
    if (planner->stage < STAGE_ROUND && planner->rounds_paid == 0 &&
        !(can_pay(planner, 1) && has_time(planner)))
        plan_unpaid(planner);
}

static void begin_rank(struct planner *planner)
{
    enum { EARLIER_INPUTS = 2 };
    uint32_t n = 0;
    cleanup(free_ptr) struct graph_input *inputs =
        mem_new(EARLIER_INPUTS + planner->n_scores, sizeof *inputs);
    if (planner->now.ranked) {
        inputs[n++] = object(&planner->now.ranking[RANKED_CANDIDATES]);
        inputs[n++] = object(&planner->now.ranking[RANKED_TALLY]);
    }
    outputs_done(planner, planner->scores, planner->n_scores, inputs, &n);
    struct buf params = rank_params(&planner->campaign, planner->now.ranked > 0);
    planner->stage = STAGE_RANK;
    planner->rank = add(planner, PART_RANK, KIND_rank, &params, inputs, n, RANK_OUTPUTS);
}

/* ---- what follows a stage ---- */

static void after_encode(struct planner *planner)
{
    uint32_t n = planner->campaign.n_sources;
    if (planner->shards_lost == n)
        plan_over(planner, PLANNER_FAILED, "none of %u data shards could be encoded: %s", n,
                  planner->now.why);
    else
        begin_assemble(planner);
}

static void after_assemble(struct planner *planner)
{
    uint64_t tasks = planner->now.tasks + training_tasks(&planner->campaign) +
                     round_tasks(&planner->campaign);
    uint32_t budget = planner->campaign.budget_tasks;
    if (graph_state(planner->graph, planner->assemble) != NODE_DONE)
        plan_over(planner, PLANNER_FAILED, "the data set could not be assembled: %s",
                  planner->now.why);
    else if (budget && tasks > budget)
        plan_over(planner, PLANNER_FAILED,
                  "budget of %u tasks ends before the first candidates, which take %llu: raise "
                  "budget.tasks and submit again",
                  budget, (unsigned long long)tasks);
    else
        begin_train(planner);
}

/* ---- marks ---- */

static struct hash models_hash(const struct planner *planner)
{
    const uint32_t nodes[] = {planner->assemble, planner->denoiser, planner->guide};
    struct buf bytes = {0};
    for (int kind = 0; kind < KIND_COUNT; kind++)
        buf_print(&bytes, "%s@%u,", kinds[kind].name, kinds[kind].revision);
    for (int i = 0; i < 3; i++) {
        struct hash id = graph_output(planner->graph, nodes[i], 0);
        buf_append(&bytes, id.bytes, HASH_SIZE);
    }
    struct hash hash = hash_bytes(buf_span(&bytes));
    buf_done(&bytes);
    return hash;
}

static uint64_t count_failed(const struct planner *planner)
{
    struct graph_counts counts;
    graph_counts(planner->graph, &counts);
    return counts.failed + counts.given_up + planner->failed_skipped;
}

static void take_mark(struct planner *planner)
{
    planner->now.models = models_hash(planner);
    planner->now.failed = count_failed(planner);
    planner->mark = planner->now;
}

/* False: there is nothing to go on from. */
static bool resume(struct planner *planner)
{
    const struct planner_mark *from = &planner->from;
    struct hash models = models_hash(planner);
    if (from->round == 0 || !hash_equal(&from->models, &models))
        return false;
    planner->tasks_skipped = from->tasks - planner->now.tasks;
    planner->failed_skipped = from->failed - count_failed(planner);
    planner->now = planner->mark = *from;
    return true;
}

bool planner_mark_get(const struct planner *planner, struct planner_mark *ret)
{
    *ret = planner->mark;
    return planner->mark.round > 0;
}

void planner_resume(struct planner *planner, const struct planner_mark *mark)
{
    planner->from = *mark;
}

const struct hash *planner_ranking(const struct planner *planner)
{
    return planner->now.ranked > 0 ? planner->now.ranking : NULL;
}

static void next_round(struct planner *planner);

static void after_train(struct planner *planner)
{
    bool denoiser = graph_state(planner->graph, planner->denoiser) < NODE_FAILED;
    bool guide = graph_state(planner->graph, planner->guide) < NODE_FAILED;
    planner->round_first = planner->guide + 1;
    if (!denoiser || !guide)
        plan_over(planner, PLANNER_FAILED, "the %s could not be trained: %s",
                  denoiser ? "guide" : "denoiser", planner->now.why);
    else if (resume(planner))
        next_round(planner);
    else if (!can_pay_round(planner))
        plan_unpaid(planner);
    else
        begin_round(planner);
}

/* The rule that ends a campaign as done. */
static bool is_satisfied(const struct planner *planner)
{
    const struct campaign *campaign = &planner->campaign;
    return campaign->stop_meeting ? planner->now.meeting >= campaign->stop_meeting
                                  : planner->now.distinct >= campaign->candidates;
}

static bool has_samples(const struct planner *planner)
{
    const struct campaign *campaign = &planner->campaign;
    uint64_t samples = (uint64_t)campaign->tasks * campaign->batch;
    return planner->now.round < CAMPAIGN_SAMPLES_MAX / samples;
}

/* Does no stop rule speak against it? */
static bool wants_round(const struct planner *planner)
{
    const struct campaign *campaign = &planner->campaign;
    if (is_satisfied(planner) && (campaign->stop_found || campaign->stop_meeting))
        return false;
    if (campaign->rounds_max && planner->now.round >= campaign->rounds_max)
        return false;
    if (campaign->stop_rounds_without &&
        planner->now.rounds_without >= campaign->stop_rounds_without)
        return false;
    return has_samples(planner) && planner->now.rounds_lost < ROUNDS_LOST_MAX;
}

static void next_round(struct planner *planner)
{
    if (!wants_round(planner) || !can_pay_round(planner)) {
        plan_finish(planner);
        return;
    }
    if (!MUTANT(MARK_AHEAD))
        take_mark(planner);
    begin_round(planner);
    if (MUTANT(MARK_AHEAD))
        take_mark(planner);
}

static void after_round(struct planner *planner)
{
    bool lost = planner->scores_lost == planner->n_scores;
    planner->now.rounds_lost = lost ? planner->now.rounds_lost + 1 : 0;
    if (!lost) {
        begin_rank(planner);
    } else if (!planner->now.ranked) {
        plan_over(planner, PLANNER_FAILED, "every sample batch was lost: %s", planner->now.why);
    } else { /* the table stays as it is */
        planner->now.rounds_without++;
        next_round(planner);
    }
}

static void after_rank(struct planner *planner)
{
    planner->rank_failed = graph_state(planner->graph, planner->rank) != NODE_DONE;
    if (!planner->rank_failed)
        next_round(planner);
    else if (planner->now.ranked)
        plan_finish(planner);
    else
        plan_over(planner, PLANNER_FAILED, "the candidates could not be ranked: %s",
                  planner->now.why);
}

/* Append one reason to the note. */
static void note_add(char *note, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void note_add(char *note, const char *format, ...)
{
    size_t n = strlen(note);
    if (n && n + 2 < NOTE_SIZE) {
        memcpy(note + n, "; ", 3);
        n += 2;
    }
    va_list args;
    va_start(args, format);
    (void)vsnprintf(note + n, NOTE_SIZE - n, format, args);
    va_end(args);
}

static void note_found(const struct planner *planner, char *note)
{
    const struct campaign *campaign = &planner->campaign;
    bool meeting = campaign->stop_meeting > 0;
    if (is_satisfied(planner))
        return;
    note_add(note, "%llu of %u candidates%s found in %u rounds",
             (unsigned long long)(meeting ? planner->now.meeting : planner->now.distinct),
             meeting ? campaign->stop_meeting : campaign->candidates,
             meeting ? " that meet the targets" : "", planner->now.round);
    if (campaign->stop_rounds_without &&
        planner->now.rounds_without >= campaign->stop_rounds_without)
        note_add(note, "nothing new in the last %u", planner->now.rounds_without);
}

static void note_losses(const struct planner *planner, char *note)
{
    if (planner->left_out)
        note_add(note, "%llu structures of the data left out",
                 (unsigned long long)planner->left_out);
    if (planner->shards_lost)
        note_add(note, "%u of %u data shards lost", planner->shards_lost,
                 planner->campaign.n_sources);
    if (planner->now.batches_lost)
        note_add(note, "%llu of %llu sample batches lost",
                 (unsigned long long)planner->now.batches_lost,
                 (unsigned long long)planner->now.batches);
    if (planner->rank_failed)
        note_add(note, "the last ranking failed");
    if (planner->now.why[0])
        note_add(note, "%s", planner->now.why);
}

static void plan_finish(struct planner *planner)
{
    char note[NOTE_SIZE] = "", unpaid[NOTE_SIZE];
    if (!planner->rank_failed && wants_round(planner)) {
        budget_sentence(planner, unpaid);
        note_add(note, "%s", unpaid);
    }
    note_found(planner, note);
    if (!has_samples(planner))
        note_add(note, "all 2^32 sample numbers are drawn: go on with another seed");
    note_losses(planner, note);
    plan_over(planner, note[0] ? PLANNER_PARTLY : PLANNER_DONE, "%s", note);
}

static void stage_ended(struct planner *planner)
{
    static void (*const after[])(struct planner *) = {
        [STAGE_ENCODE] = after_encode, [STAGE_ASSEMBLE] = after_assemble,
        [STAGE_TRAIN] = after_train,   [STAGE_ROUND] = after_round,
        [STAGE_RANK] = after_rank,
    };
    if (planner->stage != STAGE_OVER)
        after[planner->stage](planner);
}

/* Nodes that just ended, and the stages that end with them. A new stage may hold nodes that are
 * over from the start (twins of earlier ones), so look again until nothing moves. */
static void advance(struct planner *planner)
{
    uint32_t node;
    for (;;) {
        while (graph_ended(planner->graph, &node)) {
            bool lost = graph_state(planner->graph, node) != NODE_DONE;
            planner->open--;
            planner->shards_lost += lost && planner->parts[node] == PART_ENCODE;
            bool score = lost && planner->parts[node] == PART_SCORE;
            planner->scores_lost += score;
            planner->now.batches_lost += score;
            if (lost && planner->stage == STAGE_TRAIN)
                after_train(planner); /* the other chain would be in vain */
        }
        if (planner->open || shards_left(planner) || planner->stage == STAGE_OVER)
            return;
        stage_ended(planner);
    }
}

/* ---- results ---- */

static uint64_t summary_u64(struct value summary, const char *key)
{
    uint64_t value = 0;
    return value_u64(value_get(summary, key), key, 0, UINT64_MAX, &value, NULL) ? 0 : value;
}

/* assemble tells which properties have values; a target without any can never be met. */
static void check_targets(struct planner *planner, struct value summary)
{
    struct value known = value_get(summary, "properties");
    const struct targets *targets = &planner->campaign.targets;
    if (!value_present(known))
        return;
    for (uint32_t i = 0; i < targets->n; i++) {
        char name[PROPERTY_NAME_SIZE];
        bool found = false;
        for (uint32_t k = 0; k < value_count(known) && !found; k++)
            found = !value_text(value_at(known, k), "properties", name, sizeof name, NULL) &&
                    !strcmp(name, targets->items[i].property);
        if (!found) {
            plan_over(planner, PLANNER_FAILED,
                      "the data have no values of the target property '%s'",
                      targets->items[i].property);
            return;
        }
    }
}

/* What the plan looks at in a summary; the node's outputs are in the graph. A summary that says
 * nothing counts as zeros. */
static void read_summary(struct planner *planner, const struct result *result)
{
    cleanup(document_free_ptr) struct document *document = NULL;
    if (document_parse(buf_span(&result->summary), &value_limits_message, &document, NULL))
        return;
    struct value summary = document_root(document);
    if (planner->stage == STAGE_ASSEMBLE) {
        planner->left_out = summary_u64(summary, "rejected");
        check_targets(planner, summary);
    } else if (planner->stage == STAGE_RANK) {
        planner->now.distinct = summary_u64(summary, "distinct");
        planner->now.meeting = summary_u64(summary, "meeting");
        planner->now.rounds_without =
            summary_u64(summary, "added") ? 0 : planner->now.rounds_without + 1;
    }
}

int planner_result(struct planner *planner, const struct hash *action,
                   const struct result *result, struct err *err)
{
    if (!graph_wants(planner->graph, action))
        return 0;
    int rc = graph_result(planner->graph, action, result, err);
    if (rc)
        return rc;
    planner->now.tasks++;
    for (uint32_t i = 0; i < result->n_outputs; i++)
        planner->now.bytes += result->outputs[i].size;
    if (planner->stage == STAGE_RANK) {
        for (uint32_t i = 0; i < RANK_OUTPUTS; i++)
            planner->now.ranking[i] = graph_output(planner->graph, planner->rank, i);
        planner->now.ranked = planner->now.round;
    }
    read_summary(planner, result);
    advance(planner);
    check_budget(planner);
    return 0;
}

void planner_account(struct planner *planner, uint64_t slot_us, uint32_t rounds)
{
    planner->slot_us = slot_us;
    planner->rounds_paid = rounds;
    check_budget(planner);
}

void planner_failed(struct planner *planner, const struct hash *action, const char *why)
{
    if (graph_failed(planner->graph, action, NULL))
        return;
    if (!planner->now.why[0])
        (void)snprintf(planner->now.why, sizeof planner->now.why, "%s", why);
    cut_text(planner->now.why);
    advance(planner);
}

/* ---- life ---- */

int planner_new(const struct campaign *campaign, struct planner **ret_planner, struct err *err)
{
    int rc = campaign_check(campaign, err);
    if (rc)
        return rc;
    struct planner *planner = mem_new(1, sizeof *planner);
    campaign_copy(&planner->campaign, campaign);
    planner->graph = graph_new();
    *ret_planner = planner;
    return 0;
}

void planner_free(struct planner *planner)
{
    if (!planner)
        return;
    campaign_done(&planner->campaign);
    graph_free(planner->graph);
    free(planner->parts);
    free(planner->scores);
    free(planner);
}

int planner_next(struct planner *planner, const struct action **ret_action, struct hash *ret_id,
                 struct err *err)
{
    if (planner->stage == STAGE_OVER)
        return err_set(err, ERR_NOT_FOUND, "the campaign is over");
    int rc;
    while ((rc = graph_next(planner->graph, ret_action, ret_id, err)) && shards_left(planner)) {
        add_shard(planner);
        advance(planner); /* the source may be there twice */
    }
    return rc;
}

uint32_t planner_rounds(const struct planner *planner)
{
    return planner->now.round;
}

uint32_t planner_rounds_ranked(const struct planner *planner)
{
    return planner->now.ranked;
}

bool planner_wants(const struct planner *planner, const struct hash *action)
{
    return graph_wants(planner->graph, action);
}

uint64_t planner_n_open(const struct planner *planner)
{
    return graph_n_open(planner->graph) + planner->campaign.n_sources - planner->n_shards;
}

bool planner_next_wanted(const struct planner *planner, uint32_t *cursor,
                         struct hash *ret_action)
{
    return graph_next_wanted(planner->graph, cursor, ret_action);
}

bool planner_next_known(const struct planner *planner, uint32_t *cursor,
                        struct hash *ret_action)
{
    return graph_next_known(planner->graph, cursor, ret_action);
}

void planner_status(const struct planner *planner, struct planner_status *ret)
{
    static const char *const names[] = {
        [STAGE_ENCODE] = "encode", [STAGE_ASSEMBLE] = "assemble", [STAGE_TRAIN] = "train"};
    struct graph_counts counts;
    graph_counts(planner->graph, &counts);
    uint64_t skipped = planner->tasks_skipped + planner->failed_skipped;
    *ret = (struct planner_status){.state = planner->state,
                                   .planned = counts.nodes + skipped +
                                              planner->campaign.n_sources - planner->n_shards,
                                   .finished = counts.done + planner->tasks_skipped,
                                   .failed = count_failed(planner),
                                   .rounds = planner->now.round,
                                   .slot_us = planner->slot_us,
                                   .bytes = planner->now.bytes};
    if (planner->stage == STAGE_ROUND || planner->stage == STAGE_RANK)
        (void)snprintf(ret->stage, sizeof ret->stage, "round %u", planner->now.round);
    else
        (void)snprintf(ret->stage, sizeof ret->stage, "%s",
                       planner->stage == STAGE_OVER ? planner_state_text(planner->state)
                                                    : names[planner->stage]);
    (void)snprintf(ret->note, sizeof ret->note, "%s", planner->note);
    if (planner->assemble && /* node 0 is a shard */
        graph_state(planner->graph, planner->assemble) == NODE_DONE) {
        ret->dataset = graph_output(planner->graph, planner->assemble, 0);
        ret->rejects = graph_output(planner->graph, planner->assemble, 1);
    }
    ret->candidates = planner->now.ranking[RANKED_CANDIDATES];
    ret->report = planner->now.ranking[RANKED_REPORT];
}
