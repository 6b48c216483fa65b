/* A slot's input objects: files of the cache folder, . The hash of a file is
 * checked when the process sees it first; the same file (inode and time) is then trusted. */
#ifndef WYCKMILL_WORKERS_RUNTIME_INPUTS_H
#define WYCKMILL_WORKERS_RUNTIME_INPUTS_H

#include "common/err.h"
#include "common/hash.h"

struct inputs;

struct inputs *inputs_new(int folder_fd); /* borrows the descriptor */
void inputs_free(struct inputs *inputs);

/* *ret_spans: one per id, caller hands it back to inputs_unmap.
 * Errors: ERR_NOT_FOUND, ERR_CORRUPT, ERR_IO; *ret_bad is the id. */
int inputs_map(struct inputs *inputs, const struct hash *ids, uint32_t n,
               struct span **ret_spans, struct hash *ret_bad, struct err *err);
void inputs_unmap(struct inputs *inputs, struct span *spans, uint32_t n);

#endif
