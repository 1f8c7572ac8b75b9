/*
 * agents [AGENTS]: a leader is killed, and all agents of a swarm are connected to one manager that
 * is left. Three managers in one process, on one core, with the real clock: their steps are the
 * product's; the network and the disks between them take no time, and neither does TLS. Prints how
 * long it takes until every agent has a session with the new leader and its orders, the longest
 * step of that leader, and whether a node was declared down or a task touched.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "applets/manager/private.h"
#include "base/mem.h"

enum {
	MANAGERS = 3, HOST = 1,		/* where the agents are */
	AGENTS_MAX = 20000, TASKS_EACH = 2,
	SERVICES = 4,
	OWN = 30000,			/* managers' own agents have numbers from there on */
	SESSION_SHIFT = 16,		/* a session's number: how many there were, and whose */
};

struct item {
	struct item *next;
	uint32_t to;
	struct event ev;
};

struct host {
	struct manager_config config;
	struct manager *manager;
	struct effects fx;
	char node_id[ID_LEN + 1], address[32];
	uint64_t timer_ms, record, durable;
	int flush_due, dead, up[MANAGERS];
	uint64_t own_session;
	int reply_status;
	uint64_t worst_us, steps;
	double busy_s;
};

struct agent {
	char node_id[ID_LEN + 1];
	uint64_t session;
	int has_orders;			/* of this session */
};

static struct host hosts[MANAGERS];
static struct agent *agents;
static uint32_t agent_count = 10000, ready;
static struct item *first, **last = &first;
static uint64_t sessions, touched;
static int watching;

static void must(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "agents: %s\n", what);
	exit(1);
}

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void post(uint32_t to, struct event ev)
{
	struct item *i = mem_new(sizeof(*i) + event_bytes(&ev));

	i->to = to;
	event_copy(&i->ev, &ev, i + 1);
	*last = i;
	last = &i->next;
}

/* ---- agents ------------------------------------------------------------------- */

static void report(uint32_t host, uint64_t session, const char *name)
{
	char text[512];

	snprintf(text, sizeof(text), "{\"Description\":{\"Hostname\":\"%s\",\"Platform\":{"
		 "\"Architecture\":\"x86_64\",\"OS\":\"linux\"},\"Resources\":{\"NanoCPUs\":"
		 "4000000000,\"MemoryBytes\":8000000000},\"Engine\":{\"EngineVersion\":\"20.10.24"
		 "\"}},\"Addr\":\"192.0.2.1:2377\",\"NodeMessage\":\"\"}", name);
	post(host, (struct event){ .kind = EVENT_SESSION_MESSAGE, .id = session,
				   .body = slice_of(text) });
}

static void agent_begin(uint32_t i)
{
	struct agent *a = &agents[i];

	a->session = ++sessions << SESSION_SHIFT | i;
	ready -= a->has_orders != 0;
	a->has_orders = 0;
	post(HOST, (struct event){ .kind = EVENT_SESSION_UP, .id = a->session,
				   .text = slice_of(a->node_id) });
	report(HOST, a->session, a->node_id);
}

static void agent_restart(uint32_t i)
{
	post(HOST, (struct event){ .kind = EVENT_SESSION_DOWN, .id = agents[i].session });
	agent_begin(i);
}

/* Tasks of an order run at once, and are told of. */
static void agent_order(uint32_t i, struct slice body)
{
	struct agent *a = &agents[i];
	struct session_order order;
	struct session_status items[SESSION_TASKS_MAX];
	struct session_report r = { .node_message = "" };
	struct json_writer w;
	struct arena arena;
	struct buf text;

	arena_init(&arena);
	must(model_parse(&arena, &session_order_table, MODEL_STORE, body, &order, NULL) == 0,
	     "an order that does not parse");
	r.statuses.items = items;
	if (order.assign) {
		ready += !a->has_orders;
		a->has_orders = 1;
		touched += watching ? order.assign->removed.count : 0;
	}
	for (uint32_t k = 0; order.assign && k < order.assign->tasks.count; k++) {
		const struct task *t = LIST_AT(&order.assign->tasks, struct task, k);

		touched += watching && t->desired_state > TASK_RUNNING;
		items[r.statuses.count++] = (struct session_status){ t->meta.id, {
			.timestamp = t->status.timestamp, .state = TASK_RUNNING } };
	}
	if (r.statuses.count) {
		buf_init(&text, 1 << 20);
		json_begin(&w, &text);
		model_encode(&w, &session_report_table, MODEL_STORE, &r);
		post(HOST, (struct event){ .kind = EVENT_SESSION_MESSAGE, .id = a->session,
					   .body = buf_slice(&text) });
		buf_done(&text);
	}
	arena_done(&arena);
}

