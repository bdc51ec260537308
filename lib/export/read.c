/*
 * The rows of some slices: see read.h. In physical order several connections may read: the
 * pages where the plan saw the rows are cut into ranges, which follow each other.
 */
#include "export/read.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/log.h"
#include "db/query.h"
#include "export/copyout.h"
#include "export/sql.h"

#define SET_TIMEOUT_MS 60000
/* More sites than that are not looked for in each row. */
#define MAX_SITES 50

/* --- commands --- */

static void
put_where(struct mr_buf *sql, const struct mr_planned_batch *b)
{
	mr_planned_put_where(sql, b->from.xip != NULL ? &b->from : NULL, &b->to, &b->filter);
}

static void
put_hours(struct mr_buf *sql, int64_t first_us, int64_t last_us)
{
	mr_buf_add_cstr(sql, "created_at >= ");
	mr_planned_put_time(sql, first_us);
	mr_buf_add_cstr(sql, " AND created_at < ");
	mr_planned_put_time(sql, last_us + MR_PLANNED_HOUR_US);
}

/* Of the batch's rows those of the slices' hours. */
static void
put_span(struct mr_buf *sql, const struct mr_read_request *q)
{
	int64_t low = INT64_MAX, high = INT64_MIN;

	for (size_t i = 0; i < q->n; i++) {
		low = q->slices[i]->hour_us < low ? q->slices[i]->hour_us : low;
		high = q->slices[i]->hour_us > high ? q->slices[i]->hour_us : high;
	}
	mr_buf_add_cstr(sql, " AND ");
	put_hours(sql, low, high);
}

/* Of those, the ones of the slices' sites. */
static void
put_sites(struct mr_buf *sql, const struct mr_read_request *q)
{
	mr_buf_printf(sql, " AND site_id = ANY ((SELECT array_agg(site_id) FROM export_slices "
	    "WHERE batch = %" PRId64 " AND number IN (", q->batch->id);
	for (size_t i = 0; i < q->n; i++)
		mr_buf_printf(sql, "%s%d", i > 0 ? "," : "", q->slices[i]->number);
	mr_buf_add_cstr(sql, "))::text[])");
}

/* Not those of the large slices, which would be sorted in vain. */
static void
put_without(struct mr_buf *sql, const struct mr_read_request *q)
{
	for (size_t i = 0; i < q->n_without; i++) {
		mr_buf_printf(sql, " AND NOT (site_id = (SELECT site_id FROM export_slices WHERE "
		    "batch = %" PRId64 " AND number = %d) AND ", q->batch->id, q->without[i]->number);
		put_hours(sql, q->without[i]->hour_us, q->without[i]->hour_us);
		mr_buf_add_char(sql, ')');
	}
}

/*
 * In the order in which the slices are numbered. Which of them a row belongs to is told by
 * who reads: a join might read all rows again for each slice.
 */
static void
put_sorted(struct mr_buf *sql, const struct mr_read_request *q)
{
	mr_buf_add_cstr(sql, "events WHERE ");
	put_where(sql, q->batch);
	put_span(sql, q);
	if (q->n <= MAX_SITES)
		put_sites(sql, q);
	put_without(sql, q);
	mr_buf_add_cstr(sql, " ORDER BY date_bin('1 hour', created_at, 'epoch'), "
	    "site_id COLLATE \"C\", id");
}

/* Called by the threads. */
static void
put_command(const void *arg, size_t number, struct mr_buf *sql)
{
	const struct mr_reading *r = arg;
	const struct mr_range *range = &r->ranges[number];

	mr_buf_add_cstr(sql, "COPY (SELECT " MR_COPYOUT_COLUMNS " FROM ");
	if (range->partition.p == NULL)
		mr_buf_add(sql, r->from.p, r->from.len);
	else
		mr_buf_printf(sql, "ONLY %s WHERE ctid >= '(%" PRIu64 ",0)' AND ctid < '(%" PRIu64
		    ",0)' AND %.*s", range->partition.p, range->first, range->end,
		    (int)(r->where_end - r->where), r->from.p + r->where);
	mr_buf_add_cstr(sql, ") TO STDOUT (FORMAT binary)");
	mr_buf_add_char(sql, '\0');
}

/* --- connections --- */

/* A new one when the last COPY was given up; its plans keep the physical order. */
static enum mr_err
ready(struct mr_db *db, struct mr_error *err)
{
	static const char settings[] = "SET statement_timeout = 0; SET synchronize_seqscans = off; "
	    "SET max_parallel_workers_per_gather = 0; SET enable_indexscan = off; "
	    "SET enable_indexonlyscan = off; SET enable_partitionwise_aggregate = off";
	enum mr_err e = mr_db_ensure(db, err);

	if (e != MR_OK)
		return e;
	return mr_db_script(db, settings, SET_TIMEOUT_MS, err) == MR_DB_OK ? MR_OK : MR_EAGAIN;
}

/* How many connections are ready; 0: *err says why. Where the server grants no second one, one does. */
static size_t
ready_readers(struct mr_db *const *readers, size_t most, struct mr_error *err)
{
	struct mr_error why = MR_ERROR_INIT;
	size_t n = ready(readers[0], err) == MR_OK;

	while (n > 0 && n < most && ready(readers[n], &why) == MR_OK)
		n++;
	if (n > 0 && n < most)
		mr_log_debug("reading over %zu connection(s): %s", n, why.text);
	return n;
}

enum mr_err
mr_read_start(struct mr_reading *r, const struct mr_read_request *q, struct mr_error *err)
{
	size_t n_readers;
	enum mr_err e;

	*r = (struct mr_reading){ .ahead = NULL };
	mr_buf_init(&r->from, MR_SQL_MAX);
	if (q->sorted) {
		put_sorted(&r->from, q);
	} else {
		mr_buf_add_cstr(&r->from, "events WHERE ");
		r->where = r->from.len;
		put_where(&r->from, q->batch);
		r->where_end = r->from.len;
		put_span(&r->from, q);
		if (!q->all) {
			put_sites(&r->from, q);
			r->where_end = r->from.len;
		}
	}
	e = r->from.failed ? mr_fail(err, MR_ENOMEM, "no memory for a query") :
	    q->sorted ? mr_ranges_whole(&r->ranges, &r->n_ranges, err) :
	    mr_ranges_make(q->slices, q->n, &r->ranges, &r->n_ranges, err);
	if (e == MR_OK) {
		n_readers = ready_readers(q->dbs, r->n_ranges < q->n_dbs ? r->n_ranges : q->n_dbs, err);
		e = n_readers == 0 ? MR_EAGAIN : mr_readahead_start(&r->ahead, q->dbs, n_readers,
		    r->n_ranges, put_command, r, err);
	}
	if (e != MR_OK)
		mr_read_stop(r);
	return e;
}

void
mr_read_stop(struct mr_reading *r)
{
	mr_readahead_stop(r->ahead);
	mr_buf_free(&r->from);
	free(r->ranges);
	*r = (struct mr_reading){ .ahead = NULL };
}
