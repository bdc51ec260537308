/* GET /health: see health.h. */
#include "health.h"

#include <unistd.h>

#include "admin.h"
#include "askers.h"
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

/* Asks the database, unless another request does so at the moment. */
static void
check(struct mr_worker *worker, struct mr_writer_health *h)
{
	if (!mr_askers_enter(worker->health_askers)) {
		mr_writer_look(worker->writer, h);
		return;
	}
	mr_writer_check(worker->writer, h);
	mr_askers_leave(worker->health_askers);
}

/* What an administrator may ask for besides. */
static const struct extra {
	const char *parameter;
	void (*write)(const struct mr_worker *, struct mr_json_writer *);
} extras[] = { { "books", write_books }, { "buffer", mr_buffer_write } };
#define N_EXTRAS (sizeof extras / sizeof extras[0])

static bool
is_wanted(struct mr_request *request, const struct extra *extra)
{
	return mr_query_get(request->arena, request->query, extra->parameter).p != NULL;
}

static bool
wants_extras(struct mr_request *request)
{
	bool wants = false;

	for (size_t i = 0; i < N_EXTRAS; i++)
		wants = wants || is_wanted(request, &extras[i]);
	return wants;
}

static void
write_extras(const struct mr_worker *worker, struct mr_request *request, struct mr_json_writer *w)
{
	for (size_t i = 0; i < N_EXTRAS; i++)
		if (is_wanted(request, &extras[i]))
			extras[i].write(worker, w);
}

static void
answer(struct mr_worker *worker, struct mr_request *request, bool admin, bool extra,
    struct mr_response *response)
{
	static const char *const words[] = { [MR_HEALTHY] = "healthy",
		[MR_DEGRADED] = "degraded", [MR_UNHEALTHY] = "unhealthy" };
	struct mr_json_writer *w;
	struct mr_writer_health h;

	check(worker, &h);
	w = mr_response_begin(response, h.health == MR_UNHEALTHY ? 503 : 200);
	mr_json_text(w, "status", mr_str(words[h.health]));
	mr_json_text(w, "database", mr_str(database_word(worker->conf, &h)));
	if (admin)
		write_detail(worker, &h.why, w);
	if (extra)
		write_extras(worker, request, w);
	mr_response_end(response);
}

void
mr_health_serve(struct mr_worker *worker, struct mr_request *request,
    struct mr_response *response)
{
	bool admin = request->authorization.p != NULL && mr_admin_may(worker, request);
	bool extra = admin && wants_extras(request);

	if (extra && !mr_askers_enter(worker->askers)) {
		mr_askers_refuse(response);
	} else {
		answer(worker, request, admin, extra, response);
		if (extra)
			mr_askers_leave(worker->askers);
	}
	mr_buf_add_cstr(&response->headers, "Cache-Control: no-store\r\n");
	mr_cors_answer(worker->conf, request->origin, MR_STR_NULL, &response->headers);
}
