/* A worker of the simulator: what workers/runtime does, over simulated time. Its cache outlives
 * its process, as the folder on disk does. */
#include "sim/sim.h"

#include "common/mem.h"
#include "proto/attempt.h"
#include "proto/kinds.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    MS = 1000,
    HELLO_US = 1000 * MS,
    REPEAT_US = 2000 * MS,
    OFFER_US = 1500 * MS,
    STEP_US = 100 * MS,
    ATTEMPTS_HELD_MAX = 64,
    OUTPUTS = 3,
    SICK_CRASHES_MAX = 12, /* 4 that are proofs, and those on their way meanwhile */
    LIE_OFFERS = 4,        /* then a liar loses interest */
    HANG_PER_65536 = 20000,
};

enum state { FETCH, READY, RUN, PUT, OFFER };

struct blob {
    struct hash id;
    struct buf bytes;
};

struct attempt {
    enum state state;
    struct hash task;
    struct action action;
    uint64_t epoch;
    uint32_t number;
    uint64_t wall_us;            /* how long it runs */
    uint64_t due_us;             /* RUN: its end; else when to say it again */
    enum attempt_end end;        /* from OFFER on */
    struct result result;        /* from PUT on */
    struct buf outputs[OUTPUTS]; /* likewise */
    uint64_t accepted[OUTPUTS];  /* bytes of each that the broker has */
    uint32_t lie, offers;
    bool deviates;
    uint64_t memory; /* that it may use */
};

enum lie { LIE_NONE, LIE_WRONG_BYTES, LIE_NOT_PUT, LIE_FOREIGN, LIE_GARBAGE, LIES };

struct sim_worker {
    struct sim *sim;
    uint32_t node;
    struct rng rng;
    uint64_t boot;
    uint32_t slots;
    uint64_t memory;
    const char *tags;
    /* of the process */
    uint64_t epoch, hello_us, alive_us, heartbeat_us;
    uint32_t hellos; /* not answered */
    bool welcomed, leaving;
    uint32_t crashes; /* for being sick */
    struct attempt *held[ATTEMPTS_HELD_MAX];
    uint32_t n_held;
    struct blob fetching; /* one at a time; size 0: none */
    bool is_fetching;
    uint64_t fetch_us;
    /* of the machine */
    struct blob *cache;
    size_t n_cache, cache_capacity;
};

struct sim_worker *sim_worker_new(struct sim *sim, uint32_t node)
{
    struct sim_worker *worker = mem_new(1, sizeof *worker);
    worker->sim = sim;
    worker->node = node;
    worker->rng = rng_stream(sim->seed, 10, node, 0);
    worker->slots = 1 + rng_below(&worker->rng, 3);
    /* The first one has all; the sick one must not be the only one that has it. */
    bool first = node == SIM_WORKER_FIRST || sim->faults.sick == SIM_WORKER_FIRST;
    worker->memory = first || node % 2 ? SIM_MEMORY : SIM_MEMORY / 2;
    worker->tags = first ? "big,odd" : node % 3 ? "big" : "";
    return worker;
}

uint64_t sim_worker_memory(const struct sim_worker *worker)
{
    return worker->memory;
}

bool sim_worker_has_tag(const struct sim_worker *worker, const char *tag)
{
    return strstr(worker->tags, tag) != NULL;
}

static void attempt_free(struct attempt *attempt)
{
    action_done(&attempt->action);
    result_done(&attempt->result);
    for (int i = 0; i < OUTPUTS; i++)
        buf_done(&attempt->outputs[i]);
    free(attempt);
}

void sim_worker_crash(struct sim_worker *worker)
{
    for (uint32_t i = 0; i < worker->n_held; i++)
        attempt_free(worker->held[i]);
    worker->n_held = 0;
    buf_done(&worker->fetching.bytes);
    worker->is_fetching = worker->welcomed = worker->leaving = false;
    worker->crashes = 0;
}

void sim_worker_free(struct sim_worker *worker)
{
    if (!worker)
        return;
    sim_worker_crash(worker);
    for (size_t i = 0; i < worker->n_cache; i++)
        buf_done(&worker->cache[i].bytes);
    free(worker->cache);
    free(worker);
}

static void say(struct sim_worker *worker, enum channel channel, const struct message *message)
{
    struct buf frame = {0};
    message_encode(message, &frame);
    sim_send(worker->sim, worker->node, SIM_BROKER, 0, channel, buf_span(&frame));
    buf_done(&frame);
}

