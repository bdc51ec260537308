/* Counting the slices of a batch: see slices.h. */
#include "export/slices.h"

#include <inttypes.h>

#include "db/query.h"
#include "export/sql.h"

#define COUNT_TIMEOUT_MS INT64_C(86400000)

/*
 * The rows of the batch by site and hour, as an array for each column: a query
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
	    "array_agg(first_xid), array_agg(part), array_agg(low), array_agg(high) FROM ("
	    "SELECT * FROM (SELECT site_id, date_bin('1 hour', created_at, 'epoch') AS hour, "
	    "count(*) AS n, min(ingest_xid)");
	if (from != NULL)
		mr_buf_printf(sql, " FILTER (WHERE ingest_xid >= %" PRIu64 ")", from->xmax);
	mr_buf_add_cstr(sql, " AS first_xid, min(tableoid) AS part, min(ctid) AS low, "
	    "max(ctid) AS high FROM events WHERE ");
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
	    "INSERT INTO export_slices (batch, number, site_id, hour, rows, first_xid, partition, "
	    "first_row, last_row) SELECT $1::bigint, number - 1, site_id, hour, n, first_xid, part, "
	    "low, high FROM unnest($2::text[], $3::timestamptz[], $4::bigint[], $5::bigint[], "
	    "$6::oid[], $7::tid[], $8::tid[]) WITH ORDINALITY AS g (site_id, hour, n, first_xid, "
	    "part, low, high, number)";
	struct mr_db_args batch = MR_DB_ARGS_INIT, args = MR_DB_ARGS_INIT;
	enum mr_err e;

	mr_db_arg_int(&batch, id);
	mr_db_arg_int(&args, id);
	for (int i = 0; i < 7; i++)
		mr_db_arg_text(&args, mr_db_value(arrays, 0, i).p);
	e = mr_db_tell(db, "DELETE FROM export_slices WHERE batch = $1::bigint", &batch, err);
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
mr_slices_begin(struct mr_db *db, uint64_t *xid, struct mr_error *err)
{
	/* By place: a scan without a condition may begin anywhere, where others are at the time. */
	int64_t number = 0;
	enum mr_err e = mr_db_ask_int(db, "SELECT min(ingest_xid) FROM events WHERE ctid < '(32,0)'",
	    NULL, &number, err);

	*xid = (uint64_t)number;
	return e;
}

enum mr_err
mr_slices_probe(struct mr_db *db, const struct mr_snapshot *from, const struct mr_snapshot *to,
    const struct mr_planned_filter *filter, int64_t *rows, struct mr_error *err)
{
	struct mr_buf sql;
	enum mr_err e;

	mr_buf_init(&sql, MR_SQL_MAX);
	mr_buf_add_cstr(&sql, "SELECT count(*) FROM events WHERE ");
	mr_planned_put_where(&sql, from, to, filter);
	mr_buf_add_char(&sql, '\0');
	e = sql.failed ? mr_fail(err, MR_ENOMEM, "no memory to count rows") :
	    mr_db_ask_int(db, sql.p, NULL, rows, err);
	mr_buf_free(&sql);
	return e;
}

enum mr_err
mr_slices_sum(struct mr_db *db, int64_t batch, uint64_t low, struct mr_slice_sums *sums,
    struct mr_error *err)
{
	/* The next hour begins where rows of an hour behind the first one do. */
	static const char sql[] =
	    "WITH g AS (SELECT hour, rows, first_xid FROM export_slices WHERE batch = $1::bigint) "
	    "SELECT coalesce(sum(rows), 0)::bigint, count(*), min(first_xid), (SELECT min(first_xid) "
	    "FROM g WHERE first_xid > $2::bigint AND hour > (SELECT min(hour) FROM g)) FROM g";
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
	mr_buf_printf(&sql, "UPDATE export_slices SET rows = 0, partition = NULL WHERE batch = %" PRId64
	    "; UPDATE export_slices g SET rows = c.n FROM (SELECT site_id, "
	    "date_trunc('hour', created_at) AS hour, count(*) AS n FROM events WHERE ", batch->id);
	mr_planned_put_where(&sql, batch->from.xip != NULL ? &batch->from : NULL, &batch->to,
	    &batch->filter);
	mr_buf_printf(&sql, " GROUP BY 1, 2) c WHERE g.batch = %" PRId64 " AND "
	    "c.site_id = g.site_id AND c.hour = g.hour", batch->id);
	mr_buf_add_char(&sql, '\0');
	e = sql.failed ? mr_fail(err, MR_ENOMEM, "no memory to count a batch") :
	    mr_db_script(db, sql.p, COUNT_TIMEOUT_MS, err) == MR_DB_OK ? MR_OK : MR_EAGAIN;
	mr_buf_free(&sql);
	if (e == MR_OK && (e = mr_slices_sum(db, batch->id, 0, &sums, err)) == MR_OK)
		*rows = sums.rows;
	return e;
}
