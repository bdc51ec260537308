/* Counters: see stats.h. */
#include "base/stats.h"

#include <stdatomic.h>

static _Atomic uint64_t counters[MR_STAT_N];

static const char *const names[MR_STAT_N] = {
	[MR_STAT_REQUESTS] = "requests",
	[MR_STAT_EVENTS_STORED] = "events_stored",
	[MR_STAT_EVENTS_DUPLICATE] = "events_duplicate",
	[MR_STAT_EVENTS_REJECTED] = "events_rejected",
	[MR_STAT_REQUESTS_REFUSED] = "requests_refused",
	[MR_STAT_REQUESTS_UNAVAILABLE] = "requests_unavailable",
	[MR_STAT_BAD_TIMESTAMPS] = "bad_timestamps",
	[MR_STAT_COMMITS] = "commits",
	[MR_STAT_DB_CONNECTS] = "db_connects",
	[MR_STAT_EVENTS_SPOOLED] = "events_spooled",
	[MR_STAT_EVENTS_REPLAYED] = "events_replayed",
	[MR_STAT_QUARANTINED] = "quarantined",
	[MR_STAT_BREAKER_OPENINGS] = "breaker_openings",
};

void
mr_stat_add(enum mr_stat which, uint64_t n)
{
	atomic_fetch_add_explicit(&counters[which], n, memory_order_relaxed);
}

uint64_t
mr_stat_get(enum mr_stat which)
{
	return atomic_load_explicit(&counters[which], memory_order_relaxed);
}

const char *
mr_stat_name(enum mr_stat which)
{
	return names[which];
}
