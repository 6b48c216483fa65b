/* The reproducibility audit: see recompute.h. The broker keeps no list of what is asked for
 * (broker/audit.c), so it is asked again while the event log does not tell of an end: a broker
 * that was started anew in the middle goes on. */
#include "cli/recompute.h"

#include "broker/broker.h"
#include "cli/connect.h"
#include "cli/find.h"
#include "cli/lineage.h"
#include "cli/supervise.h"
#include "common/cleanup.h"
#include "common/mem.h"
#include "proto/attempt.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    OPEN_MAX = 64,        /* asked for at a time */
    LOOK_MS = 100,        /* between looks at the event log */
    AGAIN_MS = 5000,      /* until what has no end is asked for again */
    RETRY_MS = 1000,      /* after a refusal */
    WORKERS_MS = 15000,   /* for workers to come, before a refusal counts */
    PATIENCE_MS = 120000, /* for a broker that is gone to come back */
    START_MS = 15000,     /* for our own to listen */
    LEAVE_MS = 5000,
    LINEAGES_TOLD = 8,
};

struct course {
    struct store *store;
    struct recomputed *all;
    struct client *client;
    struct supervisor *supervisor; /* NULL: the broker is not ours */
    uint64_t next;                 /* event to read */
    int64_t begin_ms, heard_ms;    /* heard_ms: from the broker */
    int64_t more_ms;               /* not before then it takes more */
    struct cli_progress progress;
};

static volatile int interrupts; /* Ctrl-C so far: written by the handler only */

static void on_interrupt(int number)
{
    (void)number;
    interrupts++;
}

static int64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- the sample ---- */

struct ticket {
    struct hash key, task; /* key: of task and seed; the smallest ones win */
};

static int compare_tickets(const void *a, const void *b)
{
    return hash_compare(&((const struct ticket *)a)->key, &((const struct ticket *)b)->key);
}

static int compare_items(const void *a, const void *b)
{
    return hash_compare(&((const struct recomputed_item *)a)->task,
                        &((const struct recomputed_item *)b)->task);
}

static void draw(const struct hash *actions, size_t n, double percent, uint64_t seed,
                 struct recomputed *ret)
{
    cleanup(free_ptr) struct ticket *tickets = mem_new(n + 1, sizeof *tickets);
    for (size_t i = 0; i < n; i++) {
        uint8_t bytes[HASH_SIZE + sizeof seed];
        memcpy(bytes, actions[i].bytes, HASH_SIZE);
        for (size_t k = 0; k < sizeof seed; k++)
            bytes[HASH_SIZE + k] = (uint8_t)(seed >> 8 * k);
        tickets[i].key = hash_bytes((struct span){bytes, sizeof bytes});
        tickets[i].task = actions[i];
    }
    qsort(tickets, n, sizeof *tickets, compare_tickets);
    ret->of = n;
    ret->n = (size_t)ceil(percent / 100 * (double)n);
    ret->items = mem_new(ret->n + 1, sizeof *ret->items);
    for (size_t i = 0; i < ret->n; i++)
        ret->items[i].task = tickets[i].task;
    qsort(ret->items, ret->n, sizeof *ret->items, compare_items);
}

static void read_kinds(struct course *course)
{
    struct buf bytes = {0};
    for (size_t i = 0; i < course->all->n; i++) {
        struct recomputed_item *item = &course->all->items[i];
        struct action action = {0};
        if (!store_get(course->store, &item->task, &bytes, NULL) &&
            !action_decode(buf_span(&bytes), &action, NULL))
            memcpy(item->kind, action.kind, sizeof item->kind);
        action_done(&action);
    }
    buf_done(&bytes);
}

/* ---- what the event log tells ---- */

static void take_text(struct value map, const char *key, char *ret, size_t size)
{
    (void)value_text(value_get(map, key), key, ret, size, NULL);
}

