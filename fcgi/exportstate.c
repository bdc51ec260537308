/* How far the destinations of the export are, and metrics of it. See export.h. */
#include "export.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "db/query.h"
#include "export/planned.h"
#include "metrics.h"

#define METRICS_TIMEOUT_MS 1000 /* of connecting, and of each statement */
#define METRICS_DEADLINE_MS 2000 /* no statement is begun later */
#define LABELS_SIZE 192

/*
 * The destinations $4 of client $1, also those without a cursor yet; $2, $3: its
 * sites, or those that it does not take. What is not planned yet is counted
 * from the chain's last snapshot. A destination that nothing has reached yet waits
 * since the first event, which is the first row there is, or nearly.
 */
static const char destinations_sql[] =
    "SELECT d.name, c.url, " MR_EXPORT_TIME("c.succeeded_at") ", "
    MR_EXPORT_TIME("c.failed_at") ", c.error, c.events, "
    "c.bytes, c.objects, w.pending, "
    "CASE WHEN w.pending > 0 THEN greatest(0, extract(epoch FROM now() - coalesce(c.reached_at, "
    "(SELECT created_at FROM events LIMIT 1), now())))::bigint ELSE 0 END, "
    "coalesce(extract(epoch FROM c.succeeded_at), 0)::bigint "
    "FROM unnest($4::text[]) d (name) LEFT JOIN export_cursors c ON c.client = $1 AND "
    "c.destination = d.name LEFT JOIN LATERAL (SELECT sum(b.rows)::bigint AS rows "
    "FROM export_batches b WHERE b.client = c.client AND b.id > c.batch AND b.kind <> 'manual' "
    "AND (b.destination IS NULL OR b.destination = c.destination)) p ON true, "
    "(SELECT count(*) AS rows FROM (SELECT FROM events WHERE (ingest_xid >= coalesce((SELECT "
    "pg_snapshot_xmax(snapshot::pg_snapshot)::text::bigint FROM export_chains WHERE client = $1), "
    "0) OR ingest_xid = ANY (ARRAY(SELECT pg_snapshot_xip(snapshot::pg_snapshot)::text::bigint "
    "FROM export_chains WHERE client = $1))) AND ($2::text[] IS NULL OR site_id = ANY "
    "($2::text[])) AND site_id <> ALL ($3::text[]) LIMIT $5::bigint) e) u, "
    "LATERAL (SELECT coalesce(p.rows, 0) + u.rows AS pending) w "
    "ORDER BY d.name DESC";

enum mr_db_class
mr_export_destinations(struct mr_db *db, const struct mr_conf *conf,
    const struct mr_conf_client *client, int64_t count_most, struct mr_db_rows **rows,
    struct mr_error *err)
{
	struct mr_conf_list others = { NULL, 0 };
	struct mr_buf sites, except;
	char most[24];
	const char *params[] = { client->name, NULL, NULL,
		client->has_backup ? "{bucket,backup}" : "{bucket}", most };
	enum mr_db_class class = MR_DB_UNAVAILABLE;

	(void)snprintf(most, sizeof most, "%" PRId64, count_most);
	mr_buf_init(&sites, (size_t)1 << 20);
	mr_buf_init(&except, (size_t)1 << 20);
	if (mr_conf_client_others(conf, client, &others)) {
		mr_batch_put_array(&sites, &client->sites);
		mr_buf_add_char(&sites, '\0');
		mr_batch_put_array(&except, &others);
		mr_buf_add_char(&except, '\0');
		params[1] = mr_conf_client_takes_all(client) ? NULL : sites.p;
		params[2] = except.p;
	}
	if (params[2] == NULL || sites.failed)
		(void)mr_fail(err, MR_ENOMEM, "no memory");
	else
		class = mr_db_query(db, destinations_sql, params, 5, rows, err);
	mr_buf_free(&sites);
	mr_buf_free(&except);
	free(others.items);
	return class;
}

/* --- metrics --- */

/* One destination. */
struct sample {
	char labels[LABELS_SIZE];
	int64_t values[MR_EXPORT_SUCCESS_S + 1]; /* of the columns that are numbers */
	bool failing;
};

struct samples {
	struct sample *of;
	size_t n;
};

static const struct {
	const char *family, *type, *help;
	int column;
} families[] = {
	{ "export_last_success_timestamp_seconds", "gauge", "When a batch was last delivered to "
	    "the destination, since 1970; 0: never.", MR_EXPORT_SUCCESS_S },
	{ "export_lag_seconds", "gauge", "How long events have waited for the destination; 0: none "
	    "wait.", MR_EXPORT_LAG_S },
	{ "export_events_total", "counter", "Events delivered to the destination.",
	    MR_EXPORT_EVENTS },
	{ "export_objects_total", "counter", "Objects delivered to the destination.",
	    MR_EXPORT_OBJECTS },
	{ "export_bytes_total", "counter", "Bytes of those.", MR_EXPORT_BYTES },
};

