/* saved.h - sizes in a saved state, see save.c. Pure. Only for applets/manager/state. */
#ifndef SB_APPLETS_MANAGER_STATE_SAVED_H
#define SB_APPLETS_MANAGER_STATE_SAVED_H
#include "applets/manager/state/entry.h"

enum {
	SAVED_FORMAT = 2,
	SAVED_PAIR = 2 + 4 + 3 * 8,	/* before key and value */
	SAVED_GRAVE = 2 + 8,		/* before the key */
	SAVED_RECENT = REQUEST_ID_LEN + 2 + 2,	/* before the body */
	SAVED_LINE_MAX = 4 << 20,	/* an object: twice an entry, which brought it here */
};
#endif
