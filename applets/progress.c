/*
 * The manager says nothing about the whole of a service, so this looks at its tasks, as
 * docker does. Unlike docker it does not wait for the update's monitoring time once more:
 * the manager has done that before it says "completed".
 */
#include <stdio.h>
#include <string.h>

#include "applets/progress.h"
#include "model/task.h"

static void put_text(char out[ERRMSG_MAX], const char *text)
{
	snprintf(out, ERRMSG_MAX, "%.*s", (int)strcspn(text ? text : "", "\r\n"),
		text ? text : "");
}

static int has_failed(const struct task *t)
{
	return t->status.state == TASK_FAILED || t->status.state == TASK_REJECTED;
}

/* Runs of digits do not tell errors apart: they are the ports and times of one attempt. */
static int is_same_error(const char *a, const char *b)
{
	static const char digits[] = "0123456789";

	while (*a && *b) {
		size_t n = strspn(a, digits), k = strspn(b, digits);

		if (!n != !k || (!n && *a != *b))
			return 0;
		a += n ? n : 1;
		b += k ? k : 1;
	}
	return *a == *b;
}

/* How many of the failed tasks have this one's error. */
static unsigned count_error(const struct task *tasks, size_t n, const char *text, int64_t since_ns)
{
	unsigned count = 0;

	for (size_t i = 0; i < n; i++)
		count += has_failed(&tasks[i]) && tasks[i].status.timestamp >= since_ns &&
			tasks[i].status.err && is_same_error(tasks[i].status.err, text);
	return count;
}

/* The error that came most often; without one, what a task waits for. */
static void find_error(const struct task *tasks, size_t n, int64_t since_ns, struct progress *out)
{
	const char *waiting = NULL;

	for (size_t i = 0; i < n; i++) {
		const char *text = tasks[i].status.err;
		unsigned count;

		if (!text || !*text)
			continue;
		if (!has_failed(&tasks[i])) {
			if (task_is_active(&tasks[i]))
				waiting = text;
			continue;
		}
		count = count_error(tasks, n, text, since_ns);
		if (count > out->errors) {
			out->errors = count;
			put_text(out->error, text);
		}
	}
	if (!out->errors)
		put_text(out->error, waiting);
}

int progress_read(struct arena *a, const struct json *service, const struct json *tasks,
		  int64_t since_ns, struct progress *out, struct errmsg *msg)
{
	struct task *all = arena_array(a, json_count(tasks) + 1, sizeof(*all));
	struct service s;
	uint64_t active = 0;
	size_t n = 0;
	int err = model_decode(a, &service_table, MODEL_API, service, &s, msg);

	memset(out, 0, sizeof(*out));
	for (const struct json *e = json_first(tasks); err == 0 && e; e = json_next(e), n++)
		err = model_decode(a, &task_table, MODEL_API, e, &all[n], msg);
	if (err < 0)
		return err;
	for (size_t i = 0; i < n; i++) {
		if (!task_is_active(&all[i]))
			continue;
		active++;
		out->running += all[i].status.state == TASK_RUNNING;
	}
	out->desired = active;
	if (s.spec.mode.replicated)
		out->desired = s.spec.mode.replicated->replicas ?
			*s.spec.mode.replicated->replicas : 1;
	if (s.update_status) {
		out->update = s.update_status->state;
		put_text(out->message, s.update_status->message);
	}
	find_error(all, n, since_ns, out);
	/* A global service has no tasks until the manager has looked at the nodes. */
	if (s.spec.mode.global && active == 0)
		out->desired = 1;
	return 0;
}

int progress_is_done(const struct progress *p)
{
	return p->running == p->desired && p->update != UPDATE_UPDATING &&
		p->update != UPDATE_ROLLBACK_STARTED;
}

int progress_is_stuck(const struct progress *p, struct errmsg *why)
{
	if (p->update == UPDATE_PAUSED || p->update == UPDATE_ROLLBACK_PAUSED) {
		errmsg_set(why, 0, "the %s is paused: %s",
			p->update == UPDATE_PAUSED ? "update" : "rollback", p->message);
		return 1;
	}
	if (p->errors >= PROGRESS_ERRORS) {
		errmsg_set(why, 0, "tasks fail again and again: %s", p->error);
		return 1;
	}
	return 0;
}

struct wait {
	struct cli *cli;
	struct arena look;		/* of one look: emptied before the next */
	const char *service_path, *tasks_path;
	int quiet;
	int64_t since_ns;		/* the manager's time of the change that is waited for */
	uint64_t changed_ms;
	struct progress last;
	int shown;			/* a line stands on the terminal */
};