/* Who made it: the first attempt that ended well. How its audit ended: from when we asked. */
static void take_event(struct course *course, struct value map)
{
    char what[16] = "", end[16] = "";
    uint64_t attempt = 0;
    struct recomputed_item wanted, *item;
    take_text(map, "event", what, sizeof what);
    bool audited = !strcmp(what, "audited");
    if ((!audited && strcmp(what, "attempt") != 0) ||
        value_hash(value_get(map, "task"), "task", &wanted.task, NULL))
        return;
    item = bsearch(&wanted, course->all->items, course->all->n, sizeof wanted, compare_items);
    if (!item)
        return;
    take_text(map, "end", end, sizeof end);
    (void)value_u64(value_get(map, "attempt"), "attempt", 0, UINT32_MAX, &attempt, NULL);
    if (!audited && !strcmp(end, "ok") && attempt_same_reason((uint32_t)attempt, 0) &&
        !item->maker[0]) {
        take_text(map, "worker", item->maker, sizeof item->maker);
    } else if (audited && course->client && !item->end[0]) {
        if (!strcmp(end, "cancelled")) /* by somebody else, or by an earlier one of us */
            return;
        memcpy(item->end, end, sizeof item->end);
        take_text(map, "worker", item->worker, sizeof item->worker);
        take_text(map, "note", item->note, sizeof item->note);
    }
}

static int visit_event(void *context, uint64_t sequence, struct span event)
{
    struct course *course = context;
    struct document *document = NULL;
    course->next = sequence + 1;
    if (document_parse(event, &value_limits_message, &document, NULL) == 0)
        take_event(course, document_root(document));
    document_free(document);
    return 0;
}

static int read_events(struct course *course, struct err *err)
{
    int rc = store_each_event(course->store, course->next, visit_event, course, err);
    return rc < 0 ? rc : 0;
}

/* ---- the broker ---- */

static int order(struct course *course, enum order_verb verb,
                 const struct recomputed_item *item, struct err *err)
{
    char target[HASH_HEX_SIZE + RECOMPUTE_WORKER_SIZE], hex[HASH_HEX_SIZE];
    uint64_t tasks;
    (void)snprintf(target, sizeof target, "%s%s%s", hash_hex(&item->task, hex),
                   verb == ORDER_AUDIT ? " " : "", verb == ORDER_AUDIT ? item->maker : "");
    return client_order(course->client, verb, target, &tasks, err);
}

static int ask(struct course *course, struct recomputed_item *item, struct err *err)
{
    struct err why = {0};
    int64_t now = now_ms();
    int rc = order(course, ORDER_AUDIT, item, &why);
    item->ask_ms = now + (rc ? RETRY_MS : AGAIN_MS);
    if (rc != ERR_NETWORK)
        course->heard_ms = now;
    if (rc == ERR_BUSY)
        course->more_ms = item->ask_ms;
    if (rc == ERR_NETWORK && now - course->heard_ms > PATIENCE_MS) {
        (void)err_set(err, rc, "the broker is gone: %.150s", why.text);
        return err_hint(err, "start it again, and say the same command again");
    }
    if (rc == ERR_INVALID && now - course->begin_ms > WORKERS_MS) {
        (void)snprintf(item->end, sizeof item->end, "refused");
        (void)snprintf(item->note, sizeof item->note, "%s", why.text);
    }
    return 0;
}

/* Keep OPEN_MAX of them under way. *ret_open: without an end. */
static int ask_all(struct course *course, size_t *ret_open, struct err *err)
{
    size_t open = 0;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < course->all->n; i++) {
        struct recomputed_item *item = &course->all->items[i];
        int64_t due_ms = item->ask_ms > course->more_ms ? item->ask_ms : course->more_ms;
        if (!item->end[0] && ++open <= OPEN_MAX && now_ms() >= due_ms)
            rc = ask(course, item, err);
    }
    *ret_open = open;
    return rc;
}

