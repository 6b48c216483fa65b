/* `wyckmill verify REF`: is everything that a ref reaches what its name says, and does every
 * result on the way have what it names? For a campaign that is its plan; for another object its
 * lineage. With --recompute, a part of the results is computed again as well. */
#include "cli/cli.h"

#include "broker/reach.h"
#include "cli/find.h"
#include "cli/origins.h"
#include "cli/recompute.h"
#include "common/cleanup.h"
#include "common/mem.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

struct options {
    struct cli_common common;
    double percent; /* 0: hash only */
    uint64_t seed;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct options *options = state->input;
    char *end = NULL;
    switch (key) {
    case 'p':
        options->percent = strtod(arg, &end);
        end += *end == '%';
        if (end == arg || *end || !(options->percent > 0 && options->percent <= 100))
            argp_error(state, "--recompute wants a part above 0 and up to 100 %%, not '%s'",
                       arg);
        return 0;
    case 'S':
        options->seed = strtoull(arg, &end, 10);
        if (end == arg || *end || *arg == '-')
            argp_error(state, "--seed wants a number, not '%s'", arg);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

struct ids {
    struct hash *items;
    size_t n, capacity;
};

static void ids_add(struct ids *ids, const struct hash *id)
{
    mem_reserve(ids->items, ids->capacity, ids->n + 1);
    ids->items[ids->n++] = *id;
}

static int compare(const void *a, const void *b)
{
    return hash_compare(a, b);
}

static void ids_unique(struct ids *ids)
{
    size_t kept = 0;
    if (ids->n > 0)
        qsort(ids->items, ids->n, sizeof *ids->items, compare);
    for (size_t i = 0; i < ids->n; i++)
        if (kept == 0 || !hash_equal(&ids->items[i], &ids->items[kept - 1]))
            ids->items[kept++] = ids->items[i];
    ids->n = kept;
}

struct verify {
    struct store *store;
    struct ids objects, actions, executed; /* executed: actions with a result */
    struct buf bytes;
    json_t *findings;
    bool json;
    uint64_t n_objects, n_bytes, n_results, n_open, n_freed, n_findings;
};

static void complain(struct verify *verify, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void complain(struct verify *verify, const char *format, ...)
{
    char sentence[512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    verify->n_findings++;
    if (verify->json)
        (void)json_array_append_new(verify->findings, json_string(sentence));
    else
        (void)printf("%s\n", sentence);
}

/* ---- what is reached ---- */

static void see_action(void *context, const struct hash *action)
{
    struct verify *verify = context;
    ids_add(&verify->actions, action);
}

static int reach_campaign_plan(struct verify *verify, const struct hash *id, struct err *err)
{
    struct replay replay = {0};
    struct campaign campaign = {0};
    int rc = store_get(verify->store, id, &verify->bytes, err);
    if (rc == 0)
        rc = campaign_decode(buf_span(&verify->bytes), &campaign, err);
    if (rc == 0)
        rc = replay_open(verify->store, id, &replay, err);
    if (rc != 0) {
        campaign_done(&campaign);
        return rc;
    }
    for (uint32_t i = 0; i < campaign.n_sources; i++)
        ids_add(&verify->objects, &campaign.sources[i]);
    while (replay_step(verify->store, &replay, UINT32_MAX, see_action, verify))
        continue;
    replay_close(&replay);
    campaign_done(&campaign);
    return 0;
}

static bool read_action(struct verify *verify, const struct hash *id, struct action *ret)
{
    return store_get(verify->store, id, &verify->bytes, NULL) == 0 &&
           action_decode(buf_span(&verify->bytes), ret, NULL) == 0;
}

/* Object by object towards the sources; `objects` is the list of those to look at. */
static int reach_lineage(struct verify *verify, struct err *err)
{
    struct origins origins = {0};
    int rc = origins_load(verify->store, &origins, err);
    for (size_t i = 0; rc == 0 && i < verify->objects.n; i++) {
        const struct origin *origin = origins_find(&origins, &verify->objects.items[i]);
        struct action action = {0};
        bool known = false;
        for (size_t k = 0; origin && k < verify->actions.n && !known; k++)
            known = hash_equal(&verify->actions.items[k], &origin->action);
        if (!origin || known)
            continue;
        ids_add(&verify->actions, &origin->action);
        if (read_action(verify, &origin->action, &action))
            for (uint32_t k = 0; k < action.n_inputs; k++)
                ids_add(&verify->objects, &action.inputs[k]);
        action_done(&action);
    }
    origins_done(&origins);
    return rc;
}

/* ---- looking at it ---- */

static void verify_action(struct verify *verify, const struct hash *id)
{
    char hex[HASH_HEX_SIZE];
    struct result result = {0};
    struct action action = {0};
    struct err why = {0};
    if (store_get_result(verify->store, id, &result, &why) != 0) {
        verify->n_open++;
        return; /* a miss is none of a finished campaign's; damage is in the rows */
    }
    verify->n_results++;
    ids_add(&verify->executed, id);
    for (uint32_t i = 0; i < result.n_outputs; i++) {
        struct store_info info;
        ids_add(&verify->objects, &result.outputs[i].id);
        if (store_stat(verify->store, &result.outputs[i].id, &info, NULL) == 0 &&
            strcmp(info.type, result.outputs[i].type) != 0)
            complain(verify, "result %.16s: output %u is of type %s, the result says %s",
                     hash_hex(id, hex), i, info.type, result.outputs[i].type);
    }
    ids_add(&verify->objects, id);
    if (!read_action(verify, id, &action))
        complain(verify, "result %.16s: its action cannot be read", hash_hex(id, hex));
    for (uint32_t i = 0; i < action.n_inputs; i++)
        ids_add(&verify->objects, &action.inputs[i]);
    action_done(&action);
    result_done(&result);
}

static void verify_object(struct verify *verify, const struct hash *id)
{
    char hex[HASH_HEX_SIZE];
    struct err why = {0};
    if (store_get(verify->store, id, &verify->bytes, &why) == 0) {
        verify->n_objects++;
        verify->n_bytes += verify->bytes.size;
    } else if (store_pruned(verify->store, id, NULL, NULL) == 0) {
        verify->n_freed++;
    } else {
        complain(verify, "object %.16s: %s", hash_hex(id, hex), why.text);
    }
}

static int verify_all(struct verify *verify, const struct store_info *start, struct err *err)
{
    int rc = 0;
    ids_add(&verify->objects, &start->id);
    if (strcmp(start->type, "campaign") == 0)
        rc = reach_campaign_plan(verify, &start->id, err);
    else
        rc = reach_lineage(verify, err);
    ids_unique(&verify->actions);
    for (size_t i = 0; rc == 0 && i < verify->actions.n; i++)
        verify_action(verify, &verify->actions.items[i]);
    ids_unique(&verify->objects);
    for (size_t i = 0; rc == 0 && i < verify->objects.n; i++)
        verify_object(verify, &verify->objects.items[i]);
    return rc;
}

static void print_end(const struct verify *verify, const struct recomputed *recomputed)
{
    if (verify->json) {
        json_t *root = json_pack(
            "{s:b,s:I,s:I,s:I,s:I,s:I,s:O}", "clean", verify->n_findings == 0, "objects",
            (json_int_t)verify->n_objects, "bytes", (json_int_t)verify->n_bytes, "results",
            (json_int_t)verify->n_results, "without_result", (json_int_t)verify->n_open,
            "freed_by_gc", (json_int_t)verify->n_freed, "findings", verify->findings);
        if (recomputed->items)
            (void)json_object_set_new(root, "recomputed",
                                      recomputed_json(verify->store, recomputed));
        (void)json_dumpf(root, stdout, JSON_INDENT(1));
        (void)putchar('\n');
        json_decref(root);
        return;
    }
    (void)printf("%llu objects (%llu bytes) hashed, %llu results checked: ",
                 (unsigned long long)verify->n_objects, (unsigned long long)verify->n_bytes,
                 (unsigned long long)verify->n_results);
    if (verify->n_findings)
        (void)printf("%llu findings\n", (unsigned long long)verify->n_findings);
    else
        (void)printf("all as their names say\n");
    if (verify->n_open)
        (void)printf("%llu actions have no result (yet)\n", (unsigned long long)verify->n_open);
    if (verify->n_freed)
        (void)printf("%llu objects were freed by gc and can be made again\n",
                     (unsigned long long)verify->n_freed);
    if (recomputed->items)
        recomputed_print(verify->store, recomputed);
}

int cmd_verify(int argc, char **argv)
{
    static const struct argp_option rows[] = {
        {"recompute", 'p', "P%", 0,
         "compute this part of the results again, each on another worker than made it while "
         "there is one, and compare bit for bit; without a broker on the store, one is started "
         "for it",
         0},
        {"seed", 'S', "N", 0, "choose another part (default: 0)", 0},
        {0}};
    static const struct cli_usage usage = {
        .common = CLI_STORE | CLI_BROKER | CLI_JSON,
        .word = "REF",
        .hint = "`wyckmill ls` lists the campaigns",
        .doc = "Hash again every object that REF reaches, and check every result on the way. "
               "REF: a campaign's name, a ref or an id. One line per finding; exit code 0 when "
               "all is right, 1 otherwise, 3 when some could not be recomputed.",
        .rows = rows,
        .parser = parse};
    struct options options = {0};
    struct recomputed recomputed = {0};
    struct err err = {0};
    struct store_info start;
    cleanup(store_close_ptr) struct store *store = NULL;
    int rc = cli_parse_usage(&usage, argc, argv, &options.common, &options);
    if (rc)
        return rc - 1;
    rc = find_store_open(options.common.store, &store, &err);
    if (rc == 0)
        rc = find_object(store, options.common.word, &start, &err);
    struct verify verify = {
        .store = store, .json = options.common.json, .findings = json_array()};
    if (rc == 0)
        rc = verify_all(&verify, &start, &err);
    if (rc == 0 && options.percent > 0)
        rc = recompute(store, &options.common, verify.executed.items, verify.executed.n,
                       options.percent, options.seed, &recomputed, &err);
    bool told = rc == 0 || recomputed.items;
    if (told) /* stopped in the middle: what is known already */
        print_end(&verify, &recomputed);
    bool wrong = verify.n_findings + recomputed_findings(&recomputed) > 0;
    bool partly = recomputed_refused(&recomputed) > 0;
    free(recomputed.items);
    free(verify.objects.items);
    free(verify.actions.items);
    free(verify.executed.items);
    buf_done(&verify.bytes);
    json_decref(verify.findings);
    if (rc)
        return cli_fail("verify", &err, options.common.json && !told);
    return wrong ? EXIT_FAILED : partly ? EXIT_PARTLY : EXIT_DONE;
}
