/* model_private.h - how tables are written. Pure. Only for core/model. */
#ifndef SB_MODEL_MODEL_PRIVATE_H
#define SB_MODEL_MODEL_PRIVATE_H
#include <stddef.h>
#include "model/table.h"

/* One row of a table: struct type, member, JSON name, kind. */
#define ROW(type, member, json, kind_, flags_) \
	{ .name = (json), .kind = (kind_), .flags = (flags_), \
	  .offset = offsetof(struct type, member) }
#define ROW_TABLE(type, member, json, kind_, flags_, table_) \
	{ .name = (json), .kind = (kind_), .flags = (flags_), \
	  .offset = offsetof(struct type, member), .table = (table_) }
#define ROW_ENUM(type, member, json, names_, flags_) \
	{ .name = (json), .kind = FIELD_ENUM, .flags = (flags_), \
	  .offset = offsetof(struct type, member), .names = (names_) }
#define OMIT FIELD_OMIT_EMPTY

/* ID, Version, CreatedAt, UpdatedAt: flat at the front of every object. */
extern const struct table meta_table, platform_table;
/* enum node_role */
extern const char *const role_names[];
#endif
