/* What may go: see spans.h. */
#include "retention/spans.h"

#include <stdlib.h>

#include "base/clock.h"
#include "retention/claims.h"

/* A transaction that began before midnight may still store; the longest takes ten minutes. */
#define OPEN_FOR "interval '15 minutes'"

enum { NAME, LOW, HIGH, BYTES, OPEN, COUNTED, ROWS, SNAPSHOT, SINCE, HOLDERS, UNCLAIMED,
	DEFAULT_BYTES, NOW };

/*
 * SINCE: when the last of its destinations had all of it, or its end. A manual export holds what
 * it may read. UNCLAIMED: rows that nobody has to have; sites that were counted as one belong
 * to somebody only where a client takes all that are not listed.
 */
static const char tail_sql[] =
    "SELECT p.name, p.low, p.high, pg_total_relation_size(p.partition), "
    "(p.high > now() - " OPEN_FOR ")::int, (k.partition IS NOT NULL)::int, "
    "coalesce(k.rows, greatest(0, (SELECT reltuples FROM pg_class WHERE oid = p.partition))::bigint), "
    "k.snapshot, CASE WHEN isfinite(p.high) THEN (extract(epoch FROM greatest(p.high, f.at)) * "
    "1000000)::bigint END, concat_ws('; ', (SELECT string_agg(format('client %s, %s (%s events)', "
    "client, destination, rows), '; ' ORDER BY client, destination DESC) FROM h WHERE "
    "h.name = p.name), m.held), "
    "(SELECT coalesce(sum(rows), 0) FROM s WHERE s.name = p.name AND NOT EXISTS (SELECT FROM c "
    "WHERE (s.site_id IS NOT NULL OR c.sites IS NULL) AND "
    MR_CLAIMS_HAS("s.site_id", "c.sites", "c.except_sites") ")), "
    "pg_total_relation_size('events_default'), (extract(epoch FROM now()) * 1000000)::bigint "
    "FROM events_partitions p LEFT JOIN events_counted k ON k.partition = p.name AND "
    "k.system_identifier = (SELECT system_identifier FROM pg_control_system()) "
    "LEFT JOIN LATERAL (SELECT max(x.at) AS at FROM d, LATERAL (SELECT min(v.delivered_at) AS at "
    "FROM export_batches e JOIN export_deliveries v ON v.batch = e.id AND v.destination = "
    "d.destination WHERE e.client = d.client AND e.kind <> 'manual' AND "
    "pg_snapshot_xmax(e.snapshot_to::pg_snapshot)::text::bigint > k.max_xid) x WHERE EXISTS "
    "(SELECT FROM s WHERE s.name = p.name AND "
    MR_CLAIMS_HAS("s.site_id", "d.sites", "d.except_sites") ")) f ON true "
    "LEFT JOIN LATERAL (SELECT 'an export of a span of time' AS held WHERE EXISTS (SELECT FROM "
    "export_runs r WHERE r.state IN ('requested', 'running') AND NOT r.dry_run AND "
    "(r.since IS NOT NULL OR r.until IS NOT NULL) AND coalesce(r.since, '-infinity') < p.high AND "
    "coalesce(r.until, 'infinity') > p.low)) m ON true ORDER BY p.low";

/* Without clients, somebody has to have said that events may go. */
static const char *
held_by_nobody(const struct mr_conf *conf, int64_t unclaimed)
{
	if (conf->n_clients == 0)
		return conf->keep_events_set ? NULL : "no [client] is configured, and [retention] "
		    "events is not set";
	return unclaimed > 0 && conf->unclaimed == MR_UNCLAIMED_KEEP ?
	    "events of sites of no client" : NULL;
}

static struct mr_span
read_span(const struct mr_spans *spans, int row, const struct mr_conf *conf)
{
	struct mr_db_rows *r = spans->rows;
	const char *nobody = held_by_nobody(conf, mr_db_int(r, row, UNCLAIMED));
	struct mr_span s = { .name = mr_db_value(r, row, NAME), .low = mr_db_value(r, row, LOW),
		.high = mr_db_value(r, row, HIGH), .bytes = mr_db_int(r, row, BYTES),
		.rows = mr_db_int(r, row, ROWS), .snapshot = mr_db_value(r, row, SNAPSHOT),
		.holders = mr_db_value(r, row, HOLDERS) };

	s.held_by_destination = s.holders.n > 0;
	if (s.holders.n == 0)
		s.holders = nobody != NULL ? mr_str(nobody) : MR_STR_NULL;
	s.until_us = mr_db_int(r, row, SINCE) + conf->keep_events_s * MR_US_PER_S;
	if (mr_db_int(r, row, OPEN) != 0 || mr_db_value(r, row, SINCE).p == NULL)
		s.fate = MR_SPAN_OPEN;
	else if (mr_db_int(r, row, COUNTED) == 0)
		s.fate = MR_SPAN_UNCOUNTED;
	else if (s.holders.p != NULL)
		s.fate = MR_SPAN_HELD;
	else
		s.fate = s.until_us > spans->now_us ? MR_SPAN_KEPT : MR_SPAN_GOES;
	return s;
}

/* The oldest of those that may go do, until the rest fits. */
static void
make_room(struct mr_spans *spans, int64_t max_bytes)
{
	int64_t left = spans->bytes;

	for (size_t i = 0; i < spans->n; i++)
		if (spans->items[i].fate == MR_SPAN_GOES)
			left -= spans->items[i].bytes;
	for (size_t i = 0; i < spans->n && max_bytes > 0 && left > max_bytes; i++) {
		if (spans->items[i].fate != MR_SPAN_KEPT)
			continue;
		spans->items[i].fate = MR_SPAN_GOES;
		spans->items[i].early = true;
		left -= spans->items[i].bytes;
	}
}

static enum mr_err
judge(struct mr_spans *spans, const struct mr_conf *conf, struct mr_error *err)
{
	int n = mr_db_n_rows(spans->rows);

	if ((spans->items = calloc((size_t)n + 1, sizeof *spans->items)) == NULL)
		return mr_fail(err, MR_ENOMEM, "no memory");
	if (n > 0) {
		spans->now_us = mr_db_int(spans->rows, 0, NOW);
		spans->default_bytes = mr_db_int(spans->rows, 0, DEFAULT_BYTES);
	}
	spans->bytes = spans->default_bytes;
	for (int i = 0; i < n; i++) {
		spans->items[i] = read_span(spans, i, conf);
		spans->bytes += spans->items[i].bytes;
	}
	spans->n = (size_t)n;
	make_room(spans, conf->max_bytes);
	return MR_OK;
}

enum mr_err
mr_spans_load(struct mr_db *db, const struct mr_conf *conf, struct mr_spans *spans,
    struct mr_error *err)
{
	enum mr_err e;

	*spans = (struct mr_spans){ .items = NULL };
	if ((e = mr_claims_ask(db, conf, tail_sql, &spans->rows, err)) == MR_OK)
		e = judge(spans, conf, err);
	if (e != MR_OK)
		mr_spans_free(spans);
	return e;
}

void
mr_spans_free(struct mr_spans *spans)
{
	free(spans->items);
	mr_db_rows_free(spans->rows);
	*spans = (struct mr_spans){ .items = NULL };
}
