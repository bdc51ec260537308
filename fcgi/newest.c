/* The newest events: see newest.h. */
#include "newest.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

/* Pages of 8 KiB: the first step, how many times as large the next one is, and all of them. */
#define FIRST_STEP 128
#define GROWTH 4
#define MAX_PAGES 8192
/* What a step counts at least: a statement has its price, too. */
#define LEAST_STEP 16

enum { DEFAULT, LOW, HIGH, HIGH_US, PAGES };

struct search {
	struct mr_db *db;
	const char *site;
	size_t limit;
	struct mr_newest *newest;
	int64_t budget; /* pages */
	struct mr_error *err;
};

/* Pages of a partition; pages before `end` were not read. */
struct source {
	bool is_default;
	const char *low, *high; /* of created_at */
	int64_t high_us, pages, end;
};

/*
 * Each statement is planned for its own pages. The table is not locked against anybody, and
 * no other kind of scan would stop where it is told to.
 */
static const char begin_sql[] = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
static const char settings_sql[] = "SELECT set_config('plan_cache_mode', 'force_custom_plan', true), "
    "set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true), "
    "set_config('enable_indexscan', 'off', true)";

/* The default partition may have rows of any time. */
static const char sources_sql[] =
    "SELECT * FROM (SELECT 0 AS is_default, low, high, (extract(epoch FROM least(high, now())) * "
    "1000000)::bigint, pg_relation_size(partition) / current_setting('block_size')::bigint AS pages "
    "FROM events_partitions UNION ALL SELECT 1, '-infinity', 'infinity', (extract(epoch FROM now()) "
    "* 1000000)::bigint, pg_relation_size('events_default') / current_setting('block_size')::bigint) s "
    "WHERE pages > 0 ORDER BY is_default DESC, high DESC";

/* A partition is asked for by its bounds: whoever may read events need not have a right to it. */
#define PAGES_OF(table) " FROM " table " WHERE created_at >= $1::timestamptz AND created_at < " \
    "$2::timestamptz AND ctid >= $3::tid AND ctid < $4::tid"
#define STEP(table) "SELECT (extract(epoch FROM created_at) * 1000000)::bigint, id, ctid FROM " \
    "(SELECT created_at, id, ctid" PAGES_OF(table) " AND ($5::text IS NULL OR site_id = $5) " \
    "ORDER BY created_at DESC, id DESC LIMIT $6::integer) s"
/* Of the first rows that were read; those before were stored earlier. */
#define EDGE(table) "SELECT (extract(epoch FROM max(created_at)) * 1000000)::bigint FROM (SELECT " \
    "created_at" PAGES_OF(table) " LIMIT 100) s"

static int
compare(const void *a, const void *b)
{
	const struct mr_newest_row *x = a, *y = b;

	if (x->created_us != y->created_us)
		return x->created_us < y->created_us ? 1 : -1;
	return x->id < y->id ? 1 : x->id > y->id ? -1 : 0;
}

static bool
is_full(const struct search *s)
{
	return s->newest->n >= s->limit;
}

static int64_t
oldest_us(const struct search *s)
{
	return s->newest->rows[s->newest->n - 1].created_us;
}

static struct mr_newest_row
read_key(const struct mr_db_rows *rows, int r)
{
	struct mr_newest_row row = { .created_us = mr_db_int(rows, r, 0), .id = mr_db_int(rows, r, 1) };

	(void)snprintf(row.place, sizeof row.place, "%s", mr_db_value(rows, r, 2).p);
	return row;
}

/* Those that are among the newest; how many. The room is enough: a step has no more than the limit. */
static size_t
add(struct search *s, const struct mr_db_rows *rows)
{
	struct mr_newest *newest = s->newest;
	size_t before = newest->n;

	for (int r = 0; r < mr_db_n_rows(rows); r++) {
		struct mr_newest_row row = read_key(rows, r);

		if (before < s->limit || compare(&row, &newest->rows[s->limit - 1]) < 0)
			newest->rows[newest->n++] = row;
	}
	return newest->n - before;
}

static void
merge(struct search *s, const struct source *source, const struct mr_db_rows *rows, bool *added)
{
	struct mr_newest *newest = s->newest;

	*added = add(s, rows) > 0;
	if (!*added)
		return;
	qsort(newest->rows, newest->n, sizeof newest->rows[0], compare);
	newest->n = newest->n > s->limit ? s->limit : newest->n;
	/* Sources come in this order, but for the default one, which may have rows of any time. */
	if (newest->since[0] != '-')
		(void)snprintf(newest->since, sizeof newest->since, "%s", source->low);
}

