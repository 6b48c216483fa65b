/* The shell without its sockets: what peers say becomes events of the core, wishes of the core
 * become messages, one commit a round. Clock, frames and store come from outside (loop.c, or
 * the simulator), so the same code runs under both. Nothing clever: rules are in core.c, plans
 * in planner.c. */
#include "broker/shell.h"

#include "common/mem.h"
#include "common/mutant.h"
#include "proto/kinds.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    RETRY_MS = 5,                 /* until frames that a peer did not take are tried again */
    PROBE_MS = 500,               /* between looks for silent workers */
    IDLE_MS = 10000,              /* exit_when_idle: how long to wait for somebody to ask */
    CONTROL_WAIT_BYTES = 8 << 20, /* per peer that does not read */
    BULK_WAIT_BYTES = 32 << 20,
};

/* ---- small things ---- */

void shell_log(const struct shell *shell, int level, const char *format, ...)
{
    if (level > shell->options->verbosity)
        return;
    char line[1024];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(line, sizeof line, format, args);
    va_end(args);
    for (char *at = line; *at; at++) /* texts from outside must not forge lines */
        if ((unsigned char)*at < ' ')
            *at = ' ';
    shell->ports.log(shell->ports.context, line);
}

void shell_store_failed(struct shell *shell, const struct err *err)
{
    if (!shell->fatal.code)
        shell->fatal = *err;
}

void shell_commit_soon(struct shell *shell)
{
    if (shell->commit_ms == UINT64_MAX)
        shell->commit_ms = shell->now_ms + BROKER_COMMIT_MS;
    if (++shell->n_collected >= COLLECTED_MAX)
        shell->dirty = true;
}

uint64_t shell_unix_ms(const struct shell *shell)
{
    return shell->ports.unix_ms(shell->ports.context);
}

static uint64_t clock_us(const struct shell *shell)
{
    return shell->ports.clock_us(shell->ports.context);
}

/* ---- what peers say ---- */

/* A message that was not understood or makes no sense: say so; after too many, be silent. */
static void complain(struct shell *shell, struct outbox *outbox, struct span id,
                     const char *sentence)
{
    shell->refused++;
    struct peer *peer = peers_add(shell->peers, id, shell->now_ms);
    if (!peer || ++peer->complaints > PEER_COMPLAINTS_MAX)
        return;
    struct message message = {.type = MESSAGE_TYPE_problem};
    message_text_set(&message.problem.sentence, sentence);
    outbox_put(outbox, id, &message);
    shell_log(shell, LOG_NEWS, "refused a message of %s: %s%s",
              peer->hello ? peer->name : "a peer", sentence,
              peer->complaints == PEER_COMPLAINTS_MAX ? " (the last one answered)" : "");
}

static void send_welcome(struct shell *shell, struct span id)
{
    struct message message = {
        .type = MESSAGE_TYPE_welcome,
        .welcome = {.epoch = shell->epoch,
                    .heartbeat_ms =
                        (uint32_t)(shell->limits.lease_ms / BROKER_HEARTBEATS_PER_LEASE)}};
    outbox_put(shell->control_out, id, &message);
}

static void send_shutdown(struct shell *shell, struct span id)
{
    struct message message = {.type = MESSAGE_TYPE_shutdown,
                              .shutdown = {.epoch = shell->epoch}};
    outbox_put(shell->control_out, id, &message);
}

/* Bits of the kinds that the worker runs in the revision that planners ask for. */
static uint32_t parse_kinds(const char *text)
{
    uint32_t mask = 0;
    while (*text) {
        size_t size = strcspn(text, ",");
        for (int k = 0; k < KIND_COUNT; k++) {
            char want[TASK_KIND_SIZE + 16];
            int n = snprintf(want, sizeof want, "%s@%u", kinds[k].name, kinds[k].revision);
            if ((size_t)n == size && !memcmp(text, want, size))
                mask |= UINT32_C(1) << k;
        }
        text += size + (text[size] == ',');
    }
    return mask;
}

/* Names are shown and logged: printable ASCII only. */
static void copy_name(char *to, size_t size, const char *from)
{
    (void)snprintf(to, size, "%s", from);
    for (; *to; to++)
        if (*to < ' ' || *to > '~')
            *to = '?';
}

static void step_or_log(struct shell *shell, struct broker_event event)
{
    struct err err;
    if (shell_step(shell, event, NULL, &err))
        shell_log(shell, LOG_TROUBLE, "%s: %s", broker_event_text(event.type), err.text);
}