/* ---- managers --------------------------------------------------------------------- */

static void own_begin(uint32_t h)
{
	hosts[h].own_session = ++sessions << SESSION_SHIFT | (OWN + h);
	post(h, (struct event){ .kind = EVENT_SESSION_UP, .id = hosts[h].own_session,
				.text = slice_of(hosts[h].node_id) });
	report(h, hosts[h].own_session, hosts[h].node_id);
}

static void session_effect(uint32_t h, const struct effect *x)
{
	uint32_t i = (uint32_t)(x->id & ((1 << SESSION_SHIFT) - 1));

	if (x->id == hosts[h].own_session && x->kind == EFFECT_SESSION_DROP) {
		post(h, (struct event){ .kind = EVENT_SESSION_DOWN, .id = x->id });
		own_begin(h);
	}
	if (i >= agent_count || agents[i].session != x->id)
		return;
	must(x->kind == EFFECT_SESSION_SEND || x->status == 0, "an agent is sent away");
	if (x->kind == EFFECT_SESSION_DROP)
		agent_restart(i);
	else
		agent_order(i, x->body);
}

static void link_hosts(uint32_t a, uint32_t b)
{
	if (a == b || hosts[a].up[b] || hosts[a].dead || hosts[b].dead || !hosts[b].manager)
		return;
	hosts[a].up[b] = hosts[b].up[a] = 1;
	post(a, (struct event){ .kind = EVENT_PEER_UP, .id = hosts[b].config.raft_id,
				.text = slice_of(hosts[b].node_id) });
	post(b, (struct event){ .kind = EVENT_PEER_UP, .id = hosts[a].config.raft_id,
				.text = slice_of(hosts[a].node_id) });
}

static void to_peer(uint32_t h, const struct effect *x)
{
	for (uint32_t i = 0; i < MANAGERS; i++) {
		if (hosts[i].config.raft_id == x->id && hosts[h].up[i])
			post(i, (struct event){ .kind = EVENT_PEER_MESSAGE,
						.id = hosts[h].config.raft_id, .body = x->body });
	}
}

static void carry_out(uint32_t h, const struct effect *x)
{
	struct host *host = &hosts[h];

	switch ((int)x->kind) {
	case EFFECT_TIMER: host->timer_ms = x->deadline_ms; break;
	case EFFECT_WAL_APPEND: host->record = x->id; break;
	case EFFECT_FLUSH: host->flush_due = 1; break;
	case EFFECT_SNAPSHOT_SAVE:
		post(h, (struct event){ .kind = EVENT_SNAPSHOT_SAVED, .id = x->id, .offset = 1 });
		break;
	case EFFECT_PEER_DIAL:
		for (uint32_t i = 0; i < MANAGERS; i++) {
			if (slice_is(x->target, hosts[i].address))
				link_hosts(h, i);
		}
		break;
	case EFFECT_PEERS:
		for (uint32_t i = 0; i < MANAGERS; i++) {
			if (strstr(arena_str(&host->fx.arena, x->body), hosts[i].address))
				link_hosts(h, i);
		}
		break;
	case EFFECT_PEER_SEND: to_peer(h, x); break;
	case EFFECT_REPLY: host->reply_status = x->status; break;
	case EFFECT_SESSION_SEND:
	case EFFECT_SESSION_DROP: session_effect(h, x); break;
	default: break;
	}
}

static void step(uint32_t h, struct event *ev)
{
	struct host *host = &hosts[h];
	uint64_t begun = now_us(), took;

	ev->now_ms = begun / 1000;
	ev->wall_ns = 1700000000000000000 + (int64_t)begun * 1000;
	effects_reset(&host->fx);
	manager_step(host->manager, ev, &host->fx);
	took = now_us() - begun;
	host->busy_s += (double)took / 1e6;
	host->steps++;
	if (took > host->worst_us)
		host->worst_us = took;
	for (uint32_t i = 0; i < host->fx.count; i++)
		carry_out(h, &host->fx.items[i]);
}

