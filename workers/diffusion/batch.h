/* A ragged batch: crystals as runs of tokens, and what their state contributes to the network's
 * input.
 *
 * The state of a crystal of group g is one row of counts per Wyckoff position: count[z] copies
 * (orbits) of element z. A position without freedom holds none or one orbit; a position with
 * freedom holds 0..COUNT_MAX of every element. Rows of one crystal: first the global token,
 * which has no state, then positions a, b, c, ... */
#ifndef WYCKMILL_DIFFUSION_BATCH_H
#define WYCKMILL_DIFFUSION_BATCH_H

#include "proto/objects.h"
#include "workers/diffusion/positions.h"
#include "workers/nn/gather.h"

enum {
    COUNT_MAX = 12,                 /* orbits of one element on one free position */
    STATE_SIZE = ELEMENT_MAX + 1,   /* [0] is "none" where a fixed position is a category */
    TOKENS_MAX = POSITIONS_MAX + 1, /* of one crystal */
};

struct row_state {
    uint8_t count[STATE_SIZE]; /* count[0] = 0 */
};

extern const float count_log2[COUNT_MAX + 1]; /* log2 of 1..COUNT_MAX */

/* Fill the rows of positions (spacegroup's n_positions) from a protostructure that passed
 * protostructure_check. False when an element occurs more than COUNT_MAX times on a position.
 */
bool state_from_protostructure(struct row_state *ret_rows, const struct protostructure *proto);
/* The other way; sites ascending by (letter, element). Caller owns (protostructure_done). */
void state_to_protostructure(const struct row_state *rows, const struct spacegroup *group,
                             struct protostructure *ret);
/* Category of a fixed position's row: its element, or 0. */
uint32_t state_category(const struct row_state *row);
/* Atoms in the conventional cell. */
uint32_t state_atoms(const struct row_state *rows, const struct spacegroup *group);

/* The learned tables that add up to the tokens; each is (size, width). */
enum input_table {
    INPUT_POSITION,    /* one row per (group, letter) */
    INPUT_SYMMETRY,    /* site-symmetry symbol */
    INPUT_FEATURE,     /* POSITION_FEATURES, weighted by the feature */
    INPUT_GROUP,       /* global token: space group - 1 */
    INPUT_ELEMENT,     /* an element that is there */
    INPUT_REPEAT,      /* the same, weighted by log2 of its count */
    INPUT_COUNT,       /* free positions: how many of an element, 1..COUNT_MAX */
    INPUT_COMPOSITION, /* global token: elements weighted by their share of the atoms */
    INPUT_TABLES,
};
/* Rows of the table. */
uint32_t input_table_size(enum input_table table);

struct batch {
    uint32_t n_crystals, n_rows;
    uint32_t *first;         /* (n_crystals + 1) row of the global token */
    uint32_t *crystal;       /* (n_rows) */
    uint16_t *position;      /* (n_rows) 0..1730; of position a for the global token */
    uint16_t *spacegroup;    /* (n_crystals) 1..230 */
    double *time;            /* (n_crystals) t / T, 0..1 */
    struct row_state *state; /* (n_rows) */
    /* set by batch_prepare */
    float *atoms;            /* (n_crystals) at least 1 */
    float *weight;           /* (n_rows) share of the crystal's atoms; 0 on the global token */
    uint32_t *crystal_index; /* (n_crystals) 0, 1, ...: each crystal is its own condition */
    struct gather *entries[INPUT_TABLES];
    size_t n_entries[INPUT_TABLES];
    /* allocated sizes */
    size_t rows_capacity, crystals_capacity, entries_capacity[INPUT_TABLES];
};

/* `{0}` is an empty batch. Memory is kept for the next use. */
void batch_clear(struct batch *batch);
void batch_done(struct batch *batch);
/* Append a crystal with an empty state; returns its first position's row (the global token is
 * the row before). Pointers into the batch may move. */
uint32_t batch_add(struct batch *batch, const struct spacegroup *group, double time);
/* Number of positions of crystal c. */
static inline uint32_t batch_positions(const struct batch *batch, uint32_t c)
{
    return batch->first[c + 1] - batch->first[c] - 1;
}
/* List the inputs of the present state. Call after the states have changed. */
void batch_prepare(struct batch *batch);

#endif
