/* Forward process, marginals and posteriors: see noise.h. */
#include "workers/diffusion/noise.h"

#include "common/mathd.h"

#include <assert.h>
#include <string.h>

/* Pseudo-counts: a position of a group with few records tends to the average of its class, and
 * an element of the data is possible on every class. */
static const double occupied_pseudo = 2.0, share_pseudo = 0.2, repeat_pseudo = 0.01;

/* ---- fitting ---- */

struct occurrences {
    double records[GROUP_MAX + 1];    /* per group */
    double occupied[POSITIONS_TOTAL]; /* elements found on the position */
    double share[DOF_CLASSES][STATE_SIZE];
    double repeat[DOF_CLASSES][COUNTS];
    double seen[STATE_SIZE];
};

static void tally_record(struct occurrences *tally, const struct protostructure *proto)
{
    struct row_state rows[POSITIONS_MAX];
    const struct spacegroup *group = spacegroup_get(proto->spacegroup);
    if (!state_from_protostructure(rows, proto))
        return;
    tally->records[group->number]++;
    for (size_t p = 0; p < group->n_positions; p++)
        for (size_t z = 1; z < STATE_SIZE; z++) {
            uint32_t count = rows[p].count[z], dof = group->positions[p].dof;
            if (count == 0)
                continue;
            tally->occupied[group->position_first + p]++;
            tally->share[dof][z]++;
            tally->repeat[dof][count]++;
            tally->seen[z]++;
        }
}

/* Mean number of elements on a position of this class, over all groups. */
static void class_rates(const struct occurrences *tally, double rate[DOF_CLASSES])
{
    double found[DOF_CLASSES] = {0}, chances[DOF_CLASSES] = {0};
    for (int number = 1; number <= GROUP_MAX; number++) {
        const struct spacegroup *group = spacegroup_get(number);
        for (size_t p = 0; p < group->n_positions; p++) {
            found[group->positions[p].dof] += tally->occupied[group->position_first + p];
            chances[group->positions[p].dof] += tally->records[number];
        }
    }
    for (int d = 0; d < DOF_CLASSES; d++)
        rate[d] = chances[d] > 0 ? found[d] / chances[d] : 0.05;
}

static void fit_occupied(const struct occurrences *tally, struct noise *ret)
{
    double rate[DOF_CLASSES];
    class_rates(tally, rate);
    for (int number = 1; number <= GROUP_MAX; number++) {
        const struct spacegroup *group = spacegroup_get(number);
        for (size_t p = 0; p < group->n_positions; p++) {
            size_t index = group->position_first + p;
            double mean =
                (tally->occupied[index] + occupied_pseudo * rate[group->positions[p].dof]) /
                (tally->records[number] + occupied_pseudo);
            if (group->positions[p].dof == 0 && mean > 0.98)
                mean = 0.98; /* a fixed position may always be empty, too */
            ret->occupied[index] = (float)(mean < 0.002 ? 0.002 : mean);
        }
    }
}

static void fit_class(const struct occurrences *tally, int dof, struct noise *ret)
{
    double total = 0, repeats = 0;
    for (size_t z = 1; z < STATE_SIZE; z++)
        total += tally->seen[z] > 0 ? tally->share[dof][z] + share_pseudo : 0;
    for (size_t z = 1; z < STATE_SIZE; z++)
        if (tally->seen[z] > 0)
            ret->share[dof][z] = (float)((tally->share[dof][z] + share_pseudo) / total);
    for (size_t k = 1; k < COUNTS; k++)
        repeats += tally->repeat[dof][k] + repeat_pseudo;
    for (size_t k = 1; k < COUNTS; k++)
        ret->repeat[dof][k] = (float)((tally->repeat[dof][k] + repeat_pseudo) / repeats);
}

int noise_fit(const struct dataset *dataset, uint32_t timesteps, struct noise *ret,
              struct err *err)
{
    struct occurrences tally = {0};
    double records = 0;
    for (uint32_t i = 0; i < dataset->n_records; i++)
        if (dataset->splits[i] == SPLIT_TRAIN)
            tally_record(&tally, &dataset->records[i].proto);
    for (int number = 1; number <= GROUP_MAX; number++)
        records += tally.records[number];
    if (records == 0)
        return err_set(err, ERR_INVALID, "the data set has no record to train on");
    *ret = (struct noise){.timesteps = timesteps};
    fit_occupied(&tally, ret);
    for (int dof = 0; dof < DOF_CLASSES; dof++)
        fit_class(&tally, dof, ret);
    return 0;
}

int noise_restrict(struct noise *noise, const uint8_t allowed[STATE_SIZE], struct err *err)
{
    for (size_t d = 0; d < DOF_CLASSES; d++) {
        float total = 0;
        for (size_t z = 1; z < STATE_SIZE; z++) {
            if (!allowed[z])
                noise->share[d][z] = 0;
            total += noise->share[d][z];
        }
        if (total <= 0)
            return err_set(err, ERR_INVALID,
                           "none of the allowed elements occurs in the training data");
        for (size_t z = 1; z < STATE_SIZE; z++)
            noise->share[d][z] /= total;
    }
    return 0;
}

/* ---- schedule and marginals ---- */

double noise_alpha_bar(const struct noise *noise, uint32_t t)
{
    static const double offset = 0.008;
    double begin = mathd_cos(offset / (1 + offset) * MATHD_PI / 2);
    double now =
        mathd_cos(((double)t / noise->timesteps + offset) / (1 + offset) * MATHD_PI / 2);
    double ab = now * now / (begin * begin);
    return ab < 1e-6 ? 1e-6 : ab; /* t = T: so that ratios stay finite */
}

