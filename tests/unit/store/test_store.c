/* Does a store keep its header's promises? The same stories over both implementations. */
#include "tests/support/cmocka.h"

#include "common/mem.h"
#include "common/rng.h"
#include "proto/value.h"
#include "store/store.h"
#include "tests/support/folder.h"

#include <stdio.h>
#include <stdlib.h>

struct fixture {
    bool on_disk;
    char folder[TEST_FOLDER_SIZE];
    struct store *store;
};

static int set_up(void **state, bool on_disk)
{
    struct fixture *fixture = mem_new(1, sizeof *fixture);
    struct err err;
    fixture->on_disk = on_disk;
    if (on_disk) {
        test_folder_new(fixture->folder);
        if (store_open(fixture->folder, STORE_WRITE, &fixture->store, &err) != 0) {
            print_message("%s\n", err.text);
            return -1;
        }
    } else {
        fixture->store = store_open_memory();
    }
    *state = fixture;
    return 0;
}

static int set_up_memory(void **state)
{
    return set_up(state, false);
}

static int set_up_lmdb(void **state)
{
    return set_up(state, true);
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    store_close(fixture->store);
    if (fixture->on_disk)
        test_folder_remove(fixture->folder);
    free(fixture);
    return 0;
}

/* Close and open again; memory has no other life, and goes on. */
static struct store *reopen(struct fixture *fixture)
{
    struct err err = {0};
    if (!fixture->on_disk) {
        store_abort(fixture->store);
        return fixture->store;
    }
    store_close(fixture->store);
    fixture->store = NULL;
    assert_int_equal(store_open(fixture->folder, STORE_WRITE, &fixture->store, &err), 0);
    return fixture->store;
}

static struct store *store_of(void **state)
{
    return ((struct fixture *)*state)->store;
}

static struct hash put_text(struct store *store, const char *text)
{
    struct hash id;
    assert_int_equal(store_put(store, "report", span_text(text), &id, NULL), 0);
    return id;
}

static void assert_clean(struct store *store, uint64_t objects, uint64_t results, uint64_t refs,
                         uint64_t events)
{
    struct store_check check;
    assert_int_equal(store_fsck(store, NULL, NULL, &check, NULL), 0);
    assert_int_equal(check.damaged, 0);
    assert_int_equal(check.dangling, 0);
    assert_int_equal(check.objects, objects);
    assert_int_equal(check.results, results);
    assert_int_equal(check.refs, refs);
    assert_int_equal(check.events, events);
}

/* ---- objects ---- */

static void test_store__object_comes_back(void **state)
{
    struct store *store = store_of(state);
    struct buf bytes = {0};
    struct store_info info;
    struct hash id = put_text(store, "hello"), want = hash_bytes(span_text("hello"));
    assert_true(hash_equal(&id, &want));
    assert_true(store_has(store, &id)); /* own writes are seen before the commit */
    assert_int_equal(store_get(store, &id, &bytes, NULL), 0);
    assert_int_equal(bytes.size, 5);
    assert_memory_equal(bytes.data, "hello", 5);
    assert_int_equal(store_commit(store, NULL), 0);
    assert_int_equal(store_get(store, &id, &bytes, NULL), 0);
    assert_int_equal(bytes.size, 5); /* overwritten, not appended */
    store = reopen(*state);
    assert_int_equal(store_stat(store, &id, &info, NULL), 0);
    assert_int_equal(info.size, 5);
    assert_string_equal(info.type, "report");
    assert_clean(store, 1, 0, 0, 0);
    buf_done(&bytes);
}

/* Bytes of part of an object, as its rows lend them. */
static int append_part(void *context, struct span part)
{
    buf_append(context, part.data, part.size);
    return 0;
}

static int read_part(struct store *store, const struct hash *id, uint64_t offset, size_t size,
                     bool checked, struct buf *ret_bytes, struct err *err)
{
    ret_bytes->size = 0;
    return store_lend(store, id, offset, size, checked, append_part, ret_bytes, err);
}

