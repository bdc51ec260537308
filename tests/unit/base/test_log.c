/* The log: base/log.h. */
#include "base/log.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../tap.h"
#include "base/clock.h"

static char dir[200];
static char path[300], moved[300], other[300];
static struct mr_error err;

static void
make_dir(void)
{
	make_temp_dir(dir, sizeof dir, "log");
	snprintf(path, sizeof path, "%s/a.log", dir);
	snprintf(moved, sizeof moved, "%s/a.log.1", dir);
	snprintf(other, sizeof other, "%s/b.log", dir);
}

static void
remove_dir(void)
{
	unlink(path);
	unlink(moved);
	unlink(other);
	rmdir(dir);
}

/* The whole file as a string; "" when it is not there. The caller frees it. */
static char *
content(const char *file)
{
	size_t room = 4u << 20, n = 0;
	char *text = malloc(room);
	FILE *f = fopen(file, "rb");

	if (text == NULL)
		bail("no memory");
	if (f != NULL) {
		n = fread(text, 1, room - 1, f);
		fclose(f);
	}
	text[n] = '\0';
	return text;
}

static void
open_log(enum mr_log_level least)
{
	unlink(path);
	if (mr_log_open("test", path, least, &err) != MR_OK)
		bail("%s", err.text);
}

/* "2026-11-23T18:22:51.123Z test[1234] " in front; what follows it, or NULL. */
static const char *
behind_head(const char *line, const char *name)
{
	char head[100];
	int64_t us;
	int n;

	if (strlen(line) < 25 || line[24] != ' ' ||
	    !mr_clock_parse((struct mr_str){ line, 24 }, &us) || line[23] != 'Z')
		return NULL;
	if (us > mr_clock_now_us() || us < mr_clock_now_us() - INT64_C(3600) * MR_US_PER_S)
		return NULL;
	n = snprintf(head, sizeof head, " %s[%ld] ", name, (long)getpid());
	return strncmp(line + 24, head, (size_t)n) == 0 ? line + 24 + n : NULL;
}

static void
test_line(void)
{
	static const struct {
		int line;
		enum mr_log_level level;
		const char *text; /* NULL: nothing is written */
	} rows[] = {
		{ __LINE__, MR_LOG_DEBUG, NULL },
		{ __LINE__, MR_LOG_INFO, "INFO: number 7\n" },
		{ __LINE__, MR_LOG_WARNING, "WARNING: number 7\n" },
		{ __LINE__, MR_LOG_ERROR, "ERROR: number 7\n" },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		char *text;

		row(rows[i].line);
		open_log(MR_LOG_INFO);
		mr_log(rows[i].level, "number %d", 7);
		mr_log_close();
		text = content(path);
		if (rows[i].text == NULL)
			is_str(mr_str(text), "", "nothing is written");
		else
			is_str(mr_str(behind_head(text, "test")), rows[i].text,
			    "time, name and pid, then level and text");
		free(text);
	}
	row(0);
}

static void
test_levels(void)
{
	static const struct {
		int line;
		enum mr_log_level least;
		size_t lines;
	} rows[] = {
		{ __LINE__, MR_LOG_DEBUG, 4 },
		{ __LINE__, MR_LOG_INFO, 3 },
		{ __LINE__, MR_LOG_WARNING, 2 },
		{ __LINE__, MR_LOG_ERROR, 1 },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		size_t lines = 0;
		char *text;

		row(rows[i].line);
		open_log(rows[i].least);
		mr_log_debug("a");
		mr_log_info("b");
		mr_log_warning("c");
		mr_log_error("d");
		mr_log_close();
		text = content(path);
		for (const char *p = text; *p != '\0'; p++)
			lines += *p == '\n';
		is_int(lines, rows[i].lines, "lines at this level");
		free(text);
	}
	row(0);
}

