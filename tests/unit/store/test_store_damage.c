/* What does the store make of damage? Every entry of every table of a small store is spoilt in
 * every way below, one at a time. Reading, writing and gc never hand out other bytes than were
 * stored, and never end the process; fsck notices whatever cannot be read any more; rebuilding
 * makes the store clean, and whole again where the journal is. */
#include "tests/support/cmocka.h"

#include "common/mem.h"
#include "store/backend.h"
#include "store/row.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { LARGE_BYTES = STORE_CHUNK_BYTES + 1000, CRASH_S = 300 };

/* ---- a store with a row of every kind ---- */

static struct hash id_of(const char *text)
{
    return hash_bytes(span_text(text));
}

static const char *const texts[] = {"action one", "action two", "wanted", "garbage one",
                                    "garbage two"};
enum {
    TEXTS = sizeof texts / sizeof texts[0],
    GARBAGE = 3 /* first of the texts that nobody wants */
};

static void large_bytes(struct buf *ret)
{
    for (uint32_t i = 0; ret->size < LARGE_BYTES; i++)
        buf_append(ret, &i, sizeof i);
}

static struct hash large_id(void)
{
    struct buf large = {0};
    large_bytes(&large);
    struct hash id = hash_bytes(buf_span(&large));
    buf_done(&large);
    return id;
}

static void put_result(struct store *store, const char *action, struct hash id, uint64_t size)
{
    struct output output = {.id = id, .size = size, .type = "blob"};
    struct result result = {.action = id_of(action), .outputs = &output, .n_outputs = 1};
    assert_int_equal(store_put_result(store, &result, NULL), 0);
}

static void append_event(struct store *store)
{
    struct buf event = {0};
    struct pack pack;
    pack_init(&pack, &event);
    pack_map(&pack, 1);
    pack_key(&pack, "event");
    pack_text(&pack, "happened");
    assert_int_equal(store_append_event(store, buf_span(&event), NULL, NULL), 0);
    buf_done(&event);
}

/* What gc frees here: "lost", an output of "action two" that can be made again. */
static void free_one(struct store *store)
{
    struct store_gc *gc;
    struct hash lost = id_of("lost"), action = id_of("action two"), large = large_id();
    bool over = false;
    assert_int_equal(store_gc_begin(store, store_sequence(store), false, &gc, NULL), 0);
    for (int i = 0; i < TEXTS; i++) {
        struct hash id = id_of(texts[i]);
        store_gc_keep(gc, &id);
        store_gc_keep_result(gc, &id);
    }
    store_gc_keep(gc, &large);
    store_gc_prune(gc, &lost, &action);
    while (!over)
        assert_int_equal(store_gc_sweep(gc, 100, &over, NULL), 0);
    store_gc_end(gc);
    assert_int_equal(store_commit(store, NULL), 0);
}

static void fill(struct store *store)
{
    struct buf large = {0};
    struct hash wanted = id_of("wanted"), lost = id_of("lost");
    large_bytes(&large);
    for (int i = 0; i < TEXTS; i++)
        assert_int_equal(store_put(store, "blob", span_text(texts[i]), NULL, NULL), 0);
    assert_int_equal(store_put(store, "blob", span_text("lost"), NULL, NULL), 0);
    assert_int_equal(store_put(store, "large", buf_span(&large), NULL, NULL), 0);
    put_result(store, "action one", large_id(), LARGE_BYTES);
    put_result(store, "action two", lost, strlen("lost"));
    assert_int_equal(store_put_ref(store, "roots/wanted", &wanted, NULL), 0);
    assert_int_equal(store_put_ref(store, "roots/passing", &wanted, NULL), 0);
    assert_int_equal(store_delete_ref(store, "roots/passing", NULL), 0);
    append_event(store);
    assert_int_equal(store_commit(store, NULL), 0);
    assert_int_equal(store_touch(store, &wanted, NULL), 0);
    free_one(store);
    assert_int_equal(store_touch(store, &wanted, NULL), 0);
    append_event(store);
    assert_int_equal(store_commit(store, NULL), 0);
    buf_done(&large);
}

/* ---- its entries, and how they are spoilt ---- */

