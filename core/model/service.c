/* The tables of service.h: JSON keys and omissions of Docker's API (definitions ServiceSpec,
 * TaskSpec, Service; docker-swarm facts 2.2). */
#include "model_private.h"
#include "model/service.h"

static const char *const protocol_names[] = { "tcp", "udp", "sctp", NULL };
static const char *const publish_names[] = { "ingress", "host", NULL };
static const char *const endpoint_mode_names[] = { "vip", "dnsrr", NULL };
static const char *const condition_names[] = { "any", "on-failure", "none", NULL };
static const char *const failure_names[] = { "pause", "continue", "rollback", NULL };
static const char *const order_names[] = { "stop-first", "start-first", NULL };
static const char *const update_names[] = {
	"", "updating", "paused", "completed", "rollback_started", "rollback_paused",
	"rollback_completed", NULL,
};

/* Version is {"Index": n}. */
static const struct field version_fields[] = {
	{ .name = "Index", .kind = FIELD_U64, .flags = OMIT, .offset = 0 },
	{ 0 },
};
static const struct table version_table = {
	"Version", sizeof(uint64_t), TABLE_NO_EXTRA, version_fields,
};

static const struct field meta_fields[] = {
	ROW(meta, id, "ID", FIELD_STRING, 0),
	ROW_TABLE(meta, version, "Version", FIELD_STRUCT, 0, &version_table),
	ROW(meta, created_at, "CreatedAt", FIELD_TIME, 0),
	ROW(meta, updated_at, "UpdatedAt", FIELD_TIME, 0),
	{ 0 },
};
const struct table meta_table = { "Meta", sizeof(struct meta), TABLE_NO_EXTRA, meta_fields };

static const struct field port_fields[] = {
	ROW(port_config, name, "Name", FIELD_STRING, OMIT),
	ROW_ENUM(port_config, protocol, "Protocol", protocol_names, 0),
	ROW(port_config, target_port, "TargetPort", FIELD_U64, OMIT),
	ROW(port_config, published_port, "PublishedPort", FIELD_U64, OMIT),
	ROW_ENUM(port_config, publish_mode, "PublishMode", publish_names, 0),
	{ 0 },
};
const struct table port_config_table = {
	"EndpointPortConfig", sizeof(struct port_config), offsetof(struct port_config, extra),
	port_fields,
};

static const struct field endpoint_spec_fields[] = {
	ROW_ENUM(endpoint_spec, mode, "Mode", endpoint_mode_names, 0),
	ROW_TABLE(endpoint_spec, ports, "Ports", FIELD_LIST, OMIT, &port_config_table),
	{ 0 },
};
const struct table endpoint_spec_table = {
	"EndpointSpec", sizeof(struct endpoint_spec), offsetof(struct endpoint_spec, extra),
	endpoint_spec_fields,
};

static const struct field health_fields[] = {
	ROW(health_config, test, "Test", FIELD_STRINGS, OMIT),
	ROW(health_config, interval, "Interval", FIELD_I64, OMIT),
	ROW(health_config, timeout, "Timeout", FIELD_I64, OMIT),
	ROW(health_config, start_period, "StartPeriod", FIELD_I64, OMIT),
	ROW(health_config, start_interval, "StartInterval", FIELD_I64, OMIT),
	ROW(health_config, retries, "Retries", FIELD_I64, OMIT),
	{ 0 },
};
const struct table health_config_table = {
	"HealthConfig", sizeof(struct health_config), offsetof(struct health_config, extra),
	health_fields,
};

static const struct field mount_fields[] = {
	ROW(mount, type, "Type", FIELD_STRING, OMIT),
	ROW(mount, source, "Source", FIELD_STRING, OMIT),
	ROW(mount, target, "Target", FIELD_STRING, OMIT),
	ROW(mount, read_only, "ReadOnly", FIELD_BOOL, OMIT),
	ROW(mount, bind_options, "BindOptions", FIELD_RAW, OMIT),
	ROW(mount, volume_options, "VolumeOptions", FIELD_RAW, OMIT),
	ROW(mount, tmpfs_options, "TmpfsOptions", FIELD_RAW, OMIT),
	{ 0 },
};
const struct table mount_table = {
	"Mount", sizeof(struct mount), offsetof(struct mount, extra), mount_fields,
};