static int work(struct course *course, struct err *err)
{
    const struct recomputed *all = course->all;
    size_t open = all->n;
    char line[120];
    while (open > 0) {
        int rc = course->supervisor ? supervisor_step(course->supervisor, err) : 0;
        if (rc == 0 && interrupts)
            rc = err_set(err, ERR_INTERRUPTED, "stopped");
        if (rc == 0)
            rc = read_events(course, err);
        if (rc == 0)
            rc = ask_all(course, &open, err);
        if (rc)
            return rc;
        (void)snprintf(line, sizeof line, "%zu of %zu recomputed", all->n - open, all->n);
        cli_progress(&course->progress, 1 - (double)open / (double)all->n, line);
        if (open > 0)
            (void)nanosleep(&(struct timespec){.tv_nsec = LOOK_MS * 1000000L}, NULL);
    }
    return 0;
}

/* Nobody waits for them any more. */
static void cancel_open(struct course *course)
{
    client_patience(course->client, RETRY_MS);
    for (size_t i = 0; i < course->all->n; i++) {
        const struct recomputed_item *item = &course->all->items[i];
        if (!item->end[0] && item->ask_ms &&
            order(course, ORDER_CANCEL, item, NULL) == ERR_NETWORK)
            return;
    }
}

/* A broker and workers of our own, for as long as we live. */
static int start_own(struct course *course, const struct cli_common *common, struct err *err)
{
    const char *path = find_store_path(common->store);
    char address[200];
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    struct err last = {0};
    int rc = supervisor_address(path, address, sizeof address, err);
    if (rc == 0)
        rc = supervisor_start(
            &(struct supervisor_options){.store = path,
                                         .address = address,
                                         .keys = "",
                                         .workers = cores > 0 ? (uint32_t)cores : 1},
            &course->supervisor, err);
    for (int64_t end_ms = now_ms() + START_MS; rc == 0 && now_ms() < end_ms;) {
        rc = supervisor_step(course->supervisor, err);
        if (rc == 0 && interrupts)
            rc = err_set(err, ERR_INTERRUPTED, "stopped");
        if (rc == 0 && !client_open_keys(address, "", 2 * LOOK_MS, &course->client, &last)) {
            client_patience(course->client, CLIENT_TIMEOUT_MS);
            return 0;
        }
    }
    if (rc == 0)
        *err = last;
    return rc ? rc : err->code;
}

static int begin(struct course *course, const struct cli_common *common, struct err *err)
{
    struct broker_address address;
    if (!common->connect && broker_find(find_store_path(common->store), &address, NULL))
        return start_own(course, common, err);
    return connect_broker(common, &course->client, err);
}

static void end(struct course *course)
{
    if (course->client && interrupts)
        cancel_open(course);
    client_close(course->client);
    if (course->supervisor)
        (void)supervisor_end(course->supervisor, LEAVE_MS, &interrupts);
    supervisor_free(course->supervisor);
}

int recompute(struct store *store, const struct cli_common *common, const struct hash *actions,
              size_t n, double percent, uint64_t seed, struct recomputed *ret, struct err *err)
{
    struct course course = {.store = store, .all = ret};
    const struct sigaction action = {.sa_handler = on_interrupt};
    draw(actions, n, percent, seed, ret);
    if (ret->n == 0)
        return 0;
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    cli_progress_begin(&course.progress);
    read_kinds(&course);
    int rc = read_events(&course, err);
    if (rc == 0)
        rc = begin(&course, common, err);
    course.begin_ms = course.heard_ms = now_ms();
    if (rc == 0)
        rc = work(&course, err);
    cli_progress_end(&course.progress);
    end(&course);
    return rc;
}

/* ---- telling ---- */

static size_t count(const struct recomputed *all, const char *end)
{
    size_t n = 0;
    for (size_t i = 0; i < all->n; i++)
        n += !strcmp(all->items[i].end, end);
    return n;
}

size_t recomputed_findings(const struct recomputed *all)
{
    return count(all, "differs") + count(all, "failed");
}

size_t recomputed_refused(const struct recomputed *all)
{
    return count(all, "refused");
}

