/* stack_render.h - a compose text becomes the lines that golden files hold. Pure. */
#ifndef SB_UNIT_STACK_RENDER_H
#define SB_UNIT_STACK_RENDER_H
#include "base/buf.h"

/*
 * Loads text as the stack "S" from the file "F" in /dir and adds to out a line for each
 *	warning TEXT
 *	external NAME
 *	network JSON
 *	service JSON
 * or the one line "error TEXT". The environment is HOME=/home/me, TAG=1.2, EMPTY=, PORT=8080,
 * N=3, YES=true, SECRET=a$b; the only file to be read is /dir/web.env.
 */
void stack_render(struct slice text, struct buf *out);

/* The error of a text, or "" if it loads. In one static place. */
const char *stack_error(const char *text);
#endif
