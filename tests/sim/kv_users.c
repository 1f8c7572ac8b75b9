/*
 * Users of the key-value store, and what they may be told. Contracts are in sim.h. The simulator
 * sees the order in which entries are committed, so linearizability needs no search: what a read
 * returns must have stood there at some moment between its begin and its end; a write that is
 * acknowledged must have been committed between the two, once; one that was refused never is.
 */
#include <stdio.h>
#include <string.h>
#include "applets/manager/state/entry.h"
#include "base/mem.h"
#include "sim.h"

enum { VALUE_MAX = 3000, WAIT_MS = 400 };

enum kv_fate { FATE_OPEN, FATE_ACKED, FATE_REFUSED };

/* A value that was to be written: values are numbers from 1, and no two are the same. */
struct kv_write {
	uint64_t index;		/* of the entry that wrote it; 0 = not yet */
	enum kv_fate fate;
};

static struct kv_write *write_of(struct sim *sim, uint64_t value)
{
	return value && value <= sim->kv.last_value ? &sim->kv.writes[value - 1] : NULL;
}

static uint64_t new_value(struct sim *sim)
{
	struct kv_users *kv = &sim->kv;

	if (kv->last_value == kv->write_capacity) {
		kv->write_capacity = kv->write_capacity ? 2 * kv->write_capacity : 256;
		kv->writes = mem_resize(kv->writes, kv->write_capacity * sizeof(*kv->writes));
	}
	kv->writes[kv->last_value++] = (struct kv_write){ 0 };
	return kv->last_value;
}

/* ---- what is committed ------------------------------------------------------------- */

static int key_number(struct slice key)
{
	return key.len == 2 && key.data[0] == 'k' ? key.data[1] - '0' : -1;
}

static uint64_t value_number(struct slice text)
{
	uint64_t value = 0;
	struct slice head = slice_cut(&text, ' ');

	return slice_to_u64(head, UINT64_MAX, &value) < 0 ? 0 : value;
}

static void add_version(struct kv_history *h, uint64_t index, uint64_t value)
{
	if (h->count == h->capacity) {
		h->capacity = h->capacity ? 2 * h->capacity : 64;
		h->versions = mem_resize(h->versions, h->capacity * sizeof(h->versions[0]));
	}
	h->versions[h->count++] = (struct kv_version){ index, value };
}

static void wrote(struct sim *sim, uint64_t index, uint64_t value)
{
	struct kv_write *w = write_of(sim, value);

	if (!w) {
		sim_fail(sim, "entry %llu holds a value that nobody wrote",
			 (unsigned long long)index);
		return;
	}
	if (w->index)
		sim_fail(sim, "value %llu is written twice, by entries %llu and %llu",
			 (unsigned long long)value, (unsigned long long)w->index,
			 (unsigned long long)index);
	if (w->fate == FATE_REFUSED)
		sim_fail(sim, "value %llu was refused and is written by entry %llu",
			 (unsigned long long)value, (unsigned long long)index);
	w->index = index;
}

void kv_users_applied(struct sim *sim, const struct entry_seen *e)
{
	const struct state *shadow = &sim->checks.shadow;
	const struct pair *pair;
	struct kv_command command;
	struct kv_history *h;
	struct entry entry;
	int key;

	if (e->kind != RAFT_COMMAND || entry_parse(e->data, &entry) < 0)
		return;
	sim->marks[MARK_TWICE] += shadow->repeated != 0;
	if (entry.type != ENTRY_KV || shadow->repeated ||
	    kv_command_parse(entry.payload, &command) < 0)
		return;
	key = key_number(command.key);
	if (key < 0 || key >= KV_KEYS)
		return;
	h = &sim->kv.keys[key];
	pair = pairs_find(&shadow->kv.pairs, command.key);
	if (pair && pair->modify == e->index) {
		add_version(h, e->index, value_number(pair_value(pair)));
		wrote(sim, e->index, value_number(pair_value(pair)));
	} else if (!pair && h->count && h->versions[h->count - 1].value) {
		add_version(h, e->index, 0);
	}
}

/* Was it there at a moment when entries up to some index in from .. now were committed? */
static int stood(struct sim *sim, int key, uint64_t value, uint64_t from)
{
	const struct kv_history *h = &sim->kv.keys[key];

	for (size_t i = h->count; i-- > 0;) {
		if (h->versions[i].value == value)
			return 1;
		if (h->versions[i].index <= from)
			return 0;	/* what was before it was over by then */
	}
	return value == 0;
}

