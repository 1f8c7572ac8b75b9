/* interpolate.h - variables in the texts of a compose file. Pure.
 *
 *	$NAME ${NAME}		its value; nothing when it is not set
 *	${NAME:-text}		text when it is not set or empty
 *	${NAME-text}		text when it is not set
 *	${NAME:?text}		an error that says text when it is not set or empty
 *	${NAME?text}		an error that says text when it is not set
 *	$$			a plain $
 *
 * text reaches to the first } and is taken as it stands. NAME is [A-Za-z_][A-Za-z0-9_]*.
 * All else after a $ is an error. Source: docker/cli cli/compose/template.
 */
#ifndef SB_STACK_INTERPOLATE_H
#define SB_STACK_INTERPOLATE_H
#include "base/buf.h"
#include "base/err.h"

enum { INTERPOLATE_NAME_MAX = 255 };

struct variables {
	void *context;
	const char *(*get)(void *context, const char *name);	/* or NULL */
};

/*
 * Adds text with its variables replaced to out. *unset becomes the first name that is not set
 * and has no default, else the empty slice. 0, or ERR_INVALID with msg; a full out is for
 * the caller to see.
 */
int interpolate(const struct variables *vars, struct slice text, struct buf *out,
		struct slice *unset, struct errmsg *msg);
#endif
