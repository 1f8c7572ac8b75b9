/* What the manager is told. Contracts are in state.h.
 *
 * A status goes out at once after a quiet time, so that one task's way is not slowed; in a
 * burst they are gathered, so that a hundred of them are one message and one commit. */
#include "applets/worker/state.h"
#include <string.h>

enum { REPORT_MESSAGE_MAX = 4 * 1024 * 1024 };	/* SESSION_TASKS_MAX statuses, 8 KiB each */

static void send(struct worker *w, struct session_report *report)
{
	struct json_writer writer;
	struct effect *x;
	struct buf b;

	report->node_message = w->engine_why.text;
	buf_init(&b, REPORT_MESSAGE_MAX);
	json_begin(&writer, &b);
	model_encode(&writer, &session_report_table, MODEL_STORE, report);
	if (b.failed) {
		effects_log(w->fx, LOG_ERROR, "a report of more than %d bytes is dropped",
			    REPORT_MESSAGE_MAX);
	} else {
		x = effects_add(w->fx, EFFECT_SESSION_SEND, w->session);
		x->body = arena_copy(&w->fx->arena, buf_slice(&b));
	}
	buf_done(&b);
}

static void status_of(struct worker *w, const struct wtask *t, struct session_status *out)
{
	struct arena *a = &w->fx->arena;
	const char *err = t->err.text[0] ? t->err.text : NULL;

	if (w->engine_why.text[0] && t->state < TASK_COMPLETE)
		err = arena_printf(a, "engine does not answer: %s", w->engine_why.text);
	else if (!err && t->state == TASK_RUNNING)
		err = wports_error(w, t);
	*out = (struct session_status){
		.task_id = t->id,
		.status = {
			.timestamp = t->timestamp, .state = t->state, .message = t->message,
			.err = err, .port_status = { t->ports },
		},
	};
	if (t->container[0] || t->exit_code) {
		struct container_status *c = arena_new(a, sizeof(*c));

		*c = (struct container_status){ t->container, t->pid, t->exit_code };
		out->status.container_status = c;
	}
}

static void send_statuses(struct worker *w)
{
	struct session_report report = { 0 };
	uint32_t room = w->dirty < SESSION_TASKS_MAX ? w->dirty : SESSION_TASKS_MAX;
	struct session_status *items = arena_array(&w->fx->arena, room, sizeof(*items));

	report.statuses.items = items;
	if (w->description_due) {
		report.description = &w->description;
		report.addr = w->config.addr;
	}
	for (struct map_entry *e = map_first(&w->tasks); e && w->dirty; e = map_next(e)) {
		struct wtask *t = e->value;

		if (!t->dirty)
			continue;
		if (report.statuses.count == room) {
			send(w, &report);
			report = (struct session_report){ .statuses = { items, 0 } };
		}
		t->dirty = 0;
		w->dirty--;
		status_of(w, t, &items[report.statuses.count++]);
	}
	send(w, &report);
}

void wreport_resync(struct worker *w)
{
	struct session_report report = { .resync = 1 };

	w->synced = 0;
	if (w->session_up)
		send(w, &report);
}

void wreport_log(struct worker *w, const struct session_log *log)
{
	struct session_log copy = *log;
	struct session_report report = { .log = &copy };

	if (w->session_up)
		send(w, &report);
}

void wreport_all(struct worker *w)
{
	if (!w->session_up || (!w->dirty && !w->news))
		return;
	send_statuses(w);
	w->news = 0;
	w->description_due = 0;
	w->report_ms = 0;
	w->sent_ms = w->now_ms;
}

static void report_left(struct worker *w)
{
	struct session_report report = { .left = 1 };

	if (!w->leaving || w->left || !w->session_up || w->engine != ENGINE_UP ||
	    w->tasks.count || w->networks.count)
		return;
	w->left = 1;
	send(w, &report);
}

void wreport_describe(struct worker *w, const struct node_description *d)
{
	struct node_description now = *d;
	struct arena old;

	if (w->config.tls)
		now.tls_info = *w->config.tls;
	if (w->described && model_equal(&node_description_table, &now, &w->description))
		return;
	old = w->description_arena;	/* d may be in it */
	arena_init(&w->description_arena);
	w->description = *(struct node_description *)
		model_copy(&w->description_arena, &node_description_table, &now);
	arena_done(&old);
	w->described = w->description_due = w->news = 1;
}

void wreport_flush(struct worker *w)
{
	int wait;

	if (w->described)
		wreport_describe(w, &w->description);

	if (w->report_ms)
		wait = w->now_ms < w->report_ms;
	else
		wait = w->sent_ms && w->now_ms < w->sent_ms + REPORT_QUIET_MS;
	if (!w->session_up || (!w->dirty && !w->news))
		w->report_ms = 0;
	else if (wait && w->dirty < REPORT_BATCH)
		w->report_ms = w->report_ms ? w->report_ms : w->sent_ms + REPORT_DELAY_MS;
	else
		wreport_all(w);
	report_left(w);
}
