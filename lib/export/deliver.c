/* One batch to its destinations: see deliver.h. */
#include "export/deliver.h"

#include <inttypes.h>

#include "base/log.h"
#include "db/query.h"
#include "export/delivery.h"
#include "export/manifest.h"
#include "export/passes.h"
#include "export/refused.h"
#include "export/slices.h"
#include "format/row.h"

#define ABORT_TIMEOUT_MS 5000

/* Of a row that someone wrote by hand: no span of time that can be asked for has it. */
static enum mr_err
check_hours(const struct mr_delivery *d, struct mr_error *err)
{
	for (size_t i = 0; i < d->n_slices; i++)
		if (d->slices[i].rows > 0 && !mr_row_can_have(d->slices[i].hour_us))
			return mr_fail(err, MR_EINVAL, "client %.*s, batch %.*s: an event was stored outside "
			    "the years 1 to 9999", (int)d->batch->client.n, d->batch->client.p,
			    (int)d->batch->name.n, d->batch->name.p);
	return MR_OK;
}

/* All objects of the batch; d->differs when the table has changed. */
static enum mr_err
deliver_objects(struct mr_delivery *d, bool force, struct mr_error *err)
{
	enum mr_err e = mr_delivery_load(d, force, err);

	if (e == MR_OK && (e = check_hours(d, err)) == MR_OK)
		e = mr_passes_run(d, err);
	mr_delivery_unload(d);
	mr_progress_clear(&d->x->journal->progress);
	return e;
}

/*
 * The same without rows that cannot be exported, should there be such: *own becomes the batch
 * that is delivered then.
 */
static enum mr_err
deliver_good(struct mr_delivery *d, bool force, struct mr_planned_batch *own, struct mr_error *err)
{
	struct mr_error why = MR_ERROR_INIT;
	int64_t n = 0;
	enum mr_err e = deliver_objects(d, force, &why), refused;

	if ((e != MR_EINVAL && e != MR_ELIMIT) || d->batch->filter.good_only) {
		*err = e != MR_OK ? why : *err;
		return e;
	}
	*own = *d->batch;
	if ((refused = mr_refused_take_out(d->x->db, own, &n, err)) != MR_OK)
		return refused;
	if (n == 0)
		return *err = why, e;
	mr_log_warning("client %.*s, batch %.*s: %" PRId64 " event(s) cannot be exported (%s); millrace-admin "
	    "rejected shows them, the others go on", (int)own->client.n, own->client.p,
	    (int)own->name.n, own->name.p, n, why.text);
	d->batch = own;
	return deliver_objects(d, force, err);
}

/* What was delivered once is not written over with less: the slices stay as they are, too. */
static enum mr_err
refuse_less(const struct mr_delivery *d, int64_t rows, struct mr_error *err)
{
	const struct mr_planned_batch *b = d->batch;

	mr_db_abort(d->x->db, ABORT_TIMEOUT_MS);
	return mr_fail(err, MR_EINVAL, "client %.*s, batch %.*s: the table no longer has its rows, %"
	    PRId64 " instead of %" PRId64 "; what lies at its destinations was left as it is",
	    (int)b->client.n, b->client.p, (int)b->name.n, b->name.p, rows, b->rows);
}

static void
warn_of_less(const struct mr_planned_batch *b, int64_t rows)
{
	mr_log_warning("client %.*s, batch %.*s: the table no longer has the rows that were planned, %"
	    PRId64 " instead of %" PRId64 " (were partitions dropped or rows deleted?); what is there "
	    "is exported", (int)b->client.n, b->client.p, (int)b->name.n, b->name.p, rows, b->rows);
}

static enum mr_err
recount(const struct mr_delivery *d, bool force, struct mr_error *err)
{
	struct mr_db *db = d->x->db;
	int64_t rows = 0;
	enum mr_err e;

	if ((e = mr_db_tell(db, "BEGIN", NULL, err)) != MR_OK ||
	    (e = mr_slices_recount(db, d->batch, &rows, err)) != MR_OK)
		return e;
	if (rows != d->batch->rows && force)
		return refuse_less(d, rows, err);
	if (rows != d->batch->rows)
		warn_of_less(d->batch, rows);
	return mr_db_tell(db, "COMMIT", NULL, err);
}

/*
 * Rows that are no longer where, or as many as, they were planned: what there is is
 * delivered. Objects that are there already stay; they may have rows that are gone.
 */
static enum mr_err
deliver_recounted(struct mr_delivery *d, bool force, struct mr_error *err)
{
	enum mr_err e = recount(d, force, err);

	if (e != MR_OK || (e = deliver_objects(d, force, err)) != MR_OK || !d->differs)
		return e;
	return mr_fail(err, MR_EAGAIN, "batch %.*s: the rows of the table events change while they "
	    "are read", (int)d->batch->name.n, d->batch->name.p);
}

static enum mr_err
finish_destination(struct mr_delivery *d, struct mr_destination *to, bool moves_cursor,
    struct mr_error *err)
{
	enum mr_err e;

	if (!to->failed && (e = mr_manifest_deliver(d, to, moves_cursor, err)) != MR_OK)
		return e;
	if (!to->failed)
		return MR_OK;
	if ((e = mr_destination_unsettle(to, d->batch, err)) != MR_OK)
		return e;
	return mr_manifest_audit_failure(d, to, err);
}

enum mr_err
mr_deliver_batch(const struct mr_context *x, const struct mr_planned_batch *batch,
    struct mr_destination *const *to, size_t n_to, bool force, struct mr_error *err)
{
	struct mr_delivery d;
	struct mr_planned_batch own; /* borrows what *batch owns */
	bool moves_cursor = !mr_planned_is_manual(batch) && !force;
	enum mr_err e = mr_delivery_init(&d, x, batch, to, n_to, err);

	for (size_t i = 0; i < d.n_to && e == MR_OK; i++)
		e = mr_destination_settle(d.to[i], batch, err);
	if (e != MR_OK || (e = deliver_good(&d, force, &own, err)) != MR_OK)
		return e;
	if (d.differs && mr_delivery_anyone_left(&d) &&
	    (e = deliver_recounted(&d, force, err)) != MR_OK)
		return e;
	if ((e = mr_context_stopped(x, err)) != MR_OK)
		return e;
	for (size_t i = 0; i < d.n_to && e == MR_OK; i++)
		e = finish_destination(&d, d.to[i], moves_cursor, err);
	return e;
}
