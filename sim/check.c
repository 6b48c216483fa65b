/* The promises, checked after every step: see docs/testing of the simulator in sim.h.
 *
 *   1  what was acknowledged (results, campaigns) is durable then and ever after
 *   2  one committed result per action, never another one in its place
 *   3  no task is leased whose result is durable, or that is in quarantine
 *   4  a task that is leased has its inputs
 *   5  in the end the store is whole, every result is the true one, a new planner fed from the
 *      store stands where the old one stood, and the candidates are those of an undisturbed run
 *   6  without faults every task is leased once, and once more, elsewhere, when it takes long
 *   7  everything ends in bounded time (world.c)
 *   8  gc frees nothing that the campaign needs, and nothing that somebody put a moment ago
 *   9  nothing is begun of a campaign that is paused
 *  10  events that the client was told are in the log in the end, in their places
 *  11  a task is in the hands of one worker, or of two of which the log says that they race
 *  12  no more tasks have results than the budget says; of time, no round begins when it is
 *      used up, and the account is the sum of what the event log says, to the microsecond
 *  13  a mark gives what a replay from the beginning gives
 *  14  a plan remembers no more than what comes before rounds, and one round
 *  15  an audit that is over says of a result that was computed for it whether it is true
 *  16  a task is leased to a worker that has what it needs; together, what a worker's leases
 *      need is never more than it has */
#include "sim/sim.h"

#include "broker/reach.h"
#include "common/mem.h"
#include "proto/attempt.h"
#include "proto/event.h"
#include "proto/kinds.h"

#include <stdio.h>
#include <stdlib.h>

enum { FACTS_MAX = 1024, LEASES_SEEN = 256 };

struct sim_checks {
    struct hash acked[FACTS_MAX]; /* tasks whose results were acknowledged */
    uint32_t n_acked;
    struct hash committed[FACTS_MAX];
    uint32_t n_committed;
    uint32_t n_before_round; /* of them, before this round of the broker */
    uint64_t round_us;
    bool submitted;                   /* the campaign was acknowledged */
    struct hash recovered[FACTS_MAX]; /* tasks that ran again to bring back what gc freed */
    uint32_t n_recovered;
    struct put {
        struct hash id;
        uint64_t time_us;
    } puts[FACTS_MAX]; /* objects that this broker run said it has, and when it said so last */
    uint32_t n_puts;
    struct lease_seen {
        struct hash task;
        uint64_t epoch, time_us;
        uint32_t attempt, node;
    } leased[LEASES_SEEN]; /* the last ones that went out, a ring */
    uint32_t n_leased;
    struct offered {
        struct hash task;
        uint64_t epoch;
        uint32_t attempt;
        bool deviates;
    } * offered; /* results, as workers said them */
    size_t n_offered, offered_capacity;
};

struct sim_checks *sim_checks_new(struct sim *sim)
{
    (void)sim;
    return mem_new(1, sizeof(struct sim_checks));
}

void sim_checks_free(struct sim_checks *checks)
{
    if (checks)
        free(checks->offered);
    free(checks);
}

void sim_check_offered(struct sim *sim, const struct message_outcome *outcome, bool deviates)
{
    struct sim_checks *checks = sim->checks;
    mem_reserve(checks->offered, checks->offered_capacity, checks->n_offered + 1);
    checks->offered[checks->n_offered++] =
        (struct offered){outcome->task, outcome->epoch, outcome->attempt, deviates};
}

static bool has(const struct hash *list, uint32_t n, const struct hash *hash)
{
    for (uint32_t i = 0; i < n; i++)
        if (hash_equal(&list[i], hash))
            return true;
    return false;
}

static void add(struct sim *sim, struct hash *list, uint32_t *n, const struct hash *hash)
{
    if (*n == FACTS_MAX)
        sim_fail(sim, "more than %d tasks", FACTS_MAX);
    else
        list[(*n)++] = *hash;
}

static struct span hash_key(const struct hash *hash)
{
    return (struct span){hash->bytes, HASH_SIZE};
}

static bool is_durable(struct sim *sim, enum table table, const struct hash *id)
{
    return sim_disk_is_durable(sim->disk, table, hash_key(id));
}

