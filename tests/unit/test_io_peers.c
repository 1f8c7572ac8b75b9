/* Managers' connections over the loopback: several ends in one loop. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/mem.h"
#include "base/rng.h"
#include "codec/netmap.h"
#include "io/clock.h"
#include "io/peers.h"
#include "io/port.h"
#include "io/sock.h"
#include "devcert.h"
#include "other_cert.h"
#include "unit.h"

enum { NODES_MAX = 5, WAIT_MS = 8000 };

struct node {
	struct peers peers;
	struct peers_handler handler;
	struct port cluster;
	struct port_handler port_handler;
	struct channel_config config;
	struct buf story;	/* "+2 -2 ": up and down, by id */
	struct buf heard;	/* bodies, each with '|' after it; of long ones the length */
	uint64_t heard_bytes, heard_count;
	int is_up[NODES_MAX + 1];	/* by id, as told */
	int wrong;			/* up twice, or a message from one who is not */
	char address[32];
	uint16_t port;
};

/* What all tests share. */
struct world {
	struct loop loop;
	struct tls_identity identity, other;
	struct tls_anchor anchor, other_anchor;
	struct channel_config config;
	struct node nodes[NODES_MAX];
	uint32_t count;
};

/* One of the loopback's addresses for each process, as tests may run side by side. */
static uint32_t own_address(void)
{
	return 0x7f000001 | ((uint32_t)getpid() & 0xffff) << 8;
}

static void on_up(void *context, uint64_t id, const char *name)
{
	struct node *n = context;

	(void)name;
	buf_printf(&n->story, "+%u ", (unsigned)id);
	if (id > NODES_MAX)
		return;
	n->wrong |= n->is_up[id];
	n->is_up[id] = 1;
}

static void on_down(void *context, uint64_t id)
{
	struct node *n = context;

	buf_printf(&n->story, "-%u ", (unsigned)id);
	if (id > NODES_MAX)
		return;
	n->is_up[id] = 0;
}

static void on_message(void *context, uint64_t id, struct slice body)
{
	struct node *n = context;

	n->heard_count++;
	n->heard_bytes += body.len;
	n->wrong |= id <= NODES_MAX && !n->is_up[id];
	if (n->heard_count > 100)
		return;
	if (body.len < 100)
		buf_printf(&n->heard, "%u:%.*s|", (unsigned)id, SLICE_ARGS(body));
	else
		buf_printf(&n->heard, "%u:%zu|", (unsigned)id, body.len);
}

static void on_hello(void *context, struct hello *h)
{
	peers_hello(&((struct node *)context)->peers, h);
}

static int on_manager(void *context, struct channel *c, const struct hello *h)
{
	return peers_take(&((struct node *)context)->peers, c, h);
}

static void node_start_as(struct world *w, uint32_t i, uint64_t id)
{
	struct node *n = &w->nodes[i];

	n->handler = (struct peers_handler){ .context = n, .up = on_up, .down = on_down,
					     .message = on_message };
	n->port_handler = (struct port_handler){ .context = n, .hello = on_hello,
						 .manager = on_manager };
	n->config = w->config;
	peers_init(&n->peers, &w->loop, &n->handler, &n->config, NULL, id);
	port_init(&n->cluster, &w->loop, &n->port_handler, &n->config, NULL);
}

static void node_start(struct world *w, uint32_t i)
{
	node_start_as(w, i, i + 1);
}

static void node_end(struct node *n)
{
	port_done(&n->cluster);
	peers_done(&n->peers);
}

static void node_listen(struct world *w, uint32_t i)
{
	struct node *n = &w->nodes[i];
	struct errmsg msg = { { 0 } };

	if (port_listen(&n->cluster, slice_of(n->address), &msg) < 0) {
		fprintf(stderr, "%s\n", msg.text);
		abort();
	}
}

/* count nodes with ids 1 and on, each with a port of its own, listening. */
static struct world *world_open(uint32_t count)
{
	static uint16_t port = 20000;
	struct world *w = mem_new(sizeof(*w));
	struct slice root = { (const char *)other_root, sizeof(other_root) };

