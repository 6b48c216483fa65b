/* Task kind "rank": the candidates and the tally of the rounds before, and the scored batches
 * of a round in; the best `want` valid, distinct candidates of all of them out, best first, a
 * report that puts the guided and the unguided arm side by side, and the tally for the next
 * round. Nothing grows with the number of rounds but the counts.
 *
 * Ranking round by round gives what ranking all rounds at once would: whoever is among the best
 * `want` of all is so among fewer, so nobody who matters is dropped on the way; and a round's
 * sample numbers are above those of the rounds before, so the firsts of a protostructure only
 * gain at the end.
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

/* The candidates of one arm in this round, borrowed from the inputs. */
struct arm {
    uint32_t n;                     /* all drawn */
    const struct candidate **items; /* (n) by sample number */
};

/* Inputs, decoded. */
struct ranking {
    uint64_t want;
    bool again;                /* there was a round before */
    struct candidates earlier; /* its candidates */
    uint32_t n_scored;
    struct candidates *scored; /* (n_scored) batches of this round */
    struct tally tally;        /* of the rounds before, then with this round */
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

/* ---- the tally ---- */

/* For finding doubles of protostructures without comparing them site by site. */
static struct hash proto_hash(const struct candidate *candidate)
{
    struct protostructure proto = protostructure_canonical(&candidate->record.proto);
    struct buf bytes = {0};
    const uint8_t group[2] = {(uint8_t)(proto.spacegroup & 255),
                              (uint8_t)(proto.spacegroup >> 8)};
    buf_append(&bytes, group, sizeof group);
    for (uint32_t i = 0; i < proto.n_sites; i++) {
        const uint8_t site[2] = {proto.sites[i].letter, proto.sites[i].element};
        buf_append(&bytes, site, sizeof site);
    }
    struct hash hash = hash_bytes(buf_span(&bytes));
    buf_done(&bytes);
    protostructure_done(&proto);
    return hash;
}

static int compare_hashes(const void *a, const void *b)
{
    return hash_compare(a, b);
}

/* The arm's distinct ones so far, sorted. Caller frees. */
static struct hash *known_protos(const struct tally_arm *arm)
{
    struct hash *known = mem_new(arm->n_firsts, sizeof *known);
    for (uint32_t i = 0; i < arm->n_firsts; i++)
        known[i] = arm->firsts[i].proto;
    qsort(known, arm->n_firsts, sizeof *known, compare_hashes);
    return known;
}

static void add_firsts(struct tally_arm *to, const struct candidate *const *firsts, uint32_t n)
{
    uint32_t n_before = to->n_firsts;
    cleanup(free_ptr) struct hash *known = known_protos(to);
    to->firsts = mem_resize(to->firsts, (size_t)n_before + n, sizeof *to->firsts);
    for (uint32_t i = 0; i < n && to->n_firsts < TALLY_FIRSTS_MAX; i++) {
        struct hash proto = proto_hash(firsts[i]);
        if (!bsearch(&proto, known, n_before, sizeof *known, compare_hashes))
            to->firsts[to->n_firsts++] =
                (struct tally_first){.proto = proto,
                                     .exact = firsts[i]->satisfied_exact,
                                     .predicted = firsts[i]->satisfied_predicted};
    }
}

/* Reasons are "what: details"; counted is the part before the colon. What comes when there are
 * too many different ones is counted as "other". */
static uint32_t find_reason(const struct tally *tally, const char *what)
{
    uint32_t i = 0;
    while (i < tally->n_reasons && strcmp(tally->reasons[i].what, what) != 0)
        i++;
    return i;
}

static void count_reason(struct tally *tally, const char *reason)
{
    char what[REASON_SIZE];
    (void)snprintf(what, sizeof what, "%.*s", (int)strcspn(reason, ":"), reason);
    uint32_t i = find_reason(tally, what);
    if (i == tally->n_reasons && i >= TALLY_REASONS_MAX - 1) {
        (void)snprintf(what, sizeof what, "other");
        i = find_reason(tally, what);
    }
    if (i == tally->n_reasons) {
        tally->reasons = mem_resize(tally->reasons, i + 1u, sizeof *tally->reasons);
        tally->reasons[tally->n_reasons++] = (struct tally_reason){.count = 0};
        memcpy(tally->reasons[i].what, what, sizeof what);
    }
    tally->reasons[i].count++;
}

static void tally_add(struct tally *tally, bool guided, const struct arm *arm)
{
    struct tally_arm *to = &tally->arms[guided];
    cleanup(free_ptr) const struct candidate **firsts = mem_new(arm->n, sizeof *firsts);
    for (uint32_t i = 0; i < arm->n; i++) {
        firsts[i] = arm->items[i];
        to->samples++;
        to->valid += arm->items[i]->valid;
        if (!arm->items[i]->valid)
            count_reason(tally, arm->items[i]->reason);
    }
    add_firsts(to, firsts, keep_distinct(firsts, arm->n));
}

/* ---- arms ---- */

static void arm_init(struct arm *arm, const struct ranking *ranking, bool guided)
{
    uint32_t total = 0;
    for (uint32_t k = 0; k < ranking->n_scored; k++)
        total += ranking->scored[k].n;
    *arm = (struct arm){.items = mem_new(total, sizeof *arm->items)};
    for (uint32_t k = 0; k < ranking->n_scored; k++)
        for (uint32_t i = 0; i < ranking->scored[k].n; i++)
            if (ranking->scored[k].items[i].guided == guided)
                arm->items[arm->n++] = &ranking->scored[k].items[i];
    qsort(arm->items, arm->n, sizeof *arm->items, compare_samples);
}

static uint32_t judged_exactly(const struct tally_arm *arm, uint32_t n)
{
    uint32_t judged = 0;
    for (uint32_t i = 0; i < n; i++)
        judged += arm->firsts[i].exact != VERDICT_UNKNOWN;
    return judged;
}

/* Among the first n distinct ones. */
static uint32_t satisfied(const struct tally_arm *arm, uint32_t n, bool exactly)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < n; i++)
        count += (exactly ? arm->firsts[i].exact : arm->firsts[i].predicted) == VERDICT_YES;
    return count;
}

