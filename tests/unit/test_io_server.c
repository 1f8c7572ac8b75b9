/* tidy: file-length: every test needs the same bench. */
/* The HTTP server on its socket: requests, replies, clients that misbehave, pass-through. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <unistd.h>

#include "base/mem.h"
#include "io/clock.h"
#include "io/server.h"
#include "io/sock.h"
#include "scratch.h"
#include "unit.h"

enum { HEARD_MAX = 8 << 20, TURNS = 12 };

struct bench {
	struct loop loop;
	struct server server;
	struct server_handler handler;
	char folder[SCRATCH_PATH], path[SCRATCH_PATH], engine_path[SCRATCH_PATH];
	int engine;		/* listener of the fake one */
	const char *answer;	/* NULL: the test answers */
	size_t answer_len;
	char asked[4096];	/* "METHOD target body;" of each request */
	int requests, gone;
	uint64_t id, gone_id;	/* the last ones */
	uint64_t also;		/* to be answered inside the next request; 0 = none */
};

static int serves(struct slice method, struct slice target)
{
	(void)method;
	return !slice_has_prefix(target, "/engine");
}

static void reply(struct bench *b, uint64_t id, const char *text, int more)
{
	struct http_reply r = { .status = 200, .content_type = SLICE("text/plain"),
				.body = slice_of(text), .more = more };

	server_reply(&b->server, id, &r);
}

static void on_request(void *context, uint64_t id, const struct http_head *head, struct slice body)
{
	struct bench *b = context;
	struct http_reply r = { .status = 200 };
	size_t n = strlen(b->asked);
	uint64_t also = b->also;

	snprintf(b->asked + n, sizeof(b->asked) - n, "%.*s %.*s %.*s;", SLICE_ARGS(head->method),
		 SLICE_ARGS(head->target), SLICE_ARGS(body));
	b->requests++;
	b->id = id;
	b->also = 0;
	if (also)
		reply(b, also, "late", 0);
	if (!b->answer)
		return;
	r.body = (struct slice){ b->answer, b->answer_len };
	server_reply(&b->server, id, &r);
}

static void on_gone(void *context, uint64_t id)
{
	struct bench *b = context;

	b->gone++;
	b->gone_id = id;
	reply(b, id, "nobody hears this", 0);
}

static void open_bench(struct bench *b)
{
	memset(b, 0, sizeof(*b));
	scratch_make(b->folder);
	snprintf(b->path, sizeof(b->path), "%s", scratch_file(b->folder, "api"));
	snprintf(b->engine_path, sizeof(b->engine_path), "%s", scratch_file(b->folder, "engine"));
	b->handler = (struct server_handler){ b, serves, on_request, on_gone };
	if (loop_init(&b->loop, NULL) < 0)
		abort();
	server_init(&b->server, &b->loop, &b->handler, SLICE("Api: 1\r\n"), b->engine_path);
	if (server_listen(&b->server, b->path, 0600, NULL) < 0)
		abort();
	b->engine = sock_listen_unix(b->engine_path, 0600, NULL);
	if (b->engine < 0)
		abort();
}

static void close_bench(struct bench *b)
{
	server_done(&b->server);
	loop_done(&b->loop);
	close(b->engine);
	scratch_remove(b->folder);
}

static void turns(struct bench *b)
{
	for (int i = 0; i < TURNS; i++)
		loop_turn(&b->loop, 0, NULL);
}

static void say(struct bench *b, int fd, const char *text)
{
	if (send(fd, text, strlen(text), MSG_NOSIGNAL) != (ssize_t)strlen(text))
		abort();
	turns(b);
}

static int client(struct bench *b, const char *text)
{
	int fd = sock_connect_unix(b->path, NULL);

	if (fd < 0)
		abort();
	turns(b);
	if (text)
		say(b, fd, text);
	return fd;
}

/* All that comes now, as text; valid until the next call. *end (may be NULL): the end came. */
static const char *hear(struct bench *b, int fd, int *end)
{
	static char heard[HEARD_MAX + 1];
	size_t n = 0;
	ssize_t got;

	if (end)
		*end = 0;
	for (int idle = 0; idle < 4; idle++) {
		while ((got = recv(fd, heard + n, HEARD_MAX - n, 0)) > 0) {
			n += (size_t)got;
			idle = 0;
			turns(b);
		}
		if (got == 0 && end)
			*end = 1;
		turns(b);
	}
	heard[n] = '\0';
	return heard;
}