	if (loop_init(&w->loop, NULL) < 0 ||
	    tls_anchor_init(&w->anchor, devcert_authority(), NULL) < 0 ||
	    tls_anchor_init(&w->other_anchor, root, NULL) < 0)
		abort();
	devcert_identity(&w->identity);
	w->other.chain[0] = (struct slice){ (const char *)other_node, sizeof(other_node) };
	w->other.chain_count = 1;
	memcpy(w->other.key, other_key, sizeof(other_key));
	w->config = (struct channel_config){ .identity = &w->identity, .anchors = &w->anchor,
					       .anchor_count = 1 };
	w->count = count;
	for (uint32_t i = 0; i < count; i++) {
		struct node *n = &w->nodes[i];
		char host[16];
		int fd;

		do
			fd = sock_listen_tcp(own_address(), ++port, NULL);
		while (fd < 0 && port < 30000);
		close(fd);
		n->port = port;
		ipv4_format(own_address(), host);
		snprintf(n->address, sizeof(n->address), "%s:%u", host, port);
		buf_init(&n->story, 1 << 20);
		buf_init(&n->heard, 1 << 20);
		node_start(w, i);
		node_listen(w, i);
	}
	return w;
}

static void world_close(struct world *w)
{
	for (uint32_t i = 0; i < w->count; i++) {
		node_end(&w->nodes[i]);
		buf_done(&w->nodes[i].story);
		buf_done(&w->nodes[i].heard);
	}
	loop_done(&w->loop);
	mem_free(w);
}

/* Node i's set: every other one. */
static void set_all(struct world *w, uint32_t i)
{
	struct peers_member members[NODES_MAX];

	for (uint32_t j = 0; j < w->count; j++)
		members[j] = (struct peers_member){ j + 1, slice_of(w->nodes[j].address) };
	peers_set(&w->nodes[i].peers, members, w->count);
}

static void turn(struct world *w)
{
	for (uint32_t i = 0; i < w->count; i++)
		peers_flush(&w->nodes[i].peers);
	loop_turn(&w->loop, 20, NULL);
}

static int is_up(struct world *w, uint32_t i, uint32_t j)
{
	return peers_is_up(&w->nodes[i].peers, j + 1);
}

static int all_up(struct world *w)
{
	for (uint32_t i = 0; i < w->count; i++)
		for (uint32_t j = 0; j < w->count; j++)
			if (i != j && !is_up(w, i, j))
				return 0;
	return 1;
}

/* Turns until the condition holds; a test that waits in vain fails by the check that follows. */
#define WAIT(w, condition)                                                                 \
	for (uint64_t end_ms = clock_now_ms() + WAIT_MS;                                   \
	     !(condition) && clock_now_ms() < end_ms;)                                     \
		turn(w)

static void turns(struct world *w, uint64_t for_ms)
{
	uint64_t end_ms = clock_now_ms() + for_ms;

	while (clock_now_ms() < end_ms)
		turn(w);
}

