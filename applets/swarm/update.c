/*
 * Changes of the swarm's own settings. The API takes a whole spec, so what is not changed goes
 * back as it came, what is not known here too: only the members that were asked for differ.
 */
#include "applets/swarm/private.h"

static int has_section(const struct swarm_edit *edits, struct slice section)
{
	for (; edits->section; edits++)
		if (slice_is(section, edits->section))
			return 1;
	return 0;
}

static int has_edit(const struct swarm_edit *edits, struct slice section, struct slice key)
{
	for (; edits->section; edits++)
		if (slice_is(section, edits->section) && slice_is(key, edits->key))
			return 1;
	return 0;
}

static void put_edit(struct json_writer *w, const struct swarm_edit *e, const struct json *old)
{
	int64_t now = 0;

	switch (e->kind) {
	case EDIT_SET:
		json_put_i64(w, e->key, e->value);
		return;
	case EDIT_BOOL:
		json_put_bool(w, e->key, e->value != 0);
		return;
	case EDIT_ADD:
		/* A member that is not there counts as 0. */
		if (json_to_i64(json_get(old, e->key), &now) < 0 || now > INT64_MAX - e->value)
			now = 0;
		json_put_i64(w, e->key, now + e->value);
		return;
	}
}

static void put_section(struct json_writer *w, const struct swarm_edit *edits,
			struct slice section, const struct json *old)
{
	json_write_key_slice(w, section);
	json_open_object(w);
	for (const struct json *m = json_first(old); m; m = json_next(m)) {
		if (has_edit(edits, section, json_key(m)))
			continue;
		json_write_key_slice(w, json_key(m));
		json_write_node(w, m);
	}
	for (const struct swarm_edit *e = edits; e->section; e++)
		if (slice_is(section, e->section))
			put_edit(w, e, old);
	json_close_object(w);
}

/* 1 if an edit before this one has its section. */
static int is_written(const struct swarm_edit *edits, const struct swarm_edit *e)
{
	for (; edits != e; edits++)
		if (slice_is(slice_of(edits->section), e->section))
			return 1;
	return 0;
}

static void put_spec(struct json_writer *w, const struct swarm_edit *edits,
		     const struct json *spec)
{
	json_open_object(w);
	for (const struct json *m = json_first(spec); m; m = json_next(m)) {
		if (has_section(edits, json_key(m))) {
			put_section(w, edits, json_key(m), m);
			continue;
		}
		json_write_key_slice(w, json_key(m));
		json_write_node(w, m);
	}
	for (const struct swarm_edit *e = edits; e->section; e++)
		if (!json_get(spec, e->section) && !is_written(edits, e))
			put_section(w, edits, slice_of(e->section), NULL);
	json_close_object(w);
}

static int send(struct cli *cli, const struct swarm_edit *edits, enum swarm_rotation rotation,
		const struct json *swarm, struct errmsg *msg)
{
	static const char *const flags[] = { "false", "true" };
	struct json_writer w;
	uint64_t version = 0;
	struct buf body;
	int err;

	if (json_to_u64(json_get(json_get(swarm, "Version"), "Index"), &version) < 0)
		return errmsg_set(msg, ERR_IO, "the API's answer: the swarm has no version");
	buf_init(&body, CLI_TEXT_MAX);
	json_begin(&w, &body);
	put_spec(&w, edits, json_get(swarm, "Spec"));
	err = cli_send(cli, "POST", arena_printf(cli->arena, "/swarm/update?version=%llu"
		"&rotateWorkerToken=%s&rotateManagerToken=%s&rotateManagerUnlockKey=%s",
		(unsigned long long)version, flags[rotation == ROTATE_WORKER],
		flags[rotation == ROTATE_MANAGER], flags[rotation == ROTATE_UNLOCK_KEY]),
		buf_slice(&body), msg);
	buf_done(&body);
	return err;
}

int swarm_change(struct cli *cli, const struct swarm_edit *edits, enum swarm_rotation rotation,
		 const struct json **before, struct errmsg *msg)
{
	const struct json *swarm = NULL;
	int err = ERR_STALE;

	for (int i = 0; err == ERR_STALE && i < CLI_STALE_TRIES; i++) {
		err = cli_get(cli, cli->arena, "/swarm", &swarm, msg);
		if (err == 0)
			err = send(cli, edits, rotation, swarm, msg);
	}
	if (err == 0 && before)
		*before = swarm;
	return err;
}

/* ---- swarm update ------------------------------------------------------------------ */

enum { EDITS_MAX = 6 };	/* as many as there are options */

static void add_number(struct swarm_edit **next, const char *section, const char *key,
		       const struct option_number *n)
{
	if (n->given)
		*(*next)++ = (struct swarm_edit){ section, key, EDIT_SET, n->value };
}

/* edits is zeroed and has room for one more than EDITS_MAX. Returns how many there are. */
static size_t collect(const struct update_options *o, struct swarm_edit *edits)
{
	struct swarm_edit *next = edits;

	if (o->autolock)
		*next++ = (struct swarm_edit){ "EncryptionConfig", "AutoLockManagers", EDIT_BOOL,
			o->autolock == OPTION_YES };
	add_number(&next, "CAConfig", "NodeCertExpiry", &o->cert_expiry);
	add_number(&next, "Dispatcher", "HeartbeatPeriod", &o->dispatcher_heartbeat);
	add_number(&next, "Raft", "KeepOldSnapshots", &o->max_snapshots);
	add_number(&next, "Raft", "SnapshotInterval", &o->snapshot_interval);
	add_number(&next, "Orchestration", "TaskHistoryRetentionLimit", &o->task_history_limit);
	return (size_t)(next - edits);
}

int swarm_run_update(struct cli *cli)
{
	const struct update_options *o = cli->options;
	struct swarm_edit edits[EDITS_MAX + 1] = { { .section = NULL } };
	struct errmsg msg = { { 0 } };
	const struct json *before, *encryption;

	if (collect(o, edits) == 0)
		return cli_usage(cli, "an option is needed that says what to change");
	if (swarm_change(cli, edits, ROTATE_NONE, &before, &msg) < 0)
		return cli_failed(cli, &msg);
	cli_printf(cli, CLI_OUT, "Swarm updated.\n");
	encryption = json_get(json_get(before, "Spec"), "EncryptionConfig");
	if (o->autolock != OPTION_YES || json_is_true(json_get(encryption, "AutoLockManagers")))
		return 0;
	return swarm_print_unlock_key(cli, 0, &msg) < 0 ? cli_failed(cli, &msg) : 0;
}

#define ROW(name_, kind_, member, help_) \
	{ name_, 0, kind_, NULL, NULL, help_, offsetof(struct update_options, member), NULL }

const struct option swarm_update_options[] = {
	ROW("autolock", OPTION_FLAG, autolock,
	    "Whether a manager that starts again waits for the unlock key"),
	ROW("cert-expiry", OPTION_DURATION, cert_expiry, "How long a node's certificate holds"),
	ROW("dispatcher-heartbeat", OPTION_DURATION, dispatcher_heartbeat,
	    "How often a node reports to the managers"),
	ROW("max-snapshots", OPTION_COUNT, max_snapshots, "How many old snapshots are kept"),
	ROW("snapshot-interval", OPTION_COUNT, snapshot_interval,
	    "How many log entries there are between two snapshots"),
	ROW("task-history-limit", OPTION_COUNT, task_history_limit,
	    "How many old tasks of a slot are kept"),
	{ .name = NULL },
};
