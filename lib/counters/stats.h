/*
 * What all workers of a host have done: counters and histograms that any
 * thread adds to and anyone reads. They lie in the file of counters
 * (shared.h), or in the process's own memory until that is open. Each is
 * monotonic; they are not read as one snapshot. Adding is one relaxed atomic.
 */
#ifndef MR_COUNTERS_STATS_H
#define MR_COUNTERS_STATS_H

#include <stddef.h>
#include <stdint.h>

#include "counters/catalogue.h"

void mr_stat_add(enum mr_stat which, uint64_t n);
uint64_t mr_stat_get(enum mr_stat which);

void mr_hist_add(enum mr_hist which, uint64_t value);

struct mr_hist_view {
	size_t n;               /* buckets with a bound */
	const uint64_t *bounds; /* upper ones, inclusive, ascending */
	uint64_t buckets[MR_HIST_BUCKETS + 1]; /* values in each, the last without bound */
	uint64_t count;         /* all of them */
	uint64_t sum;
};

void mr_hist_read(enum mr_hist which, struct mr_hist_view *view);

#endif
