/* The swarm's authority: whom it certifies, and as what; tokens, and what becomes of old ones. */
#include <string.h>
#include "api_fake.h"
#include "manager_root.h"
#include "unit.h"

static struct api_fake fake;
static const struct manager_config config = { .secrets = { { 1, 2, 3 } } };

static void start(void)
{
	struct json_writer w;
	struct cluster c;
	struct buf text;

	api_fake_init(&fake);
	c = *state_cluster(&fake.state);
	manager_root(&c, &config, &fake.rng, &fake.arena);
	buf_init(&text, 1 << 16);
	json_begin(&w, &text);
	model_encode(&w, &cluster_table, MODEL_STORE, &c);
	api_fake_put(&fake, OBJECT_CLUSTER, buf_str(&text));
	buf_done(&text);
}

static const char *request_pem(const char *name)
{
	return manager_root_request(2, name, &fake.arena);
}

static const char *ask(const char *csr, const char *token)
{
	struct json_writer w;
	const char *text;
	struct buf body;

	buf_init(&body, 1 << 16);
	json_begin(&w, &body);
	json_open_object(&w);
	json_put_str(&w, "CSR", csr);
	json_put_str(&w, "Token", token);
	json_put_str(&w, "Hostname", "host7");
	json_close_object(&w);
	text = arena_str(&fake.arena, buf_slice(&body));
	buf_done(&body);
	return text;
}

/* The first certificate of the answer. */
static void read_certificate(struct x509_cert *cert, struct buf *der)
{
	struct slice text = json_string(json_get(api_fake_json(&fake), "Certificate"));

	buf_init(der, X509_DER_MAX);
	CHECK_INT(pem_next(&text, "CERTIFICATE", der), 0);
	CHECK_INT(x509_read(buf_slice(der), cert, NULL), 0);
}

TEST(a_manager_is_certified_by_its_token)
{
	const struct cluster *c;
	struct x509_cert cert;
	struct buf der, root;
	struct slice text;

	start();
	c = state_cluster(&fake.state);
	CHECK_INT(api_fake_call(&fake, "POST", "/swarm/enrol", ask(request_pem(""),
				c->manager_token)), 200);
	read_certificate(&cert, &der);
	CHECK_STR(cert.subject.unit, "swarm-manager");
	CHECK_STR(cert.subject.organisation, "cluster1");
	CHECK_INT(strlen(cert.subject.common_name), ID_LEN);
	CHECK(slice_is(json_string(json_get(api_fake_json(&fake), "NodeID")),
		       cert.subject.common_name));
	CHECK_INT(cert.is_authority, 0);
	/* The swarm's time may be far ahead of the other hosts' clocks. */
	CHECK_INT(cert.not_before_s, API_FAKE_CLOCK_S - 3600);
	CHECK_INT(cert.not_after_s - cert.not_before_s, INT64_C(90) * 86400 + 3600);
	buf_init(&root, X509_DER_MAX);
	text = slice_of(c->root_cert);
	CHECK_INT(pem_next(&text, "CERTIFICATE", &root), 0);
	CHECK(x509_is_signed_by(buf_slice(&der), buf_slice(&root)));
	/* The key of the authority stays where it is. */
	CHECK(!strstr(fake.body, "PRIVATE"));
	CHECK_INT(api_fake_call(&fake, "GET", "/swarm", NULL), 200);
	/* CN=swarm-ca; a P-256 key's SubjectPublicKeyInfo begins so. */
	text = json_string(json_get(json_get(api_fake_json(&fake), "TLSInfo"),
				    "CertIssuerSubject"));
	CHECK(slice_is(text, "MBMxETAPBgNVBAMMCHN3YXJtLWNh"));
	text = json_string(json_get(json_get(api_fake_json(&fake), "TLSInfo"),
				    "CertIssuerPublicKey"));
	CHECK(slice_has_prefix(text, "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE"));
	CHECK_INT(text.len, 124);
	CHECK(!strstr(fake.body, "PRIVATE"));
	CHECK(strstr(fake.body, c->manager_token) && strstr(fake.body, c->worker_token));
	CHECK_INT(api_fake_call(&fake, "GET", "/info", NULL), 200);
	CHECK(!strstr(fake.body, c->manager_token) && !strstr(fake.body, "PRIVATE"));
	buf_done(&der);
	buf_done(&root);
	api_fake_done(&fake);
}

