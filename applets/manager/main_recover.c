/*
 * Contracts are in main_recover.h. What a reader would get wrong: an error of the disk is not
 * damage as long as all of it can be read. A manager that takes itself for damaged gives up its
 * vote, and several that do so at once lose the swarm.
 */
#include "applets/manager/main_recover.h"
#include "io/entropy.h"
#include "io/snapshot.h"

enum { READ_PIECE = 16 << 10 };

static int on_record(void *arg, uint64_t number, struct slice body, struct errmsg *msg)
{
	struct recovery *r = arg;

	if (r->record)
		r->record(r->context, number, body);
	return manager_recover_record(r->manager, number, body, msg);
}

static int recover_snapshot(struct recovery *r, struct errmsg *msg)
{
	static struct snapshot_reader reader;	/* too large for a small stack */
	struct slice piece;
	int err = snapshot_open(&reader, r->folder, r->key, 0, msg);

	if (err == ERR_NOT_FOUND)
		return manager_recovered(r->manager, msg);
	if (err < 0)
		return err;
	do {
		err = snapshot_next(&reader, &piece, msg);
		if (err == 0 && piece.len)
			err = manager_recover_snapshot(r->manager, piece, msg);
	} while (err == 0 && piece.len);
	snapshot_close(&reader);
	return err < 0 ? err : manager_recovered(r->manager, msg);
}

static void new_manager(struct recovery *r)
{
	uint64_t seed;

	if (r->manager)
		manager_free(r->manager);
	entropy_fill(&seed, sizeof(seed));
	r->manager = manager_new(r->config, seed);
}

static int recover_once(struct recovery *r, int cut_damage, struct errmsg *msg)
{
	struct wal_config wal = {
		.folder = r->folder, .key = r->key, .on_record = on_record, .arg = r,
		.cut_damage = cut_damage, .segment_bytes = r->segment_bytes,
	};
	struct errmsg text = { { 0 } };
	int err;

	new_manager(r);
	if (r->begin)
		r->begin(r->context);
	err = recover_snapshot(r, msg);
	wal.keep = manager_raft(r->manager)->wal_keep;
	if (err == 0)
		err = wal_open(r->wal, &wal, msg);
	if (err == 0 && r->wal->torn_offset) {
		errmsg_set(&text, 0, "%s: a torn end was cut at byte %llu: it was never "
			   "acknowledged", r->wal->torn_name,
			   (unsigned long long)r->wal->torn_offset);
		r->log(r->context, LOG_WARNING, text.text);
	}
	return err;
}

static int new_raft_id(struct recovery *r, struct errmsg *msg)
{
	entropy_fill(&r->config->raft_id, sizeof(r->config->raft_id));
	r->config->raft_id |= 1;
	return r->save(r->context, msg);
}

/* ---- damage ---------------------------------------------------------------------- */

static int read_all(void *arg, const char *name)
{
	const struct folder *f = arg;
	int fd = folder_file_open(f, name);
	char piece[READ_PIECE];
	ssize_t n = fd < 0 ? -1 : READ_PIECE;

	for (uint64_t at = 0; n == READ_PIECE; at += READ_PIECE)
		n = folder_read_at(f, fd, piece, sizeof(piece), at);
	if (fd >= 0)
		folder_file_close(f, fd);
	return n < 0 ? ERR_IO : 0;
}

static int is_damage(const struct recovery *r, int err)
{
	if (err == ERR_CORRUPT)
		return 1;
	return err == ERR_IO &&
	       folder_each(r->folder, read_all, (void *)(uintptr_t)r->folder, NULL) < 0;
}

static int recover_damaged(struct recovery *r, struct errmsg *msg)
{
	int err = new_raft_id(r, msg);

	if (err < 0)
		return err;
	err = recover_once(r, 1, msg);
	if (err == 0 || !is_damage(r, err))
		return err;
	r->log(r->context, LOG_WARNING, msg->text);
	err = wal_remove_all(r->folder, msg);
	if (err == 0)
		err = snapshot_remove_all(r->folder, msg);
	return err < 0 ? err : recover_once(r, 0, msg);
}

/* Nothing is there though there should be. */
static int recover_lost(struct recovery *r, struct errmsg *msg)
{
	int err;

	if (!*r->config->contacts)
		err = errmsg_set(msg, ERR_CORRUPT, "%s: the log is gone; put the data folder back "
				 "from a copy, or remove it and run 'swarmbox init' to begin anew",
				 r->folder->path);
	else
		err = new_raft_id(r, msg);
	if (err < 0) {
		wal_close(r->wal);
		return err;
	}
	new_manager(r);
	return manager_recovered(r->manager, msg);
}

int recover_manager(struct recovery *r, struct errmsg *msg)
{
	struct manager_config *c = r->config;
	int err = snapshot_clean(r->folder, msg);

	if (err == 0)
		err = recover_once(r, 0, msg);
	if (*c->contacts && c->begin == RAFT_JOIN && is_damage(r, err)) {
		r->log(r->context, LOG_ERROR, msg->text);
		r->log(r->context, LOG_WARNING, "the other managers have the log: what is damaged "
		       "here is taken from them");
		return recover_damaged(r, msg);
	}
	if (err < 0)
		return err;
	if (r->wal->last > 0 || manager_raft(r->manager)->snapshot_index > 0) {
		if (c->begin == RAFT_FOUND)
			c->begin = RAFT_JOIN;
		return 0;
	}
	if (c->begin == RAFT_JOIN && !r->create)
		return recover_lost(r, msg);
	if (c->begin != RAFT_FORCE)
		return 0;
	wal_close(r->wal);
	return errmsg_set(msg, ERR_NOT_FOUND, "%s: no log to make a swarm of", r->folder->path);
}
