/* Slot time that campaigns have spent: see account.h. */
#include "broker/account.h"

#include "common/cleanup.h"

#include <stddef.h>
#include <stdio.h>

enum { ACCOUNT_VERSION = 1 };
static const char account_format[] = "wyckmill account";

static void ref_of(const char *name, char ret[STORE_REF_NAME_SIZE])
{
    (void)snprintf(ret, STORE_REF_NAME_SIZE, "accounts/%s", name);
}

/* ---- bytes ---- */

enum field_type { FIELD_U32, FIELD_U64, FIELD_HASH, FIELD_WHY };

/* clang-format off */
#define AT(name) offsetof(struct planner_mark, name)
static const struct {
    const char *key;
    enum field_type type;
    size_t offset;
} mark_fields[] = { /* keys ascending: the canonical order */
    {"batches",        FIELD_U64,  AT(batches)},
    {"batches_lost",   FIELD_U64,  AT(batches_lost)},
    {"bytes",          FIELD_U64,  AT(bytes)},
    {"candidates",     FIELD_HASH, AT(ranking[RANKED_CANDIDATES])},
    {"distinct",       FIELD_U64,  AT(distinct)},
    {"failed",         FIELD_U64,  AT(failed)},
    {"meeting",        FIELD_U64,  AT(meeting)},
    {"models",         FIELD_HASH, AT(models)},
    {"ranked",         FIELD_U32,  AT(ranked)},
    {"report",         FIELD_HASH, AT(ranking[RANKED_REPORT])},
    {"round",          FIELD_U32,  AT(round)},
    {"rounds_lost",    FIELD_U32,  AT(rounds_lost)},
    {"rounds_without", FIELD_U32,  AT(rounds_without)},
    {"tally",          FIELD_HASH, AT(ranking[RANKED_TALLY])},
    {"tasks",          FIELD_U64,  AT(tasks)},
    {"why",            FIELD_WHY,  AT(why)},
};
#undef AT
/* clang-format on */
enum { MARK_FIELDS = sizeof mark_fields / sizeof mark_fields[0] };

static void pack_mark(struct pack *pack, const struct planner_mark *mark)
{
    pack_map(pack, MARK_FIELDS);
    for (int i = 0; i < MARK_FIELDS; i++) {
        const void *at = (const char *)mark + mark_fields[i].offset;
        pack_key(pack, mark_fields[i].key);
        switch (mark_fields[i].type) {
        case FIELD_U32:
            pack_u64(pack, *(const uint32_t *)at);
            break;
        case FIELD_U64:
            pack_u64(pack, *(const uint64_t *)at);
            break;
        case FIELD_HASH:
            pack_hash(pack, at);
            break;
        case FIELD_WHY:
            pack_text(pack, at);
            break;
        }
    }
}

static int unpack_u32(struct value value, const char *key, uint32_t *ret, struct err *err)
{
    uint64_t number = 0;
    int rc = value_u64(value, key, 0, UINT32_MAX, &number, err);
    *ret = (uint32_t)number;
    return rc;
}

static int unpack_mark(struct value map, struct planner_mark *ret, struct err *err)
{
    int rc = value_map(map, "mark", MARK_FIELDS, err);
    for (int i = 0; rc == 0 && i < MARK_FIELDS; i++) {
        const char *key = mark_fields[i].key;
        void *at = (char *)ret + mark_fields[i].offset;
        struct value value = value_get(map, key);
        switch (mark_fields[i].type) {
        case FIELD_U32:
            rc = unpack_u32(value, key, at, err);
            break;
        case FIELD_U64:
            rc = value_u64(value, key, 0, UINT64_MAX, at, err);
            break;
        case FIELD_HASH:
            rc = value_hash(value, key, at, err);
            break;
        case FIELD_WHY:
            rc = value_text(value, key, at, sizeof ret->why, err);
            break;
        }
    }
    return rc;
}

void account_encode(const struct account *account, struct buf *out)
{
    struct pack pack;
    pack_init(&pack, out);
    pack_map(&pack, 6);
    pack_key(&pack, "base");
    pack_hash(&pack, &account->base);
    pack_key(&pack, "format");
    pack_text(&pack, account_format);
    pack_key(&pack, "mark");
    pack_mark(&pack, &account->mark);
    pack_key(&pack, "rounds");
    pack_u64(&pack, account->rounds);
    pack_key(&pack, "slot_us");
    pack_u64(&pack, account->slot_us);
    pack_key(&pack, "version");
    pack_u64(&pack, ACCOUNT_VERSION);
}

int account_decode(struct span bytes, struct account *ret, struct err *err)
{
    cleanup(document_free_ptr) struct document *document = NULL;
    struct account account = {.rounds = 0};
    int rc = document_parse_format(bytes, &value_limits_message, account_format,
                                   ACCOUNT_VERSION, &document, err);
    if (rc != 0)
        return rc;
    struct value map = document_root(document);
    rc = value_map(map, "account", 6, err);
    if (rc == 0)
        rc = value_hash(value_get(map, "base"), "base", &account.base, err);
    if (rc == 0)
        rc = unpack_mark(value_get(map, "mark"), &account.mark, err);
    if (rc == 0)
        rc = unpack_u32(value_get(map, "rounds"), "rounds", &account.rounds, err);
    if (rc == 0)
        rc = value_u64(value_get(map, "slot_us"), "slot_us", 0, UINT64_MAX, &account.slot_us,
                       err);
    if (rc != 0)
        return err_context(err, rc, "account");
    *ret = account;
    return 0;
}

/* ---- in the store ---- */

/* gc keeps what a mark needs, but damage takes anything. */
static bool is_usable(struct store *store, const struct planner_mark *mark)
{
    bool usable = mark->round > 0;
    for (int i = 0; usable && i < RANK_OUTPUTS; i++)
        usable = store_has(store, &mark->ranking[i]);
    return usable;
}

int account_load(struct store *store, const struct campaign *campaign, struct account *ret,
                 struct err *err)
{
    char ref[STORE_REF_NAME_SIZE];
    struct account account = {.rounds = 0};
    struct buf bytes = {0};
    struct hash id, base = campaign_base(campaign);
    ref_of(campaign->name, ref);
    *ret = (struct account){.base = base};
    if (store_get_ref(store, ref, &id, NULL) != 0)
        return 0;
    int rc = store_get(store, &id, &bytes, err);
    if (rc == 0)
        rc = account_decode(buf_span(&bytes), &account, err);
    if (rc == 0 && hash_equal(&account.base, &base))
        *ret = account;
    if (!is_usable(store, &ret->mark))
        ret->mark = (struct planner_mark){.round = 0};
    buf_done(&bytes);
    return rc;
}

int account_planner(const struct campaign *campaign, const struct account *account,
                    struct planner **ret_planner, struct err *err)
{
    int rc = planner_new(campaign, ret_planner, err);
    if (rc != 0)
        return rc;
    planner_account(*ret_planner, account->slot_us, account->rounds);
    planner_resume(*ret_planner, &account->mark);
    return 0;
}

int account_save(struct store *store, const char *name, const struct account *account,
                 struct err *err)
{
    char ref[STORE_REF_NAME_SIZE];
    struct buf bytes = {0};
    struct hash id;
    ref_of(name, ref);
    account_encode(account, &bytes);
    int rc = store_put(store, "account", buf_span(&bytes), &id, err);
    buf_done(&bytes);
    return rc ? rc : store_put_ref(store, ref, &id, err);
}
