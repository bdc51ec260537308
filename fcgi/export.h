/*
 * The endpoints of the export, for the administrator. They never show a
 * secret, sealed or not.
 */
#ifndef MR_FCGI_EXPORT_H
#define MR_FCGI_EXPORT_H

#include "db/query.h"
#include "request.h"
#include "worker.h"

/*
 * POST /export/run?client=&format=&since=&until= records a request, and starts
 * millrace-export, unless [export] spawn is off: then the next run does it.
 */
void mr_export_run(struct mr_worker *worker, struct mr_request *request,
    struct mr_response *response);

/* GET /export/status: how far each destination is, and the last runs. */
void mr_export_status(struct mr_worker *worker, struct mr_request *request,
    struct mr_response *response);

/* GET /export/config: which client's events go where. */
void mr_export_config(struct mr_worker *worker, struct mr_request *request,
    struct mr_response *response);

#define MR_EXPORT_TIME(column) "to_char(" column " AT TIME ZONE 'UTC', " \
	"'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"

/* Columns of mr_export_destinations(). */
enum {
	MR_EXPORT_NAME,      /* "bucket" or "backup" */
	MR_EXPORT_URL,
	MR_EXPORT_SUCCEEDED, /* a time, as all that are no numbers are texts; NULL: never */
	MR_EXPORT_FAILED,
	MR_EXPORT_ERROR,     /* NULL: the last try succeeded */
	MR_EXPORT_EVENTS,
	MR_EXPORT_BYTES,
	MR_EXPORT_OBJECTS,
	MR_EXPORT_PENDING,
	MR_EXPORT_LAG_S,     /* since all that was visible had been exported; 0: nothing waits */
	MR_EXPORT_SUCCESS_S  /* since 1970; 0: never */
};

/*
 * A row for each destination of the client, in *rows, to be freed by the
 * caller. Of the events that no batch has yet, at most count_most are counted:
 * counting reads them.
 */
enum mr_db_class mr_export_destinations(struct mr_db *db, const struct mr_conf *conf,
    const struct mr_conf_client *client, int64_t count_most, struct mr_db_rows **rows,
    struct mr_error *err);

/*
 * Appends the metrics of the export. Without the database, or when that takes
 * longer than a few seconds, they are left out, and millrace_export_known is 0.
 * reachable: whether it makes sense to try.
 */
void mr_export_metrics(const struct mr_worker *worker, bool reachable, struct mr_buf *b);

/*
 * A connection of the endpoint's own; NULL: the response says why not. To be
 * freed by the caller.
 */
struct mr_db *mr_export_connect(const struct mr_worker *worker, struct mr_response *response);

#endif
