/*
 * swarmbox restore. Contracts are in main_backup.h.
 *
 * What comes back is a node without a raft id: the old one has voted and acknowledged since, which
 * the log from the backup does not know, so nobody may ever speak under it again. The node can only
 * be made its swarm's only manager; where others still run, a new one joins them.
 */
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include "applets/manager/main_backup.h"
#include "applets/manager/main_node.h"
#include "base/mem.h"
#include "base/timefmt.h"
#include "io/datadir.h"

#define DATA_DIR "/var/lib/swarmbox"

struct restore_options {
	const char *data_dir, *key_file;
};

static int raft_write(struct backup *b, const struct backup_file *f, const struct folder *raft,
		      struct errmsg *msg)
{
	int fd = folder_create(raft, f->name, msg), err = fd < 0 ? fd : 0;
	struct slice piece;

	for (uint64_t at = 0; err == 0 && at < f->size; at += piece.len) {
		uint64_t left = f->size - at;

		err = sealed_read(&b->file, f->offset + at, (size_t)left, &piece, msg);
		if (err == 0 && folder_write_at(raft, fd, piece.data, piece.len, at) < 0)
			err = folder_error(raft, f->name, msg);
	}
	if (err == 0)
		err = folder_publish(raft, fd, f->name, msg);
	if (fd >= 0)
		folder_file_close(raft, fd);
	return err;
}

static int small_write(struct backup *b, enum backup_part part, const struct datadir *dir,
		       struct errmsg *msg)
{
	char path[FILE_PATH_MAX + BACKUP_NAME_MAX];
	struct buf bytes;
	int err;

	snprintf(path, sizeof(path), "%s/%s", dir->folder.path, b->table.files[part].name);
	buf_init(&bytes, b->table.files[part].size);
	err = backup_small(b, part, &bytes, msg);
	if (err == 0)
		err = file_write(path, buf_slice(&bytes), 0600, FILE_DURABLE, msg);
	if (bytes.data)
		mem_wipe(bytes.data, bytes.len);
	buf_done(&bytes);
	return err;
}

static int node_write(struct backup *b, const struct datadir *dir, struct arena *a,
		      struct manager_config *node, struct errmsg *msg)
{
	int founder, err = small_write(b, BACKUP_NODE, dir, msg);

	if (err == 0)
		err = node_load(a, dir->folder.path, node, &founder, msg);
	node->raft_id = 0;
	return err < 0 ? err : node_save(dir->folder.path, node, 0, msg);
}

/* The marker comes last: what a crash leaves before is nobody's data folder. */
static int write_all(struct backup *b, const struct datadir *dir, struct arena *a,
		     struct manager_config *node, struct errmsg *msg)
{
	int err = 0;

	for (uint32_t i = BACKUP_FIXED; err == 0 && i < b->table.count; i++)
		err = raft_write(b, &b->table.files[i], &dir->raft, msg);
	if (err == 0)
		err = node_write(b, dir, a, node, msg);
	if (err == 0)
		err = small_write(b, BACKUP_IDENTITY, dir, msg);
	if (err == 0)
		err = small_write(b, BACKUP_KEY, dir, msg);
	return err < 0 ? err : datadir_finish(dir, msg);
}

static int restore(struct backup *b, const char *data_dir, struct arena *a,
		   struct manager_config *node, struct errmsg *msg)
{
	static struct datadir dir;
	int err = datadir_begin(&dir, data_dir, msg);

	if (err < 0)
		return err;
	err = write_all(b, &dir, a, node, msg);
	if (err < 0)
		(void)datadir_wipe(&dir, NULL);		/* what stays is no data folder */
	datadir_close(&dir);
	return err;
}

static void tell(struct cli *cli, const struct backup_seen *seen, const char *data_dir,
		 const struct manager_config *node)
{
	char time[TIME_TEXT_MAX];
	int is_default = strcmp(data_dir, DATA_DIR) == 0;

	time_format(seen->time_ns, time);
	cli_printf(cli, CLI_OUT, "Restored %s, as it was at %s, in %s.\n\n",
		   backup_seen_text(seen, cli->arena), time, data_dir);
	cli_printf(cli, CLI_OUT, "If no manager of its swarm runs any more, make it the only one:"
		   "\n\n    swarmbox init --force-new-cluster%s%s\n\n",
		   is_default ? "" : " --data-dir ", is_default ? "" : data_dir);
	cli_printf(cli, CLI_OUT, "with --advertise-addr if this host's address is no longer %s.\n"
		   "If others run, remove the folder again and join them with what\n"
		   "'swarmbox swarm join-token manager' prints there.\n", node->advertise_addr);
}

static int run(struct cli *cli)
{
	static struct backup b;
	const struct restore_options *o = cli->options;
	const char *data_dir = o->data_dir ? o->data_dir : DATA_DIR;
	struct manager_config node = { .node_id = NULL };
	struct errmsg msg = { { 0 } };
	struct backup_seen seen;
	struct folder folder;
	struct seal_key key;
	int err;

	(void)prctl(PR_SET_DUMPABLE, 0);	/* keys are in its memory */
	err = backup_read_key(cli, o->key_file, &key, &msg);
	if (err == 0)
		err = backup_open_path(&b, cli->args[0], &key, &folder, &msg);
	mem_wipe(&key, sizeof(key));
	if (err < 0)
		return cli_fail(cli, "%s", msg.text);
	err = backup_look(&b, cli->arena, &seen, &msg);
	if (err == 0)
		err = restore(&b, data_dir, cli->arena, &node, &msg);
	backup_close_path(&b, &folder);
	if (err < 0)
		return cli_fail(cli, "%s", msg.text);
	tell(cli, &seen, data_dir, &node);
	return 0;
}

static const struct option options[] = {
	{ "data-dir", 0, OPTION_STRING, "DIR", DATA_DIR, "The folder to make: missing or empty",
	  offsetof(struct restore_options, data_dir), NULL },
	{ "key-file", 0, OPTION_STRING, "FILE", NULL,
	  "Take the key from there, and do not ask for it",
	  offsetof(struct restore_options, key_file), NULL },
	{ .name = NULL },
};

const struct command restore_commands[] = {
	{ .name = "", .summary = "Make a data folder of a backup; the key is asked for",
	  .arguments = "FILE", .options = options, .size = sizeof(struct restore_options),
	  .run = run, .args_min = 1, .args_max = 1 },
	{ .name = NULL },
};
