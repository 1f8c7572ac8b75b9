/*
 * Who is a manager. Contracts are in private.h. The leader changes one thing at a time (thesis
 * 4.1): a newcomer becomes a learner; when it has caught up, an older member of the same node,
 * whose log was lost with its disk, goes; then it votes. So a node that comes back with an empty or
 * damaged disk is a newcomer with a new raft id, and nothing that the old one promised can be
 * broken.
 */
#include <stdio.h>
#include <string.h>
#include "applets/manager/ca.h"
#include "applets/manager/private.h"

enum {
	ASK_MS = 300,	/* to be let in, or out, again */
	OUT_ASK_MS = 50,	/* whether what our log says holds */
	AWAY_MS = 10000,	/* of a learner, until it is none any more */
	ALONE_MS = 5000,	/* without a leader, until we ask whether we are still one */
};

/* The first or second word of an about text. */
static struct slice about_word(const char *about, int second)
{
	struct slice rest = slice_of(about), first = slice_cut(&rest, ' ');

	return second ? rest : first;
}

/* Another member of the same node, from before it lost its log (maybe more than once). */
static uint64_t older_self(const struct raft_config *c, const struct raft_member *member)
{
	struct slice node = about_word(member->about, 0);

	for (uint32_t i = 0; i < c->count; i++) {
		const struct raft_member *o = &c->members[i];

		if (o->id != member->id && slice_equal(about_word(o->about, 0), node))
			return o->id;
	}
	return 0;
}

/* The swarm's node behind an about text, or NULL. */
static const struct node *about_node(struct step *s, const char *about)
{
	return state_node(&s->m->state, arena_str(&s->m->scratch, about_word(about, 0)));
}

/* Its node is to be a worker, or none: that was in the log, maybe, when it was let in. */
static int is_demoted(struct step *s, const char *about)
{
	const struct cluster *cluster = state_cluster(&s->m->state);
	const struct node *node = about_node(s, about);

	if (!node && cluster)
		return ca_is_removed(cluster, arena_str(&s->m->scratch, about_word(about, 0)));
	return node && node->spec.role == ROLE_WORKER;
}

/* Where nodes enrol, one that is not in the state is none. */
static int is_unknown(struct step *s, const char *about)
{
	const struct cluster *cluster = state_cluster(&s->m->state);

	return cluster && cluster->root_cert && !about_node(s, about);
}

void members_init(struct manager *m)
{
	snprintf(m->members.about, RAFT_ABOUT_MAX, "%s %s", m->config->node_id,
		 m->config->advertise_addr);
}

/* ---- connections ---------------------------------------------------------------- */

/* Where it is among those there is a connection with; up_count: nowhere. */
static uint32_t up_at(const struct members *v, uint64_t peer)
{
	uint32_t i = 0;

	while (i < v->up_count && v->up[i].id != peer)
		i++;
	return i;
}

int members_is_up(const struct manager *m, uint64_t peer)
{
	return up_at(&m->members, peer) < m->members.up_count;
}

int manager_welcomes(const struct manager *m, uint64_t raft_id, const char *node_id)
{
	const struct raft_member *member = raft_member(&m->raft, raft_id);
	const struct cluster *cluster = state_cluster(&m->state);

	if (member && !slice_is(about_word(member->about, 0), node_id))
		return 0;
	return !cluster || !ca_is_removed(cluster, node_id);
}

void members_purge(struct step *s)
{
	struct members *v = &s->m->members;
	const struct cluster *cluster = state_cluster(&s->m->state);

	if (!cluster || cluster->meta.version == v->cluster_version)
		return;
	v->cluster_version = cluster->meta.version;
	for (uint32_t i = 0; i < v->up_count; i++) {
		if (ca_is_removed(cluster, v->up[i].node_id))
			effects_add(s->fx, EFFECT_PEER_DROP, v->up[i].id);
	}
}

static void ask(struct step *s, uint64_t peer, enum peer_kind kind)
{
	struct peer_message message = { .kind = kind, .id = s->m->raft.id,
					.body = slice_of(s->m->members.about) };

	step_send(s, peer, &message);
}

