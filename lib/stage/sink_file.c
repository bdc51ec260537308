/* The sink that writes a file: see sink_file.h. */
#include "stage/sink_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

#define FOLDER_MODE 0750
#define FILE_MODE 0640

struct sink {
	struct mr_stage stage;
	int folder;               /* -1: not open */
	int fd;                   /* -1: closed */
	uid_t uid;                /* the destination's owner */
	gid_t gid;
	char name[NAME_MAX + 1];
	char temporary[NAME_MAX + 1]; /* ".name.part"; exists while not empty */
	char path[];              /* for messages */
};

static enum mr_err
fail(const struct sink *s, const char *what, struct mr_error *err)
{
	return mr_fail(err, MR_EIO, "%s: cannot %s: %s", s->path, what, strerror(errno));
}

/* The name up to the next slash, into s->name; moves *key behind it. */
static enum mr_err
next_name(struct sink *s, const char **key, struct mr_error *err)
{
	size_t n = strcspn(*key, "/");

	if (n == 0 || n + sizeof "..part" > sizeof s->name ||
	    (n <= 2 && strncmp(*key, "..", n) == 0))
		return mr_fail(err, MR_EINVAL,
		    "%s: has a part that is empty, too long, or leads upwards", s->path);
	memcpy(s->name, *key, n);
	s->name[n] = '\0';
	*key += n;
	return MR_OK;
}

/*
 * What root makes belongs to whom the destination belongs to, so that it is not in
 * the way of the next run, of that user.
 */
static int
hand_over(const struct sink *s, int fd)
{
	return geteuid() == 0 && s->uid != 0 ? fchown(fd, s->uid, s->gid) : 0;
}

/* Makes the folder s->name where it is missing, and goes into it. */
static enum mr_err
enter(struct sink *s, struct mr_error *err)
{
	bool made = mkdirat(s->folder, s->name, FOLDER_MODE) == 0;
	int inner;

	if (made) {
		if (fsync(s->folder) != 0)
			return fail(s, "sync its folder", err);
	} else if (errno != EEXIST) {
		return fail(s, "make its folder", err);
	}
	inner = openat(s->folder, s->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (inner < 0)
		return fail(s, "open its folder", err);
	close(s->folder);
	s->folder = inner;
	return made && hand_over(s, inner) != 0 ? fail(s, "give its folder to its owner", err) :
	    MR_OK;
}

static enum mr_err
create(struct sink *s, struct mr_error *err)
{
	char temporary[sizeof s->temporary];

	snprintf(temporary, sizeof temporary, ".%.*s.part", (int)(NAME_MAX - sizeof "..part" + 1),
	    s->name);
	if (unlinkat(s->folder, temporary, 0) != 0 && errno != ENOENT)
		return fail(s, "remove what an earlier try left", err);
	s->fd = openat(s->folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
	    FILE_MODE);
	if (s->fd < 0)
		return fail(s, "create it", err);
	memcpy(s->temporary, temporary, sizeof temporary);
	return hand_over(s, s->fd) != 0 ? fail(s, "give it to its owner", err) : MR_OK;
}

static enum mr_err
open_folder(const char *dir, int *fd, struct mr_error *err)
{
	*fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *fd >= 0 ? MR_OK : mr_fail(err, MR_EIO, "%s: cannot be opened as a directory: %s", dir,
	    strerror(errno));
}

enum mr_err
mr_sink_file_check(const char *dir, struct mr_error *err)
{
	int fd;
	enum mr_err e = open_folder(dir, &fd, err);

	if (fd >= 0)
		close(fd);
	return e;
}

static enum mr_err
open_all(struct sink *s, const char *dir, const char *key, struct mr_error *err)
{
	struct stat st;
	enum mr_err e;

	if ((e = open_folder(dir, &s->folder, err)) != MR_OK)
		return e;
	if (fstat(s->folder, &st) != 0)
		return mr_fail(err, MR_EIO, "%s: cannot be looked at: %s", dir, strerror(errno));
	s->uid = st.st_uid;
	s->gid = st.st_gid;
	for (;;) {
		if ((e = next_name(s, &key, err)) != MR_OK)
			return e;
		if (*key == '\0')
			return create(s, err);
		key++;
		if ((e = enter(s, err)) != MR_OK)
			return e;
	}
}

static enum mr_err
sink_bytes(struct mr_stage *stage, struct mr_str data, struct mr_error *err)
{
	struct sink *s = (struct sink *)stage;
	return mr_file_write_all(s->fd, data) == 0 ? MR_OK : fail(s, "write it", err);
}

/* Some file systems report only here that the bytes did not reach the disk. */
static int
close_file(struct sink *s)
{
	int fd = s->fd;

	s->fd = -1;
	return close(fd);
}

static enum mr_err
sink_finish(struct mr_stage *stage, struct mr_error *err)
{
	struct sink *s = (struct sink *)stage;

	if (fdatasync(s->fd) != 0)
		return fail(s, "sync it", err);
	if (close_file(s) != 0)
		return fail(s, "close it", err);
	if (renameat(s->folder, s->temporary, s->folder, s->name) != 0)
		return fail(s, "give it its name", err);
	s->temporary[0] = '\0';
	if (fsync(s->folder) != 0)
		return fail(s, "sync its folder", err);
	return MR_OK;
}

static void
sink_abort(struct mr_stage *stage)
{
	struct sink *s = (struct sink *)stage;

	if (s->temporary[0] != '\0')
		(void)unlinkat(s->folder, s->temporary, 0);
	s->temporary[0] = '\0';
	if (s->fd >= 0)
		(void)close_file(s);
}

static void
sink_free(struct mr_stage *stage)
{
	struct sink *s = (struct sink *)stage;

	if (s->fd >= 0)
		close(s->fd);
	if (s->folder >= 0)
		close(s->folder);
	free(s);
}

static const struct mr_stage_ops ops = {
	.name = "file",
	.bytes = sink_bytes,
	.finish = sink_finish,
	.abort = sink_abort,
	.free = sink_free,
};

struct mr_stage *
mr_sink_file_new(const char *dir, const char *key, struct mr_error *err)
{
	size_t n = strlen(dir) + strlen(key) + 2;
	struct sink *s = calloc(1, sizeof *s + n);

	if (s == NULL) {
		mr_fail(err, MR_ENOMEM, "no memory for the file %s", key);
		return NULL;
	}
	s->stage.ops = &ops;
	s->folder = s->fd = -1;
	snprintf(s->path, n, "%s/%s", dir, key);
	if (open_all(s, dir, key, err) == MR_OK)
		return &s->stage;
	sink_free(&s->stage);
	return NULL;
}
