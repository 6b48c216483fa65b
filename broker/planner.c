/* The plan of a campaign: see planner.h; parameters as in docs/tasks.md.
 *
 *   encode (per source) -> assemble -> train-step ... (denoiser) and train-step ... (guide)
 *   round r: sample -> realize -> score per batch, guided and unguided; then rank over the
 *   scored batches of all rounds so far; a further round while candidates are missing
 *
 * A stage whose inputs may be lost in part (assemble, rank) is added when all before it is
 * over, with what there is then; everything else is added ahead and waits in the graph. */
#include "broker/planner.h"

#include "broker/graph.h"
#include "common/cleanup.h"
#include "common/mem.h"
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

enum { ASSEMBLE_OUTPUTS = 2, TRAIN_OUTPUTS = 2, RANK_OUTPUTS = 2 };

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

    uint32_t shards_lost, batches_lost;
    uint32_t assemble, denoiser, guide,
        rank;         /* nodes; guide and denoiser: the last of chains */
    uint32_t *scores; /* every score node: round, arm, batch */
    size_t n_scores, scores_capacity;
    uint32_t round;    /* begun so far */
    uint64_t left_out; /* structures rejected */
    uint64_t distinct; /* of the last rank */
    bool ranked;       /* `candidates` holds the last rank's */
    struct hash candidates;
    enum planner_state state;
    char note[200], why[160]; /* `why`: the first failure's sentence */
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

static struct buf rank_params(const struct campaign *campaign)
{
    struct buf params = {0};
    struct pack pack;
    pack_init(&pack, &params);
    pack_map(&pack, 2);
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

/* Outputs 0 of those nodes among `nodes` (NULL: 0, 1, ... n - 1) that are done. */
static struct graph_input *outputs_done(const struct planner *planner, const uint32_t *nodes,
                                        size_t n, uint32_t *ret_n)
{
    struct graph_input *inputs = mem_new(n, sizeof *inputs);
    *ret_n = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t node = nodes ? nodes[i] : (uint32_t)i;
        if (graph_state(planner->graph, node) == NODE_DONE)
            inputs[(*ret_n)++] = output(node, 0);
    }
    return inputs;
}

