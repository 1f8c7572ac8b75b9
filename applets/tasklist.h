/* tasklist.h - lists of tasks: service ps, stack ps, node ps. Pure. */
#ifndef SB_TASKLIST_H
#define SB_TASKLIST_H
#include "applets/cli.h"
#include "applets/rows.h"

struct tasklist {
	const struct json *tasks;	/* the API's arrays */
	const struct json *services;	/* for names; NULL: ids */
	const struct json *nodes;	/* for host names; NULL: ids */
	int64_t now_ns;			/* Unix time */
};

/* Writes the list in the form that o asks for: sorted by name, the newest task of a slot
 * first. 0, or an error of model_decode with msg, or of rows_form. */
int tasklist_write(struct arena *a, const struct tasklist *list, const struct rows_options *o,
		   struct buf *out, struct errmsg *msg);

/*
 * Asks the API for the tasks at path ("/tasks?filters=...") and what their names need, and
 * prints them. empty: what to print on stderr, with a line break, when there are none and a
 * table is asked for; NULL: the empty table. Returns the exit status.
 */
int tasklist_print(struct cli *cli, const char *path, const struct rows_options *o,
		   const char *empty);

/* "*:8080->80/tcp, ..." of struct port_config; host != 0: only those of mode host, else only
 * those of mode ingress. */
const char *tasklist_ports(struct arena *a, const struct list *ports, int host);
/* An image as people write it: without the digest behind a tag. */
const char *tasklist_image(struct arena *a, const char *image, int no_trunc);
#endif
