/* Does gc free what nobody wants, and nothing else, whatever happens between its steps? The
 * same stories over both implementations; copies and the check beside a writer on disk alone.
 */
#include "tests/support/cmocka.h"

#include "common/mem.h"
#include "store/store.h"
#include "tests/support/folder.h"

#include <lmdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct fixture {
    bool on_disk;
    char folder[TEST_FOLDER_SIZE];
    struct store *store;
};

static int set_up(void **state, bool on_disk)
{
    struct fixture *fixture = mem_new(1, sizeof *fixture);
    fixture->on_disk = on_disk;
    if (on_disk) {
        test_folder_new(fixture->folder);
        if (store_open(fixture->folder, STORE_WRITE, &fixture->store, NULL) != 0)
            return -1;
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

/* ---- small things ---- */

static struct hash put(struct store *store, const char *text)
{
    struct hash id;
    assert_int_equal(store_put(store, "blob", span_text(text), &id, NULL), 0);
    return id;
}

/* An action object with a result of one output. */
static struct hash put_result(struct store *store, const char *action, const char *text)
{
    struct output output = {.size = strlen(text), .type = "blob"};
    struct result result = {.action = put(store, action), .outputs = &output, .n_outputs = 1};
    output.id = put(store, text);
    assert_int_equal(store_put_result(store, &result, NULL), 0);
    return result.action;
}

static void commit(struct store *store)
{
    assert_int_equal(store_commit(store, NULL), 0);
}

static struct store_gc *begin(struct store *store, bool dry)
{
    struct store_gc *gc;
    assert_int_equal(store_gc_begin(store, store_sequence(store), dry, &gc, NULL), 0);
    return gc;
}

static struct store_gc_counts finish(struct store *store, struct store_gc *gc)
{
    struct store_gc_counts counts;
    bool over = false;
    while (!over) {
        assert_int_equal(store_gc_sweep(gc, 1, &over, NULL), 0);
        commit(store);
    }
    store_gc_counts(gc, &counts);
    store_gc_end(gc);
    return counts;
}

static void fail_with(void *context, const char *sentence)
{
    (void)context;
    fail_msg("fsck: %s", sentence);
}

static struct store_check check(struct store *store)
{
    struct store_check found;
    assert_int_equal(store_fsck(store, fail_with, NULL, &found, NULL), 0);
    return found;
}

static bool has_result(struct store *store, const struct hash *action)
{
    struct result result;
    int rc = store_get_result(store, action, &result, NULL);
    if (rc == 0)
        result_done(&result);
    return rc == 0;
}

/* ---- stories ---- */

static void test_store_gc__unmarked_goes_marked_stays(void **state)
{
    struct store *store = ((struct fixture *)*state)->store;
    struct hash kept = put(store, "kept"), lost = put(store, "lost");
    struct hash good = put_result(store, "good", "good output");
    struct hash bad = put_result(store, "bad", "bad output");
    struct hash output = hash_bytes(span_text("good output"));
    commit(store);
    struct store_gc *gc = begin(store, false);
    store_gc_keep(gc, &kept);
    store_gc_keep(gc, &good);
    store_gc_keep(gc, &output);
    store_gc_keep_result(gc, &good);
    struct store_gc_counts counts = finish(store, gc);
    assert_int_equal(counts.objects, 3);
    assert_int_equal(counts.results, 1);
    assert_int_equal(counts.freed_objects, 3);
    assert_int_equal(counts.freed_results, 1);
    assert_int_equal(counts.freed_bytes, strlen("lost") + strlen("bad") + strlen("bad output"));
    assert_true(store_has(store, &kept));
    assert_false(store_has(store, &lost));
    assert_true(has_result(store, &good));
    assert_false(has_result(store, &bad));
    (void)check(store);
}

static void test_store_gc__dry_run_counts_and_frees_nothing(void **state)
{
    struct store *store = ((struct fixture *)*state)->store;
    struct hash bad = put_result(store, "bad", "bad output");
    commit(store);
    struct store_gc_counts counts = finish(store, begin(store, true));
    assert_int_equal(counts.freed_objects, 2);
    assert_int_equal(counts.freed_results, 1);
    assert_true(has_result(store, &bad));
    counts = finish(store, begin(store, false));
    assert_int_equal(counts.freed_objects, 2);
    assert_false(has_result(store, &bad));
}

/* What is stored, named or wanted again after gc began is young. */
static void test_store_gc__what_is_wanted_again_stays(void **state)
{
    struct store *store = ((struct fixture *)*state)->store;
    struct hash again = put(store, "stored again"), touched = put(store, "touched");
    struct hash named = put(store, "named"), pinned = put(store, "pinned");
    struct hash lost = put(store, "lost");
    commit(store);
    struct store_gc *gc = begin(store, false);
    (void)put(store, "stored again");
    assert_int_equal(store_touch(store, &touched, NULL), 0);
    assert_int_equal(store_put_ref(store, "pin", &pinned, NULL), 0);
    struct output output = {.id = named, .size = strlen("named"), .type = "blob"};
    struct result result = {
        .action = put(store, "new action"), .outputs = &output, .n_outputs = 1};
    assert_int_equal(store_put_result(store, &result, NULL), 0);
    commit(store);
    (void)finish(store, gc);
    assert_true(store_has(store, &again));
    assert_true(store_has(store, &touched));
    assert_true(store_has(store, &pinned));
    assert_true(store_has(store, &named));
    assert_true(has_result(store, &result.action));
    assert_false(store_has(store, &lost));
    (void)check(store);
}

/* A touch before gc begins counts as long as its sequence is not older than the horizon. */
static void test_store_gc__touch_outlives_begin_and_ages(void **state)
{
    struct store *store = ((struct fixture *)*state)->store;
    struct store_gc *gc;
    struct hash old = put(store, "old");
    commit(store);
    (void)put(store, "something between");
    commit(store);
    uint64_t horizon = store_sequence(store);
    assert_int_equal(store_touch(store, &old, NULL), 0);
    commit(store);
    assert_int_equal(store_gc_begin(store, horizon, false, &gc, NULL), 0);
    (void)finish(store, gc);
    assert_true(store_has(store, &old));
    (void)put(store, "later");
    commit(store);
    (void)finish(store, begin(store, false));
    assert_false(store_has(store, &old));
}

static void test_store_gc__freed_output_leaves_the_way_back(void **state)
{
    struct store *store = ((struct fixture *)*state)->store;
    struct hash action = put_result(store, "action", "output"), made_by;
    struct hash output = hash_bytes(span_text("output"));
    struct result result = {.action = action, .n_outputs = 0};
    uint64_t dropped;
    commit(store);
    for (int round = 0; round < 2; round++) { /* the second finds it gone already */
        struct store_gc *gc = begin(store, false);
        store_gc_keep(gc, &action);
        store_gc_keep_result(gc, &action);
        store_gc_prune(gc, &output, &action);
        struct store_gc_counts counts = finish(store, gc);
        assert_int_equal(counts.pruned, round == 0);
        assert_false(store_has(store, &output));
        assert_true(has_result(store, &action));
        assert_int_equal(store_pruned(store, &output, &made_by, NULL), 0);
        assert_true(hash_equal(&made_by, &action));
        assert_int_equal(check(store).pruned, 1);
        assert_int_equal(store_rebuild(store, &dropped, NULL), 0);
        assert_int_equal(dropped, 0);
    }
    /* A new result may not name what is not there; another one of this action is a finding. */
    struct output other = {.id = output, .size = strlen("output"), .type = "blob"};
    result = (struct result){.action = put(store, "b"), .outputs = &other, .n_outputs = 1};
    assert_int_equal(store_put_result(store, &result, NULL), ERR_NOT_FOUND);
    result.action = action;
    other.id = put(store, "other");
    other.size = strlen("other");
    assert_int_equal(store_put_result(store, &result, NULL), ERR_CORRUPT);
    /* Computed again: there, and no longer noted as freed. */
    (void)put_result(store, "action", "output");
    commit(store);
    assert_int_equal(store_pruned(store, &output, NULL, NULL), ERR_NOT_FOUND);
    assert_true(has_result(store, &action));
    assert_int_equal(check(store).pruned, 0);
}

/* The horizon may lie between an output and its result: they stay together. */
static void test_store_gc__young_results_keep_old_outputs(void **state)
{
    struct store *store = ((struct fixture *)*state)->store;
    struct store_gc *gc;
    struct output output = {.id = put(store, "output"), .size = 6, .type = "blob"};
    struct result result = {.action = put(store, "action"), .outputs = &output, .n_outputs = 1};
    commit(store);
    uint64_t horizon = store_sequence(store);
    assert_int_equal(store_put_result(store, &result, NULL), 0);
    commit(store);
    assert_int_equal(store_gc_begin(store, horizon, false, &gc, NULL), 0);
    struct store_gc_counts counts = finish(store, gc);
    assert_int_equal(counts.freed_objects + counts.freed_results, 0);
    assert_true(has_result(store, &result.action));
    (void)check(store);
}

/* Kept for another reason: it stays, and its result is a full one. */
static void test_store_gc__keeping_wins_over_pruning(void **state)
{
    struct store *store = ((struct fixture *)*state)->store;
    struct hash action = put_result(store, "action", "output");
    struct hash output = hash_bytes(span_text("output"));
    commit(store);
    struct store_gc *gc = begin(store, false);
    store_gc_keep(gc, &action);
    store_gc_keep_result(gc, &action);
    store_gc_prune(gc, &output, &action);
    store_gc_keep(gc, &output);
    (void)finish(store, gc);
    assert_true(store_has(store, &output));
}

/* With the results that named it, the note goes too; with another way to make it, it changes.
 */
static void test_store_gc__notes_follow_their_results(void **state)
{
    struct store *store = ((struct fixture *)*state)->store;
    struct hash a = put_result(store, "a", "output"), b = put_result(store, "b", "output");
    struct hash output = hash_bytes(span_text("output")), made_by;
    commit(store);
    struct store_gc *gc = begin(store, false);
    store_gc_keep(gc, &a);
    store_gc_keep(gc, &b);
    store_gc_keep_result(gc, &a);
    store_gc_keep_result(gc, &b);
    store_gc_prune(gc, &output, &a);
    store_gc_prune(gc, &output, &b);
    (void)finish(store, gc);
    gc = begin(store, false);
    store_gc_keep(gc, &b);
    store_gc_keep_result(gc, &b);
    store_gc_prune(gc, &output, &b);
    (void)finish(store, gc);
    assert_true(has_result(store, &b));
    assert_false(has_result(store, &a));
    assert_int_equal(store_pruned(store, &output, &made_by, NULL), 0);
    assert_true(hash_equal(&made_by, &b));
    assert_int_equal(check(store).pruned, 1);
    (void)finish(store, begin(store, false));
    (void)finish(store, begin(store, false)); /* the note was written after the horizon */
    assert_int_equal(store_pruned(store, &output, &made_by, NULL), ERR_NOT_FOUND);
    assert_int_equal(check(store).pruned, 0);
}

/* When the last rows are freed, their numbers are not given again: a horizon would lie. */
static void test_store_gc__sequences_are_not_reused(void **state)
{
    struct fixture *fixture = *state;
    struct store *store = fixture->store;
    (void)put(store, "lost");
    commit(store);
    uint64_t before = store_sequence(store);
    struct store_gc *gc = begin(store, false);
    bool over = false;
    while (!over)
        assert_int_equal(store_gc_sweep(gc, 1000, &over, NULL), 0);
    commit(store);
    struct hash young = put(store, "young");
    commit(store);
    assert_true(store_sequence(store) > before);
    store_gc_end(gc);
    assert_true(store_has(store, &young));
    if (fixture->on_disk) {
        (void)finish(store, begin(store, false));
        store_close(store);
        assert_int_equal(store_open(fixture->folder, STORE_WRITE, &fixture->store, NULL), 0);
        assert_true(store_sequence(fixture->store) > before);
    }
}

static void test_store_gc__large_objects_go_whole(void **state)
{
    struct store *store = ((struct fixture *)*state)->store;
    size_t size = 5 * STORE_CHUNK_BYTES + 17;
    uint8_t *bytes = mem_new(size, 1);
    struct hash id;
    assert_int_equal(store_put(store, "blob", (struct span){bytes, size}, &id, NULL), 0);
    (void)put(store, "a small one behind it");
    commit(store);
    struct store_gc_counts counts = finish(store, begin(store, false));
    assert_int_equal(counts.freed_bytes, size + strlen("a small one behind it"));
    struct store_check found = check(store);
    assert_int_equal(found.objects, 0);
    assert_int_equal(store_put(store, "blob", (struct span){bytes, size}, &id, NULL), 0);
    commit(store);
    (void)check(store);
    free(bytes);
}

/* For those who ask why: what was marked, and how young a thing is; a reader may ask as well.
 */
static void test_store_gc__tells_marks_and_ages(void **state)
{
    struct fixture *fixture = *state;
    struct store *store = fixture->store;
    struct hash first = put(store, "first"), second = put(store, "second"), none = {{1}};
    uint64_t age, later;
    commit(store);
    assert_int_equal(store_age(store, &first, &age, NULL), 0);
    assert_int_equal(store_age(store, &second, &later, NULL), 0);
    assert_true(age < later);
    assert_int_equal(store_touch(store, &first, NULL), 0);
    commit(store);
    assert_int_equal(store_age(store, &first, &age, NULL), 0);
    assert_true(age > later);
    assert_int_equal(store_age(store, &none, &age, NULL), ERR_NOT_FOUND);

    if (fixture->on_disk) {
        store_close(store);
        assert_int_equal(store_open(fixture->folder, STORE_READ, &fixture->store, NULL), 0);
        store = fixture->store;
    }
    struct store_gc *gc = begin(store, true);
    store_gc_keep(gc, &second);
    assert_false(store_gc_kept(gc, &first));
    assert_true(store_gc_kept(gc, &second));
    store_gc_end(gc);
    assert_int_equal(store_age(store, &second, &age, NULL), 0);
    assert_int_equal(age, later);
}

static void test_store_gc__one_at_a_time(void **state)
{
    struct store *store = ((struct fixture *)*state)->store;
    struct store_gc *gc = begin(store, false), *other;
    struct err err;
    assert_int_equal(store_gc_begin(store, 1, false, &other, &err), ERR_BUSY);
    assert_string_equal(err.text, "gc is under way already");
    (void)finish(store, gc);
    (void)finish(store, begin(store, false));
}

/* ---- on disk ---- */

/* Groups of objects and results, for ever; what is older than some groups is freed again, so
 * that index and journal both change under whoever looks. */
static void write_for_ever(const char *folder, int ready)
{
    struct store *store;
    char text[64];
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* also when the test fails */
    if (store_open(folder, STORE_WRITE, &store, NULL) != 0)
        _exit(1);
    for (uint32_t i = 0;; i++) {
        for (int k = 0; k < 20; k++) {
            struct output output = {.type = "blob"};
            struct result result = {.outputs = &output, .n_outputs = 1};
            (void)snprintf(text, sizeof text, "output %u.%d", i, k);
            output.size = strlen(text);
            if (store_put(store, "blob", span_text(text), &output.id, NULL) != 0)
                _exit(1);
            (void)snprintf(text, sizeof text, "action %u.%d", i, k);
            if (store_put(store, "action", span_text(text), &result.action, NULL) != 0 ||
                store_put_result(store, &result, NULL) != 0)
                _exit(1);
        }
        struct store_gc *gc;
        bool over = false;
        uint64_t now = store_sequence(store);
        if (store_gc_begin(store, now > 2000 ? now - 2000 : 1, false, &gc, NULL) != 0)
            _exit(1);
        while (!over)
            if (store_gc_sweep(gc, 50, &over, NULL) != 0 || store_commit(store, NULL) != 0)
                _exit(1);
        store_gc_end(gc);
        if (i == 5 && write(ready, "x", 1) != 1)
            _exit(1);
    }
}

static pid_t start_writer(const char *folder)
{
    int ends[2];
    char byte;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0)
        write_for_ever(folder, ends[1]);
    (void)close(ends[1]);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    (void)close(ends[0]);
    return child;
}

static void stop_writer(pid_t child)
{
    int status;
    (void)kill(child, SIGKILL);
    (void)waitpid(child, &status, 0);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* One kill -9 in the middle of writing and freeing per round: the store is whole each time. */
static void test_store_gc__killed_in_the_middle(void **state)
{
    (void)state;
    char folder[TEST_FOLDER_SIZE];
    test_folder_new(folder);
    for (unsigned round = 0; round < 8; round++) {
        struct store *store;
        pid_t child = start_writer(folder);
        (void)usleep(1000 * (1 + 7 * round));
        stop_writer(child);
        assert_int_equal(store_open(folder, STORE_WRITE, &store, NULL), 0);
        (void)check(store);
        uint64_t dropped = 1;
        assert_int_equal(store_rebuild(store, &dropped, NULL), 0);
        assert_int_equal(dropped, 0);
        store_close(store);
    }
    test_folder_remove(folder);
}

/* The check looks at one moment, however much is written and freed meanwhile. */
static void test_store_gc__fsck_beside_a_writer_is_clean(void **state)
{
    (void)state;
    char folder[TEST_FOLDER_SIZE];
    test_folder_new(folder);
    pid_t child = start_writer(folder);
    struct store *store;
    struct store_check found;
    uint64_t events = 0, results = 0;
    assert_int_equal(store_open(folder, STORE_READ, &store, NULL), 0);
    for (int i = 0; i < 30; i++) {
        found = check(store);
        events += found.results != results; /* the writer was not idle */
        results = found.results;
    }
    assert_true(events > 1);
    store_close(store);
    stop_writer(child);
    test_folder_remove(folder);
}

static void test_store_gc__backup_beside_a_writer(void **state)
{
    (void)state;
    char folder[TEST_FOLDER_SIZE], copy[TEST_FOLDER_SIZE + 16];
    struct store *store;
    struct err err;
    test_folder_new(folder);
    (void)snprintf(copy, sizeof copy, "%s/copy", folder);
    pid_t child = start_writer(folder);
    assert_int_equal(store_open(folder, STORE_READ, &store, NULL), 0);
    assert_int_equal(store_backup(store, copy, NULL), 0);
    assert_int_equal(store_backup(store, copy, &err), ERR_BUSY);
    store_close(store);
    stop_writer(child);
    assert_int_equal(store_open(copy, STORE_READ, &store, NULL), 0);
    assert_true(check(store).results > 0);
    store_close(store);
    test_folder_remove(folder);
}

static void test_store_gc__compact_shrinks_and_keeps(void **state)
{
    struct fixture *fixture = *state;
    struct store *store = fixture->store;
    size_t size = 8 << 20;
    uint8_t *bytes = mem_new(size, 1);
    uint64_t before, after;
    struct err err;
    struct hash kept = put(store, "kept"), lost;
    assert_int_equal(store_put(store, "blob", (struct span){bytes, size}, &lost, NULL), 0);
    commit(store);
    struct store_gc *gc = begin(store, false);
    store_gc_keep(gc, &kept);
    (void)finish(store, gc);
    assert_int_equal(store_compact(fixture->folder, &before, &after, &err), ERR_BUSY);
    store_close(store);
    assert_int_equal(store_compact(fixture->folder, &before, &after, NULL), 0);
    assert_true(before > size && after < size / 8);
    assert_int_equal(store_open(fixture->folder, STORE_WRITE, &fixture->store, NULL), 0);
    assert_true(store_has(fixture->store, &kept));
    (void)put(fixture->store, "and it goes on");
    commit(fixture->store);
    assert_int_equal(check(fixture->store).objects, 2);
    free(bytes);
}

/* A store of before gc lacks its tables: readers do without, a writer makes them. */
static void test_store_gc__opens_older_stores(void **state)
{
    struct fixture *fixture = *state;
    static const char *const names[] = {"pruned", "touched"};
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi table;
    struct hash id = put(fixture->store, "old");
    commit(fixture->store);
    store_close(fixture->store);
    fixture->store = NULL;
    assert_int_equal(mdb_env_create(&env), 0);
    assert_int_equal(mdb_env_set_maxdbs(env, 16), 0);
    assert_int_equal(mdb_env_open(env, fixture->folder, 0, 0666), 0);
    assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_int_equal(mdb_dbi_open(txn, names[i], 0, &table), 0);
        assert_int_equal(mdb_drop(txn, table, 1), 0);
    }
    assert_int_equal(mdb_txn_commit(txn), 0);
    mdb_env_close(env);

    assert_int_equal(store_open(fixture->folder, STORE_READ, &fixture->store, NULL), 0);
    assert_int_equal(check(fixture->store).objects, 1);
    assert_false(store_has_pruned(fixture->store));
    assert_int_equal(store_pruned(fixture->store, &id, NULL, NULL), ERR_NOT_FOUND);
    store_close(fixture->store);
    assert_int_equal(store_open(fixture->folder, STORE_WRITE, &fixture->store, NULL), 0);
    assert_int_equal(store_touch(fixture->store, &id, NULL), 0);
    commit(fixture->store);
    (void)put(fixture->store, "later");
    commit(fixture->store);
    assert_int_equal(finish(fixture->store, begin(fixture->store, false)).freed_objects, 2);
}

/* A reader would look at pages of two files: nothing is done while there is one. */
static void test_store_gc__compact_waits_for_readers(void **state)
{
    struct fixture *fixture = *state;
    int to_child[2], from_child[2], status;
    uint64_t before, after;
    struct err err;
    char byte;
    (void)put(fixture->store, "kept");
    commit(fixture->store);
    store_close(fixture->store);
    fixture->store = NULL;
    assert_int_equal(pipe(to_child) | pipe(from_child), 0);
    pid_t child = fork();
    if (child == 0) {
        struct store *store;
        bool fine = store_open(fixture->folder, STORE_READ, &store, NULL) == 0 &&
                    write(from_child[1], "x", 1) == 1 && read(to_child[0], &byte, 1) == 1;
        _exit(fine ? 0 : 1);
    }
    assert_int_equal(read(from_child[0], &byte, 1), 1);
    assert_int_equal(store_compact(fixture->folder, &before, &after, &err), ERR_BUSY);
    assert_non_null(strstr(err.text, "somebody reads the store"));
    assert_int_equal(write(to_child[1], "x", 1), 1);
    (void)waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    assert_int_equal(store_compact(fixture->folder, &before, &after, NULL), 0);
    for (int i = 0; i < 2; i++) {
        (void)close(to_child[i]);
        (void)close(from_child[i]);
    }
}

#define ON_BOTH(name)                                                                          \
    {#name "/memory", name, set_up_memory, tear_down, NULL},                                   \
    {                                                                                          \
#name "/lmdb", name, set_up_lmdb, tear_down, NULL                                      \
    }

/* Many of everything: what is kept and what can be made again is found in large sets, too. */
static void test_store_gc__keeps_many(void **state)
{
    enum { MANY = 6000 };
    struct store *store = ((struct fixture *)*state)->store;
    struct hash *ids = mem_new(3 * MANY, sizeof *ids);
    char text[32];
    for (int i = 0; i < 3 * MANY; i++) {
        (void)snprintf(text, sizeof text, "object %d", i);
        ids[i] = put(store, text);
    }
    commit(store);
    struct store_gc *gc = begin(store, false);
    for (int i = 0; i < MANY; i++) {
        store_gc_keep(gc, &ids[i]);
        store_gc_keep(gc, &ids[i]); /* twice is once */
        store_gc_prune(gc, &ids[MANY + i], &ids[i]);
    }
    bool over = false;
    struct store_gc_counts counts;
    while (!over)
        assert_int_equal(store_gc_sweep(gc, 1000, &over, NULL), 0);
    commit(store);
    store_gc_counts(gc, &counts);
    store_gc_end(gc);
    assert_int_equal(counts.objects, MANY);
    assert_int_equal(counts.freed_objects, 2 * MANY);
    assert_int_equal(counts.pruned, MANY);
    for (int i = 0; i < 3 * MANY; i++) {
        struct hash action;
        assert_int_equal(store_has(store, &ids[i]), i < MANY);
        bool pruned = store_pruned(store, &ids[i], &action, NULL) == 0;
        assert_int_equal(pruned, i >= MANY && i < 2 * MANY);
        assert_true(!pruned || hash_equal(&action, &ids[i - MANY]));
    }
    (void)check(store);
    free(ids);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(test_store_gc__unmarked_goes_marked_stays),
        ON_BOTH(test_store_gc__dry_run_counts_and_frees_nothing),
        ON_BOTH(test_store_gc__what_is_wanted_again_stays),
        ON_BOTH(test_store_gc__touch_outlives_begin_and_ages),
        ON_BOTH(test_store_gc__freed_output_leaves_the_way_back),
        ON_BOTH(test_store_gc__young_results_keep_old_outputs),
        ON_BOTH(test_store_gc__keeping_wins_over_pruning),
        ON_BOTH(test_store_gc__notes_follow_their_results),
        ON_BOTH(test_store_gc__sequences_are_not_reused),
        ON_BOTH(test_store_gc__large_objects_go_whole),
        ON_BOTH(test_store_gc__one_at_a_time),
        ON_BOTH(test_store_gc__tells_marks_and_ages),
        ON_BOTH(test_store_gc__keeps_many),
        cmocka_unit_test(test_store_gc__killed_in_the_middle),
        cmocka_unit_test(test_store_gc__fsck_beside_a_writer_is_clean),
        cmocka_unit_test(test_store_gc__backup_beside_a_writer),
        cmocka_unit_test_setup_teardown(test_store_gc__compact_shrinks_and_keeps, set_up_lmdb,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_store_gc__opens_older_stores, set_up_lmdb,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_store_gc__compact_waits_for_readers, set_up_lmdb,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
