/* rng.h - a seeded random generator for ids, jitter and the simulator. Pure.
 *
 * xoshiro256** (Blackman, Vigna 2018) seeded by splitmix64. Not for keys: those come from
 * io/entropy.h.
 */
#ifndef SB_BASE_RNG_H
#define SB_BASE_RNG_H
#include <stdint.h>

struct rng {
	uint64_t state[4];	/* private */
};

void rng_init(struct rng *r, uint64_t seed);
uint64_t rng_next(struct rng *r);
/* Even in 0 .. n-1; n > 0. */
uint64_t rng_below(struct rng *r, uint64_t n);
/* 1 with a chance of n in of. */
int rng_chance(struct rng *r, uint64_t n, uint64_t of);
#endif
