/* The engine's API, as much of it as the worker uses. Contracts are in sim.h. */
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "http/url.h"
#include "sim.h"

enum { IMAGE_NEVER = 7 };	/* the pull of this one fails as long as anything may fail */

struct answer {
	struct sim *sim;
	struct host *host;
	struct arena *a;
	struct slice query;
	const struct json *body;	/* NULL: none */
	struct slice part;		/* the path's variable part, decoded */
	struct buf *out;
};

#define COPY(dst, slice) snprintf((dst), sizeof(dst), "%.*s", SLICE_ARGS(slice))

static int message(struct answer *r, int status, const char *what, struct slice name)
{
	buf_printf(r->out, "{\"message\":\"%s %.*s\"}", what, SLICE_ARGS(name));
	return status;
}

static int info(struct answer *r)
{
	buf_add_str(r->out, "{\"ServerVersion\":\"20.10\",\"NCPU\":4,\"MemTotal\":8000000000,"
		    "\"Architecture\":\"x86_64\",\"OSType\":\"linux\",\"Name\":\"host1\"}");
	return 200;
}

/* ---- images -------------------------------------------------------------------- */

static int *image_of(struct answer *r, struct slice name)
{
	if (name.len < 4 || !slice_has_prefix(name, "app") || name.data[3] < '0' ||
	    name.data[3] > '7')
		return NULL;
	return &r->host->engine.images[name.data[3] - '0'];
}

static int image_inspect(struct answer *r)
{
	const int *image = image_of(r, r->part);

	if (!image || !*image)
		return message(r, 404, "No such image:", r->part);
	buf_add_str(r->out, "{\"Id\":\"sha256:1\"}");
	return 200;
}

static int image_pull(struct answer *r)
{
	struct slice name = { NULL, 0 };
	int *image;

	(void)http_query_find(r->query, "fromImage", r->a, &name);
	image = image_of(r, name);
	if (!image || (r->sim->faults && image == &r->host->engine.images[IMAGE_NEVER])) {
		r->sim->marks[MARK_PULL_FAILED]++;
		return message(r, 404, "pull access denied for", name);
	}
	buf_add_str(r->out, "{\"status\":\"Pulling from library\"}\r\n");
	if (sim_fault(r->sim, OPT_PULL, 10000)) {
		r->sim->marks[MARK_PULL_FAILED]++;
		buf_add_str(r->out, "{\"errorDetail\":{\"message\":\"unexpected EOF\"},"
			    "\"error\":\"unexpected EOF\"}\r\n");
		return 200;
	}
	*image = 1;
	buf_add_str(r->out, "{\"status\":\"Pull complete\",\"id\":\"1\"}\r\n");
	return 200;
}

/* ---- containers ---------------------------------------------------------------- */

static const char *const states[] = { "created", "running", "exited" };
static const char *const healths[] = { "", "starting", "healthy", "unhealthy" };

static void put_labels(struct json_writer *w, const struct host *host, const struct container *c)
{
	json_write_key(w, "Labels");
	json_open_object(w);
	json_put_str(w, "com.docker.swarm.task.id", c->task);
	json_put_str(w, "com.docker.swarm.service.id", c->service);
	json_put_str(w, "com.docker.swarm.node.id", host->node_id);
	json_close_object(w);
}

static int container_list(struct answer *r)
{
	struct json_writer w;

	json_begin(&w, r->out);
	json_open_array(&w);
	for (struct container *c = r->host->engine.containers; c; c = c->next) {
		r->sim->marks[MARK_ADOPTED] += c->state == RUNNING && c->life &&
					       c->life != r->host->life;
		json_open_object(&w);
		json_put_str(&w, "Id", c->id);
		json_put_str(&w, "State", states[c->state]);
		put_labels(&w, r->host, c);
		json_close_object(&w);
	}
	json_close_array(&w);
	return 200;
}

static void attach(struct container *c, struct slice network, const struct json *endpoint)
{
	struct slice address = json_string(json_get(json_get(endpoint, "IPAMConfig"),
						    "IPv4Address"));
	struct attachment *n = &c->networks[c->network_count];

	if (c->network_count == CONTAINER_NETWORKS)
		return;
	c->network_count++;
	COPY(n->network, network);
	COPY(n->address, address);
}

