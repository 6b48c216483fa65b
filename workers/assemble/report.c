/* Counting a data set: see report.h. */
#include "workers/assemble/report.h"

#include "common/mem.h"
#include "workers/crystal/structure.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>

/* ---- counting ---- */

static struct range property_range(const struct dataset *dataset, uint32_t column)
{
    struct range range = {0};
    for (uint32_t i = 0; i < dataset->n_records; i++) {
        double value = dataset->records[i].properties[column];
        if (!isfinite(value))
            continue;
        range.min = range.count ? fmin(range.min, value) : value;
        range.max = range.count ? fmax(range.max, value) : value;
        range.count++;
        range.mean += (value - range.mean) / range.count; /* no sum that could overflow */
    }
    return range;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static uint32_t count_prototypes(const struct dataset *dataset)
{
    uint32_t n = dataset->n_records, distinct = 0;
    char **prototypes = mem_new(n, sizeof *prototypes);
    for (uint32_t i = 0; i < n; i++) {
        struct protostructure proto = protostructure_canonical(&dataset->records[i].proto);
        prototypes[i] = protostructure_prototype(&proto);
        protostructure_done(&proto);
    }
    qsort(prototypes, n, sizeof *prototypes, by_text);
    for (uint32_t i = 0; i < n; i++)
        distinct += i == 0 || strcmp(prototypes[i - 1], prototypes[i]) != 0;
    for (uint32_t i = 0; i < n; i++)
        free(prototypes[i]);
    free(prototypes);
    return distinct;
}

struct canonical {
    struct protostructure proto;
    uint32_t record;
};

static int by_canonical(const void *a, const void *b)
{
    const struct canonical *x = a, *y = b;
    int order = protostructure_compare(&x->proto, &y->proto);
    return order ? order : (x->record > y->record) - (x->record < y->record);
}

/* Runs of equal canonical protostructures: their number, and those of several structures. */
static void count_protostructures(const struct dataset *dataset, struct report *report)
{
    uint32_t n = dataset->n_records;
    struct canonical *all = mem_new(n, sizeof *all);
    for (uint32_t i = 0; i < n; i++) {
        all[i].record = i;
        all[i].proto = protostructure_canonical(&dataset->records[i].proto);
    }
    qsort(all, n, sizeof *all, by_canonical);
    report->by_protostructure = mem_new(n, sizeof *report->by_protostructure);
    report->run_begins = mem_new(n + 1u, sizeof *report->run_begins);
    for (uint32_t i = 0; i < n; i++) {
        report->by_protostructure[i] = all[i].record;
        if (i == 0 || !protostructure_equal(&all[i - 1].proto, &all[i].proto))
            report->run_begins[report->n_protostructures++] = i;
    }
    report->run_begins[report->n_protostructures] = n;
    for (uint32_t r = 0; r < report->n_protostructures; r++) {
        uint32_t size = report->run_begins[r + 1] - report->run_begins[r];
        report->n_shared += size > 1;
        report->n_sharing += size > 1 ? size : 0;
    }
    for (uint32_t i = 0; i < n; i++)
        protostructure_done(&all[i].proto);
    free(all);
}

struct report *report_new(const struct merge *merge)
{
    const struct dataset *dataset = &merge->dataset;
    struct report *report = mem_new(1, sizeof *report);
    report->merge = merge;
    for (uint32_t i = 0; i < dataset->n_records; i++) {
        const struct protostructure *proto = &dataset->records[i].proto;
        report->n_groups += report->groups[proto->spacegroup]++ == 0;
        report->dof[protostructure_dof(proto)]++;
        report->n_validation += dataset->splits[i] == SPLIT_VALIDATION;
    }
    for (uint32_t p = 0; p < dataset->n_properties; p++)
        report->ranges[p] = property_range(dataset, p);
    report->n_prototypes = count_prototypes(dataset);
    count_protostructures(dataset, report);
    return report;
}

void report_free(struct report *report)
{
    if (!report)
        return;
    free(report->by_protostructure);
    free(report->run_begins);
    free(report);
}

/* ---- JSON ---- */

/* Text from outside may hold bytes that JSON cannot. */
static json_t *text_json(const char *text)
{
    json_t *json = json_string(text);
    return json ? json : json_string("?");
}

static json_t *rejects_json(const struct dataset *dataset)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < dataset->n_rejects; i++) {
        const struct reject *reject = &dataset->rejects[i];
        json_t *row = json_object();
        (void)json_object_set_new(row, "id", text_json(reject->id));
        (void)json_object_set_new(row, "file", text_json(reject->file));
        (void)json_object_set_new(row, "line", json_integer(reject->line));
        (void)json_object_set_new(row, "reason", text_json(reject->reason));
        (void)json_array_append_new(list, row);
    }
    return list;
}

