/* A campaign without end on a real store: what a round leaves on disk, how fast a restarted
 * broker is where it was, and what gc gives back.   bench rounds [ROUNDS] [FOLDER]
 * Tasks are invented, outputs as large as those of the demo campaign (128 samples a round); the
 * records, events and commits are the broker's. */
#include "bench/bench.h"

#include "broker/account.h"
#include "broker/reach.h"
#include "common/mem.h"
#include "proto/kinds.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    ROUNDS = 1000,
    COMMIT_TASKS = 16,
    EVENT_BYTES = 180, /* mean of lease and attempt events */
    SAMPLES_BYTES = 3000,
    SCORED_BYTES = 20000, /* realized or scored, of a batch of 32 */
    TABLE_BYTES = 32000,
    REPORT_BYTES = 500,
};

static void check(int rc, const struct err *err)
{
    if (rc == 0)
        return;
    (void)fprintf(stderr, "bench rounds: %s\n", err->text);
    exit(1);
}

static size_t output_size(int kind, uint32_t output)
{
    static const size_t rank[] = {TABLE_BYTES, REPORT_BYTES, TABLE_BYTES};
    return kind == KIND_rank     ? rank[output]
           : kind == KIND_sample ? SAMPLES_BYTES
                                 : SCORED_BYTES;
}

static void put_event(struct store *store, const struct hash *task, const char *what)
{
    uint8_t filling[EVENT_BYTES] = {0};
    struct buf event = {0};
    struct pack pack;
    struct err err;
    uint64_t sequence;
    pack_init(&pack, &event);
    pack_map(&pack, 3);
    pack_key(&pack, "event");
    pack_text(&pack, what);
    pack_key(&pack, "log");
    pack_bytes(&pack, (struct span){filling, EVENT_BYTES - 60});
    pack_key(&pack, "task");
    pack_hash(&pack, task);
    check(store_append_event(store, buf_span(&event), &sequence, &err), &err);
    buf_done(&event);
}

/* The action, its outputs, its result and its two events. */
static void run_task(struct store *store, const struct action *action, const struct hash *id,
                     struct result *ret)
{
    static const char *const types[] = {"candidates", "report", "tally"};
    int kind = kind_find(action->kind);
    struct buf bytes = {0};
    struct hash stored;
    struct err err;
    uint32_t n = kind == KIND_rank                                  ? 3
                 : kind == KIND_assemble || kind == KIND_train_step ? 2
                                                                    : 1;
    *ret = (struct result){
        .action = *id, .n_outputs = n, .outputs = mem_new(n, sizeof *ret->outputs)};
    action_encode(action, &bytes, NULL);
    check(store_put(store, "action", buf_span(&bytes), &stored, &err), &err);
    buf_done(&bytes);
    for (uint32_t i = 0; i < n; i++) {
        size_t size = output_size(kind, i);
        uint8_t *data = mem_new(size, 1);
        memcpy(data, id->bytes, HASH_SIZE);
        data[HASH_SIZE] = (uint8_t)i;
        (void)snprintf(ret->outputs[i].type, sizeof ret->outputs[i].type, "%s", types[i]);
        ret->outputs[i].size = size;
        check(store_put(store, types[i], (struct span){data, size}, &ret->outputs[i].id, &err),
              &err);
        free(data);
    }
    check(store_put_result(store, ret, &err), &err);
    put_event(store, id, "lease");
    put_event(store, id, "attempt");
}

static void make_campaign(struct store *store, struct campaign *campaign, struct hash *ret_id)
{
    struct buf bytes = {0};
    struct err err;
    campaign_default(campaign);
    (void)strcpy(campaign->name, "rounds");
    (void)strcpy(campaign->profile, "bench");
    campaign->rounds_max = 0;
    campaign->stop_found = false;
    campaign->sources = mem_new(1, sizeof *campaign->sources);
    campaign->n_sources = 1;
    check(store_put(store, "source", span_text("bench"), &campaign->sources[0], &err), &err);
    campaign_encode(campaign, &bytes, ret_id);
    check(store_put(store, "campaign", buf_span(&bytes), ret_id, &err), &err);
    check(store_put_ref(store, "campaigns/rounds", ret_id, &err), &err);
    buf_done(&bytes);
}