/* Did the key have another ModifyIndex at such a moment? */
static int differed(struct sim *sim, int key, uint64_t index, uint64_t from)
{
	const struct kv_history *h = &sim->kv.keys[key];

	for (size_t i = h->count; i-- > 0;) {
		const struct kv_version *v = &h->versions[i];

		if ((v->value ? v->index : 0) != index)
			return 1;
		if (v->index <= from)
			return 0;
	}
	return index != 0;
}

/* ---- requests ---------------------------------------------------------------------- */

static struct client_request *send(struct sim *sim, enum request_kind kind, const char *method,
				   int key, const char *query, struct slice body)
{
	struct client_request *r;
	char target[96];

	snprintf(target, sizeof(target), "/v1/kv/k%d%s", key, query);
	r = clients_send(sim, NULL, kind, method, target, body);
	if (r) {
		r->slot = key;
		r->sent_applied = sim->checks.committed_count;
	}
	return r;
}

static uint64_t modify_index(struct sim *sim, int key)
{
	char name[4] = { 'k', (char)('0' + key), '\0' };
	const struct pair *p = pairs_find(&sim->checks.shadow.kv.pairs, slice_of(name));

	return p ? p->modify : 0;
}

static void put(struct sim *sim, int key)
{
	static const char filler[VALUE_MAX + 1] = { ' ' };
	int cas = rng_chance(&sim->rng, 1, 3);
	uint64_t index = rng_chance(&sim->rng, 1, 5) ? 1 : modify_index(sim, key);
	uint64_t value = new_value(sim);
	char body[VALUE_MAX + 32], query[32] = "";
	int n = snprintf(body, sizeof(body), "%llu", (unsigned long long)value);
	struct client_request *r;

	if (rng_chance(&sim->rng, 1, 16)) {	/* over many sectors */
		size_t more = sim_between(sim, 1, VALUE_MAX);

		memcpy(body + n, filler, more);
		n += (int)more;
	}
	if (cas)
		snprintf(query, sizeof(query), "?cas=%llu", (unsigned long long)index);
	r = send(sim, cas ? REQUEST_CAS : REQUEST_PUT, "PUT", key, query,
		 (struct slice){ body, (size_t)n });
	if (!r)
		return;
	r->mark = value;
	r->index = index;
}

/* It believes that it leads, lacks what is committed, and so must not answer. */
static uint64_t is_deposed(const struct host *host)
{
	return manager_raft(host->manager)->role == RAFT_LEADER &&
	       host->applied < host->sim->checks.committed_count;
}

static void get(struct sim *sim, int key, uint64_t what)
{
	const struct slice none = { NULL, 0 };
	char query[64] = "?raw";
	struct client_request *r;

	if (what < 5) {
		r = send(sim, REQUEST_GET, "GET", key, query, none);
		if (r)
			sim->marks[MARK_READ_HELD] += is_deposed(r->host);
	} else if (what < 8) {
		send(sim, REQUEST_STALE, "GET", key, "?raw&stale", none);
	} else {
		uint64_t index = modify_index(sim, key);

		snprintf(query, sizeof(query), "?raw&index=%llu&wait=%dms",
			 (unsigned long long)index, WAIT_MS);
		r = send(sim, REQUEST_WAIT, "GET", key, query, none);
		if (r)
			r->index = index;
	}
}

static void tick(struct sim *sim, struct happening *h)
{
	uint64_t what = rng_below(&sim->rng, 20);
	int key = (int)rng_below(&sim->rng, KV_KEYS);

	(void)h;
	if (sim->kv.over)
		return;
	sim_at(sim, sim_between(sim, 200, 2 * (sim->faults ? sim->plan.kv_us : 10 * MS)), tick,
	       NULL);
	if (what < 10)
		put(sim, key);
	else if (what < 11)
		send(sim, REQUEST_DELETE, "DELETE", key, "", (struct slice){ NULL, 0 });
	else
		get(sim, key, what - 11);
}

void kv_users_start(struct sim *sim)
{
	if (sim->plan.kv_us)
		sim_at(sim, 100 * MS, tick, NULL);
}

/* ---- answers ----------------------------------------------------------------------- */

