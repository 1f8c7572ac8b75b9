/* dialect.h - a register (read, write, cas) in the words of three APIs. Pure.
 *
 *	kv	/v1/kv/KEY, Consul's shape
 *	service	a service of Docker's API: its label v is the value, Version.Index its version;
 *		it has no write that takes no notice of the version, and is never deleted
 *	etcd	the JSON gateway of etcd 3.4
 *	config	configs of Docker's API, one for each write, named by its value: a load, no register
 */
#ifndef SB_TESTS_LAB_DIALECT_H
#define SB_TESTS_LAB_DIALECT_H
#include <stdbool.h>
#include "base/buf.h"

enum operation { OP_READ, OP_WRITE, OP_DELETE, OP_CAS };

/* What a client knows about its operation afterwards. */
enum outcome {
	OUTCOME_OK,
	OUTCOME_MISMATCH,	/* the comparison of a cas failed */
	OUTCOME_NEVER,		/* refused, nothing was changed */
	OUTCOME_UNKNOWN,	/* it may have happened, or still happen */
};

struct request {
	enum operation op;
	const char *key;	/* letters, digits, '-' */
	struct slice value;	/* without '"' and '\' */
	uint64_t version;	/* of a cas; 0: there must be none */
};

struct answer {
	bool found;		/* of a read; the rest is set if it is true */
	char value[128];	/* what stands before the first '.' */
	size_t size;		/* of the whole value */
	uint64_t version;
};

struct dialect {
	const char *name;
	bool writes;		/* it has OP_WRITE and OP_DELETE */
	/* Appends the whole HTTP request. read_query: what a read's URL is followed by, or "". */
	void (*build)(struct buf *out, const struct request *r, const char *read_query);
	enum outcome (*parse)(const struct request *r, int status, struct slice body,
		struct answer *a);
};

/* NULL: no such dialect. */
const struct dialect *dialect_find(const char *name);
#endif
