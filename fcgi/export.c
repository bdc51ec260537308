/* GET /export/status and /export/config: see export.h. */
#include "export.h"

#include "db/query.h"
#include "export/runs.h"
#include "export/state.h"
#include "export/target.h"
#include "export/unclaimed.h"
#include "format/jsonwriter.h"
#include "response.h"

/* Counting goes no further, of the clients of one frequency together. */
#define MAX_PENDING 1000000
#define N_FREQUENCIES (MR_DAILY + 1)

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

/* --- status --- */

struct totals {
	int64_t exported, pending, lag_s;
	bool failing;
};

static void
put_destination(struct mr_json_writer *w, const struct mr_db_rows *rows, int i, struct totals *t)
{
	int64_t pending = mr_db_int(rows, i, MR_STATE_PENDING);
	int64_t lag_s = mr_db_int(rows, i, MR_STATE_LAG_S);
	struct mr_str error = mr_db_value(rows, i, MR_STATE_ERROR);

	mr_json_object(w, NULL);
	mr_json_text(w, "destination", mr_db_value(rows, i, MR_STATE_NAME));
	mr_json_text(w, "url", mr_db_value(rows, i, MR_STATE_URL));
	mr_json_text(w, "last_success", mr_db_value(rows, i, MR_STATE_SUCCEEDED));
	mr_json_int(w, "lag_seconds", lag_s);
	mr_json_int(w, "pending_events", pending);
	mr_json_int(w, "events", mr_db_int(rows, i, MR_STATE_EVENTS));
	mr_json_int(w, "objects", mr_db_int(rows, i, MR_STATE_OBJECTS));
	mr_json_int(w, "bytes", mr_db_int(rows, i, MR_STATE_BYTES));
	mr_json_text(w, "last_error", error);
	mr_json_text(w, "last_error_at", mr_db_value(rows, i, MR_STATE_FAILED));
	mr_json_end(w);
	t->failing = t->failing || error.p != NULL;
	t->lag_s = lag_s > t->lag_s ? lag_s : t->lag_s;
	if (mr_str_eq(mr_db_value(rows, i, MR_STATE_NAME), MR_STR_LIT("bucket"))) {
		t->exported += mr_db_int(rows, i, MR_STATE_EVENTS);
		t->pending += pending;
	}
}

