/*
 * millrace-admin rebind: the export goes on in another cluster, to which the
 * tables were moved. There the ids of transactions begin anew, so those that
 * events have are replaced: by one that every snapshot sees where all has been
 * exported, else by that of this transaction, which the next export finds.
 */
#include "admin.h"

#include <stdio.h>
#include <stdlib.h>

#include "io/batch.h"

#define LOCK "7241862083345902165" /* as in export_run.c */
#define TIMEOUT_MS INT64_C(86400000)
/* Ids below 3 are never given to a transaction. */
#define EXPORTED "1"
#define BEFORE_ALL "3:3:"

static const char begin_sql[] = "BEGIN; SET LOCAL statement_timeout = 0; "
    "LOCK TABLE export_chains, export_cursors, export_batches IN EXCLUSIVE MODE";

static const char lock_sql[] = "SELECT pg_try_advisory_xact_lock(" LOCK ")::int, "
    "(SELECT count(*) FROM export_chains)";

/*
 * What each client has at all its destinations: r. Events that this cluster has
 * stored by itself have the id of their row; nothing of them was exported.
 */
static const char mark_sql[] =
    "WITH r AS MATERIALIZED (SELECT c.client, c.sites, c.except_sites AS ex, "
    "coalesce(pg_snapshot_xmax(b.snapshot_to::pg_snapshot)::text::bigint, 0) AS xmax, "
    "coalesce(ARRAY(SELECT x::text::bigint FROM pg_snapshot_xip(b.snapshot_to::pg_snapshot) x), "
    "'{}') AS xip, c.system_identifier <> (SELECT system_identifier FROM pg_control_system()) "
    "AS moved FROM export_chains c LEFT JOIN export_batches b ON b.id = (SELECT min(batch) FROM "
    "export_cursors u WHERE u.client = c.client)), "
    "m AS (UPDATE events e SET ingest_xid = CASE WHEN EXISTS (SELECT FROM r WHERE CASE WHEN "
    "r.sites IS NOT NULL THEN e.site_id = ANY (r.sites) ELSE e.site_id <> ALL (r.ex) END AND NOT "
    "(e.ingest_xid < r.xmax AND e.ingest_xid <> ALL (r.xip))) "
    "THEN pg_current_xact_id()::text::bigint ELSE " EXPORTED " END "
    "WHERE NOT EXISTS (SELECT FROM r WHERE moved) OR "
    "e.xmin::text::bigint <> (e.ingest_xid & 4294967295) RETURNING e.ingest_xid) "
    "SELECT count(*) FILTER (WHERE ingest_xid = " EXPORTED "), "
    "count(*) FILTER (WHERE ingest_xid <> " EXPORTED ") FROM m";

static const char move_sql[] =
    "DELETE FROM export_batches b WHERE kind <> 'manual' AND id > (SELECT min(batch) FROM "
    "export_cursors c WHERE c.client = b.client); "
    "UPDATE export_cursors c SET batch = (SELECT coalesce(max(id), 0) FROM export_batches); "
    "UPDATE export_chains SET snapshot = '" BEFORE_ALL "', "
    "system_identifier = (SELECT system_identifier FROM pg_control_system()); COMMIT";

static enum mr_err
check(struct mr_db *db, int64_t *clients, struct mr_error *err)
{
	struct mr_db_rows *rows;
	bool locked;

	if (mr_db_script(db, begin_sql, TIMEOUT_MS, err) != MR_DB_OK ||
	    mr_db_query(db, lock_sql, NULL, 0, &rows, err) != MR_DB_OK)
		return MR_EAGAIN;
	locked = mr_batch_int(rows, 0, 0) != 0;
	*clients = mr_batch_int(rows, 0, 1);
	mr_db_rows_free(rows);
	if (!locked)
		return mr_fail(err, MR_EAGAIN, "an export is at work on this database; try again when "
		    "it has ended");
	if (*clients == 0)
		return mr_fail(err, MR_EINVAL, "nothing was exported from this database yet: there is "
		    "nothing to rebind");
	return MR_OK;
}

static enum mr_err
rebind(struct mr_db *db, struct mr_error *err)
{
	struct mr_db_rows *rows;
	int64_t clients;
	enum mr_err e;

	if ((e = mr_db_ensure(db, err)) != MR_OK || (e = check(db, &clients, err)) != MR_OK)
		return e;
	if (mr_db_query(db, mark_sql, NULL, 0, &rows, err) != MR_DB_OK)
		return MR_EAGAIN;
	if (mr_db_script(db, move_sql, TIMEOUT_MS, err) == MR_DB_OK)
		printf("the export of %lld clients goes on in this cluster: %lld events count as "
		    "exported, %lld are exported next\n", (long long)clients,
		    (long long)mr_batch_int(rows, 0, 0), (long long)mr_batch_int(rows, 0, 1));
	else
		e = MR_EAGAIN;
	mr_db_rows_free(rows);
	return e;
}

int
admin_rebind(const struct admin *admin, int argc, char **argv)
{
	struct mr_error err = MR_ERROR_INIT;
	struct mr_db_options options;
	struct mr_conf conf;
	struct mr_db *db;
	bool none;
	enum mr_err e = MR_ENOMEM;

	if (!admin_arguments(argc, argv, "", &none, NULL, NULL))
		return ADMIN_MISUSED;
	if (mr_conf_load(&conf, admin->config, &err) != MR_OK)
		return admin_fail(&err);
	options = mr_db_options_of(&conf, "millrace rebind");
	options.query_timeout_ms = TIMEOUT_MS;
	if ((db = mr_db_new(&options)) == NULL)
		(void)mr_fail(&err, e, "no memory");
	else
		e = rebind(db, &err);
	/* Closing the connection undoes what was not committed. */
	mr_db_free(db);
	mr_conf_free(&conf);
	return e == MR_OK ? ADMIN_OK : admin_fail(&err);
}
