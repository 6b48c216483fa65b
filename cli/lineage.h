/* From which inputs, by which actions, a thing was made. */
#ifndef WYCKMILL_CLI_LINEAGE_H
#define WYCKMILL_CLI_LINEAGE_H

#include "store/store.h"

#include <jansson.h>

/* The object, the action that made it, its inputs and so on: one entry per object appended to
 * `rows`, or with NULL an indented line each on stdout. Errors: those of reading. */
int lineage_tell(struct store *store, const struct hash *start, json_t *rows, struct err *err);

#endif