static bool is_there(struct sim *sim, enum table table, struct span key)
{
    struct span value;
    struct backend *backend = sim_disk_backend(sim->disk);
    return backend->ops->get(backend, table, key, &value, NULL) == 0;
}

/* NULL: not among the last that went out. */
static const struct lease_seen *lease_seen(const struct sim_checks *checks,
                                           const struct message_lease *lease, uint32_t attempt)
{
    uint32_t n = checks->n_leased < LEASES_SEEN ? checks->n_leased : LEASES_SEEN;
    for (uint32_t i = 0; i < n; i++)
        if (hash_equal(&checks->leased[i].task, &lease->task) &&
            checks->leased[i].epoch == lease->epoch && checks->leased[i].attempt == attempt)
            return &checks->leased[i];
    return NULL;
}

/* Does this LEASE begin an attempt? */
static bool is_new(struct sim *sim, uint32_t to, const struct message_lease *lease)
{
    struct sim_checks *checks = sim->checks;
    if (lease_seen(checks, lease, lease->attempt))
        return false;
    checks->leased[checks->n_leased++ % LEASES_SEEN] =
        (struct lease_seen){lease->task, lease->epoch, sim->now_us, lease->attempt, to};
    return true;
}

/* Nothing went wrong: a second attempt is there because the first takes long. */
static void check_calm_lease(struct sim *sim, uint32_t to, const struct message_lease *lease)
{
    uint32_t number = lease->attempt % (1 << ATTEMPT_BITS); /* of those for one reason */
    const struct lease_seen *first = lease_seen(sim->checks, lease, lease->attempt - 1);
    char hex[HASH_HEX_SIZE];
    if (number > 2 || (number == 2 && (!first || first->node == to)))
        sim_fail(sim, "task %.16s is leased again, and nothing went wrong",
                 hash_hex(&lease->task, hex));
    else if (lease->attempt == 2 && sim->now_us - first->time_us < (SIM_RACE_MS - 1) * 1000)
        sim_fail(sim, "task %.16s is raced after %.3f s", hash_hex(&lease->task, hex),
                 (double)(sim->now_us - first->time_us) * 1e-6);
}

/* Has worker `w` what the campaign asks for, and enough of it? */
static void check_needs(struct sim *sim, uint32_t w, const struct action *action,
                        const struct message_lease *lease)
{
    const struct sim_worker *worker = sim->workers[w];
    const struct needs *needs =
        &sim_client_campaign(sim->client)->needs[kind_find(action->kind)];
    const char *at = needs->tags;
    char tag[TAG_SIZE], hex[HASH_HEX_SIZE];
    (void)hash_hex(&lease->task, hex);
    if (lease->memory != needs->memory_bytes || lease->time_ms != needs->time_ms)
        sim_fail(sim, "task %.16s is leased with other limits than the campaign has", hex);
    if (needs->memory_bytes > sim_worker_memory(worker))
        sim_fail(sim, "task %.16s is leased to a worker that has too little memory", hex);
    while (tags_next(&at, tag))
        if (!sim_worker_has_tag(worker, tag))
            sim_fail(sim, "task %.16s is leased to a worker without tag %s", hex, tag);
}

/* After a round: is no worker given more than it has? */
static void check_worker_memory(struct sim *sim)
{
    struct broker_worker worker;
    for (struct peer *peer = NULL; (peer = peers_next(sim->shell->peers, peer));)
        if (peer->worker &&
            !broker_core_worker(sim->shell->core, peer->worker, &worker, NULL) &&
            worker.leased.memory_bytes > worker.has.memory_bytes)
            sim_fail(sim, "a worker with memory %llu has leases that need %llu",
                     (unsigned long long)worker.has.memory_bytes,
                     (unsigned long long)worker.leased.memory_bytes);
}

