/*
 * How far the export is: what the worker tells of it. Needs the database alone, so that the
 * worker can be linked with it.
 */
#ifndef MR_EXPORT_STATE_H
#define MR_EXPORT_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "conf/conf.h"
#include "db/query.h"

/* Columns of mr_state_destinations(). */
enum mr_state_column {
	MR_STATE_NAME,      /* "bucket" or "backup" */
	MR_STATE_URL,
	MR_STATE_SUCCEEDED, /* a time, as all that are no numbers are texts; NULL: never */
	MR_STATE_FAILED,
	MR_STATE_ERROR,     /* NULL: the last try succeeded */
	MR_STATE_EVENTS,
	MR_STATE_BYTES,
	MR_STATE_OBJECTS,
	MR_STATE_PENDING,
	MR_STATE_LAG_S,     /* age of the oldest event that waits; 0: none does */
	MR_STATE_SUCCESS_S, /* since 1970; 0: never */
	MR_STATE_CLIENT     /* its place in the configuration */
};

/*
 * A row for each destination of the clients of that frequency, in *rows, to be freed by the
 * caller; in the order of the configuration, NULL where there are no such clients. They stand
 * at about the same place, and share one look at the events that no batch has yet: of those
 * `most` are read in the order in which they lie, and as many again of the sites that were not
 * among them. Sets enable_seqscan = off for the connection: what is new is found by the index,
 * whatever statistics say. MR_ENOMEM, or as mr_db_ask().
 */
enum mr_err mr_state_destinations(struct mr_db *db, const struct mr_conf *conf,
    enum mr_frequency frequency, int64_t most, struct mr_db_rows **rows, struct mr_error *err);

/* Whether an export is at work on the database. As mr_db_ask(). */
enum mr_err mr_state_is_at_work(struct mr_db *db, bool *at_work, struct mr_error *err);

#endif
