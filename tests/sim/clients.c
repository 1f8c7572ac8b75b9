/* Users: they create, change and remove services and networks, drain the node, have managers lock,
 * read. Contracts are in sim.h. */
#include <stdio.h>
#include <string.h>
#include "sim.h"

enum {
	BODY_MAX = 8192,
	PATIENCE_US = 6 * SECOND,	/* of a user, while things fail */
	/* A manager holds a request for 10 s when nobody leads. */
	ANSWER_WITHIN = 15 * SECOND,
	/* From when on what was asked for and not answered will not be done any more. */
	UNSURE_US = 20 * SECOND,
};

static struct client_request *find_request(struct clients *c, uint64_t id)
{
	for (int i = 0; i < REQUESTS; i++) {
		if (c->requests[i].kind != REQUEST_NONE && c->requests[i].id == id)
			return &c->requests[i];
	}
	return NULL;
}

static struct host *any_host(struct sim *sim)
{
	struct host *host = &sim->hosts[rng_below(&sim->rng, (uint64_t)sim->host_count)];

	return host->used && host_runs(host) && !host->stopping && !host->to_leave ? host : NULL;
}

struct client_request *clients_send(struct sim *sim, struct host *host, enum request_kind kind,
				    const char *method, const char *target, struct slice body)
{
	struct clients *c = &sim->clients;
	struct client_request *r = c->requests;
	struct event ev = {
		.kind = EVENT_REQUEST, .id = ++c->last_request, .method = slice_of(method),
		.target = slice_of(target), .body = body, .text = SLICE("application/json"),
	};

	if (!host)
		host = any_host(sim);
	if (!host)
		return NULL;
	while (r->kind != REQUEST_NONE) {
		if (++r == c->requests + REQUESTS)
			return NULL;
	}
	*r = (struct client_request){ .id = ev.id, .kind = kind, .slot = -1, .host = host,
				      .sent_us = sim->now_us };
	sim_trace(sim, "client: %s %s %s %.*s", host->name, method, target,
		  body.len > 200 ? 200 : (int)body.len, body.data ? body.data : "");
	host_deliver(host, 0, MANAGER, &ev);
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
	r = clients_send(sim, NULL, kind, "POST", stored ? target : "/v1.41/services/create",
			 buf_slice(&b));
	buf_done(&b);
	if (!r)
		return;
	r->slot = slot;
	r->mark = mark;
	s->busy = 1;
}

static void remove_service(struct sim *sim, int slot)
{
	struct client_service *s = &sim->clients.services[slot];
	struct client_request *r;
	char target[64];

	snprintf(target, sizeof(target), "/services/%s", s->id);
	r = clients_send(sim, NULL, REQUEST_REMOVE, "DELETE", target, (struct slice){ NULL, 0 });
	if (!r)
		return;
	r->slot = slot;
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
	struct client_request *r;
	char text[96];

	if (n->busy)
		return;
	if (*n->id) {
		snprintf(text, sizeof(text), "/v1.41/networks/%s", n->id);
		r = clients_send(sim, NULL, REQUEST_NET_REMOVE, "DELETE", text, none);
	} else {
		snprintf(text, sizeof(text), "{\"Name\":\"net%d\",\"Driver\":\"overlay\"}", slot);
		r = clients_send(sim, NULL, REQUEST_NET_CREATE, "POST", "/networks/create",
				 slice_of(text));
	}
	if (!r)
		return;
	r->slot = slot;
	n->busy = 1;
	n->removing |= *n->id != '\0';
}

/* inactive: one that is to be active again; NULL: any, and any way. */
static void change_node(struct sim *sim, const struct host *inactive)
{
	const struct host *host = inactive ? inactive :
		&sim->hosts[rng_below(&sim->rng, (uint64_t)sim->host_count)];
	const struct node *n = state_node(&sim->checks.shadow, host->node_id);
	char target[96], body[96];

	if (!n || sim->clients.node_busy)
		return;
	snprintf(target, sizeof(target), "/nodes/%s/update?version=%llu", host->node_id,
		 (unsigned long long)n->meta.version);
	snprintf(body, sizeof(body), "{\"Role\":\"manager\",\"Availability\":\"%s\"}",
		 inactive ? "active" : pick(sim, "active", "drain", "pause"));
	sim->clients.node_busy = clients_send(sim, NULL, REQUEST_NODE, "POST", target,
					      slice_of(body)) != NULL;
}

/* Managers are to lock, with this key or another one, or not. */
static void change_swarm(struct sim *sim)
{
	const struct cluster *c = state_cluster(&sim->checks.shadow);
	char target[96], body[96];

	if (!c)
		return;
	snprintf(target, sizeof(target), "/swarm/update?version=%llu&rotateManagerUnlockKey=%s",
		 (unsigned long long)c->meta.version, pick(sim, "true", "false", "true"));
	snprintf(body, sizeof(body), "{\"Name\":\"default\",\"EncryptionConfig\":{"
		 "\"AutoLockManagers\":%s}}", pick(sim, "true", "false", "true"));
	clients_send(sim, NULL, REQUEST_SWARM, "POST", target, slice_of(body));
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
		clients_send(sim, NULL, REQUEST_LOGS, "GET", target, (struct slice){ NULL, 0 });
	} else {
		clients_send(sim, NULL, REQUEST_READ, "GET", targets[rng_below(&sim->rng, 8)],
			     (struct slice){ NULL, 0 });
	}
}

