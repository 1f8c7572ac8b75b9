/* Contracts are in manager_cluster.h. */
#include "manager_cluster.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "applets/manager/state/state.h"
#include "base/mem.h"

enum {
	MESSAGE_MS = 1, SYNC_MS = 1, SAVE_MS = 3,
	CONNECT_MS = 10,
	TIMERS_MAX = 200,	/* of one node in one ms: more, and it never rests */
	FRAME_MAX = 8 << 20,	/* what a connection takes at most: io/peers.h */
	WAIT_MS = 20000,
};

struct swarm_event {
	struct swarm_event *next;
	uint64_t due_ms;
	uint32_t node;
	uint32_t start;		/* the node's, that it is for */
	uint32_t from, link;	/* of a message */
	struct event ev;
};

static void must(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "manager_cluster: %s\n", what);
	abort();
}

/* ---- events ---- */

static struct swarm_event *later(struct swarm *w, uint64_t ms, uint32_t node, struct event ev)
{
	struct swarm_event *e = mem_new(sizeof(*e) + event_bytes(&ev)), **link = &w->queue;

	e->due_ms = w->now_ms + ms;
	e->node = node;
	e->start = w->nodes[node].starts;
	event_copy(&e->ev, &ev, e + 1);
	while (*link && (*link)->due_ms <= e->due_ms)
		link = &(*link)->next;
	e->next = *link;
	*link = e;
	return e;
}

/* ---- connections ---- */

static void link_end(struct swarm *w, uint32_t a, uint32_t b)
{
	if (!w->up[a][b])
		return;
	w->up[a][b] = w->up[b][a] = 0;
	later(w, 0, a, (struct event){ .kind = EVENT_PEER_DOWN,
				       .id = w->nodes[b].config.raft_id });
	later(w, 0, b, (struct event){ .kind = EVENT_PEER_DOWN,
				       .id = w->nodes[a].config.raft_id });
}

static void link_begin(struct swarm *w, uint32_t a, uint32_t b)
{
	if (a == b || w->up[a][b] || w->cut[a][b] || w->cut[b][a])
		return;
	if (!w->nodes[a].manager || !w->nodes[b].manager)
		return;
	w->up[a][b] = w->up[b][a] = 1;
	w->link[a][b] = ++w->link[b][a];
	later(w, 0, a, (struct event){ .kind = EVENT_PEER_UP, .id = w->nodes[b].config.raft_id,
				       .text = slice_of(w->nodes[b].node_id) });
	later(w, 0, b, (struct event){ .kind = EVENT_PEER_UP, .id = w->nodes[a].config.raft_id,
				       .text = slice_of(w->nodes[a].node_id) });
}

static int wants(const struct swarm *w, uint32_t a, uint32_t b)
{
	char line[64];

	snprintf(line, sizeof(line), "%llu %s\n",
		 (unsigned long long)w->nodes[b].config.raft_id, w->nodes[b].address);
	return w->nodes[a].manager && strstr(buf_str((struct buf *)&w->nodes[a].wanted), line);
}

static void connect_all(struct swarm *w)
{
	w->connect_ms = w->now_ms + CONNECT_MS;
	for (uint32_t a = 0; a < w->count; a++) {
		for (uint32_t b = 0; b < w->count; b++) {
			if (wants(w, a, b))
				link_begin(w, a, b);
		}
	}
}

static void dial(struct swarm *w, uint32_t node, struct slice address)
{
	for (uint32_t i = 0; i < w->count; i++) {
		if (slice_is(address, w->nodes[i].address))
			link_begin(w, node, i);
	}
}

static void send_message(struct swarm *w, uint32_t node, const struct effect *x)
{
	must(x->body.len <= FRAME_MAX, "a message that no connection takes");
	for (uint32_t i = 0; i < w->count; i++) {
		struct swarm_event *e;

		if (w->nodes[i].config.raft_id != x->id || !w->up[node][i])
			continue;
		e = later(w, MESSAGE_MS, i, (struct event){ .kind = EVENT_PEER_MESSAGE,
			  .id = w->nodes[node].config.raft_id, .body = x->body });
		e->from = node;
		e->link = w->link[node][i];
	}
}

void swarm_say(struct swarm *w, uint32_t from, uint32_t to, const struct peer_message *m)
{
	struct buf b;

	buf_init(&b, FRAME_MAX);
	peer_build(&b, m);
	send_message(w, from, &(struct effect){ .id = w->nodes[to].config.raft_id,
						.body = buf_slice(&b) });
	buf_done(&b);
}

