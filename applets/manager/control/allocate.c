/* Subnets for networks, addresses for tasks. Contracts are in control.h and loop.h. */
#include "applets/manager/control/loop.h"
#include <stdio.h>
#include <string.h>
#include "codec/netmap.h"

/* A subnet: bits is the length of its prefix. */
struct prefix {
	uint32_t base;
	unsigned bits;
};

static uint32_t size_of(struct prefix p)
{
	return p.bits == 0 ? 0 : UINT32_C(1) << (32 - p.bits);	/* 0 stands for 2^32 */
}

static int prefix_parse(const char *text, struct prefix *p)
{
	struct slice rest = slice_of(text), base = slice_cut(&rest, '/');
	uint64_t bits;

	if (ipv4_parse(base, &p->base) < 0 || slice_to_u64(rest, 32, &bits) < 0)
		return ERR_INVALID;
	p->bits = (unsigned)bits;
	return 0;
}

static int contains(struct prefix p, uint32_t address)
{
	return p.bits == 0 || (address ^ p.base) >> (32 - p.bits) == 0;
}

static int overlap(struct prefix a, struct prefix b)
{
	return contains(a, b.base) || contains(b, a.base);
}

static const struct ipam_config *ipam_of(const struct network_spec *spec)
{
	return spec->ipam.config.count ? LIST_AT(&spec->ipam.config, struct ipam_config, 0) : NULL;
}

/* A network whose subnet overlaps p, and that subnet; NULL if there is none. */
static const struct network *find_overlap(const struct state *s, struct prefix p,
					  struct prefix *theirs)
{
	for (struct map_entry *e = state_first(s, OBJECT_NETWORK); e; e = map_next(e)) {
		const struct network *n = state_entry(e);
		const struct ipam_config *config = ipam_of(&n->spec);

		if (config && config->subnet && prefix_parse(config->subnet, theirs) == 0 &&
		    overlap(p, *theirs))
			return n;
	}
	return NULL;
}

/* The first free subnet of a pool. Steps over whole subnets in use, so it ends soon. */
static int choose_in(const struct state *s, struct prefix pool, unsigned bits, struct prefix *out)
{
	struct prefix theirs;
	uint64_t at = pool.base, end = at + (UINT64_C(1) << (32 - pool.bits));

	while (at < end) {
		uint32_t step;

		*out = (struct prefix){ (uint32_t)at, bits };
		if (!find_overlap(s, *out, &theirs))
			return 0;
		step = theirs.bits < bits ? size_of(theirs) : size_of(*out);
		if (step == 0)
			break;
		at = (at / step + 1) * step;
	}
	return ERR_LIMIT;
}

static int choose_subnet(const struct state *s, struct prefix *out, struct errmsg *msg)
{
	const struct cluster *c = state_cluster(s);
	unsigned bits = c && c->subnet_size ? (unsigned)c->subnet_size : 24;
	struct prefix pool = { 10U << 24, 8 };
	uint32_t count = c ? c->default_addr_pool.count : 0;

	for (uint32_t i = 0; i < count; i++) {
		if (prefix_parse(c->default_addr_pool.items[i], &pool) == 0 && pool.bits <= bits &&
		    choose_in(s, pool, bits, out) == 0)
			return 0;
	}
	if (count == 0 && choose_in(s, pool, bits, out) == 0)
		return 0;
	return errmsg_set(msg, ERR_LIMIT, "could not find an available, non-overlapping IPv4 "
			  "address pool among the defaults to assign to the network");
}

static int check_subnet(const struct state *s, const char *text, struct prefix *p,
			struct errmsg *msg)
{
	const struct network *other;
	struct prefix theirs;
	char base[16];

	if (prefix_parse(text, p) < 0)
		return errmsg_set(msg, ERR_INVALID, "invalid subnet %s: an IPv4 prefix such as "
				  "10.1.0.0/24 is expected", text);
	if (p->bits < 16 || p->bits > 29)
		return errmsg_set(msg, ERR_INVALID, "invalid subnet %s: its size is not between "
				  "/16 and /29", text);
	if (p->base & (size_of(*p) - 1)) {
		ipv4_format(p->base & ~(size_of(*p) - 1), base);
		return errmsg_set(msg, ERR_INVALID, "invalid subnet %s: it should be %s/%u", text,
				  base, p->bits);
	}
	other = find_overlap(s, *p, &theirs);
	if (other)
		return errmsg_set(msg, ERR_IN_USE, "subnet %s overlaps with the one of network %s "
				  "(%s)", text, other->spec.name, ipam_of(&other->spec)->subnet);
	return 0;
}

