/* Protostructures, records and property columns: see record.h and objects.h. */
#include "proto/record.h"

#include "common/mem.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

/* ---- protostructures as columns ---- */

static bool is_ascending(const struct site *a, const struct site *b)
{
    return a->letter < b->letter || (a->letter == b->letter && a->element <= b->element);
}

/* The invariants of objects.h, as far as they can be seen without the Wyckoff table. */
static int check_proto(const struct protostructure *proto, struct err *err)
{
    if (proto->spacegroup < 1 || proto->spacegroup > GROUP_MAX)
        return err_set(err, ERR_CORRUPT, "space group %u, want 1..%d", proto->spacegroup,
                       GROUP_MAX);
    if (proto->n_sites > SITES_MAX)
        return err_set(err, ERR_LIMIT, "%u sites, at most %d are allowed", proto->n_sites,
                       SITES_MAX);
    for (uint32_t i = 0; i < proto->n_sites; i++) {
        const struct site *site = &proto->sites[i];
        if (site->letter >= LETTER_MAX)
            return err_set(err, ERR_CORRUPT, "site %u: letter %u, want 0..%d", i, site->letter,
                           LETTER_MAX - 1);
        if (site->element < 1 || site->element > ELEMENT_MAX)
            return err_set(err, ERR_CORRUPT, "site %u: element %u, want 1..%d", i,
                           site->element, ELEMENT_MAX);
        if (i > 0 && !is_ascending(site - 1, site))
            return err_set(err, ERR_CORRUPT, "site %u: sites are not in ascending order", i);
    }
    return 0;
}

void proto_columns_done(struct proto_columns *columns)
{
    free(columns->spacegroups);
    free(columns->counts);
    buf_done(&columns->letters_buf);
    buf_done(&columns->elements_buf);
    *columns = (struct proto_columns){0};
}

void proto_columns_begin(struct proto_columns *columns, uint32_t n_max)
{
    *columns = (struct proto_columns){0};
    columns->spacegroups = mem_new(n_max, sizeof *columns->spacegroups);
    columns->counts = mem_new(n_max, sizeof *columns->counts);
}

void proto_columns_add(struct proto_columns *columns, const struct protostructure *proto)
{
    assert(check_proto(proto, NULL) == 0);
    columns->spacegroups[columns->n] = proto->spacegroup;
    columns->counts[columns->n++] = proto->n_sites;
    for (uint32_t i = 0; i < proto->n_sites; i++) {
        buf_append(&columns->letters_buf, &proto->sites[i].letter, 1);
        buf_append(&columns->elements_buf, &proto->sites[i].element, 1);
    }
    columns->letters = buf_span(&columns->letters_buf);
    columns->elements = buf_span(&columns->elements_buf);
    columns->n_sites += proto->n_sites;
}

static int read_columns(struct value map, struct proto_columns *ret, struct err *err)
{
    int rc = value_u16_array(value_get(map, "spacegroups"), "spacegroups", ret->spacegroups,
                             ret->n, err);
    if (rc == 0)
        rc = value_u16_array(value_get(map, "sites"), "sites", ret->counts, ret->n, err);
    if (rc == 0)
        rc = value_bytes(value_get(map, "letters"), "letters", &ret->letters, err);
    if (rc == 0)
        rc = value_bytes(value_get(map, "elements"), "elements", &ret->elements, err);
    for (uint32_t i = 0; rc == 0 && i < ret->n; i++)
        ret->n_sites += ret->counts[i];
    if (rc == 0 && (ret->letters.size != ret->n_sites || ret->elements.size != ret->n_sites))
        rc = err_set(err, ERR_CORRUPT,
                     "'sites' counts %zu, but there are %zu 'letters' and %zu 'elements'",
                     ret->n_sites, ret->letters.size, ret->elements.size);
    return rc;
}

int proto_columns_read(struct value map, uint32_t n, struct proto_columns *ret, struct err *err)
{
    /* the size of one column first, then memory for as many */
    struct span bytes;
    int rc = value_bytes(value_get(map, "sites"), "sites", &bytes, err);
    if (rc == 0 && bytes.size != 2 * (size_t)n)
        rc = err_set(err, ERR_CORRUPT, "'sites' has %zu bytes, want %u x 2", bytes.size, n);
    if (rc != 0)
        return rc;
    proto_columns_begin(ret, n);
    ret->n = n;
    rc = read_columns(map, ret, err);
    if (rc != 0)
        proto_columns_done(ret);
    return rc;
}

static void take_sites(const uint8_t *letters, const uint8_t *elements, size_t n,
                       struct protostructure *ret)
{
    ret->sites = mem_new(n, sizeof *ret->sites);
    for (size_t i = 0; i < n; i++)
        ret->sites[i] = (struct site){letters[i], elements[i]};
}