static int count(const char *text, const char *word)
{
	int n = 0;

	for (; (text = strstr(text, word)) != NULL; text += strlen(word))
		n++;
	return n;
}

#define GET(target) "GET " target " HTTP/1.1\r\nHost: d\r\n\r\n"

TEST(a_request_waits_for_its_reply)
{
	struct bench b;
	int fd;

	open_bench(&b);
	fd = client(&b, GET("/a"));
	CHECK_STR(b.asked, "GET /a ;");
	CHECK_STR(hear(&b, fd, NULL), "");
	reply(&b, b.id, "hello", 0);
	CHECK_STR(hear(&b, fd, NULL), "HTTP/1.1 200 OK\r\nApi: 1\r\nContent-Type: text/plain\r\n"
		  "Content-Length: 5\r\n\r\nhello");
	reply(&b, b.id, "again", 0);
	CHECK_STR(hear(&b, fd, NULL), "");
	close(fd);
	turns(&b);
	CHECK_INT(b.gone, 0);
	CHECK_INT(b.server.count, 0);
	close_bench(&b);
}

TEST(a_request_may_come_byte_by_byte)
{
	static const char text[] =
		"POST /b HTTP/1.1\r\nHost: d\r\nContent-Length: 4\r\n\r\nbody"
		"POST /c HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\n"
		"3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n";
	char one[2] = "";
	struct bench b;
	int fd;

	open_bench(&b);
	b.answer = "x";
	b.answer_len = 1;
	fd = client(&b, NULL);
	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		one[0] = text[i];
		say(&b, fd, one);
	}
	CHECK_STR(b.asked, "POST /b body;POST /c abcd;");
	CHECK_INT(count(hear(&b, fd, NULL), "200 OK"), 2);
	close(fd);
	close_bench(&b);
}

TEST(pipelined_requests_are_handed_over_one_by_one)
{
	struct bench b;
	int fd;

	open_bench(&b);
	fd = client(&b, GET("/1") GET("/2") GET("/3"));
	CHECK_STR(b.asked, "GET /1 ;");
	reply(&b, b.id, "one", 0);
	CHECK_STR(b.asked, "GET /1 ;GET /2 ;");
	b.answer = "late";
	b.answer_len = 4;
	reply(&b, b.id, "two", 0);
	CHECK_STR(b.asked, "GET /1 ;GET /2 ;GET /3 ;");
	CHECK_INT(count(hear(&b, fd, NULL), "200 OK"), 3);
	CHECK_INT(b.server.requests.count, 0);
	close(fd);
	close_bench(&b);
}

TEST(a_server_that_stops_answers_what_was_sent_and_closes)
{
	struct bench b;
	int idle, waiting, sent, end;

	open_bench(&b);
	idle = client(&b, NULL);
	waiting = client(&b, GET("/1"));
	sent = client(&b, NULL);
	if (send(sent, GET("/2"), strlen(GET("/2")), 0) <= 0)
		abort();
	server_stop(&b.server);
	CHECK_INT(sock_connect_unix(b.path, NULL) < 0, 1);
	turns(&b);
	CHECK_INT(b.server.count, 3);
	CHECK_STR(b.asked, "GET /1 ;GET /2 ;");
	reply(&b, b.id, "two", 0);
	reply(&b, b.id - 1, "one", 0);
	CHECK_INT(count(hear(&b, waiting, &end), "Connection: close\r\n"), 1);
	CHECK_INT(end, 1);
	CHECK_INT(count(hear(&b, sent, &end), "\r\n\r\ntwo"), 1);
	CHECK_INT(end, 1);
	CHECK_INT(b.server.count, 1);	/* the idle one's request was on its way */
	if (send(idle, GET("/3"), strlen(GET("/3")), 0) <= 0)
		abort();
	(void)hear(&b, idle, &end);
	reply(&b, b.id, "three", 0);
	CHECK_INT(count(hear(&b, idle, &end), "Connection: close\r\n"), 1);
	CHECK_INT(end, 1);
	CHECK_INT(b.server.count, 0);
	CHECK_INT(b.gone, 0);
	close(idle);
	close(waiting);
	close(sent);
	close_bench(&b);
}

