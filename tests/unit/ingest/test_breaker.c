/*
 * The breaker: ingest/breaker.h, with real spools, and a lane and a keeper that
 * wait for each other. No time is measured: waits end by what another thread does,
 * or by a time-out that is the very thing to be shown.
 */
#include "ingest/breaker.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/file.h>
#include <unistd.h>

#include "../tap.h"
#include "counters/stats.h"

/* Beyond any wait that is to end otherwise. */
#define LONG_MS (10 * 60 * 1000)
/* More lanes than a worker may have. */
#define MANY 40

static char dir[200];
static const struct mr_error why = { .code = MR_EAGAIN, .offset = -1, .text = "it is away" };

static struct mr_breaker *
new_breaker(enum mr_breaker_state state, int64_t hold_ms)
{
	struct mr_breaker *b = mr_breaker_new(state, hold_ms);

	if (b == NULL)
		bail("no memory");
	return b;
}

static struct mr_breaker_view
look(struct mr_breaker *b)
{
	struct mr_breaker_view view;

	mr_breaker_look(b, &view);
	return view;
}

/* --- states, as one thread sees them -------------------------------------------- */

static void
test_closed(void)
{
	struct mr_breaker *b = new_breaker(MR_CLOSED, 0);

	ok(look(b).state == MR_CLOSED && look(b).connected && !look(b).alarm, "closed, connected");
	ok(mr_breaker_enter(b), "groups go to the database");
	is_int(mr_breaker_wait(b, 0), MR_BREAKER_TIMEOUT, "no work for the keeper");
	ok(!mr_breaker_release(b, MR_OPEN), "what is not held is not released");
	is_int(look(b).state, MR_CLOSED, "and stays as it is");
	mr_breaker_free(b);
}

static void
test_trip(void)
{
	struct mr_breaker *b = new_breaker(MR_CLOSED, 0);
	uint64_t before = mr_stat_get(MR_STAT_BREAKER_OPENINGS);

	mr_breaker_trip(b, &why, false);
	ok(look(b).state == MR_OPEN && !look(b).connected && !look(b).alarm, "tripped: open");
	is_str(mr_str(look(b).why.text), why.text, "and why");
	ok(!mr_breaker_enter(b), "groups go to the spool");
	mr_breaker_leave(b);
	mr_breaker_leave(b);
	is_int(mr_breaker_wait(b, LONG_MS), MR_BREAKER_WORK, "work for the keeper");
	mr_breaker_trip(b, &why, true);
	mr_breaker_leave(b);
	ok(look(b).alarm, "an alarm");
	is_int(mr_stat_get(MR_STAT_BREAKER_OPENINGS) - before, 1, "one opening, however often it trips");

	ok(mr_breaker_hold(b, LONG_MS), "held, as nobody is in");
	is_int(look(b).state, MR_HELD, "held");
	ok(mr_breaker_release(b, MR_OPEN), "opened again");
	is_str(mr_str(look(b).why.text), why.text, "the reason stays");
	ok(mr_breaker_hold(b, LONG_MS) && mr_breaker_release(b, MR_CLOSED), "and closed");
	ok(look(b).connected && !look(b).alarm && look(b).why.text[0] == '\0', "all is well");
	ok(mr_breaker_enter(b), "groups go to the database again");
	is_int(mr_stat_get(MR_STAT_BREAKER_OPENINGS) - before, 1, "still one opening");
	mr_breaker_trip(b, &why, false);
	is_int(mr_stat_get(MR_STAT_BREAKER_OPENINGS) - before, 2, "the next one counts");
	mr_breaker_free(b);
}

/* A connection that refuses what it is asked is one all the same. */
static void
test_alarm_keeps_the_connection(void)
{
	struct mr_breaker *b = new_breaker(MR_CLOSED, 0);

	mr_breaker_trip(b, &why, true);
	ok(look(b).connected && look(b).alarm, "an alarm: connected");
	mr_breaker_trip(b, &why, false);
	ok(!look(b).connected && !look(b).alarm, "away: not");
	mr_breaker_trip(b, &why, true);
	ok(!look(b).connected, "an alarm makes no connection");
	mr_breaker_report(b, true, false, &why);
	ok(look(b).connected && !look(b).alarm && look(b).state == MR_OPEN,
	    "what the keeper reports changes no state");
	mr_breaker_free(b);
}

