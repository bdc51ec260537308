/* A file that gets its name when it is whole: see newfile.h. */
#include "stage/newfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

#define FOLDER_MODE 0750
#define FILE_MODE 0640

/* Folders that are new, whose own folders have to be synced; of more that is done at once. */
#define MAX_UNSYNCED 3

struct mr_newfile {
	int folder;               /* -1: not open */
	int unsynced[MAX_UNSYNCED];
	size_t n_unsynced;
	int fd;                   /* -1: closed */
	dev_t device;             /* of its folder */
	uid_t uid;                /* the destination's owner */
	gid_t gid;
	char name[NAME_MAX + 1];
	char temporary[NAME_MAX + 1]; /* ".name.part"; exists while not empty */
	char path[];              /* for messages */
};

static enum mr_err
fail(const struct mr_newfile *f, const char *what, struct mr_error *err)
{
	return mr_fail(err, MR_EIO, "%s: cannot %s: %s", f->path, what, strerror(errno));
}

/* The name up to the next slash, into f->name; moves *key behind it. */
static enum mr_err
next_name(struct mr_newfile *f, const char **key, struct mr_error *err)
{
	size_t n = strcspn(*key, "/");

	if (n == 0 || n + sizeof "..part" > sizeof f->name ||
	    (n <= 2 && strncmp(*key, "..", n) == 0))
		return mr_fail(err, MR_EINVAL,
		    "%s: has a part that is empty, too long, or leads upwards", f->path);
	memcpy(f->name, *key, n);
	f->name[n] = '\0';
	*key += n;
	return MR_OK;
}

/*
 * What root makes belongs to whom the destination belongs to, so that it is not in
 * the way of the next run, of that user.
 */
static int
hand_over(const struct mr_newfile *f, int fd)
{
	return geteuid() == 0 && f->uid != 0 ? fchown(fd, f->uid, f->gid) : 0;
}

/* f->folder has a new entry: it is kept to be synced, or synced and closed. */
static int
leave_unsynced(struct mr_newfile *f)
{
	int e;

	if (f->n_unsynced < MAX_UNSYNCED) {
		f->unsynced[f->n_unsynced++] = f->folder;
		return 0;
	}
	if ((e = fsync(f->folder)) == 0)
		close(f->folder);
	return e;
}

