/* The campaign's bytes and ranges, from one table of its settings: see campaign.h. */
#include "broker/campaign.h"

#include "common/cleanup.h"
#include "common/mem.h"
#include "proto/targets.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { CAMPAIGN_VERSION = 3 }; /* 2: lines_before; 3: budget, resources, stop */
static const char campaign_format[] = "wyckmill campaign";

enum field_type {
    FIELD_U32,
    FIELD_I32,
    FIELD_U64,
    FIELD_F64,
    FIELD_BOOL,
    FIELD_NAME,
    FIELD_PROFILE,
    FIELD_NETWORK,
    FIELD_TARGETS,
    FIELD_SOURCES,
    FIELD_LINES,
    FIELD_ELEMENTS,
    FIELD_GROUPS,
    FIELD_NEEDS,
    FIELD_FORMAT,
    FIELD_FORMAT_VERSION,
};

/* A setting: its key, type, place, and range (of numbers, both ends included). */
struct field {
    const char *key;
    enum field_type type;
    size_t offset;
    double low, high;
    uint64_t version; /* of the format that brought it */
};

/* clang-format off */
#define AT(name) offsetof(struct campaign_network, name)
static const struct field network_fields[] = { /* keys ascending: the canonical order */
    {"batch",         FIELD_U32, AT(batch),         1, 65536, 1},
    {"ema",           FIELD_F64, AT(ema),           0, 0.999999, 1},
    {"heads",         FIELD_U32, AT(heads),         1, 64, 1},
    {"layers",        FIELD_U32, AT(layers),        1, 64, 1},
    {"learning_rate", FIELD_F64, AT(learning_rate), 1e-9, 10, 1},
    {"steps",         FIELD_U32, AT(steps),         1, 100000000, 1},
    {"task_steps",    FIELD_U32, AT(task_steps),    1, 1000000, 1},
    {"warmup",        FIELD_U32, AT(warmup),        0, 100000000, 1},
    {"weight_decay",  FIELD_F64, AT(weight_decay),  0, 10, 1},
    {"width",         FIELD_U32, AT(width),         8, 4096, 1},
};
#undef AT
#define AT(name) offsetof(struct campaign, name)
static const struct field campaign_fields[] = { /* keys ascending: the canonical order */
    {"atoms_max",       FIELD_U32,      AT(atoms_max),       1, ATOMS_MAX, 1},
    {"batch",           FIELD_U32,      AT(batch),           1, 65536, 1},
    {"budget_bytes",    FIELD_U64,      AT(budget_bytes),    0, 18446744073709551615.0, 3},
    {"budget_slot_hours", FIELD_F64,    AT(budget_slot_hours), 0, 1e9, 3},
    {"budget_tasks",    FIELD_U32,      AT(budget_tasks),    0, 4294967295, 3},
    {"candidates",      FIELD_U32,      AT(candidates),      1, 10000000, 1},
    {"compare",         FIELD_BOOL,     AT(compare),         0, 0, 1},
    {"denoiser",        FIELD_NETWORK,  AT(denoiser),        0, 0, 1},
    {"elements",        FIELD_ELEMENTS, 0,                   0, 0, 1},
    {"format",          FIELD_FORMAT,   0,                   0, 0, 1},
    {"guidance",        FIELD_F64,      AT(guidance),        0, 1e6, 1},
    {"guide",           FIELD_NETWORK,  AT(guide),           0, 0, 1},
    {"lines_before",    FIELD_LINES,    0,                   0, 0, 2},
    {"name",            FIELD_NAME,     0,                   0, 0, 1},
    {"priority",        FIELD_I32,      AT(priority),        -1000000, 1000000, 1},
    {"profile",         FIELD_PROFILE,  0,                   0, 0, 1},
    {"random_starts",   FIELD_U32,      AT(random_starts),   0, 100000, 1},
    {"relax_steps_max", FIELD_U32,      AT(relax_steps_max), 0, 1000000, 1},
    {"resources",       FIELD_NEEDS,    0,                   0, 0, 3},
    {"rounds_max",      FIELD_U32,      AT(rounds_max),      0, 1000000, 1},
    {"sample_steps",    FIELD_U32,      AT(sample_steps),    1, 100000, 1},
    {"seed",            FIELD_U64,      AT(seed),            0, 18446744073709551615.0, 1},
    {"sources",         FIELD_SOURCES,  0,                   0, 0, 1},
    {"spacegroups",     FIELD_GROUPS,   0,                   0, 0, 1},
    {"stop_found",      FIELD_BOOL,     AT(stop_found),      0, 0, 3},
    {"stop_meeting",    FIELD_U32,      AT(stop_meeting),    0, 10000000, 3},
    {"stop_rounds_without", FIELD_U32,  AT(stop_rounds_without), 0, 1000000, 3},
    {"symprec",         FIELD_F64,      AT(symprec),         1e-6, 1, 1},
    {"targets",         FIELD_TARGETS,  AT(targets),         0, 0, 1},
    {"tasks",           FIELD_U32,      AT(tasks),           1, 10000, 1},
    {"timesteps",       FIELD_U32,      AT(timesteps),       1, 100000, 1},
    {"validation",      FIELD_F64,      AT(validation),      0, 0.9, 1},
    {"version",         FIELD_FORMAT_VERSION, 0,             0, 0, 1},
};
#undef AT
/* clang-format on */