static json_t *removed_json(const struct merge *merge)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < merge->n_removed; i++) {
        const struct removed *removed = &merge->removed[i];
        json_t *row = json_object();
        (void)json_object_set_new(row, "id", text_json(removed->id));
        (void)json_object_set_new(row, "file", text_json(removed->file));
        (void)json_object_set_new(row, "line", json_integer(removed->line));
        (void)json_object_set_new(row, "same_as", text_json(removed->same_as));
        (void)json_array_append_new(list, row);
    }
    return list;
}

/* {"225": 17, ...} of the counts that are not 0. */
static json_t *histogram_json(const uint32_t *counts, uint32_t n)
{
    json_t *object = json_object();
    for (uint32_t i = 0; i < n; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "%u", i);
        if (counts[i] > 0)
            (void)json_object_set_new(object, key, json_integer(counts[i]));
    }
    return object;
}

static json_t *systems_json(const uint32_t groups[GROUP_MAX + 1])
{
    json_t *object = json_object();
    for (int number = 1; number <= GROUP_MAX; number++) {
        const char *name = spacegroup_system_name(spacegroup_get(number));
        json_int_t before = json_integer_value(json_object_get(object, name));
        (void)json_object_set_new(object, name, json_integer(before + groups[number]));
    }
    return object;
}

static json_t *properties_json(const struct report *report)
{
    const struct dataset *dataset = &report->merge->dataset;
    json_t *list = json_array();
    for (uint32_t p = 0; p < dataset->n_properties; p++) {
        const struct range *range = &report->ranges[p];
        bool any = range->count > 0;
        json_t *row = json_object();
        (void)json_object_set_new(row, "name", text_json(dataset->properties[p].name));
        (void)json_object_set_new(row, "unit", text_json(dataset->properties[p].unit));
        (void)json_object_set_new(row, "count", json_integer(range->count));
        (void)json_object_set_new(row, "mean", any ? json_real(range->mean) : json_null());
        (void)json_object_set_new(row, "min", any ? json_real(range->min) : json_null());
        (void)json_object_set_new(row, "max", any ? json_real(range->max) : json_null());
        (void)json_array_append_new(list, row);
    }
    return list;
}

/* ---- protostructures of several structures ---- */

struct run {
    uint32_t begin, size;
};

/* The largest first; among equals in the order of the protostructures. */
static int by_size(const void *a, const void *b)
{
    const struct run *x = a, *y = b;
    if (x->size != y->size)
        return x->size > y->size ? -1 : 1;
    return (x->begin > y->begin) - (x->begin < y->begin);
}

static json_t *run_json(const struct report *report, const struct run *run)
{
    const struct record *records = report->merge->dataset.records;
    const uint32_t *members = report->by_protostructure + run->begin;
    json_t *ids = json_array(), *row = json_object();
    for (uint32_t i = 0; i < run->size && i < REPORT_IDS_MAX; i++)
        (void)json_array_append_new(ids, text_json(records[members[i]].id));
    char *label = record_label(&records[members[0]]);
    (void)json_object_set_new(row, "label", json_string(label));
    (void)json_object_set_new(row, "count", json_integer(run->size));
    (void)json_object_set_new(row, "ids", ids);
    free(label);
    return row;
}

static json_t *shared_json(const struct report *report)
{
    struct run *runs = mem_new(report->n_shared, sizeof *runs);
    json_t *largest = json_array();
    uint32_t n = 0;
    for (uint32_t r = 0; r < report->n_protostructures; r++) {
        uint32_t begin = report->run_begins[r], size = report->run_begins[r + 1] - begin;
        if (size > 1)
            runs[n++] = (struct run){begin, size};
    }
    qsort(runs, n, sizeof *runs, by_size);
    for (uint32_t i = 0; i < n && i < REPORT_SHARED_MAX; i++)
        (void)json_array_append_new(largest, run_json(report, &runs[i]));
    free(runs);
    return json_pack("{s:I,s:I,s:I,s:o}", "distinct", (json_int_t)report->n_protostructures,
                     "shared", (json_int_t)report->n_shared, "sharing",
                     (json_int_t)report->n_sharing, "largest", largest);
}

