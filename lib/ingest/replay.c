/*
 * From the spool into PostgreSQL: see replay.h. Segments are opened some at a
 * time, the oldest first; of those the record with the least id comes next. A
 * few records share a commit; when that fails each is stored by itself.
 */
#include "ingest/replay.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "counters/stats.h"
#include "db/query.h"
#include "ingest/isolate.h"
#include "spool/paths.h"
#include "spool/quarantine.h"
#include "spool/record.h"
#include "spool/segment.h"
#include "spool/spool.h"

/* Segments that are open at a time. */
#define MAX_OPEN 64
/* A record's structs need up to about four times its bytes, which may be here, too. */
#define ARENA_BYTES (5 * MR_SEGMENT_MAX_PAYLOAD)
#define MAX_CONFLICTS 3
/* So many records in a row that need an operator: then it is not about the record. */
#define MAX_STUCK 3
/* A file under its first name for so long belongs to a writer that died. */
#define STALE_S 60
#define DAY_US (24 * 3600 * MR_US_PER_S)
/* Of the records that share a commit. */
#define MAX_PICKS 64
#define MAX_PICK_BYTES ((size_t)4 * 1024 * 1024)
/* BEGIN and ROLLBACK wait for nobody; COMMIT for the disk. */
#define SCRIPT_TIMEOUT_MS 3000

/* An open segment and the record that comes next in it. */
struct source {
	struct mr_segment *segment; /* NULL: done with */
	const char *path;
	struct mr_segment_item item;
	bool keep; /* it is not to be removed */
};

/* A record, and the segment that it was read from. */
struct pick {
	struct source *source;
	struct mr_segment_item item;
};

struct replay {
	const struct mr_replay_options *options;
	struct mr_replay_report *report;
	struct source sources[MAX_OPEN];
	size_t n;
	struct mr_arena arena;
	bool *duplicate;  /* of each batch of the group, as are the next */
	size_t *repeated;
	size_t n_flags;
	struct mr_group group;
	struct pick picks[MAX_PICKS];
	size_t n_picks;
	int stuck;          /* records in a row that were left in their segments */
	int64_t done_bytes; /* of the segments that are closed */
};

/* Remembers what went wrong; the last one counts. */
static void
note(struct replay *r, const struct mr_error *why)
{
	r->report->why = *why;
}

static int
lock_spool(const char *dir, struct mr_error *err)
{
	char path[MR_FILE_PATH_MAX];
	int fd, saved;

	if (mr_paths_join(path, dir, MR_PATHS_LOCK, "", err) != MR_OK)
		return -1;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
		return fd;
	saved = errno;
	if (fd >= 0)
		close(fd);
	if (saved == EWOULDBLOCK)
		(void)mr_fail(err, MR_EAGAIN, "spool %s: another replay is under way", dir);
	else
		(void)mr_fail(err, MR_EIO, "spool %s: " MR_PATHS_LOCK ": %s", dir, strerror(saved));
	return -1;
}

/* Removes a file that a writer left between creating and renaming it. */
static void
remove_stale(int dir_fd, const char *name)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;

	if (fd < 0)
		return;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    st.st_mtime < time(NULL) - STALE_S)
		(void)unlinkat(dir_fd, name, 0);
	close(fd);
}

static void
remove_all_stale(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *entry;

	while (d != NULL && (entry = readdir(d)) != NULL)
		if (mr_paths_end(entry->d_name, MR_PATHS_NEW))
			remove_stale(dirfd(d), entry->d_name);
	if (d != NULL)
		closedir(d);
}

/* --- segments ------------------------------------------------------------------ */

static void
put_aside(struct replay *r, struct source *s, const struct mr_segment_item *item,
    const char *reason)
{
	struct mr_error why = MR_ERROR_INIT;

	if (mr_quarantine(r->options->dir, s->path, item->offset, item->bytes, reason,
	    &why) != MR_OK) {
		mr_log_error("%s", why.text);
		note(r, &why);
		s->keep = true;
		return;
	}
	if (item->what == MR_SEGMENT_TORN) {
		r->report->torn++;
		mr_log_warning("%s: %zu bytes at %lld are an incomplete record, which nobody was "
		    "told is kept", s->path, item->bytes.n, (long long)item->offset);
		return;
	}
	r->report->quarantined++;
	mr_stat_add(MR_STAT_QUARANTINED, 1);
	mr_log_error("%s: %zu bytes at %lld are damaged and now in the quarantine: %s", s->path,
	    item->bytes.n, (long long)item->offset, reason);
}

/* Leaves the segment as it is. */
static void
leave(struct replay *r, struct source *s)
{
	int64_t at, bytes;

	mr_segment_progress(s->segment, &at, &bytes);
	r->done_bytes += bytes;
	r->report->left++;
	r->report->left_bytes += bytes;
	mr_segment_close(s->segment);
	s->segment = NULL;
}

