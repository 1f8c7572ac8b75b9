/*
 * What a host's driver does with log and snapshots: applets/manager/main_disk.c in simulated time,
 * over the shipped wal and snapshot files. Contracts are in sim.h.
 */
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "sim.h"

enum { SNAPSHOT_TEXT_MAX = 64 << 20, PROBE_US = 100 * MS, ID_BITS = 62 };

static uint64_t new_raft_id(struct host *host)
{
	/* Ids of later lives are not larger: nothing may depend on their order. */
	return (rng_next(&host->sim->rng) >> (64 - ID_BITS)) | 1;
}

/* ---- what the disk does wrong ---------------------------------------------------- */

static enum disk_fault fault(void *arg, int sync)
{
	struct host *host = arg;
	struct sim *sim = host->sim;

	if (sim_fault(sim, OPT_DISK_DIES, 10000)) {
		sim->marks[MARK_MID_DISK]++;
		host->dying = 1;
		return DISK_DIES;
	}
	/* What tells rot of the last record from a torn one is gone when the next write fails in
	 * its midst: two faults of one disk at a time are more than a log can tell apart. */
	if (host->damaged == ROTTEN)
		return DISK_OK;
	if (sync && sim_fault(sim, OPT_SYNC_FAIL, 10000)) {
		sim->marks[MARK_SYNC_FAILED]++;
		return DISK_IO_ERROR;
	}
	if (!sync && sim_fault(sim, OPT_WRITE_FAIL, 10000)) {
		sim->marks[MARK_WRITE_FAILED]++;
		return rng_chance(&sim->rng, 1, 2) ? DISK_IO_ERROR : DISK_NO_SPACE;
	}
	return DISK_OK;
}

void store_init(struct host *host)
{
	struct store *s = &host->store;

	disk_init(&s->disk, rng_next(&host->sim->rng));
	s->disk.fault = fault;
	s->disk.arg = host;
	folder_open_with(&s->folder, &disk_ops, &s->disk, host->name);
	for (size_t i = 0; i < sizeof(s->key.bytes); i++)
		s->key.bytes[i] = (uint8_t)(host->number + 1);
	s->raft_id = new_raft_id(host);
	s->founder = host->number == 0;
	s->created = s->founder;
	buf_init(&s->saving, SNAPSHOT_TEXT_MAX);
}

/* The process is gone, and with it what it had open. */
static void forget(struct host *host)
{
	struct store *s = &host->store;

	s->disk.dead = 1;	/* nothing more is written */
	if (s->open)
		wal_close(&s->wal);
	if (s->storing_index)
		snapshot_abandon(&s->storing);
	s->open = s->failed = s->syncing = 0;
	s->storing_index = s->saving_index = 0;
	buf_done(&s->saving);
}

void store_done(struct host *host)
{
	forget(host);
	disk_done(&host->store.disk);
}

void store_crash(struct host *host, int power)
{
	struct store *s = &host->store;
	struct sim *sim = host->sim;
	struct disk *d = &s->disk;

	sim->marks[MARK_SNAPSHOT_LOST] += s->saving_index != 0;
	sim->marks[MARK_INSTALL_BROKEN] += s->storing_index != 0;
	forget(host);
	disk_restart(d, power);
	sim->marks[MARK_LOST_SECTOR] += d->lost;
	sim->marks[MARK_KEPT_SECTOR] += d->kept;
	sim->marks[MARK_REORDERED] += d->reordered;
	sim->marks[MARK_TORN] += d->torn;
	d->lost = d->kept = d->reordered = d->torn = 0;
}

/* ---- recovery -------------------------------------------------------------------- */

static int save_id(void *context, struct errmsg *msg)
{
	struct host *host = context;

	if (host->dying)	/* what goes on after that is nobody */
		return errmsg_set(msg, ERR_IO, "dead");
	host->store.raft_id = host->config.raft_id;
	return 0;
}

