/* The engine and the manager of the worker's tests. Contracts are in worker_fake.h. */
#include "worker_fake.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "codec/base64.h"
#include "docker/docker.h"
#include "quotes.h"
#include "unit.h"

static void step(struct fake *f, struct event *ev);

#define COPY(dst, src) snprintf((dst), sizeof(dst), "%s", (src) ? (src) : "")

/* ---- the manager ---- */

static struct fake_status *find_task(struct fake *f, const char *id)
{
	for (int i = 0; i < f->task_count; i++) {
		if (strcmp(f->tasks[i].id, id) == 0)
			return &f->tasks[i];
	}
	return NULL;
}

static void take_status(struct fake *f, const struct session_status *s)
{
	struct fake_status *t = find_task(f, s->task_id);

	if (!t || t->removed)
		return;
	f->went_back += s->status.state < t->state;
	t->state = s->status.state;
	COPY(t->message, s->status.message);
	COPY(t->err, s->status.err);
	if (s->status.container_status) {
		COPY(t->container, s->status.container_status->container_id);
		t->exit_code = s->status.container_status->exit_code;
	}
}

static void take_report(struct fake *f, struct slice body)
{
	struct arena a;
	struct session_report r;
	struct errmsg msg = { { 0 } };

	arena_init(&a);
	model_parse(&a, &session_report_table, MODEL_STORE, body, &r, &msg);
	unit_check_str(msg.text, "", "a report", __FILE__, __LINE__);
	f->reports++;
	for (uint32_t i = 0; i < r.statuses.count; i++)
		take_status(f, LIST_AT(&r.statuses, struct session_status, i));
	f->described += r.description != NULL;
	CHECK_STR(r.addr, r.description ? "192.0.2.1:2377" : NULL);
	if (r.description)
		COPY(f->issuer, r.description->tls_info.cert_issuer_subject);
	f->left += r.left;
	f->resyncs += r.resync;
	if (r.node_message)
		COPY(f->node_message, r.node_message);
	if (r.log && r.log->data) {
		struct buf b;

		buf_init(&b, FAKE_TEXT);
		base64_decode(slice_of(r.log->data), &b);
		strncat(f->logged, buf_str(&b), sizeof(f->logged) - strlen(f->logged) - 1);
		buf_done(&b);
	}
	if (r.log && r.log->end) {
		f->log_ended++;
		COPY(f->log_err, r.log->err);
	}
	arena_done(&a);
}

void fake_message(struct fake *f, const struct session_order *order)
{
	struct event ev = { .kind = EVENT_SESSION_MESSAGE, .id = f->session };
	struct json_writer w;
	struct buf b;

	buf_init(&b, (size_t)4 << 20);
	json_begin(&w, &b);
	model_encode(&w, &session_order_table, MODEL_STORE, order);
	ev.body = buf_slice(&b);
	step(f, &ev);
	buf_done(&b);
}

static void attach(struct arena *a, struct task *t, const char *id, uint32_t host)
{
	struct network_attachment *n = t->networks_attachments.items;

	if (!id)
		return;
	n += t->networks_attachments.count++;
	n->network.id = id;
	n->network.spec.name = arena_printf(a, "name-%s", id);
	n->addresses.items = arena_array(a, 1, sizeof(char *));
	n->addresses.items[n->addresses.count++] = arena_printf(a, "10.0.1.%u/24", host);
}

static struct task make_task(struct arena *a, const struct fake_status *s)
{
	struct task t = { .meta.id = s->id, .service_id = "svc", .service_name = "web" };

	t.spec.container_spec = arena_new(a, sizeof(*t.spec.container_spec));
	t.spec.container_spec->image = "app:1";
	t.slot = (uint64_t)s->slot;
	t.node_id = "node1";
	t.desired_state = s->desired;
	t.status.state = s->state;
	t.status.message = s->message;
	t.networks_attachments.items = arena_array(a, 2, sizeof(struct network_attachment));
	attach(a, &t, s->network, 2 + (uint32_t)s->slot);
	attach(a, &t, s->network2, 2 + (uint32_t)s->slot);
	return t;
}

