/* The manifest, and what is recorded with it: see manifest.h. */
#include "export/manifest.h"

#include <inttypes.h>

#include "base/buf.h"
#include "db/query.h"
#include "export/objectkey.h"
#include "export/sql.h"
#include "export/usage.h"
#include "format/jsonout.h"
#include "format/jsonwriter.h"
#include "secret/secret.h"
#include "stage/meter.h"

#define MAX_MANIFEST ((size_t)256 << 20)
#define MANIFEST_VERSION 1

struct sums {
	int64_t objects, rows, bytes;
};

static void
put_text(struct mr_buf *b, const char *key, struct mr_str value)
{
	mr_buf_add_cstr(b, ",\n  ");
	mr_jsonout_key(b, key);
	mr_jsonout_string(b, value);
}

static void
put_number(struct mr_buf *b, const char *key, int64_t value)
{
	mr_buf_add_cstr(b, ",\n  ");
	mr_jsonout_key(b, key);
	mr_buf_printf(b, "%" PRId64, value);
}

/* A value that libpq has as the text of a number; NULL becomes null. */
static void
put_field(struct mr_buf *b, const char *key, struct mr_str number)
{
	mr_buf_add_cstr(b, ",\n  ");
	mr_jsonout_key(b, key);
	mr_buf_add_str(b, number.p != NULL ? number : MR_STR_LIT("null"));
}

/* What is known of the batch without its objects. */
static void
put_head(struct mr_buf *b, const struct mr_delivery *d)
{
	const struct mr_planned_batch *p = d->batch;

	mr_buf_printf(b, "{\n  \"manifest_version\":%d", MANIFEST_VERSION);
	put_text(b, "batch", p->name);
	put_text(b, "client", p->client);
	put_text(b, "kind", p->kind);
	put_text(b, "run_id", p->run_id);
	put_text(b, "format", p->format);
	put_text(b, "compression", d->format.format == MR_FORMAT_PARQUET ? p->parquet_codec :
	    p->compression);
	put_number(b, "encoder_version", p->encoder_version);
	put_text(b, "snapshot_from", p->from_text);
	put_text(b, "snapshot_to", p->to_text);
}

/* The batch's own row and the sums of what the destination has of it. */
static enum mr_err
put_sums(struct mr_buf *b, const struct mr_delivery *d, const struct mr_db_args *args,
    struct sums *sums, struct mr_error *err)
{
	static const char sql[] = "SELECT " MR_SQL_TEXT_US("planned_at") ", " MR_SQL_TEXT_US("since") ", " MR_SQL_TEXT_US("until")
	    ", o.* FROM export_batches, (SELECT count(*), coalesce(sum(rows), 0)::bigint, "
	    "coalesce(sum(bytes), 0)::bigint, min(min_id), max(max_id), " MR_SQL_TEXT_US("min(min_created_at)")
	    ", " MR_SQL_TEXT_US("max(max_created_at)") " FROM export_objects WHERE batch = $1::bigint AND "
	    "destination = $2) o WHERE id = $1::bigint";
	struct mr_db_rows *rows;
	enum mr_err e = mr_db_ask(d->x->db, sql, args, &rows, err);

	if (e != MR_OK)
		return e;
	*sums = (struct sums){ mr_db_int(rows, 0, 3), mr_db_int(rows, 0, 4),
		mr_db_int(rows, 0, 5) };
	put_text(b, "planned_at", mr_db_value(rows, 0, 0));
	if (mr_planned_is_manual(d->batch)) {
		put_text(b, "since", mr_db_value(rows, 0, 1));
		put_text(b, "until", mr_db_value(rows, 0, 2));
	}
	put_number(b, "rows", sums->rows);
	put_number(b, "bytes", sums->bytes);
	put_field(b, "min_id", mr_db_value(rows, 0, 6));
	put_field(b, "max_id", mr_db_value(rows, 0, 7));
	put_text(b, "min_created_at", mr_db_value(rows, 0, 8));
	put_text(b, "max_created_at", mr_db_value(rows, 0, 9));
	mr_db_rows_free(rows);
	return MR_OK;
}

