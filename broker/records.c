/* What the broker writes down beside results: see shell.h and docs/events.md. */
#include "broker/shell.h"

#include "common/cleanup.h"
#include "common/mem.h"
#include "proto/event.h"
#include "proto/value.h"

#include <stdio.h>

enum { QUARANTINE_VERSION = 2 /* 2: inputs, workers */ };
static const char quarantine_format[] = "wyckmill quarantine";
static const char quarantine_prefix[] = "quarantine/";

static void key_u64(struct pack *pack, const char *key, uint64_t value)
{
    pack_key(pack, key);
    pack_u64(pack, value);
}

static void key_text(struct pack *pack, const char *key, const char *text)
{
    pack_key(pack, key);
    pack_text(pack, text);
}

static void key_hash(struct pack *pack, const char *key, const struct hash *hash)
{
    pack_key(pack, key);
    pack_hash(pack, hash);
}

/* Append the event; nobody waits for it. */
static void append(struct shell *shell, struct buf *event)
{
    struct err err;
    uint64_t sequence;
    if (store_append_event(shell->store, buf_span(event), &sequence, &err))
        shell_store_failed(shell, &err);
    buf_done(event);
    shell_commit_soon(shell);
}

void record_lease(struct shell *shell, const struct broker_action *action, const char *worker)
{
    bool revoked = action->type == BROKER_ACTION_REVOKE;
    struct buf event = {0};
    struct pack pack;
    pack_init(&pack, &event);
    pack_map(&pack, 6 + action->raced);
    key_u64(&pack, "attempt", action->attempt);
    key_u64(&pack, "epoch", shell->epoch);
    key_text(&pack, "event", revoked ? "revoked" : "lease");
    if (action->raced) {
        pack_key(&pack, "raced");
        pack_bool(&pack, true);
    }
    key_hash(&pack, "task", &action->task);
    key_u64(&pack, "time", shell_unix_ms(shell));
    key_text(&pack, "worker", worker);
    append(shell, &event);
}

void record_attempt(struct shell *shell, const struct hash *task, uint32_t attempt,
                    enum attempt_end end, const char *worker,
                    const struct message_outcome *outcome)
{
    struct buf event = {0};
    struct pack pack;
    pack_init(&pack, &event);
    pack_map(&pack, outcome ? 12 : 7);
    key_u64(&pack, "attempt", attempt);
    if (outcome)
        key_u64(&pack, "cpu_us", outcome->cpu_us);
    key_text(&pack, "end", attempt_end_text(end));
    key_u64(&pack, "epoch", shell->epoch);
    key_text(&pack, "event", "attempt");
    if (outcome) {
        pack_key(&pack, "log");
        pack_bytes(&pack, outcome->log);
        key_text(&pack, "message", outcome->message.text);
        key_u64(&pack, "peak_bytes", outcome->peak_bytes);
    }
    key_hash(&pack, "task", task);
    key_u64(&pack, "time", shell_unix_ms(shell));
    if (outcome)
        key_u64(&pack, "wall_us", outcome->wall_us);
    key_text(&pack, "worker", worker);
    append(shell, &event);
}

void record_campaign(struct shell *shell, const char *what, const struct campaign_run *run)
{
    struct planner_status status;
    planner_status(run->planner, &status);
    struct buf event = {0};
    struct pack pack;
    pack_init(&pack, &event);
    pack_map(&pack, 9);
    key_u64(&pack, "cached", run->cached);
    key_hash(&pack, "campaign", &run->id);
    key_u64(&pack, "epoch", shell->epoch);
    key_text(&pack, "event", what);
    key_u64(&pack, "executed", run->executed);
    key_text(&pack, "name", run->name);
    key_text(&pack, "note", status.note);
    key_text(&pack, "state", campaigns_state_text(run));
    key_u64(&pack, "time", shell_unix_ms(shell));
    append(shell, &event);
}

