/*
 * One connection to PostgreSQL, made and kept fresh: see connection.h. Everything goes
 * through libpq's asynchronous calls, so that no wait is without a deadline.
 */
#include "db/connection.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "counters/stats.h"
#include "db/pq.h"
#include "db/query.h"

#define MIN_SERVER_VERSION 140000 /* it has the Bloom filters of schema/001-events.sql */

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
	mr_pq_close(db);
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

void
mr_db_free(struct mr_db *db)
{
	if (db != NULL)
		mr_db_disconnect(db);
	free(db);
}

/* Notices of the server go to the log, not to stderr. */
static void
take_notice(void *arg, const PGresult *result)
{
	char text[400];

	(void)arg;
	mr_log_debug("database: %s", mr_pq_message(PQresultErrorMessage(result), text, sizeof text));
}

static bool
await_connection(const struct mr_db *db, int64_t deadline_ms)
{
	PostgresPollingStatusType status = PGRES_POLLING_WRITING;

	while (status != PGRES_POLLING_OK && status != PGRES_POLLING_FAILED) {
		if (!mr_pq_wait(db, status == PGRES_POLLING_READING ? POLLIN : POLLOUT,
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
	    !await_connection(db, mr_pq_deadline(db, db->options.connect_timeout_ms)))
		return mr_fail(err, MR_EAGAIN, "database: no connection in time");
	if (PQstatus(db->conn) != CONNECTION_OK)
		return mr_fail(err, MR_EAGAIN, "database: %s",
		    mr_pq_message(PQerrorMessage(db->conn), text, sizeof text));
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

/*
 * Where the server was built with it: payloads of some KB are compressed in a third of the
 * time that PostgreSQL's own method takes.
 */
#define USE_LZ4 "; SELECT set_config(name, 'lz4', false) FROM pg_settings " \
	"WHERE name = 'default_toast_compression' AND 'lz4' = ANY (enumvals)"

static enum mr_err
set_up_session(struct mr_db *db, struct mr_error *err)
{
	char sql[600];

	/*
	 * The prepared statements are few and their plans trivial: plan each once, with an
	 * index where there is one, for their tables may be small now and large in a minute.
	 */
	(void)snprintf(sql, sizeof sql, "SET synchronous_commit = %s; "
	    "SET statement_timeout = %lld; SET plan_cache_mode = force_generic_plan; "
	    "SET jit = off; SET timezone = 'UTC'; SET datestyle = 'ISO'%s",
	    db->options.synchronous_commit ? "on" : "off",
	    (long long)db->options.query_timeout_ms,
	    db->options.n_statements > 0 ? "; SET enable_seqscan = off" USE_LZ4 : "");
	if (mr_db_script(db, sql, db->options.query_timeout_ms, err) != MR_DB_OK)
		return MR_EAGAIN;
	return MR_OK;
}

static enum mr_err
prepare_all(struct mr_db *db, struct mr_error *err)
{
	char name[MR_PQ_NAME_BYTES];
	enum mr_db_class class;

	for (int i = 0; i < db->options.n_statements; i++) {
		if (PQsendPrepare(db->conn, mr_pq_name(i, name), db->options.statements[i], 0, NULL) == 0)
			class = mr_pq_not_sent(db, err);
		else
			class = mr_pq_collect(db, mr_pq_deadline(db, db->options.query_timeout_ms), NULL, err);
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
