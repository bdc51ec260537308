/*
 * millrace-export: the manifest, which is the last object of a batch, and what
 * is recorded with it. Its bytes follow from the plan and the objects.
 */
#include "export/exporter.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "db/query.h"
#include "export/objectkey.h"
#include "format/jsonout.h"
#include "secret/secret.h"
#include "stage/meter.h"

#define MAX_MANIFEST ((size_t)256 << 20)
#define MANIFEST_VERSION 1

/* Times with microseconds, as the rows have them. */
#define TIME(column) "to_char(" column " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"

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
put_head(struct mr_buf *b, const struct delivery *d)
{
	const struct mr_planned_batch *p = d->batch;

	mr_buf_printf(b, "{\n  \"manifest_version\":%d", MANIFEST_VERSION);
	put_text(b, "batch", p->name);
	put_text(b, "client", p->client);
	put_text(b, "kind", p->kind);
	put_text(b, "run_id", p->run_id);
	put_text(b, "format", p->format);
	put_text(b, "compression", d->format.format == MR_FORMAT_PARQUET ? MR_STR_LIT("zstd") :
	    p->compression);
	put_number(b, "encoder_version", p->encoder_version);
	put_text(b, "snapshot_from", p->from_text);
	put_text(b, "snapshot_to", p->to_text);
}

/* The batch's own row and the sums of what the destination has of it. */
static enum mr_err
put_sums(struct mr_buf *b, struct delivery *d, const char *const *params, struct sums *sums,
    struct mr_error *err)
{
	static const char sql[] = "SELECT " TIME("planned_at") ", " TIME("since") ", " TIME("until")
	    ", o.* FROM export_batches, (SELECT count(*), coalesce(sum(rows), 0)::bigint, "
	    "coalesce(sum(bytes), 0)::bigint, min(min_id), max(max_id), " TIME("min(min_created_at)")
	    ", " TIME("max(max_created_at)") " FROM export_objects WHERE batch = $1::bigint AND "
	    "destination = $2) o WHERE id = $1::bigint";
	struct mr_db_rows *rows;

