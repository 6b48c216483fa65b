/* Task kind "score": what is known about each realized candidate. The guide predicts mean and
 * spread of its properties; where the data set's own values are those that properties.h
 * computes (the demo set), they are computed for the candidate, too; both are held against the
 * targets; and novel is what the data set has not. */
#include "common/cleanup.h"
#include "common/mathd.h"
#include "common/mem.h"
#include "proto/objects.h"
#include "proto/targets.h"
#include "workers/crystal/properties.h"
#include "workers/crystal/structure.h"
#include "workers/diffusion/guide.h"
#include "workers/task.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TRUST_SAMPLES = 16 };
static const double TRUST_TOLERANCE = 1e-3; /* relative: survives idealization at symprec */

struct score {
    struct dataset dataset;
    struct protostructure *known; /* (n_records) canonical, sorted */
    struct guide *guide;
    uint32_t n_properties;
    const struct property *properties; /* of the guide, borrowed */
    const struct exact_property
        *exact[PROPERTIES_MAX]; /* NULL: not computable or not trusted */
    struct targets targets;
    uint32_t columns[TARGETS_MAX]; /* property of each target */
};

static void score_done(struct score *score)
{
    for (uint32_t i = 0; score->known && i < score->dataset.n_records; i++)
        protostructure_done(&score->known[i]);
    free(score->known);
    guide_close(score->guide);
    dataset_done(&score->dataset);
}

/* ---- novelty ---- */

static int compare_known(const void *a, const void *b)
{
    return protostructure_compare(a, b);
}

static void index_known(struct score *score)
{
    uint32_t n = score->dataset.n_records;
    score->known = mem_new(n, sizeof *score->known);
    for (uint32_t i = 0; i < n; i++)
        score->known[i] = protostructure_canonical(&score->dataset.records[i].proto);
    qsort(score->known, n, sizeof *score->known, compare_known);
}

static bool is_known(const struct score *score, const struct protostructure *proto)
{
    struct protostructure canonical = protostructure_canonical(proto);
    bool known = bsearch(&canonical, score->known, score->dataset.n_records,
                         sizeof *score->known, compare_known) != NULL;
    protostructure_done(&canonical);
    return known;
}

/* ---- exact properties ---- */

/* NaN when the record has no such value. */
static double compute_exact(const struct exact_property *property, const struct record *record)
{
    struct structure structure = {0};
    double value = (double)NAN;
    if (record_to_primitive(record, &structure, NULL) ||
        property->compute(&structure, &value, NULL))
        value = (double)NAN;
    structure_done(&structure);
    return value;
}

static bool agrees(double stored, double computed)
{
    return fabs(stored - computed) <= TRUST_TOLERANCE * fabs(stored) + 1e-9;
}

/* Are the values of a data set's column those that we compute? Asked of records at even
 * distances; one disagreement is enough for no. */
static bool column_is_exact(const struct dataset *dataset, int column,
                            const struct exact_property *property)
{
    uint32_t n = dataset->n_records, asked = 0;
    uint32_t step = n > TRUST_SAMPLES ? n / TRUST_SAMPLES : 1;
    for (uint32_t i = 0; i < n && asked < TRUST_SAMPLES; i += step) {
        const struct record *record = &dataset->records[i];
        if (!isfinite(record->properties[column]))
            continue;
        if (!agrees(record->properties[column], compute_exact(property, record)))
            return false;
        asked++;
    }
    return asked > 0;
}

static void find_exact(struct score *score)
{
    for (uint32_t p = 0; p < score->n_properties; p++) {
        const char *name = score->properties[p].name;
        const struct exact_property *property = exact_property_find(name);
        int column = dataset_property_find(&score->dataset, name);
        if (property && column >= 0 && column_is_exact(&score->dataset, column, property))
            score->exact[p] = property;
    }
}

/* ---- targets ---- */

static int find_columns(struct score *score, struct err *err)
{
    for (uint32_t t = 0; t < score->targets.n; t++) {
        const char *name = score->targets.items[t].property;
        uint32_t p = 0;
        while (p < score->n_properties && strcmp(score->properties[p].name, name) != 0)
            p++;
        if (p == score->n_properties)
            return err_set(err, ERR_INVALID, "the guide was not trained on the target '%s'",
                           name);
        score->columns[t] = p;
    }
    return 0;
}

/* Do the values meet every target? One known value outside its range is enough for no; else one
 * unknown value makes it unknown. */
static uint8_t judge(const struct score *score, const double *values)
{
    uint8_t verdict = VERDICT_YES;
    for (uint32_t t = 0; t < score->targets.n; t++) {
        const struct target *target = &score->targets.items[t];
        double value = values[score->columns[t]];
        if (!isfinite(value))
            verdict = VERDICT_UNKNOWN;
        else if (value < target->low || value > target->high)
            return VERDICT_NO;
    }
    return verdict;
}

/* P(z <= x) of the standard normal distribution. */
static double normal_below(double x)
{
    return 0.5 * mathd_erfc(-x / sqrt(2));
}

/* P(low <= value <= high) for a normal distribution; in the upper half from its mirror image,
 * where the difference keeps its digits. */
