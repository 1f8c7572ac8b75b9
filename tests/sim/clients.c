/* Users: they create, change and remove services and networks, drain the node, read. Contracts
 * are in sim.h. */
#include <stdio.h>
#include <string.h>
#include "sim.h"

enum { ANSWER_WITHIN = 10 * SECOND, BODY_MAX = 8192 };

static struct client_request *find_request(struct clients *c, uint64_t id)
{
	for (int i = 0; i < REQUESTS; i++) {
		if (c->requests[i].kind != REQUEST_NONE && c->requests[i].id == id)
			return &c->requests[i];
	}
	return NULL;
}

static struct client_request *send(struct sim *sim, enum request_kind kind, const char *method,
				   const char *target, struct slice body)
{
	struct clients *c = &sim->clients;
	struct client_request *r = c->requests;
	struct event ev = {
		.kind = EVENT_REQUEST, .id = ++c->last_request, .method = slice_of(method),
		.target = slice_of(target), .body = body, .text = SLICE("application/json"),
	};

	while (r->kind != REQUEST_NONE) {
		if (++r == c->requests + REQUESTS) {
			sim_fail(sim, "%d requests wait for their answers", REQUESTS);
			return &c->requests[0];
		}
	}
	*r = (struct client_request){ .id = ev.id, .kind = kind, .slot = -1,
				      .sent_us = sim->now_us };
	sim_trace(sim, "client: %s %s %.*s", method, target, SLICE_ARGS(body));
	sim_deliver(sim, 0, MANAGER, &ev);
	return r;
}

/* ---- specs --------------------------------------------------------------------- */

static const char *pick(struct sim *sim, const char *a, const char *b, const char *c)
{
	uint64_t n = rng_below(&sim->rng, 3);

	return n == 0 ? a : n == 1 ? b : c;
}

static void add_restart(struct sim *sim, struct buf *b, int easy)
{
	static const char *const conditions[] = {
		"any", "any", "any", "any", "any", "any", "on-failure", "none",
	};

	if (!easy && rng_chance(&sim->rng, 1, 3))
		return;
	buf_printf(b, ",\"RestartPolicy\":{\"Condition\":\"%s\",\"Delay\":%llu,"
		   "\"MaxAttempts\":%llu,\"Window\":%llu}",
		   easy ? "any" : conditions[rng_below(&sim->rng, 8)],
		   (unsigned long long)sim_between(sim, 1, 50) * 100000000,
		   easy || rng_chance(&sim->rng, 4, 5) ? 0ULL :
			(unsigned long long)sim_between(sim, 1, 3),
		   rng_chance(&sim->rng, 1, 2) ? 0ULL : 10000000000ULL);
}

static void add_networks(struct sim *sim, struct buf *b)
{
	int any = 0;

	for (int i = 0; i < NETWORKS; i++) {
		const struct client_network *n = &sim->clients.networks[i];

		if (!*n->id || n->removing || rng_chance(&sim->rng, 1, 2))
			continue;
		buf_printf(b, "%s{\"Target\":\"", any ? "," : ",\"Networks\":[");
		if (rng_chance(&sim->rng, 1, 2))
			buf_printf(b, "net%d\"}", i);
		else
			buf_printf(b, "%s\"}", n->id);
		any = 1;
	}
	if (any)
		buf_add_char(b, ']');
}

static void add_update(struct sim *sim, struct buf *b, int easy)
{
	buf_printf(b, ",\"UpdateConfig\":{\"Parallelism\":%llu,\"Delay\":%llu,\"Monitor\":%llu,"
		   "\"FailureAction\":\"%s\",\"Order\":\"%s\"}",
		   (unsigned long long)sim_between(sim, 0, 2),
		   (unsigned long long)sim_between(sim, 0, 20) * 100000000,
		   (unsigned long long)sim_between(sim, 5, 50) * 100000000,
		   easy ? "continue" : pick(sim, "pause", "continue", "rollback"),
		   rng_chance(&sim->rng, 1, 3) ? "start-first" : "stop-first");
}

