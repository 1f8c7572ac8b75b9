/* A channel by itself and as a guest of the managers' connections: limits of time, of size, of
 * number, and hellos that are not welcome. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/mem.h"
#include "codec/netmap.h"
#include "io/clock.h"
#include "io/peers.h"
#include "io/port.h"
#include "io/sock.h"
#include "devcert.h"
#include "unit.h"

enum { WAIT_MS = 8000, GUESTS = PEERS_MAX + 1, OWN_ID = 100 };

struct host;

/* A channel that the test holds in its own hands. */
struct guest {
	struct channel channel;
	struct host *host;
	struct slice says;	/* one frame, when it has heard the first one */
	struct slice says_then;	/* and one for the second */
	int ready, frames, end;
	struct errmsg why;
};

struct host {
	struct loop loop;
	struct tls_identity identity;
	struct tls_anchor anchor;
	struct channel_config config;
	struct peers peers;
	struct peers_handler handler;
	struct port cluster;
	struct port_handler port_handler;
	struct buf story;
	struct guest guests[GUESTS];
	char address[32];
	uint16_t port;
};

/* One of the loopback's addresses for each process, as tests may run side by side. */
static uint32_t own_address(void)
{
	return 0x7f000001 | ((uint32_t)getpid() & 0xffff) << 8;
}

static void on_up(void *context, uint64_t id, const char *name)
{
	(void)name;
	buf_printf(&((struct host *)context)->story, "+%u ", (unsigned)id);
}

static void on_down(void *context, uint64_t id)
{
	buf_printf(&((struct host *)context)->story, "-%u ", (unsigned)id);
}

static void on_message(void *context, uint64_t id, struct slice body)
{
	buf_printf(&((struct host *)context)->story, "%u:%zu ", (unsigned)id, body.len);
}

static void on_hello(void *context, struct hello *hello)
{
	peers_hello(&((struct host *)context)->peers, hello);
}

static int on_manager(void *context, struct channel *c, const struct hello *hello)
{
	return peers_take(&((struct host *)context)->peers, c, hello);
}

static struct host *host_open(void)
{
	static uint16_t port = 31000;
	struct host *h = mem_new(sizeof(*h));
	char host[16];
	int fd = -1;

	if (loop_init(&h->loop, NULL) < 0 ||
	    tls_anchor_init(&h->anchor, devcert_authority(), NULL) < 0)
		abort();
	devcert_identity(&h->identity);
	h->config = (struct channel_config){ .identity = &h->identity, .anchors = &h->anchor,
					       .anchor_count = 1 };
	h->handler = (struct peers_handler){ .context = h, .up = on_up, .down = on_down,
					     .message = on_message };
	buf_init(&h->story, 1 << 16);
	peers_init(&h->peers, &h->loop, &h->handler, &h->config, NULL, OWN_ID);
	h->port_handler = (struct port_handler){ .context = h, .hello = on_hello,
						 .manager = on_manager };
	port_init(&h->cluster, &h->loop, &h->port_handler, &h->config, NULL);
	while (fd < 0 && port < 32700)
		fd = sock_listen_tcp(own_address(), ++port, NULL);
	close(fd);
	h->port = port;
	ipv4_format(own_address(), host);
	snprintf(h->address, sizeof(h->address), "%s:%u", host, port);
	return h;
}

static void host_close(struct host *h)
{
	for (int i = 0; i < GUESTS; i++)
		if (h->guests[i].host && !h->guests[i].end)
			channel_close(&h->guests[i].channel);
	port_done(&h->cluster);
	peers_done(&h->peers);
	loop_done(&h->loop);
	buf_done(&h->story);
	mem_free(h);
}

static void guest_ready(struct channel *c)
{
	((struct guest *)c->context)->ready++;
}

static int guest_frame(struct channel *c, struct slice body)
{
	struct guest *g = c->context;

	(void)body;
	g->frames++;
	if (g->frames == 1 && g->says.data)
		channel_send(c, g->says);
	if (g->frames == 2 && g->says_then.data)
		channel_send(c, g->says_then);
	return 0;
}

