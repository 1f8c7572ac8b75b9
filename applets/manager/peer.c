/* Contracts and layout are in peer.h. */
#include "applets/manager/peer.h"
#include <assert.h>
#include <string.h>
#include "base/bytes.h"
#include "base/err.h"

enum { FIXED = 1 + 8 + 2 + 1 + REQUEST_ID_LEN, PARTS = 5 };

static void put(struct buf *out, unsigned n, uint64_t value)
{
	uint8_t bytes[8];

	bytes_put(bytes, n, value);
	buf_add(out, bytes, n);
}

void peer_build(struct buf *out, const struct peer_message *m)
{
	const struct slice parts[PARTS] = { m->method, m->target, m->type, m->headers, m->body };

	assert(m->kind >= PEER_RAFT && m->kind <= PEER_KIND_LAST);
	put(out, 1, m->kind);
	if (m->kind == PEER_RAFT) {
		buf_add_slice(out, m->body);
		return;
	}
	put(out, 8, m->id);
	put(out, 2, (uint64_t)m->status);
	put(out, 1, m->more ? 1 : 0);
	buf_add(out, m->uid.bytes, REQUEST_ID_LEN);
	for (int i = 0; i < PARTS; i++) {
		put(out, 4, parts[i].len);
		buf_add_slice(out, parts[i]);
	}
}

static int take(struct slice *rest, struct slice *part)
{
	uint32_t n;

	if (rest->len < 4)
		return ERR_CORRUPT;
	n = bytes_get_u32(rest->data);
	if (rest->len - 4 < n)
		return ERR_CORRUPT;
	*part = (struct slice){ rest->data + 4, n };
	*rest = (struct slice){ rest->data + 4 + n, rest->len - 4 - n };
	return 0;
}

int peer_parse(struct slice bytes, struct peer_message *m)
{
	struct peer_message p = { 0 };
	struct slice *const parts[PARTS] = { &p.method, &p.target, &p.type, &p.headers, &p.body };
	struct slice rest;

	if (bytes.len == 0 || bytes.data[0] < PEER_RAFT || bytes.data[0] > PEER_KIND_LAST)
		return ERR_CORRUPT;
	p.kind = (enum peer_kind)bytes.data[0];
	rest = (struct slice){ bytes.data + 1, bytes.len - 1 };
	if (p.kind == PEER_RAFT) {
		p.body = rest;
		*m = p;
		return 0;
	}
	if (bytes.len < FIXED)
		return ERR_CORRUPT;
	p.id = bytes_get_u64(bytes.data + 1);
	p.status = (int)bytes_get(bytes.data + 9, 2);
	if (bytes.data[11] & ~1)
		return ERR_CORRUPT;
	p.more = bytes.data[11];
	memcpy(p.uid.bytes, bytes.data + 12, REQUEST_ID_LEN);
	rest = (struct slice){ bytes.data + FIXED, bytes.len - FIXED };
	for (int i = 0; i < PARTS; i++) {
		if (take(&rest, parts[i]) < 0)
			return ERR_CORRUPT;
	}
	if (rest.len > 0)
		return ERR_CORRUPT;
	*m = p;
	return 0;
}
