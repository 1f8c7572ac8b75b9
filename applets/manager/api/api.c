/* Routes, versions, replies, errors. Contracts are in api.h and private.h. */
#include "applets/manager/api/api.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "applets/manager/api/private.h"

enum { ERROR_TEXT_MAX = 2048 };	/* names, ids and a list of filters fit */

#define JSON_TYPE SLICE("application/json")

struct route {
	const char *method, *pattern;
	enum api_outcome (*run)(struct call *c);
	enum api_place place;	/* API_HERE: also while the state is not ready */
};

/* The key is all that follows. Method NULL: any other. */
#define KV_PATH "/v1/kv/"
static const struct route kv_routes[] = {
	{ "GET", NULL, kv_read, API_HERE },	/* ?stale; others: see api_place */
	{ "PUT", NULL, kv_write, API_COMMAND },
	{ "DELETE", NULL, kv_delete, API_COMMAND },
	{ NULL, NULL, kv_method, API_HERE },
};

/* Everything else is the local engine's. Literal segments stand before variable ones. */
static const struct route routes[] = {
	{ "HEAD", "/_ping", system_ping, API_HERE },
	{ "GET", "/_ping", system_ping, API_HERE },
	{ "GET", "/version", system_version, API_HERE },
	{ "GET", "/info", system_info, API_HERE },
	{ "GET", "/swarm", swarm_inspect, API_READ },
	{ "POST", "/swarm/init", swarm_joined, API_HERE },
	{ "POST", "/swarm/join", swarm_joined, API_HERE },
	{ "POST", "/swarm/leave", swarm_leave, API_HERE },
	{ "POST", "/swarm/enrol", swarm_enrol, API_CHANGE },
	{ "POST", "/swarm/enrol/{}", swarm_renew, API_READ },
	{ "POST", "/swarm/update", swarm_update, API_CHANGE },
	{ "GET", "/swarm/unlockkey", swarm_unlock_key, API_READ },
	{ "POST", "/swarm/unlock", swarm_unlock, API_HERE },
	{ "GET", "/nodes", node_list, API_READ },
	{ "GET", "/nodes/{}", node_inspect, API_READ },
	{ "POST", "/nodes/{}/update", node_update, API_CHANGE },
	{ "DELETE", "/nodes/{}", node_remove, API_CHANGE },
	{ "GET", "/services", service_list, API_READ },
	{ "POST", "/services/create", service_create, API_CHANGE },
	{ "GET", "/services/{}", service_inspect, API_READ },
	{ "POST", "/services/{}/update", service_update, API_CHANGE },
	{ "DELETE", "/services/{}", service_remove, API_CHANGE },
	{ "GET", "/services/{}/logs", service_logs, API_READ },
	{ "GET", "/tasks", task_list, API_READ },
	{ "GET", "/tasks/{}", task_inspect, API_READ },
	{ "GET", "/tasks/{}/logs", task_logs, API_READ },
	{ "GET", "/networks", network_list, API_READ },
	{ "GET", "/networks/{}", network_inspect, API_READ },
	{ "POST", "/networks/create", network_create, API_CHANGE },
	{ "DELETE", "/networks/{}", network_remove, API_CHANGE },
	/* A swarm has none yet, and docker stack rm asks for them. The engine's own answer, that
	 * this node is no manager, would mislead. */
	{ "GET", "/secrets", empty_list, API_READ },
	{ "GET", "/configs", empty_list, API_READ },
	{ "POST", "/secrets/create", secret_refused, API_CHANGE },
	{ "POST", "/configs/create", config_refused, API_CHANGE },
	{ "GET", "/secrets/{}", secret_absent, API_READ },
	{ "GET", "/configs/{}", config_absent, API_READ },
	{ "DELETE", "/secrets/{}", secret_absent, API_CHANGE },
	{ "DELETE", "/configs/{}", config_absent, API_CHANGE },
};

void api_init(struct api *api, const struct manager_config *config)
{
	*api = (struct api){ .config = config };
	map_init(&api->log_streams);
	map_init(&api->log_parts);
	arena_init(&api->self_arena);
	kv_watch_init(&api->watch);
}

void api_done(struct api *api)
{
	logs_done(api);
	map_done(&api->log_streams);
	map_done(&api->log_parts);
	arena_done(&api->self_arena);
	kv_watch_done(&api->watch);
}

void api_self(struct api *api, const struct session_report *report)
{
	struct node *self = &api->self;
	const struct node_description *description = &self->description;
	const char *message = self->status.message;
	struct arena old = api->self_arena;

	arena_init(&api->self_arena);
	if (report->description)
		description = report->description;
	if (report->node_message)
		message = report->node_message;
	description = model_copy(&api->self_arena, &node_description_table, description);
	self->description = *description;
	self->status.message = message && *message ?
		arena_str(&api->self_arena, slice_of(message)) : NULL;
	arena_done(&old);
}

