/*
 * What a host is in the swarm: its certificate, asked for at any manager (main_join.c, main_renew.c
 * in the daemon), and the role that this names. Contracts are in sim.h. Whoever checks a
 * certificate goes by its own clock.
 */
#include <stdio.h>
#include <string.h>
#include "applets/manager/ca.h"
#include "base/timefmt.h"
#include "crypt/x509.h"
#include "model/session.h"
#include "sim.h"

enum {
	REQUEST_TEXT_MAX = 8192,
	TOKEN_AGAIN_US = 5 * MS,	/* until there is one */
	JOIN_AGAIN_US = 250 * MS,	/* after a manager has said not now */
	AGAIN_US = 5 * SECOND,		/* after a renewal that was refused */
	NOBODY_US = 1 * SECOND,		/* until one that does not answer is given up */
};

int nodes_is_manager(const struct host *host)
{
	return host->identity.enrolled && host->identity.role == ROLE_MANAGER;
}

int nodes_contacts(const struct host *host, struct host *list[HOSTS])
{
	struct slice rest = slice_of(host->store.contacts);
	int n = 0;

	while (rest.len) {
		struct slice address = slice_cut(&rest, ' ');

		for (int i = 0; i < HOSTS; i++) {
			struct host *other = &host->sim->hosts[i];

			if (other != host && slice_is(address, other->address) && n < HOSTS)
				list[n++] = other;
		}
	}
	return n;
}

void nodes_set_contacts(struct host *host, struct host *const *list, int n)
{
	char *to = host->store.contacts, *end = to + sizeof(host->store.contacts);

	*to = '\0';
	for (int i = 0; i < n && to < end; i++) {
		if (list[i] != host)
			to += snprintf(to, (size_t)(end - to), "%s%s",
				       to > host->store.contacts ? " " : "", list[i]->address);
	}
}

int nodes_look_up(struct host *host)
{
	struct host *list[HOSTS];
	int n = 0;

	for (int i = 0; i < HOSTS; i++) {
		struct host *other = &host->sim->hosts[i];

		if (other->used && !other->exited && !other->to_leave && !other->demoting_us &&
		    !other->away && nodes_is_manager(other))
			list[n++] = other;
	}
	if (n > 0)
		nodes_set_contacts(host, list, n);
	return n;
}

/* ---- who is believed -------------------------------------------------------------- */

/* Clocks that are set make certificates of any time: nobody can tell then. */
static int is_valid(const struct host *at, const struct host *of)
{
	return at->sim->options[OPT_CLOCK] ||
	       host_wall_ns(at) / SECOND_NS <= of->identity.not_after_s;
}

int nodes_trust(const struct host *a, const struct host *b)
{
	struct sim *sim = a->sim;

	if (is_valid(a, b) && is_valid(b, a))
		return 1;
	sim->marks[MARK_EXPIRED]++;
	return 0;
}

int nodes_reach(const struct host *from, const struct host *to)
{
	const struct sim *sim = from->sim;

	return to->up && !to->stopped && !to->exited && nodes_is_manager(to) &&
	       !sim->cut[from->number][to->number] && !sim->cut[to->number][from->number] &&
	       (!from->identity.enrolled || nodes_trust(from, to));
}

/* ---- asking ----------------------------------------------------------------------- */

static void ask_next(struct sim *sim, struct happening *h);

static void ask_later(struct host *host, uint64_t delay_us)
{
	sim_at_host(host, 0, delay_us, ask_next, NULL)->id = host->identity.asking;
}

static void ask(struct host *host)
{
	host->identity.asking++;
	host->identity.tried = 0;
	host->identity.due = 0;
	ask_later(host, 0);
}

static void ask_due(struct sim *sim, struct happening *h)
{
	struct identity *own = &h->host->identity;

	(void)sim;
	if (!own->under_way)
		ask(h->host);
}

