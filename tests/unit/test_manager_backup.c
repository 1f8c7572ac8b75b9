/* Backups of a node that is real but for its daemon: what the commands make, check, refuse and
 * bring back; and the table of what is in them. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "applets/manager/main_backup.h"
#include "applets/manager/main_node.h"
#include "applets/manager/main_recover.h"
#include "cli_fake.h"
#include "crypt/token.h"
#include "io/datadir.h"
#include "io/snapshot.h"
#include "scratch.h"
#include "unit.h"

#define KEY "SWMKEY-1-AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"

/* ---- the table ---------------------------------------------------------------------- */

static void add(struct backup_table *t, const char *name, uint64_t size)
{
	struct backup_file *f = &t->files[t->count++];

	*f = (struct backup_file){ .size = size };
	strncpy(f->name, name, sizeof(f->name) - 1);
}

static void fill(struct backup_table *t)
{
	t->count = 0;
	add(t, "node.json", 5);
	add(t, "identity", 7);
	add(t, "key", 32);
	add(t, "wal-0000000000000009", 100);
	add(t, "wal-000000000000000a", 0);
	add(t, "snapshot-0000000000000003", 1000);
}

enum { FILLED_BYTES = 5 + 7 + 32 + 100 + 1000 };

/* ERR_CORRUPT or 0. The end alone is given, as from a text of so many bytes. */
static int parse(struct slice end, struct backup_table *t)
{
	return backup_table_parse((struct slice){ unit_guard(end.data, end.len), end.len },
				  FILLED_BYTES + end.len, t);
}

TEST(a_table_comes_back_with_places)
{
	static struct backup_table t, again;
	struct buf b;

	fill(&t);
	buf_init(&b, BACKUP_TABLE_MAX);
	backup_table_build(&t, &b);
	CHECK_MEM(b.data, 11, "\tnode.json\5");
	CHECK_INT(parse(buf_slice(&b), &again), 0);
	CHECK_INT(again.count, 6);
	CHECK_STR(again.files[5].name, "snapshot-0000000000000003");
	CHECK_INT(again.files[5].offset, 5 + 7 + 32 + 100);
	CHECK_INT(again.files[5].size, 1000);
	/* What stands before it is not looked at. */
	CHECK_INT(backup_table_parse(buf_slice(&b), FILLED_BYTES + b.len + 1, &again), ERR_CORRUPT);
	for (size_t n = 0; n < b.len; n++) {
		struct slice cut = { b.data + n + 1, b.len - n - 1 }, head = { b.data, n };

		CHECK_INT(parse(cut, &again), ERR_CORRUPT);
		CHECK_INT(parse(head, &again), ERR_CORRUPT);
	}
	buf_done(&b);
}

/* The table as it would be with file i named so; it must not parse. */
static void refuse(uint32_t i, const char *name, int64_t size)
{
	static struct backup_table t, again;
	struct buf b;
	char *place;

	fill(&t);
	buf_init(&b, BACKUP_TABLE_MAX);
	backup_table_build(&t, &b);
	place = memmem(b.data, b.len, t.files[i].name, strlen(t.files[i].name));
	CHECK(place && strlen(name) == strlen(t.files[i].name));
	memcpy(place, name, strlen(name));
	memcpy(place + strlen(name), &size, sizeof(size));
	CHECK_INT(parse(buf_slice(&b), &again), ERR_CORRUPT);
	buf_done(&b);
}

TEST(a_table_of_other_files_is_none)
{
	refuse(0, "node.jsox", 5);
	refuse(0, "../passwd", 5);
	refuse(2, "kez", 32);
	refuse(3, "wal-000000000000000a", 100);		/* twice */
	refuse(3, "wal-000000000000000b", 100);		/* not in order */
	refuse(4, "wal-000000000000000A", 0);
	refuse(4, "wal/000000000000000a", 0);
	refuse(5, "snapshot-../../../../../x", 1000);
	refuse(5, "snapshot-0000000000000003", 999);
	refuse(5, "snapshot-0000000000000003", -1);
	refuse(5, "snapshot-0000000000000003", BACKUP_FILE_MAX + 1);
}

