/* GET /export/status and /export/config: see export.h. */
#include "export.h"

#include <inttypes.h>

#include "db/query.h"
#include "export/runs.h"
#include "export/state.h"
#include "export/target.h"
#include "export/unclaimed.h"
#include "format/jsonout.h"
#include "response.h"

/* Counting goes no further. */
#define MAX_PENDING 1000000

struct mr_db *
mr_export_connect(const struct mr_worker *worker, struct mr_response *response)
{
	const struct mr_db_options options = mr_db_options_of(worker->conf,
	    "millrace export status");
	struct mr_error err = MR_ERROR_INIT;
	struct mr_db *db = mr_db_new(&options);

	if (db == NULL)
		mr_response_fail(response, 503, "no memory to ask the database");
	else if (mr_db_ensure(db, &err) != MR_OK)
		mr_response_error(response, 503, &err);
	else
		return db;
	mr_db_free(db);
	return NULL;
}

static void
put_key(struct mr_buf *b, const char *key)
{
	mr_buf_add_char(b, ',');
	mr_jsonout_key(b, key);
}

static void
put_text(struct mr_buf *b, const char *key, struct mr_str value)
{
	put_key(b, key);
	mr_jsonout_string(b, value);
}

static void
put_int(struct mr_buf *b, const char *key, int64_t value)
{
	put_key(b, key);
	mr_buf_printf(b, "%" PRId64, value);
}

/* --- status --- */

struct totals {
	int64_t exported, pending, lag_s;
	bool failing;
};

static void
put_destination(struct mr_buf *b, const struct mr_db_rows *rows, int i, struct totals *t)
{
	int64_t pending = mr_db_int(rows, i, MR_STATE_PENDING);
	int64_t lag_s = mr_db_int(rows, i, MR_STATE_LAG_S);
	struct mr_str error = mr_db_value(rows, i, MR_STATE_ERROR);

	mr_buf_add_cstr(b, i > 0 ? ",{\"destination\":" : "{\"destination\":");
	mr_jsonout_string(b, mr_db_value(rows, i, MR_STATE_NAME));
	put_text(b, "url", mr_db_value(rows, i, MR_STATE_URL));
	put_text(b, "last_success", mr_db_value(rows, i, MR_STATE_SUCCEEDED));
	put_int(b, "lag_seconds", lag_s);
	put_int(b, "pending_events", pending);
	put_int(b, "events", mr_db_int(rows, i, MR_STATE_EVENTS));
	put_int(b, "objects", mr_db_int(rows, i, MR_STATE_OBJECTS));
	put_int(b, "bytes", mr_db_int(rows, i, MR_STATE_BYTES));
	put_text(b, "last_error", error);
	put_text(b, "last_error_at", mr_db_value(rows, i, MR_STATE_FAILED));
	mr_buf_add_char(b, '}');
	t->failing = t->failing || error.p != NULL;
	t->lag_s = lag_s > t->lag_s ? lag_s : t->lag_s;
	if (mr_str_eq(mr_db_value(rows, i, MR_STATE_NAME), MR_STR_LIT("bucket"))) {
		t->exported += mr_db_int(rows, i, MR_STATE_EVENTS);
		t->pending += pending;
	}
}

static enum mr_err
put_client(struct mr_buf *b, struct mr_db *db, const struct mr_conf *conf,
    const struct mr_conf_client *client, struct totals *t, struct mr_error *err)
{
	struct mr_db_rows *rows;
	enum mr_err e = mr_state_destinations(db, conf, client, MAX_PENDING, &rows, err);

	if (e != MR_OK)
		return e;
	mr_buf_add_cstr(b, client == conf->clients ? "{\"client\":" : ",{\"client\":");
	mr_jsonout_string(b, mr_str(client->name));
	mr_buf_add_cstr(b, ",\"destinations\":[");
	for (int i = 0; i < mr_db_n_rows(rows); i++)
		put_destination(b, rows, i, t);
	mr_buf_add_cstr(b, "]}");
	mr_db_rows_free(rows);
	return MR_OK;
}

static const char *
status_word(const struct mr_conf *conf, const struct totals *t, bool running)
{
	if (conf->n_clients == 0)
		return "unconfigured";
	return running ? "running" : t->failing ? "failing" : "idle";
}

/* Events that nobody exports. */
static enum mr_err
put_unclaimed(struct mr_buf *b, struct mr_db *db, const struct mr_conf *conf,
    struct mr_error *err)
{
	struct mr_buf names;
	int64_t n;
	enum mr_err e;

	mr_buf_init(&names, 4096);
	e = mr_unclaimed_find(db, conf, &n, &names, err);
	put_int(b, "sites_without_client", n);
	if (n > 0)
		put_text(b, "sites_without_client_names", mr_buf_str(&names));
	mr_buf_free(&names);
	return e;
}

static enum mr_err
put_runs(struct mr_buf *b, struct mr_db *db, struct mr_error *err)
{
	struct mr_db_rows *rows;
	enum mr_err e = mr_runs_list(db, &rows, err);

	if (e != MR_OK)
		return e;
	put_key(b, "runs");
	mr_buf_add_str(b, mr_db_value(rows, 0, 0));
	mr_db_rows_free(rows);
	return MR_OK;
}