struct entry {
    enum table table;
    struct buf key, value;
};

struct entries {
    struct entry items[64];
    size_t n;
};

static void copy_entries(struct backend *backend, struct entries *ret)
{
    ret->n = 0;
    for (int table = 0; table < TABLE_COUNT; table++) {
        struct buf last = {0};
        struct span key, value;
        while (backend->ops->seek(backend, (enum table)table, buf_span(&last), last.size > 0,
                                  &key, &value, NULL) == 0) {
            struct entry *entry = &ret->items[ret->n++];
            assert_true(ret->n < sizeof ret->items / sizeof ret->items[0]);
            *entry = (struct entry){.table = (enum table)table};
            buf_append(&entry->key, key.data, key.size);
            buf_append(&entry->value, value.data, value.size);
            last.size = 0;
            buf_append(&last, key.data, key.size);
        }
        buf_done(&last);
        backend->ops->rest(backend);
    }
}

static void entries_done(struct entries *entries)
{
    for (size_t i = 0; i < entries->n; i++) {
        buf_done(&entries->items[i].key);
        buf_done(&entries->items[i].value);
    }
}

static void erase(struct backend *backend, const struct entry *entry)
{
    assert_int_equal(backend->ops->erase(backend, entry->table, buf_span(&entry->key), NULL),
                     0);
}

static void put(struct backend *backend, enum table table, struct span key, struct span value)
{
    assert_int_equal(backend->ops->put(backend, table, key, &value, 1, false, NULL), 0);
}

/* One entry of one store, to be spoilt. */
struct damage {
    struct backend *backend;
    const struct entry *entry;
    const struct entry *other; /* another one of the same table, or NULL */
    size_t number;
};

static void set_value(const struct damage *damage, struct span value)
{
    put(damage->backend, damage->entry->table, buf_span(&damage->entry->key), value);
}

/* Each gives the entry another value or key; false: it does not fit this one. */
static bool remove_it(const struct damage *damage)
{
    erase(damage->backend, damage->entry);
    return true;
}

static bool empty_it(const struct damage *damage)
{
    set_value(damage, (struct span){0});
    return damage->entry->value.size > 0;
}

static bool shorten_it(const struct damage *damage)
{
    const struct buf *value = &damage->entry->value;
    if (value->size > 0)
        set_value(damage, (struct span){value->data, value->size - 1});
    return value->size > 0;
}

/* Longer than any type or row header. */
static bool lengthen_it(const struct damage *damage)
{
    uint8_t more[64] = {0};
    struct buf value = {0};
    buf_append(&value, damage->entry->value.data, damage->entry->value.size);
    buf_append(&value, more, sizeof more);
    set_value(damage, buf_span(&value));
    buf_done(&value);
    return damage->entry->table != TABLE_EVENTS;
}

static bool flip(const struct damage *damage, size_t at)
{
    struct buf value = {0};
    if (damage->entry->value.size <= at)
        return false;
    buf_append(&value, damage->entry->value.data, damage->entry->value.size);
    value.data[at] ^= 0x15;
    set_value(damage, buf_span(&value));
    buf_done(&value);
    return true;
}

static bool flip_first(const struct damage *damage)
{
    return flip(damage, 0);
}

static bool flip_ninth(const struct damage *damage)
{
    return flip(damage, 8);
}

static bool flip_high(const struct damage *damage)
{
    return flip(damage, 15); /* of a size in an index: terabytes */
}

static bool flip_last(const struct damage *damage)
{
    return flip(damage, damage->entry->value.size - 1);
}

static bool shorten_key(const struct damage *damage)
{
    struct span key = buf_span(&damage->entry->key);
    erase(damage->backend, damage->entry);
    key.size--;
    put(damage->backend, damage->entry->table, key, buf_span(&damage->entry->value));
    return true;
}

/* A row that is sound in itself. */
static void set_row(const struct damage *damage, enum row_kind kind, struct span payload)
{
    uint8_t header[ROW_HEADER_SIZE];
    struct buf value = {0};
    row_header(sequence_of_key(buf_span(&damage->entry->key)), kind, &payload, 1, header);
    buf_append(&value, header, sizeof header);
    buf_append(&value, payload.data, payload.size);
    set_value(damage, buf_span(&value));
    buf_done(&value);
}