TEST(nobody_else_is)
{
	static const char refused[] = "rpc error: code = InvalidArgument desc = A valid join token "
		"is necessary to join this cluster";
	const char *manager, *csr, *target = "/swarm/enrol";
	char other[TOKEN_TEXT_LEN + 1];

	start();
	manager = state_cluster(&fake.state)->manager_token;
	csr = request_pem("");
	CHECK_STR(api_fake_error(&fake, "POST", target, ask(csr, "")), refused);
	CHECK_INT(fake.status, 400);
	/* Of another swarm; with a wrong secret. */
	memcpy(other, manager, sizeof(other));
	other[12] = other[12] == 'a' ? 'b' : 'a';
	CHECK_STR(api_fake_error(&fake, "POST", target, ask(csr, other)), refused);
	memcpy(other, manager, sizeof(other));
	other[TOKEN_TEXT_LEN - 1] = other[TOKEN_TEXT_LEN - 1] == '0' ? '1' : '0';
	CHECK_STR(api_fake_error(&fake, "POST", target, ask(csr, other)), refused);
	/* One that wants to be somebody, or something else than a request. */
	CHECK(strstr(api_fake_error(&fake, "POST", target, ask(request_pem("node1"), manager)),
		     "names a node"));
	CHECK_INT(fake.status, 400);
	CHECK(strstr(api_fake_error(&fake, "POST", target, ask("", manager)), "no certificate"));
	CHECK(strstr(api_fake_error(&fake, "POST", target,
		     ask(state_cluster(&fake.state)->root_cert, manager)), "no certificate"));
	CHECK_INT(fake.status, 400);
	api_fake_done(&fake);
}

static const struct node *answered_node(void)
{
	struct slice id = json_string(json_get(api_fake_json(&fake), "NodeID"));

	return state_node(&fake.state, arena_str(&fake.arena, id));
}

/* The one that joins is a node from then on, before anybody has seen it. */
TEST(a_workers_token_makes_a_worker)
{
	struct x509_cert cert;
	const struct node *node;
	const char *body, *worker;
	struct buf der;

	start();
	worker = state_cluster(&fake.state)->worker_token;
	body = ask(request_pem(""), worker);
	CHECK_INT(api_fake_call(&fake, "POST", "/swarm/enrol", body), 200);
	read_certificate(&cert, &der);
	CHECK_STR(cert.subject.unit, "swarm-worker");
	buf_done(&der);
	node = answered_node();
	CHECK(node && node->spec.role == ROLE_WORKER);
	CHECK_INT(node->spec.availability, AVAILABILITY_ACTIVE);
	CHECK_INT(node->status.state, NODE_UNKNOWN);
	CHECK_STR(node->description.hostname, "host7");
	CHECK_INT(api_fake_call(&fake, "GET", "/nodes", NULL), 200);
	CHECK(!strstr(fake.body, "JoinKey") && !strstr(fake.body, node->join_key));
	api_fake_done(&fake);
}

/* Its connection broke off before the answer came: it is the node that it was. Others who repeat
 * what it said, after it is there, get nothing. */
TEST(a_request_makes_one_node)
{
	const struct cluster *c;
	struct node seen;
	struct json_writer w;
	struct buf text;
	const char *body, *id;
	size_t count;

	start();
	c = state_cluster(&fake.state);
	body = ask(request_pem(""), c->worker_token);
	CHECK_INT(api_fake_call(&fake, "POST", "/swarm/enrol", body), 200);
	id = arena_str(&fake.arena, slice_of(answered_node()->meta.id));
	count = fake.state.objects[OBJECT_NODE].count;
	CHECK_INT(api_fake_call(&fake, "POST", "/swarm/enrol", body), 200);
	CHECK_STR(answered_node()->meta.id, id);
	CHECK_INT(fake.state.objects[OBJECT_NODE].count, count);
	CHECK(strstr(api_fake_error(&fake, "POST", "/swarm/enrol",
				    ask(request_pem(""), c->manager_token)), "very request"));
	CHECK_INT(fake.status, 403);
	seen = *state_node(&fake.state, id);
	seen.status.state = NODE_READY;
	buf_init(&text, 1 << 16);
	json_begin(&w, &text);
	model_encode(&w, &node_table, MODEL_STORE, &seen);
	api_fake_put(&fake, OBJECT_NODE, buf_str(&text));
	buf_done(&text);
	CHECK(strstr(api_fake_error(&fake, "POST", "/swarm/enrol", body), "very request"));
	CHECK_INT(fake.status, 403);
	CHECK_INT(fake.state.objects[OBJECT_NODE].count, count);
	api_fake_done(&fake);
}

