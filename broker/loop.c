/* The broker's rounds: see broker.h. Receive what is there, step the core, commit once, then
 * tell the peers. Nothing clever: rules are in core.c, plans in planner.c. */
#include "broker/shell.h"

#include "common/cleanup.h"
#include "common/mem.h"
#include "proto/kinds.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

enum {
    CONTROL_PER_ROUND = 512, /* messages handled before the next commit */
    BULK_PER_ROUND = 32,
    RETRY_MS = 5,        /* until frames that a peer did not take are tried again */
    LEAVE_MS = 500,      /* for the last frames to get out */
    IDLE_MS = 10000,     /* exit_when_idle: how long to wait for somebody to ask */
    CONTROL_HWM = 10000, /* frames per peer inside libzmq */
    BULK_HWM = 32,
    CONTROL_WAIT_BYTES = 8 << 20, /* per peer that does not read */
    BULK_WAIT_BYTES = 32 << 20,
    PORT_TRIES = 64,
};

/* ---- small things ---- */

void shell_log(const struct shell *shell, int level, const char *format, ...)
{
    if (level > shell->options->verbosity)
        return;
    char line[1024], stamp[32];
    time_t now = time(NULL);
    struct tm utc;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(line, sizeof line, format, args);
    va_end(args);
    for (char *at = line; *at; at++) /* texts from outside must not forge lines */
        if ((unsigned char)*at < ' ')
            *at = ' ';
    (void)strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
    (void)fprintf(stderr, "%s broker: %s\n", stamp, line);
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
}