/* Whoever waits while it is held goes to the spool in the end. */
static void
test_hold_runs_out(void)
{
	struct mr_breaker *b = new_breaker(MR_HELD, 0);

	is_int(mr_breaker_wait(b, LONG_MS), MR_BREAKER_WORK, "held is work for the keeper");
	ok(!mr_breaker_enter(b), "its time is over: to the spool");
	is_int(look(b).state, MR_OPEN, "and it is open");
	ok(!mr_breaker_release(b, MR_CLOSED), "the keeper comes too late");
	is_int(look(b).state, MR_OPEN, "it stays open");
	mr_breaker_leave(b);
	mr_breaker_free(b);
}

static void
test_stop(void)
{
	struct mr_breaker *b = new_breaker(MR_OPEN, 0);

	ok(!mr_breaker_stopping(b), "not stopping");
	ok(mr_breaker_pause(b, 1), "a pause comes to its end");
	mr_breaker_stop(b);
	ok(mr_breaker_stopping(b), "stopping");
	is_int(mr_breaker_wait(b, LONG_MS), MR_BREAKER_STOP, "which counts more than work");
	ok(!mr_breaker_pause(b, LONG_MS), "no pause lasts then");
	mr_breaker_free(b);
}

/* --- two threads ------------------------------------------------------------------ */

struct lane {
	struct mr_breaker *b;
	sem_t begun, go_on;
	bool direct;
};

/* Enters, and leaves when it is told to. */
static void *
run_lane(void *arg)
{
	struct lane *lane = arg;

	sem_post(&lane->begun);
	lane->direct = mr_breaker_enter(lane->b);
	sem_wait(&lane->go_on);
	if (!lane->direct)
		mr_breaker_leave(lane->b);
	return NULL;
}

static pthread_t
start_lane(struct lane *lane, struct mr_breaker *b)
{
	pthread_t thread;

	*lane = (struct lane){ .b = b };
	sem_init(&lane->begun, 0, 0);
	sem_init(&lane->go_on, 0, 0);
	if (pthread_create(&thread, NULL, run_lane, lane) != 0)
		bail("no thread");
	sem_wait(&lane->begun);
	return thread;
}

/* While it is held, a group waits, and then goes where the keeper has led it. */
static void
test_held_lane(enum mr_breaker_state then)
{
	struct mr_breaker *b = new_breaker(MR_HELD, LONG_MS);
	struct lane lane;
	pthread_t thread = start_lane(&lane, b);

	ok(mr_breaker_release(b, then), "held until now");
	sem_post(&lane.go_on);
	pthread_join(thread, NULL);
	is_int(lane.direct, then == MR_CLOSED, then == MR_CLOSED ? "to the database" :
	    "to the spool");
	mr_breaker_free(b);
}

struct keeper {
	struct mr_breaker *b;
	bool held;
};

static void *
run_keeper(void *arg)
{
	struct keeper *k = arg;

	k->held = mr_breaker_hold(k->b, LONG_MS);
	return NULL;
}

/* Waits until another thread has made it so. */
static void
wait_state(struct mr_breaker *b, enum mr_breaker_state state)
{
	while (look(b).state != state)
		sched_yield();
}

/* It is held only when the lanes that are in have left. */
static void
test_hold_waits(void)
{
	struct mr_breaker *b = new_breaker(MR_OPEN, 0);
	struct keeper k = { .b = b };
	pthread_t thread;

	ok(!mr_breaker_enter(b), "a lane is at its spool");
	if (pthread_create(&thread, NULL, run_keeper, &k) != 0)
		bail("no thread");
	wait_state(b, MR_HELD);
	mr_breaker_leave(b);
	pthread_join(thread, NULL);
	ok(k.held, "held when it has left");
	is_int(look(b).state, MR_HELD, "and stays so");
	mr_breaker_free(b);
}

/* One that trips while the keeper waits for it: then it is open, and the keeper knows. */
static void
test_hold_is_broken(void)
{
	struct mr_breaker *b = new_breaker(MR_OPEN, 0);
	struct keeper k = { .b = b, .held = true };
	pthread_t thread;

	(void)mr_breaker_enter(b);
	if (pthread_create(&thread, NULL, run_keeper, &k) != 0)
		bail("no thread");
	wait_state(b, MR_HELD);
	mr_breaker_trip(b, &why, false);
	pthread_join(thread, NULL);
	ok(!k.held, "opened meanwhile");
	is_int(look(b).state, MR_OPEN, "and it stays so");
	mr_breaker_free(b);
}

/* Whoever waits for work is woken by a trip, and by a stop. */
static void *
run_waiter(void *arg)
{
	struct lane *w = arg;

	sem_post(&w->begun);
	w->direct = mr_breaker_wait(w->b, LONG_MS) == MR_BREAKER_WORK;
	return NULL;
}