static int passes(struct swarm *w, const struct swarm_event *e)
{
	struct peer_message m;

	if (!w->up[e->from][e->node] || e->link != w->link[e->from][e->node])
		return 0;
	must(peer_parse(e->ev.body, &m) == 0, "a message that does not parse");
	w->sent[m.kind]++;
	if (w->cut[e->from][e->node] || (w->loses && w->loses(w, e->from, e->node, &m))) {
		w->lost++;
		return 0;
	}
	return 1;
}

/* ---- disk ---- */

static void snapshot_take(struct swarm_snapshot *to, struct swarm_snapshot *from)
{
	buf_done(&to->bytes);
	*to = *from;
	*from = (struct swarm_snapshot){ 0 };
	buf_init(&from->bytes, 64 << 20);
}

static void append(struct swarm_node *n, const struct effect *x)
{
	char *copy = mem_new(x->body.len + 1);

	must(x->id == n->last + 1 && x->id < SWARM_RECORDS, "a record out of order");
	memcpy(copy, x->body.data, x->body.len);
	n->records[++n->last] = (struct slice){ copy, x->body.len };
}

static void forget_records(struct swarm_node *n, uint64_t from, uint64_t to)
{
	for (uint64_t i = from; i <= to; i++) {
		mem_free((void *)(uintptr_t)n->records[i].data);
		n->records[i] = (struct slice){ 0 };
	}
}

static void drop_before(struct swarm_node *n, uint64_t keep)
{
	must(keep <= n->durable + 1, "a record that is needed is not durable");
	if (keep <= n->first)
		return;
	forget_records(n, n->first, keep - 1);
	n->first = keep;
}

static void sync_begin(struct swarm *w, uint32_t node)
{
	struct swarm_node *n = &w->nodes[node];

	if (n->syncing || n->disk_stuck || n->durable == n->last || !n->manager)
		return;
	n->syncing = 1;
	later(w, SYNC_MS, node, (struct event){ .kind = EVENT_WAL_DONE, .id = n->last });
}

static int add_piece(void *context, struct slice piece)
{
	struct buf *b = context;

	buf_add_slice(b, piece);
	return b->failed;
}

static void save(struct swarm *w, uint32_t node, const struct effect *x)
{
	struct swarm_node *n = &w->nodes[node];
	struct sink sink = { add_piece, &n->saving.bytes };

	must(n->saving.index == 0, "two snapshots at once");
	n->saving.index = x->id;
	n->saving.keep = x->wal_keep;
	must(manager_snapshot(n->manager, &sink) == 0, "no snapshot");
	later(w, SAVE_MS, node, (struct event){ .kind = EVENT_SNAPSHOT_SAVED, .id = x->id,
						.offset = n->saving.bytes.len });
}

static void read_piece(struct swarm *w, uint32_t node, const struct effect *x)
{
	struct swarm_snapshot *s = &w->nodes[node].snapshot;
	struct event ev = { .kind = EVENT_SNAPSHOT_PIECE, .id = x->id, .index = x->index,
			    .offset = x->offset, .status = -1 };

	if (s->index == x->index && x->offset <= s->bytes.len) {
		size_t left = s->bytes.len - x->offset;

		ev.status = 0;
		ev.body = (struct slice){ s->bytes.data + x->offset,
					  left < SWARM_PIECE ? left : SWARM_PIECE };
		ev.more = left > SWARM_PIECE;
	}
	later(w, 1, node, ev);
}

static void store(struct swarm *w, uint32_t node, const struct effect *x)
{
	struct swarm_node *n = &w->nodes[node];

	n->stores++;
	if (x->offset == 0)
		buf_reset(&n->storing.bytes);
	must(x->offset == n->storing.bytes.len && (x->offset == 0 || x->id == n->storing.index),
	     "a piece in the wrong place");
	n->storing.index = x->id;
	n->storing.keep = x->wal_keep;
	buf_add_slice(&n->storing.bytes, x->body);
	if (!x->more) {
		snapshot_take(&n->snapshot, &n->storing);
		drop_before(n, n->snapshot.keep);
	}
	later(w, SYNC_MS, node, (struct event){ .kind = EVENT_SNAPSHOT_STORED, .id = x->id,
						.index = x->index, .more = x->more });
}

/* ---- agents ---- */

