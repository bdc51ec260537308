/* millrace-export: what is done besides. */
#include "export/exporter.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/log.h"
#include "export/unclaimed.h"

enum mr_err
sites_report(struct exporter *x, struct mr_error *err)
{
	struct mr_buf names;
	enum mr_err e;

	mr_buf_init(&names, 4096);
	e = mr_strays_find(x->db, x->conf, &x->sites_of_nobody, &names, err);
	if (x->sites_of_nobody > 0)
		mr_log_warning("%" PRId64 " sites belong to no client and are not exported: %.*s%s; "
		    "list them in the sites of a client", x->sites_of_nobody, (int)names.len,
		    mr_buf_str(&names).p, x->sites_of_nobody > 5 ? ", …" : "");
	mr_buf_free(&names);
	return e;
}

enum mr_err
history_purge(struct exporter *x, struct mr_error *err)
{
	/* A batch that a cursor stands on, or has not passed, stays. */
	static const char *const sql[] = {
		"DELETE FROM export_batches b WHERE planned_at < now() - $1::integer * "
		    "interval '1 day' AND (kind = 'manual' OR id < (SELECT min(batch) FROM "
		    "export_cursors c WHERE c.client = b.client))",
		"DELETE FROM export_audit WHERE at < now() - $1::integer * interval '1 day'",
		"DELETE FROM export_runs WHERE ended_at < now() - $1::integer * interval '1 day'",
	};
	char days[24];
	const char *params[] = { days };
	enum mr_err e = MR_OK;

	(void)snprintf(days, sizeof days, "%" PRId64, x->conf->history_days);
	for (size_t i = 0; i < sizeof sql / sizeof sql[0] && e == MR_OK; i++)
		e = export_tell(x, sql[i], params, 1, err);
	return e;
}