static void guest_ended(struct channel *c, int err, const struct errmsg *why)
{
	struct guest *g = c->context;

	g->end = err;
	g->why = *why;
}

static struct guest *guest_new(struct host *h, int i, const void *says, size_t n)
{
	struct guest *g = &h->guests[i];

	g->host = h;
	g->says = (struct slice){ says, n };
	g->channel.context = g;
	g->channel.ready = guest_ready;
	g->channel.frame = guest_frame;
	g->channel.ended = guest_ended;
	channel_init(&g->channel, &h->loop, &h->config, GREETING_MAX);
	return g;
}

#define WAIT(h, condition)                                                                 \
	for (uint64_t end_ms = clock_now_ms() + WAIT_MS;                                   \
	     !(condition) && clock_now_ms() < end_ms;) {                                   \
		peers_flush(&(h)->peers);                                                  \
		loop_turn(&(h)->loop, 20, NULL);                                           \
	}

static void hello_of(uint8_t bytes[HELLO_LEN], uint64_t id)
{
	struct hello hello = { .id = id, .boot = 1, .turn = 1 };

	hello_build(bytes, &hello);
}

TEST(a_guest_with_a_good_hello_is_welcome_and_any_other_is_not)
{
	uint8_t good[HELLO_LEN], version[HELLO_LEN], self[HELLO_LEN];
	uint8_t large[GREETING_MAX + 1] = "SWBX";
	const struct slice hellos[] = {
		{ (char *)version, HELLO_LEN }, { (char *)self, HELLO_LEN },
		{ (char *)good, HELLO_LEN - 1 }, { "GET /", 5 }, { "", 0 },
		{ (char *)large, sizeof(large) }, { (char *)good, HELLO_LEN },
	};
	struct host *h = host_open();

	hello_of(good, 7);
	hello_of(version, 7);
	hello_of(self, OWN_ID);
	version[4] = HELLO_VERSION + 1;
	CHECK_INT(port_listen(&h->cluster, slice_of(h->address), NULL), 0);
	for (int i = 0; i < 7; i++) {
		struct guest *g = guest_new(h, i, hellos[i].data, hellos[i].len);

		channel_dial(&g->channel, own_address(), h->port);
		WAIT(h, g->end || g->frames == 2);
		CHECK_INT(g->ready, 1);
		CHECK_STR(i < 6 ? "" : "+7 ", buf_str(&h->story));
		CHECK_INT(g->end, i < 6 ? ERR_UNAVAILABLE : 0);
		CHECK_INT(g->frames, i < 6 ? 1 : 2);
		CHECK_INT(h->cluster.stranger_count, 0);
		CHECK_INT(h->peers.peer_count, i == 6);
	}
	CHECK_STR(channel_peer_name(&h->guests[6].channel), "development node");
	host_close(h);
}

TEST(a_message_over_the_maximum_ends_the_connection)
{
	struct host *h = host_open();
	struct slice large = { mem_new(PEERS_MESSAGE_MAX + 1), PEERS_MESSAGE_MAX };
	uint8_t hello[HELLO_LEN];
	struct guest *g;

	hello_of(hello, 7);
	CHECK_INT(port_listen(&h->cluster, slice_of(h->address), NULL), 0);
	g = guest_new(h, 0, hello, HELLO_LEN);
	channel_dial(&g->channel, own_address(), h->port);
	WAIT(h, g->frames == 2);
	channel_send(&g->channel, large);
	large.len++;
	channel_send(&g->channel, large);
	channel_flush(&g->channel);
	WAIT(h, g->end);
	CHECK_STR(buf_str(&h->story), "+7 7:8388608 -7 ");
	mem_free((char *)(uintptr_t)large.data);
	host_close(h);
}

