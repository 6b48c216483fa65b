/* What campaigns want of their tasks, when that changes: an operator paused, resumed or
 * cancelled one, or another campaign came in its place. Its open tasks are settled some at a
 * time, so that nobody waits for a large one. See shell.h. */
#include "broker/shell.h"

#include "common/mem.h"
#include "common/mutant.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SETTLED_PER_ROUND = 128 };

/* Refs that tell what an operator said; WILL_RUN has none. */
static const char *const will_prefix[] = {
    [WILL_PAUSE] = "paused/", [WILL_CANCEL] = "cancelled/"};

/* The open tasks of a planner, to be looked at once more. */
struct settling {
    struct planner *planner;
    bool retired; /* no campaign's any more: it is freed at the end */
    uint32_t cursor;
    uint8_t peer[PEER_ID_SIZE_MAX]; /* who waits for it; size 0: nobody */
    size_t peer_size;
    struct message answer;
};

struct wills {
    struct settling *items;
    size_t n, capacity;
};

struct wills *wills_new(void)
{
    return mem_new(1, sizeof(struct wills));
}

void wills_free(struct wills *wills)
{
    if (!wills)
        return;
    for (size_t i = 0; i < wills->n; i++)
        if (wills->items[i].retired)
            planner_free(wills->items[i].planner);
    free(wills->items);
    free(wills);
}

/* ---- settling ---- */

bool wills_want(const struct campaign_run *run, const struct hash *task)
{
    return run->will != WILL_CANCEL && planner_wants(run->planner, task);
}

static bool is_running(const struct shell *shell, const struct hash *task)
{
    enum broker_task_state state;
    return broker_core_task(shell->core, task, &state, NULL) == 0 &&
           (state == BROKER_TASK_LEASED || state == BROKER_TASK_PERSISTING);
}

/* What its campaigns want of it decides whether a task runs, is held or is cancelled. */
static void settle(struct shell *shell, const struct hash *task)
{
    struct broker_event event = {.type = BROKER_EVENT_TASK_CANCEL, .task = *task};
    if (recover_wants(shell, task)) /* others need again what it makes */
        event.type =
            recover_is_held(shell, task) ? BROKER_EVENT_TASK_HOLD : BROKER_EVENT_TASK_RELEASE;
    struct err err;
    for (uint32_t i = 0; i < shell->n_campaigns && event.type != BROKER_EVENT_TASK_RELEASE;
         i++) {
        const struct campaign_run *run = &shell->campaigns[i];
        if (!wills_want(run, task) || (run->over && !is_running(shell, task)))
            continue; /* when it is over, what runs may end */
        event.type = run->will == WILL_RUN ? BROKER_EVENT_TASK_RELEASE : BROKER_EVENT_TASK_HOLD;
    }
    if (shell_step(shell, event, NULL, &err))
        shell_log(shell, LOG_TROUBLE, "%s: %s", broker_event_text(event.type), err.text);
    else if (event.type == BROKER_EVENT_TASK_CANCEL)
        recover_forget(shell, task);
    else
        recover_hold(shell, task, event.type == BROKER_EVENT_TASK_HOLD);
}

static struct settling *find(const struct shell *shell, const struct planner *planner)
{
    for (size_t i = 0; i < shell->wills->n; i++)
        if (shell->wills->items[i].planner == planner)
            return &shell->wills->items[i];
    return NULL;
}

/* From the beginning, also when that was under way. */
static struct settling *begin(struct shell *shell, struct planner *planner)
{
    struct wills *wills = shell->wills;
    struct settling *settling = find(shell, planner);
    if (!settling) {
        mem_reserve(wills->items, wills->capacity, wills->n + 1);
        settling = &wills->items[wills->n++];
        *settling = (struct settling){.planner = planner};
    }
    settling->cursor = 0;
    return settling;
}

