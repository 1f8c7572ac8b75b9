/*
 * /services/{id}/logs and /tasks/{id}/logs: one stream to the client, joined from a part for
 * each task, which its node sends. Contracts are in api.h and private.h; the form of the
 * stream is in Docker's API, ContainerAttach.
 */
#include <string.h>
#include "applets/manager/api/private.h"
#include "base/mem.h"
#include "base/timefmt.h"
#include "codec/base64.h"

enum {
	STREAMS_MAX = 64,	/* open at once: each takes connections to engines */
	PARTS_MAX = 500,	/* tasks of one stream: an order each within one step's effects */
	STAMP_MAX = TIME_TEXT_MAX,
	PIECE_MAX = 1024 * 1024,	/* one report's lines with their frames */
};

enum frame_kind { FRAME_STDOUT = 1, FRAME_STDERR = 2, FRAME_ERROR = 3 };

struct stream {
	uint64_t request;
	uint32_t open;		/* parts that have not ended */
	struct map seen;	/* ids of the tasks that have or had a part */
	char service_id[ID_LEN + 1];	/* whose new tasks are followed; "" for a task's log */
	int stdout_too, stderr_too;
	int timestamps, details, follow;
	int raw;		/* the tasks have a TTY: bytes without frames */
	int wrote;		/* anything yet */
	struct errmsg why;	/* the first part's error */
};

struct part {
	uint64_t id, session;
	struct stream *stream;
	char *details;			/* "com.docker.swarm.node.id=...,... " */
	char stamps[2][STAMP_MAX];	/* of the last line on stdout, stderr */
};

static struct slice number_key(uint64_t n, char key[8])
{
	for (int i = 7; i >= 0; i--, n >>= 8)
		key[i] = (char)(n & 0xff);
	return (struct slice){ key, 8 };
}

static void part_free(struct part *p)
{
	mem_free(p->details);
	mem_free(p);
}

static void stream_free(struct stream *s)
{
	if (s)
		map_done(&s->seen);
	mem_free(s);
}

void logs_done(struct api *api)
{
	for (struct map_entry *e = map_first(&api->log_parts); e; e = map_next(e))
		part_free(e->value);
	for (struct map_entry *e = map_first(&api->log_streams); e; e = map_next(e))
		stream_free(e->value);
}

/* ---- what goes to the client ---- */

static void send_chunk(struct effects *fx, const struct stream *s, struct slice body, int more)
{
	struct effect *x = effects_add(fx, EFFECT_REPLY_CHUNK, s->request);

	x->body = arena_copy(&fx->arena, body);
	x->more = more;
}

static void add_frame(struct buf *out, enum frame_kind kind, struct slice head, struct slice line)
{
	size_t n = head.len + line.len;
	const char frame[8] = {
		(char)kind, 0, 0, 0, (char)(n >> 24 & 0xff), (char)(n >> 16 & 0xff),
		(char)(n >> 8 & 0xff), (char)(n & 0xff),
	};

	buf_add(out, frame, sizeof(frame));
	buf_add_slice(out, head);
	buf_add_slice(out, line);
}

/* Takes the engine's timestamp off the line. The rest of a line that was cut has none. */
static void take_stamp(struct slice *line, char stamp[STAMP_MAX])
{
	struct slice rest = *line, text = slice_cut(&rest, ' ');
	int64_t ns;

	if (!rest.data || text.len >= STAMP_MAX || time_parse(text, &ns) < 0)
		return;
	memcpy(stamp, text.data, text.len);
	stamp[text.len] = '\0';
	*line = rest;
}

static void add_line(struct arena *a, struct part *p, int stream, struct slice line,
		     struct buf *out)
{
	const struct stream *s = p->stream;
	char *stamp = p->stamps[stream];
	struct slice head;

