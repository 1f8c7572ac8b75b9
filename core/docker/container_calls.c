/* Contracts are in container.h: the requests about a container that exists. */
#include "docker/container.h"
#include "http/url.h"

enum {
	START_TIMEOUT_MS = 120000, INSPECT_TIMEOUT_MS = 30000, REMOVE_TIMEOUT_MS = 120000,
	LIST_TIMEOUT_MS = 60000,
	/* What the engine takes to kill and clean up after the grace is over. */
	STOP_EXTRA_MS = 30000,
	/* Of a stray's grace nothing is known: it was given when the container was created. */
	STOP_UNKNOWN_MS = 10 * 60 * 1000,
};

int64_t container_grace_s(int64_t grace_ns)
{
	return grace_ns / 1000000000 + (grace_ns % 1000000000 > 0);
}

struct docker_request container_start_request(struct arena *a, const char *container)
{
	return docker_request(a, "POST", START_TIMEOUT_MS, "/containers/%s/start", container);
}

struct docker_request container_stop_request(struct arena *a, const char *container,
					     int64_t grace_ns)
{
	int64_t seconds = container_grace_s(grace_ns);

	if (grace_ns < 0)
		return docker_request(a, "POST", STOP_UNKNOWN_MS, "/containers/%s/stop", container);
	return docker_request(a, "POST", (uint64_t)seconds * 1000 + STOP_EXTRA_MS,
			      "/containers/%s/stop?t=%lld", container, (long long)seconds);
}

struct docker_request container_remove_request(struct arena *a, const char *container)
{
	return docker_request(a, "DELETE", REMOVE_TIMEOUT_MS, "/containers/%s?v=1&force=1",
			      container);
}

struct docker_request container_inspect_request(struct arena *a, const char *name_or_id)
{
	return docker_request(a, "GET", INSPECT_TIMEOUT_MS, "/containers/%s/json",
			      docker_escape(a, name_or_id));
}

struct docker_request container_list_request(struct arena *a, const char *node_id)
{
	return docker_request(a, "GET", LIST_TIMEOUT_MS, "/containers/json?all=1&filters=%s",
			      docker_label_filter(a, LABEL_NODE_ID, node_id));
}

struct docker_request container_logs_request(struct arena *a, const char *container,
					     const struct session_logs *logs)
{
	const char *since = logs->since && *logs->since ? docker_escape(a, logs->since) : "";
	const char *tail = logs->tail && *logs->tail ? docker_escape(a, logs->tail) : "all";

	return docker_request(a, "GET", 0, "/containers/%s/logs?stdout=%d&stderr=%d&follow=%d"
			      "&timestamps=1&tail=%s%s%s", container, logs->stdout_too != 0,
			      logs->stderr_too != 0, logs->follow != 0, tail,
			      *since ? "&since=" : "", since);
}