static void read_spec(struct answer *r, struct container *c)
{
	const struct json *labels = json_get(r->body, "Labels");
	const struct json *nets = json_get(json_get(r->body, "NetworkingConfig"),
					   "EndpointsConfig");

	COPY(c->image, json_string(json_get(r->body, "Image")));
	COPY(c->task, json_string(json_get(labels, "com.docker.swarm.task.id")));
	COPY(c->service, json_string(json_get(labels, "com.docker.swarm.service.id")));
	for (const struct json *e = json_first(json_get(r->body, "Env")); e; e = json_next(e)) {
		struct slice value = json_string(e);

		if (slice_is(slice_cut(&value, '='), "SIM_MARK"))
			(void)slice_to_u64(value, UINT64_MAX, &c->mark);
	}
	if (json_get(r->body, "Healthcheck"))
		c->health = STARTING;
	for (const struct json *n = json_first(nets); n; n = json_next(n))
		attach(c, json_key(n), n);
}

static int container_create(struct answer *r)
{
	struct engine *e = &r->host->engine;
	struct container *c = mem_new(sizeof(*c));
	struct slice name = { NULL, 0 };
	int status = 201;

	(void)http_query_find(r->query, "name", r->a, &name);
	COPY(c->name, name);
	c->serial = ++e->serial;
	snprintf(c->id, sizeof(c->id), "%064llx", (unsigned long long)c->serial);
	read_spec(r, c);
	if (engine_find(r->host, name))
		status = message(r, 409, "Conflict. The container name is in use:", name);
	else if (!image_of(r, slice_of(c->image)) || !*image_of(r, slice_of(c->image)))
		status = message(r, 404, "No such image:", slice_of(c->image));
	for (int i = 0; i < c->network_count && status == 201; i++) {
		if (!engine_network(r->host, c->networks[i].network))
			status = message(r, 404, "network not found:",
					 slice_of(c->networks[i].network));
	}
	if (status != 201) {
		mem_free(c);
		return status;
	}
	check_create(r->host, c);
	c->next = e->containers;
	e->containers = c;
	sim_trace(r->sim, "engine: create %s", c->name);
	engine_event(r->host, c, "create");
	buf_printf(r->out, "{\"Id\":\"%s\",\"Warnings\":[]}", c->id);
	return 201;
}

static int container_inspect(struct answer *r, struct container *c)
{
	struct json_writer w;

	json_begin(&w, r->out);
	json_open_object(&w);
	json_put_str(&w, "Id", c->id);
	json_put_str(&w, "Name", c->name);
	json_write_key(&w, "State");
	json_open_object(&w);
	json_put_str(&w, "Status", states[c->state]);
	json_put_i64(&w, "Pid", c->state == RUNNING ? 1000 + (int64_t)c->serial : 0);
	json_put_i64(&w, "ExitCode", c->exit_code);
	if (c->health != NO_CHECK) {
		json_write_key(&w, "Health");
		json_open_object(&w);
		json_put_str(&w, "Status", healths[c->health]);
		json_close_object(&w);
	}
	json_close_object(&w);
	json_write_key(&w, "Config");
	json_open_object(&w);
	put_labels(&w, r->host, c);
	json_close_object(&w);
	json_write_key(&w, "NetworkSettings");
	json_open_object(&w);
	json_write_key(&w, "Ports");
	json_write_raw(&w, SLICE("{}"));
	json_close_object(&w);
	json_close_object(&w);
	return 200;
}

/* A container has its address. That of a task which has ended may still run for a moment: the
 * worker is at it; that of another one must not. */
static int address_taken(struct answer *r, const struct container *c)
{
	for (struct container *o = r->host->engine.containers; o; o = o->next) {
		for (int i = 0; o != c && o->state == RUNNING && i < o->network_count; i++) {
			for (int k = 0; k < c->network_count; k++) {
				if (strcmp(o->networks[i].network, c->networks[k].network) == 0 &&
				    *c->networks[k].address &&
				    strcmp(o->networks[i].address, c->networks[k].address) == 0) {
					check_address(r->host, c, o);
					return 1;
				}
			}
		}
	}
	return 0;
}

