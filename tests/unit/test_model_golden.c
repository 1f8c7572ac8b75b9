/* The tables against what a real daemon prints and what real clients send (tests/golden/model). */
#include <stdio.h>
#include "model/node.h"
#include "model/task.h"
#include "unit.h"

enum { GOLDEN_MAX = 16 * 1024 };

static void read_golden(const char *name, struct buf *out)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "tests/golden/model/%s.json", name);
	file = fopen(path, "r");
	if (!file)
		printf("%s: missing: the tests run in the project's folder\n", path);
	CHECK(file != NULL);
	buf_init(out, GOLDEN_MAX);
	out->len = fread(buf_reserve(out, GOLDEN_MAX), 1, GOLDEN_MAX, file);
	fclose(file);
}

/* What stands in the file `from`, decoded, copied and encoded, is what stands in `to`. */
static void check_pair(const struct table *table, const char *from, const char *to)
{
	struct errmsg msg = { { 0 } };
	struct buf in = { 0 }, expected = { 0 }, out;
	struct json_writer w;
	struct arena a;
	void *object;

	read_golden(from, &in);
	read_golden(to, &expected);
	if (unit_failed())
		return;
	arena_init(&a);
	object = arena_new(&a, table->size);
	CHECK_INT(model_parse(&a, table, MODEL_API, buf_slice(&in), object, &msg), 0);
	buf_init(&out, GOLDEN_MAX);
	json_begin(&w, &out);
	model_encode(&w, table, MODEL_API, model_copy(&a, table, object));
	buf_add_char(&out, '\n');
	CHECK_STR(buf_str(&out), buf_str(&expected));
	buf_done(&in);
	buf_done(&expected);
	buf_done(&out);
	arena_done(&a);
}

TEST(a_services_sample_comes_back_as_it_was)
{
	check_pair(&service_table, "service", "service");
	check_pair(&service_table, "service_updated", "service_updated");
}

TEST(a_service_specs_every_member_comes_back_in_its_place)
{
	check_pair(&service_spec_table, "service_spec_full", "service_spec_full");
	check_pair(&service_spec_table, "service_spec_job", "service_spec_job");
}

TEST(a_tasks_sample_comes_back_as_it_was)
{
	check_pair(&task_table, "task", "task");
}

TEST(a_nodes_sample_comes_back_as_it_was)
{
	check_pair(&node_table, "node", "node");
}

TEST(the_swarms_sample_comes_back_as_it_was)
{
	check_pair(&cluster_spec_table, "swarm_spec", "swarm_spec");
}

TEST(the_body_of_networks_create_is_a_network_spec)
{
	check_pair(&network_spec_table, "network_create", "network_created");
}
