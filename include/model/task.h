/* task.h - tasks: one-shot, bound to one node, moving only forward. Pure. */
#ifndef SB_MODEL_TASK_H
#define SB_MODEL_TASK_H
#include "model/service.h"

/* In the order of time; a task's observed state never goes back (swarmkit's task model).
 * The JSON text is the lower-case name. */
enum task_state {
	TASK_NEW, TASK_PENDING, TASK_ASSIGNED, TASK_ACCEPTED, TASK_PREPARING, TASK_READY,
	TASK_STARTING, TASK_RUNNING, TASK_COMPLETE, TASK_SHUTDOWN, TASK_FAILED, TASK_REJECTED,
	TASK_REMOVE,	/* only ever desired */
	TASK_ORPHANED,
};

struct container_status {
	const char *container_id;
	int64_t pid;
	int64_t exit_code;
};

struct port_status {
	struct list ports;	/* struct port_config: host-mode ports as the engine gave them */
};

struct task_status {
	int64_t timestamp;
	int state;		/* enum task_state */
	const char *message;
	const char *err;
	struct container_status *container_status;
	struct port_status port_status;
};

struct attached_network_spec {
	const char *name;
	struct labels labels;
};

struct attached_network {
	const char *id;
	struct attached_network_spec spec;
};

struct network_attachment {
	struct attached_network network;
	struct strings addresses;	/* "10.0.1.3/24" */
	struct strings aliases;	/* internal */
};

struct task {
	struct meta meta;
	struct labels labels;
	struct task_spec spec;
	const char *service_id;
	uint64_t slot;		/* from 1; 0 for global */
	const char *node_id;	/* NULL until assigned */
	struct task_status status;
	int desired_state;	/* enum task_state */
	struct list networks_attachments;	/* struct network_attachment */
	uint64_t spec_version;	/* internal: the service's when it was made */
	const char *service_name;	/* internal */
	struct list ports;	/* internal: struct port_config, host mode ones to publish */
	/* internal: Unix ns before which desired stays READY (restart delay) */
	int64_t start_after;
	int64_t running_at;	/* internal: Unix ns when it was first seen RUNNING, 0 = never */
};

extern const struct table task_table, task_status_table;
extern const char *const task_state_names[];

/* Still takes part: desired <= COMPLETE (docker-swarm.md 5.1 "active"). */
int task_is_active(const struct task *t);
/* Observed state is past running: nothing runs any more. */
int task_is_dead(const struct task *t);
/* "web.1.<id>", or "web.<node id>.<id>" for a global one; in the arena. */
const char *task_name(struct arena *a, const struct task *t);
#endif
