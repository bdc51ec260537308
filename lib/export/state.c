/* How far the export is: see state.h. */
#include "export/state.h"

#include <stdlib.h>

#include "base/buf.h"
#include "db/locks.h"
#include "export/planned.h"
#include "export/sql.h"

/*
 * The destinations $4 of client $1, also those without a cursor yet; $2, $3: its
 * sites, or those that it does not take. What is not planned yet is counted
 * from the chain's last snapshot. A destination that nothing has reached yet waits
 * since the first event, which is the first row there is, or nearly.
 */
static const char destinations_sql[] =
    "SELECT d.name, c.url, " MR_SQL_TEXT_MS("c.succeeded_at") ", "
    MR_SQL_TEXT_MS("c.failed_at") ", c.error, c.events, "
    "c.bytes, c.objects, w.pending, "
    "CASE WHEN w.pending > 0 THEN greatest(0, extract(epoch FROM now() - coalesce(c.reached_at, "
    "(SELECT created_at FROM events LIMIT 1), now())))::bigint ELSE 0 END, "
    "coalesce(extract(epoch FROM c.succeeded_at), 0)::bigint "
    "FROM unnest($4::text[]) d (name) LEFT JOIN export_cursors c ON c.client = $1 AND "
    "c.destination = d.name LEFT JOIN LATERAL (SELECT sum(b.rows)::bigint AS rows "
    "FROM export_batches b WHERE b.client = c.client AND b.id > c.batch AND b.kind <> 'manual' "
    "AND (b.destination IS NULL OR b.destination = c.destination)) p ON true, "
    "(SELECT count(*) AS rows FROM (SELECT FROM events WHERE (ingest_xid >= coalesce((SELECT "
    "pg_snapshot_xmax(snapshot::pg_snapshot)::text::bigint FROM export_chains WHERE client = $1), "
    "0) OR ingest_xid = ANY (ARRAY(SELECT pg_snapshot_xip(snapshot::pg_snapshot)::text::bigint "
    "FROM export_chains WHERE client = $1))) AND ($2::text[] IS NULL OR site_id = ANY "
    "($2::text[])) AND site_id <> ALL ($3::text[]) LIMIT $5::bigint) e) u, "
    "LATERAL (SELECT coalesce(p.rows, 0) + u.rows AS pending) w "
    "ORDER BY d.name DESC";

enum mr_err
mr_state_destinations(struct mr_db *db, const struct mr_conf *conf,
    const struct mr_conf_client *client, int64_t count_most, struct mr_db_rows **rows,
    struct mr_error *err)
{
	struct mr_conf_list others = { NULL, 0 };
	struct mr_db_args args = MR_DB_ARGS_INIT;
	struct mr_buf sites, except;
	bool complete;
	enum mr_err e;

	*rows = NULL;
	mr_buf_init(&sites, MR_SQL_MAX);
	mr_buf_init(&except, MR_SQL_MAX);
	complete = mr_conf_client_others(conf, client, &others);
	mr_planned_put_array(&sites, &client->sites);
	mr_buf_add_char(&sites, '\0');
	mr_planned_put_array(&except, &others);
	mr_buf_add_char(&except, '\0');
	mr_db_arg_text(&args, client->name);
	mr_db_arg_text(&args, mr_conf_client_takes_all(client) ? NULL : sites.p);
	mr_db_arg_text(&args, except.p);
	mr_db_arg_text(&args, client->has_backup ? "{bucket,backup}" : "{bucket}");
	mr_db_arg_int(&args, count_most);
	e = !complete || sites.failed || except.failed ? mr_fail(err, MR_ENOMEM, "no memory") :
	    mr_db_ask(db, destinations_sql, &args, rows, err);
	mr_buf_free(&sites);
	mr_buf_free(&except);
	free(others.items);
	return e;
}

enum mr_err
mr_state_is_at_work(struct mr_db *db, bool *at_work, struct mr_error *err)
{
	struct mr_db_rows *rows;
	enum mr_err e = mr_db_ask(db, "SELECT EXISTS (SELECT FROM pg_locks WHERE "
	    "locktype = 'advisory' AND objsubid = 1 AND granted AND database = (SELECT oid FROM "
	    "pg_database WHERE datname = current_database()) AND "
	    "(classid::bigint << 32 | objid::bigint) = " MR_LOCK_EXPORT ")::int", NULL, &rows, err);

	if (e != MR_OK)
		return e;
	*at_work = mr_db_int(rows, 0, 0) != 0;
	mr_db_rows_free(rows);
	return MR_OK;
}
