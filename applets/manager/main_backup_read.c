/*
 * Backups that are there. Contracts are in main_backup.h.
 *
 * To look into one is to start it: log and snapshot are read where they lie in the file, as a
 * folder in which what is written is forgotten, by what a daemon reads its disk with.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "applets/manager/ca.h"
#include "applets/manager/main_backup.h"
#include "applets/manager/main_node.h"
#include "applets/manager/main_recover.h"
#include "applets/manager/main_trust.h"
#include "base/mem.h"
#include "base/timefmt.h"
#include "crypt/token.h"
#include "io/clock.h"
#include "io/datadir.h"

enum {
	DROPPED = 1 << 20,	/* the handle of a file that was made in a backup */
	TRIAL_ROUNDS_MAX = 1000,	/* one does with a handful */
};

const struct sealed_kind backup_kind = {
	.magic = { 'S', 'W', 'B', 'X', 'B', 'A', 'K', '\n' }, .version = 1,
	.purpose = "swarmbox backup 1", .length_max = UINT64_C(32) << 30, .what = "backup",
	.remedy = "; nothing of it is used",
};

static int damaged(const struct backup *b, const char *what, struct errmsg *msg)
{
	return errmsg_set(msg, ERR_CORRUPT, "%.200s/%s: %s%s", b->place.folder->path, b->place.name,
			  what, backup_kind.remedy);
}

/* ---- the whole of it ---------------------------------------------------------------- */

static int size_check(const struct backup *b, struct errmsg *msg)
{
	unsigned long long whole = sealed_size(&b->file), is;
	struct stat st;

	if (fstat(b->place.fd, &st) < 0)
		return folder_error(b->place.folder, b->place.name, msg);
	is = (unsigned long long)st.st_size;
	if (is == whole)
		return 0;
	return errmsg_set(msg, ERR_CORRUPT, "%.200s/%s: it has %llu bytes and should have %llu%s",
			  b->place.folder->path, b->place.name, is, whole, backup_kind.remedy);
}

static int table_read(struct backup *b, struct errmsg *msg)
{
	static char bytes[BACKUP_TABLE_MAX];
	uint64_t length = b->file.length, n = length < sizeof(bytes) ? length : sizeof(bytes);
	struct slice piece;
	int err = 0;

	for (uint64_t at = 0; err == 0 && at < n; at += piece.len) {
		err = sealed_read(&b->file, length - n + at, (size_t)(n - at), &piece, msg);
		if (err == 0)
			memcpy(bytes + at, piece.data, piece.len);
	}
	if (err == 0 &&
	    backup_table_parse((struct slice){ bytes, (size_t)n }, length, &b->table) < 0)
		err = damaged(b, "not what a backup holds", msg);
	mem_wipe(bytes, sizeof(bytes));		/* there may be more in it than the table */
	return err;
}

int backup_open(struct backup *b, const struct sealed_place *place, const struct seal_key *key,
		struct errmsg *msg)
{
	struct slice piece;
	int err;

	b->place = *place;
	err = sealed_open(&b->file, &backup_kind, place, key, msg);
	if (err < 0)
		return err;
	err = size_check(b, msg);
	do {
		if (err == 0)
			err = sealed_next(&b->file, &piece, msg);
	} while (err == 0 && piece.len > 0);
	if (err == 0)
		err = table_read(b, msg);
	if (err < 0)
		backup_close(b);
	return err;
}

void backup_close(struct backup *b)
{
	sealed_close(&b->file);
}

int backup_small(struct backup *b, enum backup_part part, struct buf *out, struct errmsg *msg)
{
	const struct backup_file *f = &b->table.files[part];
	struct slice piece;

	if (f->size > BACKUP_SMALL_MAX)
		return damaged(b, "not what a backup holds", msg);
	for (uint64_t at = 0; at < f->size; at += piece.len) {
		int err = sealed_read(&b->file, f->offset + at, (size_t)(f->size - at), &piece,
				      msg);

		if (err < 0)
			return err;
		buf_add_slice(out, piece);
	}
	return out->failed ? damaged(b, "not what a backup holds", msg) : 0;
}

