/*
 * A lane: one connection to PostgreSQL, one spool, and all it takes to keep
 * groups of jobs in one of them: trying again, taking out what the database
 * refuses, giving it up in time. Each thread of the writer has one, and nobody
 * else uses it.
 *
 * A group is what is stored with one commit, or lies in the spool as one record:
 * the rows of some jobs, under one id (struct mr_group of store.h).
 */
#ifndef MR_INGEST_LANE_H
#define MR_INGEST_LANE_H

#include <stdbool.h>
#include <stddef.h>

#include "conf/conf.h"
#include "ingest/breaker.h"
#include "ingest/job.h"

struct mr_lane;
struct mr_share;

/* All that is pointed to must stay. */
struct mr_lane_options {
	const struct mr_conf *conf;
	const char *application;
	const uint8_t *instance; /* MR_UUID_BYTES of this host's id */
	size_t max_group;        /* jobs in a group */
	struct mr_breaker *breaker;
	struct mr_share *share;  /* of the spool, for all lanes */
	bool alone;              /* there is no keeper, so the lane migrates the schema and
	                            makes the day partitions when it connects */
};

/* Connects at the first use. NULL: no memory. */
struct mr_lane *mr_lane_new(const struct mr_lane_options *options);
void mr_lane_free(struct mr_lane *lane);

/*
 * Stores the jobs, n >= 1, or puts them into the spool, and fills their receipts.
 * When the database does not answer it is given up after query_timeout_ms, all
 * attempts together.
 */
void mr_lane_store(struct mr_lane *lane, struct mr_job **jobs, size_t n);

/* Makes a round trip, and fills the receipt with what came of it. */
void mr_lane_check(struct mr_lane *lane, struct mr_job *job);

#endif
