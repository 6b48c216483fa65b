/* Slot time that campaigns have spent: see account.h. */
#include "broker/account.h"

#include "common/cleanup.h"

#include <stdio.h>

enum { ACCOUNT_VERSION = 1 };
static const char account_format[] = "wyckmill account";

static void ref_of(const char *name, char ret[STORE_REF_NAME_SIZE])
{
    (void)snprintf(ret, STORE_REF_NAME_SIZE, "accounts/%s", name);
}

void account_encode(const struct account *account, struct buf *out)
{
    struct pack pack;
    pack_init(&pack, out);
    pack_map(&pack, 5);
    pack_key(&pack, "base");
    pack_hash(&pack, &account->base);
    pack_key(&pack, "format");
    pack_text(&pack, account_format);
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
    uint64_t rounds = 0;
    int rc = document_parse_format(bytes, &value_limits_message, account_format,
                                   ACCOUNT_VERSION, &document, err);
    if (rc != 0)
        return rc;
    struct value map = document_root(document);
    rc = value_map(map, "account", 5, err);
    if (rc == 0)
        rc = value_hash(value_get(map, "base"), "base", &account.base, err);
    if (rc == 0)
        rc = value_u64(value_get(map, "rounds"), "rounds", 0, UINT32_MAX, &rounds, err);
    if (rc == 0)
        rc = value_u64(value_get(map, "slot_us"), "slot_us", 0, UINT64_MAX, &account.slot_us,
                       err);
    if (rc != 0)
        return err_context(err, rc, "account");
    account.rounds = (uint32_t)rounds;
    *ret = account;
    return 0;
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
    buf_done(&bytes);
    return rc;
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
