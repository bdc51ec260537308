/* Files: base/file.h, and what becomes of it when the system will not. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../tap.h"

static char dir[200];

static const char *
in_dir(const char *name)
{
	static char path[300];

	snprintf(path, sizeof path, "%s/%s", dir, name);
	return path;
}

static int
create(const char *name)
{
	int fd = open(in_dir(name), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0)
		bail("cannot create %s", in_dir(name));
	return fd;
}

/* --- a write(2) that does as it is told ---------------------------------------- */

static const ssize_t *script; /* what it returns; below 0: an errno, negated */
static size_t calls;
static char written[64];
static size_t n_written;

static ssize_t
scripted(int fd, const void *p, size_t n)
{
	ssize_t answer = script[calls++];

	(void)fd;
	if (answer < 0) {
		errno = (int)-answer;
		return -1;
	}
	if ((size_t)answer > n)
		bail("asked to write %zu bytes only", n);
	memcpy(written + n_written, p, (size_t)answer);
	n_written += (size_t)answer;
	return answer;
}

static void
test_write(void)
{
	static const struct {
		int line;
		ssize_t script[4];
		int result, error;
		size_t calls;
		const char *written;
	} rows[] = {
		{ __LINE__, { 6 }, 0, 0, 1, "abcdef" },
		{ __LINE__, { 1, 2, 3 }, 0, 0, 3, "abcdef" },
		{ __LINE__, { -EINTR, 2, -EINTR, 4 }, 0, 0, 4, "abcdef" },
		{ __LINE__, { 2, 0 }, -1, ENOSPC, 2, "ab" },
		{ __LINE__, { 0 }, -1, ENOSPC, 1, "" },
		{ __LINE__, { 5, -EIO }, -1, EIO, 2, "abcde" },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		row(rows[i].line);
		script = rows[i].script;
		calls = n_written = 0;
		errno = 0;
		is_int(mr_file_write_all_with(scripted, -1, mr_str("abcdef")), rows[i].result,
		    "the result");
		is_int(errno == EINTR ? 0 : errno, rows[i].error, "errno");
		is_int(calls, rows[i].calls, "calls");
		is_bytes(((struct mr_str){ written, n_written }), mr_str(rows[i].written),
		    "what was written");
	}
	row(0);
	calls = 0;
	is_int(mr_file_write_all_with(scripted, -1, MR_STR_NULL), 0, "nothing is written");
	is_int(calls, 0, "without a call");
}

/* --- real files ----------------------------------------------------------------- */

static void
test_real_write(void)
{
	int fd = create("file"), full;
	char text[16];

	is_int(mr_file_write_all(fd, mr_str("twelve bytes")), 0, "a file takes all");
	is_int(lseek(fd, 0, SEEK_SET), 0, "from its beginning");
	is_int(mr_file_read_all(fd, text, sizeof text), 12, "all of it is read");
	is_bytes(((struct mr_str){ text, 12 }), mr_str("twelve bytes"), "as it was written");
	is_int(lseek(fd, 0, SEEK_SET), 0, "again");
	is_int(mr_file_read_all(fd, text, 5), 5, "as much as there is room for");
	is_int(mr_file_read_all(fd, text, 0), 0, "no room");
	close(fd);
	errno = 0;
	is_int(mr_file_write_all(fd, mr_str("x")), -1, "a closed one takes nothing");
	is_int(errno, EBADF, "and errno says so");
	errno = 0;
	is_int(mr_file_read_all(fd, text, sizeof text), -1, "nor can it be read");
	is_int(errno, EBADF, "and errno says so");
	fd = open(dir, O_RDONLY | O_CLOEXEC);
	errno = 0;
	is_int(mr_file_read_all(fd, text, sizeof text), -1, "a folder is no file");
	is_int(errno, EISDIR, "and errno says so");
	close(fd);
	full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	errno = 0;
	is_int(mr_file_write_all(full, mr_str("x")), -1, "a full device takes nothing");
	is_int(errno, ENOSPC, "and errno says so");
	close(full);
	unlink(in_dir("file"));
}

