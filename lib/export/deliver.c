/*
 * millrace-export: one batch to its destinations.
 *
 * The rows of large groups are read in their physical order into a few objects
 * at a time; those of small groups are sorted by group in one go instead. Which
 * way a group takes follows from the plan, so that its object has the same
 * bytes each time.
 */
#include "export/exporter.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "db/query.h"
#include "export/groups.h"

/* Groups with at least this part of the batch's rows are read by themselves. */
#define LARGE_PART 20
#define MAX_STREAMS 4
#define HOUR_US (3600 * MR_US_PER_S)

/* What one COPY reads. */
struct pass {
	struct stream streams[MAX_STREAMS];
	size_t n;
	size_t last; /* the stream of the last row: the next one often has the same */
};

static bool
is_large(const struct delivery *d, const struct mr_batch_group *g)
{
	return d->n_groups <= MAX_STREAMS || g->rows * LARGE_PART >= d->batch->rows;
}

/* Objects that are open at a time: Parquet and S3 keep many MiB for each. */
static size_t
max_streams(const struct delivery *d)
{
	if (d->format.format == MR_FORMAT_PARQUET)
		return 1;
	for (size_t i = 0; i < d->n_to; i++)
		if (d->to[i]->at.folder == NULL)
			return 2;
	return MAX_STREAMS;
}

static bool
anyone_left(const struct delivery *d)
{
	for (size_t i = 0; i < d->n_to; i++)
		if (!d->to[i]->failed)
			return true;
	return false;
}

/* Whether a destination still lacks the group's object. */
static bool
is_pending(const struct delivery *d, size_t number)
{
	if (d->groups[number].rows == 0)
		return false;
	for (size_t i = 0; i < d->n_to; i++)
		if (!d->to[i]->failed && (d->have[number] & 1U << i) == 0)
			return true;
	return false;
}

static enum mr_err
stopped(const struct exporter *x, struct mr_error *err)
{
	if (*x->stop == 0)
		return MR_OK;
	return mr_fail(err, MR_EAGAIN, "stopped by a signal; the next run goes on from here");
}

/* --- rows --- */

static bool
belongs(const struct mr_batch_group *g, const struct mr_export_row *row)
{
	return row->created_us >= g->hour_us && row->created_us < g->hour_us + HOUR_US &&
	    mr_str_eq(row->event.site_id, g->site_id);
}

static struct stream *
stream_of(struct pass *p, const struct mr_export_row *row)
{
	for (size_t i = 0; i < p->n; i++) {
		size_t at = (p->last + i) % p->n;

		if (!belongs(p->streams[at].group, row))
			continue;
		p->last = at;
		return &p->streams[at];
	}
	return NULL;
}

/*
 * Ends an object; when its rows are not those planned it is dropped, and the
 * batch to be counted anew.
 */
static enum mr_err
close_stream(struct delivery *d, struct stream *s, struct mr_error *err)
{
	if (s->head == NULL)
		return MR_OK;
	if (s->rows == s->group->rows)
		return stream_close(s, d, err);
	d->differs = true;
	stream_abort(s);
	return MR_OK;
}

static enum mr_err
push(struct stream *s, const struct mr_export_row *row, struct mr_error *err)
{
	enum mr_err e;

	if (s->head == NULL || (e = stream_push(s, row, err)) == MR_OK)
		return MR_OK;
	/* That of the destinations is told later; that of the row is ours. */
	if (!stream_lost(s))
		return e;
	stream_abort(s);
	return MR_OK;
}

/* In the sorted pass one object follows the other. */
static enum mr_err
next_small(struct delivery *d, struct pass *p, const struct mr_export_row *row,
    struct mr_error *err)
{
	enum mr_err e;

	if (p->n > 0 && (e = close_stream(d, &p->streams[0], err)) != MR_OK)
		return e;
	p->n = 0;
	for (size_t i = 0; i < d->n_groups; i++) {
		if (!belongs(&d->groups[i], row))
			continue;
		e = stream_open(&p->streams[0], d, &d->groups[i], err);
		p->n = e == MR_OK;
		return anyone_left(d) ? e : MR_OK;
	}
	d->differs = true;
	return MR_OK;
}

static enum mr_err
read_rows(struct delivery *d, struct pass *p, struct mr_readahead *ahead, bool sorted,
    struct mr_error *err)
{
	struct mr_export_row room;
	const struct mr_export_row *row;
	struct stream *s;
	enum mr_err e = MR_OK;

