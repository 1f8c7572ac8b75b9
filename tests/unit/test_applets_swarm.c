/* What people type about the swarm's membership and keys, against written answers. */
#include <string.h>

#include "applets/node/node.h"
#include "applets/swarm/swarm.h"
#include "cli_fake.h"
#include "quotes.h"
#include "unit.h"

enum { ROWS = 16 };

/* Runs words against the answers, whose bodies have ' for "; secret: what is typed, or NULL. */
static void run(struct cli_fake *f, const struct command *commands, const char *words,
		const struct fake_answer *answers, const char *secret)
{
	static struct fake_answer rows[ROWS];

	cli_fake_init(f, rows);
	f->secret = secret;
	memset(rows, 0, sizeof(rows));
	for (size_t i = 0; i + 1 < ROWS && answers[i].request; i++) {
		rows[i] = answers[i];
		rows[i].body = quotes(&f->arena, answers[i].body);
	}
	cli_fake_run(f, commands, words);
}

#define SPEC "'Spec':{'Name':'default','Other':{'a':1},'Raft':{'SnapshotInterval':10000," \
	"'HeartbeatTick':1},'CAConfig':{'NodeCertExpiry':7776000000000000,'ForceRotate':2}," \
	"'EncryptionConfig':{'AutoLockManagers':false}}"
#define FLAGS(worker, manager, key) "&rotateWorkerToken=" worker "&rotateManagerToken=" manager \
	"&rotateManagerUnlockKey=" key "\n"
#define SWARM "{'Version':{'Index':7},'JoinTokens':{'Worker':'SWMTKN-w','Manager':'SWMTKN-m'}," \
	"'TLSInfo':{'TrustRoot':'PEM\\n','CertIssuerSubject':'s','CertIssuerPublicKey':'k'}," \
	SPEC "}"

static const struct fake_answer swarm[] = {
	{ "GET /swarm/unlockkey", 200, "{'UnlockKey':'SWMKEY-1-x'}", 0, 0 },
	{ "GET /swarm", 200, SWARM, 0, 0 },
	{ "POST /swarm/update?version=7", 200, "", 0, 0 },
	{ "GET /info", 200, "{'Swarm':{'NodeID':'n1'}}", 0, 0 },
	{ "GET /nodes/n1", 200, "{'ID':'n1','ManagerStatus':{'Addr':'10.0.0.1:2377'}}", 0, 0 },
	{ NULL, 0, NULL, 0, 0 },
};

TEST(a_join_token_is_printed_with_the_command_that_uses_it)
{
	struct cli_fake f;

	run(&f, swarm_commands, "join-token worker", swarm, NULL);
	CHECK_STR(buf_str(&f.out), "To add a worker to this swarm, run the following command:\n\n"
		"    swarmbox join --token SWMTKN-w 10.0.0.1:2377\n");
	cli_fake_done(&f);
	run(&f, swarm_commands, "join-token -q manager", swarm, NULL);
	CHECK_STR(buf_str(&f.out), "SWMTKN-m\n");
	CHECK_STR(buf_str(&f.log), "GET /swarm\n");
	cli_fake_done(&f);
}

TEST(a_rotation_of_a_token_is_of_that_token_alone)
{
	struct cli_fake f;

	run(&f, swarm_commands, "join-token --rotate -q worker", swarm, NULL);
	CHECK(strstr(buf_str(&f.log), "version=7" FLAGS("true", "false", "false")));
	cli_fake_done(&f);
	run(&f, swarm_commands, "join-token --rotate manager", swarm, NULL);
	CHECK(strstr(buf_str(&f.log), "version=7" FLAGS("false", "true", "false")));
	CHECK(strstr(buf_str(&f.out), "Successfully rotated manager join token.\n\nTo add a "));
	cli_fake_done(&f);
	run(&f, swarm_commands, "unlock-key --rotate -q", swarm, NULL);
	CHECK(strstr(buf_str(&f.log), "version=7" FLAGS("false", "false", "true")));
	CHECK_STR(buf_str(&f.out), "SWMKEY-1-x\n");
	cli_fake_done(&f);
}