static void check_lease(struct sim *sim, uint32_t to, const struct message_lease *lease)
{
    struct sim_checks *checks = sim->checks;
    if (checks->round_us != sim->now_us)
        checks->n_before_round = checks->n_committed;
    char hex[HASH_HEX_SIZE], ref[100];
    struct action action;
    struct err err;
    /* A lease decided before a late result came in the same round goes out with it, and a
     * REVOKE right behind. */
    bool recovers =
        recover_holds(sim->shell, &lease->task) || !attempt_same_reason(lease->attempt, 0);
    if (recovers && !has(checks->recovered, checks->n_recovered, &lease->task))
        add(sim, checks->recovered, &checks->n_recovered, &lease->task);
    if (!recovers && is_durable(sim, TABLE_RESULTS, &lease->task) &&
        has(checks->committed, checks->n_before_round, &lease->task))
        sim_fail(sim, "task %.16s is leased, but its result is durable",
                 hash_hex(&lease->task, hex));
    (void)snprintf(ref, sizeof ref, "quarantine/%s", hash_hex(&lease->task, hex));
    if (sim_disk_is_durable(sim->disk, TABLE_REFS, span_text(ref)))
        sim_fail(sim, "task %.16s is leased, but it is in quarantine", hex);
    if (action_decode(lease->action, &action, &err)) {
        sim_fail(sim, "a leased action cannot be read: %s", err.text);
        return;
    }
    for (uint32_t i = 0; i < action.n_inputs; i++)
        if (!is_there(sim, TABLE_OBJECTS, hash_key(&action.inputs[i])))
            sim_fail(sim, "task %.16s is leased, but its input %u is not there", hex, i);
    check_needs(sim, to - SIM_WORKER_FIRST, &action, lease);
    check_worker_memory(sim);
    action_done(&action);
    if (is_new(sim, to, lease) && attempt_same_reason(lease->attempt, 0) &&
        sim_client_has_paused(sim->client) && !sim->faults.rot)
        sim_fail(sim, "task %.16s is begun, but the campaign is paused",
                 hash_hex(&lease->task, hex));
    if (sim->faults.end_us == 0)
        check_calm_lease(sim, to, lease);
}

static void check_ack(struct sim *sim, const struct hash *task)
{
    struct sim_checks *checks = sim->checks;
    char hex[HASH_HEX_SIZE];
    if (!is_there(sim, TABLE_RESULTS, hash_key(task)))
        return; /* it failed, or is not wanted */
    if (!is_durable(sim, TABLE_RESULTS, task))
        sim_fail(sim, "the result of task %.16s is acknowledged before it is durable",
                 hash_hex(task, hex));
    else if (!has(checks->acked, checks->n_acked, task))
        add(sim, checks->acked, &checks->n_acked, task);
}

static void note_put(struct sim *sim, const struct hash *id)
{
    struct sim_checks *checks = sim->checks;
    uint32_t i = 0;
    while (i < checks->n_puts && !hash_equal(&checks->puts[i].id, id))
        i++;
    if (!is_there(sim, TABLE_OBJECTS, hash_key(id)))
        return; /* only a part of it is there */
    if (i == checks->n_puts && checks->n_puts < FACTS_MAX)
        checks->n_puts++;
    if (i < FACTS_MAX)
        checks->puts[i] = (struct put){*id, sim->now_us};
}

/* ---- gc ---- */

/* A plan that stands where the store's results bring it. */
struct need {
    const struct hash *id;
    bool object;       /* not a result */
    bool needed, made; /* made: by an action whose result is there */
    bool trained_on;   /* a train-step that has a result took it as input */
    uint32_t round;    /* made in it; 0: before rounds */
    bool outlived;     /* a later round is ranked, and rounds have no limit */
    char type[OBJECT_TYPE_SIZE];
};

static void look_at_result(struct need *need, const struct action *action,
                           const struct result *result, uint32_t round)
{
    need->needed = need->needed || hash_equal(need->id, &result->action);
    for (uint32_t i = 0; need->object && i < result->n_outputs; i++)
        if (hash_equal(need->id, &result->outputs[i].id)) {
            need->made = true;
            need->round = round;
            memcpy(need->type, result->outputs[i].type, sizeof need->type);
        }
    for (uint32_t i = 0; i < action->n_inputs; i++)
        need->trained_on = need->trained_on || (!strcmp(action->kind, "train-step") &&
                                                hash_equal(need->id, &action->inputs[i]));
}

/* A plan that is over because one task failed has not handed out all that it knows. */
static void look_at_known(struct sim *sim, struct need *need, const struct planner *planner)
{
    uint32_t cursor = 0;
    struct hash id;
    while (planner_next_known(planner, &cursor, &id)) {
        struct result result = {0};
        struct action action = {0};
        struct buf bytes = {0};
        if (store_get_result(sim->shell->store, &id, &result, NULL) == 0 &&
            store_get(sim->shell->store, &id, &bytes, NULL) == 0 &&
            action_decode(buf_span(&bytes), &action, NULL) == 0)
            look_at_result(need, &action, &result, planner_rounds(planner));
        result_done(&result);
        action_done(&action);
        buf_done(&bytes);
    }
}