static void test_store__missing_object_has_a_sentence(void **state)
{
    struct store *store = store_of(state);
    struct hash id = hash_bytes(span_text("nobody"));
    struct store_info info;
    struct buf bytes = {0};
    struct err err;
    char hex[HASH_HEX_SIZE], want[128];
    (void)snprintf(want, sizeof want, "no object %s", hash_hex(&id, hex));
    assert_false(store_has(store, &id));
    assert_int_equal(store_get(store, &id, &bytes, &err), ERR_NOT_FOUND);
    assert_string_equal(err.text, want);
    assert_int_equal(store_stat(store, &id, &info, &err), ERR_NOT_FOUND);
    assert_int_equal(read_part(store, &id, 0, 10, true, &bytes, &err), ERR_NOT_FOUND);
    assert_int_equal(store_get(store, &id, &bytes, NULL), ERR_NOT_FOUND);
}

static void test_store__same_bytes_twice_are_one_object(void **state)
{
    struct store *store = store_of(state);
    struct store_info info;
    struct hash first = put_text(store, "same"), second;
    assert_int_equal(store_commit(store, NULL), 0);
    assert_int_equal(store_put(store, "other", span_text("same"), &second, NULL), 0);
    assert_true(hash_equal(&first, &second));
    assert_int_equal(store_commit(store, NULL), 0);
    assert_int_equal(store_stat(store, &first, &info, NULL), 0);
    assert_string_equal(info.type, "report"); /* the first one stays */
    assert_clean(store, 1, 0, 0, 0);
}

static void test_store__sizes_around_the_chunk(void **state)
{
    struct store *store = store_of(state);
    static const size_t sizes[] = {0,
                                   1,
                                   2000,
                                   4096,
                                   STORE_CHUNK_BYTES - 1,
                                   STORE_CHUNK_BYTES,
                                   STORE_CHUNK_BYTES + 1,
                                   3 * STORE_CHUNK_BYTES,
                                   3 * STORE_CHUNK_BYTES + 77};
    enum { N = sizeof sizes / sizeof sizes[0] };
    uint8_t *data = mem_new(4 * STORE_CHUNK_BYTES, 1);
    struct hash ids[N];
    struct buf bytes = {0};
    for (size_t i = 0; i < 4 * STORE_CHUNK_BYTES; i++)
        data[i] = (uint8_t)(i * 2654435761u >> 13);
    for (size_t i = 0; i < N; i++)
        assert_int_equal(store_put(store, "blob", (struct span){data, sizes[i]}, &ids[i], NULL),
                         0);
    assert_int_equal(store_commit(store, NULL), 0);
    store = reopen(*state);
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(store_get(store, &ids[i], &bytes, NULL), 0);
        assert_int_equal(bytes.size, sizes[i]);
        if (sizes[i])
            assert_memory_equal(bytes.data, data, sizes[i]);
    }
    /* parts: across a border, up to the end, behind the end */
    assert_int_equal(
        read_part(store, &ids[N - 1], STORE_CHUNK_BYTES - 10, 20, true, &bytes, NULL), 0);
    assert_int_equal(bytes.size, 20);
    assert_memory_equal(bytes.data, data + STORE_CHUNK_BYTES - 10, 20);
    assert_int_equal(
        read_part(store, &ids[N - 1], 100, 4 * STORE_CHUNK_BYTES, true, &bytes, NULL), 0);
    assert_int_equal(bytes.size, sizes[N - 1] - 100);
    assert_memory_equal(bytes.data, data + 100, bytes.size);
    assert_int_equal(read_part(store, &ids[1], 1, 10, true, &bytes, NULL), 0);
    assert_int_equal(bytes.size, 0);
    assert_clean(store, N, 0, 0, 0);
    buf_done(&bytes);
    free(data);
}

struct lent {
    size_t sizes[8];
    int n, stop_at;
};

static int note_part(void *context, struct span part)
{
    struct lent *lent = context;
    lent->sizes[lent->n++] = part.size;
    return lent->n == lent->stop_at ? 77 : 0;
}