/* easy: one that will come up as soon as nothing fails any more. */
static void spec(struct sim *sim, struct buf *b, int slot, uint64_t mark, int easy)
{
	uint64_t image = easy ? 0 : sim_between(sim, 0, 7);

	if (image == 7 && rng_chance(&sim->rng, 1, 2))
		image = 1;
	buf_printf(b, "{\"Name\":\"svc%d\",\"TaskTemplate\":{\"ContainerSpec\":{"
		   "\"Image\":\"app%llu\",\"Env\":[\"SIM_MARK=%llu\"]", slot,
		   (unsigned long long)image, (unsigned long long)mark);
	if (rng_chance(&sim->rng, 1, 3))
		buf_add_str(b, ",\"Healthcheck\":{\"Test\":[\"CMD\",\"true\"]}");
	if (rng_chance(&sim->rng, 1, 3))
		buf_add_str(b, ",\"StopGracePeriod\":2500000000");
	buf_add_char(b, '}');
	add_restart(sim, b, easy);
	add_networks(sim, b);
	buf_add_char(b, '}');
	/* The mode of a service never changes: it goes by its name. */
	if (slot == SERVICES - 1)
		buf_add_str(b, ",\"Mode\":{\"Global\":{}}");
	else
		buf_printf(b, ",\"Mode\":{\"Replicated\":{\"Replicas\":%llu}}",
			   (unsigned long long)sim_between(sim, 0, 4));
	if (easy || rng_chance(&sim->rng, 2, 3))
		add_update(sim, b, easy);
	if (rng_chance(&sim->rng, 1, 2))
		buf_printf(b, ",\"EndpointSpec\":{\"Ports\":[{\"TargetPort\":80,"
			   "\"PublishedPort\":%llu}]}",
			   rng_chance(&sim->rng, 1, 3) ? 0ULL :
			   (unsigned long long)sim_between(sim, 8000, 8003));
	buf_add_char(b, '}');
}

/* ---- what users do ------------------------------------------------------------- */

static void send_spec(struct sim *sim, int slot, int easy)
{
	struct client_service *s = &sim->clients.services[slot];
	const struct service *stored = state_service(&sim->checks.shadow, s->id);
	enum request_kind kind = stored ? REQUEST_UPDATE : REQUEST_CREATE;
	uint64_t mark = ++sim->clients.last_mark, version = stored ? stored->meta.version : 0;
	struct client_request *r;
	char target[128];
	struct buf b;

	if (stored && !easy && rng_chance(&sim->rng, 1, 8) && version > 1)
		version--;	/* read some time ago */
	snprintf(target, sizeof(target), "/v1.41/services/%s/update?version=%llu", s->id,
		 (unsigned long long)version);
	buf_init(&b, BODY_MAX);
	spec(sim, &b, slot, mark, easy);
	r = send(sim, kind, "POST", stored ? target : "/v1.41/services/create", buf_slice(&b));
	r->slot = slot;
	r->mark = mark;
	buf_done(&b);
	s->busy = 1;
}

static void remove_service(struct sim *sim, int slot)
{
	struct client_service *s = &sim->clients.services[slot];
	char target[64];

	snprintf(target, sizeof(target), "/services/%s", s->id);
	send(sim, REQUEST_REMOVE, "DELETE", target, (struct slice){ NULL, 0 })->slot = slot;
	s->busy = s->removing = 1;
}

static void change_service(struct sim *sim)
{
	int slot = (int)rng_below(&sim->rng, SERVICES);
	struct client_service *s = &sim->clients.services[slot];

	if (s->busy)
		return;
	if (*s->id && rng_chance(&sim->rng, 1, 4))
		remove_service(sim, slot);
	else
		send_spec(sim, slot, 0);
}

static void change_network(struct sim *sim)
{
	const struct slice none = { NULL, 0 };
	int slot = (int)rng_below(&sim->rng, NETWORKS);
	struct client_network *n = &sim->clients.networks[slot];
	char text[96];

	if (n->busy)
		return;
	n->busy = 1;
	if (*n->id) {
		snprintf(text, sizeof(text), "/v1.41/networks/%s", n->id);
		n->removing = 1;
		send(sim, REQUEST_NET_REMOVE, "DELETE", text, none)->slot = slot;
	} else {
		snprintf(text, sizeof(text), "{\"Name\":\"net%d\",\"Driver\":\"overlay\"}", slot);
		send(sim, REQUEST_NET_CREATE, "POST", "/networks/create",
		     slice_of(text))->slot = slot;
	}
}