static void
put_pages(struct mr_db_args *args, const struct source *source, char places[2][MR_NEWEST_PLACE],
    int64_t first, int64_t end)
{
	(void)snprintf(places[0], MR_NEWEST_PLACE, "(%" PRId64 ",0)", first);
	(void)snprintf(places[1], MR_NEWEST_PLACE, "(%" PRId64 ",0)", end);
	mr_db_arg_text(args, source->low);
	mr_db_arg_text(args, source->high);
	mr_db_arg_text(args, places[0]);
	mr_db_arg_text(args, places[1]);
}

/* The pages from `first` to before source->end. *some: they have rows of the site. */
static enum mr_err
read_step(struct search *s, const struct source *source, int64_t first, bool *some, bool *added)
{
	struct mr_db_args args = MR_DB_ARGS_INIT;
	char places[2][MR_NEWEST_PLACE];
	struct mr_db_rows *rows;
	enum mr_err e;

	put_pages(&args, source, places, first, source->end);
	mr_db_arg_text(&args, s->site);
	mr_db_arg_int(&args, (int64_t)s->limit);
	e = mr_db_ask(s->db, source->is_default ? STEP("events_default") : STEP("events"), &args, &rows,
	    s->err);
	if (e != MR_OK)
		return e;
	*some = *some || mr_db_n_rows(rows) > 0;
	merge(s, source, rows, added);
	mr_db_rows_free(rows);
	return MR_OK;
}

/* A row of a long transaction is older than its place, so one step more is looked at. */
static enum mr_err
read_source(struct search *s, struct source *source)
{
	bool some = false, added = true;
	enum mr_err e = MR_OK;

	for (int64_t step = FIRST_STEP; e == MR_OK && source->end > 0 && s->budget > 0; step *= GROWTH) {
		int64_t n = step < s->budget ? step : s->budget;
		int64_t first = source->end > n ? source->end - n : 0;

		e = read_step(s, source, first, &some, &added);
		s->budget -= source->end - first > LEAST_STEP ? source->end - first : LEAST_STEP;
		source->end = first;
		if (is_full(s) && some && !added)
			break;
	}
	return e;
}

/* Where it ended before there were enough. */
static enum mr_err
look_back(struct search *s, const struct source *source)
{
	struct mr_db_args args = MR_DB_ARGS_INIT;
	char places[2][MR_NEWEST_PLACE];
	int64_t us = 0;
	enum mr_err e;

	put_pages(&args, source, places, source->end, source->pages);
	e = mr_db_ask_int(s->db, source->is_default ? EDGE("events_default") : EDGE("events"), &args, &us,
	    s->err);
	/* Nothing but rows that are dead: what is left ends at the bound. */
	us = us != 0 ? us : source->high_us;
	if (us > s->newest->looked_back_us)
		s->newest->looked_back_us = us;
	return e;
}

static struct source
read_row(const struct mr_db_rows *rows, int r)
{
	return (struct source){ .is_default = mr_db_int(rows, r, DEFAULT) != 0,
		.low = mr_db_value(rows, r, LOW).p, .high = mr_db_value(rows, r, HIGH).p,
		.high_us = mr_db_int(rows, r, HIGH_US), .pages = mr_db_int(rows, r, PAGES),
		.end = mr_db_int(rows, r, PAGES) };
}

/* Nothing in it is as new as what was found. */
static bool
is_over(const struct search *s, const struct source *next)
{
	return !next->is_default && is_full(s) && oldest_us(s) >= next->high_us;
}

/* The default partition comes first, and has a budget of its own. */
static enum mr_err
read_sources(struct search *s, const struct mr_db_rows *rows)
{
	enum mr_err e = MR_OK;
	bool cut = false;

	for (int r = 0; r < mr_db_n_rows(rows) && e == MR_OK && !cut; r++) {
		struct source source = read_row(rows, r);

		if (is_over(s, &source))
			break;
		e = read_source(s, &source);
		cut = e == MR_OK && source.end > 0 && !is_full(s);
		if (cut)
			e = look_back(s, &source);
		if (source.is_default) {
			s->budget = MAX_PAGES;
			cut = false;
		}
	}
	return e;
}

enum mr_err
mr_newest_find(struct mr_db *db, const char *site, size_t limit, struct mr_newest *newest,
    struct mr_error *err)
{
	struct search s = { .db = db, .site = site, .limit = limit, .newest = newest,
		.budget = MAX_PAGES, .err = err };
	struct mr_db_rows *rows;
	enum mr_err e;

	newest->n = 0;
	newest->looked_back_us = 0;
	newest->since[0] = '\0';
	if ((e = mr_db_tell(db, begin_sql, NULL, err)) != MR_OK ||
	    (e = mr_db_ask(db, settings_sql, NULL, NULL, err)) != MR_OK ||
	    (e = mr_db_ask(db, sources_sql, NULL, &rows, err)) != MR_OK)
		return e;
	e = read_sources(&s, rows);
	mr_db_rows_free(rows);
	if (is_full(&s))
		newest->looked_back_us = 0;
	return e;
}
