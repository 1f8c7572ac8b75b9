/* The choice of a backend. */
#include <stdio.h>
#include <string.h>

#include "applets/lb/lb.h"
#include "unit.h"

/* One TCP port 4000 with tasks t0 .. t(n-1), t(from) first. */
struct world {
	struct lb lb;
	struct netmap map;
	struct netmap_port port;
	struct netmap_backend backends[16];
	char names[16][8];
};

static void set_backends(struct world *w, int from, int n)
{
	for (int i = 0; i < n; i++) {
		snprintf(w->names[i], sizeof(w->names[i]), "t%d", from + i);
		w->backends[i] = (struct netmap_backend){ w->names[i],
			0x0a000000u + (uint32_t)(from + i), 80 };
	}
	w->port = (struct netmap_port){ NETMAP_TCP, 4000, "web", w->backends, (uint32_t)n };
	w->map = (struct netmap){ &w->port, 1 };
	lb_update(&w->lb, &w->map);
}

static void open_world(struct world *w, int n)
{
	memset(w, 0, sizeof(*w));
	lb_init(&w->lb);
	set_backends(w, 0, n);
}

static struct lb_backend *pick(struct world *w, uint64_t now_ms)
{
	return lb_pick(w->lb.ports, now_ms, w->lb.ports->failures);
}

TEST(all_answer_in_turn)
{
	struct world w;

	open_world(&w, 5);
	for (int i = 0; i < 20; i++) {
		struct lb_backend *b = pick(&w, 0);
		char name[8];

		snprintf(name, sizeof(name), "t%d", i % 5);
		CHECK_STR(b->task, name);
		lb_connected(b);
		lb_close(b);
	}
	lb_done(&w.lb);
}

TEST(the_fewest_connections_come_first)
{
	struct world w;
	struct lb_backend *open[9];

	open_world(&w, 3);
	for (int i = 0; i < 9; i++)
		open[i] = pick(&w, 0);
	for (int i = 0; i < 3; i++)
		CHECK_INT(open[i]->open, 3);
	for (int i = 0; i < 9; i++)
		if (strcmp(open[i]->task, "t1") == 0)
			lb_close(open[i]);
	for (int i = 0; i < 3; i++)
		CHECK_STR(pick(&w, 0)->task, "t1");
	for (int i = 0; i < 3; i++)
		while (w.lb.ports->backends[i]->open)
			lb_close(w.lb.ports->backends[i]);
	lb_done(&w.lb);
}

static void fail(struct world *w, struct lb_backend *b, uint64_t now_ms)
{
	lb_failed(w->lb.ports, b, now_ms);
}

TEST(a_refusal_sets_aside_longer_and_longer)
{
	static const uint64_t aside_ms[] = { 1000, 2000, 4000, 8000, 16000, 30000, 30000 };
	struct world w;
	uint64_t now_ms = 5000;

	open_world(&w, 2);
	lb_close(pick(&w, now_ms));
	for (size_t i = 0; i < sizeof(aside_ms) / sizeof(aside_ms[0]); i++) {
		struct lb_backend *b = pick(&w, now_ms), *other;

		CHECK_STR(b->task, "t1");
		fail(&w, b, now_ms);
		for (int j = 0; j < 3; j++) {
			other = pick(&w, now_ms + aside_ms[i] - 1);
			CHECK_STR(other->task, "t0");
			lb_close(other);
		}
		now_ms += aside_ms[i];
	}
	/* Its trial goes to one connection, the others have the well one. */
	CHECK_STR(pick(&w, now_ms)->task, "t1");
	for (int i = 0; i < 3; i++)
		CHECK_STR(pick(&w, now_ms)->task, "t0");
	lb_connected(w.lb.ports->backends[1]);
	CHECK_STR(pick(&w, now_ms)->task, "t1");
	for (int i = 0; i < 2; i++)
		while (w.lb.ports->backends[i]->open)
			lb_close(w.lb.ports->backends[i]);
	lb_done(&w.lb);
}

