/* flags.h - the options of service create and service update. Pure.
 *
 * One struct for both: what create sets (--env), update adds (--env-add), so both are applied
 * by the same code; only update has what takes away (--env-rm).
 */
#ifndef SB_APPLETS_SERVICE_FLAGS_H
#define SB_APPLETS_SERVICE_FLAGS_H
#include "applets/option.h"

struct service_update_flags {	/* --update-* and --rollback-* */
	struct option_number parallelism, delay, monitor, failure_action, max_failure_ratio, order;
};

struct service_flags {
	int detach, quiet;		/* of the command, not of the service */
	int force, rollback;		/* update */
	const char *name;		/* create */
	const char *image, *args;	/* update: create has them as arguments */
	const char *entrypoint, *hostname, *workdir, *user, *stop_signal, *isolation;
	const char *log_driver, *health_cmd;
	int tty, read_only, init, no_healthcheck;
	struct option_number stop_grace_period, oom_score_adj;
	struct option_number health_interval, health_timeout, health_retries,
		health_start_period, health_start_interval;
	struct option_number limit_cpu, limit_memory, limit_pids, reserve_cpu, reserve_memory;
	struct option_number restart_condition, restart_delay, restart_max_attempts,
		restart_window;
	struct option_number mode, replicas, replicas_max_per_node, endpoint_mode;
	struct service_update_flags update, roll_back;
	struct strings label, container_label, env, env_file, group, mount, dns, dns_search,
		dns_option, host, sysctl, cap_add, cap_drop, ulimit, network, constraint,
		placement_pref, publish, log_opt;
	struct strings label_rm, container_label_rm, env_rm, group_rm, mount_rm, dns_rm,
		dns_search_rm, dns_option_rm, host_rm, sysctl_rm, ulimit_rm, network_rm,
		constraint_rm, placement_pref_rm, publish_rm;
};

enum { SERVICE_MODE_REPLICATED, SERVICE_MODE_GLOBAL };	/* flags.mode */

extern const struct option service_create_options[], service_update_options[];
#endif
