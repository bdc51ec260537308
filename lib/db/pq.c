/* How connection, query and copy wait for libpq, and what they make of its answers: see pq.h. */
#include "db/pq.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>

#include "base/clock.h"

#define STOP_LOOK_MS 200

void
mr_pq_close(struct mr_db *db)
{
	PQfreemem(db->copied);
	PQfinish(db->conn);
	db->conn = NULL;
	db->copied = NULL;
	db->copying = false;
}

int64_t
mr_pq_deadline(const struct mr_db *db, int64_t timeout_ms)
{
	int64_t at = mr_clock_mono_ms() + timeout_ms;

	return db->deadline_ms > 0 && db->deadline_ms < at ? db->deadline_ms : at;
}

/* The messages have lines and quote what was sent; no control character may reach a header. */
const char *
mr_pq_message(const char *libpq_text, char *out, size_t size)
{
	size_t n = 0;

	for (; *libpq_text != '\0' && n + 1 < size; libpq_text++)
		out[n++] = (unsigned char)*libpq_text < ' ' || *libpq_text == 0x7f ? ' ' :
		    *libpq_text;
	while (n > 0 && out[n - 1] == ' ')
		n--;
	out[n] = '\0';
	return out;
}

static bool
stopped(const struct mr_db *db)
{
	return db->options.stop != NULL && *db->options.stop != 0;
}

bool
mr_pq_wait(const struct mr_db *db, short events, int64_t deadline_ms)
{
	struct pollfd pfd = { .fd = PQsocket(db->conn), .events = events };
	int64_t left;
	int n;

	do {
		left = deadline_ms - mr_clock_mono_ms();
		if (left <= 0 || stopped(db))
			return false;
		/* The signal may have come to another thread, so it is looked for now and then. */
		if (db->options.stop != NULL && left > STOP_LOOK_MS)
			left = STOP_LOOK_MS;
		n = poll(&pfd, 1, left > INT_MAX ? INT_MAX : (int)left);
	} while (n == 0 || (n < 0 && errno == EINTR));
	return n > 0;
}

enum mr_db_class
mr_pq_class(const PGresult *result)
{
	return mr_db_class_of(PQresultErrorField(result, PG_DIAG_SQLSTATE),
	    PQresultErrorField(result, PG_DIAG_CONSTRAINT_NAME));
}

/* After this the server's session is not what we set up, or is gone. */
static bool
connection_spoiled(const struct mr_db *db, const PGresult *result)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);

	return PQstatus(db->conn) != CONNECTION_OK || state == NULL ||
	    strcmp(state, "26000") == 0;
}

enum mr_db_class
mr_pq_report(struct mr_db *db, const PGresult *result, enum mr_db_class class, struct mr_error *err)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	char text[400];

	(void)snprintf(db->sqlstate, sizeof db->sqlstate, "%s", state != NULL ? state : "");
	mr_pq_message(primary != NULL ? primary : PQresultErrorMessage(result), text, sizeof text);
	(void)mr_fail(err, class == MR_DB_DATA ? MR_EINVAL : MR_EAGAIN, "database: %s%s%s%s",
	    text, state != NULL ? " (SQLSTATE " : "", state != NULL ? state : "",
	    state != NULL ? ")" : "");
	return class;
}

static bool
succeeded(const PGresult *result)
{
	ExecStatusType status = PQresultStatus(result);

	return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

bool
mr_pq_await(const struct mr_db *db, int64_t deadline_ms)
{
	int unsent;

	while ((unsent = PQflush(db->conn)) > 0) {
		if (!mr_pq_wait(db, POLLIN | POLLOUT, deadline_ms))
			return false;
		if (PQconsumeInput(db->conn) == 0)
			return true;
	}
	while (PQisBusy(db->conn)) {
		if (!mr_pq_wait(db, POLLIN, deadline_ms))
			return false;
		if (PQconsumeInput(db->conn) == 0)
			return true;
	}
	return true;
}

enum mr_db_class
mr_pq_collect(struct mr_db *db, int64_t deadline_ms, struct mr_db_rows **rows, struct mr_error *err)
{
	enum mr_db_class class = MR_DB_OK;
	PGresult *result, *good = NULL;
	bool spoiled = false;

	for (;;) {
		if (!mr_pq_await(db, deadline_ms)) {
			class = mr_pq_gave_up(db, err);
			PQclear(good);
			return class;
		}
		result = PQgetResult(db->conn);
		if (result == NULL)
			break;
		if (succeeded(result)) {
			PQclear(good);
			good = result;
			continue;
		}
		if (class == MR_DB_OK) {
			class = mr_pq_class(result);
			if (class == MR_DB_UNAVAILABLE && good != NULL)
				class = MR_DB_UNKNOWN;
			class = mr_pq_report(db, result, class, err);
		}
		spoiled |= connection_spoiled(db, result);
		PQclear(result);
	}
	if (spoiled)
		mr_pq_close(db);
	db->used_ms = mr_clock_mono_ms();
	if (class == MR_DB_OK && rows != NULL)
		*rows = (struct mr_db_rows *)good;
	else
		PQclear(good);
	return class;
}

enum mr_db_class
mr_pq_gave_up(struct mr_db *db, struct mr_error *err)
{
	PGcancel *cancel = stopped(db) ? PQgetCancel(db->conn) : NULL;
	char text[256];

	if (cancel != NULL)
		(void)PQcancel(cancel, text, sizeof text);
	PQfreeCancel(cancel);
	(void)mr_fail(err, MR_EAGAIN, "database: %s", stopped(db) ? "stopped by a signal" :
	    PQstatus(db->conn) != CONNECTION_OK ? "the connection was lost" : "no answer in time");
	mr_pq_close(db);
	return MR_DB_UNKNOWN;
}

const char *
mr_pq_name(int statement, char out[MR_PQ_NAME_BYTES])
{
	(void)snprintf(out, MR_PQ_NAME_BYTES, "s%d", statement);
	return out;
}

enum mr_db_class
mr_pq_not_sent(struct mr_db *db, struct mr_error *err)
{
	char text[400];

	(void)mr_fail(err, MR_EAGAIN, "database: %s", db->conn == NULL ? "not connected" :
	    mr_pq_message(PQerrorMessage(db->conn), text, sizeof text));
	mr_pq_close(db);
	return MR_DB_UNAVAILABLE;
}
