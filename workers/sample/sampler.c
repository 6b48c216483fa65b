/* Backward process with guidance and masks: see sampler.h. */
#include "workers/sample/sampler.h"

#include "common/cleanup.h"
#include "common/hash.h"
#include "common/mathd.h"
#include "common/mem.h"
#include "workers/crystal/structure.h"
#include "workers/diffusion/denoiser.h"
#include "workers/diffusion/guide_head.h"
#include "workers/nn/linear.h"
#include "workers/nn/vec.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a random stream is for; the try is counted in the same word. */
enum lane { LANE_GROUP, LANE_PRIOR, LANE_STEP, LANES };

enum {
    PASS_CRYSTALS = 64, /* drawn together: fills the matrix kernels, bounds memory */
    GROUP_DRAWS = 8,    /* noisy crystals per group that ask the guide about it */
};

/* A change's log-ratio is trusted within this: beyond, the first-order expansion knows nothing,
 * and an unlimited factor would let the targets overrule what a crystal can be. */
static const float gain_max = 4.0f;

/* Presence below this is taken as impossible: one chance in ten million per variable. */
static const float presence_min = 1e-7f;

struct sampler {
    struct sampler_params params;
    struct model denoiser;
    float *weights;
    struct noise noise; /* of the denoiser, elements restricted */
    struct guide *guide;
    struct guidance *guidance; /* NULL: unguided */
    float groups[GROUP_MAX];   /* weight of each space group - 1 */
    uint64_t key;
    struct batch batch;
    struct activations *activations;
};

void sampler_free(struct sampler *sampler)
{
    if (!sampler)
        return;
    free(sampler->weights);
    guidance_free(sampler->guidance);
    guide_close(sampler->guide);
    batch_done(&sampler->batch);
    activations_free(sampler->activations);
    free(sampler);
}

void sampler_free_ptr(struct sampler **sampler)
{
    sampler_free(*sampler);
}

/* ---- setting up ---- */

static int restrict_elements(struct sampler *sampler, struct err *err)
{
    const struct sampler_params *params = &sampler->params;
    uint8_t allowed[STATE_SIZE] = {0};
    for (uint32_t i = 0; i < params->n_elements; i++) {
        if (params->elements[i] < 1 || params->elements[i] > ELEMENT_MAX)
            return err_set(err, ERR_INVALID, "no element has number %u", params->elements[i]);
        allowed[params->elements[i]] = 1;
    }
    return params->n_elements ? noise_restrict(&sampler->noise, allowed, err) : 0;
}

/* A group is of use when one orbit of its smallest position fits. */
static bool group_fits(const struct spacegroup *group, uint32_t atoms_max)
{
    for (size_t p = 0; p < group->n_positions; p++)
        if (group->positions[p].multiplicity <= atoms_max)
            return true;
    return false;
}

/* Prior of the space groups: how often training records have it. Groups that were asked for by
 * number get half a record more, so that one without records can be had, too. */
static int weigh_groups(struct sampler *sampler, const struct dataset *dataset, struct err *err)
{
    const struct sampler_params *params = &sampler->params;
    bool asked[GROUP_MAX] = {false};
    for (uint32_t i = 0; i < params->n_spacegroups; i++) {
        if (params->spacegroups[i] < 1 || params->spacegroups[i] > GROUP_MAX)
            return err_set(err, ERR_INVALID, "no space group has number %u",
                           params->spacegroups[i]);
        asked[params->spacegroups[i] - 1] = true;
        sampler->groups[params->spacegroups[i] - 1] = 0.5f;
    }
    for (uint32_t i = 0; i < dataset->n_records; i++) {
        uint32_t group = dataset->records[i].proto.spacegroup;
        if (dataset->splits[i] == SPLIT_TRAIN && group >= 1 && group <= GROUP_MAX &&
            (params->n_spacegroups == 0 || asked[group - 1]))
            sampler->groups[group - 1] += 1;
    }
    float total = 0;
    for (uint32_t g = 0; g < GROUP_MAX; g++) {
        if (!group_fits(spacegroup_get((int)g + 1), params->atoms_max))
            sampler->groups[g] = 0;
        total += sampler->groups[g];
    }
    if (total <= 0)
        return err_set(err, ERR_INVALID,
                       "no space group is left: at most %u atoms fit no position of any",
                       params->atoms_max);
    return 0;
}

/* p(g | targets) ~ p(g) p(targets | g): what the guide says about pure noise of each group,
 * averaged over draws; log p already carries the strength. */