/* A number for the machine in "KEY/HOST:PID". */
static uint32_t host_of(const char *name)
{
    const char *end = strrchr(name, ':');
    struct hash hash = hash_bytes(
        (struct span){(const uint8_t *)name, end ? (size_t)(end - name) : strlen(name)});
    return (uint32_t)hash_u64(&hash);
}

/* Tell the core of the worker behind this peer: a new one, or the same again. */
static void worker_ready(struct shell *shell, struct peer *peer)
{
    struct broker_worker known;
    struct err err;
    bool again = peer->worker && !broker_core_worker(shell->core, peer->worker, &known, NULL);
    if (!again)
        peers_number(shell->peers, peer, ++shell->worker_next);
    struct broker_event event = {.type = BROKER_EVENT_WORKER_READY,
                                 .worker = peer->worker,
                                 .kinds = peer->kinds,
                                 .profile_id = peer->profile_id,
                                 .host = host_of(peer->name),
                                 .needs = peer->has,
                                 .slots = peer->slots,
                                 .credit = peer->credit,
                                 .drained = peer->drained};
    if (shell_step(shell, event, NULL, &err)) {
        peers_number(shell->peers, peer, 0);
        complain(shell, shell->control_out, peer_id(peer), err.text);
    } else if (!again) {
        shell_log(shell, LOG_NEWS, "worker %s is here: %u slots, %s", peer->name, peer->slots,
                  peer->kinds_text);
    }
}

static void worker_gone(struct shell *shell, struct peer *peer, const char *how)
{
    struct broker_worker known;
    if (peer->worker && !broker_core_worker(shell->core, peer->worker, &known, NULL)) {
        shell_log(shell, LOG_NEWS, "worker %s %s", peer->name, how);
        step_or_log(shell, (struct broker_event){.type = BROKER_EVENT_WORKER_GONE,
                                                 .worker = peer->worker});
    }
    peers_number(shell->peers, peer, 0);
}

/* What the worker has for its tasks. */
static int read_offer(struct shell *shell, const struct message_hello *hello,
                      struct broker_needs *ret, struct err *err)
{
    char tags[NEEDS_TAGS_SIZE] = "";
    int rc = hello->tags.text[0] ? tags_parse(hello->tags.text, ',', tags, err) : 0;
    *ret = (struct broker_needs){
        .gpus = hello->gpus,
        .memory_bytes = hello->memory < BROKER_MEMORY_MAX ? hello->memory : BROKER_MEMORY_MAX};
    if (rc == 0)
        rc = shell_tags(shell, tags, &ret->tags, err);
    return rc ? err_context(err, rc, "HELLO") : 0;
}

static void on_hello(struct shell *shell, struct span id, const struct message *message)
{
    const struct message_hello *hello = &message->hello;
    char name[ALLOWED_NAME_SIZE + MESSAGE_TEXT_SIZE];
    struct err err;
    uint32_t profile_id;
    struct broker_needs has;
    if (hello->slots == 0 || hello->credit < hello->slots) {
        complain(shell, shell->control_out, id, "HELLO offers no slot, or less credit");
        return;
    }
    if (strlen(hello->profile.text) >= PROFILE_SIZE ||
        shell_profile(shell, hello->profile.text, &profile_id, &err)) {
        complain(shell, shell->control_out, id, "HELLO's numerics profile is not taken");
        return;
    }
    if (read_offer(shell, hello, &has, &err)) {
        complain(shell, shell->control_out, id, err.text);
        return;
    }
    struct peer *peer = peers_add(shell->peers, id, shell->now_ms);
    if (!peer) {
        complain(shell, shell->control_out, id, "too many workers");
        return;
    }
    if (peer->hello && (peer->boot != hello->boot || strcmp(peer->user, shell->user) != 0))
        worker_gone(shell, peer, "was replaced by another process");
    peer->drained = peer->drained && peer->boot == hello->boot;
    copy_name(peer->user, sizeof peer->user, shell->user);
    (void)snprintf(name, sizeof name, "%s%s%s", shell->user, *shell->user ? "/" : "",
                   hello->name.text);
    copy_name(peer->name, sizeof peer->name, name);
    copy_name(peer->kinds_text, sizeof peer->kinds_text, hello->kinds.text);
    peer->hello = true;
    peer->boot = hello->boot;
    peer->kinds = parse_kinds(hello->kinds.text);
    peer->profile_id = profile_id;
    peer->has = has;
    copy_name(peer->tags_text, sizeof peer->tags_text, hello->tags.text);
    peer->slots = hello->slots;
    peer->credit = hello->credit;
    peer->last_ms = peer->probed_ms = shell->now_ms;
    send_welcome(shell, id);
    worker_ready(shell, peer);
}

