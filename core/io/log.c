#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/log.h"

/* "2026-11-24T00:22:22.123Z info  "; returns its length. */
static size_t write_head(char *out, size_t size, enum log_level level)
{
	static const char *const names[] = { "error", "warn ", "info ", "debug" };
	int64_t now_ns = clock_wall_ns();
	time_t seconds = (time_t)(now_ns / 1000000000);
	struct tm t;

	gmtime_r(&seconds, &t);
	return (size_t)snprintf(out, size, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ %s ",
		t.tm_year + 1900, t.tm_mon + 1, t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec,
		(int)(now_ns / 1000000 % 1000), names[level]);
}

void log_write(enum log_level level, struct slice text)
{
	char line[LOG_LINE_MAX];
	size_t n, room;

	n = write_head(line, sizeof(line), level);
	room = sizeof(line) - n - 1;
	for (size_t i = 0; i < text.len && i < room; i++) {
		unsigned char c = (unsigned char)text.data[i];

		line[n++] = c < 0x20 || c == 0x7f ? '?' : (char)c;
	}
	line[n++] = '\n';
	/* One write, so that the lines of two processes do not mix; a full disk loses it. */
	if (write(STDERR_FILENO, line, n) < 0)
		return;
}

void log_printf(enum log_level level, const char *format, ...)
{
	char text[LOG_LINE_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	log_write(level, slice_of(text));
}
