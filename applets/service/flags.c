/*
 * What create and update have in common stands here once. Docker's names, letters and
 * defaults (docker-swarm commands "service create" and "service update").
 */
#include "applets/service/flags.h"

#define ROW_OF(name_, letter_, kind_, member, default_, placeholder_, help_, choices_) \
	{ name_, letter_, kind_, placeholder_, default_, help_, \
	  offsetof(struct service_flags, member), choices_ }
#define ROW(name_, letter_, kind_, member, default_, help_, choices_) \
	ROW_OF(name_, letter_, kind_, member, default_, NULL, help_, choices_)

/* In the order of the model's enums. */
static const char *const restart_conditions[] = { "any", "on-failure", "none", NULL };
static const char *const endpoint_modes[] = { "vip", "dnsrr", NULL };
static const char *const update_actions[] = { "pause", "continue", "rollback", NULL };
static const char *const rollback_actions[] = { "pause", "continue", NULL };
static const char *const update_orders[] = { "stop-first", "start-first", NULL };
static const char *const service_modes[] = { "replicated", "global", NULL };

#define SHARED \
	ROW("cap-add", 0, OPTION_LIST, cap_add, NULL, \
	    "Add a Linux capability", NULL), \
	ROW("cap-drop", 0, OPTION_LIST, cap_drop, NULL, \
	    "Take a Linux capability away", NULL), \
	ROW("detach", 'd', OPTION_FLAG, detach, NULL, \
	    "Do not wait until the service runs", NULL), \
	ROW("endpoint-mode", 0, OPTION_CHOICE, endpoint_mode, "vip", \
	    "How its name is answered", endpoint_modes), \
	ROW_OF("entrypoint", 0, OPTION_STRING, entrypoint, NULL, \
	       "command", "Replaces the image's entrypoint", NULL), \
	ROW_OF("health-cmd", 0, OPTION_STRING, health_cmd, NULL, \
	       "command", "Command that checks health", NULL), \
	ROW("health-interval", 0, OPTION_DURATION, health_interval, NULL, \
	    "Time between two checks", NULL), \
	ROW("health-retries", 0, OPTION_COUNT, health_retries, NULL, \
	    "Failures in a row that make it unhealthy", NULL), \
	ROW("health-start-interval", 0, OPTION_DURATION, health_start_interval, NULL, \
	    "Time between two checks while it starts", NULL), \
	ROW("health-start-period", 0, OPTION_DURATION, health_start_period, NULL, \
	    "Time to start in which failures do not count", NULL), \
	ROW("health-timeout", 0, OPTION_DURATION, health_timeout, NULL, \
	    "Longest time for one check", NULL), \
	ROW("hostname", 0, OPTION_STRING, hostname, NULL, \
	    "Host name of the containers", NULL), \
	ROW("init", 0, OPTION_FLAG, init, NULL, \
	    "Run an init in each container that reaps processes", NULL), \
	ROW("isolation", 0, OPTION_STRING, isolation, NULL, \
	    "Isolation technology of the containers", NULL), \
	ROW("limit-cpu", 0, OPTION_NANO, limit_cpu, NULL, \
	    "At most so many CPUs", NULL), \
	ROW("limit-memory", 0, OPTION_SIZE, limit_memory, NULL, \
	    "At most so much memory", NULL), \
	ROW("limit-pids", 0, OPTION_COUNT, limit_pids, "0 = no limit", \
	    "At most so many processes", NULL), \
	ROW("log-driver", 0, OPTION_STRING, log_driver, NULL, \
	    "Where logs go", NULL), \
	ROW("log-opt", 0, OPTION_LIST, log_opt, NULL, \
	    "Option of the log driver", NULL), \
	ROW("no-healthcheck", 0, OPTION_FLAG, no_healthcheck, NULL, \
	    "Do not use the image's health check", NULL), \
	ROW("oom-score-adj", 0, OPTION_INT, oom_score_adj, NULL, \
	    "Preference when memory is out (-1000 to 1000)", NULL), \
	ROW("quiet", 'q', OPTION_FLAG, quiet, NULL, \
	    "Do not show progress", NULL), \
	ROW("read-only", 0, OPTION_FLAG, read_only, NULL, \
	    "The container's root file system cannot be written", NULL), \
	ROW("replicas", 0, OPTION_COUNT, replicas, NULL, \
	    "Number of tasks", NULL), \
	ROW("replicas-max-per-node", 0, OPTION_COUNT, replicas_max_per_node, "0 = no limit", \
	    "Most tasks on one node", NULL), \
	ROW("reserve-cpu", 0, OPTION_NANO, reserve_cpu, NULL, \
	    "Needs so many CPUs", NULL), \
	ROW("reserve-memory", 0, OPTION_SIZE, reserve_memory, NULL, \
	    "Needs so much memory", NULL), \
	ROW("restart-condition", 0, OPTION_CHOICE, restart_condition, "any", \
	    "When an ended task is replaced", restart_conditions), \
	ROW("restart-delay", 0, OPTION_DURATION, restart_delay, "5s", \
	    "Time before a task is replaced", NULL), \
	ROW("restart-max-attempts", 0, OPTION_COUNT, restart_max_attempts, "0 = no limit", \
	    "Most replacements", NULL), \
	ROW("restart-window", 0, OPTION_DURATION, restart_window, "0s = for ever", \
	    "Time in which replacements are counted", NULL), \
	ROW("rollback-delay", 0, OPTION_DURATION, roll_back.delay, "0s", \
	    "Time between two tasks", NULL), \
	ROW("rollback-failure-action", 0, OPTION_CHOICE, roll_back.failure_action, "pause", \
	    "What happens when it fails", rollback_actions), \
	ROW("rollback-max-failure-ratio", 0, OPTION_NANO, roll_back.max_failure_ratio, "0", \
	    "Part of the tasks that may fail", NULL), \
	ROW("rollback-monitor", 0, OPTION_DURATION, roll_back.monitor, "5s", \
	    "Time in which a changed task may still fail", NULL), \
	ROW("rollback-order", 0, OPTION_CHOICE, roll_back.order, "stop-first", \
	    "Which task goes first", update_orders), \
	ROW("rollback-parallelism", 0, OPTION_COUNT, roll_back.parallelism, "1, 0 = all", \
	    "Tasks that change at the same time in a rollback", NULL), \
	ROW("stop-grace-period", 0, OPTION_DURATION, stop_grace_period, "10s", \
	    "Time between the stop signal and the kill", NULL), \
	ROW("stop-signal", 0, OPTION_STRING, stop_signal, NULL, \
	    "Signal that stops the container", NULL), \
	ROW("tty", 't', OPTION_FLAG, tty, NULL, \
	    "Give the containers a terminal", NULL), \
	ROW("update-delay", 0, OPTION_DURATION, update.delay, "0s", \
	    "Time between two tasks", NULL), \
	ROW("update-failure-action", 0, OPTION_CHOICE, update.failure_action, "pause", \
	    "What happens when it fails", update_actions), \
	ROW("update-max-failure-ratio", 0, OPTION_NANO, update.max_failure_ratio, "0", \
	    "Part of the tasks that may fail", NULL), \
	ROW("update-monitor", 0, OPTION_DURATION, update.monitor, "5s", \
	    "Time in which a changed task may still fail", NULL), \
	ROW("update-order", 0, OPTION_CHOICE, update.order, "stop-first", \
	    "Which task goes first", update_orders), \
	ROW("update-parallelism", 0, OPTION_COUNT, update.parallelism, "1, 0 = all", \
	    "Tasks that change at the same time in an update", NULL), \
	ROW("user", 'u', OPTION_STRING, user, NULL, \
	    "User name or UID, and :group", NULL), \
	ROW("workdir", 'w', OPTION_STRING, workdir, NULL, \
	    "Working folder inside the container", NULL)

