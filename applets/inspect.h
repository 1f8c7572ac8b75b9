/* inspect.h - objects as the API has them, for people: service, node and network inspect. Pure. */
#ifndef SB_INSPECT_H
#define SB_INSPECT_H
#include "applets/cli.h"

struct inspect_options {
	const char *format;
	int pretty;
};

#define INSPECT_FORMAT { "format", 'f', OPTION_STRING, NULL, NULL, \
	"How to print: json is one object a line", offsetof(struct inspect_options, format), NULL }
#define INSPECT_PRETTY { "pretty", 0, OPTION_FLAG, NULL, NULL, \
	"Print what matters, for people", offsetof(struct inspect_options, pretty), NULL }

/*
 * Prints every object that the command's arguments name: a JSON array, indented; one object
 * a line with --format json; or with --pretty what `pretty` writes (NULL: there is none).
 * path: of the object of that name, as cli_path writes it. An object that cannot be had is
 * an error line, after the others were printed. Returns the exit status.
 */
int inspect_run(struct cli *cli, const char *(*path)(struct cli *cli, const char *name),
		int (*pretty)(struct cli *cli, const struct json *object, struct buf *out,
			      struct errmsg *msg));

/* JSON text with line breaks and four blanks a level, as docker's. text: valid JSON. */
void inspect_indent(struct buf *out, struct slice text, unsigned level);
#endif
