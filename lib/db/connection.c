/*
 * One connection to PostgreSQL: see db.h. Everything goes through libpq's
 * asynchronous calls, so that no wait is without a deadline.
 */
#include "db/connection.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include <libpq-fe.h>

#include "base/clock.h"
#include "base/log.h"
#include "counters/stats.h"

/* A statement's name on the server: its number. */
#define NAME_BYTES 16
#define MAX_PARAMS 32
#define MIN_SERVER_VERSION 140000 /* it has the Bloom filters of schema/001-events.sql */

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

/* struct mr_db_rows is libpq's result; nothing is added to it. */
static PGresult *
result_of(const struct mr_db_rows *rows)
{
	return (PGresult *)(uintptr_t)rows;
}

/* "scheme://", but none that libpq knows; it would take it for a database's name. */
static bool
foreign_scheme(const char *url)
{
	size_t n = strcspn(url, ":/?= ");

	if (strncmp(url + n, "://", 3) != 0)
		return false;
	return !(n == 8 && strncmp(url, "postgres", n) == 0) &&
	    !(n == 10 && strncmp(url, "postgresql", n) == 0);
}

enum mr_err
mr_db_check_url(const char *url, struct mr_error *err)
{
	PQconninfoOption *parsed;

	/* The name of a database alone is one too. */
	if (url[0] != '\0' && strpbrk(url, "=:/ ") == NULL)
		return MR_OK;
	parsed = foreign_scheme(url) ? NULL : PQconninfoParse(url, NULL);
	if (parsed == NULL)
		return mr_fail(err, MR_EINVAL, "[database] url (or DATABASE_URL) is no "
		    "PostgreSQL connection string; it looks like "
		    "postgresql://USER:PASSWORD@HOST:5432/DATABASE, without the name of a "
		    "driver, or like host=HOST dbname=DATABASE");
	PQconninfoFree(parsed);
	return MR_OK;
}

struct mr_db_options
mr_db_options_of(const struct mr_conf *conf, const char *application)
{
	return (struct mr_db_options){
		.url = conf->database_url,
		.application = application,
		.connect_timeout_ms = conf->connect_timeout_ms,
		.query_timeout_ms = conf->query_timeout_ms,
		.idle_check_s = conf->idle_check_s,
		.synchronous_commit = true,
	};
}

struct mr_db *
mr_db_new(const struct mr_db_options *options)
{
	struct mr_db *db = calloc(1, sizeof *db);

	if (db != NULL)
		db->options = *options;
	return db;
}

void
mr_db_disconnect(struct mr_db *db)
{
	PQfreemem(db->copied);
	PQfinish(db->conn);
	db->conn = NULL;
	db->copied = NULL;
	db->copying = false;
}

bool
mr_db_is_connected(const struct mr_db *db)
{
	return db->conn != NULL;
}

void
mr_db_set_deadline(struct mr_db *db, int64_t mono_ms)
{
	db->deadline_ms = mono_ms;
}

static int64_t
deadline(const struct mr_db *db, int64_t timeout_ms)
{
	int64_t at = mr_clock_mono_ms() + timeout_ms;

	return db->deadline_ms > 0 && db->deadline_ms < at ? db->deadline_ms : at;
}

void
mr_db_free(struct mr_db *db)
{
	if (db != NULL)
		mr_db_disconnect(db);
	free(db);
}

/* The messages have lines and quote what was sent; no control character may reach a header. */
static const char *
message_of(const char *libpq_text, char *out, size_t size)
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

/* Waits for the socket; false when the deadline passed or poll failed. */
static bool
wait_socket(const struct mr_db *db, short events, int64_t deadline_ms)
{
	struct pollfd pfd = { .fd = PQsocket(db->conn), .events = events };
	int64_t left;
	int n;

	do {
		left = deadline_ms - mr_clock_mono_ms();
		if (left <= 0)
			return false;
		n = poll(&pfd, 1, left > INT_MAX ? INT_MAX : (int)left);
	} while (n < 0 && errno == EINTR);
	return n > 0;
}

static enum mr_db_class
class_of(const PGresult *result)
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

static enum mr_db_class
report(struct mr_db *db, const PGresult *result, enum mr_db_class class, struct mr_error *err)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	char text[400];

	(void)snprintf(db->sqlstate, sizeof db->sqlstate, "%s", state != NULL ? state : "");
	message_of(primary != NULL ? primary : PQresultErrorMessage(result), text, sizeof text);
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

