#include "applets/manager/control/loop.h"
#include "unit.h"

static const struct node *a_node(void)
{
	static struct label labels[] = { { "disk", "SSD" }, { "zone", "a" } };
	static struct node n = { .meta.id = "n1" };

	n.spec.labels = (struct labels){ labels, 2 };
	n.spec.role = ROLE_MANAGER;
	n.description.hostname = "Host-1";
	n.description.platform = (struct platform){ "x86_64", "linux" };
	n.description.engine.labels = (struct labels){ labels, 1 };
	n.status.addr = "192.0.2.7";
	return &n;
}

static int fits(const char *text)
{
	struct placement p = { .constraints = { &text, 1 } };

	return constraints_match(&p, a_node());
}

TEST(keys)
{
	CHECK(fits("node.id==n1") && !fits("node.id!=n1") && !fits("node.id==n"));
	CHECK(fits("node.hostname==host-1") && fits("NODE.HOSTNAME == HOST-1"));
	CHECK(fits("node.role==manager") && !fits("node.role==worker") &&
	      fits("node.role!=worker"));
	CHECK(fits("node.platform.os==linux") && !fits("node.platform.os==windows"));
	CHECK(fits("node.platform.arch==amd64") && fits("node.platform.arch==x86_64"));
	CHECK(!fits("node.platform.arch==aarch64") && fits("node.platform.arch!=arm64"));
	CHECK(fits("node.labels.disk==ssd") && !fits("node.labels.disk!=ssd"));
	CHECK(!fits("node.labels.none==x") && fits("node.labels.none!=x"));
	CHECK(fits("engine.labels.disk==ssd") && !fits("engine.labels.zone==a"));
	CHECK(!fits("node.colour==red") && !fits("node.colour!=red"));
	CHECK(!fits("no operator"));
}

TEST(addresses_and_prefixes)
{
	CHECK(fits("node.ip==192.0.2.7") && !fits("node.ip==192.0.2.8"));
	CHECK(fits("node.ip==192.0.2.0/24") && fits("node.ip==0.0.0.0/0"));
	CHECK(!fits("node.ip==192.0.3.0/24") && fits("node.ip!=192.0.3.0/24"));
	CHECK(!fits("node.ip==192.0.2.0/33") && !fits("node.ip==here"));
}

TEST(all_must_match)
{
	const char *both[] = { "node.role==manager", "node.labels.zone==b" };
	struct placement p = { .constraints = { both, 2 } };

	CHECK(!constraints_match(&p, a_node()));
	both[1] = "node.labels.zone==a";
	CHECK(constraints_match(&p, a_node()));
	CHECK(constraints_match(NULL, a_node()));
}

TEST(platforms)
{
	struct platform list[] = { { "arm64", "linux" }, { "amd64", NULL } };
	struct placement p = { .platforms = { list, 2 } };

	CHECK(platforms_match(&p, a_node()));
	list[1].os = "windows";
	CHECK(!platforms_match(&p, a_node()));
	p.platforms.count = 0;
	CHECK(platforms_match(&p, a_node()) && platforms_match(NULL, a_node()));
}
