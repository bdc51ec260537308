/* The quarantine: see quarantine.h. */
#include "spool/quarantine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "spool/spool.h"

#define MAX_PATH 4096

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
	while (bytes.n > 0 && e == MR_OK) {
		ssize_t n = write(fd, bytes.p, bytes.n);

		if (n < 0 && errno != EINTR)
			e = failed(err, path);
		bytes.p += n > 0 ? n : 0;
		bytes.n -= n > 0 ? (size_t)n : 0;
	}
	if (e == MR_OK && fsync(fd) != 0)
		e = failed(err, path);
	if (close(fd) != 0 && e == MR_OK)
		e = failed(err, path);
	return e;
}

static enum mr_err
write_pair(const char *dir, const char *name, off_t offset, struct mr_str bytes,
    const char *reason, struct mr_error *err)
{
	char path[MAX_PATH], text[1024], now[MR_CLOCK_TEXT];
	int n = snprintf(path, sizeof path, "%s/%s-%lld.bad", dir, name, (long long)offset);
	enum mr_err e;

	if (n < 0 || (size_t)n >= sizeof path)
		return mr_fail(err, MR_EINVAL, "quarantine %.400s: the name is too long", dir);
	if ((e = write_file(path, bytes, err)) != MR_OK)
		return e;
	mr_clock_format(mr_clock_now_us(), now);
	(void)snprintf(text, sizeof text, "segment: %s\noffset: %lld\nbytes: %zu\n"
	    "put aside: %s\nreason: %s\n", name, (long long)offset, bytes.n, now, reason);
	(void)snprintf(path + n - 4, 5, ".txt");
	return write_file(path, mr_str(text), err);
}

enum mr_err
mr_quarantine(const char *spool, const char *segment, off_t offset, struct mr_str bytes,
    const char *reason, struct mr_error *err)
{
	const char *slash = strrchr(segment, '/');
	char dir[MAX_PATH];
	int n = snprintf(dir, sizeof dir, "%s/quarantine", spool);
	enum mr_err e;

	if (n < 0 || (size_t)n >= sizeof dir)
		return mr_fail(err, MR_EINVAL, "quarantine: the spool's name is too long");
	if (mkdir(dir, 0700) != 0 && errno != EEXIST)
		return failed(err, dir);
	e = write_pair(dir, slash != NULL ? slash + 1 : segment, offset, bytes, reason, err);
	if (e != MR_OK)
		return e;
	if (mr_spool_system_io.sync_dir(dir) != 0)
		return failed(err, dir);
	return mr_spool_system_io.sync_dir(spool) == 0 ? MR_OK : failed(err, spool);
}
