/*
 * What each node's session is told. Contracts are in control.h and model/session.h.
 *
 * Per session: the version of each task that the agent knows, and the ids of those to look at
 * again. A complete message is the same as an incremental one after everything was forgotten.
 */
#include "applets/manager/control/control.h"
#include <stddef.h>
#include <assert.h>
#include <string.h>
#include "applets/manager/ca.h"
#include "base/mem.h"
#include "codec/netmap.h"
#include "model/session.h"

enum {
	/* A netmap of all its ports with a backend each, or of a few with thousands. */
	NETMAP_TEXT_MAX = 8 * 1024 * 1024,
	/* What the agent can read: SESSION_TASKS_MAX tasks of some KiB, networks and netmap. */
	ORDER_TEXT_MAX = JSON_TEXT_MAX,
	/* Left to the rest of the step: its timer, snapshot and log lines. */
	EFFECTS_SPARE = 64,
	/* Told in one step; the rest follows in the next: thousands begin when a leader does. */
	SESSIONS_PER_RUN = 256,
};

/* A task as the agent knows it. */
struct told {
	uint64_t version;
	struct strings networks;	/* ids, in arena */
	struct arena arena;
};

struct session {
	uint64_t id;
	char node_id[ID_LEN + 1];
	struct session *next_due;
	struct session **due;	/* what points to it in the list of those; NULL: it is not there */
	int node_due;		/* what its node is to be may have changed */
	uint64_t version;	/* of the last message */
	int complete_due;
	int more_due;		/* the last message was full: one that is not must follow */
	uint64_t netmap_version;	/* that was sent; 0 = none */
	struct map tasks;	/* task id -> struct told */
	struct map dirty;	/* task ids to look at */
	struct map networks;	/* network id -> how many told tasks use it */
	struct map lost_networks;	/* network ids that left the state */
};

static struct slice session_key(uint64_t id, char key[8])
{
	for (int i = 7; i >= 0; i--, id >>= 8)
		key[i] = (char)(id & 0xff);
	return (struct slice){ key, 8 };
}

static struct session *find_session(const struct dispatch *d, uint64_t id)
{
	char key[8];

	return map_get(&d->sessions, session_key(id, key));
}

/* To be looked at by dispatch_run: at the list's end. */
static void mark(struct dispatch *d, struct session *s)
{
	if (s->due)
		return;
	s->due = d->last_due ? &d->last_due->next_due : &d->first_due;
	*s->due = s;
	s->next_due = NULL;
	d->last_due = s;
}

static void unmark(struct dispatch *d, struct session *s)
{
	if (!s->due)
		return;
	if (d->last_due == s)
		d->last_due = s->due == &d->first_due ? NULL :
			(struct session *)((char *)s->due - offsetof(struct session, next_due));
	*s->due = s->next_due;
	if (s->next_due)
		s->next_due->due = s->due;
	s->due = NULL;
}

static void mark_all(struct dispatch *d, int node)
{
	for (struct map_entry *e = map_first(&d->sessions); e; e = map_next(e)) {
		struct session *s = e->value;

		s->node_due |= node;
		mark(d, s);
	}
}

static void told_free(struct told *t)
{
	if (t)
		arena_done(&t->arena);
	mem_free(t);
}

static void forget_all(struct session *s)
{
	for (struct map_entry *e = map_first(&s->tasks); e; e = map_next(e))
		told_free(e->value);
	map_done(&s->tasks);
	map_done(&s->dirty);
	map_done(&s->networks);
	map_done(&s->lost_networks);
}

static void start_anew(struct session *s)
{
	map_init(&s->tasks);
	map_init(&s->dirty);
	map_init(&s->networks);
	map_init(&s->lost_networks);
	s->complete_due = 1;
	s->more_due = 0;
	s->netmap_version = 0;
}

void dispatch_init(struct dispatch *d)
{
	*d = (struct dispatch){ .netmap_stale = 1 };
	map_init(&d->sessions);
	map_init(&d->nodes);
	arena_init(&d->managers_arena);
	buf_init(&d->netmap, NETMAP_TEXT_MAX);
}

void dispatch_done(struct dispatch *d)
{
	for (struct map_entry *e = map_first(&d->sessions); e; e = map_next(e)) {
		forget_all(e->value);
		mem_free(e->value);
	}
	map_done(&d->sessions);
	map_done(&d->nodes);
	arena_done(&d->managers_arena);
	buf_done(&d->netmap);
}

