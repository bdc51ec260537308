/*
 * The books: counters/books.h. Processes die at every instruction between the notes
 * they make, and at random moments; what is settled then is what was kept.
 */
#include "counters/books.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../child.h"
#include "../tap.h"
#include "counters/shared.h"

enum { MAX_GROUPS = 2000000, KILLS = 60, MAX_STEPS = 200000 };

static char dir[200], path[300], copy[300];
static struct mr_error err;

/* Stands for the ledger: how many events of each group are kept. Shared with the children. */
static _Atomic uint32_t *ledger;
static _Atomic uint64_t *next_group;

static void
prepare(void)
{
	size_t bytes = sizeof *next_group + MAX_GROUPS * sizeof *ledger;
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		bail("no memory");
	make_temp_dir(dir, sizeof dir, "books");
	next_group = p;
	ledger = (void *)(next_group + 1);
	snprintf(path, sizeof path, "%s/counters", dir);
	snprintf(copy, sizeof copy, "%s/copy", dir);
}

static void
clean_up(void)
{
	unlink(path);
	unlink(copy);
	rmdir(dir);
}

static void
id_of(uint64_t group, uint8_t id[MR_UUID_BYTES])
{
	memset(id, 0x5a, MR_UUID_BYTES);
	memcpy(id, &group, sizeof group);
}

static uint64_t
group_of(const uint8_t id[MR_UUID_BYTES])
{
	uint64_t group;

	memcpy(&group, id, sizeof group);
	return group;
}

static void
empty_ledger(void)
{
	for (uint64_t i = 0; i < *next_group; i++)
		ledger[i] = 0;
	*next_group = 0;
}

static uint64_t
all_kept(void)
{
	uint64_t sum = 0;

	for (uint64_t i = 0; i < *next_group; i++)
		sum += ledger[i];
	return sum;
}

static void
open_file(const char *file)
{
	if (mr_shared_open(file, MR_SHARED_WORK, &err) != MR_OK)
		bail("%s", err.text);
}

/* Returns how many it settled. */
static int
settle_all(void)
{
	struct mr_orphan orphan;
	size_t from = 0;
	int n = 0;

	for (; mr_books_orphan(&from, &orphan); n++)
		mr_books_settle(&orphan, ledger[group_of(orphan.group)]);
	return n;
}

static uint64_t
accepted(void)
{
	struct mr_books books;

	mr_books_read(&books);
	return books.accepted;
}

static uint64_t
in_flight(void)
{
	struct mr_books books;

	mr_books_read(&books);
	return books.in_flight;
}

/* One group of n events, as a lane does it; kept of them are. */
static void
one_group(struct mr_book *book, uint32_t n, uint32_t kept)
{
	uint64_t group = (*next_group)++;
	uint8_t id[MR_UUID_BYTES];

	id_of(group, id);
	mr_book_begin(book, id, n);
	ledger[group] = kept;
	mr_book_end(book, kept);
}

static void
test_simple(void)
{
	struct mr_book book, other;
	struct mr_orphan orphan;
	uint8_t id[MR_UUID_BYTES];
	size_t from = 0;

	open_file(path);
	mr_book_open(&book);
	mr_book_open(&other);
	ok(book.slot != other.slot, "two lanes, two slots");
	one_group(&book, 10, 10);
	one_group(&other, 5, 5);
	one_group(&book, 7, 0);
	is_int(accepted(), 15, "what is kept is accepted");
	is_int(in_flight(), 0, "nothing is under way");

	id_of(77, id);
	mr_book_begin(&book, id, 3);
	is_int(accepted(), 15, "a group under way is not accepted yet");
	is_int(in_flight(), 3, "it is counted apart");
	ok(!mr_books_orphan(&from, &orphan), "it has an owner");
	from = 0;
	mr_book_leave(&book);
	one_group(&book, 1, 1);
	is_int(accepted(), 16, "one that was left does not hold up its lane");
	ok(mr_books_orphan(&from, &orphan), "and is found");
	ok(group_of(orphan.group) == 77 && orphan.n == 3, "as what it is");
	mr_books_put_back(&orphan);
	from = 0;
	ok(mr_books_orphan(&from, &orphan), "also when it was put back");
	mr_books_settle(&orphan, 3);
	from = 0;
	ok(!mr_books_orphan(&from, &orphan), "but not when it is settled");
	is_int(accepted(), 19, "then it counts");
	mr_book_close(&book);
	mr_book_close(&other);
	mr_book_open(&book);
	one_group(&book, 2, 2);
	is_int(accepted(), 21, "a slot that is used again keeps its total");
	mr_book_close(&book);
	mr_shared_close();
	unlink(path);
}

