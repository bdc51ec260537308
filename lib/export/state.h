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
	MR_STATE_LAG_S,     /* since all that was visible had been exported; 0: nothing waits */
	MR_STATE_SUCCESS_S  /* since 1970; 0: never */
};

/*
 * A row for each destination of the client, in *rows, to be freed by the
 * caller. Of the events that no batch has yet, at most count_most are counted:
 * counting reads them. MR_ENOMEM, or as mr_db_ask().
 */
enum mr_err mr_state_destinations(struct mr_db *db, const struct mr_conf *conf,
    const struct mr_conf_client *client, int64_t count_most, struct mr_db_rows **rows,
    struct mr_error *err);

/* Whether an export is at work on the database. As mr_db_ask(). */
enum mr_err mr_state_is_at_work(struct mr_db *db, bool *at_work, struct mr_error *err);

#endif
