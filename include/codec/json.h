/* json.h - reading and writing JSON (RFC 8259), bounded. Pure.
 *
 * Reading is cJSON behind this header; every node lives in the caller's arena. Integers of
 * any size up to 64 bits arrive exactly (cJSON's doubles do not carry them).
 * Writing is a stream into a buf; nothing is escaped that need not be ('<' stays '<').
 */
#ifndef SB_CODEC_JSON_H
#define SB_CODEC_JSON_H
#include <stdint.h>
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

enum {
	JSON_DEPTH_MAX = 64,			/* specs nest about ten deep */
	JSON_TEXT_MAX = 16 * 1024 * 1024,	/* an engine's list of some thousand containers */
	JSON_NODES_MAX = 1000000,		/* bounds the arena: about 64 bytes a node */
};

enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json;	/* a node; borrowed from the arena it was parsed into */

/*
 * Parses one JSON value and nothing after it but blanks.
 * Returns 0 and *root; ERR_INVALID (msg: what, at which byte; also invalid UTF-8, a NUL in
 * a string, or a duplicate key in one object), ERR_LIMIT (depth, size, nodes).
 */
int json_parse(struct arena *a, struct slice text, const struct json **root, struct errmsg *msg);

enum json_type json_type(const struct json *node);
/* The member of an object, or NULL (also when node is NULL or no object). Exact case. */
const struct json *json_get(const struct json *node, const char *key);
/* First element or member; NULL if none, or node is NULL or a scalar. */
const struct json *json_first(const struct json *node);
const struct json *json_next(const struct json *node);
/* A member's key; the empty slice for elements. */
struct slice json_key(const struct json *node);
size_t json_count(const struct json *node);
/* A string's bytes; the empty slice when node is NULL or no string. */
struct slice json_string(const struct json *node);
/* Non-zero when node is true. NULL and others: 0. */
int json_is_true(const struct json *node);
/* 0, or ERR_INVALID when node is NULL, no number, no integer, or out of range. */
int json_to_i64(const struct json *node, int64_t *value);
int json_to_u64(const struct json *node, uint64_t *value);
/* A number in units of 10^-9, for the API's few fractions (MaxFailureRatio): 0 or ERR_INVALID. */
int json_to_nano(const struct json *node, int64_t *value);

/*
 * Writer: commas and quotes by itself. Order of calls is asserted (a key inside an object
 * before each value). Errors are those of the buf.
 */
struct json_writer {
	struct buf *out;	/* private */
	uint64_t filled;	/* private: bit per level: something was written there */
	uint64_t objects;	/* private: bit per level: an object */
	unsigned depth;		/* private */
	int have_key;		/* private */
};

void json_begin(struct json_writer *w, struct buf *out);
void json_open_object(struct json_writer *w);
void json_close_object(struct json_writer *w);
void json_open_array(struct json_writer *w);
void json_close_array(struct json_writer *w);
void json_write_key(struct json_writer *w, const char *key);
void json_write_key_slice(struct json_writer *w, struct slice key);
/* Invalid UTF-8 is written as U+FFFD. */
void json_write_string(struct json_writer *w, struct slice s);
void json_write_str(struct json_writer *w, const char *s);	/* NULL writes "" */
void json_write_i64(struct json_writer *w, int64_t value);
void json_write_u64(struct json_writer *w, uint64_t value);
void json_write_nano(struct json_writer *w, int64_t value);	/* 500000000 -> 0.5 */
void json_write_bool(struct json_writer *w, int value);
void json_write_null(struct json_writer *w);
/* A whole parsed value again. The buf fails (ERR_LIMIT) where it would pass JSON_DEPTH_MAX. */
void json_write_node(struct json_writer *w, const struct json *node);
/* Text that is JSON already. */
void json_write_raw(struct json_writer *w, struct slice text);
/* Members of the open object that are JSON text already, joined by commas; may be empty. */
void json_write_members(struct json_writer *w, struct slice members);
/* One-call members of an object. */
void json_put_str(struct json_writer *w, const char *key, const char *s);
void json_put_slice(struct json_writer *w, const char *key, struct slice s);
void json_put_i64(struct json_writer *w, const char *key, int64_t value);
void json_put_u64(struct json_writer *w, const char *key, uint64_t value);
void json_put_bool(struct json_writer *w, const char *key, int value);
#endif
