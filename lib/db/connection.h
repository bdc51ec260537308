/*
 * One connection to PostgreSQL, made and kept fresh. What is asked on it: query.h and
 * copy.h. Not thread-safe: a struct mr_db belongs to one thread at a time.
 */
#ifndef MR_DB_CONNECTION_H
#define MR_DB_CONNECTION_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "conf/conf.h"

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
	/* Not 0: what waits for the server gives up soon, and cancels its statement; NULL: none. */
	const volatile sig_atomic_t *stop;
};

/*
 * What [database] says, for commits that must last: synchronous_commit is on
 * whatever stands there, and there is no recycle_s and no statement.
 */
struct mr_db_options mr_db_options_of(const struct mr_conf *conf, const char *application);

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

#endif
