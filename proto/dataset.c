/* The object "dataset": columns of encoded structures. See objects.h. */
#include "proto/objects.h"

#include "common/cleanup.h"
#include "common/mem.h"
#include "proto/record.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

enum { DATASET_VERSION = 1 };

static const char dataset_format[] = "wyckmill dataset";

void dataset_done(struct dataset *dataset)
{
    for (uint32_t i = 0; dataset->records && i < dataset->n_records; i++)
        record_done(&dataset->records[i]);
    free(dataset->records);
    free(dataset->splits);
    free(dataset->rejects);
    *dataset = (struct dataset){0};
}

int dataset_property_find(const struct dataset *dataset, const char *name)
{
    for (uint32_t i = 0; i < dataset->n_properties; i++)
        if (strcmp(dataset->properties[i].name, name) == 0)
            return (int)i;
    return -1;
}

/* ---- writing ---- */

static void pack_cells(struct pack *pack, const struct dataset *dataset)
{
    double *cells = mem_new((size_t)dataset->n_records * 6, sizeof *cells);
    for (uint32_t i = 0; i < dataset->n_records; i++)
        for (int k = 0; k < 6; k++) {
            assert(isfinite(dataset->records[i].cell[k]));
            cells[6 * (size_t)i + (size_t)k] = dataset->records[i].cell[k];
        }
    pack_f64_array(pack, cells, (size_t)dataset->n_records * 6);
    free(cells);
}

static void pack_free_coordinates(struct pack *pack, const struct dataset *dataset,
                                  size_t n_sites)
{
    double *all = mem_new(3 * n_sites, sizeof *all);
    size_t at = 0;
    for (uint32_t i = 0; i < dataset->n_records; i++) {
        const struct record *record = &dataset->records[i];
        for (size_t k = 0; k < 3 * (size_t)record->proto.n_sites; k++) {
            assert(isfinite(record->free[k / 3][k % 3]));
            all[at++] = record->free[k / 3][k % 3];
        }
    }
    pack_f64_array(pack, all, 3 * n_sites);
    free(all);
}

static void pack_values(struct pack *pack, const struct dataset *dataset)
{
    size_t width = dataset->n_properties, count = width * dataset->n_records;
    double *values = mem_new(count, sizeof *values);
    for (size_t i = 0; i < count; i++) {
        const double *row = dataset->records[i / width].properties;
        values[i] = row ? missing_if_not_finite(row[i % width]) : (double)NAN;
    }
    pack_f64_array(pack, values, count);
    free(values);
}

static void pack_lines(struct pack *pack, const struct dataset *dataset)
{
    uint32_t *lines = mem_new(dataset->n_records, sizeof *lines);
    for (uint32_t i = 0; i < dataset->n_records; i++)
        lines[i] = dataset->records[i].line;
    pack_u32_array(pack, lines, dataset->n_records);
    free(lines);
}

static void pack_splits(struct pack *pack, const struct dataset *dataset)
{
    uint8_t *splits = mem_new(dataset->n_records, 1);
    for (uint32_t i = 0; dataset->splits && i < dataset->n_records; i++) {
        assert(dataset->splits[i] <= SPLIT_VALIDATION);
        splits[i] = dataset->splits[i];
    }
    pack_bytes(pack, (struct span){splits, dataset->n_records});
    free(splits);
}

static void pack_rejects(struct pack *pack, const struct dataset *dataset)
{
    assert(dataset->n_rejects <= REJECTS_MAX);
    pack_array(pack, dataset->n_rejects);
    for (uint32_t i = 0; i < dataset->n_rejects; i++) {
        const struct reject *reject = &dataset->rejects[i];
        pack_map(pack, 4);
        pack_key(pack, "file");
        pack_text(pack, reject->file);
        pack_key(pack, "id");
        pack_text(pack, reject->id);
        pack_key(pack, "line");
        pack_u64(pack, reject->line);
        pack_key(pack, "reason");
        pack_text(pack, reject->reason);
    }
}

