/* The phases of a task, each with what it asks the engine and what the answer leads to.
 * Every call may be repeated: after a crash, and after an engine that went away in the
 * middle of it, adoption (wengine.c) finds out what was carried out. */
#include "applets/worker/wphase.h"
#include <string.h>
#include "base/mem.h"

enum {
	RETRY_FIRST_MS = 250, RETRY_MAX_MS = 10000,
	UNHEALTHY_EXIT = 137,	/* as Docker's own swarm reports it */
};

static const char *name_of(struct worker *w, const struct wtask *t)
{
	return t->spec ? task_name(&w->fx->arena, t->spec) : t->container;
}

static const char *error_of(struct worker *w, const struct event *ev)
{
	return docker_error(&w->fx->arena, ev->status, ev->body);
}

static void ask(struct worker *w, struct wtask *t, struct docker_request request)
{
	t->call = wcall_start(w, CALL_TASK, t, &request, t->phase == PHASE_PULL);
}

static void again_later(struct worker *w, struct wtask *t, enum phase phase)
{
	t->retry_ms = w->now_ms + worker_backoff(w, t->tries++, RETRY_FIRST_MS, RETRY_MAX_MS);
	wtask_to(w, t, phase);
}

/* There is nothing (more) to stop: the end that was asked for is reached. */
static void end_as_asked(struct worker *w, struct wtask *t)
{
	wtask_observe(w, t, TASK_SHUTDOWN);
	wtask_to(w, t, PHASE_DEAD);
}

static void vanished(struct worker *w, struct wtask *t)
{
	const char *name = name_of(w, t);

	t->container[0] = '\0';
	t->running = 0;
	t->pid = 0;
	w->net_check = 1;
	if (wtask_desired(t) >= TASK_SHUTDOWN)
		end_as_asked(w, t);
	else
		wtask_fail(w, t, "No such container: %s", name);
}

static void held_go(struct worker *w, struct wtask *t)
{
	if (!t->spec && !t->removed)
		return;
	if (t->container[0])
		wtask_to(w, t, wtask_is_dead(t) && !t->running ? PHASE_DEAD : PHASE_INSPECT);
	else if (wtask_is_dead(t))
		wtask_to(w, t, PHASE_DEAD);
	else if (wtask_must_stop(t))
		end_as_asked(w, t);
	else if (t->state >= TASK_READY)
		vanished(w, t);
	else
		wtask_to(w, t, PHASE_IMAGE);
}

static void image_go(struct worker *w, struct wtask *t)
{
	const char *image = t->spec->spec.container_spec->image;

	if (wtask_must_stop(t)) {
		end_as_asked(w, t);
		return;
	}
	wtask_observe(w, t, TASK_PREPARING);
	if (!image || !*image)
		wtask_fail(w, t, "the service names no image");
	else
		ask(w, t, image_inspect_request(&w->fx->arena, image));
}

static void image_reply(struct worker *w, struct wtask *t, const struct event *ev)
{
	if (ev->status == 200)
		wtask_to(w, t, PHASE_NETWORK);
	else if (ev->status == 404)
		wtask_to(w, t, PHASE_PULL);
	else
		wtask_fail(w, t, "%s", error_of(w, ev));
}

static void pull_go(struct worker *w, struct wtask *t)
{
	if (wtask_must_stop(t)) {
		end_as_asked(w, t);
		return;
	}
	t->why.text[0] = '\0';
	t->pull = mem_new(sizeof(*t->pull));
	lines_init(t->pull);
	ask(w, t, image_pull_request(&w->fx->arena, t->spec->spec.container_spec->image));
}

static void pull_reply(struct worker *w, struct wtask *t, const struct event *ev)
{
	const char *image = t->spec->spec.container_spec->image;

	wtask_data(w, t, SLICE("\n"));
	wtask_pull_done(t);
	if (ev->status == 200 && !t->why.text[0])
		wtask_to(w, t, PHASE_NETWORK);
	else
		wtask_fail(w, t, "No such image: %s (%s)", image,
			   t->why.text[0] ? t->why.text : error_of(w, ev));
}

/* Goes on when wnet.c has made all of them; it runs the tasks that wait when one is there. */
static void network_go(struct worker *w, struct wtask *t)
{
	const struct list *nets = &t->spec->networks_attachments;
	int missing = 0;

	if (wtask_must_stop(t)) {
		end_as_asked(w, t);
		return;
	}
	for (uint32_t i = 0; i < nets->count; i++) {
		struct network_attachment *n = LIST_AT(nets, struct network_attachment, i);
		const struct wnet *have = wnet_get(w, slice_of(n->network.id));
		int got = wnet_need(w, slice_of(n->network.id));

		if (got < 0) {
			wtask_fail(w, t, "network %s is not known on this node",
				   n->network.spec.name ? n->network.spec.name : n->network.id);
			return;
		}
		if (!n->network.spec.name || !*n->network.spec.name)
			n->network.spec.name = arena_str(&t->arena, slice_of(have->name));
		missing += !got;
	}
	if (!missing)
		wtask_to(w, t, PHASE_CREATE);
}