/* Sends what libpq holds and reads until the next result is complete. */
static bool
await_result(const struct mr_db *db, int64_t deadline_ms)
{
	int unsent;

	while ((unsent = PQflush(db->conn)) > 0) {
		if (!wait_socket(db, POLLIN | POLLOUT, deadline_ms))
			return false;
		if (PQconsumeInput(db->conn) == 0)
			return true;
	}
	while (PQisBusy(db->conn)) {
		if (!wait_socket(db, POLLIN, deadline_ms))
			return false;
		if (PQconsumeInput(db->conn) == 0)
			return true;
	}
	return true;
}

/*
 * Collects the answer to what was just sent. The transaction is committed
 * only when the server is ready for the next query, after the command has
 * reported success: so everything up to the end counts.
 */
static enum mr_db_class
collect(struct mr_db *db, int64_t deadline_ms, struct mr_db_rows **rows, struct mr_error *err)
{
	enum mr_db_class class = MR_DB_OK;
	PGresult *result, *good = NULL;
	bool spoiled = false;

	for (;;) {
		if (!await_result(db, deadline_ms)) {
			class = MR_DB_UNKNOWN;
			spoiled = true;
			(void)mr_fail(err, MR_EAGAIN, "database: no answer in time");
			break;
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
			class = class_of(result);
			if (class == MR_DB_UNAVAILABLE && good != NULL)
				class = MR_DB_UNKNOWN;
			class = report(db, result, class, err);
		}
		spoiled |= connection_spoiled(db, result);
		PQclear(result);
	}
	if (spoiled)
		mr_db_disconnect(db);
	db->used_ms = mr_clock_mono_ms();
	if (class == MR_DB_OK && rows != NULL)
		*rows = (struct mr_db_rows *)good;
	else
		PQclear(good);
	return class;
}

/* When libpq could not even take the query: nothing reached the server. */
static enum mr_db_class
not_sent(struct mr_db *db, struct mr_error *err)
{
	char text[400];

	(void)mr_fail(err, MR_EAGAIN, "database: %s", db->conn == NULL ? "not connected" :
	    message_of(PQerrorMessage(db->conn), text, sizeof text));
	mr_db_disconnect(db);
	return MR_DB_UNAVAILABLE;
}

enum mr_db_class
mr_db_script(struct mr_db *db, const char *sql, int64_t timeout_ms, struct mr_error *err)
{
	if (PQsendQuery(db->conn, sql) == 0)
		return not_sent(db, err);
	return collect(db, deadline(db, timeout_ms), NULL, err);
}

void
mr_db_abort(struct mr_db *db, int64_t timeout_ms)
{
	if (db->conn != NULL && PQtransactionStatus(db->conn) != PQTRANS_IDLE &&
	    mr_db_script(db, "ROLLBACK", timeout_ms, NULL) != MR_DB_OK)
		mr_db_disconnect(db);
}

enum mr_db_class
mr_db_query(struct mr_db *db, const char *sql, const char *const *params, int n_params,
    struct mr_db_rows **rows, struct mr_error *err)
{
	if (rows != NULL)
		*rows = NULL;
	if (PQsendQueryParams(db->conn, sql, n_params, NULL, params, NULL, NULL, 0) == 0)
		return not_sent(db, err);
	return collect(db, deadline(db, db->options.query_timeout_ms), rows, err);
}

enum mr_db_class
mr_db_execute(struct mr_db *db, int statement, const struct mr_db_param *params, int n_params,
    struct mr_db_rows **rows, struct mr_error *err)
{
	const char *values[MAX_PARAMS];
	int lengths[MAX_PARAMS], formats[MAX_PARAMS];
	char name[NAME_BYTES];

	if (rows != NULL)
		*rows = NULL;
	for (int i = 0; i < n_params && i < MAX_PARAMS; i++) {
		values[i] = params[i].data;
		lengths[i] = params[i].len;
		formats[i] = 1;
	}
	(void)snprintf(name, sizeof name, "s%d", statement);
	if (PQsendQueryPrepared(db->conn, name, n_params, values, lengths, formats, 0) == 0)
		return not_sent(db, err);
	return collect(db, deadline(db, db->options.query_timeout_ms), rows, err);
}

