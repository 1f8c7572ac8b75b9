/* /_ping, /version, /info, /swarm, and what a swarm has none of yet. Contracts are in
 * private.h. */
#include <stdio.h>
#include <string.h>
#include "applets/manager/api/private.h"
#include "applets/manager/ca.h"
#include "base/mem.h"
#include "base/timefmt.h"

enum {
	DATA_PATH_PORT = 4789,		/* VXLAN, RFC 7348 */
	MEMBERS_MAX = 16 << 10,		/* a certificate and two tokens */
};

static const char *text_or(const char *text, const char *other)
{
	return text && *text ? text : other;
}

enum api_outcome system_ping(struct call *c)
{
	struct effect *x = effects_add(c->turn->fx, EFFECT_REPLY, c->ev->id);

	x->status = 200;
	x->text = SLICE("text/plain; charset=utf-8");
	if (!slice_is(c->ev->method, "HEAD"))
		x->body = SLICE("OK");
	return API_REPLIED;
}

enum api_outcome empty_list(struct call *c)
{
	struct body b;

	body_begin(&b);
	json_open_array(&b.w);
	json_close_array(&b.w);
	return body_send(c, 200, &b);
}

enum api_outcome secret_refused(struct call *c)
{
	return fail(c, 501, UNIMPLEMENTED "secrets are not supported yet");
}

enum api_outcome config_refused(struct call *c)
{
	return fail(c, 501, UNIMPLEMENTED "configs are not supported yet");
}

enum api_outcome secret_absent(struct call *c)
{
	return fail(c, 404, "secret %s not found", c->ref);
}

enum api_outcome config_absent(struct call *c)
{
	return fail(c, 404, "config %s not found", c->ref);
}

/* Where it is not in the state, there is nothing but what the node knows itself. */
static const struct node *this_node(struct call *c)
{
	const struct node *n = state_node(c->turn->state, c->api->config->node_id);

	return n ? n : &c->api->self;
}

/* Docker's names of machines in /version and /info of a node: x86_64 here, amd64 there. */
static const char *go_architecture(const char *machine)
{
	static const char *const names[][2] = {
		{ "x86_64", "amd64" }, { "aarch64", "arm64" }, { "armv7l", "arm" },
		{ "armv6l", "arm" }, { "i686", "386" },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(machine, names[i][0]) == 0)
			return names[i][1];
	}
	return machine;
}

/* The docker command shows the members of Details of the component named Engine. */
static void write_engine(struct json_writer *w, const struct node_description *d,
			 const char *version, const char *minimum)
{
	json_open_object(w);
	json_put_str(w, "Name", "Engine");
	json_put_str(w, "Version", text_or(d->engine.engine_version, "unknown"));
	json_write_key(w, "Details");
	json_open_object(w);
	json_put_str(w, "ApiVersion", version);
	json_put_str(w, "MinAPIVersion", minimum);
	json_put_str(w, "Os", "linux");
	json_put_str(w, "Arch", go_architecture(text_or(d->platform.architecture, "")));
	json_put_str(w, "Experimental", "false");
	json_close_object(w);
	json_close_object(w);
}

enum api_outcome system_version(struct call *c)
{
	const struct node_description *d = &this_node(c)->description;
	char version[16], minimum[16];
	struct json_writer *w;
	struct body b;

	snprintf(version, sizeof(version), "%d.%d", API_VERSION_MAJOR, API_VERSION_MINOR);
	snprintf(minimum, sizeof(minimum), "%d.%d", API_VERSION_MAJOR, API_VERSION_MINOR_MIN);
	body_begin(&b);
	w = &b.w;
	json_open_object(w);
	json_write_key(w, "Platform");
	json_open_object(w);
	json_put_str(w, "Name", "swarmbox");
	json_close_object(w);
	json_write_key(w, "Components");
	json_open_array(w);
	write_engine(w, d, version, minimum);
	json_open_object(w);
	json_put_str(w, "Name", "swarmbox");
	json_put_str(w, "Version", SB_VERSION);
	json_close_object(w);
	json_close_array(w);
	json_put_str(w, "Version", SB_VERSION);
	json_put_str(w, "ApiVersion", version);
	json_put_str(w, "MinAPIVersion", minimum);
	json_put_str(w, "Os", "linux");
	json_put_str(w, "Arch", go_architecture(text_or(d->platform.architecture, "")));
	json_close_object(w);
	return body_send(c, 200, &b);
}

