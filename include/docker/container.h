/* container.h - a task as a container of the local engine (docker-swarm.md 5.13). Pure. */
#ifndef SB_DOCKER_CONTAINER_H
#define SB_DOCKER_CONTAINER_H
#include "docker/docker.h"
#include "docker/template.h"
#include "model/session.h"

/*
 * POST /containers/create for a task whose container_spec is set. Templates in environment,
 * hostname and mounts are filled in. Only the first network attachment is in it: engines
 * before 1.44 take no more; the others follow by container_connect_request.
 * 0; ERR_INVALID (a template, a host entry) or ERR_LIMIT (body size) with msg.
 */
int container_create_request(struct arena *a, const struct task *t,
			     const struct template_node *node, struct docker_request *out,
			     struct errmsg *msg);
/* Connects a created container to one more network, with the address the manager gave. */
struct docker_request container_connect_request(struct arena *a, const char *container,
						const struct network_attachment *attachment);
/* A grace period as the engine counts it: whole seconds, never less than asked for. */
int64_t container_grace_s(int64_t grace_ns);
struct docker_request container_start_request(struct arena *a, const char *container);
/* The engine sends the stop signal and kills after the grace. grace_ns < 0: the one the
 * container was created with. */
struct docker_request container_stop_request(struct arena *a, const char *container,
					     int64_t grace_ns);
/* With its anonymous volumes. */
struct docker_request container_remove_request(struct arena *a, const char *container);
struct docker_request container_inspect_request(struct arena *a, const char *name_or_id);
/* All containers with this node's label, running or not. */
struct docker_request container_list_request(struct arena *a, const char *node_id);
/* since, tail: as the engine takes them, or NULL. Lines carry timestamps. */
struct docker_request container_logs_request(struct arena *a, const char *container,
					     const struct session_logs *logs);

enum container_state { CONTAINER_CREATED, CONTAINER_RUNNING, CONTAINER_EXITED, CONTAINER_REMOVING };
enum container_health { HEALTH_NONE, HEALTH_STARTING, HEALTH_HEALTHY, HEALTH_UNHEALTHY };

struct container {
	const char *id;
	const char *task_id;	/* our labels; NULL if absent */
	const char *node_id;
	enum container_state state;
	/* these only from inspect */
	enum container_health health;	/* HEALTH_NONE: it has no healthcheck */
	int64_t pid;
	int64_t exit_code;
	int out_of_memory;
	const char *error;		/* the engine's, of the last start or stop; NULL if none */
	struct list ports;		/* struct port_config, host mode, in the engine's order */
	struct strings networks;	/* names it is connected to */
};

/* An inspect answer. All in a. 0, or ERR_INVALID with msg. */
int container_parse(struct arena *a, struct slice body, struct container *out,
		    struct errmsg *msg);
/* A list answer: list of struct container. 0, or ERR_INVALID with msg. */
int container_list_parse(struct arena *a, struct slice body, struct list *out,
			 struct errmsg *msg);
/* The id in a create answer. NULL if there is none. */
const char *container_created_id(struct arena *a, struct slice body);
#endif
