/* COPY (SELECT …) TO STDOUT: see copy.h. */
#include "db/copy.h"

#include <poll.h>

#include "db/pq.h"

enum mr_db_class
mr_db_copy_start(struct mr_db *db, const char *sql, struct mr_error *err)
{
	PGresult *result;

	if (PQsendQuery(db->conn, sql) == 0)
		return mr_pq_not_sent(db, err);
	if (!mr_pq_await(db, mr_pq_deadline(db, db->options.query_timeout_ms)))
		return mr_pq_gave_up(db, err);
	result = PQgetResult(db->conn);
	db->copying = PQresultStatus(result) == PGRES_COPY_OUT;
	if (!db->copying) {
		enum mr_db_class class = mr_pq_report(db, result, mr_pq_class(result), err);

		PQclear(result);
		mr_pq_close(db);
		return class;
	}
	PQclear(result);
	return MR_DB_OK;
}

/*
 * The next message of a COPY: its length, -1 at the end, or -2 when it does not
 * come. The clock is read only when it has to be waited for.
 */
static int
next_message(struct mr_db *db)
{
	int64_t deadline_ms = 0;
	int n;

	PQfreemem(db->copied);
	db->copied = NULL;
	while ((n = PQgetCopyData(db->conn, &db->copied, 1)) == 0) {
		if (deadline_ms == 0)
			deadline_ms = mr_pq_deadline(db, db->options.query_timeout_ms);
		if (!mr_pq_wait(db, POLLIN, deadline_ms) || PQconsumeInput(db->conn) == 0)
			return -2;
	}
	return n;
}

enum mr_db_class
mr_db_copy_next(struct mr_db *db, struct mr_str *data, struct mr_error *err)
{
	int n = next_message(db);

	*data = MR_STR_NULL;
	if (n > 0) {
		*data = (struct mr_str){ db->copied, (size_t)n };
		return MR_DB_OK;
	}
	if (n == -1) {
		db->copying = false;
		return mr_pq_collect(db, mr_pq_deadline(db, db->options.query_timeout_ms), NULL, err);
	}
	return mr_pq_gave_up(db, err);
}

void
mr_db_copy_stop(struct mr_db *db)
{
	if (db->copying)
		mr_pq_close(db);
}