/* Whoever lost an answer looks what came of it. */
static void look_again(struct sim *sim)
{
	const struct state *state = &sim->checks.shadow;
	char name[16];

	for (int i = 0; i < SERVICES; i++) {
		struct client_service *s = &sim->clients.services[i];
		const struct service *stored;

		snprintf(name, sizeof(name), "svc%d", i);
		stored = state_find_name(state, OBJECT_SERVICE, name);
		if (s->busy || sim->now_us < s->unsure_us)
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
		if (n->busy || sim->now_us < n->unsure_us)
			continue;
		*n = (struct client_network){ .id = "" };
		if (stored)
			snprintf(n->id, sizeof(n->id), "%s", stored->meta.id);
	}
}

/* No answer will come, but what was asked for may still be done. */
static void lost(struct sim *sim, struct client_request *r)
{
	struct clients *c = &sim->clients;
	uint64_t sure_us = sim->now_us + UNSURE_US;

	sim->marks[MARK_UNKNOWN]++;
	switch (r->kind) {
	case REQUEST_CREATE:
	case REQUEST_UPDATE:
	case REQUEST_REMOVE:
		c->services[r->slot].busy = 0;
		c->services[r->slot].rolls_back = 1;
		c->services[r->slot].unsure_us = sure_us;
		break;
	case REQUEST_NET_CREATE:
	case REQUEST_NET_REMOVE:
		c->networks[r->slot].busy = 0;
		c->networks[r->slot].unsure_us = sure_us;
		break;
	case REQUEST_NODE:
		c->node_busy = 0;
		break;
	default:
		break;
	}
	r->kind = REQUEST_NONE;
}

static void give_up(struct sim *sim, struct client_request *r)
{
	struct event gone = { .kind = EVENT_REQUEST_GONE, .id = r->id };

	host_deliver(r->host, 0, MANAGER, &gone);
	lost(sim, r);
}

/* Streams end when their reader leaves. Of other requests users wait only so long, and when nothing
 * fails they must be answered. */
static void look_at_requests(struct sim *sim)
{
	for (int i = 0; i < REQUESTS; i++) {
		struct client_request *r = &sim->clients.requests[i];
		uint64_t since = r->sent_us > sim->kv.whole_us ? r->sent_us : sim->kv.whole_us;

		if (r->kind == REQUEST_NONE || r->kind == REQUEST_LEAVE)
			continue;
		if (r->kind == REQUEST_LOGS) {
			if (!sim->faults || rng_chance(&sim->rng, 1, 4))
				give_up(sim, r);
		} else if (sim->faults && r->sent_us + PATIENCE_US < sim->now_us) {
			give_up(sim, r);
		} else if (!sim->faults && r->kind != REQUEST_MEMBER &&
			   since + ANSWER_WITHIN < sim->now_us) {
			sim_fail(sim, "request %llu to %s is not answered",
				 (unsigned long long)r->id, r->host->name);
		}
	}
}

static void look(struct sim *sim, struct happening *h)
{
	(void)h;
	sim_at(sim, SECOND, look, NULL);
	look_at_requests(sim);
}

static const struct host *inactive_host(struct sim *sim)
{
	for (int i = 0; i < HOSTS; i++) {
		const struct node *n = state_node(&sim->checks.shadow, sim->hosts[i].node_id);

		if (sim->hosts[i].used && n && n->spec.availability != AVAILABILITY_ACTIVE)
			return &sim->hosts[i];
	}
	return NULL;
}

static void tick(struct sim *sim, struct happening *h)
{
	uint64_t what = rng_below(&sim->rng, 20);

	(void)h;
	sim_at(sim, sim_between(sim, 50 * MS, 5 * SECOND), tick, NULL);
	look_again(sim);
	if (sim->clients.leaving)
		return;
	if (!sim->faults) {
		if (inactive_host(sim))
			change_node(sim, inactive_host(sim));
	} else if (what < 11) {
		change_service(sim);
	} else if (what < 14) {
		change_network(sim);
	} else if (what < 15) {
		change_node(sim, rng_chance(&sim->rng, 1, 2) ? inactive_host(sim) : NULL);
	} else if (what < 16) {
		change_swarm(sim);
	} else {
		read_something(sim);
	}
}

void clients_start(struct sim *sim)
{
	sim_at(sim, SECOND, look, NULL);
	if (sim->plan.services)
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
	clients_send(sim, &sim->hosts[0], REQUEST_LEAVE, "POST", "/swarm/leave?force=1",
		     (struct slice){ NULL, 0 });
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

	s->busy = 0;
	if (x->status >= 500) {	/* it may have been done */
		s->rolls_back = 1;
		s->unsure_us = sim->now_us + UNSURE_US;
	}
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
		c->networks[r->slot].busy = 0;
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
	case REQUEST_PUT:
	case REQUEST_CAS:
	case REQUEST_DELETE:
	case REQUEST_GET:
	case REQUEST_STALE:
	case REQUEST_WAIT:
		kv_users_answered(sim, r, x);
		break;
	case REQUEST_MEMBER:
		sim->marks[MARK_GONE] += x->status == 200;
		break;
	case REQUEST_SWARM:
	case REQUEST_LOGS:
	case REQUEST_NONE:
		break;
	}
}

void clients_reply(struct host *host, const struct effect *x)
{
	struct sim *sim = host->sim;
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

void clients_crash(struct host *host)
{
	for (int i = 0; i < REQUESTS; i++) {
		struct client_request *r = &host->sim->clients.requests[i];

		if (r->kind != REQUEST_NONE && r->kind != REQUEST_LEAVE && r->host == host)
			lost(host->sim, r);
	}
}

int clients_quiet(const struct sim *sim)
{
	for (int i = 0; i < REQUESTS; i++) {
		if (sim->clients.requests[i].kind != REQUEST_NONE)
			return 0;
	}
	return 1;
}