static void add_network(struct arena *a, struct list *list, const char *id)
{
	struct network *n = list->items;

	for (uint32_t i = 0; id && i < list->count; i++) {
		if (strcmp(n[i].meta.id, id) == 0)
			return;
	}
	if (!id)
		return;
	n += list->count++;
	n->meta.id = id;
	n->spec.name = arena_printf(a, "name-%s", id);
}

static void say(struct fake *f, const struct fake_status *only, const char *removed)
{
	struct arena a;
	struct session_assign m = { .complete = !only && !removed, .applies_to = f->version };
	struct task *tasks;

	arena_init(&a);
	m.tasks.items = tasks = arena_array(&a, FAKE_MAX, sizeof(*tasks));
	m.networks.items = arena_array(&a, FAKE_MAX, sizeof(struct network));
	for (int i = 0; i < f->task_count && !removed; i++) {
		const struct fake_status *t = &f->tasks[i];

		if (t->removed || (only && only != t))
			continue;
		tasks[m.tasks.count++] = make_task(&a, t);
		add_network(&a, &m.networks, t->network);
		add_network(&a, &m.networks, t->network2);
	}
	if (removed) {
		m.removed.items = arena_array(&a, 1, sizeof(char *));
		m.removed.items[m.removed.count++] = removed;
	}
	if (m.complete)
		m.applies_to = 0;
	m.results_in = ++f->version;
	m.netmap = SLICE("{\"ports\":[]}");
	fake_message(f, &(struct session_order){ .assign = &m });
	arena_done(&a);
}

void fake_complete(struct fake *f)
{
	say(f, NULL, NULL);
}

void fake_tell(struct fake *f, const struct fake_status *t)
{
	say(f, t, NULL);
}

void fake_forget(struct fake *f, struct fake_status *t)
{
	t->removed = 1;
	say(f, NULL, t->id);
}

struct fake_status *fake_task(struct fake *f, const char *id, int desired)
{
	struct fake_status *t = &f->tasks[f->task_count++];

	*t = (struct fake_status){ .state = TASK_ASSIGNED, .desired = desired };
	COPY(t->id, id);
	t->slot = f->task_count;
	return t;
}

/* ---- the engine ---- */

struct fake_container *fake_container(struct fake *f, const char *task)
{
	for (int i = 0; i < FAKE_MAX; i++) {
		if (f->containers[i].state && strcmp(f->containers[i].task, task) == 0)
			return &f->containers[i];
	}
	return NULL;
}

int fake_count(const struct fake *f, const char *state)
{
	int n = 0;

	for (int i = 0; i < FAKE_MAX; i++) {
		const char *s = f->containers[i].state;

		n += s && (!state || strcmp(s, state) == 0);
	}
	return n;
}

int fake_network_count(const struct fake *f)
{
	int n = 0;

	for (int i = 0; i < FAKE_MAX; i++)
		n += f->networks[i].used;
	return n;
}

int fake_logged(const struct fake *f, const char *begin)
{
	int n = 0;

	for (const char *line = f->log; line && *line; line = strchr(line, '\n')) {
		line += *line == '\n';
		n += strncmp(line, begin, strlen(begin)) == 0;
		if (!*line)
			break;
	}
	return n;
}

static void reply(struct fake *f, const struct fake_call *c, int status, const char *body)
{
	struct event ev = { .kind = EVENT_ENGINE_REPLY, .id = c->id, .status = status };

	if (!status)
		ev.text = SLICE("connection refused");
	else if (c->more && *body) {
		struct event data = { .kind = EVENT_ENGINE_DATA, .id = c->id };

		size_t n = strlen(body), half = n / 2;

		data.body = (struct slice){ body, half };
		step(f, &data);
		data.body = (struct slice){ body + half, n - half };
		step(f, &data);
	} else {
		ev.body = slice_of(body);
	}
	step(f, &ev);
}