void noise_marginal_fixed(const struct noise *noise, uint32_t position, float *ret_m)
{
    float occupied = noise->occupied[position];
    ret_m[0] = 1 - occupied;
    for (size_t z = 1; z < STATE_SIZE; z++)
        ret_m[z] = occupied * noise->share[0][z];
}

float noise_marginal_present(const struct noise *noise, uint32_t position, uint32_t z)
{
    float m = noise->occupied[position] * noise->share[positions_get()->dof[position]][z];
    return m < PRESENT_MAX ? m : PRESENT_MAX;
}

/* ---- one variable ---- */

uint32_t noise_draw(const float *weights, uint32_t D, struct rng *rng)
{
    double total = 0, sum = 0;
    for (uint32_t d = 0; d < D; d++)
        total += (double)weights[d];
    double at = rng_uniform(rng) * total;
    uint32_t last = 0;
    for (uint32_t d = 0; d < D; d++) {
        if (weights[d] <= 0)
            continue;
        last = d; /* rounding may leave `at` behind the last sum */
        sum += (double)weights[d];
        if (at < sum)
            return d;
    }
    assert(weights[last] > 0);
    return last;
}

uint32_t noise_prior(const float *m, uint32_t D, struct rng *rng)
{
    return noise_draw(m, D, rng);
}

uint32_t noise_q_sample(const float *m, uint32_t D, uint32_t x0, double ab, struct rng *rng)
{
    return rng_uniform(rng) < ab ? x0 : noise_draw(m, D, rng);
}

/* With a = ab_t / ab_s and q(x_t | x_0) = ab_t 1[x_t = x_0] + (1 - ab_t) m(x_t) =: z(x_0):
 *   q(x_s = k | x_t, x_0) = (a 1[x_t = k] + (1 - a) m(x_t)) (ab_s 1[k = x_0] + (1 - ab_s) m(k))
 * / z(x_0), so that the sum over x_0 is (a 1[x_t = k] + (1 - a) m(x_t)) (ab_s p(k) / z(k) + (1
 * - ab_s) m(k) sum over x_0 of p / z). */
void noise_posterior(float *ret_p, const float *p_x0, const float *m, uint32_t D, uint32_t xt,
                     double ab_t, double ab_s)
{
    double a = ab_t / ab_s, other = (1 - ab_t) * (double)m[xt], same = ab_t + other;
    double total = 0, rest = ((1 - (double)p_x0[xt]) / other) + (double)p_x0[xt] / same;
    for (uint32_t k = 0; k < D; k++) {
        double step = (1 - a) * (double)m[xt] + (k == xt ? a : 0);
        double p = step * (ab_s * (double)p_x0[k] / (k == xt ? same : other) +
                           (1 - ab_s) * (double)m[k] * rest);
        ret_p[k] = (float)p;
        total += p;
    }
    for (uint32_t k = 0; k < D; k++)
        ret_p[k] = (float)((double)ret_p[k] / total);
}

/* ---- crystals ---- */

/* An element's count on a free position drawn from m: none, or 1.. by repeat. */
static uint32_t draw_count(const struct noise *noise, uint32_t position, uint32_t z,
                           struct rng *rng)
{
    const float *repeat = noise->repeat[positions_get()->dof[position]];
    if (rng_uniform(rng) >= (double)noise_marginal_present(noise, position, z))
        return 0;
    return noise_draw(repeat, COUNTS, rng);
}

static void draw_fixed(const struct noise *noise, uint32_t position, struct row_state *row,
                       struct rng *rng)
{
    float m[STATE_SIZE];
    noise_marginal_fixed(noise, position, m);
    uint32_t z = noise_prior(m, STATE_SIZE, rng);
    memset(row, 0, sizeof *row);
    row->count[z] = z > 0;
}

static void draw_free(const struct noise *noise, uint32_t position, struct row_state *row,
                      struct rng *rng)
{
    for (uint32_t z = 1; z < STATE_SIZE; z++)
        row->count[z] = (uint8_t)draw_count(noise, position, z, rng);
}

void noise_prior_crystal(const struct noise *noise, const struct spacegroup *group,
                         struct row_state *ret_rows, struct rng *rng)
{
    memset(ret_rows, 0, group->n_positions * sizeof *ret_rows);
    for (uint32_t p = 0; p < group->n_positions; p++)
        (group->positions[p].dof ? draw_free : draw_fixed)(noise, group->position_first + p,
                                                           &ret_rows[p], rng);
}

void noise_q_sample_crystal(const struct noise *noise, const struct spacegroup *group,
                            const struct row_state *x0, double ab, struct row_state *ret_rows,
                            struct rng *rng)
{
    for (uint32_t p = 0; p < group->n_positions; p++) {
        uint32_t position = group->position_first + p;
        ret_rows[p] = x0[p];
        if (group->positions[p].dof == 0) {
            if (rng_uniform(rng) >= ab)
                draw_fixed(noise, position, &ret_rows[p], rng);
            continue;
        }
        for (uint32_t z = 1; z < STATE_SIZE; z++)
            if (rng_uniform(rng) >= ab)
                ret_rows[p].count[z] = (uint8_t)draw_count(noise, position, z, rng);
    }
}
