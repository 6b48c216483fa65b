/* Where the structures of a campaign are cut into source objects, one encode task each, so that
 * adding or taking away a few structures leaves all other objects as they were
 * (docs/decisions/0006). Pure. */
#ifndef WYCKMILL_CLI_SHARDS_H
#define WYCKMILL_CLI_SHARDS_H

#include "proto/objects.h"

enum {
    SHARD_WINDOW = 64,          /* no cut is nearer to another one, or to an end of the data */
    SHARD_ITEMS_MAX = 384,      /* about 3.6 s of encoding */
    SHARD_BYTES_MAX = 64 << 20, /* of text: an object is at most 1 GiB */
};

/* A stretch of a source's items. */
struct shard {
    uint32_t first, n;
    uint32_t lines_before; /* of its relative lines (LINE_RELATIVE); 0: it has none */
};

/* A cut falls behind an item whose content hash is larger than those of the SHARD_WINDOW items
 * before it, and no smaller than those of the SHARD_WINDOW behind it. Where that leaves more
 * than SHARD_ITEMS_MAX items or SHARD_BYTES_MAX bytes (many equal structures), there are
 * further cuts, each found from the one before it. Returns how many shards; caller frees
 * *ret. */
uint32_t shards_cut(const struct source *source, struct shard **ret);

/* Canonical bytes of one shard, appended to `out`. Where it begins inside a file, the lines of
 * that file are relative to it. */
void shard_encode(const struct source *source, const struct shard *shard, struct buf *out);

#endif
