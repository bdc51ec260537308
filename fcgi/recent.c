/*
 * GET /events/recent: see recent.h. Reads on a short connection of its own, so
 * that the writer never waits for a reader; one at a time in a worker.
 */
#include "recent.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "db/connection.h"
#include "db/query.h"
#include "format/jsonwriter.h"
#include "format/query.h"
#include "response.h"

#define DEFAULT_LIMIT "20"
#define MAX_LIMIT 500
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
 * $1: how far back, $2: how many, $3: the site or NULL, $4: whether fewer will do. The
 * span lets the BRIN index pass over all but the last pages of a large day, and over
 * those that have nothing of the site.
 *
 * Payloads are measured as text, which may be many times what is stored, and only
 * those of the rows that are answered; OFFSET 0: once each. That unpacks and copies
 * them, so one that is too large by what it takes up is not even measured.
 */
static const char sql[] =
    "WITH newest AS MATERIALIZED (SELECT * FROM events "
    "WHERE created_at >= now() - $1::interval AND ($3::text IS NULL OR site_id = $3) "
    "ORDER BY created_at DESC, id DESC LIMIT $2::integer) "
    "SELECT row_to_json(r) FROM (SELECT id, " TIME("created_at") ", " TIME("received_at") ", "
    TIME("event_time") ", site_id, event_type, session_id, visitor_id, "
    "host(client_ip) AS client_ip, user_agent, "
    "CASE WHEN payload_bytes <= " MAX_PAYLOAD " THEN payload END AS payload, payload_bytes "
    "FROM (SELECT *, CASE WHEN pg_column_size(payload) > " MAX_STORED
    " THEN pg_column_size(payload) ELSE octet_length(payload::text) END AS payload_bytes "
    "FROM newest WHERE $4::boolean OR (SELECT count(*) FROM newest) >= $2::integer "
    "OFFSET 0) AS e) AS r";

/* Looked at one after the other until enough is found. */
static const char *const spans[] = { "1 second", "1 minute", "1 hour", "1 day", "7 days",
	"100 years" };
#define N_SPANS (sizeof spans / sizeof spans[0])

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
	    atoi(text) <= MAX_LIMIT;
}

static void
write_rows(const struct mr_db_rows *rows, struct mr_response *response)
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
	mr_json_end(&w);
	(void)mr_json_done(&w);
}

static enum mr_db_class
query(struct mr_db *db, const char *limit, const char *site, struct mr_db_rows **rows,
    struct mr_error *err)
{
	const char *params[] = { NULL, limit, site, NULL };
	enum mr_db_class class = MR_DB_OK;

	*rows = NULL;
	for (size_t i = 0; i < N_SPANS && class == MR_DB_OK; i++) {
		if (*rows != NULL && mr_db_n_rows(*rows) > 0)
			break;
		mr_db_rows_free(*rows);
		params[0] = spans[i];
		params[3] = i + 1 < N_SPANS ? "false" : "true";
		class = mr_db_query(db, sql, params, 4, rows, err);
	}
	return class;
}

static void
serve(struct mr_db *db, const char *limit, const char *site, struct mr_response *response)
{
	struct mr_error err = MR_ERROR_INIT;
	struct mr_db_rows *rows = NULL;

	if (mr_db_ensure(db, &err) == MR_OK && query(db, limit, site, &rows, &err) == MR_DB_OK)
		write_rows(rows, response);
	else
		mr_response_error(response, 503, &err);
	mr_db_rows_free(rows);
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
	serve(db, limit, site, response);
	pthread_mutex_unlock(&one_reader);
	mr_db_free(db);
	mr_buf_add_cstr(&response->headers, "Cache-Control: no-store\r\n");
}