static void
test_wake(bool by_trip)
{
	struct mr_breaker *b = new_breaker(MR_CLOSED, 0);
	struct lane w = { .b = b };
	pthread_t thread;

	sem_init(&w.begun, 0, 0);
	if (pthread_create(&thread, NULL, run_waiter, &w) != 0)
		bail("no thread");
	sem_wait(&w.begun);
	if (by_trip)
		mr_breaker_trip(b, &why, false);
	else
		mr_breaker_stop(b);
	pthread_join(thread, NULL);
	is_int(w.direct, by_trip, by_trip ? "woken by a trip" : "woken by a stop");
	mr_breaker_free(b);
}

/* --- spools ----------------------------------------------------------------------- */

static void
empty(void)
{
	DIR *d = opendir(dir);
	struct dirent *entry;

	while (d != NULL && (entry = readdir(d)) != NULL)
		(void)unlinkat(dirfd(d), entry->d_name, 0);
	if (d != NULL)
		closedir(d);
}

/* Segments that nobody writes to. */
static size_t
count_free(void)
{
	struct mr_spool_list list;
	struct mr_error err;
	size_t n = 0;

	if (mr_spool_list(dir, &list, &err) != MR_OK)
		bail("%s", err.text);
	for (size_t i = 0; i < list.n; i++) {
		int fd = open(list.paths[i], O_RDONLY | O_CLOEXEC);

		n += fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0;
		close(fd);
	}
	mr_spool_list_free(&list);
	return n;
}

/* A hold closes the segments of all of them, or what is in one is never replayed. */
static void
test_many_spools(void)
{
	const struct mr_spool_options options = { .dir = dir, .segment_bytes = 1 << 20,
		.max_bytes = 1 << 20, .reserve_bytes = 0, .io = &mr_spool_system_io };
	struct mr_breaker *b = new_breaker(MR_OPEN, 0);
	struct mr_spool *spools[MANY];
	uint8_t group[MR_UUID_BYTES];
	struct mr_error err = MR_ERROR_INIT;
	bool good = true;

	for (size_t i = 0; i < MANY; i++) {
		spools[i] = mr_spool_new(&options);
		mr_uuid_make(group);
		if (spools[i] == NULL ||
		    mr_spool_append(spools[i], group, 1, mr_str("payload"), &err) != MR_OK)
			bail("cannot fill a spool: %s", err.text);
		good &= mr_breaker_add_spool(b, spools[i]);
	}
	ok(good, "%d spools are registered", MANY);
	is_int(count_free(), 0, "all their segments are in use");
	ok(mr_breaker_hold(b, LONG_MS), "held");
	is_int(count_free(), MANY, "all are closed");
	ok(mr_breaker_release(b, MR_CLOSED), "released");
	for (size_t i = 0; i < MANY; i++)
		mr_spool_free(spools[i]);
	mr_breaker_free(b);
	empty();
}

/* Not while a lane may be at one of them. */
static void
test_broken_hold_closes_nothing(void)
{
	const struct mr_spool_options options = { .dir = dir, .segment_bytes = 1 << 20,
		.max_bytes = 1 << 20, .reserve_bytes = 0, .io = &mr_spool_system_io };
	struct mr_breaker *b = new_breaker(MR_OPEN, 0);
	struct mr_spool *spool = mr_spool_new(&options);
	struct keeper k = { .b = b, .held = true };
	uint8_t group[MR_UUID_BYTES];
	struct mr_error err = MR_ERROR_INIT;
	pthread_t thread;

	mr_uuid_make(group);
	if (spool == NULL || mr_spool_append(spool, group, 1, mr_str("x"), &err) != MR_OK ||
	    !mr_breaker_add_spool(b, spool))
		bail("no spool: %s", err.text);
	(void)mr_breaker_enter(b);
	if (pthread_create(&thread, NULL, run_keeper, &k) != 0)
		bail("no thread");
	wait_state(b, MR_HELD);
	mr_breaker_trip(b, &why, false);
	pthread_join(thread, NULL);
	is_int(count_free(), 0, "a hold that was broken closes no segment");
	mr_spool_free(spool);
	mr_breaker_free(b);
	empty();
}

int
main(void)
{
	make_temp_dir(dir, sizeof dir, "breaker");
	test_closed();
	test_trip();
	test_alarm_keeps_the_connection();
	test_hold_runs_out();
	test_stop();
	test_held_lane(MR_CLOSED);
	test_held_lane(MR_OPEN);
	test_hold_waits();
	test_hold_is_broken();
	test_wake(true);
	test_wake(false);
	test_many_spools();
	test_broken_hold_closes_nothing();
	mr_breaker_free(NULL);
	rmdir(dir);
	return done();
}
