/* The object "candidates": realized, scored or ranked structures. See objects.h. */
#include "proto/objects.h"

#include "common/cleanup.h"
#include "common/mem.h"
#include "proto/record.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

enum { CANDIDATES_VERSION = 1 };

static const char candidates_format[] = "wyckmill candidates";

void candidate_done(struct candidate *candidate)
{
    record_done(&candidate->record);
    free(candidate->predicted);
    free(candidate->spread);
    free(candidate->exact);
    candidate->predicted = candidate->spread = candidate->exact = NULL;
}

void candidates_done(struct candidates *candidates)
{
    for (uint32_t i = 0; candidates->items && i < candidates->n; i++)
        candidate_done(&candidates->items[i]);
    free(candidates->items);
    *candidates = (struct candidates){0};
}

static double *copy_row(const double *row, uint32_t n)
{
    return row ? mem_copy(row, n * sizeof *row) : NULL;
}

void candidate_copy(struct candidate *to, const struct candidate *from, uint32_t n_properties)
{
    *to = *from;
    record_copy(&to->record, &from->record, 0);
    to->predicted = copy_row(from->predicted, n_properties);
    to->spread = copy_row(from->spread, n_properties);
    to->exact = copy_row(from->exact, n_properties);
}

/* ---- writing ---- */

static void pack_row(struct pack *pack, const char *key, const double *row, uint32_t n)
{
    double values[PROPERTIES_MAX];
    for (uint32_t i = 0; i < n; i++)
        values[i] = row ? missing_if_not_finite(row[i]) : (double)NAN;
    pack_key(pack, key);
    pack_f64_array(pack, values, n);
}

static void pack_number(struct pack *pack, const char *key, double value)
{
    pack_key(pack, key);
    pack_f64(pack, missing_if_not_finite(value));
}

static void pack_candidate(struct pack *pack, const struct candidate *candidate, uint32_t n)
{
    assert(candidate->geometry <= GEOMETRY_RANDOM);
    assert(candidate->satisfied_exact <= VERDICT_YES);
    assert(candidate->satisfied_predicted <= VERDICT_YES);
    pack_map(pack, 17);
    pack_number(pack, "distance_min", candidate->distance_min);
    pack_row(pack, "exact", candidate->exact, n);
    pack_key(pack, "geometry");
    pack_u64(pack, candidate->geometry);
    pack_key(pack, "guided");
    pack_bool(pack, candidate->guided);
    pack_key(pack, "id");
    pack_hash(pack, &candidate->id);
    pack_key(pack, "novel");
    pack_bool(pack, candidate->novel);
    pack_number(pack, "pair_energy", candidate->pair_energy);
    pack_row(pack, "predicted", candidate->predicted, n);
    pack_number(pack, "probability", candidate->probability);
    pack_key(pack, "reason");
    pack_text(pack, candidate->reason);
    pack_key(pack, "record");
    record_pack(pack, &candidate->record);
    pack_key(pack, "sample");
    pack_u64(pack, candidate->sample);
    pack_key(pack, "satisfied_exact");
    pack_u64(pack, candidate->satisfied_exact);
    pack_key(pack, "satisfied_predicted");
    pack_u64(pack, candidate->satisfied_predicted);
    pack_row(pack, "spread", candidate->spread, n);
    pack_key(pack, "template_id");
    pack_text(pack, candidate->template_id);
    pack_key(pack, "valid");
    pack_bool(pack, candidate->valid);
}

void candidates_encode(const struct candidates *candidates, struct buf *out)
{
    struct pack pack;
    assert(candidates->n <= CANDIDATES_MAX);
    assert(candidates->n_properties <= PROPERTIES_MAX);
    pack_init(&pack, out);
    pack_map(&pack, 4);
    pack_key(&pack, "format");
    pack_text(&pack, candidates_format);
    pack_key(&pack, "items");
    pack_array(&pack, candidates->n);
    for (uint32_t i = 0; i < candidates->n; i++)
        pack_candidate(&pack, &candidates->items[i], candidates->n_properties);
    pack_key(&pack, "properties");
    properties_pack(&pack, candidates->properties, candidates->n_properties);
    pack_key(&pack, "version");
    pack_u64(&pack, CANDIDATES_VERSION);
}

/* ---- reading ---- */

