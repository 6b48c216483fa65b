/* See attempts.h. There are few attempts at a time (a broker leases at most 64), so they stand
 * in one array and are looked for from its start. */
#include "workers/runtime/attempts.h"

#include "common/cleanup.h"
#include "common/mem.h"
#include "proto/attempt.h"
#include "workers/runtime/slot.h"

#include <assert.h>
#include <stdlib.h>

enum {
    FETCH_AHEAD = 16, /* inputs asked for at once, per attempt */
    TRIES_MAX = 3,    /* of a transfer that goes wrong */
    RETRY_MS = 5000,  /* before a refused output is offered again */
    OFFER_MS = 2000,  /* before an outcome is repeated; doubles */
    OFFER_MS_MAX = 32000,
    NO_SLOT = -1,
};

enum state { FETCH, READY, RUN, PUT, OFFER };

struct attempt {
    enum state state;
    struct hash task;
    uint64_t epoch;
    uint32_t number;
    struct action action;
    struct buf bytes; /* canonical action */
    struct slot_limits limits;
    uint32_t fetched;    /* inputs before this one are here */
    uint32_t tries;      /* transfers that went wrong */
    int slot;            /* while RUN */
    struct slot_end end; /* since PUT */
    bool *accepted;      /* (outputs) by the broker */
    uint64_t retry_ms;   /* PUT: not before then */
    uint64_t offer_ms;   /* OFFER: next time; 0: now */
    uint32_t offers;
};

struct attempts {
    struct attempts_owner owner;
    struct attempt *items[ATTEMPTS_MAX]; /* in order of arrival */
    uint32_t n;
    struct slot *slots[ATTEMPTS_SLOTS_MAX];
    bool refuse;
    uint64_t done;
};

int attempts_new(const struct attempts_owner *owner, struct attempts **ret_attempts,
                 struct err *err)
{
    assert(owner->slots >= 1 && owner->slots <= ATTEMPTS_SLOTS_MAX);
    struct attempts *attempts = mem_new(1, sizeof *attempts);
    attempts->owner = *owner;
    for (uint32_t s = 0; s < owner->slots; s++) {
        attempts->slots[s] = slot_new(cache_folder(owner->cache), s);
        int rc = slot_start(attempts->slots[s], err);
        if (rc != 0) {
            attempts_free(attempts);
            return rc;
        }
    }
    *ret_attempts = attempts;
    return 0;
}

/* ---- one attempt ---- */

static void unpin_outputs(struct attempts *attempts, struct attempt *attempt)
{
    if (attempt->state != PUT && attempt->state != OFFER)
        return;
    for (uint32_t i = 0; i < attempt->end.result.n_outputs; i++)
        cache_unpin(attempts->owner.cache, &attempt->end.result.outputs[i].id);
}

static void attempt_free(struct attempts *attempts, struct attempt *attempt)
{
    if (attempt->state == RUN)
        slot_kill(attempts->slots[attempt->slot]);
    unpin_outputs(attempts, attempt);
    for (uint32_t i = 0; i < attempt->action.n_inputs; i++)
        cache_unpin(attempts->owner.cache, &attempt->action.inputs[i]);
    slot_end_done(&attempt->end);
    action_done(&attempt->action);
    buf_done(&attempt->bytes);
    free(attempt->accepted);
    free(attempt);
}

void attempts_free(struct attempts *attempts)
{
    if (!attempts)
        return;
    for (uint32_t i = 0; i < attempts->n; i++)
        attempt_free(attempts, attempts->items[i]);
    for (uint32_t s = 0; s < attempts->owner.slots; s++)
        slot_free(attempts->slots[s]);
    free(attempts);
}

static void forget(struct attempts *attempts, uint32_t i)
{
    attempt_free(attempts, attempts->items[i]);
    attempts->n--;
    memmove(&attempts->items[i], &attempts->items[i + 1],
            (attempts->n - i) * sizeof attempts->items[0]);
}

/* ATTEMPTS_MAX: none. */
static uint32_t find(const struct attempts *attempts, const struct hash *task)
{
    for (uint32_t i = 0; i < attempts->n; i++)
        if (hash_equal(&attempts->items[i]->task, task))
            return i;
    return ATTEMPTS_MAX;
}

