/* `wyckmill ls`: the campaigns of a store, or its objects of one type. */
#include "cli/cli.h"

#include "cli/find.h"
#include "common/cleanup.h"

#include <jansson.h>
#include <string.h>

struct listing {
    struct store *store;
    const struct cli_common *options;
    json_t *rows;
    uint64_t n;
};

static int list_object(void *context, const struct store_info *info)
{
    struct listing *listing = context;
    char hex[HASH_HEX_SIZE];
    if (strcmp(listing->options->word, "objects") != 0 &&
        strcmp(info->type, listing->options->word) != 0)
        return 0;
    (void)hash_hex(&info->id, hex);
    listing->n++;
    if (listing->options->json)
        return json_array_append_new(listing->rows,
                                     json_pack("{s:s,s:s,s:I}", "id", hex, "type", info->type,
                                               "size", (json_int_t)info->size));
    (void)printf("%s  %-11s %12llu\n", hex, info->type, (unsigned long long)info->size);
    return 0;
}

static const char *const states[] = {[PLANNER_RUNNING] = "unfinished",
                                     [PLANNER_DONE] = "done",
                                     [PLANNER_PARTLY] = "partly",
                                     [PLANNER_FAILED] = "failed"};

static int list_campaign(void *context, const char *name, const struct hash *id)
{
    struct listing *listing = context;
    struct campaign campaign = {0};
    struct planner_status status = {0};
    struct hash found;
    char hex[HASH_HEX_SIZE];
    const char *plain = strchr(name, '/') ? strchr(name, '/') + 1 : name;
    bool known = !find_campaign(listing->store, plain, &campaign, &found, NULL) &&
                 !find_campaign_status(listing->store, &campaign, &status, NULL);
    const char *will = find_campaign_will(listing->store, plain, id);
    const char *state = known ? states[status.state] : "unreadable";
    if (known && will && status.state == PLANNER_RUNNING)
        state = will;
    campaign_done(&campaign);
    (void)hash_hex(id, hex);
    listing->n++;
    if (listing->options->json)
        return json_array_append_new(
            listing->rows, json_pack("{s:s,s:s,s:s,s:I,s:I}", "name", plain, "id", hex, "state",
                                     state, "finished", (json_int_t)status.finished, "planned",
                                     (json_int_t)status.planned));
    (void)printf("%-24s %-10s %5llu/%llu tasks  %.16s\n", plain, state,
                 (unsigned long long)status.finished, (unsigned long long)status.planned, hex);
    return 0;
}

/* Refs are collected first: a campaign's state is read in transactions of its own. */
struct refs {
    struct listing *listing;
    struct {
        char name[STORE_REF_NAME_SIZE];
        struct hash id;
    } items[256];
    unsigned n;
};

static int collect_ref(void *context, const char *name, const struct hash *id)
{
    struct refs *refs = context;
    if (refs->n == sizeof refs->items / sizeof refs->items[0])
        return 1;
    (void)snprintf(refs->items[refs->n].name, STORE_REF_NAME_SIZE, "%s", name);
    refs->items[refs->n++].id = *id;
    return 0;
}

static int list_campaigns(struct listing *listing, struct err *err)
{
    static struct refs refs;
    refs = (struct refs){.listing = listing};
    int rc = store_each_ref(listing->store, "campaigns/", collect_ref, &refs, err);
    for (unsigned i = 0; i < refs.n; i++)
        (void)list_campaign(listing, refs.items[i].name, &refs.items[i].id);
    return rc < 0 ? rc : 0;
}

int cmd_ls(int argc, char **argv)
{
    static const struct cli_usage usage = {
        .common = CLI_STORE | CLI_JSON,
        .word = "[TYPE]",
        .doc = "List the campaigns of a store, or with TYPE its objects: source, dataset, "
               "checkpoint, metrics, samples, candidates, report, action, campaign, or "
               "objects for all."};
    struct cli_common options;
    struct err err = {0};
    cleanup(store_close_ptr) struct store *store = NULL;
    int rc = cli_parse_usage(&usage, argc, argv, &options, NULL);
    if (rc)
        return rc - 1;
    rc = find_store_open(options.store, &store, &err);
    if (rc)
        return cli_fail("ls", &err, options.json);
    struct listing listing = {.store = store, .options = &options, .rows = json_array()};
    rc = options.word ? store_each_object(store, list_object, &listing, &err)
                      : list_campaigns(&listing, &err);
    if (options.json && !rc) {
        (void)json_dumpf(listing.rows, stdout, JSON_INDENT(1));
        (void)putchar('\n');
    } else if (!rc && !listing.n) {
        (void)fprintf(stderr, "nothing to list\n");
    }
    json_decref(listing.rows);
    return rc ? cli_fail("ls", &err, options.json) : EXIT_DONE;
}
