/* Calls to an engine that answers, dribbles, hangs up or is not there. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "io/engine.h"
#include "io/sock.h"
#include "scratch.h"
#include "unit.h"

enum { HEARD_MAX = 1 << 16, TURNS = 8, CALLS = 16 };

struct bench {
	struct loop loop;
	struct engine engine;
	struct engine_handler handler;
	char folder[SCRATCH_PATH], path[SCRATCH_PATH];
	int listener;
	char told[4096];	/* "id status body why;" of replies, "id+piece;" of data */
	uint64_t cancel;	/* inside the next data; 0 = none */
	uint64_t next;		/* call this inside the next reply; 0 = none */
	int in_call;		/* the handler must not be called now */
};

static void call(struct bench *b, uint64_t id, const char *target, int pieces, uint64_t timeout_ms)
{
	struct engine_request r = {
		.id = id, .method = SLICE("GET"), .target = slice_of(target), .pieces = pieces,
		.timeout_ms = timeout_ms,
	};

	b->in_call = 1;
	engine_call(&b->engine, &r);
	b->in_call = 0;
}

static void tell(struct bench *b, const char *text)
{
	size_t n = strlen(b->told);

	if (b->in_call)
		abort();
	snprintf(b->told + n, sizeof(b->told) - n, "%s", text);
}

static void on_reply(void *context, uint64_t id, int status, struct slice body, const char *why)
{
	struct bench *b = context;
	uint64_t next = b->next;
	char text[1024];

	snprintf(text, sizeof(text), "%d %d %.*s %s;", (int)id, status, SLICE_ARGS(body), why);
	tell(b, text);
	b->next = 0;
	if (next)
		call(b, next, "/next", 0, 0);
	engine_cancel(&b->engine, id);	/* it is over: nothing to cancel */
}

static void on_data(void *context, uint64_t id, struct slice piece)
{
	struct bench *b = context;
	char text[1024];

	snprintf(text, sizeof(text), "%d+%.*s;", (int)id, SLICE_ARGS(piece));
	tell(b, text);
	if (b->cancel)
		engine_cancel(&b->engine, b->cancel);
	b->cancel = 0;
}

static void turns(struct bench *b)
{
	for (int i = 0; i < TURNS; i++)
		loop_turn(&b->loop, 0, NULL);
}

static void open_bench(struct bench *b)
{
	memset(b, 0, sizeof(*b));
	scratch_make(b->folder);
	snprintf(b->path, sizeof(b->path), "%s", scratch_file(b->folder, "engine"));
	b->handler = (struct engine_handler){ b, on_reply, on_data };
	b->listener = sock_listen_unix(b->path, 0600, NULL);
	if (b->listener < 0 || loop_init(&b->loop, NULL) < 0)
		abort();
	engine_init(&b->engine, &b->loop, &b->handler, b->path);
}

static void close_bench(struct bench *b)
{
	engine_done(&b->engine);
	loop_done(&b->loop);
	close(b->listener);
	scratch_remove(b->folder);
}

/* The fake engine's half: takes a connection if fd is -1, reads what is there, answers. */
static int answer(struct bench *b, int fd, const char *text)
{
	static char heard[HEARD_MAX];

	turns(b);
	if (fd < 0)
		fd = sock_accept(b->listener);
	if (fd < 0)
		return fd;
	while (recv(fd, heard, sizeof(heard), 0) > 0)
		;
	if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0)
		abort();
	turns(b);
	return fd;
}

#define OK(length, body) "HTTP/1.1 200 OK\r\nContent-Length: " length "\r\n\r\n" body

TEST(calls_follow_each_other_on_one_connection)
{
	struct bench b;
	int fd;

	open_bench(&b);
	call(&b, 1, "/one", 0, 1000);
	fd = answer(&b, -1, OK("3", "abc"));
	CHECK_STR(b.told, "1 200 abc ;");
	CHECK_INT(b.engine.idle_count, 1);
	CHECK_INT(b.loop.timer_count, 0);
	b.next = 3;
	call(&b, 2, "/two", 0, 0);
	CHECK_INT(answer(&b, fd, OK("2", "de")), fd);
	CHECK_STR(b.told, "1 200 abc ;2 200 de ;");
	CHECK_INT(b.engine.calls.count, 1);
	CHECK_INT(answer(&b, fd, OK("0", "")), fd);
	CHECK_STR(b.told, "1 200 abc ;2 200 de ;3 200  ;");
	CHECK_INT(sock_accept(b.listener), ERR_MORE);
	CHECK_INT(b.engine.idle_count, 1);
	close(fd);
	turns(&b);
	CHECK_INT(b.engine.idle_count, 0);
	close_bench(&b);
}

