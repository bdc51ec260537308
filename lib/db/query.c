/* Statements and their answers: see query.h. */
#include "db/query.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "db/pq.h"

#define MAX_PARAMS 32

/* struct mr_db_rows is libpq's result; nothing is added to it. */
static PGresult *
result_of(const struct mr_db_rows *rows)
{
	return (PGresult *)(uintptr_t)rows;
}

enum mr_db_class
mr_db_script(struct mr_db *db, const char *sql, int64_t timeout_ms, struct mr_error *err)
{
	if (PQsendQuery(db->conn, sql) == 0)
		return mr_pq_not_sent(db, err);
	return mr_pq_collect(db, mr_pq_deadline(db, timeout_ms), NULL, err);
}

void
mr_db_abort(struct mr_db *db, int64_t timeout_ms)
{
	if (db->conn != NULL && PQtransactionStatus(db->conn) != PQTRANS_IDLE &&
	    mr_db_script(db, "ROLLBACK", timeout_ms, NULL) != MR_DB_OK)
		mr_pq_close(db);
}

enum mr_db_class
mr_db_query(struct mr_db *db, const char *sql, const char *const *params, int n_params,
    struct mr_db_rows **rows, struct mr_error *err)
{
	if (rows != NULL)
		*rows = NULL;
	if (PQsendQueryParams(db->conn, sql, n_params, NULL, params, NULL, NULL, 0) == 0)
		return mr_pq_not_sent(db, err);
	return mr_pq_collect(db, mr_pq_deadline(db, db->options.query_timeout_ms), rows, err);
}

enum mr_db_class
mr_db_execute(struct mr_db *db, int statement, const struct mr_db_param *params, int n_params,
    struct mr_db_rows **rows, struct mr_error *err)
{
	const char *values[MAX_PARAMS];
	int lengths[MAX_PARAMS], formats[MAX_PARAMS];
	char name[MR_PQ_NAME_BYTES];

	if (rows != NULL)
		*rows = NULL;
	if (n_params > MAX_PARAMS) {
		(void)mr_fail(err, MR_ELIMIT, "database: a statement with %d parameters, of which "
		    "there may be %d", n_params, MAX_PARAMS);
		return MR_DB_OPERATOR;
	}
	for (int i = 0; i < n_params; i++) {
		values[i] = params[i].data;
		lengths[i] = params[i].len;
		formats[i] = 1;
	}
	if (PQsendQueryPrepared(db->conn, mr_pq_name(statement, name), n_params, values, lengths, formats, 0) == 0)
		return mr_pq_not_sent(db, err);
	return mr_pq_collect(db, mr_pq_deadline(db, db->options.query_timeout_ms), rows, err);
}

/* --- a statement's parameters as text --- */

static const char **
next_arg(struct mr_db_args *args)
{
	/* More would be an error of the program's; PostgreSQL says which statement it was. */
	return args->n < MR_DB_MAX_ARGS ? &args->values[args->n] : NULL;
}

void
mr_db_arg_text(struct mr_db_args *args, const char *text)
{
	const char **value = next_arg(args);

	if (value != NULL)
		*value = text;
	args->n++;
}

void
mr_db_arg_int(struct mr_db_args *args, int64_t number)
{
	char *room = args->n < MR_DB_MAX_ARGS ? args->numbers[args->n] : NULL;

	if (room != NULL)
		(void)snprintf(room, sizeof args->numbers[0], "%" PRId64, number);
	mr_db_arg_text(args, room);
}

void
mr_db_arg_bool(struct mr_db_args *args, bool value)
{
	mr_db_arg_text(args, value ? "true" : "false");
}

enum mr_err
mr_db_ask(struct mr_db *db, const char *sql, const struct mr_db_args *args,
    struct mr_db_rows **rows, struct mr_error *err)
{
	enum mr_db_class class;

	if (rows != NULL)
		*rows = NULL;
	if (args != NULL && args->n > MR_DB_MAX_ARGS)
		return mr_fail(err, MR_ELIMIT, "database: a statement with %d parameters, of which "
		    "there may be %d", args->n, MR_DB_MAX_ARGS);
	class = mr_db_query(db, sql, args != NULL ? args->values : NULL,
	    args != NULL ? args->n : 0, rows, err);
	return class == MR_DB_OK ? MR_OK : class == MR_DB_DATA ? MR_EINVAL : MR_EAGAIN;
}

enum mr_err
mr_db_tell(struct mr_db *db, const char *sql, const struct mr_db_args *args, struct mr_error *err)
{
	return mr_db_ask(db, sql, args, NULL, err);
}

enum mr_err
mr_db_ask_int(struct mr_db *db, const char *sql, const struct mr_db_args *args, int64_t *number,
    struct mr_error *err)
{
	struct mr_db_rows *rows;
	enum mr_err e = mr_db_ask(db, sql, args, &rows, err);

	if (e != MR_OK)
		return e;
	*number = mr_db_n_rows(rows) > 0 ? mr_db_int(rows, 0, 0) : 0;
	mr_db_rows_free(rows);
	return MR_OK;
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

int64_t
mr_db_int(const struct mr_db_rows *rows, int row, int column)
{
	struct mr_str field = mr_db_value(rows, row, column);

	/* A field of libpq ends with a NUL. */
	return field.p != NULL ? strtoll(field.p, NULL, 10) : 0;
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
