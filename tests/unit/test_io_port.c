/* The cluster port: who is let in by the first frame, and what strangers cost at most. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/mem.h"
#include "io/sock.h"
#include "io_nodes.h"
#include "unit.h"

/* A channel in the test's own hands: it says one frame when it has heard the hello. */
struct guest {
	struct channel channel;
	struct slice says;
	struct buf heard;	/* what came after the hello */
	int frames, end;
};

static void guest_ready(struct channel *c)
{
	(void)c;
}

static int guest_frame(struct channel *c, struct slice body)
{
	struct guest *g = c->context;

	if (g->frames++ == 0 && g->says.data)
		channel_send(c, g->says);
	else
		buf_add_slice(&g->heard, body);
	return 0;
}

static void guest_ended(struct channel *c, int err, const struct errmsg *why)
{
	(void)why;
	((struct guest *)c->context)->end = err;
}

static void guest_dial(struct guest *g, struct nodes *s, struct nodes_who *who, struct slice says)
{
	*g = (struct guest){ .says = says };
	buf_init(&g->heard, 1 << 16);
	g->channel.context = g;
	g->channel.ready = guest_ready;
	g->channel.frame = guest_frame;
	g->channel.ended = guest_ended;
	channel_init(&g->channel, &s->loop, &who->config, 1 << 16);
	channel_dial(&g->channel, nodes_address(), s->managers[0].number);
}

static void guest_done(struct guest *g)
{
	if (!g->end)
		channel_close(&g->channel);
	buf_done(&g->heard);
}

static struct slice hello_of(uint8_t bytes[HELLO_LEN], uint64_t id)
{
	struct hello h = { .id = id, .boot = 1, .turn = 1 };

	hello_build(bytes, &h);
	return (struct slice){ (char *)bytes, HELLO_LEN };
}

/* A socket of the test's own. */
static int stranger(struct nodes *s)
{
	int fd = sock_connect_tcp(nodes_address(), s->managers[0].number, NULL);
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	if (fd < 0 || poll(&p, 1, 5000) != 1)
		abort();
	return fd;
}

static int is_closed(int fd)
{
	char bytes[1000];
	ssize_t n;

	do
		n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	while (n > 0);
	return n == 0 || errno != EAGAIN;
}

TEST(a_manager_is_given_away_and_goes_on_speaking)
{
	struct nodes *s = nodes_open();
	struct manager_end *m = &s->managers[0];
	uint8_t bytes[HELLO_LEN];
	struct guest g;

	guest_dial(&g, s, &s->manager, hello_of(bytes, 7));
	NODES_WAIT(s, s->held);
	CHECK_STR(buf_str(&m->story), "manager:7 ");
	CHECK(!m->port.guests && m->port.stranger_count == 0);
	channel_keep(s->held, 1000);
	channel_send(&g.channel, SLICE("more"));
	channel_flush(&g.channel);
	NODES_WAIT(s, m->story.len > 10);
	CHECK_STR(buf_str(&m->story), "manager:7 held:more ");
	guest_done(&g);
	NODES_WAIT(s, !s->held);
	CHECK(!s->held);
	nodes_close(s);
}

TEST(one_that_its_owner_does_not_want_is_closed)
{
	struct nodes *s = nodes_open();
	uint8_t bytes[HELLO_LEN];
	struct guest g;

	guest_dial(&g, s, &s->manager, hello_of(bytes, 9));
	NODES_WAIT(s, g.end);
	CHECK_INT(g.end, ERR_UNAVAILABLE);
	CHECK_STR(buf_str(&s->managers[0].story), "manager:9 ");
	CHECK(!s->managers[0].port.guests);
	guest_done(&g);
	nodes_close(s);
}

