/*
 * millrace-export: the rows of some groups of a batch.
 *
 * In their physical order, which never changes as rows are not updated, or
 * sorted by group. In physical order several connections may read: the pages
 * where the plan saw the rows are cut into parts, which follow each other.
 */
#include "export/exporter.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "db/query.h"
#include "export/copyout.h"

/* Of a part, about: what a connection may read ahead. */
#define PART_ROWS 12000
/* Pages of a part at least: a command has its price, too. */
#define PART_PAGES 64
#define HOUR_US (3600 * MR_US_PER_S)

/* Pages of a partition. */
struct part {
	struct mr_str partition; /* p == NULL: the whole table */
	uint64_t first, end;
};

/* --- commands --- */

static void
put_where(struct mr_buf *sql, const struct delivery *d)
{
	const struct mr_planned_batch *b = d->batch;

	mr_batch_where(sql, b->from.xip != NULL ? &b->from : NULL, &b->to, &b->filter);
}

static void
put_numbers(struct mr_buf *sql, const struct mr_batch_group *const *groups, size_t n)
{
	for (size_t i = 0; i < n; i++)
		mr_buf_printf(sql, "%s%d", i > 0 ? "," : "", groups[i]->number);
}

/* Of the batch's rows those of the groups, and maybe others of their sites. */
static void
put_bounds(struct mr_buf *sql, const struct delivery *d,
    const struct mr_batch_group *const *groups, size_t n)
{
	int64_t low = INT64_MAX, high = INT64_MIN;

	for (size_t i = 0; i < n; i++) {
		low = groups[i]->hour_us < low ? groups[i]->hour_us : low;
		high = groups[i]->hour_us > high ? groups[i]->hour_us : high;
	}
	mr_buf_add_cstr(sql, " AND created_at >= ");
	mr_batch_put_time(sql, low);
	mr_buf_add_cstr(sql, " AND created_at < ");
	mr_batch_put_time(sql, high + HOUR_US);
	if (n == d->n_groups)
		return;
	mr_buf_printf(sql, " AND site_id = ANY ((SELECT array_agg(site_id) FROM export_groups "
	    "WHERE batch = %" PRId64 " AND number IN (", d->batch->id);
	put_numbers(sql, groups, n);
	mr_buf_add_cstr(sql, "))::text[])");
}

static void
put_sorted(struct mr_buf *sql, const struct delivery *d,
    const struct mr_batch_group *const *groups, size_t n)
{
	mr_buf_add_cstr(sql, "(SELECT * FROM events WHERE ");
	put_where(sql, d);
	mr_buf_printf(sql, ") e JOIN (SELECT number, site_id AS site, hour FROM export_groups WHERE "
	    "batch = %" PRId64 " AND number = ANY ('{", d->batch->id);
	put_numbers(sql, groups, n);
	mr_buf_add_cstr(sql, "}'::integer[])) g ON g.site = e.site_id AND g.hour = date_trunc('hour', "
	    "e.created_at) ORDER BY g.number, e.id");
}

/* Called by the threads. */
static void
put_command(const void *arg, size_t number, struct mr_buf *sql)
{
	const struct reading *r = arg;
	const struct part *part = &r->parts[number];

	mr_buf_add_cstr(sql, "COPY (SELECT " MR_COPYOUT_COLUMNS " FROM ");
	if (part->partition.p == NULL)
		mr_buf_add(sql, r->from.p, r->from.len);
	else
		mr_buf_printf(sql, "ONLY %s WHERE ctid >= '(%" PRIu64 ",0)' AND ctid < '(%" PRIu64
		    ",0)' AND %.*s", part->partition.p, part->first, part->end,
		    (int)(r->where_end - r->where), r->from.p + r->where);
	mr_buf_add_cstr(sql, ") TO STDOUT (FORMAT binary)");
	mr_buf_add_char(sql, '\0');
}

/* --- parts --- */

/* Adds the group's pages to those of its partition; false: it is not known where they are. */
static bool
add_pages(struct part *parts, size_t *n, const struct mr_batch_group *g)
{
	struct part *p = parts;

	if (g->partition.p == NULL)
		return false;
	while (p < parts + *n && !mr_str_eq(p->partition, g->partition))
		p++;
	if (p == parts + *n) {
		*p = (struct part){ g->partition, g->first_page, 0 };
		++*n;
	}
	if (g->first_page < p->first)
		p->first = g->first_page;
	if ((uint64_t)g->last_page + 1 > p->end)
		p->end = (uint64_t)g->last_page + 1;
	return true;
}

