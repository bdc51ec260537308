/* Rows that cannot be exported: see refused.h. */
#include "export/refused.h"

#include <inttypes.h>

#include "db/query.h"
#include "export/slices.h"
#include "export/sql.h"

#define OUTSIDE "' is outside the years 1 to 9999'"

/* Received at a time that can be shown, whatever the row says. */
#define COLUMNS "received_at, site_id, client_ip, event_index, reason, payload"
#define VALUES "CASE WHEN " MR_PLANNED_GOOD_TIME("received_at") " THEN received_at ELSE now() END, " \
	"site_id, client_ip, id, 'event ' || id || ': ' || CASE " \
	"WHEN NOT " MR_PLANNED_GOOD_TIME("created_at") " THEN 'created_at' || " OUTSIDE \
	" WHEN NOT " MR_PLANNED_GOOD_TIME("received_at") " THEN 'received_at' || " OUTSIDE \
	" WHEN NOT " MR_PLANNED_GOOD_TIME("event_time") " THEN 'event_time' || " OUTSIDE \
	" ELSE 'is too large to be exported' END AS reason, convert_to(payload::text, 'UTF8')"

/* Another client's batch, or another run, may have brought it there before. */
static enum mr_err
copy(struct mr_db *db, const struct mr_planned_batch *b, int64_t *n, struct mr_error *err)
{
	struct mr_buf sql;
	enum mr_err e;

	mr_buf_init(&sql, MR_SQL_MAX);
	mr_buf_add_cstr(&sql, "WITH bad AS MATERIALIZED (SELECT " VALUES " FROM events WHERE ");
	mr_planned_put_where(&sql, b->from.xip != NULL ? &b->from : NULL, &b->to, &b->filter);
	mr_buf_add_cstr(&sql, " AND NOT (" MR_PLANNED_GOOD ")), "
	    "new AS (INSERT INTO rejected_events (" COLUMNS ") SELECT * FROM bad b (" COLUMNS ") WHERE "
	    "NOT EXISTS (SELECT FROM rejected_events r WHERE r.site_id = b.site_id AND "
	    "r.event_index = b.event_index AND r.reason = b.reason) RETURNING 1), "
	    /* What is taken off the ledger's count less than nothing is added to it. */
	    "noted AS (INSERT INTO ingest_totals AS t (instance, stored, duplicate, rejected, deleted) "
	    "SELECT '00000000-0000-0000-0000-000000000000', 0, 0, 0, -count(*) FROM new "
	    "HAVING count(*) > 0 ON CONFLICT (instance) DO UPDATE SET "
	    "deleted = t.deleted + excluded.deleted) SELECT count(*) FROM bad");
	mr_buf_add_char(&sql, '\0');
	e = sql.failed ? mr_fail(err, MR_ENOMEM, "no memory") :
	    mr_db_ask_int(db, sql.p, NULL, n, err);
	mr_buf_free(&sql);
	return e;
}

static enum mr_err
count_anew(struct mr_db *db, struct mr_planned_batch *b, struct mr_error *err)
{
	struct mr_db_args args = MR_DB_ARGS_INIT;
	enum mr_err e;

	b->filter.good_only = true;
	if ((e = mr_slices_recount(db, b, &b->rows, err)) != MR_OK)
		return e;
	mr_db_arg_int(&args, b->id);
	mr_db_arg_int(&args, b->rows);
	return mr_db_tell(db, "UPDATE export_batches SET refuses = true, rows = $2::bigint "
	    "WHERE id = $1::bigint", &args, err);
}

enum mr_err
mr_refused_take_out(struct mr_db *db, struct mr_planned_batch *b, int64_t *n,
    struct mr_error *err)
{
	enum mr_err e;

	*n = 0;
	if ((e = mr_db_tell(db, "BEGIN", NULL, err)) != MR_OK ||
	    (e = copy(db, b, n, err)) != MR_OK ||
	    (*n > 0 && (e = count_anew(db, b, err)) != MR_OK))
		return e;
	return mr_db_tell(db, "COMMIT", NULL, err);
}