/* ---- being known ---- */

static void say_hello(struct sim_worker *worker)
{
    struct message message = {.type = MESSAGE_TYPE_hello,
                              .hello = {.boot = worker->boot,
                                        .slots = worker->slots,
                                        .credit = 2 * worker->slots,
                                        .memory = worker->memory}};
    struct buf kinds_text = {0}, name = {0};
    for (int k = 0; k < KIND_COUNT; k++)
        buf_print(&kinds_text, "%s%s@%u", k ? "," : "", kinds[k].name, kinds[k].revision);
    buf_print(&name, "%u:%u", worker->node, worker->sim->nodes[worker->node].generation);
    message_text_set(&message.hello.name, buf_text(&name));
    buf_done(&name);
    message_text_set(&message.hello.kinds, buf_text(&kinds_text));
    message_text_set(&message.hello.profile, "profile");
    message_text_set(&message.hello.tags, worker->tags);
    buf_done(&kinds_text);
    say(worker, CHANNEL_CONTROL, &message);
    worker->hellos++;
    worker->hello_us = worker->sim->now_us + HELLO_US;
}

void sim_worker_start(struct sim_worker *worker)
{
    worker->boot = (uint64_t)rng_u32(&worker->rng) << 32 | rng_u32(&worker->rng);
    worker->epoch = 0;
    worker->hellos = 0;
    worker->welcomed = false;
    say_hello(worker);
    sim_plan(worker->sim, STEP_US, worker->node);
}

static void on_welcome(struct sim_worker *worker, const struct message_welcome *welcome)
{
    bool renewed = worker->epoch != welcome->epoch;
    worker->epoch = welcome->epoch;
    worker->heartbeat_us = UINT64_C(1000) * welcome->heartbeat_ms;
    worker->welcomed = true;
    worker->alive_us = worker->sim->now_us + worker->heartbeat_us;
    if (worker->hellos > 0)
        worker->hellos--;
    else /* not an answer: "who are you?" */
        say_hello(worker);
    for (uint32_t i = 0; i < worker->n_held && renewed; i++) {
        struct attempt *attempt = worker->held[i];
        if (attempt->state == OFFER && attempt->end == ATTEMPT_OK)
            attempt->state = PUT;
        memset(attempt->accepted, 0, sizeof attempt->accepted);
        if (attempt->state != RUN)
            attempt->due_us = 0;
    }
    if (renewed)
        worker->fetch_us = 0;
}

/* ---- attempts ---- */

static uint32_t find_held(const struct sim_worker *worker, const struct hash *task)
{
    uint32_t i = 0;
    while (i < worker->n_held && !hash_equal(&worker->held[i]->task, task))
        i++;
    return i;
}

static void drop_held(struct sim_worker *worker, uint32_t i)
{
    attempt_free(worker->held[i]);
    worker->held[i] = worker->held[--worker->n_held];
}

static void end_with(struct sim_worker *worker, struct attempt *attempt, enum attempt_end end)
{
    attempt->state = OFFER;
    attempt->end = end;
    attempt->due_us = worker->sim->now_us;
}

static void on_lease(struct sim_worker *worker, const struct message_lease *lease)
{
    uint32_t i = find_held(worker, &lease->task);
    if (i < worker->n_held && !attempt_same_reason(worker->held[i]->number, lease->attempt)) {
        drop_held(worker, i); /* computed for another reason: anew */
        i = worker->n_held;
    }
    if (i < worker->n_held) { /* its number changes, the work does not */
        worker->held[i]->epoch = lease->epoch;
        worker->held[i]->number = lease->attempt;
        return;
    }
    if (worker->n_held == ATTEMPTS_HELD_MAX)
        return;
    struct attempt *attempt = mem_new(1, sizeof *attempt);
    *attempt = (struct attempt){.task = lease->task,
                                .epoch = lease->epoch,
                                .number = lease->attempt,
                                .memory = lease->memory};
    worker->held[worker->n_held++] = attempt;
    struct err err;
    if (action_decode(lease->action, &attempt->action, &err))
        sim_fail(worker->sim, "a leased action cannot be read: %s", err.text);
    if (worker->leaving)
        end_with(worker, attempt, ATTEMPT_REFUSED);
}

