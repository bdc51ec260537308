/* The file of counters: counters/shared.h. Every process in it is a real one. */
#include "counters/shared.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../child.h"
#include "../tap.h"
#include "base/log.h"
#include "counters/stats.h"

enum { CHILDREN = 4, TIMES = 20000 };

static char dir[200], path[300], old[310], logfile[300];
static struct mr_error err;

static void
make_dir(void)
{
	make_temp_dir(dir, sizeof dir, "shared");
	snprintf(path, sizeof path, "%s/state/counters", dir);
	snprintf(old, sizeof old, "%s.old", path);
	snprintf(logfile, sizeof logfile, "%s/log", dir);
}

static void
remove_dir(void)
{
	char state[210];

	unlink(path);
	unlink(old);
	unlink(logfile);
	snprintf(state, sizeof state, "%s/state", dir);
	rmdir(state);
	rmdir(dir);
}

static void
open_file(enum mr_shared_mode mode)
{
	if (mr_shared_open(path, mode, &err) != MR_OK)
		bail("%s", err.text);
}

/* With the file closed: the child maps it by itself, and does what the function says. */
static pid_t
child(void (*what)(int arg), int arg)
{
	pid_t pid = child_fork();

	if (pid > 0)
		return pid;
	if (mr_shared_open(path, MR_SHARED_WORK, NULL) != MR_OK)
		_exit(1);
	what(arg);
	mr_shared_close();
	_exit(0);
}

/* Until it has counted an event as queued. */
static void
wait_for_child(void)
{
	for (int i = 0; i < 10000 && mr_stat_get(MR_STAT_EVENTS_QUEUED) == 0; i++)
		usleep(1000);
	if (mr_stat_get(MR_STAT_EVENTS_QUEUED) == 0)
		bail("the child does not count");
}

static void
overwrite(size_t offset, const void *data, size_t n)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || pwrite(fd, data, n, (off_t)offset) != (ssize_t)n)
		bail("cannot write %s", path);
	close(fd);
}

static struct mr_shared_header
header(void)
{
	struct mr_shared_header h;
	int fd = open(path, O_RDONLY);

	if (fd < 0 || pread(fd, &h, sizeof h, 0) != (ssize_t)sizeof h)
		bail("cannot read %s", path);
	close(fd);
	return h;
}

static bool
log_has(const char *part)
{
	static char text[1 << 16];
	FILE *f = fopen(logfile, "rb");
	size_t n = f != NULL ? fread(text, 1, sizeof text - 1, f) : 0;

	if (f != NULL)
		fclose(f);
	text[n] = '\0';
	return strstr(text, part) != NULL;
}

static void
test_keeps(void)
{
	struct stat st;
	struct mr_shared_header first;
	int64_t oldest;

	is_int(mr_shared_open(path, MR_SHARED_LOOK, &err), MR_EIO, "looking makes no file");
	ok(!mr_shared_is_file() && stat(path, &st) != 0, "nor a folder");
	mr_stat_add(MR_STAT_COMMITS, 1);
	open_file(MR_SHARED_WORK);
	ok(mr_shared_is_file(), "working makes the file and its folder");
	is_int(mr_stat_get(MR_STAT_COMMITS), 0, "it starts at 0");
	is_int(mr_shared_processes(&oldest), 1, "one process");
	ok(stat(path, &st) == 0 && (st.st_mode & 07777 & ~0740u) == 0, "no stranger may read it");
	ok(st.st_blocks * 512 >= st.st_size, "it has all its space");
	mr_stat_add(MR_STAT_COMMITS, 7);
	mr_shared_close();
	ok(!mr_shared_is_file(), "closed");
	is_int(mr_stat_get(MR_STAT_COMMITS), 1, "the memory of the process counts again");
	first = header();
	is_int(first.clean, 1, "the last one leaves it clean");
	open_file(MR_SHARED_LOOK);
	is_int(mr_stat_get(MR_STAT_COMMITS), 7, "what was counted is there");
	is_int(mr_shared_processes(&oldest), 0, "one that looks is not listed");
	mr_shared_close();
	ok(memcmp(first.instance, header().instance, 16) == 0, "the instance stays");
	ok(first.instance[6] >> 4 == 4 && first.instance[8] >> 6 == 2, "it is a UUID");
}