/* ---- /info ---- */

static struct slice host_of(const char *address)
{
	struct slice s = slice_of(address);

	while (s.len && s.data[s.len - 1] != ':')
		s.len--;
	if (s.len)
		s.len--;
	return s;
}

static void write_managers(struct call *c, struct json_writer *w)
{
	json_write_key(w, "RemoteManagers");
	json_open_array(w);
	for (uint32_t i = 0; i < c->turn->manager_count; i++) {
		const struct api_manager *m = &c->turn->managers[i];

		if (api_manager_find(c->turn, m->node_id) != m)
			continue;
		json_open_object(w);
		json_put_str(w, "NodeID", m->node_id);
		json_put_str(w, "Addr", m->addr);
		json_close_object(w);
	}
	json_close_array(w);
}

static const char *local_state(const struct call *c)
{
	if (c->turn->locked)
		return "locked";
	if (c->api->config->error)
		return "error";
	return c->turn->ready || c->api->config->worker ? "active" : "pending";
}

/* A worker knows where they are, and no more. */
static void write_contacts(struct call *c, struct json_writer *w)
{
	struct slice rest = slice_of(c->api->config->contacts);

	json_write_key(w, "RemoteManagers");
	json_open_array(w);
	while (rest.len) {
		struct slice address = slice_cut(&rest, ' ');

		if (address.len == 0)
			continue;
		json_open_object(w);
		json_put_str(w, "NodeID", "");
		json_put_slice(w, "Addr", address);
		json_close_object(w);
	}
	json_close_array(w);
}

static void write_swarm_info(struct call *c, struct body *b)
{
	const struct manager_config *config = c->api->config;
	const struct cluster *cluster = state_cluster(c->turn->state);
	struct json_writer *w = &b->w;
	int managers, reachable;

	count_managers(c->turn, &managers, &reachable);
	json_write_key(w, "Swarm");
	json_open_object(w);
	json_put_str(w, "NodeID", config->node_id);
	json_put_slice(w, "NodeAddr", host_of(config->advertise_addr));
	json_put_str(w, "LocalNodeState", local_state(c));
	json_put_bool(w, "ControlAvailable", c->turn->ready &&
		      api_manager_find(c->turn, config->node_id));
	json_put_str(w, "Error", c->turn->locked ? LOCKED : text_or(config->error, ""));
	if (config->worker)
		write_contacts(c, w);
	else
		write_managers(c, w);
	json_put_u64(w, "Nodes", c->turn->state->objects[OBJECT_NODE].count);
	json_put_i64(w, "Managers", managers);
	if (cluster) {
		json_write_key(w, "Cluster");
		write_cluster(c, b, cluster, 0);
	}
	json_close_object(w);
}

static void write_warnings(struct call *c, struct json_writer *w, const struct node *self)
{
	int managers, reachable;

	count_managers(c->turn, &managers, &reachable);
	if (!self->status.message && managers != 2)
		return;
	json_write_key(w, "Warnings");
	json_open_array(w);
	if (self->status.message)
		json_write_str(w, arena_printf(c->turn->arena, "WARNING: engine: %s",
					       self->status.message));
	if (managers == 2)
		json_write_str(w, "WARNING: two managers are worse than one: when either is away, "
			       "the swarm takes no changes. Let a third one join");
	json_close_array(w);
}

enum api_outcome system_info(struct call *c)
{
	const struct manager_config *config = c->api->config;
	const struct node *self = this_node(c);
	const struct node_description *d = &self->description;
	struct json_writer *w;
	struct body b;

