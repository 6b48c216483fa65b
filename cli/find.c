/* Finding things in a store: see find.h. */
#include "cli/find.h"

#include "broker/account.h"

#include "common/cleanup.h"
#include "common/mem.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { PREFIX_DIGITS_MIN = 4, MATCHES_SHOWN = 4 };

const char *find_store_path(const char *given)
{
    const char *environment = getenv("WYCKMILL_STORE");
    return given ? given : environment && *environment ? environment : ".wyckmill/store";
}

int find_store_open(const char *given, struct store **ret_store, struct err *err)
{
    const char *path = find_store_path(given);
    int rc = store_open(path, STORE_READ, ret_store, err);
    if (rc == ERR_NOT_FOUND) {
        (void)err_set(err, rc, "no store at '%s'", path);
        (void)err_hint(err, "name it with --store DIR or $WYCKMILL_STORE");
    }
    return rc;
}

static bool is_prefix(const char *text)
{
    size_t n = strlen(text);
    for (size_t i = 0; i < n; i++)
        if (!isxdigit((unsigned char)text[i]))
            return false;
    return n >= PREFIX_DIGITS_MIN && n < HASH_HEX_SIZE;
}

struct match {
    const char *prefix;
    size_t n_prefix;
    uint32_t n;
    struct store_info first;
    char shown[MATCHES_SHOWN][HASH_HEX_SIZE];
};

static int match_object(void *context, const struct store_info *info)
{
    struct match *match = context;
    char hex[HASH_HEX_SIZE];
    if (strncasecmp(hash_hex(&info->id, hex), match->prefix, match->n_prefix) != 0)
        return 0;
    if (match->n < MATCHES_SHOWN)
        memcpy(match->shown[match->n], hex, sizeof hex);
    if (match->n++ == 0)
        match->first = *info;
    return 0;
}

static int find_by_prefix(struct store *store, const char *text, struct store_info *ret,
                          struct err *err)
{
    struct match match = {.prefix = text, .n_prefix = strlen(text)};
    int rc = store_each_object(store, match_object, &match, err);
    if (rc)
        return rc;
    if (match.n == 0)
        return err_set(err, ERR_NOT_FOUND, "nothing in the store begins with '%s'", text);
    if (match.n > 1)
        return err_set(err, ERR_INVALID, "'%s' fits %u ids: %.16s.., %.16s..", text, match.n,
                       match.shown[0], match.shown[1]);
    *ret = match.first;
    return 0;
}

int find_object(struct store *store, const char *text, struct store_info *ret, struct err *err)
{
    struct hash id;
    if (!hash_parse(text, &id, NULL))
        return store_stat(store, &id, ret, err);
    char name[STORE_REF_NAME_SIZE];
    (void)snprintf(name, sizeof name, "campaigns/%s", text);
    if (!store_get_ref(store, text, &id, NULL) || !store_get_ref(store, name, &id, NULL))
        return store_stat(store, &id, ret, err);
    if (is_prefix(text))
        return find_by_prefix(store, text, ret, err);
    (void)err_set(err, ERR_NOT_FOUND, "'%s' is no id, ref or campaign of this store", text);
    (void)err_hint(err, "`wyckmill ls` lists what is there; ids need at least %d digits",
                   PREFIX_DIGITS_MIN);
    return ERR_NOT_FOUND;
}

struct search {
    struct store *store;
    const char *prefix;
    struct hash *objects; /* every "candidates" object */
    size_t n, capacity;
};

static int collect_candidates(void *context, const struct store_info *info)
{
    struct search *search = context;
    if (strcmp(info->type, "candidates") != 0)
        return 0;
    mem_reserve(search->objects, search->capacity, search->n + 1);
    search->objects[search->n++] = info->id;
    return 0;
}

/* Ranked lists hold only valid candidates with verdicts; scored ones have predictions. */
static int progress_of(const struct candidates *list, const struct candidate *item)
{
    bool predicted = list->n_properties > 0 && item->predicted[0] == item->predicted[0];
    bool ranked = item->valid;
    for (uint32_t i = 0; i < list->n && ranked; i++)
        ranked = list->items[i].valid;
    return 1 + predicted + (predicted && ranked);
}

