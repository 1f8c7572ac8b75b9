/* A node asks for its certificate: to join, or for the next one. Contracts are in private.h. One
 * that wants to join comes by the cluster port, where it has shown nothing yet (main_links.c): the
 * token is all that counts. */
#include "applets/manager/api/private.h"
#include "applets/manager/ca.h"
#include "base/timefmt.h"

enum { CERTIFICATES_MAX = 16 << 10 };

static void write_managers(struct call *c, struct json_writer *w)
{
	json_write_key(w, "Managers");
	json_open_array(w);
	for (uint32_t i = 0; i < c->turn->manager_count; i++)
		json_write_str(w, c->turn->managers[i].addr);
	json_close_array(w);
}

static enum api_outcome answer(struct call *c, const struct cluster *cluster, const char *node_id,
			       const struct buf *certificate)
{
	struct body b;

	body_begin(&b);
	json_open_object(&b.w);
	json_put_str(&b.w, "NodeID", node_id);
	json_put_str(&b.w, "SwarmID", cluster->meta.id);
	json_put_slice(&b.w, "Certificate", buf_slice(certificate));
	json_put_str(&b.w, "Trust", cluster->root_cert);
	write_managers(c, &b.w);
	json_close_object(&b.w);
	effects_log(c->turn->fx, LOG_INFO, "node %s has a manager's certificate", node_id);
	return body_send(c, 200, &b);
}

static enum api_outcome refuse(struct call *c, int status, const char *prefix, const char *why)
{
	effects_log(c->turn->fx, LOG_WARNING, "no certificate is given: %s", why);
	return fail(c, status, "%s%s", prefix, why);
}

/* The certificate that the body asks for. */
static enum api_outcome certify(struct call *c, const struct json *body, const char *node_id)
{
	const struct cluster *cluster = state_cluster(c->turn->state);
	struct ca_request what = {
		.csr = json_string(json_get(body, "CSR")), .node_id = node_id,
		.unit = ca_manager_unit, .now_s = c->turn->clock_ns / SECOND_NS,
	};
	struct errmsg msg = { { 0 } };
	enum api_outcome outcome;
	struct buf pem;
	int err;

	buf_init(&pem, CERTIFICATES_MAX);
	err = ca_certify(cluster, &what, c->turn->rng, &pem, &msg);
	outcome = err < 0 ? refuse(c, err == ERR_INVALID ? 400 : 500, err == ERR_INVALID ?
				   INVALID_ARGUMENT : UNKNOWN, msg.text) :
		answer(c, cluster, node_id, &pem);
	buf_done(&pem);
	return outcome;
}

enum api_outcome swarm_enrol(struct call *c)
{
	const struct cluster *cluster = state_cluster(c->turn->state);
	char id[ID_LEN + 1];
	const struct json *root;
	struct slice token;

	if (read_body(c, &root) < 0)
		return API_REPLIED;
	token = json_string(json_get(root, "Token"));
	if (ca_token_fits(cluster->worker_token, token))
		return refuse(c, 501, UNIMPLEMENTED, "workers that are no managers are not "
			      "supported yet: join with the managers' token");
	if (!ca_token_fits(cluster->manager_token, token))
		return refuse(c, 400, INVALID_ARGUMENT, "A valid join token is necessary to join "
			      "this cluster");
	id_new(c->turn->rng, id);
	return certify(c, root, id);
}

enum api_outcome swarm_renew(struct call *c)
{
	const struct json *root;

	if (read_body(c, &root) < 0)
		return API_REPLIED;
	if (!api_manager_find(c->turn, c->ref))
		return refuse(c, 403, PERMISSION_DENIED, "it is no manager of this swarm");
	return certify(c, root, c->ref);
}