static void
test_escaping(void)
{
	static const struct {
		int line;
		const char *text;
		const char *written;
	} rows[] = {
		{ __LINE__, "plain ~!\"'%s ", "plain ~!\"'%s " },
		{ __LINE__, "a\nb", "a\\x0ab" },
		{ __LINE__, "a\r\nb", "a\\x0d\\x0ab" },
		{ __LINE__, "\t", "\\x09" },
		{ __LINE__, "\x1b[31mred", "\\x1b[31mred" },
		{ __LINE__, "\x7f", "\\x7f" },
		{ __LINE__, "\xc3\xa4", "\\xc3\\xa4" },
		{ __LINE__, "\x80\xff\x01", "\\x80\\xff\\x01" },
		{ __LINE__, "", "" },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		char want[200];
		char *text;

		row(rows[i].line);
		open_log(MR_LOG_INFO);
		mr_log_info("%s", rows[i].text);
		mr_log_close();
		text = content(path);
		snprintf(want, sizeof want, "INFO: %s\n", rows[i].written);
		is_str(mr_str(behind_head(text, "test")), want, "escaped");
		free(text);
	}
	row(0);
}

static void
test_long(void)
{
	static const char fill[] = { 'x', '\n', (char)0xff };

	for (size_t i = 0; i < sizeof fill; i++) {
		char message[5001];
		size_t lines = 0, unprintable = 0;
		char *text;

		memset(message, fill[i], 5000);
		message[5000] = '\0';
		open_log(MR_LOG_INFO);
		mr_log_info("%s", message);
		mr_log_info("next");
		mr_log_close();
		text = content(path);
		for (const char *p = text; *p != '\0'; p++) {
			lines += *p == '\n';
			unprintable += *p != '\n' && !isprint((unsigned char)*p);
		}
		is_int(lines, 2, "a long text stays one line");
		is_int(unprintable, 0, "and printable");
		ok(strcspn(text, "\n") < 8300, "and is cut, %zu bytes", strcspn(text, "\n"));
		ok(strcspn(text, "\n") > 1900, "but not by much");
		free(text);
	}
}

static void
test_file(void)
{
	mode_t before = umask(022);
	struct stat st;
	char *text;

	open_log(MR_LOG_INFO);
	ok(stat(path, &st) == 0 && (st.st_mode & 0777) == 0640, "the file has mode 0640");
	mr_log_info("first");
	mr_log_close();
	if (mr_log_open("test", path, MR_LOG_INFO, &err) != MR_OK)
		bail("%s", err.text);
	mr_log_info("second");
	mr_log_close();
	text = content(path);
	ok(strstr(text, "first") != NULL && strstr(text, "second") != NULL,
	    "an existing file is added to");
	free(text);
	umask(before);
}

static void
test_errno(void)
{
	open_log(MR_LOG_INFO);
	errno = ENOTTY;
	mr_log_info("x");
	is_int(errno, ENOTTY, "errno is kept");
	errno = ENOTTY;
	mr_log_debug("x");
	is_int(errno, ENOTTY, "errno is kept when nothing is written");
	mr_log_close();
}

static void
test_failed_open(void)
{
	char nowhere[400];
	char *text;

	snprintf(nowhere, sizeof nowhere, "%s/no/such/dir.log", dir);
	open_log(MR_LOG_INFO);
	err = (struct mr_error)MR_ERROR_INIT;
	is_int(mr_log_open("test", nowhere, MR_LOG_INFO, &err), MR_EIO, "a path that cannot be");
	is_part(err.text, nowhere, "its error names it");
	is_int(mr_log_open("test", dir, MR_LOG_INFO, &err), MR_EIO, "a directory");
	is_int(mr_log_open("test", nowhere, MR_LOG_INFO, NULL), MR_EIO, "without an error struct");
	mr_log_info("still here");
	mr_log_close();
	text = content(path);
	is_part(text, "still here", "the old target stays");
	free(text);
}

/* Logs for as long as it takes until the path was surely looked at once more. */
static void
log_past_a_look(void)
{
	int64_t until = mr_clock_mono_ms() + 1100;
	struct timespec pause = { .tv_nsec = 20000000 };

	while (mr_clock_mono_ms() < until) {
		mr_log_info("not there");
		nanosleep(&pause, NULL);
	}
	mr_log_info("not there");
}

