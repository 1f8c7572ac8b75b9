/* See plan.h. The order is docker/cli's: prune, networks, services. */
#include <stdlib.h>
#include <string.h>

#include "applets/stack/plan.h"
#include "http/url.h"
#include "model/service.h"

struct planner {
	struct arena *arena;
	struct plan *plan;
	struct errmsg *msg;
	const char *stack;
	struct service *services;	/* all that there are */
	size_t count;
};

static const char *const protocols[] = { "tcp", "udp", "sctp" };

static struct plan_step *add_step(struct planner *p, const char *method, const char *path,
				  const char *line)
{
	struct list *steps = &p->plan->steps;
	struct plan_step *items = steps->items;

	items[steps->count] = (struct plan_step){ .method = method, .path = path, .line = line };
	return &items[steps->count++];
}

static int start(struct planner *p, const struct json *services, size_t steps)
{
	int err = 0;

	*p->plan = (struct plan){ .steps = { NULL, 0 } };
	p->services = arena_array(p->arena, json_count(services) + 1, sizeof(*p->services));
	p->plan->steps.items = arena_array(p->arena, steps + 1, sizeof(struct plan_step));
	p->plan->services.items = arena_array(p->arena, json_count(services) + 1, sizeof(char *));
	for (const struct json *e = json_first(services); e && err == 0; e = json_next(e)) {
		struct service *s = &p->services[p->count++];

		err = model_decode(p->arena, &service_table, MODEL_API, e, s, p->msg);
		if (err == 0 && (!s->meta.id || !s->spec.name))
			err = errmsg_set(p->msg, ERR_INVALID, "a service without ID or name");
	}
	return err < 0 ? errmsg_prefix(p->msg, ERR_INVALID, "the API's answer") : 0;
}

static int is_ours(const struct planner *p, const struct labels *labels)
{
	const char *stack = labels_get(labels, STACK_LABEL);

	return stack && strcmp(stack, p->stack) == 0;
}

static const struct json *find_network(const struct json *networks, const char *name)
{
	for (const struct json *e = json_first(networks); e; e = json_next(e))
		if (slice_is(json_string(json_get(e, "Name")), name))
			return e;
	return NULL;
}

static int is_stacks(const struct planner *p, const struct json *network)
{
	return slice_is(json_string(json_get(json_get(network, "Labels"), STACK_LABEL)), p->stack);
}

static const char *encoded_path(struct planner *p, const char *front, const char *name)
{
	struct buf out;
	const char *path;

	buf_init(&out, 65536);
	buf_add_str(&out, front);
	http_url_encode(&out, slice_of(name));
	path = arena_str(p->arena, buf_slice(&out));
	buf_done(&out);
	return path;
}

static void remove_service(struct planner *p, const struct service *s)
{
	add_step(p, "DELETE", encoded_path(p, "/services/", s->meta.id),
		arena_printf(p->arena, "Removing service %s", s->spec.name));
	p->plan->services.items[p->plan->services.count++] = s->meta.id;
}

static struct slice encode(struct planner *p, const struct table *table, const void *object)
{
	struct json_writer w;
	struct slice text;
	struct buf out;

	buf_init(&out, JSON_TEXT_MAX);
	json_begin(&w, &out);
	model_encode(&w, table, MODEL_API, object);
	text = arena_copy(p->arena, buf_slice(&out));
	buf_done(&out);
	return text;
}

/* ---- deploy -------------------------------------------------------------------- */

static const struct service_spec *find_wanted(const struct stack *stack, const char *name)
{
	for (uint32_t i = 0; i < stack->services.count; i++) {
		const struct service_spec *s = LIST_AT(&stack->services, struct service_spec, i);

		if (strcmp(s->name, name) == 0)
			return s;
	}
	return NULL;
}

static int check_externals(struct planner *p, const struct stack *stack,
			   const struct json *networks)
{
	for (uint32_t i = 0; i < stack->externals.count; i++) {
		const char *name = stack->externals.items[i];
		const struct json *network = find_network(networks, name);
		struct slice scope = json_string(json_get(network, "Scope"));

		if (!network)
			return errmsg_set(p->msg, ERR_NOT_FOUND, "network \"%s\" is declared as "
				"external, but could not be found. You need to create a "
				"swarm-scoped network before the stack is deployed", name);
		if (!slice_is(scope, "swarm"))
			return errmsg_set(p->msg, ERR_INVALID, "network \"%s\" is declared as "
				"external, but it is not in the right scope: \"%.*s\" instead of "
				"\"swarm\"", name, SLICE_ARGS(scope));
	}
	return 0;
}

/* Two services cannot both publish a port in ingress mode. */
static int check_port(struct planner *p, const struct stack *stack,
		      const struct service_spec *want, const struct port_config *port)
{
	for (size_t i = 0; i < p->count; i++) {
		const struct service *s = &p->services[i];
		const struct list *taken = &s->endpoint.ports;

		/* What the stack's own services publish is replaced or checked in the file. */
		if (is_ours(p, &s->spec.labels) && find_wanted(stack, s->spec.name))
			continue;
		for (uint32_t k = 0; k < taken->count; k++) {
			const struct port_config *t = LIST_AT(taken, struct port_config, k);

			if (t->publish_mode != PUBLISH_INGRESS || t->protocol != port->protocol ||
			    t->published_port != port->published_port)
				continue;
			return errmsg_set(p->msg, ERR_IN_USE, "port %u/%s of service %s is already "
				"in use by service %s", (unsigned)port->published_port,
				protocols[port->protocol], want->name, s->spec.name);
		}
	}
	return 0;
}