	while (e == MR_OK && (e = mr_readahead_next(ahead, &row, &room, err)) == MR_OK && row != NULL) {
		s = stream_of(p, row);
		if (s == NULL && sorted) {
			if ((e = next_small(d, p, row, err)) != MR_OK)
				break;
			s = p->n > 0 ? &p->streams[0] : NULL;
		}
		if (s != NULL)
			e = push(s, row, err);
		if ((++d->rows & 1023) == 0) {
			show_progress(d);
			if (e == MR_OK)
				e = stopped(d->x, err);
		}
		/* Its object may have been given up, and be the last one. */
		if ((s == NULL || s->head == NULL) && !anyone_left(d))
			break;
	}
	return e;
}

static enum mr_err
run_pass(struct delivery *d, struct pass *p, const struct mr_batch_group *const *groups, size_t n,
    bool sorted, struct mr_error *err)
{
	struct reading reading;
	enum mr_err e = reading_start(&reading, d, groups, n, sorted, err);

	if (e == MR_OK) {
		e = read_rows(d, p, reading.ahead, sorted, err);
		reading_stop(&reading);
	}
	for (size_t i = 0; i < p->n && e == MR_OK && anyone_left(d); i++)
		e = close_stream(d, &p->streams[i], err);
	for (size_t i = 0; i < p->n; i++)
		stream_abort(&p->streams[i]);
	return e;
}

/* --- passes --- */

static enum mr_err
large_passes(struct delivery *d, struct mr_error *err)
{
	const struct mr_batch_group *groups[MAX_STREAMS];
	size_t most = max_streams(d), i = 0;
	struct pass p;
	enum mr_err e = MR_OK;

	while (i < d->n_groups && e == MR_OK && anyone_left(d)) {
		p = (struct pass){ .n = 0 };
		for (; i < d->n_groups && p.n < most && e == MR_OK; i++) {
			if (!is_large(d, &d->groups[i]) || !is_pending(d, i))
				continue;
			groups[p.n] = &d->groups[i];
			e = stream_open(&p.streams[p.n], d, &d->groups[i], err);
			p.n += e == MR_OK;
			if (e != MR_OK && !anyone_left(d))
				e = MR_OK;
		}
		if (e == MR_OK && p.n > 0)
			e = run_pass(d, &p, groups, p.n, false, err);
		for (size_t k = 0; k < p.n; k++)
			stream_abort(&p.streams[k]);
	}
	return e;
}

static enum mr_err
small_pass(struct delivery *d, struct mr_error *err)
{
	const struct mr_batch_group **groups = calloc(d->n_groups + 1, sizeof *groups);
	struct pass p = { .n = 0 };
	size_t n = 0;
	enum mr_err e = MR_OK;

	if (groups == NULL)
		return mr_fail(err, MR_ENOMEM, "no memory for %zu objects", d->n_groups);
	for (size_t i = 0; i < d->n_groups; i++)
		if (!is_large(d, &d->groups[i]) && is_pending(d, i))
			groups[n++] = &d->groups[i];
	if (n > 0)
		e = run_pass(d, &p, groups, n, true, err);
	free(groups);
	return e;
}

/* Marks what the destinations have of the batch already. */
static enum mr_err
load_have(struct delivery *d, struct mr_error *err)
{
	const char *sql = "SELECT number FROM export_objects WHERE batch = $1::bigint AND "
	    "destination = $2";
	char id[24];
	struct mr_db_rows *rows;

	(void)snprintf(id, sizeof id, "%" PRId64, d->batch->id);
	for (size_t i = 0; i < d->n_to; i++) {
		const char *params[] = { id, d->to[i]->name };

		if (mr_db_query(d->x->db, sql, params, 2, &rows, err) != MR_DB_OK)
			return MR_EAGAIN;
		for (int r = 0; r < mr_db_n_rows(rows); r++) {
			int64_t number = mr_db_int(rows, r, 0);

			/* Groups are numbered from 0 without gaps. */
			if (number >= 0 && (size_t)number < d->n_groups)
				d->have[number] |= (unsigned char)(1U << i);
		}
		mr_db_rows_free(rows);
	}
	return MR_OK;
}

static enum mr_err
load_groups(struct delivery *d, bool force, struct mr_error *err)
{
	enum mr_err e = mr_batch_groups(d->x->db, d->batch->id, &d->groups, &d->n_groups,
	    &d->groups_rows, err);

	if (e != MR_OK)
		return e;
	d->have = calloc(d->n_groups + 1, 1);
	if (d->have == NULL)
		return mr_fail(err, MR_ENOMEM, "no memory for a batch");
	return force ? MR_OK : load_have(d, err);
}

