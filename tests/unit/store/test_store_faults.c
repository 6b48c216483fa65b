/* What is left when the n-th call below the store fails, for every n until a run passes
 * untouched? Two backends, two errors, two ways to go on: with the same store, or after opening
 * it again. */
#include "tests/support/cmocka.h"

#include "common/mem.h"
#include "store/backend.h"
#include "tests/support/folder.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LARGE_BYTES = 600 << 10, CALLS_MAX = 100000 };

/* ---- a backend whose n-th call fails ---- */

struct faulty {
    struct backend base, *inner;
    uint64_t calls, fail_at; /* 0: never */
    int code;
};

static struct faulty *faulty_of(struct backend *backend)
{
    return (struct faulty *)((char *)backend - offsetof(struct faulty, base));
}

/* True when this call is the one. */
static bool fails(struct faulty *faulty, struct err *err, int *ret_rc)
{
    if (++faulty->calls != faulty->fail_at)
        return false;
    *ret_rc = err_set(err, faulty->code, "call %llu fails", (unsigned long long)faulty->calls);
    return true;
}

static int faulty_begin(struct backend *backend, struct err *err)
{
    struct faulty *faulty = faulty_of(backend);
    int rc;
    return fails(faulty, err, &rc) ? rc : faulty->inner->ops->begin(faulty->inner, err);
}

static int faulty_commit(struct backend *backend, struct err *err)
{
    struct faulty *faulty = faulty_of(backend);
    int rc;
    if (fails(faulty, err, &rc)) {
        faulty->inner->ops->abort(faulty->inner);
        return rc;
    }
    return faulty->inner->ops->commit(faulty->inner, err);
}

static void faulty_abort(struct backend *backend)
{
    struct faulty *faulty = faulty_of(backend);
    faulty->inner->ops->abort(faulty->inner);
}

static int faulty_get(struct backend *backend, enum table table, struct span key,
                      struct span *ret, struct err *err)
{
    struct faulty *faulty = faulty_of(backend);
    int rc;
    return fails(faulty, err, &rc)
               ? rc
               : faulty->inner->ops->get(faulty->inner, table, key, ret, err);
}

static int faulty_seek(struct backend *backend, enum table table, struct span key, bool after,
                       struct span *ret_key, struct span *ret_value, struct err *err)
{
    struct faulty *faulty = faulty_of(backend);
    int rc;
    return fails(faulty, err, &rc) ? rc
                                   : faulty->inner->ops->seek(faulty->inner, table, key, after,
                                                              ret_key, ret_value, err);
}

static int faulty_last(struct backend *backend, enum table table, struct span *ret_key,
                       struct err *err)
{
    struct faulty *faulty = faulty_of(backend);
    int rc;
    return fails(faulty, err, &rc)
               ? rc
               : faulty->inner->ops->last(faulty->inner, table, ret_key, err);
}

static int faulty_put(struct backend *backend, enum table table, struct span key,
                      const struct span *parts, size_t n_parts, bool append, struct err *err)
{
    struct faulty *faulty = faulty_of(backend);
    int rc;
    return fails(faulty, err, &rc) ? rc
                                   : faulty->inner->ops->put(faulty->inner, table, key, parts,
                                                             n_parts, append, err);
}

static int faulty_erase(struct backend *backend, enum table table, struct span key,
                        struct err *err)
{
    struct faulty *faulty = faulty_of(backend);
    int rc;
    return fails(faulty, err, &rc) ? rc
                                   : faulty->inner->ops->erase(faulty->inner, table, key, err);
}

static int faulty_clear(struct backend *backend, enum table table, struct err *err)
{
    struct faulty *faulty = faulty_of(backend);
    int rc;
    return fails(faulty, err, &rc) ? rc : faulty->inner->ops->clear(faulty->inner, table, err);
}

static void faulty_rest(struct backend *backend)
{
    struct faulty *faulty = faulty_of(backend);
    faulty->inner->ops->rest(faulty->inner);
}

static void faulty_hold(struct backend *backend, bool hold)
{
    struct faulty *faulty = faulty_of(backend);
    faulty->inner->ops->hold(faulty->inner, hold);
}

static int faulty_copy(struct backend *backend, const char *folder, struct err *err)
{
    struct faulty *faulty = faulty_of(backend);
    return faulty->inner->ops->copy(faulty->inner, folder, err);
}

static void faulty_close(struct backend *backend)
{
    (void)backend; /* what is below outlives the store */
}

static void faulty_init(struct faulty *faulty, struct backend *inner)
{
    static const struct backend_ops ops = {
        .begin = faulty_begin,
        .commit = faulty_commit,
        .abort = faulty_abort,
        .get = faulty_get,
        .seek = faulty_seek,
        .last = faulty_last,
        .put = faulty_put,
        .erase = faulty_erase,
        .clear = faulty_clear,
        .rest = faulty_rest,
        .hold = faulty_hold,
        .copy = faulty_copy,
        .close = faulty_close,
    };
    *faulty = (struct faulty){.base = {&ops}, .inner = inner};
}

