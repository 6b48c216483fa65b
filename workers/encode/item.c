/* One structure's text to its record, and into a shard: see encode.h. */
#include "workers/encode/encode.h"

#include "common/mem.h"
#include "workers/crystal/format.h"

#include <math.h>
#include <stdio.h>

/* The reject of a structure that was read as far as it could be. */
static void set_reject(const struct structure *structure, const struct source_item *item,
                       uint32_t line, const struct err *err, struct reject *ret)
{
    *ret = (struct reject){.line = line};
    if (!structure->unnamed)
        memcpy(ret->id, structure->id, sizeof ret->id);
    (void)snprintf(ret->file, sizeof ret->file, "%s", item->file);
    (void)snprintf(ret->reason, sizeof ret->reason, "%s", err->text);
}

int encode_read(const struct source_item *item, struct structure *ret_structure,
                struct reject *ret_reject)
{
    struct structure structure = {0};
    struct err err = {0};
    uint32_t line = item->line;
    int rc = format_parse(item, &structure, &line, &err);
    if (rc == 0) {
        line = item->line;
        rc = structure_check(&structure, &err);
    }
    if (rc) {
        set_reject(&structure, item, line, &err, ret_reject);
        structure_done(&structure);
        return rc;
    }
    *ret_structure = structure;
    return 0;
}

int encode_item(const struct source_item *item, double symprec, struct structure *ret_structure,
                struct record *ret_record, struct reject *ret_reject)
{
    struct structure structure;
    struct err err = {0};
    int rc = encode_read(item, &structure, ret_reject);
    if (rc)
        return rc;
    rc = structure_to_record(&structure, symprec, ret_record, &err);
    if (rc) {
        set_reject(&structure, item, item->line, &err, ret_reject);
        structure_done(&structure);
        return rc;
    }
    *ret_structure = structure;
    return 0;
}

/* Column of a property, a new one when it is the first of its name; -1 when all columns are
 * taken. Records have room for all columns from the beginning. */
static int column_of(struct dataset *dataset, const struct property *property)
{
    int column = dataset_property_find(dataset, property->name);
    if (column < 0 && dataset->n_properties < PROPERTIES_MAX) {
        column = (int)dataset->n_properties++;
        dataset->properties[column] = *property;
    }
    return column;
}

void encode_add(struct dataset *dataset, const struct structure *structure,
                struct record *record)
{
    record->properties = mem_new(PROPERTIES_MAX, sizeof *record->properties);
    for (int i = 0; i < PROPERTIES_MAX; i++)
        record->properties[i] = (double)NAN;
    for (uint32_t i = 0; i < structure->n_properties; i++) {
        int column = column_of(dataset, &structure->properties[i].property);
        if (column >= 0)
            record->properties[column] = structure->properties[i].value;
    }
    dataset->records[dataset->n_records++] = *record;
    *record = (struct record){0};
}
