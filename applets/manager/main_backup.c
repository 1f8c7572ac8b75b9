/* swarmbox backup: the file, its key, and what is told. Contracts are in main_backup.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "applets/manager/main_backup.h"
#include "base/mem.h"
#include "crypt/token.h"
#include "io/entropy.h"

#define DATA_DIR "/var/lib/swarmbox"

enum {
	PIECE = 64 << 10,
	RENAME_NOT_REPLACING = 1,	/* RENAME_NOREPLACE, which linux/fs.h has */
};

struct backup_options {
	const char *data_dir, *format, *key_file;
	int check, force, quiet;
};

/* ---- where it goes ------------------------------------------------------------------ */

static int in_use(const struct sealed_place *place, struct errmsg *msg)
{
	return errmsg_set(msg, ERR_LOCKED, "%.300s/%s: another backup is being written there",
			  place->folder->path, place->name);
}

/* Not every file system can lock: then nobody is noticed. */
static int is_anothers(int fd)
{
	return flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}

/* Makes place->name, which ends in .new, and locks it: what one that was killed left goes. */
static int make_beside(struct sealed_place *place, struct errmsg *msg)
{
	const int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW;
	int folder = place->folder->fd, old;

	for (int i = 0; i < 3; i++) {
		place->fd = openat(folder, place->name, flags | O_CREAT | O_EXCL, 0600);
		if (place->fd >= 0 && is_anothers(place->fd)) {
			close(place->fd);
			break;
		}
		if (place->fd >= 0)
			return 0;
		if (errno != EEXIST)
			return folder_error(place->folder, place->name, msg);
		old = openat(folder, place->name, flags);
		if (old < 0 && errno != ENOENT)
			return folder_error(place->folder, place->name, msg);
		if (old >= 0 && is_anothers(old)) {
			close(old);
			break;
		}
		if (old >= 0) {
			(void)unlinkat(folder, place->name, 0);	/* if not, O_EXCL tells */
			close(old);
		}
	}
	return in_use(place, msg);
}

static int is_there(const struct folder *folder, const char *name, struct errmsg *msg)
{
	return errmsg_set(msg, ERR_EXISTS, "%.300s/%s: it is there already: name another file, or "
			  "replace it with --force", folder->path, name);
}

/* Gives the file at place the name `to`, durably. Some file systems (NFS) cannot do it without
 * replacing in one step. */
static int give_name(const struct sealed_place *place, const char *to, int force,
		     struct errmsg *msg)
{
	int fd = place->folder->fd;
	long r = -1;