	take_stamp(&line, stamp);
	head = slice_of(arena_printf(a, "%s%s%s", s->timestamps ? stamp : "",
				     s->timestamps && *stamp ? " " : "",
				     s->details ? p->details : ""));
	if (!s->raw) {
		add_frame(out, stream ? FRAME_STDERR : FRAME_STDOUT, head, line);
		return;
	}
	buf_add_slice(out, head);
	buf_add_slice(out, line);
}

static void send_lines(struct api_turn *turn, struct part *p, const struct session_log *log)
{
	int stream = log->stream && strcmp(log->stream, "stderr") == 0;
	struct buf text, out;
	struct slice rest;

	buf_init(&text, PIECE_MAX);
	buf_init(&out, 4 * (size_t)PIECE_MAX);
	if (base64_decode(slice_of(log->data), &text) < 0)
		effects_log(turn->fx, LOG_WARNING, "a node sent a log that is not base64");
	rest = buf_slice(&text);
	while (rest.len) {
		size_t n = slice_find(rest, '\n');

		n += n < rest.len;
		add_line(turn->arena, p, stream, (struct slice){ rest.data, n }, &out);
		rest.data += n;
		rest.len -= n;
	}
	if (out.len) {
		p->stream->wrote = 1;
		send_chunk(turn->fx, p->stream, buf_slice(&out), 1);
	}
	buf_done(&text);
	buf_done(&out);
}

/* All parts have ended. Why nothing came is only told when nothing came: a task of the past
 * whose container is gone must not spoil the others' logs. */
static void end_stream(struct api *api, struct api_turn *turn, struct stream *s)
{
	struct slice line = slice_of(arena_printf(turn->arena, "Error grabbing logs: %s\n",
						  s->why.text));
	struct buf out;
	char key[8];

	buf_init(&out, 2 * ERRMSG_MAX);
	if (!s->wrote && *s->why.text && s->raw)
		buf_add_slice(&out, line);
	else if (!s->wrote && *s->why.text)
		add_frame(&out, FRAME_ERROR, (struct slice){ NULL, 0 }, line);
	send_chunk(turn->fx, s, buf_slice(&out), 0);
	buf_done(&out);
	map_remove(&api->log_streams, number_key(s->request, key));
	stream_free(s);
}

static void end_part(struct api *api, struct api_turn *turn, struct part *p, const char *why)
{
	struct stream *s = p->stream;
	char key[8];

	if (why && !*s->why.text)
		errmsg_set(&s->why, ERR_UNAVAILABLE, "%s", why);
	map_remove(&api->log_parts, number_key(p->id, key));
	part_free(p);
	s->open--;
	/* One that follows stays open until its client goes, as Docker's does, but for a task's
	 * that never began. */
	if (s->open == 0 && (!s->follow || (!*s->service_id && !s->wrote && *s->why.text)))
		end_stream(api, turn, s);
}

void api_session_down(struct api *api, struct api_turn *turn, uint64_t session)
{
	struct map_entry *next;

	for (struct map_entry *e = map_first(&api->log_parts); e; e = next) {
		struct part *p = e->value;

		next = map_next(e);
		if (p->session == session)
			end_part(api, turn, p, "the node's session ended");
	}
}

/* The nodes hear of it when their sessions end. */
void logs_lost(struct api *api, struct api_turn *turn)
{
	struct map_entry *next;

	for (struct map_entry *e = map_first(&api->log_parts); e; e = next) {
		next = map_next(e);
		part_free(e->value);
		map_remove(&api->log_parts, e->key);
	}
	for (struct map_entry *e = map_first(&api->log_streams); e; e = next) {
		next = map_next(e);
		end_stream(api, turn, e->value);
	}
}

/* ---- what goes to the nodes ---- */

