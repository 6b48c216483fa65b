/* The object "samples": protostructures drawn by the model. See objects.h. */
#include "proto/objects.h"

#include "common/cleanup.h"
#include "common/mem.h"
#include "proto/record.h"

#include <assert.h>
#include <stdlib.h>

enum { SAMPLES_VERSION = 1 };

static const char samples_format[] = "wyckmill samples";

void samples_done(struct samples *samples)
{
    for (uint32_t i = 0; samples->protos && i < samples->n; i++)
        free(samples->protos[i].sites);
    free(samples->protos);
    free(samples->index);
    *samples = (struct samples){0};
}

void samples_encode(const struct samples *samples, struct buf *out)
{
    struct proto_columns columns;
    struct pack pack;
    assert(samples->n <= SAMPLES_MAX);
    proto_columns_begin(&columns, samples->n);
    for (uint32_t i = 0; i < samples->n; i++)
        proto_columns_add(&columns, &samples->protos[i]);
    pack_init(&pack, out);
    pack_map(&pack, 8);
    pack_key(&pack, "elements");
    pack_bytes(&pack, columns.elements);
    pack_key(&pack, "format");
    pack_text(&pack, samples_format);
    pack_key(&pack, "guided");
    pack_bool(&pack, samples->guided);
    pack_key(&pack, "index");
    pack_u32_array(&pack, samples->index, samples->n);
    pack_key(&pack, "letters");
    pack_bytes(&pack, columns.letters);
    pack_key(&pack, "sites");
    pack_u16_array(&pack, columns.counts, samples->n);
    pack_key(&pack, "spacegroups");
    pack_u16_array(&pack, columns.spacegroups, samples->n);
    pack_key(&pack, "version");
    pack_u64(&pack, SAMPLES_VERSION);
    proto_columns_done(&columns);
}

static int read_protos(struct value map, struct samples *ret, struct err *err)
{
    struct proto_columns columns = {0};
    int rc = proto_columns_read(map, ret->n, &columns, err);
    if (rc == 0)
        ret->protos = mem_new(ret->n, sizeof *ret->protos);
    for (uint32_t i = 0; rc == 0 && i < ret->n; i++) {
        rc = proto_columns_take(&columns, i, &ret->protos[i], err);
        if (rc != 0)
            rc = err_context(err, rc, "sample %u", i);
    }
    proto_columns_done(&columns);
    return rc;
}

static int read_samples(struct value map, struct samples *ret, struct err *err)
{
    struct span index;
    int rc = value_map(map, "samples", 8, err);
    if (rc == 0)
        rc = value_bool(value_get(map, "guided"), "guided", &ret->guided, err);
    if (rc == 0)
        rc = value_bytes(value_get(map, "index"), "index", &index, err);
    if (rc != 0)
        return rc;
    size_t n = index.size / sizeof *ret->index; /* a remainder is refused below */
    if (n > SAMPLES_MAX)
        return err_set(err, ERR_LIMIT, "%zu samples, at most %d are allowed", n, SAMPLES_MAX);
    ret->index = mem_new(n, sizeof *ret->index);
    ret->n = (uint32_t)n;
    rc = value_u32_array(value_get(map, "index"), "index", ret->index, n, err);
    return rc == 0 ? read_protos(map, ret, err) : rc;
}

int samples_decode(struct span bytes, struct samples *ret, struct err *err)
{
    cleanup(document_free_ptr) struct document *document = NULL;
    struct samples samples = {0};
    int rc = document_parse_format(bytes, &value_limits_object, samples_format, SAMPLES_VERSION,
                                   &document, err);
    if (rc != 0)
        return rc;
    rc = read_samples(document_root(document), &samples, err);
    if (rc != 0) {
        samples_done(&samples);
        return err_context(err, rc, "samples");
    }
    *ret = samples;
    return 0;
}