void fake_data(struct fake *f, uint64_t call, const char *bytes, size_t n)
{
	struct event ev = { .kind = EVENT_ENGINE_DATA, .id = call, .body = { bytes, n } };

	step(f, &ev);
}

void fake_event(struct fake *f, const char *action, const struct fake_container *c)
{
	char text[1024];
	struct arena a;
	struct event ev = { .kind = EVENT_ENGINE_DATA, .id = f->events_call };

	if (!f->events_call)
		return;
	snprintf(text, sizeof(text), "{'Type':'container','Action':'%s','Actor':{'ID':'%s',"
		 "'Attributes':{'" LABEL_TASK_ID "':'%s'}}}\n", action, c->id, c->task);
	arena_init(&a);
	ev.body = slice_of(quotes(&a, text));
	step(f, &ev);
	arena_done(&a);
}

void fake_exit(struct fake *f, struct fake_container *c, int code)
{
	c->state = "exited";
	c->exit_code = code;
	fake_event(f, "die", c);
}

static void list_containers(struct fake *f, char *out, size_t size)
{
	size_t n = (size_t)snprintf(out, size, "[");

	for (int i = 0; i < FAKE_MAX; i++) {
		const struct fake_container *c = &f->containers[i];

		if (c->state)
			n += (size_t)snprintf(out + n, size - n, "%s{'Id':'%s','State':'%s',"
				"'Labels':{'" LABEL_TASK_ID "':'%s'}}", n > 1 ? "," : "",
				c->id, c->state, c->task);
	}
	snprintf(out + n, size - n, "]");
}

static void list_networks(struct fake *f, char *out, size_t size)
{
	size_t n = (size_t)snprintf(out, size, "[");

	for (int i = 0; i < FAKE_MAX; i++) {
		if (f->networks[i].used)
			n += (size_t)snprintf(out + n, size - n, "%s{'Name':'%s','Labels':{"
				"'" LABEL_NETWORK_ID "':'%s'}}", n > 1 ? "," : "",
				f->networks[i].name, f->networks[i].id);
	}
	snprintf(out + n, size - n, "]");
}

static struct fake_container *by_key(struct fake *f, const char *key, size_t n)
{
	for (int i = 0; i < FAKE_MAX; i++) {
		struct fake_container *c = &f->containers[i];

		if (c->state && ((strlen(c->id) == n && !strncmp(c->id, key, n)) ||
				 (strlen(c->name) == n && !strncmp(c->name, key, n))))
			return c;
	}
	return NULL;
}

static const char *json_text(struct arena *a, const char *body, const char *k1, const char *k2)
{
	const struct json *root;

	if (json_parse(a, slice_of(body), &root, NULL) < 0)
		return "";
	root = json_get(root, k1);
	return arena_str(a, json_string(k2 ? json_get(root, k2) : root));
}

static int create(struct fake *f, const struct fake_call *c, char *out, size_t size)
{
	const char *name = strstr(c->target, "name=") + 5;
	struct fake_container *n = f->containers;
	struct arena a;

	if (by_key(f, name, strlen(name))) {
		snprintf(out, size, "{'message':'Conflict. The container name is in use'}");
		return 409;
	}
	while (n->state)
		n++;
	arena_init(&a);
	*n = (struct fake_container){ .state = "created", .health = f->health };
	COPY(n->name, name);
	COPY(n->task, json_text(&a, c->body, "Labels", LABEL_TASK_ID));
	n->networks = strstr(c->body, "EndpointsConfig") != NULL;
	snprintf(n->id, sizeof(n->id), "c%063d", ++f->created);
	snprintf(out, size, "{'Id':'%s'}", n->id);
	arena_done(&a);
	return 201;
}

