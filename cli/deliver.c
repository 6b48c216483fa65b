/* The end of a campaign: see deliver.h. */
#include "cli/deliver.h"

#include "cli/cli.h"
#include "cli/export.h"
#include "cli/find.h"
#include "common/cleanup.h"
#include "common/file.h"
#include "workers/assemble/report.h"

#include <jansson.h>
#include <string.h>

enum { TABLE_ROWS = 10, REJECTS_SHOWN = 5 };

/* Copy a JSON report into the output folder; the parsed document is the caller's (may be NULL).
 */
static int write_report(struct store *store, const struct hash *id, const char *out,
                        const char *file, json_t **ret, struct err *err)
{
    char path[4096];
    struct buf bytes = {0};
    (void)snprintf(path, sizeof path, "%s/%s", out, file);
    int rc = store_get(store, id, &bytes, err);
    if (!rc)
        rc = file_write(path, buf_span(&bytes), err);
    if (!rc)
        *ret = json_loadb((const char *)bytes.data, bytes.size, 0, NULL);
    buf_done(&bytes);
    return rc;
}

/* What is in the data set: the report as JSON and as a page; what was left out by itself. */
static int write_dataset_report(struct store *store, const struct hash *id, const char *out,
                                json_t **ret, struct err *err)
{
    char path[4096];
    struct buf page = {0};
    int rc = write_report(store, id, out, "dataset-report.json", ret, err);
    if (rc)
        return rc;
    report_text(*ret, &page);
    (void)snprintf(path, sizeof path, "%s/dataset-report.txt", out);
    rc = file_write(path, buf_span(&page), err);
    if (!rc) {
        const json_t *list = json_object_get(*ret, "rejected");
        json_t *rejected = json_object();
        (void)json_object_set(rejected, "rejected", (json_t *)(uintptr_t)list);
        cleanup(free_ptr) char *text = json_dumps(rejected, JSON_INDENT(1));
        (void)snprintf(path, sizeof path, "%s/rejected.json", out);
        rc = file_write(path, span_text(text), err);
        json_decref(rejected);
    }
    buf_done(&page);
    return rc;
}

static long long number(const json_t *object, const char *key)
{
    return (long long)json_integer_value(json_object_get(object, key));
}

static void tell_arm(const char *name, const json_t *arm, const char *by)
{
    (void)printf(
        "  %-9s %5lld samples, %5lld valid, %4lld distinct; of the first %lld distinct "
        "%lld meet the target by the %s property\n",
        name, number(arm, "samples"), number(arm, "valid"), number(arm, "distinct"),
        number(arm, "compared"), number(arm, "satisfied"), by);
}

static void tell_comparison(const json_t *report)
{
    const json_t *guided = json_object_get(report, "guided");
    const json_t *unguided = json_object_get(report, "unguided");
    const json_t *ratio = json_object_get(report, "ratio");
    const char *by = json_string_value(json_object_get(report, "by"));
    if (!guided || !unguided || !by || !number(unguided, "samples"))
        return;
    (void)printf("\nIs guidance worth it? The same number of candidates, with and without:\n");
    tell_arm("guided", guided, by);
    tell_arm("unguided", unguided, by);
    if (json_is_number(ratio))
        (void)printf("  %.1f times as many with guidance\n", json_number_value(ratio));
}

static size_t tell_rejected(const json_t *report, const char *out)
{
    const json_t *list = json_object_get(report, "rejected"), *item;
    size_t n = json_array_size(list), i;
    if (!n)
        return 0;
    (void)printf("\n%zu structures of the data were left out (all in %s/rejected.json):\n", n,
                 out);
    json_array_foreach(list, i, item)
    {
        if (i == REJECTS_SHOWN)
            break;
        (void)printf("  %s:%lld: %s\n", json_string_value(json_object_get(item, "file")),
                     number(item, "line"), json_string_value(json_object_get(item, "reason")));
    }
    return n;
}

