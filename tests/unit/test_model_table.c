/* The tables against samples as a real daemon prints them. */
#include <string.h>
#include "model/node.h"
#include "model/task.h"
#include "unit.h"

static const char SERVICE[] =
	"{\"ID\":\"ab\",\"Version\":{\"Index\":21},\"CreatedAt\":\"2026-01-02T03:04:05.6Z\","
	"\"UpdatedAt\":\"2026-01-02T03:04:05.6Z\",\"Spec\":{\"Name\":\"pp\",\"Labels\":{},"
	"\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"tiny:1\",\"Isolation\":\"default\"},"
	"\"ForceUpdate\":0,\"Runtime\":\"container\"},\"Mode\":{\"Replicated\":{\"Replicas\":0}},"
	"\"EndpointSpec\":{\"Mode\":\"vip\",\"Ports\":[{\"Protocol\":\"tcp\",\"TargetPort\":80,"
	"\"PublishMode\":\"ingress\"}]}},\"Endpoint\":{\"Spec\":{\"Mode\":\"vip\"},\"Ports\":["
	"{\"Protocol\":\"tcp\",\"TargetPort\":80,\"PublishedPort\":30000,"
	"\"PublishMode\":\"ingress\"}]}}";

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

TEST(a_service_comes_back_as_it_was)
{
	struct errmsg msg = { { 0 } };
	struct buf out;

	CHECK_INT(round_trip(&service_table, SERVICE, &out, &msg), 0);
	CHECK_STR(buf_str(&out), SERVICE);
	buf_done(&out);
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
	check_error(&service_spec_table, "{\"TaskTemplate\":{\"Resources\":{\"Limits\":{\"NanoCPUs\":"
		    "\"x\"}}}}", "TaskTemplate: Resources: Limits: NanoCPUs: must be an integer");
	check_error(&service_spec_table, "{\"EndpointSpec\":{\"Ports\":[{},{\"Protocol\":\"x\"}]}}",
		    "EndpointSpec: Ports: 1: Protocol: invalid value \"x\": must be one of tcp, udp, "
		    "sctp");
	check_error(&service_spec_table, "{\"Name\":7}", "Name: must be a string");
	check_error(&service_spec_table, "[]", "must be an object");
	check_error(&service_spec_table, "{\"Mode\":{\"Replicated\":{\"Replicas\":-1}}}",
		    "Mode: Replicated: Replicas: must be an integer, not negative");
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