/* The worker behind a message, known to the core. One that the broker does not know (it was
 * restarted) gets a WELCOME with the new epoch and says HELLO then; NULL. A routing id is no
 * identity: one that comes with another key than the one that said HELLO is not known. */
static struct peer *require_worker(struct shell *shell, struct span id, uint64_t epoch)
{
    struct peer *peer = peers_find(shell->peers, id);
    if (!peer || !peer->hello || (epoch && epoch != shell->epoch) ||
        strcmp(peer->user, shell->user) != 0) {
        if (!MUTANT(STRANGER_IGNORED))
            send_welcome(shell, id);
        return NULL;
    }
    struct broker_worker known;
    peer->last_ms = shell->now_ms;
    if (!peer->worker || broker_core_worker(shell->core, peer->worker, &known, NULL))
        worker_ready(shell, peer); /* was silent for too long and is back */
    return peer->worker ? peer : NULL;
}

static void on_alive(struct shell *shell, struct span id, const struct message *message)
{
    const struct peer *peer = require_worker(shell, id, message->alive.epoch);
    if (peer)
        step_or_log(shell, (struct broker_event){.type = BROKER_EVENT_WORKER_ALIVE,
                                                 .worker = peer->worker});
    if (peer && peer->drained) /* the network may have lost it */
        send_shutdown(shell, id);
}

static void on_goodbye(struct shell *shell, struct span id, const struct message *message)
{
    (void)message;
    struct peer *peer = peers_find(shell->peers, id);
    if (peer && peer->hello && !strcmp(peer->user, shell->user)) {
        worker_gone(shell, peer, "leaves");
        peer->hello = false;
    }
}

/* The result inside, if it is one of this task. */
static int read_result(const struct message_outcome *outcome, struct result *ret,
                       struct err *err)
{
    int rc = result_decode(outcome->result, ret, err);
    if (rc == 0 && !hash_equal(&ret->action, &outcome->task)) {
        result_done(ret);
        rc = err_set(err, ERR_CORRUPT, "the result is of another task");
    }
    return rc;
}

static void send_ack(struct shell *shell, struct span id, const struct message_outcome *outcome)
{
    struct message message = {
        .type = MESSAGE_TYPE_ack,
        .ack = {.epoch = outcome->epoch, .task = outcome->task, .attempt = outcome->attempt}};
    outbox_put(shell->control_out, id, &message);
}

static void on_outcome(struct shell *shell, struct span id, const struct message *message)
{
    struct message_outcome outcome = message->outcome;
    const struct peer *peer = require_worker(shell, id, 0);
    if (!peer)
        return;
    if (audit_predates(shell, &outcome)) { /* it is safe, and proves nothing now */
        send_ack(shell, id, &outcome);
        return;
    }
    struct result result = {0};
    struct report report = {.outcome = &outcome};
    struct err err;
    struct broker_event event = {.type = BROKER_EVENT_RESULT,
                                 .worker = peer->worker,
                                 .task = outcome.task,
                                 .attempt = outcome.epoch == shell->epoch ? outcome.attempt : 0,
                                 .end = (enum attempt_end)outcome.end};
    if (outcome.end == ATTEMPT_OK) {
        if (read_result(&outcome, &result, &err)) {
            event.end = ATTEMPT_BAD;
            message_text_set(&outcome.message, err.text);
        } else {
            report.result = &result;
            for (uint32_t i = 0; i < result.n_outputs; i++)
                blobs_weigh(shell, &result.outputs[i].id, result.outputs[i].size, &event);
        }
    }
    if (shell_step(shell, event, &report, &err))
        complain(shell, shell->control_out, id, err.text);
    result_done(&result);
}

static void on_submit(struct shell *shell, struct span id, const struct message *message)
{
    submit_ask(shell, id, message->submit.campaign);
}

static void on_status_get(struct shell *shell, struct span id, const struct message *message)
{
    struct message answer = {.type = MESSAGE_TYPE_status};
    struct buf json = {0};
    status_print(shell, &message->status_get.campaign, &json);
    answer.status.json = buf_span(&json);
    outbox_put(shell->control_out, id, &answer);
    buf_done(&json);
    shell->idle_seen = shell->idle_ms != UINT64_MAX;
}