/* A span per row, nothing copied; the visitor may end the walk. */
static void test_store__lends_row_by_row(void **state)
{
    struct store *store = store_of(state);
    uint8_t *data = mem_new(3, STORE_CHUNK_BYTES);
    struct lent all = {.n = 0}, ended = {.stop_at = 2}, none = {.n = 0};
    struct err err = {0};
    struct hash id;
    assert_int_equal(
        store_put(store, "blob", (struct span){data, 3 * STORE_CHUNK_BYTES}, &id, NULL), 0);
    assert_int_equal(store_lend(store, &id, 10, SIZE_MAX, false, note_part, &all, NULL), 0);
    assert_int_equal(all.n, 3);
    assert_int_equal(all.sizes[0], STORE_CHUNK_BYTES - 10);
    assert_int_equal(all.sizes[2], STORE_CHUNK_BYTES);
    assert_int_equal(store_lend(store, &id, 0, SIZE_MAX, true, note_part, &ended, &err), 77);
    assert_int_equal(ended.n, 2);
    assert_int_equal(err.code, 0);
    assert_int_equal(
        store_lend(store, &id, 3 * STORE_CHUNK_BYTES, 1, true, note_part, &none, NULL), 0);
    assert_int_equal(none.n, 0);
    free(data);
}

/* The caller's word is taken for the name; a wrong one is damage that readers and fsck find. */
static void test_store__put_under_a_name_computed_before(void **state)
{
    struct store *store = store_of(state);
    struct span bytes = span_text("hashed as it came");
    struct hash id = hash_bytes(bytes), wrong = hash_bytes(span_text("something else"));
    struct hash same;
    struct buf got = {0};
    struct store_check check;
    struct err err;
    assert_int_equal(store_put_hashed(store, "report", &id, bytes, NULL), 0);
    assert_int_equal(store_put_hashed(store, "report", &id, bytes, NULL), 0); /* again */
    assert_int_equal(store_put(store, "report", bytes, &same, NULL), 0);
    assert_true(hash_equal(&id, &same));
    assert_int_equal(store_commit(store, NULL), 0);
    assert_int_equal(store_get(store, &id, &got, NULL), 0);
    assert_clean(store, 1, 0, 0, 0);
    assert_int_equal(store_put_hashed(store, "", &wrong, bytes, &err), ERR_INVALID);
    assert_int_equal(store_put_hashed(store, "report", &wrong, bytes, NULL), 0);
    assert_int_equal(store_get(store, &wrong, &got, &err), ERR_CORRUPT);
    assert_int_equal(store_fsck(store, NULL, NULL, &check, NULL), 0);
    assert_int_equal(check.damaged, 1);
    store_abort(store);
    buf_done(&got);
}

static void test_store__limits_of_objects(void **state)
{
    struct store *store = store_of(state);
    struct err err;
    struct span huge = {(const uint8_t *)"", (size_t)STORE_OBJECT_BYTES_MAX + 1};
    assert_int_equal(store_put(store, "blob", huge, NULL, &err), ERR_LIMIT);
    assert_string_equal(err.text,
                        "an object of 1073741825 bytes, at most 1073741824 are allowed");
    assert_int_equal(store_put(store, "", span_text("x"), NULL, &err), ERR_INVALID);
    assert_int_equal(store_put(store, "abcdefghijklmnopqrstuvwx", span_text("x"), NULL, &err),
                     ERR_INVALID);
    assert_string_equal(err.text, "object type 'abcdefghijklmnopqrstuvwx': want 1..23 bytes");
}

/* ---- groups ---- */

static void test_store__aborted_group_leaves_nothing(void **state)
{
    struct store *store = store_of(state);
    struct hash kept = put_text(store, "kept"), id;
    assert_int_equal(store_put_ref(store, "a", &kept, NULL), 0);
    assert_int_equal(store_commit(store, NULL), 0);
    struct hash dropped = put_text(store, "dropped");
    assert_int_equal(store_put_ref(store, "a", &dropped, NULL), 0);
    assert_int_equal(store_put_ref(store, "b", &dropped, NULL), 0);
    store_abort(store);
    assert_false(store_has(store, &dropped));
    assert_int_equal(store_get_ref(store, "a", &id, NULL), 0);
    assert_true(hash_equal(&id, &kept));
    assert_int_equal(store_get_ref(store, "b", &id, NULL), ERR_NOT_FOUND);
    assert_int_equal(store_delete_ref(store, "a", NULL), 0);
    store = reopen(*state); /* closing drops what is not committed, too */
    assert_int_equal(store_get_ref(store, "a", &id, NULL), 0);
    assert_int_equal(store_commit(store, NULL), 0); /* nothing to do: a success */
    store_abort(store);
    assert_clean(store, 1, 0, 1, 0);
}

/* ---- results ---- */