static bool row_of(const struct entry *entry, struct row *ret)
{
    return entry && entry->table == TABLE_JOURNAL &&
           row_decode(sequence_of_key(buf_span(&entry->key)), buf_span(&entry->value), ret,
                      NULL) == 0;
}

/* Another entry's value, or another row, stands in its place. */
static bool replace(const struct damage *damage)
{
    struct row row;
    if (!damage->other)
        return false;
    struct span value = buf_span(&damage->other->value), own = buf_span(&damage->entry->value);
    if (row_of(damage->other, &row))
        set_row(damage, row.kind, row.payload);
    else
        set_value(damage, value);
    return value.size != own.size ||
           (value.size > 0 && memcmp(value.data, own.data, value.size) != 0);
}

static bool rename_kind(const struct damage *damage)
{
    struct row row;
    if (damage->number > ROW_PRUNED + 1 || !row_of(damage->entry, &row) ||
        damage->number == row.kind)
        return false;
    set_row(damage, (enum row_kind)damage->number, row.payload);
    return true;
}

static bool cut_row(const struct damage *damage)
{
    static const size_t sizes[] = {
        0, 1, 8, HASH_SIZE - 1, HASH_SIZE, HASH_SIZE + 8, HASH_SIZE + 9};
    struct row row;
    if (damage->number >= sizeof sizes / sizeof sizes[0] || !row_of(damage->entry, &row) ||
        row.payload.size <= sizes[damage->number])
        return false;
    row.payload.size = sizes[damage->number];
    set_row(damage, row.kind, row.payload);
    return true;
}

static const struct {
    const char *name;
    bool (*spoil)(const struct damage *damage);
    bool numbered;
} ways[] = {
    {"removed", remove_it, false},          {"emptied", empty_it, false},
    {"shortened", shorten_it, false},       {"lengthened", lengthen_it, false},
    {"first byte", flip_first, false},      {"ninth byte", flip_ninth, false},
    {"high byte", flip_high, false},        {"last byte", flip_last, false},
    {"key shortened", shorten_key, false},  {"replaced", replace, true},
    {"of another kind", rename_kind, true}, {"cut", cut_row, true},
};

/* ---- what must hold ---- */

static int visit_object(void *context, const struct store_info *info)
{
    (void)info;
    ++*(int *)context;
    return 0;
}

static int visit_result(void *context, const struct result *result)
{
    (void)result;
    ++*(int *)context;
    return 0;
}

static int visit_ref(void *context, const char *name, const struct hash *id)
{
    (void)name;
    (void)id;
    ++*(int *)context;
    return 0;
}

static int visit_event(void *context, uint64_t sequence, struct span event)
{
    (void)sequence;
    (void)event;
    ++*(int *)context;
    return 0;
}

static int count_part(void *context, struct span part)
{
    *(size_t *)context += part.size;
    return 0;
}

static bool reads_object(struct store *store, const struct hash *id, size_t size)
{
    struct buf bytes = {0};
    struct store_info info;
    struct err err = {0};
    size_t lent = 0;
    int rc = store_get(store, id, &bytes, &err);
    if (rc != 0)
        assert_true(err.text[0] != '\0' && err.code == rc);
    struct hash found = hash_bytes(buf_span(&bytes));
    if (rc == 0)
        assert_true(hash_equal(&found, id));
    bool lends = store_lend(store, id, 0, SIZE_MAX, true, count_part, &lent, NULL) == 0;
    bool tells = store_stat(store, id, &info, NULL) == 0;
    buf_done(&bytes);
    return rc == 0 && lends && lent == size && tells && info.size == size;
}