TEST(a_reply_may_go_to_another_while_a_request_is_handed_over)
{
	struct bench b;
	int one, two;

	open_bench(&b);
	one = client(&b, GET("/1") GET("/3"));
	b.also = b.id;
	two = client(&b, GET("/2"));
	CHECK_STR(b.asked, "GET /1 ;GET /2 ;GET /3 ;");
	CHECK_INT(count(hear(&b, one, NULL), "late"), 1);
	CHECK_STR(hear(&b, two, NULL), "");
	close(one);
	close(two);
	turns(&b);
	CHECK_INT(b.gone, 2);
	close_bench(&b);
}

/* A client that has nothing more to say still wants its answers. */
TEST(a_half_closed_client_is_answered)
{
	struct bench b;
	int fd, end;

	open_bench(&b);
	fd = client(&b, GET("/1"));
	say(&b, fd, GET("/2"));
	shutdown(fd, SHUT_WR);
	turns(&b);
	CHECK_INT(b.gone, 0);
	reply(&b, b.id, "one", 0);
	turns(&b);
	CHECK_STR(b.asked, "GET /1 ;GET /2 ;");
	CHECK_STR(strstr(hear(&b, fd, &end), "\r\n\r\n"), "\r\n\r\none");
	CHECK_INT(end, 0);
	reply(&b, b.id, "two", 0);
	CHECK_STR(strstr(hear(&b, fd, &end), "\r\n\r\n"), "\r\n\r\ntwo");
	CHECK_INT(end, 1);
	CHECK_INT(b.server.count, 0);
	CHECK_INT(b.gone, 0);
	close(fd);
	close_bench(&b);
}

TEST(a_reply_may_come_in_pieces)
{
	struct bench b;
	int fd;

	open_bench(&b);
	fd = client(&b, GET("/1"));
	reply(&b, b.id, "ab", 1);
	CHECK_STR(strstr(hear(&b, fd, NULL), "\r\n\r\n"), "\r\n\r\n2\r\nab\r\n");
	server_piece(&b.server, b.id, SLICE("cde"), 1);
	CHECK_STR(hear(&b, fd, NULL), "3\r\ncde\r\n");
	server_piece(&b.server, b.id, (struct slice){ NULL, 0 }, 0);
	CHECK_STR(hear(&b, fd, NULL), "0\r\n\r\n");
	say(&b, fd, "HEAD /2 HTTP/1.1\r\nHost: d\r\n\r\n");
	reply(&b, b.id, "12345", 0);
	CHECK_STR(strstr(hear(&b, fd, NULL), "Content-Length"), "Content-Length: 5\r\n\r\n");
	close(fd);
	close_bench(&b);
}

TEST(a_client_that_leaves_is_told_once)
{
	struct bench b;
	int fd;

	open_bench(&b);
	fd = client(&b, GET("/1"));
	close(fd);
	turns(&b);
	CHECK_INT(b.gone, 1);
	CHECK_INT(b.gone_id == b.id, 1);
	reply(&b, b.id, "late", 0);
	CHECK_INT(b.server.count, 0);
	/* In the middle of a stream, and noticed by the piece itself. */
	fd = client(&b, GET("/2"));
	reply(&b, b.id, "a", 1);
	close(fd);
	server_piece(&b.server, b.id, SLICE("b"), 1);
	CHECK_INT(b.gone, 2);
	server_piece(&b.server, b.id, SLICE("c"), 1);
	turns(&b);
	CHECK_INT(b.gone, 2);
	CHECK_INT(b.server.count, 0);
	CHECK_INT(b.loop.timer_count, 0);
	close_bench(&b);
}

/* Requests of a client that reads no answers wait, in its own socket. */
TEST(a_client_that_does_not_read_gets_no_further)
{
	struct bench b;
	int fd;

	open_bench(&b);
	b.answer_len = 1 << 20;
	b.answer = memset(mem_new(b.answer_len + 1), 'x', b.answer_len);
	fd = client(&b, GET("/1") GET("/2") GET("/3") GET("/4"));
	CHECK_INT(b.requests, 1);
	CHECK_INT(count(hear(&b, fd, NULL), "200 OK"), 4);
	CHECK_INT(b.requests, 4);
	mem_free((void *)(uintptr_t)b.answer);
	close(fd);
	close_bench(&b);
}

