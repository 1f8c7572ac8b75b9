/* main_node.h - node.json: what a node is, in its data folder. I/O. */
#ifndef SB_APPLETS_MANAGER_MAIN_NODE_H
#define SB_APPLETS_MANAGER_MAIN_NODE_H
#include "applets/manager/manager.h"
#include "base/arena.h"
#include "base/err.h"

/*
 * From the file's text. Strings live in a. Sets node_id, raft_id, the addresses, default_addr_pool
 * and contacts (the other managers that were known); the fields of this start alone (begin,
 * hostname, ...) stay.
 * *founder: this node made the swarm, so while no other manager is known it may found it again
 * when its log is empty (init was cut short). Files of before RaftID: raft id 1, not founder.
 * Raft id 0: the folder was restored from a backup and has not run since; it has none yet.
 * ERR_CORRUPT: damaged.
 */
int node_parse(struct arena *a, struct slice text, struct manager_config *node, int *founder,
	       struct errmsg *msg);
/* ERR_NOT_FOUND: this folder holds no node. Else as node_parse. */
int node_load(struct arena *a, const char *data_dir, struct manager_config *node, int *founder,
	      struct errmsg *msg);
/* Durable when it returns 0. */
int node_save(const char *data_dir, const struct manager_config *node, int founder,
	      struct errmsg *msg);
#endif
