/* What a Wyckoff position is, as numbers that a network can use: computed once from the table
 * of all 230 groups, so that rare groups borrow from common ones. */
#ifndef WYCKMILL_DIFFUSION_POSITIONS_H
#define WYCKMILL_DIFFUSION_POSITIONS_H

#include "workers/crystal/wyckoff.h"

enum {
    POSITION_FEATURES = 16,
    SYMMETRIES_MAX = 512, /* distinct site-symmetry symbols; the table has far fewer */
};

struct positions {
    uint16_t n_symmetries;
    uint16_t
        symmetry[POSITIONS_TOTAL]; /* number of its symbol among the sorted distinct ones */
    uint8_t dof[POSITIONS_TOTAL];  /* 0..3; 0: a fixed position */
    uint8_t multiplicity[POSITIONS_TOTAL];
    /* 4 degrees of freedom one-hot; log2 multiplicity / 8; multiplicity / group order; then how
     * the orbit fills the cell: |sum over members of exp(2 pi i h.r)| / multiplicity for ten
     * small h (a shift of origin does not change them), free coordinates at generic values. */
    float features[POSITIONS_TOTAL][POSITION_FEATURES];
};

/* The one table; built by the first call (one thread), never changes. */
const struct positions *positions_get(void);

#endif
