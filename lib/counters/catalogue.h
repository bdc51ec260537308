/*
 * Which counters and histograms there are: their names and bounds. What has been
 * counted: stats.h. Where it lies: shared.h.
 */
#ifndef MR_COUNTERS_CATALOGUE_H
#define MR_COUNTERS_CATALOGUE_H

#include <stdint.h>

enum mr_stat {
	MR_STAT_REQUESTS,           /* to /collect and /pixel.gif */
	MR_STAT_REQUESTS_STORED,    /* answered 200, all events stored */
	MR_STAT_REQUESTS_PARTIAL,   /* some events stored or queued, some refused */
	MR_STAT_REQUESTS_QUEUED,    /* answered 202, all events in the spool */
	MR_STAT_REQUESTS_DUPLICATE,
	MR_STAT_REQUESTS_REFUSED,   /* answered 4xx */
	MR_STAT_REQUESTS_UNAVAILABLE, /* answered 503 */
	MR_STAT_REQUESTS_OVER_SHARE, /* of those: [spool] share */
	MR_STAT_EVENTS_STORED,
	MR_STAT_EVENTS_QUEUED,
	MR_STAT_EVENTS_DUPLICATE,   /* of repeated batchIds */
	MR_STAT_EVENTS_REJECTED,    /* refused, their neighbours stored */
	MR_STAT_REJECTED_INVALID,   /* of those: by the worker's own checks */
	MR_STAT_REJECTED_DATABASE,  /* of those: by the database */
	MR_STAT_REFUSED_MALFORMED,  /* requests refused: 400 */
	MR_STAT_REFUSED_NO_LENGTH,  /* 411 */
	MR_STAT_REFUSED_TIMEOUT,    /* 408 */
	MR_STAT_REFUSED_TOO_LARGE,  /* 413 */
	MR_STAT_REFUSED_ENCODING,   /* 415 */
	MR_STAT_REFUSED_ADDRESS_LIMIT, /* 429: [limits] of the client's address */
	MR_STAT_REFUSED_SITE_LIMIT, /* 429: [limits] of a site */
	MR_STAT_REFUSED_DATABASE,   /* 400: the database refuses all of it */
	MR_STAT_BAD_TIMESTAMPS,     /* replaced by the time of receipt */
	MR_STAT_BAD_IDS,            /* sessionIds, visitorIds and messageIds that were left out */
	MR_STAT_COMMITS,            /* groups stored at once */
	MR_STAT_GROUPS_SPOOLED,     /* groups that went to the spool */
	MR_STAT_GROUPS_FAILED,      /* groups that neither could take */
	MR_STAT_DB_CONNECTS,
	MR_STAT_EVENTS_SPOOLED,   /* kept in the spool, good ones and refusals */
	MR_STAT_EVENTS_REPLAYED,  /* taken from the spool into the database, as above */
	MR_STAT_QUARANTINED,      /* damaged pieces of the spool that were put aside */
	MR_STAT_BREAKER_OPENINGS, /* the database was given up for a while */
	MR_STAT_TOKENS_WRONG,     /* admin tokens that were wrong */
	MR_STAT_TOKENS_UNHEARD,   /* and not looked at, from who had sent too many wrong ones */
	MR_STAT_ASKERS_REFUSED,   /* requests that did not get to ask the database */
	MR_STAT_EVENTS_UNBOOKED,    /* accepted by a lane without a slot, see counters/books.h */
	MR_STAT_N
};

/* Its name in JSON, in snake_case. */
const char *mr_stat_name(enum mr_stat which);

enum mr_hist {
	MR_HIST_REQUEST_EVENTS, /* events of a request */
	MR_HIST_COMMIT_ROWS,    /* rows of a commit */
	MR_HIST_INSERT_US,      /* from a group's statement to its answer */
	MR_HIST_REQUEST_US,     /* from a request's arrival to its answer */
	MR_HIST_N
};

#define MR_HIST_BUCKETS 15 /* with a bound; one more holds all that is larger */

/* The upper bounds of its buckets, inclusive, ascending: MR_HIST_BUCKETS of them. */
const uint64_t *mr_hist_bounds(enum mr_hist which);

/* A checksum of the names and bounds: files of another layout differ in it. */
uint32_t mr_catalogue_layout(void);

#endif
