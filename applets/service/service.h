/* service.h - the commands of `swarmbox service`. Pure.
 *
 *	service.c	create update scale rollback rm ls ps: their tables and requests
 *	flags.c		the options of create and update
 *	spec.c lists.c	what they make of a spec	values.c mount.c  single values
 *	inspect.c logs.c
 */
#ifndef SB_APPLETS_SERVICE_SERVICE_H
#define SB_APPLETS_SERVICE_SERVICE_H
#include "applets/cli.h"

extern const struct command service_commands[];

/* inspect.c, logs.c */
int service_inspect_run(struct cli *cli);
extern const struct option service_inspect_options[];
int service_logs_run(struct cli *cli);
extern const struct option service_logs_options[];

struct service_logs_flags {
	int follow, timestamps, raw, no_task_ids, no_trunc, no_resolve;
	const char *since, *tail;
};
#endif
