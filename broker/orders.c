/* What operators ask for: cancel, pause, resume, drain, retry, audit. See shell.h. What an
 * order changes is durable before it is answered; an audit is not remembered. */
#include "broker/shell.h"

#include "proto/order.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PREFIX_DIGITS_MIN = 4 };

/* Does the text look like (the beginning of) an id? */
static bool is_prefix(const char *text)
{
    size_t n = strspn(text, "0123456789abcdef");
    return text[n] == '\0' && n >= PREFIX_DIGITS_MIN && n < HASH_HEX_SIZE;
}

static int require_campaign(const struct shell *shell, const char *name,
                            struct campaign_run **ret, struct err *err)
{
    *ret = campaigns_find(shell, name);
    return *ret ? 0 : err_set(err, ERR_NOT_FOUND, "no campaign '%s' is here", name);
}

/* Of no use to anybody, by an operator's word: as if it had crashed too often. */
static int cancel_task(struct shell *shell, const char *prefix, uint64_t *ret_tasks,
                       struct err *err)
{
    static const char why[] = "cancelled by an operator";
    struct hash task;
    enum broker_task_state state;
    int rc = campaigns_find_task(shell, prefix, &task, err);
    if (rc == ERR_NOT_FOUND) {
        *ret_tasks = 1;
        return audit_cancel(shell, prefix, err);
    }
    if (rc == 0)
        rc = broker_core_task(shell->core, &task, &state, err);
    if (rc == 0 && state == BROKER_TASK_PERSISTING)
        rc = err_set(err, ERR_BUSY, "the task is done, its result is being made durable");
    if (rc == 0)
        rc = shell_step(shell,
                        (struct broker_event){.type = BROKER_EVENT_TASK_CANCEL, .task = task},
                        NULL, err);
    if (rc)
        return rc;
    record_quarantine(shell, &task, &(struct evidence){.end = "cancelled"});
    record_task(shell, "cancelled", &task, why);
    shell->failed++;
    campaigns_failed(shell, &task, why);
    *ret_tasks = 1;
    return 0;
}

static int order_cancel(struct shell *shell, const char *target, uint64_t *ret_tasks,
                        struct err *err)
{
    struct campaign_run *run = campaigns_find(shell, target);
    if (!run && is_prefix(target))
        return cancel_task(shell, target, ret_tasks, err);
    int rc = require_campaign(shell, target, &run, err);
    if (rc == 0 && run->over && run->will != WILL_CANCEL)
        rc = err_set(err, ERR_INVALID, "campaign '%s' is over: %s", target,
                     campaigns_state_text(run));
    if (rc == 0)
        *ret_tasks = wills_change(shell, run, WILL_CANCEL);
    return rc;
}

static int set_will(struct shell *shell, const char *target, enum campaign_will will,
                    uint64_t *ret_tasks, struct err *err)
{
    struct campaign_run *run;
    int rc = require_campaign(shell, target, &run, err);
    if (rc == 0 && run->over)
        rc = err_set(err, ERR_INVALID, "campaign '%s' is over: %s", target,
                     campaigns_state_text(run));
    if (rc == 0)
        *ret_tasks = wills_change(shell, run, will);
    return rc;
}

static int order_pause(struct shell *shell, const char *target, uint64_t *ret_tasks,
                       struct err *err)
{
    return set_will(shell, target, WILL_PAUSE, ret_tasks, err);
}

static int order_resume(struct shell *shell, const char *target, uint64_t *ret_tasks,
                        struct err *err)
{
    return set_will(shell, target, WILL_RUN, ret_tasks, err);
}

static int order_drain(struct shell *shell, const char *target, uint64_t *ret_tasks,
                       struct err *err)
{
    struct broker_worker worker;
    const struct peer *found = NULL;
    for (struct peer *peer = NULL; (peer = peers_next(shell->peers, peer));) {
        if (!peer->worker || strcmp(peer->name, target) != 0 ||
            broker_core_worker(shell->core, peer->worker, &worker, NULL))
            continue;
        if (found)
            return err_set(err, ERR_INVALID, "several workers have the name '%s'", target);
        found = peer;
        *ret_tasks = worker.leases;
    }
    if (!found)
        return err_set(err, ERR_NOT_FOUND, "no worker '%s' is here", target);
    return shell_step(
        shell,
        (struct broker_event){.type = BROKER_EVENT_WORKER_DRAIN, .worker = found->worker}, NULL,
        err);
}

static int order_retry(struct shell *shell, const char *target, uint64_t *ret_tasks,
                       struct err *err)
{
    struct hash_list list = {0};
    if (target[0] && !is_prefix(target))
        return err_set(err, ERR_INVALID, "'%s' is no task id", target);
    int rc = record_quarantine_list(shell, target, &list, err);
    if (rc == 0 && target[0] && list.n != 1)
        rc = list.n ? err_set(err, ERR_INVALID, "'%s' fits %zu tasks in quarantine", target,
                              list.n)
                    : err_set(err, ERR_NOT_FOUND, "no task '%s' is in quarantine", target);
    for (size_t i = 0; rc == 0 && i < list.n; i++)
        rc = record_quarantine_lift(shell, &list.items[i], err);
    if (rc == 0 && list.n)
        campaigns_replan_failed(shell);
    *ret_tasks = list.n;
    free(list.items);
    return rc;
}

/* "TASK WORKER": the worker is not to be used while there is another one. */
static int order_audit(struct shell *shell, const char *target, uint64_t *ret_tasks,
                       struct err *err)
{
    char hex[HASH_HEX_SIZE];
    struct hash task;
    size_t n = strcspn(target, " ");
    (void)snprintf(hex, sizeof hex, "%.*s", (int)n, target);
    if (n != HASH_HEX_SIZE - 1 || hash_parse(hex, &task, NULL))
        return err_set(err, ERR_INVALID, "'%.70s' is no task's id", target);
    *ret_tasks = 1;
    return audit_begin(shell, &task, target + n + (target[n] == ' '), err);
}

static int (*const verbs[])(struct shell *, const char *, uint64_t *, struct err *) = {
    [ORDER_CANCEL] = order_cancel, [ORDER_PAUSE] = order_pause, [ORDER_RESUME] = order_resume,
    [ORDER_DRAIN] = order_drain,   [ORDER_RETRY] = order_retry, [ORDER_AUDIT] = order_audit,
};

void orders_handle(struct shell *shell, struct span peer, const struct message_order *order)
{
    struct message answer = {.type = MESSAGE_TYPE_ordered,
                             .ordered = {.verb = order->verb, .target = order->target}};
    struct err err;
    int rc = order->verb < ORDER_VERB_COUNT
                 ? verbs[order->verb](shell, order->target.text, &answer.ordered.tasks, &err)
                 : err_set(&err, ERR_INVALID, "order %u is not known here", order->verb);
    if (rc) {
        answer.ordered.tasks = rc == ERR_BUSY || rc == ERR_FULL;
        message_text_set(&answer.ordered.problem, err.text);
    }
    const struct campaign_run *run = campaigns_find(shell, order->target.text);
    if (rc || !run || !wills_answer_later(shell, run, peer, &answer))
        outbox_put(shell->control_out, peer, &answer);
}