/* A gateway may be written with the length of its prefix. */
static int gateway_parse(const char *text, uint32_t *address)
{
	struct slice rest = slice_of(text);

	return ipv4_parse(slice_cut(&rest, '/'), address);
}

static int is_host(struct prefix p, uint32_t address)
{
	return contains(p, address) && address != p.base && address != p.base + size_of(p) - 1;
}

int allocate_subnet(const struct state *s, struct arena *a, struct network_spec *spec,
		    struct errmsg *msg)
{
	const struct ipam_config *given = ipam_of(spec);
	struct ipam_config *config = arena_new(a, sizeof(*config));
	struct prefix p;
	uint32_t gateway;
	char text[16];
	int err;

	if (spec->ipam.config.count > 1)
		return errmsg_set(msg, ERR_INVALID, "a network has one subnet, not %u",
				  spec->ipam.config.count);
	if (given)
		*config = *given;
	if (config->ip_range || config->auxiliary_addresses.count)
		return errmsg_set(msg, ERR_INVALID,
				  "an IP range or auxiliary addresses are not supported");
	err = config->subnet ? check_subnet(s, config->subnet, &p, msg)
			     : choose_subnet(s, &p, msg);
	if (err < 0)
		return err;
	gateway = p.base + 1;
	if (config->gateway && (gateway_parse(config->gateway, &gateway) < 0 ||
				!is_host(p, gateway)))
		return errmsg_set(msg, ERR_INVALID, "invalid gateway %s: it is no address of the "
				  "subnet", config->gateway);
	ipv4_format(p.base, text);
	config->subnet = arena_printf(a, "%s/%u", text, p.bits);
	ipv4_format(gateway, text);
	config->gateway = arena_str(a, slice_of(text));
	spec->ipam.config = (struct list){ config, 1 };
	if (!spec->ipam.driver)
		spec->ipam.driver = "default";
	return 0;
}

/* ---- addresses ---- */

struct pool {
	struct prefix prefix;
	uint32_t gateway;
	unsigned char *used;	/* a bit per address */
	uint32_t from;		/* no free address below: offset from the base */
};

struct pools {
	const struct state *state;
	struct arena *arena;
	const struct network *ingress;
	struct map pools;	/* network id -> struct pool */
};

static void take(struct pool *pool, uint32_t address)
{
	uint32_t at = address - pool->prefix.base;

	if (contains(pool->prefix, address))
		pool->used[at / 8] = (unsigned char)(pool->used[at / 8] | 1U << at % 8);
}

/* An address is in use as long as its task runs or is meant to. */
static void take_task(struct pool *pool, const char *network_id, const struct task *t)
{
	const struct list *has = &t->networks_attachments;
	struct prefix address;

	if (t->desired_state > TASK_RUNNING &&
	    (task_is_dead(t) || t->status.state < TASK_ASSIGNED))
		return;
	for (uint32_t i = 0; i < has->count; i++) {
		const struct network_attachment *n = LIST_AT(has, struct network_attachment, i);

		if (strcmp(n->network.id, network_id) != 0)
			continue;
		for (uint32_t k = 0; k < n->addresses.count; k++) {
			if (prefix_parse(n->addresses.items[k], &address) == 0)
				take(pool, address.base);
		}
	}
}

/* The addresses of one network; NULL when its subnet is of no use. */
static struct pool *pool_open(struct pools *p, const struct network *n)
{
	struct pool *pool = map_get(&p->pools, slice_of(n->meta.id));
	const struct ipam_config *config = ipam_of(&n->spec);

	if (pool)
		return pool;
	pool = arena_new(p->arena, sizeof(*pool));
	if (!config || prefix_parse(config->subnet, &pool->prefix) < 0 ||
	    pool->prefix.bits < 16 || pool->prefix.bits > 30)
		return NULL;
	pool->used = arena_new(p->arena, (size_of(pool->prefix) + 7) / 8);
	pool->from = 1;
	take(pool, pool->prefix.base + size_of(pool->prefix) - 1);
	pool->gateway = pool->prefix.base + 1;
	if (config->gateway)
		(void)gateway_parse(config->gateway, &pool->gateway);
	take(pool, pool->gateway);
	for (struct map_entry *e = state_first(p->state, OBJECT_TASK); e; e = map_next(e))
		take_task(pool, n->meta.id, state_entry(e));
	map_set(&p->pools, slice_of(n->meta.id), pool);
	return pool;
}