/* Row r of the destinations, and those behind it of the same client; returns the next one. */
static int
put_client(struct mr_json_writer *w, const struct mr_conf_client *client,
    const struct mr_db_rows *rows, int r, struct totals *t)
{
	int64_t place = mr_db_int(rows, r, MR_STATE_CLIENT);

	mr_json_object(w, NULL);
	mr_json_text(w, "client", mr_str(client->name));
	mr_json_array(w, "destinations");
	for (; r < mr_db_n_rows(rows) && mr_db_int(rows, r, MR_STATE_CLIENT) == place; r++)
		put_destination(w, rows, r, t);
	mr_json_end(w);
	mr_json_end(w);
	return r;
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
put_unclaimed(struct mr_json_writer *w, struct mr_db *db, const struct mr_conf *conf,
    struct mr_error *err)
{
	struct mr_buf names;
	int64_t n;
	enum mr_err e;

	mr_buf_init(&names, 4096);
	e = mr_unclaimed_find(db, conf, &n, &names, err);
	mr_json_int(w, "sites_without_client", n);
	if (n > 0)
		mr_json_text(w, "sites_without_client_names", mr_buf_str(&names));
	mr_buf_free(&names);
	return e;
}

static enum mr_err
put_runs(struct mr_json_writer *w, struct mr_db *db, struct mr_error *err)
{
	struct mr_db_rows *rows;
	enum mr_err e = mr_runs_list(db, &rows, err);

	if (e != MR_OK)
		return e;
	mr_json_as_is(w, "runs", mr_db_value(rows, 0, 0));
	mr_db_rows_free(rows);
	return MR_OK;
}

/* The clients in the order of the configuration, each with the rows of its frequency. */
static void
put_clients(struct mr_json_writer *w, const struct mr_conf *conf,
    struct mr_db_rows *const rows[N_FREQUENCIES], struct totals *t)
{
	int at[N_FREQUENCIES] = { 0 };

	for (size_t i = 0; i < conf->n_clients; i++) {
		int64_t f = conf->clients[i].frequency;

		at[f] = put_client(w, &conf->clients[i], rows[f], at[f], t);
	}
}

/* The array of clients, to be put behind what all of them add up to. */
static enum mr_err
write_clients(struct mr_buf *to, struct mr_db *db, const struct mr_conf *conf, struct totals *t,
    struct mr_error *err)
{
	struct mr_db_rows *rows[N_FREQUENCIES] = { NULL };
	struct mr_json_writer w;
	enum mr_err e = MR_OK;

	for (int f = 0; f < N_FREQUENCIES && e == MR_OK; f++)
		e = mr_state_destinations(db, conf, (enum mr_frequency)f, MAX_PENDING, &rows[f], err);
	mr_json_begin(&w, to);
	mr_json_array(&w, NULL);
	if (e == MR_OK)
		put_clients(&w, conf, rows, t);
	mr_json_end(&w);
	for (int f = 0; f < N_FREQUENCIES; f++)
		mr_db_rows_free(rows[f]);
	return e;
}

static enum mr_err
write_status(struct mr_json_writer *w, struct mr_db *db, const struct mr_conf *conf,
    struct mr_error *err)
{
	struct totals t = { 0, 0, 0, false };
	struct mr_buf clients;
	bool at_work = false;
	enum mr_err e;

	mr_buf_init(&clients, w->to->max);
	if ((e = mr_state_is_at_work(db, &at_work, err)) == MR_OK &&
	    (e = write_clients(&clients, db, conf, &t, err)) == MR_OK) {
		mr_json_text(w, "status", mr_str(status_word(conf, &t, at_work)));
		mr_json_int(w, "exported_events", t.exported);
		mr_json_int(w, "pending_events", t.pending);
		mr_json_int(w, "lag_seconds", t.lag_s);
		e = put_unclaimed(w, db, conf, err);
		mr_json_as_is(w, "clients", mr_buf_str(&clients));
	}
	if (e == MR_OK)
		e = put_runs(w, db, err);
	w->to->failed = w->to->failed || clients.failed;
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
	if (write_status(mr_response_begin(response, 200), db, worker->conf, &err) == MR_OK)
		mr_response_end(response);
	else
		mr_response_error(response, 503, &err);
	mr_db_free(db);
}

/* --- config --- */

static void
put_bucket(struct mr_json_writer *w, const char *name, const struct mr_conf_bucket *c)
{
	static const char *const styles[] = { "auto", "on", "off" };

	mr_json_object(w, NULL);
	mr_json_text(w, "destination", mr_str(name));
	mr_json_text(w, "bucket", mr_str(c->bucket));
	mr_json_text(w, "prefix", mr_str(c->prefix));
	if (!mr_target_is_folder(c)) {
		mr_json_text(w, "region", mr_str(c->region));
		mr_json_text(w, "endpoint", mr_str(c->endpoint));
		mr_json_text(w, "path_style", mr_str(styles[c->path_style]));
		mr_json_text(w, "credentials", mr_str(c->access_key[0] != '\0' ? "configured" :
		    "environment"));
		mr_json_text(w, "role_arn", mr_str(c->role_arn));
		mr_json_text(w, "sse", mr_str(c->sse));
		mr_json_text(w, "storage_class", mr_str(c->storage_class));
		mr_json_int(w, "part_size", c->part_bytes);
	}
	mr_json_end(w);
}

static void
put_client_config(struct mr_json_writer *w, const struct mr_conf_client *client)
{
	static const char *const frequencies[] = { "realtime", "hourly", "daily" };

	mr_json_object(w, NULL);
	mr_json_text(w, "client", mr_str(client->name));
	mr_json_array(w, "sites");
	for (size_t i = 0; i < client->sites.n; i++)
		mr_json_text(w, NULL, mr_str(client->sites.items[i]));
	mr_json_end(w);
	mr_json_text(w, "format", mr_str(client->format));
	mr_json_text(w, "compression", mr_str(client->compression));
	mr_json_text(w, "frequency", mr_str(frequencies[client->frequency]));
	mr_json_array(w, "destinations");
	put_bucket(w, "bucket", &client->target);
	if (client->has_backup)
		put_bucket(w, "backup", &client->backup);
	mr_json_end(w);
	mr_json_end(w);
}

void
mr_export_config(struct mr_worker *worker, struct mr_request *request,
    struct mr_response *response)
{
	struct mr_json_writer *w = mr_response_begin(response, 200);
	const struct mr_conf *conf = worker->conf;

	(void)request;
	mr_json_bool(w, "spawn", conf->spawn);
	mr_json_int(w, "batch_max_rows", conf->batch_max_rows);
	mr_json_int(w, "history_days", conf->history_days);
	mr_json_array(w, "clients");
	for (size_t i = 0; i < conf->n_clients; i++)
		put_client_config(w, &conf->clients[i]);
	mr_json_end(w);
	mr_response_end(response);
	mr_buf_add_cstr(&response->headers, "Cache-Control: no-store\r\n");
}
