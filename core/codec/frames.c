/*
 * Contracts are in frames.h. A frame that lies whole in what came is lent from there; only
 * one that is cut is put together here, and of that never more is reserved than has come: a
 * length is a claim.
 */
#include "codec/frames.h"
#include <assert.h>
#include <string.h>
#include "base/bytes.h"

static const char magic[4] = { 'S', 'W', 'B', 'X' };
static const char agent_magic[4] = { 'S', 'W', 'A', 'G' };
static const char enrol_magic[ENROL_HEAD] = { 'S', 'W', 'C', 'R' };

void frames_init(struct frames *f, uint32_t max)
{
	buf_init(&f->held, (size_t)UINT32_MAX + FRAMES_HEAD);
	f->max = max;
}

void frames_done(struct frames *f)
{
	buf_done(&f->held);
}

void frames_set_max(struct frames *f, uint32_t max)
{
	f->max = max;
}

static void hold(struct frames *f, struct slice *in, size_t n)
{
	if (n > in->len)
		n = in->len;
	buf_add(&f->held, in->data, n);
	in->data += n;
	in->len -= n;
}

/* The frame that was handed out last, if it was one put together here. */
static void drop_last(struct frames *f)
{
	if (f->held.len < FRAMES_HEAD ||
	    f->held.len - FRAMES_HEAD < bytes_get_u32(f->held.data))
		return;
	if (f->held.len > FRAMES_KEEP)
		buf_done(&f->held);
	else
		buf_reset(&f->held);
}

int frames_next(struct frames *f, struct slice *in, struct slice *body)
{
	size_t n;

	drop_last(f);
	if (f->held.len == 0 && in->len >= FRAMES_HEAD) {
		n = bytes_get_u32(in->data);
		if (n > f->max)
			return ERR_LIMIT;
		if (n <= in->len - FRAMES_HEAD) {
			*body = (struct slice){ in->data + FRAMES_HEAD, n };
			in->data += FRAMES_HEAD + n;
			in->len -= FRAMES_HEAD + n;
			return 1;
		}
	}
	if (f->held.len < FRAMES_HEAD)
		hold(f, in, FRAMES_HEAD - f->held.len);
	if (f->held.len < FRAMES_HEAD)
		return 0;
	n = bytes_get_u32(f->held.data);
	if (n > f->max)
		return ERR_LIMIT;
	hold(f, in, FRAMES_HEAD + n - f->held.len);
	if (f->held.len < FRAMES_HEAD + n)
		return 0;
	*body = (struct slice){ f->held.data + FRAMES_HEAD, n };
	return 1;
}

void frames_add(struct buf *out, struct slice body)
{
	frames_add_two(out, (struct slice){ NULL, 0 }, body);
}

void frames_add_two(struct buf *out, struct slice head, struct slice body)
{
	size_t len = head.len + body.len;
	char *to;

	assert(body.len <= UINT32_MAX - head.len);
	to = buf_reserve(out, FRAMES_HEAD + len);
	if (!to)
		return;
	bytes_put(to, FRAMES_HEAD, len);
	if (head.len)
		memcpy(to + FRAMES_HEAD, head.data, head.len);
	if (body.len)
		memcpy(to + FRAMES_HEAD + head.len, body.data, body.len);
	out->len += FRAMES_HEAD + len;
}

void hello_build(uint8_t out[HELLO_LEN], const struct hello *h)
{
	memcpy(out, magic, 4);
	bytes_put(out + 4, 4, HELLO_VERSION);
	bytes_put(out + 8, 8, h->id);
	bytes_put(out + 16, 8, h->boot);
	bytes_put(out + 24, 8, h->turn);
}

int hello_parse(struct slice body, struct hello *h)
{
	uint32_t version;

	if (body.len < 8 || memcmp(body.data, magic, 4) != 0)
		return ERR_CORRUPT;
	version = bytes_get_u32(body.data + 4);
	if (version != HELLO_VERSION) {
		h->version = version;
		return ERR_UNSUPPORTED;
	}
	if (body.len < HELLO_LEN || bytes_get_u64(body.data + 8) == 0)
		return ERR_CORRUPT;
	*h = (struct hello){
		.version = version,
		.id = bytes_get_u64(body.data + 8),
		.boot = bytes_get_u64(body.data + 16),
		.turn = bytes_get_u64(body.data + 24),
	};
	return 0;
}

void agent_hello_build(uint8_t out[AGENT_LEN])
{
	memcpy(out, agent_magic, 4);
	bytes_put(out + 4, 4, AGENT_VERSION);
}

int agent_hello_parse(struct slice body, uint32_t *version)
{
	if (body.len < AGENT_LEN || memcmp(body.data, agent_magic, 4) != 0)
		return ERR_CORRUPT;
	*version = bytes_get_u32(body.data + 4);
	return *version == AGENT_VERSION ? 0 : ERR_UNSUPPORTED;
}

void enrol_build(struct buf *out, struct slice request)
{
	buf_add(out, enrol_magic, sizeof(enrol_magic));
	buf_add_slice(out, request);
}

int enrol_parse(struct slice body, struct slice *request)
{
	if (body.len < ENROL_HEAD || memcmp(body.data, enrol_magic, ENROL_HEAD) != 0)
		return 0;
	*request = (struct slice){ body.data + ENROL_HEAD, body.len - ENROL_HEAD };
	return 1;
}

void enrol_answer_build(struct buf *out, int status, struct slice answer)
{
	uint8_t head[ENROL_ANSWER_HEAD];

	bytes_put(head, sizeof(head), (uint64_t)status);
	buf_add(out, head, sizeof(head));
	buf_add_slice(out, answer);
}

int enrol_answer_parse(struct slice body, int *status, struct slice *answer)
{
	if (body.len < ENROL_ANSWER_HEAD)
		return ERR_CORRUPT;
	*status = (int)bytes_get(body.data, ENROL_ANSWER_HEAD);
	*answer = (struct slice){ body.data + ENROL_ANSWER_HEAD, body.len - ENROL_ANSWER_HEAD };
	return 0;
}