void members_up(struct step *s, uint64_t peer)
{
	struct members *v = &s->m->members;
	const struct cluster *cluster = state_cluster(&s->m->state);
	uint32_t i = up_at(v, peer);

	if (i == PEERS_MAX)
		return;
	v->up_count += i == v->up_count;
	v->up[i].id = peer;
	snprintf(v->up[i].node_id, sizeof(v->up[i].node_id), "%.*s", SLICE_ARGS(s->ev->text));
	/* It was welcome when the connection was made. */
	if (cluster && ca_is_removed(cluster, v->up[i].node_id))
		effects_add(s->fx, EFFECT_PEER_DROP, peer);
	if (v->ask_ms && !s->m->leave_deadline_ms)
		ask(s, peer, PEER_JOIN);
}

void members_down(struct step *s, uint64_t peer)
{
	struct members *v = &s->m->members;
	uint32_t i = up_at(v, peer);

	if (i < v->up_count)
		v->up[i] = v->up[--v->up_count];
}

void members_connect(struct step *s)
{
	const struct raft_config *c = &s->m->raft.config;
	struct buf text;

	buf_init(&text, RAFT_MEMBERS_MAX * (RAFT_ABOUT_MAX + 32));
	for (uint32_t i = 0; i < c->count; i++) {
		const struct raft_member *member = &c->members[i];

		if (member->id != s->m->raft.id)
			buf_printf(&text, "%llu %.*s\n", (unsigned long long)member->id,
				   SLICE_ARGS(about_word(member->about, 1)));
	}
	effects_add(s->fx, EFFECT_PEERS, c->count)->body =
		arena_copy(&s->fx->arena, buf_slice(&text));
	buf_done(&text);
}

/* ---- what the API shows --------------------------------------------------------- */

static int is_reachable(const struct manager *m, uint64_t id)
{
	const struct raft_peer *p = raft_peer(&m->raft, id);

	return id == m->raft.id || (p && p->up);
}

/* Every node's agent is to know the managers. */
static void tell_nodes(struct step *s)
{
	const struct members *v = &s->m->members;
	struct strings ids = { 0 }, addresses = { 0 };

	for (uint32_t i = 0; i < v->count; i++) {
		ids = strings_with(&s->m->scratch, &ids, v->list[i].node_id);
		addresses = strings_with(&s->m->scratch, &addresses, v->list[i].addr);
	}
	dispatch_managers(&s->m->dispatch, &ids, &addresses);
	s->m->turn_due = 1;
}

static void show(struct manager *m, const struct raft_member *member)
{
	struct members *v = &m->members;
	struct api_manager *shown = &v->list[v->count];
	char *text = v->text[v->count++], *blank;

	memcpy(text, member->about, RAFT_ABOUT_MAX);
	blank = strchr(text, ' ');
	*shown = (struct api_manager){ .node_id = text, .addr = "", .votes = member->votes,
		.leader = member->id == m->raft.leader,
		.reachable = is_reachable(m, member->id) };
	if (blank) {
		*blank = '\0';
		shown->addr = blank + 1;
	}
}

int members_is_settled(const struct manager *m)
{
	return m->members.is_settling && m->raft.config_index <= m->raft.commit;
}

void members_view(struct step *s)
{
	struct manager *m = s->m;
	const struct raft_config *c = &m->raft.config;
	struct members *v = &m->members;

	v->is_settling = m->raft.config_index > m->raft.commit;
	if (!v->is_settling)
		v->settled = *c;
	v->unsettled = 0;
	v->count = 0;
	for (uint32_t i = 0; i < c->count; i++) {
		v->unsettled |= !c->members[i].votes || older_self(c, &c->members[i]) != 0;
		show(m, &c->members[i]);
	}
	/* Another leader may still count on it: it must keep its log. */
	for (uint32_t i = 0; i < v->settled.count && v->count < RAFT_MEMBERS_MAX; i++) {
		if (!raft_member(&m->raft, v->settled.members[i].id))
			show(m, &v->settled.members[i]);
	}
	if (raft_member(&m->raft, m->raft.id))
		v->admitted = 1;
	if (m->leading)
		tell_nodes(s);
}

/* ---- the leader ----------------------------------------------------------------- */

static struct wish *find_wish(struct members *v, uint64_t raft_id)
{
	for (uint32_t i = 0; i < v->wish_count; i++) {
		if (v->wishes[i].raft_id == raft_id)
			return &v->wishes[i];
	}
	return NULL;
}

/* No member, and no other leader will ever think so. */
static int is_out(const struct manager *m, uint64_t id)
{
	return !raft_member(&m->raft, id) && m->raft.config_index <= m->raft.commit;
}

