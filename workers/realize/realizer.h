/* Protostructure -> crystal: templates first, random starts where there is none, a short
 * relaxation in the reduced coordinates, and the proof that the result has the symmetry asked
 * for. Everything learned from the data set is made once, by realizer_new. */
#ifndef WYCKMILL_REALIZE_REALIZER_H
#define WYCKMILL_REALIZE_REALIZER_H

#include "proto/objects.h"

struct realize_options {
    uint64_t seed;
    uint32_t random_starts;   /* for a sample without a usable template */
    uint32_t relax_steps_max; /* per start; 0: start geometries as they are */
    uint32_t templates_max;   /* templates tried per sample; 0: random starts only */
    double symprec;           /* Angstrom */
};

enum {
    REALIZE_STARTS_MAX = 1000,
    REALIZE_STEPS_MAX = 10000,
    REALIZE_TEMPLATES = 4,   /* templates_max of the task */
    REALIZE_ATOMS_MAX = 400, /* in the conventional cell; larger samples are refused */
};

enum outcome { OUTCOME_REALIZED, OUTCOME_HIGHER_SYMMETRY, OUTCOME_FAILED };

struct realizer; /* borrows the data set */

struct realizer *realizer_new(const struct dataset *dataset,
                              const struct realize_options *options);
void realizer_free(struct realizer *realizer);
void realizer_free_ptr(struct realizer **realizer);

/* Realize sample number `sample`. The candidate is always well formed: valid, or with its
 * reason. It depends on the data set, the options, the sample number and `proto` alone.
 * Caller owns (candidate_done). */
enum outcome realizer_run(struct realizer *realizer, uint32_t sample,
                          const struct protostructure *proto, struct candidate *ret);

#endif
