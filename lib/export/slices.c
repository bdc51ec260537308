/* Counting the slices of a batch: see slices.h. */
#include "export/slices.h"

#include <inttypes.h>

#include "db/query.h"
#include "export/sql.h"

#define COUNT_TIMEOUT_MS INT64_C(86400000)

/*
 * The rows of the batch by site and hour, as an array for each column, and the oldest: a query
 * that several processes of PostgreSQL may answer, what INSERT … SELECT is not.
 * date_bin() costs much less than date_trunc().
 * Sites that are left out are left out of the slices: of the rows they would
 * be at a higher price, and with an estimate that none are left.
 */
static void
put_query(struct mr_buf *sql, const struct mr_snapshot *from, const struct mr_snapshot *to,
    const struct mr_planned_filter *filter)
{
	mr_buf_add_cstr(sql, "SELECT array_agg(site_id), array_agg(hour), array_agg(n), "
	    "array_agg(first_xid), array_agg(last_xid), array_agg(part), array_agg(low), "
	    "array_agg(high), min(oldest) FROM ("
	    "SELECT * FROM (SELECT site_id, date_bin('1 hour', created_at, 'epoch') AS hour, "
	    "count(*) AS n, min(ingest_xid)");
	if (from != NULL)
		mr_buf_printf(sql, " FILTER (WHERE ingest_xid >= %" PRIu64 ")", from->xmax);
	mr_buf_add_cstr(sql, " AS first_xid, max(ingest_xid) AS last_xid, min(tableoid) AS part, "
	    "min(ctid) AS low, max(ctid) AS high, min(created_at) AS oldest FROM events WHERE ");
	mr_planned_put_span(sql, from, to, filter);
	if (filter->sites == MR_SITES_LISTED) {
		mr_buf_add_cstr(sql, " AND ");
		mr_planned_put_sites(sql, filter);
	}
	mr_buf_add_cstr(sql, " GROUP BY 1, 2 OFFSET 0) g");
	if (filter->sites == MR_SITES_EXCEPT) {
		mr_buf_add_cstr(sql, " WHERE ");
		mr_planned_put_sites(sql, filter);
	}
	mr_buf_add_cstr(sql, " ORDER BY hour, site_id COLLATE \"C\") g");
	mr_buf_add_char(sql, '\0');
}

static enum mr_err
replace(struct mr_db *db, int64_t id, const struct mr_db_rows *arrays, struct mr_error *err)
{
	static const char insert[] =
	    "INSERT INTO export_slices (batch, number, site_id, hour, rows, first_xid, last_xid, "
	    "partition, first_row, last_row) SELECT $1::bigint, number - 1, site_id, hour, n, "
	    "first_xid, last_xid, part, low, high FROM unnest($2::text[], $3::timestamptz[], "
	    "$4::bigint[], $5::bigint[], $6::bigint[], $7::oid[], $8::tid[], $9::tid[]) "
	    "WITH ORDINALITY AS g (site_id, hour, n, first_xid, last_xid, part, low, high, number)";
	struct mr_db_args batch = MR_DB_ARGS_INIT, args = MR_DB_ARGS_INIT;
	enum mr_err e;

	mr_db_arg_int(&batch, id);
	mr_db_arg_text(&batch, mr_db_value(arrays, 0, 8).p);
	mr_db_arg_int(&args, id);
	for (int i = 0; i < 8; i++)
		mr_db_arg_text(&args, mr_db_value(arrays, 0, i).p);
	e = mr_db_tell(db, "WITH d AS (DELETE FROM export_slices WHERE batch = $1::bigint) UPDATE "
	    "export_batches SET oldest_at = $2::timestamptz WHERE id = $1::bigint", &batch, err);
	return e == MR_OK ? mr_db_tell(db, insert, &args, err) : e;
}

