/* The log in memory: synced after a time, its end lost in a crash. Contracts are in sim.h. */
#include <assert.h>
#include <string.h>
#include "base/mem.h"
#include "raft/raft.h"
#include "sim.h"

static struct slice copy_of(struct slice s)
{
	char *p = mem_new(s.len);

	if (s.len)
		memcpy(p, s.data, s.len);
	return (struct slice){ p, s.len };
}

static void drop_bytes(struct slice *s)
{
	mem_free((void *)(uintptr_t)s->data);
	*s = (struct slice){ NULL, 0 };
}

void disk_done(struct disk *d)
{
	for (size_t i = 0; i < d->count; i++)
		drop_bytes(&d->records[i].body);
	mem_free(d->records);
	drop_bytes(&d->snapshot);
	drop_bytes(&d->saving);
}

static void failed(struct sim *sim, enum mark mark, const char *why)
{
	struct event ev = { .kind = EVENT_WAL_FAILED, .text = slice_of(why) };

	sim->disk.failed = 1;
	sim->marks[mark]++;
	sim_trace(sim, "disk: %s", why);
	sim_deliver(sim, 0, MANAGER, &ev);
}

static void sync_begin(struct sim *sim, struct happening *h);

static void sync_done(struct sim *sim, struct happening *h)
{
	struct disk *d = &sim->disk;
	struct event ev = { .kind = EVENT_WAL_DONE, .id = h->id };

	d->syncing = 0;
	if (d->failed)
		return;
	if (sim_fault(sim, OPT_SYNC_FAIL, 10000)) {
		failed(sim, MARK_SYNC_FAILED, "sync: input/output error");
		return;
	}
	d->durable = h->id;
	sim_deliver(sim, 0, MANAGER, &ev);
	if (d->last > d->durable) {
		d->syncing = 1;
		sim_at(sim, 0, sync_begin, NULL)->life = sim->life;
	}
}

static void sync_begin(struct sim *sim, struct happening *h)
{
	uint64_t most = sim->options[OPT_DISK_MS] * MS + 200;
	struct happening *done = sim_at(sim, sim_between(sim, 100, most), sync_done, NULL);

	(void)h;
	done->life = sim->life;
	done->id = sim->disk.last;
}

void disk_append(struct sim *sim, const struct effect *x)
{
	struct disk *d = &sim->disk;
	struct raft_record parsed;

	if (d->failed)
		return;
	if (sim_fault(sim, OPT_DISK_FULL, 10000)) {
		failed(sim, MARK_DISK_FULL, "no space left on device");
		return;
	}
	if (x->id != d->last + 1) {
		sim_fail(sim, "record %llu does not follow record %llu", (unsigned long long)x->id,
			 (unsigned long long)d->last);
		return;
	}
	if (d->count == d->capacity) {
		d->capacity = d->capacity ? d->capacity * 2 : 256;
		d->records = mem_resize(d->records, d->capacity * sizeof(*d->records));
	}
	d->records[d->count] = (struct record){ .number = x->id, .body = copy_of(x->body) };
	if (raft_record_parse(x->body, &parsed) < 0)
		sim_fail(sim, "record %llu does not parse", (unsigned long long)x->id);
	else if (parsed.type == RAFT_RECORD_ENTRY)
		d->records[d->count].index = parsed.entry.index;
	d->count++;
	d->last = x->id;
	if (!d->syncing) {
		d->syncing = 1;
		sim_at(sim, 0, sync_begin, NULL)->life = sim->life;
	}
}

const struct record *disk_find(const struct disk *d, uint64_t index)
{
	for (size_t i = d->count; i-- > 0;) {
		if (d->records[i].index == index)
			return &d->records[i];
	}
	return NULL;
}

/* Whole segments go, so some records below `keep` may stay. */
static void drop_before(struct sim *sim, uint64_t keep)
{
	struct disk *d = &sim->disk;
	size_t n = 0;

	while (n < d->count && d->records[n].number < keep)
		n++;
	n = sim_between(sim, 0, n);
	for (size_t i = 0; i < n; i++)
		drop_bytes(&d->records[i].body);
	d->count -= n;
	if (n)
		memmove(d->records, d->records + n, d->count * sizeof(*d->records));
}

static void snapshot_done(struct sim *sim, struct happening *h)
{
	struct event ev = { .kind = EVENT_SNAPSHOT_SAVED, .id = h->id };
	struct disk *d = &sim->disk;

	if (sim_fault(sim, OPT_SNAPSHOT_FAIL, 10000)) {
		sim->marks[MARK_SNAPSHOT_FAILED]++;
		ev.kind = EVENT_SNAPSHOT_FAILED;
		ev.text = SLICE("no space left on device");
		drop_bytes(&d->saving);
	} else {
		sim->marks[MARK_SNAPSHOT]++;
		drop_bytes(&d->snapshot);
		d->snapshot = d->saving;
		d->snapshot_index = d->saving_index;
		d->saving = (struct slice){ NULL, 0 };
		drop_before(sim, d->saving_keep);
	}
	sim_deliver(sim, 0, MANAGER, &ev);
}

void disk_snapshot(struct sim *sim, const struct effect *x)
{
	struct disk *d = &sim->disk;
	struct happening *h;

	if (d->saving.data) {
		sim_fail(sim, "a second snapshot while one is being saved");
		return;
	}
	d->saving = copy_of(x->body);
	d->saving_index = x->id;
	d->saving_keep = x->wal_keep;
	h = sim_at(sim, sim_between(sim, 1 * MS, 400 * MS), snapshot_done, NULL);
	h->life = sim->life;
	h->id = x->id;
}

void disk_crash(struct sim *sim)
{
	struct disk *d = &sim->disk;
	uint64_t lost = d->last - d->durable, keep = 0;

	/* What was written and not synced may have reached the disk all the same, up to a tear. */
	if (lost && rng_chance(&sim->rng, 1, 2))
		keep = sim_between(sim, 0, lost);
	sim->marks[MARK_KEPT_TAIL] += keep > 0;
	sim->marks[MARK_LOST_TAIL] += keep < lost;
	for (uint64_t n = keep; n < lost; n++)
		drop_bytes(&d->records[--d->count].body);
	d->last = d->durable += keep;
	d->syncing = d->failed = 0;
	sim->marks[MARK_SNAPSHOT_LOST] += d->saving.data != NULL;
	drop_bytes(&d->saving);
}

int disk_recover(struct sim *sim)
{
	struct disk *d = &sim->disk;
	struct errmsg msg = { { 0 } };
	int err = 0;

	if (d->snapshot.data) {
		sim->marks[MARK_SNAPSHOT_LOADED]++;
		err = manager_recover_snapshot(sim->manager, d->snapshot, &msg);
	}
	for (size_t i = 0; i < d->count && err == 0; i++)
		err = manager_recover_record(sim->manager, d->records[i].number,
					     d->records[i].body, &msg);
	if (err < 0)
		sim_fail(sim, "the manager does not recover: %s", msg.text);
	return err;
}
