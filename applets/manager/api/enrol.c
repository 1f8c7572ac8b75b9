/* A node asks for its certificate: to join, or for the next one. Contracts are in private.h. One
 * that wants to join comes by the cluster port, where it has shown nothing yet (main_links.c): the
 * token is all that counts. */
#include "applets/manager/api/private.h"
#include "applets/manager/ca.h"
#include "base/timefmt.h"

enum {
	CERTIFICATES_MAX = 16 << 10,
	HOSTNAME_MAX = 253,	/* RFC 1035, 2.3.4 */
};

static void write_managers(struct call *c, struct json_writer *w)
{
	json_write_key(w, "Managers");
	json_open_array(w);
	for (uint32_t i = 0; i < c->turn->manager_count; i++)
		json_write_str(w, c->turn->managers[i].addr);
	json_close_array(w);
}

/* {"NodeID", "SwarmID", "Certificate", "Trust", "Managers"} */
static void write_answer(struct call *c, const struct cluster *cluster, const char *node_id,
			 const struct buf *certificate, struct body *b)
{
	body_begin(b);
	json_open_object(&b->w);
	json_put_str(&b->w, "NodeID", node_id);
	json_put_str(&b->w, "SwarmID", cluster->meta.id);
	json_put_slice(&b->w, "Certificate", buf_slice(certificate));
	json_put_str(&b->w, "Trust", ca_trust(cluster, c->turn->arena));
	write_managers(c, &b->w);
	json_close_object(&b->w);
}

/* The certificate that the body asks for, in an answer. 0, or -1: the error is replied. */
static int certify(struct call *c, const struct json *body, const char *node_id,
		   enum node_role role, struct body *b)
{
	const struct cluster *cluster = state_cluster(c->turn->state);
	struct ca_request what = {
		.csr = json_string(json_get(body, "CSR")), .node_id = node_id,
		.unit = ca_unit(role), .now_s = c->turn->clock_ns / SECOND_NS,
	};
	struct errmsg msg = { { 0 } };
	struct buf pem;
	int err;

	buf_init(&pem, CERTIFICATES_MAX);
	err = ca_certify(cluster, &what, c->turn->rng, &pem, &msg);
	if (err < 0) {
		fail_text(c, err == ERR_INVALID ? 400 : 500,
			  err == ERR_INVALID ? INVALID_ARGUMENT : UNKNOWN, &msg);
	} else {
		write_answer(c, cluster, node_id, &pem, b);
		effects_log(c->turn->fx, LOG_INFO, "node %s has a %s's certificate", node_id,
			    role == ROLE_MANAGER ? "manager" : "worker");
	}
	buf_done(&pem);
	return err < 0 ? -1 : 0;
}

/* 0, or -1: the error is replied. */
static int read_availability(struct call *c, const struct json *body, int *availability)
{
	struct slice text = json_string(json_get(body, "Availability"));

	*availability = AVAILABILITY_ACTIVE;
	if (text.len == 0 || availability_parse(text, availability) == 0)
		return 0;
	fail(c, 400, INVALID_ARGUMENT "the availability of a node is active, pause or drain");
	return -1;
}

/* Until its agent describes it. What is no name is left out. */
static const char *read_hostname(struct call *c, const struct json *body)
{
	struct slice name = json_string(json_get(body, "Hostname"));

	for (size_t i = 0; i < name.len; i++) {
		if (name.data[i] <= ' ' || name.data[i] > '~')
			return NULL;
	}
	return name.len && name.len <= HOSTNAME_MAX ? arena_str(c->turn->arena, name) : NULL;
}

/* The node that has asked with this key before. */
static const struct node *find_asked(struct call *c, const char *key)
{
	for (struct map_entry *e = state_first(c->turn->state, OBJECT_NODE); e; e = map_next(e)) {
		const struct node *node = state_entry(e);

		if (node->join_key && strcmp(node->join_key, key) == 0)
			return node;
	}
	return NULL;
}

/*
 * The node that joins. One that asks again, because its connection broke off before the answer
 * came, is the one that it was; once it has been seen here, somebody else repeats what it said.
 * 0, or -1: the error is replied.
 */
static int make_node(struct call *c, const struct json *body, enum node_role role,
		     struct node *node)
{
	char *id = arena_new(c->turn->arena, ID_LEN + 1);
	struct buf key;
	const struct node *asked;
	struct errmsg msg = { { 0 } };
	int err;

	buf_init(&key, X509_PEM_MAX);
	err = ca_request_key(json_string(json_get(body, "CSR")), &key, &msg);
	*node = (struct node){ .spec.role = role,
			       .description.hostname = read_hostname(c, body),
			       .join_key = arena_str(c->turn->arena, buf_slice(&key)) };
	buf_done(&key);
	if (err < 0) {
		fail_text(c, 400, INVALID_ARGUMENT, &msg);
		return -1;
	}
	asked = find_asked(c, node->join_key);
	if (asked && (asked->status.state != NODE_UNKNOWN || asked->spec.role != (int)role)) {
		fail(c, 403, PERMISSION_DENIED "a node has joined with this very request");
		return -1;
	}
	id_new(c->turn->rng, id);
	node->meta.id = id;
	if (asked)
		*node = *asked;
	return read_availability(c, body, &node->spec.availability);
}

enum api_outcome swarm_enrol(struct call *c)
{
	const struct cluster *cluster = state_cluster(c->turn->state);
	enum node_role role = ROLE_MANAGER;
	const struct json *root;
	struct slice token;
	struct node node;
	struct body b;

	if (read_body(c, &root) < 0)
		return API_REPLIED;
	token = json_string(json_get(root, "Token"));
	if (ca_token_fits(cluster->worker_token, token))
		role = ROLE_WORKER;
	else if (!ca_token_fits(cluster->manager_token, token))
		return fail(c, 400, INVALID_ARGUMENT "A valid join token is necessary to join "
			    "this cluster");
	if (make_node(c, root, role, &node) < 0 ||
	    certify(c, root, node.meta.id, role, &b) < 0)
		return API_REPLIED;
	txn_put(c->turn->txn, OBJECT_NODE, &node);
	return body_later(c, 200, &b);
}

/* The node is who its certificate says it is (main_links.c). */
enum api_outcome swarm_renew(struct call *c)
{
	const struct node *node = state_node(c->turn->state, c->ref);
	const struct json *root;
	struct body b;
	int member = api_manager_find(c->turn, c->ref) != NULL;

	if (read_body(c, &root) < 0)
		return API_REPLIED;
	if (!node)
		return fail(c, 403, PERMISSION_DENIED "it is no node of this swarm any more");
	if (certify(c, root, c->ref, ca_role(node, member), &b) < 0)
		return API_REPLIED;
	return body_send(c, 200, &b);
}
