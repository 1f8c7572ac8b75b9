/* private.h - what the files of the loader share. Pure. Only for applets/stack. */
#ifndef SB_STACK_PRIVATE_H
#define SB_STACK_PRIVATE_H
#include "applets/stack/load.h"
#include "base/map.h"
#include "codec/yaml.h"
#include "model/service.h"

struct loader {
	struct arena *arena;
	const struct stack_source *source;
	struct errmsg *msg;
	struct stack *stack;
	size_t text_left;	/* of STACK_TEXT_MAX */
	uint32_t port_count;	/* to STACK_PORTS_MAX */
	struct slice path[YAML_DEPTH_MAX];	/* the keys that lead to where it is */
	unsigned depth;
	struct map network_specs;	/* key in the file -> struct network_entry */
	struct map volume_specs;	/* key in the file -> struct volume_entry */
	struct map published;	/* "8080/tcp" -> name of the service that publishes it */
};

struct network_entry {
	struct network_spec spec;	/* spec.name: as the API knows it */
	int external, used;
};

struct volume_entry {
	const char *name;	/* as the engine knows it */
	int external;
	const char *driver;
	struct labels labels, options;
};

/* What becomes of a key. All but KEY_LOAD say so in a warning or an error. */
enum key_support {
	KEY_LOAD,
	KEY_IGNORED,	/* Docker's stacks ignore it as well */
	KEY_DEPRECATED,
	KEY_NOT_YET,	/* Docker's stacks have it */
	KEY_REFUSED,	/* an error, with advice */
};

/* One row for each key of a mapping; load puts a value to (char *)out + offset. */
struct key {
	const char *name;
	int (*load)(struct loader *l, const struct yaml *value, void *to);
	size_t offset;
	enum key_support support;
	const char *advice;
};

/* Of the names in a file: with a stack's in front, a line's worth. */
enum { LOAD_NAME_MAX = 255 };

enum { KEYS_EXTENSIONS = 1 };	/* "x-..." may stand there and means nothing */

/* ---- load.c: walking, messages ---- */

/* msg becomes "FILE:LINE:COLUMN: path: text". Returns err. */
int load_error(struct loader *l, int err, const struct yaml *at, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
#define load_fail(l, at, ...) load_error(l, ERR_INVALID, at, __VA_ARGS__)
/* Puts the place and the path in front of what msg holds. Returns err. */
int load_placed(struct loader *l, int err, const struct yaml *at);
void load_warn(struct loader *l, const struct yaml *at, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* A text from the file at most this long in a message: "%.*s", SHOWN(s) */
#define SHOWN(s) (int)((s).len < 80 ? (s).len : 80), (s).data ? (s).data : ""

void load_enter(struct loader *l, struct slice key);
void load_leave(struct loader *l);

/* 0, or an error: the key of node is no name ([a-zA-Z0-9._-]+). */
int load_check_key(struct loader *l, const struct yaml *node);
/* A mapping by its rows (ended by name = NULL); null counts as an empty one. */
int load_map(struct loader *l, const struct yaml *node, const struct key *keys, unsigned flags,
	     void *out);
/* 0, or an error: node is no sequence, or too long. */
int load_check_list(struct loader *l, const struct yaml *node);
/* A NUL-terminated copy that counts against STACK_TEXT_MAX. NULL: an error was set. */
const char *load_copy(struct loader *l, const struct yaml *at, struct slice text);
/* A zeroed element at the end of a list. */
void *load_item(struct loader *l, struct list *list, size_t size);
void load_string(struct loader *l, struct strings *list, const char *text);
/* "S_name". */
const char *load_scoped(struct loader *l, struct slice name);
/* The labels of m (values: char *), which is then done. */
struct labels load_labels_of(struct loader *l, struct map *m);
/* Labels with the one that names the stack. */
struct labels load_stack_labels(struct loader *l, const struct labels *labels);

/* ---- values.c: one value each; `to` is what the comment says ---- */

int value_node(struct loader *l, const struct yaml *value, void *to);	/* const struct yaml * */
int value_text(struct loader *l, const struct yaml *value, void *to);	/* const char * */
int value_bool(struct loader *l, const struct yaml *value, void *to);	/* int */
int value_bool_opt(struct loader *l, const struct yaml *value, void *to);	/* int * */
int value_count(struct loader *l, const struct yaml *value, void *to);	/* uint64_t */
int value_count_opt(struct loader *l, const struct yaml *value, void *to);	/* uint64_t * */
int value_integer(struct loader *l, const struct yaml *value, void *to);	/* int64_t */
int value_duration(struct loader *l, const struct yaml *value, void *to);	/* int64_t */
int value_duration_opt(struct loader *l, const struct yaml *value, void *to);	/* int64_t * */
int value_size(struct loader *l, const struct yaml *value, void *to);	/* int64_t */
int value_nano(struct loader *l, const struct yaml *value, void *to);	/* int64_t */
int value_strings(struct loader *l, const struct yaml *value, void *to);	/* struct strings */
/* A text alone is a list of one. */
int value_string_or_list(struct loader *l, const struct yaml *value, void *to);
int value_command(struct loader *l, const struct yaml *value, void *to);	/* struct strings */
/* A mapping, or a list of "key=value". */
int value_labels(struct loader *l, const struct yaml *value, void *to);	/* struct labels */
/* struct labels, from a mapping only */
int value_options(struct loader *l, const struct yaml *value, void *to);
/* One of names (ended by NULL): its index, an int. */
int value_choice(struct loader *l, const struct yaml *value, const char *const *names, int *to);
/* Fills m (key -> char *, NULL where none is given; the last one wins) from a mapping or a list
 * of "key=value". */
int value_pairs(struct loader *l, const struct yaml *value, struct map *m);

/* ---- the parts of a file ---- */

/* `external:` of a network or volume: true, false, or a mapping with a name. */
struct external {
	int set;
	const char *name;
};
int external_load(struct loader *l, const struct yaml *value, void *to);
/* The name that the API knows it by: that of `external:`, `name`, its own key if it is external,
 * else the scoped key. NULL: an error was set (two names; external with keys that would
 * make it). */
const char *external_name(struct loader *l, const struct yaml *node, const struct external *e,
			  const char *name);

int networks_load(struct loader *l, const struct yaml *node);
/* A service's networks (NULL: the default one) to targets of list; marks them used. */
int networks_attach(struct loader *l, const struct yaml *node, struct slice service,
		    struct list *targets);
/* Those in use, to l->stack. */
int networks_finish(struct loader *l);

int volumes_load(struct loader *l, const struct yaml *node);
int mounts_load(struct loader *l, const struct yaml *value, void *to);	/* struct list */
int ports_load(struct loader *l, const struct yaml *value, void *to);	/* struct list */
int services_load(struct loader *l, const struct yaml *node);

/* What deploy.c fills of a service. */
struct deploy {
	int global;
	const struct yaml *mode_at;
	uint64_t *replicas;
	int endpoint_mode;
	struct labels labels;
	struct resources resources;
	struct restart_policy *restart_policy;
	struct update_config *update_config, *rollback_config;
	struct placement placement;
};
int deploy_load(struct loader *l, const struct yaml *value, void *to);	/* struct deploy */
/* The `restart:` of a service, for one without deploy.restart_policy. NULL in *to: none. */
int deploy_restart(struct loader *l, const struct yaml *value, struct restart_policy **to);
#endif
