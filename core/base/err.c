/* Contracts are in err.h. */
#include "base/err.h"
#include <stdio.h>
#include <string.h>

const char *err_text(int err)
{
	if (err >= 0)
		return "ok";
	switch ((enum err)err) {
#define X(name, value, text) case name: return text;
	ERR_LIST(X)
#undef X
	}
	return "unknown error";
}

/* A message is one terminal line: what a peer sent must not move the cursor. */
static void clean(char *text)
{
	for (char *p = text; *p; p++) {
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	}
}

int errmsg_set(struct errmsg *msg, int err, const char *format, ...)
{
	va_list args;

	if (!msg)
		return err;
	va_start(args, format);
	vsnprintf(msg->text, sizeof(msg->text), format, args);
	va_end(args);
	clean(msg->text);
	return err;
}

int errmsg_prefix(struct errmsg *msg, int err, const char *format, ...)
{
	char rest[ERRMSG_MAX];
	va_list args;
	int n;

	if (!msg)
		return err;
	memcpy(rest, msg->text, sizeof(rest));
	va_start(args, format);
	n = vsnprintf(msg->text, sizeof(msg->text), format, args);
	va_end(args);
	if (n >= 0 && (size_t)n + 2 < sizeof(msg->text)) {
		size_t room = sizeof(msg->text) - (size_t)n - 3;
		size_t len = strlen(rest);

		memcpy(msg->text + n, ": ", 2);
		memcpy(msg->text + n + 2, rest, len < room ? len : room);
		msg->text[(size_t)n + 2 + (len < room ? len : room)] = '\0';
	}
	clean(msg->text);
	return err;
}
