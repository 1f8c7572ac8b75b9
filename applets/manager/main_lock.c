/*
 * What the unlock key opens, and that nobody else sees it. Contracts are in main_private.h, main.h
 * and io/datadir.h.
 *
 * The key is in memory only. When the process begins anew as another program (start_anew), that one
 * gets it through a pipe: what is in argv or environ can be seen by others.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>
#include "applets/manager/api/api.h"
#include "applets/manager/main_private.h"
#include "base/mem.h"
#include "docker/docker.h"
#include "io/entropy.h"
#include "io/log.h"

#define INHERITED_FD "SWARMBOX_UNLOCK_FD"

void daemon_hide(void)
{
	(void)prctl(PR_SET_DUMPABLE, 0);	/* these two cannot fail */
	(void)setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
}

/* ---- the folder's key ---------------------------------------------------------------- */

static void keep(struct daemon_config *c, struct slice text)
{
	mem_wipe(c->unlock_key, sizeof(c->unlock_key));
	if (text.len)
		memcpy(c->unlock_key, text.data, text.len);
	c->node.unlock_key = text.len ? c->unlock_key : NULL;
}

static int seal(struct daemon *d, struct slice text, struct errmsg *msg)
{
	struct seal_key key;
	int err;

	if (text.len == 0)
		return datadir_lock(&d->dir, NULL, msg);
	if (unlock_parse(text, &key) < 0)
		return errmsg_set(msg, ERR_INVALID, "the swarm's unlock key is none");
	err = datadir_lock(&d->dir, &key, msg);
	mem_wipe(&key, sizeof(key));
	return err;
}

int lock_create(struct daemon *d, struct errmsg *msg)
{
	struct slice text = slice_of(d->config->unlock_key);

	if (text.len == 0)
		return 0;
	d->config->node.unlock_key = text.data;
	/* The one that was made with the folder lay there for everybody to read. */
	entropy_fill(d->dir.key.bytes, sizeof(d->dir.key.bytes));
	return seal(d, text, msg);
}

void lock_seal(struct daemon *d, const struct effect *x)
{
	struct errmsg msg = { { 0 } };

	if (seal(d, x->body, &msg) < 0) {
		disk_failed(d, &msg);
	} else {
		keep(d->config, x->body);
		log_printf(LOG_INFO, x->body.len ? "managers lock: from its next start on this "
			   "node waits for the unlock key" : "managers do not lock any more");
	}
	if (x->body.len)
		mem_wipe((void *)(uintptr_t)x->body.data, x->body.len);
}

void lock_open(struct daemon *d)
{
	struct errmsg msg = { { 0 } };

	if (seal(d, (struct slice){ NULL, 0 }, &msg) < 0)
		log_printf(LOG_ERROR, "%s", msg.text);	/* the next start tries again */
	else
		keep(d->config, (struct slice){ NULL, 0 });
}

static int unlock(struct daemon *d, const struct seal_key *key, struct errmsg *msg)
{
	int err = datadir_unlock(&d->dir, key, msg);
	char text[UNLOCK_TEXT_LEN + 1];

	if (err < 0)
		return err;
	unlock_build(key, text);
	keep(d->config, slice_of(text));
	mem_wipe(text, sizeof(text));
	return 0;
}

/* ---- from one program to the next ------------------------------------------------------ */

void lock_bequeath(struct daemon *d)
{
	const struct daemon_config *c = d->config;
	char number[16];
	int fds[2];

	if (!c->unlock_key[0] || pipe(fds) < 0)
		return;
	/* It fits into any pipe. */
	(void)!write(fds[1], c->unlock_key, UNLOCK_TEXT_LEN);
	close(fds[1]);
	snprintf(number, sizeof(number), "%d", fds[0]);
	(void)setenv(INHERITED_FD, number, 1);	/* without it: unlocked by hand */
}

static void inherit(struct daemon *d)
{
	const char *number = getenv(INHERITED_FD);
	char text[UNLOCK_TEXT_LEN];
	struct seal_key key;
	uint64_t fd;
	ssize_t n;

	if (!number || slice_to_u64(slice_of(number), INT_MAX, &fd) < 0)
		return;
	n = read((int)fd, text, sizeof(text));
	close((int)fd);
	(void)unsetenv(INHERITED_FD);
	if (n == sizeof(text) && unlock_parse((struct slice){ text, sizeof(text) }, &key) == 0) {
		if (d->dir.locked)
			(void)unlock(d, &key, NULL);
		mem_wipe(&key, sizeof(key));
	}
	mem_wipe(text, sizeof(text));
}

/* ---- while it is locked ---------------------------------------------------------------- */

static int serves_all(struct slice method, struct slice target)
{
	(void)method;
	(void)target;
	return 1;
}

static void leave(struct daemon *d)
{
	struct errmsg msg = { { 0 } };

	disk_wipe(d);
	if (lb_process_init(&d->lb, &d->loop, d->config->run_dir, &msg) == 0)
		lb_process_stop(&d->lb);
	log_printf(LOG_WARNING, "left the swarm locked, so this node's containers are still there: "
		   "docker rm -f $(docker ps -aq --filter label=" LABEL_NODE_ID "=%s)",
		   d->config->node.node_id);
	d->ended = 1;
	loop_stop(&d->loop);
}

static void try_key(struct daemon *d, struct api_turn *turn, uint64_t request)
{
	struct errmsg msg = { { 0 } };
	int err = unlock(d, &turn->unlock_key, &msg);

	mem_wipe(&turn->unlock_key, sizeof(turn->unlock_key));
	if (err == 0) {
		log_printf(LOG_INFO, "unlocked");
		effects_add(turn->fx, EFFECT_REPLY, request)->status = 200;
		loop_stop(&d->loop);
		return;
	}
	log_printf(LOG_WARNING, "not unlocked: %s", msg.text);
	api_error(turn->fx, request, err == ERR_DENIED ? 401 : 500,
		  "swarm could not be unlocked: %s", msg.text);
}

void lock_request(struct daemon *d, const struct event *ev)
{
	struct arena arena;
	struct effects fx;
	struct state state;
	struct api api;
	struct api_turn turn = { .state = &state, .arena = &arena, .fx = &fx, .locked = 1 };
	enum api_outcome outcome;

	arena_init(&arena);
	effects_init(&fx);
	state_init(&state);
	api_init(&api, &d->config->node);
	outcome = api_request(&api, &turn, ev);
	if (outcome == API_UNLOCK)
		try_key(d, &turn, ev->id);
	else if (outcome == API_LEAVE)
		effects_add(&fx, EFFECT_REPLY, ev->id)->status = 200;
	for (uint32_t i = 0; i < fx.count; i++)
		daemon_answer(d, &fx.items[i]);
	if (outcome == API_LEAVE)
		leave(d);
	api_done(&api);
	state_done(&state);
	effects_done(&fx);
	arena_done(&arena);
}

int lock_wait(struct daemon *d, struct errmsg *msg)
{
	int err;

	inherit(d);
	if (!d->dir.locked)
		return 0;
	err = daemon_listen(d, serves_all, msg);
	if (err < 0)
		return err;
	log_printf(LOG_WARNING, "this node is locked: 'swarmbox swarm unlock' gives it the swarm's "
		   "unlock key");
	daemon_tell(d, "locked\n");
	while (err == 0 && d->dir.locked && !d->ended)
		err = loop_run(&d->loop, msg);
	d->server_handler.serves = manager_serves;
	return err;
}
