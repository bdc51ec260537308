/* What lies in the spool: see inspect.h. The segments' format is segment.h's alone. */
#include "spool/inspect.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"
#include "spool/paths.h"
#include "spool/record.h"
#include "spool/segment.h"
#include "spool/spool.h"

/* As many as a spool of several gigabytes has; 32 bytes each. */
#define MAX_GROUPS ((size_t)16 * 1024 * 1024)
#define FIRST_GROUPS 1024
/* A record's structs need up to about four times its bytes, which may be here, too. */
#define ARENA_BYTES (5 * MR_SEGMENT_MAX_PAYLOAD)
#define KNOWN 64    /* segments that are remembered; others are counted each time */
#define NAME_BYTES 64 /* of a segment's name: 49 digits and the suffix */

/* --- records -------------------------------------------------------------------- */

/* Whoever is shown the items of a segment or a piece. events: of a record; -1: it is none. */
struct visitor {
	struct mr_arena arena;
	struct mr_error *err;
	enum mr_err (*visit)(struct visitor *v, const struct mr_segment_item *item,
	    int64_t events);
};

/* Shows an item that is, or looks like, a record. */
static enum mr_err
show_record(struct visitor *v, const struct mr_segment_item *item)
{
	struct mr_batch *batches;
	int64_t events = 0;
	uint32_t said;
	size_t n;
	enum mr_err e;

	mr_arena_reset(&v->arena);
	e = mr_record_decode(&v->arena, item->bytes, &batches, &n, NULL);
	if (e == MR_ENOMEM)
		return mr_fail(v->err, e, "no memory for a record of %zu bytes", item->bytes.n);
	for (size_t i = 0; e == MR_OK && i < n; i++)
		events += (int64_t)(batches[i].n_rows + batches[i].n_rejects);
	if (e != MR_OK)
		events = mr_record_events(item->bytes, &said) ? (int64_t)said : -1;
	return v->visit(v, item, events);
}

static enum mr_err
show_segment(struct visitor *v, struct mr_segment *segment)
{
	struct mr_segment_item item;
	enum mr_err e = MR_OK;

	for (mr_segment_next(segment, &item); e == MR_OK && item.what != MR_SEGMENT_END;
	    mr_segment_next(segment, &item))
		e = item.what == MR_SEGMENT_RECORD ? show_record(v, &item) :
		    v->visit(v, &item, -1);
	return e;
}

/* Calls what for each piece in the quarantine; one that does not exist has none. */
static enum mr_err
for_each_piece(const char *dir, enum mr_err (*what)(void *arg, int dir_fd, const char *name),
    void *arg, struct mr_error *err)
{
	char path[MR_FILE_PATH_MAX];
	struct dirent *entry;
	enum mr_err e = mr_paths_join(path, dir, MR_PATHS_QUARANTINE, "", err);
	DIR *d = e == MR_OK ? opendir(path) : NULL;

	while (e == MR_OK && d != NULL && (entry = readdir(d)) != NULL)
		if (mr_paths_end(entry->d_name, MR_PATHS_PIECE))
			e = what(arg, dirfd(d), entry->d_name);
	if (d != NULL)
		closedir(d);
	return e;
}

/* --- how much waits --------------------------------------------------------------- */

/* How far a segment was counted. */
struct known {
	char name[NAME_BYTES]; /* "": free */
	off_t offset;
	uint64_t records;
	bool seen;             /* in this round */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct known known[KNOWN]; /* guarded by lock */

/* The one of that name, or a free one, or the fallback, all of it at 0. */
static struct known *
find_known(const char *name, struct known *fallback)
{
	struct known *unused = fallback;

	for (size_t i = 0; i < KNOWN; i++) {
		if (strcmp(known[i].name, name) == 0)
			return &known[i];
		if (known[i].name[0] == '\0')
			unused = &known[i];
	}
	*unused = (struct known){ .offset = MR_SEGMENT_HEADER_BYTES };
	(void)snprintf(unused->name, sizeof unused->name, "%s", name);
	return unused;
}

static void
count_segments(const struct mr_spool_list *list, struct mr_backlog *b)
{
	struct known alone = { .name = "" };

	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < list->n; i++) {
		struct known *k = find_known(mr_paths_name(list->paths[i]), &alone);

		k->records += mr_segment_count(list->paths[i], &k->offset);
		k->seen = true;
		b->records += k->records;
	}
	for (size_t i = 0; i < KNOWN; i++) {
		if (!known[i].seen)
			known[i].name[0] = '\0';
		known[i].seen = false;
	}
	pthread_mutex_unlock(&lock);
}

static enum mr_err
count_piece(void *arg, int dir_fd, const char *name)
{
	struct mr_backlog *b = arg;
	struct stat st;

	b->quarantined++;
	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		b->quarantined_bytes += st.st_size;
	return MR_OK;
}