/* The end of a turn of the loop: what gathered goes out, and to the disk. */
static void end_turn(uint32_t h)
{
	struct host *host = &hosts[h];
	struct event flush = { .kind = EVENT_FLUSH }, done = { .kind = EVENT_WAL_DONE };
	struct event timer = { .kind = EVENT_TIMER };

	if (host->dead || !host->manager)
		return;
	if (host->timer_ms && host->timer_ms <= now_us() / 1000) {
		host->timer_ms = 0;
		step(h, &timer);
	}
	if (host->flush_due) {
		host->flush_due = 0;
		step(h, &flush);
	}
	if (host->durable < host->record) {
		done.id = host->durable = host->record;
		step(h, &done);
	}
}

static void turn(void)
{
	for (int n = 0; n < 64 && first; n++) {
		struct item *i = first;

		first = i->next;
		if (!first)
			last = &first;
		if (!hosts[i->to].dead)
			step(i->to, &i->ev);
		mem_free(i);
	}
	for (uint32_t h = 0; h < MANAGERS; h++)
		end_turn(h);
}

#define WAIT(condition, what) do { \
	uint64_t end_us = now_us() + 200000000; \
	while (!(condition)) { \
		must(now_us() < end_us, what); \
		turn(); \
	} \
} while (0)

static void start(uint32_t h)
{
	struct host *host = &hosts[h];

	snprintf(host->node_id, sizeof(host->node_id), "manager%018u", h);
	snprintf(host->address, sizeof(host->address), "192.0.2.%u:2377", h + 1);
	host->config = (struct manager_config){
		.node_id = host->node_id, .raft_id = h + 1, .begin = h ? RAFT_JOIN : RAFT_FOUND,
		.contacts = h ? hosts[0].address : "", .hostname = host->node_id,
		.listen_addr = host->address, .advertise_addr = host->address,
		.default_addr_pool = "10.0.0.0/8", .engine_socket = "", .data_dir = "",
	};
	effects_init(&host->fx);
	host->manager = manager_new(&host->config, h + 1);
	must(manager_recovered(host->manager, NULL) == 0, "no start");
	post(h, (struct event){ .kind = EVENT_START });
	own_begin(h);
	WAIT(manager_is_ready(host->manager), "a manager does not get ready");
}

/* As if they had enrolled: a hundred in an entry. */
static void put_nodes(void)
{
	for (uint32_t i = 0; i < agent_count;) {
		struct event ev = { .now_ms = now_us() / 1000, .wall_ns = 1700000000000000000 };
		struct step s = { .m = hosts[0].manager, .ev = &ev, .fx = &hosts[0].fx };
		struct slice entry;
		struct txn txn;
		uint64_t index;

		txn_init(&txn, ev.wall_ns);
		for (uint32_t n = 0; n < 100 && i < agent_count; n++, i++) {
			struct node node = { .meta.id = agents[i].node_id };

			txn_put(&txn, OBJECT_NODE, &node);
		}
		effects_reset(&hosts[0].fx);
		must(txn_finish(&txn, &entry) == 0 && step_propose(&s, entry, &index) == 0,
		     "nodes cannot be made");
		for (uint32_t k = 0; k < hosts[0].fx.count; k++)
			carry_out(0, &hosts[0].fx.items[k]);
		txn_done(&txn);
		WAIT(hosts[HOST].manager->state.applied >= index, "nodes are not made");
	}
}

static void make_service(unsigned number)
{
	char body[512];

	snprintf(body, sizeof(body), "{\"Name\":\"s%u\",\"TaskTemplate\":{\"ContainerSpec\":{"
		 "\"Image\":\"lab/box\"},\"Placement\":{\"Constraints\":[\"node.role==worker\"]}},\"Mode\":{\"Replicated\":{\"Replicas\":%u}}}", number,
		 agent_count * TASKS_EACH / SERVICES);
	hosts[0].reply_status = 0;
	post(0, (struct event){ .kind = EVENT_REQUEST, .id = number + 1, .method = SLICE("POST"),
				.target = SLICE("/services/create"), .body = slice_of(body),
				.text = SLICE("application/json") });
	WAIT(hosts[0].reply_status, "no answer");
	must(hosts[0].reply_status == 201, "a service is refused");
}

