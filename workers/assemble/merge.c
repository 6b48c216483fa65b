/* Shards to one data set: see merge.h. */
#include "workers/assemble/merge.h"

#include "common/mem.h"
#include "workers/crystal/format.h"
#include "workers/crystal/structure.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- all records under one set of columns ---- */

void merge_done(struct merge *merge)
{
    for (uint32_t i = 0; i < merge->n_entries; i++)
        record_done(&merge->entries[i].record);
    free(merge->entries);
    free(merge->removed);
    dataset_done(&merge->dataset);
    *merge = (struct merge){0};
}

/* The line of the file; a number that no file has stays what it is. */
static uint32_t line_of_file(uint32_t line, uint32_t lines_before)
{
    return line & LINE_RELATIVE ? (line & ~LINE_RELATIVE) + lines_before : line;
}

static void add_reject(struct merge *merge, const struct reject *reject, uint32_t lines_before)
{
    struct dataset *dataset = &merge->dataset;
    if (dataset->n_rejects == REJECTS_MAX)
        return;
    mem_reserve(dataset->rejects, merge->rejects_capacity, dataset->n_rejects + 1u);
    struct reject *added = &dataset->rejects[dataset->n_rejects++];
    *added = *reject;
    added->line = line_of_file(reject->line, lines_before);
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
    struct merge_entry *entry = &merge->entries[merge->n_entries++];
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
    add_reject(merge, &reject, 0);
}

void merge_add(struct merge *merge, struct dataset *shard, uint32_t lines_before,
               uint64_t atoms_max)
{
    int columns[PROPERTIES_MAX];
    map_columns(&merge->dataset, shard, columns);
    for (uint32_t i = 0; i < shard->n_rejects; i++)
        add_reject(merge, &shard->rejects[i], lines_before);
    for (uint32_t i = 0; i < shard->n_records; i++) {
        struct record *record = &shard->records[i];
        char reason[REASON_SIZE] = "";
        struct err err = {0};
        record->line = line_of_file(record->line, lines_before);
        if (record->id[0] == '\0')
            structure_id_of_line(record->source, record->line, record->id);
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
    const struct merge_entry *x = a, *y = b;
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

/* Counts what is taken out, and lists the first of it, in the order of the ids. */
static void note_removed(struct merge *merge, const struct ranked *ranked, const bool *again)
{
    uint32_t n = merge->n_entries, kept = 0;
    uint32_t *same_as = mem_new(n, sizeof *same_as);
    for (uint32_t i = 0; i < n; i++) {
        kept = again[ranked[i].rank] ? kept : ranked[i].rank;
        same_as[ranked[i].rank] = kept;
        merge->duplicates += again[ranked[i].rank];
    }
    merge->removed = mem_new(REMOVED_LISTED_MAX, sizeof *merge->removed);
    for (uint32_t i = 0; i < n && merge->n_removed < REMOVED_LISTED_MAX; i++) {
        if (!again[i])
            continue;
        const struct record *record = &merge->entries[i].record;
        struct removed *removed = &merge->removed[merge->n_removed++];
        removed->line = record->line;
        memcpy(removed->id, record->id, sizeof removed->id);
        memcpy(removed->file, record->source, sizeof removed->file);
        memcpy(removed->same_as, merge->entries[same_as[i]].record.id, sizeof removed->same_as);
    }
    free(same_as);
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
    note_removed(merge, ranked, again);
    for (uint32_t i = 0; i < n; i++) {
        if (again[i])
            record_done(&merge->entries[i].record);
        else
            merge->entries[kept++] = merge->entries[i];
    }
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
        struct merge_entry *entry = &merge->entries[i];
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

void merge_finish(struct merge *merge, double validation)
{
    qsort(merge->entries, merge->n_entries, sizeof *merge->entries, by_id);
    remove_duplicates(merge);
    take_entries(merge, validation);
}
