/* frames.h - messages in a stream of bytes, and the hello that managers begin with. Pure.
 *
 *	frame	length u32, that many bytes
 *	hello	"SWBX", version u32, id u64, boot u64, turn u64	(the first frame each way)
 *	agent	"SWAG", version u32	(the first frame of a node's agent)
 *	enrol	"SWCR", what is asked	(the first frame of one that wants a certificate)
 *	answer	status u16, what is said to that
 *
 * Little endian. What a later version appends to a hello is ignored; what it must not
 * be ignored, raises the version.
 */
#ifndef SB_CODEC_FRAMES_H
#define SB_CODEC_FRAMES_H
#include <stdint.h>
#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

enum {
	FRAMES_HEAD = 4,
	FRAMES_KEEP = 64 << 10,		/* memory kept for the next frame that comes in parts */
	HELLO_VERSION = 2,
	HELLO_LEN = 32,
	HELLO_MAX = 256,		/* of a later version's */
	AGENT_VERSION = 1,
	AGENT_LEN = 8,
	ENROL_HEAD = 4,
	ENROL_ANSWER_HEAD = 2,
	GREETING_MAX = 4096,		/* of a first frame: a request and a token in JSON */
};

/* The reading end. Memory: the one frame that has come in part, no more than came. */
struct frames {
	struct buf held;	/* private, as the rest */
	uint32_t max;
};

/* max: of a frame's body. */
void frames_init(struct frames *f, uint32_t max);
void frames_done(struct frames *f);
/* From the next frame on. */
void frames_set_max(struct frames *f, uint32_t max);
/*
 * The next whole frame. 1: *body is it, borrowed until the next call or until the bytes of *in
 * go; *in is what follows. 0: all of *in is taken and more is needed. ERR_LIMIT: a frame over
 * max; the stream cannot be read any further.
 */
int frames_next(struct frames *f, struct slice *in, struct slice *body);
/* The writing end; body.len fits in 32 bits. */
void frames_add(struct buf *out, struct slice body);
/* One frame of two parts. */
void frames_add_two(struct buf *out, struct slice head, struct slice body);

/* How a manager begins: the one that was dialed, then the one that dialed, then the first
 * again, which makes the connection theirs (io/peers.h). */
struct hello {
	uint32_t version;
	uint64_t id;		/* raft id, not 0 */
	uint64_t boot;		/* drawn by a process when it starts */
	uint64_t turn;		/* counts the process' decisions for a connection */
};

/* As one frame's body, of HELLO_VERSION. */
void hello_build(uint8_t out[HELLO_LEN], const struct hello *h);
/* ERR_CORRUPT: no hello. ERR_UNSUPPORTED: of another version, which alone is set then. */
int hello_parse(struct slice body, struct hello *h);

/* How an agent begins, as one frame's body, of AGENT_VERSION. */
void agent_hello_build(uint8_t out[AGENT_LEN]);
/* ERR_CORRUPT: no agent. ERR_UNSUPPORTED: of another version, which is set then. */
int agent_hello_parse(struct slice body, uint32_t *version);

/* A request for a certificate and what is said to it, as frames' bodies. */
void enrol_build(struct buf *out, struct slice request);
void enrol_answer_build(struct buf *out, int status, struct slice answer);
/* 1 if it is one; *request is borrowed from body. */
int enrol_parse(struct slice body, struct slice *request);
/* 0; *answer is borrowed. ERR_CORRUPT: it is too short. */
int enrol_answer_parse(struct slice body, int *status, struct slice *answer);
#endif