const struct option service_create_options[] = {
	ROW("constraint", 0, OPTION_LIST, constraint, NULL,
	    "A placement constraint (node.role==manager)", NULL),
	ROW("container-label", 0, OPTION_LIST, container_label, NULL,
	    "A label of the containers", NULL),
	ROW("dns", 0, OPTION_LIST, dns, NULL,
	    "A DNS server", NULL),
	ROW("dns-option", 0, OPTION_LIST, dns_option, NULL,
	    "A DNS option", NULL),
	ROW("dns-search", 0, OPTION_LIST, dns_search, NULL,
	    "A DNS search domain", NULL),
	ROW("env", 'e', OPTION_LIST, env, NULL,
	    "An environment variable", NULL),
	ROW_OF("env-file", 0, OPTION_LIST, env_file, NULL,
	       "file", "A file of environment variables", NULL),
	ROW("group", 0, OPTION_LIST, group, NULL,
	    "A further group of the user", NULL),
	ROW("host", 0, OPTION_LIST, host, NULL,
	    "A host name and its address (name:ip)", NULL),
	ROW("label", 'l', OPTION_LIST, label, NULL,
	    "A label of the service", NULL),
	ROW("mode", 0, OPTION_CHOICE, mode, "replicated",
	    "How many tasks there are", service_modes),
	ROW("mount", 0, OPTION_LIST, mount, NULL,
	    "A mount: type=,source=,target=,...", NULL),
	ROW("name", 0, OPTION_STRING, name, NULL,
	    "Name of the service", NULL),
	ROW("network", 0, OPTION_LIST, network, NULL,
	    "A network: its name, or name=,alias=,...", NULL),
	ROW("placement-pref", 0, OPTION_LIST, placement_pref, NULL,
	    "A placement preference (spread=node.labels.x)", NULL),
	ROW("publish", 'p', OPTION_LIST, publish, NULL,
	    "A port: [published:]target[/protocol], or published=,target=,...", NULL),
	ROW("sysctl", 0, OPTION_LIST, sysctl, NULL,
	    "A kernel parameter (name=value)", NULL),
	ROW("ulimit", 0, OPTION_LIST, ulimit, NULL,
	    "A limit (name=soft[:hard])", NULL),
	SHARED,
	{ .name = NULL },
};

