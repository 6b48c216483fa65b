/* The promises, checked after every step: see docs/testing of the simulator in sim.h.
 *
 *   1  what was acknowledged (results, campaigns) is durable then and ever after
 *   2  one committed result per action, never another one in its place
 *   3  no task is leased whose result is durable, or that is in quarantine
 *   4  a task that is leased has its inputs
 *   5  in the end the store is whole, every result is the true one, a new planner fed from the
 *      store stands where the old one stood, and the candidates are those of an undisturbed run
 *   6  without faults every task is leased once
 *   7  everything ends in bounded time (world.c)
 *   8  gc frees nothing that the campaign needs, and nothing that somebody put a moment ago
 *   9  nothing is begun of a campaign that is paused
 *  10  events that the client was told are in the log in the end, in their places
 *  11  a task is leased to a worker that has what it needs; together, what a worker's leases
 * need is never more than it has */
#include "sim/sim.h"

#include "common/mem.h"
#include "proto/event.h"
#include "proto/kinds.h"

#include <stdio.h>
#include <stdlib.h>

enum { FACTS_MAX = 512, LEASES_SEEN = 256 };

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
        uint64_t epoch;
        uint32_t attempt;
    } leased[LEASES_SEEN]; /* the last ones that went out, a ring */
    uint32_t n_leased;
};

struct sim_checks *sim_checks_new(struct sim *sim)
{
    (void)sim;
    return mem_new(1, sizeof(struct sim_checks));
}

void sim_checks_free(struct sim_checks *checks)
{
    free(checks);
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

/* Does this LEASE begin an attempt? */
static bool is_new(struct sim_checks *checks, const struct message_lease *lease)
{
    uint32_t n = checks->n_leased < LEASES_SEEN ? checks->n_leased : LEASES_SEEN;
    for (uint32_t i = 0; i < n; i++)
        if (hash_equal(&checks->leased[i].task, &lease->task) &&
            checks->leased[i].epoch == lease->epoch &&
            checks->leased[i].attempt == lease->attempt)
            return false;
    checks->leased[checks->n_leased++ % LEASES_SEEN] =
        (struct lease_seen){lease->task, lease->epoch, lease->attempt};
    return true;
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
static void check_memory(struct sim *sim)
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

static void check_lease(struct sim *sim, uint32_t w, const struct message_lease *lease)
{
    struct sim_checks *checks = sim->checks;
    if (checks->round_us != sim->now_us)
        checks->n_before_round = checks->n_committed;
    char hex[HASH_HEX_SIZE], ref[100];
    struct action action;
    struct err err;
    /* A lease decided before a late result came in the same round goes out with it, and a
     * REVOKE right behind. */
    bool recovers = recover_holds(sim->shell, &lease->task);
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
    check_needs(sim, w, &action, lease);
    check_memory(sim);
    action_done(&action);
    if (is_new(checks, lease) && sim_client_has_paused(sim->client) && !sim->faults.rot)
        sim_fail(sim, "task %.16s is begun, but the campaign is paused",
                 hash_hex(&lease->task, hex));
    if (lease->attempt > 1 && sim->faults.end_us == 0)
        sim_fail(sim, "task %.16s is leased again, and nothing went wrong", hex);
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
    char type[OBJECT_TYPE_SIZE];
};

static void look_at_result(struct need *need, const struct action *action,
                           const struct result *result)
{
    need->needed = need->needed || hash_equal(need->id, &result->action);
    for (uint32_t i = 0; need->object && i < result->n_outputs; i++)
        if (hash_equal(need->id, &result->outputs[i].id)) {
            need->made = true;
            memcpy(need->type, result->outputs[i].type, sizeof need->type);
        }
    for (uint32_t i = 0; i < action->n_inputs; i++)
        need->trained_on = need->trained_on || (!strcmp(action->kind, "train-step") &&
                                                hash_equal(need->id, &action->inputs[i]));
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
            look_at_result(need, action, &result);
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
    bool may_go = need.made && !strcmp(need.type, "checkpoint") && need.trained_on &&
                  is_there(sim, TABLE_PRUNED, hash_key(id));
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
        check_lease(sim, to - SIM_WORKER_FIRST, &message.lease);
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

struct attempts {
    struct sim *sim;
    struct hash kept[FACTS_MAX]; /* tasks with an attempt that ended well */
    uint32_t n;
};

/* The event log tells of one attempt per task whose result was kept, and of no finding: all
 * workers give the true results. */
static int count_attempt(void *context, uint64_t sequence, struct span event)
{
    struct attempts *attempts = context;
    struct document *document = NULL;
    char what[32] = "", end[16] = "", hex[HASH_HEX_SIZE];
    struct hash task;
    (void)sequence;
    if (document_parse(event, &value_limits_message, &document, NULL))
        return 0; /* fsck tells */
    struct value map = document_root(document);
    (void)value_text(value_get(map, "event"), "event", what, sizeof what, NULL);
    (void)value_text(value_get(map, "end"), "end", end, sizeof end, NULL);
    if (!strcmp(what, "unreproducible"))
        sim_fail(attempts->sim, "the same result counts as another one");
    if (!strcmp(what, "attempt") && !strcmp(end, "ok") &&
        value_hash(value_get(map, "task"), "task", &task, NULL) == 0) {
        if (has(attempts->sim->checks->recovered, attempts->sim->checks->n_recovered, &task))
            ; /* once more, to bring back its outputs */
        else if (has(attempts->kept, attempts->n, &task))
            sim_fail(attempts->sim, "two results of task %.16s were kept",
                     hash_hex(&task, hex));
        else
            add(attempts->sim, attempts->kept, &attempts->n, &task);
    }
    document_free(document);
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

struct replay {
    struct sim *sim;
    struct store *store; /* NULL: the undisturbed run */
    uint32_t missing;    /* actions without a result */
};

/* The planner from its beginning, fed with what the store has, or with the truth. */
static void replay(struct replay *run, struct planner_status *ret)
{
    struct planner *planner = NULL;
    const struct action *action;
    struct hash id;
    struct err err;
    if (planner_new(sim_client_campaign(run->sim->client), &planner, &err)) {
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

void sim_check_end(struct sim *sim)
{
    struct planner_status truth = {0}, found = {0};
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
        struct attempts attempts = {.sim = sim};
        (void)store_each_event(sim->shell->store, 0, count_attempt, &attempts, NULL);
        check_heard(sim);
    }
    struct replay undisturbed = {.sim = sim}, stored = {.sim = sim, .store = sim->shell->store};
    replay(&undisturbed, &truth);
    replay(&stored, &found);
    bool lost =
        sim->faults.slot_crash || sim->faults.lie || (sim->faults.sick && !sim_is_steady(sim));
    if (stored.missing > 0 && !lost)
        sim_fail(sim, "the campaign is over, and %u results are missing", stored.missing);
    if (stored.missing == 0 && !hash_equal(&truth.candidates, &found.candidates))
        sim_fail(sim, "the candidates are not those of an undisturbed run");
}