	errno = EINVAL;
	if (!force)
		r = syscall(SYS_renameat2, fd, place->name, fd, to, RENAME_NOT_REPLACING);
	if (r < 0 && errno == EEXIST)
		return is_there(place->folder, to, msg);
	if (r < 0 && (errno == EINVAL || errno == ENOSYS)) {
		if (!force && faccessat(fd, to, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			return is_there(place->folder, to, msg);
		r = renameat(fd, place->name, fd, to);
	}
	return r < 0 ? folder_error(place->folder, to, msg) : folder_sync(place->folder, msg);
}

static const char *data_dir(const struct cli *cli)
{
	const struct backup_options *o = cli->options;

	return o->data_dir ? o->data_dir : DATA_DIR;
}

static int is_folder(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* The node's folder and raft/ in it, the caller's to close. */
static int open_source(struct cli *cli, struct folder *dir, struct folder *raft,
		       struct errmsg *msg)
{
	const char *raft_path = arena_printf(cli->arena, "%s/raft", data_dir(cli));
	int err;

	if (access(data_dir(cli), X_OK) < 0 && errno == EACCES)
		return errmsg_set(msg, ERR_DENIED, "%.300s: %s", data_dir(cli), strerror(errno));
	if (!is_folder(raft_path))	/* folder_open would make it */
		return errmsg_set(msg, ERR_NOT_FOUND, "%.300s holds no manager of a swarm",
				  data_dir(cli));
	err = folder_open(dir, data_dir(cli), msg);
	if (err == 0) {
		err = folder_open(raft, raft_path, msg);
		if (err < 0)
			folder_close(dir);
	}
	return err;
}

static int copy(struct cli *cli, const struct sealed_place *place, const struct seal_key *key,
		struct errmsg *msg)
{
	struct folder dir, raft;
	int err = open_source(cli, &dir, &raft, msg);

	if (err < 0)
		return err;
	err = backup_copy(&dir, &raft, place, key, msg);
	folder_close(&raft);
	folder_close(&dir);
	return err;
}

/* Copies the node to place and looks at what it has become. */
static int make(struct cli *cli, const struct sealed_place *place, const struct seal_key *key,
		struct backup_seen *seen, struct errmsg *msg)
{
	static struct backup b;
	int err = copy(cli, place, key, msg);

	if (err == 0)
		err = backup_open(&b, place, key, msg);
	if (err < 0)
		return err;
	err = backup_look(&b, cli->arena, seen, msg);
	backup_close(&b);
	return err;
}

static int to_file(struct cli *cli, const struct seal_key *key, struct backup_seen *seen,
		   struct errmsg *msg)
{
	const struct backup_options *o = cli->options;
	char name[SEALED_NAME_MAX];
	struct sealed_place place;
	struct folder folder;
	int force = o->force == OPTION_YES;
	int err = backup_place(cli->args[0], &folder, &place, msg);

	if (err < 0)
		return err;
	memcpy(name, place.name, sizeof(name));
	snprintf(place.name, sizeof(place.name), "%.*s.new", SEALED_NAME_MAX - 8, name);
	if (!force && faccessat(folder.fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		err = is_there(&folder, name, msg);
	if (err == 0)
		err = make_beside(&place, msg);
	if (err == 0) {
		err = make(cli, &place, key, seen, msg);
		if (err == 0)
			err = give_name(&place, name, force, msg);
		if (err < 0)
			(void)unlinkat(folder.fd, place.name, 0);	/* the next one does it */
		close(place.fd);
	}
	folder_close(&folder);
	return err;
}

static int write_out(int fd, struct errmsg *msg)
{
	static char bytes[PIECE];
	off_t at = 0;
	ssize_t n, put = 0;

	do {
		n = pread(fd, bytes, sizeof(bytes), at);
		for (ssize_t done = 0; done < n && put >= 0; done += put > 0 ? put : 0) {
			put = write(STDOUT_FILENO, bytes + done, (size_t)(n - done));
			if (put < 0 && errno == EINTR)
				put = 0;
		}
		at += n;
	} while (n > 0 && put >= 0);
	return n < 0 || put < 0 ?
		errmsg_set(msg, ERR_IO, "standard output: %s", strerror(errno)) : 0;
}

/* Through a file without a name in the data folder, so that only a whole one comes out. */
static int to_stdout(struct cli *cli, const struct seal_key *key, struct backup_seen *seen,
		     struct errmsg *msg)
{
	struct sealed_place place;
	struct folder folder;
	char path[FILE_PATH_MAX];
	int err, n = snprintf(path, sizeof(path), "%s/backup", data_dir(cli));

	if (n >= (int)sizeof(path))
		return errmsg_set(msg, ERR_INVALID, "%.300s: the path is too long", data_dir(cli));
	err = backup_place(path, &folder, &place, msg);
	if (err < 0)
		return err;
	place.fd = openat(folder.fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	err = place.fd < 0 ? folder_error(&folder, "backup", msg) :
			     make(cli, &place, key, seen, msg);
	if (err == 0)
		err = write_out(place.fd, msg);
	if (place.fd >= 0)
		close(place.fd);
	folder_close(&folder);
	return err;
}

/* ---- the command -------------------------------------------------------------------- */

static const char warning[] =
	"Whoever wants to restore it needs this key, which nobody can tell again. Keep it apart\n"
	"from the file:\n";

/* to: where people read. */
static void tell(struct cli *cli, const struct backup_seen *seen, const struct seal_key *key,
		 int to)
{
	const struct backup_options *o = cli->options;
	char text[UNLOCK_TEXT_LEN + 1];

	if (o->quiet != OPTION_YES)
		cli_printf(cli, to, "Backed up %s.\n", backup_seen_text(seen, cli->arena));
	if (o->key_file)
		return;
	unlock_build(key, text);
	if (o->quiet == OPTION_YES)
		cli_printf(cli, CLI_OUT, "%s\n", text);
	else
		cli_printf(cli, CLI_OUT, "\n%s\n    %s\n", warning, text);
	mem_wipe(text, sizeof(text));
}

static int fail(struct cli *cli, const struct errmsg *msg)
{
	return cli_fail(cli, "%s", msg->text);
}

static int save(struct cli *cli)
{
	const struct backup_options *o = cli->options;
	int is_stdout = strcmp(cli->args[0], "-") == 0, err = 0;
	struct errmsg msg = { { 0 } };
	struct backup_seen seen;
	struct seal_key key;

	if (is_stdout && cli->out_is_tty)
		return cli_usage(cli, "-: a backup is not for a terminal");
	if (is_stdout && !o->key_file)
		return cli_usage(cli, "-: --key-file is needed: there is no place to print a key");
	if (o->key_file)
		err = backup_read_key(cli, o->key_file, &key, &msg);
	else
		entropy_fill(key.bytes, sizeof(key.bytes));
	if (err == 0)
		err = is_stdout ? to_stdout(cli, &key, &seen, &msg) :
				  to_file(cli, &key, &seen, &msg);
	if (err == 0)
		tell(cli, &seen, &key, is_stdout ? CLI_ERR : CLI_OUT);
	mem_wipe(&key, sizeof(key));
	return err < 0 ? fail(cli, &msg) : 0;
}

static int check(struct cli *cli, enum rows_form form)
{
	static struct backup b;
	const struct backup_options *o = cli->options;
	struct errmsg msg = { { 0 } };
	struct backup_seen seen;
	struct folder folder;
	struct seal_key key;
	struct buf out;
	int err = backup_read_key(cli, o->key_file, &key, &msg);

	if (err == 0)
		err = backup_open_path(&b, cli->args[0], &key, &folder, &msg);
	mem_wipe(&key, sizeof(key));
	if (err < 0)
		return fail(cli, &msg);
	err = backup_look(&b, cli->arena, &seen, &msg);
	backup_close_path(&b, &folder);
	if (err < 0)
		return fail(cli, &msg);
	buf_init(&out, CLI_TEXT_MAX);
	backup_seen_write(&seen, form, cli->arena, &out);
	cli_write(cli, CLI_OUT, &out);
	buf_done(&out);
	if (seen.is_locked)
		cli_printf(cli, CLI_ERR, "swarmbox: backup: undamaged; but it is locked with the "
			   "swarm's unlock key, so nobody has looked into it\n");
	return 0;
}

static int run(struct cli *cli)
{
	const struct backup_options *o = cli->options;
	const struct rows_options rows = { .format = o->format };
	struct errmsg msg = { { 0 } };
	enum rows_form form;

	(void)prctl(PR_SET_DUMPABLE, 0);	/* keys are in its memory */
	if (o->format && o->check != OPTION_YES)
		return cli_usage(cli, "--format is for --check");
	if (rows_form(&rows, &form, &msg) < 0)
		return cli_usage(cli, "%s", msg.text);
	return o->check == OPTION_YES ? check(cli, form) : save(cli);
}

#define ROW(name_, letter_, kind_, member, placeholder_, default_, help_) \
	{ name_, letter_, kind_, placeholder_, default_, help_, \
	  offsetof(struct backup_options, member), NULL }

static const struct option options[] = {
	ROW("check", 0, OPTION_FLAG, check, NULL, NULL,
	    "Make none: check the one at FILE and print what is in it"),
	ROW("data-dir", 0, OPTION_STRING, data_dir, "DIR", DATA_DIR,
	    "Where the node's state is kept"),
	ROW("force", 'f', OPTION_FLAG, force, NULL, NULL, "Replace a file that is there"),
	ROW("format", 0, OPTION_STRING, format, NULL, NULL,
	    "How --check prints: table, or json (one object a line)"),
	ROW("key-file", 0, OPTION_STRING, key_file, "FILE", NULL,
	    "Take the key from there, and print none"),
	ROW("quiet", 'q', OPTION_FLAG, quiet, NULL, NULL, "Only print the key"),
	{ .name = NULL },
};

const struct command backup_commands[] = {
	{ .name = "",
	  .summary = "Save this manager's state into a sealed file; -: standard output",
	  .arguments = "FILE", .options = options, .size = sizeof(struct backup_options),
	  .run = run, .args_min = 1, .args_max = 1 },
	{ .name = NULL },
};