static void
free_groups(struct delivery *d)
{
	free(d->groups);
	free(d->have);
	mr_db_rows_free(d->groups_rows);
	d->groups = NULL;
	d->have = NULL;
	d->groups_rows = NULL;
}

/* All objects of the batch; d->differs when the table has changed. */
static enum mr_err
deliver_objects(struct delivery *d, bool force, struct mr_error *err)
{
	enum mr_err e = load_groups(d, force, err);

	d->differs = false;
	d->rows = 0;
	if (e == MR_OK && (e = large_passes(d, err)) == MR_OK)
		e = small_pass(d, err);
	free_groups(d);
	show_nothing(d->x);
	return e;
}

/*
 * Rows that are no longer where, or as many as, they were planned: what there is is
 * delivered. Objects that are there already stay; they may have rows that are gone.
 */
static enum mr_err
deliver_recounted(struct delivery *d, bool force, struct mr_error *err)
{
	const struct mr_planned_batch *b = d->batch;
	int64_t rows = 0;
	enum mr_err e = mr_groups_recount(d->x->db, b, &rows, err);

	if (e == MR_OK && rows != b->rows)
		mr_log_warning("client %.*s, batch %.*s: the table no longer has the rows that were "
		    "planned, %" PRId64 " instead of %" PRId64 " (were partitions dropped or rows "
		    "deleted?); what is there is exported", (int)b->client.n, b->client.p,
		    (int)b->name.n, b->name.p, rows, b->rows);
	if (e != MR_OK || (e = deliver_objects(d, force, err)) != MR_OK || !d->differs)
		return e;
	return mr_fail(err, MR_EAGAIN, "batch %.*s: the rows of the table events change while they "
	    "are read", (int)b->name.n, b->name.p);
}

static enum mr_err
set_format(struct delivery *d, struct mr_error *err)
{
	const struct mr_planned_batch *b = d->batch;

	d->format = (struct mr_format_options){ .level = b->level, .json_payload = b->parquet_json };
	if (!mr_format_parse(b->format, &d->format.format) ||
	    !mr_compression_parse(b->compression, &d->format.compression))
		return mr_fail(err, MR_EINVAL, "batch %.*s: its format is unknown", (int)b->name.n,
		    b->name.p);
	if (b->encoder_version != MR_ENCODER_VERSION)
		mr_log_warning("batch %.*s was planned by another version of millrace: its objects may "
		    "differ from those of an earlier try", (int)b->name.n, b->name.p);
	return MR_OK;
}

static enum mr_err
finish_destination(struct delivery *d, struct destination *to, bool moves_cursor,
    struct mr_error *err)
{
	enum mr_err e = manifest_deliver(d, to, moves_cursor, err);

	if (e != MR_OK || !to->failed)
		return e;
	if ((e = destination_unsettle(to, d->batch, err)) != MR_OK)
		return e;
	return manifest_audit(d->x, d->batch, to, NULL, 0, 0, 0, &to->err, err);
}

enum mr_err
deliver_batch(struct exporter *x, const struct mr_planned_batch *batch,
    struct destination *const *to, size_t n_to, bool force, struct mr_error *err)
{
	struct delivery d = { .x = x, .batch = batch, .folder = "" };
	bool manual = mr_str_eq(batch->kind, MR_STR_LIT("manual"));
	bool had_failed[EXPORT_DESTINATIONS];
	char folder[64];
	enum mr_err e;

	for (size_t i = 0; i < n_to; i++) {
		had_failed[i] = to[i]->failed;
		if (!to[i]->failed)
			d.to[d.n_to++] = to[i];
	}
	if (manual) {
		(void)snprintf(folder, sizeof folder, "manual/%.*s", (int)batch->run_id.n,
		    batch->run_id.p);
		d.folder = folder;
	}
	for (size_t i = 0; i < d.n_to; i++)
		if ((e = destination_settle(d.to[i], batch, err)) != MR_OK)
			return e;
	if ((e = set_format(&d, err)) != MR_OK || (e = deliver_objects(&d, force, err)) != MR_OK)
		return e;
	if (d.differs && anyone_left(&d) && (e = deliver_recounted(&d, force, err)) != MR_OK)
		return e;
	if ((e = stopped(x, err)) != MR_OK)
		return e;
	for (size_t i = 0; i < n_to && e == MR_OK; i++)
		if (!had_failed[i])
			e = finish_destination(&d, to[i], !manual && !force, err);
	return e;
}
