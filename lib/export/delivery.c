/* A batch that is being delivered: see delivery.h. */
#include "export/delivery.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "db/query.h"

static enum mr_err
set_format(struct mr_delivery *d, struct mr_error *err)
{
	const struct mr_planned_batch *b = d->batch;

	d->format = (struct mr_format_options){ .level = b->level, .json_payload = b->parquet_json,
		.drops_keys = b->drops_keys,
		.csv_guard = b->encoder_version < MR_ENCODER_CSV_GUARD ? MR_CSV_GUARD_OLD :
		    b->csv_guard ? MR_CSV_GUARD : NULL };
	if (!mr_format_parse(b->format, &d->format.format) ||
	    !mr_compression_parse(b->compression, &d->format.compression) ||
	    !mr_codec_parse(b->parquet_codec, &d->format.codec))
		return mr_fail(err, MR_EINVAL, "batch %.*s: its format is unknown", (int)b->name.n,
		    b->name.p);
	if (b->encoder_version < MR_ENCODER_OLDEST || b->encoder_version > MR_ENCODER_VERSION)
		mr_log_warning("batch %.*s was planned by another version of millrace: its objects may "
		    "differ from those of an earlier try", (int)b->name.n, b->name.p);
	return MR_OK;
}

enum mr_err
mr_delivery_init(struct mr_delivery *d, const struct mr_context *x,
    const struct mr_planned_batch *batch, struct mr_destination *const *to, size_t n_to,
    struct mr_error *err)
{
	*d = (struct mr_delivery){ .x = x, .batch = batch, .folder = "" };
	for (size_t i = 0; i < n_to; i++)
		if (!to[i]->failed)
			d->to[d->n_to++] = to[i];
	/* The id is a UUID, for which there is room. */
	if (mr_planned_is_manual(batch))
		(void)snprintf(d->folder, sizeof d->folder, "manual/%.*s", (int)batch->run_id.n,
		    batch->run_id.p);
	return set_format(d, err);
}

/* Marks what the destinations have of the batch already. */
static enum mr_err
load_have(struct mr_delivery *d, struct mr_error *err)
{
	struct mr_db_rows *rows;
	enum mr_err e;

	for (size_t i = 0; i < d->n_to; i++) {
		struct mr_db_args args = MR_DB_ARGS_INIT;

		mr_db_arg_int(&args, d->batch->id);
		mr_db_arg_text(&args, d->to[i]->name);
		e = mr_db_ask(d->x->db, "SELECT number FROM export_objects WHERE batch = $1::bigint "
		    "AND destination = $2", &args, &rows, err);
		if (e != MR_OK)
			return e;
		for (int r = 0; r < mr_db_n_rows(rows); r++) {
			int64_t number = mr_db_int(rows, r, 0);

			if (number >= 0 && (size_t)number < d->n_slices)
				d->have[number] |= (unsigned char)(1U << i);
		}
		mr_db_rows_free(rows);
	}
	return MR_OK;
}

enum mr_err
mr_delivery_load(struct mr_delivery *d, bool again, struct mr_error *err)
{
	enum mr_err e;

	d->differs = false;
	d->rows = 0;
	e = mr_planned_slices(d->x->db, d->batch->id, &d->slices, &d->n_slices, &d->slices_rows,
	    err);
	if (e != MR_OK)
		return e;
	d->have = calloc(d->n_slices + 1, 1);
	if (d->have == NULL)
		return mr_fail(err, MR_ENOMEM, "no memory for a batch");
	return again ? MR_OK : load_have(d, err);
}

void
mr_delivery_unload(struct mr_delivery *d)
{
	free(d->slices);
	free(d->have);
	mr_db_rows_free(d->slices_rows);
	d->slices = NULL;
	d->have = NULL;
	d->slices_rows = NULL;
}

bool
mr_delivery_anyone_left(const struct mr_delivery *d)
{
	for (size_t i = 0; i < d->n_to; i++)
		if (!d->to[i]->failed)
			return true;
	return false;
}

bool
mr_delivery_lacks(const struct mr_delivery *d, const struct mr_planned_slice *slice, size_t i)
{
	return !d->to[i]->failed && (d->have[slice - d->slices] & 1U << i) == 0;
}

bool
mr_delivery_is_pending(const struct mr_delivery *d, const struct mr_planned_slice *slice)
{
	for (size_t i = 0; i < d->n_to && slice->rows > 0; i++)
		if (mr_delivery_lacks(d, slice, i))
			return true;
	return false;
}

static enum mr_err
record_at(struct mr_delivery *d, size_t i, struct mr_error *err)
{
	struct mr_destination *to = d->to[i];
	struct mr_error why = MR_ERROR_INIT;
	enum mr_err e = MR_OK;

	if (mr_filegroup_commit(&to->complete.files, &why) != MR_OK) {
		if (!to->failed)
			mr_destination_fail(to, &why);
	} else if (to->complete.n > 0) {
		e = mr_complete_record(&to->complete, d->x->db, d->batch->id, to->name, err);
		for (size_t k = 0; k < to->complete.n && e == MR_OK; k++)
			d->have[to->complete.of[k].number] |= (unsigned char)(1U << i);
	}
	mr_complete_drop(&to->complete);
	return e;
}

enum mr_err
mr_delivery_record(struct mr_delivery *d, struct mr_error *err)
{
	enum mr_err e = MR_OK;

	for (size_t i = 0; i < d->n_to && e == MR_OK; i++)
		e = record_at(d, i, err);
	return e;
}

enum mr_err
mr_delivery_make_room(struct mr_delivery *d, struct mr_error *err)
{
	for (size_t i = 0; i < d->n_to; i++)
		if (d->to[i]->complete.n == MR_FILEGROUP_MOST)
			return mr_delivery_record(d, err);
	return MR_OK;
}

void
mr_delivery_drop(struct mr_delivery *d)
{
	for (size_t i = 0; i < d->n_to; i++)
		mr_complete_drop(&d->to[i]->complete);
}
