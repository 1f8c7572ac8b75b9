/* Decoding and encoding by table: names, limits, what is kept and what is left out. */
#include <string.h>
#include "model/node.h"
#include "model/task.h"
#include "unit.h"

static int round_trip(const struct table *table, const char *text, struct buf *out,
		      struct errmsg *msg)
{
	struct json_writer w;
	struct arena a;
	void *object;
	int err;

	arena_init(&a);
	object = arena_new(&a, table->size);
	err = model_parse(&a, table, MODEL_API, slice_of(text), object, msg);
	buf_init(out, 1 << 20);
	json_begin(&w, out);
	if (err == 0) {
		void *copy = model_copy(&a, table, object);

		if (!model_equal(table, object, copy))
			err = ERR_CORRUPT;
		model_encode(&w, table, MODEL_API, copy);
	}
	arena_done(&a);
	return err;
}

TEST(what_a_newer_client_sends_survives)
{
	struct errmsg msg = { { 0 } };
	struct buf out;

	CHECK_INT(round_trip(&service_spec_table, "{\"Name\":\"a\",\"Labels\":{},\"TaskTemplate\":"
			     "{\"ForceUpdate\":0},\"Mode\":{},\"New\":{\"x\":[1,9007199254740993]},"
			     "\"Other\":\"y\"}", &out, &msg), 0);
	CHECK_STR(buf_str(&out), "{\"Name\":\"a\",\"Labels\":{},\"TaskTemplate\":"
		  "{\"ForceUpdate\":0},\"Mode\":{},\"New\":{\"x\":[1,9007199254740993]},"
		  "\"Other\":\"y\"}");
	buf_done(&out);
}

static void check_error(const struct table *table, const char *text, const char *expected)
{
	struct errmsg msg = { { 0 } };
	struct buf out;

	CHECK_INT(round_trip(table, text, &out, &msg) < 0, 1);
	CHECK_STR(msg.text, expected);
	buf_done(&out);
}

TEST(an_error_names_the_path)
{
	check_error(&service_spec_table, "{\"TaskTemplate\":{\"Resources\":{\"Limits\":{"
		    "\"NanoCPUs\":\"x\"}}}}",
		    "TaskTemplate.Resources.Limits.NanoCPUs: must be an integer");
	check_error(&service_spec_table, "{\"EndpointSpec\":{\"Ports\":[{},{\"Protocol\":\"x\"}]}}",
		    "EndpointSpec.Ports[1].Protocol: invalid value \"x\": must be one of tcp, udp, "
		    "sctp");
	check_error(&service_spec_table, "{\"Name\":7}", "Name: must be a string");
	check_error(&service_spec_table, "[]", "ServiceSpec: must be an object");
	check_error(&service_spec_table, "{\"Mode\":{\"Replicated\":{\"Replicas\":-1}}}",
		    "Mode.Replicated.Replicas: must be an integer, not negative");
}

TEST(names_match_in_any_case_and_null_is_absent)
{
	struct service_spec spec;
	struct errmsg msg = { { 0 } };
	struct arena a;

	arena_init(&a);
	CHECK_INT(model_parse(&a, &service_spec_table, MODEL_API,
			      SLICE("{\"name\":\"x\",\"LABELS\":{\"b\":\"2\",\"a\":null},"
				    "\"updateconfig\":null}"), &spec, &msg), 0);
	CHECK_STR(spec.name, "x");
	CHECK_INT(spec.update_config == NULL, 1);
	CHECK_INT(spec.labels.count, 2);
	CHECK_STR(spec.labels.items[0].key, "a");
	CHECK_STR(labels_get(&spec.labels, "b"), "2");
	arena_done(&a);
}

TEST(internal_fields_stay_out_of_the_api)
{
	struct service service;
	struct errmsg msg = { { 0 } };
	struct json_writer w;
	struct arena a;
	struct buf out;

	arena_init(&a);
	buf_init(&out, 4096);
	CHECK_INT(model_parse(&a, &service_table, MODEL_API, SLICE("{\"SpecVersion\":7}"), &service,
			      &msg), 0);
	CHECK_INT(service.spec_version, 0);
	CHECK_INT(model_parse(&a, &service_table, MODEL_STORE, SLICE("{\"SpecVersion\":7}"),
			      &service, &msg), 0);
	CHECK_INT(service.spec_version, 7);
	json_begin(&w, &out);
	model_encode(&w, &service_table, MODEL_API, &service);
	CHECK_INT(strstr(buf_str(&out), "SpecVersion") == NULL, 1);
	buf_done(&out);
	arena_done(&a);
}

TEST(labels_stay_sorted)
{
	struct labels l = { 0 };
	struct arena a;

	arena_init(&a);
	l = labels_with(&a, &l, "b", "1");
	l = labels_with(&a, &l, "a", "2");
	l = labels_with(&a, &l, "c", "3");
	l = labels_with(&a, &l, "b", "4");
	CHECK_INT(l.count, 3);
	CHECK_STR(l.items[1].value, "4");
	l = labels_without(&a, &l, "a");
	CHECK_INT(l.count, 2);
	CHECK_STR(l.items[0].key, "b");
	arena_done(&a);
}

/* open * n, then close * n, as the value of a member. */
static const char *nested(struct arena *a, const char *name, int n)
{
	char open[64], close[64];

	memset(open, '[', sizeof(open));
	memset(close, ']', sizeof(close));
	return arena_printf(a, "{\"%s\":%.*s%.*s}", name, n, open, n, close);
}

