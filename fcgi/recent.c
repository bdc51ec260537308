/*
 * GET /events/recent: see recent.h. Reads on a short connection of its own, so
 * that the writer never waits for a reader; one at a time in a worker.
 */
#include "recent.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "db/connection.h"
#include "db/query.h"
#include "format/jsonwriter.h"
#include "format/query.h"
#include "newest.h"
#include "response.h"

#define DEFAULT_LIMIT "20"
/* Bytes of a payload that is shown, 32 MiB in all: half of what an answer may have. */
#define MAX_PAYLOAD "65536"
/*
 * Bytes, as stored, of one that is larger in any case: compressed or not, json takes no more
 * than its text, and jsonb no more than four times as much (12 bytes for "1, ").
 */
#define MAX_STORED "(4 * 65536 + 1024)"

static pthread_mutex_t one_reader = PTHREAD_MUTEX_INITIALIZER;

#define TIME(column) "to_char(e." column " AT TIME ZONE 'UTC', " \
	"'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') AS " column

/*
 * $1: no row is older, $2: where they lie, $3: which they are.
 *
 * Payloads are measured as text, which may be many times what is stored, and only
 * those of the rows that are answered; OFFSET 0: once each. That unpacks and copies
 * them, so one that is too large by what it takes up is not even measured.
 */
static const char sql[] =
    "SELECT row_to_json(r) FROM (SELECT id, " TIME("created_at") ", " TIME("received_at") ", "
    TIME("event_time") ", site_id, event_type, session_id, visitor_id, "
    "host(client_ip) AS client_ip, user_agent, "
    "CASE WHEN payload_bytes <= " MAX_PAYLOAD " THEN payload END AS payload, payload_bytes "
    "FROM (SELECT *, CASE WHEN pg_column_size(payload) > " MAX_STORED
    " THEN pg_column_size(payload) ELSE octet_length(payload::text) END AS payload_bytes "
    "FROM (SELECT * FROM events WHERE created_at >= $1::timestamptz AND ctid = ANY ($2::tid[]) AND "
    "id = ANY ($3::bigint[]) ORDER BY created_at DESC, id DESC) AS newest OFFSET 0) AS e) AS r";

/* A C string of the arena; NULL for "no value" (or no memory). */
static const char *
parameter(struct mr_request *request, const char *name, const char *fallback)
{
	struct mr_str value = mr_query_get(request->arena, request->query, name);

	if (value.p == NULL || value.n == 0)
		return fallback;
	return mr_arena_dup(request->arena, value).p;
}

static bool
limit_ok(const char *text)
{
	size_t n = strlen(text);

	return n > 0 && n <= 3 && strspn(text, "0123456789") == n && atoi(text) >= 1 &&
	    atoi(text) <= MR_NEWEST_MAX;
}

static void
write_rows(const struct mr_db_rows *rows, int64_t looked_back_us, struct mr_response *response)
{
	struct mr_json_writer w;
	int n = mr_db_n_rows(rows);

	mr_response_json(response, 200);
	mr_json_begin(&w, &response->body);
	mr_json_object(&w, NULL);
	mr_json_array(&w, "events");
	for (int i = 0; i < n; i++)
		mr_json_as_is(&w, NULL, mr_db_value(rows, i, 0));
	mr_json_end(&w);
	mr_json_int(&w, "count", n);
	if (looked_back_us != 0)
		mr_json_time(&w, "looked_back_to", looked_back_us);
	mr_json_end(&w);
	(void)mr_json_done(&w);
}

/* Arrays of PostgreSQL, as text: where the rows lie, and which they are. */
static void
put_arrays(const struct mr_newest *newest, struct mr_buf *places, struct mr_buf *ids)
{
	for (size_t i = 0; i < newest->n; i++) {
		mr_buf_printf(places, "%c\"%s\"", i == 0 ? '{' : ',', newest->rows[i].place);
		mr_buf_printf(ids, "%c%" PRId64, i == 0 ? '{' : ',', newest->rows[i].id);
	}
	mr_buf_add_cstr(places, newest->n == 0 ? "{}" : "}");
	mr_buf_add_cstr(ids, newest->n == 0 ? "{}" : "}");
	mr_buf_add_char(places, '\0');
	mr_buf_add_char(ids, '\0');
}

static enum mr_err
fetch(struct mr_db *db, const struct mr_newest *newest, struct mr_db_rows **rows,
    struct mr_error *err)
{
	struct mr_db_args args = MR_DB_ARGS_INIT;
	struct mr_buf places, ids;
	enum mr_err e = MR_ENOMEM;

	mr_buf_init(&places, sizeof newest->rows);
	mr_buf_init(&ids, sizeof newest->rows);
	put_arrays(newest, &places, &ids);
	mr_db_arg_text(&args, newest->n == 0 ? "infinity" : newest->since);
	mr_db_arg_text(&args, places.p);
	mr_db_arg_text(&args, ids.p);
	if (places.failed || ids.failed)
		(void)mr_fail(err, e, "no memory to ask the database");
	else
		e = mr_db_ask(db, sql, &args, rows, err);
	mr_buf_free(&places);
	mr_buf_free(&ids);
	return e;
}

static enum mr_err
query(struct mr_db *db, size_t limit, const char *site, struct mr_response *response,
    struct mr_error *err)
{
	struct mr_newest *newest = calloc(1, sizeof *newest);
	struct mr_db_rows *rows = NULL;
	enum mr_err e;

	if (newest == NULL)
		return mr_fail(err, MR_ENOMEM, "no memory to ask the database");
	if ((e = mr_db_ensure(db, err)) == MR_OK &&
	    (e = mr_newest_find(db, site, limit, newest, err)) == MR_OK &&
	    (e = fetch(db, newest, &rows, err)) == MR_OK)
		write_rows(rows, newest->looked_back_us, response);
	mr_db_rows_free(rows);
	free(newest);
	return e;
}

static void
serve(struct mr_db *db, size_t limit, const char *site, struct mr_response *response)
{
	struct mr_error err = MR_ERROR_INIT;

	if (query(db, limit, site, response, &err) != MR_OK)
		mr_response_error(response, 503, &err);
}

void
mr_recent_serve(struct mr_worker *worker, struct mr_request *request,
    struct mr_response *response)
{
	const struct mr_db_options options = mr_db_options_of(worker->conf, "millrace recent");
	const char *limit = parameter(request, "limit", DEFAULT_LIMIT);
	const char *site = parameter(request, "site", NULL);
	struct mr_db *db;

	if (limit == NULL || !limit_ok(limit)) {
		mr_response_fail(response, 400, "limit must be a number from 1 to 500");
		return;
	}
	db = mr_db_new(&options);
	if (db == NULL) {
		mr_response_fail(response, 503, "no memory to ask the database");
		return;
	}
	pthread_mutex_lock(&one_reader);
	/* For all statements together, as others wait. */
	mr_db_set_deadline(db, mr_clock_mono_ms() + options.connect_timeout_ms +
	    options.query_timeout_ms);
	serve(db, (size_t)atoi(limit), site, response);
	pthread_mutex_unlock(&one_reader);
	mr_db_free(db);
	mr_buf_add_cstr(&response->headers, "Cache-Control: no-store\r\n");
}