/* How many pages a part should have; 0: it is not worth cutting. */
static uint64_t
pages_of_part(uint64_t pages, int64_t rows)
{
	uint64_t n = (uint64_t)rows / PART_ROWS, each;

	if (n < 2)
		return 0;
	each = (pages + n - 1) / n;
	return each > PART_PAGES ? each : PART_PAGES;
}

static enum mr_err
cut(struct reading *r, const struct part *stretches, size_t n, uint64_t each,
    struct mr_error *err)
{
	size_t all = 0;

	for (size_t i = 0; i < n; i++)
		all += (size_t)((stretches[i].end - stretches[i].first + each - 1) / each);
	r->parts = calloc(all, sizeof *r->parts);
	if (r->parts == NULL)
		return mr_fail(err, MR_ENOMEM, "no memory for %zu parts of a batch", all);
	for (size_t i = 0; i < n; i++) {
		for (uint64_t at = stretches[i].first; at < stretches[i].end; at += each) {
			struct part *p = &r->parts[r->n_parts++];

			*p = (struct part){ stretches[i].partition, at, at + each };
			if (p->end > stretches[i].end)
				p->end = stretches[i].end;
		}
	}
	return MR_OK;
}

/* The rows of a group are all in one partition, so the order of those does not matter. */
static enum mr_err
make_parts(struct reading *r, const struct mr_batch_group *const *groups, size_t n, bool sorted,
    struct mr_error *err)
{
	static const struct part whole = { { NULL, 0 }, 0, 1 };
	struct part *stretches = calloc(n, sizeof *stretches);
	size_t n_stretches = 0;
	uint64_t pages = 0, each = 0;
	int64_t rows = 0;
	bool known = !sorted;
	enum mr_err e;

	if (stretches == NULL)
		return mr_fail(err, MR_ENOMEM, "no memory for %zu objects", n);
	for (size_t i = 0; i < n && known; i++) {
		known = add_pages(stretches, &n_stretches, groups[i]);
		rows += groups[i]->rows;
	}
	for (size_t i = 0; i < n_stretches; i++)
		pages += stretches[i].end - stretches[i].first;
	if (known)
		each = pages_of_part(pages, rows);
	e = each > 0 ? cut(r, stretches, n_stretches, each, err) : cut(r, &whole, 1, 1, err);
	free(stretches);
	return e;
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
	return mr_db_script(db, settings, 60000, err) == MR_DB_OK ? MR_OK : MR_EAGAIN;
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
reading_start(struct reading *r, const struct delivery *d,
    const struct mr_batch_group *const *groups, size_t n, bool sorted, struct mr_error *err)
{
	size_t n_readers;
	enum mr_err e;

	*r = (struct reading){ .ahead = NULL };
	mr_buf_init(&r->from, (size_t)8 << 20);
	if (sorted) {
		put_sorted(&r->from, d, groups, n);
	} else {
		mr_buf_add_cstr(&r->from, "events WHERE ");
		r->where = r->from.len;
		put_where(&r->from, d);
		r->where_end = r->from.len;
		put_bounds(&r->from, d, groups, n);
		if (n < d->n_groups)
			r->where_end = r->from.len;
	}
	e = r->from.failed ? mr_fail(err, MR_ENOMEM, "no memory for a query") :
	    make_parts(r, groups, n, sorted, err);
	if (e == MR_OK) {
		n_readers = ready_readers(d->x->readers,
		    r->n_parts < EXPORT_READERS ? r->n_parts : EXPORT_READERS, err);
		e = n_readers == 0 ? err->code : mr_readahead_start(&r->ahead, d->x->readers,
		    n_readers, r->n_parts, put_command, r, err);
	}
	if (e != MR_OK)
		reading_stop(r);
	return e;
}

void
reading_stop(struct reading *r)
{
	mr_readahead_stop(r->ahead);
	mr_buf_free(&r->from);
	free(r->parts);
	*r = (struct reading){ .ahead = NULL };
}