struct pools *pools_new(const struct state *s, struct arena *a)
{
	struct pools *p = arena_new(a, sizeof(*p));

	p->state = s;
	p->arena = a;
	p->ingress = ingress_network(s);
	map_init(&p->pools);
	return p;
}

void pools_free(struct pools *p)
{
	map_done(&p->pools);
}

/* The lowest free address; ERR_LIMIT when there is none. It is not taken yet. */
static int find_free(struct pool *pool, uint32_t *address)
{
	uint32_t size = size_of(pool->prefix);

	while (pool->from < size && pool->used[pool->from / 8] >> pool->from % 8 & 1)
		pool->from++;
	*address = pool->prefix.base + pool->from;
	return pool->from < size ? 0 : ERR_LIMIT;
}

static int attach(struct pools *p, const struct network *n, struct network_attachment *out,
		  struct errmsg *msg)
{
	struct pool *pool = pool_open(p, n);
	struct strings none = { 0 };
	uint32_t address;
	char text[16];

	if (!pool || find_free(pool, &address) < 0)
		return errmsg_set(msg, ERR_LIMIT, "no free address in network %s", n->spec.name);
	ipv4_format(address, text);
	out->network.id = n->meta.id;
	out->network.spec.name = n->spec.name;
	out->network.spec.labels = n->spec.labels;
	out->addresses = strings_with(p->arena, &none,
				      arena_printf(p->arena, "%s/%u", text, pool->prefix.bits));
	return 0;
}

static struct strings aliases_of(struct arena *a, const struct task *t,
				 const struct network_target *target)
{
	struct strings all = { 0 };

	if (t->service_name)
		all = strings_with(a, &all, t->service_name);
	for (uint32_t i = 0; i < target->aliases.count; i++) {
		if (!strings_have(&all, target->aliases.items[i]))
			all = strings_with(a, &all, target->aliases.items[i]);
	}
	return all;
}

static int is_listed(const struct network_attachment *list, uint32_t count, const char *id)
{
	for (uint32_t i = 0; i < count; i++) {
		if (strcmp(list[i].network.id, id) == 0)
			return 1;
	}
	return 0;
}

static void take_all(struct pools *p, const struct list *attachments)
{
	for (uint32_t i = 0; i < attachments->count; i++) {
		struct network_attachment *n = LIST_AT(attachments, struct network_attachment, i);
		struct prefix address;

		if (prefix_parse(n->addresses.items[0], &address) == 0)
			take(map_get(&p->pools, slice_of(n->network.id)), address.base);
	}
}

int pools_attach(struct pools *p, const struct service *service, struct task *t,
		 struct errmsg *msg)
{
	const struct list *targets = &t->spec.networks;
	struct network_attachment *out = arena_array(p->arena, targets->count + 1, sizeof(*out));
	uint32_t count = 0;
	int err = 0;

	for (uint32_t i = 0; i < targets->count && err == 0; i++) {
		const struct network_target *target = LIST_AT(targets, struct network_target, i);
		const struct network *n = state_network(p->state, target->target);

		if (!n)
			return errmsg_set(msg, ERR_NOT_FOUND, "network %s not found",
					  target->target ? target->target : "");
		if (is_listed(out, count, n->meta.id))
			continue;
		out[count].aliases = aliases_of(p->arena, t, target);
		err = attach(p, n, &out[count++], msg);
	}
	if (err == 0 && service && service_has_ingress(service)) {
		if (!p->ingress)
			return errmsg_set(msg, ERR_NOT_FOUND, "service needs ingress network, "
					  "but no ingress network is present");
		if (!is_listed(out, count, p->ingress->meta.id))
			err = attach(p, p->ingress, &out[count++], msg);
	}
	if (err < 0)
		return err;
	t->networks_attachments = (struct list){ out, count };
	take_all(p, &t->networks_attachments);
	return 0;
}