TEST(an_update_of_the_swarm_changes_what_is_given_and_nothing_else)
{
	struct cli_fake f;

	run(&f, swarm_commands, "update --cert-expiry 48h30m --max-snapshots 3 "
		"--snapshot-interval 5 --dispatcher-heartbeat 500ms", swarm, NULL);
	CHECK_STR(buf_str(&f.out), "Swarm updated.\n");
	CHECK_STR(buf_str(&f.log), "GET /swarm\nPOST /swarm/update?version=7"
		FLAGS("false", "false", "false") "{\"Name\":\"default\",\"Other\":{\"a\":1},"
		"\"Raft\":{\"HeartbeatTick\":1,\"KeepOldSnapshots\":3,\"SnapshotInterval\":5},"
		"\"CAConfig\":{\"ForceRotate\":2,\"NodeCertExpiry\":174600000000000},"
		"\"EncryptionConfig\":{\"AutoLockManagers\":false},"
		"\"Dispatcher\":{\"HeartbeatPeriod\":500000000}}\n");
	cli_fake_done(&f);
}

TEST(autolock_tells_the_key_when_it_is_switched_on)
{
	struct cli_fake f;

	run(&f, swarm_commands, "update --autolock", swarm, NULL);
	CHECK(strstr(buf_str(&f.log), "\"EncryptionConfig\":{\"AutoLockManagers\":true}"));
	CHECK(strstr(buf_str(&f.out), "Swarm updated.\nTo unlock a swarm manager"));
	CHECK(strstr(buf_str(&f.out), "\n    SWMKEY-1-x\n"));
	cli_fake_done(&f);
	run(&f, swarm_commands, "update --autolock=false", swarm, NULL);
	CHECK(strstr(buf_str(&f.log), "\"EncryptionConfig\":{\"AutoLockManagers\":false}"));
	CHECK_STR(buf_str(&f.out), "Swarm updated.\n");
	cli_fake_done(&f);
}

TEST(an_update_of_the_swarm_that_was_stale_is_made_again)
{
	static const struct fake_answer answers[] = {
		{ "GET /swarm", 200, SWARM, 1, 0 },
		{ "GET /swarm", 200, "{'Version':{'Index':8},'Spec':{}}", 0, 0 },
		{ "POST /swarm/update?version=7", 500, "{'message':'update out of sequence'}",
		  0, 0 },
		{ "POST /swarm/update?version=8", 200, "", 0, 0 }, { NULL, 0, NULL, 0, 0 },
	};
	struct cli_fake f;

	run(&f, swarm_commands, "update --task-history-limit 2", answers, NULL);
	CHECK_INT(f.status, 0);
	CHECK(strstr(buf_str(&f.log), "{\"Orchestration\":{\"TaskHistoryRetentionLimit\":2}}\n"));
	cli_fake_done(&f);
}

TEST(the_unlock_key_is_read_only_where_the_swarm_is_locked)
{
	static const struct fake_answer locked[] = {
		{ "GET /info", 200, "{'Swarm':{'LocalNodeState':'locked'}}", 0, 0 },
		{ "POST /swarm/unlock", 200, "", 0, 0 }, { NULL, 0, NULL, 0, 0 },
	};
	static const struct fake_answer active[] = {
		{ "GET /info", 200, "{'Swarm':{'LocalNodeState':'active'}}", 0, 0 },
		{ NULL, 0, NULL, 0, 0 },
	};
	struct cli_fake f;

	run(&f, swarm_commands, "unlock", locked, "SWMKEY-1-x ");
	CHECK_INT(f.status, 0);
	CHECK_STR(buf_str(&f.log),
		"GET /info\nPOST /swarm/unlock\n{\"UnlockKey\":\"SWMKEY-1-x\"}\n");
	cli_fake_done(&f);
	run(&f, swarm_commands, "unlock", locked, NULL);
	CHECK_STR(buf_str(&f.err), "swarmbox: swarm unlock: interrupted\n");
	cli_fake_done(&f);
	run(&f, swarm_commands, "unlock", active, "SWMKEY-1-x");
	CHECK_STR(buf_str(&f.err), "swarmbox: test unlock: swarm is not locked\n");
	CHECK_STR(buf_str(&f.log), "GET /info\n");
	cli_fake_done(&f);
}

