/* Tasks that need what gc has freed: the tasks that make it run first, and so on back to what
 * is there. Nothing of this is on disk: a restarted broker plans the same tasks, misses the
 * same inputs and is here again. */
#include "broker/shell.h"

#include "common/mem.h"
#include "proto/kinds.h"

#include <stdlib.h>
#include <string.h>

/* A task that waits for others, or that others wait for. */
struct held {
    struct broker_event add; /* TASK_ADD, once nothing is missing */
    struct action action;
    struct hash *needs; /* tasks that make its missing inputs */
    uint32_t n_needs;
    bool added;
};

struct recovery {
    struct held *items;
    size_t n, capacity;
};

void recover_free(struct recovery *recovery)
{
    if (!recovery)
        return;
    for (size_t i = 0; i < recovery->n; i++) {
        action_done(&recovery->items[i].action);
        free(recovery->items[i].needs);
    }
    free(recovery->items);
    free(recovery);
}

static struct held *find(const struct shell *shell, const struct hash *task)
{
    struct recovery *recovery = shell->recovery;
    for (size_t i = 0; recovery && i < recovery->n; i++)
        if (hash_equal(&recovery->items[i].add.task, task))
            return &recovery->items[i];
    return NULL;
}

static bool needs(const struct held *held, const struct hash *task)
{
    for (uint32_t i = 0; i < held->n_needs; i++)
        if (hash_equal(&held->needs[i], task))
            return true;
    return false;
}

bool recover_holds(const struct shell *shell, const struct hash *task)
{
    return find(shell, task) != NULL;
}

bool recover_wants(const struct shell *shell, const struct hash *task)
{
    const struct recovery *recovery = shell->recovery;
    for (size_t i = 0; recovery && i < recovery->n; i++)
        if (needs(&recovery->items[i], task))
            return true;
    return false;
}

bool recover_need(const struct shell *shell, const struct hash *task, uint32_t i,
                  struct hash *ret)
{
    const struct held *held = find(shell, task);
    if (!held || i >= held->n_needs)
        return false;
    *ret = held->needs[i];
    return true;
}

bool recover_is_held(const struct shell *shell, const struct hash *task)
{
    const struct recovery *recovery = shell->recovery;
    for (size_t i = 0; recovery && i < recovery->n; i++)
        if (needs(&recovery->items[i], task) && !recovery->items[i].add.held)
            return false;
    return true;
}

bool recover_next(const struct shell *shell, size_t *cursor, struct hash *ret_task)
{
    const struct recovery *recovery = shell->recovery;
    if (!recovery || *cursor >= recovery->n)
        return false;
    *ret_task = recovery->items[(*cursor)++].add.task;
    return true;
}

static void remove_held(struct shell *shell, const struct hash *task)
{
    struct held *held = find(shell, task);
    if (!held)
        return;
    action_done(&held->action);
    free(held->needs);
    *held = shell->recovery->items[--shell->recovery->n];
}

/* ---- holding ---- */

static int load_action(struct shell *shell, const struct hash *id, struct action *ret,
                       struct err *err)
{
    struct buf bytes = {0};
    int rc = store_get(shell->store, id, &bytes, err);
    if (rc == 0)
        rc = action_decode(buf_span(&bytes), ret, err);
    buf_done(&bytes);
    return rc;
}

/* What of its inputs is missing, and who makes it; what is there is made young. */
static int look_at_inputs(struct shell *shell, struct held *held, struct err *err)
{
    const struct action *action = &held->action;
    for (uint32_t i = 0; i < action->n_inputs; i++) {
        struct hash maker;
        int rc = store_touch(shell->store, &action->inputs[i], err);
        if (rc == 0)
            continue;
        if (rc == ERR_NOT_FOUND)
            rc = store_pruned(shell->store, &action->inputs[i], &maker, err);
        if (rc != 0)
            return err_context(err, rc, "input %u", i);
        if (needs(held, &maker))
            continue;
        held->needs = mem_resize(held->needs, held->n_needs + 1u, sizeof *held->needs);
        held->needs[held->n_needs++] = maker;
    }
    return 0;
}

/* Takes the action, also on failure. */
static int hold(struct shell *shell, struct action *action, struct broker_event add,
                struct err *err)
{
    struct recovery *recovery = shell->recovery;
    mem_reserve(recovery->items, recovery->capacity, recovery->n + 1);
    struct held *held = &recovery->items[recovery->n++];
    add.kind = (uint32_t)kind_find(action->kind);
    add.shared = true; /* who asks while it waits is not noted */
    *held = (struct held){.add = add, .action = *action};
    *action = (struct action){0};
    held->add.needs = campaigns_needs(shell, &held->add);
    int rc = shell_profile(shell, held->action.profile, &held->add.profile_id, err);
    return rc == 0 ? look_at_inputs(shell, held, err) : rc;
}