void dataset_encode(const struct dataset *dataset, struct buf *out)
{
    struct proto_columns columns;
    struct pack pack;
    uint32_t n = dataset->n_records;
    assert(n <= RECORDS_MAX);
    proto_columns_begin(&columns, n);
    for (uint32_t i = 0; i < n; i++)
        proto_columns_add(&columns, &dataset->records[i].proto);
    pack_init(&pack, out);
    pack_map(&pack, 15);
    pack_key(&pack, "cell");
    pack_cells(&pack, dataset);
    pack_key(&pack, "elements");
    pack_bytes(&pack, columns.elements);
    pack_key(&pack, "format");
    pack_text(&pack, dataset_format);
    pack_key(&pack, "free");
    pack_free_coordinates(&pack, dataset, columns.n_sites);
    pack_key(&pack, "ids");
    pack_array(&pack, n);
    for (uint32_t i = 0; i < n; i++)
        pack_text(&pack, dataset->records[i].id);
    pack_key(&pack, "letters");
    pack_bytes(&pack, columns.letters);
    pack_key(&pack, "lines");
    pack_lines(&pack, dataset);
    pack_key(&pack, "properties");
    properties_pack(&pack, dataset->properties, dataset->n_properties);
    pack_key(&pack, "rejects");
    pack_rejects(&pack, dataset);
    pack_key(&pack, "sites");
    pack_u16_array(&pack, columns.counts, n);
    pack_key(&pack, "sources");
    pack_array(&pack, n);
    for (uint32_t i = 0; i < n; i++)
        pack_text(&pack, dataset->records[i].source);
    pack_key(&pack, "spacegroups");
    pack_u16_array(&pack, columns.spacegroups, n);
    pack_key(&pack, "splits");
    pack_splits(&pack, dataset);
    pack_key(&pack, "values");
    pack_values(&pack, dataset);
    pack_key(&pack, "version");
    pack_u64(&pack, DATASET_VERSION);
    proto_columns_done(&columns);
}

/* ---- reading ---- */

/* Columns of one data set while its records are built. */
struct columns {
    struct proto_columns protos;
    struct value ids, sources;
    uint32_t *lines;
    double *cells, *free, *values;
};

static void columns_done(struct columns *columns)
{
    proto_columns_done(&columns->protos);
    free(columns->lines);
    free(columns->cells);
    free(columns->free);
    free(columns->values);
}

/* A `bin` of the right size is there, so that memory for it may be taken. */
static int check_size(struct value map, const char *key, size_t count, size_t width,
                      struct err *err)
{
    struct span bytes;
    int rc = value_bytes(value_get(map, key), key, &bytes, err);
    if (rc == 0 && (bytes.size % width != 0 || bytes.size / width != count))
        rc = err_set(err, ERR_CORRUPT, "'%s' has %zu bytes, want %zu x %zu", key, bytes.size,
                     count, width);
    return rc;
}

static int read_f64_column(struct value map, const char *key, size_t count, bool nan_allowed,
                           double **ret, struct err *err)
{
    int rc = check_size(map, key, count, sizeof **ret, err);
    if (rc != 0)
        return rc;
    *ret = mem_new(count, sizeof **ret);
    return map_f64_column(map, key, count, nan_allowed, *ret, err);
}

static int read_columns(struct value map, uint32_t n, uint32_t n_properties,
                        struct columns *ret, struct err *err)
{
    uint32_t n_sources;
    ret->ids = value_get(map, "ids");
    ret->sources = value_get(map, "sources");
    int rc = value_array(ret->sources, "sources", RECORDS_MAX, &n_sources, err);
    if (rc == 0 && n_sources != n)
        rc = err_set(err, ERR_CORRUPT, "%u 'ids', but %u 'sources'", n, n_sources);
    if (rc == 0)
        rc = proto_columns_read(map, n, &ret->protos, err);
    if (rc == 0)
        rc = read_f64_column(map, "cell", 6 * (size_t)n, false, &ret->cells, err);
    if (rc == 0)
        rc = read_f64_column(map, "free", 3 * ret->protos.n_sites, false, &ret->free, err);
    if (rc == 0)
        rc = read_f64_column(map, "values", (size_t)n_properties * n, true, &ret->values, err);
    if (rc == 0)
        rc = check_size(map, "lines", n, sizeof *ret->lines, err);
    if (rc != 0)
        return rc;
    ret->lines = mem_new(n, sizeof *ret->lines);
    return value_u32_array(value_get(map, "lines"), "lines", ret->lines, n, err);
}

