/* Contracts are in attack_end.h. A socket that no longer takes bytes is one that was closed. */
#include "attack_end.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "io/clock.h"
#include "io/entropy.h"

uint64_t end_now_ms(void)
{
	return clock_now_ms();
}

int end_socket(const struct attacker *a)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(a->port),
				  .sin_addr.s_addr = htonl(a->address) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 &&
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

void end_send_raw(struct end *e, struct slice bytes)
{
	while (bytes.len) {
		ssize_t n = send(e->fd, bytes.data, bytes.len, MSG_NOSIGNAL);

		if (n <= 0)
			return;
		bytes.data += n;
		bytes.len -= (size_t)n;
	}
}

void end_push(struct end *e)
{
	struct slice out;

	while ((out = tls_out(&e->tls)).len) {
		end_send_raw(e, out);
		tls_sent(&e->tls, out.len);
	}
}

void end_send_text(struct end *e, struct slice text)
{
	while (text.len && tls_error(&e->tls, NULL) == 0) {
		size_t n = tls_write(&e->tls, text);

		text.data += n;
		text.len -= n;
		tls_flush(&e->tls);
		end_push(e);
	}
}

void end_say(struct end *e, char kind, struct slice body)
{
	struct buf out;

	buf_init(&out, END_TEXT_MAX);
	if (kind)
		frames_add_two(&out, (struct slice){ &kind, 1 }, body);
	else
		frames_add(&out, body);
	end_send_text(e, buf_slice(&out));
	buf_done(&out);
}

/* Bytes that come are taken. HEARD_FRAME: some have. */
static enum heard take(struct end *e, uint64_t end_ms)
{
	uint64_t now_ms = end_now_ms();
	struct pollfd p = { .fd = e->fd, .events = POLLIN };
	char bytes[16384];
	struct slice in = { bytes, 0 }, text;
	ssize_t n;

	if (now_ms >= end_ms || poll(&p, 1, (int)(end_ms - now_ms)) != 1)
		return HEARD_NOTHING;
	n = recv(e->fd, bytes, sizeof(bytes), 0);
	if (n <= 0)
		return HEARD_CLOSED;
	in.len = (size_t)n;
	while (in.len && tls_error(&e->tls, NULL) == 0) {
		size_t taken = tls_feed(&e->tls, in);

		in.data += taken;
		in.len -= taken;
		while ((text = tls_read(&e->tls)).len) {
			buf_add_slice(&e->in, text);
			tls_taken(&e->tls, text.len);
		}
		end_push(e);
	}
	return tls_error(&e->tls, NULL) < 0 ? HEARD_CLOSED : HEARD_FRAME;
}

enum heard end_open(struct end *e, const struct attacker *a)
{
	struct tls_config c = { .identity = a->identity, .anchors = &a->anchor,
				.anchor_count = 1, .now_s = clock_wall_ns() / 1000000000 };
	uint64_t end_ms = end_now_ms() + END_WAIT_MS;
	enum heard heard = HEARD_FRAME;

	entropy_fill(c.seed, sizeof(c.seed));
	frames_init(&e->frames, END_TEXT_MAX);
	buf_init(&e->in, 2 * END_TEXT_MAX);
	e->at = 0;
	tls_init_client(&e->tls, &c, e->buffer, sizeof(e->buffer));
	e->fd = end_socket(a);
	if (e->fd < 0)
		return HEARD_CLOSED;
	end_push(e);
	while (heard == HEARD_FRAME && !tls_is_open(&e->tls))
		heard = take(e, end_ms);
	return heard;
}

void end_close(struct end *e)
{
	if (e->fd >= 0)
		close(e->fd);
	tls_done(&e->tls);
	frames_done(&e->frames);
	buf_done(&e->in);
}

enum heard end_hear(struct end *e, int wait_ms, struct slice *body)
{
	uint64_t end_ms = end_now_ms() + (uint64_t)wait_ms;
	enum heard heard = HEARD_FRAME;

	while (heard == HEARD_FRAME) {
		struct slice in = { e->in.data + e->at, e->in.len - e->at };
		int got = in.len ? frames_next(&e->frames, &in, body) : 0;

		e->at = e->in.len - in.len;
		if (got == 1)
			return HEARD_FRAME;
		buf_reset(&e->in);
		e->at = 0;
		heard = got < 0 ? HEARD_CLOSED : take(e, end_ms);
	}
	return heard;
}
