/* Which action made an object: results, the other way round. */
#ifndef WYCKMILL_CLI_ORIGINS_H
#define WYCKMILL_CLI_ORIGINS_H

#include "store/store.h"

struct origin {
    struct hash object, action;
};

struct origins {
    struct origin *items; /* by object, then action */
    size_t n, capacity;
};

/* From every result of the store. Caller owns *ret (origins_done), also on failure. */
int origins_load(struct store *store, struct origins *ret, struct err *err);
/* The first one; NULL: no result names the object. */
const struct origin *origins_find(const struct origins *origins, const struct hash *object);
void origins_done(struct origins *origins);

#endif