/* ---- reasons ---- */

void report_reason_kind(const char *reason, char ret[REASON_SIZE])
{
    size_t n = 0;
    for (const char *at = reason; *at && n + 6 < REASON_SIZE;) {
        const char *close = *at == '\''  ? strchr(at + 1, '\'')
                            : *at == '(' ? strchr(at, ')')
                                         : NULL;
        bool number =
            isdigit((unsigned char)*at) || (*at == '-' && isdigit((unsigned char)at[1]));
        if (close) {
            n += (size_t)sprintf(ret + n, *at == '(' ? "(...)" : "'...'");
            at = close + 1;
        } else if (number && (at == reason || !isalnum((unsigned char)at[-1]))) {
            ret[n++] = 'N';
            at += 1 + strspn(at + 1, "0123456789.");
            if ((*at == 'e' || *at == 'E') && isdigit((unsigned char)at[at[1] == '-' ? 2 : 1]))
                at += 2 + strspn(at + 2, "0123456789");
        } else {
            ret[n++] = *at++;
        }
    }
    ret[n] = '\0';
}

struct reason {
    char kind[REASON_SIZE];
    uint32_t first, count; /* first of these rejects */
};

static int by_kind(const void *a, const void *b)
{
    const struct reason *x = a, *y = b;
    int order = strcmp(x->kind, y->kind);
    return order ? order : (x->first > y->first) - (x->first < y->first);
}

static int by_count(const void *a, const void *b)
{
    const struct reason *x = a, *y = b;
    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    return strcmp(x->kind, y->kind);
}

/* [{"reason", "count", "file", "line"}]: the most frequent first, each with its first case. */
static json_t *reasons_json(const struct dataset *dataset)
{
    struct reason *reasons = mem_new(dataset->n_rejects, sizeof *reasons);
    json_t *list = json_array();
    uint32_t n = 0;
    for (uint32_t i = 0; i < dataset->n_rejects; i++) {
        reasons[i].first = i;
        reasons[i].count = 1;
        report_reason_kind(dataset->rejects[i].reason, reasons[i].kind);
    }
    qsort(reasons, dataset->n_rejects, sizeof *reasons, by_kind);
    for (uint32_t i = 0; i < dataset->n_rejects; i++) {
        if (n > 0 && !strcmp(reasons[n - 1].kind, reasons[i].kind))
            reasons[n - 1].count++;
        else
            reasons[n++] = reasons[i];
    }
    qsort(reasons, n, sizeof *reasons, by_count);
    for (uint32_t i = 0; i < n; i++) {
        const struct reject *first = &dataset->rejects[reasons[i].first];
        json_t *row = json_object();
        (void)json_object_set_new(row, "reason", text_json(reasons[i].kind));
        (void)json_object_set_new(row, "count", json_integer(reasons[i].count));
        (void)json_object_set_new(row, "file", text_json(first->file));
        (void)json_object_set_new(row, "line", json_integer(first->line));
        (void)json_array_append_new(list, row);
    }
    free(reasons);
    return list;
}

json_t *report_json(const struct report *report)
{
    const struct dataset *dataset = &report->merge->dataset;
    json_t *root = json_object();
    (void)json_object_set_new(root, "accepted", json_integer(dataset->n_records));
    (void)json_object_set_new(root, "train",
                              json_integer(dataset->n_records - report->n_validation));
    (void)json_object_set_new(root, "validation", json_integer(report->n_validation));
    (void)json_object_set_new(root, "duplicates", json_integer(report->merge->duplicates));
    (void)json_object_set_new(root, "removed", removed_json(report->merge));
    (void)json_object_set_new(root, "prototypes", json_integer(report->n_prototypes));
    (void)json_object_set_new(root, "protostructures", shared_json(report));
    (void)json_object_set_new(root, "systems", systems_json(report->groups));
    (void)json_object_set_new(root, "spacegroups",
                              histogram_json(report->groups, GROUP_MAX + 1));
    (void)json_object_set_new(root, "dof", histogram_json(report->dof, REPORT_DOF_MAX + 1));
    (void)json_object_set_new(root, "properties", properties_json(report));
    (void)json_object_set_new(root, "reasons", reasons_json(dataset));
    (void)json_object_set_new(root, "rejected", rejects_json(dataset));
    return root;
}