/* Give back what has not begun. */
static void on_shutdown(struct sim_worker *worker)
{
    worker->leaving = true;
    for (uint32_t i = 0; i < worker->n_held; i++)
        if (worker->held[i]->state == FETCH || worker->held[i]->state == READY)
            end_with(worker, worker->held[i], ATTEMPT_REFUSED);
}

/* Nothing is left to do: the process ends, until somebody has repaired the machine. */
static void leave(struct sim_worker *worker)
{
    struct sim *sim = worker->sim;
    struct message message = {.type = MESSAGE_TYPE_goodbye, .goodbye = {worker->epoch}};
    say(worker, CHANNEL_CONTROL, &message);
    sim_tell(sim, "node %u leaves", worker->node);
    sim_worker_crash(worker);
    sim->nodes[worker->node].up = false;
    sim_at(sim, sim_is_calm(sim) ? 1000 * MS : sim->faults.end_us - sim->now_us + MS, SIM_START,
           worker->node);
}

static const struct blob *cached(const struct sim_worker *worker, const struct hash *id)
{
    for (size_t i = 0; i < worker->n_cache; i++)
        if (hash_equal(&worker->cache[i].id, id))
            return &worker->cache[i];
    return NULL;
}

static void on_blob_data(struct sim_worker *worker, const struct message_blob_data *data)
{
    struct buf *bytes = &worker->fetching.bytes;
    if (!worker->is_fetching || !hash_equal(&worker->fetching.id, &data->id))
        return;
    if (data->total == 0) { /* the broker does not have it: every task that needs it is lost */
        for (uint32_t i = 0; i < worker->n_held; i++)
            for (uint32_t k = 0; k < worker->held[i]->action.n_inputs; k++)
                if (worker->held[i]->state == FETCH &&
                    hash_equal(&worker->held[i]->action.inputs[k], &data->id))
                    end_with(worker, worker->held[i], ATTEMPT_LOST);
        worker->is_fetching = false;
        bytes->size = 0;
        return;
    }
    if (data->offset != bytes->size)
        return;
    buf_append(bytes, data->data.data, data->data.size);
    worker->fetch_us = 0;
    if (bytes->size < data->total)
        return;
    struct hash found = hash_bytes(buf_span(bytes));
    if (!hash_equal(&found, &data->id)) {
        sim_fail(worker->sim, "an object arrived with other bytes than its name");
    } else {
        mem_reserve(worker->cache, worker->cache_capacity, worker->n_cache + 1);
        worker->cache[worker->n_cache++] = worker->fetching;
        worker->fetching = (struct blob){0};
    }
    bytes->size = 0;
    worker->is_fetching = false;
}

static void on_blob_state(struct sim_worker *worker, const struct message_blob_state *state)
{
    for (uint32_t i = 0; i < worker->n_held; i++) {
        struct attempt *attempt = worker->held[i];
        for (uint32_t k = 0; attempt->state == PUT && k < attempt->result.n_outputs; k++)
            if (hash_equal(&attempt->result.outputs[k].id, &state->id)) {
                attempt->accepted[k] = state->problem.text[0] && attempt->lie
                                           ? attempt->result.outputs[k].size
                                           : state->next;
                attempt->due_us =
                    state->wait_ms ? worker->sim->now_us + UINT64_C(1000) * state->wait_ms : 0;
            }
    }
}

void sim_worker_frame(struct sim_worker *worker, struct span frame)
{
    struct message message;
    struct err err;
    if (message_decode(frame, &message, &err)) {
        sim_fail(worker->sim, "the broker sent what cannot be read: %s", err.text);
        return;
    }
    uint32_t i;
    switch ((int)message.type) {
    case MESSAGE_TYPE_welcome:
        on_welcome(worker, &message.welcome);
        break;
    case MESSAGE_TYPE_lease:
        on_lease(worker, &message.lease);
        break;
    case MESSAGE_TYPE_revoke:
        i = find_held(worker, &message.revoke.task);
        if (i < worker->n_held && worker->held[i]->epoch == message.revoke.epoch &&
            worker->held[i]->number <= message.revoke.attempt)
            drop_held(worker, i);
        break;
    case MESSAGE_TYPE_ack:
        i = find_held(worker, &message.ack.task);
        if (i < worker->n_held && worker->held[i]->state == OFFER)
            drop_held(worker, i);
        break;
    case MESSAGE_TYPE_blob_data:
        on_blob_data(worker, &message.blob_data);
        break;
    case MESSAGE_TYPE_blob_state:
        on_blob_state(worker, &message.blob_state);
        break;
    case MESSAGE_TYPE_shutdown:
        on_shutdown(worker);
        break;
    case MESSAGE_TYPE_problem:
        worker->welcomed = false;
        worker->hellos = 0;
        break;
    default:
        break;
    }
    sim_plan(worker->sim, 10, worker->node);
}

