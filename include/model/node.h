/* node.h - nodes, the cluster and networks. Pure. */
#ifndef SB_MODEL_NODE_H
#define SB_MODEL_NODE_H
#include "model/service.h"

enum node_role { ROLE_WORKER, ROLE_MANAGER };
enum node_availability { AVAILABILITY_ACTIVE, AVAILABILITY_PAUSE, AVAILABILITY_DRAIN };
enum node_state { NODE_UNKNOWN, NODE_DOWN, NODE_READY, NODE_DISCONNECTED };

struct node_spec {
	const char *name;
	struct labels labels;
	int role;		/* enum node_role */
	int availability;	/* enum node_availability */
	struct slice extra;
};

struct engine_description {
	const char *engine_version;
	struct labels labels;
	struct slice plugins;
};

struct node_resources {
	int64_t nano_cpus, memory_bytes;
};

/* What a node's certificate rests on. The issuer's two are base64 of DER, as Docker has them. */
struct tls_info {
	const char *trust_root;			/* PEM of the roots that it believes */
	const char *cert_issuer_subject;
	const char *cert_issuer_public_key;	/* SubjectPublicKeyInfo */
};

struct node_description {
	const char *hostname;
	struct platform platform;
	struct node_resources resources;
	struct engine_description engine;
	struct tls_info tls_info;
	struct slice extra;
};

struct node_status {
	int state;		/* enum node_state */
	const char *message;
	const char *addr;
};

struct manager_status {
	int leader;
	const char *reachability;	/* "reachable" */
	const char *addr;		/* host:port */
};

struct node {
	struct meta meta;
	struct node_spec spec;
	struct node_description description;
	struct node_status status;
	struct manager_status *manager_status;
	const char *join_key;	/* internal: public key that it asked to join with, in base64 */
};

struct orchestration_config {
	int64_t task_history_retention_limit;	/* default 5 */
};

/* Shown as they were set; swarmbox's own log keeps itself short (manager.h). */
struct raft_settings {
	uint64_t snapshot_interval;		/* default 10000 */
	uint64_t *keep_old_snapshots;		/* default 0 */
	uint64_t log_entries_for_slow_followers;	/* default 500 */
	int64_t election_tick, heartbeat_tick;	/* default 10, 1 */
};

struct dispatcher_config {
	int64_t heartbeat_period;	/* ns; default 5 s */
};

struct ca_config {
	int64_t node_cert_expiry;	/* ns; default 2160 h */
	uint64_t force_rotate;		/* a new root each time it grows */
	struct slice extra;
};

struct encryption_config {
	int auto_lock_managers;
};

struct cluster_spec {
	const char *name;	/* "default" */
	struct labels labels;
	struct orchestration_config orchestration;
	struct raft_settings raft;
	struct dispatcher_config dispatcher;
	struct ca_config ca;
	struct slice task_defaults;	/* JSON, as it came */
	struct encryption_config encryption;
	struct slice extra;
};

/* A node that was removed may still have a certificate. */
struct removed_node {
	const char *id;
	int64_t until;		/* Unix ns: it has ended by then */
};

/* A new root is on its way: it issues, and is believed beside the old one, which signed it, too,
 * until every node has a certificate of it (applets/manager/ca.h). All three are PEM. */
struct root_rotation {
	const char *next_cert, *next_key;
	const char *cross_signed;	/* the next one's name and key, signed by the old one */
};

struct cluster {
	struct meta meta;
	struct cluster_spec spec;
	struct strings default_addr_pool;	/* {"10.0.0.0/8"} */
	uint64_t subnet_size;			/* 24 */
	/* Internal: the swarm's authority, as PEM, and the tokens that let nodes join. */
	const char *root_cert, *root_key;
	struct root_rotation *rotation;	/* NULL: none is under way */
	const char *worker_token, *manager_token;
	const char *unlock_key;		/* likewise; SWMKEY-1-...; NULL: managers do not lock */
	struct list removed;	/* struct removed_node; internal */
};

struct ipam_config {
	const char *subnet, *ip_range, *gateway;
	struct labels auxiliary_addresses;
};

struct ipam {
	const char *driver;
	struct labels options;
	struct list config;	/* struct ipam_config */
};

/* What a client sends to create one; also what is stored. */
struct network_spec {
	const char *name;
	const char *driver;	/* "overlay" */
	struct labels labels, options;
	int internal, attachable, ingress;
	struct ipam ipam;	/* once stored: one subnet with its gateway */
	struct slice extra;
};

struct network {
	struct meta meta;
	struct network_spec spec;
	int pending_delete;	/* internal: removed by a user; goes when no task uses it */
};

/* "active", "pause", "drain": *availability is the enum's. 0 or ERR_INVALID. */
int availability_parse(struct slice text, int *availability);

extern const struct table node_table, node_spec_table, node_description_table, cluster_table,
	cluster_spec_table, network_table, network_spec_table, tls_info_table;
#endif
