/*
 * Snapshots. Contracts are in private.h and step.h. A file is Raft's meta, then the state. To a
 * follower only the state is sent: what stands before it there is the follower's own. It reads the
 * pieces into a second state while they are stored, and takes it when all of it is durable.
 */
#include <assert.h>
#include <string.h>
#include "applets/manager/private.h"
#include "base/mem.h"

enum {
	WANTED_MS = 2000,	/* the same, when a follower waits for one */
	RETRY_MS = 60000,	/* one takes the whole state to the disk, and failed */
	/* Raft's meta, filled up with zeros: so the state begins at the same place in each file. */
	META_LEN = 2048,
	/* Log that comes until the next snapshot is at least a quarter of the last one, so that a
	 * large state is not written over and over, but not more than is kept in memory. */
	LOG_SHARE = 4,
	LOG_BYTES_MOST = 16 << 20,
};

void install_init(struct manager *m)
{
	buf_init(&m->install.head, META_LEN);
}

static void incoming_end(struct install *in)
{
	if (in->meta.index == 0)
		return;
	if (in->loading)
		(void)state_load_end(&in->loader, NULL);	/* what it holds is given up */
	in->loading = 0;
	state_done(&in->state);
	in->meta = (struct raft_snapshot){ 0 };
}

void install_done(struct manager *m)
{
	incoming_end(&m->install);
	if (m->loading)
		(void)state_load_end(&m->loader, NULL);
	buf_done(&m->install.head);
}

/* ---- recovery ------------------------------------------------------------------- */

static void meta_build(struct buf *out, const struct raft_snapshot *meta)
{
	static const char zeros[META_LEN];

	raft_snapshot_build(out, meta);
	assert(out->len <= META_LEN);
	buf_add(out, zeros, META_LEN - out->len);
}

int manager_recover_snapshot(struct manager *m, struct slice piece, struct errmsg *msg)
{
	struct install *in = &m->install;
	struct raft_snapshot meta;
	struct slice bytes;
	size_t n;

	in->saved_bytes += piece.len;
	if (m->loading)
		return state_load_feed(&m->loader, piece, msg);
	n = META_LEN - in->head.len < piece.len ? META_LEN - in->head.len : piece.len;
	buf_add(&in->head, piece.data, n);
	if (in->head.len < META_LEN)
		return 0;
	bytes = buf_slice(&in->head);
	if (raft_snapshot_parse(&bytes, &meta) < 0)
		return errmsg_set(msg, ERR_CORRUPT,
				  "snapshot: not in a form this version knows");
	raft_load_snapshot(&m->raft, &meta);
	m->loading = 1;
	state_load_begin(&m->loader, &m->state);
	return state_load_feed(&m->loader, (struct slice){ piece.data + n, piece.len - n }, msg);
}

int manager_recovered(struct manager *m, struct errmsg *msg)
{
	int err;

	if (m->install.head.len > 0 && !m->loading)
		return errmsg_set(msg, ERR_CORRUPT, "snapshot: too short");
	if (!m->loading)
		return 0;
	m->loading = 0;
	err = state_load_end(&m->loader, msg);
	if (err == 0 && m->state.applied != m->raft.snapshot_index)
		err = errmsg_set(msg, ERR_CORRUPT, "its state is of another entry than it says");
	return err < 0 ? errmsg_prefix(msg, ERR_CORRUPT, "snapshot") : 0;
}

/* ---- our own -------------------------------------------------------------------- */

/* Up to a quarter more: managers that have the same log do not all save it at the same entry, as
 * each write to most of them would then be slow at once. */
static uint64_t spread(const struct manager *m, uint64_t n)
{
	return n + n / 64 * (m->raft.id % 16);
}

static uint64_t log_bytes_max(const struct manager *m)
{
	uint64_t share = m->install.saved_bytes / LOG_SHARE;

	if (share < MANAGER_LOG_BYTES_MAX)
		share = MANAGER_LOG_BYTES_MAX;
	return spread(m, share < LOG_BYTES_MOST ? share : LOG_BYTES_MOST);
}

/* So many entries of a state that is much larger than they are do not count. */
static uint64_t log_entries_max(const struct manager *m)
{
	uint64_t share = m->install.saved_bytes / 512;

	if (m->config->snapshot_entries)
		return m->config->snapshot_entries;
	return spread(m, share < MANAGER_LOG_ENTRIES_MAX ? MANAGER_LOG_ENTRIES_MAX : share);
}

void install_save(struct step *s)
{
	struct manager *m = s->m;
	struct install *in = &m->install;
	struct raft_snapshot meta;
	struct effect *x;

	if (s->ev->now_ms < in->retry_ms || in->saving_index || in->meta.index)
		return;
	if (m->disk_error || m->raft.commit <= m->raft.snapshot_index)
		return;
	if (!in->unreadable && m->raft.tail_bytes < log_bytes_max(m) &&
	    raft_tail_count(&m->raft) < log_entries_max(m))
		return;
	in->unreadable = 0;
	assert(m->state.applied == m->raft.commit);
	raft_snapshot_meta(&m->raft, &meta);
	in->saving_index = meta.index;
	x = effects_add(s->fx, EFFECT_SNAPSHOT_SAVE, meta.index);
	x->wal_keep = meta.wal_keep;
}

