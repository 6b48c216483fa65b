/* Counter-based random numbers: Philox4x32-10 (Salmon et al., SC'11,
 * doi 10.1145/2063384.2063405). A stream is named by (key, item, step, lane), so a draw does
 * not depend on batch size, worker or order of work. key = hash_u64(action id); item = sample
 * or structure; step = time step or epoch; lane = an enum of the module that draws. */
#ifndef WYCKMILL_COMMON_RNG_H
#define WYCKMILL_COMMON_RNG_H

#include <stdint.h>

struct rng {
    uint32_t key[2];
    uint32_t counter[4]; /* item, step, lane, block */
    uint32_t block[4];   /* numbers of the current block */
    uint32_t used;       /* of them, 0..4 */
};

struct rng rng_stream(uint64_t key, uint32_t item, uint32_t step, uint32_t lane);

uint32_t rng_u32(struct rng *rng);
/* Uniform on [0, 1), 53 bits. */
double rng_uniform(struct rng *rng);
/* Uniform on 0..n-1 without bias; n > 0. */
uint32_t rng_below(struct rng *rng, uint32_t n);
/* Standard normal (Box-Muller, one number per call). */
double rng_normal(struct rng *rng);

#endif