static void
test_full(void)
{
	static struct mr_book books[MR_SHARED_SLOTS];
	struct mr_book more;
	bool all = true;

	open_file(path);
	for (size_t i = 0; i < MR_SHARED_SLOTS; i++) {
		mr_book_open(&books[i]);
		all = all && books[i].slot == i;
	}
	ok(all, "all slots can be used");
	mr_book_open(&more);
	one_group(&more, 4, 3);
	is_int(accepted(), 3, "a lane without a slot is counted all the same");
	mr_book_leave(&more);
	mr_book_close(&more);
	for (size_t i = 0; i < MR_SHARED_SLOTS; i++)
		mr_book_close(&books[i]);
	mr_shared_close();
	unlink(path);
}

/* --- dying --------------------------------------------------------------- */

static pid_t
start_child(void (*what)(void))
{
	pid_t pid = child_fork();

	if (pid > 0)
		return pid;
	what();
	_exit(0);
}

static void
traced(void)
{
	struct mr_book book;

	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0 ||
	    mr_shared_open(path, MR_SHARED_WORK, NULL) != MR_OK)
		_exit(1);
	mr_book_open(&book);
	raise(SIGSTOP);
	one_group(&book, 10, 10);
	one_group(&book, 100, 0);
	one_group(&book, 1000, 600);
	_exit(0);
}

static void
copy_file(void)
{
	static char bytes[sizeof(struct mr_shared)];
	int from = open(path, O_RDONLY), to = open(copy, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (from < 0 || to < 0 || read(from, bytes, sizeof bytes) != (ssize_t)sizeof bytes ||
	    write(to, bytes, sizeof bytes) != (ssize_t)sizeof bytes)
		bail("cannot copy the counters");
	close(from);
	close(to);
}

/* The child stands still: what if it died here? */
static bool
settles_right(int *orphans)
{
	uint64_t got;

	copy_file();
	if (mr_shared_open(copy, MR_SHARED_LOOK, &err) != MR_OK)
		bail("%s", err.text);
	*orphans += settle_all();
	got = accepted();
	mr_shared_close();
	if (got != all_kept())
		diag("accepted %llu, kept %llu", (unsigned long long)got,
		    (unsigned long long)all_kept());
	return got == all_kept();
}

static void
test_every_instruction(void)
{
	int status, steps = 0, wrong = 0, orphans = 0;
	pid_t pid;

	empty_ledger();
	pid = start_child(traced);
	status = child_wait(pid);
	if (!WIFSTOPPED(status)) {
		skip("killed at every instruction", "processes cannot be traced here");
		return;
	}
	while (steps < MAX_STEPS && wrong == 0) {
		if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) != 0)
			break;
		status = child_wait(pid);
		if (!WIFSTOPPED(status))
			break;
		steps++;
		wrong += !settles_right(&orphans);
	}
	if (wrong > 0)
		kill(pid, SIGKILL);
	ok(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child was led to its end");
	is_int(wrong, 0, "whatever instruction it dies at, what is kept is accepted");
	ok(steps > 100 && orphans > 20, "there were %d instructions, %d of them within a group",
	    steps, orphans);
	is_int(all_kept(), 610, "all of it was done");
	if (wrong > 0)
		(void)child_wait(pid);
	unlink(path);
	unlink(copy);
}

static void
busy(void)
{
	struct mr_book books[3];
	unsigned seed = (unsigned)getpid();

	if (mr_shared_open(path, MR_SHARED_WORK, NULL) != MR_OK)
		_exit(1);
	for (int i = 0; i < 3; i++)
		mr_book_open(&books[i]);
	while (*next_group < MAX_GROUPS) {
		uint32_t n = 1 + (uint32_t)rand_r(&seed) % 50;

		one_group(&books[rand_r(&seed) % 3], n, rand_r(&seed) % 4 == 0 ? 0 : n);
	}
	for (;;)
		pause();
}

static void
test_random_kills(void)
{
	unsigned seed = 1;
	int orphans = 0, wrong = 0;

	empty_ledger();
	open_file(path);
	mr_shared_close();
	for (int i = 0; i < KILLS && wrong == 0; i++) {
		uint64_t until = *next_group + 5 + (uint64_t)rand_r(&seed) % 200;
		pid_t pid = start_child(busy);

		/* Some groups later, not at a time: a slow machine gets there too. */
		if (until > MAX_GROUPS)
			until = MAX_GROUPS;
		for (int w = 0; w < 200000 && *next_group < until; w++)
			usleep(50);
		kill(pid, SIGKILL);
		(void)child_wait(pid);
		if (i % 3 != 0)
			continue;
		if (mr_shared_open(path, MR_SHARED_LOOK, &err) != MR_OK)
			bail("%s", err.text);
		orphans += settle_all();
		wrong += accepted() != all_kept() || in_flight() != 0;
		mr_shared_close();
	}
	is_int(wrong, 0, "after every third of the kills the books are right");
	ok(all_kept() > 100, "%llu events, %d groups were cut off", (unsigned long long)all_kept(),
	    orphans);
}

int
main(void)
{
	prepare();
	test_simple();
	test_full();
	test_every_instruction();
	test_random_kills();
	clean_up();
	return done();
}