/* Ends without having run, or without being able to tell the result. */
static void end_with(struct attempt *attempt, enum attempt_end how, const char *sentence)
{
    slot_end_done(&attempt->end);
    attempt->end = (struct slot_end){.end = how};
    (void)snprintf(attempt->end.sentence, sizeof attempt->end.sentence, "%s", sentence);
    attempt->state = OFFER;
}

static void end_bad(struct attempts *attempts, struct attempt *attempt, const char *what,
                    const struct hash *id, const struct err *err)
{
    char sentence[SLOT_SENTENCE_SIZE], hex[HASH_HEX_SIZE];
    (void)snprintf(sentence, sizeof sentence, "%s %s: %s", what, hash_hex(id, hex), err->text);
    unpin_outputs(attempts, attempt);
    end_with(attempt, ATTEMPT_BAD, sentence);
}

static void offer(struct attempts *attempts, struct attempt *attempt, uint64_t now_ms)
{
    struct buf result = {0};
    if (attempt->end.end == ATTEMPT_OK)
        result_encode(&attempt->end.result, &result);
    struct message message = {.type = MESSAGE_TYPE_outcome,
                              .outcome = {.epoch = attempt->epoch,
                                          .task = attempt->task,
                                          .attempt = attempt->number,
                                          .end = attempt->end.end,
                                          .result = buf_span(&result),
                                          .log = buf_span(&attempt->end.log),
                                          .wall_us = attempt->end.wall_us,
                                          .cpu_us = attempt->end.cpu_us,
                                          .peak_bytes = attempt->end.peak_bytes}};
    message_text_set(&message.outcome.message, attempt->end.sentence);
    attempts->owner.send(attempts->owner.context, &message);
    buf_done(&result);

    uint64_t wait_ms = (uint64_t)OFFER_MS << (attempt->offers < 8 ? attempt->offers : 8);
    attempt->offer_ms = now_ms + (wait_ms < OFFER_MS_MAX ? wait_ms : OFFER_MS_MAX);
    attempt->offers++;
}

static void offer_anew(struct attempt *attempt)
{
    attempt->offer_ms = 0;
    attempt->offers = 0;
}

/* ---- inputs ---- */

static void fetch(struct attempts *attempts, struct attempt *attempt)
{
    const struct action *action = &attempt->action;
    while (attempt->fetched < action->n_inputs &&
           cache_has(attempts->owner.cache, &action->inputs[attempt->fetched], NULL))
        attempt->fetched++;
    if (attempt->fetched == action->n_inputs) {
        attempt->state = READY;
        return;
    }
    uint32_t asked = 0;
    for (uint32_t i = attempt->fetched; i < action->n_inputs && asked < FETCH_AHEAD; i++) {
        if (cache_has(attempts->owner.cache, &action->inputs[i], NULL))
            continue;
        transfer_get(attempts->owner.transfer, &action->inputs[i]);
        asked++;
    }
}

static bool has_input(const struct attempt *attempt, const struct hash *id)
{
    for (uint32_t i = attempt->fetched; i < attempt->action.n_inputs; i++)
        if (hash_equal(&attempt->action.inputs[i], id))
            return true;
    return false;
}

static void got(struct attempts *attempts, const struct hash *id, int rc, const struct err *err)
{
    for (uint32_t i = 0; i < attempts->n; i++) {
        struct attempt *attempt = attempts->items[i];
        if (attempt->state != FETCH)
            continue;
        /* What the broker does not have will not come; damage on the way may be once only. */
        if (rc != 0 && has_input(attempt, id) &&
            (rc == ERR_NOT_FOUND || ++attempt->tries >= TRIES_MAX))
            end_bad(attempts, attempt, "input", id, err);
        else
            fetch(attempts, attempt);
    }
}

/* ---- outputs ---- */

static void put_missing(struct attempts *attempts, struct attempt *attempt)
{
    const struct result *result = &attempt->end.result;
    bool all = true;
    for (uint32_t i = 0; i < result->n_outputs; i++) {
        const struct output *output = &result->outputs[i];
        if (attempt->accepted[i])
            continue;
        all = false;
        transfer_put(attempts->owner.transfer, &output->id, output->type, output->size);
    }
    if (all) {
        attempt->state = OFFER;
        offer_anew(attempt);
    }
}

