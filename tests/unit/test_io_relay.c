/* Relays between socket pairs: every byte arrives once and in order, ends and resets pass. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/rng.h"
#include "io/loop.h"
#include "io/relay.h"
#include "io/sock.h"
#include "unit.h"

/* client - [a] relay [b] - server. The two outer ends are driven by hand. */
struct bench {
	struct loop loop;
	struct relay_pool pool;
	struct relay relay;
	int outer[2];
	int done;
	int err;
};

static void relay_ended(struct relay *r, int err)
{
	struct bench *b = r->context;

	b->done++;
	b->err = err;
}

static void pair(int fds[2])
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0)
		abort();
}

/* The same over TCP on the loopback, where resets exist. */
static void tcp_pair(int fds[2])
{
	int listener = -1;
	uint16_t port = 20000;

	while (listener < 0 && port < 30000)
		listener = sock_listen_tcp(0x7f000001, ++port, NULL);
	fds[0] = sock_connect_tcp(0x7f000001, port, NULL);
	do
		fds[1] = sock_accept(listener);
	while (fds[1] == ERR_MORE);
	if (fds[0] < 0 || fds[1] < 0)
		abort();
	close(listener);
}

static void open_bench(struct bench *b, void (*make)(int fds[2]), int inner[2])
{
	int fds[2];

	memset(b, 0, sizeof(*b));
	if (loop_init(&b->loop, NULL) < 0)
		abort();
	relay_pool_init(&b->pool, &b->loop);
	for (int i = 0; i < 2; i++) {
		make(fds);
		b->outer[i] = fds[0];
		inner[i] = fds[1];
	}
	b->relay.done = relay_ended;
	b->relay.context = b;
	relay_init(&b->relay, &b->pool);
}

static void start(struct bench *b, void (*make)(int fds[2]))
{
	int inner[2];

	open_bench(b, make, inner);
	if (relay_start(&b->relay, inner[0], inner[1]) < 0)
		abort();
}

static void close_bench(struct bench *b)
{
	if (!b->done)
		relay_stop(&b->relay);
	relay_pool_done(&b->pool);
	loop_done(&b->loop);
	close(b->outer[0]);
	close(b->outer[1]);
}

static void turns(struct bench *b, int n)
{
	while (n-- > 0)
		loop_turn(&b->loop, 0, NULL);
}

/* One direction's traffic: byte i of the stream is a function of i. */
struct flow {
	uint64_t sent, got, total;
	int wrong;
	int shut, end;
};

static char byte_at(uint64_t i)
{
	return (char)((i * 2654435761u) >> 13);
}

static void write_some(int fd, struct flow *f, size_t most)
{
	static char data[1 << 18];
	size_t n = f->total - f->sent < most ? (size_t)(f->total - f->sent) : most;
	ssize_t r;

	if (f->sent == f->total) {
		if (!f->shut)
			shutdown(fd, SHUT_WR);
		f->shut = 1;
		return;
	}
	for (size_t i = 0; i < n; i++)
		data[i] = byte_at(f->sent + i);
	r = send(fd, data, n, MSG_NOSIGNAL);
	if (r > 0)
		f->sent += (uint64_t)r;
}

static void read_some(int fd, struct flow *f, size_t most)
{
	static char data[1 << 18];
	ssize_t n = recv(fd, data, most, 0);

	for (ssize_t i = 0; i < n; i++)
		f->wrong |= data[i] != byte_at(f->got + (uint64_t)i);
	if (n > 0)
		f->got += (uint64_t)n;
	f->end |= n == 0;
}

static size_t some(struct rng *r)
{
	switch (rng_below(r, 4)) {
	case 0:
		return 1 + rng_below(r, 10);
	case 1:
		return 1 + rng_below(r, 5000);
	case 2:
		return 1 + rng_below(r, 1 << 18);
	default:
		return 0;
	}
}

static void random_traffic(void (*make)(int fds[2]), uint64_t seed)
{
	struct bench b;
	struct flow up = { 0 }, down = { 0 };
	struct rng r;

	rng_init(&r, seed);
	up.total = rng_below(&r, rng_chance(&r, 1, 2) ? 3000000 : 3000);
	down.total = rng_below(&r, rng_chance(&r, 1, 2) ? 3000000 : 3000);
	start(&b, make);
	for (int i = 0; i < 1000000 && !(b.done && up.end && down.end); i++) {
		size_t n;

		if ((n = some(&r)) > 0)
			write_some(b.outer[0], &up, n);
		if ((n = some(&r)) > 0)
			read_some(b.outer[1], &up, n);
		if ((n = some(&r)) > 0)
			write_some(b.outer[1], &down, n);
		if ((n = some(&r)) > 0)
			read_some(b.outer[0], &down, n);
		turns(&b, (int)rng_below(&r, 3));
	}
	CHECK_INT(b.done, 1);
	CHECK_INT(b.err, 0);
	CHECK_INT(up.got, up.total);
	CHECK_INT(down.got, down.total);
	CHECK_INT(up.wrong + down.wrong, 0);
	CHECK_INT(b.relay.side[0].bytes, up.total);
	CHECK_INT(b.relay.side[1].bytes, down.total);
	close_bench(&b);
}