enum mr_err
mr_slices_count(struct mr_db *db, const struct mr_snapshot *from, const struct mr_snapshot *to,
    const struct mr_planned_filter *filter, struct mr_error *err)
{
	struct mr_db_rows *arrays = NULL;
	struct mr_buf sql;
	enum mr_err e;

	mr_buf_init(&sql, MR_SQL_MAX);
	put_query(&sql, from, to, filter);
	e = sql.failed ? mr_fail(err, MR_ENOMEM, "no memory to count a batch") :
	    mr_db_ask(db, sql.p, NULL, &arrays, err);
	if (e == MR_OK)
		e = replace(db, filter->batch, arrays, err);
	mr_db_rows_free(arrays);
	mr_buf_free(&sql);
	return e;
}

enum mr_err
mr_slices_sum(struct mr_db *db, int64_t batch, uint64_t low, struct mr_slice_sums *sums,
    struct mr_error *err)
{
	/*
	 * The next hour begins with the first transaction of it or of a later one, unless one of
	 * an earlier hour comes behind that: such a late one would be a batch by itself, and so
	 * would be each of those in front of it.
	 */
	static const char sql[] =
	    "WITH g AS (SELECT hour, sum(rows) AS rows, count(*) AS n, min(first_xid) AS first_xid, "
	    "max(last_xid) AS last_xid FROM export_slices WHERE batch = $1::bigint GROUP BY hour), "
	    "edge AS (SELECT min(first_xid) OVER (ORDER BY hour DESC) AS xid, max(last_xid) OVER "
	    "(ORDER BY hour ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before FROM g) "
	    "SELECT coalesce(sum(rows), 0)::bigint, coalesce(sum(n), 0)::bigint, min(first_xid), "
	    "(SELECT min(xid) FROM edge WHERE xid > before AND xid > $2::bigint) FROM g";
	struct mr_db_args args = MR_DB_ARGS_INIT;
	struct mr_db_rows *rows;
	enum mr_err e;

	mr_db_arg_int(&args, batch);
	/* Ids fit into a bigint: see snapshot.c. */
	mr_db_arg_int(&args, (int64_t)low);
	if ((e = mr_db_ask(db, sql, &args, &rows, err)) != MR_OK)
		return e;
	*sums = (struct mr_slice_sums){ mr_db_int(rows, 0, 0), mr_db_int(rows, 0, 1),
		(uint64_t)mr_db_int(rows, 0, 2), (uint64_t)mr_db_int(rows, 0, 3) };
	mr_db_rows_free(rows);
	return MR_OK;
}

enum mr_err
mr_slices_recount(struct mr_db *db, const struct mr_planned_batch *batch, int64_t *rows,
    struct mr_error *err)
{
	struct mr_slice_sums sums;
	struct mr_buf sql;
	enum mr_err e;

	mr_buf_init(&sql, MR_SQL_MAX);
	/* Materialized: however few slices the planner believes in, the rows are read once. */
	mr_buf_printf(&sql, "UPDATE export_slices SET rows = 0, partition = NULL WHERE batch = %" PRId64
	    "; WITH c AS MATERIALIZED (SELECT site_id, date_trunc('hour', created_at) AS hour, "
	    "count(*) AS n FROM events WHERE ", batch->id);
	mr_planned_put_where(&sql, batch->from.xip != NULL ? &batch->from : NULL, &batch->to,
	    &batch->filter);
	mr_buf_printf(&sql, " GROUP BY 1, 2) UPDATE export_slices g SET rows = c.n FROM c WHERE "
	    "g.batch = %" PRId64 " AND c.site_id = g.site_id AND c.hour = g.hour", batch->id);
	mr_buf_add_char(&sql, '\0');
	e = sql.failed ? mr_fail(err, MR_ENOMEM, "no memory to count a batch") :
	    mr_db_script(db, sql.p, COUNT_TIMEOUT_MS, err) == MR_DB_OK ? MR_OK : MR_EAGAIN;
	mr_buf_free(&sql);
	if (e == MR_OK && (e = mr_slices_sum(db, batch->id, 0, &sums, err)) == MR_OK)
		*rows = sums.rows;
	return e;
}