static void look_at_plan(struct sim *sim, struct need *need)
{
    struct planner *planner = NULL;
    const struct action *action;
    struct hash id;
    char ref[100], hex[HASH_HEX_SIZE];
    const struct campaign *campaign = sim_client_campaign(sim->client);
    struct hash campaign_id = sim_client_campaign_id(sim->client);
    need->needed = need->object && hash_equal(need->id, &campaign_id);
    for (uint32_t i = 0; i < campaign->n_sources; i++)
        need->needed =
            need->needed || (need->object && hash_equal(need->id, &campaign->sources[i]));
    if (planner_new(campaign, &planner, NULL) != 0)
        return;
    while (planner_next(planner, &action, &id, NULL) == 0) {
        struct result result = {0};
        if (store_get_result(sim->shell->store, &id, &result, NULL) == 0) {
            look_at_result(need, action, &result, planner_rounds(planner));
            (void)planner_result(planner, &id, &result, NULL);
            result_done(&result);
            continue;
        }
        need->needed = need->needed || hash_equal(need->id, &id);
        for (uint32_t i = 0; need->object && i < action->n_inputs; i++)
            need->needed = need->needed || hash_equal(need->id, &action->inputs[i]);
        (void)snprintf(ref, sizeof ref, "quarantine/%s", hash_hex(&id, hex));
        if (is_there(sim, TABLE_REFS, span_text(ref)))
            planner_failed(planner, &id, "in quarantine");
    }
    look_at_known(sim, need, planner);
    need->outlived = campaign->rounds_max == 0 && need->round > 0 &&
                     need->round < planner_rounds_ranked(planner);
    planner_free(planner);
}

/* An object or result was erased: nobody may need it. */
static void check_freed(struct sim *sim, enum table table, const struct hash *id)
{
    struct sim_checks *checks = sim->checks;
    struct need need = {.id = id, .object = table == TABLE_OBJECTS};
    char hex[HASH_HEX_SIZE];
    (void)hash_hex(id, hex);
    for (uint32_t i = 0; need.object && i < checks->n_puts; i++)
        if (hash_equal(&checks->puts[i].id, id) &&
            sim->now_us - checks->puts[i].time_us < sim->faults.grace_ms * 1000 &&
            !is_there(sim, TABLE_PRUNED, hash_key(id)))
            sim_fail(sim, "gc frees object %.16s, which was put a moment ago", hex);
    if (!is_there(sim, TABLE_REFS, span_text("campaigns/simulated")))
        return;
    look_at_plan(sim, &need);
    bool replaced = !strcmp(need.type, "checkpoint") && need.trained_on;
    bool may_go =
        need.made && (replaced || need.outlived) && is_there(sim, TABLE_PRUNED, hash_key(id));
    if (need.needed || (need.made && !may_go))
        sim_fail(sim, "gc frees %s %.16s, which the campaign needs",
                 need.object ? "object" : "the result of task", hex);
}

static void forget(struct hash *list, uint32_t *n, const struct hash *hash)
{
    for (uint32_t i = 0; i < *n; i++)
        if (hash_equal(&list[i], hash))
            list[i--] = list[--*n];
}

static void check_campaign(struct sim *sim, const char *when)
{
    if (!sim_disk_is_durable(sim->disk, TABLE_REFS, span_text("campaigns/simulated")))
        sim_fail(sim, "the campaign was acknowledged, and is not durable %s", when);
}

void sim_check_sent(struct sim *sim, uint32_t to, struct span frame)
{
    struct message message;
    struct err err;
    struct buf line = {0};
    if (message_decode(frame, &message, &err)) {
        sim_fail(sim, "the broker sends what cannot be read: %s", err.text);
        return;
    }
    if (message.type != MESSAGE_TYPE_status) {
        message_print(&message, &line);
        sim_tell(sim, "broker to %u: %s", to, buf_text(&line));
        buf_done(&line);
    }
    if (message.type == MESSAGE_TYPE_lease)
        check_lease(sim, to, &message.lease);
    if (message.type == MESSAGE_TYPE_blob_state && !message.blob_state.problem.text[0])
        note_put(sim, &message.blob_state.id);
    if (message.type == MESSAGE_TYPE_ack)
        check_ack(sim, &message.ack.task);
    if (message.type == MESSAGE_TYPE_submitted && !message.submitted.problem.text[0]) {
        check_campaign(sim, "then");
        sim->checks->submitted = true;
    }
}

