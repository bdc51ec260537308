/* The quarantine: see quarantine.h. */
#include "spool/quarantine.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "spool/paths.h"

static enum mr_err
failed(struct mr_error *err, const char *path)
{
	return mr_fail(err, MR_EIO, "quarantine %s: %s", path, strerror(errno));
}

/* The whole file, on disk. */
static enum mr_err
write_file(const char *path, struct mr_str bytes, struct mr_error *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	enum mr_err e = MR_OK;

	if (fd < 0)
		return failed(err, path);
	if (mr_file_write_all(fd, bytes) != 0 || fsync(fd) != 0)
		e = failed(err, path);
	if (close(fd) != 0 && e == MR_OK)
		e = failed(err, path);
	return e;
}

static enum mr_err
write_pair(const char *dir, const char *name, off_t offset, struct mr_str bytes,
    const char *reason, struct mr_error *err)
{
	char path[MR_FILE_PATH_MAX], piece[NAME_MAX + 32], text[1024], now[MR_CLOCK_TEXT];
	int n = snprintf(piece, sizeof piece, "%s-%lld", name, (long long)offset);
	enum mr_err e;

	if (n < 0 || (size_t)n >= sizeof piece)
		return mr_fail(err, MR_EINVAL, "quarantine %.400s: the name is too long", dir);
	if ((e = mr_paths_join(path, dir, piece, MR_PATHS_PIECE, err)) != MR_OK ||
	    (e = write_file(path, bytes, err)) != MR_OK)
		return e;
	mr_clock_format(mr_clock_now_us(), now);
	(void)snprintf(text, sizeof text, "segment: %s\noffset: %lld\nbytes: %zu\n"
	    "put aside: %s\nreason: %s\n", name, (long long)offset, bytes.n, now, reason);
	if ((e = mr_paths_join(path, dir, piece, MR_PATHS_REASON, err)) != MR_OK)
		return e;
	return write_file(path, mr_str(text), err);
}

/* Makes the folder, if it is missing, and its path. */
static enum mr_err
open_folder(char dir[MR_FILE_PATH_MAX], const char *spool, struct mr_error *err)
{
	enum mr_err e = mr_paths_join(dir, spool, MR_PATHS_QUARANTINE, "", err);

	if (e != MR_OK)
		return e;
	return mkdir(dir, 0700) == 0 || errno == EEXIST ? MR_OK : failed(err, dir);
}

static enum mr_err
sync_folders(const char *dir, const char *spool, struct mr_error *err)
{
	if (mr_file_sync_dir(dir) != 0)
		return failed(err, dir);
	return mr_file_sync_dir(spool) == 0 ? MR_OK : failed(err, spool);
}

enum mr_err
mr_quarantine(const char *spool, const char *segment, off_t offset, struct mr_str bytes,
    const char *reason, struct mr_error *err)
{
	char dir[MR_FILE_PATH_MAX];
	enum mr_err e;

	if ((e = open_folder(dir, spool, err)) != MR_OK ||
	    (e = write_pair(dir, mr_paths_name(segment), offset, bytes, reason, err)) != MR_OK)
		return e;
	return sync_folders(dir, spool, err);
}

enum mr_err
mr_quarantine_file(const char *spool, const char *path, struct mr_error *err)
{
	char dir[MR_FILE_PATH_MAX], to[MR_FILE_PATH_MAX];
	enum mr_err e;

	if ((e = open_folder(dir, spool, err)) != MR_OK ||
	    (e = mr_paths_join(to, dir, mr_paths_name(path), MR_PATHS_PIECE, err)) != MR_OK)
		return e;
	return rename(path, to) == 0 ? sync_folders(dir, spool, err) : failed(err, to);
}