static void
put_object(struct mr_buf *b, const struct mr_db_rows *rows, int i)
{
	struct mr_json_writer w;

	mr_buf_add_cstr(b, i > 0 ? ",\n    " : "\n    ");
	mr_json_begin(&w, b);
	mr_json_object(&w, NULL);
	mr_json_text(&w, "key", mr_db_value(rows, i, 0));
	mr_json_text(&w, "site_id", mr_db_value(rows, i, 1));
	mr_json_text(&w, "hour", mr_db_value(rows, i, 2));
	mr_json_as_is(&w, "rows", mr_db_value(rows, i, 3));
	mr_json_as_is(&w, "bytes", mr_db_value(rows, i, 4));
	mr_json_text(&w, "sha256", mr_db_value(rows, i, 5));
	mr_json_as_is(&w, "min_id", mr_db_value(rows, i, 6));
	mr_json_as_is(&w, "max_id", mr_db_value(rows, i, 7));
	mr_json_text(&w, "min_created_at", mr_db_value(rows, i, 8));
	mr_json_text(&w, "max_created_at", mr_db_value(rows, i, 9));
	mr_json_end(&w);
}

static enum mr_err
put_objects(struct mr_buf *b, const struct mr_delivery *d, const struct mr_db_args *args,
    struct mr_error *err)
{
	static const char sql[] = "SELECT o.key, g.site_id, to_char(g.hour AT TIME ZONE 'UTC', "
	    "'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), o.rows, o.bytes, o.sha256, o.min_id, o.max_id, "
	    MR_SQL_TEXT_US("o.min_created_at") ", " MR_SQL_TEXT_US("o.max_created_at")
	    " FROM export_objects o JOIN export_slices g USING (batch, number) "
	    "WHERE o.batch = $1::bigint AND o.destination = $2 ORDER BY o.number";
	struct mr_db_rows *rows;
	enum mr_err e = mr_db_ask(d->x->db, sql, args, &rows, err);

	if (e != MR_OK)
		return e;
	mr_buf_add_cstr(b, ",\n  \"objects\":[");
	for (int i = 0; i < mr_db_n_rows(rows); i++)
		put_object(b, rows, i);
	mr_buf_add_cstr(b, "\n  ]\n}\n");
	mr_db_rows_free(rows);
	return b->failed ? mr_fail(err, MR_ENOMEM, "no memory for a manifest") : MR_OK;
}

/* Writes the object; an error is the destination's, which is marked. */
static void
write_object(const struct mr_delivery *d, struct mr_destination *to, const char *key,
    struct mr_str text, char sha256[MR_SHA256_HEX])
{
	struct mr_error why = MR_ERROR_INIT;
	struct mr_stage *sink = mr_destination_sink(to, d->x, key, "application/json", NULL,
	    &why);
	struct mr_stage *meter = sink != NULL ? mr_meter_new(sink, &why) : NULL;

	if (meter == NULL) {
		mr_stage_free(sink);
		mr_destination_fail(to, &why);
		return;
	}
	if (mr_stage_bytes(meter, text, &why) != MR_OK || mr_stage_finish(meter, &why) != MR_OK)
		mr_destination_fail(to, &why);
	else
		mr_meter_sha256(meter, sha256);
	mr_stage_free(meter);
}

enum mr_err
mr_manifest_audit_failure(const struct mr_delivery *d, const struct mr_destination *to,
    struct mr_error *err)
{
	const struct mr_audit_entry entry = { .client = to->client, .destination = to->name,
		.url = to->at.url, .batch = d->batch->name.p, .why = &to->err };

	return mr_journal_audit(d->x->db, d->x->run, &entry, err);
}

/* What a destination has of a batch now: $1 to $5 of the statements below. */
static void
put_args(struct mr_db_args *args, int64_t batch, const struct mr_audit_entry *a)
{
	mr_db_arg_int(args, batch);
	mr_db_arg_text(args, a->destination);
	mr_db_arg_int(args, a->objects);
	mr_db_arg_int(args, a->rows);
	mr_db_arg_int(args, a->bytes);
}

static enum mr_err
record_delivery(struct mr_db *db, int64_t batch, const struct mr_audit_entry *a,
    const char *key, struct mr_error *err)
{
	struct mr_db_args args = MR_DB_ARGS_INIT;

	put_args(&args, batch, a);
	mr_db_arg_text(&args, key);
	mr_db_arg_text(&args, a->sha256);
	return mr_db_tell(db, "INSERT INTO export_deliveries (batch, destination, objects, rows, "
	    "bytes, manifest, sha256) VALUES ($1::bigint, $2, $3::bigint, $4::bigint, $5::bigint, "
	    "$6, $7) ON CONFLICT (batch, destination) DO UPDATE SET objects = excluded.objects, "
	    "rows = excluded.rows, bytes = excluded.bytes, manifest = excluded.manifest, "
	    "sha256 = excluded.sha256, delivered_at = now()", &args, err);
}