/* How much of it can still be read, of 12 things. */
static int read_all(struct store *store)
{
    struct hash large = large_id(), wanted = id_of("wanted"), lost = id_of("lost"), ref, action;
    int good = 0, objects = 0, results = 0, refs = 0, events = 0;
    for (int i = 0; i < TEXTS; i++) {
        struct hash id = id_of(texts[i]);
        good += reads_object(store, &id, strlen(texts[i]));
    }
    good += reads_object(store, &large, LARGE_BYTES);
    for (int i = 0; i < 2; i++) {
        struct result result;
        struct hash id = id_of(texts[i]);
        if (store_get_result(store, &id, &result, NULL) != 0)
            continue;
        assert_true(hash_equal(&result.action, &id));
        result_done(&result);
        good++;
    }
    if (store_get_ref(store, "roots/wanted", &ref, NULL) == 0)
        good += hash_equal(&ref, &wanted);
    good += store_get_ref(store, "roots/passing", &ref, NULL) == ERR_NOT_FOUND;
    if (store_pruned(store, &lost, &action, NULL) == 0) {
        struct hash two = id_of("action two");
        good += hash_equal(&action, &two);
    }
    bool walked = store_each_object(store, visit_object, &objects, NULL) == 0;
    walked = store_each_result(store, visit_result, &results, NULL) == 0 && walked;
    walked = store_each_ref(store, "", visit_ref, &refs, NULL) == 0 && walked;
    walked = store_each_event(store, 0, visit_event, &events, NULL) == 0 && walked;
    return good + (walked && objects == TEXTS + 1 && results == 2 && refs == 1 && events == 2);
}
enum { READS = TEXTS + 1 + 2 + 2 + 1 + 1 };

/* Whatever it answers, it comes back. */
static void write_all(struct store *store)
{
    struct hash wanted = id_of("wanted"), lost = id_of("lost");
    struct output output = {.id = lost, .size = 4, .type = "blob"};
    struct result result = {.action = id_of("action two"), .outputs = &output, .n_outputs = 1};
    struct buf large = {0};
    large_bytes(&large);
    for (int i = 0; i < TEXTS; i++)
        (void)store_put(store, "blob", span_text(texts[i]), NULL, NULL);
    (void)store_put(store, "large", buf_span(&large), NULL, NULL);
    (void)store_put(store, "blob", span_text("lost"), NULL, NULL);
    (void)store_touch(store, &wanted, NULL);
    (void)store_put_result(store, &result, NULL);
    output = (struct output){.id = wanted, .size = 6, .type = "blob"}; /* not reproducible */
    (void)store_put_result(store, &result, NULL);
    (void)store_put_ref(store, "roots/wanted", &lost, NULL);
    (void)store_put_ref(store, "roots/new", &wanted, NULL);
    (void)store_delete_ref(store, "roots/wanted", NULL);
    store_abort(store);
    buf_done(&large);
}

/* Free the garbage. */
static void collect(struct store *store, uint64_t horizon)
{
    struct store_gc *gc;
    struct hash lost = id_of("lost"), action = id_of("action two"), large = large_id();
    bool over = false;
    if (store_gc_begin(store, horizon, false, &gc, NULL) != 0)
        return;
    for (int i = 0; i < GARBAGE; i++) {
        struct hash id = id_of(texts[i]);
        store_gc_keep(gc, &id);
        store_gc_keep_result(gc, &id);
    }
    store_gc_keep(gc, &large);
    store_gc_prune(gc, &lost, &action);
    for (int step = 0; !over && store_gc_sweep(gc, 3, &over, NULL) == 0; step++)
        assert_true(step < 1000);
    store_gc_end(gc);
    (void)store_commit(store, NULL);
}

static void say(void *context, const char *sentence)
{
    (void)context;
    print_message("    %s\n", sentence);
}

static uint64_t check(struct store *store, bool tell)
{
    struct store_check found;
    struct err err = {0};
    if (store_fsck(store, tell ? say : NULL, NULL, &found, &err) != 0)
        fail_msg("fsck: %s", err.text);
    return found.damaged + found.dangling;
}

/* A sound store with one entry spoilt. NULL: the way does not fit the entry, or the store does
 * not open. */
