/* Contracts are in docker.h. */
#include "docker/docker.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "codec/json.h"
#include "http/url.h"

enum { INFO_TIMEOUT_MS = 10000 };

struct docker_request docker_request(struct arena *a, const char *method, uint64_t timeout_ms,
				     const char *format, ...)
{
	char target[DOCKER_TARGET_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(target, sizeof(target), format, args);
	va_end(args);
	return (struct docker_request){
		.method = method, .target = arena_str(a, slice_of(target)),
		.timeout_ms = timeout_ms,
	};
}

const char *docker_escape(struct arena *a, const char *text)
{
	struct buf b;
	const char *out;

	buf_init(&b, DOCKER_TARGET_MAX);
	http_url_encode(&b, slice_of(text));
	out = arena_str(a, buf_slice(&b));
	buf_done(&b);
	return out;
}

const char *docker_label_filter(struct arena *a, const char *key, const char *value)
{
	return docker_escape(a, arena_printf(a, "{\"label\":[\"%s=%s\"]}", key, value));
}

const char *docker_error(struct arena *a, int status, struct slice body)
{
	const struct json *root;
	struct slice text = slice_trim(body);
	char *line;

	if (json_parse(a, body, &root, NULL) == 0 && json_string(json_get(root, "message")).len)
		text = slice_trim(json_string(json_get(root, "message")));
	if (text.len == 0)
		return arena_printf(a, "the engine answered with status %d", status);
	if (text.len > DOCKER_ERROR_MAX)
		text.len = DOCKER_ERROR_MAX;
	line = arena_str(a, text);
	for (char *p = line; *p; p++) {
		if ((unsigned char)*p < ' ')
			*p = ' ';
	}
	return line;
}

struct docker_request docker_info_request(struct arena *a)
{
	return docker_request(a, "GET", INFO_TIMEOUT_MS, "/info");
}

/* The engine's labels are "key=value" strings; sorted as struct labels asks. */
static struct labels info_labels(struct arena *a, const struct json *list)
{
	struct labels out = { 0 };

	for (const struct json *n = json_first(list); n; n = json_next(n)) {
		struct slice value = json_string(n), key = slice_cut(&value, '=');
		char *k = arena_str(a, key), *v = arena_str(a, value);

		out = labels_with(a, &out, k, v);
	}
	return out;
}

static int plugin_before(const struct label *x, const struct label *y)
{
	int order = strcmp(x->key, y->key);

	return order ? order < 0 : strcmp(x->value, y->value) < 0;
}

/* [{"Type":..,"Name":..}] sorted, as the API's node description has them. */
static struct slice info_plugins(struct arena *a, const struct json *plugins)
{
	struct label items[128];	/* an engine has about twenty */
	size_t count = 0;
	struct buf b;
	struct json_writer w;
	struct slice out;

	for (const struct json *t = json_first(plugins); t; t = json_next(t)) {
		for (const struct json *n = json_first(t); n && count < 128; n = json_next(n)) {
			struct label x = { arena_str(a, json_key(t)),
					   arena_str(a, json_string(n)) };
			size_t at = count++;

			for (; at > 0 && plugin_before(&x, &items[at - 1]); at--)
				items[at] = items[at - 1];
			items[at] = x;
		}
	}
	buf_init(&b, 64 * 1024);
	json_begin(&w, &b);
	json_open_array(&w);
	for (size_t i = 0; i < count; i++) {
		json_open_object(&w);
		json_put_str(&w, "Type", items[i].key);
		json_put_str(&w, "Name", items[i].value);
		json_close_object(&w);
	}
	json_close_array(&w);
	out = b.failed ? SLICE("[]") : arena_copy(a, buf_slice(&b));
	buf_done(&b);
	return out;
}

static const char *member(struct arena *a, const struct json *object, const char *key)
{
	return arena_str(a, json_string(json_get(object, key)));
}

int docker_info_parse(struct arena *a, struct slice body, const char *hostname,
		      struct node_description *out, struct errmsg *msg)
{
	const struct json *root;
	int64_t cpus = 0, memory = 0;
	int err = json_parse(a, body, &root, msg);

	if (err < 0)
		return errmsg_prefix(msg, err, "the engine's /info");
	if (!json_get(root, "ServerVersion"))
		return errmsg_set(msg, ERR_INVALID, "the engine's /info has no ServerVersion");
	json_to_i64(json_get(root, "NCPU"), &cpus);
	json_to_i64(json_get(root, "MemTotal"), &memory);
	*out = (struct node_description){
		.hostname = hostname ? hostname : member(a, root, "Name"),
		.platform = { member(a, root, "Architecture"), member(a, root, "OSType") },
		.resources = { cpus > 0 && cpus < 100000 ? cpus * INT64_C(1000000000) : 0, memory },
		.engine = {
			.engine_version = member(a, root, "ServerVersion"),
			.labels = info_labels(a, json_get(root, "Labels")),
			.plugins = info_plugins(a, json_get(root, "Plugins")),
		},
	};
	return 0;
}

struct docker_request docker_events_request(struct arena *a, const char *node_id,
					    int64_t since_s)
{
	const char *filters = arena_printf(a,
		"{\"type\":[\"container\"],\"event\":[\"create\",\"start\",\"die\","
		"\"destroy\",\"health_status\"],"
		"\"label\":[\"" LABEL_NODE_ID "=%s\"]}", node_id);

	return docker_request(a, "GET", 0, "/events?since=%lld&filters=%s", (long long)since_s,
			      docker_escape(a, filters));
}

int docker_event_parse(struct arena *a, struct slice line, struct docker_event *out)
{
	const struct json *root, *actor;

	if (json_parse(a, line, &root, NULL) < 0)
		return ERR_INVALID;
	actor = json_get(root, "Actor");
	*out = (struct docker_event){
		.container = json_string(json_get(actor, "ID")),
		.task = json_string(json_get(json_get(actor, "Attributes"), LABEL_TASK_ID)),
		.action = json_string(json_get(root, "Action")),
	};
	return out->container.len && out->action.len ? 0 : ERR_INVALID;
}

void lines_init(struct lines *l)
{
	*l = (struct lines){ 0 };
	/* What is fed at once is one read of a driver on top of an unfinished line. */
	buf_init(&l->buf, (size_t)LINES_LINE_MAX * 5);
}

void lines_done(struct lines *l)
{
	buf_done(&l->buf);
	lines_init(l);
}

void lines_feed(struct lines *l, struct slice piece)
{
	buf_consume(&l->buf, l->taken);
	l->taken = 0;
	if (l->buf.len > LINES_LINE_MAX) {
		buf_reset(&l->buf);
		l->skipping = 1;
	}
	buf_add_slice(&l->buf, piece);
	if (l->buf.failed) {
		buf_reset(&l->buf);
		l->skipping = 1;
	}
}

int lines_next(struct lines *l, struct slice *line)
{
	while (l->taken < l->buf.len) {
		struct slice rest = { l->buf.data + l->taken, l->buf.len - l->taken };
		size_t end = slice_find(rest, '\n');
		int skip = l->skipping;

		if (end == rest.len)
			return 0;
		l->taken += end + 1;
		l->skipping = 0;
		*line = slice_trim((struct slice){ rest.data, end });
		if (!skip && line->len)
			return 1;
	}
	return 0;
}