static enum mr_err
move_cursor(struct mr_db *db, int64_t batch, const struct mr_audit_entry *a,
    struct mr_error *err)
{
	struct mr_db_args args = MR_DB_ARGS_INIT;
	enum mr_err e = mr_usage_add(db, batch, a->client, a->destination, err);

	if (e != MR_OK)
		return e;
	put_args(&args, batch, a);
	mr_db_arg_text(&args, a->client);
	mr_db_arg_text(&args, a->url);
	return mr_db_tell(db, "UPDATE export_cursors SET batch = $1::bigint, url = $7, "
	    "reached_at = (SELECT planned_at FROM export_batches WHERE id = $1::bigint), "
	    "succeeded_at = now(), error = NULL, events = events + $4::bigint, "
	    "bytes = bytes + $5::bigint, objects = objects + $3::bigint "
	    "WHERE client = $6 AND destination = $2 AND batch < $1::bigint", &args, err);
}

static enum mr_err
record(const struct mr_delivery *d, const struct mr_audit_entry *a, bool moves_cursor,
    const char *key, struct mr_error *err)
{
	struct mr_db *db = d->x->db;
	enum mr_err e;

	if ((e = mr_db_tell(db, "BEGIN", NULL, err)) != MR_OK ||
	    (e = record_delivery(db, d->batch->id, a, key, err)) != MR_OK ||
	    (moves_cursor && (e = move_cursor(db, d->batch->id, a, err)) != MR_OK) ||
	    (e = mr_journal_audit(db, d->x->run, a, err)) != MR_OK)
		return e;
	return mr_db_tell(db, "COMMIT", NULL, err);
}

static void
count(struct mr_totals *totals, const struct mr_destination *to, const struct sums *sums)
{
	totals->batches++;
	if (to->is_backup) {
		totals->backup_rows += sums->rows;
		return;
	}
	totals->objects += sums->objects;
	totals->rows += sums->rows;
	totals->bytes += sums->bytes;
}

/* The manifest's text, and the sums in it. */
static enum mr_err
put_all(struct mr_buf *text, const struct mr_delivery *d, const struct mr_destination *to,
    struct sums *sums, struct mr_error *err)
{
	struct mr_db_args args = MR_DB_ARGS_INIT;
	enum mr_err e;

	mr_db_arg_int(&args, d->batch->id);
	mr_db_arg_text(&args, to->name);
	put_head(text, d);
	e = put_sums(text, d, &args, sums, err);
	return e == MR_OK ? put_objects(text, d, &args, err) : e;
}

enum mr_err
mr_manifest_deliver(const struct mr_delivery *d, struct mr_destination *to, bool moves_cursor,
    struct mr_error *err)
{
	char sha256[MR_SHA256_HEX] = "";
	struct sums sums = { 0, 0, 0 };
	struct mr_buf text, key;
	enum mr_err e;

	mr_buf_init(&text, MAX_MANIFEST);
	mr_buf_init(&key, MR_OBJECTKEY_MAX);
	mr_objectkey_put_manifest(&key, to->prefix, d->folder, d->batch->name);
	mr_buf_add_char(&key, '\0');
	e = key.failed ? mr_fail(err, MR_ENOMEM, "no memory for a key") :
	    put_all(&text, d, to, &sums, err);
	if (e == MR_OK)
		write_object(d, to, key.p, mr_buf_str(&text), sha256);
	if (e == MR_OK && !to->failed) {
		const struct mr_audit_entry entry = { .client = to->client, .destination = to->name,
			.url = to->at.url, .batch = d->batch->name.p, .objects = sums.objects,
			.rows = sums.rows, .bytes = sums.bytes, .sha256 = sha256 };

		e = record(d, &entry, moves_cursor, key.p, err);
		if (e == MR_OK) {
			count(d->x->totals, to, &sums);
			if (moves_cursor)
				to->cursor = d->batch->id;
		}
	}
	mr_buf_free(&text);
	mr_buf_free(&key);
	return e;
}