/* Nobody has given one. */
static void ask_over(struct host *host)
{
	struct identity *own = &host->identity;
	struct sim *sim = host->sim;

	own->under_way = 0;
	/* Whoever joins may do it all anew, with another key, at other managers. */
	if (!own->enrolled && rng_chance(&sim->rng, 1, 4)) {
		own->request = 0;
		(void)nodes_look_up(host);
	}
	sim_at_host(host, 0, own->enrolled ? AGAIN_US : JOIN_AGAIN_US, ask_due, NULL);
}

static const char *token_of(struct sim *sim, enum node_role role)
{
	const struct cluster *c = state_cluster(&sim->checks.shadow);

	return c ? role == ROLE_MANAGER ? c->manager_token : c->worker_token : NULL;
}

struct slice nodes_request(int request, const char *token, struct buf *out)
{
	struct json_writer w;

	buf_init(out, REQUEST_TEXT_MAX);
	json_begin(&w, out);
	json_open_object(&w);
	json_put_str(&w, "CSR", authority_request(request));
	if (token)
		json_put_str(&w, "Token", token);
	json_close_object(&w);
	return buf_slice(out);
}

/* What is right to answer: as it is now. */
static void note_facts(struct host *host)
{
	struct identity *own = &host->identity;
	const struct node *n = state_node(&host->sim->checks.shadow, host->node_id);
	const char *token = token_of(host->sim, own->wanted);

	own->was_removed = own->enrolled && host->removed_index != 0;
	own->version = n ? n->meta.version : 0;
	own->token_fits = token && strcmp(token, own->token) == 0;
}

static void send(struct host *host, struct host *to)
{
	struct identity *own = &host->identity;
	struct client_request *r;
	struct slice text;
	char target[96];
	struct buf body;

	if (!own->enrolled && !own->request)
		own->request = nodes_new_request(host->sim);
	note_facts(host);
	text = nodes_request(own->enrolled ? AUTHORITY_RENEWAL : own->request,
			     own->enrolled ? NULL : own->token, &body);
	snprintf(target, sizeof(target), "/swarm/enrol%s%s", own->enrolled ? "/" : "",
		 own->enrolled ? host->node_id : "");
	r = clients_send(host->sim, to, REQUEST_ENROL, "POST", target, text);
	buf_done(&body);
	if (!r) {
		ask_later(host, NOBODY_US);
		return;
	}
	r->asker = host;
	r->mark = own->asking;
	r->index = host->life;
}

/* This very one, if it is a manager, is asked last. */
static void ask_next(struct sim *sim, struct happening *h)
{
	struct host *host = h->host, *list[HOSTS];
	struct identity *own = &host->identity;
	int n = nodes_contacts(host, list);

	if (h->id != own->asking || (own->enrolled && !host->up))
		return;
	own->under_way = 1;
	if (n < HOSTS && nodes_is_manager(host))
		list[n++] = host;
	if (own->tried >= n) {
		ask_over(host);
		return;
	}
	if (nodes_reach(host, list[own->tried++]))
		send(host, list[own->tried - 1]);
	else
		ask_later(host, sim_between(sim, 1 * MS, rng_chance(&sim->rng, 1, 2) ? NOBODY_US :
					    20 * MS));
}

void nodes_join(struct host *host)
{
	struct identity *own = &host->identity;
	struct sim *sim = host->sim;
	const char *token = token_of(sim, own->wanted);

	if (sim->plan.short_lives && !admins_lives_set(sim))
		token = NULL;
	if (!token) {
		host_start(host, TOKEN_AGAIN_US);
		return;
	}
	snprintf(own->token, sizeof(own->token), "%s", token);
	own->asking++;
	own->tried = 0;
	/* Its user may take a while to type it. */
	if (!sim_fault(sim, OPT_TOKENS, 40)) {
		ask_later(host, 0);
		return;
	}
	admins_rotate(sim, own->wanted);
	ask_later(host, sim_between(sim, 0, 200 * MS));
}

/* The next one is wanted at once. */
static void renew(struct host *host)
{
	host->identity.due = 1;
	if (!host->identity.under_way)
		ask(host);
}

/* ---- the answer ------------------------------------------------------------------- */

