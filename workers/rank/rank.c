/* Task kind "rank": scored candidates of all batches in; the valid, distinct ones out, best
 * first, and a report that puts the guided and the unguided arm side by side.
 *
 * Order of the output, first difference decides:
 *   1. verdict on all targets: exact yes, predicted yes with the exact one unknown, unknown, no
 *   2. predicted probability that all targets hold, in whole percent, high first
 *   3. novel before known
 *   4. pair energy, low first; none last
 *   5. id
 * Two candidates with one canonical protostructure are one: the better stays. */
#include "common/cleanup.h"
#include "common/mem.h"
#include "workers/crystal/structure.h"
#include "workers/task.h"

#include "proto/objects.h"
#include "proto/targets.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WANT_MAX = 1 << 20 };

/* Candidates of one arm, borrowed from the inputs. */
struct arm {
    uint32_t n;        /* all drawn */
    uint32_t distinct; /* of the valid ones */
    uint32_t valid;
    bool exactly; /* candidates of this campaign can be judged exactly: only that counts then */
    const struct candidate **items;  /* (n) by sample number */
    const struct candidate **firsts; /* (distinct) valid, the first of each protostructure */
};

static uint8_t verdict_of(const struct candidate *c)
{
    return c->satisfied_exact != VERDICT_UNKNOWN ? c->satisfied_exact : c->satisfied_predicted;
}

/* ---- orders ---- */

static int compare_numbers(double a, double b)
{
    return a < b ? -1 : a > b;
}

static int compare_samples(const void *a, const void *b)
{
    const struct candidate *p = *(const struct candidate *const *)a;
    const struct candidate *q = *(const struct candidate *const *)b;
    if (p->sample != q->sample)
        return p->sample < q->sample ? -1 : 1;
    return hash_compare(&p->id, &q->id);
}

static double worth(const struct candidate *c)
{
    static const double worths[] = {[VERDICT_YES] = 2, [VERDICT_UNKNOWN] = 1, [VERDICT_NO] = 0};
    return worths[verdict_of(c)] + (c->satisfied_exact == VERDICT_YES);
}

static double percent(const struct candidate *c)
{
    return isfinite(c->probability) ? rint(100 * c->probability) : -1;
}

static double energy(const struct candidate *c)
{
    return isfinite(c->pair_energy) ? c->pair_energy : HUGE_VAL;
}

static int compare_ranks(const void *a, const void *b)
{
    const struct candidate *p = *(const struct candidate *const *)a;
    const struct candidate *q = *(const struct candidate *const *)b;
    int order = compare_numbers(worth(q), worth(p));
    if (!order)
        order = compare_numbers(percent(q), percent(p));
    if (!order)
        order = (int)q->novel - (int)p->novel;
    if (!order)
        order = compare_numbers(energy(p), energy(q));
    return order ? order : compare_samples(a, b);
}

/* An entry of the table that finds doubles: canonical protostructure and place in the list. */
struct entry {
    struct protostructure proto;
    uint32_t place;
};

static int compare_entries(const void *a, const void *b)
{
    const struct entry *p = a, *q = b;
    int order = protostructure_compare(&p->proto, &q->proto);
    return order ? order : p->place < q->place ? -1 : p->place > q->place;
}

/* Keep the valid ones, of equal protostructures the first in the list; the order stays. Returns
 * how many are left. */
static uint32_t keep_distinct(const struct candidate **list, uint32_t n)
{
    cleanup(free_ptr) struct entry *entries = mem_new(n, sizeof *entries);
    cleanup(free_ptr) bool *keep = mem_new(n, sizeof *keep);
    uint32_t n_entries = 0, left = 0;
    for (uint32_t i = 0; i < n; i++)
        if (list[i]->valid)
            entries[n_entries++] =
                (struct entry){protostructure_canonical(&list[i]->record.proto), i};
    qsort(entries, n_entries, sizeof *entries, compare_entries);
    for (uint32_t e = 0; e < n_entries; e++)
        keep[entries[e].place] =
            e == 0 || protostructure_compare(&entries[e - 1].proto, &entries[e].proto) != 0;
    for (uint32_t e = 0; e < n_entries; e++)
        protostructure_done(&entries[e].proto);
    for (uint32_t i = 0; i < n; i++)
        if (keep[i])
            list[left++] = list[i];
    return left;
}

/* ---- arms ---- */

