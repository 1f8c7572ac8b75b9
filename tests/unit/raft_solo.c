/* Contracts are in raft_solo.h. */
#include "raft_solo.h"
#include <string.h>
#include "base/err.h"
#include "unit.h"

enum { TEXT_MAX = 16384 };

/* The numbers in a text, one after the other. */
static int number_next(struct slice *rest, uint64_t *value)
{
	struct slice word = slice_trim(slice_cut(rest, ' '));

	return word.len > 0 && slice_to_u64(word, UINT64_MAX, value) == 0;
}

static void config_of(const char *members, struct raft_config *c)
{
	struct slice rest = slice_of(members);

	*c = (struct raft_config){ 0 };
	while (rest.len > 0) {
		struct slice word = slice_cut(&rest, ' ');
		struct raft_member *m = &c->members[c->count++];

		m->votes = word.data[word.len - 1] != '-';
		word.len -= !m->votes;
		CHECK_INT(slice_to_u64(word, UINT64_MAX, &m->id), 0);
	}
}

static void load(struct solo *s, uint64_t *number, const struct raft_entry *e)
{
	struct buf b;

	buf_init(&b, RAFT_RECORD_MAX);
	raft_entry_build(&b, e);
	CHECK_INT(raft_load_record(&s->raft, ++*number, buf_slice(&b)), 0);
	buf_done(&b);
}

void solo_init(struct solo *s, const char *members, const char *log, uint64_t term, uint64_t vote)
{
	struct slice rest = slice_of(log);
	struct raft_config config;
	uint64_t number = 0;
	struct buf b;

	memset(s, 0, sizeof(*s));
	arena_init(&s->arena);
	buf_init(&s->text, TEXT_MAX);
	s->u.arena = &s->arena;
	s->now = s->u.now_ms = 10000;
	raft_init(&s->raft, 1, 42);
	config_of(members, &config);
	buf_init(&b, RAFT_RECORD_MAX);
	if (config.count)
		raft_config_build(&b, &config);
	for (uint64_t index = 1; rest.len > 0; index++) {
		struct raft_entry e = { .index = index, .kind = RAFT_COMMAND,
					.data = SLICE("x") };

		CHECK(number_next(&rest, &e.term));
		if (index == 1) {
			e.kind = RAFT_CONFIG;
			e.data = buf_slice(&b);
		}
		load(s, &number, &e);
	}
	buf_reset(&b);
	if (term) {
		raft_hard_build(&b, (struct raft_hard){ term, vote });
		CHECK_INT(raft_load_record(&s->raft, ++number, buf_slice(&b)), 0);
	}
	buf_done(&b);
	CHECK_INT(raft_start(&s->raft, number, RAFT_JOIN, "", &s->u), 0);
}

void solo_done(struct solo *s)
{
	raft_done(&s->raft);
	buf_done(&s->text);
	arena_done(&s->arena);
}

/* ---- what it said ------------------------------------------------------------------- */

#define N(x) ((unsigned long long)(x))

static void say_record(struct buf *b, const struct raft_append *a)
{
	struct raft_record r = { 0 };

	CHECK_INT(raft_record_parse(a->body, &r), 0);
	if (r.type == RAFT_RECORD_HARD)
		buf_printf(b, "hard %llu/%llu; ", N(r.hard.term), N(r.hard.vote));
	else
		buf_printf(b, "entry %llu/%llu; ", N(r.entry.index), N(r.entry.term));
}

static void say_append(struct buf *b, const struct raft_message *m)
{
	buf_printf(b, "append %llu %llu/%llu +%u commit %llu", N(m->term), N(m->index),
		   N(m->log_term), m->entry_count, N(m->commit));
}

static void say_message(struct buf *b, const struct raft_message *m)
{
	buf_printf(b, "%llu: ", N(m->to));
	switch (m->type) {
	case RAFT_VOTE:
		buf_printf(b, "vote %llu %llu/%llu", N(m->term), N(m->index), N(m->log_term));
		break;
	case RAFT_VOTE_REPLY:
		buf_printf(b, "%s %llu", m->granted ? "yes" : "no", N(m->term));
		break;
	case RAFT_APPEND:
		say_append(b, m);
		break;
	case RAFT_APPEND_REPLY:
		buf_printf(b, "%s %llu %llu/%llu", m->granted ? "has" : "refuses", N(m->term),
			   N(m->index), N(m->log_term));
		break;
	case RAFT_SNAPSHOT:
		buf_printf(b, "snapshot %llu %llu/%llu %llu+%zu%s", N(m->term), N(m->index),
			   N(m->log_term), N(m->offset), m->data.len, m->more ? "" : " last");
		break;
	case RAFT_SNAPSHOT_REPLY:
		buf_printf(b, "%s %llu %llu %llu", m->granted ? "installed" : "wants", N(m->term),
			   N(m->index), N(m->offset));
		break;
	case RAFT_LEAD_NOW:
		buf_printf(b, "lead %llu", N(m->term));
		break;
	}
	buf_add_str(b, m->pre ? " pre" : "");
	buf_add_str(b, m->transfer ? " transfer" : "");
	if (m->round)
		buf_printf(b, " round %llu", N(m->round));
	buf_add_str(b, "; ");
}