static void create_go(struct worker *w, struct wtask *t)
{
	const struct template_node node = {
		.id = w->config.node_id, .hostname = w->description.hostname,
		.os = w->description.platform.os,
		.architecture = w->description.platform.architecture,
	};
	struct docker_request request;
	struct errmsg msg = { { 0 } };

	if (wtask_must_stop(t))
		end_as_asked(w, t);
	else if (container_create_request(&w->fx->arena, t->spec, &node, &request, &msg) < 0)
		wtask_fail(w, t, "%s", msg.text);
	else
		ask(w, t, request);
}

static int keep_id(struct wtask *t, const char *id)
{
	size_t n = id ? strlen(id) : 0;

	if (n == 0 || n > WORKER_ID_MAX)
		return ERR_INVALID;
	memcpy(t->container, id, n + 1);
	return 0;
}

static void create_reply(struct worker *w, struct wtask *t, const struct event *ev)
{
	if (ev->status == 409) {	/* an earlier one of ours was carried out, or a stranger */
		wtask_to(w, t, PHASE_INSPECT);
		return;
	}
	if (ev->status != 201) {
		wnet_doubt(w, t->spec);
		wtask_fail(w, t, "%s", error_of(w, ev));
		return;
	}
	if (keep_id(t, container_created_id(&w->fx->arena, ev->body)) < 0) {
		wtask_fail(w, t, "the engine gave no container id");
		return;
	}
	t->attached = 1;
	wtask_to(w, t, PHASE_CONNECT);
}

static void inspect_go(struct worker *w, struct wtask *t)
{
	t->again = 0;
	ask(w, t, container_inspect_request(&w->fx->arena,
					    t->container[0] ? t->container : name_of(w, t)));
}

static void saw_running(struct worker *w, struct wtask *t, const struct container *c)
{
	t->running = t->ran = 1;
	t->pid = c->pid;
	t->exit_code = 0;
	arena_reset(&t->seen);
	t->ports.items = arena_array(&t->seen, c->ports.count, sizeof(struct port_config));
	t->ports.count = c->ports.count;
	if (c->ports.count)
		memcpy(t->ports.items, c->ports.items, c->ports.count * sizeof(struct port_config));
	if (!wtask_is_dead(t))
		wtask_observe(w, t, TASK_STARTING);
	if (c->health == HEALTH_UNHEALTHY && !wtask_must_stop(t))
		t->unhealthy = 1;
	else if (c->health != HEALTH_STARTING && !wtask_is_dead(t))
		wtask_observe(w, t, TASK_RUNNING);
	wtask_to(w, t, PHASE_RUNNING);
}

static void saw_exited(struct worker *w, struct wtask *t, const struct container *c)
{
	const char *more = c->error ? c->error : c->out_of_memory ? "out of memory" : NULL;

	t->running = 0;
	t->ran = 1;
	t->tries = 0;
	if (!wtask_is_dead(t)) {
		t->pid = 0;
		t->exit_code = c->exit_code;
	}
	w->net_check = 1;
	if (wtask_is_dead(t))
		wtask_to(w, t, PHASE_DEAD);
	else if (t->unhealthy)
		wtask_fail(w, t, "task: non-zero exit (%d): dockerexec: unhealthy container",
			   UNHEALTHY_EXIT);
	else if (wtask_desired(t) >= TASK_SHUTDOWN)
		end_as_asked(w, t);
	else if (c->exit_code)
		wtask_fail(w, t, "task: non-zero exit (%lld)%s%s", (long long)c->exit_code,
			   more ? ": " : "", more ? more : "");
	else
		wtask_observe(w, t, TASK_COMPLETE);
	wtask_to(w, t, PHASE_DEAD);
}

static void saw(struct worker *w, struct wtask *t, const struct container *c)
{
	switch (c->state) {
	case CONTAINER_CREATED:
		t->running = 0;
		t->attached = 1;
		wtask_to(w, t, PHASE_CONNECT);
		break;
	case CONTAINER_RUNNING:
		saw_running(w, t, c);
		break;
	case CONTAINER_EXITED:
		saw_exited(w, t, c);
		break;
	case CONTAINER_REMOVING:
		again_later(w, t, PHASE_INSPECT);
		break;
	}
}

static void inspect_reply(struct worker *w, struct wtask *t, const struct event *ev)
{
	struct container c;
	struct errmsg msg = { { 0 } };

	if (ev->status == 404 && t->container[0]) {
		vanished(w, t);
		return;
	}
	if (ev->status == 404) {	/* the one that had its name has gone since */
		again_later(w, t, PHASE_CREATE);
		return;
	}
	if (ev->status != 200 || container_parse(&w->fx->arena, ev->body, &c, &msg) < 0) {
		again_later(w, t, PHASE_INSPECT);
		return;
	}
	if (!t->container[0] && (!c.task_id || strcmp(c.task_id, t->id) != 0)) {
		wtask_fail(w, t, "the container name %s is in use", name_of(w, t));
		return;
	}
	if (keep_id(t, c.id) < 0)
		wtask_fail(w, t, "the engine gave no container id");
	else if (t->again)
		wtask_to(w, t, PHASE_INSPECT);
	else
		saw(w, t, &c);
}

