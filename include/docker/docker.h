/* docker.h - the engine as a whole: requests as data, errors, /info, events. Pure.
 *
 * Targets carry no API version: an engine then speaks its newest, and what is used here is
 * the same from 1.41 (Docker 20.10) on; an engine that dropped old versions still answers.
 */
#ifndef SB_DOCKER_DOCKER_H
#define SB_DOCKER_DOCKER_H
#include <stdint.h>
#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "model/node.h"

/* The labels Docker's own swarm puts on what it makes (docker-swarm.md 5.13). */
#define LABEL_TASK "com.docker.swarm.task"
#define LABEL_TASK_ID "com.docker.swarm.task.id"
#define LABEL_TASK_NAME "com.docker.swarm.task.name"
#define LABEL_NODE_ID "com.docker.swarm.node.id"
#define LABEL_SERVICE_ID "com.docker.swarm.service.id"
#define LABEL_SERVICE_NAME "com.docker.swarm.service.name"
#define LABEL_NETWORK_ID "com.docker.swarm.network.id"

enum {
	/* A create request: its spec came through a 1 MiB API body, and escapes double it. */
	DOCKER_BODY_MAX = 4 * 1024 * 1024,
	DOCKER_TARGET_MAX = 4096,
	DOCKER_ERROR_MAX = 400,		/* of an engine's message: it must fit beside ours */
	/* One line of a stream: an event with its container's labels, a pull's progress. */
	LINES_LINE_MAX = 256 * 1024,
};

/* One call. All of it lives in the arena given when it was built. */
struct docker_request {
	const char *method;
	const char *target;
	struct slice body;	/* JSON, or empty */
	uint64_t timeout_ms;	/* 0 = none */
};

/* A request without a body: format is the target's (printf rules). */
struct docker_request docker_request(struct arena *a, const char *method, uint64_t timeout_ms,
				     const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* text percent-encoded, in a. */
const char *docker_escape(struct arena *a, const char *text);
/* {"label":["KEY=VALUE"]} percent-encoded, as the `filters` parameter takes it. */
const char *docker_label_filter(struct arena *a, const char *key, const char *value);

/* What an error answer says: its {"message": ...}, else its text, else the status; one line. */
const char *docker_error(struct arena *a, int status, struct slice body);

struct docker_request docker_info_request(struct arena *a);
/*
 * /info as a node's description; hostname replaces the engine's name when it is not NULL.
 * All in a. 0, or ERR_INVALID with msg.
 */
int docker_info_parse(struct arena *a, struct slice body, const char *hostname,
		      struct node_description *out, struct errmsg *msg);

/* The stream of what happens to this node's containers, from since_s (Unix seconds) on. */
struct docker_request docker_events_request(struct arena *a, const char *node_id,
					    int64_t since_s);

struct docker_event {
	struct slice container;	/* engine's id */
	struct slice task;	/* its task id label */
	struct slice action;	/* "create", "start", "die", "destroy", "health_status: x" */
};

/* One line of the stream. 0, or ERR_INVALID. Slices point into a. */
int docker_event_parse(struct arena *a, struct slice line, struct docker_event *out);

/*
 * Lines out of a stream that is cut anywhere:
 *
 *	lines_feed(&l, piece);
 *	while (lines_next(&l, &line))
 *		...line, without its end, valid until the next feed...
 *
 * A line longer than LINES_LINE_MAX is dropped whole. At the end of the stream
 * lines_feed(&l, SLICE("\n")) gives what stood without an end.
 */
struct lines {
	struct buf buf;		/* private */
	size_t taken;		/* private: bytes of buf handed out */
	int skipping;		/* private: inside a line that is too long */
};

void lines_init(struct lines *l);
void lines_done(struct lines *l);
void lines_feed(struct lines *l, struct slice piece);
/* 1 with a line (not empty), 0 when more input is needed. */
int lines_next(struct lines *l, struct slice *line);
#endif
