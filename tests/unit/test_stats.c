/* Counters: base/stats.h. */
#include "base/stats.h"

#include <pthread.h>

#include "tap.h"

enum { THREADS = 4, TIMES = 50000 };

static void *
count(void *arg)
{
	(void)arg;
	for (int i = 0; i < TIMES; i++) {
		mr_stat_add(MR_STAT_REQUESTS, 1);
		mr_stat_add(MR_STAT_EVENTS_STORED, 3);
	}
	return NULL;
}

static void
test_counting(void)
{
	pthread_t threads[THREADS];
	bool zero = true;

	for (int i = 0; i < MR_STAT_N; i++)
		zero = zero && mr_stat_get((enum mr_stat)i) == 0;
	ok(zero, "everything starts at 0");
	mr_stat_add(MR_STAT_COMMITS, 5);
	mr_stat_add(MR_STAT_COMMITS, 0);
	mr_stat_add(MR_STAT_COMMITS, 2);
	is_int(mr_stat_get(MR_STAT_COMMITS), 7, "additions add up");
	is_int(mr_stat_get(MR_STAT_DB_CONNECTS), 0, "the others stay");

	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, count, NULL) != 0)
			bail("cannot start a thread");
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	is_int(mr_stat_get(MR_STAT_REQUESTS), THREADS * TIMES, "nothing is lost between threads");
	is_int(mr_stat_get(MR_STAT_EVENTS_STORED), 3 * THREADS * TIMES, "nor of larger additions");
}

static void
test_names(void)
{
	for (int i = 0; i < MR_STAT_N; i++) {
		const char *name = mr_stat_name((enum mr_stat)i);
		bool unique = true;

		if (!ok(name != NULL && name[0] != '\0', "counter %d has a name", i))
			continue;
		ok(strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(name) &&
		    strchr("_0123456789", name[0]) == NULL, "%s is in snake_case", name);
		for (int j = 0; j < i; j++)
			unique = unique && strcmp(name, mr_stat_name((enum mr_stat)j)) != 0;
		ok(unique, "%s is the name of one counter", name);
	}
}

int
main(void)
{
	test_counting();
	test_names();
	return done();
}