/* The encode nodes are the first n_sources of the graph. */
static void begin_assemble(struct planner *planner)
{
    uint32_t n;
    cleanup(free_ptr) struct graph_input *shards =
        outputs_done(planner, NULL, planner->campaign.n_sources, &n);
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

/* Both arms draw the same sample numbers, hence the same random streams: what differs between
 * them is the guidance alone. */
static void begin_round(struct planner *planner)
{
    const struct campaign *campaign = &planner->campaign;
    bool guided = campaign->guidance > 0;
    planner->stage = STAGE_ROUND;
    for (int arm = 0; arm < (guided && campaign->compare ? 2 : 1); arm++)
        for (uint32_t i = 0; i < campaign->tasks; i++)
            add_batch(planner, (planner->round * campaign->tasks + i) * campaign->batch,
                      guided && arm == 0);
    planner->round++;
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

static void begin_rank(struct planner *planner)
{
    uint32_t n;
    cleanup(free_ptr) struct graph_input *scored =
        outputs_done(planner, planner->scores, planner->n_scores, &n);
    struct buf params = rank_params(&planner->campaign);
    planner->stage = STAGE_RANK;
    planner->rank = add(planner, PART_RANK, KIND_rank, &params, scored, n, RANK_OUTPUTS);
}

/* ---- what follows a stage ---- */

static void after_encode(struct planner *planner)
{
    uint32_t n = planner->campaign.n_sources;
    if (planner->shards_lost == n)
        plan_over(planner, PLANNER_FAILED, "none of %u data shards could be encoded: %s", n,
                  planner->why);
    else
        begin_assemble(planner);
}

static void after_assemble(struct planner *planner)
{
    if (graph_state(planner->graph, planner->assemble) != NODE_DONE)
        plan_over(planner, PLANNER_FAILED, "the data set could not be assembled: %s",
                  planner->why);
    else
        begin_train(planner);
}

static void after_train(struct planner *planner)
{
    bool denoiser = graph_state(planner->graph, planner->denoiser) < NODE_FAILED;
    bool guide = graph_state(planner->graph, planner->guide) < NODE_FAILED;
    if (!denoiser || !guide)
        plan_over(planner, PLANNER_FAILED, "the %s could not be trained: %s",
                  denoiser ? "guide" : "denoiser", planner->why);
    else
        begin_round(planner);
}

static void after_round(struct planner *planner)
{
    if (planner->batches_lost == planner->n_scores)
        plan_over(planner, PLANNER_FAILED, "every sample batch was lost: %s", planner->why);
    else
        begin_rank(planner);
}

static void after_rank(struct planner *planner)
{
    if (graph_state(planner->graph, planner->rank) != NODE_DONE) {
        if (!planner->ranked)
            plan_over(planner, PLANNER_FAILED, "the candidates could not be ranked: %s",
                      planner->why);
        else
            plan_finish(planner);
    } else if (planner->distinct < planner->campaign.candidates &&
               planner->round < planner->campaign.rounds_max) {
        begin_round(planner);
    } else {
        plan_finish(planner);
    }
}

/* Append one reason to the note. */
static void note_add(char *note, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void note_add(char *note, size_t size, const char *format, ...)
{
    size_t n = strlen(note);
    if (n && n + 2 < size) {
        memcpy(note + n, "; ", 3);
        n += 2;
    }
    va_list args;
    va_start(args, format);
    (void)vsnprintf(note + n, size - n, format, args);
    va_end(args);
}

static void plan_finish(struct planner *planner)
{
    const struct campaign *campaign = &planner->campaign;
    char note[sizeof planner->note] = "";
    if (planner->distinct < campaign->candidates)
        note_add(note, sizeof note, "%llu of %u candidates found in %u rounds",
                 (unsigned long long)planner->distinct, campaign->candidates, planner->round);
    if (planner->left_out)
        note_add(note, sizeof note, "%llu structures of the data left out",
                 (unsigned long long)planner->left_out);
    if (planner->shards_lost)
        note_add(note, sizeof note, "%u of %u data shards lost", planner->shards_lost,
                 campaign->n_sources);
    if (planner->batches_lost)
        note_add(note, sizeof note, "%u of %zu sample batches lost", planner->batches_lost,
                 planner->n_scores);
    if (graph_state(planner->graph, planner->rank) != NODE_DONE)
        note_add(note, sizeof note, "the last ranking failed");
    if (planner->why[0])
        note_add(note, sizeof note, "%s", planner->why);
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
            planner->batches_lost += lost && planner->parts[node] == PART_SCORE;
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
        planner->distinct = summary_u64(summary, "distinct");
        planner->candidates = graph_output(planner->graph, planner->rank, 0);
        planner->ranked = true;
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
    read_summary(planner, result);
    advance(planner);
    return 0;
}

void planner_failed(struct planner *planner, const struct hash *action, const char *why)
{
    if (graph_failed(planner->graph, action, NULL))
        return;
    if (!planner->why[0])
        (void)snprintf(planner->why, sizeof planner->why, "%s", why);
    cut_text(planner->why);
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
    *ret = (struct planner_status){.state = planner->state,
                                   .planned = counts.nodes + planner->campaign.n_sources -
                                              planner->n_shards,
                                   .finished = counts.done,
                                   .failed = counts.failed + counts.given_up};
    if (planner->stage == STAGE_ROUND || planner->stage == STAGE_RANK)
        (void)snprintf(ret->stage, sizeof ret->stage, "round %u", planner->round);
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
    if (planner->ranked && planner->state != PLANNER_RUNNING)
        ret->candidates = planner->candidates;
}
