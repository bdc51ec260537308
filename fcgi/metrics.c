/*
 * GET /metrics: see metrics.h. Each family is a row of a table, or a function
 * for what is measured at the moment.
 */
#include "metrics.h"

#include "askers.h"
#include "base/clock.h"
#include "buffer.h"
#include "config.h"
#include "counters/shared.h"
#include "counters/stats.h"
#include "exportmetrics.h"
#include "promtext.h"
#include "routes.h"
#include "spool/inspect.h"

/* Rows of one family follow each other; the first has its help. */
static const struct counter {
	const char *family;
	const char *help;
	const char *labels;
	enum mr_stat stat;
} counters[] = {
	{ "requests_total", "Requests to /collect and /pixel.gif, by what became of them.",
	    "{outcome=\"stored\"}", MR_STAT_REQUESTS_STORED },
	{ "requests_total", NULL, "{outcome=\"partial\"}", MR_STAT_REQUESTS_PARTIAL },
	{ "requests_total", NULL, "{outcome=\"queued\"}", MR_STAT_REQUESTS_QUEUED },
	{ "requests_total", NULL, "{outcome=\"duplicate\"}", MR_STAT_REQUESTS_DUPLICATE },
	{ "requests_total", NULL, "{outcome=\"rejected\"}", MR_STAT_REQUESTS_REFUSED },
	{ "requests_total", NULL, "{outcome=\"unavailable\"}", MR_STAT_REQUESTS_UNAVAILABLE },
	{ "requests_over_share_total", "Requests that were not kept in the spool, as their site or "
	    "address holds its share of it.", "", MR_STAT_REQUESTS_OVER_SHARE },
	{ "requests_rejected_total", "Requests of which nothing was taken (4xx), by the reason.",
	    "{reason=\"malformed\"}", MR_STAT_REFUSED_MALFORMED },
	{ "requests_rejected_total", NULL, "{reason=\"no_length\"}", MR_STAT_REFUSED_NO_LENGTH },
	{ "requests_rejected_total", NULL, "{reason=\"timeout\"}", MR_STAT_REFUSED_TIMEOUT },
	{ "requests_rejected_total", NULL, "{reason=\"too_large\"}", MR_STAT_REFUSED_TOO_LARGE },
	{ "requests_rejected_total", NULL, "{reason=\"encoding\"}", MR_STAT_REFUSED_ENCODING },
	{ "requests_rejected_total", NULL, "{reason=\"address_limit\"}", MR_STAT_REFUSED_ADDRESS_LIMIT },
	{ "requests_rejected_total", NULL, "{reason=\"site_limit\"}", MR_STAT_REFUSED_SITE_LIMIT },
	{ "requests_rejected_total", NULL, "{reason=\"database\"}", MR_STAT_REFUSED_DATABASE },
	{ "events_total", "Events of requests of which something was taken, by what became of them.",
	    "{outcome=\"stored\"}", MR_STAT_EVENTS_STORED },
	{ "events_total", NULL, "{outcome=\"queued\"}", MR_STAT_EVENTS_QUEUED },
	{ "events_total", NULL, "{outcome=\"duplicate\"}", MR_STAT_EVENTS_DUPLICATE },
	{ "events_total", NULL, "{outcome=\"rejected\"}", MR_STAT_EVENTS_REJECTED },
	{ "events_rejected_total", "Events that were refused while others of their request were "
	    "taken, by who refused them.", "{reason=\"invalid\"}", MR_STAT_REJECTED_INVALID },
	{ "events_rejected_total", NULL, "{reason=\"database\"}", MR_STAT_REJECTED_DATABASE },
	{ "bad_timestamps_total", "Unreadable timestamps, replaced by the time of receipt.", "",
	    MR_STAT_BAD_TIMESTAMPS },
	{ "bad_ids_total", "Unusable sessionIds, visitorIds and messageIds, left out.", "", MR_STAT_BAD_IDS },
	{ "commits_total", "Groups of requests stored with one commit each.", "", MR_STAT_COMMITS },
	{ "groups_spooled_total", "Groups of requests that went to the spool.", "",
	    MR_STAT_GROUPS_SPOOLED },
	{ "groups_failed_total", "Groups of requests that neither database nor spool could take.",
	    "", MR_STAT_GROUPS_FAILED },
	{ "breaker_openings_total", "Times that a worker gave the database up for a while.", "",
	    MR_STAT_BREAKER_OPENINGS },
	{ "events_replayed_total", "Events taken from the spool into the database.", "",
	    MR_STAT_EVENTS_REPLAYED },
	{ "admin_tokens_refused_total", "Admin tokens that were wrong, and that were not looked at because "
	    "too many wrong ones had come from the address.", "{reason=\"wrong\"}", MR_STAT_TOKENS_WRONG },
	{ "admin_tokens_refused_total", NULL, "{reason=\"too_many\"}", MR_STAT_TOKENS_UNHEARD },
	{ "askers_refused_total", "Requests that were not answered by the database, as others were asking it "
	    "already.", "", MR_STAT_ASKERS_REFUSED },
	{ "database_connects_total", "Connections made to PostgreSQL.", "", MR_STAT_DB_CONNECTS },
};

static const struct histogram {
	const char *family;
	const char *help;
	enum mr_hist hist;
	uint64_t unit; /* values in one unit of the metric */
} histograms[] = {
	{ "request_events", "Events of a request.", MR_HIST_REQUEST_EVENTS, 1 },
	{ "commit_rows", "Rows of a commit.", MR_HIST_COMMIT_ROWS, 1 },
	{ "insert_duration_seconds", "From sending a group to PostgreSQL to its answer.",
	    MR_HIST_INSERT_US, MR_US_PER_S },
	{ "request_duration_seconds", "From the arrival of a request to /collect or /pixel.gif to "
	    "its answer.", MR_HIST_REQUEST_US, MR_US_PER_S },
};

