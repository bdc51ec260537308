/*
 * Statements on a connection: run with a deadline, their answers, and their errors
 * classified. See connection.h.
 */
#ifndef MR_DB_QUERY_H
#define MR_DB_QUERY_H

#include <stdint.h>

#include "base/error.h"
#include "base/str.h"
#include "db/class.h"
#include "db/connection.h"

struct mr_db_param {
	const void *data; /* in binary format; NULL: SQL NULL */
	int len;
};

/* Rows in text format. */
struct mr_db_rows;

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

/* --- for all that does not look at the class --- */

#define MR_DB_MAX_ARGS 32

/* Parameters of a statement as text, $1 first; begin with MR_DB_ARGS_INIT. */
struct mr_db_args {
	const char *values[MR_DB_MAX_ARGS]; /* NULL: SQL NULL */
	char numbers[MR_DB_MAX_ARGS][24];
	int n;
};

#define MR_DB_ARGS_INIT { .n = 0 }

/* text (NULL: SQL NULL) is not copied. */
void mr_db_arg_text(struct mr_db_args *args, const char *text);
void mr_db_arg_int(struct mr_db_args *args, int64_t number);
void mr_db_arg_bool(struct mr_db_args *args, bool value);

/*
 * One statement, with args (NULL: none) that are not to be moved meanwhile. MR_EINVAL: the
 * values are refused; MR_EAGAIN: it was not done, or that is not known.
 */
enum mr_err mr_db_tell(struct mr_db *db, const char *sql, const struct mr_db_args *args,
    struct mr_error *err);

/* The same for what is answered with rows, to be freed by the caller; NULL after an error. */
enum mr_err mr_db_ask(struct mr_db *db, const char *sql, const struct mr_db_args *args,
    struct mr_db_rows **rows, struct mr_error *err);

/* The only number that a query returns; SQL NULL is 0. */
enum mr_err mr_db_ask_int(struct mr_db *db, const char *sql, const struct mr_db_args *args,
    int64_t *number, struct mr_error *err);

/* Ends a transaction that may be open: with ROLLBACK or, if need be, by disconnecting. */
void mr_db_abort(struct mr_db *db, int64_t timeout_ms);

/* The SQLSTATE of the last statement that failed; "" when it had none. */
const char *mr_db_sqlstate(const struct mr_db *db);

int mr_db_n_rows(const struct mr_db_rows *rows);

/* Of an INSERT, UPDATE or DELETE: how many rows it was. */
long mr_db_n_changed(const struct mr_db_rows *rows);

/* A field as text; p == NULL: SQL NULL. Valid until the rows are freed. */
struct mr_str mr_db_value(const struct mr_db_rows *rows, int row, int column);

/* A field as a number; SQL NULL is 0. */
int64_t mr_db_int(const struct mr_db_rows *rows, int row, int column);

void mr_db_rows_free(struct mr_db_rows *rows);

#endif
