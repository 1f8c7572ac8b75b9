/* private.h - what the handlers of the API share. Pure. Only for applets/manager/api.
 *
 * A handler is given a call and either replies (the reply_* and fail functions return
 * API_REPLIED, so that it can end with them) or fills call->turn->txn and ends with
 * reply_later.
 */
#ifndef SB_APPLETS_MANAGER_API_PRIVATE_H
#define SB_APPLETS_MANAGER_API_PRIVATE_H
#include "applets/manager/api/api.h"
#include "codec/json.h"
#include "http/url.h"

enum {
	/* Every task of the largest swarm, a list of 64 MiB is what the server may hold. */
	API_BODY_MAX = 60 * 1024 * 1024,
	/* Answers to those that waited in one step; the rest comes in the next. */
	API_DUE_BYTES = 16 * 1024 * 1024,
	API_REPLICAS_MAX = 10000,	/* of one service: ten times Docker's tested clusters */
};

#define INVALID_ARGUMENT "rpc error: code = InvalidArgument desc = "
#define FAILED_PRECONDITION "rpc error: code = FailedPrecondition desc = "
#define UNIMPLEMENTED "rpc error: code = Unimplemented desc = "
#define ALREADY_EXISTS "rpc error: code = AlreadyExists desc = "
#define PERMISSION_DENIED "rpc error: code = PermissionDenied desc = "
#define UNKNOWN "rpc error: code = Unknown desc = "
#define LOCKED "Swarm is encrypted and needs to be unlocked before it can be used. Please use " \
	"\"docker swarm unlock\" to unlock it."
#define OUT_OF_SEQUENCE UNKNOWN "update out of sequence"

struct call {
	struct api *api;
	struct api_turn *turn;
	const struct event *ev;
	struct slice query;	/* of the target, as sent */
	const char *ref;	/* the path's variable part, decoded; NULL if it has none */
	int resumed;		/* it has waited: answer now */
};

/* ---- api.c: replies ---- */