TEST(one_that_changes_its_id_is_refused)
{
	struct host *h = host_open();
	struct peers_member m = { 7, slice_of(h->address) };
	int listener = sock_listen_tcp(own_address(), h->port, NULL);
	uint8_t first[HELLO_LEN], second[HELLO_LEN];
	struct guest *g = guest_new(h, 0, NULL, 0);
	int fd = ERR_MORE;

	hello_of(first, 7);
	hello_of(second, 8);
	peers_set(&h->peers, &m, 1);
	WAIT(h, (fd = sock_accept(listener)) >= 0);
	CHECK(fd >= 0);
	channel_take(&g->channel, fd);
	WAIT(h, g->ready);
	channel_send(&g->channel, (struct slice){ (char *)first, HELLO_LEN });
	channel_flush(&g->channel);
	g->says = (struct slice){ (char *)second, HELLO_LEN };
	WAIT(h, g->end);
	CHECK_INT(g->frames, 1);
	CHECK_INT(g->end, ERR_UNAVAILABLE);
	CHECK(!peers_is_up(&h->peers, 7) && !peers_is_up(&h->peers, 8));
	close(listener);
	host_close(h);
}

/* Both ends have dialed, and both have said hello on the link they dialed. */
static void cross(uint64_t id, int host_stays)
{
	struct host *h = host_open();
	struct peers_member m = { id, slice_of(h->address) };
	int fd = ERR_MORE, listener = sock_listen_tcp(own_address(), h->port, NULL);
	struct guest *taken = guest_new(h, 0, NULL, 0), *dials = guest_new(h, 1, NULL, 0);
	uint8_t hello[HELLO_LEN];

	hello_of(hello, id);
	dials->says = (struct slice){ (char *)hello, HELLO_LEN };
	peers_set(&h->peers, &m, 1);
	WAIT(h, (fd = sock_accept(listener)) >= 0);
	CHECK(fd >= 0);
	channel_take(&taken->channel, fd);
	WAIT(h, taken->ready);
	channel_send(&taken->channel, (struct slice){ (char *)hello, HELLO_LEN });
	channel_flush(&taken->channel);
	WAIT(h, taken->frames == 1);
	CHECK_INT(taken->frames, 1);
	close(listener);
	/* Now the host waits for the answer to its offer. */
	CHECK_INT(port_listen(&h->cluster, slice_of(h->address), NULL), 0);
	channel_dial(&dials->channel, own_address(), h->port);
	WAIT(h, dials->end || taken->end);
	CHECK_INT(dials->end, host_stays ? ERR_UNAVAILABLE : 0);
	CHECK_INT(taken->end, host_stays ? 0 : ERR_UNAVAILABLE);
	if (host_stays) {
		CHECK_STR(buf_str(&h->story), "");
		channel_send(&taken->channel, (struct slice){ (char *)hello, HELLO_LEN });
		channel_flush(&taken->channel);
	}
	WAIT(h, h->story.len);
	CHECK_INT(h->story.len, id < 10 ? 3 : 5);
	CHECK(h->story.data[0] == '+');
	host_close(h);
}

TEST(of_two_at_once_the_one_that_the_higher_id_dialed_stays)
{
	cross(OWN_ID - 93, 1);
	cross(OWN_ID + 1, 0);
}

TEST(what_is_not_tls_costs_no_engine)
{
	struct host *h = host_open();
	struct guest *g = guest_new(h, 0, NULL, 0);
	int listener = sock_listen_tcp(own_address(), h->port, NULL);
	int fd = ERR_MORE, other = sock_connect_tcp(own_address(), h->port, NULL);

	WAIT(h, (fd = sock_accept(listener)) >= 0);
	CHECK(fd >= 0);
	channel_take(&g->channel, fd);
	loop_turn(&h->loop, 0, NULL);
	CHECK(g->channel.stage == CHANNEL_SILENT && !g->channel.secret);
	CHECK_INT(write(other, "GET / HTTP/1.1\r\n", 16), 16);
	WAIT(h, g->end);
	CHECK_INT(g->end, ERR_CORRUPT);
	/* The engine would have said more. */
	CHECK_STR(g->why.text, "what comes is not TLS");
	close(other);
	close(listener);
	host_close(h);
}