static void renew_due(struct sim *sim, struct happening *h)
{
	(void)sim;
	if (h->host->up && !h->host->identity.removed)
		renew(h->host);
}

static void renew_in_time(struct host *host)
{
	int64_t left = host->identity.renew_at_s - host_wall_ns(host) / SECOND_NS;

	left = left < 1 ? 1 : left > 3600 ? 3600 : left;
	sim_at_host(host, 0, (uint64_t)left * SECOND, renew_due, NULL);
}

static void check_role(struct host *host, enum node_role role)
{
	struct sim *sim = host->sim;
	struct identity *own = &host->identity;
	const struct node *n = state_node(&sim->checks.shadow, host->node_id);

	if (own->was_removed)
		sim_fail(sim, "%s was removed and gets a certificate", host->name);
	if (!n || n->meta.version != own->version)
		return;		/* it may have been to be another meanwhile */
	if (role == ROLE_WORKER && n->spec.role == ROLE_MANAGER)
		sim_fail(sim, "%s is to be a manager and gets a worker's certificate", host->name);
	/* Who leads may count as members those whose coming or going is not committed. */
	if (role == ROLE_MANAGER && n->spec.role == ROLE_WORKER && host->config.worker)
		sim_fail(sim, "%s is to be a worker and gets a manager's certificate", host->name);
}

/* It becomes the node that the answer says. */
static void joined(struct host *host, const struct json *root, enum node_role role)
{
	struct sim *sim = host->sim;
	struct identity *own = &host->identity;
	struct host *list[HOSTS];
	int n = nodes_contacts(host, list);
	const struct node *stored;

	snprintf(host->node_id, sizeof(host->node_id), "%.*s",
		 SLICE_ARGS(json_string(json_get(root, "NodeID"))));
	stored = state_node(&sim->checks.shadow, host->node_id);
	if (!own->token_fits)
		sim_fail(sim, "%s joins with a token that was old", host->name);
	if (role != own->wanted)
		sim_fail(sim, "%s has the token of the other role than its certificate",
			 host->name);
	if (!stored && !admins_was_removed(sim, host->node_id))
		sim_fail(sim, "%s has joined as %s, and that is not committed", host->name,
			 host->node_id);
	for (const struct json *m = json_first(json_get(root, "Managers")); m; m = json_next(m)) {
		for (int i = 0; i < HOSTS; i++) {
			int known = 0;

			for (int k = 0; k < n; k++)
				known |= list[k] == &sim->hosts[i];
			if (!known && slice_is(json_string(m), sim->hosts[i].address))
				list[n++] = &sim->hosts[i];
		}
	}
	nodes_set_contacts(host, list, n);
	sim->marks[role == ROLE_MANAGER ? MARK_ENROLLED_MANAGER : MARK_ENROLLED_WORKER]++;
	own->enrolled = 1;
	if (role == ROLE_MANAGER)
		admins_joined(host);
}

static void take(struct host *host, const struct json *root)
{
	struct identity *own = &host->identity;
	struct x509_cert cert;
	enum node_role role;
	int first = !own->enrolled, other;

	if (authority_read(json_string(json_get(root, "Certificate")), &cert) < 0) {
		sim_fail(host->sim, "%s gets no certificate", host->name);
		return;
	}
	check_nodes_life(host->sim, &cert);
	role = strcmp(cert.subject.unit, ca_manager_unit) == 0 ? ROLE_MANAGER : ROLE_WORKER;
	if (first)
		joined(host, root, role);
	else
		check_role(host, role);
	if (strcmp(cert.subject.common_name, host->node_id) != 0)
		sim_fail(host->sim, "%s gets the certificate of %s", host->name,
			 cert.subject.common_name);
	other = !first && role != own->role;
	own->role = role;
	own->not_after_s = cert.not_after_s;
	own->renew_at_s = ca_renew_at(&cert);
	host->sim->marks[MARK_RENEWED] += !first;
	sim_trace(host->sim, "%s is %s, a %s", host->name, host->node_id,
		  role == ROLE_MANAGER ? "manager" : "worker");
	if (first) {
		host_start(host, 0);
	} else if (other) {
		host->sim->marks[role == ROLE_MANAGER ? MARK_PROMOTED : MARK_DEMOTED]++;
		host_restart(host);
	} else {
		renew_in_time(host);
		if (own->due)	/* told so meanwhile */
			sim_at_host(host, 0, AGAIN_US, ask_due, NULL);
	}
}

