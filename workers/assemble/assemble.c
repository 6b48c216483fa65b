/* assemble: the shards of a data set to one data set without duplicates, split into training
 * and validation, and a report of what is in it and what was left out. */
#include "workers/assemble/report.h"

#include "common/mem.h"
#include "workers/crystal/structure.h"
#include "workers/task.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- all records under one set of columns ---- */

/* A record on its way: its structure's name is needed for order, duplicates and split. */
struct entry {
    struct record record;
    struct hash structure;
};

struct merge {
    struct dataset dataset; /* columns and rejects; records only at the end */
    struct entry *entries;
    uint32_t n_entries;
    size_t entries_capacity, rejects_capacity;
    uint32_t duplicates;
};

static void merge_done(struct merge *merge)
{
    for (uint32_t i = 0; i < merge->n_entries; i++)
        record_done(&merge->entries[i].record);
    free(merge->entries);
    dataset_done(&merge->dataset);
}

static void add_reject(struct merge *merge, const struct reject *reject)
{
    struct dataset *dataset = &merge->dataset;
    if (dataset->n_rejects == REJECTS_MAX)
        return;
    mem_reserve(dataset->rejects, merge->rejects_capacity, dataset->n_rejects + 1u);
    dataset->rejects[dataset->n_rejects++] = *reject;
}

/* Column in the merged set of each column of the shard; -1 when there is no room. A unit that
 * only some shards know holds for all. */
static void map_columns(struct dataset *to, const struct dataset *shard,
                        int columns[PROPERTIES_MAX])
{
    for (uint32_t i = 0; i < shard->n_properties; i++) {
        const struct property *property = &shard->properties[i];
        columns[i] = dataset_property_find(to, property->name);
        if (columns[i] < 0 && to->n_properties < PROPERTIES_MAX) {
            columns[i] = (int)to->n_properties++;
            to->properties[columns[i]] = *property;
        } else if (columns[i] >= 0 && to->properties[columns[i]].unit[0] == '\0') {
            memcpy(to->properties[columns[i]].unit, property->unit, UNIT_SIZE);
        }
    }
}

/* Takes the record out of the shard. Rows have room for all columns from the beginning. */
static void add_record(struct merge *merge, struct record *record, uint32_t n_properties,
                       const int columns[PROPERTIES_MAX])
{
    double *values = mem_new(PROPERTIES_MAX, sizeof *values);
    for (int i = 0; i < PROPERTIES_MAX; i++)
        values[i] = (double)NAN;
    for (uint32_t i = 0; i < n_properties; i++)
        if (columns[i] >= 0)
            values[columns[i]] = record->properties[i];
    free(record->properties);
    record->properties = values;
    mem_reserve(merge->entries, merge->entries_capacity, merge->n_entries + 1u);
    struct entry *entry = &merge->entries[merge->n_entries++];
    entry->record = *record;
    entry->structure = record_structure_id(record);
    *record = (struct record){0};
}

static void reject_record(struct merge *merge, const struct record *record, const char *reason)
{
    struct reject reject = {.line = record->line};
    memcpy(reject.id, record->id, sizeof reject.id);
    memcpy(reject.file, record->source, sizeof reject.file);
    (void)snprintf(reject.reason, sizeof reject.reason, "%s", reason);
    add_reject(merge, &reject);
}

static void add_shard(struct merge *merge, struct dataset *shard, uint64_t atoms_max)
{
    int columns[PROPERTIES_MAX];
    map_columns(&merge->dataset, shard, columns);
    for (uint32_t i = 0; i < shard->n_rejects; i++)
        add_reject(merge, &shard->rejects[i]);
    for (uint32_t i = 0; i < shard->n_records; i++) {
        struct record *record = &shard->records[i];
        char reason[REASON_SIZE] = "";
        struct err err = {0};
        if (protostructure_check(&record->proto, &err))
            (void)snprintf(reason, sizeof reason, "%s", err.text);
        else if (protostructure_atoms(&record->proto) > atoms_max)
            (void)snprintf(
                reason, sizeof reason,
                "%u atoms in the conventional cell; the campaign's atoms_max is %llu",
                protostructure_atoms(&record->proto), (unsigned long long)atoms_max);
        else if (merge->n_entries == RECORDS_MAX)
            (void)snprintf(reason, sizeof reason, "more than %d structures", RECORDS_MAX);
        if (reason[0])
            reject_record(merge, record, reason);
        else
            add_record(merge, record, shard->n_properties, columns);
    }
}

/* ---- order, duplicates, names, split ---- */

static int by_id(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    int order = strcmp(x->record.id, y->record.id);
    if (order == 0)
        order = hash_compare(&x->structure, &y->structure);
    if (order == 0)
        order = strcmp(x->record.source, y->record.source);
    return order ? order
                 : (x->record.line > y->record.line) - (x->record.line < y->record.line);
}

struct ranked {
    const struct hash *structure;
    uint32_t rank; /* place in the order by id */
};

static int by_structure(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    int order = hash_compare(x->structure, y->structure);
    return order ? order : (x->rank > y->rank) - (x->rank < y->rank);
}