/* Who may write to the log's folder must not choose what root writes to. */
static void
test_links(void)
{
	char *text;

	unlink(other);
	open_log(MR_LOG_INFO);
	if (rename(path, moved) != 0 || symlink(other, path) != 0)
		bail("cannot put a link at %s", path);
	is_int(mr_log_open("test", path, MR_LOG_INFO, &err), MR_EIO, "a symbolic link");
	is_part(err.text, "is a symbolic link; write the path of the file itself", "its error says it");
	is_int(access(other, F_OK), -1, "nothing is made where it points");
	log_past_a_look();
	is_int(access(other, F_OK), -1, "nor when the file was replaced by one");
	text = content(moved);
	is_part(text, "not there", "the old file stays");
	free(text);
	mr_log_close();
	unlink(path);
	unlink(moved);
}

/* Another file, and back: each gets its own lines. */
static void
test_switch(void)
{
	char *a, *b;

	unlink(other);
	open_log(MR_LOG_INFO);
	mr_log_info("one");
	is_int(mr_log_open("second", other, MR_LOG_INFO, &err), MR_OK, "another file");
	mr_log_info("two");
	mr_log_close();
	a = content(path);
	b = content(other);
	ok(strstr(a, "one") != NULL && strstr(a, "two") == NULL, "the first file has its line");
	is_str(mr_str(behind_head(b, "second")), "INFO: two\n", "the second has its own, and the name");
	free(a);
	free(b);
}

