/*
 * What waits in the spool, counted without reading it through: for /metrics,
 * /health and millrace-check. Takes no locks; what others do meanwhile may be
 * counted or not.
 */
#ifndef MR_SPOOL_BACKLOG_H
#define MR_SPOOL_BACKLOG_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct mr_backlog {
	size_t segments;
	int64_t bytes;     /* of the segments */
	uint64_t records;  /* in them, up to the first damage of each; one is one group */
	int64_t oldest_us; /* when the oldest segment was begun; 0: there is none */
	size_t quarantined; /* pieces that were put aside */
	int64_t quarantined_bytes;
};

/*
 * Counts. A folder that does not exist holds nothing. Only what was added since
 * the process counted last is read, so it may be called often, from any thread.
 * Errors: MR_EIO, MR_ENOMEM.
 */
enum mr_err mr_backlog_read(const char *dir, struct mr_backlog *backlog, struct mr_error *err);

#endif
