/* api_fake.h - the API with a state behind it and no Raft: changes are applied at once. Pure. */
#ifndef SB_UNIT_API_FAKE_H
#define SB_UNIT_API_FAKE_H
#include "applets/manager/api/api.h"

enum { API_FAKE_CLOCK_S = 1800000000 };	/* the host's clock; the swarm's time is 2 us */

struct api_fake {
	struct api api;
	struct state state;
	struct dispatch dispatch;
	struct rng rng;
	struct arena arena;
	struct effects fx;
	uint64_t request;	/* id of the last one */
	uint64_t now_ms;
	int ready, locked;
	struct api_manager managers[5];	/* node1, the leader, at first */
	uint32_t manager_count;
	enum api_outcome outcome;	/* of the last request, as all that follow */
	struct seal_key unlock_key;	/* API_UNLOCK */
	int status;
	const char *type;	/* content type, "" if none */
	const char *headers;	/* further lines */
	const char *body;	/* NUL-terminated */
};

/* A swarm of one manager, "node1" ("host1"), with its ingress network "ingress1". */
void api_fake_init(struct api_fake *f);
void api_fake_done(struct api_fake *f);
/* One request; body may be NULL. Returns the status of the answer. */
int api_fake_call(struct api_fake *f, const char *method, const char *target, const char *body);
/* The same, then the answer's message ("" if it has none). */
const char *api_fake_error(struct api_fake *f, const char *method, const char *target,
			   const char *body);
/* The answer to a request that waited, as api_fake_call has it, if it is due by now; else 0. */
int api_fake_due(struct api_fake *f, uint64_t request);
/* Puts an object in its JSON form (MODEL_STORE) into the state. */
void api_fake_put(struct api_fake *f, enum object_kind kind, const char *json);
/* A turn without a request, for api_log and the like; the effects are fresh. */
struct api_turn api_fake_turn(struct api_fake *f);
/* The last answer parsed; NULL if it is no JSON. */
const struct json *api_fake_json(struct api_fake *f);
#endif