static bool
is_missing(const char *dir)
{
	return access(dir, F_OK) != 0 && errno == ENOENT;
}

enum mr_err
mr_inspect_backlog(const char *dir, struct mr_backlog *b, struct mr_error *err)
{
	struct mr_spool_list list;
	enum mr_err e;

	*b = (struct mr_backlog){ .segments = 0 };
	if (is_missing(dir))
		return MR_OK;
	if ((e = mr_spool_list(dir, &list, err)) != MR_OK)
		return e;
	b->segments = list.n;
	b->bytes = list.bytes;
	if (list.n > 0)
		b->oldest_us = mr_segment_created_us(list.paths[0]);
	count_segments(&list, b);
	mr_spool_list_free(&list);
	return for_each_piece(dir, count_piece, b, err);
}

int64_t
mr_inspect_pending(const char *dir)
{
	struct mr_spool_list list;
	int64_t bytes = 0;
	struct stat st;

	if (mr_spool_list(dir, &list, NULL) != MR_OK)
		return 0;
	for (size_t i = 0; i < list.n; i++) {
		int fd = open(list.paths[i], O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

		if (fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) == 0 && fstat(fd, &st) == 0)
			bytes += st.st_size;
		if (fd >= 0)
			close(fd);
	}
	mr_spool_list_free(&list);
	return bytes;
}

/* --- what each segment holds ------------------------------------------------------ */

struct showing {
	struct visitor visitor; /* first */
	struct mr_inspect_segment shown;
};

static enum mr_err
add_item(struct visitor *v, const struct mr_segment_item *item, int64_t events)
{
	struct mr_inspect_segment *shown = &((struct showing *)v)->shown;

	if (item->what == MR_SEGMENT_TORN) {
		/* Of one that is in use, the end is just being written. */
		shown->torn += !shown->busy;
		return MR_OK;
	}
	if (events < 0) {
		shown->damaged++;
		return MR_OK;
	}
	shown->records++;
	shown->events += (size_t)events;
	if (shown->oldest_us == 0 || item->received_us < shown->oldest_us)
		shown->oldest_us = item->received_us;
	if (item->received_us > shown->newest_us)
		shown->newest_us = item->received_us;
	return MR_OK;
}

static enum mr_err
inspect_segment(struct showing *s, const char *path)
{
	struct mr_segment *segment;
	struct stat st;
	enum mr_err e = mr_segment_open(&segment, path, NULL);

	s->shown = (struct mr_inspect_segment){ .path = path, .busy = e == MR_EAGAIN,
		.foreign = e != MR_OK && e != MR_EAGAIN };
	if (stat(path, &st) == 0)
		s->shown.bytes = st.st_size;
	if (s->shown.busy)
		e = mr_segment_peek(&segment, path, NULL);
	if (e != MR_OK)
		return MR_OK;
	e = show_segment(&s->visitor, segment);
	mr_segment_close(segment);
	return e;
}

enum mr_err
mr_inspect_segments(const char *dir,
    void (*visit)(void *arg, const struct mr_inspect_segment *segment), void *arg,
    struct mr_error *err)
{
	struct showing s = { .visitor = { .err = err, .visit = add_item } };
	struct mr_spool_list list;
	enum mr_err e = mr_spool_list(dir, &list, err);

	if (e != MR_OK)
		return e;
	mr_arena_init(&s.visitor.arena, ARENA_BYTES);
	for (size_t i = 0; i < list.n && e == MR_OK; i++)
		if ((e = inspect_segment(&s, list.paths[i])) == MR_OK)
			visit(arg, &s.shown);
	mr_arena_free(&s.visitor.arena);
	mr_spool_list_free(&list);
	return e;
}

/* --- which groups are in it ------------------------------------------------------- */

struct gathering {
	struct visitor visitor; /* first */
	struct mr_inspect_groups *groups;
	size_t cap;
	const uint8_t *instance;
	bool ours, quarantined; /* of what is read now */
	bool any;               /* one of its records can be read */
};

static enum mr_err
add_group(struct visitor *v, const struct mr_segment_item *item, int64_t events)
{
	struct gathering *g = (struct gathering *)v;
	size_t cap = g->cap == 0 ? FIRST_GROUPS : 2 * g->cap;
	struct mr_inspect_group *groups;

	if (events < 0)
		return MR_OK;
	if (g->groups->n == g->cap) {
		if (cap > MAX_GROUPS)
			return mr_fail(v->err, MR_ELIMIT, "the spool has more than %zu records",
			    g->cap);
		groups = realloc(g->groups->groups, cap * sizeof *groups);
		if (groups == NULL)
			return mr_fail(v->err, MR_ENOMEM, "no memory to list the spool");
		g->groups->groups = groups;
		g->cap = cap;
	}
	groups = &g->groups->groups[g->groups->n++];
	*groups = (struct mr_inspect_group){ .events = (uint32_t)events, .ours = g->ours,
		.quarantined = g->quarantined };
	memcpy(groups->id, item->group, MR_UUID_BYTES);
	g->any = true;
	return MR_OK;
}