/* A socket of the test's own to node i. */
static int stranger(struct world *w, uint32_t i)
{
	int fd = sock_connect_tcp(own_address(), w->nodes[i].port, NULL);
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

TEST(all_managers_find_each_other_once)
{
	struct world *w = world_open(5);

	for (uint32_t i = 0; i < 5; i++)
		set_all(w, i);
	WAIT(w, all_up(w));
	CHECK(all_up(w));
	turns(w, 100);
	for (uint32_t i = 0; i < 5; i++) {
		/* Each came up once and none went: nobody saw two connections. */
		CHECK_INT(w->nodes[i].story.len, 4 * 3);
		CHECK(!memchr(w->nodes[i].story.data, '-', w->nodes[i].story.len));
		CHECK_INT(w->nodes[i].peers.peer_count, 4);
		CHECK_INT(w->nodes[i].cluster.stranger_count, 0);
	}
	world_close(w);
}

TEST(a_dial_from_both_ends_makes_one_connection)
{
	/* Both begin in the same turn; more than one outcome is possible, one is right. */
	for (int round = 0; round < 20; round++) {
		struct world *w = world_open(2);

		set_all(w, 0);
		set_all(w, 1);
		WAIT(w, all_up(w));
		turns(w, 5);
		CHECK(all_up(w));
		CHECK_STR(buf_str(&w->nodes[0].story), "+2 ");
		CHECK_STR(buf_str(&w->nodes[1].story), "+1 ");
		CHECK(w->nodes[0].peers.links == w->nodes[0].peers.last_link);
		CHECK(w->nodes[1].peers.links == w->nodes[1].peers.last_link);
		world_close(w);
	}
}

TEST(messages_arrive_in_order_both_ways)
{
	struct world *w = world_open(2);

	peers_send(&w->nodes[0].peers, 2, SLICE("nobody hears this"));
	set_all(w, 0);
	WAIT(w, all_up(w));
	peers_send(&w->nodes[0].peers, 2, SLICE("one"));
	peers_send(&w->nodes[0].peers, 2, SLICE("two"));
	peers_send(&w->nodes[1].peers, 1, SLICE("three"));
	peers_send(&w->nodes[1].peers, 1, (struct slice){ NULL, 0 });
	WAIT(w, w->nodes[1].heard_count == 2 && w->nodes[0].heard_count == 2);
	CHECK_STR(buf_str(&w->nodes[1].heard), "1:one|1:two|");
	CHECK_STR(buf_str(&w->nodes[0].heard), "2:three|2:|");
	world_close(w);
}

TEST(one_that_ends_is_known_at_once_and_back_soon)
{
	struct world *w = world_open(2);
	uint64_t since_ms;

	set_all(w, 0);
	WAIT(w, all_up(w));
	CHECK_STR(buf_str(&w->nodes[0].story), "+2 ");
	node_end(&w->nodes[1]);
	since_ms = clock_now_ms();
	WAIT(w, !is_up(w, 0, 1));
	CHECK_STR(buf_str(&w->nodes[0].story), "+2 -2 ");
	CHECK(clock_now_ms() - since_ms < 1000);
	/* Refused meanwhile: told once. */
	turns(w, 200);
	CHECK_STR(buf_str(&w->nodes[0].story), "+2 -2 ");
	node_start(w, 1);
	node_listen(w, 1);
	WAIT(w, all_up(w));
	CHECK_STR(buf_str(&w->nodes[0].story), "+2 -2 +2 ");
	world_close(w);
}

TEST(nobody_listening_is_told_once)
{
	struct world *w = world_open(2);

	node_end(&w->nodes[1]);
	set_all(w, 0);
	WAIT(w, w->nodes[0].story.len);
	turns(w, 150);
	CHECK_STR(buf_str(&w->nodes[0].story), "-2 ");
	node_start(w, 1);
	world_close(w);
}

TEST(who_is_dialed_without_an_id_is_known_by_its_hello)
{
	struct world *w = world_open(2);

	peers_dial(&w->nodes[1].peers, slice_of(w->nodes[0].address));
	peers_dial(&w->nodes[1].peers, slice_of(w->nodes[0].address));
	WAIT(w, all_up(w));
	CHECK_STR(buf_str(&w->nodes[0].story), "+2 ");
	CHECK_STR(buf_str(&w->nodes[1].story), "+1 ");
	CHECK_INT(w->nodes[1].peers.dial_count, 0);
	/* A second one is not wanted. */
	peers_dial(&w->nodes[1].peers, slice_of(w->nodes[0].address));
	turns(w, 60);
	CHECK_STR(buf_str(&w->nodes[0].story), "+2 ");
	CHECK_STR(buf_str(&w->nodes[1].story), "+1 ");
	/* Neither is in the other's set: when it ends, it is forgotten. */
	node_end(&w->nodes[1]);
	WAIT(w, !is_up(w, 0, 1));
	turns(w, 60);
	CHECK_STR(buf_str(&w->nodes[0].story), "+2 -2 ");
	CHECK_INT(w->nodes[0].peers.peer_count, 0);
	node_start(w, 1);
	world_close(w);
}

TEST(a_connection_outlives_the_set_but_is_not_made_again)
{
	struct world *w = world_open(2);

	set_all(w, 0);
	WAIT(w, all_up(w));
	peers_set(&w->nodes[0].peers, NULL, 0);
	turns(w, 30);
	CHECK(all_up(w));
	node_end(&w->nodes[1]);
	node_start(w, 1);
	node_listen(w, 1);
	turns(w, 200);
	CHECK_STR(buf_str(&w->nodes[0].story), "+2 -2 ");
	CHECK_INT(w->nodes[0].peers.peer_count, 0);
	world_close(w);
}

TEST(oneself_and_another_than_expected_are_refused)
{
	struct world *w = world_open(2);
	struct peers_member wrong = { 9, slice_of(w->nodes[1].address) };

	peers_dial(&w->nodes[0].peers, slice_of(w->nodes[0].address));
	peers_set(&w->nodes[0].peers, &wrong, 1);
	WAIT(w, w->nodes[0].story.len);
	turns(w, 100);
	CHECK_STR(buf_str(&w->nodes[0].story), "-9 ");
	CHECK_STR(buf_str(&w->nodes[1].story), "");
	CHECK_INT(w->nodes[0].peers.dial_count, 0);
	world_close(w);
}

/* Node 0 still believes in a connection that the other end has lost without a word: nodes 2
 * (before) and 1 (after) are one manager. */
static void come_again(uint64_t id, int dials, int restarted)
{
	struct world *w = world_open(3);
	struct node *stays = &w->nodes[0], *before = &w->nodes[2], *after = &w->nodes[1];
	struct peers_member m = { id, slice_of(before->address) };
	char story[40];

	node_end(before);
	node_start_as(w, 2, id);
	node_listen(w, 2);
	node_end(stays);
	node_start_as(w, 0, 5);
	node_listen(w, 0);
	if (dials)
		peers_dial(&before->peers, slice_of(stays->address));
	else
		peers_set(&stays->peers, &m, 1);
	WAIT(w, stays->story.len && before->story.len);
	node_end(after);
	node_start_as(w, 1, id);
	if (!restarted) {
		after->peers.boot = before->peers.boot;
		after->peers.turn = before->peers.turn;
	}
	peers_dial(&after->peers, slice_of(stays->address));
	WAIT(w, after->story.len);
	turns(w, 30);
	snprintf(story, sizeof(story), "+%u -%u +%u ", (unsigned)id, (unsigned)id, (unsigned)id);
	CHECK_STR(buf_str(&stays->story), story);
	CHECK_STR(buf_str(&after->story), "+5 ");
	CHECK_STR(buf_str(&before->story), "+5 -5 ");
	peers_send(&stays->peers, id, SLICE("hello again"));
	WAIT(w, after->heard_count);
	CHECK_STR(buf_str(&after->heard), "5:hello again|");
	world_close(w);
}

TEST(a_dead_connection_does_not_keep_a_live_one_out)
{
	for (int i = 0; i < 8; i++)
		come_again(i & 1 ? 2 : 8, i & 2, i & 4);
}

/* A hello from before the connection that is up, late on its way. */
TEST(a_late_hello_does_not_end_the_connection)
{
	struct world *w = world_open(3);
	struct node *late = &w->nodes[2];
	struct peers_member m = { 2, slice_of(w->nodes[1].address) };

	peers_set(&w->nodes[0].peers, &m, 1);
	WAIT(w, is_up(w, 0, 1));
	node_end(late);
	node_start_as(w, 2, 2);
	late->peers.boot = w->nodes[1].peers.boot;
	late->peers.turn = 0;
	peers_dial(&late->peers, slice_of(w->nodes[0].address));
	WAIT(w, !late->peers.links);
	CHECK_STR(buf_str(&late->story), "");
	CHECK_STR(buf_str(&w->nodes[0].story), "+2 ");
	world_close(w);
}

/* One of: a new process, another set, a dial, messages. */
static void disturb(struct world *w, struct rng *rng, struct slice text)
{
	uint32_t i = (uint32_t)rng_below(rng, w->count), j = (uint32_t)rng_below(rng, w->count);
	struct node *n = &w->nodes[i];

	switch (rng_below(rng, 6)) {
	case 0:
		node_end(n);
		memset(n->is_up, 0, sizeof(n->is_up));
		node_start(w, i);
		node_listen(w, i);
		break;
	case 1:
		peers_set(&n->peers, NULL, 0);
		break;
	case 2:
		set_all(w, i);
		break;
	case 3:
		peers_dial(&n->peers, slice_of(w->nodes[j].address));
		break;
	default:
		text.len = (size_t)rng_below(rng, text.len);
		peers_send(&n->peers, j + 1, text);
	}
}

TEST(whatever_happens_all_find_each_other_in_the_end)
{
	struct world *w = world_open(4);
	struct slice text = { mem_new(1 << 20), 1 << 20 };
	struct rng rng;

	rng_init(&rng, 7);
	for (int i = 0; i < 600; i++) {
		disturb(w, &rng, text);
		if (rng_chance(&rng, 2, 3)) {
			peers_flush(&w->nodes[i % 4].peers);
			loop_turn(&w->loop, (int)rng_below(&rng, 3), NULL);
		}
	}
	for (uint32_t i = 0; i < 4; i++)
		set_all(w, i);
	WAIT(w, all_up(w));
	turns(w, 150);
	CHECK(all_up(w));
	for (uint32_t i = 0; i < 4; i++) {
		CHECK_INT(w->nodes[i].wrong, 0);
		CHECK_INT(w->nodes[i].peers.peer_count, 3);
		CHECK_INT(w->nodes[i].cluster.stranger_count, 0);
		CHECK_INT(w->nodes[i].peers.dial_count, 0);
		for (uint32_t j = 0; j < 4; j++) {
			w->nodes[i].heard_count = 0;
			CHECK_INT(w->nodes[i].is_up[j + 1], i != j);
			peers_send(&w->nodes[i].peers, j + 1, SLICE("still there?"));
		}
	}
	WAIT(w, w->nodes[0].heard_count >= 3 && w->nodes[3].heard_count >= 3);
	CHECK_INT(w->nodes[0].heard_count, 3);
	CHECK_INT(w->nodes[3].heard_count, 3);
	mem_free((char *)(uintptr_t)text.data);
	world_close(w);
}

TEST(large_messages_and_many_arrive_whole)
{
	struct world *w = world_open(2);
	struct slice large = { mem_new(PEERS_MESSAGE_MAX), PEERS_MESSAGE_MAX };
	uint64_t sent = 0;

	set_all(w, 1);
	WAIT(w, all_up(w));
	peers_send(&w->nodes[0].peers, 2, large);
	peers_send(&w->nodes[0].peers, 2, SLICE("after"));
	WAIT(w, w->nodes[1].heard_count == 2);
	CHECK_STR(buf_str(&w->nodes[1].heard), "1:8388608|1:after|");
	while (sent < 20000) {
		for (int i = 0; i < 500; i++, sent++)
			peers_send(&w->nodes[1].peers, 1, (struct slice){ large.data, sent % 900 });
		turn(w);
	}
	WAIT(w, w->nodes[0].heard_count == sent);
	CHECK_INT(w->nodes[0].heard_count, sent);
	CHECK_INT(w->nodes[0].heard_bytes, 22 * (900 * 899 / 2) + 200 * 199 / 2);
	CHECK_STR(buf_str(&w->nodes[0].story), "+2 ");
	mem_free((char *)(uintptr_t)large.data);
	world_close(w);
}

TEST(one_that_takes_nothing_is_closed_when_too_much_waits)
{
	struct world *w = world_open(2);
	struct slice large = { mem_new(PEERS_MESSAGE_MAX), PEERS_MESSAGE_MAX };

	set_all(w, 1);
	WAIT(w, all_up(w));
	for (int i = 0; i < 5; i++)
		peers_send(&w->nodes[0].peers, 2, large);
	/* Not from inside peers_send. */
	CHECK_STR(buf_str(&w->nodes[0].story), "+2 ");
	WAIT(w, w->nodes[0].story.len > 3);
	CHECK(strncmp(buf_str(&w->nodes[0].story), "+2 -2 ", 6) == 0);
	WAIT(w, all_up(w));
	CHECK(all_up(w));
	mem_free((char *)(uintptr_t)large.data);
	world_close(w);
}

TEST(what_does_not_speak_tls_is_closed_at_once)
{
	struct world *w = world_open(1);
	int http = stranger(w, 0), silent = stranger(w, 0), gone = stranger(w, 0);

	CHECK_INT(send(http, "GET / HTTP/1.1\r\n\r\n", 18, MSG_NOSIGNAL), 18);
	close(gone);
	WAIT(w, is_closed(http));
	CHECK(is_closed(http));
	CHECK(!is_closed(silent));
	CHECK_INT(w->nodes[0].cluster.stranger_count, 1);
	close(http);
	close(silent);
	world_close(w);
}

TEST(strangers_cannot_keep_managers_out)
{
	struct world *w = world_open(2);
	int fds[PORT_STRANGERS_MAX + 20];
	const int count = PORT_STRANGERS_MAX + 20;

	for (int i = 0; i < count; i++)
		fds[i] = stranger(w, 0);
	set_all(w, 1);
	WAIT(w, all_up(w));
	CHECK(all_up(w));
	CHECK(w->nodes[0].cluster.stranger_count <= PORT_STRANGERS_MAX);
	CHECK(is_closed(fds[0]) && is_closed(fds[19]));
	CHECK(!is_closed(fds[count - 1]));
	for (int i = 0; i < count; i++)
		close(fds[i]);
	world_close(w);
}

TEST(a_wrong_certificate_gets_no_connection)
{
	struct world *w = world_open(2);

	/* It trusts us, we do not trust it. */
	w->nodes[1].config.identity = &w->other;
	set_all(w, 0);
	set_all(w, 1);
	WAIT(w, w->nodes[0].story.len && w->nodes[1].story.len);
	turns(w, 200);
	CHECK_STR(buf_str(&w->nodes[0].story), "-2 ");
	CHECK_STR(buf_str(&w->nodes[1].story), "-1 ");
	/* We trust each other's certificate no more than that. */
	w->nodes[1].config.identity = &w->identity;
	w->nodes[1].config.anchors = &w->other_anchor;
	turns(w, 200);
	CHECK_STR(buf_str(&w->nodes[0].story), "-2 ");
	w->nodes[1].config.anchors = &w->anchor;
	WAIT(w, all_up(w));
	CHECK(all_up(w));
	world_close(w);
}

TEST(addresses_have_one_form)
{
	static const char *const wrong[] = {
		"", ":", "1.2.3.4", "1.2.3.4:", "1.2.3.4:0", "1.2.3.4:65536", "host:2377",
		"1.2.3:1",
	};
	struct world *w = world_open(1);
	struct errmsg msg;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct peers_member m = { 5, slice_of(wrong[i]) };

		CHECK_INT(port_listen(&w->nodes[0].cluster, slice_of(wrong[i]), &msg), ERR_INVALID);
		peers_dial(&w->nodes[0].peers, slice_of(wrong[i]));
		peers_set(&w->nodes[0].peers, &m, 1);
	}
	CHECK(strstr(msg.text, "the form is ADDRESS:PORT"));
	CHECK_INT(w->nodes[0].peers.peer_count, 0);
	CHECK(!w->nodes[0].peers.links);
	CHECK_INT(port_listen(&w->nodes[0].cluster, slice_of(w->nodes[0].address), &msg),
		  ERR_IN_USE);
	world_close(w);
}
