/*
 * Preloaded into a program, makes one of its file operations fail, or ends the
 * program there; and lets its clock jump. From the environment:
 *
 * FAULTIO_DIR   operations on paths below it count, no others
 * FAULTIO_OP    open, write, sync, truncate, rename, unlink
 * FAULTIO_N     which of them it is, from 1
 * FAULTIO_DO    an errno by name (EIO, ENOSPC, EMFILE): it fails
 *               short: half of a write is done, the next one fails with ENOSPC
 *               lose: a sync fails (EIO), and what was not synced before is gone
 *               before, after: SIGKILL before it or after it
 * FAULTIO_ALSO  an operation that fails with EIO every time, besides
 * FAULTIO_MARK  a file that is made when it happens
 * FAULTIO_CLOCK a file of 8 bytes: microseconds (int64, of this machine) that are
 *               added to the real-time clock; it may be changed at any time
 * FAULTIO_SYSLOG a file that gets a line for each message to syslog
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define MAX_FD 4096

enum { OPEN, WRITE, SYNC, TRUNCATE, RENAME, UNLINK, N_OPS };

static const char *const op_names[N_OPS] = { "open", "write", "sync", "truncate", "rename",
	"unlink" };

static const struct {
	const char *name;
	int code;
} errnos[] = { { "EIO", EIO }, { "ENOSPC", ENOSPC }, { "EMFILE", EMFILE } };

static const char *dir, *action, *mark;
static size_t dir_len;
static int op = -1, also = -1, code;
static long at;
static long counter;      /* atomic */
static bool fail_next_write;
static off_t synced[MAX_FD];
static const int64_t *clock_offset_us;

static int
op_of(const char *name)
{
	for (int i = 0; name != NULL && i < N_OPS; i++)
		if (strcmp(name, op_names[i]) == 0)
			return i;
	return -1;
}

__attribute__((constructor)) static void
set_up(void)
{
	const char *name = getenv("FAULTIO_OP"), *n = getenv("FAULTIO_N");
	const char *clock = getenv("FAULTIO_CLOCK");
	int fd;

	dir = getenv("FAULTIO_DIR");
	action = getenv("FAULTIO_DO");
	mark = getenv("FAULTIO_MARK");
	dir_len = dir != NULL ? strlen(dir) : 0;
	at = n != NULL ? strtol(n, NULL, 10) : 0;
	op = op_of(name);
	also = op_of(getenv("FAULTIO_ALSO"));
	for (size_t i = 0; action != NULL && i < sizeof errnos / sizeof errnos[0]; i++)
		if (strcmp(action, errnos[i].name) == 0)
			code = errnos[i].code;
	if (dir == NULL || action == NULL)
		op = also = -1;
	if (clock != NULL && (fd = open(clock, O_RDONLY | O_CLOEXEC)) >= 0) {
		void *p = mmap(NULL, sizeof *clock_offset_us, PROT_READ, MAP_SHARED, fd, 0);

		clock_offset_us = p != MAP_FAILED ? p : NULL;
		close(fd);
	}
}

/* The next function of this name: libc's, or a sanitizer's. */
#define NEXT(function) ((__typeof__(&function))(uintptr_t)dlsym(RTLD_NEXT, #function))

static void
leave_mark(void)
{
	long fd;

	if (mark == NULL)
		return;
	fd = syscall(SYS_openat, AT_FDCWD, mark, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	if (fd >= 0)
		syscall(SYS_close, fd);
}

static bool
is_ours(const char *path)
{
	return path != NULL && strncmp(path, dir, dir_len) == 0;
}

static bool
is_our_fd(int fd)
{
	char link[64], path[PATH_MAX];
	ssize_t n;

	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof path - 1);
	if (n < 0)
		return false;
	path[n] = '\0';
	return is_ours(path);
}

/* Whether this operation is the one. */
static bool
is_due(int what, bool ours)
{
	if (what != op || !ours || __atomic_add_fetch(&counter, 1, __ATOMIC_SEQ_CST) != at)
		return false;
	leave_mark();
	if (strcmp(action, "before") == 0)
		raise(SIGKILL);
	return true;
}

/* Runs call; fails instead when it is due, or ends the program afterwards. */
#define RUN(due, call) do { \
	bool due_ = (due); \
	__typeof__(call) result_; \
	if (due_ && code != 0) { \
		errno = code; \
		return -1; \
	} \
	result_ = (call); \
	if (due_ && strcmp(action, "after") == 0) \
		raise(SIGKILL); \
	return result_; \
} while (0)

#define FAULT(what, ours, call) do { \
	if (also == (what) && (ours)) { \
		errno = EIO; \
		return -1; \
	} \
	RUN(op == (what) && is_due(what, ours), call); \
} while (0)

