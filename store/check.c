/* Is the store whole, and how is it made whole again? See store_fsck and store_rebuild.
 *
 * Views say which rows belong to what ("claims"); rows are then read once, in the order of the
 * disk. A row that nobody claims must be one that needs no claim: a ref, or a result that a
 * later one replaced. */
#include "common/mem.h"
#include "common/mutant.h"
#include "store/state.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum claim_kind { CLAIM_OBJECT, CLAIM_RESULT, CLAIM_EVENT, CLAIM_PRUNED };

struct claim {
    uint64_t sequence, size; /* first row; of an object: its bytes */
    enum claim_kind kind;
    struct hash id;     /* object or action */
    struct hash action; /* that makes a freed object */
    char type[OBJECT_TYPE_SIZE];
};

struct check {
    struct store *store;
    void (*complain)(void *context, const char *sentence);
    void *context;
    struct store_check found;
    struct claim *claims;
    size_t n_claims, capacity;
    struct buf bytes; /* of the object being checked */
};

static void complain(struct check *check, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void complain(struct check *check, const char *format, ...)
{
    char sentence[640];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    if (check->complain)
        check->complain(check->context, sentence);
}

/* Damage is what will be so tomorrow, too; any other failure to read (ERR_IO, ...) is none, and
 * it ends the check, and nothing is given up for it. */
static bool is_damage(int rc)
{
    return rc == ERR_CORRUPT || rc == ERR_NOT_FOUND;
}

/* ---- collecting claims ---- */

static void add_claim(struct check *check, const struct claim *claim)
{
    mem_reserve(check->claims, check->capacity, check->n_claims + 1);
    check->claims[check->n_claims++] = *claim;
}

static int claim_of_object(const struct walk *walk, struct span value, struct claim *ret,
                           struct err *err)
{
    struct place place;
    int rc = walk_hash(walk, &ret->id, err);
    if (rc == 0)
        rc = place_decode(value, &place, err);
    if (rc != 0)
        return rc;
    ret->sequence = place.sequence;
    ret->size = place.size;
    memcpy(ret->type, place.type, sizeof ret->type);
    return 0;
}

static int claim_of_result(const struct walk *walk, struct span value, struct claim *ret,
                           struct err *err)
{
    int rc = walk_hash(walk, &ret->id, err);
    if (rc == 0 && value.size != 8)
        rc = err_set(err, ERR_CORRUPT, "an entry of %zu bytes", value.size);
    if (rc == 0)
        ret->sequence = get_u64_le(value.data);
    return rc;
}

static int claim_of_event(const struct walk *walk, struct span value, struct claim *ret,
                          struct err *err)
{
    (void)value;
    ret->sequence = sequence_of_key((struct span){walk->key, walk->key_size});
    return ret->sequence ? 0 : err_set(err, ERR_CORRUPT, "a key of %zu bytes", walk->key_size);
}

static int claim_of_pruned(const struct walk *walk, struct span value, struct claim *ret,
                           struct err *err)
{
    struct pruned pruned;
    int rc = walk_hash(walk, &ret->id, err);
    if (rc == 0)
        rc = pruned_decode(value, &pruned, err);
    if (rc != 0)
        return rc;
    ret->sequence = pruned.sequence;
    ret->action = pruned.action;
    return 0;
}

static int collect(struct check *check, enum table table, enum claim_kind kind,
                   int (*claim_of)(const struct walk *walk, struct span value,
                                   struct claim *ret, struct err *err),
                   struct err *err)
{
    struct walk walk = {.key_size = 0};
    struct span value;
    int rc;
    while ((rc = walk_next(check->store, table, &walk, &value, err)) == 0) {
        struct claim claim = {.kind = kind};
        struct err why;
        rc = claim_of(&walk, value, &claim, &why);
        rest(check->store);
        if (rc == 0) {
            add_claim(check, &claim);
        } else {
            check->found.damaged++;
            complain(check, "index: %s", why.text);
        }
    }
    rest(check->store);
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

static int compare_claims(const void *a, const void *b)
{
    const struct claim *x = a, *y = b;
    if (x->sequence != y->sequence)
        return x->sequence < y->sequence ? -1 : 1;
    return hash_compare(&x->id, &y->id);
}

static int collect_all(struct check *check, struct err *err)
{
    int rc = collect(check, TABLE_OBJECTS, CLAIM_OBJECT, claim_of_object, err);
    if (rc == 0)
        rc = collect(check, TABLE_RESULTS, CLAIM_RESULT, claim_of_result, err);
    if (rc == 0)
        rc = collect(check, TABLE_EVENTS, CLAIM_EVENT, claim_of_event, err);
    if (rc == 0)
        rc = collect(check, TABLE_PRUNED, CLAIM_PRUNED, claim_of_pruned, err);
    if (rc == 0 && check->n_claims > 0)
        qsort(check->claims, check->n_claims, sizeof *check->claims, compare_claims);
    return rc;
}

/* ---- checking one thing ---- */

/* All rows of the object, its bytes, its name. `bytes` is scratch. */
static int verify_object(struct store *store, const struct hash *id, const struct place *place,
                         struct buf *bytes, struct err *err)
{
    int rc = 0;
    uint64_t rows = object_rows(place->size);
    bytes->size = 0;
    for (uint64_t i = 0; rc == 0 && i < rows; i++) {
        struct span chunk;
        rc = journal_chunk(store, id, place, i, &chunk, err);
        if (rc == 0)
            buf_append(bytes, chunk.data, chunk.size);
        rest(store);
    }
    if (rc != 0)
        return rc;
    struct hash found = hash_bytes(buf_span(bytes));
    return hash_equal(&found, id) ? 0
                                  : err_set(err, ERR_CORRUPT, "bytes do not match the name");
}

/* The reading itself failed: tell so. 0 when it did not; a finding is counted by the caller. */
static int unreadable(int rc, const struct err *why, struct err *err)
{
    if (rc == 0 || is_damage(rc))
        return 0;
    if (err)
        *err = *why;
    return rc;
}

static int check_object(struct check *check, const struct claim *claim, struct err *err)
{
    char hex[HASH_HEX_SIZE];
    struct err why = {0};
    struct place place = {.sequence = claim->sequence, .size = claim->size};
    memcpy(place.type, claim->type, sizeof place.type);
    int rc = verify_object(check->store, &claim->id, &place, &check->bytes, &why);
    check->found.objects++;
    check->found.bytes += claim->size;
    if (is_damage(rc)) {
        check->found.damaged++;
        complain(check, "object %s: %s", hash_hex(&claim->id, hex), why.text);
    }
    return unreadable(rc, &why, err);
}

static int check_result(struct check *check, const struct claim *claim, struct err *err)
{
    char hex[HASH_HEX_SIZE];
    struct result result;
    struct err why = {0};
    int rc = record_find(check->store, &claim->id, &result, &why);
    check->found.results++;
    if (is_damage(rc)) {
        check->found.damaged++;
        complain(check, "%s", why.text);
    }
    if (rc != 0)
        return unreadable(rc, &why, err);
    rc = check_outputs(check->store, &result, true, &why);
    result_done(&result);
    if (is_damage(rc)) {
        check->found.dangling++;
        complain(check, "result of action %s: %s", hash_hex(&claim->id, hex), why.text);
    }
    return unreadable(rc, &why, err);
}

static int check_event(struct check *check, const struct claim *claim, struct err *err)
{
    struct row row;
    struct err why = {0};
    int rc = journal_get(check->store, claim->sequence, &row, &why);
    if (rc == 0 && row.kind != ROW_EVENT)
        rc = err_set(&why, ERR_CORRUPT, "row %llu is no event",
                     (unsigned long long)claim->sequence);
    check->found.events++;
    if (is_damage(rc)) {
        check->found.damaged++;
        complain(check, "event: %s", why.text);
    }
    return unreadable(rc, &why, err);
}

/* The row says what the view says, and there is a way to get the object back. */
static int check_pruned(struct check *check, const struct claim *claim, struct err *err)
{
    char hex[HASH_HEX_SIZE];
    struct row row;
    struct place place;
    struct err why = {0};
    int rc = journal_get(check->store, claim->sequence, &row, &why);
    if (rc == 0 && (row.kind != ROW_PRUNED || row.payload.size != 2 * HASH_SIZE ||
                    memcmp(row.payload.data, claim->id.bytes, HASH_SIZE) != 0 ||
                    memcmp(row.payload.data + HASH_SIZE, claim->action.bytes, HASH_SIZE) != 0))
        rc = err_set(&why, ERR_CORRUPT, "row %llu does not tell of it",
                     (unsigned long long)claim->sequence);
    if (is_damage(rc)) {
        check->found.damaged++;
        complain(check, "freed object %s: %s", hash_hex(&claim->id, hex), why.text);
    }
    if (rc != 0)
        return unreadable(rc, &why, err);
    check->found.pruned++;
    rc = place_find(check->store, &claim->action, &place, &why);
    if (is_damage(rc)) {
        check->found.dangling++;
        complain(check, "freed object %s: how it is made: %s", hash_hex(&claim->id, hex),
                 why.text);
    }
    return unreadable(rc, &why, err);
}

/* May this row stand there although no view names it? Errors: ERR_CORRUPT, no; those of
 * reading. */
static int check_needs_no_claim(struct check *check, const struct row *row, struct err *err)
{
    struct span value;
    struct store *store = check->store;
    int rc = ERR_NOT_FOUND;
    if (row->kind == ROW_REF || row->kind == ROW_REF_DELETED)
        return 0;
    if (row->kind == ROW_RESULT && row->payload.size >= HASH_SIZE)
        rc = store->backend->ops->get(store->backend, TABLE_RESULTS,
                                      (struct span){row->payload.data, HASH_SIZE}, &value, err);
    if (rc != 0 && rc != ERR_NOT_FOUND)
        return rc;
    if (rc == 0 && value.size == 8 && get_u64_le(value.data) > row->sequence)
        return 0;
    return err_set(err, ERR_CORRUPT, "row %llu is in no index",
                   (unsigned long long)row->sequence);
}

static int check_unclaimed(struct check *check, uint64_t sequence, struct span value,
                           struct err *err)
{
    struct row row;
    struct err why = {0};
    int rc = row_decode(sequence, value, &row, &why);
    if (rc == 0)
        rc = check_needs_no_claim(check, &row, &why);
    if (is_damage(rc)) {
        check->found.damaged++;
        complain(check, "%s", why.text);
    }
    return unreadable(rc, &why, err);
}

/* ---- the whole ---- */

static int check_claim(struct check *check, const struct claim *claim, struct err *err)
{
    static int (*const checks[])(struct check * check, const struct claim *claim,
                                 struct err *err) = {
        [CLAIM_OBJECT] = check_object,
        [CLAIM_RESULT] = check_result,
        [CLAIM_EVENT] = check_event,
        [CLAIM_PRUNED] = check_pruned,
    };
    int rc = checks[claim->kind](check, claim, err);
    rest(check->store);
    return rc;
}

static uint64_t claim_end(const struct claim *claim)
{
    return claim->sequence + (claim->kind == CLAIM_OBJECT ? object_rows(claim->size) : 1);
}

/* Claims and journal rows together, in ascending sequence. */
static int check_journal(struct check *check, struct err *err)
{
    struct walk walk = {.key_size = 0};
    struct span value;
    size_t next = 0;
    uint64_t end = 0; /* every row before it has been looked at */
    int rc;
    while ((rc = walk_next(check->store, TABLE_JOURNAL, &walk, &value, err)) == 0) {
        uint64_t sequence = sequence_of_key((struct span){walk.key, walk.key_size});
        bool claimed = next < check->n_claims && check->claims[next].sequence <= sequence;
        if (!claimed && sequence >= end)
            rc = check_unclaimed(check, sequence, value, err);
        rest(check->store);
        for (; rc == 0 && next < check->n_claims && check->claims[next].sequence <= sequence;
             next++) {
            rc = check_claim(check, &check->claims[next], err);
            if (claim_end(&check->claims[next]) > end)
                end = claim_end(&check->claims[next]);
        }
        if (rc != 0)
            return rc;
        if (end > sequence + 1)
            sequence_key(end - 1, walk.key); /* skip what the claim has covered */
    }
    rest(check->store);
    if (rc == ERR_NOT_FOUND)
        rc = 0;
    for (; rc == 0 && next < check->n_claims; next++)
        rc = check_claim(check, &check->claims[next], err);
    return rc;
}

/* `value` is borrowed. */
static int check_ref(struct check *check, const struct walk *walk, struct span value,
                     struct err *err)
{
    char hex[HASH_HEX_SIZE];
    int name_size = (int)walk->key_size;
    const char *name = (const char *)walk->key;
    struct hash id;
    struct err why = {0};
    struct place place;
    check->found.refs++;
    if (value.size != HASH_SIZE) {
        check->found.damaged++;
        complain(check, "ref '%.*s' has %zu bytes", name_size, name, value.size);
        return 0;
    }
    memcpy(id.bytes, value.data, HASH_SIZE);
    int rc = place_find(check->store, &id, &place, &why);
    if (is_damage(rc)) {
        check->found.dangling++;
        complain(check, "ref '%.*s': no object %s", name_size, name, hash_hex(&id, hex));
    }
    return unreadable(rc, &why, err);
}

static int check_refs(struct check *check, struct err *err)
{
    struct walk walk = {.key_size = 0};
    struct span value;
    int rc;
    while ((rc = walk_next(check->store, TABLE_REFS, &walk, &value, err)) == 0) {
        rc = check_ref(check, &walk, value, err);
        rest(check->store);
        if (rc != 0)
            return rc;
    }
    rest(check->store);
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

int store_fsck(struct store *store, void (*complain_to)(void *context, const char *sentence),
               void *context, struct store_check *ret, struct err *err)
{
    struct check check = {.store = store, .complain = complain_to, .context = context};
    /* All passes look at one moment: a writer beside us would otherwise seem to be damage. */
    store->backend->ops->hold(store->backend, true);
    int rc = collect_all(&check, err);
    if (rc == 0)
        rc = check_journal(&check, err);
    if (rc == 0)
        rc = check_refs(&check, err);
    store->backend->ops->hold(store->backend, false);
    free(check.claims);
    buf_done(&check.bytes);
    if (rc == 0)
        *ret = check.found;
    return rc;
}

/* ---- rebuilding ---- */

struct rebuild {
    struct store *store;
    struct buf bytes;
    uint64_t dropped; /* rows */
    struct err *err;  /* of the walk over refs */
};

static int drop_row(struct rebuild *rebuild, uint64_t sequence, struct err *err)
{
    uint8_t key[SEQUENCE_SIZE];
    struct backend *backend = rebuild->store->backend;
    sequence_key(sequence, key);
    rebuild->dropped++;
    int rc = backend->ops->erase(backend, TABLE_JOURNAL, (struct span){key, sizeof key}, err);
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

/* Is the row what its kind promises? *ret_rows: how many belong together. Errors: ERR_CORRUPT,
 * those of reading. */
static int check_row(struct rebuild *rebuild, const struct row *row, uint64_t *ret_rows,
                     struct err *err)
{
    struct store_info info = {0};
    struct span data;
    struct document *document = NULL;
    *ret_rows = 1;
    if (row->kind == ROW_MORE) /* its object was damaged, or it would have been skipped */
        return err_set(err, ERR_CORRUPT, "bytes without a beginning");
    if (row->kind == ROW_EVENT) {
        int rc = document_parse_canonical(row->payload, &value_limits_message, &document, err);
        document_free(document);
        return rc ? ERR_CORRUPT : 0;
    }
    if (row->kind != ROW_OBJECT)
        return 0;
    int rc = object_head_decode(row->sequence, row->payload, &info, &data, err);
    if (rc != 0)
        return rc;
    struct place place = {.sequence = row->sequence, .size = info.size};
    memcpy(place.type, info.type, sizeof place.type);
    rc = verify_object(rebuild->store, &info.id, &place, &rebuild->bytes, err);
    if (rc == 0)
        *ret_rows = object_rows(info.size);
    return rc;
}

/* The later result of an action replaces the earlier one. */
static int drop_replaced_result(struct rebuild *rebuild, struct span action, struct err *err)
{
    struct span value;
    struct backend *backend = rebuild->store->backend;
    int rc = backend->ops->get(backend, TABLE_RESULTS, action, &value, err);
    if (rc != 0 || value.size != 8)
        return rc == ERR_NOT_FOUND ? 0 : rc;
    return drop_row(rebuild, get_u64_le(value.data), err);
}

/* An object, or a note of gc, that stands there twice: the first one counts. Errors:
 * ERR_CORRUPT, it does; those of reading. */
static int check_first(struct rebuild *rebuild, const struct row *row, struct err *err)
{
    struct span value;
    struct backend *backend = rebuild->store->backend;
    enum table table = row->kind == ROW_OBJECT ? TABLE_OBJECTS : TABLE_PRUNED;
    if ((row->kind != ROW_OBJECT && row->kind != ROW_PRUNED) || row->payload.size < HASH_SIZE)
        return 0;
    int rc = backend->ops->get(backend, table, (struct span){row->payload.data, HASH_SIZE},
                               &value, err);
    if (rc == 0)
        return err_set(err, ERR_CORRUPT, "row %llu repeats an earlier one",
                       (unsigned long long)row->sequence);
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

static int rebuild_row(struct rebuild *rebuild, uint64_t sequence, struct span value,
                       uint64_t *ret_rows, struct err *err)
{
    struct row row;
    uint8_t head[VIEW_HEAD_SIZE];
    *ret_rows = 1;
    int rc = row_decode(sequence, value, &row, err);
    if (rc == 0)
        rc = check_first(rebuild, &row, err);
    if (rc == 0)
        rc = check_row(rebuild, &row, ret_rows, err);
    if (rc != 0)
        return is_damage(rc) ? drop_row(rebuild, sequence, err) : rc;
    size_t size = row.payload.size < sizeof head ? row.payload.size : sizeof head;
    memcpy(head, row.payload.data, size);
    if (row.kind == ROW_RESULT && size >= HASH_SIZE)
        rc = drop_replaced_result(rebuild, (struct span){head, HASH_SIZE}, err);
    if (rc == 0)
        rc = view_row(rebuild->store, sequence, row.kind, (struct span){head, size}, err);
    return rc == ERR_CORRUPT ? drop_row(rebuild, sequence, err) : rc;
}

/* Keys of the journal that are no sequences; before the group is open, which begins behind the
 * last key. */
static int drop_strange_keys(struct rebuild *rebuild, struct err *err)
{
    struct backend *backend = rebuild->store->backend;
    struct walk walk = {.key_size = 0};
    struct span value;
    int rc = backend->ops->begin(backend, err);
    while (rc == 0 &&
           (rc = walk_next(rebuild->store, TABLE_JOURNAL, &walk, &value, err)) == 0) {
        struct span key = {walk.key, walk.key_size};
        if (sequence_of_key(key))
            continue;
        rebuild->dropped++;
        rc = backend->ops->erase(backend, TABLE_JOURNAL, key, err);
    }
    if (rc == ERR_NOT_FOUND)
        return 0;
    backend->ops->abort(backend);
    return rc;
}

static int rebuild_views(struct rebuild *rebuild, struct err *err)
{
    static const enum table views[] = {TABLE_OBJECTS, TABLE_RESULTS, TABLE_REFS, TABLE_EVENTS,
                                       TABLE_PRUNED};
    struct backend *backend = rebuild->store->backend;
    struct walk walk = {.key_size = 0};
    struct span value;
    uint64_t rows;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < sizeof views / sizeof views[0]; i++)
        rc = backend->ops->clear(backend, views[i], err);
    while (rc == 0 &&
           (rc = walk_next(rebuild->store, TABLE_JOURNAL, &walk, &value, err)) == 0) {
        uint64_t sequence = sequence_of_key((struct span){walk.key, walk.key_size});
        rc = rebuild_row(rebuild, sequence, value, &rows, err);
        sequence_key(sequence + rows - 1, walk.key);
    }
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

/* A freed object that nothing can make again is a lost one. */
static int drop_dangling_pruned(struct rebuild *rebuild, struct err *err)
{
    struct store *store = rebuild->store;
    struct walk walk = {.key_size = 0};
    struct span value;
    int rc;
    while ((rc = walk_next(store, TABLE_PRUNED, &walk, &value, err)) == 0) {
        struct pruned pruned = {0};
        struct hash id;
        struct place place;
        rc = walk_hash(&walk, &id, err);
        if (rc != 0)
            return rc;
        rc = pruned_decode(value, &pruned, err);
        if (rc == 0)
            rc = place_find(store, &pruned.action, &place, err);
        if (rc == 0)
            continue;
        if (!is_damage(rc))
            return rc;
        rc = erase_key(store, TABLE_PRUNED, hash_span(&id), err);
        if (rc == 0)
            rc = drop_row(rebuild, pruned.sequence, err);
        if (rc != 0)
            return rc;
    }
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

/* A result whose outputs are gone would only be a miss for ever: drop it, and it may come
 * again.
 */
static int drop_dangling_results(struct rebuild *rebuild, struct err *err)
{
    struct store *store = rebuild->store;
    struct walk walk = {.key_size = 0};
    struct span value;
    int rc;
    while ((rc = walk_next(store, TABLE_RESULTS, &walk, &value, err)) == 0) {
        struct hash action;
        struct result result;
        uint64_t sequence = value.size == 8 ? get_u64_le(value.data) : 0;
        rc = walk_hash(&walk, &action, err);
        if (rc != 0)
            return rc;
        rc = record_find(store, &action, &result, err);
        if (rc == 0) {
            rc = MUTANT(CACHE_HIT_WITHOUT_BLOB) ? 0 : check_outputs(store, &result, true, err);
            result_done(&result);
        }
        if (rc == 0)
            continue;
        if (!is_damage(rc))
            return rc;
        rc = store->backend->ops->erase(store->backend, TABLE_RESULTS, hash_span(&action), err);
        if (rc == 0)
            rc = drop_row(rebuild, sequence, err);
        if (rc != 0)
            return rc;
    }
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

static int drop_dangling_ref(void *context, const char *name, const struct hash *id)
{
    struct rebuild *rebuild = context;
    struct place place;
    int rc = place_find(rebuild->store, id, &place, rebuild->err);
    if (rc == 0 || !is_damage(rc))
        return rc;
    rebuild->dropped++;
    return store_delete_ref(rebuild->store, name, rebuild->err);
}

int store_rebuild(struct store *store, uint64_t *ret_dropped, struct err *err)
{
    struct rebuild rebuild = {.store = store, .err = err};
    int rc = store_commit(store, err);
    if (rc == 0 && store->mode == STORE_WRITE)
        rc = drop_strange_keys(&rebuild, err);
    if (rc == 0)
        rc = writing(store, err);
    if (rc != 0)
        return rc;
    rc = rebuild_views(&rebuild, err);
    if (rc == 0)
        rc = drop_dangling_pruned(&rebuild, err);
    if (rc == 0)
        rc = drop_dangling_results(&rebuild, err);
    if (rc == 0)
        rc = store_each_ref(store, "", drop_dangling_ref, &rebuild, err);
    buf_done(&rebuild.bytes);
    if (rc == 0)
        rc = store_commit(store, err);
    else
        store_abort(store);
    if (rc == 0)
        *ret_dropped = rebuild.dropped;
    return rc;
}
