/* progress.h - waiting until a service is what it was asked to be. Pure. */
#ifndef SB_PROGRESS_H
#define SB_PROGRESS_H
#include "applets/cli.h"
#include "model/service.h"

enum {
	PROGRESS_POLL_FIRST_MS = 10,	/* so that the command ends when the service runs */
	PROGRESS_POLL_MAX_MS = 200,	/* as docker's */
	PROGRESS_STALL_MS = 60000,	/* without any change: no more waiting */
	PROGRESS_ERRORS = 3,		/* the same error so often: it will come again */
};

/* What one look at a service shows. */
struct progress {
	uint64_t running, desired;	/* tasks of the newest spec */
	int update;			/* enum update_state */
	char message[ERRMSG_MAX];	/* of the update */
	char error[ERRMSG_MAX];		/* the one that most tasks ended or wait with, or "" */
	unsigned errors;		/* tasks that ended with it since since_ns */
};

/*
 * service: the API's object. tasks: its tasks of the newest spec (filter _up-to-date).
 * since_ns: what ended before is not counted. 0, or an error of model_decode with msg.
 */
int progress_read(struct arena *a, const struct json *service, const struct json *tasks,
		  int64_t since_ns, struct progress *out, struct errmsg *msg);
/* 1: all replicas run and no update is under way. */
int progress_is_done(const struct progress *p);
/* 1: the update has stopped, or the same error keeps coming; why: a line about it. */
int progress_is_stuck(const struct progress *p, struct errmsg *why);

/*
 * Waits for the service, and shows how far it is on stderr (one line drawn again and again on
 * a terminal), nothing if quiet. Returns the exit status: 0 when it is done, or when Ctrl-C
 * ended the waiting; CLI_FAILED when it is stuck or stands still, after saying why. The
 * service stays in every case.
 */
int progress_wait(struct cli *cli, const char *service_id, int quiet);
#endif