/* ---- as a folder -------------------------------------------------------------------- */

static int view_create(void *context, const char *name)
{
	(void)context;
	(void)name;
	return DROPPED;
}

static int view_open(void *context, const char *name)
{
	const struct backup_table *t = &((struct backup *)context)->table;

	for (uint32_t i = BACKUP_FIXED; i < t->count; i++) {
		if (strcmp(t->files[i].name, name) == 0)
			return (int)i;
	}
	errno = ENOENT;
	return -1;
}

static ssize_t view_read(void *context, int fd, void *bytes, size_t n, uint64_t offset)
{
	struct backup *b = context;
	const struct backup_file *f = &b->table.files[fd == DROPPED ? 0 : fd];
	uint64_t left = fd == DROPPED || offset >= f->size ? 0 : f->size - offset;
	struct slice piece;

	if (sealed_read(&b->file, f->offset + offset, left < n ? (size_t)left : n, &piece,
			NULL) < 0) {
		errno = EIO;
		return -1;
	}
	if (piece.len)
		memcpy(bytes, piece.data, piece.len);
	return (ssize_t)piece.len;
}

static ssize_t view_write(void *context, int fd, const void *bytes, size_t n, uint64_t offset)
{
	(void)context;
	(void)fd;
	(void)bytes;
	(void)offset;
	return (ssize_t)n;
}

static int view_sync(void *context, int fd)
{
	(void)context;
	(void)fd;
	return 0;
}

static void view_close(void *context, int fd)
{
	(void)context;
	(void)fd;
}

static int view_rename(void *context, const char *from, const char *to)
{
	(void)context;
	(void)from;
	(void)to;
	return 0;
}

static int view_remove(void *context, const char *name)
{
	(void)context;
	(void)name;
	return 0;
}

static int view_sync_names(void *context)
{
	(void)context;
	return 0;
}

static int view_each(void *context, int (*each)(void *arg, const char *name), void *arg)
{
	const struct backup_table *t = &((struct backup *)context)->table;
	int err = 0;

	for (uint32_t i = BACKUP_FIXED; err >= 0 && i < t->count; i++)
		err = each(arg, t->files[i].name);
	return err < 0 ? err : 0;
}

static const struct folder_ops view_ops = {
	.create = view_create, .open = view_open, .read = view_read, .write = view_write,
	.sync = view_sync, .close = view_close, .rename = view_rename, .remove = view_remove,
	.sync_names = view_sync_names, .each = view_each,
};

void backup_folder(struct backup *b, struct folder *folder)
{
	folder_open_with(folder, &view_ops, b, b->place.name);
}

/* ---- the trial ---------------------------------------------------------------------- */

struct trial {
	struct manager *manager;
	struct effects fx;
	uint64_t now_ms;
	uint64_t appended, durable;	/* records */
	int flush, failed;
};

static void step(struct trial *t, struct event *ev)
{
	ev->now_ms = t->now_ms;
	ev->wall_ns = clock_wall_ns();
	effects_reset(&t->fx);
	manager_step(t->manager, ev, &t->fx);
	for (uint32_t i = 0; i < t->fx.count; i++) {
		const struct effect *x = &t->fx.items[i];

		if (x->kind == EFFECT_WAL_APPEND)
			t->appended = x->id;
		t->flush |= x->kind == EFFECT_FLUSH;
		t->failed |= x->kind == EFFECT_EXIT || x->kind == EFFECT_RESTART;
	}
}

/* Runs it until it leads and has applied all there is. */
static int run(struct trial *t, const char *node_id)
{
	struct event start = { .kind = EVENT_START, .id = t->durable, .text = slice_of(node_id) };

	effects_init(&t->fx);
	step(t, &start);
	for (int i = 0; i < TRIAL_ROUNDS_MAX && !t->failed; i++) {
		struct event ev = { .kind = EVENT_TIMER };

		if (raft_is_ready(manager_raft(t->manager)))
			break;
		if (t->flush) {
			t->flush = 0;
			ev.kind = EVENT_FLUSH;
		} else if (t->appended > t->durable) {
			ev.kind = EVENT_WAL_DONE;
			ev.id = t->durable = t->appended;
		} else {
			t->now_ms += RAFT_HEARTBEAT_MS;
		}
		step(t, &ev);
	}
	effects_done(&t->fx);
	return raft_is_ready(manager_raft(t->manager)) ? 0 : ERR_CORRUPT;
}