static int container_start(struct answer *r, struct container *c)
{
	if (c->state == RUNNING)
		return 304;
	for (int i = 0; i < c->network_count; i++) {
		if (!engine_network(r->host, c->networks[i].network))
			return message(r, 404, "network not found:",
				       slice_of(c->networks[i].network));
	}
	if (address_taken(r, c))
		return message(r, 500, "Address already in use", slice_of(c->name));
	check_start(r->host, c);
	sim_trace(r->sim, "engine: start %s", c->name);
	c->life = r->host->life;
	c->unasked |= r->host->engine.alone;
	engine_started(r->host, c);
	engine_event(r->host, c, "start");
	if (!sim_fault(r->sim, OPT_ERROR, 5000))
		return 204;
	r->sim->marks[MARK_ERROR_DONE]++;
	c->disowned = 1;
	return message(r, 500, "the engine stumbled over", slice_of(c->name));
}

static int container_stop(struct answer *r, struct container *c)
{
	if (c->state != RUNNING)
		return 304;
	check_stop(r->host, c);
	engine_ended(r->host, c, rng_chance(&r->sim->rng, 1, 2) ? 143 : 0);
	return 204;
}

static int container_delete(struct answer *r, struct container *c)
{
	if (sim_fault(r->sim, OPT_ERROR, 5000))
		return message(r, 409, "removal is already in progress:", slice_of(c->name));
	if (c->state == RUNNING) {
		check_stop(r->host, c);
		engine_ended(r->host, c, 137);
	}
	engine_event(r->host, c, "destroy");
	engine_free(r->host, c);
	return 204;
}

/* One frame of each stream (logmux.h). */
static int container_logs(struct answer *r, struct container *c)
{
	for (char stream = 1; stream <= 2; stream++) {
		char line[128];
		int n = snprintf(line, sizeof(line), "2026-01-01T00:00:00.000000000Z from %s\n",
				 c->task);
		const char head[8] = { stream, 0, 0, 0, 0, 0, 0, (char)n };

		buf_add(r->out, head, sizeof(head));
		buf_add(r->out, line, (size_t)n);
	}
	return 200;
}

/* ---- networks ------------------------------------------------------------------ */

static void put_network(struct json_writer *w, const struct host *host, const struct bridge_net *n)
{
	json_open_object(w);
	json_put_str(w, "Name", n->name);
	json_write_key(w, "Labels");
	json_open_object(w);
	json_put_str(w, "com.docker.swarm.network.id", n->id);
	json_put_str(w, "com.docker.swarm.node.id", host->node_id);
	json_close_object(w);
	json_close_object(w);
}

static int network_list(struct answer *r)
{
	struct json_writer w;

	json_begin(&w, r->out);
	json_open_array(&w);
	for (struct bridge_net *n = r->host->engine.networks; n; n = n->next)
		put_network(&w, r->host, n);
	json_close_array(&w);
	return 200;
}

static int network_create(struct answer *r)
{
	struct engine *e = &r->host->engine;
	struct slice name = json_string(json_get(r->body, "Name"));
	struct bridge_net *n;

	if (engine_network(r->host, arena_str(r->a, name)))
		return message(r, 409, "network already exists:", name);
	n = mem_new(sizeof(*n));
	COPY(n->name, name);
	COPY(n->id, json_string(json_get(json_get(r->body, "Labels"),
					 "com.docker.swarm.network.id")));
	n->next = e->networks;
	e->networks = n;
	sim_trace(r->sim, "engine: network %s", n->name);
	buf_add_str(r->out, "{\"Id\":\"1\"}");
	return 201;
}

static int network_inspect(struct answer *r)
{
	struct bridge_net *n = engine_network(r->host, arena_str(r->a, r->part));
	struct json_writer w;

	if (!n)
		return message(r, 404, "No such network:", r->part);
	json_begin(&w, r->out);
	put_network(&w, r->host, n);
	return 200;
}

