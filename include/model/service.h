/* service.h - services and what they are made of, as Docker's API has them. Pure.
 *
 * Field names and JSON keys follow the Engine API v1.41 (definitions TaskSpec, ServiceSpec,
 * Service). Durations are nanoseconds, CPUs are 10^-9, memory is bytes. 0 means absent where
 * the API says "omitempty"; pointers are NULL when absent.
 */
#ifndef SB_MODEL_SERVICE_H
#define SB_MODEL_SERVICE_H
#include "model/table.h"

/* Every object starts with it. */
struct meta {
	const char *id;
	uint64_t version;	/* log index of the last change */
	int64_t created_at;
	int64_t updated_at;
};

enum protocol { PROTOCOL_TCP, PROTOCOL_UDP, PROTOCOL_SCTP };
enum publish_mode { PUBLISH_INGRESS, PUBLISH_HOST };
enum endpoint_mode { ENDPOINT_VIP, ENDPOINT_DNSRR };

struct port_config {
	const char *name;
	int protocol;		/* enum protocol */
	uint64_t target_port;
	uint64_t published_port;	/* 0 = to be chosen */
	int publish_mode;	/* enum publish_mode */
	struct slice extra;
};

struct endpoint_spec {
	int mode;		/* enum endpoint_mode */
	struct list ports;	/* struct port_config */
	struct slice extra;
};

struct health_config {
	/* {"NONE"}, {"CMD", ...}, {"CMD-SHELL", text}; empty: the image's */
	struct strings test;
	int64_t interval, timeout, start_period, start_interval;
	int64_t retries;
	struct slice extra;
};

struct mount {
	const char *type;	/* bind, volume, tmpfs */
	const char *source;
	const char *target;
	int read_only;
	struct slice bind_options, volume_options, tmpfs_options;	/* JSON, for the engine */
	struct slice extra;
};

struct ulimit {
	const char *name;
	int64_t hard, soft;
};

struct dns_config {
	struct strings nameservers, search, options;
};

struct container_spec {
	const char *image;
	struct labels labels;
	struct strings command;	/* replaces the image's entrypoint */
	struct strings args;	/* replaces the image's command */
	const char *hostname;
	struct strings env;	/* "KEY=value" */
	const char *dir;
	const char *user;
	struct strings groups;
	struct slice privileges;
	int *init;
	const char *stop_signal;
	int tty;
	int open_stdin;
	int read_only;
	struct list mounts;	/* struct mount */
	int64_t *stop_grace_period;	/* default STOP_GRACE_DEFAULT */
	struct health_config *healthcheck;
	struct strings hosts;	/* "IP name alias ..." */
	struct dns_config *dns_config;
	const char *isolation;
	struct labels sysctls;
	struct strings capability_add, capability_drop;
	struct list ulimits;	/* struct ulimit */
	int64_t oom_score_adj;
	struct slice extra;
};
#define STOP_GRACE_DEFAULT (10 * INT64_C(1000000000))

struct resource_limits {	/* Limits and Reservations */
	int64_t nano_cpus;
	int64_t memory_bytes;
	int64_t pids;
	struct slice generic_resources;
	struct slice extra;
};

struct resources {
	struct resource_limits *limits, *reservations;
};

enum restart_condition { RESTART_ANY, RESTART_ON_FAILURE, RESTART_NONE };

struct restart_policy {
	int condition;		/* enum restart_condition */
	int64_t *delay;		/* default RESTART_DELAY_DEFAULT */
	uint64_t max_attempts;	/* 0 = no limit */
	int64_t window;		/* 0 = for ever */
};
#define RESTART_DELAY_DEFAULT (5 * INT64_C(1000000000))

struct platform {
	const char *architecture, *os;
};

struct placement {
	struct strings constraints;
	struct slice preferences;
	uint64_t max_replicas;
	struct list platforms;	/* struct platform */
	struct slice extra;
};

struct network_target {
	const char *target;	/* id or name; an id once stored */
	struct strings aliases;
	struct labels driver_opts;
};

struct log_driver {
	const char *name;
	struct labels options;
};

struct task_spec {
	struct container_spec *container_spec;
	struct resources *resources;
	struct restart_policy *restart_policy;
	struct placement *placement;
	struct list networks;	/* struct network_target */
	struct log_driver *log_driver;
	uint64_t force_update;
	const char *runtime;	/* "container" */
	struct slice extra;
};

struct replicated_mode {
	uint64_t *replicas;	/* never NULL once stored */
};

struct global_mode {
	char none;
};

struct service_mode {	/* one of them is set once stored */
	struct replicated_mode *replicated;
	struct global_mode *global;
	struct slice extra;	/* job modes: refused by the API until they are built */
};

enum failure_action { FAILURE_PAUSE, FAILURE_CONTINUE, FAILURE_ROLLBACK };
enum update_order { ORDER_STOP_FIRST, ORDER_START_FIRST };

struct update_config {
	uint64_t parallelism;	/* 0 = all at once; written even when 0 */
	int64_t delay;
	int failure_action;	/* enum failure_action */
	int64_t monitor;	/* 0 = UPDATE_MONITOR_DEFAULT */
	int64_t max_failure_ratio;	/* 10^-9 */
	int order;		/* enum update_order */
	struct slice extra;
};
#define UPDATE_MONITOR_DEFAULT (5 * INT64_C(1000000000))

struct service_spec {
	const char *name;
	struct labels labels;
	struct task_spec task_template;
	struct service_mode mode;
	struct update_config *update_config, *rollback_config;
	struct list networks;	/* struct network_target; deprecated place: moved on create */
	struct endpoint_spec *endpoint_spec;
	struct slice extra;
};

struct endpoint {
	struct endpoint_spec spec;
	struct list ports;	/* struct port_config with every port chosen */
};

enum update_state {
	UPDATE_NONE, UPDATE_UPDATING, UPDATE_PAUSED, UPDATE_COMPLETED, UPDATE_ROLLBACK_STARTED,
	UPDATE_ROLLBACK_PAUSED, UPDATE_ROLLBACK_COMPLETED,
};

struct update_status {
	int state;		/* enum update_state */
	int64_t started_at, completed_at;
	const char *message;
};

struct service {
	struct meta meta;
	struct service_spec spec;
	struct service_spec *previous_spec;
	struct endpoint endpoint;
	struct update_status *update_status;
	uint64_t spec_version;	/* internal: index that last changed spec; 0 in a proposal means
				 * "this one": apply fills it in */
};

extern const struct table service_table, service_spec_table, task_spec_table,
	container_spec_table, endpoint_spec_table, port_config_table, update_config_table,
	mount_table, health_config_table, resources_table, restart_policy_table,
	update_status_table;
#endif