TEST(waiting_has_an_end)
{
	struct host *h = host_open();
	int listener = sock_listen_tcp(own_address(), h->port, NULL);
	struct guest *dials = guest_new(h, 0, NULL, 0), *taken = guest_new(h, 1, NULL, 0);
	int fd;

	/* Nobody shakes hands: the limit is there, and its end is not waited for here. */
	channel_dial(&dials->channel, own_address(), h->port);
	CHECK(dials->channel.timer.deadline_ms <= loop_now_ms(&h->loop) + CHANNEL_CONNECT_MS);
	WAIT(h, dials->channel.stage == CHANNEL_SHAKING);
	CHECK(dials->channel.timer.place);
	CHECK(dials->channel.timer.deadline_ms <= loop_now_ms(&h->loop) + CHANNEL_SHAKE_MS);
	CHECK(dials->channel.timer.deadline_ms > loop_now_ms(&h->loop) + CHANNEL_CONNECT_MS);
	loop_timer_set(&h->loop, &dials->channel.timer, 1);
	WAIT(h, dials->end);
	CHECK_INT(dials->end, ERR_TIMEOUT);
	CHECK_STR(dials->why.text, "no handshake in time");
	fd = sock_accept(listener);
	CHECK(fd >= 0);
	channel_take(&taken->channel, fd);
	CHECK(taken->channel.timer.place);
	/* The one that dialed went after its first words. */
	WAIT(h, taken->end);
	CHECK_INT(taken->end, ERR_UNAVAILABLE);
	close(listener);
	host_close(h);
}

TEST(a_dial_that_is_refused_is_told_from_the_loop)
{
	struct host *h = host_open();
	struct guest *g = guest_new(h, 0, NULL, 0);

	channel_dial(&g->channel, own_address(), h->port);
	CHECK_INT(g->end, 0);
	WAIT(h, g->end);
	CHECK_INT(g->end, ERR_UNAVAILABLE);
	CHECK_STR(g->why.text, "connection refused");
	host_close(h);
}

TEST(the_tables_have_maxima)
{
	struct host *h = host_open();
	struct peers_member members[PEERS_SET_MAX + 1];
	uint8_t hellos[GUESTS][HELLO_LEN];
	char address[32];

	for (uint32_t i = 0; i < PEERS_SET_MAX + 1; i++)
		members[i] = (struct peers_member){ 1000 + i, SLICE("127.0.0.1:1") };
	peers_set(&h->peers, members, PEERS_SET_MAX + 1);
	CHECK_INT(h->peers.peer_count, PEERS_SET_MAX);
	peers_set(&h->peers, NULL, 0);
	CHECK_INT(h->peers.peer_count, 0);
	for (int i = 0; i < PEERS_DIALS_MAX + 4; i++) {
		snprintf(address, sizeof(address), "127.0.0.1:%d", 1 + i);
		peers_dial(&h->peers, slice_of(address));
	}
	CHECK_INT(h->peers.dial_count, PEERS_DIALS_MAX);
	WAIT(h, h->peers.dial_count == 0);
	CHECK_INT(h->peers.dial_count, 0);

	CHECK_INT(port_listen(&h->cluster, slice_of(h->address), NULL), 0);
	for (int i = 0; i < GUESTS; i++) {
		struct guest *g = guest_new(h, i, hellos[i], HELLO_LEN);

		hello_of(hellos[i], 1 + (uint64_t)i);
		channel_dial(&g->channel, own_address(), h->port);
		WAIT(h, g->end || g->frames == 2);
	}
	CHECK_INT(h->peers.peer_count, PEERS_MAX);
	CHECK_INT(h->guests[PEERS_MAX - 1].frames, 2);
	CHECK_INT(h->guests[PEERS_MAX].end, ERR_UNAVAILABLE);
	/* When one goes there is room again. */
	channel_close(&h->guests[0].channel);
	h->guests[0].end = 1;
	WAIT(h, h->peers.peer_count < PEERS_MAX);
	CHECK_INT(h->peers.peer_count, PEERS_MAX - 1);
	host_close(h);
}