enum {
    NETWORK_FIELDS = sizeof network_fields / sizeof network_fields[0],
    CAMPAIGN_FIELDS = sizeof campaign_fields / sizeof campaign_fields[0],
};

void campaign_default(struct campaign *ret)
{
    const struct campaign_network network = {.width = 128,
                                             .layers = 4,
                                             .heads = 4,
                                             .steps = 2000,
                                             .task_steps = 200,
                                             .batch = 128,
                                             .learning_rate = 1e-3,
                                             .warmup = 100,
                                             .weight_decay = 0.01,
                                             .ema = 0.999};
    *ret = (struct campaign){.name = "campaign",
                             .seed = 1,
                             .symprec = 0.1,
                             .validation = 0.1,
                             .atoms_max = 200,
                             .timesteps = 100,
                             .denoiser = network,
                             .guide = network,
                             .candidates = 50,
                             .batch = 32,
                             .tasks = 4,
                             .rounds_max = 8,
                             .sample_steps = 50,
                             .stop_found = true,
                             .guidance = 2,
                             .compare = true,
                             .random_starts = 4,
                             .relax_steps_max = 200};
}

struct hash campaign_base(const struct campaign *campaign)
{
    struct campaign base = *campaign; /* borrows the lists */
    struct buf bytes = {0};
    struct hash id;
    base.budget_tasks = 0;
    base.budget_slot_hours = 0;
    base.budget_bytes = 0;
    memset(base.needs, 0, sizeof base.needs);
    campaign_encode(&base, &bytes, &id);
    buf_done(&bytes);
    return id;
}

void campaign_done(struct campaign *campaign)
{
    free(campaign->sources);
    free(campaign->lines_before);
    *campaign = (struct campaign){0};
}

void campaign_copy(struct campaign *to, const struct campaign *from)
{
    *to = *from;
    to->sources = mem_copy(from->sources, from->n_sources * sizeof *from->sources);
    if (from->lines_before)
        to->lines_before =
            mem_copy(from->lines_before, from->n_sources * sizeof *from->lines_before);
}

/* ---- writing ---- */

static void pack_fields(struct pack *pack, const struct field *fields, uint32_t n,
                        const void *base);

static void pack_sources(struct pack *pack, const struct campaign *campaign)
{
    pack_array(pack, campaign->n_sources);
    for (uint32_t i = 0; i < campaign->n_sources; i++)
        pack_hash(pack, &campaign->sources[i]);
}

static void pack_lines(struct pack *pack, const struct campaign *campaign)
{
    pack_array(pack, campaign->n_sources);
    for (uint32_t i = 0; i < campaign->n_sources; i++)
        pack_u64(pack, campaign->lines_before ? campaign->lines_before[i] : 0);
}

