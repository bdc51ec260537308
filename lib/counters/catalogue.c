/* Names and bounds: see catalogue.h. Holds no state. */
#include "counters/catalogue.h"

#include <stddef.h>
#include <string.h>

#include "base/crc32c.h"

static const char *const names[MR_STAT_N] = {
	[MR_STAT_REQUESTS] = "requests",
	[MR_STAT_REQUESTS_STORED] = "requests_stored",
	[MR_STAT_REQUESTS_PARTIAL] = "requests_partial",
	[MR_STAT_REQUESTS_QUEUED] = "requests_queued",
	[MR_STAT_REQUESTS_DUPLICATE] = "requests_duplicate",
	[MR_STAT_REQUESTS_REFUSED] = "requests_refused",
	[MR_STAT_REQUESTS_UNAVAILABLE] = "requests_unavailable",
	[MR_STAT_REQUESTS_OVER_SHARE] = "requests_over_share",
	[MR_STAT_EVENTS_STORED] = "events_stored",
	[MR_STAT_EVENTS_QUEUED] = "events_queued",
	[MR_STAT_EVENTS_DUPLICATE] = "events_duplicate",
	[MR_STAT_EVENTS_REJECTED] = "events_rejected",
	[MR_STAT_REJECTED_INVALID] = "rejected_invalid",
	[MR_STAT_REJECTED_DATABASE] = "rejected_database",
	[MR_STAT_REFUSED_MALFORMED] = "refused_malformed",
	[MR_STAT_REFUSED_NO_LENGTH] = "refused_no_length",
	[MR_STAT_REFUSED_TIMEOUT] = "refused_timeout",
	[MR_STAT_REFUSED_TOO_LARGE] = "refused_too_large",
	[MR_STAT_REFUSED_ENCODING] = "refused_encoding",
	[MR_STAT_REFUSED_ADDRESS_LIMIT] = "refused_address_limit",
	[MR_STAT_REFUSED_SITE_LIMIT] = "refused_site_limit",
	[MR_STAT_REFUSED_DATABASE] = "refused_database",
	[MR_STAT_BAD_TIMESTAMPS] = "bad_timestamps",
	[MR_STAT_BAD_IDS] = "bad_ids",
	[MR_STAT_COMMITS] = "commits",
	[MR_STAT_GROUPS_SPOOLED] = "groups_spooled",
	[MR_STAT_GROUPS_FAILED] = "groups_failed",
	[MR_STAT_DB_CONNECTS] = "db_connects",
	[MR_STAT_EVENTS_SPOOLED] = "events_spooled",
	[MR_STAT_EVENTS_REPLAYED] = "events_replayed",
	[MR_STAT_QUARANTINED] = "quarantined",
	[MR_STAT_BREAKER_OPENINGS] = "breaker_openings",
	[MR_STAT_TOKENS_WRONG] = "tokens_wrong",
	[MR_STAT_TOKENS_UNHEARD] = "tokens_unheard",
	[MR_STAT_ASKERS_REFUSED] = "askers_refused",
	[MR_STAT_EVENTS_UNBOOKED] = "events_unbooked",
};

#define COUNTS 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000
#define MICROSECONDS 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000, 200000, 500000, \
	1000000, 2000000, 5000000, 10000000, 30000000

static const uint64_t bounds[MR_HIST_N][MR_HIST_BUCKETS] = {
	[MR_HIST_REQUEST_EVENTS] = { COUNTS },
	[MR_HIST_COMMIT_ROWS] = { COUNTS },
	[MR_HIST_INSERT_US] = { MICROSECONDS },
	[MR_HIST_REQUEST_US] = { MICROSECONDS },
};

const char *
mr_stat_name(enum mr_stat which)
{
	return names[which];
}

const uint64_t *
mr_hist_bounds(enum mr_hist which)
{
	return bounds[which];
}

uint32_t
mr_catalogue_layout(void)
{
	uint32_t crc = mr_crc32c(0, bounds, sizeof bounds);

	for (size_t i = 0; i < MR_STAT_N; i++)
		crc = mr_crc32c(crc, names[i], strlen(names[i]) + 1);
	return crc;
}