static void guide_groups(struct sampler *sampler)
{
    double log_p[GROUP_MAX] = {0}, top = -1e300;
    for (uint32_t g = 0; g < GROUP_MAX; g++) {
        const struct spacegroup *group = spacegroup_get((int)g + 1);
        if (sampler->groups[g] <= 0)
            continue;
        batch_clear(&sampler->batch);
        for (uint32_t i = 0; i < GROUP_DRAWS; i++) {
            struct rng rng = rng_stream(sampler->key, g, i, LANES * TRIES_MAX);
            uint32_t row = batch_add(&sampler->batch, group, 1);
            noise_prior_crystal(&sampler->noise, group, &sampler->batch.state[row], &rng);
        }
        batch_prepare(&sampler->batch);
        const double *p = guidance_evaluate(sampler->guidance, &sampler->batch);
        for (uint32_t i = 0; i < GROUP_DRAWS; i++)
            log_p[g] += p[i] / GROUP_DRAWS;
        top = log_p[g] > top ? log_p[g] : top;
    }
    for (uint32_t g = 0; g < GROUP_MAX; g++)
        if (sampler->groups[g] > 0) /* the others were not asked: their log_p means nothing */
            sampler->groups[g] *= (float)mathd_exp(log_p[g] - top);
}

static int open_models(struct sampler *sampler, struct span denoiser, struct span guide,
                       struct err *err)
{
    const struct sampler_params *params = &sampler->params;
    int rc = model_open(denoiser, MODEL_DENOISER, &sampler->denoiser, &sampler->weights, err);
    if (rc != 0)
        return rc;
    sampler->noise = sampler->denoiser.noise;
    if (params->sample_steps < 1 || params->sample_steps > sampler->noise.timesteps)
        return err_set(err, ERR_INVALID, "sample_steps = %u; the denoiser has %u timesteps",
                       params->sample_steps, sampler->noise.timesteps);
    if (!(params->guidance > 0) || params->targets.n == 0)
        return 0;
    rc = guide_open(guide, &sampler->guide, err);
    if (rc == 0)
        rc = guidance_new(sampler->guide, &params->targets, params->guidance,
                          &sampler->guidance, err);
    return rc;
}

int sampler_new(const struct sampler_params *params, const struct dataset *dataset,
                struct span denoiser, struct span guide, struct sampler **ret, struct err *err)
{
    cleanup(sampler_free_ptr) struct sampler *sampler = mem_new(1, sizeof *sampler);
    char text[64];
    sampler->params = *params;
    (void)snprintf(text, sizeof text, "sample %" PRIu64, params->seed);
    struct hash hash = hash_bytes(span_text(text));
    sampler->key = hash_u64(&hash);
    sampler->activations = activations_new();
    int rc = open_models(sampler, denoiser, guide, err);
    if (rc == 0)
        rc = restrict_elements(sampler, err);
    if (rc == 0)
        rc = weigh_groups(sampler, dataset, err);
    if (rc != 0)
        return rc;
    linear_threads_one();
    if (sampler->guidance)
        guide_groups(sampler);
    *ret = take(sampler);
    return 0;
}

/* ---- one position, from t to s ---- */

struct step {
    const struct sampler *sampler;
    struct denoiser_row row; /* position, x_t, network output, alpha_bar(t) */
    double ab_s;
    uint32_t k_max;                   /* most copies that atoms_max allows */
    const float (*gains)[STATE_SIZE]; /* [k][z]; NULL: unguided */
};

static float gain_factor(float change)
{
    change = change > gain_max ? gain_max : change < -gain_max ? -gain_max : change;
    return expf_fixed(change);
}

/* The last step takes the most probable category, unguided: what the network still doubts at
 * the end is rather noise than variety (measured on the demo set: of guided crystals 77 instead
 * of 73 % are charge-balanced, as many are distinct and meet the targets). */
static uint32_t pick(const struct step *step, const float *p, uint32_t D, struct rng *rng)
{
    if (step->ab_s < 1)
        return noise_draw(p, D, rng);
    uint32_t best = 0;
    for (uint32_t d = 1; d < D; d++)
        best = p[d] > p[best] ? d : best;
    return best;
}

static void draw_fixed(const struct step *step, struct row_state *ret, struct rng *rng)
{
    const struct noise *noise = &step->sampler->noise;
    float p0[STATE_SIZE], m[STATE_SIZE], p[STATE_SIZE];
    uint32_t now = state_category(step->row.xt), next = 0;
    memset(ret, 0, sizeof *ret);
    if (step->k_max == 0)
        return;
    denoiser_fixed(noise, &step->row, p0);
    noise_marginal_fixed(noise, step->row.position, m);
    noise_posterior(p, p0, m, STATE_SIZE, now, step->row.ab, step->ab_s);
    if (step->gains)
        for (uint32_t z = 0; z < STATE_SIZE; z++)
            p[z] *= gain_factor((z ? step->gains[1][z] : 0) - (now ? step->gains[1][now] : 0));
    next = pick(step, p, STATE_SIZE, rng);
    ret->count[next] = next > 0;
}

