/* bridge.h - a swarm network as a bridge network of the local engine. Pure. */
#ifndef SB_DOCKER_BRIDGE_H
#define SB_DOCKER_BRIDGE_H
#include "docker/docker.h"

/*
 * A bridge named as the network, with its subnet and gateway, its labels, and ours: network
 * and node id, by which this node knows it again.
 */
struct docker_request bridge_create_request(struct arena *a, const struct network *n,
					    const char *node_id);
struct docker_request bridge_inspect_request(struct arena *a, const char *name);
struct docker_request bridge_remove_request(struct arena *a, const char *name);
/* All networks with this node's label. */
struct docker_request bridge_list_request(struct arena *a, const char *node_id);

struct bridge {
	const char *name;
	const char *network_id;	/* our label; NULL if it has none */
	const char *node_id;
};

/* An inspect answer. 0, or ERR_INVALID with msg. */
int bridge_parse(struct arena *a, struct slice body, struct bridge *out, struct errmsg *msg);
/* A list answer: list of struct bridge. 0, or ERR_INVALID with msg. */
int bridge_list_parse(struct arena *a, struct slice body, struct list *out, struct errmsg *msg);
#endif