static void
add_many(int arg)
{
	for (int i = 0; i < TIMES; i++) {
		mr_stat_add(MR_STAT_REQUESTS, 1);
		mr_hist_add(MR_HIST_REQUEST_EVENTS, (uint64_t)arg);
	}
}

static void
add_and_hang(int arg)
{
	(void)arg;
	mr_stat_add(MR_STAT_EVENTS_STORED, 5);
	mr_stat_add(MR_STAT_EVENTS_QUEUED, 1);
	for (;;)
		pause();
}

static void
test_processes(void)
{
	pid_t pids[CHILDREN];
	struct mr_hist_view view;
	int64_t oldest;
	int bad = 0;

	unlink(path);
	for (int i = 0; i < CHILDREN; i++)
		pids[i] = child(add_many, i);
	for (int i = 0; i < CHILDREN; i++)
		bad += child_wait(pids[i]) != 0;
	is_int(bad, 0, "all make the file at once");
	open_file(MR_SHARED_WORK);
	is_int(mr_stat_get(MR_STAT_REQUESTS), CHILDREN * TIMES, "nothing is lost between processes");
	mr_hist_read(MR_HIST_REQUEST_EVENTS, &view);
	is_int(view.count, CHILDREN * TIMES, "nor of a histogram");

	mr_shared_close();
	pids[0] = child(add_and_hang, 0);
	open_file(MR_SHARED_WORK);
	wait_for_child();
	is_int(mr_shared_processes(&oldest), 2, "two processes");
	mr_shared_close();
	is_int(header().clean, 0, "one of them left: not clean");
	kill(pids[0], SIGKILL);
	ok(WIFSIGNALED(child_wait(pids[0])), "killed");
	open_file(MR_SHARED_WORK);
	is_int(mr_stat_get(MR_STAT_EVENTS_STORED), 5, "what a killed process counted stays");
	is_int(mr_shared_processes(&oldest), 1, "it is listed no more");
	mr_shared_close();
}

static void
claim_and_hang(int arg)
{
	mr_stat_add(MR_STAT_COMMITS, mr_shared_claim((size_t)arg) ? 1 : 0);
	mr_stat_add(MR_STAT_EVENTS_QUEUED, 1);
	for (;;)
		pause();
}

static void
test_claims(void)
{
	pid_t pid;

	unlink(path);
	ok(mr_shared_claim(3) && !mr_shared_claim(3), "in memory: claimed once");
	mr_shared_release(3);
	ok(mr_shared_claim(3), "and again when it is free");
	mr_shared_release(3);
	pid = child(claim_and_hang, 3);
	open_file(MR_SHARED_WORK);
	wait_for_child();
	is_int(mr_stat_get(MR_STAT_COMMITS), 1, "another process claims it");
	ok(!mr_shared_claim(3), "it is not ours then");
	ok(mr_shared_claim(4) && mr_shared_claim(0) && mr_shared_claim(MR_SHARED_SLOTS - 1),
	    "the others are free");
	kill(pid, SIGKILL);
	(void)child_wait(pid);
	ok(mr_shared_claim(3), "it is free when its owner was killed");
	mr_shared_close();
}