static int inspect(const struct fake_container *c, char *out, size_t size)
{
	char health[64] = "";

	if (c->health)
		snprintf(health, sizeof(health), ",'Health':{'Status':'%s'}", c->health);
	snprintf(out, size, "{'Id':'%s','State':{'Status':'%s','Pid':%d,'ExitCode':%d%s},"
		 "'Config':{'Labels':{'" LABEL_TASK_ID "':'%s'}},'NetworkSettings':{"
		 "'Ports':{},'Networks':{}}}", c->id, c->state,
		 strcmp(c->state, "running") ? 0 : 77, c->exit_code, health, c->task);
	return 200;
}

static int start(struct fake *f, struct fake_container *c)
{
	(void)f;
	if (strcmp(c->state, "running") == 0)
		return 304;
	c->state = "running";
	c->starts++;
	return 204;
}

static int container_call(struct fake *f, const struct fake_call *c, char *out, size_t size)
{
	const char *key = c->target + strlen("/containers/");
	size_t n = strcspn(key, "/?");
	struct fake_container *k = by_key(f, key, n);

	if (!k) {
		snprintf(out, size, "{'message':'No such container: %.*s'}", (int)n, key);
		return 404;
	}
	if (strncmp(key + n, "/json", 5) == 0)
		return inspect(k, out, size);
	if (strncmp(key + n, "/start", 6) == 0)
		return start(f, k);
	if (strncmp(key + n, "/logs", 5) == 0) {
		snprintf(out, size, "%s", "");
		return 200;
	}
	if (strncmp(key + n, "/stop", 5) == 0) {
		if (strcmp(k->state, "running") != 0)
			return 304;
		k->stops++;
		fake_exit(f, k, 143);
		return 204;
	}
	k->state = NULL;	/* DELETE */
	return 204;
}

static int network_is(const struct fake_network *n, const char *name)
{
	return n->used && strcmp(n->name, name) == 0;
}

static int network_call(struct fake *f, const struct fake_call *c, char *out, size_t size)
{
	struct arena a;
	int status = 404;

	if (strstr(c->target, "/connect"))
		return 200;
	if (strncmp(c->target, "/networks?", 10) == 0) {
		list_networks(f, out, size);
		return 200;
	}
	arena_init(&a);
	if (strcmp(c->target, "/networks/create") == 0) {
		const char *name = json_text(&a, c->body, "Name", NULL);
		struct fake_network *n = f->networks;

		status = 201;
		for (int i = 0; i < FAKE_MAX; i++)
			status = network_is(&f->networks[i], name) ? 409 : status;
		while (n->used)
			n++;
		if (status == 201) {
			n->used = 1;
			COPY(n->name, name);
			COPY(n->id, json_text(&a, c->body, "Labels", LABEL_NETWORK_ID));
			snprintf(out, size, "{'Id':'x'}");
		}
	}
	for (int i = 0; i < FAKE_MAX && status == 404; i++) {
		struct fake_network *n = &f->networks[i];

		if (!network_is(n, c->target + strlen("/networks/")))
			continue;
		status = 200;
		if (strcmp(c->method, "DELETE") == 0) {
			n->used = 0;
			status = 204;
		} else {
			snprintf(out, size, "{'Name':'%s','Labels':{'" LABEL_NETWORK_ID "':'%s'}}",
				 n->name, n->id);
		}
	}
	arena_done(&a);
	return status;
}

static int carry_out(struct fake *f, const struct fake_call *c, char *out, size_t size)
{
	*out = '\0';
	if (strcmp(c->target, "/info") == 0) {
		snprintf(out, size, "{'ServerVersion':'20.10','NCPU':2,'MemTotal':1000,"
			 "'Architecture':'x86_64','OSType':'linux'}");
		return 200;
	}
	if (strncmp(c->target, "/containers/json", 16) == 0) {
		list_containers(f, out, size);
		return 200;
	}
	if (strncmp(c->target, "/containers/create", 18) == 0)
		return create(f, c, out, size);
	if (strncmp(c->target, "/containers/", 12) == 0)
		return container_call(f, c, out, size);
	if (strncmp(c->target, "/networks", 9) == 0)
		return network_call(f, c, out, size);
	if (strncmp(c->target, "/images/create", 14) == 0) {
		f->have_image = 1;
		snprintf(out, size, "{'status':'Pulling'}\n{'status':'Done'}\n");
		return 200;
	}
	if (strncmp(c->target, "/images/", 8) == 0)
		return f->have_image ? 200 : 404;
	return 500;
}