void dispatch_up(struct dispatch *d, uint64_t session, const char *node_id)
{
	struct session *old = map_get(&d->nodes, slice_of(node_id)), *s;
	size_t n = strlen(node_id);
	char key[8];

	if (n > ID_LEN)
		return;
	if (old)
		dispatch_down(d, old->id);
	dispatch_down(d, session);
	s = mem_new(sizeof(*s));
	s->id = session;
	memcpy(s->node_id, node_id, n);
	start_anew(s);
	s->node_due = 1;
	map_set(&d->sessions, session_key(session, key), s);
	map_set(&d->nodes, slice_of(node_id), s);
	mark(d, s);
}

void dispatch_down(struct dispatch *d, uint64_t session)
{
	char key[8];
	struct session *s = map_remove(&d->sessions, session_key(session, key));

	if (!s)
		return;
	unmark(d, s);
	map_remove(&d->nodes, slice_of(s->node_id));
	forget_all(s);
	mem_free(s);
}

const char *dispatch_node(const struct dispatch *d, uint64_t session)
{
	const struct session *s = find_session(d, session);

	return s ? s->node_id : NULL;
}

uint64_t dispatch_session(const struct dispatch *d, const char *node_id)
{
	const struct session *s = map_get(&d->nodes, slice_of(node_id));

	return s ? s->id : 0;
}

void dispatch_resync(struct dispatch *d, uint64_t session)
{
	struct session *s = find_session(d, session);

	if (!s)
		return;
	forget_all(s);
	start_anew(s);
	mark(d, s);
}

static int is_same(const struct strings *a, const struct strings *b)
{
	uint32_t i = 0;

	while (i < a->count && i < b->count && strcmp(a->items[i], b->items[i]) == 0)
		i++;
	return i == a->count && i == b->count;
}

static struct strings copy(struct arena *a, const struct strings *from)
{
	struct strings to = { 0 };

	for (uint32_t i = 0; i < from->count; i++)
		to = strings_with(a, &to, arena_str(a, slice_of(from->items[i])));
	return to;
}

void dispatch_managers(struct dispatch *d, const struct strings *ids,
		       const struct strings *addresses)
{
	struct arena *a = &d->managers_arena;

	if (is_same(ids, &d->manager_ids) && is_same(addresses, &d->managers))
		return;
	arena_reset(a);
	d->manager_ids = copy(a, ids);
	d->managers = copy(a, addresses);
	mark_all(d, 1);
}

static void note_network_gone(struct dispatch *d, const char *id)
{
	for (struct map_entry *e = map_first(&d->sessions); e; e = map_next(e)) {
		struct session *s = e->value;

		if (!map_find(&s->networks, slice_of(id)))
			continue;
		map_set(&s->lost_networks, slice_of(id), NULL);
		mark(d, s);
	}
}

static void note_task(struct dispatch *d, const struct change *change)
{
	struct session *s = change->node_id ? map_get(&d->nodes, slice_of(change->node_id)) : NULL;

	if (!s)
		return;
	if (!s->complete_due)
		map_set(&s->dirty, slice_of(change->id), NULL);
	mark(d, s);
}

static void note_node(struct dispatch *d, const char *id)
{
	struct session *s = map_get(&d->nodes, slice_of(id));

	if (!s)
		return;
	s->node_due = 1;
	mark(d, s);
}

void dispatch_note(struct dispatch *d, const struct change *change)
{
	if (change->kind == OBJECT_TASK)
		note_task(d, change);
	else if (change->kind == OBJECT_NODE)
		note_node(d, change->id);
	else if (change->kind == OBJECT_CLUSTER)
		mark_all(d, 1);
	else if (change->kind == OBJECT_NETWORK && change->action == CHANGE_REMOVE)
		note_network_gone(d, change->id);
	if (change->kind != OBJECT_NODE && change->kind != OBJECT_CLUSTER)
		d->netmap_stale = 1;
}

/* ---- what the node is to be ------------------------------------------------------------ */

static int is_manager(const struct dispatch *d, const struct session *s)
{
	return strings_have(&d->manager_ids, s->node_id);
}

/* One message to one session being put together. */
struct message {
	struct session *session;
	const struct state *state;
	struct arena *arena;
	struct session_assign assign;
	struct task *tasks;		/* [SESSION_TASKS_MAX] */
	struct network *networks;	/* room for all there are */
};