TEST(what_is_told_of_a_backup)
{
	struct backup_seen seen = { .node_id = "n1", .swarm_id = "s1", .time_ns = 1, .index = 7,
				    .counts = { 1, 3, 1, 2, 0 }, .pairs = 5 };
	struct arena a;
	struct buf out;

	arena_init(&a);
	buf_init(&out, 4096);
	CHECK_STR(backup_seen_text(&seen, &a), "node n1 of swarm s1 at index 7 "
		  "(3 nodes, 1 service, 2 tasks, 0 networks, 5 pairs)");
	backup_seen_write(&seen, ROWS_JSON, &a, &out);
	CHECK_STR(buf_str(&out), "{\"Created\":\"1970-01-01T00:00:00.000000001Z\","
		  "\"Index\":\"7\",\"Networks\":\"0\",\"Node\":\"n1\",\"Nodes\":\"3\","
		  "\"Pairs\":\"5\",\"Services\":\"1\",\"Swarm\":\"s1\",\"Tasks\":\"2\"}\n");
	seen.is_locked = 1;
	seen.swarm_id = "";
	buf_reset(&out);
	backup_seen_write(&seen, ROWS_JSON, &a, &out);
	CHECK(strstr(buf_str(&out), "\"Index\":\"\"") && strstr(buf_str(&out), "\"Pairs\":\"\""));
	CHECK(strstr(backup_seen_text(&seen, &a), "node n1, whose content is locked") != NULL);
	buf_done(&out);
	arena_done(&a);
}

/* ---- a node ------------------------------------------------------------------------- */

struct place {
	char path[SCRATCH_PATH], out[SCRATCH_PATH];	/* its folder; where backups go */
	struct datadir dir;
	struct manager_config config;
	struct wal wal;
	struct manager *manager;
	struct effects fx;
	uint64_t now_ms;
	int flush, replied;
};

static int saved(void *context, struct errmsg *msg)
{
	(void)context;
	(void)msg;
	return 0;
}

static void logged(void *context, enum log_level level, const char *text)
{
	(void)context;
	(void)level;
	(void)text;
}

static void snapshot(struct place *n, const struct effect *x, struct event *ev)
{
	static struct snapshot_writer w;

	CHECK_INT(snapshot_begin(&w, &n->dir.raft, &n->dir.key, x->id, NULL), 0);
	(void)manager_snapshot(n->manager, &w.file.sink);
	*ev = (struct event){ .kind = EVENT_SNAPSHOT_SAVED, .id = x->id,
			      .offset = w.file.length };
	CHECK_INT(snapshot_finish(&w, NULL), 0);
}

/* One event and what follows of it. */
static void step(struct place *n, struct event *ev)
{
	struct event next = { .kind = EVENT_START };

	ev->now_ms = n->now_ms += 10;
	ev->wall_ns = 1800000000000000000 + (int64_t)n->now_ms * 1000000;
	effects_reset(&n->fx);
	manager_step(n->manager, ev, &n->fx);
	for (uint32_t i = 0; i < n->fx.count; i++) {
		const struct effect *x = &n->fx.items[i];

		if (x->kind == EFFECT_WAL_APPEND)
			CHECK_INT(wal_append(&n->wal, x->id, x->body), 0);
		if (x->kind == EFFECT_SNAPSHOT_SAVE)
			snapshot(n, x, &next);
		n->flush |= x->kind == EFFECT_FLUSH;
		n->replied |= x->kind == EFFECT_REPLY && x->status == 200;
	}
	if (next.kind == EVENT_SNAPSHOT_SAVED) {
		next.now_ms = ev->now_ms;
		effects_reset(&n->fx);
		manager_step(n->manager, &next, &n->fx);
	}
}

static void run(struct place *n, struct event *first)
{
	step(n, first);
	for (int i = 0; i < 30; i++) {
		struct event ev = { .kind = EVENT_TIMER };

		if (n->wal.last > n->wal.durable) {
			CHECK_INT(wal_sync(&n->wal, NULL), 0);
			ev = (struct event){ .kind = EVENT_WAL_DONE, .id = n->wal.durable };
		} else if (n->flush) {
			n->flush = 0;
			ev.kind = EVENT_FLUSH;
		}
		step(n, &ev);
	}
}

static void put(struct place *n, const char *target)
{
	struct event ev = { .kind = EVENT_REQUEST, .id = n->now_ms, .method = SLICE("PUT"),
			    .target = slice_of(target), .body = SLICE("value") };

	n->replied = 0;
	run(n, &ev);
	CHECK(n->replied);
}