static int check_ports(struct planner *p, const struct stack *stack,
		       const struct service_spec *want)
{
	const struct list *ports = &want->endpoint_spec->ports;
	int err = 0;

	for (uint32_t i = 0; i < ports->count && err == 0; i++) {
		const struct port_config *port = LIST_AT(ports, struct port_config, i);

		if (port->publish_mode == PUBLISH_INGRESS && port->published_port)
			err = check_port(p, stack, want, port);
	}
	return err;
}

static const struct service *find_service(const struct planner *p, const char *name)
{
	for (size_t i = 0; i < p->count; i++)
		if (strcmp(p->services[i].spec.name, name) == 0)
			return &p->services[i];
	return NULL;
}

/* All that could fail halfway. */
static int check(struct planner *p, const struct stack *stack, const struct json *networks)
{
	int err = check_externals(p, stack, networks);

	for (uint32_t i = 0; i < stack->networks.count && err == 0; i++) {
		const char *name = LIST_AT(&stack->networks, struct network_spec, i)->name;
		const struct json *network = find_network(networks, name);

		if (network && !is_stacks(p, network))
			err = errmsg_set(p->msg, ERR_EXISTS, "network %s exists already and is no "
				"part of stack %s", name, p->stack);
	}
	for (uint32_t i = 0; i < stack->services.count && err == 0; i++) {
		const struct service_spec *want = LIST_AT(&stack->services, struct service_spec, i);
		const struct service *s = find_service(p, want->name);

		if (s && !is_ours(p, &s->spec.labels))
			err = errmsg_set(p->msg, ERR_EXISTS, "service %s exists already and is no "
				"part of stack %s", want->name, p->stack);
		else
			err = check_ports(p, stack, want);
	}
	return err;
}

static void create_networks(struct planner *p, const struct stack *stack,
			    const struct json *networks)
{
	for (uint32_t i = 0; i < stack->networks.count; i++) {
		const struct network_spec *want = LIST_AT(&stack->networks, struct network_spec, i);

		if (find_network(networks, want->name))
			continue;
		add_step(p, "POST", "/networks/create", arena_printf(p->arena,
			"Creating network %s", want->name))->body =
			encode(p, &network_spec_table, want);
	}
}

/* The digest that the image was found to have stays, while the file says the same image. */
static void keep_image(struct container_spec *c, const struct service_spec *want,
		       const struct service *s)
{
	const char *before = labels_get(&s->spec.labels, STACK_IMAGE_LABEL);
	const struct container_spec *stored = s->spec.task_template.container_spec;

	if (before && stored && stored->image &&
	    strcmp(before, labels_get(&want->labels, STACK_IMAGE_LABEL)) == 0)
		c->image = stored->image;
}

static void update_service(struct planner *p, const struct service_spec *want,
			   const struct service *s)
{
	struct container_spec container = *want->task_template.container_spec;
	struct service_spec spec = *want;
	struct plan_step *step;

	spec.task_template.container_spec = &container;
	spec.task_template.force_update = s->spec.task_template.force_update;
	keep_image(&container, want, s);
	step = add_step(p, "POST", plan_update_path(p->arena, s->meta.id, s->meta.version),
		arena_printf(p->arena, "Updating service %s (id: %s)", want->name, s->meta.id));
	step->body = encode(p, &service_spec_table, &spec);
	step->update = s->meta.id;
	step->is_service = 1;
}

const char *plan_update_path(struct arena *a, const char *id, uint64_t version)
{
	return arena_printf(a, "/services/%s/update?version=%llu", id, (unsigned long long)version);
}

int plan_deploy(struct arena *a, const struct stack *stack, int prune,
		const struct plan_state *state, struct plan *out, struct errmsg *msg)
{
	struct planner p = { .arena = a, .plan = out, .msg = msg, .stack = stack->name };
	int err = start(&p, state->services, json_count(state->services) +
		stack->networks.count + stack->services.count);

	if (err == 0)
		err = check(&p, stack, state->networks);
	if (err < 0)
		return err;
	for (size_t i = 0; i < p.count && prune; i++)
		if (is_ours(&p, &p.services[i].spec.labels) &&
		    !find_wanted(stack, p.services[i].spec.name))
			remove_service(&p, &p.services[i]);
	create_networks(&p, stack, state->networks);
	for (uint32_t i = 0; i < stack->services.count; i++) {
		const struct service_spec *want = LIST_AT(&stack->services, struct service_spec, i);
		const struct service *s = find_service(&p, want->name);
		struct plan_step *step;

		if (s) {
			update_service(&p, want, s);
			continue;
		}
		step = add_step(&p, "POST", "/services/create",
			arena_printf(a, "Creating service %s", want->name));
		step->body = encode(&p, &service_spec_table, want);
		step->is_service = 1;
	}
	return 0;
}

/* ---- remove -------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
	const struct service *x = a, *y = b;

	return strcmp(x->spec.name, y->spec.name);
}

int plan_remove(struct arena *a, const char *stack, const struct plan_state *state,
		struct plan *out, struct errmsg *msg)
{
	struct planner p = { .arena = a, .plan = out, .msg = msg, .stack = stack };
	int err = start(&p, state->services, json_count(state->services) +
		json_count(state->networks));

	if (err < 0)
		return err;
	qsort(p.services, p.count, sizeof(*p.services), by_name);
	for (size_t i = 0; i < p.count; i++)
		if (is_ours(&p, &p.services[i].spec.labels))
			remove_service(&p, &p.services[i]);
	for (const struct json *e = json_first(state->networks); e; e = json_next(e)) {
		if (!is_stacks(&p, e))
			continue;
		add_step(&p, "DELETE", encoded_path(&p, "/networks/",
			arena_str(a, json_string(json_get(e, "Id")))),
			arena_printf(a, "Removing network %.*s",
				SLICE_ARGS(json_string(json_get(e, "Name")))));
	}
	return 0;
}
