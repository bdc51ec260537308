/* The objects of a batch: see passes.h. */
#include "export/passes.h"

#include <stdlib.h>

#include "export/read.h"
#include "export/stream.h"

/* Slices with at least this part of the batch's rows are read by themselves. */
#define LARGE_PART 20
#define MAX_STREAMS 4

/* What one COPY reads. */
struct pass {
	struct mr_stream streams[MAX_STREAMS];
	size_t n;
	size_t last; /* the stream of the last row: the next one often has the same */
	const struct mr_planned_slice *at; /* sorted: that of the last row, wanted or not */
};

static bool
is_large(const struct mr_delivery *d, const struct mr_planned_slice *g)
{
	return d->n_slices <= MAX_STREAMS || g->rows * LARGE_PART >= d->batch->rows;
}

/* Objects that are open at a time: Parquet and S3 keep many MiB for each. */
static size_t
max_streams(const struct mr_delivery *d)
{
	if (d->format.format == MR_FORMAT_PARQUET)
		return 1;
	for (size_t i = 0; i < d->n_to; i++)
		if (d->to[i]->at.folder == NULL)
			return 2;
	return MAX_STREAMS;
}

/* --- rows --- */

static bool
belongs(const struct mr_planned_slice *g, const struct mr_export_row *row)
{
	return row->created_us >= g->hour_us && row->created_us < g->hour_us + MR_PLANNED_HOUR_US &&
	    mr_str_eq(row->event.site_id, g->site_id);
}

static struct mr_stream *
stream_of(struct pass *p, const struct mr_export_row *row)
{
	for (size_t i = 0; i < p->n; i++) {
		size_t at = (p->last + i) % p->n;

		if (!belongs(p->streams[at].slice, row))
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
close_stream(struct mr_delivery *d, struct mr_stream *s, struct mr_error *err)
{
	if (s->head == NULL)
		return MR_OK;
	if (s->rows == s->slice->rows)
		return mr_stream_close(s, d, err);
	d->differs = true;
	mr_stream_abort(s);
	return MR_OK;
}

static enum mr_err
push(struct mr_stream *s, const struct mr_export_row *row, struct mr_error *err)
{
	enum mr_err e;

	if (s->head == NULL || (e = mr_stream_push(s, row, err)) == MR_OK)
		return MR_OK;
	/* That of the destinations is told later; that of the row is ours. */
	if (!mr_stream_lost(s))
		return e;
	mr_stream_abort(s);
	return MR_OK;
}

/* How the row lies to the slice, in the order of the slices' numbers. */
static int
compare(const void *key, const void *element)
{
	const struct mr_export_row *row = key;
	const struct mr_planned_slice *g = element;

	if (row->created_us < g->hour_us)
		return -1;
	if (row->created_us >= g->hour_us + MR_PLANNED_HOUR_US)
		return 1;
	return mr_str_cmp(row->event.site_id, g->site_id);
}

/* In the sorted pass one object follows the other; those of slices not wanted are passed by. */
static enum mr_err
next_small(struct mr_delivery *d, struct pass *p, const struct mr_export_row *row,
    struct mr_error *err)
{
	enum mr_err e;

	if (p->at != NULL && belongs(p->at, row))
		return MR_OK;
	if (p->n > 0 && (e = close_stream(d, &p->streams[0], err)) != MR_OK)
		return e;
	p->n = 0;
	p->at = bsearch(row, d->slices, d->n_slices, sizeof d->slices[0], compare);
	if (p->at == NULL)
		d->differs = true;
	if (p->at == NULL || is_large(d, p->at) || !mr_delivery_is_pending(d, p->at))
		return MR_OK;
	e = mr_stream_open(&p->streams[0], d, p->at, err);
	p->n = e == MR_OK;
	return mr_delivery_anyone_left(d) ? e : MR_OK;
}

static enum mr_err
read_rows(struct mr_delivery *d, struct pass *p, struct mr_readahead *ahead, bool sorted,
    struct mr_error *err)
{
	struct mr_export_row room;
	const struct mr_export_row *row;
	struct mr_stream *s;
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
			mr_progress_show(&d->x->journal->progress, d->batch->client, d->rows,
			    d->batch->rows);
			if (e == MR_OK)
				e = mr_context_stopped(d->x, err);
		}
		/* Its object may have been given up, and be the last one. */
		if ((s == NULL || s->head == NULL) && !mr_delivery_anyone_left(d))
			break;
	}
	return e;
}