/* Of equal structures the first in the order by id stays. */
static void remove_duplicates(struct merge *merge)
{
    uint32_t n = merge->n_entries, kept = 0;
    struct ranked *ranked = mem_new(n, sizeof *ranked);
    bool *again = mem_new(n, sizeof *again);
    for (uint32_t i = 0; i < n; i++)
        ranked[i] = (struct ranked){&merge->entries[i].structure, i};
    qsort(ranked, n, sizeof *ranked, by_structure);
    for (uint32_t i = 1; i < n; i++)
        again[ranked[i].rank] = hash_equal(ranked[i].structure, ranked[i - 1].structure);
    for (uint32_t i = 0; i < n; i++) {
        if (again[i])
            record_done(&merge->entries[i].record);
        else
            merge->entries[kept++] = merge->entries[i];
    }
    merge->duplicates = n - kept;
    merge->n_entries = kept;
    free(ranked);
    free(again);
}

static bool id_taken(const struct merge *merge, const char *id)
{
    uint32_t low = 0, high = merge->n_entries;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = strcmp(merge->entries[middle].record.id, id);
        if (order == 0)
            return true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

/* Different structures of one id: the second becomes ID#2 and so on, leaving out numbers that
 * are ids already. `ids` is filled with the new ids; the entries keep theirs for the search. */
static void unique_ids(const struct merge *merge, char (*ids)[ID_SIZE])
{
    enum { SUFFIX_SIZE = 12 };
    uint32_t number = 1;
    for (uint32_t i = 0; i < merge->n_entries; i++) {
        const char *id = merge->entries[i].record.id;
        memcpy(ids[i], id, ID_SIZE);
        if (i == 0 || strcmp(id, merge->entries[i - 1].record.id) != 0) {
            number = 1;
            continue;
        }
        do {
            number++;
            (void)snprintf(ids[i], ID_SIZE, "%.*s#%u", ID_SIZE - 1 - SUFFIX_SIZE, id, number);
        } while (id_taken(merge, ids[i]));
    }
}

static void take_entries(struct merge *merge, double validation)
{
    struct dataset *dataset = &merge->dataset;
    uint32_t n = merge->n_entries;
    char(*ids)[ID_SIZE] = mem_new(n, sizeof *ids);
    unique_ids(merge, ids);
    dataset->records = mem_new(n, sizeof *dataset->records);
    dataset->splits = mem_new(n, 1);
    for (uint32_t i = 0; i < n; i++) {
        struct entry *entry = &merge->entries[i];
        memcpy(entry->record.id, ids[i], ID_SIZE);
        dataset->records[i] = entry->record;
        /* by content: a structure stays on its side however the data set grows */
        double place = (double)(hash_u64(&entry->structure) >> 11) * 0x1p-53;
        dataset->splits[i] = place < validation ? SPLIT_VALIDATION : SPLIT_TRAIN;
    }
    dataset->n_records = n;
    merge->n_entries = 0;
    free(ids);
}

/* ---- the task ---- */

static int add_shards(const struct task *task, uint64_t atoms_max, struct merge *merge,
                      struct err *err)
{
    for (uint32_t i = 0; i < task->n_inputs; i++) {
        struct dataset shard;
        int rc = dataset_decode(task->inputs[i], &shard, err);
        if (rc)
            return err_context(err, rc, "shard %u", i + 1);
        add_shard(merge, &shard, atoms_max);
        dataset_done(&shard);
    }
    return 0;
}

static int check_not_empty(const struct merge *merge, struct err *err)
{
    const struct dataset *dataset = &merge->dataset;
    if (merge->n_entries > 0)
        return 0;
    if (dataset->n_rejects == 0)
        return err_set(err, ERR_INVALID, "the data hold no structures");
    return err_set(err, ERR_INVALID, "none of %u structures can be used; the first: %s:%u: %s",
                   dataset->n_rejects, dataset->rejects[0].file, dataset->rejects[0].line,
                   dataset->rejects[0].reason);
}

int assemble_run(const struct task *task, struct err *err)
{
    uint64_t atoms_max;
    double validation;
    int rc = value_u64(value_get(task->params, "atoms_max"), "atoms_max", 1, UINT32_MAX,
                       &atoms_max, err);
    if (rc == 0)
        rc = value_f64(value_get(task->params, "validation"), "validation", &validation, err);
    if (rc)
        return rc;
    if (!(validation >= 0 && validation < 1))
        return err_set(err, ERR_INVALID, "validation is %g, want 0 <= validation < 1",
                       validation);
    struct merge merge = {0};
    rc = add_shards(task, atoms_max, &merge, err);
    if (rc == 0)
        rc = check_not_empty(&merge, err);
    if (rc == 0) {
        qsort(merge.entries, merge.n_entries, sizeof *merge.entries, by_id);
        remove_duplicates(&merge);
        take_entries(&merge, validation);
        struct buf bytes = {0};
        dataset_encode(&merge.dataset, &bytes);
        task_emit(task, "dataset", buf_span(&bytes));
        buf_done(&bytes);
        report_emit(task, &merge.dataset, merge.duplicates);
    }
    merge_done(&merge);
    return rc;
}