/* Everything in it is committed or put aside. Removed while it is locked. */
static void
finish(struct replay *r, struct source *s)
{
	struct mr_error why = MR_ERROR_INIT;
	int64_t at, bytes;

	if (s->keep) {
		leave(r, s);
		return;
	}
	if (unlink(s->path) != 0 || mr_file_sync_dir(r->options->dir) != 0) {
		(void)mr_fail(&why, MR_EIO, "%s: is stored but cannot be removed: %s", s->path,
		    strerror(errno));
		mr_log_error("%s", why.text);
		note(r, &why);
		leave(r, s);
		return;
	}
	r->report->segments++;
	mr_segment_progress(s->segment, &at, &bytes);
	r->done_bytes += bytes;
	mr_segment_close(s->segment);
	s->segment = NULL;
}

/* Deals with what is no record; at the segment's end it is finished. */
static void
skip_to_record(struct replay *r, struct source *s)
{
	while (s->item.what == MR_SEGMENT_DAMAGE || s->item.what == MR_SEGMENT_TORN) {
		put_aside(r, s, &s->item, s->item.what == MR_SEGMENT_TORN ?
		    "an incomplete end" : "no record, or its checksum differs");
		mr_segment_next(s->segment, &s->item);
	}
	if (s->item.what == MR_SEGMENT_END)
		finish(r, s);
}

/* A file with a segment's name that is none: put aside as a whole. */
static void
put_file_aside(struct replay *r, const char *path, const struct mr_error *why)
{
	struct mr_error failed = MR_ERROR_INIT, moved = MR_ERROR_INIT;

	if (mr_quarantine_file(r->options->dir, path, &moved) == MR_OK) {
		r->report->quarantined++;
		mr_stat_add(MR_STAT_QUARANTINED, 1);
		mr_log_error("%s; it is now in the quarantine", why->text);
		return;
	}
	(void)mr_fail(&failed, MR_EIO, "%.200s: is no segment, and cannot be put aside: %.250s", path,
	    moved.text);
	mr_log_error("%s", failed.text);
	note(r, &failed);
	r->report->left++;
}

static void
open_source(struct replay *r, const char *path)
{
	struct source *s = &r->sources[r->n];
	struct mr_error why = MR_ERROR_INIT;
	struct stat st;
	enum mr_err e;

	*s = (struct source){ .path = path };
	e = mr_segment_open(&s->segment, path, &why);
	if (e == MR_OK) {
		r->n++;
		mr_segment_next(s->segment, &s->item);
		skip_to_record(r, s);
	} else if (e == MR_EINVAL) {
		put_file_aside(r, path, &why);
	} else if (stat(path, &st) == 0) {
		r->done_bytes += st.st_size;
		if (e == MR_EAGAIN) {
			r->report->busy++;
			return;
		}
		mr_log_error("%s", why.text);
		note(r, &why);
		r->report->left++;
		r->report->left_bytes += st.st_size;
	}
}

static struct source *
least(struct replay *r)
{
	struct source *best = NULL;

	for (size_t i = 0; i < r->n; i++)
		if (r->sources[i].segment != NULL && (best == NULL ||
		    memcmp(r->sources[i].item.group, best->item.group, MR_UUID_BYTES) < 0))
			best = &r->sources[i];
	return best;
}

/* --- records ------------------------------------------------------------------- */

static bool
reserve_flags(struct replay *r, size_t n)
{
	bool *duplicate;
	size_t *repeated;

	if (n <= r->n_flags)
		return true;
	if ((duplicate = realloc(r->duplicate, n * sizeof *duplicate)) != NULL)
		r->duplicate = duplicate;
	if ((repeated = realloc(r->repeated, n * sizeof *repeated)) != NULL)
		r->repeated = repeated;
	if (duplicate == NULL || repeated == NULL)
		return false;
	r->n_flags = n;
	return true;
}

static enum mr_db_class
try_group(struct replay *r, struct mr_error *why)
{
	const struct timespec pause = { .tv_nsec = 20 * 1000000L };
	enum mr_db_class class;
	enum mr_err e;

	for (int conflicts = 0;; conflicts++) {
		if ((e = mr_db_ensure(r->options->db, why)) != MR_OK)
			return e == MR_EIO ? MR_DB_OPERATOR : MR_DB_UNAVAILABLE;
		class = mr_store_group(r->options->store, r->options->db, &r->group, why);
		if (class != MR_DB_TRANSIENT || conflicts == MAX_CONFLICTS)
			return class;
		nanosleep(&pause, NULL);
	}
}