/* A manager of a new swarm, with three pairs, one of them in the log alone. */
static void node_make(struct place *n)
{
	static struct trust t;
	struct recovery r = { .folder = &n->dir.raft, .key = &n->dir.key, .config = &n->config,
			      .create = 1, .wal = &n->wal, .save = saved, .log = logged };
	struct event start = { .kind = EVENT_START, .text = SLICE("node1") };
	struct event session = { .kind = EVENT_SESSION_UP, .id = 1, .text = SLICE("node1") };

	memset(n, 0, sizeof(*n));
	scratch_make(n->path);
	scratch_make(n->out);
	n->config = (struct manager_config){
		.node_id = "node1", .raft_id = 77, .begin = RAFT_FOUND, .contacts = "",
		.hostname = "h", .listen_addr = "0.0.0.0:2377", .advertise_addr = "10.0.0.1:2377",
		.default_addr_pool = "10.0.0.0/8", .swarm_id = "swarm1", .engine_socket = "",
		.data_dir = "", .snapshot_entries = 5,
	};
	CHECK_INT(datadir_open(&n->dir, n->path, NULL), 0);
	CHECK_INT(trust_found(&t, "node1", "swarm1", 1800000000, NULL), 0);
	CHECK_INT(trust_save(&t, &n->dir, NULL), 0);
	trust_done(&t);
	CHECK_INT(node_save(n->path, &n->config, 1, NULL), 0);
	CHECK_INT(recover_manager(&r, NULL), 0);
	n->manager = r.manager;
	effects_init(&n->fx);
	run(n, &start);
	run(n, &session);
	CHECK(manager_is_ready(n->manager));
	put(n, "/v1/kv/a");
	put(n, "/v1/kv/b");
	put(n, "/v1/kv/c");
	CHECK_INT(scratch_count(scratch_file(n->path, "raft"), "snapshot-", NULL), 1);
}

static void node_done(struct place *n)
{
	wal_close(&n->wal);
	effects_done(&n->fx);
	manager_free(n->manager);
	datadir_close(&n->dir);
	scratch_remove(n->path);
	scratch_remove(n->out);
}

/* ---- the commands ------------------------------------------------------------------- */

/* Runs words, in which %d is the node's folder and %o the other one; the key file is KEY. */
static void command(struct cli_fake *f, const struct place *n, const struct command *commands,
		    const char *words)
{
	struct buf text;

	cli_fake_init(f, NULL);
	f->file = KEY "\n";
	f->secret = KEY;
	buf_init(&text, 4096);
	for (; *words; words++) {
		if (words[0] == '%' && (words[1] == 'd' || words[1] == 'o'))
			buf_add_str(&text, *++words == 'd' ? n->path : n->out);
		else
			buf_add_char(&text, *words);
	}
	cli_fake_run(f, commands, buf_str(&text));
	buf_done(&text);
}

static void says(const struct place *n, const struct command *commands, const char *words,
		 int status, const char *text)
{
	struct cli_fake f;

	command(&f, n, commands, words);
	CHECK_INT(f.status, status);
	CHECK(strstr(buf_str(status ? &f.err : &f.out), text) != NULL);
	if (status) {
		CHECK_INT(f.out.len, 0);
		CHECK(memchr(f.err.data, '\n', f.err.len) == f.err.data + f.err.len - 1);
	}
	cli_fake_done(&f);
}

TEST(a_running_node_is_backed_up_checked_and_restored)
{
	static struct place n;
	struct manager_config node;
	char restored[SCRATCH_PATH];
	struct arena a;
	struct stat st;
	int founder;

	node_make(&n);
	says(&n, backup_commands, " --data-dir %d --key-file k %o/b", 0,
	     "Backed up node node1 of swarm swarm1 at index ");
	CHECK(stat(scratch_file(n.out, "b"), &st) == 0 && (st.st_mode & 07777) == 0600);
	CHECK(st.st_size < 60000);
	CHECK_INT(scratch_count(n.out, "b", NULL), 1);
	says(&n, backup_commands, " --check %o/b", 0, "swarm1");
	says(&n, backup_commands, " --check --key-file k --format json %o/b", 0,
	     "\"Nodes\":\"1\",\"Pairs\":\"3\"");

	says(&n, restore_commands, " --data-dir %o/new %o/b", 0,
	     "swarmbox init --force-new-cluster --data-dir ");
	strncpy(restored, scratch_file(n.out, "new"), sizeof(restored) - 1);
	arena_init(&a);
	CHECK_INT(node_load(&a, restored, &node, &founder, NULL), 0);
	CHECK(node.raft_id == 0 && founder == 0);
	CHECK_STR(node.node_id, "node1");
	CHECK_STR(node.advertise_addr, "10.0.0.1:2377");
	arena_done(&a);
	says(&n, restore_commands, " --data-dir %o/new %o/b", 1, "holds a node already");
	says(&n, restore_commands, " --data-dir %o %o/b", 1, "not a swarmbox data folder");
	/* It can be backed up itself, before it ran. */
	says(&n, backup_commands, " --data-dir %o/new --key-file k %o/c", 0, "3 pairs");
	node_done(&n);
}