	body_begin(&b);
	w = &b.w;
	json_open_object(w);
	json_put_str(w, "ID", config->node_id);
	json_put_str(w, "Name", text_or(d->hostname, config->hostname));
	json_put_str(w, "ServerVersion", text_or(d->engine.engine_version, "unknown"));
	json_put_str(w, "OSType", text_or(d->platform.os, "linux"));
	json_put_str(w, "Architecture", text_or(d->platform.architecture, ""));
	json_put_i64(w, "NCPU", d->resources.nano_cpus / 1000000000);
	json_put_i64(w, "MemTotal", d->resources.memory_bytes);
	json_write_key(w, "Labels");
	json_open_array(w);
	for (uint32_t i = 0; i < d->engine.labels.count; i++)
		json_write_str(w, arena_printf(c->turn->arena, "%s=%s",
					       d->engine.labels.items[i].key,
					       d->engine.labels.items[i].value));
	json_close_array(w);
	json_write_key(w, "Swarmbox");
	json_open_object(w);
	json_put_str(w, "Version", SB_VERSION);
	json_put_str(w, "DataDir", config->data_dir);
	json_put_str(w, "Engine", config->engine_socket);
	json_close_object(w);
	write_swarm_info(c, &b);
	write_warnings(c, w, self);
	json_close_object(w);
	return body_send(c, 200, &b);
}

/* ---- /swarm ---- */

/* While a root is replaced docker has the old root, which still counts, and the next issuer. */
static void write_tls_info(struct call *c, struct json_writer *w, const struct cluster *cluster)
{
	struct tls_info wanted = { NULL, NULL, NULL };

	(void)ca_wanted(cluster, c->turn->arena, &wanted);	/* without an authority: empty */
	wanted.trust_root = cluster->root_cert;
	json_write_key(w, "TLSInfo");
	model_encode(w, &tls_info_table, MODEL_API, &wanted);
}

void write_cluster(struct call *c, struct body *b, const struct cluster *cluster, int with_tokens)
{
	struct json_writer w;
	struct buf members;

	buf_init(&members, MEMBERS_MAX);
	json_begin(&w, &members);
	json_open_object(&w);
	json_put_bool(&w, "RootRotationInProgress", cluster->rotation != NULL);
	json_put_i64(&w, "DataPathPort", DATA_PATH_PORT);
	write_tls_info(c, &w, cluster);
	if (with_tokens) {
		json_write_key(&w, "JoinTokens");
		json_open_object(&w);
		json_put_str(&w, "Worker", text_or(cluster->worker_token, ""));
		json_put_str(&w, "Manager", text_or(cluster->manager_token, ""));
		json_close_object(&w);
	}
	json_close_object(&w);
	/* Without the braces. */
	body_object(b, &cluster_table, cluster, arena_copy(c->turn->arena, (struct slice){
		members.data + 1, members.len - 2 }));
	buf_done(&members);
}

enum api_outcome swarm_inspect(struct call *c)
{
	struct body b;

	body_begin(&b);
	write_cluster(c, &b, state_cluster(c->turn->state), 1);
	return body_send(c, 200, &b);
}

enum api_outcome swarm_joined(struct call *c)
{
	return fail(c, 503, "This node is already part of a swarm. Use \"docker swarm leave\" to "
		    "leave this swarm and join another one.");
}

static int has_leader(const struct api_turn *turn)
{
	for (uint32_t i = 0; i < turn->manager_count; i++) {
		if (turn->managers[i].leader)
			return 1;
	}
	return 0;
}

/* A manager goes by force only, and so does one that is locked. The texts are Docker's, with the
 * blank at the end of one. */
enum api_outcome swarm_leave(struct call *c)
{
	static const char last[] = "Removing the last manager erases all current state of the "
		"swarm. Use `--force` to ignore this message. ";
	static const char way_back[] = "The only way to restore a swarm that has lost consensus "
		"is to reinitialize it with `--force-new-cluster`. Use `--force` to suppress this "
		"message.";
	const char *why = "";
	int all, reachable;