static uintptr_t uses_of(const struct session *s, const char *network_id)
{
	return (uintptr_t)map_get(&s->networks, slice_of(network_id));
}

static void use_network(struct message *m, struct told *told, const char *id)
{
	const struct network *n = state_network(m->state, id);
	uintptr_t uses = uses_of(m->session, id);

	if (!n)
		return;		/* its task is dead: the network went before */
	if (!map_find(&m->session->networks, slice_of(id)))
		m->networks[m->assign.networks.count++] = *n;
	map_set(&m->session->networks, slice_of(id), (void *)(uses + 1));
	told->networks = strings_with(&told->arena, &told->networks,
				      arena_str(&told->arena, slice_of(id)));
}

static void add_id(struct message *m, struct strings *list, const char *id)
{
	list->items[list->count++] = arena_str(m->arena, slice_of(id));
}

static void drop_network(struct session *s, const char *id)
{
	uintptr_t uses = uses_of(s, id);

	if (uses)
		map_set(&s->networks, slice_of(id), (void *)(uses - 1));
}

/* Only at the end: a task of the same message may use what another one has left. */
static void fill_networks_removed(struct message *m)
{
	struct session *s = m->session;
	struct map_entry *next;

	for (struct map_entry *e = map_first(&s->networks); e; e = next) {
		next = map_next(e);
		if (e->value && !map_find(&s->lost_networks, e->key))
			continue;
		add_id(m, &m->assign.networks_removed, e->key.data);
		map_remove(&s->networks, e->key);
	}
	map_done(&s->lost_networks);
	map_init(&s->lost_networks);
}

static void tell_task(struct message *m, const struct task *t)
{
	struct told *told = map_get(&m->session->tasks, slice_of(t->meta.id));

	if (told && told->version == t->meta.version)
		return;
	m->tasks[m->assign.tasks.count++] = *t;
	if (!told) {
		const struct list *has = &t->networks_attachments;

		told = mem_new(sizeof(*told));
		arena_init(&told->arena);
		map_set(&m->session->tasks, slice_of(t->meta.id), told);
		for (uint32_t i = 0; i < has->count; i++)
			use_network(m, told, LIST_AT(has, struct network_attachment,
						     i)->network.id);
	}
	told->version = t->meta.version;
}

static void tell_removed(struct message *m, const char *id)
{
	struct told *told = map_remove(&m->session->tasks, slice_of(id));

	if (!told)
		return;
	add_id(m, &m->assign.removed, id);
	for (uint32_t i = 0; i < told->networks.count; i++)
		drop_network(m->session, told->networks.items[i]);
	told_free(told);
}

static void fill_tasks(struct message *m)
{
	struct session *s = m->session;
	struct map_entry *next;

	for (struct map_entry *e = map_first(&s->dirty); e; e = next) {
		const struct task *t = state_task(m->state, e->key.data);

		next = map_next(e);
		if (m->assign.tasks.count == SESSION_TASKS_MAX)
			break;
		if (t && t->node_id && t->status.state >= TASK_ASSIGNED &&
		    strcmp(t->node_id, s->node_id) == 0)
			tell_task(m, t);
		else
			tell_removed(m, e->key.data);
		map_remove(&s->dirty, e->key);
	}
	fill_networks_removed(m);
}

static void begin_complete(struct message *m)
{
	struct session *s = m->session;
	struct state_tasks it;

	s->complete_due = 0;
	m->assign.complete = 1;
	for (const struct task *t = state_node_tasks(m->state, s->node_id, &it); t;
	     t = state_tasks_next(&it))
		map_set(&s->dirty, slice_of(t->meta.id), NULL);
}

static void send(const struct session *s, const struct session_order *order, struct effects *fx)
{
	struct json_writer w;
	struct buf text;

	buf_init(&text, ORDER_TEXT_MAX);
	json_begin(&w, &text);
	model_encode(&w, &session_order_table, MODEL_STORE, order);
	if (text.failed)
		effects_log(fx, LOG_ERROR, "node %s: its tasks do not fit into one message",
			    s->node_id);
	else
		effects_add(fx, EFFECT_SESSION_SEND, s->id)->body =
			arena_copy(&fx->arena, buf_slice(&text));
	buf_done(&text);
}

