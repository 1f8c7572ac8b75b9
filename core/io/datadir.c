/*
 * Contracts are in datadir.h. The marker is written last when a folder is made: without it
 * nothing in there is trusted, and nothing but what a making that broke off may have left
 * is overwritten.
 */
#include "io/datadir.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/mem.h"
#include "io/entropy.h"

#define MARKER "swarmbox.json"
#define MARKER_HEAD "{\"DataFormat\":"
/* How a locked key file begins; then a salt, and the key sealed with one from it and the unlock
 * key. Another begins with the key itself, and is no longer. */
#define LOCKED "SWBXLOCK"
#define LOCKED_PURPOSE "swarmbox data folder key"

/* Removed in this order: without the key nothing that is left can be read. The lock goes
 * last. A program that puts a file into the data folder adds its name here. */
static const char *const ours[] = { "key", "key.tmp", "identity", "identity.tmp", "node.json",
				    "node.json.tmp", MARKER, MARKER ".tmp", "lock" };
/* What a making that broke off leaves. */
static const char *const unfinished[] = { "key", "key.tmp", MARKER ".tmp", "lock" };

enum {
	PID_TEXT_MAX = 24, MARKER_MAX = 4096, PATH_SIZE = FILE_PATH_MAX + 32,
	LOCKED_HEAD = 8 + SEAL_SALT_LEN,
	LOCKED_LEN = LOCKED_HEAD + SEAL_KEY_LEN + SEAL_TAG_LEN,
};

/* ---- whose folder is it ------------------------------------------------------------- */

struct look {
	int marker;
	char foreign[64];	/* a name that is not of an unfinished folder; empty = none */
};

static int look_at(void *arg, const char *name)
{
	struct look *l = arg;
	int known = 0;

	if (strcmp(name, MARKER) == 0)
		l->marker = 1;
	for (size_t i = 0; i < sizeof(unfinished) / sizeof(unfinished[0]); i++)
		known |= strcmp(name, unfinished[i]) == 0;
	/* A file system of its own has this one. */
	if (!known && strcmp(name, "lost+found") != 0)
		snprintf(l->foreign, sizeof(l->foreign), "%s", name);
	return 0;
}

/* 1: ours. 0: empty, or a making that broke off. ERR_INVALID: someone else's. */
static int examine(const struct datadir *d, struct errmsg *msg)
{
	struct look l = { 0 };
	int err = folder_each(&d->folder, look_at, &l, msg);

	if (err < 0)
		return err;
	if (l.marker)
		return 1;
	if (l.foreign[0])
		return errmsg_set(msg, ERR_INVALID, "%s: not a swarmbox data folder (it holds "
				  "'%s'); empty it, or name another with --data-dir",
				  d->folder.path, l.foreign);
	return 0;
}

static int marker_check(const struct datadir *d, struct errmsg *msg)
{
	struct slice text, number;
	uint64_t format = 0;
	struct buf b;
	int err;

	buf_init(&b, MARKER_MAX);
	err = folder_read(&d->folder, MARKER, &b, msg);
	text = slice_trim(buf_slice(&b));
	if (err == 0 && !slice_has_prefix(text, MARKER_HEAD))
		err = ERR_CORRUPT;
	if (err == 0) {
		text.data += strlen(MARKER_HEAD);
		text.len -= strlen(MARKER_HEAD);
		number = slice_cut(&text, '}');
		err = slice_to_u64(number, UINT32_MAX, &format) < 0 || text.len > 0 ?
			ERR_CORRUPT : 0;
	}
	buf_done(&b);
	if (err == ERR_CORRUPT)
		return errmsg_set(msg, err, "%s/" MARKER ": damaged; it should read "
				  MARKER_HEAD "%d}", d->folder.path, DATADIR_FORMAT);
	if (err == 0 && format != DATADIR_FORMAT)
		return errmsg_set(msg, ERR_UNSUPPORTED, "%s: made by a newer swarmbox (data "
				  "format %llu); use that one", d->folder.path,
				  (unsigned long long)format);
	return err;
}

/* ---- lock --------------------------------------------------------------------------- */

static int locked_by(struct datadir *d, struct errmsg *msg)
{
	char pid[PID_TEXT_MAX] = { 0 };
	ssize_t n = pread(d->lock, pid, sizeof(pid) - 1, 0);

	pid[n > 0 ? n : 0] = '\0';
	return errmsg_set(msg, ERR_LOCKED, "%s: in use by another swarmbox daemon (pid %s)",
			  d->folder.path, pid[0] ? pid : "unknown");
}