static void session_begin(struct swarm *w, uint32_t node)
{
	struct swarm_node *n = &w->nodes[node];
	char report[256];

	snprintf(report, sizeof(report), "{\"Description\":{\"Hostname\":\"host%u\",\"Resources\":"
		 "{\"NanoCPUs\":1000000000,\"MemoryBytes\":1000000000}},\"NodeMessage\":\"\"}",
		 node);
	n->session++;
	n->sessions++;
	buf_reset(&n->orders);
	later(w, 0, node, (struct event){ .kind = EVENT_SESSION_UP, .id = n->session,
					  .text = slice_of(n->node_id) });
	later(w, 0, node, (struct event){ .kind = EVENT_SESSION_MESSAGE, .id = n->session,
					  .body = slice_of(report) });
}

static void session_drop(struct swarm *w, uint32_t node, const struct effect *x)
{
	if (x->id != w->nodes[node].session)
		return;
	later(w, 0, node, (struct event){ .kind = EVENT_SESSION_DOWN, .id = x->id });
	session_begin(w, node);
}

static void order(struct swarm *w, uint32_t node, const struct effect *x)
{
	struct swarm_node *n = &w->nodes[node];

	if (x->id != n->session)
		return;
	buf_add_slice(&n->orders, x->body);
	buf_add_char(&n->orders, '\n');
	if (!n->agent_stuck && slice_find(x->body, 'L') < x->body.len &&
	    strstr(buf_str(&n->orders), "\"Leave\":true"))
		swarm_report(w, node, "{\"Left\":true,\"NodeMessage\":\"\"}");
}

void swarm_report(struct swarm *w, uint32_t node, const char *json)
{
	later(w, 0, node, (struct event){ .kind = EVENT_SESSION_MESSAGE,
					  .id = w->nodes[node].session, .body = slice_of(json) });
}

/* ---- clients ---- */

static void take_reply(struct swarm *w, const struct effect *x)
{
	struct swarm_answer *a = &w->answers[x->id < SWARM_ANSWERS ? x->id : 0];

	if (x->id >= SWARM_ANSWERS)
		return;		/* of another manager's client */
	must(x->id > 0 && x->id <= w->requests, "an answer to nobody");
	must((x->kind == EFFECT_REPLY) == (a->replies == 0), "a request answered twice");
	must(!a->ended, "an answer goes on after its end");
	if (x->kind == EFFECT_REPLY)
		a->status = x->status;
	a->replies++;
	a->ended = !x->more;
	a->at_ms = w->now_ms;
	buf_add_slice(&a->body, x->body);
}

/* ---- a step ---- */

static void node_end(struct swarm *w, uint32_t node)
{
	struct swarm_node *n = &w->nodes[node];

	for (uint32_t i = 0; i < w->count; i++)
		link_end(w, node, i);
	manager_free(n->manager);
	n->manager = NULL;
	n->starts++;
	n->timer_ms = 0;
	n->syncing = 0;
	forget_records(n, n->durable + 1, n->last);
	n->last = n->durable;
	n->saving.index = n->storing.index = 0;
	buf_reset(&n->saving.bytes);
	buf_reset(&n->storing.bytes);
	buf_reset(&n->wanted);
}

static void carry_out(struct swarm *w, uint32_t node, const struct effect *x)
{
	struct swarm_node *n = &w->nodes[node];

	switch ((int)x->kind) {
	case EFFECT_TIMER: n->timer_ms = x->deadline_ms; break;
	case EFFECT_LOG:
		if (getenv("SWARM_LOG"))
			fprintf(stderr, "%llu %u: %.*s\n", (unsigned long long)w->now_ms, node,
				SLICE_ARGS(x->text));
		break;
	case EFFECT_PEER_DROP: n->dropped++; break;
	case EFFECT_EXIT: n->exited++; break;
	case EFFECT_WIPE: n->wiped++; break;
	case EFFECT_LOCK:
		snprintf(n->lock, sizeof(n->lock), "%.*s", SLICE_ARGS(x->body));
		n->locks++;
		n->unanswered = w->answers[w->requests].status == 0;
		break;
	case EFFECT_NODE: n->told_role++; break;
	case EFFECT_RESTART: n->restarts++; break;
	case EFFECT_WAL_APPEND: append(n, x); break;
	case EFFECT_FLUSH: n->flush_due = 1; break;
	case EFFECT_SNAPSHOT_SAVE: save(w, node, x); break;
	case EFFECT_SNAPSHOT_READ: read_piece(w, node, x); break;
	case EFFECT_SNAPSHOT_STORE: store(w, node, x); break;
	case EFFECT_PEERS:
		buf_reset(&n->wanted);
		buf_add_slice(&n->wanted, x->body);
		break;
	case EFFECT_PEER_DIAL: dial(w, node, x->target); break;
	case EFFECT_PEER_SEND: send_message(w, node, x); break;
	case EFFECT_REPLY:
	case EFFECT_REPLY_CHUNK: take_reply(w, x); break;
	case EFFECT_SESSION_SEND: order(w, node, x); break;
	case EFFECT_SESSION_DROP: session_drop(w, node, x); break;
	default: must(0, "an effect that is not a manager's");
	}
}