const struct option service_update_options[] = {
	ROW_OF("args", 0, OPTION_STRING, args, NULL,
	       "command", "Replaces the image's command", NULL),
	ROW("constraint-add", 0, OPTION_LIST, constraint, NULL,
	    "Add a placement constraint (node.role==manager)", NULL),
	ROW("constraint-rm", 0, OPTION_LIST, constraint_rm, NULL,
	    "Remove a placement constraint", NULL),
	ROW("container-label-add", 0, OPTION_LIST, container_label, NULL,
	    "Add a label of the containers", NULL),
	ROW("container-label-rm", 0, OPTION_LIST, container_label_rm, NULL,
	    "Remove a label of the containers, by its key", NULL),
	ROW("dns-add", 0, OPTION_LIST, dns, NULL,
	    "Add a DNS server", NULL),
	ROW("dns-option-add", 0, OPTION_LIST, dns_option, NULL,
	    "Add a DNS option", NULL),
	ROW("dns-option-rm", 0, OPTION_LIST, dns_option_rm, NULL,
	    "Remove a DNS option", NULL),
	ROW("dns-rm", 0, OPTION_LIST, dns_rm, NULL,
	    "Remove a DNS server", NULL),
	ROW("dns-search-add", 0, OPTION_LIST, dns_search, NULL,
	    "Add a DNS search domain", NULL),
	ROW("dns-search-rm", 0, OPTION_LIST, dns_search_rm, NULL,
	    "Remove a DNS search domain", NULL),
	ROW("env-add", 0, OPTION_LIST, env, NULL,
	    "Add an environment variable", NULL),
	ROW("env-rm", 0, OPTION_LIST, env_rm, NULL,
	    "Remove an environment variable, by its key", NULL),
	ROW("force", 0, OPTION_FLAG, force, NULL,
	    "Replace all tasks even if nothing changes", NULL),
	ROW("group-add", 0, OPTION_LIST, group, NULL,
	    "Add a further group of the user", NULL),
	ROW("group-rm", 0, OPTION_LIST, group_rm, NULL,
	    "Remove a further group of the user", NULL),
	ROW("host-add", 0, OPTION_LIST, host, NULL,
	    "Add a host name and its address (name:ip)", NULL),
	ROW("host-rm", 0, OPTION_LIST, host_rm, NULL,
	    "Remove a host name and its address, by name or name:ip", NULL),
	ROW("image", 0, OPTION_STRING, image, NULL,
	    "The image", NULL),
	ROW("label-add", 0, OPTION_LIST, label, NULL,
	    "Add a label of the service", NULL),
	ROW("label-rm", 0, OPTION_LIST, label_rm, NULL,
	    "Remove a label of the service, by its key", NULL),
	ROW("mount-add", 0, OPTION_LIST, mount, NULL,
	    "Add a mount: type=,source=,target=,...", NULL),
	ROW("mount-rm", 0, OPTION_LIST, mount_rm, NULL,
	    "Remove a mount, by its target", NULL),
	ROW("network-add", 0, OPTION_LIST, network, NULL,
	    "Add a network: its name, or name=,alias=,...", NULL),
	ROW("network-rm", 0, OPTION_LIST, network_rm, NULL,
	    "Remove a network, by its name", NULL),
	ROW("placement-pref-add", 0, OPTION_LIST, placement_pref, NULL,
	    "Add a placement preference (spread=node.labels.x)", NULL),
	ROW("placement-pref-rm", 0, OPTION_LIST, placement_pref_rm, NULL,
	    "Remove a placement preference", NULL),
	ROW("publish-add", 0, OPTION_LIST, publish, NULL,
	    "Add a port: [published:]target[/protocol], or published=,target=,...", NULL),
	ROW("publish-rm", 0, OPTION_LIST, publish_rm, NULL,
	    "Remove a port, by its target port", NULL),
	ROW("rollback", 0, OPTION_FLAG, rollback, NULL,
	    "Go back to the former specification", NULL),
	ROW("sysctl-add", 0, OPTION_LIST, sysctl, NULL,
	    "Add a kernel parameter (name=value)", NULL),
	ROW("sysctl-rm", 0, OPTION_LIST, sysctl_rm, NULL,
	    "Remove a kernel parameter, by its name", NULL),
	ROW("ulimit-add", 0, OPTION_LIST, ulimit, NULL,
	    "Add a limit (name=soft[:hard])", NULL),
	ROW("ulimit-rm", 0, OPTION_LIST, ulimit_rm, NULL,
	    "Remove a limit, by its name", NULL),
	SHARED,
	{ .name = NULL },
};