/* Writes to a pipe in pieces: the reader sees one after the other. */
static void *
write_pieces(void *arg)
{
	int fd = *(int *)arg;

	for (int i = 0; i < 1000; i++)
		if (mr_file_write_all(fd, mr_str("0123456789")) != 0)
			break;
	close(fd);
	return NULL;
}

static void
test_short_reads(void)
{
	static char text[20000];
	pthread_t thread;
	int ends[2];
	bool good = true;

	if (pipe(ends) != 0 || pthread_create(&thread, NULL, write_pieces, &ends[1]) != 0)
		bail("no pipe or no thread");
	is_int(mr_file_read_all(ends[0], text, sizeof text), 10000, "a pipe is read to its end");
	for (int i = 0; i < 10000; i++)
		good &= text[i] == '0' + i % 10;
	ok(good, "in order");
	pthread_join(thread, NULL);
	close(ends[0]);
}

/* --- folders and paths ---------------------------------------------------------- */

static void
test_sync_dir(void)
{
	is_int(mr_file_sync_dir(dir), 0, "a folder is synced");
	errno = 0;
	is_int(mr_file_sync_dir(in_dir("none")), -1, "one that is not there is not");
	is_int(errno, ENOENT, "and errno says so");
	close(create("file"));
	errno = 0;
	is_int(mr_file_sync_dir(in_dir("file")), -1, "a file is no folder");
	is_int(errno, ENOTDIR, "and errno says so");
	unlink(in_dir("file"));
}

static void
test_join(void)
{
	static const struct {
		int line;
		size_t size;
		const char *folder, *name, *suffix, *want; /* want NULL: too long */
	} rows[] = {
		{ __LINE__, 16, "/a/b", "c", "", "/a/b/c" },
		{ __LINE__, 16, "/a", "c", ".tmp", "/a/c.tmp" },
		{ __LINE__, 9, "/a", "c", ".tmp", "/a/c.tmp" },
		{ __LINE__, 8, "/a", "c", ".tmp", NULL },
		{ __LINE__, 4, "/long/folder", "c", "", NULL },
		{ __LINE__, 1, "", "", "", NULL },
		{ __LINE__, 2, "", "", "", "/" },
	};
	char path[16];

	for (size_t i = 0; i < ROWS(rows); i++) {
		row(rows[i].line);
		memset(path, 'x', sizeof path);
		errno = 0;
		is_int(mr_file_join(path, rows[i].size, rows[i].folder, rows[i].name,
		    rows[i].suffix), rows[i].want != NULL ? 0 : -1, "the result");
		is_int(errno, rows[i].want != NULL ? 0 : ENAMETOOLONG, "errno");
		is_str(mr_str(path), rows[i].want != NULL ? rows[i].want : "", "the path");
	}
	row(0);
}

static void
test_folder(void)
{
	static const struct {
		int line;
		size_t size;
		const char *path, *want; /* want NULL: too long */
	} rows[] = {
		{ __LINE__, 16, "/a/b/c", "/a/b" },
		{ __LINE__, 16, "/a", "/" },
		{ __LINE__, 16, "a", "." },
		{ __LINE__, 16, "a/b", "a" },
		{ __LINE__, 5, "/a/b/c", "/a/b" },
		{ __LINE__, 4, "/a/b/c", NULL },
	};
	char folder[16];

	for (size_t i = 0; i < ROWS(rows); i++) {
		row(rows[i].line);
		errno = 0;
		is_int(mr_file_folder(folder, rows[i].size, rows[i].path),
		    rows[i].want != NULL ? 0 : -1, "the result");
		is_int(errno, rows[i].want != NULL ? 0 : ENAMETOOLONG, "errno");
		is_str(mr_str(folder), rows[i].want != NULL ? rows[i].want : "", "the folder");
	}
	row(0);
}

int
main(void)
{
	make_temp_dir(dir, sizeof dir, "file");
	test_write();
	test_real_write();
	test_short_reads();
	test_sync_dir();
	test_join();
	test_folder();
	rmdir(dir);
	return done();
}
