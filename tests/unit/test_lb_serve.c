/* The lb process itself, in a child: netmap file in, connections through. */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "applets/lb/main.h"
#include "base/buf.h"
#include "io/file.h"
#include "io/sock.h"
#include "unit.h"

enum { LOCALHOST = 0x7f000001, BACKENDS = 3 };

struct stage {
	char folder[32];
	char map[64];
	pid_t pid;
	int backend[BACKENDS];		/* listeners, or -1 */
	uint16_t backend_port[BACKENDS];
	uint16_t port;			/* published */
};

static uint16_t next_port = 31000;

static int listen_somewhere(uint16_t *port)
{
	int fd = -1;

	while (fd < 0 && next_port < 39000)
		fd = sock_listen_tcp(LOCALHOST, *port = ++next_port, NULL);
	if (fd < 0)
		abort();
	return fd;
}

static int bind_somewhere(uint16_t *port)
{
	int fd = -1;

	while (fd < 0 && next_port < 39000)
		fd = sock_bind_udp(LOCALHOST, *port = ++next_port, NULL);
	if (fd < 0)
		abort();
	return fd;
}

/* Publishes s->port over the first n backends, and `extra` as another port when not 0. */
static void publish(struct stage *s, int n, uint16_t extra)
{
	struct buf text;

	buf_init(&text, 65536);
	buf_printf(&text, "{\"ports\":[{\"protocol\":\"tcp\",\"published\":%u,\"service\":\"web\","
		"\"backends\":[", s->port);
	for (int i = 0; i < n; i++)
		buf_printf(&text, "%s{\"task\":\"t%d\",\"address\":\"127.0.0.1\",\"port\":%u}",
			i ? "," : "", i, s->backend_port[i]);
	buf_add_str(&text, "]}");
	if (extra)
		buf_printf(&text, ",{\"protocol\":\"tcp\",\"published\":%u,\"service\":\"x\","
			"\"backends\":[]}", extra);
	buf_add_str(&text, "]}");
	if (file_write(s->map, buf_slice(&text), 0644, FILE_VOLATILE, NULL) < 0)
		abort();
	buf_done(&text);
}

static void open_stage(struct stage *s, int backends)
{
	int probe;

	memset(s, 0, sizeof(*s));
	snprintf(s->folder, sizeof(s->folder), "/tmp/lb-XXXXXX");
	if (!mkdtemp(s->folder))
		abort();
	snprintf(s->map, sizeof(s->map), "%s/netmap.json", s->folder);
	for (int i = 0; i < BACKENDS; i++)
		s->backend[i] = listen_somewhere(&s->backend_port[i]);
	probe = listen_somewhere(&s->port);
	close(probe);
	publish(s, backends, 0);
	fflush(NULL);
	s->pid = fork();
	if (s->pid == 0) {
		char *argv[] = { "lb", "--netmap", s->map, NULL };

		for (int i = 0; i < BACKENDS; i++)
			close(s->backend[i]);
		if (!freopen("/dev/null", "w", stderr))
			_exit(3);
		_exit(lb_main(3, argv));
	}
}

static int status_of(struct stage *s, struct buf *out)
{
	char path[96];

	snprintf(path, sizeof(path), "%s.status", s->map);
	buf_reset(out);
	return file_read(path, 65536, out, NULL);
}