TEST(the_certificate_tells_what_one_may_be)
{
	struct nodes *s = nodes_open();
	uint8_t bytes[HELLO_LEN], agent[AGENT_LEN];
	struct guest guests[3];

	agent_hello_build(agent);
	guest_dial(&guests[0], s, &s->worker, hello_of(bytes, 7));
	guest_dial(&guests[1], s, &s->nobody, (struct slice){ (char *)agent, AGENT_LEN });
	NODES_WAIT(s, guests[0].end && guests[1].end);
	guest_dial(&guests[2], s, &s->nobody, hello_of(bytes, 7));
	NODES_WAIT(s, guests[2].end);
	for (int i = 0; i < 3; i++) {
		CHECK_INT(guests[i].end, ERR_UNAVAILABLE);
		CHECK_INT(guests[i].frames, 1);
		guest_done(&guests[i]);
	}
	CHECK_STR(buf_str(&s->managers[0].story), "");
	CHECK(!s->managers[0].port.guests);
	nodes_close(s);
}

TEST(a_first_frame_that_is_none_ends_it)
{
	static char large[GREETING_MAX + 1] = "SWCR";
	const struct slice says[] = {
		SLICE("GET / HTTP/1.1"), SLICE("SW"), SLICE("SWC"), SLICE("SWAG\2\0\0\0"),
		SLICE("SWAG\1\0\0"), SLICE("SWBX\2\0\0\0"), SLICE(""), { large, sizeof(large) },
	};
	struct nodes *s = nodes_open();
	struct guest g;

	for (size_t i = 0; i < sizeof(says) / sizeof(says[0]); i++) {
		guest_dial(&g, s, &s->manager, says[i]);
		NODES_WAIT(s, g.end);
		CHECK_INT(g.end, ERR_UNAVAILABLE);
		CHECK_INT(g.frames, 1);
		CHECK(!s->managers[0].port.guests);
		guest_done(&g);
	}
	CHECK_STR(buf_str(&s->managers[0].story), "");
	CHECK_INT(s->managers[0].port.enrol_count, 0);
	nodes_close(s);
}

TEST(plain_http_is_closed_at_once)
{
	struct nodes *s = nodes_open();
	int http = stranger(s), silent = stranger(s);

	CHECK_INT(send(http, "GET / HTTP/1.1\r\n\r\n", 18, MSG_NOSIGNAL), 18);
	NODES_WAIT(s, is_closed(http));
	CHECK(is_closed(http));
	CHECK(!is_closed(silent));
	CHECK_INT(s->managers[0].port.stranger_count, 1);
	close(http);
	close(silent);
	nodes_close(s);
}

TEST(handshakes_that_are_slow_are_bounded_in_number)
{
	enum { COUNT = 300 };
	struct nodes *s = nodes_open();
	struct port *p = &s->managers[0].port;
	uint8_t bytes[HELLO_LEN];
	uint32_t most = 0;
	struct guest g, asks;
	int fds[COUNT];

	/* One that waits for a certificate is no stranger any more: it keeps its place. */
	guest_dial(&asks, s, &s->nobody, SLICE("SWCRtext"));
	NODES_WAIT(s, p->enrol_count);
	for (int i = 0; i < COUNT; i++) {
		fds[i] = stranger(s);
		/* The beginning of a TLS record that never ends. */
		CHECK_INT(send(fds[i], "\26\3\1\1\0", 5, MSG_NOSIGNAL), 5);
		loop_turn(&s->loop, 0, NULL);
		most = p->stranger_count > most ? p->stranger_count : most;
	}
	CHECK_INT(most, PORT_STRANGERS_MAX);
	guest_dial(&g, s, &s->manager, hello_of(bytes, 7));
	NODES_WAIT(s, s->held);
	CHECK(s->held);
	CHECK(is_closed(fds[0]) && is_closed(fds[COUNT - PORT_STRANGERS_MAX - 1]));
	CHECK(!is_closed(fds[COUNT - 1]));
	CHECK_INT(p->enrol_count, 1);
	CHECK_INT(asks.end, 0);
	for (int i = 0; i < COUNT; i++)
		close(fds[i]);
	guest_done(&g);
	guest_done(&asks);
	nodes_close(s);
}

