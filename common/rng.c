/* Philox streams by Random123: see rng.h. */
#include "common/rng.h"

#include "common/mathd.h"

/* Random123's headers predate our warning set. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wundef"
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wstrict-prototypes"
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#include <Random123/philox.h>
#pragma GCC diagnostic pop

#include <math.h>

struct rng rng_stream(uint64_t key, uint32_t item, uint32_t step, uint32_t lane)
{
    return (struct rng){
        .key = {(uint32_t)key, (uint32_t)(key >> 32)},
        .counter = {item, step, lane, 0},
        .used = 4,
    };
}

uint32_t rng_u32(struct rng *rng)
{
    if (rng->used == 4) {
        philox4x32_ctr_t counter = {
            {rng->counter[0], rng->counter[1], rng->counter[2], rng->counter[3]}};
        philox4x32_key_t key = {{rng->key[0], rng->key[1]}};
        philox4x32_ctr_t out = philox4x32_R(10, counter, key);
        for (int i = 0; i < 4; i++)
            rng->block[i] = out.v[i];
        rng->counter[3]++;
        rng->used = 0;
    }
    return rng->block[rng->used++];
}

double rng_uniform(struct rng *rng)
{
    uint64_t high = rng_u32(rng) >> 5, low = rng_u32(rng) >> 6;
    return ((double)(high << 26 | low)) * 0x1p-53;
}

uint32_t rng_below(struct rng *rng, uint32_t n)
{
    /* Lemire 2019, arXiv:1805.10941: multiply, and reject the few biased low parts. */
    uint64_t product = (uint64_t)rng_u32(rng) * n;
    if ((uint32_t)product < n) {
        uint32_t threshold = (uint32_t)(-n) % n;
        while ((uint32_t)product < threshold)
            product = (uint64_t)rng_u32(rng) * n;
    }
    return (uint32_t)(product >> 32);
}

double rng_normal(struct rng *rng)
{
    double radius = sqrt(-2.0 * mathd_log(1.0 - rng_uniform(rng)));
    return radius * mathd_cos(2.0 * MATHD_PI * rng_uniform(rng));
}