/* ---- work ---- */

static void fetch(struct sim_worker *worker, struct attempt *attempt)
{
    struct sim *sim = worker->sim;
    for (uint32_t k = 0; k < attempt->action.n_inputs; k++) {
        const struct hash *id = &attempt->action.inputs[k];
        if (cached(worker, id))
            continue;
        if (!worker->is_fetching) {
            worker->is_fetching = true;
            worker->fetching.id = *id;
            worker->fetching.bytes.size = 0;
            worker->fetch_us = 0;
        }
        if (!hash_equal(&worker->fetching.id, id) || sim->now_us < worker->fetch_us)
            return;
        struct message message = {.type = MESSAGE_TYPE_blob_get,
                                  .blob_get = {.id = *id,
                                               .offset = worker->fetching.bytes.size,
                                               .size = SIM_PART_BYTES}};
        say(worker, CHANNEL_BULK, &message);
        worker->fetch_us = sim->now_us + REPEAT_US;
        return;
    }
    attempt->state = READY;
}

static uint32_t running(const struct sim_worker *worker, uint64_t *ret_memory)
{
    uint32_t n = 0;
    *ret_memory = 0;
    for (uint32_t i = 0; i < worker->n_held; i++)
        if (worker->held[i]->state == RUN) {
            *ret_memory += worker->held[i]->memory;
            n++;
        }
    return n;
}

static void begin(struct sim_worker *worker, struct attempt *attempt)
{
    uint64_t memory;
    if (running(worker, &memory) == worker->slots || memory + attempt->memory > worker->memory)
        return;
    struct sim *sim = worker->sim;
    attempt->state = RUN;
    attempt->wall_us = sim_between(&worker->rng, 1 * MS, sim->faults.task_us);
    attempt->due_us = sim->now_us + attempt->wall_us;
    if (sim->faults.hang == worker->node && sim_chance(sim, &worker->rng, HANG_PER_65536))
        attempt->due_us = sim->now_us + sim->faults.hang_us;
}

/* Computed again, it gives something else: the fault that audits are for. */
static void deviate(struct sim_worker *worker, struct attempt *attempt)
{
    struct sim *sim = worker->sim;
    struct rng rng = rng_stream(sim->seed, 11 + worker->node, attempt->number,
                                (uint32_t)hash_u64(&attempt->task));
    if (attempt_same_reason(attempt->number, 0) || attempt->lie ||
        rng_below(&rng, 65536) >= sim->faults.deviate)
        return;
    attempt->outputs[0].data[0] ^= 2;
    attempt->result.outputs[0].id = hash_bytes(buf_span(&attempt->outputs[0]));
    attempt->deviates = true;
}

static void finish(struct sim_worker *worker, struct attempt *attempt)
{
    struct sim *sim = worker->sim;
    if (sim->faults.sick == worker->node && !sim_is_calm(sim)) {
        if (++worker->crashes > SICK_CRASHES_MAX && sim_is_steady(sim))
            sim_fail(sim, "a worker on which everything crashes has got %u tasks",
                     worker->crashes);
        end_with(worker, attempt, ATTEMPT_CRASH);
        return;
    }
    if (sim_truth_is_poison(sim, &attempt->task) ||
        sim_chance(sim, &worker->rng, sim->faults.slot_crash)) {
        bool memory = (attempt->task.bytes[5] + attempt->number) % 3 == 0;
        end_with(worker, attempt, memory ? ATTEMPT_MEMORY : ATTEMPT_CRASH);
        return;
    }
    sim_truth(&attempt->action, &attempt->task, &attempt->result);
    for (uint32_t k = 0; k < attempt->result.n_outputs; k++)
        sim_truth_output(&attempt->task, k, attempt->action.kind, &attempt->outputs[k]);
    if (sim_chance(sim, &worker->rng, sim->faults.lie))
        attempt->lie = 1 + rng_below(&worker->rng, LIES - 1);
    deviate(worker, attempt);
    if (attempt->lie == LIE_WRONG_BYTES)
        attempt->outputs[0].data[0] ^= 1;
    attempt->state = PUT;
    attempt->end = ATTEMPT_OK;
    attempt->due_us = 0;
    if (attempt->lie == LIE_NOT_PUT)
        end_with(worker, attempt, ATTEMPT_OK);
}