int proto_columns_take(struct proto_columns *columns, uint32_t index,
                       struct protostructure *ret, struct err *err)
{
    ret->spacegroup = columns->spacegroups[index];
    ret->n_sites = columns->counts[index];
    take_sites(columns->letters.data + columns->next, columns->elements.data + columns->next,
               ret->n_sites, ret);
    columns->next += ret->n_sites;
    return check_proto(ret, err);
}

/* ---- numbers ---- */

double missing_if_not_finite(double value)
{
    return isfinite(value) ? value : (double)NAN;
}

int map_u32(struct value map, const char *key, uint32_t max, uint32_t *ret, struct err *err)
{
    uint64_t number;
    int rc = value_u64(value_get(map, key), key, 0, max, &number, err);
    if (rc == 0)
        *ret = (uint32_t)number;
    return rc;
}

/* The one bit pattern that pack_f64_array writes. */
static bool is_canonical_nan(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits == 0x7ff8000000000000;
}

int map_f64_column(struct value map, const char *key, size_t count, bool nan_allowed,
                   double *ret, struct err *err)
{
    int rc = value_f64_array(value_get(map, key), key, ret, count, err);
    for (size_t i = 0; rc == 0 && i < count; i++)
        if (!isfinite(ret[i]) && !(nan_allowed && is_canonical_nan(ret[i])))
            rc = err_set(err, ERR_CORRUPT, "'%s' number %zu is not finite", key, i);
    return rc;
}

int map_f64_or_nan(struct value map, const char *key, double *ret, struct err *err)
{
    struct value value = value_get(map, key);
    if (value_present(value) && !value_is_f64(value))
        return err_set(err, ERR_CORRUPT, "'%s' is no float64", key);
    int rc = value_f64(value, key, ret, err);
    if (rc == 0 && isinf(*ret))
        rc = err_set(err, ERR_CORRUPT, "'%s' is infinite", key);
    return rc;
}

/* ---- one record ---- */

void record_done(struct record *record)
{
    free(record->proto.sites);
    free(record->free);
    free(record->properties);
    record->proto = (struct protostructure){0};
    record->free = NULL;
    record->properties = NULL;
}

void record_copy(struct record *to, const struct record *from, uint32_t n_properties)
{
    *to = *from;
    to->proto.sites =
        mem_copy(from->proto.sites, from->proto.n_sites * sizeof *from->proto.sites);
    to->free =
        from->free ? mem_copy(from->free, from->proto.n_sites * sizeof *from->free) : NULL;
    to->properties =
        from->properties ? mem_copy(from->properties, n_properties * sizeof(double)) : NULL;
}

static void assert_finite(const double *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert(isfinite(values[i]));
}

void record_pack(struct pack *pack, const struct record *record)
{
    struct proto_columns columns;
    uint32_t n_sites = record->proto.n_sites;
    const double *free_coordinates = n_sites ? &record->free[0][0] : NULL;
    assert_finite(record->cell, 6);
    assert_finite(free_coordinates, 3 * (size_t)n_sites);
    proto_columns_begin(&columns, 1);
    proto_columns_add(&columns, &record->proto);
    pack_map(pack, 8);
    pack_key(pack, "cell");
    pack_f64_array(pack, record->cell, 6);
    pack_key(pack, "elements");
    pack_bytes(pack, columns.elements);
    pack_key(pack, "free");
    pack_f64_array(pack, free_coordinates, 3 * (size_t)n_sites);
    pack_key(pack, "id");
    pack_text(pack, record->id);
    pack_key(pack, "letters");
    pack_bytes(pack, columns.letters);
    pack_key(pack, "line");
    pack_u64(pack, record->line);
    pack_key(pack, "source");
    pack_text(pack, record->source);
    pack_key(pack, "spacegroup");
    pack_u64(pack, record->proto.spacegroup);
    proto_columns_done(&columns);
}

static int unpack_sites(struct value map, struct record *ret, struct err *err)
{
    struct span letters, elements;
    uint32_t group;
    int rc = map_u32(map, "spacegroup", GROUP_MAX, &group, err);
    if (rc == 0)
        rc = value_bytes(value_get(map, "letters"), "letters", &letters, err);
    if (rc == 0)
        rc = value_bytes(value_get(map, "elements"), "elements", &elements, err);
    if (rc == 0 && letters.size > SITES_MAX)
        rc = err_set(err, ERR_LIMIT, "%zu sites, at most %d are allowed", letters.size,
                     SITES_MAX);
    if (rc == 0 && letters.size != elements.size)
        rc = err_set(err, ERR_CORRUPT, "%zu 'letters', but %zu 'elements'", letters.size,
                     elements.size);
    if (rc != 0)
        return rc;
    ret->proto.spacegroup = (uint16_t)group;
    ret->proto.n_sites = (uint16_t)letters.size;
    take_sites(letters.data, elements.data, letters.size, &ret->proto);
    return check_proto(&ret->proto, err);
}