/* ---- what is done ---- */

/* How far a run came: facts of the stages before it are committed. */
enum stage { STAGE_BEGIN, STAGE_FIRST, STAGE_SECOND, STAGE_END };

static void large_bytes(struct buf *ret)
{
    for (uint32_t i = 0; ret->size < LARGE_BYTES; i++)
        buf_append(ret, &i, sizeof i);
}

static struct hash id_of(const char *text)
{
    return hash_bytes(span_text(text));
}

/* action "made" -> the large object */
static int put_result(struct store *store, struct span large, struct err *err)
{
    struct output output = {.id = hash_bytes(large), .size = large.size, .type = "large"};
    struct result result = {.action = id_of("action"), .outputs = &output, .n_outputs = 1};
    return store_put_result(store, &result, err);
}

static int append_event(struct store *store, struct err *err)
{
    struct buf event = {0};
    struct pack pack;
    uint64_t sequence;
    pack_init(&pack, &event);
    pack_map(&pack, 1);
    pack_key(&pack, "event");
    pack_text(&pack, "happened");
    int rc = store_append_event(store, buf_span(&event), &sequence, err);
    buf_done(&event);
    return rc;
}

static int first_group(struct store *store, struct err *err)
{
    struct buf large = {0};
    struct hash id = id_of("small");
    large_bytes(&large);
    int rc = store_put(store, "text", span_text("small"), NULL, err);
    if (rc == 0)
        rc = store_put(store, "large", buf_span(&large), NULL, err);
    if (rc == 0)
        rc = put_result(store, buf_span(&large), err);
    if (rc == 0)
        rc = store_put_ref(store, "roots/small", &id, err);
    if (rc == 0)
        rc = store_put_ref(store, "roots/passing", &id, err);
    if (rc == 0)
        rc = append_event(store, err);
    if (rc == 0)
        rc = store_commit(store, err);
    buf_done(&large);
    return rc;
}

static int second_group(struct store *store, struct err *err)
{
    struct hash id = id_of("another");
    int rc = store_put(store, "text", span_text("another"), NULL, err);
    if (rc == 0)
        rc = store_put_ref(store, "roots/small", &id, err);
    if (rc == 0)
        rc = store_delete_ref(store, "roots/passing", err);
    if (rc == ERR_NOT_FOUND) /* done in a run before */
        rc = 0;
    if (rc == 0)
        rc = append_event(store, err);
    return rc ? rc : store_commit(store, err);
}

static int visit_info(void *context, const struct store_info *info)
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

/* Whatever fails, the store is sound: reading that fails is no damage. */
static void complain(void *context, const char *sentence)
{
    (void)context;
    fail_msg("fsck beside a failing call: %s", sentence);
}

/* Bytes of part of an object, as its rows lend them. */
static int append_part(void *context, struct span part)
{
    buf_append(context, part.data, part.size);
    return 0;
}

static int read_all(struct store *store, struct err *err)
{
    struct buf bytes = {0};
    struct store_info info;
    struct store_check check;
    struct result result = {0};
    struct hash small = id_of("small"), action = id_of("action"), ref;
    int objects = 0, others = 0;
    int rc = store_get(store, &small, &bytes, err);
    if (rc == 0)
        rc = store_stat(store, &small, &info, err);
    if (rc == 0)
        rc = store_lend(store, &small, 1, 3, true, append_part, &bytes, err);
    if (rc == 0)
        rc = store_get_ref(store, "roots/small", &ref, err);
    if (rc == 0)
        rc = store_get_result(store, &action, &result, err);
    result_done(&result);
    if (rc == 0)
        rc = store_each_object(store, visit_info, &objects, err);
    if (rc == 0)
        rc = store_each_result(store, visit_result, &others, err);
    if (rc == 0)
        rc = store_each_ref(store, "", visit_ref, &others, err);
    if (rc == 0)
        rc = store_each_event(store, 0, visit_event, &others, err);
    if (rc == 0)
        rc = store_fsck(store, complain, NULL, &check, err);
    if (rc == 0)
        assert_true(objects >= 3 && others >= 4);
    buf_done(&bytes);
    return rc;
}

/* Everything once. *ret_stage: how far it came. */
static int run(struct store *store, enum stage *ret_stage, struct err *err)
{
    uint64_t dropped = 0;
    *ret_stage = STAGE_BEGIN;
    int rc = first_group(store, err);
    if (rc == 0) {
        *ret_stage = STAGE_FIRST;
        rc = second_group(store, err);
    }
    if (rc == 0) {
        *ret_stage = STAGE_SECOND;
        rc = read_all(store, err);
    }
    if (rc == 0)
        rc = store_rebuild(store, &dropped, err);
    if (rc == 0) {
        assert_int_equal(dropped, 0);
        *ret_stage = STAGE_END;
    }
    return rc;
}