static void put(struct sim_worker *worker, struct attempt *attempt)
{
    struct sim *sim = worker->sim;
    if (sim->now_us < attempt->due_us)
        return;
    for (uint32_t k = 0; k < attempt->result.n_outputs; k++) {
        const struct output *output = &attempt->result.outputs[k];
        uint64_t at = attempt->accepted[k], left = output->size - at;
        if (left == 0)
            continue;
        struct message message = {
            .type = MESSAGE_TYPE_blob_put,
            .blob_put = {.id = output->id,
                         .total = output->size,
                         .offset = at,
                         .data = {attempt->outputs[k].data + at,
                                  left < SIM_PART_BYTES ? left : SIM_PART_BYTES}}};
        message_text_set(&message.blob_put.type, output->type);
        say(worker, CHANNEL_BULK, &message);
        attempt->due_us = sim->now_us + REPEAT_US;
        return;
    }
    end_with(worker, attempt, ATTEMPT_OK);
}

static void offer_result(const struct attempt *attempt, struct buf *bytes)
{
    struct result result = attempt->result;
    if (attempt->lie == LIE_FOREIGN)
        result.action.bytes[3] ^= 1;
    result_encode(&result, bytes);
    if (attempt->lie == LIE_GARBAGE)
        bytes->size /= 2;
}

/* False: a liar gives up. */
static bool offer(struct sim_worker *worker, struct attempt *attempt)
{
    struct buf bytes = {0};
    if (worker->sim->now_us < attempt->due_us || !worker->welcomed)
        return true;
    if (attempt->lie && ++attempt->offers > LIE_OFFERS)
        return false;
    if (attempt->end == ATTEMPT_OK)
        offer_result(attempt, &bytes);
    struct message message = {.type = MESSAGE_TYPE_outcome,
                              .outcome = {.epoch = attempt->epoch,
                                          .task = attempt->task,
                                          .attempt = attempt->number,
                                          .end = attempt->end,
                                          .result = buf_span(&bytes),
                                          .wall_us = attempt->wall_us}};
    if (attempt->end == ATTEMPT_OK)
        sim_check_offered(worker->sim, &message.outcome, attempt->deviates);
    say(worker, CHANNEL_CONTROL, &message);
    attempt->due_us = worker->sim->now_us + OFFER_US;
    buf_done(&bytes);
    return true;
}

/* Does any task still wait for what is being fetched? It may have been revoked. */
static bool is_fetch_wanted(const struct sim_worker *worker)
{
    for (uint32_t i = 0; i < worker->n_held; i++)
        for (uint32_t k = 0; k < worker->held[i]->action.n_inputs; k++)
            if (worker->held[i]->state == FETCH &&
                hash_equal(&worker->held[i]->action.inputs[k], &worker->fetching.id))
                return true;
    return false;
}

void sim_worker_step(struct sim_worker *worker)
{
    struct sim *sim = worker->sim;
    worker->is_fetching = worker->is_fetching && is_fetch_wanted(worker);
    if (worker->leaving && worker->n_held == 0) {
        leave(worker);
        return;
    }
    if (!worker->welcomed && sim->now_us >= worker->hello_us)
        say_hello(worker);
    if (worker->welcomed && sim->now_us >= worker->alive_us) {
        struct message message = {.type = MESSAGE_TYPE_alive, .alive = {worker->epoch}};
        say(worker, CHANNEL_CONTROL, &message);
        worker->alive_us = sim->now_us + worker->heartbeat_us;
    }
    for (uint32_t i = worker->n_held; i-- > 0;) {
        struct attempt *attempt = worker->held[i];
        if (attempt->state == FETCH)
            fetch(worker, attempt);
        if (attempt->state == READY)
            begin(worker, attempt);
        if (attempt->state == RUN && sim->now_us >= attempt->due_us)
            finish(worker, attempt);
        if (attempt->state == PUT)
            put(worker, attempt);
        if (attempt->state == OFFER && !offer(worker, attempt))
            drop_held(worker, i);
    }
    sim_plan(sim, STEP_US, worker->node);
}