/* A file that is spoilt in some way is set aside, and never read. */
static void
test_misfits(void)
{
	static const uint32_t version = 2, layout = 0x12345678;
	static const uint8_t boot[16] = "another machine";
	static const struct {
		int line;
		const char *what, *says;
		size_t offset;
		const void *data;
		size_t n;
	} rows[] = {
		{ __LINE__, "another magic", "no file of counters",
		    offsetof(struct mr_shared_header, magic), "PNG", 3 },
		{ __LINE__, "another version", "another version",
		    offsetof(struct mr_shared_header, version), &version, 4 },
		{ __LINE__, "another layout", "another version",
		    offsetof(struct mr_shared_header, layout), &layout, 4 },
		{ __LINE__, "another length", "another version", sizeof(struct mr_shared), "x", 1 },
		{ __LINE__, "a crash of the machine", "when the machine stopped",
		    offsetof(struct mr_shared_header, boot), boot, sizeof boot },
	};

	for (size_t i = 0; i < ROWS(rows); i++) {
		static const uint64_t unclean;
		struct mr_shared_header before;

		row(rows[i].line);
		unlink(path);
		unlink(old);
		unlink(logfile);
		if (mr_log_open("test", logfile, MR_LOG_INFO, &err) != MR_OK)
			bail("%s", err.text);
		open_file(MR_SHARED_WORK);
		mr_stat_add(MR_STAT_COMMITS, 9);
		mr_shared_close();
		before = header();
		overwrite(offsetof(struct mr_shared_header, clean), &unclean, sizeof unclean);
		overwrite(rows[i].offset, rows[i].data, rows[i].n);
		is_int(mr_shared_open(path, MR_SHARED_LOOK, &err), MR_EINVAL, "looking refuses it");
		is_part(err.text, rows[i].says, "and says why");
		ok(access(old, F_OK) != 0, "it stays where it is");
		open_file(MR_SHARED_WORK);
		is_int(mr_stat_get(MR_STAT_COMMITS), 0, rows[i].what);
		ok(access(old, F_OK) == 0, "it was set aside");
		ok(log_has(rows[i].says) && log_has(".old"), "the log says so");
		mr_shared_close();
		ok(memcmp(before.instance, header().instance, 16) != 0, "another instance");
	}
	row(0);
	mr_log_close();
}

static void
test_reboot(void)
{
	static const uint8_t boot[16] = "another machine";

	unlink(path);
	open_file(MR_SHARED_WORK);
	mr_stat_add(MR_STAT_COMMITS, 9);
	mr_shared_close();
	overwrite(offsetof(struct mr_shared_header, boot), boot, sizeof boot);
	open_file(MR_SHARED_WORK);
	is_int(mr_stat_get(MR_STAT_COMMITS), 9, "a clean file is gone on with after a restart");
	is_int(header().clean, 0, "and is in use again");
	mr_shared_close();
}

static void
test_unfinished(void)
{
	char zeroes[100] = "";
	int fd;

	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || write(fd, zeroes, sizeof zeroes) != (ssize_t)sizeof zeroes)
		bail("cannot write %s", path);
	close(fd);
	unlink(old);
	open_file(MR_SHARED_WORK);
	ok(access(old, F_OK) != 0, "a file whose making was cut short is made anew");
	mr_stat_add(MR_STAT_COMMITS, 1);
	is_int(mr_stat_get(MR_STAT_COMMITS), 1, "and counts");
	mr_shared_close();
}

static void
test_unusable(void)
{
	char far[400], link[310];

	snprintf(far, sizeof far, "%s/a/b/counters", dir);
	is_int(mr_shared_open(far, MR_SHARED_WORK, &err), MR_EIO, "no parent of the folder");
	is_part(err.text, far, "the reason names it");
	is_int(mr_shared_open(dir, MR_SHARED_WORK, &err), MR_EIO, "a folder");
	is_int(mr_shared_open("/dev/null", MR_SHARED_WORK, &err), MR_EIO, "a device");
	snprintf(link, sizeof link, "%s/link", dir);
	if (symlink(path, link) != 0)
		bail("cannot make a link");
	is_int(mr_shared_open(link, MR_SHARED_WORK, &err), MR_EIO, "a symbolic link");
	unlink(link);
	ok(!mr_shared_is_file(), "the memory of the process stays");
}

int
main(void)
{
	make_dir();
	test_keeps();
	test_processes();
	test_claims();
	test_misfits();
	test_reboot();
	test_unfinished();
	test_unusable();
	remove_dir();
	return done();
}