void sim_check_commit(struct sim *sim, enum table table, struct span key, bool existed,
                      struct span before, struct span after)
{
    struct sim_checks *checks = sim->checks;
    char hex[HASH_HEX_SIZE];
    struct hash task;
    bool same = before.size == after.size &&
                (after.size == 0 || !memcmp(before.data, after.data, after.size));
    if (sim->rotten)
        return; /* a repair makes all views anew */
    if (checks->round_us != sim->now_us)
        checks->n_before_round = checks->n_committed;
    checks->round_us = sim->now_us;
    bool erased = existed && !after.data;
    if (erased && key.size == HASH_SIZE && (table == TABLE_OBJECTS || table == TABLE_RESULTS)) {
        memcpy(task.bytes, key.data, HASH_SIZE);
        check_freed(sim, table, &task);
    }
    if (table == TABLE_JOURNAL && existed && !erased && !same)
        sim_fail(sim, "a row of the journal is overwritten");
    if (table != TABLE_RESULTS || key.size != HASH_SIZE)
        return;
    memcpy(task.bytes, key.data, HASH_SIZE);
    if (erased) {
        forget(checks->committed, &checks->n_committed, &task);
        forget(checks->acked, &checks->n_acked, &task);
        checks->n_before_round = checks->n_committed;
    } else if (existed && !same)
        sim_fail(sim, "task %.16s gets a second result", hash_hex(&task, hex));
    else if (!existed && after.data && has(checks->committed, checks->n_committed, &task))
        sim_fail(sim, "the result of task %.16s is committed twice", hash_hex(&task, hex));
    else if (!existed && after.data)
        add(sim, checks->committed, &checks->n_committed, &task);
    uint32_t budget = sim_client_campaign(sim->client)->budget_tasks;
    if (budget && checks->n_committed > budget)
        sim_fail(sim, "%u tasks have results, and the budget is %u", checks->n_committed,
                 budget);
}

/* What a repair gave up is no fact any more. */
static void keep_durable(struct sim *sim, enum table table, struct hash *list, uint32_t *n)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < *n; i++)
        if (is_durable(sim, table, &list[i]))
            list[kept++] = list[i];
    *n = kept;
}

void sim_check_restart(struct sim *sim)
{
    struct sim_checks *checks = sim->checks;
    char hex[HASH_HEX_SIZE];
    checks->n_puts = 0;
    if (sim->faults.rot) {
        keep_durable(sim, TABLE_RESULTS, checks->acked, &checks->n_acked);
        keep_durable(sim, TABLE_RESULTS, checks->committed, &checks->n_committed);
        checks->n_before_round = checks->n_committed;
        checks->submitted =
            checks->submitted &&
            sim_disk_is_durable(sim->disk, TABLE_REFS, span_text("campaigns/simulated"));
    }
    for (uint32_t i = 0; i < checks->n_acked; i++)
        if (!is_durable(sim, TABLE_RESULTS, &checks->acked[i]))
            sim_fail(sim, "the result of task %.16s was acknowledged and is lost",
                     hash_hex(&checks->acked[i], hex));
    if (checks->submitted)
        check_campaign(sim, "after a restart");
}

/* ---- the end ---- */

static void complain(void *context, const char *sentence)
{
    sim_fail(context, "the store is not whole: %s", sentence);
}

/* An entry of the event log, as far as attempts go. */
struct entry {
    char what[32], end[16], worker[64];
    struct hash task;
    uint64_t epoch, attempt, wall_us;
    bool raced;
};

struct attempts {
    struct sim *sim;
    struct hash kept[FACTS_MAX]; /* tasks with an attempt that ended well */
    uint64_t wall_us[FACTS_MAX]; /* what the first such attempt took */
    uint32_t n;
    struct entry running[FACTS_MAX]; /* attempts that began and did not end, of one epoch */
    uint32_t n_running;
};