/* The first error is what was found. */
static void note_text(void *context, enum log_level level, const char *text)
{
	struct host *host = context;
	struct sim *sim = host->sim;

	sim_trace(sim, "%s: %s", host->name, text);
	if (level != LOG_ERROR || host->dying)
		return;
	if (!host->damaged)
		sim_fail(sim, "%s: its disk is whole, and it says: %s", host->name, text);
	sim->marks[strstr(text, "snapshot-") ? MARK_ROT_SNAPSHOT : MARK_ROT_LOG]++;
	sim->marks[MARK_ROT_LAST] += host->store.disk.rot_last != 0;
	sim->marks[MARK_MISDIRECTED_FOUND] += host->store.disk.scar_count == DISK_SCARS;
	host->store.cut = 1;
}

static void begin(void *context)
{
	seen_recovery(context);
}

static void record(void *context, uint64_t number, struct slice body)
{
	struct host *host = context;

	seen_loaded(host, manager_raft(host->store.recovery.manager), number, body);
}

static int recover(struct host *host, struct errmsg *msg)
{
	struct store *s = &host->store;
	struct recovery *r = &s->recovery;
	int err;

	*r = (struct recovery){
		.folder = &s->folder, .key = &s->key, .config = &host->config,
		.create = !s->created, .segment_bytes = host->sim->plan.segment_bytes,
		.wal = &s->wal, .context = host, .save = save_id, .log = note_text,
		.begin = begin, .record = record,
	};
	host->config.raft_id = s->raft_id;
	host->config.unlock_key = s->lock[0] ? s->lock : NULL;
	host->config.contacts = s->contacts;
	host->config.begin = s->forced ? RAFT_FORCE : s->founder ? RAFT_FOUND : RAFT_JOIN;
	/* It lost all, or died when it had cut off what was damaged. */
	s->cut = host->damaged == LOST ||
		 (host->damaged == ROTTEN && s->raft_id != host->damaged_id);
	err = recover_manager(r, msg);
	host->manager = r->manager;
	s->open = err == 0;
	return err;
}

static void recovered(struct host *host)
{
	struct store *s = &host->store;
	uint64_t snapshot = manager_raft(host->manager)->snapshot_index;

	s->created = 1;
	host->sim->marks[MARK_TAIL_CUT] += s->wal.torn_offset != 0;
	host->sim->marks[MARK_SNAPSHOT_LOADED] += snapshot != 0;
	host->log.snapshot_index = snapshot;
	seen_recovered(host, s->cut);
	/* A bit that flipped and is not missed was where nothing counts any more. */
	if (s->cut)
		host->damaged = REBUILDING;
	else if (host->damaged == ROTTEN)
		host->damaged = WHOLE;
}

int store_recover(struct host *host)
{
	struct errmsg msg = { { 0 } };
	struct sim *sim = host->sim;
	int err = recover(host, &msg);

	if (err == 0 && !sim->failed)
		recovered(host);
	if (sim->failed || err == 0)
		return err;
	if (host->dying || err == ERR_IO || err == ERR_FULL)
		return err;	/* it is started again */
	sim_trace(sim, "%s: %s", host->name, msg.text);
	if (err == ERR_CORRUPT && host->damaged) {
		/* Nobody else has it: its user puts back a copy. */
		sim->marks[MARK_ROT_REFUSED]++;
		disk_heal(&host->store.disk);
		host->damaged = WHOLE;
		return err;
	}
	sim_fail(sim, "%s does not recover: %s", host->name, msg.text);
	return err;
}

/* ---- the log --------------------------------------------------------------------- */

static void log_failed(struct host *host, const struct errmsg *msg)
{
	struct event ev = { .kind = EVENT_WAL_FAILED, .text = slice_of(msg->text) };

	if (host->store.failed || host->dying)
		return;
	host->store.failed = 1;
	sim_trace(host->sim, "%s: %s", host->name, msg->text);
	host_deliver(host, 0, MANAGER, &ev);
}

void store_append(struct host *host, const struct effect *x)
{
	struct store *s = &host->store;
	struct errmsg msg = { { 0 } };
	int err;

	if (s->failed)
		return;
	if (x->id != s->wal.last + 1) {
		sim_fail(host->sim, "%s: record %llu does not follow record %llu", host->name,
			 (unsigned long long)x->id, (unsigned long long)s->wal.last);
		return;
	}
	err = wal_append(&s->wal, x->id, x->body);
	if (err < 0) {
		errmsg_set(&msg, err, "%s", err_text(err));
		log_failed(host, &msg);
	}
}