static const struct field ulimit_fields[] = {
	ROW(ulimit, name, "Name", FIELD_STRING, 0),
	ROW(ulimit, hard, "Hard", FIELD_I64, 0),
	ROW(ulimit, soft, "Soft", FIELD_I64, 0),
	{ 0 },
};
static const struct table ulimit_table = {
	"Ulimit", sizeof(struct ulimit), TABLE_NO_EXTRA, ulimit_fields,
};

static const struct field dns_fields[] = {
	ROW(dns_config, nameservers, "Nameservers", FIELD_STRINGS, OMIT),
	ROW(dns_config, search, "Search", FIELD_STRINGS, OMIT),
	ROW(dns_config, options, "Options", FIELD_STRINGS, OMIT),
	{ 0 },
};
static const struct table dns_table = {
	"DNSConfig", sizeof(struct dns_config), TABLE_NO_EXTRA, dns_fields,
};

static const struct field container_fields[] = {
	ROW(container_spec, image, "Image", FIELD_STRING, OMIT),
	ROW(container_spec, labels, "Labels", FIELD_LABELS, OMIT),
	ROW(container_spec, command, "Command", FIELD_STRINGS, OMIT),
	ROW(container_spec, args, "Args", FIELD_STRINGS, OMIT),
	ROW(container_spec, hostname, "Hostname", FIELD_STRING, OMIT),
	ROW(container_spec, env, "Env", FIELD_STRINGS, OMIT),
	ROW(container_spec, dir, "Dir", FIELD_STRING, OMIT),
	ROW(container_spec, user, "User", FIELD_STRING, OMIT),
	ROW(container_spec, groups, "Groups", FIELD_STRINGS, OMIT),
	ROW(container_spec, privileges, "Privileges", FIELD_RAW, OMIT),
	ROW(container_spec, init, "Init", FIELD_BOOL_OPT, OMIT),
	ROW(container_spec, stop_signal, "StopSignal", FIELD_STRING, OMIT),
	ROW(container_spec, tty, "TTY", FIELD_BOOL, OMIT),
	ROW(container_spec, open_stdin, "OpenStdin", FIELD_BOOL, OMIT),
	ROW(container_spec, read_only, "ReadOnly", FIELD_BOOL, OMIT),
	ROW_TABLE(container_spec, mounts, "Mounts", FIELD_LIST, OMIT, &mount_table),
	ROW(container_spec, stop_grace_period, "StopGracePeriod", FIELD_I64_OPT, OMIT),
	ROW_TABLE(container_spec, healthcheck, "Healthcheck", FIELD_POINTER, OMIT,
		  &health_config_table),
	ROW(container_spec, hosts, "Hosts", FIELD_STRINGS, OMIT),
	ROW_TABLE(container_spec, dns_config, "DNSConfig", FIELD_POINTER, OMIT, &dns_table),
	ROW(container_spec, isolation, "Isolation", FIELD_STRING, OMIT),
	ROW(container_spec, sysctls, "Sysctls", FIELD_LABELS, OMIT),
	ROW(container_spec, capability_add, "CapabilityAdd", FIELD_STRINGS, OMIT),
	ROW(container_spec, capability_drop, "CapabilityDrop", FIELD_STRINGS, OMIT),
	ROW_TABLE(container_spec, ulimits, "Ulimits", FIELD_LIST, OMIT, &ulimit_table),
	ROW(container_spec, oom_score_adj, "OomScoreAdj", FIELD_I64, OMIT),
	{ 0 },
};
const struct table container_spec_table = {
	"ContainerSpec", sizeof(struct container_spec), offsetof(struct container_spec, extra),
	container_fields,
};

static const struct field limits_fields[] = {
	ROW(resource_limits, nano_cpus, "NanoCPUs", FIELD_I64, OMIT),
	ROW(resource_limits, memory_bytes, "MemoryBytes", FIELD_I64, OMIT),
	ROW(resource_limits, pids, "Pids", FIELD_I64, OMIT),
	ROW(resource_limits, generic_resources, "GenericResources", FIELD_RAW, OMIT),
	{ 0 },
};
static const struct table limits_table = {
	"Limits", sizeof(struct resource_limits), offsetof(struct resource_limits, extra),
	limits_fields,
};

