/* Contracts and the layout are in backup.h. A table that parsed names each file once, and no other
 * than those: who restores it need not look at a name again. */
#include "applets/manager/backup.h"
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include "base/bytes.h"
#include "base/timefmt.h"

static const char *const fixed[BACKUP_FIXED] = { "node.json", "identity", "key" };

static int has_digits(const char *text)
{
	return strlen(text) == 16 && strspn(text, "0123456789abcdef") == 16;
}

enum backup_raft backup_raft_of(const char *name)
{
	if (strncmp(name, "wal-", 4) == 0 && has_digits(name + 4))
		return BACKUP_SEGMENT;
	return strncmp(name, "snapshot-", 9) == 0 && has_digits(name + 9) ? BACKUP_SNAPSHOT :
		BACKUP_OTHER;
}

/* May file number i be what it is, after those before it? */
static int is_in_order(const struct backup_table *t, uint32_t i)
{
	const struct backup_file *f = &t->files[i];
	enum backup_raft kind;

	if (f->size > BACKUP_FILE_MAX)
		return 0;
	if (i < BACKUP_FIXED)
		return strcmp(f->name, fixed[i]) == 0;
	kind = backup_raft_of(f->name);
	if (i == BACKUP_FIXED)
		return kind == BACKUP_SEGMENT;
	if (kind == BACKUP_OTHER || backup_raft_of(f[-1].name) != BACKUP_SEGMENT)
		return 0;
	return kind == BACKUP_SNAPSHOT || strcmp(f[-1].name, f->name) < 0;
}

/* 0, or ERR_CORRUPT: they are not what they should be. */
static int check_order(const struct backup_table *t)
{
	for (uint32_t i = 0; i < t->count; i++) {
		if (!is_in_order(t, i))
			return ERR_CORRUPT;
	}
	return t->count > BACKUP_FIXED ? 0 : ERR_CORRUPT;
}

static void add_u32(struct buf *out, size_t value)
{
	uint8_t number[4];

	bytes_put(number, sizeof(number), value);
	buf_add(out, number, sizeof(number));
}

void backup_table_build(const struct backup_table *t, struct buf *out)
{
	size_t start = out->len, length;
	uint8_t size[8];

	assert(t->count <= BACKUP_FILES_MAX && check_order(t) == 0);
	for (uint32_t i = 0; i < t->count; i++) {
		buf_add_char(out, (char)strlen(t->files[i].name));
		buf_add_str(out, t->files[i].name);
		bytes_put(size, sizeof(size), t->files[i].size);
		buf_add(out, size, sizeof(size));
	}
	length = out->len - start;
	add_u32(out, t->count);
	add_u32(out, length);
	assert(!out->failed);
}

/* Takes n bytes off the front; NULL if there are less. */
static const char *take(struct slice *bytes, size_t n)
{
	const char *p = bytes->data;

	if (bytes->len < n)
		return NULL;
	bytes->data += n;
	bytes->len -= n;
	return p;
}

static int file_parse(struct slice *bytes, struct backup_file *f)
{
	const char *length = take(bytes, 1), *name, *size;

	if (!length || (unsigned char)*length >= BACKUP_NAME_MAX)
		return ERR_CORRUPT;
	name = take(bytes, (unsigned char)*length);
	size = take(bytes, 8);
	if (!name || !size || memchr(name, '\0', (unsigned char)*length))
		return ERR_CORRUPT;
	*f = (struct backup_file){ .size = bytes_get_u64(size) };
	memcpy(f->name, name, (unsigned char)*length);
	return 0;
}

/* The files end where the table begins. */
static int lay_out(struct backup_table *t, uint64_t table_at)
{
	uint64_t offset = 0;

	for (uint32_t i = 0; i < t->count; i++) {
		t->files[i].offset = offset;
		offset += t->files[i].size;
	}
	return offset == table_at ? 0 : ERR_CORRUPT;
}

enum { ENDING = 8 };	/* count and length */

int backup_table_parse(struct slice end, uint64_t length, struct backup_table *t)
{
	struct slice rest;
	uint64_t n;
	int err = 0;

	if (end.len < ENDING)
		return ERR_CORRUPT;
	n = bytes_get_u32(end.data + end.len - 4);
	t->count = bytes_get_u32(end.data + end.len - ENDING);
	if (n > end.len - ENDING || t->count > BACKUP_FILES_MAX)
		return ERR_CORRUPT;
	rest = (struct slice){ end.data + end.len - ENDING - n, n };
	for (uint32_t i = 0; err == 0 && i < t->count; i++)
		err = file_parse(&rest, &t->files[i]);
	if (err == 0)
		err = rest.len ? ERR_CORRUPT : check_order(t);
	return err < 0 ? err : lay_out(t, length - ENDING - n);
}

/* ---- what is told ------------------------------------------------------------------- */

enum { SWARM, NODE, INDEX, CREATED, FIRST_COUNT };

/* "SERVICES" and "Services" of "service". */
static struct column count_column(struct arena *a, const char *kind)
{
	char *title = arena_printf(a, "%ss", kind);
	char *field = arena_printf(a, "%ss", kind);

	for (char *p = title; *p; p++)
		*p = (char)(*p - 'a' + 'A');
	*field = *title;
	return (struct column){ title, field };
}

static const char *number(struct arena *a, const struct backup_seen *seen, uint64_t n)
{
	return seen->is_locked ? "" : arena_printf(a, "%llu", (unsigned long long)n);
}

void backup_seen_write(const struct backup_seen *seen, enum rows_form form, struct arena *a,
		       struct buf *out)
{
	struct column columns[FIRST_COUNT + OBJECT_KINDS] = {
		[SWARM] = { "SWARM", "Swarm" }, [NODE] = { "NODE", "Node" },
		[INDEX] = { "INDEX", "Index" }, [CREATED] = { "CREATED", "Created" },
	};
	char time[TIME_TEXT_MAX];
	unsigned width = FIRST_COUNT;
	const char **row;
	struct rows r;

	for (int kind = OBJECT_NODE; kind < OBJECT_KINDS; kind++)
		columns[width++] = count_column(a, object_kind_names[kind]);
	columns[width++] = (struct column){ "PAIRS", "Pairs" };
	rows_init(&r, a, columns, width);
	row = rows_add(&r);
	time_format(seen->time_ns, time);
	row[SWARM] = seen->swarm_id;
	row[NODE] = seen->node_id;
	row[INDEX] = number(a, seen, seen->index);
	row[CREATED] = arena_str(a, slice_of(time));
	for (int kind = OBJECT_NODE; kind < OBJECT_KINDS; kind++)
		row[FIRST_COUNT + kind - OBJECT_NODE] = number(a, seen, seen->counts[kind]);
	row[width - 1] = number(a, seen, seen->pairs);
	rows_write(&r, form, out);
}

const char *backup_seen_text(const struct backup_seen *seen, struct arena *a)
{
	const char *text = arena_printf(a, "node %s", seen->node_id);

	if (seen->is_locked)
		return arena_printf(a, "%s, whose content is locked with the swarm's unlock key",
				    text);
	text = arena_printf(a, "%s of swarm %s at index %llu (", text, seen->swarm_id,
			    (unsigned long long)seen->index);
	for (int kind = OBJECT_NODE; kind < OBJECT_KINDS; kind++)
		text = arena_printf(a, "%s%zu %s%s, ", text, seen->counts[kind],
				    object_kind_names[kind], seen->counts[kind] == 1 ? "" : "s");
	return arena_printf(a, "%s%zu pair%s)", text, seen->pairs, seen->pairs == 1 ? "" : "s");
}
