/* The object "tally": what a ranking remembers of all rounds so far. See objects.h. */
#include "proto/objects.h"

#include "common/cleanup.h"
#include "common/mem.h"
#include "proto/record.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { TALLY_VERSION = 1 };

static const char tally_format[] = "wyckmill tally";
static const char *const arm_keys[2] = {"unguided", "guided"};

void tally_done(struct tally *tally)
{
    free(tally->arms[0].firsts);
    free(tally->arms[1].firsts);
    free(tally->reasons);
    *tally = (struct tally){0};
}

/* ---- writing ---- */

/* Prototypes and verdicts as columns: one byte holds both verdicts, exact in the upper half. */
static void pack_arm(struct pack *pack, const struct tally_arm *arm)
{
    struct buf protos = {0}, verdicts = {0};
    assert(arm->n_firsts <= TALLY_FIRSTS_MAX);
    for (uint32_t i = 0; i < arm->n_firsts; i++) {
        const struct tally_first *first = &arm->firsts[i];
        assert(first->exact <= VERDICT_YES && first->predicted <= VERDICT_YES);
        uint8_t both = (uint8_t)(first->exact << 4 | first->predicted);
        buf_append(&protos, first->proto.bytes, HASH_SIZE);
        buf_append(&verdicts, &both, 1);
    }
    pack_map(pack, 4);
    pack_key(pack, "protos");
    pack_bytes(pack, buf_span(&protos));
    pack_key(pack, "samples");
    pack_u64(pack, arm->samples);
    pack_key(pack, "valid");
    pack_u64(pack, arm->valid);
    pack_key(pack, "verdicts");
    pack_bytes(pack, buf_span(&verdicts));
    buf_done(&protos);
    buf_done(&verdicts);
}

static void pack_reasons(struct pack *pack, const struct tally *tally)
{
    assert(tally->n_reasons <= TALLY_REASONS_MAX);
    pack_array(pack, tally->n_reasons);
    for (uint32_t i = 0; i < tally->n_reasons; i++) {
        pack_map(pack, 2);
        pack_key(pack, "count");
        pack_u64(pack, tally->reasons[i].count);
        pack_key(pack, "what");
        pack_text(pack, tally->reasons[i].what);
    }
}

void tally_encode(const struct tally *tally, struct buf *out)
{
    struct pack pack;
    pack_init(&pack, out);
    pack_map(&pack, 5);
    pack_key(&pack, "format");
    pack_text(&pack, tally_format);
    pack_key(&pack, arm_keys[1]);
    pack_arm(&pack, &tally->arms[1]);
    pack_key(&pack, "reasons");
    pack_reasons(&pack, tally);
    pack_key(&pack, arm_keys[0]);
    pack_arm(&pack, &tally->arms[0]);
    pack_key(&pack, "version");
    pack_u64(&pack, TALLY_VERSION);
}

/* ---- reading ---- */

static int read_firsts(struct span protos, struct span verdicts, struct tally_arm *ret,
                       struct err *err)
{
    if (protos.size != verdicts.size * HASH_SIZE)
        return err_set(err, ERR_CORRUPT, "%zu bytes of protos for %zu verdicts", protos.size,
                       verdicts.size);
    if (verdicts.size > TALLY_FIRSTS_MAX)
        return err_set(err, ERR_LIMIT, "%zu verdicts, at most %d are allowed", verdicts.size,
                       TALLY_FIRSTS_MAX);
    ret->n_firsts = (uint32_t)verdicts.size;
    ret->firsts = mem_new(ret->n_firsts, sizeof *ret->firsts);
    for (uint32_t i = 0; i < ret->n_firsts; i++) {
        struct tally_first *first = &ret->firsts[i];
        memcpy(first->proto.bytes, protos.data + (size_t)i * HASH_SIZE, HASH_SIZE);
        first->exact = verdicts.data[i] >> 4;
        first->predicted = verdicts.data[i] & 15;
        if (first->exact > VERDICT_YES || first->predicted > VERDICT_YES)
            return err_set(err, ERR_CORRUPT, "verdict %u is out of range", i);
    }
    return 0;
}

static int read_arm(struct value map, struct tally_arm *ret, struct err *err)
{
    struct span protos, verdicts;
    int rc = value_map(map, "arm", 4, err);
    if (rc == 0)
        rc = value_bytes(value_get(map, "protos"), "protos", &protos, err);
    if (rc == 0)
        rc = value_u64(value_get(map, "samples"), "samples", 0, UINT64_MAX, &ret->samples, err);
    if (rc == 0)
        rc = value_u64(value_get(map, "valid"), "valid", 0, ret->samples, &ret->valid, err);
    if (rc == 0)
        rc = value_bytes(value_get(map, "verdicts"), "verdicts", &verdicts, err);
    return rc == 0 ? read_firsts(protos, verdicts, ret, err) : rc;
}

static int read_reasons(struct value array, struct tally *ret, struct err *err)
{
    uint32_t n;
    int rc = value_array(array, "reasons", TALLY_REASONS_MAX, &n, err);
    if (rc != 0)
        return rc;
    ret->reasons = mem_new(n, sizeof *ret->reasons);
    ret->n_reasons = n;
    for (uint32_t i = 0; rc == 0 && i < n; i++) {
        struct tally_reason *reason = &ret->reasons[i];
        rc = value_map(value_at(array, i), "reason", 2, err);
        if (rc == 0)
            rc = value_u64(value_get(value_at(array, i), "count"), "count", 0, UINT64_MAX,
                           &reason->count, err);
        if (rc == 0)
            rc = value_text(value_get(value_at(array, i), "what"), "what", reason->what,
                            sizeof reason->what, err);
    }
    return rc;
}

int tally_decode(struct span bytes, struct tally *ret, struct err *err)
{
    cleanup(document_free_ptr) struct document *document = NULL;
    struct tally tally = {0};
    int rc = document_parse_format(bytes, &value_limits_object, tally_format, TALLY_VERSION,
                                   &document, err);
    if (rc != 0)
        return rc;
    struct value map = document_root(document);
    rc = value_map(map, "tally", 5, err);
    for (int arm = 0; rc == 0 && arm < 2; arm++) {
        rc = read_arm(value_get(map, arm_keys[arm]), &tally.arms[arm], err);
        if (rc != 0)
            rc = err_context(err, rc, "%s", arm_keys[arm]);
    }
    if (rc == 0)
        rc = read_reasons(value_get(map, "reasons"), &tally, err);
    if (rc != 0) {
        tally_done(&tally);
        return err_context(err, rc, "tally");
    }
    *ret = tally;
    return 0;
}