TEST(a_reply_that_is_too_long_ends_the_connection)
{
	char text[2000] = "";
	struct bench b;
	int fd, end;

	memset(text, 'x', sizeof(text) - 1);
	open_bench(&b);
	b.server.config.out_max = 1000;
	fd = client(&b, GET("/1"));
	reply(&b, b.id, text, 0);
	CHECK_STR(hear(&b, fd, &end), "");
	CHECK_INT(end, 1);
	CHECK_INT(b.gone, 0);
	close(fd);
	fd = client(&b, GET("/2"));
	reply(&b, b.id, "a", 1);
	server_piece(&b.server, b.id, slice_of(text), 1);
	CHECK_INT(b.gone, 1);
	server_piece(&b.server, b.id, slice_of(text), 0);
	CHECK_INT(b.gone, 1);
	CHECK_INT(b.server.count, 0);
	close(fd);
	close_bench(&b);
}

TEST(a_bad_request_is_refused_and_the_connection_closed)
{
	struct bench b;
	int fd, end;

	open_bench(&b);
	fd = client(&b, "POST / HTTP/1.1\r\nHost: d\r\nContent-Length: 5\r\n"
		    "Transfer-Encoding: chunked\r\n\r\n");
	CHECK_INT(count(hear(&b, fd, &end), "HTTP/1.1 400 "), 1);
	CHECK_INT(end, 1);
	CHECK_INT(b.requests, 0);
	close(fd);
	close_bench(&b);
}

/* The time of a head and of an idle connection: what comes of it is http/serve.h's. */
TEST(a_connection_has_its_time)
{
	struct bench b;
	int fd;

	open_bench(&b);
	fd = client(&b, NULL);
	CHECK_INT(b.loop.timer_count, 1);
	CHECK(b.loop.heap[0]->deadline_ms > loop_now_ms(&b.loop) + HTTP_SERVE_IDLE_MS - 5000);
	say(&b, fd, "GET /");
	CHECK_INT(b.loop.timer_count, 1);
	CHECK(b.loop.heap[0]->deadline_ms <= loop_now_ms(&b.loop) + HTTP_SERVE_HEAD_MS);
	say(&b, fd, "1 HTTP/1.1\r\nHost: d\r\n\r\n");
	CHECK_INT(b.loop.timer_count, 0);
	close(fd);
	close_bench(&b);
}

TEST(a_thousand_idle_connections_keep_nobody_out)
{
	static int idle[1000];
	struct rlimit old, now;
	struct bench b;
	int fd, n = 1000;

	getrlimit(RLIMIT_NOFILE, &old);
	now = (struct rlimit){ old.rlim_max < 8192 ? old.rlim_max : 8192, old.rlim_max };
	setrlimit(RLIMIT_NOFILE, &now);
	open_bench(&b);
	if ((uint32_t)n >= b.server.connections_max)
		n = (int)b.server.connections_max - 1;
	for (int i = 0; i < n; i++) {
		idle[i] = sock_connect_unix(b.path, NULL);
		CHECK(idle[i] >= 0);
		if (i % 100 == 0)
			turns(&b);
	}
	fd = client(&b, GET("/1"));
	CHECK_INT(b.server.count, n + 1);
	reply(&b, b.id, "hello", 0);
	CHECK_INT(count(hear(&b, fd, NULL), "hello"), 1);
	for (int i = 0; i < n; i++)
		close(idle[i]);
	turns(&b);
	CHECK_INT(b.server.count, 1);
	close(fd);
	close_bench(&b);
	setrlimit(RLIMIT_NOFILE, &old);
}

TEST(when_it_is_full_the_longest_idle_goes)
{
	int fds[40], busy, fd, end;
	struct bench b;

	open_bench(&b);
	b.server.connections_max = 10;
	busy = client(&b, GET("/1"));
	for (int i = 0; i < 40; i++)
		fds[i] = client(&b, NULL);
	CHECK_INT(b.server.count, 10);
	CHECK_STR(hear(&b, fds[30], &end), "");
	CHECK_INT(end, 1);
	CHECK_STR(hear(&b, fds[31], &end), "");
	CHECK_INT(end, 0);
	reply(&b, b.id, "hello", 0);
	CHECK_INT(count(hear(&b, busy, NULL), "hello"), 1);
	fd = client(&b, GET("/2"));
	CHECK_INT(b.requests, 2);
	CHECK_INT(b.gone, 0);
	for (int i = 0; i < 40; i++)
		close(fds[i]);
	close(busy);
	close(fd);
	close_bench(&b);
}