TEST(a_key_is_printed_once_and_opens_it)
{
	static struct place n;
	struct seal_key key;
	struct cli_fake f;
	const char *text;

	node_make(&n);
	command(&f, &n, backup_commands, " --data-dir %d %o/b");
	CHECK_INT(f.status, 0);
	text = strstr(buf_str(&f.out), "SWMKEY-1-");
	CHECK(text && !strstr(text + 1, "SWMKEY-1-"));
	CHECK_INT(unlock_parse((struct slice){ text, UNLOCK_TEXT_LEN }, &key), 0);
	CHECK(strncmp(text, KEY, UNLOCK_TEXT_LEN) != 0);
	says(&n, backup_commands, " --check %o/b", 1, "not made with this key");
	cli_fake_done(&f);
	command(&f, &n, backup_commands, " -q --force --data-dir %d %o/b");
	CHECK_INT(f.out.len, UNLOCK_TEXT_LEN + 1);
	cli_fake_done(&f);
	command(&f, &n, backup_commands, " -q --force --key-file k --data-dir %d %o/b");
	CHECK_INT(f.out.len + f.err.len, 0);
	cli_fake_done(&f);
	node_done(&n);
}

TEST(a_file_that_is_there_is_replaced_by_force_alone)
{
	static struct place n;
	int fd;

	node_make(&n);
	scratch_write(scratch_file(n.out, "b"), "mine", 4);
	says(&n, backup_commands, " --key-file k --data-dir %d %o/b", 1, "--force");
	CHECK(stat(scratch_file(n.out, "b"), &(struct stat){ 0 }) == 0);
	CHECK_INT(scratch_count(n.out, "b", NULL), 1);
	/* Another one is under way. */
	fd = open(scratch_file(n.out, "c.new"), O_RDWR | O_CREAT, 0600);
	CHECK(fd >= 0 && flock(fd, LOCK_EX) == 0);
	says(&n, backup_commands, " --key-file k --data-dir %d %o/c", 1, "another backup");
	CHECK_INT(scratch_count(n.out, "c", NULL), 1);
	close(fd);
	/* What a killed one left is no obstacle. */
	scratch_write(scratch_file(n.out, "b.new"), "half", 4);
	says(&n, backup_commands, " --force --key-file k --data-dir %d %o/b", 0, "Backed up");
	CHECK_INT(scratch_count(n.out, "b", NULL), 1);
	says(&n, backup_commands, " --check %o/b", 0, "node1");
	says(&n, backup_commands, " --key-file k --data-dir %d %o/none/b", 1, "none");
	says(&n, backup_commands, " --key-file k --data-dir %o %o/c", 1, "holds no manager");
	CHECK_INT(scratch_count(n.out, "b", NULL), 1);
	node_done(&n);
}

TEST(every_changed_byte_and_every_cut_is_refused_and_nothing_is_written)
{
	static struct place n;
	char path[SCRATCH_PATH];
	char *bytes;
	size_t size;

	node_make(&n);
	says(&n, backup_commands, " --key-file k --data-dir %d %o/b", 0, "Backed up");
	strncpy(path, scratch_file(n.out, "b"), sizeof(path) - 1);
	bytes = scratch_read(path, &size);
	CHECK(bytes && !memmem(bytes, size, "node1", 5) && !memmem(bytes, size, "value", 5));
	for (size_t at = 0; at < size && !unit_failed(); at += at < 100 ? 1 : 499) {
		bytes[at] ^= 1;
		scratch_write(path, bytes, size);
		says(&n, restore_commands, " --data-dir %o/new %o/b", 1, "damaged");
		bytes[at] ^= 1;
		scratch_write(path, bytes, at);
		says(&n, restore_commands, " --data-dir %o/new %o/b", 1, "nothing of it is used");
	}
	CHECK_INT(scratch_count(n.out, "new", NULL), 0);
	free(bytes);
	node_done(&n);
}