static void sync_done(struct sim *sim, struct happening *h)
{
	struct host *host = h->host;
	struct store *s = &host->store;
	struct event ev = { .kind = EVENT_WAL_DONE, .id = h->id };

	(void)sim;
	disk_settle(&s->disk);
	seen_durable(host, h->id);
	host_deliver(host, 0, MANAGER, &ev);
	if (host->busy)
		host_idle(host);
}

static uint64_t sync_time(struct sim *sim)
{
	uint64_t most = sim->faults ? sim->options[OPT_DISK_MS] * MS + 200 : 500;

	if (sim_fault(sim, OPT_DISK_SLOW, 10000)) {
		sim->marks[MARK_DISK_SLOW]++;
		return sim_between(sim, 100 * MS, 3 * SECOND);
	}
	return sim_between(sim, 80, rng_chance(&sim->rng, 1, 4) ? most : 200);
}

int store_due(const struct host *host)
{
	const struct store *s = &host->store;

	return s->open && !s->failed && !s->syncing && s->wal.last != s->wal.durable;
}

void store_sync(struct host *host)
{
	struct store *s = &host->store;
	struct errmsg msg = { { 0 } };
	struct happening *h;
	int err;

	if (!store_due(host))
		return;
	s->disk.syncing = 1;
	err = wal_sync(&s->wal, &msg);
	s->disk.syncing = 0;
	if (host->dying)
		return;
	if (err < 0) {
		disk_settle(&s->disk);
		log_failed(host, &msg);
		return;
	}
	s->syncing = 1;
	h = sim_at_host(host, 0, sync_time(host->sim), sync_done, NULL);
	h->id = s->wal.durable;
	host->busy = host->sim->plan.blocking;
	host->busy_us = host->sim->now_us;
}

/* ---- the key file ---------------------------------------------------------------- */

void store_lock(struct host *host, struct slice key)
{
	struct store *s = &host->store;
	const struct cluster *c = state_cluster(manager_state(host->manager));

	if (s->failed || host->dying)
		return;
	if (!c || c->meta.version < s->lock_version)
		sim_fail(host->sim, "%s: its folder is sealed by an older change than before",
			 host->name);
	else
		s->lock_version = c->meta.version;
	host->sim->marks[MARK_LOCKED] += key.len > 0;
	host->sim->marks[MARK_OPENED] += key.len == 0;
	snprintf(s->lock, sizeof(s->lock), "%.*s", SLICE_ARGS(key));
}

/* ---- snapshots ------------------------------------------------------------------- */

static int save(struct host *host, struct errmsg *msg)
{
	struct store *s = &host->store;
	struct snapshot_writer w;
	int err = snapshot_begin(&w, &s->folder, &s->key, s->saving_index, msg);

	if (err < 0)
		return err;
	(void)snapshot_put(&w, buf_slice(&s->saving));	/* finish tells */
	err = snapshot_finish(&w, msg);
	if (err < 0)
		return err;
	seen_snapshot(host, s->saving_index, 0);
	(void)wal_drop_before(&s->wal, s->saving_keep, msg);	/* the next one drops it */
	return 0;
}

static void save_due(struct sim *sim, struct happening *h)
{
	struct host *host = h->host;
	struct store *s = &host->store;
	struct event ev = { .kind = EVENT_SNAPSHOT_SAVED, .id = s->saving_index,
			    .offset = s->saving.len };
	struct errmsg msg = { { 0 } };
	int err = save(host, &msg);

	if (host_died(host))
		return;
	s->saving_index = 0;
	sim->marks[err < 0 ? MARK_SNAPSHOT_FAILED : MARK_SNAPSHOT]++;
	if (err < 0) {
		ev.kind = EVENT_SNAPSHOT_FAILED;
		ev.text = slice_of(msg.text);
	}
	host_deliver(host, 0, MANAGER, &ev);
}