/* {"message": ...} */
enum api_outcome fail(struct call *c, int status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
enum api_outcome fail_not_ready(struct call *c);
enum api_outcome fail_text(struct call *c, int status, const char *prefix,
			   const struct errmsg *msg);
/* What to answer when the transaction is applied; text: JSON or NULL, in the turn's arena. */
enum api_outcome reply_later(struct call *c, int status, const char *text);

/* A JSON body being written. */
struct body {
	struct buf text;
	struct json_writer w;
};
void body_begin(struct body *b);
/* Sends it and frees it. */
enum api_outcome body_send(struct call *c, int status, struct body *b);
/* As reply_later; frees it. */
enum api_outcome body_later(struct call *c, int status, struct body *b);
/* Writes an object, with members (JSON text without braces, or empty) added to it. */
void body_object(struct body *b, const struct table *table, const void *object,
		 struct slice members);

/* ---- api.c: requests ---- */

/* The object that c->ref names, or NULL: the error is replied. */
const void *find_object(struct call *c, enum object_kind kind);
/* As find_object for any text, without a reply. NULL: *status and msg say why. */
const void *resolve(struct call *c, enum object_kind kind, const char *ref, int *status,
		    struct errmsg *msg);
/* The request's body. 0, or -1: the error is replied. */
int read_body(struct call *c, const struct json **root);
/* ?version= against the stored one. 0, or -1: the error is replied. */
int check_version(struct call *c, const char *noun, uint64_t stored);
/* A query parameter, or "". In the turn's arena. */
const char *query_text(struct call *c, const char *name);
/*
 * A member that the tables kept as unknown, any case; NULL if there is none or it is empty
 * (null, false, "", [], {}).
 */
const struct json *extra_member(struct call *c, struct slice extra, const char *name);

/* ---- filters.c ---- */

struct filter {
	const char *key, *value;
};

struct filters {
	struct filter *items;
	uint32_t count;
};

/* ?filters=; allowed: NULL-ended keys. 0, or -1: the error is replied. */
int filters_read(struct call *c, const char *const *allowed, struct filters *f);
int filters_have(const struct filters *f, const char *key);
/* 1 if there is no such key, or one of its values is (begins, stands in) the text. */
int filters_exact(const struct filters *f, const char *key, const char *text);
int filters_prefix(const struct filters *f, const char *key, const char *text);
int filters_within(const struct filters *f, const char *key, const char *text);
/* 1 if every value, "key" or "key=value", is among the labels. */
int filters_labels(const struct filters *f, const char *key, const struct labels *labels);

/* ---- validate.c ---- */

/* 0; or an HTTP status and msg with the whole text to answer. */
int validate_name(const char *name, struct errmsg *msg);
int validate_service(struct call *c, const struct service_spec *spec, struct errmsg *msg);

/* ---- service_spec.c ---- */

/* Reads, fills in and checks the spec of the body. 0, or -1: the error is replied. */
int service_spec_read(struct call *c, struct service_spec *spec);
/* Published ports for the spec. 0, or -1: the error is replied. */
int service_endpoint(struct call *c, const struct service *old,
		     const struct service_spec *spec, struct endpoint *endpoint);
/* What docker service inspect shows for what was left out (insertDefaults). */
void service_spec_show_defaults(struct arena *a, struct service_spec *spec);

/* ---- logs.c ---- */

void logs_done(struct api *api);
void logs_gone(struct api *api, struct api_turn *turn, uint64_t request);
/* All streams end. */
void logs_lost(struct api *api, struct api_turn *turn);

/* ---- handlers ---- */

enum api_outcome system_ping(struct call *c);
enum api_outcome system_version(struct call *c);
enum api_outcome system_info(struct call *c);
enum api_outcome swarm_inspect(struct call *c);
enum api_outcome swarm_joined(struct call *c);
enum api_outcome swarm_leave(struct call *c);
/* {"CSR": PEM, "Token": ...} ->
 * {"NodeID", "SwarmID", "Certificate": PEM, "Trust": PEM, "Managers": ["ADDRESS:PORT"]} */
enum api_outcome swarm_enrol(struct call *c);
/* Of the node in the path, which has shown who it is: its manager's driver asks, never a user. */
enum api_outcome swarm_renew(struct call *c);
enum api_outcome swarm_update(struct call *c);
enum api_outcome swarm_unlock_key(struct call *c);
enum api_outcome swarm_unlock(struct call *c);
enum api_outcome empty_list(struct call *c);
enum api_outcome secret_refused(struct call *c);
enum api_outcome config_refused(struct call *c);
enum api_outcome secret_absent(struct call *c);
enum api_outcome config_absent(struct call *c);
enum api_outcome node_list(struct call *c);
enum api_outcome node_inspect(struct call *c);
enum api_outcome node_update(struct call *c);
enum api_outcome node_remove(struct call *c);
enum api_outcome service_list(struct call *c);
enum api_outcome service_create(struct call *c);
enum api_outcome service_inspect(struct call *c);
enum api_outcome service_update(struct call *c);
enum api_outcome service_remove(struct call *c);
enum api_outcome service_logs(struct call *c);
enum api_outcome task_list(struct call *c);
enum api_outcome task_inspect(struct call *c);
enum api_outcome task_logs(struct call *c);
enum api_outcome network_list(struct call *c);
enum api_outcome network_inspect(struct call *c);
enum api_outcome network_create(struct call *c);
enum api_outcome network_remove(struct call *c);
/* Managers by node: how many there are, and how many of them answer. */
void count_managers(const struct api_turn *turn, int *all, int *reachable);
enum api_outcome kv_read(struct call *c);
enum api_outcome kv_write(struct call *c);
enum api_outcome kv_delete(struct call *c);
enum api_outcome kv_method(struct call *c);
/* The cluster as /swarm and /info show it; with_tokens: those that let nodes join, too. */
void write_cluster(struct call *c, struct body *b, const struct cluster *cluster, int with_tokens);
#endif