static uint64_t run_rounds(struct store *store, const struct campaign *campaign,
                           uint32_t rounds)
{
    struct planner *planner;
    const struct action *action;
    struct hash id;
    struct err err;
    uint64_t tasks = 0;
    check(planner_new(campaign, &planner, &err), &err);
    while (planner_rounds_ranked(planner) < rounds &&
           planner_next(planner, &action, &id, &err) == 0) {
        struct result result;
        run_task(store, action, &id, &result);
        if (++tasks % COMMIT_TASKS == 0)
            check(store_commit(store, &err), &err);
        check(planner_result(planner, &id, &result, &err), &err);
        result_done(&result);
    }
    struct account account = {.base = campaign_base(campaign)};
    if (planner_mark_get(planner, &account.mark))
        check(account_save(store, campaign->name, &account, &err), &err);
    check(store_commit(store, &err), &err);
    planner_free(planner);
    return tasks;
}

/* As a broker does it: from the mark on. */
static void restart(struct store *store, const struct campaign *campaign)
{
    struct account account;
    struct planner *planner;
    const struct action *action;
    struct hash id;
    struct err err;
    double begin = bench_now_s();
    check(account_load(store, campaign, &account, &err), &err);
    check(account_planner(campaign, &account, &planner, &err), &err);
    while (planner_next(planner, &action, &id, NULL) == 0) {
        struct result result = {0};
        if (store_get_result(store, &id, &result, NULL) == 0)
            check(planner_result(planner, &id, &result, &err), &err);
        result_done(&result);
    }
    (void)printf("restart     %10.2f ms to round %u\n", (bench_now_s() - begin) * 1e3,
                 planner_rounds(planner));
    planner_free(planner);
}

static void replay_rounds(struct store *store, const struct hash *id, uint32_t rounds)
{
    struct replay replay;
    struct err err;
    double begin = bench_now_s();
    size_t heap = mallinfo2().uordblks;
    check(replay_open(store, id, &replay, &err), &err);
    while (planner_rounds_ranked(replay.planner) < rounds &&
           replay_step(store, &replay, 512, NULL, NULL))
        continue;
    double spent_s = bench_now_s() - begin;
    (void)printf("replay      %10.0f rounds/s, %zu bytes of heap\n", rounds / spent_s,
                 (size_t)mallinfo2().uordblks - heap);
    replay_close(&replay);
}

static long file_bytes(const char *folder)
{
    char path[600];
    (void)snprintf(path, sizeof path, "%.500s/data.mdb", folder);
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) != 0)
        return 0;
    long size = ftell(file);
    (void)fclose(file);
    return size;
}

int bench_rounds(int argc, char **argv)
{
    uint32_t rounds = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : ROUNDS;
    char folder[512];
    struct campaign campaign;
    struct store_gc_counts counts = {0};
    struct store *store;
    struct hash id;
    struct err err;
    uint64_t before, after;
    (void)snprintf(folder, sizeof folder, "%.400s/rounds-XXXXXX", argc > 2 ? argv[2] : "/tmp");
    if (rounds == 0 || !mkdtemp(folder))
        return 2;
    check(store_open(folder, STORE_WRITE, &store, &err), &err);
    make_campaign(store, &campaign, &id);
    uint64_t tasks = run_rounds(store, &campaign, rounds);
    (void)printf("%u rounds, %llu tasks: %.0f bytes of file per round\n", rounds,
                 (unsigned long long)tasks, (double)file_bytes(folder) / rounds);
    restart(store, &campaign);
    replay_rounds(store, &id, rounds);
    double begin = bench_now_s();
    check(reach_gc(store, REACH_CHECKPOINTS, false, &counts, &err), &err);
    (void)printf(
        "gc          %10.0f rounds/s; freed %.0f, kept %.0f bytes of objects per round\n",
        rounds / (bench_now_s() - begin), (double)counts.freed_bytes / rounds,
        (double)counts.bytes / rounds);
    store_close(store);
    check(store_compact(folder, &before, &after, &err), &err);
    (void)printf("compacted   %10.0f bytes of file per round (%.0f per task)\n",
                 (double)after / rounds, (double)after / (double)tasks);
    check(store_open(folder, STORE_READ, &store, &err), &err);
    replay_rounds(store, &id, rounds);
    store_close(store);
    campaign_done(&campaign);
    (void)printf("left in %s\n", folder);
    return 0;
}
