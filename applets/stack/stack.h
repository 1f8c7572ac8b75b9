/* stack.h - the commands of `swarmbox stack`. Pure.
 *
 *	stack.c		deploy rm ls ps services: tables and requests
 *	plan.c		what to ask the API for
 *	load.c		compose files: tables, messages; each mapping in a file of its own
 */
#ifndef SB_STACK_STACK_H
#define SB_STACK_STACK_H
#include "applets/cli.h"

enum {
	STACK_GONE_MS = 60000,	/* rm: the longest wait for tasks to end; grace periods are 10 s */
	STACK_POLL_MS = 100,
	STACK_STALE_TRIES = 5,	/* an update's own progress writes to the service as well */
};

extern const struct command stack_commands[];
#endif