static void pack_elements(struct pack *pack, const struct campaign *campaign)
{
    pack_array(pack, campaign->n_elements);
    for (uint32_t i = 0; i < campaign->n_elements; i++)
        pack_u64(pack, campaign->elements[i]);
}

static void pack_groups(struct pack *pack, const struct campaign *campaign)
{
    pack_array(pack, campaign->n_spacegroups);
    for (uint32_t i = 0; i < campaign->n_spacegroups; i++)
        pack_u64(pack, campaign->spacegroups[i]);
}

/* Kinds in the order of their names. */
static int kind_after(int kind)
{
    int next = -1;
    for (int k = 0; k < KIND_COUNT; k++)
        if ((kind < 0 || strcmp(kinds[k].name, kinds[kind].name) > 0) &&
            (next < 0 || strcmp(kinds[k].name, kinds[next].name) < 0))
            next = k;
    return next;
}

/* Of the kinds that need something. */
static void pack_needs(struct pack *pack, const struct campaign *campaign)
{
    uint32_t n = 0;
    for (int k = 0; k < KIND_COUNT; k++)
        n += !needs_is_none(&campaign->needs[k]);
    pack_map(pack, n);
    for (int k = kind_after(-1); k >= 0; k = kind_after(k)) {
        if (needs_is_none(&campaign->needs[k]))
            continue;
        pack_key(pack, kinds[k].name);
        needs_pack(pack, &campaign->needs[k]);
    }
}

static void pack_field(struct pack *pack, const struct field *field, const void *base)
{
    const void *at = (const char *)base + field->offset;
    switch (field->type) {
    case FIELD_U32:
        pack_u64(pack, *(const uint32_t *)at);
        return;
    case FIELD_I32:
        pack_i64(pack, *(const int32_t *)at);
        return;
    case FIELD_U64:
        pack_u64(pack, *(const uint64_t *)at);
        return;
    case FIELD_F64:
        pack_f64(pack, *(const double *)at);
        return;
    case FIELD_BOOL:
        pack_bool(pack, *(const bool *)at);
        return;
    case FIELD_NAME:
        pack_text(pack, ((const struct campaign *)base)->name);
        return;
    case FIELD_PROFILE:
        pack_text(pack, ((const struct campaign *)base)->profile);
        return;
    case FIELD_NETWORK:
        pack_fields(pack, network_fields, NETWORK_FIELDS, at);
        return;
    case FIELD_TARGETS:
        targets_pack(pack, at);
        return;
    case FIELD_SOURCES:
        pack_sources(pack, base);
        return;
    case FIELD_LINES:
        pack_lines(pack, base);
        return;
    case FIELD_ELEMENTS:
        pack_elements(pack, base);
        return;
    case FIELD_GROUPS:
        pack_groups(pack, base);
        return;
    case FIELD_NEEDS:
        pack_needs(pack, base);
        return;
    case FIELD_FORMAT:
        pack_text(pack, campaign_format);
        return;
    case FIELD_FORMAT_VERSION:
        pack_u64(pack, CAMPAIGN_VERSION);
        return;
    }
}

static void pack_fields(struct pack *pack, const struct field *fields, uint32_t n,
                        const void *base)
{
    pack_map(pack, n);
    for (uint32_t i = 0; i < n; i++) {
        pack_key(pack, fields[i].key);
        pack_field(pack, &fields[i], base);
    }
}

void campaign_encode(const struct campaign *campaign, struct buf *out, struct hash *ret_id)
{
    size_t begin = out->size;
    struct pack pack;
    pack_init(&pack, out);
    pack_fields(&pack, campaign_fields, CAMPAIGN_FIELDS, campaign);
    if (ret_id)
        *ret_id = hash_bytes((struct span){out->data + begin, out->size - begin});
}

/* ---- reading ---- */

static int unpack_fields(struct value map, const struct field *fields, uint32_t n,
                         uint64_t version, void *base, struct err *err);

static int unpack_sources(struct value value, struct campaign *campaign, struct err *err)
{
    uint32_t n;
    int rc = value_array(value, "sources", CAMPAIGN_SOURCES_MAX, &n, err);
    if (rc)
        return rc;
    campaign->sources = mem_new(n, sizeof *campaign->sources);
    campaign->n_sources = n;
    for (uint32_t i = 0; rc == 0 && i < n; i++)
        rc = value_hash(value_at(value, i), "sources", &campaign->sources[i], err);
    return rc;
}