void record_task(struct shell *shell, const char *what, const struct hash *task,
                 const char *note)
{
    struct buf event = {0};
    struct pack pack;
    pack_init(&pack, &event);
    pack_map(&pack, 5);
    key_u64(&pack, "epoch", shell->epoch);
    key_text(&pack, "event", what);
    key_text(&pack, "note", note);
    key_hash(&pack, "task", task);
    key_u64(&pack, "time", shell_unix_ms(shell));
    append(shell, &event);
}

void record_audited(struct shell *shell, const struct hash *task, const struct audited *audited)
{
    struct buf event = {0};
    struct pack pack;
    pack_init(&pack, &event);
    pack_map(&pack, 8);
    key_u64(&pack, "attempt", audited->attempt);
    key_text(&pack, "end", audited->end);
    key_u64(&pack, "epoch", shell->epoch);
    key_text(&pack, "event", "audited");
    key_text(&pack, "note", audited->note);
    key_hash(&pack, "task", task);
    key_u64(&pack, "time", shell_unix_ms(shell));
    key_text(&pack, "worker", audited->worker);
    append(shell, &event);
}

void record_worker(struct shell *shell, const char *what, const char *worker, const char *note)
{
    struct buf event = {0};
    struct pack pack;
    pack_init(&pack, &event);
    pack_map(&pack, 5);
    key_u64(&pack, "epoch", shell->epoch);
    key_text(&pack, "event", what);
    key_text(&pack, "note", note);
    key_u64(&pack, "time", shell_unix_ms(shell));
    key_text(&pack, "worker", worker);
    append(shell, &event);
}

/* ---- reading the log ---- */

enum { EVENTS_JSON_BYTES = 256 << 10 /* then an answer is full */ };

struct reading {
    struct buf *out;
    uint64_t next;
    int rc;
};

static int print_event(void *context, uint64_t sequence, struct span event)
{
    struct reading *reading = context;
    if (reading->out->size >= EVENTS_JSON_BYTES)
        return 1;
    reading->rc = event_print_json(sequence, event, reading->out, NULL);
    reading->next = sequence + 1;
    return reading->rc;
}

int record_events(struct shell *shell, uint64_t from, struct buf *out, uint64_t *ret_next,
                  struct err *err)
{
    struct reading reading = {.out = out, .next = from};
    int rc = store_each_event(shell->store, from, print_event, &reading, err);
    *ret_next = reading.next;
    if (reading.rc)
        return err_set(err, reading.rc, "event %llu cannot be read",
                       (unsigned long long)reading.next - 1);
    return rc < 0 ? rc : 0;
}

/* ---- quarantine ---- */

static void quarantine_ref(const struct hash *task, char ret[STORE_REF_NAME_SIZE])
{
    char hex[HASH_HEX_SIZE];
    (void)snprintf(ret, STORE_REF_NAME_SIZE, "%s%s", quarantine_prefix, hash_hex(task, hex));
}

/* What the task was made from; none when its action cannot be read. */
static void key_inputs(struct pack *pack, const struct shell *shell, const struct hash *task)
{
    struct action action = {0};
    struct buf bytes = {0};
    if (store_get(shell->store, task, &bytes, NULL) ||
        action_decode(buf_span(&bytes), &action, NULL))
        action = (struct action){0};
    pack_key(pack, "inputs");
    pack_array(pack, action.n_inputs);
    for (uint32_t i = 0; i < action.n_inputs; i++)
        pack_hash(pack, &action.inputs[i]);
    action_done(&action);
    buf_done(&bytes);
}

static void key_workers(struct pack *pack, const struct evidence *evidence)
{
    pack_key(pack, "workers");
    pack_array(pack, evidence->n_workers);
    for (uint32_t i = 0; i < evidence->n_workers; i++)
        pack_text(pack, evidence->workers[i]);
}

static void quarantine_encode(const struct shell *shell, const struct hash *task,
                              const struct evidence *evidence, struct buf *out)
{
    const struct message_outcome *outcome = evidence->outcome;
    struct pack pack;
    pack_init(&pack, out);
    pack_map(&pack, 9);
    key_text(&pack, "end", evidence->end);
    key_text(&pack, "format", quarantine_format);
    key_inputs(&pack, shell, task);
    pack_key(&pack, "log");
    pack_bytes(&pack, outcome ? outcome->log : (struct span){0});
    key_text(&pack, "message", outcome ? outcome->message.text : "");
    key_hash(&pack, "task", task);
    key_u64(&pack, "time", shell_unix_ms(shell));
    key_u64(&pack, "version", QUARANTINE_VERSION);
    key_workers(&pack, evidence);
}