/* The token that it has is old, and its user knows: there is another by now. */
static void refused(struct host *host, int status)
{
	struct identity *own = &host->identity;
	const char *token = token_of(host->sim, own->wanted);

	if (status == 403 && own->enrolled) {
		nodes_removed(host);
	} else if (own->enrolled) {
		ask_over(host);
	} else {
		if (status == 400 && own->token_fits && token && strcmp(token, own->token) == 0)
			sim_fail(host->sim, "%s has the token, and may not join", host->name);
		host->sim->marks[MARK_JOIN_LATE] += status == 400;
		own->request = 0;
		host_start(host, JOIN_AGAIN_US);
	}
}

static void answer_due(struct sim *sim, struct happening *h)
{
	struct host *host = h->host;
	const struct json *root;
	struct arena a;

	(void)sim;
	if (h->id != host->identity.asking)
		return;
	if (h->ev.status >= 500) {	/* the next may do it */
		ask_later(host, 0);
		return;
	}
	host->identity.under_way = 0;
	arena_init(&a);
	if (h->ev.status == 200 && json_parse(&a, h->ev.body, &root, NULL) == 0)
		take(host, root);
	else
		refused(host, h->ev.status);
	arena_done(&a);
}

void nodes_answered(struct client_request *r, const struct effect *x)
{
	struct host *host = r->asker;
	struct event ev = { .kind = EVENT_REQUEST, .status = x->status, .body = x->body };

	if (r->index != host->life)
		return;
	if (host->sim->cut[r->host->number][host->number])
		nodes_lost(r);
	else
		sim_at_host(host, 0, sim_between(host->sim, 20, 1 * MS), answer_due,
			    &ev)->id = r->mark;
}

void nodes_lost(struct client_request *r)
{
	if (r->index == r->asker->life && r->mark == r->asker->identity.asking)
		ask_later(r->asker, sim_between(r->asker->sim, 1 * MS, 20 * MS));
}

/* ---- what it is told -------------------------------------------------------------- */

void nodes_removed(struct host *host)
{
	if (host->identity.removed)
		return;
	if (!host->removed_index)
		sim_fail(host->sim, "%s is told that it was removed, and it was not", host->name);
	host->sim->marks[MARK_REMOVED_TOLD]++;
	host->identity.removed = 1;
	host->config.error = "this node was removed from the swarm";
	sim_trace(host->sim, "%s knows that it was removed", host->name);
}

static void take_managers(struct host *host, const struct strings *managers)
{
	struct sim *sim = host->sim;
	struct host *list[HOSTS];
	int n = 0;

	for (uint32_t i = 0; i < managers->count; i++) {
		for (int k = 0; k < HOSTS && n < HOSTS; k++) {
			if (&sim->hosts[k] != host &&
			    strcmp(managers->items[i], sim->hosts[k].address) == 0)
				list[n++] = &sim->hosts[k];
		}
	}
	if (n > 0)
		nodes_set_contacts(host, list, n);
}

void nodes_told(struct host *host, struct slice body)
{
	struct session_node node;
	struct arena a;

	arena_init(&a);
	if (model_parse(&a, &session_node_table, MODEL_STORE, body, &node, NULL) < 0) {
		sim_fail(host->sim, "%s: what it is to be does not parse", host->name);
	} else {
		if (!nodes_is_manager(host) || node.role == ROLE_WORKER)
			take_managers(host, &node.managers);
		if (!host->identity.removed &&
		    (node.renew || node.role != (int)host->identity.role))
			renew(host);
	}
	arena_done(&a);
}

void nodes_begin(struct host *host)
{
	host->identity.under_way = host->identity.due = 0;
	host->identity.asking++;
	renew_in_time(host);
}