static int unpack_u32(struct value value, const char *key, uint32_t *ret, struct err *err)
{
    uint64_t number = 0;
    int rc = value_u64(value, key, 0, UINT32_MAX, &number, err);
    *ret = (uint32_t)number;
    return rc;
}

static int unpack_lines(struct value value, struct campaign *campaign, struct err *err)
{
    uint32_t n;
    int rc = value_array(value, "lines_before", CAMPAIGN_SOURCES_MAX, &n, err);
    if (rc)
        return rc;
    campaign->lines_before = mem_new(n, sizeof *campaign->lines_before);
    for (uint32_t i = 0; rc == 0 && i < n; i++)
        rc = unpack_u32(value_at(value, i), "lines_before", &campaign->lines_before[i], err);
    return rc;
}

static int unpack_elements(struct value value, struct campaign *campaign, struct err *err)
{
    int rc = value_array(value, "elements", ELEMENT_MAX, &campaign->n_elements, err);
    for (uint32_t i = 0; rc == 0 && i < campaign->n_elements; i++) {
        uint64_t number = 0;
        rc = value_u64(value_at(value, i), "elements", 1, ELEMENT_MAX, &number, err);
        campaign->elements[i] = (uint8_t)number;
    }
    return rc;
}

static int unpack_groups(struct value value, struct campaign *campaign, struct err *err)
{
    int rc =
        value_array(value, "spacegroups", CAMPAIGN_GROUPS_MAX, &campaign->n_spacegroups, err);
    for (uint32_t i = 0; rc == 0 && i < campaign->n_spacegroups; i++) {
        uint64_t number = 0;
        rc = value_u64(value_at(value, i), "spacegroups", 1, GROUP_MAX, &number, err);
        campaign->spacegroups[i] = (uint16_t)number;
    }
    return rc;
}

static int unpack_needs(struct value value, struct campaign *campaign, struct err *err)
{
    if (!value_is_map(value))
        return err_set(err, ERR_CORRUPT, "'resources' is no map");
    for (uint32_t i = 0; i < value_count(value); i++) {
        char name[TASK_KIND_SIZE];
        struct value needs = value_pair(value, i, name, sizeof name);
        int kind = kind_find(name);
        if (kind < 0)
            return err_set(err, ERR_CORRUPT, "'resources' of '%s', which is no task kind",
                           name);
        int rc = needs_unpack(needs, &campaign->needs[kind], err);
        if (rc)
            return err_context(err, rc, "resources: %s", name);
    }
    return 0;
}

static int unpack_i32(struct value value, const char *key, int32_t *ret, struct err *err)
{
    int64_t number = 0;
    int rc = value_i64(value, key, &number, err);
    if (rc == 0 && (number < INT32_MIN || number > INT32_MAX))
        rc = err_set(err, ERR_CORRUPT, "%s: %lld is out of range", key, (long long)number);
    *ret = (int32_t)number;
    return rc;
}

static int unpack_field(struct value value, const struct field *field, void *base,
                        struct err *err)
{
    void *at = (char *)base + field->offset;
    struct campaign *campaign = base;
    switch (field->type) {
    case FIELD_U32:
        return unpack_u32(value, field->key, at, err);
    case FIELD_I32:
        return unpack_i32(value, field->key, at, err);
    case FIELD_U64:
        return value_u64(value, field->key, 0, UINT64_MAX, at, err);
    case FIELD_F64:
        return value_f64(value, field->key, at, err);
    case FIELD_BOOL:
        return value_bool(value, field->key, at, err);
    case FIELD_NAME:
        return value_text(value, field->key, campaign->name, sizeof campaign->name, err);
    case FIELD_PROFILE:
        return value_text(value, field->key, campaign->profile, sizeof campaign->profile, err);
    case FIELD_NETWORK:
        return unpack_fields(value, network_fields, NETWORK_FIELDS, CAMPAIGN_VERSION, at, err);
    case FIELD_TARGETS:
        return targets_unpack(value, at, err);
    case FIELD_SOURCES:
        return unpack_sources(value, campaign, err);
    case FIELD_LINES:
        return unpack_lines(value, campaign, err);
    case FIELD_ELEMENTS:
        return unpack_elements(value, campaign, err);
    case FIELD_GROUPS:
        return unpack_groups(value, campaign, err);
    case FIELD_NEEDS:
        return unpack_needs(value, campaign, err);
    case FIELD_FORMAT:
    case FIELD_FORMAT_VERSION: /* checked by document_parse_format */
        return 0;
    }
    return 0;
}