static struct result result_of(const char *action, const char *const *outputs, uint32_t n)
{
    struct result result = {.action = hash_bytes(span_text(action)), .n_outputs = n};
    struct pack pack;
    result.outputs = mem_new(n, sizeof *result.outputs);
    for (uint32_t i = 0; i < n; i++) {
        result.outputs[i].id = hash_bytes(span_text(outputs[i]));
        result.outputs[i].size = strlen(outputs[i]);
        (void)snprintf(result.outputs[i].type, OBJECT_TYPE_SIZE, "report");
    }
    pack_init(&pack, &result.summary);
    pack_map(&pack, 1);
    pack_key(&pack, "drawn");
    pack_u64(&pack, n);
    return result;
}

static void test_store__result_needs_its_outputs(void **state)
{
    struct store *store = store_of(state);
    static const char *const outputs[] = {"one", "two"};
    struct result result = result_of("act", outputs, 2), again;
    struct err err;
    (void)put_text(store, "one");
    assert_int_equal(store_put_result(store, &result, &err), ERR_NOT_FOUND);
    assert_non_null(strstr(err.text, "output 1: no object "));
    assert_int_equal(store_get_result(store, &result.action, &again, &err), ERR_NOT_FOUND);
    (void)put_text(store, "two");
    result.outputs[1].size = 4;
    assert_int_equal(store_put_result(store, &result, &err), ERR_CORRUPT);
    assert_non_null(strstr(err.text, "the object has 3 bytes, the result says 4"));
    result.outputs[1].size = 3;
    assert_int_equal(store_put_result(store, &result, &err), 0); /* the group still lives */
    assert_int_equal(store_commit(store, NULL), 0);
    store = reopen(*state);
    assert_int_equal(store_get_result(store, &result.action, &again, NULL), 0);
    assert_int_equal(again.n_outputs, 2);
    assert_true(hash_equal(&again.outputs[1].id, &result.outputs[1].id));
    assert_int_equal(again.summary.size, result.summary.size);
    result_done(&again);
    result_done(&result);
    assert_clean(store, 2, 1, 0, 0);
}

static void test_store__first_result_stays(void **state)
{
    struct store *store = store_of(state);
    static const char *const one[] = {"one"}, *const two[] = {"two"};
    struct result first = result_of("act", one, 1), other = result_of("act", two, 1), again;
    struct err err;
    (void)put_text(store, "one");
    (void)put_text(store, "two");
    assert_int_equal(store_put_result(store, &first, NULL), 0);
    assert_int_equal(store_put_result(store, &first, NULL), 0); /* the same again */
    assert_int_equal(store_put_result(store, &other, &err), ERR_CORRUPT);
    assert_non_null(strstr(err.text, "is not reproducible: output 0 is 3fc4ccfe745870e2.., and "
                                     "before 7692c3ad3540bb80.."));
    assert_int_equal(store_commit(store, NULL), 0);
    other.n_outputs = 0;
    assert_int_equal(store_put_result(store, &other, &err), ERR_CORRUPT);
    assert_non_null(strstr(err.text, "0 outputs, and before 1"));
    assert_int_equal(store_get_result(store, &first.action, &again, NULL), 0);
    assert_true(hash_equal(&again.outputs[0].id, &first.outputs[0].id));
    assert_int_equal(store_commit(store, NULL), 0);
    result_done(&again);
    result_done(&first);
    result_done(&other);
    assert_clean(store, 2, 1, 0, 0);
}

/* ---- refs ---- */

static int list_ref(void *context, const char *name, const struct hash *id)
{
    (void)id;
    buf_print(context, "%s ", name);
    return strcmp(name, "stop") == 0 ? 7 : 0;
}

