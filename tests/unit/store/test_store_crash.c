/* Is every acknowledged fact there after kill -9, and nothing half? A writer stores numbered
 * facts (an object, its result, a ref, an event) in groups, and says each number after its
 * commit; it is killed at a random moment; the store is opened again and everything that was
 * said is looked for. usage: test_store_crash [KILLS] */
#include "tests/support/cmocka.h"

#include "common/mem.h"
#include "common/rng.h"
#include "proto/value.h"
#include "store/store.h"
#include "tests/support/folder.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint32_t kills = 10;

/* ---- fact number n: the same bytes whoever asks ---- */

/* Mostly small, at times several chunks. */
static struct buf bytes_of(uint64_t n)
{
    struct rng rng = rng_stream(n, 0, 0, 0);
    struct buf out = {0};
    size_t size = rng_below(&rng, 3000);
    if (rng_below(&rng, 12) == 0)
        size += 2 * STORE_CHUNK_BYTES + rng_below(&rng, STORE_CHUNK_BYTES);
    buf_append(&out, &n, sizeof n);
    while (out.size < size) {
        uint32_t word = rng_u32(&rng);
        buf_append(&out, &word, sizeof word);
    }
    return out;
}

static struct hash action_of(uint64_t n)
{
    return hash_bytes((struct span){(const uint8_t *)&n, sizeof n});
}

static void put_fact(struct store *store, uint64_t n)
{
    struct buf bytes = bytes_of(n), event = {0};
    struct output output = {.size = bytes.size, .type = "blob"};
    struct result result = {.action = action_of(n), .outputs = &output, .n_outputs = 1};
    struct pack pack;
    char name[32];
    (void)snprintf(name, sizeof name, "fact/%llu", (unsigned long long)n % 16);
    pack_init(&pack, &event);
    pack_map(&pack, 1);
    pack_key(&pack, "n");
    pack_u64(&pack, n);
    int rc = store_put(store, "blob", buf_span(&bytes), &output.id, NULL);
    if (rc == 0)
        rc = store_put_result(store, &result, NULL);
    if (rc == 0)
        rc = store_put_ref(store, name, &output.id, NULL);
    if (rc == 0)
        rc = store_append_event(store, buf_span(&event), NULL, NULL);
    if (rc != 0)
        _exit(3);
    buf_done(&bytes);
    buf_done(&event);
}

/* 1: there, 0: nothing of it is there; anything between fails the test. */
static int fact_is_there(struct store *store, uint64_t n)
{
    struct buf bytes = bytes_of(n), found = {0};
    struct hash id = hash_bytes(buf_span(&bytes)), action = action_of(n);
    struct result result;
    int rc = store_get_result(store, &action, &result, NULL);
    if (rc == 0) {
        assert_true(hash_equal(&result.outputs[0].id, &id));
        result_done(&result);
    } else {
        assert_int_equal(rc, ERR_NOT_FOUND);
    }
    assert_int_equal(store_get(store, &id, &found, NULL), rc);
    buf_done(&bytes);
    buf_done(&found);
    return rc == 0;
}

struct events {
    uint64_t next;
};

static int see_event(void *context, uint64_t sequence, struct span event)
{
    struct events *events = context;
    struct document *document;
    uint64_t n;
    (void)sequence;
    assert_int_equal(document_parse(event, &value_limits_message, &document, NULL), 0);
    assert_int_equal(
        value_u64(value_get(document_root(document), "n"), "n", 0, UINT64_MAX, &n, NULL), 0);
    assert_true(n == events->next);
    events->next++;
    document_free(document);
    return 0;
}

/* ---- the writer ---- */

static void write_until_killed(const char *folder, uint64_t from, int out)
{
    struct store *store;
    struct rng rng = rng_stream(from, 1, 0, 0);
    if (store_open(folder, STORE_WRITE, &store, NULL) != 0)
        _exit(1);
    if (write(out, &from, sizeof from) != sizeof from) /* here I am */
        _exit(4);
    for (uint64_t n = from;;) {
        uint64_t end = n + 1 + rng_below(&rng, 20);
        for (uint64_t i = n; i < end; i++)
            put_fact(store, i);
        if (store_commit(store, NULL) != 0)
            _exit(2);
        n = end;
        if (write(out, &n, sizeof n) != sizeof n)
            _exit(4);
    }
}

/* Kills the writer a while after it has committed `groups` groups. Returns the number of facts
 * that it said were durable. */
static uint64_t run_and_kill(const char *folder, uint64_t from, uint32_t groups,
                             uint32_t microseconds)
{
    int ends[2], status;
    uint64_t said = from, n;
    struct timespec wait = {0, (long)microseconds * 1000};
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)close(ends[0]);
        write_until_killed(folder, from, ends[1]);
    }
    (void)close(ends[1]);
    for (uint32_t i = 0; i <= groups; i++, said = n)
        assert_int_equal(read(ends[0], &n, sizeof n), sizeof n);
    (void)nanosleep(&wait, NULL);
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, &status, 0);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    while (read(ends[0], &n, sizeof n) == sizeof n)
        said = n;
    (void)close(ends[0]);
    return said;
}

static void test_store__nothing_said_is_lost(void **state)
{
    (void)state;
    char folder[TEST_FOLDER_SIZE];
    struct rng rng = rng_stream(2024, 0, 0, 0);
    uint64_t next = 0, unsaid = 0;
    test_folder_new(folder);
    for (uint32_t kill = 0; kill < kills; kill++) {
        struct store *store;
        struct store_check check;
        struct events events = {0};
        uint64_t before = next;
        uint64_t said = run_and_kill(folder, next, rng_below(&rng, 4), rng_below(&rng, 8000));
        assert_int_equal(store_open(folder, STORE_WRITE, &store, NULL), 0);
        for (uint64_t n = before; n < said; n++)
            assert_int_equal(fact_is_there(store, n), 1);
        /* a commit may have been durable before it was said; it is there as a whole */
        assert_int_equal(store_each_event(store, 0, see_event, &events, NULL), 0);
        assert_true(events.next >= said);
        for (uint64_t n = said; n < events.next; n++)
            assert_int_equal(fact_is_there(store, n), 1);
        for (uint64_t n = events.next; n < events.next + 25; n++)
            assert_int_equal(fact_is_there(store, n), 0);
        unsaid += events.next > said;
        next = events.next;
        if (kill % 10 == 9 || kill + 1 == kills) { /* rehashes all there is */
            assert_int_equal(store_fsck(store, NULL, NULL, &check, NULL), 0);
            assert_int_equal(check.damaged + check.dangling, 0);
            assert_int_equal(check.objects, next);
            assert_int_equal(check.results, next);
            assert_int_equal(check.events, next);
        }
        store_close(store);
    }
    print_message("%u kills, %llu facts; %llu groups durable before they were said\n", kills,
                  (unsigned long long)next, (unsigned long long)unsaid);
    assert_true(next > kills / 2);
    test_folder_remove(folder);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_store__nothing_said_is_lost),
    };
    if (argc > 1)
        kills = (uint32_t)strtoul(argv[1], NULL, 10);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
