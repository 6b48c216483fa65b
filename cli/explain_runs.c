/* Why did a task run, and why again? From the event log. */
#include "cli/explain.h"

#include "common/mem.h"
#include "proto/attempt.h"
#include "proto/event.h"

#include <stdlib.h>
#include <string.h>

enum { TEXT_SIZE = 400, RUNS_TOLD = 40 };

struct run {
    uint64_t epoch, attempt, begin_ms, end_ms; /* Unix ms; 0: not known */
    char worker[TEXT_SIZE], end[16], message[TEXT_SIZE];
    const char *why; /* it began; "" for the first */
    char because[TEXT_SIZE];
};

struct history {
    const struct hash *task; /* NULL: look at campaigns alone */
    struct explain *explain;
    struct run *runs;
    size_t n, capacity;
    bool made, retried; /* made: an attempt ended well; retried: since the last one */
    uint64_t made_ms, made_sequence;
    json_t *notes;       /* sentences of other events */
    uint64_t *submitted; /* by plan: sequence of the last time */
};

struct event {
    char what[16], end[16], worker[TEXT_SIZE], note[TEXT_SIZE];
    uint64_t attempt, epoch, time_ms, sequence;
};

static uint64_t number(struct value map, const char *key)
{
    uint64_t value = 0;
    (void)value_u64(value_get(map, key), key, 0, UINT64_MAX, &value, NULL);
    return value;
}

static void take_text(struct value map, const char *key, char *ret, size_t size)
{
    (void)value_text(value_get(map, key), key, ret, size, NULL);
}

static struct run *find_run(struct history *history, const struct event *event)
{
    for (size_t i = history->n; i-- > 0;)
        if (history->runs[i].epoch == event->epoch &&
            history->runs[i].attempt == event->attempt)
            return &history->runs[i];
    return NULL;
}

static struct run *add_run(struct history *history, const struct event *event)
{
    mem_reserve(history->runs, history->capacity, history->n + 1);
    struct run *run = &history->runs[history->n++];
    *run = (struct run){.epoch = event->epoch, .attempt = event->attempt, .why = ""};
    (void)snprintf(run->worker, sizeof run->worker, "%s", event->worker);
    return run;
}

/* ---- why it began ---- */

static const struct {
    const char *end, *why;
} ends[] = {
    {"crash", "the attempt before crashed"},
    {"time", "the attempt before was over its time"},
    {"bad", "the attempt before had outputs that did not match"},
    {"lost", "the worker of the attempt before was lost"},
    {"refused", "the worker of the attempt before refused it"},
    {"error", "an error is tried once more by another broker, or when the campaign is "
              "submitted again"},
};

/* Before it is added. */
static const char *why_again(const struct history *history, const struct event *event)
{
    const struct run *last = history->n ? &history->runs[history->n - 1] : NULL;
    if (!attempt_same_reason((uint32_t)event->attempt, 0))
        return "to compare (verify --recompute), or to make an input of that again";
    if (!last)
        return "";
    if (history->retried)
        return "an operator let it out of quarantine";
    if (history->made)
        return "an output that gc had freed was needed again";
    if (!last->end[0] && last->epoch != event->epoch)
        return "the broker was started anew while it ran";
    if (!last->end[0])
        return "beside the attempt before, which took long";
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        if (!strcmp(last->end, ends[i].end))
            return ends[i].why;
    return "";
}

/* ---- reading ---- */

static void on_lease(struct history *history, const struct event *event)
{
    const char *why = why_again(history, event);
    struct run *run = add_run(history, event);
    run->begin_ms = event->time_ms;
    run->why = why;
    history->retried = false;
}

static void on_attempt(struct history *history, const struct event *event)
{
    struct run *run = find_run(history, event);
    if (!run) {
        run = add_run(history, event);
        run->why = event->attempt ? "" : "computed for an earlier run of the broker";
    }
    run->end_ms = event->time_ms;
    memcpy(run->end, event->end, sizeof run->end);
    memcpy(run->message, event->note, sizeof run->message);
    if (strcmp(event->end, "ok") != 0 || history->made)
        return;
    history->made = true;
    history->made_ms = event->time_ms;
    history->made_sequence = event->sequence;
}

static void on_note(struct history *history, const struct event *event)
{
    char time[EVENT_TIME_SIZE];
    history->retried = history->retried || !strcmp(event->what, "retried");
    explain_tell(history->notes, "%s %s%s%s%s%s%s%s", event_time(event->time_ms, time),
                 event->what, event->end[0] ? ": " : "", event->end,
                 event->worker[0] ? ", on " : "", event->worker, event->note[0] ? ": " : "",
                 event->note);
}

static void on_submitted(struct history *history, struct value map, uint64_t sequence)
{
    struct hash id;
    if (value_hash(value_get(map, "campaign"), "campaign", &id, NULL))
        return;
    for (size_t i = 0; i < history->explain->n_plans; i++)
        if (hash_equal(&history->explain->plans[i].id, &id))
            history->submitted[i] = sequence;
}

