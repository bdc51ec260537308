/* A sample of rows: see sample.h. */
#include "export/sample.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>

#include "db/query.h"
#include "export/sql.h"

/*
 * Pages that are read, about: of ten batches, so many rows of each that its end is told within
 * a few parts in a hundred.
 */
#define PAGES "2000"

/* The part of all pages that these are, in percent. */
static const char share_sql[] = "SELECT least(100, 100 * " PAGES " / greatest(1, "
    "sum(pg_relation_size(relid)) / current_setting('block_size')::numeric))::float4 "
    "FROM pg_partition_tree('events') WHERE isleaf";

static enum mr_err
no_memory(struct mr_error *err)
{
	return mr_fail(err, MR_ENOMEM, "no memory to look at rows");
}

static enum mr_err
are_few(struct mr_db *db, const struct mr_snapshot *from, const struct mr_snapshot *to,
    const struct mr_planned_filter *filter, int64_t few, bool *are, struct mr_error *err)
{
	struct mr_buf sql;
	int64_t rows = 0;
	enum mr_err e;

	mr_buf_init(&sql, MR_SQL_MAX);
	mr_buf_add_cstr(&sql, "SELECT count(*) FROM (SELECT FROM events WHERE ");
	mr_planned_put_where(&sql, from, to, filter);
	mr_buf_printf(&sql, " LIMIT %" PRId64 ") e", few + 1);
	mr_buf_add_char(&sql, '\0');
	e = sql.failed ? no_memory(err) : mr_db_ask_int(db, sql.p, NULL, &rows, err);
	mr_buf_free(&sql);
	*are = rows <= few;
	return e;
}

/* The transactions on those pages in their order, each with its rows. */
static enum mr_err
read_pages(struct mr_db *db, const char *share, const struct mr_snapshot *from,
    const struct mr_snapshot *to, const struct mr_planned_filter *filter, struct mr_db_rows **rows,
    struct mr_error *err)
{
	struct mr_buf sql;
	enum mr_err e;

	mr_buf_init(&sql, MR_SQL_MAX);
	mr_buf_printf(&sql, "SELECT ingest_xid, count(*) FROM events TABLESAMPLE SYSTEM (%s) "
	    "REPEATABLE (1) WHERE ", share);
	mr_planned_put_where(&sql, from, to, filter);
	mr_buf_add_cstr(&sql, " GROUP BY 1 ORDER BY 1");
	mr_buf_add_char(&sql, '\0');
	e = sql.failed ? no_memory(err) : mr_db_ask(db, sql.p, NULL, rows, err);
	mr_buf_free(&sql);
	return e;
}

/* rows: NULL for none. */
static enum mr_err
set(struct mr_sample *sample, const struct mr_db_rows *rows, double weight, struct mr_error *err)
{
	size_t n = rows != NULL ? (size_t)mr_db_n_rows(rows) : 0;

	*sample = (struct mr_sample){ .at = calloc(n + 1, sizeof *sample->at), .weight = weight };
	if (sample->at == NULL)
		return no_memory(err);
	for (int i = 0; i < (int)n; i++)
		sample->at[i] = (struct mr_sample_seen){ (uint64_t)mr_db_int(rows, i, 0),
			mr_db_int(rows, i, 1) };
	sample->n = n;
	return MR_OK;
}

enum mr_err
mr_sample_take(struct mr_db *db, const struct mr_snapshot *from, const struct mr_snapshot *to,
    const struct mr_planned_filter *filter, int64_t few, struct mr_sample *sample,
    struct mr_error *err)
{
	struct mr_db_rows *share = NULL, *rows = NULL;
	const char *percent;
	bool are = false;
	enum mr_err e;

	*sample = (struct mr_sample){ .at = NULL };
	if ((e = are_few(db, from, to, filter, few, &are, err)) != MR_OK)
		return e;
	if (are)
		return set(sample, NULL, 1, err);
	if ((e = mr_db_ask(db, share_sql, NULL, &share, err)) != MR_OK)
		return e;
	percent = mr_db_value(share, 0, 0).p;
	if ((e = read_pages(db, percent, from, to, filter, &rows, err)) == MR_OK)
		e = set(sample, rows, 100.0 / strtod(percent, NULL), err);
	mr_db_rows_free(share);
	mr_db_rows_free(rows);
	return e;
}

void
mr_sample_free(struct mr_sample *sample)
{
	free(sample->at);
	*sample = (struct mr_sample){ .at = NULL };
}
