/* Contracts are in bridge.h. */
#include "docker/bridge.h"
#include "codec/json.h"

enum { BRIDGE_TIMEOUT_MS = 60000 };

static void put_labels(struct json_writer *w, const struct labels *labels)
{
	for (uint32_t i = 0; i < labels->count; i++)
		json_put_str(w, labels->items[i].key, labels->items[i].value);
}

static void put_ipam(struct json_writer *w, const struct ipam *ipam)
{
	json_write_key(w, "IPAM");
	json_open_object(w);
	json_write_key(w, "Config");
	json_open_array(w);
	for (uint32_t i = 0; i < ipam->config.count; i++) {
		const struct ipam_config *c = LIST_AT(&ipam->config, struct ipam_config, i);

		json_open_object(w);
		if (c->subnet)
			json_put_str(w, "Subnet", c->subnet);
		if (c->ip_range)
			json_put_str(w, "IPRange", c->ip_range);
		if (c->gateway)
			json_put_str(w, "Gateway", c->gateway);
		json_close_object(w);
	}
	json_close_array(w);
	json_close_object(w);
}

struct docker_request bridge_create_request(struct arena *a, const struct network *n,
					    const char *node_id)
{
	struct docker_request r = docker_request(a, "POST", BRIDGE_TIMEOUT_MS, "/networks/create");
	struct labels labels = labels_with(a, &n->spec.labels, LABEL_NETWORK_ID, n->meta.id);
	struct json_writer w;
	struct buf b;

	labels = labels_with(a, &labels, LABEL_NODE_ID, node_id);
	buf_init(&b, DOCKER_BODY_MAX);
	json_begin(&w, &b);
	json_open_object(&w);
	json_put_str(&w, "Name", n->spec.name);
	json_put_bool(&w, "CheckDuplicate", 1);
	json_put_str(&w, "Driver", "bridge");
	json_put_bool(&w, "Internal", n->spec.internal);
	put_ipam(&w, &n->spec.ipam);
	json_write_key(&w, "Labels");
	json_open_object(&w);
	put_labels(&w, &labels);
	json_close_object(&w);
	json_close_object(&w);
	r.body = arena_copy(a, buf_slice(&b));
	buf_done(&b);
	return r;
}

struct docker_request bridge_inspect_request(struct arena *a, const char *name)
{
	return docker_request(a, "GET", BRIDGE_TIMEOUT_MS, "/networks/%s", docker_escape(a, name));
}

struct docker_request bridge_remove_request(struct arena *a, const char *name)
{
	return docker_request(a, "DELETE", BRIDGE_TIMEOUT_MS, "/networks/%s",
			      docker_escape(a, name));
}

struct docker_request bridge_list_request(struct arena *a, const char *node_id)
{
	return docker_request(a, "GET", BRIDGE_TIMEOUT_MS, "/networks?filters=%s",
			      docker_label_filter(a, LABEL_NODE_ID, node_id));
}

static void bridge_read(struct arena *a, const struct json *node, struct bridge *out)
{
	const struct json *labels = json_get(node, "Labels");
	struct slice network = json_string(json_get(labels, LABEL_NETWORK_ID));
	struct slice owner = json_string(json_get(labels, LABEL_NODE_ID));

	*out = (struct bridge){
		.name = arena_str(a, json_string(json_get(node, "Name"))),
		.network_id = network.len ? arena_str(a, network) : NULL,
		.node_id = owner.len ? arena_str(a, owner) : NULL,
	};
}

int bridge_parse(struct arena *a, struct slice body, struct bridge *out, struct errmsg *msg)
{
	const struct json *root;
	int err = json_parse(a, body, &root, msg);

	if (err < 0)
		return errmsg_prefix(msg, err, "the engine's network");
	bridge_read(a, root, out);
	if (!*out->name)
		return errmsg_set(msg, ERR_INVALID, "the engine's network has no name");
	return 0;
}

int bridge_list_parse(struct arena *a, struct slice body, struct list *out, struct errmsg *msg)
{
	const struct json *root;
	struct bridge *items;
	int err = json_parse(a, body, &root, msg);

	if (err < 0)
		return errmsg_prefix(msg, err, "the engine's networks");
	if (json_type(root) != JSON_ARRAY)
		return errmsg_set(msg, ERR_INVALID, "the engine's networks are no list");
	items = arena_array(a, json_count(root), sizeof(*items));
	*out = (struct list){ items, (uint32_t)json_count(root) };
	for (const struct json *n = json_first(root); n; n = json_next(n))
		bridge_read(a, n, items++);
	return 0;
}