/* Logs until the file at `path` is there again; false: ten seconds were not enough. */
static bool
log_until_reopened(void)
{
	int64_t deadline = mr_clock_mono_ms() + 10000;
	struct timespec pause = { .tv_nsec = 20000000 };

	while (mr_clock_mono_ms() < deadline) {
		mr_log_info("after");
		if (access(path, F_OK) == 0)
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}

static void
test_rotation(void)
{
	char *text;

	open_log(MR_LOG_INFO);
	mr_log_info("before");
	if (rename(path, moved) != 0)
		bail("cannot rename %s", path);
	ok(log_until_reopened(), "a renamed file is opened anew");
	mr_log_info("in the new file");
	text = content(path);
	is_part(text, "in the new file", "later lines go to the new file");
	free(text);
	text = content(moved);
	is_part(text, "before", "the old file keeps its lines");
	ok(strstr(text, "in the new file") == NULL, "and gets no new ones");
	free(text);
	unlink(path);
	ok(log_until_reopened(), "a removed file is made anew");
	mr_log_close();
}

/* --- stderr ------------------------------------------------------------- */

static int saved_stderr = -1;

static void
catch_stderr(void)
{
	int fd = open(other, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	saved_stderr = dup(STDERR_FILENO);
	if (fd < 0 || saved_stderr < 0 || dup2(fd, STDERR_FILENO) < 0)
		bail("cannot redirect stderr");
	close(fd);
}

static char *
caught_stderr(void)
{
	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	return content(other);
}

/* Runs first: nothing has been opened yet. */
static void
test_before_open(void)
{
	char *text;

	catch_stderr();
	mr_log_debug("hidden");
	mr_log_info("shown");
	text = caught_stderr();
	ok(strstr(text, "INFO: shown\n") != NULL, "before any open, info goes to stderr");
	ok(strstr(text, "hidden") == NULL, "and debug nowhere");
	free(text);
}

static void
test_stderr(void)
{
	char *text;

	catch_stderr();
	is_int(mr_log_open("test", "stderr", MR_LOG_DEBUG, &err), MR_OK, "stderr as the target");
	mr_log_debug("shown");
	mr_log_close();
	mr_log_error("after close");
	text = caught_stderr();
	ok(strstr(text, "DEBUG: shown\n") != NULL, "lines go to stderr");
	ok(strstr(text, "ERROR: after close\n") != NULL, "also after close");
	free(text);
	ok(fcntl(STDERR_FILENO, F_GETFD) >= 0, "stderr itself stays open");
	is_int(mr_log_open("test", "syslog", MR_LOG_INFO, &err), MR_OK, "syslog as the target");
	mr_log_close();
}

/* --- held lines ---------------------------------------------------------- */

static size_t
file_size(const char *file)
{
	struct stat st;

	return stat(file, &st) == 0 ? (size_t)st.st_size : 0;
}

static void
test_held(void)
{
	static char longest[2000];
	char *text;
	const char *one, *two;

	open_log(MR_LOG_INFO);
	memset(longest, '\x01', sizeof longest - 1);
	mr_log_hold();
	mr_log_info("one");
	mr_log_debug("hidden");
	mr_log_info("two");
	is_int(file_size(path), 0, "held lines are not in the file");
	errno = EDOM;
	mr_log_release();
	is_int(errno, EDOM, "releasing keeps errno");
	text = content(path);
	one = strstr(text, "INFO: one\n");
	two = strstr(text, "INFO: two\n");
	ok(one != NULL && two != NULL && one < two, "released, they are, in their order");
	ok(strstr(text, "hidden") == NULL, "without those below the level");
	free(text);

	mr_log_info("three");
	ok(file_size(path) > 0 && (text = content(path)) != NULL, "afterwards a line is written at once");
	ok(strstr(text, "INFO: three\n") != NULL, "as it is");
	free(text);

	open_log(MR_LOG_INFO);
	mr_log_hold();
	mr_log_info("before");
	mr_log_info("%s", longest);
	mr_log_info("behind");
	mr_log_release();
	mr_log_close();
	text = content(path);
	one = strstr(text, "INFO: before\n");
	two = strstr(text, "\\x01\n");
	ok(one != NULL && two != NULL && one < two && strstr(two, "INFO: behind\n") != NULL,
	    "a line too long to be held keeps its place");
	free(text);

	open_log(MR_LOG_INFO);
	mr_log_hold();
	for (int i = 0; i < 200; i++)
		mr_log_info("line %03d of those that do not fit at once", i);
	mr_log_release();
	mr_log_close();
	text = content(path);
	one = text;
	for (int i = 0; i < 200 && one != NULL; i++) {
		char want[20];

		snprintf(want, sizeof want, "line %03d of", i);
		one = strstr(one, want);
	}
	ok(one != NULL, "200 lines are all there, in order");
	free(text);
}

/* --- threads ------------------------------------------------------------ */

enum { THREADS = 4, LINES = 500 };

static void *
log_many(void *arg)
{
	for (int i = 0; i < LINES; i++)
		mr_log_info("thread %c line %d end", *(const char *)arg, i);
	return NULL;
}

static void
test_threads(void)
{
	static char names[THREADS] = { 'a', 'b', 'c', 'd' };
	int next[THREADS] = { 0 }, broken = 0, lines = 0;
	pthread_t threads[THREADS];
	char *text, *line, *end;

	open_log(MR_LOG_INFO);
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, log_many, &names[i]) != 0)
			bail("cannot start a thread");
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	mr_log_close();
	text = content(path);
	for (line = text; (end = strchr(line, '\n')) != NULL; line = end + 1) {
		const char *rest;
		char who, tail[8];
		int n;

		*end = '\0';
		lines++;
		rest = behind_head(line, "test");
		if (rest == NULL || sscanf(rest, "INFO: thread %c line %d %7s", &who, &n, tail) != 3 ||
		    strcmp(tail, "end") != 0 || who < 'a' || who >= 'a' + THREADS ||
		    next[who - 'a']++ != n)
			broken++;
	}
	is_int(lines, THREADS * LINES, "a line for each call");
	is_int(broken, 0, "lines that are torn or out of their thread's order");
	free(text);
}

int
main(void)
{
	make_dir();
	atexit(remove_dir);
	test_before_open();
	test_line();
	test_levels();
	test_escaping();
	test_long();
	test_file();
	test_errno();
	test_failed_open();
	test_links();
	test_switch();
	test_rotation();
	test_stderr();
	test_held();
	test_threads();
	return done();
}