/*
 * Moves the rows that the database refuses to the refusals of their batches; the
 * record then is stored whole, under its id, so that doing this again after a
 * crash is harmless.
 */
static enum mr_db_class
isolate(struct replay *r, struct mr_batch *batches, size_t n, struct mr_error *why)
{
	enum mr_db_class class = MR_DB_OK;

	for (size_t i = 0; i < n && class == MR_DB_OK; i++)
		if (batches[i].n_rows > 0)
			class = mr_isolate(r->options->store, r->options->db, &batches[i],
			    &r->arena, why);
	return class;
}

static void
count(struct replay *r)
{
	struct mr_replay_report *report = r->report;
	size_t events = 0;

	for (size_t i = 0; i < r->group.n; i++) {
		const struct mr_batch *batch = r->group.batches[i];

		events += batch->n_rows + batch->n_rejects;
		if (r->group.duplicate[i])
			report->duplicate += batch->n_rows + batch->n_rejects;
		else
			report->rejected += batch->n_rejects;
		report->duplicate += r->group.repeated[i];
	}
	report->records++;
	report->known += r->group.known;
	report->events += events;
}

/*
 * The books of the instance that wrote the segment, not of the one that replays
 * it, have the record. Of an older one no more is known than the mark.
 */
static void
set_instance(struct replay *r, const struct source *s)
{
	const uint8_t *id = mr_segment_id(s->segment), *ours = r->options->instance;
	uint8_t other[MR_UUID_BYTES] = { 0 };

	memcpy(other, id + MR_UUID_BYTES - 6, 6);
	mr_store_set_instance(r->options->store, mr_uuid_is_of(id, ours) ? ours : other);
}

/* Reads the record; r->group is then what is to be stored, for its instance. */
static enum mr_err
read_record(struct replay *r, const struct pick *pick, struct mr_batch **batches,
    struct mr_error *err)
{
	const struct mr_segment_item *item = &pick->item;
	const struct mr_batch **pointers;
	size_t n;
	enum mr_err e;

	mr_arena_reset(&r->arena);
	if ((e = mr_record_decode(&r->arena, item->bytes, batches, &n, err)) != MR_OK)
		return e;
	pointers = mr_arena_array(&r->arena, n, sizeof *pointers);
	if (pointers == NULL || !reserve_flags(r, n))
		return mr_fail(err, MR_ENOMEM, "no memory for a record of %zu bytes",
		    item->bytes.n);
	for (size_t i = 0; i < n; i++)
		pointers[i] = &(*batches)[i];
	r->group = (struct mr_group){ .batches = pointers, .n = n, .duplicate = r->duplicate,
		.repeated = r->repeated };
	memcpy(r->group.id, item->group, MR_UUID_BYTES);
	set_instance(r, pick->source);
	return MR_OK;
}

/* Stores one record; err when it is left, and those behind it too. */
static enum mr_err
store_one(struct replay *r, const struct pick *pick, struct mr_error *err)
{
	struct mr_error why = MR_ERROR_INIT;
	struct mr_batch *batches;
	enum mr_db_class class;
	enum mr_err e = read_record(r, pick, &batches, &why);

	if (e == MR_EINVAL) {
		put_aside(r, pick->source, &pick->item, why.text);
		return MR_OK;
	}
	if (e != MR_OK)
		return mr_fail(err, e, "%s: %.400s", pick->source->path, why.text);
	class = try_group(r, err);
	if (class == MR_DB_DATA && (class = isolate(r, batches, r->group.n, err)) == MR_DB_OK)
		class = try_group(r, err);
	r->report->class = class;
	if (class == MR_DB_OK) {
		r->stuck = 0;
		count(r);
		return MR_OK;
	}
	if ((class != MR_DB_OPERATOR && class != MR_DB_DATA) || ++r->stuck == MAX_STUCK)
		return MR_EAGAIN;
	/* The others need not wait until somebody has mended what this one needs. */
	note(r, err);
	pick->source->keep = true;
	return MR_OK;
}

/* Stores what was picked with one commit; false: nothing is stored, as far as is known. */
static bool
store_together(struct replay *r)
{
	const struct mr_replay_report before = *r->report;
	struct mr_db *db = r->options->db;
	struct mr_batch *batches;
	bool good = mr_db_ensure(db, NULL) == MR_OK &&
	    mr_db_script(db, "BEGIN", SCRIPT_TIMEOUT_MS, NULL) == MR_DB_OK;

	for (size_t i = 0; i < r->n_picks && good; i++) {
		good = read_record(r, &r->picks[i], &batches, NULL) == MR_OK &&
		    mr_store_group(r->options->store, db, &r->group, NULL) == MR_DB_OK;
		if (good)
			count(r);
	}
	if (good && mr_db_script(db, "COMMIT", SCRIPT_TIMEOUT_MS, NULL) == MR_DB_OK)
		return true;
	*r->report = before;
	mr_db_abort(db, SCRIPT_TIMEOUT_MS);
	return false;
}