static int to_buf(void *context, struct slice piece)
{
	buf_add_slice(context, piece);
	return 0;
}

void store_save(struct host *host, const struct effect *x)
{
	struct store *s = &host->store;
	struct sink sink = { to_buf, &s->saving };

	if (s->saving_index) {
		sim_fail(host->sim, "%s: a second snapshot while one is being saved", host->name);
		return;
	}
	buf_reset(&s->saving);
	(void)manager_snapshot(host->manager, &sink);	/* our sink takes all */
	seen_snapshot_meta(host, buf_slice(&s->saving), 1);
	s->saving_index = x->id;
	s->saving_keep = x->wal_keep;
	sim_at_host(host, 0, sim_between(host->sim, 1 * MS, 200 * MS), save_due, NULL);
}

void store_read(struct host *host, const struct effect *x)
{
	struct event ev = { .kind = EVENT_SNAPSHOT_PIECE, .id = x->id, .index = x->index,
			    .offset = x->offset };
	struct store *s = &host->store;
	struct snapshot_reader reader;
	struct errmsg msg = { { 0 } };
	struct buf piece;

	buf_init(&piece, RAFT_PIECE_MAX);
	ev.status = snapshot_open(&reader, &s->folder, &s->key, x->index, &msg);
	if (ev.status == 0) {
		ev.status = snapshot_read_at(&reader, x->offset, host->sim->plan.piece_bytes,
					     &piece, &msg);
		ev.body = buf_slice(&piece);
		ev.more = x->offset + piece.len < reader.file.length;
		snapshot_close(&reader);
	}
	if (ev.status < 0)
		sim_trace(host->sim, "%s: %s", host->name, msg.text);
	host_deliver(host, sim_between(host->sim, 50, 2 * MS), MANAGER, &ev);
	buf_done(&piece);
}

static int store_one(struct host *host, const struct effect *x, struct errmsg *msg)
{
	struct store *s = &host->store;
	int err = 0;

	if (x->offset == 0 && s->storing_index)
		snapshot_abandon(&s->storing);
	if (x->offset == 0)
		err = snapshot_begin(&s->storing, &s->folder, &s->key, x->id, msg);
	else if (s->storing_index != x->id)
		return errmsg_set(msg, ERR_INVALID, "a piece of another snapshot");
	s->storing_index = err < 0 ? 0 : x->id;
	if (err < 0)
		return err;
	err = snapshot_put(&s->storing, x->body);
	if (err == 0 && x->more)
		return 0;
	s->storing_index = 0;
	if (err < 0) {
		snapshot_abandon(&s->storing);
		return errmsg_set(msg, err, "%s", err_text(err));
	}
	err = snapshot_finish(&s->storing, msg);
	if (err < 0)
		return err;
	seen_snapshot(host, x->id, 1);
	(void)wal_drop_before(&s->wal, x->wal_keep, msg);	/* the next one drops it */
	return 0;
}

void store_piece(struct host *host, const struct effect *x)
{
	struct event ev = { .kind = EVENT_SNAPSHOT_STORED, .id = x->id, .index = x->index,
			    .more = x->more };
	struct errmsg msg = { { 0 } };

	if (x->offset == 0)
		seen_snapshot_meta(host, x->body, 0);
	ev.status = store_one(host, x, &msg);
	ev.text = slice_of(msg.text);
	host_deliver(host, sim_between(host->sim, 50, 5 * MS), MANAGER, &ev);
}

/* ---- the disk failed ------------------------------------------------------------- */

static void probe_due(struct sim *sim, struct happening *h)
{
	struct host *host = h->host;
	struct errmsg msg = { { 0 } };

	if (host->store.disk.full || folder_probe(&host->store.folder, &msg) < 0) {
		if (!host_died(host))
			sim_at_host(host, 0, PROBE_US, probe_due, NULL);
		return;
	}
	sim->marks[MARK_DISK_BACK]++;
	host_restart(host);
}

void store_restart(struct host *host)
{
	sim_at_host(host, 0, sim_between(host->sim, 1 * MS, PROBE_US), probe_due, NULL);
}
