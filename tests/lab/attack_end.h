/* attack_end.h - one end of a connection with a cluster port, in the hands of somebody who means
 * harm: blocking, with any certificate or none. I/O. */
#ifndef SB_TESTS_LAB_ATTACK_END_H
#define SB_TESTS_LAB_ATTACK_END_H
#include <stdint.h>
#include "applets/manager/main_trust.h"
#include "codec/frames.h"
#include "crypt/tls.h"

enum { END_WAIT_MS = 15000, END_TEXT_MAX = 8 << 20 };

/* Who is attacked, and as whom. */
struct attacker {
	uint32_t address;
	uint16_t port;
	struct tls_anchor anchor;		/* the swarm's authority */
	const struct tls_identity *identity;	/* NULL: no certificate */
};

/* What came. */
enum heard { HEARD_FRAME, HEARD_CLOSED, HEARD_NOTHING };

struct end {
	int fd;
	struct tls tls;
	struct frames frames;
	struct buf in;		/* bytes of frames, not cut yet from at on */
	size_t at;
	char buffer[TLS_BUFFER_FULL];
};

uint64_t end_now_ms(void);
/* A connected socket, or -1. */
int end_socket(const struct attacker *a);
/* Connects and shakes hands. HEARD_FRAME: it is open. HEARD_NOTHING: not within END_WAIT_MS. */
enum heard end_open(struct end *e, const struct attacker *a);
/* After any end_open. */
void end_close(struct end *e);
/* Bytes as they are, beside TLS. */
void end_send_raw(struct end *e, struct slice bytes);
/* Bytes in TLS, outside of frames. */
void end_send_text(struct end *e, struct slice text);
/* What TLS has to say now. */
void end_push(struct end *e);
/* One frame; kind '\0': body is all of it. */
void end_say(struct end *e, char kind, struct slice body);
/* The next frame within wait_ms; body is borrowed until the next call. */
enum heard end_hear(struct end *e, int wait_ms, struct slice *body);
#endif
