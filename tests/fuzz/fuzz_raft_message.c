/* Messages between managers. The input is taken as one message: what is accepted is written back
 * byte for byte. Then as a list (from u8, length u16, bytes) that a Raft of three receives, with
 * the disk, the clock, the state and the connections moving between them as `from` says; whatever
 * comes, it goes on, and does what it must: numbers its records, commits in order, never turns
 * back. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/bytes.h"
#include "raft/raft.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct node {
	struct raft raft;
	struct raft_update u;
	struct arena arena;
	uint64_t written, commit, term;
	struct raft_snapshot in;	/* a snapshot that comes in; index 0 = none */
};

static void must(int ok)
{
	if (!ok)
		abort();
}

static void message_again(struct slice in)
{
	struct raft_message m;
	struct arena a;
	struct buf b;

	arena_init(&a);
	buf_init(&b, RAFT_MESSAGE_MAX);
	if (raft_message_parse(&a, in, &m) == 0) {
		raft_message_build(&b, &m);
		must(slice_equal(buf_slice(&b), in));
	}
	buf_done(&b);
	arena_done(&a);
}

/* The update, and what must hold after each call. */
static void take(struct node *n)
{
	struct raft *r = &n->raft;

	for (struct raft_append *a = n->u.append; a; a = a->next) {
		struct raft_record record;

		must(a->number == ++n->written);
		must(raft_record_parse(a->body, &record) == 0);
	}
	for (struct raft_send *s = n->u.send; s; s = s->next) {
		struct buf b;

		must(s->message.to != r->id && s->message.to != 0);
		buf_init(&b, RAFT_MESSAGE_MAX);
		raft_message_build(&b, &s->message);
		must(!b.failed);
		buf_done(&b);
	}
	for (uint32_t i = 0; i < n->u.committed_count; i++)
		must(n->u.committed[i].index == ++n->commit);
	must(r->commit == n->commit && r->hard.term >= n->term);
	must(r->record_last == n->written && r->snapshot_index <= r->commit);
	must(r->role != RAFT_LEADER || r->leader == r->id);
	n->term = r->hard.term;
	if (n->u.piece_drop)
		n->in.index = 0;
	if (n->u.piece && n->u.piece->offset == 0)
		raft_install_meta(r, n->u.piece, &n->in);
	if (n->u.piece && n->u.piece->more) {
		raft_stored(r, n->u.piece->index, n->u.piece->offset + n->u.piece->data.len, &n->u);
		take(n);
	} else if (n->u.piece) {
		must(n->in.index > n->commit && n->in.wal_keep <= r->durable + 1);
		n->commit = n->in.index;
		raft_installed(r, &n->in, &n->u);
		take(n);
	}
}

static void compact(struct node *n)
{
	struct raft_snapshot s;

	if (n->raft.commit == 0)
		return;
	raft_snapshot_meta(&n->raft, &s);
	raft_compact(&n->raft, s.index);
}

static void wants_answer(struct node *n)
{
	struct raft_want *wants = n->u.want;

	for (struct raft_want *w = wants; w; w = w->next) {
		raft_piece(&n->raft, w, SLICE("piece"), w->offset < 10, &n->u);
		take(n);
	}
}

/* What happens beside messages. */
static void other(struct node *n, unsigned what)
{
	struct raft *r = &n->raft;
	uint64_t number;

	n->u.now_ms += what;
	switch (what % 12) {
	case 0: case 1: case 2:
		raft_persisted(r, r->record_last, &n->u);
		break;
	case 3:
		n->u.now_ms = r->deadline_ms > n->u.now_ms ? r->deadline_ms : n->u.now_ms;
		raft_tick(r, &n->u);
		break;
	case 4:
		(void)raft_propose(r, SLICE("data"), &number, &n->u);
		break;
	case 5:
		raft_flush(r, &n->u);
		take(n);
		wants_answer(n);
		return;
	case 6:
		raft_peer_down(r, what % 4, &n->u);
		break;
	case 7:
		raft_peer_up(r, what % 4, &n->u);
		break;
	case 8:
		compact(n);
		return;
	case 9:
		(void)raft_read(r, &number, &n->u);
		break;
	case 10:
		(void)raft_transfer(r, what % 4, &n->u);
		break;
	case 11:
		if (what != 251)
			return;
		raft_disk_failed(r, &n->u);
		break;
	}
	take(n);
}

static void node_begin(struct node *n)
{
	static const struct raft_snapshot start = {
		.index = 3, .term = 2, .hard = { 2, 0 }, .wal_keep = 1,
		.config = { .count = 3, .members = { { 1, 1, "" }, { 2, 1, "" }, { 3, 1, "" } } },
	};

	memset(n, 0, sizeof(*n));
	arena_init(&n->arena);
	n->u.arena = &n->arena;
	n->u.now_ms = 1000;
	n->commit = start.index;
	raft_init(&n->raft, 1, 1);
	n->raft.keep_bytes_max = 100;
	raft_load_snapshot(&n->raft, &start);
	must(raft_start(&n->raft, 0, RAFT_JOIN, "", &n->u) == 0);
	take(n);
}

static void receive(struct node *n, uint64_t from, struct slice bytes)
{
	struct raft_message m;
	struct arena a;

	arena_init(&a);
	if (raft_message_parse(&a, bytes, &m) == 0) {
		raft_receive(&n->raft, from, &m, &n->u);
		take(n);
	}
	arena_done(&a);
}

static void run(struct slice in)
{
	struct node n;

	node_begin(&n);
	while (in.len >= 3) {
		size_t len = bytes_get(in.data + 1, 2);
		unsigned from = (uint8_t)in.data[0];

		in = (struct slice){ in.data + 3, in.len - 3 };
		if (len > in.len)
			len = in.len;
		if (from > 4)
			other(&n, from);
		else
			receive(&n, from, (struct slice){ in.data, len });
		in = (struct slice){ in.data + len, in.len - len };
		arena_reset(&n.arena);
	}
	raft_done(&n.raft);
	arena_done(&n.arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = { (const char *)data, size };

	message_again(in);
	run(in);
	return 0;
}
