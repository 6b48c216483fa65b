/* `wyckmill explain ID`: why does it not run, why did it run again, why was it no cache hit,
 * why is it kept? In sentences, or as JSON. */
#include "cli/cli.h"

#include "cli/connect.h"
#include "cli/explain.h"
#include "cli/find.h"
#include "common/cleanup.h"

#include <string.h>

/* ---- what is meant ---- */

/* An object that gc freed has no entry any more, but results name it. */
static int find_freed(struct explain *explain, const char *text, struct hash *ret)
{
    char hex[HASH_HEX_SIZE];
    for (size_t i = 0; i < explain->origins.n; i++)
        if (strncmp(hash_hex(&explain->origins.items[i].object, hex), text, strlen(text)) ==
            0) {
            *ret = explain->origins.items[i].object;
            return 0;
        }
    return ERR_NOT_FOUND;
}

/* Of what the text names: a candidate stands for the object that it is in. */
static int find(struct explain *explain, const char *text, struct store_info *ret,
                struct err *err)
{
    struct candidates list = {0};
    struct err other;
    uint32_t index;
    int rc = find_object(explain->store, text, ret, err);
    if (rc == ERR_NOT_FOUND && strlen(text) >= 4) {
        *ret = (struct store_info){.type = "freed object"};
        if (find_freed(explain, text, &ret->id) == 0)
            return 0;
        if (find_candidate(explain->store, text, &ret->id, &list, &index, &other) == 0)
            rc = store_stat(explain->store, &ret->id, ret, err);
        candidates_done(&list);
    }
    return rc;
}

/* The task that a quarantine record is about. */
static int task_of_quarantine(struct explain *explain, const struct hash *record,
                              struct hash *ret, struct err *err)
{
    struct document *document = NULL;
    struct buf bytes = {0};
    int rc = store_get(explain->store, record, &bytes, err);
    if (rc == 0)
        rc = document_parse(buf_span(&bytes), &value_limits_message, &document, err);
    if (rc == 0)
        rc = value_hash(value_get(document_root(document), "task"), "task", ret, err);
    document_free(document);
    buf_done(&bytes);
    return rc;
}

/* ---- answers ---- */

static int answer_task(struct explain *explain, const struct hash *id, json_t *root,
                       struct err *err)
{
    struct explained task;
    const struct plan *plan = explain_plan_of(explain, id);
    char hex[HASH_HEX_SIZE];
    int rc = explain_load(explain, id, &task, err);
    if (rc == 0) {
        (void)json_object_set_new(root, "task", json_string(hash_hex(id, hex)));
        (void)json_object_set_new(root, "kind", json_string(task.action.kind));
        (void)json_object_set_new(root, "revision", json_integer(task.action.revision));
        (void)json_object_set_new(root, "campaign",
                                  plan ? json_string(plan->name) : json_null());
        (void)json_object_set_new(root, "running", explain_running(explain, &task));
        (void)json_object_set_new(root, "runs", explain_runs(explain, &task));
        (void)json_object_set_new(root, "cache", explain_key(explain, &task));
    }
    explained_done(&task);
    return rc;
}

static int answer_campaign(struct explain *explain, const struct hash *id, json_t *root)
{
    for (size_t i = 0; i < explain->n_plans; i++)
        if (hash_equal(&explain->plans[i].id, id)) {
            (void)json_object_set_new(root, "campaign", json_string(explain->plans[i].name));
            (void)json_object_set_new(root, "running",
                                      explain_campaign(explain, &explain->plans[i]));
        }
    return 0;
}

static int answer(struct explain *explain, const char *text, json_t *root, struct err *err)
{
    struct store_info info;
    char hex[HASH_HEX_SIZE];
    struct hash task;
    int rc = find(explain, text, &info, err);
    if (rc)
        return rc;
    (void)json_object_set_new(root, "id", json_string(hash_hex(&info.id, hex)));
    (void)json_object_set_new(root, "type", json_string(info.type));
    const struct origin *maker = origins_find(&explain->origins, &info.id);
    if (!strcmp(info.type, "campaign"))
        rc = answer_campaign(explain, &info.id, root);
    else if (!strcmp(info.type, "action"))
        rc = answer_task(explain, &info.id, root, err);
    else if (!strcmp(info.type, "quarantine"))
        rc = task_of_quarantine(explain, &info.id, &task, err)
                 ? err->code
                 : answer_task(explain, &task, root, err);
    else if (maker)
        rc = answer_task(explain, &maker->action, root, err);
    if (rc == 0)
        (void)json_object_set_new(root, "kept", explain_kept(explain, &info.id));
    return rc;
}

/* ---- for people ---- */

static const char *text_of(const json_t *root, const char *key)
{
    const char *text = json_string_value(json_object_get(root, key));
    return text ? text : "";
}

static void print_head(const json_t *root)
{
    const char *task = text_of(root, "task");
    (void)printf("%s %s\n", text_of(root, "type"), text_of(root, "id"));
    if (task[0])
        (void)printf(
            "%s %s@%lld %.16s%s%s\n", strcmp(task, text_of(root, "id")) ? "made by" : "kind   ",
            text_of(root, "kind"),
            (long long)json_integer_value(json_object_get(root, "revision")), task,
            text_of(root, "campaign")[0] ? ", of campaign " : "", text_of(root, "campaign"));
}

static void print(const json_t *root)
{
    static const struct {
        const char *key, *title;
    } parts[] = {{"running", "Does it run?"},
                 {"runs", "When did it run, and why?"},
                 {"cache", "Could a result that was there have answered for it?"},
                 {"kept", "Is it kept?"}};
    print_head(root);
    for (size_t p = 0; p < sizeof parts / sizeof parts[0]; p++) {
        const json_t *part = json_object_get(root, parts[p].key), *sentence;
        size_t i;
        if (part)
            (void)printf("\n%s\n", parts[p].title);
        json_array_foreach(json_object_get(part, "sentences"), i, sentence)(void)
            printf("  %s\n", json_string_value(sentence));
    }
}

int cmd_explain(int argc, char **argv)
{
    static const struct cli_usage usage = {
        .common = CLI_STORE | CLI_BROKER | CLI_JSON,
        .word = "ID",
        .doc = "Tell of a task, object, candidate or campaign why it does not run, why it ran "
               "again, why no result that was there answered for it (which field of its key "
               "differs from the nearest), and why it is kept. The store alone tells most of "
               "it; what the queue knows, its broker."};
    struct cli_common options;
    struct explain explain = {0};
    struct err err = {0};
    cleanup(store_close_ptr) struct store *store = NULL;
    cleanup(client_close_ptr) struct client *client = NULL;
    int rc = cli_parse_usage(&usage, argc, argv, &options, NULL);
    if (rc)
        return rc - 1;
    rc = find_store_open(options.store, &store, &err);
    if (rc == 0 && connect_broker(&options, &client, &err) && options.connect)
        rc = err.code; /* that one was asked for */
    if (rc == 0)
        rc = explain_begin(&explain, store, client, &err);
    json_t *root = json_object();
    if (rc == 0)
        rc = answer(&explain, options.word, root, &err);
    if (rc == 0 && options.json) {
        (void)json_dumpf(root, stdout, JSON_INDENT(1));
        (void)putchar('\n');
    } else if (rc == 0) {
        print(root);
    }
    json_decref(root);
    explain_done(&explain);
    return rc ? cli_fail("explain", &err, options.json) : EXIT_DONE;
}