/* A campaign that goes on has the table of its last round. */
static int check_ranked(const char *name, const struct planner_status *status, struct err *err)
{
    static const struct hash none;
    if (status->state == PLANNER_RUNNING && hash_equal(&status->candidates, &none)) {
        (void)err_set(err, ERR_NOT_FOUND, "campaign '%s' is not finished (%llu of %llu tasks)",
                      name, (unsigned long long)status->finished,
                      (unsigned long long)status->planned);
        return err_hint(err, "`wyckmill run` with the same file and store goes on with it");
    }
    if (status->state == PLANNER_FAILED)
        return err_set(err, ERR_NOT_FOUND, "campaign '%s' failed: %s", name, status->note);
    return 0;
}

static void tell_next(const char *store_path, const char *out, const struct candidates *list)
{
    char hex[HASH_HEX_SIZE];
    (void)printf("\nwritten: %s/candidates.csv, candidates.extxyz, cif/, dataset-report.txt\n",
                 out);
    if (list->n)
        (void)printf(
            "next:    wyckmill lineage --store %s %.12s   # how the best one was made\n",
            store_path, hash_hex(&list->items[0].id, hex));
}

/* Why it ended as it did, or that it did not end. */
static void tell_end(const struct campaign *campaign, const struct planner_status *status,
                     uint32_t n)
{
    bool all_rounds = campaign->rounds_max && status->rounds >= campaign->rounds_max;
    if (status->state == PLANNER_RUNNING)
        (void)printf("\nthe campaign is not over: this is its table so far (%llu tasks done)\n",
                     (unsigned long long)status->finished);
    else if (n < campaign->candidates)
        (void)printf("\n%u of %u wanted candidates were found%s%s%s\n", n, campaign->candidates,
                     status->note[0] ? ": " : "", status->note,
                     all_rounds ? "; more rounds may find more: -S sample.rounds_max=N" : "");
    else if (status->note[0])
        (void)printf("\n%s\n", status->note);
}

static int deliver_list(struct store *store, const char *store_path,
                        const struct campaign *campaign, const struct planner_status *status,
                        const char *out, int *ret_exit, struct err *err)
{
    struct candidates list = {0};
    struct buf bytes = {0};
    json_t *data = NULL, *report = NULL;
    int rc = store_get(store, &status->candidates, &bytes, err);
    if (!rc)
        rc = candidates_decode(buf_span(&bytes), &list, err);
    if (!rc)
        rc = export_write(&list, &campaign->targets, out, err);
    if (!rc)
        rc = write_dataset_report(store, &status->rejects, out, &data, err);
    if (!rc)
        rc = write_report(store, &status->report, out, "report.json", &report, err);
    if (!rc) {
        export_table(stdout, &list, &campaign->targets, TABLE_ROWS);
        tell_comparison(report);
        size_t left_out = tell_rejected(data, out);
        tell_end(campaign, status, list.n);
        tell_next(store_path, out, &list);
        bool whole =
            list.n >= campaign->candidates && !left_out && status->state == PLANNER_DONE;
        *ret_exit = whole ? EXIT_DONE : EXIT_PARTLY;
    }
    json_decref(data);
    json_decref(report);
    candidates_done(&list);
    buf_done(&bytes);
    return rc;
}

int deliver(struct store *store, const char *store_path, const char *name, const char *out,
            int *ret_exit, struct err *err)
{
    struct campaign campaign = {0};
    struct planner_status status = {0};
    struct hash id;
    int rc = find_campaign(store, name, &campaign, &id, err);
    if (!rc)
        rc = find_campaign_status(store, &campaign, &status, err);
    if (!rc)
        rc = check_ranked(name, &status, err);
    if (!rc)
        rc = deliver_list(store, store_path, &campaign, &status, out, ret_exit, err);
    campaign_done(&campaign);
    return rc;
}
