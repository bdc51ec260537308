/* Connections of a run, and its end by a signal: see context.h. */
#include "export/context.h"

#include "db/query.h"
#include "db/schema.h"

#define SET_TIMEOUT_MS 5000
#define QUERY_TIMEOUT_MS INT64_C(3600000)

/* When we are killed, a long query ends soon, and with it the lock. */
static enum mr_err
set_up(struct mr_db *db, void *arg, struct mr_error *err)
{
	(void)arg;
	if (mr_db_script(db, "SET client_connection_check_interval = '1s'", SET_TIMEOUT_MS,
	    err) != MR_DB_OK)
		return MR_EAGAIN;
	return mr_schema_migrate(db, err);
}

enum mr_err
mr_context_connect(struct mr_context *x, struct mr_error *err)
{
	struct mr_db_options options = mr_db_options_of(x->conf, "millrace export");
	bool all;

	options.query_timeout_ms = QUERY_TIMEOUT_MS;
	options.idle_check_s = INT64_C(1) << 30;
	options.stop = x->stop;
	options.on_connect = set_up;
	x->db = mr_db_new(&options);
	all = x->db != NULL;
	options.on_connect = NULL;
	for (size_t i = 0; i < MR_EXPORT_READERS; i++)
		all = (x->readers[i] = mr_db_new(&options)) != NULL && all;
	return all ? mr_db_ensure(x->db, err) : mr_fail(err, MR_ENOMEM, "no memory");
}

void
mr_context_disconnect(struct mr_context *x)
{
	mr_db_free(x->db);
	x->db = NULL;
	for (size_t i = 0; i < MR_EXPORT_READERS; i++) {
		mr_db_free(x->readers[i]);
		x->readers[i] = NULL;
	}
}

enum mr_err
mr_context_stopped(const struct mr_context *x, struct mr_error *err)
{
	if (*x->stop == 0)
		return MR_OK;
	return mr_fail(err, MR_EAGAIN, "stopped by a signal; the next run goes on from here");
}