static struct store *spoilt(const struct entries *entries, size_t i, size_t way, size_t other)
{
    struct store *store = NULL;
    struct err err = {0};
    struct backend *backend = backend_open_memory();
    struct damage damage = {.backend = backend, .entry = &entries->items[i], .number = other};
    if (other < entries->n && other != i && entries->items[other].table == damage.entry->table)
        damage.other = &entries->items[other];
    assert_int_equal(backend->ops->begin(backend, NULL), 0);
    for (size_t k = 0; k < entries->n; k++)
        put(backend, entries->items[k].table, buf_span(&entries->items[k].key),
            buf_span(&entries->items[k].value));
    bool fits = ways[way].spoil(&damage);
    assert_int_equal(backend->ops->commit(backend, NULL), 0);
    if (!fits) {
        backend->ops->close(backend);
        return NULL;
    }
    if (store_from_backend(backend, STORE_WRITE, &store, &err) == 0)
        return store;
    assert_int_equal(entries->items[i].table, TABLE_META);
    assert_int_equal(err.code, ERR_CORRUPT);
    return NULL;
}

static void one_damage(const struct entries *entries, size_t i, size_t way, size_t other)
{
    enum table table = entries->items[i].table;
    struct store *store = spoilt(entries, i, way, other);
    uint64_t dropped;
    struct err err = {0};
    if (!store)
        return;
    int good = read_all(store);
    uint64_t found = check(store, false);
    /* A ref's row needs no view that names it: fsck cannot miss what is not there. */
    if (good < READS && found == 0 && table != TABLE_REFS)
        fail_msg("table %d, entry %zu, %s (%zu): %d of %d can be read, and fsck finds nothing",
                 table, i, ways[way].name, other, good, READS);
    write_all(store);
    assert_int_equal(check(store, false), found);
    collect(store, 1); /* all of it is young */
    assert_int_equal(check(store, false), found);
    if (store_rebuild(store, &dropped, &err) != 0)
        fail_msg("table %d, entry %zu, %s: rebuild: %s", table, i, ways[way].name, err.text);
    if (check(store, true) != 0)
        fail_msg("table %d, entry %zu, %s (%zu): not clean when rebuilt", table, i,
                 ways[way].name, other);
    if (table != TABLE_JOURNAL && read_all(store) != READS)
        fail_msg("table %d, entry %zu, %s (%zu): not whole when rebuilt", table, i,
                 ways[way].name, other);
    store_close(store);
}

/* gc believes a damaged index only as far as rows agree: what is wanted can be rebuilt. */
static void one_damage_and_gc(const struct entries *entries, size_t i, size_t way, size_t other)
{
    enum table table = entries->items[i].table;
    struct store *store = spoilt(entries, i, way, other);
    uint64_t dropped;
    if (!store)
        return;
    collect(store, store_sequence(store));
    if (table != TABLE_JOURNAL) {
        struct hash large = large_id(), wanted = id_of("wanted");
        assert_int_equal(store_rebuild(store, &dropped, NULL), 0);
        if (check(store, true) != 0 || !reads_object(store, &large, LARGE_BYTES) ||
            !reads_object(store, &wanted, strlen("wanted")))
            fail_msg("table %d, entry %zu, %s (%zu): gc has taken what was wanted", table, i,
                     ways[way].name, other);
    }
    store_close(store);
}

static void every_damage(void (*one)(const struct entries *entries, size_t i, size_t way,
                                     size_t other))
{
    struct entries entries;
    struct backend *backend = backend_open_memory();
    struct store *store;
    assert_int_equal(store_from_backend(backend, STORE_WRITE, &store, NULL), 0);
    fill(store);
    copy_entries(backend, &entries);
    assert_int_equal(read_all(store), READS);
    assert_int_equal(check(store, true), 0);
    store_close(store);
    (void)alarm(CRASH_S);
    for (size_t i = 0; i < entries.n; i++)
        for (size_t way = 0; way < sizeof ways / sizeof ways[0]; way++)
            for (size_t other = 0; other < (ways[way].numbered ? entries.n : 1); other++)
                one(&entries, i, way, other);
    (void)alarm(0);
    entries_done(&entries);
}

static void test_store__damage_of_every_entry_is_found_and_mended(void **state)
{
    (void)state;
    every_damage(one_damage);
}

static void test_store__gc_spares_what_a_damaged_index_names(void **state)
{
    (void)state;
    every_damage(one_damage_and_gc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_store__damage_of_every_entry_is_found_and_mended),
        cmocka_unit_test(test_store__gc_spares_what_a_damaged_index_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
