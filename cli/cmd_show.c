/* `wyckmill show ID`: an object in readable form, or a candidate. */
#include "cli/cli.h"

#include "cli/find.h"
#include "common/cleanup.h"
#include "proto/event.h"
#include "proto/value.h"
#include "workers/crystal/format.h"

#include <string.h>

struct options {
    struct cli_common common;
    bool raw;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct options *options = state->input;
    (void)arg;
    switch (key) {
    case 'r':
        options->raw = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* safetensors: 8-byte little-endian length, then a JSON header. */
static void show_checkpoint(struct span bytes)
{
    uint64_t size = 0;
    for (int i = 7; i >= 0 && bytes.size >= 8; i--)
        size = size << 8 | bytes.data[i];
    if (bytes.size < 8 || size > bytes.size - 8)
        (void)printf("(not a safetensors file)\n");
    else
        (void)printf("%.*s\n", (int)size, (const char *)bytes.data + 8);
}

static int show_value(struct span bytes, struct err *err)
{
    struct document *document = NULL;
    struct buf text = {0};
    int rc = document_parse(bytes, &value_limits_object, &document, err);
    if (rc)
        return rc;
    value_print_json(document_root(document), &text);
    (void)printf("%s\n", buf_text(&text));
    buf_done(&text);
    document_free(document);
    return 0;
}

/* ---- the attempts of a task ---- */

struct attempts {
    const struct hash *task;
    struct buf lines;
};

static int collect_attempt(void *context, uint64_t sequence, struct span event)
{
    struct attempts *attempts = context;
    (void)sequence;
    if (event_is_of_task(event, attempts->task))
        (void)event_print_line(event, &attempts->lines, NULL);
    return 0;
}

/* All that the event log has about it, oldest first. */
static int show_attempts(struct store *store, const struct hash *task, struct err *err)
{
    struct attempts attempts = {.task = task};
    int rc = store_each_event(store, 0, collect_attempt, &attempts, err);
    if (!rc && attempts.lines.size)
        (void)printf("\n%s", buf_text(&attempts.lines));
    buf_done(&attempts.lines);
    return rc;
}

/* What the slot said last, as text. */
static int show_quarantine(struct span bytes, struct err *err)
{
    struct document *document = NULL;
    struct span log;
    int rc = show_value(bytes, err);
    if (!rc)
        rc = document_parse(bytes, &value_limits_message, &document, err);
    if (!rc && !value_bytes(value_get(document_root(document), "log"), "log", &log, NULL) &&
        log.size)
        (void)printf("\nlog:\n%.*s\n", (int)log.size, (const char *)log.data);
    document_free(document);
    return rc;
}

static int show_object(struct store *store, const struct store_info *info, bool raw,
                       struct err *err)
{
    struct buf bytes = {0};
    char hex[HASH_HEX_SIZE];
    int rc = store_get(store, &info->id, &bytes, err);
    if (rc)
        return rc;
    if (raw) {
        size_t written = fwrite(bytes.data, 1, bytes.size, stdout);
        rc = written == bytes.size ? 0 : err_set(err, ERR_IO, "cannot write to stdout");
    } else {
        (void)printf("id    %s\ntype  %s\nsize  %llu\n", hash_hex(&info->id, hex), info->type,
                     (unsigned long long)info->size);
        if (!strcmp(info->type, "checkpoint"))
            show_checkpoint(buf_span(&bytes));
        else if (!strcmp(info->type, "report") || !strcmp(info->type, "metrics"))
            (void)printf("%s\n", buf_text(&bytes));
        else if (!strcmp(info->type, "quarantine"))
            rc = show_quarantine(buf_span(&bytes), err);
        else
            rc = show_value(buf_span(&bytes), err);
        if (!rc && !strcmp(info->type, "action"))
            rc = show_attempts(store, &info->id, err);
    }
    buf_done(&bytes);
    return rc;
}

static const char *verdict_text(uint8_t verdict)
{
    return verdict == VERDICT_YES ? "yes" : verdict == VERDICT_NO ? "no" : "unknown";
}

static int show_candidate(const struct candidates *list, const struct candidate *item,
                          struct err *err)
{
    char hex[HASH_HEX_SIZE];
    struct buf cif = {0};
    cleanup(free_ptr) char *label = record_label(&item->record);
    (void)printf("candidate   %s\nlabel       %s\nsample      %u%s\nvalid       %s %s\n",
                 hash_hex(&item->id, hex), label, item->sample,
                 item->guided ? " (guided)" : " (unguided)", item->valid ? "yes" : "no",
                 item->reason);
    (void)printf("geometry    %s %s\npair energy %.6f\nnovel       %s\n"
                 "satisfied   predicted %s, exact %s (probability %.3f)\n",
                 item->geometry == GEOMETRY_TEMPLATE ? "template" : "random", item->template_id,
                 item->pair_energy, item->novel ? "yes" : "no",
                 verdict_text(item->satisfied_predicted), verdict_text(item->satisfied_exact),
                 item->probability);
    for (uint32_t p = 0; p < list->n_properties; p++)
        (void)printf("%-32s predicted %.6g +- %.3g, exact %.6g %s\n", list->properties[p].name,
                     item->predicted[p], item->spread[p], item->exact[p],
                     list->properties[p].unit);
    int rc = item->valid ? cif_write(&item->record, "candidate", NULL, &cif, err) : 0;
    if (!rc && item->valid)
        (void)printf("\n%s", buf_text(&cif));
    buf_done(&cif);
    return rc;
}

int cmd_show(int argc, char **argv)
{
    static const struct argp_option rows[] = {
        {"raw", 'r', NULL, 0, "the object's bytes as they are; their SHA-256 is the id", 0},
        {0}};
    static const struct cli_usage usage = {
        .common = CLI_STORE,
        .word = "ID",
        .doc = "Show an object, action, campaign or candidate. ID: at least 4 digits of an id, "
               "a ref, or a campaign's name. Behind an action stand its attempts.",
        .rows = rows,
        .parser = parse};
    struct options options = {0};
    struct err err = {0};
    struct store_info info;
    cleanup(store_close_ptr) struct store *store = NULL;
    int rc = cli_parse_usage(&usage, argc, argv, &options.common, &options);
    if (rc)
        return rc - 1;
    rc = find_store_open(options.common.store, &store, &err);
    if (rc)
        return cli_fail("show", &err, false);
    rc = find_object(store, options.common.word, &info, &err);
    if (!rc) {
        rc = show_object(store, &info, options.raw, &err);
    } else if (rc == ERR_NOT_FOUND) {
        struct candidates list = {0};
        struct hash object;
        uint32_t index;
        struct err other = {0};
        if (!find_candidate(store, options.common.word, &object, &list, &index, &other))
            rc = show_candidate(&list, &list.items[index], &err);
        candidates_done(&list);
    }
    return rc ? cli_fail("show", &err, false) : EXIT_DONE;
}