static int
next_open(const char *path, int flags, mode_t mode)
{
	return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

/* What a file holds when it is opened counts as synced. */
static int
remember(int fd, int result)
{
	struct stat st;

	if (op == SYNC && result >= 0 && fd >= 0 && fd < MAX_FD && fstat(fd, &st) == 0)
		synced[fd] = st.st_size;
	return result;
}

static int
fault_open(const char *path, int flags, mode_t mode)
{
	int fd = -1;

	FAULT(OPEN, is_ours(path), (fd = next_open(path, flags, mode), remember(fd, fd)));
}

static mode_t
mode_of(int flags, va_list args)
{
	return flags & (O_CREAT | __O_TMPFILE) ? va_arg(args, mode_t) : 0;
}

#define DEFINE_OPEN(name) \
	int name(const char *path, int flags, ...) \
	{ \
		va_list args; \
		mode_t mode; \
		va_start(args, flags); \
		mode = mode_of(flags, args); \
		va_end(args); \
		return fault_open(path, flags, mode); \
	}

DEFINE_OPEN(open)
DEFINE_OPEN(open64)

/* What open() becomes with _FORTIFY_SOURCE. */
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);

int
__open_2(const char *path, int flags)
{
	return fault_open(path, flags, 0);
}

int
__open64_2(const char *path, int flags)
{
	return fault_open(path, flags, 0);
}

ssize_t
write(int fd, const void *p, size_t n)
{
	bool ours = op == WRITE && is_our_fd(fd), due = ours && is_due(WRITE, true);

	if (ours && fail_next_write) {
		fail_next_write = false;
		errno = ENOSPC;
		return -1;
	}
	if (due && strcmp(action, "short") == 0) {
		fail_next_write = true;
		n /= 2;
	}
	RUN(due, NEXT(write)(fd, p, n));
}

/* As a disk that fails does it: the pages are dropped, and the error comes once. */
static int
lose(int fd)
{
	if (fd < MAX_FD && ftruncate(fd, synced[fd]) != 0)
		abort();
	errno = EIO;
	return -1;
}

int
fdatasync(int fd)
{
	bool due = op == SYNC && is_due(SYNC, is_our_fd(fd));

	if (due && strcmp(action, "lose") == 0)
		return lose(fd);
	RUN(due, remember(fd, NEXT(fdatasync)(fd)));
}

/* Also of folders, of which nothing is lost here. */
int
fsync(int fd)
{
	bool due = op == SYNC && is_due(SYNC, is_our_fd(fd));
	struct stat st;

	if (due && strcmp(action, "lose") == 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		return lose(fd);
	if (due && strcmp(action, "lose") == 0) {
		errno = EIO;
		return -1;
	}
	RUN(due, remember(fd, NEXT(fsync)(fd)));
}

int
ftruncate(int fd, off_t length)
{
	FAULT(TRUNCATE, is_our_fd(fd), NEXT(ftruncate)(fd, length));
}

int
rename(const char *from, const char *to)
{
	FAULT(RENAME, is_ours(from) || is_ours(to), NEXT(rename)(from, to));
}

int
unlink(const char *path)
{
	FAULT(UNLINK, is_ours(path), NEXT(unlink)(path));
}

static int64_t
offset_us(clockid_t clock)
{
	if (clock_offset_us == NULL || (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE))
		return 0;
	return __atomic_load_n(clock_offset_us, __ATOMIC_RELAXED);
}

int
clock_gettime(clockid_t clock, struct timespec *ts)
{
	int result = (int)syscall(SYS_clock_gettime, clock, ts);
	int64_t us = offset_us(clock);

	if (result == 0 && us != 0) {
		us += (int64_t)ts->tv_sec * 1000000 + ts->tv_nsec / 1000;
		ts->tv_sec = us / 1000000;
		ts->tv_nsec = us % 1000000 * 1000;
	}
	return result;
}

time_t
time(time_t *out)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	if (out != NULL)
		*out = ts.tv_sec;
	return ts.tv_sec;
}

int
gettimeofday(struct timeval *tv, void *zone)
{
	struct timespec ts;

	(void)zone;
	clock_gettime(CLOCK_REALTIME, &ts);
	tv->tv_sec = ts.tv_sec;
	tv->tv_usec = ts.tv_nsec / 1000;
	return 0;
}

/* --- syslog --- */

static void
put_syslog(const char *format, va_list ap)
{
	const char *path = getenv("FAULTIO_SYSLOG");
	int fd = path == NULL ? -1 : (int)syscall(SYS_openat, AT_FDCWD, path,
	    O_WRONLY | O_APPEND | O_CREAT, 0644);

	if (fd < 0)
		return;
	(void)vdprintf(fd, format, ap);
	(void)dprintf(fd, "\n");
	(void)syscall(SYS_close, fd);
}

void syslog(int priority, const char *format, ...);
void __syslog_chk(int priority, int flag, const char *format, ...);

void
syslog(int priority, const char *format, ...)
{
	va_list ap;

	(void)priority;
	va_start(ap, format);
	put_syslog(format, ap);
	va_end(ap);
}

/* What _FORTIFY_SOURCE makes of it. */
void
__syslog_chk(int priority, int flag, const char *format, ...)
{
	va_list ap;

	(void)priority;
	(void)flag;
	va_start(ap, format);
	put_syslog(format, ap);
	va_end(ap);
}
