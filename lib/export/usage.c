/* Usage: see usage.h. */
#include "export/usage.h"

#include <stdio.h>

#include "base/clock.h"

enum mr_err
mr_usage_add(struct mr_db *db, int64_t batch, const char *client, const char *destination,
    struct mr_error *err)
{
	struct mr_db_args args = MR_DB_ARGS_INIT;

	mr_db_arg_int(&args, batch);
	mr_db_arg_text(&args, client);
	mr_db_arg_text(&args, destination);
	return mr_db_tell(db, "INSERT INTO export_usage AS u (client, destination, site_id, day, events, "
	    "bytes, objects) SELECT c.client, c.destination, s.site_id, "
	    "(s.hour AT TIME ZONE 'UTC')::date, sum(o.rows), sum(o.bytes), count(*) "
	    "FROM export_cursors c JOIN export_objects o USING (destination) "
	    "JOIN export_slices s ON s.batch = o.batch AND s.number = o.number "
	    "WHERE c.client = $2 AND c.destination = $3 AND c.batch < $1::bigint AND "
	    "o.batch = $1::bigint GROUP BY 1, 2, 3, 4 "
	    "ON CONFLICT (client, destination, day, site_id) DO UPDATE SET "
	    "events = u.events + excluded.events, bytes = u.bytes + excluded.bytes, "
	    "objects = u.objects + excluded.objects", &args, err);
}

/* "2026-11-23" without a time; NULL is as good. */
static bool
is_date(const char *text)
{
	int64_t us;

	return text == NULL || (strlen(text) == sizeof "2026-11-23" - 1 &&
	    mr_clock_parse_date(mr_str(text), &us));
}

enum mr_err
mr_usage_check(const struct mr_usage_choice *choice, struct mr_error *err)
{
	char first[16];

	(void)snprintf(first, sizeof first, "%s-01", choice->month != NULL ? choice->month : "2026-11");
	if (!is_date(first))
		return mr_fail(err, MR_EINVAL, "month is no month, such as 2026-11");
	if (!is_date(choice->since) || !is_date(choice->until))
		return mr_fail(err, MR_EINVAL, "since and until are dates, such as 2026-11-23");
	if (choice->month != NULL && (choice->since != NULL || choice->until != NULL))
		return mr_fail(err, MR_EINVAL, "month stands in place of since and until");
	return MR_OK;
}

void
mr_usage_put(struct mr_json_writer *w, const struct mr_usage *usage)
{
	mr_json_text(w, "client", usage->client);
	mr_json_text(w, "destination", usage->destination);
	mr_json_text(w, "site_id", usage->site);
	mr_json_text(w, "day", usage->day);
	mr_json_int(w, "events", usage->events);
	mr_json_int(w, "bytes", usage->bytes);
	mr_json_int(w, "objects", usage->objects);
}

static void
visit_all(const struct mr_db_rows *rows, void (*visit)(void *arg, const struct mr_usage *usage),
    void *arg)
{
	for (int i = 0; i < mr_db_n_rows(rows); i++) {
		const struct mr_usage usage = { mr_db_value(rows, i, 0), mr_db_value(rows, i, 1),
			mr_db_value(rows, i, 2), mr_db_value(rows, i, 3), mr_db_int(rows, i, 4),
			mr_db_int(rows, i, 5), mr_db_int(rows, i, 6) };

		visit(arg, &usage);
	}
}

enum mr_err
mr_usage_each(struct mr_db *db, const struct mr_usage_choice *choice,
    void (*visit)(void *arg, const struct mr_usage *usage), void *arg, struct mr_error *err)
{
	/* Without any limit it is the month of now. */
	static const char sql[] = "WITH month AS (SELECT CASE WHEN $4::text IS NOT NULL THEN "
	    "($4 || '-01')::date WHEN $2::text IS NULL AND $3::text IS NULL THEN "
	    "date_trunc('month', now() AT TIME ZONE 'UTC')::date END AS first) "
	    "SELECT client, destination, site_id, day::text, events, bytes, objects "
	    "FROM export_usage, month WHERE ($1::text IS NULL OR client = $1) AND "
	    "day >= coalesce(first, $2::date, '-infinity') AND "
	    "day < coalesce((first + interval '1 month')::date, $3::date, 'infinity') "
	    "ORDER BY client COLLATE \"C\", destination COLLATE \"C\" DESC, site_id, day";
	struct mr_db_args args = MR_DB_ARGS_INIT;
	struct mr_db_rows *rows = NULL;
	enum mr_err e;

	mr_db_arg_text(&args, choice->client);
	mr_db_arg_text(&args, choice->since);
	mr_db_arg_text(&args, choice->until);
	mr_db_arg_text(&args, choice->month);
	if ((e = mr_db_ask(db, sql, &args, &rows, err)) == MR_OK)
		visit_all(rows, visit, arg);
	mr_db_rows_free(rows);
	return e;
}