static void test_store__refs_name_objects(void **state)
{
    struct store *store = store_of(state);
    struct hash a = put_text(store, "a"), b = put_text(store, "b"), id;
    struct hash nobody = hash_bytes(span_text("nobody"));
    struct buf names = {0};
    struct err err;
    char name[STORE_REF_NAME_SIZE + 1];
    assert_int_equal(store_put_ref(store, "campaigns/demo", &a, NULL), 0);
    assert_int_equal(store_put_ref(store, "campaigns/demo", &b, NULL), 0); /* moves */
    assert_int_equal(store_put_ref(store, "campaigns/mp20", &a, NULL), 0);
    assert_int_equal(store_put_ref(store, "campaign", &a, NULL), 0);
    assert_int_equal(store_put_ref(store, "zz", &a, NULL), 0);
    assert_int_equal(store_put_ref(store, "x", &nobody, &err), ERR_NOT_FOUND);
    memset(name, 'n', sizeof name);
    name[STORE_REF_NAME_SIZE] = '\0';
    assert_int_equal(store_put_ref(store, name, &a, &err), ERR_INVALID);
    name[STORE_REF_NAME_SIZE - 1] = '\0';
    assert_int_equal(store_put_ref(store, name, &a, &err), 0);
    assert_int_equal(store_put_ref(store, "", &a, &err), ERR_INVALID);
    assert_int_equal(store_put_ref(store, "a\nb", &a, &err), ERR_INVALID);
    assert_int_equal(store_delete_ref(store, "zz", NULL), 0);
    assert_int_equal(store_delete_ref(store, "zz", &err), ERR_NOT_FOUND);
    assert_string_equal(err.text, "no ref 'zz'");
    assert_int_equal(store_commit(store, NULL), 0);
    store = reopen(*state);
    assert_int_equal(store_get_ref(store, "campaigns/demo", &id, NULL), 0);
    assert_true(hash_equal(&id, &b));
    assert_int_equal(store_each_ref(store, "campaigns/", list_ref, &names, NULL), 0);
    assert_string_equal(buf_text(&names), "campaigns/demo campaigns/mp20 ");
    names.size = 0;
    assert_int_equal(store_put_ref(store, "stop", &a, NULL), 0);
    assert_int_equal(store_put_ref(store, "stop-not-reached", &a, NULL), 0);
    assert_int_equal(store_each_ref(store, "s", list_ref, &names, NULL), 7);
    assert_string_equal(buf_text(&names), "stop ");
    assert_int_equal(store_commit(store, NULL), 0);
    assert_clean(store, 2, 0, 6, 0);
    buf_done(&names);
}

/* ---- events ---- */

static struct buf event_of(uint64_t number)
{
    struct buf out = {0};
    struct pack pack;
    pack_init(&pack, &out);
    pack_map(&pack, 1);
    pack_key(&pack, "number");
    pack_u64(&pack, number);
    return out;
}

struct seen_events {
    uint64_t count, sum, last;
};

static int see_event(void *context, uint64_t sequence, struct span event)
{
    struct seen_events *seen = context;
    struct document *document;
    uint64_t number;
    assert_true(sequence > seen->last);
    assert_int_equal(document_parse(event, &value_limits_message, &document, NULL), 0);
    assert_int_equal(value_u64(value_get(document_root(document), "number"), "number", 0, 1000,
                               &number, NULL),
                     0);
    document_free(document);
    seen->count++;
    seen->sum += number;
    seen->last = sequence;
    return 0;
}

static void test_store__events_keep_their_order(void **state)
{
    struct store *store = store_of(state);
    uint64_t sequences[100];
    struct err err;
    for (uint64_t i = 0; i < 100; i++) {
        struct buf event = event_of(i);
        if (i % 7 == 0)
            (void)put_text(store, i % 14 ? "between" : "events");
        assert_int_equal(store_append_event(store, buf_span(&event), &sequences[i], NULL), 0);
        assert_true(i == 0 || sequences[i] > sequences[i - 1]);
        buf_done(&event);
    }
    assert_int_equal(store_append_event(store, span_text("\x01"), NULL, &err), ERR_CORRUPT);
    assert_string_equal(err.text, "event: no map");
    assert_int_equal(store_append_event(store, span_text("\x81"), NULL, &err), ERR_CORRUPT);
    assert_int_equal(store_commit(store, NULL), 0);
    store = reopen(*state);
    struct seen_events seen = {0};
    assert_int_equal(store_each_event(store, 0, see_event, &seen, NULL), 0);
    assert_int_equal(seen.count, 100);
    assert_int_equal(seen.sum, 4950);
    seen = (struct seen_events){0};
    assert_int_equal(store_each_event(store, sequences[97], see_event, &seen, NULL), 0);
    assert_int_equal(seen.sum, 97 + 98 + 99);
    assert_clean(store, 2, 0, 0, 100);
}

/* ---- walking ---- */

static int count_object(void *context, const struct store_info *info)
{
    uint64_t *sum = context;
    *sum += info->size;
    return 0;
}

