/*
 * One connection to PostgreSQL: made, kept fresh, asked with a deadline, and
 * its errors classified. The only user of libpq. Not thread-safe: a struct
 * mr_db belongs to one thread at a time.
 */
#ifndef MR_DB_CONNECTION_H
#define MR_DB_CONNECTION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"
#include "conf/conf.h"

/* What became of a statement, and so what its caller may do. */
enum mr_db_class {
	MR_DB_OK,
	MR_DB_DATA,        /* the values are refused; other rows would be stored */
	MR_DB_DUPLICATE,   /* a unique key exists already */
	MR_DB_TRANSIENT,   /* not done; the same again may work at once */
	MR_DB_UNAVAILABLE, /* not done; the server cannot work now */
	MR_DB_UNKNOWN,     /* sent, and the connection was lost before the answer */
	MR_DB_OPERATOR     /* not done; somebody has to mend the set-up */
};

/*
 * What a SQLSTATE (NULL: the server said none) means; constraint: the name of
 * the one that was violated, or NULL. Pure.
 */
enum mr_db_class mr_db_class_of(const char *sqlstate, const char *constraint);

struct mr_db;

struct mr_db_options {
	const char *url;         /* libpq connection string or URI */
	const char *application; /* application_name, unless the url has one */
	int64_t connect_timeout_ms;
	int64_t query_timeout_ms;
	int64_t recycle_s;    /* replaced at this age; 0: never */
	int64_t idle_check_s; /* tried before use when it was idle for so long */
	bool synchronous_commit;
	const char *const *statements; /* prepared on every connection; $1 … binary */
	int n_statements;
	/* Called on every new connection, before the session's settings; not 0: give up. */
	enum mr_err (*on_connect)(struct mr_db *db, void *arg, struct mr_error *err);
	void *on_connect_arg;
};

/*
 * What [database] says, for commits that must last: synchronous_commit is on
 * whatever stands there, and there is no recycle_s and no statement.
 */
struct mr_db_options mr_db_options_of(const struct mr_conf *conf, const char *application);

struct mr_db_param {
	const void *data; /* in binary format; NULL: SQL NULL */
	int len;
};

/* Rows in text format. */
struct mr_db_rows;

/*
 * Whether libpq understands the url. The error never quotes it, since it may
 * hold a password.
 */
enum mr_err mr_db_check_url(const char *url, struct mr_error *err);

/* Copies the options (not the strings). Connects at the first use. NULL: no memory. */
struct mr_db *mr_db_new(const struct mr_db_options *options);
void mr_db_free(struct mr_db *db);

/*
 * From now on nothing waits beyond this time of mr_clock_mono_ms(), whatever the
 * time-outs are; 0: they alone count.
 */
void mr_db_set_deadline(struct mr_db *db, int64_t mono_ms);

/* Closes the connection, if there is one. */
void mr_db_disconnect(struct mr_db *db);

/* Whether there is a connection that was not found lost; nothing is tried. */
bool mr_db_is_connected(const struct mr_db *db);

/*
 * Makes sure of a live connection with everything prepared: connects when
 * there is none, replaces an old one, tries an idle one. MR_EAGAIN when the
 * server cannot be reached within connect_timeout_ms; MR_EIO when it refuses
 * what we need (encoding, permissions, a statement).
 */
enum mr_err mr_db_ensure(struct mr_db *db, struct mr_error *err);

/*
 * Runs prepared statement number `statement`. *rows (NULL: not wanted) is to
 * be freed by the caller, also when it is an error: NULL then. A connection
 * that failed or ran into query_timeout_ms is closed.
 */
enum mr_db_class mr_db_execute(struct mr_db *db, int statement,
    const struct mr_db_param *params, int n_params, struct mr_db_rows **rows,
    struct mr_error *err);

/* One statement with text parameters (NULL pointer: SQL NULL), not prepared. */
enum mr_db_class mr_db_query(struct mr_db *db, const char *sql, const char *const *params,
    int n_params, struct mr_db_rows **rows, struct mr_error *err);

/* Several statements, no parameters, with a time limit of their own. */
enum mr_db_class mr_db_script(struct mr_db *db, const char *sql, int64_t timeout_ms,
    struct mr_error *err);

/* Ends a transaction that may be open: with ROLLBACK or, if need be, by disconnecting. */
void mr_db_abort(struct mr_db *db, int64_t timeout_ms);

/* --- COPY (SELECT …) TO STDOUT --- */

/* Begins one. After an error the connection is closed. */
enum mr_db_class mr_db_copy_start(struct mr_db *db, const char *sql, struct mr_error *err);

/*
 * The next message, which is valid until the next call: in the binary format
 * one tuple, the file's header in front of the first one. data->p == NULL: it
 * was complete. Waits for at most query_timeout_ms.
 */
enum mr_db_class mr_db_copy_next(struct mr_db *db, struct mr_str *data, struct mr_error *err);

/* Gives up one that is not complete: closes the connection. */
void mr_db_copy_stop(struct mr_db *db);

/* The SQLSTATE of the last statement that failed; "" when it had none. */
const char *mr_db_sqlstate(const struct mr_db *db);

int mr_db_n_rows(const struct mr_db_rows *rows);

/* Of an INSERT, UPDATE or DELETE: how many rows it was. */
long mr_db_n_changed(const struct mr_db_rows *rows);

/* A field as text; p == NULL: SQL NULL. Valid until the rows are freed. */
struct mr_str mr_db_value(const struct mr_db_rows *rows, int row, int column);

void mr_db_rows_free(struct mr_db_rows *rows);

#endif