static void
write_counters(struct mr_buf *b)
{
	for (size_t i = 0; i < sizeof counters / sizeof counters[0]; i++) {
		const struct counter *c = &counters[i];

		if (c->help != NULL)
			mr_promtext_head(b, c->family, "counter", c->help);
		mr_buf_printf(b, "millrace_%s%s %llu\n", c->family, c->labels,
		    (unsigned long long)mr_stat_get(c->stat));
	}
}

static void
write_histogram(struct mr_buf *b, const struct histogram *h)
{
	struct mr_hist_view view;
	uint64_t below = 0;

	mr_hist_read(h->hist, &view);
	mr_promtext_head(b, h->family, "histogram", h->help);
	for (size_t i = 0; i < view.n; i++) {
		below += view.buckets[i];
		mr_buf_printf(b, "millrace_%s_bucket{le=\"%g\"} %llu\n", h->family,
		    (double)view.bounds[i] / (double)h->unit, (unsigned long long)below);
	}
	mr_buf_printf(b, "millrace_%s_bucket{le=\"+Inf\"} %llu\nmillrace_%s_sum %.*f\n"
	    "millrace_%s_count %llu\n", h->family, (unsigned long long)view.count, h->family,
	    h->unit == 1 ? 0 : 6, (double)view.sum / (double)h->unit, h->family,
	    (unsigned long long)view.count);
}

static void
write_build(struct mr_buf *b)
{
	mr_promtext_head(b, "build_info", "gauge", "1; the labels tell what the answering worker is.");
	mr_buf_printf(b, "millrace_build_info{version=\"%s\"} 1\n", PACKAGE_VERSION);
}

static void
write_processes(const struct mr_worker *worker, struct mr_buf *b)
{
	int64_t oldest_us;
	size_t n = mr_shared_processes(&oldest_us);

	mr_promtext_gauge(b, "workers", "Workers of this host that count together.",
	    n > 0 ? (double)n : 1);
	mr_promtext_gauge(b, "oldest_worker_start_time_seconds", "When the oldest of them started, since "
	    "1970.", (double)(n > 0 ? oldest_us : worker->started_us) / MR_US_PER_S);
	mr_promtext_gauge(b, "worker_start_time_seconds", "When the answering worker started, since 1970.",
	    (double)worker->started_us / MR_US_PER_S);
	mr_promtext_gauge(b, "counters_shared", "1: the counters are those of all workers of this host; "
	    "0: of the answering one alone.", mr_shared_is_file());
}

static void
write_spool(const struct mr_worker *worker, struct mr_buf *b)
{
	struct mr_backlog backlog;
	int64_t now = mr_clock_now_us();
	double age = 0;

	if (worker->conf->spool_dir[0] == '\0' ||
	    mr_inspect_backlog(worker->conf->spool_dir, &backlog, NULL) != MR_OK)
		return;
	if (backlog.oldest_us > 0 && backlog.oldest_us < now)
		age = (double)(now - backlog.oldest_us) / MR_US_PER_S;
	mr_promtext_gauge(b, "spool_bytes", "Bytes that wait in the spool.", (double)backlog.bytes);
	mr_promtext_gauge(b, "spool_segments", "Files that wait in the spool.",
	    (double)backlog.segments);
	mr_promtext_gauge(b, "spool_records", "Groups of requests that wait in the spool.",
	    (double)backlog.records);
	mr_promtext_gauge(b, "spool_oldest_age_seconds", "Age of the oldest file in the spool; 0: there "
	    "is none.", age);
	mr_promtext_gauge(b, "spool_quarantine_files", "Damaged pieces of the spool that were put aside.",
	    (double)backlog.quarantined);
	mr_promtext_gauge(b, "spool_quarantine_bytes", "Bytes of those.",
	    (double)backlog.quarantined_bytes);
}

/* What the database tells; when it may not be asked, what is known of it. */
static void
write_database(const struct mr_worker *worker, bool may_ask, struct mr_buf *b)
{
	struct mr_writer_health health;
	bool reachable;

	if (may_ask)
		mr_writer_check(worker->writer, &health);
	else
		mr_writer_look(worker->writer, &health);
	mr_promtext_gauge(b, "database_up", "Whether PostgreSQL takes what the worker stores.",
	    health.connected);
	/* With ingest = spool no worker is connected, whether the database is there or not. */
	reachable = may_ask && (health.connected || worker->conf->ingest == MR_INGEST_SPOOL);
	mr_exportmetrics_put(worker, reachable, b);
	mr_buffer_metrics(worker, reachable, b);
}

void
mr_metrics_serve(struct mr_worker *worker, struct mr_request *request,
    struct mr_response *response)
{
	bool may_ask = mr_askers_enter(worker->askers);
	struct mr_buf *b = &response->body;

	(void)request;
	if (!may_ask)
		mr_stat_add(MR_STAT_ASKERS_REFUSED, 1);
	response->status = 200;
	response->content_type = MR_PROMTEXT_TYPE;
	write_counters(b);
	for (size_t i = 0; i < sizeof histograms / sizeof histograms[0]; i++)
		write_histogram(b, &histograms[i]);
	write_database(worker, may_ask, b);
	if (may_ask)
		mr_askers_leave(worker->askers);
	write_spool(worker, b);
	write_processes(worker, b);
	write_build(b);
	mr_buf_add_cstr(&response->headers, "Cache-Control: no-store\r\n");
}
