/*
 * A lane: one connection to PostgreSQL and all it takes to store groups of jobs
 * over it: connecting again at growing intervals, trying again, taking out what
 * the database refuses, keeping the log readable during an outage. Belongs to
 * one thread.
 */
#ifndef MR_IO_LANE_H
#define MR_IO_LANE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/conf.h"
#include "io/job.h"

struct mr_lane;

/*
 * max_group: jobs in a group. keeper: this lane migrates the schema when it
 * connects, and makes the day partitions. The configuration must stay. Connects
 * at the first use. NULL: no memory.
 */
struct mr_lane *mr_lane_new(const struct mr_conf *conf, const char *application,
    size_t max_group, bool keeper);
void mr_lane_free(struct mr_lane *lane);

/* A connection, unless one was tried in vain a moment ago. */
bool mr_lane_ensure(struct mr_lane *lane);

/* Stores the jobs, n >= 1, and fills their receipts. Takes at most a few query_timeout_ms. */
void mr_lane_store(struct mr_lane *lane, struct mr_job **jobs, size_t n);

/* Makes a round trip, and fills the receipt with what came of it. */
void mr_lane_check(struct mr_lane *lane, struct mr_job *job);

/* What is to be done once an hour; costs nothing before it is due. */
void mr_lane_upkeep(struct mr_lane *lane);

#endif
