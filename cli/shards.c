/* Cuts between source objects: see shards.h. */
#include "cli/shards.h"

#include "common/mem.h"

#include <stdlib.h>

/* ---- where to cut ---- */

/* Of what the item holds, and of its file's name: equal structures in a folder of files, and
 * files that cannot be read, then differ. */
static uint64_t item_hash(const struct source_item *item, struct buf *scratch)
{
    scratch->size = 0;
    buf_append(scratch, item->file, strlen(item->file) + 1);
    buf_append(scratch, item->text, item->size);
    struct hash hash = hash_bytes(buf_span(scratch));
    return hash_u64(&hash);
}

static uint64_t *item_hashes(const struct source *source)
{
    struct buf scratch = {0};
    uint64_t *hashes = mem_new(source->n_items, sizeof *hashes);
    for (uint32_t i = 0; i < source->n_items; i++)
        hashes[i] = item_hash(&source->items[i], &scratch);
    buf_done(&scratch);
    return hashes;
}

/* Is item `i` the largest around? The first of equal ones is. Needs a full window on both
 * sides. */
static bool is_largest(const uint64_t *hashes, uint32_t i)
{
    for (uint32_t k = 1; k <= SHARD_WINDOW; k++)
        if (hashes[i + k] > hashes[i])
            return false;
    for (uint32_t k = 1; k < SHARD_WINDOW; k++)
        if (hashes[i - k] >= hashes[i])
            return false;
    return true;
}

/* How many of the items from `first` on, `n` at most, fit into one object; at least 1. */
static uint32_t items_that_fit(const struct source *source, uint32_t first, uint32_t n)
{
    size_t bytes = source->items[first].size;
    uint32_t fit = 1;
    while (fit < n && fit < SHARD_ITEMS_MAX &&
           bytes + source->items[first + fit].size <= SHARD_BYTES_MAX)
        bytes += source->items[first + fit++].size;
    return fit;
}

/* Size of the next shard of a stretch of `n` items that begins at `first` and holds no natural
 * cut. */
static uint32_t forced_size(const struct source *source, const uint64_t *hashes, uint32_t first,
                            uint32_t n)
{
    uint32_t fit = items_that_fit(source, first, n);
    if (fit == n || fit < SHARD_WINDOW)
        return fit;
    uint32_t end = fit - SHARD_WINDOW > SHARD_WINDOW ? fit - SHARD_WINDOW : SHARD_WINDOW;
    uint32_t best = SHARD_WINDOW - 1;
    for (uint32_t k = best + 1; k < end; k++)
        if (hashes[first + k] > hashes[first + best])
            best = k;
    return best + 1;
}

/* ---- lines ---- */

/* How many items at the front of the shard belong to the file of the item before it. */
static uint32_t items_continued(const struct source *source, const struct shard *shard)
{
    uint32_t n = 0;
    if (shard->first == 0)
        return 0;
    const char *file = source->items[shard->first - 1].file;
    while (n < shard->n && !strcmp(source->items[shard->first + n].file, file))
        n++;
    return n;
}

static uint32_t lines_before(const struct source *source, const struct shard *shard)
{
    uint32_t n = items_continued(source, shard);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t line = source->items[shard->first + i].line;
        if (line > 0)
            return line - 1;
    }
    return 0;
}

void shard_encode(const struct source *source, const struct shard *shard, struct buf *out)
{
    uint32_t n = items_continued(source, shard);
    struct source part = {.n_items = shard->n};
    part.items = mem_copy(source->items + shard->first, shard->n * sizeof *part.items);
    for (uint32_t i = 0; shard->lines_before > 0 && i < n; i++) {
        struct source_item *item = &part.items[i];
        if (item->line > shard->lines_before) /* 0 is the whole file, wherever it stands */
            item->line = (item->line - shard->lines_before) | LINE_RELATIVE;
    }
    source_encode(&part, out);
    free(part.items);
}

/* ---- all ---- */

uint32_t shards_cut(const struct source *source, struct shard **ret)
{
    uint32_t n_items = source->n_items, n = 0;
    uint64_t *hashes = item_hashes(source);
    struct shard *shards = NULL;
    size_t capacity = 0;
    for (uint32_t first = 0, end = 0; end < n_items; first = end) {
        bool natural = false;
        while (end < n_items && !natural) {
            end++;
            natural = end >= SHARD_WINDOW && n_items - end >= SHARD_WINDOW &&
                      is_largest(hashes, end - 1);
        }
        while (first < end) {
            mem_reserve(shards, capacity, n + 1u);
            struct shard *shard = &shards[n++];
            *shard = (struct shard){.first = first,
                                    .n = forced_size(source, hashes, first, end - first)};
            shard->lines_before = lines_before(source, shard);
            first += shard->n;
        }
    }
    free(hashes);
    *ret = shards;
    return n;
}