static enum mr_err
write_status(struct mr_buf *b, struct mr_db *db, const struct mr_conf *conf, struct mr_error *err)
{
	struct totals t = { 0, 0, 0, false };
	struct mr_buf clients;
	bool at_work = false;
	enum mr_err e;

	mr_buf_init(&clients, b->max);
	e = mr_state_is_at_work(db, &at_work, err);
	for (size_t i = 0; i < conf->n_clients && e == MR_OK; i++)
		e = put_client(&clients, db, conf, &conf->clients[i], &t, err);
	if (e == MR_OK) {
		mr_buf_add_cstr(b, "{\"status\":");
		mr_jsonout_string(b, mr_str(status_word(conf, &t, at_work)));
		put_int(b, "exported_events", t.exported);
		put_int(b, "pending_events", t.pending);
		put_int(b, "lag_seconds", t.lag_s);
		e = put_unclaimed(b, db, conf, err);
		put_key(b, "clients");
		mr_buf_add_char(b, '[');
		mr_buf_add_str(b, mr_buf_str(&clients));
		mr_buf_add_char(b, ']');
	}
	if (e == MR_OK)
		e = put_runs(b, db, err);
	b->failed = b->failed || clients.failed;
	mr_buf_free(&clients);
	return e;
}

void
mr_export_status(struct mr_worker *worker, struct mr_request *request,
    struct mr_response *response)
{
	struct mr_db *db = mr_export_connect(worker, response);
	struct mr_error err = MR_ERROR_INIT;

	(void)request;
	mr_buf_add_cstr(&response->headers, "Cache-Control: no-store\r\n");
	if (db == NULL)
		return;
	mr_response_json(response, 200);
	if (write_status(&response->body, db, worker->conf, &err) == MR_OK)
		mr_response_close(response);
	else
		mr_response_error(response, 503, &err);
	mr_db_free(db);
}

/* --- config --- */

static void
put_bucket(struct mr_buf *b, const char *name, const struct mr_conf_bucket *c)
{
	static const char *const styles[] = { "auto", "on", "off" };

	mr_buf_add_cstr(b, "{\"destination\":");
	mr_jsonout_string(b, mr_str(name));
	put_text(b, "bucket", mr_str(c->bucket));
	put_text(b, "prefix", mr_str(c->prefix));
	if (!mr_target_is_folder(c)) {
		put_text(b, "region", mr_str(c->region));
		put_text(b, "endpoint", mr_str(c->endpoint));
		put_text(b, "path_style", mr_str(styles[c->path_style]));
		put_text(b, "credentials", mr_str(c->access_key[0] != '\0' ? "configured" :
		    "environment"));
		put_text(b, "role_arn", mr_str(c->role_arn));
		put_text(b, "sse", mr_str(c->sse));
		put_text(b, "storage_class", mr_str(c->storage_class));
		put_int(b, "part_size", c->part_bytes);
	}
	mr_buf_add_char(b, '}');
}

static void
put_client_config(struct mr_buf *b, const struct mr_conf_client *client)
{
	static const char *const frequencies[] = { "realtime", "hourly", "daily" };

	mr_buf_add_cstr(b, "{\"client\":");
	mr_jsonout_string(b, mr_str(client->name));
	put_key(b, "sites");
	mr_buf_add_char(b, '[');
	for (size_t i = 0; i < client->sites.n; i++) {
		if (i > 0)
			mr_buf_add_char(b, ',');
		mr_jsonout_string(b, mr_str(client->sites.items[i]));
	}
	mr_buf_add_char(b, ']');
	put_text(b, "format", mr_str(client->format));
	put_text(b, "compression", mr_str(client->compression));
	put_text(b, "frequency", mr_str(frequencies[client->frequency]));
	put_key(b, "destinations");
	mr_buf_add_char(b, '[');
	put_bucket(b, "bucket", &client->target);
	if (client->has_backup) {
		mr_buf_add_char(b, ',');
		put_bucket(b, "backup", &client->backup);
	}
	mr_buf_add_cstr(b, "]}");
}

void
mr_export_config(struct mr_worker *worker, struct mr_request *request,
    struct mr_response *response)
{
	const struct mr_conf *conf = worker->conf;
	struct mr_buf *b = &response->body;

	(void)request;
	mr_response_json(response, 200);
	mr_buf_printf(b, "{\"spawn\":%s", conf->spawn ? "true" : "false");
	put_int(b, "batch_max_rows", conf->batch_max_rows);
	put_int(b, "history_days", conf->history_days);
	put_key(b, "clients");
	mr_buf_add_char(b, '[');
	for (size_t i = 0; i < conf->n_clients; i++) {
		if (i > 0)
			mr_buf_add_char(b, ',');
		put_client_config(b, &conf->clients[i]);
	}
	mr_buf_add_char(b, ']');
	mr_response_close(response);
	mr_buf_add_cstr(&response->headers, "Cache-Control: no-store\r\n");
}