TEST(when_it_is_full_the_next_one_waits)
{
	struct bench b;
	int fds[5];

	open_bench(&b);
	b.server.connections_max = 3;
	for (int i = 0; i < 5; i++)
		fds[i] = client(&b, GET("/1"));
	CHECK_INT(b.requests, 3);
	CHECK_INT(b.server.listeners[SERVER_UNIX].events, EPOLLPRI);
	close(fds[0]);
	turns(&b);
	CHECK_INT(b.requests, 4);
	CHECK_INT(b.server.listeners[SERVER_UNIX].events, EPOLLPRI);
	/* The connection is done with its request: it may go. */
	reply(&b, b.id, "hello", 0);
	turns(&b);
	CHECK_INT(b.requests, 5);
	close(fds[1]);
	close(fds[2]);
	turns(&b);
	CHECK_INT(b.requests, 5);
	CHECK_INT(b.server.listeners[SERVER_UNIX].events, EPOLLIN);
	close(fds[3]);
	close(fds[4]);
	close_bench(&b);
}

/* A listener whose connections cannot be taken is readable for ever: it must not be watched. */
TEST(without_descriptors_it_waits)
{
	struct rlimit old, now;
	struct bench b;
	int fd, next;

	open_bench(&b);
	getrlimit(RLIMIT_NOFILE, &old);
	fd = sock_connect_unix(b.path, NULL);
	next = dup(fd);
	close(next);
	now = (struct rlimit){ (rlim_t)next, old.rlim_max };
	setrlimit(RLIMIT_NOFILE, &now);
	turns(&b);
	setrlimit(RLIMIT_NOFILE, &old);
	CHECK_INT(b.server.count, 0);
	CHECK_INT(b.server.listeners[SERVER_UNIX].events, EPOLLPRI);
	CHECK_INT(b.loop.timer_count, 1);
	loop_timer_set(&b.loop, &b.server.accept_timer, 0);	/* as if its time had come */
	turns(&b);
	CHECK_INT(b.server.count, 1);
	CHECK_INT(b.server.listeners[SERVER_UNIX].events, EPOLLIN);
	close(fd);
	close_bench(&b);
}

static int engine_accept(struct bench *b)
{
	turns(b);
	return sock_accept(b->engine);
}

TEST(what_is_not_ours_goes_to_the_engine)
{
	struct bench b;
	int fd, engine, end;

	open_bench(&b);
	fd = client(&b, "GET /engine/x HTTP/1.1\r\nHost: d\r\nConnection: keep-alive\r\n\r\n");
	engine = engine_accept(&b);
	CHECK(engine >= 0);
	CHECK_STR(hear(&b, engine, NULL), "GET /engine/x HTTP/1.1\r\nHost: d\r\n"
		  "Connection: close\r\n\r\n");
	say(&b, engine, "HTTP/1.1 204 No Content\r\n\r\n");
	close(engine);
	CHECK_STR(hear(&b, fd, &end), "HTTP/1.1 204 No Content\r\n\r\n");
	CHECK_INT(end, 1);
	close(fd);
	turns(&b);
	CHECK_INT(b.requests, 0);
	CHECK_INT(b.server.count, 0);
	close_bench(&b);
}

TEST(an_upgraded_connection_carries_bytes_both_ways)
{
	struct bench b;
	int fd, engine, end;

	open_bench(&b);
	fd = client(&b, "POST /engine/attach HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\n"
		    "Upgrade: tcp\r\nContent-Length: 0\r\n\r\nearly");
	engine = engine_accept(&b);
	CHECK_STR(strstr(hear(&b, engine, NULL), "\r\n\r\n"), "\r\n\r\nearly");
	say(&b, engine, "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nhi");
	CHECK_STR(strstr(hear(&b, fd, NULL), "\r\n\r\n"), "\r\n\r\nhi");
	say(&b, fd, "GET /1 is no request now\r\n\r\n");
	CHECK_STR(hear(&b, engine, NULL), "GET /1 is no request now\r\n\r\n");
	shutdown(fd, SHUT_WR);
	CHECK_STR(hear(&b, engine, &end), "");
	CHECK_INT(end, 1);
	say(&b, engine, "last words");
	close(engine);
	CHECK_STR(hear(&b, fd, &end), "last words");
	CHECK_INT(end, 1);
	CHECK_INT(b.server.count, 0);
	close(fd);
	close_bench(&b);
}