/* Two words, as members_about writes them: they are told on to drivers and clients. */
static int is_about(struct slice text)
{
	int blanks = 0;

	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] < ' ' || text.data[i] > '~')
			return 0;
		blanks += text.data[i] == ' ';
	}
	return text.len < RAFT_ABOUT_MAX && blanks == 1;
}

/* One that is no member and is not to be one: it may go, or be a worker. */
static int is_sent_away(struct step *s, const struct peer_message *message)
{
	const char *about = arena_str(&s->m->scratch, message->body);

	return is_out(s->m, message->id) && (message->kind == PEER_LEAVE ||
					     is_demoted(s, about) || is_unknown(s, about));
}

/* A manager passes on what others wish; anybody else speaks of itself. */
static int is_credible(struct step *s, const struct peer_message *message)
{
	const struct members *v = &s->m->members;
	uint32_t i = up_at(v, s->ev->id);

	if (message->id != s->ev->id)
		return raft_member(&s->m->raft, s->ev->id) != NULL;
	return i < v->up_count && slice_is(about_word(arena_str(&s->m->scratch, message->body), 0),
					   v->up[i].node_id);
}

void members_wish(struct step *s, const struct peer_message *message)
{
	struct manager *m = s->m;
	struct members *v = &m->members;
	struct wish *w = find_wish(v, message->id);

	if (!m->leading) {
		/* Once: the leader does not pass it on. */
		if (m->leader && m->leader != m->raft.id && m->leader != message->id)
			step_send(s, m->leader, message);
		return;
	}
	if (message->id == 0 || !is_about(message->body) || !is_credible(s, message))
		return;
	if (is_sent_away(s, message)) {
		step_send(s, message->id, &(struct peer_message){ .kind = PEER_LEFT,
								  .id = message->id });
		return;
	}
	if (message->kind == PEER_JOIN &&
	    is_demoted(s, arena_str(&m->scratch, message->body)))
		return;		/* it is on its way out */
	if (!w && v->wish_count == WISHES_MAX)
		return;		/* it asks again */
	if (!w)
		w = &v->wishes[v->wish_count++];
	*w = (struct wish){ .raft_id = message->id, .leaves = message->kind == PEER_LEAVE };
	memcpy(w->about, message->body.data, message->body.len);
}

static int propose(struct step *s, const struct raft_config *c, const char *what, uint64_t id)
{
	uint64_t index;
	int err = raft_propose_config(&s->m->raft, c, &index, step_update(s));

	if (err < 0)
		return err;
	effects_log(s->fx, LOG_INFO, "managers: %016llx %s", (unsigned long long)id, what);
	step_take(s);
	return 0;
}

static int remove_member(struct step *s, uint64_t id, const char *what)
{
	struct raft_config c = s->m->raft.config;
	uint32_t n = 0;

	for (uint32_t i = 0; i < c.count; i++) {
		if (c.members[i].id != id)
			c.members[n++] = c.members[i];
	}
	memset(&c.members[n], 0, (c.count - n) * sizeof(c.members[0]));
	c.count = n;
	return propose(s, &c, what, id);
}

static int add_learner(struct step *s, const struct wish *w)
{
	struct raft_config c = s->m->raft.config;
	uint32_t at = c.count;

	if (c.count == RAFT_MEMBERS_MAX)
		return ERR_LIMIT;
	while (at > 0 && c.members[at - 1].id > w->raft_id) {
		c.members[at] = c.members[at - 1];
		at--;
	}
	c.members[at] = (struct raft_member){ .id = w->raft_id };
	memcpy(c.members[at].about, w->about, RAFT_ABOUT_MAX);
	c.count++;
	return propose(s, &c, "joins", w->raft_id);
}

/* One that is in already: with another address it is entered anew. */
static int change_about(struct step *s, const struct wish *w)
{
	struct raft_config c = s->m->raft.config;

	for (uint32_t i = 0; i < c.count; i++) {
		if (c.members[i].id == w->raft_id)
			memcpy(c.members[i].about, w->about, RAFT_ABOUT_MAX);
	}
	return propose(s, &c, "has another address", w->raft_id);
}

static int give_away(struct step *s)
{
	int err = raft_transfer(&s->m->raft, 0, step_update(s));

	step_take(s);
	return err;
}