/* ---- replies ---- */

static void add_reply(struct effects *fx, uint64_t request, int status, struct slice body)
{
	struct effect *x = effects_add(fx, EFFECT_REPLY, request);

	x->status = status;
	x->body = arena_copy(&fx->arena, body);
	if (body.len)
		x->text = JSON_TYPE;
}

void api_applied(struct effects *fx, uint64_t request, const struct outcome *outcome)
{
	add_reply(fx, request, outcome->status, outcome->body);
}

static void error_text(struct effects *fx, uint64_t request, int status, const char *text)
{
	struct json_writer w;
	struct buf body;

	buf_init(&body, 8 * ERROR_TEXT_MAX);
	json_begin(&w, &body);
	json_open_object(&w);
	json_put_str(&w, "message", text);
	json_close_object(&w);
	buf_add_char(&body, '\n');
	add_reply(fx, request, status, buf_slice(&body));
	buf_done(&body);
}

void api_error(struct effects *fx, uint64_t request, int status, const char *format, ...)
{
	char text[ERROR_TEXT_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	error_text(fx, request, status, text);
}

enum api_outcome fail(struct call *c, int status, const char *format, ...)
{
	char text[ERROR_TEXT_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	error_text(c->turn->fx, c->ev->id, status, text);
	return API_REPLIED;
}

enum api_outcome fail_text(struct call *c, int status, const char *prefix,
			   const struct errmsg *msg)
{
	return fail(c, status, "%s%s", prefix, msg->text);
}

void api_refused(struct effects *fx, uint64_t request, int err, const struct errmsg *msg)
{
	if (err == ERR_STALE)
		api_error(fx, request, 500, "%s", OUT_OF_SEQUENCE);
	else if (err == ERR_EXISTS)
		api_error(fx, request, 409, ALREADY_EXISTS "%s", msg->text);
	else if (err == ERR_LIMIT)
		api_error(fx, request, 507, "%s", msg->text);
	else
		api_error(fx, request, 500, UNKNOWN "%s", *msg->text ? msg->text : err_text(err));
}

enum api_outcome reply_later(struct call *c, int status, const char *text)
{
	c->turn->reply_status = status;
	c->turn->reply_body = slice_of(text);
	return API_PROPOSED;
}

void body_begin(struct body *b)
{
	buf_init(&b->text, API_BODY_MAX);
	json_begin(&b->w, &b->text);
}

enum api_outcome body_send(struct call *c, int status, struct body *b)
{
	buf_add_char(&b->text, '\n');
	if (b->text.failed)
		fail(c, 500, "the answer is larger than %d bytes: use filters", API_BODY_MAX);
	else
		add_reply(c->turn->fx, c->ev->id, status, buf_slice(&b->text));
	buf_done(&b->text);
	return API_REPLIED;
}

enum api_outcome body_later(struct call *c, int status, struct body *b)
{
	c->turn->reply_status = status;
	c->turn->reply_body = arena_copy(c->turn->arena, buf_slice(&b->text));
	buf_done(&b->text);
	return API_PROPOSED;
}

void body_object(struct body *b, const struct table *table, const void *object,
		 struct slice members)
{
	struct json_writer w;
	struct buf text;

	if (members.len == 0) {
		model_encode(&b->w, table, MODEL_API, object);
		return;
	}
	buf_init(&text, API_BODY_MAX);
	json_begin(&w, &text);
	model_encode(&w, table, MODEL_API, object);
	if (!text.failed) {
		text.len--;	/* its closing brace: every object has an ID, so a comma fits */
		buf_add_char(&text, ',');
		buf_add_slice(&text, members);
		buf_add_char(&text, '}');
		json_write_raw(&b->w, buf_slice(&text));
	}
	b->text.failed |= text.failed;
	buf_done(&text);
}

/* ---- requests ---- */

const char *query_text(struct call *c, const char *name)
{
	struct slice value;

	if (http_query_find(c->query, name, c->turn->arena, &value) < 0)
		return "";
	return arena_str(c->turn->arena, value);
}

const void *resolve(struct call *c, enum object_kind kind, const char *ref, int *status,
		    struct errmsg *msg)
{
	const char *noun = object_kind_names[kind];
	const struct network *network;
	const void *object = NULL;
	size_t matches = 0;
	int err = state_lookup(c->turn->state, kind, ref, &object, &matches);

	network = err == 0 && kind == OBJECT_NETWORK ? object : NULL;
	if (err == ERR_AMBIGUOUS) {
		*status = 400;
		errmsg_set(msg, err, "%s %s is ambiguous (%zu matches found%s)", noun, ref,
			   matches, kind == OBJECT_NETWORK ? " based on ID prefix" : "");
		return NULL;
	}
	if (err < 0 || (network && network->pending_delete)) {
		*status = 404;
		errmsg_set(msg, err, "%s %s not found", noun, ref);
		return NULL;
	}
	return object;
}

const void *find_object(struct call *c, enum object_kind kind)
{
	struct errmsg msg = { { 0 } };
	int status;
	const void *object = resolve(c, kind, c->ref, &status, &msg);

	if (!object)
		fail_text(c, status, "", &msg);
	return object;
}

int read_body(struct call *c, const struct json **root)
{
	struct errmsg msg = { { 0 } };

	if (c->ev->body.len && c->ev->text.len && !slice_has_prefix(c->ev->text,
								    "application/json")) {
		fail(c, 400, "unsupported Content-Type header (%.*s): must be 'application/json'",
		     SLICE_ARGS(c->ev->text));
		return -1;
	}
	if (json_parse(c->turn->arena, c->ev->body, root, &msg) < 0) {
		fail_text(c, 400, "invalid JSON: ", &msg);
		return -1;
	}
	if (json_type(*root) == JSON_OBJECT)
		return 0;
	fail(c, 400, "invalid JSON: the body must be an object");
	return -1;
}

int check_version(struct call *c, const char *noun, uint64_t stored)
{
	const char *text = query_text(c, "version");
	uint64_t version;

	if (slice_to_u64(slice_of(text), UINT64_MAX, &version) < 0) {
		fail(c, 400, "invalid %s version '%s': strconv.ParseUint: parsing \"%s\": "
		     "invalid syntax", noun, text, text);
		return -1;
	}
	if (version == stored)
		return 0;
	fail(c, 500, "%s", OUT_OF_SEQUENCE);
	return -1;
}

static int is_empty(const struct json *node)
{
	switch (json_type(node)) {
	case JSON_NULL: return 1;
	case JSON_BOOL: return !json_is_true(node);
	case JSON_NUMBER: return 0;
	case JSON_STRING: return json_string(node).len == 0;
	case JSON_ARRAY:
	case JSON_OBJECT: return json_count(node) == 0;
	}
	return 0;
}

const struct json *extra_member(struct call *c, struct slice extra, const char *name)
{
	struct arena *a = c->turn->arena;
	const struct json *root = NULL;
	struct buf text;

	if (extra.len == 0)
		return NULL;
	buf_init(&text, JSON_TEXT_MAX);
	buf_add_char(&text, '{');
	buf_add_slice(&text, extra);
	buf_add_char(&text, '}');
	if (json_parse(a, buf_slice(&text), &root, NULL) < 0)
		root = NULL;
	buf_done(&text);	/* the nodes are the arena's */
	for (const struct json *m = json_first(root); m; m = json_next(m)) {
		if (slice_is_nocase(json_key(m), name) && !is_empty(m))
			return m;
	}
	return NULL;
}

/* ---- routes ---- */

/* Looked for first: writes to it are the most frequent requests by far. */
static const struct route *find_kv_route(struct slice method, struct slice path,
					 struct slice *part)
{
	const struct route *r = kv_routes;
	size_t n = sizeof(KV_PATH) - 1;

	if (!slice_has_prefix(path, KV_PATH))
		return NULL;
	while (r->method && !slice_is(method, r->method))
		r++;
	*part = (struct slice){ path.data + n, path.len - n };
	return r;
}

static const struct route *find_route(struct slice method, struct slice path, struct slice *part)
{
	const struct route *kv = find_kv_route(method, path, part);

	if (kv)
		return kv;
	*part = (struct slice){ NULL, 0 };
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		if (slice_is(method, routes[i].method) &&
		    http_path_match(path, routes[i].pattern, part))
			return &routes[i];
	}
	return NULL;
}

int api_serves(struct slice method, struct slice target)
{
	const struct route *route;
	struct http_url url;
	struct slice part;

	if (http_url_split(target, &url) < 0)
		return 0;
	http_path_version(&url.path);
	route = find_route(method, url.path, &part);
	return route && route->run != swarm_renew;	/* that is for nodes, not for users */
}

/* 0, or -1: the error is replied. */
static int check_api_version(struct call *c, int version)
{
	int major = version / 100, minor = version % 100;

	if (version == 0)
		return 0;
	if (major < API_VERSION_MAJOR ||
	    (major == API_VERSION_MAJOR && minor < API_VERSION_MINOR_MIN)) {
		fail(c, 400, "client version %d.%d is too old. Minimum supported API version is "
		     "%d.%d, please upgrade your client to a newer version", major, minor,
		     API_VERSION_MAJOR, API_VERSION_MINOR_MIN);
		return -1;
	}
	if (major > API_VERSION_MAJOR || minor > API_VERSION_MINOR) {
		fail(c, 400, "client version %d.%d is too new. Maximum supported API version is "
		     "%d.%d", major, minor, API_VERSION_MAJOR, API_VERSION_MINOR);
		return -1;
	}
	return 0;
}

enum api_outcome fail_not_ready(struct call *c)
{
	if (c->api->config->worker)
		return fail(c, 503, "This node is not a swarm manager. Worker nodes can't be used "
			    "to view or modify cluster state. Please run this command on a manager "
			    "node or promote the current node to a manager.");
	return fail(c, 503, "This node is not a swarm manager. Manager is being prepared or has "
		    "trouble connecting to the cluster.");
}

/* What needs nothing of what a locked data folder holds. */
static int answers_locked(const struct route *r)
{
	return r->run == system_ping || r->run == system_version || r->run == system_info ||
	       r->run == swarm_unlock || r->run == swarm_leave;
}

static enum api_outcome run(struct call *c)
{
	const struct route *route;
	struct http_url url;
	struct slice part, ref;
	int version;

	if (http_url_split(c->ev->target, &url) < 0)
		return fail(c, 404, "page not found");
	c->query = url.query;
	version = http_path_version(&url.path);
	route = find_route(c->ev->method, url.path, &part);
	if (c->turn->locked && !(route && answers_locked(route)))
		return fail(c, 503, LOCKED);
	if (!route)
		return fail(c, 404, "page not found");
	if (check_api_version(c, version) < 0)
		return API_REPLIED;
	if (!c->turn->ready && route->place != API_HERE)
		return fail_not_ready(c);
	if (part.len) {
		if (http_url_decode(c->turn->arena, part, &ref) < 0)
			return fail(c, 400, "the path is not well encoded");
		c->ref = ref.data;	/* a NUL follows it */
	}
	return route->run(c);
}

enum api_outcome api_request(struct api *api, struct api_turn *turn, const struct event *ev)
{
	struct call c = { .api = api, .turn = turn, .ev = ev, .resumed = turn->no_wait };

	return run(&c);
}

void api_gone(struct api *api, struct api_turn *turn, uint64_t request)
{
	kv_watch_drop(&api->watch, request);
	logs_gone(api, turn, request);
}

/* ---- the key-value store ---- */

/* Has the query a parameter of that name? */
static int has_parameter(struct slice query, const char *name)
{
	while (query.len) {
		struct slice parameter = slice_cut(&query, '&');

		if (slice_is(slice_cut(&parameter, '='), name))
			return 1;
	}
	return 0;
}

enum api_place api_place(const struct event *ev)
{
	const struct route *route = NULL;
	struct http_url url;
	struct slice part;

	if (http_url_split(ev->target, &url) == 0) {
		http_path_version(&url.path);
		route = find_route(ev->method, url.path, &part);
	}
	if (!route)
		return API_HERE;
	if (route->run == kv_read && !has_parameter(url.query, "stale"))
		return API_READ;
	return route->place;
}

void api_watch(struct api *api, struct state *state)
{
	state->kv.note = kv_watch_note;
	state->kv.note_context = &api->watch;
	kv_watch_all(&api->watch);
}

void api_lost(struct api *api, struct api_turn *turn)
{
	logs_lost(api, turn);
	kv_watch_lost(&api->watch);
}

static void resume(struct api *api, struct api_turn *turn, const struct kv_wait *wait)
{
	struct event ev = { .kind = EVENT_REQUEST, .id = wait->request, .method = SLICE("GET"),
			    .target = wait->target };
	struct call c = { .api = api, .turn = turn, .ev = &ev, .resumed = 1 };

	if (wait->lost)
		api_error(turn->fx, wait->request, 503, "the manager that was asked leads no more: "
			  "try again");
	else
		(void)run(&c);	/* a read that has waited is replied to */
}

void api_due(struct api *api, struct api_turn *turn, uint64_t now_ms)
{
	while (effects_room(turn->fx) > EFFECTS_MAX / 4 && turn->fx->arena.used < API_DUE_BYTES) {
		struct kv_wait *wait = kv_watch_take(&api->watch, now_ms);

		if (!wait)
			break;
		resume(api, turn, wait);
		kv_wait_free(wait);
	}
}

int api_is_due(const struct api *api, uint64_t now_ms)
{
	uint64_t deadline_ms = api_deadline(api);

	return api->log_streams.count > 0 || (deadline_ms && deadline_ms <= now_ms);
}

uint64_t api_deadline(const struct api *api)
{
	return kv_watch_deadline(&api->watch);
}
