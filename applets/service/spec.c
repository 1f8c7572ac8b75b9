/* Create is an update of the empty spec: each option changes its part, the rest stays. */
#include <string.h>

#include "applets/service/spec.h"
#include "applets/service/values.h"
#include "applets/words.h"
#include "docker/reference.h"

static void set_text(const char **to, const char *value)
{
	/* --user "" takes it away. */
	if (value)
		*to = *value ? value : NULL;
}

static void set_flag(int *to, int flag)
{
	if (flag)
		*to = flag == OPTION_YES;
}

static void set_i64(int64_t *to, struct option_number n)
{
	if (n.given)
		*to = n.value;
}

static void set_u64(uint64_t *to, struct option_number n)
{
	if (n.given)
		*to = (uint64_t)n.value;
}

static int command_line(struct arena *a, const char *name, const char *text, struct strings *to,
			struct errmsg *msg)
{
	int err;

	if (!text)
		return 0;
	err = words_split(a, slice_of(text), to, msg);
	return err < 0 ? errmsg_prefix(msg, err, "--%s", name) : 0;
}

static int apply_health(struct arena *a, const struct service_flags *f, struct container_spec *c,
			struct errmsg *msg)
{
	int given = f->health_cmd || f->health_interval.given || f->health_timeout.given ||
		f->health_retries.given || f->health_start_period.given ||
		f->health_start_interval.given;
	struct health_config *h;

	if (!given && f->no_healthcheck != OPTION_YES)
		return 0;
	if (given && f->no_healthcheck == OPTION_YES)
		return errmsg_set(msg, ERR_INVALID,
			"--no-healthcheck cannot stand with --health-...");
	h = arena_new(a, sizeof(*h));
	if (given && c->healthcheck)
		*h = *c->healthcheck;
	c->healthcheck = h;
	if (!given || f->health_cmd) {
		h->test.items = arena_array(a, 2, sizeof(*h->test.items));
		h->test.items[0] = given ? "CMD-SHELL" : "NONE";
		h->test.items[1] = f->health_cmd;
		h->test.count = given ? 2 : 1;
	}
	set_i64(&h->interval, f->health_interval);
	set_i64(&h->timeout, f->health_timeout);
	set_i64(&h->retries, f->health_retries);
	set_i64(&h->start_period, f->health_start_period);
	set_i64(&h->start_interval, f->health_start_interval);
	return 0;
}

static int apply_container(struct arena *a, const struct service_flags *f,
			   struct container_spec *c, struct errmsg *msg)
{
	int err;

	if (f->image)
		c->image = reference_tagged(a, f->image);
	set_text(&c->hostname, f->hostname);
	set_text(&c->dir, f->workdir);
	set_text(&c->user, f->user);
	set_text(&c->stop_signal, f->stop_signal);
	set_text(&c->isolation, f->isolation);
	set_flag(&c->tty, f->tty);
	set_flag(&c->read_only, f->read_only);
	if (f->init) {
		c->init = arena_new(a, sizeof(*c->init));
		set_flag(c->init, f->init);
	}
	if (f->stop_grace_period.given) {
		c->stop_grace_period = arena_new(a, sizeof(*c->stop_grace_period));
		*c->stop_grace_period = f->stop_grace_period.value;
	}
	set_i64(&c->oom_score_adj, f->oom_score_adj);
	err = command_line(a, "entrypoint", f->entrypoint, &c->command, msg);
	if (err == 0)
		err = command_line(a, "args", f->args, &c->args, msg);
	return err == 0 ? apply_health(a, f, c, msg) : err;
}

static struct resource_limits *changed_limits(struct arena *a, const struct resource_limits *before,
					      struct option_number cpu, struct option_number memory)
{
	struct resource_limits *l = arena_new(a, sizeof(*l));

	if (before)
		*l = *before;
	set_i64(&l->nano_cpus, cpu);
	set_i64(&l->memory_bytes, memory);
	return l;
}

static void apply_resources(struct arena *a, const struct service_flags *f, struct task_spec *t)
{
	int limits = f->limit_cpu.given || f->limit_memory.given || f->limit_pids.given;
	int reservations = f->reserve_cpu.given || f->reserve_memory.given;
	struct resources *r;

	if (!limits && !reservations)
		return;
	r = arena_new(a, sizeof(*r));
	if (t->resources)
		*r = *t->resources;
	t->resources = r;
	if (limits) {
		r->limits = changed_limits(a, r->limits, f->limit_cpu, f->limit_memory);
		set_i64(&r->limits->pids, f->limit_pids);
	}
	if (reservations)
		r->reservations = changed_limits(a, r->reservations, f->reserve_cpu,
			f->reserve_memory);
}