/* Count of one element, from its chance of presence. */
static uint32_t draw_count(const struct step *step, uint32_t z, float present, struct rng *rng)
{
    const struct noise *noise = &step->sampler->noise;
    const float *repeat = noise->repeat[positions_get()->dof[step->row.position]];
    float p0[COUNTS], m[COUNTS], p[COUNTS];
    uint32_t now = step->row.xt->count[z];
    float m_present = noise_marginal_present(noise, step->row.position, z);
    denoiser_counts(noise, &step->row, z, p0);
    p0[0] = 1 - present;
    m[0] = 1 - m_present;
    for (uint32_t k = 1; k < COUNTS; k++) {
        p0[k] *= present;
        m[k] = m_present * repeat[k];
    }
    noise_posterior(p, p0, m, COUNTS, now, step->row.ab, step->ab_s);
    float total = 0;
    for (uint32_t k = 0; k < COUNTS; k++) {
        if (k > step->k_max)
            p[k] = 0;
        else if (step->gains)
            p[k] *= gain_factor(step->gains[k][z] - step->gains[now][z]);
        total += p[k];
    }
    return total > 0 ? pick(step, p, COUNTS, rng) : 0;
}

/* The same for an element that is absent now, before counts are looked at: chance to be present
 * at s without guidance. Nearly all elements end here. */
static float appears(const struct step *step, uint32_t z, float present)
{
    float m = noise_marginal_present(&step->sampler->noise, step->row.position, z);
    float p0[2] = {1 - present, present}, marginal[2] = {1 - m, m}, p[2];
    noise_posterior(p, p0, marginal, 2, 0, step->row.ab, step->ab_s);
    return p[1];
}

static void draw_free(const struct step *step, struct row_state *ret, struct rng *rng)
{
    const struct noise *noise = &step->sampler->noise;
    const float *share = noise->share[positions_get()->dof[step->row.position]];
    float present[STATE_SIZE];
    memset(ret, 0, sizeof *ret);
    if (step->k_max == 0)
        return;
    denoiser_present(noise, &step->row, present);
    for (uint32_t z = 1; z < STATE_SIZE; z++) {
        if (share[z] <= 0)
            continue;
        if (step->row.xt->count[z] == 0 && appears(step, z, present[z]) < presence_min)
            continue;
        ret->count[z] = (uint8_t)draw_count(step, z, present[z], rng);
    }
}

/* ---- crystals ---- */

struct draft {
    uint32_t number, tries;
    bool done;
    struct protostructure proto;
};

static struct rng draft_stream(const struct sampler *sampler, const struct draft *draft,
                               uint32_t step, enum lane lane)
{
    return rng_stream(sampler->key, draft->number, step, draft->tries * LANES + (uint32_t)lane);
}

/* The k-th of `steps` + 1 times from T down to 0, evenly spaced. */
static uint32_t time_at(const struct sampler *sampler, uint32_t k)
{
    uint64_t T = sampler->noise.timesteps, S = sampler->params.sample_steps;
    return (uint32_t)((T * (S - k) + S / 2) / S);
}

static void begin_pass(struct sampler *sampler, struct draft *const *drafts, uint32_t n)
{
    batch_clear(&sampler->batch);
    for (uint32_t c = 0; c < n; c++) {
        struct rng pick = draft_stream(sampler, drafts[c], 0, LANE_GROUP);
        struct rng rng = draft_stream(sampler, drafts[c], 0, LANE_PRIOR);
        const struct spacegroup *group =
            spacegroup_get((int)noise_draw(sampler->groups, GROUP_MAX, &pick) + 1);
        uint32_t row = batch_add(&sampler->batch, group, 1);
        noise_prior_crystal(&sampler->noise, group, &sampler->batch.state[row], &rng);
    }
}

/* All positions of crystal c from time t to s. */
static void step_crystal(struct sampler *sampler, const float *output, uint32_t c, double ab_t,
                         double ab_s, struct rng *rng)
{
    struct batch *batch = &sampler->batch;
    const struct positions *all = positions_get();
    struct row_state next[POSITIONS_MAX];
    float gains[COUNTS][STATE_SIZE];
    uint32_t first = batch->first[c] + 1, n = batch_positions(batch, c);
    bool last = ab_s >= 1;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t row = first + i, position = batch->position[row];
        uint32_t fit = sampler->params.atoms_max / all->multiplicity[position];
        struct step step = {
            .sampler = sampler,
            .row = {position, &batch->state[row], output + (size_t)row * HEAD_SIZE,
                    sampler->weights + sampler->denoiser.network.count_of_element, ab_t},
            .ab_s = ab_s,
            .k_max = fit < COUNT_MAX ? fit : COUNT_MAX,
        };
        if (sampler->guidance && !last) {
            guidance_gains(sampler->guidance, batch, row, all->dof[position] ? COUNT_MAX : 1,
                           gains);
            step.gains = (const float(*)[STATE_SIZE])gains;
        }
        (all->dof[position] ? draw_free : draw_fixed)(&step, &next[i], rng);
    }
    memcpy(&batch->state[first], next, n * sizeof next[0]);
}