static void put_failed(struct attempts *attempts, struct attempt *attempt,
                       const struct hash *id, const struct err *err)
{
    if (++attempt->tries >= TRIES_MAX)
        end_bad(attempts, attempt, "output", id, err);
    else
        attempt->retry_ms = UINT64_MAX; /* attempts_step sets the time */
}

static void put(struct attempts *attempts, const struct hash *id, int rc, const struct err *err)
{
    for (uint32_t i = 0; i < attempts->n; i++) {
        struct attempt *attempt = attempts->items[i];
        bool mine = false;
        for (uint32_t o = 0; attempt->state == PUT && o < attempt->end.result.n_outputs; o++) {
            if (!hash_equal(&attempt->end.result.outputs[o].id, id))
                continue;
            mine = true;
            attempt->accepted[o] = rc == 0;
        }
        if (mine && rc != 0)
            put_failed(attempts, attempt, id, err);
        else if (mine && !attempt->retry_ms)
            put_missing(attempts, attempt);
    }
}

void attempts_transferred(struct attempts *attempts, bool is_put, const struct hash *id, int rc,
                          const struct err *err)
{
    if (is_put)
        put(attempts, id, rc, err);
    else
        got(attempts, id, rc, err);
}

/* ---- the end of a task in its slot ---- */

