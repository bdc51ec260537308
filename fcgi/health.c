/* GET /health: see health.h. */
#include "health.h"

#include <unistd.h>

#include "admin.h"
#include "base/clock.h"
#include "buffer.h"
#include "config.h"
#include "cors.h"
#include "counters/shared.h"
#include "counters/stats.h"
#include "db/connection.h"
#include "format/jsonwriter.h"
#include "format/query.h"
#include "ingest/balance.h"
#include "response.h"

/* The sums of a large ledger take a while. */
#define BOOKS_TIMEOUT_MS 60000

static void
write_detail(const struct mr_worker *worker, const struct mr_error *why,
    struct mr_json_writer *w)
{
	mr_json_text(w, "version", mr_str(PACKAGE_VERSION));
	mr_json_text(w, "environment", mr_str(worker->conf->environment == MR_PRODUCTION ?
	    "production" : "development"));
	mr_json_int(w, "pid", getpid());
	mr_json_int(w, "uptime_s", (mr_clock_now_us() - worker->started_us) / MR_US_PER_S);
	mr_json_int(w, "threads", worker->conf->threads);
	if (why->text[0] != '\0')
		mr_json_text(w, "error", mr_str(why->text));
	mr_json_object(w, "counters");
	for (int i = 0; i < MR_STAT_N; i++)
		mr_json_uint(w, mr_stat_name((enum mr_stat)i), mr_stat_get((enum mr_stat)i));
	mr_json_end(w);
}

static void
write_balance(const struct mr_balance *a, struct mr_json_writer *w)
{
	mr_balance_put_amounts(w, a);
	mr_json_bool(w, "moving", a->moving);
	mr_json_int(w, "difference", a->difference);
}

/* The books, asked on a connection of its own; in the worker that is seldom done. */
static void
write_books(const struct mr_worker *worker, struct mr_json_writer *w)
{
	struct mr_db_options options = mr_db_options_of(worker->conf, "millrace books");
	struct mr_error why = MR_ERROR_INIT;
	struct mr_balance a;
	struct mr_db *db;

	options.query_timeout_ms = BOOKS_TIMEOUT_MS;
	db = mr_db_new(&options);
	mr_json_object(w, "books");
	if (db == NULL || mr_balance_take(db, worker->conf->spool_dir, mr_shared_instance(), &a,
	    &why) != MR_OK)
		mr_json_text(w, "error", mr_str(why.text));
	else
		write_balance(&a, w);
	mr_json_end(w);
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
	struct mr_json_writer *w;
	struct mr_writer_health h;

	mr_writer_check(worker->writer, &h);
	w = mr_response_begin(response, h.health == MR_UNHEALTHY ? 503 : 200);
	mr_json_text(w, "status", mr_str(words[h.health]));
	mr_json_text(w, "database", mr_str(database_word(worker->conf, &h)));
	if (admin)
		write_detail(worker, &h.why, w);
	if (admin && mr_query_get(request->arena, request->query, "books").p != NULL)
		write_books(worker, w);
	if (admin && mr_query_get(request->arena, request->query, "buffer").p != NULL)
		mr_buffer_write(worker, w);
	mr_response_end(response);
	mr_buf_add_cstr(&response->headers, "Cache-Control: no-store\r\n");
	mr_cors_answer(worker->conf, request->origin, MR_STR_NULL, &response->headers);
}
