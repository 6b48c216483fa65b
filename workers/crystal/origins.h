/* Equivalent origins: shifts that map a space group onto itself and so exchange Wyckoff letters
 * without changing the crystal (the translations of its Euclidean normalizer; International
 * Tables A, chapter 3.5). Rock salt with Na on a and Cl on b is rock salt with Na on b. */
#ifndef WYCKMILL_CRYSTAL_ORIGINS_H
#define WYCKMILL_CRYSTAL_ORIGINS_H

#include "workers/crystal/wyckoff.h"

struct origin {
    int8_t shift[3];                /* x' = x + shift / 24 */
    uint8_t letters[POSITIONS_MAX]; /* (n_positions) new letter of every position */
};

struct origins {
    uint32_t n;           /* at least 1 */
    struct origin *items; /* the first one is no shift */
};

/* All origins of the group, but for shifts along polar axes: they change no letter. Found from
 * the operations at the first call, then read-only. Any thread. */
const struct origins *origins_get(const struct spacegroup *group);

#endif
