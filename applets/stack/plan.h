/* plan.h - what to ask the API so that it has what a stack says. Pure. */
#ifndef SB_STACK_PLAN_H
#define SB_STACK_PLAN_H
#include "applets/stack/load.h"
#include "codec/json.h"

struct plan_step {
	const char *method, *path;
	struct slice body;	/* JSON, or empty */
	const char *line;	/* to print before: "Creating network S_n" */
	const char *update;	/* id of the service that it updates: path ends with its version.
				 * Else NULL */
	int is_service;		/* creates or updates one */
};

struct plan {
	struct list steps;		/* struct plan_step, to be done in order */
	struct strings services;	/* ids of services that go: their tasks end later */
};

/* All that the API lists, not only what is the stack's. */
struct plan_state {
	const struct json *services, *networks;
};

/*
 * prune: services of the stack
 * that the file does not have go first. An update keeps ForceUpdate, and the image with its digest
 * where the file still says the same. 0, or an error before anything is done, with msg: a network
 * that must exist does not (ERR_NOT_FOUND), a name belongs to somebody else (ERR_EXISTS), a port
 * to another service (ERR_IN_USE), an answer that is none (ERR_INVALID).
 */
int plan_deploy(struct arena *a, const struct stack *stack, int prune,
		const struct plan_state *state, struct plan *out, struct errmsg *msg);

/* Services by name, then networks. No steps: there is no such stack. Errors as above. */
int plan_remove(struct arena *a, const char *stack, const struct plan_state *state,
		struct plan *out, struct errmsg *msg);

/* The path of an update of a version. */
const char *plan_update_path(struct arena *a, const char *id, uint64_t version);
#endif