/* The PEM of a root and its digest, as sha256sum has it. */
#define ROOT "-----BEGIN CERTIFICATE-----\\nAAAA\\n-----END CERTIFICATE-----\\n"
#define DIGEST "desired root digest: " \
	"sha256:7cc358aa45100f42d57b76e9b235253bfc6fc830b3e45858d2bc473657aae3f7\n"
#define TURNING(root, key, busy) "{'Version':{'Index':7},'RootRotationInProgress':" busy \
	",'TLSInfo':{'TrustRoot':'" root "','CertIssuerSubject':'s','CertIssuerPublicKey':'" \
	key "'}," SPEC "}"
#define NODE(name, state, root, key) "{'Description':{'Hostname':'" name "','TLSInfo':{" \
	"'TrustRoot':'" root "','CertIssuerSubject':'s','CertIssuerPublicKey':'" key "'}}," \
	"'Status':{'State':'" state "'}}"
#define PROGRESS(certs, roots) "rotated TLS certificates: " certs "/2 nodes, rotated CA " \
	"certificates: " roots "/2 nodes"

/* The node "a" changes over, then "b", then the root counts, then they take it over one by one. */
static const struct fake_answer rotation[] = {
	{ "GET /swarm", 200, TURNING("old", "k", "false"), 1, 0 },
	{ "POST /swarm/update", 200, "", 0, 0 },
	{ "GET /swarm", 200, TURNING("old", "new", "true"), 1, 0 },
	{ "GET /nodes", 200, "[" NODE("a", "ready", "both", "new") ","
	  NODE("b", "down", "old", "k") "]", 1, 0 },
	{ "GET /swarm", 200, TURNING("old", "new", "true"), 1, 0 },
	{ "GET /nodes", 200, "[" NODE("a", "ready", "both", "new") ","
	  NODE("b", "ready", "old", "k") "]", 1, 0 },
	{ "GET /swarm", ERR_UNAVAILABLE, "it is being started", 1, 0 },
	{ "GET /swarm", 200, TURNING(ROOT, "new", "false"), 1, 0 },
	{ "GET /nodes", 200, "[" NODE("a", "ready", ROOT, "new") ","
	  NODE("b", "ready", "both", "new") "]", 1, 0 },
	{ "GET /swarm", 200, TURNING(ROOT, "new", "false"), 0, 0 },
	{ "GET /nodes", 200, "[" NODE("a", "ready", ROOT, "new") ","
	  NODE("b", "ready", ROOT, "new") "]", 0, 0 },
	{ NULL, 0, NULL, 0, 0 },
};

TEST(the_root_is_printed)
{
	struct cli_fake f;

	run(&f, swarm_commands, "ca", swarm, NULL);
	CHECK_STR(buf_str(&f.out), "PEM\n");
	cli_fake_done(&f);
}