static void step(struct swarm *w, uint32_t node, struct event *ev)
{
	struct swarm_node *n = &w->nodes[node];
	int exited = n->exited;

	ev->now_ms = w->now_ms;
	ev->wall_ns = 1700000000000000000 + (int64_t)w->now_ms * 1000000;
	effects_reset(&n->fx);
	manager_step(n->manager, ev, &n->fx);
	for (uint32_t i = 0; i < n->fx.count; i++)
		carry_out(w, node, &n->fx.items[i]);
	if (n->flush_due)
		later(w, 0, node, (struct event){ .kind = EVENT_FLUSH });
	n->flush_due = 0;
	sync_begin(w, node);
	if (n->exited > exited)
		node_end(w, node);
}

void swarm_event(struct swarm *w, uint32_t node, struct event ev)
{
	later(w, 0, node, ev);
}

/* What the driver does before the manager hears of it. 0: it does not. */
static int prepare(struct swarm *w, const struct swarm_event *e)
{
	struct swarm_node *n = &w->nodes[e->node];

	switch ((int)e->ev.kind) {
	case EVENT_PEER_MESSAGE:
		return passes(w, e);
	case EVENT_WAL_DONE:
		n->syncing = 0;
		if (n->disk_stuck)
			return 0;
		n->durable = e->ev.id;
		break;
	case EVENT_WAL_FAILED:
		n->disk_stuck = 1;
		break;
	case EVENT_SNAPSHOT_SAVED:
		n->snapshots++;
		/* An older one than the leader's that came meanwhile is of no use. */
		if (n->saving.index > n->snapshot.index) {
			snapshot_take(&n->snapshot, &n->saving);
			drop_before(n, n->snapshot.keep);
		}
		n->saving.index = 0;
		buf_reset(&n->saving.bytes);
		break;
	}
	return 1;
}

static void next_event(struct swarm *w)
{
	struct swarm_event *e = w->queue;

	w->queue = e->next;
	if (w->nodes[e->node].manager && e->start == w->nodes[e->node].starts && prepare(w, e))
		step(w, e->node, &e->ev);
	mem_free(e);
}

static void timers(struct swarm *w)
{
	for (uint32_t i = 0; i < w->count; i++) {
		struct swarm_node *n = &w->nodes[i];
		struct event ev = { .kind = EVENT_TIMER };

		if (!n->manager || !n->timer_ms || n->timer_ms > w->now_ms)
			continue;
		must(n->timer_again++ < TIMERS_MAX, "a timer that never rests");
		step(w, i, &ev);
	}
}

static int timer_due(const struct swarm *w)
{
	for (uint32_t i = 0; i < w->count; i++) {
		const struct swarm_node *n = &w->nodes[i];

		if (n->manager && n->timer_ms && n->timer_ms <= w->now_ms)
			return 1;
	}
	return 0;
}

static void one_ms(struct swarm *w)
{
	for (uint32_t i = 0; i < w->count; i++)
		w->nodes[i].timer_again = 0;
	if (w->now_ms >= w->connect_ms)
		connect_all(w);
	while ((w->queue && w->queue->due_ms <= w->now_ms) || timer_due(w)) {
		while (w->queue && w->queue->due_ms <= w->now_ms)
			next_event(w);
		timers(w);
	}
	w->now_ms++;
}

void swarm_run(struct swarm *w, uint64_t ms)
{
	for (uint64_t end = w->now_ms + ms; w->now_ms < end;)
		one_ms(w);
}

/* ---- nodes ---- */

