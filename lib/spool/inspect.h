/*
 * What lies in the spool, for all who look and change nothing: how much of it
 * there is, what each segment holds, and which groups are in it, those of the
 * segments that are being written to included. From any thread. What others do
 * meanwhile may be seen or not.
 */
#ifndef MR_SPOOL_INSPECT_H
#define MR_SPOOL_INSPECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/uuid.h"

/* --- how much waits: for /metrics, /health and millrace-check --- */

struct mr_backlog {
	size_t segments;
	int64_t bytes;     /* of the segments */
	uint64_t records;  /* in them, up to the first damage of each; one is one group */
	int64_t oldest_us; /* when the oldest segment was begun; 0: there is none */
	size_t quarantined; /* pieces that were put aside */
	int64_t quarantined_bytes;
};

/*
 * Counts without reading it through. A folder that does not exist holds nothing.
 * Only what was added since the process counted last is read, so it may be
 * called often. Errors: MR_EIO, MR_ENOMEM; MR_EINVAL when a path is too long.
 */
enum mr_err mr_inspect_backlog(const char *dir, struct mr_backlog *backlog,
    struct mr_error *err);

/* Bytes of the segments that nobody writes to now; 0 when that cannot be known. */
int64_t mr_inspect_pending(const char *dir);

/* --- what each segment holds --- */

/* One that is busy: so far. */
struct mr_inspect_segment {
	const char *path;
	int64_t bytes;
	bool busy;           /* somebody writes to it, or replays it */
	bool foreign;        /* it is no segment */
	size_t records, events;
	size_t damaged, torn;
	int64_t oldest_us, newest_us; /* when its records were received; 0: none */
};

/* Shows every segment, oldest first. Errors: MR_EIO, MR_ENOMEM. */
enum mr_err mr_inspect_segments(const char *dir,
    void (*visit)(void *arg, const struct mr_inspect_segment *segment), void *arg,
    struct mr_error *err);

/* --- which groups are in it, the quarantine included --- */

struct mr_inspect_group {
	uint8_t id[MR_UUID_BYTES];
	uint32_t events;
	bool ours;        /* of this host's instance */
	bool quarantined;
};

struct mr_inspect_groups {
	struct mr_inspect_group *groups; /* by id, each once */
	size_t n;
	size_t unreadable; /* pieces in the quarantine without a readable record */
};

/*
 * instance: this host's. A folder that does not exist, or "", is empty. Errors:
 * MR_EIO, MR_ENOMEM, MR_ELIMIT (too many groups); MR_EINVAL as above. After an
 * error there is nothing to free.
 */
enum mr_err mr_inspect_groups(struct mr_inspect_groups *groups, const char *dir,
    const uint8_t instance[MR_UUID_BYTES], struct mr_error *err);
void mr_inspect_free(struct mr_inspect_groups *groups);

/* Events of the group in the spool; 0: it is not there. */
uint32_t mr_inspect_find(const struct mr_inspect_groups *groups,
    const uint8_t id[MR_UUID_BYTES]);

#endif
