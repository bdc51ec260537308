/* The log: see log.h. One mutex guards the target; a line, or what is held, is one write(2). */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "base/clock.h"

#define TEXT_MAX 2000
/* Every byte may become \xNN; in front of it stand time, name, pid and level. */
#define LINE_MAX_BYTES (4 * TEXT_MAX + 256)
#define HELD_BYTES 4096

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* Guarded by lock: */
static char *path;         /* owned; NULL: not a file */
static int fd = STDERR_FILENO;
static int64_t checked_ms; /* when the path was last compared with fd */
/* Read without the lock: set before there are threads. */
static bool to_syslog;
static enum mr_log_level threshold = MR_LOG_INFO;
static const char *name = "millrace";
static long pid;

/* Lines that this thread holds. */
static _Thread_local struct {
	bool on;
	size_t n;
	char text[HELD_BYTES];
} held;

static const struct {
	const char *text;
	int priority;
} levels[] = {
	[MR_LOG_DEBUG] = { "DEBUG", LOG_DEBUG },
	[MR_LOG_INFO] = { "INFO", LOG_INFO },
	[MR_LOG_WARNING] = { "WARNING", LOG_WARNING },
	[MR_LOG_ERROR] = { "ERROR", LOG_ERR },
};

/* Root writes here too, and whose folder it is must not choose where: no symbolic link. */
static int
open_file(const char *file)
{
	return open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW, 0640);
}

static enum mr_err
fail_open(struct mr_error *err, const char *file)
{
	return mr_fail(err, MR_EIO, "log file %s: %s", file, errno != ELOOP ? strerror(errno) :
	    "is a symbolic link; write the path of the file itself, or log = stderr");
}

static void
close_target(void)
{
	if (path != NULL)
		close(fd);
	if (to_syslog)
		closelog();
	free(path);
	path = NULL;
	fd = STDERR_FILENO;
	to_syslog = false;
}

enum mr_err
mr_log_open(const char *new_name, const char *target, enum mr_log_level least,
    struct mr_error *err)
{
	char *new_path = NULL;
	int new_fd = STDERR_FILENO;
	bool syslog_wanted = strcmp(target, "syslog") == 0;

	if (!syslog_wanted && strcmp(target, "stderr") != 0) {
		new_fd = open_file(target);
		if (new_fd < 0)
			return fail_open(err, target);
		new_path = strdup(target);
		if (new_path == NULL) {
			close(new_fd);
			return mr_fail(err, MR_ENOMEM, "log file %s: no memory", target);
		}
	}
	pthread_mutex_lock(&lock);
	close_target();
	name = new_name;
	pid = (long)getpid();
	threshold = least;
	path = new_path;
	fd = new_fd;
	to_syslog = syslog_wanted;
	if (to_syslog)
		openlog(name, LOG_PID | LOG_NDELAY, LOG_DAEMON);
	pthread_mutex_unlock(&lock);
	return MR_OK;
}

void
mr_log_open_or_syslog(const char *new_name, const char *target, enum mr_log_level least)
{
	static const char text[] = "%s; syslog is written instead until the next start";
	struct mr_error why = MR_ERROR_INIT;

	if (mr_log_open(new_name, target, least, &why) == MR_OK)
		return;
	mr_log_warning(text, why.text);
	if (mr_log_open(new_name, "syslog", least, NULL) == MR_OK)
		mr_log_warning(text, why.text);
}

void
mr_log_close(void)
{
	pthread_mutex_lock(&lock);
	close_target();
	pthread_mutex_unlock(&lock);
}

/* Copies text with everything unprintable as \xNN; returns the length. */
static size_t
escape(char *to, const char *text)
{
	static const char hex[] = "0123456789abcdef";
	char *p = to;

	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (c >= 0x20 && c < 0x7f) {
			*p++ = (char)c;
			continue;
		}
		*p++ = '\\';
		*p++ = 'x';
		*p++ = hex[c >> 4];
		*p++ = hex[c & 15];
	}
	*p = '\0';
	return (size_t)(p - to);
}

void
mr_log_last_words(const char *text)
{
	char part[TEXT_MAX + 1], line[LINE_MAX_BYTES];

	mr_log_error("%s", text);
	if (to_syslog)
		return;
	(void)snprintf(part, sizeof part, "%s", text);
	(void)escape(line, part);
	openlog(name, LOG_PID | LOG_NDELAY, LOG_DAEMON);
	syslog(LOG_ERR, "%s", line);
	closelog();
}

/* Follows logrotate: opens the path anew when it is another file, or gone. */
static void
follow_rotation(void)
{
	struct stat mine, theirs;
	int64_t now = mr_clock_mono_ms();
	int new_fd;

	if (path == NULL || now - checked_ms < 1000)
		return;
	checked_ms = now;
	if (fstat(fd, &mine) == 0 && lstat(path, &theirs) == 0 &&
	    mine.st_ino == theirs.st_ino && mine.st_dev == theirs.st_dev)
		return;
	new_fd = open_file(path);
	if (new_fd < 0)
		return;
	close(fd);
	fd = new_fd;
}

static void
put(const char *text, size_t n)
{
	pthread_mutex_lock(&lock);
	follow_rotation();
	if (write(fd, text, n) < 0) {
		/* A log that cannot be written has nowhere to say so. */
	}
	pthread_mutex_unlock(&lock);
}

static void
put_held(void)
{
	if (held.n > 0)
		put(held.text, held.n);
	held.n = 0;
}

/* Keeps the line for later; false: it has to be written now. */
static bool
keep(const char *line, size_t n)
{
	if (!held.on)
		return false;
	if (n > HELD_BYTES - held.n)
		put_held();
	if (n > HELD_BYTES)
		return false;
	memcpy(held.text + held.n, line, n);
	held.n += n;
	return true;
}

void
mr_log_hold(void)
{
	held.on = true;
}

void
mr_log_release(void)
{
	int saved_errno = errno;

	put_held();
	held.on = false;
	errno = saved_errno;
}

void
mr_log(enum mr_log_level level, const char *fmt, ...)
{
	char text[TEXT_MAX + 1], line[LINE_MAX_BYTES], when[MR_CLOCK_TEXT];
	int saved_errno = errno;
	va_list ap;
	size_t n, head;

	if (level < threshold)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	mr_clock_format(mr_clock_now_us(), when);

	head = (size_t)snprintf(line, 200, "%s %s[%ld] %s: ", when, name, pid, levels[level].text);
	n = head + escape(line + head, text);
	if (to_syslog) {
		syslog(levels[level].priority, "%s", line + head);
	} else {
		line[n++] = '\n';
		if (!keep(line, n))
			put(line, n);
	}
	errno = saved_errno;
}
