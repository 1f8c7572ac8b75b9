/* The CLI's exchanges, with a server that says what a test wrote down. */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/client.h"
#include "io/sock.h"
#include "scratch.h"
#include "unit.h"

enum { CLOSE = 1, HANG };	/* what the server does after an answer */

struct line {
	const char *answer;	/* NULL: the connection is closed without one */
	int then;
};

struct server {
	char folder[SCRATCH_PATH];
	char host[SCRATCH_PATH + 16];
	pid_t pid;
};

static void wait_readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	poll(&p, 1, 5000);
}

/* Answers one request a line; each ends with an empty line, so bodies are not read. */
static void serve(int listener, const struct line *lines)
{
	int fd = -1;

	for (; lines->answer || lines->then; lines++) {
		char request[4096];

		if (fd < 0) {
			wait_readable(listener);
			fd = sock_accept(listener);
		}
		wait_readable(fd);
		if (read(fd, request, sizeof(request)) <= 0)
			break;
		if (lines->answer && write(fd, lines->answer, strlen(lines->answer)) < 0)
			break;
		if (lines->then == HANG)
			wait_readable(fd);
		if (lines->then) {
			close(fd);
			fd = -1;
		}
	}
	_exit(0);
}

static void start(struct server *s, const struct line *lines)
{
	struct errmsg msg = { { 0 } };
	const char *path;
	int fd;

	scratch_make(s->folder);
	path = scratch_file(s->folder, "s");
	snprintf(s->host, sizeof(s->host), "unix://%s", path);
	fd = sock_listen_unix(path, 0600, &msg);
	CHECK(fd >= 0);
	s->pid = fork();
	if (s->pid == 0)
		serve(fd, lines);
	close(fd);
}

static void stop(struct server *s)
{
	waitpid(s->pid, NULL, 0);
	scratch_remove(s->folder);
}

static const struct http_request get = { .method = { "GET", 3 }, .target = { "/x", 2 } };
static const struct http_request post = { .method = { "POST", 4 }, .target = { "/x", 2 } };

/* One exchange; the body of the answer stands in body. */
static int ask(struct client *c, const struct http_request *request, struct buf *body,
	       struct errmsg *msg)
{
	struct client_exchange x = { .request = request, .timeout_ms = 5000, .body = body };
	int err;

	buf_reset(body);
	err = client_exchange(c, &x, msg);
	return err < 0 ? err : x.status;
}

TEST(one_connection_serves_several_requests)
{
	static const struct line lines[] = {
		{ "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", 0 },
		{ "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n"
		  "3\r\nno!\r\n0\r\n\r\n", CLOSE },
		{ "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n", CLOSE },
		{ NULL, 0 },
	};
	struct errmsg msg = { { 0 } };
	struct server s;
	struct client c;
	struct buf body;

	start(&s, lines);
	buf_init(&body, 1000);
	client_init(&c, s.host);
	CHECK_INT(ask(&c, &get, &body, &msg), 200);
	CHECK_STR(buf_str(&body), "hi");
	CHECK_INT(ask(&c, &post, &body, &msg), 404);
	CHECK_STR(buf_str(&body), "no!");
	/* The server has closed in between: a GET is asked again. */
	CHECK_INT(ask(&c, &get, &body, &msg), 204);
	client_done(&c);
	buf_done(&body);
	stop(&s);
}

TEST(only_a_get_is_sent_again)
{
	static const struct line lines[] = {
		{ "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", CLOSE },
		{ NULL, 0 },
	};
	struct errmsg msg = { { 0 } };
	struct server s;
	struct client c;
	struct buf body;

	start(&s, lines);
	buf_init(&body, 1000);
	client_init(&c, s.host);
	CHECK_INT(ask(&c, &get, &body, &msg), 200);
	waitpid(s.pid, NULL, 0);
	CHECK_INT(ask(&c, &post, &body, &msg), ERR_IO);
	CHECK(strstr(msg.text, ": the connection broke off"));
	CHECK_INT(ask(&c, &get, &body, &msg), ERR_UNAVAILABLE);
	CHECK(strstr(msg.text, "/s: nobody answers"));
	client_done(&c);
	buf_done(&body);
	scratch_remove(s.folder);
}

static int collect(void *context, struct slice bytes)
{
	buf_add_slice(context, bytes);
	return ((struct buf *)context)->len >= 6;
}

TEST(a_stream_comes_in_pieces_until_it_has_enough)
{
	static const struct line lines[] = {
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n",
		  HANG },
		{ "HTTP/1.1 500 No\r\nContent-Length: 3\r\n\r\nwhy", CLOSE },
		{ NULL, 0 },
	};
	struct client_exchange x = { .request = &get, .piece = collect };
	struct errmsg msg = { { 0 } };
	struct buf body, pieces;
	struct server s;
	struct client c;

	start(&s, lines);
	buf_init(&body, 1000);
	buf_init(&pieces, 1000);
	x.context = &pieces;
	x.body = &body;
	client_init(&c, s.host);
	CHECK_INT(client_exchange(&c, &x, &msg), 0);
	CHECK_STR(buf_str(&pieces), "abcdef");
	/* An error's body is no part of the stream. */
	CHECK_INT(client_exchange(&c, &x, &msg), 0);
	CHECK_INT(x.status, 500);
	CHECK_STR(buf_str(&body), "why");
	CHECK_STR(buf_str(&pieces), "abcdef");
	client_done(&c);
	buf_done(&pieces);
	buf_done(&body);
	stop(&s);
}

TEST(answers_that_are_none_are_errors)
{
	static const struct line lines[] = {
		{ "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", CLOSE },
		{ "SSH-2.0-OpenSSH\r\n\r\n", CLOSE },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", CLOSE },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab", HANG },
		{ NULL, 0 },
	};
	struct client_exchange x = { .request = &get, .timeout_ms = 30 };
	struct errmsg msg = { { 0 } };
	struct server s;
	struct client c;
	struct buf body;

	start(&s, lines);
	buf_init(&body, 1000);
	client_init(&c, s.host);
	CHECK_INT(ask(&c, &get, &body, &msg), ERR_IO);
	CHECK_INT(ask(&c, &get, &body, &msg), ERR_CORRUPT);
	CHECK_INT(ask(&c, &get, &body, &msg), ERR_LIMIT);
	x.body = &body;
	CHECK_INT(client_exchange(&c, &x, &msg), ERR_TIMEOUT);
	CHECK(strstr(msg.text, ": no answer in time"));
	client_done(&c);
	buf_done(&body);
	stop(&s);
}

TEST(an_address_that_leads_nowhere)
{
	struct errmsg msg = { { 0 } };
	struct client c;
	struct buf body;

	buf_init(&body, 1000);
	client_init(&c, "unix:///nowhere/at/all.sock");
	CHECK_INT(ask(&c, &get, &body, &msg), ERR_NOT_FOUND);
	CHECK_STR(msg.text, "unix:///nowhere/at/all.sock: no such file");
	client_init(&c, "ssh://me");
	CHECK(ask(&c, &get, &body, &msg) < 0);
	client_init(&c, "tcp://name:1");
	CHECK_INT(ask(&c, &get, &body, &msg), ERR_UNSUPPORTED);
	buf_done(&body);
}
