/* Random start geometries inside the reduced coordinates. */
#ifndef WYCKMILL_REALIZE_START_H
#define WYCKMILL_REALIZE_START_H

#include "common/rng.h"
#include "workers/realize/relax.h"

/* Of a few random draws the one with the lowest energy under `relax` (whose log_volume is the
 * volume of all of them): free coordinates uniform, lattice shape wide but sane. Draws depend
 * on the stream alone.  ret_values (n).  Errors: those of the last draw, when none has an
 * energy.
 */
int start_random(struct relax *relax, struct rng *rng, double *ret_values, struct err *err);

#endif