/* How long it lasts is for the swarm to say; a manager gets the next one under its name. */
TEST(managers_renew)
{
	struct x509_cert cert;
	const char *csr, *text;
	struct buf der;

	start();
	csr = ask(request_pem(""), "");
	text = arena_printf(&fake.arena, "/swarm/update?version=%llu",
			    (unsigned long long)state_cluster(&fake.state)->meta.version);
	CHECK_INT(api_fake_call(&fake, "POST", text,
		  "{\"Name\":\"default\",\"CAConfig\":{\"NodeCertExpiry\":60000000000}}"), 200);
	CHECK_INT(api_fake_call(&fake, "POST", "/swarm/enrol/node1", csr), 200);
	read_certificate(&cert, &der);
	CHECK_STR(cert.subject.common_name, "node1");
	CHECK_STR(cert.subject.unit, "swarm-manager");
	CHECK_INT(cert.not_before_s, API_FAKE_CLOCK_S - 3600);
	CHECK_INT(cert.not_after_s, API_FAKE_CLOCK_S + 60);
	buf_done(&der);
	/* One that is not, or is none any more, does not; and no user comes by that way. */
	text = "rpc error: code = PermissionDenied desc = it is no node of this swarm any more";
	CHECK_STR(api_fake_error(&fake, "POST", "/swarm/enrol/node2", csr), text);
	CHECK_INT(fake.status, 403);
	CHECK(api_serves(SLICE("POST"), SLICE("/swarm/enrol")));
	CHECK(!api_serves(SLICE("POST"), SLICE("/swarm/enrol/node1")));
	CHECK(!api_serves(SLICE("POST"), SLICE("/v1.41/swarm/enrol/node1")));
	api_fake_done(&fake);
}

TEST(renewal_is_due_in_time)
{
	struct x509_cert cert = { .not_before_s = 1000 - 3600, .not_after_s = 2000 };

	CHECK_INT(ca_renew_at(&cert), 1500);
	cert.point[1] = 300 % 256;
	cert.point[2] = 300 / 256;
	CHECK_INT(ca_renew_at(&cert), 1800);
	cert.point[1] = 301 % 256;
	CHECK_INT(ca_renew_at(&cert), 1500);
	/* Ninety days, whole years of them, and a life that was over before it began. */
	cert.point[2] = 0;
	cert.point[1] = 100;
	cert.not_after_s = 1000 + CA_NODE_S;
	CHECK_INT(ca_renew_at(&cert), 1000 + 54 * 86400);
	cert.not_after_s = cert.not_before_s;
	CHECK(ca_renew_at(&cert) <= 1000);
}

TEST(an_old_token_lets_nobody_in)
{
	const char *old, *worker;
	struct buf target;

	start();
	old = arena_str(&fake.arena, slice_of(state_cluster(&fake.state)->manager_token));
	worker = arena_str(&fake.arena, slice_of(state_cluster(&fake.state)->worker_token));
	buf_init(&target, 256);
	buf_printf(&target, "/swarm/update?version=%llu&rotateManagerToken=true",
		   (unsigned long long)state_cluster(&fake.state)->meta.version);
	CHECK_INT(api_fake_call(&fake, "POST", buf_str(&target), "{\"Name\":\"default\"}"), 200);
	CHECK(strcmp(old, state_cluster(&fake.state)->manager_token) != 0);
	/* Its digest is the same, the root is. */
	CHECK(strncmp(old, state_cluster(&fake.state)->manager_token, 60) == 0);
	CHECK_STR(worker, state_cluster(&fake.state)->worker_token);
	CHECK_INT(api_fake_call(&fake, "POST", "/swarm/enrol", ask(request_pem(""), old)), 400);
	CHECK_INT(api_fake_call(&fake, "POST", "/swarm/enrol", ask(request_pem(""),
				state_cluster(&fake.state)->manager_token)), 200);
	buf_done(&target);
	api_fake_done(&fake);
}

/* ---- a new root ------------------------------------------------------------------------ */

static const struct cluster *cluster(void)
{
	return state_cluster(&fake.state);
}

static int force_rotate(uint64_t times)
{
	const char *target = arena_printf(&fake.arena, "/swarm/update?version=%llu",
					  (unsigned long long)cluster()->meta.version);

	return api_fake_call(&fake, "POST", target, arena_printf(&fake.arena,
		"{\"Name\":\"default\",\"CAConfig\":{\"ForceRotate\":%llu}}",
		(unsigned long long)times));
}