	count_managers(c->turn, &all, &reachable);
	if (c->turn->locked && !http_query_bool(c->query, "force"))
		return fail(c, 503, "Swarm is encrypted and locked. Please unlock it first or use "
			    "`--force` to ignore this message.");
	if (http_query_bool(c->query, "force") ||
	    !api_manager_find(c->turn, c->api->config->node_id))
		return API_LEAVE;
	if (!has_leader(c->turn))
		why = "Doing so may lose the consensus of your cluster. ";
	else if (reachable - 2 <= all - reachable)
		why = arena_printf(c->turn->arena, "Removing this node leaves %d managers out of "
				   "%d. Without a Raft quorum your swarm will be inaccessible. ",
				   reachable - 1, all);
	return fail(c, 503, "You are attempting to leave the swarm on a node that is "
		    "participating as a manager. %s%s", all == 1 ? "" : why,
		    all == 1 ? last : way_back);
}

enum api_outcome swarm_unlock_key(struct call *c)
{
	struct body b;

	body_begin(&b);
	json_open_object(&b.w);
	json_put_str(&b.w, "UnlockKey", text_or(state_cluster(c->turn->state)->unlock_key, ""));
	json_close_object(&b.w);
	return body_send(c, 200, &b);
}

enum api_outcome swarm_unlock(struct call *c)
{
	const struct json *root;
	struct slice key;
	int err;

	if (!c->turn->locked)
		return fail(c, 409, "swarm is not locked");
	if (read_body(c, &root) < 0)
		return API_REPLIED;
	key = json_string(json_get(root, "UnlockKey"));
	err = unlock_parse(key, &c->turn->unlock_key);
	if (key.len)
		mem_wipe((void *)(uintptr_t)key.data, key.len);	/* the arena's */
	return err < 0 ? fail(c, 400, "invalid key string") : API_UNLOCK;
}

/* ?name= as Go's strconv.ParseBool reads it. 1, 0, or -1: the error is replied. */
static int read_rotate(struct call *c, const char *name)
{
	static const char *const words[] = { "1", "t", "T", "true", "TRUE", "True",
					     "0", "f", "F", "false", "FALSE", "False" };
	enum { WORDS = sizeof(words) / sizeof(words[0]) };
	const char *text = query_text(c, name);

	if (!*text)
		return 0;
	for (int i = 0; i < WORDS; i++) {
		if (strcmp(text, words[i]) == 0)
			return i < WORDS / 2;
	}
	fail(c, 400, "invalid value for %s: %s", name, text);
	return -1;
}

static int rotate(struct call *c, const char *name, const struct cluster *cluster,
		  const char **token)
{
	char *text = arena_new(c->turn->arena, TOKEN_TEXT_LEN + 1);
	int wanted = read_rotate(c, name);

	if (wanted <= 0)
		return wanted;
	if (!cluster->root_cert ||
	    ca_token(c->api->config, c->turn->rng, cluster->root_cert, text) < 0) {
		fail(c, 500, UNKNOWN "the swarm's authority cannot be used");
		return -1;
	}
	*token = text;
	return 0;
}

/* 0, or -1: the error is replied. */
static int rotate_tokens(struct call *c, struct cluster *cluster)
{
	if (rotate(c, "rotateWorkerToken", cluster, &cluster->worker_token) < 0 ||
	    rotate(c, "rotateManagerToken", cluster, &cluster->manager_token) < 0)
		return -1;
	return 0;
}

/* As its spec says: a key if there is none, another if that is asked for, or none. */
static void set_unlock_key(struct call *c, struct cluster *cluster, int rotate_it)
{
	char *text = arena_new(c->turn->arena, UNLOCK_TEXT_LEN + 1);

	if (!cluster->spec.encryption.auto_lock_managers) {
		cluster->unlock_key = NULL;
	} else if (rotate_it || !cluster->unlock_key) {
		ca_unlock_key(c->api->config, c->turn->rng, text);
		cluster->unlock_key = text;
	}
}