struct reader_in_walk {
    struct store *store;
    uint32_t results;
};

static int read_in_walk(void *context, const struct result *result)
{
    struct reader_in_walk *reader = context;
    struct buf bytes = {0};
    struct result again;
    reader->results++;
    /* a visitor may use the store, and write to it */
    assert_int_equal(store_get(reader->store, &result->outputs[0].id, &bytes, NULL), 0);
    assert_int_equal(store_get_result(reader->store, &result->action, &again, NULL), 0);
    result_done(&again);
    buf_print(&bytes, "!");
    assert_int_equal(store_put(reader->store, "report", buf_span(&bytes), NULL, NULL), 0);
    buf_done(&bytes);
    return 0;
}

static void test_store__walks_see_everything_once(void **state)
{
    struct store *store = store_of(state);
    enum { N = 500 };
    uint64_t bytes = 0, seen = 0;
    for (int i = 0; i < N; i++) {
        char text[16], action[16];
        (void)snprintf(text, sizeof text, "object %d", i);
        (void)snprintf(action, sizeof action, "action %d", i);
        (void)put_text(store, text);
        bytes += strlen(text);
        const char *outputs[] = {text};
        struct result result = result_of(action, outputs, 1);
        assert_int_equal(store_put_result(store, &result, NULL), 0);
        result_done(&result);
        if (i % 100 == 7)
            assert_int_equal(store_commit(store, NULL), 0);
    }
    assert_int_equal(store_each_object(store, count_object, &seen, NULL), 0);
    assert_int_equal(seen, bytes);
    struct reader_in_walk reader = {store, 0};
    assert_int_equal(store_each_result(store, read_in_walk, &reader, NULL), 0);
    assert_int_equal(reader.results, N);
    assert_int_equal(store_commit(store, NULL), 0);
    assert_clean(store, 2 * N, N, 0, 0);
}

struct seen_like {
    const char *prefix;
    int n;
};

static int count_like(void *context, const struct store_info *info)
{
    struct seen_like *seen = context;
    char hex[HASH_HEX_SIZE];
    assert_int_equal(strncmp(hash_hex(&info->id, hex), seen->prefix, strlen(seen->prefix)), 0);
    seen->n++;
    return 0;
}

/* Every object is under each beginning of its id, and those of one digit are all of them. */
static void test_store__objects_by_the_beginning_of_their_ids(void **state)
{
    struct store *store = store_of(state);
    enum { N = 200 };
    int all = 0;
    for (int i = 0; i < N; i++) {
        char text[32], hex[HASH_HEX_SIZE];
        (void)snprintf(text, sizeof text, "object %d", i);
        struct hash id = put_text(store, text);
        for (size_t digits = HASH_HEX_SIZE; digits-- > 0;) {
            hash_hex(&id, hex)[digits] = '\0';
            struct seen_like seen = {.prefix = hex};
            assert_int_equal(store_each_object_like(store, hex, count_like, &seen, NULL), 0);
            assert_true(digits >= 8 ? seen.n == 1 : seen.n >= 1);
        }
    }
    for (int digit = 0; digit < 16; digit++) {
        const char prefix[] = {"0123456789abcdef"[digit], '\0'};
        struct seen_like seen = {.prefix = prefix};
        assert_int_equal(store_each_object_like(store, prefix, count_like, &seen, NULL), 0);
        all += seen.n;
    }
    assert_int_equal(all, N);
    assert_int_equal(store_each_object_like(store, "xyz", count_like, NULL, NULL), ERR_INVALID);
}

