/*
 * Which events are the newest: partitions are read from their ends, in growing steps, until a
 * step adds nothing. What is read is bounded, however large a partition is and whatever the
 * planner knows. Nothing is fetched but where the rows lie.
 */
#ifndef MR_FCGI_NEWEST_H
#define MR_FCGI_NEWEST_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "db/query.h"

#define MR_NEWEST_MAX 500
#define MR_NEWEST_PLACE 24 /* "(4294967295,65535)" */
#define MR_NEWEST_TIME 40  /* a timestamptz as text */

struct mr_newest_row {
	int64_t created_us, id;
	char place[MR_NEWEST_PLACE]; /* its ctid */
};

struct mr_newest {
	struct mr_newest_row rows[2 * MR_NEWEST_MAX]; /* the newest first, n of them */
	size_t n;
	char since[MR_NEWEST_TIME]; /* none of them is older, so that few partitions are asked */
	int64_t looked_back_us;     /* not 0: fewer were found, and nothing before was looked at */
};

/*
 * Rows are ordered by created_at and id. They lie in the order in which they were stored, but for
 * those of long transactions, which the last step finds, and those that were put where others
 * were deleted, which are found as far as is looked. limit: 1 to MR_NEWEST_MAX; site: NULL for
 * all. Begins a transaction, in which the rows stay where they are; it ends with the connection.
 */
enum mr_err mr_newest_find(struct mr_db *db, const char *site, size_t limit,
    struct mr_newest *newest, struct mr_error *err);

#endif
