/* Contracts are in container.h: what the engine answers about containers. */
#include "docker/container.h"
#include "codec/json.h"

static const char *text_or_null(struct arena *a, const struct json *node)
{
	struct slice s = json_string(node);

	return s.len ? arena_str(a, s) : NULL;
}

/* Docker's words, and Podman's where they differ. */
static enum container_state state_of(struct slice word)
{
	static const struct {
		const char *word;
		enum container_state state;
	} words[] = {
		{ "created", CONTAINER_CREATED }, { "configured", CONTAINER_CREATED },
		{ "initialized", CONTAINER_CREATED }, { "running", CONTAINER_RUNNING },
		{ "paused", CONTAINER_RUNNING }, { "restarting", CONTAINER_RUNNING },
		{ "stopping", CONTAINER_RUNNING }, { "removing", CONTAINER_REMOVING },
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		if (slice_is(word, words[i].word))
			return words[i].state;
	}
	return CONTAINER_EXITED;
}

static enum container_health health_of(const struct json *state)
{
	struct slice word = json_string(json_get(json_get(state, "Health"), "Status"));

	if (slice_is(word, "starting"))
		return HEALTH_STARTING;
	if (slice_is(word, "healthy"))
		return HEALTH_HEALTHY;
	return slice_is(word, "unhealthy") ? HEALTH_UNHEALTHY : HEALTH_NONE;
}

/* "80/tcp" and one of its bindings. 0 or ERR_INVALID. */
static int read_port(struct slice key, const struct json *binding, struct port_config *out)
{
	struct slice protocol = key, target = slice_cut(&protocol, '/');

	*out = (struct port_config){ .publish_mode = PUBLISH_HOST };
	if (slice_is(protocol, "udp"))
		out->protocol = PROTOCOL_UDP;
	if (slice_is(protocol, "sctp"))
		out->protocol = PROTOCOL_SCTP;
	if (slice_to_u64(target, 65535, &out->target_port) < 0)
		return ERR_INVALID;
	return slice_to_u64(json_string(json_get(binding, "HostPort")), 65535,
			    &out->published_port);
}

/* An engine with IPv6 gives each binding twice: once for each family. */
static int have_port(const struct list *list, const struct port_config *p)
{
	for (uint32_t i = 0; i < list->count; i++) {
		const struct port_config *q = LIST_AT(list, struct port_config, i);

		if (q->protocol == p->protocol && q->target_port == p->target_port &&
		    q->published_port == p->published_port)
			return 1;
	}
	return 0;
}

static struct list read_ports(struct arena *a, const struct json *ports)
{
	struct list out = { 0 };
	size_t count = 0;

	for (const struct json *p = json_first(ports); p; p = json_next(p))
		count += json_count(p);
	if (count > MODEL_LIST_MAX)
		return out;
	out.items = arena_array(a, count, sizeof(struct port_config));
	for (const struct json *p = json_first(ports); p; p = json_next(p)) {
		for (const struct json *b = json_first(p); b; b = json_next(b)) {
			struct port_config port;

			if (read_port(json_key(p), b, &port) < 0 || have_port(&out, &port))
				continue;
			*LIST_AT(&out, struct port_config, out.count) = port;
			out.count++;
		}
	}
	return out;
}

static struct strings read_keys(struct arena *a, const struct json *object)
{
	struct strings out = { arena_array(a, json_count(object), sizeof(*out.items)), 0 };

	for (const struct json *n = json_first(object); n; n = json_next(n))
		out.items[out.count++] = arena_str(a, json_key(n));
	return out;
}

static void read_labels(struct arena *a, const struct json *labels, struct container *out)
{
	out->task_id = text_or_null(a, json_get(labels, LABEL_TASK_ID));
	out->node_id = text_or_null(a, json_get(labels, LABEL_NODE_ID));
}

int container_parse(struct arena *a, struct slice body, struct container *out,
		    struct errmsg *msg)
{
	const struct json *root, *state, *net;
	int err = json_parse(a, body, &root, msg);

	if (err < 0)
		return errmsg_prefix(msg, err, "the engine's container");
	state = json_get(root, "State");
	net = json_get(root, "NetworkSettings");
	*out = (struct container){
		.id = text_or_null(a, json_get(root, "Id")),
		.state = state_of(json_string(json_get(state, "Status"))),
		.health = health_of(state),
		.out_of_memory = json_is_true(json_get(state, "OOMKilled")),
		.error = text_or_null(a, json_get(state, "Error")),
		.ports = read_ports(a, json_get(net, "Ports")),
		.networks = read_keys(a, json_get(net, "Networks")),
	};
	json_to_i64(json_get(state, "Pid"), &out->pid);
	json_to_i64(json_get(state, "ExitCode"), &out->exit_code);
	read_labels(a, json_get(json_get(root, "Config"), "Labels"), out);
	if (!out->id || !json_get(state, "Status"))
		return errmsg_set(msg, ERR_INVALID, "the engine's container has no id or no state");
	return 0;
}

int container_list_parse(struct arena *a, struct slice body, struct list *out,
			 struct errmsg *msg)
{
	const struct json *root;
	struct container *items;
	int err = json_parse(a, body, &root, msg);

	if (err < 0)
		return errmsg_prefix(msg, err, "the engine's containers");
	if (json_type(root) != JSON_ARRAY)
		return errmsg_set(msg, ERR_INVALID, "the engine's containers are no list");
	items = arena_array(a, json_count(root), sizeof(*items));
	*out = (struct list){ items, (uint32_t)json_count(root) };
	for (const struct json *n = json_first(root); n; n = json_next(n), items++) {
		items->id = text_or_null(a, json_get(n, "Id"));
		items->state = state_of(json_string(json_get(n, "State")));
		read_labels(a, json_get(n, "Labels"), items);
		if (!items->id)
			return errmsg_set(msg, ERR_INVALID, "a container of the engine has no id");
	}
	return 0;
}

const char *container_created_id(struct arena *a, struct slice body)
{
	const struct json *root;

	return json_parse(a, body, &root, NULL) == 0 ? text_or_null(a, json_get(root, "Id")) : NULL;
}
