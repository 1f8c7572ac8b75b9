/* Contracts are in scratch.h. */
#include "scratch.h"
#include <assert.h>
#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void scratch_make(char path[SCRATCH_PATH])
{
	const char *top = getenv("TMPDIR");
	int n = snprintf(path, SCRATCH_PATH, "%s/swarmbox-unit-XXXXXX", top ? top : "/tmp");

	assert(n > 0 && n < SCRATCH_PATH);
	char *made = mkdtemp(path);

	assert(made);
	(void)made;
}

static int gone(const char *path, const struct stat *st, int type, struct FTW *f)
{
	(void)st;
	(void)type;
	(void)f;
	return remove(path);
}

void scratch_remove(const char *path)
{
	nftw(path, gone, 16, FTW_DEPTH | FTW_PHYS);
}

const char *scratch_file(const char *folder, const char *name)
{
	static char path[2 * SCRATCH_PATH];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

char *scratch_read(const char *path, size_t *n)
{
	FILE *f = fopen(path, "rb");
	struct stat st;
	char *bytes;

	if (!f)
		return NULL;
	if (fstat(fileno(f), &st) < 0)
		st.st_size = 0;
	bytes = malloc((size_t)st.st_size + 1);
	assert(bytes);
	*n = fread(bytes, 1, (size_t)st.st_size, f);
	fclose(f);
	return bytes;
}

void scratch_write(const char *path, const void *bytes, size_t n)
{
	FILE *f = fopen(path, "wb");
	size_t put;

	assert(f);
	put = fwrite(bytes, 1, n, f);
	assert(put == n);
	(void)put;
	fclose(f);
}

int scratch_count(const char *folder, const char *prefix, char name[SCRATCH_PATH])
{
	DIR *dir = opendir(folder);
	struct dirent *e;
	int n = 0;

	while (dir && (e = readdir(dir)) != NULL) {
		if (strncmp(e->d_name, prefix, strlen(prefix)) != 0)
			continue;
		if (name && (n == 0 || strcmp(e->d_name, name) < 0))
			snprintf(name, SCRATCH_PATH, "%s", e->d_name);
		n++;
	}
	if (dir)
		closedir(dir);
	return n;
}
