#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/log.h"

/* One log per process: the only state of this layer that is not in a struct. */
static int log_fd = STDERR_FILENO;
static enum log_level log_most = LOG_INFO;

int log_open(const char *path, struct errmsg *msg)
{
	int fd = STDERR_FILENO;

	if (path)
		fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
	if (fd < 0)
		return errmsg_set(msg, ERR_IO, "%s: %s", path, strerror(errno));
	if (log_fd != STDERR_FILENO)
		close(log_fd);
	log_fd = fd;
	return 0;
}

void log_limit(enum log_level level)
{
	log_most = level;
}

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

	if (level > log_most)
		return;
	n = write_head(line, sizeof(line), level);
	room = sizeof(line) - n - 1;
	for (size_t i = 0; i < text.len && i < room; i++) {
		unsigned char c = (unsigned char)text.data[i];

		line[n++] = c < 0x20 || c == 0x7f ? '?' : (char)c;
	}
	line[n++] = '\n';
	/* One write, so that the lines of two processes do not mix; a full disk loses it. */
	if (write(log_fd, line, n) < 0)
		return;
}

void log_printf(enum log_level level, const char *format, ...)
{
	char text[LOG_LINE_MAX];
	va_list args;

	if (level > log_most)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	log_write(level, slice_of(text));
}