/* Nobody hears of an event that could still be lost: a commit comes before this round's answers
 * go out. */
static void on_events_get(struct shell *shell, struct span id, const struct message *message)
{
    struct message answer = {.type = MESSAGE_TYPE_events,
                             .events = {.from = message->events_get.from}};
    struct buf json = {0};
    struct err err;
    if (record_events(shell, answer.events.from, &json, &answer.events.next, &err)) {
        complain(shell, shell->control_out, id, err.text);
    } else {
        if (!MUTANT(EVENTS_BEFORE_SYNC))
            shell->dirty = shell->dirty || shell->commit_ms != UINT64_MAX;
        answer.events.json = buf_span(&json);
        outbox_put(shell->control_out, id, &answer);
    }
    buf_done(&json);
}

static void on_explain_get(struct shell *shell, struct span id, const struct message *message)
{
    struct message answer = {.type = MESSAGE_TYPE_explain,
                             .explain = {.task = message->explain_get.task}};
    struct buf json = {0};
    explain_print(shell, &answer.explain.task, &json);
    answer.explain.json = buf_span(&json);
    outbox_put(shell->control_out, id, &answer);
    buf_done(&json);
}

static void on_order(struct shell *shell, struct span id, const struct message *message)
{
    orders_handle(shell, id, &message->order);
}

static void on_stop(struct shell *shell, struct span id, const struct message *message)
{
    (void)id;
    shell->stop = true;
    shell->stop_workers = message->stop.workers != 0;
}

static void on_gc(struct shell *shell, struct span id, const struct message *message)
{
    gc_ask(shell, id, &message->gc);
}

static void on_blob_put(struct shell *shell, struct span id, const struct message *message)
{
    blobs_put(shell, id, &message->blob_put);
}

static void on_blob_get(struct shell *shell, struct span id, const struct message *message)
{
    blobs_get(shell, id, &message->blob_get);
}

typedef void on_message(struct shell *shell, struct span id, const struct message *message);

static on_message *const handlers[CHANNEL_COUNT][MESSAGE_TYPE_COUNT] = {
    [CHANNEL_CONTROL] =
        {
            [MESSAGE_TYPE_hello] = on_hello,
            [MESSAGE_TYPE_alive] = on_alive,
            [MESSAGE_TYPE_goodbye] = on_goodbye,
            [MESSAGE_TYPE_outcome] = on_outcome,
            [MESSAGE_TYPE_submit] = on_submit,
            [MESSAGE_TYPE_status_get] = on_status_get,
            [MESSAGE_TYPE_order] = on_order,
            [MESSAGE_TYPE_explain_get] = on_explain_get,
            [MESSAGE_TYPE_events_get] = on_events_get,
            [MESSAGE_TYPE_stop] = on_stop,
            [MESSAGE_TYPE_gc] = on_gc,
        },
    [CHANNEL_BULK] =
        {
            [MESSAGE_TYPE_blob_put] = on_blob_put,
            [MESSAGE_TYPE_blob_get] = on_blob_get,
        },
};

/* Its key was taken from the list while it was connected. Told once; should the key come back,
 * its next message counts again. */
static void bar(struct shell *shell, struct outbox *outbox, struct span id)
{
    shell->refused++;
    struct peer *peer = peers_add(shell->peers, id, shell->now_ms);
    if (!peer || peer->barred)
        return;
    struct message message = {.type = MESSAGE_TYPE_problem};
    message_text_set(&message.problem.sentence, "your key is not allowed any more");
    outbox_put(outbox, id, &message);
    shell_log(shell, LOG_NEWS, "the key of %s is not allowed any more",
              peer->hello ? peer->name : "a peer");
    worker_gone(shell, peer, "is shut out");
    peer->barred = true;
    peer->hello = false;
}

/* False: nothing of this peer is listened to. */
static bool may_speak(struct shell *shell, struct outbox *outbox, struct span id,
                      const char *user)
{
    struct peer *peer = peers_find(shell->peers, id);
    if (shell->fatal.code || (peer && peer->complaints > PEER_COMPLAINTS_MAX))
        return false;
    if (!user)
        bar(shell, outbox, id);
    else if (peer)
        peer->barred = false;
    return user != NULL;
}