static enum mr_err
gather_segment(struct gathering *g, const char *path)
{
	struct mr_segment *segment;
	struct mr_error why = MR_ERROR_INIT;
	enum mr_err e = mr_segment_peek(&segment, path, &why);

	/* Gone is replayed; what is no segment has no records. */
	if (e == MR_EAGAIN || e == MR_EINVAL)
		return MR_OK;
	if (e != MR_OK)
		return mr_fail(g->visitor.err, e, "%s", why.text);
	g->ours = mr_uuid_is_of(mr_segment_id(segment), g->instance);
	e = show_segment(&g->visitor, segment);
	mr_segment_close(segment);
	return e;
}

/* All of a file; p == NULL when it cannot be read. */
static struct mr_str
read_piece(int dir_fd, const char *name, char **memory)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	ssize_t n = -1;

	*memory = NULL;
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    (*memory = malloc((size_t)st.st_size + 1)) != NULL)
		n = mr_file_read_all(fd, *memory, (size_t)st.st_size);
	if (fd >= 0)
		close(fd);
	return n >= 0 ? (struct mr_str){ *memory, (size_t)n } : MR_STR_NULL;
}

static enum mr_err
gather_piece(void *arg, int dir_fd, const char *name)
{
	struct gathering *g = arg;
	struct mr_segment_item item;
	uint8_t id[MR_UUID_BYTES];
	char *memory;
	struct mr_str bytes = read_piece(dir_fd, name, &memory);
	enum mr_err e = MR_OK;
	size_t at = 0;

	g->ours = mr_segment_id_of_name(id, name) && mr_uuid_is_of(id, g->instance);
	g->quarantined = true;
	g->any = false;
	while (e == MR_OK && bytes.p != NULL && mr_segment_guess(bytes, &at, &item))
		e = show_record(&g->visitor, &item);
	g->groups->unreadable += !g->any;
	free(memory);
	return e;
}

static int
by_id(const void *a, const void *b)
{
	const struct mr_inspect_group *x = a, *y = b;
	int c = memcmp(x->id, y->id, MR_UUID_BYTES);

	return c != 0 ? c : (int)x->quarantined - (int)y->quarantined;
}

/* A record that lies there twice, for example because a piece was put aside again, counts once. */
static void
sort_out(struct mr_inspect_groups *groups)
{
	size_t kept = 0;

	if (groups->n > 0)
		qsort(groups->groups, groups->n, sizeof *groups->groups, by_id);
	for (size_t i = 0; i < groups->n; i++)
		if (kept == 0 || memcmp(groups->groups[kept - 1].id, groups->groups[i].id,
		    MR_UUID_BYTES) != 0)
			groups->groups[kept++] = groups->groups[i];
	groups->n = kept;
}

enum mr_err
mr_inspect_groups(struct mr_inspect_groups *groups, const char *dir,
    const uint8_t instance[MR_UUID_BYTES], struct mr_error *err)
{
	struct gathering g = { .visitor = { .err = err, .visit = add_group }, .groups = groups,
		.instance = instance };
	struct mr_spool_list list;
	enum mr_err e;

	*groups = (struct mr_inspect_groups){ .groups = NULL };
	if (dir[0] == '\0' || is_missing(dir))
		return MR_OK;
	if ((e = mr_spool_list(dir, &list, err)) != MR_OK)
		return e;
	mr_arena_init(&g.visitor.arena, ARENA_BYTES);
	for (size_t i = 0; i < list.n && e == MR_OK; i++)
		e = gather_segment(&g, list.paths[i]);
	if (e == MR_OK)
		e = for_each_piece(dir, gather_piece, &g, err);
	mr_arena_free(&g.visitor.arena);
	mr_spool_list_free(&list);
	sort_out(groups);
	if (e != MR_OK)
		mr_inspect_free(groups);
	return e;
}

void
mr_inspect_free(struct mr_inspect_groups *groups)
{
	free(groups->groups);
	*groups = (struct mr_inspect_groups){ .groups = NULL };
}

uint32_t
mr_inspect_find(const struct mr_inspect_groups *groups, const uint8_t id[MR_UUID_BYTES])
{
	struct mr_inspect_group key = { .events = 0 };
	const struct mr_inspect_group *found;

	memcpy(key.id, id, MR_UUID_BYTES);
	found = groups->n > 0 ? bsearch(&key, groups->groups, groups->n, sizeof key, by_id) : NULL;
	return found != NULL ? found->events : 0;
}
