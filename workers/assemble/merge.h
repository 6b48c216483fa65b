/* Shards of encoded structures to one data set: one set of columns, lines of files, equal
 * structures once, ids that are unique, a split. The order in which shards are added changes
 * only the order of the rejects. */
#ifndef WYCKMILL_WORKERS_ASSEMBLE_MERGE_H
#define WYCKMILL_WORKERS_ASSEMBLE_MERGE_H

#include "proto/objects.h"

enum { REMOVED_LISTED_MAX = 1000 };

/* A structure left out because another one is the same. */
struct removed {
    char id[ID_SIZE], file[PATH_SIZE], same_as[ID_SIZE];
    uint32_t line;
};

/* A record on its way: its structure's name is needed for order, duplicates and split. */
struct merge_entry {
    struct record record;
    struct hash structure;
};

/* `{0}` is an empty one; merge_done frees. */
struct merge {
    struct dataset dataset; /* columns and rejects; records only after merge_finish */
    struct merge_entry *entries;
    uint32_t n_entries;
    size_t entries_capacity, rejects_capacity;
    uint32_t duplicates; /* structures taken out */
    uint32_t n_removed;  /* of them, listed: the first REMOVED_LISTED_MAX by id */
    struct removed *removed;
};

void merge_done(struct merge *merge);
/* Takes the records out of the shard. Its relative lines (LINE_RELATIVE) begin behind
 * `lines_before` lines of their file. Crystals of more than `atoms_max` atoms in the
 * conventional cell become rejects. */
void merge_add(struct merge *merge, struct dataset *shard, uint32_t lines_before,
               uint64_t atoms_max);
/* Once, when all are added: merge->dataset is then complete. A structure is for validation when
 * its name, as a number in [0, 1), is below `validation`. */
void merge_finish(struct merge *merge, double validation);

#endif
