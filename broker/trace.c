/* Events and actions as text: see trace.h. */
#include "broker/trace.h"

enum { WORKER = 1, TASK = 2, ATTEMPT = 4, END = 8 };

static const unsigned event_fields[BROKER_EVENT_COUNT] = {
    [BROKER_EVENT_TASK_ADD] = TASK,
    [BROKER_EVENT_TASK_CANCEL] = TASK,
    [BROKER_EVENT_WORKER_READY] = WORKER,
    [BROKER_EVENT_WORKER_ALIVE] = WORKER,
    [BROKER_EVENT_WORKER_GONE] = WORKER,
    [BROKER_EVENT_RESULT] = WORKER | TASK | ATTEMPT | END,
    [BROKER_EVENT_TASK_HOLD] = TASK,
    [BROKER_EVENT_TASK_RELEASE] = TASK,
    [BROKER_EVENT_WORKER_DRAIN] = WORKER,
    [BROKER_EVENT_RESULT_DURABLE] = TASK,
    [BROKER_EVENT_RESULT_REJECTED] = TASK,
};

static const unsigned action_fields[BROKER_ACTION_COUNT] = {
    [BROKER_ACTION_LEASE] = WORKER | TASK | ATTEMPT,
    [BROKER_ACTION_PERSIST] = WORKER | TASK | ATTEMPT,
    [BROKER_ACTION_ACK] = WORKER | TASK | ATTEMPT,
    [BROKER_ACTION_DONE] = TASK,
    [BROKER_ACTION_FAILED] = TASK | END,
    [BROKER_ACTION_QUARANTINE] = TASK | END,
    [BROKER_ACTION_ATTEMPT] = WORKER | TASK | ATTEMPT | END,
    [BROKER_ACTION_REVOKE] = WORKER | TASK | ATTEMPT,
    [BROKER_ACTION_DRAIN] = WORKER,
};

static void print(struct buf *out, const char *name, unsigned fields, uint32_t worker,
                  const struct hash *task, uint32_t attempt, enum attempt_end end)
{
    buf_print(out, "%s", name);
    if (fields & TASK)
        buf_print(out, " %02x%02x", task->bytes[0], task->bytes[1]);
    if (fields & ATTEMPT)
        buf_print(out, " #%u", attempt);
    if (fields & WORKER)
        buf_print(out, " w%u", worker);
    if (fields & END)
        buf_print(out, " %s", attempt_end_text(end));
}

void broker_trace(const struct broker_event *event, const struct broker_actions *actions,
                  struct buf *out)
{
    buf_print(out, "[%5llu] ", (unsigned long long)event->now_ms);
    /* What the core refuses as no event has a line as well. */
    unsigned fields =
        (unsigned)event->type < BROKER_EVENT_COUNT ? event_fields[event->type] : 0;
    print(out, broker_event_text(event->type), fields, event->worker, &event->task,
          event->attempt, event->end);
    for (size_t i = 0; i < actions->n; i++) {
        const struct broker_action *action = &actions->items[i];
        buf_print(out, "%s", i ? ", " : " -> ");
        print(out, broker_action_text(action->type), action_fields[action->type],
              action->worker, &action->task, action->attempt, action->end);
        if (action->raced)
            buf_print(out, " race");
        if (action->again)
            buf_print(out, " again");
    }
    buf_print(out, "\n");
}
