/* template.h - the placeholders of a task's environment, hostname and mounts. Pure.
 *
 * {{.Service.ID}} {{.Service.Name}} {{.Node.ID}} {{.Node.Hostname}} {{.Node.Platform.OS}}
 * {{.Node.Platform.Architecture}} {{.Task.ID}} {{.Task.Name}} {{.Task.Slot}}, as Docker's
 * swarm has them, with blanks allowed inside the braces.
 */
#ifndef SB_DOCKER_TEMPLATE_H
#define SB_DOCKER_TEMPLATE_H
#include "base/arena.h"
#include "base/err.h"
#include "model/task.h"

struct template_node {
	const char *id, *hostname, *os, *architecture;	/* NULL counts as "" */
};

struct template_values {
	const struct task *task;
	const char *task_name;
	const struct template_node *node;
	int json;	/* text is JSON: values are escaped for the inside of a string */
};

/*
 * text with every placeholder replaced, in a; text itself when it has none.
 * NULL with msg: an unknown placeholder, one that is not closed, or a result over 64 KiB.
 */
const char *template_expand(struct arena *a, const struct template_values *values,
			    const char *text, struct errmsg *msg);
#endif