enum mr_db_class
mr_db_copy_start(struct mr_db *db, const char *sql, struct mr_error *err)
{
	PGresult *result;

	if (PQsendQuery(db->conn, sql) == 0)
		return not_sent(db, err);
	if (!await_result(db, deadline(db, db->options.query_timeout_ms))) {
		mr_db_disconnect(db);
		(void)mr_fail(err, MR_EAGAIN, "database: no answer in time");
		return MR_DB_UNKNOWN;
	}
	result = PQgetResult(db->conn);
	db->copying = PQresultStatus(result) == PGRES_COPY_OUT;
	if (!db->copying) {
		enum mr_db_class class = report(db, result, class_of(result), err);

		PQclear(result);
		mr_db_disconnect(db);
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
			deadline_ms = deadline(db, db->options.query_timeout_ms);
		if (!wait_socket(db, POLLIN, deadline_ms) || PQconsumeInput(db->conn) == 0)
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
		return collect(db, deadline(db, db->options.query_timeout_ms), NULL, err);
	}
	(void)mr_fail(err, MR_EAGAIN, "database: the connection was lost during COPY");
	mr_db_disconnect(db);
	return MR_DB_UNKNOWN;
}

void
mr_db_copy_stop(struct mr_db *db)
{
	if (db->copying)
		mr_db_disconnect(db);
}

/* Notices of the server go to the log, not to stderr. */
static void
take_notice(void *arg, const PGresult *result)
{
	char text[400];

	(void)arg;
	mr_log_debug("database: %s", message_of(PQresultErrorMessage(result), text, sizeof text));
}

static bool
await_connection(const struct mr_db *db, int64_t deadline_ms)
{
	PostgresPollingStatusType status = PGRES_POLLING_WRITING;

	while (status != PGRES_POLLING_OK && status != PGRES_POLLING_FAILED) {
		if (!wait_socket(db, status == PGRES_POLLING_READING ? POLLIN : POLLOUT,
		    deadline_ms))
			return false;
		status = PQconnectPoll(db->conn);
	}
	return true;
}

static enum mr_err
open_connection(struct mr_db *db, struct mr_error *err)
{
	char tcp_timeout[24], text[400];
	const char *const names[] = { "dbname", "fallback_application_name", "client_encoding",
		"tcp_user_timeout", NULL };
	const char *const values[] = { db->options.url, db->options.application, "UTF8",
		tcp_timeout, NULL };

	(void)snprintf(tcp_timeout, sizeof tcp_timeout, "%lld",
	    (long long)db->options.query_timeout_ms);
	db->conn = PQconnectStartParams(names, values, 1);
	if (db->conn == NULL)
		return mr_fail(err, MR_ENOMEM, "database: no memory to connect");
	PQsetNoticeReceiver(db->conn, take_notice, NULL);
	if (PQstatus(db->conn) != CONNECTION_BAD &&
	    !await_connection(db, deadline(db, db->options.connect_timeout_ms)))
		return mr_fail(err, MR_EAGAIN, "database: no connection in time");
	if (PQstatus(db->conn) != CONNECTION_OK)
		return mr_fail(err, MR_EAGAIN, "database: %s",
		    message_of(PQerrorMessage(db->conn), text, sizeof text));
	return PQsetnonblocking(db->conn, 1) == 0 ? MR_OK :
	    mr_fail(err, MR_EIO, "database: cannot use the connection unblocked");
}

static enum mr_err
check_server(const struct mr_db *db, struct mr_error *err)
{
	const char *encoding = PQparameterStatus(db->conn, "server_encoding");
	int version = PQserverVersion(db->conn);

	if (version > 0 && version < MIN_SERVER_VERSION)
		return mr_fail(err, MR_EIO, "database: PostgreSQL %d is too old, it must be %d or later",
		    version / 10000, MIN_SERVER_VERSION / 10000);
	if (encoding != NULL && strcmp(encoding, "UTF8") == 0)
		return MR_OK;
	return mr_fail(err, MR_EIO, "database: its encoding is %s, it must be UTF8; create it "
	    "with ENCODING 'UTF8'", encoding != NULL ? encoding : "unknown");
}

static enum mr_err
call_hook(struct mr_db *db, struct mr_error *err)
{
	if (db->options.on_connect == NULL)
		return MR_OK;
	return db->options.on_connect(db, db->options.on_connect_arg, err);
}

