/* Who is a member. The newest configuration in the log counts, committed or not (thesis 4.1), and
 * one that is cut off again counts no more. peers[] stands beside its members. */
#include <assert.h>
#include <string.h>
#include "base/err.h"
#include "private.h"

const struct raft_member *raft_member(const struct raft *r, uint64_t id)
{
	for (uint32_t i = 0; i < r->config.count; i++) {
		if (r->config.members[i].id == id)
			return &r->config.members[i];
	}
	return NULL;
}

const struct raft_peer *raft_peer(const struct raft *r, uint64_t id)
{
	const struct raft_member *m = raft_member(r, id);

	return m ? &r->peers[m - r->config.members] : NULL;
}

struct raft_peer *raft_peer_find(struct raft *r, uint64_t id)
{
	const struct raft_member *m = raft_member(r, id);

	return m ? &r->peers[m - r->config.members] : NULL;
}

int raft_is_voter(const struct raft *r)
{
	const struct raft_member *m = raft_member(r, r->id);

	return m && m->votes;
}

static int votes_in(const struct raft_config *c, uint64_t id)
{
	for (uint32_t i = 0; i < c->count; i++) {
		if (c->members[i].id == id)
			return c->members[i].votes;
	}
	return 0;
}

/* Thesis 4.2.2: it may be the only one with the entry that leaves it out, and the others need its
 * vote, which it cannot give to those that lack the entry. So it leads once more. */
int raft_may_campaign(const struct raft *r)
{
	struct raft_config before;

	if (raft_is_voter(r))
		return 1;
	if (r->config_index <= r->commit || r->config.count == 0)
		return 0;
	(void)raft_config_at(r, r->config_index - 1, &before);
	return votes_in(&before, r->id);
}

int raft_is_quorum_alone(const struct raft *r)
{
	for (uint32_t i = 0; i < r->config.count; i++) {
		if (r->config.members[i].votes && r->config.members[i].id != r->id)
			return 0;
	}
	return raft_is_voter(r);
}

int raft_is_connected(const struct raft *r, uint64_t id)
{
	for (uint32_t i = 0; i < r->connected_count; i++) {
		if (r->connected[i] == id)
			return 1;
	}
	return 0;
}

uint64_t raft_config_at(const struct raft *r, uint64_t index, struct raft_config *c)
{
	if (index >= r->config_index) {
		*c = r->config;
		return r->config_index;
	}
	for (uint64_t i = index; i > r->snapshot_index; i--) {
		const struct raft_entry *e = raft_log_at(r, i);

		if (e->kind == RAFT_CONFIG) {
			int err = raft_config_parse(e->data, c);

			assert(err == 0);
			return i;
		}
	}
	*c = r->snapshot_config;
	return r->snapshot_index;
}

/* A new member is taken to be alive until the next check of the quorum, and asked whether it has
 * all before the entry that makes it one. */
static struct raft_peer peer_new(const struct raft *r, uint64_t id)
{
	uint64_t last = raft_last_index(r);

	return (struct raft_peer){
		.up = raft_is_connected(r, id),
		.active = 1,
		.progress = RAFT_PROBE,
		.next = last > r->base_index ? last : last + 1,
	};
}

void raft_config_set(struct raft *r, const struct raft_config *c, uint64_t index)
{
	struct raft_peer peers[RAFT_MEMBERS_MAX] = { 0 };

	assert(c->count <= RAFT_MEMBERS_MAX);
	for (uint32_t i = 0; i < c->count; i++) {
		const struct raft_peer *old = raft_peer(r, c->members[i].id);

		peers[i] = old ? *old : peer_new(r, c->members[i].id);
	}
	memcpy(r->peers, peers, sizeof(peers));
	r->config = *c;
	r->config_index = index;
	r->config_changes++;
}

uint64_t raft_quorum(const struct raft *r, uint64_t own,
		     uint64_t (*of)(const struct raft_peer *))
{
	uint64_t sorted[RAFT_MEMBERS_MAX];	/* descending */
	uint32_t n = 0;

	for (uint32_t i = 0; i < r->config.count; i++) {
		uint64_t value = r->config.members[i].id == r->id ? own : of(&r->peers[i]);
		uint32_t at = n;

		if (!r->config.members[i].votes)
			continue;
		for (; at > 0 && sorted[at - 1] < value; at--)
			sorted[at] = sorted[at - 1];
		sorted[at] = value;
		n++;
	}
	return n > 0 ? sorted[n / 2] : 0;
}

/* In how many the vote differs; and whether anybody has one. */
static uint32_t votes_differ(const struct raft *r, const struct raft_config *c)
{
	uint32_t differ = 0;

	for (uint32_t i = 0; i < c->count; i++) {
		const struct raft_member *m = raft_member(r, c->members[i].id);

		differ += c->members[i].votes != (m && m->votes);
	}
	for (uint32_t i = 0; i < r->config.count; i++) {
		uint32_t j = 0;

		while (j < c->count && c->members[j].id != r->config.members[i].id)
			j++;
		differ += j == c->count && r->config.members[i].votes;
	}
	return differ;
}

/* One that is left out would never hear of it: what it lacks, up to this entry, is sent once
 * before it is forgotten, if it can follow at all. */
static void farewell(struct raft *r, const struct raft_config *before,
		     const struct raft_peer *peers, struct raft_update *u)
{
	for (uint32_t i = 0; i < before->count; i++) {
		struct raft_peer peer = peers[i];
		uint64_t id = before->members[i].id;

		if (id != r->id && !raft_member(r, id) && peer.up && peer.next > r->base_index)
			raft_append_send(r, id, &peer, u);
	}
}

/* Thesis 4.1, with the rule of its erratum: a leader changes nothing before an entry of its own
 * term is committed, or two leaders could each have changed one from the same place. */
int raft_propose_config(struct raft *r, const struct raft_config *config, uint64_t *index,
			struct raft_update *u)
{
	struct raft_standing before = raft_begin(r, u);
	struct raft_peer peers[RAFT_MEMBERS_MAX];
	struct raft_config old = r->config;
	struct buf b;

	if (!raft_is_ready(r) || r->transfer_to || r->config_index > r->commit)
		return ERR_UNAVAILABLE;
	if (!raft_config_is_valid(config) || votes_differ(r, config) > 1)
		return ERR_INVALID;
	memcpy(peers, r->peers, sizeof(peers));
	buf_init(&b, RAFT_DATA_MAX);
	raft_config_build(&b, config);
	*index = raft_entry_new(r, RAFT_CONFIG, buf_slice(&b), u);
	buf_done(&b);
	farewell(r, &old, peers, u);
	raft_lead_deadline(r, u->now_ms);
	r->flush_due = 1;
	raft_end(r, &before, u);
	return 0;
}
