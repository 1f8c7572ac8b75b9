/* table.h - one table per type drives decoding, encoding, copying and comparing. Pure.
 *
 * A type is a plain C struct and a `struct table` that names its fields as Docker's API
 * does. API bodies, log records, snapshots and `--format json` all go through these tables.
 * Everything a decoded struct points to lives in one arena and is never changed after.
 */
#ifndef SB_MODEL_TABLE_H
#define SB_MODEL_TABLE_H
#include <stdint.h>
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "codec/json.h"

enum field_kind {
	FIELD_STRING,	/* const char *; NULL = absent */
	FIELD_BOOL,	/* int */
	FIELD_BOOL_OPT,	/* int *; NULL = absent */
	FIELD_I64,	/* int64_t; also durations in nanoseconds */
	FIELD_I64_OPT,	/* int64_t *; NULL = absent */
	FIELD_U64,	/* uint64_t */
	FIELD_U64_OPT,	/* uint64_t *; NULL = absent */
	FIELD_NANO,	/* int64_t in units of 10^-9: a JSON fraction */
	FIELD_TIME,	/* int64_t Unix ns: RFC 3339 text */
	FIELD_ENUM,	/* int: index into field.names; read in any case of letters */
	FIELD_STRINGS,	/* struct strings */
	FIELD_LABELS,	/* struct labels: an object of strings */
	FIELD_STRUCT,	/* an inline struct (field.table) */
	FIELD_POINTER,	/* a pointer to a struct; NULL = absent */
	FIELD_LIST,	/* struct list of field.table */
	FIELD_FLAT,	/* an inline struct whose members stand in the parent's object */
	FIELD_RAW,	/* struct slice: JSON text kept as it came, for what only others read */
};

enum field_flags {
	FIELD_OMIT_EMPTY = 1,	/* not written when zero, NULL or empty (Go's omitempty); without
				 * it only NULL strings, pointers and empty raw ones are left out */
	FIELD_INTERNAL = 2,	/* in log, snapshot and to agents, never in API answers, ignored
				 * when a client sends it */
};

struct field {
	const char *name;
	enum field_kind kind;
	unsigned flags;
	size_t offset;
	const struct table *table;	/* STRUCT, POINTER, LIST, FLAT */
	const char *const *names;	/* ENUM: [0] is the value for absent, NULL-ended */
};

struct table {
	const char *name;		/* for messages: "ServiceSpec" */
	size_t size;			/* of the struct */
	size_t extra;			/* offset of its `struct slice extra`, or TABLE_NO_EXTRA:
					 * members a newer client sent, kept for the round trip */
	const struct field *fields;	/* ended by name = NULL */
};
#define TABLE_NO_EXTRA ((size_t)-1)

struct strings {
	const char **items;
	uint32_t count;
};

struct label {
	const char *key, *value;
};

struct labels {
	struct label *items;	/* sorted by key, no duplicates */
	uint32_t count;
};

struct list {
	void *items;		/* array of the table's struct */
	uint32_t count;
};

enum model_form {
	MODEL_API,	/* without internal fields */
	MODEL_STORE,	/* with them: log, snapshot, agents */
};

enum {
	MODEL_LIST_MAX = 10000,		/* elements in one list of one object */
	/* Levels of brackets in one raw field or in one struct's extras. What the API defines
	 * has 5; with the 10 of our own types and those of the log's and the agents' messages
	 * around them all stays within JSON_DEPTH_MAX, so what was taken can be read again. */
	MODEL_RAW_DEPTH_MAX = 16,
};

/*
 * Fills *out (table->size bytes, zeroed by the callee) from a JSON object. JSON null counts as
 * absent; names match in any case, exact ones first, as Go's decoder has it. 0, or ERR_INVALID /
 * ERR_LIMIT with msg naming the path ("TaskTemplate.Resources.Limits.NanoCPUs: must be an
 * integer", "EndpointSpec.Ports[1].Protocol: ..."). Everything it points to lives in a.
 */
int model_decode(struct arena *a, const struct table *table, enum model_form form,
		 const struct json *node, void *out, struct errmsg *msg);
/* As model_decode, from text. */
int model_parse(struct arena *a, const struct table *table, enum model_form form,
		struct slice text, void *out, struct errmsg *msg);
void model_encode(struct json_writer *w, const struct table *table, enum model_form form,
		  const void *in);
/* A deep copy in a. */
void *model_copy(struct arena *a, const struct table *table, const void *in);
/* 1 if all fields (and extras) are equal, however they are stored; NULL and "" are. */
int model_equal(const struct table *table, const void *a, const void *b);

/* The value of a label, or NULL. */
const char *labels_get(const struct labels *l, const char *key);
/* A copy of l in a with key set to value. */
struct labels labels_with(struct arena *a, const struct labels *l, const char *key,
			  const char *value);
/* A copy of l in a without key. */
struct labels labels_without(struct arena *a, const struct labels *l, const char *key);
int strings_have(const struct strings *s, const char *text);
/* A copy of s in a with text at the end. */
struct strings strings_with(struct arena *a, const struct strings *s, const char *text);
/* The element of a list: LIST_AT(&spec->ports, struct port_config, i)->target_port */
#define LIST_AT(list, type, i) (&((type *)(list)->items)[i])
#endif
