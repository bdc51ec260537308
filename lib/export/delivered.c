/* Batches that were delivered: see delivered.h. */
#include "export/delivered.h"

#include "export/deliver.h"
#include "export/planned.h"
#include "export/sql.h"

bool
mr_delivered_is_span(const struct mr_export_options *o)
{
	return o->since_us != INT64_MIN || o->until_us != INT64_MAX;
}

enum mr_err
mr_delivered_list(const struct mr_context *x, const struct mr_destination *d,
    struct mr_db_rows **rows, struct mr_error *err)
{
	static const char sql[] = "SELECT d.batch, d.manifest, d.sha256, d.rows "
	    "FROM export_deliveries d JOIN export_batches b ON b.id = d.batch "
	    "WHERE b.client = $1 AND d.destination = $2 AND (($3::bigint IS NULL AND "
	    "$4::bigint IS NULL AND d.batch = (SELECT batch FROM export_cursors WHERE client = $1 "
	    "AND destination = $2)) OR (($3::bigint IS NOT NULL OR $4::bigint IS NOT NULL) AND "
	    "b.planned_at >= coalesce(" MR_SQL_TIME("$3") ", '-infinity') AND "
	    "b.planned_at < coalesce(" MR_SQL_TIME("$4") ", 'infinity'))) ORDER BY d.batch";
	const struct mr_export_options *o = x->options;
	struct mr_db_args args = MR_DB_ARGS_INIT;

	mr_db_arg_text(&args, d->client);
	mr_db_arg_text(&args, d->name);
	mr_sql_arg_time(&args, o->since_us);
	mr_sql_arg_time(&args, o->until_us);
	return mr_db_ask(x->db, sql, &args, rows, err);
}

/* What each destination has, and the next of it to be written. */
struct lists {
	struct mr_db_rows *of[MR_DESTINATIONS];
	int at[MR_DESTINATIONS];
};

static int64_t
next_of(const struct lists *l, size_t i)
{
	return l->at[i] < mr_db_n_rows(l->of[i]) ? mr_db_int(l->of[i], l->at[i], MR_DELIVERED_BATCH) :
	    INT64_MAX;
}

/* The oldest batch that is left, and who has it; INT64_MAX: there is none. */
static int64_t
take_next(struct lists *l, struct mr_destination *const *all, size_t n_all,
    struct mr_destination **to, size_t *n_to)
{
	int64_t id = INT64_MAX;

	*n_to = 0;
	for (size_t i = 0; i < n_all; i++)
		id = next_of(l, i) < id ? next_of(l, i) : id;
	for (size_t i = 0; i < n_all && id != INT64_MAX; i++) {
		if (next_of(l, i) != id)
			continue;
		l->at[i]++;
		if (!all[i]->failed)
			to[(*n_to)++] = all[i];
	}
	return id;
}

static enum mr_err
write_batch(const struct mr_context *x, int64_t id, struct mr_destination *const *to, size_t n_to,
    struct mr_error *err)
{
	struct mr_planned_batch batch;
	enum mr_err e = mr_planned_load(x->db, id, &batch, err);

	if (e == MR_OK)
		e = mr_deliver_batch(x, &batch, to, n_to, true, err);
	mr_planned_free(&batch);
	if (e != MR_EINVAL)
		return e;
	/* The batch's own trouble; the others can be written. */
	mr_journal_complain(x->journal, err);
	x->totals->failures++;
	return MR_OK;
}

static enum mr_err
write_all(const struct mr_context *x, struct lists *l, struct mr_destination *const *all,
    size_t n_all, struct mr_error *err)
{
	struct mr_destination *to[MR_DESTINATIONS];
	struct mr_error why = MR_ERROR_INIT;
	enum mr_err e = MR_OK;
	size_t n_to;
	int64_t id;

	while (e == MR_OK && (id = take_next(l, all, n_all, to, &n_to)) != INT64_MAX)
		if (n_to > 0 && (e = write_batch(x, id, to, n_to, &why)) != MR_OK)
			*err = why;
	return e;
}

enum mr_err
mr_delivered_write_again(const struct mr_context *x, struct mr_destination *const *to,
    size_t n_to, struct mr_error *err)
{
	struct lists l = { .of = { NULL } };
	enum mr_err e = MR_OK;

	for (size_t i = 0; i < n_to && e == MR_OK; i++)
		e = mr_delivered_list(x, to[i], &l.of[i], err);
	if (e == MR_OK)
		e = write_all(x, &l, to, n_to, err);
	for (size_t i = 0; i < n_to; i++)
		mr_db_rows_free(l.of[i]);
	return e;
}