static int lock(struct datadir *d, struct errmsg *msg)
{
	char pid[PID_TEXT_MAX];
	struct stat st;
	int n;

	d->lock = openat(d->folder.fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (d->lock < 0)
		return folder_error(&d->folder, "lock", msg);
	if (flock(d->lock, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? locked_by(d, msg) :
			folder_error(&d->folder, "lock", msg);
	/* Its holder has just left and removed it: what we hold is no name any more. */
	if (fstat(d->lock, &st) < 0 || st.st_nlink == 0)
		return errmsg_set(msg, ERR_LOCKED, "%s: the node is just leaving; try again",
				  d->folder.path);
	/* For people only, so no sync. */
	n = snprintf(pid, sizeof(pid), "%ld", (long)getpid());
	if (ftruncate(d->lock, 0) < 0 || pwrite(d->lock, pid, (size_t)n, 0) != n)
		return folder_error(&d->folder, "lock", msg);
	return 0;
}

/* ---- opening ------------------------------------------------------------------------- */

static void path_of(char out[PATH_SIZE], const struct datadir *d, const char *name)
{
	snprintf(out, PATH_SIZE, "%s/%s", d->folder.path, name);
}

static int key_write(const struct datadir *d, struct slice content, struct errmsg *msg)
{
	char path[PATH_SIZE];

	path_of(path, d, "key");
	return file_write(path, content, 0600, FILE_DURABLE, msg);
}

static int make(struct datadir *d, struct errmsg *msg)
{
	int err;

	entropy_fill(d->key.bytes, sizeof(d->key.bytes));
	err = key_write(d, (struct slice){ (const char *)d->key.bytes, SEAL_KEY_LEN }, msg);
	return err < 0 ? err : datadir_finish(d, msg);
}

int datadir_finish(const struct datadir *d, struct errmsg *msg)
{
	char path[PATH_SIZE], text[64];

	snprintf(text, sizeof(text), MARKER_HEAD "%d}\n", DATADIR_FORMAT);
	path_of(path, d, MARKER);
	return file_write(path, slice_of(text), 0600, FILE_DURABLE, msg);
}

int datadir_key_parse(struct slice bytes, struct seal_key *key)
{
	if (bytes.len == LOCKED_LEN && memcmp(bytes.data, LOCKED, 8) == 0)
		return 1;
	if (bytes.len != SEAL_KEY_LEN)
		return ERR_CORRUPT;
	memcpy(key->bytes, bytes.data, SEAL_KEY_LEN);
	return 0;
}

/* The key file's bytes. 0 or a code with msg. */
static int key_file(const struct datadir *d, uint8_t bytes[LOCKED_LEN], size_t *len,
		    struct errmsg *msg)
{
	struct seal_key key;
	struct buf b;
	int err;

	buf_init(&b, MARKER_MAX);
	err = folder_read(&d->folder, "key", &b, msg);
	if (err == 0 && datadir_key_parse(buf_slice(&b), &key) < 0)
		err = ERR_CORRUPT;
	mem_wipe(&key, sizeof(key));
	if (err == 0)
		memcpy(bytes, b.data, b.len);
	*len = b.len;
	if (b.data)
		mem_wipe(b.data, b.len);
	buf_done(&b);
	if (err == ERR_CORRUPT || err == ERR_NOT_FOUND)
		return errmsg_set(msg, ERR_CORRUPT, "%s/key: missing or damaged, so nothing here "
				  "can be read; put the folder back from a copy, or remove it and "
				  "run 'swarmbox init' to begin anew", d->folder.path);
	return err;
}

static int key_read(struct datadir *d, struct errmsg *msg)
{
	uint8_t bytes[LOCKED_LEN];
	size_t len;
	int err = key_file(d, bytes, &len, msg);

	if (err == 0)
		d->locked = datadir_key_parse((struct slice){ (char *)bytes, len }, &d->key);
	mem_wipe(bytes, sizeof(bytes));
	return err;
}

int datadir_unlock(struct datadir *d, const struct seal_key *unlock, struct errmsg *msg)
{
	static const uint8_t nonce[SEAL_NONCE_LEN];	/* the salt makes the key one of its own */
	uint8_t bytes[LOCKED_LEN];
	struct seal_key key;
	size_t len;
	int err = key_file(d, bytes, &len, msg);

	if (err < 0 || len != LOCKED_LEN)
		return err < 0 ? err : errmsg_set(msg, ERR_CORRUPT, "%s/key: not locked any more",
						  d->folder.path);
	seal_derive(unlock, bytes + 8, LOCKED_PURPOSE, &key);
	err = seal_open(&key, nonce, SLICE(LOCKED), (struct slice){ (char *)bytes + LOCKED_HEAD,
			SEAL_KEY_LEN + SEAL_TAG_LEN }, d->key.bytes);
	mem_wipe(&key, sizeof(key));
	if (err < 0)
		return errmsg_set(msg, ERR_DENIED, "invalid key provided");
	d->locked = 0;
	return 0;
}

/* The new key file is in its place. What it replaces would lie on in blocks without a name, and is
 * written over as well as a disk lets us: no error of that undoes the change. */
static void scrub(int old)
{
	static const uint8_t zeros[LOCKED_LEN];

	if (old < 0)
		return;
	(void)!pwrite(old, zeros, sizeof(zeros), 0);
	(void)fdatasync(old);
	close(old);
}

static int key_replace(const struct datadir *d, struct slice content, struct errmsg *msg)
{
	int old = openat(d->folder.fd, "key", O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	int err = key_write(d, content, msg);

	if (err == 0)
		scrub(old);
	else if (old >= 0)
		close(old);
	return err;
}

int datadir_lock(const struct datadir *d, const struct seal_key *unlock, struct errmsg *msg)
{
	static const uint8_t nonce[SEAL_NONCE_LEN];
	uint8_t bytes[LOCKED_LEN] = LOCKED;
	struct slice plain = { (const char *)d->key.bytes, SEAL_KEY_LEN };
	struct seal_key key;

	if (!unlock)
		return key_replace(d, plain, msg);
	entropy_fill(bytes + 8, SEAL_SALT_LEN);
	seal_derive(unlock, bytes + 8, LOCKED_PURPOSE, &key);
	seal_close(&key, nonce, SLICE(LOCKED), plain, bytes + LOCKED_HEAD);
	mem_wipe(&key, sizeof(key));
	return key_replace(d, (struct slice){ (char *)bytes, LOCKED_LEN }, msg);
}

/* As examine, with the lock held. */
static int open_locked(struct datadir *d, const char *path, struct errmsg *msg)
{
	int err;

	*d = (struct datadir){ .folder.fd = -1, .raft.fd = -1, .lock = -1 };
	err = folder_open(&d->folder, path, msg);
	if (err == 0)
		err = examine(d, msg);
	if (err >= 0)
		err = lock(d, msg);
	/* Again, now that nobody else can be making or wiping it. */
	return err < 0 ? err : examine(d, msg);
}

static int open_raft(struct datadir *d, struct errmsg *msg)
{
	char raft[PATH_SIZE];

	path_of(raft, d, "raft");
	return folder_open(&d->raft, raft, msg);
}

int datadir_open(struct datadir *d, const char *path, struct errmsg *msg)
{
	int err = open_locked(d, path, msg);

	if (err >= 0)
		err = err ? marker_check(d, msg) : make(d, msg);
	if (err == 0)
		err = key_read(d, msg);
	if (err == 0)
		err = open_raft(d, msg);
	if (err < 0)
		datadir_close(d);
	return err;
}

int datadir_begin(struct datadir *d, const char *path, struct errmsg *msg)
{
	int err = open_locked(d, path, msg);

	if (err > 0)
		err = errmsg_set(msg, ERR_EXISTS, "%s: holds a node already: name another folder "
				 "with --data-dir, or end that node with 'swarmbox leave --force'",
				 path);
	if (err == 0)
		err = open_raft(d, msg);
	if (err < 0)
		datadir_close(d);
	return err;
}

void datadir_close(struct datadir *d)
{
	folder_close(&d->raft);
	folder_close(&d->folder);
	if (d->lock >= 0)
		close(d->lock);
	d->lock = -1;
	mem_wipe(&d->key, sizeof(d->key));
}

/* ---- leaving ------------------------------------------------------------------------- */

struct wipe {
	const struct folder *folder;
	struct errmsg *msg;
};

static int raft_remove(void *arg, const char *name)
{
	const struct wipe *w = arg;

	if (strncmp(name, "wal-", 4) != 0 && strncmp(name, "snapshot-", 9) != 0)
		return 0;
	return folder_remove(w->folder, name, w->msg);
}

int datadir_wipe_log(struct datadir *d, struct errmsg *msg)
{
	struct wipe w = { &d->raft, msg };
	int err = folder_each(&d->raft, raft_remove, &w, msg);

	return err < 0 ? err : folder_sync(&d->raft, msg);
}

int datadir_wipe(struct datadir *d, struct errmsg *msg)
{
	int err = folder_remove(&d->folder, ours[0], msg);

	if (err == 0)
		err = datadir_wipe_log(d, msg);
	/* Not empty: there is something that is not ours. */
	if (err == 0 && unlinkat(d->folder.fd, "raft", AT_REMOVEDIR) < 0 && errno != ENOTEMPTY)
		err = folder_error(&d->folder, "raft", msg);
	for (size_t i = 1; err == 0 && i < sizeof(ours) / sizeof(ours[0]); i++)
		err = folder_remove(&d->folder, ours[i], msg);
	return err < 0 ? err : folder_sync(&d->folder, msg);
}
