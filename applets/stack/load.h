/* load.h - a compose file (format 3) becomes services and networks. Pure.
 *
 * What Docker's `stack deploy` makes of a file (docker/cli cli/compose/loader and convert),
 * with the place of what is wrong. Tables say for each key of each mapping what becomes of it.
 */
#ifndef SB_STACK_LOAD_H
#define SB_STACK_LOAD_H
#include "model/node.h"

#define STACK_LABEL "com.docker.stack.namespace"
#define STACK_IMAGE_LABEL "com.docker.stack.image"

enum {
	/* What all texts, interpolated and copied, may add up to: aliases can repeat one of
	 * YAML_TEXT_MAX bytes in each of YAML_NODES_MAX nodes. */
	STACK_TEXT_MAX = 16 * 1024 * 1024,
	STACK_PORTS_MAX = 20000,	/* of all services: ranges are short to write */
	STACK_WARNINGS_MAX = 1000,	/* more than a person reads; then one that says so */
	STACK_ENV_FILE_MAX = 1024 * 1024,
};

struct stack_source {
	const char *file;	/* for messages */
	struct slice text;
	const char *dir;	/* absolute: where the paths in the file start */
	void *context;
	/* The value of a variable of the caller's environment, or NULL. */
	const char *(*env)(void *context, const char *name);
	/* Adds a file's content to out (an env_file): 0, or an error with msg. */
	int (*read)(void *context, const char *path, struct buf *out, struct errmsg *msg);
};

struct stack {
	const char *name;
	struct list services;	/* struct service_spec, in the file's order, names scoped */
	struct list networks;	/* struct network_spec: those that a service uses, names scoped */
	struct strings externals;	/* names of networks that must be there already */
	struct strings warnings;	/* "FILE:LINE:COLUMN: path: what is ignored" */
};

/*
 * Loads one file. 0, or ERR_INVALID, ERR_LIMIT, ERR_UNSUPPORTED, or what source->read gave,
 * with msg "FILE:LINE:COLUMN: path: why". All of *out lives in a.
 */
int stack_load(struct arena *a, const char *name, const struct stack_source *source,
	       struct stack *out, struct errmsg *msg);

/* Names of stacks: as of services, since they stand in front of them. 0 or ERR_INVALID. */
int stack_check_name(const char *name, struct errmsg *msg);
#endif