/* ---- the loop ---- */

static void take_call(struct fake *f, const struct effect *x)
{
	struct fake_call *c;

	if (slice_has_prefix(x->target, "/events")) {
		f->events_call = x->id;
		if (!f->down)
			return;
	}
	if (f->call_count == FAKE_MAX) {
		unit_check(false, "too many calls at once", __FILE__, __LINE__);
		return;
	}
	c = &f->calls[f->call_count++];
	*c = (struct fake_call){ .id = x->id, .more = x->more };
	snprintf(c->method, sizeof(c->method), "%.*s", SLICE_ARGS(x->method));
	snprintf(c->target, sizeof(c->target), "%.*s", SLICE_ARGS(x->target));
	c->body = calloc(1, x->body.len + 1);
	if (x->body.len)
		memcpy(c->body, x->body.data, x->body.len);
}

static void drop_call(struct fake *f, int i)
{
	free(f->calls[i].body);
	f->call_count--;
	memmove(&f->calls[i], &f->calls[i + 1], (size_t)(f->call_count - i) * sizeof(f->calls[0]));
}

static void cancel(struct fake *f, uint64_t id)
{
	if (f->events_call == id)
		f->events_call = 0;
	for (int i = 0; i < f->call_count; i++) {
		if (f->calls[i].id == id) {
			drop_call(f, i);
			return;
		}
	}
}

static void step(struct fake *f, struct event *ev)
{
	/* Effects may be answered from inside a step's own effects: take them off first. */
	struct effects fx;

	if (!f->worker)
		return;
	ev->now_ms = f->now_ms;
	ev->wall_ns = (int64_t)f->now_ms * 1000000 + INT64_C(1700000000000000000);
	effects_init(&fx);
	worker_step(f->worker, ev, &fx);
	for (uint32_t i = 0; i < fx.count; i++) {
		const struct effect *x = &fx.items[i];

		if (x->kind == EFFECT_ENGINE_CALL)
			take_call(f, x);
		else if (x->kind == EFFECT_ENGINE_CANCEL)
			cancel(f, x->id);
		else if (x->kind == EFFECT_TIMER)
			f->timer_ms = x->deadline_ms;
		else if (x->kind == EFFECT_SESSION_SEND)
			take_report(f, x->body);
		else if (x->kind == EFFECT_PUBLISH)
			snprintf(f->netmap, sizeof(f->netmap), "%.*s", SLICE_ARGS(x->body));
		else if (x->kind == EFFECT_NODE)
			snprintf(f->node, sizeof(f->node), "%.*s", SLICE_ARGS(x->body));
		else if (x->kind == EFFECT_EXIT)
			f->exited = 1;
	}
	effects_done(&fx);
}

static void note(struct fake *f, const struct fake_call *c)
{
	size_t n = strlen(f->log);

	if (n + 256 < sizeof(f->log))
		snprintf(f->log + n, sizeof(f->log) - n, "%s %.200s\n", c->method, c->target);
}

static void crash(struct fake *f, const struct fake_call *c)
{
	f->crash_at = 0;
	if (f->engine_dies) {
		fake_engine_down(f);
		reply(f, c, 0, "");
		fake_run(f, 1500);
		fake_engine_up(f);
		return;
	}
	worker_free(f->worker);
	f->worker = NULL;
	while (f->call_count)
		drop_call(f, 0);
	f->events_call = f->timer_ms = 0;
	fake_start(f);
	fake_complete(f);
}