static uint32_t running(uint32_t h)
{
	uint32_t n = 0;

	for (struct map_entry *e = state_first(&hosts[h].manager->state, OBJECT_TASK); e;
	     e = map_next(e)) {
		const struct task *t = state_entry(e);

		n += t->status.state == TASK_RUNNING && t->desired_state == TASK_RUNNING;
	}
	return n;
}

static uint32_t nodes_down(uint32_t h)
{
	uint32_t n = 0;

	for (struct map_entry *e = state_first(&hosts[h].manager->state, OBJECT_NODE); e;
	     e = map_next(e)) {
		const struct node *node = state_entry(e);

		n += node->status.state == NODE_DOWN;
	}
	return n;
}

static void wait_running(uint32_t h)
{
	uint32_t wanted = agent_count / SERVICES * TASKS_EACH * SERVICES;

	for (uint64_t end_us = now_us() + 200000000; running(h) < wanted;) {
		if (now_us() >= end_us)
			fprintf(stderr, "agents: %u of %u\n", running(h), wanted);
		must(now_us() < end_us, "not all tasks run");
		for (int i = 0; i < 1000; i++)
			turn();
	}
}

static void begin_watching(void)
{
	ready = 0;
	watching = 1;
	for (uint32_t h = 0; h < MANAGERS; h++) {
		hosts[h].worst_us = hosts[h].steps = 0;
		hosts[h].busy_s = 0;
	}
}

int main(int argc, char **argv)
{
	uint64_t begun, number = agent_count;
	uint32_t leader;

	must(argc < 2 || (slice_to_u64(slice_of(argv[1]), AGENTS_MAX, &number) == 0 && number > 0),
	     "how many agents?");
	agent_count = (uint32_t)number;
	agents = mem_new(agent_count * sizeof(*agents));
	for (uint32_t i = 0; i < agent_count; i++)
		snprintf(agents[i].node_id, sizeof(agents[i].node_id), "worker%019u", i);
	for (uint32_t h = 0; h < MANAGERS; h++)
		start(h);
	put_nodes();
	begun = now_us();
	begin_watching();
	watching = 0;
	for (uint32_t i = 0; i < agent_count; i++)
		agent_begin(i);
	WAIT(ready == agent_count, "not all agents come in");
	printf("%u agents come at once: %.2f s, longest step of the leader %.1f ms\n", agent_count,
	       (double)(now_us() - begun) / 1e6, (double)hosts[0].worst_us / 1e3);
	begun = now_us();
	begin_watching();
	watching = 0;
	for (unsigned i = 0; i < SERVICES; i++)
		make_service(i);
	wait_running(0);
	printf("%u tasks run on them: %.2f s, longest step %.1f ms\n", running(0),
	       (double)(now_us() - begun) / 1e6, (double)hosts[0].worst_us / 1e3);
	for (begun = now_us(); now_us() < begun + 1000000;)
		turn();

	begin_watching();
	for (uint32_t i = 0; i < agent_count; i++)
		agents[i].has_orders = 0;
	begun = now_us();
	hosts[0].dead = 1;
	for (uint32_t h = 1; h < MANAGERS; h++)
		post(h, (struct event){ .kind = EVENT_PEER_DOWN, .id = hosts[0].config.raft_id });
	WAIT(ready == agent_count, "not all agents have a session again");
	leader = hosts[1].manager->leading ? 1 : 2;
	printf("the leader is killed: all have a session with the next one (%s) after %.2f s; "
	       "longest step %.1f ms, of the other %.1f ms; %llu steps, %.2f s of CPU\n",
	       leader == HOST ? "theirs" : "the other", (double)(now_us() - begun) / 1e6,
	       (double)hosts[leader].worst_us / 1e3, (double)hosts[3 - leader].worst_us / 1e3,
	       (unsigned long long)hosts[leader].steps, hosts[leader].busy_s);
	for (begun = now_us(); now_us() < begun + 20000000;)
		turn();
	printf("20 s later: %u nodes down, %u tasks run, %llu touched, longest step %.1f ms\n",
	       nodes_down(leader) - 1, running(leader), (unsigned long long)touched,
	       (double)hosts[leader].worst_us / 1e3);
	must(nodes_down(leader) == 1 && touched == 0, "a node or a task was touched");
	return 0;
}