static int let_leave(struct step *s, const struct wish *w)
{
	const char *node_id = arena_str(&s->m->scratch, about_word(w->about, 0));
	int err = remove_member(s, w->raft_id, "leaves");

	if (err == 0)
		turn_left(&s->m->turn, node_id, s->ev->now_ms);
	return err;
}

/* 0 when the wish is as good as fulfilled. */
static int fulfil(struct step *s, const struct wish *w)
{
	struct manager *m = s->m;
	const struct raft_member *member = raft_member(&m->raft, w->raft_id);

	if (!w->leaves && !member)
		return add_learner(s, w);
	if (!w->leaves && strcmp(member->about, w->about) != 0)
		return change_about(s, w);
	if (w->leaves && member && w->raft_id != m->raft.id)
		return let_leave(s, w);
	if (w->leaves && member)	/* another one must lead to take us out */
		return give_away(s);
	return 0;
}

/* It is ourself; or it has what is committed, and answers. */
static int has_caught_up(const struct manager *m, uint64_t id)
{
	const struct raft_peer *p = raft_peer(&m->raft, id);

	if (id == m->raft.id)
		return 1;
	return p && p->up && p->progress == RAFT_REPLICATE && p->match >= m->raft.commit;
}

static int promote(struct step *s)
{
	const struct raft_config *now = &s->m->raft.config;

	for (uint32_t i = 0; i < now->count; i++) {
		const struct raft_member *member = &now->members[i];
		uint64_t old = older_self(now, member);
		struct raft_config c;

		if ((member->votes && !old) || !has_caught_up(s->m, member->id))
			continue;
		if (old)
			return remove_member(s, old, "is replaced by the same node");
		c = *now;
		c.members[i].votes = 1;
		return propose(s, &c, "votes", member->id);
	}
	return 0;
}

/* A learner that is away for long goes: a late message let it in, or it will not come. One that is
 * there after all asks again. */
static void drop_learner(struct step *s)
{
	const struct raft_config *c = &s->m->raft.config;
	struct members *v = &s->m->members;
	uint64_t away = 0;

	for (uint32_t i = 0; i < c->count && !away; i++) {
		if (!c->members[i].votes && !members_is_up(s->m, c->members[i].id))
			away = c->members[i].id;
	}
	if (away != v->away_id) {
		v->away_id = away;
		v->away_ms = s->ev->now_ms + AWAY_MS;
	} else if (away && s->ev->now_ms >= v->away_ms &&
		   remove_member(s, away, "does not come and goes") == 0) {
		v->away_id = 0;
	}
}

/* Those whose node is to be a worker go, one after the other; ourself by another leader. When a
 * change is under way: later. */
static void demote(struct step *s)
{
	const struct raft_config *c = &s->m->raft.config;

	for (uint32_t i = 0; i < c->count; i++) {
		const struct raft_member *member = &c->members[i];

		if (!is_demoted(s, member->about))
			continue;
		if (member->id == s->m->raft.id)
			(void)give_away(s);
		else
			(void)remove_member(s, member->id, "is a worker from now on");
		return;
	}
}

static void lead_members(struct step *s)
{
	struct members *v = &s->m->members;

	while (v->wish_count > 0) {
		/* While a change is under way: later. What cannot be is asked again, and must not
		 * keep the others waiting. */
		if (fulfil(s, &v->wishes[0]) == ERR_UNAVAILABLE)
			break;
		memmove(&v->wishes[0], &v->wishes[1], --v->wish_count * sizeof(v->wishes[0]));
	}
	demote(s);
	if (!v->unsettled)
		return;
	(void)promote(s);	/* refused while a change is under way: looked at again then */
	drop_learner(s);
}

/* ---- ourself -------------------------------------------------------------------- */

static int is_own_demoted(const struct manager *m)
{
	const struct node *own = state_node(&m->state, m->config->node_id);

	return own && own->spec.role == ROLE_WORKER;
}

/* Not a member by the log, or at another address than it says. */
static int must_ask(const struct manager *m)
{
	const struct raft_member *self = raft_member(&m->raft, m->raft.id);

	if (m->config->worker || m->leave_deadline_ms || m->left || m->disk_error)
		return 0;
	if (m->members.out)
		return 0;	/* the driver was told what to be */
	if (!self && m->members.admitted)
		return is_own_demoted(m);
	if (!self)
		return *m->config->contacts != '\0';
	/* What let us in may have been lost with the leader that wrote it; and one that was taken
	 * out may not know, and wait for a leader in vain. */
	if (!self->votes || !m->leader)
		return m->raft.config.count > 1;
	return strcmp(self->about, m->members.about) != 0;
}

