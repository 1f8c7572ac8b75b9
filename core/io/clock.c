#include <assert.h>
#include <time.h>

#include "io/clock.h"

uint64_t clock_now_ms(void)
{
	struct timespec t;
	int r = clock_gettime(CLOCK_MONOTONIC, &t);

	assert(r == 0);
	(void)r;
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

int64_t clock_wall_ns(void)
{
	struct timespec t;
	int r = clock_gettime(CLOCK_REALTIME, &t);

	assert(r == 0);
	(void)r;
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}