static const char *tls_info(const char *key)
{
	return arena_str(&fake.arena, json_string(json_get(json_get(api_fake_json(&fake),
								    "TLSInfo"), key)));
}

TEST(a_new_root_is_shown_as_docker_shows_it)
{
	struct tls_info old, wanted;

	start();
	CHECK_INT(ca_wanted(cluster(), &fake.arena, &old), 0);
	CHECK_INT(force_rotate(1), 200);
	CHECK(cluster()->rotation != NULL);
	CHECK_INT(cluster()->spec.ca.force_rotate, 1);
	CHECK_INT(ca_wanted(cluster(), &fake.arena, &wanted), 0);
	CHECK_INT(api_fake_call(&fake, "GET", "/swarm", NULL), 200);
	CHECK(json_is_true(json_get(api_fake_json(&fake), "RootRotationInProgress")));
	CHECK_STR(tls_info("TrustRoot"), cluster()->root_cert);
	CHECK_STR(tls_info("CertIssuerPublicKey"), wanted.cert_issuer_public_key);
	CHECK(strcmp(wanted.cert_issuer_public_key, old.cert_issuer_public_key) != 0);
	CHECK(strstr(fake.body, "\"ForceRotate\":1"));
	CHECK(strstr(fake.body, cluster()->worker_token));
	CHECK(!strstr(fake.body, "PRIVATE") && !strstr(fake.body, "NextCert") &&
	      !strstr(fake.body, "RootRotation\""));
	CHECK_INT(api_fake_call(&fake, "GET", "/info", NULL), 200);
	CHECK(strstr(fake.body, "\"RootRotationInProgress\":true"));
	CHECK(!strstr(fake.body, "PRIVATE") && !strstr(fake.body, "NextCert"));
	api_fake_done(&fake);
}

TEST(a_root_is_replaced_only_when_its_number_grows)
{
	const char *first, *old;

	start();
	old = arena_str(&fake.arena, slice_of(cluster()->root_cert));
	CHECK_INT(force_rotate(0), 200);
	CHECK(!cluster()->rotation);
	CHECK_INT(force_rotate(3), 200);
	first = arena_str(&fake.arena, slice_of(cluster()->rotation->next_cert));
	/* The same, a smaller one, and none: nothing is done, and it stays what it is. */
	for (int i = 0; i < 3; i++) {
		CHECK_INT(i < 2 ? force_rotate(3 - (uint64_t)i) : api_fake_call(&fake, "POST",
			  arena_printf(&fake.arena, "/swarm/update?version=%llu",
				       (unsigned long long)cluster()->meta.version),
			  "{\"Name\":\"default\"}"), 200);
		CHECK_STR(cluster()->rotation->next_cert, first);
		CHECK_INT(cluster()->spec.ca.force_rotate, 3);
	}
	CHECK_INT(force_rotate(4), 200);
	CHECK(strcmp(cluster()->rotation->next_cert, first) != 0);
	CHECK_STR(cluster()->root_cert, old);
	api_fake_done(&fake);
}

TEST(who_is_certified_while_a_root_is_replaced_believes_both)
{
	struct x509_cert cert;
	struct slice trust;
	struct buf der;

	start();
	CHECK_INT(force_rotate(1), 200);
	CHECK_INT(api_fake_call(&fake, "POST", "/swarm/enrol", ask(request_pem(""),
				cluster()->manager_token)), 200);
	read_certificate(&cert, &der);
	buf_done(&der);
	trust = json_string(json_get(api_fake_json(&fake), "Trust"));
	CHECK(slice_is(trust, ca_trust(cluster(), &fake.arena)));
	CHECK(strstr(ca_trust(cluster(), &fake.arena), cluster()->rotation->next_cert));
	api_fake_done(&fake);
}

TEST(a_swarm_without_an_authority_certifies_nobody)
{
	api_fake_init(&fake);
	CHECK_INT(api_fake_call(&fake, "POST", "/swarm/enrol", ask(request_pem(""), "")), 400);
	CHECK_INT(api_fake_call(&fake, "POST", "/swarm/update?version=1&rotateWorkerToken=1",
				"{\"Name\":\"default\"}"), 500);
	CHECK_INT(force_rotate(1), 500);
	CHECK(!cluster()->rotation);
	api_fake_done(&fake);
}