static void node_init(struct swarm *w, uint32_t i)
{
	struct swarm_node *n = &w->nodes[i];

	snprintf(n->node_id, sizeof(n->node_id), "aaaaaaaaaaaaaaaaaaaaaaaa%u", i + 1);
	snprintf(n->address, sizeof(n->address), "192.0.2.%u:2377", i + 1);
	n->config = (struct manager_config){
		.node_id = n->node_id, .raft_id = 100 * (i + 1), .hostname = "host",
		.begin = i == 0 ? RAFT_FOUND : RAFT_JOIN, .contacts = n->contacts,
		.listen_addr = "0.0.0.0:2377", .advertise_addr = n->address,
		.default_addr_pool = "10.0.0.0/8", .engine_socket = "/run/engine",
		.data_dir = "/data",
	};
	n->first = 1;
	n->records = mem_new(SWARM_RECORDS * sizeof(*n->records));
	effects_init(&n->fx);
	buf_init(&n->wanted, 64 << 10);
	buf_init(&n->orders, 64 << 20);
	buf_init(&n->snapshot.bytes, 64 << 20);
	buf_init(&n->saving.bytes, 64 << 20);
	buf_init(&n->storing.bytes, 64 << 20);
}

static void contacts_set(struct swarm *w, uint32_t node)
{
	struct buf text;

	buf_init(&text, sizeof(w->nodes[node].contacts) - 1);
	for (uint32_t i = 0; i < w->count; i++) {
		if (i != node)
			buf_printf(&text, "%s%s", text.len ? " " : "", w->nodes[i].address);
	}
	memcpy(w->nodes[node].contacts, buf_str(&text), text.len + 1);
	buf_done(&text);
}

struct swarm *swarm_new(uint32_t count)
{
	struct swarm *w = mem_new(sizeof(*w));

	must(count <= SWARM_NODES, "too many nodes");
	w->count = count;
	w->now_ms = 1000;
	for (uint32_t i = 0; i < count; i++)
		node_init(w, i);
	for (uint32_t i = 1; i < count; i++)
		contacts_set(w, i);
	for (uint32_t i = 0; i < SWARM_ANSWERS; i++)
		buf_init(&w->answers[i].body, 64 << 20);
	return w;
}

void swarm_free(struct swarm *w)
{
	for (uint32_t i = 0; i < w->count; i++) {
		struct swarm_node *n = &w->nodes[i];

		if (n->manager)
			manager_free(n->manager);
		effects_done(&n->fx);
		forget_records(n, n->first, n->last);
		mem_free(n->records);
		buf_done(&n->wanted);
		buf_done(&n->orders);
		buf_done(&n->snapshot.bytes);
		buf_done(&n->saving.bytes);
		buf_done(&n->storing.bytes);
	}
	for (uint32_t i = 0; i < SWARM_ANSWERS; i++)
		buf_done(&w->answers[i].body);
	while (w->queue) {
		struct swarm_event *e = w->queue;

		w->queue = e->next;
		mem_free(e);
	}
	mem_free(w);
}

void swarm_start(struct swarm *w, uint32_t node)
{
	struct swarm_node *n = &w->nodes[node];
	struct errmsg msg = { { 0 } };

	must(!n->manager, "it runs already");
	if (n->last > 0 || n->snapshot.index)
		n->config.begin = RAFT_JOIN;
	n->disk_stuck = 0;
	n->config.unlock_key = n->lock[0] ? n->lock : NULL;
	n->manager = manager_new(&n->config, 7 * node + n->starts);
	if (n->snapshot.index)
		must(manager_recover_snapshot(n->manager, buf_slice(&n->snapshot.bytes),
					      &msg) == 0, msg.text);
	must(manager_recovered(n->manager, &msg) == 0, msg.text);
	for (uint64_t i = n->first; i <= n->last; i++)
		must(manager_recover_record(n->manager, i, n->records[i], &msg) == 0, msg.text);
	later(w, 0, node, (struct event){ .kind = EVENT_START, .id = n->last });
	session_begin(w, node);
}

void swarm_kill(struct swarm *w, uint32_t node)
{
	must(w->nodes[node].manager != NULL, "it does not run");
	node_end(w, node);
}

void swarm_fresh(struct swarm *w, uint32_t node)
{
	struct swarm_node *n = &w->nodes[node];

	must(!n->manager, "it still runs");
	forget_records(n, n->first, n->last);
	n->first = 1;
	n->last = n->durable = 0;
	n->snapshot.index = 0;
	buf_reset(&n->snapshot.bytes);
	n->config.raft_id++;
	n->config.begin = RAFT_JOIN;
	n->exited = n->wiped = 0;
	contacts_set(w, node);
}