TEST(what_is_kept_as_text_has_a_depth)
{
	struct errmsg msg = { { 0 } };
	struct placement placement;
	struct task_spec spec;
	struct arena a;

	arena_init(&a);
	CHECK_INT(model_parse(&a, &task_spec_table, MODEL_API,
			      slice_of(nested(&a, "New", MODEL_RAW_DEPTH_MAX)), &spec, &msg), 0);
	CHECK_INT(spec.extra.len, 6 + 2 * MODEL_RAW_DEPTH_MAX);
	CHECK_INT(model_parse(&a, &task_spec_table, MODEL_API,
			      slice_of(nested(&a, "New", MODEL_RAW_DEPTH_MAX + 1)), &spec, &msg),
		  ERR_LIMIT);
	CHECK_STR(msg.text, "TaskSpec: must not nest deeper than 16 levels");
	CHECK_INT(model_parse(&a, &task_spec_table, MODEL_API,
			      slice_of(arena_printf(&a, "{\"Placement\":%s}",
						    nested(&a, "Preferences",
							   MODEL_RAW_DEPTH_MAX + 1))),
			      &spec, &msg), ERR_LIMIT);
	CHECK_STR(msg.text, "Placement.Preferences: must not nest deeper than 16 levels");
	/* Brackets inside strings are no levels. */
	CHECK_INT(model_parse(&a, &task_spec_table, MODEL_API,
			      SLICE("{\"Placement\":{\"Preferences\":"
				    "\"\\\"[[[[[[[[[[[[[[[[[[[[\"}}"), &spec, &msg), 0);
	placement = *spec.placement;
	CHECK_INT(placement.preferences.len, 24);
	arena_done(&a);
}

TEST(a_list_has_a_maximum)
{
	struct errmsg msg = { { 0 } };
	struct task_spec spec;
	struct arena a;
	struct buf b;

	arena_init(&a);
	buf_init(&b, 1 << 20);
	buf_add_str(&b, "{\"ContainerSpec\":{\"Env\":[\"\"");
	for (int i = 1; i < MODEL_LIST_MAX; i++)
		buf_add_str(&b, ",\"\"");
	buf_add_str(&b, "]}}");
	CHECK_INT(model_parse(&a, &task_spec_table, MODEL_API, buf_slice(&b), &spec, &msg), 0);
	b.len -= 3;
	buf_add_str(&b, ",\"\"]}}");
	CHECK_INT(model_parse(&a, &task_spec_table, MODEL_API, buf_slice(&b), &spec, &msg),
		  ERR_LIMIT);
	CHECK_STR(msg.text, "ContainerSpec.Env: more than 10000 elements");
	buf_done(&b);
	arena_done(&a);
}

TEST(many_unknown_members_cost_what_their_text_costs)
{
	struct errmsg msg = { { 0 } };
	struct task_spec spec;
	struct arena a;
	struct buf b;

	arena_init(&a);
	buf_init(&b, 1 << 22);
	buf_add_str(&b, "{\"a\":0");
	for (int i = 0; i < 20000; i++)
		buf_printf(&b, ",\"a%d\":%d", i, i);
	buf_add_char(&b, '}');
	CHECK_INT(model_parse(&a, &task_spec_table, MODEL_API, buf_slice(&b), &spec, &msg), 0);
	CHECK_INT(spec.extra.len, b.len - 2);
	CHECK(a.used < 2 * b.len);
	buf_done(&b);
	arena_done(&a);
}

TEST(enums_read_in_any_case_and_empty_texts_are_the_default)
{
	struct errmsg msg = { { 0 } };
	struct buf out;

	CHECK_INT(round_trip(&port_config_table, "{\"Name\":\"\",\"Protocol\":\"UDP\","
			     "\"PublishMode\":\"\"}", &out, &msg), 0);
	CHECK_STR(buf_str(&out), "{\"Protocol\":\"udp\",\"PublishMode\":\"ingress\"}");
	buf_done(&out);
}

TEST(an_unknown_null_is_dropped)
{
	struct errmsg msg = { { 0 } };
	struct task_spec spec;
	struct arena a;

	arena_init(&a);
	CHECK_INT(model_parse(&a, &task_spec_table, MODEL_API,
			      SLICE("{\"RUNTIME\":\"x\",\"NETWORKS\":null,\"Nets\":null}"), &spec,
			      &msg), 0);
	CHECK_STR(spec.runtime, "x");
	CHECK_INT(spec.extra.len, 0);
	arena_done(&a);
}

TEST(tasks_are_named_after_slot_or_node)
{
	struct task t = { .meta.id = "id", .service_name = "web", .slot = 3, .node_id = "n" };
	struct arena a;

	arena_init(&a);
	CHECK_STR(task_name(&a, &t), "web.3.id");
	t.slot = 0;
	CHECK_STR(task_name(&a, &t), "web.n.id");
	t.status.state = TASK_RUNNING;
	t.desired_state = TASK_RUNNING;
	CHECK(task_is_active(&t) && !task_is_dead(&t));
	t.status.state = TASK_COMPLETE;
	t.desired_state = TASK_SHUTDOWN;
	CHECK(!task_is_active(&t) && task_is_dead(&t));
	arena_done(&a);
}
