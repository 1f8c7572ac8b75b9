#include <stdio.h>
#include "control_fixture.h"
#include "control_specs.h"
#include "unit.h"

#define NET(id) ",\"Networks\":[{\"Target\":\"" id "\",\"Aliases\":[\"www\"]}]"
#define INGRESS(target, published) \
	PORTS("{\"Protocol\":\"tcp\",\"TargetPort\":" #target ",\"PublishedPort\":" #published "}")

static const char *address(struct world *w, uint32_t task, uint32_t network)
{
	const struct task *t = world_task(w, task);

	if (!t || network >= t->networks_attachments.count)
		return "";
	return LIST_AT(&t->networks_attachments, struct network_attachment,
		       network)->addresses.items[0];
}

TEST(no_suitable_node)
{
	struct world *w = world_new(1);

	world_create(w, "web", SERVICE(1, "a", ",\"Resources\":{\"Reservations\":"
		"{\"NanoCPUs\":3000000000}}", PORTS("{\"TargetPort\":80,\"PublishedPort\":80,"
		"\"PublishMode\":\"host\"}")), NULL);
	world_node(w, "n1");
	world_scale(w, "web", 2);
	world_node(w, "n2");
	world_node_state(w, "n2", NODE_READY, AVAILABILITY_PAUSE);
	world_create(w, "db", SERVICE(1, "a", PLACEMENT("\"Constraints\":[\"node.labels.ssd==1\"]"),
		""), NULL);
	world_create(w, "one", SERVICE(2, "a", PLACEMENT("\"MaxReplicas\":1"), ""), NULL);
	world_create(w, "arm", SERVICE(1, "a", PLACEMENT("\"Platforms\":[{\"Architecture\":"
		"\"aarch64\",\"OS\":\"linux\"}]"), ""), NULL);
	CHECK_STR(world_trace(w),
		"0 t1 web.1 - pending want running: no suitable node\n"
		"0 t1 web.1 n1 running want running\n"
		"0 t2 web.2 - pending want running: no suitable node (insufficient resources "
		"on 1 node)\n"
		"0 t2 web.2 n2 running want running\n"
		"0 t3 db.1 - pending want running: no suitable node (1 node not available for "
		"new tasks; scheduling constraints not satisfied on 1 node)\n"
		"0 t4 one.1 n1 running want running\n"
		"0 t5 one.2 - pending want running: no suitable node (1 node not available for "
		"new tasks; max replicas per node limit exceed)\n"
		"0 t6 arm.1 - pending want running: no suitable node (1 node not available for "
		"new tasks; unsupported platform on 1 node)\n");
	world_free(w);
}

TEST(spread)
{
	struct world *w = world_new(1);

	world_node(w, "n1");
	world_node(w, "n2");
	world_node(w, "n3");
	world_create(w, "one", SERVICE(1, "a", "", ""), NULL);
	world_create(w, "web", SERVICE(4, "a", "", ""), NULL);
	CHECK_STR(world_trace(w),
		"0 t1 one.1 n1 running want running\n"
		"0 t2 web.1 n2 running want running\n"
		"0 t3 web.2 n3 running want running\n"
		"0 t4 web.3 n1 running want running\n"
		"0 t5 web.4 n2 running want running\n");
	world_free(w);
}

TEST(host_port_waits_for_the_old_one)
{
	struct world *w = world_new(1);

	world_node(w, "n1");
	world_create(w, "web", SERVICE(1, "a", "", PORTS("{\"TargetPort\":80,\"PublishedPort\":80,"
		"\"PublishMode\":\"host\"}")), NULL);
	w->agents_stop = 1;
	world_update(w, "web", SERVICE(1, "b", "", PORTS("{\"TargetPort\":80,\"PublishedPort\":80,"
		"\"PublishMode\":\"host\"}")), NULL);
	world_pass(w, 2);
	w->agents_stop = 0;
	world_pass(w, 10);
	CHECK_STR(world_trace(w),
		"0 t1 web.1 n1 running want running\n"
		"0 t1 web.1 n1 running want shutdown\n"
		"0 t2 web.1 - pending want ready: no suitable node (host-mode port already in "
		"use on 1 node)\n"
		"0 web updating: update in progress\n"
		"12 t1 web.1 n1 shutdown want shutdown\n"
		"12 t2 web.1 n1 running want running\n");
	world_free(w);
}

TEST(constraint_texts)
{
	struct errmsg msg = { { 0 } };

	CHECK_INT(constraint_check("node.role == manager", &msg), 0);
	CHECK_INT(constraint_check("node.labels.a!=x y", &msg), 0);
	CHECK_INT(constraint_check("node.role=manager", &msg), ERR_INVALID);
	CHECK_STR(msg.text, "constraint expected one operator from ==, !=");
	CHECK_INT(constraint_check("no de==x", &msg), ERR_INVALID);
	CHECK_STR(msg.text, "key 'no de' is invalid");
	CHECK_INT(constraint_check("node.id==", &msg), ERR_INVALID);
	CHECK_STR(msg.text, "value '' is invalid");
	CHECK_INT(constraint_check("", &msg), ERR_INVALID);
}

TEST(addresses)
{
	struct world *w = world_new(1);
	const struct task *t;

	world_node(w, "n1");
	world_network(w, "ingress", NULL, 1);
	world_network(w, "net", "10.9.0.0/29", 0);
	world_create(w, "web", SERVICE(2, "a", NET("net"), INGRESS(80, 4000)), NULL);
	CHECK_STR(address(w, 1, 0), "10.9.0.2/29");
	CHECK_STR(address(w, 1, 1), "10.0.0.2/24");
	CHECK_STR(address(w, 2, 0), "10.9.0.3/29");
	CHECK_STR(address(w, 2, 1), "10.0.0.3/24");
	t = world_task(w, 1);
	CHECK_INT(LIST_AT(&t->networks_attachments, struct network_attachment,
			  0)->aliases.count, 2);
	CHECK_STR(LIST_AT(&t->networks_attachments, struct network_attachment,
			  0)->aliases.items[0], "web");
	CHECK_STR(LIST_AT(&t->networks_attachments, struct network_attachment,
			  0)->aliases.items[1], "www");
	world_free(w);
}

TEST(address_is_free_when_its_task_is_dead)
{
	struct world *w = world_new(1);

	world_node(w, "n1");
	world_network(w, "net", "10.9.0.0/29", 0);
	world_create(w, "web", SERVICE(1, "a", NET("net"), ""), NULL);
	w->agents_stop = 1;
	world_update(w, "web", SERVICE(1, "b", NET("net"), ""), NULL);
	CHECK_STR(address(w, 1, 0), "10.9.0.2/29");
	CHECK_STR(address(w, 2, 0), "10.9.0.3/29");
	w->agents_stop = 0;
	world_pass(w, 10);
	world_scale(w, "web", 2);
	CHECK_STR(address(w, 3, 0), "10.9.0.2/29");
	world_free(w);
}

TEST(no_address_left)
{
	struct world *w = world_new(1);

	world_node(w, "n1");
	world_network(w, "net", "10.9.0.0/29", 0);
	world_create(w, "web", SERVICE(6, "a", NET("net"), ""), NULL);
	world_scale(w, "web", 5);
	world_create(w, "lost", SERVICE(1, "a", NET("nowhere"), ""), NULL);
	CHECK_STR(world_trace(w),
		"0 t1 web.1 n1 running want running\n"
		"0 t2 web.2 n1 running want running\n"
		"0 t3 web.3 n1 running want running\n"
		"0 t4 web.4 n1 running want running\n"
		"0 t5 web.5 n1 running want running\n"
		"0 t6 web.6 - new want running: no free address in network net\n"
		"0 t6 gone\n"
		"0 t7 lost.1 - new want running: network nowhere not found\n");
	world_free(w);
}

TEST(subnets)
{
	struct world *w = world_new(1);

	world_network(w, "ingress", NULL, 1);
	world_network(w, "own", "10.0.1.128/25", 0);
	world_network(w, "wide", "10.0.4.0/22", 0);
	world_network(w, "a", NULL, 0);
	world_network(w, "b", NULL, 0);
	world_network(w, "c", NULL, 0);
	CHECK_STR(LIST_AT(&state_network(&w->state, "ingress")->spec.ipam.config,
			  struct ipam_config, 0)->gateway, "10.0.0.1");
	CHECK_STR(LIST_AT(&state_network(&w->state, "a")->spec.ipam.config, struct ipam_config,
			  0)->subnet, "10.0.2.0/24");
	CHECK_STR(LIST_AT(&state_network(&w->state, "b")->spec.ipam.config, struct ipam_config,
			  0)->subnet, "10.0.3.0/24");
	CHECK_STR(LIST_AT(&state_network(&w->state, "c")->spec.ipam.config, struct ipam_config,
			  0)->subnet, "10.0.8.0/24");
	world_network(w, "d", "10.0.0.0/16", 0);
	world_network(w, "e", "10.20.1.0/16", 0);
	world_network(w, "f", "10.20.0.0/15", 0);
	world_network(w, "g", "fd00::/64", 0);
	CHECK_STR(world_trace(w),
		"d: subnet 10.0.0.0/16 overlaps with the one of network a (10.0.2.0/24)\n"
		"e: invalid subnet 10.20.1.0/16: it should be 10.20.0.0/16\n"
		"f: invalid subnet 10.20.0.0/15: its size is not between /16 and /29\n"
		"g: invalid subnet fd00::/64: an IPv4 prefix such as 10.1.0.0/24 is expected\n");
	world_free(w);
}

TEST(ports)
{
	struct world *w = world_new(1);
	struct errmsg msg = { { 0 } };
	uint64_t dynamic;

	CHECK_INT(world_create(w, "p", SERVICE(1, "a", "", INGRESS(80, 8080)), &msg), 0);
	CHECK_INT(world_create(w, "q", SERVICE(1, "a", "", INGRESS(80, 8080)), &msg), ERR_IN_USE);
	CHECK_STR(msg.text, "port '8080' is already in use by service 'p' (p) as an ingress port");
	CHECK_INT(world_create(w, "h", SERVICE(1, "a", "", PORTS("{\"TargetPort\":1,"
		"\"PublishedPort\":81,\"PublishMode\":\"host\"}")), &msg), 0);
	CHECK_INT(world_create(w, "g", SERVICE(1, "a", "", PORTS("{\"TargetPort\":1,"
		"\"PublishedPort\":81,\"PublishMode\":\"host\"}")), &msg), 0);
	CHECK_INT(world_create(w, "q", SERVICE(1, "a", "", INGRESS(80, 81)), &msg), ERR_IN_USE);
	CHECK_STR(msg.text,
		  "port '81' is already in use by service 'h' (h) as a host-published port");
	CHECK_INT(world_create(w, "d", SERVICE(1, "a", "", INGRESS(80, 0)), &msg), 0);
	dynamic = LIST_AT(&world_service(w, "d")->endpoint.ports, struct port_config,
			  0)->published_port;
	CHECK_INT(dynamic, 30000);
	CHECK_INT(world_create(w, "e", SERVICE(1, "a", "", INGRESS(80, 0)), &msg), 0);
	world_remove(w, "d");
	CHECK_INT(world_update(w, "e", SERVICE(1, "b", "", INGRESS(80, 0)), &msg), 0);
	dynamic = LIST_AT(&world_service(w, "e")->endpoint.ports, struct port_config,
			  0)->published_port;
	CHECK_INT(dynamic, 30001);
	CHECK_INT(world_update(w, "e", SERVICE(1, "b", "", INGRESS(80, 30001)), &msg), 0);
	world_free(w);
}

TEST(network_goes_with_its_last_task)
{
	struct world *w = world_new(1);

	world_node(w, "n1");
	world_network(w, "net", NULL, 0);
	world_create(w, "web", SERVICE(1, "a", NET("net"), ""), NULL);
	w->agents_stop = 1;
	world_remove(w, "web");
	world_network_delete(w, "net");
	CHECK(state_network(&w->state, "net"));
	w->agents_stop = 0;
	world_pass(w, 1);
	CHECK(!state_network(&w->state, "net"));
	world_free(w);
}

static void check_netmap(struct world *w, const char *expected)
{
	struct arena a;
	struct buf out;

	arena_init(&a);
	buf_init(&out, 65536);
	netmap_derive(&w->state, &a, &out);
	unit_check_str(buf_str(&out), expected, "netmap", __FILE__, __LINE__);
	buf_done(&out);
	arena_done(&a);
}

TEST(netmap)
{
	struct world *w = world_new(1);
	char text[512];

	world_network(w, "ingress", NULL, 1);
	world_network(w, "net", NULL, 0);
	world_create(w, "web", SERVICE(1, "a", NET("net"), INGRESS(80, 4000)), NULL);
	check_netmap(w, "{\"ports\":[{\"protocol\":\"tcp\",\"published\":4000,"
		     "\"service\":\"web\",\"backends\":[]}]}");
	world_node(w, "n1");
	snprintf(text, sizeof(text), "{\"ports\":[{\"protocol\":\"tcp\",\"published\":4000,"
		 "\"service\":\"web\",\"backends\":[{\"task\":\"%s\",\"address\":\"10.0.0.2\","
		 "\"port\":80}]}]}", w->tasks[0].id);
	check_netmap(w, text);
	w->agents_stop = 1;
	world_scale(w, "web", 0);
	CHECK_INT(world_task(w, 1)->status.state, TASK_RUNNING);
	check_netmap(w, "{\"ports\":[{\"protocol\":\"tcp\",\"published\":4000,"
		     "\"service\":\"web\",\"backends\":[]}]}");
	world_free(w);
}