static enum mr_err
run_pass(struct mr_delivery *d, struct pass *p, const struct mr_read_request *request,
    struct mr_error *err)
{
	struct mr_reading reading;
	enum mr_err e = mr_read_start(&reading, request, err);

	if (e == MR_OK) {
		e = read_rows(d, p, reading.ahead, request->sorted, err);
		mr_read_stop(&reading);
	}
	for (size_t i = 0; i < p->n && e == MR_OK && mr_delivery_anyone_left(d); i++)
		e = close_stream(d, &p->streams[i], err);
	for (size_t i = 0; i < p->n; i++)
		mr_stream_abort(&p->streams[i]);
	if (e == MR_OK)
		e = mr_delivery_record(d, err);
	mr_delivery_drop(d);
	return e;
}

/* --- passes --- */

static struct mr_read_request
request_of(const struct mr_delivery *d, const struct mr_planned_slice *const *slices, size_t n)
{
	return (struct mr_read_request){ .batch = d->batch, .slices = slices, .n = n,
		.all = n == d->n_slices, .dbs = d->x->readers, .n_dbs = MR_EXPORT_READERS };
}

static enum mr_err
large_passes(struct mr_delivery *d, struct mr_error *err)
{
	const struct mr_planned_slice *slices[MAX_STREAMS];
	size_t most = max_streams(d), i = 0;
	struct mr_read_request request;
	struct pass p;
	enum mr_err e = MR_OK;

	while (i < d->n_slices && e == MR_OK && mr_delivery_anyone_left(d)) {
		p = (struct pass){ .n = 0 };
		for (; i < d->n_slices && p.n < most && e == MR_OK; i++) {
			if (!is_large(d, &d->slices[i]) || !mr_delivery_is_pending(d, &d->slices[i]))
				continue;
			slices[p.n] = &d->slices[i];
			e = mr_stream_open(&p.streams[p.n], d, &d->slices[i], err);
			p.n += e == MR_OK;
			if (e != MR_OK && !mr_delivery_anyone_left(d))
				e = MR_OK;
		}
		request = request_of(d, slices, p.n);
		if (e == MR_OK && p.n > 0)
			e = run_pass(d, &p, &request, err);
		for (size_t k = 0; k < p.n; k++)
			mr_stream_abort(&p.streams[k]);
	}
	return e;
}

static enum mr_err
small_pass(struct mr_delivery *d, struct mr_error *err)
{
	const struct mr_planned_slice **slices = calloc(d->n_slices + 1, sizeof *slices);
	const struct mr_planned_slice *large[LARGE_PART];
	struct mr_read_request request = request_of(d, slices, 0);
	struct pass p = { .n = 0 };
	enum mr_err e = MR_OK;

	if (slices == NULL)
		return mr_fail(err, MR_ENOMEM, "no memory for %zu objects", d->n_slices);
	request.sorted = true;
	request.without = large;
	for (size_t i = 0; i < d->n_slices; i++) {
		if (!is_large(d, &d->slices[i])) {
			if (mr_delivery_is_pending(d, &d->slices[i]))
				slices[request.n++] = &d->slices[i];
		} else if (request.n_without < LARGE_PART) {
			large[request.n_without++] = &d->slices[i];
		}
	}
	if (request.n > 0)
		e = run_pass(d, &p, &request, err);
	free(slices);
	return e;
}

/* Slices of which not a row was found. */
static bool
any_pending(const struct mr_delivery *d)
{
	for (size_t i = 0; i < d->n_slices; i++)
		if (mr_delivery_is_pending(d, &d->slices[i]))
			return true;
	return false;
}

enum mr_err
mr_passes_run(struct mr_delivery *d, struct mr_error *err)
{
	enum mr_err e = large_passes(d, err);

	if (e == MR_OK)
		e = small_pass(d, err);
	d->differs = d->differs || (e == MR_OK && any_pending(d));
	return e;
}