TEST(a_connection_tries_each_backend_once)
{
	struct world w;
	char seen[16] = { 0 };

	open_world(&w, 5);
	for (int round = 0; round < 3; round++) {
		uint64_t since = w.lb.ports->failures;
		struct lb_backend *b;
		int n = 0;

		memset(seen, 0, sizeof(seen));
		while ((b = lb_pick(w.lb.ports, 100, since)) != NULL) {
			CHECK_INT(seen[b->address & 15], 0);
			seen[b->address & 15] = 1;
			fail(&w, b, 100);
			n++;
		}
		CHECK_INT(n, 5);
	}
	/* All together are one failure of each. */
	for (int i = 0; i < 5; i++)
		CHECK_INT(w.lb.ports->backends[i]->aside_until_ms, 1100);
	lb_done(&w.lb);
}

TEST(state_survives_a_new_map)
{
	struct world w;
	struct lb_backend *b;

	open_world(&w, 4);
	b = pick(&w, 0);
	fail(&w, b, 0);
	b = pick(&w, 0);
	CHECK_STR(b->task, "t1");
	set_backends(&w, 1, 4);
	CHECK(w.lb.ports->backends[0] == b);
	CHECK_INT(b->open, 1);
	set_backends(&w, 2, 4);
	CHECK_INT(b->gone, 1);
	CHECK_INT(w.lb.ports->backend_count, 4);
	CHECK_STR(w.lb.ports->backends[0]->task, "t2");
	lb_close(b);
	/* The same task at another address is another backend. */
	b = pick(&w, 0);
	w.backends[0].port = 81;
	w.backends[1].port = 81;
	w.backends[2].port = 81;
	w.backends[3].port = 81;
	lb_update(&w.lb, &w.map);
	CHECK_INT(b->gone, 1);
	lb_close(b);
	lb_done(&w.lb);
}

TEST(ports_come_and_go_in_order)
{
	struct world w;
	struct netmap_port ports[4] = {
		{ NETMAP_TCP, 80, "a", NULL, 0 }, { NETMAP_TCP, 4000, "b", NULL, 0 },
		{ NETMAP_TCP, 5000, "c", NULL, 0 }, { NETMAP_UDP, 53, "d", NULL, 0 },
	};
	struct netmap map = { ports, 4 };
	struct lb_port *old;
	struct buf text;

	open_world(&w, 2);
	old = w.lb.ports;
	lb_update(&w.lb, &map);
	CHECK(w.lb.ports->next == old);
	CHECK_INT(old->backend_count, 0);
	CHECK(pick(&w, 0) == NULL);
	snprintf(w.lb.ports->next->next->error, LB_ERROR_MAX, "address already in use");
	buf_init(&text, 4096);
	lb_status(&w.lb, &text);
	CHECK_STR(buf_str(&text),
		"{\"ports\":[{\"protocol\":\"tcp\",\"published\":80,\"service\":\"a\"},"
		"{\"protocol\":\"tcp\",\"published\":4000,\"service\":\"b\"},"
		"{\"protocol\":\"tcp\",\"published\":5000,\"service\":\"c\","
		"\"error\":\"address already in use\"},"
		"{\"protocol\":\"udp\",\"published\":53,\"service\":\"d\"}]}");
	map = (struct netmap){ ports + 1, 1 };
	lb_update(&w.lb, &map);
	old->users = 1;
	lb_sweep(&w.lb);
	CHECK(w.lb.ports == old && old->next == NULL);
	map.port_count = 0;
	lb_update(&w.lb, &map);
	lb_sweep(&w.lb);
	CHECK(w.lb.ports == old);
	old->users = 0;
	lb_sweep(&w.lb);
	CHECK(w.lb.ports == NULL);
	buf_done(&text);
	lb_done(&w.lb);
}
