/* Log streams: the engine's, taken apart and sent on in pieces of whole lines. Contracts are
 * in state.h. */
#include "applets/worker/state.h"
#include <string.h>
#include "base/mem.h"
#include "codec/base64.h"

static struct slice key_of(uint64_t id, char out[8])
{
	for (int i = 0; i < 8; i++)
		out[i] = (char)(unsigned char)(id >> (56 - 8 * i) & 255);
	return (struct slice){ out, 8 };
}

static void refuse(struct worker *w, uint64_t id, const char *why)
{
	wreport_log(w, &(struct session_log){ .id = id, .end = 1, .err = why });
}

void wlog_free(struct wlog *l)
{
	for (int i = 0; i < LOGMUX_STREAMS; i++)
		buf_done(&l->lines[i]);
	mem_free(l);
}

static void forget(struct worker *w, struct wlog *l)
{
	char key[8];

	map_remove(&w->logs, key_of(l->id, key));
	wlog_free(l);
}

static void begin(struct worker *w, const struct session_logs *order, const struct wtask *t)
{
	struct docker_request request = container_logs_request(&w->fx->arena, t->container, order);
	struct wlog *l = mem_new(sizeof(*l));
	char key[8];

	l->id = order->id;
	logmux_init(&l->mux, t->spec->spec.container_spec->tty);
	for (int i = 0; i < LOGMUX_STREAMS; i++)
		buf_init(&l->lines[i], (size_t)2 * WORKER_LOG_PIECE);
	map_set(&w->logs, key_of(l->id, key), l);
	l->call = wcall_start(w, CALL_LOG, l, &request, 1);
}

void wlog_order(struct worker *w, const struct session_logs *order)
{
	const struct wtask *t = wtask_get(w, slice_of(order->task_id));
	struct wlog *l;
	char key[8];

	l = map_get(&w->logs, key_of(order->id, key));
	if (order->cancel && l) {
		wcall_cancel(w, l->call);
		forget(w, l);
	}
	if (order->cancel || l)
		return;
	if (w->engine != ENGINE_UP)
		refuse(w, order->id, "the engine does not answer");
	else if (!t || !t->spec || !t->spec->spec.container_spec || !t->container[0])
		refuse(w, order->id, "the task has no container");
	else if (w->logs.count >= WORKER_LOGS_MAX)
		refuse(w, order->id, "too many log streams are open on this node");
	else
		begin(w, order, t);
}

static void send_piece(struct worker *w, struct wlog *l, int stream, struct slice bytes)
{
	static const char *const names[] = { "stdout", "stderr" };
	struct buf text;

	buf_init(&text, (size_t)2 * WORKER_LOG_PIECE);
	base64_encode(bytes, &text);
	wreport_log(w, &(struct session_log){
		.id = l->id, .stream = names[stream], .data = buf_str(&text),
	});
	buf_done(&text);
}

/* Sends what ends with a line; all of it when no more will come or a line is too long. */
static void send_lines(struct worker *w, struct wlog *l, int stream, int all)
{
	struct buf *b = &l->lines[stream];
	size_t n = b->len;

	while (!all && b->len < WORKER_LOG_PIECE && n > 0 && b->data[n - 1] != '\n')
		n--;
	if (n == 0)
		return;
	send_piece(w, l, stream, (struct slice){ b->data, n });
	buf_consume(b, n);
}

static void add(struct worker *w, struct wlog *l, int stream, struct slice piece)
{
	struct buf *b = &l->lines[stream];

	while (piece.len) {
		size_t n = WORKER_LOG_PIECE - b->len;

		if (n > piece.len)
			n = piece.len;
		buf_add(b, piece.data, n);
		piece.data += n;
		piece.len -= n;
		if (b->len == WORKER_LOG_PIECE)
			send_lines(w, l, stream, 0);
	}
}

void wlog_data(struct worker *w, struct wlog *l, struct slice piece)
{
	enum logmux_stream stream;
	struct slice run;
	int got;

	while ((got = logmux_next(&l->mux, &piece, &stream, &run)) > 0)
		add(w, l, stream, run);
	for (int i = 0; i < LOGMUX_STREAMS; i++)
		send_lines(w, l, i, 0);
	if (got < 0) {
		wcall_cancel(w, l->call);
		wlog_end(w, l, "the engine's log stream is damaged");
	}
}

void wlog_end(struct worker *w, struct wlog *l, const char *err)
{
	for (int i = 0; i < LOGMUX_STREAMS; i++)
		send_lines(w, l, i, 1);
	wreport_log(w, &(struct session_log){ .id = l->id, .end = 1, .err = err });
	forget(w, l);
}

void wlog_end_all(struct worker *w, const char *err)
{
	struct map_entry *e;

	while ((e = map_first(&w->logs)) != NULL) {
		struct wlog *l = e->value;

		wcall_cancel(w, l->call);
		wlog_end(w, l, err);
	}
}