static enum mr_err
set_up_session(struct mr_db *db, struct mr_error *err)
{
	char sql[400];

	/*
	 * The prepared statements are few and their plans trivial: plan each once, with an
	 * index where there is one, for their tables may be small now and large in a minute.
	 */
	(void)snprintf(sql, sizeof sql, "SET synchronous_commit = %s; "
	    "SET statement_timeout = %lld; SET plan_cache_mode = force_generic_plan; "
	    "SET jit = off; SET timezone = 'UTC'; SET datestyle = 'ISO'%s",
	    db->options.synchronous_commit ? "on" : "off",
	    (long long)db->options.query_timeout_ms,
	    db->options.n_statements > 0 ? "; SET enable_seqscan = off" : "");
	if (mr_db_script(db, sql, db->options.query_timeout_ms, err) != MR_DB_OK)
		return MR_EAGAIN;
	return MR_OK;
}

static enum mr_err
prepare_all(struct mr_db *db, struct mr_error *err)
{
	char name[NAME_BYTES];
	enum mr_db_class class;

	for (int i = 0; i < db->options.n_statements; i++) {
		(void)snprintf(name, sizeof name, "s%d", i);
		if (PQsendPrepare(db->conn, name, db->options.statements[i], 0, NULL) == 0)
			class = not_sent(db, err);
		else
			class = collect(db, deadline(db, db->options.query_timeout_ms), NULL, err);
		if (class != MR_DB_OK)
			return class == MR_DB_OPERATOR ? MR_EIO : MR_EAGAIN;
	}
	return MR_OK;
}

static enum mr_err
connect_fully(struct mr_db *db, struct mr_error *err)
{
	enum mr_err e;

	if ((e = open_connection(db, err)) == MR_OK && (e = check_server(db, err)) == MR_OK &&
	    (e = call_hook(db, err)) == MR_OK && (e = set_up_session(db, err)) == MR_OK)
		e = prepare_all(db, err);
	if (e != MR_OK) {
		mr_db_disconnect(db);
		return e;
	}
	mr_stat_add(MR_STAT_DB_CONNECTS, 1);
	db->connected_ms = db->used_ms = mr_clock_mono_ms();
	return MR_OK;
}

/*
 * Whether the server has hung up since we last looked. No round trip: only
 * what has already arrived is read, a farewell message and then the end.
 */
static bool
was_closed(const struct mr_db *db)
{
	struct pollfd pfd = { .fd = PQsocket(db->conn), .events = POLLIN };

	for (int i = 0; i < 8 && poll(&pfd, 1, 0) > 0; i++)
		if (PQconsumeInput(db->conn) == 0 || PQstatus(db->conn) != CONNECTION_OK ||
		    (pfd.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0)
			return true;
	return false;
}

static bool
still_good(struct mr_db *db)
{
	int64_t now = mr_clock_mono_ms();

	if ((db->options.recycle_s > 0 && now - db->connected_ms > db->options.recycle_s * 1000) ||
	    was_closed(db))
		return false;
	if (now - db->used_ms < db->options.idle_check_s * 1000)
		return true;
	return mr_db_script(db, "SELECT 1", db->options.query_timeout_ms, NULL) == MR_DB_OK;
}

enum mr_err
mr_db_ensure(struct mr_db *db, struct mr_error *err)
{
	if (db->conn != NULL && still_good(db))
		return MR_OK;
	mr_db_disconnect(db);
	return connect_fully(db, err);
}

const char *
mr_db_sqlstate(const struct mr_db *db)
{
	return db->sqlstate;
}

int
mr_db_n_rows(const struct mr_db_rows *rows)
{
	return PQntuples(result_of(rows));
}

long
mr_db_n_changed(const struct mr_db_rows *rows)
{
	return strtol(PQcmdTuples(result_of(rows)), NULL, 10);
}

struct mr_str
mr_db_value(const struct mr_db_rows *rows, int row, int column)
{
	if (PQgetisnull(result_of(rows), row, column))
		return MR_STR_NULL;
	return (struct mr_str){ PQgetvalue(result_of(rows), row, column),
		(size_t)PQgetlength(result_of(rows), row, column) };
}

void
mr_db_rows_free(struct mr_db_rows *rows)
{
	PQclear(result_of(rows));
}