/* The slot's files become objects of the cache. */
static int adopt(struct attempts *attempts, struct attempt *attempt, struct err *err)
{
    struct cache *cache = attempts->owner.cache;
    const struct result *result = &attempt->end.result;
    char name[64];
    for (uint32_t i = 0; i < result->n_outputs; i++)
        (void)cache_pin(cache, &result->outputs[i].id);
    attempt->state = PUT; /* from here on outputs are pinned */
    for (uint32_t i = 0; i < result->n_outputs; i++) {
        const struct output *output = &result->outputs[i];
        slot_output_name((uint32_t)attempt->slot, i, name, sizeof name);
        int rc = cache_adopt(cache, name, &output->id, output->size, err);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static void ended_well(struct attempts *attempts, struct attempt *attempt)
{
    struct err err;
    struct result *result = &attempt->end.result;
    if (!hash_equal(&result->action, &attempt->task)) {
        end_with(attempt, ATTEMPT_BAD, "the slot answered for another task");
        return;
    }
    if (adopt(attempts, attempt, &err) != 0) {
        unpin_outputs(attempts, attempt);
        end_with(attempt, ATTEMPT_BAD, err.text);
        return;
    }
    attempt->tries = 0;
    attempt->accepted = mem_new(result->n_outputs, sizeof *attempt->accepted);
    put_missing(attempts, attempt);
}

static void ended(struct attempts *attempts, struct attempt *attempt, struct slot_end *end)
{
    attempts->done++;
    attempt->end = *end;
    offer_anew(attempt);
    if (end->end == ATTEMPT_OK) {
        ended_well(attempts, attempt);
    } else if (end->input_bad && ++attempt->tries < TRIES_MAX) {
        cache_drop(attempts->owner.cache, &end->input);
        slot_end_done(&attempt->end);
        attempt->end = (struct slot_end){0};
        attempt->fetched = 0;
        attempt->state = FETCH;
        fetch(attempts, attempt);
    } else {
        attempt->state = OFFER;
    }
}

static struct attempt *running_in(const struct attempts *attempts, uint32_t s)
{
    for (uint32_t i = 0; i < attempts->n; i++)
        if (attempts->items[i]->state == RUN && attempts->items[i]->slot == (int)s)
            return attempts->items[i];
    return NULL;
}

static int look_at_slots(struct attempts *attempts, uint64_t now_ms, struct err *err)
{
    for (uint32_t s = 0; s < attempts->owner.slots; s++) {
        struct slot_end end;
        struct slot *slot = attempts->slots[s];
        int rc = slot_event(slot, now_ms, &end, err);
        if (rc < 0)
            return rc;
        struct attempt *attempt = rc == 1 ? running_in(attempts, s) : NULL;
        if (attempt)
            ended(attempts, attempt, &end);
        else if (rc == 1)
            slot_end_done(&end);
        if (slot_state(slot) == SLOT_DOWN) {
            rc = slot_start(slot, err);
            if (rc != 0)
                return rc;
        }
    }
    return 0;
}

/* Does it fit beside what runs? The broker sees to that, but for attempts that it believes
 * lost, and with other numbers after a restart with other options. What fits nowhere runs
 * alone. */
static bool has_memory(const struct attempts *attempts, const struct attempt *next)
{
    uint64_t used_bytes = 0;
    uint32_t running = 0;
    for (uint32_t i = 0; i < attempts->n; i++)
        if (attempts->items[i]->state == RUN) {
            used_bytes += attempts->items[i]->limits.memory_bytes;
            running++;
        }
    return running == 0 ||
           used_bytes + next->limits.memory_bytes <= attempts->owner.memory_bytes;
}

static void start_ready(struct attempts *attempts, uint64_t now_ms)
{
    uint32_t s = 0;
    for (uint32_t i = 0; i < attempts->n; i++) {
        struct attempt *attempt = attempts->items[i];
        if (attempt->state != READY)
            continue;
        while (s < attempts->owner.slots && slot_state(attempts->slots[s]) != SLOT_IDLE)
            s++;
        if (s == attempts->owner.slots || !has_memory(attempts, attempt))
            return;
        attempt->state = RUN;
        attempt->slot = (int)s;
        slot_run(attempts->slots[s], buf_span(&attempt->bytes), &attempt->limits, now_ms);
    }
}

/* ---- what the broker says ---- */

/* Of the task's own limit and this worker's the shorter time counts. */
static struct slot_limits limits_of(const struct attempts *attempts,
                                    const struct message_lease *lease)
{
    uint64_t own_ms = attempts->owner.time_ms, time_ms = lease->time_ms;
    return (struct slot_limits){.memory_bytes = lease->memory,
                                .time_ms = own_ms && (!time_ms || own_ms < time_ms) ? own_ms
                                                                                    : time_ms};
}

static void lease_again(struct attempt *attempt, const struct message_lease *lease)
{
    bool same = attempt->epoch == lease->epoch && attempt->number == lease->attempt;
    attempt->epoch = lease->epoch;
    attempt->number = lease->attempt;
    if (!same && attempt->state == OFFER)
        offer_anew(attempt);
}

void attempts_lease(struct attempts *attempts, const struct message_lease *lease)
{
    uint32_t i = find(attempts, &lease->task);
    /* Wanted for another reason (proto/attempt.h): what was computed does not count. */
    if (i != ATTEMPTS_MAX && !attempt_same_reason(attempts->items[i]->number, lease->attempt)) {
        forget(attempts, i);
        i = ATTEMPTS_MAX;
    }
    if (i != ATTEMPTS_MAX) {
        lease_again(attempts->items[i], lease);
        return;
    }
    if (attempts->n == ATTEMPTS_MAX)
        return; /* the broker says it again */
    struct attempt *attempt = mem_new(1, sizeof *attempt);
    *attempt = (struct attempt){.state = FETCH,
                                .task = lease->task,
                                .epoch = lease->epoch,
                                .number = lease->attempt,
                                .limits = limits_of(attempts, lease),
                                .slot = NO_SLOT};
    attempts->items[attempts->n++] = attempt;
    struct err err;
    struct hash found = hash_bytes(lease->action);
    if (!hash_equal(&found, &lease->task)) {
        end_with(attempt, ATTEMPT_REFUSED, "the leased action does not match its id");
    } else if (attempts->refuse) {
        end_with(attempt, ATTEMPT_REFUSED, "this worker is leaving");
    } else if (action_decode(lease->action, &attempt->action, &err) != 0) {
        attempt->action = (struct action){0};
        end_with(attempt, ATTEMPT_ERROR, err.text);
    } else {
        buf_append(&attempt->bytes, lease->action.data, lease->action.size);
        for (uint32_t k = 0; k < attempt->action.n_inputs; k++)
            (void)cache_pin(attempts->owner.cache, &attempt->action.inputs[k]);
        fetch(attempts, attempt);
    }
}

void attempts_revoke(struct attempts *attempts, const struct message_revoke *revoke)
{
    uint32_t i = find(attempts, &revoke->task);
    if (i == ATTEMPTS_MAX)
        return;
    const struct attempt *attempt = attempts->items[i];
    if (attempt->epoch == revoke->epoch && attempt->number <= revoke->attempt)
        forget(attempts, i);
}

void attempts_ack(struct attempts *attempts, const struct message_ack *ack)
{
    uint32_t i = find(attempts, &ack->task);
    if (i != ATTEMPTS_MAX && attempts->items[i]->state == OFFER)
        forget(attempts, i);
}

void attempts_renew(struct attempts *attempts)
{
    for (uint32_t i = 0; i < attempts->n; i++) {
        struct attempt *attempt = attempts->items[i];
        offer_anew(attempt);
        if (attempt->state == OFFER && attempt->end.end == ATTEMPT_OK)
            attempt->state = PUT;
        if (attempt->state != PUT)
            continue;
        memset(attempt->accepted, 0, attempt->end.result.n_outputs * sizeof *attempt->accepted);
        attempt->retry_ms = 0;
        put_missing(attempts, attempt);
    }
}

void attempts_refuse(struct attempts *attempts)
{
    attempts->refuse = true;
    for (uint32_t i = 0; i < attempts->n; i++) {
        struct attempt *attempt = attempts->items[i];
        if (attempt->state == FETCH || attempt->state == READY)
            end_with(attempt, ATTEMPT_REFUSED, "this worker is leaving");
    }
}

/* ---- time ---- */

static void send_due(struct attempts *attempts, bool online, uint64_t now_ms)
{
    for (uint32_t i = 0; i < attempts->n; i++) {
        struct attempt *attempt = attempts->items[i];
        if (attempt->state == PUT && attempt->retry_ms == UINT64_MAX) {
            attempt->retry_ms = now_ms + RETRY_MS;
        } else if (attempt->state == PUT && attempt->retry_ms && now_ms >= attempt->retry_ms) {
            attempt->retry_ms = 0;
            put_missing(attempts, attempt);
        }
        if (attempt->state == OFFER && online && now_ms >= attempt->offer_ms)
            offer(attempts, attempt, now_ms);
    }
}

int attempts_step(struct attempts *attempts, bool online, uint64_t now_ms, struct err *err)
{
    int rc = look_at_slots(attempts, now_ms, err);
    if (rc != 0)
        return rc;
    start_ready(attempts, now_ms);
    send_due(attempts, online, now_ms);
    return 0;
}

uint64_t attempts_deadline_ms(const struct attempts *attempts, bool online)
{
    uint64_t deadline_ms = UINT64_MAX;
    for (uint32_t i = 0; i < attempts->n; i++) {
        const struct attempt *attempt = attempts->items[i];
        uint64_t own_ms = UINT64_MAX;
        if (attempt->state == OFFER && online)
            own_ms = attempt->offer_ms;
        else if (attempt->state == PUT && attempt->retry_ms)
            own_ms = attempt->retry_ms;
        if (own_ms < deadline_ms)
            deadline_ms = own_ms;
    }
    for (uint32_t s = 0; s < attempts->owner.slots; s++)
        if (slot_deadline_ms(attempts->slots[s]) < deadline_ms)
            deadline_ms = slot_deadline_ms(attempts->slots[s]);
    return deadline_ms;
}

int attempts_poll_items(const struct attempts *attempts, zmq_pollitem_t *items)
{
    int n = 0;
    for (uint32_t s = 0; s < attempts->owner.slots; s++) {
        const int fds[] = {slot_fd(attempts->slots[s]), slot_fd_log(attempts->slots[s])};
        for (int k = 0; k < 2; k++)
            if (fds[k] >= 0)
                items[n++] = (zmq_pollitem_t){.fd = fds[k], .events = ZMQ_POLLIN};
    }
    return n;
}

void attempts_counts(const struct attempts *attempts, struct attempts_counts *ret)
{
    *ret = (struct attempts_counts){.done = attempts->done};
    for (uint32_t i = 0; i < attempts->n; i++) {
        enum state state = attempts->items[i]->state;
        *(state < RUN ? &ret->waiting : state == RUN ? &ret->running : &ret->ended) += 1;
    }
}