TEST(random_traffic_over_unix_sockets)
{
	for (uint64_t seed = 1; seed <= 40 && !unit_failed(); seed++)
		random_traffic(pair, seed);
}

TEST(random_traffic_over_tcp)
{
	for (uint64_t seed = 1; seed <= 40 && !unit_failed(); seed++)
		random_traffic(tcp_pair, seed);
}

TEST(a_hundred_megabytes)
{
	struct bench b;
	struct flow f = { .total = 100 << 20 };

	start(&b, tcp_pair);
	while (!f.end && !f.wrong) {
		write_some(b.outer[0], &f, 1 << 18);
		turns(&b, 1);
		read_some(b.outer[1], &f, 1 << 18);
	}
	CHECK_INT(f.got, f.total);
	CHECK_INT(f.wrong, 0);
	CHECK(b.pool.pipe_count > 0);
	CHECK_INT(b.done, 0);
	close_bench(&b);
}

TEST(a_half_close_leaves_the_other_way_open)
{
	struct bench b;
	char data[16];

	start(&b, tcp_pair);
	CHECK_INT(send(b.outer[0], "ask", 3, 0), 3);
	shutdown(b.outer[0], SHUT_WR);
	turns(&b, 3);
	CHECK_INT(recv(b.outer[1], data, sizeof(data), 0), 3);
	CHECK_INT(recv(b.outer[1], data, sizeof(data), 0), 0);
	CHECK_INT(recv(b.outer[0], data, sizeof(data), 0), -1);
	CHECK_INT(send(b.outer[1], "answer", 6, 0), 6);
	turns(&b, 3);
	CHECK_INT(recv(b.outer[0], data, sizeof(data), 0), 6);
	CHECK_INT(b.done, 0);
	shutdown(b.outer[1], SHUT_WR);
	turns(&b, 3);
	CHECK_INT(recv(b.outer[0], data, sizeof(data), 0), 0);
	CHECK_INT(b.done, 1);
	CHECK_INT(b.err, 0);
	close_bench(&b);
}

TEST(bytes_given_before_go_first)
{
	struct bench b;
	char data[16];
	int inner[2];

	open_bench(&b, pair, inner);
	CHECK_INT(relay_give(&b.relay, 0, SLICE("GET ")), 0);
	CHECK_INT(relay_start(&b.relay, inner[0], inner[1]), 0);
	CHECK_INT(send(b.outer[0], "/ ", 2, 0), 2);
	turns(&b, 3);
	CHECK_INT(recv(b.outer[1], data, sizeof(data), 0), 6);
	CHECK_MEM(data, 6, "GET / ");
	close_bench(&b);
}

TEST(a_reset_resets_the_other_side)
{
	struct bench b;
	char data[16];

	start(&b, tcp_pair);
	CHECK_INT(send(b.outer[0], "ask", 3, 0), 3);
	turns(&b, 3);
	CHECK_INT(recv(b.outer[1], data, sizeof(data), 0), 3);
	sock_reset_on_close(b.outer[1]);
	close(b.outer[1]);
	b.outer[1] = -1;
	turns(&b, 3);
	CHECK_INT(b.done, 1);
	CHECK_INT(b.err, ERR_IO);
	CHECK_INT(recv(b.outer[0], data, sizeof(data), 0), -1);
	CHECK_INT(errno, ECONNRESET);
	close_bench(&b);
}

/* An early answer to a long upload: the server closes with the upload unread. */
TEST(an_answer_before_a_reset_arrives)
{
	struct bench b;
	struct flow f = { .total = 50 << 20 };
	char data[16] = { 0 };

	start(&b, tcp_pair);
	for (int i = 0; i < 400; i++) {
		write_some(b.outer[0], &f, 1 << 16);
		turns(&b, 1);
	}
	CHECK(b.relay.side[0].held || b.relay.side[0].piped);
	CHECK_INT(send(b.outer[1], "413", 3, 0), 3);
	close(b.outer[1]);
	b.outer[1] = -1;
	turns(&b, 5);
	CHECK_INT(b.done, 1);
	CHECK_INT(recv(b.outer[0], data, sizeof(data), 0), 3);
	CHECK_STR(data, "413");
	close_bench(&b);
}

/* What a peer does not read stops the reading, and stays within the bound. */
TEST(a_slow_side_costs_bounded_memory)
{
	struct bench b;
	struct flow f = { .total = 1 << 30 };

	start(&b, pair);
	for (int i = 0; i < 2000; i++) {
		write_some(b.outer[0], &f, 1 << 18);
		turns(&b, 1);
	}
	CHECK(f.sent < 4 << 20);
	CHECK(b.relay.side[0].held_len + b.relay.side[0].piped <= RELAY_BUFFER);
	close_bench(&b);
}
