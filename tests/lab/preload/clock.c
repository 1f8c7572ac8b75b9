/*
 * Preloaded into a dynamic swarmbox (the sanitized one): its wall clock is off by as many seconds
 * as the file $CLOCK_STEP says, a native int64_t that may be changed while it runs. The lab's hosts
 * share one kernel, so a real clock cannot be set for one of them.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *step_s;

__attribute__((constructor)) static void map_step(void)
{
	const char *path = getenv("CLOCK_STEP");
	int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
	void *map = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(*step_s), PROT_READ, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED)
		abort();
	step_s = map;
	close(fd);
}

int clock_gettime(clockid_t id, struct timespec *t)
{
	long result = syscall(SYS_clock_gettime, id, t);

	if (result == 0 && id == CLOCK_REALTIME && step_s != NULL)
		t->tv_sec += *step_s;
	return (int)result;
}