static const struct field resources_fields[] = {
	ROW_TABLE(resources, limits, "Limits", FIELD_POINTER, OMIT, &limits_table),
	ROW_TABLE(resources, reservations, "Reservations", FIELD_POINTER, OMIT, &limits_table),
	{ 0 },
};
const struct table resources_table = {
	"Resources", sizeof(struct resources), TABLE_NO_EXTRA, resources_fields,
};

static const struct field restart_fields[] = {
	ROW_ENUM(restart_policy, condition, "Condition", condition_names, 0),
	ROW(restart_policy, delay, "Delay", FIELD_I64_OPT, OMIT),
	ROW(restart_policy, max_attempts, "MaxAttempts", FIELD_U64, OMIT),
	ROW(restart_policy, window, "Window", FIELD_I64, OMIT),
	{ 0 },
};
const struct table restart_policy_table = {
	"RestartPolicy", sizeof(struct restart_policy), TABLE_NO_EXTRA, restart_fields,
};

static const struct field platform_fields[] = {
	ROW(platform, architecture, "Architecture", FIELD_STRING, OMIT),
	ROW(platform, os, "OS", FIELD_STRING, OMIT),
	{ 0 },
};
const struct table platform_table = {
	"Platform", sizeof(struct platform), TABLE_NO_EXTRA, platform_fields,
};

static const struct field placement_fields[] = {
	ROW(placement, constraints, "Constraints", FIELD_STRINGS, OMIT),
	ROW(placement, preferences, "Preferences", FIELD_RAW, OMIT),
	ROW(placement, max_replicas, "MaxReplicas", FIELD_U64, OMIT),
	ROW_TABLE(placement, platforms, "Platforms", FIELD_LIST, OMIT, &platform_table),
	{ 0 },
};
static const struct table placement_table = {
	"Placement", sizeof(struct placement), offsetof(struct placement, extra),
	placement_fields,
};

static const struct field network_target_fields[] = {
	ROW(network_target, target, "Target", FIELD_STRING, OMIT),
	ROW(network_target, aliases, "Aliases", FIELD_STRINGS, OMIT),
	ROW(network_target, driver_opts, "DriverOpts", FIELD_LABELS, OMIT),
	{ 0 },
};
static const struct table network_target_table = {
	"NetworkAttachmentConfig", sizeof(struct network_target), TABLE_NO_EXTRA,
	network_target_fields,
};

static const struct field log_driver_fields[] = {
	ROW(log_driver, name, "Name", FIELD_STRING, OMIT),
	ROW(log_driver, options, "Options", FIELD_LABELS, OMIT),
	{ 0 },
};
static const struct table log_driver_table = {
	"LogDriver", sizeof(struct log_driver), TABLE_NO_EXTRA, log_driver_fields,
};

static const struct field task_spec_fields[] = {
	ROW_TABLE(task_spec, container_spec, "ContainerSpec", FIELD_POINTER, OMIT,
		  &container_spec_table),
	ROW_TABLE(task_spec, resources, "Resources", FIELD_POINTER, OMIT, &resources_table),
	ROW_TABLE(task_spec, restart_policy, "RestartPolicy", FIELD_POINTER, OMIT,
		  &restart_policy_table),
	ROW_TABLE(task_spec, placement, "Placement", FIELD_POINTER, OMIT, &placement_table),
	ROW_TABLE(task_spec, networks, "Networks", FIELD_LIST, OMIT, &network_target_table),
	ROW_TABLE(task_spec, log_driver, "LogDriver", FIELD_POINTER, OMIT, &log_driver_table),
	ROW(task_spec, force_update, "ForceUpdate", FIELD_U64, 0),
	ROW(task_spec, runtime, "Runtime", FIELD_STRING, OMIT),
	{ 0 },
};
const struct table task_spec_table = {
	"TaskSpec", sizeof(struct task_spec), offsetof(struct task_spec, extra), task_spec_fields,
};

static const struct field replicated_fields[] = {
	ROW(replicated_mode, replicas, "Replicas", FIELD_U64_OPT, OMIT),
	{ 0 },
};
static const struct table replicated_table = {
	"Replicated", sizeof(struct replicated_mode), TABLE_NO_EXTRA, replicated_fields,
};