TEST(an_upload_of_any_size_goes_through)
{
	size_t total = 3 << 20, sent = 0, len;
	char *body = mem_new(total + 1);
	struct bench b;
	const char *heard;
	int fd, engine;

	for (size_t i = 0; i < total; i++)
		body[i] = (char)('a' + (i * 2654435761u >> 16) % 26);
	open_bench(&b);
	fd = client(&b, "POST /engine/load HTTP/1.1\r\nHost: d\r\nContent-Length: 3145728\r\n\r\n");
	engine = engine_accept(&b);
	CHECK(strstr(hear(&b, engine, NULL), "\r\n\r\n") != NULL);
	while (sent < total) {
		size_t before = sent;

		for (ssize_t n; sent < total &&
		     (n = send(fd, body + sent, total - sent, MSG_NOSIGNAL)) > 0;)
			sent += (size_t)n;
		heard = hear(&b, engine, NULL);
		len = strlen(heard);
		CHECK(len > 0 && before + len <= total);
		CHECK(memcmp(heard, body + before, len) == 0);
		CHECK(before + len == sent);
	}
	close(engine);
	close(fd);
	turns(&b);
	CHECK_INT(b.server.count, 0);
	mem_free(body);
	close_bench(&b);
}

/* The answer to our request is out before the engine's begins, however long it is. */
TEST(a_request_for_the_engine_waits_for_the_answers_before_it)
{
	struct bench b;
	int fd, engine;

	open_bench(&b);
	b.answer_len = 1 << 20;
	b.answer = memset(mem_new(b.answer_len + 1), 'x', b.answer_len);
	fd = client(&b, GET("/1") GET("/engine/x"));
	CHECK_INT(engine_accept(&b), ERR_MORE);
	CHECK(strlen(hear(&b, fd, NULL)) > b.answer_len);
	engine = engine_accept(&b);
	CHECK(engine >= 0);
	CHECK(slice_has_prefix(slice_of(hear(&b, engine, NULL)), "GET /engine/x"));
	mem_free((void *)(uintptr_t)b.answer);
	close(fd);
	close(engine);
	close_bench(&b);
}

TEST(without_an_engine_the_client_is_told_why)
{
	char expected[2 * SCRATCH_PATH];
	struct bench b;
	int fd;

	open_bench(&b);
	close(b.engine);
	unlink(b.engine_path);
	fd = client(&b, GET("/engine/x"));
	snprintf(expected, sizeof(expected), "\r\n\r\n{\"message\":\"the container engine "
		 "cannot be reached: %s: no such file or directory\"}\n", b.engine_path);
	CHECK_STR(strstr(hear(&b, fd, NULL), "\r\n\r\n"), expected);
	say(&b, fd, GET("/1"));
	CHECK_STR(b.asked, "GET /1 ;");
	b.engine = sock_listen_unix(b.engine_path, 0600, NULL);
	close(fd);
	close_bench(&b);
}

TEST(flushing_is_not_held_up_by_one_that_does_not_read)
{
	char *text = memset(mem_new((4 << 20) + 1), 'x', 4 << 20);
	uint64_t before = clock_now_ms();
	static char drained[8 << 20];
	struct bench b;
	int reads, sleeps;

	open_bench(&b);
	reads = client(&b, GET("/1"));
	reply(&b, b.id, text, 0);
	sleeps = client(&b, GET("/2"));
	reply(&b, b.id, text, 0);
	while (recv(reads, drained, sizeof(drained), 0) > 0)
		;
	server_flush(&b.server, 30);
	CHECK(recv(reads, drained, sizeof(drained), 0) > 0);
	CHECK(clock_now_ms() - before < 5000);
	close(reads);
	close(sleeps);
	mem_free(text);
	close_bench(&b);
}

TEST(it_ends_in_the_middle_of_everything)
{
	struct bench b;
	int fds[4];

	open_bench(&b);
	fds[0] = client(&b, NULL);
	fds[1] = client(&b, GET("/1"));
	fds[2] = client(&b, GET("/engine/x"));
	fds[3] = client(&b, GET("/2"));
	reply(&b, b.id, "piece", 1);
	close_bench(&b);
	CHECK_INT(b.gone, 0);
	for (int i = 0; i < 4; i++)
		close(fds[i]);
}

/* ---- TCP ------------------------------------------------------------------------------- */

static uint16_t open_tcp(struct bench *b)
{
	struct sockaddr_in self = { 0 };
	socklen_t n = sizeof(self);

	open_bench(b);
	if (server_listen_tcp(&b->server, "127.0.0.1:0", NULL) < 0 ||
	    getsockname(b->server.listeners[SERVER_TCP].fd, (struct sockaddr *)&self, &n) < 0)
		abort();
	return ntohs(self.sin_port);
}