static int search_one(struct search *search, const struct hash *object, int *best,
                      struct hash *ret_object, struct candidates *ret_list, uint32_t *ret_index,
                      struct err *err)
{
    struct buf bytes = {0};
    struct candidates list = {0};
    char hex[HASH_HEX_SIZE];
    int rc = store_get(search->store, object, &bytes, err);
    if (!rc)
        rc = candidates_decode(buf_span(&bytes), &list, err);
    for (uint32_t i = 0; !rc && i < list.n; i++) {
        if (strncasecmp(hash_hex(&list.items[i].id, hex), search->prefix,
                        strlen(search->prefix)) != 0)
            continue;
        int progress = progress_of(&list, &list.items[i]);
        if (progress <= *best)
            break;
        candidates_done(ret_list);
        *best = progress;
        *ret_object = *object;
        *ret_list = list;
        *ret_index = i;
        list = (struct candidates){0};
        break;
    }
    candidates_done(&list);
    buf_done(&bytes);
    return rc;
}

int find_candidate(struct store *store, const char *text, struct hash *ret_object,
                   struct candidates *ret_list, uint32_t *ret_index, struct err *err)
{
    if (!is_prefix(text))
        return err_set(err, ERR_NOT_FOUND, "'%s' is no candidate id", text);
    struct search search = {.store = store, .prefix = text};
    *ret_list = (struct candidates){0};
    int best = 0;
    int rc = store_each_object(store, collect_candidates, &search, err);
    for (size_t i = 0; !rc && i < search.n; i++)
        rc = search_one(&search, &search.objects[i], &best, ret_object, ret_list, ret_index,
                        err);
    free(search.objects);
    if (!rc && !best)
        rc = err_set(err, ERR_NOT_FOUND, "no candidate's id begins with '%s'", text);
    return rc;
}

int find_campaign(struct store *store, const char *name, struct campaign *ret,
                  struct hash *ret_id, struct err *err)
{
    char ref[STORE_REF_NAME_SIZE];
    struct buf bytes = {0};
    (void)snprintf(ref, sizeof ref, "campaigns/%s", name);
    int rc = store_get_ref(store, ref, ret_id, err);
    if (rc == ERR_NOT_FOUND) {
        (void)err_set(err, rc, "no campaign '%s' in this store", name);
        (void)err_hint(err, "`wyckmill ls` lists the campaigns");
    }
    if (!rc)
        rc = store_get(store, ret_id, &bytes, err);
    if (!rc)
        rc = campaign_decode(buf_span(&bytes), ret, err);
    buf_done(&bytes);
    return rc;
}

int find_campaign_status(struct store *store, const struct campaign *campaign,
                         struct planner_status *ret, struct err *err)
{
    struct planner *planner = NULL;
    const struct action *action;
    struct account account;
    struct hash id;
    int rc = account_load(store, campaign, &account, err);
    if (!rc)
        rc = account_planner(campaign, &account, &planner, err);
    while (!rc && !planner_next(planner, &action, &id, NULL)) {
        struct result result = {0};
        if (!store_get_result(store, &id, &result, NULL))
            rc = planner_result(planner, &id, &result, err);
        result_done(&result);
    }
    if (!rc)
        planner_status(planner, ret);
    planner_free(planner);
    return rc;
}

const char *find_campaign_will(struct store *store, const char *name, const struct hash *id)
{
    static const char *const wills[] = {"cancelled", "paused"};
    for (int i = 0; i < 2; i++) {
        char ref[STORE_REF_NAME_SIZE];
        struct hash found;
        (void)snprintf(ref, sizeof ref, "%s/%s", wills[i], name);
        if (!store_get_ref(store, ref, &found, NULL) && hash_equal(&found, id))
            return wills[i];
    }
    return NULL;
}