static void test_store__rebuilt_views_are_the_same(void **state)
{
    struct store *store = store_of(state);
    static const char *const outputs[] = {"one"};
    struct result result = result_of("act", outputs, 1), again;
    uint8_t *data = mem_new(STORE_CHUNK_BYTES, 3);
    uint64_t dropped;
    struct hash id, large;
    (void)put_text(store, "one");
    assert_int_equal(store_put_result(store, &result, NULL), 0);
    assert_int_equal(store_put_ref(store, "kept", &result.outputs[0].id, NULL), 0);
    assert_int_equal(store_put_ref(store, "gone", &result.outputs[0].id, NULL), 0);
    assert_int_equal(store_delete_ref(store, "gone", NULL), 0);
    struct buf event = event_of(5);
    assert_int_equal(store_append_event(store, buf_span(&event), NULL, NULL), 0);
    struct span bytes = {data, 3 * (size_t)STORE_CHUNK_BYTES};
    assert_int_equal(store_put(store, "blob", bytes, &large, NULL), 0);
    assert_int_equal(store_rebuild(store, &dropped, NULL), 0);
    assert_int_equal(dropped, 0);
    store = reopen(*state);
    assert_int_equal(store_get_result(store, &result.action, &again, NULL), 0);
    assert_int_equal(store_get_ref(store, "kept", &id, NULL), 0);
    assert_int_equal(store_get_ref(store, "gone", &id, NULL), ERR_NOT_FOUND);
    assert_true(store_has(store, &large));
    assert_clean(store, 2, 1, 1, 1);
    (void)put_text(store, "and it goes on");
    assert_int_equal(store_commit(store, NULL), 0);
    assert_clean(store, 3, 1, 1, 1);
    buf_done(&event);
    result_done(&again);
    result_done(&result);
    free(data);
}

/* Random operations against a plain model of what must be there. */
static void test_store__random_groups_match_a_model(void **state)
{
    struct store *store = store_of(state);
    enum { KEYS = 40, STEPS = 4000 };
    struct rng rng = rng_stream(11, 0, 0, 0);
    bool committed[KEYS] = {0}, now[KEYS] = {0};
    struct hash ids[KEYS];
    char names[KEYS][8];
    for (int i = 0; i < KEYS; i++) {
        (void)snprintf(names[i], sizeof names[i], "key%d", i);
        ids[i] = hash_bytes(span_text(names[i]));
    }
    for (int step = 0; step < STEPS; step++) {
        uint32_t key = rng_below(&rng, KEYS), what = rng_below(&rng, 100);
        struct hash id;
        if (what < 45) {
            (void)put_text(store, names[key]);
            assert_int_equal(store_put_ref(store, names[key], &ids[key], NULL), 0);
            now[key] = true;
        } else if (what < 80) {
            assert_int_equal(store_delete_ref(store, names[key], NULL),
                             now[key] ? 0 : ERR_NOT_FOUND);
            now[key] = false;
        } else if (what < 92) {
            assert_int_equal(store_get_ref(store, names[key], &id, NULL),
                             now[key] ? 0 : ERR_NOT_FOUND);
        } else if (what < 96) {
            assert_int_equal(store_commit(store, NULL), 0);
            memcpy(committed, now, sizeof now);
        } else if (what < 99) {
            store_abort(store);
            memcpy(now, committed, sizeof now);
        } else {
            store = reopen(*state);
            memcpy(now, committed, sizeof now);
        }
    }
    store_abort(store);
    uint64_t refs = 0;
    for (int i = 0; i < KEYS; i++)
        refs += committed[i];
    struct store_check check;
    assert_int_equal(store_fsck(store, NULL, NULL, &check, NULL), 0);
    assert_int_equal(check.refs, refs);
    assert_int_equal(check.damaged + check.dangling, 0);
}

#define ON_BOTH(test)                                                                          \
    {"memory: " #test, test, set_up_memory, tear_down, NULL},                                  \
    {                                                                                          \
        "lmdb: " #test, test, set_up_lmdb, tear_down, NULL                                     \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(test_store__object_comes_back),
        ON_BOTH(test_store__missing_object_has_a_sentence),
        ON_BOTH(test_store__same_bytes_twice_are_one_object),
        ON_BOTH(test_store__sizes_around_the_chunk),
        ON_BOTH(test_store__lends_row_by_row),
        ON_BOTH(test_store__put_under_a_name_computed_before),
        ON_BOTH(test_store__limits_of_objects),
        ON_BOTH(test_store__aborted_group_leaves_nothing),
        ON_BOTH(test_store__result_needs_its_outputs),
        ON_BOTH(test_store__first_result_stays),
        ON_BOTH(test_store__refs_name_objects),
        ON_BOTH(test_store__events_keep_their_order),
        ON_BOTH(test_store__walks_see_everything_once),
        ON_BOTH(test_store__objects_by_the_beginning_of_their_ids),
        ON_BOTH(test_store__rebuilt_views_are_the_same),
        ON_BOTH(test_store__random_groups_match_a_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
