/*
 * The maps of the state. Contracts are in state.h and object.h. Names are kept in lower case
 * because Docker's are unique without regard to case; a network that is only waiting for its
 * last tasks to go has given its name back already.
 */
#include "applets/manager/state/object.h"
#include <assert.h>
#include <string.h>
#include "base/mem.h"

const char *const object_kind_names[OBJECT_KINDS] = {
	"cluster", "node", "service", "task", "network",
};

const struct table *object_table(enum object_kind kind)
{
	static const struct table *const tables[OBJECT_KINDS] = {
		&cluster_table, &node_table, &service_table, &task_table, &network_table,
	};

	assert(kind < OBJECT_KINDS);
	return tables[kind];
}

int object_kind_find(struct slice name)
{
	for (int i = 0; i < OBJECT_KINDS; i++) {
		if (slice_is(name, object_kind_names[i]))
			return i;
	}
	return -1;
}

struct object *object_parse(enum object_kind kind, const struct json *node, int *err,
			    struct errmsg *msg)
{
	struct object *o = mem_new(sizeof(*o));

	o->kind = kind;
	arena_init(&o->arena);
	o->data = arena_new(&o->arena, object_table(kind)->size);
	*err = model_decode(&o->arena, object_table(kind), MODEL_STORE, node, o->data, msg);
	if (*err == 0 && (!object_meta(o)->id || strlen(object_meta(o)->id) > ID_LEN))
		*err = errmsg_set(msg, ERR_INVALID, "%s without a valid ID",
				  object_kind_names[kind]);
	if (*err == 0)
		return o;
	object_free(o);
	return NULL;
}

void object_free(struct object *o)
{
	if (!o)
		return;
	arena_done(&o->arena);
	mem_free(o);
}

struct meta *object_meta(struct object *o)
{
	return o->data;
}

void state_init(struct state *s)
{
	*s = (struct state){ 0 };
	for (int i = 0; i < OBJECT_KINDS; i++) {
		map_init(&s->objects[i]);
		map_init(&s->names[i]);
	}
	kv_init(&s->kv);
	recent_init(&s->recent);
	map_init(&s->service_tasks);
	map_init(&s->node_tasks);
}

void state_done(struct state *s)
{
	for (int i = 0; i < OBJECT_KINDS; i++) {
		for (struct map_entry *e = map_first(&s->objects[i]); e; e = map_next(e))
			object_free(e->value);
		map_done(&s->objects[i]);
		map_done(&s->names[i]);
	}
	map_done(&s->service_tasks);
	map_done(&s->node_tasks);
	kv_done(&s->kv);
	recent_done(&s->recent);
	s->applied = 0;
}

enum { NAME_KEY_MAX = 256 };

/* Lower case into key; the empty slice when there is no name to be unique. */
static struct slice name_key(const char *name, char key[NAME_KEY_MAX])
{
	size_t n = name ? strlen(name) : 0;

	if (n == 0 || n >= NAME_KEY_MAX)
		return (struct slice){ NULL, 0 };
	for (size_t i = 0; i < n; i++)
		key[i] = name[i] >= 'A' && name[i] <= 'Z' ? (char)(name[i] + 32) : name[i];
	return (struct slice){ key, n };
}

static const char *object_name(const struct object *o)
{
	if (o->kind == OBJECT_SERVICE)
		return ((const struct service *)o->data)->spec.name;
	if (o->kind == OBJECT_NETWORK && !((const struct network *)o->data)->pending_delete)
		return ((const struct network *)o->data)->spec.name;
	return NULL;
}

const char *state_name_holder(const struct state *s, const struct object *o)
{
	char text[NAME_KEY_MAX];
	struct slice key = name_key(object_name(o), text);
	struct object *holder = key.len ? map_get(&s->names[o->kind], key) : NULL;

	return holder ? object_meta(holder)->id : NULL;
}

static struct slice owner_key(const char *owner, const char *id, char key[2 * ID_LEN + 2])
{
	size_t n = strlen(owner), m = strlen(id);

	assert(n <= ID_LEN && m <= ID_LEN);
	memcpy(key, owner, n);
	key[n] = '/';
	memcpy(key + n + 1, id, m);
	return (struct slice){ key, n + 1 + m };
}

static void index_task(struct map *m, const char *owner, struct object *o, int add)
{
	char text[2 * ID_LEN + 2];
	struct slice key;

	if (!owner || strlen(owner) > ID_LEN)
		return;
	key = owner_key(owner, object_meta(o)->id, text);
	if (add)
		map_set(m, key, o);
	else
		map_remove(m, key);
}