TEST(a_rotation_of_the_root_is_waited_for)
{
	struct cli_fake f;

	run(&f, swarm_commands, "ca --rotate --cert-expiry 1h", rotation, NULL);
	CHECK(strstr(buf_str(&f.log),
		"\"CAConfig\":{\"ForceRotate\":3,\"NodeCertExpiry\":3600000000000}"));
	CHECK_STR(buf_str(&f.err), PROGRESS("1", "0") "\n" DIGEST PROGRESS("2", "1") "\n"
		PROGRESS("2", "2") "\n");
	CHECK_STR(buf_str(&f.out),
		"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
	CHECK_INT(f.waits, 4);
	cli_fake_done(&f);
	run(&f, swarm_commands, "ca --rotate -q", rotation, NULL);
	CHECK_STR(buf_str(&f.err), "");
	CHECK_INT(f.waits, 4);
	cli_fake_done(&f);
	run(&f, swarm_commands, "ca --rotate -d", rotation, NULL);
	CHECK_STR(buf_str(&f.out), "");
	CHECK_INT(f.waits, 0);
	cli_fake_done(&f);
}

/* As run; what is set in the fake comes before it. */
static void run_rotation(struct cli_fake *f, unsigned interrupt_at, int is_tty)
{
	static struct fake_answer rows[ROWS];

	cli_fake_init(f, rows);
	f->interrupt_at = interrupt_at;
	f->cli.err_is_tty = is_tty;
	for (size_t i = 0; rotation[i].request; i++) {
		rows[i] = rotation[i];
		rows[i].body = quotes(&f->arena, rotation[i].body);
	}
	cli_fake_run(f, swarm_commands, "ca --rotate");
}

TEST(a_rotation_that_is_left_alone_says_whom_it_waits_for)
{
	struct cli_fake f;

	run_rotation(&f, 1, 0);
	CHECK_INT(f.status, 0);
	CHECK_STR(buf_str(&f.err), PROGRESS("1", "0") "\nThe rotation goes on in the background: "
		"it waits for b (down).\n");
	CHECK_STR(buf_str(&f.out), "");
	cli_fake_done(&f);
}

TEST(a_rotation_is_one_line_on_a_terminal)
{
	struct cli_fake f;

	run_rotation(&f, 0, 1);
	CHECK_STR(buf_str(&f.err), PROGRESS("1", "0") "\033[K\n" DIGEST PROGRESS("2", "1")
		"\033[K\r" PROGRESS("2", "2") "\033[K\n");
	cli_fake_done(&f);
}

TEST(a_rotation_is_not_waited_for_without_an_answer)
{
	static const struct fake_answer answers[] = {
		{ "GET /swarm", 200, TURNING("old", "k", "false"), 1, 0 },
		{ "POST /swarm/update", 200, "", 0, 0 },
		{ "GET /swarm", ERR_UNAVAILABLE, "nobody listens", 0, 0 }, { NULL, 0, NULL, 0, 0 },
	};
	struct cli_fake f;

	run(&f, swarm_commands, "ca --rotate", answers, NULL);
	CHECK_INT(f.status, CLI_FAILED);
	CHECK(strstr(buf_str(&f.err), "nobody listens"));
	CHECK_INT(f.waits, 304);	/* a minute */
	cli_fake_done(&f);
}

TEST(nodes_are_promoted_and_demoted_in_dockers_words)
{
	static const struct fake_answer answers[] = {
		{ "GET /nodes/w", 200, "{'ID':'w','Version':{'Index':3},'Spec':{'Role':'worker',"
		  "'Availability':'active'},'Description':{'TLSInfo':{'TrustRoot':'PEM',"
		  "'CertIssuerSubject':'cw==','CertIssuerPublicKey':'aw=='}}}", 0, 0 },
		{ "GET /nodes/m", 200, "{'ID':'m','Version':{'Index':4},'Spec':{'Role':'manager',"
		  "'Availability':'active'}}", 0, 0 },
		{ "POST /nodes/w/update?version=3", 200, "", 0, 0 },
		{ "POST /nodes/m/update?version=4", 200, "", 0, 0 }, { NULL, 0, NULL, 0, 0 },
	};
	struct cli_fake f;

	run(&f, node_commands, "promote m w", answers, NULL);
	CHECK_STR(buf_str(&f.out), "Node m is already a manager.\n"
		"Node w promoted to a manager in the swarm.\n");
	CHECK(!strstr(buf_str(&f.log), "POST /nodes/m"));
	CHECK(strstr(buf_str(&f.log), "\"Role\":\"manager\""));
	cli_fake_done(&f);
	run(&f, node_commands, "demote w gone m", answers, NULL);
	CHECK_STR(buf_str(&f.out), "Node w is already a worker.\n"
		"Manager m demoted in the swarm.\n");
	CHECK_INT(f.status, CLI_FAILED);
	cli_fake_done(&f);
	run(&f, node_commands, "inspect --pretty w", answers, NULL);
	CHECK(strstr(buf_str(&f.out), "TLS Info:\n TrustRoot:\nPEM\n Issuer Subject:\tcw==\n"
		" Issuer Public Key:\taw==\n"));
	cli_fake_done(&f);
}