const char *solo_said(struct solo *s)
{
	struct buf *b = &s->text;

	buf_reset(b);
	for (struct raft_append *a = s->u.append; a; a = a->next)
		say_record(b, a);
	for (struct raft_send *m = s->u.send; m; m = m->next)
		say_message(b, &m->message);
	for (struct raft_want *w = s->u.want; w; w = w->next)
		buf_printf(b, "want %llu %llu %llu; ", N(w->peer), N(w->index), N(w->offset));
	if (s->u.piece)
		buf_printf(b, "piece %llu; ", N(s->u.piece->offset));
	if (s->u.piece_drop)
		buf_add_str(b, "drop; ");
	if (s->u.committed_count)
		buf_printf(b, "commit %llu; ", N(s->raft.commit));
	buf_add_str(b, s->u.role_changed ? "role; " : "");
	buf_add_str(b, s->u.config_changed ? "config; " : "");
	if (b->len >= 2)
		b->len -= 2;
	return buf_str(b);
}

/* ---- calls ------------------------------------------------------------------------------ */

static void begin(struct solo *s)
{
	s->u.now_ms = s->now;
}

const char *solo_receive(struct solo *s, uint64_t from, struct raft_message m)
{
	begin(s);
	raft_receive(&s->raft, from, &m, &s->u);
	return solo_said(s);
}

const char *solo_persisted(struct solo *s)
{
	begin(s);
	raft_persisted(&s->raft, s->raft.record_last, &s->u);
	return solo_said(s);
}

const char *solo_tick(struct solo *s, uint64_t after_ms)
{
	s->now += after_ms;
	begin(s);
	raft_tick(&s->raft, &s->u);
	return solo_said(s);
}

const char *solo_flush(struct solo *s)
{
	begin(s);
	raft_flush(&s->raft, &s->u);
	return solo_said(s);
}

const char *solo_up(struct solo *s, uint64_t peer)
{
	begin(s);
	raft_peer_up(&s->raft, peer, &s->u);
	return solo_said(s);
}

const char *solo_down(struct solo *s, uint64_t peer)
{
	begin(s);
	raft_peer_down(&s->raft, peer, &s->u);
	return solo_said(s);
}

void solo_lead(struct solo *s)
{
	struct raft_message yes = { .type = RAFT_VOTE_REPLY, .granted = 1, .pre = 1 };
	struct raft_message has = { .type = RAFT_APPEND_REPLY, .granted = 1 };

	for (uint32_t i = 0; i < s->raft.config.count; i++) {
		if (s->raft.config.members[i].id != 1)
			(void)solo_up(s, s->raft.config.members[i].id);
	}
	(void)solo_tick(s, 2 * RAFT_ELECTION_MS);
	yes.term = s->raft.hard.term + 1;
	(void)solo_receive(s, 2, yes);
	(void)solo_persisted(s);
	yes.pre = 0;
	(void)solo_receive(s, 2, yes);
	CHECK_INT(s->raft.role, RAFT_LEADER);
	(void)solo_flush(s);
	(void)solo_persisted(s);
	has.term = has.log_term = s->raft.hard.term;
	has.index = s->raft.leader_first;
	(void)solo_receive(s, 2, has);
	CHECK(raft_is_ready(&s->raft));
	(void)solo_flush(s);
}

struct raft_message solo_append(struct solo *s, uint64_t term, uint64_t index, uint64_t log_term,
				const char *entries)
{
	struct raft_message m = { .type = RAFT_APPEND, .term = term, .index = index,
				  .log_term = log_term };
	struct raft_entry *e = arena_array(&s->arena, 64, sizeof(*e));
	struct slice rest = slice_of(entries);

	m.entries = e;
	while (number_next(&rest, &e->term)) {
		e->index = index + ++m.entry_count;
		e->kind = RAFT_COMMAND;
		e->data = SLICE("y");
		e++;
	}
	return m;
}
