/* Carrying out the core's wishes: see shell.h. One row per kind of action. */
#include "broker/shell.h"

#include "broker/trace.h"
#include "common/cleanup.h"
#include "common/mem.h"
#include "common/mutant.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* Why a step is made: what its actions need to know beyond themselves. */
struct cause {
    const struct report *report;         /* RESULT */
    const struct persisting *persisting; /* RESULT_DURABLE */
    struct err rejected; /* code set by PERSIST: tell the core afterwards that it is none */
};

static const char *worker_name(const struct shell *shell, uint32_t worker)
{
    const struct peer *peer = peers_by_worker(shell->peers, worker);
    return peer ? peer->name : "?";
}

static void send_to(struct shell *shell, uint32_t worker, const struct message *message)
{
    const struct peer *peer = peers_by_worker(shell->peers, worker);
    if (peer)
        outbox_put(shell->control_out, peer_id(peer), message);
}

static void do_lease(struct shell *shell, const struct broker_action *action,
                     struct cause *cause)
{
    (void)cause;
    struct buf bytes = {0};
    char hex[HASH_HEX_SIZE];
    struct err err;
    if (store_get(shell->store, &action->task, &bytes, &err)) {
        shell_store_failed(shell,
                           &err); /* the action was put there before the task was added */
        buf_done(&bytes);
        return;
    }
    struct message message = {.type = MESSAGE_TYPE_lease,
                              .lease = {.epoch = shell->epoch,
                                        .task = action->task,
                                        .attempt = action->attempt,
                                        .duration_ms = action->lease_ms,
                                        .action = buf_span(&bytes),
                                        .memory = action->needs.memory_bytes,
                                        .time_ms = action->needs.time_ms}};
    send_to(shell, action->worker, &message);
    if (!action->again)
        record_lease(shell, action, worker_name(shell, action->worker));
    if (!action->again && action->raced)
        shell_log(shell, LOG_NEWS, "task %.16s takes long: attempt %u on %s races it",
                  hash_hex(&action->task, hex), action->attempt,
                  worker_name(shell, action->worker));
    buf_done(&bytes);
}

/* Every output must be there, as long as the result says. */
static int check_outputs(struct shell *shell, const struct result *result, struct err *err)
{
    for (uint32_t i = 0; i < result->n_outputs; i++) {
        struct store_info info;
        int rc = store_stat(shell->store, &result->outputs[i].id, &info, err);
        if (rc == 0 && info.size != result->outputs[i].size)
            rc = err_set(err, ERR_CORRUPT, "it is %llu bytes, said were %llu",
                         (unsigned long long)info.size,
                         (unsigned long long)result->outputs[i].size);
        if (rc)
            return err_context(err, rc, "output %u", i);
    }
    return 0;
}

/* Equal actions give equal bytes. A second result that is another one is a finding: the task is
 * not reproducible, or a worker computes wrongly. The first one stays. */
static void check_reproduced(struct shell *shell, const struct result *result,
                             const char *worker)
{
    struct result first = {0};
    struct buf a = {0}, b = {0};
    char note[SENTENCE_SIZE], hex[HASH_HEX_SIZE];
    if (store_get_result(shell->store, &result->action, &first, NULL))
        return;
    result_encode(&first, &a);
    result_encode(result, &b);
    if (a.size != b.size || memcmp(a.data, b.data, a.size) != 0) {
        (void)snprintf(note, sizeof note, "%s has another result than the one that is stored",
                       worker);
        record_task(shell, "unreproducible", &result->action, note);
        shell_log(shell, LOG_TROUBLE, "task %.16s is not reproducible: %s",
                  hash_hex(&result->action, hex), note);
    }
    result_done(&first);
    buf_done(&a);
    buf_done(&b);
}

/* Write the result that came with the event; outputs first, they were put before it came. */
static void do_persist(struct shell *shell, const struct broker_action *action,
                       struct cause *cause)
{
    const struct report *report = cause->report;
    struct err err;
    assert(report && report->result);
    if (!MUTANT(OUTPUTS_UNCHECKED) && check_outputs(shell, report->result, &cause->rejected))
        return;
    int rc = store_put_result(shell->store, report->result, &err);
    if (rc == 0)
        campaigns_paid(shell, &action->task, report->outcome->wall_us);
    if (rc == ERR_CORRUPT) /* another result is there: it counts, this one is a finding */
        check_reproduced(shell, report->result, worker_name(shell, action->worker));
    else if (rc)
        shell_store_failed(shell, &err);
    record_attempt(shell, &action->task, action->attempt, ATTEMPT_OK,
                   worker_name(shell, action->worker), report->outcome);
    audit_result(shell, report->result, action->attempt, worker_name(shell, action->worker));
    mem_reserve(shell->persisting, shell->persisting_capacity, shell->n_persisting + 1);
    shell->persisting[shell->n_persisting++] =
        (struct persisting){.task = action->task,
                            .epoch = report->outcome->epoch,
                            .attempt = report->outcome->attempt};
    shell->dirty = true;
}

