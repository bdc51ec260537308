/* One object on its way to its destinations: see stream.h. */
#include "export/stream.h"

#include <stdlib.h>

#include "base/buf.h"
#include "export/objectkey.h"
#include "stage/meter.h"
#include "stage/tee.h"

static char *
make_key(const struct mr_delivery *d, const struct mr_destination *to,
    const struct mr_planned_slice *slice)
{
	struct mr_buf key;

	mr_buf_init(&key, MR_OBJECTKEY_MAX);
	mr_objectkey_put(&key, to->prefix, d->folder, slice->site_id, slice->hour_us, d->batch->name,
	    slice->number, mr_format_suffix(&d->format), d->batch->encoder_version);
	mr_buf_add_char(&key, '\0');
	if (!key.failed)
		return key.p;
	mr_buf_free(&key);
	return NULL;
}

/* Opens the sinks; s->to has those that could be. */
static size_t
open_sinks(struct mr_stream *s, const struct mr_delivery *d, struct mr_stage **sinks)
{
	struct mr_error why = MR_ERROR_INIT;

	for (size_t i = 0; i < d->n_to; i++) {
		struct mr_destination *to = d->to[i];
		char *key;

		if (!mr_delivery_lacks(d, s->slice, i))
			continue;
		if ((key = make_key(d, to, s->slice)) == NULL)
			(void)mr_fail(&why, MR_ENOMEM, "no memory for a key");
		else
			sinks[s->n_to] = mr_destination_sink(to, d->x, key,
			    mr_format_content_type(&d->format), &to->complete.files, &why);
		if (key == NULL || sinks[s->n_to] == NULL) {
			free(key);
			mr_destination_fail(to, &why);
			continue;
		}
		s->key[s->n_to] = key;
		s->to[s->n_to++] = to;
	}
	return s->n_to;
}

/* Puts the chain together in front of the sinks, which are its own from here on. */
static enum mr_err
build_chain(struct mr_stream *s, const struct mr_delivery *d, struct mr_stage **sinks,
    struct mr_error *err)
{
	s->tee = mr_tee_new(sinks, s->n_to, err);
	if (s->tee == NULL) {
		for (size_t i = 0; i < s->n_to; i++)
			mr_stage_free(sinks[i]);
		return MR_ENOMEM;
	}
	s->meter = mr_meter_new(s->tee, err);
	if (s->meter == NULL) {
		mr_stage_free(s->tee);
		return MR_ENOMEM;
	}
	s->head = mr_format_new(&d->format, s->meter, err);
	if (s->head != NULL)
		return MR_OK;
	mr_stage_free(s->meter);
	return MR_ENOMEM;
}

static void
forget(struct mr_stream *s)
{
	mr_stage_free(s->head);
	for (size_t i = 0; i < s->n_to; i++)
		free(s->key[i]);
	/* Rows of its slice may come still; it is theirs to be recognised by. */
	*s = (struct mr_stream){ .slice = s->slice };
}

enum mr_err
mr_stream_open(struct mr_stream *s, const struct mr_delivery *d,
    const struct mr_planned_slice *slice, struct mr_error *err)
{
	struct mr_stage *sinks[MR_DESTINATIONS];

	*s = (struct mr_stream){ .slice = slice, .min_id = INT64_MAX, .max_id = INT64_MIN,
		.min_created_us = INT64_MAX, .max_created_us = INT64_MIN };
	if (open_sinks(s, d, sinks) == 0)
		return mr_fail(err, MR_EAGAIN, "no destination is left");
	if (build_chain(s, d, sinks, err) == MR_OK)
		return MR_OK;
	forget(s);
	return MR_ENOMEM;
}

enum mr_err
mr_stream_push(struct mr_stream *s, const struct mr_export_row *row, struct mr_error *err)
{
	s->rows++;
	if (row->id < s->min_id)
		s->min_id = row->id;
	if (row->id > s->max_id)
		s->max_id = row->id;
	if (row->created_us < s->min_created_us)
		s->min_created_us = row->created_us;
	if (row->created_us > s->max_created_us)
		s->max_created_us = row->created_us;
	return mr_stage_rows(s->head, row, 1, err);
}

void
mr_stream_abort(struct mr_stream *s)
{
	if (s->head != NULL)
		forget(s);
}

/* The key goes with it. */
static void
complete(struct mr_stream *s, size_t i)
{
	struct mr_complete c = { .number = s->slice->number, .key = s->key[i], .rows = s->rows,
		.bytes = (int64_t)s->meter->bytes, .min_id = s->min_id, .max_id = s->max_id,
		.min_created_us = s->min_created_us, .max_created_us = s->max_created_us };

	mr_meter_sha256(s->meter, c.sha256);
	mr_complete_add(&s->to[i]->complete, &c);
	s->key[i] = NULL;
}

bool
mr_stream_lost(struct mr_stream *s)
{
	struct mr_error why = MR_ERROR_INIT;
	size_t lost = 0;

	for (size_t i = 0; i < s->n_to; i++) {
		if (mr_tee_result(s->tee, i, &why) == MR_OK)
			continue;
		mr_destination_fail(s->to[i], &why);
		lost++;
	}
	return lost == s->n_to;
}

enum mr_err
mr_stream_close(struct mr_stream *s, struct mr_delivery *d, struct mr_error *err)
{
	enum mr_err e = mr_delivery_make_room(d, err);

	if (e == MR_OK)
		e = mr_stage_finish(s->head, err);
	if (mr_stream_lost(s))
		e = MR_OK;
	for (size_t i = 0; i < s->n_to && e == MR_OK; i++)
		if (mr_tee_result(s->tee, i, NULL) == MR_OK)
			complete(s, i);
	forget(s);
	return e;
}