int manager_snapshot(const struct manager *m, struct sink *sink)
{
	struct raft_snapshot meta;
	struct buf head;
	int err;

	raft_snapshot_meta(&m->raft, &meta);
	buf_init(&head, META_LEN);
	meta_build(&head, &meta);
	err = sink->put(sink->context, buf_slice(&head));
	buf_done(&head);
	return err < 0 ? err : state_save(&m->state, sink);
}

void install_saved(struct step *s)
{
	struct install *in = &s->m->install;

	if (in->saving_index != s->ev->id)
		return;
	raft_compact(&s->m->raft, in->saving_index);
	in->saving_index = 0;
	in->saved_bytes = s->ev->offset;
}

void install_failed(struct step *s)
{
	struct install *in = &s->m->install;

	in->saving_index = 0;
	in->retry_ms = s->ev->now_ms + RETRY_MS;
	effects_log(s->fx, LOG_ERROR, "no snapshot could be saved: %.*s",
		    SLICE_ARGS(s->ev->text));
}

/* ---- for followers --------------------------------------------------------------- */

void install_want(struct step *s, const struct raft_want *want)
{
	struct effect *x = effects_add(s->fx, EFFECT_SNAPSHOT_READ, want->peer);

	x->index = want->index;
	x->offset = want->offset + META_LEN;
}

void install_read(struct step *s)
{
	const struct event *ev = s->ev;

	struct raft_want want = { .peer = ev->id, .index = ev->index,
				  .offset = ev->offset - META_LEN };
	struct slice nothing = { 0 };
	int failed = ev->status < 0;

	assert(ev->offset >= META_LEN);
	if (failed && ev->index == s->m->raft.snapshot_index && !s->m->install.unreadable) {
		s->m->install.unreadable = 1;
		if (s->m->install.retry_ms > ev->now_ms + WANTED_MS)
			s->m->install.retry_ms = ev->now_ms + WANTED_MS;
	}
	raft_piece(&s->m->raft, &want, failed ? nothing : ev->body, failed || ev->more,
		   step_update(s));
	step_take(s);
}

/* ---- from the leader ------------------------------------------------------------- */

void install_drop(struct step *s)
{
	incoming_end(&s->m->install);
}

static void store(struct step *s, const struct raft_message *piece, struct slice body)
{
	struct install *in = &s->m->install;
	struct effect *x = effects_add(s->fx, EFFECT_SNAPSHOT_STORE, in->meta.index);

	x->offset = piece->offset ? piece->offset + META_LEN : 0;
	x->more = piece->more;
	x->wal_keep = in->meta.wal_keep;
	x->body = arena_copy(&s->fx->arena, body);
	x->index = piece->offset + piece->data.len;
}

static void begin(struct step *s, const struct raft_message *piece, struct buf *head)
{
	struct install *in = &s->m->install;

	incoming_end(in);
	raft_install_meta(&s->m->raft, piece, &in->meta);
	meta_build(head, &in->meta);
	state_init(&in->state);
	in->loading = 1;
	state_load_begin(&in->loader, &in->state);
}

void install_piece(struct step *s, const struct raft_message *piece)
{
	struct install *in = &s->m->install;
	struct errmsg msg = { { 0 } };
	struct buf bytes;
	int err;

	buf_init(&bytes, META_LEN + RAFT_PIECE_MAX);
	if (piece->offset == 0)
		begin(s, piece, &bytes);
	if (in->meta.index != piece->index || !in->loading) {
		raft_not_stored(&s->m->raft);
		buf_done(&bytes);
		return;
	}
	buf_add_slice(&bytes, piece->data);
	err = state_load_feed(&in->loader, piece->data, &msg);
	if (err == 0 && !piece->more) {
		in->loading = 0;
		err = state_load_end(&in->loader, &msg);
	}
	if (err == 0 && !piece->more && in->state.applied != piece->index)
		err = errmsg_set(&msg, ERR_CORRUPT, "its state is of another entry");
	if (err < 0) {
		effects_log(s->fx, LOG_ERROR, "the leader's snapshot does not parse: %s", msg.text);
		raft_not_stored(&s->m->raft);
		incoming_end(in);
	} else {
		store(s, piece, buf_slice(&bytes));
	}
	buf_done(&bytes);
}

/* The new state is ours. */
static void take_over(struct step *s)
{
	struct manager *m = s->m;
	struct install *in = &m->install;
	struct raft_snapshot meta = in->meta;

	state_done(&m->state);
	m->state = in->state;
	api_watch(&m->api, &m->state);
	in->meta = (struct raft_snapshot){ 0 };
	in->saved_bytes = s->ev->index;
	assert(m->state.applied == meta.index);
	effects_log(s->fx, LOG_INFO, "took over the leader's state at entry %llu",
		    (unsigned long long)meta.index);
	raft_installed(&m->raft, &meta, step_update(s));
	step_take(s);
}

void install_stored(struct step *s)
{
	struct install *in = &s->m->install;

	if (in->meta.index != s->ev->id)
		return;		/* overtaken */
	if (s->ev->status < 0) {
		effects_log(s->fx, LOG_ERROR, "the leader's snapshot cannot be stored: %.*s",
			    SLICE_ARGS(s->ev->text));
		raft_not_stored(&s->m->raft);
		incoming_end(in);
	} else if (!s->ev->more) {
		take_over(s);
	} else {
		raft_stored(&s->m->raft, in->meta.index, s->ev->index, step_update(s));
		step_take(s);
	}
}