static int forget(void *context, struct errmsg *msg)
{
	(void)context;
	(void)msg;
	return 0;
}

static void forget_line(void *context, enum log_level level, const char *text)
{
	(void)context;
	(void)level;
	(void)text;
}

static void count(const struct manager *m, struct backup_seen *seen)
{
	const struct state *s = manager_state(m);

	for (int kind = 0; kind < OBJECT_KINDS; kind++)
		seen->counts[kind] = s->objects[kind].count;
	seen->pairs = s->kv.pairs.count;
}

/* Log and snapshot: config is the node's, key that of its folder. */
static int try_log(struct backup *b, struct manager_config *config, const struct seal_key *key,
		   struct backup_seen *seen, struct errmsg *msg)
{
	static struct wal wal;
	struct folder view;
	struct recovery r = { .folder = &view, .key = key, .config = config, .wal = &wal,
			      .save = forget, .log = forget_line };
	struct trial t = { .now_ms = 1 };
	struct errmsg why = { { 0 } };
	int err;

	backup_folder(b, &view);
	err = recover_manager(&r, &why);
	if (err < 0) {
		err = errmsg_set(msg, ERR_CORRUPT, "the log in it cannot be used: %.400s",
				 why.text);
	} else {
		const struct raft *raft = manager_raft(r.manager);

		seen->index = raft->snapshot_index + raft_tail_count(raft);
		t.manager = r.manager;
		t.appended = t.durable = wal.last;
		wal_close(&wal);
		err = run(&t, config->node_id);
		count(r.manager, seen);
		if (err < 0)
			err = damaged(b, "no manager can be made of it", msg);
	}
	if (r.manager)
		manager_free(r.manager);
	return err;
}

/* The node's own certificate and key. */
static int try_identity(struct backup *b, const struct seal_key *key, struct arena *a,
			struct backup_seen *seen, struct errmsg *msg)
{
	static struct trust trust;
	struct buf bytes;
	int err;

	buf_init(&bytes, BACKUP_SMALL_MAX);
	err = backup_small(b, BACKUP_IDENTITY, &bytes, msg);
	if (err == 0 && (trust_read(&trust, key, &bytes) < 0 ||
			 strcmp(trust.cert.subject.common_name, seen->node_id) != 0))
		err = damaged(b, "the node's certificate in it cannot be used", msg);
	if (err == 0 && strcmp(trust.cert.subject.unit, ca_manager_unit) != 0)
		err = damaged(b, "the node in it is no manager", msg);
	if (err == 0)
		seen->swarm_id = arena_str(a, slice_of(trust.cert.subject.organisation));
	trust_done(&trust);
	if (bytes.data)
		mem_wipe(bytes.data, bytes.len);
	buf_done(&bytes);
	return err;
}

static int node_read(struct backup *b, struct arena *a, struct manager_config *config,
		     struct errmsg *msg)
{
	struct buf text;
	int founder, err;

	buf_init(&text, BACKUP_SMALL_MAX);
	err = backup_small(b, BACKUP_NODE, &text, msg);
	if (err == 0 && node_parse(a, buf_slice(&text), config, &founder, NULL) < 0)
		err = damaged(b, "the node.json in it cannot be used", msg);
	buf_done(&text);
	return err;
}

/* 1: it is locked. */
static int key_read(struct backup *b, struct seal_key *key, struct errmsg *msg)
{
	struct buf bytes;
	int err;

	buf_init(&bytes, BACKUP_SMALL_MAX);
	err = backup_small(b, BACKUP_KEY, &bytes, msg);
	if (err == 0)
		err = datadir_key_parse(buf_slice(&bytes), key);
	if (err == ERR_CORRUPT && !msg->text[0])
		err = damaged(b, "the data folder's key in it cannot be used", msg);
	if (bytes.data)
		mem_wipe(bytes.data, bytes.len);
	buf_done(&bytes);
	return err;
}

