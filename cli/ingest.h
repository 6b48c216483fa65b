/* A campaign's data: files, folders and the built-in set, cut into source objects. */
#ifndef WYCKMILL_CLI_INGEST_H
#define WYCKMILL_CLI_INGEST_H

#include "cli/config.h"
#include "proto/objects.h"

/* Read everything that file->data names, in order. What cannot be read is an item with its
 * reason; a path that does not exist ends it. Caller owns *ret (source_done). Errors:
 * ERR_NOT_FOUND, ERR_INVALID (no data at all). */
int ingest_read(const struct campaign_file *file, struct source *ret, struct err *err);

/* Cut into shards (cli/shards.h), hand each one's canonical bytes to `put` (which returns its
 * id), and list them in campaign->sources and campaign->lines_before. Errors: those of `put`,
 * ERR_INVALID (more shards than a campaign holds). */
int ingest_shards(const struct source *source,
                  int (*put)(void *context, struct span bytes, struct hash *ret_id,
                             struct err *err),
                  void *context, struct campaign *campaign, struct err *err);

struct client;
/* All of it for a broker: read, put, submit. *ret_id: the campaign's. */
int ingest_submit(struct client *client, struct campaign_file *file,
                  const struct source *source, struct hash *ret_id, struct err *err);

#endif
