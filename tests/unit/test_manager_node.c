/* node.json: what a node is comes back as it was saved, and older files are read. */
#include <stdio.h>
#include <string.h>
#include "applets/manager/main_node.h"
#include "scratch.h"
#include "unit.h"

struct loaded {
	struct arena arena;
	struct manager_config node;
	struct errmsg msg;
	int founder, err;
};

static struct loaded load(const char *folder)
{
	struct loaded l = { .founder = -1 };

	arena_init(&l.arena);
	l.err = node_load(&l.arena, folder, &l.node, &l.founder, &l.msg);
	return l;
}

static struct loaded load_text(const char *text)
{
	char folder[SCRATCH_PATH];
	struct loaded l;

	scratch_make(folder);
	scratch_write(scratch_file(folder, "node.json"), text, strlen(text));
	l = load(folder);
	scratch_remove(folder);
	return l;
}

static const struct manager_config sample = {
	.node_id = "n1", .raft_id = UINT64_MAX, .listen_addr = "0.0.0.0:2377",
	.advertise_addr = "192.0.2.2:2377", .default_addr_pool = "10.0.0.0/8",
	.contacts = "192.0.2.3:2377 192.0.2.4:99", .begin = RAFT_FOUND,
};

TEST(a_node_comes_back_as_it_was_saved)
{
	char folder[SCRATCH_PATH];
	struct loaded l;

	scratch_make(folder);
	CHECK_INT(node_save(folder, &sample, 1, NULL), 0);
	l = load(folder);
	CHECK_INT(l.err, 0);
	CHECK_STR(l.node.node_id, "n1");
	CHECK(l.node.raft_id == UINT64_MAX);
	CHECK_STR(l.node.listen_addr, sample.listen_addr);
	CHECK_STR(l.node.advertise_addr, sample.advertise_addr);
	CHECK_STR(l.node.default_addr_pool, sample.default_addr_pool);
	CHECK_STR(l.node.contacts, sample.contacts);
	CHECK_INT(l.founder, 1);
	/* How to begin is said anew at each start. */
	CHECK_INT(l.node.begin, RAFT_JOIN);
	arena_done(&l.arena);
	scratch_remove(folder);
}

TEST(a_node_without_other_managers_has_no_contacts)
{
	struct manager_config alone = sample;
	char folder[SCRATCH_PATH];
	struct loaded l;

	alone.contacts = NULL;
	scratch_make(folder);
	CHECK_INT(node_save(folder, &alone, 0, NULL), 0);
	l = load(folder);
	CHECK_STR(l.node.contacts, "");
	CHECK_INT(l.founder, 0);
	arena_done(&l.arena);
	scratch_remove(folder);
}

TEST(a_file_of_before_raft_ids_has_raft_id_1)
{
	struct loaded l = load_text("{\"NodeID\":\"n1\",\"ListenAddr\":\"0.0.0.0:2377\","
				    "\"AdvertiseAddr\":\"\",\"DefaultAddrPool\":\"10.0.0.0/8\"}");

	CHECK_INT(l.err, 0);
	CHECK(l.node.raft_id == 1);
	CHECK_INT(l.founder, 0);
	CHECK_STR(l.node.contacts, "");
	arena_done(&l.arena);
}

TEST(one_that_was_restored_has_no_raft_id)
{
	struct loaded l = load_text("{\"NodeID\":\"n1\",\"RaftID\":\"0\"}");

	CHECK_INT(l.err, 0);
	CHECK(l.node.raft_id == 0);
	arena_done(&l.arena);
}

TEST(what_is_no_node_is_told_apart)
{
	static const char *const damaged[] = {
		"", "{", "{}", "{\"NodeID\":\"\"}", "{\"NodeID\":\"n1\",\"RaftID\":\"x\"}",
		"{\"NodeID\":\"n1\",\"RaftID\":\"-1\"}", "{\"NodeID\":\"n1\",\"RaftID\":7}",
		"{\"NodeID\":\"n1\",\"RaftID\":\"18446744073709551616\"}",
	};
	char folder[SCRATCH_PATH];
	struct loaded l;

	for (size_t i = 0; i < sizeof(damaged) / sizeof(*damaged); i++) {
		l = load_text(damaged[i]);
		CHECK_INT(l.err, ERR_CORRUPT);
		CHECK(strstr(l.msg.text, "node.json: damaged") != NULL);
		arena_done(&l.arena);
	}
	scratch_make(folder);
	l = load(folder);
	CHECK_INT(l.err, ERR_NOT_FOUND);
	arena_done(&l.arena);
	scratch_remove(folder);
}
