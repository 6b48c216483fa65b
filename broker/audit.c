/* Audits: tasks whose result is known are computed again, elsewhere when there is an elsewhere,
 * and what comes out is compared bit for bit. They have a share of their own, of the smallest
 * weight, and while a campaign runs one at a time is under way, so that it takes one slot at
 * most. Nothing of this is on disk: who asked asks again. */
#include "broker/shell.h"

#include "common/mem.h"
#include "common/mutant.h"
#include "proto/attempt.h"
#include "proto/kinds.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { AUDITS_MAX = 256, /* under way */ AUDIT_PRIORITY = -8 };

static_assert((int)AUDIT_SHARE < (int)BROKER_SHARES_MAX,
              "audits have a share beside those of campaigns");

struct audit {
    struct hash task, result; /* result: hash of the bytes that it must give again */
    uint32_t before;          /* its attempts have greater numbers */
};

struct audits {
    struct audit items[AUDITS_MAX];
    size_t n;
    uint32_t begun; /* so far */
};

struct audits *audits_new(void)
{
    return mem_new(1, sizeof(struct audits));
}

void audits_free(struct audits *audits)
{
    free(audits);
}

static struct audit *find(const struct shell *shell, const struct hash *task)
{
    struct audits *audits = shell->audits;
    for (size_t i = 0; i < audits->n; i++)
        if (hash_equal(&audits->items[i].task, task))
            return &audits->items[i];
    return NULL;
}

bool audit_has(const struct shell *shell, const struct hash *task)
{
    return find(shell, task) != NULL;
}

bool audit_next(const struct shell *shell, size_t *cursor, struct hash *ret_task)
{
    if (*cursor >= shell->audits->n)
        return false;
    *ret_task = shell->audits->items[(*cursor)++].task;
    return true;
}

static struct hash hash_of(const struct result *result)
{
    struct buf bytes = {0};
    result_encode(result, &bytes);
    struct hash hash = hash_bytes(buf_span(&bytes));
    buf_done(&bytes);
    return hash;
}

/* ---- begin ---- */

static int read_result(struct shell *shell, const struct hash *task, struct hash *ret_hash,
                       struct err *err)
{
    struct result result = {0};
    int rc = store_get_result(shell->store, task, &result, err);
    if (rc)
        return err_context(err, rc, "there is no result to compare with");
    *ret_hash = hash_of(&result);
    result_done(&result);
    return 0;
}

static int read_action(struct shell *shell, const struct hash *task, struct action *ret,
                       struct err *err)
{
    struct buf bytes = {0};
    int rc = store_get(shell->store, task, &bytes, err);
    if (rc == 0)
        rc = action_decode(buf_span(&bytes), ret, err);
    buf_done(&bytes);
    return rc;
}

/* Can a worker that is here compute it? Errors: ERR_UNSUPPORTED. */
static int require_worker(struct shell *shell, const struct action *action,
                          struct broker_event *add, struct err *err)
{
    struct broker_fit fit;
    int kind = kind_find(action->kind);
    if (kind < 0 || kinds[kind].revision != action->revision)
        return err_set(err, ERR_UNSUPPORTED, "this program has no revision %u of '%s'",
                       action->revision, action->kind);
    int rc = shell_profile(shell, action->profile, &add->profile_id, err);
    if (rc)
        return rc;
    add->kind = (uint32_t)kind;
    add->needs = campaigns_needs(shell, add);
    broker_core_fit(shell->core, add->kind, add->profile_id, &add->needs, &fit);
    if (!fit.kind)
        return err_set(err, ERR_UNSUPPORTED, "no worker here runs '%s'", action->kind);
    if (!fit.profile)
        return err_set(err, ERR_UNSUPPORTED, "no worker here has its numerics profile, %s",
                       action->profile);
    if (!fit.able)
        return err_set(err, ERR_UNSUPPORTED,
                       "no worker here has the memory, gpus and tags that '%s' needs",
                       action->kind);
    return 0;
}

/* What the core calls the worker to avoid: 0 when it is not here. */
static uint32_t number_to_avoid(const struct shell *shell, const char *name)
{
    for (struct peer *peer = NULL; (peer = peers_next(shell->peers, peer));)
        if (peer->worker && !strcmp(peer->name, name))
            return peer->worker + 1;
    return 0;
}

static bool campaign_runs(const struct shell *shell)
{
    for (uint32_t i = 0; i < shell->n_campaigns; i++)
        if (!shell->campaigns[i].over && shell->campaigns[i].will == WILL_RUN)
            return true;
    return false;
}

