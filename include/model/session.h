/* session.h - what a manager and an agent say to each other on a node's session. Pure.
 *
 * Both directions are JSON objects, one message each, through the tables (MODEL_STORE).
 * Manager to agent: struct session_order, one member of it set beside `assign`.
 * Agent to manager: struct session_report.
 *
 * Assignments: one complete message first, then incremental ones; each names the version it
 * applies to and the one it results in. An agent that sees a gap reports `resync` and gets a
 * complete one.
 */
#ifndef SB_MODEL_SESSION_H
#define SB_MODEL_SESSION_H
#include "model/node.h"
#include "model/task.h"

struct session_assign {
	int complete;		/* replaces all that came before */
	uint64_t applies_to;	/* 0 for a complete one */
	uint64_t results_in;
	struct list tasks;	/* struct task: new or changed of this node, ASSIGNED or later */
	struct strings removed;	/* task ids that are gone from the swarm: remove the container */
	struct list networks;	/* struct network: new ones that the tasks name */
	struct strings networks_removed;	/* network ids this node needs no more */
	struct slice netmap;	/* codec/netmap.h JSON; empty = unchanged */
};

/* Asks for a task's log; answered by session_log pieces with the same id. */
struct session_logs {
	uint64_t id;
	const char *task_id;
	int cancel;		/* the client is gone */
	int stdout_too, stderr_too, follow;
	const char *since;	/* as the engine's API takes it; NULL = all */
	const char *tail;	/* "all" or a count; NULL = all */
};

/* What the node is to be, and whom it is to believe. First in a session, and when it changes. */
struct session_node {
	int role;			/* enum node_role */
	struct strings managers;	/* "ADDRESS:PORT" */
	const char *trust;		/* PEM of the roots */
	int renew;			/* its certificate is not of the authority that is to be */
};

struct session_order {
	struct session_assign *assign;
	struct session_node *node;
	struct session_logs *logs;
	int leave;		/* remove every container and network of ours, then report `left` */
};

struct session_status {
	const char *task_id;
	struct task_status status;
};

struct session_log {
	uint64_t id;
	const char *stream;	/* "stdout" or "stderr" */
	const char *data;	/* base64 of lines, each with the engine's timestamp in front;
				 * NULL in the last one */
	int end;
	const char *err;	/* why it ended early, or NULL */
};

struct session_report {
	struct list statuses;	/* struct session_status, coalesced */
	struct node_description *description;	/* when it changed */
	const char *addr;	/* with it: where the node is reached, "HOST:PORT" */
	const char *node_message;	/* in every report: "" = the engine answers, else why not */
	struct session_log *log;
	int resync;
	int left;
};

/* In one message. A complete set that is larger goes on in incremental ones; a message with
 * fewer is the end of it, and only then does the agent remove what was not named. */
enum { SESSION_TASKS_MAX = 500 };

extern const struct table session_order_table, session_report_table, session_node_table;
#endif