static void change_node(struct sim *sim, int active)
{
	const struct node *n = state_node(&sim->checks.shadow, SIM_NODE);
	char target[96], body[96];

	if (!n || sim->clients.node_busy)
		return;
	snprintf(target, sizeof(target), "/nodes/%s/update?version=%llu", SIM_NODE,
		 (unsigned long long)n->meta.version);
	snprintf(body, sizeof(body), "{\"Role\":\"manager\",\"Availability\":\"%s\"}",
		 active ? "active" : pick(sim, "active", "drain", "pause"));
	sim->clients.node_busy = 1;
	send(sim, REQUEST_NODE, "POST", target, slice_of(body));
}

static void read_something(struct sim *sim)
{
	static const char *const targets[] = {
		"/services?status=true", "/tasks", "/nodes", "/networks", "/info", "/version",
		"/tasks?filters=%7B%22desired-state%22%3A%5B%22running%22%5D%7D", "/swarm",
	};
	const struct client_service *s = &sim->clients.services[rng_below(&sim->rng, SERVICES)];
	char target[128];

	if (*s->id && rng_chance(&sim->rng, 1, 3)) {
		snprintf(target, sizeof(target), "/services/%s/logs?stdout=1&stderr=1&follow=%d",
			 s->id, rng_chance(&sim->rng, 1, 2));
		send(sim, REQUEST_LOGS, "GET", target, (struct slice){ NULL, 0 });
	} else {
		send(sim, REQUEST_READ, "GET", targets[rng_below(&sim->rng, 8)],
		     (struct slice){ NULL, 0 });
	}
}

/* Whoever lost an answer looks what came of it. */
static void look_again(struct sim *sim)
{
	const struct state *state = &sim->checks.shadow;
	char name[16];

	if (sim->checks.recovering)
		return;		/* what the log still holds is not known */
	for (int i = 0; i < SERVICES; i++) {
		struct client_service *s = &sim->clients.services[i];
		const struct service *stored;

		snprintf(name, sizeof(name), "svc%d", i);
		stored = state_find_name(state, OBJECT_SERVICE, name);
		if (s->busy)
			continue;
		if (!stored && (!*s->id || s->removing)) {
			*s = (struct client_service){ .id = "" };
		} else if (stored && (!*s->id || s->removing)) {
			*s = (struct client_service){ .id = "" };
			snprintf(s->id, sizeof(s->id), "%s", stored->meta.id);
			s->acked = check_mark(&stored->spec.task_template);
			s->rolls_back = 1;	/* what it came from is not known */
		}
	}
	for (int i = 0; i < NETWORKS; i++) {
		struct client_network *n = &sim->clients.networks[i];
		const struct network *stored;

		snprintf(name, sizeof(name), "net%d", i);
		stored = state_find_name(state, OBJECT_NETWORK, name);
		if (n->busy)
			continue;
		*n = (struct client_network){ .id = "" };
		if (stored)
			snprintf(n->id, sizeof(n->id), "%s", stored->meta.id);
	}
}

/* Streams end when their reader leaves; other requests must be answered. */
static void look_at_requests(struct sim *sim)
{
	for (int i = 0; i < REQUESTS; i++) {
		struct client_request *r = &sim->clients.requests[i];
		struct event gone = { .kind = EVENT_REQUEST_GONE, .id = r->id };

		if (r->kind == REQUEST_NONE)
			continue;
		if (r->kind == REQUEST_LOGS && (!sim->faults || rng_chance(&sim->rng, 1, 4))) {
			r->kind = REQUEST_NONE;
			sim_deliver(sim, 0, MANAGER, &gone);
		} else if (r->kind != REQUEST_LOGS && r->kind != REQUEST_LEAVE &&
			   sim->now_us - r->sent_us > ANSWER_WITHIN) {
			sim_fail(sim, "request %llu is not answered", (unsigned long long)r->id);
		}
	}
}

static void tick(struct sim *sim, struct happening *h)
{
	const struct node *n = state_node(&sim->checks.shadow, SIM_NODE);
	uint64_t what = rng_below(&sim->rng, 20);

	(void)h;
	sim_at(sim, sim_between(sim, 50 * MS, 5 * SECOND), tick, NULL);
	look_again(sim);
	look_at_requests(sim);
	if (!sim->up || sim->stopping || sim->clients.leaving)
		return;
	if (!sim->faults) {
		if (n && n->spec.availability != AVAILABILITY_ACTIVE)
			change_node(sim, 1);
	} else if (what < 11) {
		change_service(sim);
	} else if (what < 14) {
		change_network(sim);
	} else if (what < 15) {
		change_node(sim, rng_chance(&sim->rng, 1, 2));
	} else {
		read_something(sim);
	}
}