static void
take_row(struct sample *s, const char *client, const struct mr_db_rows *rows, int i)
{
	struct mr_str name = mr_db_value(rows, i, MR_EXPORT_NAME);

	/* The configuration lets no client have a name that had to be escaped. */
	(void)snprintf(s->labels, sizeof s->labels, "client=\"%s\",destination=\"%.*s\"", client,
	    (int)name.n, name.p);
	for (int c = MR_EXPORT_EVENTS; c <= MR_EXPORT_SUCCESS_S; c++)
		s->values[c] = mr_db_int(rows, i, c);
	s->failing = mr_db_value(rows, i, MR_EXPORT_ERROR).p != NULL;
}

/*
 * Whether there is anything that waits is looked up, but not how much: that
 * would read all of it with every scrape.
 */
static bool
read_samples(struct mr_db *db, const struct mr_conf *conf, struct samples *samples)
{
	int64_t deadline_ms = mr_clock_mono_ms() + METRICS_DEADLINE_MS;
	struct mr_db_rows *rows = NULL;

	for (size_t i = 0; i < conf->n_clients; i++) {
		if (mr_clock_mono_ms() > deadline_ms || mr_export_destinations(db, conf,
		    &conf->clients[i], 1, &rows, NULL) != MR_DB_OK)
			return false;
		for (int r = 0; r < mr_db_n_rows(rows); r++)
			take_row(&samples->of[samples->n++], conf->clients[i].name, rows, r);
		mr_db_rows_free(rows);
		rows = NULL;
	}
	return true;
}

/* Through a connection of its own, which waits less than others. */
static bool
ask(const struct mr_conf *conf, struct samples *samples)
{
	struct mr_db_options options = mr_db_options_of(conf, "millrace export metrics");
	struct mr_db *db;
	bool good;

	options.connect_timeout_ms = options.query_timeout_ms = METRICS_TIMEOUT_MS;
	if ((db = mr_db_new(&options)) == NULL)
		return false;
	good = mr_db_ensure(db, NULL) == MR_OK && read_samples(db, conf, samples);
	mr_db_free(db);
	return good;
}

static void
write_samples(struct mr_buf *b, const struct samples *samples)
{
	for (size_t f = 0; f < sizeof families / sizeof families[0]; f++) {
		mr_metrics_head(b, families[f].family, families[f].type, families[f].help);
		for (size_t i = 0; i < samples->n; i++)
			mr_buf_printf(b, "millrace_%s{%s} %" PRId64 "\n", families[f].family,
			    samples->of[i].labels, samples->of[i].values[families[f].column]);
	}
	mr_metrics_head(b, "export_failing", "gauge", "1: the last try to deliver failed.");
	for (size_t i = 0; i < samples->n; i++)
		mr_buf_printf(b, "millrace_export_failing{%s} %d\n", samples->of[i].labels,
		    samples->of[i].failing);
}

/* What the lag is to be compared with. */
static void
write_schedules(struct mr_buf *b, const struct mr_conf *conf)
{
	static const int64_t seconds[] = { [MR_REALTIME] = 300, [MR_HOURLY] = 3600,
		[MR_DAILY] = 86400 };

	mr_metrics_head(b, "export_schedule_seconds", "gauge", "Time between two exports of the "
	    "client, as its frequency says; realtime is taken for every five minutes.");
	for (size_t i = 0; i < conf->n_clients; i++)
		mr_buf_printf(b, "millrace_export_schedule_seconds{client=\"%s\"} %" PRId64 "\n",
		    conf->clients[i].name, seconds[conf->clients[i].frequency]);
}

void
mr_export_metrics(const struct mr_worker *worker, bool reachable, struct mr_buf *b)
{
	const struct mr_conf *conf = worker->conf;
	struct samples samples = { NULL, 0 };
	bool known;

	if (conf->n_clients == 0)
		return;
	samples.of = calloc(2 * conf->n_clients, sizeof *samples.of);
	known = reachable && samples.of != NULL && ask(conf, &samples);
	mr_metrics_head(b, "export_known", "gauge", "1: the database said how far the exports are; "
	    "0: it did not, and the metrics of the destinations are missing.");
	mr_buf_printf(b, "millrace_export_known %d\n", known);
	write_schedules(b, conf);
	if (known)
		write_samples(b, &samples);
	free(samples.of);
}
