/* Contracts are in main_node.h. */
#include "applets/manager/main_node.h"
#include <stdio.h>
#include <string.h>
#include "codec/json.h"
#include "io/file.h"

enum { NODE_FILE_MAX = 65536 };

static int node_path(const char *data_dir, char path[FILE_PATH_MAX], struct errmsg *msg)
{
	int n = snprintf(path, FILE_PATH_MAX, "%s/node.json", data_dir);

	if (n < 0 || n >= FILE_PATH_MAX)
		return errmsg_set(msg, ERR_INVALID, "%s: path too long", data_dir);
	return 0;
}

static const char *member(struct arena *a, const struct json *root, const char *key)
{
	return arena_str(a, json_string(json_get(root, key)));
}

/* "Managers" -> "A:1 B:2". */
static const char *managers(struct arena *a, const struct json *list)
{
	const char *all = "";

	for (const struct json *e = json_first(list); e; e = json_next(e))
		all = arena_printf(a, "%s%s%.*s", all, *all ? " " : "",
				   SLICE_ARGS(json_string(e)));
	return all;
}

int node_parse(struct arena *a, struct slice text, struct manager_config *node, int *founder,
	       struct errmsg *msg)
{
	const struct json *root, *raft_id;
	uint64_t id = 1;

	if (json_parse(a, text, &root, msg) < 0)
		return ERR_CORRUPT;
	raft_id = json_get(root, "RaftID");
	if (raft_id && slice_to_u64(json_string(raft_id), UINT64_MAX, &id) < 0)
		return errmsg_set(msg, ERR_CORRUPT, "RaftID is no number");
	if (json_string(json_get(root, "NodeID")).len == 0)
		return errmsg_set(msg, ERR_CORRUPT, "no NodeID");
	node->node_id = member(a, root, "NodeID");
	node->raft_id = id;
	node->listen_addr = member(a, root, "ListenAddr");
	node->advertise_addr = member(a, root, "AdvertiseAddr");
	node->advertise_fixed = json_is_true(json_get(root, "AdvertiseFixed"));
	node->default_addr_pool = member(a, root, "DefaultAddrPool");
	node->contacts = managers(a, json_get(root, "Managers"));
	*founder = json_is_true(json_get(root, "Founder"));
	return 0;
}

int node_load(struct arena *a, const char *data_dir, struct manager_config *node, int *founder,
	      struct errmsg *msg)
{
	char path[FILE_PATH_MAX];
	struct buf text;
	int err = node_path(data_dir, path, msg);

	if (err < 0)
		return err;
	buf_init(&text, NODE_FILE_MAX);
	err = file_read(path, NODE_FILE_MAX, &text, msg);
	if (err == 0 && node_parse(a, buf_slice(&text), node, founder, msg) < 0)
		err = errmsg_prefix(msg, ERR_CORRUPT, "%s: damaged, restore it from a backup",
				    path);
	buf_done(&text);
	return err;
}

static void put_managers(struct json_writer *w, struct slice contacts)
{
	json_write_key(w, "Managers");
	json_open_array(w);
	while (contacts.len) {
		struct slice one = slice_cut(&contacts, ' ');

		if (one.len)
			json_write_string(w, one);
	}
	json_close_array(w);
}

int node_save(const char *data_dir, const struct manager_config *node, int founder,
	      struct errmsg *msg)
{
	char path[FILE_PATH_MAX], raft_id[24];
	struct json_writer w;
	struct buf text;
	int err = node_path(data_dir, path, msg);

	if (err < 0)
		return err;
	buf_init(&text, NODE_FILE_MAX);
	json_begin(&w, &text);
	json_open_object(&w);
	json_put_str(&w, "NodeID", node->node_id);
	/* A string: others read numbers as doubles. */
	snprintf(raft_id, sizeof(raft_id), "%llu", (unsigned long long)node->raft_id);
	json_put_str(&w, "RaftID", raft_id);
	json_put_bool(&w, "Founder", founder);
	json_put_str(&w, "ListenAddr", node->listen_addr);
	json_put_str(&w, "AdvertiseAddr", node->advertise_addr);
	json_put_bool(&w, "AdvertiseFixed", node->advertise_fixed);
	json_put_str(&w, "DefaultAddrPool", node->default_addr_pool);
	put_managers(&w, slice_of(node->contacts));
	json_close_object(&w);
	buf_add_char(&text, '\n');
	err = file_write(path, buf_slice(&text), 0600, FILE_DURABLE, msg);
	buf_done(&text);
	return err;
}
