/* Planned batches: see planned.h. */
#include "export/planned.h"

#include <inttypes.h>
#include <stdlib.h>

#include "export/sql.h"

void
mr_planned_put_array(struct mr_buf *to, const struct mr_conf_list *list)
{
	mr_buf_add_char(to, '{');
	for (size_t i = 0; i < list->n; i++) {
		mr_buf_add_cstr(to, i > 0 ? ",\"" : "\"");
		for (const char *p = list->items[i]; *p != '\0'; p++) {
			if (*p == '"' || *p == '\\')
				mr_buf_add_char(to, '\\');
			mr_buf_add_char(to, *p);
		}
		mr_buf_add_char(to, '"');
	}
	mr_buf_add_char(to, '}');
}

void
mr_planned_put_time(struct mr_buf *sql, int64_t us)
{
	/* A sum with a timestamptz is no constant; as a query it is evaluated once. */
	mr_buf_printf(sql, "(SELECT 'epoch'::timestamptz + %" PRId64 " * interval '1 microsecond')",
	    us);
}

void
mr_planned_put_sites(struct mr_buf *sql, const struct mr_planned_filter *filter)
{
	/* The cast makes it an array; without, ANY would look for rows. */
	mr_buf_printf(sql, "site_id %s ((SELECT %s FROM export_batches WHERE id = %" PRId64
	    ")::text[])", filter->sites == MR_SITES_LISTED ? "= ANY" : "<> ALL",
	    filter->sites == MR_SITES_LISTED ? "sites" : "except_sites", filter->batch);
}

void
mr_planned_put_span(struct mr_buf *sql, const struct mr_snapshot *from,
    const struct mr_snapshot *to, const struct mr_planned_filter *filter)
{
	mr_snapshot_between(sql, from, to);
	if (filter->since_us != INT64_MIN) {
		mr_buf_add_cstr(sql, " AND created_at >= ");
		mr_planned_put_time(sql, filter->since_us);
	}
	if (filter->until_us != INT64_MAX) {
		mr_buf_add_cstr(sql, " AND created_at < ");
		mr_planned_put_time(sql, filter->until_us);
	}
	if (filter->good_only)
		mr_buf_add_cstr(sql, " AND " MR_PLANNED_GOOD);
}

void
mr_planned_put_where(struct mr_buf *sql, const struct mr_snapshot *from, const struct mr_snapshot *to,
    const struct mr_planned_filter *filter)
{
	mr_planned_put_span(sql, from, to, filter);
	if (filter->sites == MR_SITES_ALL)
		return;
	mr_buf_add_cstr(sql, " AND ");
	mr_planned_put_sites(sql, filter);
}

/* The sites as enum mr_planned_sites. */
#define SELECT_BATCH "SELECT id, name, client, kind, run_id, format, compression, level, " \
	"parquet_json::int, encoder_version, rows, snapshot_from, snapshot_to, " \
	"CASE WHEN sites IS NOT NULL THEN 1 WHEN except_sites <> '{}' THEN 2 ELSE 0 END, " \
	MR_SQL_MICROSECONDS("since") ", " MR_SQL_MICROSECONDS("until") ", destination, " \
	"csv_guard::int, parquet_codec, (NOT partition_columns)::int, refuses::int " \
	"FROM export_batches "

static enum mr_err
fill(struct mr_planned_batch *b, struct mr_error *err)
{
	struct mr_db_rows *r = b->result;
	enum mr_err e;

	b->id = mr_db_int(r, 0, 0);
	b->name = mr_db_value(r, 0, 1);
	b->client = mr_db_value(r, 0, 2);
	b->kind = mr_db_value(r, 0, 3);
	b->run_id = mr_db_value(r, 0, 4);
	b->format = mr_db_value(r, 0, 5);
	b->compression = mr_db_value(r, 0, 6);
	b->level = (int)mr_db_int(r, 0, 7);
	b->parquet_json = mr_db_int(r, 0, 8) != 0;
	b->encoder_version = (int)mr_db_int(r, 0, 9);
	b->rows = mr_db_int(r, 0, 10);
	b->from_text = mr_db_value(r, 0, 11);
	b->to_text = mr_db_value(r, 0, 12);
	b->filter = (struct mr_planned_filter){ b->id,
		(enum mr_planned_sites)mr_db_int(r, 0, 13), INT64_MIN, INT64_MAX,
		mr_db_int(r, 0, 20) != 0 };
	if (mr_db_value(r, 0, 14).p != NULL)
		b->filter.since_us = mr_db_int(r, 0, 14);
	if (mr_db_value(r, 0, 15).p != NULL)
		b->filter.until_us = mr_db_int(r, 0, 15);
	b->destination = mr_db_value(r, 0, 16);
	b->csv_guard = mr_db_int(r, 0, 17) != 0;
	b->parquet_codec = mr_db_value(r, 0, 18);
	b->drops_keys = mr_db_int(r, 0, 19) != 0;
	if (b->from_text.p != NULL && (e = mr_snapshot_parse(b->from_text, &b->from, err)) != MR_OK)
		return e;
	return mr_snapshot_parse(b->to_text, &b->to, err);
}

