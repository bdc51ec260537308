/* GET /health: see health.h. */
#include "health.h"

#include <unistd.h>

#include "admin.h"
#include "base/clock.h"
#include "config.h"
#include "cors.h"
#include "counters/shared.h"
#include "counters/stats.h"
#include "db/connection.h"
#include "format/jsonout.h"
#include "format/query.h"
#include "ingest/balance.h"
#include "response.h"

/* The sums of a large ledger take a while. */
#define BOOKS_TIMEOUT_MS 60000

static void
write_detail(const struct mr_worker *worker, const struct mr_error *why, struct mr_buf *b)
{
	mr_buf_printf(b, ",\"version\":\"%s\",\"environment\":\"%s\",\"pid\":%ld,"
	    "\"uptime_s\":%lld,\"threads\":%lld", PACKAGE_VERSION,
	    worker->conf->environment == MR_PRODUCTION ? "production" : "development",
	    (long)getpid(), (long long)((mr_clock_now_us() - worker->started_us) / MR_US_PER_S),
	    (long long)worker->conf->threads);
	if (why->text[0] != '\0') {
		mr_buf_add_cstr(b, ",\"error\":");
		mr_jsonout_string(b, mr_str(why->text));
	}
	mr_buf_add_cstr(b, ",\"counters\":{");
	for (int i = 0; i < MR_STAT_N; i++)
		mr_buf_printf(b, "%s\"%s\":%llu", i > 0 ? "," : "",
		    mr_stat_name((enum mr_stat)i),
		    (unsigned long long)mr_stat_get((enum mr_stat)i));
	mr_buf_add_char(b, '}');
}

/* The books, asked on a connection of its own; in the worker that is seldom done. */
static void
write_books(const struct mr_worker *worker, struct mr_buf *b)
{
	struct mr_db_options options = mr_db_options_of(worker->conf, "millrace books");
	struct mr_error why = MR_ERROR_INIT;
	struct mr_balance a;
	struct mr_db *db;

	options.query_timeout_ms = BOOKS_TIMEOUT_MS;
	db = mr_db_new(&options);
	mr_buf_add_cstr(b, ",\"books\":");
	if (db == NULL || mr_balance_take(db, worker->conf->spool_dir, mr_shared_instance(), &a,
	    &why) != MR_OK) {
		mr_buf_add_cstr(b, "{\"error\":");
		mr_jsonout_string(b, mr_str(why.text));
		mr_buf_add_char(b, '}');
	} else {
		mr_buf_printf(b, "{\"accepted\":%lld,\"in_flight\":%lld,\"stored\":%lld,"
		    "\"duplicate\":%lld,\"rejected\":%lld,\"spooled\":%lld,\"quarantined\":%lld,"
		    "\"moving\":%s,\"difference\":%lld}", (long long)a.accepted,
		    (long long)a.in_flight, (long long)a.stored, (long long)a.duplicate,
		    (long long)a.rejected, (long long)a.spooled, (long long)a.quarantined,
		    a.moving ? "true" : "false", (long long)a.difference);
	}
	mr_db_free(db);
}

static const char *
database_word(const struct mr_conf *conf, const struct mr_writer_health *h)
{
	if (conf->ingest == MR_INGEST_SPOOL)
		return "not used";
	return h->connected ? "connected" : "disconnected";
}

void
mr_health_serve(struct mr_worker *worker, struct mr_request *request,
    struct mr_response *response)
{
	static const char *const words[] = { [MR_HEALTHY] = "healthy",
		[MR_DEGRADED] = "degraded", [MR_UNHEALTHY] = "unhealthy" };
	bool admin = request->authorization.p != NULL && mr_admin_may(worker, request);
	struct mr_writer_health h;

	mr_writer_check(worker->writer, &h);
	mr_response_json(response, h.health == MR_UNHEALTHY ? 503 : 200);
	mr_buf_printf(&response->body, "{\"status\":\"%s\",\"database\":\"%s\"",
	    words[h.health], database_word(worker->conf, &h));
	if (admin)
		write_detail(worker, &h.why, &response->body);
	if (admin && mr_query_get(request->arena, request->query, "books").p != NULL)
		write_books(worker, &response->body);
	mr_response_close(response);
	mr_buf_add_cstr(&response->headers, "Cache-Control: no-store\r\n");
	mr_cors_answer(worker->conf, request->origin, MR_STR_NULL, &response->headers);
}