/* Of those that were computed: on the worker that made them, on its machine. */
static size_t count_same(const struct recomputed *all, bool machine)
{
    size_t n = 0;
    for (size_t i = 0; i < all->n; i++) {
        const struct recomputed_item *item = &all->items[i];
        const char *colon = strrchr(item->maker, ':');
        size_t size = machine && colon ? (size_t)(colon - item->maker) + 1 : sizeof item->maker;
        n += item->worker[0] && !strncmp(item->maker, item->worker, size);
    }
    return n;
}

/* Of the first output. */
static int tell_lineage(struct store *store, const struct hash *task, json_t *rows)
{
    struct result result = {0};
    int rc = store_get_result(store, task, &result, NULL);
    if (rc == 0 && result.n_outputs > 0)
        rc = lineage_tell(store, &result.outputs[0].id, rows, NULL);
    result_done(&result);
    return rc;
}

static void print_item(struct store *store, const struct recomputed_item *item, bool lineage)
{
    char hex[HASH_HEX_SIZE];
    (void)printf("%s: %s %.16s", item->end, item->kind, hash_hex(&item->task, hex));
    if (item->maker[0])
        (void)printf(", made by %s", item->maker);
    if (item->worker[0])
        (void)printf(", computed again by %s", item->worker);
    (void)printf("%s%s\n", item->note[0] ? ": " : "", item->note);
    if (lineage)
        (void)tell_lineage(store, &item->task, NULL);
}

void recomputed_print(struct store *store, const struct recomputed *all)
{
    size_t equal = count(all, "equal"), differs = count(all, "differs"), told = 0;
    for (size_t i = 0; i < all->n; i++)
        if (all->items[i].end[0] && strcmp(all->items[i].end, "equal") != 0)
            print_item(store, &all->items[i],
                       !strcmp(all->items[i].end, "differs") && told++ < LINEAGES_TOLD);
    (void)printf("%zu of %zu results chosen, %zu recomputed: ", all->n, all->of,
                 equal + differs);
    if (recomputed_findings(all))
        (void)printf("%zu differ, %zu failed\n", differs, count(all, "failed"));
    else
        (void)printf("%s\n", equal ? "all equal" : "none");
    if (count_same(all, false))
        (void)printf("%zu of them by the worker that made them: there was no other\n",
                     count_same(all, false));
    if (count_same(all, true))
        (void)printf("%zu of them on the machine that made them\n", count_same(all, true));
    if (count(all, "refused"))
        (void)printf("%zu could not be recomputed\n", count(all, "refused"));
}

json_t *recomputed_json(struct store *store, const struct recomputed *all)
{
    json_t *rows = json_array();
    size_t told = 0;
    for (size_t i = 0; i < all->n; i++) {
        const struct recomputed_item *item = &all->items[i];
        char hex[HASH_HEX_SIZE];
        json_t *row =
            json_pack("{s:s,s:s,s:s,s:s,s:s,s:s}", "task", hash_hex(&item->task, hex), "kind",
                      item->kind, "end", item->end[0] ? item->end : "open", "made_by",
                      item->maker, "recomputed_by", item->worker, "note", item->note);
        if (!strcmp(item->end, "differs") && told++ < LINEAGES_TOLD) {
            json_t *lineage = json_array();
            (void)tell_lineage(store, &item->task, lineage);
            (void)json_object_set_new(row, "lineage", lineage);
        }
        (void)json_array_append_new(rows, row);
    }
    return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:o}", "results", (json_int_t)all->of,
                     "chosen", (json_int_t)all->n, "equal", (json_int_t)count(all, "equal"),
                     "differs", (json_int_t)count(all, "differs"), "failed",
                     (json_int_t)count(all, "failed"), "refused",
                     (json_int_t)count(all, "refused"), "by_their_maker",
                     (json_int_t)count_same(all, false), "on_the_same_machine",
                     (json_int_t)count_same(all, true), "tasks", rows);
}