static int64_t updated_at(struct arena *a, const struct json *service)
{
	struct errmsg ignored = { { 0 } };
	struct service s;

	return model_decode(a, &service_table, MODEL_API, service, &s, &ignored) < 0 ? 0 :
		s.meta.updated_at;
}

static int look(struct wait *w, struct progress *now, struct errmsg *msg)
{
	const struct json *service, *tasks;
	int err;

	arena_reset(&w->look);
	err = cli_get(w->cli, &w->look, w->service_path, &service, msg);
	if (err == 0)
		err = cli_get(w->cli, &w->look, w->tasks_path, &tasks, msg);
	if (err < 0)
		return err;
	if (!w->since_ns)
		w->since_ns = updated_at(&w->look, service);
	return progress_read(&w->look, service, tasks, w->since_ns, now, msg);
}

static void show(struct wait *w, const struct progress *now)
{
	if (w->quiet)
		return;
	cli_printf(w->cli, CLI_ERR, "%soverall progress: %llu out of %llu tasks%s",
		w->cli->err_is_tty && w->shown ? "\r" : "", (unsigned long long)now->running,
		(unsigned long long)now->desired, w->cli->err_is_tty ? "\033[K" : "\n");
	w->shown = 1;
}

static void end_line(struct wait *w)
{
	if (w->shown && w->cli->err_is_tty)
		cli_printf(w->cli, CLI_ERR, "\n");
}

static int give_up(struct wait *w, const char *why)
{
	end_line(w);
	return cli_fail(w->cli, "%s (the service stays, and the manager goes on trying)", why);
}

/* One look: 1 with *status when the waiting is over. */
static int turn(struct wait *w, int *status)
{
	struct errmsg msg = { { 0 } };
	struct progress now;
	uint64_t now_ms = w->cli->now_ms(w->cli);

	*status = 0;
	if (look(w, &now, &msg) < 0) {
		end_line(w);
		*status = cli_failed(w->cli, &msg);
		return 1;
	}
	if (!w->shown || now.running != w->last.running || now.desired != w->last.desired)
		show(w, &now);
	if (memcmp(&now, &w->last, sizeof(now)) != 0)
		w->changed_ms = now_ms;
	w->last = now;
	if (progress_is_done(&now)) {
		if (now.update == UPDATE_ROLLBACK_COMPLETED &&
		    strcmp(w->cli->command->name, "rollback") != 0)
			*status = give_up(w, "the update failed and was rolled back");
		else
			end_line(w);
		return 1;
	}
	if (progress_is_stuck(&now, &msg)) {
		*status = give_up(w, msg.text);
		return 1;
	}
	if (now_ms - w->changed_ms >= PROGRESS_STALL_MS) {
		errmsg_set(&msg, 0, "nothing has changed for a minute%s%s", *now.error ? ": " : "",
			now.error);
		*status = give_up(w, msg.text);
		return 1;
	}
	return 0;
}

int progress_wait(struct cli *cli, const char *service_id, int quiet)
{
	struct strings filters = { .items = (const char *[2]){ NULL, "_up-to-date=true" },
		.count = 2 };
	struct wait w = { .cli = cli, .quiet = quiet };
	uint64_t pause_ms = PROGRESS_POLL_FIRST_MS;
	struct buf path;
	int status;

	filters.items[0] = arena_printf(cli->arena, "service=%s", service_id);
	buf_init(&path, ERRMSG_MAX * 4);
	buf_add_str(&path, "/tasks");
	cli_filters(&path, &filters, NULL, NULL);
	w.tasks_path = arena_str(cli->arena, buf_slice(&path));
	buf_done(&path);
	w.service_path = cli_path(cli->arena, "/services/%s", service_id);
	w.changed_ms = cli->now_ms(cli);
	arena_init(&w.look);
	while (!turn(&w, &status)) {
		if (cli->wait(cli, pause_ms)) {
			end_line(&w);
			cli_printf(cli, CLI_ERR, "The service goes on in the background: see "
				"'swarmbox service ps %s'\n", service_id);
			status = 0;
			break;
		}
		pause_ms *= 2;
		if (pause_ms > PROGRESS_POLL_MAX_MS)
			pause_ms = PROGRESS_POLL_MAX_MS;
	}
	arena_done(&w.look);
	return status;
}