void clients_start(struct sim *sim)
{
	sim_at(sim, 500 * MS, tick, NULL);
}

void clients_push(struct sim *sim)
{
	char name[16], why[256];

	look_again(sim);
	for (int i = 0; i < SERVICES; i++) {
		const struct service *stored;

		snprintf(name, sizeof(name), "svc%d", i);
		stored = state_find_name(&sim->checks.shadow, OBJECT_SERVICE, name);
		if (stored && check_may_rest(sim, stored) && *sim->clients.services[i].id &&
		    !check_service(sim, stored, why))
			send_spec(sim, i, 1);
	}
}

void clients_leave(struct sim *sim)
{
	sim->clients.leaving = 1;
	send(sim, REQUEST_LEAVE, "POST", "/swarm/leave?force=1", (struct slice){ NULL, 0 });
}

/* ---- answers ------------------------------------------------------------------- */

static void read_id(struct slice body, const char *key, char id[32])
{
	const struct json *root;
	struct arena a;

	arena_init(&a);
	if (json_parse(&a, body, &root, NULL) == 0)
		snprintf(id, 32, "%.*s", SLICE_ARGS(json_string(json_get(root, key))));
	arena_done(&a);
}

static void service_answered(struct sim *sim, struct client_request *r, const struct effect *x)
{
	struct client_service *s = &sim->clients.services[r->slot];
	unsigned done = x->status < 300;

	/* With a disk that failed the outcome is known after the restart only. */
	s->busy = sim->disk.failed;
	if (r->kind == REQUEST_REMOVE) {
		sim->marks[MARK_REMOVED] += done;
		if (done)
			check_acked(sim, r, s->id);
		return;
	}
	if (!done)
		return;
	if (r->kind == REQUEST_CREATE) {
		*s = (struct client_service){ .id = "" };
		read_id(x->body, "ID", s->id);
	}
	sim->marks[r->kind == REQUEST_CREATE ? MARK_CREATED : MARK_UPDATED]++;
	s->acked = r->mark;
	check_acked(sim, r, s->id);
}

static void answered(struct sim *sim, struct client_request *r, const struct effect *x)
{
	struct clients *c = &sim->clients;

	switch (r->kind) {
	case REQUEST_CREATE:
	case REQUEST_UPDATE:
	case REQUEST_REMOVE:
		service_answered(sim, r, x);
		break;
	case REQUEST_NET_CREATE:
	case REQUEST_NET_REMOVE:
		c->networks[r->slot].busy = sim->disk.failed;
		if (r->kind == REQUEST_NET_REMOVE && x->status < 300)
			sim->marks[MARK_NETWORK]++;
		break;
	case REQUEST_NODE:
		c->node_busy = 0;
		break;
	case REQUEST_LEAVE:
		c->left = x->status == 200;
		sim->marks[MARK_LEFT] += x->status == 200;
		break;
	case REQUEST_READ:
		if (x->status != 200 && x->status != 503)
			sim_fail(sim, "a read is answered with %d", x->status);
		break;
	case REQUEST_LOGS:
	case REQUEST_NONE:
		break;
	}
}

void clients_reply(struct sim *sim, const struct effect *x)
{
	struct client_request *r = find_request(&sim->clients, x->id);

	if (!r)
		return;		/* its client has left */
	if (x->kind == EFFECT_REPLY_CHUNK) {
		sim->marks[MARK_LOGS] += x->body.len > 0;
	} else {
		sim->marks[MARK_REFUSED] += x->status >= 400;
		answered(sim, r, x);
	}
	if (!x->more)
		r->kind = REQUEST_NONE;
}

void clients_crash(struct sim *sim)
{
	for (int i = 0; i < REQUESTS; i++) {
		struct client_request *r = &sim->clients.requests[i];

		sim->marks[MARK_UNKNOWN] += r->kind >= REQUEST_CREATE && r->kind <= REQUEST_NODE;
		r->kind = REQUEST_NONE;
	}
	for (int i = 0; i < SERVICES; i++)
		sim->clients.services[i].busy = 0;
	for (int i = 0; i < NETWORKS; i++)
		sim->clients.networks[i].busy = 0;
	sim->clients.node_busy = 0;
}

int clients_quiet(const struct sim *sim)
{
	for (int i = 0; i < REQUESTS; i++) {
		if (sim->clients.requests[i].kind != REQUEST_NONE)
			return 0;
	}
	return 1;
}