/* 0, or -1: the node is not of the swarm any more. */
static int run_node(struct dispatch *d, struct session *s, const struct state *state,
		    struct effects *fx)
{
	const struct node *node = state_node(state, s->node_id);
	const struct cluster *cluster = state_cluster(state);
	struct session_node told = { .managers = d->managers };
	struct tls_info wanted;
	int member = is_manager(d, s);

	if (!s->node_due)
		return 0;
	s->node_due = 0;
	if (!node && !member) {
		effects_add(fx, EFFECT_SESSION_DROP, s->id)->status = 1;
		return -1;
	}
	if (!node || !cluster || !cluster->root_cert)
		return 0;	/* not written yet: it is noted then */
	told.role = ca_role(node, member);
	told.trust = ca_trust(cluster, &fx->arena);
	told.renew = ca_wanted(cluster, &fx->arena, &wanted) == 0 && ca_must_renew(&wanted, node);
	send(s, &(struct session_order){ .node = &told }, fx);
	return 0;
}

/* Lists for all that can come into one message. */
static void make_room(struct message *m)
{
	size_t networks = m->state->objects[OBJECT_NETWORK].count;

	m->tasks = arena_array(m->arena, SESSION_TASKS_MAX, sizeof(*m->tasks));
	m->networks = arena_array(m->arena, networks, sizeof(*m->networks));
	m->assign.tasks.items = m->tasks;
	m->assign.networks.items = m->networks;
	m->assign.removed.items = arena_array(m->arena, m->session->dirty.count, sizeof(char *));
	m->assign.networks_removed.items =
		arena_array(m->arena, networks + m->session->networks.count, sizeof(char *));
}

/* Returns 1 when another message must follow. */
static int run_session(struct dispatch *d, struct session *s, const struct state *state,
		       struct effects *fx)
{
	struct message m = { .session = s, .state = state, .arena = &fx->arena };

	if (!s->complete_due && !s->more_due && !s->dirty.count && !s->lost_networks.count &&
	    s->netmap_version == d->netmap_version)
		return 0;
	if (s->complete_due)
		begin_complete(&m);
	make_room(&m);
	fill_tasks(&m);
	if (s->netmap_version != d->netmap_version)
		m.assign.netmap = buf_slice(&d->netmap);
	if (!m.assign.complete && !s->more_due && !m.assign.tasks.count &&
	    !m.assign.removed.count && !m.assign.networks_removed.count && !m.assign.netmap.len)
		return 0;		/* what was noted was known already */
	s->more_due = m.assign.tasks.count == SESSION_TASKS_MAX;
	s->netmap_version = d->netmap_version;
	m.assign.applies_to = m.assign.complete ? 0 : s->version;
	m.assign.results_in = ++s->version;
	send(s, &(struct session_order){ .assign = &m.assign }, fx);
	return s->more_due;
}

static void derive_netmap(struct dispatch *d, const struct state *s)
{
	struct arena a;
	struct buf text;

	d->netmap_stale = 0;
	arena_init(&a);
	buf_init(&text, NETMAP_TEXT_MAX);
	netmap_derive(s, &a, &text);
	if (!text.failed && !slice_equal(buf_slice(&text), buf_slice(&d->netmap))) {
		d->netmap_version++;
		buf_reset(&d->netmap);
		buf_add_slice(&d->netmap, buf_slice(&text));
	}
	buf_done(&text);
	arena_done(&a);
}

int dispatch_is_due(const struct dispatch *d)
{
	return d->first_due || (d->netmap_stale && d->sessions.count > 0);
}

void dispatch_run(struct dispatch *d, const struct state *state, struct effects *fx)
{
	uint64_t known = d->netmap_version;

	if (d->sessions.count == 0)
		return;
	if (d->netmap_stale)
		derive_netmap(d, state);
	if (d->netmap_version != known)
		mark_all(d, 0);
	for (uint32_t i = 0; i < SESSIONS_PER_RUN && d->first_due; i++) {
		struct session *s = d->first_due;

		if (run_node(d, s, state, fx) < 0) {
			dispatch_down(d, s->id);
			continue;
		}
		while (effects_room(fx) > EFFECTS_SPARE && run_session(d, s, state, fx))
			;
		if (effects_room(fx) <= EFFECTS_SPARE)
			return;
		unmark(d, s);
	}
}
