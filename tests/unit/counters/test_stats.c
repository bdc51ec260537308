/* Counters and histograms: counters/stats.h. */
#include "counters/stats.h"

#include <pthread.h>

#include "../tap.h"

enum { THREADS = 4, TIMES = 50000 };

static void *
count(void *arg)
{
	(void)arg;
	for (int i = 0; i < TIMES; i++) {
		mr_stat_add(MR_STAT_REQUESTS, 1);
		mr_stat_add(MR_STAT_EVENTS_STORED, 3);
		mr_hist_add(MR_HIST_COMMIT_ROWS, (uint64_t)i % 3);
	}
	return NULL;
}

static void
test_counting(void)
{
	pthread_t threads[THREADS];
	struct mr_hist_view view;
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
	mr_hist_read(MR_HIST_COMMIT_ROWS, &view);
	is_int(view.count, THREADS * TIMES, "nor of a histogram's values");
	is_int(view.sum, THREADS * (TIMES - 1), "nor of their sum");
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

static void
test_buckets(void)
{
	struct mr_hist_view view;

	for (int i = 0; i < MR_HIST_N; i++) {
		bool ascending = true;

		mr_hist_read((enum mr_hist)i, &view);
		is_int(view.n, MR_HIST_BUCKETS, "every histogram has all buckets");
		for (size_t b = 1; b < view.n; b++)
			ascending = ascending && view.bounds[b] > view.bounds[b - 1];
		ok(ascending && view.bounds[0] > 0, "bounds of histogram %d ascend", i);
	}
	for (size_t b = 0; b < view.n; b++) {
		mr_hist_add(MR_HIST_REQUEST_US, view.bounds[b]);
		mr_hist_add(MR_HIST_REQUEST_US, view.bounds[b] + 1);
	}
	mr_hist_add(MR_HIST_REQUEST_US, 0);
	mr_hist_read(MR_HIST_REQUEST_US, &view);
	is_int(view.buckets[0], 2, "a value of the bound, and one below it, are in the first");
	for (size_t b = 1; b < view.n; b++)
		is_int(view.buckets[b], 2, "a bound, and what is beyond the one before, are in it");
	is_int(view.buckets[view.n], 1, "what is beyond all bounds is in the last");
	is_int(view.count, 2 * MR_HIST_BUCKETS + 1, "all are counted");
}

int
main(void)
{
	test_counting();
	test_names();
	test_buckets();
	return done();
}