static int tcp_client(struct bench *b, uint16_t port, const char *text)
{
	int fd = sock_connect_tcp(0x7f000001, port, NULL);

	if (fd < 0)
		abort();
	turns(b);
	say(b, fd, text);
	return fd;
}

TEST(it_listens_at_a_port_and_at_its_socket)
{
	struct bench b;
	uint16_t port = open_tcp(&b);
	int tcp = tcp_client(&b, port, GET("/1")), unix_one;

	reply(&b, b.id, "one", 0);
	unix_one = client(&b, GET("/2"));
	reply(&b, b.id, "two", 0);
	CHECK_INT(count(hear(&b, tcp, NULL), "one"), 1);
	CHECK_INT(count(hear(&b, unix_one, NULL), "two"), 1);
	close(tcp);
	close(unix_one);
	turns(&b);
	CHECK_INT(b.server.count, 0);
	close_bench(&b);
}

TEST(a_port_that_is_taken_or_none_is_told)
{
	struct errmsg msg = { { 0 } };
	char address[32];
	struct bench b, second;

	open_bench(&second);
	snprintf(address, sizeof(address), "127.0.0.1:%u", open_tcp(&b));
	CHECK_INT(server_listen_tcp(&second.server, address, &msg), ERR_IN_USE);
	CHECK(strstr(msg.text, address) != NULL);
	CHECK_INT(server_listen_tcp(&second.server, "127.0.0.1", &msg), ERR_INVALID);
	CHECK_INT(server_listen_tcp(&second.server, "x:1", &msg), ERR_INVALID);
	close_bench(&second);
	close_bench(&b);
}

/* On TCP a closed client and a half-closed one look the same until the time is over. */
TEST(a_half_closed_tcp_client_has_some_time_for_each_answer)
{
	struct bench b;
	uint16_t port = open_tcp(&b);
	int fd = tcp_client(&b, port, GET("/1") GET("/2")), end;

	shutdown(fd, SHUT_WR);
	turns(&b);
	CHECK_INT(b.loop.timer_count, 1);
	CHECK(b.loop.heap[0]->deadline_ms <= loop_now_ms(&b.loop) + SERVER_HALF_MS);
	reply(&b, b.id, "one", 0);
	turns(&b);
	CHECK_STR(b.asked, "GET /1 ;GET /2 ;");
	CHECK_INT(b.loop.timer_count, 1);
	reply(&b, b.id, "two", 0);
	CHECK_STR(strstr(hear(&b, fd, &end), "\r\n\r\n") + 4 + 3, "HTTP/1.1 200 OK\r\nApi: 1\r\n"
		  "Content-Type: text/plain\r\nContent-Length: 3\r\n\r\ntwo");
	CHECK_INT(end, 1);
	CHECK_INT(b.gone, 0);
	CHECK_INT(b.server.count, 0);
	CHECK_INT(b.loop.timer_count, 0);
	close(fd);
	close_bench(&b);
}

TEST(a_tcp_client_that_waits_and_leaves_is_noticed)
{
	struct bench b;
	uint16_t port = open_tcp(&b);
	int fd;

	b.server.half_ms = 0;
	fd = tcp_client(&b, port, GET("/1"));
	CHECK_INT(b.loop.timer_count, 0);
	close(fd);
	turns(&b);
	CHECK_INT(b.gone, 1);
	CHECK_INT(b.server.count, 0);
	CHECK_INT(b.loop.timer_count, 0);
	/* A reset says it at once. */
	b.server.half_ms = SERVER_HALF_MS;
	fd = tcp_client(&b, port, GET("/2"));
	sock_reset_on_close(fd);
	close(fd);
	turns(&b);
	CHECK_INT(b.gone, 2);
	/* And so does a stream, as soon as it has something to say. */
	fd = tcp_client(&b, port, GET("/3"));
	reply(&b, b.id, "a", 1);
	CHECK(*hear(&b, fd, NULL));
	close(fd);
	turns(&b);
	CHECK_INT(b.gone, 2);
	server_piece(&b.server, b.id, SLICE("b"), 1);
	turns(&b);
	CHECK_INT(b.gone, 3);
	CHECK_INT(b.server.count, 0);
	close_bench(&b);
}