static const char *kind_name(enum request_kind kind)
{
	return kind == REQUEST_GET ? "read" : kind == REQUEST_WAIT ? "blocking read" : "stale read";
}

static void write_answered(struct sim *sim, struct client_request *r, const struct effect *x)
{
	struct kv_write *w = write_of(sim, r->mark);
	unsigned done = slice_is(x->body, "true") != 0;

	if (done && (!w->index || w->index <= r->sent_applied))
		sim_fail(sim, "value %llu is acknowledged and not committed",
			 (unsigned long long)r->mark);
	if (!done && r->kind == REQUEST_PUT)
		sim_fail(sim, "a put is answered with %.*s", SLICE_ARGS(x->body));
	if (!done && w->index)
		sim_fail(sim, "value %llu is refused and committed", (unsigned long long)r->mark);
	if (!done && !differed(sim, r->slot, r->index, r->sent_applied))
		sim_fail(sim, "value %llu is refused, and the index was right",
			 (unsigned long long)r->mark);
	w->fate = done ? FATE_ACKED : FATE_REFUSED;
	sim->marks[!done ? MARK_CAS_REFUSED : r->kind == REQUEST_CAS ? MARK_CAS : MARK_PUT]++;
	sim->kv.acked += done;
}

static void read_answered(struct sim *sim, struct client_request *r, const struct effect *x)
{
	uint64_t value = x->status == 200 ? value_number(x->body) : 0;
	uint64_t from = r->kind == REQUEST_STALE ? 0 : r->sent_applied;

	if (x->status == 200 && value == 0)
		sim_fail(sim, "a read is answered with %.*s", SLICE_ARGS(x->body));
	if (!stood(sim, r->slot, value, from))
		sim_fail(sim, "a %s of k%d through %s returns %llu, which was not there since "
			 "entry %llu", kind_name(r->kind), r->slot, r->host->name,
			 (unsigned long long)value, (unsigned long long)from);
	if (r->kind == REQUEST_STALE)
		sim->marks[MARK_STALE_OLD] += !stood(sim, r->slot, value, r->sent_applied);
	if (r->kind == REQUEST_WAIT)
		sim->marks[MARK_WAITED] += modify_index(sim, r->slot) != r->index;
	sim->marks[r->kind == REQUEST_STALE ? MARK_STALE : MARK_GOT]++;
	sim->kv.acked++;
}

void kv_users_answered(struct sim *sim, struct client_request *r, const struct effect *x)
{
	int read = r->kind == REQUEST_GET || r->kind == REQUEST_STALE || r->kind == REQUEST_WAIT;

	/* What is answered with an error may have been done. */
	if (x->status != 200 && !(read && x->status == 404)) {
		if (x->status < 500)
			sim_fail(sim, "request %llu is answered with %d %.*s",
				 (unsigned long long)r->id, x->status, SLICE_ARGS(x->body));
		return;
	}
	if (!sim->faults && r->sent_us >= sim->kv.whole_us)
		sim->kv.served |= 1u << r->host->number;
	sim->marks[MARK_FORWARDED] += seen_leader(sim) != r->host && r->kind != REQUEST_STALE;
	if (read) {
		read_answered(sim, r, x);
	} else if (r->kind != REQUEST_DELETE) {
		write_answered(sim, r, x);
	} else {
		if (!stood(sim, r->slot, 0, r->sent_applied))
			sim_fail(sim, "k%d is deleted, says the answer", r->slot);
		sim->marks[MARK_DELETED]++;
		sim->kv.acked++;
	}
}

int kv_users_served(struct sim *sim, char why[256])
{
	if (!sim->plan.kv_us || sim->kv.over)
		return 1;
	for (int i = 0; i < HOSTS; i++) {
		const struct host *host = &sim->hosts[i];

		int serves = host->identity.enrolled ? nodes_is_manager(host) :
			host->identity.wanted == ROLE_MANAGER;

		if (!host->used || host->exited || host->to_leave || !serves ||
		    (sim->kv.served >> i & 1))
			continue;
		check_explain(why, "nothing is answered through %s", host->name);
		return 0;
	}
	sim->kv.over = 1;
	return 1;
}

void kv_users_done(struct sim *sim)
{
	for (int i = 0; i < KV_KEYS; i++)
		mem_free(sim->kv.keys[i].versions);
	mem_free(sim->kv.writes);
}