static bool is_of_audit(uint64_t attempt)
{
    return !attempt_same_reason((uint32_t)attempt, 0);
}

/* It says that the same came out, or something else: of an attempt that was made for it? */
static void check_audited(struct sim *sim, const struct entry *entry)
{
    const struct sim_checks *checks = sim->checks;
    char hex[HASH_HEX_SIZE];
    bool equal = !strcmp(entry->end, "equal"), found = false;
    if (!equal && strcmp(entry->end, "differs") != 0)
        return;
    (void)hash_hex(&entry->task, hex);
    if (!is_of_audit(entry->attempt))
        sim_fail(sim, "task %.16s is audited by a result from before", hex);
    for (size_t i = 0; i < checks->n_offered && !found; i++) {
        const struct offered *offered = &checks->offered[i];
        found = hash_equal(&offered->task, &entry->task) && offered->epoch == entry->epoch &&
                offered->attempt == entry->attempt && offered->deviates != equal;
    }
    if (!found)
        sim_fail(sim, "an audit of task %.16s says '%s' of a result that is not", hex,
                 entry->end);
}

/* The event log tells of one attempt per task whose result was kept. */
static void check_kept(struct attempts *attempts, const struct entry *entry)
{
    const struct sim_checks *checks = attempts->sim->checks;
    char hex[HASH_HEX_SIZE];
    if (!has(attempts->kept, attempts->n, &entry->task)) {
        attempts->wall_us[attempts->n] = entry->wall_us;
        add(attempts->sim, attempts->kept, &attempts->n, &entry->task);
    } else if (!has(checks->recovered, checks->n_recovered, &entry->task)) {
        sim_fail(attempts->sim, "two results of task %.16s were kept",
                 hash_hex(&entry->task, hex)); /* else once more, to bring back its outputs */
    }
}

/* Take out the attempt; with `all`, whatever runs of its task. */
static void stop_running(struct attempts *attempts, const struct entry *entry, bool all)
{
    for (uint32_t i = 0; i < attempts->n_running; i++)
        if (hash_equal(&attempts->running[i].task, &entry->task) &&
            (all || attempts->running[i].attempt == entry->attempt))
            attempts->running[i--] = attempts->running[--attempts->n_running];
}

static void check_begun(struct attempts *attempts, const struct entry *entry)
{
    uint32_t others = 0;
    bool at_home = false;
    char hex[HASH_HEX_SIZE];
    for (uint32_t i = 0; i < attempts->n_running; i++) {
        const struct entry *other = &attempts->running[i];
        if (!hash_equal(&other->task, &entry->task))
            continue;
        others++;
        at_home = at_home || !strcmp(other->worker, entry->worker);
    }
    if (others != entry->raced || at_home)
        sim_fail(attempts->sim, "attempt %u of task %.16s begins beside %u others%s",
                 (unsigned)entry->attempt, hash_hex(&entry->task, hex), others,
                 at_home ? " and on the same worker" : "");
    if (attempts->n_running < FACTS_MAX)
        attempts->running[attempts->n_running++] = *entry;
}

static bool read_entry(struct span event, struct entry *ret)
{
    struct document *document = NULL;
    *ret = (struct entry){.what = ""};
    if (document_parse(event, &value_limits_message, &document, NULL))
        return false; /* fsck tells */
    struct value map = document_root(document);
    (void)value_text(value_get(map, "event"), "event", ret->what, sizeof ret->what, NULL);
    (void)value_text(value_get(map, "end"), "end", ret->end, sizeof ret->end, NULL);
    (void)value_text(value_get(map, "worker"), "worker", ret->worker, sizeof ret->worker, NULL);
    (void)value_u64(value_get(map, "epoch"), "epoch", 0, UINT64_MAX, &ret->epoch, NULL);
    (void)value_u64(value_get(map, "attempt"), "attempt", 0, UINT32_MAX, &ret->attempt, NULL);
    (void)value_u64(value_get(map, "wall_us"), "wall_us", 0, UINT64_MAX, &ret->wall_us, NULL);
    ret->raced = value_present(value_get(map, "raced"));
    bool of_task = value_hash(value_get(map, "task"), "task", &ret->task, NULL) == 0;
    document_free(document);
    return of_task;
}