	if (mr_db_query(d->x->db, sql, params, 2, &rows, err) != MR_DB_OK)
		return MR_EAGAIN;
	*sums = (struct sums){ mr_db_int(rows, 0, 3), mr_db_int(rows, 0, 4),
		mr_db_int(rows, 0, 5) };
	put_text(b, "planned_at", mr_db_value(rows, 0, 0));
	if (mr_str_eq(d->batch->kind, MR_STR_LIT("manual"))) {
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
	mr_buf_add_cstr(b, i > 0 ? ",\n    {\"key\":" : "\n    {\"key\":");
	mr_jsonout_string(b, mr_db_value(rows, i, 0));
	mr_buf_add_cstr(b, ",\"site_id\":");
	mr_jsonout_string(b, mr_db_value(rows, i, 1));
	mr_buf_printf(b, ",\"hour\":\"%s\",\"rows\":%s,\"bytes\":%s,\"sha256\":\"%s\","
	    "\"min_id\":%s,\"max_id\":%s,\"min_created_at\":\"%s\",\"max_created_at\":\"%s\"}",
	    mr_db_value(rows, i, 2).p, mr_db_value(rows, i, 3).p, mr_db_value(rows, i, 4).p,
	    mr_db_value(rows, i, 5).p, mr_db_value(rows, i, 6).p, mr_db_value(rows, i, 7).p,
	    mr_db_value(rows, i, 8).p, mr_db_value(rows, i, 9).p);
}

static enum mr_err
put_objects(struct mr_buf *b, struct delivery *d, const char *const *params, struct mr_error *err)
{
	static const char sql[] = "SELECT o.key, g.site_id, to_char(g.hour AT TIME ZONE 'UTC', "
	    "'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), o.rows, o.bytes, o.sha256, o.min_id, o.max_id, "
	    TIME("o.min_created_at") ", " TIME("o.max_created_at")
	    " FROM export_objects o JOIN export_groups g USING (batch, number) "
	    "WHERE o.batch = $1::bigint AND o.destination = $2 ORDER BY o.number";
	struct mr_db_rows *rows;

	if (mr_db_query(d->x->db, sql, params, 2, &rows, err) != MR_DB_OK)
		return MR_EAGAIN;
	mr_buf_add_cstr(b, ",\n  \"objects\":[");
	for (int i = 0; i < mr_db_n_rows(rows); i++)
		put_object(b, rows, i);
	mr_buf_add_cstr(b, "\n  ]\n}\n");
	mr_db_rows_free(rows);
	return b->failed ? mr_fail(err, MR_ENOMEM, "no memory for a manifest") : MR_OK;
}

/* Writes the object; an error is the destination's, which is marked. */
static void
write_manifest(struct delivery *d, struct destination *to, const char *key, struct mr_str text,
    char sha256[MR_SHA256_HEX])
{
	struct mr_error why = MR_ERROR_INIT;
	struct mr_stage *sink = destination_sink(to, d->x, key, "application/json", &why);
	struct mr_stage *meter = sink != NULL ? mr_meter_new(sink, &why) : NULL;

	if (meter == NULL) {
		mr_stage_free(sink);
	} else if (mr_stage_bytes(meter, text, &why) == MR_OK &&
	    mr_stage_finish(meter, &why) == MR_OK) {
		mr_meter_sha256(meter, sha256);
	}
	mr_stage_free(meter);
	to->failed = why.code != MR_OK;
	to->err = why;
}

enum mr_err
manifest_audit(struct exporter *x, const struct mr_planned_batch *batch,
    const struct destination *to, const char *sha256, int64_t objects, int64_t rows, int64_t bytes,
    const struct mr_error *why, struct mr_error *err)
{
	char n[3][24];
	const char *params[] = { x->run_id, x->asked_by, to->client, to->name, to->at.url, batch->name.p,
		n[0], n[1], n[2], sha256, why != NULL ? why->text : NULL };

	(void)snprintf(n[0], sizeof n[0], "%" PRId64, objects);
	(void)snprintf(n[1], sizeof n[1], "%" PRId64, rows);
	(void)snprintf(n[2], sizeof n[2], "%" PRId64, bytes);
	if (why == NULL)
		mr_log_info("exported batch %s of client %s to %s: %" PRId64 " events in %" PRId64
		    " objects, %" PRId64 " bytes, manifest sha256 %s, run %s asked for by %s",
		    batch->name.p, to->client, to->at.url, rows, objects, bytes, sha256, x->run_id,
		    x->asked_by);
	return export_tell(x, "INSERT INTO export_audit (run_id, asked_by, client, destination, url, "
	    "batch, objects, events, bytes, sha256, error) VALUES ($1::uuid, $2, $3, $4, $5, $6, "
	    "$7::bigint, $8::bigint, $9::bigint, $10, $11)", params, 11, err);
}

static enum mr_err
record(struct delivery *d, struct destination *to, bool moves_cursor, const char *key,
    const char *sha256, const struct sums *sums, struct mr_error *err)
{
	struct exporter *x = d->x;
	char id[24], n[3][24];
	const char *delivery[] = { id, to->name, n[0], n[1], n[2], key, sha256 };
	const char *cursor[] = { to->client, to->name, id, n[0], n[1], n[2], to->at.url };
	enum mr_err e;

	(void)snprintf(id, sizeof id, "%" PRId64, d->batch->id);
	(void)snprintf(n[0], sizeof n[0], "%" PRId64, sums->objects);
	(void)snprintf(n[1], sizeof n[1], "%" PRId64, sums->rows);
	(void)snprintf(n[2], sizeof n[2], "%" PRId64, sums->bytes);
	if ((e = export_tell(x, "BEGIN", NULL, 0, err)) != MR_OK ||
	    (e = export_tell(x, "INSERT INTO export_deliveries (batch, destination, objects, rows, "
	    "bytes, manifest, sha256) VALUES ($1::bigint, $2, $3::bigint, $4::bigint, $5::bigint, "
	    "$6, $7) ON CONFLICT (batch, destination) DO UPDATE SET objects = excluded.objects, "
	    "rows = excluded.rows, bytes = excluded.bytes, manifest = excluded.manifest, "
	    "sha256 = excluded.sha256, delivered_at = now()", delivery, 7, err)) != MR_OK ||
	    (moves_cursor && (e = export_tell(x, "UPDATE export_cursors SET batch = $3::bigint, "
	    "url = $7, reached_at = (SELECT planned_at FROM export_batches WHERE id = $3::bigint), "
	    "succeeded_at = now(), error = NULL, events = events + $5::bigint, "
	    "bytes = bytes + $6::bigint, objects = objects + $4::bigint "
	    "WHERE client = $1 AND destination = $2 AND batch < $3::bigint", cursor, 7,
	    err)) != MR_OK) ||
	    (e = manifest_audit(x, d->batch, to, sha256, sums->objects, sums->rows, sums->bytes, NULL,
	    err)) != MR_OK)
		return e;
	return export_tell(x, "COMMIT", NULL, 0, err);
}

static void
count(struct exporter *x, const struct destination *to, const struct sums *sums)
{
	x->batches++;
	if (to->is_backup) {
		x->backup_rows += sums->rows;
		return;
	}
	x->objects += sums->objects;
	x->rows += sums->rows;
	x->bytes += sums->bytes;
}

enum mr_err
manifest_deliver(struct delivery *d, struct destination *to, bool moves_cursor,
    struct mr_error *err)
{
	char id[24], sha256[MR_SHA256_HEX];
	const char *params[] = { id, to->name };
	struct sums sums = { 0, 0, 0 };
	struct mr_buf text, key;
	enum mr_err e = MR_OK;

	if (to->failed)
		return MR_OK;
	(void)snprintf(id, sizeof id, "%" PRId64, d->batch->id);
	mr_buf_init(&text, MAX_MANIFEST);
	mr_buf_init(&key, 4096);
	mr_objectkey_put_manifest(&key, to->prefix, d->folder, d->batch->name);
	mr_buf_add_char(&key, '\0');
	put_head(&text, d);
	if (key.failed)
		e = mr_fail(err, MR_ENOMEM, "no memory for a key");
	else if ((e = put_sums(&text, d, params, &sums, err)) == MR_OK &&
	    (e = put_objects(&text, d, params, err)) == MR_OK)
		write_manifest(d, to, key.p, mr_buf_str(&text), sha256);
	if (e == MR_OK && !to->failed &&
	    (e = record(d, to, moves_cursor, key.p, sha256, &sums, err)) == MR_OK) {
		count(d->x, to, &sums);
		if (moves_cursor)
			to->cursor = d->batch->id;
	}
	mr_buf_free(&text);
	mr_buf_free(&key);
	return e;
}
