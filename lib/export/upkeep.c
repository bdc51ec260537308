/* What an export does besides: see upkeep.h. */
#include "export/upkeep.h"

#include <inttypes.h>

#include "base/buf.h"
#include "base/log.h"
#include "db/query.h"
#include "export/runs.h"
#include "export/unclaimed.h"

#define STEP 500 /* rows; an export batch takes its objects along */
#define DAY_S INT64_C(86400)

enum mr_err
mr_upkeep_report_unclaimed(const struct mr_context *x, struct mr_error *err)
{
	int64_t *n = &x->totals->unclaimed_sites;
	struct mr_buf names;
	enum mr_err e;

	mr_buf_init(&names, 4096);
	e = mr_unclaimed_note(x->db, x->conf, err);
	if (e == MR_OK)
		e = mr_unclaimed_find(x->db, x->conf, n, &names, err);
	if (*n > 0)
		mr_log_warning("%" PRId64 " sites belong to no client and are not exported: %.*s%s; "
		    "list them in the sites of a client", *n, (int)names.len, mr_buf_str(&names).p,
		    *n > 5 ? ", …" : "");
	mr_buf_free(&names);
	return e;
}

/* Steps, so that no transaction is long, however much has become old. */
static enum mr_err
forget_in_steps(struct mr_db *db, const char *sql, int64_t older_s, int64_t *n,
    struct mr_error *err)
{
	struct mr_db_args args = MR_DB_ARGS_INIT;
	struct mr_db_rows *rows;
	long gone;
	enum mr_err e;

	mr_db_arg_int(&args, older_s);
	mr_db_arg_int(&args, STEP);
	do {
		if ((e = mr_db_ask(db, sql, &args, &rows, err)) != MR_OK)
			return e;
		gone = mr_db_n_changed(rows);
		*n += gone;
		mr_db_rows_free(rows);
	} while (gone == STEP);
	return MR_OK;
}

/*
 * When the last of a partition was delivered has to be known until it is dropped, and a while
 * longer, or it would seem to have been delivered only now, for ever.
 */
static int64_t
batches_s(const struct mr_conf *conf)
{
	int64_t least_s = conf->keep_events_s + 2 * DAY_S;

	return conf->keep_history_s > least_s ? conf->keep_history_s : least_s;
}

enum mr_err
mr_upkeep_forget(struct mr_db *db, const struct mr_conf *conf, int64_t *n, struct mr_error *err)
{
	/* A batch that a cursor stands on, or has not passed, stays. */
	static const char batches[] = "DELETE FROM export_batches WHERE id IN (SELECT id FROM "
	    "export_batches b WHERE planned_at < now() - $1::bigint * interval '1 second' AND "
	    "(kind = 'manual' OR id < (SELECT min(batch) FROM export_cursors c WHERE "
	    "c.client = b.client)) ORDER BY id LIMIT $2::bigint)";
	static const char audit[] = "DELETE FROM export_audit WHERE id IN (SELECT id FROM export_audit "
	    "WHERE at < now() - $1::bigint * interval '1 second' ORDER BY id LIMIT $2::bigint)";
	/* An upload so old has been aborted by the bucket's own rules, or never will be. */
	static const char uploads[] = "DELETE FROM export_uploads WHERE (client, destination, key, "
	    "upload_id) IN (SELECT client, destination, key, upload_id FROM export_uploads WHERE "
	    "created_at < now() - $1::bigint * interval '1 second' LIMIT $2::bigint)";
	int64_t older_s = conf->keep_history_s;
	enum mr_err e;

	if ((e = forget_in_steps(db, batches, batches_s(conf), n, err)) != MR_OK ||
	    (e = forget_in_steps(db, audit, older_s, n, err)) != MR_OK ||
	    (e = forget_in_steps(db, uploads, older_s, n, err)) != MR_OK ||
	    (e = mr_unclaimed_forget(db, older_s, err)) != MR_OK)
		return e;
	return mr_runs_purge(db, older_s, err);
}

enum mr_err
mr_upkeep_purge_history(const struct mr_context *x, struct mr_error *err)
{
	int64_t n = 0;

	return mr_upkeep_forget(x->db, x->conf, &n, err);
}