static void send_order(struct effects *fx, uint64_t session, struct session_logs *logs)
{
	struct session_order order = { .logs = logs };
	struct json_writer w;
	struct buf text;

	buf_init(&text, JSON_TEXT_MAX);
	json_begin(&w, &text);
	model_encode(&w, &session_order_table, MODEL_STORE, &order);
	effects_add(fx, EFFECT_SESSION_SEND, session)->body =
		arena_copy(&fx->arena, buf_slice(&text));
	buf_done(&text);
}

void api_log(struct api *api, struct api_turn *turn, uint64_t session,
	     const struct session_log *log)
{
	char key[8];
	struct part *p = map_get(&api->log_parts, number_key(log->id, key));

	if (p && p->session != session)
		p = NULL;	/* another node was asked */
	/* Its client went while the piece was under way, or there was no room to say so. */
	if (!p && !log->end)
		send_order(turn->fx, session, &(struct session_logs){ .id = log->id, .cancel = 1 });
	if (!p)
		return;
	if (log->data)
		send_lines(turn, p, log);
	if (log->end)
		end_part(api, turn, p, log->err);
}

void logs_gone(struct api *api, struct api_turn *turn, uint64_t request)
{
	char key[8];
	struct stream *s = map_remove(&api->log_streams, number_key(request, key));
	struct map_entry *next;

	for (struct map_entry *e = s ? map_first(&api->log_parts) : NULL; e; e = next) {
		struct part *p = e->value;
		struct session_logs order = { .id = p->id, .cancel = 1 };

		next = map_next(e);
		if (p->stream != s)
			continue;
		if (effects_room(turn->fx) > EFFECTS_MAX / 4)
			send_order(turn->fx, p->session, &order);
		map_remove(&api->log_parts, e->key);
		part_free(p);
	}
	stream_free(s);
}

/* ---- beginning ---- */

/* The tasks a stream is made of. */
struct sources {
	const struct task *tasks[PARTS_MAX];
	uint32_t count;
};

static int has_log(const struct api_turn *turn, const struct task *t)
{
	const struct container_status *status = t->status.container_status;

	return t->status.state >= TASK_STARTING && status && status->container_id &&
	       *status->container_id && t->node_id &&
	       dispatch_session(turn->dispatch, t->node_id);
}

static char *heap_text(const char *text)
{
	char *copy = mem_new(strlen(text) + 1);

	memcpy(copy, text, strlen(text));
	return copy;
}

/* since, tail: NULL for all there is. */
static void begin_part(struct api *api, struct api_turn *turn, struct stream *s,
		       const struct task *t, const char *since, const char *tail)
{
	struct part *p = mem_new(sizeof(*p));
	char key[8];

	p->id = ++api->log_last;
	p->session = dispatch_session(turn->dispatch, t->node_id);
	p->stream = s;
	p->details = heap_text(arena_printf(turn->arena,
		"com.docker.swarm.node.id=%s,com.docker.swarm.service.id=%s,"
		"com.docker.swarm.task.id=%s ", t->node_id, t->service_id ? t->service_id : "",
		t->meta.id));
	map_set(&api->log_parts, number_key(p->id, key), p);
	map_set(&s->seen, slice_of(t->meta.id), NULL);
	s->open++;
	send_order(turn->fx, p->session, &(struct session_logs){
		.id = p->id, .task_id = t->meta.id, .stdout_too = s->stdout_too,
		.stderr_too = s->stderr_too, .follow = s->follow, .since = since, .tail = tail,
	});
}

static struct stream *begin_stream(struct call *c, int raw)
{
	struct stream *s = mem_new(sizeof(*s));
	struct effect *x;
	char key[8];

	s->request = c->ev->id;
	map_init(&s->seen);
	s->stdout_too = http_query_bool(c->query, "stdout");
	s->stderr_too = http_query_bool(c->query, "stderr");
	s->timestamps = http_query_bool(c->query, "timestamps");
	s->details = http_query_bool(c->query, "details");
	s->follow = http_query_bool(c->query, "follow");
	s->raw = raw;
	map_set(&c->api->log_streams, number_key(s->request, key), s);
	x = effects_add(c->turn->fx, EFFECT_REPLY, c->ev->id);
	x->status = 200;
	x->text = SLICE("application/vnd.docker.raw-stream");
	x->more = 1;
	return s;
}