void shell_receive(struct shell *shell, enum channel channel, struct span peer,
                   const char *user, struct span frame)
{
    struct outbox *outbox = channel == CHANNEL_CONTROL ? shell->control_out : shell->bulk_out;
    struct message message;
    struct err err;
    if (!may_speak(shell, outbox, peer, user))
        return;
    shell->user = user;
    if (!frame.data) {
        complain(shell, outbox, peer, "a message is one frame");
    } else if (message_decode(frame, &message, &err)) {
        complain(shell, outbox, peer, err.text);
    } else if (!handlers[channel][message.type]) {
        (void)err_set(&err, ERR_INVALID, "%s is nothing to say to a broker here",
                      message_type_text(message.type));
        complain(shell, outbox, peer, err.text);
    } else {
        handlers[channel][message.type](shell, peer, &message);
    }
}

static void control_lost(void *context, struct span id)
{
    struct shell *shell = context;
    struct peer *peer = peers_find(shell->peers, id);
    if (peer && peer->worker)
        worker_gone(shell, peer, "cannot be reached");
}

static void bulk_lost(void *context, struct span id)
{
    (void)context;
    (void)id; /* what it asked for, it asks again */
}

/* ---- rounds ---- */

/* A worker that should have said something: a frame to it shows whether it can be reached, long
 * before its leases would return by themselves. */
static void probe_silent_workers(struct shell *shell)
{
    uint64_t patience_ms = 3 * shell->limits.lease_ms / BROKER_HEARTBEATS_PER_LEASE;
    for (struct peer *peer = NULL; (peer = peers_next(shell->peers, peer));) {
        uint64_t heard_ms = peer->last_ms > peer->probed_ms ? peer->last_ms : peer->probed_ms;
        if (!peer->worker || shell->now_ms - heard_ms < patience_ms)
            continue;
        peer->probed_ms = shell->now_ms;
        send_welcome(shell, peer_id(peer));
    }
}

static void commit(struct shell *shell)
{
    struct err err;
    bool due = shell->dirty || shell->now_ms >= shell->commit_ms;
    if (!due || shell->fatal.code)
        return;
    if (MUTANT(ACK_BEFORE_SYNC)) {
        shell_durable(shell);
        outbox_flush(shell->control_out);
    }
    if (!MUTANT(PAID_LATER))
        campaigns_save(shell);
    uint64_t begin_us = clock_us(shell);
    int rc = store_commit(shell->store, &err);
    shell->round.commit_us = clock_us(shell) - begin_us;
    if (rc && !MUTANT(COMMIT_ERROR_IGNORED)) {
        shell_store_failed(shell, &err);
        return;
    }
    shell->dirty = false;
    shell->n_collected = 0;
    shell->commit_ms = UINT64_MAX;
    if (MUTANT(PAID_LATER))
        campaigns_save(shell);
    shell_durable(shell);
}

/* Others wait for as long as a round lasts: its commit for the disk, the rest for us. */
static void note_length(struct shell *shell)
{
    uint64_t commit_us = shell->round.commit_us;
    uint64_t work_us = clock_us(shell) - shell->round.begin_us - commit_us;
    if (work_us > shell->round.work_us_max)
        shell->round.work_us_max = work_us;
    if (commit_us > shell->round.commit_us_max)
        shell->round.commit_us_max = commit_us;
}

static void note_idle(struct shell *shell, bool more)
{
    bool idle = shell->submitted && !more && campaigns_all_over(shell) && !gc_is_running(shell);
    if (!idle) {
        shell->idle_ms = UINT64_MAX;
        shell->idle_seen = false;
    } else if (shell->idle_ms == UINT64_MAX) {
        shell->idle_ms = shell->now_ms;
    }
    if (idle && shell->options->exit_when_idle &&
        (shell->idle_seen || shell->now_ms - shell->idle_ms >= IDLE_MS))
        shell->stop = true;
}

/* How long nothing needs to happen. */
static uint64_t wait_ms(const struct shell *shell)
{
    uint64_t deadline_ms = broker_core_deadline_ms(shell->core);
    if (shell->commit_ms < deadline_ms)
        deadline_ms = shell->commit_ms;
    uint64_t wait = deadline_ms > shell->now_ms ? deadline_ms - shell->now_ms : 0;
    bool retry = !outbox_empty(shell->control_out) || !outbox_empty(shell->bulk_out);
    return retry && wait > RETRY_MS ? RETRY_MS : wait;
}

void shell_begin_round(struct shell *shell, uint64_t now_ms)
{
    shell->now_ms = now_ms;
    shell->round.begin_us = clock_us(shell);
    shell->round.commit_us = 0;
    shell->round.full = false;
}