/* Nor does it tell of a finding: all workers give the true results. */
static int count_attempt(void *context, uint64_t sequence, struct span event)
{
    struct attempts *attempts = context;
    struct entry entry;
    (void)sequence;
    if (!read_entry(event, &entry))
        return 0;
    bool kept = !strcmp(entry.what, "attempt") && !strcmp(entry.end, "ok");
    if (attempts->n_running && attempts->running[0].epoch != entry.epoch)
        attempts->n_running = 0;
    if (!strcmp(entry.what, "unreproducible") && !attempts->sim->faults.deviate)
        sim_fail(attempts->sim, "the same result counts as another one");
    if (!strcmp(entry.what, "audited"))
        check_audited(attempts->sim, &entry);
    if (kept && !is_of_audit(entry.attempt))
        check_kept(attempts, &entry);
    if (!strcmp(entry.what, "lease"))
        check_begun(attempts, &entry);
    else if (!strcmp(entry.what, "attempt") || !strcmp(entry.what, "revoked"))
        stop_running(attempts, &entry, kept);
    return 0;
}

static int print_event(void *context, uint64_t sequence, struct span event)
{
    return event_print_json(sequence, event, context, NULL);
}

static void check_heard(struct sim *sim)
{
    struct span heard = sim_client_heard(sim->client);
    struct buf log = {0};
    (void)store_each_event(sim->shell->store, 0, print_event, &log, NULL);
    if (heard.size > log.size || (heard.size && memcmp(heard.data, log.data, heard.size) != 0))
        sim_fail(sim, "the client was told of events that are not in the log");
    buf_done(&log);
}

/* ---- budgets and memory ---- */

static uint64_t wall_of(const struct attempts *attempts, const struct hash *task)
{
    for (uint32_t i = 0; i < attempts->n; i++)
        if (hash_equal(&attempts->kept[i], task))
            return attempts->wall_us[i];
    return 0;
}

struct spending {
    const struct attempts *attempts;
    const struct replay *replay;
    uint64_t before_us; /* before the last round */
    uint64_t last_us;
    uint32_t round;
};

static void see_spent(void *context, const struct hash *task)
{
    struct spending *spending = context;
    uint32_t round = planner_rounds(spending->replay->planner);
    if (round > spending->round) {
        spending->before_us += spending->last_us;
        spending->last_us = 0;
        spending->round = round;
    }
    spending->last_us += wall_of(spending->attempts, task);
}

static void check_account(struct sim *sim, const struct attempts *attempts)
{
    const struct campaign *campaign = sim_client_campaign(sim->client);
    struct hash id = sim_client_campaign_id(sim->client);
    struct account account;
    struct replay replay = {0};
    uint64_t spent_us = 0;
    for (uint32_t i = 0; i < attempts->n; i++)
        spent_us += attempts->wall_us[i];
    if (account_load(sim->shell->store, campaign, &account, NULL) != 0 ||
        account.slot_us != spent_us)
        sim_fail(sim, "the account says %llu us, the event log %llu us",
                 (unsigned long long)account.slot_us, (unsigned long long)spent_us);
    if (replay_open(sim->shell->store, &id, &replay, NULL) != 0)
        return;
    struct spending spending = {.attempts = attempts, .replay = &replay};
    while (replay_step(sim->shell->store, &replay, UINT32_MAX, see_spent, &spending))
        continue;
    if (spending.round > 0 &&
        (double)spending.before_us >= campaign->budget_slot_hours * 3600e6)
        sim_fail(sim, "round %u was begun when its budget was used up", spending.round);
    replay_close(&replay);
}

static void check_memory(struct sim *sim)
{
    uint32_t cursor = 0, n = 0;
    struct hash id;
    uint32_t round = sim_client_round_tasks(sim->client);
    while (sim->shell->n_campaigns > 0 &&
           planner_next_known(sim->shell->campaigns[0].planner, &cursor, &id))
        n++;
    if (n > sim_client_first_tasks(sim->client) + round)
        sim_fail(sim, "the plan remembers %u tasks", n);
}

/* ---- what came out ---- */

struct rerun {
    struct sim *sim;
    struct store *store; /* NULL: the undisturbed run */
    bool marked;         /* from the mark of the account on, as after a restart */
    uint32_t missing;    /* actions without a result */
};

