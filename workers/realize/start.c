#include "workers/realize/start.h"

#include "common/cleanup.h"
#include "common/mem.h"

#include <math.h>

enum { DRAWS = 8 }; /* most random draws overlap: looking is cheaper than relaxing */

static const double log_length_spread = 0.35; /* standard deviation: c/a of 2 is common */
static const double shear_spread = 0.3;       /* tangent of the tilt, in units of A */

static void draw(const struct relax *relax, struct rng *rng, double *values)
{
    const struct reduced *reduced = relax->reduced;
    for (uint32_t i = 0; i < reduced->n_lattice; i++)
        values[i] = rng_normal(rng) * (i < 3 ? log_length_spread : shear_spread);
    for (uint32_t i = reduced->n_lattice; i < reduced->n; i++)
        values[i] = rng_uniform(rng);
    reduced_set_log_volume(reduced, relax->log_volume, values);
}

int start_random(struct relax *relax, struct rng *rng, double *ret_values, struct err *err)
{
    uint32_t n = relax->reduced->n;
    cleanup(free_ptr) double *values = mem_new(n, sizeof *values);
    double best = HUGE_VAL, energy;
    int rc = 0;
    for (int d = 0; d < DRAWS; d++) {
        draw(relax, rng, values);
        rc = relax_energy(relax, values, &energy, NULL, err);
        if (rc == 0 && energy < best) {
            best = energy;
            memcpy(ret_values, values, n * sizeof *values);
        }
    }
    return best < HUGE_VAL ? 0 : rc;
}
