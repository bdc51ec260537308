/*
 * The spool's writing side: see spool.h. A group is one write and one
 * fdatasync. Whatever goes wrong, the open segment is either cut back to its
 * last good record or abandoned: a file whose sync failed is never synced
 * again, since the kernel may have dropped the pages and report success then.
 */
#include "spool/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "spool/paths.h"

#define KEEP_BYTES ((size_t)1024 * 1024)
/* A group of some size. */
#define ORDINARY_BYTES ((size_t)64 * 1024)
/* So often the other workers' segments are counted again. */
#define RECOUNT_MS 1000

struct mr_spool {
	struct mr_spool_options options;
	int fd;           /* the open segment; -1: none */
	uint8_t id[MR_UUID_BYTES];
	off_t length;     /* of its good part */
	int64_t used;     /* bytes of all segments, as last counted, and ours since */
	int64_t counted_ms; /* 0: never */
	struct mr_buf record;
	bool in_doubt;    /* the record of the last append may lie in an abandoned segment */
};

static int
system_create(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static int64_t
system_free_bytes(const char *dir)
{
	struct statvfs fs;

	if (statvfs(dir, &fs) != 0)
		return -1;
	return (int64_t)(fs.f_bavail * fs.f_frsize);
}

const struct mr_spool_io mr_spool_system_io = {
	.create = system_create,
	.write = write,
	.truncate = ftruncate,
	.sync = fdatasync,
	.rename = rename,
	.sync_dir = mr_file_sync_dir,
	.unlink = unlink,
	.close = close,
	.free_bytes = system_free_bytes,
};

struct mr_spool_options
mr_spool_options(const struct mr_conf *conf, const uint8_t *instance)
{
	struct mr_spool_options options = { .dir = conf->spool_dir,
		.segment_bytes = conf->segment_bytes, .max_bytes = conf->spool_max_bytes,
		.reserve_bytes = conf->spool_reserve_bytes, .io = &mr_spool_system_io };

	if (instance != NULL)
		memcpy(options.instance, instance, MR_UUID_BYTES);
	return options;
}

enum mr_err
mr_spool_prepare(const struct mr_spool_options *options, struct mr_error *err)
{
	if (mkdir(options->dir, 0700) != 0 && errno != EEXIST)
		return mr_fail(err, MR_EIO, "spool %s: cannot be made: %s", options->dir,
		    strerror(errno));
	if (access(options->dir, R_OK | W_OK | X_OK) != 0)
		return mr_fail(err, MR_EIO, "spool %s: %s", options->dir, strerror(errno));
	return MR_OK;
}

struct mr_spool *
mr_spool_new(const struct mr_spool_options *options)
{
	struct mr_spool *s = calloc(1, sizeof *s);

	if (s == NULL)
		return NULL;
	s->options = *options;
	s->fd = -1;
	mr_buf_init(&s->record, MR_SEGMENT_MAX_PAYLOAD + MR_SEGMENT_RECORD_BYTES);
	return s;
}

void
mr_spool_close_segment(struct mr_spool *s)
{
	if (s->fd >= 0)
		(void)s->options.io->close(s->fd);
	s->fd = -1;
}

void
mr_spool_free(struct mr_spool *s)
{
	if (s == NULL)
		return;
	mr_spool_close_segment(s);
	mr_buf_free(&s->record);
	free(s);
}

static int
write_record(struct mr_spool *s)
{
	return mr_file_write_all_with(s->options.io->write, s->fd, mr_buf_str(&s->record));
}

static enum mr_err
io_error(struct mr_error *err, const char *path, const char *what)
{
	return mr_fail(err, MR_EIO, "spool %s: %s: %s", path, what, strerror(errno));
}

/* A new segment under its final name, empty but for its header, all on disk. */
static enum mr_err
start_segment(struct mr_spool *s, const char *temporary, const char *path, int64_t now,
    struct mr_error *err)
{
	const struct mr_spool_io *io = s->options.io;

	mr_buf_reset(&s->record, KEEP_BYTES);
	mr_segment_put_header(&s->record, s->id, now);
	if (s->record.failed)
		return mr_fail(err, MR_ENOMEM, "spool: no memory");
	s->fd = io->create(temporary);
	if (s->fd < 0)
		return io_error(err, temporary, "cannot be created");
	if (write_record(s) != 0 || io->sync(s->fd) != 0) {
		enum mr_err e = io_error(err, temporary, "cannot be written");

		(void)io->unlink(temporary);
		return e;
	}
	if (io->rename(temporary, path) != 0) {
		enum mr_err e = io_error(err, path, "cannot be renamed");

		(void)io->unlink(temporary);
		return e;
	}
	if (io->sync_dir(s->options.dir) != 0)
		return io_error(err, s->options.dir, "cannot be synced");
	s->length = MR_SEGMENT_HEADER_BYTES;
	return MR_OK;
}

static enum mr_err
open_segment(struct mr_spool *s, struct mr_error *err)
{
	char name[MR_SEGMENT_NAME + 1], temporary[MR_FILE_PATH_MAX], path[MR_FILE_PATH_MAX];
	int64_t now = mr_clock_now_us();
	enum mr_err e;

	mr_uuid_make(s->id);
	mr_uuid_mark(s->id, s->options.instance);
	mr_segment_name(name, s->id, now);
	if ((e = mr_paths_join(path, s->options.dir, name, MR_PATHS_SEGMENT, err)) != MR_OK ||
	    (e = mr_paths_join(temporary, s->options.dir, name, MR_PATHS_NEW, err)) != MR_OK)
		return e;
	e = start_segment(s, temporary, path, now, err);
	if (e != MR_OK)
		mr_spool_close_segment(s);
	return e;
}

static void
recount(struct mr_spool *s)
{
	int64_t now = mr_clock_mono_ms();
	struct mr_spool_list list;

	if (s->counted_ms != 0 && now - s->counted_ms < RECOUNT_MS)
		return;
	if (mr_spool_list(s->options.dir, &list, NULL) != MR_OK)
		return;
	s->used = list.bytes;
	s->counted_ms = now;
	mr_spool_list_free(&list);
}

/* Whether n more bytes are allowed. */
static enum mr_err
check_room(struct mr_spool *s, size_t n, struct mr_error *err)
{
	int64_t left = s->options.io->free_bytes(s->options.dir);

	recount(s);
	if (s->used + (int64_t)n > s->options.max_bytes)
		return mr_fail(err, MR_ELIMIT, "spool %s: holds %lld bytes, at most %lld are "
		    "allowed", s->options.dir, (long long)s->used,
		    (long long)s->options.max_bytes);
	if (left >= 0 && left - (int64_t)n < s->options.reserve_bytes)
		return mr_fail(err, MR_ELIMIT, "spool %s: only %lld bytes are free, %lld are to "
		    "stay free", s->options.dir, (long long)left,
		    (long long)s->options.reserve_bytes);
	return MR_OK;
}

void
mr_spool_room(struct mr_spool *s, int64_t *used, int64_t *left)
{
	int64_t disk = s->options.io->free_bytes(s->options.dir);

	recount(s);
	*used = s->used;
	*left = s->options.max_bytes - s->used;
	if (disk >= 0 && disk - s->options.reserve_bytes < *left)
		*left = disk - s->options.reserve_bytes;
	if (*left < 0)
		*left = 0;
}

enum mr_err
mr_spool_check(const struct mr_spool_options *options, struct mr_error *err)
{
	struct mr_spool s = { .options = *options };

	if (access(options->dir, R_OK | W_OK | X_OK) != 0)
		return mr_fail(err, MR_EIO, "spool %s: %s", options->dir, strerror(errno));
	return check_room(&s, ORDINARY_BYTES, err);
}

/* Cuts off what a failed write left; a segment that cannot be cut is abandoned. */
static enum mr_err
undo_write(struct mr_spool *s, struct mr_error *err)
{
	enum mr_err e = io_error(err, s->options.dir, "cannot be written");

	if (s->options.io->truncate(s->fd, s->length) != 0) {
		s->in_doubt = true;
		mr_spool_close_segment(s);
	}
	return e;
}

enum mr_err
mr_spool_append(struct mr_spool *s, const uint8_t group[MR_UUID_BYTES], int64_t received_us,
    struct mr_str payload, struct mr_error *err)
{
	enum mr_err e;

	s->in_doubt = false;
	if ((e = check_room(s, payload.n + MR_SEGMENT_RECORD_BYTES, err)) != MR_OK)
		return e;
	if (s->fd >= 0 && s->length > s->options.segment_bytes)
		mr_spool_close_segment(s);
	if (s->fd < 0 && (e = open_segment(s, err)) != MR_OK)
		return e;
	mr_buf_reset(&s->record, KEEP_BYTES);
	mr_segment_put_record(&s->record, s->id, group, received_us, payload);
	if (s->record.failed)
		return mr_fail(err, MR_ENOMEM, "spool: no memory for %zu bytes", payload.n);
	if (write_record(s) != 0)
		return undo_write(s, err);
	if (s->options.io->sync(s->fd) != 0) {
		e = io_error(err, s->options.dir, "cannot be synced");
		s->in_doubt = true;
		mr_spool_close_segment(s);
		return e;
	}
	s->length += (off_t)s->record.len;
	s->used += (int64_t)s->record.len;
	return MR_OK;
}

bool
mr_spool_in_doubt(const struct mr_spool *s)
{
	return s->in_doubt;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static enum mr_err
list_add(struct mr_spool_list *list, const char *dir, const char *name)
{
	char **paths = realloc(list->paths, (list->n + 1) * sizeof *paths);
	struct stat st;

	if (paths == NULL)
		return MR_ENOMEM;
	list->paths = paths;
	if (asprintf(&paths[list->n], "%s/%s", dir, name) < 0)
		return MR_ENOMEM;
	if (stat(paths[list->n++], &st) == 0)
		list->bytes += st.st_size;
	return MR_OK;
}

enum mr_err
mr_spool_list(const char *dir, struct mr_spool_list *list, struct mr_error *err)
{
	DIR *d = opendir(dir);
	struct dirent *entry;
	enum mr_err e = MR_OK;

	*list = (struct mr_spool_list){ .paths = NULL };
	if (d == NULL)
		return mr_fail(err, MR_EIO, "spool %s: %s", dir, strerror(errno));
	while (e == MR_OK && (entry = readdir(d)) != NULL)
		if (mr_paths_end(entry->d_name, MR_PATHS_SEGMENT))
			e = list_add(list, dir, entry->d_name);
	closedir(d);
	if (e != MR_OK) {
		mr_spool_list_free(list);
		return mr_fail(err, e, "spool %s: no memory to list it", dir);
	}
	if (list->n > 0)
		qsort(list->paths, list->n, sizeof *list->paths, by_name);
	return MR_OK;
}

void
mr_spool_list_free(struct mr_spool_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->paths[i]);
	free(list->paths);
	*list = (struct mr_spool_list){ .paths = NULL };
}
