/* Which groups lie in the spool: see inspect.h. */
#include "spool/inspect.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "counters/shared.h"
#include "spool/record.h"
#include "spool/segment.h"
#include "spool/spool.h"

/* As many as a spool of several gigabytes has; 32 bytes each. */
#define MAX_RECORDS ((size_t)16 * 1024 * 1024)
#define FIRST_RECORDS 1024
#define ARENA_BYTES (4 * MR_SEGMENT_MAX_PAYLOAD)
#define MAX_PATH 4096

struct scanning {
	struct mr_scan *scan;
	size_t cap;
	struct mr_arena arena;
	struct mr_error *err;
};

static enum mr_err
add(struct scanning *s, const struct mr_scan_record *record)
{
	size_t cap = s->cap == 0 ? FIRST_RECORDS : 2 * s->cap;
	struct mr_scan_record *records;

	if (s->scan->n == s->cap) {
		if (cap > MAX_RECORDS)
			return mr_fail(s->err, MR_ELIMIT, "the spool has more than %zu records",
			    s->cap);
		records = realloc(s->scan->records, cap * sizeof *records);
		if (records == NULL)
			return mr_fail(s->err, MR_ENOMEM, "no memory to list the spool");
		s->scan->records = records;
		s->cap = cap;
	}
	s->scan->records[s->scan->n++] = *record;
	return MR_OK;
}

/* Adds the record, if its payload can be read: *readable. */
static enum mr_err
add_item(struct scanning *s, const struct mr_segment_item *item, bool ours, bool quarantined,
    bool *readable)
{
	struct mr_scan_record record = { .ours = ours, .quarantined = quarantined };
	struct mr_batch *batches;
	size_t n;
	enum mr_err e;

	mr_arena_reset(&s->arena);
	e = mr_record_decode(&s->arena, item->bytes, &batches, &n, NULL);
	*readable = e == MR_OK;
	if (e == MR_ENOMEM)
		return mr_fail(s->err, e, "no memory for a record of %zu bytes", item->bytes.n);
	if (e != MR_OK)
		return MR_OK;
	for (size_t i = 0; i < n; i++)
		record.events += (uint32_t)(batches[i].n_rows + batches[i].n_rejects);
	memcpy(record.group, item->group, MR_UUID_BYTES);
	return add(s, &record);
}

static enum mr_err
scan_segment(struct scanning *s, const char *path)
{
	struct mr_segment *segment;
	struct mr_segment_item item;
	struct mr_error why = MR_ERROR_INIT;
	enum mr_err e = mr_segment_peek(&segment, path, &why);
	bool readable, ours;

	/* Gone is replayed; what is no segment has no records. */
	if (e == MR_EAGAIN || e == MR_EINVAL)
		return MR_OK;
	if (e != MR_OK)
		return mr_fail(s->err, e, "%s", why.text);
	ours = mr_uuid_is_of(mr_segment_id(segment), mr_shared()->header.instance);
	do {
		mr_segment_next(segment, &item);
		if (item.what == MR_SEGMENT_RECORD)
			e = add_item(s, &item, ours, false, &readable);
	} while (e == MR_OK && item.what != MR_SEGMENT_END);
	mr_segment_close(segment);
	return e;
}

/* All of a file; p == NULL when it cannot be read. */
static struct mr_str
slurp(int dir_fd, const char *name, char **memory)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	struct mr_str text = MR_STR_NULL;
	ssize_t n;

	*memory = NULL;
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    (*memory = malloc((size_t)st.st_size + 1)) != NULL) {
		text.p = *memory;
		while (text.n < (size_t)st.st_size &&
		    (n = read(fd, *memory + text.n, (size_t)st.st_size - text.n)) > 0)
			text.n += (size_t)n;
	}
	if (fd >= 0)
		close(fd);
	return text;
}

static enum mr_err
scan_piece(struct scanning *s, int dir_fd, const char *name)
{
	struct mr_segment_item item;
	uint8_t id[MR_UUID_BYTES];
	char *memory;
	struct mr_str bytes = slurp(dir_fd, name, &memory);
	bool ours, readable, any = false;
	enum mr_err e = MR_OK;
	size_t at = 0;

	ours = mr_segment_id_of_name(id, name) && mr_uuid_is_of(id, mr_shared()->header.instance);
	while (e == MR_OK && bytes.p != NULL && mr_segment_guess(bytes, &at, &item)) {
		e = add_item(s, &item, ours, true, &readable);
		any |= readable;
	}
	s->scan->unreadable += !any;
	free(memory);
	return e;
}

static bool
ends_with(const char *name, const char *suffix)
{
	size_t n = strlen(name), m = strlen(suffix);

	return n > m && strcmp(name + n - m, suffix) == 0;
}

static enum mr_err
scan_quarantine(struct scanning *s, const char *dir)
{
	char path[MAX_PATH];
	struct dirent *entry;
	enum mr_err e = MR_OK;
	DIR *d;

	(void)snprintf(path, sizeof path, "%.4000s/quarantine", dir);
	d = opendir(path);
	while (e == MR_OK && d != NULL && (entry = readdir(d)) != NULL)
		if (ends_with(entry->d_name, ".bad"))
			e = scan_piece(s, dirfd(d), entry->d_name);
	if (d != NULL)
		closedir(d);
	return e;
}

static int
by_group(const void *a, const void *b)
{
	const struct mr_scan_record *x = a, *y = b;
	int c = memcmp(x->group, y->group, MR_UUID_BYTES);

	return c != 0 ? c : (int)x->quarantined - (int)y->quarantined;
}

/* A record that lies there twice, for example because a piece was put aside again, counts once. */
static void
sort_out(struct mr_scan *scan)
{
	size_t kept = 0;

	if (scan->n > 0)
		qsort(scan->records, scan->n, sizeof *scan->records, by_group);
	for (size_t i = 0; i < scan->n; i++)
		if (kept == 0 || memcmp(scan->records[kept - 1].group, scan->records[i].group,
		    MR_UUID_BYTES) != 0)
			scan->records[kept++] = scan->records[i];
	scan->n = kept;
}

enum mr_err
mr_scan_read(struct mr_scan *scan, const char *dir, struct mr_error *err)
{
	struct scanning s = { .scan = scan, .err = err };
	struct mr_spool_list list;
	enum mr_err e;

	*scan = (struct mr_scan){ .records = NULL };
	if (dir[0] == '\0' || (access(dir, F_OK) != 0 && errno == ENOENT))
		return MR_OK;
	if ((e = mr_spool_list(dir, &list, err)) != MR_OK)
		return e;
	mr_arena_init(&s.arena, ARENA_BYTES);
	for (size_t i = 0; i < list.n && e == MR_OK; i++)
		e = scan_segment(&s, list.paths[i]);
	if (e == MR_OK)
		e = scan_quarantine(&s, dir);
	mr_arena_free(&s.arena);
	mr_spool_list_free(&list);
	sort_out(scan);
	if (e != MR_OK)
		mr_scan_free(scan);
	return e;
}

void
mr_scan_free(struct mr_scan *scan)
{
	free(scan->records);
	*scan = (struct mr_scan){ .records = NULL };
}

uint32_t
mr_scan_find(const struct mr_scan *scan, const uint8_t group[MR_UUID_BYTES])
{
	struct mr_scan_record key = { .events = 0 };
	const struct mr_scan_record *found;

	memcpy(key.group, group, MR_UUID_BYTES);
	found = scan->n > 0 ? bsearch(&key, scan->records, scan->n, sizeof key, by_group) : NULL;
	return found != NULL ? found->events : 0;
}