static int unpack_fields(struct value map, const struct field *fields, uint32_t n,
                         uint64_t version, void *base, struct err *err)
{
    uint32_t n_known = 0;
    for (uint32_t i = 0; i < n; i++)
        n_known += fields[i].version <= version;
    int rc = value_map(map, "settings", n_known, err);
    for (uint32_t i = 0; rc == 0 && i < n; i++) {
        if (fields[i].version > version)
            continue;
        rc = unpack_field(value_get(map, fields[i].key), &fields[i], base, err);
        if (rc && fields[i].type == FIELD_NETWORK)
            rc = err_context(err, rc, "%s", fields[i].key);
    }
    return rc;
}

/* The newest version, or an older one. */
static int parse_version(struct span bytes, struct document **ret_document,
                         uint64_t *ret_version, struct err *err)
{
    static const struct value_limits limits = {CAMPAIGN_BYTES_MAX, 8, 1 << 17};
    int rc = document_parse_format(bytes, &limits, campaign_format, CAMPAIGN_VERSION,
                                   ret_document, err);
    *ret_version = CAMPAIGN_VERSION;
    while (rc == ERR_UNSUPPORTED && *ret_version > 1)
        if (document_parse_format(bytes, &limits, campaign_format, --*ret_version, ret_document,
                                  NULL) == 0)
            return 0;
    return rc;
}

static int check_lines(struct value root, const struct campaign *campaign, struct err *err)
{
    uint32_t n = value_count(value_get(root, "lines_before"));
    if (campaign->lines_before && n != campaign->n_sources)
        return err_set(err, ERR_CORRUPT, "%u 'sources', but %u 'lines_before'",
                       campaign->n_sources, n);
    return 0;
}

int campaign_decode(struct span bytes, struct campaign *ret, struct err *err)
{
    cleanup(document_free_ptr) struct document *document = NULL;
    uint64_t version;
    int rc = parse_version(bytes, &document, &version, err);
    if (rc)
        return rc;
    struct campaign campaign = {.stop_found = true}; /* before there was a choice */
    struct value root = document_root(document);
    rc = unpack_fields(root, campaign_fields, CAMPAIGN_FIELDS, version, &campaign, err);
    if (rc == 0)
        rc = check_lines(root, &campaign, err);
    if (rc) {
        campaign_done(&campaign);
        return err_context(err, rc, "campaign");
    }
    *ret = campaign;
    return 0;
}

/* ---- sense ---- */

static int out_of_range(const struct field *field, const char *prefix, double value,
                        struct err *err)
{
    return err_set(err, ERR_CONFIG, "%s%s is %.17g, want %.17g to %.17g", prefix, field->key,
                   value, field->low, field->high);
}

static int check_ranges(const struct field *fields, uint32_t n, const void *base,
                        const char *prefix, struct err *err)
{
    for (uint32_t i = 0; i < n; i++) {
        const void *at = (const char *)base + fields[i].offset;
        double value;
        if (fields[i].type == FIELD_U32)
            value = *(const uint32_t *)at;
        else if (fields[i].type == FIELD_I32)
            value = *(const int32_t *)at;
        else if (fields[i].type == FIELD_F64)
            value = *(const double *)at;
        else
            continue;
        if (!(value >= fields[i].low && value <= fields[i].high)) /* also NaN */
            return out_of_range(&fields[i], prefix, value, err);
    }
    return 0;
}

