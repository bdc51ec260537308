/* millrace-export --verify: what lies there, against what was delivered. */
#include "export/exporter.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "db/query.h"
#include "secret/secret.h"

struct sum {
	struct mr_sha256 sha256;
	int64_t bytes;
};

static bool
take(void *arg, const char *p, size_t n)
{
	struct sum *s = arg;

	mr_sha256_add(&s->sha256, p, n);
	s->bytes += (int64_t)n;
	return true;
}

static void
differs(struct exporter *x, const struct destination *d, const char *key, const char *how)
{
	struct mr_error err = MR_ERROR_INIT;

	(void)mr_fail(&err, MR_EINVAL, "client %s, %s: %s %s; --force writes the last batch again",
	    d->client, d->at.url, key, how);
	x->differences++;
	export_complain(x, &err);
}

/* One that cannot be read tells nothing: the destination has failed. bytes < 0: not known. */
static void
check_object(struct exporter *x, struct destination *d, const char *key, int64_t bytes,
    const char *sha256)
{
	unsigned char digest[MR_SHA256_BYTES];
	char hex[MR_SHA256_HEX];
	struct sum s = { .bytes = 0 };
	bool missing;

	mr_sha256_init(&s.sha256);
	if (destination_read(d, x, key, take, &s, &missing, &d->err) != MR_OK) {
		d->failed = !missing;
		if (missing)
			differs(x, d, key, "is missing");
		return;
	}
	mr_sha256_final(&s.sha256, digest);
	mr_secret_hex(digest, sizeof digest, hex);
	if (bytes >= 0 && s.bytes != bytes)
		differs(x, d, key, "has another length than when it was delivered");
	else if (strcmp(hex, sha256) != 0)
		differs(x, d, key, "has another content than when it was delivered");
	x->objects++;
	x->bytes += s.bytes;
}

static bool
may_go_on(const struct exporter *x, const struct destination *d)
{
	return !d->failed && *x->stop == 0;
}

static enum mr_err
check_batch(struct exporter *x, struct destination *d, const char *batch, const char *manifest,
    const char *sha256, struct mr_error *err)
{
	const char *params[] = { batch, d->name };
	struct mr_db_rows *rows;

	if (mr_db_query(x->db, "SELECT key, bytes, sha256 FROM export_objects WHERE "
	    "batch = $1::bigint AND destination = $2 ORDER BY number", params, 2, &rows,
	    err) != MR_DB_OK)
		return MR_EAGAIN;
	check_object(x, d, manifest, -1, sha256);
	for (int i = 0; i < mr_db_n_rows(rows) && may_go_on(x, d); i++)
		check_object(x, d, mr_db_value(rows, i, 0).p, mr_db_int(rows, i, 1),
		    mr_db_value(rows, i, 2).p);
	mr_db_rows_free(rows);
	x->batches++;
	return MR_OK;
}

/* Those delivered in the span, or the last one. */
static enum mr_err
list_batches(struct exporter *x, const struct destination *d, struct mr_db_rows **rows,
    struct mr_error *err)
{
	static const char sql[] = "SELECT d.batch, d.manifest, d.sha256, d.rows "
	    "FROM export_deliveries d JOIN export_batches b ON b.id = d.batch "
	    "WHERE b.client = $1 AND d.destination = $2 AND (($3::bigint IS NULL AND "
	    "$4::bigint IS NULL AND d.batch = (SELECT batch FROM export_cursors WHERE client = $1 "
	    "AND destination = $2)) OR (($3::bigint IS NOT NULL OR $4::bigint IS NOT NULL) AND "
	    "b.planned_at >= 'epoch'::timestamptz + coalesce($3::bigint, 0) * "
	    "interval '1 microsecond' AND b.planned_at < coalesce('epoch'::timestamptz + "
	    "$4::bigint * interval '1 microsecond', 'infinity'))) ORDER BY d.batch";
	const struct export_options *o = x->options;
	char since[24], until[24];
	const char *params[] = { d->client, d->name, o->since_us != INT64_MIN ? since : NULL,
		o->until_us != INT64_MAX ? until : NULL };

	(void)snprintf(since, sizeof since, "%" PRId64, o->since_us);
	(void)snprintf(until, sizeof until, "%" PRId64, o->until_us);
	return mr_db_query(x->db, sql, params, 4, rows, err) == MR_DB_OK ? MR_OK : MR_EAGAIN;
}

static enum mr_err
verify_destination(struct exporter *x, struct destination *d, struct mr_error *err)
{
	struct mr_error why = MR_ERROR_INIT;
	struct mr_db_rows *rows;
	enum mr_err e;

	if ((e = list_batches(x, d, &rows, err)) != MR_OK)
		return e;
	for (int r = 0; r < mr_db_n_rows(rows) && e == MR_OK && may_go_on(x, d); r++) {
		x->rows += mr_db_int(rows, r, 3);
		e = check_batch(x, d, mr_db_value(rows, r, 0).p, mr_db_value(rows, r, 1).p,
		    mr_db_value(rows, r, 2).p, err);
	}
	mr_db_rows_free(rows);
	/* What a signal cut off is nobody's failure. */
	if (d->failed && *x->stop == 0) {
		(void)mr_fail(&why, d->err.code, "client %s, %s: %.400s", d->client, d->at.url,
		    d->err.text);
		export_complain(x, &why);
		x->failures++;
	}
	return e;
}

enum mr_err
verify_client(struct exporter *x, struct destination *const *to, size_t n_to,
    struct mr_error *err)
{
	enum mr_err e = MR_OK;

	for (size_t i = 0; i < n_to && e == MR_OK && *x->stop == 0; i++)
		e = verify_destination(x, to[i], err);
	return *x->stop != 0 ? mr_fail(err, MR_EAGAIN, "stopped by a signal") : e;
}
