/* What lies at the destinations, against what was delivered: see verify.h. */
#include "export/verify.h"

#include <inttypes.h>

#include "db/query.h"
#include "export/delivered.h"
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
differs(const struct mr_context *x, const struct mr_destination *d, const char *key,
    const char *how)
{
	struct mr_error err = MR_ERROR_INIT;

	(void)mr_fail(&err, MR_EINVAL, "client %s, %s: %s %s; --force %s", d->client, d->at.url, key,
	    how, mr_delivered_is_span(x->options) ? "with this --since and --until writes it again" :
	    "writes the last batch again");
	x->totals->differences++;
	mr_journal_complain(x->journal, &err);
}

/* One that cannot be read tells nothing: the destination has failed. bytes < 0: not known. */
static void
check_object(const struct mr_context *x, struct mr_destination *d, const char *key, int64_t bytes,
    const char *sha256)
{
	unsigned char digest[MR_SHA256_BYTES];
	char hex[MR_SHA256_HEX];
	struct sum s = { .bytes = 0 };
	bool missing;

	mr_sha256_init(&s.sha256);
	if (mr_destination_read(d, x, key, take, &s, &missing, &d->err) != MR_OK) {
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
	x->totals->objects++;
	x->totals->bytes += s.bytes;
}

static bool
may_go_on(const struct mr_context *x, const struct mr_destination *d)
{
	return !d->failed && *x->stop == 0;
}

static enum mr_err
check_batch(const struct mr_context *x, struct mr_destination *d, int64_t batch, const char *manifest,
    const char *sha256, struct mr_error *err)
{
	struct mr_db_args args = MR_DB_ARGS_INIT;
	struct mr_db_rows *rows;
	enum mr_err e;

	mr_db_arg_int(&args, batch);
	mr_db_arg_text(&args, d->name);
	e = mr_db_ask(x->db, "SELECT key, bytes, sha256 FROM export_objects WHERE "
	    "batch = $1::bigint AND destination = $2 ORDER BY number", &args, &rows, err);
	if (e != MR_OK)
		return e;
	check_object(x, d, manifest, -1, sha256);
	for (int i = 0; i < mr_db_n_rows(rows) && may_go_on(x, d); i++)
		check_object(x, d, mr_db_value(rows, i, 0).p, mr_db_int(rows, i, 1),
		    mr_db_value(rows, i, 2).p);
	mr_db_rows_free(rows);
	x->totals->batches++;
	return MR_OK;
}

static enum mr_err
verify_destination(const struct mr_context *x, struct mr_destination *d, struct mr_error *err)
{
	struct mr_error why = MR_ERROR_INIT;
	struct mr_db_rows *rows;
	enum mr_err e;

	if ((e = mr_delivered_list(x, d, &rows, err)) != MR_OK)
		return e;
	for (int r = 0; r < mr_db_n_rows(rows) && e == MR_OK && may_go_on(x, d); r++) {
		x->totals->rows += mr_db_int(rows, r, MR_DELIVERED_ROWS);
		e = check_batch(x, d, mr_db_int(rows, r, MR_DELIVERED_BATCH),
		    mr_db_value(rows, r, MR_DELIVERED_MANIFEST).p,
		    mr_db_value(rows, r, MR_DELIVERED_SHA256).p, err);
	}
	mr_db_rows_free(rows);
	/* What a signal cut off is nobody's failure. */
	if (d->failed && *x->stop == 0) {
		(void)mr_fail(&why, d->err.code, "client %s, %s: %s", d->client, d->at.url,
		    d->err.text);
		mr_journal_complain(x->journal, &why);
		x->totals->failures++;
	}
	return e;
}

enum mr_err
mr_verify_client(const struct mr_context *x, struct mr_destination *const *to, size_t n_to,
    struct mr_error *err)
{
	enum mr_err e = MR_OK;

	for (size_t i = 0; i < n_to && e == MR_OK && *x->stop == 0; i++)
		e = verify_destination(x, to[i], err);
	return *x->stop != 0 ? mr_fail(err, MR_EAGAIN, "stopped by a signal") : e;
}