/* All there is a connection with: they pass it on. */
static void ask_up(struct step *s, enum peer_kind kind)
{
	for (uint32_t i = 0; i < s->m->members.up_count; i++)
		ask(s, s->m->members.up[i].id, kind);
}

static void ask_all(struct step *s)
{
	struct members *v = &s->m->members;
	struct slice rest = slice_of(s->m->config->contacts);

	ask_up(s, PEER_JOIN);
	/* Those may be no managers either, only others that want to be. */
	if (v->up_count > 0 && s->m->leader)
		return;
	while (rest.len) {
		struct slice address = slice_cut(&rest, ' ');

		if (address.len)
			effects_add(s->fx, EFFECT_PEER_DIAL, 0)->target =
				arena_copy(&s->fx->arena, address);
	}
}

/* Tells the driver what this node is to be. */
static void tell_driver(struct step *s, struct session_node *node)
{
	struct manager *m = s->m;
	struct json_writer w;
	struct buf text;

	for (uint32_t i = 0; i < m->members.count; i++) {
		if (strcmp(m->members.list[i].node_id, m->config->node_id) != 0)
			node->managers = strings_with(&m->scratch, &node->managers,
						      m->members.list[i].addr);
	}
	buf_init(&text, JSON_TEXT_MAX);
	json_begin(&w, &text);
	model_encode(&w, &session_node_table, MODEL_STORE, node);
	effects_add(s->fx, EFFECT_NODE, 0)->body = arena_copy(&s->fx->arena, buf_slice(&text));
	buf_done(&text);
}

/* Nobody tells one that was removed while it was away, nor one that is not to be let in any more
 * and has no connection with the leader: to ask for a certificate does. */
static void check_alone(struct step *s)
{
	struct members *v = &s->m->members;

	if (s->m->leader || v->out || s->m->raft.config.count == 1) {
		v->alone_ms = 0;
	} else if (v->alone_ms == 0) {
		v->alone_ms = s->ev->now_ms + ALONE_MS;
	} else if (s->ev->now_ms >= v->alone_ms) {
		v->alone_ms = s->ev->now_ms + ALONE_MS;
		tell_driver(s, &(struct session_node){ .role = ROLE_MANAGER, .renew = 1 });
	}
}

void members_run(struct step *s)
{
	struct manager *m = s->m;
	struct members *v = &m->members;

	if (m->leading) {
		if (must_ask(m) && !find_wish(v, m->raft.id) && v->wish_count < WISHES_MAX) {
			struct wish *own = &v->wishes[v->wish_count++];

			*own = (struct wish){ .raft_id = m->raft.id };
			memcpy(own->about, v->about, RAFT_ABOUT_MAX);
		}
		if (!m->leave_deadline_ms)
			v->ask_ms = 0;
		lead_members(s);
		return;
	}
	if (m->leave_deadline_ms)
		return;		/* members_leave asks */
	check_alone(s);
	if (!must_ask(m)) {
		v->ask_ms = 0;
	} else if (s->ev->now_ms >= v->ask_ms) {
		v->ask_ms = s->ev->now_ms + ASK_MS;
		ask_all(s);
	}
}

void members_left(struct step *s, uint64_t raft_id)
{
	struct manager *m = s->m;

	if (raft_id != m->raft.id || m->leading)
		return;
	m->members.out = 1;
	if (!m->leave_deadline_ms)
		tell_driver(s, &(struct session_node){ .role = ROLE_WORKER });
}

int members_leave(struct step *s)
{
	struct manager *m = s->m;
	struct members *v = &m->members;
	int member = raft_member(&m->raft, m->raft.id) != NULL;

	/* What our own log says may be lost with the leader that wrote it. */
	if (m->config->worker || m->config->error || v->out ||
	    (member && m->raft.config.count == 1))
		return 1;
	if (s->ev->now_ms < v->ask_ms)
		return 0;
	v->ask_ms = s->ev->now_ms + (member ? ASK_MS : OUT_ASK_MS);
	if (m->leading)
		(void)give_away(s);	/* who leads then takes us out */
	else if (m->leader && member)
		ask(s, m->leader, PEER_LEAVE);
	else	/* nobody tells one that is out who leads */
		ask_up(s, PEER_LEAVE);
	return 0;
}