static int read_row(struct value map, const char *key, uint32_t n, double **ret,
                    struct err *err)
{
    *ret = mem_new(n, sizeof **ret);
    return map_f64_column(map, key, n, true, *ret, err);
}

static int read_rows(struct value map, uint32_t n, struct candidate *ret, struct err *err)
{
    int rc = read_row(map, "predicted", n, &ret->predicted, err);
    if (rc == 0)
        rc = read_row(map, "spread", n, &ret->spread, err);
    if (rc == 0)
        rc = read_row(map, "exact", n, &ret->exact, err);
    return rc;
}

static int read_small(struct value map, const char *key, uint32_t max, uint8_t *ret,
                      struct err *err)
{
    uint32_t number;
    int rc = map_u32(map, key, max, &number, err);
    if (rc == 0)
        *ret = (uint8_t)number;
    return rc;
}

static int read_flags(struct value map, struct candidate *ret, struct err *err)
{
    int rc = value_bool(value_get(map, "guided"), "guided", &ret->guided, err);
    if (rc == 0)
        rc = value_bool(value_get(map, "valid"), "valid", &ret->valid, err);
    if (rc == 0)
        rc = value_bool(value_get(map, "novel"), "novel", &ret->novel, err);
    if (rc == 0)
        rc = read_small(map, "geometry", GEOMETRY_RANDOM, &ret->geometry, err);
    if (rc == 0)
        rc = read_small(map, "satisfied_exact", VERDICT_YES, &ret->satisfied_exact, err);
    if (rc == 0)
        rc =
            read_small(map, "satisfied_predicted", VERDICT_YES, &ret->satisfied_predicted, err);
    return rc;
}

static int read_candidate(struct value map, uint32_t n, struct candidate *ret, struct err *err)
{
    int rc = value_map(map, "candidate", 17, err);
    if (rc == 0)
        rc = value_hash(value_get(map, "id"), "id", &ret->id, err);
    if (rc == 0)
        rc = map_u32(map, "sample", UINT32_MAX, &ret->sample, err);
    if (rc == 0)
        rc = read_flags(map, ret, err);
    if (rc == 0)
        rc = value_text(value_get(map, "template_id"), "template_id", ret->template_id,
                        sizeof ret->template_id, err);
    if (rc == 0)
        rc = value_text(value_get(map, "reason"), "reason", ret->reason, sizeof ret->reason,
                        err);
    if (rc == 0)
        rc = map_f64_or_nan(map, "pair_energy", &ret->pair_energy, err);
    if (rc == 0)
        rc = map_f64_or_nan(map, "distance_min", &ret->distance_min, err);
    if (rc == 0)
        rc = map_f64_or_nan(map, "probability", &ret->probability, err);
    if (rc == 0)
        rc = record_unpack(value_get(map, "record"), &ret->record, err);
    return rc == 0 ? read_rows(map, n, ret, err) : rc;
}

static int read_items(struct value array, struct candidates *ret, struct err *err)
{
    uint32_t n;
    int rc = value_array(array, "items", CANDIDATES_MAX, &n, err);
    if (rc != 0)
        return rc;
    ret->items = mem_new(n, sizeof *ret->items);
    ret->n = n;
    for (uint32_t i = 0; i < n; i++) {
        rc = read_candidate(value_at(array, i), ret->n_properties, &ret->items[i], err);
        if (rc != 0)
            return err_context(err, rc, "candidate %u", i);
    }
    return 0;
}

int candidates_decode(struct span bytes, struct candidates *ret, struct err *err)
{
    cleanup(document_free_ptr) struct document *document = NULL;
    struct candidates candidates = {0};
    int rc = document_parse_format(bytes, &value_limits_object, candidates_format,
                                   CANDIDATES_VERSION, &document, err);
    if (rc != 0)
        return rc;
    struct value map = document_root(document);
    rc = value_map(map, "candidates", 4, err);
    if (rc == 0)
        rc = properties_unpack(value_get(map, "properties"), candidates.properties,
                               &candidates.n_properties, err);
    if (rc == 0)
        rc = read_items(value_get(map, "items"), &candidates, err);
    if (rc != 0) {
        candidates_done(&candidates);
        return err_context(err, rc, "candidates");
    }
    *ret = candidates;
    return 0;
}