/* The planner from its beginning, fed with what the store has, or with the truth. */
static void rerun(struct rerun *run, struct planner_status *ret)
{
    struct planner *planner = NULL;
    const struct campaign *campaign = sim_client_campaign(run->sim->client);
    struct account account = {.rounds = 0};
    const struct action *action;
    struct hash id;
    struct err err;
    if (run->store && account_load(run->store, campaign, &account, &err) != 0)
        sim_fail(run->sim, "the account cannot be read: %s", err.text);
    if (!run->marked)
        account.mark.round = 0;
    if (account_planner(campaign, &account, &planner, &err)) {
        sim_fail(run->sim, "no planner: %s", err.text);
        return;
    }
    while (planner_next(planner, &action, &id, NULL) == 0) {
        struct result truth, result = {0};
        sim_truth(action, &id, &truth);
        if (!run->store) {
            (void)planner_result(planner, &id, &truth, &err);
        } else if (store_get_result(run->store, &id, &result, &err) == 0) {
            struct buf a = {0}, b = {0};
            result_encode(&truth, &a);
            result_encode(&result, &b);
            if (a.size != b.size || memcmp(a.data, b.data, a.size) != 0)
                sim_fail(run->sim, "the store has a result that is not the true one");
            buf_done(&a);
            buf_done(&b);
            if (planner_result(planner, &id, &result, &err))
                sim_fail(run->sim, "the store has a result that fits no plan: %s", err.text);
        } else {
            run->missing++;
            planner_failed(planner, &id, "missing");
        }
        result_done(&truth);
        result_done(&result);
    }
    planner_status(planner, ret);
    planner_free(planner);
}

/* Time and operators are not told by results: there is no undisturbed run to compare with. */
static void check_outcome(struct sim *sim)
{
    struct planner_status truth = {0}, found = {0}, again = {0};
    struct rerun undisturbed = {.sim = sim};
    struct rerun stored = {.sim = sim, .store = sim->shell->store, .marked = true};
    struct rerun replayed = {.sim = sim, .store = sim->shell->store};
    const struct sim_faults *faults = &sim->faults;
    bool lost = faults->slot_crash || faults->lie || (faults->sick && !sim_is_steady(sim));
    if (faults->ending == SIM_ENDS_CANCEL)
        return;
    rerun(&stored, &found);
    if (stored.missing > 0 && !lost)
        sim_fail(sim, "the campaign is over, and %u results are missing", stored.missing);
    rerun(&replayed, &again);
    if (stored.missing == 0 && replayed.missing == 0 &&
        (!hash_equal(&again.candidates, &found.candidates) || again.state != found.state ||
         again.finished != found.finished || again.bytes != found.bytes ||
         again.rounds != found.rounds || strcmp(again.note, found.note) != 0))
        sim_fail(sim, "a mark gives %llu tasks in %u rounds, a replay %llu in %u",
                 (unsigned long long)found.finished, found.rounds,
                 (unsigned long long)again.finished, again.rounds);
    if (faults->ending == SIM_ENDS_TIME)
        return;
    rerun(&undisturbed, &truth);
    /* what was lost in a round that a mark is behind stays lost */
    if (stored.missing == 0 && found.failed == 0 &&
        !hash_equal(&truth.candidates, &found.candidates))
        sim_fail(sim, "the candidates are not those of an undisturbed run");
}

void sim_check_end(struct sim *sim)
{
    struct store_check check;
    struct err err;
    if (!sim->shell) {
        sim->faults.end_us = 0; /* nothing goes wrong any more */
        sim->nodes[SIM_BROKER].up = true;
        sim_broker_start(sim);
    }
    if (!sim->shell || sim->failed) {
        sim_fail(sim, "the broker does not start at the end");
        return;
    }
    if (store_fsck(sim->shell->store, complain, sim, &check, &err))
        sim_fail(sim, "the store cannot be checked: %s", err.text);
    if (!sim->faults.rot) {
        struct attempts *attempts = mem_new(1, sizeof *attempts);
        attempts->sim = sim;
        (void)store_each_event(sim->shell->store, 0, count_attempt, attempts, NULL);
        check_heard(sim);
        if (sim->faults.ending == SIM_ENDS_TIME)
            check_account(sim, attempts);
        free(attempts);
    }
    check_memory(sim);
    check_outcome(sim);
}