static double normal_within(double low, double high, double mean, double spread)
{
    double a = (low - mean) / spread, b = (high - mean) / spread;
    return a > 0 ? normal_below(-a) - normal_below(-b) : normal_below(b) - normal_below(a);
}

/* All targets at once, taken as independent. NaN when one is not predicted. */
static double probability(const struct score *score, const double *mean, const double *spread)
{
    double product = 1;
    for (uint32_t t = 0; t < score->targets.n; t++) {
        uint32_t p = score->columns[t];
        product *= normal_within(score->targets.items[t].low, score->targets.items[t].high,
                                 mean[p], spread[p]);
    }
    return product;
}

/* ---- candidates ---- */

static double *row_new(uint32_t n)
{
    double *row = mem_new(n, sizeof *row);
    for (uint32_t i = 0; i < n; i++)
        row[i] = (double)NAN;
    return row;
}

/* Fresh, empty rows: what an earlier score wrote has other columns. */
static void clear(const struct score *score, struct candidate *c)
{
    free(c->predicted);
    free(c->spread);
    free(c->exact);
    c->predicted = row_new(score->n_properties);
    c->spread = row_new(score->n_properties);
    c->exact = row_new(score->n_properties);
    c->satisfied_predicted = c->satisfied_exact = VERDICT_UNKNOWN;
    c->probability = (double)NAN;
    c->novel = false;
}

static void score_one(const struct score *score, const double *mean, const double *spread,
                      struct candidate *c)
{
    for (uint32_t p = 0; p < score->n_properties; p++) {
        c->predicted[p] = mean[p];
        c->spread[p] = spread[p];
        if (score->exact[p])
            c->exact[p] = compute_exact(score->exact[p], &c->record);
    }
    c->satisfied_predicted = judge(score, mean);
    c->satisfied_exact = judge(score, c->exact);
    c->probability = probability(score, mean, spread);
    c->novel = !is_known(score, &c->record.proto);
}

/* The valid candidates in one batch through the guide. *ret_scored: how many. */
static int score_all(struct score *score, struct candidates *list, uint32_t *ret_scored,
                     struct err *err)
{
    uint32_t n = 0, p = score->n_properties;
    cleanup(free_ptr) struct protostructure *protos = mem_new(list->n, sizeof *protos);
    cleanup(free_ptr) double *mean = mem_new((size_t)list->n * p, sizeof *mean);
    cleanup(free_ptr) double *spread = mem_new((size_t)list->n * p, sizeof *spread);
    for (uint32_t i = 0; i < list->n; i++)
        if (list->items[i].valid)
            protos[n++] = list->items[i].record.proto; /* borrowed */
    int rc = n ? guide_predict(score->guide, protos, n, mean, spread, err) : 0;
    for (uint32_t i = 0, k = 0; i < list->n && !rc; i++) {
        clear(score, &list->items[i]);
        if (list->items[i].valid) {
            score_one(score, &mean[k * p], &spread[k * p], &list->items[i]);
            k++;
        }
    }
    *ret_scored = n;
    return rc;
}

/* ---- the task ---- */

static int score_open(const struct task *task, struct score *score, struct err *err)
{
    int rc = targets_unpack(value_get(task->params, "targets"), &score->targets, err);
    if (rc)
        return err_context(err, rc, "params of score");
    rc = dataset_decode(task->inputs[0], &score->dataset, err);
    if (!rc)
        rc = guide_open(task->inputs[1], &score->guide, err);
    if (rc)
        return rc;
    score->n_properties = guide_properties(score->guide, &score->properties);
    if (score->n_properties > PROPERTIES_MAX)
        return err_set(err, ERR_LIMIT, "the guide has %u properties, more than %d",
                       score->n_properties, PROPERTIES_MAX);
    index_known(score);
    find_exact(score);
    return find_columns(score, err);
}

static void emit(const struct task *task, const struct candidates *list, uint32_t scored)
{
    struct buf bytes = {0}, summary = {0};
    struct pack pack;
    candidates_encode(list, &bytes);
    task_emit(task, "candidates", buf_span(&bytes));
    pack_init(&pack, &summary);
    pack_map(&pack, 1);
    pack_key(&pack, "scored");
    pack_u64(&pack, scored);
    task_summary(task, buf_span(&summary));
    buf_done(&bytes);
    buf_done(&summary);
}

int score_run(const struct task *task, struct err *err)
{
    struct score score = {0};
    struct candidates list = {0};
    uint32_t scored;
    if (task->n_inputs != 3)
        return err_set(err, ERR_INVALID,
                       "score wants a data set, a guide and candidates, not %u inputs",
                       task->n_inputs);
    int rc = score_open(task, &score, err);
    if (!rc)
        rc = candidates_decode(task->inputs[2], &list, err);
    if (!rc)
        rc = score_all(&score, &list, &scored, err);
    if (!rc) {
        list.n_properties = score.n_properties;
        memcpy(list.properties, score.properties,
               score.n_properties * sizeof *score.properties);
        emit(task, &list, scored);
    }
    candidates_done(&list);
    score_done(&score);
    return rc;
}