static int check_network(const struct campaign_network *network, const char *prefix,
                         struct err *err)
{
    int rc = check_ranges(network_fields, NETWORK_FIELDS, network, prefix, err);
    if (rc)
        return rc;
    if (network->width % 8 || network->width % network->heads)
        return err_set(err, ERR_CONFIG,
                       "%swidth is %u, want a multiple of 8 and of %sheads (%u)", prefix,
                       network->width, prefix, network->heads);
    return 0;
}

static int check_name(const char *name, struct err *err)
{
    if (!name[0] || name[0] == '.')
        return err_set(err, ERR_CONFIG, "name is '%s', want it to begin with a letter or digit",
                       name);
    if (strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-") != strlen(name))
        return err_set(err, ERR_CONFIG,
                       "name is '%s', want lower-case letters, digits, '.', '_' and '-'", name);
    return 0;
}

static int check_targets(const struct targets *targets, struct err *err)
{
    for (uint32_t i = 0; i < targets->n; i++) {
        const struct target *target = &targets->items[i];
        if (!target->property[0])
            return err_set(err, ERR_CONFIG, "targets: number %u names no property", i + 1);
        if (!(target->low <= target->high))
            return err_set(err, ERR_CONFIG, "targets: the range of %s, %g..%g, is empty",
                           target->property, target->low, target->high);
        if (!isfinite(target->weight) || target->weight < 0)
            return err_set(err, ERR_CONFIG, "targets: the weight of %s is %g, want >= 0",
                           target->property, target->weight);
        for (uint32_t k = 0; k < i; k++)
            if (!strcmp(targets->items[k].property, target->property))
                return err_set(err, ERR_CONFIG, "targets: %s is there twice", target->property);
    }
    return 0;
}

static int check_constraints(const struct campaign *campaign, struct err *err)
{
    for (uint32_t i = 0; i < campaign->n_elements; i++)
        if (campaign->elements[i] < 1 || campaign->elements[i] > ELEMENT_MAX)
            return err_set(err, ERR_CONFIG, "elements: no element has number %u",
                           campaign->elements[i]);
    for (uint32_t i = 0; i < campaign->n_spacegroups; i++)
        if (campaign->spacegroups[i] < 1 || campaign->spacegroups[i] > GROUP_MAX)
            return err_set(err, ERR_CONFIG, "spacegroups: %u is no space group, want 1 to %d",
                           campaign->spacegroups[i], GROUP_MAX);
    return 0;
}

int campaign_check(const struct campaign *campaign, struct err *err)
{
    int rc = check_name(campaign->name, err);
    if (rc == 0)
        rc = check_ranges(campaign_fields, CAMPAIGN_FIELDS, campaign, "", err);
    if (rc == 0)
        rc = check_network(&campaign->denoiser, "denoiser.", err);
    if (rc == 0)
        rc = check_network(&campaign->guide, "guide.", err);
    if (rc == 0)
        rc = check_targets(&campaign->targets, err);
    if (rc == 0)
        rc = check_constraints(campaign, err);
    if (rc)
        return rc;
    if (campaign->n_sources == 0 || campaign->n_sources > CAMPAIGN_SOURCES_MAX)
        return err_set(err, ERR_CONFIG, "the data are %u source objects, want 1 to %d",
                       campaign->n_sources, CAMPAIGN_SOURCES_MAX);
    if (campaign->sample_steps > campaign->timesteps)
        return err_set(err, ERR_CONFIG, "sample_steps is %u, want at most timesteps (%u)",
                       campaign->sample_steps, campaign->timesteps);
    uint64_t samples = (uint64_t)campaign->tasks * campaign->batch;
    if (campaign->rounds_max > CAMPAIGN_SAMPLES_MAX / samples)
        return err_set(err, ERR_CONFIG,
                       "rounds_max (%u) x tasks (%u) x batch (%u) is over 2^32 samples",
                       campaign->rounds_max, campaign->tasks, campaign->batch);
    if (campaign->stop_meeting > campaign->candidates)
        return err_set(err, ERR_CONFIG, "stop_meeting is %u, want at most candidates (%u)",
                       campaign->stop_meeting, campaign->candidates);
    return 0;
}