/* Docker sends an empty value for what was not asked. */
static const char *query_or_null(struct call *c, const char *name)
{
	const char *text = query_text(c, name);

	return *text ? text : NULL;
}

/* service_id: whose new tasks are to be followed, or "". */
static enum api_outcome begin(struct call *c, const struct sources *from, const char *service_id,
			      int raw)
{
	const char *since = query_or_null(c, "since"), *tail = query_or_null(c, "tail");
	struct stream *s;

	if (!http_query_bool(c->query, "stdout") && !http_query_bool(c->query, "stderr"))
		return fail(c, 500, "Bad parameters: you must choose at least one stream");
	if (c->api->log_streams.count >= STREAMS_MAX)
		return fail(c, 503, "%d log streams are open: end one first", STREAMS_MAX);
	s = begin_stream(c, raw);
	memcpy(s->service_id, service_id, strlen(service_id) + 1);
	for (uint32_t i = 0; i < from->count; i++)
		begin_part(c->api, c->turn, s, from->tasks[i], since, tail);
	if (from->count == 0 && !s->follow)
		end_stream(c->api, c->turn, s);
	return API_REPLIED;
}

static int has_tty(const struct task_spec *t)
{
	return t->container_spec && t->container_spec->tty;
}

enum api_outcome service_logs(struct call *c)
{
	const struct service *s = find_object(c, OBJECT_SERVICE);
	struct sources from = { .count = 0 };
	struct state_tasks it;

	if (!s)
		return API_REPLIED;
	for (const struct task *t = state_service_tasks(c->turn->state, s->meta.id, &it); t;
	     t = state_tasks_next(&it)) {
		if (!has_log(c->turn, t))
			continue;
		if (from.count == PARTS_MAX)
			return fail(c, 503, "service %s has more than %d tasks with logs: ask for "
				    "those of a task", s->spec.name, PARTS_MAX);
		from.tasks[from.count++] = t;
	}
	return begin(c, &from, s->meta.id, has_tty(&s->spec.task_template));
}

enum api_outcome task_logs(struct call *c)
{
	const struct task *t = find_object(c, OBJECT_TASK);
	struct sources from = { .count = 0 };

	if (!t)
		return API_REPLIED;
	if (has_log(c->turn, t))
		from.tasks[from.count++] = t;
	return begin(c, &from, "", has_tty(&t->spec));
}

/* ---- following ---- */

/* What is gone from the swarm is not remembered, so that a stream may go on for ever. */
static void forget_removed(const struct state *state, struct stream *s)
{
	struct map_entry *next;

	for (struct map_entry *e = map_first(&s->seen); e; e = next) {
		next = map_next(e);
		if (!state_task(state, e->key.data))
			map_remove(&s->seen, e->key);
	}
}

static void follow(struct api *api, struct api_turn *turn, struct stream *s)
{
	struct state_tasks it;

	for (const struct task *t = state_service_tasks(turn->state, s->service_id, &it); t;
	     t = state_tasks_next(&it)) {
		if (s->seen.count >= PARTS_MAX)
			forget_removed(turn->state, s);
		if (s->seen.count >= PARTS_MAX || effects_room(turn->fx) < EFFECTS_MAX / 4)
			return;
		if (has_log(turn, t) && !map_find(&s->seen, slice_of(t->meta.id)))
			begin_part(api, turn, s, t, NULL, NULL);
	}
}

void api_follow(struct api *api, struct api_turn *turn)
{
	for (struct map_entry *e = map_first(&api->log_streams); e; e = map_next(e)) {
		struct stream *s = e->value;

		if (s->follow && *s->service_id)
			follow(api, turn, s);
	}
}