static void answer(struct shell *shell, const struct settling *settling)
{
    if (settling->peer_size)
        outbox_put(shell->control_out, (struct span){settling->peer, settling->peer_size},
                   &settling->answer);
}

bool wills_answer_later(struct shell *shell, const struct campaign_run *run, struct span peer,
                        const struct message *message)
{
    struct settling *settling = find(shell, run->planner);
    if (!settling)
        return false;
    answer(shell, settling); /* to who asked before: it is otherwise now */
    memcpy(settling->peer, peer.data, peer.size);
    settling->peer_size = peer.size;
    settling->answer = *message;
    return true;
}

void wills_follow(struct shell *shell, const struct campaign_run *run)
{
    (void)begin(shell, run->planner);
}

void wills_retire(struct shell *shell, struct planner *planner)
{
    begin(shell, planner)->retired = true;
}

/* The first that may go on; those of planners that left wait until the new plans have asked for
 * what is still wanted. NULL. */
static struct settling *next(const struct shell *shell)
{
    for (size_t i = 0; i < shell->wills->n; i++)
        if (!shell->wills->items[i].retired || !campaigns_replaying(shell))
            return &shell->wills->items[i];
    return NULL;
}

bool wills_step(struct shell *shell)
{
    struct wills *wills = shell->wills;
    struct settling *settling = next(shell);
    struct hash task;
    for (int i = 0; settling && i < SETTLED_PER_ROUND; i++) {
        if (planner_next_wanted(settling->planner, &settling->cursor, &task)) {
            settle(shell, &task);
            continue;
        }
        answer(shell, settling);
        if (settling->retired)
            planner_free(settling->planner);
        *settling = wills->items[--wills->n];
        settling = next(shell);
    }
    return settling != NULL;
}

bool wills_pending(const struct shell *shell)
{
    return shell->wills->n > 0;
}

/* ---- what an operator said ---- */

static void will_ref(const char *name, enum campaign_will will, char ret[STORE_REF_NAME_SIZE])
{
    (void)snprintf(ret, STORE_REF_NAME_SIZE, "%s%s", will_prefix[will], name);
}

void wills_store(struct shell *shell, const struct campaign_run *run)
{
    char ref[STORE_REF_NAME_SIZE];
    struct err err;
    int rc = 0;
    for (enum campaign_will will = WILL_PAUSE; rc == 0 && will <= WILL_CANCEL; will++) {
        will_ref(run->name, will, ref);
        rc = run->will == will ? store_put_ref(shell->store, ref, &run->id, &err)
                               : store_delete_ref(shell->store, ref, &err);
        rc = rc == ERR_NOT_FOUND ? 0 : rc;
    }
    if (rc)
        shell_store_failed(shell, &err);
    shell->dirty = true;
}

enum campaign_will wills_load(const struct shell *shell, const char *name,
                              const struct hash *id)
{
    char ref[STORE_REF_NAME_SIZE];
    struct hash found;
    for (enum campaign_will will = WILL_PAUSE; will <= WILL_CANCEL; will++) {
        will_ref(name, will, ref);
        if (!store_get_ref(shell->store, ref, &found, NULL) && hash_equal(&found, id) &&
            !(MUTANT(PAUSE_FORGOTTEN) && will == WILL_PAUSE))
            return will;
    }
    return WILL_RUN;
}

uint64_t wills_change(struct shell *shell, struct campaign_run *run, enum campaign_will will)
{
    static const char *const events[] = {"resumed", "paused", "cancelled"};
    if (run->will == will || run->over)
        return 0;
    run->will = will;
    run->hungry = true;
    run->over = will == WILL_CANCEL;
    wills_store(shell, run);
    record_campaign(shell, events[will], run);
    wills_follow(shell, run);
    uint64_t n = planner_n_open(run->planner);
    shell_log(shell, LOG_NEWS, "campaign '%s' is %s: %llu open tasks", run->name, events[will],
              (unsigned long long)n);
    return n;
}
