/* The report of assemble: see report.h. */
#include "workers/assemble/report.h"

#include "common/mem.h"
#include "workers/crystal/structure.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

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

struct range {
    uint32_t count;
    double mean, min, max;
};

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

static json_t *properties_json(const struct dataset *dataset)
{
    json_t *list = json_array();
    for (uint32_t p = 0; p < dataset->n_properties; p++) {
        struct range range = property_range(dataset, p);
        json_t *row = json_object();
        (void)json_object_set_new(row, "name", text_json(dataset->properties[p].name));
        (void)json_object_set_new(row, "unit", text_json(dataset->properties[p].unit));
        (void)json_object_set_new(row, "count", json_integer(range.count));
        (void)json_object_set_new(row, "mean",
                                  range.count ? json_real(range.mean) : json_null());
        (void)json_object_set_new(row, "min", range.count ? json_real(range.min) : json_null());
        (void)json_object_set_new(row, "max", range.count ? json_real(range.max) : json_null());
        (void)json_array_append_new(list, row);
    }
    return list;
}

enum { DOF_MAX = 3 * SITES_MAX };

struct counts {
    uint32_t groups[GROUP_MAX + 1], dof[DOF_MAX + 1];
    uint32_t n_groups, n_prototypes, n_validation;
};

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static uint32_t count_prototypes(const struct dataset *dataset)
{
    uint32_t n = dataset->n_records, distinct = 0;
    char **prototypes = mem_new(n, sizeof *prototypes);
    for (uint32_t i = 0; i < n; i++)
        prototypes[i] = protostructure_prototype(&dataset->records[i].proto);
    qsort(prototypes, n, sizeof *prototypes, by_text);
    for (uint32_t i = 0; i < n; i++)
        distinct += i == 0 || strcmp(prototypes[i - 1], prototypes[i]) != 0;
    for (uint32_t i = 0; i < n; i++)
        free(prototypes[i]);
    free(prototypes);
    return distinct;
}

static void count(const struct dataset *dataset, struct counts *counts)
{
    for (uint32_t i = 0; i < dataset->n_records; i++) {
        const struct protostructure *proto = &dataset->records[i].proto;
        counts->n_groups += counts->groups[proto->spacegroup]++ == 0;
        counts->dof[protostructure_dof(proto)]++;
        counts->n_validation += dataset->splits[i] == SPLIT_VALIDATION;
    }
    counts->n_prototypes = count_prototypes(dataset);
}

static void emit_json(const struct task *task, const struct dataset *dataset,
                      const struct counts *counts, uint32_t duplicates)
{
    json_t *root = json_object();
    (void)json_object_set_new(root, "accepted", json_integer(dataset->n_records));
    (void)json_object_set_new(root, "duplicates", json_integer(duplicates));
    (void)json_object_set_new(root, "train",
                              json_integer(dataset->n_records - counts->n_validation));
    (void)json_object_set_new(root, "validation", json_integer(counts->n_validation));
    (void)json_object_set_new(root, "prototypes", json_integer(counts->n_prototypes));
    (void)json_object_set_new(root, "spacegroups",
                              histogram_json(counts->groups, GROUP_MAX + 1));
    (void)json_object_set_new(root, "dof", histogram_json(counts->dof, DOF_MAX + 1));
    (void)json_object_set_new(root, "properties", properties_json(dataset));
    (void)json_object_set_new(root, "rejected", rejects_json(dataset));
    char *text = json_dumps(root, JSON_INDENT(1) | JSON_REAL_PRECISION(17));
    task_emit(task, "report", span_text(text));
    free(text);
    json_decref(root);
}

static void emit_summary(const struct task *task, const struct dataset *dataset,
                         const struct counts *counts, uint32_t duplicates)
{
    struct buf summary = {0};
    struct pack pack;
    uint32_t filled = 0;
    for (uint32_t p = 0; p < dataset->n_properties; p++)
        filled += property_range(dataset, p).count > 0;
    pack_init(&pack, &summary);
    pack_map(&pack, 6);
    pack_key(&pack, "accepted");
    pack_u64(&pack, dataset->n_records);
    pack_key(&pack, "duplicates");
    pack_u64(&pack, duplicates);
    pack_key(&pack, "groups");
    pack_u64(&pack, counts->n_groups);
    pack_key(&pack, "properties"); /* those with a value */
    pack_array(&pack, filled);
    for (uint32_t p = 0; p < dataset->n_properties; p++)
        if (property_range(dataset, p).count > 0)
            pack_text(&pack, dataset->properties[p].name);
    pack_key(&pack, "prototypes");
    pack_u64(&pack, counts->n_prototypes);
    pack_key(&pack, "rejected");
    pack_u64(&pack, dataset->n_rejects);
    task_summary(task, buf_span(&summary));
    buf_done(&summary);
}

void report_emit(const struct task *task, const struct dataset *dataset, uint32_t duplicates)
{
    struct counts *counts = mem_new(1, sizeof *counts);
    count(dataset, counts);
    emit_json(task, dataset, counts, duplicates);
    emit_summary(task, dataset, counts, duplicates);
    free(counts);
}