static void connect_go(struct worker *w, struct wtask *t)
{
	const struct list *nets = t->spec ? &t->spec->networks_attachments : NULL;

	if (wtask_must_stop(t))
		end_as_asked(w, t);
	else if (nets && t->attached < nets->count)
		ask(w, t, container_connect_request(&w->fx->arena, t->container,
			LIST_AT(nets, struct network_attachment, t->attached)));
	else
		wtask_to(w, t, PHASE_READY);
}

static void connect_reply(struct worker *w, struct wtask *t, const struct event *ev)
{
	const char *err = error_of(w, ev);

	/* "endpoint with name ... already exists in network ...": done before a crash. */
	if (ev->status == 200 || (ev->status == 403 && strstr(err, "already exists"))) {
		t->attached++;
		wtask_to(w, t, PHASE_CONNECT);
		return;
	}
	wnet_doubt(w, t->spec);
	wtask_fail(w, t, "%s", err);
}

static void ready_go(struct worker *w, struct wtask *t)
{
	if (wtask_must_stop(t)) {
		end_as_asked(w, t);
		return;
	}
	wtask_observe(w, t, TASK_READY);
	if (wtask_desired(t) >= TASK_RUNNING)
		wtask_to(w, t, PHASE_START);
}

static void start_go(struct worker *w, struct wtask *t)
{
	if (wtask_must_stop(t)) {
		end_as_asked(w, t);
		return;
	}
	wtask_observe(w, t, TASK_STARTING);
	ask(w, t, container_start_request(&w->fx->arena, t->container));
}

static void start_reply(struct worker *w, struct wtask *t, const struct event *ev)
{
	if (ev->status == 204 || ev->status == 304) {
		wtask_to(w, t, PHASE_INSPECT);
	} else {
		wnet_doubt(w, t->spec);
		wtask_fail(w, t, "starting container failed: %s", error_of(w, ev));
	}
}

static void running_go(struct worker *w, struct wtask *t)
{
	if (wtask_must_stop(t))
		wtask_to(w, t, PHASE_STOP);
}

/* The engine kills what is still there after the grace. */
static void stop_go(struct worker *w, struct wtask *t)
{
	const struct container_spec *s = t->spec ? t->spec->spec.container_spec : NULL;
	int64_t grace = !s ? -1 : s->stop_grace_period ? *s->stop_grace_period : STOP_GRACE_DEFAULT;

	ask(w, t, container_stop_request(&w->fx->arena, t->container, grace));
}

static void stop_reply(struct worker *w, struct wtask *t, const struct event *ev)
{
	if (ev->status == 204 || ev->status == 304 || ev->status == 404)
		wtask_to(w, t, PHASE_INSPECT);
	else
		again_later(w, t, PHASE_INSPECT);
}

/* A container that never ran goes at once: a start that was asked for and not answered, by an
 * engine that went away or by us before a crash, may yet be carried out. */
static void dead_go(struct worker *w, struct wtask *t)
{
	if (t->container[0] && (wtask_desired(t) >= TASK_REMOVE || !t->ran))
		wtask_to(w, t, PHASE_REMOVE);
	else if (!t->container[0] && t->removed)
		wtask_forget(w, t);
}

static void remove_go(struct worker *w, struct wtask *t)
{
	ask(w, t, container_remove_request(&w->fx->arena, t->container));
}

static void remove_reply(struct worker *w, struct wtask *t, const struct event *ev)
{
	if (ev->status != 200 && ev->status != 204 && ev->status != 404) {
		again_later(w, t, PHASE_REMOVE);	/* 409: the engine is at it already */
		return;
	}
	t->container[0] = '\0';
	t->tries = 0;
	wtask_to(w, t, PHASE_DEAD);
}

static void no_reply(struct worker *w, struct wtask *t, const struct event *ev)
{
	(void)ev;
	wtask_run(w, t);
}

const struct wphase_row wphase_table[PHASE_COUNT] = {
	[PHASE_HELD] = { held_go, no_reply },
	[PHASE_IMAGE] = { image_go, image_reply },
	[PHASE_PULL] = { pull_go, pull_reply },
	[PHASE_NETWORK] = { network_go, no_reply },
	[PHASE_CREATE] = { create_go, create_reply },
	[PHASE_INSPECT] = { inspect_go, inspect_reply },
	[PHASE_CONNECT] = { connect_go, connect_reply },
	[PHASE_READY] = { ready_go, no_reply },
	[PHASE_START] = { start_go, start_reply },
	[PHASE_RUNNING] = { running_go, no_reply },
	[PHASE_STOP] = { stop_go, stop_reply },
	[PHASE_DEAD] = { dead_go, no_reply },
	[PHASE_REMOVE] = { remove_go, remove_reply },
};
