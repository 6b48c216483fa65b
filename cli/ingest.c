/* A campaign's data as source objects: see ingest.h. */
#include "cli/ingest.h"

#include "cli/shards.h"
#include "common/cleanup.h"
#include "common/mem.h"
#include "workers/crystal/demo.h"
#include "workers/crystal/format.h"
#include "workers/runtime/client.h"

#include <string.h>

static int read_one(const char *path, struct source *source, struct err *err)
{
    if (strcmp(path, "demo") != 0)
        return format_ingest(path, source, err);
    struct buf text = {0};
    int rc = demo_dataset(&text, err);
    if (!rc)
        format_split("demo.extxyz", buf_span(&text), source);
    buf_done(&text);
    return rc;
}

int ingest_read(const struct campaign_file *file, struct source *ret, struct err *err)
{
    struct source source = {0};
    int rc = 0;
    for (uint32_t i = 0; !rc && i < file->n_data; i++)
        rc = read_one(file->data[i], &source, err);
    if (rc == ERR_NOT_FOUND)
        (void)err_hint(err, "name your data with -S data=PATH, or use the built-in set: "
                            "-S data=demo");
    if (!rc && !source.n_items)
        rc = err_set(err, ERR_INVALID, "the data hold no structure");
    if (rc) {
        source_done(&source);
        return rc;
    }
    *ret = source;
    return 0;
}

int ingest_shards(const struct source *source,
                  int (*put)(void *context, struct span bytes, struct hash *ret_id,
                             struct err *err),
                  void *context, struct campaign *campaign, struct err *err)
{
    cleanup(free_ptr) struct shard *shards = NULL;
    uint32_t n = shards_cut(source, &shards);
    if (n > CAMPAIGN_SOURCES_MAX)
        return err_set(err, ERR_INVALID,
                       "%u structures make %u source objects, at most %d fit in a campaign",
                       source->n_items, n, CAMPAIGN_SOURCES_MAX);
    int rc = 0;
    campaign->sources = mem_resize(campaign->sources, n, sizeof *campaign->sources);
    campaign->lines_before =
        mem_resize(campaign->lines_before, n, sizeof *campaign->lines_before);
    campaign->n_sources = n;
    for (uint32_t i = 0; !rc && i < n; i++) {
        struct buf bytes = {0};
        shard_encode(source, &shards[i], &bytes);
        campaign->lines_before[i] = shards[i].lines_before;
        rc = put(context, buf_span(&bytes), &campaign->sources[i], err);
        buf_done(&bytes);
    }
    return rc;
}

static int put_source(void *context, struct span bytes, struct hash *ret_id, struct err *err)
{
    return client_put(context, "source", bytes, ret_id, err);
}

int ingest_submit(struct client *client, struct campaign_file *file,
                  const struct source *source, struct hash *ret_id, struct err *err)
{
    struct campaign *campaign = &file->campaign;
    struct buf bytes = {0};
    (void)snprintf(campaign->profile, sizeof campaign->profile, "%s", numerics_profile());
    int rc = ingest_shards(source, put_source, client, campaign, err);
    if (!rc)
        campaign_encode(campaign, &bytes, NULL);
    if (!rc)
        rc = client_submit(client, buf_span(&bytes), ret_id, err);
    buf_done(&bytes);
    return rc;
}