void record_quarantine(struct shell *shell, const struct hash *task,
                       const struct evidence *evidence)
{
    struct buf bytes = {0};
    struct hash id;
    struct err err;
    char ref[STORE_REF_NAME_SIZE];
    quarantine_encode(shell, task, evidence, &bytes);
    quarantine_ref(task, ref);
    if (store_put(shell->store, "quarantine", buf_span(&bytes), &id, &err) ||
        store_put_ref(shell->store, ref, &id, &err))
        shell_store_failed(shell, &err);
    buf_done(&bytes);
    shell->quarantined++;
    shell->dirty = true;
}

/* Version 1 has fewer keys. */
static int parse_quarantine(struct span bytes, struct document **ret)
{
    int rc = ERR_UNSUPPORTED;
    for (uint64_t version = QUARANTINE_VERSION; rc == ERR_UNSUPPORTED && version > 0; version--)
        rc = document_parse_format(bytes, &value_limits_message, quarantine_format, version,
                                   ret, NULL);
    return rc;
}

int record_quarantine_find(struct shell *shell, const struct hash *task,
                           char ret_why[SENTENCE_SIZE])
{
    char ref[STORE_REF_NAME_SIZE], end[16] = "", message[MESSAGE_TEXT_SIZE] = "";
    struct hash id;
    if (!shell->quarantined)
        return ERR_NOT_FOUND;
    quarantine_ref(task, ref);
    if (store_get_ref(shell->store, ref, &id, NULL))
        return ERR_NOT_FOUND;

    struct buf bytes = {0};
    cleanup(document_free_ptr) struct document *document = NULL;
    if (!store_get(shell->store, &id, &bytes, NULL) &&
        !parse_quarantine(buf_span(&bytes), &document)) {
        struct value map = document_root(document);
        (void)value_text(value_get(map, "end"), "end", end, sizeof end, NULL);
        (void)value_text(value_get(map, "message"), "message", message, sizeof message, NULL);
    }
    (void)snprintf(ret_why, SENTENCE_SIZE, "in quarantine (%s)%s%s", end,
                   message[0] ? ": " : "", message);
    document_free(take(document)); /* before the bytes it borrows */
    buf_done(&bytes);
    return 0;
}

static int list_one(void *context, const char *name, const struct hash *id)
{
    struct hash_list *list = context;
    struct hash task;
    (void)id;
    if (hash_parse(name + sizeof quarantine_prefix - 1, &task, NULL))
        return 0; /* somebody else's ref */
    mem_reserve(list->items, list->capacity, list->n + 1);
    list->items[list->n++] = task;
    return 0;
}

int record_quarantine_list(struct shell *shell, const char *prefix, struct hash_list *ret,
                           struct err *err)
{
    char ref[STORE_REF_NAME_SIZE];
    (void)snprintf(ref, sizeof ref, "%s%.64s", quarantine_prefix, prefix);
    return store_each_ref(shell->store, ref, list_one, ret, err);
}

int record_quarantine_lift(struct shell *shell, const struct hash *task, struct err *err)
{
    char ref[STORE_REF_NAME_SIZE];
    quarantine_ref(task, ref);
    int rc = store_delete_ref(shell->store, ref, err);
    if (rc)
        return rc;
    shell->quarantined--;
    shell->dirty = true;
    record_task(shell, "retried", task, "");
    return 0;
}

static int count_one(void *context, const char *name, const struct hash *id)
{
    (void)name;
    (void)id;
    ++*(uint64_t *)context;
    return 0;
}

int record_quarantine_count(struct shell *shell, uint64_t *ret, struct err *err)
{
    *ret = 0;
    return store_each_ref(shell->store, quarantine_prefix, count_one, ret, err);
}