/* Those that make what `from` and later ones miss, to the end of the chain. */
static int hold_makers(struct shell *shell, size_t from, struct err *err)
{
    int rc = 0;
    for (size_t i = from; rc == 0 && i < shell->recovery->n; i++)
        for (uint32_t k = 0; rc == 0 && k < shell->recovery->items[i].n_needs; k++) {
            struct action action = {0};
            struct broker_event add = shell->recovery->items[i].add;
            add.task = shell->recovery->items[i].needs[k];
            memset(add.blobs, 0, sizeof add.blobs);
            if (find(shell, &add.task)) {
                if (!add.held)
                    recover_hold(shell, &add.task, false);
                continue;
            }
            rc = load_action(shell, &add.task, &action, err);
            if (rc == 0)
                rc = hold(shell, &action, add, err);
        }
    return rc;
}

static int add_ready(struct shell *shell, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < shell->recovery->n; i++) {
        struct held *held = &shell->recovery->items[i];
        if (held->added || held->n_needs > 0)
            continue;
        held->added = true;
        rc = shell_step(shell, held->add, NULL, err);
    }
    return rc;
}

static bool is_something_missing(struct shell *shell, const struct action *action)
{
    if (!store_has_pruned(shell->store))
        return false;
    for (uint32_t i = 0; i < action->n_inputs; i++)
        if (!store_has(shell->store, &action->inputs[i]))
            return true;
    return false;
}

int recover_add(struct shell *shell, const struct action *action, struct broker_event add,
                struct err *err)
{
    const struct held *held = find(shell, &add.task);
    if (held && !held->added) {
        if (!add.held)
            recover_hold(shell, &add.task, false);
        return 0;
    }
    if (held || !is_something_missing(shell, action))
        return shell_step(shell, add, NULL, err);
    if (!shell->recovery)
        shell->recovery = mem_new(1, sizeof *shell->recovery);
    size_t from = shell->recovery->n;
    struct action copy = {0};
    int rc = load_action(shell, &add.task, &copy, err); /* it was just put there */
    if (rc == 0)
        rc = hold(shell, &copy, add, err);
    if (rc == 0)
        rc = hold_makers(shell, from, err);
    if (rc == 0) {
        shell_commit_soon(shell); /* inputs that were made young */
        shell_log(shell, LOG_NEWS, "%zu tasks to get back what gc has freed",
                  shell->recovery->n - from - 1);
        return add_ready(shell, err);
    }
    while (shell->recovery->n > from) { /* none of them was added yet */
        struct hash task = shell->recovery->items[shell->recovery->n - 1].add.task;
        remove_held(shell, &task);
    }
    return rc;
}

/* ---- paused and resumed ---- */

void recover_hold(struct shell *shell, const struct hash *task, bool hold)
{
    struct held *held = find(shell, task);
    struct err err;
    if (!held || held->add.held == hold)
        return;
    held->add.held = hold;
    for (uint32_t k = 0; k < held->n_needs; k++) {
        const struct hash *maker = &held->needs[k];
        bool hold_maker = recover_is_held(shell, maker);
        struct broker_event event = {.type = hold_maker ? BROKER_EVENT_TASK_HOLD
                                                        : BROKER_EVENT_TASK_RELEASE,
                                     .task = *maker};
        if (shell_step(shell, event, NULL, &err))
            shell_log(shell, LOG_TROUBLE, "getting back what gc has freed: %s", err.text);
        recover_hold(shell, maker, hold_maker);
    }
}

/* ---- ends ---- */

static bool has_inputs(struct shell *shell, const struct held *held)
{
    for (uint32_t i = 0; i < held->action.n_inputs; i++)
        if (!store_has(shell->store, &held->action.inputs[i]))
            return false;
    return true;
}

static void need_met(struct held *held, const struct hash *task)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < held->n_needs; i++)
        if (!hash_equal(&held->needs[i], task))
            held->needs[kept++] = held->needs[i];
    held->n_needs = kept;
}

/* All that it waited for is over, and still something is missing. */
static void fail_broken(struct shell *shell)
{
    for (size_t i = 0; i < shell->recovery->n; i++) {
        const struct held *held = &shell->recovery->items[i];
        if (held->added || held->n_needs > 0 || has_inputs(shell, held))
            continue;
        struct hash task = held->add.task;
        campaigns_failed(shell, &task, "an input that gc had freed came out otherwise");
        i = (size_t)-1; /* the list has changed */
    }
}

void recover_done(struct shell *shell, const struct hash *done)
{
    struct hash task = *done;
    struct err err;
    if (!shell->recovery || shell->recovery->n == 0)
        return;
    remove_held(shell, &task);
    for (size_t i = 0; i < shell->recovery->n; i++)
        need_met(&shell->recovery->items[i], &task);
    fail_broken(shell);
    if (add_ready(shell, &err))
        shell_log(shell, LOG_TROUBLE, "getting back what gc has freed: %s", err.text);
}

void recover_failed(struct shell *shell, const struct hash *failed, const char *why)
{
    struct hash task = *failed;
    remove_held(shell, &task);
    for (size_t i = 0; shell->recovery && i < shell->recovery->n; i++)
        if (needs(&shell->recovery->items[i], &task)) {
            struct hash next = shell->recovery->items[i].add.task;
            campaigns_failed(shell, &next, why); /* comes back here for it */
            i = (size_t)-1;                      /* the list has changed */
        }
}

void recover_forget(struct shell *shell, const struct hash *task)
{
    remove_held(shell, task);
}