static uint64_t monotonic_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static int err_from_zmq(struct err *err, const char *what)
{
    return err_set(err, ERR_NETWORK, "%s: %s", what, zmq_strerror(zmq_errno()));
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

static bool is_ignored(const struct shell *shell, struct span id)
{
    const struct peer *peer = peers_find(shell->peers, id);
    return peer && peer->complaints > PEER_COMPLAINTS_MAX;
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
                                 .slots = peer->slots,
                                 .credit = peer->credit};
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

static void on_hello(struct shell *shell, struct span id, const struct message *message)
{
    const struct message_hello *hello = &message->hello;
    struct err err;
    uint32_t profile_id;
    if (hello->slots == 0 || hello->credit < hello->slots) {
        complain(shell, shell->control_out, id, "HELLO offers no slot, or less credit");
        return;
    }
    if (strlen(hello->profile.text) >= PROFILE_SIZE ||
        shell_profile(shell, hello->profile.text, &profile_id, &err)) {
        complain(shell, shell->control_out, id, "HELLO's numerics profile is not taken");
        return;
    }
    struct peer *peer = peers_add(shell->peers, id, shell->now_ms);
    if (!peer) {
        complain(shell, shell->control_out, id, "too many workers");
        return;
    }
    if (peer->hello && peer->boot != hello->boot)
        worker_gone(shell, peer, "was replaced by another process");
    copy_name(peer->name, sizeof peer->name, hello->name.text);
    copy_name(peer->kinds_text, sizeof peer->kinds_text, hello->kinds.text);
    peer->hello = true;
    peer->boot = hello->boot;
    peer->kinds = parse_kinds(hello->kinds.text);
    peer->profile_id = profile_id;
    peer->slots = hello->slots;
    peer->credit = hello->credit;
    peer->last_ms = peer->probed_ms = shell->now_ms;
    send_welcome(shell, id);
    worker_ready(shell, peer);
}

/* The worker behind a message, known to the core. One that the broker does not know (it was
 * restarted) gets a WELCOME with the new epoch and says HELLO then; NULL. */
static struct peer *require_worker(struct shell *shell, struct span id, uint64_t epoch)
{
    struct peer *peer = peers_find(shell->peers, id);
    if (!peer || !peer->hello || (epoch && epoch != shell->epoch)) {
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
}

static void on_goodbye(struct shell *shell, struct span id, const struct message *message)
{
    (void)message;
    struct peer *peer = peers_find(shell->peers, id);
    if (peer && peer->hello) {
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

static void on_outcome(struct shell *shell, struct span id, const struct message *message)
{
    struct message_outcome outcome = message->outcome;
    const struct peer *peer = require_worker(shell, id, 0);
    if (!peer)
        return;
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
        }
    }
    if (shell_step(shell, event, &report, &err))
        complain(shell, shell->control_out, id, err.text);
    result_done(&result);
}

static void on_submit(struct shell *shell, struct span id, const struct message *message)
{
    struct message answer = {.type = MESSAGE_TYPE_submitted};
    struct err err = {0};
    if (campaigns_submit(shell, message->submit.campaign, &answer.submitted.campaign, &err))
        message_text_set(&answer.submitted.problem, err.text);
    else
        shell->submitted = true;
    outbox_put(shell->control_out, id, &answer);
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

static void on_stop(struct shell *shell, struct span id, const struct message *message)
{
    (void)id;
    shell->stop = true;
    shell->stop_workers = message->stop.workers != 0;
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

static on_message *const on_control[MESSAGE_TYPE_COUNT] = {
    [MESSAGE_TYPE_hello] = on_hello,     [MESSAGE_TYPE_alive] = on_alive,
    [MESSAGE_TYPE_goodbye] = on_goodbye, [MESSAGE_TYPE_outcome] = on_outcome,
    [MESSAGE_TYPE_submit] = on_submit,   [MESSAGE_TYPE_status_get] = on_status_get,
    [MESSAGE_TYPE_stop] = on_stop,
};

static on_message *const on_bulk[MESSAGE_TYPE_COUNT] = {
    [MESSAGE_TYPE_blob_put] = on_blob_put,
    [MESSAGE_TYPE_blob_get] = on_blob_get,
};

static void on_frame(struct shell *shell, struct outbox *outbox, on_message *const *handlers,
                     struct span id, struct span frame)
{
    struct message message;
    struct err err;
    if (is_ignored(shell, id))
        return;
    if (message_decode(frame, &message, &err)) {
        complain(shell, outbox, id, err.text);
    } else if (!handlers[message.type]) {
        (void)err_set(&err, ERR_INVALID, "%s is nothing to say to a broker here",
                      message_type_text(message.type));
        complain(shell, outbox, id, err.text);
    } else {
        handlers[message.type](shell, id, &message);
    }
}

/* ---- sockets ---- */

/* One message: routing id and one frame. 1: there was one; 0: none. Frames too many make it a
 * message that is not understood. */
static int receive(struct shell *shell, void *socket, struct outbox *outbox,
                   on_message *const *handlers)
{
    zmq_msg_t id, frame, rest;
    (void)zmq_msg_init(&id);
    if (zmq_msg_recv(&id, socket, ZMQ_DONTWAIT) < 0) {
        (void)zmq_msg_close(&id);
        return 0;
    }
    (void)zmq_msg_init(&frame);
    bool one = zmq_msg_more(&id) && zmq_msg_recv(&frame, socket, ZMQ_DONTWAIT) >= 0;
    bool more = one && zmq_msg_more(&frame);
    while (more) {
        one = false;
        (void)zmq_msg_init(&rest);
        more = zmq_msg_recv(&rest, socket, ZMQ_DONTWAIT) >= 0 && zmq_msg_more(&rest);
        (void)zmq_msg_close(&rest);
    }
    struct span from = {zmq_msg_data(&id), zmq_msg_size(&id)};
    if (one)
        on_frame(shell, outbox, handlers, from,
                 (struct span){zmq_msg_data(&frame), zmq_msg_size(&frame)});
    else if (!is_ignored(shell, from))
        complain(shell, outbox, from, "a message is one frame");
    (void)zmq_msg_close(&frame);
    (void)zmq_msg_close(&id);
    return 1;
}

static bool receive_some(struct shell *shell)
{
    int control = 0, bulk = 0;
    while (control < CONTROL_PER_ROUND && !shell->fatal.code &&
           receive(shell, shell->control, shell->control_out, on_control))
        control++;
    while (bulk < BULK_PER_ROUND && !shell->fatal.code &&
           receive(shell, shell->bulk_socket, shell->bulk_out, on_bulk))
        bulk++;
    return control == CONTROL_PER_ROUND || bulk == BULK_PER_ROUND;
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

static int set_option(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof value);
}

static int socket_new(struct shell *shell, int hwm, void **ret_socket, struct err *err)
{
    /* Limits before anything is read: research has what happens without them. */
    static const int options[][2] = {
        {ZMQ_ROUTER_MANDATORY, 1}, {ZMQ_ROUTER_HANDOVER, 1},      {ZMQ_HANDSHAKE_IVL, 5000},
        {ZMQ_HEARTBEAT_IVL, 3000}, {ZMQ_HEARTBEAT_TIMEOUT, 9000}, {ZMQ_HEARTBEAT_TTL, 9000},
        {ZMQ_LINGER, LEAVE_MS},    {ZMQ_BACKLOG, 1024},           {ZMQ_IPV6, 1},
    };
    int64_t frame_max = MESSAGE_FRAME_BYTES_MAX;
    void *socket = zmq_socket(shell->zmq, ZMQ_ROUTER);
    if (!socket)
        return err_from_zmq(err, "zmq_socket");
    *ret_socket = socket;
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
        if (set_option(socket, options[i][0], options[i][1]))
            return err_from_zmq(err, "zmq_setsockopt");
    if (zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &frame_max, sizeof frame_max) ||
        set_option(socket, ZMQ_SNDHWM, hwm) || set_option(socket, ZMQ_RCVHWM, hwm))
        return err_from_zmq(err, "zmq_setsockopt");
    return 0;
}

static bool is_loopback(const char *endpoint)
{
    static const char *const hosts[] = {"ipc://", "tcp://127.",
                                        "tcp://localhost:", "tcp://[::1]:"};
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++)
        if (!strncmp(endpoint, hosts[i], strlen(hosts[i])))
            return true;
    return false;
}

/* "tcp://HOST:0": any port whose next one is free too. The host's length, or 0. */
static size_t any_port(const char *listen)
{
    size_t size = strlen(listen);
    return size > 2 && !strncmp(listen, "tcp://", 6) && !strcmp(listen + size - 2, ":0")
               ? size - 2
               : 0;
}

static int bind_both(struct shell *shell, struct err *err)
{
    int rc = endpoint_bulk(shell->endpoint, shell->bulk, err);
    if (rc)
        return rc;
    if (zmq_bind(shell->control, shell->endpoint))
        return err_set(err, ERR_NETWORK, "cannot listen on %s: %s", shell->endpoint,
                       zmq_strerror(zmq_errno()));
    if (zmq_bind(shell->bulk_socket, shell->bulk)) {
        int code = zmq_errno();
        (void)zmq_unbind(shell->control, shell->endpoint);
        return err_set(err, ERR_NETWORK, "cannot listen on %s (for bulk data): %s", shell->bulk,
                       zmq_strerror(code));
    }
    return 0;
}

/* Ask the system for a free port, then try it and the next as a pair. */
static int bind_any_port(struct shell *shell, const char *listen, struct err *err)
{
    int rc = ERR_NETWORK;
    for (int i = 0; i < PORT_TRIES && rc; i++) {
        char wildcard[ENDPOINT_SIZE], chosen[ENDPOINT_SIZE];
        size_t size = sizeof chosen;
        (void)snprintf(wildcard, sizeof wildcard, "%.*s:*", (int)any_port(listen), listen);
        if (zmq_bind(shell->control, wildcard) ||
            zmq_getsockopt(shell->control, ZMQ_LAST_ENDPOINT, chosen, &size))
            return err_set(err, ERR_NETWORK, "cannot listen on %s: %s", listen,
                           zmq_strerror(zmq_errno()));
        if (endpoint_bulk(chosen, shell->bulk, NULL) == 0 &&
            zmq_bind(shell->bulk_socket, shell->bulk) == 0) {
            (void)snprintf(shell->endpoint, sizeof shell->endpoint, "%s", chosen);
            return 0;
        }
        (void)zmq_unbind(shell->control, chosen);
        rc = err_set(err, ERR_NETWORK, "no two free ports in a row for %s", listen);
    }
    return rc;
}

static int listen_on(struct shell *shell, struct err *err)
{
    const char *listen = shell->options->listen;
    int rc = any_port(listen) ? 0 : endpoint_parse(listen, shell->endpoint, err);
    if (rc)
        return rc;
    const char *address = any_port(listen) ? listen : shell->endpoint;
    if (!is_loopback(address) && !shell->options->insecure) {
        (void)err_set(err, ERR_INVALID,
                      "other machines can reach %s, and this version has neither keys nor "
                      "encryption",
                      address);
        return err_hint(err, "listen on tcp://127.0.0.1:PORT, or add --insecure on a network "
                             "where everybody is trusted");
    }
    if ((rc = socket_new(shell, CONTROL_HWM, &shell->control, err)) ||
        (rc = socket_new(shell, BULK_HWM, &shell->bulk_socket, err)))
        return rc;
    rc = any_port(listen) ? bind_any_port(shell, listen, err) : bind_both(shell, err);
    if (rc)
        return rc;
    shell->control_out = outbox_new(shell->control, CONTROL_WAIT_BYTES, control_lost, shell);
    shell->bulk_out = outbox_new(shell->bulk_socket, BULK_WAIT_BYTES, bulk_lost, shell);
    return 0;
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
    if (store_commit(shell->store, &err)) {
        shell_store_failed(shell, &err);
        return;
    }
    shell->dirty = false;
    shell->commit_ms = UINT64_MAX;
    shell_durable(shell);
}

static void note_idle(struct shell *shell, bool planning)
{
    bool idle = shell->submitted && !planning && campaigns_all_over(shell);
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

/* A handler and a pipe, not signalfd: that needs the signals blocked in every thread, and
 * libraries start threads of their own before main (OpenBLAS). */
static int signal_pipe[2] = {-1, -1};

static void on_signal(int number)
{
    int errno_value = errno;
    (void)number;
    (void)!write(signal_pipe[1], "x", 1);
    errno = errno_value;
}

static void wait_for_events(struct shell *shell, uint64_t wait_ms)
{
    zmq_pollitem_t items[] = {{.socket = shell->control, .events = ZMQ_POLLIN},
                              {.socket = shell->bulk_socket, .events = ZMQ_POLLIN},
                              {.fd = signal_pipe[0], .events = ZMQ_POLLIN}};
    (void)zmq_poll(items, 3, (long)(wait_ms < 1000 ? wait_ms : 1000));
    uint8_t byte;
    while (read(signal_pipe[0], &byte, 1) == 1)
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

static void rounds(struct shell *shell)
{
    uint64_t wait = 0, probe_ms = 0;
    while (!shell->stop && !shell->fatal.code) {
        wait_for_events(shell, wait);
        shell->now_ms = monotonic_ms() - shell->begin_ms;
        bool more = receive_some(shell);
        if (broker_core_deadline_ms(shell->core) <= shell->now_ms)
            step_or_log(shell, (struct broker_event){.type = BROKER_EVENT_TICK});
        if (shell->now_ms >= probe_ms) {
            probe_silent_workers(shell);
            probe_ms = shell->now_ms + 500;
        }
        commit(shell);
        bool planning = !shell->fatal.code && campaigns_plan(shell);
        if (shell->fatal.code)
            return; /* nothing goes out that is not on disk */
        outbox_flush(shell->control_out);
        outbox_flush(shell->bulk_out);
        note_idle(shell, planning);
        wait = more || planning || shell->dirty ? 0 : wait_ms(shell);
    }
}

/* Say goodbye: what was collected is committed, workers are told when they shall end too. */
static void leave(struct shell *shell)
{
    struct message message = {.type = MESSAGE_TYPE_shutdown,
                              .shutdown = {.epoch = shell->epoch}};
    shell->dirty = true;
    commit(shell);
    if (shell->fatal.code)
        return;
    for (struct peer *peer = NULL;
         shell->stop_workers && (peer = peers_next(shell->peers, peer));)
        if (peer->hello)
            outbox_put(shell->control_out, peer_id(peer), &message);
    outbox_flush(shell->control_out);
    outbox_flush(shell->bulk_out);
    shell_log(shell, LOG_NEWS, "ends: %llu results made durable, %llu from the cache",
              (unsigned long long)shell->executed, (unsigned long long)shell->cached);
}

/* ---- life ---- */

static int start(struct shell *shell, struct err *err)
{
    const struct broker_limits *asked = &shell->options->limits;
    shell->limits = (struct broker_limits){
        .lease_ms = asked->lease_ms ? asked->lease_ms : BROKER_LEASE_MS,
        .worker_ms = asked->worker_ms ? asked->worker_ms : BROKER_WORKER_MS,
        .backoff_ms = asked->backoff_ms ? asked->backoff_ms : BROKER_BACKOFF_MS};
    if (getrandom(&shell->epoch, sizeof shell->epoch, 0) != sizeof shell->epoch)
        return err_errno(err, errno, "getrandom");
    shell->epoch |= 1; /* 0 is no epoch */
    shell->core = broker_core_new(&shell->limits);
    shell->peers = peers_new();
    shell->uploads = uploads_new();
    shell->idle_ms = shell->commit_ms = UINT64_MAX;
    int rc = store_open(shell->options->store, STORE_WRITE, &shell->store, err);
    if (rc)
        return rc;
    shell->zmq = zmq_ctx_new();
    if (!shell->zmq)
        return err_from_zmq(err, "zmq_ctx_new");
    (void)zmq_ctx_set(shell->zmq, ZMQ_MAX_SOCKETS, 64);
    if ((rc = listen_on(shell, err)) ||
        (rc = record_quarantine_count(shell, &shell->quarantined, err)) ||
        (rc = campaigns_load(shell, err)))
        return rc;
    return address_write(shell, err);
}

static void finish(struct shell *shell)
{
    if (shell->store && shell->endpoint[0])
        address_remove(shell);
    outbox_free(shell->control_out);
    outbox_free(shell->bulk_out);
    if (shell->control)
        (void)zmq_close(shell->control);
    if (shell->bulk_socket)
        (void)zmq_close(shell->bulk_socket);
    if (shell->zmq)
        (void)zmq_ctx_term(shell->zmq);
    campaigns_done(shell);
    store_close(shell->store);
    broker_core_free(shell->core);
    peers_free(shell->peers);
    uploads_free(shell->uploads);
    free(shell->profiles);
    free(shell->persisting);
}

/* SIGTERM and SIGINT become readable. */
static int signals_open(struct sigaction ret_before[2], struct err *err)
{
    const struct sigaction action = {.sa_handler = on_signal};
    if (pipe(signal_pipe) != 0)
        return err_errno(err, errno, "make a pipe");
    for (int end = 0; end < 2; end++) {
        (void)fcntl(signal_pipe[end], F_SETFD, FD_CLOEXEC);
        (void)fcntl(signal_pipe[end], F_SETFL, O_NONBLOCK);
    }
    (void)sigaction(SIGTERM, &action, &ret_before[0]);
    (void)sigaction(SIGINT, &action, &ret_before[1]);
    return 0;
}

static void signals_close(const struct sigaction before[2])
{
    if (signal_pipe[0] < 0)
        return;
    (void)sigaction(SIGTERM, &before[0], NULL);
    (void)sigaction(SIGINT, &before[1], NULL);
    (void)close(signal_pipe[0]);
    (void)close(signal_pipe[1]);
    signal_pipe[0] = signal_pipe[1] = -1;
}

int broker_run(const struct broker_options *options, struct err *err)
{
    struct shell *shell = mem_new(1, sizeof *shell);
    struct sigaction before[2];
    int rc = signals_open(before, err);
    shell->options = options;
    shell->begin_ms = monotonic_ms();
    if (rc == 0)
        rc = start(shell, err);
    if (rc == 0) {
        shell_log(shell, LOG_NEWS, "listens on %s, store %s, %u campaigns", shell->endpoint,
                  options->store, shell->n_campaigns);
        rounds(shell);
        leave(shell);
        if (shell->fatal.code) {
            rc = shell->fatal.code;
            if (err)
                *err = shell->fatal;
        }
    }
    finish(shell);
    free(shell);
    signals_close(before);
    return rc;
}