TEST(who_asks_for_a_certificate_is_answered_once)
{
	struct nodes *s = nodes_open();
	struct manager_end *m = &s->managers[0];
	struct guest g, named;
	uint64_t since_ms;

	guest_dial(&g, s, &s->nobody, SLICE("SWCR{}"));
	NODES_WAIT(s, m->enrol == 1);
	guest_dial(&named, s, &s->worker, SLICE("SWCR{}"));
	NODES_WAIT(s, m->enrol == 2);
	CHECK_STR(buf_str(&m->story), "enrol::{} enrol:worker1:{} ");
	CHECK_INT(m->port.enrol_count, 2);
	CHECK_INT(m->port.stranger_count, 0);
	port_enrolled(&m->port, 0, 200, SLICE("not this"));
	port_enrolled(&m->port, 77, 200, SLICE("nor this"));
	port_enrolled(&m->port, 1, 403, SLICE("no"));
	port_enrolled(&m->port, 1, 200, SLICE("yes"));
	NODES_WAIT(s, g.heard.len);
	CHECK_INT(g.heard.len, 4);
	CHECK(memcmp(g.heard.data, "\223\1no", 4) == 0);
	/* It does not go: it is closed. */
	since_ms = clock_now_ms();
	NODES_WAIT(s, g.end);
	CHECK_INT(g.end, ERR_UNAVAILABLE);
	CHECK(clock_now_ms() - since_ms < 3 * PORT_LINGER_MS);
	/* The other waits, and has only that one thing to say. */
	CHECK_INT(named.end, 0);
	channel_send(&named.channel, SLICE("SWCR{}"));
	channel_flush(&named.channel);
	NODES_WAIT(s, named.end);
	CHECK_INT(named.end, ERR_UNAVAILABLE);
	CHECK_INT(m->port.enrol_count, 0);
	guest_done(&g);
	guest_done(&named);
	nodes_close(s);
}

/* Lets the time of those with more than a handshake's be over. How many there are. */
static uint32_t end_those_who_wait(struct nodes *s)
{
	uint64_t now_ms = loop_now_ms(&s->loop);
	struct loop_timer *found[PORT_ENROLS_MAX + 1];
	uint32_t n = 0;

	for (uint32_t i = 0; i < s->loop.timer_count && n <= PORT_ENROLS_MAX; i++)
		if (s->loop.heap[i]->deadline_ms > now_ms + CHANNEL_SHAKE_MS &&
		    s->loop.heap[i]->deadline_ms <= now_ms + PORT_ENROL_MS)
			found[n++] = s->loop.heap[i];
	for (uint32_t i = 0; i < n; i++)
		loop_timer_set(&s->loop, found[i], 1);
	return n;
}

TEST(those_who_wait_for_a_certificate_are_bounded)
{
	struct nodes *s = nodes_open();
	struct port *p = &s->managers[0].port;
	struct guest *guests = mem_new((PORT_ENROLS_MAX + 1) * sizeof(*guests));

	for (int i = 0; i <= PORT_ENROLS_MAX; i++) {
		guest_dial(&guests[i], s, &s->worker, SLICE("SWCR{}"));
		NODES_WAIT(s, s->managers[0].enrol == (uint64_t)i + 1 || guests[i].end);
	}
	CHECK_INT(p->enrol_count, PORT_ENROLS_MAX);
	CHECK_INT(guests[PORT_ENROLS_MAX].end, ERR_UNAVAILABLE);
	CHECK_INT(guests[0].end, 0);
	/* One that has its answer and stays makes room. */
	port_enrolled(p, 2, 400, SLICE("no"));
	NODES_WAIT(s, guests[1].heard.len);
	guest_done(&guests[PORT_ENROLS_MAX]);
	guest_dial(&guests[PORT_ENROLS_MAX], s, &s->worker, SLICE("SWCR{}"));
	NODES_WAIT(s, guests[1].end);
	CHECK_INT(s->managers[0].enrol, PORT_ENROLS_MAX + 1);
	CHECK_INT(guests[PORT_ENROLS_MAX].end, 0);
	CHECK_INT(p->enrol_count, PORT_ENROLS_MAX);
	/* Without an answer there is an end, too: it is not waited for here. */
	CHECK_INT(end_those_who_wait(s), PORT_ENROLS_MAX);
	NODES_WAIT(s, !p->guests && guests[0].end);
	CHECK_INT(p->enrol_count, 0);
	CHECK_INT(guests[0].end, ERR_UNAVAILABLE);
	for (int i = 0; i <= PORT_ENROLS_MAX; i++)
		guest_done(&guests[i]);
	mem_free(guests);
	nodes_close(s);
}
