/* millrace-export: one object on its way to its destinations. */
#include "export/exporter.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "export/objectkey.h"
#include "secret/secret.h"
#include "stage/meter.h"
#include "stage/tee.h"

static char *
make_key(const struct delivery *d, const struct destination *to, const struct mr_batch_group *group)
{
	struct mr_buf key;

	mr_buf_init(&key, 4096);
	mr_objectkey_put(&key, to->prefix, d->folder, group->site_id, group->hour_us, d->batch->name,
	    group->number, mr_format_suffix(&d->format));
	mr_buf_add_char(&key, '\0');
	if (!key.failed)
		return key.p;
	mr_buf_free(&key);
	return NULL;
}

static void
fail_destination(struct destination *to, const struct mr_error *why)
{
	to->failed = true;
	to->err = *why;
}

/* Opens the sinks; s->to has those that could be. */
static size_t
open_sinks(struct stream *s, struct delivery *d, struct mr_stage **sinks)
{
	size_t number = (size_t)(s->group - d->groups);
	struct mr_error why = MR_ERROR_INIT;

	for (size_t i = 0; i < d->n_to; i++) {
		struct destination *to = d->to[i];
		char *key;

		if (to->failed || (d->have[number] & 1U << i) != 0)
			continue;
		if ((key = make_key(d, to, s->group)) == NULL)
			(void)mr_fail(&why, MR_ENOMEM, "no memory for a key");
		else
			sinks[s->n_to] = destination_sink(to, d->x, key,
			    mr_format_content_type(&d->format), &why);
		if (key == NULL || sinks[s->n_to] == NULL) {
			free(key);
			fail_destination(to, &why);
			continue;
		}
		s->key[s->n_to] = key;
		s->to[s->n_to++] = to;
	}
	return s->n_to;
}

/* Puts the chain together in front of the sinks, which are its own from here on. */
static enum mr_err
build_chain(struct stream *s, const struct delivery *d, struct mr_stage **sinks,
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
forget(struct stream *s)
{
	mr_stage_free(s->head);
	for (size_t i = 0; i < s->n_to; i++)
		free(s->key[i]);
	/* Rows of its group may come still; it is theirs to be recognised by. */
	*s = (struct stream){ .group = s->group };
}

enum mr_err
stream_open(struct stream *s, struct delivery *d, const struct mr_batch_group *group,
    struct mr_error *err)
{
	struct mr_stage *sinks[EXPORT_DESTINATIONS];

	*s = (struct stream){ .group = group, .min_id = INT64_MAX, .max_id = INT64_MIN,
		.min_created_us = INT64_MAX, .max_created_us = INT64_MIN };
	if (open_sinks(s, d, sinks) == 0)
		return mr_fail(err, MR_EAGAIN, "no destination is left");
	if (build_chain(s, d, sinks, err) == MR_OK)
		return MR_OK;
	forget(s);
	return MR_ENOMEM;
}

enum mr_err
stream_push(struct stream *s, const struct mr_export_row *row, struct mr_error *err)
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
stream_abort(struct stream *s)
{
	if (s->head != NULL)
		forget(s);
}

static enum mr_err
record(const struct stream *s, struct delivery *d, size_t i, struct mr_error *err)
{
	char batch[24], number[12], rows[24], bytes[24], sha256[MR_SHA256_HEX], ids[2][24],
	    times[2][24];
	const char *params[] = { batch, s->to[i]->name, number, s->key[i], rows, bytes, sha256,
		ids[0], ids[1], times[0], times[1] };

	(void)snprintf(batch, sizeof batch, "%" PRId64, d->batch->id);
	(void)snprintf(number, sizeof number, "%d", s->group->number);
	(void)snprintf(rows, sizeof rows, "%" PRId64, s->rows);
	(void)snprintf(bytes, sizeof bytes, "%" PRIu64, s->meter->bytes);
	(void)snprintf(ids[0], sizeof ids[0], "%" PRId64, s->min_id);
	(void)snprintf(ids[1], sizeof ids[1], "%" PRId64, s->max_id);
	(void)snprintf(times[0], sizeof times[0], "%" PRId64, s->min_created_us);
	(void)snprintf(times[1], sizeof times[1], "%" PRId64, s->max_created_us);
	mr_meter_sha256(s->meter, sha256);
	return export_tell(d->x, "INSERT INTO export_objects (batch, destination, number, key, rows, "
	    "bytes, sha256, min_id, max_id, min_created_at, max_created_at) VALUES ($1::bigint, $2, "
	    "$3::integer, $4, $5::bigint, $6::bigint, $7, $8::bigint, $9::bigint, "
	    "'epoch'::timestamptz + $10::bigint * interval '1 microsecond', "
	    "'epoch'::timestamptz + $11::bigint * interval '1 microsecond') "
	    "ON CONFLICT (batch, destination, number) DO UPDATE SET key = excluded.key, "
	    "rows = excluded.rows, bytes = excluded.bytes, sha256 = excluded.sha256, "
	    "min_id = excluded.min_id, max_id = excluded.max_id, "
	    "min_created_at = excluded.min_created_at, max_created_at = excluded.max_created_at",
	    params, 11, err);
}

bool
stream_lost(struct stream *s)
{
	struct mr_error why = MR_ERROR_INIT;
	size_t lost = 0;

	for (size_t i = 0; i < s->n_to; i++) {
		if (mr_tee_result(s->tee, i, &why) == MR_OK)
			continue;
		fail_destination(s->to[i], &why);
		lost++;
	}
	return lost == s->n_to;
}

enum mr_err
stream_close(struct stream *s, struct delivery *d, struct mr_error *err)
{
	size_t number = (size_t)(s->group - d->groups);
	enum mr_err e = mr_stage_finish(s->head, err);

	if (stream_lost(s))
		e = MR_OK;
	for (size_t i = 0; i < s->n_to && e == MR_OK; i++) {
		if (s->to[i]->failed)
			continue;
		e = record(s, d, i, err);
		for (size_t j = 0; j < d->n_to; j++)
			if (d->to[j] == s->to[i])
				d->have[number] |= (unsigned char)(1U << j);
	}
	forget(s);
	return e;
}