/* Does it bring an authority along? */
static int brings_authority(struct call *c, const struct ca_config *config)
{
	return json_string(extra_member(c, config->extra, "SigningCACert")).len > 0 ||
	       json_string(extra_member(c, config->extra, "SigningCAKey")).len > 0 ||
	       json_count(extra_member(c, config->extra, "ExternalCAs")) > 0;
}

static int check_spec(struct call *c, const struct cluster_spec *spec)
{
	if (strcmp(text_or(spec->name, ""), "default") != 0) {
		fail(c, 400, "swarm spec must be named \"default\"");
		return -1;
	}
	if (brings_authority(c, &spec->ca)) {
		fail(c, 501, UNIMPLEMENTED "roots and authorities that the swarm did not make "
		     "itself are not supported yet");
		return -1;
	}
	if (spec->ca.node_cert_expiry &&
	    spec->ca.node_cert_expiry < CA_NODE_MIN_S * (int64_t)SECOND_NS) {
		fail(c, 400, INVALID_ARGUMENT "minimum certificate expiry time is: 1m0s");
		return -1;
	}
	if (spec->ca.node_cert_expiry > CA_ROOT_S * (int64_t)SECOND_NS) {
		fail(c, 400, INVALID_ARGUMENT "maximum certificate expiry time is: 175200h0m0s");
		return -1;
	}
	return 0;
}

/* What a client does not name stays, as with docker. */
static void keep_unnamed(struct cluster_spec *spec, const struct cluster_spec *stored,
			 const struct json *root)
{
	if (!json_get(json_get(root, "Orchestration"), "TaskHistoryRetentionLimit"))
		spec->orchestration = stored->orchestration;
	if (!json_get(root, "Raft"))
		spec->raft = stored->raft;
	if (!json_get(root, "Dispatcher"))
		spec->dispatcher = stored->dispatcher;
	if (!spec->ca.node_cert_expiry)
		spec->ca.node_cert_expiry = stored->ca.node_cert_expiry;
	if (!json_get(root, "EncryptionConfig"))
		spec->encryption = stored->encryption;
	if (spec->ca.force_rotate < stored->ca.force_rotate)
		spec->ca.force_rotate = stored->ca.force_rotate;
}

/* A new root begins its way; where one is on its way, it takes its place, as with docker. 0, or
 * -1: the error is replied. */
static int rotate_root(struct call *c, struct cluster *cluster)
{
	if (ca_rotate(cluster, c->api->config, c->turn->rng, c->turn->clock_ns / SECOND_NS,
		      c->turn->arena) < 0) {
		fail(c, 500, UNKNOWN "the swarm's authority cannot be used");
		return -1;
	}
	effects_log(c->turn->fx, LOG_INFO, "a new root certificate is on its way to all nodes");
	return 0;
}

enum api_outcome swarm_update(struct call *c)
{
	struct cluster cluster = *state_cluster(c->turn->state);
	const struct cluster_spec stored = cluster.spec;
	struct errmsg msg = { { 0 } };
	const struct json *root;
	int unlock_key = read_rotate(c, "rotateManagerUnlockKey");

	if (unlock_key < 0 || check_version(c, "swarm", cluster.meta.version) < 0 ||
	    rotate_tokens(c, &cluster) < 0 || read_body(c, &root) < 0)
		return API_REPLIED;
	if (model_decode(c->turn->arena, &cluster_spec_table, MODEL_API, root, &cluster.spec,
			 &msg) < 0)
		return fail_text(c, 400, INVALID_ARGUMENT, &msg);
	if (check_spec(c, &cluster.spec) < 0)
		return API_REPLIED;
	keep_unnamed(&cluster.spec, &stored, root);
	set_unlock_key(c, &cluster, unlock_key);
	if (cluster.spec.ca.force_rotate > stored.ca.force_rotate && rotate_root(c, &cluster) < 0)
		return API_REPLIED;
	txn_put(c->turn->txn, OBJECT_CLUSTER, &cluster);
	return reply_later(c, 200, NULL);
}