/* ---- what must hold ---- */

static void fail_finding(void *context, const char *sentence)
{
    fail_msg("after a failure at call %llu: %s", *(unsigned long long *)context, sentence);
}

static void check_whole(struct store *store, enum stage stage, unsigned long long call)
{
    struct store_check check;
    struct err err;
    struct hash id, small = id_of("small"), another = id_of("another"),
                    action = id_of("action");
    struct result result = {0};
    if (store_fsck(store, fail_finding, &call, &check, &err))
        fail_msg("after a failure at call %llu: %s", call, err.text);
    assert_int_equal(check.damaged + check.dangling, 0);
    if (stage >= STAGE_FIRST) { /* committed: there */
        assert_true(store_has(store, &small));
        assert_int_equal(store_get_result(store, &action, &result, &err), 0);
        result_done(&result);
        assert_int_equal(store_get_ref(store, "roots/small", &id, &err), 0);
    } else if (check.objects + check.results + check.refs + check.events > 0) {
        /* the group as a whole is not */
        fail_msg("after a failure at call %llu: %llu objects, %llu results, %llu refs, %llu "
                 "events of a group that was not committed",
                 call, (unsigned long long)check.objects, (unsigned long long)check.results,
                 (unsigned long long)check.refs, (unsigned long long)check.events);
    }
    if (stage >= STAGE_SECOND) {
        assert_true(store_has(store, &another));
        assert_int_equal(store_get_ref(store, "roots/small", &id, &err), 0);
        assert_true(hash_equal(&id, &another));
        assert_int_equal(store_get_ref(store, "roots/passing", &id, &err), ERR_NOT_FOUND);
    } else if (stage >= STAGE_FIRST) {
        assert_true(hash_equal(&id, &small));
    }
}

/* One run whose `call`-th call fails. False: there is no such call. */
static bool one_failure(struct backend *inner, uint64_t call, int code, bool again)
{
    struct faulty faulty;
    struct store *store = NULL;
    struct err err = {0};
    enum stage stage = STAGE_BEGIN, end;
    faulty_init(&faulty, inner);
    faulty.fail_at = call;
    faulty.code = code;
    int rc = store_from_backend(&faulty.base, STORE_WRITE, &store, &err);
    if (rc == 0)
        rc = run(store, &stage, &err);
    bool failed = faulty.calls >= call;
    faulty.fail_at = 0;
    if (rc != 0)
        assert_true(err.text[0] != '\0');
    if (!store || again) {
        store_close(store);
        assert_int_equal(store_from_backend(&faulty.base, STORE_WRITE, &store, &err), 0);
    } else {
        store_abort(store);
    }
    check_whole(store, stage, call);
    assert_int_equal(run(store, &end, &err), 0);
    assert_int_equal(end, STAGE_END);
    check_whole(store, end, call);
    store_close(store);
    return failed;
}

static void every_call_in_memory(int code, bool again)
{
    uint64_t call = 1;
    for (bool failed = true; failed; call++) {
        struct backend *inner = backend_open_memory();
        failed = one_failure(inner, call, code, again);
        inner->ops->close(inner);
        assert_true(call < CALLS_MAX);
    }
    assert_true(call > 100);
    print_message("%llu calls\n", (unsigned long long)call - 2);
}

static void test_store__memory_survives_a_failure_at_every_call(void **state)
{
    (void)state;
    every_call_in_memory(ERR_IO, true);
    every_call_in_memory(ERR_FULL, true);
    every_call_in_memory(ERR_IO, false);
    every_call_in_memory(ERR_FULL, false);
}

/* LMDB commits to a disk: every seventh call, with another one to begin from each time. */
static void test_store__lmdb_survives_a_failure_at_every_call(void **state)
{
    (void)state;
    char above[TEST_FOLDER_SIZE];
    uint64_t call = 1;
    test_folder_new(above);
    for (bool failed = true; failed; call += 7) {
        char path[TEST_FOLDER_SIZE + 32];
        struct backend *inner = NULL;
        struct err err = {0};
        (void)snprintf(path, sizeof path, "%s/%llu", above, (unsigned long long)call);
        if (backend_open_lmdb(path, STORE_WRITE, 0, &inner, &err))
            fail_msg("%s", err.text);
        failed = one_failure(inner, call, call % 2 ? ERR_IO : ERR_FULL, call % 3 == 0);
        inner->ops->close(inner);
    }
    test_folder_remove(above);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_store__memory_survives_a_failure_at_every_call),
        cmocka_unit_test(test_store__lmdb_survives_a_failure_at_every_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
