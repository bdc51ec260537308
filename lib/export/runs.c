/* Runs and requests: see runs.h. */
#include "export/runs.h"

#include "export/sql.h"

/* $1 to $7 of the statements below. */
static void
put_wanted(struct mr_db_args *args, const struct mr_export_options *o, const char *asked_by)
{
	mr_db_arg_text(args, asked_by);
	mr_db_arg_text(args, o->client);
	mr_db_arg_text(args, o->format);
	mr_sql_arg_time(args, o->since_us);
	mr_sql_arg_time(args, o->until_us);
	mr_db_arg_bool(args, o->dry_run);
	mr_db_arg_bool(args, o->verify);
}

/* The run that a statement returned: its id and who asked. */
static enum mr_err
ask_run(struct mr_db *db, const char *sql, const struct mr_db_args *args, struct mr_run *run,
    struct mr_error *err)
{
	enum mr_err e;

	*run = (struct mr_run){ .id = NULL };
	if ((e = mr_db_ask(db, sql, args, &run->rows, err)) != MR_OK)
		return e;
	if (mr_db_n_rows(run->rows) > 0) {
		run->id = mr_db_value(run->rows, 0, 0).p;
		run->asked_by = mr_db_value(run->rows, 0, 1).p;
	} else {
		mr_run_free(run);
	}
	return MR_OK;
}

void
mr_run_free(struct mr_run *run)
{
	mr_db_rows_free(run->rows);
	*run = (struct mr_run){ .id = NULL };
}

enum mr_err
mr_runs_request(struct mr_db *db, const struct mr_export_options *wanted, const char *asked_by,
    struct mr_run *run, struct mr_error *err)
{
	struct mr_db_args args = MR_DB_ARGS_INIT;

	put_wanted(&args, wanted, asked_by);
	return ask_run(db, "INSERT INTO export_runs (origin, asked_by, client, format, since, until, "
	    "dry_run, verify, state) VALUES ('http', $1, $2, $3, " MR_SQL_TIME("$4") ", "
	    MR_SQL_TIME("$5") ", $6::boolean, $7::boolean, 'requested') RETURNING run_id, asked_by", &args, run, err);
}

enum mr_err
mr_runs_take(struct mr_db *db, struct mr_run *run, struct mr_export_options *o,
    struct mr_error *err)
{
	enum mr_err e = ask_run(db, "UPDATE export_runs SET state = 'running', started_at = now(), "
	    "error = NULL WHERE run_id = (SELECT run_id FROM export_runs WHERE state = 'requested' "
	    "ORDER BY requested_at LIMIT 1) RETURNING run_id, asked_by, client, format, "
	    MR_SQL_MICROSECONDS("since") ", " MR_SQL_MICROSECONDS("until") ", dry_run::int, verify::int", NULL, run,
	    err);

	if (e != MR_OK || run->id == NULL)
		return e;
	o->over_http = true;
	o->client = mr_db_value(run->rows, 0, 2).p;
	o->format = mr_db_value(run->rows, 0, 3).p;
	if (mr_db_value(run->rows, 0, 4).p != NULL)
		o->since_us = mr_db_int(run->rows, 0, 4);
	if (mr_db_value(run->rows, 0, 5).p != NULL)
		o->until_us = mr_db_int(run->rows, 0, 5);
	o->dry_run = mr_db_int(run->rows, 0, 6) != 0;
	o->verify = mr_db_int(run->rows, 0, 7) != 0;
	return MR_OK;
}

enum mr_err
mr_runs_begin(struct mr_db *db, const struct mr_export_options *options, const char *asked_by,
    struct mr_run *run, struct mr_error *err)
{
	struct mr_db_args args = MR_DB_ARGS_INIT;

	put_wanted(&args, options, asked_by);
	mr_db_arg_bool(&args, options->force);
	return ask_run(db, "INSERT INTO export_runs (origin, asked_by, client, format, since, until, "
	    "dry_run, verify, forced, state, started_at) VALUES ('command', $1, $2, $3, "
	    MR_SQL_TIME("$4") ", " MR_SQL_TIME("$5") ", $6::boolean, $7::boolean, $8::boolean, 'running', now()) RETURNING run_id, asked_by", &args,
	    run, err);
}

void
mr_runs_end(struct mr_db *db, const struct mr_run *run, const struct mr_export_options *options,
    bool stopped, const struct mr_error *failure, const struct mr_totals *totals)
{
	bool failed = failure->code != MR_OK;
	struct mr_db_args args = MR_DB_ARGS_INIT, id = MR_DB_ARGS_INIT;

	mr_db_arg_text(&args, run->id);
	mr_db_arg_text(&args, stopped ? "stopped" : failed ? "failed" : "done");
	mr_db_arg_int(&args, totals->batches);
	mr_db_arg_int(&args, totals->objects);
	mr_db_arg_int(&args, totals->rows);
	mr_db_arg_int(&args, totals->bytes);
	mr_db_arg_text(&args, failed ? failure->text : NULL);
	(void)mr_db_tell(db, "UPDATE export_runs SET state = $2, ended_at = now(), "
	    "batches = $3::bigint, objects = $4::bigint, events = $5::bigint, bytes = $6::bigint, "
	    "error = $7 WHERE run_id = $1::uuid", &args, NULL);
	if (!options->dry_run && (failed || stopped || totals->batches > 0))
		return;
	mr_db_arg_text(&id, run->id);
	(void)mr_db_tell(db, "DELETE FROM export_runs WHERE run_id = $1::uuid AND "
	    "origin = 'command'", &id, NULL);
}

enum mr_err
mr_runs_sweep(struct mr_db *db, struct mr_error *err)
{
	return mr_db_tell(db, "UPDATE export_runs SET error = 'interrupted', "
	    "state = CASE origin WHEN 'http' THEN 'requested' ELSE 'stopped' END, "
	    "ended_at = CASE origin WHEN 'http' THEN NULL ELSE now() END "
	    "WHERE state = 'running'", NULL, err);
}

enum mr_err
mr_runs_purge(struct mr_db *db, int64_t older_s, struct mr_error *err)
{
	struct mr_db_args args = MR_DB_ARGS_INIT;

	mr_db_arg_int(&args, older_s);
	return mr_db_tell(db, "DELETE FROM export_runs WHERE ended_at < now() - $1::bigint * "
	    "interval '1 second'", &args, err);
}

enum mr_err
mr_runs_list(struct mr_db *db, struct mr_db_rows **rows, struct mr_error *err)
{
	return mr_db_ask(db, "SELECT coalesce(json_agg(r), '[]') FROM (SELECT run_id, origin, "
	    "asked_by, client, format, " MR_SQL_TEXT_MS("since") " AS since, "
	    MR_SQL_TEXT_MS("until") " AS until, dry_run, verify, state AS status, "
	    MR_SQL_TEXT_MS("requested_at") " AS requested_at, "
	    MR_SQL_TEXT_MS("started_at") " AS started_at, "
	    MR_SQL_TEXT_MS("ended_at") " AS ended_at, batches, objects, events, bytes, error "
	    "FROM export_runs ORDER BY requested_at DESC LIMIT 10) r", NULL, rows, err);
}