static enum mr_err
select_one(struct mr_db *db, const char *sql, const struct mr_db_args *args,
    struct mr_planned_batch *batch, struct mr_error *err)
{
	enum mr_err e;

	*batch = (struct mr_planned_batch){ .id = 0 };
	e = mr_db_ask(db, sql, args, &batch->result, err);
	if (e == MR_OK && mr_db_n_rows(batch->result) > 0)
		e = fill(batch, err);
	if (e != MR_OK || batch->id == 0)
		mr_planned_free(batch);
	return e;
}

enum mr_err
mr_planned_next(struct mr_db *db, const char *client, int64_t after, const char *destinations,
    struct mr_planned_batch *batch, struct mr_error *err)
{
	struct mr_db_args args = MR_DB_ARGS_INIT;

	mr_db_arg_text(&args, client);
	mr_db_arg_int(&args, after);
	mr_db_arg_text(&args, destinations);
	return select_one(db, SELECT_BATCH "WHERE client = $1 AND id > $2::bigint AND "
	    "kind <> 'manual' AND (destination IS NULL OR destination = ANY ($3::text[])) "
	    "ORDER BY id LIMIT 1", &args, batch, err);
}

enum mr_err
mr_planned_next_of_run(struct mr_db *db, const char *run_id, const char *client, int64_t after,
    struct mr_planned_batch *batch, struct mr_error *err)
{
	struct mr_db_args args = MR_DB_ARGS_INIT;

	mr_db_arg_text(&args, run_id);
	mr_db_arg_int(&args, after);
	mr_db_arg_text(&args, client);
	return select_one(db, SELECT_BATCH "WHERE run_id = $1::uuid AND id > $2::bigint AND "
	    "kind = 'manual' AND client = $3 ORDER BY id LIMIT 1", &args, batch, err);
}

enum mr_err
mr_planned_load(struct mr_db *db, int64_t id, struct mr_planned_batch *batch,
    struct mr_error *err)
{
	struct mr_db_args args = MR_DB_ARGS_INIT;
	enum mr_err e;

	mr_db_arg_int(&args, id);
	e = select_one(db, SELECT_BATCH "WHERE id = $1::bigint", &args, batch, err);
	if (e == MR_OK && batch->id == 0)
		return mr_fail(err, MR_EINVAL, "batch %" PRId64 " is no longer known", id);
	return e;
}

void
mr_planned_free(struct mr_planned_batch *batch)
{
	mr_snapshot_free(&batch->from);
	mr_snapshot_free(&batch->to);
	mr_db_rows_free(batch->result);
	*batch = (struct mr_planned_batch){ .id = 0 };
}

bool
mr_planned_is_manual(const struct mr_planned_batch *batch)
{
	return mr_str_eq(batch->kind, MR_STR_LIT("manual"));
}

/* The page of a row's place, "(page,number)". */
static uint32_t
page_of(struct mr_str place)
{
	return place.p != NULL ? (uint32_t)strtoul(place.p + 1, NULL, 10) : 0;
}

enum mr_err
mr_planned_slices(struct mr_db *db, int64_t batch, struct mr_planned_slice **slices, size_t *n,
    struct mr_db_rows **result, struct mr_error *err)
{
	struct mr_db_args args = MR_DB_ARGS_INIT;
	struct mr_planned_slice *g;
	enum mr_err e;

	*slices = NULL;
	*n = 0;
	mr_db_arg_int(&args, batch);
	/*
	 * A partition that is gone, or may not be read by itself, has no name. Someone may have
	 * written infinity.
	 */
	e = mr_db_ask(db, "SELECT number, site_id, least(greatest(extract(epoch FROM hour) * 1000000, "
	    "-9e18), 9e18)::bigint, rows, c.oid::regclass, "
	    "first_row, last_row FROM export_slices LEFT JOIN pg_class c ON c.oid = partition AND "
	    "last_row IS NOT NULL AND has_table_privilege(c.oid, 'SELECT') "
	    "WHERE batch = $1::bigint ORDER BY number", &args, result, err);
	if (e != MR_OK)
		return e;
	*n = (size_t)mr_db_n_rows(*result);
	g = *slices = calloc(*n + 1, sizeof *g);
	if (g == NULL) {
		mr_db_rows_free(*result);
		*result = NULL;
		return mr_fail(err, MR_ENOMEM, "no memory for a batch of %zu objects", *n);
	}
	for (int i = 0; i < (int)*n; i++)
		g[i] = (struct mr_planned_slice){ (int)mr_db_int(*result, i, 0),
			mr_db_value(*result, i, 1), mr_db_int(*result, i, 2),
			mr_db_int(*result, i, 3), mr_db_value(*result, i, 4),
			page_of(mr_db_value(*result, i, 5)), page_of(mr_db_value(*result, i, 6)) };
	return MR_OK;
}
