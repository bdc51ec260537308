/* The metrics of the export: see exportmetrics.h. */
#include "exportmetrics.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "export/state.h"
#include "promtext.h"

#define TIMEOUT_MS 1000  /* of connecting, and of each statement */
#define DEADLINE_MS 2000 /* no statement is begun later */
#define MOST_ROWS 100000 /* that wait and are looked at: the oldest are the first of them */
#define LABELS_SIZE 192

/* One destination. */
struct sample {
	char labels[LABELS_SIZE];
	int64_t values[MR_STATE_SUCCESS_S + 1]; /* of the columns that are numbers */
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
	    "the destination, since 1970; 0: never.", MR_STATE_SUCCESS_S },
	{ "export_lag_seconds", "gauge", "Age of the oldest event that waits for the destination; 0: "
	    "none waits.", MR_STATE_LAG_S },
	{ "export_events_total", "counter", "Events delivered to the destination.",
	    MR_STATE_EVENTS },
	{ "export_objects_total", "counter", "Objects delivered to the destination.",
	    MR_STATE_OBJECTS },
	{ "export_bytes_total", "counter", "Bytes of those.", MR_STATE_BYTES },
};

static void
take_row(struct sample *s, const struct mr_conf *conf, const struct mr_db_rows *rows, int i)
{
	struct mr_str name = mr_db_value(rows, i, MR_STATE_NAME);

	/* The configuration lets no client have a name that had to be escaped. */
	(void)snprintf(s->labels, sizeof s->labels, "client=\"%s\",destination=\"%.*s\"",
	    conf->clients[mr_db_int(rows, i, MR_STATE_CLIENT)].name, (int)name.n, name.p);
	for (int c = MR_STATE_EVENTS; c <= MR_STATE_SUCCESS_S; c++)
		s->values[c] = mr_db_int(rows, i, c);
	s->failing = mr_db_value(rows, i, MR_STATE_ERROR).p != NULL;
}

static bool
read_samples(struct mr_db *db, const struct mr_conf *conf, struct samples *samples)
{
	int64_t deadline_ms = mr_clock_mono_ms() + DEADLINE_MS;
	struct mr_db_rows *rows;

	for (int f = MR_REALTIME; f <= MR_DAILY; f++) {
		if (mr_clock_mono_ms() > deadline_ms || mr_state_destinations(db, conf,
		    (enum mr_frequency)f, MOST_ROWS, &rows, NULL) != MR_OK)
			return false;
		for (int r = 0; rows != NULL && r < mr_db_n_rows(rows); r++)
			take_row(&samples->of[samples->n++], conf, rows, r);
		mr_db_rows_free(rows);
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

	options.connect_timeout_ms = options.query_timeout_ms = TIMEOUT_MS;
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
		mr_promtext_head(b, families[f].family, families[f].type, families[f].help);
		for (size_t i = 0; i < samples->n; i++)
			mr_buf_printf(b, "millrace_%s{%s} %" PRId64 "\n", families[f].family,
			    samples->of[i].labels, samples->of[i].values[families[f].column]);
	}
	mr_promtext_head(b, "export_failing", "gauge", "1: the last try to deliver failed.");
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

	mr_promtext_head(b, "export_schedule_seconds", "gauge", "Time between two exports of the "
	    "client, as its frequency says; realtime is taken for every five minutes.");
	for (size_t i = 0; i < conf->n_clients; i++)
		mr_buf_printf(b, "millrace_export_schedule_seconds{client=\"%s\"} %" PRId64 "\n",
		    conf->clients[i].name, seconds[conf->clients[i].frequency]);
}

void
mr_exportmetrics_put(const struct mr_worker *worker, bool reachable, struct mr_buf *b)
{
	const struct mr_conf *conf = worker->conf;
	struct samples samples = { NULL, 0 };
	bool known;

	if (conf->n_clients == 0)
		return;
	samples.of = calloc(2 * conf->n_clients, sizeof *samples.of);
	known = reachable && samples.of != NULL && ask(conf, &samples);
	mr_promtext_head(b, "export_known", "gauge", "1: the database said how far the exports are; "
	    "0: it did not, and the metrics of the destinations are missing.");
	mr_buf_printf(b, "millrace_export_known %d\n", known);
	write_schedules(b, conf);
	if (known)
		write_samples(b, &samples);
	free(samples.of);
}