/* Both arms side by side. */
struct comparison {
    bool exactly; /* candidates of this campaign can be judged exactly: only that counts then */
    uint32_t compared[2], satisfied[2]; /* unguided, guided */
};

static struct comparison compare_arms(const struct tally_arm arms[2])
{
    struct comparison ret = {.compared = {arms[0].n_firsts, arms[1].n_firsts}};
    if (arms[0].samples && arms[1].samples) { /* both arms ran: equally many of each */
        uint32_t fewer = ret.compared[0] < ret.compared[1] ? ret.compared[0] : ret.compared[1];
        ret.compared[0] = ret.compared[1] = fewer;
    }
    ret.exactly = judged_exactly(&arms[0], arms[0].n_firsts) ||
                  judged_exactly(&arms[1], arms[1].n_firsts);
    for (int i = 0; i < 2; i++)
        ret.satisfied[i] = satisfied(&arms[i], ret.compared[i], ret.exactly);
    return ret;
}

/* ---- report ---- */

static json_t *arm_report(const struct tally_arm *arm, const struct comparison *comparison,
                          bool guided)
{
    uint32_t compared = comparison->compared[guided];
    return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I}", "samples", (json_int_t)arm->samples, "valid",
                     (json_int_t)arm->valid, "distinct", (json_int_t)arm->n_firsts, "compared",
                     (json_int_t)compared, "satisfied",
                     (json_int_t)comparison->satisfied[guided], "judged_exactly",
                     (json_int_t)judged_exactly(arm, compared));
}

/* satisfied guided / satisfied unguided; null when no unguided one is, or an arm did not run.
 */
static json_t *ratio(const struct tally_arm arms[2], const struct comparison *comparison)
{
    const uint32_t *counts = comparison->satisfied;
    return arms[0].samples && arms[1].samples && counts[0]
               ? json_real((double)counts[1] / counts[0])
               : json_null();
}