/* Errors: ERR_BUSY, ERR_FULL: another time. */
static int require_room(const struct shell *shell, const struct hash *task, struct err *err)
{
    enum broker_task_state state;
    if (shell->audits->n == AUDITS_MAX)
        return err_set(err, ERR_FULL, "%d results are being recomputed", AUDITS_MAX);
    if (shell->audits->begun == ATTEMPT_AUDITS_MAX)
        return err_set(err, ERR_FULL, "no more audits until the broker is started again");
    if (shell->audits->n > 0 && campaign_runs(shell))
        return err_set(err, ERR_BUSY, "a campaign runs: one at a time");
    if (gc_is_running(shell)) /* it has seen what is needed, and may free inputs */
        return err_set(err, ERR_BUSY, "gc is under way");
    if (recover_holds(shell, task) || !broker_core_task(shell->core, task, &state, NULL))
        return err_set(err, ERR_BUSY, "the task runs for another reason");
    return 0;
}

int audit_begin(struct shell *shell, const struct hash *task, const char *avoid,
                struct err *err)
{
    struct audits *audits = shell->audits;
    struct broker_event add = {.type = BROKER_EVENT_TASK_ADD,
                               .task = *task,
                               .share = AUDIT_SHARE,
                               .priority = AUDIT_PRIORITY,
                               .avoid = number_to_avoid(shell, avoid)};
    struct action action = {0};
    struct hash result;
    if (find(shell, task))
        return 0;
    int rc = require_room(shell, task, err);
    if (rc == 0)
        rc = read_result(shell, task, &result, err);
    if (rc == 0)
        rc = read_action(shell, task, &action, err);
    if (rc == 0)
        rc = require_worker(shell, &action, &add, err);
    if (rc == 0) {
        add.attempt = attempt_of_audit(++audits->begun);
        audits->items[audits->n++] = (struct audit){*task, result, add.attempt};
        rc = recover_add(shell, &action, add, err);
        if (rc)
            audits->n--;
    }
    action_done(&action);
    return rc;
}

/* ---- end ---- */

static void finish(struct shell *shell, struct audit *audit, const struct audited *audited)
{
    record_audited(shell, &audit->task, audited);
    *audit = shell->audits->items[--shell->audits->n];
}

bool audit_predates(const struct shell *shell, const struct message_outcome *outcome)
{
    const struct audit *audit = find(shell, &outcome->task);
    return audit && !MUTANT(AUDIT_OLD_RESULT) &&
           (outcome->epoch != shell->epoch || outcome->attempt <= audit->before);
}

/* The first thing that is not the same. */
static void tell_difference(struct shell *shell, const struct result *result,
                            char ret[SENTENCE_SIZE])
{
    struct result first = {0};
    char a[HASH_HEX_SIZE], b[HASH_HEX_SIZE];
    uint32_t i = 0;
    (void)snprintf(ret, SENTENCE_SIZE, "the summaries differ");
    if (store_get_result(shell->store, &result->action, &first, NULL))
        return;
    while (i < first.n_outputs && i < result->n_outputs &&
           hash_equal(&first.outputs[i].id, &result->outputs[i].id))
        i++;
    if (i < first.n_outputs && i < result->n_outputs)
        (void)snprintf(ret, SENTENCE_SIZE, "output %u: %s %.16s is stored, %.16s came out", i,
                       first.outputs[i].type, hash_hex(&first.outputs[i].id, a),
                       hash_hex(&result->outputs[i].id, b));
    else if (first.n_outputs != result->n_outputs)
        (void)snprintf(ret, SENTENCE_SIZE, "%u outputs are stored, %u came out",
                       first.n_outputs, result->n_outputs);
    result_done(&first);
}

void audit_result(struct shell *shell, const struct result *result, uint32_t attempt,
                  const char *worker)
{
    struct audit *audit = find(shell, &result->action);
    char note[SENTENCE_SIZE] = "";
    if (!audit)
        return;
    struct hash again = hash_of(result);
    bool equal = hash_equal(&again, &audit->result) || MUTANT(AUDIT_BLIND);
    if (!equal)
        tell_difference(shell, result, note);
    finish(shell, audit,
           &(struct audited){.attempt = attempt,
                             .worker = worker,
                             .end = equal ? "equal" : "differs",
                             .note = note});
}

void audit_failed(struct shell *shell, const struct hash *task, const char *why)
{
    struct audit *audit = find(shell, task);
    if (audit)
        finish(shell, audit, &(struct audited){.worker = "", .end = "failed", .note = why});
}

int audit_cancel(struct shell *shell, const char *prefix, struct err *err)
{
    char hex[HASH_HEX_SIZE];
    size_t i = 0;
    while (i < shell->audits->n &&
           strncmp(hash_hex(&shell->audits->items[i].task, hex), prefix, strlen(prefix)) != 0)
        i++;
    if (i == shell->audits->n)
        return err_set(err, ERR_NOT_FOUND, "no task '%s' is open or recomputed", prefix);
    struct hash task = shell->audits->items[i].task;
    finish(shell, &shell->audits->items[i],
           &(struct audited){.worker = "", .end = "cancelled", .note = ""});
    if (recover_wants(shell, &task)) /* others need what it makes */
        return 0;
    recover_forget(shell, &task);
    return shell_step(shell,
                      (struct broker_event){.type = BROKER_EVENT_TASK_CANCEL, .task = task},
                      NULL, err);
}