static int read_record(struct columns *columns, uint32_t index, uint32_t n_properties,
                       struct record *ret, struct err *err)
{
    size_t first = columns->protos.next;
    int rc = value_text(value_at(columns->ids, index), "ids", ret->id, sizeof ret->id, err);
    if (rc == 0)
        rc = value_text(value_at(columns->sources, index), "sources", ret->source,
                        sizeof ret->source, err);
    if (rc == 0)
        rc = proto_columns_take(&columns->protos, index, &ret->proto, err);
    if (rc != 0)
        return rc;
    ret->line = columns->lines[index];
    memcpy(ret->cell, columns->cells + 6 * (size_t)index, sizeof ret->cell);
    ret->free = mem_copy(columns->free + 3 * first, ret->proto.n_sites * sizeof *ret->free);
    ret->properties = mem_copy(columns->values + (size_t)n_properties * index,
                               n_properties * sizeof *ret->properties);
    return 0;
}

static int read_records(struct value map, struct dataset *ret, struct err *err)
{
    uint32_t n;
    struct columns columns = {0};
    int rc = value_array(value_get(map, "ids"), "ids", RECORDS_MAX, &n, err);
    if (rc == 0)
        rc = read_columns(map, n, ret->n_properties, &columns, err);
    if (rc == 0) {
        ret->records = mem_new(n, sizeof *ret->records);
        ret->n_records = n;
    }
    for (uint32_t i = 0; rc == 0 && i < n; i++) {
        rc = read_record(&columns, i, ret->n_properties, &ret->records[i], err);
        if (rc != 0)
            rc = err_context(err, rc, "record %u", i);
    }
    columns_done(&columns);
    return rc;
}

static int read_splits(struct value map, struct dataset *ret, struct err *err)
{
    struct span bytes;
    int rc = check_size(map, "splits", ret->n_records, 1, err);
    if (rc == 0)
        rc = value_bytes(value_get(map, "splits"), "splits", &bytes, err);
    for (uint32_t i = 0; rc == 0 && i < ret->n_records; i++)
        if (bytes.data[i] > SPLIT_VALIDATION)
            rc = err_set(err, ERR_CORRUPT, "'splits' of record %u is %u, want 0..%d", i,
                         bytes.data[i], SPLIT_VALIDATION);
    if (rc == 0)
        ret->splits = mem_copy(bytes.data, ret->n_records);
    return rc;
}

static int read_reject(struct value map, struct reject *ret, struct err *err)
{
    int rc = value_map(map, "reject", 4, err);
    if (rc == 0)
        rc = value_text(value_get(map, "id"), "id", ret->id, sizeof ret->id, err);
    if (rc == 0)
        rc = value_text(value_get(map, "file"), "file", ret->file, sizeof ret->file, err);
    if (rc == 0)
        rc = map_u32(map, "line", UINT32_MAX, &ret->line, err);
    if (rc == 0)
        rc = value_text(value_get(map, "reason"), "reason", ret->reason, sizeof ret->reason,
                        err);
    return rc;
}

static int read_rejects(struct value array, struct dataset *ret, struct err *err)
{
    uint32_t n;
    int rc = value_array(array, "rejects", REJECTS_MAX, &n, err);
    if (rc != 0)
        return rc;
    ret->rejects = mem_new(n, sizeof *ret->rejects);
    ret->n_rejects = n;
    for (uint32_t i = 0; i < n; i++)
        if ((rc = read_reject(value_at(array, i), &ret->rejects[i], err)) != 0)
            return err_context(err, rc, "reject %u", i);
    return 0;
}

int dataset_decode(struct span bytes, struct dataset *ret, struct err *err)
{
    cleanup(document_free_ptr) struct document *document = NULL;
    struct dataset dataset = {0};
    int rc = document_parse_format(bytes, &value_limits_object, dataset_format, DATASET_VERSION,
                                   &document, err);
    if (rc != 0)
        return rc;
    struct value map = document_root(document);
    rc = value_map(map, "dataset", 15, err);
    if (rc == 0)
        rc = properties_unpack(value_get(map, "properties"), dataset.properties,
                               &dataset.n_properties, err);
    if (rc == 0)
        rc = read_records(map, &dataset, err);
    if (rc == 0)
        rc = read_splits(map, &dataset, err);
    if (rc == 0)
        rc = read_rejects(value_get(map, "rejects"), &dataset, err);
    if (rc != 0) {
        dataset_done(&dataset);
        return err_context(err, rc, "dataset");
    }
    *ret = dataset;
    return 0;
}