static void do_ack(struct shell *shell, const struct broker_action *action, struct cause *cause)
{
    struct message message = {.type = MESSAGE_TYPE_ack, .ack = {.task = action->task}};
    if (cause->persisting) {
        message.ack.epoch = cause->persisting->epoch;
        message.ack.attempt = cause->persisting->attempt;
    } else {
        if (cause->report->result) /* it came late, the task is over */
            check_reproduced(shell, cause->report->result, worker_name(shell, action->worker));
        message.ack.epoch = cause->report->outcome->epoch;
        message.ack.attempt = cause->report->outcome->attempt;
    }
    send_to(shell, action->worker, &message);
}

static void do_done(struct shell *shell, const struct broker_action *action,
                    struct cause *cause)
{
    (void)cause;
    shell->executed++;
    campaigns_result(shell, &action->task, action->share, action->shared);
}

static const struct message_outcome *outcome_of(const struct cause *cause)
{
    return cause->report ? cause->report->outcome : NULL;
}

static void do_failed(struct shell *shell, const struct broker_action *action,
                      struct cause *cause)
{
    const struct message_outcome *outcome = outcome_of(cause);
    shell->failed++;
    campaigns_failed(shell, &action->task,
                     outcome && outcome->message.text[0] ? outcome->message.text
                                                         : attempt_end_text(action->end));
}

static void do_quarantine(struct shell *shell, const struct broker_action *action,
                          struct cause *cause)
{
    char why[SENTENCE_SIZE], hex[HASH_HEX_SIZE];
    if (audit_has(shell, &action->task)) { /* its result is there: nobody has to do without */
        do_failed(shell, action, cause);
        return;
    }
    struct evidence evidence = {.end = attempt_end_text(action->end),
                                .outcome = outcome_of(cause),
                                .n_workers = BROKER_CRASHES_MAX};
    for (int i = 0; i < BROKER_CRASHES_MAX; i++)
        evidence.workers[i] = worker_name(shell, action->crashed_on[i]);
    record_quarantine(shell, &action->task, &evidence);
    shell->failed++;
    if (record_quarantine_find(shell, &action->task, why))
        (void)snprintf(why, sizeof why, "in quarantine (%s)", attempt_end_text(action->end));
    shell_log(shell, LOG_TROUBLE, "task %.16s %s", hash_hex(&action->task, hex), why);
    campaigns_failed(shell, &action->task, why);
}

static void do_attempt(struct shell *shell, const struct broker_action *action,
                       struct cause *cause)
{
    const struct message_outcome *outcome = outcome_of(cause);
    const char *name = worker_name(shell, action->worker);
    char hex[HASH_HEX_SIZE];
    record_attempt(shell, &action->task, action->attempt, action->end, name, outcome);
    shell_log(shell, action->end == ATTEMPT_LOST ? LOG_NEWS : LOG_TROUBLE,
              "attempt %u of task %.16s on %s: %s%s%s", action->attempt,
              hash_hex(&action->task, hex), name, attempt_end_text(action->end),
              outcome && outcome->message.text[0] ? ": " : "",
              outcome ? outcome->message.text : "");
}

static void do_revoke(struct shell *shell, const struct broker_action *action,
                      struct cause *cause)
{
    (void)cause;
    struct message message = {
        .type = MESSAGE_TYPE_revoke,
        .revoke = {.epoch = shell->epoch, .task = action->task, .attempt = action->attempt}};
    send_to(shell, action->worker, &message);
    record_lease(shell, action, worker_name(shell, action->worker));
}

/* It finishes what runs, gives back the rest and says goodbye. */
static void do_drain(struct shell *shell, const struct broker_action *action,
                     struct cause *cause)
{
    (void)cause;
    struct message message = {.type = MESSAGE_TYPE_shutdown,
                              .shutdown = {.epoch = shell->epoch}};
    struct peer *peer = peers_by_worker(shell->peers, action->worker);
    if (peer && !peer->drained) { /* else it is told again */
        char why[SENTENCE_SIZE] = "asked for by an operator";
        if (action->proofs)
            (void)snprintf(why, sizeof why, "%u tasks ended badly there and well elsewhere",
                           action->proofs);
        record_worker(shell, "drained", peer->name, why);
        shell_log(shell, action->proofs ? LOG_TROUBLE : LOG_NEWS, "worker %s is drained: %s",
                  peer->name, why);
        peer->drained = true;
    }
    send_to(shell, action->worker, &message);
}