/* The answer into out, as a rule says or by doing what was asked. */
static int answer(struct fake *f, const struct fake_call *c, char *out, size_t size)
{
	struct fake_rule rule = f->rule;
	char line[1100];

	snprintf(line, sizeof(line), "%s %s", c->method, c->target);
	if (!rule.match || strncmp(line, rule.match, strlen(rule.match)) != 0)
		return carry_out(f, c, out, size);
	f->rule = (struct fake_rule){ 0 };
	snprintf(out, size, "%s", rule.body ? rule.body : "");
	return rule.status;
}

static void turn(struct fake *f)
{
	struct fake_call c = f->calls[0];
	char *out = calloc(1, 16 * FAKE_TEXT);
	int status, crashes = f->crash_at && ++f->calls_made == f->crash_at;
	struct arena a;

	f->calls[0].body = NULL;
	drop_call(f, 0);
	note(f, &c);
	arena_init(&a);
	if (f->down) {
		reply(f, &c, 0, "");
	} else if (crashes && !f->crash_after) {
		crash(f, &c);
	} else {
		status = answer(f, &c, out, 16 * FAKE_TEXT);
		if (crashes)
			crash(f, &c);
		else
			reply(f, &c, status, quotes(&a, out));
	}
	arena_done(&a);
	free(c.body);
	free(out);
}

void fake_turns(struct fake *f, int n)
{
	for (int i = 0; i < n && f->call_count; i++) {
		f->now_ms++;
		turn(f);
	}
}

void fake_run(struct fake *f, uint64_t ms)
{
	uint64_t end = f->now_ms + ms;

	for (int i = 0; i < 20000 && f->worker; i++) {
		struct event ev = { .kind = EVENT_TIMER };

		if (f->call_count) {
			f->now_ms++;
			turn(f);
			continue;
		}
		if (!f->timer_ms || f->timer_ms > end) {
			f->now_ms = f->now_ms > end ? f->now_ms : end;
			return;
		}
		if (f->timer_ms > f->now_ms)
			f->now_ms = f->timer_ms;
		f->timer_ms = 0;
		step(f, &ev);
	}
	unit_check(!f->worker, "the worker comes to rest", __FILE__, __LINE__);
}

void fake_init(struct fake *f)
{
	memset(f, 0, sizeof(*f));
	f->have_image = 1;
	f->now_ms = 1000;
}

void fake_done(struct fake *f)
{
	worker_free(f->worker);
	while (f->call_count)
		drop_call(f, 0);
}

void fake_session_up(struct fake *f)
{
	struct event ev = { .kind = EVENT_SESSION_UP, .id = ++f->session, .text = SLICE("node1") };

	f->version = 0;
	step(f, &ev);
}

void fake_session_down(struct fake *f)
{
	struct event ev = { .kind = EVENT_SESSION_DOWN, .id = f->session };

	step(f, &ev);
}

void fake_start(struct fake *f)
{
	struct event ev = { .kind = EVENT_START, .text = SLICE("node1") };

	f->worker = worker_new(&(struct worker_config){
		"node1", "host1", "192.0.2.1:2377", &f->tls_info }, ++f->seed);
	step(f, &ev);
	fake_session_up(f);
}

void fake_stop(struct fake *f)
{
	struct event ev = { .kind = EVENT_STOP };

	step(f, &ev);
}

void fake_engine_down(struct fake *f)
{
	struct event ev = { .kind = EVENT_ENGINE_REPLY, .id = f->events_call, .status = 200 };

	f->down = 1;
	for (int i = 0; i < FAKE_MAX && !f->live_restore; i++) {
		struct fake_container *c = &f->containers[i];

		if (c->state && strcmp(c->state, "running") == 0) {
			c->state = "exited";
			c->exit_code = 137;
		}
	}
	f->events_call = 0;
	if (ev.id)
		step(f, &ev);
}

void fake_engine_up(struct fake *f)
{
	f->down = 0;
}
