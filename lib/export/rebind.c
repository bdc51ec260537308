/* Another cluster: see rebind.h. */
#include "export/rebind.h"

#include <stdbool.h>

#include "db/locks.h"
#include "db/query.h"

#define TIMEOUT_MS INT64_C(86400000)
/* Ids below 3 are never given to a transaction. */
#define EXPORTED "1"
#define BEFORE_ALL "3:3:"

static const char begin_sql[] = "BEGIN; SET LOCAL statement_timeout = 0; "
    "LOCK TABLE export_chains, export_cursors, export_batches IN EXCLUSIVE MODE";

static const char lock_sql[] = "SELECT pg_try_advisory_xact_lock(" MR_LOCK_EXPORT ")::int, "
    "(SELECT count(*) FROM export_chains)";

/* A snapshot, maybe NULL, as xmax and xip; and whether an event's transaction is seen by it. */
#define SNAPSHOT(s, name) \
	"coalesce(pg_snapshot_xmax(" s "::pg_snapshot)::text::bigint, 0) AS " name "_xmax, " \
	"coalesce(ARRAY(SELECT x::text::bigint FROM pg_snapshot_xip(" s "::pg_snapshot) x), '{}') " \
	"AS " name "_xip"
#define SEEN(s) "(e.ingest_xid < " s "_xmax AND e.ingest_xid <> ALL (" s "_xip))"
#define OF_SITES(t) "CASE WHEN " t ".sites IS NOT NULL THEN e.site_id = ANY (" t ".sites) " \
	"ELSE e.site_id <> ALL (" t ".except_sites) END"
/* Whether a destination that the batch b is for has not got it. */
#define PENDING "EXISTS (SELECT FROM export_cursors u WHERE u.client = b.client AND " \
	"u.batch < b.id AND (b.destination IS NULL OR b.destination = u.destination))"

/*
 * How far each client has all at all its destinations: r; and what some of them have
 * yet to get of what lies before: late. Events that this cluster has stored by itself
 * have the id of their row; nothing of them was exported.
 */
static const char mark_sql[] =
    "WITH r AS MATERIALIZED (SELECT c.sites, c.except_sites, " SNAPSHOT("s.snapshot", "to") ", "
    "c.system_identifier <> (SELECT system_identifier FROM pg_control_system()) AS moved "
    "FROM export_chains c LEFT JOIN LATERAL (SELECT true AS found, b.snapshot_from "
    "FROM export_batches b WHERE b.client = c.client AND b.kind = 'cursor' AND " PENDING
    " ORDER BY b.id LIMIT 1) AS next ON true CROSS JOIN LATERAL (SELECT CASE WHEN next.found "
    "THEN next.snapshot_from ELSE c.snapshot END) AS s (snapshot)), "
    "late AS MATERIALIZED (SELECT b.sites, b.except_sites, " SNAPSHOT("b.snapshot_from", "from")
    ", " SNAPSHOT("b.snapshot_to", "to") " FROM export_batches b JOIN export_chains "
    "USING (client) WHERE b.kind = 'backfill' AND " PENDING "), "
    "m AS (UPDATE events e SET ingest_xid = CASE WHEN "
    "EXISTS (SELECT FROM r WHERE " OF_SITES("r") " AND NOT " SEEN("r.to") ") OR "
    "EXISTS (SELECT FROM late WHERE " OF_SITES("late") " AND " SEEN("late.to") " AND NOT "
    SEEN("late.from") ") THEN pg_current_xact_id()::text::bigint ELSE " EXPORTED " END "
    "WHERE NOT EXISTS (SELECT FROM r WHERE moved) OR "
    "e.xmin::text::bigint <> (e.ingest_xid & 4294967295) RETURNING e.ingest_xid) "
    "SELECT count(*) FILTER (WHERE ingest_xid = " EXPORTED "), "
    "count(*) FILTER (WHERE ingest_xid <> " EXPORTED ") FROM m";

static const char move_sql[] =
    "DELETE FROM export_batches b WHERE kind <> 'manual' AND id > (SELECT min(batch) FROM "
    "export_cursors c WHERE c.client = b.client); "
    "DELETE FROM events_counted; "
    "UPDATE export_cursors c SET batch = (SELECT coalesce(max(id), 0) FROM export_batches); "
    "UPDATE export_chains SET snapshot = '" BEFORE_ALL "', idle_until = NULL, "
    "system_identifier = (SELECT system_identifier FROM pg_control_system()); COMMIT";

static enum mr_err
check(struct mr_db *db, int64_t *clients, struct mr_error *err)
{
	struct mr_db_rows *rows;
	bool locked;
	enum mr_err e;

	if (mr_db_script(db, begin_sql, TIMEOUT_MS, err) != MR_DB_OK)
		return MR_EAGAIN;
	if ((e = mr_db_ask(db, lock_sql, NULL, &rows, err)) != MR_OK)
		return e;
	locked = mr_db_int(rows, 0, 0) != 0;
	*clients = mr_db_int(rows, 0, 1);
	mr_db_rows_free(rows);
	if (!locked)
		return mr_fail(err, MR_EAGAIN, "an export is at work on this database; try again when "
		    "it has ended");
	if (*clients == 0)
		return mr_fail(err, MR_EINVAL, "nothing was exported from this database yet: there is "
		    "nothing to rebind");
	return MR_OK;
}

enum mr_err
mr_rebind(struct mr_db *db, struct mr_rebound *r, struct mr_error *err)
{
	struct mr_db_rows *rows;
	enum mr_err e;

	*r = (struct mr_rebound){ .clients = 0 };
	if ((e = check(db, &r->clients, err)) != MR_OK ||
	    (e = mr_db_ask(db, mark_sql, NULL, &rows, err)) != MR_OK)
		return e;
	r->exported = mr_db_int(rows, 0, 0);
	r->waiting = mr_db_int(rows, 0, 1);
	mr_db_rows_free(rows);
	return mr_db_script(db, move_sql, TIMEOUT_MS, err) == MR_DB_OK ? MR_OK : MR_EAGAIN;
}
