/* Counters and histograms: see stats.h. */
#include "counters/stats.h"

#include <stdatomic.h>

#include "counters/shared.h"

void
mr_stat_add(enum mr_stat which, uint64_t n)
{
	atomic_fetch_add_explicit(&mr_shared()->stats[which].value, n, memory_order_relaxed);
}

uint64_t
mr_stat_get(enum mr_stat which)
{
	return atomic_load_explicit(&mr_shared()->stats[which].value, memory_order_relaxed);
}

void
mr_hist_add(enum mr_hist which, uint64_t value)
{
	struct mr_shared_hist *h = &mr_shared()->hists[which];
	const uint64_t *bounds = mr_hist_bounds(which);
	size_t i = 0;

	while (i < MR_HIST_BUCKETS && value > bounds[i])
		i++;
	atomic_fetch_add_explicit(&h->sum, value, memory_order_relaxed);
	atomic_fetch_add_explicit(&h->buckets[i], 1, memory_order_relaxed);
}

void
mr_hist_read(enum mr_hist which, struct mr_hist_view *view)
{
	struct mr_shared_hist *h = &mr_shared()->hists[which];

	*view = (struct mr_hist_view){ .n = MR_HIST_BUCKETS, .bounds = mr_hist_bounds(which) };
	for (size_t i = 0; i <= MR_HIST_BUCKETS; i++) {
		view->buckets[i] = atomic_load_explicit(&h->buckets[i], memory_order_relaxed);
		view->count += view->buckets[i];
	}
	view->sum = atomic_load_explicit(&h->sum, memory_order_relaxed);
}