static void arm_done(struct arm *arm)
{
    free(arm->items);
    free(arm->firsts);
}

static void arm_init(struct arm *arm, const struct candidates *inputs, uint32_t n_inputs,
                     bool guided)
{
    uint32_t total = 0;
    for (uint32_t k = 0; k < n_inputs; k++)
        total += inputs[k].n;
    *arm = (struct arm){.items = mem_new(total, sizeof *arm->items),
                        .firsts = mem_new(total, sizeof *arm->firsts)};
    for (uint32_t k = 0; k < n_inputs; k++)
        for (uint32_t i = 0; i < inputs[k].n; i++)
            if (inputs[k].items[i].guided == guided) {
                arm->valid += inputs[k].items[i].valid;
                arm->items[arm->n++] = &inputs[k].items[i];
            }
    qsort(arm->items, arm->n, sizeof *arm->items, compare_samples);
    if (arm->n)
        memcpy(arm->firsts, arm->items, arm->n * sizeof *arm->items);
    arm->distinct = keep_distinct(arm->firsts, arm->n);
}

/* Among the first n distinct ones. */
static uint32_t arm_satisfied(const struct arm *arm, uint32_t n)
{
    uint32_t satisfied = 0;
    for (uint32_t i = 0; i < n; i++) {
        const struct candidate *c = arm->firsts[i];
        satisfied +=
            (arm->exactly ? c->satisfied_exact : c->satisfied_predicted) == VERDICT_YES;
    }
    return satisfied;
}

static uint32_t arm_judged_exactly(const struct arm *arm, uint32_t n)
{
    uint32_t judged = 0;
    for (uint32_t i = 0; i < n; i++)
        judged += arm->firsts[i]->satisfied_exact != VERDICT_UNKNOWN;
    return judged;
}

/* ---- report ---- */

/* Reasons are "what: details"; counted is the part before the colon. */
static size_t reason_size(const char *reason)
{
    return strcspn(reason, ":");
}

static void count_reasons(json_t *counts, const struct arm *arm)
{
    for (uint32_t i = 0; i < arm->n; i++) {
        if (arm->items[i]->valid)
            continue;
        char what[REASON_SIZE];
        (void)snprintf(what, sizeof what, "%.*s", (int)reason_size(arm->items[i]->reason),
                       arm->items[i]->reason);
        json_int_t count = json_integer_value(json_object_get(counts, what));
        (void)json_object_set_new(counts, what, json_integer(count + 1));
    }
}

static json_t *arm_report(const struct arm *arm, uint32_t compared)
{
    return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I}", "samples", (json_int_t)arm->n, "valid",
                     (json_int_t)arm->valid, "distinct", (json_int_t)arm->distinct, "compared",
                     (json_int_t)compared, "satisfied",
                     (json_int_t)arm_satisfied(arm, compared), "judged_exactly",
                     (json_int_t)arm_judged_exactly(arm, compared));
}

/* satisfied guided / satisfied unguided; null when no unguided one is. */
static json_t *ratio(const struct arm *guided, const struct arm *unguided, uint32_t compared)
{
    uint32_t below = arm_satisfied(unguided, compared);
    return below ? json_real((double)arm_satisfied(guided, compared) / below) : json_null();
}

static void emit_report(const struct task *task, const struct arm *guided,
                        const struct arm *unguided, const uint32_t compared[2])
{
    json_t *rejected = json_object();
    count_reasons(rejected, guided);
    count_reasons(rejected, unguided);
    json_t *root = json_object();
    (void)json_object_set_new(root, "by", json_string(guided->exactly ? "exact" : "predicted"));
    (void)json_object_set_new(root, "guided", arm_report(guided, compared[0]));
    (void)json_object_set_new(root, "ratio",
                              guided->n && unguided->n ? ratio(guided, unguided, compared[0])
                                                       : json_null());
    (void)json_object_set_new(root, "rejected", rejected);
    (void)json_object_set_new(root, "unguided", arm_report(unguided, compared[1]));
    char *text = json_dumps(root, JSON_SORT_KEYS | JSON_INDENT(1) | JSON_REAL_PRECISION(6));
    task_emit(task, "report", text ? span_text(text) : (struct span){0});
    free(text);
    json_decref(root);
}

/* ---- the task ---- */

