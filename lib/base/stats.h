/*
 * What this worker has done since it started: counters that any thread adds
 * to and anyone reads. Each is monotonic; they are not read as one snapshot.
 */
#ifndef MR_BASE_STATS_H
#define MR_BASE_STATS_H

#include <stdint.h>

enum mr_stat {
	MR_STAT_REQUESTS,         /* to /collect and /pixel.gif */
	MR_STAT_EVENTS_STORED,
	MR_STAT_EVENTS_DUPLICATE, /* of repeated batchIds */
	MR_STAT_EVENTS_REJECTED,  /* refused, their neighbours stored */
	MR_STAT_REQUESTS_REFUSED, /* answered 4xx */
	MR_STAT_REQUESTS_UNAVAILABLE, /* answered 503 */
	MR_STAT_BAD_TIMESTAMPS,   /* replaced by the time of receipt */
	MR_STAT_COMMITS,
	MR_STAT_DB_CONNECTS,
	MR_STAT_EVENTS_SPOOLED,   /* kept in the spool, good ones and refusals */
	MR_STAT_EVENTS_REPLAYED,  /* taken from the spool into the database, as above */
	MR_STAT_QUARANTINED,      /* damaged pieces of the spool that were put aside */
	MR_STAT_BREAKER_OPENINGS, /* the database was given up for a while */
	MR_STAT_N
};

void mr_stat_add(enum mr_stat which, uint64_t n);
uint64_t mr_stat_get(enum mr_stat which);

/* Its name in JSON and in metrics, in snake_case. */
const char *mr_stat_name(enum mr_stat which);

#endif