static int ends(struct stage *s)
{
	int status = -1;

	waitpid(s->pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void close_stage(struct stage *s)
{
	char path[96];

	for (int i = 0; i < BACKENDS; i++)
		if (s->backend[i] >= 0)
			close(s->backend[i]);
	snprintf(path, sizeof(path), "%s.status", s->map);
	unlink(path);
	unlink(s->map);
	rmdir(s->folder);
}

static int readable(int fd, int limit_ms)
{
	struct pollfd p = { fd, POLLIN, 0 };

	return poll(&p, 1, limit_ms) == 1;
}

/* Connects; waits for lb to listen. */
static int dial(uint16_t port)
{
	for (int i = 0; i < 500; i++) {
		int fd = sock_connect_tcp(LOCALHOST, port, NULL);
		struct pollfd p = { fd, POLLOUT, 0 };

		poll(&p, 1, 1000);
		if (fd >= 0 && sock_connected(fd, NULL) == 0)
			return fd;
		close(fd);
		poll(NULL, 0, 10);
	}
	abort();
}

/* The backend at which a connection arrives, its end in *fd; -1 after 3 s. */
static int arrival(struct stage *s, int *fd)
{
	struct pollfd p[BACKENDS];

	for (int i = 0; i < BACKENDS; i++)
		p[i] = (struct pollfd){ s->backend[i], POLLIN, 0 };
	if (poll(p, BACKENDS, 3000) < 1)
		return -1;
	for (int i = 0; i < BACKENDS; i++)
		if (p[i].revents & POLLIN) {
			*fd = sock_accept(s->backend[i]);
			return i;
		}
	return -1;
}

/* One connection with a question and an answer; the backend that gave it, or -1. */
static int ask(struct stage *s)
{
	char data[8] = { 0 };
	int client = dial(s->port), server = -1;
	int who = arrival(s, &server);

	if (who < 0 || send(client, "ask", 3, 0) != 3 || !readable(server, 3000) ||
	    recv(server, data, sizeof(data), 0) != 3 || send(server, "tell", 4, 0) != 4)
		return -1;
	close(server);
	if (!readable(client, 3000) || recv(client, data, sizeof(data), 0) != 4 ||
	    memcmp(data, "tell", 4) != 0)
		return -1;
	if (!readable(client, 3000) || recv(client, data, sizeof(data), 0) != 0)
		return -1;
	close(client);
	return who;
}

TEST(serves_in_turn_and_stops)
{
	struct stage s;

	open_stage(&s, BACKENDS);
	for (int i = 0; i < 9; i++)
		CHECK_INT(ask(&s), i % 3);
	kill(s.pid, SIGTERM);
	CHECK_INT(ends(&s), 0);
	close_stage(&s);
}

TEST(a_dead_backend_costs_nothing)
{
	struct stage s;

	open_stage(&s, BACKENDS);
	CHECK_INT(ask(&s), 0);
	close(s.backend[1]);
	s.backend[1] = -1;
	for (int i = 0; i < 6; i++)
		CHECK_INT(ask(&s), i % 2 ? 0 : 2);
	kill(s.pid, SIGTERM);
	CHECK_INT(ends(&s), 0);
	close_stage(&s);
}

TEST(no_backend_is_a_reset)
{
	struct stage s;
	char c;
	int fd;

	open_stage(&s, 0);
	fd = dial(s.port);
	CHECK(readable(fd, 3000));
	CHECK_INT(recv(fd, &c, 1, 0), -1);
	CHECK_INT(errno, ECONNRESET);
	close(fd);
	kill(s.pid, SIGTERM);
	CHECK_INT(ends(&s), 0);
	close_stage(&s);
}

/* A port that is taken is told of and gets served once it is free; one that went is closed. */
TEST(follows_the_map)
{
	struct stage s;
	struct buf status;
	uint16_t taken_port;
	int taken, fd = -1, i;

	open_stage(&s, BACKENDS);
	taken = listen_somewhere(&taken_port);
	buf_init(&status, 65536);
	CHECK(ask(&s) >= 0);
	publish(&s, 2, taken_port);
	for (i = 0; i < 300; i++) {
		if (status_of(&s, &status) == 0 && strstr(buf_str(&status), "in use"))
			break;
		poll(NULL, 0, 10);
	}
	CHECK(i < 300);
	CHECK(ask(&s) >= 0);
	close(taken);
	for (i = 0; i < 300; i++) {
		if (status_of(&s, &status) == 0 && !strstr(buf_str(&status), "in use"))
			break;
		poll(NULL, 0, 10);
	}
	CHECK(i < 300);
	fd = dial(taken_port);
	close(fd);
	publish(&s, 2, 0);
	for (i = 0; i < 300 && fd >= 0; i++) {
		fd = sock_listen_tcp(LOCALHOST, taken_port, NULL);
		if (fd >= 0) {
			close(fd);
			break;
		}
		fd = 0;
		poll(NULL, 0, 10);
	}
	CHECK(i < 300);
	buf_done(&status);
	kill(s.pid, SIGTERM);
	CHECK_INT(ends(&s), 0);
	close_stage(&s);
}

static void publish_udp(struct stage *s, uint16_t published, const uint16_t *ports, int n)
{
	struct buf text;

	buf_init(&text, 65536);
	buf_printf(&text, "{\"ports\":[{\"protocol\":\"udp\",\"published\":%u,"
		"\"service\":\"dns\",\"backends\":[", published);
	for (int i = 0; i < n; i++)
		buf_printf(&text, "%s{\"task\":\"u%u\",\"address\":\"127.0.0.1\",\"port\":%u}",
			i ? "," : "", ports[i], ports[i]);
	buf_add_str(&text, "]}]}");
	if (file_write(s->map, buf_slice(&text), 0644, FILE_VOLATILE, NULL) < 0)
		abort();
	buf_done(&text);
}

/* Sends until one of the two backends answers; its place, or -1. */
static int ask_udp(int client, const int backend[2])
{
	char data[16];

	for (int i = 0; i < 300; i++) {
		struct pollfd p[2] = { { backend[0], POLLIN, 0 }, { backend[1], POLLIN, 0 } };

		if (send(client, "ask", 3, 0) < 0 && errno != ECONNREFUSED)
			return -1;
		if (poll(p, 2, 10) < 1)
			continue;
		for (int who = 0; who < 2; who++) {
			struct sockaddr_in from;
			socklen_t size = sizeof(from);

			if (!(p[who].revents & POLLIN))
				continue;
			while (recvfrom(backend[who], data, sizeof(data), 0,
				(struct sockaddr *)&from, &size) > 0)
				sendto(backend[who], "tell", 4, 0, (struct sockaddr *)&from, size);
			if (!readable(client, 3000))
				return -1;
			while (recv(client, data, sizeof(data), 0) > 0)
				;
			return who;
		}
	}
	return -1;
}

TEST(datagrams_stay_with_a_backend_until_it_goes)
{
	struct stage s;
	uint16_t port, ports[2];
	int backend[2], client, first, probe;

	open_stage(&s, 0);
	for (int i = 0; i < 2; i++)
		backend[i] = bind_somewhere(&ports[i]);
	probe = bind_somewhere(&port);
	close(probe);
	publish_udp(&s, port, ports, 2);
	client = sock_connect_udp(LOCALHOST, port, NULL);
	first = ask_udp(client, backend);
	CHECK(first >= 0);
	for (int i = 0; i < 3; i++)
		CHECK_INT(ask_udp(client, backend), first);
	/* The other one, once its own is gone from the map; and back when that one dies. */
	publish_udp(&s, port, &ports[1 - first], 1);
	for (int i = 0; i < 100 && ask_udp(client, backend) == first; i++)
		poll(NULL, 0, 10);
	CHECK_INT(ask_udp(client, backend), 1 - first);
	publish_udp(&s, port, ports, 2);
	close(backend[1 - first]);
	backend[1 - first] = -1;
	CHECK_INT(ask_udp(client, backend), first);
	close(client);
	close(backend[first]);
	kill(s.pid, SIGTERM);
	CHECK_INT(ends(&s), 0);
	close_stage(&s);
}

TEST(a_stop_lets_connections_finish)
{
	struct stage s;
	char data[8];
	int client, server = -1, probe, i;

	open_stage(&s, BACKENDS);
	client = dial(s.port);
	CHECK(arrival(&s, &server) >= 0);
	kill(s.pid, SIGTERM);
	for (i = 0; i < 300; i++) {
		probe = sock_listen_tcp(LOCALHOST, s.port, NULL);
		if (probe >= 0)
			break;
		poll(NULL, 0, 10);
	}
	CHECK(i < 300);
	close(probe);
	CHECK_INT(send(client, "ask", 3, 0), 3);
	CHECK(readable(server, 3000));
	CHECK_INT(recv(server, data, sizeof(data), 0), 3);
	CHECK_INT(waitpid(s.pid, NULL, WNOHANG), 0);
	close(server);
	close(client);
	CHECK_INT(ends(&s), 0);
	close_stage(&s);
}