static void emit_report(const struct task *task, const struct tally *tally,
                        const struct comparison *comparison)
{
    json_t *rejected = json_object();
    for (uint32_t i = 0; i < tally->n_reasons; i++)
        (void)json_object_set_new(rejected, tally->reasons[i].what,
                                  json_integer((json_int_t)tally->reasons[i].count));
    json_t *root = json_object();
    (void)json_object_set_new(root, "by",
                              json_string(comparison->exactly ? "exact" : "predicted"));
    (void)json_object_set_new(root, "guided", arm_report(&tally->arms[1], comparison, true));
    (void)json_object_set_new(root, "ratio", ratio(tally->arms, comparison));
    (void)json_object_set_new(root, "rejected", rejected);
    (void)json_object_set_new(root, "unguided", arm_report(&tally->arms[0], comparison, false));
    char *text = json_dumps(root, JSON_SORT_KEYS | JSON_INDENT(1) | JSON_REAL_PRECISION(6));
    task_emit(task, "report", text ? span_text(text) : (struct span){0});
    free(text);
    json_decref(root);
}

/* ---- the table ---- */

/* What the planner looks at. */
struct table {
    uint32_t n;       /* rows */
    uint32_t meeting; /* rows that meet the targets, as far as is known */
    uint32_t added;   /* rows with a protostructure that no row had before */
};

/* The valid ones of the arm that counts, of the table before and of this round, best first.
 * Returns how many; caller frees *ret. */
static uint32_t rank_all(const struct ranking *ranking, const struct arm *arm, bool guided,
                         const struct candidate ***ret)
{
    const struct candidates *earlier = &ranking->earlier;
    const struct candidate **list = mem_new((size_t)earlier->n + arm->n, sizeof *list);
    uint32_t n = 0;
    for (uint32_t i = 0; i < earlier->n; i++)
        if (earlier->items[i].guided == guided)
            list[n++] = &earlier->items[i];
    if (arm->n)
        memcpy(list + n, arm->items, arm->n * sizeof *list);
    n += arm->n;
    qsort(list, n, sizeof *list, compare_ranks);
    *ret = list;
    n = keep_distinct(list, n);
    return n < ranking->want ? n : (uint32_t)ranking->want;
}

static struct table describe(const struct candidates *earlier,
                             const struct candidate *const *list, uint32_t n)
{
    struct table table = {.n = n};
    cleanup(free_ptr) struct hash *known = mem_new(earlier->n, sizeof *known);
    for (uint32_t i = 0; i < earlier->n; i++)
        known[i] = proto_hash(&earlier->items[i]);
    qsort(known, earlier->n, sizeof *known, compare_hashes);
    for (uint32_t i = 0; i < n; i++) {
        struct hash proto = proto_hash(list[i]);
        table.meeting += verdict_of(list[i]) == VERDICT_YES;
        table.added += !bsearch(&proto, known, earlier->n, sizeof *known, compare_hashes);
    }
    return table;
}

static struct table emit_table(const struct task *task, const struct ranking *ranking,
                               const struct arm *arm, bool guided)
{
    cleanup(free_ptr) const struct candidate **list = NULL;
    const struct candidates *like = &ranking->scored[0];
    struct candidates out = {.n_properties = like->n_properties};
    struct buf bytes = {0};
    out.n = rank_all(ranking, arm, guided, &list);
    memcpy(out.properties, like->properties, sizeof out.properties);
    out.items = mem_new(out.n, sizeof *out.items);
    for (uint32_t i = 0; i < out.n; i++)
        out.items[i] = *list[i]; /* borrowed: only for encoding */
    candidates_encode(&out, &bytes);
    task_emit(task, "candidates", buf_span(&bytes));
    buf_done(&bytes);
    free(out.items);
    return describe(&ranking->earlier, list, out.n);
}

/* ---- the task ---- */