static void take(struct history *history, struct value map, uint64_t sequence)
{
    struct event event = {.sequence = sequence};
    struct hash task;
    take_text(map, "event", event.what, sizeof event.what);
    if (!strcmp(event.what, "submitted"))
        on_submitted(history, map, sequence);
    if (value_hash(value_get(map, "task"), "task", &task, NULL) ||
        !hash_equal(&task, history->task))
        return;
    take_text(map, "end", event.end, sizeof event.end);
    take_text(map, "worker", event.worker, sizeof event.worker);
    take_text(map, value_present(value_get(map, "message")) ? "message" : "note", event.note,
              sizeof event.note);
    event.attempt = number(map, "attempt");
    event.epoch = number(map, "epoch");
    event.time_ms = number(map, "time");
    if (!strcmp(event.what, "lease"))
        on_lease(history, &event);
    else if (!strcmp(event.what, "attempt"))
        on_attempt(history, &event);
    else
        on_note(history, &event);
}

static int visit(void *context, uint64_t sequence, struct span bytes)
{
    struct document *document = NULL;
    if (document_parse(bytes, &value_limits_message, &document, NULL) == 0)
        take(context, document_root(document), sequence);
    document_free(document);
    return 0;
}

static void history_read(struct explain *explain, const struct hash *task, struct history *ret)
{
    *ret = (struct history){.task = task,
                            .explain = explain,
                            .notes = json_object(),
                            .submitted = mem_new(explain->n_plans + 1, sizeof *ret->submitted)};
    (void)store_each_event(explain->store, 0, visit, ret, NULL);
}

static void history_done(struct history *history)
{
    free(history->runs);
    free(history->submitted);
    json_decref(history->notes);
}

/* ---- telling ---- */

static void tell_run(json_t *answer, const struct run *run, size_t index, bool live)
{
    char begin[EVENT_TIME_SIZE], end[EVENT_TIME_SIZE];
    explain_tell(
        answer, "%zu. %s%s%s on %s: %s%s%s%s%s", index + 1,
        run->begin_ms ? event_time(run->begin_ms, begin) : "", run->end_ms ? " to " : "",
        run->end_ms ? event_time(run->end_ms, end) : "", run->worker,
        run->end[0] ? run->end
        : live      ? "no end yet"
                    : "no end is known: the broker ended before",
        run->message[0] ? ": " : "", run->message, run->why[0] ? "; because " : "", run->why);
}

/* Campaigns that were submitted when the result was there already. */
static void tell_hits(json_t *answer, const struct history *history)
{
    const struct explain *explain = history->explain;
    json_t *hits = json_array();
    for (size_t i = 0; i < explain->n_plans; i++)
        if (history->made && history->submitted[i] > history->made_sequence &&
            plan_has(&explain->plans[i], history->task)) {
            explain_tell(answer,
                         "Campaign '%s' was submitted later and took the result from the "
                         "cache.",
                         explain->plans[i].name);
            (void)json_array_append_new(hits, json_string(explain->plans[i].name));
        }
    (void)json_object_set_new(answer, "cache_hits", hits);
}

static json_t *run_json(const struct run *run)
{
    char begin[EVENT_TIME_SIZE] = "", end[EVENT_TIME_SIZE] = "";
    if (run->begin_ms)
        (void)event_time(run->begin_ms, begin);
    if (run->end_ms)
        (void)event_time(run->end_ms, end);
    return json_pack("{s:s,s:I,s:s,s:s,s:s,s:s}", "worker", run->worker, "attempt",
                     (json_int_t)run->attempt, "begin", begin, "end_time", end, "end", run->end,
                     "because", run->why);
}

json_t *explain_runs(struct explain *explain, const struct explained *task)
{
    struct history history;
    json_t *answer = json_object(), *rows = json_array();
    history_read(explain, &task->id, &history);
    size_t first = history.n > RUNS_TOLD ? history.n - RUNS_TOLD : 0;
    if (history.n == 0)
        explain_tell(answer, "The event log tells of no attempt.");
    if (first > 0)
        explain_tell(answer, "%zu earlier attempts are not told here.", first);
    for (size_t i = 0; i < history.n; i++)
        (void)json_array_append_new(rows, run_json(&history.runs[i]));
    for (size_t i = first; i < history.n; i++)
        tell_run(answer, &history.runs[i], i, explain->client && i + 1 == history.n);
    const json_t *note;
    size_t i;
    json_array_foreach(json_object_get(history.notes, "sentences"), i, note)
        explain_tell(answer, "%s", json_string_value(note));
    tell_hits(answer, &history);
    (void)json_object_set_new(answer, "attempts", rows);
    history_done(&history);
    return answer;
}

bool explain_made(struct explain *explain, const struct hash *task, uint64_t *ret_unix_ms,
                  uint64_t *ret_sequence)
{
    struct history history;
    history_read(explain, task, &history);
    *ret_unix_ms = history.made_ms;
    *ret_sequence = history.made_sequence;
    bool made = history.made;
    history_done(&history);
    return made;
}