TEST(a_connection_that_is_to_be_closed_is_not_kept)
{
	struct bench b;
	int fd;

	open_bench(&b);
	call(&b, 1, "/one", 0, 0);
	fd = answer(&b, -1, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx");
	CHECK_STR(b.told, "1 200 x ;");
	CHECK_INT(b.engine.idle_count, 0);
	close(fd);
	call(&b, 2, "/two", 0, 0);
	fd = answer(&b, -1, "HTTP/1.0 200 OK\r\n\r\nto the end");
	CHECK_STR(b.told, "1 200 x ;");
	close(fd);
	turns(&b);
	CHECK_STR(b.told, "1 200 x ;2 200 to the end ;");
	close_bench(&b);
}

/* The engine has closed while nobody looked: nothing of the next request has reached it. */
TEST(a_stale_connection_is_passed_over)
{
	struct bench b;
	int fds[3];

	open_bench(&b);
	for (uint64_t i = 0; i < 3; i++)
		call(&b, i + 1, "/", 0, 0);
	for (int i = 0; i < 3; i++)
		fds[i] = answer(&b, -1, OK("0", ""));
	CHECK_INT(b.engine.idle_count, 3);
	for (int i = 0; i < 3; i++)
		close(fds[i]);
	b.told[0] = '\0';
	call(&b, 4, "/four", 0, 0);
	fds[0] = answer(&b, -1, OK("1", "x"));
	CHECK(fds[0] >= 0);
	CHECK_STR(b.told, "4 200 x ;");
	CHECK_INT(b.engine.idle_count, 1);
	close(fds[0]);
	close_bench(&b);
}

TEST(only_some_idle_connections_are_kept)
{
	struct bench b;
	int fds[CALLS];

	open_bench(&b);
	for (uint64_t i = 0; i < CALLS; i++)
		call(&b, i + 1, "/", 0, 0);
	for (int i = 0; i < CALLS; i++)
		fds[i] = answer(&b, -1, OK("0", ""));
	CHECK_INT(b.engine.idle_count, ENGINE_IDLE_MAX);
	for (int i = 0; i < CALLS; i++)
		close(fds[i]);
	turns(&b);
	CHECK_INT(b.engine.idle_count, 0);
	close_bench(&b);
}

TEST(a_stream_comes_in_pieces)
{
	struct bench b;
	int fd;

	open_bench(&b);
	call(&b, 1, "/events", 1, 0);
	fd = answer(&b, -1, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1");
	CHECK_STR(b.told, "1+ab;");
	answer(&b, fd, "\r\nc\r\n");
	CHECK_STR(b.told, "1+ab;1+c;");
	answer(&b, fd, "0\r\n\r\n");
	CHECK_STR(b.told, "1+ab;1+c;1 200  ;");
	CHECK_INT(b.engine.idle_count, 1);
	close(fd);
	close_bench(&b);
}

/* A stream's error is told whole, as if it were no stream. */
TEST(an_error_of_a_stream_comes_with_its_body)
{
	struct bench b;
	int fd;

	open_bench(&b);
	call(&b, 1, "/logs", 1, 0);
	fd = answer(&b, -1, "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n"
		    "2\r\nno\r\n");
	CHECK_STR(b.told, "");
	answer(&b, fd, "5\r\n such\r\n0\r\n\r\n");
	CHECK_STR(b.told, "1 404 no such ;");
	b.told[0] = '\0';
	call(&b, 2, "/logs", 1, 0);
	answer(&b, fd, "HTTP/1.1 409 Conflict\r\nContent-Length: 4\r\n\r\nwh");
	answer(&b, fd, "y?");
	CHECK_STR(b.told, "2 409 why? ;");
	/* The next call on it starts clean. */
	call(&b, 3, "/logs", 1, 0);
	answer(&b, fd, "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n");
	CHECK_STR(b.told, "2 409 why? ;3 500  ;");
	close(fd);
	close_bench(&b);
}

TEST(a_call_has_its_time)
{
	struct bench b;
	int fd;

	open_bench(&b);
	call(&b, 1, "/slow", 0, 20);
	turns(&b);
	fd = sock_accept(b.listener);
	for (int i = 0; i < 100 && !b.told[0]; i++)
		loop_turn(&b.loop, 50, NULL);
	CHECK_STR(b.told, "1 0  no answer in time;");
	CHECK_INT(b.engine.calls.count + b.engine.idle_count, 0);
	close(fd);
	close_bench(&b);
}

TEST(a_call_that_is_cancelled_is_told_no_more)
{
	struct bench b;
	char byte;
	int fd;

	open_bench(&b);
	call(&b, 1, "/wait", 0, 1000);
	turns(&b);
	fd = sock_accept(b.listener);
	engine_cancel(&b.engine, 1);
	engine_cancel(&b.engine, 77);
	turns(&b);
	while (recv(fd, &byte, 1, 0) == 1)
		;
	CHECK_INT(recv(fd, &byte, 1, 0), 0);
	close(fd);
	/* Inside its own data: what came in the same read is dropped. */
	b.cancel = 2;
	call(&b, 2, "/events", 1, 0);
	fd = answer(&b, -1, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		    "1\r\na\r\n1\r\nb\r\n0\r\n\r\n");
	CHECK_STR(b.told, "2+a;");
	CHECK_INT(b.loop.timer_count + b.engine.calls.count + b.engine.idle_count, 0);
	close(fd);
	close_bench(&b);
}

TEST(an_engine_that_is_not_there_is_told_later)
{
	char expected[2 * SCRATCH_PATH];
	struct bench b;

	open_bench(&b);
	close(b.listener);
	call(&b, 1, "/", 0, 1000);
	call(&b, 2, "/", 1, 0);
	engine_cancel(&b.engine, 2);
	CHECK_STR(b.told, "");
	turns(&b);
	snprintf(expected, sizeof(expected), "1 0  %s: connection refused;", b.path);
	CHECK_STR(b.told, expected);
	unlink(b.path);
	b.listener = sock_listen_unix(b.path, 0600, NULL);
	CHECK(b.listener >= 0);
	close_bench(&b);
}

TEST(an_answer_that_breaks_off_is_none)
{
	static const char lost[] = "the server closed the connection before its answer was "
				   "complete;";
	static const char *const parts[] = { "", "HTTP/1.1 200", OK("5", "abc") };
	char expected[256];
	struct bench b;
	int fd;

	open_bench(&b);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		b.told[0] = '\0';
		call(&b, i + 1, "/", 0, 0);
		fd = answer(&b, -1, parts[i]);
		CHECK_STR(b.told, "");
		close(fd);
		turns(&b);
		snprintf(expected, sizeof(expected), "%d 0  %s", (int)i + 1, lost);
		CHECK_STR(b.told, expected);
	}
	b.told[0] = '\0';
	call(&b, 9, "/", 0, 0);
	fd = answer(&b, -1, "SSH-2.0-OpenSSH\r\n\r\n");
	CHECK_STR(b.told, "9 0  the answer is not HTTP;");
	close(fd);
	close_bench(&b);
}

/* The engine refuses the head of a long request and hangs up: its answer counts. */
TEST(an_answer_that_comes_before_the_request_is_sent_counts)
{
	static const char refusal[] = "HTTP/1.1 400 Bad\r\nContent-Length: 3\r\n\r\nno!";
	size_t n = 4 << 20;
	char *body = memset(mem_new(n + 1), 'x', n);
	struct engine_request r = { .id = 1, .method = SLICE("POST"), .target = SLICE("/load"),
				    .body = { body, n } };
	struct bench b;
	int fd;

	open_bench(&b);
	engine_call(&b.engine, &r);
	turns(&b);
	fd = sock_accept(b.listener);
	CHECK(send(fd, refusal, sizeof(refusal) - 1, MSG_NOSIGNAL) > 0);
	close(fd);
	turns(&b);
	CHECK_STR(b.told, "1 400 no! ;");
	CHECK_INT(b.engine.calls.count + b.engine.idle_count, 0);
	mem_free(body);
	close_bench(&b);
}

TEST(a_long_request_goes_out_as_the_engine_takes_it)
{
	static char heard[HEARD_MAX];
	size_t n = 2 << 20, got = 0;
	char *body = memset(mem_new(n + 1), 'x', n);
	struct engine_request r = { .id = 1, .method = SLICE("POST"), .target = SLICE("/load"),
				    .body = { body, n } };
	struct bench b;
	ssize_t some;
	int fd;

	open_bench(&b);
	engine_call(&b.engine, &r);
	turns(&b);
	fd = sock_accept(b.listener);
	for (int i = 0; i < 200 && got < n; i++) {
		while ((some = recv(fd, heard, sizeof(heard), 0)) > 0)
			got += (size_t)some;
		turns(&b);
	}
	CHECK(got > n);
	answer(&b, fd, OK("0", ""));
	CHECK_STR(b.told, "1 200  ;");
	CHECK_INT(b.engine.idle_count, 1);
	close(fd);
	mem_free(body);
	close_bench(&b);
}

TEST(it_ends_with_calls_under_way)
{
	struct bench b;
	int fd;

	open_bench(&b);
	call(&b, 1, "/", 0, 0);
	fd = answer(&b, -1, OK("0", ""));
	call(&b, 2, "/", 0, 1000);
	call(&b, 3, "/events", 1, 0);
	b.told[0] = '\0';
	close_bench(&b);
	CHECK_STR(b.told, "");
	close(fd);
}