static void emit_summary(const struct task *task, const struct table *table,
                         const struct comparison *comparison)
{
    const struct {
        const char *key;
        uint64_t value;
    } rows[] = {{"added", table->added},
                {"distinct", table->n},
                {"guided", comparison->compared[1]},
                {"guided_satisfied", comparison->satisfied[1]},
                {"meeting", table->meeting},
                {"unguided", comparison->compared[0]},
                {"unguided_satisfied", comparison->satisfied[0]}};
    enum { ROWS = sizeof rows / sizeof rows[0] };
    struct buf bytes = {0};
    struct pack pack;
    pack_init(&pack, &bytes);
    pack_map(&pack, ROWS);
    for (int i = 0; i < ROWS; i++) {
        pack_key(&pack, rows[i].key);
        pack_u64(&pack, rows[i].value);
    }
    task_summary(task, buf_span(&bytes));
    buf_done(&bytes);
}

static void emit_tally(const struct task *task, const struct tally *tally)
{
    struct buf bytes = {0};
    tally_encode(tally, &bytes);
    task_emit(task, "tally", buf_span(&bytes));
    buf_done(&bytes);
}

static bool same_properties(const struct candidates *a, const struct candidates *b)
{
    bool same = a->n_properties == b->n_properties;
    for (uint32_t p = 0; same && p < a->n_properties; p++)
        same = !strcmp(a->properties[p].name, b->properties[p].name);
    return same;
}

static int read_scored(const struct task *task, uint32_t first, struct ranking *ranking,
                       struct err *err)
{
    ranking->scored = mem_new(task->n_inputs - first, sizeof *ranking->scored);
    for (uint32_t k = first; k < task->n_inputs; k++) {
        struct candidates *batch = &ranking->scored[ranking->n_scored];
        int rc = candidates_decode(task->inputs[k], batch, err);
        if (rc)
            return err_context(err, rc, "input %u", k);
        ranking->n_scored++;
        if (!same_properties(batch, ranking->again ? &ranking->earlier : &ranking->scored[0]))
            return err_set(err, ERR_CORRUPT,
                           "input %u was scored with other properties than input 0", k);
    }
    return 0;
}

/* Candidates and tally of the rounds before, if there were any; then the scored batches. */
static int read_inputs(const struct task *task, struct ranking *ranking, struct err *err)
{
    enum { EARLIER_INPUTS = 2 };
    uint32_t first = ranking->again ? EARLIER_INPUTS : 0;
    if (task->n_inputs <= first)
        return err_set(err, ERR_INVALID, "rank without candidates: %u inputs", task->n_inputs);
    int rc = 0;
    if (ranking->again)
        rc = candidates_decode(task->inputs[0], &ranking->earlier, err);
    if (!rc && ranking->again)
        rc = tally_decode(task->inputs[1], &ranking->tally, err);
    return rc ? rc : read_scored(task, first, ranking, err);
}

static void rank_inputs(const struct task *task, struct ranking *ranking)
{
    struct arm arms[2];
    for (int guided = 0; guided < 2; guided++) {
        arm_init(&arms[guided], ranking, guided);
        tally_add(&ranking->tally, guided, &arms[guided]);
    }
    bool guided = ranking->tally.arms[1].samples > 0;
    struct comparison comparison = compare_arms(ranking->tally.arms);
    struct table table = emit_table(task, ranking, &arms[guided], guided);
    emit_report(task, &ranking->tally, &comparison);
    emit_tally(task, &ranking->tally);
    emit_summary(task, &table, &comparison);
    free(arms[0].items);
    free(arms[1].items);
}

static void ranking_done(struct ranking *ranking)
{
    for (uint32_t k = 0; k < ranking->n_scored; k++)
        candidates_done(&ranking->scored[k]);
    free(ranking->scored);
    candidates_done(&ranking->earlier);
    tally_done(&ranking->tally);
}

int rank_run(const struct task *task, struct err *err)
{
    struct targets targets;
    struct ranking ranking = {.want = 0};
    int rc = value_bool(value_get(task->params, "again"), "again", &ranking.again, err);
    if (!rc)
        rc = targets_unpack(value_get(task->params, "targets"), &targets, err);
    if (!rc)
        rc =
            value_u64(value_get(task->params, "want"), "want", 1, WANT_MAX, &ranking.want, err);
    if (rc)
        return err_context(err, rc, "params of rank");
    rc = read_inputs(task, &ranking, err);
    if (!rc)
        rank_inputs(task, &ranking);
    ranking_done(&ranking);
    return rc;
}