static void apply_restart(struct arena *a, const struct service_flags *f, struct task_spec *t)
{
	struct restart_policy *p;

	if (!f->restart_condition.given && !f->restart_delay.given &&
	    !f->restart_max_attempts.given && !f->restart_window.given)
		return;
	p = arena_new(a, sizeof(*p));
	if (t->restart_policy)
		*p = *t->restart_policy;
	t->restart_policy = p;
	if (f->restart_condition.given)
		p->condition = (int)f->restart_condition.value;
	if (f->restart_delay.given) {
		p->delay = arena_new(a, sizeof(*p->delay));
		*p->delay = f->restart_delay.value;
	}
	set_u64(&p->max_attempts, f->restart_max_attempts);
	set_i64(&p->window, f->restart_window);
}

static void apply_update(struct arena *a, const struct service_update_flags *f,
			 struct update_config **config)
{
	struct update_config *u;

	if (!f->parallelism.given && !f->delay.given && !f->monitor.given &&
	    !f->failure_action.given && !f->max_failure_ratio.given && !f->order.given)
		return;
	u = arena_new(a, sizeof(*u));
	if (*config)
		*u = **config;
	else
		u->parallelism = 1;
	*config = u;
	set_u64(&u->parallelism, f->parallelism);
	set_i64(&u->delay, f->delay);
	set_i64(&u->monitor, f->monitor);
	set_i64(&u->max_failure_ratio, f->max_failure_ratio);
	if (f->failure_action.given)
		u->failure_action = (int)f->failure_action.value;
	if (f->order.given)
		u->order = (int)f->order.value;
}

static int apply_mode(struct arena *a, const struct service_flags *f, struct service_mode *mode,
		      struct errmsg *msg)
{
	struct replicated_mode *r;

	if (!mode->replicated && !mode->global && f->mode.value == SERVICE_MODE_GLOBAL)
		mode->global = arena_new(a, sizeof(*mode->global));
	if (mode->global) {
		if (f->replicas.given)
			return errmsg_set(msg, ERR_INVALID,
				"--replicas can only be used with replicated mode");
		return 0;
	}
	if (mode->replicated && !f->replicas.given)
		return 0;
	r = arena_new(a, sizeof(*r));
	mode->replicated = r;
	if (f->replicas.given) {
		r->replicas = arena_new(a, sizeof(*r->replicas));
		*r->replicas = (uint64_t)f->replicas.value;
	}
	return 0;
}

static int apply_log(struct arena *a, const struct service_flags *f, struct task_spec *t,
		     struct errmsg *msg)
{
	struct log_driver *d;

	if (!f->log_driver && !f->log_opt.count)
		return 0;
	if (!f->log_driver)
		return errmsg_set(msg, ERR_INVALID, "--log-opt needs --log-driver");
	d = arena_new(a, sizeof(*d));
	d->name = f->log_driver;
	for (uint32_t i = 0; i < f->log_opt.count; i++) {
		const char *value, *key = words_key(a, f->log_opt.items[i], &value);

		d->options = labels_with(a, &d->options, key, value);
	}
	t->log_driver = d;
	return 0;
}

int service_spec_apply(struct arena *a, const struct service_flags *f, struct service_spec *spec,
		       struct errmsg *msg)
{
	struct task_spec *t = &spec->task_template;
	struct container_spec *c = arena_new(a, sizeof(*c));
	int err;

	if (t->container_spec)
		*c = *t->container_spec;
	t->container_spec = c;
	if (f->name)
		spec->name = f->name;
	err = apply_container(a, f, c, msg);
	apply_resources(a, f, t);
	apply_restart(a, f, t);
	apply_update(a, &f->update, &spec->update_config);
	apply_update(a, &f->roll_back, &spec->rollback_config);
	if (f->force == OPTION_YES)
		t->force_update++;
	if (err == 0)
		err = apply_log(a, f, t, msg);
	if (err == 0)
		err = apply_mode(a, f, &spec->mode, msg);
	return err == 0 ? service_lists_apply(a, f, spec, msg) : err;
}
