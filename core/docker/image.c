/* Contracts are in image.h. */
#include "docker/image.h"
#include <string.h>
#include "codec/json.h"
#include "http/url.h"

enum { IMAGE_INSPECT_TIMEOUT_MS = 30000, IMAGE_PULL_TIMEOUT_MS = 60 * 60 * 1000 };

/* A reference keeps its '/': some engines route before they decode. */
static const char *path_escape(struct arena *a, const char *image)
{
	struct slice rest = slice_of(image);
	struct buf b;
	const char *out;

	buf_init(&b, DOCKER_TARGET_MAX);
	while (rest.len) {
		struct slice part = slice_cut(&rest, '/');

		http_url_encode(&b, part);
		if (rest.data)
			buf_add_char(&b, '/');
	}
	out = arena_str(a, buf_slice(&b));
	buf_done(&b);
	return out;
}

struct docker_request image_inspect_request(struct arena *a, const char *image)
{
	return docker_request(a, "GET", IMAGE_INSPECT_TIMEOUT_MS, "/images/%s/json",
			      path_escape(a, image));
}

struct docker_request image_pull_request(struct arena *a, const char *image)
{
	const char *slash = strrchr(image, '/');
	const char *last = slash ? slash + 1 : image;
	const char *cut = strchr(last, '@');
	const char *tag = "latest";
	struct slice name = slice_of(image);

	if (!cut)
		cut = strchr(last, ':');
	if (cut) {
		name.len = (size_t)(cut - image);
		tag = cut + 1;
	}
	return docker_request(a, "POST", IMAGE_PULL_TIMEOUT_MS,
			      "/images/create?fromImage=%s&tag=%s",
			      docker_escape(a, arena_str(a, name)), docker_escape(a, tag));
}

const char *image_pull_error(struct arena *a, struct slice line)
{
	const struct json *root;
	struct slice text;

	if (json_parse(a, line, &root, NULL) < 0)
		return NULL;
	text = json_string(json_get(root, "error"));
	if (text.len == 0)
		text = json_string(json_get(root, "message"));
	if (text.len > DOCKER_ERROR_MAX)
		text.len = DOCKER_ERROR_MAX;
	return text.len ? arena_str(a, text) : NULL;
}