static int run_steps(struct sampler *sampler, struct draft *const *drafts, uint32_t n,
                     uint64_t *evaluations, struct err *err)
{
    struct batch *batch = &sampler->batch;
    uint32_t T = sampler->noise.timesteps;
    for (uint32_t k = 0; k < sampler->params.sample_steps; k++) {
        uint32_t t = time_at(sampler, k), s = time_at(sampler, k + 1);
        double ab_t = noise_alpha_bar(&sampler->noise, t);
        double ab_s = noise_alpha_bar(&sampler->noise, s);
        for (uint32_t c = 0; c < n; c++)
            batch->time[c] = (double)t / T;
        batch_prepare(batch);
        const float *output = network_forward(&sampler->denoiser.network, sampler->weights,
                                              batch, sampler->activations);
        for (size_t i = 0; i < (size_t)batch->n_rows * HEAD_SIZE; i++)
            if (!isfinite(output[i]))
                return err_set(err, ERR_NUMERIC, "the denoiser predicts no finite number");
        bool guided = sampler->guidance && s > 0;
        if (guided)
            (void)guidance_evaluate(sampler->guidance, batch);
        *evaluations += (uint64_t)n * (guided ? 2 : 1);
        for (uint32_t c = 0; c < n; c++) {
            struct rng rng = draft_stream(sampler, drafts[c], k, LANE_STEP);
            step_crystal(sampler, output, c, ab_t, ab_s, &rng);
        }
    }
    return 0;
}

/* Take what came out, or let it be tried again. */
static void finish_pass(struct sampler *sampler, struct draft *const *drafts, uint32_t n)
{
    const struct batch *batch = &sampler->batch;
    for (uint32_t c = 0; c < n; c++) {
        const struct spacegroup *group = spacegroup_get(batch->spacegroup[c]);
        const struct row_state *rows = &batch->state[batch->first[c] + 1];
        uint32_t atoms = state_atoms(rows, group);
        drafts[c]->tries++;
        if (atoms == 0 || atoms > sampler->params.atoms_max)
            continue;
        struct protostructure proto;
        state_to_protostructure(rows, group, &proto);
        protostructure_canonicalize(&proto);
        if (protostructure_check(&proto, NULL) == 0) {
            drafts[c]->proto = proto;
            drafts[c]->done = true;
        } else {
            protostructure_done(&proto);
        }
    }
}

/* Up to PASS_CRYSTALS drafts that are neither done nor given up. */
static uint32_t pending(struct draft *drafts, uint32_t count, struct draft **ret)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < count && n < PASS_CRYSTALS; i++)
        if (!drafts[i].done && drafts[i].tries < TRIES_MAX)
            ret[n++] = &drafts[i];
    return n;
}

static void append(struct samples *samples, struct draft *draft)
{
    uint32_t n = samples->n++;
    samples->index = mem_resize(samples->index, samples->n, sizeof *samples->index);
    samples->protos = mem_resize(samples->protos, samples->n, sizeof *samples->protos);
    samples->index[n] = draft->number;
    samples->protos[n] = draft->proto;
    draft->proto = (struct protostructure){0};
}

int sampler_draw(struct sampler *sampler, uint32_t first, uint32_t count,
                 struct samples *samples, uint64_t *ret_evaluations, struct err *err)
{
    cleanup(free_ptr) struct draft *drafts = mem_new(count, sizeof *drafts);
    struct draft *now[PASS_CRYSTALS];
    uint64_t evaluations = 0;
    int rc = 0;
    for (uint32_t i = 0; i < count; i++)
        drafts[i].number = first + i;
    for (uint32_t n; rc == 0 && (n = pending(drafts, count, now)) > 0;) {
        begin_pass(sampler, now, n);
        rc = run_steps(sampler, now, n, &evaluations, err);
        if (rc == 0)
            finish_pass(sampler, now, n);
    }
    for (uint32_t i = 0; rc == 0 && i < count; i++)
        if (drafts[i].done)
            append(samples, &drafts[i]);
    for (uint32_t i = 0; i < count; i++)
        protostructure_done(&drafts[i].proto);
    *ret_evaluations = evaluations;
    return rc;
}