/* The node's certificate becomes a worker's. */
static void demote(struct place *n)
{
	struct x509_issue what = { .not_before_s = 1800000000, .not_after_s = 1900000000 };
	static struct trust t, worker;
	struct buf der, chain, key;

	buf_init(&der, X509_DER_MAX);
	buf_init(&chain, 2 * X509_PEM_MAX);
	buf_init(&key, X509_PEM_MAX);
	CHECK_INT(trust_load(&t, &n->dir, NULL), 0);
	CHECK_INT(pem_read_key(t.root_key, what.issuer_key), 0);
	what.issuer = t.identity.chain[1];
	what.subject = t.cert.subject;
	snprintf(what.subject.unit, sizeof(what.subject.unit), "swarm-worker");
	memcpy(what.point, t.cert.point, sizeof(what.point));
	what.serial[0] = 1;
	CHECK_INT(x509_issue(&what, &der, NULL), 0);
	pem_write(&chain, "CERTIFICATE", buf_slice(&der));
	pem_write_key(&key, t.identity.key);
	CHECK_INT(trust_take(&worker, buf_slice(&chain), buf_slice(&key), t.roots,
			     (struct slice){ NULL, 0 }, NULL), 0);
	CHECK_INT(trust_save(&worker, &n->dir, NULL), 0);
	trust_done(&worker);
	trust_done(&t);
	buf_done(&der);
	buf_done(&chain);
	buf_done(&key);
}

TEST(a_node_that_is_no_manager_any_more_is_refused)
{
	static struct place n;

	node_make(&n);
	demote(&n);
	says(&n, backup_commands, " --key-file k --data-dir %d %o/b", 1, "is no manager");
	CHECK_INT(scratch_count(n.out, "b", NULL), 0);
	node_done(&n);
}

/* One that was made well, of what is no node. */
TEST(a_backup_that_holds_no_node_that_can_run_is_refused)
{
	static struct place n;
	char text[] = "{\"NodeID\":\"another\"}", raft[2 * SCRATCH_PATH], name[SCRATCH_PATH];

	node_make(&n);
	scratch_write(scratch_file(n.path, "node.json"), text, sizeof(text) - 1);
	says(&n, backup_commands, " --key-file k --data-dir %d %o/b", 1, "certificate");
	scratch_write(scratch_file(n.path, "node.json"), "{", 1);
	says(&n, backup_commands, " --key-file k --data-dir %d %o/b", 1, "node.json");
	CHECK_INT(node_save(n.path, &n.config, 0, NULL), 0);
	snprintf(raft, sizeof(raft), "%s/raft", n.path);
	CHECK_INT(scratch_count(raft, "snapshot-", name), 1);
	scratch_write(scratch_file(raft, name), "rotten", 6);
	says(&n, backup_commands, " --key-file k --data-dir %d %o/b", 1, "the log in it");
	CHECK_INT(scratch_count(n.out, "b", NULL), 0);
	node_done(&n);
}

TEST(a_locked_node_is_backed_up_as_it_is)
{
	static const struct seal_key unlock = { { 5 } };
	static struct place n;
	static struct datadir dir;
	struct cli_fake f;
	char restored[SCRATCH_PATH];

	node_make(&n);
	CHECK_INT(datadir_lock(&n.dir, &unlock, NULL), 0);
	says(&n, backup_commands, " --key-file k --data-dir %d %o/b", 0, "unlock key");
	command(&f, &n, backup_commands, " --check --format json %o/b");
	CHECK_INT(f.status, 0);
	CHECK(strstr(buf_str(&f.out), "\"Index\":\"\"") != NULL);
	CHECK(strstr(buf_str(&f.err), "undamaged") != NULL);
	cli_fake_done(&f);
	says(&n, restore_commands, " --data-dir %o/new %o/b", 0, "Restored");
	strncpy(restored, scratch_file(n.out, "new"), sizeof(restored) - 1);
	CHECK_INT(datadir_open(&dir, restored, NULL), 0);
	CHECK_INT(dir.locked, 1);
	CHECK_INT(datadir_unlock(&dir, &unlock, NULL), 0);
	CHECK(memcmp(&dir.key, &n.dir.key, sizeof(dir.key)) == 0);
	datadir_close(&dir);
	node_done(&n);
}