void swarm_cut(struct swarm *w, uint32_t node, int cut)
{
	for (uint32_t i = 0; i < w->count; i++)
		w->cut[node][i] = w->cut[i][node] = i != node && cut;
}

void swarm_close(struct swarm *w, uint32_t a, uint32_t b)
{
	link_end(w, a, b);
}

/* ---- clients and views ---- */

uint64_t swarm_ask(struct swarm *w, uint32_t node, const char *method, const char *target,
		   const char *body)
{
	must(w->requests + 1 < SWARM_ANSWERS, "too many requests");
	later(w, 0, node, (struct event){
		.kind = EVENT_REQUEST, .id = ++w->requests, .method = slice_of(method),
		.target = slice_of(target), .body = slice_of(body),
		.text = slice_of(body ? "application/json" : ""),
	});
	return w->requests;
}

const char *swarm_wait(struct swarm *w, uint64_t request)
{
	struct swarm_answer *a = &w->answers[request];

	for (int i = 0; i < WAIT_MS && !a->ended; i++)
		one_ms(w);
	return buf_str(&a->body);
}

int swarm_status(const struct swarm *w, uint64_t request)
{
	return w->answers[request].status;
}

uint32_t swarm_leader(const struct swarm *w)
{
	uint32_t found = SWARM_NODES;
	uint64_t term = 0;

	for (uint32_t i = 0; i < w->count; i++) {
		const struct raft *r = w->nodes[i].manager ?
			manager_raft(w->nodes[i].manager) : NULL;

		if (!r || !raft_is_ready(r) || r->hard.term < term)
			continue;
		found = i;
		term = r->hard.term;
	}
	return found;
}

uint32_t swarm_follower(const struct swarm *w, uint32_t n)
{
	uint32_t leader = swarm_leader(w);

	for (uint32_t i = 0; i < w->count; i++) {
		if (i != leader && w->nodes[i].manager && n-- == 0)
			return i;
	}
	must(0, "no such follower");
	return 0;
}

static void save_state(const struct manager *m, struct buf *b)
{
	struct sink sink = { add_piece, b };

	buf_init(b, 64 << 20);
	must(state_save(manager_state(m), &sink) == 0, "no state");
}

int swarm_agrees(const struct swarm *w)
{
	struct buf first, other;
	int have = 0, same = 1;

	for (uint32_t i = 0; i < w->count; i++) {
		if (!w->nodes[i].manager)
			continue;
		save_state(w->nodes[i].manager, have ? &other : &first);
		if (have) {
			same &= slice_equal(buf_slice(&first), buf_slice(&other));
			buf_done(&other);
		}
		have = 1;
	}
	if (have)
		buf_done(&first);
	return same;
}

uint32_t swarm_voters(const struct swarm *w, uint32_t *members)
{
	uint32_t leader = swarm_leader(w), voters = 0;
	const struct raft_config *c;

	*members = 0;
	if (leader == SWARM_NODES)
		return 0;
	c = &manager_raft(w->nodes[leader].manager)->config;
	*members = c->count;
	for (uint32_t i = 0; i < c->count; i++)
		voters += c->members[i].votes != 0;
	return voters;
}

uint64_t swarm_create(struct swarm *w, uint32_t node, const char *name)
{
	char text[512];

	snprintf(text, sizeof(text), "{\"Name\":\"%s\",\"TaskTemplate\":{\"ContainerSpec\":"
		 "{\"Image\":\"web:1\"}},\"Mode\":{\"Replicated\":{\"Replicas\":1}}}", name);
	return swarm_ask(w, node, "POST", "/services/create", text);
}

int swarm_services(struct swarm *w, uint32_t node, const char *name)
{
	const char *text = swarm_wait(w, swarm_ask(w, node, "GET", "/services", NULL));
	char pattern[64];
	int n = 0;

	snprintf(pattern, sizeof(pattern), "\"Name\":\"%s\"", name);
	for (; (text = strstr(text, pattern)) != NULL; text++)
		n++;
	return n;
}

struct swarm *swarm_ready(uint32_t nodes)
{
	struct swarm *w = swarm_new(nodes);

	for (uint32_t i = 0; i < nodes; i++) {
		swarm_start(w, i);
		swarm_run(w, 1000);
	}
	swarm_run(w, 1000);
	return w;
}
