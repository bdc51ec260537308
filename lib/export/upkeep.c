/* What an export does besides: see upkeep.h. */
#include "export/upkeep.h"

#include <inttypes.h>

#include "base/buf.h"
#include "base/log.h"
#include "db/query.h"
#include "export/runs.h"
#include "export/unclaimed.h"

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

enum mr_err
mr_upkeep_purge_history(const struct mr_context *x, struct mr_error *err)
{
	/* A batch that a cursor stands on, or has not passed, stays. */
	static const char batches[] = "DELETE FROM export_batches b WHERE planned_at < now() - "
	    "$1::integer * interval '1 day' AND (kind = 'manual' OR id < (SELECT min(batch) FROM "
	    "export_cursors c WHERE c.client = b.client))";
	static const char audit[] = "DELETE FROM export_audit WHERE at < now() - $1::integer * "
	    "interval '1 day'";
	struct mr_db_args args = MR_DB_ARGS_INIT;
	enum mr_err e;

	mr_db_arg_int(&args, x->conf->history_days);
	if ((e = mr_db_tell(x->db, batches, &args, err)) != MR_OK ||
	    (e = mr_db_tell(x->db, audit, &args, err)) != MR_OK ||
	    (e = mr_unclaimed_forget(x->db, x->conf->history_days, err)) != MR_OK)
		return e;
	return mr_runs_purge(x->db, x->conf->history_days, err);
}