static const struct field global_fields[] = { { 0 } };
static const struct table global_table = {
	"Global", sizeof(struct global_mode), TABLE_NO_EXTRA, global_fields,
};

static const struct field mode_fields[] = {
	ROW_TABLE(service_mode, replicated, "Replicated", FIELD_POINTER, OMIT, &replicated_table),
	ROW_TABLE(service_mode, global, "Global", FIELD_POINTER, OMIT, &global_table),
	{ 0 },
};
static const struct table mode_table = {
	"Mode", sizeof(struct service_mode), offsetof(struct service_mode, extra), mode_fields,
};

static const struct field update_config_fields[] = {
	ROW(update_config, parallelism, "Parallelism", FIELD_U64, 0),
	ROW(update_config, delay, "Delay", FIELD_I64, OMIT),
	ROW_ENUM(update_config, failure_action, "FailureAction", failure_names, 0),
	ROW(update_config, monitor, "Monitor", FIELD_I64, OMIT),
	ROW(update_config, max_failure_ratio, "MaxFailureRatio", FIELD_NANO, 0),
	ROW_ENUM(update_config, order, "Order", order_names, 0),
	{ 0 },
};
const struct table update_config_table = {
	"UpdateConfig", sizeof(struct update_config), offsetof(struct update_config, extra),
	update_config_fields,
};

static const struct field service_spec_fields[] = {
	ROW(service_spec, name, "Name", FIELD_STRING, OMIT),
	ROW(service_spec, labels, "Labels", FIELD_LABELS, 0),
	ROW_TABLE(service_spec, task_template, "TaskTemplate", FIELD_STRUCT, 0, &task_spec_table),
	ROW_TABLE(service_spec, mode, "Mode", FIELD_STRUCT, 0, &mode_table),
	ROW_TABLE(service_spec, update_config, "UpdateConfig", FIELD_POINTER, OMIT,
		  &update_config_table),
	ROW_TABLE(service_spec, rollback_config, "RollbackConfig", FIELD_POINTER, OMIT,
		  &update_config_table),
	ROW_TABLE(service_spec, networks, "Networks", FIELD_LIST, OMIT, &network_target_table),
	ROW_TABLE(service_spec, endpoint_spec, "EndpointSpec", FIELD_POINTER, OMIT,
		  &endpoint_spec_table),
	{ 0 },
};
const struct table service_spec_table = {
	"ServiceSpec", sizeof(struct service_spec), offsetof(struct service_spec, extra),
	service_spec_fields,
};

static const struct field endpoint_fields[] = {
	ROW_TABLE(endpoint, spec, "Spec", FIELD_STRUCT, 0, &endpoint_spec_table),
	ROW_TABLE(endpoint, ports, "Ports", FIELD_LIST, OMIT, &port_config_table),
	{ 0 },
};
static const struct table endpoint_table = {
	"Endpoint", sizeof(struct endpoint), TABLE_NO_EXTRA, endpoint_fields,
};

static const struct field update_status_fields[] = {
	ROW_ENUM(update_status, state, "State", update_names, OMIT),
	ROW(update_status, started_at, "StartedAt", FIELD_TIME, OMIT),
	ROW(update_status, completed_at, "CompletedAt", FIELD_TIME, OMIT),
	ROW(update_status, message, "Message", FIELD_STRING, OMIT),
	{ 0 },
};
const struct table update_status_table = {
	"UpdateStatus", sizeof(struct update_status), TABLE_NO_EXTRA, update_status_fields,
};

static const struct field service_fields[] = {
	ROW_TABLE(service, meta, NULL, FIELD_FLAT, 0, &meta_table),
	ROW_TABLE(service, spec, "Spec", FIELD_STRUCT, 0, &service_spec_table),
	ROW_TABLE(service, previous_spec, "PreviousSpec", FIELD_POINTER, OMIT, &service_spec_table),
	ROW_TABLE(service, endpoint, "Endpoint", FIELD_STRUCT, 0, &endpoint_table),
	ROW_TABLE(service, update_status, "UpdateStatus", FIELD_POINTER, OMIT,
		  &update_status_table),
	ROW(service, spec_version, "SpecVersion", FIELD_U64, OMIT | FIELD_INTERNAL),
	{ 0 },
};
const struct table service_table = {
	"Service", sizeof(struct service), TABLE_NO_EXTRA, service_fields,
};
