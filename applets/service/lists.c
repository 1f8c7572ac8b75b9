/* The options that are given several times: sets, each with what is taken away and added. */
#include <stdlib.h>
#include <string.h>

#include "applets/service/spec.h"
#include "applets/service/values.h"
#include "applets/words.h"

enum { PREFERENCES_MAX = 65536 };	/* bytes of placement preferences as JSON */

/* Whether two items are about the same thing. */
typedef int same_fn(const char *a, const char *b);

static int same_text(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

static int same_key(const char *a, const char *b)
{
	size_t n = strcspn(a, "=");

	return n == strcspn(b, "=") && memcmp(a, b, n) == 0;
}

/* --host-rm takes "name" or "name:ip"; stored is "ip name ...". */
static int same_host(const char *stored, const char *removed)
{
	const char *name = strchr(stored, ' ');
	size_t n = strcspn(removed, ":");

	if (!name || strncmp(name + 1, removed, n) != 0 || name[1 + n] != '\0')
		return 0;
	return !removed[n] || (strlen(removed + n + 1) == (size_t)(name - stored) &&
		strncmp(stored, removed + n + 1, (size_t)(name - stored)) == 0);
}

static int have(const struct strings *s, const char *text, same_fn *same)
{
	for (uint32_t i = 0; i < s->count; i++)
		if (same(text, s->items[i]))
			return 1;
	return 0;
}

/*
 * base without what `remove` names, then what `add` holds; of items about the same thing
 * (by `same`) the last stays.
 */
static struct strings merge(struct arena *a, struct strings base, struct strings add,
			    struct strings remove, same_fn *same, same_fn *removes)
{
	struct strings out = { NULL, 0 };

	if (!add.count && !remove.count)
		return base;
	out.items = arena_array(a, (size_t)base.count + add.count + 1, sizeof(*out.items));
	for (uint32_t i = 0; i < base.count; i++)
		if (!have(&remove, base.items[i], removes) && !have(&add, base.items[i], same))
			out.items[out.count++] = base.items[i];
	for (uint32_t i = 0; i < add.count; i++) {
		struct strings later = { add.items + i + 1, add.count - i - 1 };

		if (!have(&later, add.items[i], same))
			out.items[out.count++] = add.items[i];
	}
	return out;
}

static void merge_texts(struct arena *a, struct strings *to, struct strings add,
			struct strings remove)
{
	*to = merge(a, *to, add, remove, same_text, same_text);
}

static void merge_labels(struct arena *a, struct labels *to, struct strings add,
			 struct strings remove)
{
	for (uint32_t i = 0; i < remove.count; i++)
		*to = labels_without(a, to, remove.items[i]);
	for (uint32_t i = 0; i < add.count; i++) {
		const char *value, *key = words_key(a, add.items[i], &value);

		*to = labels_with(a, to, key, value);
	}
}

static int merge_hosts(struct arena *a, struct container_spec *c, const struct service_flags *f,
		       struct errmsg *msg)
{
	struct strings add = { arena_array(a, f->host.count + 1, sizeof(*add.items)), 0 };

	for (uint32_t i = 0; i < f->host.count; i++) {
		int err = values_host(a, f->host.items[i], &add.items[add.count++], msg);

		if (err < 0)
			return errmsg_prefix(msg, err, "--host");
	}
	c->hosts = merge(a, c->hosts, add, f->host_rm, same_text, same_host);
	return 0;
}

static int is_target_taken(const struct mount *all, uint32_t count)
{
	for (uint32_t k = 0; k < count; k++)
		if (all[k].target && strcmp(all[k].target, all[count].target) == 0)
			return 1;
	return 0;
}

static int merge_mounts(struct arena *a, struct container_spec *c, const struct service_flags *f,
			struct errmsg *msg)
{
	const struct mount *before = c->mounts.items;
	uint32_t count = 0;
	struct mount *all;

	if (!f->mount.count && !f->mount_rm.count)
		return 0;
	all = arena_array(a, (size_t)c->mounts.count + f->mount.count + 1, sizeof(*all));
	for (uint32_t i = 0; i < c->mounts.count; i++)
		if (!before[i].target || !strings_have(&f->mount_rm, before[i].target))
			all[count++] = before[i];
	for (uint32_t i = 0; i < f->mount.count; i++) {
		int err = values_mount(a, f->mount.items[i], &all[count], msg);

		if (err < 0)
			return errmsg_prefix(msg, err, "--mount");
		if (is_target_taken(all, count))
			return errmsg_set(msg, ERR_INVALID, "--mount: \"%s\": another mount has "
				"that target", f->mount.items[i]);
		count++;
	}
	c->mounts = (struct list){ all, count };
	return 0;
}

static int merge_ulimits(struct arena *a, struct container_spec *c, const struct service_flags *f,
			 struct errmsg *msg)
{
	const struct ulimit *before = c->ulimits.items;
	uint32_t count = 0;
	struct ulimit *all;

	if (!f->ulimit.count && !f->ulimit_rm.count)
		return 0;
	all = arena_array(a, (size_t)c->ulimits.count + f->ulimit.count + 1, sizeof(*all));
	for (uint32_t i = 0; i < c->ulimits.count; i++)
		if (!strings_have(&f->ulimit_rm, before[i].name) &&
		    !have(&f->ulimit, before[i].name, same_key))
			all[count++] = before[i];
	for (uint32_t i = 0; i < f->ulimit.count; i++) {
		int err = values_ulimit(a, f->ulimit.items[i], &all[count++], msg);

		if (err < 0)
			return errmsg_prefix(msg, err, "--ulimit");
	}
	c->ulimits = (struct list){ all, count };
	return 0;
}

static int merge_networks(struct arena *a, struct task_spec *t, const struct service_flags *f,
			  struct errmsg *msg)
{
	const struct network_target *before = t->networks.items;
	struct network_target *all;
	uint32_t count = 0;

	if (!f->network.count && !f->network_rm.count)
		return 0;
	all = arena_array(a, (size_t)t->networks.count + f->network.count + 1, sizeof(*all));
	for (uint32_t i = 0; i < t->networks.count; i++)
		if (!strings_have(&f->network_rm, before[i].target))
			all[count++] = before[i];
	for (uint32_t i = 0; i < f->network.count; i++) {
		int err = values_network(a, f->network.items[i], &all[count], msg);

		if (err < 0)
			return errmsg_prefix(msg, err, "--network");
		for (uint32_t k = 0; k < count; k++)
			if (strcmp(all[k].target, all[count].target) == 0)
				return errmsg_set(msg, ERR_INVALID, "--network: \"%s\": it is "
					"attached already", all[count].target);
		count++;
	}
	t->networks = (struct list){ all, count };
	return 0;
}

static int same_port(const struct port_config *a, const struct port_config *b)
{
	return a->target_port == b->target_port && a->protocol == b->protocol;
}

static int is_removed(struct arena *a, const struct port_config *p, const struct strings *remove,
		      struct errmsg *msg)
{
	for (uint32_t i = 0; i < remove->count; i++) {
		struct list ports = { NULL, 0 };
		int err = values_ports(a, remove->items[i], &ports, msg);

		if (err < 0)
			return errmsg_prefix(msg, err, "--publish-rm");
		for (uint32_t k = 0; k < ports.count; k++) {
			const struct port_config *r = (struct port_config *)ports.items + k;

			if (same_port(p, r) && (!r->published_port ||
			    r->published_port == p->published_port))
				return 1;
		}
	}
	return 0;
}

/* Room for all that the values can hold. */
static int add_ports(struct arena *a, const struct strings *add, struct list *to,
		     struct errmsg *msg)
{
	for (uint32_t i = 0; i < add->count; i++) {
		struct list more;
		struct port_config *all;
		int err = values_ports(a, add->items[i], &more, msg);

		if (err < 0)
			return errmsg_prefix(msg, err, "--publish");
		if (more.count > MODEL_LIST_MAX - to->count)
			return errmsg_set(msg, ERR_LIMIT, "--publish: more than %d ports",
				MODEL_LIST_MAX);
		all = arena_array(a, (size_t)to->count + more.count, sizeof(*all));
		if (to->count)
			memcpy(all, to->items, to->count * sizeof(*all));
		memcpy(all + to->count, more.items, more.count * sizeof(*all));
		*to = (struct list){ all, to->count + more.count };
	}
	return 0;
}

static int merge_ports(struct arena *a, struct service_spec *spec, const struct service_flags *f,
		       struct errmsg *msg)
{
	struct endpoint_spec *e;
	const struct port_config *before;
	struct port_config *kept;
	struct list ports = { NULL, 0 };

	if (!f->publish.count && !f->publish_rm.count && !f->endpoint_mode.given)
		return 0;
	e = arena_new(a, sizeof(*e));
	if (spec->endpoint_spec)
		*e = *spec->endpoint_spec;
	spec->endpoint_spec = e;
	if (f->endpoint_mode.given)
		e->mode = (int)f->endpoint_mode.value;
	before = e->ports.items;
	kept = arena_array(a, (size_t)e->ports.count + 1, sizeof(*kept));
	ports.items = kept;
	for (uint32_t i = 0; i < e->ports.count; i++) {
		int removed = is_removed(a, &before[i], &f->publish_rm, msg);

		if (removed < 0)
			return removed;
		if (!removed)
			kept[ports.count++] = before[i];
	}
	e->ports = ports;
	return add_ports(a, &f->publish, &e->ports, msg);
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static struct strings capabilities(struct arena *a, const struct strings *from)
{
	struct strings out = { arena_array(a, from->count + 1, sizeof(*out.items)), from->count };

	for (uint32_t i = 0; i < from->count; i++)
		out.items[i] = values_capability(a, from->items[i]);
	return out;
}

/* What is added is not dropped any more, and the other way round. */
static void merge_capabilities(struct arena *a, struct container_spec *c,
			       const struct service_flags *f)
{
	struct strings add = capabilities(a, &f->cap_add), drop = capabilities(a, &f->cap_drop);

	if (!add.count && !drop.count)
		return;
	merge_texts(a, &c->capability_add, add, drop);
	merge_texts(a, &c->capability_drop, drop, add);
	qsort(c->capability_add.items, c->capability_add.count, sizeof(char *), compare_texts);
	qsort(c->capability_drop.items, c->capability_drop.count, sizeof(char *), compare_texts);
}

static void merge_dns(struct arena *a, struct container_spec *c, const struct service_flags *f)
{
	struct dns_config *d;

	if (!f->dns.count && !f->dns_rm.count && !f->dns_search.count && !f->dns_search_rm.count &&
	    !f->dns_option.count && !f->dns_option_rm.count)
		return;
	d = arena_new(a, sizeof(*d));
	if (c->dns_config)
		*d = *c->dns_config;
	merge_texts(a, &d->nameservers, f->dns, f->dns_rm);
	merge_texts(a, &d->search, f->dns_search, f->dns_search_rm);
	merge_texts(a, &d->options, f->dns_option, f->dns_option_rm);
	c->dns_config = d;
}

/* The descriptors of [{"Spread":{"SpreadDescriptor":"node.labels.rack"}}] as "spread=...". */
static struct strings read_preferences(struct arena *a, struct slice text)
{
	struct errmsg ignored = { { 0 } };
	struct strings out = { NULL, 0 };
	const struct json *root;

	if (!text.len || json_parse(a, text, &root, &ignored) < 0)
		return out;
	out.items = arena_array(a, json_count(root) + 1, sizeof(*out.items));
	for (const struct json *e = json_first(root); e; e = json_next(e))
		out.items[out.count++] = arena_printf(a, "spread=%.*s",
			SLICE_ARGS(json_string(json_get(json_get(e, "Spread"),
				"SpreadDescriptor"))));
	return out;
}

static struct slice write_preferences(struct arena *a, const struct strings *list)
{
	struct json_writer w;
	struct slice done;
	struct buf out;

	if (!list->count)
		return (struct slice){ NULL, 0 };
	buf_init(&out, PREFERENCES_MAX);
	json_begin(&w, &out);
	json_open_array(&w);
	for (uint32_t i = 0; i < list->count; i++) {
		json_open_object(&w);
		json_write_key(&w, "Spread");
		json_open_object(&w);
		json_put_str(&w, "SpreadDescriptor", strchr(list->items[i], '=') + 1);
		json_close_object(&w);
		json_close_object(&w);
	}
	json_close_array(&w);
	done = arena_copy(a, buf_slice(&out));
	buf_done(&out);
	return done;
}

static int merge_placement(struct arena *a, struct task_spec *t, const struct service_flags *f,
			   struct errmsg *msg)
{
	struct strings preferences;
	struct placement *p;

	if (!f->constraint.count && !f->constraint_rm.count && !f->placement_pref.count &&
	    !f->placement_pref_rm.count && !f->replicas_max_per_node.given)
		return 0;
	for (uint32_t i = 0; i < f->placement_pref.count; i++)
		if (strncmp(f->placement_pref.items[i], "spread=", 7) != 0)
			return errmsg_set(msg, ERR_INVALID, "--placement-pref: \"%s\" is not "
				"spread=LABEL", f->placement_pref.items[i]);
	p = arena_new(a, sizeof(*p));
	if (t->placement)
		*p = *t->placement;
	t->placement = p;
	merge_texts(a, &p->constraints, f->constraint, f->constraint_rm);
	if (f->replicas_max_per_node.given)
		p->max_replicas = (uint64_t)f->replicas_max_per_node.value;
	if (!f->placement_pref.count && !f->placement_pref_rm.count)
		return 0;
	preferences = read_preferences(a, p->preferences);
	merge_texts(a, &preferences, f->placement_pref, f->placement_pref_rm);
	p->preferences = write_preferences(a, &preferences);
	return 0;
}

int service_lists_apply(struct arena *a, const struct service_flags *f, struct service_spec *spec,
			struct errmsg *msg)
{
	struct container_spec *c = spec->task_template.container_spec;
	int err;

	merge_labels(a, &spec->labels, f->label, f->label_rm);
	merge_labels(a, &c->labels, f->container_label, f->container_label_rm);
	merge_labels(a, &c->sysctls, f->sysctl, f->sysctl_rm);
	c->env = merge(a, c->env, f->env, f->env_rm, same_key, same_key);
	merge_texts(a, &c->groups, f->group, f->group_rm);
	merge_capabilities(a, c, f);
	merge_dns(a, c, f);
	err = merge_hosts(a, c, f, msg);
	if (err == 0)
		err = merge_mounts(a, c, f, msg);
	if (err == 0)
		err = merge_ulimits(a, c, f, msg);
	if (err == 0)
		err = merge_networks(a, &spec->task_template, f, msg);
	if (err == 0)
		err = merge_placement(a, &spec->task_template, f, msg);
	return err == 0 ? merge_ports(a, spec, f, msg) : err;
}