/* Makes the folder f->name where it is missing, and goes into it. */
static enum mr_err
enter(struct mr_newfile *f, struct mr_error *err)
{
	bool made = mkdirat(f->folder, f->name, FOLDER_MODE) == 0;
	int inner;

	if (!made && errno != EEXIST)
		return fail(f, "make its folder", err);
	inner = openat(f->folder, f->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (inner < 0)
		return fail(f, "open its folder", err);
	if (made && leave_unsynced(f) != 0) {
		close(inner);
		return fail(f, "sync its folder", err);
	}
	if (!made)
		close(f->folder);
	f->folder = inner;
	return made && hand_over(f, inner) != 0 ? fail(f, "give its folder to its owner", err) :
	    MR_OK;
}

static enum mr_err
create(struct mr_newfile *f, struct mr_error *err)
{
	char temporary[sizeof f->temporary];
	struct stat st;

	if (fstat(f->folder, &st) != 0)
		return fail(f, "look at its folder", err);
	f->device = st.st_dev;
	snprintf(temporary, sizeof temporary, ".%.*s.part", (int)(NAME_MAX - sizeof "..part" + 1),
	    f->name);
	if (unlinkat(f->folder, temporary, 0) != 0 && errno != ENOENT)
		return fail(f, "remove what an earlier try left", err);
	f->fd = openat(f->folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
	    FILE_MODE);
	if (f->fd < 0)
		return fail(f, "create it", err);
	memcpy(f->temporary, temporary, sizeof temporary);
	return hand_over(f, f->fd) != 0 ? fail(f, "give it to its owner", err) : MR_OK;
}

static enum mr_err
open_folder(const char *dir, int *fd, struct mr_error *err)
{
	*fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *fd >= 0 ? MR_OK : mr_fail(err, MR_EIO, "%s: cannot be opened as a directory: %s", dir,
	    strerror(errno));
}

enum mr_err
mr_newfile_check(const char *dir, struct mr_error *err)
{
	int fd;
	enum mr_err e = open_folder(dir, &fd, err);

	if (fd >= 0)
		close(fd);
	return e;
}

static enum mr_err
open_all(struct mr_newfile *f, const char *dir, const char *key, struct mr_error *err)
{
	struct stat st;
	enum mr_err e;

	if ((e = open_folder(dir, &f->folder, err)) != MR_OK)
		return e;
	if (fstat(f->folder, &st) != 0)
		return mr_fail(err, MR_EIO, "%s: cannot be looked at: %s", dir, strerror(errno));
	f->uid = st.st_uid;
	f->gid = st.st_gid;
	for (;;) {
		if ((e = next_name(f, &key, err)) != MR_OK)
			return e;
		if (*key == '\0')
			return create(f, err);
		key++;
		if ((e = enter(f, err)) != MR_OK)
			return e;
	}
}

struct mr_newfile *
mr_newfile_open(const char *dir, const char *key, struct mr_error *err)
{
	size_t n = strlen(dir) + strlen(key) + 2;
	struct mr_newfile *f = calloc(1, sizeof *f + n);

	if (f == NULL) {
		mr_fail(err, MR_ENOMEM, "no memory for the file %s", key);
		return NULL;
	}
	f->folder = f->fd = -1;
	snprintf(f->path, n, "%s/%s", dir, key);
	if (open_all(f, dir, key, err) == MR_OK)
		return f;
	mr_newfile_free(f);
	return NULL;
}

enum mr_err
mr_newfile_write(struct mr_newfile *f, struct mr_str data, struct mr_error *err)
{
	return mr_file_write_all(f->fd, data) == 0 ? MR_OK : fail(f, "write it", err);
}

/* Some file systems report only here that the bytes did not reach the disk. */
static int
close_file(struct mr_newfile *f)
{
	int fd = f->fd;

	f->fd = -1;
	return close(fd);
}

enum mr_err
mr_newfile_sync(struct mr_newfile *f, struct mr_error *err)
{
	if (fdatasync(f->fd) != 0)
		return fail(f, "sync it", err);
	return close_file(f) == 0 ? MR_OK : fail(f, "close it", err);
}

enum mr_err
mr_newfile_name(struct mr_newfile *f, struct mr_error *err)
{
	if (renameat(f->folder, f->temporary, f->folder, f->name) != 0)
		return fail(f, "give it its name", err);
	f->temporary[0] = '\0';
	return MR_OK;
}

enum mr_err
mr_newfile_sync_folders(struct mr_newfile *f, struct mr_error *err)
{
	for (size_t i = 0; i < f->n_unsynced; i++)
		if (fsync(f->unsynced[i]) != 0)
			return fail(f, "sync its folder", err);
	return fsync(f->folder) == 0 ? MR_OK : fail(f, "sync its folder", err);
}

static void
forget_unsynced(struct mr_newfile *f)
{
	while (f->n_unsynced > 0)
		close(f->unsynced[--f->n_unsynced]);
}

enum mr_err
mr_newfile_leave_sync(struct mr_newfile *f, struct mr_error *err)
{
	forget_unsynced(f);
	if (f->fd < 0)
		return MR_OK;
	return close_file(f) == 0 ? MR_OK : fail(f, "close it", err);
}

/* It tells of errors that came since the folder was opened. */
enum mr_err
mr_newfile_sync_all(struct mr_newfile *f, struct mr_error *err)
{
#ifdef HAVE_SYNCFS
	if (syncfs(f->folder) == 0)
		return MR_OK;
#endif
	return fail(f, "sync its file system", err);
}

bool
mr_newfile_same_system(const struct mr_newfile *a, const struct mr_newfile *b)
{
	return a->device == b->device;
}

void
mr_newfile_free(struct mr_newfile *f)
{
	if (f == NULL)
		return;
	if (f->temporary[0] != '\0')
		(void)unlinkat(f->folder, f->temporary, 0);
	forget_unsynced(f);
	if (f->fd >= 0)
		close(f->fd);
	if (f->folder >= 0)
		close(f->folder);
	free(f);
}