int backup_look(struct backup *b, struct arena *a, struct backup_seen *seen, struct errmsg *msg)
{
	struct manager_config config = { .begin = RAFT_FORCE, .hostname = "",
					 .engine_socket = "", .data_dir = "" };
	struct seal_key key;
	int err;

	*seen = (struct backup_seen){ .swarm_id = "",
				      .time_ns = (int64_t)b->file.number * SECOND_NS };
	err = node_read(b, a, &config, msg);
	if (err < 0)
		return err;
	seen->node_id = config.node_id;
	config.contacts = "";		/* what is damaged can be had from nobody */
	config.raft_id = 1;
	err = key_read(b, &key, msg);
	seen->is_locked = err == 1;
	if (err == 0)
		err = try_identity(b, &key, a, seen, msg);
	if (err == 0)
		err = try_log(b, &config, &key, seen, msg);
	mem_wipe(&key, sizeof(key));
	return err < 0 ? err : 0;
}

/* ---- files and keys ----------------------------------------------------------------- */

int backup_place(const char *path, struct folder *folder, struct sealed_place *place,
		 struct errmsg *msg)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	char above[FILE_PATH_MAX];
	struct stat st;
	int n = snprintf(above, sizeof(above), "%.*s", slash ? (int)(slash - path) : 1,
			 slash ? path : ".");

	if (slash == path)
		n = snprintf(above, sizeof(above), "/");
	if (!*name || strlen(name) + sizeof(".new") > sizeof(place->name) ||
	    n >= (int)sizeof(above))
		return errmsg_set(msg, ERR_INVALID, "%.300s: not a file's path", path);
	if (stat(above, &st) < 0)	/* folder_open would make it */
		return errmsg_set(msg, file_code(errno), "%.300s: %s", above, strerror(errno));
	*place = (struct sealed_place){ .folder = folder, .fd = -1 };
	snprintf(place->name, sizeof(place->name), "%s", name);
	return folder_open(folder, above, msg);
}

int backup_open_path(struct backup *b, const char *path, const struct seal_key *key,
		     struct folder *folder, struct errmsg *msg)
{
	struct sealed_place place;
	struct stat st;
	int err = backup_place(path, folder, &place, msg);

	if (err < 0)
		return err;
	place.fd = openat(folder->fd, place.name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (place.fd < 0)
		err = errmsg_set(msg, file_code(errno), "%.300s: %s", path, strerror(errno));
	else if (fstat(place.fd, &st) < 0 || !S_ISREG(st.st_mode))
		err = errmsg_set(msg, ERR_INVALID, "%.300s: not a file", path);
	else
		err = backup_open(b, &place, key, msg);
	if (err == 0)
		return 0;
	if (place.fd >= 0)
		close(place.fd);
	folder_close(folder);
	return err;
}

void backup_close_path(struct backup *b, struct folder *folder)
{
	backup_close(b);
	close(b->place.fd);
	folder_close(folder);
}

int backup_read_key(struct cli *cli, const char *key_file, struct seal_key *key,
		    struct errmsg *msg)
{
	struct buf text;
	int err;

	buf_init(&text, CLI_SECRET_MAX);
	if (key_file)
		err = cli->read_file(cli, key_file, CLI_SECRET_MAX, &text, msg);
	else
		err = cli->read_secret(cli, "Please enter the backup's key: ", &text, msg);
	if (err == 0 && unlock_parse(slice_trim(buf_slice(&text)), key) < 0)
		err = errmsg_set(msg, ERR_INVALID, "%s%sno key of a backup: it begins with "
				 "SWMKEY-1- and has %d characters", key_file ? key_file : "",
				 key_file ? ": " : "", UNLOCK_TEXT_LEN);
	if (text.data)
		mem_wipe(text.data, text.len);
	buf_done(&text);
	return err;
}