static int network_delete(struct answer *r)
{
	struct bridge_net *n = engine_network(r->host, arena_str(r->a, r->part));
	struct bridge_net **link = &r->host->engine.networks;

	if (!n)
		return message(r, 404, "No such network:", r->part);
	for (struct container *c = r->host->engine.containers; c; c = c->next) {
		for (int i = 0; i < c->network_count && c->state == RUNNING; i++) {
			if (strcmp(c->networks[i].network, n->name) == 0)
				return message(r, 403, "has active endpoints:", r->part);
		}
	}
	while (*link != n)
		link = &(*link)->next;
	*link = n->next;
	sim_trace(r->sim, "engine: network %s removed", n->name);
	mem_free(n);
	return 204;
}

static int network_connect(struct answer *r)
{
	struct container *c = engine_find(r->host, json_string(json_get(r->body, "Container")));

	if (!engine_network(r->host, arena_str(r->a, r->part)))
		return message(r, 404, "No such network:", r->part);
	if (!c)
		return message(r, 404, "No such container", r->part);
	for (int i = 0; i < c->network_count; i++) {
		if (slice_is(r->part, c->networks[i].network))
			return message(r, 403, "endpoint already exists in network", r->part);
	}
	attach(c, r->part, json_get(r->body, "EndpointConfig"));
	return 200;
}

/* ---- routes -------------------------------------------------------------------- */

static const struct route {
	const char *method, *pattern;
	int (*run)(struct answer *r);
	int (*on)(struct answer *r, struct container *c);
} routes[] = {
	{ "GET", "/info", info, NULL },
	{ "POST", "/images/create", image_pull, NULL },
	{ "GET", "/images/{}/json", image_inspect, NULL },
	{ "GET", "/containers/json", container_list, NULL },
	{ "POST", "/containers/create", container_create, NULL },
	{ "GET", "/containers/{}/json", NULL, container_inspect },
	{ "POST", "/containers/{}/start", NULL, container_start },
	{ "POST", "/containers/{}/stop", NULL, container_stop },
	{ "GET", "/containers/{}/logs", NULL, container_logs },
	{ "DELETE", "/containers/{}", NULL, container_delete },
	{ "GET", "/networks", network_list, NULL },
	{ "POST", "/networks/create", network_create, NULL },
	{ "POST", "/networks/{}/connect", network_connect, NULL },
	{ "GET", "/networks/{}", network_inspect, NULL },
	{ "DELETE", "/networks/{}", network_delete, NULL },
};

static int run_route(struct answer *r, const struct route *route)
{
	struct container *c;

	if (r->part.len && http_url_decode(r->a, r->part, &r->part) < 0)
		return message(r, 400, "bad path", r->part);
	if (route->run)
		return route->run(r);
	c = engine_find(r->host, r->part);
	return c ? route->on(r, c) : message(r, 404, "No such container:", r->part);
}

int engine_carry_out(struct host *host, const struct call_seen *request, struct buf *out)
{
	struct answer r = { .sim = host->sim, .host = host, .out = out };
	struct arena a;
	struct http_url url;
	int status = 0;

	arena_init(&a);
	r.a = &a;
	if (http_url_split(request->target, &url) < 0)
		sim_fail(host->sim, "the engine is asked for %.*s", SLICE_ARGS(request->target));
	r.query = url.query;
	if (request->body.len && json_parse(&a, request->body, &r.body, NULL) < 0)
		sim_fail(host->sim, "the engine gets a body that is no JSON");
	for (size_t i = 0; i < sizeof(routes) / sizeof(*routes) && !status; i++) {
		if (slice_is(request->method, routes[i].method) &&
		    http_path_match(url.path, routes[i].pattern, &r.part))
			status = run_route(&r, &routes[i]);
	}
	if (!status)
		sim_fail(host->sim, "the engine has no %.*s %.*s", SLICE_ARGS(request->method),
			 SLICE_ARGS(request->target));
	arena_done(&a);
	return status;
}