uint64_t shell_end_round(struct shell *shell)
{
    if (broker_core_deadline_ms(shell->core) <= shell->now_ms)
        step_or_log(shell, (struct broker_event){.type = BROKER_EVENT_TICK});
    if (shell->now_ms >= shell->probe_ms) {
        probe_silent_workers(shell);
        shell->probe_ms = shell->now_ms + PROBE_MS;
    }
    bool more = gc_step(shell);
    more = submit_step(shell) || more;
    more = wills_step(shell) || more;
    commit(shell);
    if (!shell->fatal.code && !shell->round.full)
        campaigns_plan(shell);
    if (shell->fatal.code)
        return 0; /* nothing goes out that is not on disk */
    more = campaigns_replaying(shell) || more;
    outbox_flush(shell->control_out);
    outbox_flush(shell->bulk_out);
    note_idle(shell, more);
    note_length(shell);
    return more || shell->dirty ? 0 : wait_ms(shell);
}

void shell_leave(struct shell *shell)
{
    shell->dirty = true;
    commit(shell);
    if (shell->fatal.code)
        return;
    for (struct peer *peer = NULL;
         shell->stop_workers && (peer = peers_next(shell->peers, peer));)
        if (peer->hello)
            send_shutdown(shell, peer_id(peer));
    outbox_flush(shell->control_out);
    outbox_flush(shell->bulk_out);
    shell_log(shell, LOG_NEWS, "ends: %llu results made durable, %llu from the cache",
              (unsigned long long)shell->executed, (unsigned long long)shell->cached);
}

/* ---- life ---- */

static enum sent send_control(void *context, struct span peer, struct span frame)
{
    const struct shell *shell = context;
    return shell->ports.send(shell->ports.context, CHANNEL_CONTROL, peer, frame);
}

static enum sent send_bulk(void *context, struct span peer, struct span frame)
{
    const struct shell *shell = context;
    return shell->ports.send(shell->ports.context, CHANNEL_BULK, peer, frame);
}

int shell_new(const struct broker_options *options, struct store *store, uint64_t epoch,
              const struct ports *ports, struct shell **ret_shell, struct err *err)
{
    struct shell *shell = mem_new(1, sizeof *shell);
    const struct broker_limits *asked = &options->limits;
    *shell = (struct shell){
        .options = options,
        .ports = *ports,
        .store = store,
        .epoch = epoch | 1, /* 0 is no epoch */
        .limits = {.lease_ms = asked->lease_ms ? asked->lease_ms : BROKER_LEASE_MS,
                   .worker_ms = asked->worker_ms ? asked->worker_ms : BROKER_WORKER_MS,
                   .backoff_ms = asked->backoff_ms ? asked->backoff_ms : BROKER_BACKOFF_MS,
                   .race_ms = asked->race_ms ? asked->race_ms : BROKER_RACE_MS,
                   .near_bytes = asked->near_bytes ? asked->near_bytes : BROKER_NEAR_BYTES},
        .idle_ms = UINT64_MAX,
        .commit_ms = UINT64_MAX};
    shell->core = broker_core_new(&shell->limits);
    shell->peers = peers_new();
    shell->uploads = uploads_new();
    shell->submissions = submissions_new();
    shell->wills = wills_new();
    shell->collector = collector_new(store);
    shell->audits = audits_new();
    shell->control_out = outbox_new(send_control, CONTROL_WAIT_BYTES, control_lost, shell);
    shell->bulk_out = outbox_new(send_bulk, BULK_WAIT_BYTES, bulk_lost, shell);
    int rc = record_quarantine_count(shell, &shell->quarantined, err);
    if (rc == 0)
        rc = submit_load(shell, err);
    if (rc) {
        shell_free(shell);
        return rc;
    }
    *ret_shell = shell;
    return 0;
}

void shell_free(struct shell *shell)
{
    if (!shell)
        return;
    outbox_free(shell->control_out);
    outbox_free(shell->bulk_out);
    campaigns_done(shell);
    submissions_free(shell->submissions);
    wills_free(shell->wills);
    collector_free(shell->collector);
    recover_free(shell->recovery);
    audits_free(shell->audits);
    store_close(shell->store);
    broker_core_free(shell->core);
    peers_free(shell->peers);
    uploads_free(shell->uploads);
    free(shell->profiles);
    free(shell->persisting);
    free(shell);
}
