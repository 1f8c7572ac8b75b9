/* io/entropy.h in a simulated run: the same bytes for the same seed. Takes the place of the file in
 * core/io. */
#include "io/entropy.h"
#include <string.h>
#include "base/rng.h"
#include "sim.h"

static struct rng source;

void entropy_seed(uint64_t seed)
{
	rng_init(&source, seed);
}

void entropy_fill(void *bytes, size_t n)
{
	uint8_t *to = bytes;

	for (size_t i = 0; i < n; i++)
		to[i] = (uint8_t)rng_next(&source);
}
