/*
 * What the files of this room share: libpq, which none outside of it knows, the inside of a
 * connection, and how they wait for it. No wait is without a deadline.
 */
#ifndef MR_DB_PQ_H
#define MR_DB_PQ_H

#include <libpq-fe.h>

#include "db/class.h"
#include "db/connection.h"
#include "db/query.h"

struct mr_db {
	struct mr_db_options options;
	PGconn *conn; /* NULL: not connected */
	int64_t connected_ms;
	int64_t used_ms;
	int64_t deadline_ms; /* 0: none */
	char *copied; /* libpq's: what mr_db_copy_next() gave out last */
	bool copying;
	char sqlstate[6];
};

/* Closes the connection, if there is one. */
void mr_pq_close(struct mr_db *db);

#define MR_PQ_NAME_BYTES 16

/* The name on the server of prepared statement number `statement`; returns out. */
const char *mr_pq_name(int statement, char out[MR_PQ_NAME_BYTES]);

/* The time of mr_clock_mono_ms() at which to give up, when now is to be waited for so long. */
int64_t mr_pq_deadline(const struct mr_db *db, int64_t timeout_ms);

/*
 * Waits for the socket, as poll() does; false when the deadline passed, options.stop says so,
 * or poll failed.
 */
bool mr_pq_wait(const struct mr_db *db, short events, int64_t deadline_ms);

/* Sends what libpq holds and reads until the next result is complete; false: not in time. */
bool mr_pq_await(const struct mr_db *db, int64_t deadline_ms);

/* A text of libpq's on one line, without control characters; returns out. */
const char *mr_pq_message(const char *libpq_text, char *out, size_t size);

/* What the result of a statement that failed means. */
enum mr_db_class mr_pq_class(const PGresult *result);

/* Fills *err from it, and keeps its SQLSTATE; returns class. */
enum mr_db_class mr_pq_report(struct mr_db *db, const PGresult *result, enum mr_db_class class,
    struct mr_error *err);

/*
 * Collects the answer to what was just sent. The transaction is committed
 * only when the server is ready for the next query, after the command has
 * reported success: so everything up to the end counts. rows: NULL when they
 * are not wanted.
 */
enum mr_db_class mr_pq_collect(struct mr_db *db, int64_t deadline_ms, struct mr_db_rows **rows,
    struct mr_error *err);

/*
 * After a wait that ended too early: why, and that the statement is to end on the server, too.
 * Closes the connection. MR_DB_UNKNOWN.
 */
enum mr_db_class mr_pq_gave_up(struct mr_db *db, struct mr_error *err);

/* When libpq could not even take the query: nothing reached the server. */
enum mr_db_class mr_pq_not_sent(struct mr_db *db, struct mr_error *err);

#endif