/* The ledger may have forgotten what is so old. */
static bool
too_old(const struct replay *r, const struct source *s)
{
	return !r->options->force && mr_uuid_time_us(s->item.group) <
	    mr_clock_now_us() - r->options->ledger_days * DAY_US;
}

static void
leave_old(struct replay *r, struct source *s)
{
	struct mr_error why = MR_ERROR_INIT;

	(void)mr_fail(&why, MR_EINVAL, "%s: its records are older than ledger_days = %lld; "
	    "millrace-replay --force stores them", s->path, (long long)r->options->ledger_days);
	mr_log_error("%s", why.text);
	note(r, &why);
	leave(r, s);
}

static bool
may_go_on(struct replay *r)
{
	int64_t at, bytes;

	r->report->bytes = r->done_bytes;
	for (size_t i = 0; i < r->n; i++) {
		if (r->sources[i].segment == NULL)
			continue;
		mr_segment_progress(r->sources[i].segment, &at, &bytes);
		r->report->bytes += at;
	}
	r->report->stopped = r->options->go_on != NULL &&
	    !r->options->go_on(r->options->arg, r->report);
	return !r->report->stopped;
}

/* Takes the next records, up to what a commit may hold or something else than a record. */
static void
pick_records(struct replay *r)
{
	struct source *s;
	size_t bytes = 0;

	r->n_picks = 0;
	while (r->n_picks < MAX_PICKS && bytes < MAX_PICK_BYTES && (s = least(r)) != NULL &&
	    !too_old(r, s)) {
		r->picks[r->n_picks++] = (struct pick){ s, s->item };
		bytes += s->item.bytes.n;
		mr_segment_next(s->segment, &s->item);
		if (s->item.what != MR_SEGMENT_RECORD)
			return;
	}
}

static enum mr_err
store_picks(struct replay *r, struct mr_error *err)
{
	size_t events = r->report->events;
	enum mr_err e = MR_OK;

	if (r->n_picks < 2 || !store_together(r))
		for (size_t i = 0; i < r->n_picks && e == MR_OK; i++)
			e = store_one(r, &r->picks[i], err);
	mr_stat_add(MR_STAT_EVENTS_REPLAYED, r->report->events - events);
	return e;
}

/* Replays the segments that are open, as far as it goes. */
static enum mr_err
drain(struct replay *r, struct mr_error *err)
{
	enum mr_err e = MR_OK;
	struct source *s;

	while (e == MR_OK && (s = least(r)) != NULL && may_go_on(r)) {
		if (too_old(r, s)) {
			leave_old(r, s);
			continue;
		}
		pick_records(r);
		e = store_picks(r, err);
		for (size_t i = 0; i < r->n && e == MR_OK; i++)
			if (r->sources[i].segment != NULL)
				skip_to_record(r, &r->sources[i]);
	}
	for (size_t i = 0; i < r->n; i++)
		if (r->sources[i].segment != NULL)
			leave(r, &r->sources[i]);
	r->n = 0;
	return e;
}

static enum mr_err
replay_all(struct replay *r, struct mr_error *err)
{
	struct mr_spool_list list;
	enum mr_err e = mr_spool_list(r->options->dir, &list, err);
	size_t next = 0;

	if (e != MR_OK)
		return e;
	r->report->total_bytes = list.bytes;
	while (e == MR_OK && next < list.n && !r->report->stopped) {
		while (next < list.n && r->n < MAX_OPEN)
			open_source(r, list.paths[next++]);
		e = drain(r, err);
	}
	mr_spool_list_free(&list);
	return e;
}

enum mr_err
mr_replay_run(const struct mr_replay_options *options, struct mr_replay_report *report,
    struct mr_error *err)
{
	struct replay *r = calloc(1, sizeof *r);
	struct mr_error why = MR_ERROR_INIT;
	enum mr_err e;
	int lock;

	*report = (struct mr_replay_report){ .why = MR_ERROR_INIT };
	if (r == NULL)
		return mr_fail(err, MR_ENOMEM, "no memory for a replay");
	lock = lock_spool(options->dir, &why);
	if (lock >= 0) {
		r->options = options;
		r->report = report;
		mr_arena_init(&r->arena, ARENA_BYTES);
		remove_all_stale(options->dir);
		e = replay_all(r, &why);
		mr_arena_free(&r->arena);
		free(r->duplicate);
		free(r->repeated);
		close(lock);
	} else {
		e = why.code;
	}
	free(r);
	if (e != MR_OK) {
		report->why = why;
		if (err != NULL)
			*err = why;
	}
	return e;
}