static void index_object(struct state *s, struct object *o, int add)
{
	char text[NAME_KEY_MAX];
	struct slice key = name_key(object_name(o), text);

	if (key.len && add)
		map_set(&s->names[o->kind], key, o);
	else if (key.len && map_get(&s->names[o->kind], key) == o)
		map_remove(&s->names[o->kind], key);
	if (o->kind == OBJECT_TASK) {
		const struct task *t = o->data;

		index_task(&s->service_tasks, t->service_id, o, add);
		index_task(&s->node_tasks, t->node_id, o, add);
	}
}

struct object *state_take(struct state *s, enum object_kind kind, const char *id)
{
	struct object *o = map_remove(&s->objects[kind], slice_of(id));

	if (o)
		index_object(s, o, 0);
	return o;
}

struct object *state_install(struct state *s, struct object *o)
{
	struct object *old = state_take(s, o->kind, object_meta(o)->id);

	if (object_meta(o)->updated_at > s->time_ns)
		s->time_ns = object_meta(o)->updated_at;
	map_set(&s->objects[o->kind], slice_of(object_meta(o)->id), o);
	index_object(s, o, 1);
	return old;
}

static const void *data_of(const struct object *o)
{
	return o ? o->data : NULL;
}

const void *state_find(const struct state *s, enum object_kind kind, const char *id)
{
	return id ? data_of(map_get(&s->objects[kind], slice_of(id))) : NULL;
}

const struct service *state_service(const struct state *s, const char *id)
{
	return state_find(s, OBJECT_SERVICE, id);
}

const struct task *state_task(const struct state *s, const char *id)
{
	return state_find(s, OBJECT_TASK, id);
}

const struct node *state_node(const struct state *s, const char *id)
{
	return state_find(s, OBJECT_NODE, id);
}

const struct network *state_network(const struct state *s, const char *id)
{
	return state_find(s, OBJECT_NETWORK, id);
}

const struct cluster *state_cluster(const struct state *s)
{
	struct map_entry *e = state_first(s, OBJECT_CLUSTER);

	return e ? state_entry(e) : NULL;
}

const void *state_find_name(const struct state *s, enum object_kind kind, const char *name)
{
	char text[NAME_KEY_MAX];
	struct slice key = name_key(name, text);

	return key.len ? data_of(map_get(&s->names[kind], key)) : NULL;
}

/* Nodes have no unique name index: hostnames may repeat. */
static const void *find_hostname(const struct state *s, const char *name, size_t *matches)
{
	const void *found = NULL;

	*matches = 0;
	for (struct map_entry *e = state_first(s, OBJECT_NODE); e; e = map_next(e)) {
		const struct node *n = state_entry(e);

		if (n->description.hostname && strcmp(n->description.hostname, name) == 0) {
			found = n;
			++*matches;
		}
	}
	return found;
}

int state_lookup(const struct state *s, enum object_kind kind, const char *ref,
		 const void **object, size_t *matches)
{
	const void *found = state_find(s, kind, ref);
	struct slice prefix = slice_of(ref);

	*matches = found ? 1 : 0;
	if (!found && kind == OBJECT_NODE)
		found = find_hostname(s, ref, matches);
	else if (!found && (found = state_find_name(s, kind, ref)))
		*matches = 1;
	if (*matches == 0 && prefix.len) {
		struct map_entry *e = map_from(&s->objects[kind], prefix);

		for (; e && slice_has_prefix(e->key, ref); e = map_next(e)) {
			found = state_entry(e);
			++*matches;
		}
	}
	if (*matches > 1)
		return ERR_AMBIGUOUS;
	if (!found)
		return ERR_NOT_FOUND;
	*object = found;
	return 0;
}

struct map_entry *state_first(const struct state *s, enum object_kind kind)
{
	return map_first(&s->objects[kind]);
}

const void *state_entry(const struct map_entry *e)
{
	return data_of(e->value);
}

static const struct task *tasks_current(struct state_tasks *it)
{
	if (it->entry && !slice_has_prefix(it->entry->key, it->prefix))
		it->entry = NULL;
	return it->entry ? state_entry(it->entry) : NULL;
}

static const struct task *tasks_first(const struct map *m, const char *owner,
				      struct state_tasks *it)
{
	size_t n = owner ? strlen(owner) : 0;

	*it = (struct state_tasks){ 0 };
	if (n == 0 || n > ID_LEN)
		return NULL;
	memcpy(it->prefix, owner, n);
	it->prefix[n] = '/';
	it->entry = map_from(m, slice_of(it->prefix));
	return tasks_current(it);
}

const struct task *state_service_tasks(const struct state *s, const char *service_id,
				       struct state_tasks *it)
{
	return tasks_first(&s->service_tasks, service_id, it);
}

const struct task *state_node_tasks(const struct state *s, const char *node_id,
				    struct state_tasks *it)
{
	return tasks_first(&s->node_tasks, node_id, it);
}

const struct task *state_tasks_next(struct state_tasks *it)
{
	if (it->entry)
		it->entry = map_next(it->entry);
	return tasks_current(it);
}
