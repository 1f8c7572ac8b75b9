/* Contracts and the layout are in backup.h. A table that parsed names each file once, and no other
 * than those: who restores it need not look at a name again. */
#include "applets/manager/backup.h"
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include "base/bytes.h"
#include "base/timefmt.h"

static const char *const fixed[BACKUP_FIXED] = { "node.json", "identity", "key" };

enum { OTHER, SEGMENT, SNAPSHOT };

static int has_digits(const char *text)
{
	return strlen(text) == 16 && strspn(text, "0123456789abcdef") == 16;
}

int backup_is_raft(const char *name)
{
	if (strncmp(name, "wal-", 4) == 0 && has_digits(name + 4))
		return SEGMENT;
	return strncmp(name, "snapshot-", 9) == 0 && has_digits(name + 9) ? SNAPSHOT : OTHER;
}

/* May file number i be what it is, after those before it? */
static int is_in_order(const struct backup_table *t, uint32_t i)
{
	const struct backup_file *f = &t->files[i];
	int kind, before;

	if (f->size > BACKUP_FILE_MAX)
		return 0;
	if (i < BACKUP_FIXED)
		return strcmp(f->name, fixed[i]) == 0;
	kind = backup_is_raft(f->name);
	before = i == BACKUP_FIXED ? SEGMENT : backup_is_raft(f[-1].name);
	if (kind == OTHER || before != SEGMENT)
		return 0;
	return kind == SNAPSHOT || i == BACKUP_FIXED || strcmp(f[-1].name, f->name) < 0;
}

/* Sets offsets and the end. 0, or ERR_CORRUPT: they are not what they should be. */
static int lay_out(struct backup_table *t, uint64_t offset)
{
	for (uint32_t i = 0; i < t->count; i++) {
		if (!is_in_order(t, i))
			return ERR_CORRUPT;
		t->files[i].offset = offset;
		offset += t->files[i].size;
	}
	t->end = offset;
	return t->count >= BACKUP_FIXED ? 0 : ERR_CORRUPT;
}

void backup_table_build(struct backup_table *t, struct buf *out)
{
	size_t start = out->len;
	uint8_t number[8];
	int err;

	assert(t->count <= BACKUP_FILES_MAX);
	bytes_put(number, 4, t->count);
	buf_add(out, number, 4);
	for (uint32_t i = 0; i < t->count; i++) {
		buf_add_char(out, (char)strlen(t->files[i].name));
		buf_add_str(out, t->files[i].name);
		bytes_put(number, 8, t->files[i].size);
		buf_add(out, number, 8);
	}
	err = lay_out(t, out->len - start);
	assert(err == 0 && !out->failed);
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

int backup_table_parse(struct slice bytes, uint64_t length, struct backup_table *t)
{
	struct slice rest = bytes;
	const char *count = take(&rest, 4);
	int err = 0;

	t->count = count ? bytes_get_u32(count) : 0;
	if (t->count > BACKUP_FILES_MAX)
		return ERR_CORRUPT;
	for (uint32_t i = 0; err == 0 && i < t->count; i++)
		err = file_parse(&rest, &t->files[i]);
	if (err == 0)
		err = lay_out(t, bytes.len - rest.len);
	return err == 0 && t->end == length ? 0 : ERR_CORRUPT;
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
