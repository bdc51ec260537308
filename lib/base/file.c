/* Files: see file.h. Holds no state. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int
mr_file_write_all_with(ssize_t (*put)(int fd, const void *p, size_t n), int fd,
    struct mr_str bytes)
{
	ssize_t n;

	while (bytes.n > 0) {
		n = put(fd, bytes.p, bytes.n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0)
			errno = ENOSPC;
		if (n <= 0)
			return -1;
		bytes.p += n;
		bytes.n -= (size_t)n;
	}
	return 0;
}

int
mr_file_write_all(int fd, struct mr_str bytes)
{
	return mr_file_write_all_with(write, fd, bytes);
}

ssize_t
mr_file_read_all(int fd, void *to, size_t size)
{
	size_t done = 0;
	ssize_t n;

	while (done < size) {
		n = read(fd, (char *)to + done, size - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

int
mr_file_sync_dir(const char *folder)
{
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), result, saved;

	if (fd < 0)
		return -1;
	result = fsync(fd);
	saved = errno;
	close(fd);
	errno = saved;
	return result;
}

/* What snprintf says of it. */
static int
check_length(char *path, size_t size, int n)
{
	if (n >= 0 && (size_t)n < size)
		return 0;
	if (size > 0)
		path[0] = '\0';
	errno = ENAMETOOLONG;
	return -1;
}

int
mr_file_join(char *path, size_t size, const char *folder, const char *name, const char *suffix)
{
	return check_length(path, size, snprintf(path, size, "%s/%s%s", folder, name, suffix));
}

int
mr_file_folder(char *folder, size_t size, const char *path)
{
	const char *slash = strrchr(path, '/');
	int n = slash == NULL ? 0 : slash == path ? 1 : (int)(slash - path);

	return check_length(folder, size, snprintf(folder, size, "%.*s", slash == NULL ? 1 : n,
	    slash == NULL ? "." : path));
}