int record_unpack(struct value map, struct record *ret, struct err *err)
{
    *ret = (struct record){0};
    int rc = value_map(map, "record", 8, err);
    if (rc == 0)
        rc = value_text(value_get(map, "id"), "id", ret->id, sizeof ret->id, err);
    if (rc == 0)
        rc = value_text(value_get(map, "source"), "source", ret->source, sizeof ret->source,
                        err);
    if (rc == 0)
        rc = map_u32(map, "line", UINT32_MAX, &ret->line, err);
    if (rc == 0)
        rc = map_f64_column(map, "cell", 6, false, ret->cell, err);
    if (rc == 0)
        rc = unpack_sites(map, ret, err);
    if (rc != 0)
        return rc;
    ret->free = mem_new(ret->proto.n_sites, sizeof *ret->free);
    return map_f64_column(map, "free", 3 * (size_t)ret->proto.n_sites, false, &ret->free[0][0],
                          err);
}

/* ---- the name of a structure ---- */

/* Millionths, away from the ends of the range whatever the number. */
static int64_t millionths(double value)
{
    double scaled = value * 1e6;
    if (!(fabs(scaled) < 0x1p62)) /* also NaN */
        return INT64_MIN;
    return llrint(scaled);
}

/* A fractional coordinate: 0.9999999 and -0.0000001 are 0. */
static int64_t millionths_wrapped(double value)
{
    int64_t number = millionths(value) % 1000000;
    return number < 0 ? number + 1000000 : number;
}

struct hash record_structure_id(const struct record *record)
{
    struct buf out = {0};
    struct pack pack;
    int64_t cell[6];
    size_t n_free = 3 * (size_t)record->proto.n_sites;
    int64_t *free_rounded = mem_new(n_free, sizeof *free_rounded);
    for (int i = 0; i < 6; i++)
        cell[i] = millionths(record->cell[i]);
    for (size_t i = 0; i < n_free; i++)
        free_rounded[i] = millionths_wrapped(record->free[i / 3][i % 3]);
    pack_init(&pack, &out);
    pack_map(&pack, 4);
    pack_key(&pack, "cell");
    pack_i64_array(&pack, cell, 6);
    pack_key(&pack, "free");
    pack_i64_array(&pack, free_rounded, n_free);
    pack_key(&pack, "sites");
    pack_array(&pack, record->proto.n_sites);
    for (uint32_t i = 0; i < record->proto.n_sites; i++) {
        pack_array(&pack, 2);
        pack_u64(&pack, record->proto.sites[i].letter);
        pack_u64(&pack, record->proto.sites[i].element);
    }
    pack_key(&pack, "spacegroup");
    pack_u64(&pack, record->proto.spacegroup);
    struct hash id = hash_bytes(buf_span(&out));
    buf_done(&out);
    free(free_rounded);
    return id;
}

/* ---- property columns ---- */

void properties_pack(struct pack *pack, const struct property *properties, uint32_t n)
{
    assert(n <= PROPERTIES_MAX);
    pack_array(pack, n);
    for (uint32_t i = 0; i < n; i++) {
        pack_map(pack, 2);
        pack_key(pack, "name");
        pack_text(pack, properties[i].name);
        pack_key(pack, "unit");
        pack_text(pack, properties[i].unit);
    }
}

static int unpack_property(struct value map, struct property *ret, struct err *err)
{
    int rc = value_map(map, "property", 2, err);
    if (rc == 0)
        rc = value_text(value_get(map, "name"), "name", ret->name, sizeof ret->name, err);
    if (rc == 0)
        rc = value_text(value_get(map, "unit"), "unit", ret->unit, sizeof ret->unit, err);
    if (rc == 0 && !ret->name[0])
        rc = err_set(err, ERR_CORRUPT, "'name' is empty");
    return rc;
}

int properties_unpack(struct value array, struct property *ret, uint32_t *ret_n,
                      struct err *err)
{
    uint32_t n;
    int rc = value_array(array, "properties", PROPERTIES_MAX, &n, err);
    for (uint32_t i = 0; rc == 0 && i < n; i++) {
        rc = unpack_property(value_at(array, i), &ret[i], err);
        for (uint32_t k = 0; rc == 0 && k < i; k++)
            if (strcmp(ret[k].name, ret[i].name) == 0)
                rc = err_set(err, ERR_CORRUPT, "'%s' is there twice", ret[i].name);
        if (rc != 0)
            return err_context(err, rc, "property %u", i);
    }
    if (rc == 0)
        *ret_n = n;
    return rc;
}