static void emit_ranked(const struct task *task, const struct arm *arm, uint64_t want,
                        const struct candidates *like)
{
    cleanup(free_ptr) const struct candidate **list = mem_new(arm->n, sizeof *list);
    struct candidates out = {.n_properties = like->n_properties};
    struct buf bytes = {0};
    if (arm->n)
        memcpy(list, arm->items, arm->n * sizeof *list);
    qsort(list, arm->n, sizeof *list, compare_ranks);
    uint32_t left = keep_distinct(list, arm->n);
    out.n = left < want ? left : (uint32_t)want;
    memcpy(out.properties, like->properties, sizeof out.properties);
    out.items = mem_new(out.n, sizeof *out.items);
    for (uint32_t i = 0; i < out.n; i++)
        out.items[i] = *list[i]; /* borrowed: only for encoding */
    candidates_encode(&out, &bytes);
    task_emit(task, "candidates", buf_span(&bytes));
    buf_done(&bytes);
    free(out.items);
}

static void emit_summary(const struct task *task, const struct arm *guided,
                         const struct arm *unguided, const uint32_t compared[2])
{
    struct buf bytes = {0};
    struct pack pack;
    pack_init(&pack, &bytes);
    pack_map(&pack, 5);
    pack_key(&pack, "distinct");
    pack_u64(&pack, guided->n ? guided->distinct : unguided->distinct);
    pack_key(&pack, "guided");
    pack_u64(&pack, compared[0]);
    pack_key(&pack, "guided_satisfied");
    pack_u64(&pack, arm_satisfied(guided, compared[0]));
    pack_key(&pack, "unguided");
    pack_u64(&pack, compared[1]);
    pack_key(&pack, "unguided_satisfied");
    pack_u64(&pack, arm_satisfied(unguided, compared[1]));
    task_summary(task, buf_span(&bytes));
    buf_done(&bytes);
}

static bool same_properties(const struct candidates *a, const struct candidates *b)
{
    bool same = a->n_properties == b->n_properties;
    for (uint32_t p = 0; same && p < a->n_properties; p++)
        same = !strcmp(a->properties[p].name, b->properties[p].name);
    return same;
}

static int read_inputs(const struct task *task, struct candidates *inputs, struct err *err)
{
    for (uint32_t k = 0; k < task->n_inputs; k++) {
        int rc = candidates_decode(task->inputs[k], &inputs[k], err);
        if (rc)
            return err_context(err, rc, "input %u", k);
        if (!same_properties(&inputs[k], &inputs[0]))
            return err_set(err, ERR_CORRUPT,
                           "input %u was scored with other properties than input 0", k);
    }
    return 0;
}

static void rank_inputs(const struct task *task, const struct candidates *inputs, uint64_t want)
{
    struct arm guided, unguided;
    arm_init(&guided, inputs, task->n_inputs, true);
    arm_init(&unguided, inputs, task->n_inputs, false);
    uint32_t compared[2] = {guided.distinct, unguided.distinct};
    if (guided.n && unguided.n) { /* both arms ran: equally many of each */
        uint32_t fewer = compared[0] < compared[1] ? compared[0] : compared[1];
        compared[0] = compared[1] = fewer;
    }
    guided.exactly = unguided.exactly = arm_judged_exactly(&guided, guided.distinct) ||
                                        arm_judged_exactly(&unguided, unguided.distinct);
    emit_ranked(task, guided.n ? &guided : &unguided, want, &inputs[0]);
    emit_report(task, &guided, &unguided, compared);
    emit_summary(task, &guided, &unguided, compared);
    arm_done(&guided);
    arm_done(&unguided);
}

int rank_run(const struct task *task, struct err *err)
{
    struct targets targets;
    uint64_t want;
    int rc = targets_unpack(value_get(task->params, "targets"), &targets, err);
    if (!rc)
        rc = value_u64(value_get(task->params, "want"), "want", 1, WANT_MAX, &want, err);
    if (rc)
        return err_context(err, rc, "params of rank");
    if (task->n_inputs == 0)
        return err_set(err, ERR_INVALID, "rank without candidates: no input");
    cleanup(free_ptr) struct candidates *inputs = mem_new(task->n_inputs, sizeof *inputs);
    rc = read_inputs(task, inputs, err);
    if (!rc)
        rank_inputs(task, inputs, want);
    for (uint32_t k = 0; k < task->n_inputs; k++)
        candidates_done(&inputs[k]);
    return rc;
}