static void (*const effects[])(struct shell *, const struct broker_action *, struct cause *) = {
    [BROKER_ACTION_LEASE] = do_lease,     [BROKER_ACTION_PERSIST] = do_persist,
    [BROKER_ACTION_ACK] = do_ack,         [BROKER_ACTION_DONE] = do_done,
    [BROKER_ACTION_FAILED] = do_failed,   [BROKER_ACTION_QUARANTINE] = do_quarantine,
    [BROKER_ACTION_ATTEMPT] = do_attempt, [BROKER_ACTION_REVOKE] = do_revoke,
    [BROKER_ACTION_DRAIN] = do_drain,
};

static int step(struct shell *shell, struct broker_event event, struct cause *cause,
                struct err *err)
{
    struct broker_actions actions = {0};
    event.now_ms = shell->now_ms;
    int rc = broker_core_step(shell->core, &event, &actions, err);
    if (rc == 0 && shell->options->verbosity >= LOG_DETAIL) {
        struct buf line = {0};
        broker_trace(&event, &actions, &line);
        shell_log(shell, LOG_DETAIL, "%.*s", (int)line.size - 1, (const char *)line.data);
        buf_done(&line);
    }
    for (size_t i = 0; rc == 0 && i < actions.n; i++)
        effects[actions.items[i].type](shell, &actions.items[i], cause);
    broker_actions_done(&actions);
    return rc;
}

/* The result cannot be kept: for the core and the records its attempt ended badly. */
static int reject(struct shell *shell, const struct report *report, const struct err *why,
                  struct err *err)
{
    struct message_outcome outcome = *report->outcome;
    message_text_set(&outcome.message, why->text);
    struct cause cause = {.report = &(struct report){.outcome = &outcome}};
    return step(
        shell,
        (struct broker_event){.type = BROKER_EVENT_RESULT_REJECTED, .task = outcome.task},
        &cause, err);
}

int shell_step(struct shell *shell, struct broker_event event, const struct report *report,
               struct err *err)
{
    struct cause cause = {.report = report};
    int rc = step(shell, event, &cause, err);
    if (rc == 0 && cause.rejected.code && !MUTANT(REJECTED_FORGOTTEN))
        rc = reject(shell, report, &cause.rejected, err);
    return rc;
}

void shell_durable(struct shell *shell)
{
    for (size_t i = 0; i < shell->n_persisting; i++) {
        struct cause cause = {.persisting = &shell->persisting[i]};
        struct broker_event event = {.type = BROKER_EVENT_RESULT_DURABLE,
                                     .task = shell->persisting[i].task};
        struct err err;
        if (step(shell, event, &cause, &err))
            shell_log(shell, LOG_TROUBLE, "after a commit: %s", err.text);
    }
    shell->n_persisting = 0;
}

int shell_profile(struct shell *shell, const char *text, uint32_t *ret_id, struct err *err)
{
    *ret_id = 0;
    if (!text[0])
        return 0;
    for (uint32_t i = 0; i < shell->n_profiles; i++)
        if (!strcmp(shell->profiles[i], text)) {
            *ret_id = i + 1;
            return 0;
        }
    if (shell->n_profiles == PROFILES_MAX)
        return err_set(err, ERR_FULL, "more than %d different numerics profiles", PROFILES_MAX);
    shell->profiles =
        mem_resize(shell->profiles, shell->n_profiles + 1u, sizeof *shell->profiles);
    (void)snprintf(shell->profiles[shell->n_profiles], PROFILE_SIZE, "%s", text);
    *ret_id = ++shell->n_profiles;
    return 0;
}

static int tag_number(struct shell *shell, const char *tag, uint32_t *ret, struct err *err)
{
    for (*ret = 0; *ret < shell->n_tags; ++*ret)
        if (!strcmp(shell->tags[*ret], tag))
            return 0;
    if (shell->n_tags == TAGS_MAX)
        return err_set(err, ERR_FULL, "more than %d different tags", TAGS_MAX);
    memcpy(shell->tags[shell->n_tags++], tag, TAG_SIZE);
    return 0;
}

int shell_tags(struct shell *shell, const char *list, uint64_t *ret_set, struct err *err)
{
    char tag[TAG_SIZE] = "";
    uint64_t set = 0;
    while (tags_next(&list, tag)) {
        uint32_t number;
        int rc = tag_number(shell, tag, &number, err);
        if (rc)
            return rc;
        set |= UINT64_C(1) << number;
    }
    *ret_set = set;
    return 0;
}
